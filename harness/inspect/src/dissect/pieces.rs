//! IKEv2 messages that were sent in pieces, put together again (RFC 7383 section 2.6).

use std::collections::{BTreeMap, VecDeque};

use dmvpn_wire::isakmp::PayloadType;

/// How many messages may wait for pieces. The one that has waited longest goes when another comes.
const MAX_WAITING: usize = 64;
/// The most octets that the pieces of one message may have; an IKE message that was sent whole has no more either.
const MAX_OCTETS: usize = 65_535;
/// What an empty piece is counted as, so that there is an end of them too.
const LEAST: usize = 16;

/// What pieces of one message have in common: SPIs, exchange type, flags, Message ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessageKey {
    /// SPIs of initiator and responder.
    pub(crate) spis: (u64, u64),
    /// Exchange type.
    pub(crate) exchange: u8,
    /// The flags octet: who sends, and whether it asks.
    pub(crate) flags: u8,
    /// Message ID.
    pub(crate) id: u32,
}

/// What a piece says of itself, in the four octets of an SKF payload (RFC 7383 section 2.5) and the type of the payload
/// that comes next, which only the first piece has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    /// Its number, from 1.
    pub(crate) number: u16,
    /// How many pieces there are.
    pub(crate) total: u16,
    /// Type of the first payload inside.
    pub(crate) next: PayloadType,
}

#[derive(Debug)]
struct Message {
    key: MessageKey,
    total: u16,
    first: PayloadType,
    octets: usize,
    pieces: BTreeMap<u16, Vec<u8>>,
}

/// Messages that wait for the rest of them, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    waiting: VecDeque<Message>,
    given_up: u64,
}

impl Pieces {
    /// Takes the plain text of a piece in. If that was the last one that was missing, the message comes out: the type of
    /// its first payload, and its payloads.
    pub(crate) fn add(&mut self, key: MessageKey, piece: Piece, plain: &[u8]) -> Option<(PayloadType, Vec<u8>)> {
        let Piece { number, total, next } = piece;
        if number == 0 || number > total {
            return None;
        }
        // Section 2.6.1: a sender may begin again with smaller pieces, of which there are more; older ones are void.
        let known = self.waiting.iter().position(|message| message.key == key);
        let at = match known.map(|at| (at, self.waiting[at].total)) {
            Some((_, before)) if before > total => return None,
            Some((at, before)) if before < total => {
                self.waiting.remove(at);
                self.given_up += 1;
                self.wait_for(key, total)
            }
            Some((at, _)) => at,
            None => self.wait_for(key, total),
        };
        let message = &mut self.waiting[at];
        if message.pieces.contains_key(&number) {
            return None;
        }
        if number == 1 {
            message.first = next;
        }
        message.octets += plain.len().max(LEAST);
        message.pieces.insert(number, plain.to_vec());
        if message.octets > MAX_OCTETS {
            self.waiting.remove(at);
            self.given_up += 1;
            return None;
        }
        if message.pieces.len() < usize::from(total) {
            return None;
        }
        let message = self.waiting.remove(at)?;
        Some((message.first, message.pieces.into_values().flatten().collect()))
    }

    /// Waits for the pieces of a message, and says at which place.
    fn wait_for(&mut self, key: MessageKey, total: u16) -> usize {
        if self.waiting.len() >= MAX_WAITING {
            self.waiting.pop_front();
            self.given_up += 1;
        }
        let (first, pieces) = (PayloadType::NONE, BTreeMap::new());
        self.waiting.push_back(Message { key, total, first, octets: 0, pieces });
        self.waiting.len() - 1
    }

    /// How many messages were given up before they were whole.
    pub(crate) fn given_up(&self) -> u64 {
        self.given_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u32) -> MessageKey {
        MessageKey { spis: (1, 2), exchange: 35, flags: 8, id }
    }

    fn piece(number: u16, total: u16) -> Piece {
        Piece { number, total, next: if number == 1 { PayloadType::IDI } else { PayloadType::NONE } }
    }

    #[test]
    fn pieces_make_a_whole_in_any_order_and_a_copy_adds_nothing() {
        let mut pieces = Pieces::default();
        assert_eq!(pieces.add(key(1), piece(3, 3), &[5, 6]), None);
        assert_eq!(pieces.add(key(1), piece(1, 3), &[1, 2]), None);
        assert_eq!(pieces.add(key(1), piece(1, 3), &[1, 2]), None);
        assert_eq!(pieces.add(key(2), piece(2, 3), &[9]), None);
        let whole = pieces.add(key(1), piece(2, 3), &[3, 4]);
        assert_eq!(whole, Some((PayloadType::IDI, vec![1, 2, 3, 4, 5, 6])));
        assert_eq!((pieces.waiting.len(), pieces.given_up()), (1, 0));
    }

    #[test]
    fn smaller_pieces_replace_larger_ones_and_never_the_other_way_round() {
        let mut pieces = Pieces::default();
        assert_eq!(pieces.add(key(1), piece(1, 2), &[1, 2, 3]), None);
        assert_eq!(pieces.add(key(1), piece(1, 3), &[1]), None);
        assert_eq!(pieces.add(key(1), piece(2, 2), &[4]), None);
        assert_eq!(pieces.add(key(1), piece(2, 3), &[2]), None);
        assert_eq!(pieces.add(key(1), piece(3, 3), &[3]), Some((PayloadType::IDI, vec![1, 2, 3])));
        assert_eq!((pieces.waiting.len(), pieces.given_up()), (0, 1));
    }

    #[test]
    fn what_waits_is_bounded_and_what_goes_is_counted() {
        let mut pieces = Pieces::default();
        for id in 0..1000 {
            assert_eq!(pieces.add(key(id), piece(1, 2), &[0; 8]), None);
        }
        assert_eq!((pieces.waiting.len(), pieces.given_up()), (MAX_WAITING, 1000 - MAX_WAITING as u64));
        let mut pieces = Pieces::default();
        for number in 1..=u16::MAX {
            assert_eq!(pieces.add(key(1), piece(number, u16::MAX), &[]), None);
        }
        assert!(pieces.given_up() > 10 && pieces.waiting.len() <= 1);
        assert_eq!(pieces.add(key(2), piece(0, 2), &[]), None);
        assert_eq!(pieces.add(key(2), piece(3, 2), &[]), None);
    }
}
