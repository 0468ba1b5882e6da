//! What images there should be, and which of them are there: a comparison of hashes, without any side effect.

use std::{collections::BTreeMap, path::Path, time::Duration};

use bollard::{Docker, query_parameters::ListImagesOptionsBuilder};
use serde::Serialize;

use super::recipe::{Content, Recipe};
use crate::{docker, world::LabError};

/// All images of the lab are in this repository.
pub const REPOSITORY: &str = "dmvpn-lab";

/// The recipe of the kernel, and the release that it is compiled on.
pub(crate) const KERNEL: &str = "kernel";
const KERNEL_SUITE: &str = "trixie";

/// Raised when bases are made otherwise than before.
pub(crate) const BASE_REVISION: &str = "base 1";

/// A version of an implementation that an image is wanted of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// The folder under `containers/`.
    pub recipe: String,
    /// The version that the image must turn out to have; also its tag.
    pub version: String,
    /// The distribution's release that has this version.
    pub suite: String,
}

impl Wanted {
    /// A version of an implementation.
    pub fn new(recipe: impl Into<String>, version: impl Into<String>, suite: impl Into<String>) -> Wanted {
        Wanted { recipe: recipe.into(), version: version.into(), suite: suite.into() }
    }

    /// The image's name.
    pub fn tag(&self) -> String {
        format!("{REPOSITORY}/{}:{}", self.recipe, self.version)
    }
}

/// Whether an image is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is, and made from what it would be made from now.
    Current,
    /// It is, but its recipe, its base or the kernel have changed since.
    Outdated,
    /// It is not.
    Missing,
    /// It is, and nothing asks for it.
    Unused,
    /// Something is there, but parts of it are not any more.
    Incomplete,
}

impl State {
    /// The word for people.
    pub fn words(self) -> &'static str {
        match self {
            State::Current => "up to date",
            State::Outdated => "out of date",
            State::Missing => "missing",
            State::Unused => "not used",
            State::Incomplete => "incomplete",
        }
    }

    /// Whether there is something to build.
    pub fn wants_building(self) -> bool {
        matches!(self, State::Outdated | State::Missing)
    }
}

/// An image that should be there, or is.
#[derive(Clone, Debug, Serialize)]
pub struct ImageStatus {
    /// Its name.
    pub tag: String,
    /// Whether it is there.
    pub state: State,
    /// The engine's id of what is there.
    pub id: Option<String>,
    /// Its size.
    pub octets: Option<u64>,
    /// When it was made, in seconds of the Unix clock.
    pub created: Option<i64>,
    /// The hash of what it is made from, or was, if nothing asks for it.
    pub content: Option<String>,
    /// How long building it takes, roughly; nothing if it is up to date.
    pub estimate_s: u64,
    /// How it is made.
    #[serde(skip)]
    pub(super) how: How,
}

impl ImageStatus {
    /// How long building it takes, roughly.
    pub fn estimate(&self) -> Duration {
        Duration::from_secs(self.estimate_s)
    }
}

/// How an image is made.
#[derive(Clone, Debug)]
pub(super) enum How {
    /// An empty system of a release, ordinary or bootstrapped.
    Base { suite: String },
    /// By a recipe with these build arguments.
    Recipe { recipe: Recipe, args: BTreeMap<&'static str, String> },
    /// Nothing asks for it.
    Unknown,
}

/// What the engine has under one name.
#[derive(Clone, Debug, Default)]
pub(super) struct Stored {
    id: String,
    octets: u64,
    created: i64,
    content: Option<String>,
}

/// All images of the lab that the engine has, by name.
pub(super) async fn stored(docker: &Docker) -> Result<BTreeMap<String, Stored>, LabError> {
    let filters = [("reference".to_owned(), vec![format!("{REPOSITORY}/*")])].into();
    let options = ListImagesOptionsBuilder::default().filters(&filters).build();
    let images = docker
        .list_images(Some(options))
        .await
        .map_err(|error| docker::trouble("the engine's images can not be listed", &error))?;
    let mut stored = BTreeMap::new();
    for image in images {
        let one = Stored {
            id: image.id,
            octets: u64::try_from(image.size).unwrap_or(0),
            created: image.created,
            content: image.labels.get(docker::CONTENT).cloned(),
        };
        // An image may have names outside the lab as well.
        let ours = image.repo_tags.into_iter().filter(|tag| tag.starts_with(&format!("{REPOSITORY}/")));
        stored.extend(ours.map(|tag| (tag, one.clone())));
    }
    Ok(stored)
}

/// The images that `wanted` needs, in the order in which they are built; then those that nothing asks for.
///
/// # Errors
/// A recipe that is not there.
pub(super) fn compare(
    root: &Path,
    wanted: &[Wanted],
    stored: &BTreeMap<String, Stored>,
    cores: usize,
) -> Result<Vec<ImageStatus>, LabError> {
    let mut plan = Plan { stored, images: Vec::new() };
    if !wanted.is_empty() {
        let (kernel_base, kernel_content) = plan.base(KERNEL_SUITE);
        let mut bases = BTreeMap::from([(KERNEL_SUITE, (kernel_base.clone(), kernel_content))]);
        for one in wanted {
            bases.entry(one.suite.as_str()).or_insert_with(|| plan.base(&one.suite));
        }
        let (kernel, kernel_content) = plan.kernel(Recipe::load(root, KERNEL)?, kernel_base, cores);
        for one in wanted {
            // Every suite has got its base above.
            let Some((base, base_content)) = bases.get(one.suite.as_str()) else { continue };
            let recipe = Recipe::load(root, &one.recipe)?;
            let mut content = Content::of("router");
            recipe.hash(&mut content);
            for part in [&one.version, &one.suite, base_content, &kernel_content] {
                content.add(part.as_bytes());
            }
            let args =
                BTreeMap::from([("BASE", base.clone()), ("KERNEL", kernel.clone()), ("VERSION", one.version.clone())]);
            plan.add(one.tag(), content.finish(), ROUTER_TIME, How::Recipe { recipe, args });
        }
    }
    let unused = stored.iter().filter(|(tag, _)| plan.images.iter().all(|image| image.tag != **tag));
    let unused: Vec<ImageStatus> = unused
        .map(|(tag, one)| ImageStatus {
            tag: tag.clone(),
            state: State::Unused,
            id: Some(one.id.clone()),
            octets: Some(one.octets),
            created: Some(one.created),
            content: one.content.clone(),
            estimate_s: 0,
            how: How::Unknown,
        })
        .collect();
    plan.images.extend(unused);
    Ok(plan.images)
}

/// The kernel's image alone, with its base in front.
///
/// # Errors
/// If its recipe is not there.
pub(super) fn compare_kernel(
    root: &Path,
    stored: &BTreeMap<String, Stored>,
    cores: usize,
) -> Result<Vec<ImageStatus>, LabError> {
    let mut plan = Plan { stored, images: Vec::new() };
    let (base, _) = plan.base(KERNEL_SUITE);
    plan.kernel(Recipe::load(root, KERNEL)?, base, cores);
    Ok(plan.images)
}

/// Bootstrapping took 20 to 30 s, a pull takes as long on an ordinary line.
const BASE_TIME: Duration = Duration::from_secs(30);
/// Measured with a union file system in user space, the slowest there is.
const ROUTER_TIME: Duration = Duration::from_secs(50);
/// Compiling takes twelve minutes of one core; fetching and unpacking the sources one of the whole machine.
const KERNEL_TIME: Duration = Duration::from_secs(720);
const KERNEL_FETCH_TIME: Duration = Duration::from_secs(60);

/// How long compiling the kernel takes on so many cores, fetched sources included.
pub(crate) fn kernel_estimate(cores: usize) -> Duration {
    KERNEL_FETCH_TIME + KERNEL_TIME / u32::try_from(cores.max(1)).unwrap_or(1)
}

struct Plan<'a> {
    stored: &'a BTreeMap<String, Stored>,
    images: Vec<ImageStatus>,
}

impl Plan<'_> {
    fn base(&mut self, suite: &str) -> (String, String) {
        let mut content = Content::of(BASE_REVISION);
        content.add(suite.as_bytes());
        let content = content.finish();
        let tag = format!("{REPOSITORY}/base:{suite}");
        self.add(tag.clone(), content.clone(), BASE_TIME, How::Base { suite: suite.to_owned() });
        (tag, content)
    }

    /// The kernel's name is its hash, as containers/kernel/README.md defines it, so that people can compute it and the
    /// kernels of several checkouts stand side by side. Its base is not in it: a static program has nothing of that.
    fn kernel(&mut self, recipe: Recipe, base: String, cores: usize) -> (String, String) {
        let content = recipe.plain_hash();
        let tag = format!("{REPOSITORY}/{KERNEL}:{}", &content[..12]);
        let how = How::Recipe { recipe, args: BTreeMap::from([("BASE", base)]) };
        self.add(tag.clone(), content.clone(), kernel_estimate(cores), how);
        (tag, content)
    }

    fn add(&mut self, tag: String, content: String, time: Duration, how: How) {
        if self.images.iter().any(|image| image.tag == tag) {
            return;
        }
        let there = self.stored.get(&tag);
        let state = match there {
            None => State::Missing,
            Some(one) if one.content.as_ref() == Some(&content) => State::Current,
            // A name that is a hash says it all, also of an image that was built by hand.
            Some(_) if tag.ends_with(&format!(":{}", &content[..12])) => State::Current,
            Some(_) => State::Outdated,
        };
        self.images.push(ImageStatus {
            tag,
            state,
            id: there.map(|one| one.id.clone()),
            octets: there.map(|one| one.octets),
            created: there.map(|one| one.created),
            content: Some(content),
            estimate_s: if state.wants_building() { time.as_secs() } else { 0 },
            how,
        });
    }
}

/// Compares again what is there, as somebody else may have built meanwhile.
pub(super) fn refresh(images: &mut [ImageStatus], stored: &BTreeMap<String, Stored>) {
    for image in images.iter_mut().filter(|image| image.state.wants_building()) {
        if let Some(one) = stored.get(&image.tag)
            && one.content == image.content
        {
            image.state = State::Current;
            image.id = Some(one.id.clone());
            image.octets = Some(one.octets);
            image.created = Some(one.created);
            image.estimate_s = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkout() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for name in [KERNEL, "frr"] {
            let folder = root.path().join("containers").join(name);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("Dockerfile"), format!("# {name}\n")).unwrap();
        }
        root
    }

    fn wanted() -> Vec<Wanted> {
        vec![Wanted::new("frr", "8.4.4", "bookworm"), Wanted::new("frr", "10.3", "trixie")]
    }

    /// The engine after everything has been built.
    fn built(plan: &[ImageStatus]) -> BTreeMap<String, Stored> {
        plan.iter()
            .map(|image| (image.tag.clone(), Stored { content: image.content.clone(), ..Stored::default() }))
            .collect()
    }

    fn states(plan: &[ImageStatus]) -> Vec<(String, State)> {
        plan.iter()
            .map(|image| {
                let tag = image.tag.strip_prefix("dmvpn-lab/").unwrap();
                (tag.split(':').next().filter(|name| *name == KERNEL).unwrap_or(tag).to_owned(), image.state)
            })
            .collect()
    }

    #[test]
    fn what_others_are_made_from_comes_first() {
        let root = checkout();
        let plan = compare(root.path(), &wanted(), &BTreeMap::new(), 2).unwrap();
        let names: Vec<String> = states(&plan).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["base:trixie", "base:bookworm", "kernel", "frr:8.4.4", "frr:10.3"]);
        assert!(plan.iter().all(|image| image.state == State::Missing));
        assert_eq!(plan[2].estimate_s, 420);
        let How::Recipe { args, .. } = &plan[3].how else { panic!() };
        assert_eq!(args["BASE"], "dmvpn-lab/base:bookworm");
        assert_eq!(args["KERNEL"], plan[2].tag);
        assert_eq!(args["VERSION"], "8.4.4");
    }

    #[test]
    fn a_change_reaches_what_is_made_from_it_and_nothing_else() {
        let root = checkout();
        let before = built(&compare(root.path(), &wanted(), &BTreeMap::new(), 2).unwrap());
        let after = |path: &str, content: &str| {
            let path = root.path().join("containers").join(path);
            let old = std::fs::read(&path).unwrap_or_default();
            std::fs::write(&path, content).unwrap();
            let plan = compare(root.path(), &wanted(), &before, 2).unwrap();
            std::fs::write(&path, old).unwrap();
            states(&plan).into_iter().filter(|(_, state)| *state != State::Current).collect::<Vec<_>>()
        };
        let is = |name: &str, state| (name.to_owned(), state);
        assert_eq!(after("frr/Dockerfile", "# frr\n"), []);
        assert_eq!(
            after("frr/Dockerfile", "# other\n"),
            [is("frr:8.4.4", State::Outdated), is("frr:10.3", State::Outdated)]
        );
        // Another kernel has another name; the one that was used is still there.
        assert_eq!(
            after("kernel/Dockerfile", "# other\n"),
            [
                is(KERNEL, State::Missing),
                is("frr:8.4.4", State::Outdated),
                is("frr:10.3", State::Outdated),
                is(KERNEL, State::Unused)
            ]
        );
    }

    #[test]
    fn an_image_without_a_hash_is_out_of_date_and_a_stray_one_not_used() {
        let root = checkout();
        let mut engine = built(&compare(root.path(), &wanted(), &BTreeMap::new(), 2).unwrap());
        engine.insert("dmvpn-lab/frr:10.3".into(), Stored::default());
        engine.insert("dmvpn-lab/frr:7.5.1".into(), Stored::default());
        let mut plan = compare(root.path(), &wanted(), &engine, 2).unwrap();
        let odd: Vec<_> = states(&plan).into_iter().filter(|(_, state)| *state != State::Current).collect();
        assert_eq!(odd, [("frr:10.3".to_owned(), State::Outdated), ("frr:7.5.1".to_owned(), State::Unused)]);

        let complete = built(&compare(root.path(), &wanted(), &BTreeMap::new(), 2).unwrap());
        refresh(&mut plan, &complete);
        assert!(plan.iter().all(|image| !image.state.wants_building()));
        assert!(plan.iter().all(|image| image.estimate_s == 0));
    }

    #[test]
    fn nothing_wanted_is_nothing_planned() {
        assert!(compare(Path::new("/nowhere"), &[], &BTreeMap::new(), 2).unwrap().is_empty());
    }
}
