//! The newer format: sections of blocks, of which packets are one kind.

use std::{collections::BTreeMap, fmt};

use pcap_file::{
    Endianness,
    pcapng::{
        Block, PcapNgParseError, PcapNgParser, RawBlock,
        blocks::{
            enhanced_packet::EnhancedPacketOption,
            interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption},
            interface_statistics::InterfaceStatisticsOption,
            opt_common::CommonOption,
        },
    },
};
use zeroize::Zeroizing;

use super::{
    InterfaceDecl, LinkType,
    error::ReadErrorKind,
    read::{CapturedPacket, Step},
    window::{LONGEST_BLOCK, Window},
};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
pub(super) const DECRYPTION_SECRETS: u32 = 10;

/// How many interfaces a section may describe. Each is kept, so without a limit they would fill the memory.
const MOST_INTERFACES: usize = 1 << 16;

/// Key material that a capture carries in a Decryption Secrets Block.
///
/// It is overwritten when dropped, and not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets {
    /// What the octets are: a number of the registry of the pcapng format.
    pub kind: u32,
    /// The secrets themselves.
    pub octets: Zeroizing<Vec<u8>>,
    /// Where the block starts in the file.
    pub offset: u64,
}

impl Secrets {
    /// Rows of ESP security associations, as in Wireshark's table `esp_sa` ("ESPS").
    pub const ESP_SA: u32 = 0x4553_5053;
    /// Rows of IKEv2 keys, as in Wireshark's table `ikev2_decryption_table`. The registry has nothing for IKE; this is
    /// the lab's own ("IKE2"), which others pass over.
    pub const IKEV2: u32 = 0x494b_4532;
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, octets) = (format_args!("{:#x}", self.kind), format_args!("{} not shown", self.octets.len()));
        f.debug_struct("Secrets").field("kind", &kind).field("octets", &octets).field("offset", &self.offset).finish()
    }
}

/// The first section header is behind it.
pub(super) struct Pcapng {
    parser: PcapNgParser,
    interfaces: Vec<InterfaceDecl>,
    /// How many octets the interfaces of this section took.
    described: usize,
    secrets: Vec<Secrets>,
    /// How many octets those secrets take.
    kept: usize,
    /// Packets missed by the interfaces of this section, and by those of the sections before.
    missed: BTreeMap<u32, u64>,
    missed_before: u64,
}

impl Pcapng {
    pub(super) fn open(window: &mut Window) -> Result<Pcapng, Step> {
        let octets = window.octets();
        let (rest, parser) = PcapNgParser::new(octets).map_err(step)?;
        let used = octets.len() - rest.len();
        window.consume(used);
        Ok(Pcapng {
            parser,
            interfaces: Vec::new(),
            described: 0,
            secrets: Vec::new(),
            kept: 0,
            missed: BTreeMap::new(),
            missed_before: 0,
        })
    }

    pub(super) fn interfaces(&self) -> &[InterfaceDecl] {
        &self.interfaces
    }

    pub(super) fn take_secrets(&mut self) -> Vec<Secrets> {
        self.kept = 0;
        std::mem::take(&mut self.secrets)
    }

    pub(super) fn missed(&self) -> u64 {
        self.missed.values().fold(self.missed_before, |sum, missed| sum.saturating_add(*missed))
    }

    /// The next packet block. Blocks of other types are taken in on the way, or passed over.
    pub(super) fn next_into(&mut self, window: &mut Window, packet: &mut CapturedPacket) -> Step {
        loop {
            packet.offset = window.offset();
            let octets = window.octets();
            let (rest, raw) = match self.parser.next_raw_block(octets) {
                Ok(found) => found,
                Err(error) => return step(error),
            };
            let used = octets.len() - rest.len();
            let step = match raw.type_ {
                PACKET | SIMPLE_PACKET | ENHANCED_PACKET => Some(self.packet(raw, packet)),
                SECTION_HEADER => {
                    (self.missed_before, self.described) = (self.missed(), 0);
                    self.missed.clear();
                    self.interfaces.clear();
                    None
                }
                INTERFACE => self.interface(used),
                STATISTICS => {
                    self.statistics(raw);
                    None
                }
                DECRYPTION_SECRETS => self.decryption_secrets(&raw.body, packet.offset),
                _ => None,
            };
            window.consume(used);
            if let Some(step) = step {
                return step;
            }
        }
    }

    fn packet(&self, raw: RawBlock<'_>, packet: &mut CapturedPacket) -> Step {
        let block = match raw.try_into_block(self.parser.state()) {
            Ok(block) => block,
            Err(error) => return Step::Malformed(ReadErrorKind::malformed(&error)),
        };
        packet.comment = None;
        let (interface, timestamp, original_len, data) = match block {
            Block::EnhancedPacket(block) => {
                packet.comment = block.options.into_iter().find_map(|option| match option {
                    EnhancedPacketOption::Common(CommonOption::Comment(text)) => Some(text.into_owned()),
                    _ => None,
                });
                (block.interface_id as usize, block.timestamp.as_nanos(), block.original_len, block.data)
            }
            Block::Packet(block) => {
                (usize::from(block.interface_id), block.timestamp.as_nanos(), block.original_len, block.data)
            }
            Block::SimplePacket(block) => (0, 0, block.original_len, block.data),
            _ => return Step::Malformed(ReadErrorKind::Malformed("not a packet block".to_owned())),
        };
        let Some(description) = self.interfaces.get(interface) else {
            return Step::Malformed(ReadErrorKind::Malformed(format!("interface {interface} was not described")));
        };
        packet.timestamp_ns = u64::try_from(timestamp).unwrap_or(u64::MAX);
        packet.interface = interface;
        packet.linktype = description.linktype;
        packet.original_len = original_len;
        packet.octets.clear();
        packet.octets.extend_from_slice(&data);
        Step::Packet
    }

    /// Takes in the interface that the parser has just met, in a block of so many octets.
    fn interface(&mut self, octets: usize) -> Option<Step> {
        self.interfaces.extend(self.parser.interfaces().last().map(declaration));
        self.described += octets;
        if self.interfaces.len() > MOST_INTERFACES || self.described > LONGEST_BLOCK {
            return Some(Step::Broken(ReadErrorKind::TooMany { what: "interfaces", limit: MOST_INTERFACES }));
        }
        None
    }

    /// Takes in the counters of an interface, of which the latest hold. Counters of no use lose nothing that is shown.
    fn statistics(&mut self, raw: RawBlock<'_>) {
        let Ok(Block::InterfaceStatistics(block)) = raw.try_into_block(self.parser.state()) else { return };
        let missed = block.options.iter().map(|option| match option {
            // The largest number stands for "not known".
            InterfaceStatisticsOption::IsbIfDrop(missed) | InterfaceStatisticsOption::IsbOsDrop(missed) => {
                if *missed == u64::MAX { 0 } else { *missed }
            }
            _ => 0,
        });
        self.missed.insert(block.interface_id, missed.fold(0, u64::saturating_add));
    }

    fn decryption_secrets(&mut self, body: &[u8], offset: u64) -> Option<Step> {
        let number = |place: usize| {
            let octets = body.get(place..place + 4)?.try_into().ok()?;
            Some(match self.parser.section().endianness {
                Endianness::Big => u32::from_be_bytes(octets),
                Endianness::Little => u32::from_le_bytes(octets),
            })
        };
        let found = || {
            let (kind, length) = (number(0)?, number(4)? as usize);
            Some((kind, body.get(8..)?.get(..length)?))
        };
        let Some((kind, octets)) = found() else {
            let text = "secrets that are longer than their block".to_owned();
            return Some(Step::Lost(ReadErrorKind::Malformed(text)));
        };
        let octets_kept = octets.len() + size_of::<Secrets>();
        if self.kept + octets_kept > LONGEST_BLOCK {
            let kind = ReadErrorKind::TooMany { what: "octets of decryption secrets", limit: LONGEST_BLOCK };
            return Some(Step::Lost(kind));
        }
        self.kept += octets_kept;
        self.secrets.push(Secrets { kind, octets: Zeroizing::new(octets.to_vec()), offset });
        None
    }
}

fn declaration(block: &InterfaceDescriptionBlock<'_>) -> InterfaceDecl {
    let mut interface = InterfaceDecl {
        name: String::new(),
        linktype: LinkType((u32::from(block.linktype) & 0xffff) as u16),
        description: String::new(),
    };
    for option in &block.options {
        match option {
            InterfaceDescriptionOption::IfName(name) => interface.name = name.to_string(),
            InterfaceDescriptionOption::IfDescription(text) => interface.description = text.to_string(),
            _ => {}
        }
    }
    interface
}

fn step(error: PcapNgParseError) -> Step {
    match error {
        PcapNgParseError::IncompleteBuffer(needed, _) => Step::Incomplete(needed),
        other => Step::Broken(ReadErrorKind::malformed(&other)),
    }
}
