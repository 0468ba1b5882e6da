//! The Internet checksum: RFC 1071 (computation) and RFC 1624 (incremental update).
//!
//! ```text
//! checksum = NOT ( one's complement sum of all 16-bit words, an odd last octet padded with a zero octet )
//! ```
//!
//! The sum does not depend on byte order or on the width of the words (RFC 1071, section 2), so it is taken over native
//! 64-bit words and folded once at the end.

/// The checksum of `bytes`: what belongs into the checksum field if that field is zero in `bytes`.
///
/// ```
/// assert_eq!(dmvpn_wire::checksum::of(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0x220d);
/// ```
#[inline]
pub fn of(bytes: &[u8]) -> u16 {
    let mut sum = Sum::new();
    sum.add(bytes);
    sum.finish()
}

/// Whether `bytes`, checksum field included, sum to zero.
#[inline]
pub fn verify(bytes: &[u8]) -> bool {
    of(bytes) == 0
}

/// The checksum of a message in which the 16-bit word `old` (at an even offset) became `new`, from the `checksum` it had
/// (RFC 1624, equation 3).
///
/// ```
/// use dmvpn_wire::checksum;
/// let before = checksum::of(&[0x40, 0x00, 0x12, 0x34]);
/// assert_eq!(checksum::update(before, 0x4000, 0x3f00), checksum::of(&[0x3f, 0x00, 0x12, 0x34]));
/// ```
#[inline]
pub const fn update(checksum: u16, old: u16, new: u16) -> u16 {
    !fold32(!checksum as u32 + !old as u32 + new as u32)
}

/// A checksum taken piece by piece, for messages that are not in one buffer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    /// Sum of native-endian words, folded to 64 bits after each piece.
    words: u64,
    /// Whether an odd number of octets went in, so that the next one is the low half of its word.
    odd: bool,
}

impl Sum {
    /// The sum of no octets.
    pub const fn new() -> Self {
        Self { words: 0, odd: false }
    }

    /// Adds `bytes`, which follow directly upon those added before.
    #[inline]
    pub fn add(&mut self, bytes: &[u8]) {
        // Eight octets at a time into 128 bits: no carry is lost before 2^64 words.
        let (eights, tail) = bytes.as_chunks::<8>();
        let mut wide: u128 = 0;
        for eight in eights {
            wide += u128::from(u64::from_ne_bytes(*eight));
        }
        if !tail.is_empty() {
            let mut last = [0; 8];
            for (to, from) in last.iter_mut().zip(tail) {
                *to = *from;
            }
            wide += u128::from(u64::from_ne_bytes(last));
        }
        let piece = fold128(wide);
        // A piece that begins at an odd offset has all its octets in the other half of their words.
        let piece = if self.odd { fold64(piece).swap_bytes().into() } else { piece };
        self.words = fold128(u128::from(self.words) + u128::from(piece));
        self.odd ^= bytes.len() % 2 == 1;
    }

    /// The checksum of everything added so far.
    #[inline]
    pub const fn finish(self) -> u16 {
        !u16::from_be(fold64(self.words))
    }
}

#[inline]
const fn fold128(sum: u128) -> u64 {
    let (sum, carry) = (sum as u64).overflowing_add((sum >> 64) as u64);
    // Cannot overflow a second time: after a carry the sum is at most 2^64 - 2.
    sum + carry as u64
}

#[inline]
const fn fold64(sum: u64) -> u16 {
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    fold32(sum as u32)
}

#[inline]
const fn fold32(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 1071 word by word, as a reference.
    fn slow(bytes: &[u8]) -> u16 {
        let mut sum = 0u64;
        for pair in bytes.chunks(2) {
            sum += u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0));
        }
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    #[test]
    fn of_nothing_is_all_ones() {
        assert_eq!(of(&[]), 0xffff);
    }

    #[test]
    fn carries_are_not_lost() {
        assert_eq!(of(&[0xff; 4096]), slow(&[0xff; 4096]));
        assert_eq!(of(&[0xff; 4097]), slow(&[0xff; 4097]));
    }

    proptest! {
        #[test]
        fn equals_the_reference(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(of(&bytes), slow(&bytes));
        }

        #[test]
        fn pieces_equal_the_whole(bytes in proptest::collection::vec(any::<u8>(), 0..100), a in 0usize..100, b in 0usize..100) {
            let (a, b) = (a.min(b).min(bytes.len()), a.max(b).min(bytes.len()));
            let mut sum = Sum::new();
            sum.add(&bytes[..a]);
            sum.add(&bytes[a..b]);
            sum.add(&bytes[b..]);
            prop_assert_eq!(sum.finish(), slow(&bytes));
        }

        #[test]
        fn update_equals_computing_again(mut bytes in proptest::collection::vec(any::<u8>(), 4..64), at in 0usize..31, new: u16) {
            // One word stays non-zero: over all zeros the two zeros of one's complement cannot be told apart.
            bytes[0] |= 1;
            let at = 2 + at * 2;
            prop_assume!(at + 2 <= bytes.len());
            let old = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
            let before = of(&bytes);
            bytes[at..at + 2].copy_from_slice(&new.to_be_bytes());
            prop_assert_eq!(update(before, old, new), of(&bytes));
        }
    }
}
