use proptest::prelude::*;

use super::*;

fn any_repr() -> impl Strategy<Value = Repr> {
    let addresses = (any::<Ipv4Addr>(), any::<Ipv4Addr>());
    (addresses, any::<(u8, u8, u8, u16, bool, bool)>(), 0..=FRAGMENT_OFFSET).prop_map(
        |((src, dst), (protocol, tos, ttl, id, dont_fragment, more_fragments), fragment_offset)| Repr {
            src,
            dst,
            protocol: IpProtocol(protocol),
            tos,
            ttl,
            id,
            dont_fragment,
            more_fragments,
            fragment_offset,
        },
    )
}

#[test]
fn options_are_stepped_over() {
    let mut packet =
        vec![0x46, 0, 0, 26, 0, 0, 0x40, 0, 64, 47, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 1, 1, 1, 0, 0xaa, 0xbb];
    Packet::new(&mut packet).fill_checksum();
    let (repr, payload) = Repr::parse(&packet).unwrap();
    assert_eq!((repr.protocol, repr.dont_fragment, payload), (IpProtocol::GRE, true, &[0xaa, 0xbb][..]));
    assert_eq!(Packet::new(&packet).payload(), Some(payload));
}

#[test]
fn a_cut_packet_still_shows_its_addresses() {
    // 28 octets of a packet of 84, as a Traffic Indication quotes them.
    let octets = [
        0x45, 0x00, 0x00, 0x54, 0x00, 0x07, 0x40, 0x00, 0x40, 0x01, 0x26, 0x9e, 0x0a, 0x00, 0x00, 0x03, 0x0a, 0x00,
        0x00, 0x02, 0x08, 0x00, 0xf7, 0xff, 0x00, 0x01, 0x00, 0x01,
    ];
    let error = Repr::parse(&octets).unwrap_err();
    assert_eq!((error.kind, error.needed, error.had), (ErrorKind::Truncated, 84, 28));
    let view = Packet::new(&octets);
    assert_eq!(view.src(), Some(Ipv4Addr::new(10, 0, 0, 3)));
    assert_eq!(view.dst(), Some(Ipv4Addr::new(10, 0, 0, 2)));
    assert_eq!(view.verify_checksum(), Some(true));
    assert_eq!(view.payload().map(<[u8]>::len), Some(8));
}

#[test]
fn each_wrong_field_is_named() {
    let mut good = [0; 20];
    Repr::new([192, 0, 2, 1].into(), [192, 0, 2, 2].into(), IpProtocol::GRE).emit(0, &mut good).unwrap();
    let kind = |at: usize, octet: u8, refill: bool| {
        let mut bad = good;
        bad[at] = octet;
        if refill {
            Packet::new(&mut bad).fill_checksum();
        }
        let error = Repr::parse(&bad).unwrap_err();
        (error.kind, error.offset)
    };
    assert_eq!(kind(0, 0x65, false), (ErrorKind::BadVersion, 0));
    assert_eq!(kind(0, 0x44, false), (ErrorKind::BadLength, 0));
    assert_eq!(kind(0, 0x46, false), (ErrorKind::Truncated, 0));
    assert_eq!(kind(8, 1, false), (ErrorKind::BadChecksum, 10));
    assert_eq!(kind(3, 19, true), (ErrorKind::BadLength, 2));
    assert_eq!(kind(3, 21, true), (ErrorKind::Truncated, 0));
}

#[test]
fn a_payload_that_no_length_field_holds_is_refused() {
    let repr = Repr::new([0; 4].into(), [0; 4].into(), IpProtocol::GRE);
    assert_eq!(repr.emit(65516, &mut [0; 20]).unwrap_err().kind, ErrorKind::BadLength);
    assert_eq!(repr.emit(65515, &mut [0; 20]), Ok(20));
    assert_eq!(repr.emit(0, &mut [0; 19]).unwrap_err().kind, ErrorKind::NoRoom);
}

proptest! {
    #[test]
    fn parse_reads_what_emit_wrote(repr in any_repr(), payload in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut packet = vec![0xee; HEADER_LEN];
        packet.extend(&payload);
        repr.emit(payload.len(), &mut packet).unwrap();
        // Padding of a short Ethernet frame.
        packet.extend([0; 6]);
        prop_assert_eq!(Repr::parse(&packet), Ok((repr, &payload[..])));
    }

    #[test]
    fn no_octets_make_it_panic(mut packet in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = Repr::parse(&packet);
        let mut view = Packet::new(&mut packet);
        let _ = (view.payload().map(<[u8]>::len), view.verify_checksum(), view.header_len());
        view.fill_checksum();
        view.set_ttl(1);
    }
}
