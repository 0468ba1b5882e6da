//! The outer IP header: what a node's shell would do with raw sockets, done by the harness for its own stations.

use std::net::IpAddr;

use dmvpn_core::io::{Transmit, Underlay};
use dmvpn_wire::code::IpProtocol;
use dmvpn_wire::{ipv4, ipv6};

/// Addresses of an IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Source.
    pub src: IpAddr,
    /// Destination.
    pub dst: IpAddr,
}

/// Puts the outer IP header in front of what a node wants sent. `id` is the IPv4 identification.
///
/// `None` if source and destination are of different families or the packet would be larger than IP can say.
pub fn encapsulate(transmit: &Transmit, id: u16) -> Option<Vec<u8>> {
    let payload = &transmit.payload;
    let mut packet;
    match (transmit.src, transmit.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let header = ipv4::Repr {
                tos: transmit.tos,
                ttl: transmit.ttl,
                id,
                dont_fragment: transmit.df,
                ..ipv4::Repr::new(src, dst, IpProtocol(transmit.protocol))
            };
            packet = vec![0; header.emitted_len() + payload.len()];
            header.emit(payload.len(), &mut packet).ok()?;
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let header = ipv6::Repr {
                traffic_class: transmit.tos,
                hop_limit: transmit.ttl,
                ..ipv6::Repr::new(src, dst, IpProtocol(transmit.protocol))
            };
            packet = vec![0; header.emitted_len() + payload.len()];
            header.emit(payload.len(), &mut packet).ok()?;
        }
        _ => return None,
    }
    let start = packet.len() - payload.len();
    packet.get_mut(start..)?.copy_from_slice(payload);
    Some(packet)
}

/// Takes the outer IP header off, as a kernel would before it hands the rest to a raw socket: a broken header or a
/// fragment is nothing that a node gets to see.
pub fn decapsulate(packet: &[u8]) -> Option<(Underlay, &[u8])> {
    match packet.first()? >> 4 {
        4 => {
            let (header, payload) = ipv4::Repr::parse(packet).ok()?;
            if header.is_fragment() {
                return None;
            }
            let (src, dst) = (header.src.into(), header.dst.into());
            Some((Underlay { src, dst, protocol: header.protocol.0, ttl: header.ttl }, payload))
        }
        6 => {
            let (header, payload) = ipv6::Repr::parse(packet).ok()?;
            let (src, dst) = (header.src.into(), header.dst.into());
            Some((Underlay { src, dst, protocol: header.next_header.0, ttl: header.hop_limit }, payload))
        }
        _ => None,
    }
}

/// Octets of the header of an IP packet.
pub fn header_len(packet: &[u8]) -> Option<usize> {
    match packet.first()? >> 4 {
        4 => ipv4::Packet::new(packet).header_len(),
        6 => Some(40),
        _ => None,
    }
}

/// Source and destination of an IP packet, however broken the rest of it is.
pub fn addresses(packet: &[u8]) -> Option<Addresses> {
    match packet.first()? >> 4 {
        4 => {
            let view = ipv4::Packet::new(packet);
            Some(Addresses { src: view.src()?.into(), dst: view.dst()?.into() })
        }
        6 => {
            let view = ipv6::Packet::new(packet);
            Some(Addresses { src: view.src()?.into(), dst: view.dst()?.into() })
        }
        _ => None,
    }
}
