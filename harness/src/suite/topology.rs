//! Nodes and links as suites declare them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use super::duration::DurationExpr;
use super::span::{Span, Spanned};

/// Nodes and links, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Topology {
    /// The nodes.
    pub nodes: BTreeMap<String, NodeDecl>,
    /// The links, in file order.
    pub links: Vec<LinkDecl>,
}

impl Topology {
    /// The link of that name.
    pub fn link(&self, name: &str) -> Option<&LinkDecl> {
        self.links.iter().find(|link| link.name == name)
    }
}

/// What a node is in the scenario, whatever product plays it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Next-hop server.
    Hub,
    /// Next-hop client.
    Spoke,
    /// A station behind a router.
    Host,
    /// An address translator.
    Nat,
    /// Sees everything, says nothing.
    Observer,
}

impl Role {
    /// The word in suites.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Hub => "hub",
            Role::Spoke => "spoke",
            Role::Host => "host",
            Role::Nat => "nat",
            Role::Observer => "observer",
        }
    }
}

/// Who plays a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// What is under test, from `--subject`.
    Subject,
    /// The other side, from `--peer`.
    Peer,
    /// The implementation that the suites were proved with: the built-in peer.
    Reference,
    /// A particular implementation of `suites/impls/`, as in `frr:10.3`; without a version its default one.
    Impl(Spanned<String>),
}

/// As in suites: `subject`, `frr:10.3`.
impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Binding::Subject => f.write_str("subject"),
            Binding::Peer => f.write_str("peer"),
            Binding::Reference => f.write_str("reference"),
            Binding::Impl(name) => name.fmt(f),
        }
    }
}

/// A node as declared.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeDecl {
    /// Its part.
    pub role: Role,
    /// Who plays it; `None` for scripted nodes, hosts and observers.
    pub bind: Option<Binding>,
    /// The harness plays it: it does only what `send` makes it do.
    pub scripted: bool,
    /// Address on the underlay.
    pub nbma: IpAddr,
    /// Address in the tunnel; always there for hubs and spokes.
    pub tunnel: Option<Cidr>,
    /// GRE key; `None` sends none.
    pub key: Option<u32>,
    /// Kind of tunnel.
    pub mode: TunnelMode,
    /// Its next-hop servers.
    pub nhs: Vec<NhsDecl>,
    /// NHRP parameters.
    pub nhrp: NhrpDecl,
    /// How its tunnel is protected; `None` sends GRE in clear.
    pub ipsec: Option<IpsecDecl>,
    /// MTU of the tunnel.
    pub mtu: Option<u32>,
    /// Where it is declared (or first changed, in a case).
    pub span: Span,
}

/// An address with the length of its prefix.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    /// The address, host part included.
    pub addr: IpAddr,
    /// Length of the prefix in bits.
    pub prefix_len: u8,
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix_len)
    }
}

impl fmt::Debug for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Kind of GRE tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TunnelMode {
    /// mGRE.
    #[default]
    Multipoint,
    /// Plain GRE with one far end.
    PointToPoint,
}

/// One next-hop server of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NhsDecl {
    /// The node that is it.
    pub node: String,
    /// Lower is preferred.
    pub priority: u32,
}

/// NHRP parameters of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NhrpDecl {
    /// Holding time that the node announces.
    pub hold: Option<DurationExpr>,
    /// Cisco authentication string.
    pub auth: Option<String>,
    /// Network id, local to the node.
    pub network_id: Option<u32>,
    /// Registers with the U bit.
    pub unique: bool,
}

impl Default for NhrpDecl {
    fn default() -> Self {
        Self { hold: None, auth: None, network_id: None, unique: true }
    }
}

/// How a node protects its tunnel: IKEv2 with a pre-shared key, and ESP in transport mode for GRE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpsecDecl {
    /// The pre-shared key.
    pub psk: String,
    /// After which the node rekeys its IKE SA; `None` leaves it to the other side.
    pub ike_rekey: Option<DurationExpr>,
    /// After which the node rekeys its Child SA; `None` leaves it to the other side.
    pub child_rekey: Option<DurationExpr>,
    /// How long the node takes silence before it asks whether the other side still lives; `None` never asks.
    pub dpd: Option<DurationExpr>,
}

/// A link as declared.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkDecl {
    /// Its name.
    pub name: String,
    /// What hangs on it.
    pub ends: Vec<LinkEnd>,
    /// Delay one way.
    pub delay: Option<DurationExpr>,
    /// Loss from the start.
    pub loss: Option<Percent>,
    /// MTU.
    pub mtu: Option<u32>,
    /// Everything on it is kept and can be expected.
    pub capture: bool,
    /// Where it is declared.
    pub span: Span,
}

/// A node's interface on a link: `hub:nbma`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkEnd {
    /// The node.
    pub node: String,
    /// The interface; `nbma` is the only one so far.
    pub port: String,
}

/// A share in millionths, written `12.5%`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u32);

impl Percent {
    /// From millionths; more than the whole is the whole.
    pub fn from_ppm(ppm: u32) -> Self {
        Self(ppm.min(1_000_000))
    }

    /// In millionths.
    pub fn ppm(self) -> u32 {
        self.0
    }

    /// Between 0 and 1.
    pub fn probability(self) -> f64 {
        f64::from(self.0) / 1e6
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(self.0) / 1e4)
    }
}

impl fmt::Debug for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
