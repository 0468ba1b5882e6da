//! Roots: out of the engine's image, or bootstrapped from the distribution's packages, from the same lists.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Component, Path, PathBuf},
    time::Duration,
};

use bollard::Docker;
use serde::{Deserialize, Serialize};

use super::{Failed, Root, Source, discard, private_folder, trouble, unpack::Unpacked, work::Work};
use crate::{
    images::{self, BASE_REVISION, Content, Recipe, State, Transcript, Wanted},
    progress::Progress,
    world::LabError,
};

/// Raised when roots are made otherwise than before.
const REVISION: &str = "root 1";

/// Measured on two busy cores: 20 to 40 s.
pub(super) const BOOTSTRAP_TIME: Duration = Duration::from_secs(40);

/// What a bootstrapped system and its archive take while they are made, roughly.
const ROOM: u64 = 600_000_000;

/// Left out as the Dockerfiles do: texts for people are half of some packages.
const EXCLUDES: [&str; 4] = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*"];

/// The kernel that images carry for containers (guests have it outside), and what bootstrapping takes over from this
/// machine: no router is to know where it was made.
const NOT_THE_ROUTERS: [&str; 3] = ["/usr/lib/dmvpn-lab/linux", "/etc/hostname", "/etc/resolv.conf"];

/// The system of a version, as the recipe describes it.
#[derive(Clone, Debug)]
pub(super) struct Order {
    wanted: Wanted,
    /// Packages to install.
    packages: Vec<String>,
    /// What must be there: absolute paths.
    needs: Vec<PathBuf>,
    /// The whole hash of all that.
    content: String,
}

/// What is written down beside a root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    schema: u32,
    pub(super) recipe: String,
    pub(super) version: String,
    suite: String,
    /// The version of the implementation's package, if it comes as one.
    pub(super) package: Option<String>,
    /// `image` or `mmdebstrap`.
    how: String,
    /// Octets in files.
    pub(super) octets: u64,
    /// Files, folders and links.
    entries: u64,
    content: String,
}

impl Order {
    /// Reads the recipe.
    pub(super) fn load(checkout: &Path, wanted: &Wanted) -> Result<Order, LabError> {
        let recipe = Recipe::load(checkout, &wanted.recipe)?;
        let packages = lines(&recipe, "packages");
        if packages.is_empty() {
            return Err(LabError::environment(
                "recipe.packages",
                format!("the recipe `{}` names no packages, and so no root can be made by it", wanted.recipe),
                format!("write containers/{}/packages, one a line", wanted.recipe),
            ));
        }
        let needs = lines(&recipe, "needs");
        let mut content = Content::of(REVISION);
        for part in [BASE_REVISION, &wanted.recipe, &wanted.version, &wanted.suite] {
            content.add(part.as_bytes());
        }
        content.add(packages.join("\n").as_bytes());
        content.add(needs.join("\n").as_bytes());
        Ok(Order {
            wanted: wanted.clone(),
            packages,
            needs: needs.into_iter().map(PathBuf::from).collect(),
            content: content.finish(),
        })
    }

    /// `frr:10.3`.
    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.wanted.recipe, self.wanted.version)
    }

    /// The package of the implementation itself, whose version must be the one that is wanted: the first that is called
    /// as the recipe, or begins so. None where the implementation does not come as a package.
    fn implementation(&self) -> Option<&str> {
        self.packages.iter().map(String::as_str).find(|package| package.starts_with(&self.wanted.recipe))
    }

    /// The hash as names have it.
    fn short(&self) -> &str {
        &self.content[..12]
    }

    /// What is needed and not there. `fs`: the router's `/`.
    fn lacks(&self, fs: &Path) -> Vec<&Path> {
        let there = |path: &Path| resolve(fs, path).is_some_and(|path| path.exists());
        self.needs.iter().map(PathBuf::as_path).filter(|path| !there(path)).collect()
    }

    fn complete(&self, fs: &Path, remedy: impl FnOnce() -> String) -> Result<(), LabError> {
        let lacks = self.lacks(fs);
        if lacks.is_empty() {
            return Ok(());
        }
        let lacks: Vec<String> = lacks.into_iter().map(|path| path.display().to_string()).collect();
        let problem = format!("the root of {} has no {}", self.name(), lacks.join(", "));
        Err(LabError::environment("root.incomplete", problem, remedy()))
    }
}

/// The lines of a file of a recipe, without comments.
fn lines(recipe: &Recipe, name: &str) -> Vec<String> {
    let file = recipe.files.iter().find(|file| file.path == Path::new(name));
    let text = file.map(|file| String::from_utf8_lossy(&file.content).into_owned()).unwrap_or_default();
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

/// All roots.
pub(super) fn roots(cache: &Path) -> PathBuf {
    cache.join("roots")
}

pub(super) fn folder(cache: &Path, order: &Order) -> PathBuf {
    roots(cache).join(format!("{}-{}-{}", order.wanted.recipe, order.wanted.version, order.short()))
}

/// What is written beside a root, if a root is there.
pub(super) fn record(folder: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(folder.join("root.json")).ok()?).ok()
}

/// Whether everything that is needed is there, of a root that is there.
pub(super) fn is_complete(folder: &Path, order: &Order) -> bool {
    order.lacks(&folder.join("fs")).is_empty()
}

/// The root, if it is there.
///
/// # Errors
/// `root.incomplete`: somebody has removed something from it.
pub(super) fn find(cache: &Path, order: &Order) -> Result<Option<Root>, LabError> {
    let folder = folder(cache, order);
    if record(&folder).is_none() {
        return Ok(None);
    }
    let path = folder.join("fs");
    let name = order.name();
    order.complete(&path, || {
        format!("`cargo lab images remove {name} --driver guest`, then `cargo lab images build {name} --driver guest`")
    })?;
    let Wanted { recipe, version, .. } = order.wanted.clone();
    Ok(Some(Root { path, recipe, version, content: order.short().to_owned() }))
}

/// Where it is to come from: an engine that has it, else this machine, else an engine that makes it.
pub(super) async fn source(checkout: &Path, order: &Order, progress: &Progress) -> Result<Source, LabError> {
    let image = order.wanted.tag();
    let (Some(docker), _) = Source::engine_with(&image).await else { return Ok(Source::Here) };
    let plan = images::plan(&docker, checkout, std::slice::from_ref(&order.wanted)).await?;
    let current = plan.iter().any(|one| one.tag == image && one.state == State::Current);
    match current {
        true => Ok(Source::Image { docker, image }),
        false if images::can_bootstrap().is_ok() => Ok(Source::Here),
        false => {
            let plan: Vec<_> = plan.into_iter().filter(|one| one.state != State::Unused).collect();
            images::build(&docker, &plan, progress).await?;
            Ok(Source::Image { docker, image })
        }
    }
}

/// Takes it out of an image.
pub(super) async fn from_image(
    docker: &Docker,
    image: &str,
    order: &Order,
    part: &Path,
    work: &mut Work,
) -> Result<(), Failed> {
    let fs = system(part)?;
    let unpacked = work.export(docker, image, &fs).await?;
    finish(order, part, unpacked, "image")?;
    Ok(())
}

/// Makes it from packages.
pub(super) async fn bootstrap(
    order: &Order,
    part: &Path,
    transcript: &mut Transcript<'_>,
    work: &mut Work,
) -> Result<(), Failed> {
    let fs = system(part)?;
    if let Some(free) = free(part)
        && free < ROOM
    {
        let problem =
            format!("{} MB are free for {}, and it takes {}", free / 1_000_000, part.display(), ROOM / 1_000_000);
        let remedy = "make room there, or set XDG_CACHE_HOME to a folder on another disk";
        return Err(LabError::environment("root.disk-full", problem, remedy).into());
    }
    let program = images::start_bootstrap(&order.wanted.suite, &order.packages, &EXCLUDES.map(str::to_owned))?;
    let (unpacked, status) = work.unpack_output(program, &fs, transcript).await?;
    if !status.success() {
        return Err(Failed::Words(format!("mmdebstrap failed ({status})")));
    }
    finish(order, part, unpacked, "mmdebstrap")?;
    Ok(())
}

/// Octets that are free for this user on the file system of a folder.
pub(crate) fn free(folder: &Path) -> Option<u64> {
    let stat = nix::sys::statvfs::statvfs(folder).ok()?;
    Some(stat.blocks_available() * stat.fragment_size())
}

fn system(part: &Path) -> Result<PathBuf, LabError> {
    let fs = part.join("fs");
    private_folder(&fs)?;
    fs::set_permissions(&fs, fs::Permissions::from_mode(0o755)).map_err(|error| trouble(&fs, &error))?;
    Ok(fs)
}

/// Checks a system that has been unpacked, and writes down what it is.
pub(super) fn finish(order: &Order, part: &Path, unpacked: Unpacked, how: &str) -> Result<(), LabError> {
    let fs = part.join("fs");
    let mut octets = unpacked.octets;
    for path in NOT_THE_ROUTERS.map(Path::new) {
        // The folder as the router sees it: a link in it may lead anywhere on this machine.
        let (Some(parent), Some(name)) = (path.parent().and_then(|parent| resolve(&fs, parent)), path.file_name())
        else {
            continue;
        };
        let file = parent.join(name);
        if let Ok(meta) = fs::symlink_metadata(&file) {
            fs::remove_file(&file).map_err(|error| trouble(&file, &error))?;
            octets = octets.saturating_sub(if meta.is_file() { meta.len() } else { 0 });
        }
    }
    let Wanted { recipe, version, suite } = &order.wanted;
    let mut has = None;
    if let Some(package) = order.implementation() {
        has = package_version(&fs, package);
        if !has.as_deref().is_some_and(|has| is_version(has, version)) {
            let problem = match has {
                Some(has) => format!("{suite} has {package} {has}, not {version}"),
                None => format!("{package} is not installed in what was made of {suite}"),
            };
            let remedy = "the distribution's release has moved on: write its version in the implementation's file under \
                          `suites/impls/`";
            return Err(LabError::environment("root.version", problem, remedy));
        }
    }
    order.complete(&fs, || format!("correct `packages` or `needs` in containers/{recipe}/ for {suite}"))?;
    let record = Record {
        schema: 1,
        recipe: recipe.clone(),
        version: version.clone(),
        suite: suite.clone(),
        package: has,
        how: how.to_owned(),
        octets,
        entries: unpacked.entries,
        content: order.content.clone(),
    };
    let path = part.join("root.json");
    let text = serde_json::to_string_pretty(&record).map_err(|error| LabError::internal(error.to_string()))?;
    fs::write(&path, text + "\n").map_err(|error| trouble(&path, &error))
}

/// The version of an installed package, from the system's own list.
fn package_version(fs: &Path, package: &str) -> Option<String> {
    let list = resolve(fs, Path::new("/var/lib/dpkg/status"))?;
    let text = String::from_utf8_lossy(&fs::read(list).ok()?).into_owned();
    let one = text.split("\n\n").find(|one| one.lines().any(|line| line.strip_prefix("Package: ") == Some(package)))?;
    one.lines().find_map(|line| line.strip_prefix("Version: ")).map(str::to_owned)
}

/// Whether a package's version (`2:10.3-3+deb13u1`) is one of an implementation's version (`10.3`).
fn is_version(package: &str, wanted: &str) -> bool {
    let upstream = package.split_once(':').map_or(package, |(_, version)| version);
    upstream.strip_prefix(wanted).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Where a path of a root leads on this machine, if it leads anywhere: links are followed as inside of the root, where
/// absolute ones begin at its top.
fn resolve(root: &Path, path: &Path) -> Option<PathBuf> {
    /// As many as the kernel follows.
    const LINKS: usize = 40;
    let up = OsString::from("..");
    let parts = |path: &Path| -> Vec<OsString> {
        let part = |part: Component<'_>| match part {
            Component::Normal(part) => Some(part.to_owned()),
            Component::ParentDir => Some(up.clone()),
            _ => None,
        };
        path.components().filter_map(part).collect()
    };
    let mut todo: VecDeque<OsString> = parts(path).into();
    let mut at = PathBuf::new();
    let mut links = 0;
    while let Some(part) = todo.pop_front() {
        if part == up {
            at.pop();
            continue;
        }
        let next = root.join(&at).join(&part);
        if !fs::symlink_metadata(&next).ok()?.is_symlink() {
            at.push(part);
            continue;
        }
        links += 1;
        if links > LINKS {
            return None;
        }
        let target = fs::read_link(&next).ok()?;
        if target.is_absolute() {
            at = PathBuf::new();
        }
        for part in parts(&target).into_iter().rev() {
            todo.push_front(part);
        }
    }
    Some(root.join(at))
}

/// Removes what is there of a root, however old. For lists.
pub(super) fn remove(folder: &Path) -> Result<(), LabError> {
    // First what it is found by: a root that is half gone is none.
    discard_file(&folder.join("root.json"))?;
    discard(folder)
}

fn discard_file(path: &Path) -> Result<(), LabError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(trouble(path, &error)),
        _ => Ok(()),
    }
}
