//! ISAKMP messages of both versions: header, chain of payloads, and the line that names them.
//!
//! Payloads are `ike.payload[0]`, `ike.payload[1]` and so on in their order; those inside an encrypted one count on from
//! it. What is in them is in [`super::ike_sa`] and [`super::ike_body`].

use std::fmt;

use dmvpn_wire::isakmp::body::{Fragment, Notification};
use dmvpn_wire::isakmp::{
    ExchangeType, Flags, LEN, Packet, PayloadType, PayloadView, Payloads, Span, Version, field, ike1, ike2,
};

use super::Place;
use super::read::Reader;

/// Flags of IKEv1 (RFC 2408 section 3.1).
const FLAGS_1: [(&str, Flags); 3] =
    [("ike.flags.E", Flags::ENCRYPTION), ("ike.flags.C", Flags::COMMIT), ("ike.flags.A", Flags::AUTHENTICATION)];
/// Flags of IKEv2 (RFC 7296 section 3.1).
const FLAGS_2: [(&str, Flags); 3] =
    [("ike.flags.I", Flags::INITIATOR), ("ike.flags.V", Flags::VERSION), ("ike.flags.R", Flags::RESPONSE)];

impl Reader<'_> {
    /// An IKE message, from its header on.
    pub(super) fn ike(&mut self, at: Place<'_>) {
        self.payloads = 0;
        let packet = Packet::new(at.octets);
        self.uint("ike.initiator_spi", packet.initiator_spi(), field::INITIATOR_SPI);
        self.uint("ike.responder_spi", packet.responder_spi(), field::RESPONDER_SPI);
        self.uint("ike.next_payload", packet.next_payload().map(|kind| kind.0), field::NEXT_PAYLOAD);
        self.uint("ike.version", packet.version().map(|version| version.0), field::VERSION);
        self.uint("ike.exchange", packet.exchange().map(|exchange| exchange.0), field::EXCHANGE);
        let major = packet.version().map_or(0, Version::major);
        if let Some(flags) = packet.flags() {
            self.uint("ike.flags", Some(flags.0), field::FLAGS);
            let names = match major {
                1 => &FLAGS_1[..],
                2 => &FLAGS_2[..],
                _ => &[],
            };
            for (name, mask) in names {
                self.flag(name, flags.0.into(), mask.0.into(), field::FLAGS);
            }
        }
        self.uint("ike.msg_id", packet.message_id(), field::MESSAGE_ID);
        self.uint("ike.length", packet.length(), field::LENGTH);

        let (Some(version), Some(exchange), Some(flags), Some(id), Some(length)) =
            (packet.version(), packet.exchange(), packet.flags(), packet.message_id(), packet.length())
        else {
            self.headline(format_args!("IKE"));
            return self.wrong(format_args!("the IKE header is cut"));
        };
        if usize::try_from(length) != Ok(at.octets.len()) {
            self.wrong(format_args!("IKE length {length}, but {} octets are there", at.octets.len()));
        }
        if (length as usize) < LEN {
            self.wrong(format_args!("IKE length {length} is less than its header's"));
        }
        if !at.tunnelled {
            match major {
                1 if id != 0 => self.headline(format_args!("IKEv1 {exchange} {id:#010x}")),
                1 => self.headline(format_args!("IKEv1 {exchange}")),
                2 => {
                    let side = if flags.contains(Flags::RESPONSE) { "response" } else { "request" };
                    self.headline(format_args!("IKEv2 {exchange} {side} {id}"));
                }
                _ => self.headline(format_args!("IKE {version} {exchange}")),
            }
        }
        let context = Context { version, exchange, flags, quiet: at.tunnelled };
        if packet.is_encrypted() {
            self.bytes("ike.encrypted", packet.body().range());
            context.say(self, format_args!(" encrypted"));
        } else {
            self.ike_payloads(packet.payloads(), context);
        }
        context.say(self, format_args!(", {length} octets"));
    }

    /// The payloads that an SK payload of IKEv2 held: `octets` are the decrypted ones, counted in the place that fields go
    /// to, and `first` is the type that the SK payload announced.
    pub(super) fn ike2_payloads(&mut self, first: PayloadType, octets: Span<'_>, tunnelled: bool) {
        let response = self.out.uint("ike.flags.R") == Some(1);
        let flags = if response { Flags::RESPONSE } else { Flags::default() };
        let exchange = self.out.uint("ike.exchange").and_then(|number| number.try_into().ok()).unwrap_or(0);
        let context = Context { version: Version::V2, exchange: ExchangeType(exchange), flags, quiet: tunnelled };
        context.say(self, format_args!(", inside"));
        self.ike_payloads(Payloads::new(first, octets), context);
    }

    fn ike_payloads(&mut self, payloads: Payloads<'_>, context: Context) {
        let mut repeated = Repeated::default();
        for payload in payloads {
            let payload = match payload {
                Ok(payload) => payload,
                Err(error) => {
                    self.broken(error);
                    break;
                }
            };
            let label = context.label(&payload);
            if let Some((label, times)) = repeated.next(label) {
                context.say(self, format_args!("{}{label}{times}", repeated.separator()));
            }
            let index = self.payloads;
            self.payloads += 1;
            self.within(format_args!("ike.payload[{index}]."), |reader| reader.ike_payload(&payload, context.version));
        }
        if let Some((label, times)) = repeated.end() {
            context.say(self, format_args!("{}{label}{times}", repeated.separator()));
        }
    }

    /// One payload: its generic header, and what is in it.
    fn ike_payload(&mut self, payload: &PayloadView<'_>, version: Version) {
        let at = payload.offset();
        // The type stands in front: in the payload before, or in the header.
        self.count("type", payload.kind().0.into());
        self.uint("next_payload", Some(payload.next_payload().0), at..at + 1);
        if version.major() == 2 {
            self.flag("critical", if payload.critical() { 0x80 } else { 0 }, 0x80, at + 1..at + 2);
        }
        self.uint("length", Some(payload.length()), at + 2..at + 4);
        // With a length that can not be, nothing says where the body would end.
        match version.major() {
            _ if payload.length() < PayloadView::HEADER_LEN => {}
            2 => self.ike2_body(payload),
            _ => self.ike1_body(payload),
        }
    }
}

/// What a payload's name hangs on beside its type.
#[derive(Clone, Copy)]
struct Context {
    version: Version,
    exchange: ExchangeType,
    flags: Flags,
    /// The line for ladders is about something else.
    quiet: bool,
}

impl Context {
    fn say(self, reader: &mut Reader<'_>, words: fmt::Arguments<'_>) {
        if !self.quiet {
            reader.more(words);
        }
    }

    fn label(self, payload: &PayloadView<'_>) -> Label {
        let notified = match payload.kind() {
            PayloadType::N => Notification::new(payload.body()).kind(),
            PayloadType::N_1 => Notification::new1(payload.body()).kind(),
            _ => None,
        };
        let name = match payload.kind() {
            PayloadType::NONCE if self.flags.contains(Flags::RESPONSE) => Some("Nr"),
            PayloadType::NONCE => Some("Ni"),
            // Drafts of NAT traversal used these numbers before GDOI did, in exchanges that GDOI has not.
            PayloadType::SAK_1 if self.is_first_phase() => Some("NAT-D"),
            PayloadType::SAT_1 if self.is_first_phase() => Some("NAT-OA"),
            _ => None,
        };
        let piece = (payload.kind() == PayloadType::SKF).then(|| Fragment::new(payload.body()));
        let piece = piece.and_then(|piece| piece.number().zip(piece.total()));
        Label { kind: payload.kind(), name, notified, piece }
    }

    fn is_first_phase(self) -> bool {
        matches!(self.exchange, ExchangeType::IDENTITY_PROTECTION | ExchangeType::AGGRESSIVE)
    }
}

/// A payload on the line for ladders.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Label {
    kind: PayloadType,
    /// Where the type alone does not say it.
    name: Option<&'static str>,
    /// Type of a notification.
    notified: Option<u16>,
    /// Number of a piece, and how many there are.
    piece: Option<(u16, u16)>,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => f.write_str(name)?,
            None => write!(f, "{}", self.kind)?,
        }
        if let Some((number, total)) = self.piece {
            write!(f, " {number} of {total}")?;
        }
        match self.notified {
            Some(number) if self.kind == PayloadType::N => write!(f, "({})", ike2::NotifyType(number)),
            Some(number) => write!(f, "({})", ike1::NotifyType(number)),
            None => Ok(()),
        }
    }
}

/// Payloads of one name in a row are named once: vendor ids come by the dozen.
#[derive(Default)]
struct Repeated {
    held: Option<(Label, usize)>,
    said: usize,
}

/// ` x3` behind what came three times.
struct Times(usize);

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > 1 { write!(f, " x{}", self.0) } else { Ok(()) }
    }
}

impl Repeated {
    /// One more; what came before it, if that was something else.
    fn next(&mut self, label: Label) -> Option<(Label, Times)> {
        if let Some((held, times)) = &mut self.held
            && *held == label
        {
            *times += 1;
            return None;
        }
        let before = self.end();
        self.held = Some((label, 1));
        before
    }

    /// The last one.
    fn end(&mut self) -> Option<(Label, Times)> {
        let (label, times) = self.held.take()?;
        self.said += 1;
        Some((label, Times(times)))
    }

    /// What stands in front of the one that is said now.
    fn separator(&self) -> &'static str {
        if self.said == 1 { ": " } else { " " }
    }
}

#[cfg(test)]
mod tests;
