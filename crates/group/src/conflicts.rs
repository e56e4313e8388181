//! The ledger for operators: which conflicts there were, what stood against what, who won and why, and how to put
//! the loser back.
//!
//! Reads only. Settling a conflict anew is an operator's change and goes by way of the control topic.

use crate::opened::{ActionError, Opened, by_prefix};
use crate::view::{RowView, key_text, time_text};
use serde::{Serialize, Serializer};
use tributary_codec::{ConflictCodec, json_value};
use tributary_member::Connector;
use tributary_model::{
    ChangeKind, ConflictKind, ConflictRecord, ConflictState, Policy, Reason, Row, Side, TableName,
    TableSchema, Ticks, Value,
};
use tributary_stream::read_latest;

/// Which conflicts are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConflictFilter {
    /// Of this table.
    pub table: Option<TableName>,
    /// In this state.
    pub state: Option<ConflictState>,
    /// Of this kind.
    pub kind: Option<ConflictKind>,
    /// Settled at this time or later.
    pub since: Option<Ticks>,
    /// At most so many, the newest first; `None` for all.
    pub limit: Option<usize>,
}

impl ConflictFilter {
    fn takes(&self, record: &ConflictRecord) -> bool {
        self.table.as_ref().is_none_or(|table| *table == record.table)
            && self.state.is_none_or(|state| state == record.state)
            && self.kind.is_none_or(|kind| kind == record.kind)
            && self.since.is_none_or(|since| record.settled_at >= since)
    }
}

/// The ledger as read.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// The conflicts, newest first.
    pub records: Vec<ConflictRecord>,
    /// How many belong to tables that the group no longer has.
    pub of_unknown_tables: u64,
}

impl Ledger {
    /// How many conflicts wait for somebody's decision.
    pub fn open(&self) -> usize {
        self.records.iter().filter(|record| record.state == ConflictState::Open).count()
    }

    /// Those that the filter takes.
    pub fn filtered(&self, filter: &ConflictFilter) -> Vec<&ConflictRecord> {
        let taken = self.records.iter().filter(|record| filter.takes(record));
        taken.take(filter.limit.unwrap_or(usize::MAX)).collect()
    }

    /// The conflict whose id begins so.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn find(&self, id: &str) -> Result<&ConflictRecord, ActionError> {
        by_prefix("conflict", "tributary conflicts list", id, &self.records, |record| record.id.to_string())
    }
}

/// Reads the whole ledger.
///
/// # Errors
/// When the log cannot be read, or a record is damaged.
pub async fn read_ledger(group: &Opened<'_>) -> Result<Ledger, ActionError> {
    let topic = group.channels.topics.conflicts();
    let mut ledger = Ledger::default();
    for (key, value) in read_latest(group.log, &topic).await? {
        match ConflictCodec::decode_conflict(&value, |table| group.codec(table)) {
            Ok(record) => ledger.records.push(record),
            Err(tributary_codec::Error::UnknownTable { .. }) => ledger.of_unknown_tables += 1,
            Err(source) => {
                let id = ConflictCodec::decode_key(&key)
                    .map_or_else(|_| "a conflict".to_owned(), |id| format!("conflict {id}"));
                return Err(ActionError::Record { topic, record: id, source: Box::new(source) });
            }
        }
    }
    // Written in the order of settling; a stable sort keeps that order among equal times.
    ledger.records.reverse();
    ledger.records.sort_by_key(|record| std::cmp::Reverse(record.settled_at));
    Ok(ledger)
}

/// One side of a conflict, for showing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SideView {
    /// Whose change.
    pub member: String,
    /// The change: incarnation and version.
    pub change: String,
    /// What its content took into account.
    pub vector: String,
    /// How it came about.
    pub kind: &'static str,
    /// Its time by the member's clock, as stored.
    pub changed_at: Option<String>,
    /// The same, corrected by the clock's measured offset; what policies compare.
    pub effective_at: Option<String>,
    /// Whether it is a delete.
    pub deleted: bool,
    /// The row; none for a delete.
    pub row: Option<RowView>,
}

/// A column with what both sides have in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ColumnView {
    /// The column.
    pub name: String,
    /// The winner's value; none when it is a delete or does not have the column.
    #[serde(serialize_with = "as_json")]
    pub winner: Option<Value>,
    /// The loser's value.
    #[serde(serialize_with = "as_json")]
    pub loser: Option<Value>,
    /// Whether they differ.
    pub differs: bool,
}

/// A conflict, for showing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConflictView {
    /// Its id.
    pub id: String,
    /// The table.
    pub table: String,
    /// The key as text.
    pub key: String,
    /// The key's columns.
    pub key_columns: RowView,
    /// What it is about.
    pub kind: &'static str,
    /// Whether somebody still has to decide.
    pub state: &'static str,
    /// The table's policy at the time.
    pub policy: &'static str,
    /// What decided, as a stable word.
    pub reason: &'static str,
    /// What decided, in words.
    pub why: String,
    /// When it was settled.
    pub settled_at: String,
    /// The version that stands.
    pub winner: SideView,
    /// The version that does not.
    pub loser: SideView,
    /// Every column that either side has.
    pub columns: Vec<ColumnView>,
}

fn as_json<S: Serializer>(value: &Option<Value>, serializer: S) -> Result<S::Ok, S::Error> {
    value.as_ref().map(json_value).serialize(serializer)
}

impl ConflictView {
    /// What is shown of a conflict in a table of this shape.
    pub fn of(record: &ConflictRecord, schema: &TableSchema) -> Self {
        Self {
            id: record.id.to_string(),
            table: record.table.to_string(),
            key: key_text(schema, &record.key),
            key_columns: RowView::of_key(schema, &record.key),
            kind: record.kind.as_str(),
            state: record.state.as_str(),
            policy: record.policy.as_str(),
            reason: record.reason.as_str(),
            why: why(record),
            settled_at: time_text(record.settled_at),
            winner: side(&record.winner, schema),
            loser: side(&record.loser, schema),
            columns: columns(schema, record.winner.row.as_ref(), record.loser.row.as_ref()),
        }
    }

    /// The names of the columns that differ, for a line of text.
    pub fn differing(&self) -> String {
        match (self.winner.deleted, self.loser.deleted) {
            (true, false) => "deleted against changed".to_owned(),
            (false, true) => "changed against deleted".to_owned(),
            _ => {
                let names: Vec<_> =
                    self.columns.iter().filter(|column| column.differs).map(|c| c.name.as_str()).collect();
                names.join(", ")
            }
        }
    }
}

fn side(side: &Side, schema: &TableSchema) -> SideView {
    SideView {
        member: side.dot.incarnation.member().to_owned(),
        change: side.dot.to_string(),
        vector: side.vv.to_string(),
        kind: side.kind.as_str(),
        changed_at: side.changed_at.map(time_text),
        effective_at: side.effective_at.map(time_text),
        deleted: side.row.is_none(),
        row: side.row.as_ref().map(|row| RowView::of(schema, row)),
    }
}

fn columns(schema: &TableSchema, winner: Option<&Row>, loser: Option<&Row>) -> Vec<ColumnView> {
    let value = |row: Option<&Row>, at| row.and_then(|row| row.get(at)).cloned();
    let all = schema.columns.iter().enumerate().map(|(at, column)| {
        let (winner, loser) = (value(winner, at), value(loser, at));
        // What one side does not have is no difference, but a delete differs in everything.
        let differs = match (&winner, &loser) {
            (Some(winner), Some(loser)) => winner != loser,
            (None, None) | (Some(_), None) | (None, Some(_)) => false,
        };
        ColumnView { name: column.name.clone(), winner, loser, differs }
    });
    all.filter(|column| column.winner.is_some() || column.loser.is_some()).collect()
}

/// Who won and why, in a sentence.
pub fn why(record: &ConflictRecord) -> String {
    let winner = record.winner.dot.incarnation.member();
    let loser = record.loser.dot.incarnation.member();
    let what = |side: &Side| if side.row.is_none() { "delete" } else { "row" };
    let won = format!("the {} of {winner} stands", what(&record.winner));
    let decided = match record.reason {
        Reason::Operator => "an operator decided".to_owned(),
        Reason::PublishMember => format!("{winner} only publishes, and so wins against every other member"),
        Reason::Unsure => match record.loser.kind {
            ChangeKind::FirstScan => format!(
                "the row of {loser} was there before it was synchronised (or was written past the triggers), and loses \
                 against any later change"
            ),
            ChangeKind::Restated | ChangeKind::Live | ChangeKind::Restored | ChangeKind::Operator => {
                format!("the change of {loser} was in doubt after that member went back in time")
            }
        },
        Reason::DeleteVsUpdate if record.winner.row.is_none() => "the table lets deletes win".to_owned(),
        Reason::DeleteVsUpdate => "the table lets changes win against deletes".to_owned(),
        Reason::Policy => by_policy(record),
        Reason::MemberPriority => format!("{winner} comes before {loser} in the order of members"),
        Reason::Time => later(record),
        Reason::Incarnation => {
            format!(
                "nothing else differed, so that the greater name decided: {}",
                record.winner.dot.incarnation
            )
        }
        Reason::Incoming => "nothing else differed, so that the change that came last stands".to_owned(),
        Reason::Reinit => format!(
            "the group did not know what {loser} had when that member was filled anew with what the group has"
        ),
        Reason::Restored => format!(
            "{winner} refused the delete of {loser}, because rows still refer to this one, and put the row back"
        ),
    };
    match record.state {
        ConflictState::Open => format!("{won} until somebody decides: {decided}"),
        ConflictState::Settled => format!("{won}: {decided}"),
    }
}

fn by_policy(record: &ConflictRecord) -> String {
    match record.policy {
        Policy::LatestWins => later(record),
        Policy::Priority => format!(
            "{} comes before {} in the order of members",
            record.winner.dot.incarnation.member(),
            record.loser.dot.incarnation.member()
        ),
        Policy::MergeColumns => format!("where both changed a column, {}", later(record)),
        Policy::Manual => {
            "the table's conflicts are left to an operator, and this version was there first".to_owned()
        }
    }
}

fn later(record: &ConflictRecord) -> String {
    let time = |side: &Side| side.effective_at.map_or_else(|| "unknown".to_owned(), time_text);
    format!("its change is the later one ({} against {})", time(&record.winner), time(&record.loser))
}

/// The SQL that writes the losing version back in the member of `connector`.
///
/// # Errors
/// When the member cannot be asked or does not have the table.
pub async fn put_loser_back(
    group: &Opened<'_>,
    connector: &dyn Connector,
    record: &ConflictRecord,
) -> Result<String, ActionError> {
    let failed = |source| ActionError::Member { member: connector.id().clone(), source: Box::new(source) };
    let table = group.spec.tables.iter().position(|table| table.schema.name == record.table);
    let Some(table) = table else {
        let known: Vec<_> = group.spec.tables.iter().map(|table| table.schema.name.as_str()).collect();
        return Err(ActionError::UnknownTable { table: record.table.to_string(), known: known.join(", ") });
    };
    let open = group.open(connector).await.map_err(failed)?;
    open.member.statement_for(table, &record.key, record.loser.row.as_ref()).map_err(failed)
}

#[cfg(test)]
mod tests;
