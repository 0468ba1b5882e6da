//! Keeps secrets out of everything that is written or printed as text.

use std::sync::Arc;

use crate::verdict::{CaseResult, Event, RunResult};

/// What stands in the place of a secret.
const MASK: &str = "<redacted>";

/// What stands in the place of an octet of a secret inside a packet that is printed; as many as there were, so that
/// offsets stay right.
const MASK_OCTET: u8 = b'*';

/// Shorter strings are not treated as secrets: they would blank out ordinary text and hide nothing.
const SHORTEST: usize = 3;

/// Replaces every secret in a text by `<redacted>`.
///
/// A secret is found as it is, as it looks inside a JSON string, and as hexadecimal digits in either case with at most
/// one separator (space, colon or hyphen) between octets. It is not found when it is broken over lines, compressed or
/// encoded in another way.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    secrets: Arc<[Secret]>,
}

#[derive(Debug)]
struct Secret {
    plain: String,
    escaped: String,
}

impl Redactor {
    /// A redactor for these secrets. Strings of fewer than three octets are ignored.
    pub fn new(secrets: Vec<String>) -> Redactor {
        let mut plain: Vec<String> = secrets.into_iter().filter(|secret| secret.len() >= SHORTEST).collect();
        // The longest first: where one secret is the beginning of another, the rest of the other must not remain.
        plain.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        plain.dedup();
        let secrets = plain.into_iter().map(|plain| Secret { escaped: json_escaped(&plain), plain }).collect();
        Redactor { secrets }
    }

    /// The text without the secrets.
    pub fn text(&self, text: &str) -> String {
        if self.secrets.is_empty() {
            return text.to_owned();
        }
        let mut clean = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            let found = self.secrets.iter().find_map(|secret| secret.length_at(rest));
            match found {
                Some(length) => {
                    clean.push_str(MASK);
                    rest = &rest[length..];
                }
                None => {
                    clean.push(next);
                    rest = &rest[next.len_utf8()..];
                }
            }
        }
        clean
    }

    /// Octets for display with the secrets starred out.
    pub fn octets(&self, octets: &[u8]) -> Vec<u8> {
        let mut clean = octets.to_vec();
        for secret in self.secrets.iter() {
            let secret = secret.plain.as_bytes();
            for start in 0..(octets.len() + 1).saturating_sub(secret.len()) {
                if octets[start..].starts_with(secret) {
                    clean[start..start + secret.len()].fill(MASK_OCTET);
                }
            }
        }
        clean
    }

    /// A case without the secrets.
    pub fn case(&self, case: &CaseResult) -> CaseResult {
        let mut clean = case.clone();
        if !self.secrets.is_empty() {
            clean.visit_text(&mut |text| *text = self.text(text), &mut |octets| *octets = self.octets(octets));
        }
        clean
    }

    /// A run without the secrets.
    pub fn run(&self, run: &RunResult) -> RunResult {
        let mut clean = run.clone();
        if !self.secrets.is_empty() {
            clean.visit_text(&mut |text| *text = self.text(text), &mut |octets| *octets = self.octets(octets));
        }
        clean
    }

    /// An event without the secrets.
    pub fn event(&self, event: &Event) -> Event {
        let mut clean = event.clone();
        if !self.secrets.is_empty() {
            clean.visit_text(&mut |text| *text = self.text(text), &mut |octets| *octets = self.octets(octets));
        }
        clean
    }
}

impl Secret {
    /// How many octets at the start of `text` are this secret in any of its forms.
    fn length_at(&self, text: &str) -> Option<usize> {
        if text.starts_with(&self.plain) {
            return Some(self.plain.len());
        }
        if text.starts_with(&self.escaped) {
            return Some(self.escaped.len());
        }
        self.hex_length_at(text.as_bytes())
    }

    fn hex_length_at(&self, text: &[u8]) -> Option<usize> {
        let mut at = 0;
        for (place, octet) in self.plain.bytes().enumerate() {
            if place > 0 && matches!(text.get(at), Some(b' ' | b':' | b'-')) {
                at += 1;
            }
            let digit = |at: usize| text.get(at).and_then(|digit| char::from(*digit).to_digit(16));
            if digit(at)? * 16 + digit(at + 1)? != u32::from(octet) {
                return None;
            }
            at += 2;
        }
        Some(at)
    }
}

/// The text as it looks between the quotes of a JSON string.
fn json_escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}
