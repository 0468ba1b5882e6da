//! A ladder for terminals: stations side by side, time downwards, an arrow for each packet.
//!
//! ```text
//!       time  192.0.2.11        192.0.2.1
//!   0.000000  |---------------->|          1  NHRP Registration Request id 1 ..
//!   0.001000  |<----------------|          2  NHRP Registration Reply id 1 ..
//! ```

use std::net::IpAddr;

use dmvpn_inspect::exchange::Part;
use dmvpn_inspect::story::Story;
use dmvpn_inspect::view::View;

use super::words;
use crate::report::{Terminal, Tint};

/// Columns in front of the first station.
const TIME: usize = 14;
/// Least columns for the message where the width is bounded.
const MESSAGE: usize = 28;
/// Stations that are drawn at most, whatever the width.
const STATIONS: usize = 8;

/// A packet of a ladder.
#[derive(Clone, Debug)]
pub struct Rung {
    /// Its number in the file.
    pub number: u64,
    /// When, in nanoseconds since 1970.
    pub time_ns: u64,
    /// Who sent it.
    pub from: IpAddr,
    /// Whom to.
    pub to: IpAddr,
    /// What it is.
    pub label: String,
    /// What it is in its exchange, if it has one.
    pub part: Option<Part>,
}

/// The packets of a ladder, at most so many.
#[derive(Debug)]
pub struct Rungs {
    kept: Vec<Rung>,
    limit: usize,
    all: bool,
    left_out: u64,
}

impl Rungs {
    /// A ladder of at most `limit` packets: of exchanges, or of all kinds.
    pub fn new(limit: usize, all: bool) -> Self {
        Self { kept: Vec::new(), limit, all, left_out: 0 }
    }

    /// Takes in a packet that the story has seen already.
    pub fn packet(&mut self, view: View<'_>, story: &Story) {
        let View { packet, glance, read } = view;
        let Some((from, to)) = glance.outer else { return };
        if !self.all && glance.nhrp.is_none() && glance.ike.is_none() {
            return;
        }
        if self.kept.len() >= self.limit {
            self.left_out += 1;
            return;
        }
        self.kept.push(Rung {
            number: packet.number,
            time_ns: packet.timestamp_ns,
            from,
            to,
            label: read.map(|read| read.summary().to_owned()).unwrap_or_default(),
            part: part_of(story, packet.number),
        });
    }

    /// The packets.
    pub fn kept(&self) -> &[Rung] {
        &self.kept
    }

    /// How many more there were.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}

/// What a packet that was seen just now is in its exchange.
pub(super) fn part_of(story: &Story, number: u64) -> Option<Part> {
    let of = |exchange: &dmvpn_inspect::exchange::Exchange| {
        exchange.packets.last().filter(|seen| seen.number == number).map(|seen| seen.part)
    };
    story.tracker().open().rev().find_map(of)
}

/// The ladder as text. Times count from `start_ns`. On a terminal its lines are no longer than that is wide.
pub fn render(rungs: &Rungs, start_ns: u64, terminal: &Terminal) -> String {
    let lanes = Lanes::of(rungs.kept(), terminal);
    let mut text = format!("{:>12}  {}\n", "time", lanes.head());
    for rung in rungs.kept() {
        let time = words::relative(rung.time_ns, start_ns);
        let mut line = format!("{time:>12}  {}  ", lanes.arrow(rung.from, rung.to, terminal));
        let used = line.chars().count();
        let message = format!("{:>3}  {}{}", rung.number, rung.label, part(rung.part));
        let message = terminal.safe(&message);
        let room = if terminal.interactive { terminal.width.saturating_sub(used) } else { usize::MAX };
        line += &terminal_cut(&message, room, tint(rung), terminal);
        text += line.trim_end();
        text.push('\n');
    }
    if rungs.kept().is_empty() {
        text = "no packets for a ladder\n".to_owned();
    }
    if lanes.others {
        text += "stations that have no line of their own are at the line of `others`\n";
    }
    if rungs.left_out() > 0 {
        text += &format!("{}; `--limit` shows more of them\n", words::counted(rungs.left_out(), "more packet"));
    }
    text
}

/// A word about what a packet is in its exchange, where it is not the first of its kind.
pub(super) fn part(part: Option<Part>) -> &'static str {
    match part {
        Some(Part::Retry) => " (retry)",
        Some(Part::Forward) => " (passed on)",
        Some(Part::ReplyAgain) => " (again)",
        Some(Part::Piece) => " (a further piece)",
        _ => "",
    }
}

fn tint(rung: &Rung) -> Option<Tint> {
    match rung.part {
        Some(Part::Error) => Some(Tint::Bad),
        Some(Part::Retry) => Some(Tint::Caution),
        _ => None,
    }
}

fn terminal_cut(text: &str, room: usize, tint: Option<Tint>, terminal: &Terminal) -> String {
    let cut = match text.char_indices().nth(room) {
        Some(_) if room > 2 => text.chars().take(room - 2).chain("..".chars()).collect(),
        Some(_) => String::new(),
        None => text.to_owned(),
    };
    tint.map_or(cut.clone(), |tint| terminal.paint(tint, &cut))
}

/// Where the lines of stations are.
struct Lanes {
    stations: Vec<IpAddr>,
    /// Whether there are stations without a line, which are at one more.
    others: bool,
    /// Columns from one line to the next.
    width: usize,
}

impl Lanes {
    fn of(rungs: &[Rung], terminal: &Terminal) -> Self {
        // The busiest get lines; they stand in the order in which they came.
        let mut counts: Vec<(IpAddr, usize)> = Vec::new();
        for address in rungs.iter().flat_map(|rung| [rung.from, rung.to]) {
            match counts.iter_mut().find(|(known, _)| *known == address) {
                Some((_, count)) => *count += 1,
                None => counts.push((address, 1)),
            }
        }
        let longest = counts.iter().map(|(address, _)| address.to_string().len()).max().unwrap_or(0);
        let width = (longest + 2).max(10);
        let room = if terminal.interactive { terminal.width.saturating_sub(TIME + MESSAGE) / width } else { STATIONS };
        let room = room.clamp(2, STATIONS);
        let mut stations: Vec<IpAddr> = counts.iter().map(|(address, _)| *address).collect();
        let others = stations.len() > room;
        if others {
            let mut busy = counts;
            busy.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            busy.truncate(room - 1);
            stations.retain(|address| busy.iter().any(|(known, _)| known == address));
        }
        Self { stations, others, width }
    }

    fn count(&self) -> usize {
        self.stations.len() + usize::from(self.others)
    }

    fn head(&self) -> String {
        let names = self.stations.iter().map(ToString::to_string).chain(self.others.then(|| "others".to_owned()));
        let head: String = names.map(|name| format!("{name:<width$}", width = self.width)).collect();
        head.trim_end().to_owned()
    }

    /// Which line a station is at.
    fn place(&self, address: IpAddr) -> usize {
        self.stations.iter().position(|known| *known == address).unwrap_or(self.stations.len())
    }

    fn arrow(&self, from: IpAddr, to: IpAddr, terminal: &Terminal) -> String {
        let [lane, line, cross, right, left] = match terminal.unicode {
            true => ['│', '─', '┼', '▶', '◀'],
            false => ['|', '-', '+', '>', '<'],
        };
        let last = self.count().saturating_sub(1) * self.width;
        let mut cells = vec![' '; last + 1];
        for place in 0..self.count() {
            cells[place * self.width] = lane;
        }
        let (from, to) = (self.place(from) * self.width, self.place(to) * self.width);
        if from == to {
            // To itself, or between two that share a line.
            for (at, letter) in [(1, line), (2, line), (3, left)] {
                let at = if from == last { from.checked_sub(at) } else { from.checked_add(at) };
                if let Some(cell) = at.and_then(|at| cells.get_mut(at)) {
                    *cell = if from == last && letter == left { right } else { letter };
                }
            }
            return cells.into_iter().collect();
        }
        let (low, high) = (from.min(to), from.max(to));
        for cell in &mut cells[low + 1..high] {
            *cell = if *cell == lane { cross } else { line };
        }
        let tip = if to > from { to - 1 } else { to + 1 };
        cells[tip] = if to > from { right } else { left };
        cells.into_iter().collect()
    }
}
