//! The client side of resolution (RFC 2332 §5.2.1, §6.2.1): addresses that are asked for, and those that were refused.
//!
//! ```text
//!  wanted, used near the end -> Asked -- same id after 1, 2, 4, 8 s --> no answer for 30 s: Refused for a while
//!                                 |
//!                                 +-- answer: binding and shortcut (in `reply`), or NAK: Refused for a while
//! ```
//!
//! While something is asked for, traffic stays on the routed path (NHRP-2.2-02), so nothing here ever stops a packet.

mod reply;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use dmvpn_wire::nhrp::{Body, Cie, Cies, ErrorIndication, Flags, Mandatory, Message, MessageType, Packet};

use super::cache::{Binding, BindingKind};
use super::limit::RateLimiter;
use super::registration::wait;
use super::route::NextHop;
use super::transit::seen_at;
use super::{Context, Effect, Nhrp, Reason, extension, fixed};
use crate::config::{Limits, Nhrp as Config, Profile, Tunnel, everything, host_len, in_prefix, is_station};
use crate::ids::TunnelId;
use crate::rib::Hop;
use crate::time::{Instant, TimerQueue};
use crate::trace::{Event, Refusal};

/// After so long without an answer a resolution is given up.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(30);

/// For so long after a purge only authoritative answers are asked for (NHRP-5.2.5-14).
const DISTRUST: Duration = Duration::from_secs(60);

type Key = (TunnelId, IpAddr);

#[derive(Clone, Debug)]
enum Entry {
    /// A request is out.
    Asked(Asked),
    /// Not asked again before `until` (CISCO-SC-03).
    Refused { since: Instant, until: Instant },
}

/// A request that waits for its answer.
#[derive(Clone, Copy, Debug)]
struct Asked {
    id: u32,
    attempts: u32,
    since: Instant,
    /// Who was asked.
    via: NextHop,
    authoritative: bool,
}

/// Outstanding and refused resolutions of all tunnels.
#[derive(Clone, Debug)]
pub(crate) struct Resolutions {
    entries: BTreeMap<Key, Entry>,
    by_id: BTreeMap<u32, Key>,
    timers: TimerQueue<Key>,
    rate: RateLimiter,
    /// What was purged lately, oldest first.
    purged: VecDeque<(Instant, TunnelId, IpAddr, u8)>,
    asked_limit: usize,
    refused_limit: usize,
}

impl Resolutions {
    const PURGES: usize = 256;

    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            entries: BTreeMap::new(),
            by_id: BTreeMap::new(),
            timers: TimerQueue::new(),
            rate: RateLimiter::new(limits.resolutions_per_second),
            purged: VecDeque::new(),
            asked_limit: limits.resolutions,
            refused_limit: limits.cached,
        }
    }

    /// Notes that what was known about a prefix was taken back at `now`; what was refused may be asked again.
    pub(crate) fn purged(&mut self, now: Instant, tunnel: TunnelId, prefix: IpAddr, prefix_len: u8) {
        self.forget_refusals(|(of, target)| of == tunnel && in_prefix(target, prefix, prefix_len));
        while self.purged.front().is_some_and(|(at, ..)| now - *at >= DISTRUST) || self.purged.len() >= Self::PURGES {
            self.purged.pop_front();
        }
        self.purged.push_back((now, tunnel, prefix, prefix_len));
    }

    fn distrusted(&self, now: Instant, (tunnel, target): Key) -> bool {
        self.purged
            .iter()
            .any(|(at, of, prefix, len)| now - *at < DISTRUST && *of == tunnel && in_prefix(target, *prefix, *len))
    }

    /// Forgets refusals; says how many.
    pub(crate) fn forget_refusals(&mut self, wanted: impl Fn(Key) -> bool) -> usize {
        let refused = |entry: &Entry| matches!(entry, Entry::Refused { .. });
        let keys: Vec<Key> =
            self.entries.iter().filter(|(key, entry)| refused(entry) && wanted(**key)).map(|(key, _)| *key).collect();
        for key in &keys {
            self.forget(*key);
        }
        keys.len()
    }

    fn forget(&mut self, key: Key) {
        if let Some(Entry::Asked(asked)) = self.entries.remove(&key) {
            self.by_id.remove(&asked.id);
        }
        self.timers.cancel(key);
    }

    fn refuse(&mut self, now: Instant, key: Key, tunnel: &Tunnel) {
        self.forget(key);
        let most = tunnel.nhrp.holding_time.min(Config::NEGATIVE);
        let seconds = tunnel.nhrp.resolution_holding_time.unwrap_or(most);
        let until = now + Duration::from_secs(seconds.into());
        // Without room it is asked again when it is wanted again; the rate bounds that.
        if self.entries.len() - self.by_id.len() < self.refused_limit {
            self.entries.insert(key, Entry::Refused { since: now, until });
            self.timers.set(key, until);
        }
    }

    /// Ends everything without a word.
    pub(crate) fn stop(&mut self) {
        self.entries.clear();
        self.by_id.clear();
        self.timers.clear();
    }

    /// The next deadline and what it is for.
    pub(crate) fn poll_timeout(&self) -> Option<(Instant, Reason)> {
        self.timers.next().map(|(at, key)| match self.entries.get(&key) {
            Some(Entry::Refused { .. }) => (at, Reason::NegativeExpiry),
            _ => (at, Reason::Resolution),
        })
    }

    /// What is asked for and what was refused, as rows without an NBMA address.
    pub(crate) fn view(&self) -> impl Iterator<Item = Binding> {
        self.entries.iter().map(|((tunnel, target), entry)| {
            let (nowhere, _) = everything(*target);
            let (kind, since, until, id) = match entry {
                Entry::Asked(Asked { id, since, .. }) => (BindingKind::Incomplete, *since, *since + GIVE_UP, *id),
                Entry::Refused { since, until } => (BindingKind::Negative, *since, *until, 0),
            };
            Binding {
                unique: false,
                stable: false,
                expires: Some(until),
                request_id: id,
                ..Binding::permanent(since, *tunnel, kind, *target, nowhere)
            }
        })
    }

    pub(crate) fn invariants(&self) -> Result<(), String> {
        let asked = self.entries.values().filter(|entry| matches!(entry, Entry::Asked(_))).count();
        if asked != self.by_id.len() || asked > self.asked_limit || self.entries.len() - asked > self.refused_limit {
            return Err("resolutions are miscounted".into());
        }
        if !self.timers.consistent() || self.timers.len() != self.entries.len() {
            return Err("resolutions and their timers differ".into());
        }
        for (id, key) in &self.by_id {
            if !matches!(self.entries.get(key), Some(Entry::Asked(asked)) if asked.id == *id) {
                return Err(format!("resolution {id} is filed wrongly"));
            }
        }
        Ok(())
    }
}

impl Nhrp {
    /// Asks for `target` unless that was done already; says whether an answer is waited for.
    pub(crate) fn ask(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        tunnel: TunnelId,
        target: IpAddr,
        out: &mut Vec<Effect>,
    ) -> bool {
        let Some(config) = cx.tunnel(tunnel).filter(|tunnel| tunnel.nhrp.network_id.is_some()) else { return false };
        if !is_station(target) || host_len(target) != host_len(config.address) {
            return false;
        }
        let key = (tunnel, target);
        match self.resolutions.entries.get(&key) {
            // NHRP-2.2-01, NHRP-6.2.1-01, DMVPN-4.4-03.
            Some(Entry::Asked(_)) => return true,
            Some(Entry::Refused { .. }) => return false,
            None => {}
        }
        let Some(via) = self.whom_to_ask(cx, tunnel, target) else { return false };
        if self.resolutions.by_id.len() >= self.resolutions.asked_limit || !self.resolutions.rate.allow(now) {
            cx.stats.resolutions_suppressed += 1;
            return false;
        }
        let id = self.ids.allocate();
        let authoritative = config.nhrp.profile == Profile::Dmvpn || self.resolutions.distrusted(now, key);
        let asked = Asked { id, attempts: 1, since: now, via, authoritative };
        self.resolutions.entries.insert(key, Entry::Asked(asked));
        self.resolutions.by_id.insert(id, key);
        let retry_after = wait(&config.nhrp.retry, 1, cx.entropy);
        self.resolutions.timers.set(key, (now + retry_after).min(now + GIVE_UP));
        self.send_request(cx, target, asked, out);
        true
    }

    /// NHRP-3-02, DMVPN-4.5-01: the next hop of the best route is asked, or the preferred server if that is the very
    /// station that is asked for. Never the station itself, nor a group.
    fn whom_to_ask(&self, cx: &Context<'_>, tunnel: TunnelId, target: IpAddr) -> Option<NextHop> {
        if let Some(Hop::Tunnel { tunnel: by, next_hop }) = cx.rib.lookup(target).map(|found| found.hop)
            && next_hop != target
            && cx.same_network(tunnel, by)
            && let Some(b) = self.cache.lookup(by, next_hop).filter(|b| b.kind != BindingKind::Local)
        {
            return Some(NextHop { tunnel: by, nbma: b.nbma, protocol: Some(next_hop) });
        }
        self.registrations.preferred(tunnel).map(|via| NextHop { tunnel, nbma: via.nbma, protocol: None })
    }

    fn send_request(&self, cx: &Context<'_>, target: IpAddr, asked: Asked, out: &mut Vec<Effect>) {
        let Asked { id: request_id, attempts: attempt, via, authoritative, .. } = asked;
        let Some(tunnel) = cx.tunnel(via.tunnel) else { return };
        // NHRP-5.2.1-02, NHRP-5.2.1-03, NHRP-5.2.1-04, NHRP-5.2.1-06, NHRP-5.2.1-07.
        let mut flags = Flags::RESOLUTION_ROUTER | Flags::RESOLUTION_SOURCE_STABLE | Flags::CISCO_NAT;
        if authoritative {
            flags |= Flags::RESOLUTION_AUTHORITATIVE;
        }
        // NHRP-5.2.1-08, NHRP-5.2.1-13, NHRP-5.2.1-15: one entry without addresses. Prefix length 0 as IOS: in a DMVPN
        // whatever the station that answers has, by RFC 2332 the host.
        let entry = Cie { mtu: tunnel.mtu, holding_time: tunnel.nhrp.holding_time, ..Cie::default() };
        // CISCO-NAT-08, CISCO-NAT-09.
        let nat = self.registrations.public_nbma(via.tunnel).map(|nbma| seen_at(tunnel.address, nbma));
        let body = Body::ResolutionRequest(Mandatory {
            flags,
            request_id,
            src_nbma: tunnel.nbma.into(),
            src_proto: tunnel.address.into(),
            // NHRP-5.2.1-16.
            dst_proto: target.into(),
            cies: Cies::from_elem(entry, 1),
        });
        let extensions = extension::standard(tunnel, nat.into_iter().collect());
        let message = Message { fixed: fixed(tunnel), body, extensions };
        let (tunnel, to) = (via.tunnel, via.nbma);
        out.push(Effect::Event(Event::ResolutionSent { tunnel, to, target, request_id, attempt }));
        out.push(Effect::Send { tunnel, to, message: Box::new(message) });
    }

    /// Retransmits, gives up and forgets what is due at `now`.
    pub(crate) fn resolution_timeout(&mut self, now: Instant, cx: &mut Context<'_>, out: &mut Vec<Effect>) {
        while let Some((at, key)) = self.resolutions.timers.pop_due(now) {
            let Some(tunnel) = cx.tunnel(key.0) else { continue };
            let Some(Entry::Asked(asked)) = self.resolutions.entries.get_mut(&key) else {
                self.resolutions.forget(key);
                continue;
            };
            let end = asked.since + GIVE_UP;
            if now >= end {
                let (request_id, refusal) = (asked.id, Refusal::NoAnswer);
                self.resolutions.refuse(now, key, tunnel);
                out.push(Effect::Event(Event::ResolutionRefused { tunnel: key.0, target: key.1, request_id, refusal }));
                continue;
            }
            // NHRP-5.2.0.1-06.
            asked.attempts += 1;
            let asked = *asked;
            let again = wait(&tunnel.nhrp.retry, asked.attempts, cx.entropy);
            self.resolutions.timers.set(key, (at + again).min(end).max(now));
            if self.resolutions.rate.allow(now) {
                self.send_request(cx, key.1, asked, out);
            } else {
                cx.stats.resolutions_suppressed += 1;
            }
        }
    }

    /// Takes an Error Indication about a Resolution Request of ours; says whether it is one (NHRP-5.2.7-17).
    pub(crate) fn resolution_error(
        &mut self,
        now: Instant,
        cx: &Context<'_>,
        error: &ErrorIndication,
        out: &mut Vec<Effect>,
    ) -> bool {
        let quoted = Packet::new(&error.packet);
        if quoted.message_type() != Some(MessageType::RESOLUTION_REQUEST) {
            return false;
        }
        let Some(request_id) = quoted.request_id() else { return false };
        let Some(key) = self.resolutions.by_id.get(&request_id).copied() else { return false };
        let Some(tunnel) = cx.tunnel(key.0) else { return false };
        if quoted.src_proto() != Some(tunnel.address.into()) || quoted.dst_proto() != Some(key.1.into()) {
            return false;
        }
        self.resolutions.refuse(now, key, tunnel);
        let refusal = Refusal::Error(error.code);
        out.push(Effect::Event(Event::ResolutionRefused { tunnel: key.0, target: key.1, request_id, refusal }));
        true
    }
}
