//! What came of a rule.

use serde::Serialize;

use super::Sender;
use crate::requirement::Strength;
use crate::verdict::Comparison;

/// What came of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Result {
    /// No packet was about it. This is not a pass.
    NotSeen,
    /// All packets that were about it kept it.
    Pass,
    /// All breaches are known ones.
    Known,
    /// A recommendation was not followed.
    Warn,
    /// It was broken.
    Fail,
}

impl Result {
    /// The words in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Result::NotSeen => "not seen",
            Result::Pass => "pass",
            Result::Known => "known",
            Result::Warn => "warn",
            Result::Fail => "fail",
        }
    }
}

/// How many breaches of one rule are kept in full; the others are counted.
pub(super) const FINDINGS_KEPT: usize = 8;

/// How many packets of breaches are named; the others are counted.
pub(super) const NUMBERS_KEPT: usize = 64;

/// A packet that breaks a rule.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Its number in the capture.
    pub packet: u64,
    /// The number of the packet that it was held against, if the rule is about two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<u64>,
    /// Who sent it.
    pub sender: Sender,
    /// Expected and actual.
    pub comparison: Comparison,
}

/// What came of a rule in one capture.
#[derive(Clone, Debug, Serialize)]
pub struct RuleVerdict {
    /// The rule.
    pub rule: String,
    /// It, in one sentence.
    pub title: String,
    /// Requirements that it judges.
    pub cites: Vec<String>,
    /// How strong the strongest of them is.
    pub level: Strength,
    /// What came of it.
    pub result: Result,
    /// How many packets it was about.
    pub applied: u64,
    /// How many broke it and are not known to.
    pub breaches: u64,
    /// How many broke it as an exception says.
    pub known: u64,
    /// The packets that broke it, at most 64 of them.
    pub packets: Vec<u64>,
    /// The first of them in full.
    pub findings: Vec<Finding>,
    /// Which exceptions were needed, by their place in the list.
    #[serde(skip)]
    pub exceptions: Vec<usize>,
}

/// What came of one capture.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Packets that were judged.
    pub judged: u64,
    /// Packets of stations that the case plays, and what answers or passes on one of theirs that breaks a rule.
    pub left_out: u64,
    /// How often something was forgotten because a limit of the memory was reached: pairs may have been missed then.
    pub forgotten: u64,
    /// Requests whose answer was still due at the end.
    pub undecided: u64,
}
