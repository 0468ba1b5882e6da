//! Registrations that a hub handles with 10,000 spokes, and what their expiry costs.
//!
//! `cargo bench -p dmvpn-core`: items per second are registrations, from octets behind the outer header to the reply's
//! octets.

use std::net::{IpAddr, Ipv4Addr};

use divan::counter::ItemsCount;
use dmvpn_core::config::{Config, Nhs, Tunnel};
use dmvpn_core::entropy::SeededEntropy;
use dmvpn_core::{Instant, Node, Output, PacketBuf, TxBatch, Underlay};

const SPOKES: u32 = 10_000;

fn main() {
    divan::main();
}

fn spoke_address(n: u32) -> (IpAddr, IpAddr) {
    let nbma = Ipv4Addr::from_bits(0xC612_0000 + 2 + n);
    let address = Ipv4Addr::from_bits(0x0A00_0000 + 2 + n);
    (nbma.into(), address.into())
}

fn node(tunnel: Tunnel) -> Node {
    let config = Config { tunnels: vec![tunnel], ..Config::default() };
    Node::new(config, Box::new(SeededEntropy::new(1)), Instant::ZERO).expect("a good configuration")
}

fn hub() -> Node {
    let mut tunnel = Tunnel::new("hub", Ipv4Addr::new(192, 0, 2, 1).into(), Ipv4Addr::new(10, 0, 0, 1).into(), 8);
    tunnel.nhrp.server = true;
    node(tunnel)
}

/// The first request of every spoke, as a spoke sends it.
fn requests() -> Vec<(IpAddr, Vec<u8>)> {
    let request = |n| {
        let (nbma, address) = spoke_address(n);
        let mut tunnel = Tunnel::new("spoke", nbma, address, 8);
        tunnel.nhrp.nhs.push(Nhs::new(Ipv4Addr::new(10, 0, 0, 1).into(), Ipv4Addr::new(192, 0, 2, 1).into()));
        let mut spoke = node(tunnel);
        let sent = std::iter::from_fn(|| spoke.poll_output()).find_map(|output| match output {
            Output::Transmit(transmit) => Some(transmit.payload),
            Output::Event(_) => None,
        });
        (nbma, sent.expect("a spoke registers at once"))
    };
    (0..SPOKES).map(request).collect()
}

/// Registers all spokes once; returns the replies.
fn register(hub: &mut Node, now: Instant, requests: &[(IpAddr, Vec<u8>)]) -> usize {
    let mut batch = TxBatch::new();
    let mut replies = 0;
    for (src, payload) in requests {
        let outer = Underlay { src: *src, dst: Ipv4Addr::new(192, 0, 2, 1).into(), protocol: 47, ttl: 255 };
        let _ = divan::black_box(hub.underlay(now, outer, PacketBuf::from(&payload[..]), &mut batch));
        while let Some(output) = hub.poll_output() {
            replies += usize::from(matches!(divan::black_box(output), Output::Transmit(_)));
        }
    }
    assert_eq!(replies, requests.len());
    replies
}

#[divan::bench(sample_count = 20)]
fn first(bencher: divan::Bencher<'_, '_>) {
    let requests = requests();
    bencher
        .counter(ItemsCount::new(SPOKES))
        .with_inputs(hub)
        .bench_local_values(|mut hub| register(&mut hub, Instant::ZERO, &requests));
}

#[divan::bench(sample_count = 20)]
fn refresh(bencher: divan::Bencher<'_, '_>) {
    let requests = requests();
    let mut hub = hub();
    register(&mut hub, Instant::ZERO, &requests);
    let mut now = Instant::ZERO;
    bencher.counter(ItemsCount::new(SPOKES)).bench_local(|| {
        now += std::time::Duration::from_secs(2400);
        register(&mut hub, now, &requests)
    });
}

#[divan::bench(sample_count = 20)]
fn expiry(bencher: divan::Bencher<'_, '_>) {
    let requests = requests();
    let registered = || {
        let mut hub = hub();
        register(&mut hub, Instant::ZERO, &requests);
        hub
    };
    bencher.counter(ItemsCount::new(SPOKES)).with_inputs(registered).bench_local_values(|mut hub| {
        hub.handle_timeout(Instant::from_secs(7200));
        assert_eq!(hub.view().bindings.len(), 1);
        hub
    });
}
