//! Runs cases: from a selection to results.

pub mod case;
pub mod compose;
pub mod nodes;
mod steps;
