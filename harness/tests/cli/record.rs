//! `cargo lab record`, with the built-in peer as both ends: what real routers leave goes the same way.

use std::path::Path;

use super::{Said, lab, said};

const LIST: &str = "volatile: [ip.id]
recordings:
  - name: ours
    case: nhrp/registration/first
    subjects: [peer]
    shows: A spoke registers with a hub.
";

fn record(folder: &Path, arguments: &[&str]) -> Said {
    let (folder, runs) = (folder.to_str().unwrap(), folder.join("runs"));
    said(lab(&[&["record", "--captures", folder, "--out", runs.to_str().unwrap()], arguments].concat()))
}

#[test]
fn a_capture_is_made_and_made_again_and_a_change_of_it_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("recordings.yaml"), LIST).unwrap();
    let missing = record(folder, &["--check"]);
    assert_eq!(missing.code, 1, "{}", missing.err);
    assert!(missing.out.starts_with("new      ours (2 packets)"), "{}", missing.out);
    assert!(!folder.join("ours.pcapng").exists(), "a check writes nothing");

    let made = record(folder, &[]);
    assert_eq!(made.code, 0, "{}", made.err);
    let capture = folder.join("ours.pcapng");
    let before = std::fs::read(&capture).unwrap();
    assert!(String::from_utf8_lossy(&before).contains("A spoke registers with a hub. hub 192.0.2.1"));
    let again = record(folder, &["--check"]);
    assert_eq!((again.code, again.out.lines().last()), (0, Some("1 captures: 1 same, 0 new, 0 changed, 0 failed")));

    // GRE's protocol type and the upper half of its key; behind the key NHRP begins, with its hop count at offset 9.
    let gre = before.windows(4).position(|octets| octets == [0x20, 0x01, 0, 0]).unwrap();
    let mut other = before.clone();
    other[gre + 2 + 4 + 9] ^= 1;
    std::fs::write(&capture, other).unwrap();
    let found = record(folder, &["--check"]);
    assert_eq!(found.code, 1);
    assert!(found.out.contains("changed  ours (2 packets)"), "{}", found.out);
    assert!(found.out.contains("packet 1: hdr.hopcnt is "), "{}", found.out);
    let mended = record(folder, &["--json"]);
    assert_eq!(mended.code, 0);
    let told: serde_json::Value = serde_json::from_str(&mended.out).unwrap();
    assert_eq!(told["captures"][0]["state"], "changed");
    assert_eq!(std::fs::read(&capture).unwrap(), before);
}

#[test]
fn what_can_not_be_recorded_is_said_before_anything_runs() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let said = |list: &str, arguments: &[&str]| {
        std::fs::write(folder.join("recordings.yaml"), list).unwrap();
        let said = record(folder, arguments);
        assert_eq!(said.code, 2, "{}", said.err);
        assert!(!folder.join("runs").exists());
        said.err
    };
    assert!(said(LIST, &["hours"]).contains("did you mean `ours`"));
    assert!(said(&LIST.replace("registration/first", "registration/frist"), &[]).contains("nhrp/registration/first"));
    assert!(said(&LIST.replace("registration/first", "registration"), &[]).contains("is 24 cases"));
    assert!(said(&LIST.replace("[peer]", "[frr:9]"), &[]).contains("has no version `9`"));
    assert!(said(&LIST.replace("subjects", "subject"), &[]).contains("line 5"));
}
