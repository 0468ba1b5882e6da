//! How a run makes world `real`: in guests or in containers, and with what.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{Trouble, infra};
use crate::images::{State, Wanted};
use crate::report::Reporter;
use crate::run::guests::{Assets, Guests};
use crate::run::plan::Cell;
use crate::store::{Kernel, Store};
use crate::subject::Subject;
use crate::suite::{ClockKind, WorldKind};
use crate::world::real::Routers;
use crate::world::real::container::Containers;
use crate::world::real::machine;
use crate::world::{Driver, LabError};
use crate::{docker, images};

/// Where and when real routers run.
#[derive(Debug, Args)]
pub(super) struct RealArgs {
    /// Where real routers run. `guest`: in the lab's own kernel, an ordinary process, under a virtual clock. `container`:
    /// in containers, under the real one. By default in guests where this machine can, else in containers. Both, as in
    /// `guest,container`, hold one against the other: a verdict that differs is an error of the lab.
    #[arg(long, value_enum, value_delimiter = ',')]
    driver: Vec<DriverArg>,
    /// Whose time real routers live in; virtual by default in guests. Containers have the real one only.
    #[arg(long, value_enum)]
    clock: Option<ClockArg>,
    /// How many seconds of real time a case in a guest may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    wall_limit: u64,
}

/// Where real routers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DriverArg {
    /// In containers.
    Container,
    /// In the lab's own kernel.
    Guest,
}

/// Whose time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ClockArg {
    /// Time that jumps over everything in which nothing happens.
    Virtual,
    /// Time that passes.
    Real,
}

/// How world `real` is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RealWorld {
    driver: DriverArg,
    /// Whose time it is.
    pub(super) clock: ClockKind,
    wall_limit: Duration,
}

impl RealWorld {
    /// From what the user says, and what this machine can: one way, or several to be held against each other.
    pub(super) fn choose(args: &RealArgs) -> Result<Vec<Self>, Trouble> {
        let mut drivers = args.driver.clone();
        if drivers.is_empty() {
            drivers.push(if machine::check().is_ok() { DriverArg::Guest } else { DriverArg::Container });
        }
        drivers.iter().map(|driver| Self::with(*driver, args)).collect()
    }

    fn with(driver: DriverArg, args: &RealArgs) -> Result<Self, Trouble> {
        let clock = match (driver, args.clock) {
            (DriverArg::Guest, None | Some(ClockArg::Virtual)) => ClockKind::Virtual,
            (DriverArg::Container, Some(ClockArg::Virtual)) => {
                return Err(Trouble::Usage(miette::miette!(
                    help =
                        "leave --clock out, or use `--driver guest` (`cargo lab doctor` says whether it can run here)",
                    "containers stand on the machine's kernel and have its clock"
                )));
            }
            _ => ClockKind::Real,
        };
        if driver == DriverArg::Guest {
            machine::check()?;
        }
        Ok(Self { driver, clock, wall_limit: Duration::from_secs(args.wall_limit) })
    }

    /// The word in results.
    pub(super) fn name(&self) -> &'static str {
        match self.driver {
            DriverArg::Container => "container",
            DriverArg::Guest => "guest",
        }
    }

    /// Guests for the cells that need them, with kernel and roots made if they are missing; none for containers.
    pub(super) fn guests<'r>(
        &self,
        cells: &[Cell<'_>],
        root: &'r Path,
        suites: &'r Path,
        reporter: &Reporter,
        facts: &mut BTreeMap<String, String>,
    ) -> Result<Option<Guests<'r>>, LabError> {
        let to_run = || cells.iter().filter(|cell| cell.world == WorldKind::Real && cell.known.is_none());
        if self.driver == DriverArg::Container || to_run().next().is_none() {
            return Ok(None);
        }
        let store = Store::open(root)?;
        let mut roots = BTreeMap::new();
        let kernel = infra::block_on(async {
            let kernel = store.kernel(reporter.progress()).await?;
            for router in to_run().flat_map(|cell| cell.cast.routers()) {
                let Subject::Router(implementation, release) = router else { continue };
                let name = format!("{}:{}", implementation.image.recipe, release.version);
                let Entry::Vacant(entry) = roots.entry(name) else { continue };
                let wanted = infra::wanted(&implementation.image.recipe, release);
                let root = store.root(&wanted, reporter.progress()).await?;
                facts.insert(format!("root {}", entry.key()), root.content);
                entry.insert(root.path);
            }
            Ok::<_, LabError>(kernel)
        })??;
        let Kernel { path, version, hash, octets } = kernel;
        facts.insert("guest kernel".to_owned(), format!("{version}, configuration {hash}, {octets} octets"));
        let assets = Assets { kernel: path, roots };
        Ok(Some(Guests { root, suites, assets, clock: self.clock, wall_limit: self.wall_limit }))
    }
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
    fn lab(&mut self, players: &[Subject]) -> Result<Box<dyn Driver>, LabError> {
        let lab = Containers::lab(Arc::clone(&self.interrupted))?;
        let wanted: Vec<Wanted> = players
            .iter()
            .filter_map(|player| match player {
                Subject::BuiltIn => None,
                Subject::Router(implementation, release) => Some(infra::wanted(&implementation.image.recipe, release)),
            })
            .collect();
        if !wanted.is_empty() {
            let images = infra::block_on(async {
                let docker = docker::connect().await?;
                if let Ok(version) = docker.version().await {
                    let version = version.version.unwrap_or_default();
                    self.facts.insert("docker".to_owned(), version);
                }
                let plan = images::plan(&docker, &self.root, &wanted).await?;
                if images::build(&docker, &plan, self.reporter.progress()).await?.is_empty() {
                    return Ok::<_, LabError>(plan);
                }
                images::plan(&docker, &self.root, &wanted).await
            })??;
            for image in images.into_iter().filter(|image| image.state == State::Current) {
                let id = image.id.unwrap_or_default();
                self.facts.insert(format!("image {}", image.tag), id);
            }
        }
        let names: Vec<String> = players.iter().map(Subject::id).collect();
        self.reporter.progress().phase("Booting", &format!("routers for {}", names.join(", ")));
        Ok(Box::new(lab))
    }
}
