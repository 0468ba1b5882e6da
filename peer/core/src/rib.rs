//! The routing table: what leads where before NHRP has found anything shorter (draft-detienne-dmvpn-01 §4.5: the next
//! station on a request's way is the next hop of the best route to the address that is asked for).
//!
//! A tunnel whose subnet is known is itself a route: every station of the subnet is its own next hop.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::config::{Route, RouteVia, Tunnel, host_len, in_prefix, masked};
use crate::ids::TunnelId;

/// Where the best route to an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// To this node itself: a tunnel's address, or an own address in an attached network.
    Own,
    /// To an attached network.
    Attached,
    /// To a router outside all tunnels.
    Beyond,
    /// Through a tunnel.
    Tunnel {
        /// The tunnel.
        tunnel: TunnelId,
        /// Protocol address of the next hop: the destination itself if it is on the tunnel's subnet.
        next_hop: IpAddr,
    },
}

/// The best route to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it leads.
    pub hop: Hop,
    /// First address of its prefix.
    pub prefix: IpAddr,
    /// Length of its prefix.
    pub prefix_len: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Own,
    /// The subnet of a tunnel.
    Connected(TunnelId),
    Via(RouteVia),
}

/// Prefixes and where they lead.
#[derive(Clone, Debug, Default)]
pub struct Rib {
    entries: BTreeMap<(u8, IpAddr), Entry>,
    /// How many of the entries came from [`Self::add`].
    added: usize,
}

impl Rib {
    /// The subnets and addresses of the tunnels, and the configured routes.
    pub fn new(tunnels: &[Tunnel], routes: &[Route]) -> Self {
        let mut rib = Self::default();
        for (id, tunnel) in (0..).map(TunnelId).zip(tunnels) {
            let host = host_len(tunnel.address);
            if tunnel.prefix_len < host {
                let subnet = masked(tunnel.address, tunnel.prefix_len);
                rib.entries.entry((tunnel.prefix_len, subnet)).or_insert(Entry::Connected(id));
            }
            rib.entries.insert((host, tunnel.address), Entry::Own);
        }
        for route in routes {
            rib.add(*route);
        }
        rib
    }

    /// Routes that were configured or added.
    pub fn len(&self) -> usize {
        self.added
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.added == 0
    }

    /// Puts a route in, in place of another to the same prefix; says whether anything is different now. What the tunnels
    /// brought stays.
    pub fn add(&mut self, route: Route) -> bool {
        let len = route.prefix_len.min(host_len(route.prefix));
        let key = (len, masked(route.prefix, len));
        match self.entries.get(&key) {
            Some(Entry::Own | Entry::Connected(_)) => return false,
            Some(Entry::Via(old)) if *old == route.via => return false,
            Some(Entry::Via(_)) => {}
            None => self.added += 1,
        }
        self.entries.insert(key, Entry::Via(route.via));
        true
    }

    /// Takes a route out; says whether there was one.
    pub fn delete(&mut self, prefix: IpAddr, prefix_len: u8) -> bool {
        let len = prefix_len.min(host_len(prefix));
        let key = (len, masked(prefix, len));
        let there = matches!(self.entries.get(&key), Some(Entry::Via(_)));
        if there {
            self.entries.remove(&key);
            self.added -= 1;
        }
        there
    }

    /// The route with the longest prefix that covers `destination`.
    pub fn lookup(&self, destination: IpAddr) -> Option<Found> {
        let host = host_len(destination);
        (0..=host).rev().find_map(|len| {
            let prefix = masked(destination, len);
            let hop = match *self.entries.get(&(len, prefix))? {
                Entry::Own => Hop::Own,
                Entry::Connected(tunnel) => Hop::Tunnel { tunnel, next_hop: destination },
                Entry::Via(RouteVia::Attached { address }) if address == Some(destination) => Hop::Own,
                Entry::Via(RouteVia::Attached { .. }) => Hop::Attached,
                Entry::Via(RouteVia::Beyond) => Hop::Beyond,
                Entry::Via(RouteVia::Tunnel { tunnel, next_hop }) => Hop::Tunnel { tunnel, next_hop },
            };
            Some(Found { hop, prefix, prefix_len: len })
        })
    }

    /// The shortest prefix that covers `destination`, is no shorter than `at_least`, lies within the best route to it
    /// and holds no longer route that leads elsewhere (RFC 2332 §6.3, NHRP-6.3-01).
    pub fn widest(&self, destination: IpAddr, at_least: u8) -> Option<u8> {
        let found = self.lookup(destination)?;
        let host = host_len(destination);
        let from = found.prefix_len.max(at_least.min(host));
        (from..=host).find(|len| {
            self.entries
                .keys()
                .filter(|(other, _)| *other > found.prefix_len && *other < host)
                .all(|(_, prefix)| !in_prefix(*prefix, destination, *len))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn route(prefix: &str, prefix_len: u8, via: RouteVia) -> Route {
        Route { prefix: ip(prefix), prefix_len, via }
    }

    fn rib() -> Rib {
        let tunnel = Tunnel::new("tun0", ip("192.0.2.1"), ip("10.0.0.1"), 24);
        let spoke = RouteVia::Tunnel { tunnel: TunnelId(0), next_hop: ip("10.0.0.12") };
        let routes = [
            route("172.20.0.0", 16, RouteVia::Attached { address: Some(ip("172.20.0.1")) }),
            route("172.20.8.0", 24, spoke),
            route("0.0.0.0", 0, RouteVia::Beyond),
        ];
        Rib::new(&[tunnel], &routes)
    }

    #[test]
    fn the_longest_prefix_wins() {
        let rib = rib();
        let hop = |to: &str| rib.lookup(ip(to)).map(|found| (found.hop, found.prefix_len));
        let through = |to: &str| Hop::Tunnel { tunnel: TunnelId(0), next_hop: ip(to) };
        assert_eq!(hop("10.0.0.1"), Some((Hop::Own, 32)));
        assert_eq!(hop("10.0.0.77"), Some((through("10.0.0.77"), 24)));
        assert_eq!(hop("172.20.0.1"), Some((Hop::Own, 16)));
        assert_eq!(hop("172.20.1.1"), Some((Hop::Attached, 16)));
        assert_eq!(hop("172.20.8.9"), Some((through("10.0.0.12"), 24)));
        assert_eq!(hop("198.51.100.1"), Some((Hop::Beyond, 0)));
        assert_eq!(hop("fd00::1"), None);
    }

    #[test]
    fn routes_come_and_go_and_those_of_tunnels_stay() {
        let mut rib = rib();
        assert_eq!(rib.len(), 3);
        assert!(!rib.add(route("10.0.0.0", 24, RouteVia::Beyond)));
        assert!(!rib.delete(ip("10.0.0.0"), 24));
        assert!(!rib.add(route("0.0.0.0", 0, RouteVia::Beyond)));
        assert!(rib.delete(ip("0.0.0.0"), 0) && !rib.delete(ip("0.0.0.0"), 0));
        assert!(rib.add(route("172.20.8.0", 24, RouteVia::Beyond)));
        assert_eq!((rib.len(), rib.lookup(ip("172.20.8.9")).unwrap().hop), (2, Hop::Beyond));
    }

    #[test]
    fn a_prefix_in_an_answer_holds_nothing_that_leads_elsewhere() {
        let rib = rib();
        // 172.20.0.0/21 is the widest without 172.20.8.0/24.
        assert_eq!(rib.widest(ip("172.20.1.1"), 0), Some(21));
        assert_eq!(rib.widest(ip("172.20.1.1"), 24), Some(24));
        assert_eq!(rib.widest(ip("172.20.9.9"), 0), Some(24));
        assert_eq!(rib.widest(ip("172.20.8.1"), 0), Some(24));
        assert_eq!(rib.widest(ip("fd00::1"), 0), None);
    }
}
