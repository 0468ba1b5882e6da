//! Reads back what a run has left, for pages and comparisons.
//!
//! Evidence may have been moved, cut short by a full disk, or written by an older harness. What can be read is shown, and
//! what can not is counted; only a run without readable results is an error.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use miette::{IntoDiagnostic, WrapErr, miette};
use serde::Deserialize;

use crate::verdict::{CaseResult, RunResult, SCHEMA};

/// The result of a run, with the folder that it lies in now.
#[derive(Clone, Debug)]
pub struct StoredRun {
    /// What it found.
    pub result: RunResult,
    /// Its folder, with all links followed.
    pub folder: PathBuf,
}

/// Reads the result of a run from its folder, or from its `results.json`.
///
/// # Errors
/// If there is none, or not in this form.
pub fn stored_run(path: &Path) -> miette::Result<StoredRun> {
    let file = if path.is_file() { path.to_owned() } else { path.join("results.json") };
    let text = fs::read_to_string(&file).into_diagnostic().wrap_err_with(|| {
        format!("{} has no results.json: it is written at the end of `cargo lab run`", path.display())
    })?;
    let result: RunResult = serde_json::from_str(&text)
        .into_diagnostic()
        .wrap_err_with(|| format!("{} is no result of a run", file.display()))?;
    if result.schema != SCHEMA {
        return Err(miette!(
            help = "run it again with this harness, or read it with the one that has written it",
            "{} has schema {}; this harness reads schema {SCHEMA}",
            file.display(),
            result.schema
        ));
    }
    let folder = file.canonicalize().into_diagnostic()?.parent().map(Path::to_owned).unwrap_or_default();
    Ok(StoredRun { result, folder })
}

impl StoredRun {
    /// Where the evidence of a case lies now: a run may have been moved, and its paths are from where it was started.
    pub fn evidence(&self, case: &CaseResult) -> Option<PathBuf> {
        let written = case.evidence.as_deref()?;
        let within = self.result.evidence_dir.as_deref().and_then(|folder| written.strip_prefix(folder).ok());
        let here = within.map(|within| self.folder.join(within));
        here.into_iter().chain([written.to_owned()]).find(|path| path.is_dir())
    }
}

/// Files of a folder of the evidence, at any depth, in order.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        // A link could lead back up.
        let is_folder = fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_dir());
        if is_folder { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// One line of `timeline.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Moment {
    /// Nanoseconds since the case began.
    pub at_ns: u64,
    /// `packet`, `step`, `event`, `note`, `log` or `state`.
    pub kind: String,
    /// All of it in one line.
    pub text: String,
    /// Of a packet, its parts. Runs of older harnesses have no more than the text.
    #[serde(flatten)]
    pub hop: Option<Hop>,
}

/// A packet on a link.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Hop {
    /// The link.
    pub link: String,
    /// Its number in the capture of that link, from 1.
    pub number: u64,
    /// The station that sent it.
    pub from: String,
    /// The station that has its destination address, if one has.
    pub to: Option<String>,
    /// The packet in one line.
    pub summary: String,
    /// What the link did with it: `delivered`, `lost`.
    pub fate: String,
}

/// The beginning of a timeline.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moments {
    /// What is shown, in order.
    pub shown: Vec<Moment>,
    /// How many more there are of the kinds asked for.
    pub left_out: usize,
    /// Lines that could not be read.
    pub unreadable: usize,
}

/// The first `most` moments of these kinds in the timeline of a case. A case without a timeline has none.
pub fn moments(case: &Path, kinds: &[&str], most: usize) -> Moments {
    let mut moments = Moments::default();
    let Ok(file) = File::open(case.join("timeline.jsonl")) else { return moments };
    for line in BufReader::new(file).lines() {
        // A line that is not UTF-8, or that the disk does not give, is one that can not be read.
        match line.ok().and_then(|line| serde_json::from_str::<Moment>(&line).ok()) {
            None => moments.unreadable += 1,
            Some(moment) if !kinds.contains(&moment.kind.as_str()) => {}
            Some(_) if moments.shown.len() >= most => moments.left_out += 1,
            Some(moment) => moments.shown.push(moment),
        }
    }
    moments
}

/// An instant of a case for people: seconds and microseconds.
pub fn instant(at_ns: u64) -> String {
    let micros = at_ns / 1000;
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeline_is_read_as_far_as_it_goes() {
        let folder = tempfile::tempdir().unwrap();
        let packet = r#"{"at_ns":1500,"kind":"packet","text":"a -> b  NHRP","link":"wan","number":1,"from":"a","to":null,"summary":"NHRP","fate":"lost"}"#;
        let old = r#"{"at_ns":2000,"kind":"packet","text":"a -> b  NHRP"}"#;
        let log = r#"{"at_ns":2000,"kind":"log","text":"a log: x"}"#;
        let text = [packet, log, old, "{\"at_ns\":", packet].join("\n");
        fs::write(folder.path().join("timeline.jsonl"), text).unwrap();
        let moments = moments(folder.path(), &["packet"], 2);
        assert_eq!((moments.shown.len(), moments.left_out, moments.unreadable), (2, 1, 1));
        let hop = moments.shown[0].hop.as_ref().unwrap();
        assert_eq!((hop.from.as_str(), hop.to.as_deref(), hop.fate.as_str()), ("a", None, "lost"));
        assert_eq!(moments.shown[1].hop, None);
        assert_eq!(super::moments(Path::new("/nowhere"), &["packet"], 2), Moments::default());
        assert_eq!(instant(61_000_001_999), "61.000001");
    }

    #[test]
    fn what_is_no_run_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let said = || format!("{:?}", stored_run(folder.path()).unwrap_err());
        assert!(said().contains("has no results.json"), "{}", said());
        let path = folder.path().join("results.json");
        fs::write(&path, "{").unwrap();
        assert!(said().contains("is no result of a run"), "{}", said());
        let mut run = crate::report::sample::run();
        run.schema = SCHEMA + 1;
        fs::write(&path, serde_json::to_string(&run).unwrap()).unwrap();
        assert!(said().contains("has schema 2; this harness reads schema 1"), "{}", said());
        run.schema = SCHEMA;
        fs::write(&path, serde_json::to_string(&run).unwrap()).unwrap();
        assert_eq!(stored_run(&path).unwrap().result, run);
        assert_eq!(stored_run(folder.path()).unwrap().folder, folder.path().canonicalize().unwrap());
    }
}
