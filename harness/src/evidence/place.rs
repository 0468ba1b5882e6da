//! Names and ways of writing that never destroy what is there.

use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::FileError;

/// How many directories or files of the same name are made before something must be wrong.
const MOST_ALIKE: u32 = 10_000;

/// The longest name made here; file systems take 255 octets, and a suffix may follow.
const LONGEST_NAME: usize = 120;

/// A name that is one component of a path everywhere: no separators, nothing hidden, nothing that a shell reads.
pub(super) fn component(text: &str) -> String {
    let mut name: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '=' | ',' | '+') { c } else { '_' })
        .take(LONGEST_NAME)
        .collect();
    if name.is_empty() || name.starts_with(['.', '-']) {
        name.insert(0, '_');
    }
    name
}

/// A slash-separated id as a relative path.
pub(super) fn components(id: &str) -> PathBuf {
    id.split('/').filter(|part| !part.is_empty()).map(component).collect()
}

/// Tries `wanted`, then the same with `-2`, `-3` before the extension, until `make` does not find it taken.
pub(super) fn untaken<T>(
    wanted: &Path,
    mut make: impl FnMut(&Path) -> io::Result<T>,
) -> Result<(PathBuf, T), io::Error> {
    let stem = wanted.file_stem().unwrap_or_default();
    let extension = wanted.extension();
    let mut path = wanted.to_owned();
    for number in 2..MOST_ALIKE {
        match make(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(made) => return Ok((path, made)),
        }
        let mut name = OsString::from(stem);
        name.push(format!("-{number}"));
        if let Some(extension) = extension {
            name.push(".");
            name.push(extension);
        }
        path = wanted.with_file_name(name);
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// A new directory, whose parents may or may not exist.
pub(super) fn new_directory(wanted: &Path) -> Result<PathBuf, FileError> {
    if let Some(parent) = wanted.parent() {
        fs::create_dir_all(parent).map_err(FileError::on("create", parent))?;
    }
    // Directory names have no extension: `10.3` taken becomes `10.3-2`.
    let mut name = wanted.file_name().unwrap_or_default().to_owned();
    let plain = name.clone();
    for number in 2..MOST_ALIKE {
        let path = wanted.with_file_name(&name);
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(FileError { action: "create", path, source }),
            Ok(()) => return Ok(path),
        }
        name = plain.clone();
        name.push(format!("-{number}"));
    }
    Err(FileError::on("create", wanted)(io::ErrorKind::AlreadyExists.into()))
}

/// A new file with this text, in a directory that may not exist yet.
pub(super) fn new_file(wanted: &Path, text: &str) -> Result<PathBuf, FileError> {
    if let Some(parent) = wanted.parent() {
        fs::create_dir_all(parent).map_err(FileError::on("create", parent))?;
    }
    let (path, mut file) = untaken(wanted, |path| OpenOptions::new().write(true).create_new(true).open(path))
        .map_err(FileError::on("create", wanted))?;
    file.write_all(text.as_bytes()).map_err(FileError::on("write", &path))?;
    Ok(path)
}

/// Adds lines to a file, which is made if it is not there.
pub(super) fn append(path: &Path, text: &str) -> Result<(), FileError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(FileError::on("create", parent))?;
    }
    let mut file = OpenOptions::new().append(true).create(true).open(path).map_err(FileError::on("create", path))?;
    file.write_all(text.as_bytes()).map_err(FileError::on("write", path))
}

/// Puts a document in place in one step: a reader sees the old one or the new one, and so does whoever looks after the
/// disk filled up half way.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), FileError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let draft = path.with_file_name(name);
    let written = fs::write(&draft, text).and_then(|()| fs::rename(&draft, path));
    written.map_err(|source| {
        // Half a draft helps nobody, and its room may.
        let _ = fs::remove_file(&draft);
        FileError { action: "write", path: path.to_owned(), source }
    })
}
