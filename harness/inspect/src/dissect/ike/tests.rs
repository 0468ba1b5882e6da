use std::net::IpAddr;

use dmvpn_wire::isakmp::{MAX_PAYLOADS, PayloadType, Span};

use crate::capture::LinkType;
use crate::dissect::read::Reader;
use crate::dissect::{Dissection, FieldValue, Session, catalogue};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| u8::try_from(d).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn payload(next: u8, body: &str) -> Vec<u8> {
    let body = hex(body);
    let [high, low] = u16::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[next, 0, high, low], &body[..]].concat()
}

/// A message: version, exchange, flags, message id and first payload type, then its payloads.
fn message([version, exchange, flags, id, first]: [u8; 5], payloads: &[Vec<u8>]) -> Vec<u8> {
    let body = payloads.concat();
    let mut message = hex("0102030405060708 0000000000000000");
    message.extend([first, version, exchange, flags, 0, 0, 0, id]);
    message.extend(u32::try_from(body.len() + 28).unwrap().to_be_bytes());
    message.extend(body);
    message
}

/// The message in UDP in IPv4; it begins at [`START`].
fn packet(message: &[u8]) -> Vec<u8> {
    let mut packet = hex("4500 0000 0001 0000 4011 0000 c000020b c0000201 01f4 01f4 0000 0000");
    packet[2..4].copy_from_slice(&u16::try_from(28 + message.len()).unwrap().to_be_bytes());
    packet[24..26].copy_from_slice(&u16::try_from(8 + message.len()).unwrap().to_be_bytes());
    dmvpn_wire::ipv4::Packet::new(&mut packet[..20]).fill_checksum();
    packet.extend(message);
    packet
}

const START: usize = 28;

fn read(message: &[u8]) -> Dissection {
    let read = Dissection::of_ip(&packet(message));
    for field in read.fields() {
        assert!(catalogue::lookup(&field.path()).is_ok(), "{}", field.path());
        assert!(field.range.end <= START + message.len(), "{}", field.path());
    }
    read
}

fn sa_init() -> Vec<u8> {
    let sa = "02 00 002c 01 01 00 04 03 00 000c 01 00 000c 800e 0100 03 00 0008 02 00 0005 \
        03 00 0008 03 00 000c 00 00 0008 04 00 001f \
        00 00 0014 02 01 00 01 00 00 000c 01 00 0014 800e 0080";
    let payloads = [
        payload(34, sa),
        payload(40, "001f 0000 a0a1a2a3"),
        payload(41, "b0b1b2b3"),
        payload(41, "00 00 4004 c0c1c2c3"),
        payload(43, "00 00 402e"),
        payload(43, "882fe56d6fd20dbc2251613b2ebe5beb"),
        payload(43, "466c65785650"),
        payload(0, "eeeeee80"),
    ];
    message([0x20, 34, 0x08, 0, 33], &payloads)
}

fn main_mode() -> Vec<u8> {
    let sa = "00000001 00000001 00 00 0030 01 01 00 01 00 00 0028 01 01 0000 \
        80010007 800e0080 80020002 80030001 80040002 800b0001 000c0004 00015180";
    let vid = "afcad71368a1f1c96b8696fc77570100";
    message([0x10, 2, 0, 0, 1], &[payload(13, sa), payload(13, vid), payload(0, vid)])
}

fn text(words: &str) -> Option<FieldValue> {
    Some(FieldValue::Text(words.to_owned()))
}

fn bytes(octets: &str) -> Option<FieldValue> {
    Some(FieldValue::Bytes(hex(octets)))
}

fn ip(address: &str) -> Option<IpAddr> {
    Some(address.parse().unwrap())
}

#[test]
fn an_ike_sa_init_is_read_to_its_attributes() {
    let octets = sa_init();
    let read = read(&octets);
    assert_eq!(read.value("malformed"), None);
    let said = format!(
        "IKEv2 IKE_SA_INIT request 0: SA KE Ni N(NAT_DETECTION_SOURCE_IP) N(IKEV2_FRAGMENTATION_SUPPORTED) V x3, {} octets",
        octets.len()
    );
    assert_eq!(read.summary(), said);
    let uint = |path: &str| read.uint(&format!("ike.payload[{path}"));
    let types: Vec<_> = (0..9).map(|n| uint(&format!("{n}].type"))).collect();
    assert_eq!(types[..8], [33, 34, 40, 41, 41, 43, 43, 43].map(Some));
    assert_eq!(types[8], None);
    assert_eq!([uint("0].next_payload"), uint("0].critical"), uint("0].length")], [Some(34), Some(0), Some(68)]);
    assert_eq!(read.list_len("ike.payload[0].proposal"), Some(2));
    assert_eq!(read.list_len("ike.payload[0].proposal[0].transform"), Some(4));
    let proposal = ["number", "protocol", "spi_size", "transforms", "more"];
    assert_eq!(proposal.map(|name| uint(&format!("0].proposal[0].{name}"))), [1, 1, 0, 4, 2].map(Some));
    assert_eq!(uint("0].proposal[1].number"), Some(2));
    let ids: Vec<_> = (0..4)
        .map(|n| ["type", "id"].map(|name| uint(&format!("0].proposal[0].transform[{n}].{name}")).unwrap()))
        .collect();
    assert_eq!(ids, [[1, 12], [2, 5], [3, 12], [4, 31]]);
    assert_eq!(uint("0].proposal[0].transform[0].key_length"), Some(256));
    assert_eq!(uint("0].proposal[0].transform[0].attribute[0].type"), Some(14));
    assert_eq!(uint("0].proposal[0].transform[0].attribute[0].value"), Some(256));
    assert_eq!(uint("1].group"), Some(31));
    assert_eq!(read.value("ike.payload[1].data"), bytes("a0a1a2a3"));
    assert_eq!(read.value("ike.payload[2].data"), bytes("b0b1b2b3"));
    assert_eq!([uint("3].protocol"), uint("3].notify_type")], [Some(0), Some(16388)]);
    assert_eq!(read.value("ike.payload[3].data"), bytes("c0c1c2c3"));
    assert_eq!(read.value("ike.payload[4].data"), None);
    assert_eq!(read.value("ike.payload[5].vendor"), text("strongSwan"));
    assert_eq!(read.value("ike.payload[6].vendor"), text("FlexVP"));
    assert_eq!(read.value("ike.payload[7].vendor"), None);

    let frame = packet(&octets);
    let key_length = read.field("ike.payload[0].proposal[0].transform[0].key_length").unwrap();
    assert_eq!(frame[key_length.range.clone()], [1, 0]);
    let notified = read.field("ike.payload[3].notify_type").unwrap();
    assert_eq!(frame[notified.range.clone()], [0x40, 0x04]);
}

#[test]
fn a_main_mode_offer_has_its_attributes_by_name() {
    let octets = main_mode();
    let read = read(&octets);
    assert_eq!(read.value("malformed"), None);
    assert_eq!(read.summary(), format!("IKEv1 Identity Protection: SA VID x2, {} octets", octets.len()));
    assert_eq!([read.uint("ike.flags.E"), read.uint("ike.flags.I")], [Some(0), None]);
    assert_eq!(read.uint("ike.payload[0].critical"), None);
    assert_eq!([read.uint("ike.payload[0].doi"), read.uint("ike.payload[0].situation")], [Some(1), Some(1)]);
    let transform = |name: &str| read.uint(&format!("ike.payload[0].proposal[0].transform[0].{name}"));
    assert_eq!(["number", "id", "encryption", "key_length"].map(transform), [1, 1, 7, 128].map(Some));
    assert_eq!(["hash", "auth_method", "group"].map(transform), [2, 1, 2].map(Some));
    assert_eq!(["life_type", "life_duration"].map(transform), [1, 86400].map(Some));
    assert_eq!(["attribute[6].type", "attribute[6].length"].map(transform), [12, 4].map(Some));
    assert_eq!(read.value("ike.payload[0].proposal[0].transform[0].attribute[6].data"), bytes("00015180"));
    assert_eq!(read.value("ike.payload[1].vendor"), text("RFC 3706 DPD"));
}

#[test]
fn what_is_encrypted_is_said_to_be() {
    let quick = message([0x10, 32, 1, 9, 8], &[payload(0, "aabbccdd")]);
    let quick = read(&quick);
    assert_eq!(quick.summary(), "IKEv1 Quick Mode 0x00000009 encrypted, 36 octets");
    assert_eq!(quick.value("ike.encrypted"), bytes("00000008 aabbccdd"));
    assert_eq!((quick.uint("ike.flags.E"), quick.uint("ike.payload[0].type")), (Some(1), None));

    let auth = read(&message([0x20, 35, 0x20, 1, 46], &[payload(36, "aabbccdd")]));
    assert_eq!(auth.summary(), "IKEv2 IKE_AUTH response 1: SK, 36 octets");
    assert_eq!(auth.uint("ike.payload[0].next_payload"), Some(36));
    assert_eq!(auth.value("ike.payload[0].data"), bytes("aabbccdd"));

    let fragment = read(&message([0x20, 35, 0, 1, 53], &[payload(35, "0001 0003 aabb")]));
    assert_eq!(
        ["fragment", "fragments"].map(|name| fragment.uint(&format!("ike.payload[0].{name}"))),
        [Some(1), Some(3)]
    );
    assert_eq!(fragment.value("ike.payload[0].data"), bytes("aabb"));
}

#[test]
fn bodies_of_ikev2_are_read() {
    let payloads = [
        payload(36, "02 000000 68756231"),
        payload(37, "01 000000 c0000201"),
        payload(38, "04 3082"),
        payload(39, "04 aabb"),
        payload(41, "02 000000 cccc"),
        payload(42, "03 04 0027 c0ffee01 dd"),
        payload(44, "03 04 0002 c0ffee01 c0ffee02"),
        payload(45, "01 000000 07 2f 0010 0000 ffff c0000201 c00002ff"),
        payload(47, "01 000000 08 00 0028 0000 ffff 20010db8000000000000000000000001 20010db8000000000000000000000002"),
        payload(48, "01 000000 0001 0000 0003 0004 0a000001"),
        payload(0, "01 07 0006 04 aa"),
    ];
    let read = read(&message([0x20, 37, 0x20, 3, 35], &payloads));
    assert_eq!(read.value("malformed"), None);
    let names = "IDi IDr CERT CERTREQ AUTH N(INVALID_SELECTORS) D TSi TSr CP EAP";
    assert_eq!(
        read.summary(),
        format!("IKEv2 INFORMATIONAL response 3: {names}, {} octets", read.uint("ike.length").unwrap())
    );
    let uint = |path: &str| read.uint(&format!("ike.payload[{path}"));
    assert_eq!((uint("0].id_type"), read.value("ike.payload[0].id_text")), (Some(2), text("hub1")));
    assert_eq!((uint("1].id_type"), read.addr("ike.payload[1].id_addr")), (Some(1), ip("192.0.2.1")));
    assert_eq!(read.value("ike.payload[1].id_data"), bytes("c0000201"));
    assert_eq!((uint("2].encoding"), read.value("ike.payload[3].data")), (Some(4), bytes("aabb")));
    assert_eq!((uint("4].auth_method"), read.value("ike.payload[4].data")), (Some(2), bytes("cccc")));
    assert_eq!(["5].protocol", "5].spi_size", "5].notify_type"].map(uint), [3, 4, 39].map(Some));
    assert_eq!((read.value("ike.payload[5].spi"), read.value("ike.payload[5].data")), (bytes("c0ffee01"), bytes("dd")));
    assert_eq!(["6].protocol", "6].spi_size", "6].spi_count"].map(uint), [3, 4, 2].map(Some));
    assert_eq!(read.value("ike.payload[6].spis"), bytes("c0ffee01c0ffee02"));
    assert_eq!(["7].selectors", "7].ts[0].type", "7].ts[0].protocol"].map(uint), [1, 7, 47].map(Some));
    assert_eq!(["7].ts[0].start_port", "7].ts[0].end_port"].map(uint), [0, 65535].map(Some));
    assert_eq!(read.addr("ike.payload[7].ts[0].end_addr"), ip("192.0.2.255"));
    assert_eq!(read.addr("ike.payload[8].ts[0].start_addr"), ip("2001:db8::1"));
    assert_eq!(
        ["9].cfg_type", "9].attribute[0].length", "9].attribute[1].value"].map(uint),
        [1, 0, 0x0A00_0001].map(Some)
    );
    assert_eq!(["10].eap_code", "10].eap_id", "10].eap_length", "10].eap_type"].map(uint), [1, 7, 6, 4].map(Some));
}

#[test]
fn bodies_of_ikev1_are_read() {
    let payloads = [
        payload(5, "a0a1"),
        payload(7, "01 11 01f4 c0000201"),
        payload(20, "04"),
        payload(21, "b0b1"),
        payload(11, "01 000000 c0000202"),
        payload(12, "00000001 01 10 000e 000102030405060708090a0b0c0d0e0f"),
        payload(14, "00000001 03 04 0001 c0ffee01"),
        payload(15, "01 00 1234 c088 0000"),
        payload(0, "d0d1"),
    ];
    let read = read(&message([0x10, 4, 0, 0, 4], &payloads));
    assert_eq!(read.value("malformed"), None);
    let names = "KE ID CR NAT-D NAT-OA N(NO-PROPOSAL-CHOSEN) D ATTR NAT-D";
    assert_eq!(read.summary(), format!("IKEv1 Aggressive: {names}, {} octets", read.uint("ike.length").unwrap()));
    let uint = |path: &str| read.uint(&format!("ike.payload[{path}"));
    assert_eq!(read.value("ike.payload[0].data"), bytes("a0a1"));
    assert_eq!(["1].id_type", "1].protocol", "1].port"].map(uint), [1, 17, 500].map(Some));
    assert_eq!(read.addr("ike.payload[1].id_addr"), ip("192.0.2.1"));
    assert_eq!((uint("2].encoding"), read.value("ike.payload[3].data")), (Some(4), bytes("b0b1")));
    assert_eq!((uint("4].id_type"), uint("4].port")), (Some(1), None));
    assert_eq!(read.addr("ike.payload[4].id_addr"), ip("192.0.2.2"));
    assert_eq!(["5].doi", "5].protocol", "5].notify_type"].map(uint), [1, 1, 14].map(Some));
    assert_eq!(["6].doi", "6].spi_count"].map(uint), [1, 1].map(Some));
    assert_eq!(["7].cfg_id", "7].attribute[0].type", "7].attribute[0].value"].map(uint), [0x1234, 16520, 0].map(Some));
    assert_eq!(read.value("ike.payload[8].data"), bytes("d0d1"));
}

#[test]
fn what_was_inside_counts_on() {
    let mut read = Dissection::default();
    let outer = packet(&message([0x20, 35, 0x20, 1, 46], &[payload(36, "aabbccdd")]));
    read.read(&mut Session::default(), LinkType::RAW, &outer);
    let inside = [payload(39, "02 000000 68756231"), payload(0, "02 000000 cccc")].concat();
    let mut reader = Reader::new(&mut read);
    reader.payloads = 1;
    reader.ike2_payloads(PayloadType::IDR, Span::new(&inside, 0), false);
    assert_eq!(read.summary(), "IKEv2 IKE_AUTH response 1: SK, 36 octets, inside: IDr AUTH");
    assert_eq!([1, 2].map(|n| read.uint(&format!("ike.payload[{n}].type"))), [Some(36), Some(39)]);
    assert_eq!(read.value("ike.payload[1].id_text"), text("hub1"));
}

#[test]
fn what_is_broken_is_said_with_its_place() {
    let said = |octets: &[u8]| match read(octets).value("malformed") {
        Some(FieldValue::Text(words)) => words,
        other => panic!("{other:?}"),
    };
    let mut long = sa_init();
    let at = long.len() - 8;
    long[at + 3] = 9;
    assert_eq!(said(&long), format!("IKE payload at offset {at}: 9 octets are needed, 8 are there"));
    assert_eq!(read(&long).value("ike.payload[7].data"), bytes("eeeeee80"));

    let mut none = sa_init();
    none[31] = 0;
    assert_eq!(said(&none), "IKE payload at offset 30: length 0 is not possible here, the limit is 4");
    assert!(read(&none).summary().starts_with("IKEv2 IKE_SA_INIT request 0: SA, "));

    let mut fewer = sa_init();
    fewer[39] = 5;
    assert_eq!(said(&fewer), "IKE proposal at offset 32: it announces 5 transforms and has 4");

    let many = message([0x20, 37, 0, 0, 43], &vec![payload(43, ""); MAX_PAYLOADS + 1]);
    let words = said(&many);
    assert!(words.contains("only the first 256 are read"), "{words}");
    assert!(read(&many).summary().contains(": V x256, "));

    let short = message([0x20, 37, 0, 0, 41], &[payload(0, "00 04 0001")]);
    assert_eq!(said(&short), "IKE payload at offset 32: 8 octets are needed, 4 are there");
    let address = message([0x20, 37, 0, 0, 35], &[payload(0, "01 000000 c00002")]);
    assert_eq!(said(&address), "IKE payload at offset 36: address length is 3, must be 4 or 0");
    let selectors = message([0x20, 37, 0, 0, 44], &[payload(0, "02 000000 07 00 0010 0000 ffff c0000201 c00002ff")]);
    assert_eq!(said(&selectors), "IKE payload at offset 28: it announces 2 traffic selectors and has 1");
}

#[test]
fn every_cut_is_shown_as_far_as_it_goes() {
    for whole in [sa_init(), main_mode()] {
        // A datagram without an octet is no IKE.
        for len in 1..whole.len() {
            let read = read(&whole[..len]);
            assert!(read.value("malformed").is_some(), "cut at {len}");
            assert_eq!(read.uint("ike.msg_id").is_some(), len >= 24, "cut at {len}");
            assert_eq!(read.uint("ike.payload[0].type").is_some(), len >= 32, "cut at {len}");
        }
    }
}

proptest::proptest! {
    #[test]
    fn a_flipped_octet_is_shown_by_names_of_the_catalogue(first: bool, at: proptest::sample::Index, octet: u8) {
        let mut octets = if first { sa_init() } else { main_mode() };
        let at = at.index(octets.len());
        octets[at] = octet;
        read(&octets);
    }

    #[test]
    fn random_payloads_are_shown_by_names_of_the_catalogue(
        kind in 0u8..56, second: bool, body in proptest::collection::vec(proptest::num::u8::ANY, 0..60),
    ) {
        let [high, low] = u16::try_from(body.len() + 4).unwrap().to_be_bytes();
        let version = if second { 0x20 } else { 0x10 };
        read(&message([version, 34, 0, 0, kind], &[[&[0, 0, high, low], &body[..]].concat()]));
    }
}
