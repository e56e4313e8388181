//! Whether each bound table is as provisioned, found anew whenever the database's schema has changed.

use super::catalog::{self, CatalogTable, CatalogTrigger};
use super::objects::{self, Kind};
use super::session::{Begin, Session};
use super::table::BoundTable;
use super::{PostgresMember, provisioned};
use crate::{Error, ErrorKind, Result, TableState};
use provisioned::{MANNER, ProvisionedTable, described};
use std::collections::{HashMap, HashSet};
use tokio_postgres::Row;

/// Whether each bound table can be worked on.
pub(super) async fn table_states(member: &mut PostgresMember) -> Result<Vec<TableState>> {
    member.session.settle("look at its tables").await?;
    refresh(member).await?;
    Ok(member.tables.iter().map(|table| table.state.clone()).collect())
}

/// Forgets what is known, after something was provisioned or turned out to be otherwise.
pub(super) fn forget(member: &mut PostgresMember) {
    member.fingerprint = None;
    member.session.forget_statements();
}

/// Looks at the bound tables again if the schema has changed since the last look.
pub(super) async fn refresh(member: &mut PostgresMember) -> Result<()> {
    let found = fingerprint(member).await?;
    if member.fingerprint.as_ref() == Some(&found) {
        return Ok(());
    }
    forget(member);
    look(member).await?;
    // Taken before the look: a change in between is looked at once more.
    member.fingerprint = Some(found);
    Ok(())
}

/// A text that changes with every change of what [`look`] looks at.
async fn fingerprint(member: &PostgresMember) -> Result<String> {
    let action = "look at its tables";
    let (schemas, names) = names_of(&member.tables);
    let session = &member.session;
    let row = session.query_first(action, include_str!("sql/fingerprint.sql"), &[&schemas, &names]).await?;
    let row = row.ok_or_else(|| session.damaged("pg_class", "no answer"))?;
    let read = || Ok::<(String, bool), tokio_postgres::Error>((row.try_get(0)?, row.try_get(1)?));
    let (mut found, provisioned) = read().map_err(session.origin.failed(action))?;
    if provisioned {
        let row = session.query_first(action, include_str!("sql/fingerprint_tables.sql"), &[]).await?;
        let tables: Option<String> =
            row.map(|row| row.try_get(0)).transpose().map_err(session.origin.failed(action))?;
        found.push_str(&tables.unwrap_or_default());
    }
    Ok(found)
}

fn names_of(tables: &[BoundTable]) -> (Vec<String>, Vec<String>) {
    tables.iter().map(|table| (table.schema().to_owned(), table.binding.local_table.clone())).unzip()
}

/// Looks at the bound tables.
async fn look(member: &mut PostgresMember) -> Result<()> {
    let PostgresMember { session, tables, provisioned, .. } = member;
    let action = "look at its tables";
    let found = session
        .transaction(action, Begin::Snapshot, "", async |session| Found::read(session, tables).await)
        .await?;
    *provisioned = found.provisioned;
    for table in tables {
        let catalog = found.table(table.schema(), &table.binding.local_table).cloned();
        let trouble = match table.describe(catalog) {
            Some(reason) => Some(reason),
            None if !found.provisioned => Some("the member is not provisioned; run `provision`".to_owned()),
            None => found.trouble(table),
        };
        let refill = found.written_down.get(table.binding.schema.name.as_str());
        let stored = refill.and_then(|stored| stored.columns.as_ref());
        table.refill = stored.and_then(|stored| stored.refill.clone());
        table.scans = stored.map_or(0, |stored| stored.scans);
        table.state = match (trouble, &table.refill) {
            (Some(reason), _) => TableState::Stopped { reason },
            (None, Some(refill)) => TableState::Refills { columns: refill.columns.clone() },
            (None, None) => TableState::Ready,
        };
    }
    Ok(())
}

/// What is found in the database about the bound tables.
pub(super) struct Found {
    /// Whether there are sync objects.
    pub(super) provisioned: bool,
    tables: Vec<CatalogTable>,
    /// By table's object id.
    triggers: HashMap<u32, Vec<CatalogTrigger>>,
    /// By the group's name.
    pub(super) written_down: HashMap<String, ProvisionedTable>,
    /// Tracking tables by name: column names, key column names.
    tracking: HashMap<String, (Vec<String>, Vec<String>)>,
    /// Sequences in our schema.
    sequences: HashSet<String>,
    /// Indexes in our schema by name.
    indexes: HashMap<String, String>,
    /// Functions in our schema by name: body, and whether it runs as its owner.
    routines: HashMap<String, (String, bool)>,
}

impl Found {
    /// Reads it all in the transaction that is open.
    pub(super) async fn read(session: &Session, bound: &[BoundTable]) -> Result<Self> {
        let action = "look at its sync objects";
        let (schemas, names) = names_of(bound);
        let pairs: Vec<(String, String)> = schemas.into_iter().zip(names).collect();
        let tables = catalog::tables(session, Some(&pairs)).await?;
        let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
        let mut triggers: HashMap<u32, Vec<CatalogTrigger>> = HashMap::new();
        for trigger in catalog::triggers(session, &oids).await? {
            triggers.entry(trigger.table).or_default().push(trigger);
        }
        let mut found = Self {
            provisioned: false,
            tables,
            triggers,
            written_down: HashMap::new(),
            tracking: HashMap::new(),
            sequences: HashSet::new(),
            indexes: HashMap::new(),
            routines: HashMap::new(),
        };
        let failed = session.origin.failed(action);
        for row in session.query(action, include_str!("sql/our_relations.sql"), &[]).await? {
            found.take_relation(&row).map_err(&failed)?;
        }
        for row in session.query(action, include_str!("sql/our_routines.sql"), &[]).await? {
            let read = || Ok((row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?)));
            let (name, rest) = read().map_err(&failed)?;
            found.routines.insert(name, rest);
        }
        if found.provisioned {
            found.written_down = provisioned::all(session).await?;
        }
        Ok(found)
    }

    fn take_relation(&mut self, row: &Row) -> std::result::Result<(), tokio_postgres::Error> {
        let (kind, name): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        match kind.as_str() {
            "i" => {
                self.indexes.insert(name, row.try_get(4)?);
            }
            "S" => {
                self.sequences.insert(name);
            }
            _ => {
                self.provisioned |= name == "dss_tables";
                self.tracking.insert(name, (row.try_get(2)?, row.try_get(3)?));
            }
        }
        Ok(())
    }

    /// The catalog's table of this name.
    pub(super) fn table(&self, schema: &str, name: &str) -> Option<&CatalogTable> {
        self.tables.iter().find(|table| table.schema == schema && table.name == name)
    }

    /// What stands in the way of working on a described table.
    fn trouble(&self, table: &mut BoundTable) -> Option<String> {
        let Some(stored) = self.written_down.get(table.binding.schema.name.as_str()) else {
            return Some("it is not provisioned; run `provision`".to_owned());
        };
        table.first_incarnation = stored.first_incarnation.clone();
        table.incarnation = stored.incarnation.clone();
        if stored.local_table != table.binding.local_table || stored.local_schema != table.schema() {
            return Some(format!(
                "it was provisioned as {:?}; rename it back, or add it to the group anew",
                format!("{}.{}", stored.local_schema, stored.local_table)
            ));
        }
        if stored.generation != table.binding.schema.generation {
            return Some(format!(
                "it is provisioned for generation {} of its topics, and the group is at {}; run `provision`",
                stored.generation, table.binding.schema.generation
            ));
        }
        if let Some(reason) =
            stored.columns.as_ref().and_then(|before| before.difference(&described(table), &MANNER))
        {
            return Some(reason);
        }
        let missing = objects::objects(table).into_iter().find_map(|object| {
            let what = self.state_of(table, &object)?;
            let kind = match object.kind {
                Kind::Tracking => "tracking table",
                Kind::Index => "index",
                Kind::Routine(..) => "function",
                Kind::Trigger(_) => "trigger",
            };
            Some(format!("its {kind} {:?} {what}", object.name))
        })?;
        Some(format!("{missing}, so changes may have been missed; run `provision`, then `verify`"))
    }

    /// What is wrong with an object; `None` if nothing is.
    pub(super) fn state_of(&self, table: &BoundTable, object: &objects::Object) -> Option<&'static str> {
        const MISSING: &str = "is missing";
        const OTHER: &str = "is not as it was provisioned";
        match &object.kind {
            Kind::Tracking => match self.tracking.get(&object.name) {
                None => Some(MISSING),
                Some((columns, key)) => (!is_tracking(table, columns, key)).then_some(OTHER),
            },
            Kind::Index => match self.indexes.get(&object.name) {
                None => Some(MISSING),
                Some(definition) => (!definition.contains("(xid, local_version)")).then_some(OTHER),
            },
            Kind::Routine(best, other) => match self.routines.get(&object.name) {
                None => Some(MISSING),
                Some((found, as_owner)) => {
                    let known = [best, other].iter().any(|body| objects::same_body(found, body));
                    (!known || !as_owner).then_some(OTHER)
                }
            },
            Kind::Trigger(_) => {
                let oid = table.catalog.as_ref().map(|catalog| catalog.oid)?;
                // A table that was made again has none at all.
                let trigger = self.triggers_of(oid).iter().find(|trigger| trigger.name == object.name);
                match trigger {
                    None => Some(MISSING),
                    Some(trigger) if !objects::is_our_trigger(trigger) => Some(OTHER),
                    Some(trigger) if !matches!(trigger.enabled.as_str(), "O" | "A") => Some("is disabled"),
                    Some(_) => None,
                }
            }
        }
    }

    /// Whether an object does what it should, but not as well as it would if it were made anew.
    pub(super) fn is_outdated(&self, object: &objects::Object) -> bool {
        let Kind::Routine(best, _) = &object.kind else { return false };
        self.routines.get(&object.name).is_some_and(|(found, _)| found != best)
    }

    /// The triggers of a table.
    pub(super) fn triggers_of(&self, oid: u32) -> &[CatalogTrigger] {
        self.triggers.get(&oid).map_or(&[], Vec::as_slice)
    }

    /// Whether our schema holds a function of this name.
    pub(super) fn has_routine(&self, name: &str) -> bool {
        self.routines.contains_key(name)
    }

    /// The triggers' functions, sorted.
    pub(super) fn routines_of_ours(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.routines.keys().filter(|name| name.ends_with("_dss_capture")).cloned().collect();
        names.sort_unstable();
        names
    }

    /// The tracking tables, sorted.
    pub(super) fn tracking_tables(&self) -> Vec<String> {
        let ours = self.tracking.iter().filter(|(name, (columns, _))| {
            name.ends_with("_dss_tracking") && super::provision::are_tracking(columns)
        });
        let mut names: Vec<String> = ours.map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names
    }

    /// Whether our schema holds a table, index or sequence of this name.
    pub(super) fn has_relation(&self, name: &str) -> bool {
        self.tracking.contains_key(name) || self.indexes.contains_key(name) || self.sequences.contains(name)
    }
}

/// Whether the columns and key are those of the table's tracking table.
fn is_tracking(table: &BoundTable, columns: &[String], key: &[String]) -> bool {
    use super::quote::identifier;
    use super::table::TRACKING_COLUMNS;
    TRACKING_COLUMNS.iter().all(|ours| columns.iter().any(|column| column == ours))
        && key.len() == table.key.len()
        && table.key_columns().all(|column| key.iter().any(|name| identifier(name) == column.tracking))
}

/// Runs `work` in one snapshot, with the tables as they are known. If it fails because a table is another by now, that
/// table stops, or the work is done again.
pub(super) async fn in_snapshot<T>(
    member: &mut PostgresMember,
    action: &'static str,
    settings: &str,
    work: impl AsyncFn(&PostgresMember) -> Result<T>,
) -> Result<T> {
    let mut again = true;
    loop {
        let outcome = {
            let shared: &PostgresMember = member;
            shared.session.transaction(action, Begin::Snapshot, settings, async |_| work(shared).await).await
        };
        let Err(error) = outcome else { return outcome };
        if !again || !may_be_changed_schema(&error) {
            return Err(error);
        }
        let before = member.fingerprint.take();
        refresh(member).await?;
        if before == member.fingerprint {
            return Err(error);
        }
        again = false;
    }
}

/// Whether a statement may have failed because a table is not what it was.
pub(super) fn may_be_changed_schema(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Statement | ErrorKind::Contention | ErrorKind::Damaged)
}
