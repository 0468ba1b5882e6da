//! The directory of a run.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use serde::Serialize;
use serde_json::json;

use crate::verdict::{RunResult, SCHEMA};

use super::{CaseDir, FileError, Redactor, place};

/// The name of the link to the newest run.
const LATEST: &str = "latest";

/// The evidence of one run.
#[derive(Clone, Debug)]
pub struct Run {
    path: PathBuf,
    redactor: Redactor,
    warnings: Vec<String>,
}

impl Run {
    /// A new directory for a run in `root`, named after the UTC time that the caller gives (`2026-01-01T10-00-00Z`),
    /// and the link `latest` to it.
    pub fn create(root: &Path, utc_name: &str, redactor: Redactor) -> Result<Run, FileError> {
        let path = place::new_directory(&root.join(place::component(utc_name)))?;
        let mut warnings = Vec::new();
        // A file system without symbolic links, or something else of that name, is no reason to give up.
        if let Err(error) = point_latest_to(root, &path) {
            warnings.push(FileError::on("link", &root.join(LATEST))(error).to_string());
        }
        Ok(Run { path, redactor, warnings })
    }

    /// A directory that another process has made, to add cases to.
    pub fn existing(path: &Path, redactor: Redactor) -> Run {
        Run { path: path.to_owned(), redactor, warnings: Vec::new() }
    }

    /// The directory of a case that has been written already.
    pub fn written(&self, path: &Path) -> CaseDir {
        CaseDir::at(path.to_owned(), self.redactor.clone())
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What did not work and does not matter much.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// A new directory for one case, in the variant `default` if it has none.
    pub fn case(&self, id: &str, variant: Option<&str>) -> Result<CaseDir, FileError> {
        let wanted = self.path.join(place::components(id)).join(place::component(variant.unwrap_or("default")));
        Ok(CaseDir::at(place::new_directory(&wanted)?, self.redactor.clone()))
    }

    /// Writes `run.json`: what is known before any case has run. The cases of `run` do not matter here.
    pub fn write_run(&self, run: &RunResult) -> Result<(), FileError> {
        let run = self.redactor.run(run);
        let mut head = json!({
            "schema": SCHEMA,
            "command": run.command,
            "harness_version": run.harness_version,
            "began": run.began,
            "seed": run.seed,
            "environment": run.environment,
        });
        if let Some(partition) = run.partition {
            head["partition"] = json!(partition);
        }
        self.write_json("run.json", &head)
    }

    /// Writes `results.json`, the whole result.
    pub fn write_results(&self, run: &RunResult) -> Result<(), FileError> {
        self.write_json("results.json", &self.redactor.run(run))
    }

    /// Writes `summary.txt`, the report as people read it.
    pub fn write_summary(&self, text: &str) -> Result<(), FileError> {
        place::replace(&self.path.join("summary.txt"), &self.redactor.text(text))
    }

    /// Removes the whole directory, for `--keep never`.
    pub fn discard(self) -> Result<(), FileError> {
        fs::remove_dir_all(&self.path).map_err(FileError::on("remove", &self.path))
    }

    fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), FileError> {
        let path = self.path.join(name);
        place::replace(&path, &pretty(value, &path)?)
    }
}

/// A document as indented JSON with an end of line.
pub(super) fn pretty(value: &impl Serialize, path: &Path) -> Result<String, FileError> {
    let mut text =
        serde_json::to_string_pretty(value).map_err(|error| FileError::on("write", path)(io::Error::other(error)))?;
    text.push('\n');
    Ok(text)
}

/// Makes the link beside its final name first, so that there is no moment without one.
fn point_latest_to(root: &Path, run: &Path) -> io::Result<()> {
    let target = run.file_name().unwrap_or_default();
    let draft = run.with_file_name(format!(".latest-{}", std::process::id()));
    symlink(target, &draft)?;
    fs::rename(&draft, root.join(LATEST)).inspect_err(|_| {
        let _ = fs::remove_file(&draft);
    })
}
