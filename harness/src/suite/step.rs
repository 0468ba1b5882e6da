//! The verbs. One step does one thing.

use std::net::IpAddr;

use super::duration::DurationExpr;
use super::model::Steps;
use super::packet::{At, ExpectEvery, ExpectNone, PacketExpectation, SendStep};
use super::span::{Span, Spanned};
use super::topology::{Cidr, Percent, RouteDecl, Station};
use super::value::{FieldMatch, Matcher, Row};

/// One step of a case. [`std::fmt::Display`] gives the plain English line of `explain`, progress and evidence.
#[derive(Clone, Debug, PartialEq)]
#[allow(
    clippy::large_enum_variant,
    reason = "a suite has hundreds of steps, not millions; boxes would only be in the way"
)]
pub enum Step {
    /// Starts nodes.
    Start(Vec<String>),
    /// Stops nodes in an orderly way.
    Stop(Vec<String>),
    /// Stops nodes with no goodbye.
    Kill(Vec<String>),
    /// Stops and starts nodes.
    Restart(Vec<String>),
    /// Waits until nodes say that they are ready.
    Ready(ReadyStep),
    /// A scripted node emits a packet.
    Send(SendStep),
    /// A packet has to come.
    Expect(PacketExpectation),
    /// A packet must not come.
    ExpectNone(ExpectNone),
    /// A packet has to come again and again.
    ExpectEvery(ExpectEvery),
    /// A neutral view of a node's state has to hold.
    State(StateStep),
    /// Moves virtual time.
    Advance(DurationExpr),
    /// Lets time pass.
    Wait(WaitStep),
    /// Makes a link worse.
    Impair(ImpairStep),
    /// Makes a link whole again, by name.
    Heal(String),
    /// Gives this instant a name.
    Mark(String),
    /// Holds the time between two instants against bounds, and records it.
    Measure(MeasureStep),
    /// A node asks another for echoes.
    Ping(PingStep),
    /// A route of a node comes or goes.
    Route(RouteStep),
    /// A node forgets what it has learned.
    Clear(ClearStep),
    /// A node's NBMA address becomes another one.
    Renumber(RenumberStep),
    /// A scripted node plays what it said in a capture, and the answers are held against those recorded.
    Feed(FeedStep),
    /// Runs a program in a node.
    Exec(ExecStep),
    /// A line for the timeline.
    Note(String),
    /// Steps under one name.
    Group(GroupStep),
}

impl Step {
    /// The verb as suites write it.
    pub fn verb(&self) -> &'static str {
        match self {
            Step::Start(_) => "start",
            Step::Stop(_) => "stop",
            Step::Kill(_) => "kill",
            Step::Restart(_) => "restart",
            Step::Ready(_) => "ready",
            Step::Send(_) => "send",
            Step::Expect(_) => "expect",
            Step::ExpectNone(_) => "expect_none",
            Step::ExpectEvery(_) => "expect_every",
            Step::State(_) => "state",
            Step::Advance(_) => "advance",
            Step::Wait(_) => "wait",
            Step::Impair(_) => "impair",
            Step::Heal(_) => "heal",
            Step::Mark(_) => "mark",
            Step::Measure(_) => "measure",
            Step::Ping(_) => "ping",
            Step::Route(_) => "route",
            Step::Clear(_) => "clear",
            Step::Renumber(_) => "renumber",
            Step::Feed(_) => "feed",
            Step::Exec(_) => "exec",
            Step::Note(_) => "note",
            Step::Group(_) => "group",
        }
    }
}

/// `ready: [hub, spoke]` or `ready: { nodes: [hub], within: 10s }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadyStep {
    /// Who.
    pub nodes: Vec<String>,
    /// Until when; `None` means as long as the implementation is allowed to take.
    pub within: Option<DurationExpr>,
}

/// `state`: a question to a neutral view.
#[derive(Clone, Debug, PartialEq)]
pub struct StateStep {
    /// Whom.
    pub node: String,
    /// Which table, such as `nhrp.cache`.
    pub view: String,
    /// The lines looked at.
    pub filter: Row,
    /// What must hold of them.
    pub check: StateCheck,
    /// It must hold at the latest then; `None` is the suite's default.
    pub within: Option<DurationExpr>,
    /// It must hold so long without a break.
    pub hold_for: Option<DurationExpr>,
    /// It must hold at this instant.
    pub at: Option<At>,
    /// It must turn true at this instant: not hold before it, less the tolerance, and hold after it, plus the tolerance.
    pub turns: Option<At>,
    /// Why an absence proves something without a control.
    pub because: Option<String>,
}

/// What must hold of the lines of a view.
#[derive(Clone, Debug, PartialEq)]
pub enum StateCheck {
    /// These lines in any order, and no others.
    Equals(Vec<Row>),
    /// These lines, and perhaps others.
    Contains(Vec<Row>),
    /// At least one line.
    Present,
    /// No line.
    Absent,
}

/// `wait`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitStep {
    /// How long.
    pub during: DurationExpr,
    /// Why nothing better than waiting will do.
    pub because: String,
}

/// `impair`: what a link does to packets from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImpairStep {
    /// The link.
    pub link: String,
    /// Only packets of this node.
    pub from: Option<String>,
    /// Only packets to this node.
    pub to: Option<String>,
    /// Share that is lost.
    pub loss: Option<Percent>,
    /// More delay.
    pub delay: Option<DurationExpr>,
    /// Delay varies by up to so much.
    pub jitter: Option<DurationExpr>,
    /// Share that comes twice.
    pub duplicate: Option<Percent>,
    /// Share that overtakes others.
    pub reorder: Option<Percent>,
    /// Share with one bit turned over.
    pub corrupt: Option<Percent>,
    /// Nothing passes.
    pub block: bool,
    /// Heals by itself after so long; `None` lasts until `heal`. The step itself takes no time.
    pub during: Option<DurationExpr>,
}

/// `measure`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeasureStep {
    /// Mark or packet.
    pub from: String,
    /// Mark or packet.
    pub to: String,
    /// Upper bound.
    pub at_most: Option<DurationExpr>,
    /// Lower bound.
    pub at_least: Option<DurationExpr>,
    /// Name of the metric.
    pub name: String,
}

/// `ping`: so many echo requests, of which so many are not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PingStep {
    /// Who asks.
    pub from: String,
    /// Who is asked.
    pub to: Station,
    /// The address that asks; `None` is that in the tunnel.
    pub source: Option<IpAddr>,
    /// How many requests, five a second.
    pub count: u64,
    /// Octets of data in each; `None` is what the node's own program sends.
    pub size: Option<u64>,
    /// How long the last answer may take; `None` is the suite's default.
    pub within: Option<DurationExpr>,
    /// How many remain without an answer, exactly.
    pub lost: u64,
}

/// `route`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteStep {
    /// Whose.
    pub node: String,
    /// What changes.
    pub change: RouteChange,
}

/// How a routing table changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteChange {
    /// A route comes, in place of any other to the same network.
    Add(RouteDecl),
    /// The route to this network goes.
    Delete(Cidr),
}

/// `clear`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClearStep {
    /// Who forgets.
    pub node: String,
    /// What: `nhrp` is all that NHRP has learned.
    pub what: &'static str,
}

/// `renumber`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenumberStep {
    /// Who gets another address.
    pub node: String,
    /// The NBMA address.
    pub nbma: IpAddr,
}

/// `feed`: scripted nodes play their recorded frames, and what the node under test says is held against what the recorded
/// router said in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedStep {
    /// The scripted nodes that play.
    pub from: Vec<String>,
    /// The node that is held against the recorded one of its NBMA address.
    pub to: String,
    /// Number of the first and of the last frame of the capture that belongs to it; `None` is all.
    pub frames: Option<(u64, u64)>,
    /// How long each answer may take, and how long is watched for one that was not recorded; `None` is the suite's
    /// default.
    pub within: Option<DurationExpr>,
    /// Where the two may differ, and do.
    pub except: Vec<FeedException>,
}

/// A difference between two routers that is known, with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedException {
    /// Path of the field, or of a group: `ext.nat` stands for all that is below it.
    pub field: String,
    /// What the node says instead; `None` is anything else than what was recorded.
    pub is: Option<FieldMatch>,
    /// Number of the only recorded frame that it holds for; `None` is all.
    pub frame: Option<u64>,
    /// Why.
    pub because: String,
    /// Where it is declared.
    pub span: Span,
}

/// `exec`, the escape hatch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecStep {
    /// Where.
    pub node: String,
    /// Program and arguments, no shell.
    pub argv: Vec<String>,
    /// Exit code that it must have.
    pub exit: i32,
    /// What its output must be: a literal text, [`Matcher::Text`], or a [`Matcher::Not`] of one.
    pub stdout: Option<Matcher>,
}

/// `group`.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupStep {
    /// Name.
    pub name: String,
    /// What it holds.
    pub steps: Steps,
}

/// Every step with those inside groups, in order.
pub fn flatten(steps: &[Spanned<Step>]) -> Vec<&Spanned<Step>> {
    let mut all = Vec::new();
    for step in steps {
        all.push(step);
        if let Step::Group(group) = &step.value {
            all.extend(flatten(&group.steps));
        }
    }
    all
}
