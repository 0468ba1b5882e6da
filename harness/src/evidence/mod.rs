//! What a run leaves behind, so that a verdict can be checked without running anything again.
//!
//! ```text
//! runs/latest -> 2026-01-01T10-00-00Z
//! runs/2026-01-01T10-00-00Z/
//!   run.json  results.json  summary.txt
//!   nhrp/registration/first/default/
//!     verdict.json  cast.json  timeline.jsonl  wan.pcapng
//!     config/hub/frr.conf  state/03-hub-nhrp.cache.json  logs/hub.log
//!     repro/registration.yaml  repro/run.sh
//! ```
//!
//! Nothing is ever overwritten: a second run in the same second, a repeated case or a configuration rendered twice gets
//! the suffix `-2`. Only the documents that describe the whole of a directory are replaced, each in one step, so that
//! a reader never sees half of one.
//!
//! Everything written as text passes through a [`Redactor`]. Captures are octets as they were on the wire, secrets
//! that were sent in clear among them.
//!
//! [`read`] reads all of this back.
//!
//! No write that fails may cost a verdict: every method returns its [`FileError`], which the caller reports next to
//! the results (as a problem of the surroundings, exit code 4) while the run goes on.

mod case;
mod error;
mod place;
pub mod read;
mod redact;
mod run;

pub use case::{CAST, CaseCapture, CaseDir};
pub use error::FileError;
pub use redact::Redactor;
pub use run::Run;

#[cfg(test)]
mod tests;
