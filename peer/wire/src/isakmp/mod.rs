//! The Internet Security Association and Key Management Protocol, read: IKEv2 (RFC 7296, fragments of RFC 7383) and IKEv1
//! (RFC 2407, 2408 and 2409, NAT traversal of RFC 3947, mode configuration).
//!
//! ```text
//! +----------------------+ 0
//! | header               |   SPIs, next payload, version, exchange, flags, message id, length      [`Packet`]
//! +----------------------+ 28
//! | payloads ...         |   next payload, critical, length, body; the first's type is in front     [`Payloads`]
//! |   proposals ...      |   of a security association payload                                      [`sa`]
//! |     transforms ...   |   with attributes                                                        [`sa`]
//! |   other bodies       |   one view for each                                                      [`body`]
//! +----------------------+ length
//! ```
//!
//! Both versions share header, chain and most layouts; the types of their payloads are numbers of one space. What
//! the numbers inside mean differs: [`ike1`] and [`ike2`] hold the names.
//!
//! There are views only. Who negotiates keys has more to say about a message than its layout, and does so elsewhere.
//! Offsets count from the start of the message, or of the decrypted octets.

pub mod body;
mod chain;
pub mod code;
mod header;
pub mod ike1;
pub mod ike2;
pub mod sa;
mod span;
pub mod vendor;

pub use chain::{MAX_PAYLOADS, PayloadView, Payloads};
pub use code::{ExchangeType, Flags, PayloadType, Version};
pub use header::{LEN, Packet, field};
pub use span::Span;

#[cfg(test)]
mod tests;
