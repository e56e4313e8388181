//! Whether members hold the same rows.

use rusqlite::Connection;
use rusqlite::types::Value;

/// All rows of a table as text, sorted, the same for equal contents.
pub fn table_content(connection: &Connection, table: &str) -> Vec<String> {
    let sql = format!("SELECT * FROM \"{}\"", table.replace('"', "\"\""));
    let mut statement = connection.prepare(&sql).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        let values: Result<Vec<Value>, _> = (0..columns).map(|at| row.get(at)).collect();
        Ok(values?.iter().map(comparable).collect::<Vec<_>>().join(" | "))
    });
    let mut content: Vec<String> = rows.unwrap().map(Result::unwrap).collect();
    content.sort_unstable();
    content
}

/// A value as text. A decimal may lie in one member as a number and in another as text with its trailing zeros; that
/// types are kept apart all the same is for `verify` to see.
fn comparable(value: &Value) -> String {
    let decimal = |text: &str| {
        let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.' || b == b'-');
        plain.then(|| text.parse::<f64>().ok()).flatten()
    };
    match value {
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => decimal(text).map_or_else(|| format!("{text:?}"), |number| number.to_string()),
        Value::Null | Value::Blob(_) => format!("{value:?}"),
    }
}

/// Fails with the first differing rows unless every member holds the same rows in these tables.
pub fn assert_members_equal(members: &[(String, Connection)], tables: &[&str]) {
    let Some(((first, reference), others)) = members.split_first() else { return };
    for table in tables {
        let expected = table_content(reference, table);
        for (name, connection) in others {
            let found = table_content(connection, table);
            if found == expected {
                continue;
            }
            let missing: Vec<_> =
                expected.iter().filter(|row| found.binary_search(row).is_err()).take(5).collect();
            let extra: Vec<_> =
                found.iter().filter(|row| expected.binary_search(row).is_err()).take(5).collect();
            panic!(
                "table {table}: {first} has {} rows and {name} has {}\nonly in {first}: {missing:#?}\nonly in {name}: \
                 {extra:#?}",
                expected.len(),
                found.len()
            );
        }
    }
}
