//! Messages for others: a station on the way passes them on (RFC 2332 §5.1 hop count, §5.3.2, §5.3.3, §6.2.1).

use std::net::IpAddr;

use dmvpn_wire::ProtoAddr;
use dmvpn_wire::nhrp::fixed::field;
use dmvpn_wire::nhrp::{Body, Cie, Cies, ErrorCode, ExtensionType, ExtensionValue, Flags, Message};

use super::cache::BindingKind;
use super::error::Rejection;
use super::requester::{Source, Told};
use super::route::{NextHop, Way};
use super::{Context, Effect, Nhrp, Received, extension};
use crate::config::{Profile, Tunnel, host_len};
use crate::rib::Hop;
use crate::stats::DropReason;
use crate::time::Instant;

impl Nhrp {
    /// Passes a message on towards `destination`.
    ///
    /// # Errors
    /// Why it goes no further.
    pub(crate) fn pass_on(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        received: Received<'_>,
        message: Message,
        destination: ProtoAddr,
        out: &mut Vec<Effect>,
    ) -> Result<(), Rejection> {
        let destination = destination.ip();
        match destination.map(|to| self.way(cx, received.tunnel, received.from, to)) {
            Some(Way::Through(next)) => self.forward(now, cx, received, message, next, out),
            // NHRP-2.2-08: what lies outside the NBMA network gets no NHRP.
            _ => Err(unreachable(&message)),
        }
    }

    /// Passes a message on to the next station.
    ///
    /// # Errors
    /// Why it goes no further.
    pub(crate) fn forward(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        received: Received<'_>,
        mut message: Message,
        next: NextHop,
        out: &mut Vec<Effect>,
    ) -> Result<(), Rejection> {
        let none = DropReason::UnknownTunnel;
        let came = cx.tunnel(received.tunnel).ok_or(none)?;
        let goes = cx.tunnel(next.tunnel).ok_or(none)?;
        // NHRP-5.1-07, NHRP-5.1-08.
        let Some(hops) = message.fixed.hop_count.checked_sub(1) else {
            let at = field::HOP_COUNT.start as u16;
            return Err(about(&message, DropReason::HopCount, ErrorCode::HOP_COUNT_EXCEEDED, at));
        };
        refuse_loop(cx, &message)?;
        let known = !extension::has_unknown(&message);
        if came.nhrp.profile == Profile::Rfc2332 && known {
            self.overhear(now, cx, received, &message, out);
        }
        message.fixed.hop_count = hops;
        // NHRP-5.3-14: who does not know what a compulsory extension wants is no way out for what it is about.
        let record = Cie { nbma: if known { came.nbma.into() } else { Default::default() }, ..extension::myself(came) };
        let is_reply = record_transit(&mut message, record);
        self.complete_nat(received, &mut message, is_reply);
        extension::authenticate(&mut message.extensions, came, goes);
        // NHRP-5-06, NHRP-5.2.7-15: refused rather than cut.
        if message.emitted_len() > usize::from(goes.mtu) {
            return Err(about(&message, DropReason::SduSize, ErrorCode::SDU_SIZE_EXCEEDED, 0));
        }
        self.remember_passing(now, received, &message, next);
        out.push(Effect::Send { tunnel: next.tunnel, to: next.nbma, message: Box::new(message) });
        Ok(())
    }

    /// NHRP-6.2.1-06, NHRP-6.2.1-07: what may be cached from messages that pass. Never the source of a reply
    /// (NHRP-6.2.1-08), and of a reply only what is about the address that was asked for.
    fn overhear(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        received: Received<'_>,
        message: &Message,
        out: &mut Vec<Effect>,
    ) {
        let learned = match &message.body {
            Body::ResolutionRequest(m) if m.flags.contains(Flags::RESOLUTION_SOURCE_STABLE) => {
                let parts = m.cies.first().zip(m.src_proto.ip()).zip(m.src_nbma.ip());
                parts.and_then(|((cie, proto), nbma)| Self::learnable(cx, received, message, cie, proto, nbma, true))
            }
            Body::ResolutionReply(m) if m.flags.contains(Flags::RESOLUTION_DESTINATION_STABLE) => {
                let about_it = |cie: &&Cie| cie.code.0 == 0 && (cie.proto == m.dst_proto || cie.proto.is_empty());
                let parts = m.cies.iter().find(about_it).zip(m.dst_proto.ip());
                parts.and_then(|(cie, proto)| Self::learnable(cx, received, message, cie, proto, cie.nbma.ip()?, true))
            }
            _ => None,
        };
        let Some(learned) = learned else { return };
        let mut events = Vec::new();
        if self.cache.learn(now, &learned, &mut events).is_err() {
            cx.stats.bindings_not_cached += 1;
        }
        out.extend(events.into_iter().map(Effect::Event));
    }

    /// CISCO-NAT-10: an empty NAT extension is filled for a party that registered through a NAT; one that is not empty is
    /// left alone.
    fn complete_nat(&self, received: Received<'_>, message: &mut Message, is_reply: bool) {
        let party = match &message.body {
            Body::ResolutionRequest(m) => m.src_proto.ip(),
            Body::ResolutionReply(m) if is_reply => m.cies.first().and_then(|cie| cie.proto.ip()),
            _ => None,
        };
        let Some(party) = party else { return };
        let registered = self.cache.lookup(received.tunnel, party).filter(|b| b.kind == BindingKind::Dynamic);
        let Some(binding) = registered.filter(|b| b.nbma != b.claimed_nbma) else { return };
        if let Some(ExtensionValue::CiscoNat(cies)) = message.extension_mut(ExtensionType::CISCO_NAT)
            && cies.is_empty()
        {
            cies.push(seen_at(party, binding.nbma));
        }
    }

    /// NHRP-5.2.5-11: who asks for something behind a client learns where the client is. When the client takes itself
    /// back, or moves, its server is the one to say so.
    fn remember_passing(&mut self, now: Instant, received: Received<'_>, message: &Message, next: NextHop) {
        let (Body::ResolutionRequest(m), Some(protocol)) = (&message.body, next.protocol) else { return };
        let Some(requester) = m.src_proto.ip() else { return };
        let Some(binding) = self.cache.lookup(next.tunnel, protocol) else { return };
        let (BindingKind::Dynamic, Some(until)) = (binding.kind, binding.expires) else { return };
        let key = (next.tunnel, binding.protocol, binding.prefix_len, requester);
        let told = Told { to: received.from, until, source: Source::Binding };
        // Without room the holding time has to do.
        let _ = self.requesters.remember(now, key, told);
    }
}

/// The entry of the NAT extension for a station that is seen at `nbma`.
pub(crate) fn seen_at(protocol: IpAddr, nbma: IpAddr) -> Cie {
    Cie { prefix_len: host_len(protocol), nbma: nbma.into(), proto: protocol.into(), ..Cie::default() }
}

/// Appends `record` where the message asks for it (NHRP-5.3.2-02, NHRP-5.3.2-07, NHRP-5.3.3-01, NHRP-5.3.3-04); says
/// whether the message is a reply.
fn record_transit(message: &mut Message, record: Cie) -> bool {
    let (of, is_reply) = match &message.body {
        Body::ResolutionRequest(_) | Body::RegistrationRequest(_) | Body::PurgeRequest(_) => {
            (ExtensionType::FORWARD_TRANSIT, false)
        }
        Body::ResolutionReply(_) | Body::RegistrationReply(_) | Body::PurgeReply(_) => {
            (ExtensionType::REVERSE_TRANSIT, true)
        }
        Body::ErrorIndication(_) | Body::TrafficIndication(_) => return false,
    };
    if let Some(cies) = message.extension_mut(of).and_then(ExtensionValue::cies_mut) {
        cies.push(record);
    }
    is_reply
}

/// NHRP-5.3.1-06, NHRP-5.3.2-05, NHRP-5.3.3-03: a message that was here already.
fn refuse_loop(cx: &Context<'_>, message: &Message) -> Result<(), Rejection> {
    let own = |cies: &Cies| cies.iter().any(|cie| cie.proto.ip().is_some_and(|ip| is_own(cx, ip)));
    let listed = |of| message.extension(of).and_then(ExtensionValue::cies).is_some_and(own);
    let looped = match &message.body {
        Body::ResolutionRequest(_) | Body::RegistrationRequest(_) | Body::PurgeRequest(_) => {
            listed(ExtensionType::FORWARD_TRANSIT)
        }
        Body::ResolutionReply(_) | Body::RegistrationReply(_) | Body::PurgeReply(_) => {
            listed(ExtensionType::REVERSE_TRANSIT) || listed(ExtensionType::RESPONDER_ADDRESS)
        }
        Body::ErrorIndication(_) | Body::TrafficIndication(_) => false,
    };
    if looped { Err(about(message, DropReason::Loop, ErrorCode::LOOP_DETECTED, 0)) } else { Ok(()) }
}

/// Whether a protocol address is one of this node.
pub(crate) fn is_own(cx: &Context<'_>, address: IpAddr) -> bool {
    cx.rib.lookup(address).is_some_and(|found| found.hop == Hop::Own)
        || cx.tunnels.iter().any(|tunnel: &Tunnel| tunnel.address == address)
}

/// NHRP-5.2.7-13.
pub(crate) fn unreachable(message: &Message) -> Rejection {
    let at = field::DST_PROTO_LEN.start as u16;
    about(message, DropReason::Unreachable, ErrorCode::PROTOCOL_ADDRESS_UNREACHABLE, at)
}

/// NHRP-5.1-10, NHRP-5.2.7-07: what is wrong with an Error Indication is nobody's business.
fn about(message: &Message, reason: DropReason, code: ErrorCode, offset: u16) -> Rejection {
    match message.body {
        Body::ErrorIndication(_) => reason.into(),
        _ => Rejection::with_error(reason, code, offset),
    }
}
