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
    let mut node = node(config, Instant::ZERO);
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
    vec![request(2, "192.168.0.1", "10.0.0.12"), indication(error), indication(traffic), full, reply]
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
            0usize..5,
            prop::collection::vec((4usize..160, any::<u8>()), 0..4),
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
    fn a_message_with_a_wrong_checksum_changes_nothing(sample in 0usize..5, at in 4usize..160, flip in 1u8..=255) {
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
