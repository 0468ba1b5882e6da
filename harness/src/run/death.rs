//! A daemon that dies in a case which is there to see whether it does.
//!
//! In any other case a death is an error of the lab: nobody knows what caused it, and the rule under test was not judged.

use super::plan::is_destructive;
use crate::expect::message_name;
use crate::suite::{Binding, Case, Topology};
use crate::verdict::{Comparison, Failure, FieldRow, Verdict};
use crate::world::LabError;
use crate::world::link::Fate;
use crate::world::timeline::Timeline;

/// The field of a comparison that a divergence names to expect a death.
const FIELD: &str = "process";

/// The verdict on a destructive case in which a process of the subject has died, with the last packet that came to it as
/// evidence. `None` where it is the lab's error as ever: another error, another case, another node, or a daemon that died
/// before anything came to it.
pub(super) fn of_subject(case: &Case, topology: &Topology, timeline: &Timeline, error: &LabError) -> Option<Verdict> {
    let LabError::NodeDied { node, process: Some(process), how } = error else { return None };
    let bind = topology.nodes.get(node).and_then(|declared| declared.bind.as_ref());
    if !is_destructive(case) || !matches!(bind, Some(Binding::Subject | Binding::Impl(_))) {
        return None;
    }
    let came = |fate| !matches!(fate, Fate::Lost | Fate::Blocked | Fate::Unreachable | Fate::TooBig);
    let to_it = timeline.packets(0).filter(|(_, _, packet)| packet.to.as_ref() == Some(node));
    let (index, at, packet) = to_it.rev().find(|(_, _, packet)| came(packet.fate))?;
    let died = format!("{process} died: {how}");
    let row = FieldRow {
        field: FIELD.to_owned(),
        expected: format!("{process} runs on"),
        actual: died.clone(),
        offset: None,
        differs: true,
    };
    let end = timeline.entries().last().map_or(at, |entry| entry.at);
    let since = end.saturating_since(at);
    let failure = Failure {
        expected: vec![format!("{process} of {node} survives what comes to it")],
        actual: format!("{died}, {since:?} after the last packet to {node}: {}", packet.dissection().summary()),
        comparison: Some(Comparison::from_rows(
            message_name(packet.dissection()),
            vec![row],
            Some(packet.octets.clone()),
        )),
        nearby: timeline.around(index, 5, 5),
        ..Failure::default()
    };
    Some(Verdict::fail(died, failure))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use dmvpn_core::time::Instant;

    use super::*;
    use crate::run::divergence;
    use crate::suite::{Suite, load_str};
    use crate::verdict::Outcome;
    use crate::world::timeline::{Packet, What};

    fn suite(tags: &str) -> Suite {
        let text = format!(
            "schema: 1
suite: own
title: Own
worlds: [real]
topology:
  nodes:
    hub: {{ role: hub, bind: subject, nbma: 192.0.2.1, tunnel: 10.0.0.1/24 }}
    spoke: {{ role: spoke, bind: peer, nbma: 192.0.2.2, tunnel: 10.0.0.2/24, nhs: [{{ node: hub }}] }}
  links: [{{ name: wan, ends: [hub:nbma, spoke:nbma], capture: true }}]
cases:
  - id: case
    title: A case.
    tags: [{tags}]
    cites: [{{ spec: project, section: harness, level: goal }}]
    steps:
      - expect: {{ msg: nhrp.registration_reply }}
"
        );
        load_str(Path::new("suites/own.yaml"), &text).unwrap()
    }

    /// Two packets to the hub, of which the second is lost, and one from it.
    fn timeline() -> Timeline {
        let mut timeline = Timeline::new(Instant::ZERO);
        for (from, to, octet, fate) in [
            ("spoke", "hub", 1, Fate::Delivered),
            ("spoke", "hub", 2, Fate::Lost),
            ("hub", "spoke", 3, Fate::Delivered),
        ] {
            let packet = Packet::new("wan", from, Some(to), vec![octet], fate);
            timeline.push(Instant::ZERO, What::Packet(packet.into()));
        }
        timeline
    }

    fn death(node: &str, process: Option<&str>) -> LabError {
        LabError::NodeDied { node: node.into(), process: process.map(str::to_owned), how: "signal 11".into() }
    }

    fn judged(tags: &str, timeline: &Timeline, error: &LabError) -> Option<Verdict> {
        let suite = suite(tags);
        of_subject(&suite.cases[0], &suite.topology, timeline, error)
    }

    #[test]
    fn a_destroyed_subject_has_failed_and_the_packet_that_came_last_shows_it() {
        let verdict = judged("destructive", &timeline(), &death("hub", Some("nhrpd"))).unwrap();
        assert_eq!((verdict.outcome, verdict.reason.as_str()), (Outcome::Fail, "nhrpd died: signal 11"));
        let shown = verdict.failure.as_ref().unwrap().comparison.as_ref().unwrap();
        assert_eq!(shown.actual_hex.as_deref(), Some(&[1][..]));
        // As a divergence names it.
        let record = "- { impl: frr, versions: '>=8', case: own/case, reason: r,\n    \
                      match: { field: process, actual: 'nhrpd died: signal 11' } }\n";
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("frr.yaml"), record).unwrap();
        let known = divergence::load_all(folder.path()).unwrap();
        assert_eq!(divergence::apply(verdict, "own/case", "frr", "8.4.4", &known).outcome, Outcome::Xfail);
    }

    #[test]
    fn every_other_death_is_the_labs() {
        let all = timeline();
        assert!(judged("long", &all, &death("hub", Some("nhrpd"))).is_none(), "not a destructive case");
        assert!(judged("destructive", &all, &death("spoke", Some("nhrpd"))).is_none(), "not the subject");
        assert!(judged("destructive", &all, &death("hub", None)).is_none(), "the router, not its daemon");
        assert!(judged("destructive", &all, &LabError::Interrupted).is_none());
        let nothing = Timeline::new(Instant::ZERO);
        assert!(judged("destructive", &nothing, &death("hub", Some("nhrpd"))).is_none(), "nothing came to it");
    }
}
