//! The chain of payloads: RFC 7296 section 3.2; the same layout in RFC 2408 section 3.2.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Next payload  |C|  Reserved   |         Payload length        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Proposals and transforms are chained in the same way; their first octet only says whether another follows.

use super::code::PayloadType;
use super::span::Span;
use crate::error::{Error, ErrorKind, Layer, Result};

/// How many payloads of one message are read. Each takes four octets at least, so that a message could hold 16,000.
pub const MAX_PAYLOADS: usize = 256;

/// Octets of the header of each element.
pub(super) const HEADER_LEN: usize = 4;

/// One element of a chain, of whose header all octets are there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link<'a> {
    pub(super) next: u8,
    pub(super) flags: u8,
    /// Octets with the header, by its own word.
    pub(super) length: u16,
    pub(super) offset: usize,
    /// What is behind the header, as far as it is there.
    pub(super) body: Span<'a>,
}

/// Steps over a chain as far as the octets go. It ends where an element says that none follows. If it breaks, the last
/// item says where; an element that is only cut comes in front of that.
#[derive(Clone, Debug)]
pub(super) struct Links<'a> {
    rest: Span<'a>,
    layer: Layer,
    /// Elements that may still come.
    left: usize,
    limit: usize,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Reading,
    Failed(Error),
    Done,
}

impl<'a> Links<'a> {
    pub(super) const fn new(octets: Span<'a>, layer: Layer, limit: usize) -> Self {
        Self { rest: octets, layer, left: limit, limit, state: State::Reading }
    }

    /// No element is to come: what is left is too much.
    pub(super) const fn finish(&mut self) {
        if let State::Reading = self.state {
            self.state = match self.rest.len() {
                0 => State::Done,
                left => State::Failed(self.error(ErrorKind::Trailing, 0, left)),
            };
        }
    }

    const fn error(&self, kind: ErrorKind, needed: usize, had: usize) -> Error {
        Error::new(self.layer, kind, self.rest.offset(), needed, had)
    }

    fn read(&mut self) -> Result<Link<'a>> {
        let had = self.rest.len();
        if self.left == 0 {
            return Err(self.error(ErrorKind::TooMany, self.limit, had));
        }
        self.left -= 1;
        let Some([next, flags, high, low]) = self.rest.octets().first_chunk::<HEADER_LEN>().copied() else {
            return Err(self.error(ErrorKind::Truncated, HEADER_LEN, had));
        };
        let length = u16::from_be_bytes([high, low]);
        let wanted = usize::from(length);
        let offset = self.rest.offset();
        if wanted < HEADER_LEN {
            self.state = State::Failed(Error::new(self.layer, ErrorKind::BadLength, offset + 2, HEADER_LEN, wanted));
        } else if wanted > had {
            self.state = State::Failed(self.error(ErrorKind::Truncated, wanted, had));
        }
        let body = self.rest.cut(wanted.max(HEADER_LEN)).behind(HEADER_LEN);
        self.rest = self.rest.behind(wanted.max(HEADER_LEN));
        Ok(Link { next, flags, length, offset, body })
    }
}

impl<'a> Iterator for Links<'a> {
    type Item = Result<Link<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.state {
            State::Done => None,
            State::Failed(error) => {
                self.state = State::Done;
                Some(Err(error))
            }
            State::Reading => {
                let link = self.read();
                if link.is_err() {
                    self.state = State::Done;
                }
                Some(link)
            }
        }
    }
}

/// View of one payload. If the message is cut inside it, its body is what is there.
#[derive(Clone, Copy, Debug)]
pub struct PayloadView<'a> {
    kind: PayloadType,
    link: Link<'a>,
}

impl<'a> PayloadView<'a> {
    /// Octets of the generic header.
    pub const HEADER_LEN: u16 = HEADER_LEN as u16;

    /// Its type, which stands in what is in front of it.
    pub const fn kind(&self) -> PayloadType {
        self.kind
    }

    /// Type of the next payload; for the encrypted payloads of IKEv2 of the first one inside.
    pub const fn next_payload(&self) -> PayloadType {
        PayloadType(self.link.next)
    }

    /// C: who does not know the type has to refuse the message. IKEv2 only.
    pub const fn critical(&self) -> bool {
        self.link.flags & 0x80 != 0
    }

    /// Octets with the generic header, by its own word.
    pub const fn length(&self) -> u16 {
        self.link.length
    }

    /// Octets from the start of the message to the generic header.
    pub const fn offset(&self) -> usize {
        self.link.offset
    }

    /// What stands behind the generic header.
    pub const fn body(&self) -> Span<'a> {
        self.link.body
    }
}

/// Steps over payloads as far as the octets go. It ends at the payload that announces none, and at an encrypted one,
/// which is always the last (RFC 7296 section 3.14). If the chain breaks, the last item says where.
#[derive(Clone, Debug)]
pub struct Payloads<'a> {
    kind: PayloadType,
    links: Links<'a>,
}

impl<'a> Payloads<'a> {
    /// The payloads in `octets`, the first of which has type `first`.
    pub const fn new(first: PayloadType, octets: Span<'a>) -> Self {
        Self { kind: first, links: Links::new(octets, Layer::IkePayload, MAX_PAYLOADS) }
    }
}

impl<'a> Iterator for Payloads<'a> {
    type Item = Result<PayloadView<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.kind == PayloadType::NONE {
            self.links.finish();
        }
        let link = match self.links.next()? {
            Ok(link) => link,
            Err(error) => return Some(Err(error)),
        };
        let kind = self.kind;
        self.kind = if kind.is_encrypted() { PayloadType::NONE } else { PayloadType(link.next) };
        Some(Ok(PayloadView { kind, link }))
    }
}

impl std::iter::FusedIterator for Payloads<'_> {}
