//! Holds what was observed against what a suite expects.

pub mod env;
pub mod matcher;
pub mod pattern;

pub use env::{Bound, Env};
pub use matcher::{Fields, check_row};
pub use pattern::{Judged, is_message, judge, message_name, nearest};
