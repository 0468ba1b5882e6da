//! The mappings of steps, packets and matchers.

use crate::suite::packet::Msg;

use super::{AT, COUNT, FIELDS, FIXES, KEY, Kind, MATCHES, NAMES, ROWS, STATION, Shape, TOLERANCE, may, must};

pub(crate) static STEP: Shape = Shape {
    name: "step",
    doc: "One step: exactly one verb.",
    keys: &[
        may("start", NAMES, "Start nodes."),
        may("stop", NAMES, "Stop nodes in an orderly way."),
        may("kill", NAMES, "Stop nodes with no goodbye."),
        may("restart", NAMES, "Stop and start nodes."),
        may("ready", Kind::Either(&[NAMES, Kind::Map(&READY)]), "Wait until nodes are ready."),
        may("send", Kind::Map(&SEND), "A scripted node emits a packet."),
        may("expect", Kind::Map(&EXPECT), "A packet has to come."),
        may("expect_none", Kind::Map(&EXPECT_NONE), "A packet must not come."),
        may("expect_every", Kind::Map(&EXPECT_EVERY), "A packet has to come at a steady pace."),
        may("state", Kind::Map(&STATE), "A view of a node's state has to hold."),
        may("advance", Kind::Duration, "Move virtual time."),
        may("wait", Kind::Map(&WAIT), "Let time pass."),
        may("impair", Kind::Map(&IMPAIR), "Make a link worse."),
        may("heal", Kind::Either(&[Kind::Name, Kind::Map(&HEAL)]), "Make a link whole again."),
        may("mark", Kind::Name, "Give this instant a name."),
        may("measure", Kind::Map(&MEASURE), "Hold the time between two instants against bounds."),
        may("ping", Kind::Map(&PING), "A node asks another for echoes."),
        may("route", Kind::Map(&ROUTE_STEP), "Change a routing table."),
        may("clear", Kind::Map(&CLEAR), "Have a node forget what it has learned."),
        may("renumber", Kind::Map(&RENUMBER), "Give a node another NBMA address."),
        may("feed", Kind::Map(&FEED), "Play a capture to a node, and hold its answers against those recorded."),
        may("exec", Kind::Map(&EXEC), "Run a program in a node."),
        may("note", Kind::Text, "A line for the timeline."),
        may("group", Kind::Map(&GROUP), "Steps under one name."),
    ],
};

pub(crate) static READY: Shape = Shape {
    name: "ready",
    doc: "Nodes that have to be ready.",
    keys: &[must("nodes", NAMES, "Who."), may("within", Kind::Duration, "Until when.")],
};

pub(crate) static SEND: Shape = Shape {
    name: "send",
    doc: "A packet to be emitted; exactly one of `msg`, `raw` and `packet` says what it is made of.",
    keys: &[
        must("from", Kind::Name, "The scripted node."),
        may("to", Kind::Name, "The node it is addressed to."),
        may("on", Kind::Name, "The link, where the node has several."),
        may("msg", Kind::Words(SENDABLE), "A message by its fields."),
        may("raw", Kind::Hex, "The payload of GRE, octet by octet."),
        may("packet", Kind::Name, "A packet seen or sent before."),
        may("reply_to", Kind::Name, "The packet that the message answers."),
        may("fields", FIELDS, "Fields that differ from what the node would send."),
        may("extensions", Kind::List(&Kind::Map(&EXTENSION)), "The extensions, in order and complete."),
        may("cies", Kind::List(&FIELDS), "The CIEs of the mandatory part, complete."),
        may(
            "gre",
            Kind::Either(&[Kind::Words(&["none"]), Kind::Map(&GRE)]),
            "GRE header, where it differs from the node's; none: there is no GRE header at all.",
        ),
        may("ip", Kind::Map(&IP), "Outer IP header, where it differs from the node's."),
        may("mutate", Kind::List(&Kind::One(&MUTATION)), "Changes to the octets, in order."),
        may("repeat", Kind::Int, "How often it is sent; once if left out."),
        may("every", Kind::Duration, "Time between one and the next of several; all at once if left out."),
        may("as", Kind::Name, "Name under which the packet is known afterwards."),
    ],
};

/// Messages that can be sent: every single type, no wildcards.
pub(crate) const SENDABLE: &[&str] = &[
    Msg::ResolutionRequest.name(),
    Msg::ResolutionReply.name(),
    Msg::RegistrationRequest.name(),
    Msg::RegistrationReply.name(),
    Msg::PurgeRequest.name(),
    Msg::PurgeReply.name(),
    Msg::ErrorIndication.name(),
    Msg::TrafficIndication.name(),
    Msg::Ip.name(),
];

/// Messages that can be looked for.
pub(crate) const MESSAGES: &[&str] = &[
    Msg::ResolutionRequest.name(),
    Msg::ResolutionReply.name(),
    Msg::RegistrationRequest.name(),
    Msg::RegistrationReply.name(),
    Msg::PurgeRequest.name(),
    Msg::PurgeReply.name(),
    Msg::ErrorIndication.name(),
    Msg::TrafficIndication.name(),
    Msg::Nhrp.name(),
    "nhrp.*",
    Msg::Ip.name(),
    Msg::Gre.name(),
    Msg::Esp.name(),
    Msg::Ike.name(),
];

pub(crate) static GRE: Shape = Shape {
    name: "gre",
    doc: "GRE header of a sent packet, where it differs from the node's.",
    keys: &[
        may("key", KEY, "The key, or none."),
        may("checksum", Kind::Either(&[Kind::True, Kind::Words(&["wrong"])]), "With a checksum: right, or wrong."),
        may("sequence", Kind::Int, "With this sequence number."),
        may("protocol", Kind::Int, "Protocol type, if not that of the payload."),
        may("flags", Kind::Int, "The word of flags and version, over what the header has; the rest of it stays."),
        may("version", Kind::Int, "Version, over what the header has."),
    ],
};

pub(crate) static IP: Shape = Shape {
    name: "ip",
    doc: "Outer IP header of a sent packet, where it differs from the node's.",
    keys: &[
        may(
            "src",
            Kind::Addr,
            "Source address, as if a translator had changed it; what is sent there comes back here.",
        ),
        may("ttl", Kind::Int, "TTL or hop limit."),
        may("tos", Kind::Int, "TOS or traffic class."),
    ],
};

pub(crate) static EXTENSION: Shape = Shape {
    name: "extension",
    doc: "An extension of a sent message; at most one of `value`, `secret` and `cies`.",
    keys: &[
        must("type", Kind::Either(&[Kind::Int, Kind::Text]), "Its name or number."),
        may("compulsory", Kind::Bool, "The compulsory bit, where it is not the type's usual one."),
        may("value", Kind::Hex, "Its value, octet by octet."),
        may("secret", Kind::Text, "A Cisco authentication string."),
        may("cies", Kind::List(&FIELDS), "A list of CIEs."),
    ],
};

pub(crate) static MUTATION: Shape = Shape {
    name: "mutation",
    doc: "A change to the octets of an NHRP message.",
    keys: &[
        may("set", Kind::Map(&SET), "Write a field in place; lengths and checksum stay."),
        may("flip", Kind::Map(&FLIP), "Turn one bit over."),
        may("truncate", Kind::Map(&TRUNCATE), "Cut."),
        may("append", Kind::Map(&APPEND), "Add octets."),
        may("fix", Kind::OneOrMany(&Kind::Words(FIXES)), "Calculate fields again."),
    ],
};

pub(crate) static SET: Shape = Shape {
    name: "set",
    doc: "A field to be written.",
    keys: &[must("field", Kind::Text, "Its path."), must("value", Kind::Value, "What to write.")],
};

pub(crate) static FLIP: Shape = Shape {
    name: "flip",
    doc: "A bit to be turned over.",
    keys: &[
        must("offset", Kind::Int, "Octet from the start of the NHRP message."),
        must("bit", Kind::Int, "0 (most significant) to 7."),
    ],
};

pub(crate) static TRUNCATE: Shape =
    Shape { name: "truncate", doc: "Where to cut.", keys: &[must("to", Kind::Int, "Octets that are left.")] };

pub(crate) static APPEND: Shape =
    Shape { name: "append", doc: "What to add.", keys: &[must("hex", Kind::Hex, "The octets.")] };

/// The keys that every look at packets has.
macro_rules! pattern_keys {
    ($($key:expr),* $(,)?) => {
        &[
            may("on", Kind::Name, "The link or node where it is seen."),
            may("from", Kind::Name, "The node that sent it."),
            may("to", Kind::Name, "The node it is addressed to."),
            may("msg", Kind::Words(MESSAGES), "What it is."),
            may("match", MATCHES, "Its fields."),
            $($key),*
        ]
    };
}

pub(crate) static PATTERN: Shape = Shape { name: "pattern", doc: "What a packet looks like.", keys: pattern_keys![] };

pub(crate) static EXPECT: Shape = Shape {
    name: "expect",
    doc: "A packet that has to come.",
    keys: pattern_keys![
        may("any_of", Kind::List(&Kind::Map(&PATTERN)), "Alternatives, for what the rest leaves open."),
        may("within", Kind::Duration, "Upper bound, from the end of the previous step."),
        may("at", AT, "The instant, from the start of the case or from `after`."),
        may("after", Kind::Name, "The mark or packet to count from."),
        may("tolerance", Kind::Map(&TOLERANCE), "Slack of `at`."),
        may("count", COUNT, "How many."),
        may("as", Kind::Name, "Name under which the packet is known afterwards."),
    ],
};

pub(crate) static EXPECT_NONE: Shape = Shape {
    name: "expect_none",
    doc: "A packet that must not come.",
    keys: pattern_keys![
        may("any_of", Kind::List(&Kind::Map(&PATTERN)), "Alternatives, each as bad."),
        must("for", Kind::Duration, "How long."),
        may("after", Kind::Name, "The mark or packet from which on none may have come, where that is not now."),
        may("because", Kind::Text, "Why the absence proves something without a control."),
    ],
};

pub(crate) static EXPECT_EVERY: Shape = Shape {
    name: "expect_every",
    doc: "Packets that have to come at a steady pace.",
    keys: pattern_keys![
        must("period", Kind::Duration, "Time between one and the next."),
        may("tolerance", Kind::Map(&TOLERANCE), "Slack of the period."),
        must("times", Kind::Int, "How many periods."),
        may("after", Kind::Name, "The mark or packet from which the first period counts."),
    ],
};

pub(crate) static AT_AFTER: Shape = Shape {
    name: "at",
    doc: "An instant.",
    keys: &[
        may("after", Kind::Name, "The mark or packet to count from; the case's start if left out."),
        must("is", Kind::Duration, "How long after it."),
    ],
};

pub(crate) static COUNT_RANGE: Shape = Shape {
    name: "count",
    doc: "A range of numbers.",
    keys: &[
        may("ge", Kind::Int, "At least."),
        may("le", Kind::Int, "At most."),
        may("between", Kind::List(&Kind::Int), "Both ends included."),
    ],
};

pub(crate) static STATE: Shape = Shape {
    name: "state",
    doc: "A question to a view; exactly one of `equals`, `contains`, `present` and `absent`.",
    keys: &[
        must("node", Kind::Name, "Whom."),
        must("view", Kind::Text, "Which table."),
        may("where", MATCHES, "The lines looked at."),
        may("equals", ROWS, "These lines in any order, and no others."),
        may("contains", ROWS, "These lines, and perhaps others."),
        may("present", Kind::True, "At least one line."),
        may("absent", Kind::True, "No line."),
        may("within", Kind::Duration, "It must hold at the latest then."),
        may("hold_for", Kind::Duration, "It must hold so long without a break."),
        may("at", AT, "It must hold at this instant."),
        may("turns", AT, "It must become true at this instant, and not before."),
        may("because", Kind::Text, "Why an absence proves something without a control."),
    ],
};

pub(crate) static WAIT: Shape = Shape {
    name: "wait",
    doc: "Time that passes.",
    keys: &[
        must("for", Kind::Duration, "How long."),
        must("because", Kind::Text, "Why nothing better than waiting will do."),
    ],
};

pub(crate) static IMPAIR: Shape = Shape {
    name: "impair",
    doc: "What a link does to packets from now on.",
    keys: &[
        must("link", Kind::Name, "The link."),
        may("from", Kind::Name, "Only packets of this node."),
        may("to", Kind::Name, "Only packets to this node."),
        may("loss", Kind::Percent, "Share that is lost."),
        may("delay", Kind::Duration, "More delay."),
        may("jitter", Kind::Duration, "Delay varies by up to so much."),
        may("duplicate", Kind::Percent, "Share that comes twice."),
        may("reorder", Kind::Percent, "Share that overtakes others."),
        may("corrupt", Kind::Percent, "Share with one bit turned over."),
        may("block", Kind::True, "Nothing passes."),
        may("for", Kind::Duration, "Heals by itself after so long."),
    ],
};

pub(crate) static HEAL: Shape =
    Shape { name: "heal", doc: "A link to be made whole.", keys: &[must("link", Kind::Name, "The link.")] };

pub(crate) static MEASURE: Shape = Shape {
    name: "measure",
    doc: "A time to be measured.",
    keys: &[
        must("from", Kind::Name, "Mark or packet."),
        must("to", Kind::Name, "Mark or packet."),
        may("at_most", Kind::Duration, "Upper bound."),
        may("at_least", Kind::Duration, "Lower bound."),
        must("name", Kind::Slug { path: false }, "Name of the metric."),
    ],
};

pub(crate) static PING: Shape = Shape {
    name: "ping",
    doc: "Echo requests, five a second, and how many of them are not answered.",
    keys: &[
        must("from", Kind::Name, "Who asks."),
        must("to", STATION, "A node, at its address in the tunnel, or an address."),
        may("source", Kind::Addr, "The address that asks: its own in the tunnel, if left out, or in a network of its."),
        may("count", Kind::Int, "How many requests; 3 if left out."),
        may("size", Kind::Int, "Octets of data in each."),
        may("within", Kind::Duration, "How long the last answer may take."),
        may("lost", Kind::Int, "How many remain without an answer, exactly; 0 if left out."),
    ],
};

pub(crate) static ROUTE_STEP: Shape = Shape {
    name: "route_step",
    doc: "A change of a routing table: `add` with `via`, or `delete`.",
    keys: &[
        must("node", Kind::Name, "Whose."),
        may("add", Kind::Cidr, "The network that a route leads to from now on."),
        may("via", STATION, "Its next hop: a node, at its address in the tunnel, or an address."),
        may("delete", Kind::Cidr, "The network whose route goes."),
    ],
};

pub(crate) static CLEAR: Shape = Shape {
    name: "clear",
    doc: "What a node forgets.",
    keys: &[must("node", Kind::Name, "Who."), must("what", Kind::Words(CLEARABLE), "nhrp: all that NHRP has learned.")],
};

/// What a node can be told to forget.
pub(crate) const CLEARABLE: &[&str] = &["nhrp"];

pub(crate) static RENUMBER: Shape = Shape {
    name: "renumber",
    doc: "Another NBMA address of a node.",
    keys: &[must("node", Kind::Name, "Who."), must("nbma", Kind::Addr, "The address.")],
};

pub(crate) static FEED: Shape = Shape {
    name: "feed",
    doc: "Recorded frames that are played to a node, whose answers are held against the recorded ones.",
    keys: &[
        must("from", NAMES, "The scripted nodes that play what was recorded from their NBMA addresses."),
        must("to", Kind::Name, "The node that stands where a recorded router stood."),
        may("frames", Kind::List(&Kind::Int), "The first and the last frame, by their numbers in the capture."),
        may("within", Kind::Duration, "How long each answer may take, and how long others are watched for."),
        may("compare", Kind::Map(&COMPARE), "What may differ."),
    ],
};

pub(crate) static COMPARE: Shape = Shape {
    name: "compare",
    doc: "How the answers of two routers are held against each other.",
    keys: &[may("except", Kind::List(&Kind::Map(&EXCEPTION)), "Differences that are known, and must be there.")],
};

pub(crate) static EXCEPTION: Shape = Shape {
    name: "exception",
    doc: "A known difference between two routers.",
    keys: &[
        must("field", Kind::Text, "Its path, or a group with all that is below it (ext.nat)."),
        may("is", Kind::Matcher, "What the node says instead of what was recorded; anything else, if left out."),
        may("frame", Kind::Int, "The only recorded frame that it holds for, by its number in the capture."),
        must("because", Kind::Text, "Why the two differ."),
    ],
};

pub(crate) static EXEC: Shape = Shape {
    name: "exec",
    doc: "A program to be run.",
    keys: &[
        must("node", Kind::Name, "Where."),
        must("argv", Kind::List(&Kind::Scalar), "Program and arguments; there is no shell."),
        may("exit", Kind::Int, "Exit code; 0 if left out."),
        may("stdout", Kind::Matcher, "What its output must be: a text, or {text: part of it}."),
    ],
};

pub(crate) static GROUP: Shape = Shape {
    name: "group",
    doc: "Steps under one name.",
    keys: &[must("name", Kind::Text, "Name."), must("steps", Kind::Steps, "The steps.")],
};

pub(crate) static MATCHER: Shape = Shape {
    name: "matcher",
    doc: "What a field is held against; exactly one key, or `mask` with `is`.",
    keys: &[
        may("ge", Kind::Value, "At least."),
        may("gt", Kind::Value, "More."),
        may("le", Kind::Value, "At most."),
        may("lt", Kind::Value, "Less."),
        may("between", Kind::List(&Kind::Value), "Both ends included."),
        may("one_of", Kind::List(&Kind::Value), "Equal to one of them."),
        may("not", Kind::Matcher, "Anything but."),
        may("mask", Kind::Int, "Bits looked at."),
        may("is", Kind::Int, "What they must be."),
        may("len", Kind::Int, "So many octets or elements."),
        may("hex", Kind::Hex, "These octets."),
        may("bind", Kind::Name, "Anything; later steps know it as $name."),
        may("contains", ROWS, "Each group is met by an element of its own."),
        may("exactly", ROWS, "As many elements as groups, in this order."),
        may("every", MATCHES, "Every element meets this group."),
        may(
            "same_as",
            Kind::Text,
            "What this other field of the packet holds; with `plus` or `minus` so much more or less.",
        ),
        may("plus", Kind::Int, "Beside `same_as`: so much is added."),
        may("minus", Kind::Int, "Beside `same_as`: so much is taken away."),
        may("text", Kind::Text, "Contains this text; for exec only."),
    ],
};
