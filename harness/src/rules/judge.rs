//! Holds the packets of a capture against rules, one after the other and in bounded memory.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::key::{Key, asks};
use super::memory::Bounded;
use super::pair::{Kept, Pair};
use super::state::{Due, Line, MEMORY, State};
use super::verdict::{FINDINGS_KEPT, NUMBERS_KEPT};
use super::{Finding, Result, RuleVerdict, Rules, Sender, Summary};
use crate::capture::CapturedPacket;
use crate::dissect::{Dissection, FieldValue};
use crate::expect::{Env, Fields, check_row, is_message, message_name};
use crate::requirement::Strength;
use crate::suite::rule::{Demand, Look, Shape};
use crate::suite::{FieldMatch, Params};
use crate::verdict::{Comparison, FieldRow};

/// Messages of one request id that are remembered: its copies on the way, and those of others with the same id.
const COPIES: usize = 32;
/// How far back a value that came before is remembered in a row of packets.
const WINDOW: usize = 1024;

/// Holds the packets of one capture against rules.
#[derive(Debug)]
pub struct Judge<'r> {
    rules: &'r Rules,
    capture: PathBuf,
    states: Vec<State>,
    messages: Bounded<Key, VecDeque<Arc<Kept>>>,
    /// Exchanges in which a station that the case plays has broken a rule.
    tainted: Bounded<Key, ()>,
    summary: Summary,
    env: Env,
}

/// A packet while it is judged.
struct Now<'a> {
    kept: &'a Arc<Kept>,
    key: Option<Key>,
    sender: &'a Sender,
    /// Whether nothing is said of its fate on the link.
    arrives: bool,
    /// The request that it answers, and the message that it passes on.
    request: Option<Arc<Kept>>,
    received: Option<Arc<Kept>>,
}

impl<'r> Judge<'r> {
    /// A judge of the capture at that path, which has seen nothing yet.
    pub fn new(rules: &'r Rules, capture: &Path) -> Self {
        Self {
            rules,
            capture: capture.to_owned(),
            states: rules.rules.iter().map(|_| State::new()).collect(),
            messages: Bounded::new(MEMORY),
            tainted: Bounded::new(MEMORY),
            summary: Summary::default(),
            env: Env::new(Params::new()),
        }
    }

    /// Judges a packet of which nobody says who sent it.
    pub fn packet(&mut self, packet: &CapturedPacket, read: &Dissection) {
        self.packet_from(packet, read, &Sender::Unknown);
    }

    /// Judges a packet, unless the case itself has sent it, or it answers or passes on what the case has broken.
    pub fn packet_from(&mut self, packet: &CapturedPacket, read: &Dissection, sender: &Sender) {
        let key = Key::of(read);
        let mut kept = Arc::new(Kept::new(packet.number, packet.timestamp_ns, read));
        let scripted = *sender == Sender::Script;
        // Who reads a frame that the capturing program has cut would blame the sender for the cut.
        let cut = packet.octets.len() < packet.original_len as usize;
        let left_out = cut || scripted || key.is_some_and(|key| self.tainted.contains(&key.without_tunnel()));
        if left_out {
            self.summary.left_out += 1;
        } else {
            self.summary.judged += 1;
        }
        let broken = self.alone(&kept, key, sender, left_out);
        if let Some(key) = key.filter(|_| scripted && !broken.is_empty()) {
            self.tainted.insert(key.without_tunnel(), ());
        }
        if !broken.is_empty() {
            kept = Arc::new(Kept { broken, ..kept.as_ref().clone() });
        }
        if !left_out {
            let arrives = packet.comment.as_deref().is_none_or(|comment| !comment.contains(": "));
            let request = key.filter(|_| !asks(read)).and_then(|key| self.request(&key, &kept));
            let received = key.and_then(|key| self.received(&key, &kept));
            self.together(&Now { kept: &kept, key, sender, arrives, request, received });
        }
        if let Some(key) = key {
            self.remember(key, kept);
        }
    }

    /// The capture is over: what came of each rule.
    pub fn finish(mut self) -> (Vec<RuleVerdict>, Summary) {
        self.summary.undecided =
            self.states.iter_mut().map(|state| state.memory.due.drain(|_| false).len() as u64).sum();
        self.summary.forgotten += self.messages.forgotten()
            + self.tainted.forgotten()
            + self.states.iter().map(|state| state.memory.forgotten()).sum::<u64>();
        let verdicts = self.rules.rules.iter().zip(self.states).map(|((rule, level), state)| RuleVerdict {
            rule: rule.id.value.clone(),
            title: rule.title.clone(),
            cites: rule.cites.iter().map(|cite| cite.value.clone()).collect(),
            level: *level,
            result: match (&state, level) {
                (State { breaches: 0, known: 0, applied: 0, .. }, _) => Result::NotSeen,
                (State { breaches: 0, known: 0, .. }, _) => Result::Pass,
                (State { breaches: 0, .. }, _) => Result::Known,
                (State { breaches, soft, .. }, _) if breaches == soft => Result::Warn,
                (_, Strength::Should | Strength::May) => Result::Warn,
                _ => Result::Fail,
            },
            applied: state.applied,
            breaches: state.breaches,
            known: state.known,
            packets: state.packets,
            findings: state.findings,
            exceptions: state.exceptions.into_iter().collect(),
        });
        (verdicts.collect(), self.summary)
    }

    /// Rules about single packets: which of them it breaks. What somebody else has said before in the same exchange is
    /// no breach of who repeats or passes it on. `silent` only asks.
    fn alone(&mut self, kept: &Arc<Kept>, key: Option<Key>, sender: &Sender, silent: bool) -> Vec<usize> {
        let pair = Pair::one(kept);
        let mut broken = Vec::new();
        let copies = key.and_then(|key| self.messages.get(&key));
        let passed_on = copies.is_some_and(|copies| copies.iter().any(|copy| came_to_sender(copy, kept)));
        for (index, (rule, _)) in self.rules.rules.iter().enumerate() {
            let Shape::Packet { when, begins, then } = &rule.shape else { continue };
            if (*begins && passed_on) || !fits(when, pair, &self.env) {
                continue;
            }
            let rows = rows(pair, then, &self.env);
            if let Some(rows) = rows {
                broken.push(index);
                let earlier = key.and_then(|key| self.messages.get(&key)).is_some_and(|copies| {
                    copies.iter().any(|copy| copy.from != kept.from && copy.broken.contains(&index))
                });
                if !silent && !earlier {
                    self.breach(index, pair, rows, sender, false);
                }
                if earlier {
                    continue;
                }
            }
            if !silent {
                self.count(index);
            }
        }
        broken
    }

    /// Rules about two packets.
    fn together(&mut self, now: &Now<'_>) {
        let rules = self.rules;
        for (index, (rule, _)) in rules.rules.iter().enumerate() {
            match &rule.shape {
                Shape::Packet { .. } => {}
                Shape::Exchange { request, reply, when, demand, answered } => {
                    // What is passed on has been judged where it began.
                    if let Some(asked) = now.request.as_ref().filter(|_| now.received.is_none())
                        && fits(request, Pair::one(asked), &self.env)
                    {
                        let pair = Pair { this: now.kept, other: Some(("request", asked)) };
                        if fits(reply, pair, &self.env) && row_fits(when, pair, &self.env) {
                            self.demand(index, pair, demand, now.sender);
                        }
                    }
                    if let Some(patience) = answered {
                        self.due(index, now, request, *patience);
                    }
                }
                Shape::Forward { forward, when, demand } => {
                    if let Some(received) = &now.received {
                        let pair = Pair { this: now.kept, other: Some(("received", received)) };
                        if fits(forward, pair, &self.env) && row_fits(when, pair, &self.env) {
                            self.demand(index, pair, demand, now.sender);
                        }
                    }
                }
                Shape::Series { .. } => self.series(index, now, &rule.shape),
                Shape::Never { after, never, per } => {
                    let pair = Pair::one(now.kept);
                    let place = joined(pair, per);
                    if fits(never, pair, &self.env)
                        && let Some(first) = self.states[index].memory.behind.get(&place).copied()
                    {
                        let row = FieldRow {
                            field: "message".to_owned(),
                            expected: format!("none behind packet {first}"),
                            actual: message_name(&now.kept.read).to_owned(),
                            offset: None,
                            differs: true,
                        };
                        self.breach(index, pair, vec![row], now.sender, false);
                    }
                    if fits(after, pair, &self.env) {
                        self.count(index);
                        let behind = &mut self.states[index].memory.behind;
                        if !behind.contains(&place) {
                            behind.insert(place, now.kept.number);
                        }
                    }
                }
            }
        }
    }

    fn demand(&mut self, index: usize, pair: Pair<'_>, demand: &Demand, sender: &Sender) {
        // A rule that asks for an answer only has been counted with it.
        if *demand == Demand::default() {
            return;
        }
        self.count(index);
        let (mut broken, mut bindings) = (Vec::new(), Vec::new());
        let mut fit = check_row(&pair, "", &demand.then, &self.env, &mut broken, &mut bindings);
        let word = pair.other.map_or("", |(word, _)| word);
        for path in &demand.same {
            let (theirs, ours) = (pair.value(&format!("{word}.{path}")), pair.value(path));
            fit &= theirs == ours;
            broken.push(FieldRow {
                field: path.clone(),
                expected: shown(path, theirs.as_ref()),
                actual: shown(path, ours.as_ref()),
                offset: Fields::offset(&pair, path),
                differs: theirs != ours,
            });
        }
        if !fit {
            self.breach(index, pair, broken, sender, false);
        }
    }

    /// A request becomes due; a reply, or an Error Indication about it, settles it; time that passes judges it.
    fn due(&mut self, index: usize, now: &Now<'_>, request: &Look, patience: Duration) {
        let read = &now.kept.read;
        if self.states[index].memory.next_due_ns < now.kept.time_ns {
            let memory = &mut self.states[index].memory;
            let late = memory.due.drain(|due| due.until_ns >= now.kept.time_ns);
            memory.next_due_ns = memory.due.iter().map(|due| due.until_ns).min().unwrap_or(u64::MAX);
            for due in late {
                self.count(index);
                let row = FieldRow {
                    field: "answer".to_owned(),
                    expected: format!("within {}", crate::suite::duration::show(patience)),
                    actual: "none".to_owned(),
                    offset: None,
                    differs: true,
                };
                // What a capture does not show may have been lost behind it.
                self.breach(index, Pair::one(&due.request), vec![row], &due.sender, true);
            }
        }
        let settled = Key::quoted(read).or(now.key.filter(|_| !asks(read)));
        if let Some(key) = settled
            && self.states[index].memory.due.remove(&(key, now.kept.to)).is_some()
        {
            self.count(index);
        }
        let first = now.received.is_none() && now.arrives && asks(read);
        let Some(key) = now.key.filter(|_| first && fits(request, Pair::one(now.kept), &self.env)) else { return };
        let memory = &mut self.states[index].memory;
        let place = (key, now.kept.from);
        if !memory.due.contains(&place) {
            let until_ns = now.kept.time_ns.saturating_add(u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX));
            memory.next_due_ns = memory.next_due_ns.min(until_ns);
            memory.due.insert(place, Due { until_ns, request: Arc::clone(now.kept), sender: now.sender.clone() });
        }
    }

    fn series(&mut self, index: usize, now: &Now<'_>, shape: &Shape) {
        let Shape::Series { series, per, after, first, when, demand, unique } = shape else { return };
        let alone = Pair::one(now.kept);
        let ends = now.kept.from.zip(now.kept.to);
        if let (Some(after), Some((from, to))) = (after, ends)
            && fits(after, alone, &self.env)
        {
            self.states[index].memory.opened.insert((from.min(to), from.max(to)), ());
        }
        if !fits(series, alone, &self.env) {
            return;
        }
        let place = joined(alone, per);
        let memory = &mut self.states[index].memory;
        match memory.lines.get_mut(&place) {
            None => {
                let fresh = match (after, ends) {
                    (None, _) => true,
                    (Some(_), None) => false,
                    (Some(_), Some((from, to))) => {
                        let opened = memory.opened.contains(&(from.min(to), from.max(to)));
                        let fresh = memory.begun.get(&(from, to)).copied().unwrap_or(opened);
                        memory.begun.insert((from, to), fresh);
                        fresh
                    }
                };
                memory.lines.insert(place.clone(), Line { previous: Arc::clone(now.kept), seen: VecDeque::new() });
                if fresh && !first.is_empty() {
                    self.count(index);
                    if let Some(rows) = rows(alone, first, &self.env) {
                        self.breach(index, alone, rows, now.sender, false);
                    }
                }
            }
            Some(line) => {
                let previous = std::mem::replace(&mut line.previous, Arc::clone(now.kept));
                let pair = Pair { this: now.kept, other: Some(("previous", &previous)) };
                if row_fits(when, pair, &self.env) {
                    self.demand(index, pair, demand, now.sender);
                }
            }
        }
        if !unique.is_empty() {
            self.unique(index, &place, now, unique);
        }
    }

    fn unique(&mut self, index: usize, place: &str, now: &Now<'_>, unique: &[String]) {
        let alone = Pair::one(now.kept);
        let values = joined(alone, unique);
        let mut hasher = DefaultHasher::new();
        now.kept.octets().hash(&mut hasher);
        let octets = hasher.finish();
        self.count(index);
        let Some(line) = self.states[index].memory.lines.get_mut(&place.to_owned()) else { return };
        let known = line.seen.iter().find(|(known, ..)| *known == values).map(|(_, hash, number)| (*hash, *number));
        match known {
            // The network may bring the same packet twice.
            Some((hash, _)) if hash == octets => {}
            Some((_, number)) => {
                let row = FieldRow {
                    field: unique.join(", "),
                    expected: format!("another than in packet {number}"),
                    actual: values,
                    offset: unique.first().and_then(|path| Fields::offset(&alone, path)),
                    differs: true,
                };
                self.breach(index, alone, vec![row], now.sender, false);
            }
            None => {
                if line.seen.len() >= WINDOW {
                    line.seen.pop_front();
                }
                line.seen.push_back((values, octets, now.kept.number));
            }
        }
    }

    fn count(&mut self, index: usize) {
        self.states[index].applied += 1;
    }

    fn breach(&mut self, index: usize, pair: Pair<'_>, rows: Vec<FieldRow>, sender: &Sender, soft: bool) {
        let (rule, _) = &self.rules.rules[index];
        let exception = self.rules.exception(&rule.id, &self.capture, sender);
        let state = &mut self.states[index];
        if let Some(exception) = exception {
            state.known += 1;
            state.exceptions.insert(exception);
            return;
        }
        state.breaches += 1;
        state.soft += u64::from(soft);
        if state.packets.len() < NUMBERS_KEPT {
            state.packets.push(pair.this.number);
        }
        if state.findings.len() < FINDINGS_KEPT {
            state.findings.push(Finding {
                packet: pair.this.number,
                against: pair.other.map(|(_, other)| other.number),
                sender: sender.clone(),
                // The octets stay in the capture: a secret may be among them.
                comparison: Comparison::from_rows(message_name(&pair.this.read), rows, None),
            });
        }
    }

    /// The request that a reply answers: the copy that came to who replies.
    fn request(&self, key: &Key, reply: &Kept) -> Option<Arc<Kept>> {
        let copies = self.messages.get(key)?;
        let source = reply.read.addr("src.protocol");
        let likeness = |copy: &Kept| {
            let direct = copy.from == reply.to;
            let named = source.is_some() && copy.read.addr("src.protocol") == source;
            (direct || named).then_some(u8::from(direct) + u8::from(named))
        };
        let candidates = copies.iter().filter(|copy| asks(&copy.read) && copy.to == reply.from);
        candidates
            .filter_map(|copy| Some((likeness(copy)?, copy)))
            .max_by_key(|(likeness, _)| *likeness)
            .map(|(_, copy)| Arc::clone(copy))
    }

    /// The message that another passes on, as it came to who passes it on.
    fn received(&self, key: &Key, onward: &Kept) -> Option<Arc<Kept>> {
        onward.read.nhrp_type()?;
        let source = onward.read.addr("src.protocol")?;
        let mut copies = self.messages.get(key)?.iter().rev();
        let same = |copy: &&Arc<Kept>| {
            came_to_sender(copy, onward) && copy.from != onward.to && copy.read.addr("src.protocol") == Some(source)
        };
        copies.find(same).map(Arc::clone)
    }

    fn remember(&mut self, key: Key, kept: Arc<Kept>) {
        match self.messages.get_mut(&key) {
            Some(copies) => {
                // One that was only sent again says nothing new: the latest stands for all of them.
                let same = |copy: &Arc<Kept>| {
                    (copy.from, copy.to, &copy.broken) == (kept.from, kept.to, &kept.broken)
                        && copy.octets() == kept.octets()
                };
                copies.retain(|copy| !same(copy));
                if copies.len() >= COPIES {
                    copies.pop_front();
                    self.summary.forgotten += 1;
                }
                copies.push_back(kept);
            }
            None => self.messages.insert(key, VecDeque::from([kept])),
        }
    }
}

/// Whether a message of that kind has come to who sends this one now, so that it may be what is passed on.
fn came_to_sender(copy: &Kept, now: &Kept) -> bool {
    copy.to == now.from && copy.from != now.from && copy.read.nhrp_type() == now.read.nhrp_type()
}

fn fits(look: &Look, pair: Pair<'_>, env: &Env) -> bool {
    is_message(&pair.this.read, look.msg) && row_fits(&look.matches, pair, env)
}

fn row_fits(row: &[FieldMatch], pair: Pair<'_>, env: &Env) -> bool {
    row.is_empty() || check_row(&pair, "", row, env, &mut Vec::new(), &mut Vec::new())
}

/// The comparison of a packet that does not fit.
fn rows(pair: Pair<'_>, row: &[FieldMatch], env: &Env) -> Option<Vec<FieldRow>> {
    let mut rows = Vec::new();
    (!check_row(&pair, "", row, env, &mut rows, &mut Vec::new())).then_some(rows)
}

/// What tells rows of packets apart.
fn joined(pair: Pair<'_>, paths: &[String]) -> String {
    let values =
        paths.iter().map(|path| pair.value(path).map_or_else(|| "absent".to_owned(), |value| value.to_string()));
    values.collect::<Vec<_>>().join(" ")
}

/// A value for people. Whole messages, and what may be a secret, are shown by their length.
fn shown(path: &str, value: Option<&FieldValue>) -> String {
    match value {
        None => "absent".to_owned(),
        Some(FieldValue::Bytes(octets)) if path == "octets" || path.starts_with("ext.auth") => {
            let mut hasher = DefaultHasher::new();
            octets.hash(&mut hasher);
            format!("{} octets ({:04x})", octets.len(), hasher.finish() & 0xFFFF)
        }
        Some(value) => value.to_string(),
    }
}
