//! The outer IP header: taken off what raw IPv4 sockets deliver, put in front of what is sent and captured.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dmvpn_core::{Transmit, Underlay};
use dmvpn_wire::code::IpProtocol;
use dmvpn_wire::{ipv4, ipv6};

/// Why a packet from a raw socket is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotUsable {
    /// Cut off, or lengths or header checksum do not fit.
    NotWhole,
    /// A part of a packet.
    Fragment,
}

/// Takes the IPv4 header off a packet as a raw socket delivers it: header first, after reassembly.
///
/// # Errors
/// If it is not a whole packet.
pub fn strip(packet: &[u8]) -> Result<(Underlay, &[u8]), NotUsable> {
    let (header, payload) = ipv4::Repr::parse(packet).map_err(|_| NotUsable::NotWhole)?;
    if header.is_fragment() {
        return Err(NotUsable::Fragment);
    }
    let outer =
        Underlay { src: header.src.into(), dst: header.dst.into(), protocol: header.protocol.0, ttl: header.ttl };
    Ok((outer, payload))
}

/// The whole IPv4 packet for a raw socket with `IP_HDRINCL`; `None` if it would be longer than IPv4 can say.
pub fn ipv4_packet(transmit: &Transmit, src: Ipv4Addr, dst: Ipv4Addr, id: u16) -> Option<Vec<u8>> {
    let header = ipv4::Repr {
        tos: transmit.tos,
        ttl: transmit.ttl,
        id,
        dont_fragment: transmit.df,
        ..ipv4::Repr::new(src, dst, IpProtocol(transmit.protocol))
    };
    let mut packet = vec![0; header.emitted_len()];
    header.emit(transmit.payload.len(), &mut packet).ok()?;
    packet.extend_from_slice(&transmit.payload);
    Some(packet)
}

/// What is known of an IPv6 packet that went through a raw socket, which takes and gives the payload alone.
#[derive(Clone, Copy, Debug)]
pub struct Ipv6Outer {
    /// Source.
    pub src: Ipv6Addr,
    /// Destination.
    pub dst: Ipv6Addr,
    /// Next header.
    pub protocol: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// Traffic class.
    pub traffic_class: u8,
}

/// The IPv6 packet for a capture. The flow label is the kernel's and not known here: it is written as zero.
pub fn ipv6_packet(outer: Ipv6Outer, payload: &[u8]) -> Option<Vec<u8>> {
    let header = ipv6::Repr {
        hop_limit: outer.hop_limit,
        traffic_class: outer.traffic_class,
        ..ipv6::Repr::new(outer.src, outer.dst, IpProtocol(outer.protocol))
    };
    let mut packet = vec![0; header.emitted_len()];
    header.emit(payload.len(), &mut packet).ok()?;
    packet.extend_from_slice(payload);
    Some(packet)
}

/// Addresses of one family.
#[derive(Clone, Copy, Debug)]
pub enum Pair {
    /// IPv4 source and destination.
    V4(Ipv4Addr, Ipv4Addr),
    /// IPv6 source and destination.
    V6(Ipv6Addr, Ipv6Addr),
}

impl Pair {
    /// Source and destination of a packet; `None` if they are of two families, which the node's configuration excludes.
    pub fn of(transmit: &Transmit) -> Option<Self> {
        match (transmit.src, transmit.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => Some(Self::V4(src, dst)),
            (IpAddr::V6(src), IpAddr::V6(dst)) => Some(Self::V6(src, dst)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transmit(payload: usize) -> Transmit {
        Transmit {
            src: "192.0.2.1".parse().unwrap(),
            dst: "192.0.2.2".parse().unwrap(),
            protocol: 47,
            tos: 0xC0,
            ttl: 64,
            df: true,
            payload: vec![7; payload],
        }
    }

    fn packet(payload: usize) -> Option<Vec<u8>> {
        let Pair::V4(src, dst) = Pair::of(&transmit(payload)).unwrap() else { unreachable!() };
        ipv4_packet(&transmit(payload), src, dst, 5)
    }

    #[test]
    fn what_is_built_is_what_is_taken_apart() {
        let packet = packet(9).unwrap();
        let (outer, payload) = strip(&packet).unwrap();
        assert_eq!((outer.protocol, outer.ttl, payload), (47, 64, &[7; 9][..]));
        assert_eq!(packet[1], 0xC0);
        assert_eq!(packet[6] & 0x40, 0x40, "DF");
    }

    #[test]
    fn a_payload_that_does_not_fit_is_no_packet() {
        assert!(packet(65_515).is_some());
        assert!(packet(65_516).is_none());
    }

    #[test]
    fn cut_and_broken_packets_are_not_whole_and_fragments_have_their_own_name() {
        let good = packet(30).unwrap();
        for len in 0..good.len() {
            assert_eq!(strip(&good[..len]), Err(NotUsable::NotWhole), "{len} octets");
        }
        for at in 0..20 {
            let mut bad = good.clone();
            bad[at] ^= 0x11;
            assert!(strip(&bad).is_err(), "octet {at}");
        }
        for flags in [0x20, 0x01] {
            let mut fragment = good.clone();
            fragment[6] = flags;
            ipv4::Packet::new(&mut fragment[..]).fill_checksum();
            assert_eq!(strip(&fragment), Err(NotUsable::Fragment));
        }
    }
}
