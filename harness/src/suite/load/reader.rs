//! From tree to typed values, complaining about everything and giving up on nothing.
//!
//! Each function returns `None` exactly when it has complained, so that a caller reads all the fields of a mapping first
//! and only then asks whether all of them are there.

use std::sync::Arc;
use std::time::Duration;

use super::scope::Scope;
use crate::suite::diagnostic::{Diagnostic, listed, suggest};
use crate::suite::duration::{DurationError, DurationExpr, is_name};
use crate::suite::model::Tolerance;
use crate::suite::span::{SourceFile, Span};
use crate::suite::topology::{Cidr, Percent};
use crate::suite::tree::{Entry, Kind, Node};
use crate::suite::vocabulary::{self, Shape};

/// More complaints about one file than this help nobody.
pub(super) const MAX_DIAGNOSTICS: usize = 100;

/// The state of reading one file.
pub(super) struct Reader {
    pub(super) file: Arc<SourceFile>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// The names known at this point of the file.
    pub(super) scope: Scope,
}

/// A mapping whose keys were checked against its shape.
#[derive(Clone, Copy)]
pub(super) struct Map<'n> {
    shape: &'static Shape,
    entries: &'n [Entry],
    /// Where to complain about the mapping as a whole.
    pub(super) span: &'n Span,
}

impl<'n> Map<'n> {
    pub(super) fn entry(&self, key: &str) -> Option<&'n Entry> {
        debug_assert!(self.shape.key(key).is_some(), "`{key}` is not in the vocabulary of {}", self.shape.name);
        self.entries.iter().find(|entry| &*entry.key.value == key)
    }

    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// Those of `keys` that are there.
    pub(super) fn present(&self, keys: &[&'static str]) -> Vec<&'static str> {
        keys.iter().copied().filter(|key| self.has(key)).collect()
    }
}

impl Reader {
    pub(super) fn new(file: Arc<SourceFile>, diagnostics: Vec<Diagnostic>) -> Self {
        Self { file, diagnostics, scope: Scope::default() }
    }

    pub(super) fn complain(&mut self, diagnostic: Diagnostic) {
        if self.diagnostics.len() < MAX_DIAGNOSTICS {
            self.diagnostics.push(diagnostic);
        }
    }

    /// "expected .., found ..".
    pub(super) fn mismatch(&mut self, node: &Node, expected: &str, help: Option<String>) {
        // Bad nodes have been complained about.
        if matches!(node.kind, Kind::Bad) {
            return;
        }
        let what = format!("expected {expected}, found {}", node.found());
        // A long list of words is said once; the label only points.
        let label = if expected.len() > 40 { "unexpected".to_owned() } else { format!("not {expected}") };
        let mut diagnostic = Diagnostic::new("suite::wrong_type", &node.span, what, label);
        diagnostic.help = help;
        self.complain(diagnostic);
    }

    pub(super) fn unknown(&mut self, span: &Span, what: &str, word: &str, help: String) {
        let code = "suite::unknown_name";
        let message = format!("unknown {what} `{word}`");
        self.complain(Diagnostic::new(code, span, message, format!("no such {what}")).with_help(help));
    }

    /// A mapping of a given shape: unknown and missing keys are complained about here.
    pub(super) fn map<'n>(&mut self, node: &'n Node, shape: &'static Shape) -> Option<Map<'n>> {
        let Kind::Map(entries) = &node.kind else {
            self.mismatch(node, &format!("a mapping ({})", shape.name), Some(keys_of(shape)));
            return None;
        };
        for entry in entries.iter() {
            if shape.key(&entry.key).is_none() {
                let what = format!("unknown key `{}` in {}", &*entry.key.value, shape.name);
                let label = "not a key of this mapping";
                let help = suggest(&entry.key, shape.names());
                self.complain(Diagnostic::new("suite::unknown_key", &entry.key.span, what, label).with_help(help));
            }
        }
        let map = Map { shape, entries, span: &node.span };
        let missing: Vec<_> =
            shape.keys.iter().filter(|key| key.required && !map.has(key.name)).map(|key| key.name).collect();
        for key in &missing {
            let what = format!("`{key}` is missing in {}", shape.name);
            let doc = shape.key(key).map_or("", |key| key.doc);
            let diagnostic = Diagnostic::new("suite::missing_key", &node.span, what, format!("no `{key}` here"));
            self.complain(diagnostic.with_help(format!("{key}: {doc}")));
        }
        Some(map)
    }

    /// A mapping with exactly one key, such as a step.
    pub(super) fn one<'n>(&mut self, node: &'n Node, shape: &'static Shape) -> Option<&'n Entry> {
        let map = self.map(node, shape)?;
        match map.entries {
            [entry] => shape.key(&entry.key).map(|_| entry),
            entries => {
                let known: Vec<_> = entries.iter().filter(|entry| shape.key(&entry.key).is_some()).collect();
                let found = match known.as_slice() {
                    [] => "none".to_owned(),
                    known => listed(known.iter().map(|entry| &*entry.key.value), "and"),
                };
                // With one known and one misspelt key the misspelling alone is the news.
                if known.len() != 1 {
                    let what = format!("a {} has exactly one key, found {found}", shape.name);
                    let help = match shape.name {
                        "matcher" => "for a range say { between: [1, 5] }, for several rules several steps",
                        _ => "check the indentation: what belongs to a key stands deeper than it",
                    };
                    let diagnostic = Diagnostic::new("suite::one_key", &node.span, what, "here");
                    self.complain(diagnostic.with_help(help));
                }
                None
            }
        }
    }

    /// The entries of a mapping whose keys are names or paths.
    pub(super) fn dict<'n>(&mut self, node: &'n Node, expected: &str) -> Option<&'n [Entry]> {
        match &node.kind {
            Kind::Map(entries) => Some(entries),
            _ => {
                self.mismatch(node, expected, None);
                None
            }
        }
    }

    pub(super) fn list<'n>(&mut self, node: &'n Node, expected: &str) -> Option<&'n [Node]> {
        match &node.kind {
            Kind::Seq(items) => Some(items),
            _ => {
                self.mismatch(node, expected, Some("put `[` and `]` round it, or `- ` before each item".to_owned()));
                None
            }
        }
    }

    /// A list, or what stands there as its only item.
    pub(super) fn one_or_many<'n>(&mut self, node: &'n Node, expected: &str) -> Option<&'n [Node]> {
        match &node.kind {
            Kind::Seq(items) => Some(items),
            Kind::Bad => None,
            _ if node.is_null() => {
                self.mismatch(node, expected, None);
                None
            }
            _ => Some(std::slice::from_ref(node)),
        }
    }

    /// Reads the value of a key, if it is there.
    pub(super) fn read<T>(
        &mut self,
        map: &Map<'_>,
        key: &str,
        read: impl FnOnce(&mut Self, &Node) -> Option<T>,
    ) -> Option<T> {
        map.get(key).and_then(|node| read(self, node))
    }

    pub(super) fn scalar<'n>(&mut self, node: &'n Node, expected: &str) -> Option<(&'n str, bool)> {
        match node.as_scalar() {
            Some(scalar) if !node.is_null() => Some(scalar),
            _ => {
                self.mismatch(node, expected, None);
                None
            }
        }
    }

    /// Words. What YAML would take for something else needs quotes, because other tools read these files too.
    pub(super) fn text(&mut self, node: &Node) -> Option<String> {
        let (text, plain) = self.scalar(node, "text")?;
        let number = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
            && (text.parse::<f64>().is_ok() || parse_int(text).is_some());
        if plain && (number || matches!(text, "true" | "false")) {
            self.mismatch(node, "text", Some(format!("put it in quotes: \"{text}\"")));
            return None;
        }
        if text.trim().is_empty() {
            self.mismatch(node, "text", None);
            return None;
        }
        Some(text.trim_end().to_owned())
    }

    pub(super) fn texts(&mut self, node: &Node) -> Option<Vec<String>> {
        let items = self.one_or_many(node, "a list of words")?;
        let read: Vec<_> = items.iter().map(|item| self.text(item)).collect();
        read.into_iter().collect()
    }

    /// Lower-case letters, digits and hyphens; dots as well, because sections have them.
    pub(super) fn slug(&mut self, node: &Node, path: bool) -> Option<String> {
        let text = self.text(node)?;
        let segment = |segment: &str| {
            segment.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && segment.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.')
        };
        let good = if path { text.split('/').all(segment) } else { segment(&text) };
        if !good {
            let help = "lower-case letters, digits, hyphens and dots, so that it needs no quotes in any shell";
            self.mismatch(node, if path { "an id such as nhrp/registration" } else { "a slug" }, Some(help.to_owned()));
            return None;
        }
        Some(text)
    }

    /// A name that later steps refer to, with or without `$`.
    pub(super) fn name(&mut self, node: &Node) -> Option<String> {
        let (text, _) = self.scalar(node, "a name")?;
        let name = text.strip_prefix('$').unwrap_or(text);
        if is_name(name) {
            return Some(name.to_owned());
        }
        let help = "a letter, then letters, digits and underscores (a hyphen would be a minus sign)";
        self.mismatch(node, "a name", Some(help.to_owned()));
        None
    }

    pub(super) fn int(&mut self, node: &Node, max: u64) -> Option<u64> {
        let expected = "a whole number";
        let (text, plain) = self.scalar(node, expected)?;
        let Some(value) = parse_int(text).filter(|_| plain) else {
            let help =
                if parse_int(text).is_some() { "leave the quotes out" } else { "decimal, or hexadecimal with 0x" };
            self.mismatch(node, expected, Some(help.to_owned()));
            return None;
        };
        if value > max {
            let what = format!("{value} is too large");
            self.complain(Diagnostic::new("suite::range", &node.span, what, format!("at most {max}")));
            return None;
        }
        Some(value)
    }

    pub(super) fn int32(&mut self, node: &Node) -> Option<u32> {
        self.int(node, u64::from(u32::MAX)).and_then(|value| u32::try_from(value).ok())
    }

    pub(super) fn bool(&mut self, node: &Node) -> Option<bool> {
        match node.as_scalar() {
            Some(("true", true)) => Some(true),
            Some(("false", true)) => Some(false),
            _ => {
                self.mismatch(node, "`true` or `false`", None);
                None
            }
        }
    }

    /// `present: true`; the opposite has a key of its own.
    pub(super) fn only_true(&mut self, node: &Node, otherwise: &str) -> Option<()> {
        if self.bool(node)? {
            return Some(());
        }
        self.mismatch(node, "`true`", Some(otherwise.to_owned()));
        None
    }

    pub(super) fn word(&mut self, node: &Node, words: &'static [&'static str]) -> Option<&'static str> {
        let expected = listed(words.iter().copied(), "or");
        let (text, _) = self.scalar(node, &expected)?;
        let found = words.iter().copied().find(|word| *word == text);
        if found.is_none() {
            self.mismatch(
                node,
                &expected,
                crate::suite::diagnostic::nearest(text, words.iter().copied())
                    .map(|word| format!("did you mean `{word}`?")),
            );
        }
        found
    }

    /// A duration that has a value with the parameters in force.
    pub(super) fn duration(&mut self, node: &Node) -> Option<DurationExpr> {
        let (text, _) = self.scalar(node, "a duration")?;
        let expr = match DurationExpr::parse(text) {
            Ok(expr) => expr,
            Err(error) => {
                self.bad_duration(node, &error);
                return None;
            }
        };
        self.resolve(node, &expr)?;
        Some(expr)
    }

    /// The value of a duration, or a complaint why it has none.
    pub(super) fn resolve(&mut self, node: &Node, expr: &DurationExpr) -> Option<Duration> {
        let result = expr.resolve(&self.scope.params);
        if let Err(error) = &result {
            self.bad_duration(node, error);
        }
        result.ok()
    }

    fn bad_duration(&mut self, node: &Node, error: &DurationError) {
        let grammar = "a number with its unit (us, ms, s, m, h, d), a parameter ($hold), \
                       or a sum or whole part of those ($hold/3 + 1s)";
        match error {
            DurationError::NoUnit { suggestion } => {
                let diagnostic = Diagnostic::new("suite::unit", &node.span, "a duration needs its unit", "no unit");
                self.complain(diagnostic.with_help(format!("say {suggestion}")));
            }
            DurationError::Syntax(_) => self.mismatch(node, "a duration", Some(grammar.to_owned())),
            DurationError::UnknownParam(name) => {
                let help = suggest(name, self.scope.params.keys().map(String::as_str));
                self.unknown(&node.span, "parameter", &name.clone(), help);
            }
            DurationError::NotADuration(name) => {
                let value = self.scope.params.get(name).map(ToString::to_string).unwrap_or_default();
                let what = format!("the parameter `{name}` is not a duration but `{value}`");
                let diagnostic = Diagnostic::new("suite::unit", &node.span, what, "used as a duration");
                self.complain(diagnostic.with_help(format!("declare it with a unit, such as `{name}: 60s`")));
            }
            DurationError::Negative | DurationError::OutOfRange => {
                let what = format!("this duration has no value: {error}");
                self.complain(Diagnostic::new("suite::range", &node.span, what, "with the parameters of this case"));
            }
        }
    }

    pub(super) fn percent(&mut self, node: &Node) -> Option<Percent> {
        let (text, _) = self.scalar(node, "a percentage")?;
        let number = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
        match number {
            // The cast is of a number between 0 and a million.
            Some(number) if (0.0..=100.0).contains(&number) => Some(Percent::from_ppm((number * 1e4).round() as u32)),
            _ => {
                let help = match text.parse::<f64>() {
                    // Half of everything or half a hundredth? Only the author knows.
                    Ok(number) if number > 0.0 && number < 1.0 => format!("say {}% or {number}%", number * 100.0),
                    Ok(number) => format!("say {number}%"),
                    Err(_) => "0% to 100%".to_owned(),
                };
                self.mismatch(node, "a percentage", Some(help));
                None
            }
        }
    }

    pub(super) fn addr(&mut self, node: &Node) -> Option<std::net::IpAddr> {
        let (text, _) = self.scalar(node, "an IP address")?;
        let addr = text.parse().ok();
        if addr.is_none() {
            let help = text.contains('/').then(|| "without a prefix length".to_owned());
            self.mismatch(node, "an IP address", help);
        }
        addr
    }

    pub(super) fn cidr(&mut self, node: &Node) -> Option<Cidr> {
        let expected = "an address with its prefix length";
        let (text, _) = self.scalar(node, expected)?;
        let parsed = text.split_once('/').and_then(|(addr, len)| {
            let cidr = Cidr { addr: addr.parse().ok()?, prefix_len: len.parse().ok()? };
            (cidr.prefix_len <= if cidr.addr.is_ipv4() { 32 } else { 128 }).then_some(cidr)
        });
        if parsed.is_none() {
            self.mismatch(node, expected, Some("such as 10.0.0.1/24".to_owned()));
        }
        parsed
    }

    /// Octets: pairs of hexadecimal digits, with blanks anywhere between pairs.
    pub(super) fn hex(&mut self, node: &Node) -> Option<Vec<u8>> {
        let expected = "octets in hexadecimal";
        let Some((text, plain)) = node.as_scalar().filter(|(text, plain)| !(text.is_empty() && *plain)) else {
            self.mismatch(node, expected, None);
            return None;
        };
        // `hex: 0102` is the number 102 to many readers.
        if plain && text.parse::<f64>().is_ok() {
            self.mismatch(node, expected, Some(format!("put it in quotes: \"{text}\"")));
            return None;
        }
        let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let pairs = digits.chunks(2).map(|pair| match pair {
            [high, low] => Some(hex_digit(*high)? << 4 | hex_digit(*low)?),
            _ => None,
        });
        let octets: Option<Vec<u8>> = pairs.collect();
        if octets.is_none() {
            self.mismatch(node, expected, Some("two digits per octet, such as \"80 07 00 0a\"".to_owned()));
        }
        octets
    }

    pub(super) fn tolerance(&mut self, node: &Node) -> Option<Tolerance> {
        let map = self.map(node, &vocabulary::TOLERANCE)?;
        let abs = self.read(&map, "abs", Self::duration);
        let pct = self.read(&map, "pct", |r, node| r.int(node, 100)).and_then(|pct| u32::try_from(pct).ok());
        Some(Tolerance { abs, pct })
    }
}

/// What a mapping of that shape may hold.
fn keys_of(shape: &Shape) -> String {
    format!("its keys: {}", listed(shape.names(), "and"))
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Decimal, or hexadecimal with `0x`. No sign, no octal, no underscores.
pub(super) fn parse_int(text: &str) -> Option<u64> {
    let digits = |text: &str, radix| {
        let good = !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
        good.then(|| u64::from_str_radix(text, radix).ok()).flatten()
    };
    match text.strip_prefix("0x") {
        Some(hex) => digits(hex, 16),
        None => digits(text, 10),
    }
}
