//! The project's own suites as a whole: the same verdicts however many cases run at a time, and what mutants show of them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{lab, run, said};

/// What each case came to: outcome, reason, and virtual nanoseconds.
fn verdicts(jobs: &str) -> BTreeMap<String, (String, String, Value)> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("results.json");
    let said = run(&["--world", "sim", "-q", "--jobs", jobs, "--format", &format!("json={}", file.display())]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let document: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = |case: &Value| {
        let verdict = &case["verdict"];
        (text(&verdict["outcome"]), text(&verdict["reason"]), case["clock"]["end_ns"].clone())
    };
    document["cases"].as_array().unwrap().iter().map(|case| (text(&case["id"]), of(case))).collect()
}

#[test]
fn one_job_and_eight_come_to_the_same_verdicts() {
    let (alone, together) = (verdicts("1"), verdicts("8"));
    assert!(alone.len() > 400, "only {} simulated cases", alone.len());
    assert!(alone.values().all(|(outcome, ..)| !outcome.is_empty()));
    assert_eq!(alone, together);
}

#[test]
fn a_fault_is_noticed_by_a_suite_that_looks_for_it_and_by_no_other() {
    let noticed = said(lab(&["mutate", "nhrp/registration", "--fault", "refresh-at-half", "--json"]));
    assert_eq!(noticed.code, 0, "{}{}", noticed.out, noticed.err);
    let document: Value = serde_json::from_str(&noticed.out).unwrap();
    assert_eq!(document["percent"], 100);
    assert_eq!(document["faults"][0]["noticed_by"][0]["cites"], true, "{document:#}");

    let missed = said(lab(&["mutate", "nhrp/nat", "--fault", "refresh-at-half"]));
    assert_eq!(missed.code, 1, "{}{}", missed.out, missed.err);
    assert!(missed.out.contains("not noticed: refresh-at-half (NHRP-5.2.3-21)"), "{}", missed.out);
    assert!(missed.out.contains("0 of 1 faults noticed (0 %)"), "{}", missed.out);

    let unknown = said(lab(&["mutate", "--fault", "refresh-at-haf"]));
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("`cargo lab mutate --list`"), "{}", unknown.err);
}
