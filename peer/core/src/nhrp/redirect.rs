//! Traffic Indications (draft-detienne-dmvpn-01 §4.3, §5.1; what IOS does: CISCO-RED-01 to -04): a node that sends a
//! packet back into the network that it came from says so to the previous hop, which then asks for a direct way.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use dmvpn_wire::nhrp::{Body, Cies, Extensions, Message, TrafficCode, TrafficIndication};

use super::{Context, Effect, Nhrp, Received, extension, fixed};
use crate::config::{Profile, Tunnel, host_len, is_station};
use crate::ids::TunnelId;
use crate::inner::Inner;
use crate::rib::Hop;
use crate::stats::DropReason;
use crate::time::Instant;
use crate::trace::Event;

/// Octets of the packet that are quoted at most: "the first 64" by the draft, and enough for any receiver.
const QUOTE: usize = 64;

/// Tunnel, source and destination of packets that were indicated.
type Pair = (TunnelId, IpAddr, IpAddr);

/// For which pairs of addresses an indication was sent lately.
#[derive(Clone, Debug)]
pub(crate) struct Redirects {
    /// Oldest first.
    sent: VecDeque<(Instant, Pair)>,
    lately: BTreeSet<Pair>,
    limit: usize,
}

impl Redirects {
    /// CISCO-RED-03, DMVPN-4.3-04: one indication for a pair in so long.
    const INTERVAL: Duration = Duration::from_secs(8);

    pub(crate) fn new(limit: usize) -> Self {
        Self { sent: VecDeque::new(), lately: BTreeSet::new(), limit }
    }

    fn allow(&mut self, now: Instant, pair: Pair) -> bool {
        while let Some((_, old)) = self.sent.front().filter(|(at, _)| now - *at >= Self::INTERVAL) {
            self.lately.remove(old);
            self.sent.pop_front();
        }
        if self.lately.contains(&pair) || self.lately.len() >= self.limit {
            return false;
        }
        self.lately.insert(pair);
        self.sent.push_back((now, pair));
        true
    }

    pub(crate) fn invariants(&self) -> Result<(), String> {
        if self.sent.len() == self.lately.len() && self.sent.len() <= self.limit {
            Ok(())
        } else {
            Err("redirects are miscounted".into())
        }
    }
}

impl Nhrp {
    /// Tells `previous_hop` that a packet turned around here.
    pub(crate) fn indicate(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        came_in: TunnelId,
        previous_hop: IpAddr,
        packet: &[u8],
        out: &mut Vec<Effect>,
    ) {
        let Some(tunnel) = cx.tunnel(came_in).filter(|tunnel| tunnel.nhrp.redirect) else { return };
        let Some(Inner { src: source, dst: destination, .. }) = Inner::read(packet) else { return };
        // CISCO-RED-02, and nothing that could not be asked for.
        if !is_station(source) || !is_station(destination) || host_len(source) != host_len(tunnel.address) {
            return;
        }
        if !self.redirects.allow(now, (came_in, source, destination)) {
            cx.stats.redirects_suppressed += 1;
            return;
        }
        let message = indication(tunnel, source, destination, packet);
        out.push(Effect::Event(Event::RedirectSent { tunnel: came_in, to: previous_hop, source, destination }));
        // DMVPN-4.3-03: back through the tunnel that it came by.
        out.push(Effect::Send { tunnel: came_in, to: previous_hop, message: Box::new(message) });
    }

    /// Takes a Traffic Indication: asks for the destination of the packet that it quotes. There is no answer to one
    /// (DMVPN-5.1-04).
    ///
    /// # Errors
    /// It is ignored.
    pub(crate) fn traffic_indication(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        tunnel: &Tunnel,
        received: Received<'_>,
        indication: &TrafficIndication,
        out: &mut Vec<Effect>,
    ) -> Result<(), DropReason> {
        let ignored = DropReason::RedirectIgnored;
        // CISCO-SC-01, DMVPN-5.1-05.
        if !tunnel.nhrp.shortcut || indication.code != TrafficCode::REDIRECT {
            return Err(ignored);
        }
        // DMVPN-4.3-08: from a station that this node knows.
        let server = self.registrations.ways(received.tunnel).any(|via| via.nbma == received.from);
        if !server && !self.cache.is_peer(received.tunnel, received.from) {
            return Err(ignored);
        }
        // DMVPN-4.3-07, DMVPN-4.3-09, DMVPN-5.1-03: the quoted packet counts, whatever the destination field says.
        let Inner { src: source, dst: destination, .. } = Inner::read(&indication.packet).ok_or(ignored)?;
        // DMVPN-4.3-06: who is itself behind this DMVPN gets its own indication from the next station.
        let here = |tunnel| cx.same_network(received.tunnel, tunnel);
        let routed = cx.rib.lookup(source).map(|found| found.hop);
        if matches!(routed, Some(Hop::Tunnel { tunnel, .. }) if here(tunnel))
            || self.shortcuts.find(source).is_some_and(|s| here(s.tunnel))
        {
            return Err(ignored);
        }
        // DMVPN-4.5-03: forwarding stops here, or does so in this NBMA network.
        let out_of = match cx.rib.lookup(destination).map(|found| found.hop) {
            Some(Hop::Tunnel { tunnel, .. }) if here(tunnel) => tunnel,
            // DMVPN-4.5-01: the server follows from the route. A station that was given none sends everything by its servers.
            None if cx.rib.is_empty() => received.tunnel,
            _ => return Err(ignored),
        };
        self.wanted(now, cx, out_of, destination, out);
        Ok(())
    }
}

/// CISCO-RED-04: what the installed base sends; by the draft the destination field is the packet's (DMVPN-5.1-03).
fn indication(tunnel: &Tunnel, source: IpAddr, destination: IpAddr, packet: &[u8]) -> Message {
    let dst_proto = match tunnel.nhrp.profile {
        Profile::Dmvpn => source,
        Profile::Rfc2332 => destination,
    };
    let body = Body::TrafficIndication(TrafficIndication {
        code: TrafficCode::REDIRECT,
        // DMVPN-5.1-02.
        src_nbma: tunnel.nbma.into(),
        src_proto: tunnel.address.into(),
        dst_proto: dst_proto.into(),
        packet: packet[..packet.len().min(QUOTE)].to_vec(),
    });
    let mut extensions: Extensions = extension::standard(tunnel, Cies::new());
    // Nobody answers, so nobody has to name itself.
    extensions.remove(0);
    Message { fixed: fixed(tunnel), body, extensions }
}
