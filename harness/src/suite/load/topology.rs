//! Nodes and links, and how a case changes them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::reader::{Map, Reader};
use crate::suite::diagnostic::{Diagnostic, suggest};
use crate::suite::model::WorldKind;
use crate::suite::span::Span;
use crate::suite::topology::{Binding, LinkDecl, LinkEnd, NodeDecl, Topology};
use crate::suite::tree::{Entry, Kind, Node};
use crate::suite::vocabulary;

/// The interfaces that a link can end at.
const PORTS: &[&str] = &["nbma"];

/// The suite's topology with a case's changes: nodes by name and key by key, links by name and key by key.
pub(super) fn merge(base: &Node, patch: &Node) -> Node {
    overlay(base, patch, &|key, old, new| match key {
        "nodes" => overlay(old, new, &|_, old, new| merge_node(old, new)),
        "links" => merge_links(old, new),
        _ => new.clone(),
    })
}

/// Entries of `patch` replace those of `base`, or are combined with them; others are added at the end.
fn overlay(base: &Node, patch: &Node, combine: &dyn Fn(&str, &Node, &Node) -> Node) -> Node {
    let (Kind::Map(old), Kind::Map(new)) = (&base.kind, &patch.kind) else { return patch.clone() };
    let mut entries: Vec<Entry> = old.as_ref().clone();
    for entry in new.iter() {
        match entries.iter_mut().find(|known| known.key.value == entry.key.value) {
            Some(known) => {
                known.value = combine(&entry.key, &known.value, &entry.value);
                known.key = entry.key.clone();
            }
            None => entries.push(entry.clone()),
        }
    }
    Node::map(entries, patch.span.clone())
}

/// A case that scripts a node takes it from whoever played it, and the other way round.
fn merge_node(old: &Node, new: &Node) -> Node {
    let sets = |key: &str| matches!(&new.kind, Kind::Map(entries) if entries.iter().any(|e| &*e.key.value == key));
    let (scripts, binds) = (sets("scripted"), sets("bind"));
    let merged = overlay(old, new, &|key, old, new| match key {
        "nhrp" | "ipsec" => overlay(old, new, &|_, _, new| new.clone()),
        _ => new.clone(),
    });
    let Kind::Map(entries) = &merged.kind else { return merged };
    let dropped = |key: &str| (scripts && !binds && key == "bind") || (binds && !scripts && key == "scripted");
    let kept = entries.iter().filter(|entry| !dropped(&entry.key)).cloned().collect();
    Node::map(kept, merged.span.clone())
}

fn merge_links(old: &Node, new: &Node) -> Node {
    let (Kind::Seq(known), Kind::Seq(changes)) = (&old.kind, &new.kind) else { return new.clone() };
    let name_of = |link: &Node| match &link.kind {
        Kind::Map(entries) => entries
            .iter()
            .find(|entry| &*entry.key.value == "name")
            .and_then(|entry| entry.value.as_scalar().map(|(text, _)| text.to_owned())),
        _ => None,
    };
    let mut links: Vec<Node> = known.as_ref().clone();
    for change in changes.iter() {
        let name = name_of(change);
        match links.iter_mut().find(|link| name.is_some() && name_of(link) == name) {
            Some(link) => *link = overlay(link, change, &|_, _, new| new.clone()),
            None => links.push(change.clone()),
        }
    }
    Node::seq(links, new.span.clone())
}

impl Reader {
    /// Puts the names of nodes and links into the scope, whether the declarations are sound or not: otherwise one
    /// mistake in a node would make every mention of it another.
    pub(super) fn topology_names(&mut self, topology: &Node) {
        let Kind::Map(parts) = &topology.kind else { return };
        for part in parts.iter() {
            match (&*part.key.value, &part.value.kind) {
                ("nodes", Kind::Map(nodes)) => {
                    for node in nodes.iter() {
                        let scripted = matches!(&node.value.kind, Kind::Map(keys) if keys.iter().any(|entry| {
                            &*entry.key.value == "scripted" && entry.value.as_scalar() == Some(("true", true))
                        }));
                        self.scope.nodes.insert(node.key.value.to_string(), scripted);
                    }
                }
                ("links", Kind::Seq(links)) => {
                    for link in links.iter() {
                        let Kind::Map(keys) = &link.kind else { continue };
                        let scalar = |key: &str| {
                            let entry = keys.iter().find(|entry| &*entry.key.value == key);
                            entry.and_then(|entry| entry.value.as_scalar())
                        };
                        let captured = scalar("capture") == Some(("true", true));
                        self.scope.links.extend(scalar("name").map(|(name, _)| (name.to_owned(), captured)));
                    }
                }
                _ => {}
            }
        }
    }

    /// Reads a whole topology. The scope has its names already.
    pub(super) fn topology(&mut self, node: &Node) -> Option<Topology> {
        let map = self.map(node, &vocabulary::TOPOLOGY)?;
        let mut topology = Topology::default();
        let nodes = self.read(&map, "nodes", |r, node| {
            let entries = r.dict(node, "a mapping from names to nodes")?;
            let read: Vec<_> =
                entries.iter().map(|entry| Some((entry.key.value.to_string(), r.node(entry)?))).collect();
            read.into_iter().collect::<Option<_>>()
        });
        let links = self.read(&map, "links", |r, node| {
            let items = r.list(node, "a list of links")?;
            let read: Vec<_> = items.iter().map(|item| r.link(item)).collect();
            read.into_iter().collect::<Option<_>>()
        });
        topology.nodes = nodes.or_else(|| (!map.has("nodes")).then(Default::default))?;
        topology.links = links.or_else(|| (!map.has("links")).then(Vec::new))?;
        topology.capture = self.read(&map, "capture", Self::capture);
        if map.has("capture") {
            topology.capture.as_ref()?;
        }
        self.attach(&mut topology);
        self.check_nodes(&topology);
        self.check_links(&topology);
        Some(topology)
    }

    fn link(&mut self, node: &Node) -> Option<LinkDecl> {
        let map = self.map(node, &vocabulary::LINK)?;
        let name = self.read(&map, "name", Self::text);
        if let (Some(name), Some(node)) = (&name, map.get("name")) {
            self.declared_name(name, &node.span);
        }
        let ends = self.read(&map, "ends", |r, node| {
            let items = r.list(node, "a list of ends")?;
            let read: Vec<_> = items.iter().map(|item| r.link_end(item)).collect();
            read.into_iter().collect::<Option<Vec<_>>>()
        });
        Some(LinkDecl {
            ends: ends.or_else(|| (!map.has("ends")).then(Vec::new))?,
            delay: self.read(&map, "delay", Self::duration),
            loss: self.read(&map, "loss", Self::percent),
            mtu: self.read(&map, "mtu", |r, node| r.int(node, 65_535)).and_then(|mtu| u32::try_from(mtu).ok()),
            capture: self.read(&map, "capture", Self::bool).unwrap_or(false),
            name: name?,
            span: node.span.clone(),
        })
    }

    fn link_end(&mut self, node: &Node) -> Option<LinkEnd> {
        let text = self.text(node)?;
        let Some((name, port)) = text.split_once(':') else {
            self.mismatch(node, "a node and its interface", Some(format!("say {text}:nbma")));
            return None;
        };
        if !self.scope.nodes.contains_key(name) {
            let help = suggest(name, self.scope.nodes.keys().map(String::as_str));
            self.unknown(&node.span, "node", name, help);
            return None;
        }
        if !PORTS.contains(&port) {
            self.unknown(&node.span, "interface", port, suggest(port, PORTS.iter().copied()));
            return None;
        }
        Some(LinkEnd { node: name.to_owned(), port: port.to_owned() })
    }

    /// A node that no link names hangs on the only one: a case that adds a station need not repeat the link.
    fn attach(&mut self, topology: &mut Topology) {
        let linked: BTreeSet<String> =
            topology.links.iter().flat_map(|link| link.ends.iter().map(|end| end.node.clone())).collect();
        let loose: Vec<(String, Span)> = topology
            .nodes
            .iter()
            .filter(|(name, _)| !linked.contains(*name))
            .map(|(name, node)| (name.clone(), node.span.clone()))
            .collect();
        if let [link] = topology.links.as_mut_slice() {
            link.ends.extend(loose.into_iter().map(|(node, _)| LinkEnd { node, port: "nbma".to_owned() }));
            return;
        }
        // In `live` and `replay` the network is already there.
        if self.scope.worlds.iter().all(|world| matches!(world, WorldKind::Live | WorldKind::Replay)) {
            self.attach_to_capture(topology, &loose);
            return;
        }
        for (name, span) in loose {
            let what = format!("`{name}` hangs on no link");
            let help = "name it in the `ends` of a link (where there is one link only, that goes without saying)";
            self.complain(Diagnostic::new("suite::topology", &span, what, "not reachable").with_help(help));
        }
    }

    fn check_links(&mut self, topology: &Topology) {
        let mut names = BTreeSet::new();
        for link in &topology.links {
            if !names.insert(&link.name) || topology.nodes.contains_key(&link.name) {
                let what = format!("the name `{}` is taken", link.name);
                let label = "another link or a node has it";
                self.complain(Diagnostic::new("suite::duplicate_name", &link.span, what, label));
            }
            let mut seen: BTreeSet<IpAddr> = BTreeSet::new();
            let mut ends: BTreeSet<&str> = BTreeSet::new();
            for end in &link.ends {
                let Some(node) = topology.nodes.get(&end.node) else { continue };
                if !ends.insert(&end.node) {
                    let what = format!("`{}` stands twice in the link `{}`", end.node, link.name);
                    self.complain(Diagnostic::new("suite::topology", &link.span, what, "the same end twice"));
                } else if !seen.insert(node.nbma) {
                    let what = format!("the address {} is used twice on the link `{}`", node.nbma, link.name);
                    let label = format!("`{}` has an address of another node", end.node);
                    self.complain(Diagnostic::new("suite::topology", &node.span, what, label));
                }
            }
        }
    }

    /// Somebody has to be under test.
    pub(super) fn demand_subject(&mut self, topology: &Topology, span: &Span) {
        let tested = |node: &NodeDecl| matches!(node.bind, Some(Binding::Subject | Binding::Impl(_)));
        let judged = self.scope.worlds.iter().any(|world| *world != WorldKind::Replay);
        self.check_capture(topology, span);
        if judged && !topology.nodes.values().any(tested) {
            let help = "bind a node to `subject`, or to an implementation by name";
            let diagnostic = Diagnostic::new("suite::binding", span, "nobody is under test", "in this case");
            self.complain(diagnostic.with_help(help));
        }
    }

    /// The shape of a case's changes, where they can not be read as a whole because the suite's topology is broken.
    pub(super) fn patch_shape(&mut self, node: &Node) -> Option<()> {
        let map: Map<'_> = self.map(node, &vocabulary::TOPOLOGY)?;
        let nodes = map.get("nodes").and_then(|nodes| self.dict(nodes, "a mapping from names to nodes"))?;
        for entry in nodes {
            self.map(&entry.value, &vocabulary::NODE);
        }
        Some(())
    }
}
