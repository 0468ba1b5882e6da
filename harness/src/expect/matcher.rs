//! One group of field matchers against one packet, one CIE or one line of a view.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::env::Env;
use crate::dissect::{Dissection, FieldValue};
use crate::suite::{FieldMatch, Matcher, Value};
use crate::verdict::FieldRow;

/// Something that has fields by path.
pub trait Fields {
    /// The value of a field; `None` if it is not there.
    fn value(&self, path: &str) -> Option<FieldValue>;
    /// How many elements a list has; `None` if there is no such list.
    fn list_len(&self, path: &str) -> Option<usize>;
    /// Where the octets of a field start in the packet.
    fn offset(&self, path: &str) -> Option<usize>;
}

impl Fields for Dissection {
    fn value(&self, path: &str) -> Option<FieldValue> {
        Dissection::value(self, path)
    }

    fn list_len(&self, path: &str) -> Option<usize> {
        Dissection::list_len(self, path)
    }

    fn offset(&self, path: &str) -> Option<usize> {
        // Octets that were decrypted or put together stand nowhere in the packet.
        let field = self.field(path).filter(|field| field.buffer == 0 && !field.range.is_empty())?;
        Some(field.range.start)
    }
}

/// A line of a state view.
impl Fields for BTreeMap<String, FieldValue> {
    fn value(&self, path: &str) -> Option<FieldValue> {
        self.get(path).cloned()
    }

    fn list_len(&self, _: &str) -> Option<usize> {
        None
    }

    fn offset(&self, _: &str) -> Option<usize> {
        None
    }
}

/// Values that a match binds, to be given to the [`Env`] if the whole packet fits.
pub type Bindings = Vec<(String, FieldValue)>;

/// Checks every matcher of a group and adds a line for each to `rows`. All are looked at, so that a comparison shows
/// every difference and not the first. `prefix` stands in front of the paths (`cie[0].`), or is empty.
pub fn check_row(
    fields: &dyn Fields,
    prefix: &str,
    group: &[FieldMatch],
    env: &Env,
    rows: &mut Vec<FieldRow>,
    bindings: &mut Bindings,
) -> bool {
    let mut fits = true;
    for wanted in group {
        let path = format!("{prefix}{}", wanted.path);
        fits &= match &wanted.matcher {
            Matcher::Contains(groups) => contains(fields, &path, groups, env, rows, bindings),
            Matcher::Exactly(groups) => exactly(fields, &path, groups, env, rows, bindings),
            Matcher::Every(group) => every(fields, &path, group, env, rows, bindings),
            matcher => single(fields, &path, matcher, env, rows, bindings),
        };
    }
    fits
}

fn single(
    fields: &dyn Fields,
    path: &str,
    matcher: &Matcher,
    env: &Env,
    rows: &mut Vec<FieldRow>,
    bindings: &mut Bindings,
) -> bool {
    let actual = fields.value(path);
    let settled = settle(fields, matcher);
    let fits = settled.as_ref().is_some_and(|matcher| holds_in(fields, path, matcher, env));
    if fits && let (Matcher::Bind(name), Some(value)) = (matcher, &actual) {
        bindings.push((name.clone(), value.clone()));
    }
    rows.push(FieldRow {
        field: path.to_owned(),
        expected: match settled {
            Some(settled) => wanted_text(path, &settled, env) + &origin(matcher),
            None => format!("{matcher}, which is not there"),
        },
        actual: actual.map_or_else(|| "absent".to_owned(), |value| shown(path, &value)),
        offset: fields.offset(path),
        differs: !fits,
    });
    fits
}

/// A matcher with what other fields hold put in their place; `None` where such a field is not there.
fn settle<'m>(fields: &dyn Fields, matcher: &'m Matcher) -> Option<Cow<'m, Matcher>> {
    let literal = |value: &Value| match value {
        Value::Field(other) => Some(match fields.value(&other.path)? {
            FieldValue::Uint(number) => Value::Int(number.checked_add_signed(other.plus)?),
            FieldValue::Addr(address) => Value::Addr(address),
            FieldValue::Bytes(octets) => Value::Hex(octets),
            FieldValue::Text(text) => Value::Text(text),
        }),
        value => Some(value.clone()),
    };
    let settled = match matcher {
        Matcher::Literal(value) => Matcher::Literal(literal(value)?),
        Matcher::Ge(value) => Matcher::Ge(literal(value)?),
        Matcher::Gt(value) => Matcher::Gt(literal(value)?),
        Matcher::Le(value) => Matcher::Le(literal(value)?),
        Matcher::Lt(value) => Matcher::Lt(literal(value)?),
        Matcher::Between(low, high) => Matcher::Between(literal(low)?, literal(high)?),
        Matcher::OneOf(values) => Matcher::OneOf(values.iter().map(literal).collect::<Option<_>>()?),
        Matcher::Not(inner) => Matcher::Not(Box::new(settle(fields, inner)?.into_owned())),
        matcher => return Some(Cow::Borrowed(matcher)),
    };
    Some(Cow::Owned(settled))
}

/// Which other field a wanted value comes from, for people.
fn origin(matcher: &Matcher) -> String {
    match matcher {
        Matcher::Literal(Value::Field(other))
        | Matcher::Ge(Value::Field(other))
        | Matcher::Gt(Value::Field(other))
        | Matcher::Le(Value::Field(other))
        | Matcher::Lt(Value::Field(other)) => format!(" ({other})"),
        Matcher::Not(inner) => origin(inner),
        _ => String::new(),
    }
}

/// Whether a field is as wanted, where the whole packet is at hand: lists and lengths are judged as well, also under a
/// `not`.
fn holds_in(fields: &dyn Fields, path: &str, matcher: &Matcher, env: &Env) -> bool {
    let actual = fields.value(path);
    match matcher {
        Matcher::Not(inner) => !holds_in(fields, path, inner, env),
        Matcher::Len(wanted) => match (&actual, fields.list_len(path)) {
            (Some(FieldValue::Bytes(octets)), _) => octets.len() as u64 == *wanted,
            (Some(FieldValue::Text(text)), _) => text.len() as u64 == *wanted,
            (_, Some(len)) => len as u64 == *wanted,
            _ => false,
        },
        Matcher::Contains(groups) => contains(fields, path, groups, env, &mut Vec::new(), &mut Bindings::new()),
        Matcher::Exactly(groups) => exactly(fields, path, groups, env, &mut Vec::new(), &mut Bindings::new()),
        Matcher::Every(group) => every(fields, path, group, env, &mut Vec::new(), &mut Bindings::new()),
        matcher => holds(matcher, actual.as_ref(), env),
    }
}

fn exactly(
    fields: &dyn Fields,
    path: &str,
    groups: &[Vec<FieldMatch>],
    env: &Env,
    rows: &mut Vec<FieldRow>,
    bindings: &mut Bindings,
) -> bool {
    let len = fields.list_len(path);
    let mut fits = len == Some(groups.len());
    rows.push(FieldRow {
        field: format!("{path}.count"),
        expected: groups.len().to_string(),
        actual: len.map_or_else(|| "absent".to_owned(), |len| len.to_string()),
        offset: None,
        differs: !fits,
    });
    for (index, group) in groups.iter().enumerate() {
        fits &= check_row(fields, &format!("{path}[{index}]."), group, env, rows, bindings);
    }
    fits
}

fn every(
    fields: &dyn Fields,
    path: &str,
    group: &[FieldMatch],
    env: &Env,
    rows: &mut Vec<FieldRow>,
    bindings: &mut Bindings,
) -> bool {
    let len = fields.list_len(path).unwrap_or(0);
    (0..len)
        .fold(true, |fits, index| fits & check_row(fields, &format!("{path}[{index}]."), group, env, rows, bindings))
}

/// Each group takes the first element that nobody took and that fits. Groups of a suite are few and differ in a key, so
/// a search for the best assignment would never find more.
fn contains(
    fields: &dyn Fields,
    path: &str,
    groups: &[Vec<FieldMatch>],
    env: &Env,
    rows: &mut Vec<FieldRow>,
    bindings: &mut Bindings,
) -> bool {
    let len = fields.list_len(path).unwrap_or(0);
    let mut taken = vec![false; len];
    let mut fits = true;
    for group in groups {
        let found = (0..len).filter(|index| !taken[*index]).find_map(|index| {
            let (mut rows, mut bindings) = (Vec::new(), Bindings::new());
            check_row(fields, &format!("{path}[{index}]."), group, env, &mut rows, &mut bindings)
                .then_some((index, rows, bindings))
        });
        match found {
            Some((index, found_rows, found_bindings)) => {
                taken[index] = true;
                rows.extend(found_rows);
                bindings.extend(found_bindings);
            }
            None => {
                fits = false;
                let wanted: Vec<String> = group.iter().map(ToString::to_string).collect();
                rows.push(FieldRow {
                    field: path.to_owned(),
                    expected: format!("an element where {}", wanted.join(", ")),
                    actual: format!("none of {len}"),
                    offset: None,
                    differs: true,
                });
            }
        }
    }
    fits
}

/// Whether one value is as wanted.
pub fn holds(matcher: &Matcher, actual: Option<&FieldValue>, env: &Env) -> bool {
    let compare = |wanted: &Value, fits: fn(std::cmp::Ordering) -> bool| match (env.value(wanted), actual) {
        (Some(FieldValue::Uint(wanted)), Some(FieldValue::Uint(actual))) => fits(actual.cmp(&wanted)),
        _ => false,
    };
    match matcher {
        Matcher::Literal(value) => equal(env.value(value), actual),
        Matcher::Var(name) => equal(env.variable(name), actual),
        Matcher::Hex(octets) => equal(Some(FieldValue::Bytes(octets.clone())), actual),
        Matcher::Any | Matcher::Present | Matcher::Bind(_) => actual.is_some(),
        Matcher::Absent => actual.is_none(),
        Matcher::Ge(value) => compare(value, std::cmp::Ordering::is_ge),
        Matcher::Gt(value) => compare(value, std::cmp::Ordering::is_gt),
        Matcher::Le(value) => compare(value, std::cmp::Ordering::is_le),
        Matcher::Lt(value) => compare(value, std::cmp::Ordering::is_lt),
        Matcher::Between(low, high) => {
            compare(low, std::cmp::Ordering::is_ge) && compare(high, std::cmp::Ordering::is_le)
        }
        Matcher::OneOf(values) => values.iter().any(|value| equal(env.value(value), actual)),
        Matcher::Not(inner) => !holds(inner, actual, env),
        Matcher::Mask { mask, is } => matches!(actual, Some(FieldValue::Uint(actual)) if actual & mask == *is),
        Matcher::Text(text) => matches!(actual, Some(FieldValue::Text(actual)) if actual.contains(text.as_str())),
        // Lists and lengths are judged where the whole packet is at hand, in `holds_in`.
        Matcher::Len(_) | Matcher::Contains(_) | Matcher::Exactly(_) | Matcher::Every(_) => false,
    }
}

fn equal(wanted: Option<FieldValue>, actual: Option<&FieldValue>) -> bool {
    match (wanted.as_ref(), actual) {
        // A secret is written as a word and travels as octets.
        (Some(FieldValue::Text(wanted)), Some(FieldValue::Bytes(actual))) => wanted.as_bytes() == actual.as_slice(),
        // An SPI is a number in ESP, and in IKE so many octets as its protocol has.
        (Some(FieldValue::Bytes(octets)), Some(FieldValue::Uint(number)))
        | (Some(FieldValue::Uint(number)), Some(FieldValue::Bytes(octets))) => number_in(octets) == Some(*number),
        (Some(wanted), Some(actual)) => wanted == actual,
        _ => false,
    }
}

/// The number that octets in network order are; `None` if there are none, or more than a number has.
fn number_in(octets: &[u8]) -> Option<u64> {
    let known = (1..=8).contains(&octets.len());
    known.then(|| octets.iter().fold(0, |number, octet| number << 8 | u64::from(*octet)))
}

/// Fields whose values are secrets of the network under test.
fn is_secret(path: &str) -> bool {
    path == "ext.auth.secret" || path == "ext.auth.value"
}

/// A value for people; a secret only by its length.
pub(crate) fn shown(path: &str, value: &FieldValue) -> String {
    match value {
        FieldValue::Bytes(octets) if is_secret(path) => format!("({} octets)", octets.len()),
        FieldValue::Uint(word) if is_bits(path) => format!("{word:#06x}"),
        FieldValue::Uint(spi) if path.ends_with("spi") => format!("{spi:#010x}"),
        value => value.to_string(),
    }
}

/// Fields that people know in hexadecimal.
fn is_bits(path: &str) -> bool {
    const WORDS: &[&str] = &["flags", "gre.flags", "gre.protocol", "hdr.protocol_type"];
    WORDS.contains(&path) || path.ends_with("chksum") || path.ends_with(".checksum")
}

fn wanted_text(path: &str, matcher: &Matcher, env: &Env) -> String {
    if is_secret(path) {
        return "(the secret)".to_owned();
    }
    match matcher {
        Matcher::Literal(value) => env.value(value).map_or_else(|| value.to_string(), |value| shown(path, &value)),
        Matcher::Var(name) => match env.variable(name) {
            Some(value) => format!("{} (${name})", shown(path, &value)),
            None => format!("${name}"),
        },
        Matcher::Absent => "absent".to_owned(),
        Matcher::Any | Matcher::Present => "present".to_owned(),
        matcher => {
            let text = matcher.to_string();
            text.strip_prefix("is ").unwrap_or(&text).to_owned()
        }
    }
}
