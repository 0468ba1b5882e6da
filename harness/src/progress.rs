//! What is going on right now, on the standard error.
//!
//! On a terminal each running job has a live line, which gives way to the line of its result. Elsewhere there is one
//! line per finished case and no cursor control, so that a log reads the same as the screen did.

use std::{
    cell::Cell,
    collections::BTreeMap,
    io::Write,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    report::{Terminal, Tint, Verbosity, human},
    verdict::Event,
};

/// How often the elapsed time of a live line is drawn anew.
const TICK: Duration = Duration::from_millis(200);

/// After how long something deserves a bar.
const PATIENCE: Duration = Duration::from_secs(1);

const BAR: &str = "{prefix} {wide_msg} {bar:24} {bytes}/{total_bytes} {bytes_per_sec} {eta}";

/// The display of what is going on. May be used by several jobs at once.
pub struct Progress {
    terminal: Terminal,
    verbosity: Verbosity,
    writer: Mutex<Box<dyn Write + Send>>,
    live: Option<Live>,
}

/// The live lines at the bottom of a terminal.
struct Live {
    screen: MultiProgress,
    jobs: Mutex<BTreeMap<String, ProgressBar>>,
}

impl Progress {
    /// Lines to `writer`, and live lines as well where the terminal can move its cursor (those always on the standard
    /// error of the process).
    pub fn new(writer: Box<dyn Write + Send>, terminal: Terminal, verbosity: Verbosity) -> Progress {
        Progress::drawn_on(ProgressDrawTarget::stderr(), writer, terminal, verbosity)
    }

    fn drawn_on(
        target: ProgressDrawTarget,
        writer: Box<dyn Write + Send>,
        terminal: Terminal,
        verbosity: Verbosity,
    ) -> Progress {
        let live = (terminal.interactive && verbosity >= Verbosity::Normal)
            .then(|| Live { screen: MultiProgress::with_draw_target(target), jobs: Mutex::default() });
        Progress { terminal, verbosity, writer: Mutex::new(writer), live }
    }

    /// Announces something outside the cases: a verb of at most twelve letters, and what it is done to.
    pub fn phase(&self, verb: &str, what: &str) {
        if self.verbosity >= Verbosity::Normal {
            self.print(&(human::progress_line(Tint::Good, verb, what, &self.terminal) + "\n"));
        }
    }

    /// Says that something outside the cases takes time; the line vanishes with the returned guard.
    pub fn job(&self, verb: &str, what: &str) -> Job<'_> {
        let name = format!("{verb} {what}");
        match &self.live {
            Some(_) => self.start(&name, verb, what),
            None => self.phase(verb, what),
        }
        Job { progress: self, name }
    }

    /// A bar of how much of a file was read, in octets; it vanishes with the returned value. Unless it is `long`, it shows
    /// only once it has taken a second.
    pub fn bar(&self, verb: &str, what: &str, total: Option<u64>, long: bool) -> Bar {
        let bar = match total {
            Some(total) => ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden()),
            None => ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()),
        };
        let style = if total.is_some() { BAR } else { "{prefix} {wide_msg} {bytes} {bytes_per_sec} {elapsed}" };
        let bar = bar
            // As for live lines, the default is readable as well.
            .with_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()))
            .with_prefix(self.terminal.paint(Tint::Busy, &format!("{verb:>12}")))
            .with_message(self.one_line(what));
        let screen = self.live.as_ref().map(|live| live.screen.clone());
        let bar = Bar { bar, screen, shown: Cell::new(false) };
        if long {
            bar.show();
        }
        bar
    }

    /// Shows an event of the run.
    pub fn event(&self, event: &Event) {
        if let Some(name) = event.case_name() {
            match event {
                Event::CaseStart { .. } => self.start(&name, "Running", &name),
                Event::Step { step, .. } => self.describe(&name, &format!("{name}: {}", step.text)),
                Event::Verdict { .. } => self.end(&name),
                _ => {}
            }
        }
        if let Some(line) = human::event_line(event, self.verbosity, &self.terminal) {
            self.print(&(line + "\n"));
        }
    }

    /// Writes text as it is, above the live lines. Where it can not be written there is nobody to tell.
    pub fn print(&self, text: &str) {
        let write = || {
            let mut writer = locked(&self.writer);
            let _ = writer.write_all(text.as_bytes()).and_then(|()| writer.flush());
        };
        match &self.live {
            Some(live) => live.screen.suspend(write),
            None => write(),
        }
    }

    /// Takes all live lines away.
    pub fn close(&self) {
        if let Some(live) = &self.live {
            for (_, bar) in std::mem::take(&mut *locked(&live.jobs)) {
                bar.finish_and_clear();
            }
            let _ = live.screen.clear();
        }
    }

    fn start(&self, name: &str, verb: &str, what: &str) {
        if let Some(live) = &self.live {
            // Complete before it joins the screen, and drawn only from then on.
            let bar = ProgressBar::no_length()
                .with_style(style())
                .with_prefix(self.terminal.paint(Tint::Busy, &format!("{verb:>12}")))
                .with_message(self.one_line(what));
            let bar = live.screen.add(bar);
            bar.enable_steady_tick(TICK);
            locked(&live.jobs).insert(name.to_owned(), bar);
        }
    }

    fn describe(&self, name: &str, text: &str) {
        if let Some(live) = &self.live
            && let Some(bar) = locked(&live.jobs).get(name)
        {
            bar.set_message(self.one_line(text));
        }
    }

    fn end(&self, name: &str) {
        if let Some(live) = &self.live
            && let Some(bar) = locked(&live.jobs).remove(name)
        {
            bar.finish_and_clear();
        }
    }

    fn one_line(&self, text: &str) -> String {
        self.terminal.safe(text).replace('\n', " ")
    }
}

/// A live line that is there as long as this value.
pub struct Job<'a> {
    progress: &'a Progress,
    name: String,
}

impl Job<'_> {
    /// Says how it is going; seen only on a terminal.
    pub fn describe(&self, text: &str) {
        self.progress.describe(&self.name, text);
    }
}

impl Drop for Job<'_> {
    fn drop(&mut self) {
        self.progress.end(&self.name);
    }
}

/// How much of a file was read, on the screen as long as this value is there.
pub struct Bar {
    bar: ProgressBar,
    screen: Option<MultiProgress>,
    shown: Cell<bool>,
}

impl Bar {
    /// So many octets were read.
    pub fn at(&self, octets: u64) {
        if !self.shown.get() && self.bar.elapsed() > PATIENCE {
            self.show();
        }
        self.bar.set_position(octets);
    }

    fn show(&self) {
        if let Some(screen) = &self.screen {
            screen.add(self.bar.clone());
        }
        self.shown.set(true);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style() -> ProgressStyle {
    // The template is a constant, and the default is a readable line as well.
    ProgressStyle::with_template("{prefix} {wide_msg} {elapsed}").unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A display is still good after a job panicked beside it.
fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared_writer::Shared;

    fn shown(terminal: Terminal, verbosity: Verbosity, act: impl FnOnce(&Progress)) -> String {
        let shared = Shared::default();
        let target = ProgressDrawTarget::hidden();
        act(&Progress::drawn_on(target, Box::new(shared.clone()), terminal, verbosity));
        shared.text()
    }

    #[test]
    fn without_a_terminal_there_are_plain_lines_only() {
        let text = shown(Terminal::FILE, Verbosity::Normal, |progress| {
            progress.phase("Building", "frr:10.3");
            let job = progress.job("Booting", "hub\x1b[2J\r\nnow");
            job.describe("unseen");
            drop(job);
            progress.event(&Event::CaseStart { id: "nhrp/a".into(), variant: None });
            progress.close();
        });
        assert_eq!(text, "    Building frr:10.3\n     Booting hub\u{fffd}[2J\u{fffd} now\n");
    }

    #[test]
    fn quiet_is_quiet() {
        let text = shown(Terminal::FILE, Verbosity::Quiet, |progress| {
            progress.phase("Building", "frr:10.3");
            drop(progress.job("Booting", "hub"));
        });
        assert_eq!(text, "");
    }

    #[test]
    fn live_lines_come_and_go_with_their_jobs() {
        let terminal = Terminal { interactive: true, ..Terminal::FILE };
        let text = shown(terminal, Verbosity::Normal, |progress| {
            let jobs = || progress.live.as_ref().map(|live| locked(&live.jobs).len());
            progress.event(&Event::CaseStart { id: "nhrp/a".into(), variant: Some("underlay=v4".into()) });
            let boot = progress.job("Booting", "hub");
            assert_eq!(jobs(), Some(2));
            drop(boot);
            assert_eq!(jobs(), Some(1));
            progress.phase("Built", "frr:10.3");
            progress.close();
            assert_eq!(jobs(), Some(0));
        });
        assert_eq!(text, "       Built frr:10.3\n");
    }
}
