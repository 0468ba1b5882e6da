//! Tables: what is read from them, for which packets, and what is said of a wrong one.

use std::net::IpAddr;

use super::*;

const KEY: &str = "0x000102030405060708090a0b0c0d0e0f";
const SECRET: &str = "00112233445566778899";

fn esp_row(source: &str, destination: &str, spi: &str) -> String {
    format!("\"IPv4\",\"{source}\",\"{destination}\",\"{spi}\",\"AES-CBC [RFC3602]\",\"{KEY}\",\"NULL\",\"\"\n")
}

fn of(text: &str) -> Keys {
    let mut keys = Keys::default();
    keys.add("table", text.as_bytes()).unwrap();
    keys
}

fn error_of(text: &str) -> KeysError {
    Keys::default().add("table", text.as_bytes()).unwrap_err()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn the_first_row_that_takes_a_packet_in_is_taken() {
    let text = [
        "# a comment\n\n".to_owned(),
        esp_row("192.0.2.1", "192.0.2.11", "0x1"),
        esp_row("*", "192.0.2.*", "0x2*"),
        esp_row("*", "192.0.2.11", "0x20000001"),
        esp_row("*", "*", "*"),
    ]
    .concat();
    let keys = of(&text);
    let row = |source, destination, spi| {
        let sa = keys.esp(address(source), address(destination), spi)?;
        keys.esp.iter().position(|row| std::ptr::eq(&row.sa, sa))
    };
    assert_eq!(row("192.0.2.1", "192.0.2.11", 1), Some(0));
    assert_eq!(row("192.0.2.2", "192.0.2.11", 1), Some(3), "another source");
    assert_eq!(row("10.0.0.1", "192.0.2.11", 0x2000_0001), Some(1), "a pattern that stands before the SPI itself");
    assert_eq!(row("10.0.0.1", "10.0.0.2", 0x2000_0001), Some(3));
    assert_eq!(row("::1", "::2", 1), None, "the rows are for IPv4");
    assert!(of("").is_empty() && !keys.is_empty());
}

#[test]
fn ikev2_keys_are_found_by_both_spis_and_halves_come_together() {
    let table = format!(
        "0011223344556677,8899AABBCCDDEEFF,{0},{0},\"AES-CBC-128 [RFC3602]\",{0},{0},\"HMAC_MD5_96\"\n",
        &KEY[2..]
    );
    let keys = of(&table);
    assert!(keys.ike2(0x0011_2233_4455_6677, 0x8899_aabb_ccdd_eeff).is_some());
    assert!(keys.ike2(0x0011_2233_4455_6677, 0).is_none());

    let initiator = format!("ikev2 I 0x1 0x2 sha1:{KEY} aes128:{KEY}\n");
    let keys = of(&initiator);
    let sa = keys.ike2(1, 2).unwrap();
    assert_eq!(sa.open(&[0; 80], 32..80, false, &mut Vec::new()), Err(OpenError::NoKeys("responder")));
    let keys = of(&(initiator.clone() + &initiator.replace(" I ", " R ")));
    let sa = keys.ike2(1, 2).unwrap();
    assert!(sa.initiator.is_some() && sa.responder.is_some());
}

#[test]
fn every_name_of_wireshark_for_what_is_read_here_is_known() {
    let key = |octets: usize| format!("0x{}", "5a".repeat(octets));
    for (name, octets) in [
        ("NULL", 0),
        ("DES-CBC [RFC2405]", 8),
        ("TripleDES-CBC [RFC2451]", 24),
        ("AES-CBC [RFC3602]", 32),
        ("AES-CTR [RFC3686]", 20),
        ("AES-GCM [RFC4106]", 36),
        ("AES-GCM with 8 octet ICV [RFC4106]", 20),
        ("AES-GCM with 12 octet ICV [RFC4106]", 28),
        ("AES-GCM with 16 octet ICV [RFC4106]", 36),
        ("AES-GCM with IIV and 16 octet ICV [RFC4106 & RFC8750]", 20),
        ("ChaCha20 with Poly1305 [RFC7634]", 36),
        ("ChaCha20 with Poly1305 and IIV [RFC7634 & RFC8750]", 36),
        ("AES-CCM with 8 octet ICV [RFC4309]", 19),
    ] {
        let row = |octets| format!("\"IPv4\",\"*\",\"*\",\"*\",\"{name}\",\"{}\",\"NULL\",\"\"", key(octets));
        let keys = of(&row(octets));
        assert_eq!(keys.esp.len(), 1, "{name}");
        if octets > 0 {
            let error = error_of(&row(octets + 1));
            assert!(error.problem.contains(&format!("found {}", octets + 1)), "{error}");
        }
    }
    for (name, octets) in [
        ("HMAC-SHA-1-96 [RFC2404]", 20),
        ("HMAC-SHA-256-96 [draft-ietf-ipsec-ciph-sha-256-00]", 32),
        ("HMAC-SHA-256-128 [RFC4868]", 32),
        ("HMAC-SHA-384-192 [RFC4868]", 48),
        ("HMAC-SHA-512-256 [RFC4868]", 64),
        ("HMAC-MD5-96 [RFC2403]", 16),
        ("MAC-RIPEMD-160-96 [RFC2857]", 20),
        ("ANY 64 bit authentication [no checking]", 0),
        ("ANY 256 bit authentication [no checking]", 0),
        ("AES-XCBC-MAC-96 [RFC3566]", 16),
    ] {
        of(&format!("\"Any\",\"*\",\"*\",\"*\",\"NULL\",\"\",\"{name}\",\"{}\"", key(octets)));
    }
    for (name, octets) in [
        ("3DES [RFC2451]", 24),
        ("AES-CBC-192 [RFC3602]", 24),
        ("NULL [RFC2410]", 0),
        ("AES-CTR-256 [RFC5930]", 36),
        ("AES-CCM-128 with 12 octet ICV [RFC5282]", 19),
        ("AES-GCM-192 with 8 octet ICV [RFC5282]", 28),
    ] {
        let row = |octets: usize| {
            format!("{0},{0},{1},{1},\"{name}\",,,\"NONE [RFC4306]\"", "0011223344556677", "5a".repeat(octets))
        };
        of(&row(octets));
        if octets > 0 {
            let error = error_of(&row(octets + 8));
            assert!(error.problem.contains(&format!("found {}", octets + 8)), "{error}");
        }
    }
    for name in
        ["HMAC_MD5_96", "HMAC_MD5_128", "HMAC_SHA1_96", "HMAC_SHA1_160", "HMAC_SHA2_256_96", "HMAC_SHA2_256_128"]
            .into_iter()
            .chain(["HMAC_SHA2_384_192", "HMAC_SHA2_512_256", "ANY 160-bits of Authentication [No Checking]"])
    {
        of(&format!("{0},{0},,,\"NULL [RFC2410]\",{1},{1},\"{name} [RFC4868]\"", "0011223344556677", "5a".repeat(64)));
    }
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_without_the_key() {
    let good = esp_row("*", "*", "*");
    for (row, expected) in [
        (
            format!("\"IPv4\",\"*\",\"*\",\"*\",\"AES-CBC\",\"0x{SECRET}\",\"NULL\",\"\""),
            "column 6 of esp_sa: expected a key of 16 or 24 or 32 octets, found 10",
        ),
        (
            format!("\"IPv4\",\"*\",\"*\",\"*\",\"AES-CTR\",\"{SECRET}x\",\"NULL\",\"\""),
            "octets, the last 4 of them salt, found 21",
        ),
        (
            format!("\"IPv4\",\"*\",\"*\",\"*\",\"CAST5-CBC [RFC2144]\",\"0x{SECRET}\",\"NULL\",\"\""),
            "column 5 of esp_sa is no encryption",
        ),
        (format!("\"IPv4\",\"*\",\"*\",\"*\",\"AES-CBC\",\"0x{SECRET}0\",\"NULL\",\"\""), "odd number of digits"),
        (format!("\"IPv4\",\"*\",\"*\",\"*\",\"AES-CBC\",\"0x{SECRET}zz\",\"NULL\",\"\""), "not hexadecimal"),
        (
            format!("\"IPv4\",\"*\",\"*\",\"*\",\"NULL\",\"\",\"HMAC-WHIRL\",\"0x{SECRET}\""),
            "column 7 of esp_sa is no integrity",
        ),
        (
            format!("\"IPv4\",\"*\",\"*\",\"*\",\"NULL\",\"\",\"AES-XCBC-MAC-96\",\"0x{SECRET}\""),
            "column 8 of esp_sa: expected a key of 16",
        ),
        (
            format!("\"IPv4\",\"2001:db8::1\",\"*\",\"*\",\"NULL\",\"{SECRET}\",\"NULL\",\"\""),
            "column 2 of esp_sa: `2001:db8::1` is of the other version",
        ),
        (
            format!("\"IPv4\",\"*\",\"192.0.2\",\"*\",\"NULL\",\"{SECRET}\",\"NULL\",\"\""),
            "column 3 of esp_sa: `192.0.2` is no address",
        ),
        (
            format!("\"IPv4\",\"*\",\"*\",\"12345678\",\"NULL\",\"{SECRET}\",\"NULL\",\"\""),
            "column 4 of esp_sa is no SPI",
        ),
        (format!("\"IPv4\",\"*\",\"*\",\"*\",\"NULL\",\"{SECRET}\""), "a row of esp_sa with 6 columns"),
        (format!("\"IPv4\",\"*\",\"*\",\"*\",\"NULL\",\"{SECRET}\",\"NULL\",\"\",\"48-bit\""), "column 9 of esp_sa"),
        (format!("\"IPv4\",\"*\",\"*\",\"*\",\"NULL\",\"{SECRET}"), "column 6 has no quote at its end"),
        (format!("\"IPv4\" {SECRET},"), "column 1 goes on behind its quote"),
        (format!("0011223344556677,8899,{SECRET}"), "a row of ikev2_decryption_table with 3 columns"),
        (
            format!("0011223344556677,8899,{SECRET},{SECRET},NULL,,,NONE"),
            "column 2 of ikev2_decryption_table is no SPI",
        ),
        (
            format!("{0},{0},{SECRET},{SECRET},\"AES-CBC-256\",,,NONE", "0011223344556677"),
            "column 3 (SK_ei) of ikev2_decryption_table: expected a key of 32 octets, found 10",
        ),
        (
            format!("{0},{0},,,NULL,,{SECRET},\"HMAC_MD5_96\"", "0011223344556677"),
            "column 6 (SK_ai) of ikev2_decryption_table: expected a key, found none",
        ),
        (format!("0x1@192.0.2.1 aes999-cbc:{SECRET}"), "the algorithm is no encryption"),
        (format!("0x1@hub aes128-cbc:{SECRET}"), "no address"),
        (format!("ikev2 X 0x1 0x2 sha1:0x{SECRET} 3des:0x{}", "5a".repeat(24)), "neither I nor R"),
        (format!("{SECRET} and other things"), "a row of no format"),
    ] {
        let error = error_of(&(good.clone() + &row));
        assert_eq!(error.line, 2, "{error}");
        assert!(error.to_string().starts_with("table:2: ") && error.problem.contains(expected), "{error}\n{expected}");
        assert!(!error.help.is_empty());
        let all = format!("{error} {error:?}");
        assert!(!all.contains(SECRET), "a key is shown: {all}");
    }
    let mut keys = Keys::default();
    assert!(keys.add("table", b"\xff\xfe").unwrap_err().to_string().contains("table:1: not a text"));
}

#[test]
fn nothing_shows_a_key() {
    let keys = of(&esp_row("*", "*", "*"));
    let shown = format!("{keys:?} {:?}", keys.esp(address("192.0.2.1"), address("192.0.2.2"), 1).unwrap());
    assert!(shown.contains("AesCbc") && !shown.contains("0102") && !shown.contains("[0, 1, 2"), "{shown}");
}

#[test]
fn files_and_folders_are_loaded_and_what_is_missing_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let error = Keys::load(dir.path()).unwrap_err();
    assert!(error.to_string().contains("no file named esp_sa or ikev2_decryption_table"), "{error}");
    assert!(Keys::load(&dir.path().join("missing")).unwrap_err().to_string().contains("No such file"));

    std::fs::write(dir.path().join("esp_sa"), esp_row("*", "*", "*")).unwrap();
    let row = "0011223344556677,8899aabbccddeeff,,,NULL,,,NONE\r\n";
    std::fs::write(dir.path().join("ikev2_decryption_table"), row).unwrap();
    std::fs::write(dir.path().join("preferences"), "something else").unwrap();
    let keys = Keys::load(dir.path()).unwrap();
    assert_eq!((keys.esp.len(), keys.ike2.len()), (1, 1));
    let keys = Keys::load(&dir.path().join("esp_sa")).unwrap();
    assert_eq!((keys.esp.len(), keys.ike2.len()), (1, 0));
}

#[test]
fn limits_are_kept_and_said() {
    let row = esp_row("*", "*", "*").replace("AES-CBC [RFC3602]", "NULL");
    let error = error_of(&row.repeat(MOST_ROWS + 1));
    assert_eq!(error.line, MOST_ROWS + 1);
    assert!(error.problem.contains("more rows than the limit of 65536"), "{error}");
    let error = Keys::default().add("table", &vec![b'#'; LONGEST_TABLE + 1]).unwrap_err();
    assert!(error.problem.contains("more than 16777216 octets"), "{error}");
}

#[test]
fn secrets_of_a_capture_are_read_by_their_type() {
    let secrets = |kind, text: &str| Secrets { kind, octets: Zeroizing::new(text.as_bytes().to_vec()), offset: 96 };
    let mut keys = Keys::default();
    assert!(keys.add_secrets("c.pcapng", &secrets(Secrets::ESP_SA, &esp_row("*", "*", "*"))).unwrap());
    let ike = "0011223344556677,8899aabbccddeeff,,,NULL,,,NONE";
    assert!(keys.add_secrets("c.pcapng", &secrets(Secrets::IKEV2, ike)).unwrap());
    assert!(!keys.add_secrets("c.pcapng", &secrets(0x544c_534b, "CLIENT_RANDOM 00 00")).unwrap());
    assert_eq!((keys.esp.len(), keys.ike2.len()), (1, 1));
    let error = keys.add_secrets("c.pcapng", &secrets(Secrets::ESP_SA, "nonsense")).unwrap_err();
    assert!(error.to_string().starts_with("c.pcapng, secrets at offset 96:1: "), "{error}");
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text: Vec<u8>, columns in proptest::collection::vec("[\"IPv4,0x*@:. a-f-]{0,12}", 0..12)) {
        let _ = Keys::default().add("table", &text);
        for start in ["\"IPv4\",", "IPv6,", "0011223344556677,", "ikev2 ", "0x1@", ""] {
            let _ = Keys::default().add("table", (start.to_owned() + &columns.join(",")).as_bytes());
            let _ = Keys::default().add("table", (start.to_owned() + &columns.join(" ")).as_bytes());
        }
    }
}
