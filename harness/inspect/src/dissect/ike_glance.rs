//! IKE at a glance: the header, and what a message says of security associations as far as it can be read.

use dmvpn_wire::isakmp::body::{Delete, Notification};
use dmvpn_wire::isakmp::sa::{Association, Proposals};
use dmvpn_wire::isakmp::{Packet, PayloadType, Payloads, Span, body, ike1, ike2};

use super::walk::Place;

/// IKE at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IkeGlance {
    /// SPI of the initiator.
    pub initiator_spi: u64,
    /// SPI of the responder, 0 in the first message.
    pub responder_spi: u64,
    /// Major version, 1 or 2.
    pub major: u8,
    /// Exchange type.
    pub exchange: u8,
    /// The flags octet.
    pub flags: u8,
    /// Message ID.
    pub message_id: u32,
    /// Whether it is in UDP 4500.
    pub nat: bool,
    /// Its number, if it is a piece of a message (RFC 7383).
    pub piece: Option<u16>,
    /// What it says, unless it is encrypted and no key has opened it. Of a message in pieces, the last to come has it.
    pub inside: Option<IkeInside>,
}

/// What the payloads of an IKE message say of security associations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IkeInside {
    /// Protocol of the first proposal: 1 is IKE, 3 is ESP.
    pub proposes: Option<u8>,
    /// Whether it names an SA that another one is to replace (REKEY_SA, RFC 7296 section 1.3.3).
    pub rekeys: bool,
    /// Protocol of the SAs that it deletes: 1 is IKE, 3 is ESP.
    pub deletes: Option<u8>,
    /// Type of the first notification of an error, as the message's version numbers them.
    pub error: Option<u16>,
    /// Whether there is nothing in it, which asks whether the other side is alive (RFC 7296 section 1.4).
    pub empty: bool,
}

impl IkeGlance {
    /// The header; `None` if it is cut. What is in the clear behind it is looked at, too.
    pub(super) fn of(at: Place<'_>) -> Option<Self> {
        let packet = Packet::new(at.octets);
        let mut glance = Self {
            initiator_spi: packet.initiator_spi()?,
            responder_spi: packet.responder_spi()?,
            major: packet.version()?.major(),
            exchange: packet.exchange()?.0,
            flags: packet.flags()?.0,
            message_id: packet.message_id()?,
            // The marker of four octets stands between the UDP header and the message.
            nat: at.marked,
            piece: None,
            inside: None,
        };
        packet.length()?;
        let mut payloads = packet.payloads().map_while(Result::ok);
        match payloads.find(|payload| payload.kind().is_encrypted()) {
            Some(sealed) if sealed.kind() == PayloadType::SKF => {
                glance.piece = body::Fragment::new(sealed.body()).number();
            }
            Some(_) => {}
            None if packet.is_encrypted() => {}
            None => glance.inside = Some(IkeInside::of(packet.payloads())),
        }
        Some(glance)
    }
}

impl IkeInside {
    /// What a chain of payloads says, as far as it can be followed.
    pub(super) fn of(payloads: Payloads<'_>) -> Self {
        let mut seen = Self { empty: true, ..Self::default() };
        for payload in payloads.map_while(Result::ok) {
            seen.empty = false;
            match payload.kind() {
                PayloadType::SA => seen.proposed(Proposals::new(payload.body())),
                PayloadType::N => seen.notified(Notification::new(payload.body()).kind().map(ike2::NotifyType)),
                PayloadType::D => seen.deletes = seen.deletes.or(Delete::new(payload.body()).protocol()),
                PayloadType::SA_1 => seen.proposed(Association::new(payload.body()).proposals()),
                PayloadType::N_1 => {
                    let kind = Notification::new1(payload.body()).kind().map(ike1::NotifyType);
                    seen.error = seen.error.or(kind.filter(|kind| kind.is_error()).map(|kind| kind.0));
                }
                PayloadType::D_1 => seen.deletes = seen.deletes.or(Delete::new1(payload.body()).protocol()),
                _ => {}
            }
        }
        seen
    }

    /// The same of decrypted octets, whose first payload is of type `first`.
    pub(super) fn opened(first: PayloadType, octets: &[u8]) -> Self {
        Self::of(Payloads::new(first, Span::new(octets, 0)))
    }

    fn proposed(&mut self, mut proposals: Proposals<'_>) {
        let first = proposals.find_map(Result::ok);
        self.proposes = self.proposes.or(first.and_then(|proposal| proposal.protocol()));
    }

    fn notified(&mut self, kind: Option<ike2::NotifyType>) {
        self.rekeys |= kind == Some(ike2::NotifyType::REKEY_SA);
        self.error = self.error.or(kind.filter(|kind| kind.is_error()).map(|kind| kind.0));
    }
}
