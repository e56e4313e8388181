//! Foreign keys: the order within a batch, what waits for its parent, and deletes that others refer to.

use super::feed::Scene;
use crate::contract::fixture::{Factory, bind, id, provisioned, table};
use crate::{ApplyRecord, BlockedDelete, Outcome, TableBinding};
use std::sync::Arc;
use tributary_model::{ChangeKind, ForeignKey, LogicalType, OnDelete, Row, TableName, TableSchema, Value};

const PARENT: usize = 0;
const CHILD: usize = 1;

fn parent() -> TableSchema {
    table("parent", &[("id", LogicalType::Long), ("name", LogicalType::String)], &["id"])
}

fn referring(name: &str, to: &str, on_delete: OnDelete) -> TableSchema {
    let columns = [("id", LogicalType::Long), ("up", LogicalType::Long), ("name", LogicalType::String)];
    let mut schema = table(name, &columns, &["id"]);
    schema.foreign_keys.push(ForeignKey {
        columns: vec![1],
        references: TableName::new(to),
        referenced_columns: vec!["id".to_owned()],
        on_delete,
    });
    schema
}

fn parent_row(id: i64) -> Row {
    Row::of([Value::Long(id), Value::String(format!("parent {id}"))])
}

fn child_row(id: i64, up: impl Into<Option<i64>>) -> Row {
    let up = up.into().map_or(Value::Null, Value::Long);
    Row::of([Value::Long(id), up, Value::String(format!("child {id}"))])
}

async fn family(factory: &dyn Factory, on_delete: OnDelete) -> Scene {
    Scene::new(factory, vec![bind(parent()), bind(referring("child", "parent", on_delete))]).await
}

async fn tree(factory: &dyn Factory, on_delete: OnDelete) -> Scene {
    Scene::new(factory, vec![bind(referring("node", "node", on_delete))]).await
}

async fn ids(scene: &mut Scene, table: &str) -> Vec<String> {
    let rows = scene.user.query(&format!("SELECT \"id\" FROM \"{table}\" ORDER BY \"id\"")).await;
    rows.into_iter().map(|mut row| row.remove(0)).collect()
}

/// Whatever the order of the records, parents are written before their children and deleted after them.
pub async fn parents_before_children(factory: &dyn Factory) {
    let mut scene = family(factory, OnDelete::Refuse).await;
    let mut records = scene.upserts(CHILD, [child_row(10, 1), child_row(11, 2)]);
    records.extend(scene.upserts(PARENT, [parent_row(1), parent_row(2)]));
    assert_eq!(scene.apply(records).await, ["upserted"; 4]);
    let mut records = scene.deletes(PARENT, [id(1), id(2)]);
    records.extend(scene.deletes(CHILD, [id(10), id(11)]));
    assert_eq!(scene.apply(records).await, ["deleted"; 4]);
    assert!(scene.captured(PARENT).await.is_empty() && scene.captured(CHILD).await.is_empty());
}

/// A child whose parent is not there waits, leaves everything as it was, and is due as soon as its own parent comes.
pub async fn children_wait_for_their_parent(factory: &dyn Factory) {
    let mut scene = family(factory, OnDelete::Refuse).await;
    let orphans = scene.upserts(CHILD, [child_row(10, 1), child_row(11, 2), child_row(12, None)]);
    assert_eq!(scene.apply(orphans).await, ["foreign_key", "foreign_key", "upserted"]);
    assert_eq!(ids(&mut scene, "child").await, ["12"]);
    let parked = scene.parked().await;
    assert!(parked.iter().all(|parked| parked.refusal.message.contains("parent")), "{parked:?}");
    // Another parent wakes nobody.
    let stranger = scene.feed.upsert(PARENT, parent_row(7));
    let applied = scene.feed.apply(scene.member.as_mut(), vec![stranger]).await;
    assert!(!applied.retry_now);
    assert!(scene.retry().await.is_empty());
    let first = scene.feed.upsert(PARENT, parent_row(1));
    let applied = scene.feed.apply(scene.member.as_mut(), vec![first]).await;
    assert!(applied.retry_now);
    let applied = scene.feed.retry(scene.member.as_mut()).await;
    assert_eq!((applied.outcomes, applied.unparked, applied.retry_now), (vec![Outcome::Upserted], 1, false));
    assert_eq!(ids(&mut scene, "child").await, ["10", "12"]);
    assert_eq!(scene.parked_kinds().await, [("11".to_owned(), "foreign_key")]);
    // In one batch with its parent it goes through at once.
    let parked = scene.parked().await;
    let mut records = vec![scene.feed.again(&parked[0])];
    records.extend(scene.upserts(PARENT, [parent_row(2)]));
    assert_eq!(scene.apply(records).await, ["upserted", "upserted"]);
    assert!(scene.parked().await.is_empty());
}

/// Whoever tries parked records page by page is told that there are more.
pub async fn pages_of_retries_follow_each_other(factory: &dyn Factory) {
    let mut scene = family(factory, OnDelete::Refuse).await;
    let orphans = scene.upserts(CHILD, (1..=5).map(|number| child_row(10 + number, number)));
    assert_eq!(scene.apply(orphans).await, ["foreign_key"; 5]);
    let parents = scene.upserts(PARENT, (1..=5).map(parent_row));
    let mut more = scene.feed.apply(scene.member.as_mut(), parents).await.retry_now;
    let mut pages = Vec::new();
    while more {
        let applied = scene.feed.retry_page(scene.member.as_mut(), 2).await;
        pages.push(applied.unparked);
        more = applied.retry_now;
    }
    assert_eq!(pages, [2, 2, 1]);
}

/// A parked record changes neither row nor tracking: the user's next edit does not seem made on top of it.
pub async fn refused_records_leave_tracking_alone(factory: &dyn Factory) {
    let mut scene = family(factory, OnDelete::Refuse).await;
    let first = scene.upserts(CHILD, [child_row(10, None)]);
    let seen = first[0].resolved.as_ref().unwrap().vv.clone();
    scene.apply(first).await;
    let refused = scene.upserts(CHILD, [child_row(10, 1), child_row(11, 1)]);
    assert_eq!(scene.apply(refused).await, ["foreign_key", "foreign_key"]);
    assert!(scene.captured(CHILD).await.is_empty());
    scene.user.run("UPDATE \"child\" SET \"name\" = 'mine' WHERE \"id\" = 10").await;
    scene.user.run("INSERT INTO \"child\" (\"id\", \"name\") VALUES (11, 'mine')").await;
    let changes = scene.changes(CHILD).await;
    assert_eq!(changes.len(), 2);
    assert_eq!(changes[0].change.seen, seen);
    assert!(changes[1].change.seen.is_empty());
}

/// A delete whose row others still refer to waits until they do no longer.
pub async fn deletes_wait_for_their_children(factory: &dyn Factory) {
    let mut scene = family(factory, OnDelete::Refuse).await;
    let mut records = scene.upserts(PARENT, [parent_row(1), parent_row(2), parent_row(3)]);
    records.extend(scene.upserts(CHILD, [child_row(10, 1), child_row(11, 2)]));
    scene.apply(records).await;
    let deletes = scene.deletes(PARENT, [id(1), id(2), id(3)]);
    assert_eq!(scene.apply(deletes).await, ["referenced", "referenced", "deleted"]);
    // One child goes, the other changes its parent.
    let mut records = scene.upserts(PARENT, [parent_row(4)]);
    records.extend(scene.upserts(CHILD, [child_row(11, 4)]));
    records.extend(scene.deletes(CHILD, [id(10)]));
    let applied = scene.feed.apply(scene.member.as_mut(), records).await;
    assert!(applied.retry_now);
    assert_eq!(scene.retry().await, ["deleted", "deleted"]);
    assert!(scene.parked().await.is_empty());
    assert_eq!(ids(&mut scene, "parent").await, ["4"]);
    assert!(scene.captured(PARENT).await.is_empty());
}

/// Rows of one table that refer to each other, in any order, and in a circle.
pub async fn rows_that_refer_to_rows_of_their_table(factory: &dyn Factory) {
    let mut scene = tree(factory, OnDelete::Refuse).await;
    // Children first; 5 refers to itself; 6 and 7 to each other.
    let rows = [(4, 3), (3, 2), (2, 1), (5, 5), (6, 7), (7, 6)].map(|(id, up)| child_row(id, up));
    let mut records = scene.upserts(0, rows);
    records.extend(scene.upserts(0, [child_row(1, None)]));
    assert_eq!(scene.apply(records).await, ["upserted"; 7]);
    // Parents first.
    let deletes = scene.deletes(0, [1, 2, 3, 4, 5, 6, 7].map(id));
    assert_eq!(scene.apply(deletes).await, ["deleted"; 7]);
    assert!(ids(&mut scene, "node").await.is_empty());
    assert!(scene.captured(0).await.is_empty());
}

/// Of rows that refer to each other, those that lead to a missing one wait, and no others do.
pub async fn chains_without_a_root_wait(factory: &dyn Factory) {
    let mut scene = tree(factory, OnDelete::Refuse).await;
    // 100 is missing; 1 to 30 hang on it, one on the other. 50 and 51 refer to each other, 40 to itself.
    let mut rows: Vec<Row> = (1..30).rev().map(|id| child_row(id + 1, id)).collect();
    rows.extend([
        child_row(1, 100),
        child_row(50, 51),
        child_row(51, 50),
        child_row(40, 40),
        child_row(60, None),
    ]);
    let records = scene.upserts(0, rows);
    let mut words = vec!["foreign_key"; 30];
    words.extend(["upserted"; 4]);
    assert_eq!(scene.apply(records).await, words);
    assert_eq!(ids(&mut scene, "node").await, ["40", "50", "51", "60"]);
    // The root comes, and all follow.
    let root = scene.upserts(0, [child_row(100, None)]);
    scene.apply(root).await;
    let mut rounds = 0;
    while !scene.retry().await.is_empty() {
        rounds += 1;
        scene.feed.wait(1);
        assert!(rounds < 40, "still parked: {:?}", scene.parked_kinds().await);
    }
    assert!(scene.parked().await.is_empty());
    assert_eq!(ids(&mut scene, "node").await.len(), 35);
}

/// Two tables that refer to each other.
pub async fn tables_in_a_circle(factory: &dyn Factory) {
    let mut man = referring("man", "boss", OnDelete::Refuse);
    man.foreign_keys[0].references = TableName::new("team");
    let team = referring("team", "man", OnDelete::Refuse);
    let mut scene = Scene::new(factory, vec![bind(man), bind(team)]).await;
    let mut records = scene.upserts(0, [child_row(1, 10), child_row(2, 10)]);
    records.extend(scene.upserts(1, [child_row(10, 1), child_row(11, 99)]));
    assert_eq!(scene.apply(records).await, ["upserted", "upserted", "upserted", "foreign_key"]);
    let mut deletes = scene.deletes(1, [id(10)]);
    deletes.extend(scene.deletes(0, [id(1), id(2)]));
    assert_eq!(scene.apply(deletes).await, ["deleted"; 3]);
    assert!(scene.captured(0).await.is_empty() && scene.captured(1).await.is_empty());
}

/// No cascade ever fires into a synchronised table: not onto a row that the group knows, and not onto one that a user
/// has just added.
pub async fn cascades_never_fire(factory: &dyn Factory) {
    for action in [OnDelete::Cascade, OnDelete::SetNull, OnDelete::SetDefault] {
        let mut scene = family(factory, action).await;
        let mut records = scene.upserts(PARENT, [parent_row(1), parent_row(2), parent_row(3)]);
        records.extend(scene.upserts(CHILD, [child_row(10, 1)]));
        scene.apply(records).await;
        scene.user.run("INSERT INTO \"child\" (\"id\", \"up\") VALUES (20, 2)").await;
        let deletes = scene.deletes(PARENT, [id(1), id(2), id(3)]);
        assert_eq!(scene.apply(deletes).await, ["referenced", "referenced", "deleted"], "{action:?}");
        let children = scene.user.query("SELECT \"id\", \"up\" FROM \"child\" ORDER BY \"id\"").await;
        assert_eq!(children, [["10", "1"], ["20", "2"]], "{action:?}");
        // The user's row is captured, and nothing besides.
        assert_eq!(scene.captured(CHILD).await, [("20".to_owned(), "20|2|NULL".to_owned())]);
        assert!(scene.captured(PARENT).await.is_empty());
        scene.user.run("DELETE FROM \"child\" WHERE \"id\" = 20").await;
        let child = scene.deletes(CHILD, [id(10)]);
        scene.apply(child).await;
        scene.feed.wait(1);
        assert_eq!(scene.retry().await, ["deleted", "deleted"], "{action:?}");
        assert!(scene.parked().await.is_empty());
    }
}

/// A cascade within rows that are all deleted in one batch is none.
pub async fn whole_trees_are_deleted_at_once(factory: &dyn Factory) {
    for action in [OnDelete::Cascade, OnDelete::SetNull] {
        let mut scene = tree(factory, action).await;
        let rows =
            [(1, None), (2, Some(1)), (3, Some(2)), (4, Some(3)), (5, Some(5)), (6, None), (7, Some(6))];
        let records = scene.upserts(0, rows.map(|(id, up)| child_row(id, up)));
        scene.apply(records).await;
        // Somebody has put a row below 7 that the group does not know.
        scene.user.run("INSERT INTO \"node\" (\"id\", \"up\") VALUES (8, 7)").await;
        let deletes = scene.deletes(0, [1, 6, 2, 3, 4, 5, 7].map(id));
        let words = scene.apply(deletes).await;
        assert_eq!(
            words,
            ["deleted", "referenced", "deleted", "deleted", "deleted", "deleted", "referenced"],
            "{action:?}"
        );
        let left = scene.user.query("SELECT \"id\", \"up\" FROM \"node\" ORDER BY \"id\"").await;
        assert_eq!(left, [["6", "NULL"], ["7", "6"], ["8", "7"]], "{action:?}");
        assert_eq!(scene.captured(0).await, [("8".to_owned(), "8|7|NULL".to_owned())]);
    }
}

/// Tables by the user's own hand: `middle` is not synchronised, and the cascade runs through it.
async fn middle(factory: &dyn Factory, last: &str) -> Scene {
    let fixture = factory.fresh().await;
    let mut user = fixture.user().await;
    user.run(&format!(
        "CREATE TABLE \"parent\" (\"id\" BIGINT NOT NULL PRIMARY KEY, \"name\" TEXT); \
         CREATE TABLE \"middle\" (\"id\" BIGINT NOT NULL PRIMARY KEY, \
           \"up\" BIGINT REFERENCES \"parent\" (\"id\") ON DELETE CASCADE, \
           \"over\" BIGINT REFERENCES \"middle\" (\"id\") ON DELETE CASCADE); \
         CREATE TABLE \"child\" (\"id\" BIGINT NOT NULL PRIMARY KEY, \
           \"up\" BIGINT REFERENCES \"middle\" (\"id\") ON DELETE {last}, \"name\" TEXT)"
    ))
    .await;
    let mut child = referring("child", "parent", OnDelete::Refuse);
    child.foreign_keys.clear();
    let bindings = vec![bind(parent()), bind(child)];
    let member = provisioned(fixture.as_ref(), &bindings).await;
    Scene::of(fixture, bindings, member).await
}

/// A cascade that would reach a synchronised table by way of tables that are not is found as well; one that ends in
/// those is the member's own business.
pub async fn cascades_through_tables_that_are_not_synchronised(factory: &dyn Factory) {
    for action in ["CASCADE", "SET NULL", "SET DEFAULT"] {
        let mut scene = middle(factory, action).await;
        let records = scene.upserts(PARENT, [parent_row(1), parent_row(2), parent_row(3)]);
        scene.apply(records).await;
        // 1 leads to a child by three rows of `middle`; 2 leads to rows of `middle` only, in a circle.
        scene
            .user
            .run(
                "INSERT INTO \"middle\" (\"id\", \"up\") VALUES (1, 1); \
                 INSERT INTO \"middle\" (\"id\", \"over\") VALUES (2, 1); \
                 INSERT INTO \"middle\" (\"id\", \"over\") VALUES (3, 2); \
                 INSERT INTO \"middle\" (\"id\", \"up\") VALUES (4, 2); \
                 INSERT INTO \"middle\" (\"id\", \"over\") VALUES (5, 4); \
                 UPDATE \"middle\" SET \"over\" = 5 WHERE \"id\" = 4",
            )
            .await;
        let children = scene.upserts(CHILD, [child_row(10, 3)]);
        assert_eq!(scene.apply(children).await, ["upserted"]);
        let deletes = scene.deletes(PARENT, [id(1), id(2), id(3)]);
        assert_eq!(scene.apply(deletes).await, ["referenced", "deleted", "deleted"], "{action}");
        assert_eq!(ids(&mut scene, "middle").await, ["1", "2", "3"], "{action}");
        assert_eq!(scene.user.query("SELECT \"up\" FROM \"child\"").await, [["3"]], "{action}");
        let child = scene.deletes(CHILD, [id(10)]);
        scene.apply(child).await;
        scene.feed.wait(1);
        assert_eq!(scene.retry().await, ["deleted"], "{action}");
        assert!(ids(&mut scene, "middle").await.is_empty(), "{action}");
        assert!(scene.captured(PARENT).await.is_empty() && scene.captured(CHILD).await.is_empty());
    }
}

async fn restoring(factory: &dyn Factory) -> Scene {
    let fixture = factory.fresh().await;
    let mut binding = TableBinding::clone(&bind(parent()));
    binding.blocked_delete = BlockedDelete::Restore;
    let bindings = vec![Arc::new(binding), bind(referring("child", "parent", OnDelete::Refuse))];
    let member = provisioned(fixture.as_ref(), &bindings).await;
    let mut scene = Scene::of(fixture, bindings, member).await;
    scene
        .user
        .run(
            "CREATE TABLE \"event\" (\"id\" BIGINT NOT NULL PRIMARY KEY, \
             \"up\" BIGINT REFERENCES \"parent\" (\"id\"))",
        )
        .await;
    let parents = scene.upserts(PARENT, [parent_row(1), parent_row(2)]);
    scene.apply(parents).await;
    scene
}

async fn expect_restored(scene: &mut Scene, delete: &ApplyRecord) {
    let resolved = delete.resolved.as_ref().unwrap();
    let changes = scene.changes(PARENT).await;
    assert_eq!(changes.len(), 1);
    let change = &changes[0].change;
    assert_eq!((changes[0].key.clone(), change.kind), (id(1), ChangeKind::Restored));
    assert_eq!(change.row, Some(parent_row(1)));
    assert_eq!(change.seen, resolved.vv, "it stands on top of the delete");
    assert!(change.changed_at.is_some());
    let answer = scene.feed.settle(PARENT, &changes[0]).unwrap();
    assert_eq!(answer.resolved.as_ref().unwrap().row, Some(parent_row(1)), "the row wins");
    assert_eq!(scene.apply(vec![answer]).await, ["same content"]);
    assert!(scene.parked().await.is_empty());
}

/// With `blocked_delete: restore` a row that the member cannot delete comes back in all members, as a change of this
/// one on top of the delete.
pub async fn blocked_deletes_are_restored(factory: &dyn Factory) {
    let mut scene = restoring(factory).await;
    scene.user.run("INSERT INTO \"event\" (\"id\", \"up\") VALUES (1, 1)").await;
    let deletes = scene.deletes(PARENT, [id(1), id(2)]);
    assert_eq!(scene.apply(deletes.clone()).await, ["restored", "deleted"]);
    assert_eq!(ids(&mut scene, "parent").await, ["1"]);
    // The delete once more, as after a crash before the offsets: it is older than the restored row.
    scene.rewind(2).await;
    assert_eq!(scene.apply(deletes.clone()).await, ["already there", "already there"]);
    expect_restored(&mut scene, &deletes[0]).await;
}

/// While synchronised rows refer to it, a delete waits first: their own deletes may be on their way.
pub async fn restoring_waits_for_synchronised_children(factory: &dyn Factory) {
    let mut scene = restoring(factory).await;
    let children = scene.upserts(CHILD, [child_row(10, 1), child_row(11, 2)]);
    scene.apply(children).await;
    let deletes = scene.deletes(PARENT, [id(1), id(2)]);
    assert_eq!(scene.apply(deletes.clone()).await, ["referenced", "referenced"]);
    // The one child's delete comes, and the parent's goes through.
    let child = scene.deletes(CHILD, [id(11)]);
    scene.apply(child).await;
    assert_eq!(scene.retry().await, ["deleted"]);
    // The other's does not come.
    let mut waited = 0;
    loop {
        scene.feed.wait(1);
        waited += 1;
        match scene.retry().await.as_slice() {
            [] => {}
            ["referenced"] => assert!(waited < 300),
            other => {
                assert_eq!(other, ["restored"]);
                break;
            }
        }
    }
    assert!((30..300).contains(&waited), "after {waited} s");
    expect_restored(&mut scene, &deletes[0]).await;
}
