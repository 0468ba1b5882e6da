use super::*;

#[test]
fn a_request_of_any_length_goes_out_in_steps_that_the_guest_has_read() {
    let (mut line, mut guest) = UnixStream::pair().unwrap();
    let window = Arc::new(Window::open(WINDOW));
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
