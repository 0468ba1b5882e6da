//! Error Indications (RFC 2332 §5.2.7): when one is due, what it says, and how many may go out.

use dmvpn_wire::ProtoAddr;
use dmvpn_wire::nhrp::{Body, ErrorCode, ErrorIndication, Message};

use super::{Effect, Received, fixed, message_octets};
use crate::config::Tunnel;
use crate::stats::DropReason;
use crate::time::Instant;

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

/// The Error Indication about a received message, to where it came from.
pub(crate) fn indication(
    tunnel: &Tunnel,
    received: Received<'_>,
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
    Effect::Send { tunnel: received.tunnel, to: received.from, message }
}

/// Lets through so many Error Indications per second, and a second's worth at once.
#[derive(Clone, Debug)]
pub(crate) struct ErrorLimiter {
    /// Nanoseconds of credit that one indication costs; `None`: none is allowed.
    cost: Option<u64>,
    credit: u64,
    last: Option<Instant>,
}

impl ErrorLimiter {
    const FULL: u64 = 1_000_000_000;

    pub(crate) fn new(per_second: u32) -> Self {
        Self { cost: Self::FULL.checked_div(per_second.into()), credit: Self::FULL, last: None }
    }

    /// Whether one more may go out at `now`; if so it is counted.
    pub(crate) fn allow(&mut self, now: Instant) -> bool {
        let earned = self.last.map_or(0, |last| (now - last).as_nanos().min(u128::from(Self::FULL)) as u64);
        self.last = Some(now);
        self.credit = self.credit.saturating_add(earned).min(Self::FULL);
        match self.cost.and_then(|cost| self.credit.checked_sub(cost)) {
            Some(left) => {
                self.credit = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_worth_passes_at_once_and_then_the_rate() {
        let mut limiter = ErrorLimiter::new(4);
        let allowed = (0..10).filter(|_| limiter.allow(Instant::ZERO)).count();
        assert_eq!(allowed, 4);
        assert!(!limiter.allow(Instant::from_nanos(249_999_999)));
        assert!(limiter.allow(Instant::from_nanos(250_000_000)));
        assert!(!ErrorLimiter::new(0).allow(Instant::ZERO));
    }
}
