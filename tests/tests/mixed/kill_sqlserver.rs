//! `kill -9` of the process at random moments, while users write to a SQL Server's database and to a file: in the end both
//! are equal, and no acknowledged write is lost.

use crate::sqlserver::{Server, answer, in_database, wait};
use crate::support::at;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tributary_testkit::{GroupFolder, Obligations, Program, Writer};

const KEYS: i64 = 40;
const KILLS: usize = 12;

const TABLE: &str = "CREATE TABLE [Trail] ([id] bigint NOT NULL PRIMARY KEY, [trail] nvarchar(max) NOT NULL, [touched] bigint)";

const FILE_TABLE: &str =
    "CREATE TABLE Trail (id INTEGER PRIMARY KEY NOT NULL, trail TEXT NOT NULL, touched INTEGER)";

pub(crate) fn nothing_is_lost_when_the_process_is_killed() {
    in_database("killed", &[TABLE.to_owned()], |server, name| {
        let seed: u64 = rand::random();
        eprintln!("seed={seed}");
        let members = [("hq", at("sqlite:hq.db")), ("office", server.member(name))];
        let group =
            GroupFolder::with_members("killed-office", "{ embedded: ./log.db }", &members, &["Trail"], "");
        group.connect("hq").execute_batch(FILE_TABLE).unwrap();
        Program::ok(&group, &["provision"]);

        let done = Arc::new(AtomicBool::new(false));
        let mut file = Writer::new("hq", group.connect("hq"), KEYS);
        let over = Arc::clone(&done);
        let at_hq = std::thread::spawn(move || {
            let mut random = StdRng::seed_from_u64(seed);
            while !over.load(Ordering::Relaxed) {
                file.write(&mut random).unwrap();
                std::thread::sleep(Duration::from_millis(random.random_range(0..20)));
            }
            file.finish()
        });
        let (over, database) = (Arc::clone(&done), name.to_owned());
        let at_office = std::thread::spawn(move || write_at_office(&database, seed ^ 1, &over));

        let mut random = StdRng::seed_from_u64(seed ^ 2);
        for kill in 0..KILLS {
            let mut program = Program::run(&group);
            std::thread::sleep(Duration::from_millis(random.random_range(300..3_000)));
            assert!(!program.has_ended(), "run {kill} ended by itself");
            program.kill();
        }
        done.store(true, Ordering::Relaxed);
        let mut obligations = at_hq.join().unwrap();
        obligations.join(at_office.join().unwrap());
        Program::ok(&group, &["sync", "--timeout", "300s"]);
        Program::ok(&group, &["verify"]);
        let ledger = Program::ok(&group, &["conflicts", "list", "--limit", "1000000", "--output", "json"]);
        obligations.assert_met(&group.connect("hq"), &ledger);
        eprintln!("{} acknowledged writes, {KILLS} kills", obligations.count());
        Program::assert_no_exceptions(&group);
        Program::ok(&group, &["deprovision"]);
    });
}

/// Writes until it is over. What was refused, or not answered, demands nothing.
fn write_at_office(database: &str, seed: u64, over: &AtomicBool) -> Obligations {
    let mut random = StdRng::seed_from_u64(seed);
    let mut obligations = Obligations::default();
    let mut acknowledged = 0_u32;
    wait(async {
        let mut office = Server::of_tests().connect(database).await;
        for count in 0_u64.. {
            if over.load(Ordering::Relaxed) {
                break;
            }
            let (key, mark) = (random.random_range(1..=KEYS), format!("office{count}"));
            let deletes = random.random_ratio(1, 8);
            let change = if deletes {
                // Only what was read is deleted.
                format!("DELETE FROM [Trail] WHERE [id] = {key} AND [trail] = @before")
            } else {
                format!(
                    "UPDATE [Trail] SET [trail] = [trail] + N'{mark} ', [touched] = [touched] + 1 WHERE [id] = {key}"
                )
            };
            let batch = format!(
                "SET XACT_ABORT ON; BEGIN TRANSACTION;
                 DECLARE @before nvarchar(max) = (SELECT [trail] FROM [Trail] WHERE [id] = {key});
                 IF @before IS NULL INSERT INTO [Trail] VALUES ({key}, N'{mark} ', 0) ELSE {change};
                 DECLARE @after nvarchar(max) = (SELECT [trail] FROM [Trail] WHERE [id] = {key});
                 COMMIT TRANSACTION; SELECT @before, @after"
            );
            match answer(&mut office, &batch).await {
                Ok(rows) => {
                    acknowledged += 1;
                    let text = |column: usize| rows[0].get::<&str, _>(column);
                    match (text(0), text(1)) {
                        (Some(before), None) => obligations.deleted(key, before),
                        (_, Some(after)) if after.ends_with(&format!("{mark} ")) => {
                            obligations.wrote(key, mark);
                        }
                        // The row had gone, or was another one, before it could be written.
                        _ => {}
                    }
                }
                // A lost race leaves its transaction behind on some servers.
                Err(_) => drop(answer(&mut office, "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION").await),
            }
            tokio::time::sleep(Duration::from_millis(random.random_range(0..20))).await;
        }
    });
    assert!(acknowledged > 0, "nothing was written at the office");
    obligations
}
