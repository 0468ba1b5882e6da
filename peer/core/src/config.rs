//! What a node is told: tunnels, their NHRP roles, and limits. Two syntaxes (`dmvpn-config`) and the harness build this
//! one model; no text format is known here.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::ids::TunnelId;

mod validate;

pub use validate::{ConfigError, ConfigProblem, RouteFault};

/// Configuration of a node. Hub and spoke differ only in what their tunnels say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Tunnels; the position in this list is the [`TunnelId`](crate::ids::TunnelId).
    pub tunnels: Vec<Tunnel>,
    /// The routed path: where destinations outside the tunnels' own subnets are. Without any, a client sends what is not
    /// on its tunnel by way of its servers.
    pub routes: Vec<Route>,
    /// Bounds of every table and rate.
    pub limits: Limits,
    /// Request ID of the first NHRP request. A shell that wants IDs which never fall back over a restart (RFC 2332
    /// §5.2.3) stores the last one and passes a higher one here; the default is 1.
    pub first_request_id: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { tunnels: Vec::new(), routes: Vec::new(), limits: Limits::default(), first_request_id: 1 }
    }
}

/// One entry of the routing table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// First address of the prefix.
    pub prefix: IpAddr,
    /// Bits of `prefix` that count; 0 is the default route.
    pub prefix_len: u8,
    /// Where it leads.
    pub via: RouteVia,
}

/// Where a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteVia {
    /// To a network attached to this node, outside all tunnels. Stable as long as it is there (RFC 2332 §5.2.2, flag D).
    Attached {
        /// Own address in it, if there is one.
        address: Option<IpAddr>,
    },
    /// To another router outside all tunnels: reachable, but nothing that this node can vouch for (RFC 2332 §6.3).
    Beyond,
    /// Through a tunnel.
    Tunnel {
        /// The tunnel.
        tunnel: TunnelId,
        /// Protocol address of the next hop.
        next_hop: IpAddr,
    },
}

/// One GRE tunnel interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Name for people and for `show`.
    pub name: String,
    /// Own NBMA address: source of the outer IP header.
    pub nbma: IpAddr,
    /// Own protocol address inside the tunnel.
    pub address: IpAddr,
    /// Prefix length of `address`. A host length (32 or 128) says that the tunnel's subnet is not known: an NHS then
    /// serves every address of the family, as FRR does with its /32 tunnels.
    pub prefix_len: u8,
    /// Multipoint or point-to-point.
    pub mode: GreMode,
    /// GRE key (RFC 2890 §2.1); no key and key 0 are different tunnels, as on Linux.
    pub key: Option<u32>,
    /// TTL (hop limit) of the outer header.
    pub ttl: u8,
    /// TOS (traffic class) of the outer header of NHRP packets; data packets carry that of the inner header.
    pub tos: u8,
    /// MTU of the tunnel in octets, announced in client information entries.
    pub mtu: u16,
    /// The NHRP side.
    pub nhrp: Nhrp,
}

impl Tunnel {
    /// A multipoint tunnel with the defaults: no key, TTL 255, TOS 0xC0 (internetwork control), MTU 1476, NHRP with
    /// [`Nhrp::default`].
    pub fn new(name: impl Into<String>, nbma: IpAddr, address: IpAddr, prefix_len: u8) -> Self {
        Self {
            name: name.into(),
            nbma,
            address,
            prefix_len,
            mode: GreMode::Multipoint,
            key: None,
            ttl: 255,
            tos: 0xC0,
            mtu: 1476,
            nhrp: Nhrp::default(),
        }
    }

    /// Whether `address` may be a station of this tunnel: in its subnet, or any of its family if no subnet is known.
    pub fn serves(&self, address: IpAddr) -> bool {
        let host = host_len(self.address);
        if host != host_len(address) || !is_station(address) {
            return false;
        }
        self.prefix_len == host || in_prefix(address, self.address, self.prefix_len)
    }

    /// Whether the tunnel has a subnet of at least `len` bits with this address in it: of several tunnels in one subnet
    /// the routing table names the first one only.
    pub(crate) fn connects(&self, address: IpAddr, len: u8) -> bool {
        (len..host_len(self.address)).contains(&self.prefix_len) && in_prefix(address, self.address, self.prefix_len)
    }
}

/// How a tunnel finds the outer destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GreMode {
    /// Many peers: the outer destination comes from NHRP (mGRE).
    Multipoint,
    /// One peer with a fixed NBMA address.
    PointToPoint {
        /// NBMA address of the peer.
        remote: IpAddr,
    },
}

/// NHRP on a tunnel (RFC 2332).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nhrp {
    /// Network id: names the NBMA network locally, is never sent, and switches NHRP on. `None`: NHRP packets on this
    /// tunnel are ignored.
    pub network_id: Option<u32>,
    /// Holding time in seconds that registrations ask for; registrations are refreshed at exactly a third of it.
    pub holding_time: u16,
    /// Clear-text string of the Cisco authentication extension.
    pub authentication: Option<Secret>,
    /// Whether own registrations claim a unique binding (flag U).
    pub unique: bool,
    /// Waits between retransmissions of an unanswered request.
    pub retry: Backoff,
    /// Next hop servers to register with.
    pub nhs: Vec<Nhs>,
    /// Whether this node answers registrations (is an NHS).
    pub server: bool,
    /// Prefix length to put into own registrations; `None`: 0xFF with U set, the host length otherwise.
    pub prefix_len: Option<u8>,
    /// Static bindings.
    pub maps: Vec<Map>,
    /// Which reading is followed where RFC 2332 and the installed base of DMVPN disagree.
    pub profile: Profile,
    /// Whether resolution requests are answered for what this node serves or is the way out to; if not, with code 4.
    pub answers: bool,
    /// Whether a packet that came in and leaves by this NBMA network earns its previous hop a Traffic Indication.
    pub redirect: bool,
    /// Whether Traffic Indications to this node are acted upon.
    pub shortcut: bool,
    /// Holding time in seconds of resolution replies about prefixes and of cached refusals; `None`: `holding_time`,
    /// and at most [`Nhrp::NEGATIVE`] for refusals.
    pub resolution_holding_time: Option<u16>,
    /// Who gets a copy of overlay multicast and broadcast packets.
    pub multicast: Vec<Multicast>,
    /// Most servers of one cluster that are registered with at a time, best priority first; clusters that are not listed
    /// have no bound.
    pub clusters: Vec<Cluster>,
    /// How long a better server must have been registered before traffic and registrations return to it.
    pub fallback: Duration,
}

impl Nhrp {
    /// Seconds for which a refused or unanswered resolution is not tried again.
    pub const NEGATIVE: u16 = 30;
}

/// Which reading of NHRP a tunnel follows. The differences stand in one table, in `peer/README.md`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// RFC 2332 to the letter: the serving NHS answers, transit information is cached, prefixes are not widened.
    Rfc2332,
    /// What DMVPN routers do: requests travel to the egress, nothing is cached in transit, answers cover prefixes.
    #[default]
    Dmvpn,
}

/// A receiver, or a kind of receivers, of overlay multicast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Multicast {
    /// This NBMA address.
    Static(IpAddr),
    /// Every registered client.
    Dynamic,
    /// Every next hop server.
    Nhs,
}

/// A group of next hop servers of which only some are used at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Number of the cluster, as in [`Nhs::cluster`].
    pub id: u8,
    /// Most servers of it to be registered with at a time, at least 1.
    pub max_connections: u16,
}

impl Default for Nhrp {
    fn default() -> Self {
        Self {
            network_id: Some(1),
            holding_time: 7200,
            authentication: None,
            unique: true,
            retry: Backoff::default(),
            nhs: Vec::new(),
            server: false,
            prefix_len: None,
            maps: Vec::new(),
            profile: Profile::default(),
            answers: true,
            redirect: false,
            shortcut: true,
            resolution_holding_time: None,
            multicast: vec![Multicast::Dynamic, Multicast::Nhs],
            clusters: Vec::new(),
            fallback: Duration::ZERO,
        }
    }
}

/// A next hop server that the node is a client of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nhs {
    /// Protocol address; `None` if it is to be learned from the first reply (dynamic NHS).
    pub protocol: Option<IpAddr>,
    /// NBMA address.
    pub nbma: IpAddr,
    /// Lower is preferred when traffic is sent by way of a server, and within a cluster that is bounded.
    pub priority: u8,
    /// The cluster that it belongs to.
    pub cluster: u8,
}

impl Nhs {
    /// A server with both addresses known and the best priority, 0.
    pub fn new(protocol: IpAddr, nbma: IpAddr) -> Self {
        Self { protocol: Some(protocol), nbma, priority: 0, cluster: 0 }
    }
}

/// A static binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map {
    /// Protocol address of the station.
    pub protocol: IpAddr,
    /// NBMA address of the station.
    pub nbma: IpAddr,
}

/// Waits of an exponential back-off: `first`, twice that, and so on up to `max`, then `max` for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Wait after the first transmission.
    pub first: Duration,
    /// Longest wait.
    pub max: Duration,
    /// Each wait is lengthened by a random part of itself, up to this many percent. 0, the default, keeps the sequence
    /// exact; a large site sets it so that a thousand spokes do not come back to a restarted hub in step.
    pub jitter_percent: u8,
}

impl Backoff {
    /// The wait after transmission number `attempt` (1 is the first), before jitter.
    pub fn wait_after(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        self.first.saturating_mul(1 << doublings).min(self.max)
    }
}

/// 1 s doubling to 64 s without jitter.
impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), max: Duration::from_secs(64), jitter_percent: 0 }
    }
}

/// Bounds of the node's tables and rates. What does not fit is refused and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bindings learned from registrations, over all tunnels; beyond that a registration gets code 5.
    pub bindings: usize,
    /// Of these, registered by one station (outer source address); what is above it gets code 5.
    pub bindings_per_peer: usize,
    /// Client information entries handled in one registration; the others get code 5.
    pub entries_per_request: usize,
    /// Error Indications sent per second, over all tunnels.
    pub errors_per_second: u32,
    /// Outputs that wait for the shell to poll them; when there are so many, new ones are lost and counted.
    pub outputs: usize,
    /// Tunnels of the node.
    pub tunnels: usize,
    /// Next hop servers, static bindings and static multicast receivers of one tunnel.
    pub peers_per_tunnel: usize,
    /// Routes of the node, configured and added.
    pub routes: usize,
    /// Resolutions under way, over all tunnels; what does not fit keeps to the routed path.
    pub resolutions: usize,
    /// Resolution requests sent per second, over all tunnels, retransmissions included.
    pub resolutions_per_second: u32,
    /// Purge Requests sent per second, over all tunnels, retransmissions included, at least 1; the others wait for their
    /// turn. Those of a node that stops are not counted.
    pub purges_per_second: u32,
    /// Packets held until their next hop is known, over all destinations.
    pub held_packets: usize,
    /// Copies of one multicast packet.
    pub multicast_copies: usize,
    /// ICMP errors sent into the overlay per second, over all tunnels.
    pub icmp_per_second: u32,
    /// Bindings that were found out by asking, refused ones included.
    pub cached: usize,
    /// Requesters remembered for the day when what they were told is no longer true.
    pub requesters: usize,
    /// Pairs of addresses for which a Traffic Indication was sent lately.
    pub redirects: usize,
    /// Messages taken per second from one NBMA address; what is above it is dropped.
    pub messages_per_second_per_peer: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bindings: 100_000,
            bindings_per_peer: 4096,
            entries_per_request: 64,
            errors_per_second: 100,
            outputs: 65_536,
            tunnels: 256,
            peers_per_tunnel: 4096,
            routes: 100_000,
            resolutions: 4096,
            resolutions_per_second: 1000,
            purges_per_second: 1000,
            held_packets: 1024,
            multicast_copies: 10_000,
            icmp_per_second: 100,
            cached: 100_000,
            requesters: 100_000,
            redirects: 16_384,
            messages_per_second_per_peer: 10_000,
        }
    }
}

/// The clear-text string of the Cisco authentication extension, 1 to 8 octets. Neither `Debug` nor `Display` shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Longest string that routers accept, in octets.
    pub const MAX_LEN: usize = 8;

    /// Keeps `octets`; [`Config::validate`] judges their number and content.
    pub fn new(octets: impl Into<Vec<u8>>) -> Self {
        Self(octets.into())
    }

    /// The octets themselves, for the wire only.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Whether two tunnels are of one NBMA network (CISCO-NID-01): of one network id, and with NHRP at all.
pub(crate) fn same_network(tunnels: &[Tunnel], a: TunnelId, b: TunnelId) -> bool {
    let network = |id: TunnelId| tunnels.get(usize::from(id.0)).and_then(|tunnel| tunnel.nhrp.network_id);
    network(a).is_some() && network(a) == network(b)
}

/// Length in bits of a host prefix in the family of `address`.
pub(crate) fn host_len(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// `address` with all bits after the first `len` cleared.
pub(crate) fn masked(address: IpAddr, len: u8) -> IpAddr {
    match address {
        IpAddr::V4(a) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(len.min(32))).unwrap_or(0);
            IpAddr::V4((a.to_bits() & mask).into())
        }
        IpAddr::V6(a) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(len.min(128))).unwrap_or(0);
            IpAddr::V6((a.to_bits() & mask).into())
        }
    }
}

/// `address` with all bits after the first `len` set: the last one of its prefix.
pub(crate) fn last_of(address: IpAddr, len: u8) -> IpAddr {
    match address {
        IpAddr::V4(a) => {
            let host = u32::MAX.checked_shr(u32::from(len.min(32))).unwrap_or(0);
            IpAddr::V4((a.to_bits() | host).into())
        }
        IpAddr::V6(a) => {
            let host = u128::MAX.checked_shr(u32::from(len.min(128))).unwrap_or(0);
            IpAddr::V6((a.to_bits() | host).into())
        }
    }
}

/// No address sorts before it: the lower end of a range in a sorted table.
pub(crate) const LOWEST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
/// No address sorts behind it: the upper end of a range in a sorted table.
pub(crate) const HIGHEST: IpAddr = IpAddr::V6(std::net::Ipv6Addr::from_bits(u128::MAX));

/// The prefix of all addresses in the family of `address`.
pub(crate) fn everything(address: IpAddr) -> (IpAddr, u8) {
    (masked(address, 0), 0)
}

/// Whether the first `len` bits of both addresses agree.
pub(crate) fn in_prefix(address: IpAddr, net: IpAddr, len: u8) -> bool {
    host_len(address) == host_len(net) && masked(address, len) == masked(net, len)
}

/// Whether a single station can own the address: neither unspecified, multicast, broadcast nor loopback.
pub(crate) fn is_station(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(a) if a.is_broadcast());
    !(address.is_unspecified() || address.is_multicast() || address.is_loopback() || broadcast)
}

#[cfg(test)]
mod tests;
