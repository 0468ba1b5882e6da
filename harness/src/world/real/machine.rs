//! A guest: the lab's kernel as an ordinary process of this machine, with this very executable as its first process.
//!
//! The guest's root is the machine's own, read-only. It needs no capability, no device and no network. Under the virtual
//! clock it jumps forward whenever everything in it is idle; nothing in it may therefore wait for anything outside.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::{Signal, killpg};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::agent::GUEST_MARK;
use crate::world::LabError;

/// Where a guest's memory is: a file that its kernel unlinks as soon as it is made.
pub const MEMORY: &str = "/dev/shm";
/// Memory of a guest. Only what it touches is taken from the machine.
pub const MEMORY_MIB: u64 = 512;
/// Lines of the console that are repeated when a guest dies.
const LAST_LINES: usize = 15;

/// Whose clock a guest has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GuestClock {
    /// Its own: processing takes no time, and idle time passes at once.
    Virtual {
        /// What its wall clock says at the start, in nanoseconds of the Unix clock.
        start_ns: u64,
    },
    /// The machine's.
    Real,
}

/// How to boot a guest.
#[derive(Clone, Debug)]
pub struct Boot<'a> {
    /// The kernel's executable.
    pub kernel: &'a Path,
    /// A folder of its own, which the caller removes when the guest has ended.
    pub folder: &'a Path,
    /// Its clock.
    pub clock: GuestClock,
    /// Which of the guests that run side by side it is.
    pub lane: usize,
    /// Arguments of the first process, which is this executable.
    pub arguments: Vec<OsString>,
}

/// A guest that runs, until it ends by itself or this is dropped.
#[derive(Debug)]
pub struct Machine {
    child: Child,
    console: Option<JoinHandle<()>>,
    lines: Arc<Mutex<VecDeque<String>>>,
}

/// Whether guests can run here.
///
/// # Errors
/// Which condition is not met, with cause and remedy.
pub fn check() -> Result<(), LabError> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(LabError::environment(
            "guest.machine",
            format!(
                "guests with a virtual clock run on x86_64 Linux only, this is {} {}",
                std::env::consts::OS,
                std::env::consts::ARCH
            ),
            "use `--driver container`, or world `sim` (leave --subject out), which run everywhere",
        ));
    }
    super::require_static()?;
    let remedy = format!("mount a tmpfs on {MEMORY} without `noexec`, of {} MiB or more", MEMORY_MIB + 100);
    let stat = statvfs(MEMORY).map_err(|error| {
        LabError::environment("guest.memory", format!("{MEMORY} can not be looked at: {error}"), remedy.clone())
    })?;
    if stat.flags().intersects(FsFlags::ST_NOEXEC | FsFlags::ST_RDONLY) {
        let problem = format!("{MEMORY} is mounted noexec or read-only, and a guest executes its memory from there");
        return Err(LabError::environment("guest.memory", problem, remedy));
    }
    let free_mib = (stat.blocks_available() as u64).saturating_mul(stat.fragment_size() as u64) >> 20;
    if free_mib < MEMORY_MIB / 2 {
        let problem = format!("{MEMORY} has {free_mib} MiB free, and a guest may take {MEMORY_MIB}");
        return Err(LabError::environment("guest.memory", problem, remedy));
    }
    Ok(())
}

impl Machine {
    /// Boots a guest. Its console is read all the time, as a guest that waits for room there would let time run away.
    ///
    /// # Errors
    /// A kernel that can not be started.
    pub fn boot(boot: &Boot<'_>) -> Result<Self, LabError> {
        check()?;
        let failed = |what: &str, error: io::Error| {
            LabError::environment(
                "guest.start",
                format!("the lab's kernel {} can not be started: {what}: {error}", boot.kernel.display()),
                "`cargo lab images remove kernel` and `cargo lab images build` make it anew",
            )
        };
        // The kernel's command line is words between blanks, and paths may have blanks in them: a link has none.
        let init = boot.folder.join("init");
        let executable = std::env::current_exe().map_err(|error| failed("who am I", error))?;
        std::os::unix::fs::symlink(executable, &init).map_err(|error| failed("its first process", error))?;
        let (printed, console) = io::pipe().map_err(|error| failed("a pipe", error))?;
        let mut command = Command::new(boot.kernel);
        command
            .arg(format!("mem={MEMORY_MIB}M"))
            .arg(format!("uml_dir={}", boot.folder.display()))
            .args(["root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro"])
            .arg(format!("init={}", init.display()))
            .args(["con=null", "con0=null,fd:1", "quiet", "seccomp=auto"])
            .arg(format!("{GUEST_MARK}=1"))
            .arg("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        if let GuestClock::Virtual { start_ns } = boot.clock {
            command.arg("time-travel=inf-cpu").arg(format!("time-travel-start={start_ns}"));
        }
        command
            .arg("--")
            .args(&boot.arguments)
            .env_clear()
            .env("TMPDIR", MEMORY)
            .env("HOME", boot.folder)
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(console.try_clone().map_err(|error| failed("a pipe", error))?)
            .stderr(console)
            .process_group(0);
        let core = core_of(boot.lane);
        // SAFETY: between fork and exec only system calls are made; nothing is allocated and no lock is taken.
        unsafe {
            command.pre_exec(move || {
                if let Some(core) = &core {
                    // A machine that does not allow it has a slower guest, and no other one.
                    let _ = sched_setaffinity(Pid::from_raw(0), core);
                }
                // A harness that is killed takes its guests along.
                nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
                Ok(())
            });
        }
        let child = command.spawn().map_err(|error| failed("exec", error))?;
        // The command holds the pipe's other end.
        drop(command);
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let kept = Arc::clone(&lines);
        let console = thread::spawn(move || keep_lines(printed, &kept));
        Ok(Self { child, console: Some(console), lines })
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// What the system says.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Ends it, together with the processes that its kernel keeps beside itself.
    pub fn kill(&mut self) {
        if let Ok(group) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }

    /// The last lines of its console, the panic's own first if there was one.
    #[allow(clippy::disallowed_methods, reason = "a pipe that a dying process holds has no deadline of its own")]
    pub fn last_words(&mut self) -> Vec<String> {
        // Whoever has ended has said everything; helpers of a killed kernel may hold the pipe a moment longer.
        if let Some(console) = self.console.take() {
            for _ in 0..100 {
                if console.is_finished() {
                    break;
                }
                thread::sleep(Duration::from_millis(2));
            }
        }
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.kill();
    }
}

/// One of the cores that this process may use. A guest's kernel and each of its programs are processes of the machine that
/// take turns at every system call: on one core that costs a sixth of what it costs when they wake each other across
/// cores.
fn core_of(lane: usize) -> Option<CpuSet> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).ok()?;
    let cores: Vec<usize> = (0..CpuSet::count()).filter(|core| allowed.is_set(*core) == Ok(true)).collect();
    // Several harnesses on one machine begin at different cores.
    let chosen = cores.get((lane + std::process::id() as usize) % cores.len().max(1))?;
    let mut core = CpuSet::new();
    core.set(*chosen).ok()?;
    Some(core)
}

fn keep_lines(printed: impl Read, kept: &Mutex<VecDeque<String>>) {
    let mut printed = BufReader::new(printed);
    let mut octets = Vec::new();
    while let Ok(1..) = printed.by_ref().take(4096).read_until(b'\n', &mut octets) {
        let line = String::from_utf8_lossy(&octets).trim_end_matches(['\r', '\n']).to_owned();
        octets.clear();
        // There is no block device, and every guest says so.
        if line.is_empty() || line.starts_with("Failed to initialize ubd device") {
            continue;
        }
        let mut lines = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LAST_LINES {
            // The line that says why it panics stays in front of whatever trace comes after it.
            let oldest = usize::from(lines.front().is_some_and(|line: &String| line.contains("Kernel panic")));
            lines.remove(oldest);
        }
        lines.push_back(line);
    }
}

/// What the names of guests' folders begin with.
const FOLDERS: &str = "dmvpn-lab-guest-";

/// A folder for one guest, removed when dropped: in the machine's temporary folder, which guests see as everybody does.
#[derive(Debug)]
pub struct Folder(TempDir);

impl Folder {
    /// Makes one.
    ///
    /// # Errors
    /// No temporary folder that can be written.
    pub fn new() -> Result<Self, LabError> {
        let made = tempfile::Builder::new().prefix(FOLDERS).tempdir().and_then(|folder| {
            for inside in ["tmp", "out"] {
                fs::create_dir(folder.path().join(inside))?;
            }
            Ok(folder)
        });
        made.map(Folder).map_err(|error| {
            let folder = std::env::temp_dir();
            LabError::environment(
                "guest.folder",
                format!("no folder for a guest can be made in {}: {error}", folder.display()),
                "set TMPDIR to a folder that you may write to",
            )
        })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// Removes folders of guests whose harness was killed before it could; returns which. A guest never outlives its
/// harness, so a folder that no process names in its arguments is nobody's.
pub fn remove_folders_left() -> Vec<PathBuf> {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let lines: Vec<Vec<u8>> =
        entries(Path::new("/proc")).filter_map(|process| fs::read(process.path().join("cmdline")).ok()).collect();
    let in_use = |folder: &Path| {
        let path = folder.as_os_str().as_encoded_bytes();
        lines.iter().any(|line| line.windows(path.len()).any(|part| part == path))
    };
    let is_old = |folder: &Path| {
        // Between its making and the start of its guest a folder is named nowhere.
        let age = fs::metadata(folder).and_then(|meta| meta.modified()).ok().and_then(|made| made.elapsed().ok());
        age.is_some_and(|age| age > Duration::from_secs(60))
    };
    entries(&std::env::temp_dir())
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(FOLDERS.as_bytes()))
        .map(|entry| entry.path())
        .filter(|folder| !in_use(folder) && is_old(folder) && fs::remove_dir_all(folder).is_ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_console_the_panic_and_the_end_are_kept() {
        let text: String = (0..100)
            .map(|n| if n == 50 { "Kernel panic - not syncing\n".into() } else { format!("{n}\r\n\n") })
            .collect();
        let kept = Mutex::default();
        keep_lines(text.as_bytes(), &kept);
        let kept = kept.into_inner().unwrap();
        assert_eq!(kept.len(), LAST_LINES);
        assert_eq!(kept[0], "Kernel panic - not syncing");
        assert_eq!(kept[LAST_LINES - 1], "99");
    }

    #[test]
    fn guests_side_by_side_have_cores_of_their_own() {
        let cores = |lane| {
            let set = core_of(lane).unwrap();
            (0..CpuSet::count()).filter(|core| set.is_set(*core) == Ok(true)).collect::<Vec<_>>()
        };
        assert_eq!(cores(0).len(), 1);
        let available = std::thread::available_parallelism().unwrap().get();
        assert_eq!(cores(0) == cores(1), available == 1);
    }

    #[test]
    fn a_folder_goes_with_its_guest() {
        let folder = Folder::new().unwrap();
        let path = folder.path().to_owned();
        assert!(path.join("tmp").is_dir());
        drop(folder);
        assert!(!path.exists());
    }
}
