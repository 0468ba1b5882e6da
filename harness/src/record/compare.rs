//! What two recordings of one thing have different, as the dissection reads them.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::capture::CapturedPacket;
use crate::dissect::{Dissection, Session};

/// How far the same packet of two recordings may be apart, counted from their first packets: what real daemons are
/// judged by under a virtual clock.
const SAME_INSTANT_NS: u64 = 5_000_000;

/// Fields with a secret in them. They are compared, but never printed.
const SECRET: [&str; 2] = ["ext.auth.secret", "ext.auth.value"];

/// One thing that is different.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The packet, from 1; `None` if it is about the whole capture.
    pub packet: Option<usize>,
    /// The field.
    pub field: String,
    /// What the kept capture has; `None` if it lacks the field.
    pub kept: Option<String>,
    /// What the new one has.
    pub new: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(number) = self.packet {
            write!(f, "packet {number}: ")?;
        }
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "absent".to_owned());
        write!(f, "{} is {}, kept {}", self.field, shown(&self.new), shown(&self.kept))
    }
}

/// Everything that is different, but for the fields in `volatile`.
pub fn differences(kept: &[CapturedPacket], new: &[CapturedPacket], volatile: &[String]) -> Vec<Difference> {
    let mut found = Vec::new();
    if kept.len() != new.len() {
        let count = |packets: &[CapturedPacket]| Some(packets.len().to_string());
        found.push(Difference { packet: None, field: "packets".to_owned(), kept: count(kept), new: count(new) });
    }
    let begin = |packets: &[CapturedPacket]| packets.first().map_or(0, |first| first.timestamp_ns);
    let (kept_begin, new_begin) = (begin(kept), begin(new));
    let (before, after) = (read_all(kept, Session::default()), read_all(new, Session::default()));
    for (index, (kept, new)) in kept.iter().zip(new).enumerate() {
        let mut differs = |field: &str, kept: Option<String>, new: Option<String>| {
            found.push(Difference { packet: Some(index + 1), field: field.to_owned(), kept, new });
        };
        let (earlier, later) =
            (kept.timestamp_ns.saturating_sub(kept_begin), new.timestamp_ns.saturating_sub(new_begin));
        if earlier.abs_diff(later) > SAME_INSTANT_NS {
            differs("time", Some(milliseconds(earlier)), Some(milliseconds(later)));
        }
        if kept.comment != new.comment {
            differs("way", kept.comment.clone(), new.comment.clone());
        }
        let (mut old, new) = (values(&before[index]), values(&after[index]));
        for (place, value) in new {
            let before = old.remove(&place);
            let path = place.0;
            if before.as_ref() != Some(&value) && !is_in(&path, volatile) {
                differs(&path, before.map(|before| shown(&path, before)), Some(shown(&path, value)));
            }
        }
        for ((path, _), value) in old.into_iter().filter(|((path, _), _)| !is_in(path, volatile)) {
            differs(&path, Some(shown(&path, value)), None);
        }
    }
    found
}

/// Whether a field is in a list of paths; `cie[].nbma` is that of any entry.
pub fn is_in(path: &str, list: &[String]) -> bool {
    let mut inside = false;
    let general: String = path
        .chars()
        .filter(|c| {
            inside = (inside || *c == '[') && *c != ']';
            !(inside && c.is_ascii_digit())
        })
        .collect();
    list.iter().any(|entry| *entry == general || entry == path)
}

/// The packets of one capture, read one after the other, so that fragments come together.
pub fn read_all(packets: &[CapturedPacket], mut session: Session) -> Vec<Dissection> {
    let read = packets.iter().map(|packet| {
        let mut dissection = Dissection::default();
        dissection.read(&mut session, packet.linktype, &packet.octets);
        dissection
    });
    read.collect()
}

/// By path, and by how many fields before it have the same: a message may quote another.
fn values(read: &Dissection) -> BTreeMap<(String, usize), String> {
    let mut values = BTreeMap::new();
    for field in read.fields() {
        let path = field.path();
        let nth = values.range((path.clone(), 0)..=(path.clone(), usize::MAX)).count();
        values.insert((path, nth), field.value.to_string());
    }
    values
}

/// The value of a field as it may be printed.
pub fn shown(path: &str, value: String) -> String {
    if SECRET.contains(&path) { format!("<{} characters>", value.len()) } else { value }
}

/// Seconds since the first packet, to the microsecond.
fn milliseconds(ns: u64) -> String {
    format!("{}.{:03} ms", ns / 1_000_000, ns / 1_000 % 1_000)
}
