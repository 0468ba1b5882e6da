//! What people write: tables of keys, and filters.

use super::Seeds;

/// Tables of keys with packets for them, and filters.
pub(super) fn texts(seeds: &mut Seeds) {
    let packet = [0, 0, 0, 9, 0, 0, 0, 1].iter().chain([5; 40].iter()).copied().collect::<Vec<u8>>();
    for (name, table) in [
        ("esp-null", r#""IPv4","*","*","0x00000009","NULL","","NULL","""#.to_owned()),
        (
            "esp-cbc",
            format!(
                r#""IPv4","192.0.2.0/24","192.0.2.*","0x0000000*","AES-CBC [RFC3602]","0x{}","HMAC-SHA-1-96 [RFC2404]","0x{}""#,
                "0a".repeat(16),
                "0b".repeat(20)
            ),
        ),
        (
            "esp-gcm",
            format!(
                r#""Any","*","*","*","AES-GCM [RFC4106]","0x{}","ANY 128 bit authentication [no checking]","""#,
                "0a".repeat(20)
            ),
        ),
        (
            "esp-ccm",
            format!(
                r#""IPv6","2001:db8::/32","*","0x9","AES-CCM with 12 octet ICV","0x{}","NULL","","64-bit","0x00000001""#,
                "0a".repeat(35)
            ),
        ),
        (
            "esp-chacha",
            format!(
                r#""IPv4","*","*","0x9","ChaCha20 with Poly1305 and IIV [RFC8750]","0x{}","NULL","""#,
                "0a".repeat(36)
            ),
        ),
        (
            "esp-ctr-xcbc",
            format!(
                r#""IPv4","*","*","0x9","AES-CTR","0x{}","AES-XCBC-MAC-96","0x{}""#,
                "0a".repeat(20),
                "0b".repeat(16)
            ),
        ),
        (
            "esp-3des",
            format!(r#""IPv4","*","*","0x9","TripleDES-CBC","0x{}","HMAC-MD5-96","text key""#, "0a".repeat(24)),
        ),
        (
            "ikev2-cbc",
            format!(
                r#"0000000900000001,0505050505050505,{0},{0},"AES-CBC-128 [RFC3602]",{0},{0},"HMAC_SHA2_256_128 [RFC4868]""#,
                "0a".repeat(16)
            ),
        ),
        ("tcpdump-esp", format!("0x9@192.0.2.11 aes256-cbc-hmac96:0x{}", "0a".repeat(32))),
        (
            "tcpdump-ike",
            format!(
                "ikev2 I 0x0000000900000001 0x0505050505050505 sha1:0x{} aes128:0x{}",
                "0b".repeat(20),
                "0a".repeat(16)
            ),
        ),
        ("comments-and-blanks", "# nothing\n\n  \n\"IPv4\"\n".to_owned()),
        ("hostile-quote-never-closed", "\"IPv4\",\"".to_owned()),
        ("hostile-odd-digits", r#""IPv4","*","*","0x9","AES-CBC","0x123","NULL","""#.to_owned()),
        ("hostile-spi-of-stars-and-umlauts", "\"IPv4\",\"*\",\"*\",\"0x*ä*\",\"NULL\",\"\",\"NULL\",\"\"".to_owned()),
        ("hostile-prefix-of-300", r#""IPv4","192.0.2.0/300","*","0x9","NULL","","NULL","""#.to_owned()),
    ] {
        let name = if name.starts_with("hostile-") { name.to_owned() } else { format!("made-{name}") };
        seeds.put("keys", name, [table.as_bytes(), &[0], &packet].concat());
    }
    for (name, text) in [
        ("layer", "nhrp"),
        ("any-index", "nhrp and cie[].code != 0"),
        ("prefix", "ip.src == 192.0.2.0/24 and not esp"),
        ("frame", "frame.number >= 100 and (ike or gre.key == 0x2a)"),
        ("words", "malformed ~ \"checksum\""),
        ("octets", "ext.auth.value ~ 77:6f:72:64 || hdr.snap == 0000000000"),
        ("signs", "!(gre&&nhrp)||flags.U==1"),
        ("parentheses-seventy", "((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((nhrp"),
        (
            "not-twenty-five-times",
            "not not not not not not not not not not not not not not not not not not not not not not not not nhrp",
        ),
        ("quote-never-closed", "malformed ~ \"a"),
        ("no-ascii", "nhrp und ütwäs == “1”"),
        ("number-too-large", "gre.key == 99999999999999999999"),
        ("prefix-of-129", "ip.src == ::/129"),
        ("seconds", "cie[0].holding_time < 300s"),
        ("misspelt", "gre.kee == 1"),
        ("empty", ""),
    ] {
        seeds.put("filter", format!("made-{name}"), text);
    }
}
