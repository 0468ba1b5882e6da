//! An interrupted run ends soon, and says that it was interrupted.

use std::io::Read;
use std::process::Stdio;

use crate::{plain, suite};

#[test]
fn ctrl_c_ends_a_long_run() {
    // Ten thousand hours of virtual time, over and over: long enough on any machine.
    let dir = suite("      - advance: 10000h\n      - expect: { from: hub, msg: nhrp, within: 1s }");
    let mut child = plain()
        .args(["run", "--keep", "never", "--repeat", "10000", "--format", "jsonl", "--suites"])
        .arg(dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The first word that it says is said after it began to watch for signals.
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0]).unwrap();
    let process = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGINT).unwrap();
    let mut rest = Vec::new();
    out.read_to_end(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
