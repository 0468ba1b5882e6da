//! The report for people.
//!
//! While the run goes on there is one line per finished case. At the end come the cases that need attention, each
//! explained in a block; then what was not run, by cause; then the summary line, which is always the last.

use std::{collections::BTreeMap, time::Duration};

use crate::verdict::{CaseResult, Event, Metric, Outcome, RunResult};

use super::{
    Terminal, Tint,
    failure::{Block, block, deserves_block},
};

/// The columns of the verb that each line starts with.
pub(super) const VERB: usize = 12;

/// How many of the slowest cases are named.
const SLOWEST: usize = 5;

/// How much to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// `-q`: only what needs attention, and the summary.
    Quiet,
    /// Every case in a line.
    #[default]
    Normal,
    /// `-v`: steps as they happen, blocks also for what was let pass, the slowest cases.
    Steps,
    /// `-vv`: packets as they happen, too.
    Wire,
}

impl Verbosity {
    /// From `-q` and the number of `-v`; the last word is with `-q`.
    pub fn from_flags(quiet: bool, verbose: u8) -> Verbosity {
        match (quiet, verbose) {
            (true, _) => Verbosity::Quiet,
            (false, 0) => Verbosity::Normal,
            (false, 1) => Verbosity::Steps,
            (false, _) => Verbosity::Wire,
        }
    }
}

/// What happened to a case, as a verb.
pub(super) fn verb(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "Passed",
        Outcome::Info => "Noted",
        Outcome::Skip => "Skipped",
        Outcome::Unsupported => "Unsupported",
        Outcome::Xfail => "Xfailed",
        Outcome::Warn => "Warned",
        Outcome::Flaky => "Flaky",
        Outcome::Inconclusive => "Inconclusive",
        Outcome::Residue => "Residue",
        Outcome::Xpass => "Xpassed",
        Outcome::Fail => "Failed",
        Outcome::Error => "Error",
    }
}

/// The meaning of an outcome as a colour.
pub(super) fn tint(outcome: Outcome) -> Tint {
    match outcome {
        Outcome::Pass | Outcome::Info => Tint::Good,
        Outcome::Skip | Outcome::Unsupported => Tint::Aside,
        Outcome::Xfail | Outcome::Warn | Outcome::Flaky => Tint::Caution,
        Outcome::Inconclusive | Outcome::Residue | Outcome::Xpass | Outcome::Fail | Outcome::Error => Tint::Bad,
    }
}

/// A line of progress: a verb in its twelve columns, and what it is done to.
pub fn progress_line(tint: Tint, verb: &str, text: &str, terminal: &Terminal) -> String {
    let verb = terminal.paint(tint, &format!("{verb:>VERB$}"));
    format!("{verb} {}", terminal.safe(text).replace('\n', " "))
}

/// Measurements on the line of a case; all of them are in its result.
const SHOWN_METRICS: usize = 2;

/// The one line about a finished case.
pub fn case_line(case: &CaseResult, terminal: &Terminal) -> String {
    let verdict = &case.verdict;
    let mut notes = format!(" {}", case.subject);
    if verdict.outcome.ran() {
        notes.push_str(&format!(" in {}", seconds(case.wall)));
        if case.clock.is_virtual {
            notes.push_str(&format!(" ({} virtual)", seconds(case.clock.length())));
        }
    }
    let line = |text: &str| terminal.safe(text).lines().next().unwrap_or_default().to_owned();
    if verdict.outcome == Outcome::Pass && !case.metrics.is_empty() {
        let one =
            |metric: &Metric| format!("{} {} {}", metric.name, (metric.value * 1000.0).round() / 1000.0, metric.unit);
        let more = case.metrics.len().saturating_sub(SHOWN_METRICS);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let shown: Vec<String> = case.metrics.iter().take(SHOWN_METRICS).map(one).collect();
        notes.push_str(&format!("; {}{more}", shown.join(", ")));
    }
    let reason = match (verdict.reason.as_str(), &verdict.cause) {
        ("", None) => String::new(),
        ("", Some(cause)) => format!(": {}", line(cause)),
        (reason, Some(cause)) if !reason.contains(cause.as_str()) => format!(": {} ({})", line(reason), line(cause)),
        (reason, _) => format!(": {}", line(reason)),
    };
    let verb = terminal.paint(tint(verdict.outcome), &format!("{:>VERB$}", verb(verdict.outcome)));
    format!("{verb} {}{}{reason}", line(&case.name()), terminal.paint(Tint::Dim, &line(&notes)))
}

/// The line about an event while a case runs, if there is one to say at this verbosity.
pub fn event_line(event: &Event, verbosity: Verbosity, terminal: &Terminal) -> Option<String> {
    match event {
        Event::Step { id, variant: _, at_ns, number, step } if verbosity >= Verbosity::Steps => {
            let text = format!("{id} {} step {number}, {step}: {}", instant(*at_ns), step.text);
            Some(progress_line(Tint::Dim, "Step", &text, terminal))
        }
        Event::Packet { id, at_ns, link, from, to, number, summary, .. } if verbosity >= Verbosity::Wire => {
            let ends = format!("{} -> {}", from.as_deref().unwrap_or("?"), to.as_deref().unwrap_or("?"));
            let text = format!("{id} {} {link} #{number} {ends}: {summary}", instant(*at_ns));
            Some(progress_line(Tint::Dim, "Packet", &text, terminal))
        }
        Event::RunStart { seed, cases, .. } if verbosity >= Verbosity::Normal => {
            let plural = if *cases == 1 { "" } else { "s" };
            Some(progress_line(Tint::Good, "Starting", &format!("{cases} case{plural}, seed {seed}"), terminal))
        }
        Event::Phase { verb, what } if verbosity >= Verbosity::Normal => {
            Some(progress_line(Tint::Good, &terminal.safe(verb), what, terminal))
        }
        Event::Verdict { case } if verbosity >= Verbosity::Normal => Some(case_line(case, terminal)),
        _ => None,
    }
}

/// The report at the end of a run. Its last line is the summary.
pub fn render(run: &RunResult, terminal: &Terminal, verbosity: Verbosity) -> String {
    let mut run = run.clone();
    run.visit_text(&mut |text| *text = terminal.safe(text), &mut |_| {});
    let in_detail = verbosity >= Verbosity::Steps;

    let mut report = Block { terminal, text: String::new() };
    for case in run.cases.iter().filter(|case| deserves_block(case.verdict.outcome, in_detail)) {
        report.text.push('\n');
        report.text.push_str(&block(case, terminal));
    }
    not_run(&run, &mut report);
    if in_detail {
        slowest(&run, &mut report);
    }
    if !run.problems.is_empty() || !run.regressions.is_empty() || run.interrupted.is_some() {
        report.text.push('\n');
    }
    for regression in &run.regressions {
        report.head(Tint::Bad, "Regressed", regression);
    }
    for problem in &run.problems {
        report.head(Tint::Bad, "Problem", problem);
    }
    if run.interrupted.is_some() {
        report.head(Tint::Caution, "Interrupted", "cases that had not finished are not judged");
    }
    if !report.text.is_empty() {
        report.text.push('\n');
    }
    report.text.push_str(&run.summary_line());
    report.text.push('\n');
    report.text
}

/// The report as a document of its own: a line for every case, then what [`render`] says. For files.
pub fn document(run: &RunResult) -> String {
    let mut text: String = run.cases.iter().map(|case| case_line(case, &Terminal::FILE) + "\n").collect();
    text.push_str(&render(run, &Terminal::FILE, Verbosity::Steps));
    text
}

/// The cases that were not run, grouped by the cause, since one cause is one thing to do.
fn not_run(run: &RunResult, report: &mut Block<'_>) {
    let mut groups: BTreeMap<(Outcome, &str), Vec<&CaseResult>> = BTreeMap::new();
    for case in run.cases.iter().filter(|case| !case.verdict.outcome.ran()) {
        let cause = case.verdict.cause.as_deref().unwrap_or("unknown");
        groups.entry((case.verdict.outcome, cause)).or_default().push(case);
    }
    for ((outcome, cause), cases) in groups {
        report.text.push('\n');
        let plural = if cases.len() == 1 { "" } else { "s" };
        let head = format!("{} case{plural} for {cause}", cases.len());
        report.head(tint(outcome), verb(outcome), &head);
        let mut reasons: Vec<&str> = cases.iter().map(|case| case.verdict.reason.as_str()).collect();
        reasons.dedup();
        if let [reason] = reasons[..] {
            report.prose("", reason);
        }
        for case in cases {
            report.verbatim("", [format!("- {} {}", case.name(), case.subject)]);
        }
    }
}

fn slowest(run: &RunResult, report: &mut Block<'_>) {
    let mut cases: Vec<&CaseResult> = run.cases.iter().filter(|case| case.verdict.outcome.ran()).collect();
    cases.sort_by_key(|case| std::cmp::Reverse(case.wall));
    if cases.is_empty() {
        return;
    }
    report.text.push('\n');
    for (place, case) in cases.into_iter().take(SLOWEST).enumerate() {
        let label = if place == 0 { "slowest" } else { "" };
        report.verbatim(label, [format!("{:>8} {}", seconds(case.wall), case.name())]);
    }
}

/// A duration as people read it: three digits behind the point for short ones.
fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 10.0 { format!("{seconds:.3}s") } else { format!("{seconds:.1}s") }
}

/// An instant on the clock of a case.
fn instant(at_ns: u64) -> String {
    format!("{:.6}s", Duration::from_nanos(at_ns).as_secs_f64())
}
