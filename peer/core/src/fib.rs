//! From an inner destination to an adjacency: the NBMA address that a packet goes to.
//!
//! Small on purpose: the kernel in front of the tunnel interface routes, and has already chosen this tunnel. What is
//! left is the next hop. A routing table with longest prefix match, learned shortcuts and prebuilt rewrites goes in
//! front of [`Fib::adjacency`] later; its callers do not change.

use std::net::IpAddr;

use crate::config::{GreMode, Tunnel};
use crate::ids::TunnelId;
use crate::nhrp::cache::{BindingKind, Cache};
use crate::nhrp::registration::Registrations;

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
    /// The adjacency for `destination` in a tunnel.
    pub fn adjacency(
        self,
        id: TunnelId,
        tunnel: &Tunnel,
        destination: IpAddr,
        cache: &Cache,
        registrations: &Registrations,
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
            None => {
                registrations.preferred(id).map_or(Adjacency::Incomplete, |via| Adjacency::Complete { nbma: via.nbma })
            }
        }
    }
}
