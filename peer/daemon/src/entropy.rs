//! Randomness from the operating system.

use std::fs::File;
use std::io::{self, Read};

use dmvpn_core::entropy::Entropy;

/// The kernel's generator, opened once: it can then not fail for want of a file descriptor or of /dev.
#[derive(Debug)]
pub struct OsEntropy(File);

impl OsEntropy {
    /// Opens it.
    ///
    /// # Errors
    /// If there is no `/dev/urandom`.
    pub fn open() -> io::Result<Self> {
        File::open("/dev/urandom").map(Self)
    }
}

impl Entropy for OsEntropy {
    fn fill(&mut self, buf: &mut [u8]) {
        self.0.read_exact(buf).expect("an open /dev/urandom always delivers");
    }
}
