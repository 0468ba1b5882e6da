use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::{
    capture::{InterfaceDecl, LinkType, read_all},
    report::{human, sample},
    verdict::{CaseResult, RunResult},
};

use super::*;

const NAME: &str = "2026-01-01T10-00-00Z";

/// Every file below a directory, as relative path and text.
fn files(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut left = vec![root.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_symlink() {
            } else if path.is_dir() {
                left.push(path);
            } else {
                found.push((path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn wan() -> Vec<InterfaceDecl> {
    vec![InterfaceDecl { name: "wan".into(), linktype: LinkType::RAW, description: String::new() }]
}

/// Everything that can be written, once.
fn write_all(root: &Path, redactor: Redactor, result: &RunResult) -> Run {
    let run = Run::create(root, NAME, redactor).unwrap();
    run.write_run(result).unwrap();
    let case = run.case("nhrp/registration/unique-conflict", None).unwrap();
    case.write_verdict(&result.cases[1]).unwrap();
    case.write_timeline([r#"{"at_ns":1,"note":"auth s3cret"}"#]).unwrap();
    case.write_timeline([r#"{"at_ns":2,"octets":"73336372:65 74"}"#]).unwrap();
    case.write_config("hub", "frr.conf", "ip nhrp authentication s3cret\n").unwrap();
    case.write_state(3, "hub", "nhrp.cache", &json!([{"protocol": "10.0.0.11", "auth": "s3cret"}])).unwrap();
    case.write_log("hub", ["nhrpd: starting", "nhrpd: wrong secret s3cret"]).unwrap();
    case.write_repro("registration.yaml", "auth: s3cret\n", "cargo lab run nhrp --psk s3cret").unwrap();
    let mut capture = case.capture("wan", &wan()).unwrap();
    capture.packet(0, 1, &[0x45, 0, 0, 20], Some("sends s3cret")).unwrap();
    capture.finish().unwrap();
    run.write_results(result).unwrap();
    run.write_summary(&human::document(result)).unwrap();
    run
}

#[test]
fn the_layout_is_as_the_module_says() {
    let root = tempfile::tempdir().unwrap();
    let run = write_all(root.path(), Redactor::default(), &sample::run());

    let names: Vec<String> = files(run.path()).iter().map(|(path, _)| path.display().to_string()).collect();
    let case = "nhrp/registration/unique-conflict/default";
    assert_eq!(
        names,
        [
            &format!("{case}/config/hub/frr.conf"),
            &format!("{case}/logs/hub.log"),
            &format!("{case}/repro/registration.yaml"),
            &format!("{case}/repro/run.sh"),
            &format!("{case}/state/03-hub-nhrp.cache.json"),
            &format!("{case}/timeline.jsonl"),
            &format!("{case}/verdict.json"),
            &format!("{case}/wan.pcapng"),
            "results.json",
            "run.json",
            "summary.txt",
        ]
    );
    assert_eq!(fs::read_link(root.path().join("latest")).unwrap(), Path::new(NAME));
    assert!(run.warnings().is_empty());
    let script = run.path().join(case).join("repro/run.sh");
    assert_eq!(fs::metadata(&script).unwrap().permissions().mode() & 0o777, 0o755);
    assert!(fs::read_to_string(script).unwrap().ends_with("cargo lab run nhrp --psk s3cret\n"));
    let read = |name: &str| fs::read_to_string(run.path().join(name)).unwrap();
    assert_eq!(serde_json::from_str::<RunResult>(&read("results.json")).unwrap(), sample::run());
    let head: Value = serde_json::from_str(&read("run.json")).unwrap();
    assert_eq!((&head["seed"], &head["environment"]["kernel"]), (&json!(7), &json!("6.1.0")));
    let verdict: CaseResult = serde_json::from_str(&read(&format!("{case}/verdict.json"))).unwrap();
    assert_eq!(verdict, sample::run().cases[1]);
    assert_eq!(read(&format!("{case}/timeline.jsonl")).lines().count(), 2);
    assert_eq!(read("summary.txt").lines().last().unwrap(), sample::run().summary_line());
}

#[test]
fn no_file_holds_a_secret() {
    let root = tempfile::tempdir().unwrap();
    let mut result = sample::run();
    result.command.push("--psk=s3cret".into());
    result.cases[1].rerun.push_str(" --psk s3cret");
    let run = write_all(root.path(), Redactor::new(vec!["s3cret".into()]), &result);

    for (path, octets) in files(run.path()) {
        let text = String::from_utf8_lossy(&octets);
        assert!(!text.contains("s3cret"), "{} holds the secret", path.display());
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
        assert!(!digits.contains("733363726574"), "{} holds the secret in hex:\n{text}", path.display());
    }
    let read = |name: &str| fs::read_to_string(run.path().join(name)).unwrap();
    let case = "nhrp/registration/unique-conflict/default";
    assert_eq!(read(&format!("{case}/config/hub/frr.conf")), "ip nhrp authentication <redacted>\n");
    assert!(read(&format!("{case}/timeline.jsonl")).contains(r#""octets":"<redacted>""#));
    // Offsets in the packet are still right.
    let results: RunResult = serde_json::from_str(&read("results.json")).unwrap();
    let octets = results.cases[1].verdict.failure.as_ref().unwrap().comparison.as_ref().unwrap().actual_hex.clone();
    let octets = octets.unwrap();
    assert_eq!(octets.len(), sample::reply().len());
    assert_eq!(&octets[60..66], b"******");
    let (packets, _) = read_all(&run.path().join(case).join("wan.pcapng"));
    assert_eq!(packets[0].comment.as_deref(), Some("sends <redacted>"));
}

#[test]
fn nothing_is_overwritten() {
    let root = tempfile::tempdir().unwrap();
    let first = Run::create(root.path(), NAME, Redactor::default()).unwrap();
    let second = Run::create(root.path(), NAME, Redactor::default()).unwrap();
    assert_eq!(first.path(), root.path().join(NAME));
    assert_eq!(second.path(), root.path().join(format!("{NAME}-2")));
    assert_eq!(fs::read_link(root.path().join("latest")).unwrap(), Path::new("2026-01-01T10-00-00Z-2"));

    let case = second.case("a/b", Some("underlay=v4")).unwrap();
    let again = second.case("a/b", Some("underlay=v4")).unwrap();
    assert!(case.path().ends_with("a/b/underlay=v4"));
    assert!(again.path().ends_with("a/b/underlay=v4-2"));
    assert!(case.write_config("hub", "frr.conf", "1").unwrap().ends_with("config/hub/frr.conf"));
    assert!(case.write_config("hub", "frr.conf", "2").unwrap().ends_with("config/hub/frr-2.conf"));
    assert!(case.write_state(1, "hub", "nhrp.cache", &1).unwrap().ends_with("state/01-hub-nhrp.cache.json"));
    assert!(case.write_state(1, "hub", "nhrp.cache", &2).unwrap().ends_with("state/01-hub-nhrp.cache-2.json"));
    case.capture("wan", &wan()).unwrap().finish().unwrap();
    assert!(case.capture("wan", &wan()).unwrap().finish().unwrap().ends_with("wan-2.pcapng"));
    again.discard().unwrap();
    assert!(!second.path().join("a/b/underlay=v4-2").exists() && case.path().exists());
}

#[test]
fn no_name_leads_out_of_the_run() {
    let root = tempfile::tempdir().unwrap();
    let run = Run::create(root.path(), "../x", Redactor::default()).unwrap();
    assert_eq!(run.path(), root.path().join("_.._x"));
    for (id, variant) in [("../../etc", Some("..")), ("/etc", Some("/")), ("", Some("")), ("a b\n/é", Some("-rf"))] {
        let case = run.case(id, variant).unwrap();
        let config = case.write_config("../hub", "/etc/passwd", "").unwrap();
        let log = case.path().join("logs");
        case.write_log("../../x", ["y"]).unwrap();
        assert_eq!(fs::read_dir(&log).unwrap().count(), 1);
        let inside = config.strip_prefix(run.path()).unwrap();
        assert!(inside.components().all(|part| matches!(part, std::path::Component::Normal(_))), "{inside:?}");
    }
    assert!(run.case(&"x".repeat(5000), None).is_ok());
}

#[test]
fn a_full_disk_is_an_error_with_a_remedy() {
    let root = tempfile::tempdir().unwrap();
    let run = Run::create(root.path(), NAME, Redactor::default()).unwrap();
    let case = run.case("a", None).unwrap();
    symlink("/dev/full", case.path().join("timeline.jsonl")).unwrap();
    symlink("/dev/full", case.path().join("verdict.json.new")).unwrap();

    let error = case.write_timeline(["{}"]).unwrap_err();
    assert!(error.to_string().ends_with("timeline.jsonl: No space left on device (os error 28)"), "{error}");
    let help = miette::Diagnostic::help(&error).unwrap().to_string();
    assert!(help.contains("--out DIR") && help.contains("free some space"), "{help}");

    let error = case.write_verdict(&sample::run().cases[0]).unwrap_err();
    assert!(error.to_string().contains("No space left"), "{error}");
    assert!(!case.path().join("verdict.json").exists() && !case.path().join("verdict.json.new").is_symlink());
}

#[test]
fn a_root_that_can_not_be_is_an_error_with_a_remedy() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("runs");
    fs::write(&file, "").unwrap();
    let error = Run::create(&file, NAME, Redactor::default()).unwrap_err();
    let help = miette::Diagnostic::help(&error).unwrap().to_string();
    assert!(error.to_string().starts_with("cannot create ") && help.contains("in the way"), "{error}\n{help}");
}

#[test]
fn something_else_named_latest_is_only_a_warning() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("latest")).unwrap();
    let run = Run::create(root.path(), NAME, Redactor::default()).unwrap();
    assert_eq!(run.warnings().len(), 1);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2);
}

#[test]
fn secrets_are_found_in_every_form() {
    let redactor =
        Redactor::new(vec!["pa\"ss\\wört".into(), "abc".into(), "abcdef".into(), "no".into(), String::new()]);
    for (text, expected) in [
        ("key pa\"ss\\wört.", "key <redacted>."),
        (r#"{"key":"pa\"ss\\wört"}"#, r#"{"key":"<redacted>"}"#),
        ("7061227373 5C77c3b67274", "<redacted>"),
        ("70:61:22:73:73:5c:77:c3:b6:72:74", "<redacted>"),
        ("abcdefabc", "<redacted><redacted>"),
        ("xabcx no ab", "x<redacted>x no ab"),
        ("616263", "<redacted>"),
        ("61  62 63", "61  62 63"),
        ("", ""),
    ] {
        assert_eq!(redactor.text(text), expected);
    }
    assert_eq!(redactor.octets(b"\x00abc\x00ab"), b"\x00***\x00ab");
    assert_eq!(Redactor::default().text("abc"), "abc");
}
