//! Excerpts without secrets: a report about one line shows its neighbours too.
//!
//! This works on words and not on the parsed tree, because it is needed exactly where parsing failed: a secret may stand
//! behind a misspelt key, in the middle of a comment whose line end got lost, or behind nothing at all. So it says what may
//! be seen, and not what must be hidden: keys, and the one word behind a key that is known to be harmless.

/// Keys whose value may be seen.
const HARMLESS: &[&str] = &[
    "tunnels",
    "name",
    "nbma",
    "address",
    "remote",
    "key",
    "ttl",
    "tos",
    "mtu",
    "nhrp",
    "network_id",
    "holding_time",
    "unique",
    "server",
    "registration_prefix",
    "retry",
    "first",
    "max",
    "jitter_percent",
    "nhs",
    "map",
    "protocol",
    "priority",
    "limits",
    "bindings",
    "bindings_per_peer",
    "entries_per_request",
    "errors_per_second",
    "first_request_id",
    "profile",
    "answers",
    "redirect",
    "shortcut",
    "resolution_holding_time",
    "multicast",
    "clusters",
    "id",
    "max_connections",
    "fallback",
    "cluster",
    "lan",
    "routes",
    "to",
    "via",
    "tunnel",
    "state",
    "resolutions",
    "resolutions_per_second",
    "purges_per_second",
    "held_packets",
    "multicast_copies",
    "icmp_per_second",
    "cached",
    "requesters",
    "redirects",
    "messages_per_second_per_peer",
];

/// What words of a secret setting begin with, if they are spelt right that far.
const SECRET: &[&str] = &["auth", "secret", "pass"];

/// `text` with asterisks in place of everything that might be a secret. Every octet keeps its place, so that spans of the
/// original hold.
pub(crate) fn secrets(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // Indentation of a secret key: deeper lines below it are its value.
    let mut below: Option<usize> = None;
    // A quotation mark that was opened behind a secret key goes on until it is closed, at any depth.
    let mut quote: Option<char> = None;
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches([' ', '\t', '-']).len();
        let blank = line.trim().is_empty();
        if below.is_some_and(|depth| !blank && indent <= depth) {
            below = None;
        }
        let inside = quote.is_some();
        if quote.is_some_and(|quote| line.contains(quote)) {
            quote = None;
        }
        if inside || below.is_some() {
            out.extend(line.chars().flat_map(hidden));
        } else if let Some(value) = mask_line(line, &mut out) {
            below = Some(indent);
            quote = ['"', '\''].into_iter().find(|quote| value.matches(*quote).count() % 2 == 1);
        }
    }
    out
}

/// Masks a line word by word; returns what follows a secret key, if there is one.
fn mask_line<'a>(line: &'a str, out: &mut String) -> Option<&'a str> {
    let mut at = 0;
    // Whether a key may be here, and whether the next word is the value of a harmless one.
    let (mut key_here, mut shown) = (true, false);
    while let Some(c) = line[at..].chars().next() {
        let len = word_len(&line[at..]);
        if len == 0 {
            key_here |= matches!(c, '{' | ',');
            out.push(c);
            at += c.len_utf8();
            continue;
        }
        let word = &line[at..at + len];
        let lower = word.to_ascii_lowercase();
        if SECRET.iter().any(|start| lower.contains(start)) {
            // The key stays readable where it is one, for the complaint may be about its spelling.
            let key = word.find(':').filter(|_| key_here).map_or(0, |colon| colon + 1);
            out.push_str(&word[..key]);
            let value = &line[at + key..];
            out.extend(value.chars().flat_map(hidden));
            return Some(value);
        }
        let name = word.strip_suffix(':').map(|name| name.trim_matches(['"', '\'']));
        let visible = match name {
            Some(name) if key_here => {
                shown = HARMLESS.contains(&name);
                true
            }
            _ if word == "-" => true,
            _ => std::mem::take(&mut shown),
        };
        if visible {
            out.push_str(word);
        } else {
            out.extend(word.chars().flat_map(hidden));
        }
        key_here = word == "-";
        at += len;
    }
    None
}

/// Octets until the next blank or bracket.
fn word_len(text: &str) -> usize {
    text.find(|c: char| c.is_whitespace() || "{}[],".contains(c)).unwrap_or(text.len())
}

/// A character that is not to be seen, in as many octets.
fn hidden(c: char) -> impl Iterator<Item = char> {
    let shape = c.is_whitespace() || c == '#';
    let (c, count) = if shape { (c, 1) } else { ('*', c.len_utf8()) };
    std::iter::repeat_n(c, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn masked(text: &str) -> String {
        let masked = secrets(text);
        assert_eq!(masked.len(), text.len());
        assert!(!masked.contains("s3cret") && !masked.contains("tail"), "{masked}");
        masked
    }

    #[test]
    fn every_way_to_write_a_value_is_masked() {
        masked("authentication: s3cret\n");
        masked("  \"authentication\" : 's3cret'\n");
        masked("nhrp: {network_id: 1, authentication: s3cret, unique: true}\n");
        masked("authenticatoin: \"s3cret\n tail\"\n");
        masked("auth: |\n  s3cret\n  tail\nmtu: 1\n");
        masked("authentication:\n    s3cret\n");
        masked("authentication s3cret\n");
        masked("- password= s3cret ü\n");
        masked("auth: \"s3cret\ntail\"\n");
        masked("uthentication: s3cret\n");
        masked(": s3cret\n");
        masked("s3cret\n");
        masked("authentication:s3cret\n");
        masked("authenticatios3cret\n");
        masked("authentication: {s3cret: 1}\n");
        masked("mtu: 1400 # of its last third  uthentication: s3cret\n");
        masked("mtu: 1400    ion: s3cret\n");
    }

    #[test]
    fn what_is_harmless_stays() {
        let text = "a:\n  - name: tun0  # of ours\n    nbma: 192.0.2.1\n    retry: {first: 1s, max: 2s}\n    mut: 1\n";
        assert_eq!(
            secrets(text),
            "a:\n  - name: tun0  # ** ****\n    nbma: 192.0.2.1\n    retry: {first: 1s, max: 2s}\n    mut: *\n"
        );
        assert_eq!(secrets("authentication: s3cret\nmtu: 1400\n"), "authentication: ******\nmtu: 1400\n");
    }

    /// A key that is missing in the list would make its reports useless.
    #[test]
    fn every_key_of_the_examples_is_known() {
        let examples = [include_str!("../examples/hub.yaml"), include_str!("../examples/spoke.yaml")];
        let lines = examples.iter().flat_map(|text| text.lines());
        for line in lines.map(|line| line.trim_start_matches([' ', '-'])).filter(|line| !line.starts_with('#')) {
            let Some((key, _)) = line.split_once(':') else { continue };
            assert!(key == "authentication" || HARMLESS.contains(&key), "{key}");
        }
    }
}
