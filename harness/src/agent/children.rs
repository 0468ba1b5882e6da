//! The processes that an agent starts, and the orphans that it inherits as the first process of its world.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};
use nix::unistd::Pid;

use super::protocol::Status;
use super::sys;

/// Every child that somebody in this process waits for.
#[derive(Debug, Default)]
pub(super) struct Children {
    /// Held while a child starts, so that one which ends at once is not taken for an orphan.
    waited_for: Mutex<BTreeSet<i32>>,
}

impl Children {
    /// Starts a program as the head of a process group of its own. It hears all signals.
    pub(super) fn start(&self, command: &mut Command) -> io::Result<Child> {
        self.start_as_it_is(command.process_group(0))
    }

    /// Starts a program that makes itself the head of a group or of a session. It hears all signals.
    pub(super) fn start_as_it_is(&self, command: &mut Command) -> io::Result<Child> {
        sys::hear_signals(command);
        let mut waited_for = self.lock();
        let child = command.spawn()?;
        waited_for.insert(child.id() as i32);
        Ok(child)
    }

    /// Waits for the end of a child. `None` when it is still there at `deadline`; it can be waited for again.
    pub(super) fn wait(&self, child: &mut Child, deadline: Option<Instant>) -> io::Result<Option<Status>> {
        let ended = sys::process_descriptor(child.id() as i32)?;
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let timeout = match left {
                None => PollTimeout::NONE,
                // Rounded up: a wait of nought milliseconds would spin.
                Some(left) => PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX),
            };
            match poll(&mut [PollFd::new(ended.as_fd(), PollFlags::POLLIN)], timeout) {
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
                Ok(0) if left.is_some_and(|left| left.is_zero()) => return Ok(None),
                Ok(0) => continue,
                Ok(_) => {}
            }
            let status = child.wait()?;
            self.lock().remove(&(child.id() as i32));
            self.reap_orphans();
            return Ok(Some(status.into()));
        }
    }

    /// Waits for processes that nobody else will wait for. Only the first process of a world has such.
    pub(super) fn reap_orphans(&self) {
        if std::process::id() != 1 {
            return;
        }
        let waited_for = self.lock();
        let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        // A child that is waited for hides those behind it; whoever waits for it looks again afterwards.
        while let Ok(status) = waitid(Id::All, peek) {
            match status.pid() {
                Some(pid) if !waited_for.contains(&pid.as_raw()) => {
                    let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
                }
                _ => return,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<i32>> {
        self.waited_for.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends a signal to a child and all in its group. One that is gone is no error.
pub(super) fn signal_group(pid: i32, signal: Signal) {
    let _ = killpg(Pid::from_raw(pid), signal);
}

impl From<ExitStatus> for Status {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Status::Exited(code),
            (None, Some(signal)) => Status::Signalled(signal),
            // Stopped or continued, which nobody asks the kernel to report.
            (None, None) => Status::Exited(-1),
        }
    }
}
