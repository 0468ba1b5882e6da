//! For GitHub Actions: a mark at the line of the suite for each case that needs attention, and the summary of the job.
//!
//! Marks are workflow commands, lines of the job's output that the runner takes out of it. GitHub shows ten errors and ten
//! warnings of a step beside the code, however many there are; the log and the summary have all of them.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::verdict::{CaseResult, Outcome, RunResult};

use super::failure::{place, sentence};
use super::markdown;

/// `--annotate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Annotate {
    /// As GitHub reads them, where `GITHUB_ACTIONS` is `true`.
    #[default]
    Auto,
    /// As GitHub reads them.
    Github,
    /// None.
    None,
}

/// What of GitHub is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Github {
    /// Marks are written.
    pub annotate: bool,
    /// Where the summary of the job is gathered.
    pub step_summary: Option<PathBuf>,
}

impl Github {
    /// What the user asks for and the environment has, given as the values of its variables.
    pub fn judge(choice: Annotate, variable: &dyn Fn(&str) -> Option<String>) -> Github {
        let inside = variable("GITHUB_ACTIONS").is_some_and(|value| value == "true");
        let summary = variable("GITHUB_STEP_SUMMARY").filter(|path| inside && !path.is_empty());
        let annotate = match choice {
            Annotate::Auto => inside,
            Annotate::Github => true,
            Annotate::None => false,
        };
        Github { annotate, step_summary: summary.map(PathBuf::from) }
    }

    /// What this process is in.
    pub fn here(choice: Annotate) -> Github {
        Github::judge(choice, &|name| std::env::var(name).ok())
    }
}

/// The marks, a line each.
pub fn annotations(run: &RunResult) -> String {
    let mut text: String = run.cases.iter().filter_map(annotation).collect();
    for words in run.regressions.iter().chain(&run.problems) {
        text.push_str(&command("error", &[("title", "dmvpn-lab")], words));
    }
    text
}

fn annotation(case: &CaseResult) -> Option<String> {
    let verdict = &case.verdict;
    let level = match verdict.outcome {
        Outcome::Warn | Outcome::Flaky => "warning",
        outcome if outcome.needs_attention() => "error",
        _ => return None,
    };
    let (file, line, column) = place(case);
    let (line, column) = (line.to_string(), column.map(|column| column.to_string()));
    let title = format!("{}: {} ({})", verdict.outcome, case.name(), case.subject);
    let mut properties = vec![("file", file), ("line", &line)];
    properties.extend(column.as_deref().map(|column| ("col", column)));
    properties.push(("title", &title));

    let mut words = vec![case.title.clone()];
    words.extend(case.cites.iter().map(sentence));
    words.push(verdict.reason.clone());
    if let Some(failure) = &verdict.failure {
        words.extend(failure.expected.iter().map(|expected| format!("expected: {expected}")));
        words.push(format!("actual: {}", failure.actual));
    }
    words.push(format!("run again: {}", case.rerun));
    words.retain(|line| !line.is_empty());
    Some(command(level, &properties, &words.join("\n")))
}

/// A workflow command. The runner would end it at a line's end, a property at a comma, its name at a colon.
fn command(name: &str, properties: &[(&str, &str)], message: &str) -> String {
    let message = message.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |(name, value): &(&str, &str)| {
        let value = value.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
        format!("{name}={}", value.replace(':', "%3A").replace(',', "%2C"))
    };
    let properties: Vec<String> = properties.iter().map(property).collect();
    format!("::{name} {}::{message}\n", properties.join(","))
}

/// Adds the result to the summary of the job.
///
/// # Errors
/// If the file can not be written.
pub fn add_to_summary(path: &Path, run: &RunResult) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(format!("{}\n", markdown::render(run)).as_bytes())
}
