//! Members of one direction: a subscriber's own rows and edits are no changes, and a direction is for good.

use super::feed::Scene;
use crate::contract::fixture::{Factory, bind, id, provisioned_of, table};
use crate::{Direction, ErrorKind, TablePosition};
use std::sync::Arc;
use tributary_model::{LogicalType, Row, TableSchema, Value};

fn note() -> TableSchema {
    table("note", &[("id", LogicalType::Long), ("body", LogicalType::String)], &["id"])
}

fn row(id: i64, body: &str) -> Row {
    Row::of([Value::Long(id), Value::String(body.to_owned())])
}

const ALL: &str = "SELECT \"id\", \"body\" FROM \"note\" ORDER BY \"id\"";

/// A subscriber with the rows 1 and 2, which were there before it was provisioned.
async fn start(factory: &dyn Factory) -> Scene {
    let fixture = factory.fresh().await;
    let bindings = [bind(note())];
    let mut member = provisioned_of(fixture.as_ref(), Direction::Subscribe, &bindings).await;
    member.deprovision().await.unwrap();
    let mut user = fixture.user().await;
    user.run("INSERT INTO \"note\" (\"id\", \"body\") VALUES (1, 'before'), (2, 'before')").await;
    let member = provisioned_of(fixture.as_ref(), Direction::Subscribe, &bindings).await;
    Scene::of(fixture, bindings.to_vec(), member).await
}

/// Whatever a subscriber's users did, the next record of the cell is written over it.
pub async fn subscribers_give_way(factory: &dyn Factory) {
    let mut start = start(factory).await;
    let (one, two) = (start.feed.upsert(0, row(1, "theirs")), start.feed.upsert(0, row(2, "theirs")));
    assert_eq!(start.apply(vec![one, two]).await, ["upserted"; 2], "rows that were there before");
    start.user.run("UPDATE \"note\" SET \"body\" = 'mine'").await;
    start.user.run("INSERT INTO \"note\" (\"id\", \"body\") VALUES (3, 'mine')").await;
    let records = vec![
        start.feed.upsert(0, row(1, "theirs again")),
        start.feed.delete(0, &id(2)),
        start.feed.upsert(0, row(3, "theirs")),
    ];
    assert_eq!(start.apply(records).await, ["upserted", "deleted", "upserted"]);
    assert_eq!(start.user.query(ALL).await, [["1", "theirs again"], ["3", "theirs"]]);
    // A row that the user deleted comes back.
    start.user.run("DELETE FROM \"note\" WHERE \"id\" = 1").await;
    let back = start.feed.upsert(0, row(1, "back"));
    assert_eq!(start.apply(vec![back]).await, ["upserted"]);
    // Nothing of the user's is left that would keep the tombstone.
    let null = start.feed.expire(0, &id(2));
    assert_eq!(start.apply(vec![null]).await, ["purged"]);
    start.rewind(0).await;
    let again: Vec<_> = start.feed.published.iter().take(5).cloned().collect();
    assert_eq!(start.apply(again).await.last(), Some(&"already there"));
    assert_eq!(start.user.query(ALL).await, [["1", "back"], ["3", "theirs"]]);
}

/// What the group has no record of stays, and is told as the member's own.
pub async fn subscribers_keep_what_no_record_touches(factory: &dyn Factory) {
    let mut start = start(factory).await;
    let one = start.feed.upsert(0, row(1, "theirs"));
    start.apply(vec![one]).await;
    start.user.run("UPDATE \"note\" SET \"body\" = 'mine' WHERE \"id\" = 1").await;
    start.rewind(0).await;
    let one = start.feed.published[0].clone();
    assert_eq!(start.apply(vec![one]).await, ["already there"], "a replay is no news");
    assert_eq!(start.user.query(ALL).await, [["1", "mine"], ["2", "before"]]);
    let own = start.member.poll(0, &TablePosition::default(), 10).await.unwrap();
    assert_eq!(own.changes.iter().map(|change| change.key.clone()).collect::<Vec<_>>(), [id(1)]);
}

/// A member that was provisioned with one direction is not opened with another, unless its direction is to be changed.
pub async fn a_changed_direction_is_refused(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let bindings = [bind(note())];
    provisioned_of(fixture.as_ref(), Direction::Publish, &bindings).await;
    for other in [Direction::Both, Direction::Subscribe] {
        let error = fixture.connector_of("hq", other).connect(&bindings).await.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DirectionChanged);
        let text = error.to_string();
        for part in ["`direction: publish`", other.as_str(), "`tributary member reinit hq`"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    let again = provisioned_of(fixture.as_ref(), Direction::Publish, &[Arc::clone(&bindings[0])]).await;
    drop(again);
    // Once its objects are removed it is like any other database.
    let mut member = fixture.connector_of("hq", Direction::Publish).connect(&bindings).await.unwrap();
    member.deprovision().await.unwrap();
    provisioned_of(fixture.as_ref(), Direction::Both, &bindings).await;
}
