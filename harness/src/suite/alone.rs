//! One case of a suite as a suite of its own: what a person needs to run it again, and nothing else.

use std::sync::Arc;

use super::span::SourceFile;
use super::tree::{self, Kind, Node};

/// Longest line of what is written.
const WIDTH: usize = 120;

/// The suite of a file with the case `id` alone in it. Aliases are written out, as the anchors may stand in other cases;
/// comments are gone. `None` if the file can not be read or has no such case.
pub fn alone(file: &Arc<SourceFile>, id: &str) -> Option<String> {
    let root = tree::parse(file, &mut Vec::new())?;
    let Kind::Map(entries) = &root.kind else { return None };
    let is_wanted = |case: &Node| {
        let Kind::Map(entries) = &case.kind else { return false };
        entries.iter().any(|entry| &**entry.key == "id" && entry.value.as_scalar().is_some_and(|(text, _)| text == id))
    };
    let mut found = false;
    let mut text = String::new();
    for entry in entries.iter() {
        let mut value = entry.value.clone();
        if &**entry.key == "cases"
            && let Kind::Seq(cases) = &value.kind
        {
            let case = cases.iter().find(|case| is_wanted(case))?.clone();
            found = true;
            value = Node::seq(vec![case], value.span.clone());
        }
        member(&mut text, &entry.key, &value, 0);
    }
    found.then_some(text)
}

/// `key: value` on a line of its own, or on several.
fn member(text: &mut String, key: &str, value: &Node, indent: usize) {
    text.push_str(&scalar(key, true, false));
    text.push(':');
    below(text, value, indent, indent + key.len() + 2);
}

/// A value behind its key: on the same line if it fits, else below.
fn below(text: &mut String, value: &Node, indent: usize, column: usize) {
    let flow = flow(value);
    let splits = matches!(&value.kind, Kind::Map(_) | Kind::Seq(_)) && !flow.ends_with("[]") && !flow.ends_with("{}");
    if column + flow.len() <= WIDTH || !splits {
        text.push_str(&format!(" {flow}\n"));
        return;
    }
    text.push('\n');
    block(text, value, indent + 2);
}

fn block(text: &mut String, value: &Node, indent: usize) {
    let pad = " ".repeat(indent);
    match &value.kind {
        Kind::Map(entries) => {
            for entry in entries.iter() {
                text.push_str(&pad);
                member(text, &entry.key, &entry.value, indent);
            }
        }
        Kind::Seq(items) => {
            for item in items.iter() {
                let one = flow(item);
                match &item.kind {
                    Kind::Map(entries) if indent + 2 + one.len() > WIDTH => {
                        for (place, entry) in entries.iter().enumerate() {
                            text.push_str(&pad);
                            text.push_str(if place == 0 { "- " } else { "  " });
                            member(text, &entry.key, &entry.value, indent + 2);
                        }
                    }
                    _ => text.push_str(&format!("{pad}- {one}\n")),
                }
            }
        }
        Kind::Scalar { .. } | Kind::Bad => text.push_str(&format!("{pad}{}\n", flow(value))),
    }
}

/// A value on one line.
fn flow(value: &Node) -> String {
    match &value.kind {
        Kind::Scalar { text, plain } => scalar(text, *plain, true),
        Kind::Seq(items) if items.is_empty() => "[]".to_owned(),
        Kind::Seq(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Kind::Map(entries) if entries.is_empty() => "{}".to_owned(),
        Kind::Map(entries) => {
            let each =
                entries.iter().map(|entry| format!("{}: {}", scalar(&entry.key, true, true), flow(&entry.value)));
            format!("{{ {} }}", each.collect::<Vec<_>>().join(", "))
        }
        Kind::Bad => "null".to_owned(),
    }
}

/// A scalar as it was, plain or quoted: the two may mean different things. What was plain and would not be understood
/// inside brackets is a sentence, and is quoted.
fn scalar(text: &str, plain: bool, is_value: bool) -> String {
    let fits = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, ' ' | '.' | '_' | '/' | '$' | '+' | '*' | '-' | '<' | '>' | '=' | ':' | '%' | '~')
    };
    let starts = text.starts_with(|c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '$' | '_' | '~') || (c == '-' && text.len() > 1)
    });
    let bare = plain
        && (text.is_empty() && is_value
            || starts
                && text.chars().all(fits)
                && !text.contains(": ")
                && !text.ends_with([' ', ':'])
                && !text.starts_with("- "));
    if bare && text.is_empty() {
        "null".to_owned()
    } else if bare {
        text.to_owned()
    } else {
        // A string of JSON is one of YAML.
        serde_json::Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::suite::{load_str, load_tree};

    #[test]
    fn each_case_of_the_project_is_a_suite_by_itself() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../suites");
        let suites = load_tree(&folder).unwrap();
        for (suite, case) in suites.iter().flat_map(|suite| suite.cases.iter().map(move |case| (suite, case))) {
            let name = suite.case_id(case);
            let text = alone(&suite.source, &case.id).unwrap();
            let read = load_str(&suite.source.path, &text).unwrap_or_else(|error| panic!("{name}: {error:?}\n{text}"));
            let [only] = read.cases.as_slice() else { panic!("{name}: {} cases", read.cases.len()) };
            assert_eq!(
                (&read.id, &only.id, &only.title, &only.params),
                (&suite.id, &case.id, &case.title, &case.params)
            );
            let steps = |steps: &crate::suite::Steps| -> Vec<String> {
                steps.iter().map(|step| step.value.to_string()).collect()
            };
            assert_eq!(steps(&only.steps), steps(&case.steps), "{name}");
            assert_eq!(steps(&only.control), steps(&case.control), "{name}");
            let nodes = |suite: &crate::suite::Suite, case| {
                let nodes = suite.topology_of(case).nodes.iter();
                nodes
                    .map(|(name, node)| format!("{name} {:?} {:?} {:?}", node.nbma, node.tunnel, node.nhrp))
                    .collect::<Vec<_>>()
            };
            assert_eq!(nodes(&read, only).len(), nodes(suite, case).len(), "{name}");
        }
        assert!(alone(&suites[0].source, "no-such-case").is_none());
    }
}
