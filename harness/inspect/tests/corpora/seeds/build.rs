//! Packets, messages and files, octet by octet.

use std::io::Write as _;

use dmvpn_inspect::capture::LinkType;
use dmvpn_wire::checksum;

/// An IPv4 packet with a right checksum.
pub(crate) fn ipv4(protocol: u8, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).unwrap_or(u16::MAX).to_be_bytes();
    let [f0, f1] = fragment.to_be_bytes();
    let mut packet = vec![0x45, 0, length[0], length[1], 0, 7, f0, f1, 64, protocol, 0, 0];
    packet.extend([192, 0, 2, 11, 192, 0, 2, 1]);
    let sum = checksum::of(&packet).to_be_bytes();
    packet[10..12].copy_from_slice(&sum);
    packet.extend(payload);
    packet
}

pub(crate) fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut packet = vec![0x60, 0, 0, 0, length[0], length[1], next, 64];
    for last in [11, 1] {
        packet.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    packet.extend(payload);
    packet
}

/// What `payload` is in GRE with key 42.
pub(crate) fn gre(protocol: u16, payload: &[u8]) -> Vec<u8> {
    let [p0, p1] = protocol.to_be_bytes();
    [&[0x20, 0, p0, p1, 0, 0, 0, 42], payload].concat()
}

pub(crate) fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).unwrap_or(u16::MAX);
    [&[port, port, length, 0].map(u16::to_be_bytes).concat()[..], payload].concat()
}

/// ESP with NULL encryption and an SPI for which the targets have that key.
pub(crate) fn esp(next: u8, payload: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 1, 0, 0, 0, 9], payload, &[1, 2, 2, next]].concat()
}

/// An NHRP message of that type: fixed part, addresses, then whatever, with sizes and checksum that are right.
pub(crate) fn nhrp(kind: u8, rest: &[u8], extensions: Option<&[u8]>) -> Vec<u8> {
    let mut message = vec![0, 1, 8, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 1, kind, 4, 0];
    message.extend([4, 4, 0x80, 2, 0, 0, 0, 7, 192, 0, 2, 11, 10, 0, 0, 11, 10, 0, 0, 1]);
    message.extend(rest);
    let offset = u16::try_from(message.len()).unwrap_or(u16::MAX);
    if let Some(extensions) = extensions {
        message.extend(extensions);
        message[14..16].copy_from_slice(&offset.to_be_bytes());
    }
    let size = u16::try_from(message.len()).unwrap_or(u16::MAX);
    let mut view = dmvpn_wire::nhrp::Packet::new(&mut message);
    view.set_packet_size(size);
    view.fill_checksum();
    message
}

pub(crate) const ENTRY: [u8; 20] = [0, 32, 0, 0, 5, 0x78, 1, 0x2c, 4, 0, 4, 0, 192, 0, 2, 12, 10, 0, 0, 12];
pub(crate) const END: [u8; 4] = [0x80, 0, 0, 0];
pub(crate) const NHRP: u16 = 0x2001;
pub(crate) const IPV4: u16 = 0x0800;

/// A payload of ISAKMP: type of the next one, octets of the body.
pub(crate) fn payload(next: u8, body: &[u8]) -> Vec<u8> {
    let [l0, l1] = u16::try_from(4 + body.len()).unwrap().to_be_bytes();
    [&[next, 0, l0, l1], body].concat()
}

/// An ISAKMP message of that version and exchange between the SPIs that the targets have keys for.
pub(crate) fn ike(version: u8, exchange: u8, flags: u8, first: u8, payloads: &[u8]) -> Vec<u8> {
    let length = u32::try_from(28 + payloads.len()).unwrap().to_be_bytes();
    [&[1; 8][..], &[2; 8], &[first, version, exchange, flags, 0, 0, 0, 1], &length, payloads].concat()
}

/// A block of pcapng.
pub(crate) fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let body = [body, &[0; 3][..body.len().next_multiple_of(4) - body.len()]].concat();
    let length = u32::try_from(12 + body.len()).unwrap().to_le_bytes();
    [&kind.to_le_bytes()[..], &length, &body, &length].concat()
}

/// The section header of a pcapng file.
pub(crate) fn section() -> Vec<u8> {
    block(0x0A0D_0D0A, &[&[0x4D, 0x3C, 0x2B, 0x1A, 1, 0, 0, 0][..], &[0xFF; 8]].concat())
}

/// The description of an interface in a pcapng file.
pub(crate) fn interface(link: LinkType) -> Vec<u8> {
    let [l0, l1] = link.0.to_le_bytes();
    block(1, &[l0, l1, 0, 0, 0, 0, 0, 0])
}

/// A pcapng file with a packet each second.
pub(crate) fn pcapng(link: LinkType, packets: &[&[u8]]) -> Vec<u8> {
    let mut octets = [section(), interface(link)].concat();
    for (second, packet) in (1u64..).zip(packets) {
        let (time, length) = (second * 1_000_000, u32::try_from(packet.len()).unwrap());
        let words = [0, (time >> 32) as u32, time as u32, length, length].map(u32::to_le_bytes).concat();
        octets.extend(block(6, &[&words, *packet].concat()));
    }
    octets
}

/// A pcap file with a packet each second.
pub(crate) fn pcap(link: LinkType, packets: &[&[u8]]) -> Vec<u8> {
    let mut octets = [0xa1b2_c3d4_u32, 0x0002_0004, 0, 0, 65_535, link.0.into()].map(u32::to_be_bytes).concat();
    for (second, packet) in (1u32..).zip(packets) {
        let length = u32::try_from(packet.len()).unwrap();
        octets.extend([second, 0, length, length].map(u32::to_be_bytes).concat());
        octets.extend(*packet);
    }
    octets
}

pub(crate) fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(octets).unwrap();
    packed.finish().unwrap()
}
