//! The way of an agent's messages to the harness.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use super::protocol::{Envelope, Event, Message, ProtocolError};

/// Writes messages whole, whichever thread they come from.
#[derive(Clone)]
pub(super) struct Outbox(Arc<Mutex<Box<dyn Write + Send>>>);

impl Outbox {
    /// An outbox that ends in `stream`.
    pub(super) fn new(stream: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Box::new(stream))))
    }

    /// Sends a message. An error means that nobody listens any more.
    pub(super) fn send(&self, message: &Message) -> io::Result<()> {
        let envelope = message.envelope().map_err(invalid)?;
        self.relay(&envelope)
    }

    /// Sends an event, if anybody listens.
    pub(super) fn tell(&self, event: Event) {
        let _ = self.send(&Message::Event(event));
    }

    /// Sends a message as it came.
    pub(super) fn relay(&self, envelope: &Envelope) -> io::Result<()> {
        let mut octets = Vec::with_capacity(envelope.payload.len() + super::protocol::HEADER_LEN);
        envelope.encode(&mut octets).map_err(invalid)?;
        let mut stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stream.write_all(&octets)?;
        stream.flush()
    }
}

fn invalid(error: ProtocolError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
