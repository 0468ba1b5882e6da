//! What each IKE message adds to what happened, and what exchanges of IKEv2 are for.

use super::packet::{Moment, add, new, stale};
use super::*;
use crate::dissect::IkeInside;

/// Protocol numbers of proposals and Deletes (RFC 7296 section 3.3.1).
const IKE: u8 = 1;

/// What an exchange of IKEv2 is for, as its request says where that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IkePurpose {
    /// A Child SA: the first one in IKE_AUTH, or another (RFC 7296 sections 1.2 and 1.3.1).
    ChildSa,
    /// A Child SA in the place of an older one (section 1.3.3).
    RekeyChildSa,
    /// An IKE SA in the place of this one (section 1.3.2).
    RekeyIkeSa,
    /// Child SAs are deleted (section 1.4.1).
    DeleteChildSa,
    /// This IKE SA is deleted, with all that it has made.
    DeleteIkeSa,
    /// Whether the other side is alive (section 1.4).
    Liveness,
}

impl IkePurpose {
    /// What a request of that exchange type is for.
    fn of(exchange: u8, request: IkeInside) -> Option<Self> {
        match (exchange, request) {
            (36, IkeInside { proposes: Some(IKE), .. }) => Some(Self::RekeyIkeSa),
            (36, IkeInside { rekeys: true, .. }) => Some(Self::RekeyChildSa),
            (35 | 36, IkeInside { proposes: Some(_), .. }) => Some(Self::ChildSa),
            (37, IkeInside { deletes: Some(IKE), .. }) => Some(Self::DeleteIkeSa),
            (37, IkeInside { deletes: Some(_), .. }) => Some(Self::DeleteChildSa),
            (37, IkeInside { empty: true, .. }) => Some(Self::Liveness),
            _ => None,
        }
    }

    /// In words, as what the exchange does.
    pub const fn words(self) -> &'static str {
        match self {
            Self::ChildSa => "makes a Child SA",
            Self::RekeyChildSa => "rekeys a Child SA",
            Self::RekeyIkeSa => "rekeys the IKE SA",
            Self::DeleteChildSa => "deletes a Child SA",
            Self::DeleteIkeSa => "deletes the IKE SA",
            Self::Liveness => "asks for a sign of life",
        }
    }
}

impl Tracker {
    pub(super) fn ike(&mut self, moment: Moment, ike: &IkeGlance) {
        let (key, asking, kind) = if ike.major >= 2 {
            let by_initiator = ike.flags & 0x08 != 0;
            let asking = ike.flags & 0x20 == 0;
            let key = Key::Ike2(ike.initiator_spi, ike.exchange, ike.message_id, by_initiator == asking);
            (key, asking, ExchangeKind::Ike2(ike.exchange))
        } else {
            // Version 1 does not say who asks; whoever began does.
            let key = Key::Ike1(ike.initiator_spi, ike.exchange, ike.message_id);
            let began = self.exchange(&key).map(|exchange| exchange.from);
            (key, began.is_none_or(|began| began == moment.from), ExchangeKind::Ike1(ike.exchange))
        };
        let fresh = self.exchange(&key).is_none_or(|exchange| stale(exchange, moment.time_ns));
        if fresh {
            let mut exchange = new(moment, kind, if asking { Part::Request } else { Part::Reply });
            exchange.id = ike.message_id;
            exchange.ike_spi = Some(ike.initiator_spi);
            // An Informational of version 1 is one message.
            exchange.wants_reply = !matches!(kind, ExchangeKind::Ike1(5));
            if !asking {
                (exchange.from, exchange.to) = (moment.to, moment.from);
                exchange.latency_ns = Some(0);
            }
            told(&mut exchange, ike, asking);
            self.begin(key, exchange);
        } else if let Some(exchange) = self.exchange(&key) {
            let answered = exchange.latency_ns.is_some();
            let part = match (asking, kind) {
                // The first piece stands for its message: more of them are no second try.
                _ if ike.piece.is_some_and(|number| number > 1) => Part::Piece,
                (true, ExchangeKind::Ike1(_)) => Part::Message,
                (true, _) => Part::Retry,
                (false, _) if answered => Part::ReplyAgain,
                (false, _) => Part::Reply,
            };
            exchange.retries += u64::from(part == Part::Retry);
            if part == Part::Reply {
                exchange.latency_ns = Some(moment.time_ns.saturating_sub(exchange.began_ns()));
            }
            told(exchange, ike, asking);
            add(exchange, moment.seen(part));
        }
        if let Some(station) = self.sender(moment) {
            station.initiates += u64::from(fresh && asking);
            station.responds += u64::from(!asking);
        }
    }
}

/// What a message says that could be read.
fn told(exchange: &mut Exchange, ike: &IkeGlance, asking: bool) {
    let Some(inside) = ike.inside else { return };
    match exchange.kind {
        ExchangeKind::Ike2(kind) if asking => {
            exchange.purpose = IkePurpose::of(kind, inside).or(exchange.purpose);
            // In a request an error is about an exchange before it, and nothing refuses this one.
            exchange.error = inside.error.or(exchange.error);
        }
        // A request may be sent once more as the reply wants it, with a cookie or in another group: the last reply counts.
        ExchangeKind::Ike2(_) => exchange.code = inside.error,
        ExchangeKind::Ike1(_) => exchange.error = inside.error.or(exchange.error),
        _ => {}
    }
}
