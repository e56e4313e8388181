//! The JSON schema of the group file, for editors.

use super::raw::RawGroupFile;

/// The schema as it stands in `schemas/group-file.schema.json`.
#[must_use]
pub fn json_schema() -> String {
    let schema = schemars::schema_for!(RawGroupFile);
    let mut schema = schema.to_value();
    // The order must not depend on which features other crates switch on in the JSON library.
    schema.sort_all_objects();
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is a JSON value already");
    text.push('\n');
    text
}
