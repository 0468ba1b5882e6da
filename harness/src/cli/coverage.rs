//! `cargo lab coverage`: which requirement is judged against whom.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use miette::{IntoDiagnostic, WrapErr};
use serde_json::json;
use tabled::builder::Builder;
use tabled::settings::Style;

use super::{Place, Trouble, root, suites};
use crate::coverage::runs::{self, Found};
use crate::coverage::{Facts, Matrix, State, snapshot};
use crate::evidence::read::stored_run;
use crate::requirement::Catalogue;
use crate::rules::{self, Rules};
use crate::run::divergence;
use crate::subject;

/// What to show, and what to hold it against.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo lab coverage                                   every requirement, against every implementation
  cargo lab coverage NHRP-5.2.4 GRE                    one section, and one family
  cargo lab coverage --run runs/latest                 with what a run found; says where records and run disagree
  cargo lab coverage --check                           what CI asks: the snapshot is current, nothing is forgotten
  cargo lab coverage --bless                           write suites/coverage.snapshot again
  cargo lab coverage --format json > coverage.json

States: tested (cases judge it, none is known to fail), deviates (fails as suites/divergences records),
unsupported (suites/impls says that it lacks what is needed), - (no case judges it there); with --run
also failed and unjudged. Without --run nothing is run and no result is read.

Exit codes:
  0  shown, and all that was asked for holds
  1  --check: the snapshot differs, a requirement without a case gives no reason, or more than 10 % of the
     NHRP requirements that can be judged on the wire are not; --run: the run and the records disagree
  2  wrong usage, or suites, requirements or results that are not valid
  4  a file could not be written")]
pub(super) struct CoverageArgs {
    /// Requirements, or beginnings of their ids: `NHRP-5.2`. All if none is given.
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Folder of a run, to be held against the records. Repeatable.
    #[arg(long, value_name = "DIR")]
    run: Vec<PathBuf>,
    /// Hold it against the snapshot in git, and look for requirements that are forgotten.
    #[arg(long, conflicts_with_all = ["bless", "ids"])]
    check: bool,
    /// Write the snapshot.
    #[arg(long, conflicts_with_all = ["ids", "run"])]
    bless: bool,
    /// How to tell.
    #[arg(long, value_enum, default_value_t)]
    format: CoverageFormat,
}

/// How the matrix is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum CoverageFormat {
    /// Tables.
    #[default]
    Human,
    /// One JSON document.
    Json,
}

pub(super) fn run(args: &CoverageArgs, place: Place<'_>) -> Result<ExitCode, Trouble> {
    let root = root(place.root)?;
    let suites = suites(&root, place.suites)?;
    let implementations = subject::find_all(&root.join("suites/impls")).map_err(Trouble::Usage)?;
    let divergences = divergence::load_all(&root.join("suites/divergences")).map_err(Trouble::Usage)?;
    let catalogue = Catalogue::load(&root.join("suites/requirements")).map_err(Trouble::Usage)?;
    let mistakes = catalogue.mistakes(&suites);
    if !mistakes.is_empty() {
        return Err(super::mistakes(mistakes));
    }
    let rules = rules::load(&root.join("suites/rules"), &catalogue).map_err(super::mistakes)?;
    let facts =
        Facts { catalogue: &catalogue, suites: &suites, implementations: &implementations, divergences: &divergences };
    let matrix = Matrix::of(&facts);
    let path = place.suites.map_or_else(|| root.join("suites"), Path::to_owned).join(snapshot::FILE);
    let text = snapshot::render(&matrix);
    if args.bless {
        fs::write(&path, &text).map_err(|error| {
            crate::world::LabError::environment(
                "coverage.write",
                format!("{} can not be written: {error}", path.display()),
                "give the file back with `chown`, or look for room on its disk",
            )
        })?;
        say!("{}: {} requirements", path.display(), matrix.rows.len());
        return Ok(ExitCode::SUCCESS);
    }
    let mut problems = Vec::new();
    if args.check {
        problems.extend(matrix.gaps());
        problems.extend(stale(&path, &text)?);
    }
    let mut matrix = matrix.only(&args.ids).map_err(|id| {
        let help = "`cargo lab coverage` lists all requirements; a beginning ends with a whole part, as `NHRP-5.2`";
        Trouble::Usage(miette::miette!(help = help, "no requirement begins with `{id}`"))
    })?;
    if !args.run.is_empty() {
        let mut found = Found::default();
        for folder in &args.run {
            found.add(&stored_run(folder).map_err(Trouble::Usage)?.result);
        }
        problems.extend(runs::hold(&mut matrix, &found));
    }
    match args.format {
        CoverageFormat::Json => say!("{:#}", as_json(&matrix, &rules, &problems)),
        // Whoever checks wants to know what is wrong, not all that is right.
        CoverageFormat::Human if args.check => say!("{}\n{}", counts(&matrix), passive(&matrix, &rules)),
        CoverageFormat::Human => say!("{}\n\n{}\n{}", table(&matrix), counts(&matrix), passive(&matrix, &rules)),
    }
    for problem in &problems {
        eprintln!("error: {problem}");
    }
    Ok(ExitCode::from(u8::from(!problems.is_empty())))
}

/// How the snapshot in git differs from what it should be, and how to renew it.
fn stale(path: &Path, now: &str) -> Result<Option<String>, Trouble> {
    let known = match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        read => read
            .into_diagnostic()
            .wrap_err_with(|| format!("{} can not be read", path.display()))
            .map_err(Trouble::Usage)?,
    };
    let patch = snapshot::difference(&known, now);
    Ok(patch.map(|patch| {
        format!("{} is out of date; `{}` renews it:\n{}", path.display(), snapshot::RENEW, patch.trim_end())
    }))
}

fn table(matrix: &Matrix<'_>) -> String {
    let mut builder = Builder::default();
    let head = ["requirement", "level"].into_iter().chain(matrix.columns.iter().map(String::as_str));
    builder.push_record(head.chain(["cases"]).map(str::to_owned));
    for row in &matrix.rows {
        let mut line = vec![row.requirement.id.clone(), row.requirement.level.to_string()];
        line.extend(
            matrix.columns.iter().map(|column| row.cells.get(column).map_or("-", |state| state.name()).to_owned()),
        );
        line.push(match row.untested() {
            None => row.cases.len().to_string(),
            Some(Some(class)) => format!("untested: {class}"),
            Some(None) => "untested".to_owned(),
        });
        builder.push_record(line);
    }
    builder.build().with(Style::blank()).to_string()
}

/// Per family and implementation, how many requirements are in which state.
fn counts(matrix: &Matrix<'_>) -> String {
    let mut builder = Builder::default();
    let words = State::ALL.map(|state| state.name().to_owned());
    builder.push_record(
        ["family".to_owned(), "implementation".to_owned()]
            .into_iter()
            .chain(words)
            .chain(["untested".to_owned(), "of".to_owned()]),
    );
    let all = matrix.counts();
    let families: BTreeSet<&str> = all.keys().map(|(family, _)| *family).collect();
    let lines =
        families.into_iter().flat_map(|family| matrix.columns.iter().map(move |column| (family, column.as_str())));
    for (family, column) in lines {
        let Some(of) = all.get(&(family, column)) else { continue };
        let count = |state: Option<State>| of.get(&state).copied().unwrap_or(0);
        let judged: usize =
            State::ALL.iter().filter(|state| **state != State::Unsupported).map(|state| count(Some(*state))).sum();
        // A family that an implementation has no part in is a line without news.
        if judged == 0 {
            continue;
        }
        let mut line = vec![family.to_owned(), column.to_owned()];
        line.extend(State::ALL.map(|state| count(Some(state)).to_string()));
        line.extend([count(None).to_string(), of.values().sum::<usize>().to_string()]);
        builder.push_record(line);
    }
    let mut classes: BTreeMap<String, usize> = BTreeMap::new();
    for class in matrix.rows.iter().filter_map(|row| row.untested()) {
        *classes.entry(class.map_or_else(|| "no reason".to_owned(), |class| class.to_string())).or_default() += 1;
    }
    let untested: usize = classes.values().sum();
    let reasons: Vec<String> = classes.iter().map(|(class, count)| format!("{count} {class}")).collect();
    let reasons = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) };
    let judged = matrix.rows.len() - untested;
    format!(
        "{}\n{judged} of {} requirements are judged by a case, {untested} are not{reasons}",
        builder.build().with(Style::blank()),
        matrix.rows.len()
    )
}

/// How many requirements rules judge in every capture.
fn passive(matrix: &Matrix<'_>, rules: &Rules) -> String {
    let cited = rules.cited();
    let (mut judged, mut alone) = (0, 0);
    for row in matrix.rows.iter().filter(|row| cited.contains(row.requirement.id.as_str())) {
        judged += 1;
        alone += usize::from(row.is_untested());
    }
    format!(
        "{judged} of {} requirements are judged by a rule about what passes (suites/rules), {alone} of them by no case",
        matrix.rows.len()
    )
}

fn as_json(matrix: &Matrix<'_>, rules: &Rules, problems: &[String]) -> serde_json::Value {
    let rows = matrix.rows.iter().map(|row| {
        let requirement = row.requirement;
        let judged_by =
            rules.rules.iter().filter(|(rule, _)| rule.cites.iter().any(|cite| cite.value == requirement.id));
        json!({
            "id": requirement.id,
            "source": requirement.source,
            "level": requirement.level,
            "role": requirement.role,
            "testable_against": requirement.testable_against,
            "summary": requirement.summary,
            "cases": row.cases,
            "rules": judged_by.map(|(rule, _)| rule.id.value.as_str()).collect::<Vec<_>>(),
            "cells": row.cells,
            "untested": row.is_untested().then_some(&requirement.untested),
        })
    });
    let counts = matrix.counts().into_iter().map(|((family, column), of)| {
        let named = |state: &Option<State>| state.map_or("untested", State::name).to_owned();
        let of: BTreeMap<String, usize> = of.iter().map(|(state, count)| (named(state), *count)).collect();
        json!({ "family": family, "implementation": column, "counts": of })
    });
    json!({
        "schema": 1,
        "implementations": matrix.columns,
        "requirements": rows.collect::<Vec<_>>(),
        "counts": counts.collect::<Vec<_>>(),
        "problems": problems,
    })
}
