//! The verbs. One step does one thing.

use super::duration::DurationExpr;
use super::model::{Percent, Steps, Tolerance};
use super::span::Spanned;
use super::value::{FieldMatch, FieldValue, Matcher, Row};

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

/// The messages that a pattern can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Msg {
    /// NHRP type 1.
    ResolutionRequest,
    /// NHRP type 2.
    ResolutionReply,
    /// NHRP type 3.
    RegistrationRequest,
    /// NHRP type 4.
    RegistrationReply,
    /// NHRP type 5.
    PurgeRequest,
    /// NHRP type 6.
    PurgeReply,
    /// NHRP type 7.
    ErrorIndication,
    /// NHRP type 8.
    TrafficIndication,
    /// Any NHRP message (`nhrp` and `nhrp.*`).
    Nhrp,
    /// Any GRE packet, NHRP included.
    Gre,
}

impl Msg {
    /// All messages, in the order of their types.
    pub const ALL: [Msg; 10] = [
        Msg::ResolutionRequest,
        Msg::ResolutionReply,
        Msg::RegistrationRequest,
        Msg::RegistrationReply,
        Msg::PurgeRequest,
        Msg::PurgeReply,
        Msg::ErrorIndication,
        Msg::TrafficIndication,
        Msg::Nhrp,
        Msg::Gre,
    ];

    /// The name in suites.
    pub const fn name(self) -> &'static str {
        match self {
            Msg::ResolutionRequest => "nhrp.resolution_request",
            Msg::ResolutionReply => "nhrp.resolution_reply",
            Msg::RegistrationRequest => "nhrp.registration_request",
            Msg::RegistrationReply => "nhrp.registration_reply",
            Msg::PurgeRequest => "nhrp.purge_request",
            Msg::PurgeReply => "nhrp.purge_reply",
            Msg::ErrorIndication => "nhrp.error_indication",
            Msg::TrafficIndication => "nhrp.traffic_indication",
            Msg::Nhrp => "nhrp",
            Msg::Gre => "gre",
        }
    }

    /// From the name in suites.
    pub fn from_name(name: &str) -> Option<Msg> {
        if name == "nhrp.*" {
            return Some(Msg::Nhrp);
        }
        Msg::ALL.into_iter().find(|msg| msg.name() == name)
    }

    /// `ar$op.type`, for the messages that are one type of NHRP.
    pub fn nhrp_type(self) -> Option<u8> {
        match self {
            Msg::ResolutionRequest => Some(1),
            Msg::ResolutionReply => Some(2),
            Msg::RegistrationRequest => Some(3),
            Msg::RegistrationReply => Some(4),
            Msg::PurgeRequest => Some(5),
            Msg::PurgeReply => Some(6),
            Msg::ErrorIndication => Some(7),
            Msg::TrafficIndication => Some(8),
            Msg::Nhrp | Msg::Gre => None,
        }
    }
}

/// A packet to be emitted by a scripted node.
#[derive(Clone, Debug, PartialEq)]
pub struct SendStep {
    /// The scripted node.
    pub from: String,
    /// The node it is addressed to; not needed with `reply_to` (the asker) and `packet` (as before).
    pub to: Option<String>,
    /// The link, where the node has several.
    pub on: Option<String>,
    /// What the packet is made of.
    pub content: SendContent,
    /// GRE header, where it differs from the node's.
    pub gre: Option<GreFields>,
    /// Changes to the octets, in order, after everything else.
    pub mutate: Vec<Mutation>,
    /// Name under which the packet is known afterwards.
    pub bind_as: Option<String>,
}

/// What a sent packet is made of.
#[derive(Clone, Debug, PartialEq)]
pub enum SendContent {
    /// A message by its fields.
    Message {
        /// Which one.
        msg: Msg,
        /// The packet that it answers: request id and addresses are taken from there.
        reply_to: Option<String>,
        /// Fields that differ from what the node would send.
        fields: Vec<FieldValue>,
        /// The extensions, in order and complete; `None` sends what the node would send.
        extensions: Option<Vec<ExtensionSpec>>,
        /// The CIEs of the mandatory part, complete; `None` sends what the node would send.
        cies: Option<Vec<Vec<FieldValue>>>,
    },
    /// These octets as the payload of GRE.
    Raw(Vec<u8>),
    /// A packet seen or sent before, by its name.
    Packet(String),
}

/// Fields of the GRE header of a sent packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GreFields {
    /// The key: that of the node's tunnel, another, or none at all.
    pub key: GreKey,
}

/// The key of a sent packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GreKey {
    /// No key field.
    None,
    /// This key.
    Key(u32),
}

/// One extension of a sent message.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtensionSpec {
    /// Type number without the compulsory bit.
    pub kind: u16,
    /// The compulsory bit; `None` is the type's usual one.
    pub compulsory: Option<bool>,
    /// What is in it.
    pub content: ExtensionContent,
}

/// The value of a sent extension.
#[derive(Clone, Debug, PartialEq)]
pub enum ExtensionContent {
    /// Nothing.
    Empty,
    /// These octets.
    Octets(Vec<u8>),
    /// A Cisco authentication string (type 7).
    Secret(String),
    /// A list of CIEs.
    Cies(Vec<Vec<FieldValue>>),
}

/// A change to the octets of an NHRP message.
#[derive(Clone, Debug, PartialEq)]
pub enum Mutation {
    /// Writes a field in place; lengths and checksum stay as they are.
    Set(FieldValue),
    /// Turns one bit over.
    Flip {
        /// Octet from the start of the NHRP message.
        offset: u32,
        /// 0 is the most significant bit.
        bit: u8,
    },
    /// Cuts to so many octets.
    Truncate {
        /// What is left.
        to: u32,
    },
    /// Adds octets at the end.
    Append(Vec<u8>),
    /// Calculates fields again.
    Fix(Vec<Fix>),
}

/// A field that can be calculated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fix {
    /// `ar$chksum`.
    Checksum,
    /// `ar$pktsz`.
    Pktsz,
    /// `ar$extoff`.
    Extoff,
}

/// What a packet looks like.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PacketPattern {
    /// Where it is seen; anywhere if `None`.
    pub on: Option<Place>,
    /// The node that sent it.
    pub from: Option<String>,
    /// The node it is addressed to.
    pub to: Option<String>,
    /// What it is.
    pub msg: Option<Msg>,
    /// Its fields.
    pub matches: Vec<FieldMatch>,
}

/// Where a packet is seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On a link.
    Link(String),
    /// At a node: sent or received by it.
    Node(String),
}

impl Place {
    /// The name of the link or node.
    pub fn name(&self) -> &str {
        match self {
            Place::Link(name) | Place::Node(name) => name,
        }
    }
}

/// An exact instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    /// The mark or packet counted from; the case's start if `None`.
    pub after: Option<String>,
    /// How long after it.
    pub is: DurationExpr,
}

/// How many packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// At least.
    pub min: u64,
    /// At most; `None` sets no limit.
    pub max: Option<u64>,
}

impl Default for Count {
    /// One is needed, and looking stops there.
    fn default() -> Self {
        Self { min: 1, max: None }
    }
}

/// `expect`: the first packet of this look has to come in time. Packets that do not fit are passed over.
#[derive(Clone, Debug, PartialEq)]
pub struct PacketExpectation {
    /// The look; what `any_of` leaves open.
    pub pattern: PacketPattern,
    /// Alternatives: besides `pattern` one of these must fit. Empty means that there are none.
    pub any_of: Vec<PacketPattern>,
    /// Upper bound from the end of the previous step, or from `after`; `None` is the suite's default.
    pub within: Option<DurationExpr>,
    /// The instant at which it must come, give or take the tolerance.
    pub at: Option<At>,
    /// The mark or packet from which on packets count; the end of the previous step if `None`.
    pub after: Option<String>,
    /// Slack of `at`, where it differs from the suite's.
    pub tolerance: Option<Tolerance>,
    /// How many; see [`Count::default`]. With an upper limit the whole of `within` is watched.
    pub count: Count,
    /// Name of the (first) packet for `$name`, `after`, `measure`.
    pub bind_as: Option<String>,
}

/// `expect_none`: for so long no packet of this look comes.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectNone {
    /// The look.
    pub pattern: PacketPattern,
    /// Alternatives, any of which is as bad.
    pub any_of: Vec<PacketPattern>,
    /// How long.
    pub during: DurationExpr,
    /// Why the absence proves something without a control.
    pub because: Option<String>,
}

/// `expect_every`: packets of this look come at a steady pace.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectEvery {
    /// The look.
    pub pattern: PacketPattern,
    /// Time between one and the next.
    pub period: DurationExpr,
    /// Slack, where it differs from the suite's.
    pub tolerance: Option<Tolerance>,
    /// How many periods.
    pub times: u32,
    /// The mark or packet from which the first period counts; the end of the previous step if `None`.
    pub after: Option<String>,
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
