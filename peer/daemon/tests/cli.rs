//! What the program says and how it ends, without a network.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use support::{PEER, skip};

const SPOKE: &str = "tunnels:\n  - name: tun0\n    nbma: 127.1.2.3\n    address: 10.0.0.11/24\n";

struct Told {
    code: Option<i32>,
    out: String,
    err: String,
}

fn told(command: &mut Command) -> Told {
    // Nothing of the terminal that the tests run in.
    command.env("NO_COLOR", "1").env("TERM", "dumb").env_remove("RUST_LOG").env_remove("DMVPN_PEER_CONTROL");
    let output =
        assert_cmd::Command::from_std(std::mem::replace(command, Command::new("true"))).output().expect("started");
    let text = |octets| String::from_utf8(octets).expect("text");
    Told { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn peer(arguments: &[&str], dir: &Path) -> Told {
    told(Command::new(PEER).args(arguments).current_dir(dir))
}

fn directory(config: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("peer.yaml"), config).expect("written");
    dir
}

#[test]
fn help_shows_verbs_examples_and_exit_codes() {
    let dir = directory("");
    insta::assert_snapshot!(peer(&["--help"], dir.path()).out);
}

#[test]
fn check_says_what_a_configuration_makes() {
    let dir = directory(include_str!("../../config/examples/spoke.yaml"));
    let told = peer(&["check", "--config", "peer.yaml"], dir.path());
    assert_eq!((told.code, told.err.as_str()), (Some(0), ""));
    insta::assert_snapshot!(told.out);
}

#[test]
fn a_broken_configuration_is_exit_code_2_with_its_place() {
    let dir = directory(&format!("{SPOKE}    nhrp:\n      authentication: s3cret\n      holding_tine: 600s\n"));
    for verb in ["check", "up"] {
        let told = peer(&[verb, "--config", "peer.yaml"], dir.path());
        assert_eq!((told.code, told.out.as_str()), (Some(2), ""));
        insta::assert_snapshot!("broken", told.err);
    }
    let told = peer(&["check", "--config", "none.yaml"], dir.path());
    assert_eq!(told.code, Some(2));
    assert!(told.err.contains("none.yaml") || told.err.contains("can not be read"), "{}", told.err);
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let dir = directory(SPOKE);
    for arguments in [
        &[][..],
        &["upp"],
        &["up"],
        &["up", "--config", "peer.yaml", "--log", "a=b=c"],
        &["clear", "nhrp", "10.0.0"],
        &["show", "routes"],
    ] {
        assert_eq!(peer(arguments, dir.path()).code, Some(2), "{arguments:?}");
    }
}

#[test]
fn no_peer_is_exit_code_4_with_the_remedy() {
    let dir = directory(SPOKE);
    let mut all = String::new();
    for verb in [&["show", "nhrp"][..], &["show", "counters", "--json"], &["clear", "nhrp"], &["stop"]] {
        let told = peer(&[verb, &["--control", "none.sock"]].concat(), dir.path());
        assert_eq!((told.code, told.out.as_str()), (Some(4), ""), "{verb:?}");
        all = told.err;
    }
    insta::assert_snapshot!(all);
}

#[test]
fn something_else_on_the_control_path_is_no_peer() {
    let dir = directory(SPOKE);
    let listener = std::os::unix::net::UnixListener::bind(dir.path().join("s")).expect("bound");
    let answer = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().expect("a client");
        let _ = stream.read(&mut [0; 100]);
        let _ = stream.write_all(b"220 mail.example ESMTP\r\n");
    });
    let told = peer(&["show", "nhrp", "--control", "s"], dir.path());
    answer.join().expect("answered");
    assert_eq!(told.code, Some(4));
    assert!(told.err.contains("is not a peer of this version"), "{}", told.err);
}

/// As an ordinary user: the exact commands that help.
#[test]
fn no_permission_is_exit_code_4_with_the_remedy() {
    if !nix::unistd::geteuid().is_root() {
        skip("cli.root", "only root can become somebody without permission");
        return;
    }
    let dir = directory(&SPOKE.replace("127.1.2.3", "192.0.2.11"));
    // Where nobody may look into the build directory.
    let program = dir.path().join("dmvpn-peer");
    std::fs::copy(PEER, &program).expect("copied");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("ours");
    let told = told(
        Command::new(&program).uid(65534).gid(65534).args(["up", "--config", "peer.yaml"]).current_dir(dir.path()),
    );
    assert_eq!(told.code, Some(4), "{}", told.err);
    // Where lines are broken depends on the length of the path.
    let text = told.err.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
    insta::assert_snapshot!(text.replace(&dir.path().display().to_string(), "DIR"));
}
