//! The images of routers under test: what there should be, what there is, and how the difference is made up.
//!
//! ```text
//!   containers/<recipe>/  --load--> Recipe --hash--> content
//!                                     |                 |   compared with the label of what the engine has
//!                                     v                 v
//!   base:<suite> --> kernel:<hash> --> frr:<version>   ImageStatus { Current, Outdated, Missing, Unused }
//! ```
//!
//! An image's content hash covers its recipe, its arguments, its base and the kernel in it. It stands in a label; an
//! image whose label says otherwise is out of date. Nothing is ever built for its date.

mod base;
mod build;
pub(crate) mod lock;
mod plan;
mod program;
mod recipe;
mod transcript;

use std::{path::Path, time::Duration};

use bollard::{Docker, errors::Error, query_parameters::RemoveImageOptions};
use tabled::{
    builder::Builder,
    settings::{Alignment, Padding, Style, object::Columns},
};

pub use base::can_bootstrap;
pub(crate) use base::start_bootstrap;
pub use build::{Built, build};
pub(crate) use build::{Interrupt, exactly, roughly, wall_clock};
pub(crate) use plan::{BASE_REVISION, KERNEL, kernel_estimate};
pub use plan::{ImageStatus, REPOSITORY, State, Wanted};
pub(crate) use program::Program;
pub(crate) use recipe::Content;
pub use recipe::{Recipe, RecipeFile};
pub(crate) use transcript::{Making, Transcript};

use crate::{docker, world::LabError};

/// The images that `wanted` needs, in the order in which they are built, each with its state; behind them the lab's
/// images that nothing here asks for. `root` is the checkout ([`crate::place::root`]).
///
/// # Errors
/// If the engine does not list its images, or a recipe is not there.
pub async fn plan(docker: &Docker, root: &Path, wanted: &[Wanted]) -> Result<Vec<ImageStatus>, LabError> {
    let stored = plan::stored(docker).await?;
    plan::compare(root, wanted, &stored, cores(docker).await)
}

/// The kernel's image alone, with what it is made from in front. `root` is the checkout.
///
/// # Errors
/// As those of [`plan`].
pub(crate) async fn plan_kernel(docker: &Docker, root: &Path) -> Result<Vec<ImageStatus>, LabError> {
    let stored = plan::stored(docker).await?;
    plan::compare_kernel(root, &stored, cores(docker).await)
}

/// The engine's cores and not ours, as it may be elsewhere.
async fn cores(docker: &Docker) -> usize {
    let cores = docker.info().await.ok().and_then(|info| info.ncpu);
    cores.and_then(|cores| usize::try_from(cores).ok()).unwrap_or(2)
}

/// A name that is not an image of the lab.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("the lab has no image `{name}`")]
pub struct UnknownImage {
    /// The name.
    pub name: String,
    /// What may have been meant, or what there is.
    #[help]
    pub help: String,
}

/// Checks that each name is one of these tags: `frr:10.3`, with or without the repository in front, or `frr` for all of
/// a recipe.
///
/// # Errors
/// The first name that fits no tag.
pub fn check_names(tags: &[&str], names: &[String]) -> Result<(), UnknownImage> {
    let unknown = |name: &&String| !tags.iter().any(|tag| is_called(tag, name));
    let Some(name) = names.iter().find(unknown).map(|name| short(name)) else { return Ok(()) };
    let tags = tags.iter().map(|tag| short(tag));
    let likeness = |tag: &str| strsim::jaro_winkler(tag, name);
    let help = match tags.clone().max_by(|a, b| likeness(a).total_cmp(&likeness(b))) {
        Some(tag) if likeness(tag) > 0.8 => format!("did you mean `{tag}`?"),
        Some(_) => {
            let mut tags: Vec<&str> = tags.collect();
            tags.dedup();
            format!("there are: {}", tags.join(", "))
        }
        None => "there is none at all".to_owned(),
    };
    Err(UnknownImage { name: name.to_owned(), help })
}

/// Whether a tag is what somebody calls by a name, as in [`check_names`].
pub fn is_called(tag: &str, name: &str) -> bool {
    let (tag, name) = (short(tag), short(name));
    tag == name || tag.split(':').next() == Some(name)
}

/// Removes images, those that others are made from last. Returns the names of those that were there.
///
/// # Errors
/// `image.in-use` if a container uses one; those before it have been removed then.
pub async fn remove(docker: &Docker, images: &[ImageStatus]) -> Result<Vec<String>, LabError> {
    let mut removed = Vec::new();
    for image in images.iter().rev().filter(|image| image.id.is_some()) {
        match docker.remove_image(&image.tag, None::<RemoveImageOptions>, None).await {
            Ok(_) => removed.push(image.tag.clone()),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
            Err(Error::DockerResponseServerError { status_code: 409, message }) => {
                return Err(LabError::environment(
                    "image.in-use",
                    format!("{} is in use: {}", image.tag, message.trim()),
                    "wait until the run that uses it has ended, or remove what a dead run has left: `cargo lab prune`",
                ));
            }
            Err(error) => return Err(docker::trouble(&format!("{} can not be removed", image.tag), &error)),
        }
    }
    Ok(removed)
}

/// Images as a table for people. `now`: seconds of the Unix clock.
pub fn table(images: &[ImageStatus], now: i64) -> String {
    let line = |image: &ImageStatus| Line {
        name: image.tag.clone(),
        state: image.state,
        octets: image.octets,
        created: image.created,
        estimate: image.estimate(),
    };
    drawn("IMAGE", images.iter().map(line), now)
}

/// What a table says of one thing.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) state: State,
    pub(crate) octets: Option<u64>,
    /// Seconds of the Unix clock.
    pub(crate) created: Option<i64>,
    pub(crate) estimate: Duration,
}

/// A table of things that are made when they are missing. `head`: what they are.
pub(crate) fn drawn(head: &str, lines: impl Iterator<Item = Line>, now: i64) -> String {
    let mut rows = Builder::default();
    rows.push_record([head, "STATE", "SIZE", "MADE", "TO BUILD"]);
    for line in lines {
        rows.push_record([
            line.name,
            line.state.words().to_owned(),
            line.octets.map_or_else(String::new, size),
            line.created.map_or_else(String::new, |created| age(now - created)),
            if line.state.wants_building() { build::roughly(line.estimate) } else { String::new() },
        ]);
    }
    let mut table = rows.build();
    table.with(Style::empty()).with(Padding::new(0, 2, 0, 0));
    table.modify(Columns::one(2), Alignment::right());
    table.to_string().lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn short(tag: &str) -> &str {
    tag.strip_prefix(REPOSITORY).and_then(|tag| tag.strip_prefix('/')).unwrap_or(tag)
}

fn size(octets: u64) -> String {
    match octets {
        ..1_000_000 => format!("{} kB", octets / 1000),
        1_000_000..1_000_000_000 => format!("{} MB", (octets + 500_000) / 1_000_000),
        _ => format!("{:.1} GB", octets as f64 / 1e9),
    }
}

fn age(seconds: i64) -> String {
    match seconds {
        ..60 => "just now".to_owned(),
        60..7_200 => format!("{} min ago", seconds / 60),
        7_200..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests;
