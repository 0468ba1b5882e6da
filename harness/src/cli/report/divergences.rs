//! `cargo lab report divergences`: pages about recorded divergences, for those who maintain what diverges.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::super::{Place, Trouble, root, suites};
use crate::dossier::{self, Sources};
use crate::evidence::read::stored_run;
use crate::requirement::Catalogue;
use crate::run::divergence;
use crate::world::LabError;

/// Which run, and where to.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo lab run nhrp --subject frr:10.3              a run that keeps its evidence
  cargo lab report divergences --out /tmp/pages      a page for each divergence that it has seen
  cargo lab report divergences runs/2026-01-01T10-00-00Z --out /tmp/pages-of-that-day

Each recorded divergence (suites/divergences) that the run has seen becomes a folder and one page:
requirement, versions, expected and actual with octets, packets, configuration, logs, capture, the case
alone as a suite that can be run, and the command. A page carries its capture inside, needs nothing
around it, and can be attached to a bug report.

Exit codes:
  0  pages are written                    2  wrong usage, or no such run
  3  the run has seen no divergence that is recorded, with evidence
  4  a file could not be read or written")]
pub(super) struct DivergencesArgs {
    /// Folder of the run.
    #[arg(value_name = "RUN", default_value = "runs/latest")]
    run: PathBuf,
    /// Folder for the pages; it must not be there yet, or be empty.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(super) fn run(args: &DivergencesArgs, place: Place<'_>) -> Result<ExitCode, Trouble> {
    let root = root(place.root)?;
    let suites = suites(&root, place.suites)?;
    let divergences = divergence::load_all(&root.join("suites/divergences")).map_err(Trouble::Usage)?;
    let catalogue = Catalogue::load(&root.join("suites/requirements")).map_err(Trouble::Usage)?;
    let result = stored_run(&args.run).map_err(Trouble::Usage)?;
    if std::fs::read_dir(&args.out).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Trouble::Usage(miette::miette!(
            help = "remove it, or choose another with --out",
            "{} is not empty",
            args.out.display()
        )));
    }
    let sources = Sources { run: &result, suites: &suites, divergences: &divergences, catalogue: &catalogue };
    let gathered = dossier::gather(&sources);
    for case in &gathered.bare {
        eprintln!("warning: there is no evidence of {case}: run it with `--keep always` or `--keep fail`");
    }
    if gathered.dossiers.is_empty() {
        eprintln!(
            "error: {} has seen none of {} recorded divergences; `cargo lab run --subject ..` against one of those \
             implementations does",
            args.run.display(),
            divergences.len()
        );
        return Ok(ExitCode::from(3));
    }
    dossier::write(&gathered, &sources, &args.out).map_err(|error| {
        LabError::environment(
            "report.write",
            error.to_string(),
            "look for room and permissions there, or choose another --out",
        )
    })?;
    say!(
        "{}: {} divergences, {} recorded ones were not seen",
        args.out.join("index.md").display(),
        gathered.dossiers.len(),
        gathered.unseen.len()
    );
    Ok(ExitCode::SUCCESS)
}
