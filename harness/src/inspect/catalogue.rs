//! The catalogue of fields that `--filter` and suites can name.

use serde_json::{Value, json};
use tabled::builder::Builder;
use tabled::settings::Style;

use crate::dissect::catalogue::{FieldKind, paths};
use dmvpn_inspect::filter::LAYERS;

/// All fields as a table, and the layers.
pub fn table() -> String {
    let mut builder = Builder::default();
    builder.push_record(["field", "holds", "what it is"]);
    for (path, kind, help) in paths() {
        builder.push_record([path.as_str(), &kind.to_string(), help]);
    }
    let table = builder.build().with(Style::blank()).to_string();
    format!(
        "{table}\n\nof the file: frame.number, frame.length (octets), frame.time (seconds since 1970)\nlayers: {}\n",
        LAYERS.join(" ")
    )
}

/// The same for programs.
pub fn json() -> Value {
    let kind = |kind: FieldKind| match kind {
        FieldKind::Uint { bits } => json!({ "kind": "uint", "bits": bits }),
        FieldKind::Addr => json!({ "kind": "address" }),
        FieldKind::Bytes => json!({ "kind": "octets" }),
        FieldKind::Seconds => json!({ "kind": "seconds" }),
        FieldKind::Flag => json!({ "kind": "flag" }),
        FieldKind::Text => json!({ "kind": "text" }),
        FieldKind::List => json!({ "kind": "list" }),
    };
    let fields: Vec<Value> = paths()
        .map(|(path, of, help)| {
            let mut field = kind(of);
            field["path"] = path.into();
            field["help"] = help.into();
            field
        })
        .collect();
    json!({ "schema": 1, "fields": fields, "layers": LAYERS })
}
