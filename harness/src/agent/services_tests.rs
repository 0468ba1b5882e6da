use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver};

use super::super::protocol::{Decoder, Message};
use super::*;

/// Hands over what the services say, message by message.
struct Ear(Decoder, mpsc::Sender<Message>);

impl Write for Ear {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.push(octets);
        while let Some(envelope) = self.0.next_envelope().unwrap() {
            let _ = self.1.send(Message::try_from(envelope).unwrap());
        }
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Fixture {
    services: Arc<Services>,
    said: Receiver<Message>,
    /// What came while a response was waited for.
    earlier: RefCell<VecDeque<Message>>,
}

fn fixture() -> Fixture {
    let (say, said) = mpsc::channel();
    let services = Services::new(Outbox::new(Ear(Decoder::new(), say)), Arc::default(), || {});
    Fixture { services, said, earlier: RefCell::default() }
}

impl Fixture {
    fn ask(&self, action: Action) -> Outcome {
        let request = Request { id: 1, action };
        self.services.take(&serde_json::to_vec(&request).unwrap());
        loop {
            match self.hear() {
                Message::Response(response) => return response.outcome,
                other => self.earlier.borrow_mut().push_back(other),
            }
        }
    }

    fn next(&self) -> Message {
        let earlier = self.earlier.borrow_mut().pop_front();
        earlier.unwrap_or_else(|| self.hear())
    }

    fn hear(&self) -> Message {
        self.said.recv_timeout(Duration::from_secs(10)).unwrap()
    }
}

fn shell(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

fn exec(script: &str, stdin: Option<&str>, timeout_ms: u64) -> Action {
    Action::Exec { argv: shell(script), stdin: stdin.map(str::to_owned), timeout_ms }
}

#[test]
fn a_program_reads_prints_and_ends() {
    let outcome = fixture().ask(exec("tr a-z A-Z; echo no >&2; exit 3", Some("yes"), 5000));
    let expected = Outcome::Exec {
        status: Status::Exited(3),
        overrun: false,
        stdout: "YES".into(),
        stderr: "no\n".into(),
        truncated: false,
    };
    assert_eq!(outcome, expected);
}

#[test]
fn a_program_that_does_not_end_is_killed_with_all_it_started() {
    let begun = Instant::now();
    let outcome = fixture().ask(exec("echo before; sleep 60 & sleep 60", None, 50));
    let Outcome::Exec { status: Status::Signalled(9), overrun: true, stdout, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(stdout, "before\n");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_program_that_floods_is_killed_and_its_beginning_kept() {
    let outcome = fixture().ask(exec("yes", None, 60_000));
    let Outcome::Exec { overrun: true, stdout, truncated: true, .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!(stdout.len() as u64, MAX_OUTPUT);
}

#[test]
fn a_signal_that_the_agent_keeps_for_itself_ends_what_it_has_started() {
    // As the first process of a guest does, before it has other threads.
    let kept = nix::sys::signal::SigSet::from(Signal::SIGTERM);
    kept.thread_block().unwrap();
    let fixture = fixture();
    let argv = shell("exec sleep 60");
    let outcome =
        fixture.ask(Action::Spawn { name: "d".into(), argv, env: BTreeMap::new(), until: None, timeout_ms: None });
    assert!(matches!(outcome, Outcome::Spawned { .. }), "{outcome:?}");
    let outcome = fixture.ask(Action::Kill { name: "d".into(), signal: libc::SIGTERM, wait_ms: 5000 });
    assert_eq!(outcome, Outcome::Killed { status: Some(Status::Signalled(libc::SIGTERM)) });
}

#[test]
fn a_program_left_in_the_background_keeps_nobody_waiting() {
    let begun = Instant::now();
    assert!(!fixture().ask(exec("setsid sleep 3 & echo done", None, 60_000)).failed());
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_spawned_program_tells_its_lines_and_its_end() {
    let fixture = fixture();
    let argv = shell("echo $GREETING; echo two >&2; read x; exec sleep 60");
    let env = BTreeMap::from([("GREETING".to_owned(), "hello".to_owned())]);
    let outcome =
        fixture.ask(Action::Spawn { name: "d".into(), argv: argv.clone(), env, until: None, timeout_ms: None });
    assert!(matches!(outcome, Outcome::Spawned { pid: 1.. }), "{outcome:?}");
    let line = |text: &str| Message::Event(Event::Log { name: "d".into(), line: text.into() });
    assert_eq!(fixture.next(), line("hello"));
    assert_eq!(fixture.next(), line("two"));
    let again =
        fixture.ask(Action::Spawn { name: "d".into(), argv, env: BTreeMap::new(), until: None, timeout_ms: None });
    assert!(again.failed(), "a name that is taken");
    let outcome = fixture.ask(Action::Kill { name: "d".into(), signal: libc::SIGTERM, wait_ms: 5000 });
    assert_eq!(outcome, Outcome::Killed { status: Some(Status::Signalled(libc::SIGTERM)) });
    let outcome = fixture.ask(Action::Spawn {
        name: "d".into(),
        argv: shell("exit 4"),
        env: BTreeMap::new(),
        until: None,
        timeout_ms: None,
    });
    assert!(!outcome.failed(), "a name that is free again: {outcome:?}");
    let ended = |status| Message::Event(Event::Exited { name: "d".into(), status });
    loop {
        let message = fixture.next();
        if message == ended(Status::Exited(4)) {
            break;
        }
        assert_eq!(message, ended(Status::Signalled(libc::SIGTERM)), "the one before, if it comes this late");
    }
}

#[test]
fn killing_what_was_never_spawned_or_with_no_signal_is_an_error() {
    let fixture = fixture();
    assert!(fixture.ask(Action::Kill { name: "x".into(), signal: 9, wait_ms: 0 }).failed());
    assert!(fixture.ask(Action::Kill { name: "x".into(), signal: 4711, wait_ms: 0 }).failed());
    assert!(fixture.ask(Action::Exec { argv: vec![], stdin: None, timeout_ms: 1 }).failed());
    let nowhere = Action::Exec { argv: vec!["/nonexistent".into()], stdin: None, timeout_ms: 1 };
    assert!(fixture.ask(nowhere).failed());
}

#[test]
fn files_are_written_read_on_and_removed() {
    let fixture = fixture();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b/file");
    let name = path.to_str().unwrap().to_owned();
    let outcome = fixture.ask(Action::Write { path: name.clone(), text: "one\n".into(), mode: 0o640, owner: None });
    assert_eq!(outcome, Outcome::Done {});
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
    let outcome = fixture.ask(Action::Read { path: name.clone(), from_offset: 1 });
    assert_eq!(outcome, Outcome::Read { text: "ne\n".into(), next_offset: 4 });
    let outcome = fixture.ask(Action::Read { path: name.clone(), from_offset: 99 });
    assert_eq!(outcome, Outcome::Read { text: String::new(), next_offset: 99 });
    assert!(fixture.ask(Action::Read { path: directory.path().to_str().unwrap().into(), from_offset: 0 }).failed());
    let tree = directory.path().join("a").to_str().unwrap().to_owned();
    assert_eq!(fixture.ask(Action::Remove { paths: vec![tree.clone(), tree] }), Outcome::Done {});
    assert!(!path.exists());
    let stranger = Action::Write { path: name, text: String::new(), mode: 0o600, owner: Some("nobody-such".into()) };
    assert!(fixture.ask(stranger).failed());
}

#[test]
fn a_batch_ends_at_the_first_failure_unless_told_otherwise() {
    let fixture = fixture();
    let actions = vec![Action::Ping {}, exec("exit 1", None, 5000), Action::Ping {}];
    let Outcome::Batch { outcomes } = fixture.ask(Action::Batch { actions: actions.clone(), keep_going: false }) else {
        panic!()
    };
    assert_eq!(outcomes.len(), 2);
    let Outcome::Batch { outcomes } = fixture.ask(Action::Batch { actions, keep_going: true }) else { panic!() };
    assert_eq!(outcomes.len(), 3);
}

#[test]
fn a_request_that_cannot_be_read_is_answered_if_it_has_an_id() {
    let fixture = fixture();
    fixture.services.take(br#"{"id":5,"action":{"do":"dance"}}"#);
    assert!(matches!(fixture.next(), Message::Response(Response { id: 5, outcome: Outcome::Failed { .. } })));
    for nonsense in [&b"{}"[..], b"", b"[[[", b"\xff", br#"{"id":-1}"#] {
        fixture.services.take(nonsense);
        assert!(matches!(fixture.next(), Message::Event(Event::Refused { .. })));
    }
}

#[test]
fn more_requests_than_can_be_served_are_refused_and_not_queued() {
    let fixture = fixture();
    for id in 0..=MAX_AT_ONCE as u64 {
        let request = Request { id, action: exec("sleep 1", None, 5000) };
        fixture.services.take(&serde_json::to_vec(&request).unwrap());
    }
    let Message::Response(response) = fixture.next() else { panic!() };
    assert_eq!(response.id, MAX_AT_ONCE as u64);
    assert!(response.outcome.failed());
}

#[test]
fn a_line_is_waited_for() {
    let fixture = fixture();
    let spawn = |script: &str, timeout_ms| Action::Spawn {
        name: "d".into(),
        argv: shell(script),
        env: BTreeMap::new(),
        until: Some("ready:".into()),
        timeout_ms: Some(timeout_ms),
    };
    let outcome = fixture.ask(spawn("echo not yet; echo ready: now; exec sleep 60", 10_000));
    assert!(matches!(outcome, Outcome::Spawned { .. }), "{outcome:?}");
    let lines: Vec<_> = fixture.earlier.borrow().iter().map(|message| format!("{message:?}")).collect();
    assert!(lines.iter().any(|line| line.contains("ready: now")), "its line comes before the answer: {lines:?}");
    fixture.ask(Action::Kill { name: "d".into(), signal: 9, wait_ms: 10_000 });

    let outcome = fixture.ask(spawn("echo broken; exit 3", 10_000));
    assert!(matches!(&outcome, Outcome::Failed { reason } if reason.contains("Exited(3)")), "{outcome:?}");
    let outcome = fixture.ask(spawn("exec sleep 60", 50));
    assert!(matches!(&outcome, Outcome::Failed { reason } if reason.contains("did not print")), "{outcome:?}");
    fixture.ask(Action::Kill { name: "d".into(), signal: 9, wait_ms: 10_000 });
}

#[test]
fn the_end_is_told_before_the_answer_to_the_order_that_made_it() {
    let fixture = fixture();
    for _ in 0..20 {
        let env = BTreeMap::new();
        fixture.ask(Action::Spawn {
            name: "d".into(),
            argv: shell("exec sleep 60"),
            env,
            until: None,
            timeout_ms: None,
        });
        let outcome = fixture.ask(Action::Kill { name: "d".into(), signal: 9, wait_ms: 10_000 });
        assert_eq!(outcome, Outcome::Killed { status: Some(Status::Signalled(9)) });
        let told = fixture.earlier.borrow_mut().drain(..).any(|message| format!("{message:?}").contains("Exited"));
        assert!(told, "its end comes after the answer");
    }
}
