//! `advance`, `wait`, `impair`, `mark`, `measure`, `exec`, `note`.

use crate::agent::protocol::{Action, Outcome, Status};
use crate::dissect::FieldValue;
use crate::expect::{Bound, matcher};
use crate::run::case::{CaseRun, Stop};
use crate::suite::{DurationExpr, ExecStep, ImpairStep, Matcher, MeasureStep, Percent, Spanned, Step};
use crate::verdict::Metric;
use crate::world::LabError;
use crate::world::link::{Impairment, Share};
use crate::world::timeline::What;

/// Lets time pass.
pub(super) fn pass(run: &mut CaseRun<'_>, length: &DurationExpr) -> Result<(), Stop> {
    let until = run.world.now() + run.env.duration(length);
    Ok(run.world.pump_until(until)?)
}

pub(super) fn impair(run: &mut CaseRun<'_>, step: &ImpairStep) -> Result<(), Stop> {
    let share = |percent: Option<Percent>| {
        percent.map(|percent| Share::percent(percent.probability() * 100.0)).unwrap_or_default()
    };
    let length = |expr: &Option<DurationExpr>| expr.as_ref().map(|expr| run.env.duration(expr));
    let impairment = Impairment {
        from: step.from.clone(),
        to: step.to.clone(),
        delay: length(&step.delay).unwrap_or_default(),
        jitter: length(&step.jitter).unwrap_or_default(),
        loss: share(step.loss),
        duplicate: share(step.duplicate),
        reorder: share(step.reorder),
        corrupt: share(step.corrupt),
        block: step.block,
        until: length(&step.during).map(|length| run.world.now() + length),
    };
    Ok(run.world.fabric.impair(&step.link, impairment)?)
}

/// Names the instant of the packet that the step before took; the present one if it took none.
pub(super) fn mark(run: &mut CaseRun<'_>, name: &str) -> Result<(), Stop> {
    let now = run.world.now();
    let at = run.last_match.filter(|_| run.just_matched).unwrap_or(now);
    run.env.bind(name, Bound::Mark(at));
    Ok(())
}

pub(super) fn measure<'a>(run: &mut CaseRun<'a>, step: &'a Spanned<Step>, measure: &MeasureStep) -> Result<(), Stop> {
    let from = run.reference(Some(&measure.from))?;
    let to = run.reference(Some(&measure.to))?;
    let length = to.saturating_since(from);
    let at_most = measure.at_most.as_ref().map(|bound| run.bound(Some(bound)));
    let at_least = measure.at_least.as_ref().map(|bound| run.env.duration(bound));
    run.metrics.push(Metric {
        name: measure.name.clone(),
        value: length.as_secs_f64(),
        unit: "s".to_owned(),
        at_most: at_most.map(|bound| bound.as_secs_f64()),
    });
    let broken = match (at_most, at_least) {
        (Some(bound), _) if length > bound => Some(format!("at most {bound:?}")),
        (_, Some(bound)) if length < bound => Some(format!("at least {bound:?}")),
        _ => None,
    };
    match broken {
        None => Ok(()),
        Some(bound) => {
            let reason = format!("`{}` is {length:?}, {bound} was wanted", measure.name);
            let expected = vec![format!("{} from {} to {}: {bound}", measure.name, measure.from, measure.to)];
            Err(run.failed(&step.span, &step.value, reason, expected, format!("{length:?}"), None))
        }
    }
}

pub(super) fn exec<'a>(run: &mut CaseRun<'a>, step: &'a Spanned<Step>, exec: &ExecStep) -> Result<(), Stop> {
    if !run.routers.contains_key(&exec.node) {
        let problem = "is played by the harness itself: there is nothing to run a program in".to_owned();
        return Err(LabError::Router { node: exec.node.clone(), problem }.into());
    }
    let patience = run.bound(None);
    let timeout_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
    let action = Action::Exec { argv: exec.argv.clone(), stdin: None, timeout_ms };
    let outcome = run.world.order(&exec.node, action, patience * 2)?;
    let Outcome::Exec { status, stdout, stderr, .. } = outcome else {
        return Err(LabError::Router { node: exec.node.clone(), problem: format!("{outcome:?}") }.into());
    };
    let mut fits = status == Status::Exited(exec.exit);
    let mut expected = vec![format!("`{}` exits with {}", exec.argv.join(" "), exec.exit)];
    if let Some(wanted) = &exec.stdout {
        fits &= output_fits(run, wanted, &stdout);
        expected.push(format!("its output {wanted}"));
    }
    if fits {
        return Ok(());
    }
    let actual = format!("{status:?}; output: {} {}", stdout.trim(), stderr.trim());
    let reason = format!("`{}` on `{}` did not do what was expected", exec.argv.join(" "), exec.node);
    Err(run.failed(&step.span, &step.value, reason, vec![expected.join(", and ")], actual, None))
}

fn output_fits(run: &CaseRun<'_>, wanted: &Matcher, output: &str) -> bool {
    let actual = FieldValue::Text(output.trim_end().to_owned());
    matcher::holds(wanted, Some(&actual), &run.env)
}

pub(super) fn note(run: &mut CaseRun<'_>, text: &str) -> Result<(), Stop> {
    let at = run.world.now();
    run.world.fabric.timeline.push(at, What::Note(text.to_owned()));
    Ok(())
}
