//! View of an NHRP message: RFC 2332, section 5; header drawings are in the modules of its parts.

use std::ops::Range;

use super::cie::CieIter;
use super::extension::ExtensionIter;
use super::fixed::{self, ProtocolType, TypeLen, field};
use crate::addr::{NbmaAddr, ProtoAddr};
use crate::checksum;
use crate::code::{AddressFamily, ErrorCode, Flags, MessageType, TrafficCode};
use crate::cursor::{put_at, u8_at, u16_at, u32_at};
use crate::error::{Error, ErrorKind, Layer};

/// View of an NHRP message: reads what is there and judges nothing.
///
/// Accessors say `None` where octets are missing. Everything that depends on lengths believes the lengths in the packet,
/// as far as the octets go.
#[derive(Clone, Copy, Debug)]
pub struct Packet<T> {
    buffer: T,
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// A view of `buffer`, which begins with ar$afn; of any length.
    pub const fn new(buffer: T) -> Self {
        Self { buffer }
    }

    /// The octets again.
    pub fn into_inner(self) -> T {
        self.buffer
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.as_ref()
    }

    /// Where the message ends: at ar$pktsz, or earlier if octets are missing. A size smaller than the fixed part is not
    /// believed.
    pub fn end(&self) -> usize {
        let had = self.bytes().len();
        match self.packet_size() {
            Some(size) if usize::from(size) >= fixed::LEN => had.min(size.into()),
            _ => had,
        }
    }

    /// The octets of the message, up to [`Self::end`].
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes().get(..self.end()).unwrap_or_default()
    }

    /// The octets behind ar$pktsz.
    pub fn trailing(&self) -> &[u8] {
        self.bytes().get(self.end()..).unwrap_or_default()
    }

    /// ar$afn.
    pub fn afn(&self) -> Option<AddressFamily> {
        u16_at(self.bytes(), field::AFN.start).map(AddressFamily)
    }

    /// ar$pro.type and ar$pro.snap.
    pub fn protocol(&self) -> Option<ProtocolType> {
        let code = u16_at(self.bytes(), field::PRO_TYPE.start)?;
        let snap = self.bytes().get(field::PRO_SNAP)?.first_chunk()?;
        Some(ProtocolType::from_fields(code, *snap))
    }

    /// ar$hopcnt, in hops.
    pub fn hop_count(&self) -> Option<u8> {
        u8_at(self.bytes(), field::HOP_COUNT.start)
    }

    /// ar$pktsz, in octets.
    pub fn packet_size(&self) -> Option<u16> {
        u16_at(self.bytes(), field::PACKET_SIZE.start)
    }

    /// ar$chksum.
    pub fn checksum(&self) -> Option<u16> {
        u16_at(self.bytes(), field::CHECKSUM.start)
    }

    /// ar$extoff, in octets; 0 for no extensions.
    pub fn extension_offset(&self) -> Option<u16> {
        u16_at(self.bytes(), field::EXTENSION_OFFSET.start)
    }

    /// ar$op.version.
    pub fn version(&self) -> Option<u8> {
        u8_at(self.bytes(), field::VERSION.start)
    }

    /// ar$op.type.
    pub fn message_type(&self) -> Option<MessageType> {
        u8_at(self.bytes(), field::TYPE.start).map(MessageType)
    }

    /// ar$shtl.
    pub fn src_nbma_tl(&self) -> Option<TypeLen> {
        u8_at(self.bytes(), field::SRC_NBMA_TL.start).map(TypeLen)
    }

    /// ar$sstl.
    pub fn src_nbma_sub_tl(&self) -> Option<TypeLen> {
        u8_at(self.bytes(), field::SRC_NBMA_SUB_TL.start).map(TypeLen)
    }

    /// Octets of the source protocol address.
    pub fn src_proto_len(&self) -> Option<u8> {
        u8_at(self.bytes(), field::SRC_PROTO_LEN.start)
    }

    /// Octets of the destination protocol address.
    pub fn dst_proto_len(&self) -> Option<u8> {
        u8_at(self.bytes(), field::DST_PROTO_LEN.start)
    }

    /// Flags; in the two indications the unused word at their place.
    pub fn flags(&self) -> Option<Flags> {
        u16_at(self.bytes(), field::FLAGS.start).map(Flags)
    }

    /// Request ID; meaningful in requests and replies.
    pub fn request_id(&self) -> Option<u32> {
        u32_at(self.bytes(), field::REQUEST_ID.start)
    }

    /// Error code; meaningful in Error Indications.
    pub fn error_code(&self) -> Option<ErrorCode> {
        u16_at(self.bytes(), field::INDICATION_CODE.start).map(ErrorCode)
    }

    /// Error offset, in octets; meaningful in Error Indications.
    pub fn error_offset(&self) -> Option<u16> {
        u16_at(self.bytes(), field::ERROR_OFFSET.start)
    }

    /// Traffic code; meaningful in Traffic Indications.
    pub fn traffic_code(&self) -> Option<TrafficCode> {
        u16_at(self.bytes(), field::INDICATION_CODE.start).map(TrafficCode)
    }

    /// Where the parts without a fixed place should stand, by the lengths in the packet; the octets may be missing.
    pub fn layout(&self) -> Option<Layout> {
        let src_nbma = field::ADDRESSES..field::ADDRESSES + self.src_nbma_tl()?.len();
        let src_nbma_sub = src_nbma.end..src_nbma.end + self.src_nbma_sub_tl()?.len();
        let src_proto = src_nbma_sub.end..src_nbma_sub.end + usize::from(self.src_proto_len()?);
        let dst_proto = src_proto.end..src_proto.end + usize::from(self.dst_proto_len()?);
        let mandatory_end = match usize::from(self.extension_offset()?) {
            offset if (fixed::LEN..=self.end()).contains(&offset) => offset,
            _ => self.end(),
        };
        let rest = dst_proto.end.min(mandatory_end)..mandatory_end;
        Some(Layout { src_nbma, src_nbma_sub, src_proto, dst_proto, rest })
    }

    /// Where the mandatory part stands, as far as its octets go.
    pub fn mandatory_range(&self) -> Range<usize> {
        let end = self.layout().map_or(self.end(), |layout| layout.rest.end);
        fixed::LEN.min(end)..end
    }

    fn part(&self, range: impl Fn(Layout) -> Range<usize>) -> Option<&[u8]> {
        self.as_bytes().get(range(self.layout()?))
    }

    /// The octets of the source NBMA address.
    pub fn src_nbma_octets(&self) -> Option<&[u8]> {
        self.part(|layout| layout.src_nbma)
    }

    /// The source NBMA address; `None` also if it has the length of no IP address.
    pub fn src_nbma(&self) -> Option<NbmaAddr> {
        NbmaAddr::from_octets(self.src_nbma_octets()?)
    }

    /// The octets of the source NBMA sub-address.
    pub fn src_nbma_sub_octets(&self) -> Option<&[u8]> {
        self.part(|layout| layout.src_nbma_sub)
    }

    /// The octets of the source protocol address.
    pub fn src_proto_octets(&self) -> Option<&[u8]> {
        self.part(|layout| layout.src_proto)
    }

    /// The source protocol address; `None` also if it has the length of no IP address.
    pub fn src_proto(&self) -> Option<ProtoAddr> {
        ProtoAddr::from_octets(self.src_proto_octets()?)
    }

    /// The octets of the destination protocol address.
    pub fn dst_proto_octets(&self) -> Option<&[u8]> {
        self.part(|layout| layout.dst_proto)
    }

    /// The destination protocol address; `None` also if it has the length of no IP address.
    pub fn dst_proto(&self) -> Option<ProtoAddr> {
        ProtoAddr::from_octets(self.dst_proto_octets()?)
    }

    fn is_indication(&self) -> bool {
        matches!(self.message_type(), Some(MessageType::ERROR_INDICATION | MessageType::TRAFFIC_INDICATION))
    }

    /// The client entries of a request or reply (and of a type that is not known); none in the two indications. If the
    /// octets end too early, the last item says where.
    pub fn cies(&self) -> CieIter<'_> {
        if self.is_indication() {
            return CieIter::new(&[], 0);
        }
        let bytes = self.as_bytes();
        let cut = |needed| Error::new(Layer::NhrpMandatory, ErrorKind::Truncated, 0, needed, bytes.len());
        let Some(layout) = self.layout() else { return CieIter::failed(cut(field::ADDRESSES)) };
        if layout.dst_proto.end > layout.rest.end {
            let (at, had) = (fixed::LEN, layout.rest.end.saturating_sub(fixed::LEN));
            let needed = layout.dst_proto.end - at;
            return CieIter::failed(Error::new(Layer::NhrpMandatory, ErrorKind::Truncated, at, needed, had));
        }
        CieIter::new(bytes.get(layout.rest.clone()).unwrap_or_default(), layout.rest.start)
    }

    /// What one of the two indications quotes: the bad NHRP packet from its ar$afn, or the first octets of an IP packet.
    pub fn quoted(&self) -> Option<&[u8]> {
        if self.is_indication() { self.part(|layout| layout.rest) } else { None }
    }

    /// The extensions, End included. If they cannot be found, or end too early, the last item says where.
    pub fn extensions(&self) -> ExtensionIter<'_> {
        let bytes = self.as_bytes();
        let offset = match self.extension_offset() {
            None | Some(0) => return ExtensionIter::none(),
            Some(offset) => usize::from(offset),
        };
        let layer = Layer::NhrpFixed;
        let at = field::EXTENSION_OFFSET.start;
        if offset < fixed::LEN {
            return ExtensionIter::failed(Error::new(layer, ErrorKind::BadExtensionOffset, at, fixed::LEN, offset));
        }
        match bytes.get(offset..) {
            Some(part) => ExtensionIter::new(part, offset),
            // Octets are missing, or the offset is wrong: the size knows.
            None if self.packet_size().is_some_and(|size| usize::from(size) >= offset) => {
                ExtensionIter::failed(Error::new(layer, ErrorKind::Truncated, 0, offset, bytes.len()))
            }
            None => ExtensionIter::failed(Error::new(layer, ErrorKind::BadExtensionOffset, at, bytes.len(), offset)),
        }
    }

    /// Whether the octets sum to zero; `None` if some are missing, as the sum says nothing then.
    pub fn verify_checksum(&self) -> Option<bool> {
        let size = usize::from(self.packet_size()?);
        self.bytes().get(..size).filter(|bytes| bytes.len() >= fixed::LEN).map(checksum::verify)
    }
}

/// Where the parts of the mandatory part stand, in octets from the start of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Source NBMA address.
    pub src_nbma: Range<usize>,
    /// Source NBMA sub-address.
    pub src_nbma_sub: Range<usize>,
    /// Source protocol address.
    pub src_proto: Range<usize>,
    /// Destination protocol address.
    pub dst_proto: Range<usize>,
    /// Client entries or the quoted packet, cut to the octets that are there.
    pub rest: Range<usize>,
}

/// Changes in place, for a forwarding server and for whoever wants broken packets. Where the octets of a field are
/// missing nothing happens. The checksum follows only where it is said.
impl<T: AsRef<[u8]> + AsMut<[u8]>> Packet<T> {
    fn put<const N: usize>(&mut self, at: usize, octets: [u8; N]) {
        put_at(self.buffer.as_mut(), at, octets);
    }

    /// Overwrites ar$afn.
    pub fn set_afn(&mut self, afn: AddressFamily) {
        self.put(field::AFN.start, afn.0.to_be_bytes());
    }

    /// Overwrites ar$hopcnt, in hops.
    pub fn set_hop_count(&mut self, hops: u8) {
        self.put(field::HOP_COUNT.start, [hops]);
    }

    /// Takes one from ar$hopcnt and adjusts the checksum, right or wrong as it was (RFC 2332, section 5.1, and RFC 1624).
    /// Returns the new count; `None`, and no change, if it is 0 already or octets are missing.
    pub fn decrement_hop_count(&mut self) -> Option<u8> {
        // The count is the second octet of the word at 8.
        let word_at = field::HOP_COUNT.start - 1;
        let old = u16_at(self.bytes(), word_at)?;
        let checksum = self.checksum()?;
        let hops = self.hop_count()?.checked_sub(1)?;
        self.set_hop_count(hops);
        self.set_checksum(checksum::update(checksum, old, old - 1));
        Some(hops)
    }

    /// Overwrites ar$pktsz, in octets.
    pub fn set_packet_size(&mut self, size: u16) {
        self.put(field::PACKET_SIZE.start, size.to_be_bytes());
    }

    /// Overwrites ar$chksum.
    pub fn set_checksum(&mut self, checksum: u16) {
        self.put(field::CHECKSUM.start, checksum.to_be_bytes());
    }

    /// Overwrites ar$extoff, in octets.
    pub fn set_extension_offset(&mut self, offset: u16) {
        self.put(field::EXTENSION_OFFSET.start, offset.to_be_bytes());
    }

    /// Overwrites ar$op.version.
    pub fn set_version(&mut self, version: u8) {
        self.put(field::VERSION.start, [version]);
    }

    /// Overwrites ar$op.type.
    pub fn set_message_type(&mut self, message_type: MessageType) {
        self.put(field::TYPE.start, [message_type.0]);
    }

    /// Overwrites the flags.
    pub fn set_flags(&mut self, flags: Flags) {
        self.put(field::FLAGS.start, flags.0.to_be_bytes());
    }

    /// Overwrites the Request ID.
    pub fn set_request_id(&mut self, id: u32) {
        self.put(field::REQUEST_ID.start, id.to_be_bytes());
    }

    /// Computes the checksum over ar$pktsz octets, or as many of them as are there, and puts it in.
    pub fn fill_checksum(&mut self) {
        self.set_checksum(0);
        let checksum = checksum::of(self.as_bytes());
        self.set_checksum(checksum);
    }
}
