//! Groups with the trail table, and the questions asked in the end.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use tributary_testkit::services::{shared_broker, shared_registry};
use tributary_testkit::{GroupFolder, Obligations, Program, TRAIL_TABLE, assert_members_equal};
pub(crate) use tributary_testkit::{Load, eventually, seed};

/// A second table that a group may be given, with `id` and `text`.
pub(crate) const EXTRA: &str = "Extra";
/// The members of every group.
pub(crate) const MEMBERS: [&str; 3] = ["hq", "cloud", "till"];
const PATIENCE: &str = "120s";

/// The text of `log:` for a broker and a registry.
pub(crate) fn kafka_log(brokers: &str, registry: &str) -> String {
    format!("{{ kafka: {{ brokers: [\"{}\"], registry: \"{registry}\" }} }}", brokers.replace(',', "\", \""))
}

/// A provisioned group on the shared services.
pub(crate) fn shared_group(name: &str) -> GroupFolder {
    group(name, &kafka_log(&shared_broker().address(), &shared_registry().url()))
}

/// A provisioned group of three members with an empty trail table each.
pub(crate) fn group(name: &str, log: &str) -> GroupFolder {
    group_of(&MEMBERS, name, log)
}

/// A provisioned group of these members with an empty trail table each.
pub(crate) fn group_of(members: &[&str], name: &str, log: &str) -> GroupFolder {
    let group = GroupFolder::with_log(name, log, members, &["Trail"], "");
    for connection in group.connect_all() {
        connection.execute_batch(TRAIL_TABLE).unwrap();
    }
    Program::ok(&group, &["provision"]);
    group
}

/// Whether a row written into one member arrives in another within a while.
pub(crate) fn assert_flows(group: &GroupFolder, from: &str, to: &str, key: i64, within: Duration) {
    let sql = "INSERT INTO Trail (id, trail, touched) VALUES (?1, 'probe ', 0)
               ON CONFLICT (id) DO UPDATE SET touched = touched + 1";
    group.connect(from).execute(sql, [key]).unwrap();
    assert_arrives(group, to, "Trail", key, within);
}

/// Whether a member has a row within a while.
pub(crate) fn assert_arrives(group: &GroupFolder, member: &str, table: &str, key: i64, within: Duration) {
    eventually(&format!("row {key} of {table} in {member}"), within, || has(group, member, table, key));
}

/// Whether a member has a row.
pub(crate) fn has(group: &GroupFolder, member: &str, table: &str, key: i64) -> bool {
    let sql = format!("SELECT count(*) FROM {table} WHERE id = ?1");
    group.connect(member).query_row(&sql, [key], |row| row.get::<_, i64>(0)).unwrap() == 1
}

/// The questions of the end, I1 to I5: all members are equal by rows and by digest, every acknowledged write is in the
/// final history or in the ledger, nothing is refused, and once all is quiet nothing more is published. Runs the
/// workers by itself if nobody else does.
pub(crate) fn check(group: &GroupFolder, obligations: &Obligations) {
    Program::ok(group, &["sync", "--timeout", PATIENCE]);
    let members: Vec<_> = MEMBERS.iter().map(|name| ((*name).to_owned(), group.connect(name))).collect();
    assert_members_equal(&members, &["Trail"]);
    let ledger = Program::ok(group, &["conflicts", "list", "--limit", "1000000", "--output", "json"]);
    obligations.assert_met(&members[0].1, &ledger);
    Program::assert_no_exceptions(group);
    Program::ok(group, &["verify"]);
    assert_quiet(group);
    eprintln!("{} acknowledged writes", obligations.count());
}

/// I3: workers that have nothing to do publish nothing.
fn assert_quiet(group: &GroupFolder) {
    let published = || Program::ok(group, &["tail", "--output", "json"]).lines().count();
    let before = published();
    let idle = Program::run(group);
    std::thread::sleep(Duration::from_secs(3));
    drop(idle);
    assert_eq!(published(), before, "an idle group has published");
}

/// What all processes of the group have told.
pub(crate) fn told(group: &GroupFolder) -> String {
    std::fs::read_to_string(group.path().join("run.log")).unwrap_or_default()
}

/// Where the process that was started with `--listen 127.0.0.1:0` is monitored.
pub(crate) fn listening(group: &GroupFolder) -> String {
    let address = || {
        let told = told(group);
        Some(told.split("listening on http://").nth(1)?.lines().next()?.trim().to_owned())
    };
    eventually("an address for monitoring", Duration::from_secs(30), || address().is_some());
    address().unwrap()
}

/// Status and body of an answer to GET.
pub(crate) fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split_whitespace().nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Changes the text of the group file.
pub(crate) fn edit(group: &GroupFolder, change: impl FnOnce(String) -> String) {
    let text = std::fs::read_to_string(group.group_file()).unwrap();
    std::fs::write(group.group_file(), change(text)).unwrap();
}

/// Names another member in the group file, in a file like the others'.
pub(crate) fn add_member(group: &GroupFolder, member: &str) {
    let line = format!("  {member}: {{ url: \"sqlite:{member}.db\" }}\n");
    edit(group, |text| text.replace("tables:\n", &format!("{line}tables:\n")));
}

/// Creates a table in all members, and names it in the group file.
pub(crate) fn add_table(group: &GroupFolder, table: &str) {
    let sql = format!("CREATE TABLE {table} (id INTEGER PRIMARY KEY NOT NULL, text TEXT NOT NULL)");
    for connection in group.connect_all() {
        connection.execute_batch(&sql).unwrap();
    }
    edit(group, |text| text.replace("tables:\n", &format!("tables:\n  - name: {table}\n")));
}

/// Its name.
pub(crate) fn group_name(group: &GroupFolder) -> String {
    let text = std::fs::read_to_string(group.group_file()).unwrap();
    let name = text.lines().find_map(|line| line.strip_prefix("group: "));
    name.unwrap().to_owned()
}
