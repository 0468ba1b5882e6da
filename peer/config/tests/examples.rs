//! The examples are the documentation of the format, so they must parse, and to what they say.

use std::path::Path;

use dmvpn_core::config::{Backoff, GreMode, Limits};

fn example(name: &str) -> dmvpn_core::Config {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    dmvpn_config::load(&path).unwrap_or_else(|error| panic!("{error:?}"))
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
}

#[test]
fn spoke() {
    let config = example("spoke.yaml");
    let nhrp = &config.tunnels[0].nhrp;
    assert_eq!((nhrp.holding_time, nhrp.unique, nhrp.server), (600, true, false));
    assert_eq!(nhrp.retry, Backoff::default());
    assert_eq!(nhrp.nhs.len(), 2);
    assert_eq!(nhrp.nhs[1].protocol, None);
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
    assert_eq!(hub, short);
}
