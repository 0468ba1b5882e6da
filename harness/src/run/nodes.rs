//! From the nodes a suite declares to what plays them: the configuration of built-in peers, the words for templates of
//! routers, and what a scripted node would say of itself.

use std::net::IpAddr;

use dmvpn_core::config::{Config, GreMode, Nhrp, Nhs, Secret, Tunnel};

use crate::expect::Env;
use crate::suite::{DurationExpr, NodeDecl, Role, Topology, TunnelMode};
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
    /// Protocol address.
    pub protocol: IpAddr,
    /// Length of the tunnel's prefix as declared.
    pub prefix_len: u8,
    /// GRE key.
    pub key: Option<u32>,
    /// `multipoint` or `p2p`.
    pub mode: &'static str,
    /// Holding time in seconds.
    pub hold: u16,
    /// NHRP secret. In rendered configurations it is needed; evidence goes through the redaction filter.
    pub auth: Option<String>,
    /// Local network id.
    pub network_id: u32,
    /// Whether registrations are unique.
    pub unique: bool,
    /// Tunnel MTU.
    pub mtu: u16,
    /// Next-hop servers.
    pub nhs: Vec<Server>,
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
        let cannot = |why: String| LabError::Suite(format!("node `{name}`: {why}"));
        let tunnel = node.tunnel.ok_or_else(|| cannot("has no tunnel address".to_owned()))?;
        let hold = match &node.nhrp.hold {
            Some(expr) => {
                let seconds = env.duration(expr).as_secs();
                u16::try_from(seconds)
                    .map_err(|_| cannot(format!("a holding time of {seconds} s has more than 16 bits")))?
            }
            None => DEFAULT_HOLD,
        };
        let mtu = node.mtu.map_or(Ok(DEFAULT_MTU), u16::try_from).map_err(|_| cannot("MTU above 65535".to_owned()))?;
        let mut nhs = Vec::new();
        for server in &node.nhs {
            let target =
                topology.nodes.get(&server.node).ok_or_else(|| cannot(format!("no node `{}`", server.node)))?;
            let protocol = target.tunnel.ok_or_else(|| cannot(format!("`{}` has no tunnel address", server.node)))?;
            let (node, priority) = (server.node.clone(), server.priority);
            nhs.push(Server { node, nbma: target.nbma, protocol: protocol.addr, priority });
        }
        let others = topology.nodes.iter().filter(|(other, _)| *other != name).filter_map(|(other, node)| {
            Some(Other { node: other.clone(), nbma: node.nbma, protocol: node.tunnel?.addr })
        });
        let seconds = |expr: &Option<DurationExpr>| expr.as_ref().map_or(0, |expr| env.duration(expr).as_secs());
        let ipsec = node.ipsec.as_ref().map(|ipsec| Ipsec {
            psk: ipsec.psk.clone(),
            ike_rekey: seconds(&ipsec.ike_rekey),
            child_rekey: seconds(&ipsec.child_rekey),
            dpd: seconds(&ipsec.dpd),
        });
        Ok(Station {
            name: name.to_owned(),
            role: node.role.name(),
            nbma: node.nbma,
            nbma_prefix_len: if node.nbma.is_ipv4() { 24 } else { 64 },
            protocol: tunnel.addr,
            prefix_len: tunnel.prefix_len,
            key: node.key,
            mode: match node.mode {
                TunnelMode::Multipoint => "multipoint",
                TunnelMode::PointToPoint => "p2p",
            },
            hold,
            auth: node.nhrp.auth.clone(),
            network_id: node.nhrp.network_id.unwrap_or(1),
            unique: node.nhrp.unique,
            mtu,
            nhs,
            others: others.collect(),
            ipsec,
        })
    }

    /// The configuration of the built-in peer.
    pub fn peer_config(&self) -> Config {
        let mut tunnel = Tunnel::new("gre1", self.nbma, self.protocol, self.prefix_len);
        tunnel.key = self.key;
        tunnel.mtu = self.mtu;
        let remote = self.nhs.first().map(|server| server.nbma);
        if let (true, Some(remote)) = (self.mode == "p2p", remote) {
            tunnel.mode = GreMode::PointToPoint { remote };
        }
        tunnel.nhrp = Nhrp {
            network_id: Some(self.network_id),
            holding_time: self.hold,
            authentication: self.auth.as_deref().map(Secret::new),
            unique: self.unique,
            nhs: self
                .nhs
                .iter()
                .map(|server| Nhs {
                    protocol: Some(server.protocol),
                    nbma: server.nbma,
                    priority: u8::try_from(server.priority).unwrap_or(u8::MAX),
                    cluster: 0,
                })
                .collect(),
            server: self.role == Role::Hub.name(),
            ..Nhrp::default()
        };
        Config { tunnels: vec![tunnel], ..Config::default() }
    }
}
