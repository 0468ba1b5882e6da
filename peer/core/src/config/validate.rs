//! Refuses configurations that cannot work, before anything runs.

use std::fmt;
use std::net::IpAddr;

use super::{Config, GreMode, Multicast, Route, RouteVia, Secret, Tunnel, host_len, in_prefix, is_station, masked};

/// A configuration that a node cannot run: which tunnel, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", Of(tunnel))]
pub struct ConfigError {
    /// Name of the tunnel at fault; empty if the fault lies in the whole.
    pub tunnel: String,
    /// What is wrong.
    pub problem: ConfigProblem,
}

/// Names the tunnel at fault in front of the problem, if there is one.
struct Of<'a>(&'a str);

impl fmt::Display for Of<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "tunnel {:?}: ", self.0) }
    }
}

/// What can be wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigProblem {
    /// More tunnels than [`Limits::tunnels`](super::Limits::tunnels).
    #[error("{count} tunnels, the limit is {limit}")]
    TooManyTunnels {
        /// Configured tunnels.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// Two tunnels share a name.
    #[error("the name is used twice")]
    DuplicateName,
    /// Two tunnels could not be told apart by (NBMA address, key, remote).
    #[error("same NBMA address, key and remote as tunnel {other:?}: incoming packets could not be told apart")]
    Indistinguishable {
        /// The earlier tunnel.
        other: String,
    },
    /// An address that no single station can own.
    #[error("{what} {address} is not the address of a station")]
    NotAStation {
        /// Which setting.
        what: &'static str,
        /// Its value.
        address: IpAddr,
    },
    /// A peer's address that is our own.
    #[error("{what} {address} is this tunnel's own")]
    OwnAddress {
        /// Which setting.
        what: &'static str,
        /// Its value.
        address: IpAddr,
    },
    /// A next hop server that a point-to-point tunnel does not reach.
    #[error("next hop server {nbma} is not the remote of this point-to-point tunnel")]
    NhsNotRemote {
        /// Its NBMA address.
        nbma: IpAddr,
    },
    /// An address of the other family.
    #[error("{what} {address} is of another address family than the tunnel's own")]
    WrongFamily {
        /// Which setting.
        what: &'static str,
        /// Its value.
        address: IpAddr,
    },
    /// A prefix length outside 1 to the address width.
    #[error("prefix length {len} is not between 1 and {max}")]
    PrefixLength {
        /// Configured length.
        len: u8,
        /// Width of the address.
        max: u8,
    },
    /// TTL 0 would not leave the host.
    #[error("TTL 0")]
    Ttl,
    /// Holding time 0 means "forget at once".
    #[error("holding time 0")]
    HoldingTime,
    /// Network id 0.
    #[error("network id 0; ids are 1 to 4294967295")]
    NetworkId,
    /// The authentication string is not 1 to 8 octets without NUL.
    #[error("the authentication string must have 1 to 8 octets, none of them NUL")]
    Authentication,
    /// A back-off that starts at zero or ends before it starts.
    #[error("retry back-off must start above zero and not end below its start")]
    Backoff,
    /// A next hop server listed twice.
    #[error("next hop server {nbma} is listed twice")]
    DuplicateNhs {
        /// Its NBMA address.
        nbma: IpAddr,
    },
    /// A protocol address mapped twice.
    #[error("{protocol} is mapped twice")]
    DuplicateMap {
        /// The protocol address.
        protocol: IpAddr,
    },
    /// A cluster of which no server at all may be used.
    #[error("cluster {id} has room for 0 connections; leave it out if none of its servers is wanted")]
    EmptyCluster {
        /// Its number.
        id: u8,
    },
    /// A cluster that is bounded twice.
    #[error("cluster {id} is listed twice")]
    DuplicateCluster {
        /// Its number.
        id: u8,
    },
    /// More routes than [`Limits::routes`](super::Limits::routes).
    #[error("{count} routes, the limit is {limit}")]
    TooManyRoutes {
        /// Configured routes.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// A route that can not be followed.
    #[error("route to {prefix}/{prefix_len}: {fault}")]
    Route {
        /// First address of its prefix.
        prefix: IpAddr,
        /// Length of its prefix.
        prefix_len: u8,
        /// What is wrong with it.
        fault: RouteFault,
    },
    /// More servers and maps than [`Limits::peers_per_tunnel`](super::Limits::peers_per_tunnel).
    #[error("{count} next hop servers, maps and multicast receivers, the limit is {limit}")]
    TooManyPeers {
        /// Configured servers, maps and static multicast receivers.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// Servers, maps or the server role on a tunnel without a network id.
    #[error("NHRP settings without a network id")]
    NhrpOff,
}

/// What can be wrong with a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteFault {
    /// The prefix is longer than the address.
    #[error("the prefix length is more than {max}")]
    PrefixLength {
        /// Width of the address.
        max: u8,
    },
    /// There is another route to the same prefix.
    #[error("there are two of them")]
    Duplicate,
    /// Its tunnel does not exist.
    #[error("there is no such tunnel")]
    UnknownTunnel,
    /// Its next hop is of another family than its prefix or its tunnel.
    #[error("next hop {next_hop} is of another address family")]
    WrongFamily {
        /// The next hop.
        next_hop: IpAddr,
    },
    /// Its next hop is this node, nobody, or outside the tunnel's subnet.
    #[error("next hop {next_hop} is no other station of the tunnel's subnet")]
    NotOnTunnel {
        /// The next hop.
        next_hop: IpAddr,
    },
    /// The own address in an attached network is not in it.
    #[error("the own address {address} is not in it")]
    AddressOutside {
        /// The address.
        address: IpAddr,
    },
}

impl Config {
    /// What keeps the node from following a route, whether configured or added later.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_route(&self, route: &Route) -> Result<(), RouteFault> {
        let max = host_len(route.prefix);
        if route.prefix_len > max {
            return Err(RouteFault::PrefixLength { max });
        }
        match route.via {
            RouteVia::Beyond | RouteVia::Attached { address: None } => Ok(()),
            RouteVia::Attached { address: Some(address) } => {
                let inside = is_station(address) && in_prefix(address, route.prefix, route.prefix_len);
                if inside { Ok(()) } else { Err(RouteFault::AddressOutside { address }) }
            }
            RouteVia::Tunnel { tunnel, next_hop } => {
                let tunnel = self.tunnels.get(usize::from(tunnel.0)).ok_or(RouteFault::UnknownTunnel)?;
                if host_len(next_hop) != max || host_len(next_hop) != host_len(tunnel.address) {
                    return Err(RouteFault::WrongFamily { next_hop });
                }
                if next_hop == tunnel.address || !tunnel.serves(next_hop) {
                    return Err(RouteFault::NotOnTunnel { next_hop });
                }
                Ok(())
            }
        }
    }

    fn check_routes(&self) -> Result<(), ConfigProblem> {
        let (count, limit) = (self.routes.len(), self.limits.routes);
        if count > limit {
            return Err(ConfigProblem::TooManyRoutes { count, limit });
        }
        let mut seen = std::collections::BTreeSet::new();
        for route in &self.routes {
            let &Route { prefix, prefix_len, .. } = route;
            let twice =
                if seen.insert((masked(prefix, prefix_len), prefix_len)) { Ok(()) } else { Err(RouteFault::Duplicate) };
            self.check_route(route).and(twice).map_err(|fault| ConfigProblem::Route { prefix, prefix_len, fault })?;
        }
        Ok(())
    }

    /// Says whether a node can run with this.
    ///
    /// # Errors
    /// The first problem found, in the order of the tunnels.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let (count, limit) = (self.tunnels.len(), self.limits.tunnels.min(usize::from(u16::MAX)));
        if count > limit {
            let problem = ConfigProblem::TooManyTunnels { count, limit };
            return Err(ConfigError { tunnel: String::new(), problem });
        }
        for (at, tunnel) in self.tunnels.iter().enumerate() {
            let earlier = &self.tunnels[..at];
            self.check(tunnel, earlier).map_err(|problem| ConfigError { tunnel: tunnel.name.clone(), problem })?;
        }
        self.check_routes().map_err(|problem| ConfigError { tunnel: String::new(), problem })
    }

    fn check(&self, tunnel: &Tunnel, earlier: &[Tunnel]) -> Result<(), ConfigProblem> {
        if earlier.iter().any(|other| other.name == tunnel.name) {
            return Err(ConfigProblem::DuplicateName);
        }
        if let Some(other) = earlier.iter().find(|o| (o.nbma, o.key, o.mode) == (tunnel.nbma, tunnel.key, tunnel.mode))
        {
            return Err(ConfigProblem::Indistinguishable { other: other.name.clone() });
        }
        station("NBMA address", tunnel.nbma)?;
        station("address", tunnel.address)?;
        let max = host_len(tunnel.address);
        for len in [Some(tunnel.prefix_len), tunnel.nhrp.prefix_len.filter(|len| *len != 0xFF)].into_iter().flatten() {
            if len == 0 || len > max {
                return Err(ConfigProblem::PrefixLength { len, max });
            }
        }
        if tunnel.ttl == 0 {
            return Err(ConfigProblem::Ttl);
        }
        if let GreMode::PointToPoint { remote } = tunnel.mode {
            peer("remote", remote, tunnel.nbma)?;
        }
        self.check_nhrp(tunnel)
    }

    fn check_nhrp(&self, tunnel: &Tunnel) -> Result<(), ConfigProblem> {
        let nhrp = &tunnel.nhrp;
        match nhrp.network_id {
            Some(0) => return Err(ConfigProblem::NetworkId),
            None if nhrp.server || !nhrp.nhs.is_empty() || !nhrp.maps.is_empty() => return Err(ConfigProblem::NhrpOff),
            _ => {}
        }
        if nhrp.holding_time == 0 || nhrp.resolution_holding_time == Some(0) {
            return Err(ConfigProblem::HoldingTime);
        }
        if nhrp.retry.first.is_zero() || nhrp.retry.max < nhrp.retry.first {
            return Err(ConfigProblem::Backoff);
        }
        if let Some(secret) = &nhrp.authentication {
            let octets = secret.expose();
            // CISCO-AUTH-02: 1 to 8 octets, neither padded nor terminated.
            if octets.is_empty() || octets.len() > Secret::MAX_LEN || octets.contains(&0) {
                return Err(ConfigProblem::Authentication);
            }
        }
        let receivers = nhrp.multicast.iter().filter_map(|receiver| match receiver {
            Multicast::Static(nbma) => Some(*nbma),
            Multicast::Dynamic | Multicast::Nhs => None,
        });
        let count = nhrp.nhs.len() + nhrp.maps.len() + receivers.clone().count();
        let limit = self.limits.peers_per_tunnel.min(usize::from(u16::MAX));
        if count > limit {
            return Err(ConfigProblem::TooManyPeers { count, limit });
        }
        let mut clusters = std::collections::BTreeSet::new();
        for cluster in &nhrp.clusters {
            if cluster.max_connections == 0 {
                return Err(ConfigProblem::EmptyCluster { id: cluster.id });
            }
            if !clusters.insert(cluster.id) {
                return Err(ConfigProblem::DuplicateCluster { id: cluster.id });
            }
        }
        for nbma in receivers {
            peer("multicast receiver", nbma, tunnel.nbma)?;
        }
        let mut seen = std::collections::BTreeSet::new();
        for nhs in &nhrp.nhs {
            peer("next hop server's NBMA address", nhs.nbma, tunnel.nbma)?;
            if let Some(protocol) = nhs.protocol {
                peer("next hop server's protocol address", protocol, tunnel.address)?;
            }
            if matches!(tunnel.mode, GreMode::PointToPoint { remote } if remote != nhs.nbma) {
                return Err(ConfigProblem::NhsNotRemote { nbma: nhs.nbma });
            }
            if !seen.insert(nhs.nbma) {
                return Err(ConfigProblem::DuplicateNhs { nbma: nhs.nbma });
            }
        }
        seen.clear();
        for map in &nhrp.maps {
            peer("mapped protocol address", map.protocol, tunnel.address)?;
            peer("mapped NBMA address", map.nbma, tunnel.nbma)?;
            if !seen.insert(map.protocol) {
                return Err(ConfigProblem::DuplicateMap { protocol: map.protocol });
            }
        }
        Ok(())
    }
}

fn station(what: &'static str, address: IpAddr) -> Result<(), ConfigProblem> {
    if is_station(address) { Ok(()) } else { Err(ConfigProblem::NotAStation { what, address }) }
}

/// An address of a peer: a station of the same family as our own address of that kind, and not ourselves.
fn peer(what: &'static str, address: IpAddr, own: IpAddr) -> Result<(), ConfigProblem> {
    station(what, address)?;
    if host_len(address) != host_len(own) {
        return Err(ConfigProblem::WrongFamily { what, address });
    }
    if address == own {
        return Err(ConfigProblem::OwnAddress { what, address });
    }
    Ok(())
}
