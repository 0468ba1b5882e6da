//! Addresses of the two address spaces that NHRP binds together.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::cursor::{Cursor, Writer};
use crate::error::{Error, ErrorKind, Layer, Result};

/// Which Internet Protocol an address belongs to. The NBMA and the protocol side of one NHRP message each have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// Addresses of 4 octets.
    V4,
    /// Addresses of 16 octets.
    V6,
}

impl Family {
    /// Octets of an address of this family.
    pub const fn address_len(self) -> usize {
        match self {
            Self::V4 => 4,
            Self::V6 => 16,
        }
    }
}

/// The families in force for the addresses of one NHRP message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Families {
    pub(crate) nbma: Family,
    pub(crate) proto: Family,
}

macro_rules! address {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            /// No address: length 0 on the wire. Legal where the format lets the reader fill it in from elsewhere.
            #[default]
            Empty,
            /// An IPv4 address.
            V4(Ipv4Addr),
            /// An IPv6 address.
            V6(Ipv6Addr),
        }

        impl $name {
            /// The address in `octets`; `None` if there are neither 0 nor 4 nor 16 of them.
            pub fn from_octets(octets: &[u8]) -> Option<Self> {
                if octets.is_empty() {
                    return Some(Self::Empty);
                }
                if let Ok(four) = <[u8; 4]>::try_from(octets) {
                    return Some(Self::V4(four.into()));
                }
                <[u8; 16]>::try_from(octets).ok().map(|sixteen| Self::V6(sixteen.into()))
            }

            /// The address, unless it is empty.
            pub const fn ip(self) -> Option<IpAddr> {
                match self {
                    Self::Empty => None,
                    Self::V4(v4) => Some(IpAddr::V4(v4)),
                    Self::V6(v6) => Some(IpAddr::V6(v6)),
                }
            }

            /// Its family, unless it is empty.
            pub const fn family(self) -> Option<Family> {
                match self {
                    Self::Empty => None,
                    Self::V4(_) => Some(Family::V4),
                    Self::V6(_) => Some(Family::V6),
                }
            }

            /// Octets on the wire: 0, 4 or 16.
            #[inline]
            pub const fn len(self) -> usize {
                match self {
                    Self::Empty => 0,
                    Self::V4(_) => 4,
                    Self::V6(_) => 16,
                }
            }

            /// Whether it has length 0 on the wire.
            pub const fn is_empty(self) -> bool {
                matches!(self, Self::Empty)
            }

            /// Reads into its place: copying what was just written in small pieces costs more than reading it.
            ///
            /// `len` is the length octet of the message, found at `blame`.
            #[inline(always)]
            pub(crate) fn read(
                &mut self,
                cursor: &mut Cursor<'_>,
                len: u8,
                family: Family,
                blame: (Layer, usize),
            ) -> Result<()> {
                match (len, family) {
                    (0, _) => *self = Self::Empty,
                    (4, Family::V4) => *self = Self::V4(cursor.array::<4>()?.into()),
                    (16, Family::V6) => *self = Self::V6(cursor.array::<16>()?.into()),
                    _ => return Err(bad_length(blame, family, len.into())),
                }
                Ok(())
            }

            /// The length octet of this address in a message of `family`, to be written at `blame`.
            #[inline]
            pub(crate) fn wire_len(self, family: Family, blame: (Layer, usize)) -> Result<u8> {
                match (self, family) {
                    (Self::Empty, _) => Ok(0),
                    (Self::V4(_), Family::V4) => Ok(4),
                    (Self::V6(_), Family::V6) => Ok(16),
                    _ => Err(bad_length(blame, family, self.len())),
                }
            }

            #[inline]
            pub(crate) fn write(self, writer: &mut Writer<'_>) {
                match self {
                    Self::Empty => {}
                    Self::V4(v4) => writer.array(v4.octets()),
                    Self::V6(v6) => writer.array(v6.octets()),
                }
            }
        }

        impl From<Ipv4Addr> for $name {
            fn from(v4: Ipv4Addr) -> Self {
                Self::V4(v4)
            }
        }

        impl From<Ipv6Addr> for $name {
            fn from(v6: Ipv6Addr) -> Self {
                Self::V6(v6)
            }
        }

        impl From<IpAddr> for $name {
            fn from(ip: IpAddr) -> Self {
                match ip {
                    IpAddr::V4(v4) => Self::V4(v4),
                    IpAddr::V6(v6) => Self::V6(v6),
                }
            }
        }

        impl From<Option<IpAddr>> for $name {
            fn from(ip: Option<IpAddr>) -> Self {
                ip.map_or(Self::Empty, Self::from)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    Self::Empty => f.pad("-"),
                    Self::V4(v4) => fmt::Display::fmt(v4, f),
                    Self::V6(v6) => fmt::Display::fmt(v6, f),
                }
            }
        }

        // As short as an address is everywhere else: traces print many.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

address! {
    /// An address in the transport network below the tunnel ("NBMA address", RFC 2332 section 2).
    NbmaAddr
}

address! {
    /// An address inside the tunnel ("protocol address" or "internetworking layer address", RFC 2332 section 2).
    ProtoAddr
}

#[cold]
fn bad_length((layer, at): (Layer, usize), family: Family, had: usize) -> Error {
    Error::new(layer, ErrorKind::BadAddressLength, at, family.address_len(), had)
}
