//! The catalogue of requirements, as data: `suites/requirements/*.yaml`.
//!
//! Each is one sentence of a standard, a draft or the field in our own words, with what provokes it and what has to be
//! seen then. Cases cite requirements by id; what no case cites says why, in a word that can be counted.

use std::cmp::Ordering;
use std::fmt;
use std::path::{Path, PathBuf};

use miette::{IntoDiagnostic, WrapErr, miette};
use serde::{Deserialize, Serialize};

use crate::suite::diagnostic::nearest;
use crate::suite::{Diagnostic, Suite};

/// One thing that a station has to do, or not to do.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Family, section and number: `NHRP-5.2.4-01`.
    pub id: String,
    /// Document and section: `RFC 2332 §5.2.4`.
    pub source: String,
    /// How strong it is.
    pub level: Strength,
    /// Which station it binds.
    pub role: Part,
    /// What a station under test has to play so that it can be judged.
    pub testable_against: Against,
    /// What to know about the entry itself.
    #[serde(default)]
    pub notes: Vec<Remark>,
    /// What is required.
    pub summary: String,
    /// What provokes it.
    pub stimulus: String,
    /// What has to be seen then.
    pub expected: String,
    /// Why no case judges it, if none does.
    #[serde(default)]
    pub untested: Option<Untested>,
    /// The file that it is in.
    #[serde(skip)]
    pub file: PathBuf,
}

/// How strong a requirement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Strength {
    /// MUST, MUST NOT, SHALL.
    Must,
    /// SHOULD, SHOULD NOT.
    Should,
    /// MAY.
    May,
    /// Said by draft-detienne-dmvpn, which uses no such words.
    Draft,
    /// Said by no text, and done by all who want to work with Cisco's routers.
    Cisco,
}

impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Strength::Must => "must",
            Strength::Should => "should",
            Strength::May => "may",
            Strength::Draft => "draft",
            Strength::Cisco => "cisco",
        })
    }
}

/// Which station a requirement binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Part {
    /// The server that serves the station asked for.
    #[serde(rename = "NHS")]
    Nhs,
    /// The client.
    #[serde(rename = "NHC")]
    Nhc,
    /// A server on the way.
    #[serde(rename = "transit")]
    Transit,
    /// Every station.
    #[serde(rename = "both")]
    Both,
}

/// What a station under test plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Against {
    /// A hub.
    Hub,
    /// A spoke.
    Spoke,
    /// Either.
    Both,
    /// Nothing: only a library can be asked.
    Codec,
}

/// What to know about an entry of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remark {
    /// The keyword is written in lower case.
    Lowercase,
    /// The text describes and uses no keyword.
    Descriptive,
    /// Written from general knowledge; the section was not at hand.
    UnverifiedText,
    /// Texts or implementations disagree.
    Ambiguity,
}

/// Why no case judges a requirement.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Untested {
    /// In a word.
    pub class: Class,
    /// In a sentence.
    pub because: String,
    /// Unit tests that judge it instead: `FILE#FUNCTION` from the checkout's root on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<String>,
}

/// Why no case judges a requirement, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// It is about octets alone; unit tests of the codec judge it.
    Codec,
    /// It is about IKE or ESP, whose suites are to come.
    Ipsec,
    /// Neither the built-in peer nor anybody else in the lab does it.
    NotImplemented,
    /// The suites' vocabulary can not provoke it, or not see what comes of it.
    NoDriver,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Class::Codec => "codec",
            Class::Ipsec => "ipsec",
            Class::NotImplemented => "not-implemented",
            Class::NoDriver => "no-driver",
        })
    }
}

impl Requirement {
    /// What the id begins with: `NHRP`.
    pub fn family(&self) -> &str {
        family(&self.id)
    }

    /// Whether it can be judged by what is on the wire.
    pub fn is_on_the_wire(&self) -> bool {
        self.testable_against != Against::Codec
    }
}

/// The first part of an id.
pub fn family(id: &str) -> &str {
    id.split('-').next().unwrap_or(id)
}

/// Ids in the order of people: numbers by their value, so that section 5.2 comes before 5.10.
pub fn by_number(left: &str, right: &str) -> Ordering {
    fn parts(id: &str) -> Vec<(&str, u64)> {
        let mut parts = Vec::new();
        let mut rest = id;
        while !rest.is_empty() {
            let text = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let end = rest[text..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |length| text + length);
            parts.push((&rest[..text], rest[text..end].parse().unwrap_or(0)));
            rest = &rest[end..];
        }
        parts
    }
    parts(left).cmp(&parts(right)).then_with(|| left.cmp(right))
}

/// All requirements.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// In the order of [`by_number`], each id once.
    requirements: Vec<Requirement>,
}

impl Catalogue {
    /// Reads all files of a folder.
    ///
    /// # Errors
    /// The first thing that is not as it should be.
    pub fn load(folder: &Path) -> miette::Result<Self> {
        let entries = std::fs::read_dir(folder)
            .into_diagnostic()
            .wrap_err_with(|| format!("the folder of requirements, {}, can not be read", folder.display()))?;
        let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
        paths.sort();
        let mut requirements: Vec<Requirement> = Vec::new();
        for path in paths {
            let text = std::fs::read_to_string(&path)
                .into_diagnostic()
                .wrap_err_with(|| format!("{} can not be read", path.display()))?;
            let list: Vec<Requirement> = serde_yaml::from_str(&text)
                .map_err(|error| miette!("{}: {error}", path.display()))
                .wrap_err("a file of requirements is not as it should be")?;
            requirements.extend(list.into_iter().map(|entry| Requirement { file: path.clone(), ..entry }));
        }
        requirements.sort_by(|a, b| by_number(&a.id, &b.id));
        if let Some(twice) = requirements.windows(2).find(|pair| pair[0].id == pair[1].id) {
            let (one, other) = (twice[0].file.display(), twice[1].file.display());
            return Err(miette!("the requirement {} is there twice: in {one} and in {other}", twice[0].id));
        }
        if let Some(silent) = requirements
            .iter()
            .find(|entry| entry.untested.as_ref().is_some_and(|untested| untested.because.trim().is_empty()))
        {
            return Err(miette!("{}: {} is untested and does not say why", silent.file.display(), silent.id));
        }
        Ok(Self { requirements })
    }

    /// All of them, in the order of [`by_number`].
    pub fn all(&self) -> &[Requirement] {
        &self.requirements
    }

    /// One by its id.
    pub fn get(&self, id: &str) -> Option<&Requirement> {
        let found = self.requirements.binary_search_by(|entry| by_number(&entry.id, id));
        found.ok().and_then(|index| self.requirements.get(index))
    }

    /// What is wrong with the cites of suites: ids that there are not, and requirements that a case cites although they say
    /// that none judges them. A case of a capture may: it shows what one router did once, and judges nobody.
    pub fn mistakes(&self, suites: &[Suite]) -> Vec<Diagnostic> {
        let cases = suites.iter().flat_map(|suite| suite.cases.iter().map(move |case| (suite, case)));
        let cites = cases.flat_map(|(suite, case)| {
            let recorded = suite.topology_of(case).capture.is_some();
            case.cites.iter().map(move |cite| (cite, recorded))
        });
        let mut mistakes: Vec<Diagnostic> = Vec::new();
        for (cite, recorded) in cites {
            let Some(id) = &cite.requirement else { continue };
            let mistake = match self.get(id) {
                None => {
                    let known = self.requirements.iter().map(|entry| entry.id.as_str());
                    let help = nearest(id, known).map_or_else(
                        || "`cargo lab coverage` lists all requirements".to_owned(),
                        |near| format!("did you mean `{near}`?"),
                    );
                    let what = format!("there is no requirement `{id}`");
                    Diagnostic::new("suite::requirement", &cite.span, what, "cited here").with_help(help)
                }
                Some(Requirement { untested: Some(untested), file, .. }) if !recorded => {
                    let what = format!("`{id}` says that no case judges it ({})", untested.class);
                    let help = format!("a case does: take `untested` out of {}", file.display());
                    Diagnostic::new("suite::requirement", &cite.span, what, "cited here").with_help(help)
                }
                Some(_) => continue,
            };
            // Cases that share their cites by an alias say it once.
            if !mistakes.contains(&mistake) {
                mistakes.push(mistake);
            }
        }
        mistakes
    }

    /// Unit tests that requirements name and that there are not.
    pub fn missing_tests(&self, root: &Path) -> Vec<String> {
        let named = self.requirements.iter().flat_map(|entry| {
            let tests = entry.untested.iter().flat_map(|untested| &untested.tests);
            tests.map(move |test| (entry, test))
        });
        let there = |test: &str| {
            let (file, function) = test.split_once('#')?;
            let text = std::fs::read_to_string(root.join(file)).ok()?;
            text.contains(&format!("fn {function}(")).then_some(())
        };
        let missing = named.filter(|(_, test)| there(test).is_none());
        missing
            .map(|(entry, test)| {
                format!("{}: {} names the test {test}, which there is not", entry.file.display(), entry.id)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::load_str;

    fn checkout() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    }

    fn catalogue() -> Catalogue {
        Catalogue::load(&checkout().join("suites/requirements")).unwrap()
    }

    #[test]
    fn the_projects_own_catalogue_is_whole() {
        let catalogue = catalogue();
        assert!(catalogue.all().len() >= 470, "{}", catalogue.all().len());
        let of = |family: &str| catalogue.all().iter().filter(|entry| entry.family() == family).count();
        assert_eq!((of("NHRP"), of("GRE"), of("DMVPN"), of("CISCO")), (226, 24, 52, 38));
        let first = catalogue.get("NHRP-5.2.4-01").unwrap();
        assert_eq!((first.level, first.role, first.testable_against), (Strength::Must, Part::Nhs, Against::Hub));
        assert_eq!(catalogue.missing_tests(&checkout()), Vec::<String>::new());
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        let mut ids = ["NHRP-5.10-01", "NHRP-5.2.3-02", "NHRP-5.2-11", "GRE-1-01", "NHRP-5.2-9", "NHRP-5.2.3-01"];
        ids.sort_by(|a, b| by_number(a, b));
        assert_eq!(ids, ["GRE-1-01", "NHRP-5.2-9", "NHRP-5.2-11", "NHRP-5.2.3-01", "NHRP-5.2.3-02", "NHRP-5.10-01"]);
    }

    fn citing(id: &str) -> Vec<Suite> {
        let text = format!(
            "schema: 1
suite: own
title: Own
worlds: [sim]
topology:
  nodes: {{ hub: {{ role: hub, bind: subject, nbma: 192.0.2.1, tunnel: 10.0.0.1/24 }},
           spoke: {{ role: spoke, bind: peer, nbma: 192.0.2.2, tunnel: 10.0.0.2/24, nhs: [{{ node: hub }}] }} }}
  links: [{{ name: wan, ends: [hub:nbma, spoke:nbma], capture: true }}]
cases:
  - id: case
    title: A case.
    cites: [{{ spec: rfc2332, section: \"5.2.4\", level: must, requirement: {id} }}]
    steps:
      - expect: {{ msg: nhrp.registration_reply }}
"
        );
        vec![load_str(Path::new("suites/own.yaml"), &text).unwrap()]
    }

    #[test]
    fn cites_of_what_there_is_not_or_what_nobody_judges() {
        let catalogue = catalogue();
        assert_eq!(catalogue.mistakes(&citing("NHRP-5.2.4-01")), []);
        let said = |id: &str| {
            let mistakes = catalogue.mistakes(&citing(id));
            let [mistake] = mistakes.as_slice() else { panic!("{mistakes:?}") };
            (mistake.message.clone(), mistake.help.clone().unwrap(), mistake.span.line)
        };
        let (message, help, line) = said("NHRP-5.2.4-0l");
        assert_eq!((message.as_str(), line), ("there is no requirement `NHRP-5.2.4-0l`", 12));
        assert!(help.starts_with("did you mean `NHRP-5.2.4-0"), "{help}");
        let untested = catalogue.all().iter().find(|entry| entry.untested.is_some()).unwrap();
        let (message, help, _) = said(&untested.id);
        assert!(message.contains("says that no case judges it (") && help.contains(".yaml"), "{message} {help}");
    }

    #[test]
    fn mistakes_of_the_catalogue_are_said() {
        let folder = tempfile::tempdir().unwrap();
        let entry = |id: &str, more: &str| {
            format!(
                "- id: {id}\n  source: RFC 2332 §1\n  level: must\n  role: NHS\n  testable_against: hub\n  summary: s\n  \
                 stimulus: t\n  expected: e\n{more}"
            )
        };
        let load = |text: &str| {
            std::fs::write(folder.path().join("own.yaml"), text).unwrap();
            Catalogue::load(folder.path()).map(|_| ()).map_err(|error| format!("{error:?}"))
        };
        assert!(load(&entry("A-1-01", "")).is_ok());
        assert!(load(&(entry("A-1-01", "") + &entry("A-1-01", ""))).unwrap_err().contains("there twice"));
        let silent = "  untested: { class: no-driver, because: \" \" }\n";
        assert!(load(&entry("A-1-01", silent)).unwrap_err().contains("does not say why"));
        assert!(load(&entry("A-1-01", "  untested: { class: lazy, because: x }\n")).is_err());
        assert!(load(&entry("A-1-01", "  untested: { class: codec }\n")).is_err());
        assert!(Catalogue::load(&folder.path().join("none")).is_err());
    }
}
