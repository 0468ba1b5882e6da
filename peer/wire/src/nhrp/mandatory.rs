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

use super::cie::{Cie, Cies};
use super::fixed::{Raw, field};
use crate::addr::{Families, NbmaAddr, ProtoAddr};
use crate::code::{ErrorCode, Flags, MessageType, TrafficCode};
use crate::cursor::{Cursor, Writer};
use crate::error::{Layer, Result};

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

/// The part that all eight types share.
struct Head {
    src_nbma: NbmaAddr,
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
    #[inline]
    pub fn src_nbma(&self) -> NbmaAddr {
        self.head().src_nbma
    }

    /// Protocol address of the sender (of the requester, in a reply).
    #[inline]
    pub fn src_proto(&self) -> ProtoAddr {
        self.head().src_proto
    }

    /// Destination protocol address.
    pub fn dst_proto(&self) -> ProtoAddr {
        self.head().dst_proto
    }

    #[inline(always)]
    fn head(&self) -> Head {
        match self {
            Self::ResolutionRequest(m)
            | Self::ResolutionReply(m)
            | Self::RegistrationRequest(m)
            | Self::RegistrationReply(m)
            | Self::PurgeRequest(m)
            | Self::PurgeReply(m) => Head {
                src_nbma: m.src_nbma,
                src_proto: m.src_proto,
                dst_proto: m.dst_proto,
                words: (m.flags.0, m.request_id),
            },
            Self::ErrorIndication(e) => Head {
                src_nbma: e.src_nbma,
                src_proto: e.src_proto,
                dst_proto: e.dst_proto,
                words: (0, u32::from(e.code.0) << 16 | u32::from(e.offset)),
            },
            Self::TrafficIndication(t) => Head {
                src_nbma: t.src_nbma,
                src_proto: t.src_proto,
                dst_proto: t.dst_proto,
                words: (0, u32::from(t.code.0) << 16),
            },
        }
    }

    /// An empty body of type `message_type`; `None` if there is no such type.
    #[inline]
    pub(crate) fn empty(message_type: MessageType) -> Option<Self> {
        Some(match message_type {
            MessageType::RESOLUTION_REQUEST => Self::ResolutionRequest(Mandatory::default()),
            MessageType::RESOLUTION_REPLY => Self::ResolutionReply(Mandatory::default()),
            MessageType::REGISTRATION_REQUEST => Self::RegistrationRequest(Mandatory::default()),
            MessageType::REGISTRATION_REPLY => Self::RegistrationReply(Mandatory::default()),
            MessageType::PURGE_REQUEST => Self::PurgeRequest(Mandatory::default()),
            MessageType::PURGE_REPLY => Self::PurgeReply(Mandatory::default()),
            MessageType::ERROR_INDICATION => Self::ErrorIndication(ErrorIndication::default()),
            MessageType::TRAFFIC_INDICATION => Self::TrafficIndication(TrafficIndication::default()),
            _ => return None,
        })
    }

    /// Fills an empty body from `bytes`, the mandatory part.
    #[inline]
    pub(crate) fn read(&mut self, raw: &Raw, bytes: &[u8], families: Families) -> Result<()> {
        const LAYER: Layer = Layer::NhrpMandatory;
        let mut cursor = Cursor::new(bytes, super::fixed::LEN, LAYER);
        let [src_len, dst_len, f0, f1, i0, i1, i2, i3] = cursor.array::<HEAD_LEN>()?;
        let code = u16::from_be_bytes([i0, i1]);
        let (src_nbma, src_proto, dst_proto) = match self {
            Self::ErrorIndication(e) => {
                e.code = ErrorCode(code);
                e.offset = u16::from_be_bytes([i2, i3]);
                (&mut e.src_nbma, &mut e.src_proto, &mut e.dst_proto)
            }
            Self::TrafficIndication(t) => {
                t.code = TrafficCode(code);
                (&mut t.src_nbma, &mut t.src_proto, &mut t.dst_proto)
            }
            Self::ResolutionRequest(m)
            | Self::ResolutionReply(m)
            | Self::RegistrationRequest(m)
            | Self::RegistrationReply(m)
            | Self::PurgeRequest(m)
            | Self::PurgeReply(m) => {
                m.flags = Flags(u16::from_be_bytes([f0, f1]));
                m.request_id = u32::from_be_bytes([i0, i1, i2, i3]);
                (&mut m.src_nbma, &mut m.src_proto, &mut m.dst_proto)
            }
        };

        let nbma_at = field::SRC_NBMA_TL.start;
        let nbma_len = raw.src_nbma.ip_len(Layer::NhrpFixed, nbma_at)?;
        raw.src_nbma_sub.no_sub_address(Layer::NhrpFixed, field::SRC_NBMA_SUB_TL.start)?;
        src_nbma.read(&mut cursor, nbma_len, families.nbma, (Layer::NhrpFixed, nbma_at))?;
        src_proto.read(&mut cursor, src_len, families.proto, (LAYER, field::SRC_PROTO_LEN.start))?;
        dst_proto.read(&mut cursor, dst_len, families.proto, (LAYER, field::DST_PROTO_LEN.start))?;

        let at = cursor.offset();
        let rest = cursor.take_rest();
        match self {
            Self::ErrorIndication(e) => e.packet = rest.to_vec(),
            Self::TrafficIndication(t) => t.packet = rest.to_vec(),
            Self::ResolutionRequest(m)
            | Self::ResolutionReply(m)
            | Self::RegistrationRequest(m)
            | Self::RegistrationReply(m)
            | Self::PurgeRequest(m)
            | Self::PurgeReply(m) => Cie::parse_all(rest, at, families, &mut m.cies)?,
        }
        Ok(())
    }

    /// Octets of the mandatory part on the wire.
    #[inline]
    pub fn emitted_len(&self) -> usize {
        let head = self.head();
        let addresses = head.src_nbma.len() + head.src_proto.len() + head.dst_proto.len();
        HEAD_LEN
            + addresses
            + match self {
                Self::ErrorIndication(e) => e.packet.len(),
                Self::TrafficIndication(t) => t.packet.len(),
                _ => self.mandatory().map_or(0, |m| m.cies.iter().map(Cie::emitted_len).sum()),
            }
    }

    /// ar$shtl.
    #[inline]
    pub(crate) fn nbma_type_len(&self, families: Families) -> Result<u8> {
        self.src_nbma().wire_len(families.nbma, (Layer::NhrpFixed, field::SRC_NBMA_TL.start))
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
