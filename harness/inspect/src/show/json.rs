//! A packet's field tree as one line of JSON.
//!
//! ```json
//! {"number":1,"time_ns":0,"captured":112,"length":112,"link":101,"stack":"ip:gre:nhrp","summary":"...",
//!  "layers":[{"layer":"ip","at":[0,112],"fields":[{"path":"ip.src","value":"192.0.2.11","at":[12,16]}]}],
//!  "troubles":[]}
//! ```
//!
//! `at` is where the octets begin and end in the frame, or in `buffers[buffer]` where a layer or field has a `buffer`.
//! A field without `at` was made by the dissector. What another field says under a name is left out, and octets of a
//! secret are `null`. It is written straight into a buffer: a capture of a million packets is no place for a tree of
//! objects that is thrown away.

use std::io::Write as _;

use crate::capture::CapturedPacket;
use crate::dissect::{Dissection, Field, Fields, Value};

/// Appends the packet to `out`, with a line break behind it.
pub fn packet(out: &mut Vec<u8>, packet: &CapturedPacket, read: &Dissection) {
    out.extend_from_slice(b"{\"number\":");
    number(out, packet.number);
    out.extend_from_slice(b",\"time_ns\":");
    number(out, packet.timestamp_ns);
    out.extend_from_slice(b",\"captured\":");
    number(out, packet.octets.len() as u64);
    out.extend_from_slice(b",\"length\":");
    number(out, packet.original_len.into());
    out.extend_from_slice(b",\"link\":");
    number(out, packet.linktype.0.into());
    if let Some(comment) = &packet.comment {
        out.extend_from_slice(b",\"comment\":");
        text(out, comment);
    }
    tree(out, read);
    out.extend_from_slice(b"}\n");
}

/// Appends `,"stack":..,"summary":..,"layers":[..],"troubles":[..]` and the buffers that are not the frame.
fn tree(out: &mut Vec<u8>, read: &Dissection) {
    out.extend_from_slice(b",\"stack\":\"");
    list(out, read.layers(), b':', |out, layer| out.extend_from_slice(layer.name.as_bytes()));
    out.extend_from_slice(b"\",\"summary\":");
    text(out, read.summary());
    out.extend_from_slice(b",\"layers\":[");
    let mut index = 0;
    list(out, read.layers(), b',', |out, layer| {
        out.extend_from_slice(b"{\"layer\":\"");
        out.extend_from_slice(layer.name.as_bytes());
        out.push(b'"');
        buffer(out, layer.buffer);
        place(out, layer.range.start, layer.range.end);
        out.extend_from_slice(b",\"fields\":[");
        fields(out, read.fields_of(index), layer.buffer);
        out.extend_from_slice(b"]}");
        index += 1;
    });
    out.extend_from_slice(b"],\"troubles\":[");
    list(out, read.troubles(), b',', text);
    out.push(b']');
    if read.buffers().len() > 1 {
        out.extend_from_slice(b",\"buffers\":[");
        let mut first = true;
        list(out, read.buffers(), b',', |out, (what, octets)| {
            out.extend_from_slice(b"{\"what\":\"");
            out.extend_from_slice(what.as_bytes());
            out.push(b'"');
            // The frame stands in the capture; the others stand nowhere else.
            if !std::mem::take(&mut first) {
                out.extend_from_slice(b",\"octets\":\"");
                hex(out, octets);
                out.push(b'"');
            }
            out.push(b'}');
        });
        out.push(b']');
    }
}

fn fields(out: &mut Vec<u8>, fields: Fields<'_>, layer: u8) {
    let kept = fields.filter(|field| !field.alias && field.name != "malformed");
    list(out, kept, b',', |out, field| one(out, &field, layer));
}

fn one(out: &mut Vec<u8>, field: &Field<'_>, layer: u8) {
    out.extend_from_slice(b"{\"path\":\"");
    // Paths are made of the catalogue's words, dots, brackets and numbers.
    out.extend_from_slice(field.stem.as_bytes());
    out.extend_from_slice(field.name.as_bytes());
    out.extend_from_slice(b"\",\"value\":");
    match field.value {
        _ if field.secret => out.extend_from_slice(b"null"),
        Value::Uint(value) => number(out, value),
        Value::Addr(address) => {
            out.push(b'"');
            let _ = write!(out, "{address}");
            out.push(b'"');
        }
        Value::Bytes(octets) => {
            out.push(b'"');
            hex(out, octets);
            out.push(b'"');
        }
        Value::Text(words) => text(out, words),
    }
    if !field.range.is_empty() {
        if field.buffer != layer {
            buffer(out, field.buffer);
        }
        place(out, field.range.start, field.range.end);
    }
    if let Some(mask) = field.mask {
        out.extend_from_slice(b",\"mask\":");
        number(out, mask);
    }
    out.push(b'}');
}

fn buffer(out: &mut Vec<u8>, buffer: u8) {
    if buffer > 0 {
        out.extend_from_slice(b",\"buffer\":");
        number(out, buffer.into());
    }
}

fn place(out: &mut Vec<u8>, start: usize, end: usize) {
    out.extend_from_slice(b",\"at\":[");
    number(out, start as u64);
    out.push(b',');
    number(out, end as u64);
    out.push(b']');
}

fn list<T>(out: &mut Vec<u8>, items: impl Iterator<Item = T>, between: u8, mut item: impl FnMut(&mut Vec<u8>, T)) {
    for (index, value) in items.enumerate() {
        if index > 0 {
            out.push(between);
        }
        item(out, value);
    }
}

fn number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn text(out: &mut Vec<u8>, text: &str) {
    // Writing text into memory does not fail.
    let _ = serde_json::to_writer(out, text);
}

fn hex(out: &mut Vec<u8>, octets: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for octet in octets {
        out.extend_from_slice(&[DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 15)]]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::LinkType;

    fn captured(octets: Vec<u8>) -> CapturedPacket {
        CapturedPacket {
            number: 3,
            timestamp_ns: 5,
            interface: 0,
            linktype: LinkType::RAW,
            original_len: 1500,
            octets,
            comment: Some("a \"quoted\" word\n".to_owned()),
            offset: 0,
        }
    }

    fn line(octets: &[u8]) -> serde_json::Value {
        let mut out = Vec::new();
        packet(&mut out, &captured(octets.to_vec()), &Dissection::of_ip(octets));
        assert_eq!(out.pop(), Some(b'\n'));
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn every_field_has_its_place_and_value() {
        // GRE with key 42 and an echo request in it.
        let packet = [
            &[0x45, 0, 0, 56, 0, 1, 0, 0, 64, 47, 0, 0, 192, 0, 2, 11, 192, 0, 2, 1][..],
            &[0x20, 0, 8, 0, 0, 0, 0, 42],
            &[0x45, 0, 0, 28, 0, 1, 0, 0, 64, 1, 0, 0, 10, 0, 0, 11, 10, 0, 0, 1],
            &[8, 0, 0, 0, 0, 7, 0, 9],
        ]
        .concat();
        let value = line(&packet);
        assert_eq!(value["stack"], "ip:gre:ip:icmp");
        assert_eq!(value["comment"], "a \"quoted\" word\n");
        assert_eq!((&value["number"], &value["length"]), (&3.into(), &1500.into()));
        let gre = &value["layers"][1];
        let key = gre["fields"].as_array().unwrap().iter().find(|field| field["path"] == "gre.key").unwrap();
        assert_eq!((&key["value"], &key["at"]), (&42.into(), &serde_json::json!([24, 28])));
        assert_eq!(value["layers"][3]["fields"][3]["path"], "icmp.seq");
    }

    #[test]
    fn secrets_are_not_shown() {
        let nhrp = [
            &[0, 1, 8, 0, 0, 0, 0, 0, 0, 255, 0, 68, 0, 0, 0, 52, 1, 3, 4, 0][..],
            &[4, 4, 0, 0, 0, 0, 0, 1, 192, 0, 2, 11, 10, 0, 0, 11, 10, 0, 0, 1],
            &[0, 255, 0, 0, 5, 0, 1, 44, 0, 0, 0, 0],
            &[0x80, 7, 0, 8, 0, 0, 0, 1, b'w', b'o', b'r', b'd', 0x80, 0, 0, 0],
        ]
        .concat();
        let packet =
            [&[0x45, 0, 0, 92, 0, 1, 0, 0, 64, 47, 0, 0, 192, 0, 2, 11, 192, 0, 2, 1, 0, 0, 0x20, 1][..], &nhrp]
                .concat();
        let text = line(&packet).to_string();
        assert!(text.contains("ext.auth.form"), "{text}");
        assert!(!text.contains("776f7264"), "{text}");
    }

    proptest::proptest! {
        #[test]
        fn whatever_it_is_the_line_is_json(octets in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = line(&octets);
        }
    }
}
