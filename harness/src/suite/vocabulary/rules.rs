//! The vocabulary of rules about what passes, judged without touching anything.

use super::{Kind, MATCHES, Shape, may, must};

const LOOK_AT: Kind = Kind::Map(&LOOK);
const PATHS: Kind = Kind::OneOrMany(&Kind::Text);

pub(crate) static RULES: Shape = Shape {
    name: "rules",
    doc: "A file of rules.",
    keys: &[
        must("schema", Kind::Int, "Version of this vocabulary: 1."),
        must("rules", Kind::Slug { path: false }, "The name of the file, which the ids of its rules begin with."),
        must("title", Kind::Text, "What they are about."),
        must("list", Kind::List(&Kind::Map(&RULE)), "The rules."),
    ],
};

pub(crate) static RULE: Shape = Shape {
    name: "rule",
    doc: "A sentence that every capture can be held against: `when`, `request`, `forward`, `series` or `never`.",
    keys: &[
        must("id", Kind::Slug { path: false }, "Slug, unique in the file."),
        must("title", Kind::Text, "The rule in one sentence."),
        must("cites", PATHS, "Requirements of the catalogue that it judges; the strongest decides what a breach is."),
        may("note", Kind::Text, "Which reading was chosen, or what the rule can not see."),
        may("when", LOOK_AT, "Packets that it is about."),
        may("begins", Kind::Bool, "Of `when` only who begins with the message is judged, not who passes it on."),
        may("request", LOOK_AT, "Requests; the reply is paired with its request, which is `request.` in paths."),
        may("reply", LOOK_AT, "Replies that it is about."),
        may("answered", Kind::Duration, "A reply, or an Error Indication, comes so soon; a breach is a warning."),
        may("forward", LOOK_AT, "Messages that are passed on; as it came to the forwarder it is `received.` in paths."),
        may("series", LOOK_AT, "Packets in a row; the one before is `previous.` in paths."),
        may("if", MATCHES, "Which pairs of packets it is about."),
        may("per", PATHS, "Fields that are the same in all packets of a row, or in `after` and `never`."),
        may("first", MATCHES, "What the first of a row must be."),
        may(
            "unique",
            PATHS,
            "Fields that are not the same twice in a row; a copy of the whole message may come again.",
        ),
        may("after", LOOK_AT, "`never` counts only behind one of these, `first` only in rows that begin behind one."),
        may("never", LOOK_AT, "Packets that must not come."),
        may("same", PATHS, "Fields that are the same in both packets, or missing in both."),
        may("then", MATCHES, "What must be."),
    ],
};

pub(crate) static LOOK: Shape = Shape {
    name: "look",
    doc: "What a packet looks like.",
    keys: &[must("msg", Kind::Text, "Which message."), may("match", MATCHES, "Its fields.")],
};

pub(crate) static EXCEPTIONS: Shape = Shape {
    name: "exceptions",
    doc: "Breaches that are known.",
    keys: &[
        must("schema", Kind::Int, "Version of this vocabulary: 1."),
        must("exceptions", Kind::List(&Kind::Map(&BREACH)), "The list."),
    ],
};

pub(crate) static BREACH: Shape = Shape {
    name: "known breach",
    doc: "A breach that is known: in a capture, or wherever an implementation is the sender.",
    keys: &[
        must("rule", Kind::Slug { path: true }, "Id of the rule."),
        may("capture", Kind::Text, "The last parts of the capture's path."),
        may("impl", Kind::Slug { path: false }, "Name of the implementation that sends so."),
        may("versions", Kind::Text, "Its versions that do, as in \">=8.0, <10.2\"; all if left out."),
        may("case", Kind::Slug { path: true }, "Only in what this case, or a case of this suite, leaves."),
        must("reason", Kind::Text, "What is done otherwise."),
    ],
};
