//! NHRP, field by field (RFC 2332 section 5).

use dmvpn_wire::nhrp::cie::{CieIter, CieView};
use dmvpn_wire::nhrp::extension::ExtensionView;
use dmvpn_wire::nhrp::fixed::field as fixed;
use dmvpn_wire::nhrp::{self, Authentication, ExtensionType, MessageType};

use super::catalogue::EXTENSIONS;
use super::link;
use super::read::Reader;

impl Reader<'_> {
    /// The message, which begins where the layer does.
    pub(super) fn nhrp(&mut self, octets: &[u8]) {
        let view = nhrp::Packet::new(octets);
        self.uint("hdr.afn", view.afn().map(|afn| afn.0), fixed::AFN);
        self.uint("hdr.protocol_type", view.protocol().map(|protocol| protocol.code()), fixed::PRO_TYPE);
        if octets.get(fixed::PRO_SNAP).is_some() {
            self.bytes("hdr.snap", fixed::PRO_SNAP);
        }
        self.uint("hdr.hopcnt", view.hop_count(), fixed::HOP_COUNT);
        self.uint("hdr.pktsz", view.packet_size(), fixed::PACKET_SIZE);
        self.uint("hdr.chksum", view.checksum(), fixed::CHECKSUM);
        self.verdict("hdr.chksum_ok", view.verify_checksum());
        self.uint("hdr.extoff", view.extension_offset(), fixed::EXTENSION_OFFSET);
        self.uint("hdr.version", view.version(), fixed::VERSION);
        self.uint("hdr.type", view.message_type().map(|kind| kind.0), fixed::TYPE);
        self.uint("hdr.shtl", view.src_nbma_tl().map(|tl| tl.0), fixed::SRC_NBMA_TL);
        self.uint("hdr.sstl", view.src_nbma_sub_tl().map(|tl| tl.0), fixed::SRC_NBMA_SUB_TL);
        self.uint("hdr.spl", view.src_proto_len(), fixed::SRC_PROTO_LEN);
        self.uint("hdr.dpl", view.dst_proto_len(), fixed::DST_PROTO_LEN);
        self.count("length", octets.len());
        self.count("trailing", view.trailing().len());
        self.mandatory(&view);
        self.extensions(&view);
        if let Err(error) = nhrp::Message::parse(octets) {
            self.broken(error);
        }
    }

    fn mandatory(&mut self, view: &nhrp::Packet<&[u8]>) {
        let octets = view.as_bytes();
        match view.message_type() {
            Some(MessageType::ERROR_INDICATION) => {
                self.uint("error.unused", link::pair(octets, fixed::FLAGS.start), fixed::FLAGS);
                self.uint("error.code", view.error_code().map(|code| code.0), fixed::INDICATION_CODE);
                self.uint("error.offset", view.error_offset(), fixed::ERROR_OFFSET);
            }
            Some(MessageType::TRAFFIC_INDICATION) => {
                self.uint("traffic.unused", link::pair(octets, fixed::FLAGS.start), fixed::FLAGS);
                self.uint("traffic.code", view.traffic_code().map(|code| code.0), fixed::INDICATION_CODE);
                self.uint("traffic.unused2", link::pair(octets, fixed::ERROR_OFFSET.start), fixed::ERROR_OFFSET);
            }
            _ => self.flags_and_id(view),
        }
        let Some(layout) = view.layout() else { return };
        self.address("src.nbma", view.src_nbma_octets(), layout.src_nbma);
        if view.src_nbma_sub_octets().is_some_and(|sub| !sub.is_empty()) {
            self.bytes("src.nbma_sub", layout.src_nbma_sub);
        }
        self.address("src.protocol", view.src_proto_octets(), layout.src_proto);
        self.address("dst.protocol", view.dst_proto_octets(), layout.dst_proto);
        let Some(quoted) = view.quoted() else { return self.cies("cie", view.cies()) };
        let start = layout.rest.start;
        match view.message_type() {
            Some(MessageType::ERROR_INDICATION) => {
                self.bytes("error.packet", layout.rest);
                self.offender(quoted, start);
            }
            _ => {
                self.bytes("traffic.packet", layout.rest);
                self.inner(quoted, start, false);
            }
        }
    }

    fn flags_and_id(&mut self, view: &nhrp::Packet<&[u8]>) {
        if let Some(flags) = view.flags() {
            let word = u64::from(flags.0);
            self.uint("flags", Some(word), fixed::FLAGS);
            // One bit has a name of its own in each family of messages (RFC 2332, sections 5.2.1, 5.2.3, 5.2.5).
            let names: &[(&'static str, u64)] = match view.message_type() {
                Some(MessageType::REGISTRATION_REQUEST | MessageType::REGISTRATION_REPLY) => &[("flags.U", 0x8000)],
                Some(MessageType::PURGE_REQUEST | MessageType::PURGE_REPLY) => &[("flags.N", 0x8000)],
                _ => &[
                    ("flags.Q", 0x8000),
                    ("flags.A", 0x4000),
                    ("flags.D", 0x2000),
                    ("flags.U", 0x1000),
                    ("flags.S", 0x0800),
                ],
            };
            for (name, mask) in names {
                self.flag(name, word, *mask, fixed::FLAGS);
            }
            self.flag("flags.nat", word, 0x0002, fixed::FLAGS);
        }
        self.uint("request_id", view.request_id(), fixed::REQUEST_ID);
    }

    fn cies(&mut self, list: &str, cies: CieIter<'_>) {
        let mut count = 0;
        for cie in cies {
            match cie {
                Ok(cie) => self.within(format_args!("{list}[{count}]."), |reader| reader.cie(&cie)),
                Err(error) => {
                    self.broken(error);
                    break;
                }
            }
            count += 1;
        }
        self.within(format_args!("{list}."), |reader| reader.count("count", count));
    }

    fn cie(&mut self, cie: &CieView<'_>) {
        let start = cie.offset();
        let octet = |at: usize| start + at..start + at + 1;
        let pair = |at: usize| start + at..start + at + 2;
        self.uint("code", Some(cie.code().0), octet(0));
        self.uint("prefix_len", Some(cie.prefix_len()), octet(1));
        self.uint("unused", Some(cie.unused()), pair(2));
        self.uint("mtu", Some(cie.mtu()), pair(4));
        self.uint("holding_time", Some(cie.holding_time()), pair(6));
        self.uint("nbma_tl", Some(cie.nbma_tl().0), octet(8));
        self.uint("nbma_stl", Some(cie.nbma_sub_tl().0), octet(9));
        self.uint("protocol_len", Some(cie.proto_len()), octet(10));
        self.uint("preference", Some(cie.preference()), octet(11));
        self.address("nbma", Some(cie.nbma_octets()), cie.nbma_range());
        if !cie.nbma_sub_octets().is_empty() {
            self.bytes("nbma_sub", cie.nbma_sub_range());
        }
        self.address("protocol", Some(cie.proto_octets()), cie.proto_range());
    }

    fn extensions(&mut self, view: &nhrp::Packet<&[u8]>) {
        // Types have 14 bits; those with names are few.
        let (mut named, mut count) = (0u16, 0);
        for (index, extension) in view.extensions().enumerate() {
            let extension = match extension {
                Ok(extension) => extension,
                Err(error) => {
                    self.broken(error);
                    break;
                }
            };
            let code = extension.code().0;
            count += usize::from(code != 0);
            // Under its name only the first of several of a kind; all of them under their position.
            let known = EXTENSIONS.iter().position(|(_, known)| *known == code).filter(|at| named & 1 << at == 0);
            if let Some(at) = known {
                named |= 1 << at;
                let (name, _) = EXTENSIONS[at];
                self.within(format_args!("ext."), |reader| reader.put_name(name));
                self.within(format_args!("ext.{name}."), |reader| {
                    reader.extension(&extension);
                    reader.known(name, &extension, view);
                });
            }
            self.again(known.is_some(), |reader| {
                reader.within(format_args!("ext[{index}]."), |reader| reader.extension(&extension));
            });
        }
        self.within(format_args!("ext."), |reader| reader.count("count", count));
        self.within(format_args!("ext."), |reader| reader.order(view));
    }

    /// That there is an extension of that name.
    fn put_name(&mut self, name: &'static str) {
        self.count(name, 1);
    }

    /// The types in the order of the packet.
    fn order(&mut self, view: &nhrp::Packet<&[u8]>) {
        struct Order<'a>(&'a nhrp::Packet<&'a [u8]>);
        impl std::fmt::Display for Order<'_> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                for (index, extension) in self.0.extensions().map_while(Result::ok).enumerate() {
                    write!(f, "{}{}", if index == 0 { "" } else { "," }, extension.code().0)?;
                }
                Ok(())
            }
        }
        self.text("order", format_args!("{}", Order(view)), 0..0);
    }

    fn extension(&mut self, extension: &ExtensionView<'_>) {
        let start = extension.offset();
        let value = extension.value_offset()..extension.value_offset() + extension.value().len();
        let word = start..start + 2;
        let c_bit = if extension.compulsory() { 0x8000 } else { 0 };
        let u_bit = if extension.unused() { 0x4000 } else { 0 };
        self.flag("compulsory", c_bit, 0x8000, word.clone());
        self.flag("unused", u_bit, 0x4000, word.clone());
        self.bits("type", Some(extension.code().0), word, 0x3FFF);
        self.uint("length", Some(extension.value().len() as u64), start + 2..start + 4);
        // RFC 2332, section 5.3.4: what is in an authentication extension may be a password.
        if extension.code() == ExtensionType::AUTHENTICATION {
            self.secret("value", value)
        } else {
            self.bytes("value", value)
        }
        if extension.has_cies() {
            self.cies("cie", extension.cies());
        }
    }

    /// What only one kind of extension has.
    fn known(&mut self, name: &str, extension: &ExtensionView<'_>, view: &nhrp::Packet<&[u8]>) {
        let at = extension.value_offset();
        let value = extension.value();
        match name {
            "auth" => {
                let form = value.first_chunk::<4>().map(|form| u32::from_be_bytes(*form));
                self.uint("form", form, at..at + 4);
                let spl = view.src_proto_len().unwrap_or(4);
                if let Authentication::Cisco(_) = Authentication::parse(value, spl.into()) {
                    self.secret("secret", at + 4..at + value.len());
                }
            }
            "vendor" => {
                if let Some((oui, _)) = value.split_first_chunk::<3>() {
                    let oui = u32::from_be_bytes([0, oui[0], oui[1], oui[2]]);
                    self.uint("oui", Some(oui), at..at + 3);
                    self.bytes("data", at + 3..at + value.len());
                }
            }
            _ => {}
        }
    }
}
