//! The result model: what a case was judged to be, why, and what a whole run amounts to.
//!
//! Everything that prints, stores or compares results is a function from these types; nothing in here does any I/O or
//! knows how it will look. Three files: [`model`] (outcomes, verdicts, results), [`event`] (the same facts as they
//! happen) and [`exit`] (from a run to the exit code, in one place).

pub mod event;
pub mod exit;
pub mod model;
mod serial;
mod summary;
mod visit;

pub use event::{Event, SCHEMA};
pub use exit::{ExitCode, Findings, Interrupt, Policy, exit_code};
pub use model::{CaseResult, RunResult};
pub use model::{
    CiteRef, ClockSpan, Comparison, Failure, FieldRow, ImplRef, Metric, NodeLog, Outcome, StepRef, Verdict, cause,
};
pub use summary::Counts;

#[cfg(test)]
mod tests;
