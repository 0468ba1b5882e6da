use super::*;

/// A Registration Reply of FRR 8.4.4 (88 octets) in GRE without a key, in IPv4.
fn frr_reply() -> Vec<u8> {
    let nhrp =
        hex("0001 0800 0000000000 40 0058 e593 0034 01 04 04 00 04 04 8002 00000001 ac110002 0a000002 0a000001 \
         00 ff 0000 05c4 012c 00 00 00 00 8003 0014 00 00 0000 0000 0258 04 00 04 00 ac110001 0a000001 \
         8004 0000 8005 0000 8000 0000");
    let mut packet = hex("45c00070 00010000 ff2f0000 ac110001 ac110002 0000 2001");
    packet.extend(nhrp);
    let mut view = dmvpn_wire::ipv4::Packet::new(&mut packet);
    view.fill_checksum();
    packet
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| u8::try_from(d).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn a_recorded_reply_is_read_field_by_field() {
    let packet = frr_reply();
    let read = Dissection::of_ip(&packet);
    assert_eq!(read.value("malformed"), None);
    assert_eq!(read.addr("ip.src"), Some("172.17.0.1".parse().unwrap()));
    assert_eq!(read.uint("hdr.hopcnt"), Some(64));
    assert_eq!(read.uint("hdr.chksum_ok"), Some(1));
    assert_eq!(read.uint("flags.U"), Some(1));
    assert_eq!(read.uint("flags.nat"), Some(1));
    assert_eq!(read.uint("request_id"), Some(1));
    assert_eq!(read.uint("cie[0].holding_time"), Some(300));
    assert_eq!(read.list_len("cie"), Some(1));
    assert_eq!(read.value("cie[0].nbma"), None);
    assert_eq!(read.addr("ext.responder.cie[0].nbma"), Some("172.17.0.1".parse().unwrap()));
    assert_eq!(read.uint("ext.responder.cie[0].holding_time"), Some(600));
    assert_eq!(read.value("ext.order"), Some(FieldValue::Text("3,4,5,0".into())));
    assert_eq!(read.field("ext.nat"), None);
}

#[test]
fn offsets_point_at_the_octets_of_the_field() {
    let packet = frr_reply();
    let read = Dissection::of_ip(&packet);
    let holding = read.field("cie[0].holding_time").unwrap();
    assert_eq!(packet[holding.range.clone()], [0x01, 0x2c]);
    let responder = read.field("ext.responder.cie[0].protocol").unwrap();
    assert_eq!(packet[responder.range.clone()], [10, 0, 0, 1]);
}

#[test]
fn every_path_read_is_in_the_catalogue() {
    for field in Dissection::of_ip(&frr_reply()).fields() {
        assert!(catalogue::lookup(&field.path()).is_ok(), "{}", field.path());
    }
}

#[test]
fn every_cut_is_shown_as_far_as_it_goes() {
    let packet = frr_reply();
    for len in 0..packet.len() {
        let read = Dissection::of_ip(&packet[..len]);
        assert!(read.value("malformed").is_some(), "cut at {len}");
        assert_eq!(read.addr("ip.dst").is_some(), len >= 20, "cut at {len}");
    }
}

proptest::proptest! {
    #[test]
    fn nothing_makes_it_panic(octets: Vec<u8>, at in 0usize..112, octet: u8) {
        let _ = Dissection::of_ip(&octets);
        let mut packet = frr_reply();
        packet[at] = octet;
        let _ = Dissection::of_ip(&packet);
    }
}

#[test]
fn what_a_packet_is_not_is_not_said() {
    let inner = frr_reply();
    let mut packet = [&inner[..20], &inner].concat();
    packet[3] += 20;
    packet[9] = 4;
    packet[29] = 59;
    assert!(Dissection::of_ip(&packet).summary().starts_with("IP in IP 172.17.0.1 -> 172.17.0.2"));
    assert_eq!(Dissection::of_ip(&[]).summary(), "empty packet");
    assert_eq!(Dissection::of_frame(LinkType::LINUX_SLL, &[0; 20]).summary(), "no IP packet");
}
