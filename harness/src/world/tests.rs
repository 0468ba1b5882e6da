//! The wire between stations: whose a packet is, what becomes of it, and in which order packets arrive.

use std::net::IpAddr;
use std::time::Duration;

use dmvpn_core::io::Transmit;
use dmvpn_core::time::Instant;

use super::fabric::{Fabric, Player};
use super::link::{Fate, Impairment};
use super::outer;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn packet(src: &str, dst: &str, payload: &[u8]) -> Vec<u8> {
    let transmit = Transmit {
        src: address(src),
        dst: address(dst),
        protocol: 47,
        tos: 0xC0,
        ttl: 9,
        df: true,
        payload: payload.to_vec(),
    };
    outer::encapsulate(&transmit, 1).unwrap()
}

/// Two outside stations with the same address, and a scripted one on the same link.
fn fabric() -> Fabric {
    let mut fabric = Fabric::new(Instant::ZERO);
    fabric.add_link("wan", Duration::from_millis(5), 1500, 1);
    for (name, nbma) in [("a", "192.0.2.1"), ("b", "192.0.2.2"), ("twin", "192.0.2.2")] {
        let player = if name == "a" { Player::Scripted } else { Player::Outside };
        fabric.add_station(name, address(nbma), "wan", player).unwrap();
    }
    fabric
}

fn last(fabric: &Fabric) -> (Option<String>, Fate) {
    let (_, _, packet) = fabric.timeline.packets(0).next_back().unwrap();
    (packet.to.clone(), packet.fate)
}

#[test]
fn the_station_that_is_up_owns_the_address() {
    let mut fabric = fabric();
    let send = |fabric: &mut Fabric| fabric.transmit(0, Instant::ZERO, packet("192.0.2.1", "192.0.2.2", b"x"));
    send(&mut fabric);
    assert_eq!(last(&fabric), (Some("b".to_owned()), Fate::Unreachable));
    fabric.start(2, Instant::ZERO).unwrap();
    send(&mut fabric);
    assert_eq!(last(&fabric), (Some("twin".to_owned()), Fate::Delivered));
    fabric.start(1, Instant::ZERO).unwrap();
    send(&mut fabric);
    assert_eq!(last(&fabric), (Some("b".to_owned()), Fate::Delivered));
    fabric.transmit(0, Instant::ZERO, packet("192.0.2.1", "192.0.2.9", b"x"));
    assert_eq!(last(&fabric), (None, Fate::Unreachable));
    assert_eq!(fabric.neighbours(0), [address("192.0.2.2"), address("192.0.2.2")]);
}

#[test]
fn arrivals_are_in_order_of_time_and_then_of_sending() {
    let mut fabric = fabric();
    fabric.start(1, Instant::ZERO).unwrap();
    let send = |fabric: &mut Fabric, ms, text: &[u8]| {
        let at = Instant::ZERO + Duration::from_millis(ms);
        fabric.transmit(0, at, packet("192.0.2.1", "192.0.2.2", text));
    };
    let delayed = Impairment { delay: Duration::from_millis(10), ..Impairment::default() };
    fabric.impair("wan", delayed).unwrap();
    send(&mut fabric, 0, b"slow");
    fabric.heal("wan").unwrap();
    send(&mut fabric, 10, b"first");
    send(&mut fabric, 10, b"second");
    send(&mut fabric, 1, b"soon");
    let mut arrived = Vec::new();
    for ms in [6, 15] {
        let now = Instant::ZERO + Duration::from_millis(ms);
        assert_eq!(fabric.next_event(), Some(now));
        fabric.fire(now).unwrap();
        for outbound in fabric.take_outbound() {
            arrived.push(String::from_utf8(outbound.octets[20..].to_vec()).unwrap());
        }
    }
    assert_eq!(arrived, ["soon", "slow", "first", "second"]);
    assert_eq!(fabric.next_event(), None);
}

#[test]
fn headers_go_on_and_come_off() {
    for (src, dst) in [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")] {
        let octets = packet(src, dst, b"inside");
        let (underlay, payload) = outer::decapsulate(&octets).unwrap();
        assert_eq!((underlay.src, underlay.dst), (address(src), address(dst)));
        assert_eq!((underlay.protocol, underlay.ttl, payload), (47, 9, b"inside".as_slice()));
        let addresses = outer::addresses(&octets).unwrap();
        assert_eq!((addresses.src, addresses.dst), (address(src), address(dst)));
        for len in 0..octets.len() {
            assert!(outer::decapsulate(&octets[..len]).is_none(), "{len} octets of {src}");
        }
    }
    assert!(outer::addresses(&[0x15; 40]).is_none());
}
