//! What differs between two versions of a schema, in the words of columns.
//!
//! Not a judge of compatibility: the registry is. This only names the places where the two differ, as far as they can
//! be in the way of readers.

use serde_json::Value;

/// The differing fields, in sentences.
pub(super) fn describe(registered: &str, new: &str) -> String {
    let (Ok(registered), Ok(new)) = (serde_json::from_str(registered), serde_json::from_str(new)) else {
        return "one of the schemas is not JSON".to_owned();
    };
    let mut found = Vec::new();
    compare(&registered, &new, "", &mut found);
    // A record that is used twice is written out once and named the other time, which is no difference.
    found.sort();
    found.dedup();
    if found.is_empty() { "no column differs".to_owned() } else { found.join("; ") }
}

/// The fields of a record, found under a union with null too.
fn record(schema: &Value) -> Option<&Vec<Value>> {
    match schema {
        Value::Array(branches) => branches.iter().find_map(record),
        Value::Object(object) if object.get("type").is_some_and(|kind| kind == "record") => {
            object.get("fields")?.as_array()
        }
        Value::Object(object) => record(object.get("type")?),
        _ => None,
    }
}

fn compare(registered: &Value, new: &Value, path: &str, found: &mut Vec<String>) {
    let (Some(before), Some(after)) = (record(registered), record(new)) else {
        if record(registered).is_some() || record(new).is_some() || registered != new {
            found.push(format!("column {path} was {} and is now {}", kind(registered), kind(new)));
        }
        return;
    };
    let named =
        |fields: &[Value], name: &Value| fields.iter().find(|field| field.get("name") == Some(name)).cloned();
    for field in after {
        let Some(name) = field.get("name") else { continue };
        let place = place(path, name);
        match named(before, name) {
            None if field.get("default").is_none() => {
                found.push(format!("column {place} is new and has no default"));
            }
            None => {}
            Some(old) => {
                let (old, new) = (old.get("type").cloned(), field.get("type").cloned());
                if old != new {
                    compare(&old.unwrap_or_default(), &new.unwrap_or_default(), &place, found);
                }
            }
        }
    }
    for field in before {
        let Some(name) = field.get("name") else { continue };
        if named(after, name).is_none() {
            found.push(format!("column {} is gone", place(path, name)));
        }
    }
}

fn place(path: &str, name: &Value) -> String {
    let name = name.as_str().unwrap_or_default();
    // The row stands under `after`, and again under `before`; what lies in it is a column.
    match path {
        "" | "after" | "before" => name.to_owned(),
        path => format!("{path}.{name}"),
    }
}

fn kind(schema: &Value) -> String {
    match schema {
        Value::String(name) => name.clone(),
        Value::Array(branches) => branches.iter().map(kind).collect::<Vec<_>>().join(" or "),
        Value::Object(object) => {
            let of = |name: &str| object.get(name).map(ToString::to_string);
            let base = object.get("type").map(kind).unwrap_or_default();
            match (object.get("logicalType").and_then(Value::as_str), of("precision"), of("scale")) {
                (Some(logical), Some(precision), scale) => {
                    format!("{logical}({precision},{})", scale.unwrap_or_else(|| "0".to_owned()))
                }
                (Some(logical), None, _) => format!("{base} ({logical})"),
                (None, ..) => base,
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => "nothing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::describe;

    fn envelope(columns: &str) -> String {
        format!(
            r#"{{"type": "record", "name": "e", "fields": [{{"name": "after", "type": ["null",
               {{"type": "record", "name": "row", "fields": [{columns}]}}]}}]}}"#
        )
    }

    #[test]
    fn columns_are_named_with_what_became_of_them() {
        let before = envelope(
            r#"{"name": "Id", "type": "long"}, {"name": "Price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}}"#,
        );
        let after = envelope(
            r#"{"name": "Id", "type": "string"}, {"name": "Note", "type": "string"}, {"name": "More", "type": ["null", "int"], "default": null}"#,
        );
        assert_eq!(
            describe(&before, &after),
            "column Id was long and is now string; column Note is new and has no default; column Price is gone"
        );
        assert_eq!(describe(&before, &before), "no column differs");
    }

    #[test]
    fn a_narrowed_number_is_told() {
        let of = |precision: u32| {
            envelope(&format!(
                r#"{{"name": "P", "type": {{"type": "bytes", "logicalType": "decimal", "precision": {precision}, "scale": 2}}}}"#
            ))
        };
        assert_eq!(describe(&of(10), &of(8)), "column P was decimal(10,2) and is now decimal(8,2)");
    }
}
