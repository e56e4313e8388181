//! Kafka Connect with the ready configuration of the file sink: Debezium's transform takes the rows out of our envelopes.

use crate::root;
use crate::worked::{self, worked};
use rusqlite::types::Value;
use std::collections::BTreeMap;
use std::path::Path;
use tributary_testkit::services::{Connect, shared_broker, shared_registry};

/// What the lines of one table come to: the last row of each key.
type Rows = BTreeMap<Vec<String>, Vec<String>>;

pub(crate) fn kafka_connect_takes_rows_out_of_envelopes() {
    let group = worked();
    let sinks = root().join("deploy/kafka/sinks");
    let read = |name: &str| std::fs::read_to_string(sinks.join(name)).unwrap();
    let registry = shared_registry().url().replace("/apis/ccompat/v7", "/apis/registry/v2");
    let worker = read("worker.properties")
        .replace("localhost:9092", &shared_broker().address())
        .replace("http://localhost:8081/apis/registry/v2", &registry);
    let out = group.path().join("connect.txt");
    let sink = read("file.properties")
        .replace("\\.retail\\", &format!("\\.{}\\", worked::GROUP))
        .replace("file=retail.txt", &format!("file={}", out.display()));
    assert!(sink.contains(worked::GROUP) && sink.contains("connect.txt"), "{sink}");
    let connection = group.connect("hq");
    // As much of a row as a line shows without doubt; bytes and dates do not look there as they are.
    let articles = rows(&connection, "SELECT Token, Id, Name, Visits, Price, Exact, Größe FROM Article", 2);
    let lines = rows(&connection, "SELECT \"Order\", Line, Text, Pieces FROM \"Order Lines\"", 2);
    let article_fields = ["Token", "Id", "Name", "Visits", "Price", "Exact", "Gr_x00F6__x00DF_e"];
    let mut connect = Connect::start(&worker, &sink);
    connect.wait_until("the rows in the file", || {
        let text = read_lines(&out);
        replay(&text, &article_fields, 2) == articles
            && replay(&text, &["Order", "Line", "Text", "Pieces"], 2) == lines
    });
    let text = read_lines(&out);
    for part in ["__deleted=true", "__op=c", "__op=u", "__op=d", "__source_member=hq", "__source_member=shop"]
    {
        assert!(text.iter().any(|line| line.contains(part)), "no line has {part}");
    }
}

fn rows(connection: &rusqlite::Connection, sql: &str, key: usize) -> Rows {
    let mut statement = connection.prepare(sql).unwrap();
    let width = statement.column_count();
    let rows = statement.query_map([], |row| {
        let text = |at| {
            Ok(match row.get(at)? {
                Value::Integer(number) => number.to_string(),
                Value::Text(text) => text,
                // Connect leaves out a field that is null.
                Value::Null => String::new(),
                other => format!("{other:?}"),
            })
        };
        let values: Vec<_> = (0..width).map(text).collect::<Result<_, rusqlite::Error>>()?;
        Ok((values[..key].to_vec(), values[key..].to_vec()))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// The complete lines so far.
fn read_lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let complete = text.rfind('\n').map_or("", |end| &text[..end]);
    complete.lines().map(str::to_owned).collect()
}

/// Replays the lines of the table that has these fields, such as `Struct{Order=1,Line=2,Text=abc,__deleted=false,…}`.
fn replay(lines: &[String], fields: &[&str], key: usize) -> Rows {
    let mut rows = Rows::new();
    for line in lines {
        let parts = line.strip_prefix("Struct{").and_then(|rest| rest.strip_suffix('}'));
        let parts: Vec<_> = parts.unwrap_or_else(|| panic!("not a row: {line}")).split(',').collect();
        let value = |field: &str| {
            let found = parts.iter().find_map(|part| part.strip_prefix(field)?.strip_prefix('='));
            found.unwrap_or_default().to_owned()
        };
        // The first field, of the key, tells the tables apart.
        if value(fields[0]).is_empty() {
            continue;
        }
        let values: Vec<_> = fields.iter().map(|field| value(field)).collect();
        if value("__deleted") == "true" {
            rows.remove(&values[..key]);
        } else {
            rows.insert(values[..key].to_vec(), values[key..].to_vec());
        }
    }
    rows
}
