//! `start`, `stop`, `kill`, `restart`, `ready`.

use std::time::Duration;

use dmvpn_core::time::Instant;
use serde_json::Value;

use crate::agent::protocol::{Action, Outcome};
use crate::run::case::{CaseRun, ROUTER_PATIENCE, RouterPart, Stop};
use crate::subject::render;
use crate::suite::{ReadyStep, Spanned, Step};
use crate::world::LabError;

/// Makes a router that has just booted ready for cases, and sees that it is what its name says.
pub(crate) fn set_up(run: &mut CaseRun<'_>, node: &str, part: &RouterPart) -> Result<(), LabError> {
    if let Some(probe) = &part.implementation.version_probe {
        let outcomes = order_all(run, node, std::slice::from_ref(probe))?;
        let said = match outcomes.first() {
            Some(Outcome::Exec { stdout, .. }) => stdout.trim().to_owned(),
            other => format!("{other:?}"),
        };
        if !said.contains(&part.release.version) {
            let problem = format!("its image should have version {}, but it says: {said}", part.release.version);
            return Err(LabError::Router { node: node.to_owned(), problem });
        }
    }
    order_all(run, node, &part.implementation.boot).map(drop)
}

/// Starts a node; a router has its configuration when this returns.
pub(crate) fn start(run: &mut CaseRun<'_>, node: &str) -> Result<(), LabError> {
    let id = run.world.fabric.station(node)?;
    let now = run.world.now();
    run.world.spare(node);
    run.world.fabric.start(id, now)?;
    let Some(part) = run.routers.get_mut(node) else { return Ok(()) };
    part.started = true;
    part.touched = true;
    let actions = part.implementation.start.clone();
    order_all(run, node, &actions)?;
    settle(run)
}

/// Under a virtual clock, lets time pass to the next tenth of a second of the case. How many milliseconds an order takes
/// hangs on which of two daemons was looked at first; what the harness does next shall be at the same instant in every
/// run.
pub(crate) fn settle(run: &mut CaseRun<'_>) -> Result<(), LabError> {
    const GRID_NS: u128 = 100_000_000;
    if !run.world.is_virtual() {
        return Ok(());
    }
    let (begin, now) = (run.world.fabric.timeline.begin, run.world.now());
    let over = now.saturating_since(begin).as_nanos() % GRID_NS;
    let rest = u64::try_from(GRID_NS - over).unwrap_or(0);
    run.world.pump_until(now + Duration::from_nanos(rest))
}

/// Stops a node in an orderly way.
pub(crate) fn stop(run: &mut CaseRun<'_>, node: &str) -> Result<(), LabError> {
    end(run, node, true, |part| part.implementation.stop.clone())
}

/// Stops a node without a goodbye.
pub(crate) fn kill(run: &mut CaseRun<'_>, node: &str) -> Result<(), LabError> {
    end(run, node, false, |part| part.implementation.kill.clone())
}

fn end(
    run: &mut CaseRun<'_>,
    node: &str,
    goodbye: bool,
    actions: impl Fn(&RouterPart) -> Vec<Value>,
) -> Result<(), LabError> {
    let id = run.world.fabric.station(node)?;
    if !goodbye {
        // Nothing of what it still says counts.
        let now = run.world.now();
        run.world.fabric.stop(id, now, false);
    }
    if let Some(part) = run.routers.get_mut(node).filter(|part| part.started) {
        part.started = false;
        let actions = actions(part);
        for process in part.implementation.processes.clone() {
            run.world.condemn(&format!("{node}/{process}"));
        }
        order_all(run, node, &actions)?;
        settle(run)?;
    }
    if goodbye {
        let now = run.world.now();
        run.world.fabric.stop(id, now, true);
    }
    Ok(())
}

/// Waits until nodes are ready. Built-in peers are as soon as they run.
pub(crate) fn ready<'a>(run: &mut CaseRun<'a>, step: &'a Spanned<Step>, ready: &ReadyStep) -> Result<(), Stop> {
    let limit = ready.within.as_ref().map_or(ROUTER_PATIENCE, |within| run.bound(Some(within)));
    let deadline = run.world.now() + limit;
    for node in &ready.nodes {
        if let Some(problem) = until_ready(run, node, deadline)? {
            let expected = vec![format!("`{node}` is ready within {limit:?}")];
            let reason = format!("`{node}` is not ready");
            return Err(run.failed(&step.span, &step.value, reason, expected, problem, None));
        }
    }
    Ok(())
}

/// Asks a node again and again whether it is ready. What it lacks if it is not by `deadline`.
pub(crate) fn until_ready(run: &mut CaseRun<'_>, node: &str, deadline: Instant) -> Result<Option<String>, LabError> {
    const POLL: Duration = Duration::from_millis(20);
    let Some(part) = run.routers.get(node) else { return Ok(None) };
    let probes = part.implementation.ready.clone();
    loop {
        let problem = match order_all(run, node, &probes) {
            Ok(_) => return Ok(None),
            Err(LabError::Router { problem, .. }) => problem,
            Err(other) => return Err(other),
        };
        if run.world.now() >= deadline {
            return Ok(Some(problem));
        }
        let pause = run.world.now() + POLL;
        run.world.pump_until(pause)?;
    }
}

/// Renders actions for a node and has its agent carry them out, in one round trip.
///
/// # Errors
/// [`LabError::Router`] with what the first action that failed has to say.
pub(crate) fn order_all(run: &mut CaseRun<'_>, node: &str, actions: &[Value]) -> Result<Vec<Outcome>, LabError> {
    order_with(run, node, actions, Value::Null)
}

/// As [`order_all`], with the members of `more` among the words of the templates.
pub(crate) fn order_with(
    run: &mut CaseRun<'_>,
    node: &str,
    actions: &[Value],
    more: Value,
) -> Result<Vec<Outcome>, LabError> {
    let broken = |problem: String| LabError::Router { node: node.to_owned(), problem };
    let mut vocabulary = run.words(node)?;
    if let (Value::Object(known), Value::Object(more)) = (&mut vocabulary, more) {
        known.extend(more);
    }
    let actions = render(actions, &vocabulary).map_err(broken)?;
    if actions.is_empty() {
        return Ok(Vec::new());
    }
    let shown: Vec<Action> = actions.clone();
    let outcome = run.world.order(node, Action::Batch { actions, keep_going: false }, ROUTER_PATIENCE)?;
    match outcome {
        Outcome::Batch { outcomes } => match outcomes.iter().position(Outcome::failed) {
            Some(index) => {
                let action = shown.get(index).map_or_else(|| "?".to_owned(), describe);
                Err(broken(format!("{action} failed: {}", words(&outcomes[index]))))
            }
            None => Ok(outcomes),
        },
        other => Err(broken(words(&other))),
    }
}

/// An action in a few words, without file contents (they may hold secrets).
fn describe(action: &Action) -> String {
    match action {
        Action::Exec { argv, .. } => format!("`{}`", argv.join(" ")),
        Action::Spawn { name, .. } => format!("starting {name}"),
        Action::Kill { name, signal, .. } => format!("signal {signal} to {name}"),
        Action::Write { path, .. } => format!("writing {path}"),
        Action::Vty { socket, .. } => format!("commands to {socket}"),
        Action::Mkdir { path, .. } => format!("making {path}"),
        Action::Remove { paths } => format!("removing {}", paths.join(", ")),
        Action::Read { path, .. } => format!("reading {path}"),
        Action::Batch { .. } | Action::Ping {} | Action::Shutdown {} => "an order".to_owned(),
    }
}

/// What a failed outcome has to say.
fn words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Failed { reason } => reason.clone(),
        Outcome::Exec { status, stdout, stderr, overrun, .. } => {
            let over = if *overrun { ", its time was over" } else { "" };
            format!("{status:?}{over}: {} {}", stderr.trim(), stdout.trim())
        }
        Outcome::Vty { replies } => replies.last().map_or_else(String::new, |reply| {
            format!("`{}` was answered with status {}: {}", reply.command, reply.status, reply.output.trim())
        }),
        other => format!("{other:?}"),
    }
}
