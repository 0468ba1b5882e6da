//! `cargo lab check` and `cargo lab schema`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{Place, Trouble, root, suites};
use crate::requirement::Catalogue;
use crate::run::{cast, divergence};
use crate::suite::{Diagnostic, Shelf, Step, Suite, flatten};
use crate::{report, rules, subject, suite};

/// What to check.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Files or folders; the whole checkout if none is given.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

pub(super) fn run(args: &CheckArgs, place: Place<'_>) -> Result<ExitCode, Trouble> {
    if !args.paths.is_empty() {
        return check_paths(&args.paths, place);
    }
    let root = root(place.root)?;
    let suites = suites(&root, place.suites)?;
    let implementations = subject::find_all(&root.join("suites/impls")).map_err(Trouble::Usage)?;
    let catalogue = Catalogue::load(&root.join("suites/requirements")).map_err(Trouble::Usage)?;
    let mistakes =
        [cast::mistakes(&suites, &implementations), catalogue.mistakes(&suites), missing_captures(&suites, &root)]
            .concat();
    if !mistakes.is_empty() {
        return Err(super::mistakes(mistakes));
    }
    let rules = rules::load(&root.join("suites/rules"), &catalogue).map_err(super::mistakes)?;
    let missing = catalogue.missing_tests(&root);
    for problem in &missing {
        eprintln!("error: {problem}");
    }
    let divergences = divergence::load_all(&root.join("suites/divergences")).map_err(Trouble::Usage)?;
    let ids: Vec<String> = suites.iter().flat_map(|suite| suite.cases.iter().map(|case| suite.case_id(case))).collect();
    let stale = divergence::stale(&divergences, &ids);
    for entry in &stale {
        eprintln!("error: {}: no case fits `{}`; delete the entry or correct the id", entry.file.display(), entry.case);
    }
    let unknown: Vec<_> = divergences
        .iter()
        .filter(|entry| implementations.iter().all(|implementation| implementation.name != entry.implementation))
        .collect();
    for entry in &unknown {
        eprintln!("error: {}: there is no implementation `{}`", entry.file.display(), entry.implementation);
    }
    say!(
        "{} suites, {} cases, {} exec steps, {} implementations, {} divergences, {} requirements, {} rules",
        suites.len(),
        ids.len(),
        execs(&suites),
        implementations.len(),
        divergences.len(),
        catalogue.all().len(),
        rules.rules.len()
    );
    Ok(if stale.is_empty() && unknown.is_empty() && missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

/// Captures of the project that are not in it, or whose sidecar is not. Those of others need not be on this machine.
fn missing_captures(suites: &[Suite], root: &Path) -> Vec<Diagnostic> {
    let cases = suites.iter().flat_map(|suite| suite.cases.iter().map(move |case| suite.topology_of(case)));
    let mut missing: Vec<Diagnostic> = Vec::new();
    for capture in cases.filter_map(|topology| topology.capture.as_ref()).filter(|it| it.from == Shelf::Project) {
        let path = root.join(&capture.file);
        let sidecar = path.with_extension("yaml");
        // What lies elsewhere is a user's own.
        let own = Path::new(&capture.file).is_absolute();
        let Some(lost) = [path, sidecar].into_iter().take(if own { 1 } else { 2 }).find(|path| !path.is_file()) else {
            continue;
        };
        let what = format!("{} is not there", lost.display());
        let help = "record it, or say `from: third-party` for what is in the folder of DMVPN_LAB_CAPTURES";
        let diagnostic = Diagnostic::new("suite::capture", &capture.span, what, "named here").with_help(help);
        if !missing.contains(&diagnostic) {
            missing.push(diagnostic);
        }
    }
    missing
}

/// The escape hatch is counted: each use of it binds a case to a product.
fn execs(suites: &[Suite]) -> usize {
    let cases = suites.iter().flat_map(|suite| &suite.cases);
    cases.flat_map(|case| flatten(&case.steps)).filter(|step| matches!(step.value, Step::Exec(_))).count()
}

fn check_paths(paths: &[PathBuf], place: Place<'_>) -> Result<ExitCode, Trouble> {
    // A file may be checked where there is no checkout; then nobody knows which implementations and requirements there are.
    let root = match root(place.root) {
        Ok(root) => Some(root),
        Err(_) if place.root.is_none() => None,
        Err(trouble) => return Err(trouble),
    };
    let lost = |suites: &[Suite]| root.as_ref().map(|root| missing_captures(suites, root)).unwrap_or_default();
    let known = match &root {
        Some(root) => Some((
            subject::find_all(&root.join("suites/impls")).map_err(Trouble::Usage)?,
            Catalogue::load(&root.join("suites/requirements")).map_err(Trouble::Usage)?,
        )),
        None => None,
    };
    let (mut cases, mut judged, mut mistakes) = (0, 0, 0);
    for path in paths {
        let catalogue = known.as_ref().map(|(_, catalogue)| catalogue).filter(|_| is_about_rules(path));
        let loaded = match catalogue {
            Some(catalogue) => rules::load(path, catalogue).map(|rules| {
                judged += rules.rules.len();
                Vec::new()
            }),
            None => suite::load_tree(path),
        };
        let diagnostics = match loaded {
            Ok(suites) => {
                cases += suites.iter().map(|suite| suite.cases.len()).sum::<usize>();
                let mistakes = known.as_ref().map(|(implementations, catalogue)| {
                    [cast::mistakes(&suites, implementations), catalogue.mistakes(&suites), lost(&suites)].concat()
                });
                mistakes.unwrap_or_default()
            }
            Err(diagnostics) => diagnostics,
        };
        mistakes += diagnostics.len();
        for diagnostic in diagnostics {
            eprintln!("{:?}", miette::Report::new(diagnostic));
        }
    }
    say!("{cases} cases, {judged} rules, {mistakes} mistakes");
    Ok(ExitCode::from(if mistakes == 0 { 0 } else { 2 }))
}

/// Whether a path is the folder of rules, or in it.
fn is_about_rules(path: &Path) -> bool {
    let last = path.components().rev().take(2).map(|part| part.as_os_str());
    let mut last = last.map(|part| part == "rules");
    last.next() == Some(true) || path.is_file() && last.next() == Some(true)
}

/// Which schema.
#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// Of what.
    #[arg(value_enum, default_value_t)]
    of: SchemaOf,
}

/// Documents that there are schemas of.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum SchemaOf {
    /// Suites, for editors.
    #[default]
    Suite,
    /// Files of rules, for editors.
    Rules,
    /// `results.json` and `--format json`.
    Results,
    /// Lines of `--format jsonl`.
    Events,
}

pub(super) fn schema(args: &SchemaArgs) -> Result<ExitCode, Trouble> {
    let schema = match args.of {
        SchemaOf::Suite => suite::schema(),
        SchemaOf::Rules => suite::rules_schema(),
        SchemaOf::Results => report::json::result_schema(),
        SchemaOf::Events => report::json::event_schema(),
    };
    say!("{:#}", schema.to_value());
    Ok(ExitCode::SUCCESS)
}
