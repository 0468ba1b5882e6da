//! Known deviations of implementations, as data: `suites/divergences/*.yaml`.
//!
//! A case that fails in exactly the recorded way is an expected failure. One that passes although a deviation is recorded
//! is an unexpected pass, and one that fails in another way is a failure: the record never hides more than it says.

use std::path::{Path, PathBuf};

use miette::{IntoDiagnostic, WrapErr, miette};
use serde::Deserialize;

use crate::suite::select;
use crate::verdict::{Outcome, Verdict};
use crate::version::Range;

/// One recorded deviation.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Divergence {
    /// Name of the implementation.
    #[serde(rename = "impl")]
    pub implementation: String,
    /// Versions that do it.
    pub versions: Range,
    /// Which cases: an id or a glob.
    pub case: String,
    /// What the failure has to look like.
    #[serde(rename = "match")]
    pub matches: Signature,
    /// What the implementation does, in words.
    pub reason: String,
    /// Where it is tracked.
    #[serde(default)]
    pub issue: Option<String>,
    /// Which runs saw it.
    #[serde(default)]
    pub confirmed: Vec<Confirmed>,
    /// The file that it is in.
    #[serde(skip)]
    pub file: PathBuf,
}

/// What a failure has to look like to be the recorded one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// The field that differs.
    #[serde(default)]
    pub field: Option<String>,
    /// The value found in it.
    #[serde(default)]
    pub actual: Option<String>,
    /// Words in the reason of the verdict.
    #[serde(default)]
    pub text: Option<String>,
}

/// A run that saw the deviation.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmed {
    /// Version that did it.
    pub version: String,
    /// The day, as in 2026-01-31.
    pub on: String,
    /// The octets or state that show it.
    pub evidence: String,
}

impl Divergence {
    /// Whether it is about this case and implementation.
    pub fn concerns(&self, case: &str, name: &str, version: &str) -> bool {
        self.implementation == name && self.versions.contains(version) && select::fits(&self.case, case)
    }
}

impl Signature {
    fn fits(&self, verdict: &Verdict) -> bool {
        let rows = verdict.failure.as_ref().and_then(|failure| failure.comparison.as_ref()).map(|c| c.rows.as_slice());
        let field_fits = self.field.as_ref().is_none_or(|field| {
            rows.unwrap_or_default().iter().any(|row| {
                row.differs && row.field == *field && self.actual.as_ref().is_none_or(|actual| row.actual == *actual)
            })
        });
        let failure_says = |text: &str| {
            verdict.reason.contains(text)
                || verdict.failure.as_ref().is_some_and(|failure| failure.actual.contains(text))
        };
        field_fits && self.text.as_deref().is_none_or(failure_says)
    }
}

/// Reads all files of a folder. A folder that is not there holds none.
///
/// # Errors
/// The first file that is not as it should be.
pub fn load_all(folder: &Path) -> miette::Result<Vec<Divergence>> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(Vec::new()) };
    let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path)
            .into_diagnostic()
            .wrap_err_with(|| format!("{} can not be read", path.display()))?;
        let mut list: Vec<Divergence> = serde_yaml::from_str(&text)
            .map_err(|error| miette!("{}: {error}", path.display()))
            .wrap_err("a divergence file is not as it should be")?;
        for entry in &mut list {
            let Signature { field, text, .. } = &entry.matches;
            if field.is_none() && text.is_none() {
                return Err(miette!(
                    help = "name the field that differs (`match: { field: \"cie[0].code\", actual: \"0\" }`), or words of the reason",
                    "{}: the divergence for {} would excuse any failure",
                    path.display(),
                    entry.case
                ));
            }
            entry.file.clone_from(&path);
        }
        all.extend(list);
    }
    Ok(all)
}

/// Records for ids that no case has: misspelt, or the case is gone.
pub fn stale<'d>(divergences: &'d [Divergence], ids: &[String]) -> Vec<&'d Divergence> {
    divergences.iter().filter(|entry| !ids.iter().any(|id| select::fits(&entry.case, id))).collect()
}

/// The record that a failure is: of several for this case and implementation, the first that it looks like.
pub fn recorded<'d>(
    verdict: &Verdict,
    case: &str,
    name: &str,
    version: &str,
    divergences: &'d [Divergence],
) -> Option<&'d Divergence> {
    divergences.iter().find(|entry| entry.concerns(case, name, version) && entry.matches.fits(verdict))
}

/// Holds a verdict against what is recorded for this case and implementation.
pub fn apply(verdict: Verdict, case: &str, name: &str, version: &str, divergences: &[Divergence]) -> Verdict {
    let mut concerned = divergences.iter().filter(|entry| entry.concerns(case, name, version));
    match verdict.outcome {
        Outcome::Fail => {
            if let Some(entry) = recorded(&verdict, case, name, version, divergences) {
                let issue = entry.issue.clone().unwrap_or_else(|| "divergence".to_owned());
                let reason = format!("{} ({}; seen: {})", entry.reason, entry.file.display(), verdict.reason);
                return Verdict { outcome: Outcome::Xfail, reason, cause: Some(issue), ..verdict };
            }
            match concerned.next() {
                Some(entry) => {
                    let reason = format!("{}; not the failure that {} records", verdict.reason, entry.file.display());
                    Verdict { reason, ..verdict }
                }
                None => verdict,
            }
        }
        Outcome::Pass => match concerned.next() {
            Some(entry) => Verdict::new(
                Outcome::Xpass,
                format!(
                    "passes, although {} records for {} {} that {}; delete the entry, or narrow its versions",
                    entry.file.display(),
                    entry.implementation,
                    entry.versions,
                    entry.reason
                ),
            ),
            None => verdict,
        },
        _ => verdict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Comparison, Failure, FieldRow};

    fn recorded() -> Vec<Divergence> {
        let text = "- impl: frr\n  versions: '>=8.0, <11'\n  case: nhrp/registration/unique*\n  \
                    match: { field: 'cie[0].code', actual: '0' }\n  reason: code 14 is never sent\n";
        serde_yaml::from_str(text).unwrap()
    }

    fn failure(field: &str, actual: &str) -> Verdict {
        let row = FieldRow { field: field.into(), actual: actual.into(), differs: true, ..FieldRow::default() };
        let comparison = Some(Comparison { rows: vec![row], ..Comparison::default() });
        Verdict::fail("differs", Failure { comparison, ..Failure::default() })
    }

    fn judged(verdict: Verdict, version: &str) -> Outcome {
        apply(verdict, "nhrp/registration/unique-conflict", "frr", version, &recorded()).outcome
    }

    #[test]
    fn only_the_recorded_failure_is_expected() {
        assert_eq!(judged(failure("cie[0].code", "0"), "8.4.4"), Outcome::Xfail);
        assert_eq!(judged(failure("cie[0].code", "4"), "8.4.4"), Outcome::Fail);
        assert_eq!(judged(failure("request_id", "0"), "8.4.4"), Outcome::Fail);
        assert_eq!(judged(failure("cie[0].code", "0"), "11.1"), Outcome::Fail);
    }

    #[test]
    fn an_unexpected_pass_is_told() {
        assert_eq!(judged(Verdict::pass(), "10.3"), Outcome::Xpass);
        assert_eq!(judged(Verdict::pass(), "7.5.1"), Outcome::Pass);
    }

    #[test]
    fn a_record_for_no_case_is_stale() {
        assert_eq!(stale(&recorded(), &["nhrp/registration/first".to_owned()]).len(), 1);
        assert!(stale(&recorded(), &["nhrp/registration/unique-conflict".to_owned()]).is_empty());
    }
}
