//! From a capture to a case: the exchanges in it, who took part, and the YAML of a suite that looks for them.
//!
//! ```text
//! capture --Recording--> frames --Tracker--> exchanges, stations --Material--> draft (world replay), or feed (world sim)
//! ```
//!
//! A draft is where a person begins: it says all that was there, and passes on its own capture. What matters of it, and which
//! sentence it stands on, only a person knows.

mod draft;
mod fields;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use crate::capture::LinkType;
use crate::dissect::{Dissection, Glance, Session};
use crate::exchange::{Exchange, ExchangeKind, Limits, Part, Role, Tracker};
use crate::suite::Shelf;
use crate::world::LabError;
use crate::world::replay::{Frame, Recording};

pub use draft::{Form, draft};

/// Most exchanges that one draft holds.
pub const MOST_EXCHANGES: usize = 100;

/// Someone in a capture.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Station {
    /// Its name in the draft: `hub`, `spoke2`.
    pub name: String,
    /// Whether it is a server.
    pub is_hub: bool,
    /// NBMA address, by the outer header.
    pub nbma: IpAddr,
    /// Protocol address, if it was said.
    pub tunnel: Option<IpAddr>,
    /// GRE key that it uses.
    pub key: Option<u32>,
}

/// What a capture has to distill.
#[derive(Debug)]
pub struct Material {
    /// Exchanges of NHRP in the clear, in the order in which they began.
    pub exchanges: Vec<Exchange>,
    /// Who took part in them, hubs first.
    pub stations: Vec<Station>,
    frames: BTreeMap<u64, Frame>,
    /// Octets of all authentication strings, as they stand; the first one first.
    secrets: Vec<Vec<u8>>,
}

/// Which capture a draft is of, as suites name it.
#[derive(Clone, Debug)]
pub struct Source {
    /// Whose it is.
    pub shelf: Shelf,
    /// Its path there.
    pub file: String,
    /// Id of the suite.
    pub suite: String,
}

impl Material {
    /// Reads a capture.
    ///
    /// # Errors
    /// As [`Recording::read`].
    pub fn read(path: &Path) -> Result<Self, LabError> {
        Recording::read(path, None).map(Self::of)
    }

    /// Finds what is in a recording.
    pub fn of(recording: Recording) -> Self {
        let (mut tracker, mut session) = (Tracker::new(Limits::default()), Session::default());
        let mut secrets: Vec<Vec<u8>> = Vec::new();
        for frame in &recording.frames {
            let glance = Glance::of(&mut session, LinkType::RAW, &frame.octets);
            let at = u64::try_from(frame.at.as_nanos()).unwrap_or(u64::MAX);
            tracker.packet(frame.number, recording.epoch_ns.saturating_add(at), frame.octets.len(), &glance);
            let secret = glance.nhrp.and_then(|_| fields::secret(&Dissection::of_ip(&frame.octets)));
            secrets.extend(secret.filter(|secret| !secret.is_empty() && !secrets.contains(secret)));
        }
        tracker.finish();
        let mut exchanges = tracker.take_finished();
        exchanges.retain(|exchange| of_nhrp(exchange.kind) && !exchange.protected);
        exchanges.sort_by_key(|exchange| exchange.number);
        // Numbers are what people name them by: without those of IKE in between.
        (1..).zip(&mut exchanges).for_each(|(number, exchange)| exchange.number = number);
        let stations = stations(&tracker, &exchanges);
        let frames = recording.frames.into_iter().map(|frame| (frame.number, frame)).collect();
        Self { exchanges, stations, frames, secrets }
    }

    fn name_of(&self, nbma: IpAddr) -> Option<&str> {
        self.stations.iter().find(|station| station.nbma == nbma).map(|station| station.name.as_str())
    }
}

fn of_nhrp(kind: ExchangeKind) -> bool {
    !matches!(kind, ExchangeKind::Ike1(_) | ExchangeKind::Ike2(_))
}

/// The protocol address of a station, if an exchange says it: of the server of a registration, of who asks or redirects, or of
/// who was found.
fn address(exchange: &Exchange, nbma: IpAddr) -> Option<IpAddr> {
    let of_source = (exchange.from == nbma).then_some(exchange.source).flatten();
    match exchange.kind {
        ExchangeKind::Registration if exchange.to == nbma => exchange.about,
        ExchangeKind::Resolution if exchange.nbma == Some(nbma) && exchange.code == Some(0) => exchange.about,
        ExchangeKind::Resolution | ExchangeKind::TrafficIndication => of_source,
        _ => None,
    }
}

/// Everyone between whom a message of an exchange went. A hub is who answers registrations, or at least gets them; where
/// nobody does, who passes on or redirects; and where nobody does that, who answers.
fn stations(tracker: &Tracker, exchanges: &[Exchange]) -> Vec<Station> {
    let mut order: Vec<IpAddr> = Vec::new();
    for address in exchanges.iter().flat_map(|exchange| &exchange.packets).flat_map(|seen| [seen.from, seen.to]) {
        if !order.contains(&address) {
            order.push(address);
        }
    }
    let asked = |nbma: IpAddr| {
        exchanges.iter().any(|exchange| exchange.kind == ExchangeKind::Registration && exchange.to == nbma)
    };
    let passes_on = |nbma: IpAddr| {
        let mut packets = exchanges.iter().flat_map(|exchange| &exchange.packets);
        packets.any(|seen| seen.part == Part::Forward && seen.from == nbma)
            || tracker.stations().get(&nbma).is_some_and(|station| station.redirects > 0)
    };
    let serves = |nbma: IpAddr| {
        let role = tracker.stations().get(&nbma).map(|station| station.role());
        matches!(role, Some(Role::Hub | Role::HubAndSpoke)) || asked(nbma)
    };
    let mut hubs: Vec<IpAddr> = order.iter().copied().filter(|nbma| serves(*nbma)).collect();
    if hubs.is_empty() {
        hubs = order.iter().copied().filter(|nbma| passes_on(*nbma)).collect();
    }
    if hubs.is_empty() {
        hubs.extend(exchanges.first().map(|exchange| exchange.to));
    }
    let mut found = Vec::new();
    for is_hub in [true, false] {
        let word = if is_hub { "hub" } else { "spoke" };
        for (place, nbma) in order.iter().filter(|nbma| hubs.contains(nbma) == is_hub).enumerate() {
            let name = if place == 0 { word.to_owned() } else { format!("{word}{}", place + 1) };
            let known = tracker.stations().get(nbma).and_then(|station| station.addresses.first().copied());
            let takes_part = |e: &&Exchange| e.packets.iter().any(|seen| seen.from == *nbma || seen.to == *nbma);
            let own = exchanges.iter().find(takes_part);
            found.push(Station {
                name,
                is_hub,
                nbma: *nbma,
                tunnel: known.map(|(_, address)| address).or_else(|| exchanges.iter().find_map(|e| address(e, *nbma))),
                key: own.and_then(|exchange| exchange.gre_key),
            });
        }
    }
    found
}
