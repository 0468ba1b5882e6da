//! What a rule remembers of a capture, in bounded memory, and what came of it so far.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use super::key::Key;
use super::memory::Bounded;
use super::pair::Kept;
use super::{Finding, Sender};

/// Exchanges, rows of packets and pairs of stations that are remembered at a time, by each rule.
pub(super) const MEMORY: usize = 4096;

/// A row of packets.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) previous: Arc<Kept>,
    /// Values of the fields that must not come twice, each with a hash of the whole message.
    pub(super) seen: VecDeque<(String, u64, u64)>,
}

/// A request whose answer is due.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) until_ns: u64,
    pub(super) request: Arc<Kept>,
    pub(super) sender: Sender,
}

/// What a rule remembers.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) lines: Bounded<String, Line>,
    /// Pairs of stations between which the opening packet was seen.
    pub(super) opened: Bounded<(IpAddr, IpAddr), ()>,
    /// Directions in which a row has begun, and whether behind an opening packet.
    pub(super) begun: Bounded<(IpAddr, IpAddr), bool>,
    /// What `never` counts behind, with the first packet.
    pub(super) behind: Bounded<String, u64>,
    pub(super) due: Bounded<(Key, Option<IpAddr>), Due>,
    pub(super) next_due_ns: u64,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self {
            lines: Bounded::new(MEMORY),
            opened: Bounded::new(MEMORY),
            begun: Bounded::new(MEMORY),
            behind: Bounded::new(MEMORY),
            due: Bounded::new(MEMORY),
            next_due_ns: u64::MAX,
        }
    }

    pub(super) fn forgotten(&self) -> u64 {
        self.lines.forgotten()
            + self.opened.forgotten()
            + self.begun.forgotten()
            + self.behind.forgotten()
            + self.due.forgotten()
    }
}

/// What is known of a rule so far.
#[derive(Debug)]
pub(super) struct State {
    pub(super) memory: Memory,
    pub(super) applied: u64,
    pub(super) breaches: u64,
    /// Of these, how many can not be more than a warning.
    pub(super) soft: u64,
    pub(super) known: u64,
    pub(super) packets: Vec<u64>,
    pub(super) findings: Vec<Finding>,
    pub(super) exceptions: BTreeSet<usize>,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            memory: Memory::new(),
            applied: 0,
            breaches: 0,
            soft: 0,
            known: 0,
            packets: Vec::new(),
            findings: Vec::new(),
            exceptions: BTreeSet::new(),
        }
    }
}
