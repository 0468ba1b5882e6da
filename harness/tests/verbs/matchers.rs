//! Every matcher against one packet whose fields are known: one row that holds, one that must not, and why.

use std::fmt::Write;

use crate::lab::{complaint, run_all, suite};

/// Field and matcher, and what comes of it.
const TABLE: &[(&str, &str)] = &[
    ("request_id: 77", "pass"),
    ("request_id: 78", "fail: request_id is 77, expected 78"),
    ("request_id: 0x4d", "pass"),
    ("src.nbma: 192.0.2.12", "pass"),
    ("src.nbma: 192.0.2.1", "fail: src.nbma is 192.0.2.12, expected 192.0.2.1"),
    ("flags.U: 1", "pass"),
    ("flags.U: 0", "fail: flags.U is 1, expected 0"),
    ("'cie[0].holding_time': 60s", "pass"),
    ("'cie[0].holding_time': 1m", "pass"),
    ("'cie[0].holding_time': 59s", "fail: cie[0].holding_time is 60, expected 59"),
    ("'cie[0].holding_time': $hold", "pass"),
    ("'cie[0].holding_time': $hold/2", "fail: cie[0].holding_time is 60, expected 30"),
    ("request_id: $number", "pass"),
    ("request_id: $other", "fail: request_id is 77, expected 78"),
    ("request_id: any", "pass"),
    ("error.code: any", "fail: error.code is absent, expected present"),
    ("request_id: present", "pass"),
    ("error.code: present", "fail: error.code is absent, expected present"),
    ("error.code: absent", "pass"),
    ("request_id: absent", "fail: request_id is 77, expected absent"),
    ("ext.auth: absent", "pass"),
    ("ext.responder: absent", "fail: ext.responder is 1, expected absent"),
    ("request_id: { ge: 77 }", "pass"),
    ("request_id: { ge: 78 }", "fail: request_id is 77"),
    ("request_id: { gt: 76 }", "pass"),
    ("request_id: { gt: 77 }", "fail: request_id is 77"),
    ("request_id: { le: 77 }", "pass"),
    ("request_id: { le: 76 }", "fail: request_id is 77"),
    ("request_id: { lt: 78 }", "pass"),
    ("request_id: { lt: 77 }", "fail: request_id is 77"),
    ("error.code: { ge: 0 }", "fail: error.code is absent"),
    ("request_id: { between: [77, 77] }", "pass"),
    ("request_id: { between: [78, 90] }", "fail: request_id is 77"),
    ("request_id: { between: [1, 76] }", "fail: request_id is 77"),
    ("'cie[0].holding_time': { between: [60s, 2m] }", "pass"),
    ("request_id: { one_of: [76, 77] }", "pass"),
    ("request_id: { one_of: [76, 78] }", "fail: request_id is 77"),
    ("request_id: { not: 78 }", "pass"),
    ("request_id: { not: 77 }", "fail: request_id is 77"),
    ("request_id: { not: { ge: 78 } }", "pass"),
    ("request_id: { not: { ge: 77 } }", "fail: request_id is 77"),
    ("hdr.snap: { not: { len: 4 } }", "pass"),
    ("hdr.snap: { not: { len: 5 } }", "fail: hdr.snap is "),
    ("cie: { not: { contains: [{ code: 4 }] } }", "pass"),
    ("cie: { not: { contains: [{ code: 0 }] } }", "fail: cie is "),
    ("cie: { not: { exactly: [{ code: 4 }] } }", "pass"),
    ("cie: { not: { exactly: [{ code: 0 }] } }", "fail: cie is "),
    ("flags: { mask: 0xC000, is: 0x8000 }", "pass"),
    ("flags: { mask: 0xC000, is: 0xC000 }", "fail: flags is "),
    ("hdr.snap: { len: 5 }", "pass"),
    ("hdr.snap: { len: 4 }", "fail: hdr.snap is "),
    ("cie: { len: 1 }", "pass"),
    ("cie: { len: 2 }", "fail: cie is "),
    ("ext.order: { len: 7 }", "pass"),
    ("ext.order: { len: 6 }", "fail: ext.order is 3,4,5,0"),
    ("hdr.snap: { hex: '0000000000' }", "pass"),
    ("hdr.snap: { hex: '0000000001' }", "fail: hdr.snap is "),
    ("request_id: { bind: whatever }", "pass"),
    ("error.code: { bind: whatever }", "fail: error.code is absent"),
    ("cie: { exactly: [{ code: 0, holding_time: 60s }] }", "pass"),
    ("cie: { exactly: [{ code: 4 }] }", "fail: cie[0].code is 0, expected 4"),
    ("cie: { exactly: [] }", "fail: cie.count is 1, expected 0"),
    ("cie: [{ code: 0 }, { code: 0 }]", "fail: cie.count is 1, expected 2"),
    ("cie: { contains: [{ code: 0 }] }", "pass"),
    ("cie: { contains: [{ code: 4 }] }", "fail: cie is none of 1, expected an element where"),
    ("cie: { contains: [{ code: 0 }, { code: 0 }] }", "fail: cie is none of 1"),
    ("ext.responder.cie: { exactly: [] }", "pass"),
];

const HEAD: &str = "schema: 1
suite: verbs/matchers
title: Matchers
worlds: [sim]
params: { hold: 60s, number: 77, other: 78 }
topology:
  nodes:
    idle: { role: hub, bind: subject, nbma: 192.0.2.1, tunnel: 10.0.0.1/24 }
    client: { role: spoke, scripted: true, nbma: 192.0.2.12, tunnel: 10.0.0.12/24, nhrp: { hold: $hold } }
    server: { role: hub, scripted: true, nbma: 192.0.2.2, tunnel: 10.0.0.2/24 }
  links: [{ name: wan, ends: [idle:nbma, client:nbma, server:nbma], capture: true }]
cases:
";

#[test]
fn every_matcher_holds_and_breaks() {
    let mut text = HEAD.to_owned();
    for (number, (matcher, _)) in TABLE.iter().enumerate() {
        let _ = write!(
            text,
            "  - id: m{number}
    title: A matcher.
    cites: [{{ spec: project, section: harness, level: goal }}]
    steps:
      - send: {{ from: client, to: server, msg: nhrp.registration_request, fields: {{ request_id: 77 }} }}
      - expect: {{ on: wan, msg: nhrp.registration_request, within: 1s, match: {{ {matcher} }} }}
"
        );
    }
    let results = run_all(&[suite("verbs/matchers", &text)], 2);
    let complaints: Vec<String> = TABLE
        .iter()
        .zip(&results)
        .filter_map(|((matcher, wanted), result)| complaint(result, wanted).map(|text| format!("{matcher}: {text}")))
        .collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}
