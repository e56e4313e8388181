//! Unique constraints besides the key: values that change hands, and true conflicts between cells.

use super::feed::Scene;
use crate::contract::fixture::{Factory, bind, id, provisioned, table};
use crate::{Outcome, TableBinding};
use std::sync::Arc;
use tributary_model::{LogicalType, Row, TableSchema, Value};

/// Unique in `email`, and in `room` with `seat`.
fn person() -> TableSchema {
    let columns = [
        ("id", LogicalType::Long),
        ("email", LogicalType::String),
        ("room", LogicalType::Int),
        ("seat", LogicalType::Int),
    ];
    let mut schema = table("person", &columns, &["id"]);
    schema.unique = vec![vec![1], vec![2, 3]];
    schema
}

fn row(id: i64, email: &str) -> Row {
    seated(id, email, Value::Null)
}

fn seated(id: i64, email: &str, seat: Value) -> Row {
    let email = if email.is_empty() { Value::Null } else { Value::String(email.to_owned()) };
    Row::of([Value::Long(id), email, Value::Int(1), seat])
}

async fn emails(scene: &mut Scene) -> Vec<String> {
    let rows = scene.user.query("SELECT \"id\", \"email\" FROM \"person\" ORDER BY \"id\"").await;
    rows.into_iter().map(|row| format!("{}{}", row[0], row[1])).collect()
}

async fn start(factory: &dyn Factory, rows: &[(i64, &str)]) -> Scene {
    let mut scene = Scene::new(factory, vec![bind(person())]).await;
    let records = scene.upserts(0, rows.iter().map(|(id, email)| row(*id, email)));
    scene.apply(records).await;
    scene
}

/// Two rows that swap a value in one batch end up swapped, and are updated in place.
pub async fn values_are_swapped_in_one_batch(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    provisioned(fixture.as_ref(), &[bind(person())]).await.deprovision().await.unwrap();
    // The member keeps `room` and `seat` to itself: they show that no row was deleted to be inserted again.
    let mut binding = TableBinding::clone(&bind(person()));
    binding.local_columns[2..].fill(None);
    let bindings = vec![Arc::new(binding)];
    let member = provisioned(fixture.as_ref(), &bindings).await;
    let mut scene = Scene::of(fixture, bindings, member).await;
    let records = scene.upserts(0, [row(1, "a"), row(2, "b"), row(3, "c"), row(4, "d")]);
    scene.apply(records).await;
    scene.user.run("UPDATE \"person\" SET \"room\" = 7, \"seat\" = \"id\"").await;
    let swaps = scene.upserts(0, [row(1, "b"), row(2, "a"), row(3, "e")]);
    assert_eq!(scene.apply(swaps).await, ["upserted"; 3]);
    // A circle of three, and a chain into a value that becomes free.
    let circle = scene.upserts(0, [row(1, "a"), row(2, "e"), row(3, "b"), row(4, "f"), row(5, "d")]);
    assert_eq!(scene.apply(circle).await, ["upserted"; 5]);
    assert_eq!(emails(&mut scene).await, ["1a", "2e", "3b", "4f", "5d"]);
    let kept = scene
        .user
        .query("SELECT \"id\", \"room\", \"seat\" FROM \"person\" WHERE \"id\" < 5 ORDER BY 1")
        .await;
    assert_eq!(kept, [["1", "7", "1"], ["2", "7", "2"], ["3", "7", "3"], ["4", "7", "4"]]);
    assert!(scene.captured(0).await.is_empty());
}

/// The halves of a swap may come in two batches: the first waits for the second.
pub async fn values_are_swapped_in_two_batches(factory: &dyn Factory) {
    let mut scene = start(factory, &[(1, "a"), (2, "b"), (3, "c")]).await;
    let records = scene.upserts(0, [row(1, "b"), row(2, "a")]);
    let [first, second] = <[_; 2]>::try_from(records).unwrap();
    let applied = scene.feed.apply(scene.member.as_mut(), vec![first]).await;
    assert!(!applied.retry_now);
    assert_eq!(scene.parked_kinds().await, [("1".to_owned(), "unique")]);
    assert!(scene.parked().await[0].refusal.message.contains('2'), "it names the row that has the value");
    let applied = scene.feed.apply(scene.member.as_mut(), vec![second]).await;
    assert!(applied.retry_now);
    assert_eq!(scene.retry().await, ["upserted", "upserted"]);
    assert!(scene.parked().await.is_empty());
    // A circle of three, one record at a time.
    let circle = scene.upserts(0, [row(1, "a"), row(2, "c"), row(3, "b")]);
    for record in circle {
        assert_eq!(scene.apply(vec![record]).await, ["unique"]);
        scene.retry().await;
    }
    assert!(scene.parked().await.is_empty(), "{:?}", scene.parked_kinds().await);
    assert_eq!(emails(&mut scene).await, ["1a", "2c", "3b"]);
    assert!(scene.captured(0).await.is_empty());
}

/// A value that moves up a long chain of rows.
pub async fn values_move_along_a_chain(factory: &dyn Factory) {
    let mut scene = Scene::new(factory, vec![bind(person())]).await;
    let seats = |by: i32| (1..=200).map(move |id| seated(i64::from(id), "", Value::Int(id + by)));
    let records = scene.upserts(0, seats(0));
    scene.apply(records).await;
    for by in [1, 0] {
        let records = scene.upserts(0, seats(by));
        assert_eq!(scene.apply(records).await, ["upserted"; 200]);
        let wrong =
            scene.user.query(&format!("SELECT \"id\" FROM \"person\" WHERE \"seat\" <> \"id\" + {by}")).await;
        assert!(wrong.is_empty());
    }
}

/// The delete of the row that has the value goes first.
pub async fn the_holder_is_deleted_first(factory: &dyn Factory) {
    let mut scene = start(factory, &[(1, "a")]).await;
    let mut records = scene.upserts(0, [row(2, "a")]);
    records.extend(scene.deletes(0, [id(1)]));
    assert_eq!(scene.apply(records).await, ["upserted", "deleted"]);
    assert_eq!(emails(&mut scene).await, ["2a"]);
    // In two batches the new holder waits.
    let third = scene.upserts(0, [row(3, "a")]);
    assert_eq!(scene.apply(third).await, ["unique"]);
    let second = scene.deletes(0, [id(2)]);
    let applied = scene.feed.apply(scene.member.as_mut(), second).await;
    assert!(applied.retry_now);
    assert_eq!(scene.retry().await, ["upserted"]);
    assert_eq!(emails(&mut scene).await, ["3a"]);
}

/// Two cells that want the same value for good: the later one is listed, and nobody else is held up.
pub async fn true_conflicts_are_listed(factory: &dyn Factory) {
    let mut scene = start(factory, &[(1, "a"), (2, "b"), (3, "c")]).await;
    // 1 and 2 swap; 4 wants what 3 keeps; 5 wants what 4 would have given up.
    let records = scene.upserts(0, [row(1, "b"), row(4, "c"), row(2, "a"), row(5, "x")]);
    assert_eq!(scene.apply(records).await, ["upserted", "unique", "upserted", "upserted"]);
    assert_eq!(emails(&mut scene).await, ["1b", "2a", "3c", "5x"]);
    let parked = scene.parked().await;
    assert!(parked[0].refusal.message.contains("key 3"), "{}", parked[0].refusal.message);
    // It is tried again by time, in vain, and without waking others.
    for _ in 0..3 {
        scene.feed.wait(300);
        let applied = scene.feed.retry(scene.member.as_mut()).await;
        assert!(matches!(applied.outcomes.as_slice(), [Outcome::Parked(_)]) && !applied.retry_now);
    }
    assert_eq!(scene.parked().await[0].attempts, 4);
    // Somebody settles it.
    let settled = scene.upserts(0, [row(3, "z")]);
    let applied = scene.feed.apply(scene.member.as_mut(), settled).await;
    assert!(applied.retry_now);
    assert_eq!(scene.retry().await, ["upserted"]);
    assert_eq!(emails(&mut scene).await, ["1b", "2a", "3z", "4c", "5x"]);
}

/// In a constraint of several columns, and with both constraints at once.
pub async fn constraints_of_several_columns(factory: &dyn Factory) {
    let mut scene = Scene::new(factory, vec![bind(person())]).await;
    let seat = |id, email, number| seated(id, email, Value::Int(number));
    let records = scene.upserts(0, [seat(1, "a", 1), seat(2, "b", 2), seat(3, "c", 3)]);
    scene.apply(records).await;
    let records = scene.upserts(0, [seat(1, "b", 3), seat(2, "c", 1), seat(3, "a", 2)]);
    assert_eq!(scene.apply(records).await, ["upserted"; 3]);
    let rows = scene.user.query("SELECT \"id\", \"email\", \"seat\" FROM \"person\" ORDER BY 1").await;
    assert_eq!(rows, [["1", "b", "3"], ["2", "c", "1"], ["3", "a", "2"]]);
}
