//! Writes what a case leaves into its folder of the evidence.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;

use dmvpn_core::time::Instant;

use super::case::Leavings;
use super::plan::Cell;
use crate::capture::{InterfaceDecl, LinkType};
use crate::evidence::{CaseCapture, CaseDir, FileError, Run};
use crate::rules::SCRIPTED;
use crate::suite::{Shelf, Suite, Topology};
use crate::verdict::{CaseResult, ImplRef, Outcome};
use crate::world::link::Fate;
use crate::world::timeline::{self, What};

/// Which evidence stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
pub enum Keep {
    /// Of every case.
    #[default]
    Always,
    /// Of cases that did not simply pass.
    Fail,
    /// None.
    Never,
}

impl Keep {
    /// Whether evidence of a case with this outcome stays.
    pub fn wants(self, outcome: Outcome) -> bool {
        match self {
            Keep::Always => true,
            Keep::Fail => outcome != Outcome::Pass,
            Keep::Never => false,
        }
    }
}

/// Writes verdict, timeline, captures, logs, states and configurations of a case; says where.
pub(super) fn write(
    run: &Run,
    cell: &Cell<'_>,
    result: &CaseResult,
    leavings: &Leavings,
    epoch_ns: u64,
) -> Result<PathBuf, FileError> {
    let mut book = Book::open(run, cell, result.variant.as_deref(), leavings.timeline.begin, epoch_ns)?;
    book.add(leavings.timeline.entries())?;
    book.configs(&leavings.configs)?;
    let dir = book.close()?;
    let suite_name = format!("{}.yaml", cell.suite.id.replace('/', "-"));
    dir.write_repro(&suite_name, &cell.suite.source.text, &result.rerun)?;
    let path = dir.path().to_owned();
    let mut told = result.clone();
    told.evidence = Some(path.clone());
    dir.write_verdict(&told)?;
    Ok(path)
}

/// The folder of a case while its record is written into it, at once or as it happens.
#[derive(Debug)]
pub(super) struct Book {
    dir: CaseDir,
    id: String,
    begin: Instant,
    epoch_ns: u64,
    /// By link.
    captures: BTreeMap<String, CaseCapture>,
    /// Views written so far.
    states: usize,
}

impl Book {
    /// A new folder, with a capture for each link of the topology.
    pub(super) fn open(
        run: &Run,
        cell: &Cell<'_>,
        variant: Option<&str>,
        begin: Instant,
        epoch_ns: u64,
    ) -> Result<Self, FileError> {
        let dir = run.case(&cell.id(), variant)?;
        let nodes = cell.suite.topology_of(cell.case).nodes.keys();
        let player = |node: &String| cell.cast.player(node).map(|player| ImplRef::new(player.name(), player.version()));
        dir.write_cast(
            &nodes
                .map(|node| (node.clone(), player(node).map_or_else(|| SCRIPTED.to_owned(), |by| by.to_string())))
                .collect(),
        )?;
        let mut book = Self { dir, id: cell.id(), begin, epoch_ns, captures: BTreeMap::new(), states: 0 };
        for link in &cell.suite.topology_of(cell.case).links {
            book.capture(&link.name)?;
        }
        Ok(book)
    }

    fn capture(&mut self, link: &str) -> Result<&mut CaseCapture, FileError> {
        match self.captures.entry(link.to_owned()) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => {
                let description = format!("link {link} of {}", self.id);
                let interface = InterfaceDecl { name: link.to_owned(), linktype: LinkType::RAW, description };
                Ok(entry.insert(self.dir.capture(link, &[interface])?))
            }
        }
    }

    /// Adds what has happened.
    pub(super) fn add(&mut self, entries: &[timeline::Entry]) -> Result<(), FileError> {
        let mut lines = Vec::with_capacity(entries.len());
        let mut logs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for entry in entries {
            let at_ns = entry.at.saturating_since(self.begin).as_nanos();
            let mut line =
                serde_json::json!({ "at_ns": at_ns, "kind": kind(&entry.what), "text": entry.what.to_string() });
            match &entry.what {
                What::Packet(packet) => {
                    let at = self.epoch_ns.saturating_add(entry.at.as_nanos());
                    let to = packet.to.as_deref().unwrap_or("nobody");
                    let comment = match packet.fate {
                        Fate::Delivered => format!("{} -> {to}", packet.from),
                        fate => format!("{} -> {to}: {fate}", packet.from),
                    };
                    let number = self.capture(&packet.link)?.packet(0, at, &packet.octets, Some(&comment))?;
                    line["link"] = packet.link.as_str().into();
                    line["number"] = number.into();
                    line["from"] = packet.from.as_str().into();
                    line["to"] = packet.to.as_deref().into();
                    line["summary"] = packet.dissection().summary().into();
                    line["fate"] = packet.fate.to_string().into();
                }
                What::Log { node, line } => logs.entry(node).or_default().push(line),
                What::View { node, view, rows } => {
                    self.states += 1;
                    self.dir.write_state(self.states, node, view, rows)?;
                }
                _ => {}
            }
            lines.push(line.to_string());
        }
        self.dir.write_timeline(lines)?;
        for (node, lines) in logs {
            self.dir.write_log(node, lines)?;
        }
        Ok(())
    }

    /// Lets others read the captures so far.
    pub(super) fn flush(&mut self) -> Result<(), FileError> {
        self.captures.values_mut().try_for_each(CaseCapture::flush)
    }

    /// Adds configurations: node, file name, text.
    pub(super) fn configs(&self, configs: &[(String, String, String)]) -> Result<(), FileError> {
        configs.iter().try_for_each(|(node, name, text)| self.dir.write_config(node, name, text).map(drop))
    }

    /// Ends the captures.
    pub(super) fn close(self) -> Result<CaseDir, FileError> {
        self.captures.into_values().try_for_each(|capture| capture.finish().map(drop))?;
        Ok(self.dir)
    }
}

fn kind(what: &What) -> &'static str {
    match what {
        What::Packet(_) => "packet",
        What::Event { .. } => "event",
        What::Log { .. } => "log",
        What::View { .. } => "state",
        What::Step { .. } => "step",
        What::Note(_) => "note",
    }
}

/// The secrets that a suite puts into its nodes, as often as they are there: nothing that is written may show them.
///
/// Those of a capture of third parties are no secrets: whoever published the capture published them, and one is the very
/// word `secret`, which would be cut out of every title and reason that says it.
pub fn secrets_of(suite: &Suite) -> Vec<String> {
    let published = |topology: &&Topology| topology.capture.as_ref().is_some_and(|c| c.from == Shelf::ThirdParty);
    let topologies = suite.cases.iter().map(|case| suite.topology_of(case)).chain([&suite.topology]);
    let topologies = topologies.filter(|topology| !published(topology));
    let nodes = topologies.flat_map(|topology| topology.nodes.values());
    let secrets = nodes.flat_map(|node| [node.nhrp.auth.clone(), node.ipsec.as_ref().map(|ipsec| ipsec.psk.clone())]);
    secrets.flatten().collect()
}
