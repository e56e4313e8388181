//! Groups with the trail table, the load on them, and the questions asked in the end.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tributary_testkit::services::{shared_broker, shared_registry};
use tributary_testkit::{GroupFolder, Obligations, Program, TRAIL_TABLE, Writer, assert_members_equal};

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
    let group = GroupFolder::with_log(name, log, &MEMBERS, &["Trail"], "");
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
        let done = Arc::new(AtomicBool::new(false));
        let writers = (0..)
            .zip(MEMBERS)
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
    let found = group.connect(to);
    eventually("a fresh change in another member", within, || {
        found
            .query_row("SELECT count(*) FROM Trail WHERE id = ?1", [key], |row| row.get::<_, i64>(0))
            .unwrap()
            == 1
    });
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
