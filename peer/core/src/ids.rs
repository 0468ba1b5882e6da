//! Names by which engines speak of things that they do not own.

use std::fmt;

/// A tunnel of the node: its position in [`Config::tunnels`](crate::config::Config::tunnels).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TunnelId(pub u16);

impl fmt::Display for TunnelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tunnel {}", self.0)
    }
}

/// A next hop server of a tunnel: its position in [`Nhrp::nhs`](crate::config::Nhrp::nhs).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NhsId {
    /// The tunnel that the server is reached through.
    pub tunnel: TunnelId,
    /// Position among the tunnel's servers.
    pub index: u16,
}

impl fmt::Display for NhsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} nhs {}", self.tunnel, self.index)
    }
}
