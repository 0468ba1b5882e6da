//! The mandatory part: RFC 2332, section 5.2; Traffic Indication: draft-detienne-dmvpn-01.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Src proto len | Dst proto len |        Flags / unused         | 20
//! |   Request ID, or: code                  offset / unused       | 24
//! |          Source NBMA address, source NBMA sub-address         | 28
//! |                   Source protocol address                     |
//! |                Destination protocol address                   |
//! |   Client entries (1-6), or: the packet that this is about     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use std::fmt;

use super::cie::{Cie, Cies, sub_len};
use super::fixed::{Raw, field};
use crate::addr::{Families, NbmaAddr, ProtoAddr};
use crate::code::{ErrorCode, Flags, MessageType, TrafficCode};
use crate::cursor::{Cursor, Writer};
use crate::error::{Error, ErrorKind, Layer, Result};

/// Octets before the addresses.
const HEAD_LEN: usize = 8;

/// Mandatory part of the requests and replies, types 1 to 6 (RFC 2332, sections 5.2.1 to 5.2.6).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mandatory {
    /// Flags; what they mean depends on the message type.
    pub flags: Flags,
    /// What a reply repeats of its request.
    pub request_id: u32,
    /// NBMA address of the requester.
    pub src_nbma: NbmaAddr,
    /// NBMA sub-address of the requester: nothing over IP.
    pub src_nbma_sub: Vec<u8>,
    /// Protocol address of the requester.
    pub src_proto: ProtoAddr,
    /// Protocol address that is asked for, or to which the message goes.
    pub dst_proto: ProtoAddr,
    /// Client entries.
    pub cies: Cies,
}

/// Mandatory part of an Error Indication, type 7 (RFC 2332, section 5.2.7).
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct ErrorIndication {
    /// What is wrong.
    pub code: ErrorCode,
    /// Where in the bad packet, in octets from its ar$afn.
    pub offset: u16,
    /// NBMA address of the station that found it.
    pub src_nbma: NbmaAddr,
    /// Its NBMA sub-address: nothing over IP.
    pub src_nbma_sub: Vec<u8>,
    /// Protocol address of the station that found it.
    pub src_proto: ProtoAddr,
    /// Protocol address of the sender of the bad packet.
    pub dst_proto: ProtoAddr,
    /// The bad packet from its ar$afn on, whole or cut. May hold an authentication extension.
    pub packet: Vec<u8>,
}

// By hand, because the quoted packet can hold somebody's secret.
impl fmt::Debug for ErrorIndication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorIndication")
            .field("code", &self.code)
            .field("offset", &self.offset)
            .field("src_nbma", &self.src_nbma)
            .field("src_nbma_sub", &self.src_nbma_sub)
            .field("src_proto", &self.src_proto)
            .field("dst_proto", &self.dst_proto)
            .field("packet", &format_args!("<{} octets>", self.packet.len()))
            .finish()
    }
}

/// Mandatory part of a Traffic Indication, type 8 (draft-detienne-dmvpn-01).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TrafficIndication {
    /// What is indicated.
    pub code: TrafficCode,
    /// NBMA address of the node that saw the packet turn around.
    pub src_nbma: NbmaAddr,
    /// Its NBMA sub-address: nothing over IP.
    pub src_nbma_sub: Vec<u8>,
    /// Protocol address of the node that saw the packet turn around.
    pub src_proto: ProtoAddr,
    /// In the field: source address of that packet; in the draft: its destination.
    pub dst_proto: ProtoAddr,
    /// The first octets of that packet, from its IP header on.
    pub packet: Vec<u8>,
}

/// A message without fixed part and extensions; the variant decides ar$op.type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Body {
    /// Type 1.
    ResolutionRequest(Mandatory),
    /// Type 2.
    ResolutionReply(Mandatory),
    /// Type 3.
    RegistrationRequest(Mandatory),
    /// Type 4.
    RegistrationReply(Mandatory),
    /// Type 5.
    PurgeRequest(Mandatory),
    /// Type 6.
    PurgeReply(Mandatory),
    /// Type 7.
    ErrorIndication(ErrorIndication),
    /// Type 8.
    TrafficIndication(TrafficIndication),
}

/// The part that all eight types share, borrowed from wherever it is.
struct Head<'a> {
    src_nbma: NbmaAddr,
    src_nbma_sub: &'a [u8],
    src_proto: ProtoAddr,
    dst_proto: ProtoAddr,
    /// Octets 22 to 28.
    words: (u16, u32),
}

impl Body {
    /// ar$op.type.
    pub const fn message_type(&self) -> MessageType {
        match self {
            Self::ResolutionRequest(_) => MessageType::RESOLUTION_REQUEST,
            Self::ResolutionReply(_) => MessageType::RESOLUTION_REPLY,
            Self::RegistrationRequest(_) => MessageType::REGISTRATION_REQUEST,
            Self::RegistrationReply(_) => MessageType::REGISTRATION_REPLY,
            Self::PurgeRequest(_) => MessageType::PURGE_REQUEST,
            Self::PurgeReply(_) => MessageType::PURGE_REPLY,
            Self::ErrorIndication(_) => MessageType::ERROR_INDICATION,
            Self::TrafficIndication(_) => MessageType::TRAFFIC_INDICATION,
        }
    }

    /// The mandatory part of a request or reply.
    pub const fn mandatory(&self) -> Option<&Mandatory> {
        match self {
            Self::ResolutionRequest(m)
            | Self::ResolutionReply(m)
            | Self::RegistrationRequest(m)
            | Self::RegistrationReply(m)
            | Self::PurgeRequest(m)
            | Self::PurgeReply(m) => Some(m),
            Self::ErrorIndication(_) | Self::TrafficIndication(_) => None,
        }
    }

    /// The mandatory part of a request or reply, to change it.
    pub const fn mandatory_mut(&mut self) -> Option<&mut Mandatory> {
        match self {
            Self::ResolutionRequest(m)
            | Self::ResolutionReply(m)
            | Self::RegistrationRequest(m)
            | Self::RegistrationReply(m)
            | Self::PurgeRequest(m)
            | Self::PurgeReply(m) => Some(m),
            Self::ErrorIndication(_) | Self::TrafficIndication(_) => None,
        }
    }

    /// NBMA address of the sender (of the requester, in a reply).
    pub fn src_nbma(&self) -> NbmaAddr {
        self.head().src_nbma
    }

    /// Protocol address of the sender (of the requester, in a reply).
    pub fn src_proto(&self) -> ProtoAddr {
        self.head().src_proto
    }

    /// Destination protocol address.
    pub fn dst_proto(&self) -> ProtoAddr {
        self.head().dst_proto
    }

    #[inline]
    fn head(&self) -> Head<'_> {
        match self {
            Self::ResolutionRequest(m)
            | Self::ResolutionReply(m)
            | Self::RegistrationRequest(m)
            | Self::RegistrationReply(m)
            | Self::PurgeRequest(m)
            | Self::PurgeReply(m) => Head {
                src_nbma: m.src_nbma,
                src_nbma_sub: &m.src_nbma_sub,
                src_proto: m.src_proto,
                dst_proto: m.dst_proto,
                words: (m.flags.0, m.request_id),
            },
            Self::ErrorIndication(e) => Head {
                src_nbma: e.src_nbma,
                src_nbma_sub: &e.src_nbma_sub,
                src_proto: e.src_proto,
                dst_proto: e.dst_proto,
                words: (0, u32::from(e.code.0) << 16 | u32::from(e.offset)),
            },
            Self::TrafficIndication(t) => Head {
                src_nbma: t.src_nbma,
                src_nbma_sub: &t.src_nbma_sub,
                src_proto: t.src_proto,
                dst_proto: t.dst_proto,
                words: (0, u32::from(t.code.0) << 16),
            },
        }
    }

    /// Reads from `bytes`, the mandatory part.
    #[inline]
    pub(crate) fn parse(raw: &Raw, bytes: &[u8], families: Families) -> Result<Self> {
        const LAYER: Layer = Layer::NhrpMandatory;
        let mut cursor = Cursor::new(bytes, super::fixed::LEN, LAYER);
        let [src_len, dst_len, f0, f1, i0, i1, i2, i3] = cursor.array::<HEAD_LEN>()?;
        let nbma_at = field::SRC_NBMA_TL.start;
        let sub_at = field::SRC_NBMA_SUB_TL.start;
        let nbma_len = raw.src_nbma.ip_len(Layer::NhrpFixed, nbma_at)?;
        let sub_len = raw.src_nbma_sub.ip_len(Layer::NhrpFixed, sub_at)?;
        let src_nbma = NbmaAddr::parse(&mut cursor, nbma_len, families.nbma, (Layer::NhrpFixed, nbma_at))?;
        let src_nbma_sub = if sub_len == 0 { Vec::new() } else { cursor.take(sub_len.into())?.to_vec() };
        let blame = (LAYER, field::SRC_PROTO_LEN.start);
        let src_proto = ProtoAddr::parse(&mut cursor, src_len, families.proto, blame)?;
        let blame = (LAYER, field::DST_PROTO_LEN.start);
        let dst_proto = ProtoAddr::parse(&mut cursor, dst_len, families.proto, blame)?;
        let at = cursor.offset();
        let rest = cursor.take_rest();

        let code = u16::from_be_bytes([i0, i1]);
        let wrap = match raw.message_type {
            MessageType::RESOLUTION_REQUEST => Self::ResolutionRequest,
            MessageType::RESOLUTION_REPLY => Self::ResolutionReply,
            MessageType::REGISTRATION_REQUEST => Self::RegistrationRequest,
            MessageType::REGISTRATION_REPLY => Self::RegistrationReply,
            MessageType::PURGE_REQUEST => Self::PurgeRequest,
            MessageType::PURGE_REPLY => Self::PurgeReply,
            MessageType::ERROR_INDICATION => {
                return Ok(Self::ErrorIndication(ErrorIndication {
                    code: ErrorCode(code),
                    offset: u16::from_be_bytes([i2, i3]),
                    src_nbma,
                    src_nbma_sub,
                    src_proto,
                    dst_proto,
                    packet: rest.to_vec(),
                }));
            }
            MessageType::TRAFFIC_INDICATION => {
                return Ok(Self::TrafficIndication(TrafficIndication {
                    code: TrafficCode(code),
                    src_nbma,
                    src_nbma_sub,
                    src_proto,
                    dst_proto,
                    packet: rest.to_vec(),
                }));
            }
            MessageType(had) => {
                let at = field::TYPE.start;
                return Err(Error::new(Layer::NhrpFixed, ErrorKind::UnknownType, at, 0, had.into()));
            }
        };
        Ok(wrap(Mandatory {
            flags: Flags(u16::from_be_bytes([f0, f1])),
            request_id: u32::from_be_bytes([i0, i1, i2, i3]),
            src_nbma,
            src_nbma_sub,
            src_proto,
            dst_proto,
            cies: Cie::parse_all(rest, at, families)?,
        }))
    }

    /// Octets of the mandatory part on the wire.
    pub fn emitted_len(&self) -> usize {
        let head = self.head();
        let addresses = head.src_nbma.len() + head.src_nbma_sub.len() + head.src_proto.len() + head.dst_proto.len();
        HEAD_LEN
            + addresses
            + match self {
                Self::ErrorIndication(e) => e.packet.len(),
                Self::TrafficIndication(t) => t.packet.len(),
                _ => self.mandatory().map_or(0, |m| m.cies.iter().map(Cie::emitted_len).sum()),
            }
    }

    /// ar$shtl and ar$sstl.
    #[inline]
    pub(crate) fn nbma_type_lens(&self, families: Families) -> Result<(u8, u8)> {
        let head = self.head();
        Ok((
            head.src_nbma.wire_len(families.nbma, (Layer::NhrpFixed, field::SRC_NBMA_TL.start))?,
            sub_len(head.src_nbma_sub, Layer::NhrpFixed, field::SRC_NBMA_SUB_TL.start)?,
        ))
    }

    #[inline]
    pub(crate) fn write(&self, writer: &mut Writer<'_>, families: Families) -> Result<()> {
        const LAYER: Layer = Layer::NhrpMandatory;
        let head = self.head();
        writer.array([
            head.src_proto.wire_len(families.proto, (LAYER, field::SRC_PROTO_LEN.start))?,
            head.dst_proto.wire_len(families.proto, (LAYER, field::DST_PROTO_LEN.start))?,
        ]);
        writer.array(head.words.0.to_be_bytes());
        writer.array(head.words.1.to_be_bytes());
        head.src_nbma.write(writer);
        if !head.src_nbma_sub.is_empty() {
            writer.slice(head.src_nbma_sub);
        }
        head.src_proto.write(writer);
        head.dst_proto.write(writer);
        match self {
            Self::ErrorIndication(e) => writer.slice(&e.packet),
            Self::TrafficIndication(t) => writer.slice(&t.packet),
            _ => {
                for cie in self.mandatory().into_iter().flat_map(|m| &m.cies) {
                    cie.write(writer, families)?;
                }
            }
        }
        Ok(())
    }
}
