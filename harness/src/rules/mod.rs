//! Rules about what passes: requirements that can be judged without touching anything, held against captures.
//!
//! ```text
//! suites/rules/*.yaml --suite--> rules --Judge--> verdict per rule: pass, warn, fail, or not seen
//!                                        ^
//!   capture --dissect--> packets, each with who sent it (sender: from the comments of a run's evidence)
//! ```
//!
//! A rule that no packet was about has not been seen, which is not a pass. What a capture can not show is no breach: a
//! reply whose request came before the capture began, an answer that was lost behind the place of capture. The strongest
//! requirement that a rule cites decides what a breach is: of a SHOULD, a warning.

mod judge;
mod key;
mod memory;
mod pair;
mod place;
mod report;
mod sender;
mod state;
mod verdict;

#[cfg(test)]
mod tests;

use std::path::Path;

pub use judge::Judge;
pub use place::{Judged, captures, judge_capture};
pub use report::{human, json};
pub use sender::{Cast, SCRIPTED, Sender};
pub use verdict::{Finding, Result, RuleVerdict, Summary};

use crate::requirement::{Catalogue, Strength};
use crate::suite::diagnostic::nearest;
use crate::suite::rule::{Exception, Exempt, Rule, RuleFile};
use crate::suite::{Diagnostic, load_rules};

/// All rules, and the breaches that are known.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Rules with the strength of the strongest requirement that they cite.
    pub rules: Vec<(Rule, Strength)>,
    /// Breaches that are known.
    pub exceptions: Vec<Exception>,
}

impl Rules {
    /// The exception that a breach is, if one is known: in that capture, or of that sender.
    pub fn exception(&self, rule: &str, capture: &Path, sender: &Sender) -> Option<usize> {
        self.exceptions.iter().position(|entry| {
            *entry.rule == rule
                && match &entry.place {
                    Exempt::Capture(path) => capture.ends_with(path),
                    Exempt::Implementation { name, versions, case } => match sender {
                        Sender::Player { implementation, version, .. } => {
                            implementation == name
                                && versions.as_ref().is_none_or(|range| range.contains(version))
                                && case.as_ref().is_none_or(|case| is_of(capture, case))
                        }
                        _ => false,
                    },
                }
        })
    }

    /// Ids of the requirements that rules judge, each once.
    pub fn cited(&self) -> std::collections::BTreeSet<&str> {
        self.rules.iter().flat_map(|(rule, _)| &rule.cites).map(|cite| cite.value.as_str()).collect()
    }
}

/// Whether a capture is evidence of a case of that id, or of a suite of that name: folders are named after both.
fn is_of(capture: &Path, case: &str) -> bool {
    capture.parent().is_some_and(|folder| folder.ancestors().any(|folder| folder.ends_with(case)))
}

/// Reads all rules of a file or folder. What they cite is looked up in the catalogue.
///
/// # Errors
/// Everything that is wrong with them, each with its place.
pub fn load(path: &Path, catalogue: &Catalogue) -> std::result::Result<Rules, Vec<Diagnostic>> {
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        let entries = std::fs::read_dir(path).into_iter().flatten().filter_map(std::result::Result::ok);
        files = entries.map(|entry| entry.path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
        files.sort();
    }
    let (mut rules, mut exceptions, mut mistakes) = (Vec::new(), Vec::new(), Vec::new());
    for file in &files {
        match load_rules(file) {
            Ok(RuleFile::Rules(more)) => rules.extend(more),
            Ok(RuleFile::Exceptions(more)) => exceptions.extend(more),
            Err(more) => mistakes.extend(more),
        }
    }
    let mut judged = Vec::new();
    for rule in rules {
        let mut strongest = None;
        for cite in &rule.cites {
            match catalogue.get(cite) {
                Some(requirement) => {
                    strongest =
                        Some(strongest.map_or(requirement.level, |level: Strength| level.min(requirement.level)));
                }
                None => {
                    let known = catalogue.all().iter().map(|entry| entry.id.as_str());
                    let help = nearest(cite, known).map_or_else(
                        || "`cargo lab coverage` lists all requirements".to_owned(),
                        |near| format!("did you mean `{near}`?"),
                    );
                    let what = format!("there is no requirement `{}`", cite.value);
                    mistakes
                        .push(Diagnostic::new("suite::requirement", &cite.span, what, "cited here").with_help(help));
                }
            }
        }
        match strongest {
            Some(Strength::May) => {
                let what = format!("`{}` cites a MAY, which nobody can break", *rule.id);
                mistakes.push(Diagnostic::new("suite::requirement", &rule.id.span, what, "nothing to judge"));
            }
            Some(strength) => judged.push((rule, strength)),
            None => {}
        }
    }
    // Without all rules nobody knows which exceptions are about none.
    if mistakes.is_empty() && path.is_dir() {
        for entry in &exceptions {
            if !judged.iter().any(|(rule, _)| *rule.id == *entry.rule) {
                let known = judged.iter().map(|(rule, _)| rule.id.as_str());
                let help = nearest(&entry.rule, known)
                    .map_or_else(|| "delete the entry".to_owned(), |near| format!("did you mean `{near}`?"));
                let what = format!("there is no rule `{}`", *entry.rule);
                mistakes.push(
                    Diagnostic::new("suite::unknown_name", &entry.rule.span, what, "no such rule").with_help(help),
                );
            }
        }
    }
    if mistakes.is_empty() { Ok(Rules { rules: judged, exceptions }) } else { Err(mistakes) }
}
