//! The captures that the project keeps: complete, true to their sidecars, readable, and read as they always were.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use dmvpn_lab::capture::{self, CapturedPacket};
use dmvpn_lab::dissect::{Dissection, Session};
use dmvpn_lab::keys::Keys;
use dmvpn_lab::record::compare::{differences, read_all, shown};
use dmvpn_lab::record::kind::kind;
use dmvpn_lab::record::{FOLDER, LIST, Recordings, Sidecar, sidecar};
use dmvpn_lab::subject;
use dmvpn_lab::suite::{ClockKind, load_tree};
use dmvpn_wire::nhrp::Message;

/// A capture that is kept is looked at by people.
const MOST_OCTETS: u64 = 40_000;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn recordings() -> Recordings {
    let list = Recordings::load(&root().join(FOLDER).join(LIST)).unwrap();
    assert!(list.all.len() >= 40, "{}", list.all.len());
    list
}

struct Kept {
    name: String,
    packets: Vec<CapturedPacket>,
    read: Vec<Dissection>,
    sidecar: Sidecar,
}

fn kept() -> Vec<Kept> {
    let open = |name: &String| {
        let path = root().join(FOLDER).join(format!("{name}.pcapng"));
        assert!(std::fs::metadata(&path).unwrap().len() <= MOST_OCTETS, "{name} is large");
        let (packets, errors) = capture::read_all(&path);
        assert!(errors.is_empty(), "{name}: {errors:?}");
        let sidecar = Sidecar::load(&path.with_extension("yaml")).unwrap();
        Kept { name: name.clone(), read: read_all(&packets, Session::default()), packets, sidecar }
    };
    recordings().all.iter().map(|recording| open(&recording.name)).collect()
}

/// The names of files with this extension.
fn names(folder: &Path, extension: &str) -> BTreeSet<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let wanted = files.filter(|path| path.extension().is_some_and(|found| found == extension));
    wanted.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn the_list_and_the_folder_say_the_same() {
    let folder = root().join(FOLDER);
    let listed: BTreeSet<String> = recordings().all.into_iter().map(|recording| recording.name).collect();
    let mut sidecars = names(&folder, "yaml");
    assert!(sidecars.remove("recordings"));
    assert_eq!(names(&folder, "pcapng"), listed);
    assert_eq!(sidecars, listed);
    assert_eq!(names(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/captures"), "snap"), listed);
}

#[test]
fn what_a_sidecar_says_of_the_case_is_what_the_suites_say() {
    let suites = load_tree(&root().join("suites")).unwrap();
    let implementations = subject::find_all(&root().join("suites/impls")).unwrap();
    for recording in recordings().all {
        let name = &recording.name;
        let told = Sidecar::load(&root().join(FOLDER).join(format!("{name}.yaml"))).unwrap();
        let cell = recording.cell(&suites, &implementations, ClockKind::Virtual).unwrap();
        assert_eq!(told.shows, recording.shows, "{name}");
        assert_eq!(told.origin, sidecar::origin(&recording), "{name}");
        assert_eq!((&told.case, &told.subject), (&recording.case, &recording.subject), "{name}");
        assert_eq!(told.peer, recording.peer, "{name}");
        assert_eq!(told.nodes, sidecar::nodes(&cell), "{name}");
        let topology = cell.suite.topology_of(cell.case);
        assert_eq!(told.topology, sidecar::topology(topology), "{name}");
        assert!(topology.link(&told.link).is_some(), "{name}: {}", told.link);
        let kernel = told.versions.get("linux").map(String::as_str);
        assert_eq!(told.versions, sidecar::versions(&cell, kernel), "{name}");
        assert_eq!((told.licence.as_str(), told.link_type.as_str()), ("MIT OR Apache-2.0", "raw IP"), "{name}");
    }
}

#[test]
fn what_a_sidecar_says_of_the_packets_is_what_the_dissection_says() {
    for Kept { name, read, sidecar, .. } in kept() {
        assert_eq!(sidecar.packets, read.iter().map(kind).collect::<Vec<_>>(), "{name}");
        for (number, read) in (1..).zip(&read) {
            let troubles: Vec<&str> = read.troubles().collect();
            let told = sidecar.malformed.get(&number).cloned().unwrap_or_default();
            assert_eq!(troubles.join("; "), told, "{name} packet {number}");
        }
    }
}

#[test]
fn every_message_is_written_again_octet_by_octet() {
    let mut messages = 0;
    for Kept { name, read, sidecar, .. } in kept() {
        for (number, read) in (1..).zip(&read).filter(|(number, _)| !sidecar.malformed.contains_key(number)) {
            let Some(octets) = read.nhrp_octets() else { continue };
            // What FRR leaves in a word that is not used is nothing that anybody would write.
            if read.uint("error.unused").is_some_and(|word| word != 0) {
                continue;
            }
            assert_eq!(Message::parse(octets).unwrap().to_vec().unwrap(), octets, "{name} packet {number}");
            messages += 1;
        }
    }
    assert!(messages > 300, "{messages}");
}

/// What is held against a new recording differs in what was changed, and in nothing else.
#[test]
fn a_comparison_finds_what_was_changed() {
    let kept = kept();
    let Kept { packets, .. } = kept.iter().find(|kept| kept.name == "frr-10.3-registration").unwrap();
    let volatile = &recordings().volatile;
    let mut other = packets.clone();
    assert_eq!(differences(packets, &other, volatile), []);
    let fields = |other: &[CapturedPacket]| -> Vec<String> {
        differences(packets, other, volatile).into_iter().map(|found| found.field).collect()
    };
    // The identification and the checksum of an IP packet may differ, as long as they fit each other: 1 more, 1 less.
    other[1].octets[5] ^= 1;
    let less = other[1].octets[5] & 1 == 1;
    assert_eq!(fields(&other), ["ip.checksum_ok", "malformed"]);
    let sum = u16::from_be_bytes([other[1].octets[10], other[1].octets[11]]);
    let sum = if less { sum.wrapping_sub(1) } else { sum.wrapping_add(1) };
    other[1].octets[10..12].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(fields(&other), [""; 0]);
    // Hop count and time may not.
    other[1].octets[28 + 9] ^= 1;
    other[1].timestamp_ns += 6_000_000;
    assert_eq!(fields(&other), ["time", "hdr.chksum_ok", "hdr.hopcnt", "malformed"]);
    other.pop();
    assert_eq!(differences(packets, &other, volatile)[0].to_string(), "packets is 1, kept 2");
}

#[test]
fn every_capture_is_read_as_it_always_was() {
    for kept in kept() {
        insta::with_settings!({ snapshot_path => "snapshots/captures", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(kept.name.as_str(), golden(&kept));
        });
    }
}

/// Everything that is read of a capture with its keys, as a text.
fn golden(kept: &Kept) -> String {
    let session = match kept.sidecar.keys.as_str() {
        "none" => Session::default(),
        folder => Session::with_keys(Keys::load(&root().join(FOLDER).join(folder)).unwrap()),
    };
    let mut text = format!("{}\n", kept.sidecar.shows);
    let begin = kept.packets[0].timestamp_ns;
    for (number, (packet, read)) in (1..).zip(kept.packets.iter().zip(read_all(&kept.packets, session))) {
        let after = packet.timestamp_ns - begin;
        let way = packet.comment.as_deref().unwrap_or_default();
        writeln!(text, "\n{number}  {}.{:09}  {}  {way}", after / 1_000_000_000, after % 1_000_000_000, read.stack())
            .unwrap();
        write!(text, "   {}", read.summary()).unwrap();
        // A line for each group, and the offset of each field's octets; fields without any were worked out.
        let mut last = None;
        for field in read.fields() {
            let path = field.path();
            let (group, name) = path.rsplit_once('.').unwrap_or(("", &path));
            if last.as_deref() != Some(group) {
                last = Some(group.to_owned());
                write!(text, "\n     {group:<16}").unwrap();
            }
            let place = if field.range.is_empty() { String::new() } else { format!("@{}", field.range.start) };
            write!(text, " {name}={}{place}", shown(&path, field.value.to_string())).unwrap();
        }
        text.push('\n');
    }
    text
}
