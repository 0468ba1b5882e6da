//! Sidecars: what is known about a capture, beside it and under the same name.

use std::collections::BTreeMap;
use std::path::Path;

use miette::{IntoDiagnostic, WrapErr, miette};
use serde::{Deserialize, Serialize};

use super::list::Recording;
use crate::run::plan::Cell;
use crate::subject::Subject;
use crate::suite::{NodeDecl, Topology};

/// What is known about a capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sidecar {
    /// What it shows, in a sentence.
    pub shows: String,
    /// Where it comes from: the command that made it.
    pub origin: String,
    /// Its licence, as an SPDX expression.
    pub licence: String,
    /// Versions of who plays in it, and of the kernel that routers ran on.
    pub versions: BTreeMap<String, String>,
    /// Stations with their addresses, in a sentence.
    pub topology: String,
    /// Who plays which node, and as what.
    pub nodes: BTreeMap<String, String>,
    /// What packets start with.
    pub link_type: String,
    /// The [kind](super::kind::kind) of each packet.
    pub packets: Vec<String>,
    /// What is wrong with a packet, by its number. Nothing is wrong with those that are not named.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub malformed: BTreeMap<usize, String>,
    /// The folder beside the capture with the keys that decrypt it, or `none`.
    pub keys: String,
    /// The case that was played.
    pub case: String,
    /// Who played the nodes with `bind: subject`.
    pub subject: String,
    /// Who played the nodes with `bind: peer`.
    pub peer: String,
    /// The link of the case.
    pub link: String,
    /// Whether the case passed, or how it did not.
    pub verdict: String,
    /// Fields that another recording has otherwise.
    pub volatile: Vec<String>,
}

impl Sidecar {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with the file, with its line.
    pub fn load(path: &Path) -> miette::Result<Self> {
        let text = std::fs::read_to_string(path)
            .into_diagnostic()
            .wrap_err_with(|| format!("{} can not be read", path.display()))?;
        serde_yaml::from_str(&text)
            .map_err(|error| miette!("{}: {error}", path.display()))
            .wrap_err("a sidecar is not as it should be")
    }

    /// The text of the file.
    ///
    /// # Errors
    /// None that a sidecar can give reason to.
    pub fn text(&self, name: &str) -> miette::Result<String> {
        let yaml = serde_yaml::to_string(self).into_diagnostic()?;
        Ok(format!(
            "# Sidecar of {name}.pcapng, written by `cargo lab record {name}`: change recordings.yaml instead.\n{yaml}"
        ))
    }
}

/// The command that plays the case of a recording.
pub fn origin(recording: &Recording) -> String {
    let option = |name: &str, player: &str| match player {
        "peer" => String::new(),
        player => format!(" --{name} {player}"),
    };
    let Recording { case, subject, peer, .. } = recording;
    format!("recorded by the lab itself: cargo lab run {case}{}{}", option("subject", subject), option("peer", peer))
}

/// Who plays which node, and as what: `hub, frr 10.3`.
pub fn nodes(cell: &Cell<'_>) -> BTreeMap<String, String> {
    let topology = cell.suite.topology_of(cell.case);
    let of = |(name, node): (&String, &NodeDecl)| {
        let player = match cell.cast.player(name) {
            None => "scripted by the case".to_owned(),
            Some(Subject::BuiltIn) => "the built-in peer".to_owned(),
            Some(router) => format!("{} {}", router.name(), router.version()),
        };
        (name.clone(), format!("{}, {player}", node.role.name()))
    };
    topology.nodes.iter().map(of).collect()
}

/// Versions of who plays, and of the kernel if there is one under it.
pub fn versions(cell: &Cell<'_>, kernel: Option<&str>) -> BTreeMap<String, String> {
    let players = cell.cast.players().map(|(_, player)| (player.name().to_owned(), player.version().to_owned()));
    let lab = ("dmvpn-lab".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    let kernel = kernel.map(|version| ("linux".to_owned(), version.to_owned()));
    players.chain([lab]).chain(kernel).collect()
}

/// Stations with their addresses: `hub 192.0.2.1 (tunnel 10.0.0.1/24), ... GRE key 42`.
pub fn topology(topology: &Topology) -> String {
    let key = |key: Option<u32>| key.map_or_else(|| "no GRE key".to_owned(), |key| format!("GRE key {key}"));
    let tunnels = || topology.nodes.values().flat_map(NodeDecl::all_tunnels);
    let common = tunnels().next().map(|first| first.key).filter(|first| tunnels().all(|other| other.key == *first));
    let of = |(name, node): (&String, &NodeDecl)| {
        let mut inside: Vec<String> = node
            .all_tunnels()
            .iter()
            .map(|tunnel| {
                let own_key = if common.is_some() { String::new() } else { format!(" with {}", key(tunnel.key)) };
                format!("tunnel {}{own_key}", tunnel.tunnel)
            })
            .collect();
        inside.extend(node.lan.iter().map(|net| format!("network {net}")));
        let inside = if inside.is_empty() { String::new() } else { format!(" ({})", inside.join(", ")) };
        format!("{name} {}{inside}", node.nbma)
    };
    let stations: Vec<String> = topology.nodes.iter().map(of).collect();
    match common {
        Some(common) => format!("{}; {}", stations.join(", "), key(common)),
        None => stations.join(", "),
    }
}
