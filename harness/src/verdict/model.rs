//! Outcomes, verdicts and results, as they are stored in `verdict.json` and `results.json` and as every renderer sees
//! them.
//!
//! Paths and durations are written so that they can always be written: a path that is not UTF-8 is stored with
//! replacement characters rather than losing the verdict, and durations are whole nanoseconds.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::serial;
use crate::suite::partition::Partition;

/// What a case came to.
///
/// The variants stand in the order in which they win when several outcomes become one, weakest first, so that merging
/// is taking the maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The rule was seen to hold.
    Pass,
    /// An observation that judges nobody.
    Info,
    /// Not run here, for a cause which another machine or configuration does not have.
    Skip,
    /// Not run, since the implementation declares that it does not have the feature.
    Unsupported,
    /// Failed, in exactly the way that a declared divergence describes.
    Xfail,
    /// A SHOULD did not hold, and the run is not strict.
    Warn,
    /// Failed and then passed when repeated.
    Flaky,
    /// The control of an absence failed, so that seeing nothing proves nothing.
    Inconclusive,
    /// The steps passed, but something was left behind that should have been gone.
    Residue,
    /// Passed although a divergence is declared: the declaration is out of date.
    Xpass,
    /// The rule was seen to be broken.
    Fail,
    /// The harness or its surroundings failed: nothing was learned about the subject.
    Error,
}

impl Outcome {
    /// All outcomes, weakest first.
    pub const ALL: [Outcome; 12] = [
        Outcome::Pass,
        Outcome::Info,
        Outcome::Skip,
        Outcome::Unsupported,
        Outcome::Xfail,
        Outcome::Warn,
        Outcome::Flaky,
        Outcome::Inconclusive,
        Outcome::Residue,
        Outcome::Xpass,
        Outcome::Fail,
        Outcome::Error,
    ];

    /// The outcome of several that are judged as one; an empty set passes.
    pub fn merge(outcomes: impl IntoIterator<Item = Outcome>) -> Outcome {
        outcomes.into_iter().max().unwrap_or(Outcome::Pass)
    }

    /// The word in data: `pass`, `xfail`.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Pass => "pass",
            Outcome::Info => "info",
            Outcome::Skip => "skip",
            Outcome::Unsupported => "unsupported",
            Outcome::Xfail => "xfail",
            Outcome::Warn => "warn",
            Outcome::Flaky => "flaky",
            Outcome::Inconclusive => "inconclusive",
            Outcome::Residue => "residue",
            Outcome::Xpass => "xpass",
            Outcome::Fail => "fail",
            Outcome::Error => "error",
        }
    }

    /// Whether the steps of the case were carried out at all.
    pub fn ran(self) -> bool {
        !matches!(self, Outcome::Skip | Outcome::Unsupported)
    }

    /// Whether the case deserves a failure block of its own in a report.
    pub fn needs_attention(self) -> bool {
        self >= Outcome::Inconclusive
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Causes which the harness itself hands out. Others are made by the capability check, such as `kernel.gre`.
pub mod cause {
    /// The harness panicked inside the case; turns the exit code into 5.
    pub const PANIC: &str = "harness.panic";
    /// The case ran into its hard stop.
    pub const TIMEOUT: &str = "timeout";
    /// The run was interrupted before or while the case ran.
    pub const INTERRUPTED: &str = "interrupted";
    /// A capture is not on this machine, or can not be read.
    pub const CAPTURES: &str = "captures";
    /// A node died that no step stopped.
    pub const NODE_DIED: &str = "node.died";
}

/// The judgement on one case, with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// What it came to.
    pub outcome: Outcome,
    /// Why, in one sentence; empty for a plain pass.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What was expected and what happened instead, where that can be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Box<Failure>>,
    /// The reason for machines: the missing capability of a skip (`kernel.gre`), the tracker entry of an expected
    /// failure, one of [`cause`] for an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

impl Verdict {
    /// A verdict with a reason and nothing else.
    pub fn new(outcome: Outcome, reason: impl Into<String>) -> Verdict {
        Verdict { outcome, reason: reason.into(), failure: None, cause: None }
    }

    /// The rule held.
    pub fn pass() -> Verdict {
        Verdict::new(Outcome::Pass, "")
    }

    /// The rule was broken, as `failure` shows.
    pub fn fail(reason: impl Into<String>, failure: Failure) -> Verdict {
        Verdict::new(Outcome::Fail, reason).with_failure(failure)
    }

    /// Not run for want of `cause`.
    pub fn skip(cause: impl Into<String>, reason: impl Into<String>) -> Verdict {
        Verdict::new(Outcome::Skip, reason).with_cause(cause)
    }

    /// The harness or its surroundings failed.
    pub fn error(cause: impl Into<String>, reason: impl Into<String>) -> Verdict {
        Verdict::new(Outcome::Error, reason).with_cause(cause)
    }

    /// The same verdict with what was expected and seen.
    #[must_use]
    pub fn with_failure(mut self, failure: Failure) -> Verdict {
        self.failure = Some(Box::new(failure));
        self
    }

    /// The same verdict with a cause for machines.
    #[must_use]
    pub fn with_cause(mut self, cause: impl Into<String>) -> Verdict {
        self.cause = Some(cause.into());
        self
    }

    /// The stronger of two verdicts on the same case; the first one where they are equally strong, since it happened
    /// first.
    #[must_use]
    pub fn merge(self, other: Verdict) -> Verdict {
        if other.outcome > self.outcome { other } else { self }
    }
}

/// Expected and actual, and where to look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Failure {
    /// The step that was not satisfied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<StepRef>,
    /// What would have been right; several entries are alternatives.
    pub expected: Vec<String>,
    /// What happened instead.
    pub actual: String,
    /// The nearest candidate packet field by field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
    /// The timeline just before and after, one line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nearby: Vec<String>,
    /// The last words of the nodes involved.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log_tail: Vec<NodeLog>,
}

/// A place in a suite file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepRef {
    /// The file as the user named it.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
    /// The step in words, or as written.
    pub text: String,
}

impl fmt::Display for StepRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Lines from the log of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeLog {
    /// The node's name in the topology.
    pub node: String,
    /// Its lines, oldest first.
    pub lines: Vec<String>,
}

/// An expected packet beside an actual one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// The expectation in the suite's notation, on one line.
    pub expected_line: String,
    /// The packet in the same notation.
    pub actual_line: String,
    /// Every field that was looked at, in the order of the packet.
    pub rows: Vec<FieldRow>,
    /// The packet, from the first octet that offsets count from.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "serial::hex")]
    #[schemars(with = "Option<String>")]
    pub actual_hex: Option<Vec<u8>>,
}

impl Comparison {
    /// A comparison whose two lines are made from its rows: `message field=value field=value`, each pair padded to
    /// the wider of the two, so that equal fields stand above each other.
    pub fn from_rows(message: &str, rows: Vec<FieldRow>, actual: Option<Vec<u8>>) -> Comparison {
        let (mut expected_line, mut actual_line) = (message.to_owned(), message.to_owned());
        for row in &rows {
            let (expected, actual) = (row.pair(&row.expected), row.pair(&row.actual));
            let width = expected.chars().count().max(actual.chars().count());
            expected_line.push_str(&format!(" {expected:<width$}"));
            actual_line.push_str(&format!(" {actual:<width$}"));
        }
        Comparison {
            expected_line: expected_line.trim_end().to_owned(),
            actual_line: actual_line.trim_end().to_owned(),
            rows,
            actual_hex: actual,
        }
    }
}

/// One field of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FieldRow {
    /// The path, such as `cie[0].code`.
    pub field: String,
    /// The expectation as written, or in words.
    pub expected: String,
    /// The value found, or `absent`.
    pub actual: String,
    /// Where the field starts in [`Comparison::actual_hex`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<usize>,
    /// Whether the value breaks the expectation.
    pub differs: bool,
}

impl FieldRow {
    /// How the field stands in a packet line.
    pub(crate) fn pair(&self, value: &str) -> String {
        format!("{}={value}", self.field)
    }
}

/// An implementation and its version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImplRef {
    /// The name, such as `frr`.
    pub name: String,
    /// The version as the implementation itself says it; empty when unknown.
    #[serde(default)]
    pub version: String,
}

impl ImplRef {
    /// A name with a version.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> ImplRef {
        ImplRef { name: name.into(), version: version.into() }
    }
}

impl fmt::Display for ImplRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.version.is_empty() { Ok(()) } else { write!(f, " {}", self.version) }
    }
}

/// The rule that a case stands on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CiteRef {
    /// The document, such as `rfc2332`.
    pub spec: String,
    /// The section, such as `5.2.4`.
    pub section: String,
    /// `must`, `should`, `may` or `goal`.
    pub level: String,
    /// The words of the document; empty for a project goal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub quote: String,
    /// The identifier of the requirement in the index of specifications, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<String>,
}

impl fmt::Display for CiteRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.spec.strip_prefix("rfc") {
            Some(number) => write!(f, "RFC {number} section {}", self.section),
            None => write!(f, "{} {}", self.spec, self.section),
        }
    }
}

/// The time a case took by its own clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClockSpan {
    /// Whether that clock is virtual.
    #[serde(rename = "virtual")]
    pub is_virtual: bool,
    /// The first instant, in nanoseconds of that clock.
    pub begin_ns: u64,
    /// The last instant.
    pub end_ns: u64,
}

impl ClockSpan {
    /// How long that was.
    pub fn length(&self) -> Duration {
        Duration::from_nanos(self.end_ns.saturating_sub(self.begin_ns))
    }
}

/// A measured value, with the bound it was held against.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Metric {
    /// What was measured, such as `failover`.
    pub name: String,
    /// The value; JSON has no word for one that is not finite and gets `null`.
    #[serde(with = "serial::number")]
    #[schemars(with = "Option<f64>")]
    pub value: f64,
    /// Its unit, such as `s`.
    pub unit: String,
    /// The largest value that is good, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
}

/// One case in one variant, run once (or not at all) and judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseResult {
    /// The full id: suite, slash, slug.
    pub id: String,
    /// The suite's id.
    pub suite: String,
    /// The sentence that states the rule.
    pub title: String,
    /// The matrix cell, such as `underlay=v4,auth=cisco`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// `sim`, `replay`, `real` or `live`.
    pub world: String,
    /// The driver of world `real`: `container` or `guest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Who was judged.
    pub subject: ImplRef,
    /// Who it was judged against.
    pub peer: ImplRef,
    /// The seed of every random choice in this case.
    pub seed: u64,
    /// The rules behind it.
    pub cites: Vec<CiteRef>,
    /// The judgement.
    pub verdict: Verdict,
    /// Time by the case's own clock.
    pub clock: ClockSpan,
    /// Time by the clock on the wall.
    #[serde(rename = "wall_ns", with = "serial::nanoseconds")]
    #[schemars(with = "u64")]
    pub wall: Duration,
    /// How many virtual seconds passed per second of that, under a virtual clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Where its evidence lies.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "serial::lossy_path")]
    #[schemars(with = "Option<String>")]
    pub evidence: Option<PathBuf>,
    /// The command that runs this case alone, in the same way.
    pub rerun: String,
    /// What was measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    /// The suite file.
    pub file: String,
    /// The line in it where the case starts, from 1.
    pub line: u32,
}

impl CaseResult {
    /// The same result with the time it took by the clock on the wall, and the rate that follows from it.
    #[must_use]
    pub fn with_wall(mut self, wall: Duration) -> CaseResult {
        let timed = self.clock.is_virtual && !wall.is_zero() && !self.clock.length().is_zero();
        self.rate = timed.then(|| self.clock.length().as_secs_f64() / wall.as_secs_f64());
        self.wall = wall;
        self
    }

    /// The name that people see: id, and the variant in brackets.
    pub fn name(&self) -> String {
        full_name(&self.id, self.variant.as_deref())
    }
}

/// An id with its variant in brackets.
pub(crate) fn full_name(id: &str, variant: Option<&str>) -> String {
    match variant {
        Some(variant) => format!("{id}[{variant}]"),
        None => id.to_owned(),
    }
}

/// Everything that one invocation found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunResult {
    /// The version of this document's form, [`super::SCHEMA`].
    pub schema: u32,
    /// The command as it was typed.
    pub command: Vec<String>,
    /// The version of the harness.
    pub harness_version: String,
    /// When it began, in UTC, as the caller formats it.
    pub began: String,
    /// How long it took by the clock on the wall.
    #[serde(rename = "wall_ns", with = "serial::nanoseconds")]
    #[schemars(with = "u64")]
    pub wall: Duration,
    /// The seed that the seeds of the cases come from.
    pub seed: u64,
    /// Kernel, container engine, images and whatever else decides a result.
    pub environment: BTreeMap<String, String>,
    /// The cases in the order in which they were selected.
    pub cases: Vec<CaseResult>,
    /// The share of the selection that this is, if it is not all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<Partition>,
    /// Where the evidence lies.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "serial::lossy_path")]
    #[schemars(with = "Option<String>")]
    pub evidence_dir: Option<PathBuf>,
    /// Set when the user or the system ended the run early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<super::Interrupt>,
    /// What went wrong outside the cases: a lab that could not be built, evidence that could not be written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// What a baseline or coverage snapshot required and this run does not have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regressions: Vec<String>,
}
