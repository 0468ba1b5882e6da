//! From an inner destination to an adjacency: the NBMA address that a packet goes to.
//!
//! ```text
//! destination -> own? attached? -> shortcut -> route -> registered in a tunnel without a subnet -> nowhere
//!                                  (the longer of both; of equal ones the shortcut)
//!                                      |         |                   |
//!                                      |    next hop -> binding in the tunnel's cache -> NBMA address
//!                                      +-> NBMA address         or: the preferred next hop server
//! ```
//!
//! Reads the tables and changes none; what is asked for and counted is the node's business.

use std::net::IpAddr;

use crate::config::{GreMode, Tunnel, host_len};
use crate::ids::TunnelId;
use crate::nhrp::Nhrp;
use crate::nhrp::cache::BindingKind;
use crate::rib::{Hop, Rib};

/// Which way a destination lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It is this node.
    Own,
    /// Outside all tunnels: the host behind the tunnel interfaces routes on.
    Host,
    /// By a shortcut.
    Shortcut {
        /// Through this tunnel.
        tunnel: TunnelId,
        /// Protocol address of the next hop.
        via: IpAddr,
        /// NBMA address of the next hop.
        nbma: IpAddr,
    },
    /// By the routing table.
    Tunnel {
        /// Through this tunnel.
        tunnel: TunnelId,
        /// Protocol address of the next hop; the destination itself if it is a station of the tunnel.
        next_hop: IpAddr,
    },
    /// No table knows.
    Nowhere,
}

/// Where a next hop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adjacency {
    /// At this NBMA address.
    Complete {
        /// The NBMA address.
        nbma: IpAddr,
        /// Whether that was found out by asking, and has to be asked for again while it is used.
        cached: bool,
    },
    /// It is this node itself.
    Receive,
    /// Nobody knows.
    Incomplete,
}

/// The tables that a forwarding decision looks at.
#[derive(Clone, Copy, Debug)]
pub struct Fib<'a> {
    /// The tunnels; the id is the position.
    pub tunnels: &'a [Tunnel],
    /// The routed path.
    pub rib: &'a Rib,
    /// Shortcuts, bindings and next hop servers.
    pub nhrp: &'a Nhrp,
}

impl Fib<'_> {
    /// The way to `destination` of a packet that has to do with tunnel `here`, whose own subnet goes before the same one
    /// of another tunnel. A shortcut that leads back to `from`, where the packet came from, is none.
    pub fn way(self, here: TunnelId, destination: IpAddr, from: Option<IpAddr>) -> Way {
        let found = self.rib.lookup(destination);
        match found.map(|found| found.hop) {
            Some(Hop::Own) => return Way::Own,
            Some(Hop::Attached) => return Way::Host,
            _ => {}
        }
        let shortcut = self.nhrp.shortcut_to(self.rib, destination);
        if let Some(s) = shortcut.filter(|s| (s.tunnel, Some(s.nbma)) != (here, from)) {
            return Way::Shortcut { tunnel: s.tunnel, via: s.via, nbma: s.nbma };
        }
        let (len, routed) = match found.map(|found| (found.prefix_len, found.hop)) {
            Some((len, Hop::Tunnel { next_hop, .. }))
                if next_hop == destination && self.tunnel(here).is_some_and(|t| t.connects(destination, len)) =>
            {
                return Way::Tunnel { tunnel: here, next_hop };
            }
            Some((len, Hop::Tunnel { tunnel, next_hop })) => (Some(len), Way::Tunnel { tunnel, next_hop }),
            Some((len, _)) => (Some(len), Way::Host),
            None => (None, Way::Nowhere),
        };
        // In a tunnel whose subnet is not known every registered client is a route of its own.
        let without_subnet =
            |id: &TunnelId| self.tunnel(*id).is_some_and(|tunnel| tunnel.prefix_len == host_len(tunnel.address));
        let all = (0..).map(TunnelId).take(self.tunnels.len()).filter(|id| *id != here);
        let client = std::iter::once(here).chain(all).filter(without_subnet).find(|id| {
            self.nhrp.cache().lookup(*id, destination).is_some_and(|b| len.is_none_or(|len| b.prefix_len > len))
        });
        client.map_or(routed, |tunnel| Way::Tunnel { tunnel, next_hop: destination })
    }

    fn tunnel(&self, id: TunnelId) -> Option<&Tunnel> {
        self.tunnels.get(usize::from(id.0))
    }

    /// Where `next_hop`, a station of the tunnel, is.
    pub fn adjacency(self, id: TunnelId, next_hop: IpAddr) -> Adjacency {
        let Some(tunnel) = self.tunnel(id) else { return Adjacency::Incomplete };
        if next_hop == tunnel.address {
            return Adjacency::Receive;
        }
        if let GreMode::PointToPoint { remote } = tunnel.mode {
            return Adjacency::Complete { nbma: remote, cached: false };
        }
        match self.nhrp.cache().lookup(id, next_hop) {
            Some(binding) if binding.kind == BindingKind::Local => Adjacency::Receive,
            Some(binding) => Adjacency::Complete { nbma: binding.nbma, cached: binding.kind == BindingKind::Cached },
            None => Adjacency::Incomplete,
        }
    }
}
