//! The hunt: which cases notice a fault.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use super::Fault;
use crate::run::case::Settings;
use crate::run::execute::trial;
use crate::run::plan::Cell;
use crate::run::side_by_side::side_by_side;
use crate::verdict::Outcome;

/// What came of one fault.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// Name of the fault.
    pub fault: &'static str,
    /// The requirement that it breaks.
    pub requirement: &'static str,
    /// What the peer did wrong.
    pub what: &'static str,
    /// Cases that noticed it, in the order in which they were tried: one, unless all were wanted.
    pub noticed_by: Vec<Notice>,
    /// Cases that were tried.
    pub tried: usize,
}

/// A case that noticed a fault.
#[derive(Debug, Serialize)]
pub struct Notice {
    /// Id of the case.
    pub case: String,
    /// Outcome, by its name.
    pub outcome: &'static str,
    /// Why.
    pub reason: String,
    /// Whether the case cites the requirement that the fault breaks.
    pub cites: bool,
}

/// How to hunt.
#[derive(Clone, Copy, Debug)]
pub struct Hunt<'a> {
    /// Simulated cells that pass without any fault.
    pub cells: &'a [Cell<'a>],
    /// Seed of all cells.
    pub seed: u64,
    /// Whether to try every case even after one has noticed.
    pub exhaustive: bool,
    /// Faults at a time.
    pub jobs: usize,
}

impl Hunt<'_> {
    fn settings(&self, fault: Option<&'static Fault>) -> Settings {
        Settings { seed: self.seed, timeout_scale: 1.0, fault }
    }

    /// Cases that do not even pass without a fault: there is no telling what they would notice.
    pub fn broken(&self, interrupted: &Arc<AtomicBool>) -> Vec<(String, String)> {
        let judged = side_by_side(
            self.jobs,
            self.cells.len(),
            || going_on(interrupted),
            |index| {
                let verdict = trial(&self.cells[index], self.settings(None), interrupted);
                (!good(verdict.outcome)).then(|| (self.cells[index].id(), verdict.reason))
            },
        );
        judged.into_iter().flatten().collect()
    }

    /// Tries all faults, side by side. In the order of `faults`, fewer if interrupted.
    pub fn run(&self, faults: &[&'static Fault], interrupted: &Arc<AtomicBool>) -> Vec<Finding> {
        side_by_side(self.jobs, faults.len(), || going_on(interrupted), |index| self.one(faults[index], interrupted))
    }

    fn one(&self, fault: &'static Fault, interrupted: &Arc<AtomicBool>) -> Finding {
        let cites =
            |cell: &Cell<'_>| cell.case.cites.iter().any(|c| c.requirement.as_deref() == Some(fault.requirement));
        let mut order: Vec<&Cell<'_>> = self.cells.iter().collect();
        // Whoever stands on the broken sentence should notice first.
        order.sort_by_key(|cell| !cites(cell));
        let mut finding = Finding {
            fault: fault.name,
            requirement: fault.requirement,
            what: fault.what,
            noticed_by: Vec::new(),
            tried: 0,
        };
        for cell in order {
            if !going_on(interrupted) || (!self.exhaustive && !finding.noticed_by.is_empty()) {
                break;
            }
            finding.tried += 1;
            let verdict = trial(cell, self.settings(Some(fault)), interrupted);
            if !good(verdict.outcome) {
                let (case, outcome) = (cell.id(), verdict.outcome.name());
                finding.noticed_by.push(Notice { case, outcome, reason: verdict.reason, cites: cites(cell) });
            }
        }
        finding
    }
}

fn going_on(interrupted: &AtomicBool) -> bool {
    !interrupted.load(Ordering::Relaxed)
}

/// Whether a verdict notices nothing.
fn good(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Pass | Outcome::Info | Outcome::Unsupported | Outcome::Skip | Outcome::Xfail)
}
