//! Vendor ids that are met in the field: RFC 7296 section 3.12, RFC 2408 section 3.16. Most are the MD5 of words, or
//! begin with it; some are the words.

/// What a known vendor id begins with as a number of so many octets, and who sends it or what it announces.
const KNOWN: &[(u128, usize, &str)] = &[
    (0xafcad71368a1f1c96b8696fc7757, 14, "RFC 3706 DPD"),
    (0x4a131c81070358455c5728f20e95452f, 16, "RFC 3947 NAT-T"),
    (0x4485152d18b6bbcd0be8a8469579ddcc, 16, "draft-ietf-ipsec-nat-t-ike-00"),
    (0x16f6ca16e4a4066d83821a0f0aeaa862, 16, "draft-ietf-ipsec-nat-t-ike-01"),
    (0xcd60464335df21f87cfdb2fc68b6a448, 16, "draft-ietf-ipsec-nat-t-ike-02"),
    // With a line feed behind the words, as the draft's own example had it.
    (0x90cb80913ebb696e086381b5ec427b1f, 16, "draft-ietf-ipsec-nat-t-ike-02"),
    (0x7d9419a65310ca6f2c179d9215529d56, 16, "draft-ietf-ipsec-nat-t-ike-03"),
    (0x9909b64eed937c6573de52ace952fa6b, 16, "draft-ietf-ipsec-nat-t-ike-04"),
    (0x80d0bb3def54565ee84645d4c85ce3ee, 16, "draft-ietf-ipsec-nat-t-ike-05"),
    (0x4d1e0e136deafa34c4f3ea9f02ec7285, 16, "draft-ietf-ipsec-nat-t-ike-06"),
    (0x439b59f8ba676c4c7737ae22eab8f582, 16, "draft-ietf-ipsec-nat-t-ike-07"),
    (0x8f8d83826d246b6fc7a8a6a428c11de8, 16, "draft-ietf-ipsec-nat-t-ike-08"),
    (0x4df37928e9fc4fd1b3262170d515c662, 16, "draft-ietf-ipsec-nat-t-ike"),
    (0x27bab5dc01ea0760ea4e3190ac27c0d0, 16, "draft-stenberg-ipsec-nat-traversal-01"),
    (0x4048b7d56ebce88525e7de7f00d6c2d3, 16, "FRAGMENTATION"),
    (0x09002689dfd6b712, 8, "XAUTH"),
    (0x12f5f28c457168a9702d9fe274cc, 14, "Cisco Unity"),
    (0x1f07f70eaa6514d3b0fa96542a50, 14, "Cisco VPN Concentrator"),
    (0x882fe56d6fd20dbc2251613b2ebe5beb, 16, "strongSwan"),
    (0x1e2b516905991c7d7c96fcbfb587e461, 16, "MS NT5 ISAKMPOAKLEY"),
    (0xfb1de3cdf341b7ea16b7e5be0855f120, 16, "MS-Negotiation Discovery Capable"),
    (0x26244d38eddb61b3172a36e3d0cfb819, 16, "Vid-Initial-Contact"),
    (0x214ca4faffa7f32d6748e5303395ae83, 16, "MS-MamieExists"),
    (0xe3a5966a76379fe707228231e5ce8652, 16, "IKE CGA version 1"),
    (0x621b04bb09882ac1e15935fefa24aeee, 16, "GSSAPI"),
];

/// The fewest octets that words are taken for words.
const MIN_WORDS: usize = 4;

/// Who sends this vendor id or what it announces, if that is known; for one that is words, these.
pub fn name(id: &[u8]) -> Option<&str> {
    let number = |octets: &[u8]| octets.iter().fold(0, |number, octet| number << 8 | u128::from(*octet));
    let known = KNOWN.iter().find(|(start, len, _)| id.get(..*len).is_some_and(|front| number(front) == *start));
    if let Some((_, _, name)) = known {
        return Some(name);
    }
    let words = id.len() >= MIN_WORDS && id.iter().all(|octet| matches!(octet, b' '..=b'~'));
    if words { std::str::from_utf8(id).ok() } else { None }
}
