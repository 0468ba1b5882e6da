//! Every NHRP packet of other people's captures, if there are any at hand: third-party files are not part of this
//! project, so `DMVPN_LAB_CAPTURES` says where they are.

use std::fs::File;
use std::path::{Path, PathBuf};

use dmvpn_wire::code::{EtherType, IpProtocol};
use dmvpn_wire::nhrp::{Message, pretty};
use dmvpn_wire::{gre, ipv4};
use pcap_file::pcap::PcapReader;

#[test]
fn nhrp_of_other_peoples_captures_both_ways() {
    let Some(root) = std::env::var_os("DMVPN_LAB_CAPTURES") else {
        eprintln!("skipped: DMVPN_LAB_CAPTURES is not set, so there are no third-party captures to read");
        return;
    };
    let folder = Path::new(&root).join("the-tcpdump-group-tcpdump");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pcap"))
        .collect();
    files.sort();

    let mut same = 0;
    let mut refused = Vec::new();
    for file in &files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        for (number, frame) in frames(file).iter().enumerate() {
            let Some(nhrp) = nhrp_in(frame) else { continue };
            assert!(!pretty::details(nhrp).to_string().is_empty());
            match Message::parse(nhrp) {
                Ok(message) => {
                    assert_eq!(message.to_vec().as_deref(), Ok(nhrp), "{name} packet {}", number + 1);
                    same += 1;
                }
                Err(error) => refused.push(format!("{name} packet {}: {error}: {}", number + 1, pretty::summary(nhrp))),
            }
        }
    }
    eprintln!("{same} NHRP packets both ways, refused: {refused:#?}");
    assert!(same > 0, "no NHRP in {}", folder.display());
}

/// The frames of a file, as far as it can be read: some are broken on purpose.
fn frames(file: &Path) -> Vec<Vec<u8>> {
    let Ok(mut reader) = PcapReader::new(File::open(file).expect("a readable file")) else { return Vec::new() };
    let mut frames = Vec::new();
    while let Some(Ok(packet)) = reader.next_packet() {
        frames.push(packet.data().to_vec());
    }
    frames
}

/// The NHRP message in GRE in IPv4, behind an Ethernet header, with or without a VLAN tag, or behind none.
fn nhrp_in(frame: &[u8]) -> Option<&[u8]> {
    let ip = match frame {
        [_, _, _, _, _, _, _, _, _, _, _, _, 0x08, 0x00, ip @ ..] => ip,
        [_, _, _, _, _, _, _, _, _, _, _, _, 0x81, 0x00, _, _, 0x08, 0x00, ip @ ..] => ip,
        [0x45..=0x4f, ..] => frame,
        _ => return None,
    };
    let (outer, payload) = ipv4::Repr::parse(ip).ok()?;
    if outer.protocol != IpProtocol::GRE {
        return None;
    }
    let (header, payload) = gre::Repr::parse(payload).ok()?;
    (header.protocol == EtherType::NHRP).then_some(payload)
}

/// Facts of one recorded exchange: a redirect, the request it brings about, its copy from the hub, the direct reply.
#[test]
fn a_recorded_redirect_and_what_it_brings_about() {
    let Some(root) = std::env::var_os("DMVPN_LAB_CAPTURES") else {
        eprintln!("skipped: DMVPN_LAB_CAPTURES is not set, so there are no third-party captures to read");
        return;
    };
    let frames = frames(&Path::new(&root).join("the-tcpdump-group-tcpdump/nhrp-trace.pcap"));
    let lines: Vec<String> =
        frames.iter().filter_map(|frame| nhrp_in(frame)).map(|nhrp| pretty::summary(nhrp).to_string()).collect();
    for line in &lines {
        eprintln!("{line}");
    }
    let starts = [
        "NHRP Traffic Indication Redirect",
        "NHRP Resolution Request id 5",
        "NHRP Resolution Request id 5",
        "NHRP Resolution Reply id 5",
    ];
    assert!(lines.len() >= starts.len(), "{lines:#?}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}");
    }
}
