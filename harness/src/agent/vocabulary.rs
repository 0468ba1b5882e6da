//! The JSON part of the protocol: what an agent can be asked to do, what it answers, and what it tells unasked.
//!
//! A request is `{"id": 7, "action": {"do": "exec", "argv": ["ip", "link"], "timeout_ms": 1000}}`, its response
//! `{"id": 7, "outcome": {"result": "exec", "status": {"exited": 0}, ...}}`, an event `{"event": "exited", ...}`.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Something the agent shall do. Requests run side by side; the response carries the id of its request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Chosen by the harness.
    pub id: u64,
    /// What to do.
    pub action: Action,
}

/// What an agent can do. It knows files, processes, and how to speak with a vty socket, and nothing of any product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Runs a program to its end.
    Exec {
        /// Program and arguments; the program is looked for in PATH.
        argv: Vec<String>,
        /// What it reads; nothing when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stdin: Option<String>,
        /// After which it and everything it started is killed.
        timeout_ms: u64,
    },
    /// Starts a program that stays. Its end is [`Event::Exited`], what it prints is [`Event::Log`].
    Spawn {
        /// The name by which it is known from now on; free again after its end.
        name: String,
        /// Program and arguments. It must not go into the background by itself.
        argv: Vec<String>,
        /// Variables on top of the agent's own.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        env: BTreeMap<String, String>,
        /// When given, the answer comes when it has printed a line with this: that it runs is not yet that it works.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<String>,
        /// For that line; 10 s when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_ms: Option<u64>,
    },
    /// Sends a signal to a spawned program and to what it started.
    Kill {
        /// Its name.
        name: String,
        /// The signal's number.
        signal: i32,
        /// How long to wait for its end before answering; not at all when 0.
        #[serde(default)]
        wait_ms: u64,
    },
    /// Writes a file anew, together with the directories that it needs.
    Write {
        /// The file.
        path: String,
        /// All of its contents.
        text: String,
        /// Its permissions, such as 0o640.
        mode: u32,
        /// `user` or `user:group`, names or numbers; as it comes when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<String>,
    },
    /// Makes a directory and the ones above it. One that is there gets permissions and owner.
    Mkdir {
        /// The directory.
        path: String,
        /// Its permissions.
        mode: u32,
        /// As in [`Action::Write`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        owner: Option<String>,
    },
    /// Removes files, or directories with all that is in them. What is not there is as good as removed.
    Remove {
        /// Which.
        paths: Vec<String>,
    },
    /// Reads a file, or what was added to it since.
    Read {
        /// The file.
        path: String,
        /// Where to begin.
        #[serde(default)]
        from_offset: u64,
    },
    /// Gives commands to a daemon over its vty socket, one after the other over one connection, and stops at the first
    /// that the daemon does not accept.
    Vty {
        /// The socket's path. A socket that is not there yet is waited for: this is how a starting daemon is probed.
        socket: String,
        /// The commands.
        commands: Vec<String>,
        /// When given, the last command is repeated until its output contains this: how a state is waited for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<String>,
        /// For all of it.
        timeout_ms: u64,
    },
    /// Several actions in a row, in one round trip.
    Batch {
        /// The actions.
        actions: Vec<Action>,
        /// Whether to go on after one that failed ([`Outcome::failed`]).
        #[serde(default)]
        keep_going: bool,
    },
    /// Asks for a sign of life.
    Ping {},
    /// Ends the router.
    Shutdown {},
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// The id of the request.
    pub id: u64,
    /// What came of it.
    pub outcome: Outcome,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
}

/// `exit code 1`, `signal 11`.
impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Status::Exited(code) => write!(f, "exit code {code}"),
            Status::Signalled(signal) => write!(f, "signal {signal}"),
        }
    }
}

/// A daemon's answer to one command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VtyReply {
    /// The command.
    pub command: String,
    /// What the daemon printed.
    pub output: String,
    /// The daemon's verdict: 0 is success, 1 a warning, all else an error.
    pub status: u8,
}

/// What came of an action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Outcome {
    /// Of [`Action::Exec`].
    Exec {
        /// How it ended.
        status: Status,
        /// True when it was killed because its time was over, or because it printed too much.
        overrun: bool,
        /// What it printed.
        stdout: String,
        /// What it complained about.
        stderr: String,
        /// True when the beginning of the output is all that is here.
        truncated: bool,
    },
    /// Of [`Action::Spawn`].
    Spawned {
        /// The process, as numbered where the agent runs.
        pid: i32,
    },
    /// Of [`Action::Kill`].
    Killed {
        /// How it ended, when that was waited for and came about.
        status: Option<Status>,
    },
    /// Of [`Action::Write`], [`Action::Mkdir`], [`Action::Remove`].
    Done {},
    /// Of [`Action::Read`].
    Read {
        /// What is there from the offset on, at most a mebibyte.
        text: String,
        /// Where to go on reading.
        next_offset: u64,
    },
    /// Of [`Action::Vty`]: an answer for each command up to the first that was not accepted, and the last answer of one
    /// that was repeated.
    Vty {
        /// The answers.
        replies: Vec<VtyReply>,
    },
    /// Of [`Action::Batch`]: an outcome for each action up to the first that failed, or for all.
    Batch {
        /// The outcomes.
        outcomes: Vec<Outcome>,
    },
    /// Of [`Action::Ping`].
    Pong {
        /// CLOCK_MONOTONIC where the agent runs: in a guest, of the guest.
        monotonic_ns: u64,
    },
    /// Of [`Action::Shutdown`], the last message.
    ShuttingDown {},
    /// Of any action that could not be carried out.
    Failed {
        /// Why.
        reason: String,
    },
}

impl Outcome {
    /// True when the action did not do what it was for: it could not be carried out, the program ended with an error,
    /// or the daemon did not accept a command.
    pub fn failed(&self) -> bool {
        match self {
            Outcome::Failed { .. } => true,
            Outcome::Exec { status, overrun, .. } => *overrun || *status != Status::Exited(0),
            Outcome::Vty { replies } => replies.last().is_some_and(|reply| reply.status > VTY_WARNING),
            Outcome::Batch { outcomes } => outcomes.iter().any(Outcome::failed),
            _ => false,
        }
    }
}

/// The highest status of a vty socket after which a command has still taken effect.
pub const VTY_WARNING: u8 = 1;

/// Whose kernel the router runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelKind {
    /// The machine's own.
    Host,
    /// The lab's, carried along in the image.
    Lab,
}

/// What a kernel can do for a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abilities {
    /// GRE tunnels.
    pub gre: bool,
    /// ESP.
    pub esp: bool,
}

impl fmt::Display for Abilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |can: bool| if can { "yes" } else { "no" };
        write!(f, "GRE {}, ESP {}", word(self.gre), word(self.esp))
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The agent is ready for requests, and frames flow. The first message of every agent but for [`Event::Console`].
    Hello(Hello),
    /// A spawned program has ended.
    Exited {
        /// Its name.
        name: String,
        /// How it ended.
        status: Status,
    },
    /// A spawned program has printed a line.
    Log {
        /// Its name.
        name: String,
        /// The line, cut where it is too long.
        line: String,
    },
    /// The lab's kernel has printed a line: the evidence when it dies.
    Console {
        /// The line.
        line: String,
    },
    /// The router's interface did not take frames in time: they are lost, and not by the harness's will.
    Lost {
        /// How many since the last such event.
        frames: u64,
    },
    /// A request could not be read, not even its id.
    Refused {
        /// Why.
        reason: String,
    },
    /// The router is gone or cannot start. The last message.
    Down {
        /// Why.
        reason: String,
    },
}

/// What an agent tells of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// The version of the harness that the agent is part of.
    pub version: String,
    /// The agent's process, as numbered where it runs.
    pub pid: i32,
    /// Whose kernel the router runs on.
    pub kernel: KernelKind,
    /// Release and version of that kernel.
    pub uname: String,
    /// What the machine's own kernel can do, where that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Abilities>,
    /// CLOCK_MONOTONIC of the machine, as in the stamps of frames, when this was written.
    pub monotonic_ns: u64,
    /// From the start of the agent in the container to this message.
    pub boot_ms: u64,
}
