//! A ladder diagram as SVG: participants side by side, time downwards, an arrow for each packet.
//!
//! The picture stands inside a page ([`Ladder::svg`]) whose style has [`CSS`] in it. It takes its colours from the page's
//! own custom properties, so it is dark where the page is; it needs no script, and its words are text that can be
//! searched, copied and read aloud. A class never only colours: what is lost ends in a cross and says so in its label.
//!
//! ```text
//!   time       hub         spoke
//!   0.000000    |<-----------|   Registration Request id 1
//!   0.001000    |----------->|   Registration Reply id 1
//!   2.000000    |----x       |   Purge Request id 3 (lost)
//!   ------------ step: the hub restarts ----------------
//! ```

use std::fmt::Write;

use super::terminal::turns_direction;

/// Style for pages with ladders in them.
pub const CSS: &str = include_str!("ladder.css");

/// Most characters of a label; all of it is in the arrow's tooltip.
const LONGEST_LABEL: usize = 90;

// Lengths are in pixels of the picture. Labels are set in a monospaced font of 12 px, whose letters are 7.25 px wide.
const LETTER: f64 = 7.25;
const TIME: f64 = 108.0;
const LANE: f64 = 240.0;
const NARROW_LANE: f64 = 150.0;
const HEAD: f64 = 34.0;
const ROW: f64 = 36.0;
const NOTE: f64 = 24.0;
const MARGIN: f64 = 16.0;

/// A diagram.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ladder {
    /// Names of the participants, from left to right.
    pub participants: Vec<String>,
    /// What happened, from top to bottom.
    pub rows: Vec<Row>,
}

/// One thing that happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// When, as it is to be read.
    pub time: String,
    /// Who did it: one of the participants. `None` makes the row a line of words across all of them.
    pub from: Option<String>,
    /// Whom it reached: one of the participants, or nobody.
    pub to: Option<String>,
    /// What it was.
    pub label: String,
    /// How it is to look.
    pub class: Class,
    /// Where a click leads.
    pub link: Option<String>,
}

/// How a row looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Class {
    /// As usual.
    #[default]
    Plain,
    /// It did not arrive: dashed, and ends in a cross.
    Lost,
    /// It deserves a look: an error, or what a verdict is about.
    Marked,
    /// Of less importance.
    Dim,
}

impl Class {
    fn name(self) -> &'static str {
        match self {
            Class::Plain => "plain",
            Class::Lost => "lost",
            Class::Marked => "marked",
            Class::Dim => "dim",
        }
    }
}

impl Ladder {
    /// A diagram of these rows, whose participants are in the order in which they first appear.
    pub fn of(rows: Vec<Row>) -> Ladder {
        let mut participants: Vec<String> = Vec::new();
        for name in rows.iter().flat_map(|row| row.from.iter().chain(&row.to)) {
            if !participants.contains(name) {
                participants.push(name.clone());
            }
        }
        Ladder { participants, rows }
    }

    /// The picture as an `svg` element. `title` says what it shows, to those who hear it.
    pub fn svg(&self, title: &str) -> String {
        let lanes = self.lanes();
        let height = HEAD + self.rows.iter().map(Row::height).sum::<f64>() + MARGIN;
        let width = self.width(&lanes);
        let mut svg = format!(
            "<svg class=\"ladder\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"group\" aria-label=\"{}\">\n",
            escaped(title)
        );
        for (name, x) in self.participants.iter().zip(&lanes) {
            let _ = writeln!(
                svg,
                "<text class=\"who\" x=\"{x}\" y=\"{}\">{}</text><path class=\"lane\" d=\"M{x} {HEAD}V{}\"/>",
                HEAD - 12.0,
                escaped(name),
                height - MARGIN / 2.0
            );
        }
        let mut top = HEAD;
        for row in &self.rows {
            let link = row.link.as_ref().map(|link| format!("<a href=\"{}\">", escaped(link))).unwrap_or_default();
            let whole = [row.time.as_str(), row.label.as_str()].join(" ");
            let _ = write!(svg, "<g class=\"{}\">{link}<title>{}</title>", row.class.name(), escaped(whole.trim()));
            match row.from.as_ref().and_then(|from| self.lane(&lanes, from)) {
                Some(from) => self.arrow(&mut svg, row, top, from, &lanes),
                None => note(&mut svg, row, top, width),
            }
            svg.push_str(if link.is_empty() { "</g>\n" } else { "</a></g>\n" });
            top += row.height();
        }
        svg.push_str("</svg>");
        svg
    }

    /// Where the line of each participant is.
    fn lanes(&self) -> Vec<f64> {
        let lane = if self.participants.len() > 3 { NARROW_LANE } else { LANE };
        let longest = self.participants.first().map_or(0, |name| name.chars().count());
        // The first name is centred over its line and must not run into the times.
        let first = TIME + (letters(longest) / 2.0).max(MARGIN);
        (0..self.participants.len()).map(|place| first + lane * number(place)).collect()
    }

    fn lane(&self, lanes: &[f64], name: &str) -> Option<f64> {
        self.participants.iter().position(|other| other == name).and_then(|place| lanes.get(place)).copied()
    }

    fn width(&self, lanes: &[f64]) -> f64 {
        let last = lanes.last().copied().unwrap_or(TIME);
        let name = self.participants.last().map_or(0, |name| name.chars().count());
        let of_row = |row: &Row| {
            let label = letters(shown(&row.label).chars().count());
            match row.from.as_ref().and_then(|from| self.lane(lanes, from)) {
                Some(from) => from.min(self.target(row, from, lanes)) + MARGIN + label,
                None => TIME + label,
            }
        };
        let rows = self.rows.iter().map(of_row).fold(last + letters(name) / 2.0, f64::max);
        (rows + MARGIN).ceil()
    }

    /// Where the arrow of a row ends.
    fn target(&self, row: &Row, from: f64, lanes: &[f64]) -> f64 {
        match row.to.as_ref().and_then(|to| self.lane(lanes, to)) {
            Some(to) if to == from => from + 40.0,
            Some(to) if row.class == Class::Lost => from + (to - from) * 0.6,
            Some(to) => to,
            // To nobody: away from the edge of the picture.
            None if lanes.last() == Some(&from) && lanes.len() > 1 => from - 60.0,
            None => from + 60.0,
        }
    }

    fn arrow(&self, svg: &mut String, row: &Row, top: f64, from: f64, lanes: &[f64]) {
        let (text, line) = (top + 15.0, top + 24.0);
        let to = self.target(row, from, lanes);
        let towards = if to < from { -1.0 } else { 1.0 };
        let _ = write!(svg, "<text class=\"time\" x=\"0\" y=\"{}\">{}</text>", line + 4.0, escaped(&row.time));
        let _ = write!(svg, "<path class=\"line\" d=\"M{from} {line}H{to}\"/>");
        if row.class == Class::Lost || row.to.is_none() {
            let (left, right, up, down) = (to - 5.0, to + 5.0, line - 5.0, line + 5.0);
            let _ = write!(svg, "<path class=\"cross\" d=\"M{left} {up}L{right} {down}M{left} {down}L{right} {up}\"/>");
        } else {
            let back = to - 8.0 * towards;
            let _ =
                write!(svg, "<path class=\"tip\" d=\"M{to} {line}L{back} {}L{back} {}Z\"/>", line - 4.0, line + 4.0);
        }
        let x = from.min(to) + 8.0;
        let _ = write!(svg, "<text class=\"label\" x=\"{x}\" y=\"{text}\">{}</text>", escaped(&shown(&row.label)));
    }
}

impl Row {
    fn height(&self) -> f64 {
        if self.from.is_some() { ROW } else { NOTE }
    }
}

/// Words across all participants.
fn note(svg: &mut String, row: &Row, top: f64, width: f64) {
    let line = top + 16.0;
    let _ =
        write!(svg, "<rect class=\"band\" x=\"0\" y=\"{}\" width=\"{width}\" height=\"{}\"/>", top + 3.0, NOTE - 5.0);
    let _ = write!(svg, "<text class=\"time\" x=\"0\" y=\"{line}\">{}</text>", escaped(&row.time));
    let _ = write!(svg, "<text class=\"note\" x=\"{TIME}\" y=\"{line}\">{}</text>", escaped(&shown(&row.label)));
}

/// A label as far as there is room.
fn shown(label: &str) -> String {
    match label.char_indices().nth(LONGEST_LABEL) {
        Some((end, _)) => format!("{}...", &label[..end]),
        None => label.to_owned(),
    }
}

fn letters(count: usize) -> f64 {
    LETTER * number(count)
}

/// Pictures are far smaller than what a float can not count.
#[allow(clippy::cast_precision_loss, reason = "numbers of letters and participants are small")]
fn number(count: usize) -> f64 {
    count as f64
}

/// Text for XML and HTML alike, in elements and in quoted attributes. What neither can hold, and what turns the direction
/// of writing, becomes a replacement character.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if (c.is_control() && !matches!(c, '\n' | '\t'))
                || matches!(c, '\u{fffe}' | '\u{ffff}')
                || turns_direction(c) =>
            {
                escaped.push('\u{fffd}')
            }
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(from: Option<&str>, to: Option<&str>, label: &str) -> Row {
        let name = |name: &str| name.to_owned();
        Row { time: "0.001".into(), from: from.map(name), to: to.map(name), label: label.into(), ..Row::default() }
    }

    #[test]
    fn a_ladder_as_it_is() {
        let ladder = Ladder::of(vec![
            row(None, None, "start hub and spoke"),
            row(Some("spoke"), Some("hub"), "Registration Request id 1"),
            Row { link: Some("#p2".into()), class: Class::Marked, ..row(Some("hub"), Some("spoke"), "Reply") },
            Row { class: Class::Lost, ..row(Some("spoke"), Some("hub"), "Purge (lost)") },
            row(Some("hub"), None, "to nobody (unreachable)"),
            row(Some("hub"), Some("hub"), "to itself"),
        ]);
        assert_eq!(ladder.participants, ["spoke", "hub"]);
        insta::assert_snapshot!(ladder.svg("what happened"));
    }

    #[test]
    fn nothing_gets_out_of_its_text() {
        let evil = "</text></svg><script>alert(1)</script>\"' onload='x\0\n";
        let mut row = row(Some(evil), Some(evil), evil);
        (row.link, row.time) = (Some(evil.into()), evil.into());
        let svg = Ladder::of(vec![row, self::row(None, None, evil)]).svg(evil);
        assert!(!svg.contains("<script") && !svg.contains("' onload") && !svg.contains('\0'), "{svg}");
        assert_eq!(svg.matches("</svg>").count(), 1);
        assert_eq!(Ladder::default().svg("").matches("<g").count(), 0);
    }

    #[test]
    fn everything_is_inside_the_picture() {
        let names = ["a", "b", "c", "d", "e"];
        let long = "x".repeat(400);
        let rows = names.iter().flat_map(|from| names.map(|to| row(Some(from), Some(to), &long))).collect();
        let ladder = Ladder::of(rows);
        let lanes = ladder.lanes();
        let width = ladder.width(&lanes);
        assert!(lanes.is_sorted() && lanes[0] > TIME && lanes[4] < width);
        assert!(width < 2000.0, "{width}");
    }
}
