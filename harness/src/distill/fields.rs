//! The fields of a message as lines of a `match`.

use std::collections::BTreeSet;

use crate::dissect::catalogue::{self, FieldKind};
use crate::dissect::{Dissection, FieldValue};
use crate::expect::matcher::shown;

/// The field with the octets of a Cisco authentication string.
const SECRET: &str = "ext.auth.secret";

/// Checksums follow from everything else, and every change of a draft would have to change them; whether they are right is
/// a field of its own.
const FOLLOWS: [&str; 2] = ["hdr.chksum", "gre.checksum"];

/// The secret of a message, if it has one.
pub(super) fn secret(read: &Dissection) -> Option<Vec<u8>> {
    match read.value(SECRET)? {
        FieldValue::Bytes(octets) => Some(octets),
        _ => None,
    }
}

/// Every field of GRE and NHRP that suites have a name for, with what it is held against. `id` is the request id that the
/// case knows as `$id`; the first message that has one binds it. Of octets with a secret in them, as of a message that an
/// Error Indication quotes, only the length is written.
pub(super) fn lines(read: &Dissection, id: &mut Option<u64>, secrets: &[Vec<u8>]) -> Vec<String> {
    let is_secret =
        |octets: &[u8]| secrets.iter().any(|secret| octets.windows(secret.len()).any(|part| part == secret));
    let layers = read.layers().enumerate().filter(|(_, layer)| matches!(layer.name, "gre" | "nhrp"));
    let fields: Vec<_> = layers.flat_map(|(index, _)| read.fields_of(index)).filter(|field| !field.alias).collect();
    let mut seen = BTreeSet::new();
    let mut lines = Vec::new();
    for field in fields {
        let path = field.path();
        let Ok(kind) = catalogue::lookup(&path) else { continue };
        // What comes twice has one name, which means the first.
        if FOLLOWS.contains(&path.as_str()) || !seen.insert(path.clone()) {
            continue;
        }
        let value = field.value.to_owned();
        let wanted = match &value {
            FieldValue::Bytes(octets) if is_secret(octets) => Some(format!("{{ len: {} }}", octets.len())),
            FieldValue::Uint(number) if path == "request_id" || path == "error.quoted.request_id" => match *id {
                Some(known) if known == *number => Some("$id".to_owned()),
                None if path == "request_id" => {
                    *id = Some(*number);
                    Some("{ bind: id }".to_owned())
                }
                _ => Some(number.to_string()),
            },
            value => literal(&path, kind, value),
        };
        lines.extend(wanted.map(|wanted| format!("{}: {wanted}", key(&path))));
    }
    lines
}

/// A path as a key of YAML.
fn key(path: &str) -> String {
    if path.contains('[') { format!("\"{path}\"") } else { path.to_owned() }
}

/// A value as suites write it for a field of that kind; `None` where it can not be written, as an address of odd length.
fn literal(path: &str, kind: FieldKind, value: &FieldValue) -> Option<String> {
    Some(match (kind, value) {
        (FieldKind::Seconds, FieldValue::Uint(number)) => format!("{number}s"),
        (FieldKind::Uint { .. } | FieldKind::Flag, value @ FieldValue::Uint(_)) => shown(path, value),
        (FieldKind::Addr, FieldValue::Addr(address)) => quoted(&address.to_string(), address.is_ipv6()),
        (FieldKind::Bytes, FieldValue::Bytes(octets)) if octets.is_empty() => "{ len: 0 }".to_owned(),
        (FieldKind::Bytes, FieldValue::Bytes(octets)) => {
            let digits: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
            format!("{{ hex: \"{digits}\" }}")
        }
        (FieldKind::Text, FieldValue::Text(text)) if text.is_empty() => "{ len: 0 }".to_owned(),
        (FieldKind::Text, FieldValue::Text(text)) => quoted(text, true),
        _ => return None,
    })
}

/// A text in quotes where YAML could take it for something else.
pub(super) fn quoted(text: &str, always: bool) -> String {
    // JSON's strings are YAML's.
    if always { serde_json::Value::from(text).to_string() } else { text.to_owned() }
}
