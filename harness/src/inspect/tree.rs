//! A packet field by field, its octets beside the fields.
//!
//! ```text
//! offset   octets                   field             value
//! nhrp, octets 28 to 112
//!   003d     03                     hdr.type          3 (Registration Request)
//! ```
//!
//! Offsets count from the beginning of the frame; those of decrypted or reassembled octets begin with the number of their
//! buffer (`1:0004`), whose octets follow the fields. Octets of secrets are never shown.

use std::ops::Range;

use dmvpn_inspect::show::meaning::meaning;

use super::words;
use crate::capture::CapturedPacket;
use crate::dissect::{Dissection, Field, Value};
use crate::report::{Terminal, Tint};

/// Octets that stand beside a field at most.
const BESIDE: usize = 8;
/// Octets in a line of a dump.
const IN_LINE: usize = 16;
/// Characters of a value at most: all of a long one stands among the octets.
const LONGEST_VALUE: usize = 96;

/// The tree of a packet. Its time counts from `start_ns`.
pub fn render(packet: &CapturedPacket, read: &Dissection, start_ns: u64, terminal: &Terminal) -> String {
    let mut text = format!(
        "packet {} at {}, {} octets",
        packet.number,
        words::relative(packet.timestamp_ns, start_ns),
        packet.octets.len()
    );
    if u64::from(packet.original_len) > packet.octets.len() as u64 {
        text += &format!(" of {}", packet.original_len);
    }
    text += &format!(", link type {}, at offset {} of the file: {}\n", packet.linktype.0, packet.offset, read.stack());
    if let Some(comment) = &packet.comment {
        text += &format!("comment: {}\n", terminal.safe(comment).replace('\n', " "));
    }
    text += &format!("{}\n", terminal.safe(read.summary()));
    let rows: Vec<(String, Vec<Line>)> = layers(read);
    let widest = rows.iter().flat_map(|(_, lines)| lines).map(|line| line.path.len()).max().unwrap_or(0);
    for (title, lines) in &rows {
        text += &format!("\n{}\n", terminal.paint(Tint::Strong, title));
        for line in lines {
            let value = terminal.safe(&line.value);
            text += format!("  {:<8} {:<26} {:<widest$}  {value}", line.offset, line.octets, line.path).trim_end();
            text.push('\n');
        }
    }
    for trouble in read.troubles() {
        text += &format!("\n{} {}\n", terminal.paint(Tint::Bad, "trouble:"), terminal.safe(trouble));
    }
    for (number, (what, octets)) in (0u8..).zip(read.buffers()) {
        text += &format!("\n{}\n", terminal.paint(Tint::Strong, &format!("{what}, {} octets", octets.len())));
        text += &dump(octets, number, &secrets(read, number));
    }
    text
}

/// A field as it is printed.
struct Line {
    offset: String,
    octets: String,
    path: String,
    value: String,
}

fn layers(read: &Dissection) -> Vec<(String, Vec<Line>)> {
    let mut rows: Vec<(String, Vec<Line>)> = Vec::new();
    for (index, layer) in read.layers().enumerate() {
        let of = if layer.buffer > 0 { format!(" of buffer {}", layer.buffer) } else { String::new() };
        let title = format!("{}, octets {} to {}{of}", layer.name, layer.range.start, layer.range.end);
        let fields = read.fields_of(index).filter(|field| !field.alias && field.name != "malformed");
        rows.push((title, fields.map(|field| line(&field, read)).collect()));
    }
    rows
}

fn line(field: &Field<'_>, read: &Dissection) -> Line {
    let octets = read.buffer(field.buffer).get(field.range.clone()).unwrap_or_default();
    let mut beside = hex(octets.get(..BESIDE.min(octets.len())).unwrap_or_default(), field.secret);
    if octets.len() > BESIDE {
        beside += " ..";
    }
    if let Some(mask) = field.mask {
        beside += &format!(" & {mask:x}");
    }
    Line {
        offset: if field.range.is_empty() { String::new() } else { offset(field.buffer, field.range.start) },
        octets: beside,
        path: field.path(),
        value: value(field, read),
    }
}

/// The value of a field with the name of what it stands for.
pub(super) fn value(field: &Field<'_>, read: &Dissection) -> String {
    if field.secret {
        return format!("({} octets of a secret)", field.range.len());
    }
    let plain = match field.value {
        Value::Uint(number) if in_hexadecimal(field) => format!("0x{number:0width$x}", width = 2 * field.range.len()),
        value => value.to_string(),
    };
    let plain = match plain.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}..", plain.get(..end).unwrap_or_default()),
        None => plain,
    };
    match meaning(field, read) {
        Some(name) => format!("{plain} ({name})"),
        None => plain,
    }
}

/// Numbers that nobody reads in decimal digits.
fn in_hexadecimal(field: &Field<'_>) -> bool {
    let hexadecimal =
        ["spi", "flags", "chksum", "checksum", "protocol_type", "gre.protocol", "eth.type", "vlan.type", "sll.type"];
    hexadecimal.iter().any(|word| field.name.ends_with(word)) && field.mask.is_none() && !field.range.is_empty()
}

fn offset(buffer: u8, at: usize) -> String {
    if buffer == 0 { format!("{at:04x}") } else { format!("{buffer}:{at:04x}") }
}

fn hex(octets: &[u8], hidden: bool) -> String {
    let digits = |octet: &u8| if hidden { "**".to_owned() } else { format!("{octet:02x}") };
    octets.iter().map(digits).collect::<Vec<_>>().join(" ")
}

/// Where the octets of secrets are in a buffer.
pub(super) fn secrets(read: &Dissection, buffer: u8) -> Vec<Range<usize>> {
    read.fields().filter(|field| field.secret && field.buffer == buffer).map(|field| field.range).collect()
}

fn dump(octets: &[u8], buffer: u8, secrets: &[Range<usize>]) -> String {
    let mut text = String::new();
    for (line, part) in octets.chunks(IN_LINE).enumerate() {
        let start = line * IN_LINE;
        let hidden = |at: usize| secrets.iter().any(|range| range.contains(&(start + at)));
        let hex: Vec<String> = part.iter().enumerate().map(|(at, octet)| hex(&[*octet], hidden(at))).collect();
        let letter = |(at, octet): (usize, &u8)| match octet {
            _ if hidden(at) => '*',
            octet if octet.is_ascii_graphic() => char::from(*octet),
            _ => '.',
        };
        let ascii: String = part.iter().enumerate().map(letter).collect();
        text += &format!("  {:<8} {:<47}  {ascii}\n", offset(buffer, start), hex.join(" "));
    }
    text
}
