//! Interoperability test harness and packet lab for DMVPN: suites, worlds, verdicts and their evidence.

pub mod capture;
pub mod dissect;
pub mod evidence;
pub mod suite;
pub mod verdict;
