//! The catalogue of field paths: every name that a suite may match on or set, with its kind and a line of help.
//!
//! Names are the RFC's own terms in snake case. An index in brackets (`cie[0].code`) is part of a path but not of its
//! entry here: the catalogue holds `cie[].code`.

use std::fmt;

use super::ike_catalogue::IKE;

/// What a field holds, and therefore how its literals are written in YAML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// An unsigned number of so many bits.
    Uint {
        /// Width on the wire in bits.
        bits: u8,
    },
    /// An IPv4 or IPv6 address.
    Addr,
    /// Octets, written as `hex: "..."`.
    Bytes,
    /// A time in whole seconds, written with its unit (`60s`).
    Seconds,
    /// One bit, `0` or `1`.
    Flag,
    /// A word.
    Text,
    /// A list of groups of fields (CIEs).
    List,
}

impl fmt::Display for FieldKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FieldKind::Uint { bits } => write!(f, "a number of {bits} bits"),
            FieldKind::Addr => f.write_str("an IP address"),
            FieldKind::Bytes => f.write_str("octets (hex: \"..\")"),
            FieldKind::Seconds => f.write_str("whole seconds (60s)"),
            FieldKind::Flag => f.write_str("a flag (0 or 1)"),
            FieldKind::Text => f.write_str("a word"),
            FieldKind::List => f.write_str("a list"),
        }
    }
}

/// A path that is not in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The known path that looks most like it, if any is near.
    pub nearest: Option<String>,
}

/// One row of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Path with empty brackets where an index stands.
    pub path: &'static str,
    /// What it holds.
    pub kind: FieldKind,
    /// One line for people.
    pub help: &'static str,
}

pub(super) const fn entry(path: &'static str, kind: FieldKind, help: &'static str) -> Entry {
    Entry { path, kind, help }
}

pub(super) const U8: FieldKind = FieldKind::Uint { bits: 8 };
pub(super) const U16: FieldKind = FieldKind::Uint { bits: 16 };
pub(super) const U32: FieldKind = FieldKind::Uint { bits: 32 };
pub(super) const U64: FieldKind = FieldKind::Uint { bits: 64 };
use FieldKind::{Addr, Bytes, Flag, List, Seconds, Text};

/// Fields outside CIEs.
const PLAIN: &[Entry] = &[
    entry("eth.dst", Bytes, "destination of the Ethernet frame"),
    entry("eth.src", Bytes, "its source"),
    entry("eth.type", U16, "its EtherType, or below 0x0600 its length"),
    entry("vlan.id", U16, "VLAN, IEEE 802.1Q"),
    entry("vlan.priority", U8, "priority of the VLAN tag"),
    entry("vlan.type", U16, "EtherType behind the VLAN tag"),
    entry("sll.packet_type", U16, "Linux cooked capture: 0 to us, 1 broadcast, 2 multicast, 3 to others, 4 from us"),
    entry("sll.type", U16, "its EtherType"),
    entry("null.family", U32, "protocol family of a BSD loopback"),
    entry("nflog.family", U8, "protocol family of a Netfilter log"),
    entry("ip.src", Addr, "outer source address (NBMA)"),
    entry("ip.dst", Addr, "outer destination address (NBMA)"),
    entry("ip.version", U8, "4 or 6"),
    entry("ip.tos", U8, "type of service or traffic class"),
    entry("ip.length", U16, "total length (IPv4) or payload length (IPv6)"),
    entry("ip.id", U16, "IPv4 identification"),
    entry("ip.df", Flag, "IPv4 don't fragment"),
    entry("ip.mf", Flag, "more fragments follow"),
    entry("ip.fragment_offset", U16, "where the fragment's payload begins in its datagram, in units of 8 octets"),
    entry("ip.fragment_id", U32, "identification of an IPv6 fragment"),
    entry("ip.ttl", U8, "time to live or hop limit"),
    entry("ip.protocol", U8, "IP protocol of the payload (47 = GRE)"),
    entry("ip.checksum", U16, "IPv4 header checksum"),
    entry("ip.checksum_ok", Flag, "1 if the IPv4 header checksum verifies"),
    entry("gre.flags", U16, "flags and version word, RFC 2784 section 2.1"),
    entry("gre.version", U8, "GRE version, 0"),
    entry("gre.protocol", U16, "EtherType of the payload (0x2001 = NHRP)"),
    entry("gre.checksum", U16, "GRE checksum, present with the C bit"),
    entry("gre.key", U32, "key, RFC 2890"),
    entry("gre.sequence", U32, "sequence number, RFC 2890"),
    entry("gre.checksum_ok", Flag, "1 if the GRE checksum verifies"),
    entry("inner.version", U8, "4 or 6: the IP packet in GRE, or the one that a Traffic Indication quotes"),
    entry("inner.src", Addr, "source address of the inner packet"),
    entry("inner.dst", Addr, "destination address of the inner packet"),
    entry("inner.ttl", U8, "time to live or hop limit of the inner packet"),
    entry("inner.tos", U8, "type of service or traffic class of the inner packet"),
    entry("inner.protocol", U8, "IP protocol of the inner packet's payload (1, 58 = ICMP)"),
    entry("inner.length", U16, "octets of the whole inner packet, by its own header"),
    entry("inner.id", U16, "identification of the inner IPv4 packet"),
    entry("inner.fragment_offset", U16, "where the inner fragment's payload begins, in units of 8 octets"),
    entry("inner.checksum", U16, "header checksum of the inner IPv4 packet"),
    entry("inner.checksum_ok", Flag, "1 if the inner IPv4 header checksum verifies"),
    entry("inner.payload", Bytes, "what follows the inner IP header"),
    entry("icmp.type", U8, "type of the inner packet's ICMP message (8, 128 = echo request; 0, 129 = echo reply)"),
    entry("icmp.code", U8, "code of it"),
    entry("icmp.id", U16, "identifier of an echo"),
    entry("icmp.seq", U16, "sequence number of an echo"),
    entry("udp.src", U16, "UDP source port"),
    entry("udp.dst", U16, "UDP destination port"),
    entry("udp.length", U16, "octets of UDP header and payload, as it says"),
    entry("udp.checksum", U16, "UDP checksum, 0 where there is none"),
    entry("tcp.src", U16, "TCP source port"),
    entry("tcp.dst", U16, "TCP destination port"),
    entry("tcp.flags", U16, "TCP flags, the low 12 bits of their word"),
    entry("ospf.version", U8, "OSPF version, 2 or 3"),
    entry("ospf.type", U8, "1 Hello, 2 Database Description, 3 Request, 4 Update, 5 Acknowledgment"),
    entry("ospf.router_id", Addr, "router ID of the sender"),
    entry("ospf.area", Addr, "area"),
    entry("eigrp.version", U8, "EIGRP version, RFC 7868 section 6.5"),
    entry("eigrp.opcode", U8, "1 Update, 3 Query, 4 Reply, 5 Hello"),
    entry("eigrp.as", U16, "autonomous system"),
    entry("rip.command", U8, "1 request, 2 response"),
    entry("rip.version", U8, "RIP version"),
    entry("bgp.length", U16, "octets of the first BGP message of the segment"),
    entry("bgp.type", U8, "1 OPEN, 2 UPDATE, 3 NOTIFICATION, 4 KEEPALIVE"),
    entry("esp.spi", U32, "Security Parameters Index, RFC 4303 section 2.1"),
    entry("esp.seq", U32, "sequence number, the low 32 bits"),
    entry("esp.length", U16, "octets behind the sequence number: IV, cipher text and ICV"),
    entry("esp.iv", Bytes, "initialisation vector, of a packet that a key opens"),
    entry("esp.icv", Bytes, "integrity check value"),
    entry("esp.icv_ok", Flag, "1 if the integrity check value is right"),
    entry("esp.padding", Bytes, "padding, decrypted"),
    entry("esp.pad_length", U8, "how many octets of padding there are"),
    entry("esp.next_header", U8, "IP protocol of the payload"),
    entry("hdr.afn", U16, "ar$afn, address family of the NBMA"),
    entry("hdr.protocol_type", U16, "ar$pro.type"),
    entry("hdr.snap", Bytes, "ar$pro.snap, 5 octets"),
    entry("hdr.hopcnt", U8, "ar$hopcnt"),
    entry("hdr.pktsz", U16, "ar$pktsz, octets of the whole NHRP message"),
    entry("hdr.chksum", U16, "ar$chksum"),
    entry("hdr.chksum_ok", Flag, "1 if the NHRP checksum verifies over ar$pktsz octets"),
    entry("hdr.extoff", U16, "ar$extoff, 0 without extensions"),
    entry("hdr.version", U8, "ar$op.version"),
    entry("hdr.type", U8, "ar$op.type"),
    entry("hdr.shtl", U8, "ar$shtl, type and length of the source NBMA address"),
    entry("hdr.sstl", U8, "ar$sstl, type and length of the source NBMA sub-address"),
    entry("hdr.spl", U8, "source protocol address length"),
    entry("hdr.dpl", U8, "destination protocol address length"),
    entry("length", U16, "octets of the NHRP message as received"),
    entry("trailing", U16, "octets after ar$pktsz"),
    entry("flags", U16, "the flags word of message types 1 to 6"),
    entry("flags.Q", Flag, "requester is a router (resolution)"),
    entry("flags.A", Flag, "authoritative (resolution)"),
    entry("flags.D", Flag, "destination stable (resolution reply)"),
    entry("flags.U", Flag, "unique (registration, resolution)"),
    entry("flags.S", Flag, "source stable (resolution)"),
    entry("flags.N", Flag, "no reply wanted (purge)"),
    entry("flags.nat", Flag, "Cisco NAT supported, 0x0002"),
    entry("request_id", U32, "Request ID of message types 1 to 6"),
    entry("src.nbma", Addr, "source NBMA address"),
    entry("src.nbma_sub", Bytes, "source NBMA sub-address"),
    entry("src.protocol", Addr, "source protocol address"),
    entry("dst.protocol", Addr, "destination protocol address"),
    entry("error.unused", U16, "zero (type 7)"),
    entry("error.code", U16, "error code (type 7)"),
    entry("error.offset", U16, "offset into the offending packet (type 7)"),
    entry("error.packet", Bytes, "the offending packet (type 7)"),
    entry("error.quoted.type", U8, "ar$op.type of the offending packet, as far as it is quoted"),
    entry("error.quoted.hopcnt", U8, "ar$hopcnt of it"),
    entry("error.quoted.request_id", U32, "Request ID of it"),
    entry("error.quoted.src.nbma", Addr, "source NBMA address of it"),
    entry("error.quoted.src.protocol", Addr, "source protocol address of it"),
    entry("error.quoted.dst.protocol", Addr, "destination protocol address of it"),
    entry("traffic.code", U16, "traffic code, 0 = redirect (type 8)"),
    entry("traffic.unused", U16, "zero, before the code (type 8)"),
    entry("traffic.unused2", U16, "zero, behind the code (type 8)"),
    entry("traffic.packet", Bytes, "first octets of the packet that was hair-pinned (type 8)"),
    entry("cie", List, "the CIE list of the mandatory part"),
    entry("cie.count", U8, "number of CIEs in the mandatory part"),
    entry("ext", List, "the extensions, End not counted"),
    entry("ext.count", U8, "number of extensions, End not counted"),
    entry("ext.order", Text, "extension types in wire order, as in \"3,4,5,9,7,0\""),
    entry("ext.auth.form", U32, "first four octets of the authentication extension (1 = Cisco clear text)"),
    entry("ext.auth.secret", Bytes, "the octets after them; only ever compared, never printed"),
    entry("ext.vendor.oui", U32, "organisation of the vendor-private extension"),
    entry("ext.vendor.data", Bytes, "data of the vendor-private extension"),
    entry("malformed", Text, "what is wrong with the packet; absent where nothing is"),
];

/// Names of extensions with the type each stands for.
pub const EXTENSIONS: &[(&str, u16)] =
    &[("end", 0), ("responder", 3), ("forward", 4), ("reverse", 5), ("auth", 7), ("vendor", 8), ("nat", 9)];

/// What every extension has.
const EXTENSION: &[Entry] = &[
    entry("compulsory", Flag, "the C bit of the extension"),
    entry("unused", Flag, "the u bit of the extension, zero"),
    entry("type", U16, "extension type, 14 bits"),
    entry("length", U16, "octets of the extension's value"),
    entry("value", Bytes, "the extension's value as it stands"),
    entry("cie", List, "the CIEs in the extension"),
    entry("cie.count", U8, "number of CIEs in the extension"),
];

/// What every CIE has, RFC 2332 section 5.2.0.1.
const CIE: &[Entry] = &[
    entry("code", U8, "0 = success, else the NAK code"),
    entry("prefix_len", U8, "prefix length; 0 and 255 mean the host"),
    entry("unused", U16, "zero"),
    entry("mtu", U16, "maximum transmission unit, octets"),
    entry("holding_time", Seconds, "holding time"),
    entry("nbma_tl", U8, "type and length of the client NBMA address"),
    entry("nbma_stl", U8, "type and length of the client NBMA sub-address"),
    entry("protocol_len", U8, "client protocol address length"),
    entry("preference", U8, "higher is wanted more"),
    entry("nbma", Addr, "client NBMA address"),
    entry("nbma_sub", Bytes, "client NBMA sub-address"),
    entry("protocol", Addr, "client protocol address"),
];

/// Layers that may be inside a tunnel as well: `inner.udp.src`.
const CARRIED: &[&str] = &["udp.", "tcp.", "gre.", "esp.", "ike."];

/// Finds what a path holds.
///
/// # Errors
/// [`Unknown`] with the nearest known path.
pub fn lookup(path: &str) -> Result<FieldKind, Unknown> {
    let general = without_indices(path);
    resolve(&general).ok_or_else(|| Unknown { nearest: nearest(&general) })
}

/// What a field of a CIE holds, given its name alone (as inside `cie: { exactly: [..] }`).
///
/// # Errors
/// [`Unknown`] with the nearest known name.
pub fn lookup_in_cie(name: &str) -> Result<FieldKind, Unknown> {
    CIE.iter()
        .find(|entry| entry.path == name)
        .map(|entry| entry.kind)
        .ok_or_else(|| Unknown { nearest: closest(name, CIE.iter().map(|entry| entry.path.to_owned())) })
}

/// Every path, for `--fields`, the schema and suggestions; in catalogue order.
pub fn paths() -> impl Iterator<Item = (String, FieldKind, &'static str)> {
    let plain = PLAIN.iter().chain(IKE).map(|e| (e.path.to_owned(), e.kind, e.help));
    let cies = CIE.iter().map(|e| (format!("cie[].{}", e.path), e.kind, e.help));
    let extensions = EXTENSIONS.iter().map(|(name, _)| *name).chain(["[]"]).flat_map(|name| {
        let stem = if name == "[]" { "ext[]".to_owned() } else { format!("ext.{name}") };
        let inner = stem.clone();
        EXTENSION
            .iter()
            .map(move |e| (format!("{stem}.{}", e.path), e.kind, e.help))
            .chain(CIE.iter().map(move |e| (format!("{inner}.cie[].{}", e.path), e.kind, e.help)))
    });
    plain.chain(cies).chain(extensions)
}

fn resolve(general: &str) -> Option<FieldKind> {
    if let Some(entry) = PLAIN.iter().chain(IKE).find(|entry| entry.path == general) {
        return Some(entry.kind);
    }
    // What a tunnel carries has the names of what carries tunnels, behind this word.
    if let Some(carried) = general.strip_prefix("inner.").filter(|path| CARRIED.iter().any(|c| path.starts_with(c))) {
        return resolve(carried);
    }
    if let Some(name) = general.strip_prefix("cie[].") {
        return CIE.iter().find(|entry| entry.path == name).map(|entry| entry.kind);
    }
    let inner = match general.strip_prefix("ext[].") {
        Some(inner) => inner,
        None => {
            let (name, inner) = general.strip_prefix("ext.")?.split_once('.').unwrap_or((general, ""));
            if inner.is_empty() {
                // `ext.nat` alone: is the extension there?
                let name = general.strip_prefix("ext.")?;
                return EXTENSIONS.iter().any(|(known, _)| *known == name).then_some(FieldKind::Flag);
            }
            EXTENSIONS.iter().find(|(known, _)| *known == name.trim_end_matches("[]"))?;
            inner
        }
    };
    match inner.strip_prefix("cie[].") {
        Some(name) => CIE.iter().find(|entry| entry.path == name).map(|entry| entry.kind),
        None => EXTENSION.iter().find(|entry| entry.path == inner).map(|entry| entry.kind),
    }
}

/// `cie[3].code` -> `cie[].code`.
fn without_indices(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => {
                inside = true;
                out.push_str("[]");
            }
            ']' => inside = false,
            c if inside && c.is_ascii_digit() => {}
            // Anything else between brackets is kept, so that the path is unknown.
            c => out.push(c),
        }
    }
    out
}

fn nearest(path: &str) -> Option<String> {
    closest(path, paths().map(|(path, _, _)| path))
}

fn closest(word: &str, known: impl Iterator<Item = String>) -> Option<String> {
    known
        .map(|candidate| (strsim::jaro_winkler(word, &candidate), candidate))
        .filter(|(score, _)| *score > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_indices_are_found() {
        assert_eq!(lookup("cie[0].holding_time"), Ok(FieldKind::Seconds));
        assert_eq!(lookup("ext.responder.cie[12].nbma"), Ok(FieldKind::Addr));
        assert_eq!(lookup("ext[2].type"), Ok(FieldKind::Uint { bits: 16 }));
        assert_eq!(lookup("ext.nat"), Ok(FieldKind::Flag));
        assert_eq!(lookup("flags.U"), Ok(FieldKind::Flag));
    }

    #[test]
    fn a_wrong_path_names_its_neighbour() {
        assert_eq!(lookup("cie[0].holdingtime"), Err(Unknown { nearest: Some("cie[].holding_time".into()) }));
        assert_eq!(lookup("hdr.hopcount"), Err(Unknown { nearest: Some("hdr.hopcnt".into()) }));
        assert_eq!(lookup("zzzzzzz"), Err(Unknown { nearest: None }));
        assert!(lookup("cie[x].code").is_err());
        assert_eq!(lookup_in_cie("codes"), Err(Unknown { nearest: Some("code".into()) }));
    }

    #[test]
    fn every_listed_path_is_found() {
        for (path, kind, _) in paths() {
            assert_eq!(lookup(&path), Ok(kind), "{path}");
        }
    }
}
