//! The story so far as one value, for whoever prints it.

use std::collections::HashSet;

use super::*;
use crate::exchange::{Binding, Cloud, Flow, Origin, Pair, Role, Station, Totals};

/// A station with its address and role.
#[derive(Clone, Debug, Serialize)]
pub struct Member {
    /// NBMA address, as in the outer header.
    pub nbma: IpAddr,
    /// What it is.
    pub role: Role,
    /// Whether it is behind a translator: it claims another NBMA address than the one it sends from.
    pub behind_nat: bool,
    /// What was seen of it.
    #[serde(flatten)]
    pub station: Station,
}

/// A mapping with who has it.
#[derive(Clone, Debug, Serialize)]
pub struct Mapped {
    /// GRE key of the tunnel.
    pub gre_key: Option<u32>,
    /// The protocol address.
    pub address: IpAddr,
    /// Where it came from.
    pub origin: Origin,
    /// What it says.
    #[serde(flatten)]
    pub binding: Binding,
}

/// A mapping that lapsed, or was told again only after it had.
#[derive(Clone, Debug, Serialize)]
pub struct Lapsed {
    /// The mapping.
    #[serde(flatten)]
    pub mapped: Mapped,
    /// Whether it was not told again before the capture ended.
    pub gone: bool,
}

/// ESP packets of one SA, with its ends.
#[derive(Clone, Debug, Serialize)]
pub struct Esp {
    /// Who sent them.
    pub from: IpAddr,
    /// Whom to.
    pub to: IpAddr,
    /// Security Parameters Index.
    pub spi: u32,
    /// Numbers that were not seen.
    pub missing: u64,
    /// What was seen.
    #[serde(flatten)]
    pub flow: Flow,
}

/// GRE in the clear beside ESP, between the same two stations in the same direction.
#[derive(Clone, Debug, Serialize)]
pub struct Clear {
    /// Who sent it.
    pub from: IpAddr,
    /// Whom to.
    pub to: IpAddr,
    /// GRE packets in the clear.
    pub clear: u64,
    /// ESP packets.
    pub esp: u64,
    /// The first GRE packet in the clear after ESP.
    pub first_packet: u64,
}

/// What happened, added up.
#[derive(Clone, Debug, Serialize)]
pub struct Overview {
    /// Counts of packets.
    pub totals: Totals,
    /// Packets of routing protocols in the tunnels, by name.
    pub routing: Vec<(&'static str, u64)>,
    /// NHRP messages with an authentication extension.
    pub authenticated: u64,
    /// Everyone who took part in a DMVPN, or in what protects one.
    pub stations: Vec<Member>,
    /// Everyone else.
    pub bystanders: u64,
    /// Clouds, by GRE key.
    pub clouds: Vec<Cloud>,
    /// Registrations, by client and server.
    pub registrations: Vec<Registration>,
    /// Resolutions, by client and address.
    pub resolutions: Vec<Resolution>,
    /// Redirects, by client and address.
    pub redirects: Vec<Redirect>,
    /// Purges, by stations and address.
    pub purges: Vec<Purge>,
    /// Error Indications, by stations and code.
    pub errors: Vec<Complaint>,
    /// Mappings that hold when the capture ends.
    pub mappings: Vec<Mapped>,
    /// Mappings that lapsed.
    pub lapsed: Vec<Lapsed>,
    /// IKE SAs.
    pub ike_sas: Vec<IkeSa>,
    /// ESP, by SA.
    pub esp: Vec<Esp>,
    /// GRE in the clear beside ESP.
    pub clear_beside_esp: Vec<Clear>,
    /// The first packets that could not be read to their end.
    pub troubles: Vec<Trouble>,
    /// How often a table had no room: what is said of stations, mappings, flows, or exchanges is not all then.
    pub no_room: u64,
}

impl Story {
    /// Everything so far.
    pub fn overview(&self) -> Overview {
        let tracker = &self.tracker;
        let end = tracker.totals().last_ns.unwrap_or(0);
        // Tunnels and what protects them have their ends among those who take part.
        let tunnels = tracker.pairs().iter().filter(|(_, pair)| pair.clear + pair.esp + pair.ike > 0);
        let ends: HashSet<IpAddr> = tunnels.flat_map(|((from, to), _)| [*from, *to]).collect();
        let members = tracker.stations().iter().filter(|(nbma, station)| ends.contains(nbma) || acted(station));
        let stations: Vec<Member> = members
            .map(|(nbma, station)| Member {
                nbma: *nbma,
                role: station.role(),
                behind_nat: station.claims.is_some(),
                station: station.clone(),
            })
            .collect();
        let mapped = |((gre_key, address, origin), binding): (&(Option<u32>, IpAddr, Origin), &Binding)| Mapped {
            gre_key: *gre_key,
            address: *address,
            origin: *origin,
            binding: binding.clone(),
        };
        let expired = |binding: &Binding| binding.expires_ns < end && binding.purged_ns.is_none();
        let lapsed = tracker.bindings().iter().filter(|(_, binding)| binding.lapses > 0 || expired(binding));
        Overview {
            totals: tracker.totals().clone(),
            routing: Routing::ALL
                .iter()
                .map(|routing| (routing.name(), self.routing[*routing as usize]))
                .filter(|(_, count)| *count > 0)
                .collect(),
            authenticated: self.authenticated,
            bystanders: (tracker.stations().len() - stations.len()) as u64,
            stations,
            clouds: tracker.clouds(),
            registrations: rows(&self.registrations),
            resolutions: rows(&self.resolutions),
            redirects: rows(&self.redirects),
            purges: rows(&self.purges),
            errors: rows(&self.complaints),
            mappings: tracker.bindings().iter().filter(|(_, binding)| binding.expires_ns >= end).map(mapped).collect(),
            lapsed: lapsed.map(|entry| Lapsed { gone: expired(entry.1), mapped: mapped(entry) }).collect(),
            ike_sas: rows(&self.ike_sas),
            esp: tracker.flows().iter().map(esp).collect(),
            clear_beside_esp: tracker.pairs().iter().filter_map(clear).collect(),
            troubles: self.troubles.clone(),
            no_room: [
                tracker.stations().refused(),
                tracker.bindings().refused(),
                tracker.flows().refused(),
                tracker.pairs().refused(),
                self.registrations.refused(),
                self.resolutions.refused(),
                self.redirects.refused(),
                self.purges.refused(),
                self.complaints.refused(),
                self.ike_sas.refused(),
            ]
            .iter()
            .sum(),
        }
    }
}

/// Whether a station did anything but send and receive.
fn acted(station: &Station) -> bool {
    let did = [
        station.registers,
        station.acknowledges,
        station.asks,
        station.answers,
        station.redirects,
        station.errors,
        station.initiates,
        station.responds,
    ];
    did.iter().any(|count| *count > 0)
}

fn rows<K: Copy + Eq + std::hash::Hash, V: Clone>(table: &Table<K, V>) -> Vec<V> {
    table.iter().map(|(_, row)| row.clone()).collect()
}

fn esp(((from, to, spi), flow): (&(IpAddr, IpAddr, u32), &Flow)) -> Esp {
    Esp { from: *from, to: *to, spi: *spi, missing: flow.missing(), flow: flow.clone() }
}

fn clear(((from, to), pair): (&(IpAddr, IpAddr), &Pair)) -> Option<Clear> {
    let first_packet = pair.clear_after_esp?;
    Some(Clear { from: *from, to: *to, clear: pair.clear, esp: pair.esp, first_packet })
}
