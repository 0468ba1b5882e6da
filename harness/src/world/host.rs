//! The host behind an in-process peer: it has the peer's inner addresses, answers echo requests to them, asks for echoes,
//! and stands for whatever else is in the networks attached to the peer.

use std::collections::BTreeSet;
use std::net::IpAddr;

use dmvpn_core::config::{Config, RouteVia};
use dmvpn_core::ids::TunnelId;
use dmvpn_core::io::Command;
use dmvpn_core::rib::{Hop, Rib};

use super::{echo, outer};

/// Identifier of the echo requests of hosts.
const ID: u16 = 0x1AC;

/// Addresses, routes, and echoes under way.
#[derive(Debug)]
pub(super) struct Host {
    /// Addresses in tunnels and in attached networks, those of the tunnels first.
    own: Vec<IpAddr>,
    rib: Rib,
    asked: u16,
    answered: BTreeSet<u16>,
}

/// What a host does with a packet.
#[derive(Debug)]
pub(super) struct Taken {
    /// In a few words, for the record.
    pub(super) what: String,
    /// What it sends in return.
    pub(super) answer: Option<Vec<u8>>,
}

impl Host {
    /// The host behind a peer with that configuration.
    pub(super) fn new(config: &Config) -> Self {
        let tunnels = config.tunnels.iter().map(|tunnel| tunnel.address);
        let attached = config.routes.iter().filter_map(|route| match route.via {
            RouteVia::Attached { address } => address,
            RouteVia::Beyond | RouteVia::Tunnel { .. } => None,
        });
        Self {
            own: tunnels.chain(attached).collect(),
            rib: Rib::new(&config.tunnels, &config.routes),
            asked: 0,
            answered: BTreeSet::new(),
        }
    }

    /// Follows a change of the peer's routes.
    pub(super) fn follow(&mut self, command: Command) {
        match command {
            Command::AddRoute(route) => drop(self.rib.add(route)),
            Command::DeleteRoute { prefix, prefix_len } => drop(self.rib.delete(prefix, prefix_len)),
            _ => {}
        }
    }

    /// Takes a packet out of a tunnel.
    pub(super) fn take(&mut self, packet: &[u8]) -> Taken {
        let Some((src, dst)) = ends(packet) else {
            return Taken { what: "delivered what is no IP packet".to_owned(), answer: None };
        };
        if self.own.contains(&dst) {
            if let Some((_, _, ID, number)) = echo::answered(packet) {
                self.answered.insert(number);
                return Taken { what: format!("has the echo of {src}"), answer: None };
            }
            return Taken { what: format!("delivered {src} -> {dst} to itself"), answer: echo::answer(packet) };
        }
        let what = match self.rib.lookup(dst).map(|found| found.hop) {
            Some(Hop::Attached) => format!("delivered {src} -> {dst} to its network"),
            Some(Hop::Beyond) => format!("delivered {src} -> {dst} to a router outside"),
            _ => format!("delivered {src} -> {dst} to nobody"),
        };
        Taken { what, answer: None }
    }

    /// The tunnel that a packet of the host goes into: that of the best route to its destination.
    pub(super) fn tunnel_of(&self, packet: &[u8]) -> TunnelId {
        match ends(packet).and_then(|(_, dst)| self.rib.lookup(dst)) {
            Some(found) => match found.hop {
                Hop::Tunnel { tunnel, .. } => tunnel,
                Hop::Own | Hop::Attached | Hop::Beyond => TunnelId(0),
            },
            None => TunnelId(0),
        }
    }

    /// An echo request with so many octets of data, and its number. Without `src` it comes from the address of the tunnel
    /// that it goes into. `None` if there is no address of that family.
    pub(super) fn ask(&mut self, src: Option<IpAddr>, dst: IpAddr, data: usize) -> Option<(u16, Vec<u8>)> {
        let through = match self.rib.lookup(dst).map(|found| found.hop) {
            Some(Hop::Tunnel { tunnel, .. }) => self.own.get(usize::from(tunnel.0)).copied(),
            _ => None,
        };
        let fits = |address: &IpAddr| address.is_ipv4() == dst.is_ipv4();
        let src = src.or(through).filter(fits).or_else(|| self.own.iter().copied().find(fits))?;
        self.asked = self.asked.wrapping_add(1);
        let message = echo::request(src, dst, ID, self.asked, data);
        Some((self.asked, echo::packet(src, dst, echo::icmp_of(src), echo::TTL, 0, message)?))
    }

    /// How many of these requests were answered.
    pub(super) fn answers(&self, numbers: &[u16]) -> u64 {
        numbers.iter().filter(|number| self.answered.contains(number)).count() as u64
    }
}

/// Source and destination of an IP packet.
fn ends(packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
    outer::addresses(packet).map(|addresses| (addresses.src, addresses.dst))
}
