//! The examples are the documentation of the format, so they must parse, and to what they say.

use std::path::Path;

use dmvpn_core::TunnelId;
use dmvpn_core::config::{Backoff, Cluster, GreMode, Limits, Route, RouteVia};

fn settings(name: &str) -> dmvpn_config::Settings {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    dmvpn_config::load(&path).unwrap_or_else(|error| panic!("{error:?}"))
}

fn example(name: &str) -> dmvpn_core::Config {
    settings(name).node
}

#[test]
fn hub() {
    let config = example("hub.yaml");
    assert_eq!(config.limits, Limits::default());
    let [tunnel] = config.tunnels.as_slice() else { panic!("{config:?}") };
    assert_eq!((tunnel.name.as_str(), tunnel.prefix_len, tunnel.key), ("tun0", 24, Some(100)));
    assert_eq!((tunnel.mode, tunnel.ttl, tunnel.tos, tunnel.mtu), (GreMode::Multipoint, 255, 0xC0, 1476));
    assert!(tunnel.nhrp.server && tunnel.nhrp.nhs.is_empty());
    assert_eq!(tunnel.nhrp.authentication.as_ref().map(|secret| secret.expose()), Some(&b"s3cret"[..]));
    assert_eq!(tunnel.nhrp.maps.len(), 1);
    assert!(tunnel.nhrp.redirect && tunnel.nhrp.answers);
    let ip = |text: &str| text.parse().unwrap();
    let route = |prefix, prefix_len, via| Route { prefix: ip(prefix), prefix_len, via };
    let lan = RouteVia::Attached { address: Some(ip("172.20.1.1")) };
    let through = RouteVia::Tunnel { tunnel: TunnelId(0), next_hop: ip("10.0.0.11") };
    assert_eq!(
        config.routes,
        [route("172.20.1.0", 24, lan), route("172.20.11.0", 24, through), route("172.16.0.0", 12, RouteVia::Beyond)]
    );
    assert_eq!(settings("hub.yaml").state, Some("/var/lib/dmvpn-peer/hub.state".into()));
}

#[test]
fn spoke() {
    let config = example("spoke.yaml");
    let nhrp = &config.tunnels[0].nhrp;
    assert_eq!((nhrp.holding_time, nhrp.unique, nhrp.server), (600, true, false));
    assert_eq!(nhrp.retry, Backoff::default());
    assert_eq!(nhrp.nhs.len(), 2);
    assert_eq!(nhrp.nhs[1].protocol, None);
    assert_eq!(nhrp.clusters, [Cluster { id: 0, max_connections: 1 }]);
    assert_eq!((nhrp.fallback.as_secs(), config.routes.len()), (30, 3));
    assert_eq!(settings("spoke.yaml").state, None);
    assert!(!format!("{config:?}").contains("s3cret"), "{config:?}");
}

/// What the comments call defaults are the core's.
#[test]
fn written_defaults_are_the_defaults() {
    let text = "tunnels: [{name: tun0, nbma: 192.0.2.1, address: 10.0.0.1/24, nhrp: {server: true}}]";
    let short = dmvpn_config::yaml::parse(text, "short").unwrap();
    let mut hub = example("hub.yaml");
    hub.tunnels[0].key = None;
    hub.tunnels[0].nhrp.authentication = None;
    hub.tunnels[0].nhrp.maps.clear();
    hub.tunnels[0].nhrp.redirect = false;
    assert_eq!(hub.tunnels[0].nhrp.resolution_holding_time.take(), Some(hub.tunnels[0].nhrp.holding_time));
    hub.routes.clear();
    assert_eq!(hub, short);
}
