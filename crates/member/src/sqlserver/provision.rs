//! Making and removing the sync objects.
//!
//! A plan is what a comparison with the catalog comes to, table by table; running it runs the plan's statements in one
//! transaction. Nothing is tried out for a dry run: creating a trigger waits for everybody who uses its table, and
//! everybody then waits for it.

use super::catalog::{CatalogTable, indexed_columns};
use super::declared::{BINARY_COLLATION, Declared, created_type};
use super::look::{self, Found, Has};
use super::names::{DEFAULT_SCHEMA, Names, OUR_SCHEMA};
use super::objects::{self, Object, ObjectKind, is_our_trigger};
use super::provisioned::{self, FORMAT, Identity, MANNER, ProvisionedTable, described};
use super::quote::{identifier, qualified, text};
use super::table::BoundTable;
use super::{SqlServerMember, inspect, refill, states};
use crate::template::fill;
use crate::{Direction, Error, Result, Statement, TableBinding, TableOrder};
use std::sync::Arc;
use tributary_model::{OnDelete, TableSchema};

/// The statements that would provision the bound tables.
pub(super) async fn plan_provision(member: &mut SqlServerMember) -> Result<Vec<Statement>> {
    let planned = plan(member).await;
    states::forget(member);
    planned
}

/// Provisions the bound tables.
pub(super) async fn provision(member: &mut SqlServerMember) -> Result<Vec<Statement>> {
    let action = "be provisioned";
    begin(member, action).await?;
    let done = match plan(member).await {
        Ok(statements) => run(member, statements).await,
        Err(error) => Err(error),
    };
    let done = member.session.finish(action, done).await;
    states::forget(member);
    let statements = done?;
    states::refresh(member).await?;
    Ok(statements)
}

/// The statements that remove every sync object.
pub(super) async fn plan_deprovision(member: &mut SqlServerMember) -> Result<Vec<Statement>> {
    plan_removal(member).await
}

/// Removes every sync object.
pub(super) async fn deprovision(member: &mut SqlServerMember) -> Result<Vec<Statement>> {
    let action = "remove its sync objects";
    begin(member, action).await?;
    let done = match plan_removal(member).await {
        Ok(statements) => run(member, statements).await,
        Err(error) => Err(error),
    };
    let done = member.session.finish(action, done).await;
    states::forget(member);
    let statements = done?;
    states::refresh(member).await?;
    Ok(statements)
}

/// Makes anew what the bound tables' objects have to be by what is written down, in a transaction of somebody's.
pub(super) async fn renew(member: &mut SqlServerMember) -> Result<()> {
    let statements = plan(member).await?;
    run(member, statements).await.map(drop)
}

/// Begins a transaction that excludes others of the same kind.
pub(super) async fn begin(member: &mut SqlServerMember, action: &'static str) -> Result<()> {
    member.session.begin_transaction(action).await?;
    let milliseconds = member.settings.lock_timeout.as_millis().to_string();
    let sql = fill(include_str!("sql/provisioning_lock.sql"), &[("milliseconds", &milliseconds)]);
    let got = look::number(&mut member.session, action, &sql).await;
    match got {
        Ok(got) if got >= 0 => Ok(()),
        other => {
            member.session.roll_back().await?;
            other?;
            Err(Error::Busy { place: member.session.whose().place.clone(), action })
        }
    }
}

async fn run(member: &mut SqlServerMember, statements: Vec<Statement>) -> Result<Vec<Statement>> {
    for statement in &statements {
        member.session.batch("create or drop a sync object", &statement.sql).await?;
    }
    Ok(statements)
}

async fn plan(member: &mut SqlServerMember) -> Result<Vec<Statement>> {
    let found = look::look(&mut member.session, &member.tables).await?;
    let identity = provisioned::identity(&mut member.session).await?;
    let listed = look::is_there(&mut member.session, "dss_tables").await?;
    let stored = if listed { provisioned::tables(&mut member.session).await? } else { Vec::new() };
    let last = highest_given(member, &found).await?;
    let bindings: Vec<Arc<TableBinding>> =
        member.tables.iter().map(|table| Arc::clone(&table.binding)).collect();
    let as_utf16 = member.server.gives_utf16;
    let (shared_cache, digits) = (!member.server.compatible, member.server.digits);
    let direction = member.settings.direction;
    let mut plan = Plan { member: &member.id, group: &member.group, direction, statements: Vec::new() };
    let missing: Vec<usize> = (0..bindings.len()).filter(|at| found.bases[*at].is_none()).collect();
    for at in &missing {
        let binding = &bindings[*at];
        plan.add(&format!("create the table {}", binding.local_table), create_table(binding, digits));
        for sql in create_unique_indexes(binding) {
            plan.add(&format!("unique values of {}", binding.local_table), sql);
        }
    }
    let order = TableOrder::of(&bindings);
    for at in missing {
        for sql in create_foreign_keys(&bindings[at], &bindings, order.is_cyclic(at)) {
            plan.add(&format!("references of {}", bindings[at].local_table), sql);
        }
    }
    plan.fixed(&found, &identity, last, shared_cache)?;
    for (at, table) in member.tables.iter_mut().enumerate() {
        let catalog =
            found.bases[at].clone().unwrap_or_else(|| CatalogTable::planned(&table.binding, digits));
        plan.table(at, table, catalog, &stored, &found, as_utf16)?;
    }
    Ok(plan.statements)
}

/// The highest version or batch that was ever given, for a database whose sequences were lost: none may be given twice.
async fn highest_given(member: &mut SqlServerMember, found: &Found) -> Result<i64> {
    let sequences = ["dss_version", "dss_batch"].map(|name| found.has_sequence(name));
    if sequences == [true, true] {
        return Ok(1);
    }
    let action = "tell which versions were given";
    let mut last = 1;
    if found.has_table("dss_token") {
        let sql = "SELECT COALESCE(MAX([highest_version]), 1) FROM [DataSync].[dss_token]";
        last = last.max(look::number(&mut member.session, action, sql).await?);
    }
    for name in found.tracking_tables() {
        let sql = fill(include_str!("sql/highest_given.sql"), &[("tracking", &qualified(OUR_SCHEMA, name))]);
        last = last.max(look::number(&mut member.session, action, &sql).await?);
    }
    Ok(last)
}

/// A plan in the making.
struct Plan<'a> {
    member: &'a tributary_model::MemberId,
    group: &'a str,
    direction: Direction,
    statements: Vec<Statement>,
}

impl Plan<'_> {
    fn add(&mut self, purpose: &str, sql: String) {
        self.statements.push(Statement { purpose: purpose.to_owned(), sql });
    }

    fn fixed(&mut self, found: &Found, identity: &Identity, last: i64, shared_cache: bool) -> Result<()> {
        for object in objects::fixed(last, shared_cache) {
            match found.has(&object, None) {
                Has::Same | Has::Other => {}
                Has::Missing => self.add(&object.purpose, object.sql),
                Has::Foreign => return Err(self.taken(found, &object)),
            }
        }
        for (name, stored, value) in [
            ("format", &identity.format, text(&FORMAT.to_string())),
            ("group", &identity.group, text(self.group)),
            ("member", &identity.member, text(self.member.as_str())),
            // As ISO 8601.
            (
                "provisioned_at",
                &identity.provisioned_at,
                "CONVERT(nvarchar(40), SYSUTCDATETIME(), 126)".to_owned(),
            ),
        ] {
            if stored.is_none() {
                let sql = format!(
                    "INSERT INTO [DataSync].[dss_provisioning] ([name], [value]) VALUES ({}, {value})",
                    text(name)
                );
                self.add("whose member this is", sql);
            }
        }
        self.write_direction(identity);
        Ok(())
    }

    /// Another one than before is written only by who may change it: others are not let in.
    fn write_direction(&mut self, identity: &Identity) {
        let wanted = self.direction.as_str();
        if identity.direction.as_deref() == Some(wanted) {
            return;
        }
        let sql = if identity.direction.is_some() {
            format!(
                "UPDATE [DataSync].[dss_provisioning] SET [value] = {} WHERE [name] = N'direction'",
                text(wanted)
            )
        } else {
            format!(
                "INSERT INTO [DataSync].[dss_provisioning] ([name], [value]) VALUES (N'direction', {})",
                text(wanted)
            )
        };
        self.add("which way its changes go", sql);
    }

    fn taken(&self, found: &Found, object: &Object) -> Error {
        Error::NameTaken {
            member: self.member.clone(),
            what: found.what(object).to_owned(),
            name: object.name.clone(),
        }
    }

    fn table(
        &mut self,
        at: usize,
        table: &mut BoundTable,
        catalog: CatalogTable,
        stored: &[ProvisionedTable],
        found: &Found,
        as_utf16: bool,
    ) -> Result<()> {
        let unsupported = |table: &BoundTable, reason: String| Error::Unsupported {
            member: self.member.clone(),
            table: table.binding.local_table.clone(),
            reason,
        };
        let trouble = inspect::key_trouble(&catalog).or_else(|| inspect::trigger_trouble(&catalog));
        if let Some(reason) = table.describe(Some(catalog), as_utf16).or(trouble) {
            return Err(unsupported(table, reason));
        }
        let name = table.binding.schema.name.as_str().to_owned();
        let stored = stored.iter().find(|stored| stored.name == name);
        let anew = self.write_down(at, table, stored, found)?;
        for object in objects::of_table(table) {
            let has = if anew { Has::Missing } else { found.has(&object, Some((at, table))) };
            match has {
                Has::Same => continue,
                Has::Missing => {}
                Has::Other => {
                    self.add(&format!("replace the {}", object.purpose), object.drop_statement());
                }
                Has::Foreign => return Err(self.taken(found, &object)),
            }
            self.add(&object.purpose, object.sql);
        }
        // A trigger that somebody has switched off.
        for trigger in table.catalog.iter().flat_map(|catalog| &catalog.triggers) {
            let ours = table.names.triggers.iter().any(|name| super::catalog::same_name(name, &trigger.name));
            if ours && trigger.disabled && is_our_trigger(&trigger.name, trigger.sql.as_deref()) && !anew {
                let sql =
                    format!("ENABLE TRIGGER {} ON {}", qualified(&table.schema, &trigger.name), table.base);
                self.add(&format!("switch a trigger of {} on again", table.base), sql);
            }
        }
        Ok(())
    }

    /// Writes down what the table looks like, and which incarnation it is in; says whether it begins anew, with none
    /// of its objects.
    fn write_down(
        &mut self,
        at: usize,
        table: &mut BoundTable,
        stored: Option<&ProvisionedTable>,
        found: &Found,
    ) -> Result<bool> {
        let schema = Arc::clone(&table.binding.schema);
        let name = text(schema.name.as_str());
        let label = table.binding.local_table.clone();
        let mut now = described(table);
        let lost = stored.is_some() && self.has_lost_triggers(at, table, found);
        if let Some(before) = stored.and_then(|stored| stored.columns.as_ref()) {
            now = now.refilled(before, &MANNER, self.direction != Direction::Publish, table.synced());
            now = now.scanned(before, lost);
            if let Some(refill) = now.refill.as_ref().filter(|refill| Some(*refill) != before.refill.as_ref())
            {
                refill::can_be(self.member, table, &refill.columns)?;
                self.add(
                    &format!("pages of {label} that are being published come first"),
                    fill(include_str!("sql/token_lock.sql"), &[]),
                );
            }
        }
        let json = serde_json::to_string(&now).expect("names and types are JSON");
        let Some(stored) = stored else {
            let sql = fill(
                include_str!("sql/write_down.sql"),
                &[
                    ("table_name", &name),
                    ("local_schema", &text(&table.schema)),
                    ("local_table", &text(&label)),
                    ("tracking_table", &text(&table.names.tracking)),
                    ("generation", &schema.generation.to_string()),
                    ("member", &text(self.member.as_str())),
                    ("columns", &text(&json)),
                ],
            );
            self.add(&format!("{label} is synchronised"), sql);
            return Ok(false);
        };
        table.first_incarnation = stored.first_incarnation.clone();
        table.incarnation = stored.incarnation.clone();
        let same_place = stored.local_table == label && stored.local_schema == table.schema;
        let same_cells =
            same_place && stored.columns.as_ref().is_some_and(|columns| columns.has_key_of(&now, &MANNER));
        if !same_cells {
            if schema.generation <= stored.generation {
                return Err(Error::TableChanged {
                    member: self.member.clone(),
                    table: label,
                    reason: "its name or the name or type of a key column changed since it was provisioned, so its \
                             tracking no longer fits; change it back, or add the table to the group anew"
                        .to_owned(),
                });
            }
            self.drop_of_table(&stored.local_schema, &stored.local_table, found);
            let sql = format!(
                "UPDATE [DataSync].[dss_tables] SET [scan_claim] = 'pending', [local_schema] = {}, [local_table] = {}, \
                 [tracking_table] = {} WHERE [table_name] = {name}",
                text(&table.schema),
                text(&label),
                text(&table.names.tracking),
            );
            self.add(&format!("{label} begins anew"), sql);
        }
        if lost && same_cells {
            let sql = format!(
                "UPDATE [DataSync].[dss_tables] SET [scan_claim] = 'pending' WHERE [table_name] = {name}"
            );
            self.add(&format!("{label} is scanned for rows that nobody has noticed"), sql);
        }
        if stored.generation != schema.generation || stored.json != json {
            let sql = format!(
                "UPDATE [DataSync].[dss_tables] SET [generation] = {}, [columns] = {} WHERE [table_name] = {name}",
                schema.generation,
                text(&json),
            );
            self.add(&format!("what {label} looks like now"), sql);
        }
        Ok(!same_cells)
    }

    /// Whether triggers of a table that was provisioned are gone or switched off, so that writes may have passed
    /// unnoticed.
    fn has_lost_triggers(&self, at: usize, table: &BoundTable, found: &Found) -> bool {
        let is_missing = |object: &Object| {
            object.kind == ObjectKind::Trigger && matches!(found.has(object, Some((at, table))), Has::Missing)
        };
        let triggers = table.catalog.iter().flat_map(|catalog| &catalog.triggers);
        objects::of_table(table).iter().any(is_missing)
            || triggers.into_iter().any(|trigger| {
                let ours =
                    table.names.triggers.iter().any(|name| super::catalog::same_name(name, &trigger.name));
                ours && trigger.disabled
            })
    }

    /// Drops everything of ours that belongs to the member's table of this name.
    fn drop_of_table(&mut self, schema: &str, table: &str, found: &Found) {
        let names = Names::of(schema, table);
        for name in &names.triggers {
            if found.is_ours(schema, name) {
                self.add("drop a trigger", format!("DROP TRIGGER {}", qualified(schema, name)));
            }
        }
        for name in [&names.select_changes, &names.apply] {
            if found.is_ours(OUR_SCHEMA, name) {
                self.add("drop a procedure", format!("DROP PROCEDURE {}", qualified(OUR_SCHEMA, name)));
            }
        }
        if found.has_table(&names.tracking) {
            self.add(
                "drop a tracking table",
                format!("DROP TABLE {}", qualified(OUR_SCHEMA, &names.tracking)),
            );
        }
    }
}

async fn plan_removal(member: &mut SqlServerMember) -> Result<Vec<Statement>> {
    let mut statements = Vec::new();
    let mut left = false;
    let mut ours = false;
    for (schema, name, kind, definition) in look::all_ours(&mut member.session).await? {
        let in_ours = schema.eq_ignore_ascii_case(OUR_SCHEMA);
        let lower = name.to_lowercase();
        let keyword = match kind.as_str() {
            "TR" if is_our_trigger(&name, definition.as_deref()) => "TRIGGER",
            "P" if in_ours && (lower.ends_with("_dss_selectchanges") || lower.ends_with("_dss_apply")) => {
                "PROCEDURE"
            }
            "U" if in_ours && (is_fixed(&lower) || lower.ends_with("_dss_tracking")) => "TABLE",
            "SO" if in_ours && is_fixed(&lower) => "SEQUENCE",
            _ => {
                left |= in_ours;
                continue;
            }
        };
        ours = true;
        statements.push(Statement {
            purpose: format!("drop a {}", keyword.to_lowercase()),
            sql: format!("DROP {keyword} {}", qualified(&schema, &name)),
        });
    }
    let there = look::number(
        &mut member.session,
        "look up its schema",
        "SELECT CASE WHEN SCHEMA_ID(N'DataSync') IS NULL THEN 0 ELSE 1 END",
    )
    .await?
        == 1;
    // What others have put into the schema keeps it; a schema that holds nothing of ours is somebody's own.
    if there && !left && ours {
        statements.push(Statement {
            purpose: "drop the schema of the sync objects".to_owned(),
            sql: format!("DROP SCHEMA {}", identifier(OUR_SCHEMA)),
        });
    }
    Ok(statements)
}

/// Whether a table or sequence in our schema is one that every member has.
fn is_fixed(name: &str) -> bool {
    objects::fixed(1, true)
        .iter()
        .any(|object| object.kind != ObjectKind::Index && object.name.eq_ignore_ascii_case(name))
}

/// The user table that a member without it gets. Texts that an index compares are compared byte for byte, as in the
/// other members.
pub(super) fn create_table(binding: &TableBinding, digits: u32) -> String {
    let schema = &binding.schema;
    let own_schema = binding.local_schema.as_deref().unwrap_or(DEFAULT_SCHEMA);
    let table = &binding.local_table;
    let indexed = indexed_columns(binding);
    let local = |position: &usize| binding.local_columns.get(*position).and_then(Option::as_deref);
    let mut parts: Vec<String> = schema
        .columns
        .iter()
        .enumerate()
        .filter_map(|(position, column)| {
            let name = local(&position)?;
            let null = if column.nullable && !schema.key.contains(&position) { "NULL" } else { "NOT NULL" };
            let indexed = indexed.contains(&position);
            let spelt = created_type(column.logical, column.max_length, indexed, digits);
            let collate = if indexed && Declared::parse(&spelt).is_text() {
                format!(" COLLATE {BINARY_COLLATION}")
            } else {
                String::new()
            };
            Some(format!("{} {spelt}{collate} {null}", identifier(name)))
        })
        .collect();
    let list = |names: &[&str]| names.iter().map(|name| identifier(name)).collect::<Vec<_>>().join(", ");
    let names = |positions: &[usize]| positions.iter().map(local).collect::<Option<Vec<&str>>>();
    let constraint = |suffix: &str| identifier(&super::names::shortened(table, suffix));
    if let Some(key) = names(&schema.key) {
        parts.push(format!("CONSTRAINT {} PRIMARY KEY ({})", constraint("_key"), list(&key)));
    }
    format!("CREATE TABLE {} (\n  {}\n)", qualified(own_schema, table), parts.join(",\n  "))
}

/// Unique values of a table that provisioning makes. The server takes two NULLs for the same, which no other dialect
/// does: so only rows without one are compared.
pub(super) fn create_unique_indexes(binding: &TableBinding) -> Vec<String> {
    let schema = &binding.schema;
    let own_schema = binding.local_schema.as_deref().unwrap_or(DEFAULT_SCHEMA);
    let table = &binding.local_table;
    let local = |position: &usize| binding.local_columns.get(*position).and_then(Option::as_deref);
    let mut statements = Vec::new();
    for (number, unique) in schema.unique.iter().enumerate() {
        let Some(columns) = unique.iter().map(local).collect::<Option<Vec<&str>>>() else { continue };
        let quoted: Vec<String> = columns.iter().map(|name| identifier(name)).collect();
        let nullable = unique
            .iter()
            .zip(&quoted)
            .filter(|(position, _)| schema.columns[**position].nullable && !schema.key.contains(position));
        let filter: Vec<String> = nullable.map(|(_, name)| format!("{name} IS NOT NULL")).collect();
        statements.push(format!(
            "CREATE UNIQUE INDEX {} ON {} ({}){}",
            identifier(&super::names::shortened(table, &format!("_unique_{}", number + 1))),
            qualified(own_schema, table),
            quoted.join(", "),
            if filter.is_empty() { String::new() } else { format!(" WHERE {}", filter.join(" AND ")) }
        ));
    }
    statements
}

/// The foreign keys of a table that provisioning makes; statements of their own, since tables may refer to each other.
pub(super) fn create_foreign_keys(
    binding: &TableBinding,
    bindings: &[Arc<TableBinding>],
    cyclic: bool,
) -> Vec<String> {
    let schema = &binding.schema;
    let own_schema = binding.local_schema.as_deref().unwrap_or(DEFAULT_SCHEMA);
    let table = &binding.local_table;
    let local = |position: &usize| binding.local_columns.get(*position).and_then(Option::as_deref);
    let list = |names: &[&str]| names.iter().map(|name| identifier(name)).collect::<Vec<_>>().join(", ");
    let mut statements = Vec::new();
    for (number, key) in schema.foreign_keys.iter().enumerate() {
        let Some(columns) = key.columns.iter().map(local).collect::<Option<Vec<&str>>>() else { continue };
        let Some(parent) = bindings.iter().find(|other| other.schema.name == key.references) else {
            continue;
        };
        let Some(referenced) = referenced_columns(parent, &key.referenced_columns) else { continue };
        let parent_schema = parent.local_schema.as_deref().unwrap_or(DEFAULT_SCHEMA);
        statements.push(format!(
            "ALTER TABLE {} ADD CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({}){}",
            qualified(own_schema, table),
            identifier(&super::names::shortened(table, &format!("_references_{}", number + 1))),
            list(&columns),
            qualified(parent_schema, &parent.local_table),
            list(&referenced),
            match key.on_delete {
                // The server refuses circles of actions.
                _ if cyclic => "",
                OnDelete::Refuse => "",
                OnDelete::Cascade => " ON DELETE CASCADE",
                OnDelete::SetNull => " ON DELETE SET NULL",
                OnDelete::SetDefault => " ON DELETE SET DEFAULT",
            }
        ));
    }
    statements
}

/// The parent's own names of the columns referred to, if they are unique there.
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
