//! One run with a case of every kind, for tests of renderers and evidence.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use crate::verdict::{
    CaseResult, CiteRef, ClockSpan, Comparison, Failure, FieldRow, ImplRef, Metric, NodeLog, Outcome, RunResult,
    SCHEMA, StepRef, Verdict,
};

/// A Registration Reply with the Cisco authentication extension; the octets are what `actual` below says.
pub(crate) fn reply() -> Vec<u8> {
    let mut octets = vec![0x00, 0x01, 0x08, 0x00, 0, 0, 0, 0, 0, 0xff, 0, 80, 0x12, 0x34, 0, 52, 1, 4, 4, 0];
    octets.extend([4, 4, 0x80, 0x02, 0, 0, 0, 7]);
    octets.extend([192, 0, 2, 11, 10, 0, 0, 11, 10, 0, 0, 1]);
    octets.extend([0, 255, 0, 0, 0x05, 0xdc, 0, 60, 0, 0, 0, 0]);
    octets.extend([0x80, 0x07, 0, 10, 0, 0, 0, 1]);
    octets.extend(b"s3cret");
    octets.extend([0x80, 0, 0, 0]);
    octets
}

fn row(field: &str, expected: &str, actual: &str, offset: usize) -> FieldRow {
    FieldRow {
        field: field.into(),
        expected: expected.into(),
        actual: actual.into(),
        offset: Some(offset),
        differs: expected != actual,
    }
}

fn case(slug: &str, title: &str, verdict: Verdict) -> CaseResult {
    CaseResult {
        id: format!("nhrp/registration/{slug}"),
        suite: "nhrp/registration".into(),
        title: title.into(),
        variant: None,
        world: "real".into(),
        driver: Some("container".into()),
        subject: ImplRef::new("frr", "10.3"),
        peer: ImplRef::new("builtin", "0.1.0"),
        seed: 7,
        cites: Vec::new(),
        verdict,
        clock: ClockSpan { is_virtual: false, begin_ns: 0, end_ns: 1_250_000_000 },
        wall: Duration::from_millis(1250),
        rate: None,
        evidence: Some(PathBuf::from(format!("runs/2026-01-01T10-00-00Z/nhrp/registration/{slug}/default"))),
        rerun: format!("cargo lab run nhrp/registration/{slug} --subject frr:10.3 --seed 7"),
        metrics: Vec::new(),
        file: "suites/nhrp/registration.yaml".into(),
        line: 20,
    }
}

fn passed() -> CaseResult {
    let title = "A client sends a Registration Request when it starts.";
    CaseResult {
        variant: Some("underlay=v4".into()),
        world: "sim".into(),
        driver: None,
        subject: ImplRef::new("builtin", "0.1.0"),
        clock: ClockSpan { is_virtual: true, begin_ns: 0, end_ns: 7_200_000_000_000 },
        wall: Duration::from_millis(12),
        metrics: vec![Metric { name: "register".into(), value: 0.01, unit: "s".into(), at_most: Some(2.0) }],
        ..case("first", title, Verdict::pass())
    }
}

fn failed() -> CaseResult {
    let failure = Failure {
        step: Some(StepRef {
            file: "suites/nhrp/registration.yaml".into(),
            line: 41,
            column: 9,
            text: "expect nhrp.registration_reply on wan from hub".into(),
        }),
        expected: vec![
            "a Registration Reply with code 14 and holding time 0".into(),
            "a Registration Reply with code 4".into(),
        ],
        actual: "a Registration Reply with code 0, as if the binding had been free".into(),
        comparison: Some(Comparison::from_rows(
            "nhrp.registration_reply",
            vec![
                row("request_id", "7", "7", 24),
                row("src.protocol", "10.0.0.11", "10.0.0.11", 32),
                row("cie[0].code", "14", "0", 40),
                row("cie[0].holding_time", "0s", "60s", 46),
            ],
            Some(reply()),
        )),
        nearby: vec![
            "2.001s wan intruder → hub nhrp.registration_request id=7".into(),
            "2.003s wan hub → intruder nhrp.registration_reply id=7 code=0".into(),
            "4.001s step 5 gave up".into(),
        ],
        log_tail: Vec::new(),
    };
    CaseResult {
        cites: vec![CiteRef {
            spec: "rfc2332".into(),
            section: "5.2.4".into(),
            level: "must".into(),
            quote: "Unique Internetworking Layer Address Already Registered".into(),
            requirement: Some("rfc2332-5.2.4-14".into()),
        }],
        line: 33,
        ..case(
            "unique-conflict",
            "A second station can not take over a unique binding.",
            Verdict::fail("the reply accepts what it has to refuse", failure),
        )
    }
}

fn broken() -> CaseResult {
    let failure = Failure {
        actual: "the container stopped with status 139".into(),
        log_tail: vec![NodeLog {
            node: "hub".into(),
            lines: vec!["nhrpd: starting\x1b[31m".into(), "nhrpd: Received signal 11".into()],
        }],
        ..Failure::default()
    };
    let verdict = Verdict::error("node.died", "hub died in the middle of the case").with_failure(failure);
    CaseResult { line: 70, ..case("restart", "A client registers again after the server restarted.", verdict) }
}

fn known() -> CaseResult {
    let verdict = Verdict::new(Outcome::Xfail, "code 14 is defined but never sent")
        .with_cause("https://github.com/FRRouting/frr/issues/18600");
    CaseResult { line: 90, ..case("unique-v6", "A unique binding is refused over IPv6, too.", verdict) }
}

fn skipped(slug: &str) -> CaseResult {
    let verdict = Verdict::skip("kernel.gre", "the kernel of this machine has no GRE");
    CaseResult { wall: Duration::ZERO, evidence: None, ..case(slug, "A wrong key is not answered.", verdict) }
}

/// The run. The secret `s3cret` is in the failed packet only.
pub(crate) fn run() -> RunResult {
    RunResult {
        schema: SCHEMA,
        command: vec!["cargo-lab".into(), "run".into(), "nhrp/registration".into()],
        harness_version: "0.1.0".into(),
        began: "2026-01-01T10:00:00Z".into(),
        wall: Duration::from_millis(3200),
        seed: 7,
        environment: BTreeMap::from([
            ("docker".to_owned(), "20.10.24".to_owned()),
            ("kernel".to_owned(), "6.1.0".to_owned()),
        ]),
        cases: vec![passed(), failed(), broken(), known(), skipped("wrong-key"), skipped("missing-key")],
        partition: None,
        evidence_dir: Some(PathBuf::from("runs/2026-01-01T10-00-00Z")),
        interrupted: None,
        problems: Vec::new(),
        regressions: Vec::new(),
    }
}
