//! NHRP messages for people: one line for ladders and logs, or one line per field (RFC 2332, section 5).
//!
//! Both work on any octets and print what can be read of them. Neither prints the value of an authentication extension.

use std::fmt::{Display, Formatter, Result};

use super::cie::{CieIter, CieView};
use super::extension::ExtensionView;
use super::fixed::field;
use super::packet::Packet;
use crate::code::{CieCode, ExtensionType, MessageType};
use crate::{ipv4, ipv6};

/// One line: type, request id, addresses, what is asked or answered, flags.
///
/// `NHRP Registration Request id 7 10.0.0.2 -> 10.0.0.1 nbma 192.0.2.11 hold 60 [U]`
pub fn summary(bytes: &[u8]) -> impl Display + '_ {
    Summary { packet: Packet::new(bytes), whole: true }
}

/// One line per field, each with its offset, as far as the octets go; every line ends with a newline.
pub fn details(bytes: &[u8]) -> impl Display + '_ {
    Details(Packet::new(bytes))
}

struct Summary<'a> {
    packet: Packet<&'a [u8]>,
    /// A quoted packet is often cut, and then that is no news.
    whole: bool,
}

impl Display for Summary<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let packet = &self.packet;
        let Some(message_type) = packet.message_type() else {
            return write!(f, "NHRP cut to {} octets", packet.as_bytes().len());
        };
        write!(f, "NHRP {message_type}")?;
        match message_type {
            MessageType::ERROR_INDICATION => {
                field(f, " ", packet.error_code())?;
                field(f, " at ", packet.error_offset())?;
            }
            MessageType::TRAFFIC_INDICATION => field(f, " ", packet.traffic_code())?,
            _ => field(f, " id ", packet.request_id())?,
        }
        if let Some(layout) = packet.layout() {
            let octets = packet.as_bytes();
            write!(f, " {}", Address(octets.get(layout.src_proto)))?;
            write!(f, " -> {}", Address(octets.get(layout.dst_proto)))?;
            write!(f, " nbma {}", Address(octets.get(layout.src_nbma)))?;
        }
        match (message_type, packet.quoted()) {
            (MessageType::ERROR_INDICATION, Some(quoted)) => {
                write!(f, " about ({})", Summary { packet: Packet::new(quoted), whole: false })?;
            }
            (_, Some(quoted)) => write!(f, " about ({})", Inner(quoted))?,
            (_, None) => {
                for cie in packet.cies().map_while(|cie| cie.ok()) {
                    clients(f, message_type, &cie)?;
                }
            }
        }
        // The word is unused in the indications.
        if packet.quoted().is_none()
            && let Some(flags) = packet.flags().filter(|flags| flags.0 != 0)
        {
            write!(f, " [{}]", flags.letters(message_type))?;
        }
        if let (true, Some(size)) = (self.whole, packet.packet_size())
            && packet.as_bytes().len() < usize::from(size)
        {
            write!(f, " (cut: {} of {size} octets)", packet.as_bytes().len())?;
        }
        if self.whole && packet.verify_checksum() == Some(false) {
            f.write_str(" (bad checksum)")?;
        }
        Ok(())
    }
}

/// What one client entry adds to the line: only what is not the usual.
fn clients(f: &mut Formatter<'_>, message_type: MessageType, cie: &CieView<'_>) -> Result {
    let addresses = !cie.nbma_octets().is_empty() || !cie.proto_octets().is_empty();
    if addresses {
        write!(f, ", {} is {}", Address(Some(cie.proto_octets())), Address(Some(cie.nbma_octets())))?;
    }
    if cie.code() != CieCode::SUCCESS {
        write!(f, " code {} ({})", cie.code().0, cie.code())?;
    }
    if !matches!(cie.prefix_len(), 0 | 0xff) {
        write!(f, " /{}", cie.prefix_len())?;
    }
    // A purge has no holding time.
    if !matches!(message_type, MessageType::PURGE_REQUEST | MessageType::PURGE_REPLY) || cie.holding_time() != 0 {
        write!(f, " hold {}", cie.holding_time())?;
    }
    Ok(())
}

fn field(f: &mut Formatter<'_>, before: &str, value: Option<impl Display>) -> Result {
    value.map_or(Ok(()), |value| write!(f, "{before}{value}"))
}

/// An address of any length, or the lack of it.
struct Address<'a>(Option<&'a [u8]>);

impl Display for Address<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.0 {
            None => f.write_str("?"),
            // The two kinds of addresses print alike.
            Some(octets) => match crate::NbmaAddr::from_octets(octets) {
                Some(address) => address.fmt(f),
                None => Hex(octets).fmt(f),
            },
        }
    }
}

/// Up to 32 octets as digits, and how many more there are.
struct Hex<'a>(&'a [u8]);

impl Display for Hex<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        const SHOWN: usize = 32;
        for octet in self.0.iter().take(SHOWN) {
            write!(f, "{octet:02x}")?;
        }
        match self.0.len().checked_sub(SHOWN) {
            Some(more @ 1..) => write!(f, "... {more} more"),
            _ => Ok(()),
        }
    }
}

/// The head of an IP packet: `IPv4 10.0.0.3 -> 10.0.0.2 ICMP, 28 octets`.
struct Inner<'a>(&'a [u8]);

impl Display for Inner<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (v4, v6) = (ipv4::Packet::new(self.0), ipv6::Packet::new(self.0));
        match (v4.version(), v4.src(), v4.dst(), v4.protocol()) {
            (Some(4), Some(src), Some(dst), Some(protocol)) => write!(f, "IPv4 {src} -> {dst} {protocol}, ")?,
            _ => {
                if let (Some(6), Some(src), Some(dst), Some(next)) =
                    (v6.version(), v6.src(), v6.dst(), v6.next_header())
                {
                    write!(f, "IPv6 {src} -> {dst} {next}, ")?;
                }
            }
        }
        write!(f, "{} octets", self.0.len())
    }
}

struct Details<'a>(Packet<&'a [u8]>);

impl Display for Details<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let packet = &self.0;
        let octets = packet.as_bytes();
        let kind = packet.message_type().unwrap_or_default();
        writeln!(f, "{}", Summary { packet: *packet, whole: true })?;

        line(f, field::AFN.start, "address family", packet.afn().map(|afn| numbered(afn.0, afn)))?;
        line(f, field::PRO_TYPE.start, "protocol", packet.protocol())?;
        line(f, field::HOP_COUNT.start, "hop count", packet.hop_count())?;
        line(f, field::PACKET_SIZE.start, "packet size", packet.packet_size())?;
        let right = match packet.verify_checksum() {
            Some(true) => " (right)",
            Some(false) => " (wrong)",
            None => "",
        };
        line(f, field::CHECKSUM.start, "checksum", packet.checksum().map(|sum| format!("0x{sum:04x}{right}")))?;
        line(f, field::EXTENSION_OFFSET.start, "extension offset", packet.extension_offset())?;
        line(f, field::VERSION.start, "version", packet.version())?;
        line(f, field::TYPE.start, "type", packet.message_type().map(|kind| numbered(kind.0, kind)))?;
        line(f, field::SRC_NBMA_TL.start, "source nbma t/l", packet.src_nbma_tl().map(|tl| tl.0))?;
        line(f, field::SRC_NBMA_SUB_TL.start, "source nbma sub t/l", packet.src_nbma_sub_tl().map(|tl| tl.0))?;
        line(f, field::SRC_PROTO_LEN.start, "source protocol len", packet.src_proto_len())?;
        line(f, field::DST_PROTO_LEN.start, "dest. protocol len", packet.dst_proto_len())?;
        let flags = packet.flags().map(|flags| format!("0x{:04x} [{}]", flags.0, flags.letters(kind)));
        match kind {
            MessageType::ERROR_INDICATION => {
                let code = packet.error_code().map(|code| numbered(code.0, code));
                line(f, field::INDICATION_CODE.start, "error code", code)?;
                line(f, field::ERROR_OFFSET.start, "error offset", packet.error_offset())?;
            }
            MessageType::TRAFFIC_INDICATION => {
                let code = packet.traffic_code().map(|code| numbered(code.0, code));
                line(f, field::INDICATION_CODE.start, "traffic code", code)?;
            }
            _ => {
                line(f, field::FLAGS.start, "flags", flags)?;
                line(f, field::REQUEST_ID.start, "request id", packet.request_id())?;
            }
        }
        if let Some(layout) = packet.layout() {
            for (range, name) in [
                (layout.src_nbma, "source nbma"),
                (layout.src_nbma_sub, "source nbma sub"),
                (layout.src_proto, "source protocol"),
                (layout.dst_proto, "dest. protocol"),
            ] {
                if !range.is_empty() {
                    line(f, range.start, name, octets.get(range.clone()).map(|octets| Address(Some(octets))))?;
                }
            }
            if let Some(quoted) = packet.quoted() {
                match kind {
                    MessageType::ERROR_INDICATION => {
                        let quoted = Summary { packet: Packet::new(quoted), whole: false };
                        line(f, layout.rest.start, "bad packet", Some(quoted))?;
                    }
                    _ => line(f, layout.rest.start, "inner packet", Some(Inner(quoted)))?,
                }
            }
        }
        entries(f, "client", packet.cies())?;
        for extension in packet.extensions() {
            match extension {
                Ok(extension) => one_extension(f, &extension)?,
                Err(error) => writeln!(f, "  !     {error}")?,
            }
        }
        if !packet.trailing().is_empty() {
            line(f, packet.end(), "behind the message", Some(format!("{} octets", packet.trailing().len())))?;
        }
        Ok(())
    }
}

fn one_extension(f: &mut Formatter<'_>, extension: &ExtensionView<'_>) -> Result {
    let (code, value) = (extension.code(), extension.value());
    let bits = match (extension.compulsory(), extension.unused()) {
        (false, false) => "",
        (true, false) => " C",
        (false, true) => " u",
        (true, true) => " C u",
    };
    let head = format!("{}{bits}, {} octets", numbered(code.0, code), value.len());
    match code {
        // A name and a length: the value lets its reader speak for the sender.
        ExtensionType::AUTHENTICATION | ExtensionType::END => line(f, extension.offset(), "extension", Some(head)),
        _ if extension.has_cies() => {
            line(f, extension.offset(), "extension", Some(head))?;
            entries(f, "  entry", extension.cies())
        }
        _ if value.is_empty() => line(f, extension.offset(), "extension", Some(head)),
        _ => line(f, extension.offset(), "extension", Some(format!("{head}: {}", Hex(value)))),
    }
}

fn entries(f: &mut Formatter<'_>, name: &str, entries: CieIter<'_>) -> Result {
    for entry in entries {
        match entry {
            Ok(cie) => line(
                f,
                cie.offset(),
                name,
                Some(format!(
                    "code {}, prefix {}, mtu {}, hold {} s, preference {}, nbma {}, protocol {}",
                    numbered(cie.code().0, cie.code()),
                    cie.prefix_len(),
                    cie.mtu(),
                    cie.holding_time(),
                    cie.preference(),
                    Address(Some(cie.nbma_octets())),
                    Address(Some(cie.proto_octets())),
                )),
            )?,
            Err(error) => writeln!(f, "  !     {error}")?,
        }
    }
    Ok(())
}

fn line(f: &mut Formatter<'_>, at: usize, name: &str, value: Option<impl Display>) -> Result {
    value.map_or(Ok(()), |value| writeln!(f, "  0x{at:02x}  {name:<20}{value}"))
}

fn numbered(number: impl Display, name: impl Display) -> String {
    format!("{number} ({name})")
}
