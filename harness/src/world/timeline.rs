//! The one ordered record of a case: every packet, event, view and step, in the order in which the harness learned of it.
//!
//! Matchers read it, evidence is written from it, and nothing else is judged.

use std::fmt;
use std::sync::{Arc, OnceLock};

use dmvpn_core::time::Instant;

use super::link::Fate;
use crate::dissect::Dissection;

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When, on the clock of the world.
    pub at: Instant,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum What {
    /// A packet was put on a link.
    Packet(Arc<Packet>),
    /// A node said something about itself.
    Event {
        /// The node.
        node: String,
        /// One line.
        text: String,
    },
    /// A line of a node's log or console.
    Log {
        /// The node.
        node: String,
        /// The line.
        line: String,
    },
    /// A view was read.
    View {
        /// The node.
        node: String,
        /// Which view.
        view: String,
        /// Its lines, as JSON.
        rows: serde_json::Value,
    },
    /// A step began.
    Step {
        /// Its place, `file:line`.
        place: String,
        /// Its one line.
        text: String,
    },
    /// A word of the suite's author, or of the harness about itself.
    Note(String),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Packet(packet) => {
                let to = packet.to.as_deref().unwrap_or("?");
                write!(f, "{} -> {to}  {}", packet.from, packet.dissection().summary())?;
                if packet.fate == Fate::Delivered { Ok(()) } else { write!(f, "  ({})", packet.fate) }
            }
            What::Event { node, text } => write!(f, "{node}: {text}"),
            What::Log { node, line } => write!(f, "{node} log: {line}"),
            What::View { node, view, rows } => write!(f, "{node} {view}: {rows}"),
            What::Step { place, text } => write!(f, "-- {text} ({place})"),
            What::Note(text) => write!(f, "note: {text}"),
        }
    }
}

/// A packet as it was put on a link: whole, from the outer IP header on.
#[derive(Debug)]
pub struct Packet {
    /// The link.
    pub link: String,
    /// The station that sent it.
    pub from: String,
    /// The station that has its destination address, if one has.
    pub to: Option<String>,
    /// The octets from the outer IP header on.
    pub octets: Vec<u8>,
    /// What the link did with it.
    pub fate: Fate,
    dissection: OnceLock<Dissection>,
}

impl Packet {
    /// A packet seen on `link`.
    pub fn new(link: &str, from: &str, to: Option<&str>, octets: Vec<u8>, fate: Fate) -> Self {
        Self {
            link: link.to_owned(),
            from: from.to_owned(),
            to: to.map(str::to_owned),
            octets,
            fate,
            dissection: OnceLock::new(),
        }
    }

    /// The same, whose fields keys have opened further than its own octets would show.
    #[must_use]
    pub fn opened(self, read: Dissection) -> Self {
        Self { dissection: OnceLock::from(read), ..self }
    }

    /// Its fields; read once, when somebody asks first.
    pub fn dissection(&self) -> &Dissection {
        self.dissection.get_or_init(|| Dissection::of_ip(&self.octets))
    }
}

/// Most entries of one case. A node that floods can not fill the memory: the case ends with an error that says so.
pub const LIMIT: usize = 200_000;

/// The record of one case.
#[derive(Debug)]
pub struct Timeline {
    /// When the case began.
    pub begin: Instant,
    entries: Vec<Entry>,
}

impl Timeline {
    /// An empty record.
    pub fn new(begin: Instant) -> Self {
        Self { begin, entries: Vec::new() }
    }

    /// Everything so far.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Takes everything so far out of the record, for those who keep it elsewhere.
    pub fn take(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.entries)
    }

    /// Position behind the last entry.
    pub fn end(&self) -> usize {
        self.entries.len()
    }

    /// Whether no more entries are taken.
    pub fn is_full(&self) -> bool {
        self.entries.len() >= LIMIT
    }

    /// Adds an entry, unless the record is full.
    pub fn push(&mut self, at: Instant, what: What) {
        if !self.is_full() {
            self.entries.push(Entry { at, what });
        }
    }

    /// The packets from position `from` on, each with its position and instant.
    pub fn packets(&self, from: usize) -> impl DoubleEndedIterator<Item = (usize, Instant, &Arc<Packet>)> {
        self.entries.iter().enumerate().skip(from).filter_map(|(index, entry)| match &entry.what {
            What::Packet(packet) => Some((index, entry.at, packet)),
            _ => None,
        })
    }

    /// One entry as a line for people: seconds since the case began, and what happened.
    pub fn line(&self, entry: &Entry) -> String {
        let at = entry.at.saturating_since(self.begin);
        format!("{:>5}.{:06}  {}", at.as_secs(), at.subsec_micros(), entry.what)
    }

    /// Lines around position `at`: `before` and `after` entries of it.
    pub fn around(&self, at: usize, before: usize, after: usize) -> Vec<String> {
        let from = at.saturating_sub(before);
        let to = at.saturating_add(after + 1).min(self.entries.len());
        self.entries.get(from..to).unwrap_or_default().iter().map(|entry| self.line(entry)).collect()
    }
}
