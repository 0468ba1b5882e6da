//! The store: what guests boot from, in the user's cache. One kernel, and a root for each version of a router.
//!
//! ```text
//!   <cache>/kernel/<hash>/{linux, config, version}       <hash> as containers/kernel/README.md defines it
//!   <cache>/roots/<recipe>-<version>-<content>/fs/       the unpacked system of a router
//!                                             /root.json what it is, for people and for lists
//!   <cache>/making/<name>/                               half made; whole things are renamed out of it
//!   <cache>/store.lock                                   held by whoever makes or removes something
//! ```
//!
//! Everything here belongs to an ordinary user and is made without an engine if need be: out of the image of the same
//! recipe where an engine has it, else from the distribution's packages by this machine itself. Names contain the hash
//! of what a thing is made from, so that nothing is ever used for something else, and several checkouts share a store.

mod kernel;
mod list;
mod root;
mod unpack;
mod work;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use bollard::Docker;

pub(crate) use kernel::missing_tools;
pub(crate) use list::remove_half_made;
pub use list::{Asset, Kind, table};
pub(crate) use root::free;

use crate::{
    docker,
    images::{
        Interrupt, Making, Recipe, Transcript, Wanted, exactly,
        lock::{self, Lock},
        roughly, wall_clock,
    },
    place,
    progress::Progress,
    world::LabError,
};
use work::Work;

/// The lab's kernel in the store: an ordinary executable of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// The executable: a static User Mode Linux.
    pub path: PathBuf,
    /// The version of the source package that it was built from, such as `7.2.12-1~bpo13+1`.
    pub version: String,
    /// What it was made from: 12 hexadecimal digits.
    pub hash: String,
    /// Its size.
    pub octets: u64,
}

/// The unpacked system of a router, in a folder. All of it belongs to the user and is readable for them; there are no
/// devices in it. It is to be used as the lower layer of an overlay, and never written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// The folder that is `/` for the router.
    pub path: PathBuf,
    /// The folder under `containers/` that it was made by.
    pub recipe: String,
    /// The implementation's version, such as `10.3`.
    pub version: String,
    /// What it was made from: 12 hexadecimal digits.
    pub content: String,
}

/// The store of a user, with the recipes of a checkout.
#[derive(Clone, Debug)]
pub struct Store {
    checkout: PathBuf,
    cache: PathBuf,
}

/// How long taking something out of an image takes.
const EXPORT_TIME: Duration = Duration::from_secs(10);

impl Store {
    /// Opens the user's store ([`place::cache`]) for a checkout ([`place::root`]).
    ///
    /// # Errors
    /// `cache.unusable` if there is no place for it.
    pub fn open(checkout: &Path) -> Result<Store, LabError> {
        Ok(Store::at(checkout, &place::cache()?))
    }

    fn at(checkout: &Path, cache: &Path) -> Store {
        Store { checkout: checkout.to_owned(), cache: cache.to_owned() }
    }

    /// The kernel that this checkout describes: found, else made, which takes minutes and is said on `progress`.
    ///
    /// # Errors
    /// Environment errors `kernel.*` if it can not be made: another machine than x86_64 Linux, no compiler, no package,
    /// a full disk. [`LabError::Interrupted`] after a signal; nothing half made is left then.
    pub async fn kernel(&self, progress: &Progress) -> Result<Kernel, LabError> {
        this_machine(std::env::consts::OS, std::env::consts::ARCH)?;
        let recipe = Recipe::load(&self.checkout, crate::images::KERNEL)?;
        let hash = kernel::hash(&recipe);
        if let Some(kernel) = kernel::find(&self.cache, &hash) {
            return Ok(kernel);
        }
        let mut making = self.begin(Making::Kernel, &format!("kernel:{hash}"), progress).await?;
        // Whoever had the lock may have made it.
        if let Some(kernel) = kernel::find(&self.cache, &hash) {
            return Ok(kernel);
        }
        let source = kernel::source(&self.checkout, &hash, progress).await?;
        let time = match &source {
            Source::Image { .. } => EXPORT_TIME,
            Source::Here => kernel::estimate(),
        };
        let part = making.part.clone();
        let goal = kernel::folder(&self.cache, &hash);
        making
            .run(time, &goal, async |transcript, work| match &source {
                Source::Image { docker, image } => kernel::from_image(docker, image, &part, work).await,
                Source::Here => kernel::build(&self.checkout, &part, transcript, work).await,
            })
            .await?;
        kernel::find(&self.cache, &hash).ok_or_else(|| LabError::internal("the kernel that was made is not there"))
    }

    /// The root of a router's version, as this checkout describes it: found, else made, which takes a minute and is said
    /// on `progress`.
    ///
    /// # Errors
    /// Environment errors `root.*` and `mmdebstrap.*` if it can not be made; `root.incomplete` if the one in the store
    /// lacks what the recipe's `needs` lists; `recipe.missing`. [`LabError::Interrupted`] after a signal; nothing half
    /// made is left then.
    pub async fn root(&self, wanted: &Wanted, progress: &Progress) -> Result<Root, LabError> {
        let order = root::Order::load(&self.checkout, wanted)?;
        if let Some(root) = root::find(&self.cache, &order)? {
            return Ok(root);
        }
        let mut making = self.begin(Making::Root, &format!("root {}", order.name()), progress).await?;
        if let Some(root) = root::find(&self.cache, &order)? {
            return Ok(root);
        }
        let source = root::source(&self.checkout, &order, progress).await?;
        let time = match &source {
            Source::Image { .. } => EXPORT_TIME,
            Source::Here => root::BOOTSTRAP_TIME,
        };
        let part = making.part.clone();
        let goal = root::folder(&self.cache, &order);
        making
            .run(time, &goal, async |transcript, work| match &source {
                Source::Image { docker, image } => root::from_image(docker, image, &order, &part, work).await,
                Source::Here => root::bootstrap(&order, &part, transcript, work).await,
            })
            .await?;
        root::find(&self.cache, &order)?.ok_or_else(|| LabError::internal("the root that was made is not there"))
    }

    /// Takes the lock, and makes room for something that is to be made.
    async fn begin<'p>(&self, kind: Making, name: &str, progress: &'p Progress) -> Result<Unmade<'p>, LabError> {
        let mut interrupt = Interrupt::listen()?;
        let waited = interrupt.cuts_short(Lock::wait(&lock_path(&self.cache), progress)).await;
        let mut lock = waited.ok_or(LabError::Interrupted)??;
        lock.doing(&format!("{name} for guests"));
        // A compiler goes on for a while after this process has been killed.
        lock.share_with_programs()?;
        // Under the lock, and so nobody else's.
        let part = self.cache.join(MAKING).join(name.replace([':', ' ', '/'], "-"));
        discard(&part)?;
        Ok(Unmade { kind, name: name.to_owned(), part, cache: self.cache.clone(), progress, interrupt, _lock: lock })
    }
}

/// The folder of things that are half made.
const MAKING: &str = "making";

fn lock_path(cache: &Path) -> PathBuf {
    lock::path(cache).with_file_name("store.lock")
}

/// The kernel is for one kind of machine.
fn this_machine(os: &str, arch: &str) -> Result<(), LabError> {
    match (os, arch) {
        ("linux", "x86_64") => Ok(()),
        _ => Err(LabError::environment(
            "kernel.architecture",
            format!("guests run on x86_64 Linux only, and this machine is {os} {arch}"),
            "world `sim` runs everywhere (`--world sim`); real routers run with driver `container` and an engine on an \
             x86_64 machine, which DOCKER_HOST names",
        )),
    }
}

/// Where something is made from.
enum Source {
    /// Out of an image that an engine has.
    Image { docker: Docker, image: String },
    /// By this machine itself.
    Here,
}

impl Source {
    /// The engine, if one answers and has this image.
    async fn engine_with(image: &str) -> (Option<Docker>, bool) {
        match docker::connect().await {
            Ok(docker) => {
                let has = docker.inspect_image(image).await.is_ok();
                (Some(docker), has)
            }
            Err(_) => (None, false),
        }
    }
}

/// Something that is about to be made, under the lock.
struct Unmade<'p> {
    kind: Making,
    name: String,
    /// The folder that it is made in.
    part: PathBuf,
    cache: PathBuf,
    progress: &'p Progress,
    interrupt: Interrupt,
    _lock: Lock,
}

/// How making something failed.
enum Failed {
    /// It is clear why.
    Known(LabError),
    /// The transcript has to tell.
    Words(String),
}

impl From<LabError> for Failed {
    fn from(error: LabError) -> Failed {
        Failed::Known(error)
    }
}

impl Unmade<'_> {
    /// Makes it, and puts it where it belongs: all of it or nothing.
    async fn run(
        &mut self,
        time: Duration,
        goal: &Path,
        make: impl AsyncFnOnce(&mut Transcript<'_>, &mut Work) -> Result<(), Failed>,
    ) -> Result<(), LabError> {
        let begin = wall_clock();
        private_folder(&self.part)?;
        let mut transcript = Transcript::begin(self.kind, &self.name, &roughly(time), &self.cache, self.progress);
        let mut work = Work::default();
        let outcome = self.interrupt.cuts_short(make(&mut transcript, &mut work)).await;
        transcript.quiet();
        if outcome.is_none() {
            self.progress.phase("Stopping", &self.name);
        }
        work.stop().await;
        let outcome = match outcome {
            Some(Ok(())) => self.keep(goal),
            Some(Err(Failed::Known(error))) => Err(error),
            Some(Err(Failed::Words(words))) => Err(transcript.fail(&words)),
            None => Err(LabError::Interrupted),
        };
        let _ = discard(&self.part);
        if outcome.is_ok() {
            self.progress.phase("Built", &format!("{} in {}", self.name, exactly(begin.elapsed())));
        }
        outcome
    }

    fn keep(&self, goal: &Path) -> Result<(), LabError> {
        if let Some(parent) = goal.parent() {
            private_folder(parent)?;
        }
        // Remains that were not good enough to be found.
        discard(goal)?;
        fs::rename(&self.part, goal).map_err(|error| trouble(goal, &error))
    }
}

/// Makes a folder that only the user can look into: systems have folders that everybody may write to.
fn private_folder(folder: &Path) -> Result<(), LabError> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    let make = || {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
    };
    make().map_err(|error| trouble(folder, &error))
}

/// Removes a folder of the store with all that is in it.
fn discard(folder: &Path) -> Result<(), LabError> {
    match fs::remove_dir_all(folder) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(trouble(folder, &error)),
    }
}

/// An error of the file system in the store.
fn trouble(path: &Path, error: &io::Error) -> LabError {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    match full {
        true => LabError::environment(
            "cache.full",
            format!("no space is left for {}", path.display()),
            "make room there (`cargo lab images remove`, `cargo lab prune`), or set XDG_CACHE_HOME to a folder on another disk",
        ),
        false => LabError::environment(
            "cache.unusable",
            format!("{}: {error}", path.display()),
            "set XDG_CACHE_HOME to a folder that you may write to",
        ),
    }
}

#[cfg(test)]
mod tests;
