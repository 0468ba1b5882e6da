use std::sync::mpsc::{self, RecvTimeoutError};

use super::super::protocol::{Decoder, Status};
use super::super::session::Size;
use super::*;

/// Hands over what is said, message by message.
struct Ear(Decoder, Sender<Message>);

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
    programs: Programs,
    said: Receiver<Message>,
}

/// What a session has brought.
#[derive(Debug, Default)]
struct Brought {
    output: Vec<u8>,
    errors: Vec<u8>,
    granted: usize,
    ending: Option<Ending>,
}

impl Brought {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }

    fn exited(&self, code: i32) -> bool {
        self.ending == Some(Ending::Status(Status::Exited(code)))
    }
}

fn fixture() -> Fixture {
    let (say, said) = mpsc::channel();
    Fixture { programs: Programs::new(Outbox::new(Ear(Decoder::new(), say)), Arc::default()), said }
}

impl Fixture {
    fn say(&self, say: Say) {
        self.programs.take(&Session { id: 1, say }.payload().unwrap());
    }

    fn open(&self, script: &str, terminal: Option<Size>) {
        let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
        let env = BTreeMap::from([("GREETING".to_owned(), "hello".to_owned())]);
        self.say(Say::Open(Opening { argv, env, host: None, terminal }));
    }

    /// Listens until the end, or until `enough`.
    fn listen(&self, enough: impl Fn(&Brought) -> bool) -> Brought {
        let mut brought = Brought::default();
        while brought.ending.is_none() && !enough(&brought) {
            match self.said.recv_timeout(Duration::from_secs(10)).unwrap() {
                Message::Session(Session { id: 1, say }) => match say {
                    Say::Output(octets) => {
                        self.say(Say::Grant(octets.len() as u32));
                        brought.output.extend(octets);
                    }
                    Say::Errors(octets) => brought.errors.extend(octets),
                    Say::Grant(octets) => brought.granted += octets as usize,
                    Say::Ended(ending) => brought.ending = Some(ending),
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            }
        }
        brought
    }

    fn to_the_end(&self) -> Brought {
        self.listen(|_| false)
    }
}

const SIZE: Size = Size { rows: 33, columns: 111 };

#[test]
fn pipes_carry_octets_and_the_code() {
    let fixture = fixture();
    fixture.open("echo no >&2; echo $GREETING; cat; exit 3", None);
    fixture.say(Say::Input(vec![0, 255, b'x']));
    fixture.say(Say::Input(Vec::new()));
    let brought = fixture.to_the_end();
    assert!(brought.exited(3), "{brought:?}");
    assert_eq!((brought.output.as_slice(), brought.errors.as_slice()), (&b"hello\n\x00\xffx"[..], &b"no\n"[..]));
    assert_eq!(brought.granted, 3);
}

#[test]
fn a_terminal_is_one_and_changes_its_size() {
    let fixture = fixture();
    fixture.open("tty; stty size; trap 'stty size; exit 4' WINCH; echo up; while :; do sleep 0.05; done", Some(SIZE));
    let before = fixture.listen(|brought| brought.text().contains("up\r\n"));
    assert!(before.text().starts_with("/dev/pts/") && before.text().contains("\r\n33 111\r\n"), "{}", before.text());
    fixture.say(Say::Resize(Size { rows: 50, columns: 80 }));
    let after = fixture.to_the_end();
    assert!(after.exited(4) && after.text().contains("50 80\r\n"), "{after:?}");
}

#[test]
fn a_key_interrupts_the_program_on_a_terminal() {
    let fixture = fixture();
    fixture.open("trap 'exit 7' INT; echo up; while :; do sleep 0.05; done", Some(SIZE));
    fixture.listen(|brought| brought.text().contains("up"));
    fixture.say(Say::Input(vec![3]));
    assert!(fixture.to_the_end().exited(7));
}

#[test]
fn nobody_prints_ahead_of_the_reader() {
    let fixture = fixture();
    fixture.open("head -c 1000000 /dev/zero", None);
    let mut unread = 0;
    loop {
        match fixture.said.recv_timeout(Duration::from_millis(300)) {
            Ok(Message::Session(Session { say: Say::Output(octets), .. })) => unread += octets.len(),
            Err(RecvTimeoutError::Timeout) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(unread, OUTPUT_AHEAD);
    fixture.say(Say::Grant(unread as u32));
    let rest = fixture.to_the_end();
    assert!(rest.exited(0));
    assert_eq!(unread + rest.output.len(), 1_000_000);
}

#[test]
fn whoever_is_hung_up_on_goes() {
    for terminal in [None, Some(SIZE)] {
        let fixture = fixture();
        // Deaf to the first signal.
        fixture.open("trap '' HUP; echo up; while :; do sleep 0.05; done", terminal);
        let _ = fixture.said.recv_timeout(Duration::from_secs(10)).unwrap();
        fixture.say(Say::HangUp);
        let brought = fixture.to_the_end();
        assert_eq!(brought.ending, Some(Ending::Status(Status::Signalled(9))), "{terminal:?}");
    }
}

#[test]
fn input_without_leave_ends_the_session() {
    let fixture = fixture();
    fixture.open("exec sleep 60", None);
    // What a pipe holds is taken for the program.
    for _ in 0..200 {
        fixture.say(Say::Input(vec![b'x'; INPUT_AHEAD]));
    }
    // On a busy machine the program may not get to hear the first signal before the second.
    let ending = fixture.to_the_end().ending;
    assert!(matches!(ending, Some(Ending::Status(Status::Signalled(1 | 9)))), "{ending:?}");
}

#[test]
fn what_can_not_be_started_says_why() {
    let fixture = fixture();
    fixture.say(Say::Open(Opening {
        argv: vec!["/nonexistent".into()],
        env: BTreeMap::new(),
        host: None,
        terminal: Some(SIZE),
    }));
    let Some(Ending::Failed { reason }) = fixture.to_the_end().ending else { panic!("it started") };
    assert!(reason.starts_with("/nonexistent: No such file"), "{reason}");
    fixture.say(Say::Open(Opening { argv: vec![], env: BTreeMap::new(), host: None, terminal: None }));
    assert!(matches!(fixture.to_the_end().ending, Some(Ending::Failed { .. })));
}

#[test]
fn nonsense_and_words_to_nobody_do_no_harm() {
    let fixture = fixture();
    for say in [Say::Input(vec![1]), Say::Resize(SIZE), Say::Grant(9), Say::HangUp] {
        fixture.say(say);
    }
    for nonsense in [&b""[..], b"\0\0\0\x01", b"\0\0\0\x01\x09", b"\0\0\0\x01\x03abc", b"\0\0\0\x01\x01{}"] {
        fixture.programs.take(nonsense);
        let said = fixture.said.recv_timeout(Duration::from_secs(10)).unwrap();
        assert!(matches!(said, Message::Event(Event::Refused { .. })), "{said:?}");
    }
}

#[test]
fn every_word_is_read_as_it_was_said() {
    let ending = Ending::Status(Status::Signalled(9));
    let opening = Opening { argv: vec!["vtysh".into()], env: BTreeMap::new(), host: None, terminal: Some(SIZE) };
    for say in [
        Say::Open(opening),
        Say::Input(vec![1, 2]),
        Say::Resize(SIZE),
        Say::Grant(u32::MAX),
        Say::HangUp,
        Say::Output(Vec::new()),
        Say::Errors(vec![0xff]),
        Say::Ended(ending),
    ] {
        let session = Session { id: 0x0102_0304, say };
        assert_eq!(Session::read(&session.payload().unwrap()), Ok(session));
    }
}
