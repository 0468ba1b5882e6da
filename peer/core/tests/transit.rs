//! Messages for others pass a hub (RFC 2332 §5.1, §5.2.7, §5.3.2 to §5.3.4, §6.2.1; draft-detienne-dmvpn-01 §4.5).

#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::*;
use dmvpn_core::DropReason;
use dmvpn_core::config::{Config, Profile, Route, RouteVia, Secret};
use dmvpn_wire::nhrp::{
    Body, Cie, Cies, ErrorCode, ErrorIndication, Extension, ExtensionType, ExtensionValue, Flags, Message,
};

const A: &str = "192.0.2.11";
const B: &str = "192.0.2.12";

/// A hub with two registered clients, 10.0.0.11 and 10.0.0.12; 172.20.2.0/24 is behind the second.
fn world(config: Config) -> World {
    let mut world = World::new(Duration::ZERO);
    world.add("hub", Config { routes: vec![via("172.20.2.0", 24, "10.0.0.12")], ..config });
    for (nbma, proto) in [(A, "10.0.0.11"), (B, "10.0.0.12")] {
        world.ask("hub", nbma, &request(1, nbma, proto));
    }
    world
}

fn ask() -> Message {
    resolve(7, A, "10.0.0.11", "172.20.2.9")
}

fn error_of(seen: &Seen) -> ErrorIndication {
    match seen.message().body {
        Body::ErrorIndication(error) => error,
        other => panic!("not an error: {other:?}"),
    }
}

fn record(message: &Message, of: ExtensionType) -> Cies {
    message.extension(of).unwrap().cies().unwrap().clone()
}

#[test]
fn a_request_goes_on_along_the_route_with_one_hop_less_and_a_record() {
    let mut world = world(hub());
    let seen = world.ask("hub", A, &ask());
    assert_eq!(seen.packet.dst, ip(B));
    let passed = seen.message();
    assert_eq!((passed.fixed.hop_count, &passed.body), (254, &ask().body));
    let hub = record(&passed, ExtensionType::FORWARD_TRANSIT);
    let expected = Cie {
        mtu: 1476,
        holding_time: 7200,
        nbma: ip("192.0.2.1").into(),
        proto: ip("10.0.0.1").into(),
        ..Cie::default()
    };
    assert_eq!(hub[..], [expected]);
    // NHRP-5.3-09, NHRP-5.3.3-04: order and the rest as they were.
    let codes = |m: &Message| m.extensions.iter().map(Extension::code).collect::<Vec<_>>();
    assert_eq!(codes(&passed), codes(&ask()));
    assert!(record(&passed, ExtensionType::REVERSE_TRANSIT).is_empty());

    // A registered station itself: its own address, too.
    assert_eq!(world.ask("hub", A, &resolve(8, A, "10.0.0.11", "10.0.0.12")).packet.dst, ip(B));
}

#[test]
fn a_reply_goes_straight_to_a_served_requester() {
    let mut world = world(hub());
    let reply = answer(&ask(), 0x6000, B, "10.0.0.12", 24, 600);
    let seen = world.ask("hub", B, &reply);
    assert_eq!(seen.packet.dst, ip(A));
    let passed = seen.message();
    assert_eq!((passed.fixed.hop_count, &passed.body), (254, &reply.body));
    assert_eq!(record(&passed, ExtensionType::REVERSE_TRANSIT).len(), 1);
    assert!(record(&passed, ExtensionType::FORWARD_TRANSIT).is_empty());
}

#[test]
fn without_a_record_extension_none_is_added() {
    let mut world = world(hub());
    let bare = Message { extensions: [].into_iter().collect(), ..ask() };
    assert!(world.ask("hub", A, &bare).message().extensions.is_empty());
}

#[test]
fn a_hop_count_of_1_passes_and_of_0_is_error_15() {
    let mut world = world(hub());
    let mut message = ask();
    message.fixed.hop_count = 1;
    assert_eq!(world.ask("hub", A, &message).message().fixed.hop_count, 0);
    message.fixed.hop_count = 0;
    let seen = world.ask("hub", A, &message);
    let error = error_of(&seen);
    assert_eq!((seen.packet.dst, error.code, error.offset), (ip(A), ErrorCode::HOP_COUNT_EXCEEDED, 9));
    assert_eq!(error.dst_proto.ip(), Some(ip("10.0.0.11")));
}

#[test]
fn what_was_here_already_is_error_3() {
    let mut world = world(hub());
    let hub = Cies::from_elem(Cie { proto: ip("10.0.0.1").into(), ..Cie::default() }, 1);
    let put = |mut message: Message, value| {
        let at = message.extensions.iter().position(|e| e.value.code() == ExtensionValue::code(&value)).unwrap();
        message.extensions[at].value = value;
        message
    };
    let reply = answer(&ask(), 0x6000, B, "10.0.0.12", 24, 600);
    for (from, message) in [
        (A, put(ask(), ExtensionValue::ForwardTransit(hub.clone()))),
        (B, put(reply.clone(), ExtensionValue::ReverseTransit(hub.clone()))),
        (B, put(reply.clone(), ExtensionValue::ResponderAddress(hub.clone()))),
    ] {
        let seen = world.ask("hub", from, &message);
        assert_eq!((seen.packet.dst, error_of(&seen).code), (ip(from), ErrorCode::LOOP_DETECTED));
    }
    // One that has come round: the way back leads round again, so the error goes straight to the client.
    let seen = world.ask("hub", "192.0.2.77", &put(ask(), ExtensionValue::ForwardTransit(hub.clone())));
    assert_eq!((seen.packet.dst, error_of(&seen).code), (ip(A), ErrorCode::LOOP_DETECTED));
    // The control: a request may carry a reverse record.
    assert_eq!(world.ask("hub", A, &put(ask(), ExtensionValue::ReverseTransit(hub))).packet.dst, ip(B));
}

#[test]
fn unknown_extensions_pass_untouched_and_make_no_egress() {
    let mut world = world(hub());
    for compulsory in [true, false] {
        let mut message = ask();
        let unknown = Extension {
            compulsory,
            ..Extension::new(ExtensionValue::Unknown { code: ExtensionType(0x3801), data: vec![0xDE, 0xAD, 1] })
        };
        message.extensions.push(unknown.clone());
        let passed = world.ask("hub", A, &message).message();
        assert_eq!(passed.extensions.last(), Some(&unknown));
        let hub = record(&passed, ExtensionType::FORWARD_TRANSIT)[0];
        assert_eq!((hub.nbma.is_empty(), hub.proto.ip()), (compulsory, Some(ip("10.0.0.1"))));
    }
}

#[test]
fn authentication_is_taken_off_and_put_on_for_each_tunnel() {
    let mut config = with(hub(), |t| t.nhrp.authentication = Some(Secret::new("one")));
    let mut second = config.tunnels[0].clone();
    second.name = "tun1".into();
    second.nbma = ip("192.0.2.2");
    second.address = ip("10.1.0.1");
    second.nhrp.authentication = Some(Secret::new("two"));
    second.nhrp.maps.push(dmvpn_core::config::Map { protocol: ip("10.1.0.9"), nbma: ip("192.0.2.99") });
    config.tunnels.push(second);
    let mut world = World::new(Duration::ZERO);
    world.add("hub", config);
    let mut message = resolve(1, A, "10.0.0.11", "10.1.0.9");
    let unauthorised = world.ask("hub", A, &message);
    assert_eq!(error_of(&unauthorised).code, ErrorCode::AUTHENTICATION_FAILURE);
    message.extensions.insert(1, Extension::cisco_authentication(b"one"));
    let seen = world.ask("hub", A, &message);
    assert_eq!((seen.packet.src, seen.packet.dst), (ip("192.0.2.2"), ip("192.0.2.99")));
    assert_eq!(seen.message().extensions[1], Extension::cisco_authentication(b"two"));
    let count = seen.message().extensions.iter().filter(|e| e.code() == ExtensionType::AUTHENTICATION).count();
    assert_eq!(count, 1);
}

/// A hub in two networks, with one registered client in each: 10.0.0.11 in the first, 10.1.0.12 in the second. Behind
/// both is a network of their own.
fn two_networks(second: u32) -> World {
    let mut config = with(hub(), |t| t.nhrp.redirect = true);
    let mut other = config.tunnels[0].clone();
    (other.name, other.address, other.key) = ("tun1".into(), ip("10.1.0.1"), Some(2));
    other.nhrp.network_id = Some(second);
    config.tunnels.push(other);
    let through = RouteVia::Tunnel { tunnel: dmvpn_core::TunnelId(1), next_hop: ip("10.1.0.12") };
    config.routes = vec![Route { prefix: ip("172.20.2.0"), prefix_len: 24, via: through }];
    let mut world = World::new(Duration::ZERO);
    world.add("hub", config);
    world.ask("hub", A, &request(1, A, "10.0.0.11"));
    let in_second = edit(request(1, B, "10.1.0.12"), |m| m.dst_proto = ip("10.1.0.1").into());
    let keyed = [&[0x20, 0, 0x20, 1, 0, 0, 0, 2], &in_second.to_vec().unwrap()[..]].concat();
    let _ = world.inject("hub", ip(B), keyed);
    assert!(world.binding("hub", ip("10.1.0.12")).is_some());
    world.seen.clear();
    world
}

#[test]
fn messages_stay_in_their_network_whose_way_out_the_hub_is() {
    for target in ["10.1.0.12", "172.20.2.9"] {
        // NHRP-2.2-08, CISCO-NID-01.
        let mut world = two_networks(2);
        let seen = world.ask("hub", A, &resolve(7, A, "10.0.0.11", target));
        assert_eq!(seen.packet.dst, ip(A));
        let reply = seen.mandatory();
        // NHRP-6.3-02, NHRP-5.2.2-05: as for what is behind any other router.
        assert_eq!((reply.cies[0].prefix_len, reply.cies[0].proto.ip()), (32, Some(ip("10.0.0.1"))));
        assert!(!reply.flags.contains(Flags::RESOLUTION_DESTINATION_STABLE));
        // The control: two tunnels of one network.
        let mut world = two_networks(1);
        assert_eq!(world.ask("hub", A, &resolve(7, A, "10.0.0.11", target)).packet.dst, ip(B));
    }
    let mut world = two_networks(2);
    let purge = Message {
        body: Body::PurgeRequest(resolve(1, A, "10.0.0.11", "10.1.0.12").mandatory().unwrap().clone()),
        ..resolve(1, A, "10.0.0.11", "10.1.0.12")
    };
    let seen = world.ask("hub", A, &purge);
    assert_eq!((seen.packet.dst, error_of(&seen).code), (ip(A), ErrorCode::PROTOCOL_ADDRESS_UNREACHABLE));
}

#[test]
fn data_is_routed_from_one_network_to_another_without_an_indication() {
    for (second, indications) in [(2, 0), (1, 1)] {
        let mut world = two_networks(second);
        let packet = [&[0, 0, 8, 0], &inner("10.0.0.11", "172.20.2.9", 4)[..]].concat();
        assert_eq!(world.inject("hub", ip(A), packet), dmvpn_core::Verdict::Sent(1));
        assert_eq!(world.seen.len(), indications);
    }
}

#[test]
fn what_does_not_fit_is_error_8() {
    let mut world = world(hub());
    let mut message = ask();
    message
        .extensions
        .push(Extension::new(ExtensionValue::Unknown { code: ExtensionType(0x3801), data: vec![0; 3000] }));
    assert_eq!(error_of(&world.ask("hub", A, &message)).code, ErrorCode::SDU_SIZE_EXCEEDED);
    let octets = in_gre(&ask()).len();
    message.extensions.last_mut().unwrap().value =
        ExtensionValue::Unknown { code: ExtensionType(0x3801), data: vec![0; 1476 - 4 - 20 - (octets - 4)] };
    assert_eq!(world.ask("hub", A, &message).message().emitted_len(), 1476);
}

#[test]
fn the_public_address_of_a_party_behind_nat_is_filled_in_once() {
    let mut world = world(hub());
    let public = "198.51.100.9";
    world.ask("hub", public, &request(1, "192.168.77.2", "10.0.0.13"));
    let asked = resolve(3, "192.168.77.2", "10.0.0.13", "172.20.2.9");
    let passed = world.ask("hub", public, &asked).message();
    let nat = record(&passed, ExtensionType::CISCO_NAT);
    assert_eq!((nat.len(), nat[0].nbma.ip(), nat[0].proto.ip()), (1, Some(ip(public)), Some(ip("10.0.0.13"))));
    let again = world.ask("hub", public, &passed.clone());
    assert_eq!(error_of(&again).code, ErrorCode::LOOP_DETECTED);
    let mut filled = asked.clone();
    let other =
        Cies::from_elem(Cie { proto: ip("10.0.0.13").into(), nbma: ip("203.0.113.5").into(), ..Cie::default() }, 1);
    filled.extensions[3].value = ExtensionValue::CiscoNat(other.clone());
    assert_eq!(record(&world.ask("hub", public, &filled).message(), ExtensionType::CISCO_NAT), other);

    // The reply of a station behind NAT.
    let asked = resolve(4, A, "10.0.0.11", "10.0.0.13");
    let reply = answer(&asked, 0x6000, "192.168.77.2", "10.0.0.13", 32, 600);
    let nat = record(&world.ask("hub", public, &reply).message(), ExtensionType::CISCO_NAT);
    assert_eq!((nat.len(), nat[0].nbma.ip()), (1, Some(ip(public))));
}

#[test]
fn errors_for_others_pass_and_make_no_errors() {
    let mut world = world(hub());
    let body = |src: (&str, &str)| {
        Body::ErrorIndication(ErrorIndication {
            code: ErrorCode::UNRECOGNIZED_EXTENSION,
            src_nbma: ip(src.0).into(),
            src_proto: ip(src.1).into(),
            dst_proto: ip("10.0.0.11").into(),
            packet: ask().to_vec().unwrap(),
            ..ErrorIndication::default()
        })
    };
    let mut error = Message::new(ask().fixed, body((B, "10.0.0.12")));
    let seen = world.ask("hub", B, &error);
    assert_eq!((seen.packet.dst, seen.message().fixed.hop_count), (ip(A), 254));
    assert_eq!(seen.message().body, error.body);
    error.fixed.hop_count = 0;
    assert!(world.tell("hub", B, &error).is_empty());
    // NHRP-5.2.7-10.
    assert!(world.tell("hub", B, &Message::new(ask().fixed, body(("192.0.2.1", "10.0.0.1")))).is_empty());
    let stats = world.node("hub").stats();
    assert_eq!((stats.drops(DropReason::HopCount), stats.drops(DropReason::OwnSource)), (1, 1));
}

#[test]
fn a_request_without_a_way_is_answered_with_12_or_error_6() {
    let mut world = world(hub());
    let reply = world.ask("hub", A, &resolve(5, A, "10.0.0.11", "10.0.0.99")).mandatory();
    let nothing = Cie { code: dmvpn_wire::nhrp::CieCode::NO_BINDING, ..Cie::default() };
    assert_eq!((reply.request_id, &reply.cies[..]), (5, &[nothing][..]));
    assert_eq!(reply.flags, Flags(0x8802));
    let seen = world.ask("hub", A, &resolve(6, A, "10.0.0.11", "172.31.0.1"));
    assert_eq!(error_of(&seen).code, ErrorCode::PROTOCOL_ADDRESS_UNREACHABLE);
    // What lies outside the NBMA network is answered, not passed on.
    let outside = Route { prefix: ip("172.31.0.0"), prefix_len: 16, via: RouteVia::Beyond };
    world.act("hub", |node, now| node.command(now, dmvpn_core::Command::AddRoute(outside)));
    let reply = world.ask("hub", A, &resolve(7, A, "10.0.0.11", "172.31.0.1")).mandatory();
    assert_eq!((reply.cies[0].prefix_len, reply.cies[0].code.0), (32, 0));
}

#[test]
fn by_rfc_2332_what_passes_is_cached_where_it_may_be() {
    let mut world = world(with(hub(), |t| t.nhrp.profile = Profile::Rfc2332));
    let about = |id| resolve(id, A, "10.0.0.11", "10.0.0.77");
    let negative = |world: &mut World, id| {
        let seen = world.ask("hub", A, &about(id));
        seen.message().mandatory().unwrap().cies[0].code.0 == 12
    };
    // NHRP-6.2.1-07: D clear, nothing; and never the source of a reply (NHRP-6.2.1-08).
    let reply = |flags| answer(&about(1), flags, "192.0.2.77", "10.0.0.77", 32, 20);
    world.ask("hub", B, &reply(0x4000));
    assert!(negative(&mut world, 2));
    world.ask("hub", B, &reply(0x6000));
    let found = world.ask("hub", A, &about(3)).mandatory();
    assert_eq!((found.cies[0].nbma.ip(), found.flags), (Some(ip("192.0.2.77")), Flags(0x8802 | 0x2000)));
    // NHRP-2.2-04: with A set it is no answer, and the request goes on.
    let insisting = edit(about(4), |m| m.flags |= Flags::RESOLUTION_AUTHORITATIVE);
    let seen = world.ask("hub", A, &insisting);
    assert_eq!((seen.packet.dst, seen.message().fixed.hop_count), (ip("192.0.2.77"), 254));
    world.run(secs(20));
    assert!(negative(&mut world, 5));

    // NHRP-6.2.1-06: the source of a request with S set.
    let stranger = |flags: u16| {
        let message = resolve(9, "192.0.2.66", "10.0.0.66", "172.20.2.9");
        edit(message, |m| m.flags = Flags(flags))
    };
    world.ask("hub", "192.0.2.66", &stranger(0x8002));
    assert!(world.binding("hub", ip("10.0.0.66")).is_none());
    world.ask("hub", "192.0.2.66", &stranger(0x8802));
    assert_eq!(world.binding("hub", ip("10.0.0.66")).unwrap().nbma, ip("192.0.2.66"));
}

#[test]
fn in_a_dmvpn_nothing_that_passes_is_cached() {
    let mut world = world(hub());
    world.ask("hub", "192.0.2.66", &resolve(9, "192.0.2.66", "10.0.0.66", "172.20.2.9"));
    world.ask("hub", B, &answer(&ask(), 0x6000, B, "10.0.0.77", 24, 600));
    assert!(world.binding("hub", ip("10.0.0.66")).is_none());
    assert!(world.binding("hub", ip("10.0.0.77")).is_none());
}
