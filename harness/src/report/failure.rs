//! The block that explains one case: the rule, what was expected, what happened, where, and how to see it again.

use crate::verdict::{CaseResult, CiteRef, Outcome};

use super::{
    Terminal, Tint,
    compare::{dump, field_table, packet_lines},
    human::{VERB, tint, verb},
};

/// Everything about a case in the order in which a reader needs it.
pub(super) fn block(case: &CaseResult, terminal: &Terminal) -> String {
    let mut block = Block { terminal, text: String::new() };
    let verdict = &case.verdict;

    let verb = verb(verdict.outcome);
    block.head(tint(verdict.outcome), verb, &terminal.paint(Tint::Strong, &case.name()));
    block.prose("", &case.title);
    block.prose("subject", &parties(case));
    block.prose("reason", &reason(case));
    for cite in &case.cites {
        block.prose("requirement", &sentence(cite));
    }
    if let Some(failure) = &verdict.failure {
        for (place, expected) in failure.expected.iter().enumerate() {
            block.prose(if place == 0 { "expected" } else { "or" }, expected);
        }
        block.prose("actual", &failure.actual);
        if let Some(comparison) = &failure.comparison {
            block.verbatim("packets", packet_lines(comparison, block.room(), terminal));
            if !comparison.rows.is_empty() {
                block.verbatim("fields", field_table(&comparison.rows, terminal));
            }
            if let Some(octets) = &comparison.actual_hex {
                block.verbatim("octets", dump(octets, &comparison.rows, terminal));
            }
        }
        if let Some(step) = &failure.step {
            block.verbatim("step", [step.to_string(), step.text.clone()]);
        }
        block.verbatim("timeline", failure.nearby.iter().cloned());
        for log in &failure.log_tail {
            let lines = log.lines.iter().map(|line| terminal.paint(Tint::Dim, line));
            block.verbatim("log", [format!("of {}:", log.node)].into_iter().chain(lines));
        }
    }
    for metric in &case.metrics {
        let bound = metric.at_most.map(|bound| format!(", at most {bound} {}", metric.unit)).unwrap_or_default();
        block.verbatim("measured", [format!("{} {} {}{bound}", metric.name, metric.value, metric.unit)]);
    }
    if let Some(evidence) = &case.evidence {
        block.verbatim("evidence", [evidence.display().to_string()]);
    }
    block.verbatim("run again", [case.rerun.clone()]);
    block.text
}

/// Who was judged against whom, and where.
pub(super) fn parties(case: &CaseResult) -> String {
    let driver = case.driver.as_ref().map(|driver| format!("/{driver}")).unwrap_or_default();
    let mut text = format!("{} against {} in {}{driver}", case.subject, case.peer, case.world);
    if case.clock.is_virtual {
        text.push_str(&format!(", {}s of virtual time", case.clock.length().as_secs_f64()));
    }
    text
}

/// The reason with its cause, unless the reason already says it.
pub(super) fn reason(case: &CaseResult) -> String {
    match &case.verdict.cause {
        Some(cause) if case.verdict.reason.is_empty() => cause.clone(),
        Some(cause) if !case.verdict.reason.contains(cause.as_str()) => format!("{} ({cause})", case.verdict.reason),
        _ => case.verdict.reason.clone(),
    }
}

/// The words of the specification with the place they stand at.
pub(super) fn sentence(cite: &CiteRef) -> String {
    let mut text = cite.to_string();
    if !cite.level.is_empty() {
        text.push_str(&format!(", {}", cite.level.to_uppercase()));
    }
    if let Some(requirement) = &cite.requirement {
        text.push_str(&format!(" [{requirement}]"));
    }
    if !cite.quote.is_empty() {
        text.push_str(&format!("\n\"{}\"", cite.quote));
    }
    text
}

/// Where a reader should look: the step that was not satisfied, else the case. File, line, and column where it is known.
pub(super) fn place(case: &CaseResult) -> (&str, u32, Option<u32>) {
    match case.verdict.failure.as_ref().and_then(|failure| failure.step.as_ref()) {
        Some(step) => (&step.file, step.line, Some(step.column)),
        None => (&case.file, case.line, None),
    }
}

/// Lines behind labels that are aligned as the verbs of the progress are.
pub(super) struct Block<'a> {
    pub(super) terminal: &'a Terminal,
    pub(super) text: String,
}

impl Block<'_> {
    /// The columns beside the labels.
    pub(super) fn room(&self) -> usize {
        self.terminal.width.saturating_sub(VERB + 1)
    }

    /// A coloured verb with what it is about.
    pub(super) fn head(&mut self, tint: Tint, verb: &str, text: &str) {
        let verb = self.terminal.paint(tint, &format!("{verb:>VERB$}"));
        self.text.push_str(&format!("{verb} {text}\n"));
    }

    /// Text that may be broken between words; nothing if it is empty.
    pub(super) fn prose(&mut self, label: &str, text: &str) {
        let room = self.room();
        self.verbatim(label, text.lines().flat_map(|line| wrapped(line, room)));
    }

    /// Lines that stay as they are; nothing if there are none.
    pub(super) fn verbatim(&mut self, label: &str, lines: impl IntoIterator<Item = String>) {
        let lines = lines.into_iter().flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
        for (place, line) in lines.enumerate() {
            let label = format!("{:>VERB$}", if place == 0 { label } else { "" });
            let label = self.terminal.paint(Tint::Dim, &label);
            self.text.push_str(format!("{label} {line}").trim_end());
            self.text.push('\n');
        }
    }
}

/// The text in lines of at most `room` columns, broken between words.
fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Whether a case gets a block: what needs attention always, what was let pass on request.
pub(super) fn deserves_block(outcome: Outcome, in_detail: bool) -> bool {
    outcome.needs_attention() || (in_detail && matches!(outcome, Outcome::Warn | Outcome::Flaky | Outcome::Xfail))
}
