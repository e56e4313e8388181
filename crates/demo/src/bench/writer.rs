//! What the triggers cost the users who write: the same statements on the same rows, with and without them.

use super::load::{Load, keys as in_order, microseconds, shuffled};
use super::{Group, MEMBERS, MemberChoice, Options, PLAIN, load};
use anyhow::{Context as _, Result};
use serde::Serialize;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Rows that are written before it is the other table's turn.
const IN_TURN: usize = 10_000;
/// Single updates, each a transaction of its own.
const SINGLE: usize = 2_000;
/// How many of them are made before it is the other table's turn.
const SINGLE_IN_TURN: usize = 20;
/// Users who write at the same time, where a database can have several.
const CLIENTS: usize = 8;
/// How long they write before it is the other table's turn, and how many turns there are.
const TURN: Duration = Duration::from_secs(3);
const TURNS: usize = 4;

/// Microseconds a row, with and without the sync objects.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Cost {
    pub(super) without_us: f64,
    pub(super) with_us: f64,
}

/// Transactions a second of all users together, with and without the sync objects.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Rates {
    pub(super) without: f64,
    pub(super) with: f64,
}

/// What several users reached whose commits wait for the disk.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Clients {
    /// How many.
    pub(super) clients: usize,
    /// Inserts of one row, each committed.
    pub(super) inserts: Rates,
    /// Updates of one random row, each committed.
    pub(super) updates: Rates,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub(super) struct Writer {
    /// Rows of the table.
    pub(super) rows: u64,
    /// Inserts in key order, many in a transaction.
    pub(super) bulk_insert: Cost,
    /// Updates of random rows, a statement each, many in a transaction.
    pub(super) bulk_update: Cost,
    /// Updates of random rows, each a transaction of its own that waits for the disk.
    pub(super) single_update: Cost,
    /// Several users at the same time; not for SQLite, which has one writer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) clients: Option<Clients>,
}

/// Measures in `folder`. No worker runs meanwhile.
pub(super) fn measure(options: &Options, folder: &Path) -> Result<Writer> {
    let group = Group::create(options, folder, 2)?;
    group.open()?.stop()?;
    let mut without = group.plain()?;
    without.create_table()?;
    let mut with = group.load(0)?;
    let keys = shuffled(options.rows, options.seed);
    // Part by part in turn, so that a disk that is slow for a while is slow for both.
    let mut measure = |parts: &mut dyn Iterator<Item = &[u64]>, each: Each| -> Result<Cost> {
        let (mut without_us, mut with_us, mut rows) = (0.0, 0.0, 0);
        for part in parts {
            without_us += microseconds(|| each(without.as_mut(), part))?;
            with_us += microseconds(|| each(with.as_mut(), part))?;
            rows += part.len();
        }
        Ok(Cost { without_us: without_us / rows as f64, with_us: with_us / rows as f64 })
    };
    let in_order = in_order(1, options.rows);
    let bulk_insert = measure(&mut in_order.chunks(IN_TURN), |load, keys| load.insert(keys))?;
    let bulk_update = measure(&mut keys.chunks(IN_TURN), |load, keys| load.update(keys))?;
    let single = &keys[..SINGLE.min(keys.len())];
    let single_update = measure(&mut single.chunks(SINGLE_IN_TURN), update_singly)?;
    let clients = match options.databases {
        MemberChoice::Sqlite => None,
        MemberChoice::Postgres(_) => Some(several(&group, options)?),
    };
    Ok(Writer { rows: options.rows, bulk_insert, bulk_update, single_update, clients })
}

/// A way of writing the rows of these keys.
type Each = fn(&mut dyn Load, &[u64]) -> Result<()>;

/// Each row in a transaction of its own that waits for the disk.
fn update_singly(load: &mut dyn Load, keys: &[u64]) -> Result<()> {
    load.wait_for_disk(true)?;
    keys.iter().try_for_each(|key| load.update_one(*key))
}

fn several(group: &Group<'_>, options: &Options) -> Result<Clients> {
    let next = AtomicU64::new(options.rows + 1);
    let insert = |load: &mut dyn Load| load.insert_one(next.fetch_add(1, Ordering::Relaxed));
    let rows = options.rows;
    let update = |load: &mut dyn Load| {
        // Any order will do that does not come back to the same rows soon.
        let number = next.fetch_add(1, Ordering::Relaxed);
        load.update_one(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % rows + 1)
    };
    let (mut inserts, mut updates) = (Rates::default(), Rates::default());
    for _ in 0..TURNS {
        for (place, with) in [(PLAIN, false), (MEMBERS[0], true)] {
            let turn = |each: &(dyn Fn(&mut dyn Load) -> Result<()> + Sync), rates: &mut Rates| {
                let rate = rate(group, options, place, each)?;
                *(if with { &mut rates.with } else { &mut rates.without }) += rate / TURNS as f64;
                anyhow::Ok(())
            };
            turn(&insert, &mut inserts)?;
            turn(&update, &mut updates)?;
        }
    }
    Ok(Clients { clients: CLIENTS, inserts, updates })
}

/// Transactions a second of all users together.
fn rate(
    group: &Group<'_>,
    options: &Options,
    place: &str,
    each: &(dyn Fn(&mut dyn Load) -> Result<()> + Sync),
) -> Result<f64> {
    let mut loads = Vec::with_capacity(CLIENTS);
    for _ in 0..CLIENTS {
        let mut load = load::open(&group.databases.place(place), options)?;
        load.wait_for_disk(true)?;
        loads.push(load);
    }
    let began = Instant::now();
    let done = std::thread::scope(|scope| {
        let write = |mut load: Box<dyn Load>| {
            let mut done = 0_u64;
            while began.elapsed() < TURN {
                each(load.as_mut())?;
                done += 1;
            }
            anyhow::Ok(done)
        };
        let users: Vec<_> = loads.into_iter().map(|load| scope.spawn(move || write(load))).collect();
        users.into_iter().try_fold(0, |sum, user| {
            let done = user.join().ok().context("a user's thread has panicked")??;
            anyhow::Ok(sum + done)
        })
    })?;
    Ok(done as f64 / began.elapsed().as_secs_f64())
}
