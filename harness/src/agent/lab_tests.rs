use super::*;

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

#[test]
fn nothing_is_written_before_hello_and_no_more_than_the_window_after() {
    let window = Window::default();
    assert!(!window.wait_open(Instant::now()));
    assert_eq!(window.take(10, Instant::now()), None);
    window.grant(WINDOW);
    assert!(window.wait_open(Instant::now()));
    assert_eq!(window.take(48, soon()), Some(48));
    assert_eq!(window.take(1 << 20, soon()), Some(WINDOW - 48));
    assert_eq!(window.take(1, Instant::now()), None);
    window.grant(7);
    assert_eq!(window.take(10, soon()), Some(7));
}

#[test]
fn credit_that_was_never_used_does_not_widen_the_window() {
    let window = Window::default();
    window.grant(WINDOW);
    window.grant(usize::MAX);
    assert_eq!(window.take(usize::MAX, soon()), Some(WINDOW));
}

#[test]
fn whoever_waits_learns_at_once_that_the_guest_is_gone() {
    let window = Arc::new(Window::default());
    let waiting = thread::spawn({
        let window = Arc::clone(&window);
        move || (window.wait_open(soon()), window.take(1, soon()))
    });
    let begun = Instant::now();
    thread::sleep(Duration::from_millis(10));
    window.close();
    assert_eq!(waiting.join().unwrap(), (false, None));
    assert!(begun.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_request_of_any_length_goes_out_in_steps_that_the_guest_has_read() {
    let (mut line, mut guest) = UnixStream::pair().unwrap();
    let window = Arc::new(Window::default());
    window.grant(WINDOW);
    let reader = thread::spawn({
        let window = Arc::clone(&window);
        move || {
            let mut octets = [0; 4 * WINDOW];
            let (mut all, mut most) = (0, 0);
            while let Ok(len @ 1..) = guest.read(&mut octets) {
                (all, most) = (all + len, most.max(len));
                window.grant(len);
            }
            (all, most)
        }
    });
    let envelope = Envelope { kind: Kind::Request, payload: vec![b'x'; 100_000] };
    write_request(&mut line, &window, &envelope).unwrap();
    drop(line);
    let (all, most) = reader.join().unwrap();
    assert_eq!(all, 100_005);
    assert!(most <= WINDOW, "{most} octets at once");
}
