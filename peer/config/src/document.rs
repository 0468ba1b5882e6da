//! A configuration as written: what the file says and where, before defaults and before any judgment.
//!
//! This is what a syntax has to fill. Absent settings are `None`, so that the defaults have one home:
//! [`dmvpn_core::config`].

use std::net::IpAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use dmvpn_core::config::{Multicast, Profile, Secret};

use crate::{Error, Settings, convert};

/// A value and the octets of the file that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Octets of the file.
    pub span: Range<usize>,
}

/// A whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Tunnels, in the order of the file.
    pub tunnels: Vec<Tunnel>,
    /// Attached networks: own addresses with the length of their prefix.
    pub lan: Vec<Located<Interface>>,
    /// Routes.
    pub routes: Vec<Located<Route>>,
    /// Bounds of tables and rates.
    pub limits: Limits,
    /// Where request IDs are kept over restarts.
    pub state: Option<Located<PathBuf>>,
    /// Request ID of the first NHRP request.
    pub first_request_id: Option<Located<u32>>,
}

impl Document {
    /// Fills in the defaults and checks that a node can run with the result. `file` and `text` are what the document was
    /// read from.
    ///
    /// # Errors
    /// The first thing that can not work.
    pub fn into_settings(self, file: &str, text: &str) -> Result<Settings, Error> {
        convert::settings(self, file, text)
    }
}

/// An address with the length of its subnet's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The address.
    pub address: IpAddr,
    /// Bits of the subnet.
    pub prefix_len: u8,
}

/// A prefix, without bits behind its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// First address.
    pub first: IpAddr,
    /// Bits that count, 0 for everything.
    pub len: u8,
}

/// Where a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gateway {
    /// To another router outside all tunnels.
    Beyond,
    /// To nobody: the network is attached to this node.
    Attached,
    /// To a station of a tunnel.
    Station(IpAddr),
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What it leads to.
    pub to: Located<Prefix>,
    /// Its next hop.
    pub via: Located<Gateway>,
    /// Name of the tunnel; `None`: the one whose subnet has the next hop.
    pub tunnel: Option<Located<String>>,
}

/// A tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Name.
    pub name: Located<String>,
    /// Own NBMA address.
    pub nbma: Located<IpAddr>,
    /// Own protocol address.
    pub address: Located<Interface>,
    /// NBMA address of the only peer; `None`: multipoint.
    pub remote: Option<Located<IpAddr>>,
    /// GRE key.
    pub key: Option<Located<u32>>,
    /// Outer TTL.
    pub ttl: Option<Located<u8>>,
    /// Outer TOS of NHRP packets.
    pub tos: Option<Located<u8>>,
    /// Announced MTU.
    pub mtu: Option<Located<u16>>,
    /// NHRP; `None` switches it off.
    pub nhrp: Option<Nhrp>,
}

/// NHRP settings of a tunnel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nhrp {
    /// Network id.
    pub network_id: Option<Located<u32>>,
    /// Holding time.
    pub holding_time: Option<Located<Duration>>,
    /// Cisco authentication string.
    pub authentication: Option<Located<Secret>>,
    /// Flag U of own registrations.
    pub unique: Option<Located<bool>>,
    /// Whether registrations are answered.
    pub server: Option<Located<bool>>,
    /// Which reading is followed.
    pub profile: Option<Located<Profile>>,
    /// Whether resolutions are answered.
    pub answers: Option<Located<bool>>,
    /// Whether Traffic Indications are sent.
    pub redirect: Option<Located<bool>>,
    /// Whether Traffic Indications are acted upon.
    pub shortcut: Option<Located<bool>>,
    /// Holding time of resolutions.
    pub resolution_holding_time: Option<Located<Duration>>,
    /// Receivers of multicast; `None`: the default ones.
    pub multicast: Option<Vec<Located<Multicast>>>,
    /// Bounded clusters.
    pub clusters: Vec<Located<Cluster>>,
    /// Probation of a server that came back.
    pub fallback: Option<Located<Duration>>,
    /// Prefix length of own registrations.
    pub registration_prefix: Option<Located<u8>>,
    /// Back-off of unanswered requests.
    pub retry: Option<Located<Retry>>,
    /// Next hop servers.
    pub nhs: Vec<Located<Nhs>>,
    /// Static bindings.
    pub map: Vec<Located<Map>>,
}

/// Back-off of unanswered requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retry {
    /// First wait.
    pub first: Option<Located<Duration>>,
    /// Longest wait.
    pub max: Option<Located<Duration>>,
    /// Random lengthening, percent.
    pub jitter_percent: Option<Located<u8>>,
}

/// A next hop server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nhs {
    /// Protocol address; `None`: learned from the first reply.
    pub protocol: Option<Located<IpAddr>>,
    /// NBMA address.
    pub nbma: Located<IpAddr>,
    /// Lower is preferred.
    pub priority: Option<Located<u8>>,
    /// The cluster that it belongs to.
    pub cluster: Option<Located<u8>>,
}

/// A bounded cluster of next hop servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its number.
    pub id: Located<u8>,
    /// Most servers of it to be registered with.
    pub max_connections: Located<u16>,
}

/// A static binding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// Protocol address.
    pub protocol: Located<IpAddr>,
    /// NBMA address.
    pub nbma: Located<IpAddr>,
}

/// Bounds of tables and rates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Learned bindings.
    pub bindings: Option<Located<u32>>,
    /// Learned bindings of one station.
    pub bindings_per_peer: Option<Located<u32>>,
    /// Client information entries handled per registration.
    pub entries_per_request: Option<Located<u32>>,
    /// Error Indications sent per second.
    pub errors_per_second: Option<Located<u32>>,
    /// Routes.
    pub routes: Option<Located<u32>>,
    /// Resolutions under way.
    pub resolutions: Option<Located<u32>>,
    /// Resolution Requests sent per second.
    pub resolutions_per_second: Option<Located<u32>>,
    /// Purge Requests sent per second.
    pub purges_per_second: Option<Located<u32>>,
    /// Packets held.
    pub held_packets: Option<Located<u32>>,
    /// Copies of one multicast packet.
    pub multicast_copies: Option<Located<u32>>,
    /// ICMP errors sent per second.
    pub icmp_per_second: Option<Located<u32>>,
    /// Bindings found out by asking.
    pub cached: Option<Located<u32>>,
    /// Requesters remembered.
    pub requesters: Option<Located<u32>>,
    /// Pairs of addresses redirected lately.
    pub redirects: Option<Located<u32>>,
    /// Messages taken per second from one address.
    pub messages_per_second_per_peer: Option<Located<u32>>,
}
