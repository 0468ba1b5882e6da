//! Several runs as one: shares of a partition, machines of a CI matrix, a run and its repetition.
//!
//! A case that several runs have judged in the same cell ([`CellKey`]) becomes one result. Where they agree it is kept
//! once. Where one machine could not run it and another could, the one that ran counts. Where a lab failed, it stays an
//! error: it is not known what would have come of it. Otherwise the same thing has come to different verdicts, which is
//! what `flaky` means.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::evidence::read::StoredRun;
use crate::suite::partition::Partition;
use crate::verdict::{CaseResult, Outcome, RunResult, Verdict};

use super::cell::CellKey;

/// Runs that can not be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// There is nothing to merge.
    #[error("there is no run to merge")]
    Nothing,
    /// A result has room for one version of the harness, and versions judge differently.
    #[error("{first} is by harness {version}, and {other} by harness {other_version}")]
    Versions {
        /// The first run.
        first: String,
        /// Its version.
        version: String,
        /// Another.
        other: String,
        /// Its version.
        other_version: String,
    },
}

/// Several runs as one.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The result, cases in the order of suites, lines, and who plays.
    pub result: RunResult,
    /// Where the evidence of each case lies now, in the order of its cases.
    pub evidence: Vec<Option<PathBuf>>,
    /// Folders that the runs have in the whole: name, and where they are.
    pub folders: Vec<(String, PathBuf)>,
    /// What was found on the way that is no mistake.
    pub notes: Vec<String>,
}

/// Lays runs together. `command` is what the result says it came from. Runs that are given twice, as `runs/*` with its
/// link `latest` does, count once.
///
/// # Errors
/// If one result can not hold them all.
pub fn merge(runs: &[StoredRun], command: Vec<String>) -> Result<Merged, MergeError> {
    let mut notes = Vec::new();
    let mut named: Vec<(String, &StoredRun)> = Vec::new();
    for run in runs {
        if named.iter().any(|(_, known)| known.folder == run.folder) {
            notes.push(format!("{} was given twice, and counts once", run.folder.display()));
        } else {
            named.push((free_name(&run.folder, &named), run));
        }
    }
    let (first_name, first) = named.first().ok_or(MergeError::Nothing)?;
    for (name, run) in &named {
        let (version, other_version) = (&first.result.harness_version, &run.result.harness_version);
        if version != other_version {
            return Err(MergeError::Versions {
                first: first_name.clone(),
                version: version.clone(),
                other: name.clone(),
                other_version: other_version.clone(),
            });
        }
    }

    let mut problems = missing_shares(&named);
    let mut regressions = Vec::new();
    let mut facts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut cells: BTreeMap<CellKey, Vec<Finding<'_>>> = BTreeMap::new();
    for (name, run) in &named {
        let result = &run.result;
        problems.extend(result.problems.iter().map(|problem| format!("{name}: {problem}")));
        regressions.extend(result.regressions.iter().map(|regression| format!("{name}: {regression}")));
        for (fact, value) in &result.environment {
            facts.entry(fact.clone()).or_default().insert(value.clone());
        }
        for case in &result.cases {
            cells.entry(CellKey::of(case)).or_default().push(Finding { name, run, case });
        }
    }
    let findings: usize = cells.values().map(Vec::len).sum();
    let mut disagreements = 0;
    let (mut cases, mut evidence) = (Vec::new(), Vec::new());
    let mut cells: Vec<(CellKey, Vec<Finding<'_>>)> = cells.into_iter().collect();
    // As in the suites' files; the sort keeps the order of cells within a line.
    let place = |found: &[Finding<'_>]| found.first().map(|first| (first.case.suite.clone(), first.case.line));
    cells.sort_by_key(|(_, found)| place(found));
    for (_, found) in &cells {
        let (case, from) = together(found);
        disagreements += usize::from(case.verdict.outcome == Outcome::Flaky && found.len() > 1);
        evidence.push(from.run.evidence(from.case));
        cases.push(case);
    }
    if findings > cases.len() {
        let more = findings - cases.len();
        notes.push(format!("{more} results were of cells judged before; {disagreements} cells are flaky"));
    }
    let result = RunResult {
        schema: first.result.schema,
        command,
        harness_version: first.result.harness_version.clone(),
        began: named.iter().map(|(_, run)| run.result.began.clone()).min().unwrap_or_default(),
        wall: named.iter().map(|(_, run)| run.result.wall).sum(),
        seed: first.result.seed,
        environment: facts.into_iter().map(|(fact, values)| (fact, joined(values))).collect(),
        cases,
        partition: None,
        evidence_dir: None,
        interrupted: named.iter().find_map(|(_, run)| run.result.interrupted),
        problems,
        regressions,
    };
    let folders = named.iter().map(|(name, run)| (name.clone(), run.folder.clone())).collect();
    Ok(Merged { result, evidence, folders, notes })
}

/// What one run has found in a cell.
#[derive(Clone, Copy)]
struct Finding<'a> {
    name: &'a str,
    run: &'a StoredRun,
    case: &'a CaseResult,
}

/// The one result of a cell, and whose evidence shows it.
fn together<'a>(found: &[Finding<'a>]) -> (CaseResult, Finding<'a>) {
    let any_ran = found.iter().any(|finding| finding.case.verdict.outcome.ran());
    let weighed: Vec<Finding<'a>> =
        found.iter().copied().filter(|finding| finding.case.verdict.outcome.ran() == any_ran).collect();
    // The first of the strongest: `max_by_key` would take the last.
    let strongest = weighed.iter().rev().max_by_key(|finding| finding.case.verdict.outcome).copied();
    let strongest = strongest.unwrap_or(found[0]);
    let mut case = strongest.case.clone();
    let outcome = case.verdict.outcome;
    let agree = weighed.iter().all(|finding| finding.case.verdict.outcome == outcome);
    if !agree && any_ran && !matches!(outcome, Outcome::Error | Outcome::Inconclusive) {
        let each: Vec<String> =
            weighed.iter().map(|finding| format!("{} in {}", finding.case.verdict.outcome, finding.name)).collect();
        let why = Some(&case.verdict.reason).filter(|reason| !reason.is_empty());
        let why = why.map(|reason| format!(": {reason}")).unwrap_or_default();
        case.verdict = Verdict { reason: format!("{}{why}", each.join(", ")), outcome: Outcome::Flaky, ..case.verdict };
    }
    (case, strongest)
}

/// The name of a run's folder, with a number if another has it already.
fn free_name(folder: &Path, taken: &[(String, &StoredRun)]) -> String {
    let plain = folder.file_name().map_or_else(|| "run".to_owned(), |name| name.to_string_lossy().into_owned());
    let free = |name: &String| taken.iter().all(|(other, _)| other != name);
    let numbered = (2..).map(|number| format!("{plain}-{number}"));
    std::iter::once(plain.clone()).chain(numbered).find(free).unwrap_or(plain)
}

/// Shares that would make the whole and are not here. A job that was lost must not look like a job that had nothing to
/// do.
fn missing_shares(named: &[(String, &StoredRun)]) -> Vec<String> {
    let mut shares: BTreeMap<(Vec<&str>, u32), BTreeSet<u32>> = BTreeMap::new();
    for (_, run) in named {
        if let Some(partition) = run.result.partition {
            let command = without_options_of_one_share(&run.result.command);
            shares.entry((command, partition.of())).or_default().insert(partition.share());
        }
    }
    let mut problems = Vec::new();
    for ((command, of), here) in shares {
        let missing = (1..=of).filter(|share| !here.contains(share));
        let missing = missing.filter_map(|share| Partition::new(share.into(), of.into()).ok());
        let missing: Vec<String> = missing.map(|partition| partition.to_string()).collect();
        if !missing.is_empty() {
            problems.push(format!("shares {} of `{}` are missing", missing.join(", "), command.join(" ")));
        }
    }
    problems
}

/// A command without what differs between the shares of one partition.
fn without_options_of_one_share(command: &[String]) -> Vec<&str> {
    const OWN: [&str; 5] = ["--partition", "--out", "--format", "--jobs", "-j"];
    let mut words = command.iter().map(String::as_str);
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        if OWN.contains(&word) {
            words.next();
        } else if !OWN.iter().any(|own| word.strip_prefix(own).is_some_and(|rest| rest.starts_with('='))) {
            kept.push(word);
        }
    }
    kept
}

fn joined(values: BTreeSet<String>) -> String {
    values.into_iter().collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn stored(name: &str, outcomes: &[Outcome]) -> StoredRun {
        let mut result = sample::run();
        let template = result.cases[1].clone();
        result.cases = outcomes
            .iter()
            .map(|outcome| {
                let verdict = Verdict::new(*outcome, if *outcome == Outcome::Pass { "" } else { "why" });
                CaseResult { verdict, ..template.clone() }
            })
            .collect();
        StoredRun { result, folder: PathBuf::from("/runs").join(name) }
    }

    fn merged(outcomes: &[Outcome]) -> Verdict {
        let runs: Vec<StoredRun> =
            outcomes.iter().enumerate().map(|(index, outcome)| stored(&format!("r{index}"), &[*outcome])).collect();
        let merged = merge(&runs, Vec::new()).unwrap();
        assert_eq!((merged.result.cases.len(), merged.evidence.len()), (1, 1));
        merged.result.cases[0].verdict.clone()
    }

    #[test]
    fn what_runs_say_of_one_cell_becomes_one_verdict() {
        use Outcome::*;
        for (outcomes, wanted) in [
            (&[Pass, Pass][..], Pass),
            (&[Fail, Fail], Fail),
            (&[Pass, Fail], Flaky),
            (&[Fail, Pass], Flaky),
            (&[Pass, Xfail], Flaky),
            (&[Skip, Pass], Pass),
            (&[Unsupported, Fail], Fail),
            (&[Skip, Unsupported], Unsupported),
            (&[Pass, Error], Error),
            (&[Inconclusive, Pass], Inconclusive),
            (&[Flaky, Pass], Flaky),
        ] {
            assert_eq!(merged(outcomes).outcome, wanted, "{outcomes:?}");
        }
        assert_eq!(merged(&[Pass, Fail]).reason, "pass in r0, fail in r1: why");
        assert_eq!(merged(&[Pass, Pass]).reason, "");
    }

    #[test]
    fn what_one_result_can_not_hold_is_refused_and_what_is_doubled_counts_once() {
        let run = stored("a", &[Outcome::Pass]);
        let again = merge(&[run.clone(), run.clone()], Vec::new()).unwrap();
        assert_eq!((again.folders.len(), again.notes.len()), (1, 1));
        let mut other = stored("b", &[Outcome::Pass]);
        other.result.harness_version = "0.2.0".into();
        let error = merge(&[run.clone(), other], Vec::new()).unwrap_err().to_string();
        assert_eq!(error, "a is by harness 0.1.0, and b by harness 0.2.0");
        assert_eq!(merge(&[], Vec::new()).unwrap_err(), MergeError::Nothing);
        let mut elsewhere = stored("a", &[Outcome::Pass]);
        elsewhere.folder = "/other/a".into();
        elsewhere.result.environment.insert("kernel".into(), "6.8.0".into());
        let both = merge(&[run, elsewhere], Vec::new()).unwrap();
        assert_eq!(both.folders[1].0, "a-2");
        assert_eq!(both.result.environment["kernel"], "6.1.0; 6.8.0");
    }

    #[test]
    fn a_share_that_is_missing_is_a_problem() {
        let share = |name: &str, share: u64, out: &str| {
            let mut run = stored(name, &[Outcome::Pass]);
            run.result.partition = Partition::new(share, 3).ok();
            run.result.command =
                ["cargo lab", "run", "nhrp", &format!("--partition={share}/3"), "--out", out].map(str::to_owned).into();
            run
        };
        let whole = [share("a", 1, "x"), share("b", 2, "y"), share("c", 3, "z")];
        assert_eq!(merge(&whole, Vec::new()).unwrap().result.problems, Vec::<String>::new());
        assert_eq!(
            merge(&whole[1..2], Vec::new()).unwrap().result.problems,
            ["shares 1/3, 3/3 of `cargo lab run nhrp` are missing"]
        );
    }
}
