//! Client information entries: RFC 2332, section 5.2.0.1.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |     Code      | Prefix length |            Unused             |
//! |   Maximum transmission unit   |         Holding time          |
//! | Cli addr T/L  | Cli saddr T/L | Cli proto len |  Preference   |
//! |         Client NBMA address, client NBMA sub-address          |
//! |                    Client protocol address                    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! They make up the rest of the mandatory part of requests and replies, and the values of several extensions.

use std::ops::Range;

use smallvec::SmallVec;

use super::fixed::TypeLen;
use crate::addr::{Families, NbmaAddr, ProtoAddr};
use crate::code::CieCode;
use crate::cursor::{Cursor, Writer, u8_at, u16_at};
use crate::error::{Error, Layer, Result};

/// Octets of an entry without addresses.
pub const MIN_LEN: usize = 12;

/// Client entries of one message or extension. One is the rule, and needs no allocation.
pub type Cies = SmallVec<[Cie; 1]>;

/// One client information entry: what is said about one client.
///
/// It has no sub-address: IP knows none, and then its length "is always coded" 0 (RFC 2332, section 5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cie {
    /// The answer for this client; [`CieCode::SUCCESS`] in requests.
    pub code: CieCode,
    /// Prefix length of the protocol address in bits. 0 and 255 both stand for "this host only".
    pub prefix_len: u8,
    /// Largest packet for this client in octets; 0 for the default of the network.
    pub mtu: u16,
    /// For how long the binding is valid, in seconds.
    pub holding_time: u16,
    /// The higher of several is preferred.
    pub preference: u8,
    /// Client NBMA address; empty stands for the one in the header.
    pub nbma: NbmaAddr,
    /// Client protocol address; empty stands for the one in the header.
    pub proto: ProtoAddr,
}

impl Cie {
    /// Reads entries until `bytes`, which begin `at` octets into the message, are used up, each in its place in `cies`.
    #[inline]
    pub(crate) fn parse_all(bytes: &[u8], at: usize, families: Families, cies: &mut Cies) -> Result<()> {
        let mut cursor = Cursor::new(bytes, at, Layer::NhrpCie);
        while !cursor.is_empty() {
            cies.push(Self::default());
            if let Some(cie) = cies.last_mut() {
                cie.read(&mut cursor, families)?;
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn read(&mut self, cursor: &mut Cursor<'_>, families: Families) -> Result<()> {
        let at = cursor.offset();
        let [code, prefix_len, _, _, m0, m1, h0, h1, nbma_tl, sub_tl, proto_len, preference] =
            cursor.array::<MIN_LEN>()?;
        self.code = CieCode(code);
        self.prefix_len = prefix_len;
        self.mtu = u16::from_be_bytes([m0, m1]);
        self.holding_time = u16::from_be_bytes([h0, h1]);
        self.preference = preference;
        let nbma_len = TypeLen(nbma_tl).ip_len(Layer::NhrpCie, at + 8)?;
        TypeLen(sub_tl).no_sub_address(Layer::NhrpCie, at + 9)?;
        self.nbma.read(cursor, nbma_len, families.nbma, (Layer::NhrpCie, at + 8))?;
        self.proto.read(cursor, proto_len, families.proto, (Layer::NhrpCie, at + 10))
    }

    /// Octets of this entry on the wire.
    #[inline]
    pub fn emitted_len(&self) -> usize {
        MIN_LEN + self.nbma.len() + self.proto.len()
    }

    #[inline]
    pub(crate) fn write(&self, writer: &mut Writer<'_>, families: Families) -> Result<()> {
        let at = writer.offset();
        let nbma_len = self.nbma.wire_len(families.nbma, (Layer::NhrpCie, at + 8))?;
        let proto_len = self.proto.wire_len(families.proto, (Layer::NhrpCie, at + 10))?;
        let [m0, m1] = self.mtu.to_be_bytes();
        let [h0, h1] = self.holding_time.to_be_bytes();
        let Self { code, prefix_len, preference, .. } = *self;
        writer.array([code.0, prefix_len, 0, 0, m0, m1, h0, h1, nbma_len, 0, proto_len, preference]);
        self.nbma.write(writer);
        self.proto.write(writer);
        Ok(())
    }
}

/// View of one client entry whose octets are all there.
#[derive(Clone, Copy, Debug)]
pub struct CieView<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> CieView<'a> {
    /// Octets from the start of the message to this entry.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// The octets of this entry.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    // The iterator hands out nothing shorter than MIN_LEN, so none of the defaults below is ever seen.
    fn u8(&self, at: usize) -> u8 {
        u8_at(self.bytes, at).unwrap_or_default()
    }

    fn u16(&self, at: usize) -> u16 {
        u16_at(self.bytes, at).unwrap_or_default()
    }

    /// The answer for this client.
    pub fn code(&self) -> CieCode {
        CieCode(self.u8(0))
    }

    /// Prefix length in bits, as it stands there.
    pub fn prefix_len(&self) -> u8 {
        self.u8(1)
    }

    /// The unused field; zero if the sender followed the rules.
    pub fn unused(&self) -> u16 {
        self.u16(2)
    }

    /// Largest packet in octets.
    pub fn mtu(&self) -> u16 {
        self.u16(4)
    }

    /// Holding time in seconds.
    pub fn holding_time(&self) -> u16 {
        self.u16(6)
    }

    /// Type and length of the client NBMA address.
    pub fn nbma_tl(&self) -> TypeLen {
        TypeLen(self.u8(8))
    }

    /// Type and length of the client NBMA sub-address.
    pub fn nbma_sub_tl(&self) -> TypeLen {
        TypeLen(self.u8(9))
    }

    /// Octets of the client protocol address.
    pub fn proto_len(&self) -> u8 {
        self.u8(10)
    }

    /// Preference, the higher the better.
    pub fn preference(&self) -> u8 {
        self.u8(11)
    }

    /// Where the client NBMA address stands in the message.
    pub fn nbma_range(&self) -> Range<usize> {
        let start = self.offset + MIN_LEN;
        start..start + self.nbma_tl().len()
    }

    /// Where the client NBMA sub-address stands in the message.
    pub fn nbma_sub_range(&self) -> Range<usize> {
        let start = self.nbma_range().end;
        start..start + self.nbma_sub_tl().len()
    }

    /// Where the client protocol address stands in the message.
    pub fn proto_range(&self) -> Range<usize> {
        let start = self.nbma_sub_range().end;
        start..start + usize::from(self.proto_len())
    }

    fn slice(&self, range: Range<usize>) -> &'a [u8] {
        self.bytes.get(range.start - self.offset..range.end - self.offset).unwrap_or_default()
    }

    /// The octets of the client NBMA address.
    pub fn nbma_octets(&self) -> &'a [u8] {
        self.slice(self.nbma_range())
    }

    /// The client NBMA address; `None` if it has the length of no IP address.
    pub fn nbma(&self) -> Option<NbmaAddr> {
        NbmaAddr::from_octets(self.nbma_octets())
    }

    /// The octets of the client NBMA sub-address.
    pub fn nbma_sub_octets(&self) -> &'a [u8] {
        self.slice(self.nbma_sub_range())
    }

    /// The octets of the client protocol address.
    pub fn proto_octets(&self) -> &'a [u8] {
        self.slice(self.proto_range())
    }

    /// The client protocol address; `None` if it has the length of no IP address.
    pub fn proto(&self) -> Option<ProtoAddr> {
        ProtoAddr::from_octets(self.proto_octets())
    }
}

/// Steps over client entries as far as the octets go. If they end inside an entry, the last item says where.
#[derive(Clone, Debug)]
pub struct CieIter<'a> {
    cursor: Cursor<'a>,
    failed: Option<Error>,
}

impl<'a> CieIter<'a> {
    pub(crate) const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { cursor: Cursor::new(bytes, at, Layer::NhrpCie), failed: None }
    }

    /// No entry, only the reason why not.
    pub(crate) const fn failed(error: Error) -> Self {
        Self { cursor: Cursor::new(&[], 0, Layer::NhrpCie), failed: Some(error) }
    }
}

impl<'a> Iterator for CieIter<'a> {
    type Item = Result<CieView<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            return Some(Err(error));
        }
        if self.cursor.is_empty() {
            return None;
        }
        let offset = self.cursor.offset();
        let mut ahead = self.cursor.clone();
        let sizes = ahead.array::<MIN_LEN>();
        let entry = sizes.and_then(|[_, _, _, _, _, _, _, _, nbma, sub, proto, _]| {
            let len = MIN_LEN + TypeLen(nbma).len() + TypeLen(sub).len() + usize::from(proto);
            self.cursor.take(len)
        });
        if entry.is_err() {
            self.cursor.take_rest();
        }
        Some(entry.map(|bytes| CieView { bytes, offset }))
    }
}

impl std::iter::FusedIterator for CieIter<'_> {}
