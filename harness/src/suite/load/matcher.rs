//! Field paths, values and matchers, each held against the kind of the field.

use super::reader::{Map, Reader, parse_int};
use crate::dissect::catalogue::{self, FieldKind};
use crate::suite::diagnostic::{Diagnostic, listed, suggest};
use crate::suite::duration::{DurationExpr, is_name};
use crate::suite::model::Param;
use crate::suite::tree::{Entry, Kind, Node};
use crate::suite::value::{FieldMatch, FieldRef, FieldValue, Matcher, Row, Value};
use crate::suite::views::{ValueKind, View};
use crate::suite::vocabulary;

/// What two packets have together, in rules: seconds from the other one to this one, and the octets of the message.
const OF_TWO: [(&str, FieldKind); 2] = [("elapsed", FieldKind::Uint { bits: 64 }), ("octets", FieldKind::Bytes)];

/// The one field of octets that people write as a word.
const SECRET: &str = "ext.auth.secret";

/// Where the names of fields come from.
#[derive(Clone, Copy)]
pub(super) enum Fields<'a> {
    /// Packets.
    Packet,
    /// The elements of a list in packets.
    Element(&'a str),
    /// A state view.
    View(&'static View),
}

impl Fields<'_> {
    /// What the field holds.
    fn kind(self, reader: &mut Reader, entry: &Entry) -> Option<ValueKind> {
        let (name, span) = (&*entry.key.value, &entry.key.span);
        let mut name = name;
        if let (Fields::Packet, Some(other)) = (self, reader.scope.other) {
            if let Some((_, kind)) = OF_TWO.iter().find(|(known, _)| *known == name) {
                return Some(ValueKind::Field(*kind));
            }
            name = name.strip_prefix(other).and_then(|rest| rest.strip_prefix('.')).unwrap_or(name);
        }
        match self {
            Fields::Packet if name == SECRET => Some(ValueKind::Secret),
            Fields::Packet => match catalogue::lookup(name) {
                Ok(kind) => Some(ValueKind::Field(kind)),
                Err(unknown) => {
                    let nearest = unknown.nearest.map(|nearest| with_indices(&nearest, name));
                    reader.unknown(span, "field", name, nearest_field(nearest));
                    None
                }
            },
            Fields::Element(list) => match catalogue::lookup(&format!("{list}[0].{name}")) {
                Ok(kind) => Some(ValueKind::Field(kind)),
                Err(unknown) => {
                    let inner = unknown.nearest.as_deref().and_then(|path| path.rsplit("[].").next());
                    reader.unknown(span, &format!("field of {list}"), name, nearest_field(inner.map(str::to_owned)));
                    None
                }
            },
            Fields::View(view) => match view.column(name) {
                Some(column) => Some(column.kind),
                None => {
                    let help = suggest(name, view.columns.iter().map(|column| column.name));
                    reader.unknown(span, &format!("column of {}", view.name), name, help);
                    None
                }
            },
        }
    }
}

fn nearest_field(nearest: Option<String>) -> String {
    if let Some(nearest) = nearest {
        return format!("did you mean `{nearest}`?");
    }
    // Over a hundred paths help nobody; how they begin does.
    let mut stems: Vec<String> = Vec::new();
    for (path, _, _) in catalogue::paths() {
        let stem = path.split(['.', '[']).next().unwrap_or_default().to_owned();
        if !stems.contains(&stem) {
            stems.push(stem);
        }
    }
    format!("fields begin with {}", listed(stems.iter().map(String::as_str), "or"))
}

/// Puts the indices of the user's path into a path of the catalogue: `cie[].code` and `cie[0].cod` give `cie[0].code`.
fn with_indices(general: &str, written: &str) -> String {
    let indices: Vec<&str> = written.split('[').skip(1).filter_map(|rest| rest.split(']').next()).collect();
    let mut pieces = general.split("[]");
    let mut path = pieces.next().unwrap_or_default().to_owned();
    for (number, piece) in pieces.enumerate() {
        let index = indices.get(number).copied().filter(|index| index.bytes().all(|b| b.is_ascii_digit()));
        path.push_str(&format!("[{}]{piece}", index.unwrap_or("0")));
    }
    path
}

/// How a value of that kind is written, for "expected ..".
fn expected(kind: ValueKind) -> String {
    match kind {
        ValueKind::Field(FieldKind::Uint { bits }) => format!("a number of {bits} bits"),
        ValueKind::Field(FieldKind::Addr) => "an IP address".to_owned(),
        ValueKind::Field(FieldKind::Bytes) => "octets, as { hex: \"..\" }".to_owned(),
        ValueKind::Field(FieldKind::Seconds) => "whole seconds with their unit".to_owned(),
        ValueKind::Field(FieldKind::Flag) => "a flag, 0 or 1".to_owned(),
        ValueKind::Field(FieldKind::Text) => "text".to_owned(),
        ValueKind::Field(FieldKind::List) => "a list of mappings".to_owned(),
        ValueKind::Secret => "a word, or octets as { hex: \"..\" }".to_owned(),
        ValueKind::Bool => "`true` or `false`".to_owned(),
        ValueKind::Duration => "a duration".to_owned(),
        ValueKind::Node => "the name of a node".to_owned(),
        ValueKind::Prefix => "a network, as in 172.20.5.0/24".to_owned(),
        ValueKind::Word(words) => listed(words.iter().copied(), "or"),
    }
}

impl Reader {
    /// A mapping from field paths to matchers.
    pub(super) fn row(&mut self, node: &Node, fields: Fields<'_>) -> Option<Row> {
        let entries = self.dict(node, "a mapping from fields to what they must be")?;
        let mut row = Vec::new();
        let mut good = true;
        for entry in entries {
            let read = fields.kind(self, entry).and_then(|kind| {
                let full = match fields {
                    Fields::Element(list) => format!("{list}[0].{}", &*entry.key.value),
                    _ => entry.key.value.to_string(),
                };
                self.matcher(&entry.value, kind, &full)
            });
            match read {
                Some(matcher) => {
                    let (path, span) = (entry.key.value.to_string(), entry.key.span.clone());
                    row.push(FieldMatch { path, matcher, span });
                }
                None => good = false,
            }
        }
        good.then_some(row)
    }

    /// A list of such mappings, or a single one.
    pub(super) fn rows(&mut self, node: &Node, fields: Fields<'_>) -> Option<Vec<Row>> {
        let items = self.one_or_many(node, "a list of mappings")?;
        let rows: Vec<_> = items.iter().map(|item| self.row(item, fields)).collect();
        rows.into_iter().collect()
    }

    /// A mapping from field paths to values.
    pub(super) fn field_values(&mut self, node: &Node, fields: Fields<'_>) -> Option<Vec<FieldValue>> {
        let entries = self.dict(node, "a mapping from fields to values")?;
        let values: Vec<_> = entries.iter().map(|entry| self.field_value(entry, fields)).collect();
        values.into_iter().collect()
    }

    /// CIEs to be sent.
    pub(super) fn cie_values(&mut self, node: &Node) -> Option<Vec<Vec<FieldValue>>> {
        let items = self.list(node, "a list of CIEs")?;
        let cies: Vec<_> = items.iter().map(|item| self.field_values(item, Fields::Element("cie"))).collect();
        cies.into_iter().collect()
    }

    fn field_value(&mut self, entry: &Entry, fields: Fields<'_>) -> Option<FieldValue> {
        let kind = fields.kind(self, entry)?;
        let value = self.value(&entry.value, kind)?;
        if let Value::Field(_) = value {
            self.mismatch(
                &entry.value,
                &expected(kind),
                Some("a packet that is sent has no other fields yet".to_owned()),
            );
            return None;
        }
        Some(FieldValue { path: entry.key.value.to_string(), value, span: entry.key.span.clone() })
    }

    /// Paths of fields.
    pub(super) fn paths(&mut self, node: &Node) -> Option<Vec<String>> {
        let items = self.one_or_many(node, "a list of fields")?;
        let read: Vec<_> = items
            .iter()
            .map(|item| {
                let path = self.text(item)?;
                let key = crate::suite::span::Spanned::new(path.as_str().into(), item.span.clone());
                Fields::Packet.kind(self, &Entry { key, value: item.clone() })?;
                Some(path)
            })
            .collect();
        read.into_iter().collect()
    }

    /// A field named by `set: { field, value }`.
    pub(super) fn set_value(&mut self, map: &Map<'_>) -> Option<FieldValue> {
        let field = map.get("field")?;
        let path = self.text(field)?;
        let key = crate::suite::span::Spanned::new(path.as_str().into(), field.span.clone());
        self.field_value(&Entry { key, value: map.get("value")?.clone() }, Fields::Packet)
    }

    /// A matcher for a field of that kind. `path` is the field's full path, from which the elements of lists have theirs.
    pub(super) fn matcher(&mut self, node: &Node, kind: ValueKind, path: &str) -> Option<Matcher> {
        let list = kind == ValueKind::Field(FieldKind::List);
        match (&node.kind, node.as_scalar()) {
            (_, Some(("any", true))) => Some(Matcher::Any),
            (_, Some(("present", true))) => Some(Matcher::Present),
            (_, Some(("absent", true))) => Some(Matcher::Absent),
            (Kind::Map(_), _) => self.matcher_map(node, kind, path),
            (Kind::Seq(_), _) if list => self.rows(node, Fields::Element(path)).map(Matcher::Exactly),
            _ => match self.value(node, kind)? {
                Value::Var(name) => Some(Matcher::Var(name)),
                value => Some(Matcher::Literal(value)),
            },
        }
    }

    fn matcher_map(&mut self, node: &Node, kind: ValueKind, path: &str) -> Option<Matcher> {
        let map = self.map(node, &vocabulary::MATCHER)?;
        if map.has("same_as") {
            return self.other_field(&map, kind).map(Matcher::Literal);
        }
        if map.has("mask") || map.has("is") {
            return self.mask(&map, node);
        }
        let entry = self.one(node, &vocabulary::MATCHER)?;
        let (operator, operand) = (&*entry.key.value, &entry.value);
        match operator {
            "ge" | "gt" | "le" | "lt" => {
                let value = self.ordered(operand, kind)?;
                Some(match operator {
                    "ge" => Matcher::Ge(value),
                    "gt" => Matcher::Gt(value),
                    "le" => Matcher::Le(value),
                    _ => Matcher::Lt(value),
                })
            }
            "between" => match self.list(operand, "a list of two values")? {
                [low, high] => {
                    let (low, high) = (self.ordered(low, kind)?, self.ordered(high, kind)?);
                    if self.bound(&low).zip(self.bound(&high)).is_some_and(|(low, high)| low > high) {
                        self.mismatch(operand, "the lower bound first", None);
                        return None;
                    }
                    Some(Matcher::Between(low, high))
                }
                _ => {
                    self.mismatch(operand, "the lower and the upper bound", None);
                    None
                }
            },
            "one_of" => {
                let items = self.list(operand, "a list of values")?;
                if items.is_empty() {
                    self.mismatch(operand, "at least one value", None);
                    return None;
                }
                let values: Vec<_> = items.iter().map(|item| self.value(item, kind)).collect();
                values.into_iter().collect::<Option<_>>().map(Matcher::OneOf)
            }
            "not" => self.matcher(operand, kind, path).map(|inner| Matcher::Not(Box::new(inner))),
            "len" => self.sized(node, kind).and_then(|()| self.int(operand, u64::from(u32::MAX))).map(Matcher::Len),
            "hex" => match kind {
                ValueKind::Field(FieldKind::Bytes) | ValueKind::Secret => self.hex(operand).map(Matcher::Hex),
                _ => {
                    self.mismatch(node, &expected(kind), None);
                    None
                }
            },
            "bind" => self.bind(operand).map(Matcher::Bind),
            "every" if kind == ValueKind::Field(FieldKind::List) => {
                let row = self.row(operand, Fields::Element(path))?;
                if row.is_empty() {
                    self.vacuous(operand, "name a field that every element has");
                    return None;
                }
                Some(Matcher::Every(row))
            }
            "contains" | "exactly" => {
                if kind != ValueKind::Field(FieldKind::List) {
                    self.mismatch(node, &expected(kind), Some(format!("`{operator}` is for lists")));
                    return None;
                }
                let rows = self.rows(operand, Fields::Element(path))?;
                if rows.is_empty() && operator == "contains" {
                    self.vacuous(operand, "{ exactly: [] } is a list without elements");
                    return None;
                }
                Some(if operator == "contains" { Matcher::Contains(rows) } else { Matcher::Exactly(rows) })
            }
            // `mask` and `is` went their own way above.
            _ => {
                self.mismatch(node, &expected(kind), Some("`text` is for the output of `exec`".to_owned()));
                None
            }
        }
    }

    /// `{ same_as: length }`, `{ same_as: received.hdr.hopcnt, minus: 1 }`.
    fn other_field(&mut self, map: &Map<'_>, kind: ValueKind) -> Option<Value> {
        let node = map.get("same_as")?;
        let path = self.text(node)?;
        let key = crate::suite::span::Spanned::new(path.as_str().into(), node.span.clone());
        let entry = Entry { key, value: node.clone() };
        let theirs = Fields::Packet.kind(self, &entry)?;
        let number =
            |kind| matches!(kind, ValueKind::Field(FieldKind::Uint { .. } | FieldKind::Seconds | FieldKind::Flag));
        if theirs != kind && !(number(theirs) && number(kind)) {
            self.mismatch(node, &format!("a field that holds {}", expected(kind)), None);
            return None;
        }
        if let [extra, ..] = map.present(&["mask", "is", "not", "ge", "le", "gt", "lt"]).as_slice() {
            let what = format!("`same_as` and `{extra}` exclude each other");
            let diagnostic = Diagnostic::new("suite::one_key", map.span, what, "one of them");
            self.complain(diagnostic.with_help("{ le: { same_as: length } } compares with another field"));
            return None;
        }
        let step = |r: &mut Self, key| r.read(map, key, |r, node| r.int(node, u64::from(u32::MAX)));
        let (plus, minus) = (step(self, "plus").unwrap_or(0), step(self, "minus").unwrap_or(0));
        if (plus > 0 || minus > 0) && !number(kind) {
            self.mismatch(map.get("same_as")?, "a number to add to", None);
            return None;
        }
        Some(Value::Field(FieldRef { path, plus: i64::try_from(plus).ok()? - i64::try_from(minus).ok()? }))
    }

    /// `contains: []`.
    pub(super) fn vacuous(&mut self, node: &Node, instead: &str) {
        let what = "everything contains nothing";
        let diagnostic = Diagnostic::new("suite::vacuous", &node.span, what, "always true");
        self.complain(diagnostic.with_help(instead));
    }

    fn mask(&mut self, map: &Map<'_>, node: &Node) -> Option<Matcher> {
        let mask = self.read(map, "mask", |r, node| r.int(node, u64::MAX));
        let is = self.read(map, "is", |r, node| r.int(node, u64::MAX));
        for key in ["mask", "is"] {
            if !map.has(key) {
                let what = format!("`{key}` is missing");
                let diagnostic = Diagnostic::new("suite::missing_key", &node.span, what, "half of a matcher");
                self.complain(diagnostic.with_help("{ mask: 0xC000, is: 0x8000 } looks at the two topmost bits"));
            }
        }
        let (mask, is) = (mask?, is?);
        if is & !mask != 0 {
            let what = format!("{is:#x} can never come out of the mask {mask:#x}");
            self.complain(Diagnostic::new("suite::range", &node.span, what, "never true"));
            return None;
        }
        Some(Matcher::Mask { mask, is })
    }

    /// A value that can be more or less than another.
    fn ordered(&mut self, node: &Node, kind: ValueKind) -> Option<Value> {
        match kind {
            ValueKind::Field(FieldKind::Uint { .. } | FieldKind::Seconds) | ValueKind::Duration => {
                self.value(node, kind)
            }
            _ => {
                let what = format!("{} has no order", expected(kind));
                let diagnostic = Diagnostic::new("suite::wrong_type", &node.span, what, "nothing to compare");
                self.complain(diagnostic.with_help("say the value itself, `one_of` or `not`"));
                None
            }
        }
    }

    /// A bound as a number, where it is known before the case runs.
    fn bound(&self, value: &Value) -> Option<u128> {
        match value {
            Value::Int(number) => Some(u128::from(*number)),
            Value::Duration(expr) => expr.resolve(&self.scope.params).ok().map(|value| value.as_nanos()),
            _ => None,
        }
    }

    /// Something that has a length.
    fn sized(&mut self, node: &Node, kind: ValueKind) -> Option<()> {
        if matches!(kind, ValueKind::Field(FieldKind::Bytes | FieldKind::List | FieldKind::Text) | ValueKind::Secret) {
            return Some(());
        }
        self.mismatch(node, &expected(kind), Some("`len` is for octets and lists".to_owned()));
        None
    }

    fn bind(&mut self, node: &Node) -> Option<String> {
        let name = self.name(node)?;
        let taken = if self.scope.params.contains_key(&name) {
            "a parameter has it"
        } else if self.scope.values.contains(&name) {
            "an earlier `bind` has it"
        } else {
            self.scope.values.insert(name.clone());
            return Some(name);
        };
        let what = format!("the name `{name}` is taken");
        let diagnostic = Diagnostic::new("suite::duplicate_name", &node.span, what, taken);
        self.complain(diagnostic.with_help(format!("say `${name}` to compare with it, or take another name")));
        None
    }

    /// A value for a field of that kind.
    pub(super) fn value(&mut self, node: &Node, kind: ValueKind) -> Option<Value> {
        if let Kind::Map(entries) = &node.kind
            && entries.iter().any(|entry| &*entry.key.value == "same_as")
        {
            let map = self.map(node, &vocabulary::MATCHER)?;
            return self.other_field(&map, kind);
        }
        if let (Some((text, _)), ValueKind::Field(FieldKind::Seconds) | ValueKind::Duration) = (node.as_scalar(), kind)
        {
            return self.time(node, text, kind);
        }
        if let Some(name) = node.as_scalar().and_then(|(text, _)| text.strip_prefix('$')) {
            return self.variable(node, name, kind);
        }
        match kind {
            ValueKind::Field(FieldKind::Uint { bits }) => {
                let max = 1u64.checked_shl(u32::from(bits)).map_or(u64::MAX, |limit| limit - 1);
                self.int(node, max).map(Value::Int)
            }
            ValueKind::Field(FieldKind::Flag) => match node.as_scalar() {
                Some((text @ ("0" | "1"), true)) => Some(Value::Int(u64::from(text == "1"))),
                Some(("true", true)) => self.no_value(node, kind, Some("say 1")),
                Some(("false", true)) => self.no_value(node, kind, Some("say 0")),
                _ => self.no_value(node, kind, None),
            },
            ValueKind::Field(FieldKind::Addr) => self.addr(node).map(Value::Addr),
            ValueKind::Secret if node.as_scalar().is_some() => self.text(node).map(Value::Text),
            ValueKind::Field(FieldKind::Bytes) | ValueKind::Secret => match &node.kind {
                Kind::Map(entries) if entries.len() == 1 && &*entries[0].key.value == "hex" => {
                    self.hex(&entries[0].value).map(Value::Hex)
                }
                _ => self.no_value(node, kind, None),
            },
            ValueKind::Field(FieldKind::Text) => self.text(node).map(Value::Text),
            ValueKind::Field(FieldKind::List) => {
                self.no_value(node, kind, Some("{ exactly: [..] } or { contains: [..] }; to send CIEs use `cies`"))
            }
            ValueKind::Bool => self.bool(node).map(Value::Bool),
            ValueKind::Node => self.node_ref(node).map(Value::Text),
            ValueKind::Prefix => self.network(node).map(Value::Prefix),
            ValueKind::Word(words) => self.word(node, words).map(|word| Value::Text(word.to_owned())),
            ValueKind::Field(FieldKind::Seconds) | ValueKind::Duration => self.no_value(node, kind, None),
        }
    }

    fn no_value(&mut self, node: &Node, kind: ValueKind, help: Option<&str>) -> Option<Value> {
        self.mismatch(node, &expected(kind), help.map(str::to_owned));
        None
    }

    /// A time: a duration, or a value bound earlier.
    fn time(&mut self, node: &Node, text: &str, kind: ValueKind) -> Option<Value> {
        let bound = text.strip_prefix('$').filter(|name| self.scope.values.contains(*name));
        if let Some(name) = bound {
            return Some(Value::Var(name.to_owned()));
        }
        let alone = text.strip_prefix('$').filter(|name| is_name(name));
        if let Some(name) = alone.filter(|name| !self.scope.params.contains_key(*name)) {
            return self.unknown_variable(node, name);
        }
        let expr: DurationExpr = self.duration(node)?;
        if kind == ValueKind::Field(FieldKind::Seconds) {
            let value = self.resolve(node, &expr)?;
            if value.subsec_nanos() != 0 || value.as_secs() > u64::from(u16::MAX) {
                let what = "the field counts whole seconds, 0s to 65535s";
                let label = format!("{} here", crate::suite::duration::show(value));
                self.complain(Diagnostic::new("suite::range", &node.span, what, label));
                return None;
            }
        }
        Some(Value::Duration(expr))
    }

    /// `$name` for anything but a time: parameters are put in at once, bound values when the case runs.
    fn variable(&mut self, node: &Node, name: &str, kind: ValueKind) -> Option<Value> {
        if self.scope.values.contains(name) {
            return Some(Value::Var(name.to_owned()));
        }
        let Some(param) = self.scope.params.get(name) else {
            return self.unknown_variable(node, name);
        };
        // What the parameter says must fit the field as if it were written here.
        let text = match param {
            Param::Duration(_) => {
                return self.no_value(node, kind, Some(&format!("the parameter `{name}` is a duration")));
            }
            other => other.to_string(),
        };
        let plain = !matches!(param, Param::Text(_)) || parse_int(&text).is_none();
        let mut literal = node.clone();
        literal.kind = Kind::Scalar { text: text.as_str().into(), plain };
        self.value(&literal, kind)
    }

    fn unknown_variable(&mut self, node: &Node, name: &str) -> Option<Value> {
        let known: Vec<&str> = self.scope.values.iter().chain(self.scope.params.keys()).map(String::as_str).collect();
        let help = match known.as_slice() {
            [] => "an earlier step has to give the name with `{ bind: NAME }`".to_owned(),
            known => suggest(name, known.iter().copied()),
        };
        self.unknown(&node.span, "variable", name, help);
        None
    }
}
