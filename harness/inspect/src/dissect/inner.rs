//! IP packets inside tunnels, packets that NHRP messages quote, and what routing protocols say of themselves.
//!
//! A quoted packet may be cut anywhere.

use std::ops::Range;

use dmvpn_wire::nhrp;
use dmvpn_wire::nhrp::fixed::field as fixed;
use dmvpn_wire::{ipv4, ipv6};

use super::link;
use super::read::{Protocol, Reader, ip_of};
use super::walk::protocol;

impl Reader<'_> {
    /// The IP packet at `base` of the layer: one in a tunnel, whose payload is `walked` next, or as much of one as a
    /// Traffic Indication quotes. Adds a few words about it to the line for ladders.
    pub(super) fn inner(&mut self, octets: &[u8], base: usize, walked: bool) {
        let mut payload = None;
        self.within(format_args!("inner."), |reader| payload = reader.inner_header(octets, base));
        let (src, dst) = match octets.first().map(|first| first >> 4) {
            Some(4) => (octets.get(12..16), octets.get(16..20)),
            Some(6) => (octets.get(8..24), octets.get(24..40)),
            _ => return self.more(format_args!("no IP packet")),
        };
        match (src.and_then(ip_of), dst.and_then(ip_of)) {
            (Some(src), Some(dst)) => self.more(format_args!("{src} -> {dst}")),
            _ => self.more(format_args!("cut in its header")),
        }
        let Some((protocol, header)) = payload else { return };
        let Some(payload) = octets.get(header..).filter(|payload| !payload.is_empty()) else { return };
        self.within(format_args!("inner."), |reader| reader.bytes("payload", base + header..base + octets.len()));
        let Some(protocol) = protocol else { return };
        self.more(format_args!(" {}", Protocol(protocol)));
        if matches!(protocol, protocol::ICMP | protocol::ICMPV6) {
            match (protocol, payload.first().copied().unwrap_or(0)) {
                (1, 8) | (58, 128) => self.more(format_args!(" echo request")),
                (1, 0) | (58, 129) => self.more(format_args!(" echo reply")),
                (_, kind) => self.more(format_args!(" type {kind}")),
            }
            if !walked {
                self.icmp(payload, base + header);
            }
        }
    }

    /// The header's fields. Says what follows it, unless that is a later fragment, and where.
    fn inner_header(&mut self, octets: &[u8], base: usize) -> Option<(Option<u8>, usize)> {
        let here = |range: Range<usize>| base + range.start..base + range.end;
        match octets.first().map(|first| first >> 4) {
            Some(4) => {
                let view = ipv4::Packet::new(octets);
                self.bits("version", Some(4u8), here(0..1), 0xF0);
                self.uint("tos", view.tos(), here(1..2));
                self.uint("length", view.total_len(), here(2..4));
                self.uint("id", view.id(), here(4..6));
                self.bits("fragment_offset", view.fragment_offset(), here(6..8), 0x1FFF);
                self.uint("ttl", view.ttl(), here(8..9));
                self.uint("protocol", view.protocol().map(|protocol| protocol.0), here(9..10));
                self.uint("checksum", view.checksum(), here(10..12));
                self.verdict("checksum_ok", view.verify_checksum());
                self.address("src", octets.get(12..16), here(12..16));
                self.address("dst", octets.get(16..20), here(16..20));
                let later = view.fragment_offset().unwrap_or(0) != 0;
                let protocol = view.protocol().map(|protocol| protocol.0);
                Some((protocol.filter(|_| !later), view.header_len().unwrap_or(20)))
            }
            Some(6) => {
                let view = ipv6::Packet::new(octets);
                self.bits("version", Some(6u8), here(0..1), 0xF0);
                self.bits("tos", view.traffic_class(), here(0..2), 0x0FF0);
                // Of the whole packet, as for IPv4.
                self.uint("length", view.payload_len().map(|len| u32::from(len) + 40), here(4..6));
                self.uint("protocol", view.next_header().map(|protocol| protocol.0), here(6..7));
                self.uint("ttl", view.hop_limit(), here(7..8));
                self.address("src", octets.get(8..24), here(8..24));
                self.address("dst", octets.get(24..40), here(24..40));
                Some((view.next_header().map(|protocol| protocol.0), 40))
            }
            _ => None,
        }
    }

    pub(super) fn icmp(&mut self, octets: &[u8], base: usize) {
        let octet = |at: usize| octets.get(at).copied();
        self.uint("icmp.type", octet(0), base..base + 1);
        self.uint("icmp.code", octet(1), base + 1..base + 2);
        // Echoes alone have these.
        if matches!(octet(0), Some(0 | 8 | 128 | 129)) {
            self.uint("icmp.id", link::pair(octets, 4), base + 4..base + 6);
            self.uint("icmp.seq", link::pair(octets, 6), base + 6..base + 8);
        }
    }

    pub(super) fn tcp(&mut self, at: super::Place<'_>) {
        self.uint("tcp.src", link::pair(at.octets, 0), 0..2);
        self.uint("tcp.dst", link::pair(at.octets, 2), 2..4);
        self.bits("tcp.flags", link::pair(at.octets, 12).map(|word| word & 0x0FFF), 12..14, 0x0FFF);
        if let (Some((src, dst)), false) = (link::ports(at.octets), at.tunnelled) {
            self.headline(format_args!("TCP {src} -> {dst}"));
        }
    }

    /// RFC 2328 section A.3.1 and RFC 5340 section A.3.1.
    pub(super) fn ospf(&mut self, octets: &[u8]) {
        self.uint("ospf.version", octets.first().copied(), 0..1);
        self.uint("ospf.type", octets.get(1).copied(), 1..2);
        self.address("ospf.router_id", octets.get(4..8), 4..8);
        self.address("ospf.area", octets.get(8..12), 8..12);
    }

    /// RFC 7868 section 6.5.
    pub(super) fn eigrp(&mut self, octets: &[u8]) {
        self.uint("eigrp.version", octets.first().copied(), 0..1);
        self.uint("eigrp.opcode", octets.get(1).copied(), 1..2);
        self.uint("eigrp.as", link::pair(octets, 18), 18..20);
    }

    /// RFC 2453 section 4 and RFC 2080 section 2.1.
    pub(super) fn rip(&mut self, octets: &[u8]) {
        self.uint("rip.command", octets.first().copied(), 0..1);
        self.uint("rip.version", octets.get(1).copied(), 1..2);
    }

    /// RFC 4271 section 4.1: a marker of 16 octets, length, type.
    pub(super) fn bgp(&mut self, octets: &[u8]) {
        if octets.get(..16).is_some_and(|marker| marker.iter().all(|octet| *octet == 0xFF)) {
            self.uint("bgp.length", link::pair(octets, 16), 16..18);
            self.uint("bgp.type", octets.get(18).copied(), 18..19);
        }
    }

    /// The NHRP message that an Error Indication is about, as far as it is quoted, at `base` of the layer.
    pub(super) fn offender(&mut self, octets: &[u8], base: usize) {
        let view = nhrp::Packet::new(octets);
        let here = |range: Range<usize>| base + range.start..base + range.end;
        self.within(format_args!("error.quoted."), |reader| {
            reader.uint("type", view.message_type().map(|kind| kind.0), here(fixed::TYPE));
            reader.uint("hopcnt", view.hop_count(), here(fixed::HOP_COUNT));
            let numbered = view.message_type().is_some_and(|kind| (1..=6).contains(&kind.0));
            reader.uint("request_id", view.request_id().filter(|_| numbered), here(fixed::REQUEST_ID));
            let Some(layout) = view.layout() else { return };
            reader.address("src.nbma", view.src_nbma_octets(), here(layout.src_nbma));
            reader.address("src.protocol", view.src_proto_octets(), here(layout.src_proto));
            reader.address("dst.protocol", view.dst_proto_octets(), here(layout.dst_proto));
        });
    }
}
