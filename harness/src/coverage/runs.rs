//! Holds the matrix against what runs have found.

use std::collections::{BTreeMap, BTreeSet};

use super::{Matrix, State, together};
use crate::verdict::{ImplRef, Outcome, RunResult};

/// What runs found: case and column -> the strongest outcome.
#[derive(Clone, Debug, Default)]
pub struct Found {
    outcomes: BTreeMap<(String, String), Outcome>,
    columns: BTreeSet<String>,
}

impl Found {
    /// Adds the results of a run. The built-in peer's version is the harness's own, and its column has none.
    pub fn add(&mut self, run: &RunResult) {
        for case in &run.cases {
            let column = column(&case.subject);
            self.columns.insert(column.clone());
            let outcome = self.outcomes.entry((case.id.clone(), column)).or_insert(case.verdict.outcome);
            *outcome = (*outcome).max(case.verdict.outcome);
        }
    }
}

fn column(subject: &ImplRef) -> String {
    if subject.name == "peer" { subject.name.clone() } else { format!("{}:{}", subject.name, subject.version) }
}

/// Puts what runs found into the cells of the implementations that they judged, and says where that is not what the
/// records say.
pub fn hold(matrix: &mut Matrix<'_>, found: &Found) -> Vec<String> {
    let mut problems = Vec::new();
    for row in &mut matrix.rows {
        let id = &row.requirement.id;
        for (column, planned) in row.planned.iter().filter(|(column, _)| found.columns.contains(*column)) {
            let mut seen: Vec<(String, State)> = Vec::new();
            for (case, _) in planned {
                let Some(outcome) = found.outcomes.get(&(case.clone(), column.clone())) else { continue };
                let Some(state) = state(*outcome) else { continue };
                if matches!(state, State::Failed | State::Unjudged) {
                    problems.push(format!("{id}, {column}: {case} came to {outcome}"));
                }
                seen.push((case.clone(), state));
            }
            let cases = || planned.iter().map(|(case, _)| case.as_str()).collect::<Vec<_>>().join(", ");
            let recorded = together(planned);
            match (recorded, together(&seen)) {
                (Some(State::Unsupported), None) => {}
                (Some(recorded), None) => {
                    row.cells.insert(column.clone(), State::Unjudged);
                    problems.push(format!(
                        "{id}, {column}: recorded as {recorded}, and no run has a result of {}",
                        cases()
                    ));
                }
                (recorded, Some(seen)) => {
                    row.cells.insert(column.clone(), seen);
                    // Failures have been told with their case.
                    if recorded != Some(seen) && !matches!(seen, State::Failed | State::Unjudged) {
                        let recorded = recorded.map_or("nothing", State::name);
                        problems.push(format!("{id}, {column}: recorded as {recorded}, but {seen} in {}", cases()));
                    }
                }
                (None, None) => {}
            }
        }
    }
    problems
}

/// What an outcome says about a requirement; a skip says nothing.
fn state(outcome: Outcome) -> Option<State> {
    Some(match outcome {
        // A recommendation that is not followed has been told as a warning, and is no failure.
        Outcome::Pass | Outcome::Info | Outcome::Warn | Outcome::Flaky => State::Tested,
        Outcome::Xfail => State::Deviates,
        Outcome::Unsupported => State::Unsupported,
        Outcome::Fail | Outcome::Xpass | Outcome::Residue => State::Failed,
        Outcome::Error | Outcome::Inconclusive => State::Unjudged,
        Outcome::Skip => return None,
    })
}
