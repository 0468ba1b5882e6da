use proptest::prelude::*;

use super::*;

fn frame(len: usize) -> Message {
    Message::Frame { at_ns: 0x0102_0304_0506_0708, bytes: vec![0xaa; len] }
}

fn octets(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(&mut out).unwrap();
    out
}

#[test]
fn a_frame_travels_as_kind_length_stamp_and_octets() {
    let out = octets(&frame(14));
    assert_eq!(out[..13], [1, 0, 0, 0, 22, 1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(out[13..], [0xaa; 14]);
}

#[test]
fn a_request_reads_as_documented() {
    let json = r#"{"id":7,"action":{"do":"batch","actions":[{"do":"exec","argv":["ip","link"],"timeout_ms":9},{"do":"ping"}]}}"#;
    let request: Request = serde_json::from_str(json).unwrap();
    let actions =
        vec![Action::Exec { argv: vec!["ip".into(), "link".into()], stdin: None, timeout_ms: 9 }, Action::Ping {}];
    assert_eq!(request, Request { id: 7, action: Action::Batch { actions, keep_going: false } });
}

#[test]
fn a_misspelt_field_is_an_error_and_not_a_default() {
    let json = r#"{"id":7,"action":{"do":"exec","argv":["ip"],"timeout_ms":9,"stdinn":"x"}}"#;
    assert!(serde_json::from_str::<Request>(json).is_err());
}

#[test]
fn messages_come_out_whole_however_the_stream_is_cut() {
    let messages = [
        frame(60),
        Message::Request(Request { id: 1, action: Action::Ping {} }),
        Message::Event(Event::Exited { name: "nhrpd".into(), status: Status::Signalled(11) }),
        Message::Response(Response { id: 1, outcome: Outcome::Pong { monotonic_ns: 5 } }),
        Message::Credit(4096),
        frame(MAX_FRAME),
    ];
    let stream: Vec<u8> = messages.iter().flat_map(octets).collect();
    for step in [1, 2, 3, 7, 4096, stream.len()] {
        let mut decoder = Decoder::new();
        let mut read = Vec::new();
        for piece in stream.chunks(step) {
            decoder.push(piece);
            while let Some(envelope) = decoder.next_envelope().unwrap() {
                read.push(Message::try_from(envelope).unwrap());
            }
        }
        assert_eq!(read, messages, "cut every {step} octets");
        assert!(decoder.is_between_messages());
    }
}

#[test]
fn a_stream_out_of_step_fails_at_once_and_for_good() {
    let cases: [(&[u8], ProtocolError); 6] = [
        (&[0], ProtocolError::UnknownKind(0)),
        (b"dmesg", ProtocolError::UnknownKind(b'd')),
        (&[1, 0, 1, 0, 9], ProtocolError::TooLong { kind: Kind::Frame, len: 65545 }),
        (&[3, 0xff, 0xff, 0xff, 0xff], ProtocolError::TooLong { kind: Kind::Response, len: 0xffff_ffff }),
        (&[5, 0, 0, 0, 5], ProtocolError::TooLong { kind: Kind::Credit, len: 5 }),
        (&[1, 0, 0, 0, 21], ProtocolError::ShortFrame(21)),
    ];
    for (stream, error) in cases {
        let mut decoder = Decoder::new();
        decoder.push(stream);
        assert_eq!(decoder.next_envelope(), Err(error.clone()));
        decoder.push(&octets(&frame(60)));
        assert_eq!(decoder.next_envelope(), Err(error));
    }
}

#[test]
fn a_message_cut_short_is_not_a_message() {
    let whole = octets(&frame(60));
    for len in 0..whole.len() {
        let mut decoder = Decoder::new();
        decoder.push(&whole[..len]);
        assert_eq!(decoder.next_envelope(), Ok(None));
        assert_eq!(decoder.is_between_messages(), len == 0);
    }
}

#[test]
fn what_is_too_long_is_not_sent() {
    let mut out = vec![9];
    let long = Message::Event(Event::Console { line: "x".repeat(MAX_JSON) });
    assert!(matches!(long.encode(&mut out), Err(ProtocolError::TooLong { kind: Kind::Event, .. })));
    assert!(matches!(frame(MAX_FRAME + 1).encode(&mut out), Err(ProtocolError::TooLong { kind: Kind::Frame, .. })));
    assert_eq!(out, [9]);
}

#[test]
fn an_outcome_says_whether_it_is_a_failure() {
    let reply = |status| VtyReply { command: "c".into(), output: String::new(), status };
    let exec = |status, overrun| Outcome::Exec {
        status,
        overrun,
        stdout: String::new(),
        stderr: String::new(),
        truncated: false,
    };
    assert!(!exec(Status::Exited(0), false).failed());
    assert!(exec(Status::Exited(1), false).failed());
    assert!(exec(Status::Signalled(9), true).failed());
    assert!(!Outcome::Vty { replies: vec![reply(0), reply(1)] }.failed());
    assert!(Outcome::Vty { replies: vec![reply(0), reply(2)] }.failed());
    let inner = Outcome::Batch { outcomes: vec![Outcome::Done {}, Outcome::Failed { reason: "x".into() }] };
    assert!(Outcome::Batch { outcomes: vec![inner] }.failed());
}

proptest! {
    #[test]
    fn no_octets_make_the_decoder_panic(pieces in proptest::collection::vec(any::<Vec<u8>>(), 0..8)) {
        let mut decoder = Decoder::new();
        for piece in pieces {
            decoder.push(&piece);
            while let Ok(Some(envelope)) = decoder.next_envelope() {
                let _ = Message::try_from(envelope);
            }
        }
    }

    #[test]
    fn no_change_of_one_octet_makes_the_decoder_panic(at in 0usize..100, octet: u8) {
        let mut stream = octets(&Message::Request(Request { id: 3, action: Action::Remove { paths: vec!["/x".into()] } }));
        let at = at % stream.len();
        stream[at] = octet;
        let mut decoder = Decoder::new();
        decoder.push(&stream);
        if let Ok(Some(envelope)) = decoder.next_envelope() {
            let _ = Message::try_from(envelope);
        }
    }
}
