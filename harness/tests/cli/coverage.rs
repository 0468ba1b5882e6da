//! `cargo lab coverage` and `cargo lab report divergences`.

use super::{PASSES, lab, said, suite};

#[test]
fn a_section_is_shown_and_a_stranger_is_told() {
    let shown = said(lab(&["coverage", "NHRP-5.2.4", "--format", "json"]));
    assert_eq!(shown.code, 0, "{}", shown.err);
    let document: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
    let ids: Vec<&str> =
        document["requirements"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"NHRP-5.2.4-01") && ids.iter().all(|id| id.starts_with("NHRP-5.2.4-")), "{ids:?}");
    assert_eq!(document["requirements"][0]["cells"]["peer"], "tested");
    let stranger = said(lab(&["coverage", "NHRP-5.2.4-0"]));
    assert_eq!(stranger.code, 2);
    assert!(stranger.err.contains("no requirement begins with `NHRP-5.2.4-0`"), "{}", stranger.err);
}

#[test]
fn a_snapshot_that_is_out_of_date_is_exit_code_1_with_the_patch_and_the_command() {
    let own = suite(PASSES);
    let suites = own.path().to_str().unwrap();
    let check = || said(lab(&["coverage", "--check", "--suites", suites]));
    let before = check();
    assert_eq!(before.code, 1);
    assert!(before.err.contains("`cargo lab coverage --bless` renews it"), "{}", before.err);
    assert!(before.err.contains("\n+NHRP-5.2.4-01 must | untested: no reason"), "{}", before.err);
    assert_eq!(said(lab(&["coverage", "--bless", "--suites", suites])).code, 0);
    let after = check();
    assert!(!after.err.contains("renews it"), "{}", after.err);
    // This suite judges nothing of the catalogue, and says so.
    assert_eq!(after.code, 1);
    assert!(after.err.contains("NHRP-5.2.4-01: no case judges it"), "{}", after.err);
    assert!(after.err.contains("requirements of NHRP that can be judged on the wire are not"), "{}", after.err);
}

#[test]
fn a_run_without_what_was_asked_for() {
    let own = suite(PASSES);
    // Beside the suites: what a run keeps of a suite is one for who looks for suites.
    let folder = tempfile::tempdir().unwrap();
    let (suites, runs) = (own.path().to_str().unwrap(), folder.path().join("runs"));
    let run = said(lab(&["run", "--suites", suites, "--out", runs.to_str().unwrap()]));
    assert_eq!(run.code, 0, "{}", run.err);
    let (latest, pages) = (runs.join("latest"), folder.path().join("pages"));
    let (latest, pages) = (latest.to_str().unwrap(), pages.to_str().unwrap());
    let nothing = said(lab(&["report", "divergences", latest, "--out", pages, "--suites", suites]));
    assert_eq!(nothing.code, 3, "{}", nothing.err);
    assert!(nothing.err.contains("has seen none of"), "{}", nothing.err);
    let nowhere = said(lab(&["report", "divergences", suites, "--out", pages]));
    assert_eq!(nowhere.code, 2);
    assert!(nowhere.err.contains("has no results.json"), "{}", nowhere.err);
    // The run has cases, but none that judges this requirement.
    let held = said(lab(&["coverage", "NHRP-5.2.4-01", "--run", latest]));
    assert_eq!(held.code, 1);
    assert!(held.err.contains("NHRP-5.2.4-01, peer: recorded as tested, and no run has a result"), "{}", held.err);
}
