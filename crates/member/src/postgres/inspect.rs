//! What stands in a database before it is provisioned, and what `check` says about it.
//!
//! Looks at every table of the users', bound or not; whoever asks picks the findings of the tables that he means.

use super::PostgresMember;
use super::catalog::{self, CatalogColumn, CatalogTable, CatalogTrigger, DEFAULT_SCHEMA};
use super::declared::{Declared, Quirk};
use super::objects::is_our_trigger;
use super::session::Begin;
use super::states::Found;
use super::table::{Names, kind_trouble};
use crate::inspection::qualified;
use crate::{
    ColumnInspection, Finding, ForeignKeyInspection, Inspection, Result, Severity, TableInspection,
    TriggerInspection,
};

const ACTION: &str = "look at its tables";

/// What a user's trigger has to ask, in order to be silent while changes of others are written.
const TRIGGER_GUARD: &str = "coalesce(current_setting('tributary.apply', true), '') = ''";

/// Tables, columns, types, keys, foreign keys and triggers as found.
pub(super) async fn inspect(member: &mut PostgresMember) -> Result<Inspection> {
    let shared: &PostgresMember = member;
    shared
        .session
        .transaction(ACTION, Begin::Snapshot, "", async |session| {
            let failed = session.origin.failed(ACTION);
            let row = session.query_first(ACTION, include_str!("sql/inspect_server.sql"), &[]).await?;
            let row = row.ok_or_else(|| session.damaged("the server", "no answer"))?;
            let read = || -> std::result::Result<_, tokio_postgres::Error> {
                Ok((row.try_get::<_, String>(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?))
            };
            let (version, encoding, bypasses, user): (String, String, bool, String) =
                read().map_err(&failed)?;
            let mut found = Inspection {
                server: format!("PostgreSQL {version}"),
                trigger_guard: TRIGGER_GUARD,
                ..Inspection::default()
            };
            encoding_finding(&encoding, &mut found.findings);
            let ours = Found::read(session, &[]).await?;
            let tables = catalog::tables(session, None).await?;
            let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
            let triggers = catalog::triggers(session, &oids).await?;
            for table in &tables {
                if matches!(table.kind.as_str(), "v" | "m" | "f") {
                    continue;
                }
                let own: Vec<&CatalogTrigger> = triggers
                    .iter()
                    .filter(|trigger| trigger.table == table.oid && !is_our_trigger(trigger))
                    .collect();
                let provisioned = ours.has_relation(&Names::of(&table.schema, &table.name).tracking);
                let mut look = Look { table, findings: &mut found.findings };
                look.security(bypasses, &user);
                found.tables.push(look.table(&own, provisioned));
            }
            Ok(found)
        })
        .await
}

fn encoding_finding(encoding: &str, findings: &mut Vec<Finding>) {
    if encoding == "UTF8" {
        return;
    }
    findings.push(Finding {
        severity: Severity::Warning,
        table: None,
        column: None,
        message: format!(
            "the database's encoding is {encoding}: rows with characters that it lacks become exceptions here"
        ),
        remedy: "move the data to a database with the encoding UTF8 if members write other characters"
            .to_owned(),
    });
}

/// Why a table cannot be synchronised because of its key, if it cannot.
pub(super) fn key_trouble(table: &CatalogTable) -> Option<String> {
    if table.key.is_empty() {
        return Some(
            "it has no primary key, so its rows cannot be told apart; give it one, or leave the table out"
                .to_owned(),
        );
    }
    if table.key_deferrable {
        return Some(
            "its primary key is DEFERRABLE, and such a key cannot tell apply whether a row is there; make it NOT \
             DEFERRABLE"
                .to_owned(),
        );
    }
    let trouble =
        table.key.iter().map(|at| &table.columns[*at]).find_map(|column| match Declared::of(column) {
            None => Some((column, "its type is not synchronised")),
            Some(declared) => declared.no_key().map(|why| (column, why)),
        });
    trouble.map(|(column, why)| {
        format!(
            "its key column {:?} is declared as {:?}, and {why}; give the table another key, or leave it out",
            column.name, column.declared
        )
    })
}

/// Whether a trigger asks whether apply is at work.
fn is_guarded(trigger: &CatalogTrigger) -> bool {
    trigger.sql.contains("tributary.apply")
}

/// A look at one table.
struct Look<'a> {
    table: &'a CatalogTable,
    findings: &'a mut Vec<Finding>,
}

impl Look<'_> {
    fn find(&mut self, severity: Severity, column: Option<&str>, message: String, remedy: &str) {
        self.findings.push(Finding {
            severity,
            table: Some(qualified(&self.table.schema, &self.table.name, DEFAULT_SCHEMA)),
            column: column.map(str::to_owned),
            message,
            remedy: remedy.to_owned(),
        });
    }

    /// Policies that would hide rows from us.
    fn security(&mut self, bypasses: bool, user: &str) {
        let table = self.table;
        if !table.row_security || bypasses || (table.owner == user && !table.forced_row_security) {
            return;
        }
        self.find(
            Severity::Error,
            None,
            format!("policies may hide rows of the table from {user:?}, and hidden rows look like deletes"),
            "run `ALTER ROLE … BYPASSRLS` for the roles that provision and that run",
        );
    }

    fn table(&mut self, triggers: &[&CatalogTrigger], provisioned: bool) -> TableInspection {
        let table = self.table;
        if let Some(reason) = kind_trouble(table) {
            self.find(Severity::Error, None, reason, "leave the table out");
        }
        if table.persistence == "u" {
            self.find(
                Severity::Warning,
                None,
                "the table is UNLOGGED: after a crash it is empty, and other members keep its rows"
                    .to_owned(),
                "run `ALTER TABLE … SET LOGGED`",
            );
        }
        let columns = table.columns.iter().enumerate().map(|(at, column)| self.column(at, column)).collect();
        self.key();
        let unique = self.unique();
        let foreign_keys = table.foreign_keys.iter().filter(|key| key.table == table.oid);
        TableInspection {
            schema: (table.schema != DEFAULT_SCHEMA).then(|| table.schema.clone()),
            name: table.name.clone(),
            columns,
            key: table.key.iter().map(|at| table.columns[*at].name.clone()).collect(),
            foreign_keys: foreign_keys
                .map(|key| ForeignKeyInspection {
                    columns: key.columns.clone(),
                    references: qualified(&key.references_schema, &key.references_name, DEFAULT_SCHEMA),
                    referenced_columns: key.referenced.clone(),
                    on_delete: key.on_delete,
                    deferred: key.deferred,
                })
                .collect(),
            unique,
            triggers: triggers
                .iter()
                .map(|trigger| TriggerInspection {
                    name: trigger.name.clone(),
                    sql: trigger.sql.clone(),
                    guarded: is_guarded(trigger),
                })
                .collect(),
            provisioned,
        }
    }

    fn column(&mut self, at: usize, column: &CatalogColumn) -> ColumnInspection {
        let declared = Declared::of(column);
        let name = Some(column.name.as_str());
        let has_default = column.default.is_some() || !column.identity.is_empty();
        if column.generated {
            self.find(
                Severity::Note,
                name,
                "the column is generated, and not synchronised: every member computes its own".to_owned(),
                "nothing needs to be done",
            );
        } else if let Some(declared) = &declared {
            self.peculiar(column, declared);
        } else {
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
        }
        ColumnInspection {
            name: column.name.clone(),
            declared: column.declared.clone(),
            logical: declared.as_ref().filter(|_| !column.generated).map(|declared| declared.logical),
            nullable: !column.not_null && !self.table.key.contains(&at),
            max_length: declared.as_ref().and_then(|declared| declared.max_length),
            limits: declared.as_ref().map(Declared::limits).unwrap_or_default(),
            has_default,
            generated: column.generated,
            collation: column
                .collation
                .clone()
                .filter(|_| column.nondeterministic || declared.is_some_and(|d| d.quirk == Quirk::Folded)),
        }
    }

    /// What the column does not keep of values that other databases hold.
    fn peculiar(&mut self, column: &CatalogColumn, declared: &Declared) {
        let name = Some(column.name.as_str());
        match declared.quirk {
            Quirk::Document if column.base_name == "jsonb" => self.find(
                Severity::Note,
                name,
                "jsonb stores documents in a form of its own: blanks, the order of keys and double keys of other \
                 members' documents are not kept"
                    .to_owned(),
                "declare it as json to keep documents letter by letter",
            ),
            Quirk::Enumeration => self.find(
                Severity::Note,
                name,
                format!("values that {} does not list become exceptions here", column.declared),
                "add the values that other members use with ALTER TYPE … ADD VALUE",
            ),
            Quirk::Padded => self.find(
                Severity::Note,
                name,
                format!("{} does not keep blanks at the end of a text", column.declared),
                "declare it as varchar to keep them",
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
        for at in &table.key {
            let column = &table.columns[*at];
            let folded = Declared::of(column).is_some_and(|declared| declared.quirk == Quirk::Folded);
            if column.nondeterministic || folded {
                self.find(
                    Severity::Warning,
                    Some(&column.name),
                    format!(
                        "the key compares as {}, so keys that are two rows in another member may be one here",
                        if folded { "citext" } else { column.collation.as_deref().unwrap_or("another") }
                    ),
                    "give the key a deterministic collation, or make sure that no two keys differ in case alone",
                );
            }
        }
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
                        "the unique index {:?} is on {}; two rows of other members that have to swap such values are \
                         not told from rows in conflict, and stay listed",
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
