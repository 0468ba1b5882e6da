//! The list of recordings, `captures/recordings.yaml`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::{IntoDiagnostic, WrapErr, miette};
use serde::Deserialize;

use crate::dissect::catalogue;
use crate::place::Captures;
use crate::run::plan::{Cell, Wanted, plan};
use crate::subject::{Implementation, Subject};
use crate::suite::diagnostic::suggest;
use crate::suite::select::{fits, select};
use crate::suite::{ClockKind, Suite, WorldKind};

/// What stands for the subject in a name, so that one entry makes a capture of each.
const SUBJECT: &str = "{subject}";

/// All recordings.
#[derive(Clone, Debug)]
pub struct Recordings {
    /// Fields that no two recordings have alike, in any capture.
    pub volatile: Vec<String>,
    /// In the order of the list; one for each subject of an entry.
    pub all: Vec<Recording>,
    /// The file.
    pub file: PathBuf,
}

/// One capture: a case, who plays it, and the link that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Name of the capture, without `.pcapng`.
    pub name: String,
    /// The case.
    pub case: String,
    /// Who plays the nodes with `bind: subject`, as on the command line.
    pub subject: String,
    /// Who plays the nodes with `bind: peer`.
    pub peer: String,
    /// The link; `None` where the case has one only.
    pub link: Option<String>,
    /// What the capture shows, in a sentence.
    pub shows: String,
    /// Fields that this one has different each time, beside those of all.
    pub volatile: Vec<String>,
}

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    volatile: Vec<String>,
    recordings: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    case: String,
    subjects: Vec<String>,
    #[serde(default = "built_in")]
    peer: String,
    #[serde(default)]
    link: Option<String>,
    shows: String,
    #[serde(default)]
    volatile: Vec<String>,
}

fn built_in() -> String {
    "peer".to_owned()
}

impl Recordings {
    /// Reads the list.
    ///
    /// # Errors
    /// What is wrong with the file, with its line where the format is not kept.
    pub fn load(file: &Path) -> miette::Result<Self> {
        let text = std::fs::read_to_string(file)
            .into_diagnostic()
            .wrap_err_with(|| format!("{} can not be read", file.display()))?;
        let parsed: File = serde_yaml::from_str(&text)
            .map_err(|error| miette!("{}: {error}", file.display()))
            .wrap_err("the list of recordings is not as it should be")?;
        let mut all = Vec::new();
        for entry in parsed.recordings {
            all.extend(entry.expanded().map_err(|error| error.wrap_err(format!("in {}", file.display())))?);
        }
        let list = Self { volatile: parsed.volatile, all, file: file.to_owned() };
        list.check()?;
        Ok(list)
    }

    fn check(&self) -> miette::Result<()> {
        let mut names = BTreeSet::new();
        for recording in &self.all {
            let name = &recording.name;
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
            if name.is_empty() || name.starts_with(['.', '-']) || !name.chars().all(plain) {
                return Err(miette!(
                    help = "a name is lower-case letters, digits, dots and hyphens: it is that of a file",
                    "{}: `{name}` is no name of a capture",
                    self.file.display()
                ));
            }
            if !names.insert(name) {
                return Err(miette!(
                    help = format!("with several subjects a name has `{SUBJECT}` in it"),
                    "{}: there are two recordings `{name}`",
                    self.file.display()
                ));
            }
        }
        let paths = self.volatile.iter().chain(self.all.iter().flat_map(|recording| &recording.volatile));
        for path in paths {
            if let Err(unknown) = catalogue::lookup(path) {
                let help = unknown.nearest.map_or_else(String::new, |nearest| format!("did you mean `{nearest}`?"));
                return Err(miette!(help = help, "{}: there is no field `{path}`", self.file.display()));
            }
        }
        Ok(())
    }

    /// Those of these names; `*` stands for any letters. All if no name is given.
    ///
    /// # Errors
    /// A name that no recording has.
    pub fn named(&self, names: &[String]) -> miette::Result<Vec<&Recording>> {
        let known = || self.all.iter().map(|recording| recording.name.as_str());
        if let Some(unknown) = names.iter().find(|name| !known().any(|known| fits(name, known))) {
            let help = format!("{}; `cargo lab record --list` shows all", suggest(unknown, known()));
            return Err(miette!(help = help, "there is no recording `{unknown}`"));
        }
        let wanted = |recording: &&Recording| names.is_empty() || names.iter().any(|name| fits(name, &recording.name));
        Ok(self.all.iter().filter(wanted).collect())
    }

    /// The fields of a recording that are different each time.
    pub fn volatile_of(&self, recording: &Recording) -> Vec<String> {
        self.volatile.iter().chain(&recording.volatile).cloned().collect()
    }
}

impl Recording {
    /// The one cell that it is of.
    ///
    /// # Errors
    /// There is no such case or player, it is several cases, or not for this clock, or a player lacks what it needs.
    pub fn cell<'s>(
        &self,
        suites: &'s [Suite],
        implementations: &[Arc<Implementation>],
        clock: ClockKind,
    ) -> miette::Result<Cell<'s>> {
        self.planned(suites, implementations, clock).wrap_err_with(|| format!("recording {}", self.name))
    }

    fn planned<'s>(
        &self,
        suites: &'s [Suite],
        implementations: &[Arc<Implementation>],
        clock: ClockKind,
    ) -> miette::Result<Cell<'s>> {
        let subject = Subject::named(&self.subject, implementations)?;
        let peer = Subject::named(&self.peer, implementations)?;
        let selection = select(suites, std::slice::from_ref(&self.case))?;
        let wanted = Wanted {
            subjects: std::slice::from_ref(&subject),
            peer: &peer,
            implementations,
            worlds: &[WorldKind::Sim, WorldKind::Real],
            // A capture is not made of another one.
            captures: &Captures::with(Path::new(""), None),
            clock,
            long: false,
        };
        let planned = plan(&selection, wanted).map_err(|mut mistakes| mistakes.remove(0))?;
        let left_out = planned.elsewhere.first().map(|(id, why)| format!("{id} is {why}"));
        let cells = planned.cells.len();
        let mut planned = planned.cells.into_iter();
        match (planned.next(), planned.next()) {
            (Some(Cell { known: Some(verdict), .. }), None) => Err(miette!("{}", verdict.reason)),
            (Some(cell), None) => Ok(cell),
            _ => {
                let problem = left_out.unwrap_or_else(|| format!("`{}` is {cells} cases", self.case));
                Err(miette!(help = "a recording is of one case, by its full id", "{problem}"))
            }
        }
    }
}

impl Entry {
    fn expanded(self) -> miette::Result<Vec<Recording>> {
        if self.subjects.is_empty() {
            return Err(miette!(
                help = "name who plays the nodes with `bind: subject`: `subjects: [frr:10.3]`",
                "`{}` has no subject",
                self.name
            ));
        }
        let of = |subject: &String| Recording {
            name: self.name.replace(SUBJECT, &subject.replace(':', "-")),
            case: self.case.clone(),
            subject: subject.clone(),
            peer: self.peer.clone(),
            link: self.link.clone(),
            shows: self.shows.clone(),
            volatile: self.volatile.clone(),
        };
        Ok(self.subjects.iter().map(of).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> miette::Result<Recordings> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("recordings.yaml");
        std::fs::write(&file, text).unwrap();
        Recordings::load(&file)
    }

    const TWO: &str = "volatile: [ip.id]\nrecordings:\n  - name: '{subject}-first'\n    case: a/b\n    \
                       subjects: [frr:8.4.4, frr:10.3]\n    shows: Something.\n    volatile: [ike.msg_id]\n";

    #[test]
    fn one_entry_makes_a_recording_of_each_subject() {
        let list = load(TWO).unwrap();
        let names: Vec<_> = list.all.iter().map(|recording| recording.name.as_str()).collect();
        assert_eq!(names, ["frr-8.4.4-first", "frr-10.3-first"]);
        assert_eq!(list.named(&["*10*".to_owned()]).unwrap()[0].subject, "frr:10.3");
        assert_eq!(list.named(&[]).unwrap().len(), 2);
        assert_eq!(list.volatile_of(&list.all[0]), ["ip.id", "ike.msg_id"]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let said = |text: &str| format!("{:?}", load(text).unwrap_err());
        assert!(said(&TWO.replace("{subject}-", "")).contains("two recordings `first`"));
        assert!(said(&TWO.replace("{subject}", "No")).contains("no name"));
        assert!(said(&TWO.replace("ip.id", "ip.idd")).contains("did you mean"));
        assert!(said(&TWO.replace("case:", "cases:")).contains("line 4"));
        assert!(said(&TWO.replace("[frr:8.4.4, frr:10.3]", "[]")).contains("no subject"));
        let unknown = load(TWO).unwrap().named(&["frr-10.3-frist".to_owned()]).unwrap_err();
        assert!(format!("{unknown:?}").contains("frr-10.3-first"));
    }
}
