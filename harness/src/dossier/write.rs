//! Writes dossiers: a folder and a page each, and an index.

use std::fs;
use std::path::Path;

use minijinja::context;
use serde_json::json;

use super::{Dossier, Gathered, Sources};
use crate::report::pages::{WriteError, at, copy_folder, put, slug, templates, wrong_template};

/// Pages of HTML are escaped by minijinja, as their names end so.
const PAGE: (&str, &str) = ("page.html", include_str!("page.html"));
const README: (&str, &str) = ("readme.md", include_str!("readme.md"));
const INDEX: (&str, &str) = ("index.md", include_str!("index.md"));

/// Writes all dossiers below a folder.
///
/// # Errors
/// The first file that can not be read or written.
pub fn write(gathered: &Gathered<'_>, sources: &Sources<'_>, out: &Path) -> Result<(), WriteError> {
    let environment = templates(&[PAGE, README, INDEX])?;
    let render = |name: &str, words: minijinja::Value| {
        environment.get_template(name).and_then(|template| template.render(words)).map_err(wrong_template)
    };
    fs::create_dir_all(out).map_err(at(out))?;
    let run = json!({
        "began": sources.run.result.began,
        "harness_version": sources.run.result.harness_version,
        "command": sources.run.result.command.join(" "),
        "environment": sources.run.result.environment,
    });
    for dossier in &gathered.dossiers {
        let folder = out.join(&dossier.name);
        let page = folder.display().to_string();
        let mut sightings = Vec::new();
        for (sighting, files_at) in dossier.sightings.iter().zip(dossier.folders()) {
            let view = sighting.view(&page, &files_at);
            copy_folder(&sighting.evidence, &folder.join(&files_at))?;
            if let Some((suite, _)) = sighting.source {
                put(&folder.join(&files_at).join("suite.yaml"), &suite.source.text)?;
            }
            if let Some(alone) = &view.alone {
                put(&folder.join(&alone.path), &alone.text)?;
            }
            sightings.push(view);
        }
        let record = dossier.record;
        let words = context! {
            name => dossier.name,
            record => json!({
                "implementation": record.implementation,
                "versions": record.versions.to_string(),
                "case": record.case,
                "reason": record.reason,
                "issue": record.issue,
                "confirmed": record.confirmed.iter().map(|seen| json!({
                    "version": seen.version, "on": seen.on, "evidence": seen.evidence,
                })).collect::<Vec<_>>(),
                "file": record.file.display().to_string(),
            }),
            sightings,
            run,
        };
        put(&folder.join("README.md"), &render(README.0, words.clone())?)?;
        put(&out.join(format!("{}.html", dossier.name)), &render(PAGE.0, words)?)?;
    }
    let seen = gathered.dossiers.iter().map(|dossier| {
        let mut subjects: Vec<String> = dossier.sightings.iter().map(|seen| seen.result.subject.to_string()).collect();
        subjects.dedup();
        let requirements = dossier.sightings.iter().flat_map(|seen| &seen.requirements).map(|entry| entry.id.as_str());
        let mut requirements: Vec<&str> = requirements.collect();
        requirements.sort_unstable();
        requirements.dedup();
        json!({ "name": dossier.name, "case": dossier.record.case, "reason": dossier.record.reason,
                "subjects": subjects, "requirements": requirements })
    });
    let unseen = gathered.unseen.iter().map(|record| {
        json!({ "implementation": record.implementation, "versions": record.versions.to_string(), "case": record.case })
    });
    let (seen, unseen): (Vec<_>, Vec<_>) = (seen.collect(), unseen.collect());
    put(&out.join("index.md"), &render(INDEX.0, context! { seen, unseen, run })?)
}

impl Dossier<'_> {
    /// A folder for the files of each sighting, below the dossier's own.
    fn folders(&self) -> Vec<String> {
        let name = |sighting: &super::Sighting<'_>| {
            let case =
                if self.record.case == sighting.result.id { String::new() } else { format!("-{}", sighting.result.id) };
            slug(&format!("{}{case}", sighting.result.variant.as_deref().unwrap_or("default")))
        };
        let mut names: Vec<String> = Vec::new();
        for sighting in &self.sightings {
            let plain = name(sighting);
            let free = (1..).map(|number| if number == 1 { plain.clone() } else { format!("{plain}-{number}") });
            names.extend(free.into_iter().find(|name| !names.contains(name)));
        }
        names
    }
}
