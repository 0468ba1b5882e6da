//! Reads packets: from octets to a list of named fields with offsets, never refusing what it can still show.
//!
//! It stands on the lenient views of `dmvpn-wire` and shares nothing with the messages that the peer's engines parse,
//! so that a packet which an engine would refuse can still be shown field by field.
//!
//! ```text
//! session   what is known beyond one packet: keys, fragments that wait for the rest
//!   walk    the way down through the layers, one for all who read packets
//!     read    what the visitor sees there, as fields of a Dissection
//!     glance  the same as a few numbers, for those who have a million packets to see
//! ```
//!
//! A [`Dissection`] is made to be used again: reading the next packet into it allocates nothing once it has grown.

pub mod catalogue;
mod fields;
mod fragments;
mod glance;
mod ike;
mod ike_body;
mod ike_catalogue;
mod ike_glance;
mod ike_sa;
mod inner;
mod ipsec;
mod link;
mod nhrp;
mod pieces;
mod read;
mod session;
mod walk;

pub use fields::{Field, FieldValue, Fields, Layer, Value};
pub use glance::{Entry, EspGlance, Glance, GreGlance, NhrpGlance, Routing};
pub use ike_glance::{IkeGlance, IkeInside};
pub use session::Session;
use walk::Place;

use std::net::IpAddr;
use std::ops::Range;

use crate::capture::LinkType;
use fields::Store;

/// A packet, read.
#[derive(Clone, Debug, Default)]
pub struct Dissection {
    store: Store,
    /// Where the NHRP message stands, if there is one: buffer and range.
    nhrp: Option<(u8, Range<usize>)>,
    /// Where the payload of GRE stands, if there is a GRE header.
    payload: Option<(u8, Range<usize>)>,
    /// Where the first IP header begins in the frame.
    network: Option<usize>,
    /// One line for ladders.
    summary: String,
}

impl Dissection {
    /// Reads a packet from its outer IP header on. Nothing is too broken for it: what can not be read is not there.
    pub fn of_ip(octets: &[u8]) -> Self {
        Self::of_frame(LinkType::RAW, octets)
    }

    /// Reads a frame that starts as `link` says, knowing nothing but the frame.
    pub fn of_frame(link: LinkType, octets: &[u8]) -> Self {
        let mut dissection = Self::default();
        dissection.read(&mut Session::default(), link, octets);
        dissection
    }

    /// Reads a frame into this dissection, which forgets what it held. `session` opens what it has keys for, and puts
    /// fragments together.
    pub fn read(&mut self, session: &mut Session, link: LinkType, octets: &[u8]) {
        self.store.clear(octets);
        (self.nhrp, self.payload, self.network) = (None, None, None);
        self.summary.clear();
        self.summary.push_str(if octets.is_empty() { "empty packet" } else { "no IP packet" });
        read::Reader::new(self).frame(session, link, octets);
    }

    /// The field of that path; the first one where several have it.
    pub fn field(&self, path: &str) -> Option<Field<'_>> {
        self.fields().find(|field| field.is(path))
    }

    /// The value of the field of that path.
    pub fn value(&self, path: &str) -> Option<FieldValue> {
        self.field(path).map(|field| field.value.to_owned())
    }

    /// The number in the field of that path.
    pub fn uint(&self, path: &str) -> Option<u64> {
        match self.field(path)?.value {
            Value::Uint(number) => Some(number),
            _ => None,
        }
    }

    /// The address in the field of that path.
    pub fn addr(&self, path: &str) -> Option<IpAddr> {
        match self.field(path)?.value {
            Value::Addr(address) => Some(address),
            _ => None,
        }
    }

    /// All fields, in the order of the packet.
    pub fn fields(&self) -> Fields<'_> {
        self.store.fields()
    }

    /// The layers, from the outermost on.
    pub fn layers(&self) -> impl ExactSizeIterator<Item = Layer<'_>> {
        self.store.layers()
    }

    /// The fields of a layer, its index as in [`Dissection::layers`]. Those that belong to none are in no layer.
    pub fn fields_of(&self, layer: usize) -> Fields<'_> {
        self.store.fields_of(layer)
    }

    /// The names of the layers, outermost first: `eth:ip:gre:nhrp`.
    pub fn stack(&self) -> String {
        self.layers().map(|layer| layer.name).collect::<Vec<_>>().join(":")
    }

    /// Octets that ranges point into: 0 is the frame, others were decrypted or put together from fragments.
    pub fn buffer(&self, number: u8) -> &[u8] {
        self.store.buffer(number)
    }

    /// How many buffers there are, and what each is: `frame`, `decrypted ESP` and the like.
    pub fn buffers(&self) -> impl ExactSizeIterator<Item = (&'static str, &[u8])> {
        self.store.buffers()
    }

    /// What is wrong with the packet, each with its place.
    pub fn troubles(&self) -> impl ExactSizeIterator<Item = &str> {
        self.store.troubles()
    }

    /// How many elements a list (`cie`, `ext.nat.cie`) has; `None` if its layer is not there.
    pub fn list_len(&self, list: &str) -> Option<usize> {
        let found = self.fields().find(|field| field.name == "count" && field.stem.strip_suffix('.') == Some(list))?;
        match found.value {
            Value::Uint(count) => usize::try_from(count).ok(),
            _ => None,
        }
    }

    /// `ar$op.type` of the NHRP message, if it is one.
    pub fn nhrp_type(&self) -> Option<u8> {
        self.uint("hdr.type").and_then(|number| u8::try_from(number).ok())
    }

    /// Where the NHRP message stands in the frame.
    pub fn nhrp_range(&self) -> Option<Range<usize>> {
        self.nhrp.clone().and_then(|(buffer, range)| (buffer == 0).then_some(range))
    }

    /// The NHRP message, wherever it stands.
    pub fn nhrp_octets(&self) -> Option<&[u8]> {
        let (buffer, range) = self.nhrp.clone()?;
        self.buffer(buffer).get(range)
    }

    /// Where the payload of GRE stands in the frame, whatever it is.
    pub fn payload_range(&self) -> Option<Range<usize>> {
        self.payload.clone().and_then(|(buffer, range)| (buffer == 0).then_some(range))
    }

    /// Where the outermost IP header begins in the frame, behind what the link puts in front.
    pub fn network_offset(&self) -> Option<usize> {
        self.network
    }

    /// Whether it is an IP packet in GRE.
    pub fn is_inner_ip(&self) -> bool {
        self.nhrp.is_none() && self.payload.is_some() && self.field("inner.src").is_some()
    }

    /// Whether there is a GRE header.
    pub fn is_gre(&self) -> bool {
        self.field("gre.flags").is_some()
    }

    /// Whether there is an ESP header, in IP or in UDP.
    pub fn is_esp(&self) -> bool {
        self.field("esp.spi").is_some()
    }

    /// Whether it is an IKE message.
    pub fn is_ike(&self) -> bool {
        self.field("ike.initiator_spi").is_some()
    }

    /// One line: what the packet is.
    pub fn summary(&self) -> &str {
        &self.summary
    }
}

#[cfg(test)]
mod tests;
