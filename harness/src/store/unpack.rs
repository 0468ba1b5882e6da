//! Unpacks the archive of a system as an ordinary user, into a folder that it can not leave.
//!
//! Owners are lost, as only root could give files away: whoever uses the result gives what has to belong to somebody
//! else to them in an overlay. Devices are left out, guests have their own. Permissions are kept, with what the user
//! needs to read, list and remove everything; but a file that would run as its owner would run as the user here, and so
//! those bits go.

use std::{
    fs,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Component, Path, PathBuf},
};

use tar::EntryType;

/// What was unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Unpacked {
    /// Files, folders and links.
    pub(super) entries: u64,
    /// Octets in files; what several names lead to counts once.
    pub(super) octets: u64,
}

/// Files that engines add to what they export.
const ENGINES_OWN: &str = ".dockerenv";

/// Unpacks an archive into a folder that exists, and reads it to its end.
///
/// # Errors
/// A path that leads out of the folder, by itself or through a link in the archive; an archive that is broken or not
/// whole; anything that the file system says. What was unpacked until then is left for the caller to remove.
pub(super) fn unpack(archive: impl Read, into: &Path) -> io::Result<Unpacked> {
    let mut archive = tar::Archive::new(archive);
    let mut unpacked = Unpacked::default();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        let inside = inside(&entry.path()?)?;
        if matches!(kind, EntryType::Char | EntryType::Block | EntryType::Fifo) || inside == Path::new(ENGINES_OWN) {
            continue;
        }
        let mode = entry.header().mode()?;
        let size = entry.size();
        // Refuses to go through links that lead out of the folder.
        if !entry.unpack_in(into)? {
            return Err(leaves(&inside));
        }
        unpacked.entries += 1;
        let path = into.join(&inside);
        // What is there now, and not what the archive calls it: a link must never be followed to set permissions.
        let meta = fs::symlink_metadata(&path)?;
        if meta.is_dir() && kind.is_dir() {
            fs::set_permissions(&path, fs::Permissions::from_mode(permissions(mode, true)))?;
        } else if meta.is_file() && !kind.is_hard_link() {
            fs::set_permissions(&path, fs::Permissions::from_mode(permissions(mode, false)))?;
            unpacked.octets += size;
        }
    }
    // Programs fill up their last block, and must not find that nobody listens any more.
    io::copy(&mut archive.into_inner(), &mut io::sink())?;
    if unpacked.entries == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is empty"));
    }
    Ok(unpacked)
}

/// The path of an entry under its root.
fn inside(path: &Path) -> io::Result<PathBuf> {
    let mut inside = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => inside.push(part),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return Err(leaves(path)),
        }
    }
    Ok(inside)
}

fn leaves(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("`{}` leads out of the archive's root", path.display()))
}

/// `chmod u+rwX`, and without the bits that lend the owner's rights.
fn permissions(mode: u32, folder: bool) -> u32 {
    let run = if folder || mode & 0o111 != 0 { 0o100 } else { 0 };
    mode & 0o1777 | 0o600 | run
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An archive made of kind, path, mode, and content or target; paths as they are, however hostile.
    pub(in crate::store) fn archive(entries: &[(EntryType, &str, u32, &str)]) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        for (kind, path, mode, text) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_mode(*mode);
            header.set_mtime(0);
            header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
            let content = if *kind == EntryType::Regular { text.as_bytes() } else { &[] };
            if content.is_empty() && !text.is_empty() {
                header.as_gnu_mut().unwrap().linkname[..text.len()].copy_from_slice(text.as_bytes());
            }
            header.set_size(content.len() as u64);
            header.set_cksum();
            archive.append(&header, content).unwrap();
        }
        archive.into_inner().unwrap()
    }

    use EntryType::{Char, Directory, Fifo, Link, Regular, Symlink};

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_system_comes_out_as_it_is_but_for_owners_and_devices() {
        let folder = tempfile::tempdir().unwrap();
        let octets = archive(&[
            (Directory, "./", 0o755, ""),
            (Directory, "./usr/", 0o555, ""),
            (Directory, "./usr/bin/", 0o700, ""),
            (Regular, "./usr/bin/su", 0o4755, "su!"),
            (Link, "./usr/bin/sudo", 0o755, "./usr/bin/su"),
            (Symlink, "./bin", 0o777, "usr/bin"),
            (Symlink, "./etc-link", 0o777, "/etc/passwd"),
            (Directory, "./tmp/", 0o1777, ""),
            (Regular, "./shadow", 0o000, "x"),
            (Char, "./null", 0o666, ""),
            (Fifo, "./pipe", 0o666, ""),
            (Regular, ".dockerenv", 0o755, ""),
            (Regular, "/absolute", 0o644, "in"),
        ]);
        let unpacked = unpack(octets.as_slice(), folder.path()).unwrap();
        assert_eq!(unpacked, Unpacked { entries: 10, octets: 6 });
        let at = |path: &str| folder.path().join(path);
        assert_eq!(
            [mode(&at("usr")), mode(&at("usr/bin/su")), mode(&at("tmp")), mode(&at("shadow"))],
            [0o755, 0o755, 0o1777, 0o600]
        );
        assert_eq!(fs::read_to_string(at("bin/sudo")).unwrap(), "su!");
        assert_eq!(fs::read_link(at("etc-link")).unwrap(), Path::new("/etc/passwd"));
        assert!(!at("null").exists() && !at("pipe").exists() && !at(".dockerenv").exists());
        assert_eq!(fs::read_to_string(at("absolute")).unwrap(), "in");
    }

    #[test]
    fn nothing_gets_out_of_the_folder() {
        let outer = tempfile::tempdir().unwrap();
        let secret = outer.path().join("secret");
        fs::write(&secret, "kept").unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o640)).unwrap();
        let there = outer.path().to_str().unwrap();
        let secret_name = secret.to_str().unwrap();
        let hostile: [&[(EntryType, &str, u32, &str)]; 7] = [
            &[(Regular, "../secret", 0o777, "lost")],
            &[(Regular, "a/../../secret", 0o777, "lost")],
            &[(Symlink, "out", 0o777, there), (Regular, "out/secret", 0o777, "lost")],
            &[(Symlink, "out", 0o777, ".."), (Regular, "out/secret", 0o777, "lost")],
            &[(Symlink, "a", 0o777, ".."), (Symlink, "a/b", 0o777, "x")],
            &[(Link, "hard", 0o777, secret_name), (Regular, "hard", 0o777, "lost")],
            &[(Link, "hard", 0o777, "../secret")],
        ];
        for entries in hostile {
            let folder = outer.path().join("root");
            fs::create_dir(&folder).unwrap();
            let outcome = unpack(archive(entries).as_slice(), &folder);
            assert!(outcome.is_err(), "{entries:?}");
            assert_eq!(fs::read_to_string(&secret).unwrap(), "kept", "{entries:?}");
            assert_eq!(mode(&secret), 0o640, "{entries:?}");
            assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 2, "{entries:?}");
            fs::remove_dir_all(&folder).unwrap();
        }
    }

    #[test]
    fn a_link_is_replaced_and_not_written_through() {
        let outer = tempfile::tempdir().unwrap();
        let (secret, folder) = (outer.path().join("secret"), outer.path().join("root"));
        fs::create_dir(&secret).unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o750)).unwrap();
        fs::create_dir(&folder).unwrap();
        let target = secret.to_str().unwrap();
        // Whatever becomes of the folder's entry, what it led to stays as it is.
        let _ = unpack(archive(&[(Symlink, "x", 0o777, target), (Directory, "x", 0o777, "")]).as_slice(), &folder);
        assert_eq!(mode(&secret), 0o750);
        let file = outer.path().join("file");
        fs::write(&file, "kept").unwrap();
        let target = file.to_str().unwrap();
        unpack(archive(&[(Symlink, "y", 0o777, target), (Regular, "y", 0o777, "new")]).as_slice(), &folder).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
        assert_eq!(fs::read_to_string(folder.join("y")).unwrap(), "new");
    }

    #[test]
    fn what_is_cut_off_is_no_system() {
        let folder = tempfile::tempdir().unwrap();
        let octets = archive(&[(Regular, "a", 0o644, &"x".repeat(5000))]);
        assert!(unpack(&octets[..2000], folder.path()).is_err());
        assert!(unpack(&octets[..0], folder.path()).is_err());
    }
}
