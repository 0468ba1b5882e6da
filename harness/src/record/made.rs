//! From the evidence of a case to a capture with its sidecar.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use miette::{IntoDiagnostic, WrapErr, miette};

use super::compare::{is_in, read_all};
use super::keys::{Tables, tables};
use super::kind::kind;
use super::list::Recording;
use super::sidecar::{self, Sidecar};
use crate::capture::{self, CapturedPacket, InterfaceDecl, LinkType, PcapngWriter, Section};
use crate::dissect::{Dissection, Session};
use crate::run::plan::Cell;
use crate::verdict::{CaseResult, Outcome};

/// What the project's own captures are licensed under, as is everything else in it.
const LICENCE: &str = "MIT OR Apache-2.0";

/// A capture that is kept is read by people and stands in git: a case that leaves more than this is the wrong one, or the
/// wrong link of it.
const MOST_PACKETS: usize = 200;

/// What a capture is made from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// What is wanted.
    pub recording: &'a Recording,
    /// The case with its cast.
    pub cell: &'a Cell<'a>,
    /// How the case went, with the folder of its evidence.
    pub result: &'a CaseResult,
    /// Version of the kernel that routers ran on.
    pub kernel: Option<&'a str>,
    /// Fields that are different each time.
    pub volatile: &'a [String],
}

/// A capture and its sidecar.
#[derive(Clone, Debug)]
pub struct Made {
    /// Its name.
    pub name: String,
    /// The packets of the link.
    pub packets: Vec<CapturedPacket>,
    /// What is known about them.
    pub sidecar: Sidecar,
    /// What decrypts them.
    pub keys: Option<Tables>,
}

/// Makes a capture of what a case has left.
///
/// # Errors
/// The case went otherwise than recorded, left no evidence, or the link carried nothing or too much.
pub fn make(source: &Source<'_>) -> miette::Result<Made> {
    let Source { recording, cell, result, kernel, volatile } = *source;
    let verdict = match result.verdict.outcome {
        outcome @ (Outcome::Pass | Outcome::Info) => outcome.name().to_owned(),
        outcome @ (Outcome::Xfail | Outcome::Warn) => format!("{}: {}", outcome.name(), because(result)),
        outcome => {
            return Err(miette!(
                help = format!("`{}` shows more; a capture is kept of what is understood", result.rerun),
                "{}: the case came to {}: {}",
                recording.name,
                outcome.name(),
                result.verdict.reason
            ));
        }
    };
    let topology = cell.suite.topology_of(cell.case);
    let link = link(recording, cell)?;
    let Some(evidence) = &result.evidence else {
        return Err(miette!("{}: the case has left no evidence", recording.name));
    };
    let file = evidence.join(format!("{link}.pcapng"));
    let (packets, errors) = capture::read_all(&file);
    if let Some(error) = errors.first() {
        return Err(miette!("{}: {}: {error}", recording.name, file.display()));
    }
    if packets.is_empty() || packets.len() > MOST_PACKETS {
        return Err(miette!(
            help = "choose another case or link in captures/recordings.yaml",
            "{}: {} packets on the link {link}; a capture has 1 to {MOST_PACKETS}",
            recording.name,
            packets.len()
        ));
    }
    let read = read_all(&packets, Session::default());
    let keys = tables(evidence, &read).wrap_err_with(|| recording.name.clone())?;
    let wrong = |(index, read): (usize, &Dissection)| {
        let troubles: Vec<&str> = read.troubles().collect();
        (!troubles.is_empty()).then(|| (index + 1, troubles.join("; ")))
    };
    let present: BTreeSet<String> = read.iter().flat_map(Dissection::fields).map(|field| field.path()).collect();
    let occurs = |path: &&String| present.iter().any(|field| is_in(field, std::slice::from_ref(*path)));
    let sidecar = Sidecar {
        shows: recording.shows.clone(),
        origin: sidecar::origin(recording),
        licence: LICENCE.to_owned(),
        versions: sidecar::versions(cell, kernel),
        topology: sidecar::topology(topology),
        nodes: sidecar::nodes(cell),
        link_type: "raw IP".to_owned(),
        packets: read.iter().map(kind).collect(),
        malformed: read.iter().enumerate().filter_map(wrong).collect(),
        keys: if keys.is_some() { keys_folder(&recording.name) } else { "none".to_owned() },
        case: recording.case.clone(),
        subject: recording.subject.clone(),
        peer: recording.peer.clone(),
        link,
        verdict,
        volatile: volatile.iter().filter(occurs).cloned().collect(),
    };
    Ok(Made { name: recording.name.clone(), packets, sidecar, keys })
}

/// The folder of the tables that decrypt a capture.
fn keys_folder(name: &str) -> String {
    format!("{name}.keys")
}

/// The reason without what is added for those who look at a run: the file of the record, and what was seen.
fn because(result: &CaseResult) -> &str {
    let reason = &result.verdict.reason;
    let recorded = reason.split_once("; seen: ").and_then(|(recorded, _)| recorded.rsplit_once(" ("));
    recorded.map_or(reason.as_str(), |(recorded, _)| recorded)
}

/// The link that is wanted, or the only one.
fn link(recording: &Recording, cell: &Cell<'_>) -> miette::Result<String> {
    let links = &cell.suite.topology_of(cell.case).links;
    let names = || links.iter().map(|link| link.name.as_str()).collect::<Vec<_>>().join(", ");
    match (&recording.link, links.as_slice()) {
        (Some(wanted), _) if links.iter().any(|link| link.name == *wanted) => Ok(wanted.clone()),
        (None, [only]) => Ok(only.name.clone()),
        (wanted, _) => Err(miette!(
            help = format!("say `link:` in captures/recordings.yaml; the case has {}", names()),
            "{}: {}",
            recording.name,
            wanted.as_ref().map_or_else(
                || format!("{} has several links", recording.case),
                |wanted| format!("{} has no link {wanted}", recording.case)
            )
        )),
    }
}

impl Made {
    /// The file of the capture in a folder.
    pub fn path(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.pcapng", self.name))
    }

    /// The files of its keys in a folder, each with its text.
    pub fn key_files(&self, folder: &Path) -> Vec<(PathBuf, &str)> {
        let place = folder.join(keys_folder(&self.name));
        let tables = self.keys.iter().flat_map(|keys| [("esp_sa", &keys.esp), ("ikev2_decryption_table", &keys.ike)]);
        tables.filter(|(_, text)| !text.is_empty()).map(|(name, text)| (place.join(name), text.as_str())).collect()
    }

    /// The capture as a file has it. Nothing of the machine that recorded it is in it.
    ///
    /// # Errors
    /// What does not fit into the format.
    pub fn octets(&self) -> miette::Result<Vec<u8>> {
        let section = Section {
            hardware: String::new(),
            os: self.sidecar.versions.get("linux").map(|version| format!("linux {version}")).unwrap_or_default(),
            comment: format!("{} {}", self.sidecar.shows, self.sidecar.topology),
        };
        let interface = InterfaceDecl {
            name: self.sidecar.link.clone(),
            linktype: LinkType::RAW,
            description: format!("link {} of {}", self.sidecar.link, self.sidecar.case),
        };
        let written = || {
            let mut writer = PcapngWriter::with_section(Vec::new(), &section, &[interface])?;
            for packet in &self.packets {
                writer.packet(0, packet.timestamp_ns, &packet.octets, packet.comment.as_deref())?;
            }
            writer.finish()
        };
        written().into_diagnostic().wrap_err_with(|| format!("{} can not be written", self.name))
    }
}
