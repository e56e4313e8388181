//! What the triggers cost the user who writes: the same statements on the same rows, with and without them.

use super::load::{Load, shuffled};
use super::{Group, Options};
use anyhow::Result;
use serde::Serialize;
use std::path::Path;
use std::time::Instant;

/// Single updates, each a transaction of its own.
const SINGLE: usize = 2_000;

/// Microseconds a row, with and without the sync objects.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Cost {
    pub(super) without_us: f64,
    pub(super) with_us: f64,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub(super) struct Writer {
    /// Rows of the table.
    pub(super) rows: u64,
    /// Inserts in key order, 10,000 in a transaction.
    pub(super) bulk_insert: Cost,
    /// Updates of random rows, 10,000 in a transaction.
    pub(super) bulk_update: Cost,
    /// Updates of random rows, each a transaction of its own that waits for the disk.
    pub(super) single_update: Cost,
}

/// Measures in `folder`. No worker runs meanwhile.
pub(super) fn measure(options: &Options, folder: &Path) -> Result<Writer> {
    let group = Group::create(options, folder, 2)?;
    group.open()?.stop()?;
    let without = Load::open(&folder.join("plain.db"), options)?;
    without.create_table()?;
    let without = statements(without, options)?;
    let with = statements(group.load(0)?, options)?;
    let cost = |at: usize| Cost { without_us: without[at], with_us: with[at] };
    Ok(Writer { rows: options.rows, bulk_insert: cost(0), bulk_update: cost(1), single_update: cost(2) })
}

/// Microseconds a row of bulk inserts, bulk updates and single updates.
fn statements(mut load: Load, options: &Options) -> Result<[f64; 3]> {
    let per_row = |began: Instant, rows: usize| began.elapsed().as_secs_f64() * 1e6 / rows as f64;
    let began = Instant::now();
    load.insert(1..=options.rows)?;
    let bulk_insert = per_row(began, options.rows as usize);
    let keys = shuffled(options.rows, options.seed);
    let began = Instant::now();
    load.update(&keys)?;
    let bulk_update = per_row(began, keys.len());
    load.connection().execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA synchronous = FULL")?;
    let single = &keys[..SINGLE.min(keys.len())];
    let began = Instant::now();
    for key in single {
        load.update_one(*key)?;
    }
    Ok([bulk_insert, bulk_update, per_row(began, single.len())])
}
