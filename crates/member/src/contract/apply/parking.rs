//! Records that the database refuses: each kind, alone among others, listed until it is settled.

use super::feed::{Scene, words};
use crate::contract::fixture::{Factory, bind, id, provisioned, table};
use crate::{ApplyRecord, ParkedAt, ParkedFilter};
use tributary_model::{LogicalType, Row, TableName, TableSchema, Value, time::TICKS_A_SECOND};

fn item() -> TableSchema {
    table("item", &[("id", LogicalType::Long), ("rank", LogicalType::Int)], &["id"])
}

fn row(id: i64, rank: impl Into<Option<i32>>) -> Row {
    Row::of([Value::Long(id), rank.into().map_or(Value::Null, Value::Int)])
}

/// `rank` must be there and below 100.
async fn strict(factory: &dyn Factory) -> Scene {
    let fixture = factory.fresh().await;
    let mut user = fixture.user().await;
    user.run(
        "CREATE TABLE \"item\" (\"id\" BIGINT NOT NULL PRIMARY KEY, \"rank\" INT NOT NULL CHECK (\"rank\" < 100))",
    )
    .await;
    let bindings = vec![bind(item())];
    let member = provisioned(fixture.as_ref(), &bindings).await;
    Scene::of(fixture, bindings, member).await
}

async fn ranks(scene: &mut Scene) -> Vec<Vec<String>> {
    scene.user.query("SELECT \"id\", \"rank\" FROM \"item\" ORDER BY 1").await
}

/// Only what is refused is parked, wherever it stands in the batch; all else is committed with the offsets.
pub async fn refused_records_hold_up_nobody(factory: &dyn Factory) {
    let mut scene = strict(factory).await;
    let rows = (1..=40).map(|id| {
        row(
            id,
            if id % 7 == 0 {
                Some(100)
            } else if id % 11 == 0 {
                None
            } else {
                Some(1)
            },
        )
    });
    let records = scene.upserts(0, rows);
    let expected: Vec<_> = (1..=40)
        .map(|id| {
            if id % 7 == 0 {
                "check"
            } else if id % 11 == 0 {
                "not_null"
            } else {
                "upserted"
            }
        })
        .collect();
    assert_eq!(scene.apply(records).await, expected);
    let upserted = expected.iter().filter(|word| **word == "upserted").count();
    assert_eq!(ranks(&mut scene).await.len(), upserted);
    assert_eq!(scene.parked().await.len(), 40 - upserted);
    assert!(scene.captured(0).await.is_empty());
    let counts = scene.member.parked_counts().await.unwrap();
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [((TableName::new("item"), "apply"), 8)]);
}

/// What is listed, and that the pauses grow.
pub async fn parked_records_are_listed_in_full(factory: &dyn Factory) {
    let mut scene = strict(factory).await;
    let records = scene.upserts(0, [row(1, 100)]);
    let vv = records[0].resolved.as_ref().unwrap().vv.clone();
    let began = scene.feed.now;
    scene.apply(records.clone()).await;
    let parked = scene.parked().await.remove(0);
    assert_eq!((parked.at, parked.table.as_str(), parked.key_text.as_str()), (ParkedAt::Apply, "item", "1"));
    assert_eq!((parked.key.clone(), parked.vv.clone()), (Some(id(1)), vv));
    assert_eq!(parked.source, Some(records[0].source.clone()));
    assert_eq!(parked.payload, records[0].payload);
    assert_eq!((parked.attempts, parked.first_at, parked.last_at), (1, began, began));
    assert!(!parked.refusal.message.is_empty() && !parked.refusal.code.is_empty());
    let mut pause = parked.due_at - parked.last_at;
    assert!(pause > 0);
    for attempts in 2..12 {
        assert!(scene.retry().await.is_empty(), "it is not due yet");
        scene.feed.now = scene.parked().await[0].due_at;
        assert_eq!(scene.retry().await, ["check"]);
        let parked = scene.parked().await.remove(0);
        assert_eq!((parked.attempts, parked.first_at, parked.last_at), (attempts, began, scene.feed.now));
        let next = parked.due_at - parked.last_at;
        assert!(next >= pause && next <= 256 * TICKS_A_SECOND);
        pause = next;
    }
    assert_eq!(pause, 256 * TICKS_A_SECOND);
    // An operator need not wait.
    assert!(scene.retry().await.is_empty());
    assert_eq!(scene.member.retry_parked(Some(&TableName::new("other"))).await.unwrap(), 0);
    assert_eq!(scene.member.retry_parked(Some(&TableName::new("item"))).await.unwrap(), 1);
    assert_eq!(scene.retry().await, ["check"]);
    assert_eq!(scene.member.retry_parked(None).await.unwrap(), 1);
    let of_table =
        |name: &str| ParkedFilter::All { table: Some(TableName::new(name)), after: None, limit: 10 };
    assert_eq!(scene.member.parked(&of_table("item")).await.unwrap().len(), 1);
    assert!(scene.member.parked(&of_table("other")).await.unwrap().is_empty());
    let none = ParkedFilter::All { table: None, after: None, limit: 0 };
    assert!(scene.member.parked(&none).await.unwrap().is_empty());
}

/// A long list is read page by page, each record once; all of them are made due, and none twice.
pub async fn a_flood_is_listed_and_made_due_in_pages(factory: &dyn Factory) {
    const FLOOD: i64 = 6_000;
    let mut scene = strict(factory).await;
    let records = scene.upserts(0, (1..=FLOOD).map(|id| row(id, 100)));
    assert!(scene.apply(records).await.iter().all(|word| *word == "check"));
    let (mut after, mut listed) = (None, Vec::new());
    loop {
        let page = ParkedFilter::All { table: Some(TableName::new("item")), after, limit: 700 };
        let page = scene.member.parked(&page).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 700);
        assert!(page.iter().all(|parked| Some(parked.number) > after));
        after = Some(last.number);
        listed.extend(page.into_iter().map(|parked| parked.source.unwrap().offset));
    }
    assert_eq!(listed.len(), FLOOD as usize, "listed");
    listed.sort_unstable();
    listed.dedup();
    assert_eq!(listed.len(), FLOOD as usize, "of different records");
    let tables = |name: &str| vec![TableName::new(name)];
    let due = |now, tables| ParkedFilter::Retryable { now, tables, limit: 10_000 };
    let now = scene.feed.now;
    assert!(scene.member.parked(&due(now, tables("item"))).await.unwrap().is_empty(), "nothing is due yet");
    assert_eq!(i64::try_from(scene.member.retry_parked(None).await.unwrap()), Ok(FLOOD));
    assert_eq!(scene.member.parked(&due(now, tables("item"))).await.unwrap().len(), FLOOD as usize);
    assert!(scene.member.parked(&due(now, tables("other"))).await.unwrap().is_empty());
}

/// A clock that was set back: what was refused before is tried again all the same, and not an hour later.
pub async fn a_clock_set_back_delays_no_retry(factory: &dyn Factory) {
    let mut scene = strict(factory).await;
    let records = scene.upserts(0, [row(1, 100)]);
    assert_eq!(scene.apply(records).await, ["check"]);
    assert!(scene.retry().await.is_empty(), "it is not due yet");
    scene.feed.wait(-3_600);
    assert_eq!(scene.retry().await, ["check"]);
    assert!(scene.retry().await.is_empty(), "it goes by the present clock now");
}

/// A newer record that is applied, or found to be there, ends what is parked of its cell; an older one does not, and
/// never takes its place.
pub async fn newer_records_end_what_is_parked(factory: &dyn Factory) {
    let mut scene = strict(factory).await;
    let records = scene.upserts(0, [row(1, 1), row(1, 100), row(1, 101), row(1, 2)]);
    let [good, bad, worse, better] = <[_; 4]>::try_from(records).unwrap();
    assert_eq!(scene.apply(vec![good.clone()]).await, ["upserted"]);
    assert_eq!(scene.apply(vec![bad.clone()]).await, ["check"]);
    scene.feed.wait(1);
    assert_eq!(scene.apply(vec![worse.clone()]).await, ["check"]);
    let parked = scene.parked().await;
    assert_eq!(
        parked.iter().map(|parked| parked.source.clone()).collect::<Vec<_>>(),
        [Some(worse.source.clone())]
    );
    assert_eq!(
        (parked[0].attempts, parked[0].first_at),
        (1, scene.feed.now),
        "another record, another count"
    );
    // A replay.
    scene.rewind(0).await;
    assert_eq!(scene.apply(vec![good]).await, ["already there"]);
    assert_eq!(scene.apply(vec![bad.clone()]).await, ["superseded"]);
    assert_eq!(scene.parked().await, parked);
    // The one that was replaced is not tried again, if somebody still has it.
    let stale = ApplyRecord { retry: true, ..bad };
    assert_eq!(scene.apply(vec![stale]).await, ["superseded"]);
    assert_eq!(scene.parked().await, parked);
    let applied = scene.feed.apply(scene.member.as_mut(), vec![better]).await;
    assert_eq!((words(&applied), applied.unparked), (vec!["upserted"], 1));
    assert!(scene.parked().await.is_empty());
    let stale = ApplyRecord { retry: true, ..worse };
    assert_eq!(scene.apply(vec![stale]).await, ["superseded"]);
    assert_eq!(ranks(&mut scene).await, [["1", "2"]]);
}

/// A newer record in the same batch takes the place of one that is tried again, whatever becomes of it.
pub async fn retries_give_way_to_newer_records(factory: &dyn Factory) {
    let mut scene = strict(factory).await;
    let records = scene.upserts(0, [row(1, 100), row(2, 100), row(3, 100)]);
    scene.apply(records).await;
    scene.user.run("INSERT INTO \"item\" (\"id\", \"rank\") VALUES (3, 3)").await;
    let mut batch: Vec<_> = scene.parked().await.iter().map(|parked| scene.feed.again(parked)).collect();
    batch.extend(scene.upserts(0, [row(1, 1), row(2, 200), row(3, 4)]));
    let words = scene.apply(batch).await;
    assert_eq!(words, ["superseded", "superseded", "superseded", "upserted", "check", "local is newer"]);
    assert_eq!(scene.parked_kinds().await, [("2".to_owned(), "check"), ("3".to_owned(), "check")]);
    let parked = scene.parked().await;
    let of = |key: &str| parked.iter().find(|parked| parked.key_text == key).unwrap();
    assert_eq!(of("2").source.as_ref().unwrap().offset, 4);
    assert_eq!(of("3").source.as_ref().unwrap().offset, 2, "what rule 2 skips ends nothing");
    assert!(of("3").due_at > scene.feed.now, "and is not tried again at once for ever");
}

/// A parked record that the user's own change has overtaken stays, until the group's answer to that change ends it.
pub async fn users_overtake_parked_records(factory: &dyn Factory) {
    let mut scene = strict(factory).await;
    let records = scene.upserts(0, [row(1, 1), row(1, 100)]);
    for record in records {
        scene.apply(vec![record]).await;
    }
    scene.user.run("UPDATE \"item\" SET \"rank\" = 9").await;
    scene.feed.wait(2);
    assert_eq!(scene.retry().await, ["local is newer"]);
    assert_eq!(scene.parked_kinds().await, [("1".to_owned(), "check")]);
    assert!(scene.retry().await.is_empty(), "not at once again");
    let answers = scene.answers(0).await;
    assert_eq!(scene.apply(answers).await, ["same content"]);
    assert!(scene.parked().await.is_empty());
    assert_eq!(ranks(&mut scene).await, [["1", "9"]]);
}

/// A tombstone that expires does not end a parked delete: the row is still there.
pub async fn parked_deletes_outlive_their_tombstone(factory: &dyn Factory) {
    let mut scene = strict(factory).await;
    scene
        .user
        .run("CREATE TABLE \"use\" (\"id\" BIGINT NOT NULL PRIMARY KEY, \"of\" BIGINT REFERENCES \"item\" (\"id\"))")
        .await;
    let records = scene.upserts(0, [row(1, 1)]);
    scene.apply(records).await;
    scene.user.run("INSERT INTO \"use\" (\"id\", \"of\") VALUES (1, 1)").await;
    let deletes = scene.deletes(0, [id(1)]);
    assert_eq!(scene.apply(deletes).await, ["referenced"]);
    let null = scene.feed.expire(0, &id(1));
    assert_eq!(scene.apply(vec![null]).await, ["purged"]);
    assert_eq!(scene.parked_kinds().await, [("1".to_owned(), "referenced")]);
    scene.user.run("DELETE FROM \"use\"").await;
    scene.feed.wait(1);
    assert_eq!(scene.retry().await, ["deleted"]);
    assert!(ranks(&mut scene).await.is_empty());
    assert!(scene.captured(0).await.is_empty());
}
