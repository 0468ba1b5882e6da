//! The typed suite: what is left of a YAML file once every name in it has been found and every unit been given.
//!
//! A [`Suite`] comes out of the loader only when it is sound: nodes, links, marks, parameters, messages and field paths
//! that it names exist, durations resolve with the case's parameters, verbs fit the worlds. The runner therefore keeps
//! plain strings and looks them up without doubt.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::duration::{self, DurationExpr};
use super::span::{SourceFile, Span, Spanned};
use super::step::Step;
use super::topology::Topology;

/// One file: one suite over one topology.
#[derive(Clone, Debug)]
pub struct Suite {
    /// Path under `suites/` without the extension, such as `nhrp/registration`.
    pub id: String,
    /// One line.
    pub title: String,
    /// What the suite is for, for `explain`.
    pub purpose: Option<String>,
    /// What goes wrong in a network that fails it, for `explain`.
    pub problems: Option<String>,
    /// Where the cases may run; in the order of [`WorldKind`], never empty.
    pub worlds: Vec<WorldKind>,
    /// The clock that every case needs, if it matters.
    pub clock: Option<ClockKind>,
    /// What the clock on the wall says when a case begins, if it matters: nanoseconds since 1970.
    pub epoch_ns: Option<u64>,
    /// Default seed.
    pub seed: Option<u64>,
    /// Declared parameters.
    pub params: Params,
    /// Capabilities that every case needs, such as `nhrp.purge`.
    pub needs: Vec<String>,
    /// Nodes and links.
    pub topology: Topology,
    /// What steps leave out.
    pub defaults: Defaults,
    /// The cases, in file order, never empty.
    pub cases: Vec<Case>,
    /// The file.
    pub source: Arc<SourceFile>,
}

impl Suite {
    /// The full id of a case: `nhrp/registration/refresh-third`.
    pub fn case_id(&self, case: &Case) -> String {
        format!("{}/{}", self.id, case.id)
    }

    /// The parameters as a case sees them.
    pub fn params_of(&self, case: &Case) -> Params {
        let mut params = self.params.clone();
        params.extend(case.params.iter().map(|(name, value)| (name.clone(), value.clone())));
        params
    }

    /// The topology of a case: its own if it changes something, else the suite's.
    pub fn topology_of<'a>(&'a self, case: &'a Case) -> &'a Topology {
        case.topology.as_ref().unwrap_or(&self.topology)
    }

    /// Where a case may run.
    pub fn worlds_of<'a>(&'a self, case: &'a Case) -> &'a [WorldKind] {
        case.worlds.as_deref().unwrap_or(&self.worlds)
    }

    /// The clock a case insists on.
    pub fn clock_of(&self, case: &Case) -> Option<ClockKind> {
        case.clock.or(self.clock)
    }

    /// What the clock on the wall says when a case begins, if that matters: nanoseconds since 1970. The clock that the
    /// case insists on is then a virtual one.
    pub fn epoch_of(&self, case: &Case) -> Option<u64> {
        case.epoch_ns.or(self.epoch_ns)
    }

    /// What a case needs, its own wants after the suite's.
    pub fn needs_of<'a>(&'a self, case: &'a Case) -> impl Iterator<Item = &'a str> {
        self.needs.iter().chain(&case.needs).map(String::as_str)
    }
}

/// Parameters by name.
pub type Params = BTreeMap<String, Param>;

/// The value of a parameter. Only durations can be calculated with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Param {
    /// A length of time.
    Duration(Duration),
    /// A number.
    Int(u64),
    /// An address.
    Addr(IpAddr),
    /// Anything else.
    Text(String),
}

impl fmt::Display for Param {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Param::Duration(value) => f.write_str(&duration::show(*value)),
            Param::Int(value) => value.fmt(f),
            Param::Addr(value) => value.fmt(f),
            Param::Text(value) => value.fmt(f),
        }
    }
}

/// Where a case can run. The order is from the cheapest to the dearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorldKind {
    /// Everything in process, virtual clock.
    Sim,
    /// A capture.
    Replay,
    /// Real routers of the lab.
    Real,
    /// Somebody's hub.
    Live,
}

impl WorldKind {
    /// All worlds, in order.
    pub const ALL: [WorldKind; 4] = [WorldKind::Sim, WorldKind::Replay, WorldKind::Real, WorldKind::Live];

    /// The word in suites and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            WorldKind::Sim => "sim",
            WorldKind::Replay => "replay",
            WorldKind::Real => "real",
            WorldKind::Live => "live",
        }
    }
}

impl fmt::Display for WorldKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Whose time it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockKind {
    /// Time that the lab moves.
    Virtual,
    /// Time that passes.
    Real,
}

impl ClockKind {
    /// The word in suites.
    pub const fn name(self) -> &'static str {
        match self {
            ClockKind::Virtual => "virtual",
            ClockKind::Real => "real",
        }
    }
}

/// What holds where a step says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// Upper bound of a wait, from the end of the previous step.
    pub within: DurationExpr,
    /// Slack of instants and periods in real time.
    pub tolerance: Tolerance,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { within: DurationExpr::literal(Duration::from_secs(2)), tolerance: Tolerance::default() }
    }
}

/// How far an instant may lie from where it should; exact in virtual time unless a step says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tolerance {
    /// A fixed part.
    pub abs: Option<DurationExpr>,
    /// A part of the length measured, in per cent.
    pub pct: Option<u32>,
}

/// Steps, each with its place in the file.
pub type Steps = Vec<Spanned<Step>>;

/// One rule, judged.
#[derive(Clone, Debug)]
pub struct Case {
    /// Slug, unique in the suite.
    pub id: String,
    /// The rule in one sentence.
    pub title: String,
    /// Where the rule stands.
    pub cites: Vec<Cite>,
    /// Which reading was chosen where the text allows several.
    pub interpretation: Option<String>,
    /// Narrower than the suite's.
    pub worlds: Option<Vec<WorldKind>>,
    /// Clock it insists on.
    pub clock: Option<ClockKind>,
    /// What the clock on the wall says when it begins, in nanoseconds since 1970.
    pub epoch_ns: Option<u64>,
    /// Hard stop.
    pub timeout: Option<DurationExpr>,
    /// Free words for `--tag`.
    pub tags: Vec<String>,
    /// The suite's topology with this case's changes already in it; `None` where it changes nothing.
    pub topology: Option<Topology>,
    /// Parameters that differ from the suite's.
    pub params: Params,
    /// Capabilities beyond the suite's.
    pub needs: Vec<String>,
    /// What happens.
    pub steps: Steps,
    /// Runs always, after everything else.
    pub teardown: Steps,
    /// Runs after the steps and must succeed, or the absences above prove nothing (`inconclusive`).
    pub control: Steps,
    /// The verdict when a step fails.
    pub verdict_on_fail: VerdictOnFail,
    /// The case's place (its id).
    pub span: Span,
}

/// What a failing step means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VerdictOnFail {
    /// The rule is broken.
    #[default]
    Fail,
    /// A recommendation is not followed.
    Warn,
    /// Worth knowing.
    Info,
}

impl VerdictOnFail {
    /// The word in suites.
    pub const fn name(self) -> &'static str {
        match self {
            VerdictOnFail::Fail => "fail",
            VerdictOnFail::Warn => "warn",
            VerdictOnFail::Info => "info",
        }
    }
}

/// How strong a sentence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// MUST, MUST NOT, SHALL, REQUIRED.
    Must,
    /// SHOULD, SHOULD NOT, RECOMMENDED.
    Should,
    /// MAY, OPTIONAL.
    May,
    /// No sentence of a standard, but what a network needs.
    Goal,
}

impl Level {
    /// The word in suites.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Must => "must",
            Level::Should => "should",
            Level::May => "may",
            Level::Goal => "goal",
        }
    }
}

/// How a level is written in the text cited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keyword {
    /// With a capitalised keyword of RFC 2119.
    #[default]
    Upper,
    /// In lower case, or by description alone.
    Lower,
}

/// A sentence that a case stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cite {
    /// Specification, such as `rfc2332`.
    pub spec: String,
    /// Section, such as `5.2.4`.
    pub section: String,
    /// Strength.
    pub level: Level,
    /// How the strength is written.
    pub keyword: Keyword,
    /// Words of the text, enough to find the sentence.
    pub quote: Option<String>,
    /// Id in the catalogue of requirements, such as `NHRP-5.2.3-01`.
    pub requirement: Option<String>,
    /// Its place.
    pub span: Span,
}

/// `rfc2332 5.2.4`.
impl fmt::Display for Cite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.spec, self.section)
    }
}
