//! What the harness and an agent say to each other over one pair of byte streams.
//!
//! ```text
//! +------+----------------+=====================+
//! | kind | length, u32 be | payload             |   kind 1 FRAME: u64 be nanoseconds of CLOCK_MONOTONIC, then an
//! +------+----------------+=====================+                 Ethernet frame from its destination address on
//!                                                   kind 2 REQUEST, 3 RESPONSE, 4 EVENT: one JSON object
//!                                                   kind 5 CREDIT: u32 be, octets of requests that were taken
//!                                                   kind 6 SESSION: see `session.rs`
//! ```
//!
//! The same octets travel over the standard streams of a container, over the console line of a guest kernel and over
//! sockets in tests. Both ends are the same executable, so there is no negotiation, and a message that makes no sense
//! means that the stream is out of step: [`Decoder`] then fails for good instead of searching for the next message.
//! Credits exist between the two agents of a guest only; the harness neither sends nor sees any.

use std::fmt;

use super::session::{MAX_SESSION, Session};
pub use super::vocabulary::{
    Abilities, Action, Event, Hello, KernelKind, Outcome, Request, Response, Status, VTY_WARNING, VtyReply,
};

/// Octets in front of every payload.
pub const HEADER_LEN: usize = 5;
/// Octets of the time stamp in front of a frame.
pub const STAMP_LEN: usize = 8;
/// Octets of a credit.
const CREDIT_LEN: usize = 4;
/// The longest Ethernet frame carried.
pub const MAX_FRAME: usize = 64 * 1024;
/// The longest JSON payload carried.
pub const MAX_JSON: usize = 4 * 1024 * 1024;

/// What a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// An Ethernet frame: to the router from the harness, from the router to the harness.
    Frame = 1,
    /// Something the agent shall do, to the agent only.
    Request = 2,
    /// What came of a request, to the harness only.
    Response = 3,
    /// Something that happened unasked, to the harness only.
    Event = 4,
    /// From a guest's agent to the outer one: so many octets of requests have been read. A console line loses its input
    /// for good when more is on its way than its buffer holds, so the outer agent never sends that much ahead.
    Credit = 5,
    /// Between a program inside the router and whoever talks with it, in both directions.
    Session = 6,
}

impl Kind {
    /// The longest payload of this kind.
    pub fn limit(self) -> usize {
        match self {
            Kind::Frame => STAMP_LEN + MAX_FRAME,
            Kind::Request | Kind::Response | Kind::Event => MAX_JSON,
            Kind::Credit => CREDIT_LEN,
            Kind::Session => MAX_SESSION,
        }
    }
}

impl TryFrom<u8> for Kind {
    type Error = ProtocolError;

    fn try_from(octet: u8) -> Result<Self, ProtocolError> {
        match octet {
            1 => Ok(Kind::Frame),
            2 => Ok(Kind::Request),
            3 => Ok(Kind::Response),
            4 => Ok(Kind::Event),
            5 => Ok(Kind::Credit),
            6 => Ok(Kind::Session),
            other => Err(ProtocolError::UnknownKind(other)),
        }
    }
}

/// Why a stream cannot be read any further, or a message not be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// The first octet of a message is none of the kinds.
    UnknownKind(u8),
    /// The length is above the limit of its kind.
    TooLong {
        /// The kind of the message.
        kind: Kind,
        /// Its length as announced.
        len: usize,
    },
    /// A frame too short for its time stamp and an Ethernet header.
    ShortFrame(usize),
    /// A credit of less than its four octets.
    ShortCredit(usize),
    /// A word of a session that there is not, or of a length that it does not have.
    Session {
        /// The number of the word.
        verb: u8,
        /// Length of the payload.
        len: usize,
    },
    /// JSON that is none, or of another shape.
    Json {
        /// The kind of the message.
        kind: Kind,
        /// The parser's words.
        reason: String,
    },
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProtocolError::UnknownKind(octet) => write!(f, "message of unknown kind {octet}"),
            ProtocolError::TooLong { kind, len } => {
                write!(f, "{kind:?} of {len} octets, at most {} are allowed", kind.limit())
            }
            ProtocolError::ShortFrame(len) => write!(f, "frame of {len} octets is shorter than its headers"),
            ProtocolError::ShortCredit(len) => write!(f, "credit of {len} octets, not {CREDIT_LEN}"),
            ProtocolError::Session { verb, len } => write!(f, "word {verb} of a session in {len} octets"),
            ProtocolError::Json { kind, reason } => write!(f, "{kind:?} cannot be read: {reason}"),
        }
    }
}

impl std::error::Error for ProtocolError {}

/// One message as it travels, its payload not looked into: what a relay needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// What the payload is.
    pub kind: Kind,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Envelope {
    /// Appends the message as it travels. Fails without a trace in `out` when the payload is above its limit.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        let len = self.payload.len();
        if len > self.kind.limit() {
            return Err(ProtocolError::TooLong { kind: self.kind, len });
        }
        out.push(self.kind as u8);
        // Both limits are far below 2^32.
        out.extend_from_slice(&(len as u32).to_be_bytes());
        out.extend_from_slice(&self.payload);
        Ok(())
    }
}

/// One message, understood.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// See [`Kind::Frame`].
    Frame {
        /// CLOCK_MONOTONIC of the machine that the container runs on, in nanoseconds: when the frame left the router.
        /// The same clock as the harness's own. Ignored, and 0, in the other direction.
        at_ns: u64,
        /// The frame, without preamble and check sequence.
        bytes: Vec<u8>,
    },
    /// See [`Kind::Request`].
    Request(Request),
    /// See [`Kind::Response`].
    Response(Response),
    /// See [`Kind::Event`].
    Event(Event),
    /// See [`Kind::Credit`].
    Credit(u32),
    /// See [`Kind::Session`].
    Session(Session),
}

impl Message {
    /// The message ready to be encoded.
    pub fn envelope(&self) -> Result<Envelope, ProtocolError> {
        let (kind, payload) = match self {
            Message::Frame { at_ns, bytes } => {
                let mut payload = Vec::with_capacity(STAMP_LEN + bytes.len());
                payload.extend_from_slice(&at_ns.to_be_bytes());
                payload.extend_from_slice(bytes);
                (Kind::Frame, Ok(payload))
            }
            Message::Request(request) => (Kind::Request, serde_json::to_vec(request)),
            Message::Response(response) => (Kind::Response, serde_json::to_vec(response)),
            Message::Event(event) => (Kind::Event, serde_json::to_vec(event)),
            Message::Credit(octets) => (Kind::Credit, Ok(octets.to_be_bytes().to_vec())),
            Message::Session(session) => return Ok(Envelope { kind: Kind::Session, payload: session.payload()? }),
        };
        let payload = payload.map_err(|error| ProtocolError::Json { kind, reason: error.to_string() })?;
        Ok(Envelope { kind, payload })
    }

    /// Appends the message as it travels.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        self.envelope()?.encode(out)
    }
}

impl TryFrom<Envelope> for Message {
    type Error = ProtocolError;

    fn try_from(Envelope { kind, payload }: Envelope) -> Result<Self, ProtocolError> {
        let json = |error: serde_json::Error| ProtocolError::Json { kind, reason: error.to_string() };
        match kind {
            Kind::Frame => {
                let (at_ns, bytes) = split_frame(&payload)?;
                Ok(Message::Frame { at_ns, bytes: bytes.to_vec() })
            }
            Kind::Request => serde_json::from_slice(&payload).map(Message::Request).map_err(json),
            Kind::Response => serde_json::from_slice(&payload).map(Message::Response).map_err(json),
            Kind::Event => serde_json::from_slice(&payload).map(Message::Event).map_err(json),
            Kind::Credit => match payload.as_slice().try_into() {
                Ok(octets) => Ok(Message::Credit(u32::from_be_bytes(octets))),
                Err(_) => Err(ProtocolError::ShortCredit(payload.len())),
            },
            Kind::Session => Session::read(&payload).map(Message::Session),
        }
    }
}

/// Octets of an Ethernet header: the least that a frame has.
const ETHERNET_HEADER_LEN: usize = 14;

/// The time stamp and the Ethernet frame in the payload of a [`Kind::Frame`].
pub fn split_frame(payload: &[u8]) -> Result<(u64, &[u8]), ProtocolError> {
    match payload.split_first_chunk::<STAMP_LEN>() {
        Some((stamp, frame)) if frame.len() >= ETHERNET_HEADER_LEN => Ok((u64::from_be_bytes(*stamp), frame)),
        _ => Err(ProtocolError::ShortFrame(payload.len())),
    }
}

/// Cuts a byte stream into messages, however it arrives.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Octets at the front of the buffer that were handed out already.
    taken: usize,
    failed: Option<ProtocolError>,
}

impl Decoder {
    /// A decoder at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what the stream has brought.
    pub fn push(&mut self, octets: &[u8]) {
        if self.failed.is_none() {
            self.buffer.drain(..self.taken);
            self.taken = 0;
            self.buffer.extend_from_slice(octets);
        }
    }

    /// The next complete message, if there is one. An error is final: it is returned from then on.
    pub fn next_envelope(&mut self) -> Result<Option<Envelope>, ProtocolError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.cut().inspect_err(|error| {
            self.failed = Some(error.clone());
            self.buffer = Vec::new();
            self.taken = 0;
        })
    }

    /// True when the stream may end here: no message has begun.
    pub fn is_between_messages(&self) -> bool {
        self.buffer.len() == self.taken
    }

    fn cut(&mut self) -> Result<Option<Envelope>, ProtocolError> {
        let rest = &self.buffer[self.taken..];
        let Some(first) = rest.first() else { return Ok(None) };
        // Judged before anything is waited for: a stream out of step must not make the reader wait for gigabytes.
        let kind = Kind::try_from(*first)?;
        let Some((header, body)) = rest.split_first_chunk::<HEADER_LEN>() else { return Ok(None) };
        let len = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
        if len > kind.limit() {
            return Err(ProtocolError::TooLong { kind, len });
        }
        if kind == Kind::Frame && len < STAMP_LEN + ETHERNET_HEADER_LEN {
            return Err(ProtocolError::ShortFrame(len));
        }
        let Some(payload) = body.get(..len) else { return Ok(None) };
        let payload = payload.to_vec();
        self.taken += HEADER_LEN + len;
        Ok(Some(Envelope { kind, payload }))
    }
}

#[cfg(test)]
#[path = "protocol_tests.rs"]
mod tests;
