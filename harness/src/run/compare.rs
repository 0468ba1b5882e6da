//! Holds what a node says against what a recorded router said in its place, field by field.
//!
//! Compared are all fields of GRE and NHRP. The outer IP header is not: its identification, TTL, TOS and checksum are no
//! part of the protocol, and its addresses have found the two messages already. Fields that only sum up others (see
//! [`sums_up`]) count where nothing else differs: they follow a difference, and must not hide behind one either.

use std::collections::BTreeMap;

use crate::dissect::{Dissection, FieldValue};
use crate::expect::matcher::shown;
use crate::expect::{Env, check_row};
use crate::suite::FeedException;
use crate::verdict::FieldRow;

/// The exceptions of a `feed`, and which of them were needed.
pub(super) struct Exceptions<'a> {
    declared: &'a [FeedException],
    used: Vec<bool>,
}

impl<'a> Exceptions<'a> {
    /// None of them needed yet.
    pub(super) fn new(declared: &'a [FeedException]) -> Self {
        Self { declared, used: vec![false; declared.len()] }
    }

    /// Those that were not needed: the two routers agree there.
    pub(super) fn stale(&self) -> impl Iterator<Item = &'a FeedException> {
        self.declared.iter().zip(&self.used).filter(|(_, used)| !**used).map(|(exception, _)| exception)
    }

    /// The exception for a field of a frame.
    fn find(&self, frame: u64, path: &str) -> Option<usize> {
        let covers =
            |field: &str| path.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
        self.declared
            .iter()
            .position(|exception| exception.frame.is_none_or(|wanted| wanted == frame) && covers(&exception.field))
    }
}

/// Where a message differs from a recorded one, as rows of which each `differs`. `request_id` is what the recorded id has
/// become.
pub(super) fn differences(
    (frame, recorded): (u64, &Dissection),
    said: &Dissection,
    request_id: Option<u32>,
    exceptions: &mut Exceptions<'_>,
    env: &Env,
) -> Vec<FieldRow> {
    let (mut was, is) = (fields(recorded), fields(said));
    if let Some(id) = request_id {
        was.iter_mut()
            .filter(|(path, _)| path == "request_id")
            .for_each(|(_, value)| *value = FieldValue::Uint(id.into()));
    }
    let mut rows = Vec::new();
    let mut excused = false;
    for (path, wanted, actual) in beside(&was, &is) {
        if wanted == actual {
            continue;
        }
        let text = |value: Option<&FieldValue>| value.map_or_else(|| "absent".to_owned(), |value| shown(&path, value));
        let offset = said.field(&path).filter(|field| field.buffer == 0 && !field.range.is_empty());
        let mut row = FieldRow {
            field: path.clone(),
            expected: text(wanted),
            actual: text(actual),
            offset: offset.map(|field| field.range.start),
            differs: true,
        };
        if let Some(at) = exceptions.find(frame, &path) {
            exceptions.used[at] = true;
            let mut said_instead = Vec::new();
            let is = exceptions.declared[at].is.as_slice();
            if check_row(said, "", is, env, &mut said_instead, &mut Vec::new()) {
                excused = true;
                continue;
            }
            row.expected = said_instead.pop().map_or(row.expected, |wanted| wanted.expected);
        }
        rows.push(row);
    }
    if excused || rows.iter().any(|row| !sums_up(&row.field, &was, &is)) {
        rows.retain(|row| !sums_up(&row.field, &was, &is));
    }
    rows
}

/// Whether a field follows from others: lengths, counts, checksums, and the octets of an extension whose entries are fields
/// themselves.
fn sums_up(path: &str, was: &[(String, FieldValue)], is: &[(String, FieldValue)]) -> bool {
    const SUMS: &[&str] = &["hdr.chksum", "hdr.pktsz", "hdr.extoff", "length", "gre.checksum"];
    let has_entries = |stem: &str| was.iter().chain(is).any(|(path, _)| path.starts_with(&format!("{stem}.cie[")));
    SUMS.contains(&path)
        || path.ends_with(".count")
        || path.ends_with(".length")
        || path.strip_suffix(".value").is_some_and(has_entries)
}

/// The fields of GRE and NHRP, each once by its best name, in the order of the packet.
fn fields(read: &Dissection) -> Vec<(String, FieldValue)> {
    let layers = read.layers().enumerate().filter(|(_, layer)| matches!(layer.name, "gre" | "nhrp"));
    let fields = layers.flat_map(|(index, _)| read.fields_of(index));
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut all = Vec::new();
    for field in fields.filter(|field| !field.alias) {
        let path = field.path();
        let times = seen.entry(path.clone()).or_default();
        *times += 1;
        // What comes twice has one name in suites, which means the first.
        let path = if *times == 1 { path } else { format!("{path} (number {times})") };
        all.push((path, field.value.to_owned()));
    }
    all
}

/// Both messages side by side: the fields of the recorded one in its order, then what only the other has.
fn beside<'f>(
    was: &'f [(String, FieldValue)],
    is: &'f [(String, FieldValue)],
) -> Vec<(String, Option<&'f FieldValue>, Option<&'f FieldValue>)> {
    let find = |fields: &'f [(String, FieldValue)], path: &str| {
        fields.iter().find(|(known, _)| known == path).map(|(_, value)| value)
    };
    let both = was.iter().map(|(path, value)| (path.clone(), Some(value), find(is, path)));
    let only = is.iter().filter(|(path, _)| find(was, path).is_none());
    both.chain(only.map(|(path, value)| (path.clone(), None, Some(value)))).collect()
}
