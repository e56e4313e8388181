//! Copies of a member's file: under its own id at two places, and under another member's id.

use crate::support::{Kind, World, put, rows, said};
use tributary_testkit::Program;

/// Whoever publishes first is the member; the other is refused, whatever its users do, until it rejoins: then it is
/// the member, and the first one is refused. What the users of both have written is carried.
pub(crate) fn of_two_copies_one_goes_on() {
    let world = World::new(Kind::File);
    let group = &world.group;
    world.till("INSERT INTO note VALUES (1, 'till')");
    world.sync();
    let (here, there) = (group.member_path("till"), group.path().join("copy.db"));
    let at = |file: &str| {
        let text = std::fs::read_to_string(group.group_file()).unwrap();
        let text = text.replace("sqlite:till.db", file).replace("sqlite:copy.db", file);
        std::fs::write(group.group_file(), text).unwrap();
    };
    world.till("PRAGMA wal_checkpoint(TRUNCATE)");
    std::fs::copy(&here, &there).unwrap();
    let copy = |sql: &str| rusqlite::Connection::open(&there).unwrap().execute_batch(sql).unwrap();
    world.till("INSERT INTO note VALUES (2, 'here')");
    copy("INSERT INTO note VALUES (3, 'there')");
    world.sync();
    at("sqlite:copy.db");
    world.refused("went back in time");
    assert_eq!(world.rows_of_hq(), ["1 till", "2 here"]);
    let told = world.rejoin();
    assert!(told.contains("till~2") && told.contains("1 change "), "{told}");
    world.sync();
    assert_eq!(world.rows_of_hq(), ["1 till", "2 here", "3 there"]);
    world.till("UPDATE note SET body = 'still here' WHERE id = 2");
    at("sqlite:till.db");
    world.refused("went back in time");
    assert_eq!(rows(group, "till"), ["1 till", "2 still here"]);
    let told = world.rejoin();
    assert!(told.contains("till~3"), "{told}");
    world.sync();
    assert_eq!(world.rows().len(), 3);
    // In doubt, so that it loses, against its own ancestor too: see the protocol. The ledger has it.
    assert_eq!(world.rows(), ["1 till", "2 here", "3 there"]);
    let conflicts = world.conflicts();
    let [conflict] = conflicts.as_slice() else { panic!("one row was in doubt: {conflicts:?}") };
    assert!(Program::ok(group, &["conflicts", "show", conflict]).contains("still here"));
}

/// Neither workers nor `member rejoin` touch a database that says it is another member's.
pub(crate) fn a_copy_under_another_id_is_refused() {
    let world = World::new(Kind::File);
    world.hq("INSERT INTO note VALUES (1, 'hq')");
    world.sync();
    world.hq("PRAGMA wal_checkpoint(TRUNCATE)");
    put(&world.group.member_path("hq"), &world.group.member_path("till"));
    world.till("INSERT INTO note VALUES (2, 'in the copy')");
    world.refused("DBS-010");
    let told = said(&Program::output(&world.group, &["member", "rejoin", "till"]), false);
    assert!(told.contains("DBS-010"), "{told}");
    assert_eq!(world.rows_of_hq(), ["1 hq"]);
}
