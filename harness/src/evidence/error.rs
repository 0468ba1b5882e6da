//! A file that could not be written, and what to do about it.

use std::{
    io,
    path::{Path, PathBuf},
};

/// Evidence that could not be written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot {action} {}: {source}", path.display())]
#[diagnostic(code(evidence), help("{}", remedy(source)))]
pub struct FileError {
    /// What was tried, as a verb.
    pub action: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl FileError {
    /// For use with `map_err`: an error of the system with the action and the path added.
    pub(super) fn on(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
        let path = path.to_owned();
        move |source| FileError { action, path, source }
    }
}

/// What helps against an error of the file system.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space (old runs lie beside this one), or write elsewhere with `--out DIR`; the verdicts of this \
             run are still in the report"
        }
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only: write elsewhere with `--out DIR`",
        io::ErrorKind::PermissionDenied => {
            "the directory belongs to somebody else, perhaps because an earlier run was started with sudo: give it \
             back with `chown`, or write elsewhere with `--out DIR`"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "a file of that name is in the way: remove it, or write elsewhere with `--out DIR`"
        }
        io::ErrorKind::NotFound => "the directory was removed while the run went on",
        io::ErrorKind::InvalidFilename => "the name is too long for this file system: use a shorter case id or variant",
        _ => "write elsewhere with `--out DIR`",
    }
}
