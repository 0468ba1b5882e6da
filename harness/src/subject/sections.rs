//! A text of nested sections as JSON: what tools of daemons print that have no JSON of their own.
//!
//! ```text
//! name {
//!   key = value
//!   list = [
//!     item
//!   ]
//! }
//! ```
//!
//! One thing a line, so that a value may hold anything but a line's end. A section that comes again under the same name
//! makes a list of both: none is lost.

use serde_json::{Map, Value};

/// Deepest nesting; what is deeper is no answer of any tool.
const DEEPEST: usize = 32;

/// Reads such a text.
///
/// # Errors
/// The first line that is neither of these, or a bracket without its partner.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    // The sections that are open, each with the name that it will have in the one around it.
    let mut open: Vec<(String, Map<String, Value>)> = Vec::new();
    let mut top = Map::new();
    let mut list: Option<(String, Vec<Value>)> = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some((key, mut items)) = list.take() {
            if line == "]" {
                insert(innermost(&mut open, &mut top), key, Value::Array(items));
            } else {
                items.push(line.into());
                list = Some((key, items));
            }
        } else if line == "}" {
            let (name, section) = open.pop().ok_or("a section ends that did not begin")?;
            insert(innermost(&mut open, &mut top), name, Value::Object(section));
        } else if let Some((key, value)) = line.split_once(" = ").or_else(|| Some((line.strip_suffix(" =")?, ""))) {
            match value {
                "[" => list = Some((key.to_owned(), Vec::new())),
                value => insert(innermost(&mut open, &mut top), key.to_owned(), value.into()),
            }
        } else if let Some(name) = line.strip_suffix('{') {
            if open.len() >= DEEPEST {
                return Err(format!("sections are more than {DEEPEST} deep"));
            }
            open.push((name.trim().to_owned(), Map::new()));
        } else {
            return Err(format!("no section, key or end of one: {}", line.chars().take(100).collect::<String>()));
        }
    }
    let unfinished = list.map(|(key, _)| key).or_else(|| open.pop().map(|(name, _)| name));
    match unfinished {
        None => Ok(Value::Object(top)),
        Some(name) => Err(format!("`{name}` does not end")),
    }
}

fn innermost<'a>(
    open: &'a mut [(String, Map<String, Value>)],
    top: &'a mut Map<String, Value>,
) -> &'a mut Map<String, Value> {
    open.last_mut().map_or(top, |(_, section)| section)
}

fn insert(section: &mut Map<String, Value>, name: String, value: Value) {
    match section.get_mut(&name) {
        None => {
            section.insert(name, value);
        }
        Some(Value::Array(known)) => known.push(value),
        Some(known) => *known = Value::Array(vec![known.take(), value]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sections_lists_and_values_are_read() {
        let text = "event {\n  gre {\n    id = C=CH, O=a = b\n    empty = \n    ts = [\n      10.0.0.1/32[gre]\n    ]\n  }\n}\n\
                    reply {\n}\n";
        let gre = json!({ "id": "C=CH, O=a = b", "empty": "", "ts": ["10.0.0.1/32[gre]"] });
        assert_eq!(parse(text).unwrap(), json!({ "event": { "gre": gre }, "reply": {} }));
    }

    #[test]
    fn what_comes_again_makes_a_list() {
        let text = "a {\nx = 1\n}\na {\nx = 2\n}\na {\nx = 3\n}\n";
        assert_eq!(parse(text).unwrap(), json!({ "a": [{ "x": "1" }, { "x": "2" }, { "x": "3" }] }));
    }

    #[test]
    fn what_is_broken_is_said() {
        for text in ["}", "a {", "a {\nl = [\n", "words without a sense", &"a {\n".repeat(100)] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "([a-z {}=\\[\\]]|\n){0,200}") {
            let _ = parse(&text);
        }
    }
}
