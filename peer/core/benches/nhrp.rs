//! A hub with 10,000 spokes: registrations and packets per second, what their expiry costs, and how much memory a binding
//! takes.
//!
//! `cargo bench -p dmvpn-core`: items per second are registrations, from octets behind the outer header to the reply's
//! octets, or forwarded packets. Ahead of that stand the octets per binding, counted in a pass of their own so that they
//! cost the others nothing, and how many times faster than [`WANTED`] registrations are.

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use divan::counter::ItemsCount;
use dmvpn_core::config::{Config, Nhs, Route, RouteVia, Tunnel};
use dmvpn_core::entropy::SeededEntropy;
use dmvpn_core::{Command, Instant, Node, Output, PacketBuf, TunnelId, TxBatch, Underlay};

const SPOKES: u32 = 10_000;

/// Registrations per second that a hub has to handle on one core.
const WANTED: f64 = 200_000.0;

/// The system's allocator, with a count of the octets that are in use.
struct Counting;

static IN_USE: AtomicI64 = AtomicI64::new(0);

fn count(octets: usize, sign: i64) {
    IN_USE.fetch_add(sign * i64::try_from(octets).unwrap_or(i64::MAX), Ordering::Relaxed);
}

// SAFETY: every call is passed on to the system's allocator as it came; counting touches no memory of the caller.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller keeps the contract of `alloc`, which is this one.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: the caller keeps the contract of `dealloc`, and `at` came from `System`.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(layout.size(), -1);
        count(size, 1);
        // SAFETY: the caller keeps the contract of `realloc`, and `at` came from `System`.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    if std::env::args().any(|argument| argument == "--bench") {
        memory();
        ratio();
    }
    divan::main();
}

/// Octets that a registered binding takes, with all its indexes and timers.
fn memory() {
    let requests = requests();
    let mut hub = hub();
    let before = IN_USE.load(Ordering::Relaxed);
    register(&mut hub, Instant::ZERO, &requests);
    let octets = IN_USE.load(Ordering::Relaxed) - before;
    println!("memory: {} octets per binding, {SPOKES} bindings", octets / i64::from(SPOKES));
    hub.handle_timeout(Instant::from_secs(7200));
    while hub.poll_output().is_some() {}
    let left = IN_USE.load(Ordering::Relaxed) - before;
    println!("memory: {} octets per binding are left when all have expired", left / i64::from(SPOKES));
}

/// How many times more registrations than wanted a hub handles in a second: the best of five passes.
#[allow(clippy::disallowed_methods, reason = "a bench measures real time")]
fn ratio() {
    let requests = requests();
    let mut hub = hub();
    register(&mut hub, Instant::ZERO, &requests);
    let passes = (1..=5).map(|pass| {
        let start = std::time::Instant::now();
        register(&mut hub, Instant::from_secs(2400 * pass), &requests);
        start.elapsed()
    });
    let best = passes.min().unwrap_or(Duration::MAX).as_secs_f64();
    let rate = f64::from(SPOKES) / best;
    println!("registrations: {rate:.0} per second, {:.2} times the {WANTED:.0} wanted", rate / WANTED);
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

/// Packets from spoke to spoke through the hub, half of them to networks behind the spokes.
#[divan::bench(sample_count = 20)]
fn forward(bencher: divan::Bencher<'_, '_>) {
    let mut hub = hub();
    register(&mut hub, Instant::ZERO, &requests());
    let mut packets = Vec::new();
    for n in 0..SPOKES {
        let (nbma, address) = spoke_address(n);
        let (_, other) = spoke_address((n + 5000) % SPOKES);
        let prefix = Ipv4Addr::from_bits(0xAC00_0000 + 256 * n).into();
        let via = RouteVia::Tunnel { tunnel: TunnelId(0), next_hop: address };
        hub.command(Instant::ZERO, Command::AddRoute(Route { prefix, prefix_len: 24, via }));
        let behind = Ipv4Addr::from_bits(0xAC00_0009 + 256 * ((n + 5000) % SPOKES)).into();
        packets.push((nbma, data(address, if n % 2 == 0 { other } else { behind })));
    }
    let mut batch = TxBatch::new();
    bencher.counter(ItemsCount::new(SPOKES)).bench_local(|| {
        for (src, payload) in &packets {
            let outer = Underlay { src: *src, dst: Ipv4Addr::new(192, 0, 2, 1).into(), protocol: 47, ttl: 255 };
            let _ = hub.underlay(Instant::ZERO, outer, PacketBuf::from(&payload[..]), &mut batch);
        }
        assert_eq!(batch.drain().count(), packets.len());
    });
}

/// A packet of 100 octets in GRE.
fn data(src: IpAddr, dst: IpAddr) -> Vec<u8> {
    let (IpAddr::V4(src), IpAddr::V4(dst)) = (src, dst) else { unreachable!("the bench is IPv4") };
    let mut octets = vec![0; 4 + 20 + 80];
    octets[2] = 8;
    let header = dmvpn_wire::ipv4::Repr::new(src, dst, 17.into());
    header.emit(80, &mut octets[4..]).expect("there is room");
    octets
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
