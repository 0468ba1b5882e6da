//! Says what was found: to people, and to programs.
//!
//! Every renderer is a function from the result model in [`crate::verdict`] to text, one file each: [`human`],
//! [`json`], [`junit`], [`tap`], [`markdown`], [`github`]. The [`Reporter`] sends events and results to the renderers that
//! `--format` asks for. Progress goes to the standard error; the report goes to the standard output, or to the standard
//! error as well when a data format takes the standard output.
//!
//! [`pages`] makes a folder of HTML of a result and its evidence, with pictures by [`ladder`]. [`merge`] makes one result
//! of several, [`diff`] holds two against each other; both lay results beside each other by their [`cell`].

pub mod cell;
mod compare;
pub mod diff;
mod failure;
mod format;
pub mod github;
pub mod human;
pub mod json;
pub mod junit;
pub mod ladder;
pub mod markdown;
pub mod merge;
pub mod octets;
pub mod pages;
mod reporter;
pub mod tap;
mod terminal;

pub(crate) use compare::packet_lines;
pub use format::{Format, FormatError, FormatSpec};
pub use github::{Annotate, Github};
pub use human::Verbosity;
pub use reporter::{Options, ReportError, Reporter, Streams};
pub(crate) use terminal::size as terminal_size;
pub use terminal::{ColorChoice, Surroundings, Terminal, Tint};

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
