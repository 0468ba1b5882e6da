//! World `replay`: what was recorded happens once more, at its recorded times.
//!
//! ```text
//! capture --Recording--> frames from the outer IP header on, in the order of their times
//!                          |-- Replay (a driver): each comes by itself when its time has come
//!                          +-- `feed`: scripted nodes of world sim play them
//! ```

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dmvpn_core::time::Instant;
use dmvpn_wire::{ipv4, ipv6};

use super::{Arrival, Driver, LabError};
use crate::capture::{self, CapturedPacket, LinkType};
use crate::dissect::{Dissection, Session};
use crate::keys::Keys;
use crate::suite::ClockKind;
use crate::verdict::cause;

/// Most frames of a capture that a case plays: half of what its record holds.
const MOST_FRAMES: usize = super::timeline::LIMIT / 2;

/// A recorded packet.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its number in the capture, from 1.
    pub number: u64,
    /// When it was seen, counted from the first.
    pub at: Duration,
    /// The packet, from the outer IP header on and without what a link puts behind it.
    pub octets: Vec<u8>,
    /// Its fields, where there are keys to open it with.
    pub opened: Option<Box<Dissection>>,
}

/// What a capture holds for a case.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// The frames, in the order of their times, and of the file where these are the same.
    pub frames: Vec<Frame>,
    /// When the first was seen, in nanoseconds since 1970.
    pub epoch_ns: u64,
    /// Numbers of frames that are no IP packets and therefore not played.
    pub left_out: Vec<u64>,
}

impl Recording {
    /// Reads a capture, and opens what is protected in it where keys are given: a table of Wireshark's, or a folder of them.
    ///
    /// # Errors
    /// Keys that can not be read. A file that can not be read to its end, or holds more frames than a case can take: part
    /// of a capture would let absences pass.
    pub fn read(path: &Path, keys: Option<&Path>) -> Result<Self, LabError> {
        let broken = |problem: String, remedy: &str| LabError::environment(cause::CAPTURES, problem, remedy);
        let mut packets = Vec::new();
        for item in capture::read(path).map_err(|error| broken(error.to_string(), "look for the file, or record it"))? {
            packets
                .push(item.map_err(|error| broken(error.to_string(), "cut the capture before it, or record again"))?);
            if packets.len() > MOST_FRAMES {
                let problem = format!("{}: more than {MOST_FRAMES} packets", path.display());
                return Err(broken(problem, "cut the part out that matters, as with editcap"));
            }
        }
        let mut recording = Self::of(packets);
        if let Some(path) = keys {
            let remedy = "look for the tables, or record the capture again";
            let keys = Keys::load(path).map_err(|error| broken(error.to_string(), remedy))?;
            recording.open(keys);
        }
        Ok(recording)
    }

    /// Reads the fields of all frames with these keys.
    fn open(&mut self, keys: Keys) {
        let mut session = Session::with_keys(keys);
        for frame in &mut self.frames {
            let mut read = Box::<Dissection>::default();
            read.read(&mut session, LinkType::RAW, &frame.octets);
            frame.opened = Some(read);
        }
    }

    /// From packets in the order of a file.
    pub fn of(mut packets: Vec<CapturedPacket>) -> Self {
        packets.sort_by_key(|packet| packet.timestamp_ns);
        let epoch_ns = packets.first().map_or(0, |packet| packet.timestamp_ns);
        let mut recording = Self { epoch_ns, ..Self::default() };
        let (mut session, mut read) = (Session::default(), Dissection::default());
        for packet in packets {
            read.read(&mut session, packet.linktype, &packet.octets);
            let octets = read.network_offset().and_then(|start| packet.octets.get(start..)).and_then(ip_packet);
            match octets {
                Some(octets) => recording.frames.push(Frame {
                    number: packet.number,
                    at: Duration::from_nanos(packet.timestamp_ns - epoch_ns),
                    octets: octets.to_vec(),
                    opened: None,
                }),
                None => recording.left_out.push(packet.number),
            }
        }
        recording
    }

    /// What was not played, in a line; `None` if all was.
    pub fn told(&self) -> Option<String> {
        let first = self.left_out.first()?;
        Some(format!("{} frames are no IP packets and were left out, the first is frame {first}", self.left_out.len()))
    }
}

/// The IP packet at the start of `octets`, without the padding of short frames behind it.
fn ip_packet(octets: &[u8]) -> Option<&[u8]> {
    let length = match octets.first()? >> 4 {
        4 => ipv4::Packet::new(octets).total_len().map(usize::from)?,
        6 => ipv6::Packet::new(octets).payload_len().map(|length| 40 + usize::from(length))?,
        _ => return None,
    };
    // A length that is less than its own header says nothing.
    let length = if length < 20 { octets.len() } else { length.min(octets.len()) };
    octets.get(..length)
}

/// The clock of a capture, and its frames as they come.
#[derive(Debug)]
pub struct Replay {
    now: Instant,
    epoch_ns: u64,
    frames: VecDeque<Frame>,
    /// What is to be said of the capture before anything happens.
    told: Option<String>,
    interrupted: Arc<AtomicBool>,
}

impl Replay {
    /// A world that begins with the first frame. It stops when `interrupted` is set.
    pub fn new(recording: Recording, interrupted: Arc<AtomicBool>) -> Self {
        let told = recording.told();
        let Recording { frames, epoch_ns, .. } = recording;
        Self { now: Instant::ZERO, epoch_ns, frames: frames.into(), told, interrupted }
    }
}

impl Driver for Replay {
    fn name(&self) -> &'static str {
        "replay"
    }

    fn clock(&self) -> ClockKind {
        ClockKind::Virtual
    }

    fn now(&self) -> Instant {
        self.now
    }

    fn epoch_ns(&self) -> u64 {
        self.epoch_ns
    }

    /// Recorded times are exact, but those who kept them were real: the suite's own tolerance holds.
    fn precision(&self) -> Option<Duration> {
        None
    }

    fn wait(&mut self, deadline: Instant) -> Result<Option<Arrival>, LabError> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(LabError::Interrupted);
        }
        if let Some(line) = self.told.take() {
            return Ok(Some(Arrival::Log { node: "capture".to_owned(), line }));
        }
        let due = self.frames.front().is_some_and(|frame| Instant::ZERO + frame.at <= deadline);
        if due && let Some(frame) = self.frames.pop_front() {
            self.now = Instant::ZERO + frame.at;
            return Ok(Some(Arrival::Recorded { octets: frame.octets, opened: frame.opened }));
        }
        self.now = self.now.max(deadline);
        Ok(None)
    }
}
