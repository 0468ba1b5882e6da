//! Which requirement is judged by which case, against which implementation.
//!
//! ```text
//! catalogue + cites of cases + casts, lacks, divergences --> matrix --> snapshot in git (text, a line per requirement)
//!                                       results of runs --> runs::hold      agree with it, or say where not
//! ```
//!
//! Cases of captures are not in it, neither replayed ones nor those with `feed`: a capture shows what one router did once,
//! and part of them is not on every machine.
//!
//! The matrix needs no router and no run: a case whose recorded divergence concerns an implementation shows that it
//! deviates, one that needs what the implementation lacks shows nothing, and any other shows that it conforms, or CI
//! would be red. [`runs`] says whether a run bears that out.

pub mod runs;
pub mod snapshot;

#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::requirement::{Catalogue, Class, Requirement};
use crate::run::cast::Cast;
use crate::run::divergence::Divergence;
use crate::run::plan::unsupported;
use crate::subject::{Implementation, Subject};
use crate::suite::{Case, Suite};
use crate::version;

/// How an implementation stands to a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Cases judge it, and none is known to fail.
    Tested,
    /// A case fails as a recorded divergence says.
    Deviates,
    /// All its cases need what the implementation does not have.
    Unsupported,
    /// In a run: a case did not pass, and no record says so.
    Failed,
    /// In a run: a case could not be judged.
    Unjudged,
}

impl State {
    /// All states.
    pub const ALL: [State; 5] = [State::Tested, State::Deviates, State::Unsupported, State::Failed, State::Unjudged];

    /// The word in tables and snapshots.
    pub const fn name(self) -> &'static str {
        match self {
            State::Tested => "tested",
            State::Deviates => "deviates",
            State::Unsupported => "unsupported",
            State::Failed => "failed",
            State::Unjudged => "unjudged",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Requirements by implementations.
#[derive(Clone, Debug)]
pub struct Matrix<'a> {
    /// Implementations as on the command line, `peer` first; those that play in no case are left out.
    pub columns: Vec<String>,
    /// In the order of the catalogue.
    pub rows: Vec<Row<'a>>,
}

/// A requirement, and who is judged by it.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// The requirement.
    pub requirement: &'a Requirement,
    /// Ids of the cases that cite it, in order.
    pub cases: Vec<String>,
    /// Column -> state; a column that is not there is judged by no case.
    pub cells: BTreeMap<String, State>,
    /// Column -> cases that are planned for it, with what is known of each beforehand.
    pub planned: BTreeMap<String, Vec<(String, State)>>,
}

impl Row<'_> {
    /// Whether no case judges anybody by it.
    pub fn is_untested(&self) -> bool {
        self.cells.is_empty()
    }

    /// Why nobody is judged by it; `None` if somebody is, and `Some(None)` if nobody says why.
    pub fn untested(&self) -> Option<Option<Class>> {
        self.is_untested().then(|| self.requirement.untested.as_ref().map(|untested| untested.class))
    }
}

/// What the matrix is made of.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The requirements.
    pub catalogue: &'a Catalogue,
    /// The suites.
    pub suites: &'a [Suite],
    /// Who there is to be judged besides the built-in peer.
    pub implementations: &'a [Arc<Implementation>],
    /// What they are known to do otherwise.
    pub divergences: &'a [Divergence],
}

impl<'a> Matrix<'a> {
    /// The matrix as it follows from suites and records alone.
    pub fn of(facts: &Facts<'a>) -> Self {
        let mut subjects = vec![Subject::BuiltIn];
        for implementation in facts.implementations {
            let mut versions = implementation.versions.clone();
            versions.sort_by(|a, b| version::compare(&a.version, &b.version));
            subjects.extend(versions.into_iter().map(|version| Subject::Router(Arc::clone(implementation), version)));
        }
        let mut rows: Vec<Row<'a>> = facts
            .catalogue
            .all()
            .iter()
            .map(|requirement| Row { requirement, cases: Vec::new(), cells: BTreeMap::new(), planned: BTreeMap::new() })
            .collect();
        let cases = facts.suites.iter().flat_map(|suite| suite.cases.iter().map(move |case| (suite, case)));
        for (suite, case) in cases.filter(|(suite, case)| suite.topology_of(case).capture.is_none()) {
            let mut states: Option<Vec<(String, State)>> = None;
            let mut cited: Vec<&str> = case.cites.iter().filter_map(|cite| cite.requirement.as_deref()).collect();
            cited.sort_unstable();
            cited.dedup();
            for id in cited {
                // Who cites what there is not is told by `cargo lab check`.
                let Some(row) = rows.iter_mut().find(|row| row.requirement.id == id) else { continue };
                let states = states.get_or_insert_with(|| {
                    let of = |subject: &Subject| Some((subject.id(), known(facts, suite, case, subject)?));
                    subjects.iter().filter_map(of).collect()
                });
                let case_id = suite.case_id(case);
                for (column, state) in states.iter() {
                    row.planned.entry(column.clone()).or_default().push((case_id.clone(), *state));
                }
                row.cases.push(case_id);
            }
        }
        for row in &mut rows {
            row.cells = row.planned.iter().filter_map(|(name, cases)| Some((name.clone(), together(cases)?))).collect();
        }
        let columns = subjects.iter().map(Subject::id);
        let columns = columns.filter(|column| rows.iter().any(|row| row.cells.contains_key(column))).collect();
        Matrix { columns, rows }
    }

    /// Only requirements whose id is, or begins with, one of these, in whole parts: `NHRP-5.2` is no beginning of
    /// `NHRP-5.20-01`. Nothing given leaves all.
    ///
    /// # Errors
    /// The first that no requirement begins with.
    pub fn only(mut self, ids: &[String]) -> Result<Self, String> {
        let begins = |id: &str, wanted: &str| {
            id.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
        };
        if let Some(stranger) =
            ids.iter().find(|wanted| !self.rows.iter().any(|row| begins(&row.requirement.id, wanted)))
        {
            return Err(stranger.clone());
        }
        if !ids.is_empty() {
            self.rows.retain(|row| ids.iter().any(|wanted| begins(&row.requirement.id, wanted)));
        }
        Ok(self)
    }

    /// How many requirements of each family are in which state for each column. Those judged by no case count as `None`.
    pub fn counts(&self) -> BTreeMap<(&str, &str), BTreeMap<Option<State>, usize>> {
        let mut counts: BTreeMap<_, BTreeMap<_, usize>> = BTreeMap::new();
        for row in &self.rows {
            for column in &self.columns {
                let of = counts.entry((row.requirement.family(), column.as_str())).or_default();
                *of.entry(row.cells.get(column).copied()).or_default() += 1;
            }
        }
        counts
    }

    /// What the project does not accept of itself: requirements without a case and without a reason, and too large a part
    /// of a family without a case.
    pub fn gaps(&self) -> Vec<String> {
        let silent = self.rows.iter().filter(|row| row.untested() == Some(None));
        let mut gaps: Vec<String> = silent
            .map(|row| {
                let (id, file) = (&row.requirement.id, row.requirement.file.display());
                format!("{id}: no case judges it, and {file} does not say why (`untested`)")
            })
            .collect();
        for (family, most_percent) in MOST_UNTESTED {
            let all: Vec<_> = self
                .rows
                .iter()
                .filter(|row| row.requirement.family() == family && row.requirement.is_on_the_wire())
                .collect();
            let untested = all.iter().filter(|row| row.is_untested()).count();
            if untested * 100 > all.len() * most_percent {
                gaps.push(format!(
                    "{untested} of {} requirements of {family} that can be judged on the wire are not: more than \
                     {most_percent} %",
                    all.len()
                ));
            }
        }
        gaps
    }
}

/// How many of a family's requirements on the wire may be without a case, in per cent.
const MOST_UNTESTED: [(&str, usize); 1] = [("NHRP", 10)];

/// What is known of a case for an implementation without running it; `None` if it does not judge that implementation.
fn known(facts: &Facts<'_>, suite: &Suite, case: &Case, subject: &Subject) -> Option<State> {
    let cast = Cast::new(suite.topology_of(case), subject, &Subject::BuiltIn, facts.implementations).ok()?;
    let plays = cast.subject == *subject && cast.players().any(|(_, player)| player == subject);
    if !plays || !suite.worlds_of(case).contains(&cast.world()) {
        return None;
    }
    if unsupported(suite, case, &cast).is_some() {
        return Some(State::Unsupported);
    }
    let id = suite.case_id(case);
    let deviates = matches!(subject, Subject::Router(..))
        && facts.divergences.iter().any(|entry| entry.concerns(&id, subject.name(), subject.version()));
    Some(if deviates { State::Deviates } else { State::Tested })
}

/// What several cases say together: whoever deviates in one deviates, and what is unsupported in all is.
fn together(cases: &[(String, State)]) -> Option<State> {
    const WEIGHT: [State; 5] = [State::Unsupported, State::Tested, State::Deviates, State::Unjudged, State::Failed];
    let weight = |state: &State| WEIGHT.iter().position(|other| other == state);
    let heaviest = |a: &State, b: &State| -> Ordering { weight(a).cmp(&weight(b)) };
    cases.iter().map(|(_, state)| *state).max_by(heaviest)
}
