//! What a security association payload offers: proposals of transforms with attributes. RFC 7296 section 3.3; for IKEv1
//! RFC 2408 sections 3.3 to 3.6.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | more (2) or 0 |   Reserved    |        Proposal length        |
//! |    Number     |  Protocol ID  |   SPI size    |  Transforms   |
//! |                  SPI, then the transforms                     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | more (3) or 0 |   Reserved    |       Transform length        |
//! |     Type      |   Reserved    |         Transform ID          |   IKEv2
//! |    Number     | Transform ID  |           Reserved            |   IKEv1
//! |                          Attributes                           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |F|            Type             |  F=1: Value, F=0: Length      |
//! |                       F=0: Value                              |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::chain::{HEADER_LEN, Link, Links};
use super::ike1::{Doi, Situation};
use super::span::Span;
use crate::error::{Error, ErrorKind, Layer, Result};

/// How many proposals of one payload are read; they are numbered by an octet.
pub const MAX_PROPOSALS: usize = 256;
/// How many transforms of one proposal are read; they are counted by an octet.
pub const MAX_TRANSFORMS: usize = 256;
/// How many attributes of one transform or configuration are read.
pub const MAX_ATTRIBUTES: usize = 256;

/// Bit of an attribute's first word: the value stands in the second one.
const FORMAT_TV: u16 = 0x8000;

/// View of the body of an IKEv1 security association payload (RFC 2408 section 3.4, RFC 2407 section 4.6.1). In IKEv2 the
/// body is [`Proposals`] and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Association<'a> {
    body: Span<'a>,
}

impl<'a> Association<'a> {
    /// Octets in front of the proposals.
    pub const MIN_LEN: usize = 8;

    /// A view of a payload's body.
    pub const fn new(body: Span<'a>) -> Self {
        Self { body }
    }

    /// Whose numbers the rest is made of.
    pub fn doi(&self) -> Option<Doi> {
        self.body.u32(0).map(Doi)
    }

    /// What the SA is for.
    pub fn situation(&self) -> Option<Situation> {
        self.body.u32(4).map(Situation)
    }

    /// The proposals. None are looked for behind the labels of a situation with secrecy or integrity, which nobody uses.
    pub fn proposals(&self) -> Proposals<'a> {
        match self.situation() {
            Some(Situation::IDENTITY_ONLY) => Proposals::new(self.body.behind(Self::MIN_LEN)),
            _ => Proposals { links: Links::new(Span::default(), Layer::IkeProposal, 0), last: true },
        }
    }

    /// That the fields in front of the proposals are all there.
    pub const fn check(&self) -> Result<()> {
        self.body.has(Self::MIN_LEN, Layer::IkePayload)
    }
}

/// Steps over proposals as far as the octets go. If they break, the last item says where.
#[derive(Clone, Debug)]
pub struct Proposals<'a> {
    links: Links<'a>,
    last: bool,
}

impl<'a> Proposals<'a> {
    /// The proposals in `octets`.
    pub const fn new(octets: Span<'a>) -> Self {
        Self { links: Links::new(octets, Layer::IkeProposal, MAX_PROPOSALS), last: false }
    }
}

impl<'a> Iterator for Proposals<'a> {
    type Item = Result<ProposalView<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.last {
            self.links.finish();
        }
        let link = match self.links.next()? {
            Ok(link) => link,
            Err(error) => return Some(Err(error)),
        };
        self.last = link.next == 0;
        Some(Ok(ProposalView { link }))
    }
}

impl std::iter::FusedIterator for Proposals<'_> {}

/// View of one proposal.
#[derive(Clone, Copy, Debug)]
pub struct ProposalView<'a> {
    link: Link<'a>,
}

impl<'a> ProposalView<'a> {
    /// Octets from the start of the message to this proposal.
    pub const fn offset(&self) -> usize {
        self.link.offset
    }

    /// 2 if another proposal follows, 0 in the last one.
    pub const fn more(&self) -> u8 {
        self.link.next
    }

    /// Octets of the proposal, by its own word.
    pub const fn length(&self) -> u16 {
        self.link.length
    }

    /// Its number. In IKEv1 proposals of one number are wanted together.
    pub fn number(&self) -> Option<u8> {
        self.link.body.u8(0)
    }

    /// The protocol that is negotiated: [`ike1::Protocol`](super::ike1::Protocol) or
    /// [`ike2::Protocol`](super::ike2::Protocol).
    pub fn protocol(&self) -> Option<u8> {
        self.link.body.u8(1)
    }

    /// Octets of the SPI.
    pub fn spi_size(&self) -> Option<u8> {
        self.link.body.u8(2)
    }

    /// How many transforms it has, by its own word.
    pub fn transform_count(&self) -> Option<u8> {
        self.link.body.u8(3)
    }

    /// The SPI of who proposes; empty where there is none yet.
    pub fn spi(&self) -> Option<Span<'a>> {
        self.link.body.part(4, self.spi_size()?.into())
    }

    /// The transforms.
    pub fn transforms(&self) -> Transforms<'a> {
        let fixed = 4 + self.spi_size().map_or(0, usize::from);
        let octets = self.link.body.behind(fixed);
        // Without any transform there is no chain to begin.
        let last = octets.is_empty() && matches!(self.transform_count(), None | Some(0));
        Transforms { links: Links::new(octets, Layer::IkeTransform, MAX_TRANSFORMS), last }
    }

    /// That all fields in front of the transforms are there.
    pub fn check(&self) -> Result<()> {
        self.link.body.has(4 + self.spi_size().map_or(0, usize::from), Layer::IkeProposal)
    }
}

/// Steps over transforms as far as the octets go. If they break, the last item says where.
#[derive(Clone, Debug)]
pub struct Transforms<'a> {
    links: Links<'a>,
    last: bool,
}

impl<'a> Iterator for Transforms<'a> {
    type Item = Result<TransformView<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.last {
            self.links.finish();
        }
        let link = match self.links.next()? {
            Ok(link) => link,
            Err(error) => return Some(Err(error)),
        };
        self.last = link.next == 0;
        Some(Ok(TransformView { link }))
    }
}

impl std::iter::FusedIterator for Transforms<'_> {}

/// View of one transform, of either version.
#[derive(Clone, Copy, Debug)]
pub struct TransformView<'a> {
    link: Link<'a>,
}

impl<'a> TransformView<'a> {
    /// Octets of a transform without attributes.
    pub const MIN_LEN: usize = 8;

    /// Octets from the start of the message to this transform.
    pub const fn offset(&self) -> usize {
        self.link.offset
    }

    /// 3 if another transform follows, 0 in the last one.
    pub const fn more(&self) -> u8 {
        self.link.next
    }

    /// Octets of the transform, by its own word.
    pub const fn length(&self) -> u16 {
        self.link.length
    }

    /// IKEv2: what kind of algorithm this is, [`ike2::TransformType`](super::ike2::TransformType).
    pub fn kind(&self) -> Option<super::ike2::TransformType> {
        self.link.body.u8(0).map(super::ike2::TransformType)
    }

    /// IKEv2: which algorithm; the numbers of each kind are its own.
    pub fn id(&self) -> Option<u16> {
        self.link.body.u16(2)
    }

    /// IKEv1: its number within the proposal.
    pub fn number1(&self) -> Option<u8> {
        self.link.body.u8(0)
    }

    /// IKEv1: which algorithm; the numbers of each protocol are its own.
    pub fn id1(&self) -> Option<u8> {
        self.link.body.u8(1)
    }

    /// The attributes.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(self.link.body.behind(Self::MIN_LEN - HEADER_LEN))
    }

    /// That all fields in front of the attributes are there.
    pub const fn check(&self) -> Result<()> {
        self.link.body.has(Self::MIN_LEN - HEADER_LEN, Layer::IkeTransform)
    }
}

/// View of one attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttributeView<'a> {
    short: bool,
    kind: u16,
    offset: usize,
    length: usize,
    value: Span<'a>,
}

impl<'a> AttributeView<'a> {
    /// Octets from the start of the message to this attribute.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// F: the value is the two octets behind the type, and there is no length.
    pub const fn is_short(&self) -> bool {
        self.short
    }

    /// The type, 15 bits.
    pub const fn kind(&self) -> u16 {
        self.kind
    }

    /// Octets of the value, by the attribute's own word.
    pub const fn length(&self) -> usize {
        self.length
    }

    /// The value, as far as it is there.
    pub const fn value(&self) -> Span<'a> {
        self.value
    }
}

/// Steps over attributes as far as the octets go. If they end inside one, it comes first and then where it ends.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    rest: Span<'a>,
    left: usize,
    /// Whether the first bit is a format and not a reserved one, as in configurations of IKEv2.
    formats: bool,
    failed: Option<Error>,
}

impl<'a> Attributes<'a> {
    /// The attributes in `octets`, in short or long form each.
    pub const fn new(octets: Span<'a>) -> Self {
        Self { rest: octets, left: MAX_ATTRIBUTES, formats: true, failed: None }
    }

    /// The attributes in `octets`, which all have a length (RFC 7296 section 3.15.1).
    pub(super) const fn long(octets: Span<'a>) -> Self {
        Self { formats: false, ..Self::new(octets) }
    }

    fn fail<T>(&mut self, kind: ErrorKind, needed: usize) -> Option<Result<T>> {
        let error = Error::new(Layer::IkeAttribute, kind, self.rest.offset(), needed, self.rest.len());
        self.rest = Span::default();
        Some(Err(error))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<AttributeView<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            self.rest = Span::default();
            return Some(Err(error));
        }
        if self.rest.is_empty() {
            return None;
        }
        if self.left == 0 {
            return self.fail(ErrorKind::TooMany, MAX_ATTRIBUTES);
        }
        self.left -= 1;
        let (Some(word), Some(second)) = (self.rest.u16(0), self.rest.u16(2)) else {
            return self.fail(ErrorKind::Truncated, HEADER_LEN);
        };
        let offset = self.rest.offset();
        let short = self.formats && word & FORMAT_TV != 0;
        let (start, length) = if short { (2, 2) } else { (HEADER_LEN, usize::from(second)) };
        let value = self.rest.behind(start).cut(length);
        if value.len() < length {
            let (needed, had) = (start + length, self.rest.len());
            self.failed = Some(Error::new(Layer::IkeAttribute, ErrorKind::Truncated, offset, needed, had));
        }
        self.rest = self.rest.behind(start + length);
        Some(Ok(AttributeView { short, kind: word & !FORMAT_TV, offset, length, value }))
    }
}

impl std::iter::FusedIterator for Attributes<'_> {}
