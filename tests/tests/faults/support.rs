//! Groups of SQLite members, and the questions that are asked in the end.

use serde_json::Value;
use std::time::Duration;
use tributary_testkit::{
    GroupFolder, Obligations, Program, TRAIL_TABLE, assert_members_equal, eventually, table_content,
};

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// The members of most groups.
pub(crate) const MEMBERS: [&str; 3] = ["hq", "cloud", "till"];

/// A provisioned group of three members with an empty trail table each.
pub(crate) fn trails() -> GroupFolder {
    let group = GroupFolder::new(&MEMBERS, &["Trail"], "");
    provisioned(group, TRAIL_TABLE)
}

/// The group, with these tables in all members, provisioned.
pub(crate) fn provisioned(group: GroupFolder, tables: &str) -> GroupFolder {
    for connection in group.connect_all() {
        connection.execute_batch(tables).unwrap();
    }
    Program::ok(&group, &["provision"]);
    group
}

/// A user's statements in a member.
pub(crate) fn execute(group: &GroupFolder, member: &str, sql: &str) {
    group.connect(member).execute_batch(sql).unwrap();
}

/// One number that a member answers.
pub(crate) fn number(group: &GroupFolder, member: &str, sql: &str) -> i64 {
    group.connect(member).query_row(sql, [], |row| row.get(0)).unwrap()
}

/// A row is written into one member and arrives in another.
pub(crate) fn assert_flows(group: &GroupFolder, from: &str, to: &str, key: i64) {
    execute(group, from, &format!("INSERT INTO Trail (id, trail, touched) VALUES ({key}, 'probe ', 0)"));
    let sql = format!("SELECT count(*) FROM Trail WHERE id = {key}");
    eventually(&format!("row {key} in {to}"), PATIENCE, || number(group, to, &sql) == 1);
}

/// What all processes of the group have told.
pub(crate) fn told(group: &GroupFolder) -> String {
    std::fs::read_to_string(group.path().join("run.log")).unwrap_or_default()
}

/// Waits until they have told this.
pub(crate) fn await_told(group: &GroupFolder, what: &str) {
    eventually(&format!("a word about it ({what})"), PATIENCE, || told(group).contains(what));
}

/// What `status` says.
pub(crate) fn status(group: &GroupFolder) -> Value {
    serde_json::from_str(&Program::ok(group, &["status", "--output", "json"])).unwrap()
}

/// The questions of the end: everything is in every member, nothing is refused, all are equal by rows and by digest, and
/// every acknowledged write is in the final history or in the ledger.
pub(crate) fn check(group: &GroupFolder, tables: &[&str], obligations: &Obligations) {
    Program::ok(group, &["sync", "--timeout", "120s"]);
    let members: Vec<_> = group.members().iter().map(|name| (name.clone(), group.connect(name))).collect();
    assert_members_equal(&members, tables);
    assert!(tables.iter().any(|table| !table_content(&members[0].1, table).is_empty()), "nothing is there");
    let ledger = Program::ok(group, &["conflicts", "list", "--limit", "1000000", "--output", "json"]);
    obligations.assert_met(&members[0].1, &ledger);
    Program::assert_no_exceptions(group);
    Program::ok(group, &["verify"]);
}
