//! Files that are opened, and files that are refused.

use crate::support::{SqliteFixture, block_on};
use crate::world::schema;
use rusqlite::Connection;
use std::sync::Arc;
use std::time::Duration;
use tributary_member::contract::fixture::{bind, next_commit};
use tributary_member::sqlite::SqliteMember;
use tributary_member::{
    Disposition, Error, ErrorKind, Member as _, Result, Severity, TableBinding, TablePosition, TableState,
};
use tributary_model::LogicalType as T;

fn bindings() -> [Arc<TableBinding>; 1] {
    [bind(schema("t", &[("id", T::Long), ("a", T::String)], &["id"]))]
}

fn kind(result: Result<SqliteMember>) -> ErrorKind {
    match result {
        Ok(_) => panic!("it was opened"),
        Err(error) => error.kind(),
    }
}

fn provisioned(fixture: &SqliteFixture) -> SqliteMember {
    let mut member = fixture.sqlite("hq").open(&bindings()).unwrap();
    block_on(member.provision()).unwrap();
    member
}

#[test]
fn a_missing_file_is_made_only_on_request() {
    let fixture = SqliteFixture::without_file();
    let error = fixture.sqlite("hq").open(&bindings()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(error.to_string().contains("member.db"), "{error}");
    assert!(!fixture.path().exists());
    let mut member = fixture.sqlite("hq").create(true).open(&bindings()).unwrap();
    block_on(member.provision()).unwrap();
    assert_eq!(block_on(member.table_states()).unwrap(), [TableState::Ready]);
    let mode: String = fixture.connection().query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    // A directory that is not there is not made.
    let nowhere = fixture.path().join("deeper").join("member.db");
    let connector = tributary_member::sqlite::SqliteConnector::new(
        tributary_model::MemberId::new("hq").unwrap(),
        "contract",
        nowhere,
    );
    assert_eq!(kind(connector.create(true).open(&bindings())), ErrorKind::Io);
}

#[test]
fn what_is_no_database_is_refused() {
    let fixture = SqliteFixture::without_file();
    std::fs::write(fixture.path(), "a letter of more than sixteen bytes to whom it may concern").unwrap();
    assert_eq!(kind(fixture.sqlite("hq").open(&bindings())), ErrorKind::NotADatabase);
    std::fs::remove_file(fixture.path()).unwrap();
    std::fs::create_dir(fixture.path()).unwrap();
    assert_eq!(kind(fixture.sqlite("hq").create(true).open(&bindings())), ErrorKind::NotADatabase);
}

#[test]
fn a_damaged_file_is_refused() {
    let fixture = SqliteFixture::new();
    fixture
        .connection()
        .execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    let mut bytes = std::fs::read(fixture.path()).unwrap();
    // The schema's page behind the file's header.
    bytes[100..200].fill(0xee);
    std::fs::write(fixture.path(), bytes).unwrap();
    let error = fixture.sqlite("hq").open(&bindings()).unwrap_err();
    assert_eq!((error.kind(), error.disposition()), (ErrorKind::Corrupt, Disposition::Stop));
}

#[test]
fn a_file_that_cannot_be_written_is_refused() {
    let fixture = SqliteFixture::new();
    provisioned(&fixture);
    let mut permissions = std::fs::metadata(fixture.path()).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(fixture.path(), permissions).unwrap();
    assert_eq!(kind(fixture.sqlite("hq").open(&bindings())), ErrorKind::ReadOnly);
}

#[test]
fn a_file_out_of_wal_mode_is_switched_only_on_request() {
    let fixture = SqliteFixture::without_file();
    let mode =
        || fixture.connection().query_row("PRAGMA journal_mode", [], |row| row.get::<_, String>(0)).unwrap();
    Connection::open(fixture.path())
        .unwrap()
        .execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)")
        .unwrap();
    // It can be looked at, and `check` says what is wrong.
    let mut member = fixture.sqlite("hq").open(&bindings()).unwrap();
    let found = block_on(member.inspect()).unwrap();
    let wrong: Vec<_> = found.findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].remedy.contains("--enable-wal"));
    assert_eq!(block_on(member.plan_provision()).unwrap_err().kind(), ErrorKind::NotWal);
    assert_eq!(block_on(member.provision()).unwrap_err().kind(), ErrorKind::NotWal);
    drop(member);
    let mut member = fixture.sqlite("hq").enable_wal(true).open(&bindings()).unwrap();
    let plan = block_on(member.plan_provision()).unwrap();
    assert_eq!(plan[0].sql, "PRAGMA journal_mode = WAL");
    assert_eq!(mode(), "delete");
    assert_eq!(block_on(member.provision()).unwrap(), plan);
    assert_eq!(mode(), "wal");
    drop(member);
    // Switched back by somebody: nothing is read from or written to it.
    fixture.connection().execute_batch("PRAGMA journal_mode = DELETE").unwrap();
    let error = fixture.sqlite("hq").open(&bindings()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotWal);
    assert!(error.to_string().contains("delete"), "{error}");
}

#[test]
fn a_long_writer_is_waited_for_and_then_named() {
    let fixture = SqliteFixture::new();
    let mut member = provisioned(&fixture);
    let user = fixture.connection();
    user.execute_batch("INSERT INTO t VALUES (1, 'a'); BEGIN IMMEDIATE; INSERT INTO t VALUES (2, 'b')")
        .unwrap();
    // Looking goes on beside a writer.
    let mut impatient =
        fixture.sqlite("hq").busy_timeout(Duration::from_millis(20)).open(&bindings()).unwrap();
    assert_eq!(block_on(impatient.poll(0, &TablePosition::default(), 10)).unwrap().changes.len(), 1);
    for result in [
        block_on(impatient.commit_capture(&next_commit(None, Vec::new()))).map(drop),
        block_on(impatient.provision()).map(drop),
        block_on(impatient.deprovision()).map(drop),
    ] {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.disposition()), (ErrorKind::Busy, Disposition::Retry), "{error}");
    }
    // The one with more patience gets its turn when the writer is done.
    let waiting = std::thread::spawn(move || {
        block_on(member.commit_capture(&next_commit(None, Vec::new()))).map(|_| member)
    });
    user.execute_batch("COMMIT").unwrap();
    let mut member = waiting.join().unwrap().unwrap();
    assert!(block_on(member.token()).unwrap().is_some());
    block_on(impatient.commit_capture(&next_commit(None, Vec::new()))).map(drop).unwrap_err();
}

#[test]
fn a_copy_under_another_id_is_refused_until_it_is_cleaned() {
    let original = SqliteFixture::new();
    let mut member = provisioned(&original);
    original
        .connection()
        .execute_batch("INSERT INTO t VALUES (1, 'a'); PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    let copy = SqliteFixture::without_file();
    std::fs::copy(original.path(), copy.path()).unwrap();
    let error = copy.sqlite("till7").open(&bindings()).unwrap_err();
    let Error::ForeignIdentity { found_member, found_group, .. } = &error else { panic!("{error:?}") };
    assert_eq!((found_member.as_str(), found_group.as_str()), ("hq", "contract"));
    let mut cleaning = copy.sqlite("till7").any_identity(true).open(&[]).unwrap();
    block_on(cleaning.deprovision()).unwrap();
    drop(cleaning);
    let mut other = copy.sqlite("till7").open(&bindings()).unwrap();
    block_on(other.provision()).unwrap();
    assert_eq!(block_on(other.token()).unwrap(), None);
    // The original never noticed.
    assert_eq!(block_on(member.poll(0, &TablePosition::default(), 10)).unwrap().changes.len(), 1);
}

#[test]
fn objects_of_a_newer_program_are_left_alone() {
    let fixture = SqliteFixture::new();
    provisioned(&fixture);
    fixture
        .connection()
        .execute_batch("UPDATE \"DataSync_dss_provisioning\" SET value = '99' WHERE name = 'format'")
        .unwrap();
    assert_eq!(kind(fixture.sqlite("hq").open(&bindings())), ErrorKind::NewerFormat);
}
