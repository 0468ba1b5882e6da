//! Captures shown to people: `cargo lab inspect`.
//!
//! The reading is done by `dmvpn-inspect`; here is how what it found is put. Every way of showing is a function from
//! values to text, so that it can be tested without a terminal.
//!
//! ```text
//! capture file --Packets--> view::each --Glance--> Story --Overview--> summary, exchanges, document (JSON)
//!                               |                                       |
//!                               +---Dissection---> tree, ladder, page (HTML), difference of two captures
//! live interface --live--> the same Story, and a row whenever an exchange is answered
//! ```

pub mod catalogue;
pub mod difference;
pub mod document;
pub mod exchanges;
pub mod ladder;
pub mod live;
pub mod packet;
pub mod page;
pub mod reading;
pub mod summary;
pub mod tree;
mod words;
