//! `cargo lab inspect --rules`: captures held against the rules about what passes.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{Place, Trouble, out, root};
use crate::progress::Progress;
use crate::report::{ColorChoice, Terminal, Verbosity};
use crate::requirement::Catalogue;
use crate::rules::{self, Judged, Result, Rules};
use crate::suite::rule::Exempt;

/// How captures are held against rules.
#[derive(Debug, Args)]
pub(super) struct RuleArgs {
    /// Hold captures against the rules about what passes: each with the packets that break it. Captures may be folders
    /// here: all captures below, of a run's evidence those whose senders play a node.
    #[arg(long, group = "mode")]
    pub(super) rules: bool,
    /// With --rules: those of this file or folder instead of the checkout's `suites/rules`.
    #[arg(long, value_name = "FILE|DIR", requires = "rules")]
    only: Option<PathBuf>,
    /// With --rules: rules that were kept, and those that no packet was about, too.
    #[arg(long, short, requires = "rules")]
    verbose: bool,
    /// With --rules: exceptions of implementations that nothing here needs are errors, for captures of all runs of a day.
    #[arg(long, requires = "rules")]
    deny_stale: bool,
}

pub(super) fn run(
    args: &RuleArgs,
    (files, keys): (&[PathBuf], &[PathBuf]),
    json: bool,
    place: Place<'_>,
    color: ColorChoice,
) -> std::result::Result<ExitCode, Trouble> {
    let root = root(place.root)?;
    let catalogue = Catalogue::load(&root.join("suites/requirements")).map_err(Trouble::Usage)?;
    let folder = args.only.clone().unwrap_or_else(|| root.join("suites/rules"));
    let rules = rules::load(&folder, &catalogue).map_err(super::mistakes)?;
    let mut paths = Vec::new();
    for file in files {
        paths.extend(rules::captures(file).map_err(Trouble::Usage)?);
    }
    let progress = Progress::new(Box::new(std::io::stderr()), Terminal::stderr(color), Verbosity::Normal);
    let mut all = Vec::new();
    {
        let job = progress.job("Judging", "captures");
        for (index, path) in paths.iter().enumerate() {
            job.describe(&format!("{} of {}: {}", index + 1, paths.len(), path.display()));
            all.push(rules::judge_capture(&rules, path, keys).map_err(Trouble::Usage)?);
        }
    }
    progress.close();
    if json {
        say!("{:#}", rules::json(&all));
    } else {
        out(&rules::human(&all, args.verbose, &Terminal::stdout(color)));
    }
    let stale = if args.deny_stale { unneeded(&rules, &all) } else { Vec::new() };
    for line in &stale {
        eprintln!("error: {line}");
    }
    let results = || all.iter().flat_map(|judged| &judged.verdicts).map(|verdict| verdict.result);
    let broken = results().any(|result| result == Result::Fail) || all.iter().any(|judged| !judged.errors.is_empty());
    Ok(ExitCode::from(match () {
        () if broken || !stale.is_empty() => 1,
        () if results().all(|result| result == Result::NotSeen) => 3,
        () => 0,
    }))
}

/// Exceptions of implementations that no packet here needed.
fn unneeded(rules: &Rules, all: &[Judged]) -> Vec<String> {
    let needed: BTreeSet<usize> =
        all.iter().flat_map(|judged| &judged.verdicts).flat_map(|verdict| verdict.exceptions.iter().copied()).collect();
    let of_implementations =
        |index: &usize, exempt: &Exempt| matches!(exempt, Exempt::Implementation { .. }) && !needed.contains(index);
    let unneeded = rules.exceptions.iter().enumerate().filter(|(index, entry)| of_implementations(index, &entry.place));
    unneeded
        .map(|(_, entry)| {
            format!(
                "{}: nothing here breaks `{}` as this entry says; delete it, or narrow its versions",
                entry.rule.span, *entry.rule
            )
        })
        .collect()
}
