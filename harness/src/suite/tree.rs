//! YAML as a tree in which every key and value has its place.
//!
//! serde stops at the first error and drops places at every nesting it does not know, so the tree is built straight
//! from the parser's events. What YAML allows and suites do not is refused here: duplicate and merge keys, tags, several
//! documents, keys that are not words, and the words that older YAML takes for booleans. Size, depth and aliases are
//! bounded, so that no file can exhaust the machine.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use serde_yaml::granit_parser::{self, Event, Marker, Parser, ScalarStyle};

use super::diagnostic::Diagnostic;
use super::span::{SourceFile, Span, Spanned};

/// Largest file that is read.
pub(crate) const MAX_BYTES: usize = 1 << 20;
/// Deepest nesting, aliases expanded.
const MAX_DEPTH: u32 = 64;
/// Most nodes, aliases expanded.
const MAX_NODES: u32 = 200_000;

/// One value with its place. Cheap to clone: aliases share their target.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
    depth: u32,
    size: u32,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Text as YAML understands it after unquoting; `plain` if it had no quotes.
    Scalar { text: Rc<str>, plain: bool },
    /// A list.
    Seq(Rc<Vec<Node>>),
    /// A mapping in file order, keys unique.
    Map(Rc<Vec<Entry>>),
    /// Something already complained about.
    Bad,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Spanned<Rc<str>>,
    pub(crate) value: Node,
}

impl Node {
    /// The text of a scalar.
    pub(crate) fn as_scalar(&self) -> Option<(&str, bool)> {
        match &self.kind {
            Kind::Scalar { text, plain } => Some((text, *plain)),
            _ => None,
        }
    }

    /// Nothing was written.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.as_scalar(), Some(("" | "~" | "null", true)))
    }

    /// What it is, for "expected .., found ..".
    pub(crate) fn found(&self) -> String {
        match &self.kind {
            _ if self.is_null() => "nothing".to_owned(),
            Kind::Scalar { text, .. } if text.chars().count() > 40 => "a long text".to_owned(),
            Kind::Scalar { text, .. } => format!("`{text}`"),
            Kind::Seq(items) if items.is_empty() => "an empty list".to_owned(),
            Kind::Seq(_) => "a list".to_owned(),
            Kind::Map(_) => "a mapping".to_owned(),
            Kind::Bad => "something broken".to_owned(),
        }
    }

    /// A mapping put together from others, at the place of the one that changes something.
    pub(crate) fn map(entries: Vec<Entry>, span: Span) -> Self {
        let depth = 1 + entries.iter().map(|entry| entry.value.depth).max().unwrap_or(0);
        let size = entries.iter().fold(1u32, |sum, entry| sum.saturating_add(entry.value.size));
        Self { kind: Kind::Map(Rc::new(entries)), span, depth, size }
    }

    /// The same for a list.
    pub(crate) fn seq(items: Vec<Node>, span: Span) -> Self {
        let depth = 1 + items.iter().map(|item| item.depth).max().unwrap_or(0);
        let size = items.iter().fold(1u32, |sum, item| sum.saturating_add(item.size));
        Self { kind: Kind::Seq(Rc::new(items)), span, depth, size }
    }
}

/// A collection that is not closed yet.
struct Frame {
    content: Content,
    anchor: usize,
    span: Span,
    /// Nodes on the longest way down, so far.
    depth: u32,
    size: u32,
}

enum Content {
    Seq(Vec<Node>),
    Map { entries: Vec<Entry>, seen: BTreeMap<Rc<str>, Span>, key: PendingKey },
}

enum PendingKey {
    /// The next node is a key.
    Awaited,
    /// The next node belongs to this key.
    Known(Spanned<Rc<str>>),
    /// The next node belongs to a key that was refused.
    Refused,
}

/// Parses a file. The tree is `None` where nothing can be made of it.
pub(crate) fn parse(file: &Arc<SourceFile>, diagnostics: &mut Vec<Diagnostic>) -> Option<Node> {
    let options = granit_parser::options! {
        emit_comments: false,
        disallow_directives: true,
        emit_unresolved_aliases: true,
        flow_nesting_limit: MAX_DEPTH as usize,
        block_nesting_limit: MAX_DEPTH as usize,
    };
    let mut builder = Builder {
        file,
        diagnostics,
        stack: Vec::new(),
        anchors: BTreeMap::new(),
        root: None,
        nodes: 0,
        documents: 0,
        stop: false,
    };
    for next in Parser::new_from_str_with_options(&file.text, options) {
        match next {
            Ok((event, span)) => builder.event(event, span),
            Err(error) => {
                let span = marker_span(file, error.marker());
                let diagnostic = Diagnostic::new("suite::yaml", &span, "this is not valid YAML", error.info());
                builder.diagnostics.push(diagnostic.with_help("the rest of the file is checked once this is mended"));
                return None;
            }
        }
        if builder.stop {
            return None;
        }
    }
    let root = builder.root.take();
    if root.as_ref().is_none_or(Node::is_null) {
        let span = file.span(0, 0);
        let diagnostic = Diagnostic::new("suite::empty", &span, "the file is empty", "a suite is expected here");
        diagnostics.push(diagnostic.with_help("a suite starts with `schema: 1` and `suite: <path under suites/>`"));
        return None;
    }
    root
}

fn marker_span(file: &Arc<SourceFile>, marker: &Marker) -> Span {
    let offset = marker.byte_offset().unwrap_or(0).min(file.text.len());
    Span {
        file: Arc::clone(file),
        line: u32::try_from(marker.line()).unwrap_or(u32::MAX),
        column: u32::try_from(marker.col() + 1).unwrap_or(u32::MAX),
        offset,
        // One character, so that there is something to point at.
        len: file.text.get(offset..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8),
    }
}

struct Builder<'a> {
    file: &'a Arc<SourceFile>,
    diagnostics: &'a mut Vec<Diagnostic>,
    stack: Vec<Frame>,
    anchors: BTreeMap<usize, Node>,
    root: Option<Node>,
    nodes: u32,
    documents: u32,
    stop: bool,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, at: granit_parser::Span) {
        let tagged = event.tag().is_some();
        let span = self.span(&at);
        if tagged {
            let place = at.tag_span().map_or_else(|| span.clone(), |tag| self.span(&tag));
            self.complain("suite::tag", &place, "suites have no tags", "a tag", "leave it out");
        }
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents == 2 {
                    let what = "one file holds one suite";
                    self.complain(
                        "suite::documents",
                        &span,
                        what,
                        "a second document",
                        "put it into a file of its own",
                    );
                    self.stop = true;
                }
            }
            Event::Scalar(text, style, anchor, _) => {
                let kind = Kind::Scalar { text: Rc::from(&*text), plain: style == ScalarStyle::Plain };
                self.node(Node { kind, span, depth: 1, size: 1 }, anchor);
            }
            Event::SequenceStart(_, anchor, _) => self.open(Content::Seq(Vec::new()), anchor, span),
            Event::MappingStart(_, anchor, _) => {
                let content = Content::Map { entries: Vec::new(), seen: BTreeMap::new(), key: PendingKey::Awaited };
                self.open(content, anchor, span);
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(&span),
            Event::Alias(id) => match self.anchors.get(&id).cloned() {
                Some(node) => self.node(node, 0),
                None => {
                    let what = "an alias can not stand inside what it stands for";
                    self.complain("suite::alias", &span, what, "refers to itself", "write the value out");
                    self.node(Node { kind: Kind::Bad, span, depth: 1, size: 1 }, 0);
                }
            },
            Event::UnresolvedAlias(name) => {
                let what = format!("there is no anchor `&{name}` above");
                self.complain("suite::alias", &span, what, "an alias of nothing", "anchors come before their aliases");
                self.node(Node { kind: Kind::Bad, span, depth: 1, size: 1 }, 0);
            }
            _ => {}
        }
    }

    fn span(&self, at: &granit_parser::Span) -> Span {
        let mut span = marker_span(self.file, &at.start);
        if let Some(range) = at.byte_range().filter(|range| range.end > range.start) {
            span.len = range.end.min(self.file.text.len()).saturating_sub(span.offset);
        }
        span
    }

    fn complain(&mut self, code: &'static str, span: &Span, what: impl Into<String>, label: &str, help: &str) {
        self.diagnostics.push(Diagnostic::new(code, span, what, label).with_help(help));
    }

    fn open(&mut self, content: Content, anchor: usize, span: Span) {
        self.stack.push(Frame { content, anchor, span, depth: 0, size: 1 });
    }

    fn close(&mut self, end: &Span) {
        let Some(frame) = self.stack.pop() else { return };
        let mut span = frame.span;
        // The start of a collection is a point. Its first line is enough to show what is meant.
        let end = end.offset.saturating_add(end.len).max(span.offset);
        let text = self.file.text.get(span.offset..end).unwrap_or_default();
        span.len = text.lines().next().map_or(0, |line| line.trim_end().len()).max(span.len);
        let kind = match frame.content {
            Content::Seq(items) => Kind::Seq(Rc::new(items)),
            Content::Map { entries, .. } => Kind::Map(Rc::new(entries)),
        };
        self.node(Node { kind, span, depth: frame.depth + 1, size: frame.size }, frame.anchor);
    }

    /// A complete node: into the collection that is open, or the root.
    fn node(&mut self, mut node: Node, anchor: usize) {
        self.nodes = self.nodes.saturating_add(node.size);
        let open = u32::try_from(self.stack.len()).unwrap_or(u32::MAX);
        if self.nodes > MAX_NODES || open.saturating_add(node.depth) > MAX_DEPTH {
            let what = format!("more than {MAX_NODES} values or {MAX_DEPTH} levels, aliases counted where they stand");
            self.complain("suite::too_large", &node.span, what, "here it gets too much", "split the suite");
            self.stop = true;
            return;
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return;
        };
        frame.depth = frame.depth.max(node.depth);
        frame.size = frame.size.saturating_add(node.size);
        match &mut frame.content {
            Content::Seq(items) => {
                refuse_old_boolean(&mut node, self.diagnostics);
                items.push(node);
            }
            Content::Map { entries, seen, key } => match std::mem::replace(key, PendingKey::Awaited) {
                PendingKey::Awaited => *key = read_key(&node, seen, self.diagnostics),
                PendingKey::Known(known) => {
                    refuse_old_boolean(&mut node, self.diagnostics);
                    entries.push(Entry { key: known, value: node });
                }
                PendingKey::Refused => {}
            },
        }
    }
}

fn read_key(node: &Node, seen: &mut BTreeMap<Rc<str>, Span>, diagnostics: &mut Vec<Diagnostic>) -> PendingKey {
    let Kind::Scalar { text, .. } = &node.kind else {
        let what = "a key has to be a word";
        diagnostics.push(Diagnostic::new("suite::key", &node.span, what, format!("{} as a key", node.found())));
        return PendingKey::Refused;
    };
    if &**text == "<<" {
        let diagnostic = Diagnostic::new("suite::key", &node.span, "suites have no merge keys", "a merge key");
        diagnostics.push(diagnostic.with_help("write the keys out; an alias may still stand for a whole value"));
        return PendingKey::Refused;
    }
    if let Some(first) = seen.get(text) {
        let what = format!("the key `{text}` is there twice");
        let diagnostic = Diagnostic::new("suite::duplicate_key", &node.span, what, "the second one");
        diagnostics.push(diagnostic.with_help(format!("the first one is in line {}; keep one of them", first.line)));
        return PendingKey::Refused;
    }
    seen.insert(Rc::clone(text), node.span.clone());
    PendingKey::Known(Spanned::new(Rc::clone(text), node.span.clone()))
}

/// `on`, `no` and their like are booleans to half of the world's YAML readers and words to the other half.
fn refuse_old_boolean(node: &mut Node, diagnostics: &mut Vec<Diagnostic>) {
    let Some((text, true)) = node.as_scalar() else { return };
    let meant = match text.to_ascii_lowercase().as_str() {
        "yes" | "on" | "y" => "true",
        "no" | "off" | "n" => "false",
        _ => return,
    };
    let what = format!("a bare `{text}` means different things to different YAML readers");
    let diagnostic = Diagnostic::new("suite::bare_boolean", &node.span, what, "neither a word nor a boolean");
    diagnostics.push(diagnostic.with_help(format!("say `{meant}`, or `\"{text}\"` for the word")));
    node.kind = Kind::Bad;
}
