//! Cases, and the top of a suite file.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::reader::{Map, Reader, parse_int};
use super::scope::Scope;
use super::topology;
use crate::suite::diagnostic::Diagnostic;
use crate::suite::duration::{DurationError, DurationExpr, is_name};
use crate::suite::model::{
    Case, Cite, ClockKind, Defaults, Keyword, Level, Param, Params, Steps, Suite, VerdictOnFail, WorldKind,
};
use crate::suite::span::Span;
use crate::suite::step::{StateCheck, Step, flatten};
use crate::suite::tree::Node;
use crate::suite::vocabulary;

/// The version of the vocabulary.
const SCHEMA: u64 = 1;

impl Reader {
    /// The whole file.
    pub(super) fn suite(&mut self, root: &Node) -> Option<Suite> {
        let map = self.map(root, &vocabulary::SUITE)?;
        let version = self.read(&map, "schema", |r, node| {
            let version = r.int(node, u64::MAX)?;
            if version != SCHEMA {
                let what = format!("version {version} of the vocabulary is not known");
                let diagnostic = Diagnostic::new("suite::schema", &node.span, what, "unknown version");
                r.complain(diagnostic.with_help(format!("this harness reads `schema: {SCHEMA}`")));
            }
            Some(version)
        });
        let id = self.read(&map, "suite", Self::suite_id);
        let title = self.read(&map, "title", Self::text);
        let purpose = self.read(&map, "purpose", Self::text);
        let problems = self.read(&map, "problems", Self::text);
        let worlds = self.read(&map, "worlds", Self::worlds);
        let clock = self.read(&map, "clock", Self::clock);
        let epoch_ns = self.read(&map, "epoch", Self::epoch);
        let seed = self.read(&map, "seed", |r, node| r.int(node, u64::MAX));
        let params = self.read(&map, "params", |r, node| r.params(node, None)).unwrap_or_default();
        let needs = self.read(&map, "needs", Self::needs).unwrap_or_default();

        // What every case starts from. Worlds that could not be read forbid nothing.
        self.scope =
            Scope { params: params.clone(), worlds: worlds.clone().unwrap_or_default(), clock, ..Scope::default() };
        self.check_clock(&map);
        self.check_epoch(&map);
        let defaults = self.read(&map, "defaults", Self::defaults).unwrap_or_default();
        let topology = self.read(&map, "topology", |r, node| {
            r.topology_names(node);
            r.topology(node)
        });
        let base = Base { topology: map.get("topology"), sound: topology.is_some(), scope: self.scope.clone() };
        let cases = self.read(&map, "cases", |r, node| r.cases(node, &base));
        version?;
        Some(Suite {
            id: id?,
            title: title?,
            purpose,
            problems,
            worlds: worlds?,
            clock,
            epoch_ns,
            seed,
            params,
            needs,
            topology: topology?,
            defaults,
            cases: cases?,
            source: Arc::clone(&self.file),
        })
    }

    /// The id is the path, so that whoever knows one knows the other.
    fn suite_id(&mut self, node: &Node) -> Option<String> {
        let id = self.slug(node, true)?;
        if let Some(path) = super::id_of_path(&self.file.path, &id)
            && path != id
        {
            let what = format!("the suite calls itself `{id}`, its path says `{path}`");
            let diagnostic = Diagnostic::new("suite::id", &node.span, what, "not the file's path");
            self.complain(diagnostic.with_help(format!("say `suite: {path}`, or move the file to suites/{id}.yaml")));
        }
        Some(id)
    }

    fn worlds(&mut self, node: &Node) -> Option<Vec<WorldKind>> {
        let items = self.one_or_many(node, "a list of worlds")?;
        if items.is_empty() {
            self.mismatch(node, "at least one world", None);
            return None;
        }
        let words: Vec<_> = items.iter().map(|item| self.word(item, vocabulary::WORLDS)).collect();
        let words: Vec<&str> = words.into_iter().collect::<Option<_>>()?;
        Some(WorldKind::ALL.into_iter().filter(|world| words.contains(&world.name())).collect())
    }

    fn clock(&mut self, node: &Node) -> Option<ClockKind> {
        let word = self.word(node, vocabulary::CLOCKS)?;
        Some(if word == ClockKind::Virtual.name() { ClockKind::Virtual } else { ClockKind::Real })
    }

    /// A point of the clock on the wall. A kernel counts nanoseconds since 1970 in 63 bits, up to the year 2262.
    fn epoch(&mut self, node: &Node) -> Option<u64> {
        let expected = "an instant, as in 2038-01-19T03:00:00Z";
        let (text, _) = self.scalar(node, expected)?;
        let read = text.ends_with('Z').then(|| text.parse::<jiff::Timestamp>().ok()).flatten();
        let epoch_ns = read.and_then(|at| u64::try_from(at.as_nanosecond()).ok()).filter(|ns| *ns < 1 << 63);
        if epoch_ns.is_none() {
            self.mismatch(node, expected, Some("in UTC (`Z`), from 1970 to 2262".to_owned()));
        }
        epoch_ns
    }

    /// Only a virtual clock can be set.
    fn check_epoch(&mut self, map: &Map<'_>) {
        if let Some(node) = map.get("epoch")
            && self.scope.clock != Some(ClockKind::Virtual)
        {
            let what = "only a virtual clock can be set to an instant";
            let diagnostic = Diagnostic::new("suite::clock", &node.span, what, "not with any clock");
            self.complain(diagnostic.with_help("say `clock: virtual` beside it"));
        }
    }

    /// Each world has its clock: `sim` and `replay` the virtual one, `live` the real one.
    fn check_clock(&mut self, map: &Map<'_>) {
        let Some(node) = map.get("clock") else { return };
        let impossible = match self.scope.clock {
            Some(ClockKind::Virtual) => WorldKind::Live,
            Some(ClockKind::Real) if self.scope.worlds.contains(&WorldKind::Replay) => WorldKind::Replay,
            Some(ClockKind::Real) => WorldKind::Sim,
            None => return,
        };
        if self.scope.worlds.contains(&impossible) {
            let what = format!("the world `{impossible}` has no such clock");
            let label = "not there";
            let help = format!("take `{impossible}` out of `worlds`, or leave `clock` out");
            self.complain(Diagnostic::new("suite::clock", &node.span, what, label).with_help(help));
        }
    }

    /// Parameters. In a case, one that the suite has too keeps its type.
    fn params(&mut self, node: &Node, suite: Option<&Params>) -> Option<Params> {
        let entries = self.dict(node, "a mapping from names to values")?;
        let mut params = BTreeMap::new();
        for entry in entries {
            let name = &*entry.key.value;
            if !is_name(name) {
                let what = format!("`{name}` is no name for a parameter");
                let help = "a letter, then letters, digits and underscores (a hyphen would be a minus sign)";
                self.complain(Diagnostic::new("suite::name", &entry.key.span, what, "not a name").with_help(help));
                continue;
            }
            let Some(param) = self.param(&entry.value) else { continue };
            let before = suite.and_then(|params| params.get(name));
            if let Some(before) = before.filter(|old| std::mem::discriminant(*old) != std::mem::discriminant(&param)) {
                let what = format!("`{name}` is `{before}` in the suite, which is of another type");
                self.complain(Diagnostic::new("suite::wrong_type", &entry.value.span, what, "another type"));
            }
            params.insert(name.to_owned(), param);
        }
        Some(params)
    }

    fn param(&mut self, node: &Node) -> Option<Param> {
        let Some((text, plain)) = node.as_scalar().filter(|_| !node.is_null()) else {
            self.mismatch(node, "a duration, a number, an address or a text", None);
            return None;
        };
        if !plain {
            return Some(Param::Text(text.to_owned()));
        }
        if let Some(number) = parse_int(text) {
            return Some(Param::Int(number));
        }
        if let Ok(addr) = text.parse() {
            return Some(Param::Addr(addr));
        }
        match DurationExpr::parse(text) {
            Ok(expr) if expr.params().is_empty() => self.resolve(node, &expr).map(Param::Duration),
            Ok(_) => {
                let help = "calculate where the parameter is used: period: $hold/3";
                self.mismatch(node, "a duration without parameters", Some(help.to_owned()));
                None
            }
            Err(DurationError::Syntax(_)) => self.text(node).map(Param::Text),
            Err(_) => {
                self.mismatch(node, "a duration with its unit, or a whole number", None);
                None
            }
        }
    }

    /// Capabilities: words with dots between them.
    fn needs(&mut self, node: &Node) -> Option<Vec<String>> {
        let words = self.texts(node)?;
        let good = |word: &String| word.split('.').all(|part| !part.is_empty() && is_name(&part.replace('-', "_")));
        if let Some(word) = words.iter().find(|word| !good(word)) {
            let what = format!("`{word}` is no capability");
            let diagnostic = Diagnostic::new("suite::name", &node.span, what, "not a capability");
            self.complain(diagnostic.with_help("words with dots between them, such as nhrp.purge"));
        }
        Some(words)
    }

    fn defaults(&mut self, node: &Node) -> Option<Defaults> {
        let map = self.map(node, &vocabulary::DEFAULTS)?;
        let mut defaults = Defaults::default();
        if let Some(within) = self.read(&map, "within", Self::duration) {
            defaults.within = within;
        }
        defaults.tolerance = self.read(&map, "tolerance", Self::tolerance).unwrap_or_default();
        Some(defaults)
    }

    fn cases(&mut self, node: &Node, base: &Base<'_>) -> Option<Vec<Case>> {
        let items = self.list(node, "a list of cases")?;
        if items.is_empty() {
            let diagnostic = Diagnostic::new("suite::empty", &node.span, "a suite without cases", "nothing to judge");
            self.complain(diagnostic.with_help("a suite that judges nothing would always be green"));
            return None;
        }
        let mut ids: BTreeMap<String, u32> = BTreeMap::new();
        let mut cases = Vec::new();
        for item in items {
            let case = self.case(item, base, &mut ids);
            cases.push(case);
        }
        cases.into_iter().collect()
    }

    fn case(&mut self, node: &Node, base: &Base<'_>, ids: &mut BTreeMap<String, u32>) -> Option<Case> {
        self.scope = base.scope.clone();
        let map = self.map(node, &vocabulary::CASE)?;
        let id = self.read(&map, "id", |r, node| r.case_id(node, ids));
        let title = self.read(&map, "title", Self::text);
        let cites = self.read(&map, "cites", Self::cites);
        let interpretation = self.read(&map, "interpretation", Self::text);
        let worlds = self.read(&map, "worlds", |r, node| r.case_worlds(node, &base.scope.worlds));
        let clock = self.read(&map, "clock", Self::clock);
        let epoch_ns = self.read(&map, "epoch", Self::epoch);
        let params = self.read(&map, "params", |r, node| r.params(node, Some(&base.scope.params)));
        let params = params.unwrap_or_default();
        let needs = self.read(&map, "needs", Self::needs).unwrap_or_default();
        let tags = self.read(&map, "tags", Self::texts).unwrap_or_default();
        let verdict = self.read(&map, "verdict_on_fail", |r, node| r.word(node, vocabulary::VERDICTS));

        self.scope.params.extend(params.clone());
        self.scope.worlds = worlds.clone().unwrap_or_else(|| base.scope.worlds.clone());
        self.scope.clock = clock.or(base.scope.clock);
        self.check_clock(&map);
        self.check_epoch(&map);
        let timeout = self.read(&map, "timeout", Self::duration);

        let span = map.get("id").map_or_else(|| node.span.clone(), |id| id.span.clone());
        let topology = self.case_topology(&map, base, &span);
        let before = self.scope.judgements;
        let steps = self.read(&map, "steps", Self::steps);
        if steps.is_some() && self.scope.judgements == before {
            let what = "no step of this case can fail";
            let help = "a case needs an `expect`, `expect_none`, `expect_every`, `state`, `measure` with a bound, `feed` or `exec`";
            self.complain(Diagnostic::new("suite::vacuous", &span, what, "would always pass").with_help(help));
        }
        let control = self.control(&map);
        let teardown = self.read(&map, "teardown", Self::steps).unwrap_or_default();
        Some(Case {
            id: id?,
            title: title?,
            cites: cites?,
            interpretation,
            worlds,
            clock,
            epoch_ns,
            timeout,
            tags,
            topology: topology?,
            params,
            needs,
            steps: steps?,
            teardown,
            control,
            verdict_on_fail: match verdict {
                Some("warn") => VerdictOnFail::Warn,
                Some("info") => VerdictOnFail::Info,
                _ => VerdictOnFail::Fail,
            },
            span,
        })
    }

    fn case_id(&mut self, node: &Node, ids: &mut BTreeMap<String, u32>) -> Option<String> {
        let id = self.slug(node, false)?;
        if let Some(line) = ids.get(&id) {
            let what = format!("there are two cases `{id}`");
            let diagnostic = Diagnostic::new("suite::duplicate_case", &node.span, what, "the second one");
            self.complain(diagnostic.with_help(format!("the first one is in line {line}")));
        } else {
            ids.insert(id.clone(), node.span.line);
        }
        Some(id)
    }

    /// A case may only be choosier than its suite.
    fn case_worlds(&mut self, node: &Node, suite: &[WorldKind]) -> Option<Vec<WorldKind>> {
        let worlds = self.worlds(node)?;
        if let Some(world) = worlds.iter().find(|world| !suite.is_empty() && !suite.contains(world)) {
            let what = format!("the suite does not run in `{world}`");
            let diagnostic = Diagnostic::new("suite::world", &node.span, what, "wider than the suite");
            self.complain(diagnostic.with_help(format!("add `{world}` to the suite's `worlds`")));
        }
        Some(worlds)
    }

    /// `Some(None)` where the case has the suite's topology as it is.
    #[allow(
        clippy::option_option,
        reason = "the outer one says whether it could be read, the inner one whether it differs"
    )]
    fn case_topology(
        &mut self,
        map: &Map<'_>,
        base: &Base<'_>,
        span: &Span,
    ) -> Option<Option<crate::suite::topology::Topology>> {
        let patch = map.get("topology");
        let Some(suite) = base.topology else { return Some(None) };
        if !base.sound {
            // Its mistakes have been told once; the case's own names must still be known to its steps.
            if let Some(patch) = patch {
                self.topology_names(patch);
                self.patch_shape(patch);
            }
            return None;
        }
        let merged = patch.map_or_else(|| suite.clone(), |patch| topology::merge(suite, patch));
        self.scope.nodes.clear();
        self.scope.links.clear();
        self.topology_names(&merged);
        let topology = self.topology(&merged)?;
        self.demand_subject(&topology, span);
        self.scope.topology = topology.clone();
        // With other parameters even an unchanged topology is another one, so it was read again in any case.
        Some(patch.map(|_| topology))
    }

    fn control(&mut self, map: &Map<'_>) -> Steps {
        let absences = std::mem::take(&mut self.scope.absences);
        let control = self.read(map, "control", Self::steps);
        if let (Some(steps), Some(node)) = (&control, map.get("control"))
            && !flatten(steps).into_iter().any(|step| finds_something(&step.value))
        {
            let what = "a control that finds nothing proves nothing";
            let diagnostic = Diagnostic::new("suite::control", &node.span, what, "no `expect` or `state` here");
            self.complain(diagnostic.with_help("provoke what must be absent above, and expect it"));
        }
        if !map.has("control") {
            for (span, view) in absences {
                if view.is_some_and(|view| self.scope.seen.contains(&view)) {
                    continue;
                }
                let what = "an absence that nothing controls";
                let help = "add a `control` to the case: steps that show that it would have been seen; \
                            or say in `because` why none is needed";
                self.complain(Diagnostic::new("suite::control", &span, what, "silence proves nothing").with_help(help));
            }
        }
        control.unwrap_or_default()
    }

    fn cites(&mut self, node: &Node) -> Option<Vec<Cite>> {
        let items = self.list(node, "a list of citations")?;
        if items.is_empty() {
            self.mismatch(
                node,
                "at least one citation",
                Some("a goal of the project is one too: level: goal".to_owned()),
            );
            return None;
        }
        let cites: Vec<_> = items.iter().map(|item| self.cite(item)).collect();
        cites.into_iter().collect()
    }

    fn cite(&mut self, node: &Node) -> Option<Cite> {
        let map = self.map(node, &vocabulary::CITE)?;
        let spec = self.read(&map, "spec", Self::text);
        let section = self.read(&map, "section", Self::text);
        let level = self.read(&map, "level", |r, node| r.word(node, vocabulary::LEVELS));
        let keyword = self.read(&map, "keyword", |r, node| r.word(node, vocabulary::KEYWORDS));
        let quote = self.read(&map, "quote", Self::text);
        let requirement = self.read(&map, "requirement", Self::text);
        let levels = [Level::Must, Level::Should, Level::May, Level::Goal];
        Some(Cite {
            spec: spec?,
            section: section?,
            level: level.and_then(|word| levels.into_iter().find(|level| level.name() == word))?,
            keyword: if keyword == Some("lower") { Keyword::Lower } else { Keyword::Upper },
            quote,
            requirement,
            span: node.span.clone(),
        })
    }
}

/// Whether a step shows that something is there.
fn finds_something(step: &Step) -> bool {
    match step {
        Step::Expect(_) | Step::ExpectEvery(_) | Step::Feed(_) | Step::Exec(_) => true,
        Step::Ping(ping) => ping.lost < ping.count,
        Step::State(state) => match &state.check {
            StateCheck::Equals(rows) => !rows.is_empty(),
            StateCheck::Contains(_) | StateCheck::Present => true,
            StateCheck::Absent => false,
        },
        _ => false,
    }
}

/// What all cases of a suite start from.
struct Base<'n> {
    topology: Option<&'n Node>,
    sound: bool,
    scope: Scope,
}
