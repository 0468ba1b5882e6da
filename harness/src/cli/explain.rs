//! `cargo lab explain`: a case for people.

use std::process::ExitCode;

use clap::Args;

use super::{Place, Trouble, root, suites};
use crate::run::divergence;
use crate::run::plan::is_destructive;
use crate::suite::select::{Pick, select};
use crate::suite::{Binding, Step, Steps};

/// What to explain.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// Ids, beginnings of ids or globs.
    #[arg(value_name = "ID", required = true)]
    patterns: Vec<String>,
}

pub(super) fn run(args: &ExplainArgs, place: Place<'_>) -> Result<ExitCode, Trouble> {
    let root = root(place.root)?;
    let suites = suites(&root, place.suites)?;
    let selection = select(&suites, &args.patterns).map_err(|error| Trouble::Usage(error.into()))?;
    let divergences = divergence::load_all(&root.join("suites/divergences")).map_err(Trouble::Usage)?;
    for (index, pick) in selection.picks.iter().enumerate() {
        if index > 0 {
            say!("");
        }
        explain(pick);
        for entry in divergences.iter().filter(|entry| crate::suite::select::fits(&entry.case, &pick.id())) {
            say!("\n  known deviation  {} {}: {}", entry.implementation, entry.versions, entry.reason);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn explain(pick: &Pick<'_>) {
    let (suite, case) = (pick.suite, pick.case);
    say!("{}", pick.id());
    say!("  {}", case.title);
    say!("  ({}:{})", suite.source.path.display(), case.span.line);
    if !case.tags.is_empty() {
        say!("\n  tags       {}", case.tags.join(", "));
    }
    if is_destructive(case) {
        say!("             it may kill who is judged, which is a failure then: it runs last, in a lab of its own");
    }
    for cite in &case.cites {
        let requirement = cite.requirement.as_deref().map(|id| format!(" [{id}]")).unwrap_or_default();
        let quote = cite.quote.as_deref().map(|quote| format!(": \"{quote}\"")).unwrap_or_default();
        say!("\n  stands on  {} section {}, {}{requirement}{quote}", cite.spec, cite.section, cite.level.name());
    }
    if let Some(text) = &case.interpretation {
        say!("\n  read as    {}", text.trim());
    }
    if let Some(purpose) = &suite.purpose {
        say!("\n  purpose    {}", purpose.trim());
    }
    if let Some(problems) = &suite.problems {
        say!("\n  if broken  {}", problems.trim());
    }
    if let Some(capture) = &suite.topology_of(case).capture {
        say!("\n  capture    {capture}");
    }
    say!("\n  nodes");
    for (name, node) in &suite.topology_of(case).nodes {
        let player = match &node.bind {
            _ if node.scripted => "played by the case itself".to_owned(),
            Some(Binding::Capture) => "recorded".to_owned(),
            Some(binding) => binding.to_string(),
            None => "peer".to_owned(),
        };
        let mut more = String::new();
        for tunnel in node.all_tunnels() {
            more += &format!(", tunnel {}", tunnel.tunnel);
        }
        for lan in &node.lan {
            more += &format!(", network {lan}");
        }
        for route in &node.routes {
            more += &format!(", {} via {}", route.to, route.via);
        }
        say!("    {name:<10} {:<8} {} ({player}){more}", node.role.name(), node.nbma);
    }
    list("steps", &case.steps);
    list("control (without which an absence proves nothing)", &case.control);
    list("teardown", &case.teardown);
}

fn list(title: &str, steps: &Steps) {
    if steps.is_empty() {
        return;
    }
    say!("\n  {title}");
    lines(steps, 4);
}

fn lines(steps: &Steps, indent: usize) {
    for (index, step) in steps.iter().enumerate() {
        say!("{:indent$}{:>2}. {}", "", index + 1, step.value);
        if let Step::Group(group) = &step.value {
            lines(&group.steps, indent + 4);
        }
    }
}
