//! Messages that scripted stations send of themselves: each type, over both families, reads back as what it is.

use std::path::Path;

use crate::dissect::{Dissection, FieldValue};
use crate::expect::Env;
use crate::run::compose::compose;
use crate::run::nodes::{Binding, Cloud, Cluster, Lan, Receivers, Server, Station, Way};
use crate::subject::{self, render};
use crate::suite::{GreFields, IpFields, Msg, Params, SendContent, SendStep};

fn station(name: &str, nbma: &str, protocol: &str) -> Station {
    Station {
        name: name.to_owned(),
        role: "spoke",
        nbma: nbma.parse().unwrap(),
        nbma_prefix_len: 24,
        cloud: Cloud {
            interface: "gre1".to_owned(),
            protocol: protocol.parse().unwrap(),
            prefix_len: 24,
            network: "10.0.0.0".parse().unwrap(),
            key: Some(42),
            mode: "multipoint",
            hold: 60,
            resolution_hold: None,
            auth: None,
            network_id: 1,
            unique: true,
            profile: "dmvpn",
            redirect: false,
            shortcut: true,
            answers: true,
            multicast: Receivers { dynamic: true, nhs: true },
            multicast_to: Vec::new(),
            clusters: Vec::new(),
            fallback: 0,
            mtu: 1400,
            nhs: Vec::new(),
            maps: Vec::new(),
        },
        tunnels: Vec::new(),
        lan: Vec::new(),
        routes: Vec::new(),
        others: Vec::new(),
        ipsec: None,
    }
}

fn way(prefix: &str, prefix_len: u8, via: &str, tunnel: Option<&str>) -> Way {
    Way {
        to: format!("{prefix}/{prefix_len}"),
        prefix: prefix.parse().unwrap(),
        prefix_len,
        via: via.parse().unwrap(),
        tunnel: tunnel.map(str::to_owned),
    }
}

#[test]
fn every_message_over_both_families() {
    let families = [
        ("192.0.2.1", "192.0.2.2", "10.0.0.1", "10.0.0.2"),
        ("2001:db8::1", "2001:db8::2", "fd00::1", "fd00::2"),
        ("2001:db8::1", "2001:db8::2", "10.0.0.1", "10.0.0.2"),
    ];
    let env = Env::new(Params::default());
    for (nbma, other_nbma, protocol, other_protocol) in families {
        let (from, to) = (station("a", nbma, protocol), station("b", other_nbma, other_protocol));
        for msg in Msg::ALL {
            let content = SendContent::Message { msg, reply_to: None, fields: vec![], extensions: None, cies: None };
            let step = SendStep {
                from: "a".to_owned(),
                to: Some("b".to_owned()),
                on: None,
                content,
                gre: GreFields::default(),
                ip: IpFields::default(),
                mutate: vec![],
                repeat: 1,
                every: None,
                bind_as: None,
            };
            let composed = compose(&step, &from, Some(&to), &env);
            if msg == Msg::Ip {
                continue;
            }
            let Some(kind) = msg.nhrp_type() else {
                assert!(composed.is_err(), "{} is no single message", msg.name());
                continue;
            };
            let octets = composed.unwrap();
            let read = Dissection::of_ip(&octets);
            assert_eq!(read.nhrp_type(), Some(kind), "{}", msg.name());
            assert_eq!(read.value("malformed"), None, "{} over {nbma}", msg.name());
            assert_eq!(read.value("hdr.chksum_ok"), Some(FieldValue::Uint(1)));
            assert_eq!(read.value("src.nbma"), Some(FieldValue::Addr(from.nbma)));
            assert_eq!(read.value("src.protocol"), Some(FieldValue::Addr(from.cloud.protocol)));
            assert_eq!(read.value("dst.protocol"), Some(FieldValue::Addr(to.cloud.protocol)));
            assert_eq!(read.value("gre.key"), Some(FieldValue::Uint(42)));
            // Without an address to go to there is nothing to be said.
            assert!(compose(&step, &from, None, &env).is_err());
        }
    }
}

/// The daemon takes what its implementation file makes of every kind of node, and has the version that the file says.
#[test]
fn the_daemons_own_configuration_is_one_that_it_takes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../suites/impls");
    let known = subject::find_all(&folder).unwrap();
    let daemon = known.iter().find(|known| known.name == "dmvpn-peer").unwrap();
    assert_eq!(daemon.versions[0].version, env!("CARGO_PKG_VERSION"), "suites/impls/dmvpn-peer.yaml is out of date");

    let server = Server {
        node: "hub".to_owned(),
        nbma: "192.0.2.1".parse().unwrap(),
        protocol: "10.0.0.1".parse().unwrap(),
        priority: 3,
        cluster: 0,
        discover: false,
    };
    let plain = station("a", "192.0.2.2", "10.0.0.2");
    let of = |cloud: Cloud| Station { cloud, ..plain.clone() };
    let cloud = plain.cloud.clone();
    let nodes = [
        plain.clone(),
        Station { role: "hub", ..of(Cloud { key: None, unique: false, ..cloud.clone() }) },
        of(Cloud { nhs: vec![server.clone()], auth: Some("it's: #1".to_owned()), ..cloud.clone() }),
        of(Cloud { mode: "p2p", nhs: vec![server.clone()], ..cloud.clone() }),
        station("six", "2001:db8::2", "fd00::2"),
        Station {
            tunnels: vec![Cloud {
                interface: "gre2".to_owned(),
                key: Some(43),
                protocol: "10.0.1.2".parse().unwrap(),
                resolution_hold: Some(30),
                profile: "rfc2332",
                redirect: true,
                shortcut: false,
                answers: false,
                multicast: Receivers { dynamic: false, nhs: true },
                multicast_to: vec!["192.0.2.9".parse().unwrap()],
                clusters: vec![Cluster { id: 4, max: 1 }],
                fallback: 30,
                nhs: vec![Server { cluster: 4, discover: true, ..server }],
                maps: vec![Binding { protocol: "10.0.1.9".parse().unwrap(), nbma: "192.0.2.9".parse().unwrap() }],
                ..cloud
            }],
            lan: vec![
                Lan { address: "172.20.1.1".parse().unwrap(), prefix_len: 24, prefix: "172.20.1.0".parse().unwrap() },
                Lan { address: "fd01::1".parse().unwrap(), prefix_len: 64, prefix: "fd01::".parse().unwrap() },
            ],
            routes: vec![way("172.20.0.0", 16, "10.0.0.1", Some("gre1")), way("0.0.0.0", 0, "172.20.1.254", None)],
            ..plain.clone()
        },
    ];
    for node in nodes {
        let text = render::render_text(daemon.config.as_deref().unwrap(), &node.words().unwrap()).unwrap();
        let config =
            dmvpn_config::yaml::parse(&text, "dmvpn-peer.yaml").unwrap_or_else(|error| panic!("{error:?}\n{text}"));
        // The same node as the built-in peer would be, but for what only the daemon's file can say.
        let wanted = node.peer_config();
        assert_eq!(format!("{:?}", config.tunnels), format!("{:?}", wanted.tunnels), "{text}");
        assert_eq!(format!("{:?}", config.routes), format!("{:?}", wanted.routes), "{text}");
    }
}
