//! `--format`: which renderers, and where to.

use std::{fmt, path::PathBuf, str::FromStr};

/// A renderer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Human,
    /// The whole result as one JSON document.
    Json,
    /// One JSON document per event, as it happens.
    Jsonl,
    /// JUnit XML.
    Junit,
    /// TAP version 14.
    Tap,
    /// Markdown.
    Markdown,
    /// Pages: a matrix, and one for each case.
    Html,
}

impl Format {
    const ALL: [Format; 7] =
        [Format::Human, Format::Json, Format::Jsonl, Format::Junit, Format::Tap, Format::Markdown, Format::Html];

    /// The word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Human => "human",
            Format::Json => "json",
            Format::Jsonl => "jsonl",
            Format::Junit => "junit",
            Format::Tap => "tap",
            Format::Markdown => "markdown",
            Format::Html => "html",
        }
    }
}

/// One `--format`: a renderer, and a file (for pages a folder) unless the data goes to the standard output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatSpec {
    /// The renderer.
    pub format: Format,
    /// The file.
    pub path: Option<PathBuf>,
}

/// A `--format` that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// No renderer has this name.
    #[error(
        "there is no format `{name}`{hint}; expected human, json, jsonl, junit, tap or markdown, with `=FILE` to write to a \
         file, or html=DIR"
    )]
    Unknown {
        /// As typed.
        name: String,
        /// A guess at what was meant.
        hint: String,
    },
    /// An equals sign, and nothing behind it.
    #[error("`{0}=` names no file; write `{0}=FILE`, or `{0}` for the standard output")]
    NoFile(&'static str),
    /// Pages are a folder.
    #[error("`html` is a folder of pages; write `html=DIR`")]
    NoFolder,
    /// More than one would write to the standard output.
    #[error("`{0}` and `{1}` would both go to the standard output; give one of them a file: `--format {1}=FILE`")]
    Crowded(&'static str, &'static str),
    /// Two would write to the same file.
    #[error("two formats would be written to {0}")]
    SameFile(String),
}

impl FromStr for FormatSpec {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<FormatSpec, FormatError> {
        let (name, path) = match text.split_once('=') {
            Some((name, path)) => (name, Some(path)),
            None => (text, None),
        };
        let format = Format::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| unknown(name))?;
        match path {
            None | Some("") if format == Format::Html => Err(FormatError::NoFolder),
            Some("") => Err(FormatError::NoFile(format.name())),
            path => Ok(FormatSpec { format, path: path.map(PathBuf::from) }),
        }
    }
}

impl fmt::Display for FormatSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.format.name())?;
        match &self.path {
            Some(path) => write!(f, "={}", path.display()),
            None => Ok(()),
        }
    }
}

impl FormatSpec {
    /// Refuses a set in which two would write over each other. Naming the same twice is as good as once.
    pub fn check(specs: &[FormatSpec]) -> Result<(), FormatError> {
        let mut on_stdout: Option<Format> = None;
        for (place, spec) in specs.iter().enumerate() {
            if specs[..place].contains(spec) {
                continue;
            }
            match &spec.path {
                // The human report gives way to data by itself.
                None if spec.format == Format::Human => {}
                None => match on_stdout {
                    Some(first) => return Err(FormatError::Crowded(first.name(), spec.format.name())),
                    None => on_stdout = Some(spec.format),
                },
                Some(path) if specs[..place].iter().any(|earlier| earlier.path.as_ref() == Some(path)) => {
                    return Err(FormatError::SameFile(path.display().to_string()));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

fn unknown(name: &str) -> FormatError {
    let nearest = Format::ALL
        .into_iter()
        .map(|format| (strsim::osa_distance(&name.to_lowercase(), format.name()), format.name()))
        .min()
        .filter(|(distance, _)| *distance <= 2);
    let hint = nearest.map(|(_, name)| format!(" (did you mean `{name}`?)")).unwrap_or_default();
    FormatError::Unknown { name: name.to_owned(), hint }
}
