//! The IPv6 header: RFC 8200, section 3.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Ver  | Traffic class |              Flow label               |
//! |        Payload length         |  Next header  |   Hop limit   |
//! |                  Source address (16 octets)                   |
//! |                Destination address (16 octets)                |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Extension headers count as payload.

use std::net::Ipv6Addr;

use crate::code::IpProtocol;
use crate::cursor::{Cursor, Writer, put_at, u8_at, u16_at, u32_at};
use crate::error::{Error, ErrorKind, Layer, Result};

/// Octets of the header.
pub const HEADER_LEN: usize = 40;

const FLOW_LABEL: u32 = 0x000f_ffff;

/// View of an IPv6 packet: reads what is there and judges nothing.
#[derive(Clone, Copy, Debug)]
pub struct Packet<T> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// A view of `buffer`, which begins with the IPv6 header; of any length.
    pub const fn new(buffer: T) -> Self {
        Self { buffer }
    }

    /// The octets again.
    pub fn into_inner(self) -> T {
        self.buffer
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.as_ref()
    }

    /// The version; 6 if this is IPv6.
    pub fn version(&self) -> Option<u8> {
        u8_at(self.bytes(), 0).map(|octet| octet >> 4)
    }

    /// Traffic class: DSCP and ECN.
    pub fn traffic_class(&self) -> Option<u8> {
        // Cut to the eight bits that it has.
        u32_at(self.bytes(), 0).map(|word| (word >> 20) as u8)
    }

    /// Flow label, 20 bits.
    pub fn flow_label(&self) -> Option<u32> {
        u32_at(self.bytes(), 0).map(|word| word & FLOW_LABEL)
    }

    /// Octets behind this header, as it says.
    pub fn payload_len(&self) -> Option<u16> {
        u16_at(self.bytes(), 4)
    }

    /// What follows this header.
    pub fn next_header(&self) -> Option<IpProtocol> {
        u8_at(self.bytes(), 6).map(IpProtocol)
    }

    /// Hop limit.
    pub fn hop_limit(&self) -> Option<u8> {
        u8_at(self.bytes(), 7)
    }

    fn address(&self, at: usize) -> Option<Ipv6Addr> {
        self.bytes().get(at..)?.first_chunk::<16>().map(|octets| Ipv6Addr::from_octets(*octets))
    }

    /// Source address.
    pub fn src(&self) -> Option<Ipv6Addr> {
        self.address(8)
    }

    /// Destination address.
    pub fn dst(&self) -> Option<Ipv6Addr> {
        self.address(24)
    }

    /// The octets behind the header, at most as many as the payload length says, as far as they go.
    pub fn payload(&self) -> Option<&[u8]> {
        let payload = self.bytes().get(HEADER_LEN..)?;
        payload.get(..usize::from(self.payload_len()?).min(payload.len()))
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Packet<T> {
    /// Overwrites the hop limit; nothing happens where it is missing.
    pub fn set_hop_limit(&mut self, hop_limit: u8) {
        put_at(self.buffer.as_mut(), 7, [hop_limit]);
    }
}

/// A legal IPv6 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Repr {
    /// Source address.
    pub src: Ipv6Addr,
    /// Destination address.
    pub dst: Ipv6Addr,
    /// What follows this header.
    pub next_header: IpProtocol,
    /// Hop limit.
    pub hop_limit: u8,
    /// Traffic class: DSCP and ECN.
    pub traffic_class: u8,
    /// Flow label, 20 bits.
    pub flow_label: u32,
}

impl Repr {
    /// A header with hop limit 255, traffic class 0 and flow label 0.
    pub const fn new(src: Ipv6Addr, dst: Ipv6Addr, next_header: IpProtocol) -> Self {
        Self { src, dst, next_header, hop_limit: 255, traffic_class: 0, flow_label: 0 }
    }

    /// Reads the header of `packet` and returns it with the payload. Octets behind the payload length are padding of the
    /// link and are cut off.
    pub fn parse(packet: &[u8]) -> Result<(Self, &[u8])> {
        let mut cursor = Cursor::new(packet, 0, Layer::Ipv6);
        let first = u32::from_be_bytes(cursor.array()?);
        if first >> 28 != 6 {
            return Err(Error::new(Layer::Ipv6, ErrorKind::BadVersion, 0, 6, (first >> 28) as usize));
        }
        let payload_len = u16::from_be_bytes(cursor.array()?);
        let [next_header, hop_limit] = cursor.array()?;
        let repr = Self {
            src: Ipv6Addr::from_octets(cursor.array()?),
            dst: Ipv6Addr::from_octets(cursor.array()?),
            next_header: IpProtocol(next_header),
            hop_limit,
            traffic_class: (first >> 20) as u8,
            flow_label: first & FLOW_LABEL,
        };
        Ok((repr, cursor.take(payload_len.into())?))
    }

    /// Octets that `emit` writes: 40.
    pub const fn emitted_len(&self) -> usize {
        HEADER_LEN
    }

    /// Writes a header for `payload_len` octets of payload to the front of `packet` and returns its length. The payload
    /// itself is not looked at.
    pub fn emit(&self, payload_len: usize, packet: &mut [u8]) -> Result<usize> {
        let len = u16::try_from(payload_len)
            .map_err(|_| Error::new(Layer::Ipv6, ErrorKind::BadLength, 4, 0xffff, payload_len))?;
        let first = 6 << 28 | u32::from(self.traffic_class) << 20 | self.flow_label & FLOW_LABEL;
        let mut writer = Writer::new(packet);
        writer.array(first.to_be_bytes());
        writer.array(len.to_be_bytes());
        writer.array([self.next_header.0, self.hop_limit]);
        writer.array(self.src.octets());
        writer.array(self.dst.octets());
        writer.finish(Layer::Ipv6)
    }
}

#[cfg(test)]
mod tests;
