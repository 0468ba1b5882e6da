//! `run --partition` and `cargo lab report`: shares are the whole again, and changes are told by exit code.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{FAILS, PASSES, Said, lab, run, said, suite};

const SELECTION: [&str; 3] = ["nhrp/registration", "nhrp/purge", "nhrp/nat"];

fn results(folder: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.join("results.json")).unwrap()).unwrap()
}

/// Cases without what differs from run to run: the clock on the wall, and where evidence lies.
fn comparable(run: &Value) -> Vec<Value> {
    let mut cases = run["cases"].as_array().unwrap().clone();
    for case in &mut cases {
        let case = case.as_object_mut().unwrap();
        let evidence = case.remove("evidence").unwrap();
        assert!(Path::new(evidence.as_str().unwrap()).join("timeline.jsonl").is_file(), "{evidence}");
        case.remove("wall_ns");
        case.remove("rate");
    }
    cases
}

fn report(arguments: &[&str]) -> Said {
    said(lab(&[&["report"], arguments].concat()))
}

#[test]
fn the_shares_of_a_run_are_the_whole_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut parts = Vec::new();
    let mut sizes = Vec::new();
    for share in 1..=4 {
        let (out, partition) = (path(&format!("part-{share}")), format!("{share}/4"));
        let said = said(lab(&[&["run"], &SELECTION[..], &["--partition", &partition, "--out", &out, "-q"]].concat()));
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        let latest = folder.path().join(format!("part-{share}/latest"));
        let document = results(&latest);
        assert_eq!(document["partition"], partition);
        let head: Value = serde_json::from_str(&fs::read_to_string(latest.join("run.json")).unwrap()).unwrap();
        assert_eq!(head["partition"], partition);
        sizes.push(document["cases"].as_array().unwrap().len());
        parts.push(format!("{out}/latest"));
    }
    let whole = said(lab(&[&["run"], &SELECTION[..], &["--out", &path("whole"), "-q"]].concat()));
    assert_eq!(whole.code, 0, "{}", whole.err);
    // A run merged alone has its cases in the order of every merge.
    let alone = report(&["merge", &path("whole/latest"), "--out", &path("alone")]);
    assert_eq!(alone.code, 0, "{}", alone.err);
    let expected = comparable(&results(&folder.path().join("alone")));
    assert!(expected.len() > 40 && sizes.iter().sum::<usize>() == expected.len(), "{sizes:?}");
    assert!(sizes.iter().all(|size| size.abs_diff(expected.len() / 4) <= 1), "{sizes:?}");

    for copy in [false, true] {
        let out = path(if copy { "copied" } else { "linked" });
        let mut arguments = vec!["merge", "--out", &out];
        arguments.extend(parts.iter().rev().map(String::as_str));
        arguments.extend(copy.then_some("--copy"));
        let merged = report(&arguments);
        assert_eq!(merged.code, 0, "{}{}", merged.out, merged.err);
        assert!(merged.out.contains(&format!("{} passed, 0 failed", expected.len())), "{}", merged.out);
        let document = results(Path::new(&out));
        assert_eq!(comparable(&document), expected, "copy: {copy}");
        let evidence = Path::new(document["cases"][0]["evidence"].as_str().unwrap()).canonicalize().unwrap();
        assert_eq!(evidence.starts_with(Path::new(&out).canonicalize().unwrap()), copy, "{}", evidence.display());
    }
    let diff = report(&["diff", &path("alone"), &format!("{}/results.json", path("copied"))]);
    assert_eq!(diff.code, 0, "{}", diff.out);
    assert!(diff.out.contains(&format!("{} as before: not worse", expected.len())), "{}", diff.out);

    let lost = report(&["merge", &parts[0], &parts[2], "--out", &path("lost")]);
    assert_eq!(lost.code, 4, "{}", lost.err);
    assert!(
        lost.err.contains("shares 2/4, 4/4 of `cargo lab run nhrp/registration nhrp/purge nhrp/nat -q` are missing")
    );
    assert!(folder.path().join("lost/results.json").is_file());
    let occupied = report(&["merge", &parts[0], "--out", &path("lost")]);
    assert_eq!(occupied.code, 2);
    assert!(occupied.err.contains("is not empty"), "{}", occupied.err);
}

#[test]
fn a_share_that_is_none_is_explained_and_an_empty_one_runs_nothing() {
    let zero = run(&["--partition", "0/4"]);
    assert_eq!(zero.code, 2);
    assert!(
        zero.err.contains("there is no share 0 of 4") && zero.err.contains("JOB_COMPLETION_INDEX+1"),
        "{}",
        zero.err
    );
    let empty = run(&["nhrp/registration/first", "--partition", "2/2"]);
    assert_eq!(empty.code, 3, "{}{}", empty.out, empty.err);
    assert!(empty.err.contains("share 2/2 is empty, there are 1 cells only"), "{}", empty.err);
}

/// Runs a suite of these steps into a folder.
fn kept(steps: &str, out: &Path) {
    let dir = suite(steps);
    said(lab(&["run", "--suites", dir.path().to_str().unwrap(), "--out", out.to_str().unwrap(), "-q"]));
}

#[test]
fn what_got_worse_is_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (folder.path().join("good"), folder.path().join("bad"));
    kept(PASSES, &good);
    kept(FAILS, &bad);
    let (good, bad) = (good.join("latest").display().to_string(), bad.join("latest").display().to_string());
    let worse = report(&["diff", &good, &bad]);
    assert_eq!(worse.code, 1, "{}", worse.err);
    assert!(worse.out.contains("Broken own/case peer 0.1.0 in sim, pass -> fail: "), "{}", worse.out);
    assert!(
        worse.out.ends_with(
            "1 broken, 0 fixed, 0 changed, 0 added, 0 removed, 0 measurements changed, 0 as before: worse\n"
        )
    );
    let mended = report(&["diff", &bad, &good, "--json"]);
    assert_eq!(mended.code, 0, "{}", mended.err);
    let document: Value = serde_json::from_str(&mended.out).unwrap();
    assert_eq!((&document["worse"], &document["fixed"][0]["case"]), (&Value::Bool(false), &Value::from("own/case")));
    assert_eq!(report(&["diff", &good, "/nowhere"]).code, 2);

    // The same cell with two verdicts is what flaky means, and every renderer can tell it.
    let both = folder.path().join("both").display().to_string();
    let merged = report(&["merge", &good, &bad, "--out", &both, "--format", "tap"]);
    assert_eq!(merged.code, 0, "{}", merged.err);
    assert!(
        merged.out.contains("outcome: \"flaky\"") && merged.err.contains("1 cells are flaky"),
        "{}{}",
        merged.out,
        merged.err
    );
}

#[test]
fn formats_for_other_programs() {
    let dir = suite(FAILS);
    let suites = dir.path().to_str().unwrap();
    let tap = run(&["--suites", suites, "--format", "tap"]);
    assert!(tap.out.starts_with("TAP version 14\n1..1\nnot ok 1 - own/case (peer 0.1.0)\n"), "{}", tap.out);
    let markdown = run(&["--suites", suites, "--format", "markdown"]);
    assert!(markdown.out.starts_with("## dmvpn-lab: attention needed\n"), "{}", markdown.out);
    assert_eq!(run(&["--suites", suites, "--format", "html"]).code, 2);
    let occupied = run(&["--suites", suites, "--format", &format!("html={suites}")]);
    assert_eq!(occupied.code, 2, "{}", occupied.err);
    assert!(occupied.err.contains("not a folder of pages"), "{}", occupied.err);

    let summary = dir.path().join("summary.md");
    let inside = |arguments: &[&str]| {
        let mut command = lab(&[&["run", "--keep", "never", "--suites", suites], arguments].concat());
        command.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", &summary);
        said(command)
    };
    let marked = inside(&[]);
    assert!(
        marked.out.starts_with(&format!("::error file={suites}/own.yaml,line=16,col=9,title=fail%3A own/case")),
        "{}",
        marked.out
    );
    assert!(!inside(&["--annotate", "none"]).out.contains("::error"));
    assert_eq!(fs::read_to_string(&summary).unwrap().matches("## dmvpn-lab").count(), 2);
}
