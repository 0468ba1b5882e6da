//! Reads packets for judging: from octets to a list of named fields with offsets, never refusing what it can still show.
//!
//! It stands on the lenient views of `dmvpn-wire` and shares nothing with the messages that the peer's engines parse,
//! so that a packet which an engine would refuse can still be shown field by field.

pub mod catalogue;
mod inner;
mod ipsec;
mod read;

use std::fmt;
use std::net::IpAddr;
use std::ops::Range;

use dmvpn_wire::nhrp::pretty;

/// The value of a field as it stands in the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldValue {
    /// A number, or a flag.
    Uint(u64),
    /// An address.
    Addr(IpAddr),
    /// Octets.
    Bytes(Vec<u8>),
    /// A word that the dissector made.
    Text(String),
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FieldValue::Uint(number) => write!(f, "{number}"),
            FieldValue::Addr(address) => write!(f, "{address}"),
            FieldValue::Bytes(octets) if octets.is_empty() => f.write_str("no octets"),
            FieldValue::Bytes(octets) => octets.iter().try_for_each(|octet| write!(f, "{octet:02x}")),
            FieldValue::Text(text) => f.write_str(text),
        }
    }
}

/// One field of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its path, as in the [catalogue] but with indices.
    pub path: String,
    /// What it holds.
    pub value: FieldValue,
    /// Its octets, counted from the start of the outer IP header; empty for fields that the dissector made.
    pub range: Range<usize>,
    /// Its bits within those octets, where it is smaller than them.
    pub mask: Option<u64>,
}

/// A packet, read.
#[derive(Clone, Debug, Default)]
pub struct Dissection {
    fields: Vec<Field>,
    /// Where the NHRP message stands, if there is one.
    nhrp: Option<Range<usize>>,
    /// Where the payload of GRE stands, if there is a GRE header.
    payload: Option<Range<usize>>,
    /// One line for ladders.
    summary: String,
}

impl Dissection {
    /// Reads a packet from its outer IP header on. Nothing is too broken for it: what can not be read is not there.
    pub fn of_ip(octets: &[u8]) -> Self {
        let mut reader = read::Reader::new(octets);
        reader.ip();
        let read::Reader { fields, nhrp, payload, malformed, headline, .. } = reader;
        let summary = match &nhrp {
            Some(range) => pretty::summary(octets.get(range.clone()).unwrap_or_default()).to_string(),
            None => headline,
        };
        let mut dissection = Self { fields, nhrp, payload, summary };
        if !malformed.is_empty() {
            dissection.fields.push(Field {
                path: "malformed".to_owned(),
                value: FieldValue::Text(malformed.join("; ")),
                range: 0..0,
                mask: None,
            });
        }
        dissection
    }

    /// The field of that path.
    pub fn field(&self, path: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.path == path)
    }

    /// The value of the field of that path.
    pub fn value(&self, path: &str) -> Option<&FieldValue> {
        self.field(path).map(|field| &field.value)
    }

    /// The number in the field of that path.
    pub fn uint(&self, path: &str) -> Option<u64> {
        match self.value(path)? {
            FieldValue::Uint(number) => Some(*number),
            _ => None,
        }
    }

    /// The address in the field of that path.
    pub fn addr(&self, path: &str) -> Option<IpAddr> {
        match self.value(path)? {
            FieldValue::Addr(address) => Some(*address),
            _ => None,
        }
    }

    /// All fields, in the order of the packet.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// How many elements a list (`cie`, `ext.nat.cie`) has; `None` if its layer is not there.
    pub fn list_len(&self, list: &str) -> Option<usize> {
        self.uint(&format!("{list}.count")).and_then(|count| usize::try_from(count).ok())
    }

    /// `ar$op.type` of the NHRP message, if it is one.
    pub fn nhrp_type(&self) -> Option<u8> {
        self.uint("hdr.type").and_then(|number| u8::try_from(number).ok())
    }

    /// Where the NHRP message stands in the packet.
    pub fn nhrp_range(&self) -> Option<Range<usize>> {
        self.nhrp.clone()
    }

    /// Where the payload of GRE stands in the packet, whatever it is.
    pub fn payload_range(&self) -> Option<Range<usize>> {
        self.payload.clone()
    }

    /// Whether it is an IP packet in GRE.
    pub fn is_inner_ip(&self) -> bool {
        self.nhrp.is_none() && self.field("inner.src").is_some()
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
