//! A topology to play with, and ways into it, on real routers: through `cargo lab`, as only a static executable can be an
//! agent. Builds that, and images, if they are missing, which takes minutes once.

#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of the functions that clippy knows as such")]

use std::io::{BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use dmvpn_lab::docker::{self, OWNER, Owner};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// One topology that is up, and the folder with its door and its evidence.
struct Up {
    process: Child,
    folder: tempfile::TempDir,
}

fn lab(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .arg("lab")
        .args(arguments)
        .env("XDG_RUNTIME_DIR", folder)
        .env("TERM", "vt100")
        .stdin(Stdio::null());
    command
}

impl Up {
    /// Nothing if this machine can not.
    fn bring(arguments: &[&str]) -> Option<Up> {
        let folder = tempfile::tempdir().unwrap();
        let mut process = lab(folder.path(), &[&["up", "--out", folder.path().to_str().unwrap()], arguments].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        if lines.any(|line| line.unwrap().starts_with("up; ")) {
            // Whatever it still says, it must not wait for us.
            std::thread::spawn(move || lines.for_each(drop));
            return Some(Up { process, folder });
        }
        let mut words = String::new();
        process.stderr.take().unwrap().read_to_string(&mut words).unwrap();
        assert_eq!(process.wait().unwrap().code(), Some(4), "{words}");
        assert!(std::env::var("DMVPN_LAB_DENY_SKIPS").as_deref() != Ok("1"), "skips are denied: {words}");
        eprintln!("skipped: no routers can be brought up here: {words}");
        None
    }

    fn shell(&self, arguments: &[&str]) -> Output {
        lab(self.folder.path(), &[&["shell"], arguments].concat()).output().unwrap()
    }

    /// Ends it as an operating system would, and waits for that.
    fn down(mut self) -> Option<i32> {
        self.terminate();
        self.process.wait().unwrap().code()
    }

    fn terminate(&self) {
        let _ = kill(Pid::from_raw(i32::try_from(self.process.id()).unwrap()), Signal::SIGTERM);
    }
}

/// A test that fails leaves nothing behind.
impl Drop for Up {
    fn drop(&mut self) {
        if let Ok(None) = self.process.try_wait() {
            self.terminate();
            let _ = self.process.wait();
        }
    }
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// How many containers a process has.
fn containers_of(pid: u32) -> usize {
    let work = async {
        let docker = docker::connect().await.unwrap();
        let mine = |owner: &str| owner.parse::<Owner>().is_ok_and(|owner| owner.pid() == pid);
        let options = bollard::query_parameters::ListContainersOptionsBuilder::default().all(true).build();
        let all = docker.list_containers(Some(options)).await.unwrap();
        all.iter().filter(|one| one.labels.iter().flatten().any(|(key, value)| key == OWNER && mine(value))).count()
    };
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Runs a command on a terminal of this size; what was on the screen, and the code.
fn on_a_terminal(mut command: Command, rows: u16, columns: u16) -> (String, Option<i32>) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let ends = openpty(Some(&size), None).unwrap();
    let end = |end: &OwnedFd| Stdio::from(end.try_clone().unwrap());
    command.stdin(end(&ends.slave)).stdout(end(&ends.slave)).stderr(end(&ends.slave));
    let mut process = command.spawn().unwrap();
    drop((command, ends.slave));
    let mut screen = Vec::new();
    // It ends with an error when the last program on it has gone.
    let _ = std::fs::File::from(ends.master).read_to_end(&mut screen);
    (text(&screen), process.wait().unwrap().code())
}

#[test]
fn people_come_in_by_terminals_and_pipes() {
    let Some(up) = Up::bring(&["nhrp/registration", "--subject", "frr:10.3", "--peer", "frr:10.3"]) else { return };

    let addresses = up.shell(&["spoke", "--", "ip", "-br", "addr"]);
    assert!(addresses.status.success(), "{}", text(&addresses.stderr));
    assert!(text(&addresses.stdout).lines().any(|line| line.starts_with("gre1") && line.contains("10.0.0.11")));
    let code = up.shell(&["spoke", "--", "sh", "-c", "echo out; echo no >&2; exit 3"]);
    assert_eq!((code.status.code(), text(&code.stdout), text(&code.stderr)), (Some(3), "out\n".into(), "no\n".into()));
    assert_eq!(up.shell(&["hub", "--", "sh", "-c", "kill -9 $$"]).status.code(), Some(137));
    assert_eq!(up.shell(&["hub", "--", "/nonexistent"]).status.code(), Some(127));
    let much = up.shell(&["hub", "--", "head", "-c", "5000000", "/dev/zero"]);
    assert_eq!(much.stdout.len(), 5_000_000);
    // The hub's own command line is that of its daemons.
    let show = up.shell(&["hub", "--", "vtysh", "-c", "show ip nhrp"]);
    assert!(text(&show.stdout).contains("10.0.0.1 "), "{}{}", text(&show.stdout), text(&show.stderr));
    let unknown = up.shell(&["hbu"]);
    assert_eq!(unknown.status.code(), Some(2));
    let words = text(&unknown.stderr);
    assert!(words.contains("no node `hbu`") && words.contains("`hub`") && words.contains("`spoke`"), "{words}");

    let visit = |script: &str| lab(up.folder.path(), &["shell", "hub", "--", "sh", "-c", script]);
    let (screen, code) = on_a_terminal(visit("tty; stty size; hostname; echo $TERM; exit 4"), 33, 111);
    assert_eq!(code, Some(4), "{screen}");
    assert!(screen.starts_with("/dev/pts/") && screen.contains("33 111\r\n") && screen.contains("vt100"), "{screen}");
    let second = lab(up.folder.path(), &["up"]).output().unwrap();
    assert!(second.status.code() == Some(4) && text(&second.stderr).contains("up.running"), "{}", text(&second.stderr));

    let (pid, folder) = (up.process.id(), up.folder.path().to_owned());
    assert_eq!(containers_of(pid), 2);
    let keep = up.folder.path().join("latest").canonicalize().unwrap();
    let captures = || std::fs::metadata(keep.join("nhrp/registration/first/frr_10.3+frr_10.3/wan.pcapng"));
    assert!(captures().is_ok_and(|file| file.len() > 200), "no capture while it is up: {}", keep.display());
    assert_eq!(up.down(), Some(0));
    assert_eq!(containers_of(pid), 0);
    let nobody = lab(&folder, &["shell", "hub"]).output().unwrap();
    assert!(nobody.status.code() == Some(4) && text(&nobody.stderr).contains("up.none"), "{}", text(&nobody.stderr));
}
