//! The Next Hop Resolution Protocol: RFC 2332, and what DMVPN adds (draft-detienne-dmvpn-01).
//!
//! ```text
//! +----------------------+ 0
//! | fixed part           |   address family, protocol, hop count, packet size, checksum, type      [`fixed`]
//! +----------------------+ 20
//! | mandatory part       |   flags, request id, source and destination, clients                    [`mandatory`]
//! |   client entries ... |                                                                         [`cie`]
//! +----------------------+ ar$extoff, or ar$pktsz if that is 0
//! | extensions ...       |   type, length, value; the last is End                                  [`extension`]
//! +----------------------+ ar$pktsz
//! ```
//!
//! [`Packet`] is the view, [`Message`] the message; [`pretty`] prints views. All offsets count from ar$afn.

pub mod cie;
pub mod extension;
pub mod fixed;
pub mod mandatory;
mod message;
mod packet;
pub mod pretty;

pub use crate::code::{AddressFamily, CieCode, ErrorCode, ExtensionType, Flags, MessageType, TrafficCode};
pub use cie::{Cie, Cies};
pub use extension::{Authentication, Extension, ExtensionValue, Extensions, Secret};
pub use fixed::{Fixed, ProtocolType};
pub use mandatory::{Body, ErrorIndication, Mandatory, TrafficIndication};
pub use message::Message;
pub use packet::Packet;

#[cfg(test)]
mod tests;
