//! `cargo lab mutate`.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use tabled::settings::Style;
use tabled::{Table, Tabled};

use super::list::SelectionArgs;
use super::{Place, Trouble, root, suites};
use crate::mutate::hunt::{Finding, Hunt};
use crate::mutate::{self, Fault};
use crate::place::Captures;
use crate::run::plan::{self, plan};
use crate::subject::{self, Subject};
use crate::suite::select::select_by;
use crate::suite::{ClockKind, WorldKind};

/// What to try, and how.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo lab mutate                              every fault, until a case notices it
  cargo lab mutate --fault refresh-at-half -v   one fault, and why the case fails
  cargo lab mutate nhrp/purge --exhaustive      which faults the cases of one suite notice, each by how many
  cargo lab mutate --list                       the faults there are

Exit codes: 0 enough faults were noticed, 1 too few were, or a suite fails without any fault, 2 wrong usage")]
pub(super) struct MutateArgs {
    #[command(flatten)]
    selection: SelectionArgs,
    /// Only this fault; may be given several times.
    #[arg(long, value_name = "NAME")]
    fault: Vec<String>,
    /// List the faults instead of trying them.
    #[arg(long)]
    list: bool,
    /// Try every case against every fault, instead of stopping at the first that notices.
    #[arg(long)]
    exhaustive: bool,
    /// Least share of the faults that has to be noticed, in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 95, value_parser = clap::value_parser!(u8).range(0..=100))]
    at_least: u8,
    /// Faults at a time; as many as there are cores by default.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Where random choices come from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Say why the cases failed that noticed a fault.
    #[arg(long, short)]
    verbose: bool,
}

#[derive(Tabled)]
struct Line {
    fault: &'static str,
    requirement: &'static str,
    #[tabled(rename = "noticed by")]
    noticed: String,
}

pub(super) fn run(args: &MutateArgs, place: Place<'_>) -> Result<ExitCode, Trouble> {
    let faults = wanted(args)?;
    if args.list {
        list(&faults, args.json);
        return Ok(ExitCode::SUCCESS);
    }
    let root = root(place.root)?;
    let suites = suites(&root, place.suites)?;
    let implementations = subject::find_all(&root.join("suites/impls")).map_err(Trouble::Usage)?;
    let selection = select_by(&suites, &args.selection.filter()).map_err(|error| Trouble::Usage(error.into()))?;
    let built_in = Subject::BuiltIn;
    let planned = plan(
        &selection,
        plan::Wanted {
            subjects: std::slice::from_ref(&built_in),
            peer: &built_in,
            implementations: &implementations,
            worlds: &[WorldKind::Sim],
            captures: &Captures::of(&root),
            clock: ClockKind::Virtual,
            long: false,
        },
    )
    .map_err(super::mistakes)?;
    // A case without a subject has no mutant in it.
    let cells: Vec<_> =
        planned.cells.into_iter().filter(|cell| cell.known.is_none() && cell.cast.asks_subject()).collect();
    let jobs = args.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let hunt = Hunt { cells: &cells, seed: args.seed, exhaustive: args.exhaustive, jobs };
    let interrupted = Arc::new(AtomicBool::new(false));
    let _signal = super::signals::watch_signals(Arc::clone(&interrupted));
    eprintln!("{:>12} {} faults, {} simulated cases", "Trying", faults.len(), cells.len());

    let broken = hunt.broken(&interrupted);
    if let Some((case, reason)) = broken.first() {
        eprintln!("error: {} cases fail without any fault, {case} among them: {reason}", broken.len());
        eprintln!("help: mend them first: `cargo lab run --world sim`");
        return Ok(ExitCode::from(1));
    }
    let findings = hunt.run(&faults, &interrupted);
    if interrupted.load(Ordering::Relaxed) {
        return Ok(ExitCode::from(130));
    }
    Ok(tell(&findings, args))
}

/// Says what was found; exit code 1 if it is too little.
fn tell(findings: &[Finding], args: &MutateArgs) -> ExitCode {
    let noticed = findings.iter().filter(|finding| !finding.noticed_by.is_empty()).count();
    // Whole percents, rounded down: 94.9 % is not 95 %.
    let percent = (noticed * 100).checked_div(findings.len()).unwrap_or(100);
    if args.json {
        say!("{:#}", serde_json::json!({ "schema": 1, "noticed": noticed, "percent": percent, "faults": findings }));
    } else {
        let lines = findings.iter().map(|finding| Line {
            fault: finding.fault,
            requirement: finding.requirement,
            noticed: noticed_by(finding),
        });
        say!("{}", Table::new(lines).with(Style::blank()));
        if args.verbose {
            for finding in findings {
                say!("{}: {}", finding.fault, finding.what);
                for notice in &finding.noticed_by {
                    say!("    {} {}: {}", notice.case, notice.outcome, notice.reason);
                }
            }
        }
        for finding in findings.iter().filter(|finding| finding.noticed_by.is_empty()) {
            say!("not noticed: {} ({}): {}", finding.fault, finding.requirement, finding.what);
        }
        let by_citing = findings.iter().filter(|finding| finding.noticed_by.iter().any(|notice| notice.cites)).count();
        say!(
            "{noticed} of {} faults noticed ({percent} %), {by_citing} by a case that cites the requirement",
            findings.len()
        );
    }
    ExitCode::from(u8::from(percent < usize::from(args.at_least)))
}

fn noticed_by(finding: &Finding) -> String {
    match finding.noticed_by.as_slice() {
        [] => format!("NOBODY ({} cases tried)", finding.tried),
        [one] => one.case.clone(),
        [first, others @ ..] => format!("{} and {} more", first.case, others.len()),
    }
}

fn list(faults: &[&'static Fault], json: bool) {
    if json {
        let faults: Vec<_> = faults
            .iter()
            .map(|fault| serde_json::json!({ "fault": fault.name, "requirement": fault.requirement, "what": fault.what }))
            .collect();
        say!("{:#}", serde_json::json!({ "schema": 1, "faults": faults }));
        return;
    }
    for fault in faults {
        say!("{:<34} {:<18} {}", fault.name, fault.requirement, fault.what);
    }
}

/// The faults that the user named; all if none.
fn wanted(args: &MutateArgs) -> Result<Vec<&'static Fault>, Trouble> {
    if args.fault.is_empty() {
        return Ok(mutate::all().collect());
    }
    let named = args.fault.iter().map(|name| {
        mutate::find(name).ok_or_else(|| {
            Trouble::Usage(miette::miette!(help = "`cargo lab mutate --list` names all", "there is no fault `{name}`"))
        })
    });
    named.collect()
}
