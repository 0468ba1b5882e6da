//! A whole legal NHRP message: RFC 2332, section 5; header drawings are in the modules of its parts.

use super::extension::{Extension, ExtensionValue, Extensions};
use super::fixed::{self, Fixed, Raw, TypeLen, VERSION, field};
use super::mandatory::{Body, Mandatory};
use crate::checksum;
use crate::code::{ExtensionType, MessageType};
use crate::cursor::{Writer, put_at};
use crate::error::{Error, ErrorKind, Layer, Result};

/// A legal NHRP message. What the wire needs besides (version, sizes, offsets, checksum, End) follows from this.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// Address families and hop count.
    pub fixed: Fixed,
    /// The mandatory part.
    pub body: Body,
    /// The extensions in their order, without End.
    pub extensions: Extensions,
}

impl Message {
    /// A message without extensions.
    pub fn new(fixed: Fixed, body: Body) -> Self {
        Self { fixed, body, extensions: Extensions::new() }
    }

    /// ar$op.type.
    pub const fn message_type(&self) -> MessageType {
        self.body.message_type()
    }

    /// The mandatory part of a request or reply.
    pub const fn mandatory(&self) -> Option<&Mandatory> {
        self.body.mandatory()
    }

    /// The mandatory part of a request or reply, to change it.
    pub const fn mandatory_mut(&mut self) -> Option<&mut Mandatory> {
        self.body.mandatory_mut()
    }

    /// The first extension of type `code`.
    pub fn extension(&self, code: ExtensionType) -> Option<&ExtensionValue> {
        self.extensions.iter().map(|extension| &extension.value).find(|value| value.code() == code)
    }

    /// The first extension of type `code`, to change it.
    pub fn extension_mut(&mut self, code: ExtensionType) -> Option<&mut ExtensionValue> {
        self.extensions.iter_mut().map(|extension| &mut extension.value).find(|value| value.code() == code)
    }

    /// Reads a message from the front of `bytes`, which begin with ar$afn (behind GRE). Octets behind ar$pktsz are
    /// padding of a lower layer and are ignored.
    ///
    /// Checked in this order: version (it decides the format), packet size, checksum, message type, address families,
    /// extension offset, mandatory part, extensions.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        const LAYER: Layer = Layer::NhrpFixed;
        let raw = Raw::read(bytes)?;
        if raw.version != VERSION {
            let at = field::VERSION.start;
            return Err(Error::new(LAYER, ErrorKind::BadVersion, at, VERSION.into(), raw.version.into()));
        }
        let size = usize::from(raw.packet_size);
        if size < field::ADDRESSES {
            let at = field::PACKET_SIZE.start;
            return Err(Error::new(LAYER, ErrorKind::BadLength, at, field::ADDRESSES, size));
        }
        let Some(bytes) = bytes.get(..size) else {
            return Err(Error::new(LAYER, ErrorKind::Truncated, 0, size, bytes.len()));
        };
        let sum = checksum::of(bytes);
        if sum != 0 {
            let at = field::CHECKSUM.start;
            let needed = checksum::update(sum, raw.checksum, 0);
            return Err(Error::new(LAYER, ErrorKind::BadChecksum, at, needed.into(), raw.checksum.into()));
        }
        let Some(body) = Body::empty(raw.message_type) else {
            let at = field::TYPE.start;
            return Err(Error::new(LAYER, ErrorKind::UnknownType, at, 0, raw.message_type.0.into()));
        };
        // Filled where it stands: copying what was just written in small pieces costs more than reading it.
        let mut message = Self { fixed: raw.fixed, body, extensions: Extensions::new() };
        let families = raw.fixed.families()?;

        let extension_offset = usize::from(raw.extension_offset);
        let mandatory_end = match extension_offset {
            0 => size,
            offset => {
                let at = field::EXTENSION_OFFSET.start;
                if raw.message_type == MessageType::ERROR_INDICATION {
                    return Err(Error::new(LAYER, ErrorKind::ExtensionsNotAllowed, at, 0, offset));
                }
                let legal = offset.clamp(field::ADDRESSES, (size - 1).max(field::ADDRESSES));
                if offset != legal || offset >= size {
                    return Err(Error::new(LAYER, ErrorKind::BadExtensionOffset, at, legal, offset));
                }
                offset
            }
        };
        // No default is ever taken below: all ranges lie within `bytes`, as just checked.
        let mandatory = bytes.get(fixed::LEN..mandatory_end).unwrap_or_default();
        message.body.read(&raw, mandatory, families)?;
        if extension_offset != 0 {
            let part = bytes.get(extension_offset..).unwrap_or_default();
            let src_proto_len = message.body.src_proto().len();
            Extension::parse_all(part, extension_offset, families, src_proto_len, &mut message.extensions)?;
        }
        Ok(message)
    }

    /// Octets that `emit` writes.
    pub fn emitted_len(&self) -> usize {
        let extensions: usize = self.extensions.iter().map(Extension::emitted_len).sum();
        let end = if self.extensions.is_empty() { 0 } else { super::extension::HEADER_LEN };
        fixed::LEN + self.body.emitted_len() + extensions + end
    }

    /// Writes the message with its checksum to the front of `bytes` and returns its length.
    ///
    /// Fails if the buffer is too small ([`ErrorKind::NoRoom`]), if an address is not of the family that the fixed part
    /// names, if a length does not fit its field, or if an Error Indication has extensions. The buffer may be partly
    /// written then.
    #[inline]
    pub fn emit(&self, bytes: &mut [u8]) -> Result<usize> {
        const LAYER: Layer = Layer::NhrpFixed;
        let families = self.fixed.families()?;
        if !self.extensions.is_empty() && self.message_type() == MessageType::ERROR_INDICATION {
            let at = field::EXTENSION_OFFSET.start;
            return Err(Error::new(LAYER, ErrorKind::ExtensionsNotAllowed, at, 0, self.extensions.len()));
        }
        let nbma = self.body.nbma_type_len(families)?;
        let src_proto_len = self.body.src_proto().len();

        // Size, checksum and extension offset follow when they are known.
        let mut writer = Writer::new(bytes);
        let raw = Raw {
            fixed: self.fixed,
            packet_size: 0,
            checksum: 0,
            extension_offset: 0,
            version: VERSION,
            message_type: self.message_type(),
            src_nbma: TypeLen(nbma),
            src_nbma_sub: TypeLen(0),
        };
        raw.write(&mut writer);
        self.body.write(&mut writer, families)?;
        let extensions_at = writer.offset();
        if !self.extensions.is_empty() {
            for extension in &self.extensions {
                extension.write(&mut writer, families, src_proto_len)?;
            }
            Extension::write_end(&mut writer);
        }
        let len = writer.finish(LAYER)?;
        let Ok(size) = u16::try_from(len) else {
            return Err(Error::new(LAYER, ErrorKind::BadLength, field::PACKET_SIZE.start, 0xffff, len));
        };
        put_at(bytes, field::PACKET_SIZE.start, size.to_be_bytes());
        if !self.extensions.is_empty() {
            // Smaller than the size, which fits.
            put_at(bytes, field::EXTENSION_OFFSET.start, (extensions_at as u16).to_be_bytes());
        }
        let checksum = checksum::of(bytes.get(..len).unwrap_or_default());
        put_at(bytes, field::CHECKSUM.start, checksum.to_be_bytes());
        Ok(len)
    }

    /// The message in a buffer of its own; fails as [`Self::emit`] does.
    pub fn to_vec(&self) -> Result<Vec<u8>> {
        let mut bytes = vec![0; self.emitted_len()];
        let len = self.emit(&mut bytes)?;
        debug_assert_eq!(len, bytes.len(), "emitted_len tells what emit writes");
        Ok(bytes)
    }
}
