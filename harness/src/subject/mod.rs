//! Implementations under test, as data: `suites/impls/*.yaml` says how each is built, started, asked and reset. Adding
//! one needs no Rust.
//!
//! An order to a router is a list of agent actions whose texts are templates (minijinja) over the node's
//! [`Station`](crate::run::nodes::Station), and `version` and `major` of what plays it. A `when:` beside an action leaves it out where that expression is not
//! true; `commands:` may be one text, a line per command.

mod file;
mod peer;
pub mod render;
mod view;

pub use file::{Implementation, Lack, Recipe, Release, find_all};
pub use peer::rows_of_peer;
pub use render::render;
pub use view::{ViewAdapter, rows_of_router};

use std::collections::BTreeMap;

use crate::dissect::FieldValue;

/// One line of a neutral state view: columns by name.
pub type ViewRow = BTreeMap<String, FieldValue>;

/// What plays a node: the built-in peer, or a version of an implementation of `suites/impls/`.
#[derive(Clone, Debug)]
pub enum Subject {
    /// `dmvpn-core`, in process.
    BuiltIn,
    /// A router outside the process.
    Router(std::sync::Arc<Implementation>, Release),
}

impl Subject {
    /// `peer` or `frr:10.3`, as on the command line.
    pub fn id(&self) -> String {
        match self {
            Subject::BuiltIn => "peer".to_owned(),
            Subject::Router(implementation, release) => format!("{}:{}", implementation.name, release.version),
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
