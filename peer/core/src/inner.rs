//! Inner packets: what the forwarding decision reads in them, the hop that is counted, and the ICMP that says it was the
//! last one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use dmvpn_wire::code::{EtherType, IpProtocol};
use dmvpn_wire::{checksum, ipv4, ipv6};

use crate::config::is_station;

/// The fields of an inner IP header that matter for its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inner {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    /// TOS or traffic class: the outer header of a data packet repeats it.
    pub(crate) tos: u8,
    /// TTL or hop limit.
    pub(crate) ttl: u8,
}

impl Inner {
    /// Reads the header; `None` if it is not complete or the version is neither 4 nor 6.
    pub(crate) fn read(packet: &[u8]) -> Option<Self> {
        match ipv4::Packet::new(packet).version()? {
            4 => {
                let view = ipv4::Packet::new(packet);
                let (src, dst) = (view.src()?.into(), view.dst()?.into());
                Some(Self { src, dst, tos: view.tos()?, ttl: view.ttl()? })
            }
            6 => {
                let view = ipv6::Packet::new(packet);
                let (src, dst) = (view.src()?.into(), view.dst()?.into());
                Some(Self { src, dst, tos: view.traffic_class()?, ttl: view.hop_limit()? })
            }
            _ => None,
        }
    }

    pub(crate) fn ether_type(&self) -> EtherType {
        if self.dst.is_ipv4() { EtherType::IPV4 } else { EtherType::IPV6 }
    }

    /// Whether a router may pass it on: the sender is a station, and the destination is not on this link only.
    pub(crate) fn routable(&self) -> bool {
        let here_only = |ip: IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        is_station(self.src) && is_station(self.dst) && !here_only(self.src) && !here_only(self.dst)
    }
}

/// Whether an IPv4 header is right in itself (RFC 1812 §5.2.2); IPv6 has nothing to check.
pub(crate) fn is_sound(packet: &[u8]) -> bool {
    let view = ipv4::Packet::new(packet);
    match view.version() {
        Some(4) => {
            view.verify_checksum() == Some(true)
                && view.header_len().is_some_and(|len| len >= ipv4::HEADER_LEN)
                && view
                    .total_len()
                    .zip(view.header_len())
                    .is_some_and(|(total, header)| (header..=packet.len()).contains(&usize::from(total)))
        }
        _ => true,
    }
}

/// Counts a hop; the header must have been read, and its TTL must be above 1.
pub(crate) fn decrement(packet: &mut [u8], inner: &Inner) {
    let ttl = inner.ttl.saturating_sub(1);
    match inner.dst {
        IpAddr::V4(_) => {
            let mut view = ipv4::Packet::new(&mut *packet);
            let (old, protocol) = (inner.ttl, view.protocol().map_or(0, |protocol| protocol.0));
            let checksum = view.checksum().unwrap_or(0);
            view.set_ttl(ttl);
            let word = |ttl| u16::from_be_bytes([ttl, protocol]);
            let checksum = checksum::update(checksum, word(old), word(ttl));
            if let Some(field) = packet.get_mut(10..12) {
                field.copy_from_slice(&checksum.to_be_bytes());
            }
        }
        IpAddr::V6(_) => ipv6::Packet::new(packet).set_hop_limit(ttl),
    }
}

const ICMP_V4: IpProtocol = IpProtocol(1);
const ICMP_V6: IpProtocol = IpProtocol(58);
/// Longest ICMP error with its IP header: RFC 1812 §4.3.2.3, and the least MTU of IPv6 (RFC 4443 §2.4 c).
const LARGEST_V4: usize = 576;
const LARGEST_V6: usize = 1280;
/// TTL of our ICMP errors.
const TTL: u8 = 64;

/// The ICMP (ICMPv6) Time Exceeded about a packet whose hops are used up, from our address `from`; behind `headroom` free
/// octets. `None` where there must not be one: about an ICMP error, a later fragment, or a sender or destination that is
/// no station (RFC 1812 §4.3.2.7, RFC 4443 §2.4 e).
pub(crate) fn time_exceeded(packet: &[u8], inner: &Inner, from: IpAddr, headroom: usize) -> Option<Vec<u8>> {
    if !is_station(inner.src) || !is_station(inner.dst) || is_icmp_error(packet, inner)? {
        return None;
    }
    match (from, inner.src) {
        (IpAddr::V4(from), IpAddr::V4(to)) => time_exceeded_v4(packet, from, to, headroom),
        (IpAddr::V6(from), IpAddr::V6(to)) => time_exceeded_v6(packet, from, to, headroom),
        _ => None,
    }
}

/// `None` if it is a fragment in which that can not be seen, or cut off before it.
fn is_icmp_error(packet: &[u8], inner: &Inner) -> Option<bool> {
    if inner.dst.is_ipv4() {
        let view = ipv4::Packet::new(packet);
        if view.fragment_offset()? != 0 {
            return None;
        }
        // Destination unreachable, source quench, redirect, time exceeded, parameter problem.
        Some(view.protocol()? == ICMP_V4 && matches!(view.payload()?.first()?, 3 | 4 | 5 | 11 | 12))
    } else {
        let view = ipv6::Packet::new(packet);
        let (mut next, mut rest) = (view.next_header()?.0, view.payload()?);
        // Extension headers: hop-by-hop, routing, destination options and fragment. More than a few are no packet of
        // an honest sender.
        for _ in 0..8 {
            match next {
                0 | 43 | 60 => {
                    let len = 8 * (usize::from(*rest.get(1)?) + 1);
                    (next, rest) = (*rest.first()?, rest.get(len..)?);
                }
                44 => {
                    let [following, _, hi, lo, ..] = *rest else { return None };
                    if u16::from_be_bytes([hi, lo]) & 0xfff8 != 0 {
                        return None;
                    }
                    (next, rest) = (following, rest.get(8..)?);
                }
                _ => return Some(next == ICMP_V6.0 && *rest.first()? < 128),
            }
        }
        None
    }
}

fn time_exceeded_v4(packet: &[u8], from: Ipv4Addr, to: Ipv4Addr, headroom: usize) -> Option<Vec<u8>> {
    let end = usize::from(ipv4::Packet::new(packet).total_len()?).min(packet.len());
    let quote = packet.get(..end.min(LARGEST_V4 - ipv4::HEADER_LEN - 8))?;
    let mut out = vec![0; headroom];
    // RFC 1812 §4.3.2.5: internetwork control.
    let repr = ipv4::Repr { tos: 0xC0, ttl: TTL, ..ipv4::Repr::new(from, to, ICMP_V4) };
    out.resize(headroom + ipv4::HEADER_LEN, 0);
    repr.emit(8 + quote.len(), out.get_mut(headroom..)?).ok()?;
    let icmp = out.len();
    out.extend([11, 0, 0, 0, 0, 0, 0, 0]);
    out.extend_from_slice(quote);
    let checksum = checksum::of(out.get(icmp..)?);
    out.get_mut(icmp + 2..icmp + 4)?.copy_from_slice(&checksum.to_be_bytes());
    Some(out)
}

fn time_exceeded_v6(packet: &[u8], from: Ipv6Addr, to: Ipv6Addr, headroom: usize) -> Option<Vec<u8>> {
    let end = (ipv6::HEADER_LEN + usize::from(ipv6::Packet::new(packet).payload_len()?)).min(packet.len());
    let quote = packet.get(..end.min(LARGEST_V6 - ipv6::HEADER_LEN - 8))?;
    let mut out = vec![0; headroom + ipv6::HEADER_LEN];
    let repr = ipv6::Repr { hop_limit: TTL, ..ipv6::Repr::new(from, to, ICMP_V6) };
    repr.emit(8 + quote.len(), out.get_mut(headroom..)?).ok()?;
    let icmp = out.len();
    out.extend([3, 0, 0, 0, 0, 0, 0, 0]);
    out.extend_from_slice(quote);
    // RFC 4443 §2.3: with the pseudo-header of RFC 8200 §8.1.
    let mut sum = checksum::Sum::new();
    sum.add(&from.octets());
    sum.add(&to.octets());
    sum.add(&u32::try_from(out.len() - icmp).ok()?.to_be_bytes());
    sum.add(&[0, 0, 0, ICMP_V6.0]);
    sum.add(out.get(icmp..)?);
    out.get_mut(icmp + 2..icmp + 4)?.copy_from_slice(&sum.finish().to_be_bytes());
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(protocol: u8, payload: &[u8]) -> Vec<u8> {
        let repr = ipv4::Repr::new(Ipv4Addr::new(10, 0, 0, 11), Ipv4Addr::new(10, 0, 0, 12), IpProtocol(protocol));
        let mut packet = vec![0; 20];
        repr.emit(payload.len(), &mut packet).unwrap();
        packet.extend(payload);
        packet
    }

    fn v6(next_header: u8, payload: &[u8]) -> Vec<u8> {
        let ip = |text: &str| text.parse().unwrap();
        let repr = ipv6::Repr::new(ip("fd00::11"), ip("fd00::12"), IpProtocol(next_header));
        let mut packet = vec![0; 40];
        repr.emit(payload.len(), &mut packet).unwrap();
        packet.extend(payload);
        packet
    }

    fn about(packet: &[u8], from: &str) -> Option<Vec<u8>> {
        time_exceeded(packet, &Inner::read(packet)?, from.parse().unwrap(), 4)
    }

    #[test]
    fn a_hop_keeps_the_checksum_right() {
        for ttl in 2..=255 {
            let mut packet = v4(17, &[1, 2, 3]);
            ipv4::Packet::new(&mut packet[..]).set_ttl(ttl);
            ipv4::Packet::new(&mut packet[..]).fill_checksum();
            let inner = Inner::read(&packet).unwrap();
            decrement(&mut packet, &inner);
            assert!(is_sound(&packet) && Inner::read(&packet).unwrap().ttl == ttl - 1);
        }
        let mut packet = v6(17, &[]);
        let inner = Inner::read(&packet).unwrap();
        decrement(&mut packet, &inner);
        assert_eq!(packet[7], 254);
    }

    #[test]
    fn time_exceeded_quotes_the_packet_and_goes_to_its_sender() {
        let packet = v4(17, &[7; 2000]);
        let icmp = about(&packet, "10.0.0.1").unwrap();
        let (repr, payload) = ipv4::Repr::parse(&icmp[4..]).unwrap();
        assert_eq!((repr.src, repr.dst), (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 11)));
        assert_eq!((repr.tos, icmp.len() - 4, payload[0]), (0xC0, 576, 11));
        assert!(checksum::verify(payload) && payload[8..] == packet[..548]);

        let packet = v6(17, &[7; 2000]);
        let icmp = about(&packet, "fd00::1").unwrap();
        let (repr, payload) = ipv6::Repr::parse(&icmp[4..]).unwrap();
        assert_eq!((repr.dst, icmp.len() - 4, payload[0]), ("fd00::11".parse().unwrap(), 1280, 3));
        let mut sum = checksum::Sum::new();
        for part in [&repr.src.octets()[..], &repr.dst.octets(), &[0, 0, 4, 216, 0, 0, 0, 58], payload] {
            sum.add(part);
        }
        assert_eq!((sum.finish(), &payload[8..]), (0, &packet[..1232]));
    }

    #[test]
    fn errors_and_later_fragments_get_no_error() {
        for (kind, answered) in [(0, true), (3, false), (5, false), (8, true), (11, false), (12, false)] {
            assert_eq!(about(&v4(1, &[kind, 0]), "10.0.0.1").is_some(), answered, "{kind}");
        }
        for (kind, answered) in [(1, false), (3, false), (127, false), (128, true), (129, true)] {
            assert_eq!(about(&v6(58, &[kind, 0]), "fd00::1").is_some(), answered, "{kind}");
            // Behind a hop-by-hop header and in a first fragment as well.
            let hop = v6(0, &[44, 0, 0, 0, 0, 0, 0, 0, 58, 0, 0, 1, 0, 0, 0, 9, kind, 0]);
            assert_eq!(about(&hop, "fd00::1").is_some(), answered, "{kind}");
        }
        let mut later = v4(17, &[1; 16]);
        later[7] = 1;
        assert_eq!(about(&later, "10.0.0.1"), None);
        assert_eq!(about(&v6(44, &[17, 0, 0, 8, 0, 0, 0, 9, 1, 2]), "fd00::1"), None);
        let endless = [0, 0, 0, 0, 0, 0, 0, 0].repeat(100);
        assert_eq!(about(&v6(0, &endless), "fd00::1"), None);
        assert_eq!(about(&v4(17, &[1]), "fd00::1"), None);
        let mut from_all = v4(17, &[1]);
        from_all[12..16].copy_from_slice(&[224, 0, 0, 1]);
        assert_eq!(about(&from_all, "10.0.0.1"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_octets_do_harm(mut packet in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..120), six: bool) {
            if let Some(first) = packet.first_mut() {
                *first = if six { 0x60 } else { 0x45 };
            }
            if let Some(inner) = Inner::read(&packet) {
                let _ = (is_sound(&packet), inner.routable());
                for from in ["10.0.0.1", "fd00::1"] {
                    let _ = time_exceeded(&packet, &inner, from.parse().unwrap(), 4);
                }
                decrement(&mut packet, &inner);
            }
        }
    }
}
