//! Runs suites through the library, as `cargo lab run` does, with a reporter that tells nobody.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use dmvpn_lab::evidence::Redactor;
use dmvpn_lab::place::Captures;
use dmvpn_lab::report::{Options, Reporter, Streams, Terminal};
use dmvpn_lab::run::case::{CaseRun, Leavings, Settings};
use dmvpn_lab::run::cast::Cast;
use dmvpn_lab::run::divergence::Divergence;
use dmvpn_lab::run::execute::{Context, Real, execute};
use dmvpn_lab::run::keep::Keep;
use dmvpn_lab::run::plan::{Cell, Wanted, plan};
use dmvpn_lab::subject::Subject;
use dmvpn_lab::suite::{self, Case, ClockKind, Suite, WorldKind};
use dmvpn_lab::verdict::{CaseResult, Outcome};
use dmvpn_lab::world::real::Routers;
use dmvpn_lab::world::sim::{EPOCH_NS, Sim};
use dmvpn_lab::world::{Driver, LabError};

/// The seed of all runs here.
pub(crate) const SEED: u64 = 7;

/// Nobody is outside of world sim.
pub(crate) struct Nobody;

impl Routers for Nobody {
    fn lab(&mut self, _: &[Subject]) -> Result<Box<dyn Driver>, LabError> {
        Err(LabError::internal("world sim needs no routers"))
    }
}

/// A folder of this crate.
pub(crate) fn folder(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

/// All suites of a folder; what is wrong with them ends the test.
pub(crate) fn suites(below: &str) -> Vec<Suite> {
    suite::load_tree(&folder(below)).unwrap_or_else(|errors| panic!("{}", told(&errors)))
}

/// A suite from its text.
pub(crate) fn suite(id: &str, text: &str) -> Suite {
    let path = PathBuf::from(format!("suites/{id}.yaml"));
    suite::load_str(&path, text).unwrap_or_else(|errors| panic!("{}\n{text}", told(&errors)))
}

fn told(errors: &[suite::Diagnostic]) -> String {
    errors.iter().map(|error| format!("{}: {error}\n", error.span)).collect()
}

/// A reporter into the void.
fn silent() -> Reporter {
    let terminal = Terminal { color: false, unicode: false, interactive: false, width: 80 };
    let streams = Streams {
        out: Box::new(std::io::sink()),
        out_terminal: terminal,
        err: Box::new(std::io::sink()),
        err_terminal: terminal,
    };
    Reporter::new(&Options::default(), Redactor::new(Vec::new()), streams).unwrap()
}

/// Results of all cases of these suites, in their order.
pub(crate) fn run_all(suites: &[Suite], jobs: usize) -> Vec<CaseResult> {
    let selection = suite::select(suites, &[]).unwrap();
    let wanted = Wanted {
        subjects: &[Subject::BuiltIn],
        peer: &Subject::BuiltIn,
        implementations: &[],
        worlds: &[WorldKind::Sim],
        captures: &Captures::default(),
        long: false,
        clock: ClockKind::Real,
    };
    let plan = plan(&selection, wanted).unwrap();
    assert!(plan.elsewhere.is_empty(), "{:?}", plan.elsewhere);
    run_cells(&plan.cells, jobs, &[], &mut Nobody)
}

/// Results of cells, with routers and records of what these do otherwise.
pub(crate) fn run_cells(
    cells: &[Cell<'_>],
    jobs: usize,
    divergences: &[Divergence],
    routers: &mut dyn Routers,
) -> Vec<CaseResult> {
    let reporter = silent();
    let context = Context {
        way: None,
        reporter: &reporter,
        evidence: None,
        keep: Keep::Never,
        settings: Settings { seed: SEED, timeout_scale: 1.0, fault: None },
        divergences,
        interrupted: Arc::new(AtomicBool::new(false)),
        jobs,
        max_fail: None,
        problems: Mutex::new(Vec::new()),
    };
    let results = execute(cells, &context, &mut Real::Here(routers));
    assert!(context.problems.into_inner().unwrap().is_empty());
    results
}

/// One case with all that it leaves.
pub(crate) fn run_case(suite: &Suite, case: &Case, seed: u64) -> Leavings {
    let mut driver = Sim::new(suite.epoch_of(case).unwrap_or(EPOCH_NS), Arc::new(AtomicBool::new(false)));
    let cast = Cast::new(suite.topology_of(case), &Subject::BuiltIn, &Subject::BuiltIn, &[]).unwrap();
    let cell = Cell { suite, case, world: cast.world(), cast, capture: None, known: None };
    CaseRun::new(&cell, Settings { seed, timeout_scale: 1.0, fault: None }, &mut driver).unwrap().run()
}

/// Holds a result against `pass`, or `fail: words of the reason`. Words of an error may also be its cause.
pub(crate) fn complaint(result: &CaseResult, wanted: &str) -> Option<String> {
    let (outcome, words) = wanted.split_once(": ").unwrap_or((wanted, ""));
    let verdict = &result.verdict;
    let cause = verdict.cause.clone().unwrap_or_default();
    let said = format!("{cause} {}", verdict.reason);
    let fits = verdict.outcome.name() == outcome && (verdict.outcome == Outcome::Pass || said.contains(words));
    (!fits).then(|| format!("{}: wanted {wanted}\n    got {}: {said}", result.id, verdict.outcome.name()))
}
