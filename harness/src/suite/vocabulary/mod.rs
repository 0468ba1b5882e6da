//! The vocabulary as data: every mapping of a suite file with its keys.
//!
//! The loader refuses a key that is not here and can not ask for one that is not here; the JSON schema is printed from
//! the same tables. So what is accepted, what is suggested ("did you mean") and what editors know can not drift apart.

mod rules;
mod steps;

use super::model::{ClockKind, Level, VerdictOnFail, WorldKind};
use super::packet::Fix;
use super::topology::{Profile, Role, Shelf};
pub(crate) use rules::*;
pub(crate) use steps::*;

/// A mapping with a fixed set of keys.
pub(crate) struct Shape {
    /// Name in the schema and in messages.
    pub(crate) name: &'static str,
    /// What it is.
    pub(crate) doc: &'static str,
    /// Its keys.
    pub(crate) keys: &'static [Key],
}

/// One key of a mapping.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    pub(crate) kind: Kind,
    pub(crate) doc: &'static str,
}

/// What may stand behind a key.
pub(crate) enum Kind {
    /// Words in quotes or not.
    Text,
    /// Letters, digits and hyphens, with slashes if `path`.
    Slug { path: bool },
    /// A name of a node, link, mark or packet.
    Name,
    /// A whole number, decimal or `0x`.
    Int,
    /// `true` or `false`.
    Bool,
    /// `true`.
    True,
    /// One of these words.
    Words(&'static [&'static str]),
    /// A duration with unit or parameter.
    Duration,
    /// `2038-01-19T03:00:00Z`.
    Instant,
    /// `5%`.
    Percent,
    /// An IP address.
    Addr,
    /// An IP address with a prefix length.
    Cidr,
    /// Octets in hexadecimal.
    Hex,
    /// Any scalar.
    Scalar,
    /// A value of a field: a scalar, or `hex: ".."`.
    Value,
    /// What a field is held against.
    Matcher,
    /// A mapping.
    Map(&'static Shape),
    /// A mapping of which exactly one key is there.
    One(&'static Shape),
    /// A list of steps. A kind of its own, because a constant can not go round in a circle (steps, group, steps).
    Steps,
    /// A mapping from names or field paths.
    Dict(&'static Kind),
    /// A list.
    List(&'static Kind),
    /// A list, or a single item without brackets.
    OneOrMany(&'static Kind),
    /// Either.
    Either(&'static [Kind]),
}

impl Shape {
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.keys.iter().map(|key| key.name)
    }
}

const fn must(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, required: true, kind, doc }
}

const fn may(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, required: false, kind, doc }
}

pub(crate) const WORLDS: &[&str] =
    &[WorldKind::Sim.name(), WorldKind::Replay.name(), WorldKind::Real.name(), WorldKind::Live.name()];
pub(crate) const CLOCKS: &[&str] = &[ClockKind::Virtual.name(), ClockKind::Real.name()];
pub(crate) const ROLES: &[&str] =
    &[Role::Hub.name(), Role::Spoke.name(), Role::Host.name(), Role::Nat.name(), Role::Observer.name()];
pub(crate) const LEVELS: &[&str] = &[Level::Must.name(), Level::Should.name(), Level::May.name(), Level::Goal.name()];
pub(crate) const KEYWORDS: &[&str] = &["upper", "lower"];
pub(crate) const MODES: &[&str] = &["multipoint", "p2p"];
pub(crate) const PROFILES: &[&str] = &[Profile::Rfc2332.name(), Profile::Dmvpn.name()];
pub(crate) const VERDICTS: &[&str] =
    &[VerdictOnFail::Fail.name(), VerdictOnFail::Warn.name(), VerdictOnFail::Info.name()];
pub(crate) const SHELVES: &[&str] = &[Shelf::Project.name(), Shelf::ThirdParty.name()];
pub(crate) const FIXES: &[&str] = &[Fix::Checksum.name(), Fix::Pktsz.name(), Fix::Extoff.name()];

/// A node or an address.
const STATION: Kind = Kind::Either(&[Kind::Name, Kind::Addr]);
const WORLD_LIST: Kind = Kind::OneOrMany(&Kind::Words(WORLDS));
const NAMES: Kind = Kind::OneOrMany(&Kind::Name);
const PARAMS: Kind = Kind::Dict(&Kind::Scalar);
const MATCHES: Kind = Kind::Dict(&Kind::Matcher);
const ROWS: Kind = Kind::OneOrMany(&MATCHES);
const FIELDS: Kind = Kind::Dict(&Kind::Value);
const AT: Kind = Kind::Either(&[Kind::Duration, Kind::Map(&AT_AFTER)]);
const COUNT: Kind = Kind::Either(&[Kind::Int, Kind::One(&COUNT_RANGE)]);
const KEY: Kind = Kind::Either(&[Kind::Int, Kind::Words(&["none"])]);

pub(crate) static SUITE: Shape = Shape {
    name: "suite",
    doc: "One suite over one topology.",
    keys: &[
        must("schema", Kind::Int, "Version of this vocabulary: 1."),
        must("suite", Kind::Slug { path: true }, "The file's path under suites/ without the extension."),
        must("title", Kind::Text, "One line."),
        may("purpose", Kind::Text, "What the suite is for."),
        may("problems", Kind::Text, "What goes wrong in a network whose equipment fails it."),
        must("worlds", WORLD_LIST, "Where the cases may run."),
        may("clock", Kind::Words(CLOCKS), "The clock that every case needs, if it matters."),
        may(
            "epoch",
            Kind::Instant,
            "What the clock on the wall says when a case begins, as in 2038-01-19T03:00:00Z; needs `clock: virtual`.",
        ),
        may("seed", Kind::Int, "Default seed."),
        may("params", PARAMS, "Named values, used as $name; durations with their unit."),
        may("needs", Kind::OneOrMany(&Kind::Text), "Capabilities that every case needs."),
        must("topology", Kind::Map(&TOPOLOGY), "Nodes and links."),
        may("defaults", Kind::Map(&DEFAULTS), "What steps leave out."),
        must("cases", Kind::List(&Kind::Map(&CASE)), "The cases."),
    ],
};

pub(crate) static DEFAULTS: Shape = Shape {
    name: "defaults",
    doc: "What steps leave out.",
    keys: &[
        may("within", Kind::Duration, "Upper bound of a wait."),
        may("tolerance", Kind::Map(&TOLERANCE), "Slack of instants in real time."),
    ],
};

pub(crate) static TOLERANCE: Shape = Shape {
    name: "tolerance",
    doc: "Slack of an instant or a period.",
    keys: &[
        may("abs", Kind::Duration, "A fixed part."),
        may("pct", Kind::Int, "A part of the length measured, in per cent."),
    ],
};

pub(crate) static TOPOLOGY: Shape = Shape {
    name: "topology",
    doc: "Nodes and links; in a case, what differs from the suite's.",
    keys: &[
        may("nodes", Kind::Dict(&Kind::Map(&NODE)), "The nodes by name."),
        may("links", Kind::List(&Kind::Map(&LINK)), "The links; in a case they are merged by name."),
        may("capture", Kind::Map(&CAPTURE), "The capture that world replay or `feed` plays."),
    ],
};

pub(crate) static CAPTURE: Shape = Shape {
    name: "capture",
    doc: "A capture file.",
    keys: &[
        must("file", Kind::Text, "Its path in the checkout, or in the folder that `from` names."),
        may("from", Kind::Words(SHELVES), "project (if left out), or third-party: the folder of DMVPN_LAB_CAPTURES."),
        may(
            "keys",
            Kind::Text,
            "Keys that open its ESP and IKEv2, in the same folder: a table or a profile of Wireshark's.",
        ),
    ],
};

// Nothing is required here, because a case may change a single key; completeness is checked after merging.
pub(crate) static NODE: Shape = Shape {
    name: "node",
    doc: "A node.",
    keys: &[
        may("role", Kind::Words(ROLES), "Its part."),
        may(
            "bind",
            Kind::Name,
            "Who plays it: subject, peer, reference, an implementation by name, as in frr:10.3; capture: it is recorded.",
        ),
        may("scripted", Kind::Bool, "The harness plays it: it does only what `send` makes it do."),
        may("nbma", Kind::Addr, "Address on the underlay."),
        may("tunnel", Kind::Cidr, "Address in the tunnel, with prefix length."),
        may("key", KEY, "GRE key."),
        may("mode", Kind::Words(MODES), "Kind of tunnel."),
        may("nhs", Kind::List(&Kind::Map(&NHS)), "Next-hop servers."),
        may("maps", Kind::List(&Kind::Map(&MAP)), "Static bindings."),
        may("nhrp", Kind::Map(&NHRP), "NHRP parameters."),
        may("mtu", Kind::Int, "MTU of the tunnel."),
        may("tunnels", Kind::List(&Kind::Map(&TUNNEL)), "Further tunnels over the same NBMA address."),
        may("lan", Kind::List(&Kind::Cidr), "Networks attached outside all tunnels, as the node's own address there."),
        may("routes", Kind::List(&Kind::Map(&ROUTE)), "What leads where beyond the networks that it is in."),
        may("ipsec", Kind::Map(&IPSEC), "How its tunnel is protected; GRE in clear if left out."),
    ],
};

pub(crate) static TUNNEL: Shape = Shape {
    name: "tunnel",
    doc: "One more tunnel of a node, by the keys that the node has for its first.",
    keys: &[
        must("tunnel", Kind::Cidr, "Address in the tunnel, with prefix length."),
        may("key", KEY, "GRE key."),
        may("mode", Kind::Words(MODES), "Kind of tunnel."),
        may("nhs", Kind::List(&Kind::Map(&NHS)), "Next-hop servers."),
        may("maps", Kind::List(&Kind::Map(&MAP)), "Static bindings."),
        may("nhrp", Kind::Map(&NHRP), "NHRP parameters."),
        may("mtu", Kind::Int, "MTU of the tunnel."),
    ],
};

pub(crate) static ROUTE: Shape = Shape {
    name: "route",
    doc: "A route of a node.",
    keys: &[
        must("to", Kind::Cidr, "The network."),
        must("via", STATION, "The next hop: a node, at its address in the tunnel, or an address."),
    ],
};

pub(crate) static MAP: Shape = Shape {
    name: "map",
    doc: "A static binding: `node`, or `protocol` and `nbma`.",
    keys: &[
        may("node", Kind::Name, "The node that is meant."),
        may("protocol", Kind::Addr, "Protocol address."),
        may("nbma", Kind::Addr, "NBMA address."),
    ],
};

pub(crate) static NHS: Shape = Shape {
    name: "nhs",
    doc: "A next-hop server of a node.",
    keys: &[
        must("node", Kind::Name, "The node that is it."),
        may("priority", Kind::Int, "Lower is preferred; 0 if left out."),
        may("cluster", Kind::Int, "The cluster that it belongs to; 0 if left out."),
        may("discover", Kind::True, "The client does not know the server's protocol address."),
    ],
};

pub(crate) static NHRP: Shape = Shape {
    name: "nhrp",
    doc: "NHRP parameters of a node.",
    keys: &[
        may("hold", Kind::Duration, "Holding time that it announces."),
        may("auth", Kind::Either(&[Kind::Text, Kind::Words(&["none"])]), "Cisco authentication string, 1 to 8 octets."),
        may("network_id", Kind::Int, "Network id, local to the node."),
        may("unique", Kind::Bool, "Registers with the U bit; true if left out."),
        may("profile", Kind::Words(PROFILES), "Which reading it follows: rfc2332, or dmvpn (if left out)."),
        may("redirect", Kind::Bool, "Sends Traffic Indications; a hub does if nothing is said."),
        may("shortcut", Kind::Bool, "Acts upon Traffic Indications; a spoke does if nothing is said."),
        may("answers", Kind::Bool, "Answers Resolution Requests; true if left out. If not, with code 4."),
        may("resolution_hold", Kind::Duration, "Holding time of its answers about prefixes; `hold` if left out."),
        may(
            "multicast",
            Kind::List(&STATION),
            "Who gets copies of multicast packets: dynamic (who registered), nhs (its servers), nodes, NBMA addresses.",
        ),
        may("clusters", Kind::List(&Kind::Map(&CLUSTER)), "Clusters of servers of which some are used at a time."),
        may("fallback", Kind::Duration, "How long a better server must be back before it is preferred again."),
    ],
};

pub(crate) static CLUSTER: Shape = Shape {
    name: "cluster",
    doc: "A cluster of servers.",
    keys: &[
        must("id", Kind::Int, "Its number, as in `nhs`."),
        must("max", Kind::Int, "How many of it are registered with at a time."),
    ],
};

// `psk` is required after merging only: a case may change a single key.
pub(crate) static IPSEC: Shape = Shape {
    name: "ipsec",
    doc: "How a node protects its tunnel: IKEv2, and ESP in transport mode for GRE.",
    keys: &[
        may("psk", Kind::Text, "Pre-shared key."),
        may("ike_rekey", Kind::Duration, "After which it rekeys its IKE SA; whole seconds; never if left out."),
        may("child_rekey", Kind::Duration, "After which it rekeys its Child SA; whole seconds; never if left out."),
        may("dpd", Kind::Duration, "Silence after which it asks for a sign of life; whole seconds; never if left out."),
        may("fragment", Kind::Int, "Largest IP packet in which it sends an IKE message; its own choice if left out."),
    ],
};

pub(crate) static LINK: Shape = Shape {
    name: "link",
    doc: "A link. Nodes that no link names hang on the only one.",
    keys: &[
        must("name", Kind::Name, "Its name."),
        may("ends", Kind::List(&Kind::Text), "What hangs on it, as node:nbma."),
        may("delay", Kind::Duration, "Delay one way."),
        may("loss", Kind::Percent, "Loss from the start."),
        may("mtu", Kind::Int, "MTU."),
        may("capture", Kind::Bool, "Keep everything on it, so that it can be expected."),
    ],
};

pub(crate) static CASE: Shape = Shape {
    name: "case",
    doc: "One rule, judged.",
    keys: &[
        must("id", Kind::Slug { path: false }, "Slug, unique in the suite."),
        must("title", Kind::Text, "The rule in one sentence."),
        must("cites", Kind::List(&Kind::Map(&CITE)), "Where the rule stands."),
        may("interpretation", Kind::Text, "Which reading was chosen where the text allows several."),
        may("worlds", WORLD_LIST, "Narrower than the suite's."),
        may("clock", Kind::Words(CLOCKS), "The clock it needs."),
        may("epoch", Kind::Instant, "What the clock on the wall says when it begins; needs `clock: virtual`."),
        may("timeout", Kind::Duration, "Hard stop."),
        may("tags", Kind::OneOrMany(&Kind::Text), "Words for --tag."),
        may("topology", Kind::Map(&TOPOLOGY), "What differs from the suite's."),
        may("params", PARAMS, "What differs from the suite's."),
        may("needs", Kind::OneOrMany(&Kind::Text), "Capabilities beyond the suite's."),
        must("steps", Kind::Steps, "What happens."),
        may("teardown", Kind::Steps, "Runs always, at the very end."),
        may("control", Kind::Steps, "Runs after the steps: shows that what did not come would have been seen."),
        may("verdict_on_fail", Kind::Words(VERDICTS), "The verdict when a step fails; fail if left out."),
    ],
};

pub(crate) static CITE: Shape = Shape {
    name: "cite",
    doc: "A sentence that the case stands on.",
    keys: &[
        must("spec", Kind::Text, "Specification, such as rfc2332."),
        must("section", Kind::Text, "Section, in quotes."),
        must("level", Kind::Words(LEVELS), "Strength."),
        may("keyword", Kind::Words(KEYWORDS), "lower: the text has no capitalised keyword."),
        may("quote", Kind::Text, "Enough words to find the sentence."),
        may("requirement", Kind::Text, "Id in the catalogue of requirements."),
    ],
};

/// Every shape by name, for the schema's definitions.
pub(crate) static SHAPES: &[&Shape] = &[
    &SUITE,
    &DEFAULTS,
    &TOLERANCE,
    &TOPOLOGY,
    &CAPTURE,
    &NODE,
    &TUNNEL,
    &ROUTE,
    &MAP,
    &NHS,
    &NHRP,
    &CLUSTER,
    &IPSEC,
    &LINK,
    &CASE,
    &CITE,
    &STEP,
    &READY,
    &SEND,
    &GRE,
    &IP,
    &EXTENSION,
    &MUTATION,
    &SET,
    &FLIP,
    &TRUNCATE,
    &APPEND,
    &PATTERN,
    &EXPECT,
    &EXPECT_NONE,
    &EXPECT_EVERY,
    &AT_AFTER,
    &COUNT_RANGE,
    &STATE,
    &WAIT,
    &IMPAIR,
    &HEAL,
    &MEASURE,
    &PING,
    &ROUTE_STEP,
    &CLEAR,
    &RENUMBER,
    &FEED,
    &COMPARE,
    &EXCEPTION,
    &EXEC,
    &GROUP,
    &MATCHER,
];
