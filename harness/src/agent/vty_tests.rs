use std::os::unix::net::UnixListener;
use std::thread;

use super::*;

/// A daemon's socket that answers one connection with prepared octets, a piece for each command, each piece written in
/// the given portions.
fn serve(answers: Vec<Vec<&'static [u8]>>) -> (tempfile::TempDir, String, thread::JoinHandle<Vec<String>>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("daemon.vty");
    let listener = UnixListener::bind(&path).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut commands = Vec::new();
        for answer in answers {
            let mut command = Vec::new();
            let mut octet = [0];
            while stream.read(&mut octet).unwrap_or(0) == 1 && octet[0] != 0 {
                command.push(octet[0]);
            }
            commands.push(String::from_utf8(command).unwrap());
            for portion in answer {
                // A client that has heard enough is gone by now.
                let _ = stream.write_all(portion);
                thread::sleep(Duration::from_millis(3));
            }
        }
        commands
    });
    (directory, path.to_str().unwrap().to_owned(), server)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

fn commands(commands: &[&str]) -> Vec<String> {
    commands.iter().map(|&command| command.to_owned()).collect()
}

#[test]
fn answers_end_at_three_nuls_and_a_status() {
    let (_directory, path, server) =
        serve(vec![vec![b"\0\0\0\0"], vec![b"{ \"a\": 1 }\n", b"\0", b"\0\0", b"\x01"], vec![b"x\0\0", b"\0\0"]]);
    let replies = run(&path, &commands(&["enable", "show a json", "show x"]), None, soon()).unwrap();
    let replies: Vec<_> = replies.iter().map(|reply| (reply.output.as_str(), reply.status)).collect();
    assert_eq!(replies, [("", 0), ("{ \"a\": 1 }\n", 1), ("x", 0)]);
    assert_eq!(server.join().unwrap(), ["enable", "show a json", "show x"]);
}

#[test]
fn nothing_is_said_after_a_refused_command() {
    let (_directory, path, server) = serve(vec![vec![b"\0\0\0\0"], vec![b"% Unknown command\n\0\0\0\x02"]]);
    let replies = run(&path, &commands(&["enable", "nonsense", "write"]), None, soon()).unwrap();
    assert_eq!(replies.len(), 2);
    assert_eq!((replies[1].output.as_str(), replies[1].status), ("% Unknown command\n", 2));
    assert_eq!(server.join().unwrap(), ["enable", "nonsense"]);
}

#[test]
fn a_daemon_that_closes_hangs_or_babbles_is_an_error() {
    for (answer, word) in [
        (vec![b"half an ans".as_slice()], "closed"),
        (vec![b"\0\0\0".as_slice()], "closed"),
        (vec![b"\0\0\0\0more".as_slice()], "behind the end"),
    ] {
        let (_directory, path, _server) = serve(vec![answer]);
        let error = run(&path, &commands(&["enable"]), None, soon()).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("silent.vty");
    let _silent = UnixListener::bind(&path).unwrap();
    let error = run(path.to_str().unwrap(), &commands(&["enable"]), None, Instant::now() + Duration::from_millis(20))
        .unwrap_err();
    assert!(error.contains("in time"), "{error}");
}

#[test]
fn a_socket_that_appears_late_is_waited_for_and_one_that_never_does_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("late.vty");
    let server = thread::spawn({
        let path = path.clone();
        move || {
            thread::sleep(Duration::from_millis(20));
            let (mut stream, _) = UnixListener::bind(path).unwrap().accept().unwrap();
            stream.write_all(b"\0\0\0\0").unwrap();
            let _ = stream.read(&mut [0; 64]);
        }
    });
    assert_eq!(run(path.to_str().unwrap(), &commands(&["enable"]), None, soon()).unwrap().len(), 1);
    server.join().unwrap();
    let never = directory.path().join("never.vty");
    let error = run(never.to_str().unwrap(), &commands(&["enable"]), None, Instant::now() + Duration::from_millis(10))
        .unwrap_err();
    assert!(error.contains("never.vty"), "{error}");
}

#[test]
fn an_endless_answer_is_cut_off() {
    let mut answer = Answer::default();
    let piece = vec![b'x'; 1024 * 1024];
    let results: Vec<_> = (0..4).map(|_| answer.push(&piece).is_ok()).collect();
    assert_eq!(results, [true, true, true, false]);
}

#[test]
fn a_command_with_a_nul_is_not_sent() {
    let (_directory, path, _server) = serve(vec![]);
    assert!(run(&path, &commands(&["enable\0write"]), None, soon()).unwrap_err().contains("NUL"));
}

#[test]
fn a_state_is_asked_for_until_it_is_reached() {
    let answers = vec![vec![b"\0\0\0\0".as_slice()], vec![b"down\0\0\0\x01"], vec![b"it is up\0\0\0\0"]];
    let (_directory, path, server) = serve(answers);
    let replies = run(&path, &commands(&["enable", "show state"]), Some("is up"), soon()).unwrap();
    assert_eq!((replies.len(), replies[1].output.as_str()), (2, "it is up"));
    assert_eq!(server.join().unwrap(), ["enable", "show state", "show state"]);
}

#[test]
fn a_state_that_is_never_reached_is_an_error_with_the_last_answer() {
    let (_directory, path, _server) = serve(vec![vec![b"down\0\0\0\0"]; 100]);
    let deadline = Instant::now() + Duration::from_millis(300);
    let error = run(&path, &commands(&["show state"]), Some("is up"), deadline).unwrap_err();
    assert!(error.contains("is up") && error.contains("down"), "{error}");
}
