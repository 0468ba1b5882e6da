//! The outer agent: first process of a router's container.
//!
//! It decides whose kernel the router runs on, relays between the harness and the place where the daemons are, and ends
//! the container as soon as either of them is gone.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};

use super::children::Children;
use super::outbox::Outbox;
use super::protocol::{Abilities, Decoder, Envelope, Event, Kind, MAX_FRAME, STAMP_LEN, split_frame};
use super::wire::Wire;
use super::{host, lab, sys, tap};

/// The hardware address of a router's only interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacAddress(pub [u8; 6]);

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for MacAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is no hardware address such as 02:00:00:00:00:01");
        let mut octets = [0; 6];
        let mut parts = text.split(':');
        for octet in &mut octets {
            let part = parts.next().filter(|part| part.len() == 2).ok_or_else(wrong)?;
            *octet = u8::from_str_radix(part, 16).map_err(|_| wrong())?;
        }
        if parts.next().is_some() {
            return Err(wrong());
        }
        if octets[0] & 1 != 0 {
            return Err(format!("\"{text}\" is a group address; an interface needs one of its own"));
        }
        Ok(Self(octets))
    }
}

/// Whose kernel to run a router on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KernelChoice {
    /// The machine's own where it can do GRE and ESP, else the lab's.
    #[default]
    Auto,
    /// The machine's own, come what may.
    Host,
    /// The lab's, to be booted.
    Lab,
    /// The one it is on, which is the lab's: the whole lab is in one guest.
    Guest,
}

impl FromStr for KernelChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "host" => Ok(Self::Host),
            "lab" => Ok(Self::Lab),
            "guest" => Ok(Self::Guest),
            _ => Err(format!("\"{text}\" is none of auto, host, lab, guest")),
        }
    }
}

/// What `agent router` is told.
#[derive(Clone, Debug)]
pub struct RouterArgs {
    /// The hardware address of eth0.
    pub mac: MacAddress,
    /// Whose kernel to run on.
    pub kernel: KernelChoice,
    /// Memory of the guest, in mebibytes, when there is one. Only what it touches is taken from the machine.
    pub memory_mib: u32,
}

/// What ends a router.
pub(super) enum End {
    /// As it was asked for: by a request, by a signal, or by the harness closing the stream.
    Asked,
    /// Otherwise, with the reason.
    Broken(String),
}

/// The part of the agent that belongs to one of the two kinds of kernel.
pub(super) struct Place {
    /// Frames to and from the router's interface.
    pub(super) wire: Wire,
    /// Takes a request, or a word of a session; an error is the end.
    pub(super) control: Box<dyn FnMut(Envelope) -> Result<(), String> + Send>,
}

/// What both kinds of place get to work with.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) outbox: Outbox,
    pub(super) end: Sender<End>,
    pub(super) children: Arc<Children>,
    pub(super) args: Arc<RouterArgs>,
    pub(super) started: Instant,
    /// What the machine's own kernel can do, if that matters.
    pub(super) host: Option<Abilities>,
}

/// Runs a router until it is told to stop or its harness is gone. To be the first process of a container, with the
/// harness at its standard streams; see `containers/frr/README.md` for how that container is made.
pub fn run_router(args: RouterArgs) -> ExitCode {
    // Silent until the first word: an engine discards what is said before somebody has attached to the streams.
    if !hears(&io::stdin(), args.lease()) {
        return ExitCode::SUCCESS;
    }
    let started = Instant::now();
    let outbox = Outbox::new(io::stdout());
    let (end, ended) = mpsc::channel();
    let children = Arc::new(Children::default());
    let result = watch_signals(end.clone(), Arc::clone(&children)).and_then(|()| {
        let context = Context {
            outbox: outbox.clone(),
            end: end.clone(),
            host: (args.kernel != KernelChoice::Guest).then(|| host::probe(&children)),
            args: Arc::new(args),
            started,
            children,
        };
        start(&context)
    });
    if let Err(reason) = result {
        let _ = end.send(End::Broken(reason));
    }
    // `end` lives as long as this function, so there is always a sender, and an error cannot come.
    match ended.recv().unwrap_or(End::Asked) {
        End::Asked => ExitCode::SUCCESS,
        End::Broken(reason) => {
            // A harness that has stopped reading must not keep the container alive.
            let told = thread::Builder::new().spawn(move || outbox.tell(Event::Down { reason }));
            let until = Instant::now() + Duration::from_secs(1);
            while told.as_ref().is_ok_and(|told| !told.is_finished()) && Instant::now() < until {
                thread::sleep(Duration::from_millis(1));
            }
            ExitCode::FAILURE
        }
    }
}

fn start(context: &Context) -> Result<(), String> {
    let kernel = match context.args.kernel {
        KernelChoice::Auto if context.host.is_some_and(|host| host.gre && host.esp) => KernelChoice::Host,
        KernelChoice::Auto => KernelChoice::Lab,
        chosen => chosen,
    };
    let Place { wire, control } = match kernel {
        KernelChoice::Host => host::start(context)?,
        KernelChoice::Guest => tap::start(context)?,
        KernelChoice::Lab | KernelChoice::Auto => lab::start(context)?,
    };
    let wire = Arc::new(wire);
    let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
        thread::Builder::new().name(name.to_owned()).spawn(work).map(drop).map_err(|error| format!("thread: {error}"))
    };
    let (outgoing, out) = (context.clone(), Arc::clone(&wire));
    spawn("frames", Box::new(move || relay_frames(&outgoing, &out)))?;
    let incoming = context.clone();
    spawn(
        "stdin",
        Box::new(move || {
            let end = read_harness(&incoming, &wire, control);
            let _ = incoming.end.send(end);
        }),
    )
}

/// Frames that leave the router, on their way to the harness.
fn relay_frames(context: &Context, wire: &Wire) {
    let mut octets = vec![0; MAX_FRAME + 1];
    loop {
        let len = match wire.receive(&mut octets) {
            // The other end is closed: whoever held it has ended, which is reported where it is waited for.
            Ok(0) => return,
            Ok(len) => len,
            Err(Errno::EINTR | Errno::ENETDOWN) => continue,
            Err(error) => {
                let _ = context.end.send(End::Broken(format!("the router's interface: {error}")));
                return;
            }
        };
        let stamp = sys::monotonic_ns();
        if len > MAX_FRAME {
            context.outbox.tell(Event::Lost { frames: 1 });
            continue;
        }
        let mut payload = Vec::with_capacity(STAMP_LEN + len);
        payload.extend_from_slice(&stamp.to_be_bytes());
        payload.extend_from_slice(&octets[..len]);
        if context.outbox.relay(&Envelope { kind: Kind::Frame, payload }).is_err() {
            let _ = context.end.send(End::Asked);
            return;
        }
    }
}

/// How long a router goes on without a word from its harness, in seconds. The harness says something every few seconds;
/// one that was killed can not close the stream, as the engine holds it.
const LEASE: u16 = 30;

impl RouterArgs {
    /// In a guest the stream ends with the harness, and words every few seconds would be wake-ups in virtual hours.
    fn lease(&self) -> Option<u16> {
        (self.kernel != KernelChoice::Guest).then_some(LEASE)
    }
}

/// Whether there is something to read (or the end of it) within so many seconds; without a limit there always is.
fn hears(stream: &impl AsFd, seconds: Option<u16>) -> bool {
    let Some(seconds) = seconds else { return true };
    let until = Instant::now() + Duration::from_secs(seconds.into());
    loop {
        let left = until.saturating_duration_since(Instant::now()).as_millis();
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(stream.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(0) | Err(Errno::EINTR) if Instant::now() < until => {}
            Ok(found) => return found > 0,
            Err(_) => return false,
        }
    }
}

/// Frames and requests from the harness, until it closes the stream.
fn read_harness(
    context: &Context,
    wire: &Wire,
    mut control: Box<dyn FnMut(Envelope) -> Result<(), String> + Send>,
) -> End {
    // Not through the standard library's handle, whose buffer would be filled before it hands anything out.
    let mut stdin = match io::stdin().as_fd().try_clone_to_owned() {
        Ok(fd) => File::from(fd),
        Err(error) => return End::Broken(format!("standard input: {error}")),
    };
    let mut decoder = Decoder::new();
    let mut octets = vec![0; 64 * 1024];
    loop {
        if !hears(&stdin, context.args.lease()) {
            return End::Asked;
        }
        match stdin.read(&mut octets) {
            Ok(0) => return End::Asked,
            Ok(len) => decoder.push(&octets[..len]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return End::Broken(format!("standard input: {error}")),
        }
        loop {
            let envelope = match decoder.next_envelope() {
                Ok(Some(envelope)) => envelope,
                Ok(None) => break,
                Err(error) => return End::Broken(format!("the harness speaks nonsense: {error}")),
            };
            let result = match envelope.kind {
                Kind::Frame => deliver(context, wire, &envelope.payload),
                Kind::Request | Kind::Session => control(envelope),
                other => Err(format!("the harness sent a message of the other direction: {other:?}")),
            };
            if let Err(reason) = result {
                return End::Broken(reason);
            }
        }
    }
}

fn deliver(context: &Context, wire: &Wire, payload: &[u8]) -> Result<(), String> {
    let (_, frame) = split_frame(payload).map_err(|error| error.to_string())?;
    if wire.send(frame).is_err() {
        // As on any wire: no error to the sender. But the harness must not judge the router by a frame it never got.
        context.outbox.tell(Event::Lost { frames: 1 });
    }
    Ok(())
}

/// Takes signals as events: the first process of a container gets none by default, and `docker stop` would wait long.
fn watch_signals(end: Sender<End>, children: Arc<Children>) -> Result<(), String> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        signals.add(signal);
    }
    // Before any other thread exists, so that all of them inherit it.
    signals.thread_block().map_err(|error| format!("signals: {error}"))?;
    let watch = move || {
        while let Ok(signal) = signals.wait() {
            match signal {
                Signal::SIGCHLD => children.reap_orphans(),
                _ => drop(end.send(End::Asked)),
            }
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(watch).map(drop).map_err(|error| format!("thread: {error}"))
}

#[cfg(test)]
#[path = "router_tests.rs"]
mod tests;
