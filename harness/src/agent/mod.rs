//! The agent: the harness's own executable at work inside a router's container.
//!
//! A router is an island: a container without any network, whose standard streams are its only connection. Over them
//! run both what the harness asks for and every Ethernet frame, so that the harness *is* the wire between routers and
//! judges and impairs each frame at a point that neither side controls.
//!
//! ```text
//!  harness ==stdio==> agent router (first process of the container)
//!                       |  host kernel can do GRE and ESP: services here; frames through veth and a packet socket
//!                       |  otherwise: the lab's kernel is booted, and
//!                       +==socket pair==> console line of the guest ==> agent guest-init: services there
//!                       +--socket pair--> eth0 of the guest
//! ```
//!
//! The image carries no agent. The executable is copied into each container, so harness and agent cannot disagree.

// The agent is an edge: its deadlines are those of real processes, and there is no virtual clock to take them from.
#![allow(clippy::disallowed_methods)]

mod children;
mod guest;
mod host;
mod lab;
mod outbox;
pub mod protocol;
mod router;
mod services;
mod sys;
mod vocabulary;
mod vty;

/// Where the harness's executable lies in every router, whatever carries it.
pub const EXECUTABLE: &str = "/lab/dmvpn-lab";

pub use guest::run_guest_init;
pub use router::{KernelChoice, MacAddress, RouterArgs, run_router};
