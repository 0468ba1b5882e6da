//! A router on the lab's own kernel: an ordinary program that the image brings along, for machines whose kernel has no
//! GRE or no ESP. It needs no capability, no device and no network of the container.

use std::collections::VecDeque;
use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socketpair, sockopt};
use nix::sys::statvfs::{FsFlags, statvfs};

use super::guest::GUEST_MARK;
use super::protocol::{Decoder, Event, Hello, KernelKind, Kind, Message, Status};
use super::router::{Context, End, Place};
use super::{host, sys};

/// Where the image has the kernel.
const KERNEL: &str = "/usr/lib/dmvpn-lab/linux";
/// Where the guest's memory is: a file that the kernel unlinks as soon as it is made.
const MEMORY: &str = "/dev/shm";
/// From start to the guest's hello; a fifth of a second on an idle machine.
const BOOT_WITHIN: Duration = Duration::from_secs(30);
/// How long the guest may leave a request lying in front of its console line.
const TAKES_WITHIN: Duration = Duration::from_secs(10);
/// Lines of the console that are repeated when the guest dies.
const LAST_LINES: usize = 12;

/// Boots the guest. Requests wait until its agent says hello.
pub(super) fn start(context: &Context) -> Result<Place, String> {
    let wrong = |error: io::Error| format!("the lab's kernel: {error}");
    check_memory()?;
    let pair =
        |kind| socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC).map_err(|error| wrong(error.into()));
    // Packets, in order, and with a buffer counted in octets: datagrams would be limited to ten by the machine.
    let (wire, guest_wire) = pair(SockType::SeqPacket)?;
    let (line, guest_line) = pair(SockType::Stream)?;
    for end in [&wire, &guest_wire] {
        let _ = setsockopt(end, sockopt::SndBuf, &(1 << 20));
    }
    let line = UnixStream::from(line);

    let (printed, console) = io::pipe().map_err(wrong)?;
    let mut command = kernel_command(context, &guest_wire, &guest_line).map_err(wrong)?;
    command.stdout(console.try_clone().map_err(wrong)?).stderr(console);
    sys::inheritable(guest_wire.as_fd()).and_then(|()| sys::inheritable(guest_line.as_fd())).map_err(wrong)?;
    let child = sys::spawn_bound(&mut command).map_err(|error| format!("{KERNEL}: {error}"))?;
    // Both the kernel's ends of the sockets and of the console's pipe are the guest's alone now.
    drop((command, guest_wire, guest_line));

    let last_lines = Arc::new(Mutex::new(VecDeque::new()));
    let ready = Arc::new(Ready::default());
    let (told, lines) = (context.clone(), Arc::clone(&last_lines));
    let console = thread::spawn(move || pass_on_console(&told, &lines, printed));
    let (from_guest, greeted) = (line.try_clone().map_err(wrong)?, Arc::clone(&ready));
    let heard = context.clone();
    thread::spawn(move || {
        if let Err(reason) = relay_answers(&heard, from_guest, &greeted) {
            let _ = heard.end.send(End::Broken(reason));
        }
    });
    let (ending, greeted) = (context.clone(), Arc::clone(&ready));
    thread::spawn(move || {
        let end = watch(child, &greeted, &console, &last_lines);
        let _ = ending.end.send(end);
    });

    line.set_write_timeout(Some(TAKES_WITHIN)).map_err(wrong)?;
    let deadline = Instant::now() + BOOT_WITHIN;
    let overdue = context.clone();
    let greeted = Arc::clone(&ready);
    thread::spawn(move || {
        if !greeted.wait(deadline) {
            let reason = format!("the guest did not say hello within {BOOT_WITHIN:?}");
            let _ = overdue.end.send(End::Broken(reason));
        }
    });
    let mut line = line;
    Ok(Place {
        wire,
        control: Box::new(move |envelope| {
            if !ready.wait(deadline) {
                return Err("the guest is not there to take a request".to_owned());
            }
            let mut octets = Vec::new();
            envelope.encode(&mut octets).map_err(|error| error.to_string())?;
            line.write_all(&octets).map_err(|error| {
                let _ = line.shutdown(Shutdown::Both);
                format!("the guest does not take requests: {error}")
            })
        }),
    })
}

/// The guest executes its memory: a file system that forbids that is found out here, with words that help.
fn check_memory() -> Result<(), String> {
    let remedy = "create the container with a tmpfs on /dev/shm, options rw,exec,size=1g";
    let flags = statvfs(MEMORY).map_err(|error| format!("{MEMORY}: {error}; {remedy}"))?.flags();
    if flags.intersects(FsFlags::ST_NOEXEC | FsFlags::ST_RDONLY) {
        return Err(format!("{MEMORY} is mounted noexec or read-only; {remedy}"));
    }
    if !Path::new(KERNEL).exists() {
        return Err(format!("the image has no {KERNEL}; build it with `cargo lab images build`"));
    }
    Ok(())
}

fn kernel_command(context: &Context, wire: &OwnedFd, line: &OwnedFd) -> io::Result<Command> {
    let (wire, line) = (wire.as_raw_fd(), line.as_raw_fd());
    let init = env::current_exe()?;
    // A directory of its own, with nothing in it when the guest has gone.
    let home = format!("{MEMORY}/lab");
    fs::create_dir_all(&home)?;
    let mut command = Command::new(KERNEL);
    command
        .arg(format!("mem={}M", context.args.memory_mib))
        .arg(format!("uml_dir={home}"))
        .args(["root=/dev/root", "rootfstype=hostfs", "rootflags=/", "rw"])
        .arg(format!("init={}", init.display()))
        .args(["con=null", "con0=null,fd:1", "quiet", "seccomp=auto"])
        .arg(format!("con1=fd:{line}"))
        .arg(format!("vec0:transport=fd,fd={wire},mac={},depth=64", context.args.mac))
        // Words of this form become variables of init's environment, those behind the dashes its arguments.
        .arg(format!("{GUEST_MARK}=1"))
        .arg("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .args(["--", "agent", "guest-init"])
        .env("TMPDIR", MEMORY)
        .env("HOME", &home)
        .current_dir("/")
        .stdin(Stdio::null());
    Ok(command)
}

/// Whether the guest has said hello, or never will.
#[derive(Default)]
struct Ready {
    state: Mutex<Option<bool>>,
    changed: Condvar,
}

impl Ready {
    fn set(&self, ready: bool) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(ready);
        self.changed.notify_all();
    }

    fn wait(&self, deadline: Instant) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let left = deadline.saturating_duration_since(Instant::now());
        let waited = self.changed.wait_timeout_while(state, left, |state| state.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.unwrap_or(false)
    }
}

/// Relays what the guest's agent says. Its hello is completed with what only this side knows: how long it took to get
/// here, the machine's clock, and what the machine's kernel can do.
fn relay_answers(context: &Context, mut line: impl Read, ready: &Ready) -> Result<(), String> {
    let mut decoder = Decoder::new();
    let mut octets = vec![0; 64 * 1024];
    let mut greeted = false;
    loop {
        match line.read(&mut octets) {
            // The guest has ended, which is reported where it is waited for.
            Ok(0) | Err(_) => return Ok(()),
            Ok(len) => decoder.push(&octets[..len]),
        }
        while let Some(envelope) =
            decoder.next_envelope().map_err(|error| format!("the guest speaks nonsense: {error}"))?
        {
            if !matches!(envelope.kind, Kind::Response | Kind::Event) {
                return Err(format!("the guest sent a message of the other direction: {:?}", envelope.kind));
            }
            let sent = if greeted {
                context.outbox.relay(&envelope)
            } else {
                let Ok(Message::Event(Event::Hello(guest))) = Message::try_from(envelope) else {
                    return Err("the guest's first words were no hello".to_owned());
                };
                greeted = true;
                let hello = Hello { pid: guest.pid, ..host::hello(context, KernelKind::Lab, guest.uname) };
                let sent = context.outbox.send(&Message::Event(Event::Hello(hello)));
                ready.set(true);
                sent
            };
            if sent.is_err() {
                let _ = context.end.send(End::Asked);
                return Ok(());
            }
        }
    }
}

fn pass_on_console(context: &Context, last_lines: &Mutex<VecDeque<String>>, printed: impl Read) {
    let mut printed = BufReader::new(printed);
    let mut octets = Vec::new();
    while let Ok(1..) = printed.by_ref().take(4096).read_until(b'\n', &mut octets) {
        let line = String::from_utf8_lossy(&octets).trim_end_matches(['\r', '\n']).to_owned();
        octets.clear();
        if line.is_empty() {
            continue;
        }
        let mut last = last_lines.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == LAST_LINES {
            last.pop_front();
        }
        last.push_back(line.clone());
        drop(last);
        context.outbox.tell(Event::Console { line });
    }
}

/// Waits for the end of the guest's kernel and says what it was.
fn watch(
    mut child: Child,
    ready: &Ready,
    console: &thread::JoinHandle<()>,
    last_lines: &Mutex<VecDeque<String>>,
) -> End {
    let status = child.wait().map(Status::from);
    ready.set(false);
    // Its last words come through a pipe that helpers of the kernel may still hold open.
    let until = Instant::now() + Duration::from_millis(300);
    while !console.is_finished() && Instant::now() < until {
        thread::sleep(Duration::from_millis(1));
    }
    match status {
        Ok(Status::Exited(0)) => End::Asked,
        Ok(status) => {
            let lines = last_lines.lock().unwrap_or_else(PoisonError::into_inner);
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            End::Broken(format!("the guest's kernel has ended: {status:?}; its last words:\n{}", lines.join("\n")))
        }
        Err(error) => End::Broken(format!("the guest's kernel: {error}")),
    }
}
