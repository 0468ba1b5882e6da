//! Byte samples both ways; their neighbours and properties are in the two modules.

mod neighbours;
mod properties;

use std::net::Ipv4Addr;

use super::*;
use crate::{ErrorKind, Layer, NbmaAddr, ProtoAddr};

/// Octets from hex digits; everything else is punctuation.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A live Registration Reply of FRR 8.4.4.
fn frr_reply() -> Vec<u8> {
    hex("0001 0800 0000000000 40 0058 e593 0034 01 04 04 00
         04 04 8002 00000001 ac110002 0a000002 0a000001
         00 ff 0000 05c4 012c 00 00 00 00
         8003 0014 00 00 0000 0000 0258 04 00 04 00 ac110001 0a000001
         8004 0000 8005 0000 8000 0000")
}

/// A live Registration Request of FRR 10.3 with the NAT address extension.
fn frr_request() -> Vec<u8> {
    hex("0001 0800 0000000000 01 005c 3f98 0034 01 03 04 00
         04 04 0002 00000001 c0000201 0affff01 0afffffe
         00 20 0000 0000 0258 00 00 00 00
         8004 0000 8005 0000 8003 0000
         0009 0014 00 20 0000 0000 0000 04 00 04 00 c0000209 0afffffe
         8000 0000")
}

/// A Traffic Indication of the shape that IOS gives it (28 octets quoted, clear-text secret, empty extensions), made up.
fn indication() -> Vec<u8> {
    hex("0001 0800 0000000000 ff 0062 dad3 0044 01 08 04 00
         04 04 0000 0000 0000 c0000201 0a000001 0a000003
         45000054000740004001269e0a0000030a0000020800f7ff00010001
         80040000 80050000 8007000a 00000001 736563726574 00090000 80000000")
}

fn samples() -> [Vec<u8>; 3] {
    [frr_reply(), frr_request(), indication()]
}

fn nbma(octets: [u8; 4]) -> NbmaAddr {
    Ipv4Addr::from(octets).into()
}

fn proto(octets: [u8; 4]) -> ProtoAddr {
    Ipv4Addr::from(octets).into()
}

#[test]
fn samples_both_ways() {
    for bytes in samples() {
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.emitted_len(), bytes.len());
        assert_eq!(message.to_vec().unwrap(), bytes);
        assert_eq!(Packet::new(&bytes).verify_checksum(), Some(true));
    }
}

#[test]
fn a_registration_reply_of_frr_field_by_field() {
    let responder =
        Cie { holding_time: 600, nbma: nbma([172, 17, 0, 1]), proto: proto([10, 0, 0, 1]), ..Cie::default() };
    let client = Cie { prefix_len: 255, mtu: 1476, holding_time: 300, ..Cie::default() };
    let expected = Message {
        fixed: Fixed::new(crate::Family::V4, crate::Family::V4, 64),
        body: Body::RegistrationReply(Mandatory {
            flags: Flags::REGISTRATION_UNIQUE | Flags::CISCO_NAT,
            request_id: 1,
            src_nbma: nbma([172, 17, 0, 2]),
            src_proto: proto([10, 0, 0, 2]),
            dst_proto: proto([10, 0, 0, 1]),
            cies: [client].into(),
        }),
        extensions: [
            Extension::new(ExtensionValue::ResponderAddress([responder].into())),
            Extension::new(ExtensionValue::ForwardTransit(Cies::new())),
            Extension::new(ExtensionValue::ReverseTransit(Cies::new())),
        ]
        .into_iter()
        .collect(),
    };
    assert_eq!(Message::parse(&frr_reply()), Ok(expected));
}

#[test]
fn offsets_in_views_are_absolute() {
    let bytes = frr_request();
    let packet = Packet::new(&bytes);
    let cies: Vec<_> = packet.cies().map(|cie| cie.unwrap().offset()).collect();
    assert_eq!(cies, [40]);
    let extensions: Vec<_> = packet.extensions().map(|extension| extension.unwrap()).collect();
    let places: Vec<_> = extensions.iter().map(|e| (e.offset(), e.code().0, e.compulsory(), e.value().len())).collect();
    assert_eq!(places, [(52, 4, true, 0), (56, 5, true, 0), (60, 3, true, 0), (64, 9, false, 20), (88, 0, true, 0)]);
    let nat = extensions[3].cies().next().unwrap().unwrap();
    assert_eq!((nat.offset(), nat.nbma_range(), nat.proto_range()), (68, 80..84, 84..88));
    assert_eq!(nat.nbma(), Some(nbma([192, 0, 2, 9])));
    assert_eq!(nat.proto_octets(), [0x0a, 0xff, 0xff, 0xfe]);
    let layout = packet.layout().unwrap();
    assert_eq!((layout.src_nbma, layout.src_proto, layout.dst_proto, layout.rest), (28..32, 32..36, 36..40, 40..52));
}

#[test]
fn a_traffic_indication_quotes_the_inner_packet() {
    let bytes = indication();
    let message = Message::parse(&bytes).unwrap();
    let Body::TrafficIndication(indication) = &message.body else { panic!("{message:?}") };
    assert_eq!(indication.code, TrafficCode::REDIRECT);
    assert_eq!(indication.packet.len(), 28);
    assert_eq!(Packet::new(&bytes).quoted(), Some(&indication.packet[..]));
    assert_eq!(Packet::new(&bytes).cies().count(), 0);
}

#[test]
fn ciscos_authentication_both_ways() {
    for (secret, wire) in [
        ("secret", "8007 000a 00000001 736563726574"),
        ("secret12", "8007 000c 00000001 7365637265743132"),
        ("CISCO", "8007 0009 00000001 434953434f"),
    ] {
        let mut message = Message::parse(&frr_reply()).unwrap();
        message.extensions = [Extension::cisco_authentication(secret.as_bytes())].into_iter().collect();
        let bytes = message.to_vec().unwrap();
        assert_eq!(bytes[52..bytes.len() - 4], hex(wire));
        assert_eq!(Message::parse(&bytes), Ok(message));
    }
}

#[test]
fn authentication_of_the_rfc_is_told_apart_by_its_length() {
    let value = |spi: u8, len: usize| [&[0, 0, 0, spi], &vec![7; len][..]].concat();
    assert!(matches!(Authentication::parse(&value(1, 20), 4), Authentication::Rfc { spi: 1, .. }));
    assert!(matches!(Authentication::parse(&value(1, 19), 4), Authentication::Cisco(_)));
    assert!(matches!(Authentication::parse(&value(2, 20), 4), Authentication::Rfc { spi: 2, .. }));
    assert!(matches!(Authentication::parse(&value(2, 19), 4), Authentication::Raw(_)));
    assert!(matches!(Authentication::parse(&[0, 0, 0], 4), Authentication::Raw(_)));
}

#[test]
fn nothing_prints_a_secret() {
    let bytes = indication();
    let message = Message::parse(&bytes).unwrap();
    let quoting = Message::new(
        message.fixed,
        Body::ErrorIndication(ErrorIndication { packet: bytes.clone(), ..ErrorIndication::default() }),
    );
    let quoting_bytes = quoting.to_vec().unwrap();
    let secret_as_hex = "736563726574";
    let secret_as_list = "115, 101, 99, 114, 101, 116";
    for text in [
        format!("{message:?}{quoting:?}{:?}", Packet::new(&bytes).extensions().collect::<Vec<_>>()),
        pretty::details(&bytes).to_string(),
        pretty::details(&quoting_bytes).to_string(),
        pretty::summary(&quoting_bytes).to_string(),
    ] {
        for shape in ["secret", secret_as_hex, secret_as_list] {
            assert!(!text.contains(shape), "{text}");
        }
    }
}

#[test]
fn a_forwarder_patches_hop_count_and_checksum_only() {
    let mut bytes = frr_reply();
    let before = bytes.clone();
    assert_eq!(Packet::new(&mut bytes).decrement_hop_count(), Some(63));
    assert_eq!(Packet::new(&bytes).verify_checksum(), Some(true));
    let changed: Vec<_> = (0..bytes.len()).filter(|&at| bytes[at] != before[at]).collect();
    assert!(changed.iter().all(|at| [9, 12, 13].contains(at)), "{changed:?}");
    Packet::new(&mut bytes).set_hop_count(0);
    assert_eq!(Packet::new(&mut bytes).decrement_hop_count(), None);
}

/// Changes a legal message, puts the checksum right, and parses it.
fn error_after(mut bytes: Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> (Layer, ErrorKind, usize) {
    change(&mut bytes);
    Packet::new(&mut bytes).fill_checksum();
    let error = Message::parse(&bytes).unwrap_err();
    (error.layer, error.kind, error.offset)
}

#[test]
fn each_broken_rule_has_its_kind_and_offset() {
    use ErrorKind::*;
    use Layer::*;
    let reply = |at: usize, octet: u8| error_after(frr_reply(), |bytes| bytes[at] = octet);
    assert_eq!(reply(16, 2), (NhrpFixed, BadVersion, 16));
    assert_eq!(reply(17, 9), (NhrpFixed, UnknownType, 17));
    assert_eq!(reply(17, 7), (NhrpFixed, ExtensionsNotAllowed, 14));
    assert_eq!(reply(1, 8), (NhrpFixed, UnknownFamily, 0));
    assert_eq!(reply(3, 1), (NhrpFixed, UnknownProtocol, 2));
    assert_eq!(reply(11, 27), (NhrpFixed, BadLength, 10));
    assert_eq!(reply(11, 89), (NhrpFixed, Truncated, 0));
    assert_eq!(reply(15, 27), (NhrpFixed, BadExtensionOffset, 14));
    assert_eq!(reply(15, 88), (NhrpFixed, BadExtensionOffset, 14));
    assert_eq!(reply(18, 5), (NhrpFixed, BadAddressLength, 18));
    assert_eq!(reply(18, 0x44), (NhrpFixed, BadAddressType, 18));
    assert_eq!(reply(19, 4), (NhrpFixed, SubAddress, 19));
    assert_eq!(reply(20, 16), (NhrpMandatory, BadAddressLength, 20));
    assert_eq!(reply(21, 3), (NhrpMandatory, BadAddressLength, 21));
    assert_eq!(reply(48, 16), (NhrpCie, BadAddressLength, 48));
    assert_eq!(reply(50, 4), (NhrpCie, Truncated, 52));
    assert_eq!(reply(64, 6), (NhrpCie, BadAddressLength, 64));
    assert_eq!(reply(65, 1), (NhrpCie, SubAddress, 65));
    assert_eq!(reply(55, 19), (NhrpCie, Truncated, 72));
    assert_eq!(reply(87, 1), (NhrpExtension, Truncated, 88));
    assert_eq!(reply(85, 1), (NhrpExtension, MissingEnd, 88));
    let end_with_value = error_after(frr_reply(), |bytes| {
        bytes[11] = 89;
        bytes[87] = 1;
        bytes.push(0);
    });
    assert_eq!(end_with_value, (NhrpExtension, BadLength, 86));
    let mut bad_sum = frr_reply();
    bad_sum[13] ^= 1;
    let error = Message::parse(&bad_sum).unwrap_err();
    assert_eq!((error.kind, error.offset, error.needed, error.had), (BadChecksum, 12, 0xe593, 0xe592));
    assert_eq!(error.to_string(), "NHRP fixed part at offset 12: checksum is 0xe592, must be 0xe593");
}

#[test]
fn emit_refuses_what_the_wire_cannot_say() {
    let legal = Message::parse(&frr_reply()).unwrap();
    assert_eq!(legal.emit(&mut [0; 87]).unwrap_err().kind, ErrorKind::NoRoom);

    let mut mixed = legal.clone();
    mixed.mandatory_mut().unwrap().cies[0].proto = ProtoAddr::V6(std::net::Ipv6Addr::LOCALHOST);
    assert_eq!(mixed.to_vec().unwrap_err().kind, ErrorKind::BadAddressLength);

    let mut long = legal.clone();
    long.extensions[1].value = ExtensionValue::Unknown { code: ExtensionType(0x3800), data: vec![0; 0x10000] };
    assert_eq!(long.to_vec().unwrap_err().kind, ErrorKind::BadLength);
    long.extensions[1].value = ExtensionValue::Unknown { code: ExtensionType(0x3800), data: vec![0; 0xffff] };
    assert_eq!(long.to_vec().unwrap_err().kind, ErrorKind::BadLength);

    let mut indication = legal;
    indication.body = Body::ErrorIndication(ErrorIndication::default());
    assert_eq!(indication.to_vec().unwrap_err().kind, ErrorKind::ExtensionsNotAllowed);
}

#[test]
fn octets_behind_the_message_are_padding() {
    let mut bytes = frr_reply();
    let message = Message::parse(&bytes).unwrap();
    bytes.extend([0xff; 7]);
    assert_eq!(Message::parse(&bytes), Ok(message));
    assert_eq!(Packet::new(&bytes).trailing(), [0xff; 7]);
}

#[test]
fn one_line_says_what_matters() {
    let mut request = Message::parse(&frr_request()).unwrap();
    let mandatory = request.mandatory_mut().unwrap();
    mandatory.flags = Flags::REGISTRATION_UNIQUE;
    mandatory.cies[0].prefix_len = 255;
    let bytes = request.to_vec().unwrap();
    insta::assert_snapshot!(
        pretty::summary(&bytes),
        @"NHRP Registration Request id 1 10.255.255.1 -> 10.255.255.254 nbma 192.0.2.1 hold 600 [U]"
    );
    insta::assert_snapshot!(
        pretty::summary(&indication()),
        @"NHRP Traffic Indication Redirect 10.0.0.1 -> 10.0.0.3 nbma 192.0.2.1 about (IPv4 10.0.0.3 -> 10.0.0.2 ICMP, 28 octets)"
    );
    insta::assert_snapshot!(pretty::summary(&bytes[..34]), @"NHRP Registration Request id 1 ? -> ? nbma 192.0.2.1 [U] (cut: 34 of 92 octets)");
    insta::assert_snapshot!(pretty::summary(&[]), @"NHRP cut to 0 octets");
}

#[test]
fn one_line_per_field() {
    insta::assert_snapshot!(pretty::details(&frr_reply()));
    insta::assert_snapshot!(pretty::details(&indication()));
}
