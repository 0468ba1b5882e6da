//! `cargo lab run`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant as Wall;

use clap::{Args, ValueEnum};

use super::infra;
use super::list::SelectionArgs;
use super::real::{ContainerRouters, RealArgs, RealWorld};
use super::report::html;
use super::signals::watch_signals;
use super::{Place, Trouble, root, suites};
use crate::evidence::read::StoredRun;
use crate::evidence::{Redactor, Run};
use crate::place::Captures;
use crate::report::{Annotate, ColorChoice, Format, FormatSpec, Github, Options, Reporter, Streams, Verbosity};
use crate::run::case::Settings;
use crate::run::divergence;
use crate::run::execute::{Context, Real, environment, execute};
use crate::run::keep::{Keep, secrets_of};
use crate::run::plan::{self, plan};
use crate::subject::{self, Implementation, Subject};
use crate::suite::partition::Partition;
use crate::suite::select::select_by;
use crate::suite::{ClockKind, WorldKind};
use crate::verdict::{CaseResult, Event, Policy, RunResult, SCHEMA, Verdict};

/// What to run, against whom, and how to tell.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo lab run
  cargo lab run nhrp/registration/refresh-third -v
  cargo lab run nhrp --subject frr:8.4.4,frr:10.3 --format junit=report.xml --deny-skips
  cargo lab run nhrp/registration --subject frr:10.3 --peer frr:8.4.4
  cargo lab run --world replay                         what recorded routers did, held against the suites
  cargo lab run nhrp/registration --subject frr:10.3 --driver guest,container
  cargo lab run --format html=pages --format tap=run.tap      pages to browse, and a report for other tools
  NO_COLOR=1 cargo lab run --format json > results.json

Several machines share one run; `cargo lab report merge` makes one of what they leave:
  cargo lab run --partition 1/4                               this machine's quarter of everything
  cargo lab run --partition $((JOB_COMPLETION_INDEX+1))/4     in an indexed Kubernetes job of 4 completions")]
pub(super) struct RunArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Who is under test: `peer` (built in), or implementations of suites/impls, such as `frr:10.3`.
    #[arg(long, value_name = "NAME[:VERSION]", value_delimiter = ',')]
    subject: Vec<String>,
    /// Who plays the other side, nodes with `bind: peer`: the built-in peer unless this says otherwise.
    #[arg(long, value_name = "NAME[:VERSION]", default_value = "peer", hide_default_value = true)]
    peer: String,
    /// Only cases that are played in this world. `sim`: in process, virtual clock. `replay`: of a capture. `real`: among
    /// routers.
    #[arg(long, value_enum)]
    world: Option<WorldArg>,
    #[command(flatten)]
    real: RealArgs,
    /// Run cases tagged `long` against routers, too; they may need a higher --wall-limit.
    #[arg(long)]
    long: bool,
    /// Seed of every random choice.
    #[arg(long)]
    seed: Option<u64>,
    /// Simulated cases, or guests, at a time; as many as there are cores by default.
    #[arg(long, short)]
    jobs: Option<usize>,
    /// Run everything so many times.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    repeat: u32,
    /// Stretch upper bounds of waits in real time, on a slow machine.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    timeout_scale: f64,
    /// Stop at the first failure.
    #[arg(long)]
    fail_fast: bool,
    /// Stop after so many failures.
    #[arg(long, value_name = "N")]
    max_fail: Option<usize>,
    /// A skipped case is an error (exit code 3).
    #[arg(long)]
    deny_skips: bool,
    /// More skipped cases than this are an error.
    #[arg(long, value_name = "N")]
    max_skips: Option<usize>,
    /// A recommendation that is not followed counts as a failure.
    #[arg(long)]
    strict: bool,
    /// Only one share of what is selected, counted from 1: every fourth cell from the first on is `1/4`. The shares of one
    /// selection are disjoint, and together the whole.
    #[arg(long, value_name = "SHARE/SHARES")]
    partition: Option<Partition>,
    /// How to tell: human, json, jsonl, junit, tap, markdown; with `=FILE` into a file; `html=DIR` for pages. Repeatable.
    #[arg(long, value_name = "FORMAT[=FILE]")]
    format: Vec<FormatSpec>,
    /// Marks at the lines of failing cases; `auto` where GITHUB_ACTIONS is `true`. The summary of such a job is added to
    /// in any case.
    #[arg(long, value_enum, default_value_t)]
    annotate: Annotate,
    /// Folder for the evidence.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    out: PathBuf,
    /// Of which cases evidence is kept.
    #[arg(long, value_enum, default_value_t)]
    keep: Keep,
    /// Only failures and the last line.
    #[arg(long, short)]
    quiet: bool,
    /// More: steps (-v), packets (-vv).
    #[arg(long, short, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum WorldArg {
    /// In process, under a virtual clock.
    Sim,
    /// Captures, at the times that were recorded.
    Replay,
    /// Real routers.
    Real,
}

pub(super) fn run(args: &RunArgs, place: Place<'_>, color: ColorChoice) -> Result<ExitCode, Trouble> {
    #[allow(clippy::disallowed_methods, reason = "how long a run took by the clock on the wall is part of its record")]
    let began = Wall::now();
    let root = root(place.root)?;
    let suites = suites(&root, place.suites)?;
    let implementations = subject::find_all(&root.join("suites/impls")).map_err(Trouble::Usage)?;
    let divergences = divergence::load_all(&root.join("suites/divergences")).map_err(Trouble::Usage)?;
    let subjects = subjects(args, &implementations)?;
    let peer = Subject::named(&args.peer, &implementations).map_err(|error| Trouble::Usage(error.into()))?;
    let built_in = subjects.iter().chain([&peer]).all(|player| matches!(player, Subject::BuiltIn));
    let worlds: &[WorldKind] = match args.world {
        Some(WorldArg::Sim) => &[WorldKind::Sim],
        Some(WorldArg::Replay) => &[WorldKind::Replay],
        Some(WorldArg::Real) => &[WorldKind::Real],
        // Who names no router is not asked for a machine that can run one.
        None if built_in => &[WorldKind::Sim, WorldKind::Replay],
        None => &[WorldKind::Sim, WorldKind::Real],
    };
    let selection = select_by(&suites, &args.selection.filter()).map_err(|error| Trouble::Usage(error.into()))?;
    let ways = RealWorld::choose(&args.real)?;
    // Drivers are held against each other in the cases that run under both: those for which a real clock is enough.
    let clock =
        if ways.iter().all(|way| way.clock == ClockKind::Virtual) { ClockKind::Virtual } else { ClockKind::Real };
    let captures = Captures::of(&root);
    let wanted = plan::Wanted {
        subjects: &subjects,
        peer: &peer,
        implementations: &implementations,
        worlds,
        captures: &captures,
        clock,
        long: args.long,
    };
    let mut plan = plan(&selection, wanted).map_err(super::mistakes)?;
    if plan.cells.is_empty() {
        let first = plan.elsewhere.first().map(|(id, why)| format!("{id} is {why}")).unwrap_or_default();
        return Err(Trouble::Usage(miette::miette!(
            help = "`cargo lab list` shows in which worlds each case runs",
            "none of the selected cases can run with {}: {first}",
            subjects.iter().chain([&peer]).map(Subject::id).collect::<Vec<_>>().join(", ")
        )));
    }
    if let Some(partition) = args.partition {
        let all = plan.cells.len();
        plan.cells = partition.take(plan.cells);
        // No mistake: the other shares do all there is to do. It ends as a run in which nothing ran.
        if plan.cells.is_empty() {
            eprintln!("warning: share {partition} is empty, there are {all} cells only");
        }
    }
    let pages = args.format.iter().filter(|spec| spec.format == Format::Html);
    let pages: Vec<&Path> = pages.filter_map(|spec| spec.path.as_deref()).collect();
    // As with all reports, what is wrong with the place is known before the run.
    for folder in &pages {
        html::prepare(folder)?;
    }
    let requirements = if pages.is_empty() { None } else { Some(html::catalogue(&root)?) };
    let interrupted = Arc::new(AtomicBool::new(false));
    let signal = watch_signals(Arc::clone(&interrupted));

    let redactor = Redactor::new(suites.iter().flat_map(secrets_of).collect());
    let options = Options {
        formats: args.format.clone(),
        verbosity: Verbosity::from_flags(args.quiet, args.verbose),
        github: Github::here(args.annotate),
    };
    let reporter = Reporter::new(&options, redactor.clone(), Streams::standard(color))
        .map_err(|error| Trouble::Usage(miette::Report::new(error)))?;
    let seed = args.seed.or_else(|| suites.iter().find_map(|suite| suite.seed)).unwrap_or(1);
    let (mut result, name) = super::begin(seed, environment(&plan.cells));
    result.partition = args.partition;
    let evidence = if args.keep == Keep::Never {
        None
    } else {
        let run = Run::create(&args.out, &name, redactor.clone()).map_err(|error| infra::file_trouble(&error))?;
        Some(run)
    };
    result.evidence_dir = evidence.as_ref().map(|run| run.path().to_owned());
    let mut context = Context {
        way: None,
        reporter: &reporter,
        evidence: evidence.as_ref(),
        keep: args.keep,
        settings: Settings { seed, timeout_scale: args.timeout_scale, fault: None },
        divergences: &divergences,
        interrupted: Arc::clone(&interrupted),
        jobs: args.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
        max_fail: args.max_fail.or(args.fail_fast.then_some(1)),
        problems: Mutex::new(Vec::new()),
    };
    let told = reporter.event(&Event::RunStart {
        schema: SCHEMA,
        harness_version: result.harness_version.clone(),
        command: result.command.clone(),
        began: result.began.clone(),
        seed,
        cases: plan.cells.len() * args.repeat as usize * ways.len(),
    });
    if let Err(error) = told {
        context.problem(error.to_string());
    }
    if !plan.elsewhere.is_empty() {
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for (_, why) in &plan.elsewhere {
            *reasons.entry(why).or_default() += 1;
        }
        let reasons: Vec<String> = reasons.iter().map(|(why, count)| format!("{count} {why}")).collect();
        reporter.progress().phase("Leaving out", &format!("cases: {}", reasons.join(", ")));
    }
    let mut routers = ContainerRouters::new(&root, &reporter, Arc::clone(&interrupted));
    let suites_folder = place.suites.map_or_else(|| root.join("suites"), Path::to_owned);
    for way in &ways {
        let guests = way.guests(&plan.cells, &root, &suites_folder, &reporter, &mut result.environment)?;
        let mut who = match &guests {
            Some(guests) => Real::Guests(guests),
            None => Real::Here(&mut routers),
        };
        context.way = (ways.len() > 1).then(|| way.name().to_owned());
        for _ in 0..args.repeat {
            result.cases.extend(execute(&plan.cells, &context, &mut who));
            if interrupted.load(Ordering::Relaxed) {
                break;
            }
        }
    }
    contradictions(&mut result.cases);
    result.environment.extend(routers.facts());
    result.problems = context.problems.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    result.interrupted = signal.lock().map_or(None, |signal| *signal);
    result.wall = began.elapsed();
    if let Some(requirements) = &requirements {
        // What is in a page has passed the redactor, as everything has that is written.
        let folder = result.evidence_dir.clone().unwrap_or_default();
        let run = StoredRun { result: redactor.run(&result), folder };
        for folder in pages {
            match html::write(std::slice::from_ref(&run), Some(requirements), folder, false) {
                Ok(written) => reporter.progress().phase("Pages", &written.index.display().to_string()),
                // The verdicts are not lost for it.
                Err(Trouble::Environment(error)) => result.problems.push(error.to_string()),
                Err(other) => return Err(other),
            }
        }
    }
    finish(result, evidence.as_ref(), &reporter, args)
}

/// Where drivers came to different verdicts on a case, the lab is wrong: one of them does not give the router the world
/// that it believes to be in.
fn contradictions(cases: &mut [CaseResult]) {
    for later in 1..cases.len() {
        let (before, after) = cases.split_at_mut(later);
        let case = &mut after[0];
        let of = |case: &CaseResult| {
            let name = case.variant.as_deref().unwrap_or_default();
            (case.id.clone(), name.split_once('@').map_or(name, |(name, _)| name).to_owned())
        };
        let other = before.iter().find(|other| other.driver != case.driver && of(other) == of(case));
        let Some(other) = other.filter(|other| other.verdict.outcome != case.verdict.outcome) else { continue };
        let word = |case: &CaseResult| {
            format!("{} with driver {}", case.verdict.outcome.name(), case.driver.as_deref().unwrap_or("none"))
        };
        let reason = format!("{}, but {}: {}", word(other), word(case), case.verdict.reason);
        case.verdict = Verdict::error("lab.contradiction", reason);
    }
}

/// Writes what the run as a whole leaves, and tells the end.
fn finish(
    mut result: RunResult,
    evidence: Option<&Run>,
    reporter: &Reporter,
    args: &RunArgs,
) -> Result<ExitCode, Trouble> {
    if let Some(run) = evidence {
        let document = crate::report::human::document(&result);
        let written = run
            .write_run(&result)
            .and_then(|()| run.write_results(&result))
            .and_then(|()| run.write_summary(&document));
        if let Err(error) = written {
            result.problems.push(error.to_string());
        }
    }
    let policy = Policy { deny_skips: args.deny_skips, max_skips: args.max_skips, strict: args.strict };
    let code = result.exit_code(&policy);
    reporter.finish(&result, code).map_err(|error| Trouble::Usage(miette::Report::new(error)))?;
    Ok(code.into())
}

/// The subjects that the user named; the built-in peer if none.
fn subjects(args: &RunArgs, implementations: &[Arc<Implementation>]) -> Result<Vec<Subject>, Trouble> {
    if args.subject.is_empty() {
        return Ok(vec![Subject::BuiltIn]);
    }
    let named = args.subject.iter().map(|name| Subject::named(name, implementations));
    named.collect::<Result<_, _>>().map_err(|error| Trouble::Usage(error.into()))
}
