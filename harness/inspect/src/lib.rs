//! Captures of DMVPN, read: from files to packets, from octets to named fields, and from packets to what happened.
//!
//! It judges nothing and sends nothing. The harness judges by what this crate reads; `cargo lab inspect` shows it.

pub mod capture;
pub mod dissect;
pub mod exchange;
pub mod filter;
pub mod keys;
pub mod show;
pub mod story;
pub mod view;
