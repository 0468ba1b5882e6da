use proptest::prelude::*;

use super::*;

fn parse_both_ways(bytes: &[u8]) -> Repr {
    let (repr, payload) = Repr::parse(bytes).unwrap();
    let mut out = bytes.to_vec();
    out[..bytes.len() - payload.len()].fill(0xee);
    let len = repr.emit(payload.len(), &mut out).unwrap();
    assert_eq!(len, repr.emitted_len());
    assert_eq!(out, bytes);
    repr
}

#[test]
fn the_headers_of_dmvpn_both_ways() {
    assert_eq!(parse_both_ways(&[0, 0, 0x20, 0x01]), Repr::new(EtherType::NHRP, None));
    assert_eq!(parse_both_ways(&[0x20, 0, 0x20, 0x01, 0, 0, 0x03, 0xe8]), Repr::new(EtherType::NHRP, Some(1000)));
    assert_eq!(parse_both_ways(&[0x20, 0, 0x08, 0, 0, 0, 0, 0, 0x45]).key, Some(0));
}

#[test]
fn no_key_and_key_zero_differ() {
    assert_ne!(Repr::new(EtherType::IPV4, None), Repr::new(EtherType::IPV4, Some(0)));
}

#[test]
fn a_checksum_covers_the_payload() {
    let repr = Repr { protocol: EtherType::IPV4, checksum: true, key: Some(7), sequence: Some(9) };
    let mut packet = [0; 19];
    packet[16..].copy_from_slice(&[1, 2, 3]);
    assert_eq!(repr.emit(3, &mut packet), Ok(16));
    assert_eq!(parse_both_ways(&packet), repr);
    assert_eq!(Packet::new(&packet).verify_checksum(), Some(true));

    packet[18] ^= 1;
    let error = Repr::parse(&packet).unwrap_err();
    assert_eq!((error.kind, error.offset), (ErrorKind::BadChecksum, 4));
    let mut view = Packet::new(&mut packet);
    assert_eq!(view.verify_checksum(), Some(false));
    view.fill_checksum();
    assert_eq!(view.checksum().map(usize::from), Some(error.needed));
}

#[test]
fn each_first_octet_pair_is_kept_or_discarded_as_the_rfcs_say() {
    for word in 0..=u16::MAX {
        let mut packet = [0; 16];
        packet[..2].copy_from_slice(&word.to_be_bytes());
        // Room for every option, and a checksum that is right where there is one.
        Packet::new(&mut packet).fill_checksum();
        let expected = if word & 0x0007 != 0 {
            Err(ErrorKind::BadVersion)
        } else if word & 0x4000 != 0 {
            Err(ErrorKind::RoutingPresent)
        } else if word & 0x0c00 != 0 {
            Err(ErrorKind::ReservedBits)
        } else {
            Ok(())
        };
        assert_eq!(Repr::parse(&packet).map(drop).map_err(|error| error.kind), expected, "word {word:04x}");
    }
}

#[test]
fn a_cut_header_says_where() {
    let packet = [0x30, 0, 0x20, 0x01, 0, 0, 0, 42, 0, 0, 0, 1];
    for len in 0..packet.len() {
        let error = Repr::parse(&packet[..len]).unwrap_err();
        assert_eq!((error.kind, error.offset + error.had), (ErrorKind::Truncated, len));
    }
    assert_eq!(Packet::new(&packet[..10]).key(), Some(42));
    assert_eq!(Packet::new(&packet[..10]).sequence(), None);
    assert_eq!(Packet::new(&packet[..10]).payload(), None);
}

#[test]
fn emit_wants_room_for_header_and_payload() {
    let error = Repr::new(EtherType::NHRP, Some(1)).emit(4, &mut [0; 11]).unwrap_err();
    assert_eq!((error.kind, error.needed, error.had), (ErrorKind::NoRoom, 12, 11));
}

proptest! {
    #[test]
    fn parse_reads_what_emit_wrote(
        protocol: u16, checksum: bool, key: Option<u32>, sequence: Option<u32>,
        payload in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let repr = Repr { protocol: EtherType(protocol), checksum, key, sequence };
        let mut packet = vec![0xee; repr.emitted_len()];
        packet.extend(&payload);
        repr.emit(payload.len(), &mut packet).unwrap();
        prop_assert_eq!(Repr::parse(&packet), Ok((repr, &payload[..])));
        let view = Packet::new(&packet);
        prop_assert_eq!((view.key(), view.sequence(), view.payload()), (key, sequence, Some(&payload[..])));
    }

    #[test]
    fn no_octets_make_it_panic(mut packet in proptest::collection::vec(any::<u8>(), 0..32)) {
        let _ = Repr::parse(&packet);
        let mut view = Packet::new(&mut packet);
        let _ = (view.version(), view.protocol(), view.header_len(), view.verify_checksum());
        let _ = (view.key(), view.sequence(), view.payload().map(<[u8]>::len));
        view.set_key(1);
        view.fill_checksum();
    }
}
