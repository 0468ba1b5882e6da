//! What is told of IKE: with keys what each exchange was for, in whole messages and in pieces, and errors without any.

use super::tests::{told, told_with};
use crate::dissect::{Dissection, Session};
use crate::exchange::{Exchange, IkePurpose};
use crate::keys::Keys;

const INITIATOR: [u8; 8] = [0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7];
const RESPONDER: [u8; 8] = [0xD0, 0xD1, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7];

/// Flags: the initiator asks, the responder answers.
const ASKS: u8 = 0x08;
const ANSWERS: u8 = 0x20;

/// A proposal of ESP with an SPI of four octets, and one of IKE with one of eight, as bodies of SA payloads.
const ESP: &[u8] = &[0, 0, 0, 12, 1, 3, 4, 0, 1, 2, 3, 4];
const IKE: &[u8] = &[0, 0, 0, 16, 1, 1, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8];
const REKEYS: &[u8] = &[3, 4, 0x40, 0x09, 1, 2, 3, 4];
const FAILED: &[u8] = &[0, 0, 0, 24];
const NO_PROPOSAL: &[u8] = &[0, 0, 0, 14];

fn keys() -> Keys {
    let mut keys = Keys::default();
    let row = "c0c1c2c3c4c5c6c7,d0d1d2d3d4d5d6d7,,,\"NULL [RFC2410]\",,,\"NONE [RFC4306]\"";
    keys.add("test", row.as_bytes()).unwrap();
    keys
}

/// Payloads one after the other, and the type of the first.
fn chain(payloads: &[(u8, &[u8])]) -> (u8, Vec<u8>) {
    let mut octets = Vec::new();
    for (index, (_, body)) in payloads.iter().enumerate() {
        let next = payloads.get(index + 1).map_or(0, |(kind, _)| *kind);
        octets.extend([next, 0]);
        octets.extend(u16::try_from(body.len() + 4).unwrap().to_be_bytes());
        octets.extend_from_slice(body);
    }
    (payloads.first().map_or(0, |(kind, _)| *kind), octets)
}

/// An IKE message in UDP in IPv4; the responder sends what has the flag of an answer.
fn message(exchange: u8, flags: u8, id: u8, next: u8, body: &[u8]) -> Vec<u8> {
    let responder = if exchange == 34 && flags == ASKS { [0; 8] } else { RESPONDER };
    let length = u32::try_from(28 + body.len()).unwrap().to_be_bytes();
    let ike = [&INITIATOR[..], &responder, &[next, 0x20, exchange, flags, 0, 0, 0, id], &length, body].concat();
    let udp_length = u16::try_from(8 + ike.len()).unwrap().to_be_bytes();
    let total = u16::try_from(28 + ike.len()).unwrap().to_be_bytes();
    let (src, dst) = if flags & ANSWERS == 0 { (11, 1) } else { (1, 11) };
    let mut ip = [0x45, 0, total[0], total[1], 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, src, 192, 0, 2, dst];
    dmvpn_wire::ipv4::Packet::new(&mut ip[..]).fill_checksum();
    [&ip[..], &[1, 0xF4, 1, 0xF4], &udp_length, &[0, 0], &ike].concat()
}

fn clear(exchange: u8, flags: u8, id: u8, payloads: &[(u8, &[u8])]) -> Vec<u8> {
    let (first, octets) = chain(payloads);
    message(exchange, flags, id, first, &octets)
}

/// The payloads encrypted with the cipher that changes nothing.
fn sealed(exchange: u8, flags: u8, id: u8, payloads: &[(u8, &[u8])]) -> Vec<u8> {
    let (first, mut octets) = chain(payloads);
    octets.push(0);
    let length = u16::try_from(4 + octets.len()).unwrap().to_be_bytes();
    message(exchange, flags, id, 46, &[&[first, 0][..], &length, &octets].concat())
}

/// The same in pieces of so many octets.
fn pieces(exchange: u8, flags: u8, id: u8, payloads: &[(u8, &[u8])], size: usize) -> Vec<Vec<u8>> {
    let (first, octets) = chain(payloads);
    let parts: Vec<&[u8]> = octets.chunks(size).collect();
    let total = u8::try_from(parts.len()).unwrap();
    let piece = |(number, part): (u8, &&[u8])| {
        let length = u16::try_from(4 + 4 + part.len() + 1).unwrap().to_be_bytes();
        let next = if number == 1 { first } else { 0 };
        let body = [&[next, 0, length[0], length[1], 0, number, 0, total][..], part, &[0]].concat();
        message(exchange, flags, id, 53, &body)
    };
    (1..).zip(&parts).map(piece).collect()
}

fn at_once(packets: Vec<Vec<u8>>) -> Vec<(u64, Vec<u8>)> {
    (0..).zip(packets).collect()
}

#[test]
fn with_keys_exchanges_say_what_they_are_for() {
    let packets = at_once(vec![
        clear(34, ASKS, 0, &[(33, IKE)]),
        clear(34, ANSWERS, 0, &[(33, IKE)]),
        sealed(35, ASKS, 1, &[(39, &[2, 0, 0, 0, 9]), (33, ESP)]),
        sealed(35, ANSWERS, 1, &[(33, ESP)]),
        sealed(36, ASKS, 2, &[(41, REKEYS), (33, ESP)]),
        sealed(36, ANSWERS, 2, &[(33, ESP)]),
        sealed(37, ASKS, 3, &[(42, &[3, 4, 0, 1, 1, 2, 3, 4])]),
        sealed(37, ANSWERS, 3, &[]),
        sealed(36, ASKS, 4, &[(33, IKE)]),
        sealed(36, ANSWERS, 4, &[(33, IKE)]),
        sealed(36, ASKS, 5, &[(33, ESP)]),
        sealed(36, ANSWERS, 5, &[(41, NO_PROPOSAL)]),
        sealed(37, ASKS, 6, &[]),
        sealed(37, ANSWERS, 6, &[]),
        sealed(37, ASKS, 7, &[(42, &[1, 0, 0, 0])]),
        sealed(37, ANSWERS, 7, &[]),
    ]);
    let story = told_with(keys(), 20, &packets);
    let purposes: Vec<_> = story.exchanges().iter().map(|exchange| exchange.purpose).collect();
    let expected = [
        None,
        Some(IkePurpose::ChildSa),
        Some(IkePurpose::RekeyChildSa),
        Some(IkePurpose::DeleteChildSa),
        Some(IkePurpose::RekeyIkeSa),
        Some(IkePurpose::ChildSa),
        Some(IkePurpose::Liveness),
        Some(IkePurpose::DeleteIkeSa),
    ];
    assert_eq!(purposes, expected);
    let codes: Vec<_> = story.exchanges().iter().filter_map(|exchange| exchange.code).collect();
    assert_eq!(codes, [14]);
    let overview = story.overview();
    let [sa] = &overview.ike_sas[..] else { panic!("{:?}", overview.ike_sas) };
    // The Child SA that was refused is no Child SA.
    assert_eq!(sa.purposes.iter().find(|(purpose, _)| *purpose == IkePurpose::ChildSa).unwrap().1, 1);
    assert_eq!((sa.errors.as_slice(), sa.unanswered), (&[(14, 1)][..], 0));
    // Without keys, only types and errors in the clear are known.
    let blind = told(20, &packets);
    assert!(blind.exchanges().iter().all(|exchange| exchange.purpose.is_none() && exchange.code.is_none()));
}

#[test]
fn pieces_are_one_message_and_no_retries() {
    let proposal = [(39, &[2, 0, 0, 0, 9][..]), (33, ESP)];
    let mut packets = pieces(35, ASKS, 1, &proposal, 7);
    assert_eq!(packets.len(), 4);
    // They may come in any order, but for the first, which stands for the message.
    packets.swap(1, 3);
    packets.extend(pieces(35, ANSWERS, 1, &[(41, FAILED)], 5));
    let story = told_with(keys(), 9, &at_once(packets.clone()));
    let [exchange] = story.exchanges() else { panic!("{:?}", story.exchanges()) };
    let Exchange { purpose, code, retries, count, .. } = exchange;
    assert_eq!((*purpose, *code, *retries, *count), (Some(IkePurpose::ChildSa), Some(24), 0, 6));

    // The last to come shows the payloads, with their places in the message that was put together.
    let (mut session, mut read) = (Session::with_keys(keys()), Dissection::default());
    for packet in &packets[..4] {
        assert_eq!(read.uint("ike.payload[1].type"), None);
        read.read(&mut session, crate::capture::LinkType::RAW, packet);
    }
    let field = read.field("ike.payload[2].proposal[0].protocol").expect("the SA payload");
    let names: Vec<_> = read.buffers().map(|(name, _)| name).collect();
    assert_eq!(names, ["frame", "decrypted IKE", "reassembled IKE"]);
    assert_eq!((field.buffer, field.range), (2, 18..19));
    assert_eq!(read.summary(), "IKEv2 IKE_AUTH request 1: SKF 2 of 4, 44 octets, inside: AUTH SA");
    assert!(read.troubles().next().is_none(), "{:?}", read.troubles().collect::<Vec<_>>());
}

#[test]
fn an_error_in_the_clear_is_told_without_keys() {
    let packets = at_once(vec![
        clear(34, ASKS, 0, &[(33, IKE)]),
        clear(34, ANSWERS, 0, &[(41, &[0, 0, 0, 17, 0, 19])]),
        clear(34, ASKS, 0, &[(33, IKE)]),
        clear(34, ANSWERS, 0, &[(41, NO_PROPOSAL)]),
    ]);
    let codes = |count: usize| told(9, &packets[..count]).exchanges()[0].code;
    assert_eq!([codes(1), codes(2), codes(4)], [None, Some(17), Some(14)]);
}
