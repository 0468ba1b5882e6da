//! The kernel: out of the engine's image, or compiled on this machine by the same script.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, path::PathBuf, time::Duration};

use bollard::Docker;
use tokio::process::Command;

use super::{Failed, Kernel, Source, trouble, work::Work};
use crate::{
    docker::find_program,
    images::{self, KERNEL, Program, REPOSITORY, Recipe, Transcript},
    progress::Progress,
    world::LabError,
};

/// What a kernel in the store consists of.
const FILES: [&str; 3] = ["linux", "config", "version"];

/// What compiling takes of this machine. The script says more exactly what is missing.
const TOOLS: [&str; 8] = ["apt-get", "bc", "bison", "flex", "gcc", "make", "python3", "xz"];

/// The tools for compiling that this machine has not.
pub(crate) fn missing_tools() -> Vec<&'static str> {
    TOOLS.into_iter().filter(|tool| find_program(tool).is_none()).collect()
}

/// A kernel's name: the beginning of the hash of its recipe.
pub(super) fn hash(recipe: &Recipe) -> String {
    recipe.plain_hash().chars().take(12).collect()
}

/// All kernels.
pub(super) fn kernels(cache: &Path) -> PathBuf {
    cache.join("kernel")
}

pub(super) fn folder(cache: &Path, hash: &str) -> PathBuf {
    kernels(cache).join(hash)
}

/// The kernel of this name, if it is there and whole.
pub(super) fn find(cache: &Path, hash: &str) -> Option<Kernel> {
    let folder = folder(cache, hash);
    let path = folder.join("linux");
    let meta = fs::metadata(&path).ok().filter(|meta| meta.is_file() && meta.permissions().mode() & 0o100 != 0)?;
    let version = fs::read_to_string(folder.join("version")).ok()?.trim().to_owned();
    Some(Kernel { path, version, hash: hash.to_owned(), octets: meta.len() })
}

/// Where it is to come from: an engine that has it, else this machine, else an engine that makes it.
pub(super) async fn source(checkout: &Path, hash: &str, progress: &Progress) -> Result<Source, LabError> {
    let image = format!("{REPOSITORY}/{KERNEL}:{hash}");
    Ok(match Source::engine_with(&image).await {
        (Some(docker), true) => Source::Image { docker, image },
        (Some(docker), false) if !missing_tools().is_empty() => {
            let plan = images::plan_kernel(&docker, checkout).await?;
            images::build(&docker, &plan, progress).await?;
            Source::Image { docker, image }
        }
        _ => Source::Here,
    })
}

/// How long compiling takes here, roughly.
pub(super) fn estimate() -> Duration {
    images::kernel_estimate(std::thread::available_parallelism().map_or(2, usize::from))
}

/// Takes it out of an image.
pub(super) async fn from_image(docker: &Docker, image: &str, part: &Path, work: &mut Work) -> Result<(), Failed> {
    let whole = part.join("image");
    fs::create_dir(&whole).map_err(|error| trouble(&whole, &error))?;
    work.export(docker, image, &whole).await?;
    take(&whole, part)
}

/// Compiles it.
pub(super) async fn build(
    checkout: &Path,
    part: &Path,
    transcript: &mut Transcript<'_>,
    work: &mut Work,
) -> Result<(), Failed> {
    let out = part.join("out");
    let mut command = Command::new("sh");
    // One pipe for both, as the order of words tells which was the last.
    command
        .args(["-c", r#"exec sh "$0" 2>&1"#])
        .arg(checkout.join("containers").join(KERNEL).join("build"))
        .env("LC_ALL", "C.UTF-8")
        .env("OUT", &out)
        .env("WORK", part.join("work"));
    let program = Program::start(command, None)
        .map_err(|error| Failed::Words(format!("the script that builds it can not be started: {error}")))?;
    let status = work.run(program, transcript).await?;
    if !status.success() {
        return Err(Failed::Words(format!("the script that builds it failed ({status})")));
    }
    take(&out, part)?;
    // Empty by now; thousands of sources if the script has changed its ways.
    let work = part.join("work");
    fs::remove_dir_all(&work).map_err(|error| trouble(&work, &error))?;
    Ok(())
}

/// Takes the kernel's files out of a folder, and removes the folder.
fn take(from: &Path, part: &Path) -> Result<(), Failed> {
    for name in FILES {
        let file = from.join(name);
        fs::rename(&file, part.join(name)).map_err(|error| trouble(&file, &error))?;
    }
    fs::remove_dir_all(from).map_err(|error| trouble(from, &error))?;
    let linux = part.join("linux");
    fs::set_permissions(&linux, fs::Permissions::from_mode(0o755)).map_err(|error| trouble(&linux, &error))?;
    Ok(())
}
