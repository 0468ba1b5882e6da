//! Programs that somebody talks with, on terminals of their own or through pipes: what `cargo lab shell` finds in a router.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::Signal;

use super::children::{Children, signal_group};
use super::outbox::Outbox;
use super::protocol::{Event, Message};
use super::session::{Ending, INPUT_AHEAD, OUTPUT_AHEAD, Opening, Say, Session};
use super::window::Window;
use super::{services, sys};

/// Sessions at the same time; a person has few hands.
const MAX_AT_ONCE: usize = 16;
/// What is read of a program's output in one go.
const PIECE: usize = 8 * 1024;
/// How long after a program's end its output may still come through the hands of others that it has started.
const LINGERS_MS: u16 = 100;
/// How long a program may take to end when its terminal has gone.
const GOES_WITHIN: Duration = Duration::from_secs(2);

/// What an agent does for whoever wants to talk with programs.
pub(super) struct Programs {
    outbox: Outbox,
    children: Arc<Children>,
    running: Running,
}

/// Makes a word of octets.
type Word = fn(Vec<u8>) -> Say;

type Running = Arc<Mutex<BTreeMap<u32, Arc<Program>>>>;

/// A program and what leads to it.
struct Program {
    pid: i32,
    /// Its terminal, if it has one.
    terminal: Option<OwnedFd>,
    /// To whoever writes to it: writing may take long, and whoever brings input has other things to bring.
    input: Sender<Vec<u8>>,
    /// Octets of input that it has not taken yet.
    waiting: AtomicUsize,
    /// What may be sent of its output.
    output: Window,
    ended: AtomicBool,
}

/// The ends of a program's streams that are ours.
struct Streams {
    input: File,
    outputs: Vec<(File, Word)>,
}

impl Programs {
    pub(super) fn new(outbox: Outbox, children: Arc<Children>) -> Self {
        Self { outbox, children, running: Arc::default() }
    }

    /// Takes what was said in a session. Returns at once.
    pub(super) fn take(&self, payload: &[u8]) {
        let Session { id, say } = match Session::read(payload) {
            Ok(session) => session,
            Err(error) => return self.outbox.tell(Event::Refused { reason: error.to_string() }),
        };
        if let Say::Open(opening) = say {
            if let Err(error) = self.open(id, &opening) {
                let program = opening.argv.first().map_or("a program", String::as_str);
                let reason = format!("{program}: {error}");
                let _ = self.outbox.send(&Message::Session(Session { id, say: Say::Ended(Ending::Failed { reason }) }));
            }
            return;
        }
        // Words to a program that has ended in this moment are normal.
        let Some(program) = lock(&self.running).get(&id).cloned() else { return };
        match say {
            Say::Input(octets) => program.take_input(octets),
            Say::Resize(size) => {
                if let Some(terminal) = &program.terminal {
                    let _ = sys::set_terminal_size(terminal.as_fd(), size);
                }
            }
            Say::Grant(octets) => program.output.grant(octets as usize),
            Say::HangUp => program.hang_up(),
            Say::Open(_) | Say::Output(_) | Say::Errors(_) | Say::Ended(_) => {
                self.outbox.tell(Event::Refused { reason: format!("session {id}: a word of the other direction") });
            }
        }
    }

    fn open(&self, id: u32, opening: &Opening) -> io::Result<()> {
        {
            let running = lock(&self.running);
            if running.contains_key(&id) || running.len() >= MAX_AT_ONCE {
                return Err(io::Error::other(format!("no more than {MAX_AT_ONCE} sessions, each with its own number")));
            }
        }
        let (mut child, terminal, streams) = self.start(opening)?;
        let pid = child.id() as i32;
        let (input, to_write) = channel();
        let program = Arc::new(Program {
            pid,
            terminal,
            input,
            waiting: AtomicUsize::new(0),
            output: Window::open(OUTPUT_AHEAD),
            ended: AtomicBool::new(false),
        });
        lock(&self.running).insert(id, Arc::clone(&program));
        let attended = self.attend(id, &program, streams, to_write).and_then(|readers| {
            let (outbox, children, running) =
                (self.outbox.clone(), Arc::clone(&self.children), Arc::clone(&self.running));
            let wait = move || {
                let status = children.wait(&mut child, None);
                program.ended.store(true, Ordering::Release);
                // All that it has printed comes before its end.
                readers.into_iter().for_each(|reader| drop(reader.join()));
                lock(&running).remove(&id);
                let ending = match status {
                    Ok(Some(status)) => Ending::Status(status),
                    Ok(None) => Ending::Failed { reason: "its end was not seen".to_owned() },
                    Err(error) => Ending::Failed { reason: error.to_string() },
                };
                let _ = outbox.send(&Message::Session(Session { id, say: Say::Ended(ending) }));
            };
            thread::Builder::new().spawn(wait).map(drop)
        });
        attended.inspect_err(|_| {
            lock(&self.running).remove(&id);
            signal_group(pid, Signal::SIGKILL);
        })
    }

    fn start(&self, opening: &Opening) -> io::Result<(Child, Option<OwnedFd>, Streams)> {
        let mut command = services::command(&opening.argv)?;
        command.envs(&opening.env);
        sys::own_session(&mut command, opening.terminal.is_some(), opening.host.clone());
        let Some(size) = opening.terminal else {
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = self.children.start_as_it_is(&mut command)?;
            let (Some(input), Some(output), Some(errors)) =
                (child.stdin.take(), child.stdout.take(), child.stderr.take())
            else {
                return Err(io::Error::other("no pipes"));
            };
            let file = |end: OwnedFd| File::from(end);
            let outputs: Vec<(File, Word)> =
                vec![(file(output.into()), Say::Output), (file(errors.into()), Say::Errors)];
            return Ok((child, None, Streams { input: file(input.into()), outputs }));
        };
        let (ours, theirs) = sys::new_terminal(size)?;
        command.stdin(theirs.try_clone()?).stdout(theirs.try_clone()?).stderr(theirs);
        let child = self.children.start_as_it_is(&mut command)?;
        // The command holds the program's end: while somebody does, the terminal has no end of its own.
        drop(command);
        let (input, output) = (File::from(ours.try_clone()?), File::from(ours.try_clone()?));
        Ok((child, Some(ours), Streams { input, outputs: vec![(output, Say::Output)] }))
    }

    /// Lets input in and output out, each on a thread of its own; those that read are returned.
    fn attend(
        &self,
        id: u32,
        program: &Arc<Program>,
        streams: Streams,
        to_write: Receiver<Vec<u8>>,
    ) -> io::Result<Vec<thread::JoinHandle<()>>> {
        let (outbox, writing) = (self.outbox.clone(), Arc::clone(program));
        let say = move |say| outbox.send(&Message::Session(Session { id, say })).is_ok();
        thread::Builder::new().spawn(move || writing.write(streams.input, &to_write, say))?;
        let read = |(from, word): (File, Word)| {
            let (outbox, program) = (self.outbox.clone(), Arc::clone(program));
            let say = move |octets| outbox.send(&Message::Session(Session { id, say: word(octets) })).is_ok();
            thread::Builder::new().spawn(move || program.read(from, say))
        };
        streams.outputs.into_iter().map(read).collect()
    }
}

impl Program {
    fn take_input(self: &Arc<Self>, octets: Vec<u8>) {
        let waiting = self.waiting.fetch_add(octets.len(), Ordering::AcqRel) + octets.len();
        if waiting > INPUT_AHEAD {
            // Whoever does not wait for leave would fill our memory.
            return self.hang_up();
        }
        // A program that does not read any more has closed this.
        let _ = self.input.send(octets);
    }

    /// Hands input to the program as fast as it takes it.
    fn write(&self, mut to: File, input: &Receiver<Vec<u8>>, say: impl Fn(Say) -> bool) {
        const END_OF_INPUT: u8 = 4;
        while let Ok(octets) = input.recv() {
            let written = match (octets.is_empty(), &self.terminal) {
                (true, None) => return,
                (true, Some(_)) => to.write_all(&[END_OF_INPUT]),
                (false, _) => to.write_all(&octets),
            };
            self.waiting.fetch_sub(octets.len(), Ordering::AcqRel);
            // No more than the window, which is a small part of 2^32.
            if written.is_err() || !say(Say::Grant(octets.len() as u32)) {
                return;
            }
        }
    }

    /// Passes on what the program prints as fast as it is taken.
    fn read(&self, mut from: File, say: impl Fn(Vec<u8>) -> bool) {
        let mut octets = vec![0; PIECE];
        loop {
            // In this order: what is printed before the end is read after the end is seen.
            let ended = self.ended.load(Ordering::Acquire);
            match poll(&mut [PollFd::new(from.as_fd(), PollFlags::POLLIN)], LINGERS_MS) {
                Ok(0) if ended || self.output.is_closed() => return,
                Ok(0) | Err(Errno::EINTR) => continue,
                Ok(_) => {}
                Err(_) => return,
            }
            let len = match from.read(&mut octets) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // A terminal without programs on it fails instead of ending.
                Ok(0) | Err(_) => return,
                Ok(len) => len,
            };
            let mut rest = &octets[..len];
            while !rest.is_empty() {
                let Some(leave) = self.output.take(rest.len(), None) else { return };
                let (now, later) = rest.split_at(leave);
                if !say(now.to_vec()) {
                    return;
                }
                rest = later;
            }
        }
    }

    /// What happens on a terminal whose cable is pulled: programs are told, and have a moment to go.
    fn hang_up(self: &Arc<Self>) {
        self.output.close();
        let program = Arc::clone(self);
        let end = move || {
            for signal in [Signal::SIGHUP, Signal::SIGKILL] {
                // The program of this moment on the terminal is not always the one that it began with.
                let foreground = program.terminal.as_ref().and_then(|terminal| nix::unistd::tcgetpgrp(terminal).ok());
                for group in [Some(program.pid), foreground.map(nix::unistd::Pid::as_raw)].into_iter().flatten() {
                    // Its number may have been passed on once it has ended.
                    if !program.ended.load(Ordering::Acquire) && group > 1 {
                        signal_group(group, signal);
                        signal_group(group, Signal::SIGCONT);
                    }
                }
                let until = std::time::Instant::now() + GOES_WITHIN;
                while !program.ended.load(Ordering::Acquire) && std::time::Instant::now() < until {
                    thread::sleep(Duration::from_millis(10));
                }
            }
        };
        let _ = thread::Builder::new().spawn(end);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "programs_tests.rs"]
mod tests;
