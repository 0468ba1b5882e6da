//! Implementations under test, as data: `suites/impls/*.yaml` says how each is built, started, asked and reset. Adding
//! one needs no Rust.
//!
//! An order to a router is a list of agent actions whose texts are templates (minijinja) over the node's
//! [`Station`](crate::run::nodes::Station), `version` and `major` of what plays it, and `lab`, where the harness's executable is. A `when:` beside an action leaves it out where that expression is not
//! true; `commands:` may be one text, a line per command.

mod file;
mod peer;
pub mod render;
mod sections;
mod view;

pub use file::{Implementation, Lack, Recipe, Release, find_all};
pub use peer::rows_of_peer;
pub use render::render;
pub use view::{ViewAdapter, rows_of_router};

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::dissect::FieldValue;
use crate::suite::diagnostic::suggest;

/// One line of a neutral state view: columns by name.
pub type ViewRow = BTreeMap<String, FieldValue>;

/// What plays a node: the built-in peer, or a version of an implementation of `suites/impls/`.
#[derive(Clone, Debug)]
pub enum Subject {
    /// `dmvpn-core`, in process.
    BuiltIn,
    /// A router outside the process.
    Router(Arc<Implementation>, Release),
}

/// A name that nothing of `suites/impls/` bears.
#[derive(Clone, Debug, thiserror::Error, miette::Diagnostic)]
#[error("{problem}")]
#[diagnostic(help("{help}"))]
pub struct UnknownImplementation {
    /// What there is not.
    pub problem: String,
    /// The nearest name, or all of them.
    pub help: String,
}

/// One of the same name and version is the same.
impl PartialEq for Subject {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Subject {
    /// By name, as on the command line and in `bind:`: `peer`, `frr:10.3`, or `frr` for its default version.
    ///
    /// # Errors
    /// No implementation has that name, or it has no such version.
    pub fn named(name: &str, implementations: &[Arc<Implementation>]) -> Result<Self, UnknownImplementation> {
        let (wanted, version) = match name.split_once(':') {
            Some((name, version)) => (name, Some(version)),
            None => (name, None),
        };
        if name == "peer" {
            return Ok(Subject::BuiltIn);
        }
        let unknown = |problem: String, known: Vec<String>| {
            let help = suggest(name, known.iter().map(String::as_str));
            UnknownImplementation { problem, help }
        };
        let ids = |known: &Implementation| -> Vec<String> {
            known.versions.iter().map(|release| known.id(release)).collect()
        };
        let Some(implementation) = implementations.iter().find(|known| known.name == wanted) else {
            if wanted == "peer" {
                return Err(unknown("the built-in peer has no versions".to_owned(), vec![wanted.to_owned()]));
            }
            let known = implementations.iter().flat_map(|known| [vec![known.name.clone()], ids(known)].concat());
            let known = std::iter::once("peer".to_owned()).chain(known).collect();
            return Err(unknown(format!("there is no implementation `{wanted}` in suites/impls"), known));
        };
        match implementation.release(version) {
            Some(release) => Ok(Subject::Router(Arc::clone(implementation), release.clone())),
            None => {
                let problem = format!("`{wanted}` has no version `{}`", version.unwrap_or(""));
                Err(unknown(problem, ids(implementation)))
            }
        }
    }

    /// `peer` or `frr:10.3`, as on the command line.
    pub fn id(&self) -> String {
        match self {
            Subject::BuiltIn => "peer".to_owned(),
            Subject::Router(implementation, release) => implementation.id(release),
        }
    }

    /// Name of the implementation.
    pub fn name(&self) -> &str {
        match self {
            Subject::BuiltIn => "peer",
            Subject::Router(implementation, _) => &implementation.name,
        }
    }

    /// Its version.
    pub fn version(&self) -> &str {
        match self {
            Subject::BuiltIn => env!("CARGO_PKG_VERSION"),
            Subject::Router(_, release) => &release.version,
        }
    }
}
