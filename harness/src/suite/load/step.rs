//! One verb per step: which verb, in which world, with which arguments.

use std::net::IpAddr;

use super::matcher::Fields;
use super::reader::{Map, Reader};
use crate::suite::diagnostic::{Diagnostic, listed, suggest};
use crate::suite::model::{ClockKind, Steps, WorldKind};
use crate::suite::span::Spanned;
use crate::suite::step::{
    ClearStep, ExecStep, GroupStep, ImpairStep, MeasureStep, PingStep, ReadyStep, RenumberStep, RouteChange, RouteStep,
    StateCheck, StateStep, Step, WaitStep,
};
use crate::suite::topology::RouteDecl;
use crate::suite::tree::{Entry, Node};
use crate::suite::value::{Matcher, Row};
use crate::suite::views::{VIEWS, View};
use crate::suite::vocabulary;

use WorldKind::{Live, Real, Replay, Sim};

impl Reader {
    /// A list of steps; `None` if one of them is broken.
    pub(super) fn steps(&mut self, node: &Node) -> Option<Steps> {
        let items = self.list(node, "a list of steps")?;
        if items.is_empty() {
            self.mismatch(node, "at least one step", None);
            return None;
        }
        let steps: Vec<_> = items.iter().map(|item| self.step(item)).collect();
        steps.into_iter().collect()
    }

    fn step(&mut self, node: &Node) -> Option<Spanned<Step>> {
        let entry = self.one(node, &vocabulary::STEP)?;
        let step = self.verb(entry)?;
        Some(Spanned::new(step, entry.key.span.clone()))
    }

    fn verb(&mut self, entry: &Entry) -> Option<Step> {
        let (verb, node) = (&*entry.key.value, &entry.value);
        let able: &[WorldKind] = match verb {
            "start" | "stop" | "kill" | "restart" | "impair" | "heal" | "route" | "clear" | "renumber" => &[Sim, Real],
            "advance" => &[Sim, Replay, Real],
            "feed" => &[Sim],
            "ready" | "send" | "state" | "wait" | "ping" => &[Sim, Real, Live],
            "exec" => &[Real, Live],
            _ => &WorldKind::ALL,
        };
        if self.demand_worlds(node, verb, able) && verb == "advance" {
            self.demand_virtual_clock(node);
        }
        match verb {
            "start" => self.node_refs(node).map(Step::Start),
            "stop" => self.node_refs(node).map(Step::Stop),
            "kill" => self.node_refs(node).map(Step::Kill),
            "restart" => self.node_refs(node).map(Step::Restart),
            "ready" => self.ready(node).map(Step::Ready),
            "send" => self.send(node).map(Step::Send),
            "expect" => self.expect(node).map(Step::Expect),
            "expect_none" => self.expect_none(node, &entry.key.span).map(Step::ExpectNone),
            "expect_every" => self.expect_every(node).map(Step::ExpectEvery),
            "state" => self.state(node, entry).map(Step::State),
            "advance" => self.duration(node).map(Step::Advance),
            "wait" => self.wait(node).map(Step::Wait),
            "impair" => self.impair(node).map(Step::Impair),
            "heal" => self.heal(node).map(Step::Heal),
            "mark" => self.new_instant(node).map(Step::Mark),
            "measure" => self.measure(node).map(Step::Measure),
            "ping" => self.ping(node).map(Step::Ping),
            "route" => self.route_step(node).map(Step::Route),
            "clear" => self.clear(node).map(Step::Clear),
            "renumber" => self.renumber(node).map(Step::Renumber),
            "feed" => self.feed(node).map(Step::Feed),
            "exec" => self.exec(node).map(Step::Exec),
            "note" => self.text(node).map(Step::Note),
            _ => self.group(node).map(Step::Group),
        }
    }

    /// `advance` moves a clock that only some worlds let go of.
    fn demand_virtual_clock(&mut self, node: &Node) {
        let real = self.scope.worlds.contains(&Real) && self.scope.clock != Some(ClockKind::Virtual);
        if real || self.scope.clock == Some(ClockKind::Real) {
            let what = "`advance` needs a virtual clock, and this case may run with a real one";
            let help = "set `clock: virtual` or `worlds: [sim]` for the case, or use a step that waits for something";
            self.complain(
                Diagnostic::new("suite::clock", &node.span, what, "real time can not be moved").with_help(help),
            );
        }
    }

    fn ready(&mut self, node: &Node) -> Option<ReadyStep> {
        if !matches!(node.kind, crate::suite::tree::Kind::Map(_)) {
            return Some(ReadyStep { nodes: self.node_refs(node)?, within: None });
        }
        let map = self.map(node, &vocabulary::READY)?;
        let nodes = self.read(&map, "nodes", Self::node_refs);
        let within = self.read(&map, "within", Self::duration);
        Some(ReadyStep { nodes: nodes?, within })
    }

    fn wait(&mut self, node: &Node) -> Option<WaitStep> {
        if node.as_scalar().is_some() {
            let what = "`wait` has to say why";
            let help = "say `wait: { for: .., because: \"..\" }`; mostly `expect`, `state` or `ready` with `within` is \
                        what is wanted";
            self.complain(Diagnostic::new("suite::because", &node.span, what, "no reason").with_help(help));
            return None;
        }
        let map = self.map(node, &vocabulary::WAIT)?;
        let during = self.read(&map, "for", Self::duration);
        let because = self.read(&map, "because", Self::text);
        Some(WaitStep { during: during?, because: because? })
    }

    fn impair(&mut self, node: &Node) -> Option<ImpairStep> {
        let map = self.map(node, &vocabulary::IMPAIR)?;
        let effects = ["loss", "delay", "jitter", "duplicate", "reorder", "corrupt", "block"];
        if map.present(&effects).is_empty() {
            let what = "this impairs nothing";
            let help = format!("say one of {}", listed(effects, "or"));
            self.complain(Diagnostic::new("suite::missing_key", &node.span, what, "no effect").with_help(help));
        }
        let link = self.read(&map, "link", Self::link_ref);
        let otherwise = "leave it out, or say `heal`";
        Some(ImpairStep {
            from: self.read(&map, "from", Self::node_ref),
            to: self.read(&map, "to", Self::node_ref),
            loss: self.read(&map, "loss", Self::percent),
            delay: self.read(&map, "delay", Self::duration),
            jitter: self.read(&map, "jitter", Self::duration),
            duplicate: self.read(&map, "duplicate", Self::percent),
            reorder: self.read(&map, "reorder", Self::percent),
            corrupt: self.read(&map, "corrupt", Self::percent),
            block: self.read(&map, "block", |r, node| r.only_true(node, otherwise)).is_some(),
            during: self.read(&map, "for", Self::duration),
            link: link?,
        })
    }

    fn heal(&mut self, node: &Node) -> Option<String> {
        if node.as_scalar().is_some() {
            return self.link_ref(node);
        }
        let map = self.map(node, &vocabulary::HEAL)?;
        self.read(&map, "link", Self::link_ref)
    }

    fn measure(&mut self, node: &Node) -> Option<MeasureStep> {
        let map = self.map(node, &vocabulary::MEASURE)?;
        let from = self.read(&map, "from", Self::instant_ref);
        let to = self.read(&map, "to", Self::instant_ref);
        let at_most = self.read(&map, "at_most", Self::duration);
        let at_least = self.read(&map, "at_least", Self::duration);
        let name = self.read(&map, "name", |r, node| r.slug(node, false));
        if map.has("at_most") || map.has("at_least") {
            self.scope.judgements += 1;
        }
        Some(MeasureStep { from: from?, to: to?, at_most, at_least, name: name? })
    }

    fn ping(&mut self, node: &Node) -> Option<PingStep> {
        const MOST: u64 = 1000;
        self.scope.judgements += 1;
        let map = self.map(node, &vocabulary::PING)?;
        let from = self.read(&map, "from", Self::unscripted_ref);
        let to = self.read(&map, "to", Self::station);
        let source = self.read(&map, "source", Self::addr);
        if let (Some(from), Some(source)) = (&from, source) {
            self.demand_address(&map, from, source);
        }
        let count = self.read(&map, "count", |r, node| match r.int(node, MOST)? {
            0 => {
                r.mismatch(node, "a number above 0", None);
                None
            }
            count => Some(count),
        });
        let count = count.unwrap_or(3);
        let lost = self.read(&map, "lost", |r, node| r.int(node, count)).unwrap_or(0);
        let size = self.read(&map, "size", |r, node| r.int(node, 65_507));
        let within = self.read(&map, "within", Self::duration);
        Some(PingStep { from: from?, to: to?, source, count, size, within, lost })
    }

    /// An address that a node has inside: in a tunnel or in a network of its.
    fn demand_address(&mut self, map: &Map<'_>, node: &str, address: IpAddr) {
        let Some(decl) = self.scope.topology.nodes.get(node) else { return };
        let tunnels = decl.all_tunnels();
        let known: Vec<IpAddr> =
            tunnels.iter().map(|tunnel| tunnel.tunnel.addr).chain(decl.lan.iter().map(|lan| lan.addr)).collect();
        if !known.contains(&address) {
            let what = format!("`{node}` does not have the address {address}");
            let known: Vec<String> = known.iter().map(ToString::to_string).collect();
            let help = format!("its own are {}", listed(known.iter().map(String::as_str), "and"));
            let span = map.get("source").map_or(map.span, |source| &source.span);
            self.complain(Diagnostic::new("suite::topology", span, what, "not its own").with_help(help));
        }
    }

    fn route_step(&mut self, node: &Node) -> Option<RouteStep> {
        let map = self.map(node, &vocabulary::ROUTE_STEP)?;
        let place = self.read(&map, "node", Self::unscripted_ref);
        let add = self.read(&map, "add", Self::network);
        let via = self.read(&map, "via", Self::station);
        let delete = self.read(&map, "delete", Self::network);
        let change = match map.present(&["add", "via", "delete"]).as_slice() {
            ["add", "via"] => RouteChange::Add(RouteDecl { to: add?, via: via?, span: node.span.clone() }),
            ["delete"] => RouteChange::Delete(delete?),
            _ => {
                let what = "a route comes by `add` and `via`, or goes by `delete`";
                self.complain(Diagnostic::new("suite::one_key", &node.span, what, "neither of the two"));
                return None;
            }
        };
        let place = place?;
        let topology = std::mem::take(&mut self.scope.topology);
        if let (RouteChange::Add(route), Some(decl)) = (&change, topology.nodes.get(&place)) {
            self.check_route(&topology, &place, decl, route);
        }
        self.scope.topology = topology;
        Some(RouteStep { node: place, change })
    }

    fn clear(&mut self, node: &Node) -> Option<ClearStep> {
        let map = self.map(node, &vocabulary::CLEAR)?;
        let place = self.read(&map, "node", Self::unscripted_ref);
        let what = self.read(&map, "what", |r, node| r.word(node, vocabulary::CLEARABLE));
        Some(ClearStep { node: place?, what: what? })
    }

    fn renumber(&mut self, node: &Node) -> Option<RenumberStep> {
        let map = self.map(node, &vocabulary::RENUMBER)?;
        let place = self.read(&map, "node", Self::unscripted_ref);
        let nbma = self.read(&map, "nbma", Self::addr);
        let (place, nbma) = (place?, nbma?);
        let mut nodes = self.scope.topology.nodes.iter();
        let taken = nodes.clone().find(|(other, decl)| **other != place && decl.nbma == nbma);
        let foreign = nodes.any(|(name, decl)| *name == place && decl.nbma.is_ipv4() != nbma.is_ipv4());
        let trouble = match taken {
            Some((other, _)) => Some(format!("`{other}` has the address {nbma}")),
            None => foreign.then(|| format!("`{place}` has an address of the other family")),
        };
        if let Some(what) = trouble {
            self.complain(Diagnostic::new("suite::topology", &node.span, what, "not to be had"));
        }
        Some(RenumberStep { node: place, nbma })
    }

    fn exec(&mut self, node: &Node) -> Option<ExecStep> {
        self.scope.judgements += 1;
        let map = self.map(node, &vocabulary::EXEC)?;
        let place = self.read(&map, "node", Self::node_ref);
        let argv = self.read(&map, "argv", |r, node| {
            let items = r.list(node, "a list: the program and its arguments")?;
            if items.is_empty() {
                r.mismatch(node, "a program", None);
                return None;
            }
            let read: Vec<_> = items.iter().map(|item| r.argument(item)).collect();
            read.into_iter().collect::<Option<Vec<_>>>()
        });
        let exit = self.read(&map, "exit", |r, node| r.int(node, 255)).and_then(|exit| i32::try_from(exit).ok());
        let stdout = self.read(&map, "stdout", Self::output);
        Some(ExecStep { node: place?, argv: argv?, exit: exit.unwrap_or(0), stdout })
    }

    /// Arguments are octets for a program, so a bare number is as good as text.
    fn argument(&mut self, node: &Node) -> Option<String> {
        match node.as_scalar() {
            Some((text, plain)) if !plain || !node.is_null() => Some(text.to_owned()),
            _ => self.text(node),
        }
    }

    /// A text, `{ text: part }`, or `not` one of those.
    fn output(&mut self, node: &Node) -> Option<Matcher> {
        if node.as_scalar().is_some() {
            return self.text(node).map(|text| Matcher::Literal(crate::suite::value::Value::Text(text)));
        }
        let entry = self.one(node, &vocabulary::MATCHER)?;
        match &*entry.key.value {
            "text" => self.text(&entry.value).map(Matcher::Text),
            "not" => self.output(&entry.value).map(|inner| Matcher::Not(Box::new(inner))),
            _ => {
                self.mismatch(node, "a text, { text: .. } or { not: .. }", None);
                None
            }
        }
    }

    fn group(&mut self, node: &Node) -> Option<GroupStep> {
        let map = self.map(node, &vocabulary::GROUP)?;
        let name = self.read(&map, "name", Self::text);
        let steps = self.read(&map, "steps", Self::steps);
        Some(GroupStep { name: name?, steps: steps? })
    }

    fn state(&mut self, node: &Node, entry: &Entry) -> Option<StateStep> {
        self.scope.judgements += 1;
        let map = self.map(node, &vocabulary::STATE)?;
        let place = self.read(&map, "node", Self::unscripted_ref);
        let because = self.read(&map, "because", Self::text);
        let view = self.read(&map, "view", |r, node| {
            let name = r.text(node)?;
            let view = View::find(&name);
            if view.is_none() {
                r.unknown(&node.span, "view", &name, suggest(&name, VIEWS.iter().map(|view| view.name)));
            }
            view
        })?;
        let fields = Fields::View(view);
        let (filter, check) = self.without_binds(node, |r| {
            let filter = r.read(&map, "where", |r, node| r.row(node, fields)).unwrap_or_default();
            let checks = map.present(&["equals", "contains", "present", "absent"]);
            let check = match checks.as_slice() {
                ["equals"] => r.read(&map, "equals", |r, node| r.rows(node, fields)).map(StateCheck::Equals),
                ["contains"] => r.read(&map, "contains", |r, node| r.some_rows(node, fields)).map(StateCheck::Contains),
                ["present"] => r
                    .read(&map, "present", |r, node| r.only_true(node, "say `absent: true`"))
                    .map(|()| StateCheck::Present),
                ["absent"] => r
                    .read(&map, "absent", |r, node| r.only_true(node, "say `present: true`"))
                    .map(|()| StateCheck::Absent),
                _ => {
                    let what = match checks.as_slice() {
                        [] => "`state` does not say what must hold".to_owned(),
                        some => format!("{} exclude each other", listed(some.iter().copied(), "and")),
                    };
                    let label = "exactly one of `equals`, `contains`, `present` and `absent` belongs here";
                    r.complain(Diagnostic::new("suite::one_key", &node.span, what, label));
                    None
                }
            };
            Some((filter, check))
        })?;
        let within = self.read(&map, "within", Self::duration);
        let hold_for = self.read(&map, "hold_for", Self::duration);
        let at = self.read(&map, "at", |r, node| r.at(node, None));
        let turns = self.read(&map, "turns", |r, node| r.at(node, None));
        let when = map.present(&["within", "at", "turns"]);
        if when.len() > 1 {
            let what = format!("{} exclude each other", listed(when, "and"));
            self.complain(Diagnostic::new("suite::one_key", &node.span, what, "an instant or an upper bound"));
        }
        let (place, check) = (place?, check?);
        // What turns absent was there before, and that is looked at too.
        self.note_absence(&place, view.name, &check, because.is_some() || turns.is_some(), entry);
        Some(StateStep { node: place, view: view.name.to_owned(), filter, check, within, hold_for, at, turns, because })
    }

    fn some_rows(&mut self, node: &Node, fields: Fields<'_>) -> Option<Vec<Row>> {
        let rows = self.rows(node, fields)?;
        if rows.is_empty() {
            self.vacuous(node, "`absent: true` and `equals: []` are for empty tables");
            return None;
        }
        Some(rows)
    }

    /// An empty table proves something only if the same table is known to show what is there.
    fn note_absence(&mut self, node: &str, view: &str, check: &StateCheck, because: bool, entry: &Entry) {
        let key = (node.to_owned(), view.to_owned());
        let empty = match check {
            StateCheck::Equals(rows) | StateCheck::Contains(rows) => rows.is_empty(),
            StateCheck::Present => false,
            StateCheck::Absent => true,
        };
        if !empty {
            self.scope.seen.insert(key);
        } else if !because {
            self.scope.absences.push((entry.key.span.clone(), Some(key)));
        }
    }

    /// A node that has state to show.
    pub(super) fn unscripted_ref(&mut self, node: &Node) -> Option<String> {
        let name = self.node_ref(node)?;
        if self.scope.nodes.get(&name) == Some(&true) {
            let what = format!("`{name}` is scripted and has neither state nor programs");
            self.complain(Diagnostic::new("suite::binding", &node.span, what, "the harness plays it"));
            return None;
        }
        Some(name)
    }
}
