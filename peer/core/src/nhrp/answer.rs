//! Answers to Resolution Requests (RFC 2332 §5.2.1, §5.2.2, §6.3; draft-detienne-dmvpn-01 §4.6, §4.7): by the way out to
//! what is asked for, and by the server of the station that is asked for.

use std::net::IpAddr;
use std::time::Duration;

use dmvpn_wire::nhrp::fixed::field;
use dmvpn_wire::nhrp::{Body, Cie, CieCode, Cies, ErrorCode, ExtensionType, ExtensionValue, Flags, Mandatory, Message};

use super::cache::{Binding, BindingKind};
use super::error::Rejection;
use super::requester::{Source, Told};
use super::route::{Egress, Way};
use super::transit::{is_own, seen_at, unreachable};
use super::{Context, Effect, Nhrp, Received, extension, fixed};
use crate::config::{Profile, Tunnel, host_len, is_station, masked};
use crate::stats::DropReason;
use crate::time::Instant;
use crate::trace::Event;

/// Widest prefixes that are given out, and taken: what is shorter would move half the world.
pub(crate) const fn widest_allowed(host: u8) -> u8 {
    if host == 32 { 8 } else { 16 }
}

/// What is answered.
struct Answer {
    cies: Cies,
    authoritative: bool,
    stable: bool,
    unique: bool,
    /// First address and length of what was told, and what stands behind it.
    subject: Option<((IpAddr, u8), Source)>,
    /// Where a station that is told about is seen from outside, for the NAT extension.
    nat: Option<Cie>,
}

impl Answer {
    /// NHRP-5.2.2-08, NHRP-5.2.2-09, NHRP-5.2.0.1-13: a code and nothing else.
    fn no(code: CieCode) -> Self {
        let cies = Cies::from_elem(Cie { code, ..Cie::default() }, 1);
        Self { cies, authoritative: false, stable: false, unique: false, subject: None, nat: None }
    }
}

impl Nhrp {
    /// Takes a Resolution Request: answers it, or passes it on.
    ///
    /// # Errors
    /// Why neither.
    pub(crate) fn resolution_request(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        received: Received<'_>,
        message: Message,
        out: &mut Vec<Effect>,
    ) -> Result<(), Rejection> {
        let tunnel = cx.tunnel(received.tunnel).ok_or(DropReason::UnknownTunnel)?;
        let Body::ResolutionRequest(request) = &message.body else { return Err(DropReason::NhrpMalformed.into()) };
        let error = |at: usize| Rejection::with_error(DropReason::NoEntry, ErrorCode::PROTOCOL_ERROR, at as u16);
        let requester = request.src_proto.ip().filter(|ip| is_station(*ip));
        let requester = requester.ok_or(error(field::SRC_PROTO_LEN.start))?;
        let target = request.dst_proto.ip().filter(|ip| is_station(*ip)).ok_or(error(field::DST_PROTO_LEN.start))?;
        if is_own(cx, requester) {
            return Err(DropReason::OwnSource.into());
        }
        let answer = match self.way(cx, received.tunnel, received.from, target) {
            Way::Here(egress) => self.as_egress(cx, tunnel, request, target, egress),
            Way::Through(next) => {
                // Whoever would get its own question back is better served with the answer.
                let circle = next.protocol == Some(requester);
                if !(circle || self.answers_for_clients(tunnel, received, request, target)) {
                    return self.forward(now, cx, received, message, next, out);
                }
                self.as_server(now, tunnel, received, request, target)
            }
            // NHRP-2.2-05, NHRP-5.2.2-12.
            Way::Nowhere if tunnel.nhrp.server && tunnel.serves(target) => Answer::no(CieCode::NO_BINDING),
            Way::Nowhere => return Err(unreachable(&message)),
        };
        extension::refuse_unknown(&message.extensions, received.octets)?;
        // NHRP-5.2.2-10, DMVPN-4.7-05.
        let answer = if tunnel.nhrp.answers { answer } else { Answer::no(CieCode::ADMINISTRATIVELY_PROHIBITED) };
        let answer = self.undertake(now, cx, received, &message, answer, out);
        self.reply(cx, received, message, requester, answer, out);
        Ok(())
    }

    /// Whether this node answers for stations that are not itself: by RFC 2332 a server does, with authority for those
    /// that are registered, without it also from what it cached (NHRP-2.2-04); in a DMVPN the station itself does.
    fn answers_for_clients(&self, tunnel: &Tunnel, r: Received<'_>, request: &Mandatory, target: IpAddr) -> bool {
        let authoritative_only = request.flags.contains(Flags::RESOLUTION_AUTHORITATIVE);
        tunnel.nhrp.profile == Profile::Rfc2332
            && tunnel.nhrp.server
            && self
                .cache
                .covering(r.tunnel, target)
                .any(|b| if authoritative_only { b.kind.authoritative() } else { b.kind != BindingKind::Local })
    }

    /// The answer of the way out (DMVPN-4.7-01, DMVPN-4.7-02).
    fn as_egress(&self, cx: &Context<'_>, tunnel: &Tunnel, request: &Mandatory, target: IpAddr, at: Egress) -> Answer {
        let host = host_len(target);
        let available = match at {
            // An own address in an attached network is a part of that network; that of a tunnel is a route of its own.
            Egress::Own | Egress::Attached => cx.rib.widest(target, widest_allowed(host)).unwrap_or(host),
            // NHRP-6.3-02: nobody vouches for what is behind another router.
            Egress::Beyond => host,
        };
        let unique = request.flags.contains(Flags::RESOLUTION_UNIQUE);
        let prefix_len = prefix_for(tunnel, request, host, available);
        let entry = Cie {
            prefix_len,
            holding_time: tunnel.nhrp.resolution_holding_time.unwrap_or(tunnel.nhrp.holding_time),
            ..extension::myself(tunnel)
        };
        Answer {
            cies: Cies::from_elem(entry, 1),
            authoritative: true,
            // NHRP-5.2.2-05.
            stable: at != Egress::Beyond,
            unique,
            subject: Some(((masked(target, prefix_len), prefix_len), Source::Egress)),
            nat: None,
        }
    }

    /// The answer of the server of a station.
    fn as_server(&self, now: Instant, tunnel: &Tunnel, r: Received<'_>, request: &Mandatory, target: IpAddr) -> Answer {
        let mut found: Vec<&Binding> = self.cache.covering(r.tunnel, target).collect();
        // NHRP-5.2.2-03, NHRP-5.2.2-04.
        let authoritative_only = request.flags.contains(Flags::RESOLUTION_AUTHORITATIVE);
        found.retain(|b| b.kind != BindingKind::Local && (!authoritative_only || b.kind.authoritative()));
        if found.is_empty() {
            return Answer::no(CieCode::NO_BINDING);
        }
        // NHRP-5.2.1-05, NHRP-5.2.2-06, NHRP-5.2.2-13.
        let unique = request.flags.contains(Flags::RESOLUTION_UNIQUE);
        if unique {
            found.retain(|b| b.unique);
            found.truncate(1);
            if found.is_empty() {
                return Answer::no(CieCode::NOT_UNIQUE);
            }
        }
        // NHRP-5.2.2-07.
        found.sort_by_key(|b| (std::cmp::Reverse(b.preference), !b.kind.authoritative(), b.nbma));
        let translated = found.iter().find(|b| b.nbma != b.claimed_nbma);
        let Some(first) = found.first() else { return Answer::no(CieCode::NO_BINDING) };
        let subject = (first.protocol, first.prefix_len);
        Answer {
            cies: found.iter().map(|b| entry_of(now, tunnel, request, b, target)).collect(),
            authoritative: found.iter().all(|b| b.kind.authoritative()),
            stable: found.iter().all(|b| b.stable),
            unique,
            subject: Some((subject, Source::Binding)),
            nat: translated.map(|b| seen_at(b.protocol, b.nbma)),
        }
    }

    /// Takes over what an answer obliges to: a way back to the requester (DMVPN-4.6-03, NHRP-6.2.1-05), and telling it
    /// when the answer is no longer true. Without room for that the answer is code 5 (NHRP-5.2.2-11).
    fn undertake(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        received: Received<'_>,
        message: &Message,
        answer: Answer,
        out: &mut Vec<Effect>,
    ) -> Answer {
        let subject = answer.subject.zip(message.body.src_proto().ip());
        let Some((((prefix, prefix_len), source), requester)) = subject else { return answer };
        let mut room = true;
        if let Some(request) = message.mandatory()
            && request.flags.contains(Flags::RESOLUTION_SOURCE_STABLE)
            && let Some(cie) = request.cies.first()
            && let claimed = where_from(received, message, request)
            && let Some(learned) = Self::learnable(cx, received, message, cie, requester, claimed, true)
        {
            let mut events = Vec::new();
            room = self.cache.learn(now, &learned, &mut events).is_ok();
            out.extend(events.into_iter().map(Effect::Event));
        }
        let seconds = answer.cies.iter().map(|cie| cie.holding_time).max().unwrap_or(0);
        let told = Told { to: received.from, until: now + Duration::from_secs(seconds.into()), source };
        room = room && self.requesters.remember(now, (received.tunnel, prefix, prefix_len, requester), told);
        if room {
            return answer;
        }
        cx.stats.resolutions_refused_for_resources += 1;
        Answer::no(CieCode::INSUFFICIENT_RESOURCES)
    }

    /// Turns the request into its reply (NHRP-5.2.2-01, NHRP-5.2.2-17, NHRP-2.2-06).
    fn reply(
        &self,
        cx: &Context<'_>,
        received: Received<'_>,
        message: Message,
        requester: IpAddr,
        answer: Answer,
        out: &mut Vec<Effect>,
    ) {
        let Some(tunnel) = cx.tunnel(received.tunnel) else { return };
        let Message { body: Body::ResolutionRequest(mut reply), mut extensions, .. } = message else { return };
        let mut flags = reply.flags & (Flags::RESOLUTION_ROUTER | Flags::RESOLUTION_SOURCE_STABLE | Flags::CISCO_NAT);
        for (set, flag) in [
            (answer.authoritative, Flags::RESOLUTION_AUTHORITATIVE),
            (answer.stable, Flags::RESOLUTION_DESTINATION_STABLE),
            (answer.unique, Flags::RESOLUTION_UNIQUE),
        ] {
            if set {
                flags |= flag;
            }
        }
        let code = answer.cies.first().map_or(CieCode::SUCCESS, |cie| cie.code);
        let own = self.registrations.public_nbma(received.tunnel).map(|nbma| seen_at(tunnel.address, nbma));
        // CISCO-NAT-08, CISCO-NAT-09.
        let nat = match answer.subject {
            Some((_, Source::Egress)) => own,
            _ => answer.nat,
        };
        reply.flags = flags;
        reply.cies = answer.cies;
        extension::complete(tunnel, &mut extensions, |cies| *cies = nat.into_iter().collect());
        // NHRP-2.2-07, DMVPN-4.7-03: straight to a requester that is known, else back along the way it came.
        let direct = self.cache.lookup(received.tunnel, requester).filter(|b| b.kind != BindingKind::Local);
        let to = direct.map_or(received.from, |b| b.nbma);
        out.push(Effect::Event(Event::ResolutionAnswered {
            tunnel: received.tunnel,
            to,
            requester,
            target: reply.dst_proto.ip(),
            request_id: reply.request_id,
            code,
        }));
        // NHRP-5.1-11.
        let reply = Message { fixed: fixed(tunnel), body: Body::ResolutionReply(reply), extensions };
        out.push(Effect::Send { tunnel: received.tunnel, to, message: Box::new(reply) });
    }
}

/// Where a requester can be reached: what it says, unless the request came straight from it and from somewhere else.
fn where_from(received: Received<'_>, message: &Message, request: &Mandatory) -> IpAddr {
    let record = message.extension(ExtensionType::FORWARD_TRANSIT).and_then(ExtensionValue::cies);
    match request.src_nbma.ip() {
        Some(claimed) if claimed == received.from || record.is_some_and(|cies| !cies.is_empty()) => claimed,
        Some(claimed) if record.is_none() => claimed,
        _ => received.from,
    }
}

/// NHRP-5.2.1-11, NHRP-5.2.1-12: not wider than what was asked for; where nothing was asked for, RFC 2332 has the host
/// and a DMVPN all that there is.
fn prefix_for(tunnel: &Tunnel, request: &Mandatory, host: u8, available: u8) -> u8 {
    let asked = request.cies.first().map_or(0, |cie| cie.prefix_len);
    if request.flags.contains(Flags::RESOLUTION_UNIQUE) {
        return host;
    }
    match (asked, tunnel.nhrp.profile) {
        // RFC 2332 §5.2.0.1 has 255 mean what 0 does; IOS sends the one and FRR the other, and both want networks.
        (0 | 0xFF, Profile::Dmvpn) => available,
        (0, Profile::Rfc2332) => host,
        _ => available.max(asked.min(host)),
    }
}

/// What a binding says: its remaining time (NHRP-5.2.2-15) and what was registered (NHRP-5.2.2-16).
fn entry_of(now: Instant, tunnel: &Tunnel, request: &Mandatory, binding: &Binding, target: IpAddr) -> Cie {
    let remaining = binding.expires.map(|at| {
        let seconds = ((at - now) + Duration::from_millis(500)).as_secs();
        u16::try_from(seconds).unwrap_or(u16::MAX).max(1)
    });
    // Whoever does not know the NAT extension gets the address that works.
    let knows_nat = request.flags.contains(Flags::CISCO_NAT);
    let host = host_len(target);
    Cie {
        code: CieCode::SUCCESS,
        prefix_len: prefix_for(tunnel, request, host, binding.prefix_len),
        mtu: binding.mtu,
        holding_time: remaining.unwrap_or(tunnel.nhrp.holding_time),
        preference: binding.preference,
        nbma: if knows_nat { binding.claimed_nbma } else { binding.nbma }.into(),
        proto: if binding.prefix_len == host { binding.protocol } else { target }.into(),
    }
}
