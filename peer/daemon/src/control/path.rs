//! The socket in the file system: who may have the path, and who removes it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use nix::sys::stat::{Mode, umask};
use socket2::{Domain, SockAddr, Socket, Type};

/// How long a start waits for another one that is just taking its path in the same directory.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// A peer answers there.
    #[error("another peer has the control socket {}", .0.display())]
    InUse(PathBuf),
    /// Something else than a socket is there.
    #[error("{} exists and is not a socket", .0.display())]
    NotASocket(PathBuf),
    /// The system refuses.
    #[error("no control socket {}: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A socket that is removed from the file system when it is dropped, unless another one has taken its place.
#[derive(Debug)]
pub struct Bound {
    path: PathBuf,
    /// The socket in the file system, not a connection to it: while this is held, its inode number is not given to
    /// another file.
    held: File,
}

impl Bound {
    /// Takes a path: mode 0600, a socket that nobody serves is replaced, a served one is not.
    ///
    /// # Errors
    /// Why the path can not be had.
    pub async fn bind(path: &Path) -> Result<(Self, UnixListener), BindError> {
        let failed = |source| BindError::Io { path: path.to_owned(), source };
        // Two peers that start at once must not both find the socket stale and take it from each other.
        let _lock = lock(path).await.map_err(failed)?;
        if let Ok(found) = fs::symlink_metadata(path) {
            if !found.file_type().is_socket() {
                return Err(BindError::NotASocket(path.to_owned()));
            }
            match probe(path) {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    fs::remove_file(path).map_err(failed)?;
                }
                // A peer that is too busy to take a connection is a peer.
                _ => return Err(BindError::InUse(path.to_owned())),
            }
        }
        // The mask is the process's, and at this point of its life nothing else makes files.
        let mask = umask(Mode::from_bits_truncate(0o177));
        let listener = UnixListener::bind(path);
        umask(mask);
        let listener = listener.map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let held =
            OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_NOFOLLOW).open(path).map_err(failed)?;
        Ok((Self { path: path.to_owned(), held }, listener))
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let place = |of: io::Result<fs::Metadata>| of.map(|of| (of.dev(), of.ino())).ok();
        if place(fs::symlink_metadata(&self.path)) == place(self.held.metadata()) {
            // Nothing can be done about it, and the next start finds it stale.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Connects without waiting: a peer that does not get round to its clients would keep us for ever.
fn probe(path: &Path) -> io::Result<()> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

/// Locks the directory, against other peers only.
async fn lock(path: &Path) -> io::Result<Flock<File>> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut file = File::open(directory)?;
    let deadline = tokio::time::sleep(PATIENCE);
    tokio::pin!(deadline);
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((back, nix::errno::Errno::EWOULDBLOCK)) => file = back,
            Err((_, error)) => return Err(error.into()),
        }
        tokio::select! {
            () = &mut deadline => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "its directory is locked by another process"));
            }
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[tokio::test]
    async fn a_served_path_is_refused_a_stale_one_taken_and_a_file_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let (first, listener) = Bound::bind(&path).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert!(matches!(Bound::bind(&path).await, Err(BindError::InUse(_))));

        // The listener is gone, the path is not: a peer was killed.
        drop(listener);
        let (second, _listener) = Bound::bind(&path).await.unwrap();
        // The first one's end does not take the second one's socket.
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());

        fs::write(&path, "notes").unwrap();
        assert!(matches!(Bound::bind(&path).await, Err(BindError::NotASocket(_))));
        assert!(path.exists());
    }
}
