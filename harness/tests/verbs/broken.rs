//! Peers that are broken on purpose: the cases of the real suite must notice them. A fault is played by a scripted node
//! or by parameters that the case does not expect; everything that judges is the text of the real case, untouched.

use std::fs;

use dmvpn_lab::verdict::Outcome;

use crate::lab::{SEED, folder, run_case, suite};

/// One fault: who is broken and how, the case that must notice it (of nhrp/registration unless it says otherwise), what of
/// its text plays the fault, and the reason.
struct Fault {
    what: &'static str,
    case: &'static str,
    edits: &'static [(&'static str, &'static str)],
    reason: &'static str,
}

/// The harness plays the hub of `reply-fields`; its answer follows behind the request. A suite needs somebody under test,
/// so somebody idles.
const HUB_IS_SCRIPTED: (&str, &str) = (
    "        spoke: { scripted: true }\n",
    "        spoke: { scripted: true }\n        hub: { scripted: true }\n        idle: { role: hub, bind: subject, nbma: 192.0.2.200, tunnel: 10.0.0.200/24 }\n",
);
const NO_START: (&str, &str) = ("      - start: hub\n", "");
const REQUEST: &str = "\"cie[0].holding_time\": 300s } }\n";

macro_rules! hub_that {
    ($what:literal, $answer:literal, $reason:literal) => {
        Fault {
            what: concat!("a hub that ", $what),
            case: "reply-fields",
            edits: &[
                HUB_IS_SCRIPTED,
                NO_START,
                (
                    REQUEST,
                    concat!(
                        "\"cie[0].holding_time\": 300s } }\n",
                        "      - send: { from: hub, msg: nhrp.registration_reply, reply_to: $asked",
                        $answer,
                        " }\n"
                    ),
                ),
            ],
            reason: $reason,
        }
    };
}

const FAULTS: &[Fault] = &[
    hub_that!("answers as it should", "", ""),
    hub_that!(
        "gives another holding time",
        ", fields: { 'cie[0].holding_time': 299s }",
        "cie[0].holding_time is 299, expected 300"
    ),
    hub_that!("sums up wrongly", ", mutate: [{ flip: { offset: 12, bit: 3 } }]", "hdr.chksum_ok is 0, expected 1"),
    hub_that!("forgets the U bit", ", fields: { flags.U: 0 }", "flags is 0x0002, expected 0x8002"),
    hub_that!("answers another request", ", fields: { request_id: 1 }", "request_id is 1, expected 16909060"),
    hub_that!(
        "does not say who it is",
        ", extensions: [{ type: responder }, { type: forward }, { type: reverse }]",
        "ext.responder.cie.count is 0, expected 1"
    ),
    hub_that!("puts octets behind its message", ", mutate: [{ append: { hex: '00' } }]", "length is 89, expected 88"),
    hub_that!("loses the key", ", gre: { key: none }", "gre.key is absent, expected 42"),
    Fault {
        what: "a spoke that refreshes at half of the holding time",
        case: "refresh-third",
        edits: &[("nhrp: { hold: $hold }", "nhrp: { hold: 9s }")],
        reason: "number 1 did not come within 2s of the one before",
    },
    Fault {
        what: "a spoke that refreshes two hours late by a third of a second",
        case: "nhrp/holding-time/refresh",
        edits: &[("nhrp: { hold: $hold }", "nhrp: { hold: 7201s }")],
        reason: "number 1 did not come within 2400s",
    },
    Fault {
        what: "a hub that keeps a binding for a second too long",
        case: "expiry",
        edits: &[("{ \"cie[0].holding_time\": $hold }", "{ \"cie[0].holding_time\": 7s }")],
        reason: "the state does not hold at its instant",
    },
    Fault {
        what: "a hub that drops a binding a second too soon",
        case: "nhrp/holding-time/expiry",
        edits: &[("{ \"cie[0].holding_time\": $hold }", "{ \"cie[0].holding_time\": 7199s }")],
        reason: "the state held already before its instant",
    },
    Fault {
        what: "a hub that does not look at the checksum",
        case: "bad-checksum",
        edits: &[("bit: 3 } }]", "bit: 3 } }, { fix: checksum }]")],
        reason: "a message came that must not: NHRP Registration Reply",
    },
    Fault {
        what: "a hub that lets a unique binding be taken over",
        case: "unique-conflict",
        edits: &[("fields: { request_id: 1,", "fields: { flags.U: 0, request_id: 1,")],
        reason: "cie[0].code is 0, expected 14",
    },
    Fault {
        what: "a spoke that changes the id when it tries again",
        case: "retry",
        edits: &[
            (
                "        hub: { scripted: true }\n",
                "        hub: { scripted: true }\n        spoke: { scripted: true }\n        idle: { role: hub, bind: subject, nbma: 192.0.2.200, tunnel: 10.0.0.200/24 }\n",
            ),
            ("        spoke: { bind: subject }\n", ""),
            (
                "      - start: spoke\n",
                "      - send: { from: spoke, to: hub, msg: nhrp.registration_request }\n      \
                 - send: { from: spoke, to: hub, msg: nhrp.registration_request, fields: { request_id: 2 } }\n",
            ),
        ],
        reason: "request_id is 2, expected 1 ($id)",
    },
    Fault {
        what: "a spoke that does not slow down",
        case: "retry",
        edits: &[
            (
                "        hub: { scripted: true }\n",
                "        hub: { scripted: true }\n        spoke: { scripted: true }\n        idle: { role: hub, bind: subject, nbma: 192.0.2.200, tunnel: 10.0.0.200/24 }\n",
            ),
            ("        spoke: { bind: subject }\n", ""),
            (
                "      - start: spoke\n",
                "      - send: { from: spoke, to: hub, msg: nhrp.registration_request, as: again }\n      \
                 - wait: { for: 1s, because: the fault has a pace }\n      - send: { from: spoke, packet: again }\n      \
                 - wait: { for: 1s, because: the fault has a pace }\n      - send: { from: spoke, packet: again }\n      \
                 - wait: { for: 1s, because: the fault has a pace }\n      - send: { from: spoke, packet: again }\n",
            ),
        ],
        reason: "`second-gap` is 1s, at least 1.8s was wanted",
    },
    Fault {
        what: "a spoke that takes a refusal for an acknowledgement",
        case: "nak",
        edits: &[("\"cie[0].code\": 4,", "\"cie[0].code\": 0,")],
        reason: "the state stopped holding",
    },
];

impl Fault {
    /// Suite and case.
    fn place(&self) -> (&'static str, &'static str) {
        self.case.rsplit_once('/').unwrap_or(("nhrp/registration", self.case))
    }

    /// The text of the suite.
    fn text(&self) -> String {
        fs::read_to_string(folder(&format!("../suites/{}.yaml", self.place().0))).unwrap()
    }
}

/// The suite with one case only, in which the fault is played.
fn with(fault: &Fault, text: &str) -> String {
    let (head, cases) = text.split_once("\ncases:\n").unwrap();
    let id = fault.place().1;
    let start = cases.find(&format!("  - id: {id}\n")).unwrap_or_else(|| panic!("no case {id}"));
    let end = cases[start + 1..].find("\n  - id: ").map_or(cases.len(), |end| start + 1 + end + 1);
    let mut case = cases[start..end].to_owned();
    // What other cases have given a name to is put in its place.
    for key in ["topology", "control"] {
        if let Some(name) =
            case.split_once(&format!("    {key}: *")).map(|(_, rest)| rest.lines().next().unwrap().to_owned())
        {
            let begin = cases.find(&format!("    {key}: &{name}\n")).unwrap();
            let block: String = cases[begin..]
                .lines()
                .enumerate()
                .take_while(|(number, line)| *number == 0 || line.starts_with("      "))
                .map(|(_, line)| format!("{}\n", line.replace(&format!(" &{name}"), "")))
                .collect();
            case = case.replace(&format!("    {key}: *{name}\n"), &block);
        }
    }
    let mut text = format!("{head}\ncases:\n{case}");
    for (from, to) in fault.edits {
        assert!(text.contains(from), "{}: the real suite has no `{from}` any more", fault.what);
        text = text.replace(from, to);
    }
    text
}

#[test]
fn every_fault_is_noticed() {
    let mut complaints = Vec::new();
    for fault in FAULTS {
        let suite = suite(fault.place().0, &with(fault, &fault.text()));
        let verdict = run_case(&suite, &suite.cases[0], SEED).verdict;
        let wanted = if fault.reason.is_empty() { Outcome::Pass } else { Outcome::Fail };
        if verdict.outcome != wanted || !verdict.reason.contains(fault.reason) {
            complaints.push(format!(
                "{} ({}): wanted `{}`, got {} {}",
                fault.what,
                fault.case,
                fault.reason,
                verdict.outcome.name(),
                verdict.reason
            ));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// Without a fault the cut-out cases pass: what the others notice is the fault, not the cut.
#[test]
fn without_a_fault_they_pass() {
    for fault in FAULTS {
        let sound = Fault { edits: &[], ..*fault };
        let suite = suite(sound.place().0, &with(&sound, &sound.text()));
        let verdict = run_case(&suite, &suite.cases[0], SEED).verdict;
        assert_eq!(verdict.outcome, Outcome::Pass, "{}: {}", fault.case, verdict.reason);
    }
}
