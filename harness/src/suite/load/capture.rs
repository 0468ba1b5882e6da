//! Captures in topologies: what is replayed, and who is in it.

use super::reader::Reader;
use crate::suite::diagnostic::{Diagnostic, listed};
use crate::suite::model::WorldKind;
use crate::suite::span::Span;
use crate::suite::topology::{Binding, CaptureDecl, LinkDecl, LinkEnd, NodeDecl, Shelf, Topology};
use crate::suite::tree::Node;
use crate::suite::vocabulary;

/// The link of a capture whose topology names none.
const LINK: &str = "capture";

impl Reader {
    pub(super) fn capture(&mut self, node: &Node) -> Option<CaptureDecl> {
        let map = self.map(node, &vocabulary::CAPTURE)?;
        let from = self.read(&map, "from", |r, node| r.word(node, vocabulary::SHELVES));
        let from = if from == Some(Shelf::ThirdParty.name()) { Shelf::ThirdParty } else { Shelf::Project };
        let file = self.read(&map, "file", Self::text)?;
        let keys = self.read(&map, "keys", Self::text);
        for path in keys.iter().chain([&file]) {
            let inside = path.split('/').all(|part| part != "..");
            if !inside || (from == Shelf::ThirdParty && path.starts_with('/')) {
                let what = format!("`{path}` leads out of the folder of captures");
                let help = "say the path below the checkout, or with `from: third-party` below DMVPN_LAB_CAPTURES";
                self.complain(Diagnostic::new("suite::capture", &node.span, what, "not inside").with_help(help));
            }
        }
        let span = map.get("file").map_or_else(|| node.span.clone(), |file| file.span.clone());
        Some(CaptureDecl { file, from, keys, span })
    }

    /// Where nobody names a link, there is the one that was captured.
    pub(super) fn attach_to_capture(&mut self, topology: &mut Topology, loose: &[(String, Span)]) {
        let Some(capture) = topology.capture.as_ref().filter(|_| topology.links.is_empty()) else { return };
        let span = capture.span.clone();
        let ends = loose.iter().map(|(node, _)| LinkEnd { node: node.clone(), port: "nbma".to_owned() }).collect();
        let name = LINK.to_owned();
        self.scope.links.insert(name.clone(), true);
        topology.links.push(LinkDecl { name, ends, delay: None, loss: None, mtu: None, capture: true, span });
    }

    /// What is replayed has happened: all its nodes are of the capture, and a node of a capture can be nowhere else.
    pub(super) fn check_capture(&mut self, topology: &Topology, span: &Span) {
        let recorded = |node: &NodeDecl| node.bind == Some(Binding::Capture);
        let diagnostics = &mut self.diagnostics;
        let mut wrong = |span: &Span, what: String, label: &str, help: &str| {
            let diagnostic = Diagnostic::new("suite::capture", span, what, label);
            diagnostics.push(diagnostic.with_help(help));
        };
        let worlds = &self.scope.worlds;
        if !worlds.contains(&WorldKind::Replay) {
            if let Some((name, node)) = topology.nodes.iter().find(|(_, node)| recorded(node)) {
                let what = format!("`{name}` is of a capture, and this case is not to run in `replay`");
                let help = "say `worlds: [replay]`, or `bind: subject`, or `scripted: true` for what `feed` plays";
                wrong(&node.span, what, "has played already", help);
            }
            return;
        }
        if worlds.len() > 1 {
            let others = worlds.iter().filter(|world| **world != WorldKind::Replay).map(|world| world.name());
            let what = format!("a case in `replay` can not run in {}, too", listed(others, "and"));
            let help = "say `worlds: [replay]` for the case: its nodes are those of a capture";
            return wrong(span, what, "two kinds of worlds", help);
        }
        if topology.capture.is_none() {
            let help = "say `capture: { file: captures/NAME.pcapng }` in the topology of the suite or of the case";
            wrong(span, "there is nothing to replay".to_owned(), "no capture", help);
        }
        for (name, node) in topology.nodes.iter().filter(|(_, node)| !recorded(node)) {
            wrong(
                &node.span,
                format!("nobody plays `{name}` in `replay`"),
                "not of the capture",
                "say `bind: capture`",
            );
        }
        if let Some(link) = topology.links.get(1) {
            let help = "leave `links` out, or name one link";
            wrong(&link.span, "a capture is of one link".to_owned(), "a second one", help);
        }
    }
}
