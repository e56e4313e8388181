//! The first scan: rows that were there before the triggers.

use crate::contract::fixture::{
    Factory, Fixture, all_told, bind, commit, drain, provisioned, scan_chunk, table,
};
use crate::{Captured, ErrorKind, Member, Scan, ScanBound, TablePosition};
use std::collections::BTreeMap;
use std::sync::Arc;
use tributary_model::{ChangeKind, LogicalType, TableSchema};

fn stock() -> TableSchema {
    table("stock", &[("code", LogicalType::String), ("count", LogicalType::Int)], &["code"])
}

/// A member whose table was filled before it was provisioned.
async fn with_rows(fixture: &dyn Fixture, rows: u32) -> Box<dyn Member> {
    let binding = bind(stock());
    provisioned(fixture, &[Arc::clone(&binding)]).await.deprovision().await.unwrap();
    let mut user = fixture.user().await;
    for number in 0..rows {
        user.run(&format!("INSERT INTO \"stock\" (\"code\", \"count\") VALUES ('c{number:03}', {number})"))
            .await;
    }
    provisioned(fixture, &[binding]).await
}

async fn scan_all(member: &mut dyn Member, position: &mut TablePosition, rows: usize) -> Vec<Captured> {
    let mut token = member.token().await.unwrap();
    let mut found = Vec::new();
    while position.scan != Scan::Done {
        let page = scan_chunk(member, 0, position, &mut token, rows).await;
        assert_eq!(page.more, position.scan != Scan::Done);
        found.extend(page.changes);
    }
    found
}

/// Every row that was there is one change of version 1 at an unknown time, in key order, and costs no write.
pub async fn rows_that_were_there_come_once(factory: &dyn Factory) {
    for rows in [1, 3, 10, 11, 50] {
        let fixture = factory.fresh().await;
        let mut member = with_rows(fixture.as_ref(), 10).await;
        let mut position = TablePosition::default();
        assert!(drain(member.as_mut(), 0, &mut position, 100).await.is_empty(), "they are no live changes");
        assert_eq!(member.pending(0, &position).await.unwrap(), 1, "the scan has rows left");
        let changes = scan_all(member.as_mut(), &mut position, rows).await;
        let expected: Vec<_> = (0..10).map(|n| (format!("c{n:03}"), format!("c{n:03}|{n}"))).collect();
        assert_eq!(all_told(&stock(), &changes), expected);
        for change in changes.iter().map(|captured| &captured.change) {
            assert_eq!((change.dot.version, change.dot.incarnation.as_str()), (1, "hq"));
            assert_eq!((change.kind, change.changed_at), (ChangeKind::FirstScan, None));
            assert!(change.seen.is_empty());
        }
        assert_eq!(member.pending(0, &position).await.unwrap(), 0);
        assert!(drain(member.as_mut(), 0, &mut position, 100).await.is_empty(), "the scan wrote nothing");
    }
}

/// A scan that stops anywhere is taken up again from the position, by another connection.
pub async fn a_scan_goes_on_where_it_stopped(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let mut member = with_rows(fixture.as_ref(), 20).await;
    let mut position = TablePosition::default();
    let mut token = None;
    let mut found = scan_chunk(member.as_mut(), 0, &mut position, &mut token, 6).await.changes;
    // Claimed and read, and never published: the position stays.
    let mut lost = position.clone();
    scan_chunk(member.as_mut(), 0, &mut lost, &mut token, 6).await;
    drop(member);
    let mut again = fixture.connector("hq").connect(&[bind(stock())]).await.unwrap();
    found.extend(scan_all(again.as_mut(), &mut position, 4).await);
    let keys: Vec<_> = all_told(&stock(), &found).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, (0..20).map(|n| format!("c{n:03}")).collect::<Vec<_>>());
}

/// Users go on while the scan runs: every row comes, by the scan or as a live change, and a follower that takes the
/// changes in order has what is there in the end.
pub async fn edits_during_a_scan_come_once(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let mut member = with_rows(fixture.as_ref(), 30).await;
    let mut user = fixture.user().await;
    let mut position = TablePosition::default();
    let mut token = None;
    let mut follower = BTreeMap::new();
    let mut scanned = BTreeMap::new();
    let mut step = 0;
    while position.scan != Scan::Done {
        // Before and behind the scan: updates, deletes, inserts, keys that move across it.
        user.run(&format!(
            "UPDATE \"stock\" SET \"count\" = \"count\" + 100 WHERE \"code\" = 'c{:03}'",
            step * 3
        ))
        .await;
        user.run(&format!(
            "UPDATE \"stock\" SET \"count\" = \"count\" + 100 WHERE \"code\" = 'c{:03}'",
            29 - step
        ))
        .await;
        user.run(&format!("DELETE FROM \"stock\" WHERE \"code\" = 'c{:03}'", 20 - step)).await;
        user.run(&format!(
            "INSERT INTO \"stock\" (\"code\", \"count\") VALUES ('b{step:03}', {step}), ('d{step:03}', 1)"
        ))
        .await;
        user.run(&format!(
            "UPDATE \"stock\" SET \"code\" = 'a{step:03}' WHERE \"code\" = 'c{:03}'",
            25 - step
        ))
        .await;
        for (key, row) in all_told(&stock(), &drain(member.as_mut(), 0, &mut position, 5).await) {
            follower.insert(key, row);
        }
        let page = scan_chunk(member.as_mut(), 0, &mut position, &mut token, 5).await;
        for (key, row) in all_told(&stock(), &page.changes) {
            assert_eq!(scanned.insert(key.clone(), row.clone()), None, "{key} was scanned twice");
            assert_eq!(follower.insert(key.clone(), row), None, "{key} was live already");
        }
        step += 1;
    }
    for (key, row) in all_told(&stock(), &drain(member.as_mut(), 0, &mut position, 5).await) {
        follower.insert(key, row);
    }
    follower.retain(|_, row| row != "-");
    let there = user.query("SELECT \"code\", \"count\" FROM \"stock\"").await;
    let there: BTreeMap<_, _> =
        there.into_iter().map(|row| (row[0].clone(), format!("{}|{}", row[0], row[1]))).collect();
    assert_eq!(follower, there);
}

/// Nothing to scan is scanned at once.
pub async fn an_empty_table_is_scanned_at_once(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let mut member = provisioned(fixture.as_ref(), &[bind(stock())]).await;
    let mut position = TablePosition::default();
    assert_eq!(member.pending(0, &position).await.unwrap(), 0);
    assert_eq!(member.scan_bound(0, &Scan::Pending, 100).await.unwrap(), ScanBound::End);
    assert!(scan_all(member.as_mut(), &mut position, 100).await.is_empty());
    assert_eq!(member.scan_bound(0, &Scan::Done, 100).await.unwrap(), ScanBound::End);
}

/// A chunk that is read without having been claimed could come twice.
pub async fn a_chunk_has_to_be_claimed(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let mut member = with_rows(fixture.as_ref(), 10).await;
    let position = TablePosition::default();
    let bound = member.scan_bound(0, &position.scan, 4).await.unwrap();
    assert_eq!(member.scan(0, &position, &bound).await.unwrap_err().kind(), ErrorKind::Misuse);
    let mut token = None;
    commit(member.as_mut(), &mut token, vec![(0, bound.clone())]).await;
    assert_eq!(member.scan(0, &position, &ScanBound::End).await.unwrap_err().kind(), ErrorKind::Misuse);
    assert_eq!(member.scan(0, &position, &bound).await.unwrap().changes.len(), 4);
}
