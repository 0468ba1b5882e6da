//! Packets with what no capture at hand has: purges, errors and sub-addresses of NHRP, checksums and sequence numbers of
//! GRE, routing protocols, fragments of IPv6, and the rarer payloads of IKE.

use std::path::Path;

use dmvpn_inspect::capture::{InterfaceDecl, LinkType, PcapngWriter};

/// Writes them as a capture.
pub(crate) fn write(path: &Path) {
    let packets = [nhrp_packets(), routing(), fragments(), ike()].concat();
    let cooked = [&hex("0004 0001 0006 020000000001 0000 0800")[..], &inner_ipv6()].concat();
    let frames: Vec<(LinkType, Vec<u8>)> =
        packets.into_iter().map(|octets| (LinkType::RAW, octets)).chain([(LinkType::LINUX_SLL, cooked)]).collect();
    write_frames(path, &frames);
}

/// Writes frames as a capture, one a second.
pub(crate) fn write_frames(path: &Path, frames: &[(LinkType, Vec<u8>)]) {
    let mut links: Vec<LinkType> = frames.iter().map(|(link, _)| *link).collect();
    links.sort_unstable();
    links.dedup();
    let interface = |link: &LinkType| InterfaceDecl {
        name: format!("link{}", link.0),
        linktype: *link,
        description: String::new(),
    };
    let interfaces: Vec<InterfaceDecl> = links.iter().map(interface).collect();
    let mut writer = PcapngWriter::create(path, &interfaces).expect("a capture that can be made");
    for (time, (link, octets)) in (1_800_000_000..).zip(frames) {
        let at = links.iter().position(|known| known == link).expect("a link that is declared");
        writer.packet(at, time * 1_000_000_000, octets, None).expect("a packet that can be written");
    }
    writer.finish().expect("a capture that can be ended");
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// RFC 1071.
fn checksum(octets: &[u8]) -> [u8; 2] {
    let words = octets.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)));
    let sum: u32 = words.sum();
    let sum = (sum & 0xFFFF) + (sum >> 16);
    (!((sum & 0xFFFF) + (sum >> 16)) as u16).to_be_bytes()
}

fn length(octets: usize) -> [u8; 2] {
    u16::try_from(octets).expect("a short packet").to_be_bytes()
}

fn ip(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = hex("45c0 0000 0001 4000 ff00 0000 c000020b c0000201");
    packet[2..4].copy_from_slice(&length(20 + payload.len()));
    packet[9] = protocol;
    let sum = checksum(&packet);
    packet[10..12].copy_from_slice(&sum);
    [packet, payload.to_vec()].concat()
}

fn ip6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = hex("6c000000 0000 00 40 20010db8000000000000000000000001 20010db8000000000000000000000002");
    packet[4..6].copy_from_slice(&length(payload.len()));
    packet[6] = next;
    [packet, payload.to_vec()].concat()
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let port = port.to_be_bytes();
    [&port[..], &port, &length(8 + payload.len()), &[0, 0], payload].concat()
}

/// GRE with checksum, key and sequence number.
fn gre(protocol: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = [&hex("b000")[..], &protocol.to_be_bytes(), &hex("0000 0000 0000002a 00000007"), payload].concat();
    let sum = checksum(&packet);
    packet[4..6].copy_from_slice(&sum);
    ip(47, &packet)
}

/// A message with its lengths and checksum filled in. `lengths` are the octets of source NBMA address, its sub-address,
/// source and destination protocol address, between which stands nothing.
fn nhrp(kind: u8, [nbma, sub, src, dst]: [u8; 4], mandatory: &str, extensions: &str) -> Vec<u8> {
    let (mandatory, extensions) = (hex(mandatory), hex(extensions));
    let mut packet = hex("0001 0800 0000000000 ff 0000 0000 0000 01");
    packet.extend([kind, nbma, sub, src, dst]);
    packet.extend(&mandatory);
    if !extensions.is_empty() {
        let offset = length(packet.len());
        packet[14..16].copy_from_slice(&offset);
        packet.extend(&extensions);
    }
    let size = length(packet.len());
    packet[10..12].copy_from_slice(&size);
    let sum = checksum(&packet);
    packet[12..14].copy_from_slice(&sum);
    packet
}

fn nhrp_packets() -> Vec<Vec<u8>> {
    let cie = "00 20 0000 05dc 0e10 04 00 04 00 c000020b 0a00000b";
    let purge =
        |flags| nhrp(5, [4, 0, 4, 4], &format!("{flags} 00000009 c000020b 0a00000b 0a000001 {cie}"), "80000000");
    let sub_addresses = nhrp(
        3,
        [4, 2, 4, 4],
        "8000 0000000a c000020b aabb 0a00000b 0a000001 00 20 0000 05dc 0e10 04 03 04 07 c000020b ccddee 0a00000b",
        "0008 0007 00000c 01020304 8000 0000",
    );
    let resolution = nhrp(1, [4, 0, 4, 4], &format!("c802 0000000b c000020b 0a00000b 0a00000c {cie}"), "");
    let offender = "0001080000000000 00ff0048e593003401030400 0404 8002 00000001 c000020b 0a00000b 0a000001";
    let error = nhrp(7, [4, 0, 4, 4], &format!("0000 0006 0008 c0000201 0a000001 0a00000b {offender}"), "");
    let quoted = "450000 1c 0001 0000 3f01 0000 0a00000b 0a00000c 0800 f7fd 0001 0001";
    let traffic = nhrp(8, [4, 0, 4, 4], &format!("0000 0000 0000 c0000201 0a000001 0a00000b {quoted}"), "");
    [purge("8000"), purge("0000"), sub_addresses, resolution, error, traffic]
        .iter()
        .map(|message| gre(0x2001, message))
        .collect()
}

fn inner_ipv6() -> Vec<u8> {
    let echo = ip6(58, &hex("80 00 0000 0001 0002 61626364"));
    gre(0x86DD, &echo)
}

fn routing() -> Vec<Vec<u8>> {
    let inside = |protocol, payload: &str| gre(0x0800, &ip(protocol, &hex(payload)));
    let hello = "0201 002c 0a00000b 00000000 0000 0000 0000000000000000 ffffff00 000a 02 01 00000028 00000000 00000000";
    let eigrp = "02 05 0000 00000000 00000000 00000000 0000 0064 0001 000c 010001000000000f";
    let keepalive = "00b3 c001 00000001 00000001 5018 ffff 0000 0000 ffffffffffffffffffffffffffffffff 0013 04";
    vec![inside(89, hello), inside(88, eigrp), inside(6, keepalive)]
}

/// A datagram in IPv6 in two pieces.
fn fragments() -> Vec<Vec<u8>> {
    let datagram = udp(9, &[0x55; 24]);
    let piece = |word: &str, octets: &[u8]| ip6(44, &[&hex(&format!("11 00 {word} 12345678"))[..], octets].concat());
    vec![piece("0001", &datagram[..16]), piece("0010", &datagram[16..])]
}

fn ike() -> Vec<Vec<u8>> {
    let message = |next: u8, version: u8, exchange: u8, payloads: &str| {
        let payloads = hex(payloads);
        let mut message = hex("0102030405060708 1112131415161718");
        message.extend([next, version, exchange, 0, 0, 0, 0, 1, 0, 0]);
        message.extend(length(28 + payloads.len()));
        ip(17, &udp(500, &[message, payloads].concat()))
    };
    // Signature, certificate, deletion of an ESP SA, the address before translation.
    let first = "06 00 0008 aabbccdd 0c 00 0009 01 01020304 15 00 0010 00000001 03 04 0001 c1000001 00 00 000c 01 000000 c000020b";
    // A request of the configuration payload for an address.
    let configuration = "00 00 000c 01 000000 0001 0000";
    // The second of three pieces.
    let fragment = "00 00 0018 0002 0003 000102030405060708090a0b0c0d0e0f";
    vec![message(9, 0x10, 2, first), message(47, 0x20, 35, configuration), message(53, 0x20, 35, fragment)]
}
