//! What a client makes of a Resolution Reply (RFC 2332 §5.2.2, §6.2.1; draft-detienne-dmvpn-01 §4.7).

use std::net::IpAddr;
use std::time::Duration;

use dmvpn_wire::nhrp::{Body, Cie, CieCode, ErrorCode, Flags, Message};

use super::Entry;
use crate::config::{host_len, in_prefix, masked};
use crate::nhrp::answer::widest_allowed;
use crate::nhrp::cache::{BindingKind, Learned};
use crate::nhrp::error::Rejection;
use crate::nhrp::shortcut::Shortcut;
use crate::nhrp::{Context, Effect, Nhrp, Received};
use crate::rib::Hop;
use crate::stats::DropReason;
use crate::time::Instant;
use crate::trace::{Event, Refusal};

impl Nhrp {
    /// Takes a Resolution Reply to this node.
    ///
    /// # Errors
    /// It answers nothing that was asked (NHRP-5.2.0.1-08); the replier is told so (NHRP-5.2.2-18, DMVPN-4.7-06).
    pub(crate) fn resolution_reply(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        received: Received<'_>,
        message: &Message,
        out: &mut Vec<Effect>,
    ) -> Result<(), Rejection> {
        let invalid = |reason| Rejection::with_error(reason, ErrorCode::INVALID_RESOLUTION_REPLY, 0);
        let Body::ResolutionReply(reply) = &message.body else { return Err(DropReason::NhrpMalformed.into()) };
        let unsolicited = invalid(DropReason::UnsolicitedReply);
        let key = self.resolutions.by_id.get(&reply.request_id).copied().ok_or(unsolicited)?;
        let Some(Entry::Asked(asked)) = self.resolutions.entries.get(&key) else { return Err(unsolicited) };
        let via = asked.via;
        let tunnel = cx.tunnel(via.tunnel).ok_or(DropReason::UnknownTunnel)?;
        let source = (reply.src_nbma, reply.src_proto) == (tunnel.nbma.into(), tunnel.address.into());
        if !source || reply.dst_proto != key.1.into() || received.tunnel != via.tunnel || reply.cies.is_empty() {
            return Err(invalid(DropReason::ReplyMismatch));
        }
        // NHRP-5.2.0.1-15, NHRP-5.2.2-20: the highest preference, and of those the first.
        let good = reply.cies.iter().filter(|cie| cie.code == CieCode::SUCCESS);
        let best = good.min_by_key(|cie| std::cmp::Reverse(cie.preference));
        let code = reply.cies.first().map_or(CieCode::NO_BINDING, |cie| cie.code);
        let stable = reply.flags.contains(Flags::RESOLUTION_DESTINATION_STABLE);
        let outcome = match best {
            None => Err(Refusal::Code(code)),
            Some(cie) => {
                let via = cie.proto.ip().unwrap_or(key.1);
                let claimed = cie.nbma.ip();
                // CISCO-NAT-11 is in there.
                let learned =
                    claimed.and_then(|claimed| Self::learnable(cx, received, message, cie, via, claimed, stable));
                match learned.zip(taken(cx, cie, key.1, via)) {
                    Some((learned, prefix)) => self.install(now, cx, &learned, prefix, key.1, out),
                    None => Err(Refusal::Unusable),
                }
            }
        };
        let (request_id, (tunnel_id, target)) = (reply.request_id, key);
        out.push(Effect::Event(match outcome {
            Ok(nbma) => {
                self.resolutions.forget(key);
                Event::ResolutionDone { tunnel: tunnel_id, target, request_id, nbma }
            }
            Err(refusal) => {
                if let Some(tunnel) = cx.tunnel(tunnel_id) {
                    self.resolutions.refuse(now, key, tunnel);
                }
                Event::ResolutionRefused { tunnel: tunnel_id, target, request_id, refusal }
            }
        }));
        Ok(())
    }

    /// DMVPN-4.7-07: the binding of the station that answered, and the way to what it answered for.
    fn install(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        learned: &Learned,
        prefix: (IpAddr, u8),
        target: IpAddr,
        out: &mut Vec<Effect>,
    ) -> Result<IpAddr, Refusal> {
        let via = learned.protocol;
        let mut events = Vec::new();
        let known = self.cache.get(learned.tunnel, via, host_len(via)).map(|b| (b.kind, b.nbma));
        let nbma = match known {
            // What is configured or registered stands above what somebody says.
            Some((kind, nbma)) if kind != BindingKind::Cached => nbma,
            _ => {
                if self.cache.learn(now, learned, &mut events).is_err() {
                    cx.stats.bindings_not_cached += 1;
                    return Err(Refusal::Unusable);
                }
                self.shortcuts.follow(learned.tunnel, via, learned.nbma);
                learned.nbma
            }
        };
        if !on_link(cx, learned) {
            self.shorten(now, learned, nbma, (via, host_len(via)), via, &mut events);
        }
        if target != via {
            self.shorten(now, learned, nbma, prefix, target, &mut events);
        }
        out.extend(events.into_iter().map(Effect::Event));
        Ok(nbma)
    }

    fn shorten(
        &mut self,
        now: Instant,
        learned: &Learned,
        nbma: IpAddr,
        (prefix, prefix_len): (IpAddr, u8),
        target: IpAddr,
        out: &mut Vec<Event>,
    ) {
        let &Learned { tunnel, protocol: via, holding_time, .. } = learned;
        let expires = now + Duration::from_secs(holding_time.into());
        let shortcut = Shortcut { tunnel, prefix, prefix_len, via, nbma, target, holding_time, expires, used: None };
        // Without room the routed path stays.
        let _ = self.shortcuts.insert(shortcut, out);
    }
}

/// Whether the routed path leads straight to the station anyway.
fn on_link(cx: &Context<'_>, learned: &Learned) -> bool {
    let next_hop = learned.protocol;
    let straight = Hop::Tunnel { tunnel: learned.tunnel, next_hop };
    cx.rib.lookup(next_hop).is_some_and(|found| found.hop == straight)
}

/// The prefix that an entry stands for, counted from the address that was asked for (NHRP-5.2.2-14): 0, 255 and what is
/// wider than an address are the host (NHRP-5.2.0.1-09, NHRP-5.2.0.1-10). One that holds addresses of our own, networks
/// of our own or our servers is only believed for the host, and one that is too short not at all. It shortens the route
/// that traffic takes now, so it is no wider than that: a longer route stands before it.
fn taken(cx: &Context<'_>, cie: &Cie, target: IpAddr, via: IpAddr) -> Option<(IpAddr, u8)> {
    let host = host_len(target);
    if cie.prefix_len == 0 || cie.prefix_len >= host || target == via {
        return Some((target, host));
    }
    let len = cie.prefix_len;
    if len < widest_allowed(host) {
        return None;
    }
    let own = cx.tunnels.iter().any(|tunnel| {
        let servers = tunnel.nhrp.nhs.iter().filter_map(|nhs| nhs.protocol);
        std::iter::once(tunnel.address).chain(servers).any(|address| in_prefix(address, target, len))
    });
    if own || cx.rib.attaches_within(target, len) {
        return Some((target, host));
    }
    let len = cx.rib.lookup(target).map_or(len, |route| len.max(route.prefix_len));
    Some((masked(target, len), len))
}
