//! From an inner destination to an adjacency: the NBMA address that a packet goes to.
//!
//! Small on purpose: the kernel in front of the tunnel interface routes, and has already chosen this tunnel. What is
//! left is the next hop. A routing table with longest prefix match, learned shortcuts and prebuilt rewrites goes in
//! front of [`Fib::adjacency`] later; its callers do not change.

use std::net::IpAddr;

use crate::config::{GreMode, Tunnel};
use crate::ids::TunnelId;
use crate::nhrp::cache::{BindingKind, Cache};
use crate::nhrp::registration::Via;

/// Where a packet for an inner destination goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adjacency {
    /// To this NBMA address.
    Complete {
        /// The NBMA address.
        nbma: IpAddr,
    },
    /// To this node itself.
    Receive,
    /// Nobody knows.
    Incomplete,
}

/// The forwarding decision. Holds no state yet: the cache and the registrations are the tables.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fib;

impl Fib {
    /// The adjacency for `destination` in a tunnel. `servers` are the tunnel's next hop servers.
    ///
    /// A server that this node is registered with is preferred over one that it is not, then the lower priority, then
    /// the order of the configuration: a spoke that has just started may send by way of a server that has not answered
    /// yet, because its address is configured.
    pub fn adjacency(
        self,
        id: TunnelId,
        tunnel: &Tunnel,
        destination: IpAddr,
        cache: &Cache,
        servers: impl Iterator<Item = Via>,
    ) -> Adjacency {
        if destination == tunnel.address {
            return Adjacency::Receive;
        }
        if let GreMode::PointToPoint { remote } = tunnel.mode {
            return Adjacency::Complete { nbma: remote };
        }
        // A list of multicast receivers comes with a later issue; a single binding never covers them.
        if destination.is_multicast() {
            return Adjacency::Incomplete;
        }
        match cache.lookup(id, destination) {
            Some(binding) if binding.kind == BindingKind::Local => Adjacency::Receive,
            Some(binding) => Adjacency::Complete { nbma: binding.nbma },
            None => servers
                .min_by_key(|via| (!via.registered, via.priority, via.nhs))
                .map_or(Adjacency::Incomplete, |via| Adjacency::Complete { nbma: via.nbma }),
        }
    }
}
