//! A member that is restored while the processes of the others go on.

use crate::support::{assert_arrives, assert_flows, check, eventually, shared_group};
use std::time::Duration;
use tributary_testkit::{Obligations, Program};

const PATIENCE: Duration = Duration::from_secs(240);

/// Its own process ends, since both workers have halted; after `member rejoin` a new one goes on, and a second restore to
/// the same backup gives it another name.
pub(crate) fn a_restored_member_goes_on_beside_running_processes() {
    let group = shared_group("rejoining");
    let others =
        Program::run_with(&group, &["--member", "hq", "--member", "cloud", "--listen", "127.0.0.1:0"]);
    let own = || {
        Program::run_with(&group, &["--role", "capture,apply", "--member", "till", "--listen", "127.0.0.1:0"])
    };
    let program = own();
    assert_flows(&group, "till", "hq", 1, PATIENCE);
    assert_flows(&group, "hq", "till", 2, PATIENCE);
    program.stop();
    let backup = group.path().join("backup");
    let sql = format!("VACUUM INTO '{}'", backup.display());
    group.connect("till").execute_batch(&sql).unwrap();
    for (life, key) in [(2, 10), (3, 20)] {
        let program = own();
        assert_flows(&group, "till", "cloud", key, PATIENCE);
        program.stop();
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", group.member_path("till").display()));
        }
        std::fs::copy(&backup, group.member_path("till")).unwrap();
        // The versions of the lost row again.
        let sql = format!("INSERT INTO Trail (id, trail, touched) VALUES ({}, 'anew ', 0)", key + 1);
        group.connect("till").execute_batch(&sql).unwrap();
        let mut program = own();
        eventually("the process has nothing to do any more", PATIENCE, || program.has_ended());
        let said = Program::ok(&group, &["member", "rejoin", "till"]);
        assert!(said.contains(&format!("till~{life}")) && said.contains("1 change "), "{said}");
        let program = own();
        assert_arrives(&group, "hq", "Trail", key + 1, PATIENCE);
        assert_arrives(&group, "till", "Trail", key, PATIENCE);
        program.stop();
    }
    others.stop();
    check(&group, &Obligations::default());
}
