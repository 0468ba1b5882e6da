//! Why a capture can not be read, or not any further.

use std::io;

use super::window::LONGEST_BLOCK;

/// Why a capture can not be read, or not any further.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{path}: {kind}, at packet {packet}, offset {offset}")]
#[diagnostic(help("{}", self.kind.help()))]
pub struct ReadError {
    /// The file.
    pub path: String,
    /// The number of the packet that could not be read, or of the one that would have come next.
    pub packet: u64,
    /// Where in the file that packet starts; in a compressed one, where in what was unpacked.
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
    /// It is compressed by another program than gzip, which is named.
    #[error("the capture is compressed with {0}")]
    Compressed(&'static str),
    /// It is compressed with gzip, and that is damaged.
    #[error("the compressed file is damaged: {0}")]
    Damaged(io::Error),
    /// It ends in the middle of a packet.
    #[error("the file ends in the middle of a packet")]
    Truncated,
    /// A packet or block says that it is longer than anything that is read.
    #[error("a length of {0} octets, and the limit is {LONGEST_BLOCK}")]
    TooLong(u64),
    /// There are more interfaces or secrets than are kept.
    #[error("more {what} than the limit of {limit}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many are kept at most.
        limit: usize,
    },
    /// A length or a field contradicts the rest.
    #[error("malformed: {0}")]
    Malformed(String),
}

impl ReadErrorKind {
    fn help(&self) -> &'static str {
        match self {
            ReadErrorKind::Io(_) => "check that the file exists and may be read",
            ReadErrorKind::Empty => "the capturing program was probably stopped before it wrote anything",
            ReadErrorKind::NotACapture(_) => {
                "pcap and pcapng are read, also compressed with gzip; Wireshark converts others with `editcap`"
            }
            ReadErrorKind::Compressed(_) => "unpack it first; what gzip compressed is read as it is",
            ReadErrorKind::Damaged(_) => "everything before this packet was read; `gzip -t` checks a compressed file",
            ReadErrorKind::Truncated => {
                "everything before this packet was read; the capturing program was probably killed"
            }
            ReadErrorKind::TooLong(_) => "everything before this packet was read; the length is most likely damaged",
            ReadErrorKind::TooMany { .. } => "split the file with `editcap -c`, if these are real",
            ReadErrorKind::Malformed(_) => "everything before this packet was read",
        }
    }

    /// An error with everything below it, since the library says what is wrong only at the bottom.
    pub(super) fn malformed(error: &dyn std::error::Error) -> ReadErrorKind {
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
        ReadErrorKind::Malformed(text)
    }
}

fn hex(octets: &[u8]) -> String {
    let octets: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    octets.join(" ")
}
