//! Bad input: no panic, at most one packet in return, tables consistent, and nothing that a broken message could change.

#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use dmvpn_core::config::{Config, Limits, Secret};
use dmvpn_core::{Command, Event, Instant, LinkEvent, Node, Output, PacketBuf, TunnelId, TxBatch, Underlay, Verdict};
use dmvpn_wire::nhrp::{Cies, Extension, ExtensionType, ExtensionValue, Message};
use proptest::prelude::*;

/// A node that is hub and spoke at once.
fn both(secret: bool) -> Node {
    let config = with(hub(), |t| {
        t.nhrp.nhs.push(dmvpn_core::config::Nhs { protocol: None, nbma: ip("192.0.2.2"), priority: 0, cluster: 0 });
        t.nhrp.authentication = secret.then(|| Secret::new("secret"));
    });
    let routes = vec![lan("172.20.0.0", 16), via("172.20.8.0", 24, "10.0.0.2")];
    let mut node = node(Config { routes, ..config }, Instant::ZERO);
    while node.poll_output().is_some() {}
    node
}

/// Hands in one packet and checks what must hold whatever it was. Returns what came out.
fn feed(node: &mut Node, now: Instant, src: &str, payload: &[u8]) -> (Verdict, Vec<Output>) {
    let mut batch = TxBatch::new();
    let outer = Underlay { src: ip(src), dst: ip("192.0.2.1"), protocol: 47, ttl: 255 };
    let verdict = node.underlay(now, outer, PacketBuf::from(payload), &mut batch);
    let outputs: Vec<Output> = std::iter::from_fn(|| node.poll_output()).collect();
    let sent = outputs.iter().filter(|o| matches!(o, Output::Transmit(_))).count();
    assert!(batch.len() + sent <= 1, "{sent} packets in return for one");
    node.invariants().unwrap();
    for output in &outputs {
        if let Output::Event(event) = output {
            assert!(!event.to_string().contains('\n'));
        }
    }
    (verdict, outputs)
}

fn samples() -> Vec<Message> {
    let mut full = request(1, "192.0.2.11", "10.0.0.11");
    full.extensions = [
        Extension::new(ExtensionValue::ResponderAddress(Cies::new())),
        Extension::new(ExtensionValue::ForwardTransit(Cies::new())),
        Extension::new(ExtensionValue::ReverseTransit(Cies::new())),
        Extension::cisco_authentication(b"secret"),
        Extension::new(ExtensionValue::CiscoNat(full.mandatory().unwrap().cies.clone())),
        Extension::new(ExtensionValue::Unknown { code: ExtensionType(0x1234), data: vec![1, 2, 3] }),
    ]
    .into_iter()
    .collect();
    let mut reply = full.clone();
    let mut mandatory = full.mandatory().unwrap().clone();
    (mandatory.src_nbma, mandatory.src_proto) = (ip("192.0.2.1").into(), ip("10.0.0.1").into());
    reply.body = dmvpn_wire::nhrp::Body::RegistrationReply(mandatory);
    let error = dmvpn_wire::nhrp::Body::ErrorIndication(dmvpn_wire::nhrp::ErrorIndication {
        packet: reply.to_vec().unwrap(),
        ..Default::default()
    });
    let traffic = dmvpn_wire::nhrp::Body::TrafficIndication(Default::default());
    let indication = |body| Message::new(full.fixed, body);
    let passing = resolve(3, "192.0.2.12", "10.0.0.12", "172.20.8.1");
    let mut asked = resolve(4, "192.0.2.12", "10.0.0.12", "172.20.1.1");
    asked.extensions.insert(3, Extension::cisco_authentication(b"secret"));
    let answered = answer(&resolve(1, "192.0.2.1", "10.0.0.1", "10.0.0.99"), 0x6000, "192.0.2.12", "10.0.0.12", 24, 60);
    let purged =
        Message { body: dmvpn_wire::nhrp::Body::PurgeRequest(full.mandatory().unwrap().clone()), ..full.clone() };
    let acknowledged =
        Message { body: dmvpn_wire::nhrp::Body::PurgeReply(full.mandatory().unwrap().clone()), ..full.clone() };
    vec![
        request(2, "192.168.0.1", "10.0.0.12"),
        indication(error),
        indication(traffic),
        full,
        reply,
        passing,
        asked,
        answered,
        purged,
        acknowledged,
    ]
}

/// Octets of a sample with changes; the checksum is put right again if `fix`, or nothing would get past it.
fn mutated(sample: usize, changes: &[(usize, u8)], cut: Option<usize>, fix: bool) -> Vec<u8> {
    let samples = samples();
    let mut octets = in_gre(&samples[sample % samples.len()]);
    for (at, value) in changes {
        let at = at % octets.len();
        octets[at] = *value;
    }
    if let Some(cut) = cut {
        octets.truncate(cut % (octets.len() + 1));
    }
    if fix && octets.len() > 4 {
        dmvpn_wire::nhrp::Packet::new(&mut octets[4..]).fill_checksum();
    }
    octets
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_octets_do_no_harm(payload in prop::collection::vec(any::<u8>(), 0..200), nhrp: bool, secret: bool) {
        let mut node = both(secret);
        let payload = if nhrp { [&[0, 0, 0x20, 1], &payload[..]].concat() } else { payload };
        let _ = feed(&mut node, secs(0), "192.0.2.11", &payload);
    }

    #[test]
    fn sequences_of_changed_messages_do_no_harm(
        packets in prop::collection::vec((
            0usize..10,
            prop::collection::vec((4usize..200, any::<u8>()), 0..4),
            prop::option::weighted(0.2, 0usize..200),
            prop::bool::weighted(0.8),
            0u64..400,
        ), 1..20),
        secret: bool,
    ) {
        let mut node = both(secret);
        let mut now = secs(0);
        for (sample, changes, cut, fix, wait) in packets {
            now = now.max(secs(wait));
            node.handle_timeout(now);
            while node.poll_output().is_some() {}
            let _ = feed(&mut node, now, "192.0.2.2", &mutated(sample, &changes, cut, fix));
        }
    }

    #[test]
    fn a_message_with_a_wrong_checksum_changes_nothing(sample in 0usize..10, at in 4usize..160, flip in 1u8..=255) {
        let mut node = both(false);
        let before = node.view();
        let mut octets = mutated(sample, &[], None, true);
        let at = 4 + (at - 4) % (octets.len() - 4);
        octets[at] ^= flip;
        // One changed octet is always seen by the checksum, unless it makes the message end earlier.
        prop_assume!(!(4 + 10..4 + 12).contains(&at));
        let (verdict, outputs) = feed(&mut node, secs(0), "192.0.2.2", &octets);
        prop_assert!(matches!(verdict, Verdict::Dropped(_)), "{:?}", verdict);
        let one_drop = matches!(outputs[..], [Output::Event(Event::PacketDropped { .. })]);
        prop_assert!(one_drop, "{:?}", outputs);
        prop_assert_eq!(node.view(), before);
    }

    #[test]
    fn any_order_of_calls_keeps_the_invariants(
        calls in prop::collection::vec((0u8..9, 0u64..200_000, any::<u8>()), 1..60),
    ) {
        let mut node = both(false);
        for (call, at, n) in calls {
            // Not monotonic on purpose: the node must not mind.
            let now = secs(at);
            let tunnel = TunnelId((n % 2).into());
            let nbma = format!("192.0.2.{n}");
            match call {
                0 => node.handle_timeout(now),
                1 => node.link(now, LinkEvent::Up { tunnel }),
                2 => node.link(now, LinkEvent::Down { tunnel }),
                3 => node.link(now, LinkEvent::NbmaChanged { tunnel, nbma: ip(&nbma) }),
                4 => drop(node.command(now, Command::ClearNhrp { protocol: None })),
                5 if n > 250 => drop(node.command(now, Command::Shutdown)),
                _ => {
                    let dst = node.tunnels()[0].nbma;
                    let payload = in_gre(&request(n.into(), &nbma, &format!("10.0.0.{n}")));
                    let outer = Underlay { src: ip("198.51.100.1"), dst, protocol: 47, ttl: 1 };
                    let _ = node.underlay(now, outer, payload.into(), &mut TxBatch::new());
                }
            }
            node.invariants().unwrap();
            while node.poll_output().is_some() {}
        }
    }
}

#[test]
fn every_neighbour_of_every_message_does_no_harm() {
    for (index, sample) in samples().iter().enumerate() {
        let octets = in_gre(sample);
        for at in 0..octets.len() {
            let mut node = both(index % 2 == 0);
            let _ = feed(&mut node, secs(0), "192.0.2.2", &octets[..at]);
            let _ = feed(&mut node, secs(0), "192.0.2.2", &mutated(index, &[], Some(at), true));
            for value in [octets[at].wrapping_add(1), octets[at].wrapping_sub(1), 0, 0xFF, octets[at] ^ 0x80] {
                let _ = feed(&mut node, secs(0), "192.0.2.2", &mutated(index, &[(at, value)], None, true));
            }
        }
    }
}

#[test]
fn a_flood_meets_limits_and_they_are_counted() {
    let limits = Limits { bindings: 50, outputs: 100, ..Limits::default() };
    let mut node = node(Config { limits, ..with(hub(), |t| t.prefix_len = 8) }, secs(0));
    for n in 0..10_000u32 {
        let [_, b, c, d] = (n + 256).to_be_bytes();
        let octets = in_gre(&request(n, "192.0.2.11", &format!("10.{b}.{c}.{d}")));
        let outer = Underlay { src: ip("192.0.2.11"), dst: ip("192.0.2.1"), protocol: 47, ttl: 255 };
        let _ = node.underlay(secs(0), outer, octets.into(), &mut TxBatch::new());
    }
    node.invariants().unwrap();
    assert_eq!(node.stats().entries_refused_for_resources, 9_950);
    assert!(node.stats().outputs_lost > 0);
    assert_eq!(std::iter::from_fn(|| node.poll_output()).count(), 100);
    assert_eq!(node.view().bindings.len(), 51);
}

/// A Resolution Request of station `n`, from its own NBMA address.
fn asking(n: u32, target: &str) -> (std::net::IpAddr, Vec<u8>) {
    let nbma = std::net::Ipv4Addr::from_bits(0xC612_0000 + n);
    let proto = std::net::Ipv4Addr::from_bits(0x0A00_0100 + n);
    (nbma.into(), in_gre(&resolve(n, &nbma.to_string(), &proto.to_string(), target)))
}

#[test]
fn one_station_that_floods_is_bounded_and_the_others_are_served() {
    let limits = Limits { messages_per_second_per_peer: 100, ..Limits::default() };
    let config = Config { limits, routes: vec![lan("172.20.0.0", 16)], ..hub() };
    let mut node = node(config, secs(0));
    let mut replies = [0, 0];
    for n in 0..20_000u32 {
        // 100,000 a second from one station, and ten from another.
        let now = Instant::from_nanos(u64::from(n) * 10_000);
        let flood = n % 2_000 != 0;
        let (from, octets) = asking(u32::from(!flood), "172.20.1.1");
        let outer = Underlay { src: from, dst: ip("192.0.2.1"), protocol: 47, ttl: 255 };
        let _ = node.underlay(now, outer, octets.into(), &mut TxBatch::new());
        let sent = std::iter::from_fn(|| node.poll_output()).filter(|o| matches!(o, Output::Transmit(_))).count();
        replies[usize::from(!flood)] += sent;
    }
    node.invariants().unwrap();
    assert_eq!(replies, [100, 10]);
    assert_eq!(node.stats().drops(dmvpn_core::DropReason::PeerRate), 20_000 - 110);
}

#[test]
fn requests_of_countless_stations_fill_no_table_beyond_its_limit() {
    let limits = Limits { cached: 50, requesters: 80, errors_per_second: 5, ..Limits::default() };
    let config = Config { limits, routes: vec![lan("172.20.0.0", 16)], ..with(hub(), |t| t.prefix_len = 8) };
    let mut node = node(config, secs(0));
    for n in 0..5_000 {
        let (from, octets) = asking(n, "172.20.1.1");
        let outer = Underlay { src: from, dst: ip("192.0.2.1"), protocol: 47, ttl: 255 };
        let _ = node.underlay(secs(0), outer, octets.into(), &mut TxBatch::new());
        while node.poll_output().is_some() {}
    }
    node.invariants().unwrap();
    assert_eq!(node.view().bindings.len(), 51);
    assert_eq!(node.stats().resolutions_refused_for_resources, 4_950);
}

#[test]
fn redirects_are_spaced_for_a_pair_and_bounded_for_all() {
    let limits = Limits { redirects: 20, ..Limits::default() };
    let mut world = World::new(std::time::Duration::ZERO);
    let routes = vec![via("172.20.1.0", 24, "10.0.0.11"), via("172.20.2.0", 24, "10.0.0.12")];
    world.add("hub", Config { limits, routes, ..with(hub(), |t| t.nhrp.redirect = true) });
    for (nbma, proto) in [("192.0.2.11", "10.0.0.11"), ("192.0.2.12", "10.0.0.12")] {
        world.ask("hub", nbma, &request(1, nbma, proto));
    }
    world.seen.clear();
    let packet = |world: &mut World, n: u8, len: usize| {
        let octets = [&[0, 0, 8, 0], &inner("172.20.1.5", &format!("172.20.2.{n}"), len)[..]].concat();
        let _ = world.inject("hub", ip("192.0.2.11"), octets);
    };
    for n in 0..200u64 {
        world.now = Instant::from_nanos(n * 100_000_000);
        packet(&mut world, 9, 480);
    }
    let at: Vec<u64> = world.seen.iter().map(|s| s.at.as_nanos() / 1_000_000_000).collect();
    assert_eq!(at, [0, 8, 16]);
    assert!(world.seen.iter().all(|s| s.packet.dst == ip("192.0.2.11")));
    let dmvpn_wire::nhrp::Body::TrafficIndication(body) = world.seen[0].message().body else { panic!() };
    assert_eq!((body.packet.len(), body.dst_proto.ip()), (64, Some(ip("172.20.1.5"))));
    assert_eq!((body.src_nbma.ip(), body.src_proto.ip()), (Some(ip("192.0.2.1")), Some(ip("10.0.0.1"))));
    for n in 10..200 {
        packet(&mut world, n, 20);
    }
    assert_eq!(world.seen.len(), 3 + 19);
    assert!(world.node("hub").stats().redirects_suppressed > 300);
}

#[test]
fn ipv6_hosts_behind_ipv6_tunnels_are_resolved() {
    use dmvpn_core::config::{Nhs, Tunnel};
    let tunnel = |nbma: &str, address: &str| Tunnel::new("tun0", ip(nbma), ip(address), 64);
    let mut world = World::new(std::time::Duration::ZERO);
    let mut hub = tunnel("192.0.2.1", "fd00::1");
    hub.nhrp.server = true;
    let routes = vec![via("fd01:2::", 48, "fd00::12")];
    world.add("hub", Config { tunnels: vec![hub], routes, ..Config::default() });
    for (name, n, net) in [("a", 11, "fd01:1::"), ("b", 12, "fd01:2::")] {
        let mut spoke = tunnel(&format!("192.0.2.{n}"), &format!("fd00::{n}"));
        spoke.nhrp.nhs.push(Nhs::new(ip("fd00::1"), ip("192.0.2.1")));
        let routes = vec![lan(net, 48), via("fd01::", 16, "fd00::1")];
        world.add(name, Config { tunnels: vec![spoke], routes, ..Config::default() });
    }
    world.run(secs(1));
    // Somebody behind the first spoke sends, and the hub would have said so.
    let mut packet = vec![0x60, 0, 0, 0, 0, 0, 59, 64];
    for address in ["fd01:1::5", "fd01:2::9"] {
        let std::net::IpAddr::V6(address) = ip(address) else { panic!() };
        packet.extend(address.octets());
    }
    let body = dmvpn_wire::nhrp::Body::TrafficIndication(dmvpn_wire::nhrp::TrafficIndication {
        src_nbma: ip("192.0.2.1").into(),
        src_proto: ip("fd00::1").into(),
        dst_proto: ip("fd01:1::5").into(),
        packet,
        ..Default::default()
    });
    let fixed = world.seen[0].message().fixed;
    world.tell("a", "192.0.2.1", &Message::new(fixed, body));
    world.run(secs(2));
    let shortcuts = world.nodes["a"].view().shortcuts;
    let row = shortcuts.iter().map(|s| (s.prefix, s.prefix_len, s.via, s.nbma)).next();
    assert_eq!(row, Some((ip("fd01:2::"), 48, ip("fd00::12"), ip("192.0.2.12"))));
}
