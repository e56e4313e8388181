//! Conflicts of the running group, and how the story shows one.

use crate::process::Process;
use anyhow::{Context as _, Result};
use std::fmt::Write as _;
use std::sync::Arc;
use tributary_codec::ConflictCodec;
use tributary_model::time::format_timestamp;
use tributary_model::{ConflictRecord, Side, Value};
use tributary_stream::read_latest;

/// All records of the ledger, in the order in which they were written.
pub(super) fn conflicts(group: &Process) -> Result<Vec<ConflictRecord>> {
    let (log, channels) = (&group.engine.log, &group.engine.channels);
    let lookup = |table: &str| {
        let channel = channels.tables.iter().find(|channel| channel.schema.name.as_str() == table);
        channel.map(|channel| Arc::clone(&channel.codec))
    };
    let records = group.wait_for(read_latest(log.as_ref(), &channels.topics.conflicts()))?;
    let decode = |(_, value): (Vec<u8>, Vec<u8>)| Ok(ConflictCodec::decode_conflict(&value, lookup)?);
    records.into_iter().map(decode).collect()
}

/// Both versions side by side, and the SQL that would put the loser back in `member`.
pub(super) fn describe(group: &Process, conflict: &ConflictRecord) -> Result<String> {
    let table = group.engine.spec.table(&conflict.table).context("the table is one of the group")?;
    let schema = &table.schema;
    let key: Vec<_> = schema.key_values(&conflict.key)?.iter().map(ToString::to_string).collect();
    let mut text = format!(
        "conflict {}, {} {}: {}, decided by {}\n",
        conflict.id,
        conflict.table,
        key.join(", "),
        conflict.kind.as_str(),
        conflict.policy.as_str(),
    );
    let when = |side: &Side| side.changed_at.map_or_else(|| "unknown".to_owned(), format_timestamp);
    let who = |side: &Side| side.dot.incarnation.member().to_owned();
    line(&mut text, "", "won", "lost");
    line(&mut text, "member", &who(&conflict.winner), &who(&conflict.loser));
    line(&mut text, "at (UTC)", &when(&conflict.winner), &when(&conflict.loser));
    for (at, column) in schema.columns.iter().enumerate() {
        let value = |side: &Side| match &side.row {
            None => "(deleted)".to_owned(),
            Some(row) => row.get(at).map_or_else(|| "(not set)".to_owned(), Value::to_string),
        };
        line(&mut text, &column.name, &value(&conflict.winner), &value(&conflict.loser));
    }
    text.truncate(text.trim_end().len());
    Ok(text)
}

/// The SQL that writes the losing version in a member.
pub(super) fn putting_back(group: &Process, conflict: &ConflictRecord, member: &str) -> Result<String> {
    let tables = &group.engine.spec.tables;
    let at = tables.iter().position(|table| table.schema.name == conflict.table);
    let at = at.context("the table is one of the group")?;
    Ok(group.member(member)?.statement_for(at, &conflict.key, conflict.loser.row.as_ref())?)
}

fn line(text: &mut String, name: &str, won: &str, lost: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{name:<12} {won:<26} {lost}");
}
