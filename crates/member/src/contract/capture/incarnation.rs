//! New incarnations: what is in doubt gets new versions, what is known keeps its name, and edits say what they saw.

use crate::contract::fixture::{
    Factory, bind, commit, drain, id, next_commit, provisioned, scan_chunk, table,
};
use crate::{
    ApplyBatch, ApplyRecord, Begun, Captured, ErrorKind, Member, NewIncarnation, Outcome, ScanBound, Source,
    TablePosition, Token,
};
use tributary_model::{
    ChangeKind, Dot, Incarnation, LogicalType, Resolved, Row, Settled, TableSchema, Value, VersionVector,
};
use uuid::Uuid;

fn item() -> TableSchema {
    table("item", &[("id", LogicalType::Long), ("note", LogicalType::String)], &["id"])
}

fn named(name: &str) -> Incarnation {
    Incarnation::parse(name).unwrap()
}

/// What rejoining would begin with, on top of `token`.
fn anew(number: u32, token: Option<&Token>) -> NewIncarnation {
    let next = next_commit(token, Vec::new()).token;
    NewIncarnation { number, expected: token.map(|token| token.id), token: next }
}

/// Begins it, and gives the token that then stands.
async fn begin(member: &mut dyn Member, new: NewIncarnation) -> (Begun, Token) {
    let begun = member.begin_incarnation(&new).await.unwrap();
    let token = member.token().await.unwrap().unwrap();
    assert_eq!(token, Token { highest_version: begun.highest, ..new.token });
    (begun, token)
}

async fn all(member: &mut dyn Member) -> Vec<Captured> {
    drain(member, 0, &mut TablePosition::default(), 2).await
}

fn of(changes: &[Captured], number: i64) -> &tributary_model::Change {
    let mut found = changes.iter().filter(|captured| captured.key == id(number));
    let change = &found.next().expect("the row has a change").change;
    assert!(found.next().is_none(), "a row comes once");
    change
}

/// What lies above the token's highest version is renamed, marked, and above everything that was given; the rest stays.
pub async fn what_is_in_doubt_is_made_anew(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let mut member = provisioned(fixture.as_ref(), &[bind(item())]).await;
    let mut user = fixture.user().await;
    let (mut token, mut position) = (None, TablePosition::default());
    scan_chunk(member.as_mut(), 0, &mut position, &mut token, 10).await;
    user.run("INSERT INTO \"item\" (\"id\", \"note\") VALUES (1, 'a'), (2, 'a'), (3, 'a')").await;
    commit(member.as_mut(), &mut token, Vec::new()).await;
    user.run("UPDATE \"item\" SET \"note\" = 'b' WHERE \"id\" = 2").await;
    user.run("DELETE FROM \"item\" WHERE \"id\" = 3").await;
    user.run("INSERT INTO \"item\" (\"id\", \"note\") VALUES (4, 'b')").await;
    let before = all(member.as_mut()).await;
    let sure = token.as_ref().unwrap().highest_version;
    let given = before.iter().map(|captured| captured.change.dot.version).max().unwrap();

    let (begun, token) = begin(member.as_mut(), anew(3, token.as_ref())).await;
    assert_eq!(begun.restated, 3);
    let after = all(member.as_mut()).await;
    assert_eq!(of(&after, 1), of(&before, 1), "what is known keeps its name");
    for number in 2..=4 {
        let (was, is) = (of(&before, number), of(&after, number));
        assert!(was.dot.version > sure && is.dot.version > given && is.dot.version <= begun.highest);
        assert_eq!((&is.dot.incarnation, is.kind), (&named("hq~3"), ChangeKind::Restated));
        assert_eq!((&is.row, &is.seen, is.changed_at), (&was.row, &was.seen, was.changed_at));
    }
    let order = |changes: &[Captured]| {
        let mut rows: Vec<_> = (2..=4).map(|number| (of(changes, number).dot.version, number)).collect();
        rows.sort_unstable();
        rows.into_iter().map(|(_, number)| number).collect::<Vec<_>>()
    };
    assert_eq!(order(&before), order(&after), "versions keep their order");

    // What users change from now on has the new name, and has seen what it replaces of the old one.
    user.run("UPDATE \"item\" SET \"note\" = 'c'").await;
    let edited = all(member.as_mut()).await;
    for number in [1, 2, 4] {
        let change = of(&edited, number);
        assert_eq!((&change.dot.incarnation, change.kind), (&named("hq~3"), ChangeKind::Live));
        assert!(change.dot.version > begun.highest, "no version is given twice");
    }
    assert_eq!(of(&edited, 1).seen, VersionVector::of(&of(&before, 1).dot));
    assert_eq!(of(&edited, 2).seen, VersionVector::new());
    // Nothing is in doubt now but what comes after the next token.
    let mut token = Some(token);
    commit(member.as_mut(), &mut token, Vec::new()).await;
    assert_eq!(begin(member.as_mut(), anew(4, token.as_ref())).await.0.restated, 0);
    assert_eq!(all(member.as_mut()).await, edited);
}

/// It is done once: a second attempt finds another token and changes nothing. Any connection notices.
pub async fn an_incarnation_begins_once(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let bindings = [bind(item())];
    let mut member = provisioned(fixture.as_ref(), &bindings).await;
    let mut other = fixture.connector("hq").connect(&bindings).await.unwrap();
    let mut user = fixture.user().await;
    user.run("INSERT INTO \"item\" (\"id\", \"note\") VALUES (1, 'a')").await;
    assert_eq!(all(other.as_mut()).await.len(), 1);
    let mut token = None;
    commit(member.as_mut(), &mut token, vec![(0, ScanBound::End)]).await;
    user.run("UPDATE \"item\" SET \"note\" = 'b'").await;
    let new = anew(2, token.as_ref());
    begin(member.as_mut(), new.clone()).await;
    let after = all(member.as_mut()).await;
    assert_eq!(all(other.as_mut()).await, after);
    let definitions = fixture.definitions().await;
    for stray in [new, anew(3, token.as_ref()), anew(3, None)] {
        let error = other.begin_incarnation(&stray).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongToken);
    }
    assert_eq!(all(member.as_mut()).await, after);
    assert_eq!(fixture.definitions().await, definitions);
    assert_eq!(other.provision().await.unwrap(), [], "everything is as it is to be");
}

/// Rows that were there before keep their name where the scan has begun, and an edit of one says what it replaced.
pub async fn untracked_rows_of_an_earlier_life(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let mut user = fixture.user().await;
    let mut member = provisioned(fixture.as_ref(), &[bind(item())]).await;
    member.deprovision().await.unwrap();
    user.run("INSERT INTO \"item\" (\"id\", \"note\") VALUES (1, 'a'), (2, 'a'), (3, 'a'), (4, 'a')").await;
    let mut member = provisioned(fixture.as_ref(), &[bind(item())]).await;
    let (mut token, mut position) = (None, TablePosition::default());
    let scanned = scan_chunk(member.as_mut(), 0, &mut position, &mut token, 10).await;
    assert!(scanned.changes.iter().all(|captured| captured.change.dot == Dot::new(named("hq"), 1)));
    let (_, token) = begin(member.as_mut(), anew(2, token.as_ref())).await;
    user.run("UPDATE \"item\" SET \"note\" = 'b' WHERE \"id\" = 1").await;
    user.run("DELETE FROM \"item\" WHERE \"id\" = 2").await;
    user.run("UPDATE \"item\" SET \"id\" = 9 WHERE \"id\" = 3").await;
    user.run("INSERT INTO \"item\" (\"id\", \"note\") VALUES (5, 'b')").await;
    let edited = all(member.as_mut()).await;
    let first = VersionVector::of(&Dot::new(named("hq"), 1));
    for number in [1, 2, 3] {
        assert_eq!(
            (&of(&edited, number).seen, &of(&edited, number).dot.incarnation),
            (&first, &named("hq~2"))
        );
    }
    assert_eq!(of(&edited, 5).seen, VersionVector::new());
    let mut token = Some(token);
    let page = scan_chunk(member.as_mut(), 0, &mut TablePosition::default(), &mut token, 10).await;
    let [left] = page.changes.as_slice() else { panic!("one row is as it was: {page:?}") };
    assert_eq!((&left.key, &left.change.dot), (&id(4), &Dot::new(named("hq"), 1)));
}

/// Where no scan has begun, rows that were there before may be others than those of that name in the log.
pub async fn a_table_that_was_not_scanned_begins_anew(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let mut user = fixture.user().await;
    let mut member = provisioned(fixture.as_ref(), &[bind(item())]).await;
    member.deprovision().await.unwrap();
    user.run("INSERT INTO \"item\" (\"id\", \"note\") VALUES (1, 'a'), (2, 'a')").await;
    let mut member = provisioned(fixture.as_ref(), &[bind(item())]).await;
    user.run("UPDATE \"item\" SET \"note\" = 'b' WHERE \"id\" = 2").await;
    let mut new = anew(2, None);
    new.token.previous = Some(Uuid::new_v4());
    let (begun, token) = begin(member.as_mut(), new).await;
    assert_eq!(begun.restated, 1, "no token vouches for any version");
    let mut token = Some(token);
    let page = scan_chunk(member.as_mut(), 0, &mut TablePosition::default(), &mut token, 10).await;
    let [scanned] = page.changes.as_slice() else { panic!("one row is untracked: {page:?}") };
    assert_eq!((&scanned.key, &scanned.change.dot), (&id(1), &Dot::new(named("hq~2"), 1)));
    let changes = all(member.as_mut()).await;
    assert_eq!(
        (&of(&changes, 2).dot.incarnation, of(&changes, 2).kind),
        (&named("hq~2"), ChangeKind::Restated)
    );
}

/// A record that knows the old name's versions goes over what is known, and not over what was made anew.
pub async fn apply_knows_both_names(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let mut member = provisioned(fixture.as_ref(), &[bind(item())]).await;
    let mut user = fixture.user().await;
    let mut token = None;
    user.run("INSERT INTO \"item\" (\"id\", \"note\") VALUES (1, 'a')").await;
    commit(member.as_mut(), &mut token, vec![(0, ScanBound::End)]).await;
    user.run("INSERT INTO \"item\" (\"id\", \"note\") VALUES (2, 'a')").await;
    begin(member.as_mut(), anew(2, token.as_ref())).await;
    let vv = VersionVector::parse("hq:900 cloud:7").unwrap();
    let record = |number: i64| ApplyRecord {
        table: 0,
        key: id(number),
        resolved: Ok(Resolved {
            vv: vv.clone(),
            content: vec![VersionVector::parse("cloud:7").unwrap()],
            winner: Dot::new(named("cloud"), 7),
            kind: ChangeKind::Live,
            changed_at: Some(9),
            effective_at: Some(9),
            row: Some(Row::of([Value::Long(number), Value::String("cloud's".into())])),
            settled: Settled::FastForward,
            policy: None,
        }),
        source: Source { generation: 1, partition: 0, offset: number.unsigned_abs() },
        payload: Vec::new(),
        retry: false,
        force: None,
    };
    let batch =
        ApplyBatch { log: Uuid::from_u128(1), records: vec![record(1), record(2)], offsets: Vec::new() };
    let applied = member.apply(batch, 0).await.unwrap();
    assert_eq!(applied.outcomes, [Outcome::Upserted, Outcome::LocalIsNewer]);
    let rows = user.query("SELECT \"note\" FROM \"item\" ORDER BY \"id\"").await;
    assert_eq!(rows, [["cloud's"], ["a"]]);
}
