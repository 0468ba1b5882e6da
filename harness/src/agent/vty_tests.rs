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
            while stream.read(&mut octet).unwrap() == 1 && octet[0] != 0 {
                command.push(octet[0]);
            }
            commands.push(String::from_utf8(command).unwrap());
            for portion in answer {
                stream.write_all(portion).unwrap();
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
    let replies = run(&path, &commands(&["enable", "show a json", "show x"]), soon()).unwrap();
    let replies: Vec<_> = replies.iter().map(|reply| (reply.output.as_str(), reply.status)).collect();
    assert_eq!(replies, [("", 0), ("{ \"a\": 1 }\n", 1), ("x", 0)]);
    assert_eq!(server.join().unwrap(), ["enable", "show a json", "show x"]);
}

#[test]
fn nothing_is_said_after_a_refused_command() {
    let (_directory, path, server) = serve(vec![vec![b"\0\0\0\0"], vec![b"% Unknown command\n\0\0\0\x02"]]);
    let replies = run(&path, &commands(&["enable", "nonsense", "write"]), soon()).unwrap();
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
        let error = run(&path, &commands(&["enable"]), soon()).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("silent.vty");
    let _silent = UnixListener::bind(&path).unwrap();
    let error =
        run(path.to_str().unwrap(), &commands(&["enable"]), Instant::now() + Duration::from_millis(20)).unwrap_err();
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
    assert_eq!(run(path.to_str().unwrap(), &commands(&["enable"]), soon()).unwrap().len(), 1);
    server.join().unwrap();
    let never = directory.path().join("never.vty");
    let error =
        run(never.to_str().unwrap(), &commands(&["enable"]), Instant::now() + Duration::from_millis(10)).unwrap_err();
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
    assert!(run(&path, &commands(&["enable\0write"]), soon()).unwrap_err().contains("NUL"));
}
