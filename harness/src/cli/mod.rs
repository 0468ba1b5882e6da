//! The command line.

/// Prints a line to standard output.
macro_rules! say {
    ($($words:tt)*) => { $crate::cli::out(&format!("{}\n", format_args!($($words)*))) };
}

mod check;
mod coverage;
mod distill;
mod explain;
mod images;
mod infra;
mod inspect;
mod judge;
mod list;
mod mutate;
mod real;
mod record;
mod report;
mod run;
mod shell;
mod signals;
mod up;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::report::ColorChoice;
use crate::suite::{self, Suite};
use crate::verdict::{RunResult, SCHEMA};
use crate::world::LabError;

/// Interoperability test harness and packet lab for DMVPN.
///
/// Runs suites of cases against hubs and spokes: the built-in ones under a virtual clock, or real routers. A verdict
/// always comes with the packets that show it.
#[derive(Debug, Parser)]
#[command(
    name = "cargo lab",
    version,
    max_term_width = 100,
    after_help = "Examples:
  cargo lab run                                        everything, on the built-in hub and spoke
  cargo lab run nhrp/registration --subject frr:10.3   one suite against a real FRRouting hub
  cargo lab explain nhrp/registration/first            what a case does, and which sentence it stands on
  cargo lab coverage NHRP-5.2.4                        who is judged by the requirements of a section
  cargo lab inspect a.pcapng                           what happened in a capture
  cargo lab distill trace.pcap --list                  the exchanges in a capture, to draft cases from
  cargo lab report html --out pages                    the newest run as a matrix in a browser
  cargo lab up                                         a hub and a spoke to play with, until Ctrl-C
  cargo lab shell hub                                  and a terminal in one of them
  cargo lab doctor                                     what this machine can run

Exit codes:
  0  at least one case ran, and none failed        3  nothing ran, too many skips, or inconclusive
  1  a case failed, or passed unexpectedly         4  the environment: something is missing on this machine
  2  wrong usage, or a suite that is not valid     5  a mistake of the harness itself
  130, 143  interrupted, after everything was taken down"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// The lab's checkout; found from the current folder upwards by default.
    #[arg(long, global = true, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Read suites from here instead of the checkout's `suites/`.
    #[arg(long, global = true, value_name = "DIR")]
    suites: Option<PathBuf>,
    /// When to use colours.
    #[arg(long, global = true, value_enum, default_value_t)]
    color: ColorChoice,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run cases.
    Run(Box<run::RunArgs>),
    /// Bring a topology up and keep it up, to play with: real routers, real time, every packet seen.
    Up(up::UpArgs),
    /// A terminal, or one command, in a router of a topology that is up.
    Shell(shell::ShellArgs),
    /// Run the simulated suites against peers with one deliberate fault each, and say which faults no case notices.
    Mutate(mutate::MutateArgs),
    /// List cases, with worlds, level and tags.
    List(list::ListArgs),
    /// Say what a case does, step by step, and which sentence it stands on.
    Explain(explain::ExplainArgs),
    /// Check suites, implementations and divergences without running anything.
    Check(check::CheckArgs),
    /// Say which requirement is judged against which implementation, and by which cases.
    Coverage(coverage::CoverageArgs),
    /// Draft a case from an exchange that a capture holds.
    Distill(distill::DistillArgs),
    /// Make the captures of the project again, or say what a new recording has different.
    Record(record::RecordArgs),
    /// Make of runs what others read: pages, one run of several, what has changed, pages about divergences.
    Report(report::ReportArgs),
    /// Show what is in a capture: who is hub and spoke, what happened, every packet field by field.
    Inspect(inspect::InspectArgs),
    /// Say what this machine can run, and what to install for the rest.
    Doctor(infra::DoctorArgs),
    /// List, build or remove what real routers run from: images, and a kernel and roots for guests.
    Images(images::ImagesArgs),
    /// Remove what interrupted runs have left behind.
    Prune(infra::PruneArgs),
    /// Print the JSON schema of suites (or of results), for editors and other programs.
    Schema(check::SchemaArgs),
    /// The part that works inside routers.
    #[command(hide = true)]
    Agent(infra::AgentArgs),
}

/// What goes wrong before there are results, and the exit code it means.
#[derive(Debug)]
pub enum Trouble {
    /// Exit code 2: the user's input.
    Usage(miette::Report),
    /// Exit code 4: the machine.
    Environment(LabError),
}

impl From<LabError> for Trouble {
    fn from(error: LabError) -> Self {
        Trouble::Environment(error)
    }
}

/// Runs a command line and says how the process ends.
pub fn main(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let root = cli.root.as_deref();
    let place = Place { root, suites: cli.suites.as_deref() };
    let result = match &cli.command {
        Command::Run(args) => run::run(args, place, cli.color),
        Command::Up(args) => up::run(args, place, cli.color),
        Command::Shell(args) => shell::run(args),
        Command::Mutate(args) => mutate::run(args, place),
        Command::List(args) => list::run(args, place),
        Command::Explain(args) => explain::run(args, place),
        Command::Check(args) => check::run(args, place),
        Command::Record(args) => record::run(args, place, cli.color),
        Command::Distill(args) => distill::run(args, place),
        Command::Report(args) => report::run(args, place, cli.color),
        Command::Coverage(args) => coverage::run(args, place),
        Command::Inspect(args) => inspect::run(args, place, cli.color),
        Command::Schema(args) => check::schema(args),
        Command::Doctor(args) => infra::doctor(args, root),
        Command::Images(args) => images::run(args, root, cli.color),
        Command::Prune(args) => infra::prune(args),
        Command::Agent(args) => return infra::agent(args),
    };
    match result {
        Ok(code) => code,
        Err(Trouble::Usage(report)) => {
            eprintln!("{report:?}");
            ExitCode::from(2)
        }
        Err(Trouble::Environment(error)) => {
            report_environment(&error);
            ExitCode::from(if matches!(error, LabError::Interrupted) { 130 } else { 4 })
        }
    }
}

/// Writes a text to standard output.
fn out(text: &str) {
    out_octets(text.as_bytes());
}

/// Writes to standard output. A reader that has seen enough (`| head`) ends the process quietly, as other tools do.
fn out_octets(octets: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    if stdout.write_all(octets).and_then(|()| stdout.flush()).is_err() {
        std::process::exit(0);
    }
}

fn report_environment(error: &LabError) {
    eprintln!("error: {error}");
    if let LabError::Environment { cause, remedy, .. } = error {
        eprintln!("  cause:  {cause}");
        eprintln!("  remedy: {remedy}");
    }
}

/// Reads all suites of the checkout, or of another folder.
fn suites(root: &Path, elsewhere: Option<&Path>) -> Result<Vec<Suite>, Trouble> {
    let folder = elsewhere.map_or_else(|| root.join("suites"), Path::to_owned);
    suite::load_tree(&folder).map_err(mistakes)
}

/// Says what is wrong with suites, each with its place.
fn mistakes(diagnostics: Vec<suite::Diagnostic>) -> Trouble {
    let several = diagnostics.len();
    for diagnostic in diagnostics {
        eprintln!("{:?}", miette::Report::new(diagnostic));
    }
    Trouble::Usage(miette::miette!(
        help = "`cargo lab check` says the same without running anything",
        "{several} mistake(s) in the suites"
    ))
}

/// The record of a run that begins now, before any case, and the name of its folder of evidence.
fn begin(seed: u64, environment: BTreeMap<String, String>) -> (RunResult, String) {
    let now = jiff::Timestamp::now();
    let head = RunResult {
        schema: SCHEMA,
        command: command(),
        harness_version: env!("CARGO_PKG_VERSION").to_owned(),
        began: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        wall: Duration::ZERO,
        seed,
        environment,
        cases: Vec::new(),
        partition: None,
        evidence_dir: None,
        interrupted: None,
        problems: Vec::new(),
        regressions: Vec::new(),
    };
    (head, now.strftime("%Y-%m-%dT%H-%M-%SZ").to_string())
}

/// The command as it was typed.
fn command() -> Vec<String> {
    std::iter::once("cargo lab".to_owned()).chain(std::env::args().skip(1)).collect()
}

/// Where to look for suites and everything else, as the user says.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    root: Option<&'a Path>,
    suites: Option<&'a Path>,
}

/// The checkout, as the user would name it from here: that is how files appear in messages and results.
fn root(explicit: Option<&Path>) -> Result<PathBuf, Trouble> {
    let root = crate::place::root(explicit)?;
    let here = std::env::current_dir().unwrap_or_default();
    Ok(root.strip_prefix(&here).map(Path::to_owned).unwrap_or(root))
}
