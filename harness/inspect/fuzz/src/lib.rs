//! What each fuzz target does with an input, and what has to hold for any.
//!
//! The tests of `dmvpn-inspect` include this as well, so the corpora are replayed by the very code that was fuzzed, on the
//! stable toolchain.

mod packets;
mod parsers;
mod texts;

pub use packets::{KEYS, LINKS, file, frame};
pub use parsers::{gre_ip, isakmp, nhrp};
pub use texts::{filter, keys};
