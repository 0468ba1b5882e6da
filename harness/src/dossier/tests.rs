use std::fs;
use std::path::Path;

use super::*;
use crate::report::sample;
use crate::suite::load_str;
use crate::verdict::{CiteRef, Comparison, FieldRow, ImplRef, Verdict};

const SUITE: &str = "schema: 1
suite: own
title: Own
worlds: [sim, real]
topology:
  nodes:
    hub: { role: hub, bind: subject, nbma: 192.0.2.1, tunnel: 10.0.0.1/24 }
    spoke: { role: spoke, bind: peer, nbma: 192.0.2.2, tunnel: 10.0.0.2/24, nhs: [{ node: hub }] }
  links: [{ name: wan, ends: [hub:nbma, spoke:nbma], capture: true }]
cases:
  - id: other
    title: Another.
    cites: [{ spec: project, section: harness, level: goal }]
    steps: &steps
      - expect: { msg: nhrp.registration_reply }
  - id: case
    title: A <b>case</b> & its title.
    cites: [{ spec: rfc2332, section: \"5.2\", level: must, requirement: NHRP-5.2.4-01 }]
    steps: *steps
";

/// A run with one expected failure, whose evidence lies in `folder`.
fn run(folder: &Path) -> StoredRun {
    let mut run = sample::run();
    let evidence = folder.join("own/case/frr_10.3");
    for (name, text) in [
        ("wan.pcapng", "capture"),
        ("logs/hub.log", "a <log> line\n"),
        ("config/hub/frr.conf", "hostname hub\n"),
        (
            "timeline.jsonl",
            "{\"at_ns\": 1500000, \"kind\": \"packet\", \"text\": \"hub -> spoke  NHRP\"}\n{\"at_ns\": 1, \"kind\": \"log\", \"text\": \"no\"}\n",
        ),
        ("verdict.json", "{}\n"),
    ] {
        let path = evidence.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let row = FieldRow {
        field: "cie[0].code".into(),
        expected: "14".into(),
        actual: "0".into(),
        offset: Some(2),
        differs: true,
    };
    let comparison = Comparison::from_rows("nhrp.registration_reply", vec![row], Some(vec![0x45, 0, 0x2f]));
    let failure = Failure {
        expected: vec!["code 14".into()],
        actual: "code 0".into(),
        comparison: Some(comparison),
        ..Failure::default()
    };
    let verdict = Verdict::new(Outcome::Xfail, "cie[0].code is 0").with_failure(failure);
    let requirement = Some("NHRP-5.2.4-01".to_owned());
    let case = CaseResult {
        id: "own/case".into(),
        suite: "own".into(),
        title: "A <b>case</b> & its title.".into(),
        variant: Some("frr:10.3".into()),
        subject: ImplRef::new("frr", "10.3"),
        driver: Some("guest".into()),
        verdict,
        cites: vec![CiteRef { spec: "rfc2332".into(), section: "5.2".into(), requirement, ..CiteRef::default() }],
        evidence: Some("elsewhere/own/case/frr_10.3".into()),
        rerun: "cargo lab run own/case".into(),
        ..run.cases[0].clone()
    };
    run.cases = vec![case];
    // As the run was written, before it was moved here.
    run.evidence_dir = Some("elsewhere".into());
    StoredRun { result: run, folder: folder.to_owned() }
}

#[test]
fn a_page_has_all_that_is_needed_and_nothing_that_a_browser_would_carry_out() {
    let folder = tempfile::tempdir().unwrap();
    let suites = [load_str(Path::new("suites/own.yaml"), SUITE).unwrap()];
    let catalogue = Catalogue::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../suites/requirements")).unwrap();
    let record = |case: &str| {
        format!(
            "- {{ impl: frr, versions: '>=10', case: {case}, match: {{ field: 'cie[0].code', actual: '0' }}, reason: 'never 14 <script>' }}\n"
        )
    };
    fs::create_dir(folder.path().join("divergences")).unwrap();
    fs::write(folder.path().join("divergences/frr.yaml"), record("own/case") + &record("own/other")).unwrap();
    let divergences = divergence::load_all(&folder.path().join("divergences")).unwrap();
    let run = run(folder.path());
    let sources = Sources { run: &run, suites: &suites, divergences: &divergences, catalogue: &catalogue };
    let gathered = gather(&sources);
    assert_eq!((gathered.dossiers.len(), gathered.unseen.len(), gathered.bare.len()), (1, 1, 0));
    let out = folder.path().join("pages");
    write(&gathered, &sources, &out).unwrap();

    let name = "frr-own-case";
    let page = fs::read_to_string(out.join(format!("{name}.html"))).unwrap();
    assert!(
        page.contains("never 14 &lt;script&gt;") && !page.contains("<script>") && !page.contains("<b>case"),
        "{page}"
    );
    // "capture" in base64.
    assert!(page.contains("data:application/x-pcapng;base64,Y2FwdHVyZQ=="), "{page}");
    assert!(!page.contains("http") && page.contains("prefers-color-scheme: dark"), "{page}");
    for wanted in [
        "NHRP-5.2.4-01",
        "code 14",
        "code 0",
        "<span class=\"at\">0000</span>  45 00 <mark title=\"cie[0].code\">2f</mark>",
        "    0.001500  hub -&gt; spoke  NHRP",
        "hostname hub",
        "a &lt;log&gt; line",
    ] {
        assert!(page.contains(wanted), "{wanted}: {page}");
    }
    let readme = fs::read_to_string(out.join(name).join("README.md")).unwrap();
    let replay = format!("--suites {}/frr-10.3/suites", out.join(name).display());
    for wanted in
        ["| differs | cie[0].code | 14 | 0 | 2 |", "cargo lab run own/case\n", replay.as_str(), "frr-10.3/wan.pcapng"]
    {
        assert!(readme.contains(wanted), "{wanted}: {readme}");
    }
    // What lies beside it can be run.
    let beside = out.join(name).join("frr-10.3");
    let alone = crate::suite::load_tree(&beside.join("suites")).unwrap();
    assert_eq!((alone.len(), alone[0].cases.len(), alone[0].cases[0].id.as_str()), (1, 1, "case"));
    assert_eq!(fs::read_to_string(beside.join("suite.yaml")).unwrap(), SUITE);
    assert!(beside.join("wan.pcapng").is_file() && beside.join("logs/hub.log").is_file());
    let index = fs::read_to_string(out.join("index.md")).unwrap();
    assert!(index.contains("[own/case](frr-own-case/README.md)") && index.contains("- frr >=10: own/other"), "{index}");
}
