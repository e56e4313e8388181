//! How many records one transaction holds: as many as keep the member's write lock for a bearable time.

use std::time::Duration;

/// A batch size that follows how long batches take.
#[derive(Debug)]
pub(crate) struct BatchSize {
    target: Duration,
    rows: usize,
    most: usize,
}

const LEAST: usize = 16;

impl BatchSize {
    /// Batches that take about `target`, and never more than `most` records.
    pub(crate) fn new(target: Duration, most: usize) -> Self {
        Self { target, rows: 500.min(most), most }
    }

    /// Records in the next batch.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Learns from a batch. Only a full one tells how long a larger one would take.
    pub(crate) fn observe(&mut self, rows: usize, took: Duration) {
        if took > self.target {
            let fitting = rows as f64 * self.target.as_secs_f64() / took.as_secs_f64();
            self.rows = (fitting as usize).clamp(LEAST.min(self.most), self.most);
        } else if rows >= self.rows && took < self.target * 3 / 4 {
            self.rows = (self.rows * 3 / 2).min(self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_grow_while_they_are_quick_and_shrink_at_once() {
        let mut size = BatchSize::new(Duration::from_millis(40), 10_000);
        for _ in 0..20 {
            size.observe(size.rows(), Duration::from_millis(1));
        }
        assert_eq!(size.rows(), 10_000);
        size.observe(10_000, Duration::from_millis(400));
        assert_eq!(size.rows(), 1_000);
        size.observe(3, Duration::from_millis(1));
        assert_eq!(size.rows(), 1_000, "a small batch says nothing about a larger one");
        size.observe(1_000, Duration::from_secs(60));
        assert_eq!(size.rows(), LEAST);
    }
}
