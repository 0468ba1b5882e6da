//! Requests and answers.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::view::NhrpView;

/// Longest request, octets with the line end.
pub const MAX_REQUEST: usize = 4096;

/// What a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Bindings and next hop servers.
    ShowNhrp,
    /// Counters.
    ShowCounters,
    /// Forget learned bindings: of one protocol address, or all.
    ClearNhrp {
        /// The protocol address.
        protocol: Option<IpAddr>,
    },
    /// End the peer.
    Stop,
}

/// A request as written: exactly one verb.
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    show: Option<Show>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clear: Option<Clear>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    protocol: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stop: Option<bool>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Show {
    Nhrp,
    Counters,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Clear {
    Nhrp,
}

impl Request {
    /// Reads one line.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        let line: Line = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        match line {
            Line { show: Some(Show::Nhrp), clear: None, protocol: None, stop: None } => Ok(Self::ShowNhrp),
            Line { show: Some(Show::Counters), clear: None, protocol: None, stop: None } => Ok(Self::ShowCounters),
            Line { show: None, clear: Some(Clear::Nhrp), protocol, stop: None } => Ok(Self::ClearNhrp { protocol }),
            Line { show: None, clear: None, protocol: None, stop: Some(true) } => Ok(Self::Stop),
            _ => Err("a request has exactly one of `show`, `clear` and `stop`".into()),
        }
    }

    /// The line for it, with its end.
    pub fn to_line(self) -> Vec<u8> {
        let line = match self {
            Self::ShowNhrp => Line { show: Some(Show::Nhrp), ..Line::default() },
            Self::ShowCounters => Line { show: Some(Show::Counters), ..Line::default() },
            Self::ClearNhrp { protocol } => Line { clear: Some(Clear::Nhrp), protocol, ..Line::default() },
            Self::Stop => Line { stop: Some(true), ..Line::default() },
        };
        to_line(&line)
    }
}

/// What the peer says.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// To [`Request::ShowNhrp`].
    Nhrp(NhrpView),
    /// To [`Request::ShowCounters`].
    Counters(Vec<Counter>),
    /// To [`Request::ClearNhrp`].
    Cleared {
        /// Bindings removed.
        bindings: usize,
    },
    /// To a change of the routing table.
    Route {
        /// Whether the table is another one now.
        changed: bool,
    },
    /// To [`Request::Stop`]; always true.
    Stopping(bool),
    /// The request was refused.
    Error {
        /// Why, for programs.
        kind: ErrorKind,
        /// Why, for people.
        message: String,
    },
}

/// A counter.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Counter {
    /// Dotted name.
    pub name: String,
    /// Value since the start.
    pub value: u64,
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// It is not a request.
    BadRequest,
    /// It is longer than a request can be.
    TooLong,
    /// There are too many clients.
    Busy,
    /// The peer is going down.
    Stopping,
}

impl Response {
    /// The line for it, with its end.
    pub fn to_line(&self) -> Vec<u8> {
        to_line(self)
    }
}

fn to_line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("keys are strings and numbers are finite");
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_written_as_documented() {
        let address = "10.0.0.1".parse().unwrap();
        for (request, line) in [
            (Request::ShowNhrp, r#"{"show":"nhrp"}"#),
            (Request::ShowCounters, r#"{"show":"counters"}"#),
            (Request::ClearNhrp { protocol: None }, r#"{"clear":"nhrp"}"#),
            (Request::ClearNhrp { protocol: Some(address) }, r#"{"clear":"nhrp","protocol":"10.0.0.1"}"#),
            (Request::Stop, r#"{"stop":true}"#),
        ] {
            assert_eq!(request.to_line(), format!("{line}\n").into_bytes());
            assert_eq!(Request::parse(line.as_bytes()), Ok(request));
        }
        assert_eq!(Request::parse(br#"{"clear":"nhrp","protocol":null}"#), Ok(Request::ClearNhrp { protocol: None }));
    }

    #[test]
    fn anything_else_is_refused() {
        for line in [
            "",
            "{}",
            "[]",
            "null",
            "1",
            r#"{"show":"all"}"#,
            r#"{"show":"nhrp","stop":true}"#,
            r#"{"stop":false}"#,
            r#"{"show":"nhrp","protocol":"10.0.0.1"}"#,
            r#"{"clear":"nhrp","protocol":"10.0.0"}"#,
            r#"{"show":"nhrp","extra":1}"#,
            r#"{"show":"nhrp"}{"#,
            "\u{0}",
        ] {
            assert!(Request::parse(line.as_bytes()).is_err(), "{line}");
        }
        assert!(Request::parse("[".repeat(4000).as_bytes()).is_err());
    }
}
