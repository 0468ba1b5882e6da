//! `cargo lab report`: what runs have found, for others to read.

mod diff;
mod divergences;
pub(super) mod html;
mod merge;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{Place, Trouble};
use crate::evidence::read::{StoredRun, stored_run};
use crate::report::ColorChoice;
use crate::report::pages::WriteError;
use crate::world::LabError;

/// What to make of runs.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo lab report html runs/latest --out /tmp/pages             a matrix of cases and implementations, a page per case
  cargo lab report merge part-1 part-2 part-3 part-4 --out whole one run of the shares of `run --partition`
  cargo lab report diff runs/2026-01-01T10-00-00Z runs/latest    what has changed; exit code 1 if anything got worse
  cargo lab report divergences --out /tmp/pages                  a page for each recorded divergence

A run is the folder that `cargo lab run` has left, or its results.json.")]
pub(super) struct ReportArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write pages about one run or several: a matrix of cases and implementations, and a page for each case.
    Html(html::HtmlArgs),
    /// Make one run of several: shares of a partition, or machines of a CI matrix.
    Merge(merge::MergeArgs),
    /// Say what has changed from one run to another.
    Diff(diff::DiffArgs),
    /// Write a page about each recorded divergence that a run has seen, for those who maintain what diverges.
    Divergences(divergences::DivergencesArgs),
}

pub(super) fn run(args: &ReportArgs, place: Place<'_>, color: ColorChoice) -> Result<ExitCode, Trouble> {
    match &args.what {
        What::Html(args) => html::run(args, place),
        What::Merge(args) => merge::run(args, color),
        What::Diff(args) => diff::run(args, color),
        What::Divergences(args) => divergences::run(args, place),
    }
}

/// The runs at these places.
fn read(paths: &[PathBuf]) -> Result<Vec<StoredRun>, Trouble> {
    paths.iter().map(|path| stored_run(path)).collect::<Result<_, _>>().map_err(Trouble::Usage)
}

/// A folder for something new: it must not be there yet, or be empty.
fn is_free(out: &Path) -> Result<(), Trouble> {
    if std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) {
        let help = "remove it, or choose another with --out";
        return Err(Trouble::Usage(miette::miette!(help = help, "{} is not empty", out.display())));
    }
    Ok(())
}

/// What keeps pages from being written is a matter of the machine.
fn not_written(error: &WriteError) -> Trouble {
    let remedy = "look for room and permissions there, or choose another folder";
    LabError::environment("report.write", error.to_string(), remedy).into()
}
