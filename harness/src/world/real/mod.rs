//! World `real`: routers outside the process, behind one trait whatever carries them.

pub mod container;
mod ethernet;
pub mod lab;
pub mod machine;
pub mod namespace;
pub mod sessions;

use super::{Driver, LabError};
use crate::subject::Subject;

/// Makes labs: places in which routers can be booted.
pub trait Routers {
    /// A lab for nodes that are played by any of `players`. Routers are booted when a case first needs them, and are gone
    /// when the lab is dropped.
    ///
    /// # Errors
    /// What the machine lacks, with the remedy.
    fn lab(&mut self, players: &[Subject]) -> Result<Box<dyn Driver>, LabError>;
}

/// Routers need this very executable as their agent, whatever libc they have.
///
/// # Errors
/// `harness.dynamic` if it is not linked statically.
fn require_static() -> Result<(), LabError> {
    if cfg!(target_feature = "crt-static") {
        return Ok(());
    }
    Err(LabError::environment(
        "harness.dynamic",
        "this executable is linked dynamically and can not be the agent of a router",
        "start it as `cargo lab`, which links it statically (.cargo/config.toml)",
    ))
}
