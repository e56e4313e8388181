//! Live changes and their positions.

use crate::contract::fixture::{Factory, all_told, bind, drain, id, provisioned, table};
use crate::{ErrorKind, TableBinding, TablePosition};
use std::sync::Arc;
use tributary_model::{ChangeKind, LogicalType, TableSchema};

fn note() -> TableSchema {
    table(
        "note",
        &[("id", LogicalType::Long), ("body", LogicalType::String), ("rank", LogicalType::Int)],
        &["id"],
    )
}

fn said(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, row)| ((*key).to_owned(), (*row).to_owned())).collect()
}

/// Inserts, updates and deletes come in commit order, with image, growing versions, time and what they were made on.
pub async fn changes_carry_their_rows(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let binding = bind(note());
    let mut member = provisioned(fixture.as_ref(), &[Arc::clone(&binding)]).await;
    let before = member.clock().await.unwrap();
    let mut user = fixture.user().await;
    user.run("INSERT INTO \"note\" (\"id\", \"body\", \"rank\") VALUES (1, 'one', 10)").await;
    user.run("INSERT INTO \"note\" (\"id\", \"body\", \"rank\") VALUES (2, NULL, NULL)").await;
    let mut position = TablePosition::default();
    let first = drain(member.as_mut(), 0, &mut position, 10).await;
    assert_eq!(all_told(&binding.schema, &first), said(&[("1", "1|one|10"), ("2", "2|NULL|NULL")]));
    user.run("UPDATE \"note\" SET \"body\" = 'uno' WHERE \"id\" = 1").await;
    user.run("DELETE FROM \"note\" WHERE \"id\" = 2").await;
    let second = drain(member.as_mut(), 0, &mut position, 10).await;
    assert_eq!(all_told(&binding.schema, &second), said(&[("1", "1|uno|10"), ("2", "-")]));
    let after = member.clock().await.unwrap();
    let mut last = 1;
    for change in first.iter().chain(&second) {
        let change = &change.change;
        assert!(change.dot.version > last, "versions grow, from 2 on");
        last = change.dot.version;
        assert_eq!(change.dot.incarnation.as_str(), "hq");
        assert_eq!(change.kind, ChangeKind::Live);
        assert!(change.seen.is_empty());
        assert_eq!(change.changed_at, change.effective_at);
        let changed_at = change.changed_at.unwrap();
        // Triggers and clock may differ by what they are rounded to.
        assert!((before - 10_000..=after + 10_000).contains(&changed_at), "{before} {changed_at} {after}");
    }
    assert!(drain(member.as_mut(), 0, &mut position, 10).await.is_empty(), "no change comes twice");
}

/// Whatever the page size and wherever one begins, the rest comes, whole and in the same order.
pub async fn any_position_can_be_resumed(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let binding = bind(note());
    let mut member = provisioned(fixture.as_ref(), &[Arc::clone(&binding)]).await;
    let mut user = fixture.user().await;
    for number in 1..=23 {
        user.run(&format!("INSERT INTO \"note\" (\"id\", \"body\") VALUES ({number}, 'n{number}')")).await;
    }
    user.run("UPDATE \"note\" SET \"rank\" = 1 WHERE \"id\" % 5 = 0").await;
    user.run("DELETE FROM \"note\" WHERE \"id\" % 7 = 0").await;
    let all = drain(member.as_mut(), 0, &mut TablePosition::default(), 1000).await;
    assert_eq!(all.len(), 23);
    for rows in [1, 2, 3, 7, 22, 23, 24] {
        let paged = drain(member.as_mut(), 0, &mut TablePosition::default(), rows).await;
        assert_eq!(paged, all, "in pages of {rows}");
    }
    let mut position = TablePosition::default();
    for read in 0..23 {
        // A new connection knows nothing but the position.
        let mut other = fixture.connector("hq").connect(&[Arc::clone(&binding)]).await.unwrap();
        let rest = drain(other.as_mut(), 0, &mut position.clone(), 5).await;
        assert_eq!(rest, all[read..], "after {read} changes");
        assert_eq!(other.pending(0, &done(&position)).await.unwrap(), (23 - read) as u64);
        position = member.poll(0, &position, 1).await.unwrap().next;
    }
}

fn done(position: &TablePosition) -> TablePosition {
    TablePosition { scan: crate::Scan::Done, ..position.clone() }
}

/// Three updates between two polls are one change, with the last image.
pub async fn a_cell_changed_again_comes_once(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let binding = bind(note());
    let mut member = provisioned(fixture.as_ref(), &[Arc::clone(&binding)]).await;
    let mut user = fixture.user().await;
    user.run("INSERT INTO \"note\" (\"id\", \"body\") VALUES (1, 'a')").await;
    user.run("INSERT INTO \"note\" (\"id\", \"body\") VALUES (2, 'b')").await;
    user.run("INSERT INTO \"note\" (\"id\", \"body\") VALUES (3, 'c')").await;
    let mut position = TablePosition::default();
    let page = member.poll(0, &position, 1).await.unwrap();
    assert!(page.more);
    position = page.next;
    user.run("UPDATE \"note\" SET \"body\" = 'b2' WHERE \"id\" = 2").await;
    user.run("UPDATE \"note\" SET \"body\" = 'b3' WHERE \"id\" = 2").await;
    user.run("DELETE FROM \"note\" WHERE \"id\" = 3").await;
    user.run("INSERT INTO \"note\" (\"id\", \"body\") VALUES (3, 'c2')").await;
    let rest = drain(member.as_mut(), 0, &mut position, 10).await;
    assert_eq!(all_told(&binding.schema, &rest), said(&[("2", "2|b3|NULL"), ("3", "3|c2|NULL")]));
}

/// A statement of many rows is as many changes, each with a version of its own.
pub async fn statements_of_many_rows(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let (note, copy) =
        (bind(note()), bind(TableSchema { name: tributary_model::TableName::new("copy"), ..note() }));
    let mut member = provisioned(fixture.as_ref(), &[note, copy]).await;
    let mut user = fixture.user().await;
    let rows: Vec<String> = (1..=50).map(|number| format!("({number}, 'n', {number})")).collect();
    user.run(&format!("INSERT INTO \"note\" (\"id\", \"body\", \"rank\") VALUES {}", rows.join(", "))).await;
    user.run(
        "INSERT INTO \"copy\" (\"id\", \"body\", \"rank\") SELECT \"id\", \"body\", \"rank\" FROM \"note\"",
    )
    .await;
    user.run("UPDATE \"note\" SET \"rank\" = \"rank\" + 1 WHERE \"id\" <= 30").await;
    user.run("DELETE FROM \"note\" WHERE \"id\" > 40").await;
    let mut versions = Vec::new();
    for (at, updated, deleted) in [(0, 30, 10), (1, 0, 0)] {
        let changes = drain(member.as_mut(), at, &mut TablePosition::default(), 9).await;
        assert_eq!(changes.len(), 50);
        assert_eq!(changes.iter().filter(|change| change.change.is_delete()).count(), deleted);
        let ranks = changes.iter().filter_map(|change| {
            let row = change.change.row.as_ref()?;
            let text = |column| row.get(column).map(ToString::to_string);
            Some(text(0) != text(2))
        });
        assert_eq!(ranks.filter(|changed| *changed).count(), updated);
        versions.extend(changes.iter().map(|change| change.change.dot.version));
    }
    let given = versions.len();
    versions.sort_unstable();
    versions.dedup();
    assert_eq!(versions.len(), given, "no version is given twice in a member");
}

/// An update that leaves every column as it was, and a statement that meets no row, are no changes.
pub async fn no_change_is_no_change(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let binding = bind(note());
    let mut member = provisioned(fixture.as_ref(), &[binding]).await;
    let mut user = fixture.user().await;
    user.run("INSERT INTO \"note\" (\"id\", \"body\", \"rank\") VALUES (1, 'a', NULL)").await;
    let mut position = TablePosition::default();
    drain(member.as_mut(), 0, &mut position, 10).await;
    for same in [
        "UPDATE \"note\" SET \"body\" = 'a'",
        "UPDATE \"note\" SET \"body\" = \"body\", \"rank\" = NULL, \"id\" = \"id\"",
        "UPDATE \"note\" SET \"rank\" = 5 WHERE \"id\" = 99",
        "DELETE FROM \"note\" WHERE \"id\" = 99",
    ] {
        user.run(same).await;
        let changes = drain(member.as_mut(), 0, &mut position, 10).await;
        assert!(changes.is_empty(), "{same} changed {changes:?}");
    }
    for (real, row) in [
        ("UPDATE \"note\" SET \"body\" = 'A'", "1|A|NULL"),
        ("UPDATE \"note\" SET \"body\" = 'A '", "1|A |NULL"),
        ("UPDATE \"note\" SET \"body\" = ''", "1||NULL"),
        ("UPDATE \"note\" SET \"body\" = NULL", "1|NULL|NULL"),
        ("UPDATE \"note\" SET \"rank\" = 0", "1|NULL|0"),
    ] {
        user.run(real).await;
        let changes = drain(member.as_mut(), 0, &mut position, 10).await;
        assert_eq!(all_told(&note(), &changes), said(&[("1", row)]), "{real}");
    }
}

/// Columns that the group does not have are neither published nor a reason to publish, and stay as they are.
pub async fn columns_that_are_not_synchronised(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let whole = bind(note());
    // The table is made with all columns, and then bound without `body`.
    provisioned(fixture.as_ref(), &[Arc::clone(&whole)]).await.deprovision().await.unwrap();
    let mut binding = TableBinding::clone(&whole);
    binding.local_columns[1] = None;
    let mut member = provisioned(fixture.as_ref(), &[Arc::new(binding)]).await;
    let mut user = fixture.user().await;
    user.run("INSERT INTO \"note\" (\"id\", \"body\", \"rank\") VALUES (1, 'secret', 5)").await;
    let mut position = TablePosition::default();
    let changes = drain(member.as_mut(), 0, &mut position, 10).await;
    assert_eq!(all_told(&note(), &changes), said(&[("1", "1|absent|5")]));
    user.run("UPDATE \"note\" SET \"body\" = 'other'").await;
    assert!(drain(member.as_mut(), 0, &mut position, 10).await.is_empty());
    user.run("UPDATE \"note\" SET \"body\" = 'third', \"rank\" = 6").await;
    let changes = drain(member.as_mut(), 0, &mut position, 10).await;
    assert_eq!(all_told(&note(), &changes), said(&[("1", "1|absent|6")]));
}

/// What is rolled back is never seen, and its versions may be given again without harm.
pub async fn rolled_back_changes_never_were(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let mut member = provisioned(fixture.as_ref(), &[bind(note())]).await;
    let mut user = fixture.user().await;
    user.run("INSERT INTO \"note\" (\"id\", \"body\") VALUES (1, 'kept')").await;
    user.run("BEGIN").await;
    user.run("INSERT INTO \"note\" (\"id\", \"body\") VALUES (2, 'lost')").await;
    user.run("UPDATE \"note\" SET \"body\" = 'lost' WHERE \"id\" = 1").await;
    user.run("ROLLBACK").await;
    let mut position = TablePosition::default();
    let changes = drain(member.as_mut(), 0, &mut position, 10).await;
    assert_eq!(all_told(&note(), &changes), said(&[("1", "1|kept|NULL")]));
    assert!(user.attempt("INSERT INTO \"note\" (\"id\") VALUES (3), (1)").await.is_err(), "the key is taken");
    assert!(drain(member.as_mut(), 0, &mut position, 10).await.is_empty());
    user.run("INSERT INTO \"note\" (\"id\", \"body\") VALUES (2, 'kept')").await;
    let changes = drain(member.as_mut(), 0, &mut position, 10).await;
    assert_eq!(all_told(&note(), &changes), said(&[("2", "2|kept|NULL")]));
}

/// A savepoint takes back what was done since, and only that.
pub async fn savepoints_take_their_part_back(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let mut member = provisioned(fixture.as_ref(), &[bind(note())]).await;
    let mut user = fixture.user().await;
    user.run("BEGIN").await;
    user.run("INSERT INTO \"note\" (\"id\", \"body\") VALUES (1, 'kept')").await;
    user.run("SAVEPOINT s").await;
    user.run("INSERT INTO \"note\" (\"id\", \"body\") VALUES (2, 'lost')").await;
    user.run("DELETE FROM \"note\" WHERE \"id\" = 1").await;
    user.run("ROLLBACK TO SAVEPOINT s").await;
    user.run("INSERT INTO \"note\" (\"id\", \"body\") VALUES (3, 'kept')").await;
    user.run("COMMIT").await;
    let changes = drain(member.as_mut(), 0, &mut TablePosition::default(), 10).await;
    assert_eq!(all_told(&note(), &changes), said(&[("1", "1|kept|NULL"), ("3", "3|kept|NULL")]));
}

/// A transaction that is left open hides its changes until it commits, and polling goes on beside it.
pub async fn an_open_transaction_shows_nothing(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let mut member = provisioned(fixture.as_ref(), &[bind(note())]).await;
    let mut user = fixture.user().await;
    user.run("INSERT INTO \"note\" (\"id\", \"body\") VALUES (1, 'before')").await;
    user.run("BEGIN").await;
    user.run("INSERT INTO \"note\" (\"id\", \"body\") VALUES (2, 'later')").await;
    user.run("UPDATE \"note\" SET \"body\" = 'later' WHERE \"id\" = 1").await;
    let mut position = TablePosition::default();
    for _ in 0..3 {
        let changes = drain(member.as_mut(), 0, &mut TablePosition::default(), 10).await;
        assert_eq!(all_told(&note(), &changes), said(&[("1", "1|before|NULL")]));
    }
    drain(member.as_mut(), 0, &mut position, 10).await;
    user.run("COMMIT").await;
    let changes = drain(member.as_mut(), 0, &mut position, 10).await;
    assert_eq!(
        all_told(&note(), &changes),
        said(&[("1", "1|later|NULL"), ("2", "2|later|NULL")]).into_iter().rev().collect::<Vec<_>>()
    );
}

/// How often something that is no news is tried: a server's own workers, which are, may get in between.
const TRIES: usize = 20;

/// After a look, nothing is news until somebody has committed something.
pub async fn news_is_told(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let mut member = provisioned(fixture.as_ref(), &[bind(note())]).await;
    let mut user = fixture.user().await;
    assert!(member.has_news().await.unwrap(), "the first look may always find something");
    while member.has_news().await.unwrap() {}
    let mut polling_is_news = true;
    for _ in 0..TRIES {
        drain(member.as_mut(), 0, &mut TablePosition::default(), 10).await;
        polling_is_news &= member.has_news().await.unwrap();
    }
    assert!(!polling_is_news);
    user.run("INSERT INTO \"note\" (\"id\") VALUES (1)").await;
    assert!(member.has_news().await.unwrap());
    let mut token = None;
    let mut own_commits_are_news = true;
    for _ in 0..TRIES {
        crate::contract::fixture::commit(member.as_mut(), &mut token, Vec::new()).await;
        own_commits_are_news &= member.has_news().await.unwrap();
    }
    assert!(!own_commits_are_news);
    user.run("DELETE FROM \"note\"").await;
    crate::contract::fixture::commit(member.as_mut(), &mut token, Vec::new()).await;
    assert!(member.has_news().await.unwrap(), "capture's own commit does not hide another's");
}

/// Positions of unlike databases do not compare.
pub async fn a_position_of_another_database_is_refused(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let mut member = provisioned(fixture.as_ref(), &[bind(note())]).await;
    let position = TablePosition { live: "of another kind".to_owned(), ..TablePosition::default() };
    let error = member.poll(0, &position, 10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse);
    let error = member.poll(1, &TablePosition::default(), 10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Misuse);
    assert_eq!(member.rows(0, &[id(1)]).await.unwrap(), [None]);
}
