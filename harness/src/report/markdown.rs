//! The result as Markdown: a table of implementations, and a section for each case that needs attention. For pull
//! requests, job summaries and mails.

use std::collections::BTreeMap;

use crate::verdict::{CaseResult, Comparison, Counts, Outcome, RunResult};

use super::{
    Terminal,
    cell::{CellKey, Column},
    compare::packet_lines,
    failure::{place, sentence},
};

/// Most cases with a section of their own; GitHub refuses a summary of more than a mebibyte.
const MOST_SECTIONS: usize = 100;
/// Most cases named in a list.
const MOST_NAMED: usize = 200;
/// Most characters of a text from outside; longer ones end in `...`.
const MOST_CHARACTERS: usize = 1000;
/// Columns of the packets in a section.
const WIDTH: usize = 120;

/// The whole result as a Markdown document.
pub fn render(run: &RunResult) -> String {
    let (attention, rest): (Vec<_>, Vec<_>) = run.cases.iter().partition(|case| case.verdict.outcome.needs_attention());
    let verdict = if attention.is_empty() && run.regressions.is_empty() { "" } else { ": attention needed" };
    let mut text = format!("## dmvpn-lab{verdict}\n\n{}\n", plain(&run.summary_line()));
    for words in run.regressions.iter().chain(&run.problems) {
        text.push_str(&format!("\n**Problem**: {}\n", plain(words)));
    }
    if run.interrupted.is_some() {
        text.push_str("\n**Interrupted**: cases that had not finished are not judged.\n");
    }
    text.push_str(&table(run));
    for case in attention.iter().take(MOST_SECTIONS) {
        text.push_str(&section(case));
    }
    if attention.len() > MOST_SECTIONS {
        text.push_str(&format!("\n{} more cases need attention.\n", attention.len() - MOST_SECTIONS));
    }
    for outcome in [Outcome::Flaky, Outcome::Warn, Outcome::Xfail, Outcome::Unsupported, Outcome::Skip] {
        let cases: Vec<_> = rest.iter().filter(|case| case.verdict.outcome == outcome).collect();
        text.push_str(&list(outcome, &cases));
    }
    text
}

/// Implementations down, outcomes across; only outcomes that there are.
fn table(run: &RunResult) -> String {
    let mut outcomes: BTreeMap<Column, Vec<Outcome>> = BTreeMap::new();
    for case in &run.cases {
        outcomes.entry(CellKey::of(case).column).or_default().push(case.verdict.outcome);
    }
    let all = run.counts();
    let shown: Vec<Outcome> = Outcome::ALL.into_iter().filter(|outcome| all.of(*outcome) > 0).collect();
    if shown.is_empty() {
        return String::new();
    }
    let words = |outcome: &Outcome| outcome.name().to_owned();
    let mut text = format!("\n| implementation | {} |\n", shown.iter().map(words).collect::<Vec<_>>().join(" | "));
    text.push_str(&format!("| --- |{}\n", " ---: |".repeat(shown.len())));
    for (column, outcomes) in outcomes {
        let counts: Counts = outcomes.into_iter().collect();
        let numbers: Vec<String> = shown.iter().map(|outcome| counts.of(*outcome).to_string()).collect();
        text.push_str(&format!("| {} | {} |\n", plain(&column.to_string()), numbers.join(" | ")));
    }
    text
}

fn section(case: &CaseResult) -> String {
    let verdict = &case.verdict;
    let (file, line, _) = place(case);
    let mut text = format!(
        "\n### {}: {} ({})\n\n{}\n\n",
        verdict.outcome,
        code(&case.name()),
        plain(&case.subject.to_string()),
        plain(&case.title)
    );
    let mut point = |label: &str, words: String| text.push_str(&format!("- {label}: {words}\n"));
    if !verdict.reason.is_empty() {
        point("reason", plain(&verdict.reason));
    }
    for cite in &case.cites {
        point("requirement", plain(&sentence(cite)));
    }
    if let Some(failure) = &verdict.failure {
        for expected in &failure.expected {
            point("expected", plain(expected));
        }
        point("actual", plain(&failure.actual));
    }
    point("step", code(&format!("{file}:{line}")));
    if let Some(evidence) = &case.evidence {
        point("evidence", code(&evidence.display().to_string()));
    }
    point("run again", code(&case.rerun));
    if let Some(comparison) = verdict.failure.as_ref().and_then(|failure| failure.comparison.as_ref()) {
        text.push_str(&format!("\n{}", packets(comparison)));
    }
    text
}

/// The two lines, fenced by more backticks than any line of them begins with.
fn packets(comparison: &Comparison) -> String {
    let lines = packet_lines(comparison, WIDTH, &Terminal::FILE);
    let lines: Vec<String> = lines.iter().map(|line| Terminal::FILE.safe(line)).collect();
    let longest = lines.iter().flat_map(|line| runs_of_backticks(line)).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{}\n{fence}\n", lines.join("\n"))
}

fn list(outcome: Outcome, cases: &[&&CaseResult]) -> String {
    if cases.is_empty() {
        return String::new();
    }
    let mut text = format!("\n<details><summary>{outcome}: {}</summary>\n\n", cases.len());
    for case in cases.iter().take(MOST_NAMED) {
        let words = [case.verdict.cause.as_deref().unwrap_or_default(), &case.verdict.reason];
        let words: Vec<String> = words.iter().filter(|words| !words.is_empty()).map(|words| plain(words)).collect();
        let who = plain(&case.subject.to_string());
        text.push_str(&format!("- {} {who}: {}\n", code(&case.name()), words.join(": ")));
    }
    if cases.len() > MOST_NAMED {
        text.push_str(&format!("- and {} more\n", cases.len() - MOST_NAMED));
    }
    text.push_str("\n</details>\n");
    text
}

/// Text in which nothing is markup, on one line.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in one_line(text).chars() {
        // CommonMark section 2.4: a backslash takes the meaning from any ASCII punctuation. These are all that could
        // have one within a line, a table or HTML; the rest stays readable as it is.
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '~' | '&' | '!' | '@' | '$') {
            plain.push('\\');
        }
        plain.push(c);
    }
    plain
}

/// Text between as many backticks as it takes.
fn code(text: &str) -> String {
    let text = one_line(text);
    let longest = runs_of_backticks(&text).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    // A blank on each side is not shown, and keeps backticks of the text apart from those around it.
    let room = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{room}{text}{room}{fence}")
}

fn runs_of_backticks(text: &str) -> impl Iterator<Item = usize> {
    text.split(|c| c != '`').map(str::len)
}

fn one_line(text: &str) -> String {
    let text = Terminal::FILE.safe(text);
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}
