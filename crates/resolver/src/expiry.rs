//! When deletes are forgotten: the old ones that every member has taken in, and of which no older row can come any more.
//!
//! A deleted row's record expires when it is older than the retention **and** every member that is not out of date has
//! said that its apply was past it before its capture had published all it had to give, and those changes are
//! resolved. A member that has come, or come back, in the meantime has to have said so, too. By the clock alone, a member that was behind would bring a deleted row back without anyone noticing. A
//! member that holds this up for as long as the retention again, or has not taken a null record in by the time that
//! compaction may remove it, is marked out of date: from then on it writes and
//! publishes nothing until it is filled anew.
//!
//! [`Safe`] is pure: what members have said, and what it allows. [`Expiry`] reads each resolved topic once, behind
//! everybody by the retention, and remembers how far it has come; a restart begins again. What it finds is
//! published as a null record, whose header bears the versions that it forgets, in a transaction like any other
//! of the resolver's: one that did not send offsets would not be fenced, and a zombie's null could delete a live row.

use crate::Error;
use crate::session::{Part, Session};
use std::collections::BTreeMap;
use std::time::Duration;
use tributary_model::MemberId;
use tributary_model::time::TICKS_A_MILLISECOND;
use tributary_runtime::Heartbeat;
use tributary_stream::{
    Consumer, ConsumerSettings, ControlFollower, Incoming, Isolation, Mark, MemberControls, Outgoing, Said,
    Start, TopicPartition,
};

/// How long a member's word counts for nothing after its capture was told to rest. Its worker may have looked at the control
/// topic a moment before, and publish yet: sooner than its transaction may last, and than it may sleep without being put
/// out of its group. What it publishes has to be resolved before anything is forgotten without it.
const STRAGGLERS: Duration = Duration::from_secs(30);
/// Records looked at in one step.
const ROWS: usize = 2_000;
const BYTES: usize = 16 << 20;
const WAIT: Duration = Duration::from_millis(200);

/// A member that has to have taken a delete in before it is forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// The member.
    pub member: MemberId,
    /// Whether changes are captured from it; of one that only takes, what apply says is enough.
    pub captures: bool,
}

/// What members have said, by resolved partition: everything before this offset is taken in by all of them.
#[derive(Debug, Default)]
pub(crate) struct Safe {
    /// What holds.
    reached: BTreeMap<TopicPartition, u64>,
    /// What was said, and where the partition's changes ended after that: what holds once those are resolved.
    pending: BTreeMap<TopicPartition, (u64, u64)>,
}

impl Safe {
    /// Up to where deletes may be forgotten.
    pub(crate) fn of(&self, at: &TopicPartition) -> u64 {
        self.reached.get(at).copied().unwrap_or(0)
    }

    /// Takes in what members have said of a partition by now, where its changes end by now, and the next change that
    /// will be resolved.
    pub(crate) fn note(&mut self, at: &TopicPartition, said: u64, changes_end: u64, resolved: u64) {
        if let Some((waiting, end)) = self.pending.get(at).copied() {
            if resolved < end {
                return;
            }
            self.reached.insert(at.clone(), waiting);
        }
        self.pending.insert(at.clone(), (said, changes_end));
    }

    /// Leaves a partition to whoever has it now.
    pub(crate) fn forget(&mut self, at: &TopicPartition) {
        self.reached.remove(at);
        self.pending.remove(at);
    }
}

/// How far a member is in a resolved partition, by its own word.
fn word(controls: &MemberControls, witness: &Witness, at: &TopicPartition) -> u64 {
    let said = controls.of(&witness.member);
    let reached = if witness.captures { &said.captured } else { &said.applied };
    reached.get(at.topic.as_str()).and_then(|partitions| partitions.get(&at.partition)).copied().unwrap_or(0)
}

/// Whether nothing of a member's is waited for any more, by what is said of it.
fn is_away(controls: &MemberControls, member: &MemberId) -> bool {
    let said = controls.of(member);
    said.out_of_date.is_some() || said.removed.is_some()
}

/// Since when members are known to be away for good or to be filled anew, by the resolver's own clock. Their capture rests.
#[derive(Debug, Default)]
struct Resting(BTreeMap<MemberId, Duration>);

impl Resting {
    /// Takes note of what is said of the witnesses by now.
    fn note(&mut self, controls: &MemberControls, witnesses: &[Witness], now: Duration) {
        let rests =
            |member: &MemberId| is_away(controls, member) || controls.of(member).pending_reinit().is_some();
        self.0.retain(|member, _| rests(member));
        for Witness { member, .. } in witnesses.iter().filter(|of| rests(&of.member)) {
            self.0.entry(member.clone()).or_insert(now);
        }
    }

    /// The words of those that are waited for, of a partition.
    fn words<'a>(
        &'a self,
        controls: &'a MemberControls,
        witnesses: &'a [Witness],
        at: &'a TopicPartition,
        now: Duration,
    ) -> impl Iterator<Item = u64> + 'a {
        witnesses.iter().filter_map(move |witness| match self.0.get(&witness.member) {
            Some(since) if now < *since + STRAGGLERS => Some(0),
            _ => (!is_away(controls, &witness.member)).then(|| word(controls, witness, at)),
        })
    }
}

/// How far one partition has been looked through.
#[derive(Debug, Clone, Copy, Default)]
struct Swept {
    next: Option<u64>,
    /// Nothing can expire before this time.
    look_at_ms: i64,
}

/// The resolver's part in forgetting.
pub(crate) struct Expiry {
    pub(crate) control: ControlFollower,
    resting: Resting,
    safe: Safe,
    swept: BTreeMap<TopicPartition, Swept>,
    reader: Option<Box<dyn Consumer>>,
    next_look: Duration,
    note_at: Duration,
}

impl Expiry {
    pub(crate) fn new(control: ControlFollower) -> Self {
        Self {
            control,
            resting: Resting::default(),
            safe: Safe::default(),
            swept: BTreeMap::new(),
            reader: None,
            next_look: Duration::ZERO,
            note_at: Duration::ZERO,
        }
    }

    /// Leaves a partition to whoever has it now.
    pub(crate) fn forget(&mut self, at: &TopicPartition) {
        self.safe.forget(at);
        self.swept.remove(at);
    }
}

/// What one step through a partition found.
#[derive(Default)]
struct Found {
    /// Old deletes that everybody has, with their records.
    expired: Vec<Incoming>,
    /// The next record to look at.
    next: u64,
    /// Nothing more can expire before this time.
    look_at_ms: i64,
    /// Whether there is more to look at now.
    more: bool,
    /// A delete that somebody has held up for the retention once more.
    overdue: Option<u64>,
}

impl Session<'_> {
    /// Looks for deletes that can be forgotten, now and then; at most one step through one partition.
    pub(crate) async fn expire(&mut self, heartbeat: &Heartbeat) -> Result<(), Error> {
        let now = self.resolver.clock.monotonic();
        if now < self.expiry.next_look {
            return Ok(());
        }
        let log = self.resolver.log.as_ref();
        self.expiry.control.look(log, now).await?;
        let Expiry { control, resting, .. } = &mut self.expiry;
        resting.note(control.members(), &self.resolver.witnesses, now);
        // Brokers tell their time only to those who write. Nothing is written before something seems to be due by the
        // machine's own clock, and nothing is done that is not due by theirs.
        let own_ms = self.resolver.clock.now_ticks() / TICKS_A_MILLISECOND;
        if now >= self.expiry.note_at {
            self.expiry.note_at = now + self.resolver.settings.expire_every;
            self.note_words(now).await?;
            if self.ledger.is_due(own_ms) {
                let now_ms = self.resolver.log.clock_ms().await?;
                self.tidy_ledger(now_ms, heartbeat).await?;
            }
        }
        let due = self.owned.keys().copied().find(|part| {
            let swept = self.expiry.swept.get(&self.resolved_at(*part)).copied().unwrap_or_default();
            own_ms >= swept.look_at_ms
        });
        let Some(part) = due else {
            self.expiry.next_look = now + self.resolver.settings.expire_every;
            return Ok(());
        };
        let now_ms = self.resolver.log.clock_ms().await?;
        let at = self.resolved_at(part);
        let found = self.look_through(&at, now_ms, now).await?;
        if let Some(offset) = found.overdue {
            self.mark_out_of_date(part, &at, offset, now_ms).await?;
        }
        let expired = self.still_deleted(part, &at, &found.expired)?;
        if !expired.is_empty() && !self.publish_expired(part, &at, expired).await? {
            return Ok(());
        }
        let step = self.resolver.settings.expire_every.as_millis() as i64;
        let look_at_ms = if found.more { 0 } else { found.look_at_ms.max(own_ms + step) };
        self.expiry.swept.insert(at, Swept { next: Some(found.next), look_at_ms });
        Ok(())
    }

    /// What the members have said by now, with the ends of the changes that they may have published before.
    async fn note_words(&mut self, now: Duration) -> Result<(), Error> {
        let mut ends = (usize::MAX, Vec::new());
        let owned: Vec<(Part, u64)> = self.owned.iter().map(|(part, next)| (*part, *next)).collect();
        for (part, resolved) in owned {
            let at = self.resolved_at(part);
            let Expiry { control, resting, .. } = &self.expiry;
            let said = resting.words(control.members(), &self.resolver.witnesses, &at, now).min();
            let Some(said) = said.filter(|said| *said > self.expiry.safe.of(&at)) else { continue };
            if ends.0 != part.0 {
                let changes = &self.resolver.channels.tables[part.0].changes;
                ends = (part.0, self.resolver.log.offsets(changes).await?);
            }
            let end = ends.1.get(part.1 as usize).map_or(0, |range| range.end);
            self.expiry.safe.note(&at, said, end, resolved);
        }
        Ok(())
    }

    /// Reads on in a partition, up to the first record that is too young.
    async fn look_through(
        &mut self,
        at: &TopicPartition,
        now_ms: i64,
        now: Duration,
    ) -> Result<Found, Error> {
        let retention =
            i64::try_from(self.resolver.settings.tombstone_retention.as_millis()).unwrap_or(i64::MAX);
        let log = self.resolver.log.as_ref();
        let ranges = log.offsets(&at.topic).await?;
        let range = ranges.get(at.partition as usize).copied().unwrap_or_default();
        let next = self.expiry.swept.get(at).and_then(|swept| swept.next).unwrap_or(0).max(range.start);
        // One that has come, or come back, since everybody had reached that has not been asked yet.
        let Expiry { control, resting, .. } = &self.expiry;
        let words = resting.words(control.members(), &self.resolver.witnesses, at, now);
        let by_now = words.min().unwrap_or(u64::MAX);
        let safe = self.expiry.safe.of(at).min(by_now);
        let mut found = Found { next, look_at_ms: now_ms.saturating_add(retention), ..Found::default() };
        if next >= range.end {
            return Ok(found);
        }
        let reader = match &mut self.expiry.reader {
            Some(reader) => reader,
            none => {
                let settings = ConsumerSettings {
                    group: None,
                    isolation: Isolation::Committed,
                    start: Start::Beginning,
                };
                none.insert(log.consumer(settings).await?)
            }
        };
        reader.assign(&[(at.clone(), Some(next))]).await?;
        let records = reader.poll(ROWS, BYTES, WAIT).await?.records;
        // Past records that were compacted away, if that is all there is.
        found.next = reader.positions().first().map_or(next, |(_, next)| *next);
        found.more = found.next < range.end && !records.is_empty();
        for record in records {
            let age = now_ms.saturating_sub(record.timestamp_ms);
            if age < retention {
                (found.next, found.more) = (record.offset, false);
                found.look_at_ms = record.timestamp_ms.saturating_add(retention);
                break;
            }
            if record.value.is_none() && record.offset >= by_now {
                // From now on compaction may remove it, and who has not read it would remember the delete for ever.
                (found.next, found.more, found.look_at_ms) = (record.offset, false, 0);
                found.overdue = Some(record.offset);
                break;
            }
            if !is_delete(&record) {
                continue;
            }
            if record.offset >= safe {
                (found.next, found.more, found.look_at_ms) = (record.offset, false, 0);
                found.overdue = (age >= retention.saturating_mul(2)).then_some(record.offset);
                break;
            }
            found.expired.push(record);
        }
        Ok(found)
    }

    /// Of these records those that are still what their cells are, as null records.
    fn still_deleted(
        &mut self,
        part: Part,
        at: &TopicPartition,
        records: &[Incoming],
    ) -> Result<Vec<(Vec<u8>, Outgoing)>, Error> {
        let channel = &self.resolver.channels.tables[part.0];
        let read = records.iter().filter_map(|record| {
            let (key, settled) = channel.read_resolved(record).ok()?;
            Some((key, record, settled.ok()?))
        });
        let read: Vec<_> = read.filter(|(_, _, settled)| settled.row.is_none()).collect();
        let keys: Vec<_> = read.iter().map(|(key, _, _)| key.as_slice()).collect();
        let held = self.store.get(at, &keys)?;
        let mut nulls = Vec::new();
        for ((key, record, settled), held) in read.into_iter().zip(held) {
            let held = held.and_then(|bytes| channel.codec.decode_resolved(&bytes).ok());
            if held.is_some_and(|held| held.row.is_none() && held.vv == settled.vv) {
                let null = channel.expiry(at.partition, record.key.clone(), &settled.vv);
                nulls.push((key.as_slice().to_vec(), null));
            }
        }
        Ok(nulls)
    }

    async fn publish_expired(
        &mut self,
        part: Part,
        at: &TopicPartition,
        expired: Vec<(Vec<u8>, Outgoing)>,
    ) -> Result<bool, Error> {
        let Some(next) = self.owned.get(&part).copied() else { return Ok(false) };
        let (keys, nulls): (Vec<_>, Vec<_>) = expired.into_iter().unzip();
        if !self.transact(nulls, &[(self.changes_at(part), next)]).await? {
            self.receive(vec![part]).await?;
            return Ok(false);
        }
        let cells: Vec<_> = keys.iter().map(|key| (key.as_slice(), None)).collect();
        self.store.put(self.resolver.log.id().0, at, &cells, None)?;
        self.store.commit()?;
        self.unreflected.insert(part);
        self.resolver.metrics.expired[part.0].inc_by(keys.len() as u64);
        tracing::info!(topic = %at.topic, partition = at.partition, deletes = keys.len(), "old deletes were forgotten");
        Ok(true)
    }

    /// Marks those that have held a delete up for too long. Nothing expires without them before the next look.
    async fn mark_out_of_date(
        &mut self,
        part: Part,
        at: &TopicPartition,
        offset: u64,
        now_ms: i64,
    ) -> Result<(), Error> {
        let Some(next) = self.owned.get(&part).copied() else { return Ok(()) };
        let controls = self.expiry.control.members();
        let witnesses = self.resolver.witnesses.iter().filter(|of| !is_away(controls, &of.member));
        let behind = witnesses.filter(|witness| word(controls, witness, at) <= offset);
        let behind: Vec<MemberId> = behind.map(|witness| witness.member.clone()).collect();
        if behind.is_empty() {
            // All have said it, or are marked already; it is the resolver itself that is not so far.
            return Ok(());
        }
        let control = self.resolver.channels.topics.control();
        let marks = behind.iter().map(|member| {
            let TopicPartition { topic, partition } = at;
            let why = format!(
                "it has not taken in the delete at offset {offset} of {topic}, partition {partition}"
            );
            tracing::warn!(%member, why, "a member is marked out of date");
            Said::OutOfDate(Some(Mark { since_ms: now_ms, why })).record(control.clone(), member)
        });
        let marks: Vec<_> = marks.collect();
        if !self.transact(marks, &[(self.changes_at(part), next)]).await? {
            self.receive(vec![part]).await?;
        }
        Ok(())
    }
}

/// Told by its header, so that rows need not be decoded.
fn is_delete(record: &Incoming) -> bool {
    record.value.is_some() && record.headers.get("dss-op").is_some_and(|op| op == b"d")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_stream::{Order, Reached, TopicName};

    fn at() -> TopicPartition {
        TopicPartition::new(TopicName::new("resolved"), 0)
    }

    fn controls(said: &[(&str, Said)]) -> MemberControls {
        let mut controls = MemberControls::default();
        for (member, said) in said {
            let record = said.record(TopicName::new("control"), &MemberId::new(member).unwrap());
            assert!(controls.take(&record.key, record.value.as_deref()));
        }
        controls
    }

    fn reached(next: u64) -> Reached {
        [("resolved".to_owned(), [(0, next)].into())].into()
    }

    #[test]
    fn what_is_said_holds_once_the_changes_before_it_are_resolved() {
        let mut safe = Safe::default();
        safe.note(&at(), 10, 100, 90);
        assert_eq!(safe.of(&at()), 0, "what came before the word may still be on its way");
        safe.note(&at(), 20, 200, 99);
        assert_eq!(safe.of(&at()), 0);
        safe.note(&at(), 30, 300, 100);
        assert_eq!(safe.of(&at()), 10, "the word that was given before offset 100");
        safe.note(&at(), 40, 400, 299);
        assert_eq!(safe.of(&at()), 10);
        safe.note(&at(), 40, 400, 300);
        assert_eq!(safe.of(&at()), 30);
        safe.forget(&at());
        assert_eq!(safe.of(&at()), 0);
    }

    #[test]
    fn everybody_is_waited_for_but_those_that_are_away_for_good() {
        let witness = |member: &str, captures| Witness { member: MemberId::new(member).unwrap(), captures };
        let witnesses =
            [witness("hq", true), witness("sub", false), witness("gone", true), witness("old", true)];
        let mark = || Some(Mark { since_ms: 0, why: String::new() });
        let said = controls(&[
            ("hq", Said::Applied(Some(reached(50)))),
            ("hq", Said::Captured(Some(reached(40)))),
            ("sub", Said::Applied(Some(reached(45)))),
            ("gone", Said::Removed(mark())),
            ("old", Said::OutOfDate(mark())),
        ]);
        let mut resting = Resting::default();
        let words = |resting: &Resting, controls: &MemberControls, seconds| -> Vec<u64> {
            let now = Duration::from_secs(seconds);
            resting.words(controls, &witnesses, &at(), now).collect()
        };
        resting.note(&said, &witnesses, Duration::from_secs(7));
        resting.note(&said, &witnesses, Duration::from_secs(9));
        let over = 7 + STRAGGLERS.as_secs();
        assert_eq!(words(&resting, &said, over - 1), [40, 45, 0, 0], "they may publish yet");
        assert_eq!(words(&resting, &said, over), [40, 45]);
        let back = controls(&[
            ("gone", Said::Reinit(Order { id: "one".to_owned() })),
            ("gone", Said::Captured(Some(reached(30)))),
        ]);
        resting.note(&back, &witnesses, Duration::from_secs(over));
        assert_eq!(words(&resting, &back, over), [0, 0, 30, 0], "it rested all the while");
        resting.note(&MemberControls::default(), &witnesses, Duration::from_secs(over));
        let ordered = controls(&[("hq", Said::Reinit(Order { id: "two".to_owned() }))]);
        resting.note(&ordered, &witnesses, Duration::from_secs(over));
        assert!(resting.0.contains_key(&witnesses[0].member));
        let other = TopicPartition::new(TopicName::new("resolved"), 1);
        assert_eq!(word(&said, &witnesses[0], &other), 0, "nothing said is nothing reached");
    }

    #[test]
    fn whoever_has_come_since_is_asked_too() {
        let witness = |member: &str| Witness { member: MemberId::new(member).unwrap(), captures: true };
        let witnesses = [witness("hq"), witness("back")];
        let mut safe = Safe::default();
        safe.note(&at(), 50, 0, 0);
        safe.note(&at(), 51, 0, 0);
        let hq = ("hq", Said::Captured(Some(reached(50))));
        let away = ("back", Said::OutOfDate(Some(Mark { since_ms: 0, why: String::new() })));
        let by = |said: &[(&str, Said)]| {
            let (controls, mut resting) = (controls(said), Resting::default());
            resting.note(&controls, &witnesses, Duration::ZERO);
            let by_now = resting.words(&controls, &witnesses, &at(), STRAGGLERS).min();
            safe.of(&at()).min(by_now.unwrap_or(u64::MAX))
        };
        assert_eq!(by(&[hq.clone(), away]), 50);
        assert_eq!(by(std::slice::from_ref(&hq)), 0, "it has said nothing");
        let back = ("back", Said::Captured(Some(reached(30))));
        assert_eq!(by(&[hq, back]), 30);
    }
}
