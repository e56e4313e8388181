//! Users of all members who write until they are told to stop, and waiting for what comes by itself.

use crate::{GroupFolder, Obligations, Writer};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Rows that all writers quarrel about.
const KEYS: i64 = 60;

/// The seed of this run's random choices, printed once; `TRIBUTARY_TEST_SEED` gives one.
pub fn seed() -> u64 {
    static SEED: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *SEED.get_or_init(|| {
        let given = std::env::var_os("TRIBUTARY_TEST_SEED").and_then(|text| text.to_str()?.parse().ok());
        let seed = given.unwrap_or_else(rand::random);
        eprintln!("TRIBUTARY_TEST_SEED={seed}");
        seed
    })
}

/// Users of SQLite members, writing to the trail table until they are stopped.
pub struct Load {
    done: Arc<AtomicBool>,
    writers: Vec<JoinHandle<Obligations>>,
}

impl Load {
    /// Lets a user of each member write, with pauses of up to `pause`.
    pub fn start(group: &GroupFolder, pause: Duration) -> Self {
        let members: Vec<_> = group.members().iter().map(String::as_str).collect();
        Self::by(&members, group, pause)
    }

    /// Lets a user of each of these members write, with pauses of up to `pause`.
    pub fn by(members: &[&str], group: &GroupFolder, pause: Duration) -> Self {
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
    pub fn stop(self) -> Obligations {
        self.done.store(true, Ordering::Relaxed);
        let mut all = Obligations::default();
        for writer in self.writers {
            all.join(writer.join().unwrap());
        }
        all
    }
}

/// Waits for what comes by itself.
pub fn eventually(what: &str, within: Duration, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + within;
    while !holds() {
        assert!(Instant::now() < until, "{what}: not within {within:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
