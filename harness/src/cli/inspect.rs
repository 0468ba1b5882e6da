//! `cargo lab inspect`: what is in a capture.

use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{Args, ValueEnum};
use miette::Diagnostic;

use dmvpn_inspect::filter::Filter;
use dmvpn_inspect::show;
use dmvpn_inspect::story::{self, Story};
use dmvpn_inspect::view::Viewer;

use super::judge::{self, RuleArgs};
use super::signals::stop_on_signals;
use super::{Place, Trouble, out, out_octets};
use crate::capture::{ReadError, ReadErrorKind};
use crate::inspect::difference::{self, Side};
use crate::inspect::ladder::{self, Rungs};
use crate::inspect::live::{ListenError, Listener, Watch};
use crate::inspect::page::{self, Collection};
use crate::inspect::reading::{Errors, Reading};
use crate::inspect::{catalogue, document, exchanges, packet, summary, tree};
use crate::progress::Progress;
use crate::report::{ColorChoice, Terminal, Verbosity};
use crate::world::LabError;

/// Packets that are said to be unreadable one by one; the others are counted.
const SAID: usize = 10;

/// How much is written to a file at a time, in octets.
const PIECE: usize = 256 << 10;

/// Which captures, and how to show them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo lab inspect a.pcapng                           who is hub, who is spoke, what happened, all exchanges
  cargo lab inspect a.pcap.gz --ladder                 the exchanges as arrows between stations
  cargo lab inspect a.pcapng --tree 7                  packet 7 field by field, with its octets
  cargo lab inspect a.pcapng --html a.html             a page to click through, in one file
  cargo lab inspect a.pcapng --filter 'nhrp and cie[].code != 0'
  cargo lab inspect a.pcapng --packets --json | jq -r .stack
  cargo lab inspect before.pcapng --diff after.pcapng  what changed between two captures
  cargo lab inspect --rules a.pcapng runs/latest       which rules are broken, and by which packets
  tcpdump -w - -U proto gre | cargo lab inspect -      from the standard input
  sudo cargo lab inspect --follow eth0                 live, until Ctrl-C

pcap and pcapng, also compressed with gzip. Everything that can be read is shown, however broken the file is; what can
not be read is said on the standard error with packet number and offset. Memory does not grow with the file.

Exit codes:
  0  shown                                             2  wrong usage, or a filter that means nothing
  1  something in the file can not be read; --diff: the captures differ; --rules: one is broken, but as
     suites/rules/exceptions.yaml knows
  3  --rules: no rule was about any packet
  4  the environment: no right to capture, a file that can not be written")]
pub(super) struct InspectArgs {
    /// Captures; `-` is the standard input.
    #[arg(value_name = "FILE", required_unless_present_any = ["fields", "follow"])]
    files: Vec<PathBuf>,
    /// Only the table of exchanges, without the summary.
    #[arg(long, group = "mode")]
    exchanges: bool,
    /// A ladder: stations side by side, an arrow for each packet of an exchange, or with `=all` for each packet.
    #[arg(long, group = "mode", value_name = "WHICH", num_args = 0..=1, require_equals = true,
        default_missing_value = "exchanges", conflicts_with = "json")]
    ladder: Option<Rows>,
    /// One packet field by field, with its octets; with --json as in --packets.
    #[arg(long, group = "mode", value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    tree: Option<u64>,
    /// Each packet in a line; with --json its whole field tree, one document per line.
    #[arg(long, group = "mode")]
    packets: bool,
    /// Write a page: summary, exchanges, and a ladder in which every arrow opens its packet. It is one file.
    #[arg(long, group = "mode", value_name = "PAGE", conflicts_with = "json")]
    html: Option<PathBuf>,
    /// Hold the capture against another one: stations, clouds, exchanges, and corresponding packets field by field.
    #[arg(long, group = "mode", value_name = "OTHER")]
    diff: Option<PathBuf>,
    /// With --diff: compare fields as well that differ by their nature, as request ids and checksums.
    #[arg(long, requires = "diff")]
    all_fields: bool,
    /// Watch an interface until Ctrl-C: exchanges as they are answered, and then the summary. Nothing is sent.
    #[arg(long, group = "mode", value_name = "IFACE", conflicts_with = "files")]
    follow: Option<String>,
    /// List the fields that --filter and suites can name.
    #[arg(long, group = "mode")]
    fields: bool,
    #[command(flatten)]
    rules: RuleArgs,
    /// Print JSON: one document about each file, or one per packet with --packets and --tree.
    #[arg(long)]
    json: bool,
    /// Only packets for which this holds: `nhrp and cie[].code != 0`, `ip.src == 192.0.2.0/24`, `gre.key == 42`.
    #[arg(long, value_name = "EXPR")]
    filter: Option<String>,
    /// Keys of ESP and IKEv2: tables as Wireshark has them, a folder with both (a Wireshark profile), or a file of
    /// `tcpdump -E`. Repeatable. Keys in a pcapng file are used without asking.
    #[arg(long, value_name = "FILE|DIR")]
    keys: Vec<PathBuf>,
    /// Show so many exchanges, or rows of a ladder; all others are counted.
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
}

/// Which packets are rows of a ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Rows {
    /// Those of exchanges: NHRP and IKE.
    Exchanges,
    /// All with an IP header.
    All,
}

pub(super) fn run(args: &InspectArgs, place: Place<'_>, color: ColorChoice) -> Result<ExitCode, Trouble> {
    if args.fields {
        out(&if args.json { format!("{:#}\n", catalogue::json()) } else { catalogue::table() });
        return Ok(ExitCode::SUCCESS);
    }
    if args.rules.rules {
        return judge::run(&args.rules, (&args.files, &args.keys), args.json, place, color);
    }
    let filter = args.filter.as_deref().map(Filter::parse).transpose().map_err(|error| Trouble::Usage(error.into()))?;
    let stderr = Terminal::stderr(color);
    let show = Show {
        args,
        filter,
        terminal: Terminal::stdout(color),
        progress: Progress::new(Box::new(std::io::stderr()), stderr, Verbosity::Normal),
    };
    if let Some(interface) = &args.follow {
        return show.follow(interface);
    }
    if let Some(other) = &args.diff {
        return show.difference(&args.files, other);
    }
    if let Some(page) = &args.html {
        return show.page(&args.files, page);
    }
    let mut whole = true;
    for path in &args.files {
        whole &= show.file(path)?;
    }
    Ok(ExitCode::from(u8::from(!whole)))
}

struct Show<'a> {
    args: &'a InspectArgs,
    filter: Option<Filter>,
    terminal: Terminal,
    progress: Progress,
}

impl Show<'_> {
    /// Shows a file; says whether all of it could be read.
    fn file(&self, path: &Path) -> Result<bool, Trouble> {
        // A bar and lines that come one by one would be in each other's way.
        let streams = self.args.packets && self.terminal.interactive;
        let reading = match Reading::open(path, (!streams).then_some(&self.progress)) {
            Ok(reading) => reading,
            Err(error) => return self.unopened(error),
        };
        match (self.args.tree, self.args.ladder) {
            (Some(number), _) => self.tree(reading, number),
            (_, Some(rows)) => self.ladder(reading, rows),
            _ if self.args.packets => self.packets(reading),
            _ => self.story(reading),
        }
    }

    /// A viewer with the user's filter and keys.
    fn viewer(&self, whole: bool) -> Result<Viewer, Trouble> {
        let mut viewer = Viewer::new(self.filter.clone(), whole);
        for path in &self.args.keys {
            viewer.add_keys(path).map_err(|error| Trouble::Usage(error.into()))?;
        }
        Ok(viewer)
    }

    fn story(&self, reading: Reading<'_>) -> Result<bool, Trouble> {
        let name = reading.name().to_owned();
        let mut story = Story::new(self.args.limit);
        let mut viewer = self.viewer(false)?;
        let errors = reading.each(&mut viewer, &mut |view| {
            story.packet(view);
            ControlFlow::Continue(())
        });
        story.finish();
        if self.args.json {
            out(&format!("{:#}\n", document::document(&name, &story, &errors)));
        } else {
            let table = exchanges::table(story.exchanges(), story.left_out(), start_of(&story), &self.terminal);
            if self.args.exchanges {
                out(&table);
            } else {
                out(&format!("{}\n{table}", summary::render(&name, &story, &self.terminal)));
            }
        }
        Ok(self.unreadable(&name, &story, &errors))
    }

    fn ladder(&self, reading: Reading<'_>, rows: Rows) -> Result<bool, Trouble> {
        let name = reading.name().to_owned();
        let mut story = Story::new(0);
        let mut viewer = self.viewer(true)?;
        let mut rungs = Rungs::new(self.args.limit, rows == Rows::All);
        let errors = reading.each(&mut viewer, &mut |view| {
            story.packet(view);
            rungs.packet(view, &story);
            ControlFlow::Continue(())
        });
        out(&ladder::render(&rungs, start_of(&story), &self.terminal));
        Ok(self.unreadable(&name, &story, &errors))
    }

    /// One packet; what comes behind it is not read.
    fn tree(&self, reading: Reading<'_>, number: u64) -> Result<bool, Trouble> {
        let name = reading.name().to_owned();
        let mut story = Story::new(0);
        let mut viewer = self.viewer(true)?;
        let (mut found, mut seen, mut start_ns) = (None, 0, None);
        let errors = reading.each(&mut viewer, &mut |view| {
            seen = view.packet.number;
            let start = *start_ns.get_or_insert(view.packet.timestamp_ns);
            if seen == number {
                // What is wrong with other packets is not asked for.
                story.packet(view);
                let mut lines = Vec::new();
                found = view.read.map(|read| match self.args.json {
                    true => {
                        show::json::packet(&mut lines, view.packet, read);
                        lines
                    }
                    false => tree::render(view.packet, read, start, &self.terminal).into_bytes(),
                });
            }
            if seen < number { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        match found {
            Some(text) => out_octets(&text),
            None => {
                let why = format!("there is no packet {number} that can be shown; the last one seen is {seen}");
                self.progress.print(&format!("error: {name}: {why}\n"));
                return Ok(false);
            }
        }
        Ok(self.unreadable(&name, &story, &errors))
    }

    /// Each packet as it comes.
    fn packets(&self, reading: Reading<'_>) -> Result<bool, Trouble> {
        let name = reading.name().to_owned();
        // The story is told to nobody here, but it knows what could not be read.
        let mut story = Story::new(0);
        let mut viewer = self.viewer(true)?;
        let mut lines = Vec::new();
        let mut start_ns = None;
        let errors = reading.each(&mut viewer, &mut |view| {
            story.packet(view);
            let start_ns = *start_ns.get_or_insert(view.packet.timestamp_ns);
            match view.read {
                Some(read) if self.args.json => show::json::packet(&mut lines, view.packet, read),
                Some(read) => lines.extend(packet::line(view.packet, read, start_ns, &self.terminal).into_bytes()),
                None => {}
            }
            // A terminal and a stream show what there is; a file is written in large pieces.
            if lines.len() >= PIECE || self.terminal.interactive {
                out_octets(&lines);
                lines.clear();
            }
            ControlFlow::Continue(())
        });
        out_octets(&lines);
        Ok(self.unreadable(&name, &story, &errors))
    }

    fn page(&self, files: &[PathBuf], page: &Path) -> Result<ExitCode, Trouble> {
        let file = only(files, "--html")?;
        let reading = match Reading::open(file, Some(&self.progress)) {
            Ok(reading) => reading,
            Err(error) => return self.unopened(error).map(|_| ExitCode::from(1)),
        };
        let name = reading.name().to_owned();
        let (mut story, mut collection) = (Story::new(self.args.limit), Collection::default());
        let errors = reading.each(&mut self.viewer(true)?, &mut |view| {
            story.packet(view);
            collection.packet(view, &story);
            ControlFlow::Continue(())
        });
        story.finish();
        let complaints: Vec<String> = errors.kept().iter().map(ToString::to_string).collect();
        let unwritten = |why: String| {
            let remedy = "look for room and permissions there, or choose another place";
            Trouble::Environment(LabError::environment("inspect.write", format!("{}: {why}", page.display()), remedy))
        };
        let text =
            page::render(&name, &story, &collection, &complaints).map_err(|error| unwritten(error.to_string()))?;
        std::fs::write(page, text).map_err(|error| unwritten(error.to_string()))?;
        self.progress.phase("Wrote", &page.display().to_string());
        Ok(ExitCode::from(u8::from(!self.unreadable(&name, &story, &errors))))
    }

    fn difference(&self, files: &[PathBuf], other: &Path) -> Result<ExitCode, Trouble> {
        let file = only(files, "--diff")?;
        let mut whole = true;
        let mut sides = Vec::new();
        for path in [file, other] {
            let reading = match Reading::open(path, Some(&self.progress)) {
                Ok(reading) => reading,
                Err(error) => return self.unopened(error).map(|_| ExitCode::from(1)),
            };
            let name = reading.name().to_owned();
            let mut side = Side::new(&name);
            let errors = reading.each(&mut self.viewer(false)?, &mut |view| {
                side.packet(view);
                ControlFlow::Continue(())
            });
            side.finish();
            whole &= self.unreadable(&name, side.story(), &errors);
            sides.push(side);
        }
        let [left, right] = &sides[..] else { return Ok(ExitCode::from(1)) };
        let comparison = difference::compare(left, right, self.args.all_fields);
        if self.args.json {
            out(&format!("{:#}\n", serde_json::json!({ "schema": 1, "comparison": comparison })));
        } else {
            out(&self.terminal.safe(&difference::render(left, right, &comparison)));
        }
        Ok(ExitCode::from(u8::from(!whole || !comparison.differences.is_empty())))
    }

    fn follow(&self, interface: &str) -> Result<ExitCode, Trouble> {
        let mut listener = Listener::on(interface).map_err(|error| match error {
            ListenError::Environment(error) => Trouble::Environment(error),
            unknown => Trouble::Usage(miette::miette!("{unknown}")),
        })?;
        let stop = Arc::new(AtomicBool::new(false));
        stop_on_signals(Arc::clone(&stop));
        let mut viewer = self.viewer(false)?;
        let (mut story, mut watch) = (Story::new(self.args.limit), Watch::default());
        self.progress.phase("Listening", &format!("on {interface}, until Ctrl-C"));
        let listened = listener.listen(&mut viewer, &stop, &mut |view| {
            story.packet(view);
            let start_ns = start_of(&story);
            watch.ended(&story, view.packet.number, &mut |exchange| {
                let row = exchanges::Row::of(exchange);
                match self.args.json {
                    true => say!("{}", serde_json::json!({ "exchange": row })),
                    false => say!("{}", row.line(start_ns, &self.terminal)),
                }
            });
        });
        story.finish();
        let errors = Errors::default();
        if self.args.json {
            out(&format!("{}\n", document::document(interface, &story, &errors)));
        } else {
            out(&format!("\n{}", summary::render(interface, &story, &self.terminal)));
        }
        listened?;
        Ok(ExitCode::from(u8::from(!self.unreadable(interface, &story, &errors))))
    }

    /// Says on the standard error what could not be read, and whether all could.
    fn unreadable(&self, name: &str, story: &Story, errors: &Errors) -> bool {
        let broken = story.tracker().totals().broken;
        for trouble in story.troubles().iter().take(SAID) {
            let story::Trouble { packet, offset, what } = trouble;
            self.progress.print(&format!("error: {name}: packet {packet}, offset {offset}: {what}\n"));
        }
        let more = broken.saturating_sub(story.troubles().len().min(SAID) as u64);
        if more > 0 {
            self.progress.print(&format!("error: {name}: and {more} more packets that can not be read to their end\n"));
        }
        for error in errors.keys() {
            self.complain(error);
        }
        for error in errors.kept() {
            self.complain(error);
        }
        if errors.left_out() > 0 {
            self.progress.print(&format!("error: {name}: and {} more errors like these\n", errors.left_out()));
        }
        broken == 0 && errors.is_empty()
    }

    /// A file that is no capture is shown as far as it goes, which is not at all. One that is not there is a mistake of
    /// whoever named it, and one that may not be read a matter of the machine.
    fn unopened(&self, error: ReadError) -> Result<bool, Trouble> {
        match &error.kind {
            ReadErrorKind::Io(cause) if cause.kind() == ErrorKind::NotFound => Err(Trouble::Usage(error.into())),
            ReadErrorKind::Io(cause) => Err(Trouble::Environment(LabError::environment(
                "inspect.read",
                format!("{} can not be read: {cause}", error.path),
                "look whether it is a file, and whether you may read it",
            ))),
            _ => {
                self.complain(&error);
                Ok(false)
            }
        }
    }

    fn complain(&self, error: &dyn Diagnostic) {
        let help = error.help().map(|help| format!("  help: {help}\n")).unwrap_or_default();
        self.progress.print(&format!("error: {error}\n{help}"));
    }
}

/// The one file that is asked for.
fn only<'a>(files: &'a [PathBuf], option: &str) -> Result<&'a Path, Trouble> {
    match files {
        [file] => Ok(file),
        _ => Err(Trouble::Usage(miette::miette!("{option} takes one FILE, and there are {}", files.len()))),
    }
}

/// When the story began, in nanoseconds since 1970.
fn start_of(story: &Story) -> u64 {
    story.tracker().totals().first_ns.unwrap_or(0)
}
