//! What the place that is written to can show: colours, letters beyond ASCII, so many columns, a moving cursor.

use std::{
    env,
    io::{self, IsTerminal},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

use clap::ValueEnum;

/// The width where nothing says another.
const USUAL_WIDTH: usize = 80;
/// Below this, layout would do more harm than wrapping by the terminal.
const LEAST_WIDTH: usize = 40;

/// `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// Colours on a terminal, unless the environment says otherwise.
    #[default]
    Auto,
    /// Colours in any case.
    Always,
    /// No colours.
    Never,
}

/// What a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Colours may be used.
    pub color: bool,
    /// Letters beyond ASCII may be used.
    pub unicode: bool,
    /// The cursor may be moved.
    pub interactive: bool,
    /// Columns.
    pub width: usize,
}

/// What is known about the place that is written to, collected so that tests can make it up.
pub struct Surroundings<'a> {
    /// It is a terminal.
    pub is_terminal: bool,
    /// Its columns, if it says.
    pub width: Option<usize>,
    /// The environment.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

/// A meaning that has a colour. There is always a word as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tint {
    /// Something is wrong.
    Bad,
    /// Something deserves a look.
    Caution,
    /// Something is as it should be.
    Good,
    /// Something was left out.
    Aside,
    /// Something is under way.
    Busy,
    /// Of less importance.
    Dim,
    /// Of more importance.
    Strong,
}

impl Terminal {
    /// A file, or anything else of which nothing is known: no colours, full letters, 80 columns.
    pub const FILE: Terminal = Terminal { color: false, unicode: true, interactive: false, width: USUAL_WIDTH };

    /// The standard output of this process.
    pub fn stdout(choice: ColorChoice) -> Terminal {
        Terminal::of(choice, io::stdout().is_terminal(), io::stdout().as_fd())
    }

    /// The standard error of this process.
    pub fn stderr(choice: ColorChoice) -> Terminal {
        Terminal::of(choice, io::stderr().is_terminal(), io::stderr().as_fd())
    }

    fn of(choice: ColorChoice, is_terminal: bool, fd: BorrowedFd<'_>) -> Terminal {
        let variable = |name: &str| env::var(name).ok();
        Terminal::judge(choice, &Surroundings { is_terminal, width: columns(fd), variable: &variable })
    }

    /// Decides from what is known. `--color` goes before `NO_COLOR`, that before `CLICOLOR_FORCE`, that before the
    /// kind of terminal.
    pub fn judge(choice: ColorChoice, place: &Surroundings<'_>) -> Terminal {
        let set = |name| (place.variable)(name).filter(|value| !value.is_empty());
        let dumb = set("TERM").is_some_and(|term| term == "dumb");
        let color = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto if set("NO_COLOR").is_some() => false,
            ColorChoice::Auto if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
            ColorChoice::Auto => place.is_terminal && !dumb,
        };
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default().to_lowercase();
        Terminal {
            color,
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
            interactive: place.is_terminal && !dumb,
            width: place.width.unwrap_or(USUAL_WIDTH).max(LEAST_WIDTH),
        }
    }

    /// The text in the colour of its meaning, where there are colours.
    pub fn paint(&self, tint: Tint, text: &str) -> String {
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        let code = match tint {
            Tint::Bad => "1;31",
            Tint::Caution => "1;33",
            Tint::Good => "1;32",
            Tint::Aside => "1;36",
            Tint::Busy => "1;34",
            Tint::Dim => "2",
            Tint::Strong => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// The first where letters beyond ASCII can be shown, else the second.
    pub(super) fn glyph(&self, letter: &'static str, ascii: &'static str) -> &'static str {
        if self.unicode { letter } else { ascii }
    }

    /// The text in a form that is safe to show: a router's log can not move the cursor, change colours or turn the
    /// direction of writing, and ASCII stands in for letters that can not be shown.
    pub fn safe(&self, text: &str) -> String {
        let mut safe = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '\n' => safe.push('\n'),
                '\t' => safe.push(' '),
                c if c.is_control() || turns_direction(c) => safe.push_str(self.glyph("\u{fffd}", "?")),
                c if c.is_ascii() || self.unicode => safe.push(c),
                c => safe.push_str(in_ascii(c)),
            }
        }
        safe
    }
}

/// Whether a character turns the direction of writing, so that a line reads as what it is not.
pub(super) fn turns_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn in_ascii(c: char) -> &'static str {
    match c {
        '→' => "->",
        '←' => "<-",
        '–' | '—' | '─' | '‐' => "-",
        '│' => "|",
        '…' => "...",
        '≠' => "!=",
        '≤' => "<=",
        '≥' => ">=",
        '±' => "+-",
        '×' => "x",
        'µ' | 'μ' => "u",
        '‘' | '’' => "'",
        '“' | '”' => "\"",
        '\u{a0}' => " ",
        _ => "?",
    }
}

fn columns(fd: BorrowedFd<'_>) -> Option<usize> {
    size(fd).map(|(_, columns)| usize::from(columns)).filter(|columns| *columns > 0)
}

/// Rows and columns of a terminal; `None` if it is none.
pub(crate) fn size(fd: BorrowedFd<'_>) -> Option<(u16, u16)> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the descriptor is open as long as it is borrowed, and the request writes one `winsize` to the pointer.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    (result == 0).then_some((size.ws_row, size.ws_col))
}
