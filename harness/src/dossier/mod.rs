//! Pages for maintainers: each recorded divergence with all that is needed to see it, and to see it again.
//!
//! ```text
//! results.json + evidence of a run --+
//! suites/divergences, requirements --+--> Sighting per case and version --> Dossier per record --> write
//! ```
//!
//! What lies in a run's evidence has passed its redactor; suite files are written as they are in the project, or a case
//! with a secret could not be run again.

mod write;

pub use write::write;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use crate::evidence::read::{StoredRun, files, instant, moments};
use crate::report::octets::{self, DumpLine};
use crate::report::pages::{base64, slug};
use crate::requirement::{Catalogue, Requirement};
use crate::run::divergence::{self, Divergence};
use crate::suite::{Case, Suite, alone};
use crate::verdict::{CaseResult, Failure, Outcome};

/// Lines of a packet list, and of a log, that a page shows; the files beside it have all.
const MOST_LINES: usize = 200;
/// The largest capture that a page carries inside.
const MOST_INSIDE: u64 = 4 << 20;

/// A recorded divergence and where a run has seen it.
#[derive(Debug)]
pub struct Dossier<'a> {
    /// Name of its folder and page.
    pub name: String,
    /// The record.
    pub record: &'a Divergence,
    /// In the order of the run, never empty.
    pub sightings: Vec<Sighting<'a>>,
}

/// One case in which one version did it.
#[derive(Debug)]
pub struct Sighting<'a> {
    /// The result.
    pub result: &'a CaseResult,
    /// Its suite and the case, as they are in the project now.
    pub source: Option<(&'a Suite, &'a Case)>,
    /// The folder of its evidence.
    pub evidence: PathBuf,
    /// The requirements that the case cites.
    pub requirements: Vec<&'a Requirement>,
}

/// What dossiers are made of.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// The run.
    pub run: &'a StoredRun,
    /// The suites.
    pub suites: &'a [Suite],
    /// The records.
    pub divergences: &'a [Divergence],
    /// The requirements.
    pub catalogue: &'a Catalogue,
}

/// What a run shows of the records.
#[derive(Debug, Default)]
pub struct Gathered<'a> {
    /// Records that the run has seen, in their order.
    pub dossiers: Vec<Dossier<'a>>,
    /// Records that it has not.
    pub unseen: Vec<&'a Divergence>,
    /// Expected failures that it kept no evidence of.
    pub bare: Vec<String>,
}

/// Gathers what a run shows of each record.
pub fn gather<'a>(sources: &Sources<'a>) -> Gathered<'a> {
    let mut gathered = Gathered::default();
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let expected: Vec<&CaseResult> =
        sources.run.result.cases.iter().filter(|case| case.verdict.outcome == Outcome::Xfail).collect();
    for record in sources.divergences {
        let mut sightings = Vec::new();
        for result in &expected {
            let (name, version) = (&result.subject.name, &result.subject.version);
            let seen = divergence::recorded(&result.verdict, &result.id, name, version, sources.divergences);
            if !seen.is_some_and(|seen| std::ptr::eq(seen, record)) {
                continue;
            }
            match sources.run.evidence(result) {
                Some(evidence) => sightings.push(sighting(sources, result, evidence)),
                None => gathered.bare.push(result.name()),
            }
        }
        if sightings.is_empty() {
            gathered.unseen.push(record);
            continue;
        }
        let plain = slug(&format!("{}-{}", record.implementation, record.case));
        let number = names.entry(plain.clone()).and_modify(|number| *number += 1).or_insert(1);
        let name = if *number == 1 { plain } else { format!("{plain}-{number}") };
        gathered.dossiers.push(Dossier { name, record, sightings });
    }
    gathered
}

fn sighting<'a>(sources: &Sources<'a>, result: &'a CaseResult, evidence: PathBuf) -> Sighting<'a> {
    let of =
        |suite: &'a Suite| suite.cases.iter().find(|case| suite.case_id(case) == result.id).map(|case| (suite, case));
    let requirements = result.cites.iter().filter_map(|cite| sources.catalogue.get(cite.requirement.as_deref()?));
    Sighting { result, source: sources.suites.iter().find_map(of), evidence, requirements: requirements.collect() }
}

/// A sighting as the templates see it.
#[derive(Debug, Serialize)]
struct View {
    id: String,
    title: String,
    subject: String,
    peer: String,
    driver: String,
    interpretation: Option<String>,
    cites: Vec<String>,
    requirements: Vec<Value>,
    failure: Failure,
    step: Option<String>,
    /// The packet, for the page and as text.
    dump: Vec<DumpLine>,
    octets: String,
    packets: Vec<String>,
    logs: Vec<Text>,
    configs: Vec<Text>,
    captures: Vec<Capture>,
    rerun: String,
    /// With the suite beside the page; `None` if the case is gone from the project.
    replay: Option<String>,
    alone: Option<Text>,
    /// Folder of its files, from the dossier's own on.
    files: String,
}

/// A text beside the page, and in it.
#[derive(Debug, Serialize)]
struct Text {
    name: String,
    path: String,
    text: String,
    /// Lines that are left out before it.
    left_out: usize,
}

#[derive(Debug, Serialize)]
struct Capture {
    name: String,
    path: String,
    /// Its octets, in base64; none if there are too many for a page.
    base64: Option<String>,
}

impl Sighting<'_> {
    /// What the templates show; `files` is where its files lie beside the page.
    fn view(&self, page: &str, files_at: &str) -> View {
        let result = self.result;
        let failure = result.verdict.failure.as_deref().cloned().unwrap_or_default();
        let text = |path: PathBuf| {
            let name = path.strip_prefix(&self.evidence).unwrap_or(&path).display().to_string();
            let all = String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()).into_owned();
            let left_out = all.lines().count().saturating_sub(MOST_LINES);
            let text = all.lines().skip(left_out).collect::<Vec<_>>().join("\n");
            Text { path: format!("{files_at}/{name}"), name, text, left_out }
        };
        let captures =
            files(&self.evidence).into_iter().filter(|path| path.extension().is_some_and(|end| end == "pcapng"));
        let capture = |path: PathBuf| {
            let name = path.strip_prefix(&self.evidence).unwrap_or(&path).display().to_string();
            let small = fs::metadata(&path).is_ok_and(|meta| meta.len() <= MOST_INSIDE);
            let base64 = small.then(|| base64(&fs::read(&path).unwrap_or_default()));
            Capture { path: format!("{files_at}/{name}"), name, base64 }
        };
        let comparison = failure.comparison.as_ref();
        let octets = comparison.and_then(|shown| shown.actual_hex.as_deref()).unwrap_or_default();
        let spans = comparison.map(|shown| octets::differing(octets, &shown.rows)).unwrap_or_default();
        let dump = octets::lines(octets, &spans);
        let shown = moments(&self.evidence, &["packet", "step", "event", "note"], MOST_LINES).shown;
        let packets = shown.iter().map(|moment| format!("{:>12}  {}", instant(moment.at_ns), moment.text));
        let alone = self.source.and_then(|(suite, case)| {
            let name = format!("suites/{}.yaml", suite.id);
            let text = alone(&suite.source, &case.id)?;
            let head =
                format!("# {} alone, from {}; aliases are written out.\n", result.id, suite.source.path.display());
            Some(Text { path: format!("{files_at}/{name}"), name, text: head + &text, left_out: 0 })
        });
        let by_driver = result.driver.as_ref().map(|driver| format!(" --driver {driver}")).unwrap_or_default();
        let subject = format!("{}:{}", result.subject.name, result.subject.version);
        View {
            id: result.id.clone(),
            title: result.title.clone(),
            peer: result.peer.to_string(),
            driver: result.driver.clone().unwrap_or_else(|| result.world.clone()),
            interpretation: self.source.and_then(|(_, case)| case.interpretation.clone()),
            cites: result.cites.iter().map(ToString::to_string).collect(),
            requirements: self.requirements.iter().filter_map(|entry| serde_json::to_value(entry).ok()).collect(),
            step: failure.step.as_ref().map(|step| format!("{step}: {}", step.text)),
            octets: octets::text(&dump),
            dump,
            packets: packets.collect(),
            logs: files(&self.evidence.join("logs")).into_iter().map(text).collect(),
            configs: files(&self.evidence.join("config")).into_iter().map(text).collect(),
            captures: captures.map(capture).collect(),
            rerun: result.rerun.clone(),
            replay: alone.as_ref().map(|_| {
                let (id, seed) = (&result.id, result.seed);
                format!(
                    "cargo lab run {id} --subject {subject}{by_driver} --seed {seed} --suites {page}/{files_at}/suites"
                )
            }),
            alone,
            subject,
            failure,
            files: files_at.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
