//! How far a group has come: what is not published, not resolved and not applied yet.
//!
//! Read from the outside, from the members and the log alone, so that it is the same whether the workers run in
//! this process, in another one, or not at all. Upstream is read before downstream: whatever moves on in between is
//! then counted once more and never missed, so that "nothing left" is true of everything that had been committed
//! when the reading began.

use crate::file::{Direction, GroupFile};
use crate::spec::{GroupSpec, bind};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use tributary_member::{Connector, ErrorKind, HoldsBack, Member, PositionRecord, Scan, TableState};
use tributary_model::{MemberId, TableName};
use tributary_stream::{
    Channels, Log, MemberControls, OffsetRange, RecaptureOrder, TopicPartition, read_latest,
};

/// From how many seconds on an open transaction is worth a word.
const LONG_OPEN: u64 = 10;

/// Why the progress could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgressError {
    /// The log failed.
    #[error("how far the group is could not be read from the log")]
    Log(#[from] tributary_stream::Error),
    /// A member's position record is no such thing.
    #[error("the stored position of member {member} cannot be read")]
    Position {
        /// The member.
        member: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

impl ProgressError {
    /// The stable code, listed in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Log(source) => source.code(),
            Self::Position { .. } => "GRP-301",
        }
    }
}

/// The refill of a table's gained columns. Until it has ended, the table is neither captured nor applied to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefillProgress {
    /// The columns.
    pub columns: Vec<String>,
    /// How far it is, as apply writes it down; empty while what was published without the columns is not settled.
    pub progress: String,
}

/// One table of one member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableProgress {
    /// The group's name of the table.
    #[serde(serialize_with = "as_text")]
    pub table: TableName,
    /// Why the table stands still; `None` when it is worked on.
    pub stopped: Option<String>,
    /// Columns that the table has gained and that are being filled, with how far that is.
    pub refill: Option<RefillProgress>,
    /// Whether somebody else had it locked for so long that nothing could be counted; then `unpublished` is 0.
    pub locked: bool,
    /// Changes of this member that are not in the log yet.
    pub unpublished: u64,
    /// Whether the rows that were there before are all published, and those that were to be published again.
    pub scan_done: bool,
    /// Resolved records that this member has not read yet.
    pub unapplied: u64,
    /// Records that this member refused.
    pub parked_apply: u64,
    /// Rows of this member that cannot be published.
    pub parked_capture: u64,
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemberProgress {
    /// The member.
    pub id: MemberId,
    /// Why it cannot be looked at; then `tables` is empty.
    pub trouble: Option<String>,
    /// Why it is left alone on purpose, as the control topic says.
    pub rests: Option<String>,
    /// Whether it is being filled anew, or is to be.
    pub filling: bool,
    /// Whether it has left the group: then it is not looked at.
    pub removed: bool,
    /// By table, in the order of the spec.
    pub tables: Vec<TableProgress>,
    /// How many pages it has published.
    pub token_counter: Option<u64>,
    /// Whose open transaction keeps changes from being captured.
    pub held_back_by: Option<HoldsBack>,
}

impl MemberProgress {
    /// A member of which nothing is known yet.
    pub fn of(id: MemberId) -> Self {
        Self {
            id,
            trouble: None,
            rests: None,
            filling: false,
            removed: false,
            tables: Vec::new(),
            token_counter: None,
            held_back_by: None,
        }
    }
}

/// The whole group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// By member, in the order of the group file.
    pub members: Vec<MemberProgress>,
    /// Published changes that the resolver has not settled yet.
    pub unresolved: u64,
}

impl Progress {
    /// Whether everything that had been committed when the reading began is in every member, or parked there.
    pub fn is_drained(&self) -> bool {
        self.unresolved == 0
            && self.members.iter().all(|member| {
                member.trouble.is_none()
                    && (member.rests.is_none() && !member.filling || member.removed)
                    && member.tables.iter().all(|table| {
                        table.stopped.is_none()
                            && table.refill.is_none()
                            && !table.locked
                            && table.scan_done
                            && table.unpublished == 0
                            && table.unapplied == 0
                    })
            })
    }

    /// What is in the way of [`Progress::is_drained`], and what is parked, in sentences.
    pub fn blockers(&self) -> Vec<String> {
        let mut blockers = Vec::new();
        for member in &self.members {
            let id = &member.id;
            if let Some(why) = member.rests.as_ref().filter(|_| !member.removed) {
                blockers.push(format!("member {id} is left alone: {why}"));
            }
            if member.filling {
                blockers.push(format!("member {id} is being filled anew"));
            }
            if let Some(trouble) = &member.trouble {
                blockers.push(format!("member {id} cannot be reached: {trouble}"));
            }
            if let Some(holder) = member.held_back_by.as_ref().filter(|holder| holder.seconds >= LONG_OPEN) {
                let HoldsBack { session, login, program, host, seconds } = holder;
                blockers.push(format!(
                    "session {session} of member {id} ({login}, {program:?} on {host}) has had a transaction open for \
                     {seconds} s, and what was written since it began is not captured before it ends"
                ));
            }
            for table in &member.tables {
                let name = &table.table;
                if let Some(reason) = &table.stopped {
                    blockers.push(format!("table {name} of member {id} stands still: {reason}"));
                }
                if let Some(refill) = &table.refill {
                    let columns = refill.columns.join(", ");
                    blockers.push(format!(
                        "table {name} of member {id} waits until what the group has of {columns} is filled in"
                    ));
                }
                if table.locked {
                    blockers.push(format!(
                        "table {name} of member {id} is locked by another session: what is to be captured from it can \
                         neither be counted nor read before that has ended"
                    ));
                }
                if !table.scan_done {
                    blockers.push(format!("the first scan of table {name} of member {id} is not finished"));
                }
                let counted = [
                    (table.unpublished, "are not captured yet"),
                    (table.unapplied, "are not applied yet"),
                    (table.parked_apply, "were refused and are parked"),
                    (table.parked_capture, "cannot be published and are listed"),
                ];
                for (count, what) in counted.into_iter().filter(|(count, _)| *count > 0) {
                    blockers.push(format!("{count} changes of table {name} {what} in member {id}"));
                }
            }
        }
        if self.unresolved > 0 {
            blockers.push(format!("{} changes are not resolved yet", self.unresolved));
        }
        blockers
    }
}

fn as_text<S: serde::Serializer>(name: &TableName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}

/// Reads how far the group is. A member that cannot be reached is part of the answer, not an error.
///
/// # Errors
/// When the log cannot be read.
pub async fn progress(
    file: &GroupFile,
    spec: &GroupSpec,
    channels: &Channels,
    log: &dyn Log,
    connectors: &[Arc<dyn Connector>],
) -> Result<Progress, ProgressError> {
    let control = read_latest(log, &channels.topics.control()).await?;
    let orders = orders(&control);
    let controls: MemberControls = control.iter().collect();
    let positions = positions(channels, log).await?;
    let mut members = Vec::with_capacity(connectors.len());
    let mut open: Vec<Option<Box<dyn Member>>> = Vec::with_capacity(connectors.len());
    for connector in connectors {
        let position = positions.get(connector.id().as_str());
        let control = controls.of(connector.id());
        let position = position.filter(|position| position.incarnation >= control.incarnation_number());
        let rests = control.apply_rests(connector.id());
        let filling = control.pending_reinit().is_some();
        if control.removed.is_some() {
            let removed = true;
            members.push(MemberProgress { rests, removed, ..MemberProgress::of(connector.id().clone()) });
            open.push(None);
            continue;
        }
        match upstream(file, spec, connector.as_ref(), position, &orders).await {
            Ok((progress, member)) => {
                members.push(MemberProgress { rests, filling, ..progress });
                open.push(Some(member));
            }
            Err(error) => {
                let trouble = Some(format!("{error} ({})", error.code()));
                members.push(MemberProgress {
                    trouble,
                    rests,
                    filling,
                    ..MemberProgress::of(connector.id().clone())
                });
                open.push(None);
            }
        }
    }
    let unresolved = unresolved(channels, log).await?;
    for (progress, member) in members.iter_mut().zip(open) {
        let Some(mut member) = member else { continue };
        let publishes = file.member(&progress.id).is_some_and(|m| m.direction == Direction::Publish);
        if publishes {
            continue;
        }
        if let Err(error) = downstream(channels, log, member.as_mut(), progress).await? {
            progress.trouble = Some(format!("{error} ({})", error.code()));
        }
    }
    Ok(Progress { members, unresolved })
}

/// The last order to capture a table again, by table.
fn orders(control: &[(Vec<u8>, Vec<u8>)]) -> BTreeMap<TableName, String> {
    let orders = control.iter().filter_map(|(key, value)| RecaptureOrder::read(key, value));
    orders.map(|order| (order.table, order.id)).collect()
}

async fn positions(
    channels: &Channels,
    log: &dyn Log,
) -> Result<BTreeMap<String, PositionRecord>, ProgressError> {
    let mut positions = BTreeMap::new();
    for (key, value) in read_latest(log, &channels.topics.positions()).await? {
        let member = String::from_utf8_lossy(&key).into_owned();
        let record = PositionRecord::from_json(&value);
        let record = record.map_err(|source| ProgressError::Position { member: member.clone(), source })?;
        positions.insert(member, record);
    }
    Ok(positions)
}

/// What a member has not published, and what is parked in it.
async fn upstream(
    file: &GroupFile,
    spec: &GroupSpec,
    connector: &dyn Connector,
    position: Option<&PositionRecord>,
    orders: &BTreeMap<TableName, String>,
) -> Result<(MemberProgress, Box<dyn Member>), tributary_member::Error> {
    let inspection = connector.connect(&[]).await?.inspect().await?;
    let bound = bind(file, spec, connector.id(), &inspection);
    let mut member = connector.connect(&bound.bindings).await?;
    let states = member.table_states().await?;
    let parked = member.parked_counts().await?;
    let refills = member.refills().await?;
    let subscribes = file.member(connector.id()).is_some_and(|m| m.direction == Direction::Subscribe);
    let mut tables = Vec::with_capacity(spec.tables.len());
    for (at, (table, state)) in spec.tables.iter().zip(states).enumerate() {
        let name = table.schema.name.clone();
        let at_position = position.map(|record| record.table(&name)).unwrap_or_default();
        let (stopped, pending) = match state {
            TableState::Stopped { reason } => (Some(reason), Some(0)),
            TableState::Ready | TableState::Refills { .. } if subscribes => (None, Some(0)),
            // What waits is told when it waits no more.
            TableState::Refills { .. } => (None, Some(0)),
            TableState::Ready => match member.pending(at, &at_position).await {
                Err(error) if error.kind() == ErrorKind::Busy => (None, None),
                counted => (None, Some(counted?)),
            },
        };
        let done = position.and_then(|record| record.recaptures.get(name.as_str()));
        let rescans = position.and_then(|record| record.rescans.get(name.as_str()));
        let rescan = rescans.copied().unwrap_or_default() != member.scans_ordered(at);
        let begins_anew = rescan || orders.get(&name).is_some_and(|order| done != Some(order));
        let parked_at = |end| parked.get(&(name.clone(), end)).copied().unwrap_or(0);
        let refill = refills.iter().find(|refill| refill.table == at).map(|refill| RefillProgress {
            columns: refill.columns.clone(),
            progress: refill.progress.clone(),
        });
        tables.push(TableProgress {
            stopped,
            refill,
            locked: pending.is_none(),
            unpublished: pending.unwrap_or(0),
            scan_done: subscribes || (at_position.scan == Scan::Done && !begins_anew),
            unapplied: 0,
            parked_apply: parked_at("apply"),
            parked_capture: parked_at("capture"),
            table: name,
        });
    }
    let token_counter = position.map(|record| record.counter);
    let held_back_by = if subscribes { None } else { member.holds_back().await? };
    let id = connector.id().clone();
    Ok((MemberProgress { tables, token_counter, held_back_by, ..MemberProgress::of(id) }, member))
}

async fn unresolved(channels: &Channels, log: &dyn Log) -> Result<u64, ProgressError> {
    let topics: Vec<_> = channels.tables.iter().map(|channel| channel.changes.clone()).collect();
    let committed = log.committed(&channels.resolver_group(), &topics).await?;
    let mut left = Vec::new();
    for channel in &channels.tables {
        for (partition, range) in (0..).zip(log.offsets(&channel.changes).await?) {
            let next = committed
                .iter()
                .find(|(at, _)| at.topic == channel.changes && at.partition == partition)
                .map_or(range.start, |(_, next)| *next);
            if next < range.end {
                let at = TopicPartition::new(channel.changes.clone(), partition);
                left.push((at, OffsetRange { start: next, end: range.end }));
            }
        }
    }
    Ok(log.count_records(&left).await?.into_iter().sum())
}

async fn downstream(
    channels: &Channels,
    log: &dyn Log,
    member: &mut dyn Member,
    progress: &mut MemberProgress,
) -> Result<Result<(), tributary_member::Error>, ProgressError> {
    // The ends before the offsets: what is resolved in between belongs to later changes.
    let mut ends = Vec::with_capacity(channels.tables.len());
    for channel in &channels.tables {
        ends.push(log.offsets(&channel.resolved).await?);
    }
    let stored = match member.offsets().await {
        Ok(stored) => stored,
        Err(error) => return Ok(Err(error)),
    };
    // Offsets of another log say nothing about this one, and its worker will not apply from it.
    let own = log.id().0;
    if let Some(other) = stored.iter().find(|offset| offset.log != own) {
        progress.trouble = Some(format!("it has applied from log {}, and this is log {own}", other.log));
        return Ok(Ok(()));
    }
    let (mut of_tables, mut left) = (Vec::new(), Vec::new());
    for (number, (channel, ranges)) in channels.tables.iter().zip(ends).enumerate() {
        for (partition, range) in (0..).zip(ranges) {
            let next = stored
                .iter()
                .find(|offset| offset.topic == channel.resolved.as_str() && offset.partition == partition)
                .map_or(range.start, |offset| offset.next);
            if next > range.end {
                let (topic, end) = (&channel.resolved, range.end);
                progress.trouble = Some(format!(
                    "it has applied up to offset {next} of {topic}, partition {partition}, and the log ends at {end}"
                ));
                return Ok(Ok(()));
            }
            if next < range.end {
                let at = TopicPartition::new(channel.resolved.clone(), partition);
                left.push((at, OffsetRange { start: next, end: range.end }));
                of_tables.push(number);
            }
        }
    }
    for (number, count) in of_tables.into_iter().zip(log.count_records(&left).await?) {
        if let Some(table) = progress.tables.get_mut(number) {
            table.unapplied += count;
        }
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_named_once_it_has_been_open_for_long() {
        let told = |seconds| {
            let holder = HoldsBack {
                session: 57,
                login: "anna".to_owned(),
                program: "Report Builder".to_owned(),
                host: "desk".to_owned(),
                seconds,
            };
            let id = MemberId::new("hq").unwrap();
            let held_back_by = Some(holder);
            let member = MemberProgress { held_back_by, ..MemberProgress::of(id) };
            Progress { members: vec![member], unresolved: 0 }
        };
        assert!(told(LONG_OPEN - 1).blockers().is_empty());
        let blockers = told(LONG_OPEN).blockers();
        assert!(
            blockers[0].starts_with("session 57 of member hq (anna, \"Report Builder\" on desk)"),
            "{blockers:?}"
        );
        assert!(told(LONG_OPEN).is_drained(), "what is counted is what is in the way");
    }
}
