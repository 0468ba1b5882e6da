//! Steps about packets: `send`, `expect`, `expect_none`, `expect_every`.

use super::matcher::Fields;
use super::reader::{Map, Reader};
use crate::dissect::catalogue;
use crate::suite::diagnostic::{Diagnostic, listed, suggest};
use crate::suite::packet::{
    At, Count, ExpectEvery, ExpectNone, ExtensionContent, ExtensionSpec, Fix, GreChecksum, GreFields, GreKey, IpFields,
    Msg, Mutation, PacketExpectation, PacketPattern, SendContent, SendStep,
};
use crate::suite::span::Span;
use crate::suite::tree::Node;
use crate::suite::vocabulary;

impl Reader {
    /// A complaint about keys of one mapping that exclude each other, or of which one is needed.
    pub(super) fn exactly_one(&mut self, map: &Map<'_>, span: &Span, keys: &[&'static str]) -> Option<&'static str> {
        let present = map.present(keys);
        if let [key] = present.as_slice() {
            return Some(key);
        }
        let all = listed(keys.iter().copied(), "and");
        let what = match present.as_slice() {
            [] => format!("one of {all} is missing"),
            some => format!("{} exclude each other", listed(some.iter().copied(), "and")),
        };
        self.complain(Diagnostic::new("suite::one_key", span, what, format!("exactly one of {all} belongs here")));
        None
    }

    /// Runs a reader in a place where `bind` has nothing to keep.
    pub(super) fn without_binds<T>(&mut self, node: &Node, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let before = self.scope.values.clone();
        let result = read(self);
        if self.scope.values.len() > before.len() {
            let help = "only an `expect` (outside `not`) has one packet whose fields can be kept";
            let diagnostic = Diagnostic::new("suite::bind", &node.span, "`bind` has no use here", "in this step");
            self.complain(diagnostic.with_help(help));
        }
        self.scope.values = before;
        result
    }

    /// The keys that all looks at packets share.
    fn pattern(&mut self, map: &Map<'_>) -> Option<PacketPattern> {
        let on = self.read(map, "on", Self::place);
        let from = self.read(map, "from", Self::node_ref);
        let to = self.read(map, "to", Self::node_ref);
        let msg = self.read(map, "msg", Self::msg);
        let matches = self.read(map, "match", |r, node| r.row(node, Fields::Packet)).unwrap_or_default();
        Some(PacketPattern { on, from, to, msg, matches })
    }

    pub(super) fn msg(&mut self, node: &Node) -> Option<Msg> {
        let name = self.text(node)?;
        let msg = Msg::from_name(&name);
        if msg.is_none() {
            self.unknown(&node.span, "message", &name, suggest(&name, vocabulary::MESSAGES.iter().copied()));
        }
        msg
    }

    /// Alternatives. What all of them bind is known afterwards, what only some bind is not.
    fn any_of(&mut self, map: &Map<'_>) -> Option<Vec<PacketPattern>> {
        let Some(node) = map.get("any_of") else { return Some(Vec::new()) };
        let items = self.list(node, "a list of alternatives")?;
        if items.len() < 2 {
            self.mismatch(
                node,
                "two alternatives or more",
                Some("a single one belongs into the step itself".to_owned()),
            );
            return None;
        }
        let before = self.scope.values.clone();
        let mut common = None;
        let mut patterns = Vec::new();
        for item in items {
            self.scope.values = before.clone();
            let pattern = self.map(item, &vocabulary::PATTERN).and_then(|map| self.pattern(&map));
            patterns.push(pattern);
            let bound = std::mem::take(&mut self.scope.values);
            common = Some(common.map_or(bound.clone(), |common| &common & &bound));
        }
        self.scope.values = common.unwrap_or(before);
        patterns.into_iter().collect()
    }

    /// `at: 60s`, `at: 20s` with `after`, or `at: { after, is }`.
    pub(super) fn at(&mut self, node: &Node, after: Option<&String>) -> Option<At> {
        if node.as_scalar().is_some() {
            return Some(At { after: after.cloned(), is: self.duration(node)? });
        }
        let map = self.map(node, &vocabulary::AT_AFTER)?;
        let inner = self.read(&map, "after", Self::instant_ref);
        let is = self.read(&map, "is", Self::duration);
        Some(At { after: inner.or_else(|| after.cloned()), is: is? })
    }

    /// No packet is what `expect_none` is for. Never true.
    fn none_expected(&mut self, node: &Node) -> bool {
        self.mismatch(node, "a number above 0", Some("say `expect_none`, which needs a control".to_owned()));
        false
    }

    fn count(&mut self, node: &Node) -> Option<Count> {
        let many = u64::from(u32::MAX);
        if node.as_scalar().is_some() {
            let count = self.int(node, many)?;
            if count == 0 && !self.none_expected(node) {
                return None;
            }
            return Some(Count { min: count, max: Some(count) });
        }
        let entry = self.one(node, &vocabulary::COUNT_RANGE)?;
        match &*entry.key.value {
            "ge" => self.int(&entry.value, many).map(|min| Count { min, max: None }),
            "le" => {
                let max = self.int(&entry.value, many)?;
                (max > 0 || self.none_expected(&entry.value)).then_some(Count { min: 0, max: Some(max) })
            }
            _ => match self.list(&entry.value, "a list of two numbers")? {
                [low, high] => {
                    let (low, high) = (self.int(low, many)?, self.int(high, many)?);
                    if low > high || high == 0 {
                        self.mismatch(&entry.value, "the lower bound first, and an upper one above 0", None);
                        return None;
                    }
                    Some(Count { min: low, max: Some(high) })
                }
                _ => {
                    self.mismatch(&entry.value, "the lower and the upper bound", None);
                    None
                }
            },
        }
    }

    pub(super) fn expect(&mut self, node: &Node) -> Option<PacketExpectation> {
        self.scope.judgements += 1;
        let map = self.map(node, &vocabulary::EXPECT)?;
        let pattern = self.pattern(&map);
        let any_of = self.any_of(&map);
        let after = self.read(&map, "after", Self::instant_ref);
        let at = self.read(&map, "at", |r, node| r.at(node, after.as_ref()));
        let within = self.read(&map, "within", Self::duration);
        if map.has("at") && map.has("within") {
            let what = "`at` and `within` exclude each other";
            let diagnostic = Diagnostic::new("suite::one_key", &node.span, what, "an instant or an upper bound");
            self.complain(diagnostic.with_help("the slack of `at` is its `tolerance`"));
        }
        let tolerance = self.read(&map, "tolerance", Self::tolerance);
        let count = self.read(&map, "count", Self::count).unwrap_or_default();
        let bind_as = self.read(&map, "as", Self::new_packet);
        Some(PacketExpectation { pattern: pattern?, any_of: any_of?, within, at, after, tolerance, count, bind_as })
    }

    pub(super) fn expect_none(&mut self, node: &Node, verb: &Span) -> Option<ExpectNone> {
        self.scope.judgements += 1;
        let map = self.map(node, &vocabulary::EXPECT_NONE)?;
        let (pattern, any_of) =
            self.without_binds(node, |r| Some((r.pattern(&map), r.any_of(&map)))).unwrap_or_default();
        let during = self.read(&map, "for", Self::duration);
        let after = self.read(&map, "after", Self::instant_ref);
        let because = self.read(&map, "because", Self::text);
        if because.is_none() {
            self.scope.absences.push((verb.clone(), None));
        }
        Some(ExpectNone { pattern: pattern?, any_of: any_of?, during: during?, after, because })
    }

    pub(super) fn expect_every(&mut self, node: &Node) -> Option<ExpectEvery> {
        self.scope.judgements += 1;
        let map = self.map(node, &vocabulary::EXPECT_EVERY)?;
        let pattern = self.without_binds(node, |r| r.pattern(&map));
        let period = self.read(&map, "period", |r, node| {
            let period = r.duration(node)?;
            if r.resolve(node, &period)?.is_zero() {
                r.mismatch(node, "a period above zero", None);
                return None;
            }
            Some(period)
        });
        let tolerance = self.read(&map, "tolerance", Self::tolerance);
        let times = self.read(&map, "times", Self::int32);
        if times == Some(0) {
            self.complain(Diagnostic::new("suite::range", &node.span, "`times: 0` looks at nothing", "at least 1"));
        }
        let after = self.read(&map, "after", Self::instant_ref);
        Some(ExpectEvery { pattern: pattern?, period: period?, tolerance, times: times?, after })
    }

    pub(super) fn send(&mut self, node: &Node) -> Option<SendStep> {
        let map = self.map(node, &vocabulary::SEND)?;
        let from = self.read(&map, "from", Self::scripted_ref);
        let to = self.read(&map, "to", Self::node_ref);
        let on = self.read(&map, "on", Self::link_ref);
        let content = self.exactly_one(&map, &node.span, &["msg", "raw", "packet"]);
        let content = content.and_then(|key| match key {
            "msg" => self.message(&map),
            "raw" => self.read(&map, "raw", Self::hex).map(SendContent::Raw),
            _ => self.read(&map, "packet", Self::packet_ref).map(SendContent::Packet),
        });
        if !map.has("msg") {
            for key in map.present(&["fields", "extensions", "cies", "reply_to"]) {
                let what = format!("`{key}` needs `msg`");
                let diagnostic = Diagnostic::new("suite::one_key", &node.span, what, "there is no message to build");
                self.complain(diagnostic.with_help("octets that are there already are changed by `mutate`"));
            }
        }
        if to.is_none() && !map.has("to") && !map.has("reply_to") && !map.has("packet") {
            let diagnostic =
                Diagnostic::new("suite::missing_key", &node.span, "`to` is missing in send", "no `to` here");
            self.complain(
                diagnostic.with_help("only an answer (`reply_to`) and a repetition (`packet`) know their way"),
            );
        }
        let gre = self.read(&map, "gre", Self::gre).unwrap_or_default();
        let ip = self.read(&map, "ip", Self::ip_header).unwrap_or_default();
        if map.has("packet") && map.has("gre") {
            let diagnostic =
                Diagnostic::new("suite::one_key", &node.span, "`gre` needs something to wrap", "the packet has it all");
            self.complain(diagnostic.with_help("octets that are there already are changed by `mutate`"));
        }
        let repeat = self.read(&map, "repeat", Self::times).unwrap_or(1);
        let every = self.read(&map, "every", Self::duration);
        if repeat == 1 && every.is_some() {
            let diagnostic = Diagnostic::new("suite::one_key", &node.span, "`every` needs `repeat`", "sent once only");
            self.complain(diagnostic.with_help("say how often: `repeat: 10`"));
        }
        let mutate = self.read(&map, "mutate", |r, node| {
            let items = r.list(node, "a list of changes")?;
            let read: Vec<_> = items.iter().map(|item| r.mutation(item)).collect();
            read.into_iter().collect::<Option<Vec<_>>>()
        });
        let bind_as = self.read(&map, "as", Self::new_packet);
        let mutate = mutate.unwrap_or_default();
        Some(SendStep { from: from?, to, on, content: content?, gre, ip, mutate, repeat, every, bind_as })
    }

    /// How often something is sent.
    fn times(&mut self, node: &Node) -> Option<u32> {
        const MOST: u64 = 10_000;
        match self.int(node, MOST)? {
            0 => {
                self.mismatch(node, "a number above 0", None);
                None
            }
            times => u32::try_from(times).ok(),
        }
    }

    /// `none`, or what differs from the node's own header.
    fn gre(&mut self, node: &Node) -> Option<GreFields> {
        if node.as_scalar() == Some(("none", true)) {
            return Some(GreFields { none: true, ..GreFields::default() });
        }
        let map = self.map(node, &vocabulary::GRE)?;
        let key = self.read(&map, "key", Self::gre_key);
        let narrow = |value: u64| u16::try_from(value).ok();
        Some(GreFields {
            none: false,
            key: key.map(|key| key.map_or(GreKey::None, GreKey::Key)),
            checksum: self.read(&map, "checksum", |r, node| match node.as_scalar() {
                Some(("wrong", true)) => Some(GreChecksum::Wrong),
                _ => r.only_true(node, "leave it out, or say `wrong`").map(|()| GreChecksum::Right),
            }),
            sequence: self.read(&map, "sequence", Self::int32),
            protocol: self.read(&map, "protocol", |r, node| r.int(node, 0xFFFF)).and_then(narrow),
            flags: self.read(&map, "flags", |r, node| r.int(node, 0xFFFF)).and_then(narrow),
            version: self.read(&map, "version", |r, node| r.int(node, 7)).and_then(|value| u8::try_from(value).ok()),
        })
    }

    fn ip_header(&mut self, node: &Node) -> Option<IpFields> {
        let map = self.map(node, &vocabulary::IP)?;
        let mut octet =
            |key: &str| self.read(&map, key, |r, node| r.int(node, 255)).and_then(|value| u8::try_from(value).ok());
        let (ttl, tos) = (octet("ttl"), octet("tos"));
        Some(IpFields { src: self.read(&map, "src", Self::addr), ttl, tos })
    }

    /// A node that does as it is told.
    pub(super) fn scripted_ref(&mut self, node: &Node) -> Option<String> {
        let name = self.node_ref(node)?;
        if self.scope.nodes.get(&name) != Some(&true) {
            let what = format!("`{name}` is not scripted and sends what it likes");
            let diagnostic = Diagnostic::new("suite::binding", &node.span, what, "can not be made to send");
            self.complain(
                diagnostic.with_help("declare the node with `scripted: true`, in this case's topology if need be"),
            );
            return None;
        }
        Some(name)
    }

    fn message(&mut self, map: &Map<'_>) -> Option<SendContent> {
        let msg = self.read(map, "msg", |r, node| {
            let msg = r.msg(node)?;
            if msg.nhrp_type().is_none() && msg != Msg::Ip {
                r.mismatch(node, "one type of message", Some("use `raw` for anything else".to_owned()));
                return None;
            }
            Some(msg)
        });
        if msg == Some(Msg::Ip) {
            for key in map.present(&["extensions", "cies"]) {
                let what = format!("an IP packet has no `{key}`");
                self.complain(Diagnostic::new("suite::one_key", map.span, what, "not in `msg: ip`"));
            }
        }
        let reply_to = self.read(map, "reply_to", Self::packet_ref);
        let fields = self.read(map, "fields", |r, node| r.field_values(node, Fields::Packet)).unwrap_or_default();
        let extensions = self.read(map, "extensions", |r, node| {
            let items = r.list(node, "a list of extensions")?;
            let read: Vec<_> = items.iter().map(|item| r.extension(item)).collect();
            read.into_iter().collect::<Option<Vec<_>>>()
        });
        let cies = self.read(map, "cies", Self::cie_values);
        Some(SendContent::Message { msg: msg?, reply_to, fields, extensions, cies })
    }

    fn extension(&mut self, node: &Node) -> Option<ExtensionSpec> {
        let map = self.map(node, &vocabulary::EXTENSION)?;
        let kind = self.read(&map, "type", Self::extension_type);
        let compulsory = self.read(&map, "compulsory", Self::bool);
        let given = map.present(&["value", "secret", "cies"]);
        let content = match given.as_slice() {
            [] => Some(ExtensionContent::Empty),
            ["value"] => self.read(&map, "value", Self::hex).map(ExtensionContent::Octets),
            ["secret"] => self.read(&map, "secret", Self::text).map(ExtensionContent::Secret),
            ["cies"] => self.read(&map, "cies", Self::cie_values).map(ExtensionContent::Cies),
            _ => {
                self.exactly_one(&map, &node.span, &["value", "secret", "cies"]);
                None
            }
        };
        Some(ExtensionSpec { kind: kind?, compulsory, content: content? })
    }

    /// A name of the catalogue or 14 bits.
    fn extension_type(&mut self, node: &Node) -> Option<u16> {
        let (text, _) = node.as_scalar().unwrap_or_default();
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return self.int(node, 0x3fff).and_then(|kind| u16::try_from(kind).ok());
        }
        let name = self.text(node)?;
        let known = catalogue::EXTENSIONS.iter().find(|(known, _)| *known == name);
        if known.is_none() {
            let names: Vec<&str> = catalogue::EXTENSIONS.iter().map(|(name, _)| *name).collect();
            self.unknown(&node.span, "extension", &name, suggest(&name, names.iter().copied()));
        }
        known.map(|(_, kind)| *kind)
    }

    fn mutation(&mut self, node: &Node) -> Option<Mutation> {
        let entry = self.one(node, &vocabulary::MUTATION)?;
        let operand = &entry.value;
        match &*entry.key.value {
            "set" => {
                let map = self.map(operand, &vocabulary::SET)?;
                self.set_value(&map).map(Mutation::Set)
            }
            "flip" => {
                let map = self.map(operand, &vocabulary::FLIP)?;
                let offset = self.read(&map, "offset", |r, node| r.int(node, 65_535));
                let bit = self.read(&map, "bit", |r, node| r.int(node, 7));
                Some(Mutation::Flip { offset: u32::try_from(offset?).ok()?, bit: u8::try_from(bit?).ok()? })
            }
            "truncate" => {
                let map = self.map(operand, &vocabulary::TRUNCATE)?;
                let to = self.read(&map, "to", |r, node| r.int(node, 65_535))?;
                Some(Mutation::Truncate { to: u32::try_from(to).ok()? })
            }
            "append" => {
                let map = self.map(operand, &vocabulary::APPEND)?;
                self.read(&map, "hex", Self::hex).map(Mutation::Append)
            }
            _ => {
                let items = self.one_or_many(operand, "a list of fields to calculate")?;
                let fixes: Vec<_> = items.iter().map(|item| self.fix(item)).collect();
                fixes.into_iter().collect::<Option<_>>().map(Mutation::Fix)
            }
        }
    }

    fn fix(&mut self, node: &Node) -> Option<Fix> {
        let word = self.word(node, vocabulary::FIXES)?;
        [Fix::Checksum, Fix::Pktsz, Fix::Extoff].into_iter().find(|fix| fix.name() == word)
    }
}
