//! Builds what is missing or out of date, in order, one at a time.

use std::{collections::HashMap, future::Future, path::Path, time::Duration};

use bollard::{
    Docker,
    query_parameters::{
        BuildImageOptionsBuilder, InspectContainerOptions, ListImagesOptionsBuilder, RemoveContainerOptionsBuilder,
        RemoveImageOptions,
    },
};
use futures_util::StreamExt;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    base::{self, Failed},
    lock::{self, Lock},
    plan::{self, How, ImageStatus},
    program::Program,
    recipe::{Recipe, RecipeFile},
    transcript::{Making, Transcript},
};
use crate::{docker, place, progress::Progress, world::LabError};

/// How long the engine is given to remove the container of a step that was given up. The kernel's sources go with it,
/// over a gigabyte of small files.
const CLEANUP_PATIENCE: Duration = Duration::from_secs(60);

/// How long the engine is given to let go of the layers of such a step.
const SWEEP_PATIENCE: Duration = Duration::from_secs(5);

/// An image that was built.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Built {
    /// Its name.
    pub tag: String,
    /// How long it took.
    pub took: Duration,
}

/// Builds every image of a plan that is missing or out of date, and says so on `progress`.
///
/// If another process builds, waits for it and takes what it has built. SIGINT and SIGTERM end it in an orderly way.
///
/// # Errors
/// The first image that can not be built, with the reason; the last lines of the build have then been shown.
/// [`LabError::Interrupted`] after a signal; nothing is left running then.
pub async fn build(docker: &Docker, images: &[ImageStatus], progress: &Progress) -> Result<Vec<Built>, LabError> {
    let mut images: Vec<ImageStatus> = images.iter().filter(|image| image.state.wants_building()).cloned().collect();
    if images.is_empty() {
        return Ok(Vec::new());
    }
    let cache = place::cache()?;
    let mut interrupt = Interrupt::listen()?;
    let waited = interrupt.cuts_short(Lock::wait(&lock::path(&cache), progress)).await;
    let mut lock = waited.ok_or(LabError::Interrupted)??;
    plan::refresh(&mut images, &plan::stored(docker).await?);
    images.retain(|image| image.state.wants_building());
    if images.len() > 1 {
        let total = images.iter().map(ImageStatus::estimate).sum();
        progress.phase("Preparing", &format!("{} images, {}, once", images.len(), roughly(total)));
    }
    let mut built = Vec::new();
    let mut outcome = Ok(());
    for image in &images {
        lock.doing(&image.tag);
        let begin = wall_clock();
        outcome = build_one(docker, image, &cache, progress, &mut interrupt).await;
        if outcome.is_err() {
            break;
        }
        let took = begin.elapsed();
        progress.phase("Built", &format!("{} in {}", image.tag, exactly(took)));
        built.push(Built { tag: image.tag.clone(), took });
    }
    sweep(docker, if outcome.is_err() { SWEEP_PATIENCE } else { Duration::from_secs(1) }).await;
    outcome.map(|()| built)
}

/// The time for people who wait.
#[allow(clippy::disallowed_methods, reason = "how long a build took is told to people and decides nothing")]
pub(crate) fn wall_clock() -> std::time::Instant {
    std::time::Instant::now()
}

async fn build_one(
    docker: &Docker,
    image: &ImageStatus,
    cache: &Path,
    progress: &Progress,
    interrupt: &mut Interrupt,
) -> Result<(), LabError> {
    let note = roughly(image.estimate());
    let mut transcript = Transcript::begin(Making::Image, &image.tag, &note, cache, progress);
    let mut running = None;
    let outcome = interrupt.cuts_short(make(docker, image, &mut transcript, &mut running)).await;
    transcript.quiet();
    match outcome {
        Some(Ok(())) => Ok(()),
        Some(Err(Failed::Known(error))) => Err(error),
        Some(Err(Failed::Words(words))) => {
            tidy(docker, &mut transcript, running).await;
            Err(transcript.fail(&words))
        }
        None => {
            progress.phase("Stopping", &image.tag);
            tidy(docker, &mut transcript, running).await;
            Err(LabError::Interrupted)
        }
    }
}

async fn make(
    docker: &Docker,
    image: &ImageStatus,
    transcript: &mut Transcript<'_>,
    running: &mut Option<Program>,
) -> Result<(), Failed> {
    let content = image.content.clone().unwrap_or_default();
    let labels = vec![(docker::LAB.to_owned(), "1".to_owned()), (docker::CONTENT.to_owned(), content)];
    match &image.how {
        How::Base { suite } => match base::ordinary(docker, suite, transcript).await {
            Some(ordinary) => {
                let content = format!("FROM {ordinary}\n").into_bytes();
                let file = RecipeFile { path: "Dockerfile".into(), executable: false, content };
                let recipe = Recipe { name: "base".to_owned(), files: vec![file] };
                build_recipe(docker, &image.tag, &recipe, HashMap::new(), labels, transcript).await
            }
            None => base::bootstrap(docker, suite, &image.tag, &labels, transcript, running).await,
        },
        How::Recipe { recipe, args } => {
            let args = args.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
            build_recipe(docker, &image.tag, recipe, args, labels, transcript).await
        }
        How::Unknown => Ok(()),
    }
}

async fn build_recipe(
    docker: &Docker,
    tag: &str,
    recipe: &Recipe,
    args: HashMap<String, String>,
    labels: Vec<(String, String)>,
    transcript: &mut Transcript<'_>,
) -> Result<(), Failed> {
    let archive = recipe.archive().map_err(|error| Failed::Words(format!("the recipe can not be packed: {error}")))?;
    let labels: HashMap<String, String> = labels.into_iter().collect();
    // `forcerm`: a step that fails or is given up leaves no container.
    let options =
        BuildImageOptionsBuilder::default().t(tag).buildargs(&args).labels(&labels).rm(true).forcerm(true).build();
    let mut build = std::pin::pin!(docker.build_image(options, None, Some(bollard::body_full(archive.into()))));
    while let Some(event) = build.next().await {
        let event = event.map_err(|error| Failed::Words(base::docker_words(&error)))?;
        if let Some(text) = event.stream {
            transcript.text(&text);
        } else if let Some(status) = event.status {
            transcript.line(&status);
        }
    }
    transcript.text("\n");
    Ok(())
}

/// After a build that was given up or failed: the engine removes the step's container by itself, but only after it has
/// noticed, and nothing is to be left when this process ends.
async fn tidy(docker: &Docker, transcript: &mut Transcript<'_>, running: Option<Program>) {
    if let Some(mut program) = running {
        program.stop().await;
    }
    let Some(container) = transcript.container.take() else { return };
    let gone = async {
        let forced = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        // Removal may be under way already, and then is refused.
        let _ = docker.remove_container(&container, Some(forced)).await;
        while docker.inspect_container(&container, None::<InspectContainerOptions>).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let _ = tokio::time::timeout(CLEANUP_PATIENCE, gone).await;
}

/// Removes what building has left without a name: first stages, and images that a new one has replaced. Those that
/// something still uses stay, and so nothing that goes wrong here matters. A step that was given up counts as a user
/// for a moment: `patience` is how long to try again.
async fn sweep(docker: &Docker, patience: Duration) {
    let all_gone = async {
        while !try_sweep(docker).await {
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    };
    let _ = tokio::time::timeout(patience, all_gone).await;
}

async fn try_sweep(docker: &Docker) -> bool {
    let filters =
        [("label".to_owned(), vec![docker::LAB.to_owned()]), ("dangling".to_owned(), vec!["true".to_owned()])].into();
    let options = ListImagesOptionsBuilder::default().filters(&filters).build();
    let mut gone = true;
    for image in docker.list_images(Some(options)).await.unwrap_or_default() {
        gone &= docker.remove_image(&image.id, None::<RemoveImageOptions>, None).await.is_ok();
    }
    gone
}

/// Ctrl-C, or a request to end.
pub(crate) struct Interrupt {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Interrupt {
    /// From now on.
    pub(crate) fn listen() -> Result<Interrupt, LabError> {
        let listen =
            |kind| signal(kind).map_err(|error| LabError::internal(format!("signals can not be had: {error}")));
        Ok(Interrupt { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// What `work` comes to, or `None` if it was given up for a signal.
    pub(crate) async fn cuts_short<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            _ = self.interrupt.recv() => None,
            _ = self.terminate.recv() => None,
        }
    }
}

/// A duration that is only guessed, in words.
pub(crate) fn roughly(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..90 => format!("about {seconds} s"),
        seconds => format!("about {} min", (seconds + 30) / 60),
    }
}

/// A duration that was measured, in words.
pub(crate) fn exactly(time: Duration) -> String {
    match time.as_secs() {
        ..60 => format!("{:.1} s", time.as_secs_f64()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_people_say_them() {
        let words = |seconds| roughly(Duration::from_secs(seconds));
        assert_eq!(
            [words(30), words(89), words(90), words(420)],
            ["about 30 s", "about 89 s", "about 2 min", "about 7 min"]
        );
        assert_eq!(exactly(Duration::from_millis(2540)), "2.5 s");
        assert_eq!(exactly(Duration::from_secs(363)), "6 min 3 s");
    }
}
