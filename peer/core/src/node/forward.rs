//! The node's data plane: inner packets from the underlay and from the tunnel interfaces, and where they go.
//!
//! Both take the same decision ([`Fib`]): shortcut, route, binding, next hop server. What differs is who routed last. A
//! packet from a tunnel interface was routed by the host, which has counted its hop; one that came through a tunnel and
//! leaves through one is routed here, so here its hop is counted, and here its previous hop learns of a shorter way.

use std::net::IpAddr;

use dmvpn_wire::code::EtherType;

use super::Node;
use crate::buf::{PacketBuf, TxBatch};
use crate::config::{GreMode, Multicast, Tunnel, last_of, same_network};
use crate::fib::{Adjacency, Fib, Way};
use crate::gre::Gre;
use crate::held::NextHop;
use crate::ids::TunnelId;
use crate::inner::{self, Inner};
use crate::io::{Output, Verdict};
use crate::nhrp::cache::BindingKind;
use crate::stats::DropReason;
use crate::trace::Event;

/// The tunnel end that a packet came from: tunnel and outer source.
type End = (TunnelId, IpAddr);

/// What became of the search for a way through a tunnel.
#[derive(Clone, Copy, Debug)]
enum Search {
    /// To this NBMA address.
    Found {
        tunnel: TunnelId,
        nbma: IpAddr,
        /// Whether it is the destination itself that is there.
        direct: bool,
        /// Whose place was found out by asking: the destination's, or the next hop's.
        learned: Option<IpAddr>,
    },
    /// The next hop turned out to be this node.
    Here,
    /// The next hop is asked for, and there is no other way meanwhile.
    Wait(NextHop),
}

impl Node {
    fn fib(&self) -> Fib<'_> {
        Fib { tunnels: &self.config.tunnels, rib: &self.rib, nhrp: &self.nhrp }
    }

    /// Takes an inner packet out of a tunnel.
    pub(super) fn take_from_tunnel(
        &mut self,
        end: End,
        ether_type: EtherType,
        packet: PacketBuf,
        batch: &mut TxBatch,
    ) -> Result<Verdict, DropReason> {
        let inner = Inner::read(&packet).filter(|inner| inner.ether_type() == ether_type);
        let inner = inner.ok_or(DropReason::InnerMalformed)?;
        // What is for all is not passed on: a hub copies its own multicast to its clients, not that of one to the others.
        if inner.routable() && !self.is_broadcast(end.0, inner.dst) {
            let way = self.fib().way(end.0, inner.dst, Some(end.1));
            if matches!(way, Way::Shortcut { .. } | Way::Tunnel { .. }) {
                return self.pass_on(end, way, inner, packet, batch);
            }
        }
        Ok(self.deliver(end.0, packet))
    }

    fn deliver(&mut self, tunnel: TunnelId, packet: PacketBuf) -> Verdict {
        self.stats.overlay_out += 1;
        Verdict::Deliver(tunnel, packet)
    }

    /// Forwards a packet that came through a tunnel into a tunnel (GRE-2784-3.1-01).
    fn pass_on(
        &mut self,
        end: End,
        way: Way,
        inner: Inner,
        mut packet: PacketBuf,
        batch: &mut TxBatch,
    ) -> Result<Verdict, DropReason> {
        if !inner::is_sound(&packet) {
            return Err(DropReason::InnerMalformed);
        }
        let search = self.search(end.0, way, inner.dst, Some(end.1))?;
        if let Search::Found { tunnel, nbma, direct: true, .. } = search
            && (tunnel, nbma) == end
        {
            // GRE-2784-3.1-02: what is for the very end that sent it would circle.
            return Err(DropReason::Looped);
        }
        if !matches!(search, Search::Here) && inner.ttl <= 1 {
            self.time_exceeded(end, inner, &packet, batch);
            return Err(DropReason::TtlExpired);
        }
        match search {
            Search::Here => Ok(self.deliver(end.0, packet)),
            Search::Found { tunnel, nbma, learned, .. } => {
                if (tunnel, nbma) != end {
                    self.tell_of_shorter_way(end, tunnel, &packet);
                }
                inner::decrement(&mut packet, &inner);
                self.stats.forwarded += 1;
                let learned = learned.filter(|_| self.enters(Some(end.0), tunnel));
                Ok(self.send(tunnel, nbma, learned, inner, packet, batch))
            }
            Search::Wait(next_hop) => {
                inner::decrement(&mut packet, &inner);
                self.hold(next_hop, packet)
            }
        }
    }

    /// Takes a packet from a tunnel interface.
    pub(super) fn take_from_host(
        &mut self,
        id: TunnelId,
        packet: PacketBuf,
        batch: &mut TxBatch,
    ) -> Result<Verdict, DropReason> {
        let tunnel = self.config.tunnels.get(usize::from(id.0)).ok_or(DropReason::UnknownTunnel)?;
        if !self.is_up(id) {
            return Err(DropReason::TunnelDown);
        }
        let inner = Inner::read(&packet).ok_or(DropReason::InnerMalformed)?;
        if inner.dst == tunnel.address {
            return Err(DropReason::OwnAddress);
        }
        if let GreMode::PointToPoint { remote } = tunnel.mode {
            return Ok(self.send(id, remote, None, inner, packet, batch));
        }
        if inner.dst.is_multicast() || self.is_broadcast(id, inner.dst) {
            return self.multicast(id, inner, &packet, batch);
        }
        let way = match self.fib().way(id, inner.dst, None) {
            Way::Own => return Err(DropReason::OwnAddress),
            // The host has chosen this tunnel, and giving it back would be a circle.
            Way::Host => Way::Nowhere,
            way => way,
        };
        match self.search(id, way, inner.dst, None)? {
            Search::Here => Err(DropReason::OwnAddress),
            Search::Found { tunnel, nbma, learned, .. } => Ok(self.send(tunnel, nbma, learned, inner, packet, batch)),
            Search::Wait(next_hop) => self.hold(next_hop, packet),
        }
    }

    /// Follows a way to an NBMA address. A next hop that nobody knows is asked for where the packet enters its network;
    /// meanwhile packets go by the tunnel's next hop server, unless that is `from`, where the packet came from.
    fn search(
        &mut self,
        here: TunnelId,
        way: Way,
        destination: IpAddr,
        from: Option<IpAddr>,
    ) -> Result<Search, DropReason> {
        let (tunnel, next_hop, on_tunnel) = match way {
            Way::Shortcut { tunnel, via, nbma } => {
                let found = Search::Found { tunnel, nbma, direct: via == destination, learned: Some(destination) };
                return if self.is_up(tunnel) { Ok(found) } else { Err(DropReason::TunnelDown) };
            }
            Way::Tunnel { tunnel, next_hop } => (tunnel, next_hop, true),
            // A server may know more.
            Way::Nowhere => (here, destination, false),
            Way::Own | Way::Host => return Ok(Search::Here),
        };
        if !self.is_up(tunnel) {
            return Err(DropReason::TunnelDown);
        }
        match self.fib().adjacency(tunnel, next_hop) {
            Adjacency::Complete { nbma, cached } => {
                let learned = cached.then_some(next_hop);
                return Ok(Search::Found { tunnel, nbma, direct: next_hop == destination, learned });
            }
            Adjacency::Receive => return Ok(Search::Here),
            Adjacency::Incomplete => {}
        }
        let asks = on_tunnel && self.enters(from.map(|_| here), tunnel);
        let asked = asks && self.with_nhrp(|nhrp, now, cx, out| nhrp.wanted(now, cx, tunnel, next_hop, out));
        let server = self.nhrp.registrations().preferred(tunnel).map(|via| via.nbma);
        match server.filter(|nbma| (tunnel, Some(*nbma)) != (here, from)) {
            Some(nbma) => Ok(Search::Found { tunnel, nbma, direct: false, learned: None }),
            None if asked => Ok(Search::Wait((tunnel, next_hop))),
            None => Err(DropReason::NoAdjacency),
        }
    }

    /// Whether a packet that came from a tunnel, or from the host, enters the NBMA network of the tunnel that it leaves by.
    /// NHRP-6.4-01: only then something may be asked for it, or every router on its way would ask the same.
    fn enters(&self, came: Option<TunnelId>, leaves: TunnelId) -> bool {
        came.is_none_or(|came| !same_network(&self.config.tunnels, came, leaves))
    }

    /// Sends a packet to an NBMA address; `learned` was found out by asking, and is asked for again while packets need it.
    fn send(
        &mut self,
        id: TunnelId,
        nbma: IpAddr,
        learned: Option<IpAddr>,
        inner: Inner,
        packet: PacketBuf,
        batch: &mut TxBatch,
    ) -> Verdict {
        if let Some(reached) = learned {
            self.with_nhrp(|nhrp, now, cx, out| nhrp.used(now, cx, id, reached, out));
        }
        // The id came out of the tables.
        if let Some(tunnel) = self.config.tunnels.get(usize::from(id.0)) {
            batch.push(Gre::encapsulate(tunnel, nbma, inner.ether_type(), inner.tos, packet));
            self.stats.underlay_out += 1;
        }
        Verdict::Sent(1)
    }

    /// A packet that leaves by the NBMA network that it came from could have gone there directly.
    fn tell_of_shorter_way(&mut self, came: End, leaves: TunnelId, packet: &[u8]) {
        if self.tunnel(came.0).is_some_and(|tunnel| tunnel.nhrp.redirect) {
            self.with_nhrp(|nhrp, now, cx, out| nhrp.hairpinned(now, cx, came, leaves, packet, out));
        }
    }

    /// Tells the sender of a packet that its hops were used up here, through the overlay.
    fn time_exceeded(&mut self, end: End, inner: Inner, packet: &[u8], batch: &mut TxBatch) {
        let Some(from) = self.tunnel(end.0).map(|tunnel| tunnel.address) else { return };
        // By its own way; where that is not known, the way it came.
        let (id, nbma) = match self.fib().way(end.0, inner.src, None) {
            Way::Own | Way::Host => return,
            Way::Shortcut { tunnel, nbma, .. } => (tunnel, nbma),
            Way::Tunnel { tunnel, next_hop } => match self.fib().adjacency(tunnel, next_hop) {
                Adjacency::Complete { nbma, .. } => (tunnel, nbma),
                Adjacency::Receive => return,
                Adjacency::Incomplete => end,
            },
            Way::Nowhere => end,
        };
        let Some(tunnel) = self.tunnel(id).filter(|_| self.is_up(id)) else { return };
        let headroom = Gre::header_len(tunnel);
        let Some(octets) = inner::time_exceeded(packet, &inner, from, headroom) else { return };
        if !self.icmp.allow(self.now) {
            self.stats.icmp_suppressed += 1;
            return;
        }
        let packet = PacketBuf::from_parts(octets, headroom);
        let tos = Inner::read(&packet).map_or(0, |icmp| icmp.tos);
        if let Some(tunnel) = self.tunnel(id) {
            batch.push(Gre::encapsulate(tunnel, nbma, inner.ether_type(), tos, packet));
            self.stats.icmp_out += 1;
            self.stats.underlay_out += 1;
        }
    }

    /// The broadcast addresses of a tunnel: the limited one and that of its subnet.
    fn is_broadcast(&self, id: TunnelId, destination: IpAddr) -> bool {
        let IpAddr::V4(to) = destination else { return false };
        let subnet = |tunnel: &Tunnel| {
            tunnel.address.is_ipv4()
                && tunnel.prefix_len <= 30
                && last_of(tunnel.address, tunnel.prefix_len) == destination
        };
        to.is_broadcast() || self.tunnel(id).is_some_and(subnet)
    }

    /// A copy for every receiver of a tunnel's multicast, one per NBMA address (CISCO-MC-01).
    fn multicast(
        &mut self,
        id: TunnelId,
        inner: Inner,
        packet: &[u8],
        batch: &mut TxBatch,
    ) -> Result<Verdict, DropReason> {
        let tunnel = self.config.tunnels.get(usize::from(id.0)).ok_or(DropReason::UnknownTunnel)?;
        let mut receivers = Vec::new();
        for receiver in &tunnel.nhrp.multicast {
            match receiver {
                Multicast::Static(nbma) => receivers.push(*nbma),
                Multicast::Dynamic => {
                    let of = self.nhrp.cache().of(id).filter(|binding| binding.kind == BindingKind::Dynamic);
                    receivers.extend(of.map(|binding| binding.nbma));
                }
                Multicast::Nhs => {
                    let servers = self.nhrp.registrations().ways(id).filter(|via| via.registered);
                    receivers.extend(servers.map(|via| via.nbma));
                }
            }
        }
        receivers.sort_unstable();
        receivers.dedup();
        let most = self.config.limits.multicast_copies;
        self.stats.multicast_copies_refused += receivers.len().saturating_sub(most) as u64;
        receivers.truncate(most);
        if receivers.is_empty() {
            return Err(DropReason::NoAdjacency);
        }
        let headroom = Gre::header_len(tunnel);
        for nbma in &receivers {
            let copy = PacketBuf::with_headroom(headroom, packet);
            batch.push(Gre::encapsulate(tunnel, *nbma, inner.ether_type(), inner.tos, copy));
        }
        self.stats.underlay_out += receivers.len() as u64;
        Ok(Verdict::Sent(receivers.len()))
    }

    fn hold(&mut self, next_hop: NextHop, packet: PacketBuf) -> Result<Verdict, DropReason> {
        if self.held.keep(self.now, next_hop, packet) { Ok(Verdict::Held) } else { Err(DropReason::HeldFull) }
    }

    /// Sends what waited for something that has just been found out, or gives it up if that was refused.
    pub(super) fn release_held(&mut self, found: &Event) {
        let (id, prefix, prefix_len) = match found {
            Event::BindingAdded { binding, .. } | Event::BindingMoved { binding, .. } => {
                (binding.tunnel, binding.protocol, binding.prefix_len)
            }
            Event::ShortcutAdded { shortcut, .. } => (shortcut.tunnel, shortcut.prefix, shortcut.prefix_len),
            Event::ResolutionRefused { tunnel, target, .. } => {
                let count = self.held.take((*tunnel, *target)).len();
                return self.lost_held(*tunnel, count);
            }
            _ => return,
        };
        for next_hop in self.held.waiting(id, prefix, prefix_len) {
            let nbma = match (found, self.fib().adjacency(id, next_hop.1)) {
                (Event::ShortcutAdded { nbma, .. }, _) => *nbma,
                (_, Adjacency::Complete { nbma, .. }) => nbma,
                _ => continue,
            };
            for packet in self.held.take(next_hop) {
                let (Some(inner), Some(tunnel)) = (Inner::read(&packet), self.config.tunnels.get(usize::from(id.0)))
                else {
                    continue;
                };
                let transmit = Gre::encapsulate(tunnel, nbma, inner.ether_type(), inner.tos, packet);
                self.stats.underlay_out += 1;
                self.output(Output::Transmit(transmit));
            }
        }
    }

    /// Gives up packets whose next hop was not found out in time.
    pub(super) fn give_up_held(&mut self) {
        while let Some(((tunnel, _), count)) = self.held.give_up(self.now) {
            self.lost_held(tunnel, count);
        }
    }

    fn lost_held(&mut self, tunnel: TunnelId, count: usize) {
        for _ in 0..count {
            let _ = self.dropped(Some(tunnel), None, None, DropReason::NotFoundOut);
        }
    }
}
