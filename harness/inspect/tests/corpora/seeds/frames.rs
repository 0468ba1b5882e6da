//! Packets that lie about what is in them, or are endless.

use dmvpn_inspect::capture::LinkType;

use super::Seeds;
use super::build::*;

/// What packets can do to whoever reads them.
pub(super) fn hostile_frames(seeds: &mut Seeds) {
    let registration = nhrp(3, &ENTRY, Some(&END));
    let whole = ipv4(47, 0, &gre(NHRP, &registration));
    seeds.packet("made-registration", &whole);
    seeds.packet("hostile-registration-truncated", &whole[..51]);
    let mut flipped = whole.clone();
    flipped[40] ^= 0x80;
    seeds.packet("hostile-registration-bit-flipped", &flipped);
    for link in crate::targets::LINKS {
        seeds.frame(&format!("hostile-link-type-{}", link.0), link, &whole);
    }
    seeds.frame("hostile-link-type-unknown", LinkType(0x7FFF), &whole);
    let mut ethernet = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    for _ in 0..20 {
        ethernet.extend([0x81, 0, 0, 7]);
    }
    seeds.frame("hostile-vlan-twenty-tags", LinkType::ETHERNET, &[&ethernet[..], &[8, 0], &whole].concat());
    seeds.frame("hostile-nflog-attribute-length-nought", LinkType::NFLOG, &[2, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
    seeds.frame("hostile-nflog-attribute-past-the-end", LinkType::NFLOG, &[2, 0, 0, 0, 0xFF, 0xFF, 1, 0]);
    seeds.frame(
        "hostile-nflog-payload",
        LinkType::NFLOG,
        &[&[2, 0, 0, 0, 5, 0, 1, 0, 7, 0, 0, 0, 0xFF, 0, 9, 0], &whole[..]].concat(),
    );

    let mut nested = whole.clone();
    for _ in 0..20 {
        nested = ipv4(47, 0, &gre(IPV4, &nested));
    }
    seeds.packet("hostile-gre-in-gre-twenty-times", &nested);
    let mut bridged = whole.clone();
    for _ in 0..8 {
        bridged = ipv4(47, 0, &gre(0x6558, &[&[2; 12][..], &[8, 0], &bridged].concat()));
    }
    seeds.packet("hostile-ethernet-in-gre-eight-times", &bridged);
    let mut packed = whole.clone();
    for _ in 0..20 {
        packed = ipv4(4, 0, &packed);
    }
    seeds.packet("hostile-ip-in-ip-twenty-times", &packed);
    let mut sealed = whole.clone();
    for _ in 0..16 {
        sealed = ipv4(50, 0, &esp(4, &sealed));
    }
    seeds.packet("hostile-esp-in-esp-sixteen-times", &sealed);
    seeds.packet("hostile-esp-padding-past-the-start", &ipv4(50, 0, &[0, 0, 0, 1, 0, 0, 0, 1, 9, 200, 4]));
    seeds.packet("hostile-esp-no-whole-block", &ipv4(50, 0, &[&[0, 0, 0, 2, 0, 0, 0, 1][..], &[7; 45]].concat()));
    seeds.packet("hostile-esp-cut-in-its-header", &ipv4(50, 0, &[0, 0, 0, 1, 0, 0]));
    seeds.packet("hostile-esp-in-udp", &ipv4(17, 0, &udp(4500, &esp(47, &gre(NHRP, &registration)))));
    seeds.packet("hostile-esp-wrong-check-value", &ipv4(50, 0, &[&[0, 0, 0, 3, 0, 0, 0, 1][..], &[2; 32]].concat()));
    seeds.packet("hostile-udp-length-lies", &{
        let mut packet = ipv4(17, 0, &udp(500, &[0; 28]));
        packet[24..26].copy_from_slice(&[0xFF, 0xFF]);
        packet
    });
    seeds.packet("hostile-gre-routing-bit", &ipv4(47, 0, &[0x40, 0, 8, 0, 0, 0, 0, 0]));
    seeds.packet("hostile-gre-version-one", &ipv4(47, 0, &[0x20, 1, 0x88, 0x0b, 0, 4, 0, 1, 1, 2, 3, 4]));
    seeds.packet("hostile-gre-cut-in-its-key", &ipv4(47, 0, &[0x30, 0, 8, 0, 0, 0]));
    seeds.put("gre_ip", "hostile-gre-every-flag", [0xFF, 0xFF, 0x20, 1, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
    seeds.put("gre_ip", "hostile-gre-checksum-wrong", [0xB0, 0, 0x20, 1, 0xAB, 0xCD, 0, 0, 0, 0, 0, 42, 0, 0, 0, 1]);
    seeds.put("gre_ip", "hostile-ipv4-header-shorter-than-itself", [&[0x44][..], &whole[1..]].concat());
    seeds.put("gre_ip", "hostile-ipv4-header-longer-than-the-packet", [&[0x4F][..], &whole[1..24]].concat());
    seeds.put("gre_ip", "hostile-ipv4-total-length-nought", {
        let mut packet = whole.clone();
        packet[2..4].copy_from_slice(&[0, 0]);
        packet
    });
    seeds.put(
        "gre_ip",
        "hostile-ipv6-length-lies",
        [&ipv6(47, &[])[..4], &[0xFF, 0xFF], &ipv6(47, &[1; 8])[6..]].concat(),
    );

    let chain: Vec<u8> = (0..60).flat_map(|index| [if index == 59 { 47 } else { 60 }, 0, 1, 4, 0, 0, 0, 0]).collect();
    seeds.packet("hostile-ipv6-sixty-extension-headers", &ipv6(60, &[&chain[..], &gre(NHRP, &registration)].concat()));
    seeds.packet("hostile-ipv6-extension-past-the-end", &ipv6(0, &[43, 255, 0, 0, 0, 0, 0, 0]));
    seeds
        .packet("hostile-ipv6-fragment-after-fragment", &ipv6(44, &[44, 0, 0, 0, 0, 0, 0, 1, 44, 0, 0, 1, 0, 0, 0, 1]));
    seeds.packet("hostile-ipv6-fragment-cut", &ipv6(44, &[47, 0, 0, 1]));
    seeds.packet("hostile-fragment-past-64-kib", &ipv4(47, 0x1FFF, &[0; 200]));
    seeds.packet("hostile-fragment-of-no-octets", &ipv4(47, 0, &[])[..20]);

    for (name, kind, rest, extensions) in [
        ("entry-cut", 3, &ENTRY[..11], None),
        ("entry-address-past-the-end", 3, &[0, 32, 0, 0, 5, 0, 1, 0, 63, 63, 255, 0, 1][..], None),
        ("no-end", 3, &ENTRY, Some(&[0x80, 3, 0, 0][..])),
        ("extension-past-the-end", 1, &ENTRY, Some(&[0x80, 3, 0xFF, 0xFF, 1])),
        ("extension-hundred-empty", 1, &[], Some(&[0x80, 3, 0, 0].repeat(100)[..])),
        ("extension-hundred-broken-entries", 1, &[], Some(&[0x80, 3, 0, 1, 9].repeat(100)[..])),
        ("authentication-empty", 3, &ENTRY, Some(&[0x80, 7, 0, 0, 0x80, 0, 0, 0])),
        ("authentication-cisco", 3, &ENTRY, Some(&[0x80, 7, 0, 6, 0, 0, 0, 1, b'p', b'w', 0x80, 0, 0, 0])),
        ("vendor-one-octet", 3, &ENTRY, Some(&[0, 8, 0, 1, 7, 0x80, 0, 0, 0])),
        ("error-quotes-itself", 7, &registration, None),
        ("error-quotes-nothing", 7, &[], None),
        ("traffic-indication-quotes-cut-ip", 8, &whole[..13], None),
        ("traffic-indication-quotes-gre", 8, &whole, None),
        ("purge", 5, &ENTRY, Some(&END)),
        ("type-unknown", 99, &ENTRY, Some(&END)),
    ] {
        let message = nhrp(kind, rest, extensions);
        seeds.packet(&format!("hostile-nhrp-{name}"), &ipv4(47, 0, &gre(NHRP, &message)));
        seeds.put("nhrp", format!("hostile-{name}"), message);
    }
    for (name, place, value) in [
        ("size-nought", 10, 0u16),
        ("size-more-than-there-is", 10, 0xFFFF),
        ("extension-offset-in-the-header", 14, 3),
        ("extension-offset-past-the-end", 14, 0xFFFF),
        ("version-and-type", 16, 0xFF00),
        ("lengths-of-addresses-all-63", 18, 0x3F3F),
        ("family-unknown", 0, 0x4001),
    ] {
        let mut message = registration.clone();
        message[place..place + 2].copy_from_slice(&value.to_be_bytes());
        seeds.put("nhrp", format!("hostile-{name}"), message);
    }
}
