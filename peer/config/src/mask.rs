//! Excerpts without secrets: a report about one line shows its neighbours too.

/// `text` with the values of all keys that look like authentication settings replaced by asterisks. Every octet keeps
/// its place, so that spans of the original hold.
///
/// This works on lines and not on the parsed tree, because it is needed exactly where parsing failed. It prefers to mask
/// too much: the key may be misspelt after `auth`, and the rest of its line goes, with all deeper lines below it.
pub(crate) fn secrets(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // Indentation of the key whose deeper lines are hidden.
    let mut hiding: Option<usize> = None;
    // A quoted string that was opened and not closed on its line may go on at any depth.
    let mut open_quote: Option<char> = None;
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches([' ', '\t', '-']).len();
        if let Some(quote) = open_quote {
            if line.contains(quote) {
                open_quote = None;
            }
            push_masked(&mut out, line);
            continue;
        }
        if hiding.is_some_and(|depth| !line.trim().is_empty() && indent <= depth) {
            hiding = None;
        }
        if hiding.is_some() {
            push_masked(&mut out, line);
            continue;
        }
        let Some(value_at) = secret_value(line) else {
            out.push_str(line);
            continue;
        };
        let (key, value) = line.split_at(value_at);
        out.push_str(key);
        push_masked(&mut out, value);
        hiding = Some(indent);
        open_quote = ['"', '\''].into_iter().find(|quote| value.matches(*quote).count() % 2 == 1);
    }
    out
}

/// Where the value of a key that begins with `auth`, `secret` or `pass` begins on this line.
fn secret_value(line: &str) -> Option<usize> {
    let lower = line.to_ascii_lowercase();
    let word = ["auth", "secret", "pass"].into_iter().filter_map(|word| lower.find(word)).min()?;
    let colon = lower[word..].find([':', '=']).map(|at| word + at + 1);
    // Without a colon it may be the key itself that was forgotten to be ended: hide what follows the word.
    colon.or_else(|| lower[word..].find(' ').map(|at| word + at)).filter(|_| !lower[..word].contains('#'))
}

fn push_masked(out: &mut String, text: &str) {
    for c in text.chars() {
        if c.is_whitespace() {
            out.push(c);
        } else {
            out.extend(std::iter::repeat_n('*', c.len_utf8()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn hidden(text: &str) {
        let masked = secrets(text);
        assert_eq!(masked.len(), text.len());
        assert!(!masked.contains("s3cret") && !masked.contains("tail"), "{masked}");
    }

    #[test]
    fn every_way_to_write_a_value_is_masked() {
        hidden("authentication: s3cret\n");
        hidden("  \"authentication\" : 's3cret'\n");
        hidden("nhrp: {network_id: 1, authentication: s3cret, unique: true}\n");
        hidden("authenticatoin: \"s3cret\n tail\"\n");
        hidden("auth: |\n  s3cret\n  tail\nmtu: 1\n");
        hidden("authentication:\n    s3cret\n");
        hidden("authentication s3cret\n");
        hidden("- password= s3cret ü\n");
        hidden("auth: \"s3cret\ntail\"\n");
    }

    #[test]
    fn other_lines_stay() {
        let text = "a: 1\nauthentication: s3cret\nmtu: 1400 # no authentication here\nname: tun0\n";
        assert_eq!(secrets(text), "a: 1\nauthentication: ******\nmtu: 1400 # no authentication here\nname: tun0\n");
    }
}
