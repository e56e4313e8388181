//! Files with pages that are no longer what was written: in a member, in the log, in the resolver's state.

use crate::support::{assert_flows, await_told, check, execute, number, provisioned, status, told};
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use tributary_testkit::{GroupFolder, Obligations, Program, TRAIL_TABLE};

/// Rows that fill many pages, each with its key in the text.
const ROWS: &str = "INSERT INTO Trail (id, trail, touched)
    WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 2999)
    SELECT i, 'row' || i || ' ' || hex(zeroblob(150)), 0 FROM n";
/// A row in the midst of them.
const VICTIM: i64 = 2000;

fn group() -> GroupFolder {
    provisioned(GroupFolder::new(&["hq", "cloud", "till"], &["Trail"], ""), TRAIL_TABLE)
}

/// Brings everything that was written into the file itself, so that what is damaged is what will be read.
fn settle(file: &Path) {
    let connection = rusqlite::Connection::open(file).unwrap();
    let (busy, _, _): (i64, i64, i64) = connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap();
    assert_eq!(busy, 0, "somebody has {} open", file.display());
}

/// Overwrites the whole page that holds this text; gives where it is and what stands there now.
fn damage(file: &Path, text: &str) -> (u64, Vec<u8>) {
    let page: u64 = rusqlite::Connection::open(file)
        .unwrap()
        .query_row("PRAGMA page_size", [], |row| row.get(0))
        .unwrap();
    let content = fs::read(file).unwrap();
    let at = content.windows(text.len()).position(|window| window == text.as_bytes());
    let at = at.unwrap_or_else(|| panic!("{text:?} is not in {}", file.display())) as u64 / page * page;
    assert!(at > 0, "the first page is another case");
    let garbage = vec![0xa5; usize::try_from(page).unwrap()];
    fs::OpenOptions::new().write(true).open(file).unwrap().write_all_at(&garbage, at).unwrap();
    (at, garbage)
}

/// What stands there.
fn page(file: &Path, at: u64, length: usize) -> Vec<u8> {
    let mut found = vec![0; length];
    fs::File::open(file).unwrap().read_exact_at(&mut found, at).unwrap();
    found
}

fn copy_of(file: &Path) -> PathBuf {
    let copy = file.with_extension("copy");
    fs::copy(file, &copy).unwrap();
    copy
}

/// A member's page is damaged: its apply halts, names the file and says what to do; the others go on; nothing is written
/// over what is left. With the file back from a copy all goes on.
pub(crate) fn a_damaged_member_stands_alone_and_is_left_as_it_is() {
    let group = group();
    execute(&group, "hq", ROWS);
    Program::ok(&group, &["sync"]);
    let file = group.member_path("till");
    settle(&file);
    let copy = copy_of(&file);
    let (at, garbage) = damage(&file, &format!("row{VICTIM} "));
    let mut running = Program::run(&group);
    execute(&group, "hq", &format!("UPDATE Trail SET touched = 1 WHERE id = {VICTIM}"));
    await_told(&group, "apply till: halted:");
    let words = told(&group);
    let line = words.lines().find(|line| line.contains("apply till: halted:")).unwrap();
    assert!(line.contains(&file.display().to_string()) && line.contains("integrity_check"), "{line}");
    assert_flows(&group, "hq", "cloud", 5_000);
    assert_flows(&group, "cloud", "hq", 5_001);
    assert!(status(&group)["members"][2]["tables"][0]["unapplied"].as_u64().unwrap() >= 1);
    assert!(!running.has_ended());
    drop(running);
    assert_eq!(page(&file, at, garbage.len()), garbage, "what was left of it is gone");
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", file.display()));
    }
    fs::rename(copy, &file).unwrap();
    check(&group, &["Trail"], &Obligations::default());
    assert_eq!(number(&group, "till", &format!("SELECT touched FROM Trail WHERE id = {VICTIM}")), 1);
}

/// A page of the log is damaged: whoever reads it halts, names the file and says what to do; nothing is written over what
/// is left, and no member takes what stands behind it. With the page back all goes on. (A copy of the file from before
/// would be refused where members have applied what it lacks.)
pub(crate) fn a_damaged_log_is_named_and_left_as_it_is() {
    let group = group();
    execute(&group, "hq", ROWS);
    let capturing = Program::run_with(&group, &["--role", "capture"]);
    tributary_testkit::eventually("captured rows", crate::support::PATIENCE, || {
        status(&group)["members"][0]["tables"][0]["unpublished"] == 0
    });
    capturing.stop();
    let file = group.path().join("test.log.db");
    settle(&file);
    let before = fs::read(&file).unwrap();
    let (at, garbage) = damage(&file, &format!("row{VICTIM} "));
    let running = Program::run(&group);
    await_told(&group, "resolver: halted:");
    let words = told(&group);
    let line = words.lines().find(|line| line.contains("resolver: halted:")).unwrap();
    assert!(line.contains("test.log.db") && line.contains("restore it"), "{line}");
    drop(running);
    assert_eq!(page(&file, at, garbage.len()), garbage, "what was left of it is gone");
    assert_eq!(number(&group, "cloud", &format!("SELECT count(*) FROM Trail WHERE id = {VICTIM}")), 0);
    let from = usize::try_from(at).unwrap();
    let page = &before[from..from + garbage.len()];
    fs::OpenOptions::new().write(true).open(&file).unwrap().write_all_at(page, at).unwrap();
    check(&group, &["Trail"], &Obligations::default());
}

/// A page of the resolver's state is damaged, deep in the file: it is made anew from the log, and nobody has to do
/// anything.
pub(crate) fn a_damaged_state_of_the_resolver_is_made_anew() {
    let group = group();
    execute(&group, "hq", ROWS);
    Program::ok(&group, &["sync"]);
    let file = group.path().join("test.data").join("resolver.db");
    settle(&file);
    damage(&file, &format!("row{VICTIM} "));
    let mut running = Program::run(&group);
    for turn in 1..=3 {
        let member = ["cloud", "till", "hq"][turn % 3];
        execute(&group, member, &format!("UPDATE Trail SET touched = {turn} WHERE id = {VICTIM}"));
        Program::ok(&group, &["sync", "--timeout", "60s"]);
        let touched = format!("SELECT touched FROM Trail WHERE id = {VICTIM}");
        assert_eq!(number(&group, "hq", &touched), turn as i64);
    }
    assert!(told(&group).contains("damaged and is rebuilt"), "{}", told(&group));
    assert!(!running.has_ended());
    drop(running);
    assert_eq!(status(&group)["conflicts"], 0, "nothing was concurrent");
    check(&group, &["Trail"], &Obligations::default());
}
