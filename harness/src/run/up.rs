//! A topology to play with: all its nodes are started and nothing is judged, until somebody ends it.
//!
//! What happens goes into the evidence as it happens and is then forgotten, so that it may go on for days.

use std::time::Duration;

use dmvpn_core::time::Instant;

use super::case::{CaseRun, ROUTER_PATIENCE, Settings};
use super::execute::variant;
use super::keep::Book;
use super::plan::Cell;
use super::steps::lifecycle;
use crate::evidence::{FileError, Run};
use crate::suite::Role;
use crate::world::timeline::{Entry, What};
use crate::world::{Driver, LabError};

/// How often the evidence is brought up to date.
const WRITE_EVERY: Duration = Duration::from_millis(500);
/// How many entries are kept until then.
const MOST_UNWRITTEN: usize = 10_000;

/// Who is told what happens.
pub trait Audience {
    /// All nodes are started and ready.
    ///
    /// # Errors
    /// What keeps it from going on.
    fn ready(&mut self) -> Result<(), LabError>;

    /// Something has happened; as a line as well.
    fn entry(&mut self, entry: &Entry, line: &str);

    /// Something is not as it should be, and it goes on.
    fn problem(&mut self, text: String);
}

/// Brings a topology up and keeps it until `length` is over, or for ever. Routers live on until the driver is dropped.
///
/// # Errors
/// What keeps it from coming up or going on; [`LabError::Interrupted`] is the ordinary end of what goes on for ever.
pub fn up(
    cell: &Cell<'_>,
    driver: &mut dyn Driver,
    settings: Settings,
    evidence: Option<&Run>,
    length: Option<Duration>,
    audience: &mut dyn Audience,
) -> Result<(), LabError> {
    let epoch_ns = driver.epoch_ns();
    let mut run = CaseRun::new(cell, settings, driver)?;
    let begin = run.world.fabric.timeline.begin;
    let lost = |error: FileError| {
        LabError::environment("evidence.write", error.to_string(), "choose another place with --out DIR")
    };
    let book = evidence.map(|evidence| Book::open(evidence, cell, variant(cell).as_deref(), begin, epoch_ns));
    let book = book.transpose().map_err(lost)?;
    if let Some(book) = &book {
        book.configs(&run.configs).map_err(lost)?;
    }
    let mut record = Record { book, told: 0, write_at: begin };
    let result = start(&mut run, cell).and_then(|()| {
        record.take_over(&mut run, audience);
        audience.ready()?;
        let end = length.map(|length| run.world.now() + length);
        while end.is_none_or(|end| run.world.now() < end) {
            let look = run.world.now() + WRITE_EVERY;
            match run.world.pump(end.map_or(look, |end| end.min(look))) {
                // Whoever plays may break things.
                Err(error @ LabError::NodeDied { .. }) => audience.problem(error.to_string()),
                other => other?,
            }
            record.take_over(&mut run, audience);
        }
        Ok(())
    });
    record.write_at = begin;
    record.take_over(&mut run, audience);
    if let Some(Err(error)) = record.book.map(Book::close) {
        audience.problem(error.to_string());
    }
    result
}

/// Boots routers and starts all nodes, hubs first: they are then there when spokes come.
fn start(run: &mut CaseRun<'_>, cell: &Cell<'_>) -> Result<(), LabError> {
    run.greet_routers()?;
    let topology = cell.suite.topology_of(cell.case);
    let (hubs, others): (Vec<_>, Vec<_>) = topology.nodes.iter().partition(|(_, node)| node.role == Role::Hub);
    for (name, _) in hubs.into_iter().chain(others) {
        if cell.cast.player(name).is_none() || !run.stations.contains_key(name) {
            continue;
        }
        lifecycle::start(run, name)?;
        let deadline = run.world.now() + ROUTER_PATIENCE;
        if let Some(problem) = lifecycle::until_ready(run, name, deadline)? {
            let problem = format!("not ready within {ROUTER_PATIENCE:?}: {problem}");
            return Err(LabError::Router { node: name.clone(), problem });
        }
    }
    Ok(())
}

/// What of the record was told and written.
struct Record {
    book: Option<Book>,
    told: usize,
    write_at: Instant,
}

impl Record {
    /// Tells what is new, and writes it when it is time.
    fn take_over(&mut self, run: &mut CaseRun<'_>, audience: &mut dyn Audience) {
        let now = run.world.now();
        let timeline = &mut run.world.fabric.timeline;
        for entry in timeline.entries().iter().skip(self.told) {
            // A death is told as a problem when it is no more than that.
            if !matches!(entry.what, What::View { .. }) {
                audience.entry(entry, &timeline.line(entry));
            }
        }
        self.told = timeline.end();
        if now < self.write_at && self.told < MOST_UNWRITTEN {
            return;
        }
        let entries = timeline.take();
        (self.told, self.write_at) = (0, now + WRITE_EVERY);
        if entries.is_empty() {
            return;
        }
        if let Some(book) = &mut self.book
            && let Err(error) = book.add(&entries).and_then(|()| book.flush())
        {
            audience.problem(format!("evidence is no longer kept: {error}"));
            self.book = None;
        }
    }
}
