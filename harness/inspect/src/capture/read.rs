//! Reading pcap and pcapng, as far as a file goes.
//!
//! A capture that was cut off by a full disk or a killed tool still holds everything before the cut. So reading yields
//! packets until it can not, and then one error that says at which packet and octet; a single malformed packet block in
//! a pcapng file is an error too, after which reading goes on.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use flate2::bufread::MultiGzDecoder;

use super::{
    InterfaceDecl, LinkType, Progress, Secrets,
    error::{ReadError, ReadErrorKind},
    pcap::Pcap,
    pcapng::Pcapng,
    window::{Counted, LONGEST_BLOCK, Window},
};

/// One packet from a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    /// Where its block or header starts in the file; in a compressed one, where in what was unpacked.
    pub offset: u64,
}

/// The packets of a file in their order. An item that is a fatal error is the last one.
///
/// As an iterator it makes a new [`CapturedPacket`] of each; [`Packets::next_into`] fills the same one again and again,
/// without an allocation for each, and is what a file of millions is read with.
pub struct Packets {
    format: Format,
    window: Window,
    path: String,
    /// Whether what is read was compressed.
    packed: bool,
    progress: Progress,
    /// The number that the next packet gets.
    packet: u64,
    done: bool,
}

enum Format {
    Pcap(Pcap),
    Pcapng(Box<Pcapng>),
}

/// What reading one packet came to.
pub(super) enum Step {
    /// The packet is there.
    Packet,
    /// This packet is lost, the next one can be found.
    Malformed(ReadErrorKind),
    /// Something that is no packet is lost.
    Lost(ReadErrorKind),
    /// Nothing after this can be found.
    Broken(ReadErrorKind),
    /// Octets are missing: the block or packet has so many at least.
    Incomplete(usize),
}

/// Opens a capture and reads its header; `-` is the standard input. What gzip compressed is unpacked on the way.
pub fn read(path: &Path) -> Result<Packets, ReadError> {
    if path == Path::new("-") {
        return read_from("standard input", io::stdin());
    }
    let name = path.display().to_string();
    let open = || -> io::Result<(File, Option<u64>)> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        Ok((file, metadata.is_file().then_some(metadata.len())))
    };
    match open() {
        Ok((file, total)) => start(name, file, total),
        Err(error) => Err(at_the_start(name, error.into())),
    }
}

/// Reads a capture from a stream, which `name` stands for in errors.
pub fn read_from(name: &str, stream: impl Read + Send + 'static) -> Result<Packets, ReadError> {
    start(name.to_owned(), stream, None)
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

fn at_the_start(path: String, kind: ReadErrorKind) -> ReadError {
    ReadError { path, packet: 1, offset: 0, kind, fatal: true }
}

fn start(path: String, stream: impl Read + Send + 'static, total: Option<u64>) -> Result<Packets, ReadError> {
    let progress = Progress::of(total);
    match open(Counted { inner: stream, progress: progress.clone() }) {
        Ok((format, window, packed)) => Ok(Packets { format, window, path, packed, progress, packet: 1, done: false }),
        Err(kind) => Err(at_the_start(path, kind)),
    }
}

fn open(mut stream: impl Read + Send + 'static) -> Result<(Format, Window, bool), ReadErrorKind> {
    // A stream can not be rewound, so what was looked at is put in front of it again.
    let mut head = Vec::new();
    Read::by_ref(&mut stream).take(2).read_to_end(&mut head)?;
    let packed = head == [0x1f, 0x8b];
    let whole = io::Cursor::new(head).chain(stream);
    let reader: Box<dyn Read + Send> = if packed {
        Box::new(MultiGzDecoder::new(BufReader::with_capacity(256 << 10, whole)))
    } else {
        Box::new(whole)
    };
    let mut window = Window::new(reader);
    while window.octets().len() < 4 && window.more().map_err(|error| failed_read(error, packed))? {}
    let format = match window.octets() {
        [] => return Err(ReadErrorKind::Empty),
        [0x0a, 0x0d, 0x0d, 0x0a, ..] => {
            let parser = header(&mut window, packed, Pcapng::open)?;
            Format::Pcapng(Box::new(parser))
        }
        [0xa1, 0xb2, 0xc3, 0xd4, ..]
        | [0xd4, 0xc3, 0xb2, 0xa1, ..]
        | [0xa1, 0xb2, 0x3c, 0x4d, ..]
        | [0x4d, 0x3c, 0xb2, 0xa1, ..] => Format::Pcap(header(&mut window, packed, Pcap::open)?),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => return Err(ReadErrorKind::Compressed("zstd")),
        [0x04, 0x22, 0x4d, 0x18, ..] => return Err(ReadErrorKind::Compressed("lz4")),
        [0xfd, b'7', b'z', b'X', ..] => return Err(ReadErrorKind::Compressed("xz")),
        [b'B', b'Z', b'h', ..] => return Err(ReadErrorKind::Compressed("bzip2")),
        [b'P', b'K', 3, 4, ..] => return Err(ReadErrorKind::Compressed("zip")),
        octets => return Err(ReadErrorKind::NotACapture(octets[..octets.len().min(4)].to_vec())),
    };
    Ok((format, window, packed))
}

/// Reads the header of a file, for which `open` asks for more until it has it.
fn header<T>(
    window: &mut Window,
    packed: bool,
    open: impl Fn(&mut Window) -> Result<T, Step>,
) -> Result<T, ReadErrorKind> {
    loop {
        match open(window) {
            Ok(format) => return Ok(format),
            Err(Step::Malformed(kind) | Step::Lost(kind) | Step::Broken(kind)) => return Err(kind),
            Err(Step::Packet) => {}
            Err(Step::Incomplete(needed)) => match wait_for(window, needed, packed) {
                Ok(true) => {}
                Ok(false) => return Err(ReadErrorKind::Truncated),
                Err(kind) => return Err(kind),
            },
        }
    }
}

/// Reads more for something of at least `needed` octets; false where the file ends.
fn wait_for(window: &mut Window, needed: usize, packed: bool) -> Result<bool, ReadErrorKind> {
    if needed > LONGEST_BLOCK {
        return Err(ReadErrorKind::TooLong(needed as u64));
    }
    window.more().map_err(|error| failed_read(error, packed))
}

fn failed_read(error: io::Error, packed: bool) -> ReadErrorKind {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ReadErrorKind::Truncated,
        // What is wrong with the compression comes as one of these two, anything else is the file's own.
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData if packed => ReadErrorKind::Damaged(error),
        _ => ReadErrorKind::Io(error),
    }
}

impl Packets {
    /// Reads the next packet into `packet`, whose room for octets is used again. `None` where the file ends.
    ///
    /// After an error `packet` holds nothing of use; reading goes on unless the error is fatal.
    pub fn next_into(&mut self, packet: &mut CapturedPacket) -> Option<Result<(), ReadError>> {
        if self.done {
            return None;
        }
        loop {
            packet.offset = self.window.offset();
            let step = match &mut self.format {
                Format::Pcap(format) => format.next_into(&mut self.window, packet),
                Format::Pcapng(format) => format.next_into(&mut self.window, packet),
            };
            return match step {
                Step::Packet => {
                    packet.number = self.packet;
                    self.packet += 1;
                    Some(Ok(()))
                }
                Step::Malformed(kind) => {
                    self.packet += 1;
                    Some(Err(self.error(self.packet - 1, packet.offset, kind)))
                }
                Step::Lost(kind) => Some(Err(self.error(self.packet, packet.offset, kind))),
                Step::Broken(kind) => Some(Err(self.end(kind))),
                Step::Incomplete(needed) => match wait_for(&mut self.window, needed, self.packed) {
                    Ok(true) => continue,
                    Ok(false) if self.window.octets().is_empty() => {
                        self.done = true;
                        None
                    }
                    Ok(false) => Some(Err(self.end(ReadErrorKind::Truncated))),
                    Err(kind) => Some(Err(self.end(kind))),
                },
            };
        }
    }

    /// The interfaces described so far. A pcapng file may describe more between its packets, and forgets them where a
    /// new section starts.
    pub fn interfaces(&self) -> Vec<InterfaceDecl> {
        self.described().to_vec()
    }

    /// The interface of the packet that was read last.
    pub fn interface(&self, packet: &CapturedPacket) -> Option<&InterfaceDecl> {
        self.described().get(packet.interface)
    }

    fn described(&self) -> &[InterfaceDecl] {
        match &self.format {
            Format::Pcap(format) => format.interfaces(),
            Format::Pcapng(format) => format.interfaces(),
        }
    }

    /// Hands out the secrets that were met since the last call. A file has them before the packets that they open, so
    /// whoever asks after each packet, and before looking at it, has them in time.
    pub fn take_secrets(&mut self) -> Vec<Secrets> {
        match &mut self.format {
            Format::Pcap(_) => Vec::new(),
            Format::Pcapng(format) => format.take_secrets(),
        }
    }

    /// How many packets the capturing program says it missed, as far as the file was read (isb_ifdrop and isb_osdrop
    /// of the interface statistics).
    pub fn missed(&self) -> u64 {
        match &self.format {
            Format::Pcap(_) => 0,
            Format::Pcapng(format) => format.missed(),
        }
    }

    /// The file, as errors call it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// How far into the file reading has come.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    fn error(&self, packet: u64, offset: u64, kind: ReadErrorKind) -> ReadError {
        ReadError { path: self.path.clone(), packet, offset, kind, fatal: false }
    }

    fn end(&mut self, kind: ReadErrorKind) -> ReadError {
        self.done = true;
        ReadError { fatal: true, ..self.error(self.packet, self.window.offset(), kind) }
    }
}

impl Iterator for Packets {
    type Item = Result<CapturedPacket, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut packet = CapturedPacket::default();
        self.next_into(&mut packet).map(|read| read.map(|()| packet))
    }
}
