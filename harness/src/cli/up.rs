//! `cargo lab up`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Args;
use tabled::settings::Style;
use tabled::{Table, Tabled};

use super::real::{ContainerRouters, DriverArg};
use super::signals::watch_signals;
use super::{Trouble, infra, root, suites};
use crate::evidence::{Redactor, Run};
use crate::report::{ColorChoice, Options, Reporter, Streams, Terminal};
use crate::run::case::Settings;
use crate::run::cast::Cast;
use crate::run::execute::environment;
use crate::run::keep::secrets_of;
use crate::run::plan::{Cell, unsupported};
use crate::run::up::{Audience, up};
use crate::shell::desk::{Desk, Resident};
use crate::shell::{Place, Reserved};
use crate::subject::{self, Subject};
use crate::suite::select::{Pick, select};
use crate::suite::{DurationExpr, Params, Role, Suite, Topology};
use crate::world::LabError;
use crate::world::real::Routers;
use crate::world::real::sessions::Sessions;
use crate::world::timeline::{Entry, What};

/// The name of a topology that was given none.
pub(super) const USUAL_NAME: &str = "lab";

/// Whose topology is brought up if nobody says: holding times are short in it, so that there is something to see.
const USUAL_SUITE: &str = "nhrp/registration";

/// What to bring up, and who plays it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo lab up                                         a hub and a spoke, both FRRouting
  cargo lab up --subject frr:8.4.4 --peer peer -v      the spoke built in, and packets as they pass
  cargo lab up nhrp/registration/auth-right            the topology of that case
  cargo lab up --peer dmvpn-peer --name second         beside it, our daemon as the spoke
  cargo lab up --for 10m --out /tmp/runs               and then everything is taken down
  cargo lab shell hub                                  in another terminal: into the hub

The harness is the wire between the nodes, and records every packet: Wireshark reads the captures
in the folder of the evidence at any time. Scripted nodes are silent. Time is real.

Exit codes: 0 after Ctrl-C, SIGTERM or the time of --for; 130 or 143 if that came before all was
ready; 2 and 4 as ever.")]
pub(super) struct UpArgs {
    /// Whose topology: a case or a suite. By default that of nhrp/registration, a hub and a spoke.
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Who plays nodes with `bind: subject`.
    #[arg(long, value_name = "NAME[:VERSION]", default_value = "frr")]
    subject: String,
    /// Who plays nodes with `bind: peer`; `peer` is the built-in one, which nobody can go into.
    #[arg(long, value_name = "NAME[:VERSION]", default_value = "frr")]
    peer: String,
    /// Where routers run. Only containers can be gone into: a guest has no way in while it runs.
    #[arg(long, value_enum, default_value = "container")]
    driver: DriverArg,
    /// Take everything down after so long: 90s, 10m, 2h.
    #[arg(long = "for", value_name = "DURATION", value_parser = length)]
    length: Option<Duration>,
    /// A name for it, if several shall be up at the same time: `cargo lab shell --name` finds it by this.
    #[arg(long, default_value = USUAL_NAME, value_parser = name)]
    name: String,
    /// Seed of every random choice.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for the evidence.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    out: PathBuf,
    /// Show packets and events as they pass (-v), and the nodes' logs (-vv).
    #[arg(long, short, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// A name that a file can have, and a short one: names of sockets are.
pub(super) fn name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let good = (1..=32).contains(&text.len()) && text.chars().all(fits);
    if good { Ok(text.to_owned()) } else { Err("a name has up to 32 letters, digits, `-` and `_`".to_owned()) }
}

fn length(text: &str) -> Result<Duration, String> {
    let parsed = DurationExpr::parse(text).and_then(|length| length.resolve(&Params::new()));
    parsed.map_err(|error| format!("{error}; write it as 90s, 10m or 2h"))
}

pub(super) fn run(args: &UpArgs, place: super::Place<'_>, color: ColorChoice) -> Result<ExitCode, Trouble> {
    if args.driver == DriverArg::Guest {
        return Err(Trouble::Usage(miette::miette!(
            help = "leave --driver out; containers may use the lab's kernel just the same",
            "nobody can go into a guest while it runs"
        )));
    }
    let root = root(place.root)?;
    let suites = suites(&root, place.suites)?;
    let implementations = subject::find_all(&root.join("suites/impls")).map_err(Trouble::Usage)?;
    let named = |name: &str| Subject::named(name, &implementations).map_err(|error| Trouble::Usage(error.into()));
    let pick = pick(&suites, args.id.as_deref())?;
    let topology = pick.suite.topology_of(pick.case);
    let cast = Cast::new(topology, &named(&args.subject)?, &named(&args.peer)?, &implementations)
        .map_err(|mistake| super::mistakes(vec![*mistake]))?;
    let cell = Cell { suite: pick.suite, case: pick.case, world: cast.world(), cast, capture: None, known: None };
    if let Some(lack) = unsupported(cell.suite, cell.case, &cell.cast) {
        // Who plays does not judge: part of a topology may be all that is wanted.
        eprintln!("warning: {}", lack.reason);
    }
    let interrupted = Arc::new(AtomicBool::new(false));
    let signal = watch_signals(Arc::clone(&interrupted));
    let reserved = Place::of(&args.name)?.reserve()?;

    let redactor = Redactor::new(secrets_of(pick.suite));
    let options = Options::default();
    let reporter = Reporter::new(&options, redactor.clone(), Streams::standard(color))
        .map_err(|error| Trouble::Usage(miette::Report::new(error)))?;
    let mut routers = ContainerRouters::new(&root, &reporter, Arc::clone(&interrupted));
    let mut driver = routers.lab(&cell.cast.routers().into_iter().cloned().collect::<Vec<_>>())?;
    let evidence = evidence(args, &cell, routers.facts(), redactor.clone())?;
    let residents = residents(&cell);
    let mut show = Show {
        verbose: args.verbose,
        terminal: Terminal::stdout(color),
        redactor: redactor.clone(),
        table: table(topology, &cell.cast, &args.name),
        evidence: evidence.path().display().to_string(),
        ready: false,
        door: driver.sessions().map(|sessions| (reserved, residents, sessions)),
        desk: None,
    };
    let settings = Settings { seed: args.seed, timeout_scale: 1.0, fault: None };
    let result = up(&cell, driver.as_mut(), settings, Some(&evidence), args.length, &mut show);
    let ready = show.ready;
    drop(show);
    drop(driver);
    match result {
        Err(LabError::Interrupted) if !ready => {
            let which = signal.lock().ok().and_then(|signal| *signal);
            Ok(which.map_or(ExitCode::from(130), |signal| signal.exit_code().into()))
        }
        // The only end that it has otherwise.
        Ok(()) | Err(LabError::Interrupted) => {
            tell(&format!("everything is down; what happened is in {}", evidence.path().display()));
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("what happened until then is in {}", evidence.path().display());
            Err(match error {
                // A daemon repeats the line that it does not like, and there may be a secret in it.
                LabError::Router { node, problem } => LabError::Router { node, problem: redactor.text(&problem) },
                error => error,
            }
            .into())
        }
    }
}

/// The case whose topology is meant: of several, the first that leaves the suite's as it is.
fn pick<'s>(suites: &'s [Suite], id: Option<&str>) -> Result<Pick<'s>, Trouble> {
    let selection = match id {
        Some(id) => select(suites, &[id.to_owned()]).map_err(|error| Trouble::Usage(error.into()))?.picks,
        None => {
            let has =
                |suite: &Suite, role| suite.topology.nodes.values().any(|node| node.role == role && !node.scripted);
            let fits = |suite: &&Suite| has(suite, Role::Hub) && has(suite, Role::Spoke);
            let usual = suites.iter().filter(fits).find(|suite| suite.id == USUAL_SUITE);
            let suite = usual.or_else(|| suites.iter().find(fits)).ok_or_else(|| {
                Trouble::Usage(miette::miette!(
                    help = "name a case or a suite: `cargo lab list` shows them",
                    "no suite has both a hub and a spoke"
                ))
            })?;
            suite.cases.iter().map(|case| Pick { suite, case }).collect()
        }
    };
    let plain = selection.iter().find(|pick| pick.case.topology.is_none());
    // A selection, and a suite, has at least one case.
    plain.or(selection.first()).copied().ok_or_else(|| Trouble::Usage(miette::miette!("there is no case")))
}

fn residents(cell: &Cell<'_>) -> BTreeMap<String, Resident> {
    let nodes = cell.suite.topology_of(cell.case).nodes.keys();
    let resident = |node: &str| match cell.cast.player(node) {
        None => Resident::Scripted,
        Some(Subject::BuiltIn) => Resident::InProcess,
        Some(Subject::Router(implementation, _)) => {
            Resident::Router(implementation.shell.clone().unwrap_or_else(|| vec!["/bin/sh".to_owned()]))
        }
    };
    nodes.map(|node| (node.clone(), resident(node))).collect()
}

#[derive(Tabled)]
struct Line {
    node: String,
    role: String,
    player: String,
    nbma: String,
    tunnel: String,
    #[tabled(rename = "how to reach it")]
    way: String,
}

fn table(topology: &Topology, cast: &Cast, name: &str) -> String {
    let option = if name == USUAL_NAME { String::new() } else { format!(" --name {name}") };
    let lines = topology.nodes.iter().map(|(node, declared)| {
        let (player, way) = match cast.player(node) {
            None => ("nobody".to_owned(), "silent: only a case makes it speak".to_owned()),
            Some(Subject::BuiltIn) => ("built-in peer".to_owned(), "in this process: watch it with -v".to_owned()),
            Some(router) => (router.id(), format!("cargo lab shell {node}{option}")),
        };
        Line {
            node: node.clone(),
            role: declared.role.name().to_owned(),
            player,
            nbma: declared.nbma.to_string(),
            tunnel: declared.tunnel.map(|tunnel| tunnel.to_string()).unwrap_or_default(),
            way,
        }
    });
    Table::new(lines).with(Style::blank()).to_string()
}

/// The folder of the evidence, with what is known beforehand.
fn evidence(
    args: &UpArgs,
    cell: &Cell<'_>,
    facts: BTreeMap<String, String>,
    redactor: Redactor,
) -> Result<Run, Trouble> {
    let mut environment = environment(std::slice::from_ref(cell));
    environment.extend(facts);
    let (head, name) = super::begin(args.seed, environment);
    let run = Run::create(&args.out, &name, redactor);
    let run = run.and_then(|run| run.write_run(&head).map(|()| run));
    run.map_err(|error| infra::file_trouble(&error))
}

/// A line to whoever still reads: nobody has to, and what is up stays up.
fn tell(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// Shows the user what happens, and opens the door when all is ready.
struct Show {
    verbose: u8,
    terminal: Terminal,
    redactor: Redactor,
    table: String,
    evidence: String,
    ready: bool,
    door: Option<(Reserved, BTreeMap<String, Resident>, Arc<Sessions>)>,
    desk: Option<Desk>,
}

impl Audience for Show {
    fn ready(&mut self) -> Result<(), LabError> {
        if let Some((reserved, residents, sessions)) = self.door.take() {
            self.desk = Some(Desk::open(reserved, residents, sessions)?);
        }
        self.ready = true;
        tell(&format!("{}\nup; evidence goes to {}; Ctrl-C takes everything down", self.table, self.evidence));
        Ok(())
    }

    fn entry(&mut self, entry: &Entry, line: &str) {
        let wanted = match entry.what {
            What::Packet(_) | What::Event { .. } => self.verbose > 0,
            _ => self.verbose > 1,
        };
        if wanted {
            tell(&self.terminal.safe(&self.redactor.text(line)));
        }
    }

    fn problem(&mut self, text: String) {
        eprintln!("warning: {}", self.terminal.safe(&self.redactor.text(&text)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        assert!(name("lab-2_b").is_ok());
        for wrong in ["", "a/b", "..", "ä", "x".repeat(33).as_str()] {
            assert!(name(wrong).is_err(), "{wrong}");
        }
        assert_eq!(length("10m"), Ok(Duration::from_secs(600)));
        assert!(length("10").is_err_and(|why| why.contains("10m")));
        assert!(length("$hold").is_err());
    }

    #[test]
    fn by_default_it_is_a_hub_and_a_spoke_as_their_suite_has_them() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../suites");
        let suites = crate::suite::load_tree(&folder).unwrap();
        let Ok(found) = pick(&suites, None) else { panic!("nothing found") };
        assert!(found.suite.id == "nhrp/registration" && found.case.topology.is_none(), "{}", found.id());
        let Ok(found) = pick(&suites, Some("nhrp/registration/reply-fields")) else { panic!("no such case") };
        assert_eq!(found.id(), "nhrp/registration/reply-fields");
        assert!(pick(&suites, Some("nothing")).is_err());
    }
}
