//! Interoperability test harness and packet lab for DMVPN: suites, worlds, verdicts and their evidence.

pub mod dissect;
pub mod suite;
pub mod verdict;
