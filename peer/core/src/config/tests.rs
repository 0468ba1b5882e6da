use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn spoke() -> Config {
    let mut tunnel = Tunnel::new("tun0", ip("192.0.2.11"), ip("10.0.0.11"), 24);
    tunnel.nhrp.nhs.push(Nhs::new(ip("10.0.0.1"), ip("192.0.2.1")));
    Config { tunnels: vec![tunnel], ..Config::default() }
}

fn problem(change: impl FnOnce(&mut Config)) -> ConfigProblem {
    let mut config = spoke();
    change(&mut config);
    config.validate().unwrap_err().problem
}

#[test]
fn an_ordinary_spoke_is_fine() {
    assert_eq!(spoke().validate(), Ok(()));
}

#[test]
fn each_problem_has_its_own_name() {
    assert_eq!(problem(|c| c.tunnels[0].ttl = 0), ConfigProblem::Ttl);
    assert_eq!(problem(|c| c.tunnels[0].nhrp.holding_time = 0), ConfigProblem::HoldingTime);
    assert_eq!(problem(|c| c.tunnels[0].nhrp.network_id = None), ConfigProblem::NhrpOff);
    assert_eq!(problem(|c| c.tunnels[0].nhrp.network_id = Some(0)), ConfigProblem::NetworkId);
    assert_eq!(problem(|c| c.tunnels[0].prefix_len = 33), ConfigProblem::PrefixLength { len: 33, max: 32 });
    assert_eq!(problem(|c| c.tunnels[0].nhrp.retry.max = Duration::ZERO), ConfigProblem::Backoff);
    for secret in ["", "ninechars", "a\0b"] {
        assert_eq!(
            problem(|c| c.tunnels[0].nhrp.authentication = Some(Secret::new(secret))),
            ConfigProblem::Authentication
        );
    }
    assert_eq!(
        problem(|c| {
            let nhs = c.tunnels[0].nhrp.nhs[0];
            c.tunnels[0].nhrp.nhs.push(nhs);
        }),
        ConfigProblem::DuplicateNhs { nbma: ip("192.0.2.1") }
    );
    assert_eq!(
        problem(|c| {
            let mut twin = c.tunnels[0].clone();
            twin.name = "tun1".into();
            c.tunnels.push(twin);
        }),
        ConfigProblem::Indistinguishable { other: "tun0".into() }
    );
    assert_eq!(problem(|c| c.limits.tunnels = 0), ConfigProblem::TooManyTunnels { count: 1, limit: 0 });
}

#[test]
fn prefix_length_ff_is_the_wire_form_of_host_and_allowed_in_registrations() {
    let mut config = spoke();
    config.tunnels[0].nhrp.prefix_len = Some(0xFF);
    assert_eq!(config.validate(), Ok(()));
}

#[test]
fn a_secret_is_never_printed() {
    let mut config = spoke();
    config.tunnels[0].nhrp.authentication = Some(Secret::new("hunter2"));
    assert!(!format!("{config:?}").contains("hunter2"));
    assert!(!format!("{config:?}").contains("104, 117"));
    assert_eq!(Secret::new("hunter2").to_string(), "***");
}

#[test]
fn backoff_doubles_to_its_maximum() {
    let waits: Vec<u64> = (1..=9).map(|n| Backoff::default().wait_after(n).as_secs()).collect();
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 64, 64]);
    assert_eq!(Backoff::default().wait_after(u32::MAX).as_secs(), 64);
}

#[test]
fn a_host_length_serves_the_whole_family() {
    let mut tunnel = Tunnel::new("tun0", ip("192.0.2.1"), ip("10.0.0.1"), 24);
    assert!(tunnel.serves(ip("10.0.0.200")) && !tunnel.serves(ip("10.0.1.1")));
    tunnel.prefix_len = 32;
    assert!(tunnel.serves(ip("10.0.1.1")) && !tunnel.serves(ip("224.0.0.5")) && !tunnel.serves(ip("fd00::1")));
}

#[test]
fn masks_of_every_length_hold() {
    assert_eq!(masked(ip("10.1.2.3"), 0), ip("0.0.0.0"));
    assert_eq!(masked(ip("10.1.2.3"), 20), ip("10.1.0.0"));
    assert_eq!(masked(ip("10.1.2.3"), 200), ip("10.1.2.3"));
    assert_eq!(masked(ip("fd00::ffff"), 120), ip("fd00::ff00"));
}

#[test]
fn clusters_receivers_and_routes_have_names_for_their_problems_too() {
    let cluster = |id, max_connections| Cluster { id, max_connections };
    let clusters = |list: &[Cluster]| {
        let list = list.to_vec();
        problem(|c| c.tunnels[0].nhrp.clusters = list)
    };
    assert_eq!(clusters(&[cluster(3, 0)]), ConfigProblem::EmptyCluster { id: 3 });
    assert_eq!(clusters(&[cluster(3, 1), cluster(3, 2)]), ConfigProblem::DuplicateCluster { id: 3 });
    assert_eq!(problem(|c| c.tunnels[0].nhrp.resolution_holding_time = Some(0)), ConfigProblem::HoldingTime);
    let receiver = |nbma: &str| problem(|c| c.tunnels[0].nhrp.multicast.push(Multicast::Static(ip(nbma))));
    assert!(matches!(receiver("192.0.2.11"), ConfigProblem::OwnAddress { .. }));
    assert!(matches!(receiver("2001:db8::1"), ConfigProblem::WrongFamily { .. }));
    assert!(matches!(receiver("224.0.0.1"), ConfigProblem::NotAStation { .. }));

    let route = |prefix: &str, prefix_len, via| Route { prefix: ip(prefix), prefix_len, via };
    let through = |tunnel, next_hop: &str| RouteVia::Tunnel { tunnel: TunnelId(tunnel), next_hop: ip(next_hop) };
    let lan = |address: &str| RouteVia::Attached { address: Some(ip(address)) };
    let fault = |routes: &[Route]| {
        let routes = routes.to_vec();
        match problem(|c| c.routes = routes) {
            ConfigProblem::Route { fault, .. } => fault,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(fault(&[route("10.9.0.0", 33, RouteVia::Beyond)]), RouteFault::PrefixLength { max: 32 });
    assert_eq!(fault(&[route("10.9.0.0", 16, RouteVia::Beyond); 2]), RouteFault::Duplicate);
    let twice = [route("10.9.0.0", 16, RouteVia::Beyond), route("10.9.7.0", 16, RouteVia::Beyond)];
    assert_eq!(fault(&twice), RouteFault::Duplicate);
    assert_eq!(fault(&[route("10.9.0.0", 16, through(1, "10.0.0.1"))]), RouteFault::UnknownTunnel);
    assert!(matches!(fault(&[route("10.9.0.0", 16, through(0, "fd00::1"))]), RouteFault::WrongFamily { .. }));
    assert!(matches!(fault(&[route("fd00::", 16, through(0, "10.0.0.1"))]), RouteFault::WrongFamily { .. }));
    for next_hop in ["10.0.0.11", "10.0.1.1", "0.0.0.0"] {
        assert!(matches!(fault(&[route("10.9.0.0", 16, through(0, next_hop))]), RouteFault::NotOnTunnel { .. }));
    }
    assert!(matches!(fault(&[route("10.9.0.0", 16, lan("10.8.0.1"))]), RouteFault::AddressOutside { .. }));
    let many = problem(|c| {
        c.limits.routes = 1;
        c.routes = vec![route("10.8.0.0", 16, RouteVia::Beyond), route("10.9.0.0", 16, RouteVia::Beyond)];
    });
    assert_eq!(many, ConfigProblem::TooManyRoutes { count: 2, limit: 1 });
    let mut good = spoke();
    good.tunnels[0].nhrp.clusters = vec![cluster(0, 1)];
    good.routes = vec![route("10.9.0.0", 16, lan("10.9.0.1")), route("0.0.0.0", 0, through(0, "10.0.0.1"))];
    assert_eq!(good.validate(), Ok(()));
}
