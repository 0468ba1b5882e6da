//! Reading a file for whoever shows it: what can not be read is kept, and how far it is can be seen.

use std::ops::ControlFlow;
use std::path::Path;

use dmvpn_inspect::keys::KeysError;
use dmvpn_inspect::view::{self, Step, View, Viewer};

use crate::capture::{self, Packets, ReadError};
use crate::progress::Progress;

/// Files of so many octets get a bar at once; others if they take long.
const LONG_FILE: u64 = 20 << 20;

/// What could not be read of a file, the first of it.
#[derive(Debug, Default)]
pub struct Errors {
    kept: Vec<ReadError>,
    left_out: u64,
    /// Keys in the file that are none.
    keys: Vec<KeysError>,
}

impl Errors {
    /// How many are kept; the others are counted.
    const KEPT: usize = 20;

    fn add(&mut self, error: ReadError) {
        // The one that ends the file says most, and there is only one.
        if self.kept.len() < Self::KEPT || error.fatal {
            self.kept.push(error);
        } else {
            self.left_out += 1;
        }
    }

    /// The first of them, and the one that ended the reading.
    pub fn kept(&self) -> &[ReadError] {
        &self.kept
    }

    /// How many more there were.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// What is wrong with keys that the file brings along.
    pub fn keys(&self) -> &[KeysError] {
        &self.keys
    }

    /// Whether there were none.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.keys.is_empty()
    }
}

/// A capture that is open.
pub struct Reading<'p> {
    name: String,
    packets: Packets,
    progress: Option<&'p Progress>,
}

impl<'p> Reading<'p> {
    /// Opens a file; `-` is the standard input. How far it is shows on `progress`, if there is one.
    ///
    /// # Errors
    /// If it can not be opened, or is no capture.
    pub fn open(path: &Path, progress: Option<&'p Progress>) -> Result<Self, ReadError> {
        let name = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
        Ok(Self { name, packets: capture::read(path)?, progress })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Shows `visit` every packet that the viewer lets through, until it breaks off.
    pub fn each(mut self, viewer: &mut Viewer, visit: &mut dyn FnMut(View<'_>) -> ControlFlow<()>) -> Errors {
        let mut errors = Errors::default();
        let read = self.packets.progress();
        let long = read.total().is_none_or(|total| total > LONG_FILE);
        let bar = self.progress.map(|progress| progress.bar("Reading", &self.name, read.total(), long));
        view::each(&mut self.packets, viewer, &mut |step| {
            match step {
                Step::Packet(view) => return visit(view),
                Step::Beat => bar.iter().for_each(|bar| bar.at(read.consumed())),
                Step::Unreadable(error) => errors.add(error),
                Step::Keys(error) if errors.keys.len() < Errors::KEPT => errors.keys.push(error),
                Step::Keys(_) => errors.left_out += 1,
            }
            ControlFlow::Continue(())
        });
        errors
    }
}
