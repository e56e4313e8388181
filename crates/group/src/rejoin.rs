//! `member rejoin`: a member that went back in time goes on as it is, under a new name.
//!
//! Decides whether there is anything to do, and what the new incarnation begins with. Three steps, each of which may be
//! the last before the process dies; doing it all again then goes on from there:
//!
//! 1. The number is taken, on the control topic, before anything is done with it: numbers are wasted and never used
//!    twice, though the database may go back again at any time. Meanwhile the member's workers are told to rest.
//! 2. In one transaction of the member the incarnation begins. Its token names the log's last one, so that it proves
//!    from now on that the member belongs to the log.
//! 3. The workers go on. Capture publishes the token with the number and with positions at the beginning.
//!
//! Saying these things on the control topic is the command's matter.

use crate::opened::{ActionError, OpenMember, Opened};
use crate::standing::order;
use std::collections::HashMap;
use std::time::Duration;
use tributary_member::{
    Begun, Connector, ErrorKind, Member, NewIncarnation, PositionRecord, Token, token_follows,
};
use tributary_model::{Incarnation, KeyBytes, MemberId};
use tributary_stream::{
    ConsumerSettings, IncarnationNumber, Isolation, Mark, MemberControl, Said, Start, TopicPartition,
    read_latest,
};
use uuid::Uuid;

/// What a member is said to be paused for meanwhile.
pub const UNDER_WAY: &str = "`member rejoin` is under way; run it again if it was interrupted";

/// Records in one look at a topic, and bytes.
const MOST: (usize, usize) = (5_000, 16 << 20);
const WAIT: Duration = Duration::from_millis(100);

/// Why a member does not rejoin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RejoinError {
    /// The log or the member failed.
    #[error(transparent)]
    Action(#[from] ActionError),
    /// Nothing is wrong.
    #[error(
        "nothing is wrong with member {member}: it holds the token of its last published page or that one's direct \
         successor, so it has not gone back in time; nothing was done"
    )]
    NothingWrong {
        /// The member.
        member: MemberId,
    },
    /// What the log says of the member's position cannot be read.
    #[error("the stored position of member {member} cannot be read")]
    Position {
        /// The member.
        member: MemberId,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// Rows are there whose deletes nobody remembers any more.
    #[error(
        "member {member} went back too far: it still has {rows} rows of table {table} whose deletes the group has \
         forgotten since, and they would come back everywhere; with --fill-anew it rejoins and is filled with what the \
         group has, and what its users have changed since goes to the ledger"
    )]
    TooOld {
        /// The member.
        member: MemberId,
        /// One of the tables.
        table: String,
        /// How many rows of it.
        rows: usize,
    },
    /// The process that has the log does not take over what it is handed.
    #[error(
        "the process that has the log has not taken note of the number of member {member}'s new incarnation; \
         nothing was done in the member; see that it works, and run this again"
    )]
    NotKnown {
        /// The member.
        member: MemberId,
    },
}

impl RejoinError {
    /// The stable code, listed in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Action(source) => source.code(),
            Self::NothingWrong { .. } => "GRP-601",
            Self::Position { .. } => "GRP-602",
            Self::TooOld { .. } => "GRP-603",
            Self::NotKnown { .. } => "GRP-604",
        }
    }
}

/// What there is to do.
#[derive(Debug)]
pub enum Ground {
    /// It went back in time. The next number is this.
    WentBack {
        /// The number to take.
        number: u32,
        /// What the log holds of the member.
        published: Option<PositionRecord>,
    },
    /// An earlier attempt came as far as the member; its workers have to be let go.
    Begun,
}

/// Whether the member's workers rest because of an attempt to rejoin.
pub fn is_under_way(control: &MemberControl) -> bool {
    control.paused.as_ref().is_some_and(|mark| mark.why == UNDER_WAY)
}

/// What is said before anything is done in the member. Who was paused before stays so afterwards. With `fill_anew`
/// nothing is captured under the new name before the member has what the group has.
pub fn claim(control: &MemberControl, mark: Mark, number: u32, fill_anew: bool) -> Vec<Said> {
    let mut said = vec![Said::Incarnation(IncarnationNumber { number })];
    if fill_anew {
        said.push(Said::Reinit(order()));
    }
    if control.paused.is_none() {
        said.push(Said::Paused(Some(mark)));
    }
    said
}

/// Looks at the member and at what is said of it. One that went back too far passes with `fill_anew` only.
///
/// # Errors
/// When nothing is wrong with the member, or it cannot be helped this way.
pub async fn examine(
    group: &Opened<'_>,
    connector: &dyn Connector,
    control: &MemberControl,
    fill_anew: bool,
) -> Result<Ground, RejoinError> {
    let id = connector.id();
    let failed = |source| failed(id, source);
    let published = published(group, id).await?;
    let OpenMember { mut member, .. } = group.open(connector).await.map_err(failed)?;
    let held = held(member.as_mut()).await.map_err(failed)?;
    if token_follows(held.as_ref(), published.as_ref()) {
        if is_under_way(control) {
            return Ok(Ground::Begun);
        }
        return Err(RejoinError::NothingWrong { member: id.clone() });
    }
    if held.is_some() && !fill_anew {
        refuse_forgotten_rows(group, id, member.as_mut()).await?;
    }
    let known = published.as_ref().map_or(1, |published| published.incarnation);
    Ok(Ground::WentBack { number: known.max(control.incarnation_number()) + 1, published })
}

/// What the log holds of the member; nothing, if it has never published.
///
/// # Errors
/// When the log cannot be read.
pub async fn published(group: &Opened<'_>, id: &MemberId) -> Result<Option<PositionRecord>, RejoinError> {
    let latest =
        read_latest(group.log, &group.channels.topics.positions()).await.map_err(ActionError::Log)?;
    let own = latest.into_iter().find(|(key, _)| key == id.as_str().as_bytes());
    own.map(|(_, value)| PositionRecord::from_json(&value))
        .transpose()
        .map_err(|source| RejoinError::Position { member: id.clone(), source })
}

/// The token; none also where nothing is provisioned, as in a backup of before.
async fn held(member: &mut dyn Member) -> Result<Option<Token>, tributary_member::Error> {
    match member.token().await {
        Err(error) if error.kind() == ErrorKind::NotProvisioned => Ok(None),
        held => held,
    }
}

/// Begins incarnation `number`, which was taken before, in the member. What the backup lacks is provisioned.
///
/// # Errors
/// When the member fails; then it is as it was.
pub async fn begin(
    group: &Opened<'_>,
    connector: &dyn Connector,
    number: u32,
    published: Option<&PositionRecord>,
) -> Result<(Incarnation, Begun), RejoinError> {
    let id = connector.id();
    let failed = |source| failed(id, source);
    let OpenMember { mut member, .. } = group.open(connector).await.map_err(failed)?;
    member.provision().await.map_err(failed)?;
    let held = member.token().await.map_err(failed)?;
    let new = NewIncarnation {
        number,
        expected: held.map(|token| token.id),
        token: Token {
            counter: published.map_or(1, |published| published.counter + 1),
            id: Uuid::new_v4(),
            previous: published.map(|published| published.token),
            position: "{}".to_owned(),
            highest_version: 0,
        },
    };
    let begun = member.begin_incarnation(&new).await.map_err(failed)?;
    Ok((Incarnation::numbered(id, number), begun))
}

fn failed(member: &MemberId, source: tributary_member::Error) -> RejoinError {
    RejoinError::Action(ActionError::Member { member: member.clone(), source: Box::new(source) })
}

/// A delete that has expired leaves a null record. If the member had not come as far as that, and still has the row, it
/// would publish it again, and nobody would know that it was ever deleted.
async fn refuse_forgotten_rows(
    group: &Opened<'_>,
    id: &MemberId,
    member: &mut dyn Member,
) -> Result<(), RejoinError> {
    let stored = member.offsets().await.map_err(|source| failed(id, source))?;
    let mut assignment = Vec::new();
    let mut ends = HashMap::new();
    let mut tables = HashMap::new();
    for (table, channel) in group.channels.tables.iter().enumerate() {
        tables.insert(&channel.resolved, table);
        let ranges = group.log.offsets(&channel.resolved).await.map_err(ActionError::Log)?;
        for (partition, range) in (0..).zip(ranges) {
            let own = |offset: &&tributary_member::StoredOffset| {
                offset.topic == channel.resolved.as_str() && offset.partition == partition
            };
            let Some(from) = stored.iter().find(own).map(|offset| offset.next) else { continue };
            let at = TopicPartition::new(channel.resolved.clone(), partition);
            if from < range.end {
                ends.insert(at.clone(), range.end);
                assignment.push((at, Some(from)));
            }
        }
    }
    let settings = ConsumerSettings { group: None, isolation: Isolation::Committed, start: Start::Beginning };
    let mut consumer = group.log.consumer(settings).await.map_err(ActionError::Log)?;
    consumer.assign(&assignment).await.map_err(ActionError::Log)?;
    let mut forgotten: HashMap<(usize, Vec<u8>), bool> = HashMap::new();
    while consumer.positions().iter().any(|(at, next)| ends.get(at).is_some_and(|end| next < end)) {
        let polled = consumer.poll(MOST.0, MOST.1, WAIT).await.map_err(ActionError::Log)?;
        for record in polled.records {
            let Some(table) = tables.get(&record.topic) else { continue };
            let schema = &group.channels.tables[*table].codec;
            let Ok(key) = schema.decode_key(&record.key) else { continue };
            forgotten.insert((*table, key.as_slice().to_vec()), record.value.is_none());
        }
    }
    let mut by_table: HashMap<usize, Vec<KeyBytes>> = HashMap::new();
    for ((table, key), _) in forgotten.into_iter().filter(|(_, forgotten)| *forgotten) {
        by_table.entry(table).or_default().push(KeyBytes::new(key));
    }
    for (table, keys) in by_table {
        let rows = match member.rows(table, &keys).await {
            // It is not there yet in this backup.
            Err(error) if matches!(error.kind(), ErrorKind::TableMissing | ErrorKind::TableChanged) => {
                continue;
            }
            rows => rows.map_err(|source| failed(id, source))?,
        };
        let rows = rows.iter().flatten().count();
        if rows > 0 {
            let table = group.channels.tables[table].schema.name.to_string();
            return Err(RejoinError::TooOld { member: id.clone(), table, rows });
        }
    }
    Ok(())
}
