use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use dmvpn_wire::{ipv4, nhrp};
use serde::Deserialize;

use super::sender::Beside;
use super::*;
use crate::capture::{CapturedPacket, LinkType};
use crate::dissect::{Dissection, FieldValue, Session};
use crate::keys::Keys;
use crate::run::octets::write_field;

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn catalogue() -> Catalogue {
    Catalogue::load(&checkout().join("suites/requirements")).unwrap()
}

fn own() -> Rules {
    load(&checkout().join("suites/rules"), &catalogue()).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"))
}

/// `breaks.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Breaks {
    bases: BTreeMap<String, Vec<Made>>,
    breaks: BTreeMap<String, Break>,
}

/// A packet of a base.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Made {
    at: u64,
    from: IpAddr,
    to: IpAddr,
    nhrp: Option<String>,
    gre: Option<String>,
    esp: Option<String>,
    /// IKE on port 500, and on port 4500.
    ike: Option<String>,
    nat: Option<String>,
}

/// What is done to a base.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Break {
    base: String,
    #[serde(default)]
    set: Vec<(usize, String, serde_json::Value)>,
    #[serde(default)]
    octets: Vec<(usize, usize, String)>,
    #[serde(default)]
    message: Vec<(usize, String)>,
    #[serde(default)]
    at: Vec<(usize, u64)>,
    #[serde(default)]
    drop: Vec<usize>,
    #[serde(default = "yes")]
    sums: bool,
}

fn yes() -> bool {
    true
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| u8::try_from(d).unwrap()).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

impl Made {
    /// Where the message begins behind its headers, and the whole packet.
    fn packet(&self, message: Option<&str>) -> (usize, Vec<u8>) {
        let udp = |port: u16, front: &[u8], message: Vec<u8>| {
            let length = u16::try_from(8 + front.len() + message.len()).unwrap();
            let header = [port, port, length, 0].map(u16::to_be_bytes).concat();
            (17, [&header[..], front].concat(), message)
        };
        let octets = |own: &str| hex(message.unwrap_or(own));
        let (protocol, header, message) = match self {
            Made { nhrp: Some(own), .. } => {
                let mut message = octets(own);
                fix(&mut message);
                (47, hex("2000 2001 0000002a"), message)
            }
            Made { gre: Some(own), .. } => (47, Vec::new(), octets(own)),
            Made { esp: Some(own), .. } => (50, Vec::new(), octets(own)),
            Made { ike: Some(own), .. } => udp(500, &[], octets(own)),
            Made { nat: Some(own), .. } => udp(4500, &[0; 4], octets(own)),
            _ => panic!("a packet of nothing"),
        };
        let len = u16::try_from(header.len() + message.len()).unwrap();
        let ip = match (self.from, self.to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let mut ip = hex("4500 0000 0001 0000 ff00 0000");
                ip.extend(from.octets().into_iter().chain(to.octets()));
                ip[2..4].copy_from_slice(&(len + 20).to_be_bytes());
                ip[9] = protocol;
                ip
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let mut ip = hex("6000 0000 0000 00ff");
                ip[4..6].copy_from_slice(&len.to_be_bytes());
                ip[6] = protocol;
                ip.extend(from.octets().into_iter().chain(to.octets()));
                ip
            }
            _ => panic!("two families"),
        };
        let start = ip.len() + header.len();
        let mut packet = [ip, header, message].concat();
        sum(&mut packet);
        (start, packet)
    }
}

/// The outer header sums up again.
fn sum(packet: &mut [u8]) {
    if packet[0] >> 4 == 4 {
        ipv4::Packet::new(packet).fill_checksum();
    }
}

/// Packet size and checksum of an NHRP message.
fn fix(message: &mut [u8]) {
    let len = u16::try_from(message.len()).unwrap();
    let mut view = nhrp::Packet::new(message);
    view.set_packet_size(len);
    view.fill_checksum();
}

fn value(value: &serde_json::Value) -> FieldValue {
    match (value.as_u64(), value.as_str()) {
        (Some(number), _) => FieldValue::Uint(number),
        (_, Some(text)) => match text.strip_prefix("hex:") {
            Some(octets) => FieldValue::Bytes(hex(octets)),
            None => FieldValue::Addr(text.parse().unwrap()),
        },
        _ => panic!("{value}"),
    }
}

fn made(base: &[Made], with: Option<&Break>) -> Vec<CapturedPacket> {
    let mut packets = Vec::new();
    for (index, made) in base.iter().enumerate() {
        let number = index + 1;
        let mut at = made.at;
        let message = with.and_then(|with| with.message.iter().find(|(of, _)| *of == number));
        let (start, mut octets) = made.packet(message.map(|(_, text)| text.as_str()));
        if let Some(with) = with {
            if with.drop.contains(&number) {
                continue;
            }
            at = with.at.iter().find(|(of, _)| *of == number).map_or(at, |(_, at)| *at);
            for (_, path, wanted) in with.set.iter().filter(|(of, ..)| *of == number) {
                write_field(&mut octets, path, &value(wanted)).unwrap_or_else(|error| panic!("{path}: {error}"));
            }
            for (_, offset, text) in with.octets.iter().filter(|(of, ..)| *of == number) {
                let text = hex(text);
                octets[start + offset..start + offset + text.len()].copy_from_slice(&text);
            }
            if with.sums && made.nhrp.is_some() && message.is_none() {
                fix(&mut octets[start..]);
            }
            sum(&mut octets);
        }
        packets.push(CapturedPacket {
            number: number as u64,
            timestamp_ns: (1_000 + at) * 1_000_000_000,
            interface: 0,
            linktype: LinkType::RAW,
            original_len: u32::try_from(octets.len()).unwrap(),
            octets,
            comment: None,
            offset: 0,
        });
    }
    packets
}

/// Keys of the base `opened`: its cipher changes nothing, and its check values are right or wrong.
fn open_keys() -> Keys {
    let mut keys = Keys::default();
    let esp =
        "\"IPv4\",\"*\",\"*\",\"0xd0000001\",\"NULL\",\"\",\"HMAC-SHA-1-96 [RFC2404]\",\"0x00112233445566778899\"\n";
    keys.add("esp_sa", esp.as_bytes()).unwrap();
    let ike = "2122232425262728,3132333435363738,,,\"NULL [RFC2410]\",,,\"NONE [RFC4306]\"";
    keys.add("ikev2_decryption_table", ike.as_bytes()).unwrap();
    keys
}

fn judge(rules: &Rules, packets: &[CapturedPacket]) -> Vec<RuleVerdict> {
    let mut judge = Judge::new(rules, Path::new("made.pcapng"));
    let (mut session, mut read) = (Session::with_keys(open_keys()), Dissection::default());
    for packet in packets {
        read.read(&mut session, packet.linktype, &packet.octets);
        judge.packet(packet, &read);
    }
    judge.finish().0
}

#[test]
fn every_rule_is_kept_by_what_is_right_and_broken_by_what_is_wrong() {
    let rules = own();
    let breaks: Breaks = serde_yaml::from_str(include_str!("breaks.yaml")).unwrap();
    let mut problems = Vec::new();
    let mut kept: BTreeMap<String, u64> = BTreeMap::new();
    for (name, base) in &breaks.bases {
        for verdict in judge(&rules, &made(base, None)) {
            if verdict.result > Result::Pass {
                problems.push(format!("{name} breaks {}: {:#?}", verdict.rule, verdict.findings));
            }
            *kept.entry(verdict.rule).or_default() += verdict.applied;
        }
    }
    for (rule, level) in &rules.rules {
        let id = rule.id.value.as_str();
        if kept[id] == 0 {
            problems.push(format!("{id}: no base is about it"));
        }
        let Some(entry) = breaks.breaks.get(id) else {
            problems.push(format!("{id}: breaks.yaml does not say what breaks it"));
            continue;
        };
        let verdicts = judge(&rules, &made(&breaks.bases[&entry.base], Some(entry)));
        let verdict = verdicts.iter().find(|verdict| verdict.rule == id).unwrap();
        let soft = id == "exchanges/purge-answered" || *level == Strength::Should;
        let wanted = if soft { Result::Warn } else { Result::Fail };
        if verdict.result != wanted {
            let others: Vec<_> = verdicts.iter().filter(|v| v.result > Result::Pass).map(|v| v.rule.as_str()).collect();
            problems.push(format!("{id} comes to {:?} where it is broken; broken are {others:?}", verdict.result));
        } else if verdict.findings[0].comparison.rows.iter().all(|row| !row.differs) {
            problems.push(format!("{id} does not say what differs"));
        }
    }
    problems.extend(
        breaks.breaks.keys().filter(|id| !kept.contains_key(*id)).map(|id| format!("{id}: there is no such rule")),
    );
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Captures of the project, and those of others if they are there.
fn all_captures() -> Vec<PathBuf> {
    let mut found = captures(&checkout().join("captures")).unwrap();
    match std::env::var_os("DMVPN_LAB_CAPTURES") {
        Some(place) => found.extend(captures(Path::new(&place)).unwrap()),
        None => {
            assert_ne!(std::env::var("DMVPN_LAB_DENY_SKIPS").as_deref(), Ok("1"), "DMVPN_LAB_CAPTURES is not set");
            eprintln!("skipped: captures of others, DMVPN_LAB_CAPTURES is not set");
        }
    }
    found
}

#[test]
fn no_capture_breaks_a_rule_but_those_that_are_known_to() {
    let rules = own();
    let mut problems = Vec::new();
    let (mut needed, mut applied) = (std::collections::BTreeSet::new(), 0);
    let paths = all_captures();
    for path in &paths {
        let judged = judge_capture(&rules, path, &[]).unwrap();
        for verdict in &judged.verdicts {
            applied += verdict.applied;
            needed.extend(verdict.exceptions.iter().copied());
            if verdict.result > Result::Known {
                problems.push(format!(
                    "{} breaks {} with packets {:?}: {}\n{}",
                    path.display(),
                    verdict.rule,
                    verdict.packets,
                    verdict.findings[0].comparison.expected_line,
                    verdict.findings[0].comparison.actual_line
                ));
            }
        }
    }
    // An exception of a capture that is here and breaks nothing hides what may come.
    for (index, entry) in rules.exceptions.iter().enumerate() {
        let Exempt::Capture(capture) = &entry.place else { continue };
        if paths.iter().any(|path| path.ends_with(capture)) && !needed.contains(&index) {
            problems.push(format!("{}: {capture} does not break `{}` (any more)", entry.rule.span, *entry.rule));
        }
    }
    assert!(applied > 0);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

fn load_text(text: &str) -> std::result::Result<Rules, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("own.yaml"), text).unwrap();
    load(folder.path(), &catalogue()).map_err(|mistakes| {
        mistakes
            .iter()
            .map(|m| format!("{}: {} ({})", m.span.line, m.message, m.help.clone().unwrap_or_default()))
            .collect()
    })
}

fn mistake(rule: &str) -> String {
    let text = format!(
        "schema: 1\nrules: own\ntitle: Own\nlist:\n  - {{ id: one, title: One., cites: NHRP-5.1-15, {rule} }}\n"
    );
    let mistakes = load_text(&text).unwrap_err();
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    mistakes[0].clone()
}

#[test]
fn a_rule_that_is_not_right_says_what_is_meant() {
    assert_eq!(
        mistake("when: { msg: nhrp, match: { hdr.hopcont: 1 } }, then: { hdr.type: 1 }"),
        "5: unknown field `hdr.hopcont` (did you mean `hdr.hopcnt`?)"
    );
    assert_eq!(mistake("when: { msg: nhrp }"), "5: this rule demands nothing (`when` goes with `begins` and `then`)");
    assert!(
        mistake("when: { msg: nhrp }, then: { hdr.pktsz: { same_as: lenght } }").contains("did you mean `length`?")
    );
    assert!(
        mistake("when: { msg: nhrp }, then: { hdr.pktsz: { same_as: src.nbma } }")
            .contains("expected a field that holds")
    );
    assert!(mistake("when: { msg: nhrp }, same: flags").starts_with("5: `same` does not go with `when`"));
    let cites = |id: &str| {
        load_text(&format!(
            "schema: 1\nrules: own\ntitle: Own\nlist:\n  - {{ id: one, title: One., cites: {id}, when: {{ msg: nhrp }}, then: {{ hdr.type: 1 }} }}\n"
        ))
    };
    assert!(cites("NHRP-5.1-15").is_ok());
    assert!(cites("NHRP-5.1-1S").unwrap_err()[0].contains("did you mean `NHRP-5.1-1"));
    assert!(cites("NHRP-5.1-05").unwrap_err()[0].contains("a MAY, which nobody can break"));
}

fn one_rule(rule: &str) -> Rules {
    load_text(&format!(
        "schema: 1\nrules: own\ntitle: Own\nlist:\n  - {{ id: one, title: One., cites: NHRP-5.1-15, {rule} }}\n"
    ))
    .unwrap()
}

fn base(name: &str) -> Vec<CapturedPacket> {
    let breaks: Breaks = serde_yaml::from_str(include_str!("breaks.yaml")).unwrap();
    made(&breaks.bases[name], None)
}

#[test]
fn a_rule_about_nothing_that_came_is_not_seen_and_no_pass() {
    let rules = one_rule("when: { msg: nhrp.purge_request }, then: { flags.N: 1 }");
    let verdict = &judge(&rules, &base("registration"))[0];
    assert_eq!((verdict.result, verdict.applied), (Result::NotSeen, 0));
    let verdict = &judge(&rules, &base("purge"))[0];
    assert_eq!((verdict.result, verdict.applied, verdict.packets.as_slice()), (Result::Fail, 2, &[1][..]));
    let row = &verdict.findings[0].comparison.rows[0];
    assert_eq!(
        (row.field.as_str(), row.expected.as_str(), row.actual.as_str(), row.offset),
        ("flags.N", "1", "0", Some(50))
    );
}

fn senders(nodes: &[(&str, &str)]) -> Cast {
    Cast::new(nodes.iter().map(|(node, player)| ((*node).to_owned(), (*player).to_owned())).collect())
}

fn judge_from(rules: &Rules, packets: &[CapturedPacket], cast: &Cast) -> (Vec<RuleVerdict>, Summary) {
    let mut judge = Judge::new(rules, Path::new("made.pcapng"));
    for packet in packets {
        judge.packet_from(packet, &Dissection::of_ip(&packet.octets), &cast.sender(packet));
    }
    judge.finish()
}

#[test]
fn a_script_is_not_judged_nor_who_answers_what_it_has_broken() {
    let rules = one_rule("when: { msg: nhrp }, then: { \"cie[0].preference\": 0 }");
    let mut packets = base("registration");
    let says = ["spoke -> hub", "hub -> spoke", "spoke -> hub", "hub -> spoke"];
    for (packet, says) in packets.iter_mut().zip(says) {
        packet.comment = Some(says.to_owned());
    }
    // The first request and its reply have a preference, and so has the second reply alone.
    for index in [0, 1, 3] {
        write_field(&mut packets[index].octets, "cie[0].preference", &FieldValue::Uint(9)).unwrap();
    }
    let judged = |spoke: &str| {
        let (verdicts, summary) = judge_from(&rules, &packets, &senders(&[("hub", "frr 10.3"), ("spoke", spoke)]));
        (verdicts[0].packets.clone(), verdicts[0].findings[0].sender.clone(), summary.judged, summary.left_out)
    };
    let hub = Sender::Player { node: "hub".into(), implementation: "frr".into(), version: "10.3".into() };
    // Scripted: the request breaks the rule on purpose; the reply that repeats it is no breach, the other reply is.
    assert_eq!(judged("scripted"), (vec![4], hub, 1, 3));
    // A daemon: it is to blame for its request, and the hub that repeats it is not.
    let spoke = Sender::Player { node: "spoke".into(), implementation: "peer".into(), version: "0.1.0".into() };
    assert_eq!(judged("peer 0.1.0"), (vec![1, 4], spoke, 4, 0));
    packets[0].comment = Some("spoke -> hub: corrupted".to_owned());
    let (_, summary) = judge_from(&rules, &packets, &senders(&[("hub", "frr 10.3"), ("spoke", "peer 0.1.0")]));
    assert_eq!((summary.judged, summary.left_out), (2, 2));
}

#[test]
fn a_capture_has_its_cast_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("own.pcapng");
    let mut packet = base("registration").remove(0);
    let sender = |packet: &CapturedPacket, says: &str| {
        let packet = CapturedPacket { comment: Some(says.to_owned()), ..packet.clone() };
        Beside::of(&capture).unwrap().cast.map(|cast| cast.sender(&packet))
    };
    assert_eq!(sender(&packet, "hub -> spoke"), None);
    let player = |implementation: &str, version: &str| {
        let (implementation, version) = (implementation.to_owned(), version.to_owned());
        Some(Sender::Player { node: "hub".to_owned(), implementation, version })
    };
    let sidecar = |hub: &str| {
        let text = format!("shows: x\nnodes: {{ hub: \"hub, {hub}\", spoke: \"spoke, scripted by the case\" }}\n");
        std::fs::write(folder.path().join("own.yaml"), text).unwrap();
    };
    sidecar("frr 10.3");
    assert_eq!(sender(&packet, "hub -> spoke"), player("frr", "10.3"));
    assert_eq!(sender(&packet, "spoke -> hub: lost"), Some(Sender::Script));
    sidecar("the built-in peer");
    assert_eq!(sender(&packet, "hub -> spoke"), player("peer", ""));
    packet.comment = None;
    assert_eq!(Beside::of(&capture).unwrap().cast.unwrap().sender(&packet), Sender::Unknown);
    std::fs::write(folder.path().join("verdict.json"), "{}").unwrap();
    assert!(Beside::of(&capture).is_err());
    std::fs::write(folder.path().join("cast.json"), "{\"hub\":\"dmvpn-peer 0.1.0\",\"spoke\":\"scripted\"}").unwrap();
    assert_eq!(sender(&packet, "hub -> spoke"), player("dmvpn-peer", "0.1.0"));
    assert_eq!(sender(&packet, "spoke -> hub"), Some(Sender::Script));
}

#[test]
fn a_breach_that_is_known_of_an_implementation_is_told_apart() {
    let mut rules = one_rule("when: { msg: nhrp.registration_reply }, then: { \"cie[0].mtu\": 0 }");
    let text =
        "schema: 1\nexceptions:\n  - { rule: own/one, impl: frr, versions: \">=8.0, <11\", reason: repeats it }\n";
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("exceptions.yaml"), text).unwrap();
    let RuleFile::Exceptions(known) = load_rules(&folder.path().join("exceptions.yaml")).unwrap() else { panic!() };
    rules.exceptions = known;
    let mut packets = base("registration");
    packets.iter_mut().for_each(|packet| packet.comment = Some("hub -> spoke".to_owned()));
    let judged = |player: &str| {
        let (verdicts, _) = judge_from(&rules, &packets, &senders(&[("hub", player)]));
        (verdicts[0].result, verdicts[0].known, verdicts[0].exceptions.clone())
    };
    assert_eq!(judged("frr 10.3"), (Result::Known, 2, vec![0]));
    assert_eq!(judged("frr 7.5.1"), (Result::Fail, 0, vec![]));
    assert_eq!(judged("peer 10.3"), (Result::Fail, 0, vec![]));

    // What a case makes it do is known in what that case, or a case of that suite, has left, and nowhere else.
    let Exempt::Implementation { case, .. } = &mut rules.exceptions[0].place else { panic!() };
    *case = Some("nhrp/own".to_owned());
    let frr = Sender::Player { node: "hub".into(), implementation: "frr".into(), version: "10.3".into() };
    let known = |path: &str| rules.exception("own/one", Path::new(path), &frr);
    assert_eq!(known("runs/now/nhrp/own/case/frr_10.3/wan.pcapng"), Some(0));
    assert_eq!(known("runs/now/nhrp/owner/case/frr_10.3/wan.pcapng"), None);
    assert_eq!(known("nhrp/own.pcapng"), None);
}

#[test]
fn memory_is_bounded_and_what_is_forgotten_is_counted() {
    // What is remembered of messages does not depend on the number of rules, what a packet costs does.
    let rules = one_rule("when: { msg: nhrp.registration_request }, then: { hdr.version: 1 }");
    let mut judge = Judge::new(&rules, Path::new("made.pcapng"));
    let mut packet = base("refused").remove(0);
    for id in 0..6000u32 {
        write_field(&mut packet.octets, "request_id", &FieldValue::Uint(id.into())).unwrap();
        packet.number += 1;
        judge.packet(&packet, &Dissection::of_ip(&packet.octets));
    }
    assert!(judge.finish().1.forgotten >= 6000 - 4096);
}

#[test]
fn both_reports_say_rule_packet_expected_and_actual() {
    let rules = one_rule("when: { msg: nhrp.purge_request }, then: { flags.N: 1 }");
    let mut judge = Judge::new(&rules, Path::new("made.pcapng"));
    for packet in base("purge") {
        judge.packet(&packet, &Dissection::of_ip(&packet.octets));
    }
    let (verdicts, summary) = judge.finish();
    let judged = [Judged { capture: "made.pcapng".into(), verdicts, summary, errors: Vec::new() }];
    let terminal = crate::report::Terminal { color: false, unicode: false, interactive: false, width: 100 };
    let text = human(&judged, true, &terminal);
    assert_eq!(
        text,
        "        fail own/one
             One.
 requirement NHRP-5.1-15 (must)
      packet 1 of 2 in made.pcapng
             expected nhrp.purge_request flags.N=1
             actual   nhrp.purge_request flags.N=0
                                         ^^^^^^^^^
      offset flags.N at octet 50
        fail own/one (NHRP-5.1-15), 2 packets
1 rules: 0 pass, 1 fail, 0 warn, 0 broken only as known, 0 not seen; 3 packets of 1 capture judged
"
    );
    let json = json(&judged);
    assert_eq!(json["rules"][0]["result"], "fail");
    assert_eq!(json["captures"][0]["verdicts"][0]["packets"], serde_json::json!([1]));
}
