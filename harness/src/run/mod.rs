//! Runs cases: from a selection to results.
//!
//! ```text
//! selection x subjects -> plan -> execute -> CaseRun (steps, control, teardown) -> divergences -> evidence, results
//!                                    |          ^
//!                                  guests ==> inside      routers under a virtual clock: cells run in guest kernels
//!                                                  up      a topology without steps, for people
//! ```

pub mod case;
pub mod cast;
mod compare;
pub mod compose;
mod death;
pub mod divergence;
pub mod execute;
pub mod guests;
mod inner;
pub mod inside;
pub mod keep;
pub mod nodes;
pub(crate) mod octets;
pub mod plan;
pub mod side_by_side;
mod steps;
pub mod up;

#[cfg(test)]
mod tests;
