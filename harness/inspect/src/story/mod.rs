//! A capture as a story: what happened, added up in bounded memory, so that a summary of any capture fits on a page.
//!
//! The [`Tracker`] matches requests with their replies; here they are counted by who did what with whom. The first
//! exchanges are kept, as many as were asked for; of all others only what they add to the counts.

mod fold;
mod overview;

use std::net::IpAddr;

use serde::Serialize;
use smallvec::SmallVec;

use crate::capture::CapturedPacket;
use crate::dissect::{Dissection, IkeGlance, Routing};
use crate::exchange::{Exchange, ExchangeKind, IkePurpose, Limits, Table, Tracker};
use crate::view::View;

pub use overview::{Clear, Esp, Lapsed, Mapped, Member, Overview};

/// Rows that each part of the story keeps; what does not fit is counted.
pub const ROWS: usize = 4096;

/// Packets that could not be read to their end, of which the story keeps what is wrong with them.
pub const TROUBLES: usize = 64;

/// What every part of the story counts.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Count {
    /// Exchanges.
    pub exchanges: u64,
    /// Requests that were sent again.
    pub retries: u64,
    /// Exchanges in which a reply was due and none was seen.
    pub unanswered: u64,
    /// Number of the first packet.
    pub first_packet: u64,
    /// When the first of them began, in nanoseconds since 1970.
    pub first_ns: u64,
    /// When the last of them began.
    pub last_ns: u64,
}

/// How often a code came.
pub type Codes = SmallVec<[(u16, u64); 2]>;

/// Registrations of one client with one server.
#[derive(Clone, Debug, Serialize)]
pub struct Registration {
    /// GRE key of the tunnel.
    pub gre_key: Option<u32>,
    /// NBMA address of the client.
    pub client: IpAddr,
    /// NBMA address of the server.
    pub server: IpAddr,
    /// Protocol address of the client.
    pub address: Option<IpAddr>,
    /// How many there were.
    #[serde(flatten)]
    pub count: Count,
    /// How many were acknowledged.
    pub accepted: u64,
    /// How many were refused, by code.
    pub refused: Codes,
    /// Error Indications about them, by code.
    pub errors: Codes,
    /// Holding time that was acknowledged last, in seconds.
    pub holding_time: Option<u16>,
    /// The shortest time from the beginning of one to the next, in nanoseconds.
    pub shortest_ns: Option<u64>,
    /// The longest.
    pub longest_ns: Option<u64>,
}

/// Resolutions of one address by one client.
#[derive(Clone, Debug, Serialize)]
pub struct Resolution {
    /// GRE key of the tunnel.
    pub gre_key: Option<u32>,
    /// NBMA address of whoever asked.
    pub asker: IpAddr,
    /// Protocol address of whoever asked.
    pub source: Option<IpAddr>,
    /// The protocol address that was asked about.
    pub about: Option<IpAddr>,
    /// How many there were.
    #[serde(flatten)]
    pub count: Count,
    /// How many got an address.
    pub answered: u64,
    /// How many were refused, by code.
    pub refused: Codes,
    /// Error Indications about them, by code.
    pub errors: Codes,
    /// NBMA address of whoever sent the first reply last.
    pub answered_by: Option<IpAddr>,
    /// The NBMA address that was told last.
    pub nbma: Option<IpAddr>,
    /// Its holding time in seconds.
    pub holding_time: Option<u16>,
}

/// Redirects of one client about one address.
#[derive(Clone, Debug, Serialize)]
pub struct Redirect {
    /// GRE key of the tunnel.
    pub gre_key: Option<u32>,
    /// NBMA address of whoever sent it.
    pub hub: IpAddr,
    /// NBMA address of whoever got it.
    pub spoke: IpAddr,
    /// Where the packet went that it is about.
    pub about: Option<IpAddr>,
    /// How many there were.
    #[serde(flatten)]
    pub count: Count,
    /// Number of the exchange in which the spoke then asked for the way, where it did.
    pub followed_by: Option<u64>,
    /// The NBMA address that the spoke was told: the shortcut.
    pub shortcut: Option<IpAddr>,
    /// From the last redirect before the question to its first reply, in nanoseconds.
    pub took_ns: Option<u64>,
}

/// Purges of one address between two stations.
#[derive(Clone, Debug, Serialize)]
pub struct Purge {
    /// GRE key of the tunnel.
    pub gre_key: Option<u32>,
    /// NBMA address of whoever purged.
    pub from: IpAddr,
    /// NBMA address of whoever was told.
    pub to: IpAddr,
    /// The protocol address that was taken back.
    pub about: Option<IpAddr>,
    /// How many there were.
    #[serde(flatten)]
    pub count: Count,
    /// How many were answered.
    pub answered: u64,
}

/// Error Indications of one code between two stations.
#[derive(Clone, Debug, Serialize)]
pub struct Complaint {
    /// NBMA address of whoever sent it.
    pub from: IpAddr,
    /// NBMA address of whoever got it.
    pub to: IpAddr,
    /// The error code, RFC 2332 section 5.2.7.
    pub code: u16,
    /// How many there were.
    pub packets: u64,
    /// Number of the first packet.
    pub first_packet: u64,
}

/// An IKE SA, as far as is seen without a key.
#[derive(Clone, Debug, Serialize)]
pub struct IkeSa {
    /// Its initiator's SPI.
    pub initiator_spi: u64,
    /// Its responder's SPI, 0 until it was seen.
    pub responder_spi: u64,
    /// Major version of IKE.
    pub version: u8,
    /// Address of its initiator, or if its beginning was not seen of whoever sent the first message.
    pub initiator: IpAddr,
    /// The other address.
    pub responder: IpAddr,
    /// Messages.
    pub packets: u64,
    /// Whether messages were on UDP port 4500.
    pub nat: bool,
    /// How many exchanges of each type there were.
    pub exchanges: SmallVec<[(ExchangeKind, u64); 4]>,
    /// What those were for that could be read, and how often the other side did as it was asked.
    pub purposes: SmallVec<[(IkePurpose, u64); 4]>,
    /// Notifications of errors by their type, and how many there were.
    pub errors: Codes,
    /// Exchanges in which a reply was due and none was seen.
    pub unanswered: u64,
    /// Number of the first packet.
    pub first_packet: u64,
    /// When the first message was seen, in nanoseconds since 1970.
    pub first_ns: u64,
    /// When the last was seen.
    pub last_ns: u64,
}

/// A packet that could not be read to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// Its number in the file.
    pub packet: u64,
    /// Where it starts in the file.
    pub offset: u64,
    /// What is wrong with it.
    pub what: String,
}

/// What happened in a capture.
#[derive(Debug)]
pub struct Story {
    tracker: Tracker,
    keep: usize,
    kept: Vec<Exchange>,
    /// Exchanges that were not kept.
    left_out: u64,
    registrations: Table<(Option<u32>, IpAddr, IpAddr, Option<IpAddr>), Registration>,
    resolutions: Table<(Option<u32>, IpAddr, Option<IpAddr>), Resolution>,
    redirects: Table<(Option<u32>, IpAddr, Option<IpAddr>), Redirect>,
    purges: Table<(Option<u32>, IpAddr, IpAddr, Option<IpAddr>), Purge>,
    complaints: Table<(IpAddr, IpAddr, u16), Complaint>,
    ike_sas: Table<u64, IkeSa>,
    routing: [u64; Routing::ALL.len()],
    authenticated: u64,
    troubles: Vec<Trouble>,
}

impl Story {
    /// A story of nothing so far, which will keep the first `keep` exchanges.
    pub fn new(keep: usize) -> Self {
        Self {
            tracker: Tracker::new(Limits::default()),
            keep,
            kept: Vec::new(),
            left_out: 0,
            registrations: Table::new(ROWS),
            resolutions: Table::new(ROWS),
            redirects: Table::new(ROWS),
            purges: Table::new(ROWS),
            complaints: Table::new(ROWS),
            ike_sas: Table::new(ROWS),
            routing: Default::default(),
            authenticated: 0,
            troubles: Vec::new(),
        }
    }

    /// Takes in the next packet.
    pub fn packet(&mut self, view: View<'_>) {
        let View { packet, glance, read } = view;
        self.tracker.packet(packet.number, packet.timestamp_ns, packet.octets.len(), glance);
        self.authenticated += u64::from(glance.nhrp.as_ref().is_some_and(|nhrp| nhrp.authenticated));
        if let Some(routing) = glance.routing {
            self.routing[routing as usize] += 1;
        }
        if let (Some(ike), Some(ends)) = (&glance.ike, glance.outer) {
            self.ike(packet, ike, ends);
        }
        if glance.broken && self.troubles.len() < TROUBLES {
            self.trouble(packet, read);
        }
        for exchange in self.tracker.take_finished() {
            self.exchange(exchange);
        }
    }

    /// The capture is over.
    pub fn finish(&mut self) {
        self.tracker.finish();
        for exchange in self.tracker.take_finished() {
            self.exchange(exchange);
        }
    }

    /// The exchanges that are kept, in the order in which they began.
    pub fn exchanges(&self) -> &[Exchange] {
        &self.kept
    }

    /// How many exchanges there were beyond those.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Who and what was followed.
    pub fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    /// Packets that could not be read to their end, the first of them.
    pub fn troubles(&self) -> &[Trouble] {
        &self.troubles
    }

    fn trouble(&mut self, packet: &CapturedPacket, read: Option<&Dissection>) {
        let alone;
        let read = match read {
            Some(read) => read,
            None => {
                alone = Dissection::of_frame(packet.linktype, &packet.octets);
                &alone
            }
        };
        let mut what = read.troubles().collect::<Vec<_>>().join("; ");
        if what.is_empty() {
            "it can not be read to its end".clone_into(&mut what);
        }
        let stored = packet.octets.len();
        if (stored as u64) < u64::from(packet.original_len) {
            what += &format!(" ({stored} of its {} octets were captured)", packet.original_len);
        }
        self.troubles.push(Trouble { packet: packet.number, offset: packet.offset, what });
    }

    fn ike(&mut self, packet: &CapturedPacket, ike: &IkeGlance, (from, to): (IpAddr, IpAddr)) {
        // Version 2 says who the initiator is; of version 1 the first message seen is taken for its.
        let by_initiator = ike.major < 2 || ike.flags & 0x08 != 0;
        let sa = self.ike_sas.entry(ike.initiator_spi, || IkeSa {
            initiator_spi: ike.initiator_spi,
            responder_spi: 0,
            version: ike.major,
            initiator: if by_initiator { from } else { to },
            responder: if by_initiator { to } else { from },
            packets: 0,
            nat: false,
            exchanges: SmallVec::new(),
            purposes: SmallVec::new(),
            errors: Codes::new(),
            unanswered: 0,
            first_packet: packet.number,
            first_ns: packet.timestamp_ns,
            last_ns: packet.timestamp_ns,
        });
        let Some(sa) = sa else { return };
        sa.packets += 1;
        sa.nat |= ike.nat;
        sa.last_ns = packet.timestamp_ns;
        if ike.responder_spi != 0 {
            sa.responder_spi = ike.responder_spi;
        }
    }
}

#[cfg(test)]
mod ike_tests;
#[cfg(test)]
mod tests;
