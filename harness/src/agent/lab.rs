//! A router on the lab's own kernel: an ordinary program that the image brings along, for machines whose kernel has no
//! GRE or no ESP. It needs no capability, no device and no network of the container.

use std::collections::VecDeque;
use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socketpair, sockopt};
use nix::sys::statvfs::{FsFlags, statvfs};

use super::guest::GUEST_MARK;
use super::protocol::{Decoder, Envelope, Event, Hello, KernelKind, Kind, Message, Status};
use super::router::{Context, End, Place};
use super::window::Window;
use super::wire::Wire;
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
    let mut line = UnixStream::from(line);

    let (printed, console) = io::pipe().map_err(wrong)?;
    let mut command = kernel_command(context, &guest_wire, &guest_line).map_err(wrong)?;
    command.stdout(console.try_clone().map_err(wrong)?).stderr(console);
    sys::inheritable(guest_wire.as_fd()).and_then(|()| sys::inheritable(guest_line.as_fd())).map_err(wrong)?;
    sys::bind(&mut command);
    // By this thread, which lives as long as the process: the guest would end with it.
    let mut child = context.children.start(&mut command).map_err(|error| format!("{KERNEL}: {error}"))?;
    // Both the kernel's ends of the sockets and of the console's pipe are the guest's alone now.
    drop((command, guest_wire, guest_line));

    let last_lines = Arc::new(Mutex::new(VecDeque::new()));
    let window = Arc::new(Window::shut(WINDOW));
    let (told, lines) = (context.clone(), Arc::clone(&last_lines));
    let console = thread::spawn(move || pass_on_console(&told, &lines, printed));
    let (heard, from_guest, opened) = (context.clone(), line.try_clone().map_err(wrong)?, Arc::clone(&window));
    thread::spawn(move || {
        if let Err(reason) = relay_answers(&heard, from_guest, &opened) {
            let _ = heard.end.send(End::Broken(reason));
        }
    });
    let (ending, closed) = (context.clone(), Arc::clone(&window));
    thread::spawn(move || {
        let status = ending.children.wait(&mut child, None);
        closed.close();
        let _ = ending.end.send(last_words(status, &console, &last_lines));
    });

    line.set_write_timeout(Some(TAKES_WITHIN)).map_err(wrong)?;
    let deadline = Instant::now() + BOOT_WITHIN;
    let (overdue, opened) = (context.clone(), Arc::clone(&window));
    thread::spawn(move || {
        if !opened.wait_open(deadline) && Instant::now() >= deadline {
            let reason = format!("the guest did not say hello within {BOOT_WITHIN:?}");
            let _ = overdue.end.send(End::Broken(reason));
        }
    });
    Ok(Place {
        wire: Wire::Socket(wire),
        control: Box::new(move |envelope| {
            if !window.wait_open(deadline) {
                return Err("the guest is not there to take a request".to_owned());
            }
            write_request(&mut line, &window, &envelope)
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

/// Octets on their way to the guest at most.
///
/// The terminal at the guest's end of the line holds 4096 octets. When they are exceeded it stops the line, and the
/// line's driver never starts again. So the guest says what it has read, and half of that is all that is on its way.
const WINDOW: usize = 2048;

/// Writes a request to the guest, no faster than it reads.
fn write_request(line: &mut UnixStream, window: &Window, envelope: &Envelope) -> Result<(), String> {
    let mut octets = Vec::new();
    envelope.encode(&mut octets).map_err(|error| error.to_string())?;
    let mut rest = octets.as_slice();
    while !rest.is_empty() {
        let Some(len) = window.take(rest.len(), Some(Instant::now() + TAKES_WITHIN)) else {
            return Err(format!("the guest is gone or has not read a request within {TAKES_WITHIN:?}"));
        };
        let (now, later) = rest.split_at(len);
        line.write_all(now).map_err(|error| format!("the guest does not take requests: {error}"))?;
        rest = later;
    }
    Ok(())
}

/// Relays what the guest's agent says. Its hello is completed with what only this side knows: how long it took to get
/// here, the machine's clock, and what the machine's kernel can do.
fn relay_answers(context: &Context, mut line: impl Read, window: &Window) -> Result<(), String> {
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
            if envelope.kind == Kind::Credit {
                if let Ok(Message::Credit(octets)) = Message::try_from(envelope) {
                    window.grant(octets as usize);
                }
                continue;
            }
            if !matches!(envelope.kind, Kind::Response | Kind::Event | Kind::Session) {
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
                window.grant(WINDOW);
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
            // The line that says why it panics stays in front of whatever trace comes after it.
            let oldest = usize::from(last.front().is_some_and(|line: &String| line.contains("Kernel panic")));
            last.remove(oldest);
        }
        last.push_back(line.clone());
        drop(last);
        context.outbox.tell(Event::Console { line });
    }
}

/// What the end of the guest's kernel means, in its own last words.
fn last_words(
    status: io::Result<Option<Status>>,
    console: &thread::JoinHandle<()>,
    last_lines: &Mutex<VecDeque<String>>,
) -> End {
    // They come through a pipe that helpers of the kernel may still hold open.
    let until = Instant::now() + Duration::from_millis(300);
    while !console.is_finished() && Instant::now() < until {
        thread::sleep(Duration::from_millis(1));
    }
    match status {
        Ok(Some(Status::Exited(0))) => End::Asked,
        Ok(status) => {
            let how = status.map_or_else(|| "unseen".to_owned(), |status| format!("{status:?}"));
            let lines = last_lines.lock().unwrap_or_else(PoisonError::into_inner);
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            End::Broken(format!("the guest's kernel has ended: {how}; its last words:\n{}", lines.join("\n")))
        }
        Err(error) => End::Broken(format!("the guest's kernel: {error}")),
    }
}

#[cfg(test)]
#[path = "lab_tests.rs"]
mod tests;
