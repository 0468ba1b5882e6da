//! A live interface, in a network namespace of the test's own.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pnet_datalink::{Channel, Config};

use crate::{folder, lab, scenario, skipped};

fn ip(arguments: &str) -> bool {
    Command::new("ip").args(arguments.split(' ')).status().is_ok_and(|status| status.success())
}

#[test]
fn an_interface_is_followed_until_it_is_interrupted() {
    let test = "an_interface_is_followed_until_it_is_interrupted";
    // A namespace belongs to a thread until something else holds it, and goes with it.
    let result = std::thread::spawn(|| {
        if let Err(error) = unshare(CloneFlags::CLONE_NEWNET) {
            return Err(format!("no network namespace can be made: {error}"));
        }
        if !ip("link add left type veth peer name right") || !ip("link set left up") || !ip("link set right up") {
            return Err("`ip` can not make a pair of interfaces".to_owned());
        }
        follow();
        Ok(())
    })
    .join()
    .unwrap();
    if let Err(why) = result {
        skipped(test, &why);
    }
}

/// Sends the scenario into one end, and reads what is said of it at the other.
fn follow() {
    let folder = folder();
    let mut child =
        lab(folder.path()).args(["--follow", "right"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut first = String::new();
    err.read_line(&mut first).unwrap();
    assert!(first.contains("Listening on right"), "{first}");

    let left = pnet_datalink::interfaces().into_iter().find(|interface| interface.name == "left").unwrap();
    let Ok(Channel::Ethernet(mut send, _)) = pnet_datalink::channel(&left, Config::default()) else {
        panic!("no channel")
    };
    for (_, octets) in scenario::packets() {
        let frame = [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0][..], &octets].concat();
        send.send_to(&frame, None).unwrap().unwrap();
    }
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    // The last exchange that ends: an interrupt before it would leave what comes behind the others unread.
    while !text.contains("NHRP Registration 192.0.2.11 -> 192.0.2.1 id 2 ") {
        assert_ne!(out.read_line(&mut text).unwrap(), 0, "{text}");
    }
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    out.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(text.contains("NHRP Registration 192.0.2.11 -> 192.0.2.1 id 1 about 10.0.0.1: success after"), "{text}");
    assert!(text.contains("error 15 Hop Count Exceeded"), "{text}");
    assert!(text.contains("Stations") && text.contains("a leak, if the tunnel is to be protected"), "{text}");
}
