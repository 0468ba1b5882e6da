//! `cargo lab report diff`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::super::Trouble;
use crate::evidence::read::stored_run;
use crate::report::diff::Diff;
use crate::report::{ColorChoice, Terminal};

/// Which runs.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo lab report diff runs/2026-01-01T10-00-00Z runs/latest       before and after a change
  cargo lab report diff frr-10.3 frr-10.7.1                         one version of a router against the next
  cargo lab report diff main.json branch.json --json > diff.json

Cells are the same if case, subject, peer, world and driver are. An implementation that each run has in one version only is
held against its other version. Worse is: a case that needs attention and did not before, or a verdict that says less
than before (a pass that became a skip, an expected failure, a warning). Measurements are named when they differ by more
than 5 %, and are never worse by themselves: a bound that is broken is a failure.

Exit codes:
  0  nothing got worse      1  something got worse      2  wrong usage, or no such run")]
pub(super) struct DiffArgs {
    /// The earlier run: its folder, or its results.json.
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The later run.
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Print JSON instead of lines.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &DiffArgs, color: ColorChoice) -> Result<ExitCode, Trouble> {
    let [old, new] = [&args.old, &args.new].map(|path| stored_run(path).map_err(Trouble::Usage));
    let diff = Diff::of(&old?.result, &new?.result);
    if args.json {
        say!("{:#}", serde_json::json!(diff));
    } else {
        super::super::out(&diff.human(&Terminal::stdout(color)));
    }
    Ok(ExitCode::from(u8::from(diff.worse)))
}
