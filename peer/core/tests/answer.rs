//! Answers to Resolution Requests, by the way out and by the serving server (RFC 2332 §5.2.1, §5.2.2, §6.2.1, §6.3).

#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::*;
use dmvpn_core::config::{Config, Limits, Profile, Route, RouteVia};
use dmvpn_core::nhrp::cache::BindingKind;
use dmvpn_wire::nhrp::{Body, Cie, CieCode, Cies, ErrorCode, Extension, ExtensionType, ExtensionValue, Flags, Message};

const A: &str = "192.0.2.11";
const B: &str = "192.0.2.12";

fn routes() -> Vec<Route> {
    let beyond = Route { prefix: ip("198.18.0.0"), prefix_len: 16, via: RouteVia::Beyond };
    vec![lan("172.20.0.0", 16), via("172.20.8.0", 24, "10.0.0.12"), beyond]
}

fn world(config: Config) -> World {
    let mut world = World::new(Duration::ZERO);
    world.add("node", config);
    world
}

/// A node that is the way out to 172.20.0.0/16 but for 172.20.8.0/24, and to 198.18.0.0/16 behind another router.
fn egress(profile: Profile) -> World {
    world(Config { routes: routes(), ..with(hub(), |t| t.nhrp.profile = profile) })
}

/// A serving NHS by RFC 2332.
fn server() -> World {
    world(with(hub(), |t| t.nhrp.profile = Profile::Rfc2332))
}

fn flags(message: Message, flags: u16) -> Message {
    edit(message, |m| m.flags = Flags(flags))
}

fn about(target: &str) -> Message {
    resolve(7, A, "10.0.0.11", target)
}

fn codes(world: &mut World, message: &Message) -> Vec<u8> {
    world.ask("node", A, message).mandatory().cies.iter().map(|cie| cie.code.0).collect()
}

fn plain(nbma: &str, proto: &str) -> Message {
    flags(request(1, nbma, proto), 0)
}

#[test]
fn the_way_out_answers_with_itself_and_the_whole_prefix() {
    let mut world = egress(Profile::Dmvpn);
    let mut message = about("172.20.1.1");
    message.extensions.push(Extension::new(ExtensionValue::VendorPrivate { oui: [0, 0, 12], data: vec![5; 5] }));
    let seen = world.ask("node", A, &message);
    let own = Cie {
        mtu: 1476,
        holding_time: 7200,
        nbma: ip("192.0.2.1").into(),
        proto: ip("10.0.0.1").into(),
        ..Cie::default()
    };
    let mut expected = message.clone();
    let mut reply = message.mandatory().unwrap().clone();
    reply.flags = Flags(0x8802 | 0x4000 | 0x2000);
    // NHRP-6.3-01: 172.20.8.0/24 is elsewhere.
    reply.cies = Cies::from_elem(Cie { prefix_len: 21, ..own }, 1);
    expected.body = Body::ResolutionReply(reply);
    expected.extensions[0].value = ExtensionValue::ResponderAddress(Cies::from_elem(own, 1));
    assert_eq!(seen.message(), expected);
    assert_eq!(seen.packet.dst, ip(A));
}

#[test]
fn no_wider_than_asked_for_and_the_host_by_rfc_2332() {
    for (profile, asked, unique, found) in [
        (Profile::Dmvpn, Some(0), false, 21),
        (Profile::Dmvpn, None, false, 21),
        (Profile::Dmvpn, Some(24), false, 24),
        (Profile::Dmvpn, Some(16), false, 21),
        (Profile::Dmvpn, Some(32), false, 32),
        (Profile::Dmvpn, Some(255), false, 21),
        (Profile::Dmvpn, Some(254), false, 32),
        (Profile::Dmvpn, Some(24), true, 32),
        (Profile::Rfc2332, Some(0), false, 32),
        (Profile::Rfc2332, Some(255), false, 32),
        (Profile::Rfc2332, Some(28), false, 28),
    ] {
        let message = edit(about("172.20.1.1"), |m| match asked {
            Some(len) => m.cies[0].prefix_len = len,
            None => m.cies.clear(),
        });
        let message = if unique { flags(message, 0x9802) } else { message };
        let reply = egress(profile).ask("node", A, &message).mandatory();
        assert_eq!(reply.cies[0].prefix_len, found, "{profile:?} {asked:?} {unique}");
        assert_eq!(reply.flags.contains(Flags::RESOLUTION_UNIQUE), unique);
    }
}

#[test]
fn stable_is_what_this_node_is_or_has() {
    let mut world = egress(Profile::Dmvpn);
    for (target, stable, len) in [("10.0.0.1", true, 32), ("172.20.1.1", true, 21), ("198.18.5.5", false, 32)] {
        let reply = world.ask("node", A, &about(target)).mandatory();
        assert_eq!(reply.flags.contains(Flags::RESOLUTION_DESTINATION_STABLE), stable, "{target}");
        assert_eq!(reply.cies[0].prefix_len, len, "{target}");
    }
}

#[test]
fn q_and_s_come_back_as_they_were() {
    let mut world = egress(Profile::Dmvpn);
    for asked in [0x0000, 0x8000, 0x0800, 0x8800, 0x2001] {
        let reply = world.ask("node", A, &flags(about("172.20.1.1"), asked)).mandatory();
        assert_eq!(reply.flags.0 & 0x8801, asked & 0x8800, "{asked:04x}");
    }
}

#[test]
fn the_requester_is_kept_only_if_it_says_that_it_is_stable() {
    let mut world = egress(Profile::Dmvpn);
    world.ask("node", A, &flags(about("172.20.1.1"), 0x8002));
    assert!(world.binding("node", ip("10.0.0.11")).is_none());
    world.ask("node", A, &edit(about("172.20.1.1"), |m| m.cies[0].holding_time = 0));
    assert!(world.binding("node", ip("10.0.0.11")).is_none());
    // DMVPN-4.6-03, and the bogus address in the entry is ignored (NHRP-5.2.1-14).
    let message = edit(about("172.20.1.1"), |m| {
        m.cies[0] = Cie { holding_time: 30, nbma: ip("203.0.113.9").into(), code: CieCode(14), ..Cie::default() };
    });
    world.ask("node", A, &message);
    let binding = world.binding("node", ip("10.0.0.11")).unwrap();
    assert_eq!((binding.kind, binding.nbma, binding.expires), (BindingKind::Cached, ip(A), Some(secs(30))));
    world.run(secs(30));
    assert!(world.binding("node", ip("10.0.0.11")).is_none());
}

#[test]
fn a_requester_behind_nat_is_answered_where_it_is_seen() {
    let mut world = egress(Profile::Dmvpn);
    // Through a hub at B, which recorded itself and filled in the public address.
    let mut message = resolve(7, "192.168.77.2", "10.0.0.13", "172.20.1.1");
    let cie = |nbma: &str, proto: &str| {
        Cies::from_elem(Cie { nbma: ip(nbma).into(), proto: ip(proto).into(), ..Cie::default() }, 1)
    };
    message.extensions[1].value = ExtensionValue::ForwardTransit(cie(B, "10.0.0.12"));
    message.extensions[3].value = ExtensionValue::CiscoNat(cie("198.51.100.9", "10.0.0.13"));
    let seen = world.ask("node", B, &message);
    assert_eq!(seen.packet.dst, ip("198.51.100.9"));
    // CISCO-NAT-09: we are not behind one.
    assert_eq!(seen.message().extension(ExtensionType::CISCO_NAT).unwrap().cies().unwrap().len(), 0);
    // Without S nothing is learned, and the reply goes back the way that the request came.
    let mut other = egress(Profile::Dmvpn);
    assert_eq!(other.ask("node", B, &flags(message, 0x8002)).packet.dst, ip(B));
}

#[test]
fn a_refusal_by_policy_is_code_4_and_by_resources_code_5() {
    let mut world = world(Config { routes: routes(), ..with(hub(), |t| t.nhrp.answers = false) });
    assert_eq!(codes(&mut world, &about("172.20.1.1")), [4]);
    let limits = Limits { requesters: 1, ..Limits::default() };
    let mut full = self::world(Config { routes: routes(), limits, ..hub() });
    assert_eq!(codes(&mut full, &about("172.20.1.1")), [0]);
    let other = resolve(8, B, "10.0.0.12", "172.20.1.1");
    assert_eq!(full.ask("node", B, &other).mandatory().cies[0].code, CieCode::INSUFFICIENT_RESOURCES);
    assert_eq!(full.node("node").stats().resolutions_refused_for_resources, 1);
}

#[test]
fn an_unknown_compulsory_extension_is_error_1() {
    let mut world = egress(Profile::Dmvpn);
    let mut message = about("172.20.1.1");
    let mut unknown = Extension::new(ExtensionValue::Unknown { code: ExtensionType(0x3801), data: vec![1] });
    message.extensions.push(unknown.clone());
    assert_eq!(world.ask("node", A, &message).message().extensions.last(), Some(&unknown));
    unknown.compulsory = true;
    *message.extensions.last_mut().unwrap() = unknown;
    let Body::ErrorIndication(error) = world.ask("node", A, &message).message().body else { panic!() };
    assert_eq!((error.code, error.offset), (ErrorCode::UNRECOGNIZED_EXTENSION, 52 + 16));
}

#[test]
fn by_rfc_2332_the_serving_server_answers_with_what_was_registered_and_is_left_of_it() {
    let mut world = server();
    let registration = edit(request(1, B, "10.0.0.12"), |m| (m.cies[0].preference, m.cies[0].mtu) = (7, 1400));
    world.ask("node", B, &registration);
    world.run(secs(60));
    let reply = world.ask("node", A, &flags(about("10.0.0.12"), 0xC802)).mandatory();
    assert_eq!(reply.flags, Flags(0xC802 | 0x2000));
    let expected = Cie {
        prefix_len: 32,
        mtu: 1400,
        holding_time: 240,
        preference: 7,
        nbma: ip(B).into(),
        proto: ip("10.0.0.12").into(),
        ..Cie::default()
    };
    assert_eq!(reply.cies[..], [expected]);
}

#[test]
fn only_unique_bindings_are_for_who_wants_those() {
    let mut world = server();
    world.ask("node", B, &request(1, B, "10.0.0.12"));
    world.ask("node", B, &plain(B, "10.0.0.13"));
    let unique = |target| flags(about(target), 0x9802);
    let reply = world.ask("node", A, &unique("10.0.0.12")).mandatory();
    assert!(reply.flags.contains(Flags::RESOLUTION_UNIQUE) && reply.cies.len() == 1);
    let reply = world.ask("node", A, &unique("10.0.0.13")).mandatory();
    assert_eq!(reply.cies[..], [Cie { code: CieCode::NOT_UNIQUE, ..Cie::default() }]);
    assert_eq!(codes(&mut world, &unique("10.0.0.14")), [12]);
    assert_eq!(codes(&mut world, &about("10.0.0.13")), [0]);
}

#[test]
fn several_entries_of_one_address_are_answered_preferred_first() {
    let mut world = server();
    let entry = |nbma: &str, preference| Cie { nbma: ip(nbma).into(), preference, holding_time: 300, ..Cie::default() };
    let registration = edit(plain(B, "10.0.0.12"), |m| {
        m.cies = [entry("192.0.2.21", 5), entry("192.0.2.22", 200)].into_iter().collect();
    });
    world.ask("node", B, &registration);
    // A third, from a request that passed, has no authority.
    let passing = resolve(9, "192.0.2.23", "10.0.0.12", "10.0.0.1");
    world.ask("node", "192.0.2.23", &passing);
    let found = |world: &mut World, of: u16| {
        let reply = world.ask("node", A, &flags(about("10.0.0.12"), of)).mandatory();
        let nbma: Vec<String> = reply.cies.iter().map(|cie| cie.nbma.to_string()).collect();
        (nbma, reply.flags.contains(Flags::RESOLUTION_AUTHORITATIVE))
    };
    assert_eq!(found(&mut world, 0xC802), (vec!["192.0.2.22".into(), "192.0.2.21".into()], true));
    assert_eq!(found(&mut world, 0x8802), (vec!["192.0.2.22".into(), "192.0.2.21".into(), "192.0.2.23".into()], false));
}

#[test]
fn what_is_not_there_any_more_is_code_12() {
    let mut world = server();
    world.ask("node", B, &edit(request(1, B, "10.0.0.12"), |m| m.cies[0].holding_time = 10));
    world.run(secs(5));
    assert_eq!(codes(&mut world, &about("10.0.0.12")), [0]);
    world.run(secs(12));
    assert_eq!(codes(&mut world, &about("10.0.0.12")), [12]);
}

#[test]
fn own_requests_that_come_back_are_dropped() {
    let mut world = egress(Profile::Dmvpn);
    assert!(world.tell("node", A, &resolve(1, "192.0.2.1", "10.0.0.1", "172.20.1.1")).is_empty());
}
