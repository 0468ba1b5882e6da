use super::*;

const TUN: TunnelId = TunnelId(0);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn registration(protocol: &str, prefix_len: u8, nbma: &str) -> Registration {
    Registration {
        tunnel: TUN,
        protocol: ip(protocol),
        prefix_len,
        nbma: ip(nbma),
        claimed_nbma: ip(nbma),
        unique: false,
        mtu: 0,
        preference: 0,
        from: ip(nbma),
        holding_time: 60,
        request_id: 1,
    }
}

fn filled(registrations: &[Registration]) -> Cache {
    let mut cache = Cache::new(&Limits { bindings: 100, cached: 100, ..Limits::default() });
    for registration in registrations {
        cache.register(Instant::ZERO, registration, &mut Vec::new()).unwrap();
    }
    cache.invariants().unwrap();
    cache
}

#[test]
fn the_longest_prefix_answers() {
    let cache = filled(&[
        registration("10.0.0.0", 16, "192.0.2.16"),
        registration("10.0.7.0", 24, "192.0.2.24"),
        registration("10.0.7.7", 32, "192.0.2.32"),
    ]);
    let nbma = |of| cache.lookup(TUN, ip(of)).map(|b| b.nbma);
    assert_eq!(nbma("10.0.7.7"), Some(ip("192.0.2.32")));
    assert_eq!(nbma("10.0.7.8"), Some(ip("192.0.2.24")));
    assert_eq!(nbma("10.0.8.8"), Some(ip("192.0.2.16")));
    assert_eq!(nbma("10.1.0.0"), None);
    assert_eq!(nbma("fd00::1"), None);
}

#[test]
fn a_binding_answers_on_its_own_tunnel_only() {
    let cache = filled(&[registration("10.0.0.1", 32, "192.0.2.1")]);
    assert!(cache.lookup(TunnelId(1), ip("10.0.0.1")).is_none());
    assert!(cache.get(TUN, ip("10.0.0.1"), 32).is_some());
}

#[test]
fn a_refresh_restarts_the_holding_time() {
    let mut cache = filled(&[registration("10.0.0.1", 32, "192.0.2.1")]);
    let mut events = Vec::new();
    let at = Instant::from_secs(59);
    cache.register(at, &registration("10.0.0.1", 32, "192.0.2.1"), &mut events).unwrap();
    assert!(matches!(events[..], [Event::BindingRefreshed { .. }]));
    cache.handle_timeout(Instant::from_nanos(118_999_999_999), &mut events);
    assert_eq!(cache.dynamic(), 1);
    cache.handle_timeout(Instant::from_secs(119), &mut events);
    assert_eq!((cache.dynamic(), cache.poll_timeout()), (0, None));
    cache.invariants().unwrap();
}

#[test]
fn bindings_that_expire_together_go_in_the_order_of_their_addresses() {
    let mut cache = filled(&[3, 1, 2].map(|n| registration(&format!("10.0.0.{n}"), 32, "192.0.2.1")));
    let mut events = Vec::new();
    cache.handle_timeout(Instant::from_secs(60), &mut events);
    let mut order: Vec<String> = events.iter().map(ToString::to_string).collect();
    assert_eq!(order.pop().unwrap(), "tunnel 0: nothing leads to 192.0.2.1 any more");
    assert_eq!(order, [1, 2, 3].map(|n| format!("tunnel 0: dynamic binding 10.0.0.{n}/32 at 192.0.2.1 expired")));
}

#[test]
fn a_unique_station_is_both_of_its_addresses() {
    let unique = Registration { unique: true, ..registration("10.0.0.1", 32, "192.0.2.1") };
    let mut cache = filled(&[unique]);
    let behind_the_same_nat = Registration { claimed_nbma: ip("192.168.0.9"), ..unique };
    let result = cache.register(Instant::ZERO, &behind_the_same_nat, &mut Vec::new());
    assert_eq!(result, Err(CieCode::ALREADY_REGISTERED));
}

#[test]
fn what_is_configured_stands_above_registrations() {
    let mut cache = Cache::new(&Limits { bindings: 100, cached: 100, ..Limits::default() });
    for (kind, protocol) in
        [(BindingKind::Local, "10.0.0.1"), (BindingKind::Static, "10.0.0.2"), (BindingKind::Nhs, "10.0.0.3")]
    {
        cache.insert(Binding::permanent(Instant::ZERO, TUN, kind, ip(protocol), ip("192.0.2.9")), &mut Vec::new());
        let result = cache.register(Instant::ZERO, &registration(protocol, 32, "192.0.2.1"), &mut Vec::new());
        assert_eq!(result, Err(CieCode::ADMINISTRATIVELY_PROHIBITED));
    }
    assert_eq!(cache.clear(None, &mut Vec::new()), []);
    cache.remove_nhs(TUN, ip("10.0.0.3"), ip("192.0.2.8"), &mut Vec::new());
    assert!(cache.lookup(TUN, ip("10.0.0.3")).is_some());
    cache.remove_nhs(TUN, ip("10.0.0.3"), ip("192.0.2.9"), &mut Vec::new());
    assert!(cache.lookup(TUN, ip("10.0.0.3")).is_none());
    cache.invariants().unwrap();
}

#[test]
fn a_permanent_binding_replaces_a_registered_one() {
    let mut cache = filled(&[registration("10.0.0.1", 32, "192.0.2.1")]);
    let mut events = Vec::new();
    let server = Binding::permanent(Instant::ZERO, TUN, BindingKind::Nhs, ip("10.0.0.1"), ip("192.0.2.9"));
    cache.insert(server, &mut events);
    assert!(matches!(
        events[..],
        [Event::BindingRemoved { .. }, Event::AdjacencyGone { .. }, Event::BindingAdded { .. }]
    ));
    assert_eq!((cache.dynamic(), cache.poll_timeout()), (0, None));
    cache.invariants().unwrap();
}
