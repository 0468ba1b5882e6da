//! The files of `suites/impls/`.

use std::path::Path;
use std::sync::Arc;

use miette::{IntoDiagnostic, WrapErr, miette};
use serde::Deserialize;
use serde_json::Value;

use super::view::ViewAdapter;
use crate::version::Range;

/// How an implementation is brought up and asked.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Implementation {
    /// Version of this vocabulary, 1.
    pub schema: u32,
    /// Name on the command line: `frr`.
    #[serde(rename = "impl")]
    pub name: String,
    /// One line for people.
    pub title: String,
    /// Roles that it can play: `hub`, `spoke`.
    pub roles: Vec<String>,
    /// Its image.
    pub image: Recipe,
    /// Versions, the default one first.
    pub versions: Vec<Release>,
    /// What it does not have; a case that needs it is `unsupported`.
    #[serde(default)]
    pub lacks: Vec<Lack>,
    /// Once, when the router has booted.
    #[serde(default)]
    pub boot: Vec<Value>,
    /// At each `start` of the node, and before each case that has the node running.
    pub start: Vec<Value>,
    /// At `stop`: in an orderly way.
    pub stop: Vec<Value>,
    /// At `kill`: without a goodbye. Also what clears a router between cases.
    pub kill: Vec<Value>,
    /// Between cases, after `kill`: takes away what outlives a node.
    #[serde(default)]
    pub reset: Vec<Value>,
    /// Tells whether a started node is ready: all must succeed.
    pub ready: Vec<Value>,
    /// Slack of its processes' timers under a virtual clock, in microseconds. For daemons that wait in whole milliseconds
    /// rounded down and then spin until their timer is due, which a clock that stands still while they spin would never let
    /// happen.
    #[serde(default)]
    pub timer_slack_us: u64,
    /// What a person who comes in by `cargo lab shell` finds: program and arguments; a shell of the system if absent.
    #[serde(default)]
    pub shell: Option<Vec<String>>,
    /// Processes whose end is expected by `stop` and `kill`.
    pub processes: Vec<String>,
    /// Tells the version of what really runs: its output must have the release's version in it.
    #[serde(default)]
    pub version_probe: Option<Value>,
    /// What steps order while a node runs, by name: `route_add` (`route.to`, `.prefix`, `.prefix_len`, `.via`, `.tunnel`),
    /// `route_delete` (`route.to`, `.prefix`, `.prefix_len`), `clear` (`what`), `renumber` (`old`, `new`). Templates have
    /// these words beside those of the node. A case that needs an order that is not here is `unsupported`.
    #[serde(default)]
    pub orders: std::collections::BTreeMap<String, Vec<Value>>,
    /// Words of a node's declaration that mean nothing to it, and whose cases it is judged by all the same.
    #[serde(default)]
    pub ignores: Vec<String>,
    /// Neutral state views by name.
    #[serde(default)]
    pub views: std::collections::BTreeMap<String, ViewAdapter>,
    /// Log files, read into the evidence after each case.
    #[serde(default)]
    pub logs: Vec<String>,
    /// Configuration as people read it, for the evidence: a template.
    #[serde(default)]
    pub config: Option<String>,
}

/// How the image is made.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Folder under `containers/`.
    pub recipe: String,
}

/// One version that there is an image of.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The version, as the daemon itself says it.
    pub version: String,
    /// The distribution's release whose packages have it.
    pub suite: String,
}

/// Something that an implementation does not have.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lack {
    /// The capability, as in `needs:` of suites.
    pub capability: String,
    /// In which versions; all if absent.
    #[serde(default)]
    pub versions: Option<Range>,
    /// Why we believe so.
    pub because: String,
}

impl Implementation {
    /// Reads one file.
    ///
    /// # Errors
    /// What is wrong with it, with its place.
    pub fn load(path: &Path) -> miette::Result<Self> {
        let text = std::fs::read_to_string(path)
            .into_diagnostic()
            .wrap_err_with(|| format!("{} can not be read", path.display()))?;
        let this: Self = serde_yaml::from_str(&text)
            .map_err(|error| miette!("{}: {error}", path.display()))
            .wrap_err("an implementation file is not as it should be")?;
        if this.schema != 1 {
            return Err(miette!("{}: schema {} is not known here, write `schema: 1`", path.display(), this.schema));
        }
        if this.versions.is_empty() {
            return Err(miette!("{}: at least one version is needed", path.display()));
        }
        Ok(this)
    }

    /// A version by its name, or the default one.
    pub fn release(&self, version: Option<&str>) -> Option<&Release> {
        match version {
            None => self.versions.first(),
            Some(version) => self.versions.iter().find(|release| release.version == version),
        }
    }

    /// Implementation and version as on the command line: `frr:10.3`.
    pub fn id(&self, release: &Release) -> String {
        format!("{}:{}", self.name, release.version)
    }

    /// Whether the templates that start it, or its orders, have a word of a node's declaration in them, or it says that it
    /// ignores that word.
    pub fn knows(&self, word: &str) -> bool {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let has = |text: &str| text.split(|c| !is_part(c)).any(|part| part == word);
        let mentioned = self.start.iter().any(|action| templates(action).any(has));
        mentioned || self.ignores.iter().any(|ignored| ignored == word)
    }

    /// Why this version does not have a capability, if it does not.
    pub fn lack(&self, release: &Release, capability: &str) -> Option<&Lack> {
        self.lacks.iter().find(|lack| {
            lack.capability == capability && lack.versions.as_ref().is_none_or(|range| range.contains(&release.version))
        })
    }
}

/// The code in the templates of an action: what stands in `{{ }}` and `{% %}`, and conditions.
fn templates(action: &Value) -> Box<dyn Iterator<Item = &str> + '_> {
    match action {
        Value::String(text) => {
            let pieces = text.split("{{").flat_map(|piece| piece.split("{%")).skip(1);
            let code = |piece: &'_ str| -> usize { piece.find("}}").or(piece.find("%}")).unwrap_or(piece.len()) };
            Box::new(pieces.map(move |piece| &piece[..code(piece)]))
        }
        Value::Array(items) => Box::new(items.iter().flat_map(templates)),
        Value::Object(members) => Box::new(members.iter().flat_map(|(key, member)| match (key.as_str(), member) {
            ("when", Value::String(condition)) => Box::new(std::iter::once(condition.as_str())),
            (_, member) => templates(member),
        })),
        Value::Null | Value::Bool(_) | Value::Number(_) => Box::new(std::iter::empty()),
    }
}

/// All implementations in a folder, by name.
///
/// # Errors
/// The first file that is not as it should be.
pub fn find_all(folder: &Path) -> miette::Result<Vec<Arc<Implementation>>> {
    let entries = std::fs::read_dir(folder)
        .into_diagnostic()
        .wrap_err_with(|| format!("the folder of implementations, {}, can not be read", folder.display()))?;
    let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    paths.iter().map(|path| Implementation::load(path).map(Arc::new)).collect()
}
