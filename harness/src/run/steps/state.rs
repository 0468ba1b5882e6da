//! `state`: questions to neutral views.

use std::net::IpAddr;
use std::time::Duration;

use dmvpn_core::io::{Command, Reply};
use dmvpn_core::time::Instant;
use serde_json::Value;

use super::lifecycle::order_all;
use crate::dissect::FieldValue;
use crate::expect::check_row;
use crate::run::case::{CaseRun, Stop};
use crate::subject::{ViewRow, rows_of_peer, rows_of_router};
use crate::suite::{Row, Spanned, StateCheck, StateStep, Step};
use crate::verdict::Metric;
use crate::world::LabError;
use crate::world::timeline::What;

/// How often a router is asked while a step waits for its state: at first, and at the least. In between it is a fiftieth
/// of the time that has been waited, as hours of virtual time would else be hundreds of thousands of questions.
const POLL: Duration = Duration::from_millis(20);
const RAREST_POLL: Duration = Duration::from_secs(10);
/// How often where the instant itself is judged: a tenth of what is allowed, as long as questions are worth it.
const FINEST_POLL: Duration = Duration::from_micros(500);

pub(super) fn state<'a>(run: &mut CaseRun<'a>, step: &'a Spanned<Step>, state: &'a StateStep) -> Result<(), Stop> {
    if let Some(turns) = &state.turns {
        return turns_at(run, step, state, run.instant_of(turns)?, run.reference(turns.after.as_deref())?);
    }
    if let Some(at) = &state.at {
        let target = run.instant_of(at)?;
        run.world.pump_until(target)?;
        return match ask(run, state)? {
            (true, _) => hold(run, step, state),
            (false, rows) => Err(broken(run, step, state, &rows, "does not hold at that instant")),
        };
    }
    let deadline = run.world.now() + run.bound(state.within.as_ref());
    match wait_for(run, state, deadline, None)? {
        Ok(()) => hold(run, step, state),
        Err(rows) => Err(broken(run, step, state, &rows, "does not hold in time")),
    }
}

/// Asks until the condition holds, or returns the last rows at the deadline. `poll` is for waits in which the instant
/// itself counts.
fn wait_for(
    run: &mut CaseRun<'_>,
    state: &StateStep,
    deadline: Instant,
    poll: Option<Duration>,
) -> Result<Result<(), Vec<ViewRow>>, Stop> {
    let began = run.world.now();
    loop {
        let (holds, rows) = ask(run, state)?;
        if holds {
            return Ok(Ok(()));
        }
        if run.world.now() >= deadline {
            return Ok(Err(rows));
        }
        let poll = poll.unwrap_or_else(|| patient(run, began));
        pause(run, state, deadline, poll)?;
    }
}

/// The condition must go on holding.
fn hold<'a>(run: &mut CaseRun<'a>, step: &'a Spanned<Step>, state: &'a StateStep) -> Result<(), Stop> {
    let Some(length) = &state.hold_for else { return Ok(()) };
    let began = run.world.now();
    let until = began + run.env.duration(length);
    loop {
        let (holds, rows) = ask(run, state)?;
        if !holds {
            return Err(broken(run, step, state, &rows, "stopped holding"));
        }
        if run.world.now() >= until {
            return Ok(());
        }
        let poll = patient(run, began);
        pause(run, state, until, poll)?;
    }
}

/// The condition must turn true at this instant: not before it less the tolerance, and not after it plus the tolerance.
fn turns_at<'a>(
    run: &mut CaseRun<'a>,
    step: &'a Spanned<Step>,
    state: &'a StateStep,
    target: Instant,
    reference: Instant,
) -> Result<(), Stop> {
    // An exact clock is asked one nanosecond before and at the instant.
    let slack = run.tolerance(None, target.saturating_since(reference)).max(Duration::from_nanos(1));
    run.world.pump_until(target - slack)?;
    if let (true, rows) = ask(run, state)? {
        return Err(broken(run, step, state, &rows, "held already before its instant"));
    }
    let exact = slack == Duration::from_nanos(1);
    let deadline = if exact { target } else { target + slack };
    if exact {
        run.world.pump_until(target)?;
    }
    match wait_for(run, state, deadline, Some((slack / 10).clamp(FINEST_POLL, POLL)))? {
        Ok(()) => {
            let now = run.world.now();
            let off = now.saturating_since(target).max(target.saturating_since(now));
            let node = &state.node;
            run.measured(&format!("{node} {} turned, off by", state.view), off);
            Ok(())
        }
        Err(rows) => Err(broken(run, step, state, &rows, "does not hold at its instant")),
    }
}

/// How long to leave a router alone that has been asked since `began`.
fn patient(run: &CaseRun<'_>, began: Instant) -> Duration {
    (run.world.now().saturating_since(began) / 50).clamp(POLL, RAREST_POLL)
}

/// Until something happens or it is time to ask again.
fn pause(run: &mut CaseRun<'_>, state: &StateStep, limit: Instant, poll: Duration) -> Result<(), LabError> {
    if run.routers.contains_key(&state.node) {
        let until = (run.world.now() + poll).min(limit);
        run.world.pump_until(until)
    } else {
        run.world.pump(limit)
    }
}

/// Whether the condition holds, and the lines of the view that the filter lets through.
fn ask(run: &mut CaseRun<'_>, state: &StateStep) -> Result<(bool, Vec<ViewRow>), Stop> {
    let rows = view(run, &state.node, &state.view)?;
    let fits = |row: &ViewRow, wanted: &Row| check_row(row, "", wanted, &run.env, &mut Vec::new(), &mut Vec::new());
    let rows: Vec<ViewRow> = rows.into_iter().filter(|row| fits(row, &state.filter)).collect();
    let holds = match &state.check {
        StateCheck::Present => !rows.is_empty(),
        StateCheck::Absent => rows.is_empty(),
        StateCheck::Contains(wanted) => assign(&rows, wanted, fits),
        StateCheck::Equals(wanted) => rows.len() == wanted.len() && assign(&rows, wanted, fits),
    };
    let at = run.world.now();
    let told = as_json(&rows);
    // Polling the same answer again and again would bury everything else.
    let last = run.world.fabric.timeline.entries().iter().rev().find_map(|entry| match &entry.what {
        What::View { node, view, rows } if *node == state.node && *view == state.view => Some(rows),
        _ => None,
    });
    if last != Some(&told) {
        let seen = What::View { node: state.node.clone(), view: state.view.clone(), rows: told };
        run.world.fabric.timeline.push(at, seen);
    }
    Ok((holds, rows))
}

/// Every wanted line has a line of its own.
fn assign(rows: &[ViewRow], wanted: &[Row], fits: impl Fn(&ViewRow, &Row) -> bool) -> bool {
    let mut taken = vec![false; rows.len()];
    wanted.iter().all(|wanted| {
        let found = rows.iter().enumerate().find(|(index, row)| !taken[*index] && fits(row, wanted));
        found.map(|(index, _)| index).is_some_and(|index| {
            taken[index] = true;
            true
        })
    })
}

/// The lines of a view of a node, whoever plays it. A node that does not run has none.
fn view(run: &mut CaseRun<'_>, node: &str, view: &str) -> Result<Vec<ViewRow>, LabError> {
    let cannot = |problem: String| LabError::Router { node: node.to_owned(), problem };
    if let Some(part) = run.routers.get(node) {
        if !part.started {
            return Ok(Vec::new());
        }
        let implementation = part.implementation.clone();
        let adapter = implementation.views.get(view).ok_or_else(|| {
            cannot(format!("{} has no view `{view}` in its implementation file", implementation.name))
        })?;
        let outcomes = order_all(run, node, std::slice::from_ref(&adapter.ask))?;
        let outcome = outcomes.first().ok_or_else(|| cannot(format!("nothing to ask for view `{view}`")))?;
        let mut rows = rows_of_router(adapter, outcome).map_err(cannot)?;
        if view == "nhrp.nhs" {
            // A router knows its servers by address only; what they are called is the suite's matter.
            for row in &mut rows {
                let name = match row.get("nbma") {
                    Some(FieldValue::Addr(nbma)) => name_of(run, *nbma),
                    _ => None,
                };
                row.extend(name.map(|name| ("node".to_owned(), FieldValue::Text(name))));
            }
        }
        return Ok(rows);
    }
    let id = run.world.fabric.station(node)?;
    let now = run.world.now();
    let Some(Reply::Nhrp(state)) = run.world.fabric.command(id, now, Command::ShowNhrp) else { return Ok(Vec::new()) };
    let rows = rows_of_peer(view, &state, now, |nbma| name_of(run, nbma));
    rows.ok_or_else(|| cannot(format!("the built-in peer has no view `{view}`")))
}

/// The station with that NBMA address.
fn name_of(run: &CaseRun<'_>, nbma: IpAddr) -> Option<String> {
    run.stations.values().find(|station| station.nbma == nbma).map(|station| station.name.clone())
}

fn as_json(rows: &[ViewRow]) -> Value {
    let cell = |value: &FieldValue| match value {
        FieldValue::Uint(number) => Value::from(*number),
        other => Value::from(other.to_string()),
    };
    let line = |row: &ViewRow| Value::Object(row.iter().map(|(column, value)| (column.clone(), cell(value))).collect());
    Value::Array(rows.iter().map(line).collect())
}

fn broken(run: &CaseRun<'_>, step: &Spanned<Step>, state: &StateStep, rows: &[ViewRow], how: &str) -> Stop {
    let actual = if rows.is_empty() {
        format!("{} of `{}` has no such line", state.view, state.node)
    } else {
        format!("{} of `{}` has {}", state.view, state.node, as_json(rows))
    };
    let reason = format!("the state {how}: {actual}");
    run.failed(&step.span, &step.value, reason, vec![step.value.to_string()], actual, None)
}

impl CaseRun<'_> {
    /// Keeps how far something was from where it should be, for reports: real daemons are judged within a tolerance,
    /// and people want to know how much of it was used.
    pub(super) fn measured(&mut self, name: &str, off: Duration) {
        self.metrics.push(Metric {
            name: name.to_owned(),
            value: off.as_secs_f64() * 1000.0,
            unit: "ms".to_owned(),
            at_most: None,
        });
    }
}
