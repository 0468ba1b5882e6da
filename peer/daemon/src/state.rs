//! The state file: the one number that must outlive the peer, so that request IDs do not come again after a restart
//! (RFC 2332 §5.2.3, NHRP-5.2.3-09).
//!
//! One line, `first_request_id N`: all IDs before N may have been used. The node reserves IDs in blocks and says so ahead of
//! the messages that carry them; the number is written then, to a new file that replaces the old one, so that a crash at
//! any time leaves a whole one.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

const KEY: &str = "first_request_id";
/// Longest file that is read, octets.
const MAX_LEN: u64 = 256;

/// Where the number is kept.
#[derive(Clone, Debug)]
pub struct State {
    path: PathBuf,
}

impl State {
    /// The file at `path`, which need not be there yet.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number; `None` if there is no file.
    ///
    /// # Errors
    /// The file can not be read, or is no state file.
    pub fn load(&self) -> io::Result<Option<u32>> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut text = String::new();
        file.take(MAX_LEN).read_to_string(&mut text)?;
        let number = text.strip_suffix('\n').and_then(|line| line.strip_prefix(KEY)?.strip_prefix(' ')?.parse().ok());
        number.map(Some).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("it has no line `{KEY} N`")))
    }

    /// Replaces the file with one that holds `first`. Returns when it is on the disk.
    ///
    /// # Errors
    /// The old file is still there, whole.
    pub fn store(&self, first: u32) -> io::Result<()> {
        let mut new = self.path.clone().into_os_string();
        new.push(".new");
        let new = PathBuf::from(new);
        let mut file = File::create(&new)?;
        file.write_all(format!("{KEY} {first}\n").as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        // The name is on the disk when its directory is.
        match self.path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            Some(directory) => File::open(directory)?.sync_all(),
            None => File::open(".")?.sync_all(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_what_comes_back_and_the_rest_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::at(dir.path().join("state"));
        assert_eq!(state.load().unwrap(), None);
        for number in [257, 513, u32::MAX] {
            state.store(number).unwrap();
            assert_eq!(state.load().unwrap(), Some(number));
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left over");
        for text in
            ["", "first_request_id", "first_request_id 7", "first_request_id -7\n", "7\n", "first_request_id 7\n\n"]
        {
            fs::write(state.path(), text).unwrap();
            assert!(state.load().is_err(), "{text:?}");
        }
        fs::write(state.path(), "x".repeat(1 << 20)).unwrap();
        assert!(state.load().is_err());
        assert!(State::at(dir.path().join("none/state")).store(1).is_err());
    }
}
