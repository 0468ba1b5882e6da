//! Speaks with a daemon over its vty socket, as the routing suite's own shell does, without that shell's start-up time.
//!
//! A command goes out with a NUL behind it. The answer is text, three NULs, and one octet of status. The text has no
//! NULs, so the first three in a row are the end.

use std::fmt::Display;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::protocol::{VTY_WARNING, VtyReply};

/// The longest answer to one command: tables of a thousand peers stay far below.
const MAX_ANSWER: usize = 3 * 1024 * 1024;
/// How often a socket that is not there yet is tried again, and a state that is not reached yet asked for.
const RETRY_AFTER: Duration = Duration::from_millis(2);

/// Gives the commands to the daemon behind `socket`, until the first one that it does not accept or `deadline`. The last
/// one is repeated until its output contains `until`, if that is given.
///
/// A socket that does not exist yet, or that nobody listens on yet, is waited for.
pub(super) fn run(
    socket: &str,
    commands: &[String],
    until: Option<&str>,
    deadline: Instant,
) -> Result<Vec<VtyReply>, String> {
    let wrong = |command: &str, error: &dyn Display| format!("vty socket {socket}: \"{command}\": {error}");
    let mut stream = connect(socket, deadline).map_err(|error| wrong("", &error))?;
    let mut replies: Vec<VtyReply> = Vec::with_capacity(commands.len());
    for command in commands {
        let reply = exchange(&mut stream, command, deadline).map_err(|error| wrong(command, &error))?;
        let refused = reply.status > VTY_WARNING;
        replies.push(reply);
        if refused {
            return Ok(replies);
        }
    }
    if let (Some(awaited), Some(last)) = (until, replies.last_mut()) {
        while !last.output.contains(awaited) {
            std::thread::sleep(RETRY_AFTER);
            *last = exchange(&mut stream, &last.command, deadline).map_err(|error| {
                let state = format!("\"{awaited}\" was not seen: {error}; the last answer was:\n{}", last.output);
                wrong(&last.command, &state)
            })?;
        }
    }
    Ok(replies)
}

fn connect(socket: &str, deadline: Instant) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(socket) {
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused)
                    && Instant::now() < deadline =>
            {
                std::thread::sleep(RETRY_AFTER);
            }
            result => return result,
        }
    }
}

fn exchange(stream: &mut UnixStream, command: &str, deadline: Instant) -> io::Result<VtyReply> {
    // A NUL inside would be two commands with two answers, and every later answer would belong to the wrong command.
    if command.contains('\0') {
        return Err(io::Error::new(ErrorKind::InvalidInput, "the command contains a NUL"));
    }
    stream.set_write_timeout(Some(remaining(deadline)?))?;
    // In one piece: a daemon may look at each that arrives.
    stream.write_all(&[command.as_bytes(), &[0]].concat())?;

    let mut answer = Answer::default();
    let mut octets = [0; 16 * 1024];
    loop {
        stream.set_read_timeout(Some(remaining(deadline)?))?;
        let n = match stream.read(&mut octets) {
            Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "the daemon closed the connection")),
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(too_late()),
            Err(error) => return Err(error),
        };
        if let Some((output, status)) = answer.push(&octets[..n])? {
            return Ok(VtyReply { command: command.to_owned(), output, status });
        }
    }
}

fn remaining(deadline: Instant) -> io::Result<Duration> {
    // A timeout of zero would mean none at all.
    Some(deadline.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero()).ok_or_else(too_late)
}

fn too_late() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "no complete answer in time")
}

/// An answer as it comes in.
#[derive(Debug, Default)]
struct Answer {
    text: Vec<u8>,
    /// Where to look for the end: everything before was looked at.
    seen: usize,
}

impl Answer {
    /// Takes more of the answer; returns text and status once it is complete.
    fn push(&mut self, octets: &[u8]) -> io::Result<Option<(String, u8)>> {
        self.text.extend_from_slice(octets);
        let end = self.text[self.seen..].windows(3).position(|three| three == [0, 0, 0]).map(|at| self.seen + at);
        let Some(end) = end else {
            self.seen = self.text.len().saturating_sub(2);
            return match self.text.len() {
                0..=MAX_ANSWER => Ok(None),
                len => Err(io::Error::new(ErrorKind::InvalidData, format!("{len} octets and no end"))),
            };
        };
        self.seen = end;
        match self.text[end + 3..] {
            [] => Ok(None),
            [status] => {
                let output = String::from_utf8_lossy(&self.text[..end]).into_owned();
                Ok(Some((output, status)))
            }
            // Nothing was asked yet that this could be the answer to.
            _ => Err(io::Error::new(ErrorKind::InvalidData, "octets behind the end of the answer")),
        }
    }
}

#[cfg(test)]
#[path = "vty_tests.rs"]
mod tests;
