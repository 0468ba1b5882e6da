//! The dissection held against tshark's: for every packet of the project's captures and of other people's, the protocol
//! stack and each field that both know are equal, in value and in place, also behind encryption where there are keys.
//!
//! ```text
//! captures      which files there are
//! keys          their keys, as each of the two takes them
//! pdml          what tshark says
//! stack, fields which word of tshark is which here
//! reading       a capture as each of the two reads it, in the same words
//! made          packets with what no capture has
//! differences   where they are known to differ, and why
//! ```

mod captures;
mod differences;
mod fields;
mod keys;
mod made;
mod pdml;
mod reading;
mod stack;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use captures::Capture;
use differences::Difference;
use dmvpn_inspect::capture;
use dmvpn_inspect::dissect::Dissection;
use dmvpn_inspect::keys::Keys;
use fields::{As, Place, ROWS, Row};
use reading::{Occurrence, Packet};

/// How many tsharks run at once: most of their time is their start.
const AT_ONCE: usize = 4;

/// What was compared.
#[derive(Debug)]
struct Tally {
    packets: usize,
    stacks: BTreeSet<String>,
    /// For each of [`ROWS`], how many values were found equal, or different for a known reason, on both sides.
    values: Vec<usize>,
    /// How many of them also stand at the same place.
    places: usize,
    differences: Vec<Difference>,
}

impl Tally {
    fn new() -> Self {
        Self { packets: 0, stacks: BTreeSet::new(), values: vec![0; ROWS.len()], places: 0, differences: Vec::new() }
    }

    fn add(&mut self, other: Tally) {
        self.packets += other.packets;
        self.stacks.extend(other.stacks);
        self.values.iter_mut().zip(other.values).for_each(|(sum, more)| *sum += more);
        self.places += other.places;
        self.differences.extend(other.differences);
    }
}

/// Compares a capture as it is read here with what tshark reads.
fn compare(name: &str, ours: &[Packet], theirs: &[Packet]) -> Tally {
    let mut tally = Tally::new();
    let mut differ = |packet: usize, field, ours, theirs| {
        tally.differences.push(Difference { file: name.to_owned(), packet: packet as u64, field, ours, theirs });
    };
    if ours.len() != theirs.len() {
        differ(0, "packets", ours.len().to_string(), theirs.len().to_string());
    }
    let mut places = 0;
    for (number, (ours, theirs)) in (1..).zip(ours.iter().zip(theirs)) {
        tally.packets += 1;
        tally.stacks.insert(ours.stack.clone());
        if ours.stack != theirs.stack {
            differ(number, "stack", ours.stack.clone(), theirs.stack.clone());
        }
        for (index, row) in ROWS.iter().enumerate() {
            let here = ours.fields.get(&index).map_or(&[][..], Vec::as_slice);
            let there = theirs.fields.get(&index).map_or(&[][..], Vec::as_slice);
            if row.form == As::Verdict && there.iter().any(|verdict| verdict.value == reading::UNVERIFIED) {
                continue;
            }
            let values = |list: &[Occurrence]| list.iter().map(|found| found.value.clone()).collect::<Vec<_>>();
            if values(here) != values(there) {
                differ(number, row.theirs[0], values(here).join(" "), values(there).join(" "));
                continue;
            }
            tally.values[index] += here.len();
            for (here, there) in here.iter().zip(there) {
                match placed(row, here, there) {
                    None => {}
                    Some(true) => places += 1,
                    Some(false) => {
                        let at = |found: &Occurrence| format!("{} at {:?}", found.value, found.place);
                        differ(number, row.theirs[0], at(here), at(there));
                    }
                }
            }
        }
    }
    tally.places = places;
    tally
}

/// Whether a value stands where it stands for the other; `None` if one of the two does not say where.
fn placed(row: &Row, ours: &Occurrence, theirs: &Occurrence) -> Option<bool> {
    if ours.place.is_empty() || theirs.place.is_empty() {
        return None;
    }
    match row.place {
        Place::Same => Some(ours.place == theirs.place),
        Place::Overlaps => Some(ours.place.start < theirs.place.end && theirs.place.start < ours.place.end),
        Place::Any => None,
    }
}

/// Reads a capture both ways and compares.
fn cross_check(capture: &Capture) -> Tally {
    let profile = tempfile::tempdir().expect("a temporary folder");
    let keys = keys::lay_out(&capture.path, profile.path());
    let theirs = reading::theirs(&capture.path, profile.path());
    compare(&capture.name, &reading::ours(&capture.path, keys), &theirs)
}

#[test]
fn every_packet_is_read_as_tshark_reads_it() {
    if !pdml::is_installed() {
        return captures::skip("tshark is not installed, so nothing is compared with it");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    made::write(&folder.path().join("made.pcapng"));
    let roots = captures::roots();
    let all: Vec<Capture> =
        roots.iter().flat_map(|root| captures::under(root)).chain(captures::under(folder.path())).collect();
    let next = AtomicUsize::new(0);
    let sum = Mutex::new(Tally::new());
    std::thread::scope(|threads| {
        for _ in 0..AT_ONCE {
            threads.spawn(|| {
                while let Some(capture) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let tally = cross_check(capture);
                    sum.lock().expect("no thread panicked").add(tally);
                }
            });
        }
    });
    let mut sum = sum.into_inner().expect("no thread panicked");
    sum.differences.sort_by(|a, b| (&a.file, a.packet, a.field).cmp(&(&b.file, b.packet, b.field)));

    let values: usize = sum.values.iter().sum();
    let never: Vec<&str> =
        ROWS.iter().zip(&sum.values).filter(|(_, values)| **values == 0).map(|(row, _)| row.theirs[0]).collect();
    eprintln!(
        "{} files, {} packets with {} stacks; {values} values of {} fields, {} of them with their place",
        all.len(),
        sum.packets,
        sum.stacks.len(),
        ROWS.len() - never.len(),
        sum.places
    );
    // Without the other folder its entries have nothing to meet.
    let third_party = roots.len() > 1;
    let wrong = differences::judge(include_str!("differences.yaml"), sum.differences, third_party);
    assert!(wrong.is_empty(), "{} that are not known:\n{}", wrong.len(), wrong.join("\n"));
    if third_party {
        assert!(never.is_empty(), "these fields are in no packet that was compared: {}", never.join(" "));
        assert!(all.len() >= 60 && sum.packets >= 1300 && values >= 50_000 && sum.places >= 45_000);
    } else {
        let nhrp = never.iter().filter(|name| name.starts_with("nhrp.")).count();
        assert_eq!(nhrp, 0, "these fields are in no packet that was compared: {}", never.join(" "));
    }
}

/// Every octet that a field of a recorded message ends in is turned, each in a copy of its own that only tshark
/// reads: the field has to differ.
#[test]
fn a_changed_octet_is_a_difference() {
    if !pdml::is_installed() {
        return captures::skip("tshark is not installed, so nothing is compared with it");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (whole, turned) = (folder.path().join("whole.pcapng"), folder.path().join("turned.pcapng"));
    let own = captures::under(&captures::own());
    let mut recorded = own.iter().flat_map(|capture| capture::read_all(&capture.path).0);
    let is_nhrp = |packet: &capture::CapturedPacket| {
        let read = Dissection::of_frame(packet.linktype, &packet.octets);
        read.nhrp_type().is_some() && read.value("malformed").is_none()
    };
    let packet = recorded.find(is_nhrp).expect("a recorded message of NHRP");
    made::write_frames(&whole, &[(packet.linktype, packet.octets.clone())]);
    let ours = reading::ours(&whole, Keys::default()).swap_remove(0);

    let places: Vec<(usize, usize)> = ours
        .fields
        .iter()
        .flat_map(|(row, found)| {
            found.iter().filter(|found| !found.place.is_empty()).map(|found| (*row, found.place.end - 1))
        })
        .collect();
    let copy = |at: usize| {
        let mut octets = packet.octets.clone();
        octets[at] ^= 1;
        (packet.linktype, octets)
    };
    made::write_frames(&turned, &places.iter().map(|(_, at)| copy(*at)).collect::<Vec<_>>());
    let theirs = reading::theirs(&turned, folder.path());
    assert_eq!(theirs.len(), places.len());
    assert!(places.len() > 50, "only {} fields", places.len());
    for ((row, at), theirs) in places.iter().zip(theirs) {
        let tally = compare("turned", std::slice::from_ref(&ours), &[theirs]);
        // Bits of a word that the last bit is none of differ by their neighbour.
        let name = ROWS[*row].theirs[0];
        assert!(!tally.differences.is_empty(), "{name} at {at}");
        let whole_octets = !matches!(name.split('.').nth(1), Some("flags" | "flag" | "ext" | "version"));
        assert!(!whole_octets || tally.differences.iter().any(|found| found.field == name), "{name} at {at}");
    }
}

#[test]
fn a_field_at_another_place_is_a_difference() {
    let packet = |start: usize| {
        let row = ROWS.iter().position(|row| row.theirs == ["nhrp.htime"]).expect("the holding time");
        let found = Occurrence { value: "600".to_owned(), place: start..start + 2 };
        Packet { stack: "ip:gre:nhrp".to_owned(), fields: [(row, vec![found])].into() }
    };
    assert!(compare("same", &[packet(52)], &[packet(52)]).differences.is_empty());
    let moved = compare("moved", &[packet(52)], &[packet(54)]);
    assert_eq!(moved.differences[0].to_string(), "moved packet 1 nhrp.htime: here 600 at 52..54, tshark 600 at 54..56");
}
