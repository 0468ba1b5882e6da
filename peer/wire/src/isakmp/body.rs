//! Bodies of payloads other than security associations: RFC 7296 sections 3.4 to 3.16, RFC 7383 section 2.5; for IKEv1
//! RFC 2408 sections 3.7 to 3.15, RFC 2407 section 4.6 and RFC 3947 section 5.2.
//!
//! A body that is only octets (nonces, hashes, signatures, vendor ids, encrypted payloads) needs no view.

use std::net::IpAddr;

use super::code::{CertEncoding, DhGroup};
use super::sa::Attributes;
use super::span::Span;
use super::{ike1, ike2};
use crate::error::{Error, ErrorKind, Layer, Result};

/// How many traffic selectors of one payload are read; they are counted by an octet.
pub const MAX_SELECTORS: usize = 256;

macro_rules! view {
    ($(#[$doc:meta])* $name:ident, $min:literal octets) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name<'a> {
            body: Span<'a>,
        }

        impl<'a> $name<'a> {
            /// Octets of the fields that are always there.
            pub const MIN_LEN: usize = $min;

            /// A view of a payload's body.
            pub const fn new(body: Span<'a>) -> Self {
                Self { body }
            }
        }
    };
    // Whose only variable part is at the end.
    ($(#[$doc:meta])* $name:ident, $min:literal octets, then $rest:ident: $rest_doc:literal) => {
        view! { $(#[$doc])* $name, $min octets }

        impl<'a> $name<'a> {
            #[doc = $rest_doc]
            pub fn $rest(&self) -> Span<'a> {
                self.body.behind(Self::MIN_LEN)
            }

            /// That the fields in front of it are all there.
            pub const fn check(&self) -> Result<()> {
                self.body.has(Self::MIN_LEN, Layer::IkePayload)
            }
        }
    };
}

view! {
    /// Key exchange of IKEv2 (RFC 7296 section 3.4): group, two reserved octets, public value. In IKEv1 the body is the
    /// public value alone.
    KeyExchange, 4 octets, then data: "The public value."
}

impl KeyExchange<'_> {
    /// The group.
    pub fn group(&self) -> Option<DhGroup> {
        self.body.u16(0).map(DhGroup)
    }
}

view! {
    /// Identification (RFC 7296 section 3.5, RFC 2407 section 4.6.2), and the original address of RFC 3947 section 5.2: type,
    /// protocol and port (IKEv1; reserved in IKEv2), what identifies.
    Identification, 4 octets
}

impl<'a> Identification<'a> {
    /// The type; both versions number them alike.
    pub fn kind(&self) -> Option<ike2::IdType> {
        self.body.u8(0).map(ike2::IdType)
    }

    /// IKEv1: IP protocol, 0 for any.
    pub fn protocol(&self) -> Option<u8> {
        self.body.u8(1)
    }

    /// IKEv1: port, 0 for any.
    pub fn port(&self) -> Option<u16> {
        self.body.u16(2)
    }

    /// What identifies.
    pub fn data(&self) -> Span<'a> {
        self.body.behind(Self::MIN_LEN)
    }

    /// That the fields are all there, and that an address has the length of one.
    pub fn check(&self) -> Result<()> {
        self.body.has(Self::MIN_LEN, Layer::IkePayload)?;
        let needed = match self.kind() {
            Some(ike2::IdType::ID_IPV4_ADDR) => 4,
            Some(ike2::IdType::ID_IPV6_ADDR) => 16,
            _ => return Ok(()),
        };
        let data = self.data();
        if data.len() == needed {
            return Ok(());
        }
        Err(Error::new(Layer::IkePayload, ErrorKind::BadAddressLength, data.offset(), needed, data.len()))
    }

    /// The address, if the type is one of an address and the length fits.
    pub fn address(&self) -> Option<IpAddr> {
        match self.kind()? {
            ike2::IdType::ID_IPV4_ADDR | ike2::IdType::ID_IPV6_ADDR => address(self.data()),
            _ => None,
        }
    }

    /// The words, if the type is one of words and they are in UTF-8.
    pub fn text(&self) -> Option<&'a str> {
        match self.kind()? {
            ike2::IdType::ID_FQDN | ike2::IdType::ID_RFC822_ADDR => std::str::from_utf8(self.data().octets()).ok(),
            _ => None,
        }
    }
}

view! {
    /// Certificate, or the request for one (RFC 7296 sections 3.6 and 3.7, RFC 2408 sections 3.9 and 3.10): encoding, then
    /// the certificate, or which authorities are trusted.
    Certificate, 1 octets, then data: "The certificate, or which authorities are trusted."
}

impl Certificate<'_> {
    /// How it is encoded.
    pub fn encoding(&self) -> Option<CertEncoding> {
        self.body.u8(0).map(CertEncoding)
    }
}

view! {
    /// Authentication of IKEv2 (RFC 7296 section 3.8): method, three reserved octets, proof.
    Authentication, 4 octets, then data: "The proof."
}

impl Authentication<'_> {
    /// What is proven how.
    pub fn method(&self) -> Option<ike2::AuthMethod> {
        self.body.u8(0).map(ike2::AuthMethod)
    }
}

view! {
    /// Encrypted fragment (RFC 7383 section 2.5): number, total, then IV, cipher text and ICV.
    Fragment, 4 octets, then data: "IV, cipher text and ICV."
}

impl Fragment<'_> {
    /// Its number, from 1.
    pub fn number(&self) -> Option<u16> {
        self.body.u16(0)
    }

    /// How many there are.
    pub fn total(&self) -> Option<u16> {
        self.body.u16(2)
    }
}

view! {
    /// Configuration of IKEv2 (RFC 7296 section 3.15) and of IKEv1 (draft-dukes-ike-mode-cfg-02): type, three octets that are
    /// reserved (IKEv1: one, then an identifier), attributes.
    Configuration, 4 octets, then data: "The attributes as octets."
}

impl<'a> Configuration<'a> {
    /// Request, reply, set or acknowledgement.
    pub fn kind(&self) -> Option<ike2::CfgType> {
        self.body.u8(0).map(ike2::CfgType)
    }

    /// IKEv1: what request and reply have in common.
    pub fn identifier(&self) -> Option<u16> {
        self.body.u16(2)
    }

    /// The attributes of IKEv2, which all have a length.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::long(self.data())
    }

    /// The attributes of IKEv1, in short or long form each.
    pub fn attributes1(&self) -> Attributes<'a> {
        Attributes::new(self.data())
    }
}

view! {
    /// EAP (RFC 7296 section 3.16, RFC 3748 section 4): code, identifier, length, then a type and its data in requests and
    /// responses.
    Eap, 4 octets, then rest: "Type and data."
}

impl<'a> Eap<'a> {
    /// Request, response, success or failure.
    pub fn code(&self) -> Option<ike2::EapCode> {
        self.body.u8(0).map(ike2::EapCode)
    }

    /// What request and response have in common.
    pub fn identifier(&self) -> Option<u8> {
        self.body.u8(1)
    }

    /// Octets of the EAP packet, by its own word.
    pub fn length(&self) -> Option<u16> {
        self.body.u16(2)
    }

    /// The type, in requests and responses.
    pub fn kind(&self) -> Option<u8> {
        self.body.u8(4)
    }

    /// What follows the type.
    pub fn data(&self) -> Span<'a> {
        self.body.behind(5)
    }
}

/// Notification (RFC 7296 section 3.10; RFC 2408 section 3.14, where a DOI is in front): protocol, SPI size, type, SPI, data.
#[derive(Clone, Copy, Debug)]
pub struct Notification<'a> {
    body: Span<'a>,
    /// Octets in front of the protocol.
    front: usize,
}

impl<'a> Notification<'a> {
    /// A view of an IKEv2 payload's body.
    pub const fn new(body: Span<'a>) -> Self {
        Self { body, front: 0 }
    }

    /// A view of an IKEv1 payload's body.
    pub const fn new1(body: Span<'a>) -> Self {
        Self { body, front: 4 }
    }

    /// IKEv1: whose numbers the rest is made of.
    pub fn doi(&self) -> Option<ike1::Doi> {
        if self.front == 0 { None } else { self.body.u32(0).map(ike1::Doi) }
    }

    /// The protocol whose SA is meant; 0 where none is.
    pub fn protocol(&self) -> Option<u8> {
        self.body.u8(self.front)
    }

    /// Octets of the SPI.
    pub fn spi_size(&self) -> Option<u8> {
        self.body.u8(self.front + 1)
    }

    /// The type: [`ike1::NotifyType`] or [`ike2::NotifyType`].
    pub fn kind(&self) -> Option<u16> {
        self.body.u16(self.front + 2)
    }

    /// The SPI of the SA that is meant; empty where there is none.
    pub fn spi(&self) -> Option<Span<'a>> {
        self.body.part(self.front + 4, self.spi_size()?.into())
    }

    /// What is told with it.
    pub fn data(&self) -> Span<'a> {
        self.body.behind(self.front + 4 + self.spi_size().map_or(0, usize::from))
    }

    /// That all fields in front of the data are there.
    pub fn check(&self) -> Result<()> {
        self.body.has(self.front + 4 + self.spi_size().map_or(0, usize::from), Layer::IkePayload)
    }
}

/// Delete (RFC 7296 section 3.11; RFC 2408 section 3.15, where a DOI is in front): protocol, SPI size, number of SPIs, SPIs.
#[derive(Clone, Copy, Debug)]
pub struct Delete<'a> {
    body: Span<'a>,
    /// Octets in front of the protocol.
    front: usize,
}

impl<'a> Delete<'a> {
    /// A view of an IKEv2 payload's body.
    pub const fn new(body: Span<'a>) -> Self {
        Self { body, front: 0 }
    }

    /// A view of an IKEv1 payload's body.
    pub const fn new1(body: Span<'a>) -> Self {
        Self { body, front: 4 }
    }

    /// IKEv1: whose numbers the rest is made of.
    pub fn doi(&self) -> Option<ike1::Doi> {
        if self.front == 0 { None } else { self.body.u32(0).map(ike1::Doi) }
    }

    /// The protocol whose SAs are deleted.
    pub fn protocol(&self) -> Option<u8> {
        self.body.u8(self.front)
    }

    /// Octets of each SPI.
    pub fn spi_size(&self) -> Option<u8> {
        self.body.u8(self.front + 1)
    }

    /// How many SPIs there are, by the payload's own word.
    pub fn spi_count(&self) -> Option<u16> {
        self.body.u16(self.front + 2)
    }

    /// The SPIs one after the other, as far as they are there; RFC 7296 wants none for the IKE SA itself.
    pub fn spis(&self) -> Span<'a> {
        self.body.behind(self.front + 4)
    }

    /// That the SPIs are all there, and nothing else.
    pub fn check(&self) -> Result<()> {
        self.body.has(self.front + 4, Layer::IkePayload)?;
        let size = self.spi_size().map_or(0, usize::from);
        let needed = self.spi_count().map_or(0, usize::from) * size;
        let spis = self.spis();
        spis.has(needed, Layer::IkePayload)?;
        match spis.behind(needed) {
            rest if rest.is_empty() => Ok(()),
            rest => Err(Error::new(Layer::IkePayload, ErrorKind::Trailing, rest.offset(), 0, rest.len())),
        }
    }
}

view! {
    /// Traffic selectors (RFC 7296 section 3.13): how many there are, three reserved octets, selectors.
    TrafficSelectors, 4 octets, then data: "The selectors as octets."
}

impl<'a> TrafficSelectors<'a> {
    /// How many there are, by the payload's own word.
    pub fn count(&self) -> Option<u8> {
        self.body.u8(0)
    }

    /// The selectors.
    pub fn selectors(&self) -> Selectors<'a> {
        Selectors { rest: self.data(), left: MAX_SELECTORS, failed: None }
    }
}

/// Steps over traffic selectors as far as the octets go. If they end inside one, it comes first and then where it ends.
#[derive(Clone, Debug)]
pub struct Selectors<'a> {
    rest: Span<'a>,
    left: usize,
    failed: Option<Error>,
}

impl<'a> Iterator for Selectors<'a> {
    type Item = Result<Selector<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            self.rest = Span::default();
            return Some(Err(error));
        }
        if self.rest.is_empty() {
            return None;
        }
        let fail = |kind, offset, needed, had| Error::new(Layer::IkeSelector, kind, offset, needed, had);
        let (offset, had) = (self.rest.offset(), self.rest.len());
        let error = match self.rest.u16(2).map(usize::from) {
            _ if self.left == 0 => fail(ErrorKind::TooMany, offset, MAX_SELECTORS, had),
            None => fail(ErrorKind::Truncated, offset, Selector::MIN_LEN, had),
            Some(length) if length < Selector::MIN_LEN => {
                fail(ErrorKind::BadLength, offset + 2, Selector::MIN_LEN, length)
            }
            Some(length) => {
                self.left -= 1;
                if length > had {
                    self.failed = Some(fail(ErrorKind::Truncated, offset, length, had));
                }
                let octets = self.rest.cut(length);
                self.rest = self.rest.behind(length);
                return Some(Ok(Selector { octets }));
            }
        };
        self.rest = Span::default();
        Some(Err(error))
    }
}

impl std::iter::FusedIterator for Selectors<'_> {}

/// View of one traffic selector (RFC 7296 section 3.13.1): type, IP protocol, length, ports from and to, addresses from and
/// to.
#[derive(Clone, Copy, Debug)]
pub struct Selector<'a> {
    octets: Span<'a>,
}

impl<'a> Selector<'a> {
    /// Octets of a selector without addresses.
    pub const MIN_LEN: usize = 8;

    /// Octets from the start of the message to this selector.
    pub const fn offset(&self) -> usize {
        self.octets.offset()
    }

    /// The type.
    pub fn kind(&self) -> Option<ike2::TsType> {
        self.octets.u8(0).map(ike2::TsType)
    }

    /// IP protocol, 0 for any.
    pub fn protocol(&self) -> Option<u8> {
        self.octets.u8(1)
    }

    /// Octets of the selector, by its own word.
    pub fn length(&self) -> Option<u16> {
        self.octets.u16(2)
    }

    /// The lowest port; for ICMP its type and code.
    pub fn start_port(&self) -> Option<u16> {
        self.octets.u16(4)
    }

    /// The highest port.
    pub fn end_port(&self) -> Option<u16> {
        self.octets.u16(6)
    }

    /// Octets of each address, for the two types that have addresses.
    fn address_len(&self) -> Option<usize> {
        match self.kind()? {
            ike2::TsType::TS_IPV4_ADDR_RANGE => Some(4),
            ike2::TsType::TS_IPV6_ADDR_RANGE => Some(16),
            _ => None,
        }
    }

    /// The lowest address.
    pub fn start_address(&self) -> Option<Span<'a>> {
        self.octets.part(Self::MIN_LEN, self.address_len()?)
    }

    /// The highest address.
    pub fn end_address(&self) -> Option<Span<'a>> {
        let len = self.address_len()?;
        self.octets.part(Self::MIN_LEN + len, len)
    }

    /// What follows the ports, whatever it is.
    pub fn data(&self) -> Span<'a> {
        self.octets.behind(Self::MIN_LEN)
    }

    /// That the addresses are all there, and nothing else.
    pub fn check(&self) -> Result<()> {
        let Some(len) = self.address_len() else { return self.octets.has(Self::MIN_LEN, Layer::IkeSelector) };
        let needed = Self::MIN_LEN + 2 * len;
        self.octets.has(needed, Layer::IkeSelector)?;
        if self.octets.len() > needed {
            let offset = self.offset() + 2;
            return Err(Error::new(Layer::IkeSelector, ErrorKind::BadLength, offset, needed, self.octets.len()));
        }
        Ok(())
    }
}

/// The IP address in these octets, if they are as many as one has.
pub fn address(octets: Span<'_>) -> Option<IpAddr> {
    crate::NbmaAddr::from_octets(octets.octets()).and_then(crate::NbmaAddr::ip)
}
