//! The schema against the loader: what one takes, the other takes, and no key is known to one of them only.

use std::collections::BTreeSet;
use std::fs;

use dmvpn_lab::suite;
use serde_json::Value;

fn schema() -> Value {
    suite::schema().to_value()
}

/// Whether the schema accepts a YAML text. Only the words of JSON Schema that ours uses are understood.
pub(crate) fn accepts(text: &str) -> bool {
    let root = schema();
    let value: Value = match serde_yaml::from_str(text) {
        Ok(value) => value,
        Err(_) => return false,
    };
    check(&root, &root, &value, &mut BTreeSet::new())
}

fn check(root: &Value, schema: &Value, value: &Value, seen: &mut BTreeSet<String>) -> bool {
    let Value::Object(words) = schema else { return false };
    words.iter().all(|(word, operand)| match word.as_str() {
        "$schema" | "$defs" | "title" | "description" | "pattern" => true,
        "$ref" => {
            let name = operand.as_str().unwrap().trim_start_matches("#/$defs/");
            if let Value::Object(map) = value {
                seen.extend(map.keys().map(|key| format!("{name}.{key}")));
            }
            check(root, &root["$defs"][name], value, seen)
        }
        "type" => match operand {
            Value::Array(types) => types.iter().any(|one| is(one, value)),
            one => is(one, value),
        },
        "enum" => operand.as_array().unwrap().contains(value),
        "const" => operand == value,
        "minimum" => value.as_i64().is_none_or(|number| number >= operand.as_i64().unwrap()),
        "minProperties" => value.as_object().is_none_or(|map| map.len() >= operand.as_u64().unwrap() as usize),
        "maxProperties" => value.as_object().is_none_or(|map| map.len() <= operand.as_u64().unwrap() as usize),
        "required" => value
            .as_object()
            .is_none_or(|map| operand.as_array().unwrap().iter().all(|key| map.contains_key(key.as_str().unwrap()))),
        "properties" => value.as_object().is_none_or(|map| {
            map.iter().all(|(key, inner)| operand.get(key).is_none_or(|schema| check(root, schema, inner, seen)))
        }),
        "additionalProperties" => value.as_object().is_none_or(|map| match operand {
            Value::Bool(allowed) => *allowed || map.keys().all(|key| schema["properties"].get(key).is_some()),
            other => map.values().all(|inner| check(root, other, inner, seen)),
        }),
        "items" => value.as_array().is_none_or(|items| items.iter().all(|item| check(root, operand, item, seen))),
        "anyOf" => {
            // All are tried, so that the keys of each are noted.
            let fits: Vec<bool> = operand.as_array().unwrap().iter().map(|one| check(root, one, value, seen)).collect();
            fits.contains(&true)
        }
        other => panic!("the schema uses `{other}`, which this test does not know"),
    })
}

fn is(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        other => panic!("unknown type {other}"),
    }
}

#[test]
fn the_samples_use_every_key_of_the_schema() {
    let root = schema();
    let mut seen = BTreeSet::new();
    for file in ["nhrp/register", "dmvpn/dualhub", "check/everything"] {
        let text = fs::read_to_string(crate::dir().join(format!("suites/{file}.yaml"))).unwrap();
        let value: Value = serde_yaml::from_str(&text).unwrap();
        assert!(check(&root, &root, &value, &mut seen), "{file} does not fit the schema");
    }
    let mut unused = Vec::new();
    for (name, definition) in root["$defs"].as_object().unwrap() {
        for key in definition["properties"].as_object().unwrap().keys() {
            let full = format!("{name}.{key}");
            if !seen.contains(&full) {
                unused.push(full);
            }
        }
    }
    assert!(unused.is_empty(), "no sample shows that the loader reads {unused:?}");
}

#[test]
fn the_schema_refuses_unknown_keys() {
    let good = "schema: 1\nsuite: a\ntitle: t\nworlds: sim\ntopology: {}\ncases: []\n";
    assert!(accepts(good));
    assert!(!accepts(&good.replace("title", "titel")));
    assert!(!accepts(&good.replace("sim", "simm")));
}
