//! Rules about what passes on a wire, which every capture can be held against: `suites/rules/*.yaml`, typed.

use std::time::Duration;

use super::packet::Msg;
use super::span::Spanned;
use super::value::Row;

/// A file of rules.
#[derive(Clone, Debug)]
pub enum RuleFile {
    /// Rules.
    Rules(Vec<Rule>),
    /// Breaches that are known.
    Exceptions(Vec<Exception>),
}

/// One sentence that can be judged without touching anything.
#[derive(Clone, Debug)]
pub struct Rule {
    /// File and slug, as in `nhrp/checksum`.
    pub id: Spanned<String>,
    /// The rule in one sentence.
    pub title: String,
    /// Ids of the requirements that it judges.
    pub cites: Vec<Spanned<String>>,
    /// Which reading was chosen, or what it can not see.
    pub note: Option<String>,
    /// What it looks at, and what has to be.
    pub shape: Shape,
}

/// What a packet looks like.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// What it is.
    pub msg: Msg,
    /// Its fields.
    pub matches: Row,
}

/// What has to be of two packets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Demand {
    /// Fields that are the same in both, or missing in both.
    pub same: Vec<String>,
    /// What the later one must be; paths may begin with the word for the earlier one.
    pub then: Row,
}

/// What a rule looks at, and what has to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Every packet of this look is like that.
    Packet {
        /// The packets.
        when: Look,
        /// Whether only who begins with such a message is judged, and nobody who passes it on.
        begins: bool,
        /// What they must be.
        then: Row,
    },
    /// A reply is like that beside its request (`request.`).
    Exchange {
        /// The requests.
        request: Look,
        /// The replies.
        reply: Look,
        /// Which pairs count.
        when: Row,
        /// What has to be.
        demand: Demand,
        /// How soon a reply comes, if that is asked for.
        answered: Option<Duration>,
    },
    /// A message that is passed on is like that beside itself as it came (`received.`).
    Forward {
        /// The message.
        forward: Look,
        /// Which pairs count.
        when: Row,
        /// What has to be.
        demand: Demand,
    },
    /// Packets with the same `per` are like that beside the one before (`previous.`).
    Series {
        /// The packets.
        series: Look,
        /// Fields that tell rows apart.
        per: Vec<String>,
        /// `first` counts only in rows between stations of which one of these was seen before any packet of a row.
        after: Option<Look>,
        /// What the first of a row must be.
        first: Row,
        /// Which pairs count.
        when: Row,
        /// What has to be.
        demand: Demand,
        /// Fields that are not the same twice.
        unique: Vec<String>,
    },
    /// Behind one packet another does not come.
    Never {
        /// The one.
        after: Look,
        /// The other.
        never: Look,
        /// Fields that are the same in both.
        per: Vec<String>,
    },
}

/// A breach that is known.
#[derive(Clone, Debug)]
pub struct Exception {
    /// The rule.
    pub rule: Spanned<String>,
    /// Where it is broken.
    pub place: Exempt,
    /// What is done otherwise.
    pub reason: String,
}

/// Where a breach is known.
#[derive(Clone, Debug)]
pub enum Exempt {
    /// In the capture whose path ends so.
    Capture(String),
    /// Wherever this implementation is the sender.
    Implementation {
        /// Its name.
        name: String,
        /// Its versions; all if `None`.
        versions: Option<crate::version::Range>,
        /// Only in what this case, or a case of this suite, leaves: it makes the implementation send so.
        case: Option<String>,
    },
}
