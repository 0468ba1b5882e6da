//! IKE messages that go in circles, lie about lengths, or are endless.

use dmvpn_inspect::capture::LinkType;

use super::Seeds;
use super::build::*;

/// Messages of IKE that go in circles, lie about lengths, or are endless.
pub(super) fn hostile_ike(seeds: &mut Seeds) {
    let transform = |more, id| [more, 0, 0, 12, 1, 0, 0, id, 0x80, 14, 1, 0];
    let proposal =
        [&[0, 0, 0, 36, 1, 1, 0, 2][..], &transform(3, 12), &[0, 0, 0, 16, 2, 0, 0, 5, 0, 14, 0, 4, 0, 0, 1, 0]]
            .concat();
    let selectors = [&[1, 0, 0, 0, 7, 47, 0, 16, 0, 0, 0xFF, 0xFF][..], &[10, 0, 0, 0, 10, 0, 0, 255]].concat();
    let inside = [payload(44, &[1, 0, 0, 0]), payload(45, &selectors), payload(0, &selectors)].concat();
    let sealed = [&inside[..], &[1, 2, 2]].concat();
    let v1_sa =
        [&[0, 0, 0, 1, 0, 0, 0, 1][..], &[0, 0, 0, 20, 1, 1, 0, 1], &[0, 0, 0, 12, 1, 1, 0, 0, 0x80, 1, 0, 7]].concat();
    for (name, message) in [
        (
            "init",
            ike(
                0x20,
                34,
                8,
                33,
                &[payload(34, &proposal), payload(40, &[0, 14, 0, 0, 9]), payload(0, &[7; 32])].concat(),
            ),
        ),
        ("empty", Vec::new()),
        ("header-cut", ike(0x20, 34, 8, 33, &[])[..27].to_vec()),
        ("payload-length-nought", ike(0x20, 34, 8, 41, &[41, 0, 0, 0, 41, 0, 0, 0])),
        ("payload-length-three", ike(0x20, 34, 8, 41, &[41, 0, 0, 3, 41, 0, 0, 3])),
        ("payload-names-itself-for-ever", ike(0x20, 34, 8, 43, &[43, 0, 0, 4].repeat(300))),
        ("payload-past-the-end", ike(0x20, 34, 8, 40, &[0, 0, 0xFF, 0xFF, 1, 2])),
        ("trailing-octets", ike(0x20, 34, 8, 40, &[0, 0, 0, 5, 1, 9, 9, 9])),
        ("length-says-four-gigabytes", {
            let mut message = ike(0x20, 34, 8, 0, &[]);
            message[24..28].fill(0xFF);
            message
        }),
        ("proposal-in-circles", ike(0x20, 34, 8, 33, &payload(0, &[2, 0, 0, 8, 1, 1, 0, 0].repeat(40)))),
        ("proposal-spi-past-the-end", ike(0x20, 34, 8, 33, &payload(0, &[0, 0, 0, 8, 1, 3, 255, 1]))),
        (
            "transform-length-nought",
            ike(0x20, 34, 8, 33, &payload(0, &[0, 0, 0, 16, 1, 1, 0, 255, 3, 0, 0, 0, 1, 0, 0, 12])),
        ),
        (
            "attributes-of-no-length",
            ike(0x20, 35, 8, 47, &payload(0, &[&[1, 0, 0, 0][..], &[0, 1, 0, 0].repeat(40)].concat())),
        ),
        ("selectors-more-than-there-are", ike(0x20, 35, 8, 44, &payload(0, &[255, 0, 0, 0, 7, 0, 0, 16, 0, 0, 0, 0]))),
        ("selector-of-no-length", ike(0x20, 35, 8, 44, &payload(0, &[2, 0, 0, 0, 7, 0, 0, 0]))),
        ("delete-65535-spis", ike(0x20, 37, 8, 42, &payload(0, &[3, 255, 0xFF, 0xFF, 1, 2, 3, 4]))),
        ("notify-spi-past-the-end", ike(0x20, 37, 8, 41, &payload(0, &[3, 255, 0x40, 0, 1]))),
        ("sealed-with-null", ike(0x20, 35, 8, 46, &payload(39, &sealed))),
        ("sealed-padding-past-the-start", ike(0x20, 35, 8, 46, &payload(39, &[1, 2, 200]))),
        ("sealed-in-sealed", ike(0x20, 35, 8, 46, &payload(46, &[&payload(46, &sealed)[..], &[0]].concat()))),
        ("fragment-one-of-one", ike(0x20, 35, 8, 53, &payload(39, &[&[0, 1, 0, 1][..], &sealed].concat()))),
        ("fragment-nought-of-nought", ike(0x20, 35, 8, 53, &payload(39, &[0; 4]))),
        ("eap-length-lies", ike(0x20, 35, 8, 48, &payload(0, &[1, 1, 0xFF, 0xFF, 1, 2]))),
        ("v1-main-mode", ike(0x10, 2, 0, 1, &[payload(13, &v1_sa), payload(0, b"strongSwan")].concat())),
        ("v1-encrypted", ike(0x10, 32, 1, 8, &[0xA5; 40])),
        ("v1-situation-unknown", ike(0x10, 2, 0, 1, &payload(0, &[0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 8]))),
        ("v1-delete", ike(0x10, 5, 0, 12, &payload(0, &[0, 0, 0, 1, 3, 4, 0, 1, 1, 2, 3, 4]))),
        ("v1-notify", ike(0x10, 5, 0, 11, &payload(0, &[0, 0, 0, 1, 1, 16, 0x60, 2, 1, 2]))),
        ("v1-mode-configuration", ike(0x10, 6, 0, 14, &payload(0, &[1, 0, 0, 7, 0x80, 1, 0, 5, 0, 2, 0, 9, 1]))),
        ("version-nine", ike(0x95, 34, 8, 33, &payload(0, &[1; 8]))),
    ] {
        seeds.packet(&format!("hostile-ike-{name}"), &ipv4(17, 0, &udp(500, &message)));
        seeds.put("isakmp", format!("hostile-{name}"), message);
    }
    seeds.packet("hostile-keepalive", &ipv4(17, 0, &udp(4500, &[0xFF])));
    seeds.packet("hostile-ike-marker-alone", &ipv4(17, 0, &udp(4500, &[0; 4])));
    let piece = |number: u8, total: u8, octets: &[u8]| {
        let next = if number == 1 { 44 } else { 0 };
        let message = ike(0x20, 35, 8, 53, &payload(next, &[&[0, number, 0, total][..], octets, &[0]].concat()));
        ipv4(17, 0, &udp(500, &message))
    };
    let (one, two) = inside.split_at(20);
    for (name, packets) in [
        ("made-ike-pieces", vec![piece(2, 2, two), piece(1, 2, one)]),
        ("hostile-ike-pieces-repeated", vec![piece(1, 3, one), piece(1, 3, one), piece(3, 3, one), piece(2, 3, two)]),
        (
            "hostile-ike-pieces-of-other-totals",
            vec![piece(1, 2, one), piece(2, 3, two), piece(2, 2, two), piece(0, 2, two)],
        ),
        ("hostile-ike-pieces-of-nothing", (1..=100).map(|number| piece(number, 255, &[])).collect()),
    ] {
        let packets: Vec<&[u8]> = packets.iter().map(Vec::as_slice).collect();
        seeds.put("file", name, pcapng(LinkType::RAW, &packets));
    }
}
