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

use std::path::Path;

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

/// Picks images by their names: `frr:10.3`, with or without the repository in front, or `frr` for all of a recipe.
///
/// # Errors
/// The first name that fits no image.
pub fn select(images: &[ImageStatus], names: &[&str]) -> Result<Vec<ImageStatus>, UnknownImage> {
    let short = |image: &ImageStatus| short(&image.tag).to_owned();
    let fits = |image: &ImageStatus, name: &str| {
        let tag = short(image);
        tag == name || tag.split(':').next() == Some(name)
    };
    for name in names.iter().map(|name| self::short(name)) {
        if !images.iter().any(|image| fits(image, name)) {
            let close = images.iter().map(short).max_by(|a, b| {
                let likeness = |tag: &str| strsim::jaro_winkler(tag, name);
                likeness(a).total_cmp(&likeness(b))
            });
            let help = match close {
                Some(tag) if strsim::jaro_winkler(&tag, name) > 0.8 => format!("did you mean `{tag}`?"),
                Some(_) => format!("there are: {}", images.iter().map(short).collect::<Vec<_>>().join(", ")),
                None => "there is none at all".to_owned(),
            };
            return Err(UnknownImage { name: name.to_owned(), help });
        }
    }
    Ok(images.iter().filter(|image| names.iter().any(|name| fits(image, self::short(name)))).cloned().collect())
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
    let mut rows = Builder::default();
    rows.push_record(["IMAGE", "STATE", "SIZE", "MADE", "TO BUILD"]);
    for image in images {
        rows.push_record([
            image.tag.clone(),
            image.state.words().to_owned(),
            image.octets.map_or_else(String::new, size),
            image.created.map_or_else(String::new, |created| age(now - created)),
            if image.state.wants_building() { build::roughly(image.estimate()) } else { String::new() },
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
