//! Files of rules, and of breaches that are known.

use super::matcher::Fields;
use super::reader::{Map, Reader};
use crate::suite::diagnostic::{Diagnostic, listed};
use crate::suite::rule::{Demand, Exception, Exempt, Look, Rule, RuleFile, Shape};
use crate::suite::span::Spanned;
use crate::suite::tree::{Kind, Node};
use crate::suite::value::Row;
use crate::suite::vocabulary;

/// What tells the shapes of rules apart, each with the other keys that belong to it.
const SHAPES: [(&str, &[&str]); 5] = [
    ("request", &["reply", "answered", "if", "same", "then"]),
    ("forward", &["if", "same", "then"]),
    ("series", &["per", "after", "first", "unique", "if", "same", "then"]),
    ("never", &["after", "per"]),
    ("when", &["begins", "then"]),
];

impl Reader {
    /// A whole file: of exceptions where that is its first word, else of rules.
    pub(super) fn rules(&mut self, root: &Node) -> Option<RuleFile> {
        let exceptions = matches!(&root.kind, Kind::Map(entries)
            if entries.iter().any(|entry| &*entry.key.value == "exceptions"));
        if exceptions {
            let map = self.map(root, &vocabulary::EXCEPTIONS)?;
            self.read(&map, "schema", Self::schema)?;
            let items = self.read(&map, "exceptions", |r, node| {
                let items = r.list(node, "a list of exceptions")?;
                let read: Vec<_> = items.iter().map(|item| r.known_breach(item)).collect();
                read.into_iter().collect()
            })?;
            return Some(RuleFile::Exceptions(items));
        }
        let map = self.map(root, &vocabulary::RULES)?;
        let schema = self.read(&map, "schema", Self::schema);
        let name = self.read(&map, "rules", |r, node| {
            let name = r.slug(node, false)?;
            let stem = r.file.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
            if name != stem {
                r.mismatch(node, &format!("`{stem}`, the name of the file"), None);
                return None;
            }
            Some(name)
        });
        self.read(&map, "title", Self::text);
        let rules = self.read(&map, "list", |r, node| {
            let items = r.list(node, "a list of rules")?;
            let read: Vec<_> = items.iter().map(|item| r.rule(item, name.as_deref().unwrap_or_default())).collect();
            read.into_iter().collect::<Option<Vec<Rule>>>()
        })?;
        for (index, rule) in rules.iter().enumerate() {
            if let Some(first) = rules[..index].iter().find(|other| *other.id == *rule.id) {
                let what = format!("the id `{}` is taken", *rule.id);
                let label = format!("also in line {}", first.id.span.line);
                self.complain(Diagnostic::new("suite::duplicate_name", &rule.id.span, what, label));
            }
        }
        schema?;
        name?;
        Some(RuleFile::Rules(rules))
    }

    fn schema(&mut self, node: &Node) -> Option<u64> {
        let version = self.int(node, u64::MAX)?;
        if version != 1 {
            let what = format!("version {version} of the vocabulary is not known");
            self.complain(Diagnostic::new("suite::schema", &node.span, what, "this harness reads `schema: 1`"));
        }
        Some(version)
    }

    fn rule(&mut self, node: &Node, file: &str) -> Option<Rule> {
        let map = self.map(node, &vocabulary::RULE)?;
        let id = self.read(&map, "id", |r, node| {
            Some(Spanned::new(format!("{file}/{}", r.slug(node, false)?), node.span.clone()))
        });
        let title = self.read(&map, "title", Self::text);
        let note = self.read(&map, "note", Self::text);
        let cites = self.read(&map, "cites", |r, node| {
            let items = r.one_or_many(node, "a list of requirements")?;
            if items.is_empty() {
                r.mismatch(node, "at least one requirement", None);
            }
            let read: Vec<_> = items.iter().map(|item| Some(Spanned::new(r.text(item)?, item.span.clone()))).collect();
            read.into_iter().collect::<Option<Vec<_>>>()
        });
        let shape = self.without_binds(node, |r| r.shape(&map));
        self.scope.other = None;
        Some(Rule { id: id?, title: title?, cites: cites?, note, shape: shape? })
    }

    fn shape(&mut self, map: &Map<'_>) -> Option<Shape> {
        let all: Vec<&str> = SHAPES.iter().map(|(key, _)| *key).collect();
        let Some((kind, own)) = SHAPES.iter().find(|(key, _)| map.has(key)) else {
            let what = format!("a rule has one of {}", listed(all, "and"));
            self.complain(Diagnostic::new("suite::missing_key", map.span, what, "nothing to look at"));
            return None;
        };
        let judging = ["reply", "answered", "begins", "per", "after", "first", "unique", "if", "same", "then"];
        let foreign = all.iter().chain(&judging).find(|key| map.has(key) && *key != kind && !own.contains(key));
        if let Some(foreign) = foreign {
            let what = format!("`{foreign}` does not go with `{kind}`");
            let label = format!("`{kind}` goes with {}", listed(own.iter().copied(), "and"));
            self.complain(Diagnostic::new("suite::one_key", map.span, what, label));
            return None;
        }
        let before = self.diagnostics.len();
        let shape = match *kind {
            "request" => {
                let request = self.look(map, "request");
                self.scope.other = Some("request");
                Shape::Exchange {
                    request: request?,
                    reply: self.look(map, "reply")?,
                    when: self.fields(map, "if"),
                    demand: self.demand(map),
                    answered: self.read(map, "answered", |r, node| {
                        let length = r.duration(node)?;
                        r.resolve(node, &length)
                    }),
                }
            }
            "forward" => {
                let forward = self.look(map, "forward");
                self.scope.other = Some("received");
                Shape::Forward { forward: forward?, when: self.fields(map, "if"), demand: self.demand(map) }
            }
            "series" => {
                let series = self.look(map, "series");
                let after = map.has("after").then(|| self.look(map, "after"));
                let per = self.read(map, "per", Self::paths).unwrap_or_default();
                let unique = self.read(map, "unique", Self::paths).unwrap_or_default();
                let first = self.fields(map, "first");
                self.scope.other = Some("previous");
                let (when, demand) = (self.fields(map, "if"), self.demand(map));
                let after = match after {
                    Some(after) => Some(after?),
                    None => None,
                };
                Shape::Series { series: series?, per, after, first, when, demand, unique }
            }
            "never" => {
                let (after, never) = (self.look(map, "after"), self.look(map, "never"));
                let per = self.read(map, "per", Self::paths).unwrap_or_default();
                Shape::Never { after: after?, never: never?, per }
            }
            _ => {
                let begins = self.read(map, "begins", Self::bool).unwrap_or_default();
                Shape::Packet { when: self.look(map, "when")?, begins, then: self.fields(map, "then") }
            }
        };
        let empty = match &shape {
            Shape::Packet { then, .. } => then.is_empty(),
            Shape::Exchange { demand, answered, .. } => *demand == Demand::default() && answered.is_none(),
            Shape::Forward { demand, .. } => *demand == Demand::default(),
            Shape::Series { demand, first, unique, .. } => {
                *demand == Demand::default() && first.is_empty() && unique.is_empty()
            }
            Shape::Never { .. } => false,
        };
        if empty && self.diagnostics.len() == before {
            let what = "this rule demands nothing";
            let diagnostic = Diagnostic::new("suite::vacuous", map.span, what, "always true");
            self.complain(diagnostic.with_help(format!("`{kind}` goes with {}", listed(own.iter().copied(), "and"))));
        }
        Some(shape)
    }

    fn look(&mut self, map: &Map<'_>, key: &str) -> Option<Look> {
        let Some(node) = map.get(key) else {
            self.complain(Diagnostic::new("suite::missing_key", map.span, format!("`{key}` is missing"), "here"));
            return None;
        };
        let map = self.map(node, &vocabulary::LOOK)?;
        let msg = self.read(&map, "msg", Self::msg);
        Some(Look { msg: msg?, matches: self.fields(&map, "match") })
    }

    fn demand(&mut self, map: &Map<'_>) -> Demand {
        Demand { same: self.read(map, "same", Self::paths).unwrap_or_default(), then: self.fields(map, "then") }
    }

    fn fields(&mut self, map: &Map<'_>, key: &str) -> Row {
        self.read(map, key, |r, node| r.row(node, Fields::Packet)).unwrap_or_default()
    }

    fn known_breach(&mut self, node: &Node) -> Option<Exception> {
        let map = self.map(node, &vocabulary::BREACH)?;
        let rule = self.read(&map, "rule", |r, node| Some(Spanned::new(r.slug(node, true)?, node.span.clone())));
        let reason = self.read(&map, "reason", Self::text);
        let capture = self.read(&map, "capture", Self::text);
        let name = self.read(&map, "impl", |r, node| r.slug(node, false));
        let versions = self.read(&map, "versions", |r, node| {
            let text = r.text(node)?;
            let range = text.parse().ok();
            if range.is_none() {
                r.mismatch(node, "versions such as \">=8.0, <10.2\"", None);
            }
            range
        });
        let case = self.read(&map, "case", |r, node| r.slug(node, true));
        let place = match self.exactly_one(&map, &node.span, &["capture", "impl"])? {
            "capture" => Exempt::Capture(capture?),
            _ => Exempt::Implementation { name: name?, versions, case },
        };
        Some(Exception { rule: rule?, place, reason: reason? })
    }
}
