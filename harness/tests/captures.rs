//! The captures that the project keeps: complete, readable, and written again octet by octet.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dmvpn_lab::capture;
use dmvpn_lab::dissect::Dissection;
use dmvpn_wire::nhrp::Message;

fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../captures");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "pcapng")).collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

#[test]
fn every_capture_has_a_complete_sidecar() {
    for path in captures() {
        let text = std::fs::read_to_string(path.with_extension("yaml")).unwrap();
        let sidecar: BTreeMap<String, serde_json::Value> = serde_yaml::from_str(&text).unwrap();
        for key in ["shows", "origin", "licence", "versions", "topology", "link_type", "packets", "keys"] {
            assert!(sidecar.contains_key(key), "{}: no `{key}`", path.display());
        }
        let told = sidecar["packets"].as_array().unwrap().len();
        assert_eq!(capture::read_all(&path).0.len(), told, "{}", path.display());
    }
}

#[test]
fn every_packet_is_read_and_every_message_written_again() {
    for path in captures() {
        let (packets, errors) = capture::read_all(&path);
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
        for (number, packet) in packets.iter().enumerate() {
            let read = Dissection::of_ip(&packet.octets);
            assert_eq!(read.value("malformed"), None, "{} packet {}", path.display(), number + 1);
            let octets = &packet.octets[read.nhrp_range().unwrap()];
            assert_eq!(
                Message::parse(octets).unwrap().to_vec().unwrap(),
                octets,
                "{} packet {}",
                path.display(),
                number + 1
            );
        }
    }
}
