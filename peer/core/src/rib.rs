//! The routing table: what leads where before NHRP has found anything shorter (draft-detienne-dmvpn-01 §4.5: the next
//! station on a request's way is the next hop of the best route to the address that is asked for).
//!
//! A tunnel whose subnet is known is itself a route: every station of the subnet is its own next hop.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::config::{Route, RouteVia, Tunnel, host_len, in_prefix, last_of, masked};
use crate::count::Counts;
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
///
/// Neither question costs more than a few searches in a sorted table, however many routes there are: both are asked
/// about addresses that strangers choose.
#[derive(Clone, Debug, Default)]
pub struct Rib {
    /// By first address, so that the prefixes within a prefix stand together.
    entries: BTreeMap<(IpAddr, u8), Entry>,
    /// How many entries have which length in which family, so that a look-up tries only lengths that exist.
    lengths: Counts<(bool, u8)>,
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
                let subnet = (masked(tunnel.address, tunnel.prefix_len), tunnel.prefix_len);
                // Two tunnels in one subnet: the first one has it.
                if !rib.entries.contains_key(&subnet) {
                    rib.insert(subnet, Entry::Connected(id));
                }
            }
            rib.insert((tunnel.address, host), Entry::Own);
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
        let key = (masked(route.prefix, len), len);
        match self.entries.get(&key) {
            Some(Entry::Own | Entry::Connected(_)) => return false,
            Some(Entry::Via(old)) if *old == route.via => return false,
            Some(Entry::Via(_)) => {}
            None => self.added += 1,
        }
        self.insert(key, Entry::Via(route.via));
        true
    }

    fn insert(&mut self, key: (IpAddr, u8), entry: Entry) {
        if self.entries.insert(key, entry).is_none() {
            self.lengths.add((key.0.is_ipv6(), key.1));
        }
    }

    /// Takes a route out; says whether there was one.
    pub fn delete(&mut self, prefix: IpAddr, prefix_len: u8) -> bool {
        let len = prefix_len.min(host_len(prefix));
        let key = (masked(prefix, len), len);
        let there = matches!(self.entries.get(&key), Some(Entry::Via(_)));
        if there {
            self.entries.remove(&key);
            self.added -= 1;
            self.lengths.remove(&(prefix.is_ipv6(), len));
        }
        there
    }

    /// The route with the longest prefix that covers `destination`.
    pub fn lookup(&self, destination: IpAddr) -> Option<Found> {
        let family = destination.is_ipv6();
        let lengths = self.lengths.keys((family, 0)..=(family, host_len(destination))).rev();
        lengths.map(|(_, len)| *len).find_map(|len| {
            let prefix = masked(destination, len);
            let hop = match *self.entries.get(&(prefix, len))? {
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
    /// and holds no other route (RFC 2332 §6.3, NHRP-6.3-01). An own address of a tunnel does not count as one: it is
    /// reached here whatever leads here.
    pub fn widest(&self, destination: IpAddr, at_least: u8) -> Option<u8> {
        let found = self.lookup(destination)?;
        let host = host_len(destination);
        let inside = |(prefix, _): &(IpAddr, u8)| in_prefix(*prefix, found.prefix, found.prefix_len);
        let other = |((_, len), entry): &(&(IpAddr, u8), &Entry)| *len > found.prefix_len && **entry != Entry::Own;
        // Of all routes within, the one that shares most bits with the destination is next to it in the order of
        // addresses, before it or behind it. Only own addresses and the best route itself are passed by.
        let here = (destination, host);
        let before = self.entries.range(..=here).rev().take_while(|(key, _)| inside(key)).find(other);
        let behind = self.entries.range(here..).take_while(|(key, _)| inside(key)).find(other);
        let shared = [before, behind].into_iter().flatten().map(|((prefix, _), _)| shared_bits(*prefix, destination));
        let apart = shared.max().map_or(0, |bits| bits.saturating_add(1));
        Some(found.prefix_len.max(at_least).max(apart).min(host))
    }

    /// Whether an attached network has addresses in common with a prefix.
    pub fn attaches_within(&self, prefix: IpAddr, prefix_len: u8) -> bool {
        let first = masked(prefix, prefix_len);
        let attached = |entry: &Entry| matches!(entry, Entry::Via(RouteVia::Attached { .. }));
        self.entries
            .range((first, prefix_len)..=(last_of(first, prefix_len), u8::MAX))
            .any(|(_, entry)| attached(entry))
            || (0..prefix_len).any(|len| self.entries.get(&(masked(first, len), len)).is_some_and(attached))
    }

    /// Checks what must always hold; for debug builds and fuzzing.
    ///
    /// # Errors
    /// The broken rule, in words.
    pub fn invariants(&self) -> Result<(), String> {
        let added = self.entries.values().filter(|entry| matches!(entry, Entry::Via(_))).count();
        if added != self.added {
            return Err(format!("{added} routes, {} counted", self.added));
        }
        if self.lengths.total() != self.entries.len() {
            return Err("lengths of routes are miscounted".into());
        }
        if self.entries.keys().any(|(prefix, len)| masked(*prefix, *len) != *prefix) {
            return Err("a route is filed wrongly".into());
        }
        Ok(())
    }
}

/// How many of the first bits two addresses of one family share.
fn shared_bits(a: IpAddr, b: IpAddr) -> u8 {
    let bits = match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => 0,
    };
    // At most 128.
    bits as u8
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

    /// What `widest` says, from every route there is.
    fn widest_by_all(rib: &Rib, destination: IpAddr, at_least: u8) -> Option<u8> {
        let found = rib.lookup(destination)?;
        let host = host_len(destination);
        (found.prefix_len.max(at_least)..=host).find(|len| {
            let others =
                rib.entries.iter().filter(|((_, other), entry)| *other > found.prefix_len && **entry != Entry::Own);
            others.into_iter().all(|((prefix, _), _)| !in_prefix(*prefix, destination, *len) || *len == host)
        })
    }

    #[test]
    fn own_addresses_narrow_no_answer_and_host_routes_do() {
        let mut rib = rib();
        assert_eq!(rib.widest(ip("10.0.0.2"), 0), Some(24));
        rib.add(route("172.20.1.7", 32, RouteVia::Beyond));
        assert_eq!(rib.widest(ip("172.20.1.1"), 0), Some(30));
        assert_eq!(rib.widest(ip("172.20.1.7"), 0), Some(32));
    }

    proptest::proptest! {
        #[test]
        fn neighbours_say_the_same_as_all_routes(
            routes in proptest::collection::vec((proptest::prelude::any::<u16>(), 8u8..=32), 0..40),
            asked: u16,
            at_least in 0u8..=32,
        ) {
            let mut rib = rib();
            let address = |low: u16| IpAddr::from([172, 20, low.to_be_bytes()[0], low.to_be_bytes()[1]]);
            for (low, prefix_len) in routes {
                rib.add(Route { prefix: address(low), prefix_len, via: RouteVia::Beyond });
            }
            rib.invariants().unwrap();
            let asked = address(asked);
            proptest::prop_assert_eq!(rib.widest(asked, at_least), widest_by_all(&rib, asked, at_least));
        }
    }
}
