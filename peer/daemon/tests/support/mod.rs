//! Network namespaces that remove themselves, and daemons in them.
#![allow(clippy::disallowed_methods, reason = "these tests watch real daemons on the real clock")]
#![allow(dead_code, reason = "each test binary uses its part")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The real program.
pub(crate) const PEER: &str = env!("CARGO_BIN_EXE_dmvpn-peer");

/// Long enough for a loaded machine; nothing waits this long where all is well.
const PATIENCE: Duration = Duration::from_secs(30);

/// Prints why a test does not run, or fails where skipping is not allowed.
pub(crate) fn skip(name: &str, reason: &str) {
    eprintln!("skip: {name} {reason}");
    let denied = std::env::var_os("DMVPN_LAB_DENY_SKIPS").is_some_and(|value| value == "1");
    assert!(!denied, "skips are denied: {name} {reason}");
}

/// Looks again and again until there is something, and fails loudly if there never is.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(arguments).output().map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
}

/// A network namespace.
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    fn new(role: &str) -> Result<Self, String> {
        static COUNTER: AtomicUsize = AtomicUsize::new(0);
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("dmvpn-peer-{}-{count}-{role}", std::process::id());
        ip(&["netns", "add", &name])?;
        let namespace = Self { name };
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    fn ip(&self, arguments: &[&str]) -> Result<(), String> {
        ip(&[&["-n", self.name.as_str()], arguments].concat())
    }

    /// Runs `work` in a thread that has entered the namespace.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let path = Path::new("/run/netns").join(&self.name);
        std::thread::scope(|scope| {
            let inside = || {
                let file = std::fs::File::open(path).expect("the namespace is there");
                nix::sched::setns(file, nix::sched::CloneFlags::CLONE_NEWNET).expect("entered");
                work()
            };
            scope.spawn(inside).join().expect("the thread ends well")
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The links in it go with it.
        if let Err(error) = ip(&["netns", "del", &self.name]) {
            eprintln!("left behind: {error}");
        }
    }
}

/// A hub and a spoke on one link, and a directory for their files.
pub(crate) struct Lab {
    pub(crate) hub: Namespace,
    pub(crate) spoke: Namespace,
    pub(crate) dir: tempfile::TempDir,
}

impl Lab {
    /// Makes both, with addresses 192.0.2.1 and .11, 2001:db8::1 and ::11. `None`: not possible here, and said.
    pub(crate) fn new() -> Option<Self> {
        if Command::new("ip").arg("-V").output().is_err() {
            skip("netns.iproute2", "there is no `ip` program");
            return None;
        }
        let pair = Namespace::new("hub").and_then(|hub| Ok((hub, Namespace::new("spoke")?)));
        let (hub, spoke) = match pair {
            Ok(pair) => pair,
            Err(error) => {
                skip("netns.permission", &error);
                return None;
            }
        };
        let setup = || {
            ip(&["link", "add", "v0", "netns", &hub.name, "type", "veth", "peer", "name", "v0", "netns", &spoke.name])?;
            for (namespace, host) in [(&hub, "1"), (&spoke, "11")] {
                namespace.ip(&["address", "add", &format!("192.0.2.{host}/24"), "dev", "v0"])?;
                namespace.ip(&["address", "add", &format!("2001:db8::{host}/64"), "dev", "v0", "nodad"])?;
                namespace.ip(&["link", "set", "v0", "up"])?;
            }
            Ok::<_, String>(())
        };
        setup().expect("links in namespaces that could be made");
        Some(Self { hub, spoke, dir: tempfile::tempdir().expect("a directory") })
    }

    /// Starts a daemon in a namespace and waits until it is ready.
    pub(crate) fn start(&self, namespace: &Namespace, name: &str, config: &str) -> Daemon {
        let mut daemon = self.spawn(namespace, name, config);
        let first = wait_for("ready line", || {
            let line = daemon.log.lock().expect("no panic").first().cloned();
            line.or_else(|| daemon.ended())
        });
        assert!(first.starts_with("ready: "), "{}", daemon.text());
        daemon
    }

    /// Starts a daemon and does not wait.
    pub(crate) fn spawn(&self, namespace: &Namespace, name: &str, config: &str) -> Daemon {
        let mut daemon = self.spawn_unread(namespace, name, config);
        let lines = BufReader::new(daemon.child.stderr.take().expect("piped"));
        let log = Arc::clone(&daemon.log);
        // Until end of file: a full pipe would cost the daemon log lines.
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                log.lock().expect("no panic").push(line);
            }
        });
        daemon
    }

    /// Starts a daemon, does not wait, and does not read what it logs.
    pub(crate) fn spawn_unread(&self, namespace: &Namespace, name: &str, config: &str) -> Daemon {
        let path = |suffix: &str| self.dir.path().join(format!("{name}.{suffix}"));
        std::fs::write(path("yaml"), config).expect("written");
        let child = Command::new("ip")
            .args(["netns", "exec", &namespace.name, PEER, "up", "--log", "debug", "--config"])
            .arg(path("yaml"))
            .arg("--capture")
            .arg(path("pcapng"))
            .arg("--control")
            .arg(path("sock"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        Daemon { child, log: Arc::default(), control: path("sock"), capture: path("pcapng") }
    }
}

/// A `dmvpn-peer up`; killed at the end if it still runs.
pub(crate) struct Daemon {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    pub(crate) control: PathBuf,
    pub(crate) capture: PathBuf,
}

impl Daemon {
    /// What it logged so far.
    pub(crate) fn text(&self) -> String {
        self.log.lock().expect("no panic").join("\n")
    }

    fn ended(&mut self) -> Option<String> {
        self.child.try_wait().expect("a child").map(|status| format!("ended: {status}"))
    }

    /// Runs another command on its control socket.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Output {
        Command::new(PEER).args(arguments).arg("--control").arg(&self.control).output().expect("started")
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.ask(arguments);
        assert!(output.status.success(), "{output:?}\n{}", self.text());
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// `show nhrp --json`.
    pub(crate) fn nhrp(&self) -> Value {
        self.json(&["show", "nhrp", "--json"])
    }

    /// All counters at one instant.
    pub(crate) fn counters(&self) -> Value {
        self.json(&["show", "counters", "--json"])
    }

    /// One counter.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        self.counters()[name].as_u64().unwrap_or_else(|| panic!("no counter {name}"))
    }

    /// The binding of a protocol address that is registered.
    pub(crate) fn dynamic(&self, protocol: &str) -> Option<Value> {
        let nhrp = self.nhrp();
        let rows = nhrp["cache"].as_array().expect("a list");
        rows.iter().find(|row| row["type"] == "dynamic" && row["protocol"] == protocol).cloned()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a pid"));
        nix::sys::signal::kill(pid, signal).expect("it runs");
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_for("end of the daemon", || self.child.try_wait().expect("a child"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.control.display(), self.text());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What tshark reads in a capture, one line per packet; `None` without tshark, and said.
pub(crate) fn tshark(capture: &Path, fields: &[&str]) -> Option<Vec<String>> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-T", "fields", "-r"]).arg(capture);
    for field in fields {
        command.args(["-e", field]);
    }
    let Ok(output) = command.output() else {
        skip("tshark.missing", "there is no `tshark` program");
        return None;
    };
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect())
}
