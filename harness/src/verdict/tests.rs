use std::{path::PathBuf, time::Duration};

use crate::report::sample;

use super::*;

#[test]
fn merging_takes_the_order_of_the_design() {
    // error, fail, xpass, residue, inconclusive, flaky, warn, xfail, unsupported, skip, info, pass
    let strongest_first = [
        "error",
        "fail",
        "xpass",
        "residue",
        "inconclusive",
        "flaky",
        "warn",
        "xfail",
        "unsupported",
        "skip",
        "info",
        "pass",
    ];
    let ours: Vec<&str> = Outcome::ALL.iter().rev().map(|outcome| outcome.name()).collect();
    assert_eq!(ours, strongest_first);
    assert!(Outcome::ALL.is_sorted());
    assert_eq!(Outcome::merge([Outcome::Pass, Outcome::Xfail, Outcome::Skip]), Outcome::Xfail);
    assert_eq!(Outcome::merge([]), Outcome::Pass);
    for outcome in Outcome::ALL {
        assert_eq!(serde_json::to_string(&outcome).unwrap(), format!("\"{}\"", outcome.name()));
    }
}

#[test]
fn of_two_verdicts_the_stronger_and_then_the_earlier_stays() {
    let first = Verdict::fail("first", Failure::default());
    let second = Verdict::fail("second", Failure::default());
    assert_eq!(first.clone().merge(second).reason, "first");
    assert_eq!(first.clone().merge(Verdict::error(cause::TIMEOUT, "late")).reason, "late");
    assert_eq!(Verdict::pass().merge(first).outcome, Outcome::Fail);
}

/// A run that came to these outcomes.
fn findings(outcomes: &[Outcome]) -> Findings {
    Findings { counts: outcomes.iter().copied().collect(), ..Findings::default() }
}

#[test]
fn exit_codes() {
    use Outcome::*;
    let lax = Policy::default();
    let strict = Policy { strict: true, ..lax };
    let deny = Policy { deny_skips: true, ..lax };
    let two = Policy { max_skips: Some(2), ..lax };
    let table: [(&[Outcome], Policy, u8); 26] = [
        (&[Pass], lax, 0),
        (&[Info], lax, 0),
        (&[Warn], lax, 0),
        (&[Warn], strict, 1),
        (&[Flaky], lax, 0),
        (&[Flaky, Pass], strict, 1),
        (&[Xfail], strict, 0),
        (&[Pass, Unsupported], deny, 0),
        (&[Pass, Skip], lax, 0),
        (&[Pass, Skip], deny, 3),
        (&[Pass, Skip, Skip], two, 0),
        (&[Pass, Skip, Skip, Skip], two, 3),
        (&[Pass, Skip], Policy { deny_skips: true, ..two }, 3),
        (&[], lax, 3),
        (&[Skip], lax, 3),
        (&[Unsupported], lax, 3),
        (&[Pass, Inconclusive], lax, 3),
        (&[Pass, Fail], lax, 1),
        (&[Pass, Xpass], lax, 1),
        (&[Pass, Residue], lax, 1),
        (&[Pass, Error], lax, 4),
        (&[Error], lax, 4),
        (&[Error, Inconclusive, Skip], deny, 4),
        (&[Error, Fail], lax, 1),
        (&[Error, Warn], strict, 1),
        (&[Fail; 256], lax, 1),
    ];
    for (outcomes, policy, expected) in table {
        assert_eq!(exit_code(&findings(outcomes), &policy).0, expected, "{outcomes:?} {policy:?}");
    }
}

#[test]
fn exit_codes_in_their_precedence() {
    // Everything is wrong at once; take the strongest away, one by one, and see what is left.
    let mut found = Findings {
        internal: true,
        usage: true,
        interrupted: Some(Interrupt::Interrupt),
        environment: true,
        regressed: true,
        counts: [Outcome::Fail, Outcome::Error, Outcome::Inconclusive].into_iter().collect(),
    };
    let code = |found: &Findings| exit_code(found, &Policy::default()).0;
    assert_eq!(code(&found), 5);
    found.internal = false;
    assert_eq!(code(&found), 2);
    found.usage = false;
    assert_eq!(code(&found), 130);
    found.interrupted = Some(Interrupt::Terminate);
    assert_eq!(code(&found), 143);
    found.interrupted = None;
    assert_eq!(code(&found), 1);
    found.counts = [Outcome::Pass, Outcome::Inconclusive].into_iter().collect();
    assert_eq!(code(&found), 1);
    found.regressed = false;
    assert_eq!(code(&found), 4);
    found.environment = false;
    assert_eq!(code(&found), 3);
    found.counts = [Outcome::Pass].into_iter().collect();
    assert_eq!(code(&found), 0);
}

#[test]
fn a_run_finds_its_own_exit_code() {
    let mut run = sample::run();
    assert_eq!(run.exit_code(&Policy::default()), ExitCode::FAILED);
    run.cases.retain(|case| case.verdict.outcome != Outcome::Fail);
    assert_eq!(run.exit_code(&Policy::default()), ExitCode::ENVIRONMENT);
    run.cases[1].verdict.cause = Some(cause::PANIC.to_owned());
    assert_eq!(run.exit_code(&Policy::default()), ExitCode::INTERNAL);
    run.cases.retain(|case| case.verdict.outcome != Outcome::Error);
    assert_eq!(run.exit_code(&Policy::default()), ExitCode::SUCCESS);
    run.problems.push("no room for evidence".into());
    assert_eq!(run.exit_code(&Policy::default()), ExitCode::ENVIRONMENT);
}

#[test]
fn the_summary_is_one_stable_line() {
    let mut run = sample::run();
    assert_eq!(
        run.summary_line(),
        "1 passed, 1 failed, 1 error, 1 expected failure, 2 skipped (kernel.gre), 0 flaky in 3.2s, \
         2250 virtual seconds per second - runs/2026-01-01T10-00-00Z"
    );
    run.cases[5].verdict.cause = Some("docker".into());
    run.cases.remove(0);
    run.evidence_dir = None;
    assert_eq!(
        run.summary_line(),
        "0 passed, 1 failed, 1 error, 1 expected failure, 2 skipped (docker 1, kernel.gre 1), 0 flaky in 3.2s"
    );
    run.cases.clear();
    run.wall = Duration::ZERO;
    assert_eq!(run.summary_line(), "0 passed, 0 failed, 0 skipped, 0 flaky in 0.0s");
}

#[test]
fn results_survive_json() {
    let mut run = sample::run();
    run.interrupted = Some(Interrupt::Terminate);
    run.regressions.push("nhrp/registration/first was required".into());
    let text = serde_json::to_string(&run).unwrap();
    assert_eq!(serde_json::from_str::<RunResult>(&text).unwrap(), run);

    for case in run.cases {
        let event = Event::Verdict { case: Box::new(case) };
        let text = serde_json::to_string(&event).unwrap();
        assert!(text.starts_with(r#"{"event":"verdict","#) && !text.contains('\n'), "{text}");
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
    }
}

#[test]
fn what_json_can_not_say_does_not_lose_the_verdict() {
    use std::os::unix::ffi::OsStringExt;
    let mut run = sample::run();
    run.evidence_dir = Some(PathBuf::from(std::ffi::OsString::from_vec(b"runs/\xff".to_vec())));
    run.cases[0].metrics[0].value = f64::NAN;
    run.cases[0].wall = Duration::MAX;

    let read: RunResult = serde_json::from_str(&serde_json::to_string(&run).unwrap()).unwrap();

    assert_eq!(read.evidence_dir, Some(PathBuf::from("runs/\u{fffd}")));
    assert!(read.cases[0].metrics[0].value.is_nan());
    assert_eq!(read.cases[0].wall, Duration::from_nanos(u64::MAX));
}

/// Replaces every string in a document, those of packets (`actual_hex`) by hexadecimal digits.
fn fill(value: &mut serde_json::Value, keep: &[&str]) {
    match value {
        serde_json::Value::Array(entries) => entries.iter_mut().for_each(|entry| fill(entry, keep)),
        serde_json::Value::Object(members) => {
            for (name, member) in members {
                match member {
                    serde_json::Value::String(_) if keep.contains(&name.as_str()) => {}
                    serde_json::Value::String(text) if name == "actual_hex" => *text = "ab".repeat(text.len() / 2),
                    serde_json::Value::String(text) => *text = "SECRET".into(),
                    member => fill(member, keep),
                }
            }
        }
        serde_json::Value::String(text) => *text = "SECRET".into(),
        _ => {}
    }
}

#[test]
fn every_text_is_visited() {
    let mut run = sample::run();
    run.problems.push("x".into());
    run.regressions.push("x".into());
    let mut value = serde_json::to_value(&run).unwrap();
    // Words of the format itself, and the two paths that have to stay.
    fill(&mut value, &["outcome", "interrupted", "evidence", "evidence_dir"]);
    let mut run: RunResult = serde_json::from_value(value).unwrap();

    run.visit_text(&mut |text| text.clear(), &mut |octets| octets.clear());

    let text = serde_json::to_string(&run).unwrap();
    assert!(!text.contains("SECRET") && !text.contains("abab"), "{text}");
}

#[test]
fn every_text_of_an_event_is_visited() {
    let step = StepRef { file: "f".into(), line: 1, column: 1, text: "t".into() };
    let id = || ("i".to_owned(), Some("v".to_owned()));
    let events = [
        Event::RunStart {
            schema: SCHEMA,
            harness_version: "h".into(),
            command: vec!["c".into()],
            began: "b".into(),
            seed: 1,
            cases: 1,
        },
        Event::Phase { verb: "v".into(), what: "w".into() },
        Event::CaseStart { id: id().0, variant: id().1 },
        Event::Step { id: id().0, variant: id().1, at_ns: 1, number: 1, step },
        Event::Packet {
            id: id().0,
            variant: id().1,
            at_ns: 1,
            link: "l".into(),
            from: Some("f".into()),
            to: Some("t".into()),
            number: 1,
            summary: "s".into(),
        },
        Event::Verdict { case: Box::new(sample::run().cases.remove(1)) },
        Event::RunEnd { counts: Counts::default(), exit_code: 0, summary: "s".into() },
    ];
    for event in events {
        let mut value = serde_json::to_value(&event).unwrap();
        fill(&mut value, &["event", "outcome", "evidence"]);
        let mut event: Event = serde_json::from_value(value).unwrap();
        event.visit_text(&mut |text| text.clear(), &mut |octets| octets.clear());
        let text = serde_json::to_string(&event).unwrap();
        assert!(!text.contains("SECRET") && !text.contains("abab"), "{text}");
    }
}
