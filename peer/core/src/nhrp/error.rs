//! Error Indications (RFC 2332 §5.2.7): when one is due, and what it says.

use std::net::IpAddr;

use dmvpn_wire::ProtoAddr;
use dmvpn_wire::nhrp::{Body, ErrorCode, ErrorIndication, Message};

use super::{Effect, Received, fixed, message_octets};
use crate::config::Tunnel;
use crate::stats::DropReason;

/// Why a message is discarded, and which error its sender is told, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    /// For counters and traces.
    pub(crate) reason: DropReason,
    /// Code and offset for the Error Indication.
    pub(crate) error: Option<(ErrorCode, u16)>,
}

impl Rejection {
    /// Discard and say so; `offset` counts octets from ar$afn of the offending packet.
    pub(crate) fn with_error(reason: DropReason, code: ErrorCode, offset: u16) -> Self {
        Self { reason, error: Some((code, offset)) }
    }
}

/// Discard silently.
impl From<DropReason> for Rejection {
    fn from(reason: DropReason) -> Self {
        Self { reason, error: None }
    }
}

/// Whom an Error Indication about a message is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offender(ProtoAddr);

impl Offender {
    /// Its protocol address.
    pub(crate) fn address(self) -> Option<IpAddr> {
        self.0.ip()
    }

    /// NHRP-5.2.7-05: the source of a bad request, the destination of a bad reply.
    pub(crate) fn of(message: &Message) -> Self {
        Self(match &message.body {
            Body::ResolutionReply(m) | Body::RegistrationReply(m) | Body::PurgeReply(m) => m.dst_proto,
            Body::ResolutionRequest(m) | Body::RegistrationRequest(m) | Body::PurgeRequest(m) => m.src_proto,
            Body::ErrorIndication(m) => m.src_proto,
            Body::TrafficIndication(m) => m.src_proto,
        })
    }
}

/// Octets that the headers of an Error Indication and of GRE with key and IPv6 around it take at most.
const AROUND_QUOTE: usize = 128;

/// The Error Indication about a received message, to the NBMA address `to`.
pub(crate) fn indication(
    tunnel: &Tunnel,
    received: Received<'_>,
    to: IpAddr,
    offender: Offender,
    code: ErrorCode,
    offset: u16,
) -> Effect {
    // NHRP-5.2.7-06: the whole packet, as far as it fits into one packet of the tunnel.
    let room = usize::from(tunnel.mtu.max(576)) - AROUND_QUOTE;
    let quote = message_octets(received.octets);
    let body = Body::ErrorIndication(ErrorIndication {
        code,
        offset,
        // NHRP-5.2.7-04: the station that noticed.
        src_nbma: tunnel.nbma.into(),
        src_proto: tunnel.address.into(),
        dst_proto: offender.0,
        packet: quote[..quote.len().min(room)].to_vec(),
    });
    // CISCO-ERR-01: hop count 255 like any other message. NHRP-5.2.7-11: no extensions, so no authentication either.
    let message = Box::new(Message::new(fixed(tunnel), body));
    Effect::Send { tunnel: received.tunnel, to, message }
}
