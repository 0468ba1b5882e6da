//! Programs of this machine that build something for minutes, and can be stopped in an orderly way at any time.

use std::{
    env, fs, io, os::unix::fs::PermissionsExt, path::PathBuf, process::ExitStatus, process::Stdio, time::Duration,
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

/// How long a program may take to clean up after itself.
const CLEANUP_PATIENCE: Duration = Duration::from_secs(20);

/// A program while it runs, in a process group of its own, so that Ctrl-C reaches it through us only and once.
pub(crate) struct Program {
    child: Child,
    _scratch: Option<Scratch>,
}

impl Program {
    /// Starts it, without an input. What it puts out is read from what comes with it. `scratch` lives as long as it.
    pub(crate) fn start(
        mut command: Command,
        scratch: Option<Scratch>,
    ) -> io::Result<(Program, ChildStdout, ChildStderr)> {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn()?;
        match (child.stdout.take(), child.stderr.take()) {
            (Some(stdout), Some(stderr)) => Ok((Program { child, _scratch: scratch }, stdout, stderr)),
            _ => Err(io::Error::other("it has no output")),
        }
    }

    /// Waits until it ends by itself.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Ends it and waits until it has cleaned up: it may have mounts and a system's files in a temporary folder.
    pub(crate) async fn stop(&mut self) {
        let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) else { return };
        let _ = killpg(Pid::from_raw(pid), Signal::SIGINT);
        if tokio::time::timeout(CLEANUP_PATIENCE, self.child.wait()).await.is_err() {
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
            let _ = self.child.wait().await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // For ways out that nobody thought of; the orderly one is `stop`.
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            let _ = killpg(Pid::from_raw(pid), Signal::SIGINT);
        }
    }
}

/// A folder for what a bootstrapping program does not clean up when it is interrupted.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    /// Makes it.
    pub(crate) fn make() -> io::Result<Scratch> {
        let folder = env::temp_dir().join(format!("dmvpn-lab-bootstrap-{}", std::process::id()));
        // Others must be able to pass through: without root the program works as one of the user's subordinate ids.
        fs::create_dir_all(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
        Ok(Scratch(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Its keyrings only. A system's tree is left to the program: there may be mounts in it, and whoever removes
        // through a mount removes from the machine.
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().contains(".gpghome.") {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let _ = fs::remove_dir(&self.0);
    }
}
