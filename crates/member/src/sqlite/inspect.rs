//! What stands in a file before it is provisioned, and what `check` says about it.
//!
//! Looks at every table of the users', bound or not; whoever asks picks the findings of the tables that he means.

use super::SqliteMember;
use super::catalog::{self, CatalogColumn, CatalogTable};
use super::connect::journal_mode;
use super::declared::{Affinity, Declared};
use super::failure::failed;
use super::objects::is_our_trigger;
use super::provision::{is_fixed, our_tables};
use super::table::Names;
use crate::{
    ColumnInspection, Finding, ForeignKeyInspection, Inspection, Limits, Result, Severity, TableInspection,
    TriggerInspection,
};
use tributary_model::{LogicalType, OnDelete};

/// Digits that a NUMERIC column keeps of any decimal.
const NUMERIC_DIGITS: u32 = 15;

/// What a user's trigger has to ask, in order to be silent while changes of others are written.
const TRIGGER_GUARD: &str = r#"NOT EXISTS (SELECT 1 FROM "DataSync_dss_apply")"#;

/// Tables, columns, types, keys, foreign keys and triggers as found.
pub(super) fn inspect(member: &mut SqliteMember) -> Result<Inspection> {
    let path = std::sync::Arc::clone(&member.path);
    // One snapshot for all of it.
    let transaction =
        member.connection.unchecked_transaction().map_err(failed(&path, "look at its tables"))?;
    let mut found = Inspection {
        server: format!("SQLite {}", rusqlite::version()),
        trigger_guard: TRIGGER_GUARD,
        ..Inspection::default()
    };
    let mode = journal_mode(&transaction, &path)?;
    if mode != "wal" {
        found.findings.push(Finding {
            severity: Severity::Error,
            table: None,
            column: None,
            message: format!("the file has journal mode {mode}: readers and writers would stop each other"),
            remedy:
                "run `provision --enable-wal`, or `PRAGMA journal_mode = WAL` while nobody else has it open"
                    .into(),
        });
    }
    let (tracking, others) = our_tables(&transaction, &path)?;
    let mut tables = Vec::new();
    for (name, kind, ..) in catalog::table_list(&transaction, &path)? {
        let ours = is_fixed(&name) || tracking.contains(&name) || others.contains(&name);
        if kind == "table"
            && !ours
            && let Some(table) = catalog::table(&transaction, &path, &name)?
        {
            tables.push(table);
        }
    }
    for table in &tables {
        let triggers = catalog::triggers(&transaction, &path, &table.name)?
            .into_iter()
            .filter(|(name, sql)| !is_our_trigger(name, sql))
            .map(|(name, sql)| {
                let guarded = sql.to_ascii_lowercase().contains("datasync_dss_apply");
                TriggerInspection { name, sql, guarded }
            })
            .collect();
        let own = Names::of(&table.name).tracking;
        let provisioned = tracking.iter().any(|name| name.eq_ignore_ascii_case(&own));
        let mut look = Look { table, tables: &tables, findings: &mut found.findings };
        found.tables.push(look.table(triggers, provisioned));
    }
    transaction.commit().map_err(failed(&path, "look at its tables"))?;
    Ok(found)
}

/// Why a table cannot be synchronised because of its key, if it cannot.
pub(super) fn key_trouble(table: &CatalogTable) -> Option<String> {
    if table.key.is_empty() {
        return Some(
            "it has no primary key, so its rows cannot be told apart; give it one, or leave the table out"
                .to_owned(),
        );
    }
    let trouble = table.key.iter().map(|at| &table.columns[*at]).find_map(|column| {
        match declared(table, column).logical {
            Some(LogicalType::Float | LogicalType::Double) => {
                Some((column, "floats do not compare alike everywhere"))
            }
            None => Some((column, "its type is not synchronised")),
            _ => None,
        }
    });
    trouble.map(|(column, why)| {
        format!(
            "its key column {:?} is declared as {:?}, and {why}; give the table another key, or leave it out",
            column.name, column.declared
        )
    })
}

/// The declared type of a column. In a STRICT table ANY stores values as they are.
pub(super) fn declared(table: &CatalogTable, column: &CatalogColumn) -> Declared {
    if table.strict && column.declared.eq_ignore_ascii_case("ANY") {
        return Declared::parse("");
    }
    Declared::parse(&column.declared)
}

/// A look at one table.
struct Look<'a> {
    table: &'a CatalogTable,
    tables: &'a [CatalogTable],
    findings: &'a mut Vec<Finding>,
}

impl Look<'_> {
    fn find(&mut self, severity: Severity, column: Option<&str>, message: String, remedy: &str) {
        self.findings.push(Finding {
            severity,
            table: Some(self.table.name.clone()),
            column: column.map(str::to_owned),
            message,
            remedy: remedy.to_owned(),
        });
    }

    fn table(&mut self, triggers: Vec<TriggerInspection>, provisioned: bool) -> TableInspection {
        let table = self.table;
        let columns = table.columns.iter().enumerate().map(|(at, column)| self.column(at, column)).collect();
        self.key();
        let foreign_keys = self.foreign_keys();
        let unique = self.unique();
        for trigger in &triggers {
            self.find(
                Severity::Warning,
                None,
                format!(
                    "the trigger {:?} also fires for rows that come from other members; what it writes then is \
                     published as this member's own change",
                    trigger.name
                ),
                "if it should not, add the guard: WHEN NOT EXISTS (SELECT 1 FROM \"DataSync_dss_apply\")",
            );
        }
        TableInspection {
            schema: None,
            name: table.name.clone(),
            columns,
            key: table.key.iter().map(|at| table.columns[*at].name.clone()).collect(),
            foreign_keys,
            unique,
            triggers,
            provisioned,
        }
    }

    fn column(&mut self, at: usize, column: &CatalogColumn) -> ColumnInspection {
        let declared = declared(self.table, column);
        let in_key = self.table.key.contains(&at);
        let name = Some(column.name.as_str());
        let has_default = column.default.as_ref().is_some_and(|text| !text.eq_ignore_ascii_case("NULL"));
        let logical = declared.logical.filter(|_| !column.generated);
        if column.generated {
            self.find(
                Severity::Note,
                name,
                "the column is generated, and not synchronised: every member computes its own".to_owned(),
                "nothing needs to be done",
            );
        } else if logical.is_none() {
            let needed = column.not_null && !has_default;
            self.find(
                if needed { Severity::Error } else { Severity::Warning },
                name,
                format!(
                    "the type {:?} is not synchronised, so the column is left out{}",
                    column.declared,
                    if needed {
                        "; but it is NOT NULL and has no default, so rows of other members cannot be written"
                    } else {
                        ""
                    }
                ),
                if needed {
                    "give the column a default, or let it take NULL"
                } else {
                    "give it another type if its values are to reach the other members"
                },
            );
        } else if !declared.known {
            let meant = logical.map_or_else(String::new, |logical| logical.to_string());
            let message = if column.declared.is_empty() {
                format!("the column has no declared type, and is taken for {meant}, as SQLite's rules say")
            } else {
                format!(
                    "the type {:?} is not known, and is taken for {meant}, as SQLite's rules say",
                    column.declared
                )
            };
            self.find(
                Severity::Warning,
                name,
                message,
                "declare a type that says what the column holds; rows with other values are not published",
            );
        }
        if let Some(logical) = logical {
            self.affinity(column, logical, declared.affinity);
        }
        ColumnInspection {
            name: column.name.clone(),
            declared: column.declared.clone(),
            logical,
            nullable: !column.not_null
                && self.table.rowid_alias() != Some(at)
                && !(self.table.without_rowid && in_key),
            max_length: declared.max_length,
            limits: limits(logical, declared),
            has_default,
            generated: column.generated,
            collation: Some(column.collation.clone()).filter(|name| !name.eq_ignore_ascii_case("BINARY")),
        }
    }

    /// What SQLite itself does to the values of a column.
    fn affinity(&mut self, column: &CatalogColumn, logical: LogicalType, affinity: Affinity) {
        let name = Some(column.name.as_str());
        let of_type = &column.declared;
        match logical {
            LogicalType::Decimal { precision, scale } if precision > NUMERIC_DIGITS && affinity != Affinity::Text => {
                self.find(
                    Severity::Warning,
                    name,
                    format!("SQLite keeps {NUMERIC_DIGITS} digits of a {of_type}; values with more are refused here"),
                    &format!("declare it as DECIMAL_TEXT({precision},{scale}) to keep all digits"),
                );
            }
            LogicalType::Uuid if affinity.changes_texts() => self.find(
                Severity::Warning,
                name,
                format!("SQLite turns some ids in a {of_type} column into numbers, if they are written without hyphens"),
                "declare it as UUID_TEXT",
            ),
            LogicalType::String if affinity.changes_texts() => self.find(
                Severity::Warning,
                name,
                format!("SQLite turns texts that look like numbers in a {of_type} column into numbers"),
                "declare it as TEXT",
            ),
            _ => {}
        }
    }

    fn key(&mut self) {
        if let Some(reason) = key_trouble(self.table) {
            let (message, remedy) = reason.split_once("; ").unwrap_or((&reason, ""));
            self.find(Severity::Error, None, message.to_owned(), remedy);
        }
        let table = self.table;
        for at in table.nullable_key_columns() {
            self.find(
                Severity::Warning,
                Some(&table.columns[at].name),
                "the key column may hold NULL, and such rows cannot be synchronised: they are listed"
                    .to_owned(),
                "add NOT NULL to the key column",
            );
        }
        for at in &table.key {
            let column = &table.columns[*at];
            if !column.collation.eq_ignore_ascii_case("BINARY") {
                self.find(
                    Severity::Warning,
                    Some(&column.name),
                    format!(
                        "the key compares as {}, so keys that are two rows in another member may be one here",
                        column.collation
                    ),
                    "give the key the collation BINARY, or make sure that no two keys differ in case or blanks alone",
                );
            }
        }
    }

    fn foreign_keys(&mut self) -> Vec<ForeignKeyInspection> {
        let mut found = Vec::new();
        for key in &self.table.foreign_keys {
            let parent = self.tables.iter().find(|table| table.name.eq_ignore_ascii_case(&key.references));
            let referenced_columns = match parent {
                Some(parent) if key.referenced.is_empty() => {
                    parent.key.iter().map(|at| parent.columns[*at].name.clone()).collect()
                }
                _ => key.referenced.clone(),
            };
            let usable = parent.is_some_and(|parent| is_unique(parent, &referenced_columns))
                && referenced_columns.len() == key.columns.len();
            if !usable {
                let what = format!("{} ({})", key.references, referenced_columns.join(", "));
                self.find(
                    Severity::Error,
                    key.columns.first().map(String::as_str),
                    format!(
                        "its foreign key refers to {what}, which {}; SQLite refuses every write that it has to check",
                        if parent.is_some() { "is not unique there" } else { "is not there" }
                    ),
                    "create the table, or a unique index on the columns referred to, or drop the foreign key",
                );
            }
            found.push(ForeignKeyInspection {
                columns: key.columns.clone(),
                references: parent.map_or_else(|| key.references.clone(), |parent| parent.name.clone()),
                referenced_columns,
                on_delete: match key.on_delete.to_ascii_uppercase().as_str() {
                    "CASCADE" => OnDelete::Cascade,
                    "SET NULL" => OnDelete::SetNull,
                    "SET DEFAULT" => OnDelete::SetDefault,
                    _ => OnDelete::Refuse,
                },
                deferred: key.deferred,
            });
        }
        found
    }

    fn unique(&mut self) -> Vec<Vec<String>> {
        let mut found = Vec::new();
        for index in self.table.indexes.iter().filter(|index| index.unique && !index.of_key) {
            match index.columns.iter().cloned().collect::<Option<Vec<String>>>() {
                Some(columns) if !index.partial => found.push(columns),
                _ => self.find(
                    Severity::Warning,
                    None,
                    format!(
                        "the unique index {:?} is on {}; two rows of other members that have to swap such values \
                         are not told from rows in conflict, and stay listed",
                        index.name,
                        if index.partial { "some of the rows" } else { "an expression" }
                    ),
                    "make it an index on columns if members write such values at the same time",
                ),
            }
        }
        found
    }
}

/// What SQLite itself keeps of the values of a column.
fn limits(logical: Option<LogicalType>, declared: Declared) -> Limits {
    let is_decimal = matches!(logical, Some(LogicalType::Decimal { .. } | LogicalType::Numeric));
    Limits {
        digits: (is_decimal && declared.affinity != Affinity::Text).then_some(NUMERIC_DIGITS),
        any_length: true,
        narrowing: declared.narrowing(),
        ..Limits::default()
    }
}

/// Whether these columns are the key or a unique index of the table.
fn is_unique(table: &CatalogTable, columns: &[String]) -> bool {
    let same = |other: &[&str]| {
        !columns.is_empty()
            && other.len() == columns.len()
            && columns.iter().all(|column| other.iter().any(|name| name.eq_ignore_ascii_case(column)))
    };
    let key: Vec<&str> = table.key.iter().map(|at| table.columns[*at].name.as_str()).collect();
    same(&key)
        || table.indexes.iter().filter(|index| index.unique && !index.partial).any(|index| {
            index
                .columns
                .iter()
                .map(Option::as_deref)
                .collect::<Option<Vec<&str>>>()
                .is_some_and(|names| same(&names))
        })
}
