//! A hub with ten thousand spokes, and strangers who ask for everything: what holds for one holds for all.

#![allow(clippy::unwrap_used)]

mod common;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use common::*;
use dmvpn_core::config::{Config, Limits, Route, RouteVia};
use dmvpn_core::{Command, Event, Instant, Node, Output, PacketBuf, TunnelId, TxBatch, Underlay, Verdict};

const SPOKES: u32 = 10_000;

fn wide_hub(limits: Limits) -> Node {
    node(Config { limits, ..with(hub(), |t| t.prefix_len = 8) }, secs(0))
}

fn address(n: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x0A01_0000 + n).into()
}

/// When spoke `n` registers, and for how many seconds: neither order is the other's.
fn registered_at(n: u32) -> (Instant, u16) {
    (Instant::from_nanos(u64::from(n) * 1_000_003), 300 + ((n * 7919) % 5000) as u16)
}

#[test]
fn every_one_of_ten_thousand_bindings_ends_at_its_own_nanosecond() {
    let mut hub = wide_hub(Limits::default());
    for n in 0..SPOKES {
        let (at, holding_time) = registered_at(n);
        let nbma = Ipv4Addr::from_bits(0xC612_0000 + n).to_string();
        let message = edit(request(n, &nbma, &address(n).to_string()), |m| m.cies[0].holding_time = holding_time);
        let outer = Underlay { src: nbma.parse().unwrap(), dst: ip("192.0.2.1"), protocol: 47, ttl: 255 };
        let _ = hub.underlay(at, outer, in_gre(&message).into(), &mut TxBatch::new());
        while hub.poll_output().is_some() {}
    }
    assert_eq!(hub.view().bindings.len(), 1 + SPOKES as usize);
    let mut ends: Vec<(Instant, IpAddr)> = (0..SPOKES)
        .map(|n| {
            let (at, holding_time) = registered_at(n);
            (at + Duration::from_secs(holding_time.into()), address(n))
        })
        .collect();
    ends.sort();
    for (end, protocol) in ends {
        // One nanosecond early, nothing happens; at the instant, this one goes and no other.
        hub.handle_timeout(end - NS);
        assert_eq!(hub.poll_output(), None);
        assert_eq!(hub.poll_timeout().map(|(at, _)| at), Some(end));
        hub.handle_timeout(end);
        let mut gone = Vec::new();
        while let Some(output) = hub.poll_output() {
            if let Output::Event(Event::BindingExpired { binding, .. }) = output {
                gone.push(binding.protocol);
            }
        }
        assert_eq!(gone, [protocol]);
    }
    assert_eq!((hub.view().bindings.len(), hub.poll_timeout()), (1, None));
    hub.invariants().unwrap();
}

/// A registration of 64 addresses, from number `first` on, without U.
fn sixty_four(id: u32, nbma: &str, first: u32) -> dmvpn_wire::nhrp::Message {
    use dmvpn_wire::nhrp::{Cie, Flags};
    edit(request(id, nbma, "10.0.0.9"), |m| {
        m.flags = Flags::CISCO_NAT;
        let entry = |n| Cie { proto: address(first + n).into(), prefix_len: 32, holding_time: 600, ..Cie::default() };
        m.cies = (0..64).map(entry).collect();
    })
}

#[test]
fn one_station_that_registers_a_million_addresses_gets_its_share_and_no_more() {
    const MILLION: u32 = 1 << 20;
    let limits = Limits { messages_per_second_per_peer: MILLION, ..Limits::default() };
    let mut hub = wide_hub(limits);
    let mut registers = |nbma: &str, message: &dmvpn_wire::nhrp::Message| -> usize {
        let outer = Underlay { src: ip(nbma), dst: ip("192.0.2.1"), protocol: 47, ttl: 255 };
        let verdict = hub.underlay(secs(1), outer, in_gre(message).into(), &mut TxBatch::new());
        assert_eq!(verdict, Verdict::Consumed);
        let mut accepted = None;
        while let Some(output) = hub.poll_output() {
            if let Output::Transmit(packet) = output {
                let reply = common::message(&packet.payload);
                let codes = reply.mandatory().unwrap().cies.iter().map(|cie| cie.code.0).collect::<Vec<_>>();
                assert!(codes.iter().all(|code| [0, 5].contains(code)));
                accepted = Some(codes.into_iter().filter(|code| *code == 0).count());
            }
        }
        accepted.unwrap()
    };
    let flood: usize = (0..MILLION / 64).map(|n| registers("192.0.2.9", &sixty_four(n, "192.0.2.9", 64 * n))).sum();
    assert_eq!(flood, limits.bindings_per_peer);
    // What it has it may refresh; another one is served as if nothing had been, and takes an address over.
    assert_eq!(registers("192.0.2.9", &sixty_four(1, "192.0.2.9", 64)), 64);
    assert_eq!(registers("192.0.2.8", &sixty_four(1, "192.0.2.8", MILLION)), 64);
    assert_eq!(registers("192.0.2.8", &sixty_four(2, "192.0.2.8", 0)), 64);
    // Which gives the first one room again.
    assert_eq!(registers("192.0.2.9", &sixty_four(2, "192.0.2.9", 2 * MILLION)), 64);
    assert_eq!(registers("192.0.2.9", &sixty_four(3, "192.0.2.9", 3 * MILLION)), 0);
    hub.invariants().unwrap();
    assert_eq!(hub.view().bindings.len(), 1 + limits.bindings_per_peer + 128);
    let refused = u64::from(MILLION) - limits.bindings_per_peer as u64 + 64;
    assert_eq!(hub.stats().entries_refused_for_resources, refused);
}

#[test]
fn packets_to_everywhere_leave_nothing_behind() {
    let limits = Limits { routes: 20_000, outputs: 1000, held_packets: 10, ..Limits::default() };
    let mut hub = wide_hub(limits);
    // A full table in front of the flood, and one more route that has no room.
    for n in 0..=20_000u32 {
        let prefix = Ipv4Addr::from_bits(0xAC00_0000 + 256 * n).into();
        let via = RouteVia::Tunnel { tunnel: TunnelId(0), next_hop: address(n) };
        let reply = hub.command(secs(0), Command::AddRoute(Route { prefix, prefix_len: 24, via }));
        assert_eq!(reply, dmvpn_core::Reply::Route { changed: n < 20_000 });
    }
    // One in place of another needs none.
    let instead = Route { prefix: Ipv4Addr::from_bits(0xAC00_0000).into(), prefix_len: 24, via: RouteVia::Beyond };
    for changed in [true, false] {
        assert_eq!(hub.command(secs(0), Command::AddRoute(instead)), dmvpn_core::Reply::Route { changed });
    }
    let mut batch = TxBatch::new();
    for n in 0..100_000u32 {
        let mut packet = vec![0; 4 + 20];
        packet[2] = 8;
        let dst = Ipv4Addr::from_bits(0xAC00_0000_u32.wrapping_add(n.wrapping_mul(2_654_435_761)));
        let header = dmvpn_wire::ipv4::Repr {
            ttl: (n % 3) as u8,
            ..dmvpn_wire::ipv4::Repr::new(Ipv4Addr::new(10, 0, 0, 9), dst, 17.into())
        };
        header.emit(0, &mut packet[4..]).unwrap();
        let outer = Underlay { src: ip("192.0.2.9"), dst: ip("192.0.2.1"), protocol: 47, ttl: 255 };
        let _: Verdict = hub.underlay(secs(1), outer, PacketBuf::from(packet), &mut batch);
        batch.drain().for_each(drop);
        if n % 10_000 == 0 {
            hub.invariants().unwrap();
            while hub.poll_output().is_some() {}
        }
    }
    hub.invariants().unwrap();
    let view = hub.view();
    assert_eq!((view.shortcuts.len(), view.bindings.len()), (0, 1));
    assert!(hub.stats().icmp_out <= u64::from(limits.icmp_per_second) * 2);
}
