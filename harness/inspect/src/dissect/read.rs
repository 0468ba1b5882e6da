//! The walk over a packet's layers that fills a dissection.

use std::ops::Range;

use dmvpn_wire::code::EtherType;
use dmvpn_wire::nhrp::cie::{CieIter, CieView};
use dmvpn_wire::nhrp::extension::ExtensionView;
use dmvpn_wire::nhrp::fixed::field as fixed;
use dmvpn_wire::nhrp::{self, Authentication, MessageType};
use dmvpn_wire::{Error, gre, ipv4, ipv6};

use super::catalogue::EXTENSIONS;
use super::ipsec::{ESP, UDP};
use super::{Field, FieldValue};

/// IP protocol number of GRE.
const GRE: u8 = 47;

/// Walks a packet once and keeps what it finds.
pub(super) struct Reader<'a> {
    pub(super) octets: &'a [u8],
    pub(super) fields: Vec<Field>,
    pub(super) nhrp: Option<Range<usize>>,
    pub(super) payload: Option<Range<usize>>,
    pub(super) malformed: Vec<String>,
    pub(super) headline: String,
}

impl<'a> Reader<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        let headline = "empty packet".to_owned();
        Self { octets, fields: Vec::new(), nhrp: None, payload: None, malformed: Vec::new(), headline }
    }

    pub(super) fn put(&mut self, path: impl Into<String>, value: FieldValue, range: Range<usize>, mask: Option<u64>) {
        self.fields.push(Field { path: path.into(), value, range, mask });
    }

    pub(super) fn uint(&mut self, path: impl Into<String>, value: Option<impl Into<u64>>, range: Range<usize>) {
        if let Some(value) = value {
            self.put(path, FieldValue::Uint(value.into()), range, None);
        }
    }

    pub(super) fn flag(&mut self, path: impl Into<String>, word: u64, mask: u64, range: Range<usize>) {
        self.put(path, FieldValue::Uint(u64::from(word & mask != 0)), range, Some(mask));
    }

    /// A word of the dissector about the packet, true or false.
    pub(super) fn verdict(&mut self, path: &str, holds: Option<bool>) {
        if let Some(holds) = holds {
            self.put(path, FieldValue::Uint(holds.into()), 0..0, None);
        }
    }

    /// An address, or its octets where they are of no IP address's length.
    pub(super) fn address(&mut self, path: impl Into<String>, octets: Option<&[u8]>, range: Range<usize>) {
        let Some(octets) = octets else { return };
        let value = match nhrp_address(octets) {
            Some(address) => FieldValue::Addr(address),
            None => FieldValue::Bytes(octets.to_vec()),
        };
        // An empty address has no field: `absent` is how a suite says so.
        if !octets.is_empty() {
            self.put(path, value, range, None);
        }
    }

    pub(super) fn bytes(&mut self, path: impl Into<String>, octets: &[u8], range: Range<usize>) {
        self.put(path, FieldValue::Bytes(octets.to_vec()), range, None);
    }

    /// The strict parser and the walk often stop at the same place: once is enough.
    fn broken(&mut self, error: Error) {
        let text = error.to_string();
        if !self.malformed.contains(&text) {
            self.malformed.push(text);
        }
    }

    /// The outer IP header and everything behind it.
    pub(super) fn ip(&mut self) {
        match self.octets.first().map(|first| first >> 4) {
            Some(4) => self.ipv4(),
            Some(6) => self.ipv6(),
            Some(version) => {
                self.headline = format!("IP version {version}");
                self.malformed.push(format!("IP version is {version}"));
            }
            None => self.malformed.push("the packet is empty".to_owned()),
        }
    }

    fn ipv4(&mut self) {
        let view = ipv4::Packet::new(self.octets);
        self.put("ip.version", FieldValue::Uint(4), 0..1, Some(0xF0));
        self.uint("ip.tos", view.tos(), 1..2);
        self.uint("ip.length", view.total_len(), 2..4);
        self.uint("ip.id", view.id(), 4..6);
        if let Some(df) = view.dont_fragment() {
            self.flag("ip.df", if df { 0x4000 } else { 0 }, 0x4000, 6..8);
        }
        self.uint("ip.ttl", view.ttl(), 8..9);
        self.uint("ip.protocol", view.protocol().map(|protocol| protocol.0), 9..10);
        self.uint("ip.checksum", view.checksum(), 10..12);
        self.verdict("ip.checksum_ok", view.verify_checksum());
        self.address("ip.src", self.octets.get(12..16), 12..16);
        self.address("ip.dst", self.octets.get(16..20), 16..20);
        if let Err(error) = ipv4::Repr::parse(self.octets) {
            self.broken(error);
        }
        let (Some(start), Some(payload)) = (view.header_len(), view.payload()) else { return };
        let fragment = view.fragment_offset().unwrap_or(0) != 0 || view.more_fragments().unwrap_or(false);
        self.headline = format!("IPv4 {}", protocol_name(view.protocol().map_or(0, |protocol| protocol.0)));
        if let (Some(protocol), false) = (view.protocol(), fragment) {
            self.above_ip(protocol.0, start..start + payload.len());
        }
    }

    fn ipv6(&mut self) {
        let view = ipv6::Packet::new(self.octets);
        self.put("ip.version", FieldValue::Uint(6), 0..1, Some(0xF0));
        self.uint("ip.tos", view.traffic_class(), 0..0);
        self.uint("ip.length", view.payload_len(), 4..6);
        self.uint("ip.protocol", view.next_header().map(|protocol| protocol.0), 6..7);
        self.uint("ip.ttl", view.hop_limit(), 7..8);
        self.address("ip.src", self.octets.get(8..24), 8..24);
        self.address("ip.dst", self.octets.get(24..40), 24..40);
        if let Err(error) = ipv6::Repr::parse(self.octets) {
            self.broken(error);
        }
        let Some(payload) = view.payload() else { return };
        self.headline = format!("IPv6 {}", protocol_name(view.next_header().map_or(0, |protocol| protocol.0)));
        if let Some(protocol) = view.next_header() {
            self.above_ip(protocol.0, 40..40 + payload.len());
        }
    }

    /// What an IP packet carries, where it is something that the lab knows.
    fn above_ip(&mut self, protocol: u8, at: Range<usize>) {
        match protocol {
            GRE => self.gre(at),
            UDP => self.udp(at),
            ESP => self.esp(at),
            _ => {}
        }
    }

    fn gre(&mut self, at: Range<usize>) {
        let octets = self.octets.get(at.clone()).unwrap_or_default();
        let view = gre::Packet::new(octets);
        let Some(flags) = view.flags_and_version() else {
            return self.malformed.push("the GRE header is cut".to_owned());
        };
        let base = at.start;
        self.uint("gre.flags", Some(flags), base..base + 2);
        self.put("gre.version", FieldValue::Uint((flags & 7).into()), base..base + 2, Some(7));
        self.uint("gre.protocol", view.protocol().map(|protocol| protocol.0), base + 2..base + 4);
        let mut next = base + 4;
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
        if let Err(error) = gre::Repr::parse(octets) {
            self.broken(error);
        }
        let protocol = view.protocol().map_or(0, |protocol| protocol.0);
        self.headline = match view.key() {
            Some(key) => format!("GRE key {key}, payload 0x{protocol:04x}"),
            None => format!("GRE, payload 0x{protocol:04x}"),
        };
        if view.payload().is_none() {
            return;
        }
        let payload = base + view.header_len()..at.end;
        self.payload = Some(payload.clone());
        match EtherType(protocol) {
            EtherType::NHRP => self.nhrp(payload),
            EtherType::IPV4 | EtherType::IPV6 => {
                let what = self.inner(payload);
                let key = view.key().map(|key| format!(", key {key}")).unwrap_or_default();
                self.headline = format!("IP in GRE {what}{key}");
            }
            _ => {}
        }
    }

    fn nhrp(&mut self, at: Range<usize>) {
        let octets = self.octets.get(at.clone()).unwrap_or_default();
        let view = nhrp::Packet::new(octets);
        self.nhrp = Some(at.clone());
        let base = at.start;
        let here = |range: Range<usize>| base + range.start..base + range.end;
        self.uint("hdr.afn", view.afn().map(|afn| afn.0), here(fixed::AFN));
        self.uint("hdr.protocol_type", view.protocol().map(|protocol| protocol.code()), here(fixed::PRO_TYPE));
        if let Some(snap) = octets.get(fixed::PRO_SNAP) {
            self.bytes("hdr.snap", snap, here(fixed::PRO_SNAP));
        }
        self.uint("hdr.hopcnt", view.hop_count(), here(fixed::HOP_COUNT));
        self.uint("hdr.pktsz", view.packet_size(), here(fixed::PACKET_SIZE));
        self.uint("hdr.chksum", view.checksum(), here(fixed::CHECKSUM));
        self.verdict("hdr.chksum_ok", view.verify_checksum());
        self.uint("hdr.extoff", view.extension_offset(), here(fixed::EXTENSION_OFFSET));
        self.uint("hdr.version", view.version(), here(fixed::VERSION));
        self.uint("hdr.type", view.message_type().map(|kind| kind.0), here(fixed::TYPE));
        self.uint("hdr.shtl", view.src_nbma_tl().map(|tl| tl.0), here(fixed::SRC_NBMA_TL));
        self.uint("hdr.sstl", view.src_nbma_sub_tl().map(|tl| tl.0), here(fixed::SRC_NBMA_SUB_TL));
        self.uint("hdr.spl", view.src_proto_len(), here(fixed::SRC_PROTO_LEN));
        self.uint("hdr.dpl", view.dst_proto_len(), here(fixed::DST_PROTO_LEN));
        self.put("length", FieldValue::Uint(octets.len() as u64), 0..0, None);
        self.put("trailing", FieldValue::Uint(view.trailing().len() as u64), 0..0, None);
        self.mandatory(&view, base);
        self.extensions(&view, base);
        if let Err(error) = nhrp::Message::parse(octets) {
            self.broken(error);
        }
    }

    fn mandatory(&mut self, view: &nhrp::Packet<&[u8]>, base: usize) {
        let here = |range: Range<usize>| base + range.start..base + range.end;
        match view.message_type() {
            Some(MessageType::ERROR_INDICATION) => {
                self.uint("error.unused", word_at(view, fixed::FLAGS), here(fixed::FLAGS));
                self.uint("error.code", view.error_code().map(|code| code.0), here(fixed::INDICATION_CODE));
                self.uint("error.offset", view.error_offset(), here(fixed::ERROR_OFFSET));
            }
            Some(MessageType::TRAFFIC_INDICATION) => {
                self.uint("traffic.unused", word_at(view, fixed::FLAGS), here(fixed::FLAGS));
                self.uint("traffic.code", view.traffic_code().map(|code| code.0), here(fixed::INDICATION_CODE));
                self.uint("traffic.unused2", word_at(view, fixed::ERROR_OFFSET), here(fixed::ERROR_OFFSET));
            }
            _ => self.flags_and_id(view, base),
        }
        let Some(layout) = view.layout() else { return };
        self.address("src.nbma", view.src_nbma_octets(), here(layout.src_nbma));
        if let Some(sub) = view.src_nbma_sub_octets().filter(|sub| !sub.is_empty()) {
            self.bytes("src.nbma_sub", sub, here(layout.src_nbma_sub));
        }
        self.address("src.protocol", view.src_proto_octets(), here(layout.src_proto));
        self.address("dst.protocol", view.dst_proto_octets(), here(layout.dst_proto));
        if let Some(quoted) = view.quoted() {
            let path = match view.message_type() {
                Some(MessageType::ERROR_INDICATION) => "error.packet",
                _ => "traffic.packet",
            };
            let range = here(layout.rest);
            self.bytes(path, quoted, range.clone());
            match view.message_type() {
                Some(MessageType::ERROR_INDICATION) => self.offender(range),
                _ => drop(self.inner(range)),
            }
        } else {
            self.cies("cie", view.cies(), base);
        }
    }

    fn flags_and_id(&mut self, view: &nhrp::Packet<&[u8]>, base: usize) {
        let range = base + fixed::FLAGS.start..base + fixed::FLAGS.end;
        if let Some(flags) = view.flags() {
            let word = u64::from(flags.0);
            self.uint("flags", Some(word), range.clone());
            // One bit has a name of its own in each family of messages (RFC 2332, sections 5.2.1, 5.2.3, 5.2.5).
            let names: &[(&str, u64)] = match view.message_type() {
                Some(MessageType::REGISTRATION_REQUEST | MessageType::REGISTRATION_REPLY) => &[("U", 0x8000)],
                Some(MessageType::PURGE_REQUEST | MessageType::PURGE_REPLY) => &[("N", 0x8000)],
                _ => &[("Q", 0x8000), ("A", 0x4000), ("D", 0x2000), ("U", 0x1000), ("S", 0x0800)],
            };
            for (name, mask) in names {
                self.flag(format!("flags.{name}"), word, *mask, range.clone());
            }
            self.flag("flags.nat", word, 0x0002, range);
        }
        self.uint("request_id", view.request_id(), base + fixed::REQUEST_ID.start..base + fixed::REQUEST_ID.end);
    }

    fn cies(&mut self, list: &str, cies: CieIter<'_>, base: usize) {
        let mut count: u64 = 0;
        for cie in cies {
            match cie {
                Ok(cie) => self.cie(&format!("{list}[{count}]"), &cie, base),
                Err(error) => {
                    self.broken(error);
                    break;
                }
            }
            count += 1;
        }
        self.put(format!("{list}.count"), FieldValue::Uint(count), 0..0, None);
    }

    fn cie(&mut self, stem: &str, cie: &CieView<'_>, base: usize) {
        let start = base + cie.offset();
        let octet = |at: usize| start + at..start + at + 1;
        let pair = |at: usize| start + at..start + at + 2;
        let here = |range: Range<usize>| base + range.start..base + range.end;
        self.uint(format!("{stem}.code"), Some(cie.code().0), octet(0));
        self.uint(format!("{stem}.prefix_len"), Some(cie.prefix_len()), octet(1));
        self.uint(format!("{stem}.unused"), Some(cie.unused()), pair(2));
        self.uint(format!("{stem}.mtu"), Some(cie.mtu()), pair(4));
        self.uint(format!("{stem}.holding_time"), Some(cie.holding_time()), pair(6));
        self.uint(format!("{stem}.nbma_tl"), Some(cie.nbma_tl().0), octet(8));
        self.uint(format!("{stem}.nbma_stl"), Some(cie.nbma_sub_tl().0), octet(9));
        self.uint(format!("{stem}.protocol_len"), Some(cie.proto_len()), octet(10));
        self.uint(format!("{stem}.preference"), Some(cie.preference()), octet(11));
        self.address(format!("{stem}.nbma"), Some(cie.nbma_octets()), here(cie.nbma_range()));
        if !cie.nbma_sub_octets().is_empty() {
            self.bytes(format!("{stem}.nbma_sub"), cie.nbma_sub_octets(), here(cie.nbma_sub_range()));
        }
        self.address(format!("{stem}.protocol"), Some(cie.proto_octets()), here(cie.proto_range()));
    }

    fn extensions(&mut self, view: &nhrp::Packet<&[u8]>, base: usize) {
        let mut order = Vec::new();
        for (index, extension) in view.extensions().enumerate() {
            let extension = match extension {
                Ok(extension) => extension,
                Err(error) => {
                    self.broken(error);
                    break;
                }
            };
            order.push(extension.code().0.to_string());
            let name = EXTENSIONS.iter().find(|(_, code)| *code == extension.code().0).map(|(name, _)| *name);
            // Under its name only the first of several of a kind; all of them under their position.
            if let Some(name) = name.filter(|name| self.fields.iter().all(|field| field.path != format!("ext.{name}")))
            {
                self.put(format!("ext.{name}"), FieldValue::Uint(1), 0..0, None);
                self.extension(&format!("ext.{name}"), &extension, base);
                self.known(name, &extension, view, base);
            }
            self.extension(&format!("ext[{index}]"), &extension, base);
        }
        let count = order.iter().filter(|code| *code != "0").count() as u64;
        self.put("ext.count", FieldValue::Uint(count), 0..0, None);
        self.put("ext.order", FieldValue::Text(order.join(",")), 0..0, None);
    }

    fn extension(&mut self, stem: &str, extension: &ExtensionView<'_>, base: usize) {
        let start = base + extension.offset();
        let value = base + extension.value_offset()..base + extension.value_offset() + extension.value().len();
        let word = start..start + 2;
        let c_bit = if extension.compulsory() { 0x8000 } else { 0 };
        let u_bit = if extension.unused() { 0x4000 } else { 0 };
        self.flag(format!("{stem}.compulsory"), c_bit, 0x8000, word.clone());
        self.flag(format!("{stem}.unused"), u_bit, 0x4000, word.clone());
        self.put(format!("{stem}.type"), FieldValue::Uint(extension.code().0.into()), word, Some(0x3FFF));
        self.uint(format!("{stem}.length"), Some(extension.value().len() as u64), start + 2..start + 4);
        self.bytes(format!("{stem}.value"), extension.value(), value);
        if extension.has_cies() {
            self.cies(&format!("{stem}.cie"), extension.cies(), base);
        }
    }

    /// What only one kind of extension has.
    fn known(&mut self, name: &str, extension: &ExtensionView<'_>, view: &nhrp::Packet<&[u8]>, base: usize) {
        let at = base + extension.value_offset();
        let value = extension.value();
        match name {
            "auth" => {
                let form = value.first_chunk::<4>().map(|form| u32::from_be_bytes(*form));
                self.uint("ext.auth.form", form, at..at + 4);
                let spl = view.src_proto_len().unwrap_or(4);
                if let Authentication::Cisco(secret) = Authentication::parse(value, spl.into()) {
                    self.bytes("ext.auth.secret", secret.as_bytes(), at + 4..at + value.len());
                }
            }
            "vendor" => {
                if let Some((oui, data)) = value.split_first_chunk::<3>() {
                    let oui = u32::from_be_bytes([0, oui[0], oui[1], oui[2]]);
                    self.uint("ext.vendor.oui", Some(oui), at..at + 3);
                    self.bytes("ext.vendor.data", data, at + 3..at + value.len());
                }
            }
            _ => {}
        }
    }
}

fn nhrp_address(octets: &[u8]) -> Option<std::net::IpAddr> {
    dmvpn_wire::NbmaAddr::from_octets(octets).and_then(dmvpn_wire::NbmaAddr::ip)
}

pub(super) fn protocol_name(protocol: u8) -> String {
    match protocol {
        1 => "ICMP".to_owned(),
        6 => "TCP".to_owned(),
        17 => "UDP".to_owned(),
        47 => "GRE".to_owned(),
        50 => "ESP".to_owned(),
        58 => "ICMPv6".to_owned(),
        other => format!("protocol {other}"),
    }
}

/// The 16 bits at a place of the message, if they are there.
fn word_at(view: &nhrp::Packet<&[u8]>, at: Range<usize>) -> Option<u16> {
    let octets = view.as_bytes().get(at)?;
    Some(u16::from_be_bytes(octets.try_into().ok()?))
}
