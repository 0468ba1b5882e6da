//! Which field of tshark is which field here.
//!
//! Left out are fields that only one of the two knows, and those that both know but cut differently: the first four
//! octets of an authentication extension are one number here and two to tshark (RFC 2332 section 5.3.4.1).

/// How a value is written down for the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum As {
    Number,
    /// So many octets in hexadecimal digits, also where one of the two takes them for a number.
    Octets(usize),
    /// Octets in hexadecimal digits.
    Hex,
    Address,
    /// A checksum is right, 1, or wrong, 0.
    Verdict,
    /// Only where the octets are: tshark does not print them.
    Extent,
}
use As::{Address, Extent, Hex, Number, Octets, Verdict};

/// How the octets of the two lie to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Same,
    /// Bits of one or several octets, of which one of the two points at more.
    Overlaps,
    /// Not compared.
    Any,
}
use Place::{Any, Overlaps, Same};

/// Names of a field on both sides. All that have one of the names make one list, in the order of the packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) theirs: &'static [&'static str],
    /// Paths with empty brackets for any index.
    pub(crate) ours: &'static [&'static str],
    pub(crate) form: As,
    pub(crate) place: Place,
    /// Only in the outermost IP header: what an inner packet has of it is not read here.
    pub(crate) outermost: bool,
    /// Only in IKE payloads of these types, if any is named.
    pub(crate) kinds: &'static [u64],
}

const fn row(theirs: &'static [&'static str], ours: &'static [&'static str], form: As) -> Row {
    Row { theirs, ours, form, place: Same, outermost: false, kinds: &[] }
}

const fn outer(theirs: &'static [&'static str], ours: &'static [&'static str], form: As) -> Row {
    Row { outermost: true, ..row(theirs, ours, form) }
}

const fn overlapping(row: Row) -> Row {
    Row { place: Overlaps, ..row }
}

const fn anywhere(row: Row) -> Row {
    Row { place: Any, ..row }
}

const fn ike(theirs: &'static [&'static str], ours: &'static [&'static str], kinds: &'static [u64], form: As) -> Row {
    Row { kinds, ..row(theirs, ours, form) }
}

/// All of them.
pub(crate) const ROWS: &[Row] = &[
    // Links.
    row(&["eth.dst"], &["eth.dst"], Hex),
    row(&["eth.src"], &["eth.src"], Hex),
    row(&["eth.type", "eth.len"], &["eth.type"], Number),
    row(&["vlan.id"], &["vlan.id"], Number),
    row(&["vlan.priority"], &["vlan.priority"], Number),
    row(&["vlan.etype", "vlan.len"], &["vlan.type"], Number),
    row(&["sll.pkttype"], &["sll.packet_type"], Number),
    row(&["sll.etype"], &["sll.type"], Number),
    row(&["null.family"], &["null.family"], Number),
    // IP, of the outermost packet and of those inside.
    row(&["ip.src", "ipv6.src"], &["ip.src", "inner.src"], Address),
    row(&["ip.dst", "ipv6.dst"], &["ip.dst", "inner.dst"], Address),
    row(&["ip.version"], &["ip.version", "inner.version"], Number),
    overlapping(row(&["ip.dsfield", "ipv6.tclass"], &["ip.tos", "inner.tos"], Number)),
    row(&["ip.len", "ipv6.plen"], &["ip.length", "inner.length"], Number),
    row(&["ip.id"], &["ip.id", "inner.id"], Number),
    overlapping(outer(&["ip.flags.df"], &["ip.df"], Number)),
    overlapping(outer(&["ip.flags.mf", "ipv6.fraghdr.more"], &["ip.mf"], Number)),
    row(&["ip.frag_offset", "ipv6.fraghdr.offset"], &["ip.fragment_offset", "inner.fragment_offset"], Number),
    row(&["ipv6.fraghdr.ident"], &["ip.fragment_id"], Number),
    row(&["ip.ttl", "ipv6.hlim"], &["ip.ttl", "inner.ttl"], Number),
    row(&["ip.proto", "ipv6.nxt"], &["ip.protocol", "inner.protocol"], Number),
    row(&["ip.checksum"], &["ip.checksum", "inner.checksum"], Number),
    row(&["ip.checksum.status"], &["ip.checksum_ok", "inner.checksum_ok"], Verdict),
    row(&["icmp.type", "icmpv6.type"], &["icmp.type"], Number),
    row(&["icmp.code", "icmpv6.code"], &["icmp.code"], Number),
    row(&["icmp.ident", "icmpv6.echo.identifier"], &["icmp.id"], Number),
    row(&["icmp.seq", "icmpv6.echo.sequence_number"], &["icmp.seq"], Number),
    row(&["udp.srcport"], &["udp.src"], Number),
    row(&["udp.dstport"], &["udp.dst"], Number),
    row(&["udp.length"], &["udp.length"], Number),
    row(&["udp.checksum"], &["udp.checksum"], Number),
    row(&["tcp.srcport"], &["tcp.src"], Number),
    row(&["tcp.dstport"], &["tcp.dst"], Number),
    row(&["tcp.flags"], &["tcp.flags"], Number),
    // Routing.
    row(&["ospf.version"], &["ospf.version"], Number),
    row(&["ospf.msg"], &["ospf.type"], Number),
    row(&["ospf.srcrouter"], &["ospf.router_id"], Address),
    row(&["ospf.area_id"], &["ospf.area"], Address),
    row(&["eigrp.version"], &["eigrp.version"], Number),
    row(&["eigrp.opcode"], &["eigrp.opcode"], Number),
    row(&["eigrp.as"], &["eigrp.as"], Number),
    row(&["rip.command", "ripng.cmd"], &["rip.command"], Number),
    row(&["rip.version", "ripng.version"], &["rip.version"], Number),
    row(&["bgp.length"], &["bgp.length"], Number),
    row(&["bgp.type"], &["bgp.type"], Number),
    // GRE.
    row(&["gre.flags_and_version"], &["gre.flags"], Number),
    row(&["gre.flags.version"], &["gre.version"], Number),
    row(&["gre.proto"], &["gre.protocol"], Number),
    row(&["gre.checksum"], &["gre.checksum"], Number),
    row(&["gre.checksum.status"], &["gre.checksum_ok"], Verdict),
    row(&["gre.key"], &["gre.key"], Number),
    row(&["gre.sequence_number"], &["gre.sequence"], Number),
    // NHRP.
    row(&["nhrp.hdr.afn"], &["hdr.afn"], Number),
    row(&["nhrp.hdr.pro.type"], &["hdr.protocol_type"], Number),
    row(&["nhrp.protocol_type"], &["hdr.snap"], Hex),
    row(&["nhrp.hdr.hopcnt"], &["hdr.hopcnt"], Number),
    row(&["nhrp.hdr.pktsz"], &["hdr.pktsz"], Number),
    row(&["nhrp.hdr.chksum"], &["hdr.chksum"], Number),
    row(&["nhrp.hdr.chksum.status"], &["hdr.chksum_ok"], Verdict),
    row(&["nhrp.hdr.extoff"], &["hdr.extoff"], Number),
    row(&["nhrp.hdr.version"], &["hdr.version"], Number),
    row(&["nhrp.hdr.op.type"], &["hdr.type"], Number),
    row(&["nhrp.hdr.shtl"], &["hdr.shtl"], Number),
    row(&["nhrp.hdr.sstl"], &["hdr.sstl"], Number),
    row(&["nhrp.src.prot.len"], &["hdr.spl"], Number),
    row(&["nhrp.dst.prot.len"], &["hdr.dpl"], Number),
    row(&["nhrp.flags"], &["flags"], Number),
    row(&["nhrp.flag.q"], &["flags.Q"], Number),
    row(&["nhrp.flag.a"], &["flags.A"], Number),
    row(&["nhrp.flag.d"], &["flags.D"], Number),
    row(&["nhrp.flag.u"], &["flags.U"], Number),
    row(&["nhrp.flag.s"], &["flags.S"], Number),
    row(&["nhrp.flag.n"], &["flags.N"], Number),
    row(&["nhrp.flag.nat"], &["flags.nat"], Number),
    row(&["nhrp.reqid"], &["request_id"], Number),
    row(&["nhrp.src.nbma.addr", "nhrp.src.nbma.addr_bytes"], &["src.nbma"], Address),
    row(&["nhrp.src.nbma.saddr"], &["src.nbma_sub"], Hex),
    row(&["nhrp.src.prot.addr", "nhrp.src.prot.addr_bytes"], &["src.protocol"], Address),
    row(&["nhrp.dst.prot.addr", "nhrp.dst.prot.addr_byets"], &["dst.protocol"], Address),
    row(&["nhrp.err.code"], &["error.code"], Number),
    row(&["nhrp.err.offset"], &["error.offset"], Number),
    row(&["nhrp.code"], &["cie[].code", "ext[].cie[].code"], Number),
    row(&["nhrp.prefix"], &["cie[].prefix_len", "ext[].cie[].prefix_len"], Number),
    row(&["nhrp.unused"], &["cie[].unused", "ext[].cie[].unused"], Number),
    row(&["nhrp.mtu"], &["cie[].mtu", "ext[].cie[].mtu"], Number),
    row(&["nhrp.htime"], &["cie[].holding_time", "ext[].cie[].holding_time"], Number),
    row(&["nhrp.cli.addr_tl"], &["cie[].nbma_tl", "ext[].cie[].nbma_tl"], Number),
    row(&["nhrp.cli.saddr_tl"], &["cie[].nbma_stl", "ext[].cie[].nbma_stl"], Number),
    row(&["nhrp.prot.len"], &["cie[].protocol_len", "ext[].cie[].protocol_len"], Number),
    row(&["nhrp.pref"], &["cie[].preference", "ext[].cie[].preference"], Number),
    row(&["nhrp.client.nbma.addr", "nhrp.client.nbma.addr_bytes"], &["cie[].nbma", "ext[].cie[].nbma"], Address),
    row(&["nhrp.client.nbma.saddr"], &["cie[].nbma_sub", "ext[].cie[].nbma_sub"], Hex),
    row(
        &["nhrp.client.prot.addr", "nhrp.client.prot.addr_bytes"],
        &["cie[].protocol", "ext[].cie[].protocol"],
        Address,
    ),
    row(&["nhrp.ext.c"], &["ext[].compulsory"], Number),
    row(&["nhrp.ext.type"], &["ext[].type"], Number),
    row(&["nhrp.ext.len"], &["ext[].length"], Number),
    row(&["nhrp.vendor_ext.id"], &["ext.vendor.oui"], Number),
    row(&["nhrp.vendor_ext.data"], &["ext.vendor.data"], Hex),
    // ESP, and what a key opens.
    row(&["esp.spi"], &["esp.spi"], Number),
    row(&["esp.sequence"], &["esp.seq"], Number),
    row(&["esp.iv"], &["esp.iv"], Hex),
    row(&["esp.icv"], &["esp.icv"], Hex),
    anywhere(row(&["esp.icv_good"], &["esp.icv_ok"], Verdict)),
    row(&["esp.pad"], &["esp.padding"], Hex),
    row(&["esp.pad_len"], &["esp.pad_length"], Number),
    row(&["esp.protocol"], &["esp.next_header"], Number),
    row(&["isakmp.enc.iv"], &["ike.sk.iv"], Hex),
    row(&["isakmp.enc.icd"], &["ike.sk.icv"], Hex),
    row(&["isakmp.enc.padding"], &["ike.sk.padding"], Extent),
    row(&["isakmp.enc.pad_length"], &["ike.sk.pad_length"], Number),
    // IKE of both versions; transforms of IKEv2 have a name in tshark for each type, which here stands behind the path.
    ike(&["isakmp.ispi"], &["ike.initiator_spi"], &[], Octets(8)),
    ike(&["isakmp.rspi"], &["ike.responder_spi"], &[], Octets(8)),
    ike(&["isakmp.version"], &["ike.version"], &[], Number),
    ike(&["isakmp.exchangetype"], &["ike.exchange"], &[], Number),
    ike(&["isakmp.flags"], &["ike.flags"], &[], Number),
    ike(&["isakmp.flag_e"], &["ike.flags.E"], &[], Number),
    ike(&["isakmp.flag_c"], &["ike.flags.C"], &[], Number),
    ike(&["isakmp.flag_a"], &["ike.flags.A"], &[], Number),
    ike(&["isakmp.flag_i"], &["ike.flags.I"], &[], Number),
    ike(&["isakmp.flag_v"], &["ike.flags.V"], &[], Number),
    ike(&["isakmp.flag_r"], &["ike.flags.R"], &[], Number),
    ike(&["isakmp.messageid"], &["ike.msg_id"], &[], Number),
    ike(&["isakmp.length"], &["ike.length"], &[], Number),
    ike(
        &["isakmp.nextpayload"],
        &[
            "ike.next_payload",
            "ike.payload[].next_payload",
            "ike.payload[].proposal[].more",
            "ike.payload[].proposal[].transform[].more",
        ],
        &[],
        Number,
    ),
    ike(
        &["isakmp.payloadlength"],
        &["ike.payload[].length", "ike.payload[].proposal[].length", "ike.payload[].proposal[].transform[].length"],
        &[],
        Number,
    ),
    ike(&["isakmp.criticalpayload"], &["ike.payload[].critical"], &[], Number),
    ike(&["isakmp.sa.doi"], &["ike.payload[].doi"], &[1], Number),
    ike(&["isakmp.sa.situation"], &["ike.payload[].situation"], &[1], Octets(4)),
    ike(&["isakmp.prop.number"], &["ike.payload[].proposal[].number"], &[], Number),
    ike(&["isakmp.prop.protoid"], &["ike.payload[].proposal[].protocol"], &[], Number),
    ike(&["isakmp.prop.transforms"], &["ike.payload[].proposal[].transforms"], &[], Number),
    ike(&["isakmp.spisize"], &["ike.payload[].proposal[].spi_size", "ike.payload[].spi_size"], &[], Number),
    ike(&["isakmp.spi"], &["ike.payload[].proposal[].spi", "ike.payload[].spi"], &[], Hex),
    ike(&["isakmp.trans.number"], &["ike.payload[].proposal[].transform[].number"], &[], Number),
    ike(&["isakmp.trans.id"], &["ike.payload[].proposal[].transform[].id"], &[1], Number),
    ike(&["isakmp.tf.type"], &["ike.payload[].proposal[].transform[].type"], &[], Number),
    ike(&["isakmp.tf.id.encr"], &["ike.payload[].proposal[].transform[].id of 1"], &[33], Number),
    ike(&["isakmp.tf.id.prf"], &["ike.payload[].proposal[].transform[].id of 2"], &[33], Number),
    ike(&["isakmp.tf.id.integ"], &["ike.payload[].proposal[].transform[].id of 3"], &[33], Number),
    ike(&["isakmp.tf.id.dh"], &["ike.payload[].proposal[].transform[].id of 4"], &[33], Number),
    ike(&["isakmp.tf.id.esn"], &["ike.payload[].proposal[].transform[].id of 5"], &[33], Number),
    ike(&["isakmp.ike2.attr.type"], &["ike.payload[].proposal[].transform[].attribute[].type"], &[33], Number),
    ike(&["isakmp.ike2.attr.key_length"], &["ike.payload[].proposal[].transform[].key_length"], &[33], Number),
    ike(&["isakmp.ike.attr.type"], &["ike.payload[].proposal[].transform[].attribute[].type"], &[1], Number),
    ike(&["isakmp.ike.attr.encryption_algorithm"], &["ike.payload[].proposal[].transform[].encryption"], &[1], Number),
    ike(&["isakmp.ike.attr.hash_algorithm"], &["ike.payload[].proposal[].transform[].hash"], &[1], Number),
    ike(
        &["isakmp.ike.attr.authentication_method"],
        &["ike.payload[].proposal[].transform[].auth_method"],
        &[1],
        Number,
    ),
    ike(&["isakmp.ike.attr.group_description"], &["ike.payload[].proposal[].transform[].group"], &[1], Number),
    ike(&["isakmp.ike.attr.life_type"], &["ike.payload[].proposal[].transform[].life_type"], &[1], Number),
    ike(&["isakmp.ike.attr.life_duration"], &["ike.payload[].proposal[].transform[].life_duration"], &[1], Number),
    ike(&["isakmp.ike.attr.key_length"], &["ike.payload[].proposal[].transform[].key_length"], &[1], Number),
    ike(&["isakmp.key_exchange.dh_group"], &["ike.payload[].group"], &[34], Number),
    ike(&["isakmp.key_exchange.data"], &["ike.payload[].data"], &[4, 34], Hex),
    ike(&["isakmp.nonce"], &["ike.payload[].data"], &[10, 40], Hex),
    ike(&["isakmp.hash"], &["ike.payload[].data"], &[8], Hex),
    ike(&["isakmp.sig"], &["ike.payload[].data"], &[9], Hex),
    ike(&["isakmp.ike.nat_hash"], &["ike.payload[].data"], &[20, 130], Hex),
    ike(&["isakmp.ike.nat_original_address_ipv4"], &["ike.payload[].id_addr"], &[21, 131], Address),
    ike(&["isakmp.id.type"], &["ike.payload[].id_type"], &[5, 21, 35, 36, 131], Number),
    ike(&["isakmp.id.protoid"], &["ike.payload[].protocol"], &[5], Number),
    ike(&["isakmp.id.port"], &["ike.payload[].port"], &[5], Number),
    ike(&["isakmp.id.data.ipv4_addr"], &["ike.payload[].id_addr"], &[5, 35, 36], Address),
    ike(&["isakmp.cert.encoding"], &["ike.payload[].encoding"], &[6, 37], Number),
    ike(&["isakmp.certreq.type"], &["ike.payload[].encoding"], &[7, 38], Number),
    ike(&["isakmp.auth.method"], &["ike.payload[].auth_method"], &[39], Number),
    ike(&["isakmp.auth.data"], &["ike.payload[].data"], &[39], Hex),
    ike(&["isakmp.notify.doi"], &["ike.payload[].doi"], &[11], Number),
    ike(&["isakmp.notify.protoid"], &["ike.payload[].protocol"], &[11, 41], Number),
    ike(&["isakmp.notify.msgtype"], &["ike.payload[].notify_type"], &[11, 41], Number),
    ike(&["isakmp.notify.data"], &["ike.payload[].data"], &[11, 41], Hex),
    ike(&["isakmp.delete.doi"], &["ike.payload[].doi"], &[12], Number),
    ike(&["isakmp.delete.protoid"], &["ike.payload[].protocol"], &[12, 42], Number),
    ike(&["isakmp.spinum"], &["ike.payload[].spi_count"], &[12, 42], Number),
    ike(&["isakmp.vid_bytes"], &["ike.payload[].data"], &[13, 43], Hex),
    ike(&["isakmp.ts.number"], &["ike.payload[].selectors"], &[44, 45], Number),
    ike(&["isakmp.ts.type"], &["ike.payload[].ts[].type"], &[44, 45], Number),
    ike(&["isakmp.ts.protoid"], &["ike.payload[].ts[].protocol"], &[44, 45], Number),
    ike(&["isakmp.ts.selector_length"], &["ike.payload[].ts[].length"], &[44, 45], Number),
    ike(&["isakmp.ts.start_port"], &["ike.payload[].ts[].start_port"], &[44, 45], Number),
    ike(&["isakmp.ts.end_port"], &["ike.payload[].ts[].end_port"], &[44, 45], Number),
    ike(&["isakmp.ts.start_ipv4"], &["ike.payload[].ts[].start_addr"], &[44, 45], Address),
    ike(&["isakmp.ts.end_ipv4"], &["ike.payload[].ts[].end_addr"], &[44, 45], Address),
    ike(&["isakmp.cfg.type"], &["ike.payload[].cfg_type"], &[14, 47], Number),
    ike(&["isakmp.frag.number"], &["ike.payload[].fragment"], &[53], Number),
    ike(&["isakmp.frag.total"], &["ike.payload[].fragments"], &[53], Number),
];
