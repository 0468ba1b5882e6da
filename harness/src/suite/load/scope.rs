//! The names that a step may use, as they grow from the top of a case to its end.

use std::collections::{BTreeMap, BTreeSet};

use super::reader::Reader;
use crate::suite::diagnostic::{Diagnostic, listed, suggest};
use crate::suite::model::{ClockKind, Params, WorldKind};
use crate::suite::packet::Place;
use crate::suite::span::Span;
use crate::suite::topology::Topology;
use crate::suite::tree::Node;

/// Names in force.
#[derive(Clone, Default)]
pub(super) struct Scope {
    pub(super) params: Params,
    pub(super) worlds: Vec<WorldKind>,
    pub(super) clock: Option<ClockKind>,
    /// Nodes, and whether each is scripted.
    pub(super) nodes: BTreeMap<String, bool>,
    /// The case's topology, once it is known to be sound.
    pub(super) topology: Topology,
    /// Links, and whether each is captured.
    pub(super) links: BTreeMap<String, bool>,
    /// Marks and packets: what has an instant.
    pub(super) instants: BTreeSet<String>,
    /// Packets kept by `as`.
    pub(super) packets: BTreeSet<String>,
    /// Values kept by `bind`.
    pub(super) values: BTreeSet<String>,
    /// Node and view of positive `state` steps: they show that an absence would have been seen.
    pub(super) seen: BTreeSet<(String, String)>,
    /// Absences that need a control, or a positive look at the same view.
    pub(super) absences: Vec<(Span, Option<(String, String)>)>,
    /// Steps that can fail.
    pub(super) judgements: usize,
    /// The word for the other one of two packets, in a rule about two.
    pub(super) other: Option<&'static str>,
}

impl Reader {
    /// A node that exists.
    pub(super) fn node_ref(&mut self, node: &Node) -> Option<String> {
        let name = self.text(node)?;
        if self.scope.nodes.contains_key(&name) {
            return Some(name);
        }
        let help = suggest(&name, self.scope.nodes.keys().map(String::as_str));
        self.unknown(&node.span, "node", &name, help);
        None
    }

    /// A list of nodes, or a single one.
    pub(super) fn node_refs(&mut self, node: &Node) -> Option<Vec<String>> {
        let items = self.one_or_many(node, "a list of nodes")?;
        if items.is_empty() {
            self.mismatch(node, "at least one node", None);
            return None;
        }
        let names: Vec<_> = items.iter().map(|item| self.node_ref(item)).collect();
        names.into_iter().collect()
    }

    /// A link that exists.
    pub(super) fn link_ref(&mut self, node: &Node) -> Option<String> {
        let name = self.text(node)?;
        if self.scope.links.contains_key(&name) {
            return Some(name);
        }
        let help = suggest(&name, self.scope.links.keys().map(String::as_str));
        self.unknown(&node.span, "link", &name, help);
        None
    }

    /// A link or a node.
    pub(super) fn place(&mut self, node: &Node) -> Option<Place> {
        let name = self.text(node)?;
        if let Some(captured) = self.scope.links.get(&name) {
            if !captured {
                let what = format!("nothing is captured on `{name}`");
                let diagnostic = Diagnostic::new("suite::topology", &node.span, what, "nobody looks here");
                self.complain(diagnostic.with_help("set `capture: true` on the link"));
            }
            return Some(Place::Link(name));
        }
        if self.scope.nodes.contains_key(&name) {
            return Some(Place::Node(name));
        }
        let known: Vec<&str> = self.scope.links.keys().chain(self.scope.nodes.keys()).map(String::as_str).collect();
        let help = suggest(&name, known.iter().copied());
        self.unknown(&node.span, "link or node", &name, help);
        None
    }

    /// A mark or packet of an earlier step.
    pub(super) fn instant_ref(&mut self, node: &Node) -> Option<String> {
        let name = self.name(node)?;
        if self.scope.instants.contains(&name) {
            return Some(name);
        }
        let help = self.earlier(&name, &self.scope.instants, "`mark: NAME` or `as: NAME`");
        self.unknown(&node.span, "mark or packet", &name, help);
        None
    }

    /// A packet of an earlier step.
    pub(super) fn packet_ref(&mut self, node: &Node) -> Option<String> {
        let name = self.name(node)?;
        if self.scope.packets.contains(&name) {
            return Some(name);
        }
        let help = self.earlier(&name, &self.scope.packets, "`as: NAME`");
        self.unknown(&node.span, "packet", &name, help);
        None
    }

    /// Help for a name that an earlier step should have given.
    pub(super) fn earlier(&self, name: &str, known: &BTreeSet<String>, how: &str) -> String {
        if known.is_empty() {
            return format!("an earlier step has to give the name with {how}");
        }
        suggest(name, known.iter().map(String::as_str))
    }

    /// Gives a name to an instant.
    pub(super) fn new_instant(&mut self, node: &Node) -> Option<String> {
        let name = self.name(node)?;
        if !self.scope.instants.insert(name.clone()) {
            let what = format!("the name `{name}` is taken");
            let diagnostic = Diagnostic::new("suite::duplicate_name", &node.span, what, "a mark or packet has it");
            self.complain(diagnostic.with_help("marks and packets of a case share their names; take another one"));
            return None;
        }
        Some(name)
    }

    /// Gives a name to a packet.
    pub(super) fn new_packet(&mut self, node: &Node) -> Option<String> {
        let name = self.new_instant(node)?;
        self.scope.packets.insert(name.clone());
        Some(name)
    }

    /// A verb that only some worlds know; whether all of the case's worlds are among them.
    pub(super) fn demand_worlds(&mut self, node: &Node, verb: &str, able: &[WorldKind]) -> bool {
        let unable: Vec<_> = self.scope.worlds.iter().filter(|world| !able.contains(world)).map(|w| w.name()).collect();
        if unable.is_empty() {
            return true;
        }
        let what = format!("`{verb}` can not be done in {}", listed(unable, "and"));
        let able = listed(able.iter().map(|world| world.name()), "and");
        let diagnostic = Diagnostic::new("suite::world", &node.span, what, "this case is to run there");
        let help = if self.scope.worlds == [WorldKind::Replay] {
            let instead = "look with `expect`, `expect_none`, `expect_every` and `measure`";
            format!("what was recorded can not be influenced: {instead}; `{verb}` works in {able}")
        } else {
            format!("narrow the case's `worlds`; `{verb}` works in {able}")
        };
        self.complain(diagnostic.with_help(help));
        false
    }
}
