//! What stands in front of IP: headers of links, and extension headers of IPv6.

use etherparse::{
    Ethernet2HeaderSlice, Ipv6FragmentHeaderSlice, Ipv6RawExtHeaderSlice, LinuxSllHeaderSlice, SingleVlanHeaderSlice,
};

/// What a header says that follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carries {
    EtherType(u16),
    /// An IP packet of either version.
    Ip,
    Other,
}

/// How long a header is, and what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Next {
    pub(crate) header: usize,
    pub(crate) carries: Carries,
}

/// In whose order a number stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Most significant octet first.
    Network,
    /// Least significant octet first: the order of the machine that captured.
    Little,
}

/// Ethernet II. A length instead of a type (IEEE 802.3) means something that is not looked into.
pub(crate) fn ethernet(octets: &[u8]) -> Option<Next> {
    let header = Ethernet2HeaderSlice::from_slice(octets).ok()?;
    Some(Next { header: header.slice().len(), carries: ether_type(header.ether_type().0) })
}

/// A VLAN tag, IEEE 802.1Q.
pub(crate) fn vlan(octets: &[u8]) -> Option<Next> {
    let header = SingleVlanHeaderSlice::from_slice(octets).ok()?;
    Some(Next { header: header.slice().len(), carries: ether_type(header.ether_type().0) })
}

/// Linux cooked capture, first form.
pub(crate) fn sll(octets: &[u8]) -> Option<Next> {
    // What the library does not know of these headers is no reason not to look at their type.
    let header = LinuxSllHeaderSlice::from_slice(octets).map_or(16, |header| header.slice().len());
    Some(Next { header, carries: ether_type(pair(octets, 14)?) })
}

/// Linux cooked capture, second form: the type comes first, the header has 20 octets.
pub(crate) fn sll2(octets: &[u8]) -> Option<Next> {
    octets.get(..20)?;
    Some(Next { header: 20, carries: ether_type(pair(octets, 0)?) })
}

/// BSD loopback: an address family in the order of the machine that captured.
pub(crate) fn null(octets: &[u8]) -> Option<Next> {
    let family = word(octets, null_order(octets))?;
    Some(Next { header: 4, carries: of_family(family) })
}

/// OpenBSD loopback: the same in network order.
pub(crate) fn loopback(octets: &[u8]) -> Option<Next> {
    Some(Next { header: 4, carries: of_family(word(octets, Order::Network)?) })
}

/// Families are small numbers, so the order is the one in which they are.
pub(crate) fn null_order(octets: &[u8]) -> Order {
    match octets.first_chunk::<4>() {
        Some(word) if u32::from_be_bytes(*word) < 0x1_0000 => Order::Network,
        _ => Order::Little,
    }
}

/// IPv4 is 2 everywhere, IPv6 24, 28 or 30 by the BSD, and 10 on Linux.
fn of_family(family: u32) -> Carries {
    match family {
        2 | 10 | 24 | 28 | 30 => Carries::Ip,
        _ => Carries::Other,
    }
}

/// Netfilter log: family, version, resource, then attributes; the packet is one of them.
pub(crate) fn nflog(octets: &[u8]) -> Option<Next> {
    let mut at = 4;
    octets.get(..at)?;
    // Each attribute takes at least its header's four octets, so this ends.
    while let Some(header) = octets.get(at..at + 4) {
        let len = usize::from(u16::from_le_bytes([header[0], header[1]]));
        let kind = u16::from_le_bytes([header[2], header[3]]) & 0x7FFF;
        if len < 4 {
            return None;
        }
        if kind == NFLOG_PAYLOAD {
            return Some(Next { header: at + 4, carries: Carries::Ip });
        }
        at += len.next_multiple_of(4);
    }
    Some(Next { header: octets.len(), carries: Carries::Other })
}

const NFLOG_PAYLOAD: u16 = 9;

fn ether_type(number: u16) -> Carries {
    // Below this it is a length (IEEE 802.3).
    if number < 0x0600 { Carries::Other } else { Carries::EtherType(number) }
}

fn word(octets: &[u8], order: Order) -> Option<u32> {
    let word = octets.first_chunk::<4>()?;
    Some(match order {
        Order::Network => u32::from_be_bytes(*word),
        Order::Little => u32::from_le_bytes(*word),
    })
}

/// The 16 bits at an offset.
pub(crate) fn pair(octets: &[u8], at: usize) -> Option<u16> {
    let pair = octets.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes([pair[0], pair[1]]))
}

/// Source and destination port of UDP or TCP.
pub(crate) fn ports(octets: &[u8]) -> Option<(u16, u16)> {
    Some((pair(octets, 0)?, pair(octets, 2)?))
}

/// An extension header of IPv6, or none.
pub(crate) enum Extension {
    /// `next` is no extension header.
    None,
    /// Options or a route, `len` octets.
    Passed {
        following: u8,
        len: usize,
    },
    /// A fragment header, 8 octets.
    Fragment {
        id: u32,
        offset: u16,
        more: bool,
        following: u8,
    },
    Cut,
}

/// What a next header of that number is.
pub(crate) fn extension6(next: u8, octets: &[u8]) -> Extension {
    match next {
        // Hop-by-hop options, routing, destination options.
        0 | 43 | 60 => match Ipv6RawExtHeaderSlice::from_slice(octets) {
            Ok(header) => Extension::Passed { following: header.next_header().0, len: header.slice().len() },
            Err(_) => Extension::Cut,
        },
        44 => match Ipv6FragmentHeaderSlice::from_slice(octets) {
            Ok(header) => Extension::Fragment {
                id: header.identification(),
                offset: header.fragment_offset().value(),
                more: header.more_fragments(),
                following: header.next_header().0,
            },
            Err(_) => Extension::Cut,
        },
        _ => Extension::None,
    }
}
