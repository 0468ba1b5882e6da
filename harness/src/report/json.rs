//! The result as JSON: one document for a run, or one line for an event. The forms are those of the types themselves.

use schemars::{Schema, schema_for};

use crate::verdict::{Event, RunResult};

/// The whole result, indented, with an end of line.
pub fn render(run: &RunResult) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(run)?;
    text.push('\n');
    Ok(text)
}

/// One event on one line.
pub fn line(event: &Event) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string(event)?;
    text.push('\n');
    Ok(text)
}

/// The JSON Schema of what [`render`] gives.
pub fn result_schema() -> Schema {
    schema_for!(RunResult)
}

/// The JSON Schema of each line that [`line()`] gives.
pub fn event_schema() -> Schema {
    schema_for!(Event)
}
