//! From what a run found to the exit code of the process, in one function.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | at least one case ran and none failed |
//! | 1 | a case failed, passed unexpectedly or left residue, or a baseline regressed |
//! | 2 | wrong usage, or an invalid suite, divergence or configuration file |
//! | 3 | nothing ran, or more skips than allowed, or a case was inconclusive |
//! | 4 | the surroundings failed: lab not built, tool missing, no permission |
//! | 5 | the harness itself failed |
//! | 130, 143 | interrupted, after teardown |
//!
//! When several apply, the first of 5, 2, 130 or 143, 1, 4, 3, 0 does. It is never the number of failures, which would
//! wrap at 256.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Counts, Outcome, RunResult, cause};

/// What the process ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExitCode(pub u8);

impl ExitCode {
    /// At least one case ran and none failed.
    pub const SUCCESS: ExitCode = ExitCode(0);
    /// A case failed.
    pub const FAILED: ExitCode = ExitCode(1);
    /// The user's input is wrong.
    pub const USAGE: ExitCode = ExitCode(2);
    /// Nothing can be concluded.
    pub const NOTHING: ExitCode = ExitCode(3);
    /// The surroundings failed.
    pub const ENVIRONMENT: ExitCode = ExitCode(4);
    /// The harness failed.
    pub const INTERNAL: ExitCode = ExitCode(5);
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        std::process::ExitCode::from(code.0)
    }
}

/// The signal that ended a run early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Interrupt {
    /// SIGINT, which is Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Interrupt {
    /// 128 and the number of the signal, as shells report it.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Interrupt::Interrupt => ExitCode(130),
            Interrupt::Terminate => ExitCode(143),
        }
    }
}

/// What the user is ready to accept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// `--deny-skips`: no skipped case is accepted.
    pub deny_skips: bool,
    /// `--max-skips N`: more than this many are not accepted.
    pub max_skips: Option<usize>,
    /// `--strict`: a warning or a flaky case counts as a failure.
    pub strict: bool,
}

/// Everything that decides the exit code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The harness panicked or contradicted itself.
    pub internal: bool,
    /// The command line or a file is wrong.
    pub usage: bool,
    /// A signal came.
    pub interrupted: Option<Interrupt>,
    /// The surroundings failed outside any case.
    pub environment: bool,
    /// A baseline or coverage snapshot regressed.
    pub regressed: bool,
    /// How many cases came to what.
    pub counts: Counts,
}

/// The exit code for what was found, as the table above says.
pub fn exit_code(found: &Findings, policy: &Policy) -> ExitCode {
    let count = |outcome| found.counts.of(outcome);
    let failed = count(Outcome::Fail) + count(Outcome::Xpass) + count(Outcome::Residue);
    let unwanted = if policy.strict { count(Outcome::Warn) + count(Outcome::Flaky) } else { 0 };
    let skips_allowed = if policy.deny_skips { 0 } else { policy.max_skips.unwrap_or(usize::MAX) };

    if found.internal {
        ExitCode::INTERNAL
    } else if found.usage {
        ExitCode::USAGE
    } else if let Some(signal) = found.interrupted {
        signal.exit_code()
    } else if failed + unwanted > 0 || found.regressed {
        ExitCode::FAILED
    } else if count(Outcome::Error) > 0 || found.environment {
        ExitCode::ENVIRONMENT
    } else if found.counts.ran() == 0 || count(Outcome::Skip) > skips_allowed || count(Outcome::Inconclusive) > 0 {
        ExitCode::NOTHING
    } else {
        ExitCode::SUCCESS
    }
}

impl RunResult {
    /// What of this run decides the exit code.
    pub fn findings(&self) -> Findings {
        Findings {
            internal: self.cases.iter().any(|case| {
                case.verdict.outcome == Outcome::Error && case.verdict.cause.as_deref() == Some(cause::PANIC)
            }),
            usage: false,
            interrupted: self.interrupted,
            environment: !self.problems.is_empty(),
            regressed: !self.regressions.is_empty(),
            counts: self.counts(),
        }
    }

    /// The exit code of a process that did this run and nothing else.
    pub fn exit_code(&self, policy: &Policy) -> ExitCode {
        exit_code(&self.findings(), policy)
    }
}
