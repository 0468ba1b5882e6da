//! The IPv4 header: RFC 791, section 3.1.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Ver  |  IHL  |      TOS      |          Total length         |
//! |        Identification         |-|D|M|     Fragment offset     |
//! |      TTL      |   Protocol    |        Header checksum        |
//! |                        Source address                         |
//! |                      Destination address                      |
//! |                  Options (IHL - 5 words of 4)                 |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Options are stepped over when reading and never written.

use std::net::Ipv4Addr;

use crate::checksum;
use crate::code::IpProtocol;
use crate::cursor::{Writer, put_at, u8_at, u16_at, u32_at};
use crate::error::{Error, ErrorKind, Layer, Result};

/// Octets of a header without options.
pub const HEADER_LEN: usize = 20;

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const FRAGMENT_OFFSET: u16 = 0x1fff;

/// View of an IPv4 packet: reads what is there and judges nothing. Good for the cut packets in a Traffic Indication.
#[derive(Clone, Copy, Debug)]
pub struct Packet<T> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// A view of `buffer`, which begins with the IPv4 header; of any length.
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

    /// The version; 4 if this is IPv4.
    pub fn version(&self) -> Option<u8> {
        u8_at(self.bytes(), 0).map(|octet| octet >> 4)
    }

    /// Octets of the header, options included, as IHL says.
    pub fn header_len(&self) -> Option<usize> {
        u8_at(self.bytes(), 0).map(|octet| usize::from(octet & 0x0f) * 4)
    }

    /// Type of service: DSCP and ECN.
    pub fn tos(&self) -> Option<u8> {
        u8_at(self.bytes(), 1)
    }

    /// Octets of header and payload, as the header says.
    pub fn total_len(&self) -> Option<u16> {
        u16_at(self.bytes(), 2)
    }

    /// Identification.
    pub fn id(&self) -> Option<u16> {
        u16_at(self.bytes(), 4)
    }

    /// DF.
    pub fn dont_fragment(&self) -> Option<bool> {
        u16_at(self.bytes(), 6).map(|word| word & DONT_FRAGMENT != 0)
    }

    /// MF.
    pub fn more_fragments(&self) -> Option<bool> {
        u16_at(self.bytes(), 6).map(|word| word & MORE_FRAGMENTS != 0)
    }

    /// Where this fragment's payload begins, in units of 8 octets.
    pub fn fragment_offset(&self) -> Option<u16> {
        u16_at(self.bytes(), 6).map(|word| word & FRAGMENT_OFFSET)
    }

    /// Time to live, in hops.
    pub fn ttl(&self) -> Option<u8> {
        u8_at(self.bytes(), 8)
    }

    /// What the payload is.
    pub fn protocol(&self) -> Option<IpProtocol> {
        u8_at(self.bytes(), 9).map(IpProtocol)
    }

    /// The header checksum.
    pub fn checksum(&self) -> Option<u16> {
        u16_at(self.bytes(), 10)
    }

    /// Source address.
    pub fn src(&self) -> Option<Ipv4Addr> {
        u32_at(self.bytes(), 12).map(Ipv4Addr::from_bits)
    }

    /// Destination address.
    pub fn dst(&self) -> Option<Ipv4Addr> {
        u32_at(self.bytes(), 16).map(Ipv4Addr::from_bits)
    }

    /// Whether the header sums to zero; `None` if the header is not complete.
    pub fn verify_checksum(&self) -> Option<bool> {
        self.header().map(checksum::verify)
    }

    fn header(&self) -> Option<&[u8]> {
        self.bytes().get(..self.header_len()?.max(HEADER_LEN))
    }

    /// The octets between the header and the total length, as far as they go.
    pub fn payload(&self) -> Option<&[u8]> {
        let start = self.header_len()?.max(HEADER_LEN);
        let end = usize::from(self.total_len()?).clamp(start, self.bytes().len().max(start));
        self.bytes().get(start..end)
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Packet<T> {
    /// Overwrites the TTL, in hops; the checksum is left as it is.
    pub fn set_ttl(&mut self, ttl: u8) {
        put_at(self.buffer.as_mut(), 8, [ttl]);
    }

    /// Overwrites the source address; the checksum is left as it is.
    pub fn set_src(&mut self, src: Ipv4Addr) {
        put_at(self.buffer.as_mut(), 12, src.octets());
    }

    /// Overwrites the destination address; the checksum is left as it is.
    pub fn set_dst(&mut self, dst: Ipv4Addr) {
        put_at(self.buffer.as_mut(), 16, dst.octets());
    }

    /// Computes the header checksum and puts it in; nothing happens where the header is not complete.
    pub fn fill_checksum(&mut self) {
        put_at(self.buffer.as_mut(), 10, [0, 0]);
        if let Some(checksum) = self.header().map(checksum::of) {
            put_at(self.buffer.as_mut(), 10, checksum.to_be_bytes());
        }
    }
}

/// A legal IPv4 header, without its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Repr {
    /// Source address.
    pub src: Ipv4Addr,
    /// Destination address.
    pub dst: Ipv4Addr,
    /// What the payload is.
    pub protocol: IpProtocol,
    /// Type of service: DSCP and ECN.
    pub tos: u8,
    /// Time to live, in hops.
    pub ttl: u8,
    /// Identification: what belongs together when fragments are put together.
    pub id: u16,
    /// DF.
    pub dont_fragment: bool,
    /// MF.
    pub more_fragments: bool,
    /// Where this fragment's payload begins, in units of 8 octets; 13 bits.
    pub fragment_offset: u16,
}

impl Repr {
    /// A whole packet that may be fragmented: TOS 0, TTL 255, identification 0.
    pub const fn new(src: Ipv4Addr, dst: Ipv4Addr, protocol: IpProtocol) -> Self {
        Self {
            src,
            dst,
            protocol,
            tos: 0,
            ttl: 255,
            id: 0,
            dont_fragment: false,
            more_fragments: false,
            fragment_offset: 0,
        }
    }

    /// Whether this is a part of a packet and not a whole one.
    pub const fn is_fragment(&self) -> bool {
        self.more_fragments || self.fragment_offset != 0
    }

    /// Reads the header of `packet` and returns it with the payload. Octets behind the total length are padding of the
    /// link and are cut off.
    pub fn parse(packet: &[u8]) -> Result<(Self, &[u8])> {
        let error = |kind, offset, needed, had| Error::new(Layer::Ipv4, kind, offset, needed, had);
        let truncated = |needed| error(ErrorKind::Truncated, 0, needed, packet.len());

        let [first, tos, l0, l1, i0, i1, f0, f1, ttl, protocol, c0, c1, s0, s1, s2, s3, d0, d1, d2, d3] =
            *packet.first_chunk::<HEADER_LEN>().ok_or_else(|| truncated(HEADER_LEN))?;
        if first >> 4 != 4 {
            return Err(error(ErrorKind::BadVersion, 0, 4, (first >> 4).into()));
        }
        let header_len = usize::from(first & 0x0f) * 4;
        if header_len < HEADER_LEN {
            return Err(error(ErrorKind::BadLength, 0, HEADER_LEN, header_len));
        }
        let header = packet.get(..header_len).ok_or_else(|| truncated(header_len))?;
        if !checksum::verify(header) {
            let found = u16::from_be_bytes([c0, c1]);
            let needed = checksum::update(checksum::of(header), found, 0);
            return Err(error(ErrorKind::BadChecksum, 10, needed.into(), found.into()));
        }
        let total_len = usize::from(u16::from_be_bytes([l0, l1]));
        if total_len < header_len {
            return Err(error(ErrorKind::BadLength, 2, header_len, total_len));
        }
        let payload = packet.get(header_len..total_len).ok_or_else(|| truncated(total_len))?;

        let fragment = u16::from_be_bytes([f0, f1]);
        let repr = Self {
            src: Ipv4Addr::new(s0, s1, s2, s3),
            dst: Ipv4Addr::new(d0, d1, d2, d3),
            protocol: IpProtocol(protocol),
            tos,
            ttl,
            id: u16::from_be_bytes([i0, i1]),
            dont_fragment: fragment & DONT_FRAGMENT != 0,
            more_fragments: fragment & MORE_FRAGMENTS != 0,
            fragment_offset: fragment & FRAGMENT_OFFSET,
        };
        Ok((repr, payload))
    }

    /// Octets that `emit` writes: 20.
    pub const fn emitted_len(&self) -> usize {
        HEADER_LEN
    }

    /// Writes a header for `payload_len` octets of payload to the front of `packet` and returns its length. The payload
    /// itself is not looked at.
    pub fn emit(&self, payload_len: usize, packet: &mut [u8]) -> Result<usize> {
        let total_len = u16::try_from(payload_len.saturating_add(HEADER_LEN))
            .map_err(|_| Error::new(Layer::Ipv4, ErrorKind::BadLength, 2, 0xffff - HEADER_LEN, payload_len))?;
        let mut fragment = self.fragment_offset & FRAGMENT_OFFSET;
        if self.dont_fragment {
            fragment |= DONT_FRAGMENT;
        }
        if self.more_fragments {
            fragment |= MORE_FRAGMENTS;
        }
        let mut writer = Writer::new(packet);
        writer.array([0x45, self.tos]);
        writer.array(total_len.to_be_bytes());
        writer.array(self.id.to_be_bytes());
        writer.array(fragment.to_be_bytes());
        writer.array([self.ttl, self.protocol.0, 0, 0]);
        writer.array(self.src.octets());
        writer.array(self.dst.octets());
        let len = writer.finish(Layer::Ipv4)?;
        Packet::new(packet).fill_checksum();
        Ok(len)
    }
}

#[cfg(test)]
mod tests;
