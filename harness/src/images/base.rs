//! Bases: an empty system of a distribution's release, to install packages on.
//!
//! Where a registry answers it is the ordinary image of that release. Where none does it is bootstrapped here from the
//! distribution's packages, and handed to the engine as it comes out of the program: the system is never all in memory,
//! and never on the disk. Either way it gets the same name and labels, and what is built on it does not know.

use std::{io, sync::OnceLock, time::Duration};

use bollard::{
    Docker,
    query_parameters::{CreateImageOptionsBuilder, RemoveImageOptionsBuilder},
};
use futures_util::{Stream, StreamExt, stream};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{ChildStderr, ChildStdout, Command},
};

use super::{
    program::{Program, Scratch},
    transcript::Transcript,
};
use crate::{
    docker::{self, find_program},
    world::LabError,
};

/// The program that bootstraps.
const PROGRAM: &str = "mmdebstrap";

/// How long a registry may take to find an image. One that is not there shows itself by a name that is not known, or
/// by silence.
const REGISTRY_PATIENCE: Duration = Duration::from_secs(8);

/// How long the engine may take to commit a base once it has all of it.
const IMPORT_PATIENCE: Duration = Duration::from_secs(600);

/// What the program puts out is passed on in pieces of this size.
const PIECE: usize = 256 * 1024;

/// Whether a registry has answered; asked once, as asking where there is none takes seconds.
static REGISTRY: OnceLock<bool> = OnceLock::new();

/// The ordinary image of a release, if it is there or can be had.
pub(super) async fn ordinary(docker: &Docker, suite: &str, transcript: &mut Transcript<'_>) -> Option<String> {
    let (name, tag) = ("debian", format!("{suite}-slim"));
    let image = format!("{name}:{tag}");
    if docker.inspect_image(&image).await.is_ok() {
        return Some(image);
    }
    if REGISTRY.get() == Some(&false) {
        return None;
    }
    transcript.line(&format!("asking for {image}"));
    let options = CreateImageOptionsBuilder::default().from_image(name).tag(&tag).build();
    let mut pull = std::pin::pin!(docker.create_image(Some(options), None, None));
    // The first word comes when the image is found; from then on it takes as long as the line takes.
    let first = tokio::time::timeout(REGISTRY_PATIENCE, pull.next()).await;
    let answered = matches!(first, Ok(Some(Ok(_))));
    // What it says may name the registry, and no more is needed than that it did not help.
    let _ = REGISTRY.set(answered);
    if !answered {
        transcript.line("no image registry answers");
        return None;
    }
    while let Some(event) = pull.next().await {
        match event {
            Ok(event) => transcript.line(&format!("fetching {image}: {}", event.status.unwrap_or_default())),
            Err(_) => {
                transcript.line(&format!("the registry did not deliver {image}"));
                return None;
            }
        }
    }
    Some(image)
}

/// Whether bases can be bootstrapped on this machine.
///
/// # Errors
/// `mmdebstrap.missing`.
pub fn can_bootstrap() -> Result<(), LabError> {
    match find_program(PROGRAM) {
        Some(_) => Ok(()),
        None => Err(LabError::environment(
            "mmdebstrap.missing",
            format!("{PROGRAM}, which makes a distribution's system without an image registry, is not installed"),
            format!(
                "`sudo apt-get install {PROGRAM}`, or let a container engine have an image `debian:<release>-slim`"
            ),
        )),
    }
}

/// What the program is asked for. It takes the mirror from its own defaults: none is ever named here.
fn arguments(suite: &str, packages: &[String], excludes: &[String]) -> Vec<String> {
    let mut arguments: Vec<String> =
        ["--mode=auto", "--variant=minbase", "--format=tar", "--skip=output/dev"].map(str::to_owned).into();
    arguments.extend(excludes.iter().map(|pattern| format!("--dpkgopt=path-exclude={pattern}")));
    if !packages.is_empty() {
        arguments.push(format!("--include={}", packages.join(",")));
    }
    match suite {
        // Its security pool has been pruned, although the lists of it are still there.
        "bullseye" => {
            arguments.push(r#"--setup-hook=sed -i "/security\|-updates/d" "$1"/etc/apt/sources.list"#.to_owned())
        }
        // Mirrors that are a few weeks behind keep lists of a moving release that are past their date.
        "forky" | "testing" | "sid" | "unstable" => {
            arguments.push(r#"--aptopt=Acquire::Check-Valid-Until "false""#.to_owned());
        }
        _ => {}
    }
    arguments.extend([suite.to_owned(), "-".to_owned()]);
    arguments
}

/// Starts the program: what comes out of it is an archive, and its words. `packages` are installed besides, and nothing
/// of what fits `excludes` (patterns of paths) is unpacked.
///
/// # Errors
/// `mmdebstrap.missing`, or `mmdebstrap.failed` if it can not be started.
pub(crate) fn start_bootstrap(
    suite: &str,
    packages: &[String],
    excludes: &[String],
) -> Result<(Program, ChildStdout, ChildStderr), LabError> {
    can_bootstrap()?;
    let fail = |error: io::Error| {
        let problem = format!("{PROGRAM} can not be started: {error}");
        LabError::environment("mmdebstrap.failed", problem, format!("`sudo apt-get install --reinstall {PROGRAM}`"))
    };
    let scratch = Scratch::make().map_err(fail)?;
    let mut command = Command::new(find_program(PROGRAM).unwrap_or_else(|| PROGRAM.into()));
    command
        .args(arguments(suite, packages, excludes))
        // Its words are read by us, and by whoever reads the log.
        .env("LC_ALL", "C.UTF-8")
        .env("TMPDIR", &scratch.0);
    Program::start(command, Some(scratch)).map_err(fail)
}

/// Bootstraps a release, and makes it the image `tag` with these labels.
///
/// `running` holds the program as long as it runs, for whoever interrupts this.
pub(super) async fn bootstrap(
    docker: &Docker,
    suite: &str,
    tag: &str,
    labels: &[(String, String)],
    transcript: &mut Transcript<'_>,
    running: &mut Option<Program>,
) -> Result<(), Failed> {
    let (program, stdout, stderr) = start_bootstrap(suite, &[], &[])?;
    let program = running.insert(program);
    let (name, version) = tag.split_once(':').unwrap_or((tag, "latest"));
    let mut changes = vec![r#"CMD ["/bin/sh"]"#.to_owned()];
    changes.extend(labels.iter().map(|(key, value)| format!("LABEL {key}={value}")));
    let options = CreateImageOptionsBuilder::default().from_src("-").repo(name).tag(version).changes(changes).build();
    let patient = docker.clone().with_timeout(IMPORT_PATIENCE);
    let import = patient.create_image(Some(options), Some(bollard::body_try_stream(pieces(stdout))), None);

    let mut import = std::pin::pin!(import);
    let mut lines = BufReader::new(stderr).lines();
    let (mut talking, mut error) = (true, None);
    loop {
        tokio::select! {
            line = lines.next_line(), if talking => match line {
                Ok(Some(line)) => transcript.line(&line),
                _ => talking = false,
            },
            event = import.next() => match event {
                Some(Ok(_)) => {}
                Some(Err(refused)) => { error = Some(refused); break }
                None => break,
            },
        }
    }
    if error.is_some() {
        program.stop().await;
    }
    while let Ok(Some(line)) = lines.next_line().await {
        transcript.line(&line);
    }
    let status = program.wait().await;
    *running = None;
    match (error, status) {
        (Some(error), _) => Err(Failed::Words(docker_words(&error))),
        (None, Ok(status)) if status.success() => Ok(()),
        (None, status) => {
            // The engine has taken what came before the program gave up for a whole system.
            let forced = RemoveImageOptionsBuilder::default().force(true).build();
            let _ = docker.remove_image(tag, Some(forced), None).await;
            let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            Err(Failed::Words(format!("{PROGRAM} failed ({how})")))
        }
    }
}

/// How a step of building failed.
pub(super) enum Failed {
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

/// What the engine said, without the client's words around it.
pub(super) fn docker_words(error: &bollard::errors::Error) -> String {
    match docker::trouble("the engine", error) {
        LabError::Environment { problem, .. } => problem,
        other => other.to_string(),
    }
}

fn pieces<T>(stdout: ChildStdout) -> impl Stream<Item = Result<T, io::Error>> + Send + 'static
where
    T: From<Vec<u8>> + Send + 'static,
{
    stream::try_unfold(stdout, |mut stdout| async move {
        let mut piece = vec![0; PIECE];
        let len = stdout.read(&mut piece).await?;
        piece.truncate(len);
        Ok((len > 0).then(|| (T::from(piece), stdout)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_release_gets_what_it_needs_and_no_mirror() {
        for suite in ["bullseye", "bookworm", "trixie", "forky"] {
            let arguments = arguments(suite, &["frr".into(), "iproute2".into()], &["/usr/share/man/*".into()]);
            assert_eq!(arguments[arguments.len() - 2..], [suite, "-"]);
            assert!(arguments.contains(&"--include=frr,iproute2".to_owned()), "{arguments:?}");
            assert!(arguments.contains(&"--dpkgopt=path-exclude=/usr/share/man/*".to_owned()), "{arguments:?}");
            assert!(!arguments.iter().any(|argument| argument.contains("://")));
            assert_eq!(arguments.iter().any(|argument| argument.contains("Check-Valid-Until")), suite == "forky");
            assert_eq!(arguments.iter().any(|argument| argument.contains("security")), suite == "bullseye");
        }
    }
}
