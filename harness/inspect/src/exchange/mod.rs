//! What happened: requests matched with their replies, who is hub and who is spoke, which mapping holds until when.
//!
//! It takes a [`Glance`] at each packet and works in bounded memory: a capture of any length is read once, from the
//! beginning, and exchanges are handed out as soon as nothing more is to be expected of them.

mod ike;
mod packet;
mod station;
mod table;

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use foldhash::fast::RandomState;
use serde::Serialize;
use smallvec::SmallVec;

use crate::dissect::{Glance, IkeGlance, NhrpGlance};

pub use ike::IkePurpose;
pub use station::{Binding, Cloud, Flow, Origin, Pair, Role, Station};
pub use table::Table;

/// Nothing more is expected of an exchange that nothing was heard of for so long: a minute of the capture's time, in
/// nanoseconds. The slowest of the known implementations gives up a request after 40 s.
pub const SETTLED_NS: u64 = 60_000_000_000;

/// How much is remembered. What does not fit is counted in [`Totals`] or by the table.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Exchanges of which more may come.
    pub open: usize,
    /// NBMA addresses.
    pub stations: usize,
    /// Mappings of protocol addresses.
    pub bindings: usize,
    /// ESP flows, and pairs of stations.
    pub flows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { open: 32_768, stations: 16_384, bindings: 65_536, flows: 65_536 }
    }
}

/// What an exchange is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExchangeKind {
    /// NHRP Registration, RFC 2332 section 5.2.3.
    Registration,
    /// NHRP Resolution, RFC 2332 section 5.2.1.
    Resolution,
    /// NHRP Purge, RFC 2332 section 5.2.5.
    Purge,
    /// An NHRP Error Indication, which nobody answers, RFC 2332 section 5.2.7.
    ErrorIndication,
    /// An NHRP Traffic Indication (redirect), which nobody answers.
    TrafficIndication,
    /// An exchange of IKEv2, by its type, RFC 7296 section 3.1.
    Ike2(u8),
    /// An exchange of IKEv1, by its type, RFC 2408 section 3.1. All its messages are one exchange.
    Ike1(u8),
}

impl ExchangeKind {
    /// The name that its RFC has for it.
    pub fn name(self) -> String {
        match self {
            ExchangeKind::Registration => "NHRP Registration".to_owned(),
            ExchangeKind::Resolution => "NHRP Resolution".to_owned(),
            ExchangeKind::Purge => "NHRP Purge".to_owned(),
            ExchangeKind::ErrorIndication => "NHRP Error Indication".to_owned(),
            ExchangeKind::TrafficIndication => "NHRP Traffic Indication".to_owned(),
            ExchangeKind::Ike2(kind) => match kind {
                34 => "IKE_SA_INIT".to_owned(),
                35 => "IKE_AUTH".to_owned(),
                36 => "CREATE_CHILD_SA".to_owned(),
                37 => "IKEv2 INFORMATIONAL".to_owned(),
                38 => "IKE_SESSION_RESUME".to_owned(),
                43 => "IKE_INTERMEDIATE".to_owned(),
                other => format!("IKEv2 exchange {other}"),
            },
            ExchangeKind::Ike1(kind) => match kind {
                2 => "IKEv1 Main Mode".to_owned(),
                4 => "IKEv1 Aggressive Mode".to_owned(),
                5 => "IKEv1 Informational".to_owned(),
                6 => "IKEv1 Transaction".to_owned(),
                32 => "IKEv1 Quick Mode".to_owned(),
                33 => "IKEv1 New Group Mode".to_owned(),
                other => format!("IKEv1 exchange {other}"),
            },
        }
    }
}

/// What a packet is in its exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The first request.
    Request,
    /// The same request from the same sender again.
    Retry,
    /// The same request, passed on by another station.
    Forward,
    /// The reply.
    Reply,
    /// The reply once more: passed on, or repeated.
    ReplyAgain,
    /// An Error Indication about the request.
    Error,
    /// A message that is neither asked for nor answered.
    Message,
    /// Another piece of the message before (RFC 7383).
    Piece,
}

/// A packet of an exchange.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Seen {
    /// Its number in the file, from 1.
    pub number: u64,
    /// When, in nanoseconds since 1970.
    pub time_ns: u64,
    /// Who sent it: source of the outer header.
    pub from: IpAddr,
    /// Whom to.
    pub to: IpAddr,
    /// What it is.
    pub part: Part,
}

/// How many packets of one exchange are kept; the others are counted.
pub const PACKETS_KEPT: usize = 32;

/// A request, what became of it, and what came of that.
#[derive(Clone, Debug, Serialize)]
pub struct Exchange {
    /// Its number among the exchanges, from 1, in the order in which they began.
    pub number: u64,
    /// What it is about.
    pub kind: ExchangeKind,
    /// GRE key of the tunnel.
    pub gre_key: Option<u32>,
    /// Request ID of NHRP, Message ID of IKE.
    pub id: u32,
    /// SPI of the IKE SA's initiator.
    pub ike_spi: Option<u64>,
    /// Who began, by the outer header of the first packet seen.
    pub from: IpAddr,
    /// Whom the first packet went to.
    pub to: IpAddr,
    /// Source protocol address (NHRP).
    pub source: Option<IpAddr>,
    /// Destination protocol address (NHRP): the server of a registration, the address that is asked about, or where the
    /// packet went that a redirect is about.
    pub about: Option<IpAddr>,
    /// Whether a reply is to be expected at all.
    pub wants_reply: bool,
    /// Its packets, at most [`PACKETS_KEPT`].
    pub packets: SmallVec<[Seen; 4]>,
    /// How many packets there were.
    pub count: u64,
    /// How often the request was sent again.
    pub retries: u64,
    /// From the first request to the first reply, in nanoseconds; 0 where the clock went backwards.
    pub latency_ns: Option<u64>,
    /// Code of the reply's first entry (0 is success), or of the indication; of IKEv2 the notification of an error in the
    /// last reply.
    pub code: Option<u16>,
    /// Holding time of the reply's first entry, in seconds.
    pub holding_time: Option<u16>,
    /// NBMA address of the reply's first entry, or if it has none of the sender, who speaks of itself then.
    pub nbma: Option<IpAddr>,
    /// Code of an Error Indication about the request; of IKE, of an error that a message tells of which no other follows.
    pub error: Option<u16>,
    /// What it is for (IKEv2, where it can be read).
    pub purpose: Option<IkePurpose>,
    /// When the mapping that it made lapses, in nanoseconds since 1970.
    pub expires_ns: Option<u64>,
    /// Whether it was inside ESP that was opened.
    pub protected: bool,
}

impl Exchange {
    /// When it began.
    pub fn began_ns(&self) -> u64 {
        self.packets.first().map_or(0, |packet| packet.time_ns)
    }

    /// Whether a reply was due and none came.
    pub fn unanswered(&self) -> bool {
        self.wants_reply && self.latency_ns.is_none() && self.error.is_none()
    }
}

/// Counts over everything that was seen.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Totals {
    /// All packets.
    pub packets: u64,
    /// Their octets as stored.
    pub octets: u64,
    /// When the first was seen, in nanoseconds since 1970.
    pub first_ns: Option<u64>,
    /// When the last was seen.
    pub last_ns: Option<u64>,
    /// NHRP messages by `ar$op.type`, unknown types under 0.
    pub nhrp: [u64; 9],
    /// IP packets in GRE.
    pub inner: u64,
    /// GRE with anything else in it.
    pub gre_other: u64,
    /// ESP packets.
    pub esp: u64,
    /// Of these, how many were opened with a key.
    pub esp_opened: u64,
    /// IKEv1 messages.
    pub ike1: u64,
    /// IKEv2 messages.
    pub ike2: u64,
    /// Packets of other kinds.
    pub other: u64,
    /// Packets that could not be read to their end.
    pub broken: u64,
    /// Exchanges that began.
    pub exchanges: u64,
    /// Exchanges that were given up early because too many were open.
    pub given_up: u64,
}

/// What tells exchanges apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// GRE key, request type, request id, source protocol and NBMA address: what a reply repeats unchanged.
    Nhrp(Option<u32>, u8, u32, Option<IpAddr>, Option<IpAddr>),
    /// Initiator SPI, exchange type, Message ID, and whether the SA's initiator asks.
    Ike2(u64, u8, u32, bool),
    Ike1(u64, u8, u32),
}

/// GRE key, type, request id and source protocol address: what an Error Indication quotes of a request unchanged.
type Quoted = (Option<u32>, u8, u32, Option<IpAddr>);

impl Key {
    fn quoted(&self) -> Option<Quoted> {
        match *self {
            Key::Nhrp(gre, kind, id, source, _) => Some((gre, kind, id, source)),
            Key::Ike2(..) | Key::Ike1(..) => None,
        }
    }
}

/// Follows a capture packet by packet.
#[derive(Debug)]
pub struct Tracker {
    limits: Limits,
    totals: Totals,
    stations: Table<IpAddr, Station>,
    bindings: Table<(Option<u32>, IpAddr, Origin), Binding>,
    flows: Table<(IpAddr, IpAddr, u32), Flow>,
    pairs: Table<(IpAddr, IpAddr), Pair>,
    open: VecDeque<(Key, Exchange)>,
    /// Where in `open` the exchange of a key is, counted from the first that ever was.
    index: HashMap<Key, u64, RandomState>,
    /// The same by what is quoted of a request; the latest, where several have that.
    quoted: HashMap<Quoted, u64, RandomState>,
    /// How many have left `open`.
    gone: u64,
    finished: Vec<Exchange>,
}

impl Tracker {
    /// A tracker that has seen nothing.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            totals: Totals::default(),
            stations: Table::new(limits.stations),
            bindings: Table::new(limits.bindings),
            flows: Table::new(limits.flows),
            pairs: Table::new(limits.flows),
            open: VecDeque::new(),
            index: HashMap::default(),
            quoted: HashMap::default(),
            gone: 0,
            finished: Vec::new(),
        }
    }

    /// Exchanges of which nothing more is expected, in the order in which they began. Whoever reads a long capture asks
    /// often, since they are kept until then.
    pub fn take_finished(&mut self) -> Vec<Exchange> {
        std::mem::take(&mut self.finished)
    }

    /// The capture is over: everything that is open is finished.
    pub fn finish(&mut self) {
        while self.retire() {}
    }

    /// Exchanges of which more may come, in the order in which they began.
    pub fn open(&self) -> impl DoubleEndedIterator<Item = &Exchange> {
        self.open.iter().map(|(_, exchange)| exchange)
    }

    /// Counts so far.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Everyone with an NBMA address, in the order of appearance.
    pub fn stations(&self) -> &Table<IpAddr, Station> {
        &self.stations
    }

    /// Mappings by GRE key, protocol address and origin.
    pub fn bindings(&self) -> &Table<(Option<u32>, IpAddr, Origin), Binding> {
        &self.bindings
    }

    /// ESP flows by source, destination and SPI.
    pub fn flows(&self) -> &Table<(IpAddr, IpAddr, u32), Flow> {
        &self.flows
    }

    /// Who sent to whom.
    pub fn pairs(&self) -> &Table<(IpAddr, IpAddr), Pair> {
        &self.pairs
    }

    /// The clouds: stations by the GRE key that they use.
    pub fn clouds(&self) -> Vec<Cloud> {
        station::clouds(&self.stations)
    }

    /// Gives up or finishes the oldest exchange. Says whether there was one.
    fn retire(&mut self) -> bool {
        let Some((key, exchange)) = self.open.pop_front() else { return false };
        if self.index.get(&key) == Some(&self.gone) {
            self.index.remove(&key);
        }
        if let Some(quoted) = key.quoted().filter(|quoted| self.quoted.get(quoted) == Some(&self.gone)) {
            self.quoted.remove(&quoted);
        }
        self.gone += 1;
        self.finished.push(exchange);
        true
    }

    /// The exchange that messages with that key belong to, if it is open.
    fn exchange(&mut self, key: &Key) -> Option<&mut Exchange> {
        self.nth(*self.index.get(key)?)
    }

    /// The latest open exchange of which that is quoted.
    fn quoted(&mut self, quoted: &Quoted) -> Option<&mut Exchange> {
        self.nth(*self.quoted.get(quoted)?)
    }

    /// The exchange of that place, counted from the first that ever was, if it is open.
    fn nth(&mut self, place: u64) -> Option<&mut Exchange> {
        let at = usize::try_from(place.checked_sub(self.gone)?).ok()?;
        self.open.get_mut(at).map(|(_, exchange)| exchange)
    }

    fn begin(&mut self, key: Key, exchange: Exchange) {
        let now = exchange.began_ns();
        while self.open.front().is_some_and(|(_, oldest)| {
            let last = oldest.packets.last().map_or(0, |packet| packet.time_ns);
            last.saturating_add(SETTLED_NS) < now
        }) {
            self.retire();
        }
        if self.open.len() >= self.limits.open {
            self.totals.given_up += 1;
            self.retire();
        }
        self.totals.exchanges += 1;
        let place = self.gone + self.open.len() as u64;
        self.index.insert(key, place);
        if let Some(quoted) = key.quoted() {
            self.quoted.insert(quoted, place);
        }
        let number = self.totals.exchanges;
        self.open.push_back((key, Exchange { number, ..exchange }));
    }
}

#[cfg(test)]
pub(crate) mod tests;
