//! Keys that others published, against the captures that they belong to.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

use super::*;
use crate::capture::{LinkType, read};

/// What was found in a capture.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    /// Packets that are protected.
    protected: usize,
    /// Those that were opened and whose inside makes sense.
    opened: usize,
    /// Those whose check value was right.
    authentic: usize,
    /// Those whose check value was wrong.
    bent: usize,
}

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("DMVPN_LAB_CAPTURES").map(PathBuf::from);
    if folder.is_none() {
        let denied = std::env::var_os("DMVPN_LAB_DENY_SKIPS").is_some_and(|value| value == "1");
        assert!(!denied, "DMVPN_LAB_CAPTURES is not set, and skips are denied");
        eprintln!("SKIP captures: DMVPN_LAB_CAPTURES is not set");
    }
    folder
}

fn tally(capture: &Path, keys: &Keys) -> Tally {
    let mut tally = Tally::default();
    let mut out = Vec::new();
    for packet in read(capture).unwrap() {
        let packet = packet.unwrap();
        let ip = match packet.linktype {
            LinkType::ETHERNET => &packet.octets[14..],
            LinkType::NULL => &packet.octets[4..],
            LinkType::RAW => &packet.octets[..],
            other => panic!("{other:?}"),
        };
        assert_eq!(ip[0] >> 4, 4);
        let address = |at: usize| IpAddr::V4(Ipv4Addr::new(ip[at], ip[at + 1], ip[at + 2], ip[at + 3]));
        let payload = &ip[usize::from(ip[0] & 15) * 4..usize::from(u16::from_be_bytes([ip[2], ip[3]]))];
        let port = |at: usize| u16::from_be_bytes([payload[at], payload[at + 1]]);
        let (esp, ike) = match ip[9] {
            50 => (Some(payload), None),
            17 if port(0) == 500 || port(2) == 500 => (None, Some(&payload[8..])),
            17 if payload[8..12] == [0; 4] => (None, Some(&payload[12..])),
            17 => (Some(&payload[8..]), None),
            _ => (None, None),
        };
        let opened = if let Some(esp) = esp {
            tally.protected += 1;
            let spi = u32::from_be_bytes(esp[..4].try_into().unwrap());
            let Some(sa) = keys.esp(address(12), address(16), spi) else { continue };
            let Ok(opened) = sa.open(esp, &mut out) else { continue };
            // Nobody but the right key makes padding that counts from one.
            assert!(out[opened.padding.clone()].iter().zip(1..).all(|(octet, place)| *octet == place), "{capture:?}");
            assert!([1, 4, 6, 17].contains(&opened.next_header.unwrap()), "{capture:?} {opened:?}");
            opened
        } else if let Some(message) = ike {
            let Some(body) = encrypted_payload(message) else { continue };
            tally.protected += 1;
            let spi = |at: usize| u64::from_be_bytes(message[at..at + 8].try_into().unwrap());
            let Some(sa) = keys.ike2(spi(0), spi(8)) else { continue };
            let Ok(opened) = sa.open(message, body, message[19] & 0x08 != 0, &mut out) else { continue };
            // The payloads inside fill the plaintext to its end.
            let mut rest = &out[opened.payload.clone()];
            while let [_, _, high, low, ..] = *rest {
                rest = &rest[usize::from(u16::from_be_bytes([high, low]))..];
            }
            assert!(rest.is_empty(), "{capture:?}");
            opened
        } else {
            continue;
        };
        tally.opened += 1;
        tally.authentic += usize::from(opened.authentic == Some(true));
        tally.bent += usize::from(opened.authentic == Some(false));
    }
    tally
}

/// Where the body of the Encrypted payload is.
fn encrypted_payload(message: &[u8]) -> Option<std::ops::Range<usize>> {
    let (mut kind, mut at) = (message[16], 28);
    while kind != 0 {
        let end = at + usize::from(u16::from_be_bytes([message[at + 2], message[at + 3]]));
        if kind == 46 {
            return Some(at + 4..end);
        }
        (kind, at) = (message[at], end);
    }
    None
}

#[test]
fn wireshark_s_captures_are_opened_with_wireshark_s_tables() {
    let Some(folder) = folder() else { return };
    let folder = folder.join("wireshark-wireshark");
    let esp = Keys::load(&folder.join("esp_sa.tmpl")).unwrap();
    let ike = Keys::load(&folder.join("ikev2_decryption_table.tmpl")).unwrap();
    for (name, keys, packets, authentic) in [
        ("esp-bug-12671.pcapng.gz", &esp, 6, 6),
        ("ikev2-decrypt-3des-sha1_160.pcap", &ike, 4, 4),
        // Its row says AES-CTR and not to look at the check value.
        ("ikev2-decrypt-aes128ccm12-2.pcap", &ike, 4, 0),
        ("ikev2-decrypt-aes128ccm12.pcap", &ike, 4, 4),
        ("ikev2-decrypt-aes256cbc.pcapng", &ike, 2, 2),
        ("ikev2-decrypt-aes256ccm16.pcapng", &ike, 2, 2),
        ("ikev2-decrypt-aes256gcm16.pcap", &ike, 4, 4),
        ("ikev2-decrypt-aes256gcm8.pcap", &ike, 4, 4),
    ] {
        let found = tally(&folder.join(name), keys);
        assert_eq!(found, Tally { protected: packets, opened: packets, authentic, bent: 0 }, "{name}");
    }
}

#[test]
fn tcpdump_s_captures_are_opened_with_tcpdump_s_files() {
    let Some(folder) = folder() else { return };
    let folder = folder.join("the-tcpdump-group-tcpdump");
    // What tcpdump's own test gives on its command line.
    let mut one = Keys::default();
    let row = b"0x12345678@192.1.2.45 3des-cbc-hmac96:0x4043434545464649494a4a4c4c4f4f515152525454575758";
    one.add("command line", row).unwrap();
    let esp = Keys::load(&folder.join("esp-secrets.txt")).unwrap();
    for (name, keys, packets) in [
        ("02-sunrise-sunset-esp.pcap", &one, 8),
        ("08-sunrise-sunset-esp2.pcap", &esp, 8),
        ("08-sunrise-sunset-aes.pcap", &esp, 8),
        ("espudp1.pcap", &one, 8),
    ] {
        // There is no key for the check value, so nobody says that it is right.
        let found = tally(&folder.join(name), keys);
        assert_eq!(found, Tally { protected: packets, opened: packets, authentic: 0, bent: 0 }, "{name}");
    }
    let ike = Keys::load(&folder.join("ikev2pI2-secrets.txt")).unwrap();
    // Its sender left the IKE header out of the check value: it is right over octets 32 to 272 of the message alone, and
    // RFC 7296 section 3.14 begins at the header.
    let found = tally(&folder.join("ikev2pI2.pcap"), &ike);
    assert_eq!(found, Tally { protected: 1, opened: 1, authentic: 0, bent: 1 });
}
