//! What people write: tables of keys, and filters.

use std::net::IpAddr;

use dmvpn_inspect::capture::CapturedPacket;
use dmvpn_inspect::dissect::Dissection;
use dmvpn_inspect::filter::Filter;
use dmvpn_inspect::keys::{Keys, OpenError, Opened};
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme};

/// A table of keys up to the first octet 0, then an ESP packet and IKE message for them.
pub fn keys(input: &[u8]) {
    let (table, packet) = match input.iter().position(|octet| *octet == 0) {
        Some(end) => (&input[..end], &input[end + 1..]),
        None => (input, &[][..]),
    };
    let mut keys = Keys::default();
    if let Err(error) = keys.add("keys", table) {
        assert!(error.line <= table.split(|octet| *octet == b'\n').count());
        shown(&error);
    }
    let _ = format!("{keys:?}");
    let mut out = Vec::new();
    if let Some(spi) = packet.first_chunk::<4>() {
        let spi = u32::from_be_bytes(*spi);
        let addresses = ["192.0.2.1", "192.0.2.11", "2001:db8::1"].map(|text| text.parse::<IpAddr>());
        for (source, destination) in [(0, 1), (1, 0), (2, 2)] {
            let (Ok(source), Ok(destination)) = (&addresses[source], &addresses[destination]) else { continue };
            let opened = keys.esp(*source, *destination, spi).map(|sa| sa.open(packet, &mut out));
            opened_holds(opened, packet, &out, 2);
        }
    }
    let spi = |at: usize| Some(u64::from_be_bytes(*packet.get(at..)?.first_chunk::<8>()?));
    if let (Some(initiator), Some(responder)) = (spi(0), spi(8)) {
        for from_initiator in [true, false] {
            for body in [32..packet.len(), 28..packet.len().saturating_sub(3)] {
                let sa = keys.ike2(initiator, responder);
                let opened = sa.map(|sa| sa.open(packet, body, from_initiator, &mut out));
                opened_holds(opened, packet, &out, 1);
            }
        }
    }
}

/// What was found in a packet lies in it, and in the plain text.
fn opened_holds(opened: Option<Result<Opened, OpenError>>, packet: &[u8], out: &[u8], trailer: usize) {
    match opened {
        Some(Ok(opened)) => {
            assert!(opened.iv.end <= opened.icv.start && opened.icv.end <= packet.len());
            assert_eq!((opened.payload.start, opened.payload.end), (0, opened.padding.start));
            assert_eq!(opened.padding.len(), usize::from(opened.pad_length));
            assert_eq!(opened.padding.end + trailer, out.len());
        }
        Some(Err(error)) => assert!(!error.to_string().is_empty()),
        None => {}
    }
}

/// A filter expression, and whether it holds for a registration.
pub fn filter(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match Filter::parse(text) {
        Ok(filter) => {
            let packet = CapturedPacket { number: 7, octets: REGISTRATION.to_vec(), ..CapturedPacket::default() };
            let read = Dissection::of_ip(REGISTRATION);
            let holds = filter.holds(&packet, &read);
            // What negates it holds where it does not; it may be one level too deep.
            if let Ok(not) = Filter::parse(&format!("not ({text})")) {
                assert_eq!(not.holds(&packet, &read), !holds, "{text}");
            }
        }
        Err(error) => {
            for label in error.labels().into_iter().flatten() {
                let place = label.offset()..label.offset() + label.len();
                assert!(text.get(place).is_some(), "{label:?} is not in `{text}`");
            }
            shown(&error);
        }
    }
}

/// An error as people see it.
fn shown(error: &dyn Diagnostic) {
    let mut shown = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(100);
    assert!(handler.render_report(&mut shown, error).is_ok() && !shown.is_empty());
}

/// A Registration Request with an authentication extension, in GRE with key 42, in IPv4.
const REGISTRATION: &[u8] = &[
    0x45, 0, 0, 96, 0, 1, 0, 0, 64, 47, 0, 0, 192, 0, 2, 11, 192, 0, 2, 1, // IPv4
    0x20, 0, 0x20, 1, 0, 0, 0, 42, // GRE
    0, 1, 8, 0, 0, 0, 0, 0, 0, 255, 0, 68, 0, 0, 0, 52, 1, 3, 4, 0, // NHRP: fixed part
    4, 4, 0x80, 2, 0, 0, 0, 1, 192, 0, 2, 11, 10, 0, 0, 11, 10, 0, 0, 1, // mandatory part
    0, 255, 0, 0, 5, 0, 1, 44, 0, 0, 0, 0, // client entry
    0x80, 7, 0, 8, 0, 0, 0, 1, b'w', b'o', b'r', b'd', 0x80, 0, 0, 0, // extensions
];
