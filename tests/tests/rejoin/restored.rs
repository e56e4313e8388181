//! Restored backups, with and without users who have written on.

use crate::support::{Kind, World};
use tributary_testkit::Program;

/// What the backup lacks comes back, what users have written since is kept or saved in the ledger, and what only the
/// lost part had is gone.
pub(crate) fn a_restored_member_goes_on(kind: Kind) {
    let world = World::new(kind);
    world.hq("INSERT INTO note VALUES (1, 'hq'), (2, 'hq')");
    world.till("INSERT INTO note VALUES (11, 'till'), (12, 'till'), (13, 'till')");
    world.sync();
    world.back_up();
    world.till("UPDATE note SET body = 'of the lost life' WHERE id = 11");
    world.till("INSERT INTO note VALUES (14, 'of the lost life')");
    world.hq("INSERT INTO note VALUES (3, 'hq')");
    world.sync();
    world.hq("DELETE FROM note WHERE id = 13");
    world.till("INSERT INTO note VALUES (15, 'never published')");
    world.restore();
    // The same versions again.
    world.till("UPDATE note SET body = 'of the new life' WHERE id = 11");
    world.till("INSERT INTO note VALUES (16, 'of the new life')");
    world.till("UPDATE note SET body = 'of the new life' WHERE id = 2");
    let (hq, till) = (world.rows_of_hq(), world.rows_of_till());
    world.refused("tributary member rejoin till");
    assert_eq!(
        (world.rows_of_hq(), world.rows_of_till()),
        (hq, till),
        "nothing is carried before it is mended"
    );

    let told = world.rejoin();
    assert!(told.contains("till rejoins as till~2") && told.contains("3 changes"), "{told}");
    world.sync();
    let expected = [
        "1 hq",
        "2 of the new life",
        "3 hq",
        "11 of the lost life",
        "12 till",
        "14 of the lost life",
        "16 of the new life",
    ];
    assert_eq!(world.rows(), expected);
    let conflicts = world.conflicts();
    let [conflict] = conflicts.as_slice() else { panic!("one row was changed by both lives: {conflicts:?}") };
    let shown = Program::ok(&world.group, &["conflicts", "show", conflict]);
    assert!(shown.contains("of the new life") && shown.contains("of the lost life"), "{shown}");
    Program::assert_no_exceptions(&world.group);

    // Nothing more to do; edits of either name go on from there.
    world.nothing_is_wrong();
    world.till("UPDATE note SET body = 'later'");
    world.sync();
    assert!(world.rows().iter().all(|row| row.ends_with(" later")));
    assert_eq!(world.conflicts(), conflicts, "an edit is no conflict with what it replaced");
}

/// Two restores to one backup: the second life has given the same versions under the same name as the first one in the
/// database, and its name has to be another one in the log.
pub(crate) fn a_second_restore_gets_another_name(kind: Kind) {
    let world = World::new(kind);
    world.till("INSERT INTO note VALUES (1, 'till')");
    world.sync();
    world.back_up();
    for life in 2..=4 {
        world.till("UPDATE note SET body = body || ' on' WHERE id = 1");
        world.sync();
        world.restore();
        world.till(&format!("INSERT INTO note VALUES ({life}, 'life {life}')"));
        world.refused("went back in time");
        let told = world.rejoin();
        assert!(told.contains(&format!("till~{life}")), "{told}");
        world.sync();
        assert_eq!(world.rows().len(), usize::try_from(life).unwrap());
    }
    assert_eq!(world.rows()[1..], ["2 life 2", "3 life 3", "4 life 4"]);
}

/// The workers of a running process have halted, and go on by themselves afterwards.
pub(crate) fn beside_a_running_process(kind: Kind) {
    let world = World::new(kind);
    world.till("INSERT INTO note VALUES (1, 'till')");
    world.sync();
    world.back_up();
    world.till("INSERT INTO note VALUES (2, 'lost')");
    world.sync();
    world.restore();
    world.till("INSERT INTO note VALUES (3, 'new')");
    let program = Program::run(&world.group);
    world.wait_until_halted();
    let told = world.rejoin();
    assert!(told.contains("till~2") && told.contains("1 change "), "{told}");
    world.sync();
    assert_eq!(world.rows(), ["1 till", "2 lost", "3 new"]);
    world.till("DELETE FROM note WHERE id = 2");
    world.sync();
    assert_eq!(world.rows(), ["1 till", "3 new"]);
    program.stop();
}

/// A backup of before, or sync objects that were removed: nothing vouches for any row, so that all are told anew.
pub(crate) fn from_before_provisioning(kind: Kind) {
    let world = World::new(kind);
    world.hq("INSERT INTO note VALUES (1, 'hq')");
    world.till("INSERT INTO note VALUES (11, 'till'), (12, 'till')");
    world.sync();
    Program::ok(&world.group, &["deprovision", "--member", "till"]);
    world.till("UPDATE note SET body = 'unseen' WHERE id = 12");
    world.till("INSERT INTO note VALUES (13, 'unseen')");
    let told = world.rejoin();
    assert!(told.contains("till~2"), "{told}");
    world.sync();
    // Rows of unknown age lose against what is known; the ledger has them.
    assert_eq!(world.rows(), ["1 hq", "11 till", "12 till", "13 unseen"]);
    assert_eq!(world.conflicts().len(), 1);
    world.till("UPDATE note SET body = 'seen' WHERE id = 11");
    world.sync();
    assert_eq!(world.rows(), ["1 hq", "11 seen", "12 till", "13 unseen"]);
}
