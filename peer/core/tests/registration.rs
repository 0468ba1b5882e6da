//! A spoke registers with a hub, with every instant to the nanosecond (RFC 2332 §5.2.3, §5.2.4).

#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::*;
use dmvpn_core::config::{Backoff, Config, Secret};
use dmvpn_core::nhrp::registration::NhsState;
use dmvpn_core::trace::Refusal;
use dmvpn_core::{Command, DropReason, Event, Instant, LinkEvent, Reason, Reply, Verdict};
use dmvpn_wire::nhrp::{CieCode, ErrorCode, ExtensionType, ExtensionValue};

const DELAY: Duration = Duration::from_millis(5);

fn pair(hub: Config, spoke: Config) -> World {
    let mut world = World::new(DELAY);
    world.add("hub", hub);
    world.add("spoke", spoke);
    world
}

fn hold(secs: u16, config: Config) -> Config {
    with(config, |t| t.nhrp.holding_time = secs)
}

fn secret(text: &str, config: Config) -> Config {
    with(config, |t| t.nhrp.authentication = Some(Secret::new(text)))
}

fn times(seen: &[Seen]) -> Vec<u64> {
    seen.iter().map(|s| s.at.as_nanos()).collect()
}

fn ids(seen: &[Seen]) -> Vec<u32> {
    seen.iter().map(|s| s.mandatory().request_id).collect()
}

fn refusals(world: &World) -> Vec<Refusal> {
    let refusal = |event| if let Event::RegistrationRefused { refusal, .. } = event { Some(refusal) } else { None };
    world.events_of("spoke").into_iter().filter_map(refusal).collect()
}

#[test]
fn a_spoke_registers_at_once() {
    let mut world = pair(hub(), spoke(1));
    world.run(secs(1));

    assert_eq!(times(&world.from("192.0.2.11")), [0]);
    let binding = world.binding("hub", ip("10.0.0.11")).unwrap();
    assert_eq!((binding.nbma, binding.unique, binding.holding_time), (ip("192.0.2.11"), true, 7200));
    assert_eq!(binding.expires, Some(secs(7200) + DELAY));
    let nhs = world.nhs("spoke");
    assert_eq!((nhs.state, nhs.registered, nhs.request_id), (NhsState::Registered, true, None));
    assert_eq!(nhs.expires, Some(secs(7200) + DELAY * 2));
    assert_eq!(world.deadline("spoke"), Some((secs(2400), Reason::Refresh)));
}

#[test]
fn the_request_is_this_octet_for_octet() {
    let config = with(secret("secret", spoke(1)), |t| t.key = Some(1000));
    let mut world = World::new(DELAY);
    world.add("spoke", config);

    let sent = &world.seen[0].packet;
    assert_eq!((sent.tos, sent.ttl, sent.df, sent.protocol), (0xC0, 255, false, 47));
    #[rustfmt::skip]
    let expected = [
        0x20, 0, 0x20, 1, 0, 0, 3, 0xe8,                      // GRE: key 1000, NHRP
        0, 1, 8, 0, 0, 0, 0, 0, 0, 255, 0, 106,               // afn, type, snap, hop count, size 106
        0xdd, 0xeb, 0, 52, 1, 3, 4, 0,                        // checksum, extoff, version, type 3, shtl, sstl
        4, 4, 0x80, 2, 0, 0, 0, 1,                            // lengths, U NAT, id 1
        192, 0, 2, 11, 10, 0, 0, 11, 10, 0, 0, 1,             // source NBMA, source, destination
        0, 255, 0, 0, 5, 196, 28, 32, 0, 0, 0, 0,             // entry: prefix 255, MTU 1476, 7200 s
        0x80, 3, 0, 0, 0x80, 4, 0, 0, 0x80, 5, 0, 0,          // responder, forward, reverse
        0x80, 7, 0, 10, 0, 0, 0, 1, b's', b'e', b'c', b'r', b'e', b't',
        0, 9, 0, 20, 0, 32, 0, 0, 5, 196, 0, 0, 4, 0, 4, 0, 192, 0, 2, 1, 10, 0, 0, 1,
        0x80, 0, 0, 0,
    ];
    assert_eq!(sent.payload, expected);
}

#[test]
fn without_unique_the_flag_goes_and_the_prefix_is_the_host() {
    let mut world = pair(hub(), with(spoke(1), |t| t.nhrp.unique = false));
    world.run(secs(1));

    let request = world.seen[0].mandatory();
    assert_eq!((request.flags.0, request.cies[0].prefix_len), (0x0002, 32));
    assert!(!world.binding("hub", ip("10.0.0.11")).unwrap().unique);
}

#[test]
fn a_refresh_comes_every_third_of_the_holding_time_and_has_a_new_id() {
    let mut world = pair(hub(), hold(60, spoke(1)));
    world.run(secs(201));

    let requests = world.from("192.0.2.11");
    let expected: Vec<u64> = (0..=10).map(|n| n * 20_000_000_000).collect();
    assert_eq!(times(&requests), expected);
    assert_eq!(ids(&requests), (1..=11).collect::<Vec<_>>());
    assert_eq!(world.events_of("hub").iter().filter(|e| matches!(e, Event::BindingRefreshed { .. })).count(), 10);
}

#[test]
fn a_third_that_is_no_whole_second_is_exact_too() {
    let mut world = pair(hub(), hold(100, spoke(1)));
    world.run(secs(100));

    assert_eq!(times(&world.from("192.0.2.11")), [0, 33_333_333_333, 66_666_666_666, 99_999_999_999]);
}

#[test]
fn ten_cycles_of_the_default_holding_time_keep_the_binding() {
    let mut world = pair(hub(), spoke(1));
    for cycle in 1..=10 {
        world.run(secs(cycle * 7200));
        assert!(world.binding("hub", ip("10.0.0.11")).is_some());
    }
    assert_eq!(world.from("192.0.2.11").len(), 31);
    assert!(!world.events_of("hub").iter().any(|e| matches!(e, Event::BindingExpired { .. })));
    assert!(!world.events_of("spoke").iter().any(|e| matches!(e, Event::RegistrationLost { .. })));
}

#[test]
fn twenty_five_days_pass_without_a_timer_too_early_or_too_late() {
    let mut world = pair(hub(), hold(u16::MAX, spoke(1)));
    // 2^31 ms are 24.86 days.
    world.run(secs(25 * 86_400));

    let expected: Vec<u64> = (0..=98).map(|n| n * 21_845_000_000_000).collect();
    assert_eq!(times(&world.from("192.0.2.11")), expected);
    // One wake-up per refresh: nothing polled in between.
    assert_eq!(world.wakeups, 98);
}

#[test]
fn late_timers_do_not_add_up() {
    let mut world = pair(hub(), spoke(1));
    world.late = Duration::from_millis(3);
    world.run(secs(25 * 86_400));

    let sent = times(&world.from("192.0.2.11"));
    assert_eq!((sent.len(), sent[0], sent[1]), (900, 0, 2_400_003_000_000));
    assert!(sent[1..].windows(2).all(|pair| pair[1] - pair[0] == 2_400_000_000_000), "a period has changed");
}

#[test]
fn a_machine_that_slept_counts_from_when_it_woke() {
    let mut world = pair(hub(), spoke(1));
    world.run(secs(10));
    // Three refreshes fall into the sleep; one is made up for.
    world.late = Duration::from_secs(7500);
    world.run(secs(2400 + 7500));
    world.late = Duration::ZERO;
    world.run(secs(2400 + 7500 + 2400));
    assert_eq!(times(&world.from("192.0.2.11")), [0, 9_900, 12_300].map(|s| s * 1_000_000_000));
}

#[test]
fn an_unanswered_request_is_repeated_with_its_id_and_doubling_waits() {
    let mut world = World::new(DELAY);
    world.add("spoke", spoke(1));
    world.run(secs(400));

    let requests = world.from("192.0.2.11");
    let at = [0, 1, 3, 7, 15, 31, 63, 127, 191, 255, 319, 383];
    assert_eq!(times(&requests), at.map(|s| s * 1_000_000_000));
    assert_eq!(ids(&requests), [1; 12]);
    assert_eq!(requests[0].packet, requests[11].packet);
    assert_eq!(world.nhs("spoke").state, NhsState::AwaitReply);

    world.add("hub", hub());
    world.run(secs(448));
    assert!(world.nhs("spoke").registered);
    assert_eq!(world.deadline("spoke"), Some((secs(447 + 2400), Reason::Refresh)));
}

#[test]
fn jitter_lengthens_waits_within_its_bound_and_repeats_with_the_seed() {
    let run = || {
        let mut world = World::new(DELAY);
        let retry = Backoff { jitter_percent: 25, ..Backoff::default() };
        world.add("spoke", with(spoke(1), |t| t.nhrp.retry = retry));
        world.run(secs(300));
        times(&world.from("192.0.2.11"))
    };
    let times = run();
    assert_eq!(times, run());
    for (gap, wait) in times.windows(2).map(|w| w[1] - w[0]).zip([1, 2, 4, 8, 16, 32, 64u64]) {
        let wait = wait * 1_000_000_000;
        assert!(gap > wait && gap < wait + wait / 4, "{gap} after a wait of {wait}");
    }
}

#[test]
fn a_lost_refresh_is_repeated_and_the_registration_survives() {
    let mut world = pair(hub(), hold(60, spoke(1)));
    world.run(secs(19));
    world.open = false;
    world.run(secs(22));
    assert_eq!(world.nhs("spoke").state, NhsState::Refreshing);
    assert!(world.nhs("spoke").registered);
    world.open = true;
    world.run(secs(50));

    let requests = world.from("192.0.2.11");
    // Sent at 20 (lost), 21 (lost), 23; the next third counts from the one that was answered.
    assert_eq!(times(&requests), [0, 20, 21, 23, 43].map(|s| s * 1_000_000_000));
    assert_eq!(ids(&requests), [1, 2, 2, 2, 3]);
}

#[test]
fn a_reply_slower_than_a_third_of_the_holding_time_is_followed_by_the_refresh_at_once() {
    let mut world = World::new(Duration::from_millis(300));
    world.add("hub", hub());
    world.add("spoke", hold(1, spoke(1)));
    world.run(Instant::from_nanos(1_300_000_000));
    assert_eq!(times(&world.from("192.0.2.11")), [0, 600_000_000, 1_200_000_000]);
}

#[test]
fn the_registration_is_lost_when_its_holding_time_ends() {
    let mut world = pair(hub(), hold(60, spoke(1)));
    world.run(secs(1));
    world.open = false;

    let end = secs(60) + DELAY * 2;
    world.run(end - NS);
    assert!(world.nhs("spoke").registered);
    world.run(end);
    assert!(!world.nhs("spoke").registered);
    let lost: Vec<Instant> = world
        .events
        .iter()
        .filter(|(_, _, e)| matches!(e, Event::RegistrationLost { .. }))
        .map(|(at, ..)| *at)
        .collect();
    assert_eq!(lost, [end]);
}

#[test]
fn a_binding_expires_at_its_instant_and_not_before() {
    let mut world = pair(hub(), hold(60, spoke(1)));
    world.run(secs(1));
    // It falls silent without a goodbye.
    world.open = false;
    world.act("spoke", |node, now| node.command(now, Command::Shutdown));

    let end = secs(60) + DELAY;
    world.run(end - NS);
    assert!(world.binding("hub", ip("10.0.0.11")).is_some());
    assert_eq!(world.deadline("hub"), Some((end, Reason::BindingExpiry)));
    world.run(end);
    assert!(world.binding("hub", ip("10.0.0.11")).is_none());
    assert_eq!(world.deadline("hub"), None);
    let (at, _, event) = &world.events[world.events.len() - 2];
    assert!(matches!(event, Event::BindingExpired { .. }) && *at == end);
    assert!(matches!(world.events.last(), Some((_, _, Event::AdjacencyGone { .. }))));
}

#[test]
fn a_packet_at_the_instant_of_expiry_finds_the_binding_gone() {
    let mut world = World::new(DELAY);
    world.add("hub", hub());
    let _ = world.inject("hub", ip("192.0.2.11"), in_gre(&request(1, "192.0.2.11", "10.0.0.11")));
    world.now = secs(300);
    // Without expiry first, this would be a conflict with a unique binding.
    let _ = world.inject("hub", ip("192.0.2.12"), in_gre(&request(1, "192.0.2.12", "10.0.0.11")));
    assert_eq!(world.binding("hub", ip("10.0.0.11")).unwrap().nbma, ip("192.0.2.12"));
    assert_eq!(world.seen[1].mandatory().cies[0].code, CieCode::SUCCESS);
}

#[test]
fn a_hub_that_restarts_gets_the_next_refresh() {
    let mut world = pair(hub(), hold(60, spoke(1)));
    world.run(secs(5));
    world.add("hub", hub());
    assert!(world.binding("hub", ip("10.0.0.11")).is_none());
    world.run(secs(21));
    assert!(world.binding("hub", ip("10.0.0.11")).is_some());
}

#[test]
fn a_refusal_means_not_registered_and_every_attempt_has_a_new_id() {
    let elsewhere = with(hub(), |t| t.prefix_len = 30);
    let mut world = pair(elsewhere, spoke(1));
    world.run(secs(20));

    let requests = world.from("192.0.2.11");
    assert_eq!(times(&requests), [0, 1, 3, 7, 15].map(|s| s * 1_000_000_000));
    assert_eq!(ids(&requests), [1, 2, 3, 4, 5]);
    assert_eq!(refusals(&world), [Refusal::Code(CieCode::ADMINISTRATIVELY_PROHIBITED); 5]);
    let nhs = world.nhs("spoke");
    assert_eq!((nhs.registered, nhs.state, nhs.request_id), (false, NhsState::AwaitReply, None));
    assert!(world.binding("hub", ip("10.0.0.11")).is_none());
    let reply = world.from("192.0.2.1")[0].mandatory();
    assert_eq!((reply.cies[0].code, reply.cies[0].holding_time), (CieCode::ADMINISTRATIVELY_PROHIBITED, 0));
}

#[test]
fn any_code_but_0_refuses_also_during_a_refresh() {
    for code in [4, 5, 14, 99, 255] {
        let mut world = World::new(DELAY);
        world.add("spoke", hold(60, spoke(1)));
        let answer = |world: &mut World, code| {
            let request = world.seen.last().unwrap().message();
            let mut reply = request.clone();
            let mut mandatory = request.mandatory().unwrap().clone();
            mandatory.cies[0].code = CieCode(code);
            reply.body = dmvpn_wire::nhrp::Body::RegistrationReply(mandatory);
            world.inject("spoke", ip("192.0.2.1"), in_gre(&reply))
        };
        assert_eq!(answer(&mut world, 0), Verdict::Consumed);
        assert!(world.nhs("spoke").registered);
        world.run(secs(20));
        assert_eq!(answer(&mut world, code), Verdict::Consumed);
        assert!(!world.nhs("spoke").registered, "code {code}");
        assert_eq!(world.nhs("spoke").refusal, Some(Refusal::Code(CieCode(code))));
        world.run(secs(21));
        assert_eq!(ids(&world.from("192.0.2.11")), [1, 2, 3]);
    }
}

#[test]
fn wrong_or_missing_authentication_is_error_11_and_no_binding() {
    for (at_hub, at_spoke) in [("secret", Some("SECRET")), ("secret", Some("secre")), ("secret", None)] {
        let spoke = with(spoke(1), |t| t.nhrp.authentication = at_spoke.map(Secret::new));
        let mut world = pair(secret(at_hub, hub()), spoke);
        world.run(Instant::from_nanos(500_000_000));

        let sent = world.from("192.0.2.1");
        assert_eq!(sent.len(), 1);
        let message = sent[0].message();
        let dmvpn_wire::nhrp::Body::ErrorIndication(error) = &message.body else { panic!("{message:?}") };
        assert_eq!(error.code, ErrorCode::AUTHENTICATION_FAILURE);
        assert_eq!(error.offset, if at_spoke.is_some() { 64 } else { 0 });
        assert_eq!((error.src_nbma.ip(), error.src_proto.ip()), (Some(ip("192.0.2.1")), Some(ip("10.0.0.1"))));
        assert_eq!(error.dst_proto.ip(), Some(ip("10.0.0.11")));
        assert_eq!(error.packet, world.from("192.0.2.11")[0].packet.payload[4..]);
        assert!(message.extensions.is_empty() && message.fixed.hop_count == 255);
        assert!(world.binding("hub", ip("10.0.0.11")).is_none());

        // The spoke takes it for what it is, although there is no authentication in it.
        assert_eq!(refusals(&world), [Refusal::Error(ErrorCode::AUTHENTICATION_FAILURE)]);
        assert!(!world.nhs("spoke").registered);
        world.run(secs(2));
        assert_eq!(ids(&world.from("192.0.2.11")), [1, 2]);
    }
}

#[test]
fn right_authentication_is_echoed_in_place() {
    let mut world = pair(secret("CISCO", hub()), secret("CISCO", spoke(1)));
    world.run(secs(1));

    assert!(world.nhs("spoke").registered);
    let order = |seen: &Seen| seen.message().extensions.iter().map(|e| e.code().0).collect::<Vec<_>>();
    assert_eq!(order(&world.seen[0]), [3, 4, 5, 7, 9]);
    assert_eq!(order(&world.seen[1]), [3, 4, 5, 7, 9]);
    assert_eq!(world.seen[0].packet.payload.len() % 2, 1);
}

#[test]
fn a_reply_without_the_secret_is_no_acknowledgment() {
    let mut world = World::new(DELAY);
    world.add("spoke", secret("secret", spoke(1)));
    let mut reply = world.seen[0].message();
    reply.extensions.retain(|e| e.code() != ExtensionType::AUTHENTICATION);
    reply.body = dmvpn_wire::nhrp::Body::RegistrationReply(reply.mandatory().unwrap().clone());
    let verdict = world.inject("spoke", ip("192.0.2.1"), in_gre(&reply));

    assert_eq!(verdict, Verdict::Dropped(DropReason::AuthenticationFailure));
    assert!(!world.nhs("spoke").registered);
    world.run(secs(1));
    // Error 11 to whom the bad reply says it is for: the destination in it; then the retransmission with its id.
    let dmvpn_wire::nhrp::Body::ErrorIndication(error) = world.seen[1].message().body else { panic!() };
    assert_eq!((error.code, error.dst_proto.ip()), (ErrorCode::AUTHENTICATION_FAILURE, Some(ip("10.0.0.1"))));
    assert_eq!(world.seen[2].mandatory().request_id, 1);
}

#[test]
fn only_a_fitting_reply_acknowledges() {
    let mut world = World::new(DELAY);
    world.add("spoke", spoke(1));
    let mut reply = world.seen[0].message();
    reply.body = dmvpn_wire::nhrp::Body::RegistrationReply(reply.mandatory().unwrap().clone());
    let mut try_it = |from: &str, reply: dmvpn_wire::nhrp::Message, drop| {
        assert_eq!(world.inject("spoke", ip(from), in_gre(&reply)), Verdict::Dropped(drop));
        assert!(!world.nhs("spoke").registered);
    };
    let change = |change: fn(&mut dmvpn_wire::nhrp::Mandatory)| edit(reply.clone(), change);
    try_it("192.0.2.2", reply.clone(), DropReason::NotFromNhs);
    try_it("192.0.2.1", change(|m| m.request_id += 1), DropReason::UnsolicitedReply);
    try_it("192.0.2.1", change(|m| m.src_proto = ip("10.0.0.12").into()), DropReason::ReplyMismatch);
    try_it("192.0.2.1", change(|m| m.src_nbma = ip("192.0.2.12").into()), DropReason::ReplyMismatch);
    try_it("192.0.2.1", change(|m| m.cies.clear()), DropReason::ReplyMismatch);

    assert_eq!(world.inject("spoke", ip("192.0.2.1"), in_gre(&reply)), Verdict::Consumed);
    assert!(world.nhs("spoke").registered);
    // A copy of the reply: the network duplicates.
    assert_eq!(world.inject("spoke", ip("192.0.2.1"), in_gre(&reply)), Verdict::Dropped(DropReason::UnsolicitedReply));
    assert!(world.nhs("spoke").registered);
    assert_eq!(world.node("spoke").stats().drops(DropReason::UnsolicitedReply), 2);
}

#[test]
fn a_foreign_error_indication_changes_nothing() {
    let mut world = pair(secret("secret", hub()), spoke(1));
    world.run(secs(0) + DELAY);
    let error = world.from("192.0.2.1")[0].message();
    let mut other = error.clone();
    let dmvpn_wire::nhrp::Body::ErrorIndication(body) = &mut other.body else { panic!() };
    body.packet[27] ^= 1;
    let unsolicited = Verdict::Dropped(DropReason::UnsolicitedError);
    assert_eq!(world.inject("spoke", ip("192.0.2.1"), in_gre(&other)), unsolicited);
    assert_eq!(world.inject("spoke", ip("192.0.2.7"), in_gre(&error)), unsolicited);
    let mut cut = error.clone();
    let dmvpn_wire::nhrp::Body::ErrorIndication(body) = &mut cut.body else { panic!() };
    body.packet.truncate(30);
    assert_eq!(world.inject("spoke", ip("192.0.2.1"), in_gre(&cut)), unsolicited);
    assert_eq!(refusals(&world), []);
    assert_eq!(world.seen.len(), 2, "an error must not be answered");
    assert_eq!(world.inject("spoke", ip("192.0.2.1"), in_gre(&error)), Verdict::Consumed);
    assert_eq!(refusals(&world).len(), 1);
}

#[test]
fn a_server_known_by_nbma_address_only_names_itself() {
    let dynamic = with(hold(60, spoke(1)), |t| t.nhrp.nhs[0].protocol = None);
    let mut world = pair(hub(), dynamic);
    world.run(secs(21));

    let first = world.seen[0].message();
    assert_eq!(first.mandatory().unwrap().dst_proto.ip(), Some(ip("10.0.0.11")));
    let Some(ExtensionValue::CiscoNat(cies)) = first.extension(ExtensionType::CISCO_NAT) else { panic!() };
    assert_eq!(cies[0].proto.ip(), Some(ip("0.0.0.0")));
    assert_eq!(world.nhs("spoke").protocol, Some(ip("10.0.0.1")));
    assert_eq!(world.binding("spoke", ip("10.0.0.1")).unwrap().nbma, ip("192.0.2.1"));
    // The refresh knows it.
    assert_eq!(world.from("192.0.2.11")[1].mandatory().dst_proto.ip(), Some(ip("10.0.0.1")));

    world.open = false;
    world.run(secs(90));
    assert_eq!(world.nhs("spoke").protocol, None);
    assert!(world.binding("spoke", ip("10.0.0.1")).is_none());
}

#[test]
fn a_new_outer_address_registers_at_once() {
    let mut world = pair(hub(), with(spoke(1), |t| t.nhrp.unique = false));
    world.run(secs(100));
    world.link("spoke", LinkEvent::NbmaChanged { tunnel: TUN, nbma: ip("192.0.2.99") });
    assert!(!world.nhs("spoke").registered);
    world.run(secs(101));

    let requests = world.from("192.0.2.99");
    assert_eq!(times(&requests), [100_000_000_000]);
    assert_eq!((ids(&requests), requests[0].mandatory().src_nbma.ip()), (vec![2], Some(ip("192.0.2.99"))));
    assert_eq!(world.binding("hub", ip("10.0.0.11")).unwrap().nbma, ip("192.0.2.99"));
    assert!(world.events_of("hub").iter().any(|e| matches!(e, Event::BindingMoved { .. })));
    assert_eq!(world.binding("spoke", ip("10.0.0.11")).unwrap().nbma, ip("192.0.2.99"));
}

#[test]
fn a_unique_binding_keeps_a_moved_spoke_out_until_it_expires() {
    let mut world = pair(hub(), hold(60, spoke(1)));
    world.run(secs(10));
    // The purge of the old binding is lost.
    world.open = false;
    world.link("spoke", LinkEvent::NbmaChanged { tunnel: TUN, nbma: ip("192.0.2.99") });
    world.open = true;
    world.run(secs(12));
    assert_eq!(refusals(&world)[0], Refusal::Code(CieCode::ALREADY_REGISTERED));
    assert_eq!(world.binding("hub", ip("10.0.0.11")).unwrap().nbma, ip("192.0.2.11"));
    world.run(secs(10 + 127));
    assert_eq!(world.binding("hub", ip("10.0.0.11")).unwrap().nbma, ip("192.0.2.99"));
    assert!(world.nhs("spoke").registered);
}

#[test]
fn link_events_that_make_no_sense_are_ignored() {
    let mut world = pair(hub(), spoke(1));
    let bad = ["0.0.0.0", "224.0.0.1", "192.0.2.1", "2001:db8::1"];
    for nbma in bad.map(ip) {
        world.act("spoke", |node, now| node.link(now, LinkEvent::NbmaChanged { tunnel: TUN, nbma }));
    }
    world.act("spoke", |node, now| node.link(now, LinkEvent::Down { tunnel: dmvpn_core::TunnelId(7) }));
    let ignored = world.events_of("spoke").iter().filter(|e| matches!(e, Event::LinkEventIgnored { .. })).count();
    assert_eq!(ignored, bad.len() + 1);
    assert_eq!(world.node("spoke").tunnels()[0].nbma, ip("192.0.2.11"));
}

#[test]
fn a_link_that_goes_down_is_silent_and_registers_when_it_is_back() {
    let mut world = pair(hub(), hold(60, spoke(1)));
    world.run(secs(5));
    world.link("spoke", LinkEvent::Down { tunnel: TUN });
    assert_eq!((world.deadline("spoke"), world.nhs("spoke").state), (None, NhsState::Idle));
    world.run(secs(500));
    assert_eq!(world.from("192.0.2.11").len(), 1);
    let reply = world.from("192.0.2.1")[0].packet.payload.clone();
    assert_eq!(world.inject("spoke", ip("192.0.2.1"), reply), Verdict::Dropped(DropReason::TunnelDown));

    world.link("spoke", LinkEvent::Up { tunnel: TUN });
    world.run(secs(501));
    assert_eq!(times(&world.from("192.0.2.11")), [0, 500_000_000_000]);
    assert!(world.nhs("spoke").registered);
}

#[test]
fn after_shutdown_no_timer_is_left_and_nothing_is_answered() {
    let mut world = pair(hub(), spoke(1));
    world.run(secs(5));
    for name in ["hub", "spoke"] {
        assert_eq!(world.act(name, |node, now| node.command(now, Command::Shutdown)), Reply::Stopped);
        assert_eq!(world.deadline(name), None);
    }
    let request = world.seen[0].packet.payload.clone();
    assert_eq!(world.inject("hub", ip("192.0.2.11"), request), Verdict::Dropped(DropReason::Stopped));
    world.run(secs(100_000));
    // Request, reply, and the goodbye.
    assert_eq!(world.seen.len(), 3);
    assert_eq!(world.events_of("hub").iter().filter(|e| matches!(e, Event::Stopped)).count(), 1);
}

#[test]
fn two_servers_are_registered_with_independently() {
    let second = with(hub(), |t| {
        t.nbma = ip("192.0.2.2");
        t.address = ip("10.0.0.2");
    });
    let both = with(spoke(1), |t| t.nhrp.nhs.push(dmvpn_core::config::Nhs::new(ip("10.0.0.2"), ip("192.0.2.2"))));
    let mut world = pair(hub(), both);
    world.add("hub2", second);
    world.run(secs(2));

    assert_eq!(ids(&world.from("192.0.2.11"))[..2], [1, 2]);
    assert!(world.binding("hub", ip("10.0.0.11")).is_some() && world.binding("hub2", ip("10.0.0.11")).is_some());
    assert!(world.node("spoke").view().nhs.iter().all(|nhs| nhs.registered));
}

#[test]
fn ipv6_tunnels_register_over_either_underlay() {
    for (hub_nbma, spoke_nbma) in [("192.0.2.1", "192.0.2.11"), ("2001:db8::1", "2001:db8::11")] {
        let v6 = |mut config: Config, nbma, address| {
            let tunnel = &mut config.tunnels[0];
            (tunnel.nbma, tunnel.address, tunnel.prefix_len) = (ip(nbma), ip(address), 64);
            for nhs in &mut tunnel.nhrp.nhs {
                *nhs = dmvpn_core::config::Nhs::new(ip("fd00::1"), ip(hub_nbma));
            }
            config
        };
        let mut world = pair(v6(hub(), hub_nbma, "fd00::1"), v6(spoke(1), spoke_nbma, "fd00::11"));
        world.run(secs(1));
        assert_eq!(world.binding("hub", ip("fd00::11")).unwrap().nbma, ip(spoke_nbma));
        assert!(world.nhs("spoke").registered);
    }
}

#[test]
fn no_trace_line_shows_a_secret() {
    let mut world = pair(secret("hunter2", hub()), secret("hunter2", spoke(1)));
    world.run(secs(3000));
    let lines: String = world.events.iter().map(|(at, who, e)| format!("{at:>16} {who:<5} {e} {e:?}\n")).collect();
    assert!(lines.contains("registered with 10.0.0.1"), "{lines}");
    assert!(!lines.contains("hunter2"));
    assert!(!format!("{:?}", world.node("hub").view()).contains("hunter2"));
}
