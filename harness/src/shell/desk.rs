//! The side of `cargo lab up`: lets callers in, and passes on what they and programs say.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{Answer, Call, Ear, Reserved, send_document, send_word};
use crate::agent::protocol::Kind;
use crate::agent::session::{Opening, Say};
use crate::world::LabError;
use crate::world::real::sessions::{Sessions, Talk};

/// How long a caller may take to say what it wants.
const SPEAKS_WITHIN: Duration = Duration::from_secs(10);
/// How often it is looked whether a caller has left, while a program does not take its input.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What a caller finds at a node.
#[derive(Clone, Debug)]
pub enum Resident {
    /// A router, and the program that it has for people.
    Router(Vec<String>),
    /// The built-in peer, in this process.
    InProcess,
    /// Nobody: only a case would make it speak.
    Scripted,
}

/// An open door. It is closed when dropped.
#[derive(Debug)]
pub struct Desk {
    reserved: Reserved,
}

impl Desk {
    /// Lets callers in from now on.
    ///
    /// # Errors
    /// `up.door` if there can be no door.
    pub fn open(
        reserved: Reserved,
        residents: BTreeMap<String, Resident>,
        sessions: Arc<Sessions>,
    ) -> Result<Self, LabError> {
        let listener = reserved.listen()?;
        let inside = Arc::new((residents, sessions));
        thread::spawn(move || {
            for caller in listener.incoming().map_while(Result::ok) {
                let inside = Arc::clone(&inside);
                // A caller that comes to harm tells its own user.
                thread::spawn(move || drop(attend(caller, &inside.0, &inside.1)));
            }
        });
        Ok(Self { reserved })
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.reserved.place.socket());
    }
}

/// One caller, from the call to the end.
fn attend(caller: UnixStream, residents: &BTreeMap<String, Resident>, sessions: &Arc<Sessions>) -> io::Result<()> {
    caller.set_read_timeout(Some(SPEAKS_WITHIN))?;
    let mut ear = Ear::new(caller.try_clone()?);
    let call: Call = ear.document(Kind::Request)?;
    caller.set_read_timeout(None)?;
    let refused = |(problem, help)| send_document(&caller, Kind::Response, &Answer::Refused { problem, help });
    let opening = match opening(call.clone(), residents) {
        Ok(opening) => opening,
        Err(why) => return refused(why),
    };
    let Some((talk, heard)) = sessions.open(&call.node, opening) else {
        return refused((format!("the router `{}` is gone", call.node), "bring the topology up anew".to_owned()));
    };
    send_document(&caller, Kind::Response, &Answer::Open)?;
    let talk = Arc::new(talk);
    let (to, program) = (caller.try_clone()?, Arc::clone(&talk));
    thread::spawn(move || pass_on(&to, &heard, &program));
    let result = listen(&mut ear, &caller, &talk);
    talk.hang_up();
    result
}

/// What a call means.
fn opening(call: Call, residents: &BTreeMap<String, Resident>) -> Result<Opening, (String, String)> {
    let node = call.node;
    let routers = || {
        let routers: Vec<String> = residents
            .iter()
            .filter(|(_, resident)| matches!(resident, Resident::Router(_)))
            .map(|(name, _)| format!("`{name}`"))
            .collect();
        if routers.is_empty() {
            "no node of this topology is a router".to_owned()
        } else {
            format!("routers: {}", routers.join(", "))
        }
    };
    let shell = match residents.get(&node) {
        Some(Resident::Router(shell)) => shell.clone(),
        Some(Resident::InProcess) => {
            let problem = format!("`{node}` is played by the built-in peer, in process: there is no router to go into");
            return Err((problem, format!("{}; `cargo lab up --peer frr` makes routers of all", routers())));
        }
        Some(Resident::Scripted) => return Err((format!("`{node}` is played by nobody"), routers())),
        None => return Err((format!("there is no node `{node}`"), routers())),
    };
    let mut env = BTreeMap::from([("HOME".to_owned(), "/root".to_owned()), ("PS1".to_owned(), format!("{node}# "))]);
    let terminal = call.terminal.map(|(size, kind)| {
        env.insert("TERM".to_owned(), kind);
        size
    });
    let argv = call.argv.filter(|argv| !argv.is_empty()).unwrap_or(shell);
    Ok(Opening { argv, env, host: Some(node), terminal })
}

/// What the program says, no faster than the caller takes it.
fn pass_on(to: &UnixStream, heard: &Receiver<Say>, talk: &Talk) {
    while let Ok(say) = heard.recv() {
        let (octets, last) = match &say {
            Say::Output(octets) | Say::Errors(octets) => (octets.len(), false),
            other => (0, matches!(other, Say::Ended(_))),
        };
        if send_word(to, say).is_err() || last {
            return;
        }
        talk.grant(octets);
    }
}

/// What the caller says, no faster than the program takes it. Ends when the caller leaves.
fn listen(ear: &mut Ear, caller: &UnixStream, talk: &Talk) -> io::Result<()> {
    loop {
        match ear.word()? {
            Some(Say::Input(octets)) if octets.is_empty() => talk.input(octets),
            Some(Say::Input(octets)) => {
                let mut rest = octets.as_slice();
                while !rest.is_empty() {
                    match talk.input.take(rest.len(), Some(soon())) {
                        Some(leave) => {
                            let (now, later) = rest.split_at(leave);
                            talk.input(now.to_vec());
                            rest = later;
                        }
                        None if talk.input.is_closed() => break,
                        None if has_left(caller) => return Ok(()),
                        None => {}
                    }
                }
            }
            Some(Say::Resize(size)) => talk.resize(size),
            Some(Say::HangUp) | None => return Ok(()),
            Some(_) => return Err(io::Error::other("a word of the other direction")),
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "a person at a terminal lives by the clock on the wall")]
fn soon() -> Instant {
    Instant::now() + LOOK_EVERY
}

/// Whether the other end of a socket is closed, whatever is unread.
fn has_left(caller: &UnixStream) -> bool {
    let mut look = [PollFd::new(caller.as_fd(), PollFlags::POLLHUP)];
    matches!(poll(&mut look, PollTimeout::ZERO), Ok(1..))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::session::Size;

    fn call(node: &str) -> Call {
        Call { node: node.to_owned(), argv: None, terminal: None }
    }

    #[test]
    fn a_call_finds_routers_and_nobody_else() {
        let residents = BTreeMap::from([
            ("hub".to_owned(), Resident::Router(vec!["vtysh".to_owned()])),
            ("spoke".to_owned(), Resident::InProcess),
            ("watcher".to_owned(), Resident::Scripted),
        ]);
        let size = Size { rows: 24, columns: 80 };
        let opened = opening(Call { terminal: Some((size, "xterm".to_owned())), ..call("hub") }, &residents).unwrap();
        assert_eq!((opened.argv.as_slice(), opened.terminal), (&["vtysh".to_owned()][..], Some(size)));
        assert_eq!(opened.env.get("TERM").map(String::as_str), Some("xterm"));
        let own = opening(Call { argv: Some(vec!["ip".to_owned()]), ..call("hub") }, &residents).unwrap();
        assert_eq!(own.argv, ["ip"]);
        for (node, word) in [("spoke", "in process"), ("watcher", "nobody"), ("hbu", "no node `hbu`")] {
            let (problem, help) = opening(call(node), &residents).unwrap_err();
            assert!(problem.contains(word) && help.contains("`hub`"), "{problem}: {help}");
        }
    }
}
