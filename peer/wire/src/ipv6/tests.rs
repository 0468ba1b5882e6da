use proptest::prelude::*;

use super::*;

#[test]
fn each_wrong_field_is_named() {
    let repr = Repr::new(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST, IpProtocol::GRE);
    let mut packet = [0; 42];
    repr.emit(2, &mut packet).unwrap();
    for len in 0..packet.len() {
        let error = Repr::parse(&packet[..len]).unwrap_err();
        assert_eq!((error.kind, error.offset + error.had), (ErrorKind::Truncated, len));
    }
    packet[0] = 0x45;
    assert_eq!(Repr::parse(&packet).unwrap_err().kind, ErrorKind::BadVersion);
    assert_eq!(repr.emit(0x10000, &mut packet).unwrap_err().kind, ErrorKind::BadLength);
    assert_eq!(repr.emit(0, &mut [0; 39]).unwrap_err().kind, ErrorKind::NoRoom);
}

proptest! {
    #[test]
    fn parse_reads_what_emit_wrote(
        src: Ipv6Addr, dst: Ipv6Addr, next: u8, hop_limit: u8, traffic_class: u8, flow_label in 0..=FLOW_LABEL,
        payload in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let repr = Repr { src, dst, next_header: IpProtocol(next), hop_limit, traffic_class, flow_label };
        let mut packet = vec![0xee; HEADER_LEN];
        packet.extend(&payload);
        repr.emit(payload.len(), &mut packet).unwrap();
        packet.extend([0; 3]);
        prop_assert_eq!(Repr::parse(&packet), Ok((repr, &payload[..])));
        let view = Packet::new(&packet);
        prop_assert_eq!(view.traffic_class(), Some(traffic_class));
        prop_assert_eq!((view.src(), view.dst(), view.payload()), (Some(src), Some(dst), Some(&payload[..])));
    }

    #[test]
    fn no_octets_make_it_panic(packet in proptest::collection::vec(any::<u8>(), 0..80)) {
        let _ = Repr::parse(&packet);
        let view = Packet::new(&packet);
        let _ = (view.version(), view.flow_label(), view.payload().map(<[u8]>::len));
    }
}
