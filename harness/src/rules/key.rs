//! What belongs together among the packets of a capture.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::dissect::Dissection;

/// What tells exchanges apart, as far as no rule is about it: the rest of a request may be what a reply gets wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    /// GRE key, type of the request, Request ID. Indications have no id: theirs is a hash of what stays as it is while they
    /// are passed on.
    Nhrp(Option<u64>, u8, u64),
    /// SPI of the initiator, exchange type, Message ID, whether the initiator asks.
    Ike2(u64, u64, u64, bool),
}

impl Key {
    pub(super) fn of(read: &Dissection) -> Option<Self> {
        if let Some(kind @ 1..=6) = read.nhrp_type() {
            let asked = kind - (kind + 1) % 2;
            return Some(Key::Nhrp(read.uint("gre.key"), asked, read.uint("request_id")?));
        }
        if let Some(kind @ 7..=8) = read.nhrp_type() {
            let mut hasher = DefaultHasher::new();
            for path in ["src.nbma", "src.protocol", "dst.protocol"] {
                read.addr(path).hash(&mut hasher);
            }
            for path in ["error.code", "traffic.code"] {
                read.uint(path).hash(&mut hasher);
            }
            return Some(Key::Nhrp(read.uint("gre.key"), kind, hasher.finish()));
        }
        let by_initiator = read.uint("ike.flags.I")? == 1;
        let asking = read.uint("ike.flags.R")? == 0;
        let (spi, exchange) = (read.uint("ike.initiator_spi")?, read.uint("ike.exchange")?);
        Some(Key::Ike2(spi, exchange, read.uint("ike.msg_id")?, by_initiator == asking))
    }

    /// The request that an Error Indication is about.
    pub(super) fn quoted(read: &Dissection) -> Option<Self> {
        let kind = u8::try_from(read.uint("error.quoted.type")?).ok()?;
        Some(Key::Nhrp(read.uint("gre.key"), kind, read.uint("error.quoted.request_id")?))
    }

    /// What a station that breaks rules on purpose is remembered by: it may have broken the GRE key as well.
    pub(super) fn without_tunnel(self) -> Self {
        match self {
            Key::Nhrp(_, kind, id) => Key::Nhrp(None, kind, id),
            ike => ike,
        }
    }
}

/// Whether a message asks.
pub(super) fn asks(read: &Dissection) -> bool {
    match read.nhrp_type() {
        Some(kind) => matches!(kind, 1 | 3 | 5),
        None => read.uint("ike.flags.R") == Some(0),
    }
}
