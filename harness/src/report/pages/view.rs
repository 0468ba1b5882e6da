//! What the templates see: rows and columns of the matrix, and what there is to say about a case.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::evidence::read::{Moment, files, instant, moments};
use crate::report::cell::{CellKey, Column};
use crate::report::compare::{Piece, pieces};
use crate::report::failure::{parties, place, reason, sentence};
use crate::report::ladder::{Class, Ladder, Row as Rung};
use crate::report::octets::{self, DumpLine};
use crate::requirement::Catalogue;
use crate::verdict::{CaseResult, Failure, Metric, Outcome, RunResult};

use super::{href, slug, unique};

/// Most packets and steps of a ladder; the timeline beside the page has all.
const MOST_RUNGS: usize = 120;
/// Most files of a case that are linked.
const MOST_FILES: usize = 60;

/// The matrix.
#[derive(Debug, Serialize)]
pub(super) struct Matrix {
    command: String,
    began: String,
    harness_version: String,
    partition: Option<String>,
    environment: BTreeMap<String, String>,
    summary: String,
    problems: Vec<String>,
    interrupted: bool,
    counts: Vec<(Outcome, usize)>,
    columns: Vec<Head>,
    suites: Vec<SuiteRows>,
    cases: usize,
}

#[derive(Debug, Serialize)]
struct Head {
    party: String,
    place: String,
    /// How many cases, and how many of them need attention.
    tally: String,
}

#[derive(Debug, Serialize)]
struct SuiteRows {
    id: String,
    rows: Vec<Line>,
}

/// A case in the matrix.
#[derive(Debug, Serialize)]
struct Line {
    /// The case's id.
    #[serde(skip)]
    id: String,
    /// The part of it behind the suite, with the part of the variant that is the row's own.
    name: String,
    title: String,
    page: String,
    cells: Vec<Option<Shown>>,
}

#[derive(Clone, Debug, Serialize)]
struct Shown {
    outcome: Outcome,
    reason: String,
    anchor: String,
    evidence: Option<String>,
    /// How many results are in this cell.
    count: usize,
}

impl Matrix {
    /// Lays results out; `links` lead from the pages of cases to the evidence.
    pub(super) fn of(run: &RunResult, links: &[Option<String>]) -> Matrix {
        let keys: Vec<CellKey> = run.cases.iter().map(CellKey::of).collect();
        let split = parties_in_several_places(&keys);
        let column = |key: &CellKey| {
            let mut column = key.column.clone();
            if !split.contains(&column.party()) {
                column.place = String::new();
            }
            column
        };
        let mut columns: Vec<Column> = keys.iter().map(column).collect::<BTreeSet<_>>().into_iter().collect();
        columns.sort_by(|left, right| by_version(left).cmp(&by_version(right)));
        let mut heads: Vec<(BTreeSet<&str>, Vec<Outcome>)> = vec![Default::default(); columns.len()];
        let mut suites: Vec<SuiteRows> = Vec::new();
        let mut pages: BTreeMap<&str, String> = BTreeMap::new();
        let mut taken = BTreeSet::new();
        for ((case, key), link) in run.cases.iter().zip(&keys).zip(links) {
            let page = pages.entry(&case.id).or_insert_with(|| unique(&slug(&case.id), &mut taken) + ".html").clone();
            let place = columns.iter().position(|other| *other == column(key)).unwrap_or_default();
            if let Some((places, outcomes)) = heads.get_mut(place) {
                places.insert(&key.column.place);
                outcomes.push(case.verdict.outcome);
            }
            let suite = match suites.iter().position(|suite| suite.id == case.suite) {
                Some(known) => &mut suites[known],
                None => {
                    suites.push(SuiteRows { id: case.suite.clone(), rows: Vec::new() });
                    let last = suites.len() - 1;
                    &mut suites[last]
                }
            };
            let name = key.row.strip_prefix(&case.suite).map_or(key.row.as_str(), |rest| rest.trim_start_matches('/'));
            let line = match suite.rows.iter().position(|line| line.id == case.id && line.name == name) {
                Some(known) => &mut suite.rows[known],
                None => {
                    suite.rows.push(Line {
                        id: case.id.clone(),
                        name: name.to_owned(),
                        title: case.title.clone(),
                        page,
                        cells: vec![None; columns.len()],
                    });
                    let last = suite.rows.len() - 1;
                    &mut suite.rows[last]
                }
            };
            if let Some(cell) = line.cells.get_mut(place) {
                add(cell, case, key, link.as_deref());
            }
        }
        suites.sort_by(|left, right| left.id.cmp(&right.id));
        let heads = columns.iter().zip(heads).map(|(column, (places, outcomes))| Head {
            party: column.party(),
            place: places.into_iter().collect::<Vec<_>>().join(", "),
            tally: tally(&outcomes),
        });
        Matrix {
            command: run.command.join(" "),
            began: run.began.clone(),
            harness_version: run.harness_version.clone(),
            partition: run.partition.map(|partition| partition.to_string()),
            environment: run.environment.clone(),
            summary: run.summary_line(),
            problems: run.regressions.iter().chain(&run.problems).cloned().collect(),
            interrupted: run.interrupted.is_some(),
            counts: counted(&run.cases.iter().map(|case| case.verdict.outcome).collect::<Vec<_>>()),
            columns: heads.collect(),
            cases: suites.iter().map(|suite| suite.rows.len()).sum(),
            suites,
        }
    }

    /// Cases with their pages, in the order of the matrix.
    pub(super) fn pages(&self) -> Vec<(String, String)> {
        let mut pages: Vec<(String, String)> = Vec::new();
        let mut seen = BTreeSet::new();
        for line in self.suites.iter().flat_map(|suite| &suite.rows) {
            if seen.insert(&line.page) {
                pages.push((line.id.clone(), line.page.clone()));
            }
        }
        pages
    }
}

/// Those who have a case in two places need a column for each place; for all others the place is not worth one.
fn parties_in_several_places(keys: &[CellKey]) -> BTreeSet<String> {
    let mut places: BTreeMap<(&str, String), BTreeSet<&str>> = BTreeMap::new();
    for key in keys {
        places.entry((&key.row, key.column.party())).or_default().insert(&key.column.place);
    }
    places.into_iter().filter(|(_, places)| places.len() > 1).map(|((_, party), _)| party).collect()
}

/// Versions by their numbers: 8.4.4 stands before 10.3.
fn by_version(column: &Column) -> (&str, Vec<u64>, &Column) {
    let numbers = column.version.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect();
    (&column.subject, numbers, column)
}

/// Puts a result into a cell; of several the strongest is shown.
fn add(cell: &mut Option<Shown>, case: &CaseResult, key: &CellKey, link: Option<&str>) {
    let count = cell.as_ref().map_or(0, |shown| shown.count) + 1;
    let kept = cell.take().filter(|shown| shown.outcome >= case.verdict.outcome);
    *cell = Some(match kept {
        Some(shown) => Shown { count, ..shown },
        None => Shown {
            outcome: case.verdict.outcome,
            reason: reason(case),
            anchor: anchor(key),
            // From the matrix, which is one folder above the pages.
            evidence: link.map(|link| link.strip_prefix("../").unwrap_or(link).to_owned()),
            count,
        },
    });
}

/// Outcomes that there are, the worst first.
fn counted(outcomes: &[Outcome]) -> Vec<(Outcome, usize)> {
    let count = |outcome: Outcome| outcomes.iter().filter(|other| **other == outcome).count();
    Outcome::ALL.into_iter().rev().map(|outcome| (outcome, count(outcome))).filter(|(_, count)| *count > 0).collect()
}

/// The cases of a column in a few words.
fn tally(outcomes: &[Outcome]) -> String {
    let attention = outcomes.iter().filter(|outcome| outcome.needs_attention()).count();
    let results = if outcomes.len() == 1 { "1 result".to_owned() } else { format!("{} results", outcomes.len()) };
    match attention {
        0 => results,
        1 => format!("{results}, 1 needs attention"),
        more => format!("{results}, {more} need attention"),
    }
}

/// The section of a cell in the page of its case.
fn anchor(key: &CellKey) -> String {
    slug(&format!("{}-{}-{}", key.row, key.column.party(), key.column.place))
}

/// The page of a case.
#[derive(Debug, Serialize)]
pub(super) struct CaseView {
    id: String,
    title: String,
    place: String,
    requirements: Vec<Rule>,
    results: Vec<ResultView>,
}

/// A sentence that the case stands on.
#[derive(Debug, Serialize)]
struct Rule {
    sentence: String,
    summary: Option<String>,
    expected: Option<String>,
}

/// What one implementation did.
#[derive(Debug, Serialize)]
struct ResultView {
    anchor: String,
    name: String,
    column: String,
    outcome: Outcome,
    reason: String,
    /// Shown unfolded.
    open: bool,
    parties: String,
    seed: u64,
    wall: String,
    step: Option<String>,
    failure: Option<Value>,
    expected_line: Vec<Piece>,
    actual_line: Vec<Piece>,
    dump: Vec<DumpLine>,
    beyond: Option<String>,
    ladder: Option<String>,
    left_out: usize,
    unreadable: usize,
    metrics: Vec<Metric>,
    evidence: Option<String>,
    files: Vec<Link>,
    more_files: usize,
    rerun: String,
}

#[derive(Debug, Serialize)]
struct Link {
    name: String,
    href: String,
}

impl CaseView {
    /// Everything about a case: each result with the folder of its evidence, and the link to it.
    pub(super) fn of(
        mut results: Vec<(&CaseResult, Option<&Path>, Option<&str>)>,
        catalogue: Option<&Catalogue>,
    ) -> CaseView {
        results.sort_by(|left, right| {
            let [left, right] = [left.0, right.0].map(CellKey::of);
            left.row.cmp(&right.row).then_with(|| by_version(&left.column).cmp(&by_version(&right.column)))
        });
        let first = results.first().map(|(case, ..)| *case);
        let cites = first.map(|case| case.cites.as_slice()).unwrap_or_default();
        let requirements = cites.iter().map(|cite| {
            let known = cite.requirement.as_deref().and_then(|id| catalogue?.get(id));
            Rule {
                sentence: sentence(cite),
                summary: known.map(|known| known.summary.clone()),
                expected: known.map(|known| known.expected.clone()),
            }
        });
        let alone = results.len() == 1;
        let mut taken = BTreeSet::new();
        CaseView {
            id: first.map(|case| case.id.clone()).unwrap_or_default(),
            title: first.map(|case| case.title.clone()).unwrap_or_default(),
            place: first.map(|case| format!("{}:{}", case.file, case.line)).unwrap_or_default(),
            requirements: requirements.collect(),
            results: results
                .iter()
                .map(|(case, evidence, link)| ResultView::of(case, *evidence, *link, alone, &mut taken))
                .collect(),
        }
    }
}

impl ResultView {
    fn of(
        case: &CaseResult,
        evidence: Option<&Path>,
        link: Option<&str>,
        alone: bool,
        taken: &mut BTreeSet<String>,
    ) -> ResultView {
        let key = CellKey::of(case);
        let failure = case.verdict.failure.as_deref();
        let comparison = failure.and_then(|failure| failure.comparison.as_ref());
        let (expected_line, actual_line) = comparison.map(pieces).unwrap_or_default();
        let octets = comparison.and_then(|comparison| comparison.actual_hex.as_deref()).unwrap_or_default();
        let spans = comparison.map(|shown| octets::differing(octets, &shown.rows)).unwrap_or_default();
        let beyond = spans.iter().find(|(_, range)| range.start >= octets.len() && !octets.is_empty());
        let seen = evidence.map(|folder| moments(folder, &["packet", "step", "note"], MOST_RUNGS)).unwrap_or_default();
        let ladder = seen.shown.iter().any(|moment| moment.hop.is_some()).then(|| {
            let title = format!("What passed between the nodes of {}, judged for {}", case.id, case.subject);
            Ladder::of(rungs(&seen.shown)).svg(&title)
        });
        let all = evidence.map(files).unwrap_or_default();
        let links = all.iter().filter_map(|path| {
            let name = path.strip_prefix(evidence?).ok()?;
            let parts = name.components().map(|part| href(&part.as_os_str().to_string_lossy()));
            let parts: Vec<String> = std::iter::once(link?.to_owned()).chain(parts).collect();
            Some(Link { name: name.display().to_string(), href: parts.join("/") })
        });
        let (file, line, column) = place(case);
        let column = column.map(|column| format!(":{column}")).unwrap_or_default();
        let step = failure.and_then(|failure| failure.step.as_ref());
        ResultView {
            anchor: unique(&anchor(&key), taken),
            name: case.name(),
            column: key.column.to_string(),
            outcome: case.verdict.outcome,
            reason: reason(case),
            open: alone || case.verdict.outcome.needs_attention(),
            parties: parties(case),
            seed: case.seed,
            wall: format!("{:.3} s", case.wall.as_secs_f64()),
            step: step.map(|step| format!("{file}:{line}{column}: {}", step.text)),
            failure: failure.map(as_shown),
            expected_line,
            actual_line,
            dump: octets::lines(octets, &spans),
            beyond: beyond.map(|(field, _)| format!("the packet ends after {} octets, before {field}", octets.len())),
            ladder,
            left_out: seen.left_out,
            unreadable: seen.unreadable,
            metrics: case.metrics.clone(),
            evidence: link.map(str::to_owned),
            files: links.take(MOST_FILES).collect(),
            more_files: all.len().saturating_sub(MOST_FILES),
            rerun: case.rerun.clone(),
        }
    }
}

/// A failure with all of its members, as templates want them.
fn as_shown(failure: &Failure) -> Value {
    let rows = failure.comparison.as_ref().map(|comparison| comparison.rows.as_slice()).unwrap_or_default();
    let rows = rows.iter().map(|row| {
        serde_json::json!({
            "field": row.field, "expected": row.expected, "actual": row.actual, "differs": row.differs,
            "offset": row.offset.map(|offset| format!("{offset:#06x}")).unwrap_or_default(),
        })
    });
    let logs = failure.log_tail.iter().map(|log| serde_json::json!({ "node": log.node, "lines": log.lines }));
    serde_json::json!({
        "expected": failure.expected,
        "actual": failure.actual,
        "rows": rows.collect::<Vec<_>>(),
        "nearby": failure.nearby,
        "logs": logs.collect::<Vec<_>>(),
    })
}

/// Packets as arrows, all else as words between them.
fn rungs(moments: &[Moment]) -> Vec<Rung> {
    let links: BTreeSet<&str> = moments.iter().filter_map(|moment| Some(moment.hop.as_ref()?.link.as_str())).collect();
    let rung = |moment: &Moment| {
        let time = instant(moment.at_ns);
        let Some(hop) = &moment.hop else {
            let label = moment.text.trim_start_matches("-- ").to_owned();
            return Rung { time, label, class: Class::Dim, ..Rung::default() };
        };
        let class = match hop.fate.as_str() {
            "delivered" => Class::Plain,
            "duplicated" | "reordered" | "corrupted" => Class::Marked,
            _ => Class::Lost,
        };
        let link = if links.len() > 1 { format!("{} ", hop.link) } else { String::new() };
        let fate = if class == Class::Plain { String::new() } else { format!(" ({})", hop.fate) };
        let label = format!("{link}#{} {}{fate}", hop.number, hop.summary);
        Rung { time, from: Some(hop.from.clone()), to: hop.to.clone(), label, class, link: None }
    };
    moments.iter().map(rung).collect()
}
