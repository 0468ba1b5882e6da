//! A DMVPN peer without I/O: NHRP, GRE and the node that joins them.
//!
//! A shell (the daemon with its sockets, the harness with its simulated network) owns a [`node::Node`], passes it packets,
//! commands and the time, and carries out what comes back. There are no sockets, threads, clocks or random numbers in
//! here; the same inputs give the same outputs, octet for octet, in the same order.
//!
//! ```text
//!                 underlay(now, outer header, packet)        overlay(now, tunnel, packet)
//!                               |                                   |
//!   command, link  ->  +--------v-----------------------------------v--------+
//!   handle_timeout ->  |  node: the only mediator                            |  -> Verdict (+ TxBatch)
//!                      |   gre <-> nhrp: messages, bindings, shortcuts       |  -> poll_output: Transmit, Event
//!                      |   rib, fib: inner destination -> adjacency          |  -> poll_timeout: deadline, reason
//!                      +-----------------------------------------------------+
//! ```

#![forbid(unsafe_code)]

pub mod buf;
pub mod config;
mod count;
pub mod entropy;
pub mod fib;
pub mod gre;
mod held;
pub mod ids;
mod inner;
pub mod io;
pub mod nhrp;
pub mod node;
pub mod rib;
pub mod stats;
pub mod time;
pub mod trace;

pub use buf::{PacketBuf, TxBatch};
pub use config::{Config, ConfigError};
pub use ids::{NhsId, TunnelId};
pub use io::{Command, LinkEvent, Output, Reply, Transmit, Underlay, Verdict};
pub use nhrp::Reason;
pub use node::Node;
pub use stats::DropReason;
pub use time::Instant;
pub use trace::Event;
