//! The classic format: one header, then packets.

use pcap_file::pcap::{PcapParseError, PcapParser};

use super::{
    InterfaceDecl, LinkType,
    error::ReadErrorKind,
    read::{CapturedPacket, Step},
    window::Window,
};

/// The file header is behind it.
pub(super) struct Pcap {
    parser: PcapParser,
    /// What the fraction of a second counts.
    nanoseconds: u64,
    interface: [InterfaceDecl; 1],
}

impl Pcap {
    pub(super) fn open(window: &mut Window) -> Result<Pcap, Step> {
        let octets = window.octets();
        let (rest, parser) = PcapParser::new(octets).map_err(step)?;
        let used = octets.len() - rest.len();
        window.consume(used);
        let header = parser.header();
        // The upper half of the field says how long the frame check sequence is.
        let linktype = LinkType((u32::from(header.datalink) & 0xffff) as u16);
        let nanoseconds = match header.ts_resolution {
            pcap_file::pcap::PcapTsResolution::MicroSecond => 1000,
            pcap_file::pcap::PcapTsResolution::NanoSecond => 1,
        };
        let interface = [InterfaceDecl { name: String::new(), linktype, description: String::new() }];
        Ok(Pcap { parser, nanoseconds, interface })
    }

    pub(super) fn interfaces(&self) -> &[InterfaceDecl] {
        &self.interface
    }

    pub(super) fn next_into(&mut self, window: &mut Window, packet: &mut CapturedPacket) -> Step {
        let octets = window.octets();
        // The checked form refuses packets longer than the declared maximum, which real tools write.
        let (rest, raw) = match self.parser.next_raw_packet(octets) {
            Ok(found) => found,
            Err(error) => return step(error),
        };
        packet.timestamp_ns = u64::from(raw.ts_sec) * 1_000_000_000 + u64::from(raw.ts_frac) * self.nanoseconds;
        packet.interface = 0;
        packet.linktype = self.interface[0].linktype;
        packet.original_len = raw.orig_len;
        packet.comment = None;
        packet.octets.clear();
        packet.octets.extend_from_slice(&raw.data);
        let used = octets.len() - rest.len();
        window.consume(used);
        Step::Packet
    }
}

fn step(error: PcapParseError) -> Step {
    match error {
        PcapParseError::IncompleteBuffer(needed, _) => Step::Incomplete(needed),
        other => Step::Broken(ReadErrorKind::malformed(&other)),
    }
}
