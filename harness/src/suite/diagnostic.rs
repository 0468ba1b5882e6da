//! What is said about a broken suite: the place, what was expected, the nearest known word, and what to do.

use std::fmt;

use super::span::Span;

/// One complaint about one place of one file. Prints through miette with the lines concerned.
#[derive(Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Kind of complaint, stable over versions: `suite::unknown_key`.
    pub code: &'static str,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What stands under the caret.
    pub label: String,
    /// What to do.
    pub help: Option<String>,
    /// The place.
    pub span: Span,
}

impl Diagnostic {
    /// A complaint without help.
    pub fn new(code: &'static str, span: &Span, message: impl Into<String>, label: impl Into<String>) -> Self {
        Self { code, message: message.into(), label: label.into(), help: None, span: span.clone() }
    }

    /// Adds what to do.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// `file:line:column: message (help)`, for logs and terminals without graphics.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.span, self.code, self.message)
    }
}

impl std::error::Error for Diagnostic {}

impl miette::Diagnostic for Diagnostic {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        // A file that could not be read has no line to show.
        if self.span.file.text.is_empty() { None } else { Some(self.span.file.as_ref()) }
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = miette::LabeledSpan> + '_>> {
        let label = miette::LabeledSpan::new_with_span(Some(self.label.clone()), self.span.to_miette());
        Some(Box::new(std::iter::once(label)))
    }
}

/// The known word that was probably meant, if one is near enough that naming it is a help and not a riddle.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).max(1);
    let by_distance = |candidate: &'a str| {
        let distance = strsim::osa_distance(word, candidate);
        // `hop` for `hopcnt`: short words start like what they abbreviate.
        let prefix = word.len() >= 3 && candidate.starts_with(word);
        (distance <= allowed || prefix).then_some((distance, candidate))
    };
    known.into_iter().filter_map(by_distance).min().map(|(_, candidate)| candidate)
}

/// `` `a`, `b` and `c` ``
pub(crate) fn listed<'a>(words: impl IntoIterator<Item = &'a str>, conjunction: &str) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} {conjunction} {last}", others.join(", ")),
    }
}

/// Help for a word that is not among the known ones: the nearest, or all of them.
pub(crate) fn suggest<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(word, known.clone()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None if known.clone().into_iter().next().is_none() => "none is declared".to_owned(),
        None => format!("known here: {}", listed(known, "and")),
    }
}
