//! Tests of what is shown of a conflict.

use super::*;
use tributary_model::{Column, ConflictId, Dot, Incarnation, LogicalType, VersionVector};

fn schema() -> TableSchema {
    let column =
        |name: &str, logical| Column { name: name.into(), logical, nullable: true, max_length: None };
    TableSchema {
        name: TableName::new("Customer"),
        columns: vec![
            column("Id", LogicalType::Long),
            column("Name", LogicalType::String),
            column("City", LogicalType::String),
        ],
        key: vec![0],
        foreign_keys: Vec::new(),
        unique: Vec::new(),
        generation: 1,
    }
}

fn row(name: &str, city: Option<&str>) -> Row {
    let text = |text: &str| Some(Value::String(text.into()));
    Row(vec![Some(Value::Long(5)), text(name), city.and_then(text)])
}

fn side_of(member: &str, at: Option<Ticks>, row: Option<Row>) -> Side {
    let dot = Dot::new(Incarnation::parse(member).unwrap(), 7);
    let vv = VersionVector::of(&dot);
    Side { dot, vv, kind: ChangeKind::Live, changed_at: at, effective_at: at, row }
}

fn record(reason: Reason, winner: Side, loser: Side) -> ConflictRecord {
    let table = TableName::new("Customer");
    let key = schema().key_of(&row("x", None)).unwrap();
    ConflictRecord {
        id: ConflictId::of(&table, &key, &winner.dot, &loser.dot),
        table,
        key,
        kind: ConflictKind::Concurrent,
        state: ConflictState::Settled,
        winner,
        loser,
        policy: Policy::LatestWins,
        reason,
        settled_at: 36_000_000_000,
    }
}

fn two_rows() -> ConflictRecord {
    record(
        Reason::Policy,
        side_of("cloud", Some(20_000_000), Some(row("Ada", Some("Kiel")))),
        side_of("hq~2", Some(10_000_000), Some(row("Ada L.", Some("Kiel")))),
    )
}

#[test]
fn both_sides_and_their_differences_are_shown() {
    let view = ConflictView::of(&two_rows(), &schema());
    assert_eq!(view.key, "5");
    assert_eq!(view.differing(), "Name");
    assert_eq!(view.loser.member, "hq");
    assert_eq!(view.loser.change, "hq~2:7");
    assert_eq!(
        view.why,
        "the row of cloud stands: its change is the later one (1970-01-01T00:00:02Z against 1970-01-01T00:00:01Z)"
    );
    let json = serde_json::to_value(&view).unwrap();
    assert_eq!(json["columns"][1]["winner"], "Ada");
    assert_eq!(json["columns"][1]["loser"], "Ada L.");
    assert_eq!(json["columns"][1]["differs"], true);
    assert_eq!(json["columns"][2]["differs"], false);
    assert_eq!(json["loser"]["row"]["Name"], "Ada L.");
}

#[test]
fn a_delete_has_no_row_and_an_absent_column_is_no_difference() {
    let deleted = record(
        Reason::DeleteVsUpdate,
        side_of("cloud", None, None),
        side_of("hq", None, Some(row("Ada", Some("Kiel")))),
    );
    let view = ConflictView::of(&deleted, &schema());
    assert!(view.winner.deleted && view.winner.row.is_none());
    assert_eq!(view.differing(), "deleted against changed");
    assert_eq!(view.why, "the delete of cloud stands: the table lets deletes win");
    let poorer = record(
        Reason::Time,
        side_of("cloud", None, Some(row("Ada", None))),
        side_of("hq", None, Some(row("Ada", Some("Kiel")))),
    );
    let view = ConflictView::of(&poorer, &schema());
    assert_eq!(view.differing(), "");
    assert_eq!((&view.columns[2].winner, view.columns.len()), (&None, 3));
    assert!(view.why.contains("unknown against unknown"), "{}", view.why);
}

#[test]
fn every_reason_names_the_winner() {
    for reason in Reason::ALL {
        for policy in Policy::ALL {
            let mut one = two_rows();
            (one.reason, one.policy) = (reason, policy);
            assert!(why(&one).starts_with("the row of cloud stands: "), "{}", why(&one));
            one.state = ConflictState::Open;
            assert!(
                why(&one).starts_with("the row of cloud stands until somebody decides: "),
                "{}",
                why(&one)
            );
        }
    }
}

#[test]
fn filters_join() {
    let mut open = two_rows();
    open.state = ConflictState::Open;
    open.settled_at += 1;
    let ledger = Ledger { records: vec![open.clone(), two_rows()], of_unknown_tables: 0 };
    let count = |filter: &ConflictFilter| ledger.filtered(filter).len();
    let all = ConflictFilter::default();
    assert_eq!((ledger.open(), count(&all)), (1, 2));
    assert_eq!(count(&ConflictFilter { limit: Some(1), ..all.clone() }), 1);
    assert_eq!(count(&ConflictFilter { state: Some(ConflictState::Open), ..all.clone() }), 1);
    assert_eq!(count(&ConflictFilter { since: Some(open.settled_at), ..all.clone() }), 1);
    assert_eq!(count(&ConflictFilter { kind: Some(ConflictKind::Initial), ..all.clone() }), 0);
    assert_eq!(count(&ConflictFilter { table: Some(TableName::new("Other")), ..all }), 0);
    assert_eq!(ledger.find(&open.id.to_string()[..6]).unwrap_err().code(), "GRP-104");
    let one = Ledger { records: vec![open.clone()], of_unknown_tables: 0 };
    assert_eq!(one.find(&open.id.to_string()[..6]).unwrap().id, open.id);
}
