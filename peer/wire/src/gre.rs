//! Generic Routing Encapsulation: RFC 2784, with key and sequence number of RFC 2890.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |C|R|K|S|   Reserved0     | Ver |         Protocol type         |
//! |      Checksum (if C)          |       Reserved1 (if C)        |
//! |                         Key (if K)                            |
//! |                   Sequence number (if S)                      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! R is the routing bit of RFC 1701; RFC 2784 counts it to Reserved0. No key and key 0 are different here, as they are
//! different tunnels in practice.

use crate::checksum;
use crate::code::EtherType;
use crate::cursor::{Cursor, Writer, put_at, u16_at, u32_at};
use crate::error::{Error, ErrorKind, Layer, Result};

/// Octets of a header without optional fields.
pub const MIN_HEADER_LEN: usize = 4;

const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
/// Bits 4 and 5 of Reserved0. Together with R these are the bits for which RFC 2784 section 2.3 wants a discard; bits 6
/// to 12 it wants ignored.
const MUST_DISCARD: u16 = 0x0c00;
const VERSION: u16 = 0x0007;

/// View of a GRE packet: reads what is there and judges nothing.
#[derive(Clone, Copy, Debug)]
pub struct Packet<T> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// A view of `buffer`, which begins with the GRE header; of any length.
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

    /// The first two octets: flags, Reserved0 and version.
    pub fn flags_and_version(&self) -> Option<u16> {
        u16_at(self.bytes(), 0)
    }

    fn flag(&self, flag: u16) -> bool {
        self.flags_and_version().is_some_and(|word| word & flag != 0)
    }

    /// C: checksum and Reserved1 are present.
    pub fn has_checksum(&self) -> bool {
        self.flag(CHECKSUM)
    }

    /// R: a source route is present (RFC 1701 only). Checksum and offset are then present as well.
    pub fn has_routing(&self) -> bool {
        self.flag(ROUTING)
    }

    /// K: the key is present.
    pub fn has_key(&self) -> bool {
        self.flag(KEY)
    }

    /// S: the sequence number is present.
    pub fn has_sequence(&self) -> bool {
        self.flag(SEQUENCE)
    }

    /// The version: 0 for GRE, 1 for the variant of PPTP.
    pub fn version(&self) -> Option<u8> {
        // Three bits fit.
        self.flags_and_version().map(|word| (word & VERSION) as u8)
    }

    /// What the payload is.
    pub fn protocol(&self) -> Option<EtherType> {
        u16_at(self.bytes(), 2).map(EtherType)
    }

    fn key_offset(&self) -> usize {
        if self.has_checksum() || self.has_routing() { 8 } else { 4 }
    }

    fn sequence_offset(&self) -> usize {
        self.key_offset() + if self.has_key() { 4 } else { 0 }
    }

    /// Octets of the header by its flags, whether they are all there or not. A source route (R) is not counted.
    pub fn header_len(&self) -> usize {
        self.sequence_offset() + if self.has_sequence() { 4 } else { 0 }
    }

    /// The checksum, if C says so and its octets are there.
    pub fn checksum(&self) -> Option<u16> {
        if self.has_checksum() { u16_at(self.bytes(), 4) } else { None }
    }

    /// The key, if K says so and its octets are there.
    pub fn key(&self) -> Option<u32> {
        if self.has_key() { u32_at(self.bytes(), self.key_offset()) } else { None }
    }

    /// The sequence number, if S says so and its octets are there.
    pub fn sequence(&self) -> Option<u32> {
        if self.has_sequence() { u32_at(self.bytes(), self.sequence_offset()) } else { None }
    }

    /// Whether the checksum over header and payload is right; `None` if there is no checksum.
    pub fn verify_checksum(&self) -> Option<bool> {
        self.checksum().map(|_| checksum::verify(self.bytes()))
    }

    /// The octets behind the header; `None` if not even the header is complete.
    pub fn payload(&self) -> Option<&[u8]> {
        self.bytes().get(self.header_len()..)
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Packet<T> {
    /// Overwrites the first two octets; nothing happens where they are missing.
    pub fn set_flags_and_version(&mut self, word: u16) {
        put_at(self.buffer.as_mut(), 0, word.to_be_bytes());
    }

    /// Overwrites the protocol type; nothing happens where it is missing.
    pub fn set_protocol(&mut self, protocol: EtherType) {
        put_at(self.buffer.as_mut(), 2, protocol.0.to_be_bytes());
    }

    /// Overwrites the key; nothing happens where there is none.
    pub fn set_key(&mut self, key: u32) {
        if self.has_key() {
            let at = self.key_offset();
            put_at(self.buffer.as_mut(), at, key.to_be_bytes());
        }
    }

    /// Computes the checksum over all octets and puts it in; nothing happens where there is none.
    pub fn fill_checksum(&mut self) {
        if self.has_checksum() && put_at(self.buffer.as_mut(), 4, [0, 0]) {
            let checksum = checksum::of(self.bytes());
            put_at(self.buffer.as_mut(), 4, checksum.to_be_bytes());
        }
    }
}

/// A legal GRE header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Repr {
    /// What the payload is.
    pub protocol: EtherType,
    /// Whether the packet carries a checksum over header and payload.
    pub checksum: bool,
    /// The key, which tells tunnels between the same two addresses apart (RFC 2890, section 2.1).
    pub key: Option<u32>,
    /// The sequence number, 0 in the first packet (RFC 2890, section 2.2).
    pub sequence: Option<u32>,
}

impl Repr {
    /// A header with neither checksum nor sequence number, as DMVPN implementations send it.
    pub const fn new(protocol: EtherType, key: Option<u32>) -> Self {
        Self { protocol, checksum: false, key, sequence: None }
    }

    /// Reads the header of `packet` and returns it with the payload. Verifies the checksum if there is one.
    pub fn parse(packet: &[u8]) -> Result<(Self, &[u8])> {
        let error = |kind, offset, needed, had: u16| Error::new(Layer::Gre, kind, offset, needed, had.into());
        let mut cursor = Cursor::new(packet, 0, Layer::Gre);

        // Version and discard bits come first: they decide whether the rest has this format at all.
        let [flags, protocol] = words(cursor.array()?);
        if flags & VERSION != 0 {
            return Err(error(ErrorKind::BadVersion, 1, 0, flags & VERSION));
        }
        if flags & ROUTING != 0 {
            return Err(error(ErrorKind::RoutingPresent, 0, 0, flags));
        }
        if flags & MUST_DISCARD != 0 {
            return Err(error(ErrorKind::ReservedBits, 0, 0, flags & MUST_DISCARD));
        }

        let has_checksum = flags & CHECKSUM != 0;
        let found = if has_checksum { words(cursor.array()?)[0] } else { 0 };
        let key = if flags & KEY != 0 { Some(u32::from_be_bytes(cursor.array()?)) } else { None };
        let sequence = if flags & SEQUENCE != 0 { Some(u32::from_be_bytes(cursor.array()?)) } else { None };
        if has_checksum && !checksum::verify(packet) {
            let needed = checksum::update(checksum::of(packet), found, 0);
            return Err(error(ErrorKind::BadChecksum, 4, needed.into(), found));
        }
        Ok((Self { protocol: EtherType(protocol), checksum: has_checksum, key, sequence }, cursor.take_rest()))
    }

    /// Octets that `emit` writes: 4 to 16.
    pub const fn emitted_len(&self) -> usize {
        MIN_HEADER_LEN
            + if self.checksum { 4 } else { 0 }
            + if self.key.is_some() { 4 } else { 0 }
            + if self.sequence.is_some() { 4 } else { 0 }
    }

    /// Writes the header to the front of `packet` and returns its length. The payload, `payload_len` octets, stands
    /// behind it already: a checksum covers it.
    pub fn emit(&self, payload_len: usize, packet: &mut [u8]) -> Result<usize> {
        let len = self.emitted_len();
        let had = packet.len();
        let total = len.saturating_add(payload_len);
        let Some(packet) = packet.get_mut(..total) else {
            return Err(Error::new(Layer::Gre, ErrorKind::NoRoom, 0, total, had));
        };

        let mut flags = 0;
        if self.checksum {
            flags |= CHECKSUM;
        }
        if self.key.is_some() {
            flags |= KEY;
        }
        if self.sequence.is_some() {
            flags |= SEQUENCE;
        }
        let mut writer = Writer::new(packet);
        writer.array(flags.to_be_bytes());
        writer.array(self.protocol.0.to_be_bytes());
        if self.checksum {
            writer.array([0; 4]);
        }
        if let Some(key) = self.key {
            writer.array(key.to_be_bytes());
        }
        if let Some(sequence) = self.sequence {
            writer.array(sequence.to_be_bytes());
        }
        writer.finish(Layer::Gre)?;
        Packet::new(packet).fill_checksum();
        Ok(len)
    }
}

const fn words([a, b, c, d]: [u8; 4]) -> [u16; 2] {
    [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]
}

#[cfg(test)]
mod tests;
