//! What tshark reads, as it tells in PDML: protocols and fields with values, each with its place in the frame.

use std::ops::Range;
use std::path::Path;
use std::process::Command;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::stack::{self, Here};

/// A packet as tshark sees it.
#[derive(Debug, Default)]
pub(crate) struct Packet {
    /// Its protocols, outermost first, in tshark's words.
    pub(crate) protocols: String,
    /// Fields of the layers that are looked into here as well.
    pub(crate) fields: Vec<Field>,
}

/// A field of tshark.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// The value for people.
    pub(crate) show: String,
    /// The value's octets in hexadecimal digits; of a field of bits its number.
    pub(crate) value: String,
    /// Its octets, counted in the frame or in whatever tshark made of it (decrypted, reassembled).
    pub(crate) place: Range<usize>,
    /// How many IP headers stand in front, its own included.
    pub(crate) level: usize,
}

/// Whether tshark is there.
pub(crate) fn is_installed() -> bool {
    Command::new("tshark").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Reads a capture with tshark, which finds its tables of keys in `profile` and nothing of the user's.
///
/// If `verify`, it looks at IPv4 header checksums, and then takes a fragment whose checksum is wrong for a whole packet.
pub(crate) fn read(capture: &Path, profile: &Path, verify: bool) -> Vec<Packet> {
    let mut tshark = Command::new("tshark");
    tshark.env("HOME", profile).env("WIRESHARK_CONFIG_DIR", profile).env("TZ", "UTC").env("LC_ALL", "C");
    tshark.arg("-n").args(["-T", "pdml"]).arg("-r").arg(capture);
    for preference in [
        "ip.defragment:TRUE",
        if verify { "ip.check_checksum:TRUE" } else { "ip.check_checksum:FALSE" },
        "esp.enable_encryption_decode:TRUE",
        "esp.enable_authentication_check:TRUE",
        // A guess at ESP whose encryption is NULL would be no reading of the packet.
        "esp.enable_null_encryption_decode_heuristic:FALSE",
    ] {
        tshark.args(["-o", preference]);
    }
    let output = tshark.output().expect("tshark can be started");
    parse(&String::from_utf8_lossy(&output.stdout))
}

/// An element that is open.
struct Open {
    /// Whether its fields are read.
    kept: bool,
}

fn parse(text: &str) -> Vec<Packet> {
    let mut reader = Reader::from_str(text);
    let mut packets = Vec::new();
    let mut packet = Packet::default();
    let mut open: Vec<Open> = Vec::new();
    let mut level = 0;
    let mut below = stack::Below::default();
    loop {
        match reader.read_event().expect("PDML is XML") {
            Event::Start(element) if element.name().as_ref() == b"packet" => {
                (packet, level, below) = (Packet::default(), 0, stack::Below::default());
            }
            Event::End(element) if element.name().as_ref() == b"packet" => packets.push(std::mem::take(&mut packet)),
            Event::Start(element) => {
                let kept = enter(&element, &mut packet, &open, &mut level, &mut below);
                open.push(Open { kept });
            }
            Event::Empty(element) => {
                enter(&element, &mut packet, &open, &mut level, &mut below);
            }
            Event::End(_) => {
                open.pop();
            }
            Event::Eof => return packets,
            _ => {}
        }
    }
}

/// Takes an element in; says whether the fields in it are read.
fn enter(
    element: &BytesStart<'_>,
    packet: &mut Packet,
    open: &[Open],
    level: &mut usize,
    below: &mut stack::Below,
) -> bool {
    let name = attribute(element, "name");
    match element.name().as_ref() {
        b"proto" => {
            if matches!(stack::here(&name), Here::Passed("ip" | "ipv6")) {
                *level += 1;
            }
            below.reads(&name)
        }
        b"field" => {
            let kept = open.last().is_none_or(|parent| parent.kept);
            if name == "frame.protocols" {
                packet.protocols = attribute(element, "show");
            } else if kept && !name.is_empty() {
                let number = |name| attribute(element, name).parse().unwrap_or(0);
                let (start, size): (usize, usize) = (number("pos"), number("size"));
                packet.fields.push(Field {
                    name,
                    show: attribute(element, "show"),
                    value: attribute(element, "value"),
                    place: start..start + size,
                    level: *level,
                });
            }
            kept
        }
        _ => true,
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> String {
    let found = element.try_get_attribute(name).ok().flatten();
    found
        .and_then(|attribute| {
            attribute.normalized_value(quick_xml::XmlVersion::Implicit1_0).ok().map(|text| text.into_owned())
        })
        .unwrap_or_default()
}
