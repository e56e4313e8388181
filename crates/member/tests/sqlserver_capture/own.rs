//! What SQL Server alone has: transactions that commit late, options of users' sessions, collations, triggers that are
//! switched off.

use crate::support::{SqlServerFixture, SqlServerUser, block_on};
use tributary_member::contract::fixture::{User as _, all_told, bind, drain, table};
use tributary_member::sqlserver::SqlServerMember;
use tributary_member::{Member as _, TablePosition, TableState};
use tributary_model::{LogicalType, TableSchema};

/// The tests, by name.
pub(crate) fn tests() -> Vec<(&'static str, fn())> {
    vec![
        ("own::late_commits_are_not_missed", || block_on(late_commits_are_not_missed())),
        ("own::users_session_options_do_no_harm", || block_on(users_session_options_do_no_harm())),
        ("own::keys_that_differ_in_case_or_blanks", || block_on(keys_that_differ_in_case_or_blanks())),
        ("own::a_trigger_that_is_switched_off_is_noticed", || {
            block_on(a_trigger_that_is_switched_off_is_noticed());
        }),
        ("own::marked_cells_are_silent", || block_on(marked_cells_are_silent())),
    ]
}

/// A database with one provisioned table of a user's own making.
struct World {
    fixture: SqlServerFixture,
    user: SqlServerUser,
    member: SqlServerMember,
    schema: TableSchema,
    position: TablePosition,
}

impl World {
    async fn new(definition: &str, schema: TableSchema) -> Self {
        let fixture = SqlServerFixture::new().await;
        let mut user = fixture.client().await;
        user.run(definition).await;
        let mut member = fixture.sqlserver("hq").open(&[bind(schema.clone())]).await.unwrap();
        member.provision().await.unwrap();
        Self { fixture, user, member, schema, position: TablePosition::default() }
    }

    /// The changes since the last call: key to row, `-` for a delete.
    async fn told(&mut self) -> Vec<(String, String)> {
        let changes = drain(&mut self.member, 0, &mut self.position, 100).await;
        let mut told = all_told(&self.schema, &changes);
        told.sort_unstable();
        told
    }

    async fn check(&mut self, sql: &str, expected: &[(&str, &str)]) {
        self.user.run(sql).await;
        let expected: Vec<_> =
            expected.iter().map(|(key, row)| ((*key).to_owned(), (*row).to_owned())).collect();
        assert_eq!(self.told().await, expected, "{sql}");
    }
}

fn item() -> TableSchema {
    table("item", &[("id", LogicalType::Int), ("name", LogicalType::String)], &["id"])
}

const ITEM: &str = "CREATE TABLE item (id int NOT NULL PRIMARY KEY, name nvarchar(20) NULL)";

/// A transaction that wrote first and commits last holds back what came after it, and nothing of either is missed.
async fn late_commits_are_not_missed() {
    let mut world = World::new(ITEM, item()).await;
    let mut late = world.fixture.client().await;
    late.run("BEGIN TRANSACTION").await;
    late.run("INSERT INTO item (id, name) VALUES (1, N'early')").await;
    world.user.run("INSERT INTO item (id, name) VALUES (2, N'later')").await;
    let before = world.told().await;
    assert!(before.iter().all(|(key, _)| key != "1"));
    late.run("INSERT INTO item (id, name) VALUES (3, N'last')").await;
    late.run("COMMIT TRANSACTION").await;
    let mut all = [before, world.told().await].concat();
    all.sort_unstable();
    let keys: Vec<&str> = all.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["1", "2", "3"], "each once");
}

/// Options that a user's session may have set do not reach our triggers.
async fn users_session_options_do_no_harm() {
    let mut world = World::new(ITEM, item()).await;
    world
        .check(
            "SET ROWCOUNT 1; INSERT INTO item (id, name) VALUES (1, N'a'); UPDATE item SET id = 2; SET ROWCOUNT 0",
            &[("1", "-"), ("2", "2|a")],
        )
        .await;
    world.user.run("SET ANSI_WARNINGS OFF; SET ARITHABORT OFF; SET CONCAT_NULL_YIELDS_NULL OFF").await;
    world.check("UPDATE item SET name = NULL WHERE id = 2", &[("2", "2|NULL")]).await;
    world.user.run("SET LANGUAGE us_english; SET DATEFORMAT dmy").await;
    world.check("DELETE FROM item WHERE id = 2", &[("2", "-")]).await;
}

/// Under a collation that passes over case, a key that changes its case is another key; and so with blanks.
async fn keys_that_differ_in_case_or_blanks() {
    let definition = "CREATE TABLE word (k nvarchar(20) COLLATE SQL_Latin1_General_CP1_CI_AS NOT NULL PRIMARY KEY, \
                      v nvarchar(20) COLLATE SQL_Latin1_General_CP1_CI_AS NULL)";
    let schema = table("word", &[("k", LogicalType::String), ("v", LogicalType::String)], &["k"]);
    let mut world = World::new(definition, schema).await;
    world
        .check("INSERT INTO word (k, v) VALUES (N'a', N'x'), (N'b', N'y')", &[("a", "a|x"), ("b", "b|y")])
        .await;
    world.check("UPDATE word SET k = N'A' WHERE k = N'a'", &[("A", "A|x"), ("a", "-")]).await;
    world.check("UPDATE word SET k = N'A ' WHERE k = N'a'", &[("A", "-"), ("A ", "A |x")]).await;
    world.check("UPDATE word SET v = N'Y' WHERE k = N'b'", &[("b", "b|Y")]).await;
    world.check("UPDATE word SET v = N'Y ' WHERE k = N'b'", &[("b", "b|Y ")]).await;
    world.check("UPDATE word SET v = N'Y ', k = N'b' WHERE k = N'b'", &[]).await;
    world.check("DELETE FROM word WHERE k = N'B'", &[("b", "-")]).await;
}

/// A trigger that somebody has switched off stops the table, until provisioning switches it on and has the table scanned
/// again.
async fn a_trigger_that_is_switched_off_is_noticed() {
    let mut world = World::new(ITEM, item()).await;
    assert_eq!(world.member.table_states().await.unwrap(), [TableState::Ready]);
    world.user.run("DISABLE TRIGGER [dbo].[item_dss_update_trigger] ON [dbo].[item]").await;
    let states = world.member.table_states().await.unwrap();
    let [TableState::Stopped { reason }] = states.as_slice() else { panic!("{states:?}") };
    assert!(reason.contains("disabled") && reason.contains("ENABLE TRIGGER"), "{reason}");
    let made = world.member.provision().await.unwrap();
    assert!(made.last().unwrap().sql.starts_with("ENABLE TRIGGER"), "{made:?}");
    assert_eq!(world.member.table_states().await.unwrap(), [TableState::Ready]);
    assert_eq!(world.member.scans_ordered(0), 1);
    world.user.run("DROP TRIGGER [dbo].[item_dss_delete_trigger]").await;
    let states = world.member.table_states().await.unwrap();
    assert!(matches!(states.as_slice(), [TableState::Stopped { .. }]), "{states:?}");
    world.member.provision().await.unwrap();
    assert_eq!(world.member.scans_ordered(0), 2);
    world.check("INSERT INTO item (id) VALUES (1); DELETE FROM item", &[("1", "-")]).await;
}

/// While the session says which batch is applied, the cells that are marked with it are silent, and no others.
async fn marked_cells_are_silent() {
    let mut world = World::new(ITEM, item()).await;
    let mark = "INSERT INTO [DataSync].[item_dss_tracking] ([id], [is_local], [is_tombstone], [seen], [apply_batch]) \
                VALUES (1, 0, 0, 'cloud:5', 7)";
    world.user.run(mark).await;
    world.user.run("EXEC sp_set_session_context N'dss_apply', 7").await;
    world.user.run("INSERT INTO item (id, name) VALUES (1, N'applied'), (2, N'by a trigger')").await;
    let page = world.member.poll(0, &TablePosition::default(), 10).await.unwrap();
    assert_eq!(page.made_inside_apply, 1);
    assert_eq!(world.told().await, [("2".to_owned(), "2|by a trigger".to_owned())]);
    world.user.run("EXEC sp_set_session_context N'dss_apply', NULL").await;
    world.check("UPDATE item SET name = N'mine' WHERE id = 1", &[("1", "1|mine")]).await;
}
