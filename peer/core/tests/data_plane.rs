//! The node as a router between its tunnels: hops, ways, circles, copies, and what waits.

#![allow(clippy::unwrap_used)]

mod common;

use std::net::IpAddr;
use std::time::Duration;

use common::*;
use dmvpn_core::config::{Config, Limits, Map, Multicast, Nhs, Route, RouteVia, Tunnel};
use dmvpn_core::{Command, DropReason, LinkEvent, Node, PacketBuf, Transmit, TunnelId, TxBatch, Underlay, Verdict};
use dmvpn_wire::{checksum, ipv4, ipv6};

/// A UDP packet with four octets that are recognised.
fn inner(src: &str, dst: &str, ttl: u8) -> Vec<u8> {
    let (mut packet, payload) = (vec![0; 40], [0xCA, 0xFE, 0xBA, 0xBE]);
    match (ip(src), ip(dst)) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            packet.truncate(20);
            ipv4::Repr { ttl, ..ipv4::Repr::new(src, dst, 17.into()) }.emit(4, &mut packet).unwrap();
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            ipv6::Repr { hop_limit: ttl, ..ipv6::Repr::new(src, dst, 17.into()) }.emit(4, &mut packet).unwrap();
        }
        _ => panic!("two families"),
    }
    packet.extend(payload);
    packet
}

fn overlay(node: &mut Node, at: u64, packet: &[u8]) -> (Verdict, Vec<Transmit>) {
    let mut batch = TxBatch::new();
    let buffer = PacketBuf::with_headroom(node.headroom(TUN), packet);
    let verdict = node.overlay(secs(at), TUN, buffer, &mut batch);
    node.invariants().unwrap();
    (verdict, batch.drain().collect())
}

fn underlay(node: &mut Node, at: u64, src: &str, packet: &[u8]) -> (Verdict, Vec<Transmit>) {
    let mut batch = TxBatch::new();
    let protocol = if packet[0] >> 4 == 6 { [0x86, 0xDD] } else { [8, 0] };
    let payload = [&[0, 0], &protocol[..], packet].concat();
    let outer = Underlay { src: ip(src), dst: node.tunnels()[0].nbma, protocol: 47, ttl: 255 };
    let verdict = node.underlay(secs(at), outer, payload.into(), &mut batch);
    node.invariants().unwrap();
    (verdict, batch.drain().collect())
}

/// A hub with the spokes 1 and 2 registered, at second 1.
fn hub_with_two(change: impl FnOnce(&mut Tunnel)) -> World {
    let mut world = World::new(Duration::ZERO);
    world.add("hub", with(hub(), change));
    for (name, n) in [("spoke1", 1), ("spoke2", 2)] {
        world.add(name, spoke(n));
    }
    world.run(secs(1));
    world
}

fn attached(prefix: &str, prefix_len: u8) -> Route {
    Route { prefix: ip(prefix), prefix_len, via: RouteVia::Attached { address: None } }
}

fn through(prefix: &str, prefix_len: u8, next_hop: &str) -> Route {
    Route { prefix: ip(prefix), prefix_len, via: RouteVia::Tunnel { tunnel: TUN, next_hop: ip(next_hop) } }
}

/// The inner packet of what was sent.
fn inside(sent: &Transmit) -> Vec<u8> {
    sent.payload[4..].to_vec()
}

#[test]
fn a_hub_forwards_between_its_spokes_and_counts_the_hop() {
    let mut world = hub_with_two(|_| {});
    let hub = world.node("hub");
    hub.command(secs(1), Command::AddRoute(through("172.20.2.0", 24, "10.0.0.12")));
    for destination in ["10.0.0.12", "172.20.2.9"] {
        let (verdict, sent) = underlay(hub, 1, "192.0.2.11", &inner("10.0.0.11", destination, 5));
        assert_eq!((verdict, sent[0].dst, sent[0].tos), (Verdict::Sent(1), ip("192.0.2.12"), 0));
        // Rewritten as if it had been sent with one hop less: the checksum is right.
        assert_eq!(inside(&sent[0]), inner("10.0.0.11", destination, 4));
    }
    assert_eq!((hub.stats().forwarded, hub.stats().overlay_out), (2, 0));
    // What the host sends has been counted by the host.
    let (_, sent) = overlay(hub, 1, &inner("10.0.0.1", "10.0.0.12", 5));
    assert_eq!(inside(&sent[0]), inner("10.0.0.1", "10.0.0.12", 5));
}

#[test]
fn what_is_for_this_node_or_behind_it_is_delivered_untouched() {
    let mut world = hub_with_two(|_| {});
    let hub = world.node("hub");
    hub.command(secs(1), Command::AddRoute(attached("172.20.1.0", 24)));
    hub.command(secs(1), Command::AddRoute(Route { prefix: ip("172.16.0.0"), prefix_len: 12, via: RouteVia::Beyond }));
    for destination in
        ["10.0.0.1", "172.20.1.9", "172.16.0.1", "203.0.113.1", "224.0.0.5", "255.255.255.255", "10.0.0.255"]
    {
        let packet = inner("10.0.0.11", destination, 1);
        let (verdict, sent) = underlay(hub, 1, "192.0.2.11", &packet);
        assert_eq!((verdict, sent), (Verdict::Deliver(TUN, packet.into()), vec![]), "{destination}");
    }
    // And given back by the host it is not sent in a circle.
    for destination in ["10.0.0.1", "172.20.1.9"] {
        assert!(matches!(overlay(hub, 1, &inner("172.20.1.9", destination, 9)).0, Verdict::Dropped(_)));
    }
}

#[test]
fn the_last_hop_is_told_to_the_sender() {
    let mut world = hub_with_two(|_| {});
    let hub = world.node("hub");
    let expired = (Verdict::Dropped(DropReason::TtlExpired), ip("192.0.2.11"));
    for ttl in [0, 1] {
        let packet = inner("10.0.0.11", "10.0.0.12", ttl);
        let (verdict, sent) = underlay(hub, 1, "192.0.2.11", &packet);
        assert_eq!((verdict, sent[0].dst), expired);
        let icmp = inside(&sent[0]);
        let (header, payload) = ipv4::Repr::parse(&icmp).unwrap();
        assert_eq!((IpAddr::from(header.src), IpAddr::from(header.dst)), (ip("10.0.0.1"), ip("10.0.0.11")));
        assert!(payload[0] == 11 && checksum::verify(payload) && payload[8..] == packet[..]);
    }
    // From a network behind the spoke that nobody told us of: back where it came from.
    assert_eq!(underlay(hub, 1, "192.0.2.11", &inner("172.20.1.9", "10.0.0.12", 1)).1[0].dst, ip("192.0.2.11"));
    // Never about an ICMP error.
    let mut error = inner("10.0.0.11", "10.0.0.12", 1);
    error[9] = 1;
    error[20] = 3;
    ipv4::Packet::new(&mut error[..]).fill_checksum();
    let (verdict, sent) = underlay(hub, 1, "192.0.2.11", &error);
    assert_eq!((verdict, sent), (expired.0.clone(), vec![]));
    assert_eq!((hub.stats().icmp_out, hub.stats().icmp_suppressed), (3, 0));
    // And not more than so many in a second.
    for _ in 0..200 {
        let _ = underlay(hub, 2, "192.0.2.11", &inner("10.0.0.11", "10.0.0.12", 1));
    }
    let limit = u64::from(Limits::default().icmp_per_second);
    assert_eq!((hub.stats().icmp_out, hub.stats().icmp_suppressed), (3 + limit, 200 - limit));
}

#[test]
fn ipv6_inside_is_forwarded_alike() {
    let tunnel = |n: u8| {
        let mut tunnel = Tunnel::new("tun0", IpAddr::from([192, 0, 2, n]), ip(&format!("fd00::{n}")), 64);
        tunnel.nhrp.server = n == 1;
        if n != 1 {
            tunnel.nhrp.nhs.push(Nhs::new(ip("fd00::1"), ip("192.0.2.1")));
        }
        Config { tunnels: vec![tunnel], ..Config::default() }
    };
    let mut world = World::new(Duration::ZERO);
    for (name, n) in [("hub", 1), ("spoke1", 11), ("spoke2", 12)] {
        world.add(name, tunnel(n));
    }
    world.run(secs(1));
    let hub = world.node("hub");
    let (verdict, sent) = underlay(hub, 1, "192.0.2.11", &inner("fd00::11", "fd00::12", 5));
    assert_eq!((verdict, sent[0].dst), (Verdict::Sent(1), ip("192.0.2.12")));
    assert_eq!(inside(&sent[0]), inner("fd00::11", "fd00::12", 4));
    let (verdict, sent) = underlay(hub, 1, "192.0.2.11", &inner("fd00::11", "fd00::12", 1));
    assert_eq!((verdict, inside(&sent[0])[40]), (Verdict::Dropped(DropReason::TtlExpired), 3));
    let link_local = inner("fe80::11", "fd00::12", 5);
    assert!(matches!(underlay(hub, 1, "192.0.2.11", &link_local).0, Verdict::Deliver(..)));
}

#[test]
fn nothing_goes_back_to_the_end_that_it_is_from() {
    let mut world = hub_with_two(|_| {});
    let hub = world.node("hub");
    // GRE-2784-3.1-02.
    let (verdict, sent) = underlay(hub, 1, "192.0.2.11", &inner("10.0.0.12", "10.0.0.11", 9));
    assert_eq!((verdict, sent), (Verdict::Dropped(DropReason::Looped), vec![]));
    // A spoke does not give the hub back what only the hub could know.
    let (verdict, sent) = underlay(world.node("spoke1"), 1, "192.0.2.1", &inner("10.0.0.12", "172.31.0.1", 9));
    assert!(matches!(verdict, Verdict::Deliver(..)) && sent.is_empty());
    // A control: from another end it goes to the same station.
    assert_eq!(underlay(world.node("hub"), 1, "192.0.2.12", &inner("10.0.0.12", "10.0.0.11", 9)).1.len(), 1);
}

#[test]
fn broken_packets_are_not_forwarded() {
    let mut world = hub_with_two(|_| {});
    let hub = world.node("hub");
    let good = inner("10.0.0.11", "10.0.0.12", 5);
    let mut checksum = good.clone();
    checksum[10] ^= 1;
    let mut long = good.clone();
    long[3] += 1;
    ipv4::Packet::new(&mut long[..]).fill_checksum();
    let mut options = good.clone();
    options[0] = 0x47;
    for packet in [&checksum[..], &long, &options, &good[..19], &good[..20]] {
        let (verdict, sent) = underlay(hub, 1, "192.0.2.11", packet);
        assert_eq!((verdict, sent), (Verdict::Dropped(DropReason::InnerMalformed), vec![]), "{packet:x?}");
    }
}

#[test]
fn clients_of_a_tunnel_without_a_subnet_are_routes() {
    let mut world = hub_with_two(|t| t.prefix_len = 32);
    let hub = world.node("hub");
    let (verdict, sent) = underlay(hub, 1, "192.0.2.11", &inner("10.0.0.11", "10.0.0.12", 5));
    assert_eq!((verdict, sent[0].dst), (Verdict::Sent(1), ip("192.0.2.12")));
    // More special than a default route, and less than an attached network.
    hub.command(secs(1), Command::AddRoute(Route { prefix: ip("0.0.0.0"), prefix_len: 0, via: RouteVia::Beyond }));
    assert_eq!(underlay(hub, 1, "192.0.2.11", &inner("10.0.0.11", "10.0.0.12", 5)).1.len(), 1);
    assert!(matches!(underlay(hub, 1, "192.0.2.11", &inner("10.0.0.11", "10.0.0.13", 5)).0, Verdict::Deliver(..)));
    hub.command(secs(1), Command::AddRoute(attached("10.0.0.0", 24)));
    assert!(matches!(underlay(hub, 1, "192.0.2.11", &inner("10.0.0.11", "10.0.0.12", 5)).0, Verdict::Deliver(..)));
}

#[test]
fn a_route_may_lead_from_one_tunnel_into_another() {
    let mut config = hub();
    let second = Tunnel::new("tun1", ip("198.51.100.1"), ip("10.1.0.1"), 24);
    config.tunnels.push(second);
    config.tunnels[1].nhrp.maps.push(Map { protocol: ip("10.1.0.9"), nbma: ip("198.51.100.9") });
    config.tunnels[1].key = Some(7);
    let via = RouteVia::Tunnel { tunnel: TunnelId(1), next_hop: ip("10.1.0.9") };
    config.routes.push(Route { prefix: ip("172.20.9.0"), prefix_len: 24, via });
    let mut node = node(config, secs(0));
    for destination in ["10.1.0.9", "172.20.9.9"] {
        let (verdict, sent) = underlay(&mut node, 1, "192.0.2.11", &inner("10.0.0.11", destination, 5));
        assert_eq!((verdict, sent[0].src, sent[0].dst), (Verdict::Sent(1), ip("198.51.100.1"), ip("198.51.100.9")));
        assert_eq!(sent[0].payload[..8], [0x20, 0, 8, 0, 0, 0, 0, 7]);
    }
    node.link(secs(2), LinkEvent::Down { tunnel: TunnelId(1) });
    let (verdict, _) = underlay(&mut node, 2, "192.0.2.11", &inner("10.0.0.11", "10.1.0.9", 5));
    assert_eq!(verdict, Verdict::Dropped(DropReason::TunnelDown));
}

#[test]
fn multicast_is_copied_once_to_every_receiver() {
    let mut world = hub_with_two(|t| {
        t.nhrp.multicast.push(Multicast::Static(ip("192.0.2.99")));
        t.nhrp.multicast.push(Multicast::Static(ip("192.0.2.11")));
    });
    let hub = world.node("hub");
    for destination in ["224.0.0.5", "255.255.255.255", "10.0.0.255"] {
        let packet = inner("10.0.0.1", destination, 1);
        let (verdict, sent) = overlay(hub, 1, &packet);
        let to: Vec<IpAddr> = sent.iter().map(|transmit| transmit.dst).collect();
        assert_eq!((verdict, to), (Verdict::Sent(3), ["192.0.2.11", "192.0.2.12", "192.0.2.99"].map(ip).to_vec()));
        assert!(sent.iter().all(|transmit| inside(transmit) == packet));
        // CISCO-RED-02 and split horizon: a client's own multicast ends here.
        assert_eq!(underlay(hub, 1, "192.0.2.11", &packet).1, []);
    }
    // A spoke's goes to its servers.
    let (_, sent) = overlay(world.node("spoke1"), 1, &inner("10.0.0.11", "224.0.0.5", 1));
    assert_eq!((sent.len(), sent[0].dst), (1, ip("192.0.2.1")));
}

#[test]
fn multicast_without_receivers_is_dropped_and_copies_are_bounded() {
    let silent = with(hub(), |t| t.nhrp.multicast.clear());
    let (verdict, _) = overlay(&mut node(silent, secs(0)), 1, &inner("10.0.0.1", "224.0.0.5", 1));
    assert_eq!(verdict, Verdict::Dropped(DropReason::NoAdjacency));
    let limits = Limits { multicast_copies: 2, ..Limits::default() };
    let wide = with(hub(), |t| {
        t.nhrp.multicast = (11..=15).map(|n| Multicast::Static(IpAddr::from([192, 0, 2, n]))).collect();
    });
    let mut node = node(Config { limits, ..wide }, secs(0));
    assert_eq!(overlay(&mut node, 1, &inner("10.0.0.1", "224.0.0.5", 1)).0, Verdict::Sent(2));
    assert_eq!(node.stats().multicast_copies_refused, 3);
}

#[test]
fn two_tunnels_in_one_subnet_keep_to_themselves() {
    let tunnel = |name, nbma: &str, address: &str, peer: &str| {
        let mut tunnel = Tunnel::new(name, ip(nbma), ip(address), 24);
        tunnel.nhrp.maps.push(Map { protocol: ip("10.0.0.9"), nbma: ip(peer) });
        tunnel
    };
    let tunnels = vec![
        tunnel("a", "192.0.2.1", "10.0.0.1", "192.0.2.9"),
        tunnel("b", "198.51.100.1", "10.0.0.2", "198.51.100.9"),
    ];
    let mut node = node(Config { tunnels, ..Config::default() }, secs(0));
    for (id, peer) in [(TunnelId(0), "192.0.2.9"), (TunnelId(1), "198.51.100.9")] {
        let mut batch = TxBatch::new();
        let _ = node.overlay(secs(1), id, inner("10.0.0.1", "10.0.0.9", 9).into(), &mut batch);
        assert_eq!(batch.as_slice()[0].dst, ip(peer));
    }
}

/// Every neighbour of a packet that is forwarded, of one that expires, and of one inside IPv6: cut anywhere, each octet
/// changed. Whatever comes out, the tables stay as they are and nothing is sent twice.
#[test]
fn neighbours_of_packets_do_no_harm() {
    let mut world = hub_with_two(|t| t.nhrp.redirect = true);
    let before = world.nodes["hub"].view().bindings;
    let hub = world.node("hub");
    let mut six = inner("fd00::11", "fd00::12", 5);
    six[6] = 44;
    for (ether_type, packet) in [
        ([8, 0], inner("10.0.0.11", "10.0.0.12", 5)),
        ([8, 0], inner("10.0.0.11", "10.0.0.12", 1)),
        ([8, 0], inner("10.0.0.1", "224.0.0.5", 5)),
        ([0x86, 0xDD], six),
    ] {
        let whole = [&[0, 0], &ether_type[..], &packet].concat();
        let mut variants: Vec<Vec<u8>> = (0..whole.len()).map(|end| whole[..end].to_vec()).collect();
        for at in 0..whole.len() {
            for value in [0, 1, 0x7F, 0x80, 0xFF, whole[at].wrapping_add(1), whole[at].wrapping_sub(1)] {
                for fix in [false, true] {
                    let mut variant = whole.clone();
                    variant[at] = value;
                    if fix && variant.len() >= 24 {
                        ipv4::Packet::new(&mut variant[4..]).fill_checksum();
                    }
                    variants.push(variant);
                }
            }
        }
        for variant in variants {
            let outer = Underlay { src: ip("192.0.2.11"), dst: ip("192.0.2.1"), protocol: 47, ttl: 255 };
            let mut batch = TxBatch::new();
            let verdict = hub.underlay(secs(1), outer, variant.clone().into(), &mut batch);
            let most = usize::from(matches!(verdict, Verdict::Sent(1) | Verdict::Dropped(DropReason::TtlExpired)));
            assert!(batch.len() <= most, "{verdict:?} {variant:x?}");
            while hub.poll_output().is_some() {}
        }
        hub.invariants().unwrap();
    }
    assert_eq!(hub.view().bindings, before);
}

/// Sends a packet from a node's host and lets it travel; says where its outer packets went, in order.
fn travel(world: &mut World, from: &'static str, packet: &[u8]) -> Vec<(IpAddr, IpAddr)> {
    let mut flying = {
        let mut batch = TxBatch::new();
        world.act(from, |node, now| {
            let _ = node.overlay(now, TUN, PacketBuf::from(packet), &mut batch);
        });
        batch.drain().collect::<Vec<_>>()
    };
    let mut hops = Vec::new();
    while let Some(packet) = flying.pop() {
        hops.push((packet.src, packet.dst));
        assert!(hops.len() < 10, "it circles: {hops:?}");
        let Some(name) = world.homes.get(&packet.dst).copied() else { continue };
        let outer = Underlay { src: packet.src, dst: packet.dst, protocol: 47, ttl: 255 };
        let mut batch = TxBatch::new();
        world.act(name, |node, now| {
            let _ = node.underlay(now, outer, packet.payload.into(), &mut batch);
        });
        flying.extend(batch.drain());
    }
    hops
}

const HUB: &str = "192.0.2.1";
const ONE: &str = "192.0.2.11";
const TWO: &str = "192.0.2.12";

fn hops(list: &[(&str, &str)]) -> Vec<(IpAddr, IpAddr)> {
    list.iter().map(|(from, to)| (ip(from), ip(to))).collect()
}

#[test]
fn phase_2_goes_by_the_hub_until_the_other_spoke_is_known() {
    let mut world = hub_with_two(|_| {});
    let packet = inner("10.0.0.11", "10.0.0.12", 9);
    assert_eq!(travel(&mut world, "spoke1", &packet), hops(&[(ONE, HUB), (HUB, TWO)]));
    world.run(secs(2));
    assert_eq!(travel(&mut world, "spoke1", &packet), hops(&[(ONE, TWO)]));
}

/// A hub that redirects, and two spokes with 172.20.1.0/24 and 172.20.2.0/24 behind them.
fn phase_3() -> World {
    let mut world = World::new(Duration::ZERO);
    let mut centre = with(hub(), |t| t.nhrp.redirect = true);
    for n in [1, 2] {
        centre.routes.push(through(&format!("172.20.{n}.0"), 24, &format!("10.0.0.1{n}")));
    }
    world.add("hub", centre);
    for (name, n) in [("spoke1", 1), ("spoke2", 2)] {
        let mut config = spoke(n);
        config.routes = vec![through("172.20.0.0", 16, "10.0.0.1"), attached(&format!("172.20.{n}.0"), 24)];
        world.add(name, config);
    }
    world.run(secs(1));
    world
}

#[test]
fn phase_3_takes_the_shortcut_that_a_redirect_led_to() {
    let mut world = phase_3();
    let packet = inner("172.20.1.9", "172.20.2.9", 9);
    assert_eq!(travel(&mut world, "spoke1", &packet), hops(&[(ONE, HUB), (HUB, TWO)]));
    world.run(secs(2));
    assert_eq!(travel(&mut world, "spoke1", &packet), hops(&[(ONE, TWO)]));
    let shortcuts = world.nodes["spoke1"].view().shortcuts;
    assert_eq!((shortcuts.len(), shortcuts[0].prefix, shortcuts[0].prefix_len), (1, ip("172.20.2.0"), 24));
}

#[test]
fn the_longest_of_shortcuts_and_routes_leads() {
    let mut world = phase_3();
    travel(&mut world, "spoke1", &inner("172.20.1.9", "172.20.2.9", 9));
    world.run(secs(2));
    let to = |world: &mut World, dst| travel(world, "spoke1", &inner("172.20.1.9", dst, 9))[0].1;
    assert_eq!((to(&mut world, "172.20.2.9"), to(&mut world, "172.20.2.200")), (ip(TWO), ip(TWO)));
    let order = |world: &mut World, command| world.act("spoke1", |node, now| node.command(now, command));
    // Longer than the shortcut 172.20.2.0/24, and beside its target.
    order(&mut world, Command::AddRoute(through("172.20.2.192", 26, "10.0.0.1")));
    assert_eq!((to(&mut world, "172.20.2.9"), to(&mut world, "172.20.2.200")), (ip(TWO), ip(HUB)));
    // It was redirected, and is a shortcut of its own soon.
    world.run(secs(3));
    assert_eq!(to(&mut world, "172.20.2.200"), ip(TWO));
    let prefixes: Vec<u8> = world.nodes["spoke1"].view().shortcuts.iter().map(|s| s.prefix_len).collect();
    assert_eq!(prefixes, [24, 26]);
}

#[test]
fn only_where_a_packet_enters_the_network_something_is_asked() {
    // NHRP-6.4-01: spoke 1 is on the way of a packet of the hub's to a station that nobody knows.
    let mut world = hub_with_two(|_| {});
    let before = world.seen.len();
    let packet = inner("10.0.0.1", "10.0.0.12", 9);
    let (verdict, sent) = world.act("spoke1", |node, _| underlay(node, 1, HUB, &packet));
    assert_eq!((verdict, sent), (Verdict::Dropped(DropReason::NoAdjacency), vec![]));
    assert_eq!(world.seen.len(), before);
    // The control: one of its own.
    travel(&mut world, "spoke1", &inner("10.0.0.11", "10.0.0.12", 9));
    assert_eq!(world.seen.len(), before + 1);
    // Nor does a packet that passes keep alive what was found out; one of the station's own does.
    world.run(secs(7200 - 30));
    let before = world.seen.len();
    let (_, sent) = world.act("spoke1", |node, now| underlay(node, now.as_nanos() / 1_000_000_000, HUB, &packet));
    assert_eq!((sent.len(), world.seen.len()), (1, before));
    travel(&mut world, "spoke1", &inner("10.0.0.11", "10.0.0.12", 9));
    assert_eq!(world.seen.len(), before + 1);
}

#[test]
fn a_cached_next_hop_of_a_route_is_asked_for_again_while_it_is_used() {
    let mut world = hub_with_two(|_| {});
    let route = through("172.20.2.0", 24, "10.0.0.12");
    world.act("spoke1", |node, now| node.command(now, Command::AddRoute(route)));
    let packet = inner("172.20.1.9", "172.20.2.9", 9);
    travel(&mut world, "spoke1", &packet);
    for _ in 0..3 {
        world.run(world.now + Duration::from_secs(7200 - 30));
        assert_eq!(travel(&mut world, "spoke1", &packet), hops(&[(ONE, TWO)]));
    }
}

#[test]
fn what_can_not_go_on_waits_for_its_next_hop_and_is_sent_or_given_up() {
    // A route to a router of the tunnel that a second router of it knows: there is no server to go by meanwhile.
    let mut config = with(spoke(1), |t| {
        t.nhrp.maps.push(Map { protocol: ip("10.0.0.1"), nbma: ip(HUB) });
        t.nhrp.nhs.clear();
    });
    for (behind, router) in [("172.20.0.0", "10.0.0.12"), ("172.21.0.0", "10.0.0.98"), ("172.22.0.0", "10.0.0.99")] {
        config.routes.extend([through(behind, 16, router), through(router, 32, "10.0.0.1")]);
    }
    let mut world = World::new(Duration::ZERO);
    world.add("hub", hub());
    world.add("spoke2", spoke(2));
    world.add("spoke1", config);
    world.run(secs(1));
    world.open = false;
    let from_host = |world: &mut World, dst: &str| {
        let now = world.now.as_nanos() / 1_000_000_000;
        world.act("spoke1", |node, _| overlay(node, now, &inner("10.0.0.11", dst, 9)).0)
    };
    for _ in 0..8 {
        assert_eq!(from_host(&mut world, "172.20.2.9"), Verdict::Held);
    }
    assert_eq!(from_host(&mut world, "172.20.2.9"), Verdict::Dropped(DropReason::HeldFull));
    assert_eq!(world.node("spoke1").poll_timeout().map(|(at, _)| at > secs(1)), Some(true));
    world.run(secs(2));
    world.open = true;
    let before = world.seen.len();
    world.run(secs(20));
    let data = world.seen[before..].iter().filter(|seen| seen.packet.payload[2..4] == [8, 0]);
    let sent: Vec<_> = data.map(|seen| (seen.packet.dst, inside(&seen.packet))).collect();
    assert_eq!(sent, vec![(ip(TWO), inner("10.0.0.11", "172.20.2.9", 9)); 8]);

    // A station that nobody knows: given up when the server says so, or after half a minute.
    let given_up = |world: &World| world.nodes["spoke1"].stats().drops(DropReason::NotFoundOut);
    assert_eq!(from_host(&mut world, "172.22.0.1"), Verdict::Held);
    world.run(secs(21));
    assert_eq!(given_up(&world), 1);
    assert_eq!(from_host(&mut world, "172.21.0.1"), Verdict::Held);
    world.open = false;
    world.run(secs(50));
    assert_eq!(given_up(&world), 1);
    world.run(secs(52));
    assert_eq!((given_up(&world), world.nodes["spoke1"].stats().drops(DropReason::HeldFull)), (2, 1));
    world.node("spoke1").invariants().unwrap();
}
