//! Packet formats of a DMVPN: the outer IP headers, GRE, NHRP and ISAKMP.
//!
//! Every format has two layers, and they have different jobs (ISAKMP has the first alone):
//!
//! * the **view** (`Packet<T: AsRef<[u8]>>`) never judges. It reads what is there, says `None` where octets are missing, and
//!   iterates with absolute offsets as far as the octets go. Dissectors, printers and forwarders use it: they must
//!   cope with garbage, and must not lose what they do not know;
//! * the **message** (`Repr`, [`nhrp::Message`]) holds legal meaning only: `parse`, `emit`, `emitted_len`. Engines see
//!   nothing else. What is not legal is an [`Error`] with the offset at which it went wrong.
//!
//! Code points are newtypes with names ([`code`]); an unknown one is a value and not an error.
//!
//! There is no state, no clock and no I/O in here, and no input makes it panic.

#![forbid(unsafe_code)]
// Input decides about every index, so no index may panic: `get`, `first_chunk` and friends only.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)
)]

mod addr;
pub mod checksum;
pub mod code;
mod cursor;
mod error;
pub mod gre;
pub mod ipv4;
pub mod ipv6;
pub mod isakmp;
pub mod nhrp;

pub use addr::{Family, NbmaAddr, ProtoAddr};
pub use error::{Error, ErrorKind, Layer, Result};
// So that who builds a message needs no dependency of their own for its lists.
pub use smallvec::{SmallVec, smallvec};
