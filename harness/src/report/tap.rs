//! The result as TAP version 14, for `prove` and whatever else reads it.
//!
//! A test point for each case and variant. `SKIP` says why a case was not run, `TODO` why a failure is expected; a point
//! that is not simply ok is followed by a YAML block with the rule, expected and actual, and the line of the suite. What
//! the format has no word for (warning, flaky, inconclusive) is in the block as `outcome`.

use serde_json::{Value, json};

use crate::verdict::{CaseResult, Outcome, RunResult};

use super::{
    Terminal,
    failure::{place, sentence},
};

/// The whole result as a TAP document.
pub fn render(run: &RunResult) -> String {
    let mut text = format!("TAP version 14\n1..{}\n", run.cases.len());
    for problem in run.regressions.iter().chain(&run.problems) {
        comment(&mut text, problem);
    }
    for (index, case) in run.cases.iter().enumerate() {
        text.push_str(&point(index + 1, case));
        text.push_str(&block(case));
    }
    if run.interrupted.is_some() {
        // Cases that had not finished are in no result, and so not in the plan.
        text.push_str("Bail out! interrupted\n");
    }
    comment(&mut text, &run.summary_line());
    text
}

fn comment(text: &mut String, words: &str) {
    for line in words.lines() {
        text.push_str(&format!("# {}\n", printable(line)));
    }
}

fn point(number: usize, case: &CaseResult) -> String {
    let verdict = &case.verdict;
    let word = if is_ok(verdict.outcome) { "ok" } else { "not ok" };
    let name = escaped(&format!("{} ({})", case.name(), case.subject));
    let cause = verdict.cause.as_deref().unwrap_or_default();
    let directive = match verdict.outcome {
        Outcome::Skip | Outcome::Unsupported => format!(" # SKIP {}", escaped(&format!("{cause} {}", verdict.reason))),
        Outcome::Xfail => format!(" # TODO {}", escaped(&format!("{} {cause}", verdict.reason))),
        _ => String::new(),
    };
    format!("{}\n", format!("{word} {number} - {name}{directive}").trim_end())
}

/// Whether the point is `ok`. An expected failure is `not ok` with a directive that lets it pass.
fn is_ok(outcome: Outcome) -> bool {
    !matches!(outcome, Outcome::Xfail) && !outcome.needs_attention()
}

/// A description in which nothing is a directive by accident, on one line.
fn escaped(text: &str) -> String {
    printable(text).replace('\\', "\\\\").replace('#', "\\#").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Without what could end a line or control a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// What there is to say about a point. Values are written as JSON, which YAML 1.2 contains: each on one line that nothing
/// in a text can end.
fn block(case: &CaseResult) -> String {
    let verdict = &case.verdict;
    if verdict.outcome == Outcome::Pass && case.metrics.is_empty() {
        return String::new();
    }
    let mut safe = case.clone();
    // YAML takes these behind an escape only, and JSON is written without one.
    let no_letter = ['\u{2028}', '\u{2029}', '\u{feff}', '\u{fffe}', '\u{ffff}'];
    safe.visit_text(&mut |text| *text = Terminal::FILE.safe(text).replace(no_letter, "\u{fffd}"), &mut |_| {});
    let failure = safe.verdict.failure.as_deref();
    let (file, line, _) = place(&safe);
    let mut values = vec![("outcome", json!(safe.verdict.outcome)), ("title", json!(safe.title))];
    let mut optional = |key, value: Option<Value>| values.extend(value.map(|value| (key, value)));
    optional("message", Some(&safe.verdict.reason).filter(|reason| !reason.is_empty()).map(|reason| json!(reason)));
    optional("cause", safe.verdict.cause.as_ref().map(|cause| json!(cause)));
    let rules: Vec<String> = safe.cites.iter().map(sentence).collect();
    optional("requirements", (!rules.is_empty()).then(|| json!(rules)));
    optional("expected", failure.filter(|failure| !failure.expected.is_empty()).map(|failure| json!(failure.expected)));
    optional("actual", failure.map(|failure| json!(failure.actual)));
    optional("metrics", (!safe.metrics.is_empty()).then(|| json!(safe.metrics)));
    optional("evidence", safe.evidence.as_ref().map(|path| json!(path.display().to_string())));
    values.extend([("file", json!(file)), ("line", json!(line)), ("rerun", json!(safe.rerun))]);
    let lines: String = values.iter().map(|(key, value)| format!("  {key}: {value}\n")).collect();
    format!("  ---\n{lines}  ...\n")
}
