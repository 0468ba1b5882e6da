//! What the loader says about broken suites, and that it reads the sound ones: one YAML, one snapshot.

#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of the functions that clippy knows as such")]

mod schema;

use std::fs;
use std::path::{Path, PathBuf};

use dmvpn_lab::suite::{self, Diagnostic, Filter, Step, Suite};
use proptest::prelude::*;

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check")
}

fn yaml_files(below: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir().join(below)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn samples() -> Vec<Suite> {
    suite::load_tree(&dir().join("suites")).unwrap_or_else(|errors| panic!("{}", render(&errors)))
}

/// As a terminal without colours shows it, each with its place as text.
fn render(diagnostics: &[Diagnostic]) -> String {
    let handler = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor()).with_width(120);
    let mut text = String::new();
    for diagnostic in diagnostics {
        text.push_str(&format!("{}\n", diagnostic.span));
        handler.render_report(&mut text, diagnostic).unwrap();
        text.push('\n');
    }
    text
}

#[test]
fn every_broken_suite_is_explained() {
    let files = yaml_files("broken");
    assert!(files.len() >= 20, "only {} broken suites", files.len());
    for path in files {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let shown = PathBuf::from(format!("suites/broken/{name}.yaml"));
        let errors = suite::load_str(&shown, &text).expect_err(&name);
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(name, render(&errors));
        });
    }
}

#[test]
fn the_samples_are_read() {
    let suites = samples();
    let ids: Vec<&str> = suites.iter().map(|suite| suite.id.as_str()).collect();
    assert_eq!(ids, ["check/everything", "dmvpn/dualhub", "nhrp/register"]);
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        for suite in &suites {
            let name = format!("model-{}", suite.id.replace('/', "-"));
            insta::assert_snapshot!(name, format!("{suite:#?}").replace(&dir().display().to_string(), "DIR"));
        }
    });
}

#[test]
fn steps_are_told_in_plain_english() {
    let mut text = String::new();
    for suite in samples() {
        for case in &suite.cases {
            text.push_str(&format!("{}\n", suite.case_id(case)));
            for step in suite::flatten(&case.steps).into_iter().chain(suite::flatten(&case.control)) {
                let line = step.describe();
                assert!(!line.contains('\n'), "{line}");
                text.push_str(&format!("  {line}\n"));
            }
        }
    }
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("described", text);
    });
}

#[test]
fn a_case_changes_what_it_names_and_nothing_else() {
    let suites = samples();
    let everything = &suites[0];
    let case = &everything.cases[0];
    let (before, after) = (&everything.topology, everything.topology_of(case));
    assert_eq!(after.nodes["hub"].nhrp.auth, None);
    assert_eq!(after.nodes["hub"].nhrp.network_id, before.nodes["hub"].nhrp.network_id);
    assert_eq!(after.nodes["hub"].tunnel, before.nodes["hub"].tunnel);
    assert_eq!((before.nodes["spoke"].key, after.nodes["spoke"].key), (Some(7), None));
    assert_eq!(after.link("wan").unwrap().loss, before.link("wan").unwrap().loss);
    assert_eq!(after.link("wan").unwrap().delay.as_ref().unwrap().to_string(), "10ms");
    assert_eq!(everything.params_of(case)["hold"].to_string(), "30s");
    assert_eq!(everything.params_of(case)["tries"].to_string(), "3");

    // A station that a case adds hangs on the only link.
    let register = &suites[2];
    let intruder = register.topology_of(&register.cases[2]);
    assert!(intruder.link("wan").unwrap().ends.iter().any(|end| end.node == "intruder"));
    let Step::Send(send) = &register.cases[2].control[0].value else { panic!("not a send") };
    assert_eq!(send.from, "intruder");
}

#[test]
fn places_are_those_of_the_file() {
    let suites = samples();
    let register = &suites[2];
    let step = &register.cases[0].steps[1];
    assert_eq!(step.span.text(), "expect");
    let line = register.source.text.lines().nth(step.span.line as usize - 1).unwrap();
    assert!(line[step.span.column as usize - 1..].starts_with("expect: {"));
    assert!(step.span.to_string().ends_with("suites/nhrp/register.yaml:25:9"), "{}", step.span);
}

#[test]
fn selection_by_id_glob_tag_and_exclusion() {
    let suites = samples();
    let pick = |filter: &Filter| -> Vec<String> {
        suite::select_by(&suites, filter).unwrap().picks.iter().map(suite::Pick::id).collect()
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let by = |patterns: &[&str]| pick(&Filter { patterns: words(patterns), ..Filter::default() });
    assert_eq!(by(&[]).len(), 7);
    assert_eq!(by(&["nhrp"]).len(), 3);
    assert_eq!(by(&["nhrp/register/refresh*"]), ["nhrp/register/refresh-third"]);
    assert_eq!(by(&["*/*/*-exact", "dmvpn/"]), ["dmvpn/dualhub/failover-bound", "nhrp/register/expiry-exact"]);
    assert_eq!(by(&["**/outside"]), ["check/everything/outside"]);
    let tagged = Filter { tags: words(&["timers"]), exclude: words(&["check"]), ..Filter::default() };
    assert_eq!(pick(&tagged), ["nhrp/register/refresh-third"]);

    let fails = |filter: &Filter| {
        let error = suite::select_by(&suites, filter).unwrap_err();
        let help = miette::Diagnostic::help(&error).map(|help| help.to_string()).unwrap_or_default();
        format!("{error}: {help}")
    };
    let wrong = Filter { patterns: words(&["nhrp/regsiter"]), ..Filter::default() };
    assert_eq!(fails(&wrong), "no case matches `nhrp/regsiter`: did you mean `nhrp/register`?");
    let wrong = Filter { tags: words(&["timer"]), ..Filter::default() };
    assert_eq!(fails(&wrong), "no case has the tag `timer`: did you mean `timers`?");
    let wrong = Filter { patterns: words(&["dmvpn"]), exclude: words(&["*"]), ..Filter::default() };
    assert!(fails(&wrong).starts_with("the selection is empty"));
    // A prefix ends where a segment ends.
    assert!(suite::select(&suites, &words(&["nhrp/reg"])).is_err());
}

#[test]
fn hostile_files_end_soon() {
    let path = Path::new("suites/hostile.yaml");
    let mut bomb = String::from("a: &a [x, x, x, x, x, x, x, x, x, x]\n");
    for (name, inner) in ('b'..='k').zip('a'..) {
        bomb.push_str(&format!("{name}: &{name} [{}]\n", vec![format!("*{inner}"); 10].join(", ")));
    }
    let chain: String = (1..200).map(|n| format!("a{n}: &a{n} [*a{}]\n", n - 1)).collect();
    let hostile = [
        bomb,
        format!("a0: &a0 x\n{chain}"),
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
        "? ".repeat(100_000),
        "!".repeat(100_000),
        "&a ".repeat(1_000),
        "a: *b\n".to_owned(),
        "a: &a [*a]\n".to_owned(),
        format!("suite: \"{}\"", "\\u0000".repeat(1_000)),
        "%YAML 9.9\n---\n".to_owned(),
        "\u{feff}\u{feff}schema: 1".to_owned(),
        format!("cases:\n{}", "- {}\n".repeat(50_000)),
        (0..50_000).map(|n| format!("k{n}: 1\n")).collect(),
        format!("cases: [{}]", "no, ".repeat(50_000)),
        String::new(),
        "\n\n# nothing\n".to_owned(),
        "~".to_owned(),
        "schema: 1\n---\nschema: 1\n".to_owned(),
    ];
    for text in hostile {
        let errors = suite::load_str(path, &text).expect_err("hostile");
        assert!(!errors.is_empty() && errors.len() <= 101, "{}", errors.len());
        assert!(render(&errors[..1]).len() > 10);
    }
}

#[test]
fn files_that_are_no_suites_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let say = |name: &str, content: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        suite::load_file(&path).unwrap_err()[0].to_string()
    };
    assert!(say("large.yaml", &vec![b'#'; (1 << 20) + 1]).ends_with("larger than 1048576 octets"));
    assert!(say("latin.yaml", b"title: \xe9").ends_with("not UTF-8 from octet 7 on"));
    assert!(suite::load_file(&dir.path().join("none.yaml")).unwrap_err()[0].to_string().contains("can not be read"));
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert!(suite::load_tree(&empty).unwrap_err()[0].to_string().ends_with("there is no suite here"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Cut, doubled and replaced pieces of a sound suite: an answer always comes, and every place of it can be shown.
    #[test]
    fn damaged_suites_never_panic(
        which in 0usize..3,
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..40, 0usize..12), 1..6),
    ) {
        let scraps = ["", "\n", ": ", "- ", "{", "}", "[", "]", "\"", "$", "0", "é"];
        let file = ["nhrp/register", "dmvpn/dualhub", "check/everything"][which];
        let path = dir().join(format!("suites/{file}.yaml"));
        let mut text = fs::read_to_string(&path).unwrap();
        for (at, len, scrap) in edits {
            let boundary = |mut at: usize| { while !text.is_char_boundary(at) { at -= 1; } at };
            let start = boundary(at.index(text.len() + 1));
            let end = boundary((start + len).min(text.len())).max(start);
            text.replace_range(start..end, scraps[scrap]);
        }
        match suite::load_str(&path, &text) {
            Ok(suite) => prop_assert!(schema::accepts(&text), "loader takes what the schema refuses: {}", suite.id),
            Err(errors) => {
                for error in &errors {
                    prop_assert!(error.span.offset + error.span.len <= text.len());
                }
                prop_assert!(render(&errors).contains(file));
            }
        }
    }
}
