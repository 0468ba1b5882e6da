use std::{path::PathBuf, process::Command};

use tempfile::TempDir;

use super::*;

/// An IPv4 header and a GRE header with nothing in it.
const GRE: [u8; 24] = [0x45, 0, 0, 24, 0, 1, 0, 0, 64, 47, 0xf6, 0xa1, 192, 0, 2, 11, 192, 0, 2, 1, 0, 0, 0x20, 0x01];
const TEN_O_CLOCK: u64 = 1_767_261_600_123_456_789;

fn interfaces() -> Vec<InterfaceDecl> {
    vec![
        InterfaceDecl { name: "wan".into(), linktype: LinkType::RAW, description: "between hub and spoke".into() },
        InterfaceDecl { name: "lan".into(), linktype: LinkType::ETHERNET, description: String::new() },
    ]
}

fn sample() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wan.pcapng");
    let mut writer = PcapngWriter::create(&path, &interfaces()).unwrap();
    assert_eq!(writer.packet(0, TEN_O_CLOCK, &GRE, Some("step 2: expect a Registration Request")).unwrap(), 1);
    assert_eq!(writer.packet(1, TEN_O_CLOCK + 1, &[0u8; 61], None).unwrap(), 2);
    assert_eq!(writer.packet(0, TEN_O_CLOCK + 1_000_000_000, &GRE, None).unwrap(), 3);
    writer.finish().unwrap();
    (dir, path)
}

#[test]
fn what_was_written_is_read_to_the_nanosecond() {
    let (_dir, path) = sample();

    let mut packets = read(&path).unwrap();
    let first = packets.next().unwrap().unwrap();

    assert_eq!(first.number, 1);
    assert_eq!(first.timestamp_ns, TEN_O_CLOCK);
    assert_eq!((first.interface, first.linktype), (0, LinkType::RAW));
    assert_eq!(first.octets, GRE);
    assert_eq!(first.comment.as_deref(), Some("step 2: expect a Registration Request"));
    assert_eq!(packets.interfaces(), interfaces());
    let second = packets.next().unwrap().unwrap();
    assert_eq!((second.linktype, second.octets.len(), second.comment), (LinkType::ETHERNET, 61, None));
    assert_eq!(packets.map(|packet| packet.unwrap().timestamp_ns).collect::<Vec<_>>(), [TEN_O_CLOCK + 1_000_000_000]);
}

#[test]
fn every_truncation_keeps_the_packets_before_it() {
    let (dir, path) = sample();
    let whole = std::fs::read(&path).unwrap();
    let ends: Vec<u64> = read_all(&path).0.iter().map(|packet| packet.offset).collect();
    let cut = dir.path().join("cut.pcapng");

    for length in 0..whole.len() {
        std::fs::write(&cut, &whole[..length]).unwrap();
        let (packets, errors) = read_all(&cut);

        let complete = ends.iter().skip(1).filter(|end| **end <= length as u64).count();
        assert_eq!(packets.len(), complete, "cut at {length}");
        let at_a_border = errors.is_empty();
        if !at_a_border {
            assert_eq!(errors.len(), 1, "cut at {length}");
            assert_eq!(errors[0].packet, packets.len() as u64 + 1, "cut at {length}");
            assert!(errors[0].offset <= length as u64 && errors[0].fatal, "cut at {length}: {}", errors[0]);
        }
    }
}

#[test]
fn every_flipped_octet_is_read_without_a_panic() {
    let (dir, path) = sample();
    let whole = std::fs::read(&path).unwrap();
    let bent = dir.path().join("bent.pcapng");

    for place in 0..whole.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut octets = whole.clone();
            octets[place] ^= flip;
            std::fs::write(&bent, &octets).unwrap();
            let (packets, errors) = read_all(&bent);
            assert!(packets.len() <= 3 && errors.len() <= 4, "octet {place} ^ {flip:#x}");
        }
    }
}

#[test]
fn one_malformed_packet_does_not_hide_the_next() {
    let (_dir, path) = sample();
    let mut octets = std::fs::read(&path).unwrap();
    let second = usize::try_from(read_all(&path).0[1].offset).unwrap();
    // The captured length lies behind block type, block length, interface and two halves of the time.
    octets[second + 20] = 0xff;
    std::fs::write(&path, octets).unwrap();

    let (packets, errors) = read_all(&path);

    assert_eq!(packets.iter().map(|packet| packet.number).collect::<Vec<_>>(), [1, 3]);
    assert_eq!((errors.len(), errors[0].packet, errors[0].fatal), (1, 2, false));
    let text = errors[0].to_string();
    assert!(text.contains(&format!("at packet 2, offset {second}")), "{text}");
}

/// A pcap file with one packet, of the given magic number, one second and a fraction after 1970.
fn pcap(magic: [u8; 4], fraction: u32, snaplen: u32) -> Vec<u8> {
    let mut octets = magic.to_vec();
    octets.extend([2, 0, 4, 0]);
    octets.extend([0; 8]);
    octets.extend(snaplen.to_le_bytes());
    octets.extend(1u32.to_le_bytes());
    for number in [1, fraction, 4, 1500] {
        octets.extend(number.to_le_bytes());
    }
    octets.extend([1, 2, 3, 4]);
    octets
}

#[test]
fn classic_pcap_in_both_resolutions() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("old.pcap");
    // The second one stores more than it declares, as real tools do.
    for (octets, expected) in [
        (pcap([0xd4, 0xc3, 0xb2, 0xa1], 5, 65535), 1_000_005_000),
        (pcap([0x4d, 0x3c, 0xb2, 0xa1], 5, 2), 1_000_000_005),
    ] {
        std::fs::write(&path, &octets).unwrap();
        let (packets, errors) = read_all(&path);
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(packets.len(), 1);
        assert_eq!((packets[0].timestamp_ns, packets[0].original_len, packets[0].offset), (expected, 1500, 24));
        assert_eq!(packets[0].linktype, LinkType::ETHERNET);

        std::fs::write(&path, &octets[..octets.len() - 1]).unwrap();
        let (packets, errors) = read_all(&path);
        assert!(packets.is_empty());
        assert!(matches!(errors[0].kind, ReadErrorKind::Truncated), "{errors:?}");
        assert_eq!((errors[0].packet, errors[0].offset), (1, 24));
    }
}

#[test]
fn what_is_no_capture_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    for (octets, expected) in [
        (&b""[..], "the file is empty"),
        (&b"\x1f\x8b\x08\x00"[..], "ends in the middle"),
        (&b"\x28\xb5\x2f\xfd\x04"[..], "compressed with zstd"),
        (&b"snoop\0\0\0"[..], "starts with 73 6e 6f 6f"),
        (&b"\x0a\x0d\x0d\x0a\x1c"[..], "ends in the middle"),
    ] {
        std::fs::write(&path, octets).unwrap();
        let error = read(&path).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(read(&dir.path().join("missing")).err().unwrap().to_string().contains("No such file"));
}

#[test]
fn an_existing_capture_is_not_overwritten() {
    let (_dir, path) = sample();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(PcapngWriter::create(&path, &interfaces()), Err(WriteError::Io(_))));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn wrong_use_is_refused_and_leaves_the_capture_whole() {
    let mut writer = PcapngWriter::new(Vec::new(), &interfaces()).unwrap();
    assert!(matches!(writer.packet(2, 0, &GRE, None), Err(WriteError::UnknownInterface(2))));
    assert_eq!(writer.packet(1, 0, &GRE, Some(&"é".repeat(40_000))).unwrap(), 1);

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.pcapng");
    std::fs::write(&path, writer.finish().unwrap()).unwrap();
    let (packets, errors) = read_all(&path);
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(packets[0].comment.as_ref().unwrap().len(), 65_534);
}

/// A writer with room for so many octets.
struct Full(usize);

impl std::io::Write for Full {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.checked_sub(octets.len()).ok_or(std::io::ErrorKind::StorageFull)?;
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_reported_and_nothing_follows_the_torn_block() {
    let mut writer = PcapngWriter::new(Full(300), &interfaces()).unwrap();
    let error = (0..10).find_map(|_| writer.packet(0, 0, &GRE, None).err()).unwrap();
    assert!(matches!(error, WriteError::Io(ref error) if error.kind() == std::io::ErrorKind::StorageFull));
    assert!(matches!(writer.packet(0, 0, &GRE, None), Err(WriteError::GivenUp)));
}

/// The output of a Wireshark tool, or nothing with a note when it is not installed.
fn wireshark(tool: &str, arguments: &[&str], path: &std::path::Path) -> Option<String> {
    match Command::new(tool).args(arguments).arg(path).output() {
        Ok(output) => {
            assert!(output.status.success(), "{tool}: {}", String::from_utf8_lossy(&output.stderr));
            Some(String::from_utf8(output.stdout).unwrap())
        }
        Err(error) => {
            eprintln!("SKIP tool.{tool}: {error}");
            None
        }
    }
}

#[test]
fn capinfos_reads_the_headers() {
    let (_dir, path) = sample();
    let Some(text) = wireshark("capinfos", &[], &path) else { return };
    for expected in
        ["pcapng", "Number of packets:   3", "nanoseconds", "dmvpn-lab", "Name = wan", "between hub and spoke"]
    {
        assert!(text.contains(expected), "{expected} not in:\n{text}");
    }
}

#[test]
fn tshark_reads_time_protocol_and_comment() {
    let (_dir, path) = sample();
    let arguments = ["-Tfields", "-eframe.time_epoch", "-eframe.comment", "-egre.proto", "-Y", "gre", "-r"];
    let Some(text) = wireshark("tshark", &arguments, &path) else { return };
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        ["1767261600.123456789\tstep 2: expect a Registration Request\t0x2001", "1767261601.123456789\t\t0x2001"]
    );
}

/// All files below a directory.
fn files_below(directory: &std::path::Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn captures_of_others_are_read_as_tshark_reads_them() {
    let Some(directory) = std::env::var_os("DMVPN_LAB_CAPTURES") else {
        eprintln!("SKIP captures: DMVPN_LAB_CAPTURES is not set");
        return;
    };
    let is_capture =
        |path: &PathBuf| path.extension().is_some_and(|e| e == "pcap" || e == "pcapng" || e == "cap" || e == "gz");
    for path in files_below(std::path::Path::new(&directory)).into_iter().filter(is_capture) {
        let tshark = ["-n", "-Tfields", "-eframe.time_epoch", "-eframe.cap_len", "-r"];
        // A truncated file makes tshark fail after its output; it still says what it read.
        let Ok(output) = Command::new("tshark").args(tshark).arg(&path).output() else {
            eprintln!("SKIP tool.tshark: not installed");
            return;
        };
        let expected = String::from_utf8(output.stdout).unwrap();
        let (packets, errors) = read_all(&path);
        let ours: String = packets
            .iter()
            .map(|packet| {
                let (seconds, rest) = (packet.timestamp_ns / 1_000_000_000, packet.timestamp_ns % 1_000_000_000);
                format!("{seconds}.{rest:09}\t{}\n", packet.octets.len())
            })
            .collect();
        assert_eq!(ours, expected, "{} {errors:?}", path.display());
        assert_eq!(errors.is_empty(), output.status.success(), "{} {errors:?}", path.display());
    }
}

/// Seconds since 1970 need 32 bits from 2038-01-19 on, and 33 from 2106-02-07 on.
#[test]
fn stamps_pass_the_borders_of_32_bits() {
    for second in [1u64 << 31, 1 << 32] {
        let stamps = [second * 1_000_000_000 - 1, second * 1_000_000_000, second * 1_000_000_000 + 123_456_789];
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("border.pcapng");
        let mut writer = PcapngWriter::create(&path, &interfaces()).unwrap();
        for stamp in stamps {
            writer.packet(0, stamp, &GRE, None).unwrap();
        }
        writer.finish().unwrap();
        let back: Vec<u64> = read(&path).unwrap().map(|packet| packet.unwrap().timestamp_ns).collect();
        assert_eq!(back, stamps);

        // A program of other authors sees the same instants.
        let arguments = ["-n", "-T", "fields", "-e", "frame.time_epoch", "-r"];
        let Ok(output) = Command::new("tshark").args(arguments).arg(&path).output() else {
            let denied = std::env::var_os("DMVPN_LAB_DENY_SKIPS").is_some_and(|value| value == "1");
            assert!(!denied, "tshark is not installed, and skips are denied");
            eprintln!("skipped: tshark is not installed; the capture was not read by it");
            return;
        };
        let told = String::from_utf8(output.stdout).unwrap();
        let wanted = format!("{}.999999999\n{second}.000000000\n{second}.123456789\n", second - 1);
        assert_eq!(told, wanted);
    }
}
