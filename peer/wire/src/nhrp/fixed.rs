//! The fixed part of an NHRP message: RFC 2332, section 5.1.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |            ar$afn             |          ar$pro.type          |
//! |                          ar$pro.snap                          |
//! |  ar$pro.snap  |   ar$hopcnt   |           ar$pktsz            |
//! |           ar$chksum           |           ar$extoff           |
//! | ar$op.version |  ar$op.type   |    ar$shtl    |    ar$sstl    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use std::fmt;

use crate::Family;
use crate::addr::Families;
use crate::code::{AddressFamily, EtherType, MessageType};
use crate::cursor::{Cursor, Writer};
use crate::error::{Error, ErrorKind, Layer, Result};

/// Octets of the fixed part.
pub const LEN: usize = 20;

/// The only version there is: ar$op.version of NHRP.
pub const VERSION: u8 = 1;

/// Where each field of the fixed part stands.
pub mod field {
    use std::ops::Range;

    /// ar$afn, address family of the NBMA addresses.
    pub const AFN: Range<usize> = 0..2;
    /// ar$pro.type, protocol of the protocol addresses.
    pub const PRO_TYPE: Range<usize> = 2..4;
    /// ar$pro.snap, its long form.
    pub const PRO_SNAP: Range<usize> = 4..9;
    /// ar$hopcnt, servers that this message may still pass.
    pub const HOP_COUNT: Range<usize> = 9..10;
    /// ar$pktsz, octets of the whole message.
    pub const PACKET_SIZE: Range<usize> = 10..12;
    /// ar$chksum, Internet checksum over the whole message.
    pub const CHECKSUM: Range<usize> = 12..14;
    /// ar$extoff, offset of the first extension or 0.
    pub const EXTENSION_OFFSET: Range<usize> = 14..16;
    /// ar$op.version.
    pub const VERSION: Range<usize> = 16..17;
    /// ar$op.type.
    pub const TYPE: Range<usize> = 17..18;
    /// ar$shtl, type and length of the source NBMA address.
    pub const SRC_NBMA_TL: Range<usize> = 18..19;
    /// ar$sstl, type and length of the source NBMA sub-address.
    pub const SRC_NBMA_SUB_TL: Range<usize> = 19..20;
    /// Source protocol address length: first octet of the mandatory part.
    pub const SRC_PROTO_LEN: Range<usize> = 20..21;
    /// Destination protocol address length.
    pub const DST_PROTO_LEN: Range<usize> = 21..22;
    /// Flags; unused in the two indications.
    pub const FLAGS: Range<usize> = 22..24;
    /// Request ID, in requests and replies.
    pub const REQUEST_ID: Range<usize> = 24..28;
    /// Error or traffic code, in the two indications.
    pub const INDICATION_CODE: Range<usize> = 24..26;
    /// Error offset, in Error Indications.
    pub const ERROR_OFFSET: Range<usize> = 26..28;
    /// Where the addresses begin, and so the first field without a fixed place: source NBMA address.
    pub const ADDRESSES: usize = 28;
}

/// A type/length octet: in the upper two bits the kind of a non-IP address, below the length in octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TypeLen(pub u8);

impl TypeLen {
    /// Length in octets, 0 to 63.
    pub const fn len(self) -> usize {
        (self.0 & 0x3f) as usize
    }

    /// Whether the length is 0.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The upper two bits; 0 for IP addresses.
    pub const fn kind(self) -> u8 {
        self.0 >> 6
    }

    /// The length, if the kind is that of IP addresses.
    #[inline]
    pub(crate) fn ip_len(self, layer: Layer, at: usize) -> Result<u8> {
        if self.kind() != 0 {
            return Err(Error::new(layer, ErrorKind::BadAddressType, at, 0, self.kind().into()));
        }
        Ok(self.0)
    }

    /// Refuses a sub-address: IP has none, and RFC 2332 section 5.1 wants 0 then.
    #[inline]
    pub(crate) fn no_sub_address(self, layer: Layer, at: usize) -> Result<()> {
        if self.0 != 0 {
            return Err(Error::new(layer, ErrorKind::SubAddress, at, 0, self.len()));
        }
        Ok(())
    }
}

/// ar$pro.type and ar$pro.snap: the protocol whose addresses are resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProtocolType {
    code: u16,
    snap: [u8; 5],
}

impl ProtocolType {
    /// IPv4 by its Ethertype, as everybody sends it.
    pub const IPV4: Self = Self::new(EtherType::IPV4.0);
    /// IPv6 by its Ethertype.
    pub const IPV6: Self = Self::new(EtherType::IPV6.0);
    /// The value of ar$pro.type which says that ar$pro.snap holds the protocol.
    pub const SNAP: u16 = 0x0080;

    /// The short form: an NLPID below 0x100, an Ethertype from 0x600 on.
    pub const fn new(code: u16) -> Self {
        Self { code, snap: [0; 5] }
    }

    /// The long form: three octets of OUI and two of protocol.
    pub const fn snap(snap: [u8; 5]) -> Self {
        Self { code: Self::SNAP, snap }
    }

    /// From the two fields. The second counts only where the first is [`Self::SNAP`] (RFC 2332, section 5.1).
    pub const fn from_fields(code: u16, snap: [u8; 5]) -> Self {
        if code == Self::SNAP { Self::snap(snap) } else { Self::new(code) }
    }

    /// ar$pro.type.
    pub const fn code(self) -> u16 {
        self.code
    }

    /// ar$pro.snap; zero in the short form.
    pub const fn snap_octets(self) -> [u8; 5] {
        self.snap
    }

    /// The family of the protocol addresses, if it is one of IP: by Ethertype, NLPID or SNAP.
    #[inline]
    pub const fn family(self) -> Option<Family> {
        match (self.code, self.snap) {
            (0x0800 | 0x00cc, _) | (Self::SNAP, [0, 0, 0, 0x08, 0x00]) => Some(Family::V4),
            (0x86dd | 0x008e, _) | (Self::SNAP, [0, 0, 0, 0x86, 0xdd]) => Some(Family::V6),
            _ => None,
        }
    }
}

impl From<Family> for ProtocolType {
    fn from(family: Family) -> Self {
        match family {
            Family::V4 => Self::IPV4,
            Family::V6 => Self::IPV6,
        }
    }
}

impl fmt::Display for ProtocolType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.family() {
            Some(Family::V4) => f.write_str("IPv4")?,
            Some(Family::V6) => f.write_str("IPv6")?,
            None => f.write_str("protocol")?,
        }
        let [a, b, c, d, e] = self.snap;
        match self.code {
            Self::SNAP => write!(f, " (SNAP {a:02x}-{b:02x}-{c:02x} {d:02x}{e:02x})"),
            code => write!(f, " (0x{code:04x})"),
        }
    }
}

/// What an engine chooses in the fixed part; everything else there follows from the rest of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fixed {
    /// ar$afn: family of all NBMA addresses in the message.
    pub afn: AddressFamily,
    /// ar$pro.type and ar$pro.snap: protocol of all protocol addresses in the message.
    pub protocol: ProtocolType,
    /// ar$hopcnt: how many servers the message may still pass, in hops.
    pub hop_count: u8,
}

impl Fixed {
    /// The families named, with hop count `hop_count`.
    pub fn new(nbma: Family, proto: Family, hop_count: u8) -> Self {
        Self { afn: nbma.into(), protocol: proto.into(), hop_count }
    }

    /// The families for the addresses of this message, if both are of IP.
    #[inline]
    pub(crate) fn families(&self) -> Result<Families> {
        let error = |kind, offset, had: u16| Error::new(Layer::NhrpFixed, kind, offset, 0, had.into());
        let nbma = self.afn.family().ok_or_else(|| error(ErrorKind::UnknownFamily, field::AFN.start, self.afn.0))?;
        let proto = self
            .protocol
            .family()
            .ok_or_else(|| error(ErrorKind::UnknownProtocol, field::PRO_TYPE.start, self.protocol.code))?;
        Ok(Families { nbma, proto })
    }
}

/// The fixed part with all its fields, as it stands in a packet.
pub(crate) struct Raw {
    pub(crate) fixed: Fixed,
    pub(crate) packet_size: u16,
    pub(crate) checksum: u16,
    pub(crate) extension_offset: u16,
    pub(crate) version: u8,
    pub(crate) message_type: MessageType,
    pub(crate) src_nbma: TypeLen,
    pub(crate) src_nbma_sub: TypeLen,
}

impl Raw {
    #[inline(always)]
    pub(crate) fn read(bytes: &[u8]) -> Result<Self> {
        let octets = Cursor::new(bytes, 0, Layer::NhrpFixed).array::<LEN>()?;
        let [a0, a1, p0, p1, s0, s1, s2, s3, s4, hop_count, z0, z1, c0, c1, e0, e1, version, kind, shtl, sstl] = octets;
        Ok(Self {
            fixed: Fixed {
                afn: AddressFamily(u16::from_be_bytes([a0, a1])),
                protocol: ProtocolType::from_fields(u16::from_be_bytes([p0, p1]), [s0, s1, s2, s3, s4]),
                hop_count,
            },
            packet_size: u16::from_be_bytes([z0, z1]),
            checksum: u16::from_be_bytes([c0, c1]),
            extension_offset: u16::from_be_bytes([e0, e1]),
            version,
            message_type: MessageType(kind),
            src_nbma: TypeLen(shtl),
            src_nbma_sub: TypeLen(sstl),
        })
    }

    #[inline]
    pub(crate) fn write(&self, writer: &mut Writer<'_>) {
        writer.array(self.fixed.afn.0.to_be_bytes());
        writer.array(self.fixed.protocol.code.to_be_bytes());
        writer.array(self.fixed.protocol.snap);
        writer.array([self.fixed.hop_count]);
        writer.array(self.packet_size.to_be_bytes());
        writer.array(self.checksum.to_be_bytes());
        writer.array(self.extension_offset.to_be_bytes());
        writer.array([self.version, self.message_type.0, self.src_nbma.0, self.src_nbma_sub.0]);
    }
}
