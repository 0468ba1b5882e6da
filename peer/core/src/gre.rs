//! GRE tunnels: which tunnel a packet belongs to, and the header of the packets that we send
//! (RFC 2784, RFC 2890 §2.1; NHRP under protocol type 0x2001 as in every DMVPN).
//!
//! Our packets carry neither checksum nor sequence number. Both are accepted: a checksum must be right, and of a sequence
//! number no notice is taken (GRE-2890-2.2-02 is a SHOULD of those who want order, and a receiver that keeps a number per
//! sender holds state for whoever knows the key). So nothing is buffered either (GRE-2890-2.2-03).

use std::collections::BTreeMap;
use std::net::IpAddr;

use dmvpn_wire::code::{EtherType, IpProtocol};
use dmvpn_wire::{ErrorKind, gre};

use crate::buf::PacketBuf;
use crate::config::{GreMode, Tunnel};
use crate::ids::TunnelId;
use crate::io::Transmit;
use crate::stats::DropReason;

/// A GRE header taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decapsulated {
    /// Tunnel that the packet belongs to.
    pub tunnel: TunnelId,
    /// What the payload is.
    pub protocol: EtherType,
    /// Octets of the header.
    pub header_len: usize,
}

/// What an incoming packet is told apart by: outer destination and key.
type Address = (IpAddr, Option<u32>);

/// The GRE side of all tunnels.
#[derive(Clone, Debug, Default)]
pub struct Gre {
    by_address: BTreeMap<Address, Vec<(TunnelId, GreMode)>>,
}

impl Gre {
    /// Knows the tunnels at the addresses they have now.
    pub fn new(tunnels: &[Tunnel]) -> Self {
        let mut gre = Self::default();
        for (id, tunnel) in (0..).map(TunnelId).zip(tunnels) {
            gre.by_address.entry((tunnel.nbma, tunnel.key)).or_default().push((id, tunnel.mode));
        }
        gre
    }

    /// Octets of the GRE header that a tunnel puts in front of its packets.
    pub fn header_len(tunnel: &Tunnel) -> usize {
        gre::Repr::new(EtherType::IPV4, tunnel.key).emitted_len()
    }

    /// Finds the tunnel of a packet from `src` to our address `dst`; `packet` starts with the GRE header.
    ///
    /// # Errors
    /// Why the packet belongs to no tunnel.
    pub fn decapsulate(&self, src: IpAddr, dst: IpAddr, packet: &[u8]) -> Result<Decapsulated, DropReason> {
        // GRE-2784-2.3-01, GRE-2784-2.3.1-01, GRE-2784-2.5-01: discard bits, version and checksum are judged in there.
        let (repr, payload) = gre::Repr::parse(packet).map_err(|error| match error.kind {
            ErrorKind::BadChecksum => DropReason::GreChecksum,
            _ => DropReason::GreMalformed,
        })?;
        // GRE-2890-2.1-01, GRE-2890-2.1-02: another key, or none, is another tunnel; key 0 is a key.
        let Some(candidates) = self.by_address.get(&(dst, repr.key)) else {
            let ours = self.by_address.range((dst, None)..=(dst, Some(u32::MAX))).next().is_some();
            return Err(if ours { DropReason::KeyMismatch } else { DropReason::UnknownTunnel });
        };
        // A point-to-point tunnel is the more specific one, as in Linux.
        let own = GreMode::PointToPoint { remote: src };
        let found = candidates.iter().find(|(_, mode)| *mode == own);
        let found = found.or_else(|| candidates.iter().find(|(_, mode)| *mode == GreMode::Multipoint));
        let (tunnel, _) = *found.ok_or(DropReason::RemoteMismatch)?;
        Ok(Decapsulated { tunnel, protocol: repr.protocol, header_len: packet.len() - payload.len() })
    }

    /// Puts the header of `tunnel` in front of `payload` and addresses it to `to`.
    pub fn encapsulate(tunnel: &Tunnel, to: IpAddr, protocol: EtherType, tos: u8, mut payload: PacketBuf) -> Transmit {
        let repr = gre::Repr::new(protocol, tunnel.key);
        let mut header = [0; 16];
        let len = repr.emit(0, &mut header).expect("16 octets hold any header, and there is no checksum to compute");
        payload.push_front(&header[..len]);
        Transmit {
            src: tunnel.nbma,
            dst: to,
            // GRE-2784-4-01.
            protocol: IpProtocol::GRE.0,
            tos,
            ttl: tunnel.ttl,
            df: false,
            payload: payload.into_vec(),
        }
    }

    /// Checks what must always hold: every tunnel is found under its own addresses.
    ///
    /// # Errors
    /// The broken rule, in words.
    pub fn invariants(&self, tunnels: &[Tunnel]) -> Result<(), String> {
        for (id, tunnel) in tunnels.iter().enumerate() {
            let here = self.by_address.get(&(tunnel.nbma, tunnel.key));
            if !here.is_some_and(|here| here.iter().any(|(t, _)| usize::from(t.0) == id)) {
                return Err(format!("tunnel {id} is not found under {} and key {:?}", tunnel.nbma, tunnel.key));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn tunnel(mode: GreMode, key: Option<u32>) -> Tunnel {
        Tunnel { mode, key, ..Tunnel::new(format!("{mode:?}{key:?}"), ip("192.0.2.1"), ip("10.0.0.1"), 24) }
    }

    fn find(gre: &Gre, src: &str, dst: &str, packet: &[u8]) -> Result<u16, DropReason> {
        gre.decapsulate(ip(src), ip(dst), packet).map(|d| d.tunnel.0)
    }

    const PLAIN: [u8; 4] = [0, 0, 0x20, 1];
    const KEYED: [u8; 8] = [0x20, 0, 0x20, 1, 0, 0, 3, 0xe8];
    const KEY_0: [u8; 8] = [0x20, 0, 0x20, 1, 0, 0, 0, 0];

    #[test]
    fn key_and_address_choose_the_tunnel() {
        let gre = Gre::new(&[tunnel(GreMode::Multipoint, None), tunnel(GreMode::Multipoint, Some(1000))]);
        assert_eq!(find(&gre, "192.0.2.9", "192.0.2.1", &PLAIN), Ok(0));
        assert_eq!(find(&gre, "192.0.2.9", "192.0.2.1", &KEYED), Ok(1));
        assert_eq!(find(&gre, "192.0.2.9", "192.0.2.1", &KEY_0), Err(DropReason::KeyMismatch));
        assert_eq!(find(&gre, "192.0.2.9", "192.0.2.2", &PLAIN), Err(DropReason::UnknownTunnel));
    }

    #[test]
    fn point_to_point_takes_its_remote_and_leaves_the_rest() {
        let p2p = tunnel(GreMode::PointToPoint { remote: ip("192.0.2.9") }, None);
        let alone = Gre::new(std::slice::from_ref(&p2p));
        assert_eq!(find(&alone, "192.0.2.9", "192.0.2.1", &PLAIN), Ok(0));
        assert_eq!(find(&alone, "192.0.2.8", "192.0.2.1", &PLAIN), Err(DropReason::RemoteMismatch));
        let both = Gre::new(&[tunnel(GreMode::Multipoint, None), p2p]);
        assert_eq!(find(&both, "192.0.2.9", "192.0.2.1", &PLAIN), Ok(1));
        assert_eq!(find(&both, "192.0.2.8", "192.0.2.1", &PLAIN), Ok(0));
    }

    #[test]
    fn broken_headers_are_named() {
        let gre = Gre::new(&[tunnel(GreMode::Multipoint, None)]);
        for packet in [&[][..], &[0, 0, 8], &[0, 1, 8, 0], &[0x40, 0, 8, 0], &[0x20, 0, 8, 0, 1]] {
            assert_eq!(find(&gre, "192.0.2.9", "192.0.2.1", packet), Err(DropReason::GreMalformed));
        }
        let wrong = [0x80, 0, 8, 0, 0xde, 0xad, 0, 0];
        assert_eq!(find(&gre, "192.0.2.9", "192.0.2.1", &wrong), Err(DropReason::GreChecksum));
    }

    #[test]
    fn encapsulation_is_what_decapsulation_takes() {
        let tunnel = tunnel(GreMode::Multipoint, Some(1000));
        let payload = PacketBuf::with_headroom(Gre::header_len(&tunnel), &[1, 2, 3]);
        let sent = Gre::encapsulate(&tunnel, ip("192.0.2.9"), EtherType::NHRP, 0xC0, payload);
        assert_eq!(sent.payload, [&KEYED[..], &[1, 2, 3]].concat());
        assert_eq!((sent.src, sent.dst, sent.protocol, sent.ttl), (ip("192.0.2.1"), ip("192.0.2.9"), 47, 255));
    }

    #[test]
    fn checksums_and_sequence_numbers_are_accepted_in_any_order() {
        let gre = Gre::new(&[tunnel(GreMode::Multipoint, Some(1000))]);
        let payload = [0x45, 1, 2];
        for (checksum, sequence) in
            [(true, None), (true, Some(7)), (false, Some(10)), (false, Some(9)), (false, Some(9)), (false, Some(20))]
        {
            let repr = gre::Repr { checksum, sequence, ..gre::Repr::new(EtherType::IPV4, Some(1000)) };
            let mut packet = vec![0; repr.emitted_len() + payload.len()];
            packet[repr.emitted_len()..].copy_from_slice(&payload);
            repr.emit(payload.len(), &mut packet).unwrap();
            let found = gre.decapsulate(ip("192.0.2.9"), ip("192.0.2.1"), &packet).unwrap();
            // GRE-2890-2-01.
            assert_eq!(found.header_len, 8 + if checksum { 4 } else { 0 } + if sequence.is_some() { 4 } else { 0 });
            assert_eq!(packet[found.header_len..], payload);
            if checksum {
                packet[found.header_len] ^= 1;
                assert_eq!(find(&gre, "192.0.2.9", "192.0.2.1", &packet), Err(DropReason::GreChecksum));
            }
        }
    }
}
