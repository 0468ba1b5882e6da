//! `cargo lab report merge`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::super::{Trouble, infra};
use super::{is_free, not_written, read};
use crate::evidence::{FileError, Redactor, Run};
use crate::report::merge::{MergeError, Merged, merge};
use crate::report::pages::copy_folder;
use crate::report::{ColorChoice, FormatSpec, Options, Reporter, Streams, Verbosity, human};

/// Which runs, and where to.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo lab report merge runs/2026-*Z --out whole           one run of several
  cargo lab report merge part-* --out whole --copy          with their evidence, so that the parts may go
  cargo lab report merge part-* --out whole --format junit=whole.xml --format markdown=whole.md

The whole is a run as any other: `report html`, `report diff`, `report divergences` and `coverage --run` read it. What
several runs have judged in the same cell becomes one result: kept once where they agree, `flaky` where they do not,
`error` where a lab failed. A result has room for one version of the harness.

Exit codes:
  0  the whole is written                 2  wrong usage, no such run, or runs that can not be one
  4  a share of a partition is missing (the rest is written), or a file could not be read or written")]
pub(super) struct MergeArgs {
    /// Folders of runs, or their results.json.
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// Folder of the whole; it must not be there yet, or be empty.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Copy the evidence, instead of linking to where it is.
    #[arg(long)]
    copy: bool,
    /// How to tell, as with `cargo lab run`: human, json, junit, tap, markdown; with `=FILE` into a file. Repeatable.
    #[arg(long, value_name = "FORMAT[=FILE]")]
    format: Vec<FormatSpec>,
}

pub(super) fn run(args: &MergeArgs, color: ColorChoice) -> Result<ExitCode, Trouble> {
    let runs = read(&args.runs)?;
    is_free(&args.out)?;
    let merged = merge(&runs, super::super::command()).map_err(refused)?;
    // Reports are opened before anything is written, so that a wrong path leaves nothing half done.
    let options = Options { formats: args.format.clone(), verbosity: Verbosity::Quiet, ..Options::default() };
    let reporter = Reporter::new(&options, Redactor::default(), Streams::standard(color))
        .map_err(|error| Trouble::Usage(miette::Report::new(error)))?;
    let merged = gather(merged, &args.out, args.copy)?;
    for note in &merged.notes {
        eprintln!("note: {note}");
    }
    for problem in &merged.result.problems {
        eprintln!("problem: {problem}");
    }
    let code = if merged.result.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(4) };
    if args.format.is_empty() {
        say!("{}", merged.result.summary_line());
    } else {
        let verdict = merged.result.exit_code(&crate::verdict::Policy::default());
        reporter.finish(&merged.result, verdict).map_err(|error| Trouble::Usage(miette::Report::new(error)))?;
    }
    Ok(code)
}

/// Says why runs can not be one.
pub(super) fn refused(error: MergeError) -> Trouble {
    let help = "run them again with one version of the harness, or hold them against each other with `report diff`";
    Trouble::Usage(miette::miette!(help = help, "{error}"))
}

/// Brings the evidence together, and writes the result with the places where it is then.
fn gather(mut merged: Merged, out: &Path, copy: bool) -> Result<Merged, Trouble> {
    fs::create_dir_all(out).map_err(on("create", out))?;
    let places: Vec<(PathBuf, PathBuf)> =
        merged.folders.iter().map(|(name, folder)| (folder.clone(), out.join(name))).collect();
    if !copy {
        for (folder, place) in &places {
            symlink(folder, place).map_err(on("link", place))?;
        }
    }
    for (case, from) in merged.result.cases.iter_mut().zip(&merged.evidence) {
        let inside = from.as_ref().and_then(|from| {
            places.iter().find_map(|(folder, place)| from.strip_prefix(folder).ok().map(|within| place.join(within)))
        });
        // What lies outside of its run's folder stays where it is.
        let place = inside.or_else(|| from.clone());
        if let (true, Some(from), Some(place)) = (copy, from, &place)
            && from != place
        {
            copy_folder(from, place).map_err(|error| not_written(&error))?;
        }
        case.evidence = place;
    }
    merged.result.evidence_dir = Some(out.to_owned());
    let run = Run::existing(out, Redactor::default());
    run.write_run(&merged.result)
        .and_then(|()| run.write_results(&merged.result))
        .and_then(|()| run.write_summary(&human::document(&merged.result)))
        .map_err(|error| infra::file_trouble(&error))?;
    Ok(merged)
}

fn on<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> Trouble + 'a {
    move |source| infra::file_trouble(&FileError { action, path: path.to_owned(), source })
}
