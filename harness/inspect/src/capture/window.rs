//! The stretch of a file that is being looked at: what was read and not yet consumed.
//!
//! It grows as octets arrive, never by what a length field promises, and not beyond [`LONGEST_BLOCK`]. So a file of a
//! hundred octets costs no more than its hundred octets, whatever it says, and a file of any size costs one block.

use std::{
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// The longest packet or block that is read, in octets: what Wireshark reads at most, and room for any IP packet.
pub const LONGEST_BLOCK: usize = 16 << 20;

/// What is asked of the file at a time.
const CHUNK: usize = 256 << 10;

/// How far into a file reading has come. Clones watch the same file, from other threads too.
#[derive(Clone, Debug)]
pub struct Progress {
    consumed: Arc<AtomicU64>,
    total: Option<u64>,
}

impl Progress {
    pub(super) fn of(total: Option<u64>) -> Progress {
        Progress { consumed: Arc::new(AtomicU64::new(0)), total }
    }

    /// How many octets of the file were read; of a compressed file, compressed octets.
    pub fn consumed(&self) -> u64 {
        self.consumed.load(Ordering::Relaxed)
    }

    /// How many octets the file has; nothing is known of a stream.
    pub fn total(&self) -> Option<u64> {
        self.total
    }
}

/// A reader that tells a [`Progress`].
pub(super) struct Counted<R> {
    pub(super) inner: R,
    pub(super) progress: Progress,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(octets)?;
        self.progress.consumed.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Octets of a file in a buffer that is used again.
pub(super) struct Window {
    reader: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    offset: u64,
}

impl Window {
    pub(super) fn new(reader: Box<dyn Read + Send>) -> Window {
        Window { reader, buffer: Vec::new(), start: 0, end: 0, offset: 0 }
    }

    /// What was read and not consumed.
    pub(super) fn octets(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Where those octets start, counted in what is read; of a compressed file, in what was unpacked.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Is done with the first `octets`, which [`Window::octets`] had.
    pub(super) fn consume(&mut self, octets: usize) {
        debug_assert!(octets <= self.end - self.start);
        self.start += octets;
        self.offset += octets as u64;
    }

    /// Reads more behind what is there; false where the file ends.
    ///
    /// The caller has checked that what it waits for is no longer than [`LONGEST_BLOCK`].
    pub(super) fn more(&mut self) -> io::Result<bool> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.buffer.len() - self.end < CHUNK / 2 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if self.buffer.len() - self.end < CHUNK / 2 {
                let grown = (2 * self.buffer.len()).clamp(CHUNK, LONGEST_BLOCK + CHUNK);
                self.buffer.resize(grown, 0);
            }
        }
        loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(read) => {
                    self.end += read;
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
