//! The verbs of suites, carried out.

mod change;
mod feed;
pub(crate) mod lifecycle;
mod other;
mod packets;
mod ping;
mod state;

use std::time::Duration;

use dmvpn_core::time::Instant;

use super::case::{CaseRun, Stop};
use crate::suite::{At, DurationExpr, Spanned, Step, Tolerance};
use crate::world::LabError;

/// Carries out one step.
pub(crate) fn carry_out<'a>(run: &mut CaseRun<'a>, step: &'a Spanned<Step>) -> Result<(), Stop> {
    match &step.value {
        Step::Start(nodes) => each(run, nodes, lifecycle::start),
        Step::Stop(nodes) => each(run, nodes, lifecycle::stop),
        Step::Kill(nodes) => each(run, nodes, lifecycle::kill),
        Step::Restart(nodes) => {
            each(run, nodes, lifecycle::stop)?;
            each(run, nodes, lifecycle::start)
        }
        Step::Ready(ready) => lifecycle::ready(run, step, ready),
        Step::Send(send) => packets::send(run, send),
        Step::Expect(expect) => packets::expect(run, step, expect),
        Step::ExpectNone(none) => packets::expect_none(run, step, none),
        Step::ExpectEvery(every) => packets::expect_every(run, step, every),
        Step::State(state) => state::state(run, step, state),
        Step::Advance(length) => other::pass(run, length),
        Step::Wait(wait) => other::pass(run, &wait.during),
        Step::Impair(impair) => other::impair(run, impair),
        Step::Heal(link) => Ok(run.world.fabric.heal(link)?),
        Step::Mark(name) => other::mark(run, name),
        Step::Measure(measure) => other::measure(run, step, measure),
        Step::Ping(ping) => ping::ping(run, step, ping),
        Step::Route(route) => Ok(change::route(run, route)?),
        Step::Clear(clear) => Ok(change::clear(run, clear)?),
        Step::Renumber(renumber) => Ok(change::renumber(run, renumber)?),
        Step::Feed(feed) => feed::feed(run, step, feed),
        Step::Exec(exec) => other::exec(run, step, exec),
        Step::Note(text) => other::note(run, text),
        Step::Group(_) => Ok(()),
    }
}

fn each<'a>(
    run: &mut CaseRun<'a>,
    nodes: &[String],
    verb: impl Fn(&mut CaseRun<'a>, &str) -> Result<(), LabError>,
) -> Result<(), Stop> {
    nodes.iter().try_for_each(|node| verb(run, node)).map_err(Stop::from)
}

impl CaseRun<'_> {
    /// An upper bound of a wait: the step's own or the suite's, stretched in real time as the user wishes.
    pub(crate) fn bound(&self, within: Option<&DurationExpr>) -> Duration {
        let length = self.env.duration(within.unwrap_or(&self.suite.defaults.within));
        if self.world.is_virtual() { length } else { length.mul_f64(self.settings.timeout_scale) }
    }

    /// How far an instant that lies `length` after its reference may be off.
    pub(crate) fn tolerance(&mut self, own: Option<&Tolerance>, length: Duration) -> Duration {
        let precision = self.world.driver().precision();
        let wanted = match (own, precision) {
            (Some(own), _) => self.amount(own, length),
            (None, Some(precision)) => return precision,
            (None, None) => {
                let suite = self.suite;
                self.amount(&suite.defaults.tolerance, length)
            }
        };
        wanted.max(precision.unwrap_or_default())
    }

    fn amount(&self, tolerance: &Tolerance, length: Duration) -> Duration {
        let abs = tolerance.abs.as_ref().map(|abs| self.env.duration(abs)).unwrap_or_default();
        let pct = tolerance.pct.map(|pct| length * pct / 100).unwrap_or_default();
        abs.max(pct)
    }

    /// The instant that `at` means.
    pub(crate) fn instant_of(&self, at: &At) -> Result<Instant, LabError> {
        Ok(self.reference(at.after.as_deref())? + self.env.duration(&at.is))
    }

    /// The instant of a mark or packet; the case's start if none is named.
    pub(crate) fn reference(&self, name: Option<&str>) -> Result<Instant, LabError> {
        match name {
            None => Ok(self.world.fabric.timeline.begin),
            Some(name) => self
                .env
                .instant(name)
                .ok_or_else(|| LabError::Suite(format!("nothing happened under the name `{name}`"))),
        }
    }

    /// How long a packet that left its station in time may still be under way to the record.
    pub(crate) fn grace(&self) -> Duration {
        if self.world.is_virtual() { Duration::ZERO } else { Duration::from_millis(50) }
    }
}
