//! One case in one world: its nodes, what it knows by name, and the order of steps, control and teardown.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dmvpn_core::time::Instant;

use super::death;
use super::nodes::Station;
use super::plan::Cell;
use super::steps;
use crate::agent::EXECUTABLE;
use crate::expect::Env;
use crate::mutate::Fault;
use crate::place::CaptureFiles;
use crate::subject::{Implementation, Release, Subject, render};
use crate::suite::{Binding, Case, Span, Spanned, Step, Suite, VerdictOnFail, flatten};
use crate::verdict::{Comparison, Failure, Metric, NodeLog, Outcome, StepRef, Verdict};
use crate::world::fabric::{InProcess, Player};
use crate::world::link::{Impairment, Share};
use crate::world::timeline::{Timeline, What};
use crate::world::{Driver, LabError, World};

/// Settings of a run that a case needs.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Where every random choice comes from.
    pub seed: u64,
    /// Multiplies upper bounds of waits in real time; lower bounds never.
    pub timeout_scale: f64,
    /// The fault that built-in peers have which play the subject.
    pub fault: Option<&'static Fault>,
}

/// Why the steps of a case ended early.
#[derive(Debug)]
pub enum Stop {
    /// A step was not satisfied.
    Failed {
        /// In one sentence.
        reason: String,
        /// In full.
        failure: Box<Failure>,
    },
    /// The lab could not go on.
    Lab(LabError),
}

impl From<LabError> for Stop {
    fn from(error: LabError) -> Self {
        Stop::Lab(error)
    }
}

/// Everything that a case leaves.
#[derive(Debug)]
pub struct Leavings {
    /// The judgement.
    pub verdict: Verdict,
    /// The record.
    pub timeline: Timeline,
    /// Last instant of the case.
    pub end: Instant,
    /// Measurements.
    pub metrics: Vec<Metric>,
    /// Rendered configurations: node, file name, text.
    pub configs: Vec<(String, String, String)>,
    /// Routers that did not come back to their initial state: the next case needs new ones.
    pub broken_routers: Vec<String>,
}

/// A router that plays a node.
#[derive(Clone, Debug)]
pub(crate) struct RouterPart {
    pub(crate) implementation: Arc<Implementation>,
    pub(crate) release: Release,
    pub(crate) started: bool,
    /// Whether it was started at all in this case.
    pub(crate) touched: bool,
}

/// A case while it runs.
pub struct CaseRun<'a> {
    pub(crate) suite: &'a Suite,
    pub(crate) case: &'a Case,
    pub(crate) world: World<'a>,
    pub(crate) env: Env,
    pub(crate) stations: BTreeMap<String, Station>,
    pub(crate) routers: BTreeMap<String, RouterPart>,
    pub(crate) settings: Settings,
    /// Position behind the packet that the last `expect` took: the next one looks from here on.
    pub(crate) cursor: usize,
    /// When that packet was seen.
    pub(crate) last_match: Option<Instant>,
    /// Whether the step before the present one took a packet: `mark` then names the packet's instant.
    pub(crate) just_matched: bool,
    pub(crate) metrics: Vec<Metric>,
    pub(super) configs: Vec<(String, String, String)>,
    /// The capture that `feed` plays from.
    pub(crate) capture: Option<CaptureFiles>,
}

/// How long a router may take for an order that its implementation file gives.
pub(crate) const ROUTER_PATIENCE: Duration = Duration::from_secs(30);

/// Hard stop of a case in real time that names none.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);

impl<'a> CaseRun<'a> {
    /// Prepares a case: nobody is started yet.
    ///
    /// # Errors
    /// A topology that can not be built.
    pub fn new(cell: &Cell<'a>, settings: Settings, driver: &'a mut dyn Driver) -> Result<Self, LabError> {
        let Cell { suite, case, cast, capture, .. } = cell;
        let topology = suite.topology_of(case);
        let env = Env::new(suite.params_of(case));
        let mut world = World::new(driver);
        let mut links_of = BTreeMap::new();
        for (index, link) in topology.links.iter().enumerate() {
            let delay = link.delay.as_ref().map(|delay| env.duration(delay)).unwrap_or_default();
            let mtu = link.mtu.and_then(|mtu| usize::try_from(mtu).ok()).unwrap_or(1500);
            world.fabric.add_link(&link.name, delay, mtu, settings.seed.wrapping_add(1000 + index as u64));
            if let Some(loss) = link.loss {
                let loss = Share::percent(loss.probability() * 100.0);
                world.fabric.impair(&link.name, Impairment { loss, ..Impairment::default() })?;
            }
            for end in &link.ends {
                links_of.insert(end.node.as_str(), link.name.as_str());
            }
        }
        let mut stations = BTreeMap::new();
        let mut routers = BTreeMap::new();
        for (index, (name, node)) in topology.nodes.iter().enumerate() {
            let Some(link) = links_of.get(name.as_str()) else { continue };
            if node.bind == Some(Binding::Capture) {
                world.fabric.add_station(name, node.nbma, link, Player::Scripted)?;
                continue;
            }
            let station = Station::resolve(name, node, topology, &env)?;
            let player = match cast.player(name) {
                None => Player::Scripted,
                Some(Subject::BuiltIn) => {
                    let seed = settings.seed.wrapping_add(index as u64);
                    let fault = settings.fault.filter(|_| node.bind == Some(Binding::Subject));
                    Player::Node(Box::new(InProcess::new(station.peer_config(), seed, fault)))
                }
                Some(Subject::Router(implementation, release)) => {
                    let (implementation, release) = (Arc::clone(implementation), release.clone());
                    routers
                        .insert(name.clone(), RouterPart { implementation, release, started: false, touched: false });
                    Player::Outside
                }
            };
            world.fabric.add_station(name, node.nbma, link, player)?;
            stations.insert(name.clone(), station);
        }
        let mut this = Self {
            suite,
            case,
            world,
            env,
            stations,
            routers,
            settings,
            cursor: 0,
            last_match: None,
            just_matched: false,
            metrics: Vec::new(),
            configs: Vec::new(),
            capture: capture.clone(),
        };
        this.add_aliases()?;
        for (name, part) in this.routers.clone() {
            if let Some(template) = &part.implementation.config {
                let text = render::render_text(template, &this.words(&name)?).map_err(|error| LabError::Router {
                    node: name.clone(),
                    problem: format!("its configuration template: {error}"),
                })?;
                this.configs.push((name, format!("{}.conf", part.implementation.name), text));
            }
        }
        Ok(this)
    }

    /// What is sent to an address that a step of a scripted node puts into the outer header comes to that node.
    fn add_aliases(&mut self) -> Result<(), LabError> {
        let lists = [&self.case.steps, &self.case.control, &self.case.teardown];
        for step in lists.into_iter().flat_map(|steps| flatten(steps)) {
            if let Step::Send(send) = &step.value
                && let Some(address) = send.ip.src
            {
                let id = self.world.fabric.station(&send.from)?;
                self.world.fabric.add_alias(id, address);
            }
        }
        Ok(())
    }

    /// What templates of a router's implementation are rendered with: the node, the version that plays it, and where
    /// the harness's executable is.
    pub(crate) fn words(&self, node: &str) -> Result<serde_json::Value, LabError> {
        let unknown = || LabError::internal(format!("no router plays `{node}`"));
        let station = self.stations.get(node).ok_or_else(unknown)?;
        let version = &self.routers.get(node).ok_or_else(unknown)?.release.version;
        let internal = |error: serde_json::Error| LabError::internal(error.to_string());
        let mut words = station.words().map_err(internal)?;
        if let Some(words) = words.as_object_mut() {
            let major = version.split('.').next().and_then(|major| major.parse::<u64>().ok()).unwrap_or(0);
            words.insert("version".to_owned(), version.clone().into());
            words.insert("major".to_owned(), major.into());
            words.insert("lab".to_owned(), EXECUTABLE.into());
        }
        Ok(words)
    }

    /// Runs steps, control and teardown, and judges. Routers are back in their initial state afterwards, or named as
    /// broken.
    pub fn run(mut self) -> Leavings {
        let mut verdict = self.judge();
        let begun_teardown = self.world.fabric.timeline.end();
        if let Err(stop) = self.steps(&self.case.teardown) {
            let reason = match stop {
                Stop::Failed { reason, .. } => reason,
                Stop::Lab(error) => error.to_string(),
            };
            let at = self.world.now();
            self.world.fabric.timeline.push(at, What::Note(format!("teardown: {reason}")));
        }
        let broken_routers = self.reset_routers();
        if let Some(failure) = verdict.failure.as_mut().filter(|failure| failure.log_tail.is_empty()) {
            failure.log_tail = log_tails(&self.world.fabric.timeline, begun_teardown);
        }
        Leavings {
            verdict,
            end: self.world.now(),
            timeline: std::mem::replace(&mut self.world.fabric.timeline, Timeline::new(Instant::ZERO)),
            metrics: self.metrics,
            configs: self.configs,
            broken_routers,
        }
    }

    fn judge(&mut self) -> Verdict {
        let timeout = self.case.timeout.as_ref().map(|timeout| self.env.duration(timeout));
        if let Some(timeout) = timeout.or((!self.world.is_virtual()).then_some(DEFAULT_TIMEOUT)) {
            self.world.stop_after(timeout.mul_f64(self.settings.timeout_scale.max(1.0)));
        }
        match self.greet_routers().map_err(Stop::from).and_then(|()| self.steps(&self.case.steps)) {
            Ok(()) => {}
            Err(Stop::Failed { reason, failure }) => {
                let outcome = match self.case.verdict_on_fail {
                    VerdictOnFail::Fail => Outcome::Fail,
                    VerdictOnFail::Warn => Outcome::Warn,
                    VerdictOnFail::Info => Outcome::Info,
                };
                return Verdict::new(outcome, reason).with_failure(*failure);
            }
            Err(Stop::Lab(error)) => return self.lab_verdict(&error),
        }
        match self.steps(&self.case.control) {
            Ok(()) => Verdict::pass(),
            Err(Stop::Failed { reason, failure }) => {
                let reason = format!("the control failed, so the absence proves nothing: {reason}");
                Verdict::new(Outcome::Inconclusive, reason).with_failure(*failure)
            }
            Err(Stop::Lab(error)) => self.lab_verdict(&error),
        }
    }

    /// The lab's own failure: an error with the last words of the nodes, never a word about conformance. Only where a case
    /// is there to see whether the subject survives it, its death is the subject's.
    fn lab_verdict(&self, error: &LabError) -> Verdict {
        let timeline = &self.world.fabric.timeline;
        if let Some(verdict) = death::of_subject(self.case, self.suite.topology_of(self.case), timeline, error) {
            return verdict;
        }
        let failure = Failure {
            actual: error.to_string(),
            nearby: timeline.around(timeline.end().saturating_sub(1), 5, 0),
            log_tail: log_tails(timeline, timeline.end()),
            ..Failure::default()
        };
        Verdict::error(error.cause(), error.reason()).with_failure(failure)
    }

    /// Carries out a list of steps, up to the first that is not satisfied.
    pub(crate) fn steps(&mut self, list: &'a [Spanned<Step>]) -> Result<(), Stop> {
        for step in list {
            if let Step::Group(group) = &step.value {
                self.steps(&group.steps)?;
                continue;
            }
            let at = self.world.now();
            let place = format!("{}:{}", step.span.file.path.display(), step.span.line);
            self.world.fabric.timeline.push(at, What::Step { place, text: step.value.to_string() });
            let matched_before = self.last_match;
            steps::carry_out(self, step)?;
            self.just_matched = self.last_match != matched_before;
        }
        Ok(())
    }

    /// Boots the routers that are not there yet, and tells each one's side of the wire which addresses there are.
    pub(super) fn greet_routers(&mut self) -> Result<(), LabError> {
        for (name, part) in self.routers.clone() {
            let id = self.world.fabric.station(&name)?;
            let neighbours = self.world.fabric.neighbours(id);
            let fresh = self.world.driver().boot(&name, &part.implementation, &part.release)?;
            self.world.driver().neighbours(&name, neighbours)?;
            if fresh && let Err(error) = steps::lifecycle::set_up(self, &name, &part) {
                // Half a router must not be taken for one by the next case.
                self.world.driver().discard(&name);
                return Err(error);
            }
        }
        if self.routers.is_empty() { Ok(()) } else { steps::lifecycle::settle(self) }
    }

    /// Brings every router that was started back to its initial state; names those that would not.
    fn reset_routers(&mut self) -> Vec<String> {
        let started: Vec<String> =
            self.routers.iter().filter(|(_, part)| part.started).map(|(name, _)| name.clone()).collect();
        let mut broken: Vec<String> =
            started.into_iter().filter(|name| steps::lifecycle::kill(self, name).is_err()).collect();
        // What outlives a node may be there whether it runs at the end or not.
        for (name, part) in self.routers.clone().into_iter().filter(|(_, part)| part.touched) {
            let cleared = steps::lifecycle::order_all(self, &name, &part.implementation.reset);
            if cleared.is_err() && !broken.contains(&name) {
                broken.push(name);
            }
        }
        broken
    }

    /// A failure at a step, with what the record says around it.
    pub(crate) fn failed(
        &self,
        span: &Span,
        step: &Step,
        reason: String,
        expected: Vec<String>,
        actual: String,
        comparison: Option<(usize, Comparison)>,
    ) -> Stop {
        let timeline = &self.world.fabric.timeline;
        let (center, comparison) = match comparison {
            Some((index, comparison)) => (index, Some(comparison)),
            None => (timeline.end().saturating_sub(1), None),
        };
        let step = StepRef {
            file: span.file.path.display().to_string(),
            line: span.line,
            column: span.column,
            text: step.to_string(),
        };
        let failure = Failure {
            step: Some(step),
            expected,
            actual,
            comparison,
            nearby: timeline.around(center, 2, 2),
            log_tail: Vec::new(),
        };
        Stop::Failed { reason, failure: Box::new(failure) }
    }
}

/// The last log lines of every node, before position `end`.
fn log_tails(timeline: &Timeline, end: usize) -> Vec<NodeLog> {
    const LINES: usize = 10;
    let mut tails: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for entry in timeline.entries().iter().take(end) {
        if let What::Log { node, line } = &entry.what {
            tails.entry(node).or_default().push(line.clone());
        }
    }
    tails
        .into_iter()
        .map(|(node, mut lines)| NodeLog {
            node: node.to_owned(),
            lines: lines.split_off(lines.len().saturating_sub(LINES)),
        })
        .collect()
}
