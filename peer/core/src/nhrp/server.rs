//! The next hop server's answer to registrations (RFC 2332 §5.2.3, §5.2.4).
//!
//! The reply *is* the request: addresses, request id, entries and extensions stay where they are, and only what the
//! server has to say is put in.

use dmvpn_wire::nhrp::{Body, Cie, CieCode, ErrorCode, Flags, Mandatory, Message};

use super::cache::{Cache, Registration};
use super::error::Rejection;
use super::transit::seen_at;
use super::{Context, Effect, Received, extension, fixed};
use crate::config::{Tunnel, host_len, is_station};
use crate::stats::DropReason;
use crate::time::Instant;
use crate::trace::Event;

/// Answers a Registration Request: one reply to where it came from.
///
/// # Errors
/// Why there is no reply, and which error is due instead.
pub(crate) fn handle(
    now: Instant,
    cx: &mut Context<'_>,
    tunnel: &Tunnel,
    received: Received<'_>,
    message: Message,
    cache: &mut Cache,
    out: &mut Vec<Effect>,
) -> Result<(), Rejection> {
    if !tunnel.nhrp.server {
        return Err(DropReason::NotAServer.into());
    }
    let Message { body: Body::RegistrationRequest(mut request), mut extensions, .. } = message else {
        return Err(DropReason::NhrpMalformed.into());
    };
    let client = request.src_proto.ip().filter(|ip| is_station(*ip)).ok_or(DropReason::NoEntry)?;
    extension::refuse_unknown(&extensions, received.octets)?;
    if request.cies.is_empty() {
        return Err(Rejection::with_error(DropReason::NoEntry, ErrorCode::PROTOCOL_ERROR, 0));
    }

    let (accepted, refused) = register(now, cx, tunnel, received, &mut request, cache, out);

    let behind_nat = request.src_nbma.ip().is_some_and(|claimed| claimed != received.from);
    // CISCO-NAT-05, CISCO-NAT-06.
    let seen = behind_nat.then(|| seen_at(client, received.from));
    extension::complete(tunnel, &mut extensions, |cies| cies.extend(seen));
    // NHRP-5.2.0.1-04, NHRP-5.2.0.1-16, NHRP-5.2.4-01: request id and source stay. Of the flags only those that mean
    // something come back (NHRP-5-04).
    request.flags = request.flags & (Flags::REGISTRATION_UNIQUE | Flags::CISCO_NAT);
    // CISCO-REG-07: a client that put its own address here learns ours (RFC 2332 would leave the field alone).
    request.dst_proto = tunnel.address.into();
    out.push(Effect::Event(Event::RegistrationAnswered {
        tunnel: received.tunnel,
        to: received.from,
        client,
        request_id: request.request_id,
        accepted,
        refused,
    }));
    // NHRP-5.1-11: a hop count of our own. NHRP-5.2.4-04: straight to the client, through its NAT if there is one.
    let reply = Message { fixed: fixed(tunnel), body: Body::RegistrationReply(request), extensions };
    out.push(Effect::Send { tunnel: received.tunnel, to: received.from, message: Box::new(reply) });
    Ok(())
}

/// Handles every entry on its own and writes the outcome into it (NHRP-5.2.3-10, NHRP-5.2.4-02). Returns how many were
/// accepted and refused.
fn register(
    now: Instant,
    cx: &mut Context<'_>,
    tunnel: &Tunnel,
    received: Received<'_>,
    request: &mut Mandatory,
    cache: &mut Cache,
    out: &mut Vec<Effect>,
) -> (u16, u16) {
    let mut cies = std::mem::take(&mut request.cies);
    // NHRP-5.2.3-07: with U there is one entry; several would claim to be the same unique station.
    let too_many = request.flags.contains(Flags::REGISTRATION_UNIQUE) && cies.len() > 1;
    let mut events = Vec::new();
    let (mut accepted, mut refused) = (0, 0);
    for (index, cie) in cies.iter_mut().enumerate() {
        let claim = claim(tunnel, received, request, cie);
        let result = if too_many {
            Err(CieCode::ADMINISTRATIVELY_PROHIBITED)
        } else if index >= cx.limits.entries_per_request {
            Err(CieCode::INSUFFICIENT_RESOURCES)
        } else {
            judge(tunnel, claim).and_then(|registration| cache.register(now, &registration, &mut events))
        };
        match result {
            Ok(_) => {
                cie.code = CieCode::SUCCESS;
                accepted += 1;
            }
            Err(code) => {
                cie.code = code;
                // NHRP-5.2.0.1-13.
                cie.holding_time = 0;
                refused += 1;
                if code == CieCode::INSUFFICIENT_RESOURCES {
                    cx.stats.entries_refused_for_resources += 1;
                }
                let Registration { tunnel, protocol, nbma, .. } = claim;
                events.push(Event::BindingRefused { tunnel, protocol, nbma, code });
            }
        }
    }
    request.cies = cies;
    out.extend(events.into_iter().map(Effect::Event));
    (accepted, refused)
}

/// What one entry asks for, with everything that it leaves to the header filled in.
fn claim(tunnel: &Tunnel, received: Received<'_>, request: &Mandatory, cie: &Cie) -> Registration {
    // NHRP-5.2.3-11, NHRP-5.2.3-12: an empty address stands for the one in the header, and an empty one there for
    // where the packet came from.
    let source = request.src_nbma.ip().unwrap_or(received.from);
    let claimed_nbma = cie.nbma.ip().unwrap_or(source);
    let protocol = cie.proto.ip().or(request.src_proto.ip()).unwrap_or(tunnel.address);
    let unique = request.flags.contains(Flags::REGISTRATION_UNIQUE);
    let host = host_len(protocol);
    Registration {
        tunnel: received.tunnel,
        protocol,
        // NHRP-5.2.0.1-09, NHRP-5.2.0.1-10, CISCO-REG-02: 0, 255 and everything wider than the address mean the
        // host, and a unique station is a host whatever it says.
        prefix_len: if unique || cie.prefix_len == 0 || cie.prefix_len > host { host } else { cie.prefix_len },
        // CISCO-NAT-05, CISCO-NAT-07: packets for the sender go to where it is seen; the NAT is in between. An
        // entry that names some other NBMA address means that one.
        nbma: if claimed_nbma == source { received.from } else { claimed_nbma },
        claimed_nbma,
        unique,
        mtu: cie.mtu,
        preference: cie.preference,
        from: received.from,
        holding_time: if cie.holding_time == 0 { tunnel.nhrp.holding_time } else { cie.holding_time },
        request_id: request.request_id,
    }
}

/// NHRP-5.2.3-19: what this server does not serve gets code 4.
fn judge(tunnel: &Tunnel, claim: Registration) -> Result<Registration, CieCode> {
    let host = host_len(tunnel.address);
    // A prefix must be a part of the tunnel's subnet (NHRP-5.2.3-14); if no subnet is known any will do.
    let narrow = tunnel.prefix_len == host || claim.prefix_len > tunnel.prefix_len;
    let serves = tunnel.serves(claim.protocol) && narrow;
    // A binding that leads back to us would make packets circle.
    let reachable =
        is_station(claim.nbma) && host_len(claim.nbma) == host_len(tunnel.nbma) && claim.nbma != tunnel.nbma;
    if serves && reachable { Ok(claim) } else { Err(CieCode::ADMINISTRATIVELY_PROHIBITED) }
}
