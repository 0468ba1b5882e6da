//! A hub answers scripted registrations (RFC 2332 §5.2.3, §5.2.4, §5.2.7, §5.3; Cisco NAT).

#![allow(clippy::unwrap_used)]

mod common;

use std::net::IpAddr;
use std::time::Duration;

use common::*;
use dmvpn_core::config::{Config, Limits, Map, Secret};
use dmvpn_core::nhrp::cache::{Binding, BindingKind};
use dmvpn_core::{Command, DropReason, Event, Reply, Verdict};
use dmvpn_wire::nhrp::{
    Authentication, Body, Cie, CieCode, Cies, ErrorCode, ErrorIndication, Extension, ExtensionType, ExtensionValue,
    Flags, Message,
};

const SPOKE: &str = "192.0.2.11";

/// A hub and one scripted client after another.
struct Lab(World);

impl Lab {
    fn new(config: Config) -> Self {
        let mut world = World::new(Duration::ZERO);
        world.add("hub", config);
        Self(world)
    }

    fn send(&mut self, from: &str, message: &Message) -> Verdict {
        self.0.inject("hub", ip(from), in_gre(message))
    }

    /// Sends and takes the one packet that comes back.
    fn ask(&mut self, from: &str, message: &Message) -> Seen {
        let before = self.0.seen.len();
        let _ = self.send(from, message);
        assert_eq!(self.0.seen.len(), before + 1, "one packet comes back");
        self.0.seen[before].clone()
    }

    fn codes(&mut self, from: &str, message: &Message) -> Vec<u8> {
        self.ask(from, message).mandatory().cies.iter().map(|cie| cie.code.0).collect()
    }

    fn error(&mut self, from: &str, message: &Message) -> ErrorIndication {
        match self.ask(from, message).message().body {
            Body::ErrorIndication(error) => error,
            other => panic!("not an error: {other:?}"),
        }
    }

    fn binding(&mut self, protocol: &str) -> Option<Binding> {
        self.0.binding("hub", ip(protocol))
    }

    fn dynamic(&mut self) -> usize {
        let view = self.0.node("hub").view();
        view.bindings.iter().filter(|b| b.kind == BindingKind::Dynamic).count()
    }
}

fn plain(id: u32) -> Message {
    request(id, SPOKE, "10.0.0.11")
}

fn entry(protocol: &str, prefix_len: u8) -> Cie {
    Cie { proto: ip(protocol).into(), prefix_len, holding_time: 300, ..Cie::default() }
}

fn no_unique(message: Message) -> Message {
    edit(message, |m| m.flags = Flags::CISCO_NAT)
}

fn entries(message: Message, cies: impl IntoIterator<Item = Cie>) -> Message {
    edit(message, |m| m.cies = cies.into_iter().collect())
}

#[test]
fn the_reply_is_the_request_but_for_what_the_server_says() {
    let mut lab = Lab::new(hub());
    let mut message = edit(plain(7), |m| m.flags = Flags(0xFFFF));
    message.fixed.hop_count = 0;
    message.extensions = [
        Extension::new(ExtensionValue::ForwardTransit(Cies::new())),
        Extension::new(ExtensionValue::VendorPrivate { oui: [1, 2, 3], data: vec![4; 5] }),
        Extension::new(ExtensionValue::ResponderAddress(Cies::new())),
        Extension::new(ExtensionValue::Unknown { code: ExtensionType(0x3801), data: vec![9; 3] }),
        Extension::new(ExtensionValue::ReverseTransit(Cies::new())),
    ]
    .into_iter()
    .collect();
    let seen = lab.ask(SPOKE, &message);

    let mut expected = message.clone();
    let mut mandatory = message.mandatory().unwrap().clone();
    mandatory.flags = Flags(0x8002);
    expected.body = Body::RegistrationReply(mandatory);
    expected.fixed.hop_count = 255;
    let own = Cie {
        mtu: 1476,
        holding_time: 7200,
        nbma: ip("192.0.2.1").into(),
        proto: ip("10.0.0.1").into(),
        ..Cie::default()
    };
    expected.extensions[2].value = ExtensionValue::ResponderAddress(Cies::from_elem(own, 1));
    assert_eq!(seen.message(), expected);
    let packet = seen.packet;
    assert_eq!((packet.src, packet.dst), (ip("192.0.2.1"), ip(SPOKE)));
    assert_eq!((packet.protocol, packet.tos, packet.ttl, packet.df), (47, 0xC0, 255, false));
}

#[test]
fn without_extensions_there_are_none_in_the_reply() {
    let seen = Lab::new(hub()).ask(SPOKE, &plain(1));
    assert!(seen.message().extensions.is_empty());
    assert_eq!(seen.packet.payload[4 + 14..4 + 16], [0, 0]);
}

#[test]
fn a_retransmission_gets_the_same_answer_and_one_binding() {
    let mut lab = Lab::new(hub());
    let replies: Vec<_> = (0..3).map(|_| lab.ask(SPOKE, &plain(1)).packet).collect();
    assert!(replies.iter().all(|reply| *reply == replies[0]));
    assert_eq!(lab.dynamic(), 1);
}

#[test]
fn octets_behind_the_message_are_not_part_of_it() {
    let mut lab = Lab::new(hub());
    let mut octets = in_gre(&plain(1));
    octets.extend([0xAA; 9]);
    assert_eq!(lab.0.inject("hub", ip(SPOKE), octets), Verdict::Consumed);
    assert_eq!(lab.dynamic(), 1);
}

#[test]
fn a_wrong_checksum_is_dropped_without_a_word() {
    let mut lab = Lab::new(hub());
    let mut octets = in_gre(&plain(1));
    octets[4 + 30] ^= 1;
    assert_eq!(lab.0.inject("hub", ip(SPOKE), octets), Verdict::Dropped(DropReason::NhrpChecksum));
    assert_eq!((lab.dynamic(), lab.0.seen.len()), (0, 0));
    assert_eq!(lab.0.node("hub").stats().drops(DropReason::NhrpChecksum), 1);
}

#[test]
fn another_version_or_type_is_dropped_without_a_word() {
    let mut lab = Lab::new(hub());
    for (at, value, reason) in [
        (4 + 16, 2, DropReason::NhrpVersion),
        (4 + 17, 9, DropReason::NhrpUnknownType),
        (4 + 17, 0, DropReason::NhrpUnknownType),
        (4 + 1, 3, DropReason::NhrpFamily),
    ] {
        let mut octets = in_gre(&plain(1));
        octets[at] = value;
        dmvpn_wire::nhrp::Packet::new(&mut octets[4..]).fill_checksum();
        assert_eq!(lab.0.inject("hub", ip(SPOKE), octets), Verdict::Dropped(reason));
    }
    assert_eq!((lab.dynamic(), lab.0.seen.len()), (0, 0));
}

#[test]
fn another_key_is_another_tunnel_and_silence() {
    let mut lab = Lab::new(with(hub(), |t| t.key = Some(42)));
    let keyed = |key: u32| [&[0x20, 0, 0x20, 1], &key.to_be_bytes()[..], &plain(1).to_vec().unwrap()].concat();
    let drop = Verdict::Dropped(DropReason::KeyMismatch);
    assert_eq!(lab.0.inject("hub", ip(SPOKE), keyed(43)), drop);
    assert_eq!(lab.0.inject("hub", ip(SPOKE), in_gre(&plain(1))), drop);
    assert_eq!((lab.dynamic(), lab.0.seen.len()), (0, 0));
    // The control: with the key it would have answered.
    assert_eq!(lab.0.inject("hub", ip(SPOKE), keyed(42)), Verdict::Consumed);
    assert_eq!((lab.dynamic(), lab.0.seen.len()), (1, 1));
    assert_eq!(lab.0.seen[0].packet.payload[..8], [0x20, 0, 0x20, 1, 0, 0, 0, 42]);
}

#[test]
fn a_unique_binding_is_not_taken_over() {
    let mut lab = Lab::new(hub());
    assert_eq!(lab.codes(SPOKE, &plain(1)), [0]);
    let before = lab.binding("10.0.0.11");

    lab.0.now = secs(10);
    let other = request(1, "192.0.2.12", "10.0.0.11");
    let reply = lab.ask("192.0.2.12", &other).mandatory();
    assert_eq!((reply.cies[0].code, reply.cies[0].holding_time), (CieCode::ALREADY_REGISTERED, 0));
    assert_eq!(lab.codes("192.0.2.12", &no_unique(other)), [14]);
    assert_eq!(lab.binding("10.0.0.11"), before);

    // The owner refreshes, also without U, and lets others in by that.
    assert_eq!(lab.codes(SPOKE, &no_unique(plain(2))), [0]);
    assert_eq!(lab.codes("192.0.2.12", &request(2, "192.0.2.12", "10.0.0.11")), [0]);
    assert_eq!(lab.binding("10.0.0.11").unwrap().nbma, ip("192.0.2.12"));
}

#[test]
fn a_registration_that_is_not_unique_moves() {
    let mut lab = Lab::new(hub());
    assert_eq!(lab.codes(SPOKE, &no_unique(plain(1))), [0]);
    lab.0.now = secs(10);
    assert_eq!(lab.codes("192.0.2.12", &no_unique(request(1, "192.0.2.12", "10.0.0.11"))), [0]);
    let binding = lab.binding("10.0.0.11").unwrap();
    assert_eq!((binding.nbma, binding.expires, binding.created), (ip("192.0.2.12"), Some(secs(310)), secs(0)));
}

#[test]
fn every_entry_has_its_own_result_in_its_own_place() {
    let mut lab = Lab::new(hub());
    let message = entries(
        no_unique(plain(1)),
        [entry("10.0.0.20", 0), entry("10.9.0.1", 32), entry("10.0.0.21", 255), entry("10.0.0.1", 32)],
    );
    assert_eq!(lab.codes(SPOKE, &message), [0, 4, 0, 4]);
    assert!(lab.binding("10.0.0.20").is_some() && lab.binding("10.0.0.21").is_some());
    assert_eq!(lab.dynamic(), 2);
    assert_eq!(lab.binding("10.0.0.1").unwrap().kind, BindingKind::Local);
}

#[test]
fn two_unique_entries_are_none() {
    let mut lab = Lab::new(hub());
    let message = entries(plain(1), [entry("10.0.0.20", 255), entry("10.0.0.21", 255)]);
    assert_eq!(lab.codes(SPOKE, &message), [4, 4]);
    assert_eq!(lab.dynamic(), 0);
}

#[test]
fn a_holding_time_of_0_is_the_servers_own() {
    let mut lab = Lab::new(with(hub(), |t| t.nhrp.holding_time = 90));
    let reply = lab.ask(SPOKE, &edit(plain(1), |m| m.cies[0].holding_time = 0)).mandatory();
    assert_eq!(reply.cies[0].holding_time, 0);
    assert_eq!(lab.binding("10.0.0.11").unwrap().expires, Some(secs(90)));
}

#[test]
fn holding_time_and_mtu_are_echoed_and_kept() {
    let mut lab = Lab::new(hub());
    let reply = lab.ask(SPOKE, &plain(1)).mandatory();
    assert_eq!((reply.cies[0].holding_time, reply.cies[0].mtu), (300, 1400));
    let binding = lab.binding("10.0.0.11").unwrap();
    assert_eq!((binding.holding_time, binding.mtu, binding.request_id), (300, 1400, 1));
}

#[test]
fn prefixes_stay_within_the_subnet_and_never_widen() {
    let mut lab = Lab::new(with(hub(), |t| t.prefix_len = 16));
    let mut len = |unique: bool, asked: u8| {
        let message = entries(if unique { plain(1) } else { no_unique(plain(1)) }, [entry("10.0.7.77", asked)]);
        let code = lab.codes(SPOKE, &message)[0];
        let rows = lab.0.node("hub").view().bindings;
        let found = rows.iter().find(|b| b.kind == BindingKind::Dynamic).map(|b| (b.protocol, b.prefix_len));
        lab.0.act("hub", |node, now| node.command(now, Command::ClearNhrp { protocol: None }));
        (code, found)
    };
    let host = Some((ip("10.0.7.77"), 32));
    for asked in [0, 32, 33, 200, 255] {
        assert_eq!(len(false, asked), (0, host), "{asked}");
    }
    assert_eq!(len(true, 24), (0, host));
    assert_eq!(len(false, 24), (0, Some((ip("10.0.7.0"), 24))));
    assert_eq!(len(false, 16), (4, None));
    assert_eq!(len(false, 1), (4, None));
}

#[test]
fn what_is_not_served_gets_code_4() {
    let mut config = hub();
    config.tunnels[0].nhrp.maps.push(Map { protocol: ip("10.0.0.50"), nbma: ip("192.0.2.50") });
    let mut lab = Lab::new(config);
    for protocol in ["10.0.1.11", "10.0.0.1", "10.0.0.50"] {
        assert_eq!(lab.codes(SPOKE, &request(1, SPOKE, protocol)), [4], "{protocol}");
    }
    // NBMA addresses that lead nowhere or back to us.
    for nbma in ["192.0.2.1", "224.0.0.1", "0.0.0.0"] {
        let message = edit(plain(1), |m| m.cies[0].nbma = ip(nbma).into());
        assert_eq!(lab.codes(SPOKE, &message), [4], "{nbma}");
    }
    assert_eq!(lab.dynamic(), 0);
    assert_eq!(lab.binding("10.0.0.50").unwrap().nbma, ip("192.0.2.50"));
}

#[test]
fn a_full_table_is_code_5_and_refreshes_still_work() {
    let config = Config { limits: Limits { bindings: 2, ..Limits::default() }, ..hub() };
    let mut lab = Lab::new(config);
    assert_eq!(lab.codes(SPOKE, &plain(1)), [0]);
    assert_eq!(lab.codes("192.0.2.12", &request(1, "192.0.2.12", "10.0.0.12")), [0]);
    let reply = lab.ask("192.0.2.13", &request(1, "192.0.2.13", "10.0.0.13")).mandatory();
    assert_eq!((reply.cies[0].code, reply.cies[0].holding_time), (CieCode::INSUFFICIENT_RESOURCES, 0));
    assert_eq!(lab.codes(SPOKE, &plain(2)), [0]);
    assert_eq!(lab.0.node("hub").stats().entries_refused_for_resources, 1);
    lab.0.run(secs(300));
    assert_eq!(lab.codes("192.0.2.13", &request(2, "192.0.2.13", "10.0.0.13")), [0]);
}

#[test]
fn more_entries_than_allowed_get_code_5() {
    let config = Config { limits: Limits { entries_per_request: 2, ..Limits::default() }, ..hub() };
    let mut lab = Lab::new(config);
    let cies = (20..24).map(|n| entry(&format!("10.0.0.{n}"), 32));
    assert_eq!(lab.codes(SPOKE, &entries(no_unique(plain(1)), cies)), [0, 0, 5, 5]);
}

#[test]
fn a_client_behind_nat_is_answered_where_it_is_seen() {
    let mut lab = Lab::new(hub());
    let mut message = request(1, "192.168.77.2", "10.0.0.11");
    let server = Cie { prefix_len: 32, nbma: ip("192.0.2.1").into(), proto: ip("10.0.0.1").into(), ..Cie::default() };
    message.extensions.push(Extension::new(ExtensionValue::CiscoNat(Cies::from_elem(server, 1))));
    let seen = lab.ask("198.51.100.9", &message);

    assert_eq!(seen.packet.dst, ip("198.51.100.9"));
    let reply = seen.message();
    assert_eq!(reply.mandatory().unwrap().src_nbma.ip(), Some(ip("192.168.77.2")));
    let Some(ExtensionValue::CiscoNat(cies)) = reply.extension(ExtensionType::CISCO_NAT) else { panic!() };
    assert_eq!(cies[0], server);
    assert_eq!((cies[1].nbma.ip(), cies[1].proto.ip()), (Some(ip("198.51.100.9")), Some(ip("10.0.0.11"))));
    assert_eq!((cies.len(), cies[1].prefix_len), (2, 32));
    let binding = lab.binding("10.0.0.11").unwrap();
    assert_eq!((binding.nbma, binding.claimed_nbma), (ip("198.51.100.9"), ip("192.168.77.2")));

    // Without the extension none is added, and the binding is the same.
    let bare = lab.ask("198.51.100.9", &request(2, "192.168.77.2", "10.0.0.11"));
    assert!(bare.message().extensions.is_empty());
    assert_eq!(lab.binding("10.0.0.11").unwrap().nbma, ip("198.51.100.9"));
}

#[test]
fn a_spoke_behind_nat_learns_its_public_address() {
    let mut world = World::new(Duration::ZERO);
    world.add("hub", hub());
    world.add("spoke", with(spoke(1), |t| t.nbma = ip("192.168.77.2")));
    let request = world.seen[0].packet.payload.clone();
    let _ = world.inject("hub", ip("198.51.100.9"), request);
    let reply = world.seen[1].packet.payload.clone();
    let _ = world.inject("spoke", ip("192.0.2.1"), reply);
    assert_eq!(world.nhs("spoke").public_nbma, Some(ip("198.51.100.9")));
    assert!(world.nhs("spoke").registered);
    assert!(world.events_of("spoke").iter().any(|e| matches!(e, Event::PublicAddress { nbma: Some(_), .. })));
}

#[test]
fn discovery_is_answered_with_our_own_address() {
    let mut lab = Lab::new(hub());
    let reply = lab.ask(SPOKE, &edit(plain(1), |m| m.dst_proto = m.src_proto)).mandatory();
    assert_eq!(reply.dst_proto.ip(), Some(ip("10.0.0.1")));
}

#[test]
fn what_is_for_another_server_goes_there_or_is_unreachable() {
    let mut lab = Lab::new(with(hub(), |t| {
        t.nhrp.maps.push(Map { protocol: ip("10.0.0.2"), nbma: ip("192.0.2.2") });
    }));
    let mut message = edit(plain(1), |m| m.dst_proto = ip("10.0.0.2").into());
    message.extensions.push(Extension::new(ExtensionValue::ForwardTransit(Cies::new())));
    let seen = lab.ask(SPOKE, &message);
    assert_eq!(seen.packet.dst, ip("192.0.2.2"));
    let passed = seen.message();
    assert_eq!((passed.fixed.hop_count, &passed.body), (254, &message.body));
    let record = passed.extensions[0].value.cies().unwrap();
    assert_eq!((record.len(), record[0].proto.ip()), (1, Some(ip("10.0.0.1"))));

    let nowhere = edit(plain(2), |m| m.dst_proto = ip("10.0.0.3").into());
    assert_eq!(lab.error(SPOKE, &nowhere).code, ErrorCode::PROTOCOL_ADDRESS_UNREACHABLE);
    assert_eq!(lab.dynamic(), 0);
}

#[test]
fn a_node_that_is_no_server_does_not_answer() {
    let mut lab = Lab::new(with(hub(), |t| t.nhrp.server = false));
    assert_eq!(lab.send(SPOKE, &plain(1)), Verdict::Dropped(DropReason::NotAServer));
    let mut off = Lab::new(with(hub(), |t| {
        t.nhrp.server = false;
        t.nhrp.network_id = None;
    }));
    assert_eq!(off.send(SPOKE, &plain(1)), Verdict::Dropped(DropReason::NhrpOff));
    assert_eq!((lab.0.seen.len(), off.0.seen.len()), (0, 0));
}

#[test]
fn an_unknown_compulsory_extension_is_error_1_with_its_place() {
    let mut lab = Lab::new(hub());
    let mut message = plain(1);
    message.extensions.push(Extension::new(ExtensionValue::ForwardTransit(Cies::new())));
    message.extensions.push(Extension {
        compulsory: true,
        ..Extension::new(ExtensionValue::Unknown { code: ExtensionType(0x123), data: vec![1; 4] })
    });
    let error = lab.error(SPOKE, &message);
    assert_eq!((error.code, error.offset), (ErrorCode::UNRECOGNIZED_EXTENSION, 56));
    assert_eq!(error.packet, message.to_vec().unwrap());
    assert_eq!(lab.dynamic(), 0);
    message.extensions[1].compulsory = false;
    assert_eq!(lab.codes(SPOKE, &message), [0]);
}

#[test]
fn the_c_bit_does_not_make_a_known_type_unknown() {
    let mut lab = Lab::new(hub());
    for compulsory in [true, false] {
        let mut message = plain(1);
        message.extensions.push(Extension {
            compulsory,
            unused: true,
            ..Extension::new(ExtensionValue::ResponderAddress(Cies::new()))
        });
        message.extensions.push(Extension { compulsory, ..Extension::new(ExtensionValue::CiscoNat(Cies::new())) });
        let reply = lab.ask(SPOKE, &message).message();
        assert_eq!(reply.extensions[0].emitted_len(), 24);
        assert!(reply.extensions.iter().all(|e| !e.unused));
    }
}

#[test]
fn an_extension_that_comes_twice_is_error_9_with_the_place_of_the_second() {
    let mut lab = Lab::new(hub());
    let mut message = plain(1);
    let vendor = Extension::new(ExtensionValue::VendorPrivate { oui: [0, 0, 12], data: vec![] });
    message.extensions.extend([vendor.clone(), vendor, Extension::new(ExtensionValue::ReverseTransit(Cies::new()))]);
    assert_eq!(lab.codes(SPOKE, &message), [0]);
    message.extensions.push(Extension::new(ExtensionValue::ReverseTransit(Cies::new())));
    let error = lab.error(SPOKE, &message);
    assert_eq!((error.code, error.offset), (ErrorCode::INVALID_EXTENSION, 52 + 7 + 7 + 4));
}

#[test]
fn a_registration_of_nobody_is_error_7() {
    let mut lab = Lab::new(hub());
    let error = lab.error(SPOKE, &entries(plain(1), []));
    assert_eq!((error.code, error.offset), (ErrorCode::PROTOCOL_ERROR, 0));
}

#[test]
fn authentication_is_the_same_form_and_string_or_error_11() {
    let mut lab = Lab::new(with(hub(), |t| t.nhrp.authentication = Some(Secret::new("secret"))));
    let with_value = |value: &[u8]| {
        let mut message = plain(1);
        let authentication = Authentication::parse(value, 4);
        message.extensions.push(Extension::new(ExtensionValue::Authentication(authentication)));
        message
    };
    let rfc = [&[0, 0, 0, 1, 10, 0, 0, 11][..], &[7; 16]].concat();
    for value in [
        &b"\0\0\0\x01secre"[..],
        b"\0\0\0\x01secret\0",
        b"\0\0\0\x01secret1",
        b"\0\0\0\x01SECRET",
        b"\0\0\0\x02secret",
        b"\0\0\0\x01",
        b"\0\0\x01",
        b"secret",
        b"",
        &rfc,
    ] {
        let error = lab.error(SPOKE, &with_value(value));
        assert_eq!((error.code, error.offset), (ErrorCode::AUTHENTICATION_FAILURE, 52), "{value:?}");
    }
    assert_eq!(lab.dynamic(), 0);
    assert_eq!(lab.codes(SPOKE, &with_value(b"\0\0\0\x01secret")), [0]);
}

#[test]
fn without_a_secret_any_authentication_passes_and_goes_back() {
    let mut lab = Lab::new(hub());
    let mut message = plain(1);
    message.extensions.push(Extension::cisco_authentication(b"whatever"));
    assert_eq!(lab.ask(SPOKE, &message).message().extensions, message.extensions);
}

#[test]
fn errors_are_limited_and_counted() {
    let config = Config { limits: Limits { errors_per_second: 5, ..Limits::default() }, ..hub() };
    let mut lab = Lab::new(config);
    for _ in 0..1000 {
        assert_eq!(lab.send(SPOKE, &entries(plain(1), [])), Verdict::Dropped(DropReason::NoEntry));
    }
    assert_eq!(lab.0.seen.len(), 5);
    assert_eq!(lab.0.node("hub").stats().errors_suppressed, 995);
}

#[test]
fn a_large_packet_is_quoted_as_far_as_it_fits() {
    let mut lab = Lab::new(hub());
    let mut message = plain(1);
    message.extensions.push(Extension {
        compulsory: true,
        ..Extension::new(ExtensionValue::Unknown { code: ExtensionType(0x123), data: vec![1; 60_000] })
    });
    let seen = lab.ask(SPOKE, &message);
    assert!(seen.packet.payload.len() <= 1476);
}

#[test]
fn operators_see_and_clear_bindings_and_counters() {
    let mut lab = Lab::new(hub());
    let _ = lab.ask(SPOKE, &plain(1));
    let _ = lab.ask("192.0.2.12", &request(1, "192.0.2.12", "10.0.0.12"));
    let mut command = |command| lab.0.act("hub", |node, now| node.command(now, command));
    let Reply::Nhrp(view) = command(Command::ShowNhrp) else { panic!() };
    let rows: Vec<(IpAddr, BindingKind)> = view.bindings.iter().map(|b| (b.protocol, b.kind)).collect();
    let dynamic = BindingKind::Dynamic;
    assert_eq!(rows, [(ip("10.0.0.1"), BindingKind::Local), (ip("10.0.0.11"), dynamic), (ip("10.0.0.12"), dynamic)]);
    let Reply::Counters(counters) = command(Command::ShowCounters) else { panic!() };
    let value = |name: &str| counters.iter().find(|c| c.name == name).unwrap().value;
    assert_eq!((value("nhrp.in.registration_request"), value("nhrp.out.registration_reply")), (2, 2));

    assert_eq!(command(Command::ClearNhrp { protocol: Some(ip("10.0.0.12")) }), Reply::Cleared { bindings: 1 });
    assert_eq!(command(Command::ClearNhrp { protocol: None }), Reply::Cleared { bindings: 1 });
    assert_eq!(command(Command::ClearNhrp { protocol: None }), Reply::Cleared { bindings: 0 });
    assert_eq!((lab.dynamic(), lab.0.deadline("hub")), (0, None));
}

#[test]
fn a_hub_whose_subnet_is_unknown_serves_everybody() {
    let mut lab = Lab::new(with(hub(), |t| t.prefix_len = 32));
    assert_eq!(lab.codes(SPOKE, &request(1, SPOKE, "172.16.5.5")), [0]);
    assert_eq!(lab.codes(SPOKE, &request(1, SPOKE, "10.0.0.1")), [4]);
}
