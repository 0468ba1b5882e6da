//! Configuration files of a DMVPN peer.
//!
//! ```text
//!   file -> source (size limit, UTF-8) -> yaml -+-> document (typed, each value with its place) -> convert -> core::Config
//!                                   ios (later) -+
//! ```
//!
//! A syntax only fills a [`document::Document`]. Defaults, the check against what a node can run, and the way from such a
//! problem back to a place in the file are common to all syntaxes. Every complaint is an [`Error`] with file, line and
//! column, which prints as a miette report. What an authentication string holds is in no message and in no excerpt.

#![forbid(unsafe_code)]

mod convert;
pub mod document;
mod error;
mod mask;
mod scalar;
mod source;
pub mod yaml;

pub use error::{Error, Place};
pub use source::{MAX_FILE_LEN, load};
