//! Reading pcap and pcapng, as far as a file goes.
//!
//! A capture that was cut off by a full disk or a killed tool still holds everything before the cut. So reading yields
//! packets until it can not, and then one error that says at which packet and octet; a single malformed packet block in
//! a pcapng file is an error too, after which reading goes on.

use std::{
    fs::File,
    io::{self, Read, Seek},
    path::Path,
};

use pcap_file::{
    pcap::{PcapReadError, PcapReader},
    pcapng::{
        Block, PcapNgReadError, PcapNgReader, PcapNgState,
        blocks::{
            enhanced_packet::EnhancedPacketOption,
            interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption},
            opt_common::CommonOption,
        },
    },
};

use super::{InterfaceDecl, LinkType};

/// The file header of classic pcap, and the header of each packet in it.
const PCAP_FILE_HEADER: u64 = 24;
const PCAP_PACKET_HEADER: u64 = 16;

/// One packet from a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedPacket {
    /// Its number in the file, from 1 as Wireshark counts.
    pub number: u64,
    /// When it was seen, in nanoseconds since 1970; 0 where the file does not say.
    pub timestamp_ns: u64,
    /// The place of its interface in [`Packets::interfaces`].
    pub interface: usize,
    /// What its octets start with.
    pub linktype: LinkType,
    /// How long it was on the wire, which is more than was stored if it was cut.
    pub original_len: u32,
    /// The octets that were stored.
    pub octets: Vec<u8>,
    /// The first comment on it.
    pub comment: Option<String>,
    /// Where its block or header starts in the file.
    pub offset: u64,
}

/// Why a capture can not be read, or not any further.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{path}: {kind}, at packet {packet}, offset {offset}")]
#[diagnostic(help("{}", self.kind.help()))]
pub struct ReadError {
    /// The file.
    pub path: String,
    /// The number of the packet that could not be read.
    pub packet: u64,
    /// Where in the file that packet starts.
    pub offset: u64,
    /// What is wrong.
    pub kind: ReadErrorKind,
    /// Whether reading ended here; otherwise the next packet follows.
    pub fatal: bool,
}

/// What can be wrong with a capture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadErrorKind {
    /// The file can not be opened or read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// There is nothing in it.
    #[error("the file is empty")]
    Empty,
    /// It is something else.
    #[error("not a capture file, it starts with {}", hex(.0))]
    NotACapture(Vec<u8>),
    /// It is compressed.
    #[error("the capture is compressed with gzip")]
    Compressed,
    /// It ends in the middle of a packet.
    #[error("the file ends in the middle of a packet")]
    Truncated,
    /// A length or a field contradicts the rest.
    #[error("malformed: {0}")]
    Malformed(String),
}

impl ReadErrorKind {
    fn help(&self) -> &'static str {
        match self {
            ReadErrorKind::Io(_) => "check that the file exists and may be read",
            ReadErrorKind::Empty => "the capturing program was probably stopped before it wrote anything",
            ReadErrorKind::NotACapture(_) => "pcap and pcapng are read; Wireshark converts others with `editcap`",
            ReadErrorKind::Compressed => "unpack it with `gunzip` first",
            ReadErrorKind::Truncated => {
                "everything before this packet was read; the capturing program was probably killed"
            }
            ReadErrorKind::Malformed(_) => "everything before this packet was read",
        }
    }
}

/// The packets of a file in their order. An item that is a fatal error is the last one.
pub struct Packets {
    source: Source,
    path: String,
    interfaces: Vec<InterfaceDecl>,
    packet: u64,
    done: bool,
}

enum Source {
    Pcap { reader: Box<PcapReader<File>>, nanoseconds: u64, offset: u64 },
    Pcapng(Box<PcapNgReader<File>>),
}

/// Opens a capture and reads its header.
pub fn read(path: &Path) -> Result<Packets, ReadError> {
    let error = |kind| ReadError { path: path.display().to_string(), packet: 1, offset: 0, kind, fatal: true };
    let open = || -> Result<(File, Vec<u8>), io::Error> {
        let mut file = File::open(path)?;
        let mut magic = Vec::new();
        Read::by_ref(&mut file).take(4).read_to_end(&mut magic)?;
        file.rewind()?;
        Ok((file, magic))
    };
    let (file, magic) = open().map_err(|e| error(e.into()))?;
    let (source, interfaces) = match magic.as_slice() {
        [] => return Err(error(ReadErrorKind::Empty)),
        [0x1f, 0x8b, ..] => return Err(error(ReadErrorKind::Compressed)),
        [0x0a, 0x0d, 0x0d, 0x0a] => {
            let reader = PcapNgReader::new(file).map_err(|e| error(pcapng_kind(e)))?;
            (Source::Pcapng(Box::new(reader)), Vec::new())
        }
        [0xa1, 0xb2, 0xc3, 0xd4] | [0xd4, 0xc3, 0xb2, 0xa1] => open_pcap(file, 1000).map_err(error)?,
        [0xa1, 0xb2, 0x3c, 0x4d] | [0x4d, 0x3c, 0xb2, 0xa1] => open_pcap(file, 1).map_err(error)?,
        _ => return Err(error(ReadErrorKind::NotACapture(magic))),
    };
    Ok(Packets { source, path: path.display().to_string(), interfaces, packet: 1, done: false })
}

fn open_pcap(file: File, nanoseconds: u64) -> Result<(Source, Vec<InterfaceDecl>), ReadErrorKind> {
    let reader = PcapReader::new(file).map_err(pcap_kind)?;
    // The upper half of the field says how long the frame check sequence is.
    let linktype = LinkType((u32::from(reader.header().datalink) & 0xffff) as u16);
    let interface = InterfaceDecl { name: String::new(), linktype, description: String::new() };
    Ok((Source::Pcap { reader: Box::new(reader), nanoseconds, offset: PCAP_FILE_HEADER }, vec![interface]))
}

/// Reads a whole capture: its packets, and the errors met on the way.
pub fn read_all(path: &Path) -> (Vec<CapturedPacket>, Vec<ReadError>) {
    let (mut packets, mut errors) = (Vec::new(), Vec::new());
    match read(path) {
        Ok(found) => found.for_each(|item| match item {
            Ok(packet) => packets.push(packet),
            Err(error) => errors.push(error),
        }),
        Err(error) => errors.push(error),
    }
    (packets, errors)
}

impl Packets {
    /// The interfaces described so far. A pcapng file may describe more between its packets, and forgets them where a
    /// new section starts.
    pub fn interfaces(&self) -> Vec<InterfaceDecl> {
        match &self.source {
            Source::Pcap { .. } => self.interfaces.clone(),
            Source::Pcapng(reader) => reader.interfaces().iter().map(declaration).collect(),
        }
    }

    fn failed(&mut self, offset: u64, kind: ReadErrorKind, fatal: bool) -> ReadError {
        self.done |= fatal;
        let packet = self.packet;
        self.packet += 1;
        ReadError { path: self.path.clone(), packet, offset, kind, fatal }
    }
}

impl Iterator for Packets {
    type Item = Result<CapturedPacket, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let number = self.packet;
        let (offset, step) = match &mut self.source {
            Source::Pcap { reader, nanoseconds, offset } => {
                let linktype = self.interfaces.first().map_or(LinkType::RAW, |interface| interface.linktype);
                (*offset, next_in_pcap(reader, *nanoseconds, offset, linktype))
            }
            Source::Pcapng(reader) => next_in_pcapng(reader),
        };
        match step {
            Step::Packet(packet) => {
                self.packet += 1;
                Some(Ok(CapturedPacket { number, offset, ..packet }))
            }
            Step::Malformed(kind) => Some(Err(self.failed(offset, kind, false))),
            Step::Broken(kind) => Some(Err(self.failed(offset, kind, true))),
            Step::End => {
                self.done = true;
                None
            }
        }
    }
}

/// What reading one packet came to.
enum Step {
    Packet(CapturedPacket),
    /// This packet is lost, the next one can be found.
    Malformed(ReadErrorKind),
    /// Nothing after this can be found.
    Broken(ReadErrorKind),
    End,
}

fn next_in_pcap(reader: &mut PcapReader<File>, nanoseconds: u64, offset: &mut u64, linktype: LinkType) -> Step {
    // The checked form refuses packets longer than the declared maximum, which real tools write.
    match reader.next_raw_packet() {
        None => Step::End,
        Some(Err(error)) => Step::Broken(pcap_kind(error)),
        Some(Ok(raw)) => {
            *offset += PCAP_PACKET_HEADER + raw.data.len() as u64;
            Step::Packet(CapturedPacket {
                number: 0,
                timestamp_ns: u64::from(raw.ts_sec) * 1_000_000_000 + u64::from(raw.ts_frac) * nanoseconds,
                interface: 0,
                linktype,
                original_len: raw.orig_len,
                octets: raw.data.into_owned(),
                comment: None,
                offset: 0,
            })
        }
    }
}

/// The next packet block, and where it or whatever is wrong starts. Blocks of other types are passed over.
fn next_in_pcapng(reader: &mut PcapNgReader<File>) -> (u64, Step) {
    loop {
        let offset = reader.bytes_parsed();
        let (raw, state) = match reader.next_raw_block() {
            None => return (offset, Step::End),
            Some(Err(error)) => return (offset, Step::Broken(pcapng_kind(error))),
            Some(Ok(found)) => found,
        };
        match raw.type_ {
            PACKET | SIMPLE_PACKET | ENHANCED_PACKET => {}
            _ => continue,
        }
        let step = match raw.try_into_block(state) {
            Ok(block) => packet_of(block, state),
            Err(error) => Some(Step::Malformed(ReadErrorKind::Malformed(with_causes(&error)))),
        };
        if let Some(step) = step {
            return (offset, step);
        }
    }
}

const PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

fn packet_of(block: Block<'_>, state: &PcapNgState) -> Option<Step> {
    let (interface, timestamp, original_len, data, comment) = match block {
        Block::EnhancedPacket(block) => {
            let comment = block.options.into_iter().find_map(|option| match option {
                EnhancedPacketOption::Common(CommonOption::Comment(text)) => Some(text.into_owned()),
                _ => None,
            });
            (block.interface_id as usize, block.timestamp.as_nanos(), block.original_len, block.data, comment)
        }
        Block::Packet(block) => {
            (usize::from(block.interface_id), block.timestamp.as_nanos(), block.original_len, block.data, None)
        }
        Block::SimplePacket(block) => (0, 0, block.original_len, block.data, None),
        _ => return None,
    };
    Some(match state.interfaces().get(interface) {
        None => Step::Malformed(ReadErrorKind::Malformed(format!("interface {interface} was not described"))),
        Some(description) => Step::Packet(CapturedPacket {
            number: 0,
            timestamp_ns: u64::try_from(timestamp).unwrap_or(u64::MAX),
            interface,
            linktype: declaration(description).linktype,
            original_len,
            octets: data.into_owned(),
            comment,
            offset: 0,
        }),
    })
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

fn pcap_kind(error: PcapReadError) -> ReadErrorKind {
    match error {
        PcapReadError::Io(error) => io_kind(error),
        other => ReadErrorKind::Malformed(with_causes(&other)),
    }
}

fn pcapng_kind(error: PcapNgReadError) -> ReadErrorKind {
    match error {
        PcapNgReadError::Io(error) => io_kind(error),
        other => ReadErrorKind::Malformed(with_causes(&other)),
    }
}

fn io_kind(error: io::Error) -> ReadErrorKind {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ReadErrorKind::Truncated,
        _ => ReadErrorKind::Io(error),
    }
}

/// An error with everything below it, since the library says what is wrong only at the bottom.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

fn hex(octets: &[u8]) -> String {
    let octets: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    octets.join(" ")
}
