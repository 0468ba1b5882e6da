//! Requests and answers.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::view::NhrpView;

/// Longest request, octets with the line end.
pub const MAX_REQUEST: usize = 4096;

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Put a route into the routing table, in the words of a configuration file.
    AddRoute {
        /// A prefix.
        to: String,
        /// An address, `beyond` or `attached`.
        via: String,
        /// Name of the tunnel, where the next hop's address does not say which one.
        tunnel: Option<String>,
    },
    /// Take a route out of the routing table.
    DeleteRoute {
        /// Its prefix.
        to: String,
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
    route: Option<Change>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    via: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tunnel: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stop: Option<bool>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    Add,
    Delete,
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
            Line {
                show: None,
                clear: None,
                protocol: None,
                route: Some(change),
                to: Some(to),
                via,
                tunnel,
                stop: None,
            } => match (change, via, tunnel) {
                (Change::Add, Some(via), tunnel) => Ok(Self::AddRoute { to, via, tunnel }),
                (Change::Delete, None, None) => Ok(Self::DeleteRoute { to }),
                _ => Err("`add` takes `to` and `via`, and perhaps `tunnel`; `delete` takes `to`".into()),
            },
            Line { route: None, to: None, via: None, tunnel: None, show, clear, protocol, stop } => {
                match (show, clear, protocol, stop) {
                    (Some(Show::Nhrp), None, None, None) => Ok(Self::ShowNhrp),
                    (Some(Show::Counters), None, None, None) => Ok(Self::ShowCounters),
                    (None, Some(Clear::Nhrp), protocol, None) => Ok(Self::ClearNhrp { protocol }),
                    (None, None, None, Some(true)) => Ok(Self::Stop),
                    _ => Err("a request has exactly one of `show`, `clear`, `route` and `stop`".into()),
                }
            }
            _ => Err("`to`, `via` and `tunnel` belong to `route`".into()),
        }
    }

    /// The line for it, with its end.
    pub fn to_line(&self) -> Vec<u8> {
        let line = match self.clone() {
            Self::ShowNhrp => Line { show: Some(Show::Nhrp), ..Line::default() },
            Self::ShowCounters => Line { show: Some(Show::Counters), ..Line::default() },
            Self::ClearNhrp { protocol } => Line { clear: Some(Clear::Nhrp), protocol, ..Line::default() },
            Self::AddRoute { to, via, tunnel } => {
                Line { route: Some(Change::Add), to: Some(to), via: Some(via), tunnel, ..Line::default() }
            }
            Self::DeleteRoute { to } => Line { route: Some(Change::Delete), to: Some(to), ..Line::default() },
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
    /// To [`Request::AddRoute`] and [`Request::DeleteRoute`].
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
    /// It is one, but can not be carried out.
    Refused,
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
            (
                Request::AddRoute { to: "10.9.0.0/16".into(), via: "10.0.0.1".into(), tunnel: Some("tun0".into()) },
                r#"{"route":"add","to":"10.9.0.0/16","via":"10.0.0.1","tunnel":"tun0"}"#,
            ),
            (Request::DeleteRoute { to: "10.9.0.0/16".into() }, r#"{"route":"delete","to":"10.9.0.0/16"}"#),
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
            r#"{"show":"nhrp","to":"10.9.0.0/16"}"#,
            r#"{"route":"add","to":"10.9.0.0/16"}"#,
            r#"{"route":"delete","to":"10.9.0.0/16","via":"10.0.0.1"}"#,
            r#"{"route":"delete"}"#,
            r#"{"route":"delete","to":"10.9.0.0/16","stop":true}"#,
            r#"{"show":"nhrp"}{"#,
            "\u{0}",
        ] {
            assert!(Request::parse(line.as_bytes()).is_err(), "{line}");
        }
        assert!(Request::parse("[".repeat(4000).as_bytes()).is_err());
    }
}
