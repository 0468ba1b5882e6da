//! The side of `cargo lab shell`: the user's terminal or pipes, and the way to where the topology is up.

use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use super::{Answer, Call, Ear, Place, send_document, send_word};
use crate::agent::protocol::{Kind, Status};
use crate::agent::session::{Ending, INPUT_AHEAD, Say, Size};
use crate::report::terminal_size;
use crate::world::LabError;

/// How a visit came out.
#[derive(Debug, PartialEq, Eq)]
pub enum Visit {
    /// The program has ended, with this code as shells count it.
    Ended(u8),
    /// The program could not be started.
    NotStarted(String),
    /// There was no way in: why, and what to do instead.
    Refused(String, String),
}

/// Comes in, and stays until the program ends.
///
/// # Errors
/// Nothing is up, or it went down meanwhile.
pub fn visit(place: &Place, node: &str, argv: Option<Vec<String>>) -> Result<Visit, LabError> {
    let stream = UnixStream::connect(place.socket()).map_err(|_| match place.reserve() {
        Err(error) if error.is("up.running") => LabError::environment(
            "up.starting",
            format!("the topology `{}` is not ready yet", place.name),
            "try again when `cargo lab up` has printed its nodes",
        ),
        _ => LabError::environment(
            "up.none",
            format!("no topology of the name `{}` is up", place.name),
            "bring one up with `cargo lab up` in another terminal",
        ),
    })?;
    let lost = |error: io::Error| {
        LabError::environment(
            "up.lost",
            format!("the topology went down: {error}"),
            "bring it up anew with `cargo lab up`",
        )
    };
    let interactive = io::stdin().is_terminal() && io::stdout().is_terminal();
    // Before any other thread exists, so that all of them inherit it.
    let signals = interactive.then(block_signals).transpose().map_err(lost)?;
    let kind = std::env::var("TERM").unwrap_or_else(|_| "dumb".to_owned());
    let terminal = interactive.then(|| (size(), kind));
    send_document(&stream, Kind::Request, &Call { node: node.to_owned(), argv, terminal }).map_err(lost)?;
    let mut ear = Ear::new(stream.try_clone().map_err(lost)?);
    if let Answer::Refused { problem, help } = ear.document(Kind::Response).map_err(lost)? {
        return Ok(Visit::Refused(problem, help));
    }
    let mouth = Arc::new(Mutex::new(stream));
    let raw = interactive.then(RawTerminal::begin).transpose().map_err(lost)?.map(Arc::new);
    if let (Some(signals), Some(raw)) = (signals, &raw) {
        let (raw, mouth) = (Arc::clone(raw), Arc::clone(&mouth));
        thread::spawn(move || watch(&signals, &raw, &mouth));
    }
    thread::spawn(move || read_input(&mouth));
    let visit = stay(&mut ear);
    // Whoever watches for signals has it as well, and stays.
    if let Some(raw) = raw {
        raw.restore();
    }
    visit.map_err(lost)
}

/// Prints what the program says until it ends.
fn stay(ear: &mut Ear) -> io::Result<Visit> {
    loop {
        match ear.word()? {
            Some(Say::Output(octets)) => print(io::stdout(), &octets),
            Some(Say::Errors(octets)) => print(io::stderr(), &octets),
            Some(Say::Ended(Ending::Status(status))) => return Ok(Visit::Ended(code(status))),
            Some(Say::Ended(Ending::Failed { reason })) => return Ok(Visit::NotStarted(reason)),
            Some(Say::Ended(Ending::Gone { reason })) => return Err(io::Error::other(reason)),
            Some(_) => {}
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// As shells count: 128 and more for signals.
fn code(status: Status) -> u8 {
    match status {
        Status::Exited(code) => u8::try_from(code & 0xff).unwrap_or(u8::MAX),
        Status::Signalled(signal) => u8::try_from(signal.saturating_add(128)).unwrap_or(u8::MAX),
    }
}

/// A reader that has seen enough (`| head`) ends the process quietly, as other tools do; the program is then hung up on.
fn print(mut to: impl Write, octets: &[u8]) {
    if to.write_all(octets).and_then(|()| to.flush()).is_err() {
        std::process::exit(0);
    }
}

fn read_input(mouth: &Mutex<UnixStream>) {
    let mut octets = [0; INPUT_AHEAD];
    loop {
        let input = match io::stdin().read(&mut octets) {
            Ok(len) => octets[..len].to_vec(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => Vec::new(),
        };
        let last = input.is_empty();
        if say(mouth, Say::Input(input)).is_err() || last {
            return;
        }
    }
}

fn say(mouth: &Mutex<UnixStream>, word: Say) -> io::Result<()> {
    send_word(&mouth.lock().unwrap_or_else(PoisonError::into_inner), word)
}

fn size() -> Size {
    let (rows, columns) = terminal_size(io::stdout().as_fd()).unwrap_or((24, 80));
    Size { rows, columns }
}

fn block_signals() -> io::Result<SigSet> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGWINCH, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        signals.add(signal);
    }
    signals.thread_block()?;
    Ok(signals)
}

/// Passes on changes of the terminal's size; leaves it as it was when somebody wants this process to end.
fn watch(signals: &SigSet, raw: &RawTerminal, mouth: &Mutex<UnixStream>) {
    while let Ok(signal) = signals.wait() {
        if signal == Signal::SIGWINCH {
            let _ = say(mouth, Say::Resize(size()));
        } else {
            raw.restore();
            std::process::exit(code(Status::Signalled(signal as i32)).into());
        }
    }
}

/// The user's terminal while every key belongs to the program at the other end.
#[derive(Debug)]
struct RawTerminal(Mutex<Termios>);

impl RawTerminal {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(io::stdin(), SetArg::TCSADRAIN, &raw)?;
        Ok(Self(Mutex::new(before)))
    }

    /// Makes it what it was.
    fn restore(&self) {
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &before);
    }
}
