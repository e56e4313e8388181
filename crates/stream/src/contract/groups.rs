//! Consumer groups: sharing, handing over, and keeping zombies out.

use super::{Factory, GLANCE, PATIENCE, kept, member, publish, record, take, unique};
use crate::{Consumer, Error, Incoming, Log, TopicName, TopicPartition};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// A consumer with what it was told.
struct Told {
    consumer: Box<dyn Consumer>,
    owned: BTreeSet<TopicPartition>,
    records: Vec<Incoming>,
}

impl Told {
    async fn join(log: &impl Log, group: &str, topics: &[TopicName]) -> Self {
        let mut consumer = member(log, group).await;
        consumer.subscribe(topics).await.unwrap();
        Self { consumer, owned: BTreeSet::new(), records: Vec::new() }
    }

    async fn poll(&mut self) {
        let polled = self.consumer.poll(1000, 1 << 20, Duration::from_millis(20)).await.unwrap();
        if !(polled.assigned.is_empty() && polled.revoked.is_empty()) {
            assert!(polled.records.is_empty(), "records beside a change of the assignment");
        }
        for revoked in &polled.revoked {
            assert!(self.owned.remove(revoked), "{revoked:?} is revoked and was not assigned");
        }
        for assigned in &polled.assigned {
            assert!(self.owned.insert(assigned.clone()), "{assigned:?} is assigned twice");
        }
        for record in &polled.records {
            let of = TopicPartition::new(record.topic.clone(), record.partition);
            assert!(self.owned.contains(&of), "a record of {of:?}, which is not assigned");
        }
        self.records.extend(polled.records);
    }
}

/// Polls all members in turn until they own so many partitions each, and no partition two of them.
async fn settle(members: &mut [&mut Told], counts: &[usize]) {
    let until = Instant::now() + PATIENCE;
    loop {
        for at in 0..members.len() {
            members[at].poll().await;
            assert_one_owner(members);
        }
        let owned: Vec<usize> = members.iter().map(|member| member.owned.len()).collect();
        if owned == counts {
            return;
        }
        assert!(Instant::now() < until, "{owned:?} partitions and not {counts:?} in time");
    }
}

fn assert_one_owner(members: &[&mut Told]) {
    let all: usize = members.iter().map(|member| member.owned.len()).sum();
    let different: BTreeSet<_> = members.iter().flat_map(|member| &member.owned).collect();
    assert_eq!(all, different.len(), "a partition has two owners");
}

async fn until_records(member: &mut Told, count: usize) {
    let until = Instant::now() + PATIENCE;
    while member.records.len() < count {
        assert!(Instant::now() < until, "{} of {count} records came in time", member.records.len());
        member.poll().await;
    }
    assert_eq!(member.records.len(), count);
}

/// Two members share the partitions, and each record comes to one of them.
pub async fn partitions_are_shared<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = kept(&log, 7).await;
    let group = unique("group");
    let mut one = Told::join(&log, &group, std::slice::from_ref(&topic)).await;
    settle(&mut [&mut one], &[7]).await;
    let mut two = Told::join(&log, &group, std::slice::from_ref(&topic)).await;
    settle(&mut [&mut one, &mut two], &[4, 3]).await;
    publish(&log, (0..70).map(|n| record(&topic, n % 7, "k", &n.to_string())).collect()).await;
    until_records(&mut one, 40).await;
    until_records(&mut two, 30).await;
    // Another group has all of them.
    let mut other = Told::join(&log, &unique("group"), &[topic]).await;
    until_records(&mut other, 70).await;
}

/// Who leaves hands its partitions over, and they continue at the committed offsets.
pub async fn a_leaver_hands_over<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = kept(&log, 4).await;
    let group = unique("group");
    publish(&log, (0..40).map(|n| record(&topic, n % 4, "k", &n.to_string())).collect()).await;
    let mut one = Told::join(&log, &group, std::slice::from_ref(&topic)).await;
    until_records(&mut one, 40).await;
    let mut stored = Vec::new();
    for partition in 0..4u32 {
        let record = one
            .records
            .iter()
            .filter(|record| record.partition == partition)
            .nth(partition as usize)
            .unwrap();
        stored.push((TopicPartition::new(topic.clone(), partition), record.offset));
    }
    let mut producer = log.producer(&unique("leaver")).await.unwrap();
    producer.begin().await.unwrap();
    producer.send_offsets(&one.consumer.group_metadata().unwrap(), &stored).await.unwrap();
    producer.commit().await.unwrap();
    drop(one);
    let mut two = Told::join(&log, &group, std::slice::from_ref(&topic)).await;
    settle(&mut [&mut two], &[4]).await;
    assert_eq!(two.consumer.positions(), stored);
    // Partition 0 has all of its 10 records left, partition 3 has 7.
    until_records(&mut two, 10 + 9 + 8 + 7).await;
}

/// A new member gets a partition only once its owner has been told of the loss.
pub async fn a_partition_has_one_owner<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = kept(&log, 4).await;
    let group = unique("group");
    let mut one = Told::join(&log, &group, std::slice::from_ref(&topic)).await;
    settle(&mut [&mut one], &[4]).await;
    let mut two = Told::join(&log, &group, std::slice::from_ref(&topic)).await;
    for _ in 0..3 {
        two.poll().await;
        assert!(two.owned.is_empty(), "the owner does not know yet: {:?}", two.owned);
    }
    settle(&mut [&mut one, &mut two], &[2, 2]).await;
    let mut three = Told::join(&log, &group, std::slice::from_ref(&topic)).await;
    let until = Instant::now() + PATIENCE;
    while three.owned.is_empty() {
        assert!(Instant::now() < until, "the third member got nothing in time");
        for at in 0..3 {
            let members = [&mut one, &mut two, &mut three];
            members[at].poll().await;
            assert_one_owner(&members);
        }
    }
    drop(two);
    settle(&mut [&mut one, &mut three], &[2, 2]).await;
    drop(one);
    settle(&mut [&mut three], &[4]).await;
}

/// Offsets of a generation that is over are refused with the whole transaction.
pub async fn zombies_are_fenced<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let (input, output) = (kept(&log, 2).await, kept(&log, 1).await);
    let group = unique("group");
    publish(&log, (0..10).map(|n| record(&input, n % 2, "k", &n.to_string())).collect()).await;
    let mut one = Told::join(&log, &group, std::slice::from_ref(&input)).await;
    until_records(&mut one, 10).await;
    let old = one.consumer.group_metadata().unwrap();
    let offsets = one.consumer.positions();
    // Of a member that has lost half of its partitions since.
    let mut two = Told::join(&log, &group, std::slice::from_ref(&input)).await;
    settle(&mut [&mut one, &mut two], &[1, 1]).await;
    let new = one.consumer.group_metadata().unwrap();
    assert!(new.generation > old.generation);
    let mut zombie = log.producer(&unique("zombie")).await.unwrap();
    zombie.begin().await.unwrap();
    zombie.send(vec![record(&output, 0, "k", "zombie")]).await.unwrap();
    let mut refused = zombie.send_offsets(&old, &offsets).await.err();
    if refused.is_none() {
        refused = zombie.commit().await.err();
    }
    assert!(matches!(refused, Some(Error::Fenced { .. })), "{refused:?}");
    zombie.abort().await.ok();
    // Of a member that has left between sending its offsets and the commit.
    let owned = one.owned.first().unwrap().clone();
    let mut leaver = log.producer(&unique("leaver")).await.unwrap();
    leaver.begin().await.unwrap();
    leaver.send(vec![record(&output, 0, "k", "left")]).await.unwrap();
    leaver.send_offsets(&new, &[(owned, 3)]).await.unwrap();
    drop(one);
    settle(&mut [&mut two], &[2]).await;
    let refused = leaver.commit().await.unwrap_err();
    assert!(matches!(refused, Error::Fenced { .. }), "{refused}");
    assert_eq!(super::all(&log, &output).await, []);
    assert_eq!(log.committed(&group, &[input]).await.unwrap(), []);
}

/// Offsets of partitions that the member does not own are refused, as are those of nobody.
pub async fn foreign_partitions_are_fenced<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = kept(&log, 2).await;
    let group = unique("group");
    let mut one = Told::join(&log, &group, std::slice::from_ref(&topic)).await;
    let mut two = Told::join(&log, &group, std::slice::from_ref(&topic)).await;
    settle(&mut [&mut one, &mut two], &[1, 1]).await;
    let (own, foreign) = (one.owned.first().unwrap().clone(), two.owned.first().unwrap().clone());
    let metadata = one.consumer.group_metadata().unwrap();
    let mut producer = log.producer(&unique("foreign")).await.unwrap();
    let mut nobody = metadata.clone();
    nobody.member = unique("nobody");
    for (of, partition) in [(&metadata, &foreign), (&nobody, &own)] {
        producer.begin().await.unwrap();
        let mut refused = producer.send_offsets(of, &[(partition.clone(), 0)]).await.err();
        if refused.is_none() {
            refused = producer.commit().await.err();
        }
        assert!(matches!(refused, Some(Error::Fenced { .. })), "{refused:?}");
        producer.abort().await.unwrap();
    }
    producer.begin().await.unwrap();
    producer.send_offsets(&metadata, &[(own.clone(), 0)]).await.unwrap();
    producer.commit().await.unwrap();
    assert_eq!(log.committed(&group, std::slice::from_ref(&topic)).await.unwrap(), [(own, 0)]);
}

/// A consumer stores offsets by itself, subscribed or with partitions that it took.
pub async fn offsets_outside_of_transactions<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = kept(&log, 2).await;
    let group = unique("group");
    let partitions = [TopicPartition::new(topic.clone(), 0), TopicPartition::new(topic.clone(), 1)];
    publish(&log, (0..20).map(|n| record(&topic, n % 2, "k", &n.to_string())).collect()).await;
    let mut taker = member(&log, &group).await;
    taker.assign(&[(partitions[0].clone(), None), (partitions[1].clone(), None)]).await.unwrap();
    let records = take(&mut *taker, 20).await;
    let third: Vec<_> = records.iter().filter(|record| record.partition == 0).collect();
    taker.commit(&[(partitions[0].clone(), third[3].offset)]).await.unwrap();
    assert_eq!(
        log.committed(&group, std::slice::from_ref(&topic)).await.unwrap(),
        [(partitions[0].clone(), third[3].offset)]
    );
    taker.assign(&[(partitions[0].clone(), None)]).await.unwrap();
    assert_eq!(taker.positions(), [(partitions[0].clone(), third[3].offset)]);
    let refused = taker.commit(&[(partitions[1].clone(), 1)]).await.unwrap_err();
    assert!(matches!(refused, Error::NotAssigned { partition: 1, .. }), "{refused}");
    drop(taker);
    let mut subscriber = Told::join(&log, &group, std::slice::from_ref(&topic)).await;
    until_records(&mut subscriber, 7 + 10).await;
    let positions = subscriber.consumer.positions();
    subscriber.consumer.commit(&positions).await.unwrap();
    let mut committed = log.committed(&group, std::slice::from_ref(&topic)).await.unwrap();
    committed.sort();
    assert_eq!(committed, positions);
    let polled = subscriber.consumer.poll(10, 1 << 20, GLANCE).await.unwrap();
    assert!(polled.records.is_empty());
}

/// Topics of different sizes are shared evenly, taken together.
pub async fn several_topics_are_balanced<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topics = [kept(&log, 6).await, kept(&log, 3).await, kept(&log, 1).await, kept(&log, 2).await];
    let group = unique("group");
    let mut one = Told::join(&log, &group, &topics).await;
    settle(&mut [&mut one], &[12]).await;
    let mut two = Told::join(&log, &group, &topics).await;
    settle(&mut [&mut one, &mut two], &[6, 6]).await;
    let mut three = Told::join(&log, &group, &topics).await;
    settle(&mut [&mut one, &mut two, &mut three], &[4, 4, 4]).await;
}
