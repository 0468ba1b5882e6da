//! From the nodes a suite declares to what plays them: the configuration of built-in peers, the words for templates of
//! routers, and what a scripted node would say of itself.

use std::net::IpAddr;
use std::time::Duration;

use dmvpn_core::config::{self, Config, GreMode, Map, Multicast, Nhrp, Nhs, Profile, Route, RouteVia, Secret, Tunnel};
use dmvpn_core::ids::TunnelId;

use crate::expect::Env;
use crate::suite::{
    self, Cidr, DurationExpr, MapDecl, MulticastDecl, NodeDecl, Role, Topology, TunnelDecl, TunnelMode,
};
use crate::world::LabError;

/// Holding time of a node that declares none, in seconds: what FRR and IOS have.
pub const DEFAULT_HOLD: u16 = 7200;
/// MTU of a tunnel that declares none: Ethernet less IPv4 and GRE with a key.
pub const DEFAULT_MTU: u16 = 1472;

/// One next-hop server with both addresses.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Server {
    /// Name of the node.
    pub node: String,
    /// NBMA address.
    pub nbma: IpAddr,
    /// Protocol address.
    pub protocol: IpAddr,
    /// Lower is preferred.
    pub priority: u32,
    /// The cluster that it belongs to.
    pub cluster: u8,
    /// The client is not told the protocol address.
    pub discover: bool,
}

/// A static binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Binding {
    /// Protocol address.
    pub protocol: IpAddr,
    /// NBMA address.
    pub nbma: IpAddr,
}

/// A bound of a cluster of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Cluster {
    /// Its number.
    pub id: u8,
    /// How many of it are registered with at a time.
    pub max: u16,
}

/// Who gets copies of multicast packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Receivers {
    /// Who has registered.
    pub dynamic: bool,
    /// The next-hop servers.
    pub nhs: bool,
}

/// A network attached to a node outside all tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Lan {
    /// The node's own address in it.
    pub address: IpAddr,
    /// Length of its prefix.
    pub prefix_len: u8,
    /// First address of its prefix.
    pub prefix: IpAddr,
}

/// A route of a node.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Way {
    /// The network, as in `172.20.0.0/16`.
    pub to: String,
    /// First address of the network.
    pub prefix: IpAddr,
    /// Length of its prefix.
    pub prefix_len: u8,
    /// Address of the next hop.
    pub via: IpAddr,
    /// Interface of the tunnel that it goes through; `None` for a router outside all tunnels.
    pub tunnel: Option<String>,
}

/// Another hub or spoke of the topology: what a node has to know of it where nothing tells it by itself.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Other {
    /// Name of the node.
    pub node: String,
    /// NBMA address.
    pub nbma: IpAddr,
    /// Protocol address.
    pub protocol: IpAddr,
}

/// How a node protects its tunnel. Lifetimes are seconds, 0 is never.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Ipsec {
    /// Pre-shared key. In rendered configurations it is needed; evidence goes through the redaction filter.
    pub psk: String,
    /// After which it rekeys its IKE SA.
    pub ike_rekey: u64,
    /// After which it rekeys its Child SA.
    pub child_rekey: u64,
    /// Silence after which it asks for a sign of life.
    pub dpd: u64,
    /// The largest IP packet in which it sends an IKE message, in octets; `None` is its own choice.
    pub fragment: Option<u16>,
}

/// A tunnel with every question answered.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Cloud {
    /// Name of its interface: `gre1`, `gre2`.
    pub interface: String,
    /// Protocol address.
    pub protocol: IpAddr,
    /// Length of the tunnel's prefix as declared.
    pub prefix_len: u8,
    /// First address of that prefix.
    pub network: IpAddr,
    /// GRE key.
    pub key: Option<u32>,
    /// `multipoint` or `p2p`.
    pub mode: &'static str,
    /// Holding time in seconds.
    pub hold: u16,
    /// Holding time in seconds of answers about prefixes, where it is another one.
    pub resolution_hold: Option<u16>,
    /// NHRP secret. In rendered configurations it is needed; evidence goes through the redaction filter.
    pub auth: Option<String>,
    /// Local network id.
    pub network_id: u32,
    /// Whether registrations are unique.
    pub unique: bool,
    /// `dmvpn` or `rfc2332`.
    pub profile: &'static str,
    /// Whether it sends Traffic Indications.
    pub redirect: bool,
    /// Whether it acts upon Traffic Indications.
    pub shortcut: bool,
    /// Whether it answers Resolution Requests.
    pub answers: bool,
    /// Kinds of receivers of multicast packets.
    pub multicast: Receivers,
    /// NBMA addresses of receivers of multicast packets.
    pub multicast_to: Vec<IpAddr>,
    /// Bounds of clusters of servers.
    pub clusters: Vec<Cluster>,
    /// Seconds that a better server must be back before it is preferred again.
    pub fallback: u64,
    /// Tunnel MTU.
    pub mtu: u16,
    /// Next-hop servers.
    pub nhs: Vec<Server>,
    /// Static bindings.
    pub maps: Vec<Binding>,
}

impl Cloud {
    /// Whether that address may be a station of this tunnel as far as its declaration tells.
    fn holds(&self, address: IpAddr) -> bool {
        Cidr { addr: self.protocol, prefix_len: self.prefix_len }.contains(address)
    }
}

/// A hub or spoke with every question answered: what templates of implementations are rendered with, and what a
/// scripted node fills its messages from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Station {
    /// Name of the node.
    pub name: String,
    /// `hub` or `spoke`.
    pub role: &'static str,
    /// NBMA address.
    pub nbma: IpAddr,
    /// Length of the underlay's prefix. All stations of a link are taken to be in one /24 (or /64): a router then needs no
    /// gateway, and the wire answers for the others.
    pub nbma_prefix_len: u8,
    /// Its first tunnel. Templates see its members beside those of the station.
    #[serde(flatten)]
    pub cloud: Cloud,
    /// Further tunnels.
    pub tunnels: Vec<Cloud>,
    /// Networks attached outside all tunnels.
    pub lan: Vec<Lan>,
    /// What leads where beyond the networks that it is in.
    pub routes: Vec<Way>,
    /// The other hubs and spokes, by name: far ends of a tunnel that knows only one.
    pub others: Vec<Other>,
    /// How the tunnel is protected.
    pub ipsec: Option<Ipsec>,
}

impl Station {
    /// Puts a declaration together with the case's parameters and topology.
    ///
    /// # Errors
    /// A declaration that no station can be made of.
    pub fn resolve(name: &str, node: &NodeDecl, topology: &Topology, env: &Env) -> Result<Station, LabError> {
        let cannot = |why: &str| LabError::Suite(format!("node `{name}`: {why}"));
        let tunnels = node.all_tunnels();
        let resolve = |(place, tunnel)| Cloud::resolve(place, tunnel, node, topology, env);
        let clouds: Result<Vec<Cloud>, String> = tunnels.iter().enumerate().map(resolve).collect();
        let mut clouds = clouds.map_err(|why| cannot(&why))?.into_iter();
        let cloud = clouds.next().ok_or_else(|| cannot("has no tunnel address"))?;
        let others = topology.nodes.iter().filter(|(other, _)| *other != name).filter_map(|(other, node)| {
            Some(Other { node: other.clone(), nbma: node.nbma, protocol: node.tunnel?.addr })
        });
        let seconds = |expr: &Option<DurationExpr>| expr.as_ref().map_or(0, |expr| env.duration(expr).as_secs());
        let ipsec = node.ipsec.as_ref().map(|ipsec| Ipsec {
            psk: ipsec.psk.clone(),
            ike_rekey: seconds(&ipsec.ike_rekey),
            child_rekey: seconds(&ipsec.child_rekey),
            dpd: seconds(&ipsec.dpd),
            fragment: ipsec.fragment,
        });
        let lan = node.lan.iter().map(|lan| Lan {
            address: lan.addr,
            prefix_len: lan.prefix_len,
            prefix: lan.network().addr,
        });
        let mut station = Station {
            name: name.to_owned(),
            role: node.role.name(),
            nbma: node.nbma,
            nbma_prefix_len: if node.nbma.is_ipv4() { 24 } else { 64 },
            cloud,
            tunnels: clouds.collect(),
            lan: lan.collect(),
            routes: Vec::new(),
            others: others.collect(),
            ipsec,
        };
        for route in &node.routes {
            let way = station.way(node, topology, route.to, &route.via).map_err(|why| cannot(&why))?;
            station.routes.push(way);
        }
        Ok(station)
    }

    /// What templates know of it: its members, those of its first tunnel beside them, and `clouds`, all its tunnels, for
    /// texts that say the same of each.
    ///
    /// # Errors
    /// None that a station can cause.
    pub fn words(&self) -> serde_json::Result<serde_json::Value> {
        let mut words = serde_json::to_value(self)?;
        words["clouds"] = serde_json::to_value(self.clouds().collect::<Vec<_>>())?;
        Ok(words)
    }

    /// All tunnels, the first one first.
    pub fn clouds(&self) -> impl Iterator<Item = &Cloud> {
        std::iter::once(&self.cloud).chain(&self.tunnels)
    }

    /// A route of this node (`node` is its declaration) with its next hop's address and the tunnel that it goes through.
    ///
    /// # Errors
    /// Why there is no such way.
    pub fn way(&self, node: &NodeDecl, topology: &Topology, to: Cidr, via: &suite::Station) -> Result<Way, String> {
        let (address, named) = match via {
            suite::Station::Addr(address) => (Some(*address), false),
            suite::Station::Node(other) => (topology.nodes.get(other).and_then(|other| node.next_hop(other)), true),
        };
        let address = address.ok_or_else(|| format!("no tunnel leads to `{via}`"))?;
        // A station whose tunnel knows no subnet may have any address; only a node's is then known to be one of the tunnel.
        let of_tunnel = named || topology.nodes.values().any(|other| node.next_hop(other) == Some(address));
        let same_family = |cloud: &&Cloud| cloud.protocol.is_ipv4() == address.is_ipv4();
        let inside = self.clouds().find(|cloud| cloud.holds(address));
        let tunnel = inside.or_else(|| self.clouds().find(same_family).filter(|_| of_tunnel));
        Ok(Way {
            to: to.to_string(),
            prefix: to.addr,
            prefix_len: to.prefix_len,
            via: address,
            tunnel: tunnel.map(|cloud| cloud.interface.clone()),
        })
    }

    /// The configuration of the built-in peer.
    pub fn peer_config(&self) -> Config {
        let attached = self.lan.iter().map(|lan| Route {
            prefix: lan.prefix,
            prefix_len: lan.prefix_len,
            via: RouteVia::Attached { address: Some(lan.address) },
        });
        Config {
            tunnels: self.clouds().map(|cloud| cloud.peer_tunnel(self)).collect(),
            routes: attached.chain(self.routes.iter().map(|way| self.peer_route(way))).collect(),
            ..Config::default()
        }
    }

    /// A route as the built-in peer has it.
    pub fn peer_route(&self, way: &Way) -> Route {
        let place = self.clouds().position(|cloud| way.tunnel.as_ref() == Some(&cloud.interface));
        let tunnel = place.and_then(|place| u16::try_from(place).ok()).map(TunnelId);
        let via = match tunnel {
            Some(tunnel) => RouteVia::Tunnel { tunnel, next_hop: way.via },
            None => RouteVia::Beyond,
        };
        Route { prefix: way.prefix, prefix_len: way.prefix_len, via }
    }
}

impl Cloud {
    /// Puts the declaration of a tunnel together with the case's parameters and topology. `place` is its number.
    fn resolve(
        place: usize,
        tunnel: &TunnelDecl,
        node: &NodeDecl,
        topology: &Topology,
        env: &Env,
    ) -> Result<Cloud, String> {
        let nhrp = &tunnel.nhrp;
        let hold = |expr: &DurationExpr| {
            let seconds = env.duration(expr).as_secs();
            u16::try_from(seconds).map_err(|_| format!("a holding time of {seconds} s has more than 16 bits"))
        };
        let other = |name: &str| topology.nodes.get(name).ok_or_else(|| format!("no node `{name}`"));
        let address_of = |name: &str| {
            let address = other(name)?.address_beside(tunnel.tunnel, place);
            address.ok_or_else(|| format!("`{name}` has no tunnel address"))
        };
        let mut nhs = Vec::new();
        for server in &tunnel.nhs {
            nhs.push(Server {
                node: server.node.clone(),
                nbma: other(&server.node)?.nbma,
                protocol: address_of(&server.node)?,
                priority: server.priority,
                cluster: server.cluster,
                discover: server.discover,
            });
        }
        let mut maps = Vec::new();
        for map in &tunnel.maps {
            maps.push(match map {
                MapDecl::Node(name) => Binding { protocol: address_of(name)?, nbma: other(name)?.nbma },
                MapDecl::Addresses { protocol, nbma } => Binding { protocol: *protocol, nbma: *nbma },
            });
        }
        let receivers = nhrp.multicast.clone().unwrap_or(vec![MulticastDecl::Dynamic, MulticastDecl::Nhs]);
        let mut multicast_to = Vec::new();
        for receiver in &receivers {
            match receiver {
                MulticastDecl::Static(suite::Station::Node(name)) => multicast_to.push(other(name)?.nbma),
                MulticastDecl::Static(suite::Station::Addr(address)) => multicast_to.push(*address),
                MulticastDecl::Dynamic | MulticastDecl::Nhs => {}
            }
        }
        let hub = node.role == Role::Hub;
        Ok(Cloud {
            interface: format!("gre{}", place + 1),
            protocol: tunnel.tunnel.addr,
            prefix_len: tunnel.tunnel.prefix_len,
            network: tunnel.tunnel.network().addr,
            key: tunnel.key,
            mode: match tunnel.mode {
                TunnelMode::Multipoint => "multipoint",
                TunnelMode::PointToPoint => "p2p",
            },
            hold: nhrp.hold.as_ref().map_or(Ok(DEFAULT_HOLD), hold)?,
            resolution_hold: nhrp.resolution_hold.as_ref().map(hold).transpose()?,
            auth: nhrp.auth.clone(),
            network_id: nhrp.network_id.unwrap_or(u32::try_from(place + 1).unwrap_or(1)),
            unique: nhrp.unique,
            profile: nhrp.profile.name(),
            redirect: nhrp.redirect.unwrap_or(hub),
            shortcut: nhrp.shortcut.unwrap_or(!hub),
            answers: nhrp.answers,
            multicast: Receivers {
                dynamic: receivers.contains(&MulticastDecl::Dynamic),
                nhs: receivers.contains(&MulticastDecl::Nhs),
            },
            multicast_to,
            clusters: nhrp.clusters.iter().map(|cluster| Cluster { id: cluster.id, max: cluster.max }).collect(),
            fallback: nhrp.fallback.as_ref().map_or(0, |expr| env.duration(expr).as_secs()),
            mtu: tunnel.mtu.map_or(Ok(DEFAULT_MTU), u16::try_from).map_err(|_| "MTU above 65535".to_owned())?,
            nhs,
            maps,
        })
    }

    /// The tunnel as the built-in peer has it.
    fn peer_tunnel(&self, station: &Station) -> Tunnel {
        let mut tunnel = Tunnel::new(&self.interface, station.nbma, self.protocol, self.prefix_len);
        tunnel.key = self.key;
        tunnel.mtu = self.mtu;
        let remote = self.nhs.first().map(|server| server.nbma);
        if let (true, Some(remote)) = (self.mode == "p2p", remote) {
            tunnel.mode = GreMode::PointToPoint { remote };
        }
        let servers = self.nhs.iter().map(|server| Nhs {
            protocol: (!server.discover).then_some(server.protocol),
            nbma: server.nbma,
            priority: u8::try_from(server.priority).unwrap_or(u8::MAX),
            cluster: server.cluster,
        });
        let kinds = [(self.multicast.dynamic, Multicast::Dynamic), (self.multicast.nhs, Multicast::Nhs)];
        let kinds = kinds.into_iter().filter(|(wanted, _)| *wanted).map(|(_, kind)| kind);
        let clusters = self.clusters.iter();
        tunnel.nhrp = Nhrp {
            network_id: Some(self.network_id),
            holding_time: self.hold,
            authentication: self.auth.as_deref().map(Secret::new),
            unique: self.unique,
            nhs: servers.collect(),
            server: station.role == Role::Hub.name(),
            maps: self.maps.iter().map(|map| Map { protocol: map.protocol, nbma: map.nbma }).collect(),
            profile: if self.profile == suite::Profile::Rfc2332.name() { Profile::Rfc2332 } else { Profile::Dmvpn },
            answers: self.answers,
            redirect: self.redirect,
            shortcut: self.shortcut,
            resolution_holding_time: self.resolution_hold,
            multicast: kinds.chain(self.multicast_to.iter().copied().map(Multicast::Static)).collect(),
            clusters: clusters
                .map(|cluster| config::Cluster { id: cluster.id, max_connections: cluster.max })
                .collect(),
            fallback: Duration::from_secs(self.fallback),
            ..Nhrp::default()
        };
        tunnel
    }
}
