//! `cargo lab inspect` through the real executable: what it prints, what it makes of broken files, and how it ends.

#![allow(clippy::unwrap_used, reason = "helpers of tests, outside of the functions that clippy knows as such")]

#[path = "../common/browser.rs"]
mod browser;
mod ends;
mod hostile;
mod live;
mod others;
mod page;
mod scenario;
mod shown;

use std::path::{Path, PathBuf};
use std::process::Command;

struct Said {
    code: i32,
    out: String,
    err: String,
}

/// The executable with nothing of the tester's own surroundings, in `folder`.
fn lab(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dmvpn-lab"));
    for variable in ["NO_COLOR", "CLICOLOR_FORCE", "CLICOLOR", "RUST_BACKTRACE"] {
        command.env_remove(variable);
    }
    command.env("LC_ALL", "C.UTF-8").current_dir(folder).arg("inspect");
    command
}

fn inspect(folder: &Path, arguments: &[&str]) -> Said {
    let output = lab(folder).args(arguments).output().unwrap();
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    Said { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
}

/// The captures that the project keeps.
fn captures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("captures")
}

/// Says aloud that a test did not run, which is a failure where skips are denied.
fn skipped(test: &str, why: &str) {
    let denied = std::env::var_os("DMVPN_LAB_DENY_SKIPS").is_some_and(|value| value == "1");
    assert!(!denied, "{test}: {why}, and skips are denied");
    eprintln!("skipped: {test}: {why}");
}

/// A folder with the scenario in `all.pcap`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    scenario::write(&folder.path().join("all.pcap"));
    folder
}
