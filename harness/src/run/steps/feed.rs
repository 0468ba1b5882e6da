//! `feed`: scripted nodes play what they said in a capture, and the node under test stands where a recorded router stood.
//!
//! Frames are taken in their recorded order. One of a scripted node is played when its time has come: so long after the
//! first frame as it was recorded, or, where it answers, so long after the question. One of the recorded router is held
//! against the next message of the node under test. Questions that this node asks by itself have their own request ids;
//! from then on the answers that are played have them, too.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use dmvpn_core::time::Instant;
use dmvpn_wire::gre;

use crate::dissect::{Dissection, FieldValue};
use crate::expect::pattern::message_name;
use crate::run::case::{CaseRun, Stop};
use crate::run::compare::{Exceptions, differences};
use crate::run::octets::{fill_checksums, write_field};
use crate::suite::{FeedStep, Spanned, Step};
use crate::verdict::{Comparison, FieldRow};
use crate::world::LabError;
use crate::world::fabric::StationId;
use crate::world::outer;
use crate::world::replay::{Frame, Recording};
use crate::world::timeline::{Packet, What};

/// A recorded frame in its part.
struct Line {
    frame: Frame,
    read: Dissection,
    part: Part,
}

enum Part {
    /// A scripted node plays it.
    Played(StationId),
    /// The node under test has to say it.
    Said,
}

impl Line {
    /// Type and request id, where it has one.
    fn message(&self) -> Option<(u8, u32)> {
        let id = self.read.uint("request_id").and_then(|id| u32::try_from(id).ok());
        self.read.nhrp_type().zip(id)
    }

    /// The request id, if it asks.
    fn asks(&self) -> Option<u32> {
        self.message().filter(|(kind, _)| matches!(kind, 1 | 3 | 5)).map(|(_, id)| id)
    }

    /// The id of the request that it is about, if it answers, or is an Error Indication.
    fn answers(&self) -> Option<u32> {
        let quoted = || self.read.uint("error.quoted.request_id").and_then(|id| u32::try_from(id).ok());
        self.message().filter(|(kind, _)| matches!(kind, 2 | 4 | 6)).map(|(_, id)| id).or_else(quoted)
    }
}

/// How far a feed has come.
struct Feed<'a> {
    step: &'a Spanned<Step>,
    feed: &'a FeedStep,
    exceptions: Exceptions<'a>,
    /// When the first frame was played or said, less its recorded time.
    base: Option<(Instant, Duration)>,
    /// Request ids of the node under test: recorded -> its own.
    ids: BTreeMap<u32, u32>,
    /// When its requests were seen, by recorded id: live and recorded.
    asked: BTreeMap<u32, (Instant, Duration)>,
    /// Request ids that scripted nodes have used: whoever passes these on does not change them.
    foreign: Vec<u32>,
}

pub(super) fn feed<'a>(run: &mut CaseRun<'a>, step: &'a Spanned<Step>, feed: &'a FeedStep) -> Result<(), Stop> {
    let files = run.capture.clone().ok_or_else(|| LabError::internal("`feed` without a capture"))?;
    let lines = lines(run, Recording::read(&files.file, None)?, feed)?;
    let mut state = Feed {
        step,
        feed,
        exceptions: Exceptions::new(&feed.except),
        base: None,
        ids: BTreeMap::new(),
        asked: BTreeMap::new(),
        foreign: Vec::new(),
    };
    for line in &lines {
        match line.part {
            Part::Played(station) => state.play(run, line, station)?,
            Part::Said => state.listen(run, line)?,
        }
    }
    state.watch(run)?;
    state.no_stale(run)
}

/// The frames between the nodes of the step: GRE of those that play, and NHRP of the one that is judged. What hosts behind
/// a recorded router said in data is not its own.
fn lines(run: &CaseRun<'_>, recording: Recording, feed: &FeedStep) -> Result<Vec<Line>, LabError> {
    let nbma = |name: &str| {
        let station = run.stations.get(name).ok_or_else(|| LabError::internal("a node without addresses"))?;
        Ok::<IpAddr, LabError>(station.nbma)
    };
    let judged = nbma(&feed.to)?;
    let mut players = BTreeMap::new();
    for name in &feed.from {
        players.insert(nbma(name)?, run.world.fabric.station(name)?);
    }
    let (first, last) = feed.frames.unwrap_or((1, u64::MAX));
    let mut lines = Vec::new();
    for frame in recording.frames.into_iter().filter(|frame| (first..=last).contains(&frame.number)) {
        let Some(outer::Addresses { src, dst }) = outer::addresses(&frame.octets) else { continue };
        let read = Dissection::of_ip(&frame.octets);
        let part = match (players.get(&src), players.contains_key(&dst)) {
            (Some(station), _) if dst == judged && read.is_gre() => Part::Played(*station),
            (None, true) if src == judged && read.nhrp_range().is_some() => Part::Said,
            _ => continue,
        };
        lines.push(Line { frame, read, part });
    }
    if lines.is_empty() {
        let what = format!("the capture has no GRE in clear between {} and {}", feed.from.join(", "), feed.to);
        return Err(LabError::Suite(what));
    }
    Ok(lines)
}

impl<'a> Feed<'a> {
    /// When a frame is due: after the question that it answers, or else after the first frame.
    fn due(&self, line: &Line, now: Instant) -> Instant {
        let question = line.answers().and_then(|id| self.asked.get(&id)).copied();
        match question.or(self.base) {
            Some((live, recorded)) => live + line.frame.at.saturating_sub(recorded),
            None => now,
        }
    }

    fn play(&mut self, run: &mut CaseRun<'a>, line: &Line, station: StationId) -> Result<(), LabError> {
        let due = self.due(line, run.world.now());
        if due > run.world.now() {
            run.world.pump_until(due)?;
        }
        let now = run.world.now();
        self.base.get_or_insert((now, line.frame.at));
        self.foreign.extend(line.asks());
        let mut octets = line.frame.octets.clone();
        if let Some(id) = line.answers().and_then(|id| self.ids.get(&id)) {
            let path = if line.message().is_some() { "request_id" } else { "error.quoted.request_id" };
            write_field(&mut octets, path, &FieldValue::Uint((*id).into()))?;
            fill_checksums(&mut octets);
            fill_gre_checksum(&mut octets);
        }
        run.world.fabric.timeline.push(now, What::Note(format!("frame {} is played", line.frame.number)));
        run.world.fabric.transmit(station, now, octets);
        Ok(())
    }

    /// Takes the next message of the node under test and holds it against the recorded one.
    fn listen(&mut self, run: &mut CaseRun<'a>, line: &Line) -> Result<(), Stop> {
        let now = run.world.now();
        let deadline = self.due(line, now).max(now) + run.bound(self.feed.within.as_ref());
        let Some((index, at, packet)) = self.next(run, deadline)? else {
            let waited = deadline.saturating_since(now);
            let actual = format!("no message of `{}` within {waited:?}", self.feed.to);
            let wanted = format!("{} as in frame {}", line.read.summary(), line.frame.number);
            let reason = format!("expected {wanted}; {actual}");
            return Err(run.failed(&self.step.span, &self.step.value, reason, vec![wanted], actual, None));
        };
        run.cursor = index + 1;
        run.last_match = Some(at);
        self.base.get_or_insert((at, line.frame.at));
        let said = packet.dissection();
        if let Some(id) = line.asks().filter(|id| !self.foreign.contains(id)) {
            self.asked.insert(id, (at, line.frame.at));
            let own = said.uint("request_id").and_then(|own| u32::try_from(own).ok());
            if let Some(own) = own.filter(|own| !self.ids.values().any(|taken| taken == own)) {
                self.ids.entry(id).or_insert(own);
            }
        }
        let id = line.message().and_then(|(_, id)| self.ids.get(&id)).copied();
        let rows = differences((line.frame.number, &line.read), said, id, &mut self.exceptions, &run.env);
        if rows.is_empty() {
            return Ok(());
        }
        let told: Vec<String> = rows.iter().map(told).collect();
        let reason = format!("not as in frame {}: {}", line.frame.number, told.join("; "));
        let expected = vec![format!("{} as in frame {}", line.read.summary(), line.frame.number)];
        let actual = said.summary().to_owned();
        let comparison = Comparison::from_rows(message_name(packet.dissection()), rows, Some(packet.octets.clone()));
        Err(run.failed(&self.step.span, &self.step.value, reason, expected, actual, Some((index, comparison))))
    }

    /// The next NHRP message of the node under test to one that plays.
    fn next(
        &self,
        run: &mut CaseRun<'a>,
        deadline: Instant,
    ) -> Result<Option<(usize, Instant, std::sync::Arc<Packet>)>, LabError> {
        let mut position = run.cursor;
        loop {
            let timeline = &run.world.fabric.timeline;
            let of_it = |packet: &Packet| {
                let to = packet.to.as_ref().is_some_and(|to| self.feed.from.contains(to));
                packet.from == self.feed.to && to && packet.dissection().nhrp_range().is_some()
            };
            let found = timeline.packets(position).find(|(_, at, packet)| of_it(packet) && *at <= deadline);
            if let Some((index, at, packet)) = found {
                return Ok(Some((index, at, std::sync::Arc::clone(packet))));
            }
            if run.world.now() >= deadline {
                return Ok(None);
            }
            position = timeline.end();
            run.world.pump(deadline)?;
        }
    }

    /// What the recorded router did not say must not be said.
    fn watch(&self, run: &mut CaseRun<'a>) -> Result<(), Stop> {
        let deadline = run.world.now() + run.bound(self.feed.within.as_ref());
        let Some((index, at, packet)) = self.next(run, deadline)? else { return Ok(()) };
        let when = at.saturating_since(run.world.fabric.timeline.begin);
        let actual = format!("{} from {} at {when:?}", packet.dissection().summary(), packet.from);
        let reason = format!("a message that the recorded router did not send: {actual}");
        let comparison =
            Comparison::from_rows(message_name(packet.dissection()), Vec::new(), Some(packet.octets.clone()));
        let expected = vec!["nothing more: the recorded router was silent".to_owned()];
        Err(run.failed(&self.step.span, &self.step.value, reason, expected, actual, Some((index, comparison))))
    }

    /// A difference that is declared and not there hides the next one.
    fn no_stale(&self, run: &CaseRun<'a>) -> Result<(), Stop> {
        let Some(stale) = self.exceptions.stale().next() else { return Ok(()) };
        let place = format!("line {}", stale.span.line);
        let actual = format!("`{}` is as recorded", stale.field);
        let reason = format!("the difference declared in {place} is not there: {actual}; delete it");
        let expected = vec![format!("`{}` differs, because {}", stale.field, stale.because)];
        Err(run.failed(&self.step.span, &self.step.value, reason, expected, actual, None))
    }
}

fn told(row: &FieldRow) -> String {
    format!("{} is {}, recorded {}", row.field, row.actual, row.expected)
}

/// The checksum of the GRE header, if it has one.
fn fill_gre_checksum(packet: &mut [u8]) {
    if let Some(octets) = outer::header_len(packet).and_then(|start| packet.get_mut(start..)) {
        gre::Packet::new(octets).fill_checksum();
    }
}
