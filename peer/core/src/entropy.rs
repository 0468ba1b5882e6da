//! Randomness as an input, for the same reason as time: a run with a known seed repeats octet by octet.

/// A source of octets that nobody can guess, or of repeatable ones in a simulation.
pub trait Entropy {
    /// Fills `buf` completely.
    fn fill(&mut self, buf: &mut [u8]);

    /// The next 64-bit number.
    fn next_u64(&mut self) -> u64 {
        let mut octets = [0; 8];
        self.fill(&mut octets);
        u64::from_le_bytes(octets)
    }
}

/// Repeatable octets from a seed (SplitMix64).
///
/// **Not for keys**: whoever knows one output knows all the others. It serves simulations and tests; the daemon passes
/// the operating system's source.
#[derive(Clone, Debug)]
pub struct SeededEntropy {
    state: u64,
}

impl SeededEntropy {
    /// A generator that yields the same octets for the same seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, buf: &mut [u8]) {
        for chunk in buf.chunks_mut(8) {
            self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = self.state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^= z >> 31;
            chunk.copy_from_slice(&z.to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_seeds_differ() {
        let draw = |seed| {
            let mut octets = [0; 19];
            SeededEntropy::new(seed).fill(&mut octets);
            octets
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}
