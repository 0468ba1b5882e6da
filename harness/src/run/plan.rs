//! From a selection of cases and a list of subjects to the cells that will run.

use crate::subject::Subject;
use crate::suite::select::Selection;
use crate::suite::{Binding, Case, ClockKind, Suite, WorldKind};
use crate::verdict::Verdict;

/// One case with one subject in one world.
#[derive(Clone, Debug)]
pub struct Cell<'a> {
    /// The suite.
    pub suite: &'a Suite,
    /// The case.
    pub case: &'a Case,
    /// Who is under test.
    pub subject: Subject,
    /// Where.
    pub world: WorldKind,
    /// The verdict that is known without running it: what the subject declares that it does not have.
    pub known: Option<Verdict>,
}

impl Cell<'_> {
    /// The full id of the case.
    pub fn id(&self) -> String {
        self.suite.case_id(self.case)
    }
}

/// What runs, and what does not because it does not belong here.
#[derive(Debug, Default)]
pub struct Plan<'a> {
    /// In the order of subjects, suites and files.
    pub cells: Vec<Cell<'a>>,
    /// Cases that are not for this world or clock: id and why. They are said, and are no skips: nothing that this
    /// machine lacks would make them run.
    pub elsewhere: Vec<(String, String)>,
}

/// The world that a subject lives in.
pub fn world_of(subject: &Subject) -> WorldKind {
    match subject {
        Subject::BuiltIn => WorldKind::Sim,
        Subject::Router(..) => WorldKind::Real,
    }
}

/// Plans every selected case for every subject. `clock` is the one that world `real` has here.
pub fn plan<'a>(selection: &Selection<'a>, subjects: &[Subject], clock: ClockKind) -> Plan<'a> {
    let mut plan = Plan::default();
    for subject in subjects {
        let world = world_of(subject);
        let clock = if world == WorldKind::Sim { ClockKind::Virtual } else { clock };
        for pick in &selection.picks {
            let (suite, case) = (pick.suite, pick.case);
            if !suite.worlds_of(case).contains(&world) {
                plan.elsewhere.push((pick.id(), format!("not for world {}", world.name())));
                continue;
            }
            if suite.clock_of(case).is_some_and(|wanted| wanted != clock) {
                plan.elsewhere.push((pick.id(), format!("not with a {} clock", clock.name())));
                continue;
            }
            let known = unsupported(suite, case, subject);
            plan.cells.push(Cell { suite, case, subject: subject.clone(), world, known });
        }
    }
    plan
}

/// What the subject declares that it does not have.
fn unsupported(suite: &Suite, case: &Case, subject: &Subject) -> Option<Verdict> {
    let Subject::Router(implementation, release) = subject else { return None };
    let verdict = |cause: String, reason: String| {
        Some(Verdict::new(crate::verdict::Outcome::Unsupported, reason).with_cause(cause))
    };
    let played = suite.topology_of(case).nodes.iter().filter(|(_, node)| node.bind == Some(Binding::Subject));
    for (name, node) in played {
        if !node.scripted && !implementation.roles.iter().any(|role| role == node.role.name()) {
            let role = node.role.name();
            return verdict(
                format!("role.{role}"),
                format!("{} is not described as {role} (node {name})", subject.id()),
            );
        }
    }
    for capability in suite.needs_of(case) {
        if let Some(lack) = implementation.lack(release, capability) {
            return verdict(capability.to_owned(), format!("{}: {}", subject.id(), lack.because));
        }
    }
    None
}
