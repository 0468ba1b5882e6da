//! What a node declares: its addresses, tunnels, networks and routes, and whether they fit to those of the others.

use std::net::IpAddr;

use super::reader::{Map, Reader};
use crate::suite::diagnostic::Diagnostic;
use crate::suite::duration::DurationExpr;
use crate::suite::span::{Span, Spanned};
use crate::suite::topology::{
    Binding, Cidr, ClusterDecl, IpsecDecl, MapDecl, MulticastDecl, NhrpDecl, NhsDecl, NodeDecl, Profile, Role,
    RouteDecl, Station, Topology, TunnelDecl, TunnelMode,
};
use crate::suite::tree::{Entry, Node};
use crate::suite::vocabulary;

/// What a node says of a tunnel, but for its address.
struct TunnelKeys {
    key: Option<u32>,
    mode: TunnelMode,
    nhs: Vec<NhsDecl>,
    maps: Vec<MapDecl>,
    nhrp: NhrpDecl,
    mtu: Option<u32>,
}

/// The largest IP packet that a piece of an IKE message never fits into, in octets.
const SMALLEST_FRAGMENT: u64 = 99;

impl Reader {
    pub(super) fn node(&mut self, entry: &Entry) -> Option<NodeDecl> {
        let (name, span) = (&entry.key.value, &entry.key.span);
        self.declared_name(name, span);
        let map = self.map(&entry.value, &vocabulary::NODE)?;
        let role = self.read(&map, "role", Self::role);
        let bind = self.read(&map, "bind", Self::binding);
        let scripted = self.read(&map, "scripted", Self::bool).unwrap_or(false);
        let nbma = self.read(&map, "nbma", Self::addr);
        let tunnel = self.read(&map, "tunnel", Self::cidr);
        let own = self.tunnel_keys(&map, name);
        let tunnels = self.read(&map, "tunnels", |r, node| {
            let items = r.list(node, "a list of tunnels")?;
            let read: Vec<_> = items.iter().map(|item| r.tunnel(item, name)).collect();
            read.into_iter().collect::<Option<Vec<_>>>()
        });
        let lan = self.read(&map, "lan", |r, node| {
            let items = r.list(node, "a list of networks")?;
            let read: Vec<_> = items.iter().map(|item| r.cidr(item)).collect();
            read.into_iter().collect::<Option<Vec<_>>>()
        });
        let routes = self.read(&map, "routes", |r, node| {
            let items = r.list(node, "a list of routes")?;
            let read: Vec<_> = items.iter().map(|item| r.route(item, name)).collect();
            read.into_iter().collect::<Option<Vec<_>>>()
        });
        let ipsec = self.read(&map, "ipsec", Self::ipsec);

        let mut needs = vec!["role", "nbma"];
        let router = matches!(role, Some(Role::Hub | Role::Spoke));
        // Of a node that has played already, an address is enough to find it by.
        if router && bind != Some(Binding::Capture) {
            needs.push("tunnel");
        }
        for key in needs.into_iter().filter(|key| !map.has(key)) {
            let what = format!("`{key}` is missing in the node `{name}`");
            self.complain(Diagnostic::new("suite::missing_key", span, what, format!("has no `{key}`")));
        }
        if router && !scripted && !map.has("bind") {
            let what = format!("nobody plays `{name}`");
            let help = "say `bind: subject` (what is under test), `bind: peer` (the other side) or `scripted: true`";
            self.complain(Diagnostic::new("suite::binding", span, what, "neither bound nor scripted").with_help(help));
        }
        if scripted && bind.is_some() {
            let what = format!("`{name}` is played twice");
            let help = "the harness plays scripted nodes itself; leave `bind` or `scripted` out";
            self.complain(Diagnostic::new("suite::binding", span, what, "bound and scripted").with_help(help));
        }
        let TunnelKeys { key, mode, nhs, maps, nhrp, mtu } = own;
        let (tunnels, lan, routes) = (tunnels.unwrap_or_default(), lan.unwrap_or_default(), routes.unwrap_or_default());
        let (role, nbma, span) = (role?, nbma?, span.clone());
        Some(NodeDecl {
            role,
            bind,
            scripted,
            nbma,
            tunnel,
            key,
            mode,
            nhs,
            maps,
            nhrp,
            mtu,
            tunnels,
            lan,
            routes,
            ipsec,
            span,
        })
    }

    /// The keys that a node has for its first tunnel and each further one has of its own.
    fn tunnel_keys(&mut self, map: &Map<'_>, name: &str) -> TunnelKeys {
        let mode = self.read(map, "mode", |r, node| r.word(node, vocabulary::MODES));
        let nhs = self.read(map, "nhs", |r, node| {
            let items = r.list(node, "a list of next-hop servers")?;
            let read: Vec<_> = items.iter().map(|item| r.nhs(item, name)).collect();
            read.into_iter().collect::<Option<Vec<_>>>()
        });
        let maps = self.read(map, "maps", |r, node| {
            let items = r.list(node, "a list of static bindings")?;
            let read: Vec<_> = items.iter().map(|item| r.map_decl(item)).collect();
            read.into_iter().collect::<Option<Vec<_>>>()
        });
        TunnelKeys {
            key: self.read(map, "key", Self::gre_key).flatten(),
            mode: if mode == Some("p2p") { TunnelMode::PointToPoint } else { TunnelMode::Multipoint },
            nhs: nhs.unwrap_or_default(),
            maps: maps.unwrap_or_default(),
            nhrp: self.read(map, "nhrp", Self::nhrp).unwrap_or_default(),
            mtu: self.read(map, "mtu", |r, node| r.int(node, 65_535)).and_then(|mtu| u32::try_from(mtu).ok()),
        }
    }

    /// One more tunnel.
    fn tunnel(&mut self, node: &Node, name: &str) -> Option<TunnelDecl> {
        let map = self.map(node, &vocabulary::TUNNEL)?;
        let tunnel = self.read(&map, "tunnel", Self::cidr);
        let TunnelKeys { key, mode, nhs, maps, nhrp, mtu } = self.tunnel_keys(&map, name);
        Some(TunnelDecl { tunnel: tunnel?, key, mode, nhs, maps, nhrp, mtu, span: node.span.clone() })
    }

    /// A node or an address.
    pub(super) fn station(&mut self, node: &Node) -> Option<Station> {
        match node.as_scalar().and_then(|(text, _)| text.parse().ok()) {
            Some(address) => Some(Station::Addr(address)),
            None => self.node_ref(node).map(Station::Node),
        }
    }

    fn route(&mut self, node: &Node, owner: &str) -> Option<RouteDecl> {
        let map = self.map(node, &vocabulary::ROUTE)?;
        let to = self.read(&map, "to", Self::network);
        let via = self.read(&map, "via", Self::station);
        if via == Some(Station::Node(owner.to_owned())) {
            let what = format!("`{owner}` can not be its own next hop");
            self.complain(Diagnostic::new("suite::topology", map.span, what, "itself"));
        }
        Some(RouteDecl { to: to?, via: via?, span: node.span.clone() })
    }

    /// A network: no bits of a host in it.
    pub(super) fn network(&mut self, node: &Node) -> Option<Cidr> {
        let cidr = self.cidr(node)?;
        if cidr.network() != cidr {
            let what = format!("{cidr} is an address in a network");
            let help = format!("say {}", cidr.network());
            self.complain(Diagnostic::new("suite::range", &node.span, what, "not a network").with_help(help));
        }
        Some(cidr)
    }

    fn map_decl(&mut self, node: &Node) -> Option<MapDecl> {
        let map = self.map(node, &vocabulary::MAP)?;
        let named = self.read(&map, "node", Self::node_ref);
        let protocol = self.read(&map, "protocol", Self::addr);
        let nbma = self.read(&map, "nbma", Self::addr);
        match map.present(&["node", "protocol", "nbma"]).as_slice() {
            ["node"] => named.map(MapDecl::Node),
            ["protocol", "nbma"] => Some(MapDecl::Addresses { protocol: protocol?, nbma: nbma? }),
            _ => {
                let what = "a static binding is a node, or a protocol and an NBMA address";
                let label = "say `node`, or `protocol` and `nbma`";
                self.complain(Diagnostic::new("suite::one_key", &node.span, what, label));
                None
            }
        }
    }

    /// Nodes and links are named in ids, files and host names.
    pub(super) fn declared_name(&mut self, name: &str, span: &Span) {
        let good = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && name.len() <= 32;
        if !good {
            let what = format!("`{name}` is no name for a node or link");
            let help = "a letter, then letters, digits, hyphens and underscores, 32 at most";
            self.complain(Diagnostic::new("suite::name", span, what, "not a name").with_help(help));
        }
    }

    fn role(&mut self, node: &Node) -> Option<Role> {
        let word = self.word(node, vocabulary::ROLES)?;
        [Role::Hub, Role::Spoke, Role::Host, Role::Nat, Role::Observer].into_iter().find(|role| role.name() == word)
    }

    fn binding(&mut self, node: &Node) -> Option<Binding> {
        Some(match self.text(node)?.as_str() {
            "subject" => Binding::Subject,
            "peer" => Binding::Peer,
            "reference" => Binding::Reference,
            "capture" => Binding::Capture,
            other => Binding::Impl(Spanned::new(other.to_owned(), node.span.clone())),
        })
    }

    /// `none` or a number.
    pub(super) fn gre_key(&mut self, node: &Node) -> Option<Option<u32>> {
        if node.as_scalar() == Some(("none", true)) {
            return Some(None);
        }
        self.int32(node).map(Some)
    }

    fn nhs(&mut self, node: &Node, client: &str) -> Option<NhsDecl> {
        let map = self.map(node, &vocabulary::NHS)?;
        let server = self.read(&map, "node", Self::node_ref);
        let priority = self.read(&map, "priority", Self::int32).unwrap_or(0);
        if server.as_deref() == Some(client) {
            let what = format!("`{client}` can not be its own next-hop server");
            self.complain(Diagnostic::new("suite::topology", map.span, what, "itself"));
        }
        let cluster = self.read(&map, "cluster", |r, node| r.int(node, 255)).and_then(|id| u8::try_from(id).ok());
        let discover = self.read(&map, "discover", |r, node| r.only_true(node, "leave it out")).is_some();
        Some(NhsDecl { node: server?, priority, cluster: cluster.unwrap_or(0), discover })
    }

    fn nhrp(&mut self, node: &Node) -> Option<NhrpDecl> {
        let map = self.map(node, &vocabulary::NHRP)?;
        let auth = self.read(&map, "auth", |r, node| {
            // A case has to be able to take away what the suite gave.
            if node.as_scalar() == Some(("none", true)) {
                return None;
            }
            let text = r.text(node)?;
            if text.len() > 8 {
                let what = format!("an authentication string has 8 octets at most, this one {}", text.len());
                r.complain(Diagnostic::new("suite::range", &node.span, what, "too long"));
                return None;
            }
            Some(text)
        });
        Some(NhrpDecl {
            hold: self.read(&map, "hold", Self::duration),
            auth,
            network_id: self.read(&map, "network_id", Self::int32),
            unique: self.read(&map, "unique", Self::bool).unwrap_or(true),
            profile: match self.read(&map, "profile", |r, node| r.word(node, vocabulary::PROFILES)) {
                Some("rfc2332") => Profile::Rfc2332,
                _ => Profile::Dmvpn,
            },
            redirect: self.read(&map, "redirect", Self::bool),
            shortcut: self.read(&map, "shortcut", Self::bool),
            answers: self.read(&map, "answers", Self::bool).unwrap_or(true),
            resolution_hold: self.read(&map, "resolution_hold", Self::duration),
            multicast: self.read(&map, "multicast", |r, node| {
                let items = r.list(node, "a list of receivers")?;
                let read: Vec<_> = items.iter().map(|item| r.receiver(item)).collect();
                read.into_iter().collect::<Option<Vec<_>>>()
            }),
            clusters: self
                .read(&map, "clusters", |r, node| {
                    let items = r.list(node, "a list of clusters")?;
                    let read: Vec<_> = items.iter().map(|item| r.cluster(item)).collect();
                    read.into_iter().collect::<Option<Vec<_>>>()
                })
                .unwrap_or_default(),
            fallback: self.read(&map, "fallback", Self::duration),
        })
    }

    /// `dynamic`, `nhs`, a node or an NBMA address.
    fn receiver(&mut self, node: &Node) -> Option<MulticastDecl> {
        match node.as_scalar() {
            Some(("dynamic", _)) => Some(MulticastDecl::Dynamic),
            Some(("nhs", _)) => Some(MulticastDecl::Nhs),
            _ => self.station(node).map(MulticastDecl::Static),
        }
    }

    fn cluster(&mut self, node: &Node) -> Option<ClusterDecl> {
        let map = self.map(node, &vocabulary::CLUSTER)?;
        let id = self.read(&map, "id", |r, node| r.int(node, 255)).and_then(|id| u8::try_from(id).ok());
        let max = self.read(&map, "max", |r, node| match r.int(node, 65_535)? {
            0 => {
                r.mismatch(node, "a number above 0", None);
                None
            }
            max => u16::try_from(max).ok(),
        });
        Some(ClusterDecl { id: id?, max: max? })
    }

    fn ipsec(&mut self, node: &Node) -> Option<IpsecDecl> {
        let map = self.map(node, &vocabulary::IPSEC)?;
        let psk = self.read(&map, "psk", Self::text);
        if !map.has("psk") {
            let what = "`ipsec` has no pre-shared key";
            let label = "nothing to authenticate with";
            self.complain(
                Diagnostic::new("suite::missing_key", &node.span, what, label).with_help("say `psk: SECRET`"),
            );
        }
        let ike_rekey = self.read(&map, "ike_rekey", Self::lifetime);
        let child_rekey = self.read(&map, "child_rekey", Self::lifetime);
        let dpd = self.read(&map, "dpd", Self::lifetime);
        let fragment = self.read(&map, "fragment", |r, node| match r.int(node, u16::MAX.into())? {
            // Headers, an initialisation vector and a check value have to leave room for something.
            0..=SMALLEST_FRAGMENT => {
                r.mismatch(node, &format!("more than {SMALLEST_FRAGMENT} octets"), None);
                None
            }
            octets => u16::try_from(octets).ok(),
        });
        Some(IpsecDecl { psk: psk?, ike_rekey, child_rekey, dpd, fragment })
    }

    /// A time after which a daemon does something: they all count whole seconds, and nought means never to them.
    fn lifetime(&mut self, node: &Node) -> Option<DurationExpr> {
        let expr = self.duration(node)?;
        let value = self.resolve(node, &expr)?;
        if value.subsec_nanos() != 0 || value.is_zero() {
            let what = "lifetimes are whole seconds, 1s or more";
            let label = format!("{} here", crate::suite::duration::show(value));
            self.complain(
                Diagnostic::new("suite::range", &node.span, what, label).with_help("leave the key out for never"),
            );
            return None;
        }
        Some(expr)
    }

    /// Nodes that name others, once all of them are known: what is named has the addresses that are needed, and of the
    /// right family.
    pub(super) fn check_nodes(&mut self, topology: &Topology) {
        for (name, node) in &topology.nodes {
            for (place, tunnel) in node.all_tunnels().iter().enumerate() {
                self.check_tunnel(topology, (name, node), place, tunnel);
            }
            self.check_apart(name, node);
            for route in &node.routes {
                self.check_route(topology, name, node, route);
            }
        }
    }

    /// The tunnels of a node differ in key, and no two of its networks are the same.
    fn check_apart(&mut self, name: &str, node: &NodeDecl) {
        let tunnels = node.all_tunnels();
        if node.tunnel.is_none() && !node.tunnels.is_empty() {
            let what = format!("`{name}` has further tunnels and no first one");
            self.complain(Diagnostic::new("suite::topology", &node.span, what, "no `tunnel` here"));
        }
        for (place, tunnel) in tunnels.iter().enumerate() {
            if tunnels.iter().take(place).any(|other| other.key == tunnel.key) {
                let what = format!("two tunnels of `{name}` have the same key");
                let help = "over one NBMA address the key alone tells tunnels apart";
                self.complain(Diagnostic::new("suite::topology", &tunnel.span, what, "the same key").with_help(help));
            }
        }
        let networks: Vec<Cidr> = tunnels.iter().map(|tunnel| tunnel.tunnel).chain(node.lan.iter().copied()).collect();
        for (place, network) in networks.iter().enumerate() {
            if networks.iter().take(place).any(|other| other.network() == network.network()) {
                let what = format!("`{name}` is in the network {} twice", network.network());
                self.complain(Diagnostic::new("suite::topology", &node.span, what, "the same network twice"));
            }
        }
    }

    fn check_tunnel(&mut self, topology: &Topology, owner: (&str, &NodeDecl), place: usize, tunnel: &TunnelDecl) {
        let (name, node) = owner;
        let same = |a: IpAddr, b: IpAddr| a.is_ipv4() == b.is_ipv4();
        let named =
            tunnel.nhs.iter().map(|server| &server.node).chain(tunnel.maps.iter().filter_map(|map| match map {
                MapDecl::Node(node) => Some(node),
                MapDecl::Addresses { .. } => None,
            }));
        for other in named {
            let Some(target) = topology.nodes.get(other) else { continue };
            let Some(address) = target.address_beside(tunnel.tunnel, place) else {
                let what = format!("`{other}` has no address in a tunnel, and `{name}` is to reach it there");
                self.complain(Diagnostic::new("suite::topology", &tunnel.span, what, "no tunnel address"));
                continue;
            };
            if !same(address, tunnel.tunnel.addr) || !same(target.nbma, node.nbma) {
                let what = format!("`{name}` and `{other}` have addresses of different families");
                self.complain(Diagnostic::new("suite::topology", &tunnel.span, what, "IPv4 here, IPv6 there"));
            }
        }
        for map in &tunnel.maps {
            if let MapDecl::Addresses { protocol, nbma } = map
                && (!same(*protocol, tunnel.tunnel.addr) || !same(*nbma, node.nbma))
            {
                let what = format!("a static binding of `{name}` has addresses of another family than its tunnel");
                self.complain(Diagnostic::new("suite::topology", &tunnel.span, what, "IPv4 here, IPv6 there"));
            }
        }
        for receiver in tunnel.nhrp.multicast.iter().flatten() {
            let nbma = match receiver {
                MulticastDecl::Static(Station::Addr(address)) => Some(*address),
                MulticastDecl::Static(Station::Node(other)) => topology.nodes.get(other).map(|other| other.nbma),
                MulticastDecl::Dynamic | MulticastDecl::Nhs => None,
            };
            if nbma.is_some_and(|nbma| !same(nbma, node.nbma)) {
                let what = format!("a receiver of multicast of `{name}` has an address of another family");
                self.complain(Diagnostic::new("suite::topology", &tunnel.span, what, "IPv4 here, IPv6 there"));
            }
        }
        let known: Vec<u8> = tunnel.nhs.iter().map(|server| server.cluster).collect();
        for cluster in tunnel.nhrp.clusters.iter().filter(|cluster| !known.contains(&cluster.id)) {
            let what = format!("no next-hop server of `{name}` is in cluster {}", cluster.id);
            self.complain(Diagnostic::new("suite::topology", &tunnel.span, what, "bounds nothing"));
        }
    }

    pub(super) fn check_route(&mut self, topology: &Topology, name: &str, node: &NodeDecl, route: &RouteDecl) {
        let Some(via) = next_hop(topology, node, &route.via) else {
            let what = format!("`{}` is no next hop: it has no address in a tunnel of `{name}`", route.via);
            let help = "a node stands for its address in the tunnel; say the address for any other way";
            self.complain(Diagnostic::new("suite::topology", &route.span, what, "leads nowhere").with_help(help));
            return;
        };
        if via.is_ipv4() != route.to.addr.is_ipv4() {
            let what = format!("a route to {} can not go by way of {via}", route.to);
            self.complain(Diagnostic::new("suite::topology", &route.span, what, "of different families"));
        }
    }
}

/// The address of a route's next hop. A node's is the one in a tunnel that both are in, or that of its first tunnel where
/// the owner's tunnels know no subnet.
fn next_hop(topology: &Topology, owner: &NodeDecl, via: &Station) -> Option<IpAddr> {
    match via {
        Station::Addr(address) => Some(*address),
        Station::Node(other) => owner.next_hop(topology.nodes.get(other)?),
    }
}
