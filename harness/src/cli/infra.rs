//! `cargo lab agent`, `doctor`, `prune`: the machine and what is on it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{Trouble, out};
use crate::agent::{KernelChoice, MacAddress, RouterArgs, run_guest_init, run_router};
use crate::evidence::FileError;
use crate::images::Wanted;
use crate::run::inside::run_lab;
use crate::subject::Release;
use crate::world::LabError;
use crate::world::real::machine;
use crate::{docker, doctor, place, prune, store};

/// The part that works inside routers.
#[derive(Debug, Args)]
pub(super) struct AgentArgs {
    #[command(subcommand)]
    part: AgentPart,
}

#[derive(Debug, Subcommand)]
enum AgentPart {
    /// First process of a router's container.
    Router {
        /// Hardware address of the router's interface.
        #[arg(long)]
        mac: MacAddress,
        /// Whose kernel: auto, host, lab, guest.
        #[arg(long, default_value = "auto")]
        kernel: KernelChoice,
        /// Memory of the lab's kernel, in mebibytes.
        #[arg(long, default_value_t = 384)]
        memory: u32,
    },
    /// The project's own daemon, so that a router needs no other executable: `dmvpn-peer` with these arguments.
    #[command(disable_help_flag = true)]
    Peer {
        /// As on the command line of `dmvpn-peer`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// First process of a guest in which the harness itself runs cases.
    LabInit {
        /// The folder with the order, which results go to.
        folder: PathBuf,
        /// Words that the kernel adds of its own accord.
        #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// First process of the lab's kernel in a container.
    GuestInit {
        /// Words that the kernel adds of its own accord.
        #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
}

pub(super) fn agent(args: &AgentArgs) -> ExitCode {
    match &args.part {
        AgentPart::Router { mac, kernel, memory } => {
            run_router(RouterArgs { mac: *mac, kernel: *kernel, memory_mib: *memory })
        }
        AgentPart::Peer { arguments } => {
            dmvpn_peer::cli::main(std::iter::once("dmvpn-peer".into()).chain(arguments.iter().cloned()))
        }
        AgentPart::GuestInit { .. } => run_guest_init(),
        AgentPart::LabInit { folder, .. } => run_lab(folder),
    }
}

/// How to tell.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// What to remove.
#[derive(Debug, Args)]
pub(super) struct PruneArgs {
    /// Also things whose owner may still be running.
    #[arg(long)]
    all: bool,
}

pub(super) fn doctor(args: &DoctorArgs, explicit: Option<&Path>) -> Result<ExitCode, Trouble> {
    let report = block_on(doctor::examine(explicit))??;
    if args.json {
        say!("{}", report.json());
    } else {
        out(&report.text());
    }
    Ok(ExitCode::SUCCESS)
}

/// The image of a version.
pub(super) fn wanted(recipe: &str, release: &Release) -> Wanted {
    Wanted::new(recipe, release.version.clone(), release.suite.clone())
}

pub(super) fn prune(args: &PruneArgs) -> Result<ExitCode, Trouble> {
    // What was being made for guests needs no engine to be found.
    for folder in store::remove_half_made(&place::cache()?)? {
        say!("removed {}, which was not finished", folder.display());
    }
    for folder in machine::remove_folders_left() {
        say!("removed {}, which a guest has left", folder.display());
    }
    block_on(async {
        let docker = match docker::connect().await {
            Ok(docker) => docker,
            // Where there is none, nothing can be left in it. One that refuses may well have something.
            Err(error) if error.is("docker.unreachable") => {
                eprintln!("containers are left out: {error}");
                return Ok(ExitCode::SUCCESS);
            }
            Err(error) => return Err(error.into()),
        };
        let found = prune::find(&docker, args.all).await?;
        let removed = prune::remove(&docker, &found.leftovers).await?;
        out(&removed.text());
        Ok(ExitCode::from(if removed.refused.is_empty() { 0 } else { 4 }))
    })?
}

pub(super) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, LabError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| LabError::internal(format!("no runtime: {error}")))?;
    Ok(runtime.block_on(work))
}

/// A file of the evidence that can not be written is a matter of the machine.
pub(super) fn file_trouble(error: &FileError) -> Trouble {
    Trouble::Environment(LabError::environment(
        "evidence.write",
        error.to_string(),
        "choose another place with --out DIR",
    ))
}
