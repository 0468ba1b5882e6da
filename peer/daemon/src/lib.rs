//! A DMVPN peer for Linux: the shell around [`dmvpn_core::Node`].
//!
//! ```text
//!   raw sockets (GRE) <-> underlay --+                 +-- control: Unix socket, JSON lines
//!                                    |                 |
//!   TUN (later) <-> overlay -------- shell: one task --+-- log: events on standard error
//!                                    |                 |
//!   monotonic clock -> clock --------+                 +-- capture: pcapng
//! ```
//!
//! Everything with a state of the protocol is in the core; what is here opens, reads, writes and waits. Files and streams
//! that may be slow (capture, log, clients) are behind bounded queues, and what does not fit is counted in [`stats`].

#![deny(unsafe_code)]

pub mod capture;
pub mod cli;
pub mod clock;
pub mod control;
pub mod entropy;
pub mod fail;
pub mod log;
pub mod outer;
pub mod overlay;
pub mod shell;
pub mod state;
pub mod stats;
pub mod table;
pub mod underlay;
pub mod up;
pub mod view;
