//! Mutants: the built-in peer with one deliberate fault each. A suite is worth as much as the faults that it notices, so
//! `cargo lab mutate` runs the simulated suites against every mutant and names those that no case has noticed.
//!
//! A fault is not in the peer but around it: what the peer is told at its start, what it hears and what it says are
//! changed on the way, by [`shim::Shim`], which stands between a node and its link. So the peer that people run has no
//! line of this in it, and a fault is exactly what another station would see of it.

pub mod faults;
pub mod hunt;
pub mod shim;

use dmvpn_core::config::Config;
use dmvpn_core::io::Transmit;
use dmvpn_wire::nhrp::Message;

use shim::Talk;

/// One deliberate fault.
#[derive(Debug)]
pub struct Fault {
    /// Its name, a slug.
    pub name: &'static str,
    /// The requirement that it breaks, as in `suites/requirements`.
    pub requirement: &'static str,
    /// What the peer does wrong, in one sentence.
    pub what: &'static str,
    /// Where it is done.
    pub changes: &'static [Change],
}

/// Where a fault takes hold. The messages that the peer can not read, or that other layers broke, pass unchanged.
pub enum Change {
    /// In what the node is told at its construction.
    Configured(fn(&mut Config)),
    /// In a message that the node sends. Sizes and checksum follow.
    Says(fn(&mut Talk, &mut Message) -> Fate),
    /// In the octets of a message that the node sends, from ar$afn on, as they then stand.
    SaysOctets(fn(&mut Vec<u8>)),
    /// In a message before the node reads it. Sizes and checksum follow.
    Hears(fn(&mut Talk, &mut Message) -> Fate),
    /// In the octets of a message before the node reads it, from ar$afn on, as they then stand.
    HearsOctets(fn(&mut Vec<u8>) -> Fate),
    /// In a packet that the node sends, NHRP or not: outer header, GRE header and all.
    Sends(fn(&mut Talk, &mut Transmit) -> Fate),
    /// In a packet before the node gets it, from the GRE header on.
    Gets(fn(&mut Talk, &mut Vec<u8>) -> Fate),
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Configured(_) => "Configured",
            Self::Says(_) => "Says",
            Self::SaysOctets(_) => "SaysOctets",
            Self::Hears(_) => "Hears",
            Self::HearsOctets(_) => "HearsOctets",
            Self::Sends(_) => "Sends",
            Self::Gets(_) => "Gets",
        })
    }
}

/// What becomes of a packet that a fault has touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on.
    Pass,
    /// It is lost.
    Lose,
    /// It goes on twice.
    Twice,
}

/// All faults, by the part of the peer that they are in.
pub fn all() -> impl Iterator<Item = &'static Fault> {
    [
        faults::client::FAULTS,
        faults::server::FAULTS,
        faults::purge::FAULTS,
        faults::transit::FAULTS,
        faults::formats::FAULTS,
        faults::data::FAULTS,
    ]
    .into_iter()
    .flatten()
}

/// The fault of that name.
pub fn find(name: &str) -> Option<&'static Fault> {
    all().find(|fault| fault.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_slugs_and_unique() {
        let mut seen = BTreeSet::new();
        for fault in all() {
            assert!(
                fault.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
                "{}",
                fault.name
            );
            assert!(seen.insert(fault.name), "{} is there twice", fault.name);
            assert!(fault.what.ends_with('.') && !fault.changes.is_empty(), "{}", fault.name);
        }
        assert!(seen.len() >= 60, "only {} faults", seen.len());
    }
}
