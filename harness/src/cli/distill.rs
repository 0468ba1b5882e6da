//! `cargo lab distill`: from a capture to the draft of a case.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use tabled::settings::Style;
use tabled::{Table, Tabled};

use super::{Place, Trouble};
use crate::distill::{Form, MOST_EXCHANGES, Material, Source, draft};
use crate::exchange::Exchange;
use crate::place::Captures;
use crate::world::LabError;

/// Which capture, what of it, and where to.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo lab distill trace.pcap --list                  the exchanges of NHRP in a capture
  cargo lab distill trace.pcap --exchange 2            a case of the second one, on standard output
  cargo lab distill captures/frr-10.3-registration.pcapng --out suites/replay/mine.yaml
  cargo lab run replay/mine                            the draft passes on its own capture
  cargo lab distill trace.pcap --feed --with-secrets   cases in which the built-in hub stands for the recorded one
  cargo lab distill trace.pcap --json                  exchanges and stations, for other programs

A draft looks for each message of an exchange and for all of its fields; request ids are kept as $id.
It is for world replay on its own capture. Exchanges inside ESP, and IKE, are left out.

Exit codes:
  0  drafted                              2  wrong usage, nothing to distill, or the file is there already
  4  a file could not be read or written")]
pub(super) struct DistillArgs {
    /// The capture: pcap or pcapng.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only this exchange, by its number in --list. Repeatable.
    #[arg(long, value_name = "N")]
    exchange: Vec<u64>,
    /// Write the draft here instead of standard output. An existing file is not written over.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Draft `feed` cases: recorded spokes ask the built-in hub, which has to answer as the recorded one did.
    #[arg(long)]
    feed: bool,
    /// Write authentication strings into the draft, instead of their lengths.
    #[arg(long)]
    with_secrets: bool,
    /// Only list the exchanges.
    #[arg(long, conflicts_with_all = ["out", "feed", "with_secrets"])]
    list: bool,
    /// Only list exchanges and stations, as JSON.
    #[arg(long, conflicts_with_all = ["out", "feed", "with_secrets", "list"])]
    json: bool,
}

#[derive(Tabled)]
struct Line {
    number: u64,
    exchange: String,
    from: String,
    to: String,
    id: u32,
    frames: String,
    code: String,
}

pub(super) fn run(args: &DistillArgs, place: Place<'_>) -> Result<ExitCode, Trouble> {
    let material = Material::read(&args.file)?;
    let chosen = choose(&material, &args.exchange, &args.file)?;
    if args.json {
        say!("{:#}", serde_json::json!({ "schema": 1, "stations": material.stations, "exchanges": chosen }));
        return Ok(ExitCode::SUCCESS);
    }
    if args.list {
        say!("{}", Table::new(chosen.iter().map(|exchange| line(exchange))).with(Style::blank()));
        return Ok(ExitCode::SUCCESS);
    }
    let some = &chosen[..chosen.len().min(MOST_EXCHANGES)];
    if some.len() < chosen.len() {
        eprintln!(
            "warning: only the first {MOST_EXCHANGES} of {} exchanges are drafted; choose others with --exchange",
            chosen.len()
        );
    }
    // A capture may be distilled where there is no checkout.
    let root = super::root(place.root).unwrap_or_default();
    let (shelf, file) = Captures::of(&root).name(&args.file);
    let source = Source { shelf, file: file.display().to_string(), suite: suite_id(args.out.as_deref(), &args.file) };
    let form = if args.feed { Form::Feed } else { Form::Replay };
    let text = draft(&material, some, &source, form, args.with_secrets).map_err(|problem| {
        Trouble::Usage(miette::miette!(help = "leave out --feed: a case of world replay needs no more", "{problem}"))
    })?;
    match &args.out {
        None => super::out(&text),
        Some(path) => {
            write(path, &text)?;
            eprintln!("{:>12} {}: {} cases", "Drafted", path.display(), some.len());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The exchanges that were asked for; all if none was.
fn choose<'m>(material: &'m Material, wanted: &[u64], file: &Path) -> Result<Vec<&'m Exchange>, Trouble> {
    let all = &material.exchanges;
    if all.is_empty() {
        return Err(Trouble::Usage(miette::miette!(
            help = "what is inside ESP is not seen, and IKE is not distilled",
            "{}: no NHRP in the clear",
            file.display()
        )));
    }
    if let Some(stranger) = wanted.iter().find(|number| !all.iter().any(|exchange| exchange.number == **number)) {
        return Err(Trouble::Usage(miette::miette!(
            help = "`--list` shows them",
            "there is no exchange {stranger}: {} has {}",
            file.display(),
            all.len()
        )));
    }
    Ok(all.iter().filter(|exchange| wanted.is_empty() || wanted.contains(&exchange.number)).collect())
}

fn line(exchange: &Exchange) -> Line {
    let numbers: Vec<String> = exchange.packets.iter().map(|seen| seen.number.to_string()).collect();
    let code = match (exchange.code, exchange.error) {
        (_, Some(error)) => format!("error {error}"),
        (Some(code), None) => code.to_string(),
        (None, None) if exchange.unanswered() => "no answer".to_owned(),
        (None, None) => String::new(),
    };
    Line {
        number: exchange.number,
        exchange: exchange.kind.name(),
        from: exchange.from.to_string(),
        to: exchange.to.to_string(),
        id: exchange.id,
        frames: numbers.join(" "),
        code,
    }
}

/// The id that a suite at this place has to have: its path below `suites`, or its name; a name of the capture's where the
/// draft goes to standard output.
fn suite_id(out: Option<&Path>, capture: &Path) -> String {
    let path = out.unwrap_or(capture).with_extension("");
    let parts: Vec<String> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    let below = match parts.iter().rposition(|part| part == "suites").filter(|_| out.is_some()) {
        Some(root) => parts.get(root + 1..).unwrap_or_default().join("/"),
        None => parts.last().cloned().unwrap_or_default(),
    };
    let id: String = below
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() || "./-".contains(c) { c } else { '-' })
        .collect();
    if id.starts_with(|c: char| c.is_ascii_alphanumeric()) { id } else { format!("draft{id}") }
}

/// Writes a new file.
fn write(path: &Path, text: &str) -> Result<(), Trouble> {
    let written = std::fs::File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Trouble::Usage(miette::miette!(
            help = "remove it, or choose another with --out",
            "{} is there already",
            path.display()
        )),
        _ => LabError::environment(
            "distill.write",
            format!("{} can not be written: {error}", path.display()),
            "choose another place with --out",
        )
        .into(),
    })
}
