//! `cargo lab list`.

use std::process::ExitCode;

use clap::Args;
use tabled::settings::Style;
use tabled::{Table, Tabled};

use super::{Place, Trouble, root, suites};
use crate::suite::select::{Filter, Pick, select_by};

/// What to list, and how.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// Which cases.
#[derive(Debug, Args)]
pub(super) struct SelectionArgs {
    /// Ids, beginnings of ids (`nhrp/registration`) or globs (`nhrp/*/refresh*`); all cases if none is given.
    #[arg(value_name = "ID")]
    patterns: Vec<String>,
    /// Leave these out.
    #[arg(long, value_name = "ID")]
    exclude: Vec<String>,
    /// Only cases with one of these tags.
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
}

impl SelectionArgs {
    pub(super) fn filter(&self) -> Filter {
        Filter { patterns: self.patterns.clone(), exclude: self.exclude.clone(), tags: self.tag.clone() }
    }
}

#[derive(Tabled)]
struct Line {
    case: String,
    worlds: String,
    level: String,
    tags: String,
    rule: String,
}

pub(super) fn run(args: &ListArgs, place: Place<'_>) -> Result<ExitCode, Trouble> {
    let suites = suites(&root(place.root)?, place.suites)?;
    let selection = select_by(&suites, &args.selection.filter()).map_err(|error| Trouble::Usage(error.into()))?;
    if args.json {
        let cases: Vec<_> = selection.picks.iter().map(as_json).collect();
        say!("{:#}", serde_json::json!({ "schema": 1, "cases": cases }));
        return Ok(ExitCode::SUCCESS);
    }
    let lines = selection.picks.iter().map(|pick| Line {
        case: pick.id(),
        worlds: worlds(pick).join(" "),
        level: level(pick),
        tags: pick.case.tags.join(" "),
        rule: pick.case.title.clone(),
    });
    say!("{}", Table::new(lines).with(Style::blank()));
    say!("{} cases", selection.picks.len());
    Ok(ExitCode::SUCCESS)
}

fn worlds(pick: &Pick<'_>) -> Vec<String> {
    pick.suite.worlds_of(pick.case).iter().map(|world| world.name().to_owned()).collect()
}

/// The strongest sentence that a case stands on.
fn level(pick: &Pick<'_>) -> String {
    pick.case.cites.iter().map(|cite| cite.level).min().map(|level| level.name().to_owned()).unwrap_or_default()
}

fn as_json(pick: &Pick<'_>) -> serde_json::Value {
    serde_json::json!({
        "id": pick.id(),
        "title": pick.case.title,
        "worlds": worlds(pick),
        "level": level(pick),
        "tags": pick.case.tags,
        "needs": pick.suite.needs_of(pick.case).collect::<Vec<_>>(),
        "requirements": pick.case.cites.iter().filter_map(|cite| cite.requirement.as_deref()).collect::<Vec<_>>(),
        "capture": pick.suite.topology_of(pick.case).capture.as_ref().map(|capture| capture.file.as_str()),
        "file": pick.suite.source.path.display().to_string(),
        "line": pick.case.span.line,
    })
}
