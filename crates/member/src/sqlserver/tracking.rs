//! Tracking rows as apply reads and writes them, those of a whole table's part of a batch at once.
//!
//! Every write names the local version that the decision was made on, "no row" being one too. Whether it still held
//! shows in the count of rows; which did not is asked then.

use super::cells::{Cell as Read, flag, optional_integer, optional_text, text};
use super::json::Rows;
use super::keys::Key;
use super::refusal;
use super::run::{At, Run, Step, Stop};
use super::session::{Cells, long};
use super::table::BoundTable;
use crate::Direction;
use tributary_model::{Dot, Incarnation, VersionVector};
use tributary_settle::LocalState;

/// What a cell's tracking row held.
#[derive(Debug, Default)]
pub(super) enum Before {
    /// There was none.
    #[default]
    Absent,
    /// One without a change of this member's own.
    Settled { seen: String, tombstone: bool, batch: Option<i64> },
    /// One with a change of this member's own.
    Local(Box<Local>),
}

/// A tracking row with a change of this member's own.
#[derive(Debug)]
pub(super) struct Local {
    version: i64,
    incarnation: Option<String>,
    seen: String,
    tombstone: bool,
    batch: Option<i64>,
    changed_at: Option<String>,
    kind: Option<String>,
    inside_apply: Option<i64>,
}

impl Before {
    /// Reads the columns of a tracking row from the second on.
    pub(super) fn of(row: &Cells) -> Read<Self> {
        let (seen, tombstone, batch) = (text(row, 3)?, flag(row, 4)?, optional_integer(row, 5)?);
        Ok(match optional_integer(row, 1)? {
            None => Self::Settled { seen, tombstone, batch },
            Some(version) => Self::Local(Box::new(Local {
                version,
                incarnation: optional_text(row, 2)?,
                seen,
                tombstone,
                batch,
                changed_at: optional_text(row, 6)?,
                kind: optional_text(row, 7)?,
                inside_apply: optional_integer(row, 8)?,
            })),
        })
    }

    /// What the decision is made on; a reason if the row cannot be read. `None` without a tracking row.
    pub(super) fn state(&self, table: &BoundTable) -> Result<Option<LocalState>, String> {
        let seen = |text: &str| VersionVector::parse(text).map_err(|error| error.to_string());
        match self {
            Self::Absent => Ok(None),
            Self::Settled { seen: text, .. } => Ok(Some(LocalState { local: None, seen: seen(text)? })),
            Self::Local(local) => {
                let incarnation = match &local.incarnation {
                    None => table.first_incarnation.clone(),
                    Some(name) if *name == table.incarnation.as_str() => table.incarnation.clone(),
                    Some(name) => Incarnation::parse(name).map_err(|error| error.to_string())?,
                };
                let version = u64::try_from(local.version).map_err(|_| "a version below 0".to_owned())?;
                let dot = Dot::new(incarnation, version);
                Ok(Some(LocalState { local: Some(dot), seen: seen(&local.seen)? }))
            }
        }
    }

    /// The local version, if it has one.
    pub(super) fn version(&self) -> Option<i64> {
        match self {
            Self::Local(local) => Some(local.version),
            Self::Absent | Self::Settled { .. } => None,
        }
    }
}

/// A cell that is to be marked, and what its copy will reflect then.
pub(super) struct Mark {
    pub(super) at: At,
    pub(super) seen: VersionVector,
}

impl Run<'_> {
    /// Marks cells of one group with the batch's number. Returns those whose tracking rows were others by then.
    pub(super) async fn mark(&mut self, marks: &[Mark], tombstone: bool) -> Step<Vec<At>> {
        let Some(first) = marks.first() else { return Ok(Vec::new()) };
        let (_, shape) = self.table(self.groups[first.at.0].table)?;
        let (mut new, mut settled, mut local) = (Rows::default(), Rows::default(), Rows::default());
        for (place, mark) in marks.iter().enumerate() {
            let cell = self.cell(mark.at);
            let rows = match cell.before {
                Before::Absent => &mut new,
                Before::Settled { .. } => &mut settled,
                Before::Local(_) => &mut local,
            };
            rows.begin(place);
            rows.texts(&cell.key);
            rows.text(mark.seen.to_string().as_str());
            if let Before::Local(before) = &cell.before {
                rows.long(before.version);
                rows.text(before.incarnation.as_deref());
            }
        }
        let (settled, local) = (settled.finish(), local.finish());
        let more = vec![
            super::session::text(&settled),
            super::session::text(&local),
            long(i64::from(tombstone)),
            long(self.number),
        ];
        let marked = match self.query("write tracking rows", &shape.sql.mark, new, more).await {
            Ok(answer) => self.count(&answer)?,
            // Servers that have no locks on gaps find a tracking row that a user has just written so.
            Err(Stop::Failed(error)) if refusal::is_duplicate(&error) => return Err(Stop::Conflict(error)),
            Err(stop) => return Err(stop),
        };
        if marked == marks.len() as u64 {
            return Ok(Vec::new());
        }
        let cells: Vec<At> = marks.iter().map(|mark| mark.at).collect();
        let number = self.number;
        let missed = self
            .query("read tracking rows", &shape.sql.missed, self.keys(&cells), vec![long(number)])
            .await?;
        Ok(self.places(&missed)?.into_iter().map(|place| cells[place]).collect())
    }

    /// Gives marked cells their tracking rows back as they were.
    pub(super) async fn put_back(&mut self, cells: &[At]) -> Step<()> {
        let action = "put tracking rows back";
        let number = self.number;
        for part in Self::by_group(cells.to_vec(), super::run::STATEMENT_ROWS) {
            let (_, shape) = self.table(self.groups[part[0].0].table)?;
            let (mut absent, mut there) = (Rows::default(), Rows::default());
            for (place, at) in part.iter().enumerate() {
                let cell = self.cell(*at);
                let (seen, tombstone, batch, local) = match &cell.before {
                    Before::Absent => {
                        absent.begin(place);
                        absent.texts(&cell.key);
                        continue;
                    }
                    Before::Settled { seen, tombstone, batch } => (seen, *tombstone, *batch, None),
                    Before::Local(local) => (&local.seen, local.tombstone, local.batch, Some(local)),
                };
                there.begin(place);
                there.texts(&cell.key);
                there.text(seen.as_str());
                there.long(i64::from(tombstone));
                there.long(batch);
                there.long(local.map(|local| local.version));
                there.text(local.and_then(|local| local.incarnation.as_deref()));
                there.text(local.and_then(|local| local.changed_at.as_deref()));
                there.text(local.and_then(|local| local.kind.as_deref()));
                there.long(local.and_then(|local| local.inside_apply));
            }
            if !absent.is_empty() {
                self.query(action, &shape.sql.forget_tracking, absent, vec![long(number)]).await?;
            }
            if !there.is_empty() {
                self.query(action, &shape.sql.return_tracking, there, vec![long(number)]).await?;
            }
        }
        Ok(())
    }

    /// How far the first scan has claimed a table's keys, as stored; `None` if the table is not provisioned.
    pub(super) async fn claim_text(&mut self, table: &BoundTable) -> Step<Option<String>> {
        let name = super::session::text(table.binding.schema.name.as_str());
        let sql = include_str!("sql/apply_read_claim.sql");
        let row = self.session.row("read the first scan's claim", sql, vec![name]).await?;
        let Some(row) = row else { return Ok(None) };
        text(&row, 0).map(Some).map_err(|reason| self.damaged("DataSync.dss_tables", reason))
    }

    /// Forgets tombstones of one table that have expired with these null records.
    pub(super) async fn purge_table(&mut self, at: usize, found: &[(Key, usize)]) -> Step<()> {
        let action = "forget tombstones";
        let (table, shape) = self.table(at)?;
        let keys = super::keys::rows(found.iter().map(|(key, _)| key));
        let answer = self.query(action, &shape.sql.read_tracking, keys, Vec::new()).await?;
        let mut expired = Rows::default();
        for row in &answer {
            let place = self.place(row)?;
            let (key, record) = &found[place];
            let before = Before::of(row).map_err(|reason| self.damaged(&table.tracking, reason))?;
            let state = before.state(table).map_err(|reason| self.damaged(&table.tracking, reason))?;
            let Some(mut state) = state else { continue };
            if self.settings.direction == Direction::Subscribe {
                state.local = None;
            }
            let record = &self.batch.records[*record];
            if record.resolved.as_ref().err().is_some_and(|vv| record.forgets(vv, &state)) {
                expired.begin(place);
                expired.texts(key);
                expired.long(before.version());
            }
        }
        if expired.is_empty() {
            return Ok(());
        }
        self.query(action, &shape.sql.purge_tracking, expired, Vec::new()).await.map(drop)
    }
}

/// The incarnation as a parameter: the table's first is an empty text, and NULL in a tracking row.
pub(super) fn later_incarnation(table: &BoundTable) -> &str {
    if table.incarnation == table.first_incarnation { "" } else { table.incarnation.as_str() }
}
