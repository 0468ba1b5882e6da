//! Sends what happens to every renderer that was asked for.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    evidence::Redactor,
    progress::Progress,
    verdict::{Event, ExitCode, RunResult},
};

use super::{
    ColorChoice, Format, FormatError, FormatSpec, Github, Terminal, Verbosity, github, human, json, junit, markdown,
    tap,
};

/// What the command line says about reports.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Every `--format`.
    pub formats: Vec<FormatSpec>,
    /// `-q` and `-v`.
    pub verbosity: Verbosity,
    /// What GitHub is told.
    pub github: Github,
}

/// Where reports go, and what can be shown there.
pub struct Streams {
    /// The standard output.
    pub out: Box<dyn Write + Send>,
    /// What it can show.
    pub out_terminal: Terminal,
    /// The standard error.
    pub err: Box<dyn Write + Send>,
    /// What it can show.
    pub err_terminal: Terminal,
}

impl Streams {
    /// Those of this process.
    pub fn standard(color: ColorChoice) -> Streams {
        Streams {
            out: Box::new(io::stdout()),
            out_terminal: Terminal::stdout(color),
            err: Box::new(io::stderr()),
            err_terminal: Terminal::stderr(color),
        }
    }
}

/// Why a report could not be made.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum ReportError {
    /// The formats contradict each other.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A report could not be written.
    #[error("cannot write the {} report to {place}: {source}", format.name())]
    #[diagnostic(help("check that the directory exists, may be written to and has room"))]
    Write {
        /// Which report.
        format: Format,
        /// The file, or the standard output.
        place: String,
        /// What the system said.
        source: io::Error,
    },
    /// The summary of the job could not be written.
    #[error("cannot add to the summary of the job, {}: {source}", path.display())]
    #[diagnostic(help("GITHUB_STEP_SUMMARY names it; `--annotate none` does without marks, not without this"))]
    Summary {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Renders a run while it happens and when it is over. May be used by several jobs at once.
pub struct Reporter {
    progress: Progress,
    redactor: Redactor,
    verbosity: Verbosity,
    github: Github,
    outputs: Mutex<Outputs>,
}

struct Outputs {
    out: Box<dyn Write + Send>,
    out_terminal: Terminal,
    err_terminal: Terminal,
    files: Vec<Output>,
    /// The data format that has the standard output, if one has.
    on_stdout: Option<Format>,
}

struct Output {
    format: Format,
    path: PathBuf,
    file: BufWriter<File>,
}

impl Reporter {
    /// A reporter for these options. Files are opened now, so that a wrong path is known before the run and not
    /// after it; secrets are taken out of everything by `redactor`.
    pub fn new(options: &Options, redactor: Redactor, streams: Streams) -> Result<Reporter, ReportError> {
        FormatSpec::check(&options.formats)?;
        let mut files: Vec<Output> = Vec::new();
        let mut on_stdout = None;
        for FormatSpec { format, path } in &options.formats {
            match path {
                None if *format == Format::Human => {}
                // Pages are made of the evidence as well, by whoever has that.
                Some(_) if *format == Format::Html => {}
                None => on_stdout = Some(*format),
                Some(path) if files.iter().any(|output| output.path == *path) => {}
                Some(path) => {
                    let file = File::create(path).map_err(|source| failed(*format, path, source))?;
                    files.push(Output { format: *format, path: path.clone(), file: BufWriter::new(file) });
                }
            }
        }
        let Streams { out, out_terminal, err, err_terminal } = streams;
        let progress = Progress::new(err, err_terminal, options.verbosity);
        let outputs = Mutex::new(Outputs { out, out_terminal, err_terminal, files, on_stdout });
        let github = options.github.clone();
        Ok(Reporter { progress, redactor, verbosity: options.verbosity, github, outputs })
    }

    /// Where to announce what happens outside the cases.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Tells everyone what has happened. An error means that some report is incomplete; the run may go on.
    pub fn event(&self, event: &Event) -> Result<(), ReportError> {
        let event = self.redactor.event(event);
        self.progress.event(&event);
        self.outputs().event(&event)
    }

    /// Writes what is written at the end; the last line is the summary. Every report is tried, and the first error
    /// returned.
    pub fn finish(&self, run: &RunResult, exit: ExitCode) -> Result<(), ReportError> {
        let run = self.redactor.run(run);
        self.progress.close();
        let end = Event::RunEnd { counts: run.counts(), exit_code: exit.0, summary: run.summary_line() };
        let mut outputs = self.outputs();
        let mut results = vec![outputs.event(&end)];
        results.extend(outputs.documents(&run));
        let terminal = if outputs.on_stdout.is_some() { outputs.err_terminal } else { outputs.out_terminal };
        let mut report = human::render(&run, &terminal, self.verbosity);
        if self.github.annotate {
            // The last line stays the summary.
            report.insert_str(0, &github::annotations(&run));
        }
        if let Some(path) = &self.github.step_summary {
            let added = github::add_to_summary(path, &run);
            results.push(added.map_err(|source| ReportError::Summary { path: path.clone(), source }));
        }
        if outputs.on_stdout.is_some() {
            self.progress.print(&report);
        } else {
            results.push(outputs.stdout(Format::Human, &report));
        }
        results.into_iter().collect()
    }

    /// A job that panicked while it reported has left nothing half done that the others could not bear.
    fn outputs(&self) -> MutexGuard<'_, Outputs> {
        self.outputs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outputs {
    fn event(&mut self, event: &Event) -> Result<(), ReportError> {
        let wanted = self.on_stdout == Some(Format::Jsonl) || self.files.iter().any(|o| o.format == Format::Jsonl);
        if !wanted {
            return Ok(());
        }
        let line = json::line(event);
        let mut results = Vec::new();
        if self.on_stdout == Some(Format::Jsonl) {
            let line = text(Format::Jsonl, "the standard output", &line);
            results.push(line.and_then(|line| self.stdout(Format::Jsonl, &line)));
        }
        for output in self.files.iter_mut().filter(|output| output.format == Format::Jsonl) {
            let line = text(Format::Jsonl, &output.path.display().to_string(), &line);
            results.push(line.and_then(|line| output.write(&line)));
        }
        results.into_iter().collect()
    }

    /// The reports that are one document, each with its result.
    fn documents(&mut self, run: &RunResult) -> Vec<Result<(), ReportError>> {
        let mut results = Vec::new();
        if let Some(format) = self.on_stdout.filter(|format| *format != Format::Jsonl) {
            let document = document(format, "the standard output", run);
            results.push(document.and_then(|text| self.stdout(format, &text)));
        }
        for output in self.files.iter_mut().filter(|output| output.format != Format::Jsonl) {
            let document = document(output.format, &output.path.display().to_string(), run);
            results.push(document.and_then(|text| output.write(&text)));
        }
        results
    }

    fn stdout(&mut self, format: Format, text: &str) -> Result<(), ReportError> {
        match self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()) {
            // Whoever reads through `head` has seen enough, and the verdict does not change by it.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(source) => Err(ReportError::Write { format, place: "the standard output".to_owned(), source }),
            Ok(()) => Ok(()),
        }
    }
}

impl Output {
    fn write(&mut self, text: &str) -> Result<(), ReportError> {
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.flush());
        written.map_err(|source| failed(self.format, &self.path, source))
    }
}

fn document(format: Format, place: &str, run: &RunResult) -> Result<String, ReportError> {
    match format {
        // Events have been written as they happened, and pages are no document.
        Format::Human | Format::Jsonl | Format::Html => Ok(human::document(run)),
        Format::Markdown => Ok(markdown::render(run)),
        Format::Tap => Ok(tap::render(run)),
        Format::Json => text(format, place, &json::render(run)),
        Format::Junit => text(format, place, &junit::render(run)),
    }
}

/// A rendered text, or the error of the renderer in the form of a write that failed.
fn text<E: std::fmt::Display>(
    format: Format,
    place: &str,
    rendered: &Result<String, E>,
) -> Result<String, ReportError> {
    match rendered {
        Ok(text) => Ok(text.clone()),
        Err(error) => {
            let source = io::Error::other(error.to_string());
            Err(ReportError::Write { format, place: place.to_owned(), source })
        }
    }
}

fn failed(format: Format, path: &std::path::Path, source: io::Error) -> ReportError {
    ReportError::Write { format, place: path.display().to_string(), source }
}
