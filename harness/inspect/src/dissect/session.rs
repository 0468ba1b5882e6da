//! What is known beyond one packet.

use super::fragments::Reassembly;

/// What reading the packets of a capture in their order needs to remember: fragments that wait for the rest.
/// It is bounded whatever the packets are.
#[derive(Debug, Default)]
pub struct Session {
    pub(crate) fragments: Reassembly,
}

impl Session {
    /// How many datagrams were given up before all of their fragments had come.
    pub fn given_up(&self) -> u64 {
        self.fragments.given_up()
    }
}
