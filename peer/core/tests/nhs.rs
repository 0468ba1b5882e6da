//! Several next hop servers: priorities, bounded clusters, and when traffic and registrations move between them.

#![allow(clippy::unwrap_used)]

mod common;

use std::net::IpAddr;
use std::time::Duration;

use common::*;
use dmvpn_core::config::{Cluster, Config, Nhs};
use dmvpn_core::nhrp::registration::NhsState;
use dmvpn_core::{Event, LinkEvent, TunnelId};

const SERVERS: [&str; 3] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];

/// Hub number `n` (1 to 3): 192.0.2.n with 10.0.0.n.
fn server(n: u8) -> Config {
    with(hub(), |t| {
        t.nbma = IpAddr::from([192, 0, 2, n]);
        t.address = IpAddr::from([10, 0, 0, n]);
    })
}

/// A spoke with three servers, best first, of which `most` are registered with at a time; a refresh every 60 s.
fn client(most: Option<u16>, fallback: u64) -> Config {
    with(spoke(1), |t| {
        t.nhrp.holding_time = 180;
        t.nhrp.fallback = Duration::from_secs(fallback);
        t.nhrp.nhs = (1..=3)
            .map(|n| Nhs {
                protocol: Some(IpAddr::from([10, 0, 0, n])),
                nbma: IpAddr::from([192, 0, 2, n]),
                priority: n,
                cluster: 5,
            })
            .collect();
        t.nhrp.clusters = most.map(|max_connections| Cluster { id: 5, max_connections }).into_iter().collect();
    })
}

fn world(most: Option<u16>, fallback: u64) -> World {
    let mut world = World::new(Duration::ZERO);
    for (name, n) in [("hub1", 1), ("hub2", 2), ("hub3", 3)] {
        world.add(name, server(n));
    }
    world.add("spoke", client(most, fallback));
    world.run(secs(1));
    world
}

fn states(world: &World) -> [NhsState; 3] {
    let rows = world.nodes["spoke"].view().nhs;
    [rows[0].state, rows[1].state, rows[2].state]
}

/// Which server an unknown destination is reached by.
fn way(world: &mut World) -> IpAddr {
    let mut packet = vec![0x45, 0, 0, 20, 0, 0, 0, 0, 64, 253, 0, 0, 10, 0, 0, 11, 172, 16, 0, 1];
    dmvpn_wire::ipv4::Packet::new(&mut packet[..]).fill_checksum();
    let mut batch = dmvpn_core::TxBatch::new();
    world.act("spoke", |node, now| {
        let _ = node.overlay(now, TUN, packet.into(), &mut batch);
    });
    batch.as_slice()[0].dst
}

/// Cuts a hub off, or lets it come back.
fn reach(world: &mut World, name: &'static str, yes: bool) {
    let event = if yes { LinkEvent::Up { tunnel: TUN } } else { LinkEvent::Down { tunnel: TUN } };
    world.link(name, event);
}

/// When something of that kind happened at the spoke, and with which server.
fn moments(world: &World, of: fn(&Event) -> Option<IpAddr>) -> Vec<(u64, IpAddr)> {
    let at = |at: dmvpn_core::Instant| at.as_nanos() / 1_000_000_000;
    world.events.iter().filter_map(|(when, _, event)| of(event).map(|nbma| (at(*when), nbma))).collect()
}

fn activated(world: &World) -> Vec<(u64, IpAddr)> {
    moments(world, |event| match event {
        Event::NhsActivated { nbma, .. } => Some(*nbma),
        _ => None,
    })
}

fn released(world: &World) -> Vec<(u64, IpAddr)> {
    moments(world, |event| match event {
        Event::NhsReleased { nbma, .. } => Some(*nbma),
        _ => None,
    })
}

use NhsState::{AwaitReply, Registered, Standby};

#[test]
fn without_a_bound_all_servers_are_registered_with_and_the_best_carries_traffic() {
    let mut world = world(None, 0);
    assert_eq!(states(&world), [Registered; 3]);
    assert_eq!(way(&mut world), ip(SERVERS[0]));
    // Found out a third of the holding time and 15 s later, although the registration stands until 180 s.
    reach(&mut world, "hub1", false);
    world.run(dmvpn_core::Instant::from_nanos(74_999_999_999));
    assert_eq!(way(&mut world), ip(SERVERS[0]));
    world.run(secs(75));
    assert_eq!(way(&mut world), ip(SERVERS[1]));
    assert!(world.nodes["spoke"].view().nhs[0].registered);
}

#[test]
fn only_the_best_of_a_cluster_are_registered_with() {
    let mut world = world(Some(2), 0);
    assert_eq!(states(&world), [Registered, Registered, Standby]);
    assert_eq!(way(&mut world), ip(SERVERS[0]));
    world.run(secs(1000));
    let to_third = world.from("192.0.2.11").into_iter().filter(|seen| seen.packet.dst == ip(SERVERS[2])).count();
    assert_eq!((to_third, activated(&world).len(), released(&world)), (0, 2, vec![]));
    assert_eq!(world.nodes["spoke"].view().nhs[0].cluster, 5);
}

#[test]
fn a_lost_server_is_replaced_after_three_retransmissions() {
    let mut world = world(Some(1), 0);
    reach(&mut world, "hub1", false);
    // The refresh is due at 60 s; 1 + 2 + 4 + 8 s later the fourth transmission has been unanswered for its wait.
    world.run(secs(74));
    assert_eq!(activated(&world), [(0, ip(SERVERS[0]))]);
    world.run(secs(75));
    assert_eq!(activated(&world), [(0, ip(SERVERS[0])), (75, ip(SERVERS[1]))]);
    assert_eq!((states(&world)[1], way(&mut world)), (Registered, ip(SERVERS[1])));
    // The next one down the list, and the lost ones are still asked.
    reach(&mut world, "hub2", false);
    world.run(secs(400));
    assert_eq!(activated(&world)[2..], [(150, ip(SERVERS[2]))]);
    assert_eq!(states(&world), [AwaitReply, AwaitReply, Registered]);
    assert_eq!(way(&mut world), ip(SERVERS[2]));
    // A control: with the second one back, the third is let go.
    reach(&mut world, "hub2", true);
    world.run(secs(500));
    assert_eq!(states(&world), [AwaitReply, Registered, Standby]);
    assert_eq!(way(&mut world), ip(SERVERS[1]));
}

#[test]
fn a_better_server_must_stand_for_fallback_before_anything_moves_back() {
    let mut world = world(Some(1), 90);
    reach(&mut world, "hub1", false);
    world.run(secs(100));
    assert_eq!(way(&mut world), ip(SERVERS[1]));
    reach(&mut world, "hub1", true);
    // Attempts at 60, 61, 63, 67, 75, 91, 123, 187 s.
    world.run(secs(123));
    assert_eq!(states(&world), [Registered, Registered, Standby]);
    assert_eq!(way(&mut world), ip(SERVERS[1]));
    world.run(dmvpn_core::Instant::from_nanos(212_999_999_999));
    assert_eq!((way(&mut world), released(&world)), (ip(SERVERS[1]), vec![]));
    world.run(secs(213));
    assert_eq!((way(&mut world), released(&world)), (ip(SERVERS[0]), vec![(213, ip(SERVERS[1]))]));
    assert_eq!(states(&world), [Registered, Standby, Standby]);
}

#[test]
fn a_server_that_comes_and_goes_moves_nothing() {
    let mut world = world(Some(1), 200);
    for round in 0..10 {
        reach(&mut world, "hub1", false);
        world.run(secs(1 + 250 * round + 125));
        reach(&mut world, "hub1", true);
        world.run(secs(1 + 250 * (round + 1)));
        world.node("spoke").invariants().unwrap();
        if round > 0 {
            assert_eq!(way(&mut world), ip(SERVERS[1]), "round {round}");
        }
    }
    assert_eq!((activated(&world).len(), released(&world)), (2, vec![]));
    // A control: once it stays, it is preferred again.
    world.run(secs(3200));
    assert_eq!((way(&mut world), released(&world).len()), (ip(SERVERS[0]), 1));
}

#[test]
fn a_new_link_starts_with_the_best_again() {
    let mut world = world(Some(1), 3600);
    reach(&mut world, "hub1", false);
    world.run(secs(100));
    reach(&mut world, "hub1", true);
    world.link("spoke", LinkEvent::Down { tunnel: TUN });
    assert_eq!(states(&world), [NhsState::Idle; 3]);
    world.link("spoke", LinkEvent::Up { tunnel: TUN });
    world.run(secs(101));
    assert_eq!(states(&world), [Registered, Standby, Standby]);
    assert_eq!(way(&mut world), ip(SERVERS[0]));
}

#[test]
fn a_hub_may_be_the_client_of_another_hub() {
    let mut world = World::new(Duration::ZERO);
    world.add("top", server(1));
    let middle = with(server(2), |t| t.nhrp.nhs.push(Nhs::new(ip("10.0.0.1"), ip("192.0.2.1"))));
    world.add("middle", middle);
    let leaf = with(spoke(1), |t| t.nhrp.nhs = vec![Nhs::new(ip("10.0.0.2"), ip("192.0.2.2"))]);
    world.add("leaf", leaf);
    world.run(secs(1));
    assert!(world.nhs("middle").registered && world.nhs("leaf").registered);
    assert_eq!(world.binding("top", ip("10.0.0.2")).unwrap().nbma, ip("192.0.2.2"));
    assert_eq!(world.binding("middle", ip("10.0.0.11")).unwrap().nbma, ip("192.0.2.11"));
    assert!(world.binding("top", ip("10.0.0.11")).is_none());
    // Two tunnels of one node: client on one, server on the other.
    let mut both = server(3);
    both.tunnels.push(with(spoke(7), |t| t.name = "up".into()).tunnels.remove(0));
    world.add("both", both);
    world.run(secs(2));
    assert!(world.nodes["both"].view().nhs[0].registered);
    assert_eq!(world.nodes["both"].view().nhs[0].nhs.tunnel, TunnelId(1));
}
