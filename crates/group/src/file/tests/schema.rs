//! The published JSON schema is the one of this code.

use super::*;
use std::path::PathBuf;

#[test]
fn the_published_schema_is_up_to_date() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schemas/group-file.schema.json");
    let generated = json_schema();
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        generated == published,
        "schemas/group-file.schema.json is not what this code makes; run this test with UPDATE_SCHEMAS=1 and commit it"
    );
}

#[test]
fn every_option_is_described_and_says_its_default() {
    let schema: serde_json::Value = serde_json::from_str(&json_schema()).unwrap();
    let mut seen = 0;
    described(&schema, "group file", &mut seen);
    assert!(seen > 30, "only {seen} options were found");
}

/// Every property has a description, and one that may be left out tells what holds then.
fn described(schema: &serde_json::Value, name: &str, seen: &mut usize) {
    let choice_of_one = schema.get("maxProperties").is_some();
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(|v| v.as_str()).collect();
    for (key, option) in schema["properties"].as_object().into_iter().flatten() {
        *seen += 1;
        let text = option["description"].as_str().unwrap_or_default();
        assert!(!text.is_empty(), "{name}.{key} is not described");
        let optional_scalar = !required.contains(&key.as_str()) && !choice_of_one;
        let nested = has_properties(option);
        let later = text.contains("not in this build");
        assert!(
            !optional_scalar || nested || later || text.contains("Default: "),
            "{name}.{key} does not say its default: {text}"
        );
        described(option, &format!("{name}.{key}"), seen);
    }
    for part in ["items", "additionalProperties"] {
        if schema[part].is_object() {
            described(&schema[part], name, seen);
        }
    }
    for part in schema["anyOf"].as_array().into_iter().flatten() {
        described(part, name, seen);
    }
}

fn has_properties(schema: &serde_json::Value) -> bool {
    schema["properties"].is_object()
        || schema["anyOf"].as_array().is_some_and(|parts| parts.iter().any(has_properties))
}

#[test]
fn unknown_keys_are_refused_by_the_schema_too() {
    fn closed(schema: &serde_json::Value, name: &str) {
        if let Some(properties) = schema["properties"].as_object() {
            assert_eq!(schema["additionalProperties"], serde_json::Value::Bool(false), "{name}");
            properties.iter().for_each(|(key, option)| closed(option, &format!("{name}.{key}")));
        }
        for part in ["items", "additionalProperties"] {
            if schema[part].is_object() {
                closed(&schema[part], name);
            }
        }
        schema["anyOf"].as_array().into_iter().flatten().for_each(|part| closed(part, name));
    }
    closed(&serde_json::from_str(&json_schema()).unwrap(), "group file");
}
