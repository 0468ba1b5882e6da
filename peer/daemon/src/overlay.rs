//! Where inner packets go: **the seam for TUN**.
//!
//! [`Overlay::deliver`] is all that is needed for the way in. For the way out an implementation gets a `poll_readable`
//! and a `receive` like [`crate::underlay::Underlay`]'s, the loop in [`crate::shell`] one more branch, which hands what it
//! reads to `Node::overlay` (buffers with `Node::headroom` octets in front) and the batch to the underlay.

use dmvpn_core::{PacketBuf, TunnelId};

/// Why an inner packet was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// The tunnel has no interface.
    #[error("the tunnel has no network interface")]
    NoInterface,
}

/// The inner side of the tunnels.
pub trait Overlay {
    /// Hands an inner IP packet to a tunnel's interface.
    ///
    /// # Errors
    /// Why it is lost.
    fn deliver(&mut self, tunnel: TunnelId, packet: PacketBuf) -> Result<(), Undelivered>;
}

/// No interfaces: the peer speaks NHRP and carries no traffic.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoOverlay;

impl Overlay for NoOverlay {
    fn deliver(&mut self, _tunnel: TunnelId, _packet: PacketBuf) -> Result<(), Undelivered> {
        Err(Undelivered::NoInterface)
    }
}
