//! Counting a run, and saying it in one line.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Outcome, RunResult};

/// How many cases came to what. Outcomes that did not occur are not listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Counts(BTreeMap<Outcome, usize>);

impl Counts {
    /// How many came to `outcome`.
    pub fn of(&self, outcome: Outcome) -> usize {
        self.0.get(&outcome).copied().unwrap_or(0)
    }

    /// How many there are.
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }

    /// How many were carried out.
    pub fn ran(&self) -> usize {
        self.0.iter().filter(|(outcome, _)| outcome.ran()).map(|(_, count)| count).sum()
    }
}

impl FromIterator<Outcome> for Counts {
    fn from_iter<I: IntoIterator<Item = Outcome>>(outcomes: I) -> Counts {
        let mut counts = BTreeMap::new();
        for outcome in outcomes {
            *counts.entry(outcome).or_insert(0) += 1;
        }
        Counts(counts)
    }
}

impl RunResult {
    /// How many cases came to what.
    pub fn counts(&self) -> Counts {
        self.cases.iter().map(|case| case.verdict.outcome).collect()
    }

    /// The causes of the skipped cases with their numbers, in alphabetical order.
    pub fn skip_causes(&self) -> BTreeMap<&str, usize> {
        let mut causes = BTreeMap::new();
        for case in self.cases.iter().filter(|case| case.verdict.outcome == Outcome::Skip) {
            *causes.entry(case.verdict.cause.as_deref().unwrap_or("unknown")).or_insert(0) += 1;
        }
        causes
    }

    /// Seconds of virtual time that passed per second on the wall, if any passed.
    pub fn virtual_rate(&self) -> Option<f64> {
        let passed: Duration =
            self.cases.iter().filter(|case| case.clock.is_virtual).map(|case| case.clock.length()).sum();
        (!passed.is_zero() && !self.wall.is_zero()).then(|| passed.as_secs_f64() / self.wall.as_secs_f64())
    }

    /// The last line of every report: how many came to what, how long it took, where the evidence is.
    ///
    /// Passed, failed, skipped and flaky are always there, so that a reader never has to tell "none" from "not
    /// counted"; the others only if there are any.
    pub fn summary_line(&self) -> String {
        let counts = self.counts();
        let mut parts = Vec::new();
        for (outcome, one, many, always) in WORDS {
            let count = counts.of(outcome);
            if count == 0 && !always {
                continue;
            }
            let mut part = format!("{count} {}", if count == 1 { one } else { many });
            if outcome == Outcome::Skip && count > 0 {
                part.push_str(&format!(" ({})", self.causes_in_words()));
            }
            parts.push(part);
        }
        let mut line = format!("{} in {:.1}s", parts.join(", "), self.wall.as_secs_f64());
        if let Some(rate) = self.virtual_rate() {
            line.push_str(&format!(", {rate:.0} virtual seconds per second"));
        }
        if let Some(evidence) = &self.evidence_dir {
            line.push_str(&format!(" - {}", evidence.display()));
        }
        line
    }

    fn causes_in_words(&self) -> String {
        let causes = self.skip_causes();
        match causes.len() {
            0 | 1 => causes.keys().copied().collect(),
            _ => {
                let each: Vec<String> = causes.iter().map(|(cause, count)| format!("{cause} {count}")).collect();
                each.join(", ")
            }
        }
    }
}

/// The words of the summary line in their order: singular, plural, and whether a zero is worth saying.
const WORDS: [(Outcome, &str, &str, bool); 12] = [
    (Outcome::Pass, "passed", "passed", true),
    (Outcome::Fail, "failed", "failed", true),
    (Outcome::Error, "error", "errors", false),
    (Outcome::Xpass, "unexpected pass", "unexpected passes", false),
    (Outcome::Residue, "left residue", "left residue", false),
    (Outcome::Inconclusive, "inconclusive", "inconclusive", false),
    (Outcome::Warn, "warning", "warnings", false),
    (Outcome::Xfail, "expected failure", "expected failures", false),
    (Outcome::Unsupported, "unsupported", "unsupported", false),
    (Outcome::Info, "informational", "informational", false),
    (Outcome::Skip, "skipped", "skipped", true),
    (Outcome::Flaky, "flaky", "flaky", true),
];
