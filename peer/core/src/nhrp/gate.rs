//! The gate that every message passes, and which engine takes it.
//!
//! ```text
//! octets -> rate -> parse, checksum -> families -> authentication -> for this node -> registration (client, NHC)
//!                                                       |                          -> server (NHS)
//!                                                       |                          -> answer, resolution, purge, redirect
//!                                                       +----------> for another   -> transit
//! ```

use std::net::IpAddr;

use dmvpn_wire::nhrp::{Body, Message, MessageType};
use dmvpn_wire::{ErrorKind, ProtoAddr};

use super::cache::BindingKind;
use super::error::Rejection;
use super::route::Way;
use super::{Context, Effect, Nhrp, Received, auth, error, extension, fixed, server, transit};
use crate::config::Tunnel;
use crate::stats::DropReason;
use crate::time::Instant;
use crate::trace::Event;

impl Nhrp {
    /// Takes one message. At most one message goes out in return.
    ///
    /// # Errors
    /// Why the message was discarded. An Error Indication about it may be among the effects.
    pub fn handle(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        received: Received<'_>,
        out: &mut Vec<Effect>,
    ) -> Result<(), DropReason> {
        let Some(tunnel) = cx.tunnel(received.tunnel) else { return Err(DropReason::UnknownTunnel) };
        // CISCO-NID-01.
        if tunnel.nhrp.network_id.is_none() {
            return Err(DropReason::NhrpOff);
        }
        if !self.peers.allow(now, received.from) {
            return Err(DropReason::PeerRate);
        }
        // Broken messages are dropped without a word, although RFC 2332 §5.2.7 would allow error 7: nothing in them,
        // not even their source, can be believed (NHRP-5.1-17, NHRP-5.1-20, NHRP-5.1-21).
        let message = Message::parse(received.octets).map_err(|error| match error.kind {
            ErrorKind::BadVersion => DropReason::NhrpVersion,
            ErrorKind::BadChecksum => DropReason::NhrpChecksum,
            ErrorKind::UnknownType => DropReason::NhrpUnknownType,
            ErrorKind::UnknownFamily | ErrorKind::UnknownProtocol => DropReason::NhrpFamily,
            _ => DropReason::NhrpMalformed,
        })?;
        let of = message.message_type();
        cx.stats.nhrp_received(of);
        let bad = error::Offender::of(&message);
        self.dispatch(now, cx, tunnel, received, message, out).map_err(|rejection| {
            if let Some((code, offset)) = rejection.error {
                // NHRP-5.2.7-09: this is the only place that sends one. NHRP-5.2.7-07: never about another one.
                if of == MessageType::ERROR_INDICATION {
                    debug_assert!(false, "an error indication was to be answered with one");
                } else if !self.errors.allow(now) {
                    cx.stats.errors_suppressed += 1;
                } else {
                    let to = self.whom_to_tell(received, bad, rejection.reason);
                    out.push(Effect::Event(Event::ErrorSent { tunnel: received.tunnel, to, code, offset }));
                    out.push(error::indication(tunnel, received, to, bad, code, offset));
                }
            }
            rejection.reason
        })
    }

    fn dispatch(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        tunnel: &Tunnel,
        received: Received<'_>,
        message: Message,
        out: &mut Vec<Effect>,
    ) -> Result<(), Rejection> {
        let own = fixed(tunnel);
        // NHRP-5.1-04: equal families are enough, whatever form the protocol type has.
        if message.fixed.afn != own.afn || message.fixed.protocol.family() != own.protocol.family() {
            return Err(DropReason::NhrpFamily.into());
        }
        // CISCO-AUTH-06: an Error Indication carries no extensions, hence no authentication.
        if matches!(message.body, Body::ErrorIndication(_)) {
            return self.error_indication(now, cx, tunnel, received, message, out);
        }
        auth::check(tunnel.nhrp.authentication.as_ref(), &message, received.octets)?;
        extension::refuse_repeated(&message.extensions, received.octets)?;
        let (src, dst) = (message.body.src_proto(), message.body.dst_proto());
        let own = |address: ProtoAddr| address.ip().is_some_and(|ip| transit::is_own(cx, ip));
        match &message.body {
            // NHRP-5.2.3-16, NHRP-5.2.3-17, NHRP-5.2.3-18: for us, or from a client that does not know us.
            Body::RegistrationRequest(_) if own(dst) || dst == src => {
                let from = out.len();
                server::handle(now, cx, tunnel, received, message, &mut self.cache, out)?;
                self.tell_of_changes(now, cx, out, from);
                Ok(())
            }
            Body::RegistrationRequest(_) if own(src) => Err(DropReason::OwnSource.into()),
            Body::RegistrationRequest(_) => self.pass_on(now, cx, received, message, dst, out),
            Body::RegistrationReply(_) if own(src) || !self.leads_on(cx, received, src) => {
                Ok(self.registrations.handle_reply(now, cx, received, &message, out)?)
            }
            Body::ResolutionRequest(_) => self.resolution_request(now, cx, received, message, out),
            Body::ResolutionReply(_) if own(src) => self.resolution_reply(now, cx, received, &message, out),
            Body::PurgeRequest(_) if own(dst) || dst == src => self.purge_request(now, cx, received, message, out),
            Body::PurgeRequest(_) => self.pass_on(now, cx, received, message, dst, out),
            Body::PurgeReply(reply) if own(src) => Ok(self.purge_reply(received, reply, out)?),
            Body::TrafficIndication(indication) => {
                Ok(self.traffic_indication(now, cx, tunnel, received, indication, out)?)
            }
            // Was taken above.
            Body::ErrorIndication(_) => Err(DropReason::UnsolicitedError.into()),
            // NHRP-2.2-06: replies travel towards their source.
            Body::RegistrationReply(_) | Body::ResolutionReply(_) | Body::PurgeReply(_) => {
                self.pass_on(now, cx, received, message, src, out)
            }
        }
    }

    /// Where an Error Indication goes: to where the message came from. One about a message that has come round goes
    /// straight to a client that is known here, because the way back leads round as well and ends here (NHRP-5.2.7-10).
    fn whom_to_tell(&self, received: Received<'_>, offender: error::Offender, reason: DropReason) -> IpAddr {
        let client = offender.address().filter(|_| reason == DropReason::Loop);
        let binding = client.and_then(|client| self.cache.lookup(received.tunnel, client));
        binding.filter(|b| b.kind == BindingKind::Dynamic).map_or(received.from, |b| b.nbma)
    }

    /// Whether a message for `destination` would be passed on.
    fn leads_on(&self, cx: &Context<'_>, received: Received<'_>, destination: ProtoAddr) -> bool {
        let way = destination.ip().map(|to| self.way(cx, received.tunnel, received.from, to));
        matches!(way, Some(Way::Through(_)))
    }

    /// Takes an Error Indication: one about a request of ours fails it, one for somebody else is passed on.
    fn error_indication(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        tunnel: &Tunnel,
        received: Received<'_>,
        message: Message,
        out: &mut Vec<Effect>,
    ) -> Result<(), Rejection> {
        let Body::ErrorIndication(error) = &message.body else { return Err(DropReason::NhrpMalformed.into()) };
        let (code, offset) = (error.code, error.offset);
        out.push(Effect::Event(Event::ErrorReceived { tunnel: received.tunnel, from: received.from, code, offset }));
        // What it quotes decides, because not every station fills in its destination as the RFC has it.
        let Err(reason) = self.registrations.handle_error(now, cx, received, error, out) else { return Ok(()) };
        if self.resolution_error(now, cx, error, out) {
            return Ok(());
        }
        // NHRP-5.2.7-10.
        if (error.src_nbma, error.src_proto) == (tunnel.nbma.into(), tunnel.address.into()) {
            return Err(DropReason::OwnSource.into());
        }
        let dst = error.dst_proto;
        if dst.ip().is_none_or(|ip| transit::is_own(cx, ip)) || !self.leads_on(cx, received, dst) {
            return Err(reason.into());
        }
        self.pass_on(now, cx, received, message, dst, out)
    }
}
