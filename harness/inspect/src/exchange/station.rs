//! Stations, clouds, mappings and flows.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use super::table::Table;

/// What a station does in a DMVPN, as far as was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It answers registrations: a next hop server. Or it redirects.
    Hub,
    /// It registers: a next hop client. Or it asks for a way.
    Spoke,
    /// It does both: a hub of a hierarchy.
    HubAndSpoke,
    /// Neither was seen.
    Unknown,
}

/// How many protocol addresses of one station are remembered.
const ADDRESSES_KEPT: usize = 16;

/// Someone with an NBMA address.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Station {
    /// Packets that it sent.
    pub sent: u64,
    /// Packets that it received.
    pub received: u64,
    /// Registration Requests that it sent, retries not counted.
    pub registers: u64,
    /// Registration Replies that it sent.
    pub acknowledges: u64,
    /// Resolution Requests that it sent for itself.
    pub asks: u64,
    /// Resolution Replies that it sent.
    pub answers: u64,
    /// Traffic Indications that it sent.
    pub redirects: u64,
    /// Error Indications that it sent.
    pub errors: u64,
    /// IKE exchanges that it began.
    pub initiates: u64,
    /// IKE exchanges that it answered.
    pub responds: u64,
    /// The NBMA address that it claims, where that is not the one it sends from: it is behind a translator.
    pub claims: Option<IpAddr>,
    /// Its protocol addresses with the GRE key of their tunnel, at most 16.
    pub addresses: Vec<(Option<u32>, IpAddr)>,
}

impl Station {
    /// What it is.
    pub fn role(&self) -> Role {
        match (self.acknowledges > 0, self.registers > 0) {
            (true, true) => Role::HubAndSpoke,
            (true, false) => Role::Hub,
            (false, true) => Role::Spoke,
            // Where no registration was seen, who redirects is a hub, and who asks for itself is a spoke.
            (false, false) if self.redirects > 0 => Role::Hub,
            (false, false) if self.asks > 0 => Role::Spoke,
            (false, false) => Role::Unknown,
        }
    }

    pub(super) fn has_address(&mut self, key: Option<u32>, address: IpAddr) {
        if self.addresses.len() < ADDRESSES_KEPT && !self.addresses.contains(&(key, address)) {
            self.addresses.push((key, address));
        }
    }
}

/// Stations whose tunnels have the same GRE key.
#[derive(Clone, Debug, Serialize)]
pub struct Cloud {
    /// The key; `None` are tunnels without one.
    pub gre_key: Option<u32>,
    /// The longest prefix that holds all IPv4 protocol addresses, as text, or that of IPv6 where there are only those.
    pub network: Option<String>,
    /// NBMA addresses of the hubs.
    pub hubs: Vec<IpAddr>,
    /// NBMA addresses of the spokes.
    pub spokes: Vec<IpAddr>,
    /// Others that have a protocol address in it.
    pub others: Vec<IpAddr>,
}

/// Where a mapping came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A registration that the station at this NBMA address acknowledged.
    Registered(IpAddr),
    /// A Resolution Reply that the station at this NBMA address got.
    Resolved(IpAddr),
}

/// A mapping of a protocol address to an NBMA address.
#[derive(Clone, Debug, Serialize)]
pub struct Binding {
    /// The NBMA address.
    pub nbma: IpAddr,
    /// Prefix length as told; 0 and 255 mean the host.
    pub prefix_len: u8,
    /// Holding time in seconds, as told last.
    pub holding_time: u16,
    /// When it was first told, in nanoseconds since 1970.
    pub since_ns: u64,
    /// When it lapses if it is not renewed.
    pub expires_ns: u64,
    /// How often it was renewed.
    pub renewals: u64,
    /// How often it was told again after it had lapsed.
    pub lapses: u64,
    /// When it was purged last.
    pub purged_ns: Option<u64>,
}

/// ESP packets of one SA.
#[derive(Clone, Debug, Serialize)]
pub struct Flow {
    /// Packets.
    pub packets: u64,
    /// Octets behind the sequence number.
    pub octets: u64,
    /// When the first was seen, in nanoseconds since 1970.
    pub first_ns: u64,
    /// When the last was seen.
    pub last_ns: u64,
    /// The first sequence number seen.
    pub first_seq: u32,
    /// The highest.
    pub highest_seq: u32,
    /// Packets whose number was not higher than all before: late, or repeated.
    pub late: u64,
    /// Whether they were in UDP.
    pub in_udp: bool,
    /// Whether a key opened them.
    pub opened: bool,
}

impl Flow {
    /// How many numbers between the first and the highest were not seen. Repeated packets make it less than it is.
    pub fn missing(&self) -> u64 {
        (u64::from(self.highest_seq.saturating_sub(self.first_seq)) + 1).saturating_sub(self.packets)
    }
}

/// What one station sent to another.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Pair {
    /// IP packets in GRE, not protected.
    pub inner: u64,
    /// NHRP messages, not protected.
    pub nhrp: u64,
    /// GRE of any kind, not protected.
    pub clear: u64,
    /// ESP packets.
    pub esp: u64,
    /// IKE messages.
    pub ike: u64,
    /// Others.
    pub other: u64,
    /// The first GRE packet in the clear after ESP had been seen from the same station to the same: a leak, if the
    /// tunnel is protected.
    pub clear_after_esp: Option<u64>,
    /// Where the two stations are in their table, so that each packet needs one look-up.
    #[serde(skip)]
    pub(super) stations: (Option<usize>, Option<usize>),
}

/// The clouds that stations are in.
pub(super) fn clouds(stations: &Table<IpAddr, Station>) -> Vec<Cloud> {
    let mut clouds: BTreeMap<Option<u32>, (Cloud, Vec<IpAddr>)> = BTreeMap::new();
    for (nbma, station) in stations.iter() {
        let mut keys: Vec<_> = station.addresses.iter().map(|(key, _)| *key).collect();
        keys.dedup();
        for key in keys {
            let (cloud, addresses) = clouds.entry(key).or_insert_with(|| {
                let empty = Cloud { gre_key: key, network: None, hubs: vec![], spokes: vec![], others: vec![] };
                (empty, Vec::new())
            });
            let list = match station.role() {
                Role::Hub | Role::HubAndSpoke => &mut cloud.hubs,
                Role::Spoke => &mut cloud.spokes,
                Role::Unknown => &mut cloud.others,
            };
            if !list.contains(nbma) {
                list.push(*nbma);
            }
            addresses.extend(station.addresses.iter().filter(|(of, _)| *of == key).map(|(_, address)| *address));
        }
    }
    let with_network = |(mut cloud, addresses): (Cloud, Vec<IpAddr>)| {
        cloud.network = common_prefix(&addresses);
        cloud
    };
    clouds.into_values().map(with_network).collect()
}

/// The longest prefix that holds all of the addresses of the first one's family.
fn common_prefix(addresses: &[IpAddr]) -> Option<String> {
    let bits = |address: &IpAddr| match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    };
    let first = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first())?;
    let same = addresses.iter().filter(|address| address.is_ipv4() == first.is_ipv4());
    let whole = if first.is_ipv4() { 32 } else { 128 };
    let len = same.map(|address| (bits(address) ^ bits(first)).leading_zeros()).min().unwrap_or(whole).min(whole);
    let mask = if len == 0 { 0 } else { u128::MAX << (128 - len) };
    let network = bits(first) & mask;
    Some(match first {
        IpAddr::V4(_) => format!("{}/{len}", std::net::Ipv4Addr::from_bits((network >> 96) as u32)),
        IpAddr::V6(_) => format!("{}/{len}", std::net::Ipv6Addr::from_bits(network)),
    })
}
