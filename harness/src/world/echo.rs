//! IP packets inside tunnels: what hosts behind stations say, and the echoes that they answer (RFC 792, RFC 4443).

use std::net::IpAddr;

use dmvpn_core::io::Transmit;
use dmvpn_wire::code::IpProtocol;
use dmvpn_wire::{checksum, ipv4, ipv6};

use super::outer;

/// TTL of what hosts send.
pub const TTL: u8 = 64;
/// Octets of data in an echo request that says nothing about it: what `ping` sends.
pub const DATA: usize = 56;

/// An IP packet from its parts; `None` if its addresses are of two families or it would be larger than IP can say.
pub fn packet(src: IpAddr, dst: IpAddr, protocol: u8, ttl: u8, tos: u8, payload: Vec<u8>) -> Option<Vec<u8>> {
    outer::encapsulate(&Transmit { src, dst, protocol, tos, ttl, df: false, payload }, 1)
}

/// The protocol number of ICMP for addresses of that family.
pub fn icmp_of(address: IpAddr) -> u8 {
    if address.is_ipv4() { IpProtocol::ICMP.0 } else { IpProtocol::ICMPV6.0 }
}

/// The ICMP message of an echo request, with its checksum.
pub fn request(src: IpAddr, dst: IpAddr, id: u16, seq: u16, data: usize) -> Vec<u8> {
    let kind = if src.is_ipv4() { 8 } else { 128 };
    let mut message = vec![kind, 0, 0, 0];
    message.extend(id.to_be_bytes());
    message.extend(seq.to_be_bytes());
    message.extend((0..data).map(|at| at.to_le_bytes()[0]));
    fill_checksum(&mut message, src, dst);
    message
}

/// Puts the checksum into an ICMP message. ICMPv6 sums over the addresses as well.
pub fn fill_checksum(message: &mut [u8], src: IpAddr, dst: IpAddr) {
    let mut sum = checksum::Sum::new();
    if let (IpAddr::V6(src), IpAddr::V6(dst)) = (src, dst) {
        sum.add(&src.octets());
        sum.add(&dst.octets());
        sum.add(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
        sum.add(&u32::from(IpProtocol::ICMPV6.0).to_be_bytes());
    }
    let Some(field) = message.get_mut(2..4) else { return };
    field.fill(0);
    sum.add(message);
    let sum = sum.finish().to_be_bytes();
    if let Some(field) = message.get_mut(2..4) {
        field.copy_from_slice(&sum);
    }
}

/// An IP packet as a host takes it: whole and no fragment.
struct Taken<'a> {
    src: IpAddr,
    dst: IpAddr,
    protocol: u8,
    payload: &'a [u8],
}

fn take(octets: &[u8]) -> Option<Taken<'_>> {
    match octets.first()? >> 4 {
        4 => {
            let (header, payload) = ipv4::Repr::parse(octets).ok().filter(|(header, _)| !header.is_fragment())?;
            Some(Taken { src: header.src.into(), dst: header.dst.into(), protocol: header.protocol.0, payload })
        }
        6 => {
            let (header, payload) = ipv6::Repr::parse(octets).ok()?;
            Some(Taken { src: header.src.into(), dst: header.dst.into(), protocol: header.next_header.0, payload })
        }
        _ => None,
    }
}

/// What a host answers to a packet: an echo reply with the request's id, number and data, to where it came from.
/// `None` for anything that is no echo request.
pub fn answer(octets: &[u8]) -> Option<Vec<u8>> {
    let Taken { src, dst, protocol, payload } = take(octets)?;
    let (asked, answered) = if src.is_ipv4() { (8, 0) } else { (128, 129) };
    if protocol != icmp_of(src) || payload.first() != Some(&asked) || payload.len() < 8 {
        return None;
    }
    let mut message = payload.to_vec();
    message[0] = answered;
    fill_checksum(&mut message, dst, src);
    packet(dst, src, protocol, TTL, 0, message)
}

/// Who answers, to whom, and the id and number of the request, if a packet is an echo reply.
pub fn answered(octets: &[u8]) -> Option<(IpAddr, IpAddr, u16, u16)> {
    let Taken { src, dst, protocol, payload } = take(octets)?;
    let kind = if src.is_ipv4() { 0 } else { 129 };
    let (head, _) = payload.split_first_chunk::<8>()?;
    let echo = protocol == icmp_of(src) && head[0] == kind;
    echo.then(|| (src, dst, u16::from_be_bytes([head[4], head[5]]), u16::from_be_bytes([head[6], head[7]])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echoes_are_asked_for_and_answered() {
        for (a, b) in [("172.20.1.5", "10.0.0.2"), ("fd00::5", "fd00::2")] {
            let (a, b): (IpAddr, IpAddr) = (a.parse().unwrap(), b.parse().unwrap());
            let asked = packet(a, b, icmp_of(a), TTL, 0, request(a, b, 7, 3, DATA)).unwrap();
            assert_eq!(answered(&asked), None);
            let back = answer(&asked).unwrap();
            assert_eq!(answered(&back), Some((b, a, 7, 3)));
            assert_eq!(back.len(), asked.len());
            assert_eq!(answer(&back), None);
            for cut in 0..asked.len() {
                assert_eq!(answer(&asked[..cut]), None);
            }
            assert_eq!(packet(a, "::1".parse().unwrap(), 1, 1, 0, vec![]).is_some(), a.is_ipv6());
        }
    }
}
