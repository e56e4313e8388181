//! What the triggers cost the user who writes: the same statements on the same rows, with and without them.

use super::load::{Load, TRANSACTION, keys as in_order, shuffled};
use super::{Group, Options};
use anyhow::Result;
use serde::Serialize;
use std::path::Path;
use std::time::Instant;

/// Single updates, each a transaction of its own.
const SINGLE: usize = 2_000;
/// How many of them are made before it is the other table's turn.
const SINGLE_IN_TURN: usize = 20;

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
    let mut without = Load::open(&folder.join("plain.db"), options)?;
    without.create_table()?;
    let mut with = group.load(0)?;
    let keys = shuffled(options.rows, options.seed);
    // Part by part in turn, so that a disk that is slow for a while is slow for both.
    let mut measure = |parts: &mut dyn Iterator<Item = &[u64]>, each: Each| -> Result<Cost> {
        let (mut without_us, mut with_us, mut rows) = (0.0, 0.0, 0);
        for part in parts {
            without_us += microseconds(&mut without, part, each)?;
            with_us += microseconds(&mut with, part, each)?;
            rows += part.len();
        }
        Ok(Cost { without_us: without_us / rows as f64, with_us: with_us / rows as f64 })
    };
    let in_order = in_order(1, options.rows);
    let bulk_insert = measure(&mut in_order.chunks(TRANSACTION), Load::insert)?;
    let bulk_update = measure(&mut keys.chunks(TRANSACTION), Load::update)?;
    let single = &keys[..SINGLE.min(keys.len())];
    let single_update = measure(&mut single.chunks(SINGLE_IN_TURN), update_singly)?;
    Ok(Writer { rows: options.rows, bulk_insert, bulk_update, single_update })
}

/// A way of writing the rows of these keys.
type Each = fn(&mut Load, &[u64]) -> Result<()>;

fn microseconds(load: &mut Load, keys: &[u64], each: Each) -> Result<f64> {
    let began = Instant::now();
    each(load, keys)?;
    Ok(began.elapsed().as_secs_f64() * 1e6)
}

/// Each row in a transaction of its own that waits for the disk.
fn update_singly(load: &mut Load, keys: &[u64]) -> Result<()> {
    load.connection().execute_batch("PRAGMA synchronous = FULL")?;
    keys.iter().try_for_each(|key| load.update_one(*key))
}
