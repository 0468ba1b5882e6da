//! `cargo lab report html`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::super::{Place, Trouble, root};
use super::{not_written, read};
use crate::evidence::read::StoredRun;
use crate::report::merge::merge;
use crate::report::pages::{self, Pages, Written, evidence_of};
use crate::requirement::Catalogue;

/// Which runs, and where to.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo lab report html --out /tmp/pages                      the newest run
  cargo lab report html runs/*Z --out /tmp/pages              all runs beside each other
  cargo lab report html whole --out /tmp/pages --copy         with the evidence, to be sent away or published

Open DIR/index.html in a browser; nothing is loaded from anywhere. The filter is a part of the address, so that it can be
sent to others: index.html#q=unique&verdict=fail,error. Arrow keys move in the matrix, `/` goes to the filter.

Exit codes:
  0  pages are written                    2  wrong usage, no such run, or runs that can not be one
  4  a file could not be read or written")]
pub(super) struct HtmlArgs {
    /// Folders of runs, or their results.json.
    #[arg(value_name = "RUN", default_value = "runs/latest")]
    runs: Vec<PathBuf>,
    /// Folder for the pages: a new one, an empty one, or one with older pages, which are replaced.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Copy the evidence into the folder, instead of linking to where it is.
    #[arg(long)]
    copy: bool,
}

pub(super) fn run(args: &HtmlArgs, place: Place<'_>) -> Result<ExitCode, Trouble> {
    let runs = read(&args.runs)?;
    prepare(&args.out)?;
    // Who has only results and no checkout gets pages without the catalogue's sentences.
    let catalogue = match root(place.root) {
        Ok(root) => Some(catalogue(&root)?),
        Err(_) => None,
    };
    let written = write(&runs, catalogue.as_ref(), &args.out, args.copy)?;
    say!("{}: {} cases", written.index.display(), written.cases);
    Ok(ExitCode::SUCCESS)
}

/// Makes a folder ready for pages.
pub(in crate::cli) fn prepare(out: &Path) -> Result<(), Trouble> {
    if pages::is_taken(out) {
        let help = "remove it, or choose another";
        return Err(Trouble::Usage(miette::miette!(
            help = help,
            "{} is not empty, and not a folder of pages",
            out.display()
        )));
    }
    pages::prepare(out).map_err(|error| not_written(&error))
}

/// The requirements of a checkout.
pub(in crate::cli) fn catalogue(root: &Path) -> Result<Catalogue, Trouble> {
    Catalogue::load(&root.join("suites/requirements")).map_err(Trouble::Usage)
}

/// Writes pages about runs.
pub(in crate::cli) fn write(
    runs: &[StoredRun],
    requirements: Option<&Catalogue>,
    out: &Path,
    copy: bool,
) -> Result<Written, Trouble> {
    let written = if let [run] = runs {
        let evidence = evidence_of(run);
        Pages { run: &run.result, evidence: &evidence, requirements, copy }.write(out)
    } else {
        let merged = merge(runs, super::super::command()).map_err(super::merge::refused)?;
        for note in &merged.notes {
            eprintln!("note: {note}");
        }
        Pages { run: &merged.result, evidence: &merged.evidence, requirements, copy }.write(out)
    };
    written.map_err(|error| not_written(&error))
}
