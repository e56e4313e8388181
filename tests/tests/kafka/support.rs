//! Groups with the trail table, the load on them, and the questions asked in the end.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tributary_testkit::services::{shared_broker, shared_registry};
use tributary_testkit::{GroupFolder, Obligations, Program, TRAIL_TABLE, Writer, assert_members_equal};

/// A second table that a group may be given, with `id` and `text`.
pub(crate) const EXTRA: &str = "Extra";
/// The members of every group.
pub(crate) const MEMBERS: [&str; 3] = ["hq", "cloud", "till"];
/// Rows that all writers quarrel about.
const KEYS: i64 = 60;
const PATIENCE: &str = "120s";

/// The seed of this run's random choices, printed once.
pub(crate) fn seed() -> u64 {
    static SEED: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *SEED.get_or_init(|| {
        let given = std::env::var_os("TRIBUTARY_TEST_SEED").and_then(|text| text.to_str()?.parse().ok());
        let seed = given.unwrap_or_else(rand::random);
        eprintln!("TRIBUTARY_TEST_SEED={seed}");
        seed
    })
}

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

/// Users of all members, writing until they are stopped.
pub(crate) struct Load {
    done: Arc<AtomicBool>,
    writers: Vec<JoinHandle<Obligations>>,
}

impl Load {
    /// Lets a user of each member write, with pauses of up to `pause`.
    pub(crate) fn start(group: &GroupFolder, pause: Duration) -> Self {
        Self::by(&MEMBERS, group, pause)
    }

    /// Lets a user of each of these members write, with pauses of up to `pause`.
    pub(crate) fn by(members: &[&str], group: &GroupFolder, pause: Duration) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let writers = (0..)
            .zip(members)
            .map(|(number, member)| {
                let mut writer = Writer::new(member, group.connect(member), KEYS);
                let (done, mut random) = (Arc::clone(&done), StdRng::seed_from_u64(seed() ^ number));
                let longest = u64::try_from(pause.as_micros()).unwrap().max(1);
                std::thread::spawn(move || {
                    while !done.load(Ordering::Relaxed) {
                        writer.write(&mut random).unwrap();
                        std::thread::sleep(Duration::from_micros(random.random_range(0..longest)));
                    }
                    writer.finish()
                })
            })
            .collect();
        Self { done, writers }
    }

    /// Stops the users; gives what their writes demand.
    pub(crate) fn stop(self) -> Obligations {
        self.done.store(true, Ordering::Relaxed);
        let mut all = Obligations::default();
        for writer in self.writers {
            all.join(writer.join().unwrap());
        }
        all
    }
}

/// Waits for what comes by itself.
pub(crate) fn eventually(what: &str, within: Duration, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + within;
    while !holds() {
        assert!(Instant::now() < until, "{what}: not within {within:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
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
