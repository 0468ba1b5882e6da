//! `feed`: what is played from a capture, and where the answers may differ.

use super::reader::Reader;
use crate::dissect::catalogue;
use crate::suite::diagnostic::Diagnostic;
use crate::suite::span::Spanned;
use crate::suite::step::{FeedException, FeedStep};
use crate::suite::tree::{Entry, Node};
use crate::suite::vocabulary;

impl Reader {
    pub(super) fn feed(&mut self, node: &Node) -> Option<FeedStep> {
        self.scope.judgements += 1;
        let map = self.map(node, &vocabulary::FEED)?;
        let from = self.read(&map, "from", |r, node| {
            let items = r.one_or_many(node, "a list of nodes")?;
            if items.is_empty() {
                r.mismatch(node, "at least one node", None);
                return None;
            }
            let read: Vec<_> = items.iter().map(|item| r.scripted_ref(item)).collect();
            read.into_iter().collect::<Option<Vec<_>>>()
        });
        let to = self.read(&map, "to", Self::unscripted_ref);
        let frames = self.read(&map, "frames", Self::frames);
        let within = self.read(&map, "within", Self::duration);
        let except = match map.get("compare") {
            None => Some(Vec::new()),
            Some(compare) => self.exceptions(compare),
        };
        if self.scope.topology.capture.is_none() {
            let what = "there is no capture to play from";
            let help = "say `capture: { file: captures/NAME.pcapng }` in the topology of the suite or of the case";
            self.complain(Diagnostic::new("suite::capture", &node.span, what, "no capture").with_help(help));
        }
        if map.has("frames") {
            frames?;
        }
        Some(FeedStep { from: from?, to: to?, frames, within, except: except? })
    }

    /// The first and the last frame, which may be the same.
    fn frames(&mut self, node: &Node) -> Option<(u64, u64)> {
        match self.list(node, "a list of two numbers")? {
            [first, last] => {
                let (first, last) = (self.int(first, u64::MAX)?, self.int(last, u64::MAX)?);
                if first == 0 || first > last {
                    self.mismatch(node, "the first frame before the last, counted from 1", None);
                    return None;
                }
                Some((first, last))
            }
            _ => {
                self.mismatch(node, "the first and the last frame", Some("such as [3, 8]".to_owned()));
                None
            }
        }
    }

    fn exceptions(&mut self, node: &Node) -> Option<Vec<FeedException>> {
        let map = self.map(node, &vocabulary::COMPARE)?;
        let Some(list) = map.get("except") else { return Some(Vec::new()) };
        let items = self.list(list, "a list of differences")?;
        let read: Vec<_> = items.iter().map(|item| self.exception(item)).collect();
        read.into_iter().collect()
    }

    fn exception(&mut self, node: &Node) -> Option<FeedException> {
        let map = self.map(node, &vocabulary::EXCEPTION)?;
        let field = self.read(&map, "field", Self::text);
        let frame = self.read(&map, "frame", |r, node| r.int(node, u64::MAX));
        let because = self.read(&map, "because", Self::text);
        let (field, place) = (field?, map.get("field")?);
        let is = match map.get("is") {
            None => {
                self.field_or_group(&field, place)?;
                None
            }
            // As `match: { FIELD: MATCHER }` has it.
            Some(value) => {
                let key = Spanned::new(field.as_str().into(), place.span.clone());
                let entry = Entry { key, value: value.clone() };
                let row = Node::map(vec![entry], node.span.clone());
                let row = self.without_binds(node, |r| r.row(&row, super::matcher::Fields::Packet));
                Some(row?.into_iter().next()?)
            }
        };
        Some(FeedException { field, is, frame, because: because?, span: node.span.clone() })
    }

    /// A field, or the beginning of paths up to a dot: `ext.nat`, `cie[0]`.
    fn field_or_group(&mut self, path: &str, node: &Node) -> Option<()> {
        let Err(unknown) = catalogue::lookup(path) else { return Some(()) };
        let group = format!("{}.", path.chars().filter(|c| !c.is_ascii_digit()).collect::<String>());
        if catalogue::paths().any(|(known, ..)| known.starts_with(&group)) {
            return Some(());
        }
        let help = unknown.nearest.map_or_else(
            || "a path as in `match`, or the beginning of some, such as ext.nat".to_owned(),
            |nearest| format!("did you mean `{nearest}`?"),
        );
        self.unknown(&node.span, "field", path, help);
        None
    }
}
