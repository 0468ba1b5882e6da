//! What is known beyond one packet.

use super::fragments::Reassembly;
use crate::keys::Keys;

/// What reading the packets of a capture in their order needs to remember: keys, and fragments that wait for the rest.
/// It is bounded whatever the packets are.
#[derive(Debug, Default)]
pub struct Session {
    pub(crate) keys: Keys,
    pub(crate) fragments: Reassembly,
    /// Room for plain texts, used again: one for each packet in a packet.
    pub(crate) room: Vec<Vec<u8>>,
}

impl Session {
    /// A session that opens what these keys fit.
    pub fn with_keys(keys: Keys) -> Self {
        Self { keys, ..Self::default() }
    }

    /// The keys, for those that are found in a capture on the way.
    pub fn keys_mut(&mut self) -> &mut Keys {
        &mut self.keys
    }

    /// How many datagrams were given up before all of their fragments had come.
    pub fn given_up(&self) -> u64 {
        self.fragments.given_up()
    }
}
