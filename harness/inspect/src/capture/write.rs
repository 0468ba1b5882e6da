//! Writing pcapng.

use std::{
    borrow::Cow,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
    time::Duration,
};

use pcap_file::{
    DataLink, Endianness,
    pcapng::{
        PcapNgWriteError,
        blocks::{
            enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption},
            interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution},
            opt_common::CommonOption,
            section_header::{SectionHeaderBlock, SectionHeaderOption},
            unknown::UnknownBlock,
        },
    },
};

use zeroize::Zeroizing;

use super::{LONGEST_BLOCK, LinkType, pcapng::DECRYPTION_SECRETS};

/// The length of a pcapng option is a 16-bit number.
const LONGEST_TEXT: usize = u16::MAX as usize;

/// A place where packets are seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceDecl {
    /// Its name, which is the link's or the device's.
    pub name: String,
    /// What its packets start with.
    pub linktype: LinkType,
    /// What a reader should know about it; may be empty.
    pub description: String,
}

/// What the head of a capture says of where its packets come from; what is empty is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The machine.
    pub hardware: String,
    /// Its operating system.
    pub os: String,
    /// What a reader should know before the first packet.
    pub comment: String,
}

impl Section {
    /// This machine, without a comment.
    pub fn here() -> Self {
        Self { hardware: std::env::consts::ARCH.to_owned(), os: operating_system(), comment: String::new() }
    }

    fn options(&self) -> Vec<SectionHeaderOption<'_>> {
        let mut options = Vec::new();
        if !self.comment.is_empty() {
            options.push(SectionHeaderOption::Common(CommonOption::Comment(shortened(&self.comment))));
        }
        if !self.hardware.is_empty() {
            options.push(SectionHeaderOption::Hardware(shortened(&self.hardware)));
        }
        if !self.os.is_empty() {
            options.push(SectionHeaderOption::OS(shortened(&self.os)));
        }
        let application = concat!("dmvpn-lab ", env!("CARGO_PKG_VERSION"));
        options.push(SectionHeaderOption::UserApplication(Cow::Borrowed(application)));
        options
    }
}

/// Why a capture could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The file refused.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The packet names an interface that was not declared.
    #[error("interface {0} of the capture was not declared")]
    UnknownInterface(usize),
    /// The packet is longer than the format can say.
    #[error("a packet of {0} octets does not fit into a capture")]
    TooLong(usize),
    /// An earlier write failed half way, and everything after it would be unreadable.
    #[error("the capture was given up after an earlier error")]
    GivenUp,
    /// The format can not hold the value.
    #[error("a value does not fit into a capture: {0}")]
    Rejected(String),
}

/// A pcapng file that is being written.
///
/// Octets are stored as they were on the wire. Nothing is masked in them: whoever publishes a capture publishes what
/// was sent, a Cisco authentication string included.
pub struct PcapngWriter<W: Write = BufWriter<File>> {
    inner: pcap_file::pcapng::PcapNgWriter<W>,
    packets: u64,
    broken: bool,
}

impl PcapngWriter {
    /// A new file with these interfaces; refuses a file that exists.
    pub fn create(path: &Path, interfaces: &[InterfaceDecl]) -> Result<PcapngWriter, WriteError> {
        PcapngWriter::new(BufWriter::new(File::create_new(path)?), interfaces)
    }
}

impl<W: Write> PcapngWriter<W> {
    /// Starts a capture on any writer. Packets name their interface by its place in `interfaces`.
    pub fn new(writer: W, interfaces: &[InterfaceDecl]) -> Result<PcapngWriter<W>, WriteError> {
        PcapngWriter::with_section(writer, &Section::here(), interfaces)
    }

    /// The same for packets of which something else is to be said than that they were captured here.
    pub fn with_section(
        writer: W,
        section: &Section,
        interfaces: &[InterfaceDecl],
    ) -> Result<PcapngWriter<W>, WriteError> {
        let section = SectionHeaderBlock { options: section.options(), ..SectionHeaderBlock::default() };
        let mut inner = pcap_file::pcapng::PcapNgWriter::with_section_header(writer, section).map_err(refused)?;
        for interface in interfaces {
            let mut options = vec![InterfaceDescriptionOption::IfName(shortened(&interface.name))];
            if !interface.description.is_empty() {
                options.push(InterfaceDescriptionOption::IfDescription(shortened(&interface.description)));
            }
            options.push(InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::NANO));
            let block = InterfaceDescriptionBlock {
                linktype: DataLink::from(u32::from(interface.linktype.0)),
                snaplen: 0,
                options,
            };
            inner.write_pcapng_block(block).map_err(refused)?;
        }
        Ok(PcapngWriter { inner, packets: 0, broken: false })
    }

    /// Appends a packet seen on `interface` at `timestamp_ns` since 1970, and returns its number in the file, from 1
    /// as Wireshark counts. A comment that is too long for the format is cut.
    pub fn packet(
        &mut self,
        interface: usize,
        timestamp_ns: u64,
        octets: &[u8],
        comment: Option<&str>,
    ) -> Result<u64, WriteError> {
        if self.broken {
            return Err(WriteError::GivenUp);
        }
        if interface >= self.inner.interfaces().len() {
            return Err(WriteError::UnknownInterface(interface));
        }
        let block = EnhancedPacketBlock {
            interface_id: u32::try_from(interface).map_err(|_| WriteError::UnknownInterface(interface))?,
            timestamp: Duration::from_nanos(timestamp_ns),
            original_len: u32::try_from(octets.len()).map_err(|_| WriteError::TooLong(octets.len()))?,
            data: Cow::Borrowed(octets),
            options: comment
                .map(|text| EnhancedPacketOption::Common(CommonOption::Comment(shortened(text))))
                .into_iter()
                .collect(),
        };
        self.inner.write_pcapng_block(block).map_err(|error| {
            self.broken = true;
            refused(error)
        })?;
        self.packets += 1;
        Ok(self.packets)
    }

    /// Appends a Decryption Secrets Block: keys that open the packets after it. `kind` is a number of the registry of the
    /// pcapng format, see [`Secrets`](super::Secrets). Whoever has the file then has the keys, so this is only for who
    /// asked for it.
    pub fn secrets(&mut self, kind: u32, octets: &[u8]) -> Result<(), WriteError> {
        if self.broken {
            return Err(WriteError::GivenUp);
        }
        let number = |value: u32| match self.inner.section().endianness {
            Endianness::Big => value.to_be_bytes(),
            Endianness::Little => value.to_le_bytes(),
        };
        let length = u32::try_from(octets.len()).ok().filter(|_| octets.len() < LONGEST_BLOCK - 64);
        let length = length.ok_or(WriteError::TooLong(octets.len()))?;
        let mut body = Zeroizing::new(Vec::with_capacity(8 + octets.len().next_multiple_of(4)));
        body.extend_from_slice(&number(kind));
        body.extend_from_slice(&number(length));
        body.extend_from_slice(octets);
        let padded = body.len().next_multiple_of(4);
        body.resize(padded, 0);
        let block = UnknownBlock::new(DECRYPTION_SECRETS, 12 + length, &body);
        self.inner.write_pcapng_block(block).map_err(|error| {
            self.broken = true;
            refused(error)
        })?;
        Ok(())
    }

    /// How many packets were written.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Hands everything to the file, so that another program can read it so far.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        Ok(self.inner.get_mut().flush()?)
    }

    /// Ends the capture. Dropping it does the same, but can not report an error.
    pub fn finish(mut self) -> Result<W, WriteError> {
        self.flush()?;
        Ok(self.inner.into_inner())
    }
}

impl<W: Write> std::fmt::Debug for PcapngWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PcapngWriter").field("packets", &self.packets).field("broken", &self.broken).finish()
    }
}

fn refused(error: PcapNgWriteError) -> WriteError {
    match error {
        PcapNgWriteError::Io(error) => WriteError::Io(error),
        other => WriteError::Rejected(other.to_string()),
    }
}

/// The text, cut to what an option can hold.
fn shortened(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(&text[..text.floor_char_boundary(LONGEST_TEXT)])
}

fn operating_system() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{} {}", std::env::consts::OS, release.trim()).trim_end().to_owned()
}
