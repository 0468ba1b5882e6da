//! World `real`: routers outside the process, behind one trait whatever carries them.

pub mod container;
mod ethernet;

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
