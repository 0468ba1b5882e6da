//! Reads suite files. All errors of a file are reported at once, in the order of the file.

mod capture;
mod case;
mod feed;
mod matcher;
mod node;
mod packet;
mod reader;
mod rule;
mod scope;
mod step;
mod topology;

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostic::Diagnostic;
use super::model::Suite;
use super::rule::RuleFile;
use super::span::SourceFile;
use super::tree;
use reader::Reader;

/// Directories below `suites/` that hold something else.
const NOT_SUITES: &[&str] = &["impls", "divergences", "requirements", "rules", "specs"];

/// Reads one suite.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_file(path: &Path) -> Result<Suite, Vec<Diagnostic>> {
    let text = read(path).map_err(|(what, help)| vec![unreadable(path, what, help)])?;
    load_str(path, &text)
}

/// Reads one suite from a text; `path` is for messages, and for the id if a directory `suites` is in it.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_str(path: &Path, text: &str) -> Result<Suite, Vec<Diagnostic>> {
    read_str(path, text, Reader::suite)
}

/// Reads a file of rules.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_rules(path: &Path) -> Result<RuleFile, Vec<Diagnostic>> {
    let text = read(path).map_err(|(what, help)| vec![unreadable(path, what, help)])?;
    read_str(path, &text, Reader::rules)
}

fn read_str<T>(
    path: &Path,
    text: &str,
    whole: impl FnOnce(&mut Reader, &tree::Node) -> Option<T>,
) -> Result<T, Vec<Diagnostic>> {
    let file = SourceFile::new(path, text);
    let mut diagnostics = Vec::new();
    let root = tree::parse(&file, &mut diagnostics);
    let mut reader = Reader::new(Arc::clone(&file), diagnostics);
    let read = root.and_then(|root| whole(&mut reader, &root));
    let mut diagnostics = reader.diagnostics;
    match read {
        Some(read) if diagnostics.is_empty() => Ok(read),
        _ => {
            // A case reads the suite's topology again with its own changes, and says the same things again.
            diagnostics
                .sort_by(|a, b| (a.span.offset, a.span.len, &a.message).cmp(&(b.span.offset, b.span.len, &b.message)));
            diagnostics.dedup();
            if diagnostics.len() >= reader::MAX_DIAGNOSTICS {
                diagnostics.truncate(reader::MAX_DIAGNOSTICS);
                let what = format!("there are more than these {} mistakes", diagnostics.len());
                diagnostics.push(Diagnostic::new("suite::file", &file.span(0, 0), what, "in this file"));
            }
            if diagnostics.is_empty() {
                let help = "this is a mistake of the harness: please report it with the file";
                diagnostics
                    .push(Diagnostic::new("suite::internal", &file.span(0, 0), "not readable", "").with_help(help));
            }
            Err(diagnostics)
        }
    }
}

/// Reads all suites below a directory, in the order of their ids. A file is read like [`load_file`].
///
/// # Errors
/// Everything that is wrong with any of them, in the order of the files.
pub fn load_tree(dir: &Path) -> Result<Vec<Suite>, Vec<Diagnostic>> {
    let mut files = Vec::new();
    let mut diagnostics = Vec::new();
    if dir.is_dir() {
        collect(dir, &mut files, &mut diagnostics);
        files.sort();
    } else {
        files.push(dir.to_owned());
    }
    if files.is_empty() && diagnostics.is_empty() {
        let help = "suites are files that end in .yaml".to_owned();
        diagnostics.push(unreadable(dir, "there is no suite here".to_owned(), help));
    }
    let mut suites = Vec::new();
    for file in files {
        match load_file(&file) {
            Ok(suite) => suites.push(suite),
            Err(mut errors) => diagnostics.append(&mut errors),
        }
    }
    if diagnostics.is_empty() {
        suites.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(suites)
    } else {
        Err(diagnostics)
    }
}

/// YAML files below a directory. Links to directories are not followed, so that there is no way round in circles.
fn collect(dir: &Path, files: &mut Vec<PathBuf>, diagnostics: &mut Vec<Diagnostic>) {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            let help = "check the path and its permissions".to_owned();
            diagnostics.push(unreadable(dir, format!("can not be listed: {error}"), help));
            return;
        }
    };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let Ok(kind) = entry.file_type() else { continue };
        if name.starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            if !NOT_SUITES.contains(&name.as_ref()) {
                collect(&path, files, diagnostics);
            }
        } else if matches!(path.extension().and_then(OsStr::to_str), Some("yaml" | "yml")) && path.is_file() {
            files.push(path);
        }
    }
}

/// The text of a file, or what is wrong and what to do.
fn read(path: &Path) -> Result<String, (String, String)> {
    let failed = |error: std::io::Error| (format!("can not be read: {error}"), "check the path".to_owned());
    let mut octets = Vec::new();
    let limit = tree::MAX_BYTES as u64;
    // One octet more than allowed tells a file that is too large from one that just fits, whatever its length claims.
    fs::File::open(path).map_err(failed)?.take(limit + 1).read_to_end(&mut octets).map_err(failed)?;
    if octets.len() > tree::MAX_BYTES {
        return Err((format!("larger than {limit} octets"), "split the suite".to_owned()));
    }
    String::from_utf8(octets).map_err(|error| {
        let what = format!("not UTF-8 from octet {} on", error.utf8_error().valid_up_to());
        (what, "save it as UTF-8".to_owned())
    })
}

fn unreadable(path: &Path, what: String, help: String) -> Diagnostic {
    let span = SourceFile::new(path, "").span(0, 0);
    Diagnostic::new("suite::file", &span, format!("{}: {what}", path.display()), "").with_help(help)
}

/// The id that a path demands: its part below the last directory `suites`, or, without one, as many of its last parts
/// as the id has. `None` for a name that is no path at all, such as `-`.
fn id_of_path(path: &Path, id: &str) -> Option<String> {
    let absolute = std::path::absolute(path).ok()?.with_extension("");
    let parts: Vec<&str> = absolute.iter().filter_map(OsStr::to_str).collect();
    let below = match parts.iter().rposition(|part| *part == "suites") {
        Some(root) => parts.get(root + 1..)?,
        None => parts.get(parts.len().checked_sub(id.split('/').count())?..)?,
    };
    (!below.is_empty()).then(|| below.join("/"))
}
