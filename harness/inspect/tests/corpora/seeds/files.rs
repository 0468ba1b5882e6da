//! Capture files that are not what they say, and fragments that do not fit.

use dmvpn_inspect::capture::LinkType;

use super::Seeds;
use super::build::*;

/// Capture files that are not what they say.
pub(super) fn hostile_files(seeds: &mut Seeds) {
    let registration = ipv4(47, 0, &gre(NHRP, &nhrp(3, &ENTRY, Some(&END))));
    let reply = ipv4(47, 0, &gre(NHRP, &nhrp(4, &ENTRY, Some(&END))));
    let error = ipv4(47, 0, &gre(NHRP, &nhrp(7, &registration[28..], None)));
    let fine = pcapng(LinkType::RAW, &[&registration, &reply, &error]);
    let classic = pcap(LinkType::RAW, &[&registration, &reply]);
    seeds.put("file", "made-pcapng", fine.clone());
    seeds.put("file", "hostile-pcapng-truncated", &fine[..fine.len() - 9]);
    seeds.put("file", "made-pcap", classic.clone());
    seeds.put("file", "hostile-pcap-truncated", &classic[..classic.len() - 5]);
    seeds.put("file", "hostile-pcap-wrong-link-type", pcap(LinkType::ETHERNET, &[&registration]));
    seeds.put("file", "made-gzip", gzip(&classic));
    seeds.put("file", "hostile-gzip-truncated", &gzip(&classic)[..60]);
    seeds.put("file", "hostile-gzip-twice", gzip(&gzip(&classic)));
    seeds.put("file", "hostile-gzip-bomb", gzip(&pcap(LinkType::RAW, &[&[0; 16][..]; 2000])));
    seeds.put("file", "hostile-empty", []);
    seeds.put("file", "hostile-not-a-capture", *b"GIF89a");
    seeds.put("file", "hostile-zstd", [0x28, 0xb5, 0x2f, 0xfd, 1, 2, 3]);
    let mut absurd = classic.clone();
    absurd[32..36].fill(0xFF);
    seeds.put("file", "hostile-pcap-length-of-four-gigabytes", absurd.clone());
    absurd[32..36].copy_from_slice(&0x00FF_FFFF_u32.to_be_bytes());
    seeds.put("file", "hostile-pcap-length-of-sixteen-megabytes", absurd);
    for (name, at) in [("block-length", 4), ("byte-order", 8), ("section-length", 16)] {
        let mut flipped = fine.clone();
        flipped[at] ^= 0x40;
        seeds.put("file", format!("hostile-pcapng-{name}-flipped"), flipped);
    }
    let mut unlike = fine.clone();
    let last = unlike.len() - 1;
    unlike[last] ^= 1;
    seeds.put("file", "hostile-pcapng-two-lengths-of-one-block", unlike);
    seeds.put("file", "hostile-pcapng-two-sections", [&fine[..], &fine].concat());
    let secrets = |octets: &[u8]| {
        let mut body = [0x4553_5053_u32, u32::try_from(octets.len()).unwrap()].map(u32::to_le_bytes).concat();
        body.extend(octets);
        block(10, &body)
    };
    let (section, interface) = (section(), interface(LinkType::RAW));
    let row = br#""IPv4","*","*","0x00000009","NULL","","NULL","""#;
    let sealed = ipv4(50, 0, &[&[0, 0, 0, 9, 0, 0, 0, 1][..], &gre(NHRP, &nhrp(3, &ENTRY, None)), &[0, 47]].concat());
    let simple = |octets: &[u8]| {
        let mut body = u32::try_from(octets.len()).unwrap().to_le_bytes().to_vec();
        body.extend(octets);
        block(3, &body)
    };
    seeds.put("file", "hostile-secrets-open-esp", [&section[..], &interface, &secrets(row), &simple(&sealed)].concat());
    seeds.put("file", "hostile-secrets-of-no-format", [&section[..], &secrets(&[0xFE; 9]), &interface].concat());
    let longer = block(10, &[&0x4553_5053_u32.to_le_bytes()[..], &[0xFF; 4]].concat());
    seeds.put("file", "hostile-secrets-longer-than-their-block", [&section[..], &longer, &interface].concat());
    seeds.put("file", "hostile-packet-without-an-interface", [&section[..], &simple(&registration)].concat());
    seeds.put("file", "hostile-hundred-interfaces", [&section[..], &interface.repeat(100), &simple(&reply)].concat());

    let datagram = gre(NHRP, &nhrp(3, &ENTRY, Some(&END)));
    let (first, second) = datagram.split_at(24);
    let piece = |at: u16, more: bool, octets: &[u8]| ipv4(47, at | if more { 0x2000 } else { 0 }, octets);
    let pieces = [piece(3, false, second), piece(0, true, first)];
    let refs: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
    seeds.put("file", "hostile-fragments-last-first", pcap(LinkType::RAW, &refs));
    let pieces = [piece(0, true, first), piece(1, true, first), piece(2, true, first), piece(3, false, second)];
    let refs: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
    seeds.put("file", "hostile-fragments-overlapping", pcap(LinkType::RAW, &refs));
    let pieces = [piece(3, false, second), piece(9, false, second), piece(0, true, first)];
    let refs: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
    seeds.put("file", "hostile-fragments-two-ends", pcap(LinkType::RAW, &refs));
    let pieces: Vec<Vec<u8>> = (0..40).map(|index| piece(index * 2 + 1, true, &[0; 8])).collect();
    let refs: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
    seeds.put("file", "hostile-fragments-with-gaps", pcap(LinkType::RAW, &refs));
    let inner = ipv4(47, 0, &datagram);
    let (first, second) = inner.split_at(32);
    let pieces = [ipv4(4, 0x2000, first), ipv4(4, 4, second)];
    let refs: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
    seeds.put("file", "hostile-fragments-of-a-tunnel", pcap(LinkType::RAW, &refs));
}
