//! From a path to a text: size limit, encoding.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use dmvpn_core::Config;

use crate::{Error, yaml};

/// Largest configuration file, octets. A thousand tunnels with a dozen settings each need less than half of it.
pub const MAX_FILE_LEN: u64 = 1 << 20;

/// What a configuration file says: what the node needs, and what its shell does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// For the node.
    pub node: Config,
    /// File in which the shell keeps the bound of used request IDs over restarts.
    pub state: Option<PathBuf>,
}

/// Reads a configuration file.
///
/// # Errors
/// What is wrong with it: the file, its syntax, its values, or what they are together.
pub fn load(path: &Path) -> Result<Settings, Error> {
    let name = path.display().to_string();
    let unreadable = |error: std::io::Error| {
        Error::about_file("config::unreadable", &name, format!("the configuration can not be read: {error}"))
    };
    let mut octets = Vec::new();
    // One octet more than allowed tells "too long" from "just fits", whatever the file system says about its size.
    File::open(path).map_err(unreadable)?.take(MAX_FILE_LEN + 1).read_to_end(&mut octets).map_err(unreadable)?;
    if octets.len() as u64 > MAX_FILE_LEN {
        let message = format!("the file is longer than {MAX_FILE_LEN} octets");
        return Err(Error::about_file("config::too_long", &name, message));
    }
    let text = String::from_utf8(octets).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let octets = error.into_bytes();
        let line = octets[..at].iter().filter(|octet| **octet == b'\n').count() + 1;
        let message = format!("the file is not UTF-8: line {line}, octet {at} of the file");
        Error::about_file("config::encoding", &name, message)
    })?;
    yaml::settings(&text, &name)
}
