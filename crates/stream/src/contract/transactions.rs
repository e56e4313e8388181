//! Transactions: all or nothing, invisible until committed, fenced by the next holder of the id.

use super::{
    Factory, all, assert_silent, compacted, kept, member, publish, reader, record, take, texts, tombstone,
    unique,
};
use crate::{Disposition, Error, Log, TopicPartition};
use std::sync::atomic::{AtomicBool, Ordering};

/// Records of several topics and partitions become visible by one commit.
pub async fn visible_together<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let (one, other) = (kept(&log, 2).await, kept(&log, 1).await);
    let mut producer = log.producer(&unique("together")).await.unwrap();
    for round in 0..5 {
        producer.begin().await.unwrap();
        let value = round.to_string();
        producer.send(vec![record(&one, 0, "a", &value), record(&other, 0, "b", &value)]).await.unwrap();
        producer.send(vec![record(&one, 1, "c", &value)]).await.unwrap();
        producer.commit().await.unwrap();
        assert_eq!(all(&log, &one).await.len(), 2 * (round + 1));
        assert_eq!(all(&log, &other).await.len(), round + 1);
    }
}

/// Nothing of an open transaction is visible.
pub async fn nothing_of_an_open_one<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = kept(&log, 2).await;
    let mut consumer = reader(&log, &topic).await;
    let mut producer = log.producer(&unique("open")).await.unwrap();
    producer.begin().await.unwrap();
    producer.send((0..500).map(|n| record(&topic, n % 2, "k", "open")).collect()).await.unwrap();
    assert_silent(&mut *consumer).await;
    producer.send(vec![record(&topic, 0, "k", "last")]).await.unwrap();
    assert_silent(&mut *consumer).await;
    producer.commit().await.unwrap();
    take(&mut *consumer, 501).await;
}

/// An aborted transaction leaves nothing, is no obstacle to what comes after it, and may be aborted again.
pub async fn nothing_of_an_aborted_one<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = kept(&log, 1).await;
    let mut consumer = reader(&log, &topic).await;
    let mut producer = log.producer(&unique("aborted")).await.unwrap();
    producer.abort().await.unwrap();
    for round in 0..3 {
        producer.begin().await.unwrap();
        producer.send(vec![record(&topic, 0, "k", "aborted")]).await.unwrap();
        producer.abort().await.unwrap();
        producer.abort().await.unwrap();
        producer.begin().await.unwrap();
        producer.send(vec![record(&topic, 0, "k", &round.to_string())]).await.unwrap();
        producer.commit().await.unwrap();
    }
    assert_eq!(texts(&take(&mut *consumer, 3).await), ["0", "1", "2"]);
    producer.begin().await.unwrap();
    producer.send(vec![record(&topic, 0, "k", "dropped")]).await.unwrap();
    drop(producer);
    assert_silent(&mut *consumer).await;
    assert_eq!(all(&log, &topic).await.len(), 3);
}

/// Offsets are stored with the records of their transaction, or not at all.
pub async fn offsets_go_with_records<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let (input, output) = (kept(&log, 1).await, kept(&log, 1).await);
    let partition = TopicPartition::new(input.clone(), 0);
    let group = unique("group");
    publish(&log, (0..10).map(|n| record(&input, 0, "k", &n.to_string())).collect()).await;
    let mut consumer = member(&log, &group).await;
    consumer.subscribe(std::slice::from_ref(&input)).await.unwrap();
    let records = take(&mut *consumer, 10).await;
    let metadata = consumer.group_metadata().unwrap();
    assert_eq!(metadata.group, group);
    let mut producer = log.producer(&unique("offsets")).await.unwrap();
    producer.begin().await.unwrap();
    producer.send(vec![record(&output, 0, "k", "first")]).await.unwrap();
    producer.send_offsets(&metadata, &[(partition.clone(), records[4].offset)]).await.unwrap();
    assert_eq!(log.committed(&group, std::slice::from_ref(&input)).await.unwrap(), []);
    producer.abort().await.unwrap();
    assert_eq!(log.committed(&group, std::slice::from_ref(&input)).await.unwrap(), []);
    producer.begin().await.unwrap();
    producer.send(vec![record(&output, 0, "k", "second")]).await.unwrap();
    producer.send_offsets(&metadata, &[(partition.clone(), records[4].offset)]).await.unwrap();
    producer.send_offsets(&metadata, &[(partition.clone(), records[7].offset)]).await.unwrap();
    producer.commit().await.unwrap();
    assert_eq!(
        log.committed(&group, std::slice::from_ref(&input)).await.unwrap(),
        [(partition, records[7].offset)]
    );
    assert_eq!(texts(&all(&log, &output).await), ["second"]);
    drop(consumer);
    let mut next = member(&log, &group).await;
    next.subscribe(&[input]).await.unwrap();
    assert_eq!(take(&mut *next, 3).await, records[7..]);
}

/// The next holder of a transactional id fences the one before, whose open transaction is gone.
pub async fn a_second_producer_fences_the_first<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = kept(&log, 1).await;
    let id = unique("fenced");
    let mut first = log.producer(&id).await.unwrap();
    first.begin().await.unwrap();
    first.send(vec![record(&topic, 0, "k", "before")]).await.unwrap();
    first.commit().await.unwrap();
    first.begin().await.unwrap();
    first.send(vec![record(&topic, 0, "k", "open")]).await.unwrap();
    let mut second = log.producer(&id).await.unwrap();
    let refused = first.commit().await.unwrap_err();
    assert!(matches!(&refused, Error::Fenced { transactional_id } if *transactional_id == id), "{refused}");
    assert_eq!((refused.code(), refused.disposition()), ("LOG-001", Disposition::Retry));
    first.abort().await.ok();
    let mut refused = first.begin().await.err();
    if refused.is_none() {
        refused = first.send(vec![record(&topic, 0, "k", "zombie")]).await.err();
    }
    if refused.is_none() {
        refused = first.commit().await.err();
    }
    assert!(matches!(refused, Some(Error::Fenced { .. })), "{refused:?}");
    second.begin().await.unwrap();
    second.send(vec![record(&topic, 0, "k", "after")]).await.unwrap();
    second.commit().await.unwrap();
    assert_eq!(texts(&all(&log, &topic).await), ["before", "after"]);
    let mut stranger = log.producer(&unique("other")).await.unwrap();
    stranger.begin().await.unwrap();
    stranger.commit().await.unwrap();
}

/// Of many holders of one id only the last one writes.
pub async fn fenced_over_and_over<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = kept(&log, 1).await;
    let id = unique("fenced");
    let mut holders = Vec::new();
    for number in 0..5 {
        let mut producer = log.producer(&id).await.unwrap();
        producer.begin().await.unwrap();
        producer.send(vec![record(&topic, 0, "k", &number.to_string())]).await.unwrap();
        holders.push(producer);
    }
    for (number, holder) in holders.iter_mut().enumerate() {
        let outcome = holder.commit().await;
        assert_eq!(outcome.is_ok(), number == 4, "holder {number}: {outcome:?}");
    }
    assert_eq!(texts(&all(&log, &topic).await), ["4"]);
}

/// Once a producer has been given out, nothing more comes of the one before, also of a commit that was under way
/// while other threads kept the log busy.
pub async fn fencing_races_with_commits<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let (topic, other) = (kept(&log, 1).await, kept(&log, 1).await);
    let id = unique("raced");
    for _ in 0..20 {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    super::run(async {
                        let mut busy = log.producer(&unique("busy")).await.unwrap();
                        while !done.load(Ordering::Relaxed) {
                            busy.begin().await.unwrap();
                            busy.send(vec![record(&other, 0, "k", "busy")]).await.unwrap();
                            busy.commit().await.unwrap();
                        }
                    });
                });
            }
            let (under_way, commits) = std::sync::mpsc::channel();
            let (log, topic, id) = (&log, &topic, &id);
            let raced = scope.spawn(move || {
                super::run(async {
                    let mut first = log.producer(id).await.unwrap();
                    loop {
                        let outcome = async {
                            first.begin().await?;
                            first.send(vec![record(topic, 0, "k", "raced")]).await?;
                            first.commit().await
                        };
                        match outcome.await {
                            // Nobody listens any more after the first.
                            Ok(()) => drop(under_way.send(())),
                            // A broker that ends the transaction while the next of its name ends it was seen to
                            // answer with an error that says nothing. Whatever is said, this producer is done.
                            Err(Error::Fenced { .. } | Error::Kafka { .. }) => return,
                            Err(other) => panic!("{other}"),
                        }
                    }
                });
            });
            let taker = scope.spawn(move || {
                commits.recv().unwrap();
                super::run(async {
                    let _second = log.producer(id).await.unwrap();
                    let end = log.offsets(topic).await.unwrap()[0].end;
                    raced.join().unwrap();
                    assert_eq!(
                        log.offsets(topic).await.unwrap()[0].end,
                        end,
                        "a fenced producer has written"
                    );
                });
            });
            let outcome = taker.join();
            done.store(true, Ordering::Relaxed);
            outcome.unwrap();
        });
    }
}

/// A record over the limit leaves out its whole call and nothing else.
pub async fn a_record_too_large_leaves_the_rest<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = kept(&log, 1).await;
    let mut producer = log.producer(&unique("large")).await.unwrap();
    producer.begin().await.unwrap();
    producer.send(vec![record(&topic, 0, "k", "before")]).await.unwrap();
    let mut large = record(&topic, 0, "k", "");
    large.value = Some(vec![7; 9 << 20]);
    let refused = producer.send(vec![record(&topic, 0, "k", "with it"), large]).await.unwrap_err();
    let Error::RecordTooLarge { topic: named, bytes, limit } = &refused else { panic!("{refused}") };
    assert_eq!((named, *bytes, *limit), (&topic, (9 << 20) + 1, 8 << 20));
    assert_eq!(refused.disposition(), Disposition::Park);
    producer.send(vec![record(&topic, 0, "k", "after")]).await.unwrap();
    producer.commit().await.unwrap();
    assert_eq!(texts(&all(&log, &topic).await), ["before", "after"]);
}

/// Calls that need an open transaction, or none.
pub async fn calls_out_of_turn<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = kept(&log, 1).await;
    let mut producer = log.producer(&unique("turn")).await.unwrap();
    let wrong = |outcome: crate::Result<()>| match outcome {
        Err(Error::WrongState { .. }) => {}
        other => panic!("{other:?}"),
    };
    wrong(producer.commit().await);
    wrong(producer.send(vec![record(&topic, 0, "k", "v")]).await);
    producer.begin().await.unwrap();
    wrong(producer.begin().await);
    producer.abort().await.unwrap();
    wrong(producer.commit().await);
    producer.begin().await.unwrap();
    producer.send(vec![record(&topic, 0, "k", "v")]).await.unwrap();
    producer.commit().await.unwrap();
    wrong(producer.commit().await);
    assert_eq!(all(&log, &topic).await.len(), 1);
}

/// A transaction without anything in it commits and is not seen.
pub async fn empty_ones<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = kept(&log, 1).await;
    let mut producer = log.producer(&unique("empty")).await.unwrap();
    for _ in 0..3 {
        producer.begin().await.unwrap();
        producer.commit().await.unwrap();
    }
    producer.begin().await.unwrap();
    producer.send(Vec::new()).await.unwrap();
    producer.commit().await.unwrap();
    assert_eq!(all(&log, &topic).await, []);
}

/// What is handed in is there at once with a log that may be written to, whoever hands in at the same time.
pub async fn handed_in_by_several<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = compacted(&log, 1).await;
    let id = unique("hand");
    for round in 0..5 {
        let value = round.to_string();
        log.hand_in(&id, vec![record(&topic, 0, "a", &value), tombstone(&topic, 0, "b")]).await.unwrap();
    }
    assert_eq!(texts(&all(&log, &topic).await), ["0", "", "1", "", "2", "", "3", "", "4", ""]);
}
