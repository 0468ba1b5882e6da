use std::{
    io::{self, Write},
    path::PathBuf,
};

use quick_junit::{Report, TestCaseStatus};

use crate::shared_writer::Shared;
use crate::{
    evidence::Redactor,
    verdict::{Event, ExitCode, Interrupt, Outcome, RunResult, SCHEMA},
};

use super::{compare::packet_lines, sample, *};

const COLORED: Terminal = Terminal { color: true, unicode: true, interactive: true, width: 80 };
const ASCII: Terminal = Terminal { unicode: false, ..Terminal::FILE };

#[test]
fn human_report() {
    insta::assert_snapshot!(human::render(&sample::run(), &Terminal::FILE, Verbosity::Normal));
}

#[test]
fn human_report_in_detail_as_a_document() {
    insta::assert_snapshot!(human::document(&sample::run()));
}

#[test]
fn human_report_in_color() {
    let text = human::render(&sample::run(), &COLORED, Verbosity::Normal);
    insta::assert_snapshot!(text.replace('\x1b', "␛"));
}

#[test]
fn human_report_in_ascii_on_a_narrow_terminal() {
    let text = human::render(&sample::run(), &Terminal { width: 60, ..ASCII }, Verbosity::Steps);
    assert!(text.is_ascii());
    insta::assert_snapshot!(text);
}

#[test]
fn color_changes_nothing_but_color() {
    for verbosity in [Verbosity::Normal, Verbosity::Steps] {
        let mut plain = human::render(&sample::run(), &COLORED, verbosity);
        for code in ["0", "1", "2", "1;31", "1;32", "1;33", "1;34", "1;36"] {
            plain = plain.replace(&format!("\x1b[{code}m"), "");
        }
        assert_eq!(plain, human::render(&sample::run(), &Terminal::FILE, verbosity));
    }
}

#[test]
fn the_last_line_is_the_summary_and_nothing_controls_the_terminal() {
    let mut run = sample::run();
    run.problems.push("no room\r\x1b[2J".into());
    run.regressions.push("required".into());
    run.interrupted = Some(Interrupt::Interrupt);
    for verbosity in [Verbosity::Quiet, Verbosity::Normal, Verbosity::Steps, Verbosity::Wire] {
        let text = human::render(&run, &Terminal::FILE, verbosity);
        assert_eq!(text.lines().last().unwrap(), run.summary_line());
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        assert!(text.lines().all(|line| line == line.trim_end()), "{text}");
    }
    run.cases.clear();
    run = RunResult { problems: vec![], regressions: vec![], interrupted: None, ..run };
    assert_eq!(human::render(&run, &Terminal::FILE, Verbosity::Steps), format!("{}\n", run.summary_line()));
}

#[test]
fn json_report() {
    let text = json::render(&sample::run()).unwrap();
    insta::assert_snapshot!(text);
    assert_eq!(serde_json::from_str::<RunResult>(&text).unwrap(), sample::run());
}

#[test]
fn json_schemas_name_every_member_of_the_documents() {
    let schema = serde_json::to_value(json::result_schema()).unwrap();
    let document = serde_json::to_value(sample::run()).unwrap();
    for (part, value) in
        [(&schema["properties"], &document), (&schema["$defs"]["CaseResult"]["properties"], &document["cases"][1])]
    {
        for name in value.as_object().unwrap().keys() {
            assert!(part.get(name).is_some(), "{name} is not in the schema");
        }
    }
    let events = json::event_schema().to_value().to_string();
    for name in ["run_start", "phase", "case_start", "step", "packet", "verdict", "run_end"] {
        assert!(events.contains(&format!("\"{name}\"")), "{name}");
    }
}

#[test]
fn junit_report() {
    let text = junit::render(&sample::run()).unwrap();
    insta::assert_snapshot!(text);

    let report = Report::deserialize_from_str(&text).unwrap();
    assert_eq!((report.tests, report.failures, report.errors), (6, 1, 1));
    let suite = &report.test_suites[0];
    assert_eq!((suite.name.as_str(), suite.skipped), ("nhrp/registration", 3));
    assert_eq!(suite.test_cases[0].name.as_str(), "first[underlay=v4]");
    let TestCaseStatus::Skipped { message, .. } = &suite.test_cases[4].status else { panic!("not skipped") };
    assert_eq!(message.as_ref().unwrap().as_str(), "kernel.gre");
}

#[test]
fn junit_survives_every_outcome_and_every_character() {
    let mut run = sample::run();
    let case = run.cases[1].clone();
    let horrors = "<a href=\"&'\">]]> \0\x01\x1b[31mred\x1b[0m\u{85}\u{fffe}\u{202e} ü";
    for outcome in Outcome::ALL {
        let mut case = case.clone();
        case.verdict.outcome = outcome;
        case.visit_text(&mut |text| text.push_str(horrors), &mut |_| {});
        run.cases.push(case);
    }

    let text = junit::render(&run).unwrap();

    let legal = |c: char| c == '\n' || c == '\t' || !(c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'));
    assert!(text.chars().all(legal), "{text:?}");
    assert!(text.contains('\u{fffd}') && !text.contains("[31m"));
    let report = Report::deserialize_from_str(&text).unwrap();
    assert_eq!(report.tests, 18);
    let kinds: Vec<&str> = report
        .test_suites
        .iter()
        .flat_map(|suite| &suite.test_cases)
        .filter(|case| case.name.as_str().contains("red"))
        .map(|case| match &case.status {
            TestCaseStatus::Success { flaky_runs } if flaky_runs.is_empty() => "success",
            TestCaseStatus::Success { .. } => "flaky",
            TestCaseStatus::NonSuccess { kind: quick_junit::NonSuccessKind::Failure, .. } => "failure",
            TestCaseStatus::NonSuccess { .. } => "error",
            TestCaseStatus::Skipped { .. } => "skipped",
        })
        .collect();
    // In the order of Outcome::ALL.
    let expected = [
        "success", "success", "skipped", "skipped", "skipped", "success", "flaky", "error", "failure", "failure",
        "failure", "error",
    ];
    assert_eq!(kinds, expected);
}

/// The points of a TAP document: ok or not, description with directive, block. Everything that a reader relies on is held.
fn tap_points(text: &str) -> Vec<(bool, String, Option<serde_json::Value>)> {
    let mut lines = text.lines().peekable();
    assert_eq!(lines.next(), Some("TAP version 14"));
    let plan: usize = lines.next().unwrap().strip_prefix("1..").unwrap().parse().unwrap();
    let mut points = Vec::new();
    while let Some(line) = lines.next() {
        if line.starts_with("# ") || line.starts_with("Bail out!") {
            continue;
        }
        let (ok, rest) = match line.strip_prefix("not ") {
            Some(rest) => (false, rest),
            None => (true, line),
        };
        let words = rest.strip_prefix(&format!("ok {} - ", points.len() + 1)).unwrap_or_else(|| panic!("{line}"));
        let mut block = None;
        if lines.next_if_eq(&"  ---").is_some() {
            let inside: Vec<&str> = std::iter::from_fn(|| lines.next_if(|line| *line != "  ...")).collect();
            assert_eq!(lines.next(), Some("  ..."));
            block = Some(serde_yaml::from_str(&inside.join("\n")).unwrap());
        }
        points.push((ok, words.to_owned(), block));
    }
    assert_eq!(points.len(), plan);
    points
}

#[test]
fn tap_report() {
    let text = tap::render(&sample::run());
    insta::assert_snapshot!(text);
    let points = tap_points(&text);
    let is_ok: Vec<bool> = points.iter().map(|(ok, ..)| *ok).collect();
    assert_eq!(is_ok, [true, false, false, false, true, true]);
    assert!(points[3].1.contains(" # TODO code 14") && points[4].1.contains(" # SKIP kernel.gre"));
    assert_eq!(points[1].2.as_ref().unwrap()["line"], 41);
}

#[test]
fn tap_survives_every_outcome_and_every_character() {
    let horrors = "\n...\nok 99 # SKIP \\ # TODO \r\0\x1b[31m\u{85}\u{2028}\u{fffe} --- '\"{}[]&*!|>%@`: ü";
    let mut run = sample::run();
    let case = run.cases[1].clone();
    run.cases.clear();
    for outcome in Outcome::ALL {
        let mut case = case.clone();
        case.verdict.outcome = outcome;
        case.visit_text(&mut |text| text.push_str(horrors), &mut |_| {});
        run.cases.push(case);
    }
    run.problems.push(horrors.into());
    run.interrupted = Some(Interrupt::Interrupt);
    let points = tap_points(&tap::render(&run));
    for ((ok, words, block), outcome) in points.into_iter().zip(Outcome::ALL) {
        let directives = words.replace("\\\\", "").replace("\\#", "").matches(" # ").count();
        let skipped = matches!(outcome, Outcome::Skip | Outcome::Unsupported);
        assert_eq!(directives, usize::from(skipped || outcome == Outcome::Xfail), "{outcome}: {words}");
        assert_eq!(ok, !(outcome.needs_attention() || outcome == Outcome::Xfail), "{outcome}");
        // A pass has nothing to say, unless it measured something.
        assert_eq!(block.is_none(), outcome == Outcome::Pass, "{outcome}");
        if let Some(block) = block {
            assert_eq!(block["outcome"], outcome.name());
            assert!(block["actual"].as_str().unwrap().contains("ok 99"), "{block}");
        }
    }
}

#[test]
fn markdown_report() {
    insta::assert_snapshot!(markdown::render(&sample::run()));
}

/// A document without its code: fenced blocks, and spans between runs of backticks of the same length.
fn outside_of_code(text: &str) -> String {
    let mut outside = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            let fence = line.trim_end_matches("text");
            assert!(lines.any(|line| line == fence), "a fence is not closed: {text}");
            continue;
        }
        let mut rest = line;
        while let Some(start) = rest.find('`') {
            let (before, after) = rest.split_at(start);
            outside.push_str(before);
            if before.ends_with('\\') {
                rest = &after[1..];
                continue;
            }
            let length = after.len() - after.trim_start_matches('`').len();
            let runs = after[length..].split_inclusive(|c| c != '`');
            let mut at = length;
            let closed = runs.into_iter().find_map(|part| {
                let run = part.chars().filter(|c| *c == '`').count();
                at += part.len();
                (run == length).then_some(at - (part.len() - run))
            });
            rest = &after[closed.unwrap_or_else(|| panic!("a span is not closed: {line}"))..];
        }
        outside.push_str(rest);
        outside.push('\n');
    }
    outside
}

#[test]
fn markdown_is_not_broken_out_of() {
    let horrors = "<script>|x`y``z\n# head\n```\n[a](http://b) *c* &lt; \x1b[31m";
    let mut run = sample::run();
    for case in &mut run.cases {
        case.visit_text(&mut |text| text.push_str(horrors), &mut |_| {});
    }
    let text = markdown::render(&run);
    assert!(!text.contains('\x1b'));
    for line in outside_of_code(&text).lines() {
        let own = ["<details><summary>", "</summary>", "</details>"];
        let rest = own.iter().fold(line.to_owned(), |line, tag| line.replace(tag, ""));
        let rest = ["\\<", "\\[", "\\*", "\\&"].iter().fold(rest, |line, escape| line.replace(escape, ""));
        assert!(!rest.contains(['<', '[', '*', '&']) && !line.starts_with("# "), "{line}");
    }
    run.cases = vec![run.cases[1].clone(); 1000];
    assert!(markdown::render(&run).len() < 1 << 20);
}

#[test]
fn github_annotations() {
    insta::assert_snapshot!(github::annotations(&sample::run()));
}

/// What the runner makes of a workflow command: its properties and its message.
fn command_of(line: &str) -> (std::collections::BTreeMap<String, String>, String) {
    let plain = |text: &str| {
        let text = text.replace("%0D", "\r").replace("%0A", "\n").replace("%3A", ":").replace("%2C", ",");
        text.replace("%25", "%")
    };
    let (head, message) = line.strip_prefix("::").unwrap().split_once("::").unwrap();
    let (_, properties) = head.split_once(' ').unwrap();
    let pairs = properties.split(',').map(|pair| pair.split_once('=').unwrap());
    (pairs.map(|(name, value)| (name.to_owned(), plain(value))).collect(), plain(message))
}

proptest::proptest! {
    #[test]
    fn annotations_say_what_they_were_given(words in "[a-z%:,=\r\n;ü]{0,40}", file in "[a-z%:,=\r\n/]{1,20}") {
        let mut run = sample::run();
        run.cases.truncate(2);
        let case = &mut run.cases[1];
        let failure = case.verdict.failure.as_mut().unwrap();
        let step = failure.step.as_mut().unwrap();
        (failure.actual, step.file) = (format!("<{words}>"), file.clone());
        let text = github::annotations(&run);
        proptest::prop_assert_eq!(text.lines().count(), 1);
        proptest::prop_assert!(!text.contains('\r'));
        let (properties, message) = command_of(text.trim_end_matches('\n'));
        proptest::prop_assert_eq!(&properties["file"], &file);
        let actual = format!("actual: <{words}>");
        proptest::prop_assert!(message.contains(&actual), "{} {}", message, actual);
    }
}

#[test]
fn github_is_told_where_it_is_there_or_wanted() {
    let judged = |choice, variables: &[(&str, &str)]| {
        let variable = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        let github = Github::judge(choice, &variable);
        (github.annotate, github.step_summary.is_some())
    };
    let inside = [("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", "/x")];
    assert_eq!(judged(Annotate::Auto, &inside), (true, true));
    assert_eq!(judged(Annotate::None, &inside), (false, true));
    assert_eq!(judged(Annotate::Auto, &inside[1..]), (false, false));
    assert_eq!(judged(Annotate::Github, &[]), (true, false));
    assert_eq!(judged(Annotate::Auto, &[("GITHUB_ACTIONS", "false")]), (false, false));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("summary.md");
    std::fs::write(&path, "before\n").unwrap();
    let (out, err) = (Shared::default(), Shared::default());
    let streams = Streams {
        out: Box::new(out.clone()),
        out_terminal: Terminal::FILE,
        err: Box::new(err),
        err_terminal: Terminal::FILE,
    };
    let github = Github { annotate: true, step_summary: Some(path.clone()) };
    let options = Options { github, ..Options::default() };
    let run = sample::run();
    Reporter::new(&options, Redactor::default(), streams).unwrap().finish(&run, ExitCode::FAILED).unwrap();
    assert!(
        out.text().starts_with("::error file=suites/nhrp/registration.yaml,line=41,col=9,title="),
        "{}",
        out.text()
    );
    assert_eq!(out.text().lines().last().unwrap(), run.summary_line());
    let summary = std::fs::read_to_string(&path).unwrap();
    assert_eq!(summary, format!("before\n{}\n", markdown::render(&run)));
}

#[test]
fn long_packet_lines_break_at_the_same_column() {
    let case = sample::run().cases.remove(1);
    let comparison = case.verdict.failure.unwrap().comparison.unwrap();
    for width in [30, 60, 67, 200] {
        let lines = packet_lines(&comparison, width, &Terminal::FILE);
        let carets: usize = lines.iter().map(|line| line.matches('^').count()).sum();
        assert_eq!(carets, "cie[0].code=14".len() + "cie[0].holding_time=60s".len(), "{lines:#?}");
        assert!(width < 40 || lines.iter().all(|line| line.chars().count() <= width), "{lines:#?}");
    }
}

#[test]
fn lines_in_another_notation_are_compared_word_by_word() {
    let comparison = crate::verdict::Comparison {
        expected_line: "hub > spoke: reply 7".into(),
        actual_line: "hub > intruder: reply 7".into(),
        ..Default::default()
    };
    assert_eq!(
        packet_lines(&comparison, 80, &Terminal::FILE),
        ["expected hub > spoke: reply 7", "actual   hub > intruder: reply 7", "               ^^^^^^^^^"]
    );
}

/// What a terminal with these variables can show.
fn judged(choice: ColorChoice, is_terminal: bool, variables: &[(&str, &str)]) -> Terminal {
    let variable = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
    Terminal::judge(choice, &Surroundings { is_terminal, width: is_terminal.then_some(120), variable: &variable })
}

#[test]
fn colors_follow_the_option_and_the_environment() {
    use ColorChoice::*;
    for (choice, is_terminal, variables, color) in [
        (Auto, true, &[][..], true),
        (Auto, false, &[], false),
        (Auto, true, &[("NO_COLOR", "1")], false),
        (Auto, true, &[("NO_COLOR", "")], true),
        (Auto, true, &[("TERM", "dumb")], false),
        (Auto, false, &[("CLICOLOR_FORCE", "1")], true),
        (Auto, false, &[("CLICOLOR_FORCE", "0")], false),
        (Auto, true, &[("CLICOLOR_FORCE", "1"), ("TERM", "dumb")], true),
        (Auto, true, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "x")], false),
        (Always, false, &[("NO_COLOR", "1"), ("TERM", "dumb")], true),
        (Never, true, &[("CLICOLOR_FORCE", "1")], false),
    ] {
        assert_eq!(judged(choice, is_terminal, variables).color, color, "{choice:?} {is_terminal} {variables:?}");
    }
}

#[test]
fn letters_width_and_cursor_follow_the_place() {
    use ColorChoice::Auto;
    for (variables, unicode) in [
        (&[][..], false),
        (&[("LANG", "en_GB.UTF-8")], true),
        (&[("LANG", "C.utf8")], true),
        (&[("LANG", "en_GB.UTF-8"), ("LC_ALL", "C")], false),
        (&[("LANG", "C"), ("LC_CTYPE", "de_DE.UTF-8"), ("LC_ALL", "")], true),
    ] {
        assert_eq!(judged(Auto, true, variables).unicode, unicode, "{variables:?}");
    }
    assert!(judged(Auto, true, &[]).interactive);
    assert!(!judged(Auto, false, &[]).interactive);
    assert!(!judged(Auto, true, &[("TERM", "dumb")]).interactive);
    assert_eq!((judged(Auto, true, &[]).width, judged(Auto, false, &[]).width), (120, 80));
}

#[test]
fn formats_are_read_or_explained() {
    let spec = |text: &str| text.parse::<FormatSpec>().map_err(|error| error.to_string());
    assert_eq!(spec("human"), Ok(FormatSpec { format: Format::Human, path: None }));
    let junit = FormatSpec { format: Format::Junit, path: Some(PathBuf::from("a=b.xml")) };
    assert_eq!(spec("junit=a=b.xml"), Ok(junit.clone()));
    assert_eq!(junit.to_string(), "junit=a=b.xml");
    for (text, expected) in [
        (
            "jnuit",
            "there is no format `jnuit` (did you mean `junit`?); expected human, json, jsonl, junit, tap or markdown",
        ),
        ("JSON", "there is no format `JSON` (did you mean `json`?)"),
        ("postscript", "there is no format `postscript`; expected"),
        ("", "there is no format ``; expected"),
        ("html", "`html` is a folder of pages; write `html=DIR`"),
        ("html=", "`html` is a folder of pages; write `html=DIR`"),
        ("json=", "`json=` names no file; write `json=FILE`, or `json` for the standard output"),
    ] {
        let error = spec(text).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
    let check = |texts: &[&str]| {
        FormatSpec::check(&texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>())
            .map_err(|error| error.to_string())
    };
    assert_eq!(check(&["human", "json", "json", "junit=a", "jsonl=b"]), Ok(()));
    assert!(check(&["json", "jsonl"]).unwrap_err().contains("`json` and `jsonl` would both go"));
    assert_eq!(check(&["json=a", "junit=a"]), Err("two formats would be written to a".to_owned()));
}

/// Plays the sample run to a reporter, and returns its standard output and error.
fn played(formats: &[&str], verbosity: Verbosity, redactor: Redactor, run: &RunResult) -> (String, String) {
    let (out, err) = (Shared::default(), Shared::default());
    let streams = Streams {
        out: Box::new(out.clone()),
        out_terminal: Terminal::FILE,
        err: Box::new(err.clone()),
        err_terminal: Terminal::FILE,
    };
    let formats = formats.iter().map(|text| text.parse().unwrap()).collect();
    let options = Options { formats, verbosity, ..Options::default() };
    let reporter = Reporter::new(&options, redactor, streams).unwrap();
    let start = Event::RunStart {
        schema: SCHEMA,
        harness_version: run.harness_version.clone(),
        command: run.command.clone(),
        began: run.began.clone(),
        seed: run.seed,
        cases: run.cases.len(),
    };
    reporter.event(&start).unwrap();
    for case in &run.cases {
        reporter.event(&Event::CaseStart { id: case.id.clone(), variant: case.variant.clone() }).unwrap();
        if let Some(step) = case.verdict.failure.as_ref().and_then(|failure| failure.step.clone()) {
            let (id, variant) = (case.id.clone(), case.variant.clone());
            reporter.event(&Event::Step { id, variant, at_ns: 2_000_000_000, number: 5, step }).unwrap();
            let packet = Event::Packet {
                id: case.id.clone(),
                variant: case.variant.clone(),
                at_ns: 2_003_000_000,
                link: "wan".into(),
                from: Some("hub".into()),
                to: None,
                number: 4,
                summary: "nhrp.registration_reply auth=s3cret".into(),
            };
            reporter.event(&packet).unwrap();
        }
        reporter.event(&Event::Verdict { case: Box::new(case.clone()) }).unwrap();
    }
    reporter.finish(run, ExitCode::FAILED).unwrap();
    (out.text(), err.text())
}

#[test]
fn progress_is_one_line_per_case_and_the_report_is_the_data() {
    let (out, err) = played(&[], Verbosity::Normal, Redactor::default(), &sample::run());
    assert_eq!(out, human::render(&sample::run(), &Terminal::FILE, Verbosity::Normal));
    insta::assert_snapshot!(err);
}

#[test]
fn wire_events_are_lines_of_progress() {
    let (_, err) = played(&[], Verbosity::Wire, Redactor::default(), &sample::run());
    let extra: Vec<&str> = err.lines().filter(|line| line.contains("Step ") || line.contains("Packet ")).collect();
    insta::assert_snapshot!(extra.join("\n"));
    let (_, err) = played(&[], Verbosity::Quiet, Redactor::default(), &sample::run());
    assert_eq!(err, "");
}

#[test]
fn data_on_the_standard_output_sends_people_to_the_standard_error() {
    let run = sample::run();
    let report = human::render(&run, &Terminal::FILE, Verbosity::Normal);
    let (out, err) = played(&["json"], Verbosity::Normal, Redactor::default(), &run);
    assert_eq!(out, json::render(&run).unwrap());
    assert!(err.ends_with(&report));
    let (out, err) = played(&["human", "junit"], Verbosity::Normal, Redactor::default(), &run);
    assert_eq!(out, junit::render(&run).unwrap());
    assert!(err.ends_with(&report));
}

#[test]
fn events_come_one_per_line() {
    let run = RunResult { cases: sample::run().cases.split_off(4), ..sample::run() };
    let (out, _) = played(&["jsonl"], Verbosity::Normal, Redactor::default(), &run);
    insta::assert_snapshot!(out);
    for line in out.lines() {
        serde_json::from_str::<Event>(line).unwrap();
    }
}

#[test]
fn files_get_their_formats() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let formats = [
        format!("junit={}", path("out.xml")),
        format!("json={}", path("out.json")),
        format!("jsonl={}", path("out.jsonl")),
        format!("human={}", path("out.txt")),
    ];
    let formats: Vec<&str> = formats.iter().map(String::as_str).collect();
    let run = sample::run();
    let (out, _) = played(&formats, Verbosity::Normal, Redactor::default(), &run);
    assert_eq!(out, human::render(&run, &Terminal::FILE, Verbosity::Normal));
    let read = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    assert_eq!(read("out.xml"), junit::render(&run).unwrap());
    assert_eq!(read("out.json"), json::render(&run).unwrap());
    assert_eq!(read("out.txt"), human::document(&run));
    let last = read("out.jsonl").lines().last().unwrap().to_owned();
    assert!(last.starts_with(r#"{"event":"run_end""#) && last.contains(r#""exit_code":1"#), "{last}");
}

#[test]
fn no_renderer_lets_a_secret_through() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = sample::run();
    run.command.push("--psk=s3cret".into());
    run.problems.push("wrong secret s3cret".into());
    for case in &mut run.cases {
        case.visit_text(&mut |text| text.push_str(" s3cret 733363726574"), &mut |_| {});
    }
    let redactor = Redactor::new(vec!["s3cret".into()]);
    for format in ["human", "json", "jsonl", "junit", "tap", "markdown"] {
        let path = dir.path().join(format);
        let to_file = format!("{format}={}", path.display());
        for formats in [&[format][..], &[to_file.as_str()][..]] {
            let (out, err) = played(formats, Verbosity::Wire, redactor.clone(), &run);
            let file = std::fs::read_to_string(&path).unwrap_or_default();
            for text in [out, err, file] {
                assert!(!text.contains("s3cret"), "{format}:\n{text}");
                let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
                assert!(!digits.contains("733363726574"), "{format}:\n{text}");
            }
        }
    }
}

#[test]
fn a_wrong_path_is_known_before_the_run() {
    let streams = || Streams {
        out: Box::new(io::sink()),
        out_terminal: Terminal::FILE,
        err: Box::new(io::sink()),
        err_terminal: Terminal::FILE,
    };
    let options = |text: &str| Options { formats: vec![text.parse().unwrap()], ..Options::default() };
    let error =
        Reporter::new(&options("junit=/nowhere/out.xml"), Redactor::default(), streams()).err().unwrap().to_string();
    assert!(error.starts_with("cannot write the junit report to /nowhere/out.xml: No such file"), "{error}");

    let reporter = Reporter::new(&options("junit=/dev/full"), Redactor::default(), streams()).unwrap();
    let error = reporter.finish(&sample::run(), ExitCode::SUCCESS).unwrap_err().to_string();
    assert!(error.starts_with("cannot write the junit report to /dev/full: No space left"), "{error}");
}

/// A pipe that nobody reads.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let streams = Streams {
        out: Box::new(Closed),
        out_terminal: Terminal::FILE,
        err: Box::new(Closed),
        err_terminal: Terminal::FILE,
    };
    let reporter = Reporter::new(&Options::default(), Redactor::default(), streams).unwrap();
    reporter.finish(&sample::run(), ExitCode::SUCCESS).unwrap();
}
