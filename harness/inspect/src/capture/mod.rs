//! Capture files: pcapng written, pcap and pcapng read, with timestamps in nanoseconds since 1970 both ways.
//!
//! The crate underneath still moves between its release candidates and is strict where a reader of other people's
//! files has to be patient, so nothing outside this module names it.
//!
//! ```text
//! section header     hardware, operating system, application
//! interface  x n     name, description, link type, nanosecond resolution
//! packet     x m     interface, time, octets as they were on the wire, comment naming the step
//! ```

mod read;
mod write;

pub use read::{CapturedPacket, Packets, ReadError, ReadErrorKind, read, read_all};
pub use write::{InterfaceDecl, PcapngWriter, WriteError};

/// What a captured packet starts with: a number of the tcpdump.org registry of link types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: a protocol family, then the network header.
    pub const NULL: LinkType = LinkType(0);
    /// An Ethernet header.
    pub const ETHERNET: LinkType = LinkType(1);
    /// An IPv4 or IPv6 header, by a number of some BSD.
    pub const RAW_BSD: LinkType = LinkType(12);
    /// An IPv4 or IPv6 header.
    pub const RAW: LinkType = LinkType(101);
    /// OpenBSD loopback: a protocol family in network order, then the network header.
    pub const LOOP: LinkType = LinkType(108);
    /// An IPv4 header.
    pub const IPV4: LinkType = LinkType(228);
    /// An IPv6 header.
    pub const IPV6: LinkType = LinkType(229);
    /// Linux "any" interface, first form.
    pub const LINUX_SLL: LinkType = LinkType(113);
    /// Netfilter log.
    pub const NFLOG: LinkType = LinkType(239);
    /// Linux "any" interface, second form.
    pub const LINUX_SLL2: LinkType = LinkType(276);
}

#[cfg(test)]
mod tests;
