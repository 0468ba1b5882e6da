//! Captures on disk: one, or all below a folder.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use dmvpn_inspect::view::{self, Step, View, Viewer};
use miette::{IntoDiagnostic, WrapErr};
use serde::Serialize;

use super::sender::Beside;
use super::{Judge, RuleVerdict, Rules, Sender, Summary};
use crate::capture;

/// How many folders deep captures are looked for; a run has four.
const MOST_DEEP: usize = 16;

/// What came of one capture.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    /// The file.
    pub capture: PathBuf,
    /// What came of each rule, in the order of the rules.
    pub verdicts: Vec<RuleVerdict>,
    /// How much of it was judged.
    pub summary: Summary,
    /// What could not be read.
    pub errors: Vec<String>,
}

/// The capture of that name, or all below a folder of that name, in order. Links to folders are followed at the top only.
///
/// # Errors
/// A folder that can not be read, or has no capture in it.
pub fn captures(place: &Path) -> miette::Result<Vec<PathBuf>> {
    if !place.is_dir() {
        return Ok(vec![place.to_owned()]);
    }
    let mut found = Vec::new();
    collect(place, 0, &mut found)?;
    found.sort();
    if found.is_empty() {
        return Err(miette::miette!(
            help = "captures end in .pcapng, .pcap, .cap or .gz; `cargo lab run` keeps them with `--keep always`",
            "there is no capture below {}",
            place.display()
        ));
    }
    Ok(found)
}

fn collect(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> miette::Result<()> {
    let entries = std::fs::read_dir(folder)
        .into_diagnostic()
        .wrap_err_with(|| format!("the folder {} can not be read", folder.display()))?;
    for entry in entries.filter_map(Result::ok) {
        let (path, Ok(kind)) = (entry.path(), entry.file_type()) else { continue };
        if kind.is_dir() && depth < MOST_DEEP {
            collect(&path, depth + 1, found)?;
        } else if kind.is_file() && is_capture(&path) {
            found.push(path);
        }
    }
    Ok(())
}

fn is_capture(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let name = name.strip_suffix(".gz").unwrap_or(name);
    [".pcapng", ".pcap", ".cap"].iter().any(|ending| name.ends_with(ending))
}

/// Holds a capture against rules, as far as it can be read. What is protected in it is opened with the keys that its
/// sidecar names, that it brings along itself, and that are in `more`: tables of Wireshark's, or folders of them.
///
/// # Errors
/// A capture of a run that does not say who has sent what, and keys that can not be read.
pub fn judge_capture(rules: &Rules, path: &Path, more: &[PathBuf]) -> miette::Result<Judged> {
    let Beside { cast, keys } = Beside::of(path)?;
    let mut judge = Judge::new(rules, path);
    let mut errors = Vec::new();
    let mut viewer = Viewer::new(None, true);
    for table in keys.iter().chain(more) {
        viewer.add_keys(table)?;
    }
    match capture::read(path) {
        Ok(mut packets) => {
            let mut unusable = None;
            view::each(&mut packets, &mut viewer, &mut |step| {
                match step {
                    Step::Packet(View { packet, read: Some(read), .. }) => {
                        let sender = cast.as_ref().map_or(Sender::Unknown, |cast| cast.sender(packet));
                        judge.packet_from(packet, read, &sender);
                    }
                    Step::Packet(_) | Step::Beat => {}
                    Step::Unreadable(error) => errors.push(error.to_string()),
                    Step::Keys(error) => {
                        unusable = Some(error);
                        return ControlFlow::Break(());
                    }
                }
                ControlFlow::Continue(())
            });
            if let Some(error) = unusable {
                return Err(error.into());
            }
        }
        Err(error) => errors.push(error.to_string()),
    }
    let (verdicts, summary) = judge.finish();
    Ok(Judged { capture: path.to_owned(), verdicts, summary, errors })
}
