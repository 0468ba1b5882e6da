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
pub use source::{MAX_FILE_LEN, Settings, load};

/// A route for a running node, in the words of a configuration file: `to` a prefix, `via` an address, `beyond` or
/// `attached`, and the name of a tunnel where the next hop's address does not say which one.
///
/// # Errors
/// What is wrong with it, in words.
pub fn route(
    to: &str,
    via: &str,
    tunnel: Option<&str>,
    tunnels: &[dmvpn_core::config::Tunnel],
) -> Result<dmvpn_core::config::Route, String> {
    convert::route_in_words(to, via, tunnel, tunnels)
}

/// The first address and the length of a prefix, as a configuration file writes it.
///
/// # Errors
/// What is wrong with it, in words.
pub fn prefix(text: &str) -> Result<(std::net::IpAddr, u8), String> {
    convert::prefix_in_words(text)
}
