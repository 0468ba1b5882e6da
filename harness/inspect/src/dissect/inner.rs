//! IP packets inside tunnels, and packets that NHRP messages quote: both may be cut anywhere.

use std::ops::Range;

use dmvpn_wire::nhrp;
use dmvpn_wire::nhrp::fixed::field as fixed;
use dmvpn_wire::{ipv4, ipv6};

use super::FieldValue;
use super::read::{Reader, protocol_name};

impl Reader<'_> {
    /// The IP packet in GRE, or as much of one as a Traffic Indication quotes. Says in a few words what it is.
    pub(super) fn inner(&mut self, at: Range<usize>) -> String {
        let octets = self.octets.get(at.clone()).unwrap_or_default();
        let here = |range: Range<usize>| at.start + range.start..at.start + range.end;
        let address = |reader: &mut Self, path: &str, range: Range<usize>| {
            reader.address(path, octets.get(range.clone()), here(range));
        };
        let (protocol, header) = match octets.first().map(|first| first >> 4) {
            Some(4) => {
                let view = ipv4::Packet::new(octets);
                self.put("inner.version", FieldValue::Uint(4), here(0..1), Some(0xF0));
                self.uint("inner.tos", view.tos(), here(1..2));
                self.uint("inner.length", view.total_len(), here(2..4));
                self.uint("inner.ttl", view.ttl(), here(8..9));
                self.uint("inner.protocol", view.protocol().map(|protocol| protocol.0), here(9..10));
                self.uint("inner.checksum", view.checksum(), here(10..12));
                self.verdict("inner.checksum_ok", view.verify_checksum());
                address(self, "inner.src", 12..16);
                address(self, "inner.dst", 16..20);
                let fragment = view.fragment_offset().unwrap_or(0) != 0;
                (view.protocol().filter(|_| !fragment), view.header_len().unwrap_or(20))
            }
            Some(6) => {
                let view = ipv6::Packet::new(octets);
                self.put("inner.version", FieldValue::Uint(6), here(0..1), Some(0xF0));
                self.uint("inner.tos", view.traffic_class(), 0..0);
                self.uint("inner.length", view.payload_len().map(|len| u32::from(len) + 40), 0..0);
                self.uint("inner.protocol", view.next_header().map(|protocol| protocol.0), here(6..7));
                self.uint("inner.ttl", view.hop_limit(), here(7..8));
                address(self, "inner.src", 8..24);
                address(self, "inner.dst", 24..40);
                (view.next_header(), 40)
            }
            _ => return "no IP packet".to_owned(),
        };
        let mut what = match (self.text_of("inner.src"), self.text_of("inner.dst")) {
            (Some(src), Some(dst)) => format!("{src} -> {dst}"),
            _ => "cut in its header".to_owned(),
        };
        let Some(payload) = octets.get(header..).filter(|payload| !payload.is_empty()) else { return what };
        self.bytes("inner.payload", payload, here(header..octets.len()));
        if let Some(protocol) = protocol {
            what = format!("{what} {}", protocol_name(protocol.0));
            if matches!(protocol.0, 1 | 58) {
                self.icmp(payload, at.start + header);
                let kind = payload.first().copied().unwrap_or(0);
                match (protocol.0, kind) {
                    (1, 8) | (58, 128) => what += " echo request",
                    (1, 0) | (58, 129) => what += " echo reply",
                    _ => what += &format!(" type {kind}"),
                }
            }
        }
        what
    }

    fn icmp(&mut self, octets: &[u8], base: usize) {
        let octet = |at: usize| octets.get(at).copied();
        let pair = |at: usize| Some(u16::from_be_bytes([octet(at)?, octet(at + 1)?]));
        self.uint("icmp.type", octet(0), base..base + 1);
        self.uint("icmp.code", octet(1), base + 1..base + 2);
        // Echoes alone have these.
        if matches!(octet(0), Some(0 | 8 | 128 | 129)) {
            self.uint("icmp.id", pair(4), base + 4..base + 6);
            self.uint("icmp.seq", pair(6), base + 6..base + 8);
        }
    }

    fn text_of(&self, path: &str) -> Option<String> {
        self.fields.iter().find(|field| field.path == path).map(|field| field.value.to_string())
    }

    /// The NHRP message that an Error Indication is about, as far as it is quoted.
    pub(super) fn offender(&mut self, at: Range<usize>) {
        let view = nhrp::Packet::new(self.octets.get(at.clone()).unwrap_or_default());
        let here = |range: Range<usize>| at.start + range.start..at.start + range.end;
        self.uint("error.quoted.type", view.message_type().map(|kind| kind.0), here(fixed::TYPE));
        self.uint("error.quoted.hopcnt", view.hop_count(), here(fixed::HOP_COUNT));
        let numbered = view.message_type().is_some_and(|kind| (1..=6).contains(&kind.0));
        self.uint("error.quoted.request_id", view.request_id().filter(|_| numbered), here(fixed::REQUEST_ID));
        let Some(layout) = view.layout() else { return };
        self.address("error.quoted.src.nbma", view.src_nbma_octets(), here(layout.src_nbma));
        self.address("error.quoted.src.protocol", view.src_proto_octets(), here(layout.src_proto));
        self.address("error.quoted.dst.protocol", view.dst_proto_octets(), here(layout.dst_proto));
    }
}
