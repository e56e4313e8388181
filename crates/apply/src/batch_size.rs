//! How many records one transaction holds: as many as keep the member's locks for a bearable time.
//!
//! A batch's time is a part that every batch has, whatever it holds (round trips, the commit), and a part for each of its
//! records. Smaller batches only make the second part smaller; where the first is large, they would make everything
//! slower and hardly any batch shorter. So both are estimated, and a batch may always take a few times the first.

use std::time::Duration;

/// A batch size that follows how long batches take.
#[derive(Debug)]
pub(crate) struct BatchSize {
    target: Duration,
    rows: usize,
    most: usize,
    seen: Seen,
}

const LEAST: usize = 16;

/// What a batch may take of what it takes in any case, where that is more than the target.
const TIMES_FIXED: f64 = 3.0;

/// The seconds that its records may take at the very most then.
const LONGEST: f64 = 0.5;

/// What a batch counts for after another one has come.
const MEMORY: f64 = 0.9;

impl BatchSize {
    /// Batches that take about `target`, and never more than `most` records.
    pub(crate) fn new(target: Duration, most: usize) -> Self {
        Self { target, rows: 500.min(most), most, seen: Seen::default() }
    }

    /// Records in the next batch.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Learns from a batch. Only a full one tells how long a larger one would take.
    pub(crate) fn observe(&mut self, rows: usize, took: Duration) {
        let took = took.as_secs_f64();
        self.seen.add(rows as f64, took);
        let fixed = self.seen.fixed().min(took);
        let target = self.target.as_secs_f64();
        let bearable = target.max((fixed * TIMES_FIXED).min(fixed + LONGEST));
        if took > bearable {
            let fitting = rows as f64 * ((bearable - fixed) / (took - fixed)).clamp(0.0, 1.0);
            self.rows = (fitting as usize).clamp(LEAST.min(self.most), self.most);
        } else if rows >= self.rows && took - fixed < (bearable - fixed) * 3.0 / 4.0 {
            self.rows = (self.rows * 3 / 2).min(self.most);
        }
    }
}

/// Sums over the last batches for a straight line through (records, seconds), newer ones counting more.
#[derive(Debug, Default)]
struct Seen {
    count: f64,
    rows: f64,
    took: f64,
    rows_rows: f64,
    rows_took: f64,
    /// The last estimate of [`Seen::fixed`].
    estimate: f64,
}

impl Seen {
    fn add(&mut self, rows: f64, took: f64) {
        for (sum, more) in [
            (&mut self.count, 1.0),
            (&mut self.rows, rows),
            (&mut self.took, took),
            (&mut self.rows_rows, rows * rows),
            (&mut self.rows_took, rows * took),
        ] {
            *sum = *sum * MEMORY + more;
        }
    }

    /// Seconds that a batch of no records would take. Batches that are all alike do not tell; then it is what it was, and
    /// 0 at first.
    fn fixed(&mut self) -> f64 {
        let spread = self.count * self.rows_rows - self.rows * self.rows;
        if spread > self.rows * self.rows * 0.01 {
            let each = ((self.count * self.rows_took - self.rows * self.took) / spread).max(0.0);
            self.estimate = ((self.took - each * self.rows) / self.count).max(0.0);
        }
        self.estimate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size that batches come to whose time is `fixed` and `each` for a record.
    fn settles_at(fixed: Duration, each: Duration, batches: usize) -> usize {
        let mut size = BatchSize::new(Duration::from_millis(50), 10_000);
        for _ in 0..batches {
            size.observe(size.rows(), fixed + each * size.rows() as u32);
        }
        size.rows()
    }

    #[test]
    fn batches_grow_while_they_are_quick_and_shrink_at_once() {
        let mut size = BatchSize::new(Duration::from_millis(40), 10_000);
        for _ in 0..20 {
            size.observe(size.rows(), Duration::from_micros(size.rows() as u64));
        }
        assert_eq!(size.rows(), 10_000);
        size.observe(10_000, Duration::from_millis(400));
        assert!((900..=1_100).contains(&size.rows()), "{}", size.rows());
        let before = size.rows();
        size.observe(3, Duration::from_micros(3));
        assert_eq!(size.rows(), before, "a small batch says nothing about a larger one");
        for _ in 0..3 {
            size.observe(size.rows(), Duration::from_secs(60));
        }
        assert_eq!(size.rows(), LEAST);
    }

    #[test]
    fn what_every_batch_takes_does_not_make_batches_small() {
        let micros = Duration::from_micros;
        let quick = settles_at(micros(500), micros(20), 60);
        assert!((1_500..=2_600).contains(&quick), "{quick}");
        // A look at a large catalog, say, that takes 200 ms: two thirds of the time goes to records.
        let heavy = settles_at(micros(200_000), micros(100), 200);
        assert!(heavy >= 2_000, "{heavy}");
        let heavier = settles_at(micros(900_000), micros(100), 200);
        // Whatever it is, nobody waits much longer than half a second for a record's lock.
        assert!((2_500..=6_000).contains(&heavier), "{heavier}");
    }
}
