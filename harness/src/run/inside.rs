//! Inside a guest: this executable as the first process, which runs a share of the cells with routers in namespaces.
//!
//! The guest's root is the machine's own, read-only, with the suites and roots on it; only the folder of the job and
//! that of the evidence can be written. Results go out as lines in a file: a write to the machine's disk happens at once,
//! whereas a stream whose reader is slow would let the guest wait, and its clock run away.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use serde::{Deserialize, Serialize};

use super::case::Settings;
use super::cast::Cast;
use super::divergence;
use super::execute::{Context, Real, execute};
use super::keep::{Keep, secrets_of};
use super::plan::Cell;
use crate::agent::{GUEST_MARK, power_off};
use crate::evidence::{Redactor, Run};
use crate::report::{Format, FormatSpec, Options, Reporter, Streams, Terminal, Verbosity};
use crate::subject::{self, Subject};
use crate::suite::{self, ClockKind};
use crate::world::real::Routers;
use crate::world::real::namespace::Namespaces;
use crate::world::{Driver, LabError};

/// The file with the order, in the folder of the guest.
pub(super) const JOB: &str = "job.json";
/// The lines that come out of it.
pub(super) const EVENTS: &str = "out/events.jsonl";
/// The guest's clock, written now and then: a guest in which it stands still hangs.
pub(super) const PULSE: &str = "out/pulse";
/// Between two such writes, in the guest's time: each is a wake-up, of which weeks have many.
const PULSE_EVERY: Duration = Duration::from_secs(60);

/// What a guest shall do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    /// The folder that relative paths start from, as outside.
    pub(super) here: PathBuf,
    /// The checkout.
    pub(super) root: PathBuf,
    /// The suites.
    pub(super) suites: PathBuf,
    /// Case, subject and peer by name, in the order in which they run.
    pub(super) cells: Vec<(String, String, String)>,
    /// The unpacked roots.
    pub(super) roots: BTreeMap<String, PathBuf>,
    /// Whether the clock is the guest's own.
    pub(super) is_virtual: bool,
    /// What variants are marked with.
    pub(super) way: Option<String>,
    /// Seed of every random choice of the harness.
    pub(super) seed: u64,
    /// Stretches upper bounds of waits under the real clock.
    pub(super) timeout_scale: f64,
    /// The directory of the run's evidence.
    pub(super) evidence: Option<PathBuf>,
    /// Which evidence stays.
    pub(super) keep: Keep,
    /// Stop after so many failures.
    pub(super) max_fail: Option<usize>,
}

/// Runs the job in `folder` and powers the guest off. To be the first process of a guest.
pub fn run_lab(folder: &Path) -> ! {
    if std::process::id() != 1 || std::env::var_os(GUEST_MARK).is_none() {
        eprintln!("agent lab-init is the first process of a guest kernel and does nothing anywhere else");
        std::process::exit(2);
    }
    if let Err(error) = run(folder) {
        // The console: its last lines become the reason of a verdict.
        eprintln!("in the guest: {error}");
        std::process::exit(1);
    }
    power_off()
}

fn run(folder: &Path) -> Result<(), String> {
    let job = fs::read(folder.join(JOB)).map_err(|error| format!("{JOB}: {error}"))?;
    let job: Job = serde_json::from_slice(&job).map_err(|error| format!("{JOB}: {error}"))?;
    make_world(folder, job.evidence.as_deref())?;
    std::env::set_current_dir(&job.here).map_err(|error| format!("{}: {error}", job.here.display()))?;
    // Exact: only daemons need slack, and get it where they start.
    nix::sys::prctl::set_timerslack(1).map_err(|error| format!("timer slack: {error}"))?;
    beat(folder.join(PULSE));
    let suites = suite::load_tree(&job.suites).map_err(|_| "the suites have changed meanwhile".to_owned())?;
    let wrong = |error: miette::Report| format!("{error:?}");
    let implementations = subject::find_all(&job.root.join("suites/impls")).map_err(wrong)?;
    let divergences = divergence::load_all(&job.root.join("suites/divergences")).map_err(wrong)?;
    let redactor = Redactor::new(suites.iter().flat_map(secrets_of).collect());
    let events = FormatSpec { format: Format::Jsonl, path: Some(folder.join(EVENTS)) };
    let options = Options { formats: vec![events], verbosity: Verbosity::Quiet, ..Options::default() };
    let reporter = Reporter::new(&options, redactor.clone(), silent()).map_err(|error| error.to_string())?;
    // As outside, where people read it: relative if it can be.
    let shown = |path: &Path| path.strip_prefix(&job.here).unwrap_or(path).to_owned();
    let evidence = job.evidence.as_deref().map(|path| Run::existing(&shown(path), redactor));
    let mut cells = Vec::new();
    for (case, subject, peer) in &job.cells {
        let pick = suites.iter().find_map(|suite| {
            suite.cases.iter().find(|known| suite.case_id(known) == *case).map(|known| (suite, known))
        });
        let (suite, case) = pick.ok_or_else(|| format!("the case {case} is gone"))?;
        let named = |name: &str| Subject::named(name, &implementations).map_err(|error| error.to_string());
        let cast = Cast::new(suite.topology_of(case), &named(subject)?, &named(peer)?, &implementations)
            .map_err(|error| error.to_string())?;
        let world = cast.world();
        cells.push(Cell { suite, case, cast, world, capture: None, known: None });
    }
    let context = Context {
        way: job.way,
        reporter: &reporter,
        evidence: evidence.as_ref(),
        keep: job.keep,
        settings: Settings { seed: job.seed, timeout_scale: job.timeout_scale, fault: None },
        divergences: &divergences,
        interrupted: Arc::default(),
        jobs: 1,
        max_fail: job.max_fail,
        problems: Mutex::default(),
    };
    let clock = if job.is_virtual { ClockKind::Virtual } else { ClockKind::Real };
    let mut routers = Inside { roots: job.roots, folder: folder.join("tmp"), clock };
    execute(&cells, &context, &mut Real::Here(&mut routers));
    let problems = context.problems.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}

/// Labs in this guest.
struct Inside {
    roots: BTreeMap<String, PathBuf>,
    folder: PathBuf,
    clock: ClockKind,
}

impl Routers for Inside {
    fn lab(&mut self, _: &[Subject]) -> Result<Box<dyn Driver>, LabError> {
        Ok(Box::new(Namespaces::lab(self.roots.clone(), self.folder.clone(), self.clock)))
    }
}

/// The kernel's own file systems instead of the machine's, memory to write to, and the two folders that lead out.
fn make_world(folder: &Path, evidence: Option<&Path>) -> Result<(), String> {
    const NONE: MsFlags = MsFlags::empty();
    let attach = |kind: &str, at: &Path, data: Option<&str>| {
        mount(Some(kind), at, Some(kind), NONE, data).map_err(|error| format!("{kind} on {}: {error}", at.display()))
    };
    attach("proc", Path::new("/proc"), None)?;
    attach("sysfs", Path::new("/sys"), None)?;
    attach("tmpfs", &folder.join("tmp"), Some("mode=755"))?;
    for outside in [Some(folder.join("out").as_path()), evidence].into_iter().flatten() {
        let path = outside.to_str().ok_or_else(|| format!("{} is not UTF-8", outside.display()))?;
        attach("hostfs", outside, Some(path))?;
    }
    Ok(())
}

/// Writes the clock down again and again.
#[allow(clippy::disallowed_methods, reason = "the guest's clock is what is shown to move")]
fn beat(pulse: PathBuf) {
    thread::spawn(move || {
        for beat in 0_u64.. {
            // Nobody can be told; without a pulse the guest will be taken for dead.
            let _ = fs::write(&pulse, beat.to_string());
            thread::sleep(PULSE_EVERY);
        }
    });
}

/// Nobody watches in here.
fn silent() -> Streams {
    let nowhere = Terminal { color: false, unicode: false, interactive: false, width: 80 };
    Streams { out: Box::new(io::sink()), out_terminal: nowhere, err: Box::new(io::sink()), err_terminal: nowhere }
}
