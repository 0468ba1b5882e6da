//! What a run leaves: complete, readable by others, and without secrets.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use crate::{PASSES, lab, said, suite};

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            files(&path, into);
        } else if path.is_file() {
            into.push(path);
        }
    }
}

#[test]
fn a_case_leaves_everything_and_no_secret() {
    let dir = suite(PASSES);
    let out = dir.path().join("runs");
    let said = said(lab(&["run", "--suites", dir.path().to_str().unwrap(), "--out", out.to_str().unwrap(), "-vv"]));
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let mut all = Vec::new();
    files(&out.join("latest").canonicalize().unwrap(), &mut all);
    for name in ["run.json", "results.json", "summary.txt", "verdict.json", "timeline.jsonl", "wan.pcapng", "run.sh"] {
        assert!(all.iter().any(|path| path.ends_with(name)), "{name} is missing in {all:?}");
    }
    assert!(all.iter().any(|path| path.ends_with("repro/own.yaml")));
    for path in &all {
        // Captures are octets as they were on the wire.
        if path.extension().is_none_or(|extension| extension != "pcapng") {
            let text = fs::read_to_string(path).unwrap();
            assert!(!text.contains("sesame42"), "{} shows the secret", path.display());
            assert!(!text.contains("736573616d653432"), "{} shows the secret in hex", path.display());
        }
    }
    assert!(!format!("{}{}", said.out, said.err).contains("sesame42"));
    let capture = all.iter().find(|path| path.ends_with("wan.pcapng")).unwrap();
    others_read(capture);
}

/// A program of other authors sees the same messages.
fn others_read(capture: &Path) {
    let arguments = ["-T", "fields", "-e", "frame.protocols", "-e", "nhrp.hdr.op.type", "-r"];
    let Ok(output) = Process::new("tshark").args(arguments).arg(capture).output() else {
        let denied = std::env::var_os("DMVPN_LAB_DENY_SKIPS").is_some_and(|value| value == "1");
        assert!(!denied, "tshark is not installed, and skips are denied");
        eprintln!("skipped: tshark is not installed; the capture was not read by it");
        return;
    };
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().count() >= 2, "{text}");
    for line in text.lines() {
        assert!(line.contains("gre:nhrp") && !line.contains("malformed"), "{line}");
    }
}
