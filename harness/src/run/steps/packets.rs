//! `send`, `expect`, `expect_none`, `expect_every`.
//!
//! An expectation looks at packets from behind the one that the last expectation took: nothing that came while the
//! harness was busy is missed, and nothing is taken twice.

use std::sync::Arc;
use std::time::Duration;

use dmvpn_core::time::Instant;

use crate::expect::{Bound, judge, nearest};
use crate::run::case::{CaseRun, Stop};
use crate::run::compose::compose;
use crate::suite::{ExpectEvery, ExpectNone, PacketExpectation, PacketPattern, SendStep, Spanned, Step};
use crate::verdict::Comparison;
use crate::world::LabError;
use crate::world::timeline::Packet;

pub(super) fn send(run: &mut CaseRun<'_>, step: &SendStep) -> Result<(), Stop> {
    let from = run.stations.get(&step.from).ok_or_else(|| LabError::internal("a sender without addresses"))?;
    let to = match (&step.to, &step.content) {
        (Some(to), _) => run.stations.get(to),
        // An answer goes back to where the question came from.
        _ => None,
    };
    let octets = compose(step, from, to, &run.env)?;
    let id = run.world.fabric.station(&step.from)?;
    let every = step.every.as_ref().map(|every| run.env.duration(every));
    for number in 0..step.repeat {
        let now = run.world.now();
        let sent = run.world.fabric.transmit(id, now, octets.clone());
        if let (Some(name), Some(packet), 0) = (&step.bind_as, sent, number) {
            run.env.bind(name, Bound::Packet(now, packet));
        }
        if let Some(every) = every.filter(|_| number + 1 < step.repeat) {
            run.world.pump_until(now + every)?;
        }
    }
    Ok(())
}

/// A packet that an expectation took.
struct Taken {
    index: usize,
    at: Instant,
    packet: Arc<Packet>,
}

/// Looks for the first packet that fits, from position `from` on.
fn look(
    run: &CaseRun<'_>,
    from: usize,
    pattern: &PacketPattern,
    any_of: &[PacketPattern],
) -> Option<(Taken, Vec<(String, crate::dissect::FieldValue)>)> {
    run.world.fabric.timeline.packets(from).find_map(|(index, at, packet)| {
        let judged = judge(packet, pattern, any_of, &run.env);
        judged.fits.then(|| (Taken { index, at, packet: Arc::clone(packet) }, judged.bindings))
    })
}

/// Position of the first entry that is later than what `after` names.
fn position_after(run: &CaseRun<'_>, after: Option<&str>) -> Result<usize, LabError> {
    let Some(name) = after else { return Ok(run.cursor) };
    let instant = run.reference(Some(name))?;
    let timeline = &run.world.fabric.timeline;
    if let Some(Bound::Packet(_, named)) = run.env.bound(name)
        && let Some((index, _, _)) = timeline.packets(0).find(|(_, _, packet)| Arc::ptr_eq(packet, named))
    {
        return Ok(index + 1);
    }
    Ok(timeline.entries().iter().position(|entry| entry.at > instant).unwrap_or(timeline.end()))
}

pub(super) fn expect<'a>(
    run: &mut CaseRun<'a>,
    step: &'a Spanned<Step>,
    expect: &'a PacketExpectation,
) -> Result<(), Stop> {
    let from = position_after(run, expect.after.as_deref())?;
    let mut position = from;
    let start = match expect.after.as_deref() {
        Some(name) => run.reference(Some(name))?.max(run.world.now()),
        None => run.world.now(),
    };
    let window = match &expect.at {
        Some(at) => {
            let target = run.instant_of(at)?;
            let length = target.saturating_since(run.reference(at.after.as_deref())?);
            let slack = run.tolerance(expect.tolerance.as_ref(), length);
            Some((target, slack))
        }
        None => None,
    };
    let deadline = window.map_or_else(|| start + run.bound(expect.within.as_ref()), |(target, slack)| target + slack);
    let give_up = deadline + run.grace();
    let mut seen = 0;
    let mut first: Option<Taken> = None;
    loop {
        while let Some((taken, bindings)) = look(run, position, &expect.pattern, &expect.any_of) {
            if taken.at > deadline {
                break;
            }
            if let Some((target, slack)) = window
                && taken.at + slack < target
            {
                return Err(early(run, step, expect, &taken, target, slack));
            }
            position = taken.index + 1;
            seen += 1;
            for (name, value) in bindings {
                run.env.bind(&name, Bound::Value(value));
            }
            run.cursor = position;
            run.last_match = Some(taken.at);
            first.get_or_insert(taken);
            if expect.count.max.is_some_and(|max| seen > max) {
                return Err(too_many(run, step, expect, seen));
            }
            if expect.count.max.is_none() && seen >= expect.count.min {
                break;
            }
        }
        if expect.count.max.is_none() && seen >= expect.count.min {
            break;
        }
        // What did not fit is not looked at again, or a busy wire would take time by the square of its packets.
        position = run.world.fabric.timeline.end();
        if run.world.now() >= give_up {
            if seen >= expect.count.min {
                break;
            }
            return Err(missing(run, step, expect, from, start, deadline, seen));
        }
        run.world.pump(give_up)?;
    }
    if let Some(taken) = first {
        if let Some((target, _)) = window {
            let off = taken.at.saturating_since(target).max(target.saturating_since(taken.at));
            run.measured("off by", off);
        }
        if let Some(name) = &expect.bind_as {
            run.env.bind(name, Bound::Packet(taken.at, taken.packet));
        }
    }
    Ok(())
}

fn missing(
    run: &CaseRun<'_>,
    step: &Spanned<Step>,
    expect: &PacketExpectation,
    from: usize,
    start: Instant,
    deadline: Instant,
    seen: u64,
) -> Stop {
    let waited = deadline.saturating_since(start);
    let expected = expectation_text(expect);
    let close = nearest(&run.world.fabric.timeline, from, &expect.pattern, &expect.any_of, &run.env);
    let (actual, comparison) = match close {
        Some((index, at, packet, comparison)) if seen == 0 => {
            let when = at.saturating_since(run.world.fabric.timeline.begin);
            let wrong: Vec<String> = comparison
                .rows
                .iter()
                .filter(|row| row.differs)
                .map(|row| format!("{} is {}", row.field, row.actual))
                .collect();
            let late =
                if wrong.is_empty() { format!("it came too late, {when:?} after the start") } else { wrong.join(", ") };
            let text = format!("{} from {} at {when:?}: {late}", packet.dissection().summary(), packet.from);
            (text, Some((index, comparison)))
        }
        _ if seen > 0 => (format!("{seen} of {} came within {waited:?}", expect.count.min), None),
        _ => (format!("no such message within {waited:?}"), None),
    };
    let reason = match &comparison {
        Some((_, comparison)) => reason_of(comparison, &actual),
        None => format!("expected {}; {actual}", expected.join(" or ")),
    };
    run.failed(&step.span, &step.value, reason, expected, actual, comparison)
}

/// `cie[0].holding_time is 30, expected 60`.
fn reason_of(comparison: &Comparison, otherwise: &str) -> String {
    let differences: Vec<String> = comparison
        .rows
        .iter()
        .filter(|row| row.differs)
        .map(|row| format!("{} is {}, expected {}", row.field, row.actual, row.expected))
        .collect();
    if differences.is_empty() { otherwise.to_owned() } else { differences.join("; ") }
}

fn early(
    run: &CaseRun<'_>,
    step: &Spanned<Step>,
    expect: &PacketExpectation,
    taken: &Taken,
    target: Instant,
    slack: Duration,
) -> Stop {
    let begin = run.world.fabric.timeline.begin;
    let (came, due) = (taken.at.saturating_since(begin), target.saturating_since(begin));
    let by = target.saturating_since(taken.at);
    let actual = format!("it came at {came:?}, {by:?} too early");
    let expected = vec![format!("{} at {due:?} (give or take {slack:?})", expectation_text(expect).join(" or "))];
    run.failed(&step.span, &step.value, actual.clone(), expected, actual, Some((taken.index, bare(taken))))
}

fn too_many(run: &CaseRun<'_>, step: &Spanned<Step>, expect: &PacketExpectation, seen: u64) -> Stop {
    let most = expect.count.max.unwrap_or(u64::MAX);
    let actual = format!("{seen} came, at most {most} were expected");
    run.failed(&step.span, &step.value, actual.clone(), expectation_text(expect), actual, None)
}

/// A packet that fits, as evidence for something else about it.
fn bare(taken: &Taken) -> Comparison {
    let name = crate::expect::message_name(taken.packet.dissection());
    Comparison::from_rows(name, Vec::new(), Some(taken.packet.octets.clone()))
}

fn expectation_text(expect: &PacketExpectation) -> Vec<String> {
    if expect.any_of.is_empty() {
        return vec![expect.pattern.to_string()];
    }
    expect.any_of.iter().map(|alternative| format!("{} {alternative}", expect.pattern)).collect()
}

pub(super) fn expect_none<'a>(
    run: &mut CaseRun<'a>,
    step: &'a Spanned<Step>,
    none: &'a ExpectNone,
) -> Result<(), Stop> {
    let (mut from, start) = match none.after.as_deref() {
        Some(name) => (position_after(run, Some(name))?, run.reference(Some(name))?),
        None => (run.world.fabric.timeline.end(), run.world.now()),
    };
    let deadline = run.world.now() + run.env.duration(&none.during);
    let give_up = deadline + run.grace();
    loop {
        if let Some((taken, _)) = look(run, from, &none.pattern, &none.any_of).filter(|(taken, _)| taken.at <= deadline)
        {
            let after = taken.at.saturating_since(start);
            let expected = vec![format!("no {} for {:?}", none.pattern, deadline.saturating_since(start))];
            let actual = format!("{} from {} after {after:?}", taken.packet.dissection().summary(), taken.packet.from);
            let reason = format!("a message came that must not: {actual}");
            return Err(run.failed(
                &step.span,
                &step.value,
                reason,
                expected,
                actual,
                Some((taken.index, bare(&taken))),
            ));
        }
        if run.world.now() >= give_up {
            return Ok(());
        }
        from = run.world.fabric.timeline.end();
        run.world.pump(give_up)?;
    }
}

pub(super) fn expect_every<'a>(
    run: &mut CaseRun<'a>,
    step: &'a Spanned<Step>,
    every: &'a ExpectEvery,
) -> Result<(), Stop> {
    let period = run.env.duration(&every.period);
    let slack = run.tolerance(every.tolerance.as_ref(), period);
    let mut position = position_after(run, every.after.as_deref())?;
    // What did not fit is not looked at again, but may be what comes nearest.
    let mut unread = position;
    let mut previous = match every.after.as_deref() {
        Some(name) => run.reference(Some(name))?,
        None => run.last_match.unwrap_or_else(|| run.world.now()),
    };
    let mut worst = Duration::ZERO;
    for number in 1..=every.times {
        let due = previous + period;
        let deadline = due + slack;
        let give_up = deadline + run.grace();
        let expected =
            || vec![format!("{} every {period:?} (give or take {slack:?}), {} times", every.pattern, every.times)];
        let taken = loop {
            if let Some((taken, _)) = look(run, unread, &every.pattern, &[]) {
                break taken;
            }
            unread = run.world.fabric.timeline.end();
            if run.world.now() >= give_up {
                let actual = format!("number {number} did not come within {:?} of the one before", deadline - previous);
                let close = nearest(&run.world.fabric.timeline, position, &every.pattern, &[], &run.env);
                let comparison = close.map(|(index, _, _, comparison)| (index, comparison));
                return Err(run.failed(&step.span, &step.value, actual.clone(), expected(), actual, comparison));
            }
            run.world.pump(give_up)?;
        };
        let gap = taken.at.saturating_since(previous);
        let off = gap.abs_diff(period);
        if off > slack {
            let actual = format!("number {number} came {gap:?} after the one before, {off:?} off");
            let evidence = Some((taken.index, bare(&taken)));
            return Err(run.failed(&step.span, &step.value, actual.clone(), expected(), actual, evidence));
        }
        worst = worst.max(off);
        position = taken.index + 1;
        unread = position;
        previous = taken.at;
        run.cursor = position;
        run.last_match = Some(taken.at);
    }
    run.measured("period off by", worst);
    Ok(())
}
