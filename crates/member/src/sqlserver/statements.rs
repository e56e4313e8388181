//! Every statement that the adapter makes, for tables of many shapes, as files that can be read and that a parser of
//! the language is run over (`tests/tests/statements`).

use super::catalog::{CatalogColumn, CatalogTable, CatalogTrigger};
use super::code_page::CodePage;
use super::declared::Declared;
use super::poll::{AFTER_SNAPSHOT, changes_sql, pending_sql};
use super::table::BoundTable;
use super::{digest, objects, provision, rows, scan};
use crate::OnLoss;
use crate::{Scan, TableBinding};
use std::fmt::Write as _;
use std::sync::Arc;
use tributary_model::{
    Column, ForeignKey, Incarnation, KeyBytes, LogicalType, MemberId, OnDelete, Row, TableName, TableSchema,
    Value, key,
};

const SNAPSHOT: &str = "SET TRANSACTION ISOLATION LEVEL SNAPSHOT; ";

/// A column as the server would describe it: name, type, collation.
pub(super) struct Described(
    pub(super) &'static str,
    pub(super) &'static str,
    pub(super) Option<&'static str>,
);

/// A bound table of these columns; those of the key come first.
pub(super) fn bound(schema: Option<&str>, table: &str, columns: &[Described], key: usize) -> BoundTable {
    let declared: Vec<Declared> = columns.iter().map(|column| Declared::parse(column.1)).collect();
    let group = TableSchema {
        name: TableName::new(table),
        columns: columns
            .iter()
            .zip(&declared)
            .enumerate()
            .map(|(at, (column, declared))| Column {
                name: column.0.to_owned(),
                logical: declared.logical().unwrap(),
                nullable: at >= key,
                max_length: declared.length,
            })
            .collect(),
        key: (0..key).collect(),
        foreign_keys: Vec::new(),
        unique: Vec::new(),
        generation: 1,
    };
    let mut binding = TableBinding::same_names(Arc::new(group));
    binding.local_schema = schema.map(str::to_owned);
    let catalog = CatalogTable {
        id: 1,
        schema: schema.unwrap_or("dbo").to_owned(),
        name: table.to_owned(),
        oddity: None,
        columns: columns
            .iter()
            .zip(declared)
            .enumerate()
            .map(|(at, (column, declared))| CatalogColumn {
                name: column.0.to_owned(),
                number: at as i64 + 1,
                declared,
                nullable: at >= key,
                left_out: None,
                identity: column.0 == "numbered",
                has_default: false,
                default: None,
                masked: false,
                collation: column.2.map(str::to_owned),
                code_page: CodePage(if column.2 == Some("Cyrillic_General_CI_AS") { 1251 } else { 1252 }),
            })
            .collect(),
        key: (0..key).collect(),
        uniques: Vec::new(),
        foreign_keys: Vec::new(),
        triggers: Vec::<CatalogTrigger>::new(),
    };
    let mut bound = BoundTable::unread(&Arc::new(binding), &MemberId::new("hq").unwrap());
    assert_eq!(bound.describe(Some(catalog), true), None);
    bound
}

/// Statements with what they are for, separated as scripts separate batches.
pub(super) fn script(statements: &[(&str, String)]) -> String {
    let mut out = String::new();
    for (purpose, sql) in statements {
        write!(out, "-- {purpose}\n{}\nGO\n", sql.trim_end()).unwrap();
    }
    out
}

/// A value of each type that is a row like others.
fn plain(logical: LogicalType) -> Value {
    match logical {
        LogicalType::Boolean => Value::Boolean(true),
        LogicalType::Int => Value::Int(5),
        LogicalType::Long => Value::Long(1 << 40),
        LogicalType::Decimal { .. } | LogicalType::Numeric => Value::Decimal("-1.5".parse().unwrap()),
        LogicalType::Float => Value::Float(0.1),
        LogicalType::Double => Value::Double(1e300),
        LogicalType::String => Value::String("it's\na".into()),
        LogicalType::Bytes => Value::Bytes(vec![0, 255]),
        LogicalType::Uuid => Value::Uuid(uuid::Uuid::from_u128(7)),
        LogicalType::Date => Value::Date(20_000),
        LogicalType::Time => Value::Time(10_000_000 * 60),
        LogicalType::Timestamp => Value::Timestamp(10_000_000 * 60),
        LogicalType::TimestampOffset => Value::TimestampOffset { ticks: 10_000_000, offset_minutes: 90 },
    }
}

/// Everything that concerns one table.
fn all_of(table: &BoundTable) -> String {
    let mut statements: Vec<(&str, String)> = Vec::new();
    let objects = objects::of_table(table);
    statements.extend(objects.iter().map(|object| (object.purpose.as_str(), object.sql.clone())));
    let values: Vec<Value> = table.columns.iter().map(|column| plain(column.codec.logical())).collect();
    let key_values: Vec<Value> = table.key.iter().map(|at| values[*at].clone()).collect();
    let columns = table.key_columns().map(|column| column.codec.logical()).zip(key_values.iter().map(Some));
    let key: KeyBytes = key::encode(columns).unwrap();
    let after = Scan::After(key.clone());
    let range = scan::range(table, &after, Some(&key)).unwrap();
    let all = scan::range(table, &Scan::Pending, None).unwrap();
    statements.push(("read changes", changes_sql(SNAPSHOT, table)));
    statements.push(("count changes", pending_sql(SNAPSHOT, table)));
    statements.push(("measure a chunk", scan::bound_sql(SNAPSHOT, table, &all)));
    statements.push(("read a chunk", scan::rows_sql(SNAPSHOT, table, &range)));
    statements.push(("are there rows left", scan::left_sql("", table, &range)));
    statements.push(("read all rows", digest::rows_sql(SNAPSHOT, table)));
    let (sql, _) = rows::select_rows(table, &[key.clone(), key]).unwrap().unwrap();
    statements.push(("read rows by key", format!("{SNAPSHOT}{sql}{AFTER_SNAPSHOT}")));
    let mut row: Row = table.absent_row();
    for (column, value) in table.columns.iter().zip(values) {
        row.0[column.position] = Some(value);
    }
    let by_hand = |row| rows::by_hand(table, &key_values, row, OnLoss::Round).unwrap();
    statements.push(("write a row by hand", by_hand(Some(&row))));
    statements.push(("delete a row by hand", by_hand(None)));
    statements.extend(objects.iter().rev().map(|object| ("remove", object.drop_statement())));
    script(&statements)
}

macro_rules! snapshot {
    ($name:literal, $text:expr) => {
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_binary_snapshot!(concat!($name, ".sql"), $text.into_bytes());
        });
    };
}

#[test]
fn a_plain_table() {
    let columns = [
        Described("id", "bigint", None),
        Described("name", "nvarchar(100)", Some("Latin1_General_100_CI_AS")),
    ];
    snapshot!("plain", all_of(&bound(None, "item", &columns, 1)));
}

/// Brackets within names are [`super::quote`]'s matter: the parser does not read them.
#[test]
fn odd_names_and_a_composite_key() {
    let columns = [
        Described("seen", "nvarchar(20)", Some("Latin1_General_100_CI_AS")),
        Described("a b \"c\" 'd'", "varchar(10)", Some("Cyrillic_General_CI_AS")),
        Described("at", "datetimeoffset(7)", None),
        Described("{base}", "int", None),
    ];
    snapshot!("odd_names", all_of(&bound(Some("sales"), "Order Details größe", &columns, 3)));
}

#[test]
fn every_type() {
    let text = Some("SQL_Latin1_General_CP1_CI_AS");
    let columns = [
        Described("numbered", "int", None),
        Described("bit", "bit", None),
        Described("tinyint", "tinyint", None),
        Described("smallint", "smallint", None),
        Described("bigint", "bigint", None),
        Described("decimal", "decimal(10,2)", None),
        Described("fraction", "decimal(38,38)", None),
        Described("money", "money", None),
        Described("smallmoney", "smallmoney", None),
        Described("real", "real", None),
        Described("float", "float", None),
        Described("char", "char(10)", text),
        Described("varchar", "varchar(8000)", text),
        Described("nchar", "nchar(10)", text),
        Described("nvarchar", "nvarchar(max)", text),
        Described("text", "text", text),
        Described("ntext", "ntext", text),
        Described("xml", "xml", None),
        Described("binary", "binary(4)", None),
        Described("varbinary", "varbinary(max)", None),
        Described("image", "image", None),
        Described("uniqueidentifier", "uniqueidentifier", None),
        Described("date", "date", None),
        Described("time", "time(3)", None),
        Described("datetime", "datetime", None),
        Described("smalldatetime", "smalldatetime", None),
        Described("datetime2", "datetime2(7)", None),
        Described("datetimeoffset", "datetimeoffset(7)", None),
    ];
    let mut table = bound(None, "every type", &columns, 1);
    // Rounded to 0, since no decimal of one digit before the point fits.
    table.columns.retain(|column| column.name != "fraction");
    table.key = vec![0];
    snapshot!("every_type", all_of(&table));
}

#[test]
fn keys_that_compare_loosely() {
    let columns = [
        Described("bytes", "varbinary(16)", None),
        Described("code", "char(5)", Some("SQL_Latin1_General_CP1_CI_AS")),
        Described("exact", "nvarchar(5)", Some("Latin1_General_100_BIN2")),
    ];
    let table = bound(None, "key", &columns, 3);
    assert!(table.columns[2].is_binary);
    let created = objects::of_table(&table);
    let statements: Vec<(&str, String)> =
        created.iter().map(|object| (object.purpose.as_str(), object.sql.clone())).collect();
    snapshot!("loose_keys", script(&statements));
}

#[test]
fn a_later_incarnation() {
    let columns = [Described("id", "int", None), Described("note", "int", None)];
    let mut table = bound(None, "note", &columns, 1);
    table.incarnation = Incarnation::numbered(&MemberId::new("hq").unwrap(), 2);
    let created = objects::of_table(&table);
    let statements: Vec<(&str, String)> =
        created.iter().map(|object| (object.purpose.as_str(), object.sql.clone())).collect();
    snapshot!("later_incarnation", script(&statements));
}

#[test]
fn what_every_member_has() {
    let created = objects::fixed(1, true);
    let mut statements: Vec<(&str, String)> =
        created.iter().map(|object| (object.purpose.as_str(), object.sql.clone())).collect();
    statements.extend(created.iter().rev().map(|object| ("remove", object.drop_statement())));
    snapshot!("fixed", script(&statements));
}

#[test]
fn statements_without_a_table() {
    let fill = |template: &str| {
        let values = [("filter", ""), ("bases", "OBJECT_ID(N'[dbo].[a]')"), ("tables", "1, 2")];
        let more =
            [("milliseconds", "5000"), ("lock_timeout", "5000"), ("tracking", "[DataSync].[a_dss_tracking]")];
        let token = crate::template::fill(include_str!("sql/update_token.sql"), &[]);
        let first = crate::template::fill(include_str!("sql/insert_token.sql"), &[]);
        let refilled = crate::template::fill(include_str!("sql/refilled_any.sql"), &[("tables", "@P5")]);
        let writes = format!("{first}\n{token}\n{refilled}");
        let listing = [("writes", writes.as_str()), ("key_column", "[key], "), ("key_value", "@P6, ")];
        let all: Vec<(&str, &str)> = values.into_iter().chain(more).chain(listing).collect();
        crate::template::fill(template, &all)
    };
    let templates = [
        ("session settings", include_str!("sql/session_settings.sql")),
        ("server", include_str!("sql/server_facts.sql")),
        ("settings of the database", include_str!("sql/database_settings.sql")),
        ("tables", include_str!("sql/catalog_tables.sql")),
        ("columns", include_str!("sql/catalog_columns.sql")),
        ("indexes", include_str!("sql/catalog_indexes.sql")),
        ("foreign keys", include_str!("sql/catalog_foreign_keys.sql")),
        ("triggers", include_str!("sql/catalog_triggers.sql")),
        ("our objects", include_str!("sql/look_ours.sql")),
        ("all of ours", include_str!("sql/look_all.sql")),
        ("glance", include_str!("sql/glance.sql")),
        ("glance when provisioned", include_str!("sql/glance_provisioned.sql")),
        ("what is provisioned", include_str!("sql/read_tables.sql")),
        ("lock", include_str!("sql/provisioning_lock.sql")),
        ("highest version", include_str!("sql/highest_given.sql")),
        ("commit", include_str!("sql/commit_token.sql")),
        ("commit with listings", include_str!("sql/commit_token_listed.sql")),
        ("list a row", include_str!("sql/list_row.sql")),
        ("token", include_str!("sql/read_token.sql")),
        ("who holds back", include_str!("sql/holds_back.sql")),
    ];
    let statements: Vec<(&str, String)> =
        templates.into_iter().map(|(purpose, template)| (purpose, fill(template))).collect();
    snapshot!("shared", script(&statements));
}

#[test]
fn tables_that_are_made() {
    let every: Vec<LogicalType> = vec![
        LogicalType::Long,
        LogicalType::Boolean,
        LogicalType::Int,
        LogicalType::Decimal { precision: 10, scale: 2 },
        LogicalType::Numeric,
        LogicalType::Float,
        LogicalType::Double,
        LogicalType::String,
        LogicalType::Bytes,
        LogicalType::Uuid,
        LogicalType::Date,
        LogicalType::Time,
        LogicalType::Timestamp,
        LogicalType::TimestampOffset,
    ];
    let column = |name: String, logical, nullable| Column { name, logical, nullable, max_length: None };
    let parent = TableSchema {
        name: TableName::new("parent"),
        columns: every
            .iter()
            .enumerate()
            .map(|(at, logical)| column(format!("c{at}"), *logical, at > 0))
            .collect(),
        key: vec![0],
        foreign_keys: Vec::new(),
        unique: vec![vec![7], vec![0, 2]],
        generation: 1,
    };
    let child = TableSchema {
        name: TableName::new("child"),
        columns: vec![
            column("id".to_owned(), LogicalType::Uuid, false),
            column("parent".to_owned(), LogicalType::Long, true),
            column("self".to_owned(), LogicalType::Uuid, true),
        ],
        key: vec![0],
        foreign_keys: vec![
            ForeignKey {
                columns: vec![1],
                references: TableName::new("parent"),
                referenced_columns: vec!["c0".to_owned()],
                on_delete: OnDelete::Cascade,
            },
            ForeignKey {
                columns: vec![2],
                references: TableName::new("child"),
                referenced_columns: vec!["id".to_owned()],
                on_delete: OnDelete::SetNull,
            },
        ],
        unique: Vec::new(),
        generation: 1,
    };
    let bindings = [parent, child].map(|schema| Arc::new(TableBinding::same_names(Arc::new(schema))));
    let mut statements = Vec::new();
    for binding in &bindings {
        statements.push(("make a table", provision::create_table(binding, 7)));
        statements
            .extend(provision::create_unique_indexes(binding).into_iter().map(|sql| ("unique values", sql)));
    }
    for binding in &bindings {
        let sql = provision::create_foreign_keys(binding, &bindings, false);
        statements.extend(sql.into_iter().map(|sql| ("references", sql)));
    }
    snapshot!("made", script(&statements));
}
