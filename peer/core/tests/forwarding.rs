//! Data packets through GRE: which tunnel, which peer, and why not (RFC 2784, RFC 2890).

#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::*;
use dmvpn_core::config::{Config, GreMode, Tunnel};
use dmvpn_core::{DropReason, LinkEvent, Node, PacketBuf, Transmit, TunnelId, TxBatch, Underlay, Verdict};

fn inner(src: &str, dst: &str) -> Vec<u8> {
    let (std::net::IpAddr::V4(src), std::net::IpAddr::V4(dst)) = (ip(src), ip(dst)) else { panic!() };
    let mut packet = vec![0x45, 0x28, 0, 24, 0, 0, 0, 0, 64, 253, 0, 0];
    packet.extend(src.octets());
    packet.extend(dst.octets());
    packet.extend([0xCA, 0xFE, 0xBA, 0xBE]);
    dmvpn_wire::ipv4::Packet::new(&mut packet[..]).fill_checksum();
    packet
}

fn send(node: &mut Node, packet: &[u8]) -> (Verdict, Vec<Transmit>) {
    let mut batch = TxBatch::new();
    let buffer = PacketBuf::with_headroom(node.headroom(TUN), packet);
    let verdict = node.overlay(secs(1), TUN, buffer, &mut batch);
    (verdict, batch.drain().collect())
}

fn receive(node: &mut Node, src: &str, payload: &[u8]) -> Verdict {
    let outer = Underlay { src: ip(src), dst: node.tunnels()[0].nbma, protocol: 47, ttl: 255 };
    node.underlay(secs(1), outer, payload.into(), &mut TxBatch::new())
}

fn registered() -> World {
    let mut world = World::new(Duration::ZERO);
    world.add("hub", hub());
    world.add("spoke", spoke(1));
    world.run(secs(1));
    world
}

#[test]
fn a_spoke_sends_by_way_of_its_hub_and_the_hub_to_the_spoke() {
    let mut world = registered();
    for destination in ["10.0.0.1", "10.0.0.12", "172.16.0.1"] {
        let packet = inner("10.0.0.11", destination);
        let (verdict, sent) = send(world.node("spoke"), &packet);
        assert_eq!(verdict, Verdict::Sent(1));
        assert_eq!((sent[0].src, sent[0].dst, sent[0].protocol), (ip("192.0.2.11"), ip("192.0.2.1"), 47));
        assert_eq!((sent[0].tos, sent[0].ttl, sent[0].df), (0x28, 255, false));
        assert_eq!(sent[0].payload, [&[0, 0, 8, 0], &packet[..]].concat());
        let verdict = receive(world.node("hub"), "192.0.2.11", &sent[0].payload);
        // The hub knows nobody of that name on its own subnet.
        let unknown = destination == "10.0.0.12";
        let expected =
            if unknown { Verdict::Dropped(DropReason::NoAdjacency) } else { Verdict::Deliver(TUN, packet.into()) };
        assert_eq!(verdict, expected);
    }
    let (_, sent) = send(world.node("hub"), &inner("10.0.0.1", "10.0.0.11"));
    assert_eq!(sent[0].dst, ip("192.0.2.11"));
}

#[test]
fn drops_are_named() {
    let mut world = registered();
    let hub = world.node("hub");
    let dropped = |verdict: (Verdict, Vec<Transmit>), reason| {
        assert_eq!(verdict, (Verdict::Dropped(reason), vec![]));
    };
    dropped(send(hub, &inner("10.0.0.1", "10.0.0.12")), DropReason::NoAdjacency);
    dropped(send(hub, &inner("10.0.0.11", "10.0.0.1")), DropReason::OwnAddress);
    dropped(send(hub, &[]), DropReason::InnerMalformed);
    dropped(send(hub, &[0x45; 19]), DropReason::InnerMalformed);
    dropped(send(hub, &[0x75; 40]), DropReason::InnerMalformed);
    let mut nowhere = TxBatch::new();
    let verdict = hub.overlay(secs(1), TunnelId(9), inner("10.0.0.1", "10.0.0.11").into(), &mut nowhere);
    assert_eq!(verdict, Verdict::Dropped(DropReason::UnknownTunnel));

    for (payload, reason) in [
        (vec![0, 0, 0x12, 0x34, 1, 2], DropReason::UnknownProtocolType),
        (vec![0, 0, 8, 0], DropReason::InnerMalformed),
        ([&[0, 0, 0x86, 0xdd], &inner("10.0.0.1", "10.0.0.2")[..]].concat(), DropReason::InnerMalformed),
        (vec![0, 7, 8, 0, 1, 2], DropReason::GreMalformed),
        (vec![0, 0, 0x20, 1], DropReason::NhrpMalformed),
    ] {
        assert_eq!(receive(hub, "192.0.2.11", &payload), Verdict::Dropped(reason));
    }
    for src in ["0.0.0.0", "224.0.0.1", "255.255.255.255", "192.0.2.1"] {
        assert_eq!(receive(hub, src, &[0, 0, 8, 0]), Verdict::Dropped(DropReason::InvalidOuterSource));
    }
    let mut outer = Underlay { src: ip("192.0.2.11"), dst: ip("192.0.2.7"), protocol: 47, ttl: 1 };
    let mut verdict = |outer| hub.underlay(secs(1), outer, vec![0, 0, 8, 0].into(), &mut TxBatch::new());
    assert_eq!(verdict(outer), Verdict::Dropped(DropReason::UnknownTunnel));
    outer.protocol = 50;
    assert_eq!(verdict(outer), Verdict::Dropped(DropReason::NotGre));
    assert_eq!(DropReason::ALL.iter().filter(|reason| hub.stats().drops(**reason) > 0).count(), 9);
}

#[test]
fn reserved_bits_that_count_for_nothing_are_ignored() {
    let mut world = registered();
    let packet = inner("10.0.0.11", "10.0.0.1");
    let verdict = receive(world.node("hub"), "192.0.2.11", &[&[0x03, 0xF8, 8, 0], &packet[..]].concat());
    assert_eq!(verdict, Verdict::Deliver(TUN, packet.into()));
}

#[test]
fn the_preferred_server_carries_the_traffic_once_it_is_registered() {
    let both = with(spoke(1), |t| {
        t.nhrp.nhs[0].priority = 10;
        t.nhrp.nhs.push(dmvpn_core::config::Nhs::new(ip("10.0.0.2"), ip("192.0.2.2")));
    });
    let mut world = World::new(Duration::ZERO);
    world.add("spoke", both);
    let to = |world: &mut World| send(world.node("spoke"), &inner("10.0.0.11", "10.0.0.77")).1[0].dst;
    assert_eq!(to(&mut world), ip("192.0.2.2"));
    world.add("hub", hub());
    world.run(secs(2));
    assert_eq!(to(&mut world), ip("192.0.2.1"));
    world.add(
        "hub2",
        with(hub(), |t| {
            t.nbma = ip("192.0.2.2");
            t.address = ip("10.0.0.2");
        }),
    );
    world.run(secs(10));
    assert_eq!(to(&mut world), ip("192.0.2.2"));
}

#[test]
fn a_point_to_point_tunnel_has_one_peer() {
    let mode = GreMode::PointToPoint { remote: ip("192.0.2.1") };
    let mut world = World::new(Duration::ZERO);
    world.add("spoke", with(spoke(1), |t| t.mode = mode));
    let node = world.node("spoke");
    for destination in ["10.0.0.77", "224.0.0.5"] {
        let (verdict, sent) = send(node, &inner("10.0.0.11", destination));
        assert_eq!((verdict, sent[0].dst), (Verdict::Sent(1), ip("192.0.2.1")));
    }
    let packet = [&[0, 0, 8, 0], &inner("10.0.0.1", "10.0.0.11")[..]].concat();
    assert!(matches!(receive(node, "192.0.2.1", &packet), Verdict::Deliver(..)));
    assert_eq!(receive(node, "192.0.2.2", &packet), Verdict::Dropped(DropReason::RemoteMismatch));
    let other = with(spoke(1), |t| t.mode = GreMode::PointToPoint { remote: ip("192.0.2.2") });
    assert!(other.validate().is_err());
}

#[test]
fn tunnels_at_one_address_are_told_apart_by_key() {
    let tunnel = |name, key| Tunnel { key, ..Tunnel::new(name, ip("192.0.2.1"), ip("10.0.0.1"), 24) };
    let config = Config { tunnels: vec![tunnel("a", None), tunnel("b", Some(7))], ..Config::default() };
    let mut node = node(config, secs(0));
    let packet = inner("10.0.0.11", "10.0.0.1");
    let keyed = [&[0x20, 0, 8, 0, 0, 0, 0, 7], &packet[..]].concat();
    assert!(matches!(receive(&mut node, "192.0.2.11", &keyed), Verdict::Deliver(TunnelId(1), _)));
    assert_eq!(node.headroom(TunnelId(1)), 8);
    node.link(secs(1), LinkEvent::NbmaChanged { tunnel: TunnelId(1), nbma: ip("192.0.2.5") });
    assert_eq!(receive(&mut node, "192.0.2.11", &keyed), Verdict::Dropped(DropReason::KeyMismatch));
    node.invariants().unwrap();
}
