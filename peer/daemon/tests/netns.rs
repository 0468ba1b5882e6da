//! Hub and spoke as they are shipped, with real sockets, in two network namespaces on one link.

mod support;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use nix::sys::signal::Signal;
use support::{Lab, tshark, wait_for};

fn hub(more: &str) -> String {
    format!(
        "tunnels:\n  - name: tun0\n    nbma: 192.0.2.1\n    address: 10.0.0.1/24\n    key: 100\n    \
         nhrp:\n      server: true\n      authentication: s3cret\n{more}"
    )
}

fn spoke(key: u32, holding_time: &str) -> String {
    format!(
        "tunnels:\n  - name: tun0\n    nbma: 192.0.2.11\n    address: 10.0.0.11/24\n    key: {key}\n    \
         nhrp:\n      holding_time: {holding_time}\n      authentication: s3cret\n      \
         retry: {{first: 200ms, max: 1s}}\n      nhs: [{{nbma: 192.0.2.1, protocol: 10.0.0.1}}]\n"
    )
}

#[test]
fn a_spoke_registers_refreshes_and_is_forgotten_when_it_ends() {
    let Some(lab) = Lab::new() else { return };
    let mut hub = lab.start(&lab.hub, "hub", &hub(""));
    let mut spoke = lab.start(&lab.spoke, "spoke", &spoke(100, "3s"));

    let binding = wait_for("binding", || hub.dynamic("10.0.0.11"));
    assert_eq!(binding["nbma"], "192.0.2.11");
    assert_eq!(binding["claimed_nbma"], "192.0.2.11");
    assert_eq!(
        (&binding["tunnel"], &binding["holding_time"], &binding["unique"]),
        (&"tun0".into(), &3.into(), &true.into())
    );
    assert!(binding["remaining_ms"].as_u64().is_some_and(|left| left <= 3000), "{binding}");
    let server = spoke.nhrp()["nhs"][0].clone();
    assert_eq!((&server["up"], &server["protocol"]), (&true.into(), &"10.0.0.1".into()));

    // The very first request went out, and nothing since was kept back.
    let counters = spoke.counters();
    assert_eq!(counters["nhrp.out.registration_request"], counters["shell.tx.packets"], "{counters:#}");

    // Older than its holding time: it was refreshed in between, and never fell out.
    let refreshed = wait_for("refresh", || {
        let binding = hub.dynamic("10.0.0.11").expect("it does not expire while its spoke lives");
        binding["age_ms"].as_u64().filter(|age| *age > 3500).map(|_| binding)
    });
    assert!(refreshed["refreshed_ms"].as_u64().is_some_and(|since| since < 2500), "{refreshed}");
    assert!(hub.counter("nhrp.in.registration_request") >= 4);

    spoke.signal(Signal::SIGTERM);
    assert_eq!(spoke.wait().code(), Some(0), "{}", spoke.text());
    assert!(!spoke.control.exists(), "the control socket is removed");
    // It says goodbye: its binding goes before its time.
    wait_for("goodbye", || hub.dynamic("10.0.0.11").is_none().then_some(()));
    wait_for("the event", || hub.text().contains("removed").then_some(()));
    assert_eq!(hub.counter("nhrp.in.purge_request"), 1);
    // One that is killed can not, and its binding expires.
    let mut killed = lab.start(&lab.spoke, "killed", &self::spoke(100, "3s"));
    wait_for("binding", || hub.dynamic("10.0.0.11"));
    killed.signal(Signal::SIGKILL);
    assert_eq!(killed.wait().code(), None);
    wait_for("expiry", || hub.dynamic("10.0.0.11").is_none().then_some(()));
    wait_for("the event", || hub.text().contains("expired").then_some(()));
    hub.signal(Signal::SIGINT);
    assert_eq!(hub.wait().code(), Some(0));
    assert!(!hub.control.exists());
    for daemon in [&hub, &spoke] {
        assert!(!daemon.text().contains("s3cret"), "{}", daemon.text());
    }

    // Both sides captured the same packets, whole and readable for somebody else.
    let fields = ["ip.ttl", "ip.dsfield", "gre.key", "nhrp.hdr.op.type", "_ws.malformed"];
    let Some(ours) = tshark(&spoke.capture, &fields) else { return };
    assert!(ours.len() >= 8, "{ours:#?}");
    assert_eq!(ours[0], "255\t0xc0\t0x00000064\t3\t");
    assert_eq!(ours[1], "255\t0xc0\t0x00000064\t4\t");
    // The hub may have answered one more, when the spoke was gone.
    let theirs = tshark(&hub.capture, &fields).expect("it was there just now");
    assert!(theirs.starts_with(&ours), "{ours:#?}\n{theirs:#?}");
}

#[test]
fn another_key_is_another_tunnel() {
    let Some(lab) = Lab::new() else { return };
    let hub = lab.start(&lab.hub, "hub", &hub(""));
    let spoke = lab.start(&lab.spoke, "spoke", &spoke(101, "3s"));

    // The requests arrive, so that nothing else keeps the spoke out.
    wait_for("drops", || (hub.counter("drop.key_mismatch") >= 3).then_some(()));
    assert_eq!(hub.dynamic("10.0.0.11"), None);
    assert_eq!(hub.counter("underlay.out"), 0, "silence");
    let server = spoke.nhrp()["nhs"][0].clone();
    assert_eq!((&server["up"], &server["state"]), (&false.into(), &"await_reply".into()));
    assert!(hub.text().contains("GRE key of no tunnel"), "{}", hub.text());
}

#[test]
fn ipv6_underlay() {
    let Some(lab) = Lab::new() else { return };
    let hub = lab.start(&lab.hub, "hub", &hub("").replace("192.0.2.1", "2001:db8::1"));
    let config = spoke(100, "60s").replace("192.0.2.11", "2001:db8::11").replace("192.0.2.1,", "\"2001:db8::1\",");
    let mut spoke = lab.start(&lab.spoke, "spoke", &config);

    let binding = wait_for("binding", || hub.dynamic("10.0.0.11"));
    assert_eq!(binding["nbma"], "2001:db8::11");
    wait_for("reply", || (spoke.nhrp()["nhs"][0]["up"] == true).then_some(()));
    assert_eq!(spoke.ask(&["stop"]).status.code(), Some(0));
    spoke.wait();
    let fields = ["ipv6.src", "ipv6.hlim", "ipv6.tclass", "gre.key", "nhrp.hdr.op.type", "_ws.malformed"];
    let Some(packets) = tshark(&spoke.capture, &fields) else { return };
    assert_eq!(packets[0], "2001:db8::11\t255\t0x000000c0\t0x00000064\t3\t");
    assert_eq!(packets[1], "2001:db8::1\t255\t0x000000c0\t0x00000064\t4\t");
}

#[test]
fn the_control_socket_clears_stops_and_has_one_owner() {
    let Some(lab) = Lab::new() else { return };
    let mut hub_daemon = lab.start(&lab.hub, "hub", &hub(""));
    let spoke = lab.start(&lab.spoke, "spoke", &spoke(100, "600s"));
    wait_for("binding", || hub_daemon.dynamic("10.0.0.11"));

    let table = hub_daemon.ask(&["show", "nhrp"]);
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.contains("10.0.0.11/32") && table.contains("dynamic"), "{table}");
    assert_eq!(hub_daemon.ask(&["clear", "nhrp", "10.0.0.99"]).status.code(), Some(1));
    let cleared = hub_daemon.ask(&["clear", "nhrp", "10.0.0.11"]);
    assert_eq!((cleared.status.code(), cleared.stdout.as_slice()), (Some(0), &b"1 binding forgotten\n"[..]));
    assert_eq!(hub_daemon.dynamic("10.0.0.11"), None);

    // A second one on the same path ends, and the first one goes on.
    let mut second = lab.spawn(&lab.hub, "hub", &hub(""));
    assert_eq!(second.wait().code(), Some(4));
    wait_for("the reason", || second.text().contains("another peer has the control socket").then_some(()));
    drop(second);
    assert_eq!(hub_daemon.nhrp()["cache"][0]["type"], "local");

    // A killed one leaves its socket, and the next one takes the path.
    hub_daemon.signal(Signal::SIGKILL);
    assert_eq!(hub_daemon.wait().code(), None);
    assert!(hub_daemon.control.exists());
    assert_eq!(hub_daemon.ask(&["show", "nhrp"]).status.code(), Some(4));
    let mut third = lab.start(&lab.hub, "hub", &hub(""));
    assert_eq!(third.ask(&["stop"]).status.code(), Some(0));
    assert!(!third.control.exists(), "gone when `stop` returns");
    assert_eq!(third.wait().code(), Some(0));
    assert!(spoke.nhrp()["nhs"][0]["up"] == true);
}

#[test]
fn request_ids_go_on_after_a_kill_and_routes_come_and_go() {
    let Some(lab) = Lab::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("spoke.state");
    let config = format!("{}state: {}\n", spoke(100, "600s"), file.display());
    let mut first = lab.start(&lab.spoke, "spoke", &config);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "first_request_id 257\n");
    assert!(!first.text().contains("no `state` is set"), "{}", first.text());
    assert_eq!(first.nhrp()["nhs"][0]["request_id"], 1);

    let code = |daemon: &support::Daemon, words: &[&str]| daemon.ask(words).status.code();
    assert_eq!(code(&first, &["route", "add", "172.20.0.0/16", "10.0.0.1"]), Some(0));
    assert_eq!(code(&first, &["route", "add", "172.20.0.0/16", "10.0.0.1"]), Some(1));
    assert_eq!(code(&first, &["route", "add", "172.21.0.0/16", "10.0.1.1"]), Some(1));
    assert_eq!(code(&first, &["route", "delete", "172.20.0.0/16"]), Some(0));
    assert_eq!(code(&first, &["route", "delete", "172.20.0.0/16"]), Some(1));

    first.signal(Signal::SIGKILL);
    assert_eq!(first.wait().code(), None);
    let second = lab.start(&lab.spoke, "spoke", &config);
    assert_eq!(second.nhrp()["nhs"][0]["request_id"], 257);
    drop(second);

    // A file that is something else is not overwritten.
    std::fs::write(&file, "a diary\n").unwrap();
    let mut third = lab.spawn(&lab.spoke, "spoke", &config);
    assert_eq!(third.wait().code(), Some(4));
    wait_for("the reason", || third.text().contains("no state file").then_some(()));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "a diary\n");
}

/// Whoever started the daemon and does not read its log can cost it log lines and nothing else.
#[test]
fn a_log_that_nobody_reads_does_not_hold_up_the_node() {
    let Some(lab) = Lab::new() else { return };
    let mut hub = lab.spawn_unread(&lab.hub, "hub", &hub(""));
    wait_for("control socket", || hub.ask(&["show", "nhrp"]).status.success().then_some(()));
    let spoke = lab.start(&lab.spoke, "spoke", &spoke(100, "3s"));

    // Each of these is a line at level debug: more than the pipe and the queue hold.
    let inner =
        [&[0x20, 0, 8, 0, 0, 0, 0, 100, 0x45, 0, 0, 20, 0, 0, 0, 0, 64, 59, 0, 0][..], &[10, 0, 0, 11], &[10, 0, 0, 1]];
    let inner = inner.concat();
    wait_for("lost lines", || {
        lab.spoke.enter(|| {
            let socket =
                socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::RAW, Some(47.into())).expect("root");
            let to = "192.0.2.1:0".parse::<std::net::SocketAddr>().expect("an address").into();
            for _ in 0..1000 {
                socket.send_to(&inner, &to).expect("sent");
            }
        });
        (hub.counter("shell.log.lost") > 0).then_some(())
    });
    let sent = hub.counter("nhrp.out.registration_reply");
    wait_for("the next refresh", || (hub.counter("nhrp.out.registration_reply") > sent).then_some(()));
    assert!(spoke.nhrp()["nhs"][0]["up"] == true);
    assert_eq!(hub.ask(&["stop"]).status.code(), Some(0));
    assert_eq!(hub.wait().code(), Some(0));
}

#[test]
fn every_signal_that_asks_for_the_end_gets_one_in_order() {
    let Some(lab) = Lab::new() else { return };
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mut hub = lab.start(&lab.hub, "hub", &hub(""));
        hub.signal(signal);
        assert_eq!(hub.wait().code(), Some(0), "{signal}: {}", hub.text());
        assert!(!hub.control.exists(), "{signal}: the control socket is removed");
        assert!(hub.text().contains(&format!("{signal}: stopping")), "{}", hub.text());
    }
}

#[test]
fn hostile_packets_and_clients_are_counted_and_change_nothing() {
    let Some(lab) = Lab::new() else { return };
    let hub = lab.start(&lab.hub, "hub", &hub(""));
    let spoke = lab.start(&lab.spoke, "spoke", &spoke(100, "3s"));
    wait_for("binding", || hub.dynamic("10.0.0.11"));

    lab.spoke.enter(|| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::RAW, Some(47.into())).expect("root");
        let to = "192.0.2.1:0".parse::<std::net::SocketAddr>().expect("an address").into();
        let send = |payload: &[u8]| socket.send_to(payload, &to).expect("sent");
        // GRE with our key, then noise of every length under every protocol type that leads on.
        for protocol in [[0x20, 0x01], [0x08, 0x00], [0x86, 0xDD], [0xFF, 0xFF]] {
            for len in 0..100u8 {
                let mut packet = vec![0x20, 0, protocol[0], protocol[1], 0, 0, 0, 100];
                packet.extend((0..len).map(|at| at.wrapping_mul(37) ^ len));
                send(&packet[..usize::from(len).min(8) + usize::from(len)]);
            }
        }
        // A whole inner packet, which has no interface to go to.
        let mut inner = vec![0x20, 0, 8, 0, 0, 0, 0, 100, 0x45, 0, 0, 20, 0, 0, 0, 0, 64, 59, 0, 0];
        inner.extend([10, 0, 0, 11, 10, 0, 0, 1]);
        send(&inner);
    });
    wait_for("the last one", || (hub.counter("shell.deliver.no_interface") >= 1).then_some(()));
    assert!(
        hub.counter("drop.nhrp_malformed") + hub.counter("drop.nhrp_version") + hub.counter("drop.nhrp_checksum") > 50
    );
    assert!(hub.counter("drop.unknown_protocol_type") > 50 && hub.counter("drop.gre_malformed") > 0);

    // Clients that say nothing, half a line, nonsense, or do not read what they asked for.
    let connect = || UnixStream::connect(&hub.control).expect("connected");
    let mut clients: Vec<UnixStream> = (0..10).map(|_| connect()).collect();
    for (at, client) in clients.iter_mut().enumerate() {
        let _ = match at {
            0..3 => client.write(b"{\"show\":"),
            3..6 => client.write(&[b'['; 4000]),
            6..8 => client.write("{\"show\":\"counters\"}\n".repeat(100).as_bytes()),
            _ => Ok(0),
        };
    }
    let mut answer = Vec::new();
    let mut long = connect();
    let _ = long.write(&[b' '; 5000]);
    let _ = long.read_to_end(&mut answer);
    assert!(String::from_utf8_lossy(&answer).contains("too_long"), "{answer:?}");

    let before = hub.dynamic("10.0.0.11").expect("still registered")["age_ms"].as_u64();
    wait_for("life goes on", || {
        let binding = hub.dynamic("10.0.0.11").expect("still registered");
        (binding["age_ms"].as_u64() > before.map(|age| age + 1500)).then_some(())
    });
    assert!(spoke.nhrp()["nhs"][0]["up"] == true);
}
