//! Security associations with their keys, and opening what they protect.

use std::{fmt, ops::Range};

use super::{
    algorithm::{Authentication, Encryption},
    cipher::Cipher,
    integrity::Integrity,
};

/// The SPI and the sequence number (RFC 4303 section 2).
const ESP_HEADER: usize = 8;

/// What was found in a packet that was opened.
///
/// The plaintext is in the caller's `out`: the payload, then the padding, then the octet of the padding's length, and
/// in ESP the octet of the next header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Where the initialisation vector is in the packet; empty where the packet has none.
    pub iv: Range<usize>,
    /// Where the payload is in `out`.
    pub payload: Range<usize>,
    /// Where the padding is in `out`; its length is the octet behind it.
    pub padding: Range<usize>,
    /// How many octets of padding the packet says there are.
    pub pad_length: u8,
    /// The protocol of the payload, an IP protocol number. Only ESP has it here; IKEv2 says it before the payload.
    pub next_header: Option<u8>,
    /// Where the integrity check value is in the packet; empty where the packet has none.
    pub icv: Range<usize>,
    /// Whether the packet is as its sender sent it; unknown where the association checks nothing.
    pub authentic: Option<bool>,
}

/// Why a packet can not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It ends before what the algorithms need.
    #[error("{found} octets, and the algorithms need {needed}")]
    TooShort {
        /// How many octets are there.
        found: usize,
        /// How many there have to be at least.
        needed: usize,
    },
    /// The ciphertext is not made of whole blocks.
    #[error("a ciphertext of {found} octets, which are no whole blocks of {block}")]
    Unaligned {
        /// How many octets are there.
        found: usize,
        /// The length of a block.
        block: usize,
    },
    /// There is more padding than plaintext, so the keys are most likely wrong. `out` holds the plaintext all the same.
    #[error("{pad_length} octets of padding in a plaintext of {found}: are these the right keys?")]
    Padding {
        /// What the packet says.
        pad_length: u8,
        /// How many octets there are.
        found: usize,
        /// Whether it is as its sender sent it.
        authentic: Option<bool>,
    },
    /// The keys of this direction are not known.
    #[error("no keys for what the {0} sends")]
    NoKeys(&'static str),
    /// The range of the payload is not in the message.
    #[error("the encrypted payload is not in the message")]
    OutOfMessage,
}

/// What the sequence numbers of an ESP association are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SequenceNumbers {
    /// Nobody said: 32 bits, or 64 whose upper half is nought.
    Unknown,
    /// 32 bits, all of which are sent.
    Short,
    /// 64 bits, and this is the half that is not sent.
    Extended(u32),
}

/// What is authenticated beside the packet's own octets, which hangs on its sequence number.
struct Sequence<'a> {
    /// What a cipher with a tag authenticates beside the ciphertext.
    associated: &'a [u8],
    /// What an algorithm beside the cipher authenticates behind the packet.
    high: &'a [u8],
    /// The whole number.
    number: u64,
}

/// The keys of one direction.
pub(super) struct Protection {
    encryption: Encryption,
    authentication: Authentication,
    cipher: Cipher,
    integrity: Integrity,
}

impl Protection {
    /// `None` if a key does not fit its algorithm.
    pub(super) fn new(
        encryption: Encryption,
        key: &[u8],
        authentication: Authentication,
        authentication_key: &[u8],
    ) -> Option<Protection> {
        Some(Protection {
            encryption,
            authentication,
            cipher: Cipher::new(encryption, key)?,
            integrity: Integrity::new(authentication, authentication_key)?,
        })
    }

    /// Opens `packet[body]`, which is initialisation vector, ciphertext and check value. The plaintext ends in `trailer`
    /// octets, of which the first is the length of the padding.
    fn open(
        &self,
        packet: &[u8],
        body: Range<usize>,
        trailer: usize,
        sequence: Sequence<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Opened, OpenError> {
        out.clear();
        let tag = self.cipher.tag() + self.integrity.length();
        let needed = self.cipher.iv() + trailer + tag;
        if body.len() < needed {
            return Err(OpenError::TooShort { found: body.len(), needed });
        }
        let iv = body.start..body.start + self.cipher.iv();
        let icv = body.end - tag..body.end;
        let ciphertext = &packet[iv.end..icv.start];
        if !ciphertext.len().is_multiple_of(self.cipher.block()) {
            return Err(OpenError::Unaligned { found: ciphertext.len(), block: self.cipher.block() });
        }
        out.extend_from_slice(ciphertext);
        // An association has the one or the other: a cipher with a tag, or a value beside the cipher.
        let (seal, value) = packet[icv.clone()].split_at(self.cipher.tag());
        let sealed =
            self.cipher.decrypt(&packet[iv.clone()], sequence.associated, out, seal, sequence.number, ciphertext);
        let checked = self.integrity.check([&packet[..icv.end - value.len()], sequence.high], value);
        let authentic = match (sealed, checked) {
            (Some(sealed), Some(checked)) => Some(sealed && checked),
            (one, other) => one.or(other),
        };
        let padded = out.len() - trailer;
        let pad_length = out[padded];
        let Some(payload) = padded.checked_sub(usize::from(pad_length)) else {
            return Err(OpenError::Padding { pad_length, found: out.len(), authentic });
        };
        let next_header = out[padded + 1..].first().copied();
        Ok(Opened { iv, payload: 0..payload, padding: payload..padded, pad_length, next_header, icv, authentic })
    }
}

impl fmt::Debug for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (encryption, authentication) = (self.encryption, self.authentication);
        f.debug_struct("Protection")
            .field("encryption", &encryption)
            .field("authentication", &authentication)
            .finish_non_exhaustive()
    }
}

/// An ESP security association (RFC 4303): one direction, with its keys.
#[derive(Debug)]
pub struct EspSa {
    protection: Protection,
    sequence_numbers: SequenceNumbers,
}

impl EspSa {
    pub(super) fn new(protection: Protection, sequence_numbers: SequenceNumbers) -> EspSa {
        EspSa { protection, sequence_numbers }
    }

    /// Decrypts an ESP packet from its SPI on, and checks it. The plaintext goes into `out`, whose room is used again.
    ///
    /// A wrong check value or tag does not hide the plaintext, it makes [`Opened::authentic`] false. Where the
    /// association's table does not say whether sequence numbers are extended, both are tried.
    pub fn open(&self, esp: &[u8], out: &mut Vec<u8>) -> Result<Opened, OpenError> {
        match self.sequence_numbers {
            SequenceNumbers::Short => self.open_as(esp, None, out),
            SequenceNumbers::Extended(high) => self.open_as(esp, Some(high), out),
            SequenceNumbers::Unknown => {
                let short = self.open_as(esp, None, out)?;
                if short.authentic == Some(false) {
                    let extended = self.open_as(esp, Some(0), out)?;
                    if extended.authentic == Some(true) {
                        return Ok(extended);
                    }
                }
                Ok(short)
            }
        }
    }

    fn open_as(&self, esp: &[u8], high: Option<u32>, out: &mut Vec<u8>) -> Result<Opened, OpenError> {
        let Some((header, _)) = esp.split_first_chunk::<ESP_HEADER>() else {
            out.clear();
            return Err(OpenError::TooShort { found: esp.len(), needed: ESP_HEADER });
        };
        let [s0, s1, s2, s3, n0, n1, n2, n3] = *header;
        let low = u32::from_be_bytes([n0, n1, n2, n3]);
        let upper = high.unwrap_or(0);
        let [h0, h1, h2, h3] = upper.to_be_bytes();
        let number = u64::from(upper) << 32 | u64::from(low);
        // RFC 4106 section 5: SPI, then the sequence number in its full length.
        let extended = [s0, s1, s2, s3, h0, h1, h2, h3, n0, n1, n2, n3];
        let sequence = match high {
            None => Sequence { associated: header, high: &[], number },
            Some(_) => Sequence { associated: &extended, high: &extended[4..8], number },
        };
        self.protection.open(esp, ESP_HEADER..esp.len(), 2, sequence, out)
    }
}

/// An IKEv2 security association (RFC 7296): both directions, as far as their keys are known.
#[derive(Debug, Default)]
pub struct Ike2Sa {
    pub(super) initiator: Option<Protection>,
    pub(super) responder: Option<Protection>,
}

impl Ike2Sa {
    /// Decrypts an Encrypted payload (RFC 7296 section 3.14, RFC 5282), or a fragment of one (RFC 7383), and checks it.
    ///
    /// `message` is the IKE message from its header on, `sk_body` the payload in it behind its generic header, for a
    /// fragment behind the fragment's numbers. `from_initiator` is the header's flag of the association's initiator.
    /// The plaintext, which is a chain of payloads or a piece of it, goes into `out`, whose room is used again. A wrong
    /// check value or tag does not hide the plaintext, it makes [`Opened::authentic`] false.
    pub fn open(
        &self,
        message: &[u8],
        sk_body: Range<usize>,
        from_initiator: bool,
        out: &mut Vec<u8>,
    ) -> Result<Opened, OpenError> {
        out.clear();
        let (keys, who) = match from_initiator {
            true => (&self.initiator, "initiator"),
            false => (&self.responder, "responder"),
        };
        let protection = keys.as_ref().ok_or(OpenError::NoKeys(who))?;
        if sk_body.start > sk_body.end || sk_body.end > message.len() {
            return Err(OpenError::OutOfMessage);
        }
        let sequence = Sequence { associated: &message[..sk_body.start], high: &[], number: 0 };
        protection.open(message, sk_body, 1, sequence, out)
    }
}
