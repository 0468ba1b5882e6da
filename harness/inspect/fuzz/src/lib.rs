//! Fuzz targets: what each of them does with an input is in [`targets`](self), which the tests of `dmvpn-inspect` include as
//! well. So the corpora are replayed by the very code that was fuzzed, on the stable toolchain.

mod packets;
mod parsers;
mod texts;

pub use packets::{KEYS, LINKS, file, frame};
pub use parsers::{gre_ip, isakmp, nhrp};
pub use texts::{filter, keys};
