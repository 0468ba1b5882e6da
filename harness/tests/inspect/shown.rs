//! What is printed, as it is.

use serde_json::Value;

use crate::{captures, folder, inspect};

#[test]
fn a_summary_tells_everything_that_happened() {
    let folder = folder();
    let said = inspect(folder.path(), &["all.pcap"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    insta::assert_snapshot!("summary", said.out);
}

#[test]
fn a_ladder_shows_who_spoke_with_whom() {
    let folder = folder();
    insta::assert_snapshot!("ladder", inspect(folder.path(), &["all.pcap", "--ladder", "--limit", "20"]).out);
    let all = inspect(folder.path(), &["all.pcap", "--ladder=all"]).out;
    assert_eq!(all.lines().count(), 1 + crate::scenario::packets().len());
    let plain = crate::lab(folder.path()).env("LC_ALL", "C").args(["all.pcap", "--ladder"]).output().unwrap();
    assert!(plain.stdout.is_ascii(), "{}", String::from_utf8_lossy(&plain.stdout));
}

#[test]
fn a_tree_shows_every_field_with_its_octets() {
    let folder = folder();
    insta::assert_snapshot!("tree", inspect(folder.path(), &["all.pcap", "--tree", "9"]).out);
    let said = inspect(folder.path(), &["all.pcap", "--tree", "9", "--json"]);
    let tree: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(tree["stack"], "ip:gre:nhrp");
    let none = inspect(folder.path(), &["all.pcap", "--tree", "900"]);
    assert_eq!((none.code, none.out.as_str()), (1, ""));
    assert!(none.err.contains("there is no packet 900"), "{}", none.err);
}

#[test]
fn a_document_has_all_of_it() {
    let folder = folder();
    let said = inspect(folder.path(), &["all.pcap", "--json", "--limit", "4"]);
    let document: Value = serde_json::from_str(&said.out).unwrap();
    let exchanges = document["exchanges"].as_array().unwrap();
    let all = document["summary"]["totals"]["exchanges"].as_u64().unwrap();
    assert_eq!((exchanges.len() as u64 + document["exchanges_left_out"].as_u64().unwrap(), exchanges.len()), (all, 4));
    assert_eq!(document["summary"]["clear_beside_esp"][0]["first_packet"], 25);
    insta::assert_json_snapshot!("exchange", exchanges[3]);
}

#[test]
fn packets_come_line_by_line() {
    let folder = folder();
    let said = inspect(folder.path(), &["all.pcap", "--packets"]);
    assert_eq!(said.out.lines().count(), crate::scenario::packets().len());
    let json = inspect(folder.path(), &["all.pcap", "--packets", "--json", "--filter", "esp"]).out;
    let numbers: Vec<u64> =
        json.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [21, 22, 23, 24]);
}

#[test]
fn a_filter_restricts_what_happened() {
    let folder = folder();
    let refused = inspect(folder.path(), &["all.pcap", "--exchanges", "--filter", "nhrp and cie[].code != 0"]);
    assert_eq!(refused.out.lines().count(), 3, "{}", refused.out);
    assert!(refused.out.contains("refused 14 Unique Internetworking Layer Address Already Registered"));
    let limited = inspect(folder.path(), &["all.pcap", "--exchanges", "--limit", "2"]).out;
    assert!(limited.ends_with("more exchanges; `--limit` shows more of them\n"), "{limited}");
}

#[test]
fn fields_are_listed() {
    let folder = folder();
    let table = inspect(folder.path(), &["--fields"]).out;
    assert!(table.contains("cie[].holding_time") && table.contains("layers: eth"), "{table}");
    let json: Value = serde_json::from_str(&inspect(folder.path(), &["--fields", "--json"]).out).unwrap();
    let paths: Vec<&str> =
        json["fields"].as_array().unwrap().iter().filter_map(|field| field["path"].as_str()).collect();
    assert!(paths.contains(&"gre.key") && paths.len() > 100);
}

#[test]
fn two_captures_are_held_against_each_other() {
    let folder = folder();
    let mut packets = crate::scenario::packets();
    // Another holding time in the second acknowledgment, and the purge is gone.
    let reply = packets.iter_mut().rev().find(|(at, _)| *at == 100_204).unwrap();
    let at = reply.1.len() - 6;
    reply.1[at..at + 2].copy_from_slice(&[0, 60]);
    packets.retain(|(at, _)| !(5000..6000).contains(at));
    std::fs::write(folder.path().join("other.pcap"), crate::scenario::pcap(&packets)).unwrap();
    let said = inspect(folder.path(), &["all.pcap", "--diff", "other.pcap"]);
    assert_eq!(said.code, 1);
    insta::assert_snapshot!("difference", said.out);
    let same = inspect(folder.path(), &["all.pcap", "--diff", "all.pcap"]);
    assert_eq!(same.code, 0, "{}", same.out);
    let json = inspect(folder.path(), &["all.pcap", "--diff", "other.pcap", "--json"]).out;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert!(json["comparison"]["differences"].as_array().unwrap().len() >= 3);
}

#[test]
fn the_captures_of_the_project_say_what_their_sidecars_say() {
    let (mut seen, mut named) = (0, 0);
    for entry in std::fs::read_dir(captures()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "pcapng") {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap();
        let said = inspect(&captures(), &[name, "--json"]);
        let document: Value = serde_json::from_str(&said.out).unwrap();
        let sidecar = std::fs::read_to_string(path.with_extension("yaml")).unwrap();
        let sidecar: Value = serde_yaml::from_str(&sidecar).unwrap();
        let packets = sidecar["packets"].as_array().unwrap();
        assert_eq!(document["summary"]["totals"]["packets"], packets.len(), "{name}");
        // What the sidecar names stands in the list of packets.
        let lines = inspect(&captures(), &[name, "--packets"]).out;
        for (line, told) in lines.lines().zip(packets) {
            // The name of the message stands in front of what else is told of it.
            let name_of = told.as_str().unwrap_or_default().split([',', '(', ':']).next().unwrap_or_default().trim();
            if name_of.starts_with("NHRP ") {
                assert!(line.contains(name_of), "{name}: {line}: {told}");
                named += 1;
            }
        }
        seen += 1;
    }
    assert!(seen > 0 && named > seen, "{named} messages in {seen} captures");
    insta::assert_snapshot!("frr", inspect(&captures(), &["frr-10.3-registration.pcapng"]).out);
}

#[test]
fn keys_open_what_strongswan_has_protected() {
    for name in ["5.9.8-protected", "6.0.1-protected", "6.0.1-pieces"] {
        let (file, keys) = (format!("strongswan-{name}.pcapng"), format!("strongswan-{name}.keys"));
        let shut = inspect(&captures(), &[&file]).out;
        assert!(!shut.contains("IP in GRE") && !shut.contains("Child SA"), "{shut}");
        let said = inspect(&captures(), &[&file, "--keys", &keys]);
        assert_eq!((said.code, said.err.as_str()), (0, ""));
        let packets = inspect(&captures(), &[&file, "--keys", &keys, "--packets"]).out;
        insta::assert_snapshot!(format!("strongswan-{name}"), format!("{}\n{packets}", said.out));
    }
}
