//! Nodes on one underlay under virtual time: packets arrive after a fixed delay, nothing else moves the clock.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test file includes it and uses a part of it")]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use dmvpn_core::config::{Config, Nhs, Route, RouteVia, Tunnel};
use dmvpn_core::entropy::SeededEntropy;
use dmvpn_core::nhrp::cache::Binding;
use dmvpn_core::nhrp::registration::NhsRow;
use dmvpn_core::{
    Event, Instant, LinkEvent, Node, Output, PacketBuf, Reason, Transmit, TunnelId, TxBatch, Underlay, Verdict,
};
use dmvpn_wire::nhrp::{Mandatory, Message};

pub const TUN: TunnelId = TunnelId(0);

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn secs(secs: u64) -> Instant {
    Instant::from_secs(secs)
}

pub const NS: Duration = Duration::from_nanos(1);

/// A hub at 192.0.2.1 with 10.0.0.1/24.
pub fn hub() -> Config {
    let mut tunnel = Tunnel::new("tun0", ip("192.0.2.1"), ip("10.0.0.1"), 24);
    tunnel.nhrp.server = true;
    Config { tunnels: vec![tunnel], ..Config::default() }
}

/// Spoke number `n` at 192.0.2.(10+n) with 10.0.0.(10+n)/24, client of that hub.
pub fn spoke(n: u8) -> Config {
    let mut tunnel = Tunnel::new("tun0", IpAddr::from([192, 0, 2, 10 + n]), IpAddr::from([10, 0, 0, 10 + n]), 24);
    tunnel.nhrp.nhs.push(Nhs::new(ip("10.0.0.1"), ip("192.0.2.1")));
    Config { tunnels: vec![tunnel], ..Config::default() }
}

/// A configuration with one thing changed.
pub fn with(mut config: Config, change: impl FnOnce(&mut Tunnel)) -> Config {
    change(&mut config.tunnels[0]);
    config
}

pub fn node(config: Config, now: Instant) -> Node {
    Node::new(config, Box::new(SeededEntropy::new(7)), now).unwrap()
}

/// A packet seen on the underlay.
#[derive(Clone, Debug)]
pub struct Seen {
    pub at: Instant,
    pub packet: Transmit,
}

impl Seen {
    /// The NHRP message in it; tests use no key or a key, so 4 or 8 octets of GRE.
    pub fn message(&self) -> Message {
        message(&self.packet.payload)
    }

    pub fn mandatory(&self) -> Mandatory {
        self.message().mandatory().unwrap().clone()
    }
}

pub fn message(gre: &[u8]) -> Message {
    let (_, nhrp) = dmvpn_wire::gre::Repr::parse(gre).unwrap();
    Message::parse(nhrp).unwrap()
}

/// The underlay and its nodes, by name.
pub struct World {
    pub now: Instant,
    pub nodes: BTreeMap<&'static str, Node>,
    /// Which node owns which outer address.
    pub homes: BTreeMap<IpAddr, &'static str>,
    pub delay: Duration,
    /// Whether packets get through.
    pub open: bool,
    /// How late timers fire: a shell's are not exact.
    pub late: Duration,
    pub seen: Vec<Seen>,
    pub events: Vec<(Instant, &'static str, Event)>,
    pub wakeups: usize,
    flying: Vec<(Instant, Transmit)>,
}

impl World {
    pub fn new(delay: Duration) -> Self {
        Self {
            now: Instant::ZERO,
            nodes: BTreeMap::new(),
            homes: BTreeMap::new(),
            delay,
            open: true,
            late: Duration::ZERO,
            seen: Vec::new(),
            events: Vec::new(),
            wakeups: 0,
            flying: Vec::new(),
        }
    }

    pub fn add(&mut self, name: &'static str, config: Config) {
        for tunnel in &config.tunnels {
            self.homes.insert(tunnel.nbma, name);
        }
        let node = node(config, self.now);
        self.nodes.insert(name, node);
        self.drain(name);
    }

    pub fn node(&mut self, name: &str) -> &mut Node {
        self.nodes.get_mut(name).unwrap()
    }

    /// Does something with a node and collects what comes out.
    pub fn act<T>(&mut self, name: &'static str, act: impl FnOnce(&mut Node, Instant) -> T) -> T {
        let now = self.now;
        let result = act(self.node(name), now);
        self.drain(name);
        result
    }

    pub fn link(&mut self, name: &'static str, event: LinkEvent) {
        if let LinkEvent::NbmaChanged { nbma, .. } = event {
            self.homes.insert(nbma, name);
        }
        self.act(name, |node, now| node.link(now, event));
    }

    /// A packet that no node sent.
    pub fn inject(&mut self, to: &'static str, src: IpAddr, payload: Vec<u8>) -> Verdict {
        let dst = self.nodes[to].tunnels()[0].nbma;
        self.act(to, |node, now| {
            let outer = Underlay { src, dst, protocol: 47, ttl: 255 };
            node.underlay(now, outer, PacketBuf::from(payload), &mut TxBatch::new())
        })
    }

    /// Hands a scripted message to a node, and takes what it sends at once.
    pub fn tell(&mut self, to: &'static str, from: &str, message: &Message) -> Vec<Seen> {
        let before = self.seen.len();
        let _ = self.inject(to, ip(from), in_gre(message));
        self.seen[before..].to_vec()
    }

    /// The same, where exactly one message comes out.
    pub fn ask(&mut self, to: &'static str, from: &str, message: &Message) -> Seen {
        let seen = self.tell(to, from, message);
        assert_eq!(seen.len(), 1, "one message comes out of {message:?}");
        seen[0].clone()
    }

    fn drain(&mut self, name: &'static str) {
        let node = self.nodes.get_mut(name).unwrap();
        while let Some(output) = node.poll_output() {
            match output {
                Output::Event(event) => self.events.push((self.now, name, event)),
                Output::Transmit(packet) => {
                    self.seen.push(Seen { at: self.now, packet: packet.clone() });
                    if self.open {
                        self.flying.push((self.now + self.delay, packet));
                    }
                }
            }
        }
        node.invariants().unwrap();
        assert!(node.poll_timeout().is_none_or(|(at, _)| at >= self.now), "{name} wants to be woken in the past");
    }

    /// The next instant at which something happens.
    pub fn next(&self) -> Option<Instant> {
        let timers = self.nodes.values().filter_map(|node| node.poll_timeout().map(|(at, _)| at + self.late));
        timers.chain(self.flying.iter().map(|(at, _)| *at)).min()
    }

    /// Lets time pass until `until`, inclusive.
    pub fn run(&mut self, until: Instant) {
        while let Some(at) = self.next().filter(|at| *at <= until) {
            self.now = at;
            let (due, later) = std::mem::take(&mut self.flying).into_iter().partition(|(when, _)| *when <= at);
            self.flying = later;
            for (_, packet) in due {
                self.deliver(packet);
            }
            let names: Vec<&'static str> = self.nodes.keys().copied().collect();
            for name in names {
                if self.nodes[name].poll_timeout().is_some_and(|(due, _)| due + self.late <= at) {
                    self.wakeups += 1;
                    self.act(name, |node, now| node.handle_timeout(now));
                }
            }
        }
        self.now = self.now.max(until);
    }

    fn deliver(&mut self, packet: Transmit) {
        let Transmit { src, dst, protocol, ttl, payload, .. } = packet;
        let Some(name) = self.homes.get(&dst).copied() else { return };
        let outer = Underlay { src, dst, protocol, ttl };
        self.act(name, |node, now| {
            let _ = node.underlay(now, outer, PacketBuf::from(payload), &mut TxBatch::new());
        });
    }

    /// The dynamic binding of an address at a node, at this instant.
    pub fn binding(&mut self, name: &'static str, protocol: IpAddr) -> Option<Binding> {
        let view = self.act(name, |node, now| {
            node.handle_timeout(now);
            node.view()
        });
        view.bindings.into_iter().find(|b| b.protocol == protocol)
    }

    pub fn nhs(&self, name: &str) -> NhsRow {
        self.nodes[name].view().nhs[0].clone()
    }

    pub fn deadline(&self, name: &str) -> Option<(Instant, Reason)> {
        self.nodes[name].poll_timeout()
    }

    /// Packets from an outer address, in order.
    pub fn from(&self, src: &str) -> Vec<Seen> {
        self.seen.iter().filter(|seen| seen.packet.src == ip(src)).cloned().collect()
    }

    /// Events of a node without their instants.
    pub fn events_of(&self, name: &str) -> Vec<Event> {
        self.events.iter().filter(|(_, who, _)| *who == name).map(|(_, _, event)| event.clone()).collect()
    }
}

/// A Registration Request as a scripted client sends it: one entry for the header's addresses, no extensions.
pub fn request(id: u32, nbma: &str, proto: &str) -> Message {
    use dmvpn_wire::nhrp::{AddressFamily, Body, Cie, Cies, Fixed, Flags, ProtocolType};
    let entry = Cie { prefix_len: 0xFF, mtu: 1400, holding_time: 300, ..Cie::default() };
    Message::new(
        Fixed { afn: AddressFamily::IPV4, protocol: ProtocolType::IPV4, hop_count: 255 },
        Body::RegistrationRequest(Mandatory {
            flags: Flags::REGISTRATION_UNIQUE | Flags::CISCO_NAT,
            request_id: id,
            src_nbma: ip(nbma).into(),
            src_proto: ip(proto).into(),
            dst_proto: ip("10.0.0.1").into(),
            cies: Cies::from_elem(entry, 1),
        }),
    )
}

/// A Resolution Request as a spoke sends it: Q, S and NAT, one entry without addresses, extensions 3, 4, 5 and 9.
pub fn resolve(id: u32, nbma: &str, proto: &str, target: &str) -> Message {
    use dmvpn_wire::nhrp::{AddressFamily, Body, Cie, Cies, Extension, ExtensionValue, Fixed, Flags, ProtocolType};
    let entry = Cie { mtu: 1400, holding_time: 300, ..Cie::default() };
    let extensions = [
        ExtensionValue::ResponderAddress(Cies::new()),
        ExtensionValue::ForwardTransit(Cies::new()),
        ExtensionValue::ReverseTransit(Cies::new()),
        ExtensionValue::CiscoNat(Cies::new()),
    ];
    Message {
        fixed: Fixed { afn: AddressFamily::IPV4, protocol: ProtocolType::IPV4, hop_count: 255 },
        body: Body::ResolutionRequest(Mandatory {
            flags: Flags(0x8802),
            request_id: id,
            src_nbma: ip(nbma).into(),
            src_proto: ip(proto).into(),
            dst_proto: ip(target).into(),
            cies: Cies::from_elem(entry, 1),
        }),
        extensions: extensions.into_iter().map(Extension::new).collect(),
    }
}

/// The positive answer to a Resolution Request: one entry, `flags` beside those of the request.
pub fn answer(request: &Message, flags: u16, nbma: &str, proto: &str, prefix_len: u8, holding_time: u16) -> Message {
    use dmvpn_wire::nhrp::{Body, Cie, Cies, Flags};
    let mut reply = request.mandatory().unwrap().clone();
    let cie = Cie { nbma: ip(nbma).into(), proto: ip(proto).into(), prefix_len, holding_time, ..Cie::default() };
    reply.flags = (reply.flags & Flags(0x8802)) | Flags(flags);
    reply.cies = Cies::from_elem(cie, 1);
    Message { body: Body::ResolutionReply(reply), ..request.clone() }
}

/// An IPv4 packet with `len` octets behind its header.
pub fn inner(src: &str, dst: &str, len: usize) -> Vec<u8> {
    let (IpAddr::V4(src), IpAddr::V4(dst)) = (ip(src), ip(dst)) else { panic!() };
    let [hi, lo] = (20 + len as u16).to_be_bytes();
    let mut packet = vec![0x45, 0, hi, lo, 0, 0, 0, 0, 64, 253, 0, 0];
    packet.extend(src.octets());
    packet.extend(dst.octets());
    dmvpn_wire::ipv4::Packet::new(&mut packet[..]).fill_checksum();
    packet.extend((0..len).map(|n| n as u8));
    packet
}

/// A route through the tunnel.
pub fn via(prefix: &str, prefix_len: u8, next_hop: &str) -> Route {
    Route { prefix: ip(prefix), prefix_len, via: RouteVia::Tunnel { tunnel: TUN, next_hop: ip(next_hop) } }
}

/// A network attached to the node.
pub fn lan(prefix: &str, prefix_len: u8) -> Route {
    Route { prefix: ip(prefix), prefix_len, via: RouteVia::Attached { address: None } }
}

/// The message behind a GRE header without key.
pub fn in_gre(message: &Message) -> Vec<u8> {
    [&[0, 0, 0x20, 1], &message.to_vec().unwrap()[..]].concat()
}

/// The message with one thing changed.
pub fn edit(mut message: Message, change: impl FnOnce(&mut Mandatory)) -> Message {
    change(message.mandatory_mut().unwrap());
    message
}
