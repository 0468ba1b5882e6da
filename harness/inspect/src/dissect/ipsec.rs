//! UDP and ESP: what can be read of protected traffic without a key.
//!
//! IKE is UDP port 500, and port 4500 behind four octets of nought; anything else on port 4500 is ESP in UDP, or the
//! single octet that keeps a translator's entry alive (RFC 3948 section 2).

use std::ops::Range;

use super::Place;
use super::read::Reader;

const UDP_HEADER: u64 = 8;
const ESP_HEADER: usize = 8;

impl Reader<'_> {
    /// A UDP datagram.
    pub(super) fn udp(&mut self, at: Place<'_>) {
        let octets = at.octets;
        let (Some(src), Some(dst)) = (number(octets, 0..2), number(octets, 2..4)) else {
            return self.wrong(format_args!("the UDP header is cut"));
        };
        self.uint("udp.src", Some(src), 0..2);
        self.uint("udp.dst", Some(dst), 2..4);
        if !at.tunnelled {
            self.headline(format_args!("UDP {src} -> {dst}"));
        }
        let Some(length) = number(octets, 4..6) else {
            return self.wrong(format_args!("the UDP header is cut"));
        };
        self.uint("udp.length", Some(length), 4..6);
        self.uint("udp.checksum", number(octets, 6..8), 6..8);
        if length < UDP_HEADER || length > octets.len() as u64 {
            self.wrong(format_args!("UDP length {length}, but {} octets are there", octets.len()));
        }
    }

    /// An ESP packet: what is in front of the cipher.
    pub(super) fn esp(&mut self, at: Place<'_>) {
        let octets = at.octets;
        let (spi, seq) = (number(octets, 0..4), number(octets, 4..8));
        self.uint("esp.spi", spi, 0..4);
        self.uint("esp.seq", seq, 4..8);
        let (Some(spi), Some(seq)) = (spi, seq) else {
            self.headline(format_args!("ESP"));
            return self.wrong(format_args!("the ESP header is cut"));
        };
        let length = octets.len() - ESP_HEADER;
        self.count("esp.length", length);
        if !at.tunnelled {
            self.headline(format_args!("ESP SPI {spi:#010x} seq {seq}, {length} octets"));
        }
    }
}

/// The number in these octets, most significant first; nothing if one of them is missing.
fn number(octets: &[u8], range: Range<usize>) -> Option<u64> {
    Some(octets.get(range)?.iter().fold(0, |number, octet| number << 8 | u64::from(*octet)))
}

#[cfg(test)]
mod tests {
    use crate::dissect::{Dissection, FieldValue, catalogue};

    fn ip(protocol: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(20 + payload.len()).unwrap();
        let mut packet = vec![0x45, 0, 0, length, 0, 1, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 11, 192, 0, 2, 1];
        packet.extend(payload);
        dmvpn_wire::ipv4::Packet::new(&mut packet).fill_checksum();
        packet
    }

    fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(8 + payload.len()).unwrap();
        let words = [port, port, length, 0].map(u16::to_be_bytes);
        ip(17, &[&words.concat(), payload].concat())
    }

    /// A CREATE_CHILD_SA request of the initiator, id 2, with an empty SK payload.
    fn ike() -> Vec<u8> {
        let mut message: Vec<u8> = (1..=16).collect();
        message.extend([46, 0x20, 36, 0x08, 0, 0, 0, 2, 0, 0, 0, 32, 0, 0, 0, 4]);
        message
    }

    #[test]
    fn ike_is_read_on_both_ports_with_offsets() {
        let marked = [&[0; 4][..], &ike()].concat();
        for (packet, start) in [(udp(500, &ike()), 28), (udp(4500, &marked), 32)] {
            let read = Dissection::of_ip(&packet);
            assert_eq!(read.value("malformed"), None);
            assert!(read.is_ike() && !read.is_esp());
            assert_eq!(read.uint("ike.initiator_spi"), Some(0x0102_0304_0506_0708));
            assert_eq!(read.uint("ike.responder_spi"), Some(0x090A_0B0C_0D0E_0F10));
            assert_eq!(read.uint("ike.next_payload"), Some(46));
            assert_eq!(read.uint("ike.version"), Some(0x20));
            assert_eq!(read.uint("ike.exchange"), Some(36));
            assert_eq!(read.uint("ike.flags"), Some(8));
            assert_eq!([read.uint("ike.flags.I"), read.uint("ike.flags.R")], [Some(1), Some(0)]);
            assert_eq!(read.uint("ike.msg_id"), Some(2));
            assert_eq!(read.uint("ike.length"), Some(32));
            assert_eq!(read.field("ike.msg_id").unwrap().range, start + 20..start + 24);
            assert_eq!(read.summary(), "IKEv2 CREATE_CHILD_SA request 2: SK, 32 octets");
        }
    }

    #[test]
    fn esp_is_read_with_and_without_udp() {
        let esp = [0xC1, 0, 0, 2, 0, 0, 0, 7, 1, 2, 3, 4, 5];
        for (packet, start) in [(ip(50, &esp), 20), (udp(4500, &esp), 28)] {
            let read = Dissection::of_ip(&packet);
            assert_eq!(read.value("malformed"), None);
            assert!(read.is_esp() && !read.is_ike() && !read.is_gre());
            assert_eq!(read.uint("esp.spi"), Some(0xC100_0002));
            assert_eq!(read.uint("esp.seq"), Some(7));
            assert_eq!(read.uint("esp.length"), Some(5));
            assert_eq!(read.field("esp.seq").unwrap().range, start + 4..start + 8);
            assert_eq!(read.summary(), "ESP SPI 0xc1000002 seq 7, 5 octets");
        }
    }

    #[test]
    fn neighbours_on_the_same_ports_are_told_apart() {
        let keepalive = Dissection::of_ip(&udp(4500, &[0xFF]));
        assert_eq!((keepalive.is_esp(), keepalive.value("malformed")), (false, None));
        assert_eq!(keepalive.summary(), "NAT keepalive");
        let dns = Dissection::of_ip(&udp(53, &[0; 12]));
        assert_eq!((dns.is_ike(), dns.uint("udp.dst"), dns.summary()), (false, Some(53), "UDP 53 -> 53"));
        for port in [500, 4500] {
            let empty = Dissection::of_ip(&udp(port, &[]));
            assert_eq!((empty.stack().as_str(), empty.value("malformed")), ("ip:udp", None));
        }
    }

    #[test]
    fn lengths_that_lie_are_said() {
        let mut short = ike();
        short[27] = 33;
        let read = Dissection::of_ip(&udp(500, &short));
        let said = FieldValue::Text("IKE length 33, but 32 octets are there".to_owned());
        assert_eq!(read.value("malformed"), Some(said));
        let mut packet = udp(500, &ike());
        packet[24..26].copy_from_slice(&[0xFF, 0xFF]);
        assert!(Dissection::of_ip(&packet).value("malformed").is_some());
    }

    #[test]
    fn every_cut_is_shown_as_far_as_it_goes_by_names_of_the_catalogue() {
        let esp = ip(50, &[0xC1, 0, 0, 2, 0, 0, 0, 7, 1, 2, 3, 4, 5]);
        for whole in [udp(500, &ike()), udp(4500, &[&[0; 4][..], &ike()].concat()), esp] {
            for len in 20..whole.len() {
                let mut cut = whole[..len].to_vec();
                cut[2..4].copy_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
                for field in Dissection::of_ip(&cut).fields() {
                    assert!(catalogue::lookup(&field.path()).is_ok(), "{}", field.path());
                    assert!(field.range.end <= len, "{} of {len}", field.path());
                }
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_panic(payload in proptest::collection::vec(proptest::num::u8::ANY, 0..80), udp in proptest::bool::ANY) {
            let _ = Dissection::of_ip(&ip(if udp { 17 } else { 50 }, &payload));
            let _ = Dissection::of_ip(&super::tests::udp(500, &payload));
            let _ = Dissection::of_ip(&super::tests::udp(4500, &payload));
        }
    }
}
