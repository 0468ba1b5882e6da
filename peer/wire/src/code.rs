//! Code points: newtypes whose known values have names.
//!
//! An unknown value is a value: it prints as its number, and nothing in here refuses it.

use std::fmt;
use std::ops::{BitAnd, BitOr, BitOrAssign, Not};

macro_rules! code {
    (
        $(#[$doc:meta])*
        $name:ident($int:ty) as $what:literal in $format:literal {
            $($(#[$value_doc:meta])* $constant:ident = $value:literal => $text:expr,)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub $int);

        impl $name {
            $($(#[$value_doc])* pub const $constant: Self = Self($value);)*

            /// All values that have a name, in numerical order.
            pub const KNOWN: &'static [Self] = &[$(Self::$constant),*];

            /// The standard's term for this value, if it has one.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($text),)*
                    _ => None,
                }
            }
        }

        /// The name, or what it is and its number.
        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                match self.name() {
                    Some(name) => f.pad(name),
                    None => write!(f, concat!($what, " ", $format), self.0),
                }
            }
        }

        impl From<$int> for $name {
            fn from(value: $int) -> Self {
                Self(value)
            }
        }
    };
}
pub(crate) use code;

/// The same for the long registries of IKE, whose names say all that a comment could.
macro_rules! registry {
    ($(#[$doc:meta])* $name:ident($int:ty) as $what:literal { $($constant:ident = $value:literal => $text:literal,)* }) => {
        $crate::code::code! {
            $(#[$doc])*
            $name($int) as $what in "{}" { $(#[doc = $text] $constant = $value => $text,)* }
        }
    };
    ($(#[$doc:meta])* $name:ident($int:ty) as $what:literal { $($constant:ident = $value:literal,)* }) => {
        $crate::code::code! {
            $(#[$doc])*
            $name($int) as $what in "{}" { $(#[doc = stringify!($constant)] $constant = $value => stringify!($constant),)* }
        }
    };
}
pub(crate) use registry;

code! {
    /// What a frame or a GRE packet carries (IEEE 802 registry; for GRE: RFC 2784, section 2.4).
    EtherType(u16) as "ethertype" in "0x{:04x}" {
        /// GRE keepalives of IOS carry this.
        NONE = 0x0000 => "none",
        /// IPv4.
        IPV4 = 0x0800 => "IPv4",
        /// NHRP directly behind GRE, as all DMVPN implementations send it.
        NHRP = 0x2001 => "NHRP",
        /// IPv6.
        IPV6 = 0x86dd => "IPv6",
    }
}

code! {
    /// What an IP packet carries (IANA protocol numbers).
    IpProtocol(u8) as "IP protocol" in "{}" {
        /// ICMP.
        ICMP = 1 => "ICMP",
        /// IPv4 in IP.
        IPV4 = 4 => "IPv4",
        /// TCP.
        TCP = 6 => "TCP",
        /// UDP.
        UDP = 17 => "UDP",
        /// IPv6 in IP.
        IPV6 = 41 => "IPv6",
        /// GRE, RFC 2784.
        GRE = 47 => "GRE",
        /// ESP, RFC 4303.
        ESP = 50 => "ESP",
        /// NHRP directly over IP; not used by DMVPN.
        NHRP = 54 => "NHRP",
        /// ICMP for IPv6.
        ICMPV6 = 58 => "ICMPv6",
        /// No next header; also the dummy packets of ESP.
        NONE = 59 => "none",
    }
}

code! {
    /// ar$afn: family of the NBMA addresses (RFC 2332, section 5.1; IANA address family numbers).
    AddressFamily(u16) as "address family" in "{}" {
        /// IPv4.
        IPV4 = 1 => "IPv4",
        /// IPv6.
        IPV6 = 2 => "IPv6",
    }
}

impl AddressFamily {
    /// The family, if it is one of IP.
    #[inline]
    pub const fn family(self) -> Option<crate::Family> {
        match self {
            Self::IPV4 => Some(crate::Family::V4),
            Self::IPV6 => Some(crate::Family::V6),
            _ => None,
        }
    }
}

impl From<crate::Family> for AddressFamily {
    fn from(family: crate::Family) -> Self {
        match family {
            crate::Family::V4 => Self::IPV4,
            crate::Family::V6 => Self::IPV6,
        }
    }
}

code! {
    /// ar$op.type (RFC 2332, section 5.1; type 8: draft-detienne-dmvpn-01).
    MessageType(u8) as "message type" in "{}" {
        /// RFC 2332, section 5.2.1.
        RESOLUTION_REQUEST = 1 => "Resolution Request",
        /// RFC 2332, section 5.2.2.
        RESOLUTION_REPLY = 2 => "Resolution Reply",
        /// RFC 2332, section 5.2.3.
        REGISTRATION_REQUEST = 3 => "Registration Request",
        /// RFC 2332, section 5.2.4.
        REGISTRATION_REPLY = 4 => "Registration Reply",
        /// RFC 2332, section 5.2.5.
        PURGE_REQUEST = 5 => "Purge Request",
        /// RFC 2332, section 5.2.6.
        PURGE_REPLY = 6 => "Purge Reply",
        /// RFC 2332, section 5.2.7.
        ERROR_INDICATION = 7 => "Error Indication",
        /// draft-detienne-dmvpn-01; known from Cisco IOS.
        TRAFFIC_INDICATION = 8 => "Traffic Indication",
    }
}

code! {
    /// Code of a client information entry: the answer for that client (RFC 2332, sections 5.2.0.1, 5.2.2, 5.2.4).
    CieCode(u8) as "code" in "{}" {
        /// The request was served.
        SUCCESS = 0 => "Success",
        /// "I cannot serve this address."
        ADMINISTRATIVELY_PROHIBITED = 4 => "Administratively Prohibited",
        /// "I have no room."
        INSUFFICIENT_RESOURCES = 5 => "Insufficient Resources",
        /// Resolution: nobody knows this address.
        NO_BINDING = 12 => "No Internetworking Layer Address to NBMA Address Binding Exists",
        /// Resolution: asked for a unique binding, and there are several.
        NOT_UNIQUE = 13 => "Binding Exists But Is Not Unique",
        /// Registration: another NBMA address holds this address uniquely.
        ALREADY_REGISTERED = 14 => "Unique Internetworking Layer Address Already Registered",
    }
}

code! {
    /// Code of an Error Indication (RFC 2332, section 5.2.7).
    ErrorCode(u16) as "error code" in "{}" {
        /// A compulsory extension is unknown.
        UNRECOGNIZED_EXTENSION = 1 => "Unrecognized Extension",
        /// A packet came past the same server twice.
        LOOP_DETECTED = 3 => "NHRP Loop Detected",
        /// No way towards the destination protocol address.
        PROTOCOL_ADDRESS_UNREACHABLE = 6 => "Protocol Address Unreachable",
        /// Any other breach of the protocol.
        PROTOCOL_ERROR = 7 => "Protocol Error",
        /// The packet does not fit the next network.
        SDU_SIZE_EXCEEDED = 8 => "NHRP SDU Size Exceeded",
        /// An extension is malformed or out of place.
        INVALID_EXTENSION = 9 => "Invalid Extension",
        /// A resolution reply that was not asked for, or does not fit.
        INVALID_RESOLUTION_REPLY = 10 => "Invalid NHRP Resolution Reply Received",
        /// Authentication missing or wrong.
        AUTHENTICATION_FAILURE = 11 => "Authentication Failure",
        /// The hop count ran out.
        HOP_COUNT_EXCEEDED = 15 => "Hop Count Exceeded",
    }
}

code! {
    /// Code of a Traffic Indication (draft-detienne-dmvpn-01).
    TrafficCode(u16) as "traffic code" in "{}" {
        /// There is a shorter way: send a Resolution Request.
        REDIRECT = 0 => "Redirect",
    }
}

code! {
    /// The 14-bit extension type, without the C and u bits (RFC 2332, section 5.3).
    ExtensionType(u16) as "extension type" in "0x{:04x}" {
        /// RFC 2332, section 5.3: closes the list.
        END = 0 => "End Of Extensions",
        /// RFC 2332, section 5.3.1.
        RESPONDER_ADDRESS = 3 => "Responder Address",
        /// RFC 2332, section 5.3.2.
        FORWARD_TRANSIT = 4 => "Forward Transit NHS Record",
        /// RFC 2332, section 5.3.3.
        REVERSE_TRANSIT = 5 => "Reverse Transit NHS Record",
        /// RFC 2332, section 5.3.4; DMVPN uses Cisco's layout.
        AUTHENTICATION = 7 => "Authentication",
        /// RFC 2332, section 5.3.5.
        VENDOR_PRIVATE = 8 => "Vendor-Private",
        /// Cisco's NAT address extension; no public specification.
        CISCO_NAT = 9 => "NAT Address",
    }
}

/// The flags word of the mandatory part. One bit can mean different things in different messages (RFC 2332, sections
/// 5.2.1 to 5.2.6), hence the prefixes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u16);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// Q, resolution: the requester is a router.
    pub const RESOLUTION_ROUTER: Self = Self(0x8000);
    /// A, resolution: in a request "authoritative answers only", in a reply "this is one".
    pub const RESOLUTION_AUTHORITATIVE: Self = Self(0x4000);
    /// D, resolution reply: the binding of the destination is stable.
    pub const RESOLUTION_DESTINATION_STABLE: Self = Self(0x2000);
    /// U, resolution: only a unique binding is wanted, or this is one.
    pub const RESOLUTION_UNIQUE: Self = Self(0x1000);
    /// S, resolution: the binding of the source is stable.
    pub const RESOLUTION_SOURCE_STABLE: Self = Self(0x0800);
    /// U, registration: no other NBMA address may register the same protocol address.
    pub const REGISTRATION_UNIQUE: Self = Self(0x8000);
    /// N, purge: no reply is wanted.
    pub const PURGE_NO_REPLY: Self = Self(0x8000);
    /// The sender knows Cisco's NAT address extension; no public specification.
    pub const CISCO_NAT: Self = Self(0x0002);

    /// Whether all bits of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Prints the letters that RFC 2332 gives the bits in messages of type `of`, `NAT` for Cisco's bit, and what is left
    /// over as a number: `QAS NAT`.
    pub fn letters(self, of: MessageType) -> impl fmt::Display {
        Letters { flags: self, of }
    }
}

impl BitOr for Flags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitAnd for Flags {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Not for Flags {
    type Output = Self;
    fn not(self) -> Self {
        Self(!self.0)
    }
}

struct Letters {
    flags: Flags,
    of: MessageType,
}

impl fmt::Display for Letters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named: &[(Flags, &str)] = match self.of {
            MessageType::RESOLUTION_REQUEST | MessageType::RESOLUTION_REPLY => &[
                (Flags::RESOLUTION_ROUTER, "Q"),
                (Flags::RESOLUTION_AUTHORITATIVE, "A"),
                (Flags::RESOLUTION_DESTINATION_STABLE, "D"),
                (Flags::RESOLUTION_UNIQUE, "U"),
                (Flags::RESOLUTION_SOURCE_STABLE, "S"),
            ],
            MessageType::REGISTRATION_REQUEST | MessageType::REGISTRATION_REPLY => &[(Flags::REGISTRATION_UNIQUE, "U")],
            MessageType::PURGE_REQUEST | MessageType::PURGE_REPLY => &[(Flags::PURGE_NO_REPLY, "N")],
            _ => &[],
        };
        let mut left = self.flags;
        let mut space = "";
        for (flag, letter) in named {
            if left.contains(*flag) {
                f.write_str(letter)?;
                left = left & !*flag;
                space = " ";
            }
        }
        if left.contains(Flags::CISCO_NAT) {
            write!(f, "{space}NAT")?;
            left = left & !Flags::CISCO_NAT;
            space = " ";
        }
        if left != Flags::NONE {
            write!(f, "{space}0x{:04x}", left.0)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_code_prints_as_its_number() {
        assert_eq!(CieCode(99).to_string(), "code 99");
        assert_eq!(ExtensionType(0x1001).to_string(), "extension type 0x1001");
        assert_eq!(ErrorCode::HOP_COUNT_EXCEEDED.to_string(), "Hop Count Exceeded");
    }

    #[test]
    fn one_bit_has_the_letter_of_its_message() {
        let letters = |flags: u16, of| Flags(flags).letters(of).to_string();
        assert_eq!(letters(0xc802, MessageType::RESOLUTION_REQUEST), "QAS NAT");
        assert_eq!(letters(0xf802, MessageType::RESOLUTION_REPLY), "QADUS NAT");
        assert_eq!(letters(0x8002, MessageType::REGISTRATION_REPLY), "U NAT");
        assert_eq!(letters(0x8000, MessageType::PURGE_REQUEST), "N");
        assert_eq!(letters(0x0002, MessageType::REGISTRATION_REQUEST), "NAT");
        assert_eq!(letters(0x8001, MessageType::TRAFFIC_INDICATION), "0x8001");
        assert_eq!(letters(0, MessageType::PURGE_REPLY), "");
    }
}
