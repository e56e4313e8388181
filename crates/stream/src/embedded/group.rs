//! Consumer groups within this process: who owns which partition, and which generation may still store offsets.
//!
//! Pure bookkeeping under the caller's lock. The committed offsets themselves are in the log. Rebalancing is
//! cooperative: a member keeps a partition until it has been told of the loss, and only then the next one gets it.
//! Assignment changes as little as it can, since taking over a partition costs a resolver its state.

use crate::{GroupMetadata, TopicName, TopicPartition};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Wakes one consumer: for records, or because its assignment changed.
#[derive(Debug, Default)]
pub(super) struct Signal {
    /// Holds one permit, so that news that come before the wait are not missed.
    pub(super) notify: Notify,
    /// The group has news for this member.
    changed: AtomicBool,
}

impl Signal {
    /// Whether the member should ask its group, once for each time that it should.
    pub(super) fn take_changed(&self) -> bool {
        self.changed.swap(false, Ordering::AcqRel)
    }

    fn announce(&self) {
        self.changed.store(true, Ordering::Release);
        self.notify.notify_one();
    }
}

/// What a member has to be told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) revoked: Vec<TopicPartition>,
    pub(super) assigned: Vec<TopicPartition>,
    /// The generation that the member has seen from now on.
    pub(super) generation: u64,
}

/// All groups of one log.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: HashMap<String, Group>,
}

#[derive(Debug, Default)]
struct Group {
    generation: u64,
    members: BTreeMap<String, Member>,
}

#[derive(Debug)]
struct Member {
    /// Topics subscribed to, with their partition counts.
    topics: BTreeMap<TopicName, u32>,
    /// What it shall own.
    target: BTreeSet<TopicPartition>,
    /// What it owns, as it knows.
    owned: BTreeSet<TopicPartition>,
    /// The generation of the last change that it was told.
    seen: u64,
    signal: Arc<Signal>,
}

impl Groups {
    /// Adds a member, or changes the topics of one.
    pub(super) fn join(
        &mut self,
        group: &str,
        member: &str,
        topics: impl IntoIterator<Item = (TopicName, u32)>,
        signal: &Arc<Signal>,
    ) {
        let group = self.groups.entry(group.to_owned()).or_default();
        let topics = topics.into_iter().collect();
        let known = group.members.entry(member.to_owned()).or_insert_with(|| Member {
            topics: BTreeMap::new(),
            target: BTreeSet::new(),
            owned: BTreeSet::new(),
            seen: 0,
            signal: Arc::clone(signal),
        });
        known.topics = topics;
        group.rebalance();
    }

    /// Removes a member; what it owned is free at once.
    pub(super) fn leave(&mut self, group: &str, member: &str) {
        if let Some(group) = self.groups.get_mut(group)
            && group.members.remove(member).is_some()
        {
            group.rebalance();
        }
    }

    /// How many members a group has.
    pub(super) fn size(&self, group: &str) -> usize {
        self.groups.get(group).map_or(0, |group| group.members.len())
    }

    /// What `member` has not been told yet: losses alone, or else gains.
    pub(super) fn changes(&mut self, group: &str, member: &str) -> Changes {
        let Some(group) = self.groups.get_mut(group) else { return Changes::default() };
        let generation = group.generation;
        let Some(own) = group.members.get_mut(member) else { return Changes::default() };
        let revoked: Vec<_> = own.owned.difference(&own.target).cloned().collect();
        if !revoked.is_empty() {
            own.owned.retain(|partition| own.target.contains(partition));
            own.seen = generation;
            // There may be gains too; they are told by the next poll.
            own.signal.announce();
            for (_, other) in group.members.iter().filter(|(id, _)| *id != member) {
                if revoked.iter().any(|partition| other.target.contains(partition)) {
                    other.signal.announce();
                }
            }
            return Changes { revoked, assigned: Vec::new(), generation };
        }
        let missing: Vec<_> = own.target.difference(&own.owned).cloned().collect();
        let assigned: Vec<_> = missing.into_iter().filter(|partition| !group.is_owned(partition)).collect();
        let Some(own) = group.members.get_mut(member) else { return Changes::default() };
        if !assigned.is_empty() {
            own.owned.extend(assigned.iter().cloned());
            own.seen = generation;
        }
        Changes { revoked, assigned, generation: own.seen }
    }

    /// Whether offsets of `partitions` may be stored on behalf of `of`. A consumer that assigned itself its
    /// partitions has generation 0 and no member name; it may as long as nobody has subscribed.
    pub(super) fn may_store<'a>(
        &self,
        of: &GroupMetadata,
        mut partitions: impl Iterator<Item = &'a TopicPartition>,
    ) -> bool {
        let group = self.groups.get(&of.group);
        if of.member.is_empty() {
            return of.generation == 0 && group.is_none_or(|group| group.members.is_empty());
        }
        let Some(member) = group.and_then(|group| group.members.get(&of.member)) else { return false };
        member.seen == of.generation && partitions.all(|partition| member.owned.contains(partition))
    }
}

impl Group {
    fn is_owned(&self, partition: &TopicPartition) -> bool {
        self.members.values().any(|member| member.owned.contains(partition))
    }

    /// Starts a generation: targets that differ by at most one partition a topic, and by at most one in all as far
    /// as the subscriptions allow, reached with few moves. The same history gives the same result.
    fn rebalance(&mut self) {
        self.generation += 1;
        let partitions: BTreeSet<TopicPartition> = self
            .members
            .values()
            .flat_map(|member| &member.topics)
            .flat_map(|(topic, count)| {
                (0..*count).map(|partition| TopicPartition::new(topic.clone(), partition))
            })
            .collect();
        for member in self.members.values_mut() {
            member.target.retain(|partition| member.topics.contains_key(&partition.topic));
        }
        for partition in partitions {
            if self.members.values().any(|member| member.target.contains(&partition)) {
                continue;
            }
            let least = self
                .members
                .values_mut()
                .filter(|member| member.topics.contains_key(&partition.topic))
                .min_by_key(|member| (member.load(&partition.topic), member.target.len()));
            if let Some(member) = least {
                member.target.insert(partition);
            }
        }
        while let Some((partition, from, to)) = self.next_move() {
            if let Some(member) = self.members.get_mut(&from) {
                member.target.remove(&partition);
            }
            if let Some(member) = self.members.get_mut(&to) {
                member.target.insert(partition);
            }
        }
        for member in self.members.values().filter(|member| member.target != member.owned) {
            member.signal.announce();
        }
    }

    /// A partition whose move makes the group more even. Each move lowers the sum of the squared loads a topic, or
    /// leaves it and lowers that of the loads in all, so that there is a last one.
    fn next_move(&self) -> Option<(TopicPartition, String, String)> {
        for (from, giver) in &self.members {
            for (to, taker) in &self.members {
                let shared = giver.topics.keys().filter(|topic| taker.topics.contains_key(*topic));
                for topic in shared {
                    let (more, less) = (giver.load(topic), taker.load(topic));
                    let uneven = more >= less + 2;
                    let uneven_in_all = more > less && giver.target.len() >= taker.target.len() + 2;
                    if uneven || uneven_in_all {
                        let last = giver.target.iter().rfind(|partition| partition.topic == *topic)?;
                        return Some((last.clone(), from.clone(), to.clone()));
                    }
                }
            }
        }
        None
    }
}

impl Member {
    fn load(&self, topic: &TopicName) -> usize {
        let first = TopicPartition::new(topic.clone(), 0);
        self.target.range(first..).take_while(|partition| partition.topic == *topic).count()
    }
}

#[cfg(test)]
mod tests;
