//! The group's topics as decoded records, for looking at what flows.
//!
//! Reads by itself, without a consumer group, so it disturbs nobody. Within a partition records come in order;
//! across partitions they are put in the order of their times as far as they were read together.

use crate::opened::{ActionError, Opened};
use crate::view::{RowView, key_matches, key_text, time_text};
use serde::Serialize;
use std::time::Duration;
use tributary_codec::{ConflictCodec, TableCodec, split_frame};
use tributary_model::time::TICKS_A_MILLISECOND;
use tributary_model::{KeyBytes, MemberId, TableName, TableSchema};
use tributary_stream::{Consumer, ConsumerSettings, Incoming, Isolation, Start, TopicName, TopicPartition};

const READ_ROWS: usize = 1_000;
const READ_BYTES: usize = 4 << 20;

/// The kinds of topics that can be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TopicKind {
    /// What members captured.
    Changes,
    /// What was settled.
    Resolved,
    /// The ledger.
    Conflicts,
}

impl TopicKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Changes, Self::Resolved, Self::Conflicts];

    /// Its stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Resolved => "resolved",
            Self::Conflicts => "conflicts",
        }
    }
}

/// What is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TailFilter {
    /// Kinds of topics; empty for all.
    pub kinds: Vec<TopicKind>,
    /// Of this table.
    pub table: Option<TableName>,
    /// Of this row: the key's values joined by commas.
    pub key: Option<String>,
    /// Changes of this member, records that it won, conflicts it took part in.
    pub member: Option<MemberId>,
}

/// A record, decoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TailRecord {
    /// The kind of its topic.
    pub topic: TopicKind,
    /// The table.
    pub table: String,
    /// Partition.
    pub partition: u32,
    /// Offset.
    pub offset: u64,
    /// When it was written to the log.
    pub at: String,
    /// The key as text.
    pub key: String,
    /// What it does: `upsert`, `delete`, `expired`, `conflict`.
    pub op: &'static str,
    /// Whose change it is, or who won.
    pub member: Option<String>,
    /// The change, or the winner's: incarnation and version.
    pub change: Option<String>,
    /// What the change was based on, or what the record takes into account.
    pub vector: Option<String>,
    /// When the user made the change, corrected by the clock's offset.
    pub changed_at: Option<String>,
    /// How it came about: the change's kind, or how the record was settled.
    pub how: Option<&'static str>,
    /// A conflict's id.
    pub conflict: Option<String>,
    /// Who lost a conflict.
    pub loser: Option<String>,
    /// The row.
    pub row: Option<RowView>,
}

impl TailRecord {
    /// One line for people.
    pub fn line(&self) -> String {
        let mut line =
            format!("{} {:9} {} [{}] {}", self.at, self.topic.as_str(), self.table, self.key, self.op);
        for (name, value) in [
            ("by", self.member.as_deref()),
            ("change", self.change.as_deref()),
            ("vector", self.vector.as_deref()),
            ("how", self.how),
            ("loser", self.loser.as_deref()),
            ("conflict", self.conflict.as_deref()),
        ] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                line.push_str(&format!(" {name}={value}"));
            }
        }
        if let Some(row) = &self.row {
            line.push_str(&format!(" {{{}}}", row.text()));
        }
        line
    }
}

/// Reads the group's topics from the beginning or the end.
pub struct Tail<'a> {
    group: Opened<'a>,
    filter: TailFilter,
    consumer: Box<dyn Consumer>,
    /// Where the topics ended when reading began.
    ends: Vec<(TopicPartition, u64)>,
}

impl<'a> Tail<'a> {
    /// Begins to read.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn open(group: Opened<'a>, filter: TailFilter, start: Start) -> Result<Tail<'a>, ActionError> {
        let settings = ConsumerSettings { group: None, isolation: Isolation::Committed, start };
        let mut consumer = group.log.consumer(settings).await?;
        let mut ends = Vec::new();
        for topic in topics(&group, &filter) {
            for (partition, range) in (0..).zip(group.log.offsets(&topic).await?) {
                ends.push((TopicPartition::new(topic.clone(), partition), range.end));
            }
        }
        let wanted: Vec<_> = ends.iter().map(|(at, _)| (at.clone(), None)).collect();
        consumer.assign(&wanted).await?;
        Ok(Self { group, filter, consumer, ends })
    }

    /// Whether all that was there when reading began has been read.
    pub fn has_caught_up(&self) -> bool {
        let positions = self.consumer.positions();
        self.ends.iter().all(|(at, end)| positions.iter().any(|(here, next)| here == at && next >= end))
    }

    /// The next records that the filter takes, waiting up to `wait` for any; empty when there were none.
    ///
    /// # Errors
    /// When the log cannot be read, or a record is damaged.
    pub async fn next(&mut self, wait: Duration) -> Result<Vec<TailRecord>, ActionError> {
        let mut polled = self.consumer.poll(READ_ROWS, READ_BYTES, wait).await?.records;
        polled.sort_by_key(|record| record.timestamp_ms);
        let mut records = Vec::new();
        for record in &polled {
            let decoded =
                decode(&self.group, &self.filter, record).map_err(|source| ActionError::Record {
                    topic: record.topic.clone(),
                    record: format!("record {} of partition {}", record.offset, record.partition),
                    source: Box::new(source),
                })?;
            records.extend(decoded);
        }
        Ok(records)
    }
}

fn topics(group: &Opened<'_>, filter: &TailFilter) -> Vec<TopicName> {
    let wants = |kind| filter.kinds.is_empty() || filter.kinds.contains(&kind);
    let mut topics = Vec::new();
    for channel in &group.channels.tables {
        if filter.table.as_ref().is_some_and(|table| *table != channel.schema.name) {
            continue;
        }
        if wants(TopicKind::Changes) {
            topics.push(channel.changes.clone());
        }
        if wants(TopicKind::Resolved) {
            topics.push(channel.resolved.clone());
        }
    }
    if wants(TopicKind::Conflicts) {
        topics.push(group.channels.topics.conflicts());
    }
    topics
}

fn decode(
    group: &Opened<'_>,
    filter: &TailFilter,
    record: &Incoming,
) -> Result<Option<TailRecord>, tributary_codec::Error> {
    let Some(table) = group.channels.table_of(&record.topic) else {
        return decode_conflict(group, filter, record);
    };
    let channel = &group.channels.tables[table];
    let (_, key) = split_frame(&record.key)?;
    let key = KeyBytes::new(key);
    if filter.key.as_ref().is_some_and(|text| !key_matches(&channel.schema, &key, text)) {
        return Ok(None);
    }
    let decoded = if record.topic == channel.changes {
        decode_change(&channel.codec, &channel.schema, &key, record)?
    } else {
        decode_resolved(&channel.codec, &channel.schema, &key, record)?
    };
    Ok(decoded.filter(|decoded| {
        filter.member.as_ref().is_none_or(|member| decoded.member.as_deref() == Some(member.as_str()))
    }))
}

fn plain(topic: TopicKind, schema: &TableSchema, key: &KeyBytes, record: &Incoming) -> TailRecord {
    TailRecord {
        topic,
        table: schema.name.to_string(),
        partition: record.partition,
        offset: record.offset,
        at: time_text(record.timestamp_ms.saturating_mul(TICKS_A_MILLISECOND)),
        key: key_text(schema, key),
        op: "expired",
        member: None,
        change: None,
        vector: None,
        changed_at: None,
        how: None,
        conflict: None,
        loser: None,
        row: None,
    }
}

fn decode_change(
    codec: &TableCodec,
    schema: &TableSchema,
    key: &KeyBytes,
    record: &Incoming,
) -> Result<Option<TailRecord>, tributary_codec::Error> {
    let Some(value) = &record.value else { return Ok(None) };
    let change = codec.decode_change(value)?;
    Ok(Some(TailRecord {
        op: if change.is_delete() { "delete" } else { "upsert" },
        member: Some(change.dot.incarnation.member().to_owned()),
        change: Some(change.dot.to_string()),
        vector: Some(change.seen.to_string()),
        changed_at: change.effective_at.map(time_text),
        how: Some(change.kind.as_str()),
        row: change.row.as_ref().map(|row| RowView::of(schema, row)),
        ..plain(TopicKind::Changes, schema, key, record)
    }))
}

fn decode_resolved(
    codec: &TableCodec,
    schema: &TableSchema,
    key: &KeyBytes,
    record: &Incoming,
) -> Result<Option<TailRecord>, tributary_codec::Error> {
    let Some(value) = &record.value else {
        return Ok(Some(plain(TopicKind::Resolved, schema, key, record)));
    };
    let resolved = codec.decode_resolved(value)?;
    Ok(Some(TailRecord {
        op: if resolved.row.is_none() { "delete" } else { "upsert" },
        member: Some(resolved.winner.incarnation.member().to_owned()),
        change: Some(resolved.winner.to_string()),
        vector: Some(resolved.vv.to_string()),
        changed_at: resolved.effective_at.map(time_text),
        how: Some(resolved.settled.as_str()),
        row: resolved.row.as_ref().map(|row| RowView::of(schema, row)),
        ..plain(TopicKind::Resolved, schema, key, record)
    }))
}

fn decode_conflict(
    group: &Opened<'_>,
    filter: &TailFilter,
    record: &Incoming,
) -> Result<Option<TailRecord>, tributary_codec::Error> {
    let Some(value) = &record.value else { return Ok(None) };
    let conflict = match ConflictCodec::decode_conflict(value, |table| group.codec(table)) {
        Ok(conflict) => conflict,
        // Of a table that has left the group: nothing can be shown of it.
        Err(tributary_codec::Error::UnknownTable { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let Some(schema) = group.schema(&conflict.table) else { return Ok(None) };
    let members = [&conflict.winner, &conflict.loser].map(|side| side.dot.incarnation.member().to_owned());
    let taken = filter.table.as_ref().is_none_or(|table| *table == conflict.table)
        && filter.key.as_ref().is_none_or(|text| key_matches(schema, &conflict.key, text))
        && filter.member.as_ref().is_none_or(|member| members.iter().any(|m| m == member.as_str()));
    let [winner, loser] = members;
    Ok(taken.then(|| TailRecord {
        op: "conflict",
        member: Some(winner),
        change: Some(conflict.winner.dot.to_string()),
        vector: Some(conflict.winner.vv.to_string()),
        changed_at: conflict.winner.effective_at.map(time_text),
        how: Some(conflict.reason.as_str()),
        conflict: Some(conflict.id.to_string()),
        loser: Some(loser),
        row: conflict.winner.row.as_ref().map(|row| RowView::of(schema, row)),
        ..plain(TopicKind::Conflicts, schema, &conflict.key, record)
    }))
}
