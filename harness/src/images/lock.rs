//! One build at a time: two processes that build the same image would each do all the work.
//!
//! The lock is the kernel's, on a file in the user's cache, and so ends with its process however that ends. What is
//! written in the file tells others whom they wait for.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use crate::{progress::Progress, world::LabError};

/// How often is looked whether the other one is done; nobody notices a quarter of a second after minutes.
const POLL: Duration = Duration::from_millis(250);

/// The lock, as long as this value.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

/// Where it is.
pub(crate) fn path(cache: &Path) -> PathBuf {
    cache.join("images.lock")
}

impl Lock {
    /// Takes it if it is free.
    pub(crate) fn take(path: &Path) -> Result<Option<Lock>, LabError> {
        let fail = |error: io::Error| {
            LabError::environment(
                "cache.unusable",
                format!("the lock {} can not be used: {error}", path.display()),
                "set XDG_CACHE_HOME to a folder that you may write to",
            )
        };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(fail)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(fail(error)),
        }
    }

    /// Takes it when it becomes free, and says meanwhile who has it.
    pub(crate) async fn wait(path: &Path, progress: &Progress) -> Result<Lock, LabError> {
        let mut waiting = None;
        loop {
            if let Some(lock) = Lock::take(path)? {
                return Ok(lock);
            }
            let holder = holder(path);
            if waiting.is_none() {
                waiting = Some(progress.job("Waiting", &format!("for {holder}")));
            }
            if let Some(job) = &waiting {
                job.describe(&format!("for {holder}"));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// From now on programs that this process starts have it as well, and it ends with the last of them: what they write
    /// is nobody else's even if this process is killed.
    pub(crate) fn share_with_programs(&self) -> Result<(), LabError> {
        fcntl(&self.file, FcntlArg::F_SETFD(FdFlag::empty()))
            .map(drop)
            .map_err(|error| LabError::internal(format!("the lock can not be shared: {error}")))
    }

    /// Tells those who wait what is being done.
    pub(crate) fn doing(&mut self, what: &str) {
        let text = format!("process {}, which builds {what}", std::process::id());
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(text.as_bytes())
        };
        // Only a courtesy: a full disk makes itself known soon enough where it matters.
        let _ = write(&mut self.file);
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The next holder must not be announced by this one's words.
        let _ = self.file.set_len(0);
    }
}

/// Who has it.
fn holder(path: &Path) -> String {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(200).read_to_string(&mut text));
    match read {
        Ok(_) if !text.is_empty() => text,
        _ => "another process, which builds images".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Terminal, Verbosity};

    #[tokio::test]
    async fn the_second_waits_for_the_first_and_knows_who_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path());
        let mut first = Lock::take(&path).unwrap().unwrap();
        first.doing("dmvpn-lab/frr:10.3");
        assert!(Lock::take(&path).unwrap().is_none());
        assert_eq!(holder(&path), format!("process {}, which builds dmvpn-lab/frr:10.3", std::process::id()));

        let progress = Progress::new(Box::new(io::sink()), Terminal::FILE, Verbosity::Quiet);
        let second = Lock::wait(&path, &progress);
        tokio::pin!(second);
        assert!(tokio::time::timeout(POLL * 2, &mut second).await.is_err(), "it was taken twice");
        drop(first);
        second.await.unwrap();
        assert_eq!(holder(&path), "another process, which builds images");
    }

    #[test]
    fn a_shared_lock_ends_with_the_last_program() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path());
        let lock = Lock::take(&path).unwrap().unwrap();
        lock.share_with_programs().unwrap();
        let mut program = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        drop(lock);
        assert!(Lock::take(&path).unwrap().is_none(), "a program still has it");
        drop(program.stdin.take());
        program.wait().unwrap();
        assert!(Lock::take(&path).unwrap().is_some());
    }

    #[test]
    fn a_lock_that_can_not_be_made_is_an_error_with_its_place() {
        match Lock::take(Path::new("/nowhere/images.lock")) {
            Err(LabError::Environment { cause, problem, .. }) => {
                assert_eq!(cause, "cache.unusable");
                assert!(problem.contains("/nowhere/images.lock"), "{problem}");
            }
            other => panic!("{other:?}"),
        }
    }
}
