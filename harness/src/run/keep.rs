//! Writes what a case leaves into its folder of the evidence.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::case::Leavings;
use super::plan::Cell;
use crate::capture::{InterfaceDecl, LinkType};
use crate::evidence::{FileError, Run};
use crate::verdict::{CaseResult, Outcome};
use crate::world::link::Fate;
use crate::world::timeline::What;

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
    let dir = run.case(&result.id, result.variant.as_deref())?;
    let path = dir.path().to_owned();
    let timeline = &leavings.timeline;
    dir.write_timeline(timeline.entries().iter().map(|entry| {
        let at_ns = entry.at.saturating_since(timeline.begin).as_nanos();
        serde_json::json!({ "at_ns": at_ns, "kind": kind(&entry.what), "text": entry.what.to_string() }).to_string()
    }))?;

    let mut links: BTreeMap<&str, Vec<(u64, &crate::world::timeline::Packet)>> = BTreeMap::new();
    for link in &cell.suite.topology_of(cell.case).links {
        links.insert(&link.name, Vec::new());
    }
    for (_, at, packet) in timeline.packets(0) {
        links.entry(&packet.link).or_default().push((epoch_ns.saturating_add(at.as_nanos()), packet));
    }
    for (link, packets) in links {
        let interface = InterfaceDecl {
            name: link.to_owned(),
            linktype: LinkType::RAW,
            description: format!("link {link} of {}", result.id),
        };
        let mut capture = dir.capture(link, &[interface])?;
        for (at, packet) in packets {
            let to = packet.to.as_deref().unwrap_or("nobody");
            let comment = match packet.fate {
                Fate::Delivered => format!("{} -> {to}", packet.from),
                fate => format!("{} -> {to}: {fate}", packet.from),
            };
            capture.packet(0, at, &packet.octets, Some(&comment))?;
        }
        capture.finish()?;
    }

    let mut logs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut states = 0;
    for entry in timeline.entries() {
        match &entry.what {
            What::Log { node, line } => logs.entry(node).or_default().push(line),
            What::View { node, view, rows } => {
                states += 1;
                dir.write_state(states, node, view, rows)?;
            }
            _ => {}
        }
    }
    for (node, lines) in logs {
        dir.write_log(node, lines)?;
    }
    for (node, name, text) in &leavings.configs {
        dir.write_config(node, name, text)?;
    }
    let suite_name = format!("{}.yaml", cell.suite.id.replace('/', "-"));
    dir.write_repro(&suite_name, &cell.suite.source.text, &result.rerun)?;
    let mut told = result.clone();
    told.evidence = Some(path.clone());
    dir.write_verdict(&told)?;
    Ok(path)
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

/// The secrets that a suite puts into its nodes: nothing that is written may show them.
pub fn secrets_of(suite: &crate::suite::Suite) -> Vec<String> {
    let topologies = suite.cases.iter().map(|case| suite.topology_of(case)).chain([&suite.topology]);
    let nodes = topologies.flat_map(|topology| topology.nodes.values());
    let mut secrets: Vec<String> = nodes
        .flat_map(|node| [node.nhrp.auth.clone(), node.ipsec.as_ref().map(|ipsec| ipsec.psk.clone())])
        .flatten()
        .collect();
    secrets.sort();
    secrets.dedup();
    secrets
}
