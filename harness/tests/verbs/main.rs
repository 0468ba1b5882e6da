//! Every verb and every matcher, with cases that hold and twins that must not: an expectation that can not turn red
//! proves nothing. Each case says in its tag what has to come of it: `pass`, or an outcome and words of its reason.

#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of the functions that clippy knows as such")]

mod broken;
mod builtin;
mod lab;
mod matchers;

use lab::{complaint, run_all, suites};

#[test]
fn every_verb_holds_and_breaks() {
    let suites = suites("tests/verbs/suites");
    let results = run_all(&suites, 2);
    assert!(results.len() > 120, "only {} cases", results.len());
    let cases = suites.iter().flat_map(|suite| suite.cases.iter().map(|case| &case.tags));
    let complaints: Vec<String> = cases
        .zip(&results)
        .filter_map(|(tags, result)| {
            let wanted = tags.first().unwrap_or_else(|| panic!("{} says not what it wants", result.id));
            complaint(result, wanted)
        })
        .collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// `stop` lets a node say goodbye and `kill` does not. Peers have nothing to say yet, so the record alone tells.
#[test]
fn the_record_tells_stop_from_kill() {
    let suites = suites("tests/verbs/suites");
    let life = suites.iter().find(|suite| suite.id == "verbs/life").unwrap();
    for (id, word) in [("stop-red", "hub: stopped"), ("kill-red", "hub: killed")] {
        let case = life.cases.iter().find(|case| case.id == id).unwrap();
        let leavings = lab::run_case(life, case, lab::SEED);
        let lines: Vec<String> =
            leavings.timeline.entries().iter().map(|entry| leavings.timeline.line(entry)).collect();
        assert!(lines.iter().any(|line| line.ends_with(word)), "{lines:#?}");
    }
}
