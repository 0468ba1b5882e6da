use std::path::{Path, PathBuf};

use super::*;
use crate::coverage::runs::{Found, hold};
use crate::requirement::Catalogue;
use crate::run::divergence;
use crate::subject;
use crate::suite::load_str;
use crate::verdict::{CaseResult, ImplRef, Outcome, RunResult, Verdict};

fn suites() -> Vec<Suite> {
    let text = "schema: 1
suite: own
title: Own
worlds: [sim, real]
topology:
  nodes:
    hub: { role: hub, bind: subject, nbma: 192.0.2.1, tunnel: 10.0.0.1/24 }
    spoke: { role: spoke, bind: peer, nbma: 192.0.2.2, tunnel: 10.0.0.2/24, nhs: [{ node: hub }] }
  links: [{ name: wan, ends: [hub:nbma, spoke:nbma], capture: true }]
cases:
  - id: one
    title: A case.
    cites:
      - { spec: rfc2332, section: \"5.2\", level: must, requirement: NHRP-5.2-01 }
      - { spec: rfc2332, section: \"5.2\", level: must, requirement: NHRP-5.2-02 }
    steps: &steps
      - expect: { msg: nhrp.registration_reply }
  - id: secret
    title: A case that not all can play.
    cites: [{ spec: rfc2332, section: \"5.2\", level: must, requirement: NHRP-5.2-02 }]
    needs: [nhrp.auth.cisco]
    steps: *steps
  - id: in-sim
    title: A case that no router plays.
    worlds: [sim]
    cites: [{ spec: rfc2332, section: \"5.20\", level: must, requirement: NHRP-5.20-01 }]
    steps: *steps
  - id: by-name
    title: A case for one implementation.
    worlds: [real]
    topology: { nodes: { hub: { bind: \"frr:10.3\" } } }
    cites: [{ spec: rfc2332, section: \"5.20\", level: must, requirement: NHRP-5.20-01 }]
    steps: *steps
";
    vec![load_str(Path::new("suites/own.yaml"), text).unwrap()]
}

/// A folder with a catalogue and a record of divergences.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let entry = |id: &str, more: &str| {
        format!(
            "- {{ id: {id}, source: RFC 2332, level: must, role: NHS, testable_against: hub, summary: s, stimulus: t, \
             expected: e{more} }}\n"
        )
    };
    let text = entry("NHRP-5.2-01", "")
        + &entry("NHRP-5.2-02", "")
        + &entry("NHRP-5.2-03", ", untested: { class: no-driver, because: far away }")
        + &entry("NHRP-5.20-01", "")
        + &entry("NHRP-5.20-02", "");
    std::fs::create_dir(folder.path().join("requirements")).unwrap();
    std::fs::write(folder.path().join("requirements/own.yaml"), text).unwrap();
    let text = "- { impl: frr, versions: '>=10', case: own/one, match: { text: late }, reason: it is late }\n";
    std::fs::create_dir(folder.path().join("divergences")).unwrap();
    std::fs::write(folder.path().join("divergences/frr.yaml"), text).unwrap();
    folder
}

/// Calls `judge` with the matrix of these suites; implementations are the project's own.
fn with(judge: impl FnOnce(Matrix<'_>)) {
    let folder = folder();
    let catalogue = Catalogue::load(&folder.path().join("requirements")).unwrap();
    let divergences = divergence::load_all(&folder.path().join("divergences")).unwrap();
    let known = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../suites/impls");
    let implementations: Vec<_> =
        subject::find_all(&known).unwrap().into_iter().filter(|known| known.name == "frr").collect();
    let suites = suites();
    let facts =
        Facts { catalogue: &catalogue, suites: &suites, implementations: &implementations, divergences: &divergences };
    judge(Matrix::of(&facts));
}

fn cell(matrix: &Matrix<'_>, id: &str, column: &str) -> Option<State> {
    let row = matrix.rows.iter().find(|row| row.requirement.id == id).unwrap();
    row.cells.get(column).copied()
}

#[test]
fn records_alone_say_who_is_judged() {
    with(|matrix| {
        assert_eq!(matrix.columns.first().map(String::as_str), Some("peer"));
        assert_eq!(cell(&matrix, "NHRP-5.2-01", "peer"), Some(State::Tested));
        assert_eq!(cell(&matrix, "NHRP-5.2-01", "frr:8.4.4"), Some(State::Tested));
        assert_eq!(cell(&matrix, "NHRP-5.2-01", "frr:10.3"), Some(State::Deviates));
        // One of two cases can be played, and one is enough.
        assert_eq!(cell(&matrix, "NHRP-5.2-02", "frr:8.4.4"), Some(State::Tested));
        assert_eq!(cell(&matrix, "NHRP-5.2-02", "frr:10.3"), Some(State::Deviates));
        assert_eq!(cell(&matrix, "NHRP-5.20-01", "peer"), Some(State::Tested));
        assert_eq!(cell(&matrix, "NHRP-5.20-01", "frr:10.3"), Some(State::Tested));
        assert_eq!(cell(&matrix, "NHRP-5.20-01", "frr:8.4.4"), None);
        let gaps = matrix.gaps();
        assert_eq!(gaps.len(), 2, "{gaps:?}");
        assert!(gaps[0].starts_with("NHRP-5.20-02: no case judges it"), "{gaps:?}");
        assert!(gaps[1].starts_with("2 of 5 requirements of NHRP"), "{gaps:?}");
        assert_eq!(matrix.counts()[&("NHRP", "peer")], [(None, 2), (Some(State::Tested), 3)].into());
    });
}

#[test]
fn beginnings_of_ids_end_where_their_parts_do() {
    with(|matrix| {
        let some = matrix.clone().only(&["NHRP-5.2".to_owned()]).unwrap();
        let ids: Vec<&str> = some.rows.iter().map(|row| row.requirement.id.as_str()).collect();
        assert_eq!(ids, ["NHRP-5.2-01", "NHRP-5.2-02", "NHRP-5.2-03"]);
        assert_eq!(matrix.clone().only(&["NHRP-5.20-01".to_owned()]).unwrap().rows.len(), 1);
        assert_eq!(matrix.only(&["GRE".to_owned()]).unwrap_err(), "GRE");
    });
}

#[test]
fn the_snapshot_has_a_line_for_each_requirement() {
    with(|mut matrix| {
        matrix.columns.retain(|column| ["peer", "frr:8.4.4", "frr:10.3"].contains(&column.as_str()));
        let text = snapshot::render(&matrix);
        assert_eq!(
            text.lines().skip(1).collect::<Vec<_>>(),
            [
                "# peer frr:8.4.4 frr:10.3",
                "NHRP-5.2-01 must | tested: peer frr:8.4.4 | deviates: frr:10.3 | cases: own/one",
                "NHRP-5.2-02 must | tested: peer frr:8.4.4 | deviates: frr:10.3 | cases: own/one own/secret",
                "NHRP-5.2-03 must | untested: no-driver",
                "NHRP-5.20-01 must | tested: peer frr:10.3 | cases: own/in-sim own/by-name",
                "NHRP-5.20-02 must | untested: no reason",
            ]
        );
        assert_eq!(snapshot::difference(&text, &text), None);
        let known = text.replace("untested: no-driver", "untested: codec");
        let patch = snapshot::difference(&known, &text).unwrap();
        assert!(
            patch.contains("\n-NHRP-5.2-03 must | untested: codec\n+NHRP-5.2-03 must | untested: no-driver"),
            "{patch}"
        );
    });
}

/// A run in which these cases of `own` came to these outcomes.
fn run(subject: &str, outcomes: &[(&str, Outcome)]) -> RunResult {
    let (name, version) = subject.split_once(':').unwrap_or((subject, "0.1.0"));
    let mut run = crate::report::sample::run();
    let model: CaseResult = run.cases[0].clone();
    let case = |(id, outcome): &(&str, Outcome)| CaseResult {
        id: format!("own/{id}"),
        subject: ImplRef::new(name, version),
        verdict: Verdict::new(*outcome, ""),
        ..model.clone()
    };
    run.cases = outcomes.iter().map(case).collect();
    run
}

#[test]
fn a_run_bears_the_records_out_or_not() {
    let held = |subject: &str, outcomes: &[(&str, Outcome)]| {
        let mut said = Vec::new();
        with(|mut matrix| {
            let mut found = Found::default();
            found.add(&run(subject, outcomes));
            said = hold(&mut matrix, &found);
            said.push(format!("{:?}", cell(&matrix, "NHRP-5.2-01", subject)));
        });
        said
    };
    use Outcome::{Error, Fail, Pass, Unsupported, Xfail};
    let all = [("one", Pass), ("secret", Pass), ("in-sim", Pass)];
    assert_eq!(held("peer", &all), ["Some(Tested)"]);
    let failed = held("peer", &[("one", Fail), ("secret", Pass), ("in-sim", Pass)]);
    assert_eq!(failed[0], "NHRP-5.2-01, peer: own/one came to fail");
    assert_eq!(failed[2], "Some(Failed)");
    assert_eq!(held("frr:8.4.4", &[("one", Pass), ("secret", Unsupported)]), ["Some(Tested)"]);
    assert_eq!(held("frr:10.3", &[("one", Xfail), ("secret", Pass), ("by-name", Pass)]), ["Some(Deviates)"]);
    let repaired = held("frr:10.3", &[("one", Pass), ("secret", Pass), ("by-name", Pass)]);
    assert!(repaired[0].contains("recorded as deviates, but tested in own/one"), "{repaired:?}");
    let missing = held("peer", &[("one", Pass), ("in-sim", Error)]);
    assert_eq!(missing[0], "NHRP-5.20-01, peer: own/in-sim came to error");
    let nothing = held("peer", &[("secret", Pass), ("in-sim", Pass)]);
    assert!(nothing[0].contains("NHRP-5.2-01, peer: recorded as tested, and no run has a result"), "{nothing:?}");
}
