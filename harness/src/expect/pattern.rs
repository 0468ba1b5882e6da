//! A packet against the look that a step describes, and the packet that came nearest when none fits.

use std::sync::Arc;

use dmvpn_core::time::Instant;

use super::env::Env;
use super::matcher::{Bindings, check_row};
use crate::dissect::Dissection;
use crate::suite::{Msg, PacketPattern, Place};
use crate::verdict::{Comparison, FieldRow};
use crate::world::timeline::{Packet, Timeline};

/// How well one packet fits one pattern.
#[derive(Debug)]
pub struct Judged {
    /// Whether it fits altogether.
    pub fits: bool,
    /// What it would bind.
    pub bindings: Bindings,
    /// Every criterion with what was found.
    pub rows: Vec<FieldRow>,
    /// Whether it is the message looked for, from and to the stations looked for: a difference then lies in a field.
    pub is_the_message: bool,
}

impl Judged {
    /// How many criteria do not fit.
    fn differences(&self) -> usize {
        self.rows.iter().filter(|row| row.differs).count()
    }
}

/// Holds a packet against a pattern and its alternatives (of which one has to fit, if there are any).
pub fn judge(packet: &Packet, pattern: &PacketPattern, any_of: &[PacketPattern], env: &Env) -> Judged {
    let base = judge_one(packet, pattern, env);
    if any_of.is_empty() {
        return base;
    }
    // The alternative that fits, or else the one that differs least: the right message with a wrong field says more than
    // another message.
    let best = any_of
        .iter()
        .map(|alternative| judge_one(packet, alternative, env))
        .min_by_key(|judged| (!judged.fits, !judged.is_the_message, judged.differences()));
    match best {
        Some(best) => Judged {
            fits: base.fits && best.fits,
            is_the_message: base.is_the_message && best.is_the_message,
            bindings: base.bindings.into_iter().chain(best.bindings).collect(),
            rows: base.rows.into_iter().chain(best.rows).collect(),
        },
        None => base,
    }
}

fn judge_one(packet: &Packet, pattern: &PacketPattern, env: &Env) -> Judged {
    let mut rows = Vec::new();
    let mut is_the_message = true;
    let mut criterion = |field: &str, expected: &str, actual: &str, fits: bool| {
        is_the_message &= fits;
        let (field, expected, actual) = (field.to_owned(), expected.to_owned(), actual.to_owned());
        rows.push(FieldRow { field, expected, actual, offset: None, differs: !fits });
    };
    let to = packet.to.as_deref().unwrap_or("nobody");
    match &pattern.on {
        Some(Place::Link(link)) => criterion("on", link, &packet.link, packet.link == *link),
        Some(Place::Node(node)) => {
            criterion("on", node, &format!("{} -> {to}", packet.from), packet.from == *node || to == node.as_str());
        }
        None => {}
    }
    if let Some(from) = &pattern.from {
        criterion("from", from, &packet.from, packet.from == *from);
    }
    if let Some(wanted) = &pattern.to {
        criterion("to", wanted, to, to == wanted.as_str());
    }
    let read = packet.dissection();
    if let Some(msg) = pattern.msg {
        criterion("msg", msg.name(), message_name(read), is_message(read, msg));
    }
    let mut bindings = Bindings::new();
    let fields_fit = check_row(read, "", &pattern.matches, env, &mut rows, &mut bindings);
    Judged { fits: is_the_message && fields_fit, bindings, rows, is_the_message }
}

/// Whether a packet is that message.
pub fn is_message(read: &Dissection, msg: Msg) -> bool {
    match msg {
        Msg::Ip => read.is_inner_ip(),
        Msg::Gre => read.is_gre(),
        Msg::Esp => read.is_esp(),
        Msg::Ike => read.is_ike(),
        Msg::Nhrp => read.nhrp_octets().is_some(),
        msg => read.nhrp_type().is_some() && read.nhrp_type() == msg.nhrp_type(),
    }
}

/// The name that suites give this packet.
pub fn message_name(read: &Dissection) -> &'static str {
    let named = read.nhrp_type().and_then(|kind| Msg::ALL.into_iter().find(|msg| msg.nhrp_type() == Some(kind)));
    let order = [Msg::Nhrp, Msg::Ip, Msg::Gre, Msg::Esp, Msg::Ike];
    named.or_else(|| order.into_iter().find(|msg| is_message(read, *msg))).map_or("other", Msg::name)
}

/// The packet from position `from` on that differs least from a pattern: the right message before any other, then the
/// least differences, then the latest.
pub fn nearest(
    timeline: &Timeline,
    from: usize,
    pattern: &PacketPattern,
    any_of: &[PacketPattern],
    env: &Env,
) -> Option<(usize, Instant, Arc<Packet>, Comparison)> {
    let candidates = timeline.packets(from).map(|(index, at, packet)| {
        let judged = judge(packet, pattern, any_of, env);
        (index, at, packet, judged)
    });
    let (index, at, packet, judged) = candidates.min_by_key(|(index, _, _, judged)| {
        (!judged.is_the_message, judged.differences(), std::cmp::Reverse(*index))
    })?;
    // Something altogether different explains nothing.
    if !judged.is_the_message && judged.rows.iter().any(|row| row.field == "msg" && row.differs) {
        return None;
    }
    let comparison = Comparison::from_rows(message_name(packet.dissection()), judged.rows, Some(packet.octets.clone()));
    Some((index, at, Arc::clone(packet), comparison))
}
