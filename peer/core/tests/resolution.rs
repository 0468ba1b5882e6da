//! A spoke asks for direct ways (RFC 2332 §2.2, §5.2.1, §5.2.2, §6.2.1; draft-detienne-dmvpn-01 §4.3 to §4.7).

#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::*;
use dmvpn_core::config::{Config, Limits, Profile, Secret};
use dmvpn_core::nhrp::cache::BindingKind;
use dmvpn_core::nhrp::shortcut::Shortcut;
use dmvpn_core::{Command, DropReason, Event, LinkEvent, PacketBuf, TxBatch, Verdict};
use dmvpn_wire::nhrp::{
    Body, Cie, CieCode, Cies, ErrorCode, ErrorIndication, Extension, ExtensionValue, Flags, Message, TrafficCode,
    TrafficIndication,
};

const HUB: &str = "192.0.2.1";
const B: &str = "192.0.2.12";

/// A registered spoke, 10.0.0.11 with 172.20.1.0/24 behind it; the rest of 172.20.0.0/16 is behind the hub.
fn world(config: Config) -> World {
    let mut world = World::new(Duration::ZERO);
    world.add("hub", hub());
    world.add("spoke", Config { routes: vec![lan("172.20.1.0", 24), via("172.20.0.0", 16, "10.0.0.1")], ..config });
    world.run(secs(1));
    assert!(world.nhs("spoke").registered);
    // From here on the test is the hub.
    world.homes.remove(&ip(HUB));
    world.nodes.remove("hub");
    world.seen.clear();
    world
}

fn indication(src: &str, dst: &str, octets: usize) -> Message {
    let mut packet = inner(src, dst, 64);
    packet.truncate(octets);
    let body = Body::TrafficIndication(TrafficIndication {
        code: TrafficCode::REDIRECT,
        src_nbma: ip(HUB).into(),
        src_proto: ip("10.0.0.1").into(),
        dst_proto: ip(src).into(),
        packet,
    });
    Message::new(resolve(1, HUB, "10.0.0.1", "10.0.0.1").fixed, body)
}

/// Makes the spoke ask for an address; returns its request.
fn asked(world: &mut World, target: &str) -> Message {
    let seen = world.ask("spoke", HUB, &indication("172.20.1.5", target, 28));
    assert_eq!(seen.packet.dst, ip(HUB));
    assert_eq!(seen.mandatory().dst_proto.ip(), Some(ip(target)));
    seen.message()
}

fn requests(world: &World) -> usize {
    world.from("192.0.2.11").iter().filter(|s| matches!(s.message().body, Body::ResolutionRequest(_))).count()
}

fn shortcuts(world: &mut World) -> Vec<(String, String, String)> {
    let now = world.now;
    world.act("spoke", |node, _| node.handle_timeout(now));
    let row = |s: &Shortcut| (format!("{}/{}", s.prefix, s.prefix_len), s.via.to_string(), s.nbma.to_string());
    world.nodes["spoke"].view().shortcuts.iter().map(row).collect()
}

fn kind(world: &mut World, protocol: &str) -> Option<BindingKind> {
    world.binding("spoke", ip(protocol)).map(|b| b.kind)
}

/// Where the spoke sends a packet from its network.
fn way(world: &mut World, dst: &str) -> String {
    world.act("spoke", |node, now| {
        let mut batch = TxBatch::new();
        let packet = PacketBuf::with_headroom(node.headroom(TUN), &inner("172.20.1.5", dst, 8));
        assert_eq!(node.overlay(now, TUN, packet, &mut batch), Verdict::Sent(1));
        batch.as_slice()[0].dst.to_string()
    })
}

#[test]
fn the_request_is_what_the_installed_base_sends() {
    let mut world = world(with(spoke(1), |t| t.nhrp.authentication = None));
    let message = asked(&mut world, "172.20.2.9");
    let expected = edit(resolve(2, "192.0.2.11", "10.0.0.11", "172.20.2.9"), |m| {
        m.flags = Flags(0xC802);
        m.cies[0] = Cie { mtu: 1476, holding_time: 7200, ..Cie::default() };
    });
    assert_eq!(message, expected);
    let row = world.binding("spoke", ip("172.20.2.9")).unwrap();
    assert_eq!((row.kind, row.request_id, row.expires), (BindingKind::Incomplete, 2, Some(secs(31))));
}

#[test]
fn by_rfc_2332_authority_is_only_asked_for_after_a_purge() {
    let mut world = world(with(spoke(1), |t| t.nhrp.profile = Profile::Rfc2332));
    let message = asked(&mut world, "172.20.2.9");
    assert_eq!(message.mandatory().unwrap().flags, Flags(0x8802));
}

#[test]
fn an_answer_gives_a_binding_and_a_shortcut_for_its_whole_prefix() {
    let mut world = world(spoke(1));
    assert_eq!(way(&mut world, "172.20.2.9"), HUB);
    let message = asked(&mut world, "172.20.2.9");
    assert_eq!(way(&mut world, "172.20.2.9"), HUB);
    // DMVPN-4.7-03: straight from the other spoke.
    assert!(world.tell("spoke", B, &answer(&message, 0x6000, B, "10.0.0.12", 24, 90)).is_empty());
    assert_eq!(shortcuts(&mut world), [("172.20.2.0/24".into(), "10.0.0.12".into(), B.into())]);
    assert_eq!(kind(&mut world, "10.0.0.12"), Some(BindingKind::Cached));
    assert_eq!(kind(&mut world, "172.20.2.9"), None);
    for (to, nbma) in [("172.20.2.9", B), ("172.20.2.200", B), ("172.20.3.1", HUB), ("10.0.0.12", B)] {
        assert_eq!(way(&mut world, to), nbma, "{to}");
    }
    world.run(secs(91) - NS);
    assert_eq!(way(&mut world, "172.20.3.1"), HUB);
    assert_eq!(shortcuts(&mut world).len(), 1);
    world.run(secs(91));
    assert_eq!(way(&mut world, "172.20.2.9"), HUB);
    assert!(shortcuts(&mut world).is_empty() && kind(&mut world, "10.0.0.12").is_none());
    assert!(world.events_of("spoke").iter().any(|e| matches!(e, Event::AdjacencyGone { .. })));
    assert_eq!(requests(&world), 1);
}

#[test]
fn what_is_used_near_its_end_is_asked_for_again_and_lives_on() {
    let mut world = world(spoke(1));
    let message = asked(&mut world, "172.20.2.9");
    world.tell("spoke", B, &answer(&message, 0x6000, B, "10.0.0.12", 24, 90));
    world.run(secs(60));
    way(&mut world, "172.20.2.77");
    assert_eq!(requests(&world), 1);
    world.run(secs(61));
    way(&mut world, "172.20.2.77");
    way(&mut world, "172.20.2.78");
    assert_eq!(requests(&world), 2);
    let again = world.seen.last().unwrap().message();
    assert_eq!(again.mandatory().unwrap().dst_proto.ip(), Some(ip("172.20.2.9")));
    world.tell("spoke", B, &answer(&again, 0x6000, B, "10.0.0.12", 24, 90));
    world.run(secs(120));
    assert_eq!(way(&mut world, "172.20.2.9"), B);
    assert!(!world.events_of("spoke").iter().any(|e| matches!(e, Event::AdjacencyGone { .. })));
    world.run(secs(151));
    assert!(shortcuts(&mut world).is_empty());
}

#[test]
fn one_target_is_asked_for_once_and_again_with_the_same_id_until_given_up() {
    let mut world = world(spoke(1));
    asked(&mut world, "172.20.2.9");
    for _ in 0..50 {
        assert!(world.tell("spoke", HUB, &indication("172.20.1.5", "172.20.2.9", 28)).is_empty());
    }
    world.run(secs(40));
    let sent: Vec<_> = world.from("192.0.2.11").iter().filter(|s| s.packet.dst == ip(HUB)).cloned().collect();
    let at: Vec<u64> = sent.iter().map(|s| s.at.as_nanos() / 1_000_000_000).collect();
    assert_eq!(at, [1, 2, 4, 8, 16]);
    assert!(sent.iter().all(|s| s.mandatory().request_id == 2));
    // CISCO-SC-03: quiet for a while, then again with a new id.
    assert_eq!(kind(&mut world, "172.20.2.9"), Some(BindingKind::Negative));
    assert!(world.tell("spoke", HUB, &indication("172.20.1.5", "172.20.2.9", 28)).is_empty());
    world.run(secs(61));
    let again = asked(&mut world, "172.20.2.9");
    assert_eq!(again.mandatory().unwrap().request_id, 3);
}

#[test]
fn a_refusal_is_remembered_and_installs_nothing() {
    let mut world = world(spoke(1));
    let message = asked(&mut world, "172.20.2.9");
    // NHRP-5.2.2-09: whatever else stands in it.
    let refused = edit(answer(&message, 0, B, "10.0.0.12", 24, 90), |m| m.cies[0].code = CieCode::NO_BINDING);
    world.tell("spoke", HUB, &refused);
    assert_eq!(kind(&mut world, "172.20.2.9"), Some(BindingKind::Negative));
    assert!(shortcuts(&mut world).is_empty() && kind(&mut world, "10.0.0.12").is_none());
    assert_eq!(way(&mut world, "172.20.2.9"), HUB);
    assert!(world.tell("spoke", HUB, &indication("172.20.1.5", "172.20.2.9", 28)).is_empty());
    world.run(secs(31));
    asked(&mut world, "172.20.2.9");
    // An error does the same, and one about somebody else's request nothing.
    let error = |id: u32| {
        let mut quoted = edit(message.clone(), |m| m.request_id = id).to_vec().unwrap();
        quoted.truncate(60);
        let body = ErrorIndication { code: ErrorCode::LOOP_DETECTED, packet: quoted, ..ErrorIndication::default() };
        Message::new(message.fixed, Body::ErrorIndication(body))
    };
    world.tell("spoke", HUB, &error(99));
    assert_eq!(kind(&mut world, "172.20.2.9"), Some(BindingKind::Incomplete));
    world.tell("spoke", HUB, &error(3));
    assert_eq!(kind(&mut world, "172.20.2.9"), Some(BindingKind::Negative));
}

#[test]
fn a_reply_that_answers_nothing_is_error_10() {
    let mut world = world(spoke(1));
    let message = asked(&mut world, "172.20.2.9");
    let good = answer(&message, 0x6000, B, "10.0.0.12", 24, 90);
    for wrong in [
        edit(good.clone(), |m| m.request_id = 77),
        edit(good.clone(), |m| m.src_nbma = ip("192.0.2.99").into()),
        edit(good.clone(), |m| m.dst_proto = ip("172.20.2.10").into()),
        edit(good.clone(), |m| m.cies.clear()),
    ] {
        let seen = world.ask("spoke", B, &wrong);
        let Body::ErrorIndication(error) = seen.message().body else { panic!() };
        assert_eq!((seen.packet.dst, error.code), (ip(B), ErrorCode::INVALID_RESOLUTION_REPLY));
        assert_eq!(error.dst_proto, wrong.mandatory().unwrap().dst_proto);
    }
    assert!(shortcuts(&mut world).is_empty());
    assert!(world.tell("spoke", B, &good).is_empty());
    assert_eq!(shortcuts(&mut world).len(), 1);
    // The same once more is one too many.
    assert_eq!(world.tell("spoke", B, &good).len(), 1);
    assert_eq!(shortcuts(&mut world).len(), 1);
}

#[test]
fn prefixes_are_taken_as_far_as_they_can_be_true() {
    for (len, found) in [
        (24, Some("172.20.2.0/24")),
        (32, Some("172.20.2.9/32")),
        (0, Some("172.20.2.9/32")),
        (255, Some("172.20.2.9/32")),
        (33, Some("172.20.2.9/32")),
        // Our own network is in there.
        (16, Some("172.20.2.9/32")),
        (8, Some("172.20.2.9/32")),
        (7, None),
        (1, None),
    ] {
        let mut world = world(spoke(1));
        let message = asked(&mut world, "172.20.2.9");
        world.tell("spoke", B, &answer(&message, 0x6000, B, "10.0.0.12", len, 90));
        let rows: Vec<String> = shortcuts(&mut world).into_iter().map(|row| row.0).collect();
        assert_eq!(rows.first().map(String::as_str), found, "{len}");
    }
    // Wide, but nothing of ours in it.
    let mut world = world(spoke(1));
    world.act("spoke", |node, now| node.command(now, Command::AddRoute(via("172.30.0.0", 15, "10.0.0.1"))));
    let message = asked(&mut world, "172.30.2.9");
    world.tell("spoke", B, &answer(&message, 0x6000, B, "10.0.0.12", 15, 90));
    assert_eq!(shortcuts(&mut world)[0].0, "172.30.0.0/15");
}

#[test]
fn answers_that_lead_nowhere_are_not_used() {
    for (nbma, proto, holding_time) in [
        ("192.0.2.11", "10.0.0.12", 90),
        ("224.0.0.1", "10.0.0.12", 90),
        (B, "10.0.0.11", 90),
        (B, "172.20.1.7", 90),
        (B, "10.0.0.12", 0),
    ] {
        let mut world = world(spoke(1));
        let message = asked(&mut world, "172.20.2.9");
        world.tell("spoke", B, &answer(&message, 0x6000, nbma, proto, 24, holding_time));
        assert!(shortcuts(&mut world).is_empty(), "{nbma} {proto} {holding_time}");
        assert_eq!(kind(&mut world, "172.20.2.9"), Some(BindingKind::Negative));
    }
    // The server's own address is not for others to give away.
    let mut world = world(spoke(1));
    let message = asked(&mut world, "172.20.2.9");
    world.tell("spoke", B, &answer(&message, 0x6000, B, "10.0.0.1", 24, 90));
    assert_eq!(way(&mut world, "172.20.2.9"), HUB);
}

#[test]
fn of_several_entries_the_preferred_one_is_used() {
    let mut world = world(spoke(1));
    let message = asked(&mut world, "172.20.2.9");
    let reply = edit(answer(&message, 0x6000, B, "10.0.0.12", 24, 90), |m| {
        let entry = |n: u8, preference, code| Cie {
            code: CieCode(code),
            nbma: std::net::IpAddr::from([192, 0, 2, n]).into(),
            proto: std::net::IpAddr::from([10, 0, 0, n]).into(),
            preference,
            ..m.cies[0]
        };
        m.cies = [entry(12, 10, 0), entry(13, 200, 0), entry(14, 200, 0), entry(15, 255, 12)].into_iter().collect();
    });
    world.tell("spoke", B, &reply);
    assert_eq!(way(&mut world, "172.20.2.9"), "192.0.2.13");
}

#[test]
fn a_station_behind_nat_is_sent_to_where_it_is_seen() {
    let mut world = world(spoke(1));
    let message = asked(&mut world, "172.20.2.9");
    let mut reply = answer(&message, 0x6000, "192.168.77.2", "10.0.0.12", 24, 90);
    let seen = Cie { nbma: ip("198.51.100.9").into(), proto: ip("10.0.0.12").into(), ..Cie::default() };
    *reply.extensions.last_mut().unwrap() = Extension::new(ExtensionValue::CiscoNat(Cies::from_elem(seen, 1)));
    world.tell("spoke", B, &reply);
    assert_eq!(way(&mut world, "172.20.2.9"), "198.51.100.9");
    let binding = world.binding("spoke", ip("10.0.0.12")).unwrap();
    assert_eq!((binding.nbma, binding.claimed_nbma), (ip("198.51.100.9"), ip("192.168.77.2")));
}

#[test]
fn indications_are_believed_only_where_they_can_be_true() {
    let mut world = world(spoke(1));
    let mut other_code = indication("172.20.1.5", "172.20.2.9", 28);
    if let Body::TrafficIndication(body) = &mut other_code.body {
        body.code = TrafficCode(1);
    }
    for (from, message) in [
        // A stranger; another code; too little of the packet; from behind another spoke; to our own network and address.
        (B, indication("172.20.1.5", "172.20.2.9", 28)),
        (HUB, other_code),
        (HUB, indication("172.20.1.5", "172.20.2.9", 19)),
        (HUB, indication("172.20.1.5", "172.20.2.9", 0)),
        (HUB, indication("172.20.3.5", "172.20.2.9", 28)),
        (HUB, indication("10.0.0.12", "172.20.2.9", 28)),
        (HUB, indication("172.20.1.5", "172.20.1.6", 28)),
        (HUB, indication("172.20.1.5", "10.0.0.11", 28)),
    ] {
        assert!(world.tell("spoke", from, &message).is_empty());
    }
    assert_eq!(world.node("spoke").stats().drops(DropReason::RedirectIgnored), 8);
    // The control.
    for (source, target) in [("172.20.1.5", "172.20.2.9"), ("10.0.0.11", "10.0.0.12"), ("203.0.113.1", "172.20.2.8")] {
        assert_eq!(world.tell("spoke", HUB, &indication(source, target, 20)).len(), 1, "{source} {target}");
    }
    let mut off = self::world(with(spoke(1), |t| t.nhrp.shortcut = false));
    assert!(off.tell("spoke", HUB, &indication("172.20.1.5", "172.20.2.9", 28)).is_empty());
}

#[test]
fn an_indication_without_the_secret_is_error_11() {
    let secret = || Some(Secret::new("secret"));
    let mut world = World::new(Duration::ZERO);
    world.add("hub", with(hub(), |t| t.nhrp.authentication = secret()));
    world.add("spoke", with(spoke(1), |t| t.nhrp.authentication = secret()));
    world.run(secs(1));
    world.nodes.remove("hub");
    let mut message = indication("10.0.0.11", "10.0.0.12", 28);
    let seen = world.ask("spoke", HUB, &message);
    let Body::ErrorIndication(error) = seen.message().body else { panic!() };
    assert_eq!(error.code, ErrorCode::AUTHENTICATION_FAILURE);
    message.extensions.push(Extension::cisco_authentication(b"secret"));
    assert_eq!(world.tell("spoke", HUB, &message).len(), 1);
}

#[test]
fn many_targets_meet_the_limits_and_that_is_counted() {
    let limits = Limits { resolutions: 30, resolutions_per_second: 20, ..Limits::default() };
    let mut world = world(Config { limits, ..spoke(1) });
    for n in 0..100u8 {
        world.tell("spoke", HUB, &indication("172.20.1.5", &format!("172.20.2.{n}"), 28));
    }
    assert_eq!((requests(&world), world.node("spoke").stats().resolutions_suppressed), (20, 80));
    world.run(secs(3));
    for n in 100..200u8 {
        world.tell("spoke", HUB, &indication("172.20.1.5", &format!("172.20.2.{n}"), 28));
    }
    let open = world.node("spoke").view().bindings.iter().filter(|b| b.kind == BindingKind::Incomplete).count();
    assert_eq!(open, 30);
}

#[test]
fn an_operator_forgets_what_was_found_out() {
    let mut world = world(spoke(1));
    let message = asked(&mut world, "172.20.2.9");
    world.tell("spoke", B, &answer(&message, 0x6000, B, "10.0.0.12", 24, 90));
    world.act("spoke", |node, now| node.command(now, Command::ClearNhrp { protocol: None }));
    assert!(shortcuts(&mut world).is_empty() && kind(&mut world, "10.0.0.12").is_none());
    assert_eq!(way(&mut world, "172.20.2.9"), HUB);
}

#[test]
fn what_leads_to_a_peer_that_is_lost_goes_at_once_and_is_asked_for_with_authority() {
    let profile = |t: &mut dmvpn_core::config::Tunnel| t.nhrp.profile = Profile::Rfc2332;
    let mut world = world(with(spoke(1), profile));
    let before = asked(&mut world, "172.20.2.9");
    assert!(!before.mandatory().unwrap().flags.contains(Flags::RESOLUTION_AUTHORITATIVE));
    world.tell("spoke", B, &answer(&before, 0x6000, B, "10.0.0.12", 24, 600));
    let other = asked(&mut world, "172.20.3.9");
    world.tell("spoke", "192.0.2.13", &answer(&other, 0x6000, "192.0.2.13", "10.0.0.13", 24, 600));
    assert_eq!(way(&mut world, "172.20.2.9"), B);
    let lost = |world: &mut World, nbma: &str| {
        world.link("spoke", LinkEvent::AdjacencyLost { tunnel: TUN, nbma: ip(nbma) });
    };
    // Nobody, and the server: nothing was found out about either.
    lost(&mut world, "192.0.2.99");
    lost(&mut world, HUB);
    assert_eq!((way(&mut world, "172.20.2.9"), shortcuts(&mut world).len()), (B.into(), 2));
    // NHRP-6.2.2-01.
    lost(&mut world, B);
    assert_eq!((way(&mut world, "172.20.2.9"), kind(&mut world, "10.0.0.12")), (HUB.into(), None));
    assert_eq!((way(&mut world, "172.20.3.9"), shortcuts(&mut world).len()), ("192.0.2.13".into(), 1));
    let gone = Event::AdjacencyGone { tunnel: TUN, nbma: ip(B) };
    assert_eq!(world.events_of("spoke").iter().filter(|event| **event == gone).count(), 1);
    let again = asked(&mut world, "172.20.2.9");
    assert!(again.mandatory().unwrap().flags.contains(Flags::RESOLUTION_AUTHORITATIVE));
}
