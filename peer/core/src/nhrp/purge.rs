//! Purges (RFC 2332 §5.2.5, §5.2.6): what was told is taken back, by the station that registered it, and by a server or
//! a way out that answered for it (NHRP-5.2.5-09 to -11, CISCO-REQID-01).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use dmvpn_wire::nhrp::{Body, Cie, Cies, Flags, Mandatory, Message};

use super::cache::{Binding, BindingKind};
use super::error::Rejection;
use super::registration::wait;
use super::requester::{Key, Source, Told};
use super::route::Way;
use super::transit::is_own;
use super::{Context, Effect, Nhrp, Received, extension, fixed};
use crate::config::{Limits, Profile, Tunnel, host_len};
use crate::ids::TunnelId;
use crate::stats::DropReason;
use crate::time::{Instant, TimerQueue};
use crate::trace::Event;

/// A Purge Request of our own that is not acknowledged.
#[derive(Clone, Copy, Debug)]
struct Purge {
    tunnel: TunnelId,
    requester: IpAddr,
    /// Where the answer went that is taken back.
    to: IpAddr,
    prefix: IpAddr,
    prefix_len: u8,
    attempts: u32,
    /// When the information is over by itself (NHRP-5.2.5-13).
    until: Instant,
}

/// The Purge Requests of a node, by request id.
#[derive(Clone, Debug)]
pub(crate) struct Purges {
    outstanding: BTreeMap<u32, Purge>,
    timers: TimerQueue<u32>,
    limit: usize,
    /// Time between two of them when there are many.
    interval: Duration,
    /// Not before that the next one goes out.
    next: Instant,
}

impl Purges {
    /// So much of the rate may go out at once.
    const BURST: Duration = Duration::from_millis(100);

    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            outstanding: BTreeMap::new(),
            timers: TimerQueue::new(),
            limit: limits.requesters,
            // At least one a second, or none would ever be over.
            interval: Duration::from_secs(1) / limits.purges_per_second.max(1),
            next: Instant::ZERO,
        }
    }

    /// When something is to be sent, or over.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next().map(|(at, _)| at.max(self.next))
    }

    /// Takes out one that is due at `now`, if the pace allows it: the withdrawal of a route that ten thousand were told
    /// of must not drown what else goes out.
    fn pop_due(&mut self, now: Instant) -> Option<(Instant, u32)> {
        if now < self.next {
            return None;
        }
        let due = self.timers.pop_due(now)?;
        self.next = self.next.max(now - Self::BURST) + self.interval;
        Some(due)
    }

    pub(crate) fn stop(&mut self) {
        self.outstanding.clear();
        self.timers.clear();
    }

    pub(crate) fn invariants(&self) -> Result<(), String> {
        if self.outstanding.len() == self.timers.len() && self.timers.consistent() && self.timers.len() <= self.limit {
            Ok(())
        } else {
            Err("purges are miscounted".into())
        }
    }
}

impl Nhrp {
    /// Carries out a Purge Request to this node, and acknowledges it.
    ///
    /// # Errors
    /// Why it is not carried out.
    pub(crate) fn purge_request(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        received: Received<'_>,
        message: Message,
        out: &mut Vec<Effect>,
    ) -> Result<(), Rejection> {
        let tunnel = cx.tunnel(received.tunnel).ok_or(DropReason::UnknownTunnel)?;
        extension::refuse_unknown(&message.extensions, received.octets)?;
        let Message { body: Body::PurgeRequest(mut request), mut extensions, .. } = message else {
            return Err(DropReason::NhrpMalformed.into());
        };
        if request.src_proto.ip().is_some_and(|ip| is_own(cx, ip)) {
            return Err(DropReason::OwnSource.into());
        }
        let from = out.len();
        let mut count = 0;
        for cie in request.cies.iter().take(cx.limits.entries_per_request) {
            count += self.purge(now, received, &request, cie, out);
        }
        self.tell_of_changes(now, cx, out, from);
        out.push(Effect::Event(Event::Purged { tunnel: received.tunnel, from: received.from, count }));
        // NHRP-5.2.5-03, NHRP-5.2.5-04.
        if !request.flags.contains(Flags::PURGE_NO_REPLY) {
            // NHRP-5.2.6-01, NHRP-2.2-07.
            request.flags = request.flags & Flags::CISCO_NAT;
            extension::complete(tunnel, &mut extensions, |_| {});
            let reply = Message { fixed: fixed(tunnel), body: Body::PurgeReply(request), extensions };
            out.push(Effect::Send { tunnel: received.tunnel, to: received.from, message: Box::new(reply) });
        }
        Ok(())
    }

    /// Forgets what one entry names: what was found out, for anybody; what was registered, for the station that did.
    fn purge(&mut self, now: Instant, r: Received<'_>, request: &Mandatory, cie: &Cie, out: &mut Vec<Effect>) -> usize {
        // NHRP-5.2.5-07.
        let Some(protocol) = cie.proto.ip() else { return 0 };
        let host = host_len(protocol);
        // NHRP-5.2.5-05, NHRP-5.2.0.1-09.
        let prefix_len = if cie.prefix_len == 0 || cie.prefix_len > host { host } else { cie.prefix_len };
        // NHRP-5.2.5-08: an NBMA address in the entry narrows what goes of the registered bindings, not of the others.
        let named = |b: &Binding| cie.nbma.ip().is_some_and(|nbma| nbma == b.nbma || nbma == b.claimed_nbma);
        let owner = |b: &Binding| {
            let same = r.from == b.learned_from || r.from == b.nbma || request.src_nbma.ip() == Some(b.claimed_nbma);
            // CISCO-REG-03: from another address, with the old one in the entry.
            let moved = request.src_proto.ip() == Some(b.protocol) && named(b);
            same || moved
        };
        let wanted = |b: &Binding| match b.kind {
            BindingKind::Dynamic => owner(b) && (cie.nbma.is_empty() || named(b)),
            _ => true,
        };
        let mut events = Vec::new();
        let gone = self.cache.purge(r.tunnel, (protocol, prefix_len), wanted, &mut events);
        let mut shortcuts = self.shortcuts.remove_overlapping(protocol, prefix_len, &mut events);
        for binding in gone.iter().filter(|b| b.kind == BindingKind::Cached) {
            shortcuts += self.shortcuts.remove_if(|s| s.via == binding.protocol, &mut events);
        }
        self.resolutions.purged(now, r.tunnel, protocol, prefix_len);
        out.extend(events.into_iter().map(Effect::Event));
        gone.len() + shortcuts
    }

    /// Takes a Purge Reply to this node. One that acknowledges nothing is ignored (NHRP-5.2.5-15).
    ///
    /// # Errors
    /// It acknowledges nothing.
    pub(crate) fn purge_reply(
        &mut self,
        r: Received<'_>,
        reply: &Mandatory,
        out: &mut Vec<Effect>,
    ) -> Result<(), DropReason> {
        let request_id = reply.request_id;
        let purge = self.purges.outstanding.get(&request_id).ok_or(DropReason::UnsolicitedReply)?;
        if reply.dst_proto != purge.requester.into() {
            return Err(DropReason::ReplyMismatch);
        }
        self.purges.outstanding.remove(&request_id);
        self.purges.timers.cancel(request_id);
        out.push(Effect::Event(Event::PurgeAcknowledged { tunnel: r.tunnel, request_id }));
        Ok(())
    }

    /// Tells the requesters of registered bindings that went or moved, by the events since number `from`.
    pub(crate) fn tell_of_changes(&mut self, now: Instant, cx: &mut Context<'_>, out: &[Effect], from: usize) {
        for effect in out.iter().skip(from) {
            let Effect::Event(Event::BindingMoved { binding, .. } | Event::BindingRemoved { binding, .. }) = effect
            else {
                continue;
            };
            if binding.kind == BindingKind::Dynamic {
                let subject = (binding.protocol, binding.prefix_len);
                let told = self.requesters.take(now, binding.tunnel, subject, |_, told| told.source == Source::Binding);
                self.take_back(now, cx, told);
            }
        }
    }

    /// Takes back what was told. The requests go out with the timers, so that a message makes at most one at once.
    pub(crate) fn take_back(&mut self, now: Instant, cx: &mut Context<'_>, told: Vec<(Key, Told)>) {
        for ((tunnel, prefix, prefix_len, requester), Told { to, until, .. }) in told {
            if self.purges.outstanding.len() >= self.purges.limit {
                cx.stats.purges_suppressed += 1;
                continue;
            }
            let id = self.ids.allocate();
            let purge = Purge { tunnel, requester, to, prefix, prefix_len, attempts: 0, until };
            self.purges.outstanding.insert(id, purge);
            self.purges.timers.set(id, now);
        }
    }

    /// Sends what is due at `now`, for the first time or again, as the pace allows; the information's own end ends it (NHRP-5.2.5-13).
    pub(crate) fn purge_timeout(&mut self, now: Instant, cx: &mut Context<'_>, out: &mut Vec<Effect>) {
        while let Some((at, id)) = self.purges.pop_due(now) {
            let tunnel = self.purges.outstanding.get(&id).and_then(|purge| cx.tunnel(purge.tunnel));
            let over = self.purges.outstanding.get(&id).is_none_or(|purge| purge.until <= now);
            let (Some(tunnel), false) = (tunnel, over) else {
                self.purges.outstanding.remove(&id);
                continue;
            };
            let Some(purge) = self.purges.outstanding.get_mut(&id) else { continue };
            purge.attempts += 1;
            let again = (at + wait(&tunnel.nhrp.retry, purge.attempts, cx.entropy)).max(now);
            let purge = *purge;
            self.purges.timers.set(id, again.min(purge.until));
            self.send_purge(cx, tunnel, id, purge, Flags::NONE, out);
        }
    }

    fn send_purge(
        &self,
        cx: &Context<'_>,
        tunnel: &Tunnel,
        request_id: u32,
        purge: Purge,
        flags: Flags,
        out: &mut Vec<Effect>,
    ) {
        let Purge { tunnel: id, requester, to, prefix, prefix_len, attempts: attempt, .. } = purge;
        // Straight to a requester that is known, else the way that the answer went.
        let to = match self.way(cx, id, tunnel.nbma, requester) {
            Way::Through(next) if next.tunnel == id => next.nbma,
            _ => to,
        };
        let cie = Cie { prefix_len, proto: prefix.into(), ..Cie::default() };
        let message = request(tunnel, request_id, flags, requester, cie);
        out.push(Effect::Event(Event::PurgeSent { tunnel: id, to, prefix, prefix_len, request_id, attempt }));
        out.push(Effect::Send { tunnel: id, to, message: Box::new(message) });
    }

    /// NHRP-5.2.5-10: takes back the registrations of a tunnel with its servers, where the binding leads to `nbma`. No
    /// reply is wanted: nobody will be there for it.
    pub(crate) fn deregister(&mut self, id: TunnelId, tunnel: &Tunnel, nbma: IpAddr, out: &mut Vec<Effect>) {
        let servers: Vec<_> = self.registrations.registered(id).collect();
        for (to, protocol, registered) in servers {
            // CISCO-REQID-02.
            let request_id = match tunnel.nhrp.profile {
                Profile::Dmvpn => registered,
                Profile::Rfc2332 => self.ids.allocate(),
            };
            let (prefix, prefix_len) = (tunnel.address, host_len(tunnel.address));
            let cie = Cie { prefix_len, nbma: nbma.into(), proto: prefix.into(), ..Cie::default() };
            // NHRP-5.2.5-12.
            let server = protocol.unwrap_or(tunnel.address);
            let message = request(tunnel, request_id, Flags::PURGE_NO_REPLY, server, cie);
            out.push(Effect::Event(Event::PurgeSent { tunnel: id, to, prefix, prefix_len, request_id, attempt: 1 }));
            out.push(Effect::Send { tunnel: id, to, message: Box::new(message) });
        }
    }

    /// Says goodbye for good: to servers, and to everybody who was told something.
    pub(crate) fn goodbye(&mut self, now: Instant, cx: &mut Context<'_>, out: &mut Vec<Effect>) {
        for (id, tunnel) in (0..).map(TunnelId).zip(cx.tunnels) {
            self.deregister(id, tunnel, tunnel.nbma, out);
        }
        for ((id, prefix, prefix_len, requester), Told { to, until, .. }) in self.requesters.take_all(now) {
            let Some(tunnel) = cx.tunnel(id) else { continue };
            let request_id = self.ids.allocate();
            let purge = Purge { tunnel: id, requester, to, prefix, prefix_len, attempts: 1, until };
            self.send_purge(cx, tunnel, request_id, purge, Flags::PURGE_NO_REPLY, out);
        }
    }
}

/// NHRP-5.2.5-01, NHRP-5.2.5-06, NHRP-5.2.5-11: from us, with one entry.
fn request(tunnel: &Tunnel, request_id: u32, flags: Flags, to: IpAddr, cie: Cie) -> Message {
    let body = Body::PurgeRequest(Mandatory {
        flags,
        request_id,
        src_nbma: tunnel.nbma.into(),
        src_proto: tunnel.address.into(),
        dst_proto: to.into(),
        cies: Cies::from_elem(cie, 1),
    });
    Message { fixed: fixed(tunnel), body, extensions: extension::standard(tunnel, Cies::new()) }
}
