//! What the walk sees, written down as fields of a dissection.

use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::ops::Range;

use dmvpn_wire::code::EtherType;
use dmvpn_wire::isakmp::{PayloadType, Span};
use dmvpn_wire::nhrp::pretty;
use dmvpn_wire::{Error, gre, ipv4, ipv6};

use super::fields::{Piece, Say, Stored};
use super::session::Session;
use super::walk::{Kind, Place, Visitor, Walk, protocol};
use super::{Dissection, link};
use crate::capture::LinkType;
use crate::keys::Opened;

/// Writes fields. Ranges are counted from the start of the layer that it was told of last.
pub(super) struct Reader<'d> {
    pub(super) out: &'d mut Dissection,
    /// Where the layer begins in its buffer.
    base: usize,
    buffer: u8,
    stem: Piece,
    say: Say,
    /// Payloads of the IKE message that were read so far, with those of encrypted ones.
    pub(super) payloads: usize,
}

impl<'d> Reader<'d> {
    pub(super) fn new(out: &'d mut Dissection) -> Self {
        Self { out, base: 0, buffer: 0, stem: (0, 0), say: Say::default(), payloads: 0 }
    }

    /// Reads a frame to its end.
    pub(super) fn frame(mut self, session: &mut Session, link: LinkType, octets: &[u8]) {
        Walk { session, visitor: &mut self }.frame(link, octets);
        self.stem = (0, 0);
        if let Some(octets) = self.out.nhrp_octets() {
            let summary = pretty::summary(octets).to_string();
            self.out.summary = summary;
        }
        if let Some(troubles) = self.out.store.joined_troubles() {
            self.put("malformed", Stored::Text(troubles), 0..0, None);
        }
    }

    /// A layer begins; the fields that follow are its.
    fn layer(&mut self, name: &'static str, at: Place<'_>) {
        (self.base, self.buffer, self.stem) = (at.start, at.buffer, (0, 0));
        self.out.store.layer(name, at.buffer, at.start..at.start + at.octets.len());
    }

    /// Fields of a layer that may be inside a tunnel: what a tunnel carries must never be taken for what carries it.
    fn carried(&mut self, at: Place<'_>, fields: impl FnOnce(&mut Self)) {
        if at.tunnelled {
            self.within(format_args!("inner."), fields);
        } else {
            fields(self);
        }
    }

    /// The fields that follow count their octets from there, and belong to the layer that is open.
    fn move_to(&mut self, at: Place<'_>) {
        (self.base, self.buffer) = (at.start, at.buffer);
    }

    /// Octets, if there are any.
    fn range(&mut self, name: &'static str, range: &Range<usize>) {
        if !range.is_empty() {
            self.bytes(name, range.clone());
        }
    }

    /// Fields of a group: their paths begin with `stem` behind what paths begin with already.
    pub(super) fn within(&mut self, stem: fmt::Arguments<'_>, fields: impl FnOnce(&mut Self)) {
        let outside = self.stem;
        self.stem = self.out.store.longer(outside, stem);
        fields(self);
        self.stem = outside;
    }

    /// Fields that say under another name what others say as well.
    pub(super) fn again(&mut self, alias: bool, fields: impl FnOnce(&mut Self)) {
        let outside = std::mem::replace(&mut self.say.alias, alias);
        fields(self);
        self.say.alias = outside;
    }

    /// Octets that are a secret of the stations.
    pub(super) fn secret(&mut self, name: &'static str, range: Range<usize>) {
        let outside = std::mem::replace(&mut self.say.secret, true);
        self.bytes(name, range);
        self.say.secret = outside;
    }

    pub(super) fn put(&mut self, name: &'static str, value: Stored, range: Range<usize>, mask: Option<u64>) {
        let range = if range.is_empty() { 0..0 } else { self.base + range.start..self.base + range.end };
        self.out.store.put((self.stem, name), value, self.buffer, range, mask, self.say);
    }

    pub(super) fn uint(&mut self, name: &'static str, value: Option<impl Into<u64>>, range: Range<usize>) {
        if let Some(value) = value {
            self.put(name, Stored::Uint(value.into()), range, None);
        }
    }

    /// Some bits of a word.
    pub(super) fn bits(&mut self, name: &'static str, value: Option<impl Into<u64>>, range: Range<usize>, mask: u64) {
        if let Some(value) = value {
            self.put(name, Stored::Uint(value.into()), range, Some(mask));
        }
    }

    pub(super) fn flag(&mut self, name: &'static str, word: u64, mask: u64, range: Range<usize>) {
        self.put(name, Stored::Uint(u64::from(word & mask != 0)), range, Some(mask));
    }

    /// A number that the dissector made.
    pub(super) fn count(&mut self, name: &'static str, number: usize) {
        self.put(name, Stored::Uint(number as u64), 0..0, None);
    }

    /// A word of the dissector about the packet, true or false.
    pub(super) fn verdict(&mut self, name: &'static str, holds: Option<bool>) {
        self.uint(name, holds.map(u64::from), 0..0);
    }

    /// Octets as they stand in the layer, which has them all.
    pub(super) fn bytes(&mut self, name: &'static str, range: Range<usize>) {
        // An empty range is a field all the same: it says that there is nothing.
        self.out.store.put(
            (self.stem, name),
            Stored::Octets,
            self.buffer,
            self.base + range.start..self.base + range.end,
            None,
            self.say,
        );
    }

    /// Words that the dissector makes of octets.
    pub(super) fn text(&mut self, name: &'static str, words: fmt::Arguments<'_>, range: Range<usize>) {
        let piece = self.out.store.write(words);
        self.put(name, Stored::Text(piece), range, None);
    }

    /// An address of any family, or its octets where they are of no IP address's length.
    pub(super) fn address(&mut self, name: &'static str, octets: Option<&[u8]>, range: Range<usize>) {
        let Some(octets) = octets else { return };
        match ip_of(octets) {
            Some(address) => self.put(name, Stored::Addr(address), range, None),
            // An empty address has no field: `absent` is how a suite says so.
            None if octets.is_empty() => {}
            None => self.bytes(name, range),
        }
    }

    /// The line for ladders, as far as is known by now.
    pub(super) fn headline(&mut self, words: fmt::Arguments<'_>) {
        self.out.summary.clear();
        let _ = self.out.summary.write_fmt(words);
    }

    /// More of that line.
    pub(super) fn more(&mut self, words: fmt::Arguments<'_>) {
        let _ = self.out.summary.write_fmt(words);
    }

    pub(super) fn wrong(&mut self, words: fmt::Arguments<'_>) {
        self.out.store.trouble(words);
    }

    /// The strict parser and the walk often stop at the same place: once is enough.
    pub(super) fn broken(&mut self, error: Error) {
        self.wrong(format_args!("{error}"));
    }

    fn ethernet(&mut self, at: Place<'_>) {
        self.layer("eth", at);
        self.headline(format_args!("Ethernet"));
        if at.octets.len() >= 14 {
            self.bytes("eth.dst", 0..6);
            self.bytes("eth.src", 6..12);
            self.uint("eth.type", link::pair(at.octets, 12), 12..14);
        }
    }

    fn vlan(&mut self, at: Place<'_>) {
        self.layer("vlan", at);
        let word = link::pair(at.octets, 0);
        self.bits("vlan.id", word.map(|word| word & 0x0FFF), 0..2, 0x0FFF);
        self.bits("vlan.priority", word.map(|word| word >> 13), 0..2, 0xE000);
        self.uint("vlan.type", link::pair(at.octets, 2), 2..4);
    }

    fn outer_ipv4(&mut self, at: Place<'_>) {
        let view = ipv4::Packet::new(at.octets);
        self.bits("ip.version", Some(4u8), 0..1, 0xF0);
        self.uint("ip.tos", view.tos(), 1..2);
        self.uint("ip.length", view.total_len(), 2..4);
        self.uint("ip.id", view.id(), 4..6);
        if let (Some(df), Some(mf)) = (view.dont_fragment(), view.more_fragments()) {
            self.flag("ip.df", if df { 0x4000 } else { 0 }, 0x4000, 6..8);
            self.flag("ip.mf", if mf { 0x2000 } else { 0 }, 0x2000, 6..8);
        }
        self.bits("ip.fragment_offset", view.fragment_offset(), 6..8, 0x1FFF);
        self.uint("ip.ttl", view.ttl(), 8..9);
        self.uint("ip.protocol", view.protocol().map(|protocol| protocol.0), 9..10);
        self.uint("ip.checksum", view.checksum(), 10..12);
        self.verdict("ip.checksum_ok", view.verify_checksum());
        self.address("ip.src", at.octets.get(12..16), 12..16);
        self.address("ip.dst", at.octets.get(16..20), 16..20);
        if let Err(error) = ipv4::Repr::parse(at.octets) {
            self.broken(error);
        }
        let what = Protocol(view.protocol().map_or(0, |protocol| protocol.0));
        match view.fragment_offset().unwrap_or(0) {
            0 if !view.more_fragments().unwrap_or(false) => self.headline(format_args!("IPv4 {what}")),
            units => self.headline(format_args!("IPv4 {what}, fragment at {}", u32::from(units) * 8)),
        }
    }

    fn outer_ipv6(&mut self, at: Place<'_>) {
        let view = ipv6::Packet::new(at.octets);
        self.bits("ip.version", Some(6u8), 0..1, 0xF0);
        self.bits("ip.tos", view.traffic_class(), 0..2, 0x0FF0);
        self.uint("ip.length", view.payload_len(), 4..6);
        self.uint("ip.protocol", view.next_header().map(|protocol| protocol.0), 6..7);
        self.uint("ip.ttl", view.hop_limit(), 7..8);
        self.address("ip.src", at.octets.get(8..24), 8..24);
        self.address("ip.dst", at.octets.get(24..40), 24..40);
        if let Err(error) = ipv6::Repr::parse(at.octets) {
            self.broken(error);
        }
        self.headline(format_args!("IPv6 {}", Protocol(view.next_header().map_or(0, |protocol| protocol.0))));
    }

    fn fragment6(&mut self, at: Place<'_>) {
        self.layer("ipv6_fragment", at);
        let word = link::pair(at.octets, 2);
        self.bits("ip.fragment_offset", word.map(|word| word >> 3), 2..4, 0xFFF8);
        self.bits("ip.mf", word.map(|word| word & 1), 2..4, 1);
        let id = at.octets.get(4..8).and_then(|id| id.first_chunk::<4>()).map(|id| u32::from_be_bytes(*id));
        self.uint("ip.fragment_id", id, 4..8);
        self.more(format_args!(", fragment at {}", word.unwrap_or(0) & 0xFFF8));
    }

    fn gre(&mut self, at: Place<'_>) {
        let octets = at.octets;
        let view = gre::Packet::new(octets);
        let Some(flags) = view.flags_and_version() else {
            return self.wrong(format_args!("the GRE header is cut"));
        };
        self.uint("gre.flags", Some(flags), 0..2);
        self.bits("gre.version", Some(flags & 7), 0..2, 7);
        self.uint("gre.protocol", view.protocol().map(|protocol| protocol.0), 2..4);
        let mut next = 4;
        if view.has_checksum() || view.has_routing() {
            self.uint("gre.checksum", view.checksum(), next..next + 2);
            next += 4;
        }
        if view.has_key() {
            self.uint("gre.key", view.key(), next..next + 4);
            next += 4;
        }
        if view.has_sequence() {
            self.uint("gre.sequence", view.sequence(), next..next + 4);
        }
        self.verdict("gre.checksum_ok", view.verify_checksum());
        if let (false, Err(error)) = (at.tunnelled, gre::Repr::parse(octets)) {
            self.broken(error);
        }
        let protocol = view.protocol().unwrap_or(EtherType(0)).0;
        match view.key() {
            Some(key) => self.headline(format_args!("GRE key {key}, payload 0x{protocol:04x}")),
            None => self.headline(format_args!("GRE, payload 0x{protocol:04x}")),
        }
        if view.payload().is_some() && self.out.payload.is_none() {
            self.out.payload = Some((at.buffer, at.start + view.header_len()..at.start + octets.len()));
        }
    }

    /// How much is left of the name of an inner packet's tunnel on the line for ladders.
    fn carried_ip(&mut self, at: Place<'_>) {
        let key = self.out.uint("gre.key");
        let carrier = match self.out.payload {
            Some(_) => "GRE",
            None if self.out.is_esp() => "ESP",
            None => "IP",
        };
        self.headline(format_args!("IP in {carrier} "));
        self.inner(at.octets, 0, true);
        if let Some(key) = key {
            self.more(format_args!(", key {key}"));
        }
    }

    /// The trailer of an opened ESP packet, and what stands around the cipher text.
    fn esp_opened(&mut self, at: Place<'_>, opened: &Opened, plain: Place<'_>) {
        self.move_to(at);
        self.range("esp.iv", &opened.iv);
        self.range("esp.icv", &opened.icv);
        self.verdict("esp.icv_ok", opened.authentic);
        self.move_to(plain);
        let behind = opened.padding.end;
        self.range("esp.padding", &opened.padding);
        self.uint("esp.pad_length", Some(opened.pad_length), behind..behind + 1);
        self.uint("esp.next_header", opened.next_header, behind + 1..behind + 2);
        if opened.authentic == Some(false) {
            self.wrong(format_args!("the integrity check value of ESP is wrong: another key, or another packet"));
        }
    }

    /// Encrypted payloads of IKEv2, opened.
    fn ike_opened(&mut self, at: Place<'_>, opened: &Opened, first: Option<PayloadType>, plain: Place<'_>) {
        self.move_to(at);
        self.range("ike.sk.iv", &opened.iv);
        self.range("ike.sk.icv", &opened.icv);
        self.verdict("ike.sk.icv_ok", opened.authentic);
        self.move_to(plain);
        if let Some(first) = first {
            let octets = Span::new(plain.octets, 0).cut(opened.payload.end).behind(opened.payload.start);
            self.ike2_payloads(first, octets, plain.tunnelled);
        }
        let behind = opened.padding.end;
        self.range("ike.sk.padding", &opened.padding);
        self.uint("ike.sk.pad_length", Some(opened.pad_length), behind..behind + 1);
        if opened.authentic == Some(false) {
            self.wrong(format_args!("the integrity check value of IKE is wrong: another key, or another packet"));
        }
    }

    fn named(&mut self, name: &'static str, at: Place<'_>, what: &str) {
        self.layer(name, at);
        if at.level < 2 {
            self.headline(format_args!("{what}"));
        }
    }
}

impl Visitor for Reader<'_> {
    fn enter(&mut self, kind: Kind, at: Place<'_>) {
        match kind {
            Kind::Ethernet => self.ethernet(at),
            Kind::Vlan => self.vlan(at),
            Kind::Sll | Kind::Sll2 => {
                self.layer("sll", at);
                let (kind, ether_type) = if kind == Kind::Sll { (0..2, 14) } else { (10..11, 0) };
                let direction =
                    at.octets.get(kind.clone()).map(|octets| octets.iter().fold(0, |n, o| n << 8 | u64::from(*o)));
                self.uint("sll.packet_type", direction, kind);
                self.uint("sll.type", link::pair(at.octets, ether_type), ether_type..ether_type + 2);
            }
            Kind::Null(order) => {
                self.layer("null", at);
                let family = at.octets.first_chunk::<4>().map(|word| match order {
                    link::Order::Network => u32::from_be_bytes(*word),
                    link::Order::Little => u32::from_le_bytes(*word),
                });
                self.uint("null.family", family, 0..4);
            }
            Kind::Nflog => {
                self.layer("nflog", at);
                self.uint("nflog.family", at.octets.first().copied(), 0..1);
            }
            Kind::Ipv4 | Kind::Ipv6 => {
                self.layer(if kind == Kind::Ipv4 { "ip" } else { "ipv6" }, at);
                if at.level > 0 {
                    return self.carried_ip(at);
                }
                if at.buffer == 0 {
                    self.out.network = Some(at.start);
                }
                if kind == Kind::Ipv4 { self.outer_ipv4(at) } else { self.outer_ipv6(at) }
            }
            Kind::Fragment6 => self.fragment6(at),
            Kind::Udp | Kind::Gre | Kind::Esp | Kind::Ike | Kind::Tcp => {
                let (name, read): (_, fn(&mut Self, Place<'_>)) = match kind {
                    Kind::Udp => ("udp", Self::udp),
                    Kind::Gre => ("gre", Self::gre),
                    Kind::Esp => ("esp", Self::esp),
                    Kind::Ike => ("ike", Self::ike),
                    _ => ("tcp", Self::tcp),
                };
                self.layer(name, at);
                self.carried(at, |reader| read(reader, at));
            }
            Kind::Nhrp => {
                self.layer("nhrp", at);
                self.out.nhrp.get_or_insert((at.buffer, at.start..at.start + at.octets.len()));
                self.nhrp(at.octets);
            }
            Kind::Keepalive => self.named("keepalive", at, "NAT keepalive"),
            Kind::Icmp | Kind::Icmpv6 => {
                self.layer(if kind == Kind::Icmp { "icmp" } else { "icmpv6" }, at);
                self.icmp(at.octets, 0);
            }
            Kind::Ospf => {
                self.named("ospf", at, "OSPF");
                self.ospf(at.octets);
            }
            Kind::Eigrp => {
                self.named("eigrp", at, "EIGRP");
                self.eigrp(at.octets);
            }
            Kind::Rip => {
                self.named("rip", at, "RIP");
                self.rip(at.octets);
            }
            Kind::Bgp => {
                self.named("bgp", at, "BGP");
                self.bgp(at.octets);
            }
            Kind::Other => self.layer("data", at),
        }
    }

    fn opened_esp(&mut self, at: Place<'_>, opened: &Opened, plain: Place<'_>) {
        self.carried(at, |reader| reader.esp_opened(at, opened, plain));
    }

    fn opened_ike(&mut self, at: Place<'_>, opened: &Opened, first: Option<PayloadType>, plain: Place<'_>) {
        self.carried(at, |reader| reader.ike_opened(at, opened, first, plain));
    }

    fn whole_ike(&mut self, at: Place<'_>, first: PayloadType, payloads: Place<'_>) {
        self.carried(at, |reader| {
            reader.move_to(payloads);
            reader.ike2_payloads(first, Span::new(payloads.octets, 0), payloads.tunnelled);
        });
    }

    fn trouble(&mut self, at: Place<'_>, words: fmt::Arguments<'_>) {
        match at.start {
            0 => self.wrong(words),
            start => self.wrong(format_args!("{words}, at offset {start}")),
        }
    }

    fn derived(&mut self, what: &'static str, octets: &[u8]) -> u8 {
        self.out.store.add_buffer(what, octets)
    }
}

/// An IP protocol, by its name where it has one here.
pub(super) struct Protocol(pub(super) u8);

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            protocol::ICMP => "ICMP",
            protocol::TCP => "TCP",
            protocol::UDP => "UDP",
            protocol::GRE => "GRE",
            protocol::ESP => "ESP",
            protocol::ICMPV6 => "ICMPv6",
            protocol::OSPF => "OSPF",
            protocol::EIGRP => "EIGRP",
            other => return write!(f, "protocol {other}"),
        })
    }
}

/// The address in so many octets, if that is an IP address's length.
pub(super) fn ip_of(octets: &[u8]) -> Option<IpAddr> {
    dmvpn_wire::NbmaAddr::from_octets(octets).and_then(dmvpn_wire::NbmaAddr::ip)
}
