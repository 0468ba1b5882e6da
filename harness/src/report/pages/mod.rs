//! A run as pages: a matrix of cases and implementations, and a page for each case.
//!
//! ```text
//! DIR/index.html            the matrix, with a filter that is part of the address: #q=unique&verdict=fail
//! DIR/cases/SUITE-CASE.html what each implementation did: verdict, rule, expected and actual, octets, ladder, evidence
//! DIR/evidence/...          with `copy`: the evidence itself, so that the folder can be sent away
//! ```
//!
//! Pages are files: style, script and pictures are inside, nothing is loaded, and their links to the evidence are relative.
//! A page's policy lets no script run but its own, by its digest, so that no text of a router can become one even if an
//! escape were forgotten. Without scripts everything can still be read.

mod view;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use minijinja::{AutoEscape, Environment, UndefinedBehavior, context, escape_formatter};
use sha2::{Digest, Sha256};

use crate::evidence::read::{StoredRun, files};
use crate::requirement::Catalogue;
use crate::verdict::RunResult;

use super::ladder;
use view::{CaseView, Matrix};

const MATRIX: (&str, &str) = ("matrix.html", include_str!("matrix.html"));
const CASE: (&str, &str) = ("case.html", include_str!("case.html"));
const MATRIX_SCRIPT: &str = include_str!("matrix.js");
const CASE_SCRIPT: &str = include_str!("case.js");
/// Style of all pages, with light and dark.
pub(crate) const STYLE: &str = include_str!("style.css");

/// Dump of a packet, for whoever includes it with `dump` set to lines of [`super::octets`].
const OCTETS: (&str, &str) = ("octets.html", include_str!("octets.html"));

/// How a folder of pages is known again.
const GENERATOR: &str = "<meta name=\"generator\" content=\"dmvpn-lab report html\">";

/// What keeps pages from being written: what was tried, and why it failed.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct WriteError {
    pub(crate) what: String,
    pub(crate) why: String,
}

/// The same for a path.
pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> WriteError + '_ {
    move |error| WriteError { what: path.display().to_string(), why: error.to_string() }
}

/// Templates as all pages of this crate have them: unknown names are mistakes, and what is put into a template whose name
/// ends in `.html` is escaped.
pub(crate) fn templates(own: &[(&'static str, &'static str)]) -> Result<Environment<'static>, WriteError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    // The library's own escape also turns every slash of every path into six letters.
    environment.set_formatter(|out, state, value| match state.auto_escape() {
        AutoEscape::Html if !value.is_safe() && !value.is_none() => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Ok(out.write_str(&ladder::escaped(&text))?)
        }
        _ => escape_formatter(out, state, value),
    });
    for (name, text) in own.iter().chain([&OCTETS]) {
        environment.add_template(name, text).map_err(wrong_template)?;
    }
    Ok(environment)
}

/// A mistake in a template, which no user can mend.
pub(crate) fn wrong_template(error: minijinja::Error) -> WriteError {
    WriteError { what: "a page's template".to_owned(), why: format!("{error:#}") }
}

/// What pages are made of.
#[derive(Clone, Copy, Debug)]
pub struct Pages<'a> {
    /// The run, or several that were merged.
    pub run: &'a RunResult,
    /// Where the evidence of each case lies, in the order of the cases.
    pub evidence: &'a [Option<PathBuf>],
    /// The requirements that cases cite, for their sentences.
    pub requirements: Option<&'a Catalogue>,
    /// Copies the evidence beside the pages, instead of linking to where it is.
    pub copy: bool,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The matrix.
    pub index: PathBuf,
    /// How many pages of cases.
    pub cases: usize,
}

/// Where the evidence of each case of a run lies.
pub fn evidence_of(run: &StoredRun) -> Vec<Option<PathBuf>> {
    run.result.cases.iter().map(|case| run.evidence(case)).collect()
}

/// Whether a folder holds what are no pages, and must be left alone.
pub fn is_taken(out: &Path) -> bool {
    let is_empty = fs::read_dir(out).map_or(true, |mut entries| entries.next().is_none());
    !is_empty && !fs::read_to_string(out.join("index.html")).is_ok_and(|text| text.contains(GENERATOR))
}

/// Makes a folder ready for pages: it is new, or empty, or has older pages, which go.
///
/// # Errors
/// If it [is taken](is_taken), or can not be made.
pub fn prepare(out: &Path) -> Result<(), WriteError> {
    if is_taken(out) {
        let why = "it is not empty, and not a folder of pages".to_owned();
        return Err(WriteError { what: out.display().to_string(), why });
    }
    fs::create_dir_all(out).map_err(at(out))?;
    for folder in ["cases", "evidence"].map(|name| out.join(name)).iter().filter(|folder| folder.is_dir()) {
        fs::remove_dir_all(folder).map_err(at(folder))?;
    }
    let index = out.join("index.html");
    if index.is_file() { fs::remove_file(&index).map_err(at(&index)) } else { Ok(()) }
}

impl Pages<'_> {
    /// Writes all pages.
    ///
    /// # Errors
    /// The first file that can not be written or copied.
    pub fn write(&self, out: &Path) -> Result<Written, WriteError> {
        prepare(out)?;
        let cases = out.join("cases");
        fs::create_dir_all(&cases).map_err(at(&cases))?;
        let folder = cases.canonicalize().map_err(at(&cases))?;
        let evidence = if self.copy { self.copied(out)? } else { self.evidence.to_vec() };
        let links: Vec<Option<String>> = evidence
            .iter()
            .map(|path| path.as_ref().and_then(|path| path.canonicalize().ok()).map(|path| relative(&folder, &path)))
            .collect();

        let templates = templates(&[MATRIX, CASE])?;
        let render = |name: &str, script: &str, words: minijinja::Value| {
            let page = context! {
                style => format!("{STYLE}{}", ladder::CSS),
                script,
                policy => policy(script),
                generator => GENERATOR,
                ..words
            };
            templates.get_template(name).and_then(|template| template.render(page)).map_err(wrong_template)
        };
        let matrix = Matrix::of(self.run, &links);
        let index = out.join("index.html");
        put(&index, &render(MATRIX.0, MATRIX_SCRIPT, context! { matrix => &matrix })?)?;
        let pages = matrix.pages();
        for (place, (id, page)) in pages.iter().enumerate() {
            let results = self.run.cases.iter().zip(&evidence).zip(&links).filter(|((case, _), _)| case.id == *id);
            let results = results.map(|((case, evidence), link)| (case, evidence.as_deref(), link.as_deref()));
            let view = CaseView::of(results.collect(), self.requirements);
            let neighbour = |place: Option<usize>| place.and_then(|place| pages.get(place)).map(|(_, page)| page);
            let words = context! {
                case => view,
                previous => neighbour(place.checked_sub(1)),
                next => neighbour(place.checked_add(1)),
            };
            put(&cases.join(page), &render(CASE.0, CASE_SCRIPT, words)?)?;
        }
        Ok(Written { index, cases: pages.len() })
    }

    /// Copies all evidence below `out`, and says where it is now.
    fn copied(&self, out: &Path) -> Result<Vec<Option<PathBuf>>, WriteError> {
        let mut taken = BTreeSet::new();
        let mut places = Vec::new();
        for (case, from) in self.run.cases.iter().zip(self.evidence) {
            let Some(from) = from else {
                places.push(None);
                continue;
            };
            let name = unique(&slug(&case.name()), &mut taken);
            let to = out.join("evidence").join(name);
            copy_folder(from, &to)?;
            places.push(Some(to));
        }
        Ok(places)
    }
}

/// Copies a folder with all that is in it.
pub(crate) fn copy_folder(from: &Path, to: &Path) -> Result<(), WriteError> {
    for path in files(from) {
        let wanted: PathBuf = to.join(path.strip_prefix(from).unwrap_or(&path));
        if let Some(parent) = wanted.parent() {
            fs::create_dir_all(parent).map_err(at(parent))?;
        }
        fs::copy(&path, &wanted).map_err(at(&wanted))?;
    }
    Ok(())
}

/// Writes a file, in a folder that may not be there yet.
pub(crate) fn put(path: &Path, text: &str) -> Result<(), WriteError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(at(parent))?;
    }
    fs::write(path, text).map_err(at(path))
}

/// Longest name of a page without its ending.
const LONGEST_NAME: usize = 100;

/// A name for files and links: letters, digits, dots and hyphens.
pub(crate) fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.chars() {
        match c {
            c if c.is_ascii_alphanumeric() || c == '.' => slug.push(c.to_ascii_lowercase()),
            _ if !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    slug.trim_matches(['-', '.']).chars().take(LONGEST_NAME).collect()
}

/// A name that is not taken, with a number behind it if need be.
pub(crate) fn unique(plain: &str, taken: &mut BTreeSet<String>) -> String {
    let plain = if plain.is_empty() { "unnamed" } else { plain };
    let numbered = (2u64..).map(|number| format!("{plain}-{number}"));
    let free = std::iter::once(plain.to_owned()).chain(numbered).find(|name| !taken.contains(name));
    let name = free.unwrap_or_else(|| plain.to_owned());
    taken.insert(name.clone());
    name
}

/// The way from a folder to a path as a link; both are absolute and without links.
fn relative(from: &Path, to: &Path) -> String {
    let (from, to): (Vec<_>, Vec<_>) = (from.components().collect(), to.components().collect());
    let same = from.iter().zip(&to).take_while(|(left, right)| left == right).count();
    let up = std::iter::repeat_n("..".to_owned(), from.len() - same);
    let down = to[same..].iter().map(|part| href(&part.as_os_str().to_string_lossy()));
    up.chain(down).collect::<Vec<_>>().join("/")
}

/// One part of a path as RFC 3986 wants it: what is not unreserved (section 2.3) is percent-encoded.
fn href(part: &str) -> String {
    part.bytes()
        .map(|octet| match octet {
            octet if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~') => {
                char::from(octet).to_string()
            }
            octet => format!("%{octet:02X}"),
        })
        .collect()
}

/// Nothing is loaded, and the only script is the one with this text.
pub(crate) fn policy(script: &str) -> String {
    let digest = base64(&Sha256::digest(script.as_bytes()));
    format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
}

/// RFC 4648 section 4, for links that carry a file inside and for digests.
pub(crate) fn base64(octets: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(octets.len().div_ceil(3) * 4);
    for part in octets.chunks(3) {
        let word = part.iter().fold(0u32, |word, octet| word << 8 | u32::from(*octet)) << (8 * (3 - part.len()));
        for place in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= part.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests;
