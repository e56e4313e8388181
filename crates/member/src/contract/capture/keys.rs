//! Keys that change, keys of several columns, and names that need quotes.

use crate::contract::fixture::{Factory, User, all_told, bind, drain, provisioned, table};
use crate::{Captured, Member, TablePosition};
use std::collections::BTreeMap;
use tributary_model::{LogicalType, TableSchema};

fn item() -> TableSchema {
    table("item", &[("id", LogicalType::Long), ("name", LogicalType::String)], &["id"])
}

/// What a follower that applies the changes in order ends up with: key to row text, deletes as `-`.
fn states(schema: &TableSchema, changes: &[Captured]) -> BTreeMap<String, String> {
    all_told(schema, changes).into_iter().collect()
}

fn expected(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, row)| ((*key).to_owned(), (*row).to_owned())).collect()
}

async fn three_items(user: &mut dyn User, member: &mut dyn Member) -> TablePosition {
    user.run("INSERT INTO \"item\" (\"id\", \"name\") VALUES (1, 'a'), (2, 'b'), (3, 'c')").await;
    let mut position = TablePosition::default();
    assert_eq!(drain(member, 0, &mut position, 10).await.len(), 3);
    position
}

/// An update of the key is a delete of the old key and an insert of the new one.
pub async fn key_updates_delete_the_old_key(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let mut member = provisioned(fixture.as_ref(), &[bind(item())]).await;
    let mut user = fixture.user().await;
    let mut position = three_items(user.as_mut(), member.as_mut()).await;
    user.run("UPDATE \"item\" SET \"id\" = 10 WHERE \"id\" = 2").await;
    let changes = drain(member.as_mut(), 0, &mut position, 10).await;
    assert_eq!(states(&item(), &changes), expected(&[("2", "-"), ("10", "10|b")]));
    user.run("UPDATE \"item\" SET \"id\" = 2, \"name\" = 'B' WHERE \"id\" = 10").await;
    let changes = drain(member.as_mut(), 0, &mut position, 10).await;
    assert_eq!(states(&item(), &changes), expected(&[("2", "2|B"), ("10", "-")]));
}

/// A swap by way of a third key: both rows are updates in the end, and only the third key is deleted.
pub async fn keys_are_swapped_by_way_of_a_third(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let mut member = provisioned(fixture.as_ref(), &[bind(item())]).await;
    let mut user = fixture.user().await;
    let mut position = three_items(user.as_mut(), member.as_mut()).await;
    user.run("BEGIN").await;
    user.run("UPDATE \"item\" SET \"id\" = -1 WHERE \"id\" = 1").await;
    user.run("UPDATE \"item\" SET \"id\" = 1 WHERE \"id\" = 2").await;
    user.run("UPDATE \"item\" SET \"id\" = 2 WHERE \"id\" = -1").await;
    user.run("COMMIT").await;
    let changes = drain(member.as_mut(), 0, &mut position, 10).await;
    assert_eq!(states(&item(), &changes), expected(&[("1", "1|b"), ("2", "2|a"), ("-1", "-")]));
}

/// One statement that moves keys onto each other: deleted are the old keys that no row has now.
pub async fn keys_move_up_in_one_statement(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let mut member = provisioned(fixture.as_ref(), &[bind(item())]).await;
    let mut user = fixture.user().await;
    let mut position = three_items(user.as_mut(), member.as_mut()).await;
    // Downwards, so that no database sees two rows with one key on the way.
    user.run("UPDATE \"item\" SET \"id\" = \"id\" - 1").await;
    let changes = drain(member.as_mut(), 0, &mut position, 10).await;
    assert_eq!(states(&item(), &changes), expected(&[("0", "0|a"), ("1", "1|b"), ("2", "2|c"), ("3", "-")]));
}

/// Keys of several columns and of text, whose parts may look alike.
pub async fn composite_and_text_keys(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let line = table(
        "line",
        &[("amount", LogicalType::Int), ("place", LogicalType::Int), ("order", LogicalType::String)],
        &["order", "place"],
    );
    let mut member = provisioned(fixture.as_ref(), &[bind(line.clone())]).await;
    let mut user = fixture.user().await;
    user.run(
        "INSERT INTO \"line\" (\"order\", \"place\", \"amount\") VALUES \
         ('a', 1, 5), ('a', 11, 6), ('a1', 1, 7), ('', 1, 8), ('A', 1, 9), ('ä ', 1, 10)",
    )
    .await;
    let mut position = TablePosition::default();
    let changes = drain(member.as_mut(), 0, &mut position, 10).await;
    assert_eq!(
        states(&line, &changes),
        expected(&[
            ("a/1", "5|1|a"),
            ("a/11", "6|11|a"),
            ("a1/1", "7|1|a1"),
            ("/1", "8|1|"),
            ("A/1", "9|1|A"),
            ("ä /1", "10|1|ä ")
        ])
    );
    user.run("UPDATE \"line\" SET \"order\" = 'b' WHERE \"order\" = 'a'").await;
    user.run("DELETE FROM \"line\" WHERE \"order\" = 'A'").await;
    user.run("UPDATE \"line\" SET \"amount\" = 0 WHERE \"order\" = ''").await;
    let changes = drain(member.as_mut(), 0, &mut position, 2).await;
    assert_eq!(
        states(&line, &changes),
        expected(&[
            ("a/1", "-"),
            ("a/11", "-"),
            ("b/1", "5|1|b"),
            ("b/11", "6|11|b"),
            ("A/1", "-"),
            ("/1", "0|1|")
        ])
    );
}

/// Names that need quotes, that look like ours, or that are reserved.
pub async fn odd_names(factory: &dyn Factory) {
    let long = "n".repeat(factory.fresh().await.longest_name().min(100));
    let names = [
        "order details",
        "a\"b",
        "it's",
        "[x]",
        "x]y",
        "`tick`",
        "select",
        "größe",
        "名前",
        "😀",
        "semi;colon",
        "{base}",
        "per%cent",
        "new",
        "old",
        "t",
        "b",
        "DataSync_x",
        "x_dss_tracking",
        "dash-ed",
        "1st",
        " lead",
        long.as_str(),
    ];
    for (number, name) in names.iter().enumerate() {
        let fixture = factory.fresh().await;
        let column = names[(number + 7) % names.len()];
        if !fixture.takes_name(name) || !fixture.takes_name(column) {
            continue;
        }
        // The key has the name of one of the tracking table's own columns, in turn.
        let key = ["local_version", "seen", "is_tombstone", "apply_batch", "changed_at"][number % 5];
        let schema = table(
            name,
            &[(key, LogicalType::Long), (column, LogicalType::String), (*name, LogicalType::Int)],
            &[key, *name],
        );
        let mut member = provisioned(fixture.as_ref(), &[bind(schema.clone())]).await;
        let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let (table, key, column, second) = (quote(name), quote(key), quote(column), quote(name));
        let mut user = fixture.user().await;
        user.run(&format!("INSERT INTO {table} ({key}, {column}, {second}) VALUES (1, 'x', 5), (2, 'y', 6)"))
            .await;
        user.run(&format!("UPDATE {table} SET {column} = 'z' WHERE {key} = 1")).await;
        user.run(&format!("UPDATE {table} SET {key} = 3 WHERE {key} = 2")).await;
        let changes = drain(member.as_mut(), 0, &mut TablePosition::default(), 10).await;
        assert_eq!(
            states(&schema, &changes),
            expected(&[("1/5", "1|z|5"), ("2/6", "-"), ("3/6", "3|y|6")]),
            "{name}"
        );
        let left = member.deprovision().await.unwrap();
        assert!(!left.is_empty());
        user.run(&format!("DELETE FROM {table}")).await;
    }
}
