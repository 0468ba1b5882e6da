//! The worst that 64 KiB can ask of the dissection: what it does with them grows with the octets and with nothing else.
//!
//! The measure is what comes out, which no slow machine changes. Whatever looked at all of the others for each of its
//! elements would have had to keep them, so everything that can be many is counted here.

use dmvpn_inspect::capture::{CapturedPacket, LinkType};
use dmvpn_inspect::dissect::{Dissection, Glance, Session};
use dmvpn_inspect::exchange::{Limits, Tracker};
use dmvpn_inspect::keys::Keys;
use dmvpn_inspect::show::json;

use crate::seeds::build::*;

/// Room for the headers around the longest payloads.
const LONGEST: usize = 65_000;

/// How many fields an octet can make at most: an empty extension of NHRP is four octets, and six fields.
const FIELDS_PER_OCTET: usize = 2;
/// How many octets of JSON.
const JSON_PER_OCTET: usize = 256;
/// How many troubles are told of any packet; the others are counted.
const TROUBLES: usize = 33;

fn octets(element: &[u8]) -> Vec<u8> {
    element.repeat(LONGEST / element.len())
}

/// Reads the packet with keys for all ESP, holds it against the limits, and gives what was read.
fn bounded(name: &str, packet: &[u8]) -> Dissection {
    let mut keys = Keys::default();
    keys.add("keys", crate::targets::KEYS.as_bytes()).unwrap();
    let mut read = Dissection::default();
    read.read(&mut Session::with_keys(keys), LinkType::RAW, packet);
    let fields = read.fields().len();
    assert!(fields <= FIELDS_PER_OCTET * packet.len(), "{name}: {fields} fields of {} octets", packet.len());
    assert!(read.troubles().len() <= TROUBLES, "{name}: {} troubles", read.troubles().len());
    let captured = CapturedPacket { octets: packet.to_vec(), ..CapturedPacket::default() };
    let mut line = Vec::new();
    json::packet(&mut line, &captured, &read);
    assert!(line.len() <= JSON_PER_OCTET * packet.len(), "{name}: {} octets of JSON", line.len());
    read
}

#[test]
fn nhrp_full_of_the_smallest_elements() {
    let in_gre = |message: &[u8]| ipv4(47, 0, &gre(0x2001, message));
    let read = bounded("empty extensions", &in_gre(&nhrp(1, &[], Some(&octets(&[0x80, 3, 0, 0])))));
    assert_eq!(read.uint("ext.count"), Some(16_250));
    let read = bounded("broken entries", &in_gre(&nhrp(1, &[], Some(&octets(&[0x80, 3, 0, 1, 9])))));
    assert_eq!(read.uint("ext.count"), Some(13_000));
    let last = read.troubles().last().unwrap();
    assert!(last.ends_with("more that are not listed"), "{last}");
    let read = bounded("entries", &in_gre(&nhrp(1, &octets(&[0; 12]), None)));
    assert_eq!(read.list_len("cie"), Some(5_416));
    let entries = octets(&[0; 12]);
    let length = u16::try_from(entries.len()).unwrap().to_be_bytes();
    let extension = [&[0x80, 3, length[0], length[1]][..], &entries].concat();
    let read = bounded("entries of an extension", &in_gre(&nhrp(1, &[], Some(&extension))));
    assert_eq!(read.list_len("ext.responder.cie"), Some(5_416));
}

#[test]
fn ike_full_of_the_smallest_elements() {
    let in_udp = |message: &[u8]| ipv4(17, 0, &udp(500, message));
    let read = bounded("payloads", &in_udp(&ike(0x20, 34, 8, 43, &octets(&[43, 0, 0, 4]))));
    assert!(read.troubles().any(|trouble| trouble.contains("only the first 256 are read")));
    bounded("proposals", &in_udp(&ike(0x20, 34, 8, 33, &payload(0, &octets(&[2, 0, 0, 8, 1, 1, 0, 0])))));
    let attributes = octets(&[0x80, 14, 1, 0]);
    let [t0, t1] = u16::try_from(8 + attributes.len()).unwrap().to_be_bytes();
    let transform = [&[0, 0, t0, t1, 1, 0, 0, 12][..], &attributes].concat();
    let [p0, p1] = u16::try_from(8 + transform.len()).unwrap().to_be_bytes();
    let proposal = [&[0, 0, p0, p1, 1, 1, 0, 1][..], &transform].concat();
    bounded("attributes", &in_udp(&ike(0x20, 34, 8, 33, &payload(0, &proposal))));
    // A payload may hold 256 attributes, a message 256 payloads: here are as many of both as fit.
    let configuration = payload(47, &[&[1, 0, 0, 0][..], &[0, 1, 0, 0].repeat(256)].concat());
    let all = configuration.repeat(LONGEST / configuration.len());
    bounded("attributes of payloads", &in_udp(&ike(0x20, 35, 8, 47, &all)));
    bounded("selectors", &in_udp(&ike(0x20, 35, 8, 44, &payload(0, &octets(&[7, 0, 0, 8, 0, 0, 0, 0])))));
}

#[test]
fn layers_in_each_other() {
    let mut nested = vec![0; 20_000];
    while nested.len() < LONGEST {
        nested = ipv4(47, 0, &gre(0x0800, &nested));
    }
    let read = bounded("GRE in GRE", &nested);
    assert!(read.layers().len() <= 32, "{}", read.stack());
    assert!(read.troubles().any(|trouble| trouble.contains("layers inside each other")));

    let mut sealed = vec![0; 60_000];
    while sealed.len() < LONGEST {
        sealed = ipv4(50, 0, &esp(4, &sealed));
    }
    let read = bounded("ESP in ESP", &sealed);
    assert!(read.buffers().len() <= 13, "{} buffers, each as long as the packet", read.buffers().len());
    let chain = octets(&[60, 0, 1, 4, 0, 0, 0, 0]);
    bounded("extension headers", &ipv6(60, &chain));
}

#[test]
fn fragments_without_end() {
    let mut session = Session::default();
    let mut read = Dissection::default();
    // Every second piece of a datagram: nothing can be joined until the others come.
    let offsets = (0..8190).step_by(2).chain((1..8190).step_by(2));
    let mut whole = 0;
    for offset in offsets {
        let more = if offset == 8189 { 0 } else { 0x2000 };
        read.read(&mut session, LinkType::RAW, &ipv4(17, offset | more, &[0; 8]));
        assert!(read.fields().len() < 64);
        whole += usize::from(read.buffers().len() == 2);
    }
    assert_eq!((whole, session.given_up()), (1, 0));
}

#[test]
fn exchanges_beyond_the_limits() {
    let mut tracker = Tracker::new(Limits { open: 64, stations: 16, bindings: 16, flows: 16 });
    let mut session = Session::default();
    for number in 0..4096u32 {
        let mut message = nhrp(if number % 3 == 0 { 4 } else { 3 }, &[0; 12], None);
        message[24..28].copy_from_slice(&number.to_be_bytes());
        let mut packet = ipv4(47, 0, &gre(0x2001, &message));
        packet[14..16].copy_from_slice(&(number as u16).to_be_bytes());
        let glance = Glance::of(&mut session, LinkType::RAW, &packet);
        tracker.packet(number.into(), number.into(), packet.len(), &glance);
    }
    assert_eq!((tracker.stations().len(), tracker.pairs().len(), tracker.bindings().len()), (16, 16, 16));
    assert_eq!(tracker.totals().given_up, 4096 - 64);
    assert!(tracker.stations().refused() > 4000);
}
