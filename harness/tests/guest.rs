//! Routers in guests, as users run them: `cargo lab run` of the checkout, since guests need the executable that this
//! links statically. Kernel and roots are made if they are missing, which takes minutes once.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// One run, with folders of its own.
struct Lab {
    folder: tempfile::TempDir,
}

impl Lab {
    /// None where guests can not run, which is a skip with that name.
    fn new() -> Option<Self> {
        let lab = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(lab.temporary()).unwrap();
        let report: Value = serde_json::from_slice(&lab.run(&["doctor", "--json"]).stdout).unwrap();
        let guest = report["worlds"].as_array().unwrap().iter().find(|world| world["driver"] == "guest").unwrap();
        if guest["can"] == true {
            return Some(lab);
        }
        assert!(std::env::var("DMVPN_LAB_DENY_SKIPS").as_deref() != Ok("1"), "skips are denied: {guest}");
        println!("skip: guest {}", guest["because"]);
        None
    }

    fn checkout() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
    }

    /// Where guests have their folders, and leave nothing.
    fn temporary(&self) -> PathBuf {
        self.folder.path().join("tmp")
    }

    fn evidence(&self) -> PathBuf {
        self.folder.path().join("runs")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO"));
        command.current_dir(Self::checkout()).arg("lab").args(arguments);
        command.env("TMPDIR", self.temporary()).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs cases, and returns the exit code and the result.
    fn cases(&self, arguments: &[&str]) -> (Option<i32>, Value) {
        let evidence = self.evidence();
        let all = ["run", "--driver", "guest", "--format", "json", "--out", evidence.to_str().unwrap()];
        let output = self.run(&[&all, arguments].concat());
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        let result = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {told}"));
        (output.status.code(), result)
    }

    /// That nothing of a guest is left.
    fn assert_clean(&self) {
        let left: Vec<_> = fs::read_dir(self.temporary()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.is_empty(), "{left:?}");
        assert_eq!(guests_in(&self.temporary()), Vec::<i32>::new());
    }
}

/// Processes of guests whose folder is in this one.
fn guests_in(folder: &Path) -> Vec<i32> {
    let mark = format!("uml_dir={}", folder.display());
    let processes =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    let is = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&mark)
    };
    processes.filter(is).collect()
}

/// Name and outcome of each case.
fn outcomes(result: &Value) -> BTreeMap<String, String> {
    let cases = result["cases"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    cases.map(|case| (text(&case["id"]), text(&case["verdict"]["outcome"]))).collect()
}

#[test]
fn a_guest_that_dies_costs_one_case() {
    let Some(lab) = Lab::new() else { return };
    let suites = ["lab/deaths", "--suites", "harness/tests/real/suites", "--subject", "frr:10.3", "--wall-limit", "25"];
    let (code, result) = lab.cases(&suites);
    assert_eq!(code, Some(4), "{result}");
    let wanted = [
        ("after-daemon", "pass"),
        ("after-hang", "pass"),
        ("after-router", "pass"),
        ("daemon", "error"),
        ("hang", "error"),
        ("router", "error"),
    ];
    let wanted = wanted.map(|(case, outcome)| (format!("lab/deaths/{case}"), outcome.to_owned()));
    assert_eq!(outcomes(&result), wanted.into());
    let reason = |id: &str| {
        let case = result["cases"].as_array().unwrap().iter().find(|case| case["id"] == id).unwrap();
        format!("{} {}", case["verdict"]["cause"], case["verdict"]["reason"])
    };
    assert!(reason("lab/deaths/daemon").contains("`nhrpd` ended: signal 9"), "{}", reason("lab/deaths/daemon"));
    let panicked = reason("lab/deaths/router");
    assert!(panicked.contains("guest.died") && panicked.contains("Out of memory"), "{panicked}");
    let hung = reason("lab/deaths/hang");
    assert!(hung.contains("guest.wall-limit"), "{hung}");
    lab.assert_clean();
}

#[test]
fn a_daemon_that_a_destructive_case_kills_has_failed() {
    let Some(lab) = Lab::new() else { return };
    let (code, result) =
        lab.cases(&["lab/destruction", "--suites", "harness/tests/real/suites", "--subject", "frr:10.3"]);
    assert_eq!(code, Some(1), "{result}");
    let wanted = [("kills", "fail"), ("lives", "pass"), ("ordinary", "pass"), ("spares", "pass")];
    let wanted = wanted.map(|(case, outcome)| (format!("lab/destruction/{case}"), outcome.to_owned()));
    assert_eq!(outcomes(&result), wanted.into());
    let cases = result["cases"].as_array().unwrap();
    let order: Vec<&str> = cases.iter().map(|case| case["id"].as_str().unwrap().rsplit('/').next().unwrap()).collect();
    assert_eq!(order, ["ordinary", "lives", "kills", "spares"]);
    let verdict = &cases[2]["verdict"];
    assert_eq!(verdict["reason"], "nhrpd died: signal 9");
    let comparison = &verdict["failure"]["comparison"];
    assert_eq!(comparison["rows"][0]["field"], "process");
    assert!(comparison["actual_line"].as_str().unwrap().starts_with("nhrp.registration_request "), "{comparison}");
    assert!(comparison["actual_hex"].as_str().is_some_and(|octets| octets.starts_with("45")), "{comparison}");
    let folder = Path::new(cases[2]["evidence"].as_str().unwrap());
    assert!(folder.join("wan.pcapng").is_file() && folder.join("logs/hub.log").is_file());
    lab.assert_clean();
}

#[test]
fn a_guest_that_is_killed_is_an_error_with_its_evidence() {
    let Some(lab) = Lab::new() else { return };
    // Made first, so that the wait below is for the guest alone.
    assert_eq!(lab.cases(&["nhrp/registration/first", "--subject", "frr:10.3"]).0, Some(0));
    let evidence = lab.evidence();
    let arguments = ["run", "nhrp/holding-time/kept-alive", "--subject", "frr:10.3", "--driver", "guest"];
    let mut command =
        lab.command(&[&arguments[..], &["--format", "json", "--out", evidence.to_str().unwrap()]].concat());
    let running = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    #[allow(clippy::disallowed_methods, reason = "a process of this machine has to appear")]
    let deadline = Instant::now() + Duration::from_secs(60);
    let guest = loop {
        // One that is killed before its first word did not boot.
        let speaks = fs::read_dir(lab.temporary()).unwrap().any(|entry| {
            fs::metadata(entry.unwrap().path().join("out/events.jsonl")).is_ok_and(|events| events.len() > 0)
        });
        if let Some(pid) = guests_in(&lab.temporary()).first().filter(|_| speaks) {
            break *pid;
        }
        #[allow(clippy::disallowed_methods, reason = "a process of this machine has to appear")]
        {
            assert!(Instant::now() < deadline, "no guest has started");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(guest), nix::sys::signal::Signal::SIGKILL).unwrap();
    let output = running.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let case = &result["cases"][0];
    assert_eq!((&case["verdict"]["outcome"], &case["verdict"]["cause"]), (&"error".into(), &"guest.died".into()));
    let folder = Path::new(case["evidence"].as_str().unwrap());
    assert!(folder.join("verdict.json").is_file() && folder.join("logs/guest.log").is_file());
    lab.assert_clean();
}

#[test]
fn a_kernel_that_does_not_boot_is_exit_code_4_with_a_remedy() {
    let Some(lab) = Lab::new() else { return };
    assert_eq!(lab.cases(&["nhrp/registration/first", "--subject", "frr:10.3"]).0, Some(0));
    let list: Value = serde_json::from_slice(&lab.run(&["images", "list", "--json"]).stdout).unwrap();
    let kernel = Path::new(list["assets"][0]["path"].as_str().unwrap());
    let cache = lab.folder.path().join("cache/dmvpn-lab");
    let broken = cache.join("kernel").join(kernel.file_name().unwrap());
    fs::create_dir_all(&broken).unwrap();
    fs::copy(kernel.join("version"), broken.join("version")).unwrap();
    fs::copy("/bin/false", broken.join("linux")).unwrap();
    let roots = kernel.parent().unwrap().with_file_name("roots");
    std::os::unix::fs::symlink(roots, cache.join("roots")).unwrap();
    let mut command = lab.command(&["run", "nhrp/registration/first", "--subject", "frr:10.3", "--driver", "guest"]);
    let output =
        command.env("XDG_CACHE_HOME", lab.folder.path().join("cache")).args(["--keep", "never"]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(4), "{told}");
    assert!(told.contains("guest.boot") && told.contains("cargo lab doctor"), "{told}");
    lab.assert_clean();
}

/// Packets of a case: when to the millisecond from its beginning, and what.
fn packets(folder: &Path) -> Vec<(u64, String)> {
    let text = fs::read_to_string(folder.join("timeline.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let packet = |entry: Value| {
        let at_ms = (entry["at_ns"].as_u64().unwrap() + 500_000) / 1_000_000;
        (entry["kind"] == "packet").then(|| (at_ms, entry["text"].as_str().unwrap().to_owned()))
    };
    lines.filter_map(packet).collect()
}

/// Cases in which all instants follow from the harness and from this project's own daemon; what FRR's daemon adds is its
/// answers.
const REPEATED: [&str; 6] = ["first", "expiry", "kept-alive", "hub-restart", "address-change", "two-spokes"];

#[test]
fn twenty_runs_are_one_to_the_millisecond() {
    let Some(lab) = Lab::new() else { return };
    let cases = REPEATED.map(|case| format!("nhrp/registration/{case}"));
    let mut arguments: Vec<&str> = cases.iter().map(String::as_str).collect();
    arguments.extend(["--subject", "frr:10.3,dmvpn-peer", "--repeat", "20"]);
    let (code, result) = lab.cases(&arguments);
    assert_eq!(code, Some(0), "{result}");
    let mut first: BTreeMap<String, (String, Vec<(u64, String)>)> = BTreeMap::new();
    let mut seen = 0;
    for case in result["cases"].as_array().unwrap() {
        let name = format!("{}[{}]", case["id"], case["variant"]);
        let folder = Path::new(case["evidence"].as_str().unwrap());
        let run = (case["verdict"]["outcome"].to_string(), packets(folder));
        assert!(!run.1.is_empty(), "{name}: no packets");
        seen += 1;
        let once = first.entry(name.clone()).or_insert_with(|| run.clone());
        // Type, ends and instant: this is about when, and other tests are about what.
        let timed = |run: &(String, Vec<(u64, String)>)| -> Vec<(u64, String)> {
            run.1.iter().map(|(at, text)| (*at, text.split(" id ").next().unwrap_or_default().to_owned())).collect()
        };
        assert_eq!((&run.0, timed(&run)), (&once.0, timed(once)), "{name}");
    }
    assert_eq!(seen, 20 * 2 * REPEATED.len());
    lab.assert_clean();
}

#[test]
fn memory_that_can_not_be_executed_is_exit_code_4_with_a_remedy() {
    let Some(lab) = Lab::new() else { return };
    let shell = "mount -t tmpfs -o noexec,size=900m none /dev/shm && exec \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    command.current_dir(Lab::checkout()).args(["--user", "--map-root-user", "--mount", "sh", "-c", shell]);
    command.arg(env!("CARGO")).args([
        "lab",
        "run",
        "nhrp/registration/first",
        "--subject",
        "frr:10.3",
        "--driver",
        "guest",
    ]);
    let output = command.env("TMPDIR", lab.temporary()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    if told.contains("unshare failed") {
        assert!(std::env::var("DMVPN_LAB_DENY_SKIPS").as_deref() != Ok("1"), "skips are denied: {told}");
        println!("skip: {told}");
        return;
    }
    assert_eq!(output.status.code(), Some(4), "{told}");
    assert!(told.contains("noexec") && told.contains("guest.memory") && told.contains("mount a tmpfs"), "{told}");
}
