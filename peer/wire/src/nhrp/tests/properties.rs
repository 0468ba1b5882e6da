//! What holds for all messages: all eight types, IPv4 and IPv6 on both sides.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::neighbours::survive;
use crate::nhrp::*;
use crate::{Family, NbmaAddr, ProtoAddr};

fn any_family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::V4), Just(Family::V6)]
}

fn any_ip(family: Family) -> BoxedStrategy<std::net::IpAddr> {
    match family {
        Family::V4 => any::<Ipv4Addr>().prop_map(Into::into).boxed(),
        Family::V6 => any::<Ipv6Addr>().prop_map(Into::into).boxed(),
    }
}

fn any_nbma(family: Family) -> impl Strategy<Value = NbmaAddr> {
    option::of(any_ip(family)).prop_map(NbmaAddr::from)
}

fn any_proto(family: Family) -> impl Strategy<Value = ProtoAddr> {
    option::of(any_ip(family)).prop_map(ProtoAddr::from)
}

fn any_cies(nbma: Family, proto: Family) -> impl Strategy<Value = Cies> {
    let cie = (any::<(u8, u8, u16, u16, u8)>(), any_nbma(nbma), any_proto(proto)).prop_map(
        |((code, prefix_len, mtu, holding_time, preference), nbma, proto)| Cie {
            code: CieCode(code),
            prefix_len,
            mtu,
            holding_time,
            preference,
            nbma,
            proto,
        },
    );
    vec(cie, 0..4).prop_map(Cies::from)
}

fn any_protocol(family: Family) -> impl Strategy<Value = ProtocolType> {
    match family {
        Family::V4 => prop_oneof![Just(ProtocolType::IPV4), Just(ProtocolType::snap([0, 0, 0, 8, 0]))],
        Family::V6 => prop_oneof![Just(ProtocolType::IPV6), Just(ProtocolType::snap([0, 0, 0, 0x86, 0xdd]))],
    }
}

fn any_body(nbma: Family, proto: Family) -> impl Strategy<Value = Body> {
    let addresses = (any_nbma(nbma), any_proto(proto), any_proto(proto));
    (0..8, any::<(u16, u32)>(), addresses, any_cies(nbma, proto), vec(any::<u8>(), 0..100)).prop_map(
        |(kind, (flags, request_id), (src_nbma, src_proto, dst_proto), cies, packet)| {
            let flags = Flags(flags);
            let mandatory = Mandatory { flags, request_id, src_nbma, src_proto, dst_proto, cies };
            let [code, offset] = [(request_id >> 16) as u16, request_id as u16];
            match kind {
                0 => Body::ResolutionRequest(mandatory),
                1 => Body::ResolutionReply(mandatory),
                2 => Body::RegistrationRequest(mandatory),
                3 => Body::RegistrationReply(mandatory),
                4 => Body::PurgeRequest(mandatory),
                5 => Body::PurgeReply(mandatory),
                6 => {
                    let code = ErrorCode(code);
                    Body::ErrorIndication(ErrorIndication { code, offset, src_nbma, src_proto, dst_proto, packet })
                }
                _ => {
                    let code = TrafficCode(code);
                    Body::TrafficIndication(TrafficIndication { code, src_nbma, src_proto, dst_proto, packet })
                }
            }
        },
    )
}

fn any_extension(nbma: Family, proto: Family, src_proto_len: usize) -> impl Strategy<Value = Extension> {
    let secret = |range| vec(any::<u8>(), range).prop_map(|octets: Vec<u8>| Secret::new(&octets));
    let rfc = (any::<u16>(), secret(src_proto_len..src_proto_len + 1), secret(16..33))
        .prop_map(|(spi, src, digest)| Authentication::Rfc { spi, src, digest });
    let authentication = prop_oneof![
        secret(0..16).prop_map(Authentication::Cisco),
        rfc,
        // Reserved octets that are not zero belong to neither layout.
        secret(0..40).prop_map(|rest| Authentication::Raw(Secret::new(&[&[9], rest.as_bytes()].concat()))),
    ];
    let value = prop_oneof![
        any_cies(nbma, proto).prop_map(ExtensionValue::ResponderAddress),
        any_cies(nbma, proto).prop_map(ExtensionValue::ForwardTransit),
        any_cies(nbma, proto).prop_map(ExtensionValue::ReverseTransit),
        any_cies(nbma, proto).prop_map(ExtensionValue::CiscoNat),
        authentication.prop_map(ExtensionValue::Authentication),
        (any::<[u8; 3]>(), vec(any::<u8>(), 0..20)).prop_map(|(oui, data)| ExtensionValue::VendorPrivate { oui, data }),
        (10u16..0x4000, vec(any::<u8>(), 0..20))
            .prop_map(|(code, data)| ExtensionValue::Unknown { code: ExtensionType(code), data }),
    ];
    (any::<bool>(), any::<bool>(), value).prop_map(|(compulsory, unused, value)| Extension {
        compulsory,
        unused,
        value,
    })
}

fn any_message() -> impl Strategy<Value = Message> {
    (any_family(), any_family())
        .prop_flat_map(|(nbma, proto)| {
            (Just(nbma), Just(proto), any_protocol(proto), any_body(nbma, proto), any::<u8>())
        })
        .prop_flat_map(|(nbma, proto, protocol, body, hop_count)| {
            let most = if matches!(body, Body::ErrorIndication(_)) { 0 } else { 6 };
            let extensions = vec(any_extension(nbma, proto, body.src_proto().len()), 0..=most);
            let fixed = Fixed { afn: nbma.into(), protocol, hop_count };
            (Just(fixed), Just(body), extensions)
        })
        .prop_map(|(fixed, body, extensions)| Message { fixed, body, extensions: extensions.into() })
}

proptest! {
    #[test]
    fn parse_reads_what_emit_wrote(message in any_message()) {
        let bytes = message.to_vec().unwrap();
        prop_assert_eq!(bytes.len(), message.emitted_len());
        let parsed = Message::parse(&bytes);
        prop_assert_eq!(parsed.as_ref(), Ok(&message));
        prop_assert_eq!(parsed.unwrap().to_vec().unwrap(), bytes);
    }

    #[test]
    fn the_view_sees_what_emit_wrote(message in any_message()) {
        let bytes = message.to_vec().unwrap();
        let packet = Packet::new(&bytes);
        prop_assert_eq!(packet.verify_checksum(), Some(true));
        prop_assert_eq!(packet.message_type(), Some(message.message_type()));
        prop_assert_eq!(packet.protocol(), Some(message.fixed.protocol));
        prop_assert_eq!(packet.src_nbma(), Some(message.body.src_nbma()));
        prop_assert_eq!(packet.src_proto(), Some(message.body.src_proto()));
        prop_assert_eq!(packet.dst_proto(), Some(message.body.dst_proto()));
        let seen: Vec<_> = packet.extensions().map(|extension| extension.unwrap().code()).collect();
        let mut wanted: Vec<_> = message.extensions.iter().map(Extension::code).collect();
        if !wanted.is_empty() {
            wanted.push(ExtensionType::END);
        }
        prop_assert_eq!(seen, wanted);
        let seen: Vec<_> = packet.cies().map(|cie| cie.unwrap()).map(|cie| (cie.nbma().unwrap(), cie.proto().unwrap())).collect();
        let wanted: Vec<_> = message.mandatory().iter().flat_map(|m| &m.cies).map(|cie| (cie.nbma, cie.proto)).collect();
        prop_assert_eq!(seen, wanted);
    }

    #[test]
    fn a_broken_message_breaks_nothing_else(message in any_message(), at: prop::sample::Index, octet: u8, refill: bool) {
        let mut bytes = message.to_vec().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = octet;
        if refill {
            Packet::new(&mut bytes).fill_checksum();
        }
        survive(&bytes);
    }

    #[test]
    fn random_octets_break_nothing(bytes in vec(any::<u8>(), 0..200)) {
        survive(&bytes);
    }

    #[test]
    fn random_octets_behind_a_plausible_head_break_nothing(
        tail in vec(any::<u8>(), 0..200), kind in 1u8..10, lens: [u8; 4], extension_offset in 0u16..120,
    ) {
        let mut bytes = vec![0, 1, 8, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 1, kind];
        bytes.extend(lens.map(|len| len & 0x14));
        bytes.extend(tail);
        let size = bytes.len() as u16;
        let mut packet = Packet::new(&mut bytes);
        packet.set_packet_size(size);
        packet.set_extension_offset(extension_offset);
        packet.fill_checksum();
        survive(&bytes);
    }
}
