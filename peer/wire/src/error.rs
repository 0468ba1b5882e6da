//! Why octets are not a legal message: which layer, what kind, and where.

use std::fmt;

/// Result of `parse` and `emit` throughout this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Octets that break a rule of their format, or a message that cannot be put into octets.
///
/// The numbers mean the same in all kinds:
/// * `offset` counts octets from the start of the layer's own message (for all NHRP layers: from ar$afn), and names the
///   field at fault, as the Error Offset of an NHRP Error Indication wants it (RFC 2332, 5.2.7);
/// * `needed` is what the format asks for there, `had` what was found: octets for [`ErrorKind::Truncated`] and the
///   length kinds, values for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Error {
    /// The part of the packet in which reading stopped.
    pub layer: Layer,
    /// The broken rule.
    pub kind: ErrorKind,
    /// Octets from the start of the message to the field at fault. For [`ErrorKind::Truncated`]: to the start of what
    /// does not fit, so that `offset + had` is where the octets end.
    pub offset: usize,
    /// Octets or value that the format asks for.
    pub needed: usize,
    /// Octets or value that were found.
    pub had: usize,
}

impl Error {
    pub(crate) const fn new(layer: Layer, kind: ErrorKind, offset: usize, needed: usize, had: usize) -> Self {
        Self { layer, kind, offset, needed, had }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layer, kind, offset, needed, had } = *self;
        write!(f, "{layer} at offset {offset}: ")?;
        match kind {
            ErrorKind::Truncated => write!(f, "{needed} octets are needed, {had} are there"),
            ErrorKind::NoRoom => write!(f, "{needed} octets of room are needed, {had} are there"),
            ErrorKind::BadVersion => write!(f, "version is {had}, must be {needed}"),
            ErrorKind::BadChecksum => write!(f, "checksum is 0x{had:04x}, must be 0x{needed:04x}"),
            ErrorKind::BadLength => write!(f, "length {had} is not possible here, the limit is {needed}"),
            ErrorKind::BadExtensionOffset => write!(f, "extension offset is {had}, the nearest legal one is {needed}"),
            ErrorKind::UnknownType => write!(f, "message type {had} is unknown"),
            ErrorKind::UnknownFamily => write!(f, "address family {had} is neither IPv4 (1) nor IPv6 (2)"),
            ErrorKind::UnknownProtocol => write!(f, "protocol type 0x{had:04x} is neither IPv4 nor IPv6"),
            ErrorKind::BadAddressLength => write!(f, "address length is {had}, must be {needed} or 0"),
            ErrorKind::BadAddressType => write!(f, "address type bits are {had}, must be {needed}"),
            ErrorKind::SubAddress => write!(f, "a sub-address of {had} octets is there, but IP has none"),
            ErrorKind::MissingEnd => write!(f, "the extensions have no End"),
            ErrorKind::ExtensionsNotAllowed => write!(f, "this message carries no extensions, but has some ({had})"),
            ErrorKind::RoutingPresent => write!(f, "the routing bit of RFC 1701 is set (flags 0x{had:04x})"),
            ErrorKind::ReservedBits => write!(f, "reserved bits are set (0x{had:04x})"),
            ErrorKind::TooMany => write!(f, "only the first {needed} are read, {had} octets are left"),
            ErrorKind::Trailing => write!(f, "{had} octets follow the last one"),
        }
    }
}

impl std::error::Error for Error {}

/// Where in a packet an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// IPv4 header, RFC 791.
    Ipv4,
    /// IPv6 header, RFC 8200.
    Ipv6,
    /// GRE header, RFC 2784 and RFC 2890.
    Gre,
    /// NHRP fixed part, RFC 2332 section 5.1.
    NhrpFixed,
    /// NHRP mandatory part, RFC 2332 section 5.2.
    NhrpMandatory,
    /// An NHRP client information entry, RFC 2332 section 5.2.0.1.
    NhrpCie,
    /// An NHRP extension, RFC 2332 section 5.3.
    NhrpExtension,
    /// ISAKMP header, RFC 7296 section 3.1 and RFC 2408 section 3.1.
    IkeHeader,
    /// An ISAKMP payload, RFC 7296 section 3.2 and RFC 2408 section 3.2.
    IkePayload,
    /// A proposal in a security association payload, RFC 7296 section 3.3.1 and RFC 2408 section 3.5.
    IkeProposal,
    /// A transform in a proposal, RFC 7296 section 3.3.2 and RFC 2408 section 3.6.
    IkeTransform,
    /// An attribute of a transform or a configuration, RFC 7296 sections 3.3.5 and 3.15.1, RFC 2408 section 3.3.
    IkeAttribute,
    /// A traffic selector, RFC 7296 section 3.13.1.
    IkeSelector,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4 header",
            Self::Ipv6 => "IPv6 header",
            Self::Gre => "GRE header",
            Self::NhrpFixed => "NHRP fixed part",
            Self::NhrpMandatory => "NHRP mandatory part",
            Self::NhrpCie => "NHRP client information entry",
            Self::NhrpExtension => "NHRP extension",
            Self::IkeHeader => "IKE header",
            Self::IkePayload => "IKE payload",
            Self::IkeProposal => "IKE proposal",
            Self::IkeTransform => "IKE transform",
            Self::IkeAttribute => "IKE attribute",
            Self::IkeSelector => "IKE traffic selector",
        })
    }
}

/// The rule that was broken. Exhaustive on purpose: whoever maps kinds to reactions shall hear of a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorKind {
    /// Fewer octets than the format, or a length field, asks for.
    Truncated,
    /// `emit` was given a buffer that is too small.
    NoRoom,
    /// A version this crate does not speak.
    BadVersion,
    /// `needed` is the checksum that these octets should carry, `had` the one that they carry.
    BadChecksum,
    /// A length field that contradicts the format.
    BadLength,
    /// ar$extoff points before the end of the smallest mandatory part, or to the end of the packet or behind it.
    BadExtensionOffset,
    /// ar$op.type is none of the eight that are known.
    UnknownType,
    /// ar$afn is neither IPv4 nor IPv6.
    UnknownFamily,
    /// ar$pro.type (or its SNAP form) is neither IPv4 nor IPv6.
    UnknownProtocol,
    /// An address has a length that its family does not have.
    BadAddressLength,
    /// The upper two bits of a type/length octet are set, which IP addresses never have.
    BadAddressType,
    /// A sub-address, which IP does not have.
    SubAddress,
    /// The extension part is used up before an End extension came.
    MissingEnd,
    /// An Error Indication with extensions (RFC 2332, 5.2.7).
    ExtensionsNotAllowed,
    /// GRE with a source route as in RFC 1701, which RFC 2784 tells a receiver to discard.
    RoutingPresent,
    /// GRE bits that RFC 2784 tells a receiver to discard a packet for.
    ReservedBits,
    /// A list goes on behind the `needed` elements that this crate reads of one.
    TooMany,
    /// Octets behind the last element of a list, where the format has nothing.
    Trailing,
}
