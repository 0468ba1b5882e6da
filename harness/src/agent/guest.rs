//! The inner agent: first process of a guest that runs on the lab's kernel.
//!
//! It makes the world that daemons expect (kernel file systems, writable directories, interfaces), and then carries out
//! the requests that arrive over the guest's second console line.

use std::convert::Infallible;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::sync::Arc;
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::termios::{SetArg, cfmakeraw, tcdrain, tcgetattr, tcsetattr};

use super::children::Children;
use super::host;
use super::outbox::Outbox;
use super::protocol::{Decoder, Event, Hello, KernelKind, Kind, Message};
use super::services::Services;
use super::sys::{self, IfName};

/// In the environment of a process that shall be the first of a guest.
pub const GUEST_MARK: &str = "DMVPN_LAB_GUEST";
/// The console line that leads to the outer agent.
const LINE: &str = "/dev/tty1";

/// Runs a guest until it is told to power off, or nobody is there any more to tell it. To be the first process of a
/// kernel that the outer agent has booted.
pub fn run_guest_init() -> ! {
    if std::process::id() != 1 || std::env::var_os(GUEST_MARK).is_none() {
        eprintln!("agent guest-init is the first process of a guest kernel and does nothing anywhere else");
        std::process::exit(2);
    }
    if let Err(error) = run() {
        // The console: it reaches the harness as an event.
        eprintln!("agent guest-init: {error}");
    }
    power_off()
}

fn run() -> Result<(), String> {
    make_world()?;
    let line = open_line().map_err(|error| format!("{LINE}: {error}"))?;
    let outbox = Outbox::new(line.try_clone().map_err(|error| format!("{LINE}: {error}"))?);
    let children = Arc::new(Children::default());
    reap(Arc::clone(&children))?;
    set_up_interfaces().map_err(|error| format!("interfaces: {error}"))?;

    let drained = line.try_clone().map_err(|error| format!("{LINE}: {error}"))?;
    let services = Services::new(outbox.clone(), children, move || {
        // The last answer must be out before the lights are.
        let _ = tcdrain(&drained);
        power_off();
    });
    outbox.tell(Event::Hello(Hello {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: 1,
        kernel: KernelKind::Lab,
        uname: host::uname(),
        // The outer agent knows these three, and puts them in.
        host: None,
        monotonic_ns: 0,
        boot_ms: 0,
    }));
    serve(line, &outbox, &services)
}

fn serve(mut line: File, outbox: &Outbox, services: &Arc<Services>) -> Result<(), String> {
    let mut decoder = Decoder::new();
    let mut octets = vec![0; 64 * 1024];
    loop {
        match line.read(&mut octets) {
            // The outer agent has gone.
            Ok(0) => return Ok(()),
            Ok(len) => {
                decoder.push(&octets[..len]);
                // No more than the buffer holds, which is a small part of 2^32.
                if outbox.send(&Message::Credit(len as u32)).is_err() {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return Ok(()),
        }
        while let Some(envelope) = decoder.next_envelope().map_err(|error| error.to_string())? {
            match envelope.kind {
                Kind::Request => services.take(&envelope.payload),
                Kind::Session => services.programs.take(&envelope.payload),
                other => return Err(format!("a message of the other direction: {other:?}")),
            }
        }
    }
}

/// The line carries octets as they are: nothing is echoed, translated, or kept until a newline.
fn open_line() -> io::Result<File> {
    let line = OpenOptions::new().read(true).write(true).open(LINE)?;
    let mut settings = tcgetattr(&line)?;
    cfmakeraw(&mut settings);
    tcsetattr(&line, SetArg::TCSANOW, &settings)?;
    Ok(line)
}

/// File systems of the kernel, and empty writable directories over those which daemons write to: nothing that a router
/// does stays behind in the container.
fn make_world() -> Result<(), String> {
    const NONE: MsFlags = MsFlags::empty();
    let attach = |kind: &str, at: &str, flags: MsFlags, data: Option<&str>| {
        mount(Some(kind), at, Some(kind), flags, data).map_err(|error| format!("mount {kind} on {at}: {error}"))
    };
    let safe = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    attach("proc", "/proc", safe, None)?;
    attach("sysfs", "/sys", safe, None)?;
    if fs::metadata(LINE).is_err() {
        attach("devtmpfs", "/dev", MsFlags::MS_NOSUID, None)?;
    }
    for directory in ["/dev/pts", "/dev/shm"] {
        fs::create_dir_all(directory).map_err(|error| format!("{directory}: {error}"))?;
    }
    attach("devpts", "/dev/pts", MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, Some("mode=620,ptmxmode=666"))?;
    for directory in ["/dev/shm", "/run", "/tmp", "/var/log", "/var/tmp"] {
        let mode = if matches!(directory, "/run" | "/var/log") { "mode=755" } else { "mode=1777" };
        attach("tmpfs", directory, NONE, Some(mode))?;
    }
    Ok(())
}

fn set_up_interfaces() -> io::Result<()> {
    quieten("vec0");
    let eth0 = IfName::new("eth0")?;
    sys::rename(IfName::new("vec0")?, eth0)?;
    sys::set_up(IfName::new("lo")?)?;
    sys::set_up(eth0)
}

/// No interface speaks IPv6 unasked: none makes itself an address, and so there are no solicitations and no reports.
/// `default` is for links made later: a tunnel gets no link-local address, which some routers would take for theirs.
pub(super) fn quieten(own: &str) {
    for interface in ["default", own] {
        for (knob, value) in [("addr_gen_mode", "1"), ("accept_ra", "0"), ("router_solicitations", "0")] {
            // A knob that a kernel lacks turns nothing on.
            let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{interface}/{knob}"), value);
        }
    }
}

fn reap(children: Arc<Children>) -> Result<(), String> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGCHLD);
    // Before any other thread exists, so that all of them inherit it.
    signals.thread_block().map_err(|error| format!("signals: {error}"))?;
    let watch = move || {
        while signals.wait().is_ok() {
            children.reap_orphans();
        }
    };
    thread::Builder::new().spawn(watch).map(drop).map_err(|error| format!("thread: {error}"))
}

/// Ends the guest that this is the first process of, and with it its kernel.
pub fn power_off() -> ! {
    let end: Result<Infallible, _> = reboot(RebootMode::RB_POWER_OFF);
    // Only a process without the right to do so gets here, and then leaving panics the guest, which ends it as well.
    eprintln!("first process: power off: {end:?}");
    std::process::exit(1)
}
