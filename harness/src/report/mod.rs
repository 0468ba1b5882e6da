//! Says what was found: to people, and to programs.
//!
//! Every renderer is a function from the result model in [`crate::verdict`] to text, one file each: [`human`],
//! [`json`], [`junit`]. The [`Reporter`] sends events and results to the renderers that `--format` asks for. Progress
//! goes to the standard error; the report goes to the standard output, or to the standard error as well when a
//! data format takes the standard output.

mod compare;
mod failure;
mod format;
pub mod human;
pub mod json;
pub mod junit;
mod reporter;
mod terminal;

pub use format::{Format, FormatError, FormatSpec};
pub use human::Verbosity;
pub use reporter::{Options, ReportError, Reporter, Streams};
pub(crate) use terminal::size as terminal_size;
pub use terminal::{ColorChoice, Surroundings, Terminal, Tint};

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
