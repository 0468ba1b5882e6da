//! What travels between a person and a program inside a router: the part of the protocol that is no JSON.
//!
//! ```text
//! +-----------------+------+==========+
//! | session, u32 be | verb | body     |   1 OPEN: JSON  2 INPUT, 6 OUTPUT, 7 ERRORS: octets, none of them is the end
//! +-----------------+------+==========+   3 RESIZE: rows, columns, u16 be each  4 GRANT: u32 be  5 HANG UP  8 ENDED: JSON
//! ```
//!
//! Nothing is sent that was not asked for: a session begins with leave for [`INPUT_AHEAD`] octets of input and
//! [`OUTPUT_AHEAD`] of output, and whoever has taken some grants as many again. So a program that prints without end waits
//! for its reader, neither side keeps more than that in memory, and frames on the same stream wait for little.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::protocol::{Kind, ProtocolError, Status};

/// Octets in front of a body.
const HEADER_LEN: usize = 5;
/// The longest body.
pub const MAX_BODY: usize = 64 * 1024;
/// The longest payload.
pub(super) const MAX_SESSION: usize = HEADER_LEN + MAX_BODY;
/// Octets of input that may be on their way to a program. Few: the way into a guest is narrow.
pub const INPUT_AHEAD: usize = 4096;
/// Octets of output that may be on their way from a program.
pub const OUTPUT_AHEAD: usize = 64 * 1024;

/// Rows and columns of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Letters in a line.
    pub columns: u16,
}

/// Which program, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// Program and arguments; the program is looked for in PATH.
    pub argv: Vec<String>,
    /// Variables on top of the agent's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// What the host calls itself before the program, as prompts show it; as before where the kernel has only one name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// On a terminal of this size; through pipes when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<Size>,
}

/// The end of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The program has ended.
    Status(Status),
    /// The program could not be started.
    Failed {
        /// Why.
        reason: String,
    },
    /// The router is gone.
    Gone {
        /// How.
        reason: String,
    },
}

/// One thing that is said in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Say {
    /// To the router: start this. The first of a session.
    Open(Opening),
    /// To the router: for the program to read; the end of it when empty.
    Input(Vec<u8>),
    /// To the router: the terminal has another size now.
    Resize(Size),
    /// To either side: so many octets were taken, and as many more may come.
    Grant(u32),
    /// To the router: nobody listens any more.
    HangUp,
    /// From the router: what the program has printed.
    Output(Vec<u8>),
    /// From the router: what it has complained about, where it has no terminal.
    Errors(Vec<u8>),
    /// From the router, the last: it is over.
    Ended(Ending),
}

/// Something that is said, and in which session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// A number that the harness has chosen.
    pub id: u32,
    /// What is said.
    pub say: Say,
}

impl Session {
    /// The payload as it travels.
    ///
    /// # Errors
    /// JSON that can not be written.
    pub fn payload(&self) -> Result<Vec<u8>, ProtocolError> {
        let json = |error: serde_json::Error| ProtocolError::Json { kind: Kind::Session, reason: error.to_string() };
        let (verb, body) = match &self.say {
            Say::Open(opening) => (1, serde_json::to_vec(opening).map_err(json)?),
            Say::Input(octets) => (2, octets.clone()),
            Say::Resize(Size { rows, columns }) => (3, [rows.to_be_bytes(), columns.to_be_bytes()].concat()),
            Say::Grant(octets) => (4, octets.to_be_bytes().to_vec()),
            Say::HangUp => (5, Vec::new()),
            Say::Output(octets) => (6, octets.clone()),
            Say::Errors(octets) => (7, octets.clone()),
            Say::Ended(ending) => (8, serde_json::to_vec(ending).map_err(json)?),
        };
        let mut payload = Vec::with_capacity(HEADER_LEN + body.len());
        payload.extend_from_slice(&self.id.to_be_bytes());
        payload.push(verb);
        payload.extend_from_slice(&body);
        Ok(payload)
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// What is no word of a session.
    pub fn read(payload: &[u8]) -> Result<Session, ProtocolError> {
        let json = |error: serde_json::Error| ProtocolError::Json { kind: Kind::Session, reason: error.to_string() };
        let nonsense = || ProtocolError::Session { verb: payload.get(4).copied().unwrap_or(0), len: payload.len() };
        let (header, body) = payload.split_first_chunk::<HEADER_LEN>().ok_or_else(nonsense)?;
        let id = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
        let four = || <[u8; 4]>::try_from(body).map_err(|_| nonsense());
        let say = match header[4] {
            1 => Say::Open(serde_json::from_slice(body).map_err(json)?),
            2 => Say::Input(body.to_vec()),
            3 => {
                let [a, b, c, d] = four()?;
                Say::Resize(Size { rows: u16::from_be_bytes([a, b]), columns: u16::from_be_bytes([c, d]) })
            }
            4 => Say::Grant(u32::from_be_bytes(four()?)),
            5 => Say::HangUp,
            6 => Say::Output(body.to_vec()),
            7 => Say::Errors(body.to_vec()),
            8 => Say::Ended(serde_json::from_slice(body).map_err(json)?),
            _ => return Err(nonsense()),
        };
        Ok(Session { id, say })
    }
}
