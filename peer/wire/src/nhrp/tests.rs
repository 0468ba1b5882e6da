//! Byte samples both ways, all their neighbours, and properties.

use super::*;

/// Octets from hex digits; everything else is punctuation.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A live Registration Reply of FRR 8.4.4.
fn frr_registration_reply() -> Vec<u8> {
    hex("0001 0800 0000000000 40 0058 e593 0034 01 04 04 00
         04 04 8002 00000001 ac110002 0a000002 0a000001
         00 ff 0000 05c4 012c 00 00 00 00
         8003 0014 00 00 0000 0000 0258 04 00 04 00 ac110001 0a000001
         8004 0000 8005 0000 8000 0000")
}

#[test]
fn a_registration_reply_of_frr_both_ways() {
    let bytes = frr_registration_reply();
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.to_vec().unwrap(), bytes);
}

#[test]
fn sizes() {
    eprintln!("{} {} {} {}", size_of::<Message>(), size_of::<Extension>(), size_of::<Cie>(), size_of::<Body>());
}
