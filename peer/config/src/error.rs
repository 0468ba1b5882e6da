//! A complaint about one place of one file.

use std::fmt;
use std::ops::Range;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

use crate::mask;

/// Line and column, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

/// Why a configuration is not one.
///
/// `Display` is the message alone, [`Error::one_line`] puts `file:line:column` in front, and a miette report of it shows
/// the line with a caret.
pub struct Error(Box<Complaint>);

/// Boxed, so that results stay small.
struct Complaint {
    code: &'static str,
    message: String,
    help: Option<String>,
    file: String,
    /// The text with secrets masked, and the octets that the complaint is about; `None` if it is about the whole file.
    excerpt: Option<(NamedSource<String>, Range<usize>)>,
    label: String,
    place: Option<Place>,
}

impl Error {
    /// A complaint about a file as a whole: it can not be read.
    pub(crate) fn about_file(code: &'static str, file: &str, message: impl Into<String>) -> Self {
        Self(Box::new(Complaint {
            code,
            message: message.into(),
            help: None,
            file: printable(file),
            excerpt: None,
            label: String::new(),
            place: None,
        }))
    }

    /// A complaint about octets `span` of `text`.
    pub(crate) fn at(
        code: &'static str,
        file: &str,
        text: &str,
        span: Range<usize>,
        message: impl Into<String>,
    ) -> Self {
        let start = text.floor_char_boundary(span.start.min(text.len()));
        let end = text.ceil_char_boundary(span.end.min(text.len())).max(start);
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let place =
            Place { line: before.matches('\n').count() + 1, column: text[line_start..start].chars().count() + 1 };
        let masked = printable_keeping_len(mask::secrets(text));
        let mut error = Self::about_file(code, file, message);
        error.0.excerpt = Some((NamedSource::new(printable(file), masked).with_language("yaml"), start..end));
        error.0.place = Some(place);
        error
    }

    /// Adds what to do.
    #[must_use]
    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Adds what stands under the caret.
    #[must_use]
    pub(crate) fn with_label(mut self, label: impl Into<String>) -> Self {
        self.0.label = label.into();
        self
    }

    /// Kind of complaint, stable over versions: `config::unknown_key`.
    pub fn kind(&self) -> &'static str {
        self.0.code
    }

    /// Where in the file; `None` if the complaint is about the file as a whole.
    pub fn place(&self) -> Option<Place> {
        self.0.place
    }

    /// Whether the file could not even be read, which is the fault of the environment and not of its content.
    pub fn is_unreadable(&self) -> bool {
        self.0.code == "config::unreadable"
    }

    /// `file:line:column: message`, for logs and for terminals without graphics.
    pub fn one_line(&self) -> String {
        match self.0.place {
            Some(place) => format!("{}:{}:{}: {}", self.0.file, place.line, place.column, self.0.message),
            None => format!("{}: {}", self.0.file, self.0.message),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.one_line(), self.0.code)
    }
}

impl std::error::Error for Error {}

impl Diagnostic for Error {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.0.code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.0.excerpt.as_ref().map(|(source, _)| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (_, span) = self.0.excerpt.as_ref()?;
        let label = (!self.0.label.is_empty()).then(|| self.0.label.clone());
        Some(Box::new(std::iter::once(LabeledSpan::new(label, span.start, span.len()))))
    }
}

/// Control characters of a name would reach the terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The same for an excerpt, where every octet must stay in its place: line ends stay, other control characters become
/// as many full stops as they have octets.
fn printable_keeping_len(text: String) -> String {
    if !text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' && c != '\t' {
            out.extend(std::iter::repeat_n('.', c.len_utf8()));
        } else {
            out.push(c);
        }
    }
    out
}

/// Help for a word that is not among the known ones: the nearest, or all of them.
pub(crate) fn suggestion(word: &str, known: &[&str]) -> String {
    let allowed = (word.chars().count() / 3).max(1);
    let near = known.iter().map(|candidate| (strsim::osa_distance(word, candidate), candidate));
    match near.filter(|(distance, _)| *distance <= allowed).min() {
        Some((_, candidate)) => format!("did you mean `{candidate}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}
