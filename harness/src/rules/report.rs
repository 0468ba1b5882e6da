//! Verdicts of rules, for people and for programs.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Finding, Judged, Result, RuleVerdict, Sender};
use crate::report::{Terminal, Tint, packet_lines};

/// All captures together: each breach with its packet, then a line for each rule. `verbose` shows the rules that were
/// kept or not seen, too.
pub fn human(all: &[Judged], verbose: bool, terminal: &Terminal) -> String {
    let mut text = String::new();
    for judged in all {
        for error in &judged.errors {
            text.push_str(&format!("{}: {error}\n", terminal.paint(Tint::Bad, "error")));
        }
        for verdict in judged.verdicts.iter().filter(|verdict| verdict.result >= Result::Warn) {
            text.push_str(&breach(judged, verdict, terminal));
        }
    }
    let totals = totals(all);
    if verbose {
        for (result, verdict, applied) in totals.values() {
            let word = terminal.paint(tint(*result), &format!("{:>12}", result.name()));
            text.push_str(&format!("{word} {} ({})", verdict.rule, verdict.cites.join(", ")));
            if *applied > 0 {
                text.push_str(&format!(", {}", packets(*applied)));
            }
            text.push('\n');
        }
    }
    let count = |wanted: Result| totals.values().filter(|(result, ..)| *result == wanted).count();
    let judged: u64 = all.iter().map(|judged| judged.summary.judged).sum();
    let left_out: u64 = all.iter().map(|judged| judged.summary.left_out).sum();
    let forgotten: u64 = all.iter().map(|judged| judged.summary.forgotten).sum();
    let undecided: u64 = all.iter().map(|judged| judged.summary.undecided).sum();
    text.push_str(&format!(
        "{} rules: {} pass, {} fail, {} warn, {} broken only as known, {} not seen; {} of {} judged",
        totals.len(),
        count(Result::Pass),
        count(Result::Fail),
        count(Result::Warn),
        count(Result::Known),
        count(Result::NotSeen),
        packets(judged),
        captures(all.len()),
    ));
    if left_out > 0 {
        text.push_str(&format!(", {left_out} left out (scripted, or an answer to what a script has broken)"));
    }
    if undecided > 0 {
        text.push_str(&format!(", {undecided} answers were due when the capture ended"));
    }
    if forgotten > 0 {
        text.push_str(&format!(", {forgotten} forgotten: the memory of a rule was full, and breaches may be missed"));
    }
    text.push('\n');
    text
}

/// The whole of it as JSON.
pub fn json(all: &[Judged]) -> Value {
    let rules: Vec<Value> = totals(all)
        .into_values()
        .map(|(result, verdict, applied)| {
            json!({ "rule": verdict.rule, "title": verdict.title, "cites": verdict.cites, "level": verdict.level,
                    "result": result, "applied": applied })
        })
        .collect();
    json!({ "schema": 1, "rules": rules, "captures": all })
}

/// Each rule with what came of it over all captures: the verdict that weighs most, and how many packets it was about.
fn totals(all: &[Judged]) -> BTreeMap<&str, (Result, &RuleVerdict, u64)> {
    let mut totals: BTreeMap<&str, (Result, &RuleVerdict, u64)> = BTreeMap::new();
    for verdict in all.iter().flat_map(|judged| &judged.verdicts) {
        let total = totals.entry(&verdict.rule).or_insert((verdict.result, verdict, 0));
        total.0 = total.0.max(verdict.result);
        total.2 += verdict.applied;
    }
    totals
}

fn breach(judged: &Judged, verdict: &RuleVerdict, terminal: &Terminal) -> String {
    let word = terminal.paint(tint(verdict.result), &format!("{:>12}", verdict.result.name()));
    let mut text = format!("{word} {}\n", terminal.paint(Tint::Strong, &verdict.rule));
    let mut line = |name: &str, what: &str| text.push_str(&format!("{name:>12} {what}\n"));
    line("", &verdict.title);
    line("requirement", &format!("{} ({})", verdict.cites.join(", "), verdict.level));
    let numbers: Vec<String> = verdict.packets.iter().take(12).map(ToString::to_string).collect();
    let more = if verdict.breaches > 12 { format!(" and {} more", verdict.breaches - 12) } else { String::new() };
    line("packet", &format!("{}{more} of {} in {}", numbers.join(", "), verdict.applied, judged.capture.display()));
    if let Some(finding) = verdict.findings.first() {
        for shown in packet_lines(&only_differences(finding), 100, terminal) {
            text.push_str(&format!("{:>12} {shown}\n", ""));
        }
        let offsets = finding.comparison.rows.iter().filter(|row| row.differs);
        let offsets: Vec<String> =
            offsets.filter_map(|row| Some(format!("{} at octet {}", row.field, row.offset?))).take(4).collect();
        if !offsets.is_empty() {
            text.push_str(&format!("{:>12} {}\n", "offset", offsets.join(", ")));
        }
        if let Some(other) = finding.against {
            text.push_str(&format!("{:>12} packet {other}\n", "against"));
        }
        if let Sender::Player { node, implementation, version } = &finding.sender {
            text.push_str(&format!("{:>12} {node} ({implementation} {version})\n", "sender"));
        }
    }
    text
}

/// What differs alone: what is as it should be would drown it in lists of many elements.
fn only_differences(finding: &Finding) -> crate::verdict::Comparison {
    let comparison = &finding.comparison;
    let message = comparison.actual_line.split(' ').next().unwrap_or_default();
    let rows = comparison.rows.iter().filter(|row| row.differs).cloned().collect();
    crate::verdict::Comparison::from_rows(message, rows, None)
}

fn tint(result: Result) -> Tint {
    match result {
        Result::Pass => Tint::Good,
        Result::Fail => Tint::Bad,
        Result::Warn | Result::Known => Tint::Caution,
        Result::NotSeen => Tint::Dim,
    }
}

fn packets(number: u64) -> String {
    if number == 1 { "1 packet".to_owned() } else { format!("{number} packets") }
}

fn captures(number: usize) -> String {
    if number == 1 { "1 capture".to_owned() } else { format!("{number} captures") }
}
