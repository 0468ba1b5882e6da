//! Writes dossiers: a folder and a page each, and an index.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use minijinja::{Environment, UndefinedBehavior, context};
use serde_json::json;

use super::{Dossier, Gathered, Sources, files, slug};

/// Pages of HTML are escaped by minijinja, as their names end so.
const PAGE: (&str, &str) = ("page.html", include_str!("page.html"));
const README: (&str, &str) = ("readme.md", include_str!("readme.md"));
const INDEX: (&str, &str) = ("index.md", include_str!("index.md"));

/// What keeps pages from being written: what was tried, and why it failed.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct WriteError {
    what: String,
    why: String,
}

fn at(path: &Path) -> impl Fn(io::Error) -> WriteError + '_ {
    move |error| WriteError { what: path.display().to_string(), why: error.to_string() }
}

/// Writes all dossiers below a folder.
///
/// # Errors
/// The first file that can not be read or written.
pub fn write(gathered: &Gathered<'_>, sources: &Sources<'_>, out: &Path) -> Result<(), WriteError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    let wrong =
        |error: minijinja::Error| WriteError { what: "a page's template".to_owned(), why: format!("{error:#}") };
    for (name, text) in [PAGE, README, INDEX] {
        environment.add_template(name, text).map_err(wrong)?;
    }
    let render = |name: &str, words: minijinja::Value| {
        environment.get_template(name).and_then(|template| template.render(words)).map_err(wrong)
    };
    fs::create_dir_all(out).map_err(at(out))?;
    let run = json!({
        "began": sources.run.began,
        "harness_version": sources.run.harness_version,
        "command": sources.run.command.join(" "),
        "environment": sources.run.environment,
    });
    for dossier in &gathered.dossiers {
        let folder = out.join(&dossier.name);
        let page = folder.display().to_string();
        let mut sightings = Vec::new();
        for (sighting, files_at) in dossier.sightings.iter().zip(dossier.folders()) {
            let view = sighting.view(&page, &files_at);
            copy(&sighting.evidence, &folder.join(&files_at))?;
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

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> Result<(), WriteError> {
    for path in files(from) {
        let wanted: PathBuf = to.join(path.strip_prefix(from).unwrap_or(&path));
        if let Some(parent) = wanted.parent() {
            fs::create_dir_all(parent).map_err(at(parent))?;
        }
        fs::copy(&path, &wanted).map_err(at(&wanted))?;
    }
    Ok(())
}

fn put(path: &Path, text: &str) -> Result<(), WriteError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(at(parent))?;
    }
    fs::write(path, text).map_err(at(path))
}

/// RFC 4648 section 4, for links that carry a file inside.
pub(super) fn base64(octets: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(octets.len().div_ceil(3) * 4);
    for part in octets.chunks(3) {
        let word = part.iter().fold(0u32, |word, octet| word << 8 | u32::from(*octet)) << (8 * (3 - part.len()));
        for place in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= part.len() { char::from(letter) } else { '=' });
        }
    }
    text
}
