//! What is said about broken files: one line each, and reports with the place.

use std::fmt::Write as _;

use dmvpn_config::yaml;
use miette::{GraphicalReportHandler, GraphicalTheme};
use proptest::prelude::*;

const TUNNEL: &str = "tunnels:\n  - name: tun0\n    nbma: 192.0.2.1\n    address: 10.0.0.1/24\n";

fn said(text: &str) -> String {
    match yaml::parse(text, "peer.yaml") {
        Ok(config) => format!("accepted: {config:?}"),
        Err(error) => error.one_line(),
    }
}

fn report(text: &str) -> String {
    let error = yaml::parse(text, "peer.yaml").expect_err("broken text");
    let mut out = String::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor()).with_width(120);
    handler.render_report(&mut out, &error).expect("a string takes everything");
    out
}

#[test]
fn every_mistake_has_its_place() {
    let with = |more: &str| format!("{TUNNEL}{more}");
    let cases = [
        String::new(),
        "tunnels: []\n".into(),
        "tunnels:\n".into(),
        "just text\n".into(),
        "tunnels: [\n".into(),
        "tunnels:\n  - name: tun0\n".into(),
        with("    colour: blue\n"),
        with("    key: 1\n    key: 2\n"),
        with("    key:\n"),
        with("    key: 4294967296\n"),
        with("    key: [1]\n"),
        with("    ttl: 0\n"),
        with("    ttl: 0300\n"),
        with("    nhrp:\n"),
        with("    nhrp:\n      holding_time: 600\n"),
        with("    nhrp:\n      holding_time: 500ms\n"),
        with("    nhrp:\n      holding_time: 0s\n"),
        with("    nhrp:\n      holding_time: 1d\n"),
        with("    nhrp:\n      server: yes\n"),
        with("    nhrp:\n      network_id: 0\n"),
        with("    nhrp:\n      authentication: far-too-long\n"),
        with("    nhrp:\n      authentication: [s3cret]\n"),
        with("    nhrp:\n      retry: {first: 10s, max: 1s}\n"),
        with("    nhrp:\n      retry: {first: 10}\n"),
        with("    nhrp:\n      nhs: [{protocol: 10.0.0.2}]\n"),
        with("    nhrp:\n      nhs:\n        - nbma: 192.0.2.1\n"),
        with("    remote: 192.0.2.7\n    nhrp:\n      nhs:\n        - nbma: 192.0.2.8\n"),
        with("    nhrp:\n      nhs:\n        - {nbma: 192.0.2.2}\n        - {nbma: 192.0.2.2}\n"),
        with("    nhrp:\n      nhs:\n        - nbma: 2001:db8::2\n"),
        with("    nhrp:\n      nhs: {nbma: 192.0.2.2}\n"),
        with("    nhrp:\n      map:\n        - {protocol: 10.0.0.2, nbma: 192.0.2.0/24}\n"),
        with("  - name: tun0\n    nbma: 192.0.2.9\n    address: 10.0.0.9/24\n"),
        with("  - name: tun1\n    nbma: 192.0.2.1\n    address: 10.0.0.9/24\n"),
        TUNNEL.replace("/24", ""),
        TUNNEL.replace("/24", "/33"),
        TUNNEL.replace("192.0.2.1", "224.0.0.1"),
        TUNNEL.replace("tun0", "a-name-that-is-too-long"),
        TUNNEL.replace("tun0", "\"tun\\u001b[31m\""),
        with("limits: {bindings: -1}\n"),
        with("---\ntunnels: []\n"),
        with("    key: &a [*a]\n"),
        with("    key: !secret 1\n"),
        "\tname: x\n".into(),
        with("    nhrp:\n      profile: rfc\n"),
        with("    nhrp:\n      multicast: [all]\n"),
        with("    nhrp:\n      multicast: [192.0.2.1]\n"),
        with("    nhrp:\n      resolution_holding_time: 0s\n"),
        with("    nhrp:\n      clusters: [{id: 1}]\n"),
        with("    nhrp:\n      clusters: [{id: 1, max_connections: 0}]\n"),
        with(
            "    nhrp:\n      clusters:\n        - {id: 1, max_connections: 1}\n        - {id: 1, max_connections: 1}\n",
        ),
        with("    nhrp:\n      fallback: 30\n"),
        with("lan: [10.9.0.1]\n"),
        with("routes: [{to: 10.9.0.1/16, via: beyond}]\n"),
        with("routes: [{to: 10.9.0.0/33, via: beyond}]\n"),
        with("routes: [{to: 10.9.0.0/16, via: nowhere}]\n"),
        with("routes: [{to: 10.9.0.0/16}]\n"),
        with("routes: [{to: 10.9.0.0/16, via: 10.0.1.1}]\n"),
        with("routes: [{to: 10.9.0.0/16, via: 10.0.0.2, tunnel: tun9}]\n"),
        with("routes: [{to: 10.9.0.0/16, via: beyond, tunnel: tun0}]\n"),
        with("routes: [{to: 10.9.0.0/16, via: 10.0.0.1}]\n"),
        with("routes: [{to: 'fd00::/16', via: 10.0.0.2}]\n"),
        with("lan: [10.9.0.1/16]\nroutes: [{to: 10.9.0.0/16, via: beyond}]\n"),
        with("routes: [{to: 10.8.0.0/16, via: beyond}, {to: 10.9.0.0/16, via: beyond}]\nlimits: {routes: 1}\n"),
        with("state: ''\n"),
    ];
    let mut table = String::new();
    for case in cases {
        writeln!(table, "{}", said(&case)).unwrap();
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_route_in_words_is_what_a_file_would_make() {
    let tunnels = yaml::parse(TUNNEL, "peer.yaml").unwrap().tunnels;
    let said = |to: &str, via: &str, tunnel: Option<&str>| match dmvpn_config::route(to, via, tunnel, &tunnels) {
        Ok(route) => format!("{route:?}"),
        Err(message) => message,
    };
    let mut table = String::new();
    for (to, via, tunnel) in [
        ("10.9.0.0/16", "10.0.0.2", None),
        ("10.9.0.0/16", "10.0.0.2", Some("tun0")),
        ("0.0.0.0/0", "beyond", None),
        ("::/0", "attached", None),
        ("10.9.0.0", "10.0.0.2", None),
        ("10.9.0.0/16", "10.0.1.2", None),
        ("10.9.0.0/16", "10.0.1.2", Some("tun1")),
    ] {
        writeln!(table, "{}", said(to, via, tunnel)).unwrap();
    }
    insta::assert_snapshot!(table);
    assert_eq!(dmvpn_config::prefix("10.9.0.0/16"), Ok(("10.9.0.0".parse().unwrap(), 16)));
    assert!(dmvpn_config::prefix("10.9.0.1/16").is_err());
}

#[test]
fn an_unknown_key_names_the_nearest() {
    insta::assert_snapshot!(report(&format!("{TUNNEL}    nhrp:\n      holdingtime: 600s\n")));
}

#[test]
fn a_bare_number_is_no_duration() {
    insta::assert_snapshot!(report(&format!("{TUNNEL}    nhrp:\n      holding_time: 600\n")));
}

/// The excerpt shows neighbouring lines, and the value itself may be at fault.
#[test]
fn secrets_are_in_no_report() {
    for more in [
        "authentication: s3cret\n      holdingtime: 600s\n",
        "authenticaton: s3cret\n",
        "authentication: s3cret-too-long\n",
        "authentication: [s3cret]\n",
        "authentication: {s3cret: 1}\n",
        "authentication: \"s3cret\n",
        "authentication: s3cret: x\n",
        "authentication: &x s3cret\n      authentication: *x\n",
        "authentication: !!int s3cret\n",
        "authentication: !!binary s3cret\n",
        "authentication: |\n        s3cret\n        and more of it\n",
    ] {
        let text = format!("{TUNNEL}    nhrp:\n      {more}");
        let Err(error) = yaml::parse(&text, "peer.yaml") else { panic!("accepted: {more}") };
        for shown in [report(&text), error.one_line(), format!("{error:?}"), error.to_string()] {
            assert!(!shown.contains("s3cret"), "{shown}");
        }
    }
    insta::assert_snapshot!(report(&format!(
        "{TUNNEL}    nhrp:\n      authentication: s3cret\n      holdingtime: 600s\n"
    )));
}

#[test]
fn files_have_a_limit_and_an_encoding() {
    let dir = tempfile::tempdir().unwrap();
    let said = |content: &[u8]| {
        let path = dir.path().join("peer.yaml");
        std::fs::write(&path, content).unwrap();
        dmvpn_config::load(&path).unwrap_err().to_string()
    };
    assert_eq!(said(b"a: 1\nb: \xff\n"), "the file is not UTF-8: line 2, octet 8 of the file");
    let long = vec![b'#'; usize::try_from(dmvpn_config::MAX_FILE_LEN).unwrap() + 1];
    assert_eq!(said(&long), "the file is longer than 1048576 octets");
    let missing = dmvpn_config::load(&dir.path().join("none")).unwrap_err();
    assert!(missing.is_unreadable() && missing.place().is_none(), "{missing:?}");
}

#[test]
fn hostile_documents_end_quickly() {
    let deep = format!("tunnels: {}", "[".repeat(100_000));
    let mut bomb = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
    for n in b'b'..=b'z' {
        let (n, before) = (n as char, (n - 1) as char);
        writeln!(bomb, "{n}: &{n} [*{before}, *{before}, *{before}, *{before}, *{before}, *{before}]").unwrap();
    }
    let wide = format!("tunnels: [{}]", "{},".repeat(200_000));
    for text in [deep, bomb, wide, "? ".repeat(10_000), "- ".repeat(10_000), "&a ".repeat(5_000), "\0".into()] {
        assert!(yaml::parse(&text, "peer.yaml").is_err());
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = said(&text);
    }

    /// Near misses of a real file reach further into the reader than noise does.
    #[test]
    fn no_mutation_panics(at in 0usize..2000, cut in 0usize..20, insert in "[-:{}\\[\\]&*!|>'\"#\t\n a0.]{0,6}") {
        let good = include_str!("../examples/spoke.yaml");
        let at = good.floor_char_boundary(at.min(good.len()));
        let end = good.floor_char_boundary((at + cut).min(good.len()));
        let text = format!("{}{insert}{}", &good[..at], &good[end..]);
        if let Err(error) = yaml::parse(&text, "peer.yaml") {
            let mut out = String::new();
            let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
            handler.render_report(&mut out, &error).unwrap();
            prop_assert!(!out.contains("s3cret"), "{}\n{}", text, out);
        }
    }
}
