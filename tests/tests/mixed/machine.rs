//! A server in a bad state: a full disk, a locked table, a clock that is off and jumps back.

use crate::support::{at, connect, database, texts};
use postgres::Client;
use std::time::{Duration, Instant};
use tributary_testkit::services::{Postgres, PostgresSettings, Tmpfs};
use tributary_testkit::{GroupFolder, Program};

const PATIENCE: Duration = Duration::from_secs(90);
const TABLE: &str = "CREATE TABLE note (id bigint PRIMARY KEY, body text)";

fn group(cloud: &str, branch: &str) -> GroupFolder {
    let members = [("cloud", at(cloud)), ("branch", at(branch))];
    let group = GroupFolder::with_members("state", "{ embedded: ./log.db }", &members, &["note"], "");
    for url in [cloud, branch] {
        connect(url).batch_execute(TABLE).unwrap();
    }
    Program::ok(&group, &["provision"]);
    group
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "{what}: not within {} s", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn body(client: &mut Client, id: i64) -> Option<String> {
    client.query_opt("SELECT body FROM note WHERE id = $1", &[&id]).unwrap().and_then(|row| row.get(0))
}

/// The server's disk is full: what it cannot write waits, is said, and comes when there is room again.
pub(crate) fn a_full_disk_loses_nothing() {
    let small = Tmpfs::mount(160).unwrap();
    let options = ["max_wal_size=64MB", "min_wal_size=32MB"].map(str::to_owned).to_vec();
    let mut server = Postgres::start(PostgresSettings {
        durable: true,
        options,
        data: Some(small.path().to_owned()),
        ..PostgresSettings::default()
    });
    connect(&server.url("postgres")).batch_execute("CREATE DATABASE cloud").unwrap();
    let (cloud, branch) = (server.url("cloud"), database());
    let group = group(&cloud, &branch);
    let mut running = Program::run(&group);
    let mut elsewhere = connect(&branch);
    elsewhere.batch_execute("INSERT INTO note VALUES (1, 'before')").unwrap();
    let mut here = connect(&cloud);
    eventually("a row in the cloud", || body(&mut here, 1).is_some());
    drop(here);
    let filler = small.fill();
    // Larger than what is left in any file.
    elsewhere
        .batch_execute(
            "INSERT INTO note SELECT g, repeat(md5(g::text), 40) FROM generate_series(100, 40000) AS g",
        )
        .unwrap();
    let told = || std::fs::read_to_string(group.path().join("run.log")).unwrap_or_default();
    eventually("a word about it", || told().contains("apply cloud: failed and will be tried again"));
    assert!(!running.has_ended());
    small.resize(800);
    std::fs::remove_file(filler).unwrap();
    // A server that cannot write its log gives up.
    if !server.is_running() {
        server.kill();
        server.restart();
    }
    eventually("all rows in the cloud", || {
        postgres::Client::connect(&cloud, postgres::NoTls).is_ok_and(|mut client| {
            client.query_one("SELECT count(*) FROM note", &[]).is_ok_and(|row| row.get::<_, i64>(0) == 39_902)
        })
    });
    connect(&cloud).batch_execute("INSERT INTO note VALUES (2, 'after')").unwrap();
    eventually("a row in the branch", || body(&mut elsewhere, 2).is_some());
    drop(running);
    Program::ok(&group, &["sync", "--timeout", "120s"]);
    Program::ok(&group, &["verify"]);
    Program::assert_no_exceptions(&group);
}

/// Somebody holds a table's strongest lock in an open transaction, for longer than any call of the program's waits for
/// one. The two other members go on; what waits is told, and comes when the lock is gone.
pub(crate) fn a_locked_table_keeps_nobody_else() {
    let places = [database(), database(), database()];
    let names = ["cloud", "branch", "shop"];
    let members: Vec<_> = names.into_iter().zip(places.iter().map(|url| at(url))).collect();
    let group = GroupFolder::with_members("locked", "{ embedded: ./log.db }", &members, &["note"], "");
    let [mut cloud, mut branch, mut shop] = places.each_ref().map(|url| connect(url));
    for client in [&mut cloud, &mut branch, &mut shop] {
        client.batch_execute(TABLE).unwrap();
    }
    Program::ok(&group, &["provision"]);
    let mut running = Program::run(&group);
    branch.batch_execute("INSERT INTO note VALUES (1, 'before')").unwrap();
    eventually("a row in the cloud", || body(&mut cloud, 1).is_some());
    cloud.batch_execute("BEGIN; LOCK TABLE note; INSERT INTO note VALUES (2, 'mine')").unwrap();
    branch.batch_execute("INSERT INTO note VALUES (3, 'theirs')").unwrap();
    eventually("a row in the shop", || body(&mut shop, 3).is_some());
    let told = || std::fs::read_to_string(group.path().join("run.log")).unwrap_or_default();
    eventually("a word about it", || told().contains("apply cloud: failed and will be tried again"));
    shop.batch_execute("INSERT INTO note VALUES (4, 'meanwhile')").unwrap();
    eventually("another row in the branch", || body(&mut branch, 4).is_some());
    let status = Program::ok(&group, &["status", "--output", "json"]);
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let waits = &status["members"][0]["tables"][0];
    assert!(waits["unapplied"].as_u64().is_some_and(|count| count > 0), "{status}");
    cloud.batch_execute("COMMIT").unwrap();
    eventually("what waited", || body(&mut cloud, 4).is_some() && body(&mut shop, 2).is_some());
    assert!(!running.has_ended());
    drop(running);
    Program::ok(&group, &["sync", "--timeout", "120s"]);
    Program::ok(&group, &["verify"]);
    Program::assert_no_exceptions(&group);
}

/// A table that somebody has locked keeps no command for ever, and nobody is told that nothing waits in it.
pub(crate) fn a_locked_table_is_told() {
    let (cloud, branch) = (database(), database());
    let group = group(&cloud, &branch);
    let mut here = connect(&cloud);
    here.batch_execute("INSERT INTO note VALUES (1, 'mine')").unwrap();
    here.batch_execute("BEGIN; LOCK TABLE note").unwrap();
    let status = || -> serde_json::Value {
        serde_json::from_str(&Program::ok(&group, &["status", "--output", "json"])).unwrap()
    };
    let of = |status: &serde_json::Value, member: usize| status["members"][member]["tables"][0].clone();
    let locked = status();
    assert_eq!(of(&locked, 0)["locked"], true, "{locked}");
    assert_eq!(of(&locked, 1)["locked"], false, "{locked}");
    let text = Program::ok(&group, &["status"]);
    assert!(text.contains("locked by another session"), "{text}");
    // Reads the rows and nothing else, so it can only say that it could not.
    let verified = Program::output(&group, &["verify"]);
    assert!(!verified.status.success(), "what is locked cannot have been compared");
    here.batch_execute("COMMIT").unwrap();
    let free = status();
    assert_eq!((&of(&free, 0)["locked"], &of(&free, 0)["unpublished"]), (&false.into(), &1.into()), "{free}");
    Program::ok(&group, &["sync", "--timeout", "120s"]);
    Program::ok(&group, &["verify"]);
}

/// The server's clock is ten minutes ahead, then jumps back, while rows are changed in both members: the later change wins
/// all the same, and nothing is lost.
pub(crate) fn a_clock_that_is_off_and_jumps_changes_no_outcome() {
    let server = Postgres::start(PostgresSettings { own_clock: true, ..PostgresSettings::default() });
    connect(&server.url("postgres")).batch_execute("CREATE DATABASE cloud").unwrap();
    let (cloud, branch) = (server.url("cloud"), database());
    let group = group(&cloud, &branch);
    let (mut here, mut there) = (connect(&cloud), connect(&branch));
    for (round, ahead) in [600, 0, -600, 600].into_iter().enumerate() {
        server.set_clock(ahead);
        let told = |client: &mut Client| -> f64 {
            client.query_one("SELECT extract(epoch FROM clock_timestamp())::float8", &[]).unwrap().get(0)
        };
        let (now, true_now) = (told(&mut here), told(&mut there));
        assert!((now - true_now - ahead as f64).abs() < 5.0, "the clock is not as it was set");
        let base = 10 * round as i64;
        // Nothing runs meanwhile, so nobody has seen the other's change.
        let insert = "INSERT INTO note VALUES ($1, $2)";
        here.execute(insert, &[&base, &"cloud, earlier"]).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        there.execute(insert, &[&base, &"branch, later"]).unwrap();
        there.execute(insert, &[&(base + 1), &"branch, earlier"]).unwrap();
        std::thread::sleep(Duration::from_millis(100));
        here.execute(insert, &[&(base + 1), &"cloud, later"]).unwrap();
        Program::ok(&group, &["sync", "--timeout", "120s"]);
        for client in [&mut here, &mut there] {
            assert_eq!(body(client, base).as_deref(), Some("branch, later"), "{ahead} s");
            assert_eq!(body(client, base + 1).as_deref(), Some("cloud, later"), "{ahead} s");
        }
    }
    Program::ok(&group, &["verify"]);
    let rows = "SELECT id, body FROM note";
    assert_eq!(texts(&mut here, rows), texts(&mut there, rows));
}
