//! The command line through the real executable: exit codes, streams, formats, evidence.

#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of the functions that clippy knows as such")]

mod coverage;
mod evidence;
mod record;
mod report;
mod signals;
mod suites;

use std::path::{Path, PathBuf};
use std::process::Command as Process;

use assert_cmd::Command;
use tempfile::TempDir;

/// The root of the checkout.
fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Nothing of the tester's own surroundings changes what is printed.
const VARIABLES: [&str; 8] = [
    "NO_COLOR",
    "CLICOLOR_FORCE",
    "CLICOLOR",
    "DOCKER_HOST",
    "RUST_BACKTRACE",
    "CI",
    "GITHUB_ACTIONS",
    "GITHUB_STEP_SUMMARY",
];

fn plain() -> Process {
    let mut process = Process::new(env!("CARGO_BIN_EXE_dmvpn-lab"));
    for variable in VARIABLES {
        process.env_remove(variable);
    }
    process.current_dir(checkout());
    process
}

fn lab(arguments: &[&str]) -> Command {
    let mut process = plain();
    process.args(arguments);
    Command::from_std(process)
}

struct Said {
    code: i32,
    out: String,
    err: String,
}

fn said(mut command: Command) -> Said {
    let output = command.output().unwrap();
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    Said { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

/// A run whose evidence is kept nowhere.
fn run(arguments: &[&str]) -> Said {
    said(lab(&[&["run", "--keep", "never"], arguments].concat()))
}

/// A folder with one suite, made of steps of a case.
fn suite(steps: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "schema: 1
suite: own
title: Own
worlds: [sim]
topology:
  nodes:
    hub: {{ role: hub, bind: subject, nbma: 192.0.2.1, tunnel: 10.0.0.1/24, nhrp: {{ auth: sesame42 }} }}
    spoke: {{ role: spoke, bind: peer, nbma: 192.0.2.2, tunnel: 10.0.0.2/24, nhs: [{{ node: hub }}], nhrp: {{ hold: 3s, auth: sesame42 }} }}
  links: [{{ name: wan, ends: [hub:nbma, spoke:nbma], capture: true }}]
cases:
  - id: case
    title: A case.
    cites: [{{ spec: project, section: harness, level: goal }}]
    steps:
{steps}
"
    );
    std::fs::write(dir.path().join("own.yaml"), text).unwrap();
    dir
}

const PASSES: &str = "      - start: [hub, spoke]\n      - expect: { from: hub, msg: nhrp.registration_reply }";
const FAILS: &str = "      - start: spoke\n      - expect: { from: hub, msg: nhrp.registration_reply, within: 1s }";
const INCONCLUSIVE: &str = "      - expect_none: { from: hub, msg: nhrp, for: 1s }\n    control:\n      \
                            - expect: { from: hub, msg: nhrp, within: 1s }";

#[test]
fn help_has_examples() {
    for arguments in [
        &["--help"] as &[&str],
        &["run", "--help"],
        &["report", "--help"],
        &["report", "html", "--help"],
        &["report", "merge", "--help"],
        &["report", "diff", "--help"],
        &["report", "divergences", "--help"],
        &["coverage", "--help"],
    ] {
        let said = said(lab(arguments));
        assert_eq!(said.code, 0);
        assert!(said.out.contains("Examples:\n  cargo lab "), "{}", said.out);
    }
    assert!(said(lab(&["--help"])).out.contains("Exit codes:"));
    assert_eq!(said(lab(&["--version"])).code, 0);
}

#[test]
fn what_is_there_is_told() {
    let list = said(lab(&["list", "nhrp/registration", "--json"]));
    let listed: serde_json::Value = serde_json::from_str(&list.out).unwrap();
    assert!(list.out.contains("nhrp/registration/first") && listed["cases"].is_array(), "{}", list.out);
    let explain = said(lab(&["explain", "nhrp/registration/first"]));
    assert_eq!(explain.code, 0, "{}", explain.err);
    assert!(explain.out.contains("5.2.4") && explain.out.contains("registration"), "{}", explain.out);
    assert_eq!(said(lab(&["check"])).code, 0);
    let schema = said(lab(&["schema"]));
    assert!(serde_json::from_str::<serde_json::Value>(&schema.out).unwrap()["$defs"]["expect"].is_object());
}

#[test]
fn exit_codes() {
    for (steps, code) in [(PASSES, 0), (FAILS, 1), (INCONCLUSIVE, 3)] {
        let dir = suite(steps);
        let said = run(&["--suites", dir.path().to_str().unwrap()]);
        assert_eq!(said.code, code, "{}{}", said.out, said.err);
    }
    for usage in [&["no-such-case"] as &[&str], &["--no-such-flag"], &["--world", "real"], &["--subject", "frr:1.0"]] {
        assert_eq!(run(usage).code, 2, "{usage:?}");
    }
    let misspelt = run(&["--peer", "frr:10.4"]);
    assert_eq!(misspelt.code, 2);
    assert!(misspelt.err.contains("did you mean `frr:10.3`?"), "{}", misspelt.err);
    let unknown = run(&["--subject", "cisco"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("frr:10.3") && unknown.err.contains("peer"), "{}", unknown.err);
}

#[test]
fn a_broken_suite_is_shown_with_its_place() {
    let dir = suite("      - strat: hub\n      - expect: { from: hub, msg: nhrp }");
    let folder = dir.path().to_str().unwrap();
    for verb in ["run", "check"] {
        let said = said(lab(&[verb, "--suites", folder]));
        assert_eq!(said.code, 2, "{verb}: {}{}", said.out, said.err);
        let text = format!("{}{}", said.out, said.err);
        assert!(text.contains("own.yaml:15:9") && text.contains("did you mean `start`?"), "{verb}: {text}");
    }
}

#[test]
fn a_node_that_is_bound_to_nobody_is_shown_with_its_place() {
    let dir = suite(PASSES);
    let path = dir.path().join("own.yaml");
    let text = std::fs::read_to_string(&path).unwrap().replace("bind: peer", "bind: frrr:10.3");
    std::fs::write(&path, text).unwrap();
    let folder = dir.path().to_str().unwrap();
    for arguments in [&["run", "--suites", folder] as &[&str], &["check", "--suites", folder], &["check", folder]] {
        let said = said(lab(arguments));
        assert_eq!(said.code, 2, "{arguments:?}: {}{}", said.out, said.err);
        assert!(said.err.contains("own.yaml:8:33"), "{arguments:?}: {}", said.err);
        assert!(said.err.contains("did you mean `frr:10.3`?"), "{arguments:?}: {}", said.err);
    }
}

/// A test's executable is linked dynamically, and a container has other libraries.
#[test]
fn a_dynamic_harness_can_not_be_an_agent() {
    let said = run(&["nhrp/registration/first", "--subject", "frr:10.3"]);
    assert_eq!(said.code, 4, "{}{}", said.out, said.err);
    // Reports are broken into lines as wide as the terminal.
    let text = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("(harness.dynamic)") && text.contains("start it as `cargo lab`"), "{text}");
}

#[test]
fn an_engine_that_is_not_there() {
    let cache = tempfile::tempdir().unwrap();
    let without = |arguments: &[&str]| {
        let mut command = lab(arguments);
        command.env("DOCKER_HOST", "unix:///nonexistent").env("XDG_CACHE_HOME", cache.path());
        said(command)
    };
    // What guests need is listed without one; images are asked of it in vain.
    let images = without(&["images"]);
    assert_eq!(images.code, 0, "{}{}", images.out, images.err);
    assert!(images.out.contains("no images for containers: no container engine answers"), "{}", images.out);
    assert!(images.out.contains("frr:10.3  ") && images.out.contains("kernel:"), "{}", images.out);
    let json: serde_json::Value = serde_json::from_str(&without(&["images", "list", "--json"]).out).unwrap();
    assert!(json["images"].is_null() && json["assets"][0]["state"] == "missing", "{json}");
    let build = without(&["images", "build", "--driver", "container"]);
    assert_eq!(build.code, 4, "{}{}", build.out, build.err);
    assert!(build.err.contains("docker.") && build.err.contains("remedy:"), "{}", build.err);
    let typo = without(&["images", "build", "ffr:10.3"]);
    assert_eq!(typo.code, 2, "{}{}", typo.out, typo.err);
    assert!(typo.err.contains("did you mean `frr:10.3`?"), "{}", typo.err);
    assert_eq!(without(&["images", "remove"]).code, 0);
    // What a build that was killed has left in the cache goes all the same.
    let half = cache.path().join("dmvpn-lab/making/root-frr-10.3");
    std::fs::create_dir_all(half.join("fs")).unwrap();
    let prune = without(&["prune"]);
    assert_eq!(prune.code, 0, "{}{}", prune.out, prune.err);
    assert!(prune.out.contains("root-frr-10.3, which was not finished") && !half.exists(), "{}", prune.out);
    assert!(prune.err.contains("containers are left out"), "{}", prune.err);
    let said = without(&["doctor"]);
    assert!(said.code == 0 || said.code == 4, "{}", said.code);
    assert!(said.out.contains("nonexistent"), "{}", said.out);
}

#[test]
fn colours_are_for_those_who_want_them() {
    let dir = suite(FAILS);
    let coloured = |variable: &str| {
        let mut command = lab(&["run", "--keep", "never", "--suites", dir.path().to_str().unwrap()]);
        command.env(variable, "1");
        said(command).out.contains('\u{1b}')
    };
    assert!(!coloured("NO_COLOR"));
    assert!(coloured("CLICOLOR_FORCE"));
    assert!(!coloured("NOTHING"));
}

#[test]
fn formats() {
    let json = run(&["nhrp/registration/first", "--format", "json"]);
    let value: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(value["cases"].as_array().unwrap().len(), 1);
    assert!(json.err.contains("1 passed"), "{}", json.err);

    let lines = run(&["nhrp/registration/first", "--format", "jsonl"]);
    assert!(lines.out.lines().count() >= 2);
    for line in lines.out.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("report.xml");
    let human = run(&["nhrp", "--format", "human", "--format", &format!("junit={}", path.display())]);
    let last = human.out.lines().rfind(|line| !line.is_empty()).unwrap();
    assert!(last.contains("passed"), "{last}");
    let xml = std::fs::read_to_string(path).unwrap();
    assert!(xml.starts_with("<?xml") && xml.trim_end().ends_with("</testsuites>"), "{xml}");
    assert!(xml.matches("<testcase ").count() >= 20);
}
