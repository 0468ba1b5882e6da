//! A capture as each of the two reads it, written down in the same words.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;
use std::path::Path;

use dmvpn_inspect::capture;
use dmvpn_inspect::dissect::{Dissection, Session, Value};
use dmvpn_inspect::keys::Keys;

use super::fields::{As, ROWS};
use super::{pdml, stack};

/// A value, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Occurrence {
    pub(crate) value: String,
    /// Empty where the reader made the value.
    pub(crate) place: Range<usize>,
}

/// A packet.
#[derive(Debug, Default)]
pub(crate) struct Packet {
    /// Its layers in our words.
    pub(crate) stack: String,
    /// Its fields by their place in [`ROWS`].
    pub(crate) fields: BTreeMap<usize, Vec<Occurrence>>,
}

impl Packet {
    fn put(&mut self, row: usize, value: String, place: Range<usize>) {
        // What is there without any octet is no field to tshark.
        if !(value.is_empty() && place.is_empty()) {
            self.fields.entry(row).or_default().push(Occurrence { value, place });
        }
    }
}

/// As it is read here.
pub(crate) fn ours(file: &Path, keys: Keys) -> Vec<Packet> {
    let mut session = Session::with_keys(keys);
    let mut read = Dissection::default();
    let mut packets = Vec::new();
    for octets in capture::read_all(file).0 {
        read.read(&mut session, octets.linktype, &octets.octets);
        packets.push(of(&read));
    }
    packets
}

fn of(read: &Dissection) -> Packet {
    let mut packet = Packet { stack: read.stack(), ..Packet::default() };
    let (mut kind, mut transform) = (0, 0);
    for field in read.fields() {
        let mut path = without_indices(&field.path());
        // What a tunnel carries of these has the name of what carries tunnels, behind this word.
        for carried in ["udp.", "tcp.", "gre.", "esp.", "ike."] {
            if let Some(inner) = path.strip_prefix("inner.").filter(|inner| inner.starts_with(carried)) {
                path = inner.to_owned();
            }
        }
        match (path.as_str(), field.value) {
            ("ike.payload[].type", Value::Uint(number)) => kind = number,
            ("ike.payload[].proposal[].transform[].type", Value::Uint(number)) => transform = number,
            ("ike.payload[].proposal[].transform[].id", _) if kind == 33 => path += &format!(" of {transform}"),
            _ => {}
        }
        for (index, row) in ROWS.iter().enumerate() {
            if row.ours.contains(&path.as_str()) && (row.kinds.is_empty() || row.kinds.contains(&kind)) {
                let value = match (row.form, field.value) {
                    (As::Octets(width), Value::Uint(number)) => format!("{number:0width$x}", width = width * 2),
                    (As::Extent, _) => String::new(),
                    (_, Value::Bytes([])) => String::new(),
                    (_, value) => value.to_string(),
                };
                packet.put(index, value, field.range.clone());
            }
        }
    }
    packet
}

/// `ike.payload[3].type` -> `ike.payload[].type`.
fn without_indices(path: &str) -> String {
    let mut inside = false;
    path.chars()
        .filter(|c| {
            inside = *c == '[' || inside && *c != ']';
            !(inside && c.is_ascii_digit())
        })
        .collect()
}

/// As tshark reads it.
pub(crate) fn theirs(file: &Path, profile: &Path) -> Vec<Packet> {
    let verified = pdml::read(file, profile, true);
    let is_wrong = |field: &pdml::Field| field.name == CHECKSUM && field.show == "0";
    if !verified.iter().flat_map(|packet| &packet.fields).any(is_wrong) {
        return verified.iter().map(by_tshark).collect();
    }
    // With a wrong checksum it reads on as if there were no fragments, so that reading is good for its verdict alone.
    let Some(verdict) = ROWS.iter().position(|row| row.theirs == [CHECKSUM]) else { return Vec::new() };
    let read = pdml::read(file, profile, false);
    let packets = read.iter().map(by_tshark).zip(verified.iter().map(by_tshark));
    packets
        .map(|(mut packet, mut verified)| {
            packet.fields.remove(&verdict);
            packet.fields.extend(verified.fields.remove(&verdict).map(|found| (verdict, found)));
            packet
        })
        .collect()
}

const CHECKSUM: &str = "ip.checksum.status";

fn by_tshark(read: &pdml::Packet) -> Packet {
    let last = |name: &str| read.fields.iter().rfind(|field| field.name == name).map(|field| field.show.as_str());
    let is_fragment = ["ip.flags.mf", "ip.frag_offset", "ipv6.fraghdr.more", "ipv6.fraghdr.offset"]
        .iter()
        .any(|name| last(name).is_some_and(|show| show != "0"));
    let mut packet = Packet { stack: stack::translate(&read.protocols, is_fragment), ..Packet::default() };
    let opened = last("isakmp.enc.decrypted").is_some();
    let mut unverified = Vec::new();
    for (at, field) in read.fields.iter().enumerate() {
        // Of a message that it does not open it guesses how long the initialisation vector is.
        if field.name == "isakmp.enc.iv" && !opened {
            continue;
        }
        for (index, row) in ROWS.iter().enumerate() {
            if !row.theirs.contains(&field.name.as_str()) || row.outermost && field.level > 1 {
                continue;
            }
            let value = match row.form {
                As::Number => number(field),
                As::Octets(_) | As::Hex => field.value.clone(),
                As::Address => field.show.parse::<IpAddr>().map_or(field.value.clone(), |address| address.to_string()),
                As::Verdict => match verdict(field, read.fields.get(at + 1)) {
                    Some(good) => u8::from(good).to_string(),
                    None => {
                        unverified.push(index);
                        continue;
                    }
                },
                As::Extent => String::new(),
            };
            packet.put(index, value, field.place.clone());
        }
    }
    for index in unverified {
        packet.fields.insert(index, vec![Occurrence { value: UNVERIFIED.to_owned(), place: 0..0 }]);
    }
    packet
}

/// Whether it is good, if tshark says so. ESP has a field for good and another for bad, which may both be 0; the status
/// of a checksum is 0 bad, 1 good, and others that are no verdict.
fn verdict(field: &pdml::Field, next: Option<&pdml::Field>) -> Option<bool> {
    let bad = match next {
        Some(next) if next.name == "esp.icv_bad" => next.show == "1",
        _ => field.show == "0",
    };
    match field.show.as_str() {
        "1" => Some(true),
        _ if bad => Some(false),
        _ => None,
    }
}

/// The value of a verdict that tshark does not give.
pub(crate) const UNVERIFIED: &str = "not verified";

fn number(field: &pdml::Field) -> String {
    let number = match field.show.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => field.show.parse().ok(),
    };
    match number {
        // An inner packet's length is that of the whole packet here, whatever its version.
        Some(number) if field.name == "ipv6.plen" && field.level > 1 => (number + 40).to_string(),
        Some(number) => number.to_string(),
        None => field.show.clone(),
    }
}
