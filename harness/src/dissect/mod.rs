//! Reads packets for judging: from octets to a list of named fields with offsets, never refusing what it can still show.

pub mod catalogue;
