//! The bytes on the wire and the schemas' texts never change by accident: other machines, other versions and
//! registries hold them.
//!
//! `cargo test -p tributary-codec --test golden -- --ignored` writes the files anew. A golden record that changes is a
//! new version of the format, not a new file.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use apache_avro::Schema;
use apache_avro::types::Value as Avro;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use support::avro::{self, at};
use support::example;
use tributary_codec::{ConflictCodec, ExceptionCodec, TableCodec, split_frame};

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.hex"))
}

fn schemas() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../schemas")
}

fn hex(bytes: &[u8]) -> String {
    let line = |line: &[u8]| line.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    bytes.chunks(40).map(line).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

fn read(name: &str) -> Vec<u8> {
    unhex(&fs::read_to_string(golden(name)).unwrap())
}

/// The derived schemas of the example, by file.
fn derived() -> [(&'static str, String); 4] {
    let codec = example::codec();
    [
        ("customer-key", codec.key_schema()),
        ("customer-row", codec.row_schema()),
        ("customer-change", codec.change_schema()),
        ("customer-resolved", codec.resolved_schema()),
    ]
    .map(|(name, schema)| (name, pretty(schema)))
}

/// The schema with a line for every attribute. Not by way of a JSON map, which would sort them.
fn pretty(schema: &str) -> String {
    let (mut out, mut depth, mut text, mut escaped) = (String::new(), 0_usize, false, false);
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    };
    for c in schema.chars() {
        let structural = !text;
        if c == '"' && !escaped {
            text = !text;
        }
        escaped = c == '\\' && !escaped;
        match c {
            '{' | '[' if structural => {
                depth += 1;
                out.push(c);
                line(&mut out, depth);
            }
            '}' | ']' if structural => {
                depth -= 1;
                line(&mut out, depth);
                out.push(c);
            }
            ',' if structural => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' if structural => out.push_str(": "),
            c => out.push(c),
        }
    }
    out.push('\n');
    out
}

#[test]
#[ignore = "writes the files that the other tests compare with"]
fn write_golden_files() {
    for (name, bytes) in example::records() {
        fs::create_dir_all(golden(name).parent().unwrap()).unwrap();
        fs::write(golden(name), hex(&bytes)).unwrap();
    }
    for (name, schema) in derived() {
        fs::create_dir_all(schemas().join("examples")).unwrap();
        fs::write(schemas().join("examples").join(format!("{name}.avsc")), schema).unwrap();
    }
}

#[test]
fn records_are_written_as_ever() {
    for (name, bytes) in example::records() {
        assert_eq!(hex(&bytes), fs::read_to_string(golden(name)).unwrap(), "{name}");
    }
}

#[test]
fn records_are_read_as_ever() {
    let codec = example::codec();
    assert_eq!(codec.decode_key(&read("key")).unwrap(), example::conflict().key);
    assert_eq!(codec.decode_change(&read("change-update")).unwrap(), example::change());
    assert_eq!(codec.decode_change(&read("change-delete")).unwrap(), example::delete());
    let resolved = [
        ("resolved-create", example::created()),
        ("resolved-update", example::updated()),
        ("resolved-delete", example::deleted()),
    ];
    for (name, (record, before)) in resolved {
        assert_eq!(codec.decode_resolved(&read(name)).unwrap(), record, "{name}");
        assert_eq!(codec.decode_resolved_record(&read(name)).unwrap().before, before, "{name}");
    }
    assert_eq!(ConflictCodec::decode_key(&read("conflict-key")).unwrap(), example::conflict().id);
    let lookup = |name: &str| (name == "Customer").then(|| Arc::clone(&codec));
    assert_eq!(ConflictCodec::decode_conflict(&read("conflict"), lookup).unwrap(), example::conflict());
    assert_eq!(ExceptionCodec::decode_key(&read("exception-key")).unwrap(), example::exception().id());
    assert_eq!(ExceptionCodec::decode(&read("exception")).unwrap(), example::exception());
}

#[test]
fn schemas_are_derived_as_ever() {
    for (name, schema) in derived() {
        let file = schemas().join("examples").join(format!("{name}.avsc"));
        assert_eq!(schema, fs::read_to_string(&file).unwrap(), "{name}");
        Schema::parse_str(&schema).unwrap();
    }
    let again = TableCodec::new(&example::customer(), support::GROUP).unwrap();
    assert_eq!(again.change_schema(), example::codec().change_schema());
}

#[test]
fn fixed_parts_are_the_files() {
    // The text differs in blanks only; the library's canonical form is blind to them (and to documentation).
    let canonical = |text: &str| Schema::parse_str(text).unwrap().canonical_form();
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    for (file, schema) in
        [("conflict.avsc", ConflictCodec::schema()), ("exception.avsc", ExceptionCodec::schema())]
    {
        let file = fs::read_to_string(schemas().join(file)).unwrap();
        assert_eq!(canonical(schema), canonical(&file));
        assert_eq!(json(schema), json(&file));
    }
    for (file, envelope) in [
        ("source", derived()[2].1.clone()),
        ("dss-change", derived()[2].1.clone()),
        ("source", derived()[3].1.clone()),
        ("dss-resolved", derived()[3].1.clone()),
    ] {
        let part = json(&fs::read_to_string(schemas().join(format!("{file}.avsc"))).unwrap());
        let envelope = json(&envelope);
        let fields = envelope["fields"].as_array().unwrap();
        assert!(
            fields.iter().any(|field| field["type"] == part),
            "{file} is not in its envelope as it stands"
        );
    }
}

/// Reads a golden record with nothing but the Avro library and the schema file.
fn strange(name: &str, schema: &str, id: u32) -> Avro {
    let bytes = read(name);
    assert_eq!(bytes[0], 0);
    assert_eq!(bytes[1..5], id.to_be_bytes());
    let schema = fs::read_to_string(schemas().join(format!("{schema}.avsc"))).unwrap();
    let (value, left) = avro::read(&schema, &bytes[5..]);
    assert_eq!(left, 0);
    value
}

fn decimal(unscaled: &str) -> Avro {
    let number: bigdecimal::num_bigint::BigInt = unscaled.parse().unwrap();
    Avro::Decimal(apache_avro::Decimal::from(number.to_signed_bytes_be()))
}

#[test]
fn a_stranger_reads_every_field_of_a_resolved_record() {
    let record = strange("resolved-update", "examples/customer-resolved", 3);
    let text = avro::text;
    let ticks = 17_954_415_001_234_567;
    let expected = [
        ("after.Id", Avro::Long(-7_000_000_000)),
        ("after.Name", text("Zoë 😀")),
        ("after.Active", Avro::Boolean(true)),
        ("after.Visits", Avro::Int(-1)),
        ("after.Balance", decimal("-123450")),
        ("after.Holdings", decimal("12345678901234567890123456789012345678900123456789")),
        ("after.Ratio", text("0.10")),
        ("after.Weight", Avro::Float(1.5)),
        ("after.Score", Avro::Double(f64::NEG_INFINITY)),
        ("after.Photo", Avro::Bytes(vec![0, 255, 16])),
        ("after.Token", Avro::Uuid("0192f3c4-5a6b-7c8d-9e0f-1a2b3c4d5e6f".parse().unwrap())),
        ("after.Born", Avro::Date(-18_755)),
        ("after.Wakes_x0020_at", Avro::Long(863_999_999_999)),
        ("after.Changed", Avro::Long(-621_355_968_000_000_000)),
        ("after.Signed.ticks", Avro::Long(ticks)),
        ("after.Signed.offset_minutes", Avro::Int(-210)),
        ("after.Gr_x00F6__x00DF_e", Avro::Null),
        ("before.Id", Avro::Long(-7_000_000_000)),
        ("before.Name", Avro::Null),
        ("source.connector", text("tributary")),
        ("source.name", text("retail")),
        ("source.table", text("Customer")),
        ("source.member", text("hq")),
        ("source.ts_ms", Avro::Long(1_795_441_499_623)),
        ("op", text("u")),
        ("ts_ms", Avro::Long(1_795_441_500_126)),
        ("dss.origin", text("hq~2")),
        ("dss.version", Avro::Long(300)),
        ("dss.kind", text("live")),
        ("dss.settled", text("conflict")),
        ("dss.policy", text("latest_wins")),
        ("dss.changed_at", Avro::Long(ticks)),
        ("dss.effective_at", Avro::Long(ticks - 5_000_000)),
        ("dss.unset", Avro::Array(vec![text("Gr_x00F6__x00DF_e")])),
    ];
    for (path, value) in expected {
        assert_eq!(at(&record, path), &value, "{path}");
    }
    assert_eq!(vector(at(&record, "dss.vv")), "cloud:7 hq:12 hq~2:300");
    let Avro::Array(content) = at(&record, "dss.content") else { panic!("content is no array") };
    assert_eq!(content.iter().map(vector).collect::<Vec<_>>(), ["hq~2:300", "cloud:7 hq~2:300"]);
}

fn vector(value: &Avro) -> String {
    let Avro::Array(entries) = value else { panic!("{value:?} is no array") };
    let entry = |entry| match (at(entry, "incarnation"), at(entry, "version")) {
        (Avro::String(name), Avro::Long(version)) => format!("{name}:{version}"),
        other => panic!("{other:?}"),
    };
    entries.iter().map(entry).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_stranger_reads_the_other_records() {
    let key = strange("key", "examples/customer-key", 1);
    assert_eq!(at(&key, "Token"), &Avro::Uuid("0192f3c4-5a6b-7c8d-9e0f-1a2b3c4d5e6f".parse().unwrap()));
    assert_eq!(at(&key, "Id"), &Avro::Long(-7_000_000_000));

    let change = strange("change-update", "examples/customer-change", 2);
    assert_eq!(at(&change, "before"), &Avro::Null);
    assert_eq!(at(&change, "op"), &avro::text("u"));
    assert_eq!(vector(at(&change, "dss.seen")), "cloud:7 hq:12");

    let change = strange("change-delete", "examples/customer-change", 2);
    assert_eq!(at(&change, "after"), &Avro::Null);
    assert_eq!(at(&change, "op"), &avro::text("d"));
    assert_eq!(at(&change, "source.ts_ms"), &Avro::Null);
    assert_eq!(at(&change, "dss.kind"), &avro::text("restated"));
    assert_eq!(vector(at(&change, "dss.seen")), "");

    let created = strange("resolved-create", "examples/customer-resolved", 3);
    assert_eq!((at(&created, "op"), at(&created, "before")), (&avro::text("c"), &Avro::Null));
    let deleted = strange("resolved-delete", "examples/customer-resolved", 3);
    assert_eq!((at(&deleted, "op"), at(&deleted, "after")), (&avro::text("d"), &Avro::Null));
    assert_eq!(at(&deleted, "before.Id"), &Avro::Long(-7_000_000_000));
}

#[test]
fn a_stranger_reads_both_versions_of_a_conflict() {
    let conflict = strange("conflict", "conflict", 0x0102_0304);
    assert_eq!(at(&conflict, "table"), &avro::text("Customer"));
    assert_eq!(at(&conflict, "state"), &avro::text("open"));
    assert_eq!(at(&conflict, "winner.origin"), &avro::text("hq~2"));
    assert_eq!(at(&conflict, "loser.deleted"), &Avro::Boolean(true));
    assert_eq!(at(&conflict, "loser.row_json"), &Avro::Null);
    let Avro::String(key) = at(&conflict, "key_json") else { panic!("key_json is no text") };
    assert_eq!(key, r#"{"Token":"0192f3c4-5a6b-7c8d-9e0f-1a2b3c4d5e6f","Id":-7000000000}"#);
    let Avro::String(json) = at(&conflict, "winner.row_json") else { panic!("row_json is no text") };
    let expected = concat!(
        r#"{"Id":-7000000000,"Name":"Zoë 😀","Active":true,"Visits":-1,"Balance":"-1234.50","#,
        r#""Holdings":"1234567890123456789012345678901234567890.0123456789","Ratio":"0.10","Weight":1.5,"#,
        r#""Score":"-inf","Photo":"0x00ff10","Token":"0192f3c4-5a6b-7c8d-9e0f-1a2b3c4d5e6f","#,
        r#""Born":"1918-08-27","Wakes at":"23:59:59.9999999","Changed":"0001-01-01 00:00:00","#,
        r#""Signed":"2026-11-23 10:15:00.1234567-03:30"}"#,
    );
    assert_eq!(json, expected);
    // The exact row, with the row's schema.
    let Avro::Bytes(payload) = at(&conflict, "winner.row") else { panic!("row is not bytes") };
    let schema = fs::read_to_string(schemas().join("examples/customer-row.avsc")).unwrap();
    let (row, left) = avro::read(&schema, payload);
    assert_eq!((at(&row, "Balance"), left), (&decimal("-123450"), 0));
    let key = read("conflict-key");
    let (_, payload) = split_frame(&key).unwrap();
    let (id, _) = avro::read(r#""string""#, payload);
    assert_eq!(&id, at(&conflict, "id"));
}
