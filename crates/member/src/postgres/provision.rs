//! Making and removing the sync objects.
//!
//! A plan is made by running it: in one transaction everything that is missing is created and written down, and a dry
//! run then takes it all back. So a dry run shows exactly what would run. A trigger needs a lock that waits for running
//! writers and makes later ones wait behind it, so it is waited for only a moment, and tried again.

use super::catalog::{CatalogTable, OUR_SCHEMA};
use super::connect::FORMAT;
use super::create;
use super::objects::{self, FIXED, Kind, Object};
use super::provisioned::{MANNER, described};
use super::quote::{identifier, qualified, text};
use super::session::{Begin, Session};
use super::states::{self, Found};
use super::table::{BoundTable, TRACKING_COLUMNS};
use super::{PostgresMember, inspect};
use crate::{Direction, Error, ErrorKind, Result, Statement};
use std::time::{Duration, Instant};

const ACTION: &str = "create its sync objects";
const REMOVE: &str = "remove its sync objects";

/// Keeps two provisioning programs from meeting in the middle; the number only has to be the same everywhere.
const ONE_AT_A_TIME: &str = "SELECT pg_advisory_xact_lock(7237408143)";

/// Pause before the locks are tried for again: writers that queued have their turn.
const PAUSE: Duration = Duration::from_millis(300);

/// The statements that would provision the bound tables.
pub(super) async fn plan_provision(member: &mut PostgresMember) -> Result<Vec<Statement>> {
    let outcome = patiently(member, async |member| run_provision(member, false).await).await;
    states::forget(member);
    outcome
}

/// Provisions the bound tables.
pub(super) async fn provision(member: &mut PostgresMember) -> Result<Vec<Statement>> {
    let outcome = patiently(member, async |member| run_provision(member, true).await).await;
    states::forget(member);
    let statements = outcome?;
    states::refresh(member).await?;
    Ok(statements)
}

/// The statements that remove every sync object.
pub(super) async fn plan_deprovision(member: &mut PostgresMember) -> Result<Vec<Statement>> {
    patiently(member, async |member| run_deprovision(member, false).await).await
}

/// Removes every sync object.
pub(super) async fn deprovision(member: &mut PostgresMember) -> Result<Vec<Statement>> {
    let statements = patiently(member, async |member| run_deprovision(member, true).await).await?;
    states::forget(member);
    member.asleep = None;
    member.quiet.clear();
    states::refresh(member).await?;
    Ok(statements)
}

/// Runs `work` again while locks are in its way, for as long as the settings say.
pub(super) async fn patiently<T>(
    member: &mut PostgresMember,
    work: impl AsyncFn(&mut PostgresMember) -> Result<T>,
) -> Result<T> {
    let until = Instant::now() + member.settings.provision_patience;
    loop {
        match work(member).await {
            Err(error)
                if matches!(error.kind(), ErrorKind::Busy | ErrorKind::Contention)
                    && Instant::now() < until =>
            {
                tracing::info!(%error, "locks are in the way of provisioning: trying again");
                tokio::time::sleep(PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

/// How long a lock is waited for.
pub(super) fn lock_timeout(member: &PostgresMember) -> String {
    format!("SET LOCAL lock_timeout = {}", member.settings.provision_lock.as_millis().max(1))
}

async fn run_provision(member: &mut PostgresMember, keep: bool) -> Result<Vec<Statement>> {
    let settings = lock_timeout(member);
    let direction = member.settings.direction;
    let PostgresMember { session, tables, group, .. } = member;
    session.begin(ACTION, Begin::Write, &settings).await?;
    let mut run = Run { session, statements: Vec::new() };
    let outcome = run.provision(tables, group, direction).await;
    end(run, outcome, keep).await
}

async fn end(run: Run<'_>, outcome: Result<()>, keep: bool) -> Result<Vec<Statement>> {
    let Run { session, statements } = run;
    match outcome {
        Ok(()) if keep && !statements.is_empty() => session.commit(ACTION).await?,
        _ => session.rollback().await,
    }
    outcome.map(|()| statements)
}

/// Makes anew what the bound tables' objects have to be by what is written down, in a transaction of somebody's.
pub(super) async fn renew(
    session: &Session,
    tables: &mut [BoundTable],
    group: &str,
    direction: Direction,
) -> Result<()> {
    Run { session, statements: Vec::new() }.provision(tables, group, direction).await
}

async fn run_deprovision(member: &mut PostgresMember, keep: bool) -> Result<Vec<Statement>> {
    let settings = lock_timeout(member);
    member.session.begin(REMOVE, Begin::Write, &settings).await?;
    let mut run = Run { session: &member.session, statements: Vec::new() };
    let outcome = run.remove().await;
    end(run, outcome, keep).await
}

/// A run of statements inside of a transaction, written down as they run.
struct Run<'a> {
    session: &'a Session,
    statements: Vec<Statement>,
}

impl Run<'_> {
    async fn execute(&mut self, purpose: &str, sql: &str) -> Result<()> {
        let sql = without_comments(sql);
        self.session.batch(ACTION, sql).await?;
        self.statements.push(Statement { purpose: purpose.to_owned(), sql: sql.to_owned() });
        Ok(())
    }

    async fn first<T: for<'r> tokio_postgres::types::FromSql<'r>>(&self, sql: &str) -> Result<Option<T>> {
        let rows = self.session.client.query(sql, &[]).await.map_err(self.session.origin.failed(ACTION))?;
        rows.first().map(|row| row.try_get(0)).transpose().map_err(self.session.origin.failed(ACTION))
    }

    async fn provision(
        &mut self,
        tables: &mut [BoundTable],
        group: &str,
        direction: Direction,
    ) -> Result<()> {
        self.session.batch(ACTION, ONE_AT_A_TIME).await?;
        let found = Found::read(self.session, tables).await?;
        self.create_missing(tables, &found).await?;
        self.create_fixed(&found, group, direction).await?;
        let found = Found::read(self.session, tables).await?;
        // Triggers last, since their locks are held from then on.
        let mut triggers = Vec::new();
        for table in tables {
            let catalog = found.table(table.schema(), &table.binding.local_table).cloned();
            let trouble = match table.describe(catalog) {
                Some(reason) => Some(reason),
                None => table.catalog.as_ref().and_then(inspect::key_trouble),
            };
            if let Some(reason) = trouble {
                return Err(Error::Unsupported {
                    member: self.session.origin.member.clone(),
                    table: table.label(),
                    reason,
                });
            }
            self.write_down(table, &found, direction).await?;
            for object in objects::objects(table) {
                if matches!(object.kind, Kind::Trigger(_)) {
                    triggers.push((table.base.clone(), found_trigger(&found, table, &object), object));
                } else {
                    self.create_object(table, &object, &found).await?;
                }
            }
        }
        for (base, state, object) in triggers {
            self.create_trigger(&base, state, &object).await?;
        }
        Ok(())
    }

    /// Creates the users' tables that are not there.
    async fn create_missing(&mut self, tables: &[BoundTable], found: &Found) -> Result<()> {
        let bindings: Vec<_> = tables.iter().map(|table| table.binding.clone()).collect();
        let mut created = Vec::new();
        for table in tables {
            if found.table(table.schema(), &table.binding.local_table).is_some() {
                continue;
            }
            let there = format!("SELECT to_regnamespace({}) IS NOT NULL", text(&identifier(table.schema())));
            if self.first::<bool>(&there).await? == Some(false) {
                let sql = format!("CREATE SCHEMA {}", identifier(table.schema()));
                self.execute(&format!("create the schema {}", table.schema()), &sql).await?;
            }
            let sql = create::create_table(&table.binding);
            self.execute(&format!("create the table {}", table.label()), &sql).await?;
            created.push(table);
        }
        for table in created {
            for sql in create::foreign_keys(&table.binding, &bindings) {
                self.execute(&format!("a foreign key of {}", table.label()), &sql).await?;
            }
        }
        Ok(())
    }

    /// Creates what is the same in every member, and writes down whose it is.
    async fn create_fixed(&mut self, found: &Found, group: &str, direction: Direction) -> Result<()> {
        let there = format!("SELECT to_regnamespace({}) IS NOT NULL", text(&identifier(OUR_SCHEMA)));
        if self.first::<bool>(&there).await? == Some(false) {
            self.execute("schema of the sync objects", include_str!("sql/create_schema.sql")).await?;
        }
        for object in &FIXED {
            if !found.has_relation(object.name) {
                self.execute(object.purpose, object.sql).await?;
            }
        }
        let member = self.session.origin.member.as_str().to_owned();
        for (name, value) in [
            ("format", FORMAT.to_string()),
            ("group", group.to_owned()),
            ("member", member),
            // Another one than before is written only by who may change it: others are not let in.
            ("direction", direction.as_str().to_owned()),
        ] {
            let stored =
                format!("SELECT value FROM \"DataSync\".dss_provisioning WHERE name = {}", text(name));
            let stored: Option<String> = self.first(&stored).await?;
            if stored.as_deref() == Some(value.as_str()) {
                continue;
            }
            let sql = format!(
                "INSERT INTO \"DataSync\".dss_provisioning (name, value) VALUES ({}, {}) \
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                text(name),
                text(&value)
            );
            self.execute("whose member this is", &sql).await?;
        }
        self.raise_version(found).await
    }

    /// For a database whose counter was lost: no version may be given twice.
    async fn raise_version(&mut self, found: &Found) -> Result<()> {
        if found.has_relation("dss_version") || !found.provisioned {
            return Ok(());
        }
        let mut highest: i64 = self
            .first("SELECT coalesce(max(highest_version), 1) FROM \"DataSync\".dss_token")
            .await?
            .unwrap_or(1);
        for table in found.written_down.values() {
            let tracking = qualified(OUR_SCHEMA, &table.tracking_table);
            if found.has_relation(&table.tracking_table) {
                let sql = format!("SELECT coalesce(max(local_version), 1) FROM {tracking}");
                highest = highest.max(self.first(&sql).await?.unwrap_or(1));
            }
        }
        let sql = format!("SELECT setval('\"DataSync\".dss_version', {highest})");
        self.execute("no version is given twice", &sql).await
    }

    async fn create_object(&mut self, table: &BoundTable, object: &Object, found: &Found) -> Result<()> {
        let there = match object.kind {
            Kind::Routine(..) => found.has_routine(&object.name),
            _ => found.has_relation(&object.name),
        };
        if found.state_of(table, object).is_none() && !found.is_outdated(object) {
            return Ok(());
        }
        match &object.kind {
            Kind::Tracking if there => Err(Error::NameTaken {
                member: self.session.origin.member.clone(),
                what: "table".to_owned(),
                name: format!("{OUR_SCHEMA}.{}", object.name),
            }),
            Kind::Index if there => {
                let sql = format!("DROP INDEX {}", qualified(OUR_SCHEMA, &object.name));
                self.execute(&format!("replace the {}", object.purpose), &sql).await?;
                self.execute(&object.purpose, &object.sql).await
            }
            Kind::Routine(..) if there => {
                self.execute(&format!("replace {}", object.purpose), &object.sql).await
            }
            _ => self.execute(&object.purpose, &object.sql).await,
        }
    }

    async fn create_trigger(&mut self, base: &str, state: TriggerState, object: &Object) -> Result<()> {
        match state {
            TriggerState::Good => Ok(()),
            TriggerState::Missing => self.execute(&object.purpose, &object.sql).await,
            TriggerState::Disabled => {
                let sql = format!("ALTER TABLE {base} ENABLE TRIGGER {}", identifier(&object.name));
                self.execute(&format!("switch on the {}", object.purpose), &sql).await
            }
            TriggerState::Foreign => Err(Error::NameTaken {
                member: self.session.origin.member.clone(),
                what: format!("trigger on {base} called"),
                name: object.name.clone(),
            }),
        }
    }

    /// Writes down what the table looks like, and which incarnation it is in.
    async fn write_down(
        &mut self,
        table: &mut BoundTable,
        found: &Found,
        direction: Direction,
    ) -> Result<()> {
        let name = text(table.binding.schema.name.as_str());
        let generation = table.binding.schema.generation;
        let label = table.label();
        let mut now = described(table);
        let stored = found.written_down.get(table.binding.schema.name.as_str());
        if let Some(before) = stored.and_then(|stored| stored.columns.as_ref()) {
            now = now.refilled(before, &MANNER, direction != Direction::Publish, table.synced());
            if now.refill.is_some() && now.refill != before.refill {
                // A page that capture is about to publish is committed by now, or will find that the table waits.
                self.session.batch(ACTION, include_str!("sql/token_lock.sql")).await?;
            }
        }
        let lost = stored.is_some()
            && objects::objects(table).iter().any(|object| {
                let is_noticing = matches!(object.kind, Kind::Trigger(_) | Kind::Routine(..));
                is_noticing && matches!(found.state_of(table, object), Some("is missing" | "is disabled"))
            });
        if let Some(before) = stored.and_then(|stored| stored.columns.as_ref()) {
            now = now.scanned(before, lost);
        }
        let json = serde_json::to_string(&now).expect("names and types are JSON");
        let place = format!(
            "local_schema = {}, local_table = {}, tracking_table = {}, routine = {}",
            text(table.schema()),
            text(&table.binding.local_table),
            text(&table.names.tracking),
            text(&table.names.routine)
        );
        let Some(stored) = stored else {
            let member = text(self.session.origin.member.as_str());
            let sql = format!(
                "INSERT INTO \"DataSync\".dss_tables (table_name, local_schema, local_table, tracking_table, routine, \
                 generation, first_incarnation, incarnation, columns) VALUES ({name}, {}, {}, {}, {}, {generation}, \
                 {member}, {member}, {})",
                text(table.schema()),
                text(&table.binding.local_table),
                text(&table.names.tracking),
                text(&table.names.routine),
                text(&json),
            );
            self.execute(&format!("{label} is synchronised"), &sql).await?;
            return self.begin_scan(&label, &name).await;
        };
        table.first_incarnation = stored.first_incarnation.clone();
        table.incarnation = stored.incarnation.clone();
        let same_cells = stored.columns.as_ref().is_some_and(|columns| columns.has_key_of(&now, &MANNER))
            && stored.local_table == table.binding.local_table
            && stored.local_schema == table.schema();
        if !same_cells {
            if generation <= stored.generation {
                return Err(Error::TableChanged {
                    member: self.session.origin.member.clone(),
                    table: label,
                    reason: "its name or the name or type of a key column changed since it was provisioned, so its \
                             tracking no longer fits; change it back, or add the table to the group anew"
                        .to_owned(),
                });
            }
            self.drop_of_table(&stored.tracking_table, &stored.routine).await?;
            let sql = format!("UPDATE \"DataSync\".dss_tables SET {place} WHERE table_name = {name}");
            self.execute(&format!("{label} begins anew"), &sql).await?;
            self.begin_scan(&label, &name).await?;
        }
        if lost && same_cells {
            self.begin_scan(&label, &name).await?;
        }
        if stored.generation != generation || stored.json != json {
            let sql = format!(
                "UPDATE \"DataSync\".dss_tables SET generation = {generation}, columns = {} WHERE table_name = {name}",
                text(&json),
            );
            self.execute(&format!("what {label} looks like now"), &sql).await?;
        }
        Ok(())
    }

    async fn begin_scan(&mut self, label: &str, name: &str) -> Result<()> {
        let sql = format!(
            "INSERT INTO \"DataSync\".dss_claims (table_name, scan_claim) VALUES ({name}, 'pending') \
             ON CONFLICT (table_name) DO UPDATE SET scan_claim = excluded.scan_claim"
        );
        self.execute(&format!("the first scan of {label} begins"), &sql).await
    }

    /// Drops the tracking table and the function of a table, and with the function its triggers.
    async fn drop_of_table(&mut self, tracking: &str, routine: &str) -> Result<()> {
        let sql = format!("DROP FUNCTION IF EXISTS {}() CASCADE", qualified(OUR_SCHEMA, routine));
        self.execute("drop the triggers", &sql).await?;
        let sql = format!("DROP TABLE IF EXISTS {}", qualified(OUR_SCHEMA, tracking));
        self.execute("drop a tracking table", &sql).await
    }

    async fn remove(&mut self) -> Result<()> {
        self.session.batch(REMOVE, ONE_AT_A_TIME).await?;
        let found = Found::read(self.session, &[]).await?;
        for name in found.routines_of_ours() {
            // The triggers go with it, which takes no ownership of the users' tables.
            let sql = format!("DROP FUNCTION {}() CASCADE", qualified(OUR_SCHEMA, &name));
            self.execute("drop the triggers of a table and their function", &sql).await?;
        }
        for name in found.tracking_tables() {
            let sql = format!("DROP TABLE {}", qualified(OUR_SCHEMA, &name));
            self.execute("drop a tracking table", &sql).await?;
        }
        for object in FIXED.iter().filter(|object| object.kind != "index" && found.has_relation(object.name))
        {
            let sql = format!("DROP {} {}", object.kind.to_uppercase(), qualified(OUR_SCHEMA, object.name));
            self.execute(&format!("drop: {}", object.purpose), &sql).await?;
        }
        // What others have put there stays, and the schema with it.
        if self.first::<bool>(include_str!("sql/our_schema_is_empty.sql")).await? == Some(true) {
            self.execute("drop the schema of the sync objects", "DROP SCHEMA \"DataSync\"").await?;
        }
        Ok(())
    }
}

/// What stands under a trigger's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TriggerState {
    Good,
    Missing,
    Disabled,
    Foreign,
}

fn found_trigger(found: &Found, table: &BoundTable, object: &Object) -> TriggerState {
    let oid = table.catalog.as_ref().map_or(0, |catalog: &CatalogTable| catalog.oid);
    match found.triggers_of(oid).iter().find(|trigger| trigger.name == object.name) {
        None => TriggerState::Missing,
        Some(trigger) if !objects::is_our_trigger(trigger) => TriggerState::Foreign,
        Some(trigger) if !matches!(trigger.enabled.as_str(), "O" | "A") => TriggerState::Disabled,
        Some(_) => TriggerState::Good,
    }
}

/// Whether these columns are a tracking table's.
pub(super) fn are_tracking(columns: &[String]) -> bool {
    TRACKING_COLUMNS.iter().all(|ours| columns.iter().any(|column| column == ours))
}

/// A statement without its heading comment.
fn without_comments(sql: &str) -> &str {
    let mut rest = sql.trim_end();
    while rest.starts_with("--") {
        rest = rest.split_once('\n').map_or("", |(_, after)| after);
    }
    rest
}
