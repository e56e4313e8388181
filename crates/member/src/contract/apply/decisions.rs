//! What is written and what is not: the decision's cases, echo, batches, offsets, replays.

use super::feed::{Feed, Scene, words};
use crate::contract::fixture::{Factory, all_told, bind, drain, id, provisioned, scan_chunk, table};
use crate::{
    ApplyBatch, ApplyRecord, Captured, Error, ErrorKind, Force, OffsetMove, Scan, Source, TableBinding,
    TablePosition,
};
use std::sync::Arc;
use tributary_model::{
    ChangeKind, Dot, KeyBytes, LogicalType, Row, Settled, TableSchema, Value, VersionVector,
};
use uuid::Uuid;

fn note() -> TableSchema {
    table(
        "note",
        &[("id", LogicalType::Long), ("body", LogicalType::String), ("rank", LogicalType::Int)],
        &["id"],
    )
}

fn row(id: i64, body: &str) -> Row {
    Row::of([Value::Long(id), Value::String(body.to_owned()), Value::Null])
}

const ALL: &str = "SELECT \"id\", \"body\" FROM \"note\" ORDER BY \"id\"";

fn rows(pairs: &[(&str, &str)]) -> Vec<Vec<String>> {
    pairs.iter().map(|(id, body)| vec![(*id).to_owned(), (*body).to_owned()]).collect()
}

async fn start(factory: &dyn Factory) -> Scene {
    Scene::new(factory, vec![bind(note())]).await
}

/// All rows.
async fn all(scene: &mut Scene) -> Vec<Vec<String>> {
    scene.user.query(ALL).await
}

/// Rows are inserted, updated and deleted, and none of it is captured.
pub async fn what_is_applied_is_not_captured(factory: &dyn Factory) {
    let mut start = start(factory).await;
    let (one, two) = (start.feed.upsert(0, row(1, "one")), start.feed.upsert(0, row(2, "two")));
    assert_eq!(start.apply(vec![one, two]).await, ["upserted", "upserted"]);
    assert_eq!(all(&mut start).await, rows(&[("1", "one"), ("2", "two")]));
    let (uno, gone) = (start.feed.upsert(0, row(1, "uno")), start.feed.delete(0, &id(2)));
    assert_eq!(start.apply(vec![uno, gone]).await, ["upserted", "deleted"]);
    assert_eq!(all(&mut start).await, rows(&[("1", "uno")]));
    assert!(start.captured(0).await.is_empty(), "no echo");
    // A user's edit on top says what it was made on.
    start.user.run("UPDATE \"note\" SET \"body\" = 'mine' WHERE \"id\" = 1").await;
    let changes = start.changes(0).await;
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].change.seen, start.feed.published[2].resolved.as_ref().unwrap().vv);
}

/// A member's own change comes back as it is there already: nothing is written.
pub async fn own_changes_cost_no_write(factory: &dyn Factory) {
    let mut start = start(factory).await;
    start.user.run("INSERT INTO \"note\" (\"id\", \"body\") VALUES (1, 'mine'), (2, 'mine')").await;
    start.user.run("DELETE FROM \"note\" WHERE \"id\" = 2").await;
    let answers = start.answers(0).await;
    assert_eq!(start.apply(answers.clone()).await, ["same content", "same content"]);
    // Nothing was noted, and nothing has to be: the decision is the same again.
    start.rewind(0).await;
    assert_eq!(start.apply(answers).await, ["same content", "same content"]);
    assert!(start.captured(0).await.is_empty());
    assert_eq!(all(&mut start).await, rows(&[("1", "mine")]));
}

/// A record that does not know of the user's latest change never overwrites it; the answer to that change does.
pub async fn a_users_newer_change_stands(factory: &dyn Factory) {
    let mut start = start(factory).await;
    let first = start.feed.upsert(0, row(1, "theirs"));
    start.apply(vec![first]).await;
    start.user.run("UPDATE \"note\" SET \"body\" = 'mine' WHERE \"id\" = 1").await;
    start.user.run("INSERT INTO \"note\" (\"id\", \"body\") VALUES (2, 'mine')").await;
    start.user.run("INSERT INTO \"note\" (\"id\") VALUES (3)").await;
    start.user.run("DELETE FROM \"note\" WHERE \"id\" = 3").await;
    let records = vec![
        start.feed.upsert(0, row(1, "theirs again")),
        start.feed.upsert(0, row(2, "theirs")),
        start.feed.upsert(0, row(3, "theirs")),
    ];
    assert_eq!(start.apply(records).await, ["local is newer"; 3]);
    assert_eq!(all(&mut start).await, rows(&[("1", "mine"), ("2", "mine")]));
    // The user's changes are later, so they win; the group's answers name them.
    let answers = start.answers(0).await;
    assert_eq!(start.apply(answers).await, ["same content"; 3]);
    // And what is made on top of them is written.
    let last = start.feed.upsert(0, row(1, "agreed"));
    assert_eq!(start.apply(vec![last]).await, ["upserted"]);
    assert_eq!(all(&mut start).await, rows(&[("1", "agreed"), ("2", "mine")]));
    assert!(start.captured(0).await.is_empty());
}

/// A delete of a row that is not there leaves its tombstone: an older record does not bring the row.
pub async fn deletes_of_absent_rows_are_noted(factory: &dyn Factory) {
    let mut start = start(factory).await;
    let (born, gone) = (start.feed.upsert(0, row(1, "born")), start.feed.delete(0, &id(1)));
    assert_eq!(start.apply(vec![gone]).await, ["deleted"]);
    assert_eq!(start.apply(vec![born]).await, ["already there"]);
    assert!(all(&mut start).await.is_empty());
}

/// Of several records of a cell in one batch the last counts; a null record must not be among them.
pub async fn the_last_record_of_a_cell_counts(factory: &dyn Factory) {
    let mut start = start(factory).await;
    let records = vec![
        start.feed.upsert(0, row(1, "a")),
        start.feed.upsert(0, row(2, "b")),
        start.feed.delete(0, &id(1)),
        start.feed.upsert(0, row(1, "c")),
        start.feed.delete(0, &id(2)),
    ];
    assert_eq!(start.apply(records).await, ["superseded", "superseded", "superseded", "upserted", "deleted"]);
    assert_eq!(all(&mut start).await, rows(&[("1", "c")]));
    let uncut = vec![start.feed.delete(0, &id(1)), start.feed.expire(0, &id(1))];
    let batch = start.feed.batch(uncut);
    let refused = start.member.apply(batch, 0).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Misuse);
    assert_eq!(all(&mut start).await, rows(&[("1", "c")]), "nothing was written");
}

/// Offsets move only from where they are expected, and only those of the same log.
pub async fn offsets_are_compared_and_set(factory: &dyn Factory) {
    let mut start = start(factory).await;
    let (one, two) = (start.feed.upsert(0, row(1, "one")), start.feed.upsert(0, row(2, "two")));
    start.apply(vec![one]).await;
    let right = start.feed.batch(vec![two]);
    let wrong = |change: &dyn Fn(&mut ApplyBatch)| {
        let mut batch = right.clone();
        change(&mut batch);
        batch
    };
    for batch in [
        wrong(&|batch| batch.offsets[0].expected = None),
        wrong(&|batch| batch.offsets[0].expected = Some(0)),
        wrong(&|batch| batch.offsets[0].generation = 2),
        wrong(&|batch| batch.offsets[0].partition = 1),
        wrong(&|batch| batch.log = Uuid::new_v4()),
        // The second of two moves is wrong: the first is not made either.
        wrong(&|batch| batch.offsets.push(OffsetMove { partition: 7, ..batch.offsets[0].clone() })),
    ] {
        let error: Error = start.member.apply(batch, 0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OffsetMoved);
        assert_eq!(all(&mut start).await, rows(&[("1", "one")]), "nothing was written");
        assert_eq!(start.member.offsets().await.unwrap().iter().map(|o| o.next).collect::<Vec<_>>(), [1]);
    }
    // Another generation of the topic starts from nothing, beside the first.
    let next = wrong(&|batch| {
        batch.offsets[0] = OffsetMove { generation: 2, expected: None, ..batch.offsets[0].clone() };
    });
    start.member.apply(next, 0).await.unwrap();
    let stored = start.member.offsets().await.unwrap();
    assert_eq!(stored.iter().map(|o| (o.generation, o.next)).collect::<Vec<_>>(), [(1, 1), (2, 2)]);
    assert_eq!(all(&mut start).await, rows(&[("1", "one"), ("2", "two")]));
}

/// Reading the log again from any earlier offset, in batches of any size, changes nothing.
pub async fn replays_change_nothing(factory: &dyn Factory) {
    let mut start = start(factory).await;
    start.user.run("INSERT INTO \"note\" (\"id\", \"body\") VALUES (1, 'mine'), (2, 'mine')").await;
    for round in 0..6_i64 {
        let mut records = start.answers(0).await;
        for number in 1..=5 {
            let body = format!("round {round}");
            let record = if (number + round) % 4 == 0 {
                start.feed.delete(0, &id(number))
            } else {
                start.feed.upsert(0, row(number, &body))
            };
            records.push(record);
        }
        start.apply(records).await;
        if round < 5 {
            start.user.run(&format!("UPDATE \"note\" SET \"body\" = 'edit {round}' WHERE \"id\" = 1")).await;
        }
    }
    let everything = all(&mut start).await;
    let digest = start.member.digest(0, 4).await.unwrap();
    let length = start.feed.published.len();
    for size in [1, 3, length] {
        for from in 0..length {
            start.rewind(from as u64).await;
            for chunk in start.feed.published[from..].to_vec().chunks(size) {
                for word in start.apply(chunk.to_vec()).await {
                    assert!(["already there", "same content", "superseded"].contains(&word), "{word}");
                }
            }
            assert_eq!(all(&mut start).await, everything);
        }
    }
    assert_eq!(start.member.digest(0, 4).await.unwrap(), digest);
    assert!(start.captured(0).await.is_empty());
    assert!(start.parked().await.is_empty());
}

/// Columns that are not synchronised keep what the member's users wrote into them.
pub async fn columns_of_the_members_own_survive(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let whole = bind(note());
    provisioned(fixture.as_ref(), &[Arc::clone(&whole)]).await.deprovision().await.unwrap();
    let mut binding = TableBinding::clone(&whole);
    binding.local_columns[1] = None;
    let binding = Arc::new(binding);
    let mut member = provisioned(fixture.as_ref(), &[Arc::clone(&binding)]).await;
    let mut user = fixture.user().await;
    let mut feed = Feed::new(&[binding]);
    let mut next = |rank| feed.upsert(0, Row(vec![Some(Value::Long(1)), None, Some(Value::Int(rank))]));
    let (first, second, third) = (next(1), next(2), next(3));
    feed.apply(member.as_mut(), vec![first]).await;
    user.run("UPDATE \"note\" SET \"body\" = 'local'").await;
    feed.apply(member.as_mut(), vec![second]).await;
    feed.apply(member.as_mut(), vec![third]).await;
    let all = user.query("SELECT \"body\", \"rank\" FROM \"note\"").await;
    assert_eq!(all, [["local", "3"]]);
}

/// A column that no version has set becomes NULL: it keeps neither what stood there nor what another row has.
pub async fn absent_columns_become_null(factory: &dyn Factory) {
    let mut start = start(factory).await;
    for round in ["inserted", "updated"] {
        let mut records = start.upserts(0, [row(1, round), row(2, round), row(3, round)]);
        let partial = Row(vec![Some(Value::Long(2)), None, Some(Value::Int(5))]);
        records[1].resolved.as_mut().unwrap().row = Some(partial);
        start.apply(records).await;
        let all = start.user.query("SELECT \"id\", \"body\", \"rank\" FROM \"note\" ORDER BY 1").await;
        assert_eq!(all, [["1", round, "NULL"], ["2", "NULL", "5"], ["3", round, "NULL"]]);
        start.user.run("UPDATE \"note\" SET \"body\" = 'mine' WHERE \"id\" = 2").await;
        let answers = start.answers(0).await;
        start.apply(answers).await;
    }
}

/// A null record ends a tombstone's tracking, unless the user has made a row of that key again, or a later life has.
pub async fn null_records_end_tombstones(factory: &dyn Factory) {
    let mut start = start(factory).await;
    let records = (1..=3).map(|number| start.feed.upsert(0, row(number, "first life"))).collect();
    start.apply(records).await;
    let deletes: Vec<_> = (1..=3).map(|number| start.feed.delete(0, &id(number))).collect();
    start.apply(deletes.clone()).await;
    start.user.run("INSERT INTO \"note\" (\"id\", \"body\") VALUES (2, 'second life')").await;
    let nulls: Vec<_> = (1..=3).map(|number| start.feed.expire(0, &id(number))).collect();
    assert_eq!(start.apply(nulls.clone()).await, ["purged"; 3]);
    // The first cell is forgotten: even an old record counts as news, as after a rewind that is not allowed.
    let old = start.feed.published[0].clone();
    let batch =
        start.feed.batch(vec![ApplyRecord { source: Source { offset: 90, ..old.source.clone() }, ..old }]);
    assert_eq!(words(&start.member.apply(batch, 0).await.unwrap()), ["upserted"]);
    start.feed.applied = Some(91);
    // The second has the user's row, which is captured as made on top of the delete.
    let changes = start.changes(0).await;
    assert_eq!(all_told(&note(), &changes), [("2".to_owned(), "2|second life|NULL".to_owned())]);
    assert_eq!(changes[0].change.seen, deletes[1].resolved.as_ref().unwrap().vv);
    // The third begins another life and ends it: the first life's null does not forget that.
    let mut again = vec![start.feed.upsert(0, row(3, "second life")), start.feed.delete(0, &id(3))];
    for (at, record) in again.iter_mut().enumerate() {
        record.source.offset = 100 + at as u64;
    }
    let reborn = again[0].clone();
    start.apply(again).await;
    let null = ApplyRecord { source: Source { offset: 110, ..nulls[2].source.clone() }, ..nulls[2].clone() };
    assert_eq!(start.apply(vec![null]).await, ["purged"]);
    let reborn = ApplyRecord { source: Source { offset: 111, ..reborn.source.clone() }, ..reborn };
    assert_eq!(start.apply(vec![reborn]).await, ["already there"]);
    assert_eq!(all(&mut start).await, rows(&[("1", "first life"), ("2", "second life")]));
}

/// While a member is filled anew, the change that was saved is written over, and a later one is not; a null record
/// forgets whatever was seen.
pub async fn saved_changes_are_written_over(factory: &dyn Factory) {
    let mut start = start(factory).await;
    let records = (1..=3).map(|number| start.feed.upsert(0, row(number, "old"))).collect();
    start.apply(records).await;
    start.user.run("UPDATE \"note\" SET \"body\" = 'mine'").await;
    let mine: Vec<_> = start.changes(0).await.into_iter().map(|captured| captured.change.dot).collect();
    start.user.run("UPDATE \"note\" SET \"body\" = 'later' WHERE \"id\" = 2").await;
    let force = |local: Option<Dot>| Some(Force { local });
    let mut theirs = Vec::new();
    for (number, dot) in (1..=3).zip(&mine) {
        // Row 3's change has not been saved.
        let local = (number < 3).then(|| dot.clone());
        theirs.push(ApplyRecord { force: force(local), ..start.feed.upsert(0, row(number, "theirs")) });
    }
    let expected = ["upserted", "local is newer", "local is newer"];
    assert_eq!(start.apply(theirs).await, expected);
    assert_eq!(all(&mut start).await, rows(&[("1", "theirs"), ("2", "later"), ("3", "mine")]));
    let left: Vec<_> = start.changes(0).await.into_iter().map(|captured| captured.key).collect();
    assert_eq!(left, [id(2)], "what was written over is not captured, and what came later is");
    // A change on top of the very record that is written over it.
    start.user.run("UPDATE \"note\" SET \"body\" = 'on top' WHERE \"id\" = 1").await;
    let on_top = start.changes(0).await.remove(0).change.dot;
    let theirs = start.feed.published.iter().rev().find(|record| record.key == id(1)).unwrap().clone();
    let offset = start.feed.published.len() as u64 + 5;
    let source = Source { offset, ..theirs.source.clone() };
    let again = ApplyRecord { source, force: force(Some(on_top)), ..theirs };
    assert_eq!(start.apply(vec![again]).await, ["upserted"]);
    assert_eq!(all(&mut start).await[0], ["1", "theirs"]);
    // A row that the group has forgotten: removed, and with it what tracking remembers.
    let mut gone = start.feed.delete(0, &id(1));
    let vv = VersionVector::parse("operator:9").unwrap();
    if let Ok(resolved) = &mut gone.resolved {
        resolved.vv = vv.clone();
        resolved.content = vec![vv.clone()];
    }
    gone.force = force(None);
    assert_eq!(start.apply(vec![gone]).await, ["deleted"]);
    let null = ApplyRecord { resolved: Err(vv), force: force(None), ..start.feed.expire(0, &id(1)) };
    assert_eq!(start.apply(vec![null]).await, ["purged"]);
    let old = start.feed.published[0].clone();
    let offset = start.feed.published.len() as u64 + 10;
    let old = ApplyRecord { source: Source { offset, ..old.source.clone() }, ..old };
    assert_eq!(start.apply(vec![old]).await, ["upserted"], "nothing is remembered of the key");
}

/// Rows that were there before stand for a first change of the member's, until the first scan has published them.
pub async fn rows_that_were_there_before(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let binding = bind(note());
    provisioned(fixture.as_ref(), &[Arc::clone(&binding)]).await.deprovision().await.unwrap();
    let mut user = fixture.user().await;
    for number in 1..=6 {
        user.run(&format!("INSERT INTO \"note\" (\"id\", \"body\") VALUES ({number}, 'before')")).await;
    }
    let mut member = provisioned(fixture.as_ref(), &[Arc::clone(&binding)]).await;
    let mut feed = Feed::new(&[Arc::clone(&binding)]);
    let (mut position, mut token) = (TablePosition::default(), None);
    // Before the scan: the record does not know of the row.
    let theirs = feed.upsert(0, row(1, "theirs"));
    assert_eq!(words(&feed.apply(member.as_mut(), vec![theirs]).await), ["local is newer"]);
    let page = scan_chunk(member.as_mut(), 0, &mut position, &mut token, 3).await;
    assert_eq!(page.changes.len(), 3);
    assert!(page.changes.iter().all(|change| change.change.kind == ChangeKind::FirstScan));
    // Published and answered: 1 is a conflict that the live change wins, 2 and 3 are as they were.
    let answers: Vec<_> = page.changes.iter().filter_map(|change| feed.settle(0, change)).collect();
    assert_eq!(
        words(&feed.apply(member.as_mut(), answers).await),
        ["upserted", "same content", "same content"]
    );
    let edited = feed.upsert(0, row(2, "edited"));
    assert_eq!(words(&feed.apply(member.as_mut(), vec![edited]).await), ["upserted"]);
    while position.scan != Scan::Done {
        scan_chunk(member.as_mut(), 0, &mut position, &mut token, 3).await;
    }
    let changes = drain(member.as_mut(), 0, &mut position, 10).await;
    assert!(changes.is_empty(), "what was applied is not captured");
    let all = user.query(ALL).await;
    let before = |number: &'static str| (number, "before");
    assert_eq!(
        all,
        rows(&[("1", "theirs"), ("2", "edited"), before("3"), before("4"), before("5"), before("6")])
    );
}

/// A row that the scan has passed, met before its first change was settled, is captured once more: it might have been
/// written past the triggers. Where the scan had it, that comes to nothing.
pub async fn rows_that_the_scan_has_passed(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let binding = bind(note());
    provisioned(fixture.as_ref(), &[Arc::clone(&binding)]).await.deprovision().await.unwrap();
    let mut user = fixture.user().await;
    user.run("INSERT INTO \"note\" (\"id\", \"body\") VALUES (1, 'before')").await;
    user.run("INSERT INTO \"note\" (\"id\", \"body\") VALUES (2, 'before')").await;
    let mut member = provisioned(fixture.as_ref(), &[Arc::clone(&binding)]).await;
    let mut feed = Feed::new(&[Arc::clone(&binding)]);
    let (mut position, mut token) = (TablePosition::default(), None);
    let page = scan_chunk(member.as_mut(), 0, &mut position, &mut token, 10).await;
    let theirs = vec![feed.upsert(0, row(1, "theirs")), feed.upsert(0, row(2, "before"))];
    let passed = words(&feed.apply(member.as_mut(), theirs).await);
    assert_eq!(passed, ["local is newer", "local is newer"]);
    while position.scan != Scan::Done {
        scan_chunk(member.as_mut(), 0, &mut position, &mut token, 10).await;
    }
    let again = drain(member.as_mut(), 0, &mut position, 10).await;
    for (first, again) in page.changes.iter().zip(&again) {
        assert_eq!((&first.key, &first.change.row), (&again.key, &again.change.row));
        assert_eq!((again.change.kind, again.change.changed_at), (ChangeKind::FirstScan, None));
        assert!(again.change.dot.version > 1, "{again:?}");
        assert_eq!(again.change.seen, VersionVector::of(&first.change.dot));
    }
    assert_eq!((page.changes.len(), again.len()), (2, 2));
    let mut answers = |changes: &[Captured]| -> Vec<ApplyRecord> {
        changes.iter().filter_map(|change| feed.settle(0, change)).collect()
    };
    let settled = |answers: &[ApplyRecord]| -> Vec<Settled> {
        answers.iter().map(|answer| answer.resolved.as_ref().unwrap().settled).collect()
    };
    let (first, second) = (answers(&page.changes), answers(&again));
    assert_eq!(settled(&first), [Settled::Conflict, Settled::Agreed]);
    assert_eq!(settled(&second), [Settled::Agreed, Settled::Agreed], "one conflict is told once");
    let answers: Vec<_> = first.into_iter().chain(second).collect();
    let outcomes = words(&feed.apply(member.as_mut(), answers).await);
    assert_eq!(outcomes[2..], ["upserted", "same content"]);
    assert_eq!(user.query(ALL).await, rows(&[("1", "theirs"), ("2", "before")]));
    assert!(drain(member.as_mut(), 0, &mut position, 10).await.is_empty());
}

/// The key of a record that no row of the table can have is refused, and does not hold up the others.
pub async fn unreadable_keys_are_parked(factory: &dyn Factory) {
    let mut start = start(factory).await;
    let mut bad = start.feed.upsert(0, row(1, "bad"));
    bad.key = KeyBytes::new([0x80]);
    let good = start.feed.upsert(0, row(2, "good"));
    assert_eq!(start.apply(vec![bad, good]).await, ["value", "upserted"]);
    assert_eq!(all(&mut start).await, rows(&[("2", "good")]));
    let listed = start.parked().await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].key, Some(KeyBytes::new([0x80])));
}

/// A table that is not bound is the caller's mistake.
pub async fn unbound_tables_are_refused(factory: &dyn Factory) {
    let mut start = start(factory).await;
    let mut record = start.feed.upsert(0, row(1, "one"));
    record.table = 5;
    let batch = start.feed.batch(vec![record]);
    assert_eq!(start.member.apply(batch, 0).await.unwrap_err().kind(), ErrorKind::Misuse);
    assert!(start.member.offsets().await.unwrap().is_empty());
}
