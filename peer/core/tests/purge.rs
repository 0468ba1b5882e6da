//! What was told is taken back (RFC 2332 §5.2.5, §5.2.6; CISCO-REQID-01, CISCO-REQID-02, CISCO-REG-03).

#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::*;
use dmvpn_core::config::{Config, Limits, Profile};
use dmvpn_core::{Command, DropReason, LinkEvent};
use dmvpn_wire::nhrp::{
    Body, Cie, Cies, Extension, ExtensionType, ExtensionValue, Flags, Mandatory, Message, MessageType,
};

const A: &str = "192.0.2.11";
const B: &str = "192.0.2.12";
const HUB: &str = "192.0.2.1";

fn purge(id: u32, nbma: &str, proto: &str, to: &str, cies: &[Cie]) -> Message {
    let body = Body::PurgeRequest(Mandatory {
        flags: Flags::NONE,
        request_id: id,
        src_nbma: ip(nbma).into(),
        src_proto: ip(proto).into(),
        dst_proto: ip(to).into(),
        cies: Cies::from_slice(cies),
    });
    Message { body, ..resolve(id, nbma, proto, to) }
}

fn entry(proto: &str, prefix_len: u8) -> Cie {
    Cie { proto: ip(proto).into(), prefix_len, ..Cie::default() }
}

/// A hub with two registered clients.
fn served(config: Config) -> World {
    let mut world = World::new(Duration::ZERO);
    world.add("hub", config);
    for (nbma, proto) in [(A, "10.0.0.11"), (B, "10.0.0.12")] {
        world.ask("hub", nbma, &edit(request(1, nbma, proto), |m| m.flags = Flags::CISCO_NAT));
    }
    world.seen.clear();
    world
}

fn purges(world: &World, from: &str) -> Vec<Seen> {
    let of = |seen: &Seen| seen.message().message_type() == MessageType::PURGE_REQUEST;
    world.from(from).into_iter().filter(of).collect()
}

fn rfc2332() -> Config {
    with(hub(), |t| t.nhrp.profile = Profile::Rfc2332)
}

#[test]
fn a_client_takes_its_registration_back_and_gets_its_request_as_reply() {
    let mut world = served(hub());
    let mut message = purge(9, A, "10.0.0.11", "10.0.0.1", &[entry("10.0.0.11", 32), entry("10.0.0.99", 32)]);
    message.extensions.push(Extension::new(ExtensionValue::VendorPrivate { oui: [0, 0, 12], data: vec![1] }));
    let seen = world.ask("hub", A, &message);
    let reply = seen.message();
    assert_eq!(reply.message_type(), MessageType::PURGE_REPLY);
    assert_eq!(reply.mandatory(), message.mandatory());
    let responder = reply.extension(ExtensionType::RESPONDER_ADDRESS).unwrap().cies().unwrap()[0];
    assert_eq!((responder.proto.ip(), seen.packet.dst), (Some(ip("10.0.0.1")), ip(A)));
    assert_eq!(reply.extensions.len(), message.extensions.len());
    assert!(world.binding("hub", ip("10.0.0.11")).is_none());
    assert!(world.binding("hub", ip("10.0.0.12")).is_some());
    // NHRP-5.2.5-03: nothing is left to purge, and that is fine; a client may not know our address.
    assert_eq!(world.tell("hub", A, &purge(10, A, "10.0.0.11", "10.0.0.11", &[entry("10.0.0.11", 32)])).len(), 1);
}

#[test]
fn with_n_there_is_no_reply() {
    let mut world = served(hub());
    let quiet = edit(purge(9, A, "10.0.0.11", "10.0.0.1", &[entry("10.0.0.11", 0)]), |m| {
        m.flags = Flags::PURGE_NO_REPLY;
    });
    assert!(world.tell("hub", A, &quiet).is_empty());
    assert!(world.binding("hub", ip("10.0.0.11")).is_none());
}

#[test]
fn what_was_registered_goes_only_for_the_station_that_did() {
    let mut world = served(hub());
    let cie = entry("10.0.0.11", 32);
    for message in [
        purge(1, B, "10.0.0.12", "10.0.0.1", &[cie]),
        // NHRP-5.2.5-07: nobody is named.
        purge(2, A, "10.0.0.11", "10.0.0.1", &[Cie::default()]),
        // NHRP-5.2.5-08: another NBMA address.
        purge(3, A, "10.0.0.11", "10.0.0.1", &[Cie { nbma: ip(B).into(), ..cie }]),
        purge(4, B, "10.0.0.12", "10.0.0.1", &[entry("10.0.0.0", 25)]),
    ] {
        let from = message.mandatory().unwrap().src_nbma.to_string();
        world.ask("hub", &from, &message);
        assert!(world.binding("hub", ip("10.0.0.11")).is_some());
    }
    assert!(world.binding("hub", ip("10.0.0.12")).is_none());
    // CISCO-REG-03: from a new address, by the old one.
    let moved = purge(5, "192.0.2.77", "10.0.0.11", "10.0.0.1", &[Cie { nbma: ip(A).into(), ..cie }]);
    world.ask("hub", "192.0.2.77", &moved);
    assert!(world.binding("hub", ip("10.0.0.11")).is_none());
}

#[test]
fn a_prefix_takes_exactly_what_is_in_it() {
    let mut world = served(hub());
    let hosts = ["10.0.0.32", "10.0.0.47", "10.0.0.48"];
    let cies: Cies = hosts.iter().map(|host| Cie { holding_time: 60, ..entry(host, 32) }).collect();
    world.ask("hub", A, &edit(request(2, A, "10.0.0.11"), |m| (m.flags, m.cies) = (Flags::NONE, cies)));
    world.ask("hub", A, &purge(3, A, "10.0.0.11", "10.0.0.1", &[entry("10.0.0.33", 28)]));
    assert_eq!(hosts.map(|host| world.binding("hub", ip(host)).is_some()), [false, false, true]);
}

/// A spoke with a shortcut to 172.20.2.0/24 behind 10.0.0.12, which it has just found.
fn with_shortcut() -> World {
    let mut world = World::new(Duration::ZERO);
    world.add(
        "hub",
        Config { routes: vec![via("172.20.2.0", 24, "10.0.0.12")], ..with(hub(), |t| t.nhrp.redirect = true) },
    );
    world.add("a", Config { routes: vec![lan("172.20.1.0", 24), via("172.20.0.0", 16, "10.0.0.1")], ..spoke(1) });
    world.add("b", Config { routes: vec![lan("172.20.2.0", 24), via("172.20.0.0", 16, "10.0.0.1")], ..spoke(2) });
    world.run(secs(1));
    traffic(&mut world);
    world.run(secs(2));
    assert_eq!(world.nodes["a"].view().shortcuts.len(), 1);
    world.seen.clear();
    world
}

/// A packet from the network behind the first spoke to the one behind the second; says where it goes.
fn traffic(world: &mut World) -> String {
    let packets = world.act("a", |node, now| {
        let mut batch = dmvpn_core::TxBatch::new();
        let packet = inner("172.20.1.5", "172.20.2.9", 100);
        assert_eq!(node.overlay(now, TUN, packet.into(), &mut batch), dmvpn_core::Verdict::Sent(1));
        batch.drain().collect::<Vec<_>>()
    });
    let to = packets[0].dst;
    let name = world.homes[&to];
    world.act(name, |node, now| {
        let outer = dmvpn_core::Underlay { src: packets[0].src, dst: to, protocol: 47, ttl: 255 };
        let _ = node.underlay(now, outer, packets[0].payload.clone().into(), &mut dmvpn_core::TxBatch::new());
    });
    to.to_string()
}

#[test]
fn a_purge_ends_a_shortcut_at_once_and_the_next_request_wants_authority() {
    for by in ["172.20.2.0", "172.20.2.9"] {
        let mut world = with_shortcut();
        assert_eq!(traffic(&mut world), B);
        let len = if by == "172.20.2.0" { 24 } else { 32 };
        let seen = world.ask("a", B, &purge(77, B, "10.0.0.12", "10.0.0.11", &[entry(by, len)]));
        assert_eq!(seen.message().message_type(), MessageType::PURGE_REPLY);
        assert!(world.nodes["a"].view().shortcuts.is_empty());
        world.run(secs(11));
        assert_eq!(traffic(&mut world), HUB);
        world.run(secs(12));
        let asked = world.from(A).into_iter().find(|s| s.message().message_type() == MessageType::RESOLUTION_REQUEST);
        assert!(asked.unwrap().mandatory().flags.contains(Flags::RESOLUTION_AUTHORITATIVE));
        assert_eq!(traffic(&mut world), B);
    }
}

#[test]
fn a_withdrawn_network_is_purged_where_it_was_told_of() {
    let mut world = with_shortcut();
    let withdraw = Command::DeleteRoute { prefix: ip("172.20.2.0"), prefix_len: 24 };
    world.act("b", |node, now| node.command(now, withdraw));
    world.run(secs(3));
    let sent = purges(&world, B);
    assert_eq!((sent.len(), sent[0].packet.dst), (1, ip(A)));
    let sent = sent[0].mandatory();
    assert_eq!(
        (sent.flags, sent.src_proto.ip(), sent.dst_proto.ip()),
        (Flags::NONE, Some(ip("10.0.0.12")), Some(ip("10.0.0.11")))
    );
    assert_eq!(sent.cies[..], [entry("172.20.2.0", 24)]);
    assert!(world.nodes["a"].view().shortcuts.is_empty());
    // Acknowledged: it is not said again.
    world.run(secs(60));
    assert_eq!(purges(&world, B).len(), 1);
}

#[test]
fn a_purge_is_repeated_with_its_id_until_the_information_is_over() {
    let mut world = served(rfc2332());
    // B asks for A, whose registration has 300 s to go.
    let reply = world.ask("hub", B, &resolve(5, B, "10.0.0.12", "10.0.0.11"));
    assert_eq!(reply.mandatory().cies[0].nbma.ip(), Some(ip(A)));
    world.ask("hub", A, &purge(9, A, "10.0.0.11", "10.0.0.1", &[entry("10.0.0.11", 32)]));
    world.run(secs(1000));
    let sent = purges(&world, HUB);
    assert!(sent.iter().all(|s| s.packet.dst == ip(B) && s.mandatory().request_id == sent[0].mandatory().request_id));
    let at: Vec<u64> = sent.iter().map(|s| s.at.as_nanos() / 1_000_000_000).collect();
    assert_eq!(at, [0, 1, 3, 7, 15, 31, 63, 127, 191, 255]);
    assert_eq!(sent[0].mandatory().cies[..], [entry("10.0.0.11", 32)]);
    // An acknowledgment ends it, also one that comes for another request not.
    let mut world = served(rfc2332());
    world.ask("hub", B, &resolve(5, B, "10.0.0.12", "10.0.0.11"));
    world.ask("hub", A, &purge(9, A, "10.0.0.11", "10.0.0.1", &[entry("10.0.0.11", 32)]));
    world.run(secs(2));
    let sent = purges(&world, HUB)[0].message();
    let reply = |id| Message {
        body: Body::PurgeReply(edit(sent.clone(), |m| m.request_id = id).mandatory().unwrap().clone()),
        ..sent.clone()
    };
    assert!(world.tell("hub", B, &reply(4711)).is_empty());
    assert_eq!(world.node("hub").stats().drops(DropReason::UnsolicitedReply), 1);
    assert!(world.tell("hub", B, &reply(sent.mandatory().unwrap().request_id)).is_empty());
    world.run(secs(300));
    assert_eq!(purges(&world, HUB).len(), 2);
}

#[test]
fn a_binding_that_moves_or_is_cleared_is_purged_where_it_was_told_of() {
    for moves in [true, false] {
        let mut world = served(rfc2332());
        world.ask("hub", B, &resolve(5, B, "10.0.0.12", "10.0.0.11"));
        if moves {
            world.ask("hub", "192.0.2.77", &edit(request(2, "192.0.2.77", "10.0.0.11"), |m| m.flags = Flags::NONE));
        } else {
            world.act("hub", |node, now| node.command(now, Command::ClearNhrp { protocol: Some(ip("10.0.0.11")) }));
        }
        world.run(secs(0));
        assert_eq!(purges(&world, HUB).len(), 1, "{moves}");
        // A refresh is no change.
        world.ask("hub", B, &edit(request(3, B, "10.0.0.12"), |m| m.flags = Flags::NONE));
        world.run(secs(0));
        assert_eq!(purges(&world, HUB).len(), 1);
    }
}

#[test]
fn a_hub_that_passed_a_request_on_says_so_too_when_the_station_leaves() {
    let mut world = with_shortcut();
    world.act("b", |node, now| node.command(now, Command::Shutdown));
    world.run(secs(3));
    let to_a: Vec<_> = purges(&world, HUB).into_iter().filter(|s| s.packet.dst == ip(A)).collect();
    assert_eq!((to_a.len(), &to_a[0].mandatory().cies[..]), (1, &[entry("10.0.0.12", 32)][..]));
    assert!(world.nodes["a"].view().shortcuts.is_empty());
    assert!(world.binding("a", ip("10.0.0.12")).is_none());
}

#[test]
fn a_node_that_stops_takes_its_registration_and_its_answers_back() {
    for (profile, known, id) in [(Profile::Dmvpn, true, 1), (Profile::Dmvpn, false, 1), (Profile::Rfc2332, true, 2)] {
        let mut world = World::new(Duration::ZERO);
        world.add("hub", hub());
        world.add(
            "spoke",
            with(spoke(1), |t| {
                t.nhrp.profile = profile;
                if !known {
                    t.nhrp.nhs[0].protocol = None;
                }
            }),
        );
        world.run(secs(1));
        world.act("spoke", |node, now| node.command(now, Command::Shutdown));
        let sent = purges(&world, A);
        assert_eq!((sent.len(), sent[0].packet.dst), (1, ip(HUB)));
        let sent = sent[0].mandatory();
        assert_eq!(
            (sent.flags, sent.request_id, sent.dst_proto.ip()),
            (Flags::PURGE_NO_REPLY, id, Some(ip("10.0.0.1")))
        );
        assert_eq!(sent.cies[..], [Cie { nbma: ip(A).into(), ..entry("10.0.0.11", 32) }]);
        world.run(secs(2));
        assert!(world.binding("hub", ip("10.0.0.11")).is_none());
        assert_eq!(world.deadline("spoke"), None);
    }
}

#[test]
fn a_unique_client_that_moves_clears_its_way_first() {
    let mut world = World::new(Duration::ZERO);
    world.add("hub", hub());
    world.add("spoke", spoke(1));
    world.run(secs(1));
    world.link("spoke", LinkEvent::NbmaChanged { tunnel: TUN, nbma: ip("192.0.2.77") });
    world.run(secs(2));
    let sent = purges(&world, "192.0.2.77");
    assert_eq!(sent[0].mandatory().cies[..], [Cie { nbma: ip(A).into(), ..entry("10.0.0.11", 32) }]);
    assert_eq!(world.binding("hub", ip("10.0.0.11")).unwrap().nbma, ip("192.0.2.77"));
    assert!(world.nhs("spoke").registered);
}

#[test]
fn a_route_that_changes_ends_the_shortcuts_that_it_led() {
    let mut world = with_shortcut();
    let other = via("172.20.2.0", 24, "10.0.0.99");
    world.act("a", |node, now| node.command(now, Command::AddRoute(other)));
    assert!(world.nodes["a"].view().shortcuts.is_empty());
    let mut world = with_shortcut();
    world.act("a", |node, now| node.command(now, Command::AddRoute(via("172.20.3.0", 24, "10.0.0.99"))));
    assert_eq!(world.nodes["a"].view().shortcuts.len(), 1);
    world.act("a", |node, now| node.command(now, Command::DeleteRoute { prefix: ip("172.20.0.0"), prefix_len: 16 }));
    assert!(world.nodes["a"].view().shortcuts.is_empty());
}

#[test]
fn what_many_were_told_is_taken_back_at_a_pace() {
    const MANY: u32 = 300;
    let limits = Limits { purges_per_second: 100, ..Limits::default() };
    let mut world = World::new(Duration::ZERO);
    world.add("hub", Config { routes: vec![lan("172.20.2.0", 24)], limits, ..with(hub(), |t| t.prefix_len = 16) });
    for n in 0..MANY {
        let [_, _, high, low] = n.to_be_bytes();
        let (nbma, proto) = (format!("198.51.{high}.{low}"), format!("10.0.{}.{low}", high + 1));
        world.ask("hub", &nbma, &resolve(n, &nbma, &proto, "172.20.2.9"));
    }
    world.run(secs(1));
    world.seen.clear();
    let gone = Command::DeleteRoute { prefix: ip("172.20.2.0"), prefix_len: 24 };
    world.act("hub", |node, now| node.command(now, gone));
    // Nobody acknowledges: what is sent again is counted, too.
    world.run(secs(5));
    let sent = purges(&world, HUB);
    let by = |at: Duration| sent.iter().filter(|seen| seen.at <= secs(1) + at).count();
    for tenths in 0..40u64 {
        let most = 10 + 10 * tenths as usize + 1;
        assert!((most - 2..=most).contains(&by(Duration::from_millis(100 * tenths))), "{tenths}");
    }
    let told: std::collections::BTreeSet<_> = sent.iter().map(|seen| seen.packet.dst).collect();
    assert_eq!(told.len(), MANY as usize);
}
