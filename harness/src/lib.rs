//! Interoperability test harness and packet lab for DMVPN: suites, worlds, verdicts and their evidence.

pub mod agent;
pub mod cli;
pub mod coverage;
pub mod distill;
pub mod docker;
pub mod doctor;
pub mod dossier;
pub mod evidence;
pub mod expect;
pub mod images;
pub mod inspect;
pub mod mutate;
pub mod place;
pub mod progress;
pub mod prune;
pub mod record;
pub mod report;
pub mod requirement;
pub mod rules;
pub mod run;
#[cfg(test)]
mod shared_writer;
pub mod shell;
pub mod store;
pub mod subject;
pub mod suite;
pub mod verdict;
pub mod version;
pub mod world;

pub use dmvpn_inspect::{capture, dissect, exchange, keys};
