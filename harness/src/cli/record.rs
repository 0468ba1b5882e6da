//! `cargo lab record`: the captures of the project, made again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use clap::Args;
use serde::Serialize;
use tabled::settings::Style;
use tabled::{Table, Tabled};

use super::real::{ContainerRouters, RealArgs, RealWorld};
use super::{Place, Trouble, infra, root, suites};
use crate::capture;
use crate::evidence::{Redactor, Run};
use crate::record::compare::{Difference, differences};
use crate::record::{FOLDER, LIST, Made, Recording, Recordings, Sidecar, Source, make};
use crate::report::{ColorChoice, Options, Reporter, Streams, Verbosity};
use crate::run::case::Settings;
use crate::run::divergence;
use crate::run::execute::{Context, Real, environment, execute, variant};
use crate::run::keep::{Keep, secrets_of};
use crate::run::plan::Cell;
use crate::subject;
use crate::verdict::CaseResult;
use crate::world::LabError;

/// Where every random choice of the harness comes from: the same for every recording.
const SEED: u64 = 1;

/// Differences of one capture that are printed; JSON has all.
const MOST_SHOWN: usize = 8;

/// Which captures, and whether they are written.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo lab record                              every capture of captures/recordings.yaml
  cargo lab record frr-10.3-registration        one of them
  cargo lab record '*-shortcut' --check         record again, and say what is different from what is kept
  cargo lab record --list                       what is kept, and how each is made

A capture is what one case leaves on one link, played by real routers in a guest under the virtual clock.
Its sidecar says who played what. One that says the same as the kept one, field by field and to 5 ms, is
left as it is; fields that routers draw at random are named in the list, and are not compared.

Exit codes:
  0  recorded; with --check: nothing differs        2  wrong usage, or a list that is not valid
  1  a case went otherwise; with --check: captures or sidecars differ
  4  the environment: something is missing on this machine    130  interrupted")]
pub(super) struct RecordArgs {
    /// Names of captures, or globs; all if none is given.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// List the recordings instead of making them.
    #[arg(long)]
    list: bool,
    /// Write nothing; say what a new recording has different.
    #[arg(long, conflicts_with = "list")]
    check: bool,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    real: RealArgs,
    /// Guests at a time; as many as there are cores by default.
    #[arg(long, short)]
    jobs: Option<usize>,
    /// Folder of the captures and their list; the checkout's `captures/` by default.
    #[arg(long, value_name = "DIR")]
    captures: Option<PathBuf>,
    /// Folder for the evidence of the cases.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    out: PathBuf,
}

/// What became of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// It says what the kept one says.
    Same,
    /// There was none.
    New,
    /// It differs from the kept one.
    Changed,
    /// It could not be made.
    Failed,
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            State::Same => "same",
            State::New => "new",
            State::Changed => "changed",
            State::Failed => "failed",
        }
    }
}

/// One capture, told.
#[derive(Debug, Serialize)]
struct Told {
    name: String,
    state: State,
    packets: usize,
    differences: Vec<Difference>,
    /// Why it could not be made.
    problem: Option<String>,
}

#[derive(Tabled)]
struct Line {
    capture: String,
    packets: String,
    case: String,
    subject: String,
    shows: String,
}

pub(super) fn run(args: &RecordArgs, place: Place<'_>, color: ColorChoice) -> Result<ExitCode, Trouble> {
    let root = root(place.root)?;
    let folder = args.captures.clone().unwrap_or_else(|| root.join(FOLDER));
    let list = Recordings::load(&folder.join(LIST)).map_err(Trouble::Usage)?;
    let wanted = list.named(&args.names).map_err(Trouble::Usage)?;
    if args.list {
        tell_list(&wanted, &folder, args.json);
        return Ok(ExitCode::SUCCESS);
    }
    let suites_folder = place.suites.map_or_else(|| root.join("suites"), Path::to_owned);
    let suites = suites(&root, place.suites)?;
    let implementations = subject::find_all(&root.join("suites/impls")).map_err(Trouble::Usage)?;
    let ways = RealWorld::choose(&args.real)?;
    let [way] = ways.as_slice() else {
        return Err(Trouble::Usage(miette::miette!(
            help = "name one driver",
            "a capture is recorded under one driver"
        )));
    };
    let mut cells: Vec<Cell<'_>> = Vec::new();
    let mut cell_of = Vec::new();
    for recording in &wanted {
        let cell = recording.cell(&suites, &implementations, way.clock).map_err(Trouble::Usage)?;
        // Several links of one case are recorded in one go.
        let known = cells.iter().position(|known| known.id() == cell.id() && variant(known) == variant(&cell));
        cell_of.push(known.unwrap_or(cells.len()));
        if known.is_none() {
            cells.push(cell);
        }
    }
    let interrupted = Arc::new(AtomicBool::new(false));
    let _signal = super::signals::watch_signals(Arc::clone(&interrupted));
    let mut facts = environment(&cells);
    let results = play(&cells, way, &root, &suites_folder, (args, color), &interrupted, &mut facts)?;
    if interrupted.load(Ordering::Relaxed) {
        return Err(LabError::Interrupted.into());
    }
    let kernel = facts.get("guest kernel").and_then(|fact| fact.split(',').next());
    let mut told = Vec::new();
    for (recording, index) in wanted.iter().zip(cell_of) {
        let cell = &cells[index];
        let mine = |result: &&CaseResult| result.id == cell.id() && result.variant == variant(cell);
        let made = match results.iter().find(mine) {
            Some(result) => {
                let volatile = list.volatile_of(recording);
                make(&Source { recording, cell, result, kernel, volatile: &volatile })
            }
            None => Err(miette::miette!("{}: the case was not run", recording.name)),
        };
        told.push(match made {
            Ok(made) => keep(&made, &folder, &list.volatile_of(recording), args.check)?,
            Err(error) => Told {
                name: recording.name.clone(),
                state: State::Failed,
                packets: 0,
                differences: Vec::new(),
                problem: Some(format!("{error:?}")),
            },
        });
    }
    tell(&told, args);
    let bad = |told: &Told| told.state == State::Failed || (args.check && told.state != State::Same);
    Ok(ExitCode::from(u8::from(told.iter().any(bad))))
}

/// Plays the cases, as `cargo lab run` does.
fn play(
    cells: &[Cell<'_>],
    way: &RealWorld,
    root: &Path,
    suites_folder: &Path,
    (args, color): (&RecordArgs, ColorChoice),
    interrupted: &Arc<AtomicBool>,
    facts: &mut BTreeMap<String, String>,
) -> Result<Vec<CaseResult>, Trouble> {
    let divergences = divergence::load_all(&root.join("suites/divergences")).map_err(Trouble::Usage)?;
    let redactor = Redactor::new(cells.iter().flat_map(|cell| secrets_of(cell.suite)).collect());
    let options = Options { verbosity: Verbosity::Normal, ..Options::default() };
    let reporter = Reporter::new(&options, redactor.clone(), Streams::standard(color))
        .map_err(|error| Trouble::Usage(miette::Report::new(error)))?;
    let (_, name) = super::begin(SEED, BTreeMap::new());
    let evidence = Run::create(&args.out, &name, redactor).map_err(|error| infra::file_trouble(&error))?;
    reporter
        .progress()
        .phase("Recording", &format!("{} cases, evidence in {}", cells.len(), evidence.path().display()));
    let context = Context {
        way: None,
        reporter: &reporter,
        evidence: Some(&evidence),
        keep: Keep::Always,
        settings: Settings { seed: SEED, timeout_scale: 1.0, fault: None },
        divergences: &divergences,
        interrupted: Arc::clone(interrupted),
        jobs: args.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
        max_fail: None,
        problems: Mutex::new(Vec::new()),
    };
    let guests = way.guests(cells, root, suites_folder, &reporter, facts)?;
    let mut routers = ContainerRouters::new(root, &reporter, Arc::clone(interrupted));
    let mut who = match &guests {
        Some(guests) => Real::Guests(guests),
        None => Real::Here(&mut routers),
    };
    let results = execute(cells, &context, &mut who);
    reporter.progress().close();
    for problem in context.problems.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        eprintln!("error: {problem}");
    }
    Ok(results)
}

/// Holds a capture against the kept one and, unless it is only a check, takes its place where they differ.
fn keep(made: &Made, folder: &Path, volatile: &[String], check: bool) -> Result<Told, Trouble> {
    let path = made.path(folder);
    let sidecar = path.with_extension("yaml");
    let (mut state, mut found) = (State::New, Vec::new());
    if path.exists() {
        let (kept, errors) = capture::read_all(&path);
        found = differences(&kept, &made.packets, volatile);
        found.extend(errors.iter().map(|error| whole("capture", Some(error.to_string()), None)));
        state = if found.is_empty() { State::Same } else { State::Changed };
    }
    let same_packets = state == State::Same;
    if path.exists() {
        let before = Sidecar::load(&sidecar).ok();
        if before.as_ref() != Some(&made.sidecar) {
            let said = |sidecar: &Sidecar| serde_json::to_value(sidecar).unwrap_or_default();
            found.extend(changed_keys(&before.as_ref().map(said).unwrap_or_default(), &said(&made.sidecar)));
            state = State::Changed;
        }
    }
    if !check {
        if !same_packets {
            write(&path, &made.octets().map_err(Trouble::Usage)?)?;
            for (path, text) in made.key_files(folder) {
                write(&path, text.as_bytes())?;
            }
        }
        write(&sidecar, made.sidecar.text(&made.name).map_err(Trouble::Usage)?.as_bytes())?;
    }
    Ok(Told { name: made.name.clone(), state, packets: made.packets.len(), differences: found, problem: None })
}

/// The keys of a sidecar that say something else now.
fn changed_keys(before: &serde_json::Value, after: &serde_json::Value) -> Vec<Difference> {
    let keys = after.as_object().into_iter().flat_map(|object| object.keys());
    let text = |value: &serde_json::Value| (!value.is_null()).then(|| value.to_string());
    keys.filter(|key| before[key.as_str()] != after[key.as_str()])
        .map(|key| whole(&format!("sidecar `{key}`"), text(&before[key.as_str()]), text(&after[key.as_str()])))
        .collect()
}

fn whole(field: &str, kept: Option<String>, new: Option<String>) -> Difference {
    Difference { packet: None, field: field.to_owned(), kept, new }
}

/// Replaces a file as a whole: whoever reads it meanwhile reads the old one.
fn write(path: &Path, octets: &[u8]) -> Result<(), Trouble> {
    let draft = path.with_extension("draft");
    let folder = path.parent().unwrap_or(path);
    let written =
        fs::create_dir_all(folder).and_then(|()| fs::write(&draft, octets)).and_then(|()| fs::rename(&draft, path));
    written.map_err(|error| {
        let problem = format!("{} can not be written: {error}", path.display());
        LabError::environment("record.write", problem, "look for room and permissions there").into()
    })
}

fn tell(told: &[Told], args: &RecordArgs) {
    for told in told {
        if let Some(problem) = &told.problem {
            eprintln!("error: {problem}");
        }
    }
    let count = |state: State| told.iter().filter(|told| told.state == state).count();
    if args.json {
        say!("{:#}", serde_json::json!({ "schema": 1, "check": args.check, "captures": told }));
        return;
    }
    for told in told {
        say!("{:<8} {} ({} packets)", told.state.name(), told.name, told.packets);
        for difference in told.differences.iter().take(MOST_SHOWN) {
            say!("           {difference}");
        }
        if told.differences.len() > MOST_SHOWN {
            say!("           and {} more (--json has all)", told.differences.len() - MOST_SHOWN);
        }
    }
    let states = [State::Same, State::New, State::Changed, State::Failed];
    let counts: Vec<String> = states.iter().map(|state| format!("{} {}", count(*state), state.name())).collect();
    say!("{} captures: {}", told.len(), counts.join(", "));
}

fn tell_list(wanted: &[&Recording], folder: &Path, json: bool) {
    let kept = |recording: &Recording| Sidecar::load(&folder.join(format!("{}.yaml", recording.name))).ok();
    if json {
        let recordings = wanted.iter().map(|recording| {
            serde_json::json!({
                "name": recording.name,
                "case": recording.case,
                "subject": recording.subject,
                "peer": recording.peer,
                "link": recording.link,
                "shows": recording.shows,
                "kept": kept(recording),
            })
        });
        say!("{:#}", serde_json::json!({ "schema": 1, "recordings": recordings.collect::<Vec<_>>() }));
        return;
    }
    let lines = wanted.iter().map(|recording| Line {
        capture: recording.name.clone(),
        packets: kept(recording).map_or_else(|| "-".to_owned(), |sidecar| sidecar.packets.len().to_string()),
        case: recording.case.clone(),
        subject: match recording.peer.as_str() {
            "peer" => recording.subject.clone(),
            peer => format!("{}, {peer}", recording.subject),
        },
        shows: recording.shows.clone(),
    });
    say!("{}", Table::new(lines).with(Style::blank()));
    say!("{} recordings", wanted.len());
}
