//! Making and removing the sync objects.
//!
//! A plan is made by running it: in one transaction everything that is missing is created and written down, and a
//! dry run then takes it all back. So a dry run shows exactly what would run.

use super::catalog;
use super::connect::{FORMAT, enable_wal, journal_mode, provisioned_value};
use super::declared::created_type;
use super::failure::{classify, failed};
use super::objects::{self, Object, is_our_trigger, is_tracking};
use super::quote::{identifier, text};
use super::states;
use super::table::BoundTable;
use super::{SqliteMember, inspect};
use crate::template::fill;
use crate::{Direction, Error, Result, Statement, TableBinding};
use rusqlite::{OptionalExtension as _, TransactionBehavior};
use tributary_model::{OnDelete, TableSchema};

/// The objects that every member has: name, kind, purpose, SQL.
const FIXED: [(&str, &str, &str, &str); 10] = [
    (
        "DataSync_dss_provisioning",
        "table",
        "whose member this is",
        include_str!("sql/create_provisioning.sql"),
    ),
    (
        "DataSync_dss_tables",
        "table",
        "list of the synchronised tables",
        include_str!("sql/create_tables.sql"),
    ),
    ("DataSync_dss_counter", "table", "counter of versions", include_str!("sql/create_counter.sql")),
    ("DataSync_dss_apply", "table", "mark of a running apply", include_str!("sql/create_apply.sql")),
    ("DataSync_dss_token", "table", "capture's token", include_str!("sql/create_token.sql")),
    ("DataSync_dss_offsets", "table", "apply's offsets", include_str!("sql/create_offsets.sql")),
    (
        "DataSync_dss_exceptions",
        "table",
        "rows that could not be carried",
        include_str!("sql/create_exceptions.sql"),
    ),
    (
        "DataSync_dss_exceptions_row",
        "index",
        "one exception a row",
        include_str!("sql/create_exceptions_row.sql"),
    ),
    (
        "DataSync_dss_exceptions_due",
        "index",
        "exceptions that are due",
        include_str!("sql/create_exceptions_due.sql"),
    ),
    (
        "DataSync_dss_exceptions_waits",
        "index",
        "exceptions that wait for a row",
        include_str!("sql/create_exceptions_waits.sql"),
    ),
];

/// The statements that would provision the bound tables.
pub(super) fn plan_provision(member: &mut SqliteMember) -> Result<Vec<Statement>> {
    let mut statements = wal_statement(member)?;
    let outcome = run_provision(member, false);
    states::forget(member);
    statements.extend(outcome?);
    Ok(statements)
}

/// Provisions the bound tables.
pub(super) fn provision(member: &mut SqliteMember) -> Result<Vec<Statement>> {
    let mut statements = wal_statement(member)?;
    if !statements.is_empty() {
        // Cannot be done inside of a transaction.
        enable_wal(&member.connection, &member.path)?;
    }
    let outcome = run_provision(member, true);
    states::forget(member);
    statements.extend(outcome?);
    states::refresh(member)?;
    Ok(statements)
}

/// The statements that remove every sync object.
pub(super) fn plan_deprovision(member: &mut SqliteMember) -> Result<Vec<Statement>> {
    run_deprovision(member, false)
}

/// Removes every sync object.
pub(super) fn deprovision(member: &mut SqliteMember) -> Result<Vec<Statement>> {
    let statements = run_deprovision(member, true)?;
    states::forget(member);
    states::refresh(member)?;
    Ok(statements)
}

fn wal_statement(member: &SqliteMember) -> Result<Vec<Statement>> {
    let mode = journal_mode(&member.connection, &member.path)?;
    if mode == "wal" {
        return Ok(Vec::new());
    }
    if !member.settings.enable_wal {
        return Err(Error::NotWal { place: member.path.as_path().into(), mode });
    }
    Ok(vec![Statement {
        purpose: "switch the file to WAL mode, so that readers and writers do not stop each other".to_owned(),
        sql: "PRAGMA journal_mode = WAL".to_owned(),
    }])
}

fn run_provision(member: &mut SqliteMember, keep: bool) -> Result<Vec<Statement>> {
    let path = std::sync::Arc::clone(&member.path);
    let transaction = member
        .connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed(&path, "begin to be provisioned"))?;
    let mut run = Run { transaction: &transaction, path: &path, statements: Vec::new() };
    let bindings: Vec<_> = member.tables.iter().map(|table| table.binding.clone()).collect();
    for binding in &bindings {
        // A view of that name is told apart below.
        if !run.exists("table", &binding.local_table)? && !run.exists("view", &binding.local_table)? {
            let sql = create_table(binding, &bindings);
            run.execute(&format!("create the table {}", binding.local_table), &sql)?;
        }
    }
    let identity =
        Identity { member: &member.id, group: &member.group, direction: member.settings.direction };
    run.create_fixed(&identity)?;
    for table in &mut member.tables {
        run.provision_table(table, &identity)?;
    }
    let Run { statements, .. } = run;
    if keep && !statements.is_empty() {
        transaction.commit().map_err(failed(&path, "commit its provisioning"))?;
    } else {
        transaction.rollback().map_err(failed(&path, "take a dry run back"))?;
    }
    Ok(statements)
}

/// Makes anew what the bound tables' objects have to be by what is written down, in a transaction of somebody's.
pub(super) fn renew(
    transaction: &rusqlite::Transaction<'_>,
    path: &std::path::Path,
    tables: &mut [BoundTable],
    identity: &Identity<'_>,
) -> Result<()> {
    let mut run = Run { transaction, path, statements: Vec::new() };
    tables.iter_mut().try_for_each(|table| run.provision_table(table, identity))
}

/// Whose the sync objects are.
pub(super) struct Identity<'a> {
    pub(super) member: &'a tributary_model::MemberId,
    pub(super) group: &'a str,
    pub(super) direction: Direction,
}

/// A run of statements inside of a transaction, written down as they run.
struct Run<'a> {
    transaction: &'a rusqlite::Transaction<'a>,
    path: &'a std::path::Path,
    statements: Vec<Statement>,
}

impl Run<'_> {
    fn execute(&mut self, purpose: &str, sql: &str) -> Result<()> {
        self.transaction.execute_batch(sql).map_err(failed(self.path, "create its sync objects"))?;
        self.statements.push(Statement { purpose: purpose.to_owned(), sql: sql.to_owned() });
        Ok(())
    }

    fn query<T: rusqlite::types::FromSql>(&self, sql: &str, parameters: &[&str]) -> Result<Option<T>> {
        self.transaction
            .prepare_cached(sql)
            .and_then(|mut statement| {
                statement.query_row(rusqlite::params_from_iter(parameters), |row| row.get(0)).optional()
            })
            .map_err(failed(self.path, "tell what is provisioned"))
    }

    fn exists(&self, kind: &str, name: &str) -> Result<bool> {
        let sql = "SELECT 1 FROM sqlite_schema WHERE type = ?1 AND name = ?2 COLLATE NOCASE";
        Ok(self.query::<i64>(sql, &[kind, name])?.is_some())
    }

    /// Whether the file already has an object with this definition; an error if something else has its name.
    fn has(&self, object: &Object, identity: &Identity<'_>) -> Result<Has> {
        // Triggers have names of their own; tables, views and indexes share theirs.
        let sql = "SELECT type || ' ' || coalesce(sql, '') FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE \
                   AND (type = 'trigger') = (?2 = 'trigger')";
        let found = self.query::<String>(sql, &[&object.name, object.kind])?;
        let Some(found) = found else { return Ok(Has::Missing) };
        let (kind, sql) = found.split_once(' ').unwrap_or((&found, ""));
        if kind == object.kind && sql == object.sql {
            return Ok(Has::Same);
        }
        let ours = kind == object.kind
            && match kind {
                "trigger" => is_our_trigger(&object.name, sql),
                // Made by a version of this program that wrote it otherwise.
                _ => sql.contains(objects::MARK),
            };
        if ours {
            return Ok(Has::Other);
        }
        Err(Error::NameTaken {
            member: identity.member.clone(),
            what: kind.to_owned(),
            name: object.name.clone(),
        })
    }

    fn create_fixed(&mut self, identity: &Identity<'_>) -> Result<()> {
        for (name, kind, purpose, template) in FIXED {
            if !self.exists(kind, name)? {
                let sql = fill(template, &[]);
                self.execute(purpose, &sql)?;
            }
        }
        for (name, value) in [
            ("format", text(&FORMAT.to_string())),
            ("group", text(identity.group)),
            ("member", text(identity.member.as_str())),
            ("provisioned_at", "strftime('%Y-%m-%d %H:%M:%f', 'now')".to_owned()),
        ] {
            if provisioned_value(self.transaction, self.path, name)?.is_none() {
                let sql = format!(
                    "INSERT INTO \"DataSync_dss_provisioning\" (name, value) VALUES ({}, {value})",
                    text(name)
                );
                self.execute("whose member this is", &sql)?;
            }
        }
        self.write_direction(identity)?;
        if self.query::<i64>("SELECT version FROM \"DataSync_dss_counter\" WHERE id = 1", &[])?.is_none() {
            let last = self.highest_version()?;
            let sql = format!(
                "INSERT INTO \"DataSync_dss_counter\" (id, version, batch) VALUES (1, {last}, {last})"
            );
            self.execute("the first version is 2", &sql)?;
        }
        Ok(())
    }

    /// Another one than before is written only by who may change it: others are not let in.
    fn write_direction(&mut self, identity: &Identity<'_>) -> Result<()> {
        let direction = identity.direction.as_str();
        if provisioned_value(self.transaction, self.path, "direction")?.as_deref() == Some(direction) {
            return Ok(());
        }
        let sql = format!(
            "INSERT OR REPLACE INTO \"DataSync_dss_provisioning\" (name, value) VALUES ('direction', {})",
            text(direction)
        );
        self.execute("which way its changes go", &sql)
    }

    /// The highest version that was ever given, for a file whose counter was lost: none may be given twice.
    fn highest_version(&self) -> Result<i64> {
        let mut highest = self
            .query::<i64>("SELECT highest_version FROM \"DataSync_dss_token\" WHERE id = 1", &[])?
            .unwrap_or(1);
        for name in our_tables(self.transaction, self.path)?.0 {
            // Batches are counted beside the versions, and none may come twice either.
            let sql = format!(
                "SELECT max(coalesce(max(local_version), 1), coalesce(max(apply_batch), 1)) FROM {}",
                identifier(&name)
            );
            highest = highest.max(self.query::<i64>(&sql, &[])?.unwrap_or(1));
        }
        Ok(highest.max(1))
    }

    fn provision_table(&mut self, table: &mut BoundTable, identity: &Identity<'_>) -> Result<()> {
        let unsupported = |table: &BoundTable, reason: String| Error::Unsupported {
            member: identity.member.clone(),
            table: table.binding.local_table.clone(),
            reason,
        };
        if let Some(reason) = table.describe(self.transaction, self.path)? {
            return Err(unsupported(table, reason));
        }
        if let Some(reason) = table.catalog.as_ref().and_then(inspect::key_trouble) {
            return Err(unsupported(table, reason));
        }
        self.write_down(table, identity)?;
        let wanted = objects::objects(table);
        let label = &table.binding.local_table;
        // Triggers of ours that are no longer wanted, or are not as they should be, go first.
        for (name, sql) in catalog::triggers(self.transaction, self.path, label)? {
            let stays = wanted
                .iter()
                .any(|object| object.kind == "trigger" && object.name == name && object.sql == sql);
            if is_our_trigger(&name, &sql) && !stays {
                self.execute(
                    &format!("replace a trigger of {label}"),
                    &format!("DROP TRIGGER {}", identifier(&name)),
                )?;
            }
        }
        for object in &wanted {
            match self.has(object, identity)? {
                Has::Same => continue,
                Has::Missing => {}
                // Capture settles notes as soon as it looks, while the table is as it was; an index holds nothing of its own.
                Has::Other if object.kind == "index" || object.name.ends_with("_dss_replaced") => {
                    let sql = format!("DROP {} {}", object.kind.to_uppercase(), identifier(&object.name));
                    self.execute(&format!("replace the {}", object.purpose), &sql)?;
                }
                // On another table, since those of this one are dropped already.
                Has::Other if object.kind == "trigger" => {
                    let sql = format!("DROP TRIGGER {}", identifier(&object.name));
                    self.execute(&format!("replace the {}", object.purpose), &sql)?;
                }
                Has::Other => {
                    if states::is_tracking_of(self.transaction, self.path, table)? {
                        continue;
                    }
                    return Err(Error::NameTaken {
                        member: identity.member.clone(),
                        what: "table".to_owned(),
                        name: object.name.clone(),
                    });
                }
            }
            self.execute(&object.purpose, &object.sql)?;
        }
        // SQLite looks into triggers only when a statement fires them: better here than in a user's statement.
        let column = table.key_columns().next().map_or_else(String::new, |column| column.quoted.clone());
        for sql in [
            format!("EXPLAIN INSERT INTO {} DEFAULT VALUES", table.base),
            format!("EXPLAIN UPDATE {} SET {column} = {column}", table.base),
            format!("EXPLAIN DELETE FROM {}", table.base),
        ] {
            let compiled = self.transaction.prepare(&sql).map(drop);
            compiled.map_err(|source| match classify(self.path, "compile the triggers of a table", source) {
                Error::Statement { source, .. } => unsupported(
                    table,
                    format!(
                        "SQLite cannot compile the triggers of this table ({source}); functions, collations and \
                         tables that they or its indexes need must be there for every program that writes to it"
                    ),
                ),
                other => other,
            })?;
        }
        Ok(())
    }

    /// Writes down what the table looks like, and which incarnation it is in.
    fn write_down(&mut self, table: &mut BoundTable, identity: &Identity<'_>) -> Result<()> {
        let schema = &table.binding.schema;
        let name = schema.name.as_str();
        let label = table.binding.local_table.clone();
        let mut now = states::described(table);
        let stored = states::provisioned_table(self.transaction, self.path, name)?;
        if let Some(before) = stored.as_ref().and_then(|stored| stored.columns.as_ref()) {
            let takes = identity.direction != Direction::Publish;
            now = now.refilled(before, &states::MANNER, takes, table.synced());
        }
        let lost = stored.is_some() && self.has_lost_triggers(table)?;
        if let Some(before) = stored.as_ref().and_then(|stored| stored.columns.as_ref()) {
            now = now.scanned(before, lost);
        }
        let json = serde_json::to_string(&now).expect("names and types are JSON");
        let Some(stored) = stored else {
            let sql = format!(
                "INSERT INTO \"DataSync_dss_tables\" (table_name, local_table, tracking_table, generation, \
                 first_incarnation, incarnation, scan_claim, columns) VALUES ({}, {}, {}, {}, {member}, {member}, \
                 'pending', {})",
                text(name),
                text(&label),
                text(&super::table::Names::of(&label).tracking),
                schema.generation,
                text(&json),
                member = text(identity.member.as_str()),
            );
            return self.execute(&format!("{label} is synchronised"), &sql);
        };
        table.first_incarnation = stored.first_incarnation.clone();
        table.incarnation = stored.incarnation.clone();
        let same_cells =
            stored.columns.as_ref().is_some_and(|columns| columns.has_key_of(&now, &states::MANNER))
                && stored.local_table == label;
        if !same_cells {
            if schema.generation <= stored.generation {
                return Err(Error::TableChanged {
                    member: identity.member.clone(),
                    table: label,
                    reason: "its name or the name or type of a key column changed since it was provisioned, so its \
                             tracking no longer fits; change it back, or add the table to the group anew"
                        .to_owned(),
                });
            }
            self.drop_of_table(&stored.local_table)?;
            let sql = format!(
                "UPDATE \"DataSync_dss_tables\" SET scan_claim = 'pending', local_table = {}, tracking_table = {} \
                 WHERE table_name = {}",
                text(&label),
                text(&super::table::Names::of(&label).tracking),
                text(name),
            );
            self.execute(&format!("{label} begins anew"), &sql)?;
        }
        if lost && same_cells {
            let sql = format!(
                "UPDATE \"DataSync_dss_tables\" SET scan_claim = 'pending' WHERE table_name = {}",
                text(name)
            );
            self.execute(&format!("{label} is scanned for rows that nobody has noticed"), &sql)?;
        }
        if stored.generation != schema.generation || stored.json != json {
            let sql = format!(
                "UPDATE \"DataSync_dss_tables\" SET generation = {}, columns = {} WHERE table_name = {}",
                schema.generation,
                text(&json),
                text(name),
            );
            self.execute(&format!("what {label} looks like now"), &sql)?;
        }
        Ok(())
    }

    /// Whether triggers of a table that was provisioned are gone, so that writes may have passed unnoticed.
    fn has_lost_triggers(&self, table: &BoundTable) -> Result<bool> {
        for object in objects::objects(table).iter().filter(|object| object.kind == "trigger") {
            if !self.exists("trigger", &object.name)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Drops everything of ours that belongs to the member's table of this name.
    fn drop_of_table(&mut self, local_table: &str) -> Result<()> {
        for (name, sql) in catalog::triggers(self.transaction, self.path, local_table)? {
            if is_our_trigger(&name, &sql) {
                self.execute("drop a trigger", &format!("DROP TRIGGER {}", identifier(&name)))?;
            }
        }
        let names = super::table::Names::of(local_table);
        for name in [names.tracking, names.replaced] {
            if self.exists("table", &name)? {
                self.execute("drop a tracking table", &format!("DROP TABLE {}", identifier(&name)))?;
            }
        }
        Ok(())
    }
}

/// What stands under an object's name.
enum Has {
    Missing,
    Same,
    Other,
}

/// Our own tables that belong to single tables: (tracking tables, others), known by name and by their columns.
pub(super) fn our_tables(
    connection: &rusqlite::Connection,
    path: &std::path::Path,
) -> Result<(Vec<String>, Vec<String>)> {
    let action = "list its sync objects";
    let mut statement = connection
        .prepare_cached(
            "SELECT s.name, group_concat(c.name, char(0)) FROM sqlite_schema AS s \
             JOIN pragma_table_info(s.name) AS c \
             WHERE s.type = 'table' AND s.name LIKE 'DataSync\\_%\\_dss\\_%' ESCAPE '\\' \
             GROUP BY s.name ORDER BY s.name",
        )
        .map_err(failed(path, action))?;
    let mut rows = statement.query([]).map_err(failed(path, action))?;
    let (mut tracking, mut others) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next().map_err(failed(path, action))? {
        let name: String = row.get(0).map_err(failed(path, action))?;
        let columns: String = row.get(1).map_err(failed(path, action))?;
        let columns: Vec<String> = columns.split('\0').map(str::to_owned).collect();
        if name.ends_with("_dss_tracking") && is_tracking(&columns) {
            tracking.push(name);
        } else if name.ends_with("_dss_replaced") && columns.first().is_some_and(|column| column == "probe") {
            others.push(name);
        }
    }
    Ok((tracking, others))
}

/// Whether a table is one of the fixed ones.
pub(super) fn is_fixed(name: &str) -> bool {
    FIXED.iter().any(|(fixed, kind, ..)| *kind == "table" && fixed.eq_ignore_ascii_case(name))
}

fn run_deprovision(member: &mut SqliteMember, keep: bool) -> Result<Vec<Statement>> {
    let path = std::sync::Arc::clone(&member.path);
    let action = "remove its sync objects";
    let transaction = member
        .connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed(&path, action))?;
    let mut run = Run { transaction: &transaction, path: &path, statements: Vec::new() };
    let triggers: Vec<(String, String)> = {
        let mut statement = transaction
            .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY name")
            .map_err(failed(&path, action))?;
        let rows =
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(failed(&path, action))?;
        rows.collect::<rusqlite::Result<_>>().map_err(failed(&path, action))?
    };
    for (name, sql) in triggers {
        if is_our_trigger(&name, &sql) {
            run.execute("drop a trigger", &format!("DROP TRIGGER {}", identifier(&name)))?;
        }
    }
    let (tracking, others) = our_tables(&transaction, &path)?;
    for name in tracking.iter().chain(&others) {
        run.execute("drop a tracking table", &format!("DROP TABLE {}", identifier(name)))?;
    }
    for (name, kind, purpose, _) in FIXED {
        if kind == "table" && run.exists("table", name)? {
            run.execute(&format!("drop: {purpose}"), &format!("DROP TABLE {}", identifier(name)))?;
        }
    }
    let Run { statements, .. } = run;
    if keep && !statements.is_empty() {
        transaction.commit().map_err(failed(&path, action))?;
    } else {
        transaction.rollback().map_err(failed(&path, action))?;
    }
    Ok(statements)
}

/// The user table that a member without it gets.
fn create_table(binding: &TableBinding, bindings: &[std::sync::Arc<TableBinding>]) -> String {
    let schema = &binding.schema;
    let local = |position: &usize| binding.local_columns.get(*position).and_then(Option::as_deref);
    let mut parts: Vec<String> = schema
        .columns
        .iter()
        .enumerate()
        .filter_map(|(position, column)| {
            let name = local(&position)?;
            let not_null = if column.nullable && !schema.key.contains(&position) { "" } else { " NOT NULL" };
            Some(format!(
                "{} {}{not_null}",
                identifier(name),
                created_type(column.logical, column.max_length)
            ))
        })
        .collect();
    let list = |names: &[&str]| names.iter().map(|name| identifier(name)).collect::<Vec<_>>().join(", ");
    let names = |positions: &[usize]| positions.iter().map(local).collect::<Option<Vec<&str>>>();
    if let Some(key) = names(&schema.key) {
        parts.push(format!("PRIMARY KEY ({})", list(&key)));
    }
    for unique in &schema.unique {
        if let Some(columns) = names(unique) {
            parts.push(format!("UNIQUE ({})", list(&columns)));
        }
    }
    for key in &schema.foreign_keys {
        let Some(columns) = names(&key.columns) else { continue };
        let Some(parent) = bindings.iter().find(|other| other.schema.name == key.references) else {
            continue;
        };
        let Some(referenced) = referenced_columns(parent, &key.referenced_columns) else { continue };
        parts.push(format!(
            "FOREIGN KEY ({}) REFERENCES {} ({}){}",
            list(&columns),
            identifier(&parent.local_table),
            list(&referenced),
            match key.on_delete {
                OnDelete::Refuse => "",
                OnDelete::Cascade => " ON DELETE CASCADE",
                OnDelete::SetNull => " ON DELETE SET NULL",
                OnDelete::SetDefault => " ON DELETE SET DEFAULT",
            }
        ));
    }
    format!("CREATE TABLE {} (\n  {}\n)", identifier(&binding.local_table), parts.join(",\n  "))
}

/// The parent's own names of the columns referred to, if they are unique there: SQLite refuses every write otherwise.
fn referenced_columns<'a>(parent: &'a TableBinding, names: &[String]) -> Option<Vec<&'a str>> {
    let schema: &TableSchema = &parent.schema;
    let positions: Vec<usize> = names.iter().map(|name| schema.position(name)).collect::<Option<_>>()?;
    let same_set = |other: &Vec<usize>| {
        other.len() == positions.len() && positions.iter().all(|position| other.contains(position))
    };
    if !same_set(&schema.key) && !schema.unique.iter().any(same_set) {
        return None;
    }
    positions
        .into_iter()
        .map(|position| parent.local_columns.get(position).and_then(Option::as_deref))
        .collect()
}
