//! The result as JUnit XML.
//!
//! A test suite for each suite, a test case for each case and variant. `failure` is for what the subject did (fail,
//! unexpected pass, residue), `error` for what the harness could not find out (error, inconclusive), `skipped` for
//! what was not run and for expected failures, which the format has no word for; the type attribute says which it
//! really was.

use std::collections::BTreeMap;

use quick_junit::{
    NonSuccessKind, Property, Report, SerializeError, TestCase, TestCaseStatus, TestRerun, TestSuite, XmlString,
};

use crate::verdict::{CaseResult, Outcome, RunResult};

use super::{
    Terminal,
    compare::{field_table, packet_lines},
    failure::sentence,
};

/// The whole result as an XML document.
pub fn render(run: &RunResult) -> Result<String, SerializeError> {
    let mut report = Report::new("dmvpn-lab");
    report.set_time(run.wall);
    let mut suites: BTreeMap<&str, TestSuite> = BTreeMap::new();
    for case in &run.cases {
        let suite = suites.entry(&case.suite).or_insert_with(|| new_suite(&case.suite, run));
        suite.add_test_case(test_case(case));
    }
    for (name, mut suite) in suites {
        suite.set_time(run.cases.iter().filter(|case| case.suite == name).map(|case| case.wall).sum());
        report.add_test_suite(suite);
    }
    report.to_string()
}

fn new_suite(name: &str, run: &RunResult) -> TestSuite {
    let mut suite = TestSuite::new(xml(name));
    for (name, value) in [("harness", &run.harness_version), ("began", &run.began), ("command", &run.command.join(" "))]
    {
        suite.add_property(Property::new(xml(name), xml(value)));
    }
    for (name, value) in &run.environment {
        suite.add_property(Property::new(xml(&format!("environment.{name}")), xml(value)));
    }
    suite
}

fn test_case(case: &CaseResult) -> TestCase {
    let slug = case.id.strip_prefix(&case.suite).map_or(case.id.as_str(), |rest| rest.trim_start_matches('/'));
    let name = match &case.variant {
        Some(variant) => format!("{slug}[{variant}]"),
        None => slug.to_owned(),
    };
    let mut test = TestCase::new(xml(&name), status(case));
    test.set_classname(xml(&case.suite));
    test.set_time(case.wall);
    for (name, value) in properties(case) {
        test.add_property(Property::new(xml(name), xml(&value)));
    }
    let output = system_out(case);
    if !output.is_empty() {
        test.set_system_out(xml(&output));
    }
    test
}

fn status(case: &CaseResult) -> TestCaseStatus {
    let verdict = &case.verdict;
    let mut status = match verdict.outcome {
        Outcome::Pass | Outcome::Info | Outcome::Warn => return TestCaseStatus::success(),
        Outcome::Flaky => {
            let mut earlier = TestRerun::new(NonSuccessKind::Failure);
            earlier.set_message(xml(&verdict.reason)).set_type(xml(verdict.outcome.name()));
            let mut status = TestCaseStatus::success();
            status.add_rerun(earlier);
            return status;
        }
        Outcome::Skip | Outcome::Unsupported | Outcome::Xfail => TestCaseStatus::skipped(),
        Outcome::Fail | Outcome::Xpass | Outcome::Residue => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Outcome::Error | Outcome::Inconclusive => TestCaseStatus::non_success(NonSuccessKind::Error),
    };
    let message = match (verdict.outcome.ran(), &verdict.cause) {
        (false, Some(cause)) => cause,
        _ => &verdict.reason,
    };
    status.set_message(xml(message)).set_type(xml(verdict.outcome.name()));
    let description = description(case);
    if !description.is_empty() {
        status.set_description(xml(&description));
    }
    status
}

/// The rule, what was expected and what happened, in a few lines.
fn description(case: &CaseResult) -> String {
    let mut lines: Vec<String> = case.cites.iter().map(sentence).collect();
    match &case.verdict.failure {
        Some(failure) => {
            lines.extend(failure.expected.iter().map(|expected| format!("expected: {expected}")));
            lines.push(format!("actual: {}", failure.actual));
            lines.extend(failure.step.iter().map(|step| format!("at {step}: {}", step.text)));
        }
        None => lines.push(case.verdict.reason.clone()),
    }
    lines.join("\n")
}

fn properties(case: &CaseResult) -> Vec<(&'static str, String)> {
    let mut properties = vec![
        ("id", case.name()),
        ("impl", case.subject.name.clone()),
        ("version", case.subject.version.clone()),
        ("peer", case.peer.to_string()),
        ("world", case.world.clone()),
        ("seed", case.seed.to_string()),
        ("outcome", case.verdict.outcome.name().to_owned()),
        ("source", format!("{}:{}", case.file, case.line)),
    ];
    properties.extend(case.driver.iter().map(|driver| ("driver", driver.clone())));
    properties.extend(case.verdict.cause.iter().map(|cause| ("cause", cause.clone())));
    properties.extend(case.cites.iter().map(|cite| ("cites", format!("{cite}, {}", cite.level.to_uppercase()))));
    properties.extend(
        case.metrics.iter().map(|metric| ("metric", format!("{} {} {}", metric.name, metric.value, metric.unit))),
    );
    properties
}

/// The two packets above each other, what the nodes said last, where the evidence is and how to run it again.
fn system_out(case: &CaseResult) -> String {
    let mut lines = Vec::new();
    if let Some(failure) = &case.verdict.failure {
        if let Some(comparison) = &failure.comparison {
            lines.extend(packet_lines(comparison, usize::MAX, &Terminal::FILE));
            lines.extend(field_table(&comparison.rows, &Terminal::FILE));
        }
        lines.extend(failure.nearby.iter().cloned());
        for log in &failure.log_tail {
            lines.extend(log.lines.iter().map(|line| format!("{}: {line}", log.node)));
        }
    }
    if case.verdict.outcome.needs_attention() {
        lines.extend(case.evidence.iter().map(|evidence| format!("evidence: {}", evidence.display())));
        lines.push(format!("run again: {}", case.rerun));
    }
    lines.join("\n")
}

/// Text that may stand in XML 1.0. Escape sequences vanish (the library takes them out), other characters which XML
/// has no way to write become replacement characters, so that one can see that something was there.
fn xml(text: &str) -> XmlString {
    let legal = |c: char| match c {
        '\t' | '\n' | '\r' | '\x1b' => c,
        '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    XmlString::new(text.chars().map(legal).collect::<String>())
}
