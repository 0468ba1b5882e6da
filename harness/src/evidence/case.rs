//! The directory of a case.

use std::{
    collections::BTreeMap,
    fs::{self, File, Permissions},
    io::BufWriter,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    capture::{InterfaceDecl, PcapngWriter, WriteError},
    verdict::CaseResult,
};

use super::{FileError, Redactor, place, run::pretty};

/// The file that says who plays which node.
pub const CAST: &str = "cast.json";

/// The evidence of one case in one variant.
#[derive(Clone, Debug)]
pub struct CaseDir {
    path: PathBuf,
    redactor: Redactor,
}

impl CaseDir {
    pub(super) fn at(path: PathBuf, redactor: Redactor) -> CaseDir {
        CaseDir { path, redactor }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `verdict.json`; once more if the judgement changes, as when teardown finds something left behind.
    pub fn write_verdict(&self, case: &CaseResult) -> Result<(), FileError> {
        let path = self.path.join("verdict.json");
        place::replace(&path, &pretty(&self.redactor.case(case), &path)?)
    }

    /// Writes `cast.json`: who plays which node, so that others know whose packets are whose.
    pub fn write_cast(&self, cast: &BTreeMap<String, String>) -> Result<(), FileError> {
        let path = self.path.join(CAST);
        place::replace(&path, &self.redactor.text(&pretty(cast, &path)?))
    }

    /// Adds entries to `timeline.jsonl`, each one JSON document on one line.
    pub fn write_timeline(&self, lines: impl IntoIterator<Item = impl AsRef<str>>) -> Result<(), FileError> {
        place::append(&self.path.join("timeline.jsonl"), &self.joined(lines))
    }

    /// Starts the capture of a link, `<link>.pcapng`.
    pub fn capture(&self, link: &str, interfaces: &[InterfaceDecl]) -> Result<CaseCapture, FileError> {
        let wanted = self.path.join(format!("{}.pcapng", place::component(link)));
        let (path, file) =
            place::untaken(&wanted, |path| File::create_new(path)).map_err(FileError::on("create", &wanted))?;
        let writer = PcapngWriter::new(BufWriter::new(file), interfaces)
            .map_err(|error| FileError::on("write", &path)(system(error)))?;
        Ok(CaseCapture { writer, path, redactor: self.redactor.clone() })
    }

    /// Writes a rendered configuration as `config/<node>/<name>`.
    pub fn write_config(&self, node: &str, name: &str, text: &str) -> Result<PathBuf, FileError> {
        let path = self.path.join("config").join(place::component(node)).join(place::component(name));
        place::new_file(&path, &self.redactor.text(text))
    }

    /// Writes a view of a node's state as `state/<step>-<node>-<view>.json`.
    pub fn write_state(
        &self,
        step: usize,
        node: &str,
        view: &str,
        state: &impl Serialize,
    ) -> Result<PathBuf, FileError> {
        let name = place::component(&format!("{step:02}-{node}-{view}"));
        let path = self.path.join("state").join(format!("{name}.json"));
        place::new_file(&path, &self.redactor.text(&pretty(state, &path)?))
    }

    /// Adds lines to `logs/<node>.log`.
    pub fn write_log(&self, node: &str, lines: impl IntoIterator<Item = impl AsRef<str>>) -> Result<(), FileError> {
        place::append(&self.path.join("logs").join(format!("{}.log", place::component(node))), &self.joined(lines))
    }

    /// Writes what is needed to run the case again elsewhere: a copy of its suite and the command, in `repro/`.
    ///
    /// The copy is redacted as everything is; a case that needs a secret needs it put back by hand.
    pub fn write_repro(&self, suite_name: &str, suite: &str, command: &str) -> Result<PathBuf, FileError> {
        let directory = self.path.join("repro");
        place::new_file(&directory.join(place::component(suite_name)), &self.redactor.text(suite))?;
        let script = format!("#!/bin/sh\n# Runs this case alone, from the root of the project.\n{command}\n");
        let path = place::new_file(&directory.join("run.sh"), &self.redactor.text(&script))?;
        fs::set_permissions(&path, Permissions::from_mode(0o755)).map_err(FileError::on("make executable", &path))?;
        Ok(directory)
    }

    /// Removes the directory, for `--keep fail` and `--keep never`.
    pub fn discard(self) -> Result<(), FileError> {
        fs::remove_dir_all(&self.path).map_err(FileError::on("remove", &self.path))
    }

    fn joined(&self, lines: impl IntoIterator<Item = impl AsRef<str>>) -> String {
        let mut text = String::new();
        for line in lines {
            text.push_str(&self.redactor.text(line.as_ref()));
            text.push('\n');
        }
        text
    }
}

/// A capture inside the evidence: as [`PcapngWriter`], with comments redacted and errors that name the file.
#[derive(Debug)]
pub struct CaseCapture {
    writer: PcapngWriter,
    path: PathBuf,
    redactor: Redactor,
}

impl CaseCapture {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many packets were written.
    pub fn packets(&self) -> u64 {
        self.writer.packets()
    }

    /// Appends a packet, and returns its number in the file from 1.
    pub fn packet(
        &mut self,
        interface: usize,
        timestamp_ns: u64,
        octets: &[u8],
        comment: Option<&str>,
    ) -> Result<u64, FileError> {
        let comment = comment.map(|text| self.redactor.text(text));
        self.writer
            .packet(interface, timestamp_ns, octets, comment.as_deref())
            .map_err(|error| FileError::on("write", &self.path)(system(error)))
    }

    /// Hands everything to the file, so that another program can read it so far.
    pub fn flush(&mut self) -> Result<(), FileError> {
        self.writer.flush().map_err(|error| FileError::on("write", &self.path)(system(error)))
    }

    /// Ends the capture.
    pub fn finish(self) -> Result<PathBuf, FileError> {
        match self.writer.finish() {
            Ok(_) => Ok(self.path),
            Err(error) => Err(FileError::on("write", &self.path)(system(error))),
        }
    }
}

fn system(error: WriteError) -> std::io::Error {
    match error {
        WriteError::Io(error) => error,
        other => std::io::Error::other(other),
    }
}
