//! Runs the cells of a plan: simulated and replayed ones side by side, real ones suite by suite on routers that stay up, in this
//! process or in guests.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant as Wall};

use super::case::{CaseRun, Leavings, Settings};
use super::divergence::{self, Divergence};
use super::guests::Guests;
use super::keep::{self, Keep};
use super::plan::{Cell, LabKey, is_destructive};
use super::side_by_side::side_by_side;
use crate::evidence::Run;
use crate::report::Reporter;
use crate::subject::Subject;
use crate::suite::WorldKind;
use crate::verdict::{CaseResult, CiteRef, ClockSpan, Event, Outcome, Verdict, cause};
use crate::world::real::Routers;
use crate::world::replay::{Recording, Replay};
use crate::world::sim::Sim;
use crate::world::{Driver, LabError};

/// Everything that all cases of a run share.
pub struct Context<'r> {
    /// Which driver this is, where several are held against each other: a part of every variant then.
    pub way: Option<String>,
    /// Where progress and results are told.
    pub reporter: &'r Reporter,
    /// Where evidence is kept; `None` keeps none.
    pub evidence: Option<&'r Run>,
    /// Which evidence stays.
    pub keep: Keep,
    /// Seed and patience.
    pub settings: Settings,
    /// Known deviations.
    pub divergences: &'r [Divergence],
    /// Set by SIGINT and SIGTERM.
    pub interrupted: Arc<AtomicBool>,
    /// Simulated cases, and guests, at a time.
    pub jobs: usize,
    /// Stop after so many failures.
    pub max_fail: Option<usize>,
    /// Problems with the evidence, which must not lose a verdict.
    pub problems: Mutex<Vec<String>>,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("jobs", &self.jobs).field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What is known about the cells so far.
pub(super) struct Tally<'c> {
    context: &'c Context<'c>,
    results: Vec<Mutex<Option<CaseResult>>>,
    failures: AtomicUsize,
}

impl<'c> Tally<'c> {
    /// What all cases of the run share.
    pub(super) fn context(&self) -> &'c Context<'c> {
        self.context
    }

    fn new(cells: usize, context: &'c Context<'c>) -> Self {
        Self { context, results: (0..cells).map(|_| Mutex::new(None)).collect(), failures: AtomicUsize::new(0) }
    }

    /// Keeps the result of a cell, and tells everyone.
    pub(super) fn tell(&self, index: usize, result: CaseResult) {
        if matches!(result.verdict.outcome, Outcome::Fail | Outcome::Xpass | Outcome::Error) {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        self.context.tell(&Event::Verdict { case: Box::new(result.clone()) });
        *lock(&self.results[index]) = Some(result);
    }

    /// Whether there is a result.
    pub(super) fn has(&self, index: usize) -> bool {
        lock(&self.results[index]).is_some()
    }

    /// False when the user, or enough failures, have ended the run.
    pub(super) fn go_on(&self) -> bool {
        !self.context.interrupted.load(Ordering::Relaxed)
            && self.context.max_fail.is_none_or(|most| self.failures.load(Ordering::Relaxed) < most)
    }

    fn into_results(self) -> Vec<CaseResult> {
        let whole = |slot: Mutex<Option<CaseResult>>| slot.into_inner().unwrap_or_else(|poison| poison.into_inner());
        self.results.into_iter().filter_map(whole).collect()
    }
}

/// Who runs the cells of world `real`.
pub enum Real<'r> {
    /// This process, with routers under the real clock or in the guest that it is in.
    Here(&'r mut dyn Routers),
    /// Guests, in each of which this executable runs a share of the cells.
    Guests(&'r Guests<'r>),
}

/// Runs all cells and returns their results in the order of the plan. What an interrupt or `max_fail` left out is not
/// among them.
pub fn execute(cells: &[Cell<'_>], context: &Context<'_>, real: &mut Real<'_>) -> Vec<CaseResult> {
    let tally = Tally::new(cells.len(), context);
    let of = |world: WorldKind| -> Vec<usize> {
        let unknown = |index: &usize| cells[*index].world == world && cells[*index].known.is_none();
        (0..cells.len()).filter(unknown).collect()
    };
    for index in (0..cells.len()).filter(|index| cells[*index].known.is_some()) {
        tally.tell(index, judged(&cells[index], context, None));
    }
    simulate(cells, &[of(WorldKind::Sim), of(WorldKind::Replay)].concat(), &tally);
    let (last, first): (Vec<usize>, Vec<usize>) =
        of(WorldKind::Real).into_iter().partition(|index| is_destructive(cells[*index].case));
    for indices in [first, last] {
        match real {
            Real::Here(routers) => run_here(cells, &indices, &tally, *routers),
            Real::Guests(guests) => guests.run(cells, &indices, &tally),
        }
    }
    tally.into_results()
}

/// Simulated and replayed cells, side by side.
fn simulate(cells: &[Cell<'_>], indices: &[usize], tally: &Tally<'_>) {
    let context = tally.context;
    side_by_side(
        context.jobs,
        indices.len(),
        || tally.go_on(),
        |at| {
            let index = indices[at];
            let cell = &cells[index];
            let result = match in_process(cell, &context.interrupted) {
                Ok(mut driver) => run_cell(cell, context, driver.as_mut()),
                Err(error) => judged(cell, context, Some(&error)),
            };
            tally.tell(index, result);
        },
    );
}

/// The world of a cell that needs nobody outside the process.
fn in_process(cell: &Cell<'_>, interrupted: &Arc<AtomicBool>) -> Result<Box<dyn Driver>, LabError> {
    Ok(match &cell.capture {
        Some(files) if cell.world == WorldKind::Replay => {
            Box::new(Replay::new(Recording::read(&files.file, files.keys.as_deref())?, Arc::clone(interrupted)))
        }
        _ => Box::new(Sim::new(cell.epoch_ns(), Arc::clone(interrupted))),
    })
}

/// Cells with routers, one after the other.
fn run_here(cells: &[Cell<'_>], indices: &[usize], tally: &Tally<'_>, routers: &mut dyn Routers) {
    let context = tally.context;
    let mut lab: Option<(_, Box<dyn Driver>)> = None;
    for index in indices.iter().copied() {
        if !tally.go_on() {
            break;
        }
        let cell = &cells[index];
        // One set of routers per subject, peer and suite: booted once, reset between cases.
        let key = cell.lab_key();
        if lab.as_ref().is_none_or(|(current, _)| *current != key) {
            drop(lab.take());
            match routers.lab(&routers_of(&cells[index..], &key)) {
                Ok(driver) => lab = Some((key, driver)),
                Err(error) => {
                    tally.tell(index, judged(cell, context, Some(&error)));
                    continue;
                }
            }
        }
        if let Some((_, driver)) = &mut lab {
            tally.tell(index, run_cell(cell, context, driver.as_mut()));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // A panic in a case is caught before it reaches a lock; what is inside is whole in any case.
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Context<'_> {
    /// Tells everyone what has happened.
    pub(super) fn tell(&self, event: &Event) {
        if let Err(error) = self.reporter.event(event) {
            self.problem(error.to_string());
        }
    }

    /// Notes something that went wrong outside of any case.
    pub fn problem(&self, text: String) {
        let mut problems = lock(&self.problems);
        if !problems.contains(&text) {
            problems.push(text);
        }
    }
}

/// A cell that is judged without being run.
pub(super) fn judged(cell: &Cell<'_>, context: &Context<'_>, error: Option<&LabError>) -> CaseResult {
    let verdict = match (error, &cell.known) {
        (Some(error), _) => not_run(error),
        (None, Some(known)) => known.clone(),
        (None, None) => Verdict::error("harness.internal", "a cell without a verdict was not run"),
    };
    result(cell, context, "", verdict, ClockSpan::default(), Duration::ZERO, Vec::new())
}

/// The routers that play in cells which share a lab.
fn routers_of(cells: &[Cell<'_>], key: &LabKey<'_>) -> Vec<Subject> {
    let mut routers: Vec<Subject> = Vec::new();
    let sharing = cells.iter().filter(|cell| cell.known.is_none() && cell.lab_key() == *key);
    for router in sharing.flat_map(|cell| cell.cast.routers()) {
        if !routers.contains(router) {
            routers.push(router.clone());
        }
    }
    routers
}

fn run_cell(cell: &Cell<'_>, context: &Context<'_>, driver: &mut dyn Driver) -> CaseResult {
    context.tell(&Event::CaseStart { id: cell.id(), variant: context.variant(cell) });
    #[allow(clippy::disallowed_methods, reason = "how long a case took by the clock on the wall is part of its result")]
    let began = Wall::now();
    let begin = driver.now();
    let (epoch, name, is_virtual) =
        (driver.epoch_ns(), driver.name(), driver.clock() == crate::suite::ClockKind::Virtual);
    let (verdict, leavings) = attempt(cell, context.settings, driver);
    let verdict = match &cell.cast.subject {
        subject @ Subject::Router(..) if cell.world == WorldKind::Real => {
            divergence::apply(verdict, &cell.id(), subject.name(), subject.version(), context.divergences)
        }
        _ => verdict,
    };
    let end = leavings.as_ref().map_or(begin, |leavings| leavings.end);
    let clock = ClockSpan { is_virtual, begin_ns: begin.as_nanos(), end_ns: end.as_nanos() };
    let metrics = leavings.as_ref().map(|leavings| leavings.metrics.clone()).unwrap_or_default();
    let driver_name = if cell.world == WorldKind::Real { name } else { "" };
    let mut result = result(cell, context, driver_name, verdict, clock, began.elapsed(), metrics);
    if let (Some(evidence), Some(leavings)) = (context.evidence, &leavings)
        && context.keep.wants(result.verdict.outcome)
    {
        match keep::write(evidence, cell, &result, leavings, epoch) {
            Ok(path) => result.evidence = Some(path),
            Err(error) => context.problem(error.to_string()),
        }
    }
    if let Some(leavings) = leavings {
        for node in leavings.broken_routers {
            driver.discard(&node);
        }
    }
    result
}

/// Plays a cell: the verdict, and what the case leaves if it could begin.
fn attempt(cell: &Cell<'_>, settings: Settings, driver: &mut dyn Driver) -> (Verdict, Option<Leavings>) {
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| {
        let run = CaseRun::new(cell, settings, driver)?;
        Ok::<Leavings, LabError>(run.run())
    }));
    match outcome {
        Ok(Ok(leavings)) => (leavings.verdict.clone(), Some(leavings)),
        Ok(Err(error)) => (not_run(&error), None),
        Err(panic) => (Verdict::error(cause::PANIC, format!("the harness panicked: {}", words_of(&*panic))), None),
    }
}

/// The verdict on a simulated cell, and nothing else: no progress, no evidence.
pub fn trial(cell: &Cell<'_>, settings: Settings, interrupted: &Arc<AtomicBool>) -> Verdict {
    match in_process(cell, interrupted) {
        Ok(mut driver) => attempt(cell, settings, driver.as_mut()).0,
        Err(error) => not_run(&error),
    }
}

/// The verdict on a case that could not even begin.
fn not_run(error: &LabError) -> Verdict {
    Verdict::error(error.cause(), error.reason())
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("without a word").to_owned()
}

impl Context<'_> {
    /// Cells of one run that differ only in who plays, or in where, are variants of the case: `frr:10.3@guest`.
    pub(super) fn variant(&self, cell: &Cell<'_>) -> Option<String> {
        match (variant(cell), &self.way) {
            (variant, None) => variant,
            (variant, Some(way)) => Some(format!("{}@{way}", variant.unwrap_or_default())),
        }
    }
}

/// Cells of one run that differ only in who plays are variants of the case: `frr:10.3`, `frr:10.3+dmvpn-peer:0.1.0`.
pub fn variant(cell: &Cell<'_>) -> Option<String> {
    match (&cell.cast.subject, &cell.cast.peer) {
        _ if cell.world == WorldKind::Replay => None,
        (Subject::BuiltIn, Subject::BuiltIn) => None,
        (subject, Subject::BuiltIn) => Some(subject.id()),
        (subject, peer) => Some(format!("{}+{}", subject.id(), peer.id())),
    }
}

/// The options of the command line that make this cast again.
fn options(cell: &Cell<'_>) -> String {
    let option = |name: &str, player: &Subject| match player {
        _ if cell.world == WorldKind::Replay => String::new(),
        Subject::BuiltIn => String::new(),
        router => format!(" --{name} {}", router.id()),
    };
    format!("{}{}", option("subject", &cell.cast.subject), option("peer", &cell.cast.peer))
}

fn result(
    cell: &Cell<'_>,
    context: &Context<'_>,
    driver: &str,
    verdict: Verdict,
    clock: ClockSpan,
    wall: Duration,
    metrics: Vec<crate::verdict::Metric>,
) -> CaseResult {
    let subject = cell.cast.judged();
    let peer = cell.cast.opponent(cell.suite.topology_of(cell.case));
    let cites = cell.case.cites.iter().map(|cite| CiteRef {
        spec: cite.spec.clone(),
        section: cite.section.clone(),
        level: cite.level.name().to_owned(),
        quote: cite.quote.clone().unwrap_or_default(),
        requirement: cite.requirement.clone(),
    });
    let by_driver = if driver.is_empty() { String::new() } else { format!(" --driver {driver}") };
    CaseResult {
        id: cell.id(),
        suite: cell.suite.id.clone(),
        title: cell.case.title.clone(),
        variant: context.variant(cell),
        world: cell.world.name().to_owned(),
        driver: (!driver.is_empty()).then(|| driver.to_owned()),
        subject,
        peer,
        seed: context.settings.seed,
        cites: cites.collect(),
        verdict,
        clock,
        wall: Duration::ZERO,
        rate: None,
        evidence: None,
        rerun: format!("cargo lab run {}{}{by_driver} --seed {}", cell.id(), options(cell), context.settings.seed),
        metrics,
        file: cell.suite.source.path.display().to_string(),
        line: cell.case.span.line,
    }
    .with_wall(wall)
}

/// What the environment of a run is, for its record.
pub fn environment(plan: &[Cell<'_>]) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    if let Ok(name) = nix::sys::utsname::uname() {
        let word = |text: &std::ffi::OsStr| text.to_string_lossy().into_owned();
        facts.insert("kernel".to_owned(), format!("{} {}", word(name.sysname()), word(name.release())));
        facts.insert("machine".to_owned(), word(name.machine()));
    }
    for cell in plan.iter().filter(|cell| cell.world != WorldKind::Replay) {
        let subject = &cell.cast.subject;
        facts.insert(format!("subject {}", subject.id()), subject.version().to_owned());
        for (_, player) in cell.cast.players().filter(|(_, player)| *player != subject) {
            facts.insert(format!("peer {}", player.id()), player.version().to_owned());
        }
    }
    facts
}
