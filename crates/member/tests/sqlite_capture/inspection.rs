//! What `check` finds in a file before it is provisioned.

use crate::support::{SqliteFixture, block_on};
use tributary_member::{Inspection, Member as _, Severity};
use tributary_model::{LogicalType as T, OnDelete};

fn inspect(definition: &str) -> Inspection {
    let fixture = SqliteFixture::new();
    fixture.connection().execute_batch(definition).unwrap();
    let mut member = fixture.sqlite("hq").open(&[]).unwrap();
    block_on(member.inspect()).unwrap()
}

/// Grave or not, column, message: the findings as short as a test needs them.
fn findings(found: &Inspection) -> Vec<(Severity, &str, &str)> {
    found
        .findings
        .iter()
        .map(|finding| {
            assert!(!finding.remedy.is_empty() && !finding.message.is_empty(), "{finding:?}");
            (finding.severity, finding.column.as_deref().unwrap_or("-"), finding.message.as_str())
        })
        .collect()
}

#[test]
fn declared_types_and_lengths() {
    let found = inspect(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, name NVARCHAR(160) NOT NULL DEFAULT '', price DECIMAL_TEXT(38,4), \
         at DATETIME2(7), flag BIT NOT NULL, raw VARBINARY(16) DEFAULT NULL, plain, shape GEOGRAPHY, \
         twice INT GENERATED ALWAYS AS (id * 2) STORED, tag TEXT COLLATE NOCASE)",
    );
    let table = found.table(None, "T").unwrap();
    let columns: Vec<_> = table
        .columns
        .iter()
        .map(|c| (c.name.as_str(), c.logical, c.nullable, c.max_length, c.has_default, c.generated))
        .collect();
    let decimal = T::Decimal { precision: 38, scale: 4 };
    assert_eq!(
        columns,
        [
            ("id", Some(T::Long), false, None, false, false),
            ("name", Some(T::String), false, Some(160), true, false),
            ("price", Some(decimal), true, None, false, false),
            ("at", Some(T::Timestamp), true, None, false, false),
            ("flag", Some(T::Boolean), false, None, false, false),
            ("raw", Some(T::Bytes), true, Some(16), false, false),
            ("plain", Some(T::Bytes), true, None, false, false),
            ("shape", None, true, None, false, false),
            ("twice", None, true, None, false, true),
            ("tag", Some(T::String), true, None, false, false),
        ]
    );
    assert_eq!(table.columns[9].collation.as_deref(), Some("NOCASE"));
    assert_eq!(table.columns[1].declared, "NVARCHAR(160)");
    assert!(!table.provisioned);
}

#[test]
fn findings_name_column_and_remedy() {
    let found = inspect(
        "CREATE TABLE t (k TEXT COLLATE NOCASE PRIMARY KEY, odd WHATEVER, plain, wide DECIMAL(38,4), u UUID, j JSON, \
         g GEOMETRY, needed HIERARCHYID NOT NULL, given HIERARCHYID NOT NULL DEFAULT 1, twice INT AS (1))",
    );
    let expected = [
        (Severity::Warning, "odd", "the type \"WHATEVER\" is not known, and is taken for numeric"),
        (Severity::Warning, "plain", "the column has no declared type, and is taken for bytes"),
        (Severity::Warning, "wide", "SQLite keeps 15 digits of a DECIMAL(38,4)"),
        (Severity::Warning, "u", "SQLite turns some ids in a UUID column into numbers"),
        (Severity::Warning, "j", "SQLite turns texts that look like numbers in a JSON column into numbers"),
        (Severity::Warning, "g", "the type \"GEOMETRY\" is not synchronised"),
        (
            Severity::Error,
            "needed",
            "the type \"HIERARCHYID\" is not synchronised, so the column is left out; but",
        ),
        (Severity::Warning, "given", "the type \"HIERARCHYID\" is not synchronised"),
        (Severity::Note, "twice", "the column is generated"),
        (Severity::Warning, "k", "the key column may hold NULL"),
        (Severity::Warning, "k", "the key compares as NOCASE"),
    ];
    let found = findings(&found);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for ((severity, column, message), expected) in found.iter().zip(expected) {
        assert_eq!((*severity, *column), (expected.0, expected.1), "{message}");
        assert!(message.starts_with(expected.2), "{message}");
    }
}

#[test]
fn tables_without_a_usable_key_are_errors() {
    let found = inspect(
        "CREATE TABLE a (x INT); CREATE TABLE b (x REAL PRIMARY KEY NOT NULL); CREATE TABLE c (x GEOMETRY NOT NULL PRIMARY KEY)",
    );
    let errors: Vec<_> = found
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error && finding.column.is_none())
        .map(|finding| (finding.table.as_deref().unwrap(), finding.remedy.as_str()))
        .collect();
    assert_eq!(
        errors,
        [
            ("a", "give it one, or leave the table out"),
            ("b", "give the table another key, or leave it out"),
            ("c", "give the table another key, or leave it out")
        ]
    );
}

#[test]
fn keys_of_all_kinds() {
    let found = inspect(
        "CREATE TABLE parent (a INT NOT NULL, b TEXT NOT NULL, other INT UNIQUE, loose INT, PRIMARY KEY (b, a)); \
         CREATE TABLE child (id INTEGER PRIMARY KEY, \
           x INT REFERENCES PARENT (other) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED, \
           pb TEXT, pa INT, up INT REFERENCES child ON DELETE CASCADE, bad INT REFERENCES parent (loose), \
           gone INT REFERENCES nowhere (id), \
           FOREIGN KEY (pb, pa) REFERENCES parent ON DELETE SET DEFAULT, UNIQUE (pb, x)); \
         CREATE UNIQUE INDEX some ON child (x) WHERE x > 1; CREATE UNIQUE INDEX low ON child (lower(pb)); \
         CREATE INDEX plain ON child (pa); CREATE UNIQUE INDEX whole ON child (up)",
    );
    let child = found.table(None, "child").unwrap();
    let keys: Vec<_> = child
        .foreign_keys
        .iter()
        .map(|k| {
            (
                k.columns.join(","),
                k.references.as_str(),
                k.referenced_columns.join(","),
                k.on_delete,
                k.deferred,
            )
        })
        .collect();
    let key = |columns: &str, table, referenced: &str, on_delete, deferred| {
        (columns.to_owned(), table, referenced.to_owned(), on_delete, deferred)
    };
    assert_eq!(
        keys,
        [
            key("x", "parent", "other", OnDelete::SetNull, true),
            key("up", "child", "id", OnDelete::Cascade, false),
            key("bad", "parent", "loose", OnDelete::Refuse, false),
            key("gone", "nowhere", "id", OnDelete::Refuse, false),
            key("pb,pa", "parent", "b,a", OnDelete::SetDefault, false),
        ]
    );
    let mut unique = child.unique.clone();
    unique.sort();
    assert_eq!(unique, [vec!["pb".to_owned(), "x".to_owned()], vec!["up".to_owned()]]);
    assert_eq!(found.table(None, "parent").unwrap().key, ["b", "a"]);
    let found = findings(&found);
    let mut about: Vec<_> = found.iter().map(|(severity, column, _)| (*severity, *column)).collect();
    about.sort_unstable();
    assert_eq!(
        about,
        [
            (Severity::Warning, "-"),
            (Severity::Warning, "-"),
            (Severity::Error, "bad"),
            (Severity::Error, "gone")
        ],
        "{found:#?}"
    );
}

#[test]
fn users_triggers_are_listed_with_the_guard() {
    let found = inspect(
        "CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE TRIGGER mine AFTER INSERT ON t BEGIN DELETE FROM t; END; \
         CREATE VIEW v AS SELECT 1; CREATE VIRTUAL TABLE f USING fts5(x)",
    );
    let names: Vec<_> = found.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, ["t"], "views, virtual tables and what they keep are no tables");
    let [trigger] = found.tables[0].triggers.as_slice() else { panic!("{found:?}") };
    assert_eq!(trigger.name, "mine");
    assert!(trigger.sql.starts_with("CREATE TRIGGER mine"));
    let [finding] = found.findings.as_slice() else { panic!("{found:?}") };
    assert!(finding.remedy.contains("WHEN NOT EXISTS (SELECT 1 FROM \"DataSync_dss_apply\")"));
}
