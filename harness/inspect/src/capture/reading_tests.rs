//! Reading beyond the plain file: compressed, absurd, from a stream, in sections, with secrets.

use std::io::{Cursor, Write};

use flate2::{Compression, write::GzEncoder};

use super::*;

const SECOND: u64 = 1_000_000_000;

/// A block of a pcapng file in the order of octets that `big` says.
fn block(big: bool, kind: u32, body: &[u8]) -> Vec<u8> {
    let number = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let mut padded = body.to_vec();
    padded.resize(body.len().next_multiple_of(4), 0);
    let length = number(12 + padded.len() as u32);
    [&number(kind)[..], &length, &padded, &length].concat()
}

fn section(big: bool) -> Vec<u8> {
    let magic = if big { 0x1a2b_3c4du32.to_be_bytes() } else { 0x1a2b_3c4du32.to_le_bytes() };
    let version = if big { [0, 1, 0, 0] } else { [1, 0, 0, 0] };
    block(big, 0x0a0d_0d0a, &[&magic[..], &version, &[0xff; 8]].concat())
}

/// An interface of raw IP whose clock counts in `tsresol` from `tsoffset` seconds after 1970.
fn interface(big: bool, tsresol: u8, tsoffset: i64) -> Vec<u8> {
    let half = |value: u16| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let offset = if big { tsoffset.to_be_bytes() } else { tsoffset.to_le_bytes() };
    let mut body = [half(101), half(0), [0, 0], [0, 0]].concat();
    body.extend([half(9), half(1), [tsresol, 0], [0, 0], half(14), half(8)].concat());
    body.extend(offset);
    body.extend([0; 4]);
    block(big, 1, &body)
}

fn packet(big: bool, interface: u32, stamp: u64, octets: &[u8]) -> Vec<u8> {
    let length = octets.len() as u32;
    let numbers = [interface, (stamp >> 32) as u32, stamp as u32, length, length];
    let mut body: Vec<u8> = numbers.iter().flat_map(|n| if big { n.to_be_bytes() } else { n.to_le_bytes() }).collect();
    body.extend(octets);
    block(big, 6, &body)
}

fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(octets).unwrap();
    encoder.finish().unwrap()
}

fn read_octets(octets: &[u8]) -> (Vec<CapturedPacket>, Vec<ReadError>) {
    let (mut packets, mut errors) = (Vec::new(), Vec::new());
    match read_from("octets", Cursor::new(octets.to_vec())) {
        Ok(found) => found.for_each(|item| match item {
            Ok(packet) => packets.push(packet),
            Err(error) => errors.push(error),
        }),
        Err(error) => errors.push(error),
    }
    (packets, errors)
}

/// A hundred packets that differ.
fn hundred() -> Vec<u8> {
    let mut octets = [section(false), interface(false, 9, 0)].concat();
    for number in 0..100u8 {
        octets.extend(packet(false, 0, u64::from(number) * SECOND, &[number; 60]));
    }
    octets
}

#[test]
fn sections_have_their_own_interfaces_resolutions_offsets_and_order_of_octets() {
    let mut octets = [section(false), interface(false, 6, 0), interface(false, 3, 1000)].concat();
    octets.extend(packet(false, 0, 1_500_000, &[1; 5]));
    octets.extend(packet(false, 1, 2_250, &[2; 6]));
    octets.extend([section(true), interface(true, 0x80 | 10, -1)].concat());
    octets.extend(packet(true, 0, 3 << 10 | 512, &[3; 7]));
    octets.extend(packet(true, 1, 0, &[4; 8]));

    let (packets, errors) = read_octets(&octets);

    let stamps: Vec<u64> = packets.iter().map(|packet| packet.timestamp_ns).collect();
    assert_eq!(stamps, [SECOND * 3 / 2, 1002 * SECOND + SECOND / 4, 2 * SECOND + SECOND / 2]);
    assert_eq!(packets.iter().map(|packet| packet.octets.len()).collect::<Vec<_>>(), [5, 6, 7]);
    assert_eq!((errors.len(), errors[0].packet, errors[0].fatal), (1, 4, false), "{errors:?}");
    assert!(errors[0].to_string().contains('1'), "{}", errors[0]);
}

#[test]
fn compressed_is_read_like_plain() {
    let plain = hundred();
    let (expected, _) = read_octets(&plain);
    assert_eq!(expected.len(), 100);

    // As one member, and as two, which is what `cat` makes of two compressed halves.
    let halves = [gzip(&plain[..3000]), gzip(&plain[3000..])].concat();
    for packed in [gzip(&plain), halves] {
        let (packets, errors) = read_octets(&packed);
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(packets, expected);
    }
}

#[test]
fn a_compressed_file_that_was_cut_keeps_what_is_before() {
    let plain = hundred();
    let packed = gzip(&plain);
    let mut most = 0;
    for length in 2..packed.len() {
        let (packets, errors) = read_octets(&packed[..length]);
        assert_eq!(errors.len(), 1, "cut at {length}");
        assert!(matches!(errors[0].kind, ReadErrorKind::Truncated), "cut at {length}: {}", errors[0]);
        assert_eq!(errors[0].packet, packets.len() as u64 + 1, "cut at {length}");
        most = most.max(packets.len());
    }
    assert_eq!(most, 100, "only the trailer was missing");
}

#[test]
fn a_damaged_compression_is_an_error_and_no_panic() {
    let packed = gzip(&hundred());
    for place in 10..packed.len() {
        let mut bent = packed.clone();
        bent[place] ^= 0x55;
        let (_, errors) = read_octets(&bent);
        assert!(!errors.is_empty(), "octet {place}");
    }
    let mut bent = packed.clone();
    let trailer = bent.len() - 8;
    bent[trailer] ^= 1;
    let (packets, errors) = read_octets(&bent);
    assert_eq!(packets.len(), 100);
    assert!(errors[0].to_string().contains("the compressed file is damaged"), "{}", errors[0]);
}

/// A stream of zeros without end that counts what is asked of it.
struct Endless(std::sync::Arc<std::sync::atomic::AtomicUsize>);

impl std::io::Read for Endless {
    fn read(&mut self, octets: &mut [u8]) -> std::io::Result<usize> {
        octets.fill(0);
        self.0.fetch_add(octets.len(), std::sync::atomic::Ordering::Relaxed);
        Ok(octets.len())
    }
}

#[test]
fn absurd_lengths_are_refused_before_anything_is_read_for_them() {
    let mut pcap = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
    pcap.extend([0; 8]);
    pcap.extend([0xff, 0xff, 0, 0, 1, 0, 0, 0]);
    pcap.extend([0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    let head = [section(false), interface(false, 9, 0)].concat();
    let pcapng = [&head[..], &[6, 0, 0, 0, 0xfc, 0xff, 0xff, 0xff]].concat();
    let only = [0x0a, 0x0d, 0x0d, 0x0a, 0xfc, 0xff, 0xff, 0xff, 0x4d, 0x3c, 0x2b, 0x1a].to_vec();

    for (octets, offset) in [(pcap, 24), (pcapng, head.len() as u64), (only, 0)] {
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let stream = std::io::Read::chain(Cursor::new(octets), Endless(asked.clone()));
        let error = match read_from("stream", stream) {
            Ok(mut packets) => packets.next().unwrap().unwrap_err(),
            Err(error) => error,
        };
        assert!(matches!(error.kind, ReadErrorKind::TooLong(length) if length > 0xffff_0000), "{error}");
        assert_eq!((error.packet, error.offset, error.fatal), (1, offset, true), "{error}");
        assert!(asked.load(std::sync::atomic::Ordering::Relaxed) < 1 << 20, "{error}");
    }
}

#[test]
fn a_packet_up_to_the_limit_is_read_and_one_beyond_is_not() {
    let file = |length: usize| {
        let mut octets = [section(false), interface(false, 9, 0)].concat();
        octets.extend(packet(false, 0, 0, &vec![7; length]));
        octets
    };
    let longest = LONGEST_BLOCK - 32;
    let (packets, errors) = read_octets(&file(longest));
    assert_eq!((packets[0].octets.len(), errors.len()), (longest, 0), "{errors:?}");
    let (packets, errors) = read_octets(&file(LONGEST_BLOCK));
    assert!(packets.is_empty() && matches!(errors[0].kind, ReadErrorKind::TooLong(_)), "{errors:?}");
}

#[test]
fn interfaces_without_end_are_refused() {
    let mut octets = section(false);
    let one = interface(false, 9, 0);
    for _ in 0..(1 << 16) + 1 {
        octets.extend(&one);
    }
    let (_, errors) = read_octets(&octets);
    assert_eq!(errors.len(), 1);
    assert!(errors[0].to_string().contains("more interfaces than the limit of 65536"), "{}", errors[0]);
}

#[test]
fn the_same_packet_is_filled_again_without_new_room() {
    let mut packets = read_from("octets", Cursor::new(hundred())).unwrap();
    let mut packet = CapturedPacket::default();
    packets.next_into(&mut packet).unwrap().unwrap();
    let (room, place) = (packet.octets.capacity(), packet.octets.as_ptr());
    let mut number = 1;
    while let Some(read) = packets.next_into(&mut packet) {
        read.unwrap();
        number += 1;
        assert_eq!((packet.number, packet.octets.as_slice()), (number, &[number as u8 - 1; 60][..]));
        assert_eq!((packet.octets.capacity(), packet.octets.as_ptr()), (room, place));
    }
    assert_eq!(number, 100);
}

#[test]
fn progress_counts_octets_of_the_file_and_of_a_compressed_one_what_is_compressed() {
    let dir = tempfile::tempdir().unwrap();
    for (name, octets) in [("plain.pcapng", hundred()), ("packed.pcapng.gz", gzip(&hundred()))] {
        let path = dir.path().join(name);
        std::fs::write(&path, &octets).unwrap();
        let packets = read(&path).unwrap();
        let progress = packets.progress();
        assert_eq!(packets.filter(|packet| packet.is_ok()).count(), 100);
        assert_eq!((progress.consumed(), progress.total()), (octets.len() as u64, Some(octets.len() as u64)));
    }
}

#[test]
fn secrets_come_before_the_packets_behind_them() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secrets.pcapng");
    let declared = [InterfaceDecl { name: "wan".into(), linktype: LinkType::RAW, description: String::new() }];
    let mut writer = PcapngWriter::create(&path, &declared).unwrap();
    writer.packet(0, 1, &[0x45; 20], None).unwrap();
    writer.secrets(Secrets::ESP_SA, b"\"IPv4\",\"*\"").unwrap();
    writer.packet(0, 2, &[0x45; 20], None).unwrap();
    writer.finish().unwrap();

    let mut packets = read(&path).unwrap();
    packets.next().unwrap().unwrap();
    assert!(packets.take_secrets().is_empty());
    packets.next().unwrap().unwrap();
    let secrets = packets.take_secrets();
    assert_eq!(
        (secrets.len(), secrets[0].kind, secrets[0].octets.as_slice()),
        (1, 0x4553_5053, &b"\"IPv4\",\"*\""[..])
    );
    assert!(!format!("{secrets:?}").contains("IPv4"), "{secrets:?}");
    assert!(packets.take_secrets().is_empty());

    match std::process::Command::new("capinfos").arg(&path).output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let line = text.lines().find(|line| line.contains("decryption secrets")).map(str::to_owned);
            assert!(line.is_some_and(|line| line.ends_with('1')), "{text}");
        }
        Err(error) => eprintln!("SKIP tool.capinfos: {error}"),
    }
}

#[test]
fn secrets_that_nobody_takes_are_limited() {
    let mut octets = section(false);
    let one = [[0x53, 0x50, 0x53, 0x45], (1u32 << 20).to_le_bytes()].concat();
    let one = block(false, 10, &[one, vec![7; 1 << 20]].concat());
    (0..17).for_each(|_| octets.extend(&one));
    let mut packets = read_from("octets", Cursor::new(octets)).unwrap();
    let error = packets.next().unwrap().unwrap_err();
    assert!(error.to_string().contains("more octets of decryption secrets than the limit of 16777216"), "{error}");
    assert_eq!((error.fatal, packets.take_secrets().len()), (false, 15));
}

#[test]
fn secrets_that_contradict_their_block_are_lost_and_number_no_packet() {
    let mut octets = [section(true), interface(true, 9, 0)].concat();
    octets.extend(block(true, 10, &[0x45, 0x53, 0x50, 0x53, 0, 0, 1, 0, 1, 2, 3, 4]));
    octets.extend(packet(true, 0, 0, &[1; 4]));
    let (packets, errors) = read_octets(&octets);
    assert_eq!((packets.len(), packets[0].number), (1, 1));
    assert_eq!((errors.len(), errors[0].fatal), (1, false));
    assert!(errors[0].to_string().contains("secrets that are longer than their block"), "{}", errors[0]);
}

#[test]
fn packets_that_the_capturing_program_missed_are_told() {
    let counter = |kind: u16, value: u64| [&kind.to_le_bytes()[..], &[8, 0], &value.to_le_bytes()].concat();
    let statistics = |interface: u32, counters: &[Vec<u8>]| {
        let head = [interface.to_le_bytes(), [0; 4], [0; 4]].concat();
        block(false, 5, &[head, counters.concat(), vec![0; 4]].concat())
    };
    let mut octets = [section(false), interface(false, 9, 0), interface(false, 9, 0)].concat();
    octets.extend(statistics(0, &[counter(5, 2)]));
    octets.extend(statistics(0, &[counter(5, 3), counter(7, 4)]));
    octets.extend(statistics(1, &[counter(5, u64::MAX), counter(4, 9)]));
    octets.extend([section(false), interface(false, 9, 0)].concat());
    octets.extend(statistics(0, &[counter(7, 100)]));

    let mut packets = read_from("octets", Cursor::new(octets)).unwrap();
    assert!(packets.next().is_none());
    assert_eq!(packets.missed(), 107);
}
