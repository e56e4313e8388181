//! Columns that a member's table gains: the table waits until what the group has is filled in, and nobody's value is lost.

use super::feed::Scene;
use crate::contract::fixture::{Factory, all_told, bind, id, next_commit, provisioned_of, scan_chunk, table};
use crate::{
    Captured, Direction, ErrorKind, NewIncarnation, RefillStep, Scan, TableBinding, TablePosition,
    TableState, Token,
};
use std::sync::Arc;
use tributary_model::{ChangeKind, KeyBytes, LogicalType, Row, Settled, TableSchema, Value, VersionVector};

fn note() -> TableSchema {
    table(
        "note",
        &[("id", LogicalType::Long), ("body", LogicalType::String), ("rank", LogicalType::Int)],
        &["id"],
    )
}

fn row(id: i64, body: &str, rank: Option<i32>) -> Row {
    Row::of([Value::Long(id), Value::String(body.to_owned()), rank.map_or(Value::Null, Value::Int)])
}

const RANKS: &str = "SELECT \"id\", \"rank\" FROM \"note\" ORDER BY \"id\"";

/// The table as it lies in a member without the last column.
fn poor() -> Arc<TableBinding> {
    let mut binding = TableBinding::same_names(Arc::new(note()));
    binding.local_columns[2] = None;
    Arc::new(binding)
}

/// A member without the column, in which the rows 1 to 3 were applied with ranks that it does not have.
async fn start(factory: &dyn Factory, direction: Direction) -> Scene {
    let fixture = factory.fresh().await;
    let bindings = [poor()];
    let member = provisioned_of(fixture.as_ref(), direction, &bindings).await;
    let mut scene = Scene::of(fixture, bindings.to_vec(), member).await;
    let records = vec![
        scene.feed.upsert(0, row(1, "one", Some(7))),
        scene.feed.upsert(0, row(2, "two", None)),
        scene.feed.upsert(0, row(3, "three", Some(9))),
    ];
    scene.apply(records).await;
    scene
}

/// The table gains the column, and the member is provisioned with it.
async fn grow(scene: &mut Scene, definition: &str, direction: Direction) {
    scene.user.run(&format!("ALTER TABLE \"note\" ADD \"rank\" {definition}")).await;
    provision(scene, direction).await;
}

async fn provision(scene: &mut Scene, direction: Direction) {
    scene.bindings = vec![bind(note())];
    scene.member = provisioned_of(scene.fixture.as_ref(), direction, &scene.bindings).await;
}

fn step(cells: Vec<(KeyBytes, Row)>, expected: &str, next: Option<&str>) -> RefillStep {
    RefillStep { table: 0, cells, expected: expected.to_owned(), next: next.map(str::to_owned) }
}

fn cells(rows: &[(i64, Option<i32>)]) -> Vec<(KeyBytes, Row)> {
    rows.iter().map(|(key, rank)| (id(*key), row(*key, "whatever", *rank))).collect()
}

async fn ranks(scene: &mut Scene) -> Vec<String> {
    scene.user.query(RANKS).await.into_iter().map(|row| row.join(":")).collect()
}

/// Rows get the group's values without a change of anybody's; the table waits until it is done, and is resumed where it
/// was.
pub async fn gained_columns_are_filled(factory: &dyn Factory) {
    let mut start = start(factory, Direction::Both).await;
    grow(&mut start, "int DEFAULT 5", Direction::Both).await;
    let waits = TableState::Refills { columns: vec!["rank".to_owned()] };
    assert_eq!(start.member.table_states().await.unwrap(), std::slice::from_ref(&waits));
    let refills = start.member.refills().await.unwrap();
    assert_eq!((refills[0].table, refills[0].progress.as_str()), (0, ""));
    // Neither way, although a user's edit of another column is tracked.
    start.user.run("UPDATE \"note\" SET \"body\" = 'mine' WHERE \"id\" = 1").await;
    let refused = start.member.poll(0, &Default::default(), 10).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TableChanged);
    let later = start.feed.upsert(0, row(3, "later", Some(10)));
    let batch = start.feed.batch(vec![later.clone()]);
    assert_eq!(start.member.apply(batch, 0).await.unwrap_err().kind(), ErrorKind::TableChanged);

    let first = step(cells(&[(1, Some(7)), (2, None), (77, Some(1))]), "", Some("half"));
    assert_eq!(start.member.refill(&first).await.unwrap(), None);
    let untouched =
        start.user.query("SELECT \"rank\" FROM \"note\" WHERE \"id\" = 3").await.remove(0).remove(0);
    assert_eq!(ranks(&mut start).await, ["1:7".to_owned(), "2:NULL".to_owned(), format!("3:{untouched}")]);
    let moved = start.member.refill(&first).await.unwrap_err();
    assert_eq!(moved.kind(), ErrorKind::OffsetMoved, "each row is visited once");
    // Another connection goes on where this one was.
    provision(&mut start, Direction::Both).await;
    assert_eq!(start.member.table_states().await.unwrap(), [waits]);
    assert_eq!(start.member.refills().await.unwrap()[0].progress, "half");
    let last = step(cells(&[(3, Some(9))]), "half", None);
    assert_eq!(start.member.refill(&last).await.unwrap(), None);
    assert_eq!(ranks(&mut start).await, ["1:7", "2:NULL", "3:9"]);
    assert_eq!(start.member.table_states().await.unwrap(), [TableState::Ready]);
    assert!(start.member.refills().await.unwrap().is_empty());

    // Tracking is as it was: the user's edit is the only change, and says what it was made on.
    let changes = start.changes(0).await;
    assert_eq!(all_told(&note(), &changes), [("1".to_owned(), "1|mine|7".to_owned())]);
    assert_eq!(changes[0].change.seen, start.feed.published[0].resolved.as_ref().unwrap().vv);
    start.feed.applied = Some(3);
    assert_eq!(start.apply(vec![later]).await, ["upserted"]);
    assert_eq!(ranks(&mut start).await, ["1:7", "2:NULL", "3:10"]);
    // From now on the column is like any other.
    start.user.run("UPDATE \"note\" SET \"rank\" = 5 WHERE \"id\" = 2").await;
    assert_eq!(start.captured(0).await, [("2".to_owned(), "2|two|5".to_owned())]);
}

/// A value that somebody gave the column before the triggers knew of it is kept, and becomes a change; so does a row that
/// is not NULL where the group has nothing and the column takes no NULL.
pub async fn what_was_given_meanwhile_becomes_a_change(factory: &dyn Factory) {
    let mut start = start(factory, Direction::Both).await;
    start.user.run("INSERT INTO \"note\" (\"id\", \"body\") VALUES (4, 'mine')").await;
    start.user.run("ALTER TABLE \"note\" ADD \"rank\" int DEFAULT 5 NOT NULL").await;
    start.user.run("UPDATE \"note\" SET \"rank\" = 6 WHERE \"id\" IN (3, 4)").await;
    start.user.run("UPDATE \"note\" SET \"rank\" = 7 WHERE \"id\" = 1").await;
    // Some databases notice writes to columns that are not synchronised as changes without them.
    start.captured(0).await;
    provision(&mut start, Direction::Both).await;
    let all = step(cells(&[(1, Some(7)), (2, None), (3, Some(9)), (4, Some(6))]), "", None);
    assert_eq!(start.member.refill(&all).await.unwrap(), None);
    assert_eq!(ranks(&mut start).await, ["1:7", "2:5", "3:6", "4:6"]);
    let changes = start.changes(0).await;
    let mut told = all_told(&note(), &changes);
    told.sort();
    let change = |key: &str, row: &str| (key.to_owned(), row.to_owned());
    assert_eq!(told[..2], [change("2", "2|two|5"), change("3", "3|three|6")], "{told:?}");
    let of = |key: i64| &changes.iter().find(|change| change.key == id(key)).unwrap().change;
    assert_eq!((of(2).kind, of(2).changed_at), (ChangeKind::Restated, None), "nobody knows when");
    assert!(!of(2).seen.is_empty() && !of(3).seen.is_empty(), "what it was made on is still known");
}

/// What capture read before the table grew is not published after that: it lacks the column, and nobody would wait for it.
pub async fn what_was_read_before_is_not_published(factory: &dyn Factory) {
    let mut start = start(factory, Direction::Both).await;
    start.user.run("UPDATE \"note\" SET \"body\" = 'mine' WHERE \"id\" = 1").await;
    let page = start.member.poll(0, &Default::default(), 10).await.unwrap();
    start.user.run("ALTER TABLE \"note\" ADD \"rank\" int").await;
    let grown = [bind(note())];
    provisioned_of(start.fixture.as_ref(), Direction::Both, &grown).await;
    let mut commit = next_commit(None, Vec::new());
    commit.published = page.changes.iter().map(|change| (0, change.key.clone())).collect();
    let refused = start.member.commit_capture(&commit).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TableChanged);
    assert_eq!(start.member.token().await.unwrap(), None, "nothing was committed");
}

/// A row that does not take the group's value holds the refill up, with its name, and nothing of the step is written.
pub async fn a_row_that_cannot_take_the_value_is_named(factory: &dyn Factory) {
    let mut start = start(factory, Direction::Both).await;
    grow(&mut start, "int CHECK (\"rank\" < 8)", Direction::Both).await;
    let all = step(cells(&[(1, Some(7)), (2, None), (3, Some(9))]), "", None);
    let refused = start.member.refill(&all).await.unwrap().unwrap();
    assert!(refused.message.contains("[3]") && refused.message.contains("note"), "{refused:?}");
    assert_eq!(ranks(&mut start).await, ["1:NULL", "2:NULL", "3:NULL"]);
    assert_eq!(start.member.refills().await.unwrap()[0].progress, "");
    let others = step(cells(&[(1, Some(7)), (2, None), (3, Some(6))]), "", None);
    assert_eq!(start.member.refill(&others).await.unwrap(), None);
    assert_eq!(ranks(&mut start).await, ["1:7", "2:NULL", "3:6"]);
    assert!(start.captured(0).await.is_empty());
}

/// A subscriber's rows get the group's values whatever they hold; a member that takes nothing in is not refilled.
pub async fn directions_decide_what_is_filled(factory: &dyn Factory) {
    let mut subscriber = start(factory, Direction::Subscribe).await;
    subscriber.user.run("ALTER TABLE \"note\" ADD \"rank\" int").await;
    subscriber.user.run("UPDATE \"note\" SET \"rank\" = 6").await;
    provision(&mut subscriber, Direction::Subscribe).await;
    let all = step(cells(&[(1, Some(7)), (2, None), (3, Some(9))]), "", None);
    assert_eq!(subscriber.member.refill(&all).await.unwrap(), None);
    assert_eq!(ranks(&mut subscriber).await, ["1:7", "2:NULL", "3:9"]);

    let mut publisher = start(factory, Direction::Publish).await;
    grow(&mut publisher, "int", Direction::Publish).await;
    assert_eq!(publisher.member.table_states().await.unwrap(), [TableState::Ready]);
}

/// A member without the column, in which two rows were there before and have been scanned; its token, and their changes.
async fn scanned(factory: &dyn Factory) -> (Scene, Option<Token>, Vec<Captured>) {
    let fixture = factory.fresh().await;
    let bindings = [poor()];
    provisioned_of(fixture.as_ref(), Direction::Both, &bindings).await.deprovision().await.unwrap();
    let rows = "INSERT INTO \"note\" (\"id\", \"body\") VALUES (1, 'one'), (2, 'two')";
    fixture.user().await.run(rows).await;
    let mut member = provisioned_of(fixture.as_ref(), Direction::Both, &bindings).await;
    let (mut token, mut position) = (None, TablePosition::default());
    let page = scan_chunk(member.as_mut(), 0, &mut position, &mut token, 10).await;
    assert_eq!(position.scan, Scan::Done);
    (Scene::of(fixture, bindings.to_vec(), member).await, token, page.changes)
}

/// A row that is captured as the scan's once more is that no longer when somebody has given it a value: the group, which
/// knows the scan's row, would pass over it.
pub async fn what_was_given_to_a_row_that_the_scan_has_passed(factory: &dyn Factory) {
    let (mut scene, _, scanned) = scanned(factory).await;
    let theirs = vec![scene.feed.upsert(0, row(1, "theirs", Some(7)))];
    assert_eq!(scene.apply(theirs).await, ["local is newer"]);
    for change in &scanned {
        scene.feed.settle(0, change);
    }
    scene.answers(0).await;
    scene.user.run("ALTER TABLE \"note\" ADD \"rank\" int").await;
    scene.user.run("UPDATE \"note\" SET \"rank\" = 6 WHERE \"id\" = 1").await;
    scene.answers(0).await;
    provision(&mut scene, Direction::Both).await;
    let all = step(cells(&[(1, Some(7)), (2, Some(8))]), "", None);
    assert_eq!(scene.member.refill(&all).await.unwrap(), None);
    let changes = scene.changes(0).await;
    assert_eq!(all_told(&note(), &changes), [("1".to_owned(), "1|one|6".to_owned())]);
    let answer = scene.feed.settle(0, &changes[0]).unwrap();
    assert_ne!(answer.resolved.unwrap().settled, Settled::Agreed, "it stands, or is in the ledger");
}

/// A value that was given to a row which nobody had changed since it was scanned was made on top of what was scanned, in a
/// later life of the member's, too.
pub async fn what_was_given_in_a_later_life_says_what_it_saw(factory: &dyn Factory) {
    let (mut scene, token, scanned) = scanned(factory).await;
    let next = next_commit(token.as_ref(), Vec::new()).token;
    let expected = token.as_ref().map(|token| token.id);
    scene.member.begin_incarnation(&NewIncarnation { number: 2, expected, token: next }).await.unwrap();
    scene.user.run("ALTER TABLE \"note\" ADD \"rank\" int").await;
    scene.user.run("UPDATE \"note\" SET \"rank\" = 6 WHERE \"id\" = 1").await;
    scene.changes(0).await;
    provision(&mut scene, Direction::Both).await;
    let all = step(cells(&[(1, Some(7)), (2, Some(8))]), "", None);
    assert_eq!(scene.member.refill(&all).await.unwrap(), None);
    assert_eq!(ranks(&mut scene).await, ["1:6", "2:8"]);
    let changes = scene.changes(0).await;
    assert_eq!(all_told(&note(), &changes), [("1".to_owned(), "1|one|6".to_owned())]);
    assert_eq!(changes[0].change.dot.incarnation.as_str(), "hq~2");
    assert_eq!(changes[0].change.seen, VersionVector::of(&scanned[0].change.dot));
}
