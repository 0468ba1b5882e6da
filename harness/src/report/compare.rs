//! An expected packet above an actual one: carets under what differs, the fields in a table, the octets with a mark.

use serde::Serialize;

use crate::verdict::{Comparison, FieldRow};

use super::{Terminal, Tint, octets::IN_A_LINE};

/// A longer dump is shown only round its marks.
const MOST_LINES: usize = 8;

const EXPECTED: &str = "expected ";
const ACTUAL: &str = "actual   ";

/// The two lines, broken at the same columns where they are too long for `width`, with carets below.
pub(crate) fn packet_lines(comparison: &Comparison, width: usize, terminal: &Terminal) -> Vec<String> {
    let expected: Vec<char> = comparison.expected_line.chars().collect();
    let actual: Vec<char> = comparison.actual_line.chars().collect();
    let marks = marks(comparison, &expected, &actual);
    let length = expected.len().max(actual.len());
    let room = width.saturating_sub(EXPECTED.len()).max(20);

    let mut lines = Vec::new();
    let mut start = 0;
    while start < length {
        let end = break_after(&expected, &actual, start, room);
        let part = |line: &[char]| line.iter().skip(start).take(end - start).collect::<String>().trim_end().to_owned();
        lines.push(format!("{EXPECTED}{}", part(&expected)).trim_end().to_owned());
        lines.push(format!("{ACTUAL}{}", part(&actual)).trim_end().to_owned());
        let carets: String = (start..end).map(|at| if marks.get(at) == Some(&true) { '^' } else { ' ' }).collect();
        if !carets.trim().is_empty() {
            let carets = terminal.paint(Tint::Bad, carets.trim_end());
            lines.push(format!("{:width$}{carets}", "", width = ACTUAL.len()));
        }
        start = end;
        while start < length && is_gap(&expected, start) && is_gap(&actual, start) {
            start += 1;
        }
    }
    lines
}

/// A part of a packet line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Piece {
    /// The part.
    pub(super) text: String,
    /// Whether it is of what differs.
    pub(super) differs: bool,
}

/// Both lines in parts that differ or not, for those who can mark them inside the line.
pub(super) fn pieces(comparison: &Comparison) -> (Vec<Piece>, Vec<Piece>) {
    let expected: Vec<char> = comparison.expected_line.chars().collect();
    let actual: Vec<char> = comparison.actual_line.chars().collect();
    let marks = marks(comparison, &expected, &actual);
    let split = |line: &[char]| {
        let mut pieces: Vec<Piece> = Vec::new();
        for (c, differs) in line.iter().zip(&marks) {
            match pieces.last_mut() {
                Some(piece) if piece.differs == *differs => piece.text.push(*c),
                _ => pieces.push(Piece { text: c.to_string(), differs: *differs }),
            }
        }
        pieces
    };
    (split(&expected), split(&actual))
}

/// Where a part that starts at `start` ends: at the last gap that both lines have within `room` columns.
fn break_after(expected: &[char], actual: &[char], start: usize, room: usize) -> usize {
    let length = expected.len().max(actual.len());
    if length - start <= room {
        return length;
    }
    (start + room / 2..=start + room)
        .rev()
        .find(|at| is_gap(expected, *at) && is_gap(actual, *at))
        .unwrap_or(start + room)
}

fn is_gap(line: &[char], at: usize) -> bool {
    line.get(at).is_none_or(|c| *c == ' ')
}

/// The columns that get a caret.
fn marks(comparison: &Comparison, expected: &[char], actual: &[char]) -> Vec<bool> {
    let mut marks = vec![false; expected.len().max(actual.len())];
    let differing: Vec<&FieldRow> = comparison.rows.iter().filter(|row| row.differs).collect();
    for row in &differing {
        let above = find(expected, &row.pair(&row.expected));
        let below = find(actual, &row.pair(&row.actual));
        for (from, to) in above.into_iter().filter(|(from, _)| below.is_none_or(|below| below.0 == *from)).chain(below)
        {
            marks[from..to].fill(true);
        }
    }
    // The lines may come in a notation that does not name its fields: then mark the words that are not the same.
    if !marks.contains(&true) && comparison.expected_line != comparison.actual_line {
        let (above, below) = (words(expected), words(actual));
        for (place, (from, to)) in below.iter().enumerate() {
            let same = above.get(place).is_some_and(|(f, t)| expected[*f..*t] == actual[*from..*to]);
            marks[*from..*to].fill(!same);
        }
    }
    marks
}

/// Where a `field=value` stands in a line, as a word of its own.
fn find(line: &[char], pair: &str) -> Option<(usize, usize)> {
    let pair: Vec<char> = pair.chars().collect();
    (0..(line.len() + 1).saturating_sub(pair.len()))
        .find(|at| {
            let end = at + pair.len();
            line[*at..end] == pair[..]
                && (*at == 0 || line[at - 1] == ' ')
                && line.get(end).is_none_or(|c| matches!(c, ' ' | ','))
        })
        .map(|at| (at, at + pair.len()))
}

/// Where each word of a line starts and ends.
fn words(line: &[char]) -> Vec<(usize, usize)> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in line.iter().chain([&' ']).enumerate() {
        match (*c == ' ', start) {
            (false, None) => start = Some(at),
            (true, Some(from)) => {
                words.push((from, at));
                start = None;
            }
            _ => {}
        }
    }
    words
}

/// The fields in aligned columns, those that differ marked.
pub(super) fn field_table(rows: &[FieldRow], terminal: &Terminal) -> Vec<String> {
    let width = |title: &str, of: &dyn Fn(&FieldRow) -> &str| {
        rows.iter().map(|row| of(row).chars().count()).chain([title.len()]).max().unwrap_or(0)
    };
    let field = width("field", &|row| &row.field);
    let expected = width("expected", &|row| &row.expected);
    let actual = width("actual", &|row| &row.actual);
    let line = |mark: &str, a: &str, b: &str, c: &str, d: &str| {
        format!("{mark} {a:<field$}  {b:<expected$}  {c:<actual$}  {d}").trim_end().to_owned()
    };

    let mut lines = vec![terminal.paint(Tint::Dim, &line(" ", "field", "expected", "actual", "offset"))];
    for row in rows {
        let offset = row.offset.map(|offset| format!("{offset:#06x}")).unwrap_or_default();
        let mark = if row.differs { terminal.glyph("≠", "!") } else { " " };
        let text = line(mark, &row.field, &row.expected, &row.actual, &offset);
        lines.push(if row.differs { terminal.paint(Tint::Bad, &text) } else { text });
    }
    lines
}

/// The octets in lines of sixteen, with carets under the first octet of each field that differs.
pub(super) fn dump(octets: &[u8], rows: &[FieldRow], terminal: &Terminal) -> Vec<String> {
    let marks: Vec<usize> = rows.iter().filter(|row| row.differs).filter_map(|row| row.offset).collect();
    let count = octets.len().div_ceil(IN_A_LINE);
    let marked = |line: usize| marks.iter().any(|mark| mark / IN_A_LINE == line);
    let near = |line: usize| (line.saturating_sub(1)..=line + 1).any(marked);
    let any = (0..count).any(marked);
    let shown = |line: usize| count <= MOST_LINES || if any { near(line) } else { line < MOST_LINES };

    let mut lines = Vec::new();
    for (number, part) in octets.chunks(IN_A_LINE).enumerate() {
        if !shown(number) {
            if number == 0 || shown(number - 1) {
                lines.push(terminal.paint(Tint::Dim, terminal.glyph("⋮", "...")));
            }
            continue;
        }
        let mut text = format!("{:04x} ", number * IN_A_LINE);
        let mut carets = "     ".to_owned();
        for (place, octet) in part.iter().enumerate() {
            let gap = if place == IN_A_LINE / 2 { "  " } else { " " };
            text.push_str(&format!("{gap}{octet:02x}"));
            let mark = if marks.contains(&(number * IN_A_LINE + place)) { "^^" } else { "  " };
            carets.push_str(&format!("{gap}{mark}"));
        }
        lines.push(text);
        if !carets.trim().is_empty() {
            lines.push(terminal.paint(Tint::Bad, carets.trim_end()));
        }
    }
    if let Some(beyond) = marks.iter().filter(|mark| **mark >= octets.len()).min() {
        lines.push(format!("the packet ends after {} octets, before offset {beyond:#06x}", octets.len()));
    }
    lines
}
