//! Steps in plain English, one line each, for `explain`, progress and evidence.

use std::fmt;

use super::model::Tolerance;
use super::packet::{
    At, Count, ExpectEvery, ExpectNone, ExtensionContent, ExtensionSpec, Fix, GreChecksum, GreFields, GreKey, Mutation,
    PacketExpectation, PacketPattern, Place, SendContent, SendStep,
};
use super::step::{FeedException, FeedStep, ImpairStep, PingStep, RouteChange, StateCheck, StateStep, Step};
use super::value::{write_list, write_rows};

impl Step {
    /// The step in one line of plain English.
    pub fn describe(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Start(nodes) => write!(f, "start {}", names(nodes)),
            Step::Stop(nodes) => write!(f, "stop {}", names(nodes)),
            Step::Kill(nodes) => write!(f, "kill {} without a goodbye", names(nodes)),
            Step::Restart(nodes) => write!(f, "restart {}", names(nodes)),
            Step::Ready(step) => {
                write!(
                    f,
                    "wait until {} {} ready",
                    names(&step.nodes),
                    if step.nodes.len() == 1 { "is" } else { "are" }
                )?;
                optional(f, ", at most ", step.within.as_ref())
            }
            Step::Send(step) => step.fmt(f),
            Step::Expect(step) => step.fmt(f),
            Step::ExpectNone(step) => step.fmt(f),
            Step::ExpectEvery(step) => step.fmt(f),
            Step::State(step) => step.fmt(f),
            Step::Advance(by) => write!(f, "let {by} pass in virtual time"),
            Step::Wait(step) => write!(f, "wait {}, because {}", step.during, step.because),
            Step::Impair(step) => step.fmt(f),
            Step::Heal(link) => write!(f, "heal the link {link}"),
            Step::Mark(name) => write!(f, "call this instant \"{name}\""),
            Step::Measure(step) => {
                write!(f, "measure {}: from \"{}\" to \"{}\"", step.name, step.from, step.to)?;
                optional(f, ", at least ", step.at_least.as_ref())?;
                optional(f, ", at most ", step.at_most.as_ref())
            }
            Step::Ping(step) => step.fmt(f),
            Step::Route(step) => match &step.change {
                RouteChange::Add(route) => write!(f, "{} routes {} via {}", step.node, route.to, route.via),
                RouteChange::Delete(to) => write!(f, "{} routes {to} no more", step.node),
            },
            Step::Clear(step) => write!(f, "{} forgets what {} has learned", step.node, step.what),
            Step::Renumber(step) => write!(f, "{} gets the NBMA address {}", step.node, step.nbma),
            Step::Feed(step) => step.fmt(f),
            Step::Exec(step) => {
                write!(f, "run `{}` in {}", step.argv.join(" "), step.node)?;
                if step.exit != 0 {
                    write!(f, ", which exits with {}", step.exit)?;
                }
                optional(f, ", whose output ", step.stdout.as_ref())
            }
            Step::Note(text) => f.write_str(text),
            Step::Group(group) => write!(f, "{} ({} step{})", group.name, group.steps.len(), plural(group.steps.len())),
        }
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// `hub`, `hub and spoke`, `a, b and c`.
fn names(nodes: &[String]) -> String {
    match nodes.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

fn optional<T: fmt::Display>(f: &mut fmt::Formatter<'_>, before: &str, value: Option<&T>) -> fmt::Result {
    match value {
        Some(value) => write!(f, "{before}{value}"),
        None => Ok(()),
    }
}

/// A pattern without its article: `nhrp.registration_request from spoke on wan with flags.U is 1`.
impl fmt::Display for PacketPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.msg.map_or("packet", |msg| msg.name()))?;
        optional(f, " from ", self.from.as_ref())?;
        optional(f, " to ", self.to.as_ref())?;
        match &self.on {
            Some(Place::Link(link)) => write!(f, " on {link}")?,
            Some(Place::Node(node)) => write!(f, " at {node}")?,
            None => {}
        }
        if !self.matches.is_empty() {
            f.write_str(" with ")?;
            write_list(f, &self.matches, ", ")?;
        }
        Ok(())
    }
}

fn alternatives(f: &mut fmt::Formatter<'_>, any_of: &[PacketPattern]) -> fmt::Result {
    if any_of.is_empty() {
        return Ok(());
    }
    f.write_str(", being ")?;
    write_list(f, any_of, ", or ")
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.after {
            Some(mark) => write!(f, "exactly {} after \"{mark}\"", self.is),
            None => write!(f, "exactly {} after the start of the case", self.is),
        }
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.abs, self.pct) {
            (Some(abs), Some(pct)) => write!(f, "{abs} + {pct}%"),
            (Some(abs), None) => abs.fmt(f),
            (None, pct) => write!(f, "{}%", pct.unwrap_or(0)),
        }
    }
}

impl fmt::Display for PacketExpectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expect ")?;
        match self.count {
            Count { min: 1, max: None } => {}
            Count { min, max: None } => write!(f, "at least {min} × ")?,
            Count { min, max: Some(max) } if min == max => write!(f, "{min} × ")?,
            Count { min, max: Some(max) } => write!(f, "{min} to {max} × ")?,
        }
        self.pattern.fmt(f)?;
        alternatives(f, &self.any_of)?;
        optional(f, ", within ", self.within.as_ref())?;
        match &self.at {
            Some(at) => write!(f, ", {at}")?,
            None => optional(f, ", counted from ", self.after.as_ref())?,
        }
        optional(f, " ± ", self.tolerance.as_ref())?;
        optional(f, ", kept as ", self.bind_as.as_ref())
    }
}

impl fmt::Display for ExpectNone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expect no {}", self.pattern)?;
        alternatives(f, &self.any_of)?;
        write!(f, " for {}", self.during)?;
        optional(f, ", nor since ", self.after.as_ref())?;
        optional(f, ", which proves something because ", self.because.as_ref())
    }
}

impl fmt::Display for ExpectEvery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expect {} × {}, one every {}", self.times, self.pattern, self.period)?;
        optional(f, " ± ", self.tolerance.as_ref())?;
        optional(f, ", counted from ", self.after.as_ref())
    }
}

impl fmt::Display for PingStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pings {} {} time{}", self.from, self.to, self.count, if self.count == 1 { "" } else { "s" })?;
        optional(f, " from ", self.source.as_ref())?;
        optional(f, " with octets of data: ", self.size.as_ref())?;
        match self.lost {
            0 => f.write_str(" and loses none")?,
            lost => write!(f, " and loses {lost}")?,
        }
        optional(f, ", the last answer within ", self.within.as_ref())
    }
}

impl fmt::Display for FeedStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.from.len() == 1 { "s" } else { "" };
        write!(f, "{} play{plural} to {} what was recorded", names(&self.from), self.to)?;
        if let Some((first, last)) = self.frames {
            write!(f, " in the frames {first} to {last}")?;
        }
        f.write_str(", and the answers are as they were then")?;
        if !self.except.is_empty() {
            f.write_str(", but for ")?;
            write_list(f, &self.except, "; ")?;
        }
        optional(f, ", each within ", self.within.as_ref())
    }
}

impl fmt::Display for FeedException {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.is {
            Some(is) => is.fmt(f)?,
            None => f.write_str(&self.field)?,
        }
        optional(f, " in frame ", self.frame.as_ref())?;
        write!(f, " (because {})", self.because)
    }
}

impl fmt::Display for StateStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expect that {} of {}", self.view, self.node)?;
        if !self.filter.is_empty() {
            f.write_str(", where ")?;
            write_list(f, &self.filter, " and ")?;
            f.write_str(",")?;
        }
        match &self.check {
            StateCheck::Equals(rows) => {
                f.write_str(" is exactly ")?;
                write_rows(f, rows)?;
            }
            StateCheck::Contains(rows) => {
                f.write_str(" contains ")?;
                write_rows(f, rows)?;
            }
            StateCheck::Present => f.write_str(" has an entry")?,
            StateCheck::Absent => f.write_str(" has no entry")?,
        }
        optional(f, ", within ", self.within.as_ref())?;
        optional(f, ", ", self.at.as_ref())?;
        optional(f, ", which begins ", self.turns.as_ref())?;
        optional(f, ", and stays so for ", self.hold_for.as_ref())
    }
}

impl fmt::Display for SendStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sends ", self.from)?;
        match &self.content {
            SendContent::Message { msg, reply_to, fields, extensions, cies } => {
                f.write_str(msg.name())?;
                optional(f, " in answer to ", reply_to.as_ref())?;
                optional(f, " to ", self.to.as_ref())?;
                if !fields.is_empty() {
                    f.write_str(" with ")?;
                    write_list(f, fields, ", ")?;
                }
                if let Some(cies) = cies {
                    write!(f, ", {} CIE{}", cies.len(), plural(cies.len()))?;
                }
                if let Some(extensions) = extensions {
                    f.write_str(", extensions: ")?;
                    write_list(f, extensions, ", ")?;
                }
            }
            SendContent::Raw(octets) => {
                write!(f, "{} octet{}", octets.len(), plural(octets.len()))?;
                optional(f, " to ", self.to.as_ref())?;
            }
            SendContent::Packet(name) => {
                write!(f, "the packet {name} again")?;
                optional(f, " to ", self.to.as_ref())?;
            }
        }
        optional(f, " on ", self.on.as_ref())?;
        self.gre.fmt(f)?;
        optional(f, ", from the address ", self.ip.src.as_ref())?;
        optional(f, ", TTL ", self.ip.ttl.as_ref())?;
        optional(f, ", TOS ", self.ip.tos.as_ref())?;
        if !self.mutate.is_empty() {
            f.write_str(", after it was changed: ")?;
            write_list(f, &self.mutate, ", ")?;
        }
        if self.repeat > 1 {
            write!(f, ", {} times", self.repeat)?;
        }
        optional(f, ", one every ", self.every.as_ref())?;
        optional(f, ", kept as ", self.bind_as.as_ref())
    }
}

/// What is not as in the node's tunnel; nothing where all is.
impl fmt::Display for GreFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.none {
            return f.write_str(", without GRE");
        }
        match self.key {
            Some(GreKey::None) => f.write_str(", without a GRE key")?,
            Some(GreKey::Key(key)) => write!(f, ", with the GRE key {key}")?,
            None => {}
        }
        match self.checksum {
            Some(GreChecksum::Right) => f.write_str(", with a GRE checksum")?,
            Some(GreChecksum::Wrong) => f.write_str(", with a wrong GRE checksum")?,
            None => {}
        }
        optional(f, ", with the GRE sequence number ", self.sequence.as_ref())?;
        if let Some(protocol) = self.protocol {
            write!(f, ", GRE protocol type {protocol:#06x}")?;
        }
        if let Some(flags) = self.flags {
            write!(f, ", GRE flags {flags:#06x}")?;
        }
        optional(f, ", GRE version ", self.version.as_ref())
    }
}

impl fmt::Display for ExtensionSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "type {}", self.kind)?;
        match &self.content {
            ExtensionContent::Empty => f.write_str(" empty"),
            ExtensionContent::Octets(octets) => write!(f, " with {} octet{}", octets.len(), plural(octets.len())),
            // Never the text itself: descriptions go into reports.
            ExtensionContent::Secret(_) => f.write_str(" with a secret"),
            ExtensionContent::Cies(cies) => write!(f, " with {} CIE{}", cies.len(), plural(cies.len())),
        }
    }
}

impl fmt::Display for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mutation::Set(field) => write!(f, "{field}"),
            Mutation::Flip { offset, bit } => write!(f, "bit {bit} of octet {offset} turned over"),
            Mutation::Truncate { to } => write!(f, "cut to {to} octets"),
            Mutation::Append(octets) => write!(f, "{} octet{} added", octets.len(), plural(octets.len())),
            Mutation::Fix(what) => {
                f.write_str("calculated again: ")?;
                write_list(f, what, " and ")
            }
        }
    }
}

impl Fix {
    /// The word in suites.
    pub const fn name(self) -> &'static str {
        match self {
            Fix::Checksum => "checksum",
            Fix::Pktsz => "pktsz",
            Fix::Extoff => "extoff",
        }
    }
}

impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for ImpairStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "make {} worse", self.link)?;
        optional(f, " from ", self.from.as_ref())?;
        optional(f, " to ", self.to.as_ref())?;
        let mut effects = Vec::new();
        if self.block {
            effects.push("nothing passes".to_owned());
        }
        effects.extend(self.loss.map(|share| format!("{share} lost")));
        effects.extend(self.delay.as_ref().map(|by| format!("{by} later")));
        effects.extend(self.jitter.as_ref().map(|by| format!("± {by}")));
        effects.extend(self.duplicate.map(|share| format!("{share} twice")));
        effects.extend(self.reorder.map(|share| format!("{share} out of order")));
        effects.extend(self.corrupt.map(|share| format!("{share} corrupted")));
        write!(f, ": {}", effects.join(", "))?;
        optional(f, ", for ", self.during.as_ref())
    }
}
