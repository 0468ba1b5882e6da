//! Runs cases: from a selection to results.
//!
//! ```text
//! selection x subjects -> plan -> execute -> CaseRun (steps, control, teardown) -> divergences -> evidence, results
//! ```

pub mod case;
pub mod cast;
pub mod compose;
pub mod divergence;
pub mod execute;
pub mod keep;
pub mod nodes;
pub mod plan;
mod steps;

#[cfg(test)]
mod tests;
