//! Capture files: pcapng written, pcap and pcapng read, with timestamps in nanoseconds since 1970 both ways.
//!
//! Reading streams: a file of any size, compressed with gzip or not, costs the memory of its longest packet. Lengths
//! in the file are believed up to [`LONGEST_BLOCK`] and never allocated in advance.
//!
//! The crate underneath still moves between its release candidates and is strict where a reader of other people's
//! files has to be patient, so nothing outside this module names it.
//!
//! ```text
//! section header     hardware, operating system, application
//! interface  x n     name, description, link type, nanosecond resolution
//! secrets            keys, where they were asked for, before the packets that they open
//! packet     x m     interface, time, octets as they were on the wire, comment naming the step
//! ```

mod error;
mod pcap;
mod pcapng;
mod read;
mod window;
mod write;

pub use error::{ReadError, ReadErrorKind};
pub use pcapng::Secrets;
pub use read::{CapturedPacket, Packets, read, read_all, read_from};
pub use window::{LONGEST_BLOCK, Progress};
pub use write::{InterfaceDecl, PcapngWriter, Section, WriteError};

/// What a captured packet starts with: a number of the tcpdump.org registry of link types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

#[cfg(test)]
mod reading_tests;
