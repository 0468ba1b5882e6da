//! Packets in steps: what is sent and what is looked for.

use std::net::IpAddr;

use super::duration::DurationExpr;
use super::model::Tolerance;
use super::value::{FieldMatch, FieldValue};

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
    /// An IP packet in GRE: data.
    Ip,
    /// Any GRE packet, NHRP included.
    Gre,
    /// Any ESP packet, also one in UDP.
    Esp,
    /// Any IKE message.
    Ike,
}

impl Msg {
    /// All messages, in the order of their types.
    pub const ALL: [Msg; 13] = [
        Msg::ResolutionRequest,
        Msg::ResolutionReply,
        Msg::RegistrationRequest,
        Msg::RegistrationReply,
        Msg::PurgeRequest,
        Msg::PurgeReply,
        Msg::ErrorIndication,
        Msg::TrafficIndication,
        Msg::Nhrp,
        Msg::Ip,
        Msg::Gre,
        Msg::Esp,
        Msg::Ike,
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
            Msg::Ip => "ip",
            Msg::Gre => "gre",
            Msg::Esp => "esp",
            Msg::Ike => "ike",
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
            Msg::Nhrp | Msg::Ip | Msg::Gre | Msg::Esp | Msg::Ike => None,
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
    pub gre: GreFields,
    /// Outer IP header, where it differs from the node's.
    pub ip: IpFields,
    /// Changes to the octets, in order, after everything else.
    pub mutate: Vec<Mutation>,
    /// How often it is sent, at least once.
    pub repeat: u32,
    /// Time between one and the next; all at once if `None`.
    pub every: Option<DurationExpr>,
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

/// The GRE header of a sent packet, where it differs from that of the node's tunnel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GreFields {
    /// There is no GRE header: what the packet is made of follows the outer IP header.
    pub none: bool,
    /// The key, if not the tunnel's.
    pub key: Option<GreKey>,
    /// Whether there is a checksum, and whether it is right.
    pub checksum: Option<GreChecksum>,
    /// A sequence number.
    pub sequence: Option<u32>,
    /// Protocol type, if not that of the payload.
    pub protocol: Option<u16>,
    /// The whole word of flags and version, written over what the header has; the rest of it stays.
    pub flags: Option<u16>,
    /// Version, written over what the header has.
    pub version: Option<u8>,
}

/// The checksum of a GRE header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GreChecksum {
    /// Over header and payload, as RFC 2784 has it.
    Right,
    /// One bit of it turned over.
    Wrong,
}

/// The outer IP header of a sent packet, where it differs from the node's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IpFields {
    /// Source address: as if an address translator had changed it. What is sent there comes to the node.
    pub src: Option<IpAddr>,
    /// TTL or hop limit.
    pub ttl: Option<u8>,
    /// TOS or traffic class.
    pub tos: Option<u8>,
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
    /// The mark or packet from which on packets count; the packet that the last expectation took if `None`, so that
    /// nothing is missed that came while the harness was busy.
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
    /// How long, from now on.
    pub during: DurationExpr,
    /// The mark or packet since when there must have been none, either; only from now on if `None`.
    pub after: Option<String>,
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
    /// The mark or packet from which the first period counts; the packet that the last expectation took if `None`.
    pub after: Option<String>,
}
