//! Summary and exchanges as one JSON document.
//!
//! ```text
//! { "schema": 1, "file": "a.pcapng",
//!   "summary": { "totals": .., "stations": [..], "clouds": [..], "registrations": [..], .. },
//!   "exchanges": [..], "exchanges_left_out": 0,
//!   "errors": [{ "packet": 7, "offset": 812, "fatal": true, "message": ".." }], "errors_left_out": 0 }
//! ```
//!
//! Times that end in `_ns` are nanoseconds since 1970, durations are nanoseconds, holding times seconds.

use serde_json::{Value, json};

use dmvpn_inspect::story::Story;

use super::exchanges::Row;
use super::reading::Errors;

/// The document about one file.
pub fn document(file: &str, story: &Story, errors: &Errors) -> Value {
    let exchanges: Vec<Row<'_>> = story.exchanges().iter().map(Row::of).collect();
    json!({
        "schema": 1,
        "file": file,
        "summary": story.overview(),
        "exchanges": exchanges,
        "exchanges_left_out": story.left_out(),
        "errors": errors.kept().iter().map(|error| json!({
            "packet": error.packet, "offset": error.offset, "fatal": error.fatal, "message": error.to_string(),
        })).collect::<Vec<_>>(),
        "errors_left_out": errors.left_out(),
    })
}
