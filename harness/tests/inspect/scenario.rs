//! A capture in which everything happens that a summary has a line for, made packet by packet.

use std::path::Path;

use dmvpn_wire::checksum;

pub(crate) const HUB: [u8; 4] = [192, 0, 2, 1];
pub(crate) const ONE: [u8; 4] = [192, 0, 2, 11];
pub(crate) const TWO: [u8; 4] = [198, 51, 100, 7];
/// What the second spoke believes to be its address.
const TWO_INSIDE: [u8; 4] = [10, 99, 0, 2];
const T_HUB: [u8; 4] = [10, 0, 0, 1];
const T_ONE: [u8; 4] = [10, 0, 0, 11];
const T_TWO: [u8; 4] = [10, 0, 0, 12];

/// Code, holding time, NBMA and protocol address of a client information entry.
pub(crate) type Entry = (u8, u16, Option<[u8; 4]>, Option<[u8; 4]>);

/// An NHRP message behind GRE with key 42, with at most one entry.
pub(crate) struct Nhrp<'a> {
    pub(crate) kind: u8,
    pub(crate) id: u32,
    pub(crate) nbma: [u8; 4],
    pub(crate) src: [u8; 4],
    pub(crate) dst: [u8; 4],
    pub(crate) entry: Option<Entry>,
    /// The packet that an indication quotes, with the code.
    pub(crate) quoted: Option<(u16, &'a [u8])>,
}

impl Nhrp<'_> {
    pub(crate) fn octets(&self) -> Vec<u8> {
        let mut message = [&[0, 1, 8, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 1, self.kind, 4, 0, 4, 4][..]].concat();
        match self.quoted {
            Some((code, _)) => message.extend([&[0, 0][..], &code.to_be_bytes(), &[0, 0]].concat()),
            None => message.extend([&[0, 0][..], &self.id.to_be_bytes()].concat()),
        }
        for address in [self.nbma, self.src, self.dst] {
            message.extend(address);
        }
        if let Some((code, holding_time, nbma, protocol)) = self.entry {
            let len = |address: Option<[u8; 4]>| if address.is_some() { 4 } else { 0 };
            message.extend([code, 32, 0, 0, 0x05, 0xC4]);
            message.extend(holding_time.to_be_bytes());
            message.extend([len(nbma), 0, len(protocol), 0]);
            message.extend(nbma.into_iter().chain(protocol).flatten());
        }
        if let Some((_, quoted)) = self.quoted {
            message.extend(quoted);
        }
        let length = u16::try_from(message.len()).unwrap().to_be_bytes();
        message[10..12].copy_from_slice(&length);
        let sum = checksum::of(&message).to_be_bytes();
        message[12..14].copy_from_slice(&sum);
        message
    }
}

pub(crate) fn gre(from: [u8; 4], to: [u8; 4], protocol: [u8; 2], payload: &[u8]) -> Vec<u8> {
    ip(47, from, to, &[&[0x20, 0][..], &protocol, &[0, 0, 0, 42], payload].concat())
}

pub(crate) fn ip(protocol: u8, from: [u8; 4], to: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len()).unwrap().to_be_bytes();
    let header = [&[0x45, 0][..], &length, &[0, 1, 0, 0, 64, protocol, 0, 0], &from, &to].concat();
    let mut packet = [&header, payload].concat();
    dmvpn_wire::ipv4::Packet::new(&mut packet).fill_checksum();
    packet
}

fn udp(from: [u8; 4], to: [u8; 4], port: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).unwrap();
    let header = [port, port, length, 0].map(u16::to_be_bytes).concat();
    ip(17, from, to, &[&header, payload].concat())
}

fn ike(exchange: u8, flags: u8, id: u8) -> Vec<u8> {
    let responder = if exchange == 34 && flags & 0x20 == 0 { [0; 8] } else { [2; 8] };
    [&[1; 8][..], &responder, &[0, 0x20, exchange, flags, 0, 0, 0, id, 0, 0, 0, 28]].concat()
}

/// All of it, with the time of each packet in milliseconds.
pub(crate) fn packets() -> Vec<(u64, Vec<u8>)> {
    let nhrp = |from, to, message: Nhrp<'_>| gre(from, to, [0x20, 1], &message.octets());
    let plain = |kind, id, nbma, src, dst| Nhrp { kind, id, nbma, src, dst, entry: None, quoted: None };
    let with = |kind, id, nbma, src, dst, entry| Nhrp { entry: Some(entry), ..plain(kind, id, nbma, src, dst) };
    let asks = |id| with(3, id, ONE, T_ONE, T_HUB, (0, 300, None, None));
    let acknowledged = |id| with(4, id, ONE, T_ONE, T_HUB, (0, 300, None, None));
    let resolve = plain(1, 7, ONE, T_ONE, T_TWO);
    let echo = ip(1, T_ONE, T_TWO, &[8, 0, 0, 0, 0, 7, 0, 9]);
    let esp = |seq: u8| [&[0xC1, 0, 0, 2, 0, 0, 0, seq][..], &[0xA5; 40]].concat();
    vec![
        (0, udp(ONE, HUB, 500, &ike(34, 0x08, 0))),
        (20, udp(HUB, ONE, 500, &ike(34, 0x20, 0))),
        (40, udp(ONE, HUB, 500, &ike(35, 0x08, 1))),
        (90, udp(HUB, ONE, 500, &ike(35, 0x20, 1))),
        (200, nhrp(ONE, HUB, asks(1))),
        (1200, nhrp(ONE, HUB, asks(1))),
        (1207, nhrp(HUB, ONE, acknowledged(1))),
        // Behind a translator, and the address is somebody else's.
        (1300, nhrp(TWO, HUB, with(3, 1, TWO_INSIDE, T_ONE, T_HUB, (0, 300, None, None)))),
        (1303, nhrp(HUB, TWO, with(4, 1, TWO_INSIDE, T_ONE, T_HUB, (14, 0, None, None)))),
        (1400, nhrp(TWO, HUB, with(3, 2, TWO_INSIDE, T_TWO, T_HUB, (0, 300, None, None)))),
        (1403, nhrp(HUB, TWO, with(4, 2, TWO_INSIDE, T_TWO, T_HUB, (0, 300, None, None)))),
        (2000, gre(ONE, HUB, [8, 0], &echo)),
        (2001, nhrp(HUB, ONE, Nhrp { quoted: Some((0, &echo)), ..plain(8, 0, HUB, T_HUB, T_ONE) })),
        (2010, nhrp(ONE, HUB, plain(1, 7, ONE, T_ONE, T_TWO))),
        (2011, nhrp(HUB, TWO, plain(1, 7, ONE, T_ONE, T_TWO))),
        (2025, nhrp(TWO, ONE, with(2, 7, ONE, T_ONE, T_TWO, (0, 120, Some(TWO), Some(T_TWO))))),
        (3000, nhrp(ONE, HUB, plain(1, 8, ONE, T_ONE, [10, 0, 0, 99]))),
        (3003, nhrp(HUB, ONE, with(2, 8, ONE, T_ONE, [10, 0, 0, 99], (12, 0, None, None)))),
        (3100, nhrp(ONE, HUB, plain(1, 9, ONE, T_ONE, T_TWO))),
        (
            3101,
            nhrp(HUB, ONE, Nhrp { quoted: Some((15, &resolve.octets_with_id(9))), ..plain(7, 0, HUB, T_HUB, T_ONE) }),
        ),
        (4000, ip(50, ONE, HUB, &esp(1))),
        (4010, ip(50, ONE, HUB, &esp(2))),
        (4020, ip(50, ONE, HUB, &esp(5))),
        (4030, ip(50, ONE, HUB, &esp(4))),
        (4040, gre(ONE, HUB, [8, 0], &echo)),
        (5000, nhrp(TWO, HUB, with(5, 3, TWO_INSIDE, T_TWO, T_HUB, (0, 0, None, Some(T_TWO))))),
        (5004, nhrp(HUB, TWO, with(6, 3, TWO_INSIDE, T_TWO, T_HUB, (0, 0, None, Some(T_TWO))))),
        (
            6000,
            gre(
                HUB,
                ONE,
                [8, 0],
                &ip(
                    89,
                    T_HUB,
                    [224, 0, 0, 5],
                    &[2, 1, 0, 24, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                ),
            ),
        ),
        (100_200, nhrp(ONE, HUB, asks(2))),
        (100_204, nhrp(HUB, ONE, acknowledged(2))),
        (700_000, nhrp(ONE, HUB, asks(3))),
    ]
}

impl Nhrp<'_> {
    /// The same with another id.
    fn octets_with_id(&self, id: u32) -> Vec<u8> {
        Nhrp { id, ..*self }.octets()
    }
}

/// A pcap of raw IP with the times of its packets in milliseconds.
pub(crate) fn pcap(packets: &[(u64, Vec<u8>)]) -> Vec<u8> {
    pcap_of(101, packets)
}

/// The same, whose packets are said to start with something else.
pub(crate) fn pcap_of(link: u32, packets: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let mut file = words(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, link]);
    for (at_ms, octets) in packets {
        let (seconds, rest) = (u32::try_from(at_ms / 1000).unwrap(), u32::try_from(at_ms % 1000).unwrap());
        let length = u32::try_from(octets.len()).unwrap();
        file.extend(words(&[1_767_225_600 + seconds, rest * 1000, length, length]));
        file.extend(octets);
    }
    file
}

/// Writes all of it.
pub(crate) fn write(path: &Path) {
    std::fs::write(path, pcap(&packets())).unwrap();
}
