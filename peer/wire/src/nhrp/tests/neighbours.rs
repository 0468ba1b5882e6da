//! Whatever is one step away from a legal message: nothing panics, and what is cut says where.

use super::{hex, samples};
use crate::ErrorKind;
use crate::nhrp::{Message, Packet, pretty};

/// Puts `bytes` through everything that reads, and what parses through everything that writes.
pub(super) fn survive(bytes: &[u8]) {
    let packet = Packet::new(bytes);
    let _ = (packet.layout(), packet.mandatory_range(), packet.verify_checksum(), packet.quoted());
    // Iterators come to an end, and after an error nothing follows.
    let limit = bytes.len() + 2;
    let mut extensions = packet.extensions();
    let steps =
        extensions.by_ref().take(limit).inspect(|item| assert_in(bytes, item.as_ref().ok().map(|e| e.offset())));
    assert!(steps.count() < limit);
    assert!(extensions.next().is_none());
    let mut cies = packet.cies();
    assert!(
        cies.by_ref().take(limit).inspect(|item| assert_in(bytes, item.as_ref().ok().map(|c| c.offset()))).count()
            < limit
    );
    for cie in packet.extensions().flatten().flat_map(|extension| extension.cies()).flatten() {
        let _ = (cie.nbma(), cie.nbma_sub_octets(), cie.proto(), cie.code(), cie.as_bytes());
    }
    assert!(!pretty::summary(bytes).to_string().is_empty());
    assert!(!pretty::details(bytes).to_string().is_empty());
    match Message::parse(bytes) {
        Ok(message) => {
            let emitted = message.to_vec().expect("what was parsed can be emitted");
            assert_eq!(Message::parse(&emitted), Ok(message), "from {bytes:02x?}");
        }
        Err(error) => {
            assert!(error.offset <= bytes.len(), "{error} in {} octets", bytes.len());
            assert!(!error.to_string().contains('\n'));
        }
    }
    // Setters never write outside of what is there.
    let mut copy = bytes.to_vec();
    let mut packet = Packet::new(&mut copy);
    packet.decrement_hop_count();
    packet.set_packet_size(0xffff);
    packet.set_request_id(1);
    packet.fill_checksum();
}

fn assert_in(bytes: &[u8], offset: Option<usize>) {
    assert!(offset.is_none_or(|offset| offset < bytes.len()));
}

/// The same once more with a right checksum, so that the checks behind it get to see the change.
fn survive_both(mut bytes: Vec<u8>) {
    survive(&bytes);
    Packet::new(&mut bytes).fill_checksum();
    survive(&bytes);
}

#[test]
fn cut_at_every_octet() {
    for sample in samples() {
        for len in 0..sample.len() {
            let cut = &sample[..len];
            survive(cut);
            let error = Message::parse(cut).unwrap_err();
            assert_eq!((error.kind, error.offset + error.had), (ErrorKind::Truncated, len), "{error}");

            // Cut by a sender that says so: the size fits, and so does the checksum.
            let mut shorter = cut.to_vec();
            Packet::new(&mut shorter).set_packet_size(len as u16);
            survive_both(shorter);
        }
    }
}

#[test]
fn every_octet_off_by_one() {
    // Every octet is more than every length field, and costs no list of them.
    for sample in samples() {
        for at in 0..sample.len() {
            for step in [1, 0xff] {
                let mut neighbour = sample.clone();
                neighbour[at] = neighbour[at].wrapping_add(step);
                survive_both(neighbour);
            }
        }
    }
}

#[test]
fn every_bit_flipped() {
    for sample in samples() {
        for bit in 0..sample.len() * 8 {
            let mut neighbour = sample.clone();
            neighbour[bit / 8] ^= 1 << (bit % 8);
            // One flipped bit never keeps the sum.
            if ![10, 11].contains(&(bit / 8)) {
                assert!(Message::parse(&neighbour).is_err(), "bit {bit}");
            }
            survive_both(neighbour);
        }
    }
}

#[test]
fn every_octet_at_its_extremes() {
    for sample in samples() {
        for at in 0..sample.len() {
            for octet in [0, 0x3f, 0x7f, 0x80, 0xff] {
                let mut neighbour = sample.clone();
                neighbour[at] = octet;
                survive_both(neighbour);
            }
        }
    }
}

#[test]
fn a_view_goes_as_far_as_the_octets() {
    let sample = &samples()[1];
    // Cut inside the NAT address extension: three whole extensions, then one error at the fourth's value.
    let packet = Packet::new(&sample[..75]);
    let items: Vec<_> = packet.extensions().collect();
    assert_eq!(items.len(), 4);
    assert!(items[..3].iter().all(Result::is_ok));
    let error = *items[3].as_ref().unwrap_err();
    assert_eq!((error.kind, error.offset, error.needed, error.had), (ErrorKind::Truncated, 68, 20, 7));
    // Cut inside the client entry.
    let packet = Packet::new(&sample[..45]);
    let items: Vec<_> = packet.cies().collect();
    let error = *items[0].as_ref().unwrap_err();
    assert_eq!((items.len(), error.offset, error.needed, error.had), (1, 40, 12, 5));
    // Cut before the extensions begin.
    let items: Vec<_> = packet.extensions().collect();
    assert_eq!(items.len(), 1);
    assert_eq!(items[0].as_ref().unwrap_err().kind, ErrorKind::Truncated);
}

#[test]
fn what_follows_end_is_not_read() {
    let mut bytes = samples()[0].clone();
    bytes.extend(hex("1234 ffff"));
    let mut packet = Packet::new(&mut bytes);
    packet.set_packet_size(92);
    packet.fill_checksum();
    assert_eq!(Packet::new(&bytes).extensions().count(), 4);
    assert_eq!(Message::parse(&bytes).map(|message| message.extensions.len()), Ok(3));
}
