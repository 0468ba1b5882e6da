//! `cargo lab agent`, `doctor`, `images`, `prune`: the machine and what is on it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{Args, Subcommand};

use super::Trouble;
use crate::agent::{KernelChoice, MacAddress, RouterArgs, run_guest_init, run_router};
use crate::evidence::FileError;
use crate::report::{ColorChoice, Reporter};
use crate::subject::Subject;
use crate::world::real::Routers;
use crate::world::real::container::ContainerLab;
use crate::world::{Driver, LabError};

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
        /// Whose kernel: auto, host, lab.
        #[arg(long, default_value = "auto")]
        kernel: KernelChoice,
        /// Memory of the lab's kernel, in mebibytes.
        #[arg(long, default_value_t = 384)]
        memory: u32,
    },
    /// First process of the lab's kernel in a container.
    GuestInit,
}

pub(super) fn agent(args: &AgentArgs) -> ExitCode {
    match args.part {
        AgentPart::Router { mac, kernel, memory } => run_router(RouterArgs { mac, kernel, memory_mib: memory }),
        AgentPart::GuestInit => run_guest_init(),
    }
}

/// How to tell.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// Which images, and what to do with them.
#[derive(Debug, Args)]
pub(super) struct ImagesArgs {
    #[command(subcommand)]
    action: Option<ImagesAction>,
}

#[derive(Debug, Subcommand)]
enum ImagesAction {
    /// Show which images there are (the default).
    List {
        /// Print JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Build what is missing or out of date.
    Build {
        /// Only these subjects, such as `frr:10.3`; all by default.
        subjects: Vec<String>,
    },
    /// Remove images.
    Remove {
        /// Only these subjects; everything of the lab by default.
        subjects: Vec<String>,
    },
}

/// What to remove.
#[derive(Debug, Args)]
pub(super) struct PruneArgs {
    /// Also things whose owner may still be running.
    #[arg(long)]
    all: bool,
}

pub(super) fn doctor(_args: &DoctorArgs, _root: Option<&Path>) -> Result<ExitCode, Trouble> {
    Ok(ExitCode::SUCCESS)
}

pub(super) fn images(_args: &ImagesArgs, _root: Option<&Path>, _color: ColorChoice) -> Result<ExitCode, Trouble> {
    Ok(ExitCode::SUCCESS)
}

pub(super) fn prune(_args: &PruneArgs) -> Result<ExitCode, Trouble> {
    Ok(ExitCode::SUCCESS)
}

/// A file of the evidence that can not be written is a matter of the machine.
pub(super) fn file_trouble(error: &FileError) -> Trouble {
    Trouble::Environment(LabError::environment("evidence.write", error.to_string(), "choose another place with --out DIR"))
}

/// Labs of containers, with images built when they are missing.
pub(super) struct ContainerRouters<'r> {
    root: PathBuf,
    reporter: &'r Reporter,
    interrupted: Arc<AtomicBool>,
    facts: BTreeMap<String, String>,
}

impl<'r> ContainerRouters<'r> {
    pub(super) fn new(root: &Path, reporter: &'r Reporter, interrupted: Arc<AtomicBool>) -> Self {
        Self { root: root.to_owned(), reporter, interrupted, facts: BTreeMap::new() }
    }

    /// What was found out about engine and images, for the record of the run.
    pub(super) fn facts(&self) -> BTreeMap<String, String> {
        self.facts.clone()
    }
}

impl Routers for ContainerRouters<'_> {
    fn lab(&mut self, subject: &Subject) -> Result<Box<dyn Driver>, LabError> {
        let _ = (&self.root, subject);
        self.reporter.progress().phase("Booting", &format!("routers for {}", subject.id()));
        Ok(Box::new(ContainerLab::new(Arc::clone(&self.interrupted))?))
    }
}
