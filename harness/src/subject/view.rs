//! Neutral state views of routers: a command, where its rows are, and which member is which column.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::ViewRow;
use crate::agent::protocol::Outcome;
use crate::dissect::FieldValue;

/// How a router fills a view.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewAdapter {
    /// What to ask: an action whose output is JSON.
    pub ask: Value,
    /// Path of members from the top of that JSON to the list of rows.
    #[serde(default)]
    pub rows: Vec<String>,
    /// Column -> member of a row.
    pub columns: BTreeMap<String, String>,
    /// Rows with one of these values in the member are not of this view.
    #[serde(default)]
    pub skip: BTreeMap<String, Vec<String>>,
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
    // Some versions say nothing, or a sentence, where there is nothing to list.
    let Some(start) = text.find(['{', '[']) else { return Ok(Vec::new()) };
    let parsed: Value = serde_json::from_str(text[start..].trim())
        .map_err(|error| format!("the answer is no JSON ({error}): {}", text.chars().take(200).collect::<String>()))?;
    let mut list = &parsed;
    for member in &adapter.rows {
        match list.get(member) {
            Some(inner) => list = inner,
            None => return Ok(Vec::new()),
        }
    }
    let rows = list.as_array().ok_or_else(|| format!("`{}` is no list", adapter.rows.join(".")))?;
    let wanted = rows.iter().filter(|row| {
        !adapter.skip.iter().any(|(member, values)| {
            row.get(member).and_then(Value::as_str).is_some_and(|value| values.iter().any(|skipped| skipped == value))
        })
    });
    Ok(wanted.map(|row| columns_of(adapter, row)).collect())
}

fn columns_of(adapter: &ViewAdapter, row: &Value) -> ViewRow {
    let cell = |member: &String| row.get(member).and_then(field_value);
    adapter.columns.iter().filter_map(|(column, member)| Some((column.clone(), cell(member)?))).collect()
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
    fn nothing_and_nonsense_are_told_apart() {
        assert_eq!(rows_of_router(&adapter(), &answer("% No entries")).unwrap(), Vec::<ViewRow>::new());
        assert_eq!(rows_of_router(&adapter(), &answer("{}")).unwrap(), Vec::<ViewRow>::new());
        assert!(rows_of_router(&adapter(), &answer("{ \"table\": ")).is_err());
    }
}
