use proptest::collection::vec;
use proptest::prelude::*;

use super::body::{
    Authentication, Certificate, Configuration, Delete, Eap, Fragment, Identification, KeyExchange, Notification,
    TrafficSelectors, address,
};
use super::sa::{Association, Attributes, MAX_ATTRIBUTES, MAX_TRANSFORMS, Proposals};
use super::*;
use crate::error::{Error, ErrorKind, Layer};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn payload(next: u8, body: &str) -> Vec<u8> {
    let body = hex(body);
    let [high, low] = (body.len() as u16 + 4).to_be_bytes();
    [&[next, 0, high, low], &body[..]].concat()
}

/// A message of `version` from these payloads.
fn message(version: u8, exchange: u8, flags: u8, first: u8, payloads: &[Vec<u8>]) -> Vec<u8> {
    let body = payloads.concat();
    let mut message = hex("0102030405060708 1112131415161718");
    message.extend([first, version, exchange, flags, 0, 0, 0, 7]);
    message.extend((body.len() as u32 + 28).to_be_bytes());
    message.extend(body);
    message
}

/// An IKE_SA_INIT request: one proposal (AES-CBC-256, SHA-256 twice, Curve25519), key, nonce, a notification, a vendor id.
fn sa_init() -> Vec<u8> {
    let proposal = "00 00 002c 01 01 00 04 \
        03 00 000c 01 00 000c 800e 0100 \
        03 00 0008 02 00 0005 \
        03 00 0008 03 00 000c \
        00 00 0008 04 00 001f";
    message(
        0x20,
        34,
        0x08,
        33,
        &[
            payload(34, proposal),
            payload(40, "001f 0000 a0a1a2a3"),
            payload(41, "b0b1b2b3b4b5b6b7"),
            payload(43, "00 00 4004 c0c1c2c3"),
            payload(0, "882fe56d6fd20dbc2251613b2ebe5beb"),
        ],
    )
}

/// A main mode request: one proposal (3DES, SHA, PSK, group 2, a day in long form), a vendor id.
fn main_mode() -> Vec<u8> {
    let sa = "00000001 00000001 00 00 0030 01 01 00 01 \
        00 00 0028 01 01 0000 80010005 80020002 80030001 80040002 800b0001 000c0004 00015180 800e0080";
    message(0x10, 2, 0, 1, &[payload(13, sa), payload(0, "afcad71368a1f1c96b8696fc77570100")])
}

fn all(packet: &[u8]) -> Vec<PayloadView<'_>> {
    let view = Packet::new(packet);
    let body = Span::new(&packet[LEN..view.end()], LEN);
    Payloads::new(view.next_payload().unwrap(), body).map(Result::unwrap).collect()
}

fn last_error(packet: &[u8]) -> Error {
    Packet::new(packet).payloads().last().unwrap().unwrap_err()
}

#[test]
fn a_header_is_read_field_by_field() {
    let octets = sa_init();
    let packet = Packet::new(&octets);
    assert_eq!(packet.initiator_spi(), Some(0x0102_0304_0506_0708));
    assert_eq!(packet.responder_spi(), Some(0x1112_1314_1516_1718));
    assert_eq!(packet.next_payload(), Some(PayloadType::SA));
    assert_eq!(packet.version(), Some(Version::V2));
    assert_eq!(packet.version().unwrap().to_string(), "2.0");
    assert_eq!(packet.exchange(), Some(ExchangeType::IKE_SA_INIT));
    assert_eq!(packet.flags(), Some(Flags::INITIATOR));
    assert_eq!(packet.message_id(), Some(7));
    assert_eq!(packet.length(), Some(octets.len() as u32));
    assert_eq!((packet.end(), packet.body().offset()), (octets.len(), 28));
}

#[test]
fn payloads_come_in_order_with_their_places() {
    let octets = sa_init();
    let payloads = all(&octets);
    let names: Vec<_> = payloads.iter().map(|payload| payload.kind().to_string()).collect();
    assert_eq!(names, ["SA", "KE", "Nonce", "N", "V"]);
    let places: Vec<_> = payloads.iter().map(|payload| (payload.offset(), payload.body().range())).collect();
    assert_eq!(places, [(28, 32..76), (76, 80..88), (88, 92..100), (100, 104..112), (112, 116..132)]);
    assert_eq!(payloads[0].next_payload(), PayloadType::KE);
    assert_eq!((payloads[0].length(), payloads[0].critical()), (48, false));
}

#[test]
fn a_proposal_of_ikev2_is_read_to_its_attributes() {
    let octets = sa_init();
    let proposals: Vec<_> = Proposals::new(all(&octets)[0].body()).map(Result::unwrap).collect();
    assert_eq!(proposals.len(), 1);
    let proposal = proposals[0];
    assert_eq!((proposal.offset(), proposal.more(), proposal.length()), (32, 0, 44));
    assert_eq!((proposal.number(), proposal.protocol(), proposal.spi_size()), (Some(1), Some(1), Some(0)));
    assert_eq!((proposal.transform_count(), proposal.check()), (Some(4), Ok(())));
    assert!(proposal.spi().unwrap().is_empty());
    let transforms: Vec<_> = proposal.transforms().map(Result::unwrap).collect();
    let names: Vec<_> = transforms.iter().map(|t| t.kind().unwrap().id_name(t.id().unwrap()).unwrap()).collect();
    assert_eq!(names, ["ENCR_AES_CBC", "PRF_HMAC_SHA2_256", "AUTH_HMAC_SHA2_256_128", "Curve25519"]);
    assert_eq!((transforms[1].offset(), transforms[1].more(), transforms[3].more()), (52, 3, 0));
    let attributes: Vec<_> = transforms[0].attributes().map(Result::unwrap).collect();
    assert_eq!(attributes.len(), 1);
    let key_length = attributes[0];
    assert!(key_length.is_short());
    assert_eq!(key_length.kind(), ike2::TransformAttribute::KEY_LENGTH.0);
    assert_eq!((key_length.offset(), key_length.value().range()), (48, 50..52));
    assert_eq!(key_length.value().number(), Some(256));
    assert_eq!(transforms[1].attributes().count(), 0);
}

#[test]
fn a_proposal_of_ikev1_is_read_to_its_attributes() {
    let octets = main_mode();
    let payloads = all(&octets);
    let association = Association::new(payloads[0].body());
    assert_eq!((association.doi(), association.check()), (Some(ike1::Doi::IPSEC), Ok(())));
    assert_eq!(association.situation(), Some(ike1::Situation::IDENTITY_ONLY));
    let proposal = association.proposals().next().unwrap().unwrap();
    assert_eq!((proposal.number(), proposal.protocol(), proposal.transform_count()), (Some(1), Some(1), Some(1)));
    let transform = proposal.transforms().next().unwrap().unwrap();
    assert_eq!((transform.number1(), transform.id1()), (Some(1), Some(1)));
    assert_eq!(ike1::Protocol::ISAKMP.id_name(1), Some("KEY_IKE"));
    let attributes: Vec<_> = transform
        .attributes()
        .map(Result::unwrap)
        .map(|attribute| {
            (attribute.kind(), attribute.is_short(), attribute.length(), attribute.value().number().unwrap())
        })
        .collect();
    assert_eq!(attributes[..4], [(1, true, 2, 5), (2, true, 2, 2), (3, true, 2, 1), (4, true, 2, 2)]);
    assert_eq!(attributes[4..], [(11, true, 2, 1), (12, false, 4, 86400), (14, true, 2, 128)]);
    assert_eq!(vendor::name(payloads[1].body().octets()), Some("RFC 3706 DPD"));
}

#[test]
fn a_situation_with_labels_is_not_guessed_at() {
    let body = hex("00000001 00000003 aabbccdd");
    let association = Association::new(Span::new(&body, 0));
    assert_eq!(association.proposals().count(), 0);
}

#[test]
fn small_bodies_are_read() {
    let octets = hex("001f 0000 a0a1");
    let view = KeyExchange::new(Span::new(&octets, 10));
    assert_eq!((view.group(), view.data().range()), (Some(code::DhGroup::CURVE25519), 14..16));

    let octets = hex("02 00 0000 68756231");
    let view = Identification::new(Span::new(&octets, 0));
    assert_eq!((view.kind(), view.text(), view.address()), (Some(ike2::IdType::ID_FQDN), Some("hub1"), None));
    let octets = hex("01 11 01f4 c0000201");
    let view = Identification::new(Span::new(&octets, 0));
    assert_eq!((view.protocol(), view.port(), view.text()), (Some(17), Some(500), None));
    assert_eq!((view.address(), view.check()), (Some("192.0.2.1".parse().unwrap()), Ok(())));
    let error = Identification::new(Span::new(&octets[..7], 0)).check().unwrap_err();
    assert_eq!((error.kind, error.offset, error.needed, error.had), (ErrorKind::BadAddressLength, 4, 4, 3));

    let octets = hex("04 3082");
    let view = Certificate::new(Span::new(&octets, 0));
    assert_eq!((view.encoding(), view.data().len()), (Some(code::CertEncoding::X509_SIGNATURE), 2));

    let octets = hex("02 000000 aabb");
    let view = Authentication::new(Span::new(&octets, 0));
    assert_eq!((view.method(), view.data().len()), (Some(ike2::AuthMethod::PSK), 2));

    let octets = hex("0002 0005 aabb");
    let view = Fragment::new(Span::new(&octets, 0));
    assert_eq!((view.number(), view.total(), view.data().offset()), (Some(2), Some(5), 4));

    let octets = hex("01 09 0006 04 aa");
    let view = Eap::new(Span::new(&octets, 0));
    assert_eq!((view.code(), view.identifier()), (Some(ike2::EapCode::REQUEST), Some(9)));
    assert_eq!((view.length(), view.kind(), view.data().range()), (Some(6), Some(4), 5..6));
}

#[test]
fn notifications_and_deletes_of_both_versions_are_read() {
    let octets = hex("03 04 4009 c0ffee01 99");
    let view = Notification::new(Span::new(&octets, 0));
    assert_eq!((view.doi(), view.protocol(), view.kind()), (None, Some(3), Some(16393)));
    assert_eq!((view.spi().unwrap().octets(), view.data().range()), (&octets[4..8], 8..9));
    assert_eq!(view.check(), Ok(()));
    assert!(!ike2::NotifyType::REKEY_SA.is_error() && ike2::NotifyType::NO_PROPOSAL_CHOSEN.is_error());

    let octets = hex("00000001 01 10 8d28 000102030405060708090a0b0c0d0e0f 00000005");
    let view = Notification::new1(Span::new(&octets, 0));
    assert_eq!((view.doi(), view.spi_size()), (Some(ike1::Doi::IPSEC), Some(16)));
    assert_eq!(view.kind(), Some(ike1::NotifyType::R_U_THERE.0));
    assert_eq!(view.data().number(), Some(5));

    let octets = hex("03 04 0002 c0ffee01 c0ffee02");
    let view = Delete::new(Span::new(&octets, 0));
    assert_eq!((view.spi_size(), view.spi_count(), view.spis().len(), view.check()), (Some(4), Some(2), 8, Ok(())));
    let short = Delete::new(Span::new(&octets[..11], 20)).check().unwrap_err();
    assert_eq!((short.kind, short.offset, short.needed, short.had), (ErrorKind::Truncated, 24, 8, 7));
    let long = [&octets[..], &[0]].concat();
    assert_eq!(Delete::new(Span::new(&long, 0)).check().unwrap_err().kind, ErrorKind::Trailing);
    let octets = hex("00000001 03 04 0001 c0ffee01");
    let view = Delete::new1(Span::new(&octets, 0));
    assert_eq!((view.protocol(), view.spi_count(), view.check()), (Some(3), Some(1), Ok(())));
}

#[test]
fn traffic_selectors_are_read() {
    let octets = hex("02 000000 07 2f 0010 0000 ffff 0a000000 0a0000ff \
         08 00 0028 0000 ffff 20010db8000000000000000000000001 20010db8000000000000000000000002");
    let view = TrafficSelectors::new(Span::new(&octets, 100));
    assert_eq!((view.count(), view.check()), (Some(2), Ok(())));
    let selectors: Vec<_> = view.selectors().map(Result::unwrap).collect();
    assert_eq!(selectors.iter().map(|selector| selector.offset()).collect::<Vec<_>>(), [104, 120]);
    assert_eq!(selectors[0].kind(), Some(ike2::TsType::TS_IPV4_ADDR_RANGE));
    assert_eq!((selectors[0].protocol(), selectors[0].length()), (Some(47), Some(16)));
    assert_eq!((selectors[0].start_port(), selectors[0].end_port()), (Some(0), Some(65535)));
    assert_eq!(selectors[0].start_address().and_then(address), Some("10.0.0.0".parse().unwrap()));
    assert_eq!(selectors[0].end_address().unwrap().range(), 116..120);
    assert_eq!(selectors[1].end_address().and_then(address), Some("2001:db8::2".parse().unwrap()));

    let mut short = octets.clone();
    short[7] = 4;
    let error = TrafficSelectors::new(Span::new(&short, 0)).selectors().next().unwrap().unwrap_err();
    assert_eq!((error.layer, error.kind, error.offset, error.had), (Layer::IkeSelector, ErrorKind::BadLength, 6, 4));
    short[7] = 15;
    let error = TrafficSelectors::new(Span::new(&short, 0)).selectors().next().unwrap().unwrap().check().unwrap_err();
    assert_eq!((error.kind, error.offset, error.needed, error.had), (ErrorKind::Truncated, 4, 16, 15));
}

#[test]
fn configurations_of_both_versions_are_read() {
    let octets = hex("01 000000 0001 0000 0003 0004 0a000001");
    let view = Configuration::new(Span::new(&octets, 0));
    assert_eq!(view.kind(), Some(ike2::CfgType::CFG_REQUEST));
    let attributes: Vec<_> = view.attributes().map(Result::unwrap).map(|a| (a.kind(), a.length())).collect();
    assert_eq!(attributes, [(1, 0), (3, 4)]);

    // The first bit is reserved in IKEv2, and chooses the form in IKEv1.
    let octets = hex("02 00 1234 c088 0000");
    let view = Configuration::new(Span::new(&octets, 0));
    assert_eq!(view.identifier(), Some(0x1234));
    assert_eq!(view.attributes().next().unwrap().unwrap().length(), 0);
    let xauth = view.attributes1().next().unwrap().unwrap();
    assert_eq!((xauth.is_short(), xauth.kind()), (true, ike2::CfgAttribute::XAUTH_TYPE.0));
}

#[test]
fn encrypted_messages_show_nothing_inside() {
    let octets = message(0x20, 35, 0x08, 46, &[payload(35, "aabbccdd")]);
    let payloads = all(&octets);
    assert_eq!(payloads.len(), 1);
    assert_eq!((payloads[0].kind(), payloads[0].next_payload()), (PayloadType::SK, PayloadType::IDI));

    let octets = message(0x10, 5, 0x01, 8, &[payload(0, "aabbccdd")]);
    let packet = Packet::new(&octets);
    assert!(packet.is_encrypted());
    assert_eq!((packet.payloads().count(), packet.body().len()), (0, 8));
    assert_eq!(Packet::new(message(0x30, 5, 0, 8, &[payload(0, "aa")])).payloads().count(), 0);
}

#[test]
fn a_broken_chain_says_where() {
    let fact = |error: Error| (error.layer, error.kind, error.offset, error.needed, error.had);

    let mut short = sa_init();
    short[79] = 3;
    assert_eq!(fact(last_error(&short)), (Layer::IkePayload, ErrorKind::BadLength, 78, 4, 3));
    short[79] = 0;
    // The payload is shown, and then why nothing follows.
    assert_eq!(Packet::new(&short).payloads().filter(Result::is_ok).count(), 2);
    assert_eq!(Packet::new(&short).payloads().nth(1).unwrap().unwrap().body().range(), 80..80);

    let mut long = sa_init();
    long[115] = 21;
    assert_eq!(fact(last_error(&long)), (Layer::IkePayload, ErrorKind::Truncated, 112, 21, 20));
    assert_eq!(Packet::new(&long).payloads().filter(Result::is_ok).count(), 5);

    let mut more = sa_init();
    more[112] = 41;
    assert_eq!(fact(last_error(&more)), (Layer::IkePayload, ErrorKind::Truncated, 132, 4, 0));

    let behind = message(0x20, 37, 0, 46, &[payload(0, "aa"), payload(0, "bb")]);
    assert_eq!(fact(last_error(&behind)), (Layer::IkePayload, ErrorKind::Trailing, 33, 0, 5));
    let nothing = message(0x20, 37, 0, 0, &[payload(0, "bb")]);
    assert_eq!(fact(last_error(&nothing)), (Layer::IkePayload, ErrorKind::Trailing, 28, 0, 5));
}

#[test]
fn lists_have_an_end() {
    let many = message(0x20, 37, 0, 41, &vec![payload(41, ""); MAX_PAYLOADS + 3]);
    assert_eq!(Packet::new(&many).payloads().filter(Result::is_ok).count(), MAX_PAYLOADS);
    let error = last_error(&many);
    assert_eq!((error.kind, error.needed, error.had), (ErrorKind::TooMany, MAX_PAYLOADS, 12));
    assert_eq!(error.to_string(), "IKE payload at offset 1052: only the first 256 are read, 12 octets are left");

    let transforms = [hex("02 00 0a0c 01 01 00 ff"), hex("03 00 0008 01 00 000c").repeat(321)].concat();
    let proposal = Proposals::new(Span::new(&transforms, 0)).next().unwrap().unwrap();
    assert_eq!(proposal.transforms().filter(Result::is_ok).count(), MAX_TRANSFORMS);
    assert_eq!(proposal.transforms().last().unwrap().unwrap_err().kind, ErrorKind::TooMany);

    let attributes = hex("800e 0080").repeat(MAX_ATTRIBUTES + 1);
    let last = Attributes::new(Span::new(&attributes, 0)).last().unwrap().unwrap_err();
    assert_eq!((last.kind, last.offset), (ErrorKind::TooMany, 1024));
}

#[test]
fn an_attribute_that_is_cut_comes_with_what_is_there() {
    let octets = hex("000c 0004 0001");
    let mut attributes = Attributes::new(Span::new(&octets, 50));
    let attribute = attributes.next().unwrap().unwrap();
    assert_eq!((attribute.length(), attribute.value().range()), (4, 54..56));
    let error = attributes.next().unwrap().unwrap_err();
    assert_eq!((error.layer, error.offset, error.needed, error.had), (Layer::IkeAttribute, 50, 8, 6));
    assert_eq!(attributes.next(), None);
}

#[test]
fn vendor_ids_are_known_by_their_beginning() {
    assert_eq!(vendor::name(&hex("12f5f28c457168a9702d9fe274cc0100")), Some("Cisco Unity"));
    assert_eq!(vendor::name(&hex("4048b7d56ebce88525e7de7f00d6c2d3c0000000")), Some("FRAGMENTATION"));
    assert_eq!(vendor::name(&hex("09002689dfd6b712")), Some("XAUTH"));
    assert_eq!(vendor::name(&hex("09002689dfd6b7")), None);
    assert_eq!(vendor::name(b"CISCO-DELETE-REASON"), Some("CISCO-DELETE-REASON"));
    assert_eq!(vendor::name(b"abc"), None);
    assert_eq!(vendor::name(&[0xEE; 16]), None);
}

/// Every view over everything, with every place inside the octets; what the views say of errors.
fn survive(octets: &[u8]) -> Vec<Error> {
    let mut errors = Vec::new();
    let inside = |span: Span<'_>| {
        assert!(span.range().end <= octets.len());
        assert_eq!(span.octets(), &octets[span.range()]);
    };
    let packet = Packet::new(octets);
    assert!(packet.end() <= octets.len());
    inside(packet.body());
    for payload in packet.payloads() {
        let payload = match payload {
            Ok(payload) => payload,
            Err(error) => {
                errors.push(error);
                continue;
            }
        };
        let body = payload.body();
        inside(body);
        for proposals in [Proposals::new(body), Association::new(body).proposals()] {
            for proposal in proposals {
                let Ok(proposal) = proposal.inspect_err(|error| errors.push(*error)) else { continue };
                errors.extend(proposal.check().err());
                proposal.spi().into_iter().for_each(inside);
                for transform in proposal.transforms() {
                    let Ok(transform) = transform.inspect_err(|error| errors.push(*error)) else { continue };
                    errors.extend(transform.check().err());
                    for attribute in transform.attributes() {
                        let Ok(attribute) = attribute.inspect_err(|error| errors.push(*error)) else { continue };
                        inside(attribute.value());
                    }
                }
            }
        }
        for notification in [Notification::new(body), Notification::new1(body)] {
            notification.spi().into_iter().for_each(inside);
            inside(notification.data());
            errors.extend(notification.check().err());
        }
        for delete in [Delete::new(body), Delete::new1(body)] {
            inside(delete.spis());
            errors.extend(delete.check().err());
        }
        for selector in TrafficSelectors::new(body).selectors() {
            let Ok(selector) = selector.inspect_err(|error| errors.push(*error)) else { continue };
            inside(selector.data());
            selector.start_address().into_iter().for_each(inside);
            selector.end_address().into_iter().for_each(inside);
            errors.extend(selector.check().err());
        }
        let configuration = Configuration::new(body);
        for attributes in [configuration.attributes(), configuration.attributes1()] {
            for attribute in attributes {
                let Ok(attribute) = attribute.inspect_err(|error| errors.push(*error)) else { continue };
                inside(attribute.value());
            }
        }
        inside(KeyExchange::new(body).data());
        inside(Identification::new(body).data());
        let _ = (Identification::new(body).address(), Identification::new(body).text());
        errors.extend(Identification::new(body).check().err());
        inside(Certificate::new(body).data());
        inside(Authentication::new(body).data());
        inside(Fragment::new(body).data());
        inside(Eap::new(body).data());
        let _ = vendor::name(body.octets());
    }
    for error in &errors {
        assert!(error.offset <= octets.len(), "{error}");
        if error.kind == ErrorKind::Truncated {
            assert!(error.had < error.needed && error.offset + error.had <= octets.len(), "{error}");
        }
    }
    errors
}

#[test]
fn every_cut_is_read_as_far_as_it_goes_and_said() {
    for whole in [sa_init(), main_mode()] {
        let count = all(&whole).len();
        for len in 0..whole.len() {
            survive(&whole[..len]);
            let packet = Packet::new(&whole[..len]);
            let seen = packet.payloads().filter(Result::is_ok).count();
            assert!(seen <= count, "cut at {len}");
            // Behind the header a cut is always inside the chain.
            if len >= LEN {
                let error = last_error(&whole[..len]);
                assert_eq!((error.kind, error.offset + error.had), (ErrorKind::Truncated, len), "cut at {len}");
            } else {
                assert_eq!(seen, 0);
            }
        }
    }
}

proptest! {
    #[test]
    fn a_flipped_octet_breaks_nothing_else(first: bool, at: prop::sample::Index, octet: u8) {
        let mut octets = if first { sa_init() } else { main_mode() };
        let at = at.index(octets.len());
        octets[at] = octet;
        survive(&octets);
    }

    #[test]
    fn random_octets_break_nothing(octets in vec(any::<u8>(), 0..200)) {
        survive(&octets);
    }

    #[test]
    fn random_payloads_behind_a_plausible_header_break_nothing(
        first in 0u8..56, second: bool, lens in vec((0u8..56, 0u8..24, vec(any::<u8>(), 0..24)), 0..8),
    ) {
        let payloads: Vec<Vec<u8>> = lens.into_iter().map(|(next, len, body)| {
            [&[next, 0, 0, len], &body[..]].concat()
        }).collect();
        survive(&message(if second { 0x20 } else { 0x10 }, 34, 0, first, &payloads));
    }

    #[test]
    fn payloads_that_fit_are_all_seen(bodies in vec((33u8..46, vec(any::<u8>(), 0..40)), 1..10)) {
        let mut payloads = Vec::new();
        for (index, (_, body)) in bodies.iter().enumerate() {
            let next = bodies.get(index + 1).map_or(0, |(kind, _)| *kind);
            payloads.push([&[next, 0, 0, body.len() as u8 + 4], &body[..]].concat());
        }
        let octets = message(0x20, 37, 0, bodies[0].0, &payloads);
        let seen: Vec<_> = all(&octets).iter().map(|p| (p.kind().0, p.body().octets().to_vec())).collect();
        prop_assert_eq!(seen, bodies);
    }
}
