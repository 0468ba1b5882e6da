//! The header of a message: RFC 7296 section 3.1; the same layout in RFC 2408 section 3.1.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |              SPI of the initiator (v1: its cookie)            |
//! |                                                               |
//! |              SPI of the responder (v1: its cookie)            |
//! |                                                               |
//! | Next payload  | MjVer | MnVer | Exchange type |     Flags     |
//! |                          Message ID                           |
//! |                            Length                             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::chain::Payloads;
use super::code::{ExchangeType, Flags, PayloadType, Version};
use super::span::Span;
use crate::cursor::{u8_at, u32_at};

/// Octets of the header.
pub const LEN: usize = 28;

/// Where each field of the header stands.
pub mod field {
    use std::ops::Range;

    /// SPI (v1: cookie) of who began.
    pub const INITIATOR_SPI: Range<usize> = 0..8;
    /// SPI (v1: cookie) of who answers; 0 in the first message.
    pub const RESPONDER_SPI: Range<usize> = 8..16;
    /// Type of the first payload.
    pub const NEXT_PAYLOAD: Range<usize> = 16..17;
    /// Major and minor version, four bits each.
    pub const VERSION: Range<usize> = 17..18;
    /// Exchange type.
    pub const EXCHANGE: Range<usize> = 18..19;
    /// Flags.
    pub const FLAGS: Range<usize> = 19..20;
    /// Message ID.
    pub const MESSAGE_ID: Range<usize> = 20..24;
    /// Octets of the whole message.
    pub const LENGTH: Range<usize> = 24..28;
}

/// View of an ISAKMP message: reads what is there and judges nothing.
#[derive(Clone, Copy, Debug)]
pub struct Packet<T> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// A view of `buffer`, which begins with the initiator's SPI (behind the non-ESP marker on port 4500); of any length.
    pub const fn new(buffer: T) -> Self {
        Self { buffer }
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.as_ref()
    }

    fn u64(&self, at: usize) -> Option<u64> {
        Some(u64::from_be_bytes(*self.bytes().get(at..)?.first_chunk()?))
    }

    /// SPI (v1: cookie) of who began.
    pub fn initiator_spi(&self) -> Option<u64> {
        self.u64(field::INITIATOR_SPI.start)
    }

    /// SPI (v1: cookie) of who answers; 0 in the first message.
    pub fn responder_spi(&self) -> Option<u64> {
        self.u64(field::RESPONDER_SPI.start)
    }

    /// Type of the first payload.
    pub fn next_payload(&self) -> Option<PayloadType> {
        u8_at(self.bytes(), field::NEXT_PAYLOAD.start).map(PayloadType)
    }

    /// Version.
    pub fn version(&self) -> Option<Version> {
        u8_at(self.bytes(), field::VERSION.start).map(Version)
    }

    /// Exchange type.
    pub fn exchange(&self) -> Option<ExchangeType> {
        u8_at(self.bytes(), field::EXCHANGE.start).map(ExchangeType)
    }

    /// Flags; each version has its own in the same octet.
    pub fn flags(&self) -> Option<Flags> {
        u8_at(self.bytes(), field::FLAGS.start).map(Flags)
    }

    /// Message ID.
    pub fn message_id(&self) -> Option<u32> {
        u32_at(self.bytes(), field::MESSAGE_ID.start)
    }

    /// Octets of the whole message, by its own word.
    pub fn length(&self) -> Option<u32> {
        u32_at(self.bytes(), field::LENGTH.start)
    }

    /// Whether all behind the header is encrypted: flag E of IKEv1. IKEv2 encrypts inside a payload.
    pub fn is_encrypted(&self) -> bool {
        self.version().is_some_and(|version| version.major() == 1)
            && self.flags().is_some_and(|flags| flags.contains(Flags::ENCRYPTION))
    }

    /// Where the message ends: at its length, or earlier if octets are missing. A length smaller than the header is not
    /// believed.
    pub fn end(&self) -> usize {
        let had = self.bytes().len();
        match self.length().and_then(|length| usize::try_from(length).ok()) {
            Some(length) if length >= LEN => had.min(length),
            _ => had,
        }
    }

    /// What stands behind the header, up to [`Self::end`].
    pub fn body(&self) -> Span<'_> {
        let octets = self.bytes().get(LEN..self.end()).unwrap_or_default();
        Span::new(octets, LEN.min(self.bytes().len()))
    }

    /// The payloads. There are none to see where the header is cut, the version is neither 1 nor 2, or everything is
    /// encrypted.
    pub fn payloads(&self) -> Payloads<'_> {
        let known = self.version().is_some_and(|version| matches!(version.major(), 1 | 2));
        match self.next_payload() {
            Some(first) if known && self.length().is_some() && !self.is_encrypted() => {
                Payloads::new(first, self.body())
            }
            _ => Payloads::new(PayloadType::NONE, Span::default()),
        }
    }
}
