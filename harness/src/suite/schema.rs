//! The JSON schema of suite files, for editors: printed from the tables by which the loader reads.

use schemars::Schema;
use serde_json::{Map, Value, json};

use super::vocabulary::{Key, Kind, LOOK, MATCHER, RULE, RULES, SHAPES, STEP, SUITE, Shape};

/// The schema of a suite file, draft 2020-12.
pub fn schema() -> Schema {
    document("dmvpn-lab suite", &SUITE, SHAPES)
}

/// The schema of a file of rules.
pub fn rules_schema() -> Schema {
    document("dmvpn-lab rules", &RULES, &[&RULES, &RULE, &LOOK, &MATCHER])
}

fn document(title: &str, whole: &Shape, shapes: &[&Shape]) -> Schema {
    let definitions: Map<String, Value> = shapes.iter().map(|shape| (shape.name.to_owned(), object(shape))).collect();
    let mut root = Map::new();
    root.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    root.insert("title".to_owned(), json!(title));
    root.insert("$ref".to_owned(), reference(whole));
    root.insert("$defs".to_owned(), Value::Object(definitions));
    Schema::from(root)
}

fn reference(shape: &Shape) -> Value {
    json!(format!("#/$defs/{}", shape.name))
}

fn object(shape: &Shape) -> Value {
    let properties: Map<String, Value> = shape.keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<&str> = shape.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    json!({
        "type": "object",
        "description": shape.doc,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn property(key: &Key) -> Value {
    let mut schema = kind(&key.kind);
    schema["description"] = json!(key.doc);
    schema
}

/// Scalars of YAML 1.2 core, as its readers hand them on.
const SCALAR: [&str; 4] = ["string", "integer", "number", "boolean"];

fn kind(of: &Kind) -> Value {
    match of {
        Kind::Text => json!({ "type": "string" }),
        Kind::Slug { path: false } => json!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9.-]*$" }),
        Kind::Slug { path: true } => json!({ "type": "string", "pattern": "^[a-z0-9][a-z0-9./-]*$" }),
        Kind::Name => json!({ "type": "string", "pattern": "^\\$?[A-Za-z_][A-Za-z0-9_.:-]*$" }),
        Kind::Int => json!({ "type": "integer", "minimum": 0 }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::True => json!({ "const": true }),
        Kind::Words(words) => json!({ "enum": words }),
        Kind::Duration => json!({ "type": "string", "pattern": "^[0-9$].*[a-z0-9_]$" }),
        Kind::Instant => {
            json!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?Z$" })
        }
        Kind::Percent => json!({ "type": "string", "pattern": "^[0-9.]+ *%$" }),
        Kind::Addr => json!({ "type": "string", "pattern": "^[0-9A-Fa-f.:]+$" }),
        Kind::Cidr => json!({ "type": "string", "pattern": "^[0-9A-Fa-f.:]+/[0-9]+$" }),
        Kind::Hex => json!({ "type": "string", "pattern": "^[0-9A-Fa-f\\s]*$" }),
        Kind::Scalar => json!({ "type": SCALAR }),
        Kind::Value => json!({ "anyOf": [
            { "type": SCALAR },
            { "type": "object", "properties": { "hex": kind(&Kind::Hex) }, "required": ["hex"], "additionalProperties": false },
            {
                "type": "object",
                "properties": { "same_as": kind(&Kind::Text), "plus": kind(&Kind::Int), "minus": kind(&Kind::Int) },
                "required": ["same_as"],
                "additionalProperties": false,
            },
        ] }),
        Kind::Matcher => json!({ "anyOf": [
            { "type": SCALAR },
            { "$ref": "#/$defs/matcher" },
            { "type": "array", "items": { "type": "object" } },
        ] }),
        Kind::Map(shape) => json!({ "$ref": reference(shape) }),
        Kind::One(shape) => json!({ "$ref": reference(shape), "minProperties": 1, "maxProperties": 1 }),
        Kind::Steps => json!({ "type": "array", "items": kind(&Kind::One(&STEP)) }),
        Kind::Dict(item) => json!({ "type": "object", "additionalProperties": kind(item) }),
        Kind::List(item) => json!({ "type": "array", "items": kind(item) }),
        Kind::OneOrMany(item) => json!({ "anyOf": [kind(item), { "type": "array", "items": kind(item) }] }),
        Kind::Either(kinds) => json!({ "anyOf": kinds.iter().map(kind).collect::<Vec<_>>() }),
    }
}
