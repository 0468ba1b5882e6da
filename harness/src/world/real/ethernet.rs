//! A router's side of the wire: Ethernet between the router's interface and the harness, which otherwise knows IP only.
//!
//! The wire answers for every other station of the link when the router asks who has an address (RFC 826), with one
//! hardware address of its own. So no frame ever has to be flooded, and captures hold what is judged: IP packets.

use std::net::{IpAddr, Ipv4Addr};

use etherparse::{
    ArpEthIpv4Packet, ArpOperation, ArpPacket, EtherType, Ethernet2Header, Ethernet2HeaderSlice, NetSlice, SlicedPacket,
};

/// Octets of an Ethernet header.
const HEADER_LEN: usize = 14;

/// A hardware address.
pub(super) type Mac = [u8; 6];

/// What a frame of the router means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// An IP packet for somebody on the link.
    Packet(Vec<u8>),
    /// A question that the wire answers: the frame to give back.
    Answer(Vec<u8>),
    /// Nothing that concerns anybody (other protocols, questions about addresses that nobody has).
    Nothing,
}

/// One end of the wire.
#[derive(Debug)]
pub(super) struct Port {
    router: Mac,
    wire: Mac,
    neighbours: Vec<IpAddr>,
}

impl Port {
    /// A port for the router number `index` of a lab.
    pub(super) fn new(index: u8) -> Self {
        // Locally administered addresses; the two ends differ in one bit.
        Self {
            router: [0x02, 0x4C, 0x41, 0x42, 0, index],
            wire: [0x02, 0x4C, 0x41, 0x42, 1, index],
            neighbours: Vec::new(),
        }
    }

    /// Its number in the lab.
    pub(super) fn index(&self) -> u8 {
        self.router[5]
    }

    /// The hardware address of the router.
    pub(super) fn router_mac(&self) -> Mac {
        self.router
    }

    /// Which addresses there are on the link besides the router's.
    pub(super) fn set_neighbours(&mut self, addresses: Vec<IpAddr>) {
        self.neighbours = addresses;
    }

    /// Reads a frame that the router has sent.
    pub(super) fn receive(&self, frame: &[u8]) -> Meaning {
        let Ok(header) = Ethernet2HeaderSlice::from_slice(frame) else { return Meaning::Nothing };
        match header.ether_type() {
            EtherType::IPV4 | EtherType::IPV6 => packet(frame).map_or(Meaning::Nothing, Meaning::Packet),
            EtherType::ARP => self.answer(frame).map_or(Meaning::Nothing, Meaning::Answer),
            _ => Meaning::Nothing,
        }
    }

    /// Puts an IP packet into a frame for the router.
    pub(super) fn frame(&self, packet: &[u8]) -> Vec<u8> {
        let ether_type = match packet.first().map(|first| first >> 4) {
            Some(6) => EtherType::IPV6,
            _ => EtherType::IPV4,
        };
        let mut frame = self.header(ether_type);
        frame.extend_from_slice(packet);
        frame
    }

    fn header(&self, ether_type: EtherType) -> Vec<u8> {
        Ethernet2Header { source: self.wire, destination: self.router, ether_type }.to_bytes().to_vec()
    }

    fn answer(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let Ok(SlicedPacket { net: Some(NetSlice::Arp(question)), .. }) = SlicedPacket::from_ethernet(frame) else {
            return None;
        };
        let question = ArpEthIpv4Packet::try_from(question.to_packet()).ok()?;
        let asked = Ipv4Addr::from(question.target_ipv4);
        if question.operation != ArpOperation::REQUEST || !self.neighbours.contains(&IpAddr::V4(asked)) {
            return None;
        }
        let answer = ArpEthIpv4Packet {
            operation: ArpOperation::REPLY,
            sender_mac: self.wire,
            sender_ipv4: asked.octets(),
            target_mac: question.sender_mac,
            target_ipv4: question.sender_ipv4,
        };
        let mut frame = self.header(EtherType::ARP);
        frame.extend_from_slice(&ArpPacket::from(answer).to_bytes());
        Some(frame)
    }
}

/// The IP packet in a frame, without the padding that Ethernet adds to short ones.
fn packet(frame: &[u8]) -> Option<Vec<u8>> {
    let payload = frame.get(HEADER_LEN..)?;
    let len = match payload.first()? >> 4 {
        4 => usize::from(u16::from_be_bytes([*payload.get(2)?, *payload.get(3)?])),
        6 => 40 + usize::from(u16::from_be_bytes([*payload.get(4)?, *payload.get(5)?])),
        _ => payload.len(),
    };
    // A length that is wrong is the packet's own mistake: it is shown as it came.
    Some(payload.get(..len).filter(|packet| !packet.is_empty()).unwrap_or(payload).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port() -> Port {
        let mut port = Port::new(3);
        port.set_neighbours(vec!["192.0.2.11".parse().unwrap()]);
        port
    }

    fn question(asked: [u8; 4]) -> Vec<u8> {
        let port = port();
        let header = Ethernet2Header { source: port.router, destination: [0xFF; 6], ether_type: EtherType::ARP };
        let question = ArpEthIpv4Packet {
            operation: ArpOperation::REQUEST,
            sender_mac: port.router,
            sender_ipv4: [192, 0, 2, 1],
            target_mac: [0; 6],
            target_ipv4: asked,
        };
        let mut frame = header.to_bytes().to_vec();
        frame.extend_from_slice(&ArpPacket::from(question).to_bytes());
        frame
    }

    #[test]
    fn the_wire_answers_for_stations_and_for_nobody_else() {
        let Meaning::Answer(frame) = port().receive(&question([192, 0, 2, 11])) else { panic!("no answer") };
        assert_eq!(frame[..6], port().router);
        assert_eq!(frame[20..22], [0, 2], "a reply");
        assert_eq!(frame[28..32], [192, 0, 2, 11]);
        assert_eq!(port().receive(&question([192, 0, 2, 99])), Meaning::Nothing);
    }

    #[test]
    fn padding_is_cut_off_and_nonsense_is_nothing() {
        let mut packet = vec![0x45, 0, 0, 24];
        packet.resize(24, 7);
        let mut frame = port().frame(&packet);
        frame.resize(60, 0);
        assert_eq!(port().receive(&frame), Meaning::Packet(packet));
        for len in 0..HEADER_LEN + 4 {
            let _ = port().receive(&frame[..len]);
        }
        assert_eq!(port().receive(&[0; 9]), Meaning::Nothing);
    }
}
