//! Neutral state views of routers: a command, where its rows are, and which member is which column.
//!
//! The answer is a tree: JSON, or a text of [nested sections](super::sections). A path leads from its top to the rows, a
//! member for each step or `*` for all of them; lists on the way are gone through item by item. A column may lie in what
//! is around its row: `../name`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{ViewRow, sections};
use crate::agent::protocol::Outcome;
use crate::dissect::FieldValue;

/// How a router fills a view.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewAdapter {
    /// What to ask.
    pub ask: Value,
    /// How the answer is written.
    #[serde(default)]
    pub format: Format,
    /// Path of members from the top of the answer to the rows.
    #[serde(default)]
    pub rows: Vec<String>,
    /// Column -> member of a row, or of what is around it (`../name`), or a text of several (`{prefix}/{prefix_len}`).
    pub columns: BTreeMap<String, String>,
    /// Columns whose texts are numbers in hexadecimal.
    #[serde(default)]
    pub hex: Vec<String>,
    /// Column -> the router's word -> ours.
    #[serde(default)]
    pub words: BTreeMap<String, BTreeMap<String, String>>,
    /// Rows with one of these values in the member are not of this view.
    #[serde(default)]
    pub skip: BTreeMap<String, Vec<String>>,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// JSON, perhaps behind a sentence.
    #[default]
    Json,
    /// Nested sections, one thing a line.
    Sections,
}

/// The rows in what a router answered.
///
/// # Errors
/// What about the answer can not be understood.
pub fn rows_of_router(adapter: &ViewAdapter, outcome: &Outcome) -> Result<Vec<ViewRow>, String> {
    let text = match outcome {
        Outcome::Exec { stdout, .. } => stdout.as_str(),
        Outcome::Vty { replies } => replies.last().map_or("", |reply| reply.output.as_str()),
        Outcome::Read { text, .. } => text.as_str(),
        other => return Err(format!("the answer has no text: {other:?}")),
    };
    let answer = match adapter.format {
        Format::Json => {
            // Some versions say nothing, or a sentence, where there is nothing to list.
            let Some(start) = text.find(['{', '[']) else { return Ok(Vec::new()) };
            serde_json::from_str(text[start..].trim()).map_err(|error| error.to_string())
        }
        Format::Sections => sections::parse(text),
    };
    let answer: Value = answer.map_err(|error| {
        format!("the answer can not be read ({error}): {}", text.chars().take(200).collect::<String>())
    })?;
    let mut found = Vec::new();
    walk(&answer, &adapter.rows, &mut Vec::new(), &mut found);
    let wanted = found.iter().filter(|places| {
        !adapter.skip.iter().any(|(member, values)| {
            let value = member_of(places, member).and_then(Value::as_str);
            value.is_some_and(|value| values.iter().any(|skipped| skipped == value))
        })
    });
    Ok(wanted.map(|places| columns_of(adapter, places)).collect())
}

/// Collects the rows that a path leads to, each with what is around it: the row itself comes last.
fn walk<'a>(value: &'a Value, path: &[String], around: &mut Vec<&'a Value>, found: &mut Vec<Vec<&'a Value>>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| walk(item, path, around, found)),
        Value::Object(members) => {
            around.push(value);
            match path.split_first() {
                None => found.push(around.clone()),
                Some((step, rest)) if step == "*" => {
                    members.values().for_each(|inner| walk(inner, rest, around, found))
                }
                Some((step, rest)) => {
                    if let Some(inner) = members.get(step) {
                        walk(inner, rest, around, found);
                    }
                }
            }
            around.pop();
        }
        _ => {}
    }
}

/// A member of a row, or with `../` in front of what is around it.
fn member_of<'a>(places: &[&'a Value], member: &str) -> Option<&'a Value> {
    match (member.strip_prefix("../"), places.split_last()?) {
        (Some(outer), (_, around)) => member_of(around, outer),
        (None, (row, _)) => row.get(member),
    }
}

fn columns_of(adapter: &ViewAdapter, places: &[&Value]) -> ViewRow {
    let cell = |column: &String, member: &String| {
        if member.contains('{') {
            return joined(places, member).map(FieldValue::Text);
        }
        let value = member_of(places, member)?;
        let text = value.as_str();
        if let Some(ours) = text.and_then(|text| adapter.words.get(column)?.get(text)) {
            return Some(FieldValue::Text(ours.clone()));
        }
        if adapter.hex.contains(column) {
            return u64::from_str_radix(text?, 16).ok().map(FieldValue::Uint);
        }
        field_value(value)
    };
    adapter.columns.iter().filter_map(|(column, member)| Some((column.clone(), cell(column, member)?))).collect()
}

/// A text of several members: `{prefix}/{prefix_len}`. `None` if one of them is not there.
fn joined(places: &[&Value], pattern: &str) -> Option<String> {
    let mut pieces = pattern.split('{');
    let mut text = pieces.next()?.to_owned();
    for piece in pieces {
        let (member, rest) = piece.split_once('}')?;
        text += &field_value(member_of(places, member)?)?.to_string();
        text += rest;
    }
    Some(text)
}

fn field_value(value: &Value) -> Option<FieldValue> {
    Some(match value {
        Value::Bool(truth) => FieldValue::Uint((*truth).into()),
        Value::Number(number) => FieldValue::Uint(number.as_u64()?),
        Value::String(text) => match text.parse() {
            Ok(address) => FieldValue::Addr(address),
            Err(_) => FieldValue::Text(text.clone()),
        },
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::protocol::VtyReply;

    fn adapter() -> ViewAdapter {
        serde_json::from_value(serde_json::json!({
            "ask": {}, "rows": ["table"], "columns": { "protocol": "protocol", "type": "type" },
            "skip": { "type": ["local"] }
        }))
        .unwrap()
    }

    fn answer(output: &str) -> Outcome {
        let reply = VtyReply { command: String::new(), output: output.to_owned(), status: 0 };
        Outcome::Vty { replies: vec![reply] }
    }

    #[test]
    fn rows_are_mapped_and_foreign_ones_left_out() {
        let output = r#"{ "attr": { "entriesCount": 2 }, "table": [
            { "type": "local", "protocol": "10.0.0.1" }, { "type": "dynamic", "protocol": "10.0.0.11" } ] }"#;
        let rows = rows_of_router(&adapter(), &answer(output)).unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0]["protocol"], FieldValue::Addr("10.0.0.11".parse().unwrap()));
        assert_eq!(rows[0]["type"], FieldValue::Text("dynamic".into()));
    }

    #[test]
    fn a_column_may_be_made_of_several_members() {
        let adapter: ViewAdapter = serde_json::from_value(serde_json::json!({
            "ask": {}, "rows": ["shortcuts"], "columns": { "prefix": "{prefix}/{prefix_len}", "other": "{prefix}/{no}" }
        }))
        .unwrap();
        // A heading in front, as FRR 8.4 has it.
        let output = "Type Prefix Via\n{ \"shortcuts\": [{ \"prefix\": \"172.20.5.0\", \"prefix_len\": 24 }] }";
        let rows = rows_of_router(&adapter, &answer(output)).unwrap();
        assert_eq!(rows[0]["prefix"], FieldValue::Text("172.20.5.0/24".into()));
        assert_eq!(rows[0].get("other"), None);
    }

    #[test]
    fn nothing_and_nonsense_are_told_apart() {
        assert_eq!(rows_of_router(&adapter(), &answer("% No entries")).unwrap(), Vec::<ViewRow>::new());
        assert_eq!(rows_of_router(&adapter(), &answer("{}")).unwrap(), Vec::<ViewRow>::new());
        assert!(rows_of_router(&adapter(), &answer("{ \"table\": ")).is_err());
    }

    #[test]
    fn sections_are_walked_into_and_out_of() {
        let adapter: ViewAdapter = serde_json::from_value(serde_json::json!({
            "ask": {}, "format": "sections", "rows": ["event", "*", "children", "*"],
            "columns": { "peer": "../../remote", "spi_in": "in", "mode": "mode" },
            "hex": ["spi_in"], "words": { "mode": { "TRANSPORT": "transport" } }
        }))
        .unwrap();
        let child = "c {\n in = c0ffee01\n mode = TRANSPORT\n}\n";
        let event =
            |remote: &str| format!("event {{\ngre {{\nremote = {remote}\nchildren {{\n{child}{child}}}\n}}\n}}\n");
        let rows =
            rows_of_router(&adapter, &answer(&(event("192.0.2.1") + &event("192.0.2.2") + "reply {\n}\n"))).unwrap();
        assert_eq!(rows.len(), 4);
        assert_eq!(rows[3]["peer"], FieldValue::Addr("192.0.2.2".parse().unwrap()));
        assert_eq!(rows[3]["spi_in"], FieldValue::Uint(0xC0FF_EE01));
        assert_eq!(rows[3]["mode"], FieldValue::Text("transport".into()));
        assert_eq!(rows_of_router(&adapter, &answer("reply {\n}\n")).unwrap(), Vec::<ViewRow>::new());
        assert!(rows_of_router(&adapter, &answer("error: no connection")).is_err());
    }
}
