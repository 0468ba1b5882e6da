//! What a client says in a Registration Request, and what it reads in the reply besides the code.

use std::net::IpAddr;

use dmvpn_wire::ProtoAddr;
use dmvpn_wire::nhrp::{Body, Cie, Cies, ExtensionValue, Flags, Mandatory, Message};

use crate::config::{Tunnel, everything, host_len, is_station};
use crate::nhrp::{extension, fixed};

/// The Registration Request of a tunnel for one server.
pub(super) fn request(tunnel: &Tunnel, nhs_nbma: IpAddr, nhs_protocol: Option<IpAddr>, request_id: u32) -> Message {
    let nhrp = &tunnel.nhrp;
    let host = host_len(tunnel.address);
    let unique = if nhrp.unique { Flags::REGISTRATION_UNIQUE } else { Flags::NONE };
    // NHRP-5.2.3-11, NHRP-5.2.3-13: without addresses, for those of the header; code 0. NHRP-5.2.3-07: one entry.
    let entry = Cie {
        // NHRP-5.2.3-08.
        prefix_len: nhrp.prefix_len.unwrap_or(if nhrp.unique { 0xFF } else { host }),
        mtu: tunnel.mtu,
        holding_time: nhrp.holding_time,
        ..Cie::default()
    };
    // CISCO-NAT-03, CISCO-NAT-04.
    let (unspecified, _) = everything(tunnel.address);
    let server = Cie {
        prefix_len: host,
        mtu: tunnel.mtu,
        nbma: nhs_nbma.into(),
        proto: nhs_protocol.unwrap_or(unspecified).into(),
        ..Cie::default()
    };
    let extensions = extension::standard(tunnel, Cies::from_elem(server, 1));
    let body = Body::RegistrationRequest(Mandatory {
        flags: unique | Flags::CISCO_NAT,
        request_id,
        src_nbma: tunnel.nbma.into(),
        src_proto: tunnel.address.into(),
        // NHRP-5.2.3-15.
        dst_proto: nhs_protocol.unwrap_or(tunnel.address).into(),
        cies: Cies::from_elem(entry, 1),
    });
    Message { fixed: fixed(tunnel), body, extensions }
}

/// The address that the server gives itself in its reply: in the destination (CISCO-REG-07), else as the responder.
pub(super) fn own_address_of_nhs(tunnel: &Tunnel, message: &Message) -> Option<IpAddr> {
    let responder = message.extensions.iter().find_map(|extension| match &extension.value {
        ExtensionValue::ResponderAddress(cies) => cies.first().and_then(|cie| cie.proto.ip()),
        _ => None,
    });
    let destination = message.mandatory().and_then(|reply| reply.dst_proto.ip());
    [destination, responder].into_iter().flatten().find(|ip| *ip != tunnel.address && is_station(*ip))
}

/// CISCO-NAT-08: our address as the server sees it. The entry is recognised by our protocol address instead of by its
/// place, because some servers put it first.
pub(super) fn public_address(tunnel: &Tunnel, message: &Message) -> Option<IpAddr> {
    message.extensions.iter().find_map(|extension| match &extension.value {
        ExtensionValue::CiscoNat(cies) => cies
            .iter()
            .find(|cie| cie.proto == ProtoAddr::from(tunnel.address))
            .and_then(|cie| cie.nbma.ip())
            .filter(|nbma| *nbma != tunnel.nbma),
        _ => None,
    })
}
