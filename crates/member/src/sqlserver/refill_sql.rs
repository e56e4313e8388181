//! The statements that fill columns which a table has gained.
//!
//! Decides what a row holds that nobody has given it: the column's default as the server describes it, or NULL. That is
//! asked when a row is read, and once more when it is written, for servers that keep no lock on what is read only.

use super::catalog::CatalogColumn;
use super::declared::Kind;
use super::keys;
use super::objects::unlike;
use super::quote::text;
use super::shape::{Parts, value_column};
use super::table::{BoundColumn, BoundTable};
use crate::provisioned::is_constant;

/// The statements for some columns of a table. Each one's first parameter is rows.
pub(super) struct RefillSql<'a> {
    table: &'a BoundTable,
    parts: Parts,
    /// The gained columns, by position in the bound ones, each with the condition that nobody has given it a value.
    columns: Vec<(usize, String)>,
    /// Reads the columns of rows that are there, each followed by that condition, under the locks that writing takes.
    pub(super) read: String,
    /// Marks cells with the batch's number, the second parameter.
    pub(super) mark: String,
    /// Makes rows changes of this member's; the second parameter is the incarnation.
    pub(super) give: String,
    /// Takes away the tracking rows that were there for the marks only; the second parameter is the number.
    pub(super) unmark: String,
}

impl<'a> RefillSql<'a> {
    /// Of these columns, by position in the bound ones. `takes_all`: whether any value gives way to the group's.
    pub(super) fn new(table: &'a BoundTable, columns: &[usize], takes_all: bool) -> Self {
        let parts = Parts::new(table);
        let nobodys = |at: &usize| (*at, nobodys(table, &table.columns[*at], takes_all));
        let columns: Vec<(usize, String)> = columns.iter().map(nobodys).collect();
        let selected = columns.iter().enumerate().map(|(number, (at, nobodys))| {
            let column = &table.columns[*at];
            let value = column.codec.select(&format!("b.{}", column.quoted));
            format!("{value} AS [c{number}], CASE WHEN {nobodys} THEN 1 ELSE 0 END AS [n{number}]")
        });
        let selected = selected.collect::<Vec<_>>().join(", ");
        let first = table.first_incarnation.as_str();
        let more =
            [("columns", selected.as_str()), ("first", &text(first)), ("first_seen", &table.first_seen())];
        let filled = |template| parts.fill(template, &more);
        Self {
            read: filled(include_str!("sql/refill_read.sql")),
            mark: filled(include_str!("sql/refill_mark.sql")),
            give: filled(include_str!("sql/refill_give.sql")),
            unmark: filled(include_str!("sql/refill_unmark.sql")),
            table,
            parts,
            columns,
        }
    }

    /// Writes some of the columns, by their number among the gained ones; the parameter's rows are the key, then those
    /// columns.
    pub(super) fn fill(&self, numbers: &[usize]) -> String {
        let mut rows = self.parts.keys.clone();
        let mut assignments = Vec::new();
        let mut still = Vec::new();
        for number in numbers {
            let (at, nobodys) = &self.columns[*number];
            let column = &self.table.columns[*at];
            rows.push(value_column(column, &format!("v{number}")));
            assignments.push(format!("{} = u.[v{number}]", column.quoted));
            still.push(nobodys.as_str());
        }
        self.parts.fill(
            include_str!("sql/refill_fill.sql"),
            &[
                ("rows", &rows.sql("u", 1)),
                ("assignments", &assignments.join(", ")),
                ("still", &still.join(" AND ")),
            ],
        )
    }
}

/// The condition that nobody has given the base row `b` a value in this column.
fn nobodys(table: &BoundTable, column: &BoundColumn, takes_all: bool) -> String {
    let here = format!("b.{}", column.quoted);
    let catalog = table.catalog.as_ref();
    let found = catalog.and_then(|catalog| Some(&catalog.columns[catalog.position(&column.name)?]));
    match found {
        _ if takes_all => "1 = 1".to_owned(),
        Some(CatalogColumn { default: Some(default), .. }) if is_constant(default) => {
            let differs = unlike(column, &here, &default_value(column, default));
            format!("({here} IS NULL OR NOT ({}))", differs.join(" OR "))
        }
        // What it gave to each row cannot be told from what a user has.
        Some(CatalogColumn { has_default: true, .. }) => "1 = 1".to_owned(),
        _ => format!("{here} IS NULL"),
    }
}

/// A default as a value of the column's own type.
fn default_value(column: &BoundColumn, default: &str) -> String {
    let declared = column.codec.declared();
    match declared.kind {
        // Those types are compared as texts, or bytes.
        Kind::Text | Kind::NText => format!("CAST(({default}) AS nvarchar(max))"),
        Kind::Image => format!("CAST(({default}) AS varbinary(max))"),
        _ if declared.is_text() => {
            let unicode = format!("CAST(({default}) AS nvarchar(max))");
            keys::typed(&column.codec, &unicode, column.binary)
        }
        _ => format!("CAST(({default}) AS {})", declared.spelt()),
    }
}
