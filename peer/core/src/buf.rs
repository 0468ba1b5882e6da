//! Packets with room in front, and the batch that a caller lends for the hot path.

use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::io::Transmit;

/// A packet in a buffer that keeps room for headers in front of it.
///
/// Adding a header moves a start index and no octets. A shell that reads from its TUN device into a buffer with exactly
/// the tunnel's [`headroom`](crate::node::Node::headroom) gets a packet that turns into a [`Transmit`] without a copy.
#[derive(Clone, Default)]
pub struct PacketBuf {
    octets: Vec<u8>,
    start: usize,
}

impl PacketBuf {
    /// Copies `packet` behind `headroom` free octets.
    pub fn with_headroom(headroom: usize, packet: &[u8]) -> Self {
        let mut octets = Vec::with_capacity(headroom + packet.len());
        octets.resize(headroom, 0);
        octets.extend_from_slice(packet);
        Self { octets, start: headroom }
    }

    /// Takes a buffer whose first `start` octets are free room and the rest the packet; `start` beyond the end means an
    /// empty packet.
    pub fn from_parts(octets: Vec<u8>, start: usize) -> Self {
        let start = start.min(octets.len());
        Self { octets, start }
    }

    /// Free octets in front of the packet.
    pub fn headroom(&self) -> usize {
        self.start
    }

    /// Puts `header` in front; copies the packet only if there is too little room.
    pub fn push_front(&mut self, header: &[u8]) {
        if header.len() > self.start {
            let missing = header.len() - self.start;
            self.octets.splice(0..0, std::iter::repeat_n(0, missing));
            self.start += missing;
        }
        let at = self.start - header.len();
        self.octets[at..self.start].copy_from_slice(header);
        self.start = at;
    }

    /// Drops `n` octets (at most all) from the front; they become headroom.
    pub fn pop_front(&mut self, n: usize) {
        self.start = self.start.saturating_add(n).min(self.octets.len());
    }

    /// The packet as a vector; without a copy if no headroom is left over.
    pub fn into_vec(mut self) -> Vec<u8> {
        if self.start > 0 {
            self.octets.drain(..self.start);
        }
        self.octets
    }
}

impl Deref for PacketBuf {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.octets[self.start..]
    }
}

impl DerefMut for PacketBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.octets[self.start..]
    }
}

impl AsRef<[u8]> for PacketBuf {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Vec<u8>> for PacketBuf {
    fn from(octets: Vec<u8>) -> Self {
        Self { octets, start: 0 }
    }
}

impl From<&[u8]> for PacketBuf {
    fn from(packet: &[u8]) -> Self {
        packet.to_vec().into()
    }
}

/// Two buffers are equal if their packets are, whatever room is in front.
impl PartialEq for PacketBuf {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for PacketBuf {}

impl fmt::Debug for PacketBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacketBuf").field("headroom", &self.start).field("packet", &&**self).finish()
    }
}

/// Packets that the hot path wants sent, in order; the shell hands them to one system call.
#[derive(Clone, Debug, Default)]
pub struct TxBatch {
    transmits: Vec<Transmit>,
}

impl TxBatch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a packet.
    pub fn push(&mut self, transmit: Transmit) {
        self.transmits.push(transmit);
    }

    /// The packets so far.
    pub fn as_slice(&self) -> &[Transmit] {
        &self.transmits
    }

    /// Number of packets.
    pub fn len(&self) -> usize {
        self.transmits.len()
    }

    /// Whether nothing is to be sent.
    pub fn is_empty(&self) -> bool {
        self.transmits.is_empty()
    }

    /// Takes all packets out and keeps the allocation.
    pub fn drain(&mut self) -> std::vec::Drain<'_, Transmit> {
        self.transmits.drain(..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_use_the_room_and_grow_when_it_is_short() {
        let mut packet = PacketBuf::with_headroom(3, &[9, 9]);
        packet.push_front(&[3]);
        assert_eq!((packet.headroom(), &*packet), (2, &[3, 9, 9][..]));
        packet.push_front(&[0, 1, 2]);
        assert_eq!((packet.headroom(), &*packet), (0, &[0, 1, 2, 3, 9, 9][..]));
        packet.pop_front(4);
        assert_eq!(packet.clone().into_vec(), [9, 9]);
        packet.pop_front(usize::MAX);
        assert!(packet.is_empty());
        assert!(PacketBuf::from_parts(vec![1], 7).is_empty());
    }
}
