//! What has changed from one run to another: what broke, what was mended, what came and went, what takes longer.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::verdict::{CaseResult, Metric, Outcome, RunResult, SCHEMA};

use super::cell::CellKey;
use super::{Terminal, Tint, human};

/// Metrics that differ by less than this share of the older one are the same.
const SAME_WITHIN: f64 = 0.05;

/// Two runs, held against each other cell by cell.
#[derive(Clone, Debug, Serialize)]
pub struct Diff {
    /// The version of this document's form.
    pub schema: u32,
    /// Whether anything got worse.
    pub worse: bool,
    /// Cells that need attention now and did not before, or were not there.
    pub new_failures: Vec<Change>,
    /// Cells that needed attention and pass now.
    pub fixed: Vec<Change>,
    /// Other verdicts that are not the same.
    pub changed: Vec<Change>,
    /// Cells that were not there before and need no attention.
    pub added: Vec<Change>,
    /// Cells that are not there any more.
    pub removed: Vec<Change>,
    /// Measurements that are not the same.
    pub metrics: Vec<MetricChange>,
    /// Cells with the same verdict.
    pub unchanged: usize,
    /// Versions that were held against each other although they are not the same: `frr 10.3 -> 10.7.1`.
    pub across: Vec<String>,
}

/// A cell that is not as it was.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    /// The case, with its variant where that is not who plays.
    pub case: String,
    /// Who was judged, against whom.
    pub subject: String,
    /// World and driver.
    pub place: String,
    /// What it came to before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Outcome>,
    /// What it comes to now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Outcome>,
    /// Why, by the newer run that has it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Whether this is worse than before.
    pub worse: bool,
}

/// A measurement that is not as it was.
#[derive(Clone, Debug, Serialize)]
pub struct MetricChange {
    /// The case.
    pub case: String,
    /// Who was judged.
    pub subject: String,
    /// What was measured.
    pub metric: String,
    /// Before; `null` if it was not measured or not a number.
    pub old: Option<f64>,
    /// Now.
    pub new: Option<f64>,
    /// Unit of both.
    pub unit: String,
}

/// How good it is: what holds, what was not held against the rule or is known, what deserves a look, what is wrong.
fn grade(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Pass | Outcome::Info => 0,
        Outcome::Xfail | Outcome::Unsupported | Outcome::Skip => 1,
        Outcome::Warn | Outcome::Flaky => 2,
        Outcome::Inconclusive | Outcome::Residue | Outcome::Xpass | Outcome::Fail | Outcome::Error => 3,
    }
}

type Cells<'a> = BTreeMap<CellKey, Vec<&'a CaseResult>>;

impl Diff {
    /// Holds `new` against `old`. An implementation that each has in one version only is compared across versions.
    pub fn of(old: &RunResult, new: &RunResult) -> Diff {
        let across = across(old, new);
        let (old, new) = (cells(old, &across), cells(new, &across));
        let mut diff = Diff {
            schema: SCHEMA,
            worse: false,
            new_failures: Vec::new(),
            fixed: Vec::new(),
            changed: Vec::new(),
            added: Vec::new(),
            removed: Vec::new(),
            metrics: Vec::new(),
            unchanged: 0,
            across: across.iter().map(|(name, (old, new))| format!("{name} {old} -> {new}")).collect(),
        };
        for key in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
            let (before, now) = (strongest(old.get(key)), strongest(new.get(key)));
            diff.cell(key, before, now);
            if let (Some(before), Some(now)) = (before, now) {
                diff.measured(key, &before.metrics, &now.metrics);
            }
        }
        diff.worse = [&diff.new_failures, &diff.changed].into_iter().flatten().any(|change| change.worse);
        diff
    }

    fn cell(&mut self, key: &CellKey, before: Option<&CaseResult>, now: Option<&CaseResult>) {
        let outcome = |case: Option<&CaseResult>| case.map(|case| case.verdict.outcome);
        let (old, new) = (outcome(before), outcome(now));
        let worse = match (old, new) {
            (Some(old), Some(new)) => grade(new) > grade(old),
            (None, Some(new)) => grade(new) == 3,
            _ => false,
        };
        let change = Change {
            case: key.row.clone(),
            subject: key.column.party(),
            place: key.column.place.clone(),
            old,
            new,
            reason: now.or(before).map(|case| case.verdict.reason.clone()).unwrap_or_default(),
            worse,
        };
        match (old, new) {
            (Some(old), Some(new)) if old == new => self.unchanged += 1,
            (_, Some(new)) if worse && grade(new) == 3 => self.new_failures.push(change),
            (Some(old), Some(new)) if grade(old) == 3 && grade(new) == 0 => self.fixed.push(change),
            (Some(_), Some(_)) => self.changed.push(change),
            (None, _) => self.added.push(change),
            (_, None) => self.removed.push(change),
        }
    }

    fn measured(&mut self, key: &CellKey, before: &[Metric], now: &[Metric]) {
        // A case may measure the same several times: the first is held against the first.
        let of = |metrics: &[Metric], name: &str, place: usize| {
            metrics.iter().filter(|metric| metric.name == name).nth(place).map(|metric| metric.value)
        };
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        let longer = if before.len() > now.len() { before } else { now };
        for metric in longer {
            let place = seen.entry(&metric.name).and_modify(|place| *place += 1).or_insert(0);
            let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
            let (old, new) = (finite(of(before, &metric.name, *place)), finite(of(now, &metric.name, *place)));
            let same = match (old, new) {
                (Some(old), Some(new)) => (new - old).abs() <= old.abs() * SAME_WITHIN,
                (old, new) => old.is_none() && new.is_none(),
            };
            if !same {
                self.metrics.push(MetricChange {
                    case: key.row.clone(),
                    subject: key.column.party(),
                    metric: metric.name.clone(),
                    old,
                    new,
                    unit: metric.unit.clone(),
                });
            }
        }
    }

    /// For people; the last line counts.
    pub fn human(&self, terminal: &Terminal) -> String {
        let mut text = String::new();
        for words in &self.across {
            text.push_str(&line(Tint::Dim, "Across", words, terminal));
        }
        for (tint, verb, changes) in [
            (Tint::Bad, "Broken", &self.new_failures),
            (Tint::Good, "Fixed", &self.fixed),
            (Tint::Caution, "Changed", &self.changed),
            (Tint::Aside, "Added", &self.added),
            (Tint::Aside, "Removed", &self.removed),
        ] {
            for change in changes {
                text.push_str(&line(tint, verb, &change.words(), terminal));
            }
        }
        for change in &self.metrics {
            text.push_str(&line(Tint::Dim, "Measured", &change.words(), terminal));
        }
        text.push_str(&self.summary());
        text.push('\n');
        text
    }

    /// How many of what, in one line.
    pub fn summary(&self) -> String {
        format!(
            "{} broken, {} fixed, {} changed, {} added, {} removed, {} measurements changed, {} as before: {}",
            self.new_failures.len(),
            self.fixed.len(),
            self.changed.len(),
            self.added.len(),
            self.removed.len(),
            self.metrics.len(),
            self.unchanged,
            if self.worse { "worse" } else { "not worse" }
        )
    }
}

fn line(tint: Tint, verb: &str, words: &str, terminal: &Terminal) -> String {
    human::progress_line(tint, verb, words, terminal) + "\n"
}

impl Change {
    fn words(&self) -> String {
        let word = |outcome: Option<Outcome>| outcome.map_or("not there", Outcome::name);
        let reason = if self.reason.is_empty() { String::new() } else { format!(": {}", self.reason) };
        let worse = if self.worse && self.new.is_some_and(|new| grade(new) < 3) { ", worse" } else { "" };
        let (old, new) = (word(self.old), word(self.new));
        format!("{} {} in {}, {old} -> {new}{worse}{reason}", self.case, self.subject, self.place)
    }
}

impl MetricChange {
    fn words(&self) -> String {
        let word = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), |value| value.to_string());
        let share = match (self.old, self.new) {
            (Some(old), Some(new)) if old != 0.0 => format!(" ({:+.0} %)", (new - old) / old.abs() * 100.0),
            _ => String::new(),
        };
        let (old, new, unit) = (word(self.old), word(self.new), &self.unit);
        format!("{} {}, {}: {old} -> {new} {unit}{share}", self.case, self.subject, self.metric)
    }
}

/// Implementations that each run has in one version, and not in the same: name -> old and new version.
fn across(old: &RunResult, new: &RunResult) -> BTreeMap<String, (String, String)> {
    let versions = |run: &RunResult| {
        let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for case in &run.cases {
            versions.entry(case.subject.name.clone()).or_default().insert(case.subject.version.clone());
        }
        versions
    };
    let (old, new) = (versions(old), versions(new));
    let only = |versions: &BTreeSet<String>| (versions.len() == 1).then(|| versions.first().cloned()).flatten();
    old.iter()
        .filter_map(|(name, before)| Some((name.clone(), (only(before)?, only(new.get(name)?)?))))
        .filter(|(_, (before, now))| before != now)
        .collect()
}

fn cells<'a>(run: &'a RunResult, across: &BTreeMap<String, (String, String)>) -> Cells<'a> {
    let mut cells = Cells::new();
    for case in &run.cases {
        let mut key = CellKey::of(case);
        if let Some((old, new)) = across.get(&key.column.subject) {
            key.column.version = format!("{old} -> {new}");
        }
        cells.entry(key).or_default().push(case);
    }
    cells
}

/// Of a case that ran several times, the one that weighs most.
fn strongest<'a>(cases: Option<&Vec<&'a CaseResult>>) -> Option<&'a CaseResult> {
    cases?.iter().rev().max_by_key(|case| case.verdict.outcome).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::verdict::Verdict;

    fn run(version: &str, cases: &[(&str, Outcome)]) -> RunResult {
        let mut run = sample::run();
        let template = run.cases[1].clone();
        run.cases = cases
            .iter()
            .map(|(id, outcome)| {
                let mut case = CaseResult { id: (*id).into(), ..template.clone() };
                case.subject.version = version.into();
                case.verdict = Verdict::new(*outcome, "");
                case
            })
            .collect();
        run
    }

    #[test]
    fn every_change_is_in_one_place_and_worse_is_what_got_worse() {
        use Outcome::*;
        let place = |old: &[(&str, Outcome)], new: &[(&str, Outcome)]| {
            let diff = Diff::of(&run("10.3", old), &run("10.3", new));
            let counts = [&diff.new_failures, &diff.fixed, &diff.changed, &diff.added, &diff.removed].map(Vec::len);
            (counts, diff.unchanged, diff.worse)
        };
        assert_eq!(place(&[("a", Pass)], &[("a", Pass)]), ([0, 0, 0, 0, 0], 1, false));
        assert_eq!(place(&[("a", Fail)], &[("a", Fail)]), ([0, 0, 0, 0, 0], 1, false));
        for bad in [Fail, Error, Xpass, Residue, Inconclusive] {
            assert_eq!(place(&[("a", Pass)], &[("a", bad)]), ([1, 0, 0, 0, 0], 0, true), "{bad}");
            assert_eq!(place(&[], &[("a", bad)]), ([1, 0, 0, 0, 0], 0, true), "{bad}");
            assert_eq!(place(&[("a", bad)], &[("a", Pass)]), ([0, 1, 0, 0, 0], 0, false), "{bad}");
        }
        assert_eq!(place(&[("a", Pass)], &[("a", Skip)]), ([0, 0, 1, 0, 0], 0, true));
        assert_eq!(place(&[("a", Xfail)], &[("a", Pass)]), ([0, 0, 1, 0, 0], 0, false));
        assert_eq!(place(&[("a", Error)], &[("a", Fail)]), ([0, 0, 1, 0, 0], 0, false));
        assert_eq!(place(&[("a", Fail)], &[("a", Skip)]), ([0, 0, 1, 0, 0], 0, false));
        assert_eq!(place(&[], &[("a", Xfail)]), ([0, 0, 0, 1, 0], 0, false));
        assert_eq!(place(&[("a", Pass)], &[]), ([0, 0, 0, 0, 1], 0, false));
        // A case that ran twice counts as its stronger verdict.
        assert_eq!(place(&[("a", Pass)], &[("a", Fail), ("a", Pass)]), ([1, 0, 0, 0, 0], 0, true));
    }

    #[test]
    fn one_version_on_each_side_is_held_against_the_other() {
        let diff = Diff::of(&run("10.3", &[("a", Outcome::Pass)]), &run("10.7.1", &[("a", Outcome::Fail)]));
        assert_eq!(diff.across, ["frr 10.3 -> 10.7.1"]);
        assert_eq!(diff.new_failures.len(), 1);
        let text = diff.human(&Terminal::FILE);
        assert!(text.contains("      Broken a frr 10.3 -> 10.7.1 in real/container, pass -> fail\n"), "{text}");
        assert!(text.ends_with("0 as before: worse\n"), "{text}");
    }

    #[test]
    fn measurements_are_held_against_each_other() {
        let with = |values: &[f64]| {
            let mut run = run("10.3", &[("a", Outcome::Pass)]);
            run.cases[0].metrics = values
                .iter()
                .map(|value| Metric { name: "failover".into(), value: *value, unit: "s".into(), at_most: None })
                .collect();
            run
        };
        let changes = |old: &[f64], new: &[f64]| Diff::of(&with(old), &with(new)).metrics;
        assert!(changes(&[1.0], &[1.04]).is_empty() && changes(&[f64::NAN], &[f64::NAN]).is_empty());
        let doubled = changes(&[1.0, 2.0], &[1.0, 4.0]);
        assert_eq!(doubled.len(), 1);
        assert_eq!(doubled[0].words(), "a frr 10.3, failover: 2 -> 4 s (+100 %)");
        assert_eq!(changes(&[0.0], &[1.0]).len(), 1);
        assert_eq!(changes(&[1.0], &[])[0].words(), "a frr 10.3, failover: 1 -> none s");
        assert!(!Diff::of(&with(&[1.0]), &with(&[9.0])).worse);
    }
}
