//! World `replay`, `feed` and `distill`, over the captures of the project and, where they are, those of others.

#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of the functions that clippy knows as such")]

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use dmvpn_lab::capture::{InterfaceDecl, LinkType, PcapngWriter};
use dmvpn_lab::dissect::Dissection;
use dmvpn_lab::distill::{Form, Material, Source, draft};
use dmvpn_lab::evidence::Redactor;
use dmvpn_lab::place::Captures;
use dmvpn_lab::report::{Options, Reporter, Streams, Terminal};
use dmvpn_lab::run::case::Settings;
use dmvpn_lab::run::execute::{Context, Real, execute};
use dmvpn_lab::run::keep::Keep;
use dmvpn_lab::run::plan::{Wanted, plan};
use dmvpn_lab::subject::Subject;
use dmvpn_lab::suite::{self, ClockKind, Shelf, Suite, WorldKind};
use dmvpn_lab::verdict::{CaseResult, Outcome};
use dmvpn_lab::world::real::Routers;
use dmvpn_lab::world::replay::Recording;
use dmvpn_lab::world::{Driver, LabError};

fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The folder with captures of others; `None`, and a word about it, where this machine has none.
fn third_party() -> Option<PathBuf> {
    let folder = std::env::var_os("DMVPN_LAB_CAPTURES").map(PathBuf::from).filter(|folder| folder.is_dir());
    if folder.is_none() {
        eprintln!("skipped in part: captures of others: DMVPN_LAB_CAPTURES names no folder");
        assert!(std::env::var_os("DMVPN_LAB_DENY_SKIPS").is_none_or(|deny| deny != "1"), "skips are denied");
    }
    folder
}

struct Nobody;

impl Routers for Nobody {
    fn lab(&mut self, _: &[Subject]) -> Result<Box<dyn Driver>, LabError> {
        Err(LabError::internal("nobody is outside"))
    }
}

fn load(id: &str, text: &str) -> Suite {
    suite::load_str(&PathBuf::from(format!("suites/{id}.yaml")), text).unwrap_or_else(|errors| {
        let told: Vec<String> = errors.iter().map(|error| format!("{}: {error}", error.span)).collect();
        panic!("{}\n{text}", told.join("\n"))
    })
}

/// Results of all cases of these suites, with captures from these folders.
fn run_all(suites: &[Suite], captures: &Captures) -> Vec<CaseResult> {
    let selection = suite::select(suites, &[]).unwrap();
    let wanted = Wanted {
        subjects: &[Subject::BuiltIn],
        peer: &Subject::BuiltIn,
        implementations: &[],
        worlds: &[WorldKind::Sim, WorldKind::Replay],
        captures,
        clock: ClockKind::Real,
        long: false,
    };
    let plan = plan(&selection, wanted).unwrap();
    assert!(plan.elsewhere.is_empty(), "{:?}", plan.elsewhere);
    let terminal = Terminal { color: false, unicode: false, interactive: false, width: 80 };
    let nowhere = || Box::new(std::io::sink());
    let streams = Streams { out: nowhere(), out_terminal: terminal, err: nowhere(), err_terminal: terminal };
    let reporter = Reporter::new(&Options::default(), Redactor::new(Vec::new()), streams).unwrap();
    let context = Context {
        way: None,
        reporter: &reporter,
        evidence: None,
        keep: Keep::Never,
        settings: Settings { seed: 7, timeout_scale: 1.0, fault: None },
        divergences: &[],
        interrupted: Arc::new(AtomicBool::new(false)),
        jobs: 2,
        max_fail: None,
        problems: Mutex::new(Vec::new()),
    };
    execute(&plan.cells, &context, &mut Real::Here(&mut Nobody))
}

fn assert_passed(results: &[CaseResult]) {
    for result in results {
        assert_eq!(result.verdict.outcome, Outcome::Pass, "{}: {}", result.id, result.verdict.reason);
    }
}

/// All captures with NHRP in the clear.
fn captures() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(checkout().join("captures")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "pcapng") {
            found.push(path);
        }
    }
    for name in
        ["nhrp.pcapng", "nhrp-trace.pcap", "NHRP_registration.pcap", "NHRP-responder-address.pcap", "ios_nhrp.pcap"]
    {
        found.extend(third_party().map(|folder| folder.join("the-tcpdump-group-tcpdump").join(name)));
    }
    found.sort();
    found
}

/// Writes a recording as a capture of raw IP.
fn write(recording: &Recording, path: &Path) {
    let interface = InterfaceDecl { name: "wan".to_owned(), linktype: LinkType::RAW, description: String::new() };
    let mut writer = PcapngWriter::new(std::fs::File::create(path).unwrap(), &[interface]).unwrap();
    for frame in &recording.frames {
        let at = recording.epoch_ns + u64::try_from(frame.at.as_nanos()).unwrap();
        writer.packet(0, at, &frame.octets, None).unwrap();
    }
    writer.finish().unwrap();
}

fn source(file: &Path, suite: &str) -> Source {
    Source { shelf: Shelf::Project, file: file.display().to_string(), suite: suite.to_owned() }
}

/// The octets of a message that a draft looks at, as places in the frame: all of NHRP but request id and checksum.
fn places(octets: &[u8]) -> Vec<usize> {
    let read = Dissection::of_ip(octets);
    let Some(message) = read.nhrp_range() else { return Vec::new() };
    let hidden = ["request_id", "error.quoted.request_id", "hdr.chksum", "ext.auth.secret", "ext.auth.value"];
    let hidden: Vec<_> = hidden.iter().filter_map(|path| read.field(path)).map(|field| field.range.clone()).collect();
    message.filter(|place| !hidden.iter().any(|range| range.contains(place))).collect()
}

#[test]
fn every_capture_distills_to_a_draft_that_passes_on_it_and_on_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mutant.pcapng");
    let mut flipped = 0;
    for capture in captures() {
        let recording = Recording::read(&capture, None).unwrap();
        let material = Material::of(recording.clone());
        let chosen: Vec<_> = material.exchanges.iter().collect();
        // What holds nothing in the clear has nothing to distill.
        if chosen.is_empty() {
            continue;
        }
        let text = draft(&material, &chosen, &source(&capture, "mine"), Form::Replay, false).unwrap();
        let results = run_all(&[load("mine", &text)], &Captures::with(&checkout(), None));
        assert_eq!(results.len(), chosen.len());
        assert_passed(&results);

        // One octet of the first message, at several places.
        let number = chosen[0].packets[0].number;
        let text = draft(&material, &chosen[..1], &source(&path, "mine"), Form::Replay, false).unwrap();
        let suite = [load("mine", &text)];
        let at = recording.frames.iter().position(|frame| frame.number == number).unwrap();
        for place in places(&recording.frames[at].octets).into_iter().step_by(5) {
            let mut mutant = recording.clone();
            mutant.frames[at].octets[place] ^= 1;
            write(&mutant, &path);
            let results = run_all(&suite, &Captures::with(&checkout(), None));
            let verdict = &results[0].verdict;
            assert_eq!(verdict.outcome, Outcome::Fail, "{} octet {place}: {}", capture.display(), verdict.reason);
            flipped += 1;
        }
    }
    assert!(flipped > 20, "{flipped}");
}

/// The project's suites over captures.
fn own_suites() -> Vec<Suite> {
    let suites = suite::load_tree(&checkout().join("suites/replay"));
    suites.unwrap_or_else(|errors| panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))
}

#[test]
fn the_suites_over_captures_pass_and_each_case_can_fail() {
    let others = third_party();
    let suites = own_suites();
    let results = run_all(&suites, &Captures::with(&checkout(), others.as_deref()));
    let ran: Vec<_> = results.into_iter().filter(|result| result.verdict.outcome != Outcome::Skip).collect();
    assert!(ran.len() >= 8, "only {} cases", ran.len());
    assert_passed(&ran);

    // The same captures with another type in every message, or what keys no longer open, satisfy nobody.
    let empty = tempfile::tempdir().unwrap();
    let known = Captures::with(&checkout(), others.as_deref());
    for (suite, case) in suites.iter().flat_map(|suite| suite.cases.iter().map(move |case| (suite, case))) {
        let capture = suite.topology_of(case).capture.as_ref().unwrap();
        let Ok(files) = known.files(capture) else { continue };
        let mut recording = Recording::read(&files.file, files.keys.as_deref()).unwrap();
        for frame in &mut recording.frames {
            match Dissection::of_ip(&frame.octets).nhrp_range() {
                Some(range) => frame.octets[range.start + 17] ^= 0x40,
                // Protected ones with another check value.
                None => *frame.octets.last_mut().unwrap() ^= 0x40,
            }
        }
        if let (Some(keys), Some(name)) = (&files.keys, &capture.keys) {
            let copy = empty.path().join(name);
            std::fs::create_dir_all(&copy).unwrap();
            for table in std::fs::read_dir(keys).unwrap().map(|entry| entry.unwrap().path()) {
                std::fs::copy(&table, copy.join(table.file_name().unwrap())).unwrap();
            }
        }
        let place = empty.path().join(&capture.file);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        write(&recording, &place);
    }
    let results = run_all(&suites, &Captures::with(empty.path(), others.is_some().then_some(empty.path())));
    for result in results.iter().filter(|result| result.verdict.outcome != Outcome::Skip) {
        assert_eq!(result.verdict.outcome, Outcome::Fail, "{}: {}", result.id, result.verdict.reason);
    }
}

#[test]
fn captures_of_others_that_are_not_there_are_a_named_skip() {
    let suites = own_suites();
    let results = run_all(&suites, &Captures::with(&checkout(), None));
    let skipped: Vec<_> = results.iter().filter(|result| result.verdict.outcome == Outcome::Skip).collect();
    assert!(!skipped.is_empty());
    for result in skipped {
        assert_eq!(result.verdict.cause.as_deref(), Some("captures"), "{}", result.id);
        assert!(result.verdict.reason.contains("DMVPN_LAB_CAPTURES"), "{}", result.verdict.reason);
    }
}

/// A suite that feeds the FRR 10.3 registration to the built-in hub, with these exceptions.
fn feeding(file: &Path, except: &str) -> Suite {
    load(
        "own",
        &format!(
            "schema: 1
suite: own
title: Own
worlds: [sim]
topology:
  nodes:
    hub: {{ role: hub, bind: subject, nbma: 192.0.2.1, tunnel: 10.0.0.1/24, key: 42, nhrp: {{ hold: 600s }} }}
    spoke: {{ role: spoke, scripted: true, nbma: 192.0.2.11, tunnel: 10.0.0.11/32, key: 42 }}
  links: [{{ name: wan, capture: true }}]
  capture: {{ file: {} }}
cases:
  - id: case
    title: A case.
    cites: [{{ spec: project, section: harness, level: goal }}]
    steps:
      - start: hub
      - feed: {{ from: spoke, to: hub, compare: {{ except: [{except}] }} }}
",
            file.display()
        ),
    )
}

const HOPS: &str = "{ field: hdr.hopcnt, is: 255, because: its own choice }";
const MTU: &str = "{ field: \"ext.responder.cie[0].mtu\", because: it says none }";

fn fed(file: &Path, except: &str) -> (Outcome, String) {
    let results = run_all(&[feeding(file, except)], &Captures::with(&checkout(), None));
    (results[0].verdict.outcome, results[0].verdict.reason.clone())
}

#[test]
fn what_differs_is_declared_or_fails_and_what_is_declared_differs() {
    let capture = Path::new("captures/frr-10.3-registration.pcapng");
    assert_eq!(fed(capture, &format!("{HOPS}, {MTU}")), (Outcome::Pass, String::new()));
    let (outcome, reason) = fed(capture, HOPS);
    assert_eq!(outcome, Outcome::Fail);
    assert_eq!(reason, "not as in frame 2: ext.responder.cie[0].mtu is 1472, recorded 0");
    let (outcome, reason) = fed(capture, &format!("{HOPS}, {MTU}, {{ field: flags, because: none }}"));
    assert_eq!(outcome, Outcome::Fail);
    assert!(reason.contains("`flags` is as recorded; delete it"), "{reason}");
    // The difference is there, but is another one.
    let (outcome, reason) = fed(capture, &format!("{}, {MTU}", HOPS.replace("255", "254")));
    assert_eq!((outcome, reason.as_str()), (Outcome::Fail, "not as in frame 2: hdr.hopcnt is 255, recorded 254"));
}

#[test]
fn a_recorded_answer_that_is_gone_or_another_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mutant.pcapng");
    let recording = Recording::read(&checkout().join("captures/frr-10.3-registration.pcapng"), None).unwrap();
    let both = format!("{HOPS}, {MTU}");
    // The recorded hub was silent: the built-in one is not.
    let mut silent = recording.clone();
    silent.frames.truncate(1);
    write(&silent, &path);
    let (outcome, reason) = fed(&path, &both);
    assert_eq!(outcome, Outcome::Fail);
    assert!(reason.contains("the recorded router did not send"), "{reason}");
    // The recorded hub answered twice.
    let mut twice = recording.clone();
    twice.frames.push(recording.frames[1].clone());
    write(&twice, &path);
    let (outcome, reason) = fed(&path, &both);
    assert_eq!(outcome, Outcome::Fail);
    assert!(reason.contains("no message of `hub` within"), "{reason}");
    // The recorded hub refused.
    let mut refused = recording;
    let range = Dissection::of_ip(&refused.frames[1].octets).field("cie[0].code").unwrap().range.clone();
    refused.frames[1].octets[range.start] = 14;
    write(&refused, &path);
    let (_, reason) = fed(&path, &both);
    assert!(reason.contains("cie[0].code is 0, recorded 14"), "{reason}");
}

/// What `cargo lab` says to these arguments: exit code, standard output, standard error.
fn lab(args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_dmvpn-lab"));
    let output = command.current_dir(checkout()).env_remove("DMVPN_LAB_CAPTURES").args(args).output().unwrap();
    let text = |octets: Vec<u8>| String::from_utf8(octets).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_command_line_drafts_lists_and_does_not_write_over() {
    const CAPTURE: &str = "captures/frr-10.3-registration.pcapng";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("suites/mine.yaml");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let name = path.to_str().unwrap();
    let (code, out, err) = lab(&["distill", CAPTURE, "--out", name]);
    assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
    let (code, out, err) = lab(&["run", "--suites", name, "--world", "replay", "--keep", "never"]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("1 passed, 0 failed"), "{out}");

    let (code, _, err) = lab(&["distill", CAPTURE, "--out", name]);
    assert!(code == Some(2) && err.contains("is there already"), "{err}");
    let (code, _, err) = lab(&["distill", CAPTURE, "--exchange", "7"]);
    assert!(code == Some(2) && err.contains("there is no exchange 7"), "{err}");
    let (code, _, err) = lab(&["distill", "captures/none.pcapng"]);
    assert!(code == Some(4) && err.contains("captures/none.pcapng"), "{err}");
    let (code, out, _) = lab(&["distill", CAPTURE, "--json"]);
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, found["exchanges"].as_array().map(Vec::len)), (Some(0), Some(1)), "{out}");
    assert_eq!(found["stations"][0]["name"], "hub");
}
