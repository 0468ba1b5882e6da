//! Routers in namespaces of the guest that the harness itself is the first process of.
//!
//! ```text
//!   root of a version, unpacked on the machine (read-only)
//!        + an empty layer in memory = the router's root         network, mounts, processes, names of its own
//!                                        |
//!                        agent router --kernel guest  ==pipes==  the harness
//! ```
//!
//! Each router sees its own root and nothing of the others; all stand on one kernel, and so on one clock.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::{Mode, SFlag, makedev, mknod, umask};
use nix::unistd::Pid;

use super::lab::{Carrier, Island, Lab, Manner, Mouth, Opening};
use crate::agent::{EXECUTABLE, MacAddress};
use crate::suite::ClockKind;
use crate::world::LabError;

/// How far off a real daemon's timers may be: the slack that some of them are given, and their own rounding to
/// milliseconds.
const PRECISION: Duration = Duration::from_millis(5);

/// Starts routers in namespaces of the guest that this process is the first of.
#[derive(Debug)]
pub struct Namespaces {
    /// The unpacked root of each `recipe:version`.
    roots: BTreeMap<String, PathBuf>,
    /// A folder in memory.
    folder: PathBuf,
    started: u32,
}

impl Namespaces {
    /// A lab without routers, under the guest's clock.
    pub fn lab(roots: BTreeMap<String, PathBuf>, folder: PathBuf, clock: ClockKind) -> Lab<Namespaces> {
        let precision = (clock == ClockKind::Virtual).then_some(PRECISION);
        // Whoever wants to interrupt ends the whole guest.
        let manner = Manner { name: "guest", clock, precision, glance: None };
        Lab::new(Namespaces { roots, folder, started: 0 }, manner, Arc::default())
    }
}

impl Carrier for Namespaces {
    fn open(&mut self, opening: Opening<'_>) -> Result<Arc<dyn Island>, LabError> {
        let Opening { node, implementation, release, mac, mouth } = opening;
        let name = format!("{}:{}", implementation.image.recipe, release.version);
        let root =
            self.roots.get(&name).ok_or_else(|| LabError::internal(format!("no root of {name} in this guest")))?;
        self.started += 1;
        let place = Place {
            lower: root.clone(),
            folder: self.folder.join(format!("{}-{node}", self.started)),
            slack: Duration::from_micros(implementation.timer_slack_us),
            mac: MacAddress(mac),
        };
        let ended = Arc::new(AtomicBool::new(false));
        let (started, outcome) = channel();
        let flag = Arc::clone(&ended);
        thread::spawn(move || live(&place, mouth, &started, &flag));
        // A thread that panics hangs up.
        let started = outcome.recv().unwrap_or_else(|_| Err(io::Error::other("its thread panicked")));
        let (pid, input) = started.map_err(|error| LabError::Router {
            node: node.to_owned(),
            problem: format!("its namespaces could not be made: {error}"),
        })?;
        Ok(Arc::new(Namespace { pid, input: Mutex::new(input), ended }))
    }
}

/// A router in namespaces of its own.
#[derive(Debug)]
struct Namespace {
    pid: i32,
    input: Mutex<ChildStdin>,
    ended: Arc<AtomicBool>,
}

impl Island for Namespace {
    fn send(&self, octets: Vec<u8>) {
        // Blocks while the agent reads, which takes no time here.
        let _ = self.input.lock().unwrap_or_else(PoisonError::into_inner).write_all(&octets);
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // With the first process of its namespace all others of the router go.
        if !self.ended.load(Ordering::Acquire) {
            let _ = kill(Pid::from_raw(self.pid), Signal::SIGKILL);
        }
    }
}

/// What a router's namespaces are made from.
#[derive(Debug)]
struct Place {
    lower: PathBuf,
    folder: PathBuf,
    slack: Duration,
    mac: MacAddress,
}

/// The life of a router: its thread has the namespaces, starts the agent in them, and passes on what it says.
fn live(place: &Place, mut mouth: Mouth, told: &Sender<io::Result<(i32, ChildStdin)>>, ended: &AtomicBool) {
    let mut child = match start(place) {
        Ok(child) => child,
        Err(error) => return drop(told.send(Err(error))),
    };
    let (Some(input), Some(mut output)) = (child.stdin.take(), child.stdout.take()) else { return };
    // Process numbers are positive and small.
    let _ = told.send(Ok((i32::try_from(child.id()).unwrap_or(i32::MAX), input)));
    let mut octets = vec![0; 64 * 1024];
    while let Ok(len @ 1..) = output.read(&mut octets) {
        if !mouth.push(&octets[..len]) {
            break;
        }
    }
    drop(output);
    let status = child.wait();
    ended.store(true, Ordering::Release);
    mouth.ended(status.map_or_else(|error| error.to_string(), |status| format!("its agent ended: {status}")));
    // The mounts go with this thread; what is in memory has to be given back by hand.
    let _ = fs::remove_dir_all(place.folder.join("upper"));
}

fn start(place: &Place) -> io::Result<Child> {
    // Of this thread alone, and of whoever it starts.
    unshare(
        CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC,
    )?;
    let root = make_root(place)?;
    let words = |path: &Path| CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other);
    let (root, proc) = (words(&root)?, words(&root.join("proc"))?);
    let slack = u64::try_from(place.slack.as_nanos()).unwrap_or(u64::MAX);
    let mut command = Command::new(EXECUTABLE);
    command
        .args(["agent", "router", "--kernel", "guest", "--mac", &place.mac.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    // SAFETY: between fork and exec only system calls are made, with arguments that are made already; nothing is
    // allocated and no lock is taken.
    unsafe {
        command.pre_exec(move || {
            // Here and not before: only this process is in the new namespace of processes.
            mount(Some(c"proc"), proc.as_c_str(), Some(c"proc"), MsFlags::empty(), None::<&std::ffi::CStr>)?;
            nix::unistd::chroot(root.as_c_str())?;
            nix::unistd::chdir(c"/")?;
            if slack > 0 {
                nix::sys::prctl::set_timerslack(slack)?;
            }
            Ok(())
        });
    }
    command.spawn()
}

/// The router's root, with all but /proc in it.
fn make_root(place: &Place) -> io::Result<PathBuf> {
    const NONE: MsFlags = MsFlags::empty();
    let at = |inside: &str| place.folder.join(inside);
    for inside in ["upper", "work", "root"] {
        fs::create_dir_all(at(inside))?;
    }
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    let root = at("root");
    let layers = format!(
        "lowerdir={},upperdir={},workdir={}",
        escaped(&place.lower)?,
        escaped(&at("upper"))?,
        escaped(&at("work"))?
    );
    mount(Some("overlay"), &root, Some("overlay"), NONE, Some(layers.as_str()))?;

    let attach = |kind: &str, inside: &str, data: Option<&str>| -> io::Result<()> {
        let target = root.join(inside);
        fs::create_dir_all(&target)?;
        Ok(mount(Some(kind), &target, Some(kind), NONE, data)?)
    };
    fs::create_dir_all(root.join("proc"))?;
    attach("sysfs", "sys", None)?;
    for inside in ["run", "var/log"] {
        attach("tmpfs", inside, Some("mode=755"))?;
    }
    for inside in ["tmp", "var/tmp"] {
        attach("tmpfs", inside, Some("mode=1777"))?;
    }
    attach("tmpfs", "dev", Some("mode=755"))?;
    let devices = [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];
    let old = umask(Mode::empty());
    fs::create_dir(root.join("dev/net"))?;
    for (name, major, minor) in devices.into_iter().chain([("net/tun", 10, 200)]) {
        let mode = Mode::from_bits_truncate(0o666);
        mknod(&root.join("dev").join(name), SFlag::S_IFCHR, mode, makedev(major, minor))?;
    }
    umask(old);
    attach("tmpfs", "dev/shm", Some("mode=1777"))?;
    attach("devpts", "dev/pts", Some("newinstance,mode=620,ptmxmode=666"))?;
    std::os::unix::fs::symlink("pts/ptmx", root.join("dev/ptmx"))?;

    let executable = root.join(EXECUTABLE.trim_start_matches('/'));
    if let Some(folder) = executable.parent() {
        fs::create_dir_all(folder)?;
    }
    File::create(&executable)?;
    mount(Some(&std::env::current_exe()?), &executable, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    Ok(root)
}

/// A path as the options of an overlay take it.
fn escaped(path: &Path) -> io::Result<String> {
    let text = path.to_str().ok_or_else(|| io::Error::other(format!("{} is not UTF-8", path.display())))?;
    Ok(text.replace('\\', "\\\\").replace(',', "\\,").replace(':', "\\:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_may_have_odd_names() {
        assert_eq!(escaped(Path::new("/a b/c:d,e\\f")).unwrap(), "/a b/c\\:d\\,e\\\\f");
    }
}
