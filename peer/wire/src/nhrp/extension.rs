//! Extensions: RFC 2332, section 5.3; Cisco's authentication layout and NAT address extension have no public text.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |C|u|           Type            |            Length             |
//! |                            Value ...                          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Length counts the value only; there is no padding. C means compulsory: who does not know the type must not ignore it.

use std::fmt;

use smallvec::SmallVec;

use super::cie::{Cie, CieIter, Cies};
use crate::addr::Families;
use crate::code::ExtensionType;
use crate::cursor::{Cursor, Writer};
use crate::error::{Error, ErrorKind, Layer, Result};

/// Octets before the value.
pub const HEADER_LEN: usize = 4;

const COMPULSORY: u16 = 0x8000;
const U_BIT: u16 = 0x4000;
const TYPE: u16 = 0x3fff;

/// First four octets of Cisco's authentication value.
const CISCO_CLEAR_TEXT: [u8; 4] = [0, 0, 0, 1];
/// Octets of an HMAC-MD5 digest, the only one that RFC 2332 section 5.3.4.1 defines.
const DIGEST_LEN: usize = 16;

/// The extensions of one message in their order, without End. Up to five need no allocation.
pub type Extensions = SmallVec<[Extension; 5]>;

/// One extension. End is not among them: it is implied wherever there are extensions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Extension {
    /// C: a receiver that does not know the type must answer with an error instead of ignoring it.
    pub compulsory: bool,
    /// u: unused, kept as it was.
    pub unused: bool,
    /// Type and value.
    pub value: ExtensionValue,
}

/// What an extension says; the variant decides the type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ExtensionValue {
    /// Empty in a request: "name yourself". In a reply one entry: who answered (RFC 2332, section 5.3.1).
    ResponderAddress(Cies),
    /// One entry per server that forwarded the request (RFC 2332, section 5.3.2).
    ForwardTransit(Cies),
    /// One entry per server that forwarded the reply (RFC 2332, section 5.3.3).
    ReverseTransit(Cies),
    /// Proof of the sender's right to speak (RFC 2332, section 5.3.4, or Cisco's clear text).
    Authentication(Authentication),
    /// Something of a vendor (RFC 2332, section 5.3.5).
    VendorPrivate {
        /// The vendor's organizationally unique identifier.
        oui: [u8; 3],
        /// What only the vendor understands.
        data: Vec<u8>,
    },
    /// Cisco's NAT address extension: public NBMA addresses of parties behind address translation.
    CiscoNat(Cies),
    /// A type that this crate does not know. With a type that it does know this is emitted as it is, but parses as that
    /// type, or not at all.
    Unknown {
        /// The type, 14 bits.
        code: ExtensionType,
        /// The value.
        data: Vec<u8>,
    },
}

impl Extension {
    /// An extension with C set as it is customary for its type: everywhere but on vendor-private, NAT and unknown ones.
    pub const fn new(value: ExtensionValue) -> Self {
        let compulsory = !matches!(
            value,
            ExtensionValue::VendorPrivate { .. } | ExtensionValue::CiscoNat(_) | ExtensionValue::Unknown { .. }
        );
        Self { compulsory, unused: false, value }
    }

    /// Cisco's clear-text authentication with `secret`.
    pub fn cisco_authentication(secret: &[u8]) -> Self {
        Self::new(ExtensionValue::Authentication(Authentication::Cisco(Secret::new(secret))))
    }

    /// The type.
    #[inline]
    pub const fn code(&self) -> ExtensionType {
        self.value.code()
    }

    /// Octets of this extension on the wire, header included.
    #[inline]
    pub fn emitted_len(&self) -> usize {
        HEADER_LEN + self.value.emitted_len()
    }

    /// Reads from `bytes`, the extension part which begins `at` octets into the message. Octets behind End are ignored:
    /// the list ends there (RFC 2332, section 5.3), and receivers in the field stop there too.
    #[inline]
    pub(crate) fn parse_all(
        bytes: &[u8],
        at: usize,
        families: Families,
        src_proto_len: usize,
        extensions: &mut Extensions,
    ) -> Result<()> {
        let mut cursor = Cursor::new(bytes, at, Layer::NhrpExtension);
        loop {
            if cursor.is_empty() {
                return Err(Error::new(Layer::NhrpExtension, ErrorKind::MissingEnd, cursor.offset(), HEADER_LEN, 0));
            }
            let (word, len_at, value_at, value) = header(&mut cursor)?;
            let code = ExtensionType(word & TYPE);
            if code == ExtensionType::END {
                if !value.is_empty() {
                    return Err(Error::new(Layer::NhrpExtension, ErrorKind::BadLength, len_at, 0, value.len()));
                }
                return Ok(());
            }
            // One push per type, so that each writes into the list what its type needs, and not via a common place.
            let mut push = |value| push(extensions, word, value);
            match code {
                ExtensionType::RESPONDER_ADDRESS => push(ExtensionValue::ResponderAddress(Cies::new())),
                ExtensionType::FORWARD_TRANSIT => push(ExtensionValue::ForwardTransit(Cies::new())),
                ExtensionType::REVERSE_TRANSIT => push(ExtensionValue::ReverseTransit(Cies::new())),
                ExtensionType::CISCO_NAT => push(ExtensionValue::CiscoNat(Cies::new())),
                ExtensionType::AUTHENTICATION => {
                    push(ExtensionValue::Authentication(Authentication::parse(value, src_proto_len)));
                }
                ExtensionType::VENDOR_PRIVATE => {
                    let mut cursor = Cursor::new(value, value_at, Layer::NhrpExtension);
                    push(ExtensionValue::VendorPrivate { oui: cursor.array()?, data: cursor.take_rest().to_vec() });
                }
                _ => push(ExtensionValue::Unknown { code, data: value.to_vec() }),
            }
            if !value.is_empty()
                && let Some(cies) = extensions.last_mut().and_then(|extension| extension.value.cies_mut())
            {
                Cie::parse_all(value, value_at, families, cies)?;
            }
        }
    }

    #[inline]
    pub(crate) fn write(&self, writer: &mut Writer<'_>, families: Families, src_proto_len: usize) -> Result<()> {
        let word =
            self.code().0 & TYPE | if self.compulsory { COMPULSORY } else { 0 } | if self.unused { U_BIT } else { 0 };
        let len = self.value.emitted_len();
        let Ok(wire_len) = u16::try_from(len) else {
            return Err(Error::new(Layer::NhrpExtension, ErrorKind::BadLength, writer.offset() + 2, 0xffff, len));
        };
        writer.array(word.to_be_bytes());
        writer.array(wire_len.to_be_bytes());
        self.value.write(writer, families, src_proto_len)
    }

    #[inline]
    pub(crate) fn write_end(writer: &mut Writer<'_>) {
        writer.array([0x80, 0, 0, 0]);
    }
}

/// One extension's type word, offset of its length, offset of its value, value.
#[inline]
fn header<'a>(cursor: &mut Cursor<'a>) -> Result<(u16, usize, usize, &'a [u8])> {
    let len_at = cursor.offset() + 2;
    let [t0, t1, l0, l1] = cursor.array::<HEADER_LEN>()?;
    let value_at = cursor.offset();
    let value = cursor.take(u16::from_be_bytes([l0, l1]).into())?;
    Ok((u16::from_be_bytes([t0, t1]), len_at, value_at, value))
}

#[inline(always)]
fn push(extensions: &mut Extensions, word: u16, value: ExtensionValue) {
    extensions.push(Extension { compulsory: word & COMPULSORY != 0, unused: word & U_BIT != 0, value });
}

impl ExtensionValue {
    /// The type of this value.
    #[inline]
    pub const fn code(&self) -> ExtensionType {
        match self {
            Self::ResponderAddress(_) => ExtensionType::RESPONDER_ADDRESS,
            Self::ForwardTransit(_) => ExtensionType::FORWARD_TRANSIT,
            Self::ReverseTransit(_) => ExtensionType::REVERSE_TRANSIT,
            Self::Authentication(_) => ExtensionType::AUTHENTICATION,
            Self::VendorPrivate { .. } => ExtensionType::VENDOR_PRIVATE,
            Self::CiscoNat(_) => ExtensionType::CISCO_NAT,
            Self::Unknown { code, .. } => *code,
        }
    }

    /// The client entries, in the types that are made of them.
    pub const fn cies(&self) -> Option<&Cies> {
        match self {
            Self::ResponderAddress(cies)
            | Self::ForwardTransit(cies)
            | Self::ReverseTransit(cies)
            | Self::CiscoNat(cies) => Some(cies),
            Self::Authentication(_) | Self::VendorPrivate { .. } | Self::Unknown { .. } => None,
        }
    }

    /// The client entries to change, in the types that are made of them.
    #[inline]
    pub const fn cies_mut(&mut self) -> Option<&mut Cies> {
        match self {
            Self::ResponderAddress(cies)
            | Self::ForwardTransit(cies)
            | Self::ReverseTransit(cies)
            | Self::CiscoNat(cies) => Some(cies),
            Self::Authentication(_) | Self::VendorPrivate { .. } | Self::Unknown { .. } => None,
        }
    }

    /// Octets of the value on the wire.
    #[inline]
    pub fn emitted_len(&self) -> usize {
        match self {
            Self::ResponderAddress(cies)
            | Self::ForwardTransit(cies)
            | Self::ReverseTransit(cies)
            | Self::CiscoNat(cies) => cies.iter().map(Cie::emitted_len).sum(),
            Self::Authentication(authentication) => authentication.emitted_len(),
            Self::VendorPrivate { oui, data } => oui.len() + data.len(),
            Self::Unknown { data, .. } => data.len(),
        }
    }

    #[inline]
    fn write(&self, writer: &mut Writer<'_>, families: Families, src_proto_len: usize) -> Result<()> {
        match self {
            Self::ResponderAddress(cies)
            | Self::ForwardTransit(cies)
            | Self::ReverseTransit(cies)
            | Self::CiscoNat(cies) => cies.iter().try_for_each(|cie| cie.write(writer, families))?,
            Self::Authentication(authentication) => authentication.write(writer, src_proto_len)?,
            Self::VendorPrivate { oui, data } => {
                writer.array(*oui);
                writer.slice(data);
            }
            Self::Unknown { data, .. } => writer.slice(data),
        }
        Ok(())
    }
}

/// The value of an authentication extension. `Debug` shows lengths only.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Authentication {
    /// What all DMVPN implementations send: `00 00 00 01`, then the secret in clear text.
    Cisco(Secret),
    /// RFC 2332, section 5.3.4.1: a digest over the message.
    Rfc {
        /// Security parameter index.
        spi: u16,
        /// Source protocol address: as many octets as the message's source protocol address has.
        src: Secret,
        /// The digest, 16 octets or more.
        digest: Secret,
    },
    /// Neither.
    Raw(Secret),
}

impl Authentication {
    /// Reads the value of an authentication extension in a message whose source protocol address has `src_proto_len`
    /// octets. Both layouts begin alike; what is too short for an address and a digest, and has SPI 1, is Cisco's.
    pub fn parse(value: &[u8], src_proto_len: usize) -> Self {
        let raw = || Self::Raw(Secret::new(value));
        let Some((&[r0, r1, s0, s1], rest)) = value.split_first_chunk::<4>() else { return raw() };
        let digest = rest.split_at_checked(src_proto_len).filter(|(_, digest)| digest.len() >= DIGEST_LEN);
        match digest {
            None if [r0, r1, s0, s1] == CISCO_CLEAR_TEXT => Self::Cisco(Secret::new(rest)),
            Some((src, digest)) if [r0, r1] == [0, 0] => {
                Self::Rfc { spi: u16::from_be_bytes([s0, s1]), src: Secret::new(src), digest: Secret::new(digest) }
            }
            _ => raw(),
        }
    }

    /// Octets on the wire.
    #[inline]
    pub fn emitted_len(&self) -> usize {
        match self {
            Self::Cisco(secret) => CISCO_CLEAR_TEXT.len() + secret.len(),
            Self::Rfc { src, digest, .. } => 4 + src.len() + digest.len(),
            Self::Raw(value) => value.len(),
        }
    }

    fn write(&self, writer: &mut Writer<'_>, src_proto_len: usize) -> Result<()> {
        let at = writer.offset();
        let check = |ok: bool, needed, had| {
            if ok { Ok(()) } else { Err(Error::new(Layer::NhrpExtension, ErrorKind::BadLength, at, needed, had)) }
        };
        match self {
            Self::Cisco(secret) => {
                // Longer, and a reader could not tell it from the layout of the RFC.
                let limit = src_proto_len + DIGEST_LEN - 1;
                check(secret.len() <= limit, limit, secret.len())?;
                writer.array(CISCO_CLEAR_TEXT);
                writer.slice(secret.as_bytes());
            }
            Self::Rfc { spi, src, digest } => {
                check(src.len() == src_proto_len, src_proto_len, src.len())?;
                check(digest.len() >= DIGEST_LEN, DIGEST_LEN, digest.len())?;
                writer.array([0, 0]);
                writer.array(spi.to_be_bytes());
                writer.slice(src.as_bytes());
                writer.slice(digest.as_bytes());
            }
            Self::Raw(value) => writer.slice(value.as_bytes()),
        }
        Ok(())
    }
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cisco(secret) => write!(f, "Cisco({secret:?})"),
            Self::Rfc { spi, digest, .. } => write!(f, "Rfc {{ spi: {spi}, digest: {digest:?} }}"),
            Self::Raw(value) => write!(f, "Raw({value:?})"),
        }
    }
}

/// Octets that no log may show: `Debug` prints their number.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Secret(SmallVec<[u8; 16]>);

impl Secret {
    /// A copy of `octets`.
    pub fn new(octets: &[u8]) -> Self {
        Self(SmallVec::from_slice(octets))
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} octets>", self.len())
    }
}

/// View of one extension whose octets are all there.
#[derive(Clone, Copy)]
pub struct ExtensionView<'a> {
    word: u16,
    offset: usize,
    value: &'a [u8],
}

impl<'a> ExtensionView<'a> {
    /// Octets from the start of the message to this extension's header.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Octets from the start of the message to this extension's value.
    pub const fn value_offset(&self) -> usize {
        self.offset + HEADER_LEN
    }

    /// The type.
    #[inline]
    pub const fn code(&self) -> ExtensionType {
        ExtensionType(self.word & TYPE)
    }

    /// C.
    pub const fn compulsory(&self) -> bool {
        self.word & COMPULSORY != 0
    }

    /// u.
    pub const fn unused(&self) -> bool {
        self.word & U_BIT != 0
    }

    /// The value. Of an authentication extension this is a secret.
    pub const fn value(&self) -> &'a [u8] {
        self.value
    }

    /// The value read as client entries, whatever the type.
    pub const fn cies(&self) -> CieIter<'a> {
        CieIter::new(self.value, self.value_offset())
    }

    /// Whether the type is one whose value is made of client entries.
    pub const fn has_cies(&self) -> bool {
        matches!(
            self.code(),
            ExtensionType::RESPONDER_ADDRESS
                | ExtensionType::FORWARD_TRANSIT
                | ExtensionType::REVERSE_TRANSIT
                | ExtensionType::CISCO_NAT
        )
    }
}

impl fmt::Debug for ExtensionView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExtensionView {{ {} at {}, {} octets }}", self.code(), self.offset, self.value.len())
    }
}

/// Steps over extensions, End included, as far as the octets go. If they end without an End, or inside an extension, the
/// last item says where.
#[derive(Clone, Debug)]
pub struct ExtensionIter<'a> {
    cursor: Cursor<'a>,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Reading,
    Failed(Error),
    Done,
}

impl<'a> ExtensionIter<'a> {
    pub(crate) const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { cursor: Cursor::new(bytes, at, Layer::NhrpExtension), state: State::Reading }
    }

    pub(crate) const fn none() -> Self {
        Self { cursor: Cursor::new(&[], 0, Layer::NhrpExtension), state: State::Done }
    }

    pub(crate) const fn failed(error: Error) -> Self {
        Self { cursor: Cursor::new(&[], 0, Layer::NhrpExtension), state: State::Failed(error) }
    }

    /// Offset behind what was read so far.
    pub const fn offset(&self) -> usize {
        self.cursor.offset()
    }
}

impl<'a> Iterator for ExtensionIter<'a> {
    type Item = Result<ExtensionView<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Done => return None,
            State::Failed(error) => return Some(Err(error)),
            State::Reading => {}
        }
        let offset = self.cursor.offset();
        if self.cursor.is_empty() {
            return Some(Err(Error::new(Layer::NhrpExtension, ErrorKind::MissingEnd, offset, HEADER_LEN, 0)));
        }
        match header(&mut self.cursor) {
            Ok((word, _, _, value)) => {
                if ExtensionType(word & TYPE) != ExtensionType::END {
                    self.state = State::Reading;
                }
                Some(Ok(ExtensionView { word, offset, value }))
            }
            Err(error) => Some(Err(error)),
        }
    }
}

impl std::iter::FusedIterator for ExtensionIter<'_> {}
