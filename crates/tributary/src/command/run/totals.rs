//! How much has passed through a process, read off its own metrics.

/// What the workers of this process have done since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Totals {
    captured: u64,
    resolved: u64,
    conflicts: u64,
    written: u64,
    parked: u64,
}

impl Totals {
    /// Sums up the series of a rendering in Prometheus' text format.
    pub(super) fn of(rendered: &str) -> Self {
        let mut totals = Self::default();
        for line in rendered.lines() {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            // Counters are whole and far below what a double holds exactly.
            let value = value as u64;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            match name {
                "tributary_capture_rows_total" => totals.captured += value,
                "tributary_resolver_changes_total" => {
                    totals.resolved += value;
                    if labels.contains("outcome=\"conflict\"") {
                        totals.conflicts += value;
                    }
                }
                "tributary_apply_records_total"
                    if ["upserted", "deleted"]
                        .iter()
                        .any(|o| labels.contains(&format!("outcome=\"{o}\""))) =>
                {
                    totals.written += value;
                }
                "tributary_apply_records_total" if labels.contains("outcome=\"parked\"") => {
                    totals.parked += value;
                }
                _ => {}
            }
        }
        totals
    }

    /// One line for people.
    pub(super) fn line(&self) -> String {
        let Self { captured, resolved, conflicts, written, parked } = self;
        format!(
            "so far: {captured} changes captured, {resolved} resolved ({conflicts} conflicts), {written} rows \
             written, {parked} refused"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_runtime::Metrics;

    #[test]
    fn series_are_summed_over_their_labels() {
        let metrics = Metrics::new("tributary");
        let captured = metrics.counters("capture_rows_total", "Rows.", ["member", "table"]).unwrap();
        captured.child(["hq", "a"]).inc_by(3);
        let more = captured.child(["shop", "a"]);
        more.inc_by(4);
        let resolved = metrics.counters("resolver_changes_total", "Changes.", ["table", "outcome"]).unwrap();
        let kept = [resolved.child(["a", "conflict"]), resolved.child(["a", "fast_forward"])];
        kept[0].inc_by(2);
        kept[1].inc_by(5);
        let applied = metrics.counters("apply_records_total", "Records.", ["member", "outcome"]).unwrap();
        let outcomes = ["upserted", "deleted", "parked", "same_content"].map(|o| applied.child(["hq", o]));
        outcomes.iter().for_each(|child| child.inc_by(1));
        let first = captured.child(["hq", "a"]);
        first.inc_by(0);
        let totals = Totals::of(&metrics.render());
        assert_eq!((totals.resolved, totals.conflicts, totals.written, totals.parked), (7, 2, 2, 1));
        assert!(totals.captured >= 4, "{totals:?}");
        assert!(totals.line().starts_with("so far: "));
        assert_eq!(Totals::of("# nothing\nbroken line x"), Totals::default());
    }
}
