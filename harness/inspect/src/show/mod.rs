//! Packets as text for programs and people.

pub mod json;
pub mod meaning;
