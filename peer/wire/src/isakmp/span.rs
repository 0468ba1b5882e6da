//! Octets that know where in their message they stand.

use std::ops::Range;

use crate::cursor::{u8_at, u16_at, u32_at};
use crate::error::{Error, ErrorKind, Layer, Result};

/// Some octets of a message, with their offset from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span<'a> {
    octets: &'a [u8],
    offset: usize,
}

impl<'a> Span<'a> {
    /// `octets`, which begin `offset` octets into the message.
    pub const fn new(octets: &'a [u8], offset: usize) -> Self {
        Self { octets, offset }
    }

    /// The octets.
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// Octets from the start of the message to the first of these.
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.octets.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// Where they stand in the message.
    pub const fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.octets.len()
    }

    /// What stands behind the first `len` octets; empty where not even those are there.
    pub fn behind(&self, len: usize) -> Self {
        let len = len.min(self.octets.len());
        Self { octets: self.octets.get(len..).unwrap_or_default(), offset: self.offset + len }
    }

    /// The first `len` octets, or as many as are there.
    pub fn cut(&self, len: usize) -> Self {
        Self { octets: self.octets.get(..len).unwrap_or(self.octets), offset: self.offset }
    }

    /// The `len` octets behind the first `at`, if all of them are there.
    pub fn part(&self, at: usize, len: usize) -> Option<Self> {
        let octets = self.octets.get(at..)?.get(..len)?;
        Some(Self { octets, offset: self.offset + at })
    }

    /// The number in octet `at`.
    pub fn u8(&self, at: usize) -> Option<u8> {
        u8_at(self.octets, at)
    }

    /// The number in the two octets at `at`.
    pub fn u16(&self, at: usize) -> Option<u16> {
        u16_at(self.octets, at)
    }

    /// The number in the four octets at `at`.
    pub fn u32(&self, at: usize) -> Option<u32> {
        u32_at(self.octets, at)
    }

    /// The number that all of the octets are, if they are one to eight.
    pub fn number(&self) -> Option<u64> {
        (1..=8)
            .contains(&self.len())
            .then(|| self.octets.iter().fold(0, |number, octet| number << 8 | u64::from(*octet)))
    }

    /// That there are `needed` octets.
    pub(super) const fn has(&self, needed: usize, layer: Layer) -> Result<()> {
        if self.len() < needed {
            return Err(Error::new(layer, ErrorKind::Truncated, self.offset, needed, self.len()));
        }
        Ok(())
    }
}
