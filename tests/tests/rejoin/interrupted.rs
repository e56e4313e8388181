//! `kill -9` of the command in the middle, and of capture between its two commits.

use crate::support::{Kind, World, said};
use std::process::{Command, Stdio};
use std::time::Duration;
use tributary_testkit::{Program, program_path};

const KILLS: i64 = 16;

/// Killed at any moment and run again, it comes to its end; what users have written is there, and no name comes twice.
pub(crate) fn a_killed_command_is_done_again(kind: Kind) {
    let seed: u64 = rand::random();
    eprintln!("seed={seed}");
    let mut random: rand::rngs::StdRng = rand::SeedableRng::seed_from_u64(seed);
    let world = World::new(kind);
    world.till("INSERT INTO note VALUES (0, 'till')");
    world.sync();
    world.back_up();
    let (mut early, mut late) = (0, 0);
    for kill in 1..=KILLS {
        // Something that is published, so that the backup is recognised as one.
        world.till("UPDATE note SET body = body || ' on' WHERE id = 0");
        world.sync();
        world.restore();
        world.till(&format!("INSERT INTO note VALUES ({kill}, 'life {kill}')"));
        let mut command = Command::new(program_path());
        command.args(["member", "rejoin", "till", "--group-file"]).arg(world.group.group_file());
        let mut command = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Some while it begins, some in the middle, some when it may be done, however fast the machine is.
        let longest = [8, 40, 500][usize::try_from(kill % 3).unwrap()];
        std::thread::sleep(Duration::from_millis(rand::Rng::random_range(&mut random, 0..longest)));
        command.kill().unwrap();
        command.wait().unwrap();
        let again = Program::output(&world.group, &["member", "rejoin", "till"]);
        if again.status.success() {
            early += 1;
        } else {
            let told = said(&again, false);
            assert!(told.contains("GRP-601"), "{told}");
            late += 1;
        }
        world.sync();
        let rows = world.rows();
        assert_eq!(rows.len(), 1 + usize::try_from(kill).unwrap(), "{rows:?}");
        assert_eq!(rows.last().unwrap(), &format!("{kill} life {kill}"));
    }
    eprintln!("{early} were cut short, {late} were done");
    assert!(early > 0, "no attempt was cut short");
    Program::assert_no_exceptions(&world.group);
}

/// Capture was killed between the token and the page: the successor of the log's token is no reason to stop, not even in
/// a backup; and once the page was published, that backup is one.
pub(crate) fn a_token_whose_page_was_never_published_is_no_return_in_time() {
    let world = World::new(Kind::File);
    world.till("INSERT INTO note VALUES (1, 'till')");
    world.sync();
    world.till("INSERT INTO note VALUES (2, 'till')");
    world.till(
        "UPDATE \"DataSync_dss_token\" SET counter = counter + 1, previous = token_id, \
         token_id = '00000000-0000-4000-8000-000000000001'",
    );
    world.back_up();
    world.nothing_is_wrong();
    world.sync();
    assert_eq!(world.rows(), ["1 till", "2 till"]);
    world.restore();
    world.till("INSERT INTO note VALUES (3, 'till')");
    world.refused("went back in time");
    world.rejoin();
    world.sync();
    assert_eq!(world.rows(), ["1 till", "2 till", "3 till"]);
}
