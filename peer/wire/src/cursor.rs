//! Reading and writing octets in order, without an index that could panic.

use crate::error::{Error, ErrorKind, Layer, Result};

/// Reads forward and knows its absolute offset, so that errors do.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
    at: usize,
    layer: Layer,
}

impl<'a> Cursor<'a> {
    /// A reader of `rest`, whose first octet is `at` octets into the message.
    pub(crate) const fn new(rest: &'a [u8], at: usize, layer: Layer) -> Self {
        Self { rest, at, layer }
    }

    pub(crate) const fn offset(&self) -> usize {
        self.at
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline(always)]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let Some((head, tail)) = self.rest.split_first_chunk::<N>() else { return Err(self.truncated(N)) };
        self.rest = tail;
        self.at += N;
        Ok(*head)
    }

    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let Some((head, tail)) = self.rest.split_at_checked(len) else { return Err(self.truncated(len)) };
        self.rest = tail;
        self.at += len;
        Ok(head)
    }

    /// Everything that is left.
    pub(crate) fn take_rest(&mut self) -> &'a [u8] {
        let rest = self.rest;
        self.at += rest.len();
        self.rest = &[];
        rest
    }

    #[cold]
    pub(crate) const fn truncated(&self, needed: usize) -> Error {
        Error::new(self.layer, ErrorKind::Truncated, self.at, needed, self.rest.len())
    }
}

/// Writes forward. Running out of room is remembered and reported once, at the end: `emit` knows its length beforehand.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    rest: &'a mut [u8],
    at: usize,
    room: usize,
}

impl<'a> Writer<'a> {
    pub(crate) const fn new(bytes: &'a mut [u8]) -> Self {
        let room = bytes.len();
        Self { rest: bytes, at: 0, room }
    }

    /// Octets written, or that would have been.
    pub(crate) const fn offset(&self) -> usize {
        self.at
    }

    #[inline(always)]
    pub(crate) fn array<const N: usize>(&mut self, octets: [u8; N]) {
        self.at += N;
        if let Some((head, tail)) = std::mem::take(&mut self.rest).split_first_chunk_mut::<N>() {
            *head = octets;
            self.rest = tail;
        }
    }

    #[inline]
    pub(crate) fn slice(&mut self, octets: &[u8]) {
        self.at += octets.len();
        if let Some((head, tail)) = std::mem::take(&mut self.rest).split_at_mut_checked(octets.len()) {
            head.copy_from_slice(octets);
            self.rest = tail;
        }
    }

    pub(crate) const fn finish(self, layer: Layer) -> Result<usize> {
        if self.at > self.room {
            return Err(Error::new(layer, ErrorKind::NoRoom, 0, self.at, self.room));
        }
        Ok(self.at)
    }
}

/// The octet at `at`, if there is one.
#[inline]
pub(crate) fn u8_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

/// The big-endian number in the two octets at `at`, if both are there.
#[inline]
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The big-endian number in the four octets at `at`, if all are there.
#[inline]
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Overwrites octets at `at`; does nothing (and says `false`) where they would not fit.
#[inline]
pub(crate) fn put_at<const N: usize>(bytes: &mut [u8], at: usize, octets: [u8; N]) -> bool {
    match bytes.get_mut(at..).and_then(|tail| tail.first_chunk_mut::<N>()) {
        Some(place) => {
            *place = octets;
            true
        }
        None => false,
    }
}
