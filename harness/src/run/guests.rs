//! Cells in guests: shares the cells of world `real` out, boots a guest for each share, and makes of what comes out of it
//! what would have come from a case in this process.
//!
//! A guest that panics, hangs, runs out of memory or is killed costs the case it was at, whose verdict is an error with
//! the console's last lines. The rest of its share goes on in a new one.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant as Wall};

use super::execute::{Context, Tally, judged};
use super::inside::{EVENTS, JOB, Job, PULSE};
use super::plan::Cell;
use crate::evidence::FileError;
use crate::suite::ClockKind;
use crate::verdict::{CaseResult, Event, Failure, NodeLog, Outcome, Verdict};
use crate::world::LabError;
use crate::world::real::machine::{Boot, Folder, GuestClock, Machine};
use crate::world::sim::EPOCH_NS;

/// How often is looked for news from a guest.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long a guest's clock may stand still. It is written down every minute, and a machine may have other things to do.
const STANDSTILL: Duration = Duration::from_secs(120);

/// What guests are made from.
#[derive(Clone, Debug)]
pub struct Assets {
    /// The kernel's executable.
    pub kernel: PathBuf,
    /// Unpacked roots, by `recipe:version`.
    pub roots: BTreeMap<String, PathBuf>,
}

/// Runs cells in guests.
#[derive(Debug)]
pub struct Guests<'r> {
    /// The checkout.
    pub root: &'r Path,
    /// The suites.
    pub suites: &'r Path,
    /// Kernel and roots.
    pub assets: Assets,
    /// Whose clock the guests have.
    pub clock: ClockKind,
    /// How long a case may take by the clock on the wall.
    pub wall_limit: Duration,
}

/// How a guest came to its end.
enum End {
    /// All its cells have run.
    Done,
    /// As the user wished.
    Interrupted,
    /// Otherwise: a word for machines, why, and the console's last lines.
    Broken { cause: &'static str, reason: String, console: Vec<String> },
}

impl Guests<'_> {
    /// Runs the cells of these indices, as many guests at a time as there are jobs.
    pub(super) fn run(&self, cells: &[Cell<'_>], indices: &[usize], tally: &Tally<'_>) {
        let mut shares = share_out(cells, indices, tally.context().jobs);
        shares.reverse();
        let shares = Mutex::new(shares);
        let workers = tally.context().jobs.max(1);
        thread::scope(|scope| {
            for lane in 0..workers {
                let shares = &shares;
                // A guest ends with the thread that has started it.
                scope.spawn(move || {
                    loop {
                        let share = shares.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop();
                        match share {
                            Some(share) if tally.go_on() => self.run_share(cells, &share, lane, tally),
                            _ => return,
                        }
                    }
                });
            }
        });
    }

    fn run_share(&self, cells: &[Cell<'_>], share: &[usize], lane: usize, tally: &Tally<'_>) {
        let context = tally.context();
        let left = || -> Vec<usize> { share.iter().copied().filter(|index| !tally.has(*index)).collect() };
        loop {
            let todo = left();
            if todo.is_empty() || !tally.go_on() {
                return;
            }
            let mut news = News { cells, tally, running: None, heard: false };
            let end = match self.one_guest(&todo, lane, &mut news) {
                Ok(End::Interrupted) => return,
                Ok(End::Done) if !left().is_empty() && tally.go_on() => End::Broken {
                    cause: "guest.incomplete",
                    reason: "the guest ended before all of its cases had run".to_owned(),
                    console: Vec::new(),
                },
                Ok(end) => end,
                Err(error) => {
                    // What keeps one guest from starting keeps all of them.
                    for index in left() {
                        tally.tell(index, judged(&cells[index], context, Some(&error)));
                    }
                    return;
                }
            };
            let End::Broken { cause, reason, console } = end else { continue };
            // The case that was running pays for it; before the first and between two cases it is the next one.
            let running = news.running.map(|(index, began)| (index, began.elapsed()));
            match running.or_else(|| left().first().map(|index| (*index, Duration::ZERO))) {
                Some((index, wall)) => {
                    tally.tell(index, broken(&cells[index], context, cause, reason, console, wall));
                }
                None => context.problem(format!("{reason}{}", last_words(&console))),
            }
        }
    }

    /// Boots a guest for these cells and listens to it until its end.
    fn one_guest(&self, indices: &[usize], lane: usize, news: &mut News<'_, '_>) -> Result<End, LabError> {
        let folder = Folder::new()?;
        let job = self.job(indices, news)?;
        let text = serde_json::to_vec(&job).map_err(|error| LabError::internal(error.to_string()))?;
        let order = fs::write(folder.path().join(JOB), text).and_then(|()| File::create(folder.path().join(EVENTS)));
        order.map_err(|error| {
            let problem = format!("{} can not be written: {error}", folder.path().display());
            LabError::environment("guest.folder", problem, "set TMPDIR to a folder with room in it")
        })?;
        let arguments = ["agent", "lab-init"].map(Into::into).into_iter().chain([folder.path().into()]).collect();
        // All cells of a share have the same epoch.
        let start_ns = indices.first().map_or(EPOCH_NS, |first| news.cells[*first].epoch_ns());
        let clock = match self.clock {
            ClockKind::Virtual => GuestClock::Virtual { start_ns },
            ClockKind::Real => GuestClock::Real,
        };
        let boot = Boot { lane, kernel: &self.assets.kernel, folder: folder.path(), clock, arguments };
        let mut machine = Machine::boot(&boot)?;
        self.listen(&mut machine, folder.path(), news)
    }

    fn job(&self, indices: &[usize], news: &News<'_, '_>) -> Result<Job, LabError> {
        let context = news.tally.context();
        let absolute = |path: &Path| {
            std::path::absolute(path).map_err(|error| LabError::internal(format!("{}: {error}", path.display())))
        };
        Ok(Job {
            here: std::env::current_dir().map_err(|error| LabError::internal(error.to_string()))?,
            root: self.root.to_owned(),
            suites: self.suites.to_owned(),
            cells: indices.iter().map(|index| names(&news.cells[*index])).collect(),
            roots: self.assets.roots.clone(),
            is_virtual: self.clock == ClockKind::Virtual,
            way: context.way.clone(),
            seed: context.settings.seed,
            timeout_scale: context.settings.timeout_scale,
            evidence: context.evidence.map(|run| absolute(run.path())).transpose()?,
            keep: context.keep,
            max_fail: context.max_fail,
        })
    }

    fn listen(&self, machine: &mut Machine, folder: &Path, news: &mut News<'_, '_>) -> Result<End, LabError> {
        let lost = |error: std::io::Error| LabError::internal(format!("a guest's results: {error}"));
        let mut events = File::open(folder.join(EVENTS)).map_err(lost)?;
        let mut unread = Vec::new();
        let mut pulse = (Vec::new(), now());
        loop {
            // In this order: what a guest writes before its end is read after its end is seen.
            let ended = machine.ended().map_err(lost)?;
            if events.read_to_end(&mut unread).map_err(lost)? > 0 {
                pulse.1 = now();
                news.take(&mut unread)?;
            }
            if let Some(status) = ended {
                if status.success() {
                    return Ok(End::Done);
                }
                let (reason, console) = (format!("the guest ended with {status}"), machine.last_words());
                if !news.heard {
                    return Err(LabError::environment(
                        "guest.boot",
                        format!("{reason} before its first word{}", last_words(&console)),
                        "look at `cargo lab doctor`: a filter of system calls around this process may forbid both seccomp and \
                         ptrace; `--driver container` needs neither",
                    ));
                }
                return Ok(End::Broken { cause: "guest.died", reason, console });
            }
            let beat = fs::read(folder.join(PULSE)).unwrap_or_default();
            if beat != pulse.0 {
                pulse = (beat, now());
            }
            let kill = |machine: &mut Machine, cause, reason| {
                machine.kill();
                Ok(End::Broken { cause, reason, console: machine.last_words() })
            };
            if !news.tally.go_on() {
                machine.kill();
                return Ok(End::Interrupted);
            }
            if pulse.1.elapsed() > STANDSTILL {
                let reason = format!("the guest hung: its clock stood still for {} s", STANDSTILL.as_secs());
                return kill(machine, "guest.hung", reason);
            }
            if let Some((_, began)) = news.running.filter(|(_, began)| began.elapsed() > self.wall_limit) {
                let limit = self.wall_limit.as_secs();
                let reason = format!(
                    "the case took {:.0} s of real time, and {limit} s are allowed",
                    began.elapsed().as_secs_f64()
                );
                return kill(machine, "guest.wall-limit", reason);
            }
            pause();
        }
    }
}

/// What comes out of a guest.
struct News<'a, 't> {
    cells: &'a [Cell<'a>],
    tally: &'t Tally<'t>,
    /// The cell that is running, and since when.
    running: Option<(usize, Wall)>,
    /// Whether anything has come.
    heard: bool,
}

impl News<'_, '_> {
    /// Takes all whole lines out of what was read.
    fn take(&mut self, unread: &mut Vec<u8>) -> Result<(), LabError> {
        self.heard = true;
        let whole = unread.iter().rposition(|octet| *octet == b'\n').map_or(0, |end| end + 1);
        for line in unread[..whole].split(|octet| *octet == b'\n').filter(|line| !line.is_empty()) {
            let event: Event = serde_json::from_slice(line)
                .map_err(|error| LabError::internal(format!("a guest says what can not be understood: {error}")))?;
            self.event(event)?;
        }
        unread.drain(..whole);
        Ok(())
    }

    fn event(&mut self, event: Event) -> Result<(), LabError> {
        let index = |id: &str, wanted: Option<&str>| {
            let is = |cell: &&Cell<'_>| cell.id() == id && self.tally.context().variant(cell).as_deref() == wanted;
            let position = self.cells.iter().position(|cell| is(&cell));
            position
                .ok_or_else(|| LabError::internal(format!("a guest speaks of the case {id}, which it was not given")))
        };
        match event {
            Event::CaseStart { ref id, variant: ref name } => {
                self.running = Some((index(id, name.as_deref())?, now()));
                self.tally.context().tell(&event);
            }
            Event::Verdict { case } => {
                let index = index(&case.id, case.variant.as_deref())?;
                let wall = self.running.take().map_or(Duration::ZERO, |(_, began)| began.elapsed());
                let case = case.with_wall(wall);
                // The guest has its own idea of time; the verdict in the evidence gets ours.
                if let Err(error) = rewrite(self.tally.context(), &case) {
                    self.tally.context().problem(error.to_string());
                }
                self.tally.tell(index, case);
            }
            Event::Step { .. } | Event::Packet { .. } => self.tally.context().tell(&event),
            Event::RunStart { .. } | Event::Phase { .. } | Event::RunEnd { .. } => {}
        }
        Ok(())
    }
}

fn rewrite(context: &Context<'_>, case: &CaseResult) -> Result<(), FileError> {
    match (context.evidence, &case.evidence) {
        (Some(run), Some(path)) => run.written(path).write_verdict(case),
        _ => Ok(()),
    }
}

/// The line of a console that says most: what this executable complained about, else why the kernel panicked, which
/// comes before whatever trace there is, else the last one.
fn last_words(console: &[String]) -> String {
    let telling = ["in the guest: ", "panicked at", "Kernel panic"]
        .iter()
        .find_map(|mark| console.iter().find(|line| line.contains(mark)))
        .or(console.last());
    telling.map(|line| format!("; its last words: {line}")).unwrap_or_default()
}

/// The result of a cell whose guest came to a bad end.
fn broken(
    cell: &Cell<'_>,
    context: &Context<'_>,
    cause: &str,
    reason: String,
    console: Vec<String>,
    wall: Duration,
) -> CaseResult {
    let last = last_words(&console);
    let log = NodeLog { node: "the guest".to_owned(), lines: console.clone() };
    let failure = Failure { log_tail: vec![log], ..Failure::default() };
    let verdict = Verdict::error(cause, format!("{reason}{last}")).with_failure(failure);
    let mut result = judged(cell, context, None);
    result.driver = Some("guest".to_owned());
    result.verdict = verdict;
    let mut result = result.with_wall(wall);
    if let Some(run) = context.evidence.filter(|_| context.keep.wants(Outcome::Error)) {
        let written = run.case(&result.id, result.variant.as_deref()).and_then(|dir| {
            result.evidence = Some(dir.path().to_owned());
            dir.write_log("guest", &console)?;
            dir.write_verdict(&result)
        });
        if let Err(error) = written {
            context.problem(error.to_string());
        }
    }
    result
}

fn names(cell: &Cell<'_>) -> (String, String, String) {
    (cell.id(), cell.cast.subject.id(), cell.cast.peer.id())
}

/// Shares of cells, each for one guest: by what decides a lab, as routers are kept over the cases that share one; large ones
/// are divided until there is work for all. A case that says what time it is when it begins has a guest of its own.
fn share_out(cells: &[Cell<'_>], indices: &[usize], jobs: usize) -> Vec<Vec<usize>> {
    let mut shares: Vec<Vec<usize>> = Vec::new();
    let key = |index: usize| cells[index].lab_key();
    for index in indices.iter().copied() {
        let timed = |index: usize| cells[index].suite.epoch_of(cells[index].case).is_some();
        match shares.iter_mut().find(|share| key(share[0]) == key(index) && !timed(index)) {
            Some(share) => share.push(index),
            None => shares.push(vec![index]),
        }
    }
    while shares.len() < jobs {
        let Some(largest) = shares.iter_mut().max_by_key(|share| share.len()).filter(|share| share.len() > 1) else {
            break;
        };
        let half = largest.split_off(largest.len() / 2);
        shares.push(half);
    }
    shares
}

/// There is nothing to wait for: the kernel's process, two files and the user are looked at in turn.
#[allow(clippy::disallowed_methods, reason = "a guest is watched by the clock on the wall, whatever its own says")]
fn pause() {
    thread::sleep(LOOK_EVERY);
}

#[allow(clippy::disallowed_methods, reason = "a guest is watched by the clock on the wall, whatever its own says")]
fn now() -> Wall {
    Wall::now()
}
