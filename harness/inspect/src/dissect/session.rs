//! What is known beyond one packet.

use super::fragments::Reassembly;
use super::pieces::Pieces;
use crate::keys::Keys;

/// What reading the packets of a capture in their order needs to remember: keys, and fragments of datagrams and pieces of IKE
/// messages that wait for the rest.
/// It is bounded whatever the packets are.
#[derive(Debug, Default)]
pub struct Session {
    pub(crate) keys: Keys,
    pub(crate) fragments: Reassembly,
    pub(crate) pieces: Pieces,
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

    /// How many datagrams and IKE messages were given up before all of their pieces had come.
    pub fn given_up(&self) -> u64 {
        self.fragments.given_up() + self.pieces.given_up()
    }
}
