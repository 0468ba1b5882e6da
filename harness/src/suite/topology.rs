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
    /// The capture that is replayed, or that `feed` plays from.
    pub capture: Option<CaptureDecl>,
}

/// A capture as declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureDecl {
    /// The file, below the folder that `from` names. An absolute path is one of the user's own.
    pub file: String,
    /// Whose it is.
    pub from: Shelf,
    /// Keys that open what is protected in it, in the same place: a table of Wireshark's, or a folder of them.
    pub keys: Option<String>,
    /// Where it is declared.
    pub span: Span,
}

/// Where captures lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shelf {
    /// In the checkout, each with a sidecar that says where it is from.
    #[default]
    Project,
    /// In a folder that not every machine has, as what lies there may not be copied into the project.
    ThirdParty,
}

impl Shelf {
    /// The word in suites.
    pub const fn name(self) -> &'static str {
        match self {
            Shelf::Project => "project",
            Shelf::ThirdParty => "third-party",
        }
    }
}

/// As in suites, with where it is from unless that is the project: `captures/nak.pcapng`.
impl fmt::Display for CaptureDecl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.from == Shelf::Project { Ok(()) } else { write!(f, " ({})", self.from.name()) }
    }
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
    /// Nobody any more: the node has played already, and what it said is in the capture.
    Capture,
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
            Binding::Capture => f.write_str("capture"),
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
    /// Its static bindings.
    pub maps: Vec<MapDecl>,
    /// NHRP parameters.
    pub nhrp: NhrpDecl,
    /// MTU of the tunnel.
    pub mtu: Option<u32>,
    /// Further tunnels over the same NBMA address.
    pub tunnels: Vec<TunnelDecl>,
    /// Networks attached to it outside all tunnels, each with its own address there.
    pub lan: Vec<Cidr>,
    /// What leads where beyond the networks that it is in.
    pub routes: Vec<RouteDecl>,
    /// How its tunnel is protected; `None` sends GRE in clear.
    pub ipsec: Option<IpsecDecl>,
    /// Where it is declared (or first changed, in a case).
    pub span: Span,
}

impl NodeDecl {
    /// All tunnels of the node, the one of its own keys first; none where it has no tunnel address.
    pub fn all_tunnels(&self) -> Vec<TunnelDecl> {
        let first = self.tunnel.map(|tunnel| TunnelDecl {
            tunnel,
            key: self.key,
            mode: self.mode,
            nhs: self.nhs.clone(),
            maps: self.maps.clone(),
            nhrp: self.nhrp.clone(),
            mtu: self.mtu,
            span: self.span.clone(),
        });
        first.into_iter().chain(self.tunnels.iter().cloned()).collect()
    }

    /// The node's address in the tunnel that `other` is in: the one in the same subnet, or else that of the tunnel at the
    /// same place.
    pub fn address_beside(&self, other: Cidr, place: usize) -> Option<IpAddr> {
        let tunnels = self.all_tunnels();
        let together = tunnels.iter().find(|tunnel| other.contains(tunnel.tunnel.addr) && !other.is_host());
        together.or_else(|| tunnels.get(place)).or_else(|| tunnels.first()).map(|tunnel| tunnel.tunnel.addr)
    }
}

impl NodeDecl {
    /// The address of `other` as a next hop of this node's routes: in the subnet of one of this node's tunnels, or else in
    /// the tunnel at the same place as one of which no subnet is known. `None` where no tunnel leads there.
    pub fn next_hop(&self, other: &NodeDecl) -> Option<IpAddr> {
        let (own, far) = (self.all_tunnels(), other.all_tunnels());
        let inside = |address: IpAddr| own.iter().any(|tunnel| tunnel.tunnel.contains(address));
        let mut addresses = far.iter().map(|tunnel| tunnel.tunnel.addr);
        let same_place = || {
            let pairs = own.iter().zip(&far);
            pairs
                .map(|(own, far)| (own.tunnel, far.tunnel.addr))
                .find(|(own, far)| own.is_host() && own.addr.is_ipv4() == far.is_ipv4())
        };
        addresses.find(|address| inside(*address)).or_else(|| same_place().map(|(_, far)| far))
    }
}

/// One tunnel of a node that has several.
#[derive(Clone, Debug, PartialEq)]
pub struct TunnelDecl {
    /// Address in the tunnel.
    pub tunnel: Cidr,
    /// GRE key; `None` sends none.
    pub key: Option<u32>,
    /// Kind of tunnel.
    pub mode: TunnelMode,
    /// Next-hop servers.
    pub nhs: Vec<NhsDecl>,
    /// Static bindings.
    pub maps: Vec<MapDecl>,
    /// NHRP parameters.
    pub nhrp: NhrpDecl,
    /// MTU of the tunnel.
    pub mtu: Option<u32>,
    /// Where it is declared.
    pub span: Span,
}

/// A node, or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Station {
    /// A node of the topology, at the address that fits the place.
    Node(String),
    /// This address.
    Addr(IpAddr),
}

impl fmt::Display for Station {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Station::Node(name) => f.write_str(name),
            Station::Addr(address) => address.fmt(f),
        }
    }
}

/// A route of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteDecl {
    /// Where to.
    pub to: Cidr,
    /// The next hop; a node stands for its address in the tunnel.
    pub via: Station,
    /// Where it is declared.
    pub span: Span,
}

/// A static binding of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MapDecl {
    /// Both addresses of a node.
    Node(String),
    /// These addresses.
    Addresses {
        /// Protocol address.
        protocol: IpAddr,
        /// NBMA address.
        nbma: IpAddr,
    },
}

/// An address with the length of its prefix.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    /// The address, host part included.
    pub addr: IpAddr,
    /// Length of the prefix in bits.
    pub prefix_len: u8,
}

impl Cidr {
    /// Whether it is one address and no network.
    pub fn is_host(self) -> bool {
        self.prefix_len == if self.addr.is_ipv4() { 32 } else { 128 }
    }

    /// Whether `address` is in the network.
    pub fn contains(self, address: IpAddr) -> bool {
        address.is_ipv4() == self.addr.is_ipv4() && Cidr { addr: address, ..self }.network() == self.network()
    }

    /// The network: all bits behind the prefix are nought.
    pub fn network(self) -> Cidr {
        let addr = match self.addr {
            IpAddr::V4(addr) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix_len.min(32))).unwrap_or(0);
                IpAddr::V4((addr.to_bits() & mask).into())
            }
            IpAddr::V6(addr) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix_len.min(128))).unwrap_or(0);
                IpAddr::V6((addr.to_bits() & mask).into())
            }
        };
        Cidr { addr, ..self }
    }
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
    /// The cluster that it belongs to.
    pub cluster: u8,
    /// The client is told the server's NBMA address only and finds out the other one.
    pub discover: bool,
}

/// NHRP parameters of a tunnel. What is `None` is as the node's role has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NhrpDecl {
    /// Holding time that the node announces.
    pub hold: Option<DurationExpr>,
    /// Holding time of its answers about prefixes.
    pub resolution_hold: Option<DurationExpr>,
    /// Cisco authentication string.
    pub auth: Option<String>,
    /// Network id, local to the node.
    pub network_id: Option<u32>,
    /// Registers with the U bit.
    pub unique: bool,
    /// Which reading it follows.
    pub profile: Profile,
    /// Sends Traffic Indications; a hub does if nothing is said.
    pub redirect: Option<bool>,
    /// Acts upon Traffic Indications; a spoke does if nothing is said.
    pub shortcut: Option<bool>,
    /// Answers Resolution Requests.
    pub answers: bool,
    /// Who gets copies of multicast packets; `None` is everybody registered, and the servers.
    pub multicast: Option<Vec<MulticastDecl>>,
    /// Bounds of clusters of servers.
    pub clusters: Vec<ClusterDecl>,
    /// How long a better server must have been back before it is preferred again.
    pub fallback: Option<DurationExpr>,
}

impl Default for NhrpDecl {
    fn default() -> Self {
        Self {
            hold: None,
            resolution_hold: None,
            auth: None,
            network_id: None,
            unique: true,
            profile: Profile::Dmvpn,
            redirect: None,
            shortcut: None,
            answers: true,
            multicast: None,
            clusters: Vec::new(),
            fallback: None,
        }
    }
}

/// Which reading of NHRP a node follows, where RFC 2332 and the installed base differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// RFC 2332 to the letter.
    Rfc2332,
    /// What DMVPN routers do.
    #[default]
    Dmvpn,
}

impl Profile {
    /// The word in suites.
    pub const fn name(self) -> &'static str {
        match self {
            Profile::Rfc2332 => "rfc2332",
            Profile::Dmvpn => "dmvpn",
        }
    }
}

/// Who gets copies of multicast packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MulticastDecl {
    /// Every registered client.
    Dynamic,
    /// Every next-hop server.
    Nhs,
    /// An NBMA address, or that of a node.
    Static(Station),
}

/// A bound of a cluster of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterDecl {
    /// The cluster.
    pub id: u8,
    /// How many of it are registered with at a time.
    pub max: u16,
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
    /// The largest IP packet in which the node sends an IKE message, in octets: longer ones go in pieces (RFC 7383).
    /// `None` leaves it to the node.
    pub fragment: Option<u16>,
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
