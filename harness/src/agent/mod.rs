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
//! In a guest under a virtual clock (`--kernel guest`) the agent is the first process of a PID namespace of its own, and the
//! far end of a TAP interface is the wire.
//!
//! The image carries no agent. The executable is copied into each container, so harness and agent cannot disagree.

// The agent is an edge: its deadlines are those of real processes, and there is no virtual clock to take them from.
#![allow(clippy::disallowed_methods)]

mod children;
mod guest;
mod host;
mod lab;
mod outbox;
mod programs;
pub mod protocol;
mod router;
mod services;
pub mod session;
mod sys;
mod tap;
mod vocabulary;
mod vty;
mod window;
mod wire;

pub use guest::{GUEST_MARK, power_off, run_guest_init};
/// Where the harness's executable lies in every router.
pub const EXECUTABLE: &str = "/lab/dmvpn-lab";

pub use router::{KernelChoice, MacAddress, RouterArgs, run_router};
pub use window::Window;
