//! The suites that come with the lab, in world sim: all pass, soon, and the same in every run.

use std::time::Duration;

use dmvpn_lab::suite::{Case, Suite, WorldKind};
use dmvpn_lab::verdict::Outcome;
use dmvpn_lab::world::timeline::What;

use crate::lab::{SEED, run_all, run_case, suites};

/// How much longer unoptimised code may take; this machine may have something else to do as well.
const PATIENCE: u32 = if cfg!(debug_assertions) { 40 } else { 1 };

/// The suites with the cases that can be simulated: some are for real routers alone, and those that play a capture have a
/// test of their own (`replay`).
fn simulated() -> Vec<Suite> {
    let mut suites = suites("../suites");
    for suite in &mut suites {
        let wanted =
            |case: &Case| suite.worlds_of(case).contains(&WorldKind::Sim) && suite.topology_of(case).capture.is_none();
        let wanted: Vec<bool> = suite.cases.iter().map(wanted).collect();
        let mut wanted = wanted.into_iter();
        suite.cases.retain(|_| wanted.next().unwrap());
    }
    suites.retain(|suite| !suite.cases.is_empty());
    suites
}

#[test]
fn they_pass_and_soon() {
    let suites = simulated();
    let results = run_all(&suites, 2);
    let failed: Vec<String> = results
        .iter()
        // What a case says of itself that it only tells is no failure.
        .filter(|result| !matches!(result.verdict.outcome, Outcome::Pass | Outcome::Info))
        .map(|result| format!("{}: {} {}", result.id, result.verdict.outcome.name(), result.verdict.reason))
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    assert!(results.len() >= 20, "only {} cases", results.len());
    let total: Duration = results.iter().map(|result| result.wall).sum();
    assert!(total < Duration::from_secs(1) * PATIENCE, "{total:?} altogether");
    for result in &results {
        // The limit for two hours of virtual time; everything else is shorter.
        assert!(result.wall < Duration::from_millis(100) * PATIENCE, "{}: {:?}", result.id, result.wall);
    }
    let long = results.iter().filter(|result| result.clock.end_ns >= 7_200_000_000_000).count();
    assert!(long >= 2, "cases of two hours are missing");
}

/// Everything that was on the wire: when, from whom to whom, and every octet.
fn wire(suite: &Suite, seed: u64) -> Vec<String> {
    let mut lines = Vec::new();
    for case in &suite.cases {
        let leavings = run_case(suite, case, seed);
        lines.push(format!("{} {}", case.id, leavings.verdict.outcome.name()));
        for entry in leavings.timeline.entries() {
            if let What::Packet(packet) = &entry.what {
                let (from, to) = (&packet.from, packet.to.as_deref().unwrap_or("-"));
                lines.push(format!("{:?} {from} {to} {:?} {:02x?}", entry.at, packet.fate, packet.octets));
            }
        }
    }
    lines
}

#[test]
fn a_seed_repeats_every_octet_and_instant() {
    for suite in simulated() {
        let first = wire(&suite, SEED);
        assert!(first.len() > suite.cases.len());
        assert_eq!(first, wire(&suite, SEED), "{}", suite.id);
    }
}

#[test]
fn jobs_change_nothing() {
    let suites = simulated();
    let told = |jobs| -> Vec<String> {
        let results = run_all(&suites, jobs);
        // What depends on the wall is left out: how long it took.
        results
            .into_iter()
            .map(|result| format!("{} {:?} {:?} {:?}", result.id, result.verdict, result.clock, result.metrics))
            .collect()
    };
    assert_eq!(told(1), told(8));
}
