//! Makes the seeds of the corpora: octets of the project's own captures, and hostile ones made by hand.
//!
//! ```text
//! cargo test -p dmvpn-inspect --test corpora -- --ignored
//! ```
//!
//! Files whose names begin with `capture-`, `made-` or `hostile-` are made anew, all others are left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use dmvpn_inspect::capture::{LinkType, read_all};
use dmvpn_inspect::dissect::{Dissection, Session};

use build::pcapng;

pub(crate) mod build;
mod files;
mod frames;
mod ike;
mod texts;

/// What the names of made seeds begin with.
const MADE: [&str; 3] = ["capture-", "made-", "hostile-"];
/// How many packets of the captures are taken: one for each stack of layers, kind of message and rough length.
const MOST_OF_CAPTURES: usize = 60;
/// Longer frames teach the fuzzer nothing.
const LONGEST_FRAME: usize = 1500;
/// How many captures are seeds as whole files.
const MOST_FILES: usize = 12;
/// Longer files are cut to their first packets.
const LONGEST_FILE: usize = 8 << 10;
/// How many packets those are.
const FILE_PACKETS: usize = 12;

/// What was made, by target and name.
#[derive(Default)]
struct Seeds(BTreeMap<&'static str, BTreeMap<String, Vec<u8>>>);

impl Seeds {
    fn put(&mut self, target: &'static str, name: impl Into<String>, octets: impl Into<Vec<u8>>) {
        let name = name.into();
        assert!(self.0.entry(target).or_default().insert(name.clone(), octets.into()).is_none(), "{name} twice");
    }

    /// A frame: behind the two octets that choose its link type.
    fn frame(&mut self, name: &str, link: LinkType, octets: &[u8]) {
        self.put("frame", name, [&link_choice(link)[..], octets].concat());
    }

    /// An IP packet, for the target that has whole frames.
    fn packet(&mut self, name: &str, octets: &[u8]) {
        self.frame(name, LinkType::RAW, octets);
    }
}

fn link_choice(link: LinkType) -> [u8; 2] {
    match crate::targets::LINKS.iter().position(|known| *known == link) {
        Some(place) => [u8::try_from(place).unwrap(), 0],
        None => link.0.to_be_bytes(),
    }
}

#[test]
#[ignore = "writes the seeds into the corpora"]
fn make_seeds() {
    let mut seeds = Seeds::default();
    of_captures(&mut seeds);
    frames::hostile_frames(&mut seeds);
    ike::hostile_ike(&mut seeds);
    files::hostile_files(&mut seeds);
    texts::texts(&mut seeds);
    for (target, files) in seeds.0 {
        let folder = crate::corpus(target);
        fs::create_dir_all(&folder).unwrap();
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if MADE.iter().any(|prefix| name.starts_with(prefix)) {
                fs::remove_file(path).unwrap();
            }
        }
        for (name, octets) in files {
            fs::write(folder.join(name), octets).unwrap();
        }
    }
}

/// One packet of each kind that the project's own captures have, for the target that reads that kind.
fn of_captures(seeds: &mut Seeds) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../captures");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "pcapng"));
    files.sort();
    let (mut kinds, mut made) = (BTreeSet::new(), 0);
    for file in files {
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        let (packets, _) = read_all(&file);
        let before = made;
        let mut session = Session::default();
        let mut read = Dissection::default();
        for packet in packets.iter().filter(|packet| packet.octets.len() <= LONGEST_FRAME) {
            read.read(&mut session, packet.linktype, &packet.octets);
            let exchange = read.uint("ike.exchange");
            let kind = (read.stack(), read.nhrp_type(), exchange, read.uint("ext.count"), packet.octets.len() / 256);
            if made == MOST_OF_CAPTURES || !kinds.insert(kind) {
                continue;
            }
            made += 1;
            let name = format!("capture-{stem}-{}", packet.number);
            seeds.frame(&name, packet.linktype, &packet.octets);
            if let Some(octets) = read.nhrp_octets() {
                seeds.put("nhrp", &name, octets);
            }
            for layer in read.layers() {
                if layer.name == "ike" {
                    seeds.put("isakmp", &name, layer.octets);
                }
            }
            if let Some(start) = read.network_offset().filter(|_| made % 4 == 1) {
                seeds.put("gre_ip", &name, &packet.octets[start..]);
            }
        }
        // Whole files of the captures that brought something new: with their comments and secrets where they are short.
        let files = seeds.0.get("file").map_or(0, BTreeMap::len);
        if made - before >= 2 && files < MOST_FILES {
            let octets = fs::read(&file).unwrap();
            let octets = if octets.len() <= LONGEST_FILE {
                octets
            } else {
                let first: Vec<_> = packets.iter().take(FILE_PACKETS).map(|packet| packet.octets.as_slice()).collect();
                pcapng(packets.first().map_or(LinkType::RAW, |packet| packet.linktype), &first)
            };
            seeds.put("file", format!("capture-{stem}"), octets);
        }
    }
}
