//! Every statement that apply makes, for tables of several shapes, as files that can be read and that a parser of the
//! language is run over.

use super::catalog::{CatalogForeignKey, CatalogUnique};
use super::references::References;
use super::refill_sql::RefillSql;
use super::shape::{self, TableShape};
use super::statements::{Described, bound, script};
use super::table::BoundTable;
use super::{exceptions, offsets};
use crate::template::fill;
use std::collections::HashSet;
use tributary_model::OnDelete;

macro_rules! snapshot {
    ($name:literal, $text:expr) => {
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_binary_snapshot!(concat!($name, ".sql"), $text.into_bytes());
        });
    };
}

/// Everything that writes one table.
fn all_of(table: &BoundTable) -> Vec<(&'static str, String)> {
    let shape = TableShape::new(table, table.catalog.as_ref().unwrap(), false);
    let sql = &shape.sql;
    let mut statements = vec![
        ("make the procedure", sql.procedure.clone()),
        ("lock rows", sql.read.clone()),
        ("lock rows that others may refer to", sql.read_parents.clone()),
        ("read tracking rows", sql.read_tracking.clone()),
        ("compare keys with the first scan's", sql.scan_passed.clone()),
        ("track rows that the first scan may not have seen", sql.track_rows.clone()),
        ("mark cells", sql.mark.clone()),
        ("which are not marked", sql.missed.clone()),
        ("read rows", sql.read_rows.clone()),
        ("insert rows", sql.insert_rows.clone()),
    ];
    statements.extend(sql.update_rows.clone().map(|sql| ("update rows", sql)));
    statements.push(("delete rows", sql.delete_rows.clone()));
    statements.extend(sql.identity_off.clone().map(|sql| ("after an insert that failed", sql)));
    for unique in &shape.uniques {
        statements.push(("who has unique values", unique.holders.clone()));
        statements.extend(unique.placeholders.iter().map(|(_, sql)| ("move unique values", sql.clone())));
    }
    statements.extend([
        ("forget marks", sql.forget_tracking.clone()),
        ("put tracking rows back", sql.return_tracking.clone()),
        ("restore rows", sql.restore_rows.clone()),
        ("forget tombstones", sql.purge_tracking.clone()),
    ]);
    statements
}

/// A table whose rows others refer to, with unique values, and one that refers to it.
fn family() -> Vec<BoundTable> {
    let text = Some("Latin1_General_100_CI_AS");
    let mut item = bound(
        None,
        "item",
        &[
            Described("id", "bigint", None),
            Described("code", "varchar(20)", Some("SQL_Latin1_General_CP1_CI_AS")),
            Described("name", "nvarchar(100)", text),
        ],
        1,
    );
    let catalog = item.catalog.as_mut().unwrap();
    catalog.uniques.push(CatalogUnique {
        name: "item_code".to_owned(),
        columns: vec!["code".to_owned(), "name".to_owned()],
        filtered: false,
        ignores_duplicates: false,
    });
    let mut line = bound(
        None,
        "line",
        &[
            Described("numbered", "int", None),
            Described("item", "bigint", None),
            Described("note", "ntext", text),
        ],
        1,
    );
    let catalog = line.catalog.as_mut().unwrap();
    catalog.id = 2;
    catalog.foreign_keys.push(CatalogForeignKey {
        name: "line_item".to_owned(),
        references: 1,
        references_name: ("dbo".to_owned(), "item".to_owned()),
        columns: vec!["item".to_owned()],
        referenced: vec!["id".to_owned()],
        on_delete: OnDelete::Cascade,
        enabled: true,
    });
    vec![item, line]
}

#[test]
fn plain_tables() {
    let tables = family();
    let found: Vec<_> = tables.iter().map(|table| table.catalog.clone().unwrap()).collect();
    let references = References::of(&tables, &found, &HashSet::new());
    let reference = references.get(0);
    let mut statements = all_of(&tables[0]);
    statements.extend(all_of(&tables[1]));
    statements.extend([
        ("rows that refer to others", reference.rows.clone()),
        ("values by which others refer to rows", reference.values.clone()),
        ("parents that are missing", reference.missing.clone()),
        ("refer to nothing for the moment", shape::detach(&tables[1], &[1])),
    ]);
    snapshot!("apply_plain", script(&statements));
}

#[test]
fn odd_names_and_a_composite_key() {
    let columns = [
        Described("seen", "nvarchar(20)", Some("Latin1_General_100_CI_AS")),
        Described("a \"c\" 'd'", "varchar(10)", Some("Cyrillic_General_CI_AS")),
        Described("at", "datetimeoffset(7)", None),
        Described("bytes", "varbinary(16)", None),
        Described("{base}", "int", None),
    ];
    snapshot!("apply_odd_names", script(&all_of(&bound(Some("sales"), "Order Details größe", &columns, 4))));
}

#[test]
fn a_table_of_keys_alone() {
    let statements = all_of(&bound(None, "key", &[Described("id", "uniqueidentifier", None)], 1));
    assert!(!statements.iter().any(|(purpose, _)| *purpose == "update rows"));
    snapshot!("apply_keys_alone", script(&statements));
}

#[test]
fn every_type() {
    let text = Some("SQL_Latin1_General_CP1_CI_AS");
    let mut columns = vec![Described("id", "int", None)];
    for kind in [
        "bit",
        "tinyint",
        "smallint",
        "bigint",
        "decimal(10,2)",
        "money",
        "smallmoney",
        "real",
        "float",
        "xml",
        "binary(4)",
        "varbinary(max)",
        "image",
        "uniqueidentifier",
        "date",
        "time(3)",
        "datetime",
        "smalldatetime",
        "datetime2(7)",
        "datetimeoffset(7)",
    ] {
        columns.push(Described(kind, kind, None));
    }
    for kind in ["char(10)", "varchar(8000)", "nchar(10)", "nvarchar(max)", "text", "ntext"] {
        columns.push(Described(kind, kind, text));
    }
    let statements = all_of(&bound(None, "every type", &columns, 1));
    let writes =
        statements.into_iter().filter(|(purpose, _)| matches!(*purpose, "read rows" | "make the procedure"));
    snapshot!("apply_every_type", script(&writes.collect::<Vec<_>>()));
}

#[test]
fn filling_gained_columns() {
    let columns = [
        Described("id", "bigint", None),
        Described("code", "varchar(10)", Some("Cyrillic_General_CI_AS")),
        Described("rank", "int", None),
        Described("note", "ntext", Some("Latin1_General_100_CI_AS")),
    ];
    let mut table = bound(None, "item", &columns, 1);
    for (column, default) in [(1, "('x')"), (2, "((5))"), (3, "(N'y')")] {
        table.catalog.as_mut().unwrap().columns[column].default = Some(default.to_owned());
    }
    let sql = RefillSql::new(&table, &[1, 2, 3], false);
    let statements = [
        ("read gained columns", sql.read.clone()),
        ("mark cells", sql.mark.clone()),
        ("make rows changes", sql.give.clone()),
        ("fill two columns", sql.fill(&[0, 1])),
        ("fill another", sql.fill(&[2])),
        ("take marks away", sql.unmark.clone()),
        ("a subscriber's", RefillSql::new(&table, &[2], true).fill(&[0])),
        ("read how far it is", fill(include_str!("sql/refill_description.sql"), &[])),
        ("write how far it is", fill(include_str!("sql/refill_progress.sql"), &[])),
        ("keep capture from its commit", fill(include_str!("sql/token_lock.sql"), &[])),
    ];
    snapshot!("apply_refill", script(&statements));
}

#[test]
fn statements_without_a_table() {
    let plain = |template| fill(template, &[]);
    let statements = [
        ("begin", plain(include_str!("sql/apply_begin.sql"))),
        ("end", plain(include_str!("sql/apply_end.sql"))),
        ("look", offsets::look_sql()),
        ("move offsets", offsets::write_sql()),
        ("list offsets", plain(include_str!("sql/offsets_list.sql"))),
        ("the first scan's claim", plain(include_str!("sql/apply_read_claim.sql"))),
        ("tables that have foreign keys", plain(include_str!("sql/reference_tables.sql"))),
        ("synchronised tables", plain(include_str!("sql/synced_tables.sql"))),
        ("find parked records", exceptions::find_sql()),
        ("park", exceptions::park_sql()),
        ("a long payload", plain(include_str!("sql/parked_payload.sql"))),
        ("remove parked records", exceptions::remove_sql()),
        ("postpone parked records", exceptions::postpone_sql()),
        ("make parked records due", exceptions::wake_sql()),
        ("make all due", plain(include_str!("sql/parked_make_due.sql"))),
        ("is any due", plain(include_str!("sql/parked_due.sql"))),
        ("list all", plain(include_str!("sql/parked_list.sql"))),
        ("list those that are due", plain(include_str!("sql/parked_retryable.sql"))),
        ("count", plain(include_str!("sql/parked_counts.sql"))),
    ];
    snapshot!("apply_shared", script(&statements));
}
