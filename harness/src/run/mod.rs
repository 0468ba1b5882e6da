//! Runs cases: from a selection to results.

pub mod compose;
pub mod nodes;
