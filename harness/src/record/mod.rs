//! The captures that the project keeps, made again: each is what one case leaves on one link.
//!
//! ```text
//! captures/recordings.yaml --list--> Recording (case, subject, link) --run machinery--> evidence/LINK.pcapng
//!                                                                                              |
//!        captures/NAME.pcapng + NAME.yaml  <--write, unless they say the same already--  made: packets, sidecar
//!                                          <--compare: field by field, as the dissection reads them
//! ```
//!
//! What a sidecar says of a capture is taken from the capture, the case and who has played it, so that it is true; only
//! the sentence about what it shows is written by hand, in the list.

pub mod compare;
pub mod keys;
pub mod kind;
pub mod list;
pub mod made;
pub mod sidecar;

pub use list::{Recording, Recordings};
pub use made::{Made, Source, make};
pub use sidecar::Sidecar;

/// The list, in the folder of captures.
pub const LIST: &str = "recordings.yaml";

/// Where captures are kept, from the checkout's root on.
pub const FOLDER: &str = "captures";
