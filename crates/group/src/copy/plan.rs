//! How the offsets of a partition are kept when it is copied: what to write next, told by where the copy ends.
//!
//! Members remember how far they have applied each resolved partition, and parked records remember where they stood.
//! So every record goes to its old offset in the copy. A compacted partition has gaps, and a log that only appends
//! has to use them up: a short gap by writing the record behind it again and again, which changes nothing for anyone
//! who reads it (I4) and is compacted away; a long one by records of an aborted transaction, which nobody sees.
//! (The marker that ends a transaction takes an offset too, so a gap of one cannot be filled so; and a record must
//! not be part of a transaction, since one that dies with it would be lost at its offset.)
//!
//! Pure. That the step depends on nothing but the copy's end is what lets a copy be killed at any point and go on.

/// A gap is used up by repeating as long as that writes no more bytes than this: about what a transaction costs.
const REPEATED_BYTES: u64 = 64 << 10;

/// Most offsets of one aborted transaction, which must end within the broker's patience.
const FILLED_AT_ONCE: u64 = 50_000;

/// A record of the source that the copy does not have yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ahead {
    /// Where it stands.
    pub(super) offset: u64,
    /// How large it is.
    pub(super) bytes: usize,
}

/// What to write next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The record itself.
    Append,
    /// The record so often before its turn.
    Repeat(u64),
    /// So many offsets, at least two, of an aborted transaction with its marker.
    Fill(u64),
    /// Nothing: all is there.
    Done,
}

/// The step for a copy that ends at `end`; `ahead` is the source's first record at or behind `end`, and `source_end`
/// where the source ends.
pub(super) fn step(end: u64, ahead: Option<Ahead>, source_end: u64) -> Step {
    let Some(ahead) = ahead else {
        // The end itself has been given, so that no member stands behind it; one offset more does no harm.
        return match source_end.saturating_sub(end) {
            0 => Step::Done,
            gap => Step::Fill(portion(gap.max(2))),
        };
    };
    match ahead.offset.saturating_sub(end) {
        0 => Step::Append,
        gap if gap == 1 || gap.saturating_mul(ahead.bytes as u64) <= REPEATED_BYTES => Step::Repeat(gap),
        gap => Step::Fill(portion(gap)),
    }
}

/// What of a gap is filled at once. Never leaves a rest of one, which nothing but a repeated record could take.
fn portion(gap: u64) -> u64 {
    match gap {
        0..=FILLED_AT_ONCE => gap,
        gap if gap - FILLED_AT_ONCE == 1 => FILLED_AT_ONCE - 1,
        _ => FILLED_AT_ONCE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_gap_is_used_up_by_what_fits_it() {
        let at = |offset, bytes| Some(Ahead { offset, bytes });
        assert_eq!(step(5, at(5, 10), 9), Step::Append);
        assert_eq!(step(4, at(5, 1 << 30), 9), Step::Repeat(1), "nothing else takes a single offset");
        assert_eq!(step(0, at(5, 100), 9), Step::Repeat(5));
        assert_eq!(step(0, at(5, 1 << 20), 9), Step::Fill(5));
        assert_eq!(step(0, at(1_000_000, 100), 1_000_001), Step::Fill(FILLED_AT_ONCE));
        assert_eq!(step(0, at(FILLED_AT_ONCE + 1, 100), u64::MAX), Step::Fill(FILLED_AT_ONCE - 1));
        assert_eq!(step(0, at(FILLED_AT_ONCE + 2, 100), u64::MAX), Step::Fill(FILLED_AT_ONCE));
        assert_eq!(step(7, None, 7), Step::Done);
        assert_eq!(step(8, None, 7), Step::Done);
        assert_eq!(step(6, None, 7), Step::Fill(2), "one more than is needed");
        assert_eq!(step(3, None, 7), Step::Fill(4));
        assert_eq!(step(0, None, 0), Step::Done);
    }

    /// What stands at an offset of the copy.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Slot {
        /// The record with this offset in the source.
        Record(u64),
        Unseen,
    }

    /// Writes one step into the copy; `cut` lets it die on the way, after so many of its records.
    fn write(copy: &mut Vec<Slot>, step: Step, ahead: Option<Ahead>, cut: Option<u64>) {
        let record = |ahead: Option<Ahead>| Slot::Record(ahead.unwrap().offset);
        match step {
            Step::Append if cut.is_none() => copy.push(record(ahead)),
            Step::Append | Step::Done => {}
            Step::Repeat(times) => {
                let times = cut.map_or(times, |cut| cut.min(times));
                copy.extend(std::iter::repeat_n(record(ahead), usize::try_from(times).unwrap()));
            }
            Step::Fill(offsets) => {
                let records = cut.map_or(offsets - 1, |cut| cut.min(offsets - 1));
                // A transaction that was left open is aborted by the next producer of its name. One without records
                // leaves no marker.
                let marker = u64::from(records > 0);
                copy.extend(std::iter::repeat_n(Slot::Unseen, usize::try_from(records + marker).unwrap()));
            }
        }
    }

    proptest! {
        /// Whatever the gaps, and wherever the copy dies and begins again, every record ends up at its offset, and what
        /// can be seen besides is the record behind it.
        #[test]
        fn every_record_keeps_its_offset(
            gaps in prop::collection::vec(0u64..12, 0..40),
            tail in 0u64..5,
            large in any::<bool>(),
            deaths in prop::collection::vec((0u64..200, 0u64..12), 0..30),
        ) {
            let mut offsets = Vec::new();
            let mut next = 0;
            for gap in &gaps {
                next += gap;
                offsets.push(next);
                next += 1;
            }
            let source_end = next + tail;
            let bytes = if large { 1 << 20 } else { 20_000 };
            let mut copy: Vec<Slot> = Vec::new();
            for turn in 0u64.. {
                let end = copy.len() as u64;
                let ahead = offsets.iter().find(|offset| **offset >= end).map(|offset| Ahead { offset: *offset, bytes });
                let step = step(end, ahead, source_end);
                if step == Step::Done {
                    break;
                }
                if let Step::Fill(offsets) = step {
                    prop_assert!(offsets >= 2);
                }
                let cut = deaths.iter().find(|(at, _)| *at == turn).map(|(_, cut)| *cut);
                write(&mut copy, step, ahead, cut);
                prop_assert!(turn < 10_000, "it does not come to an end");
            }
            for offset in &offsets {
                prop_assert_eq!(copy[usize::try_from(*offset).unwrap()], Slot::Record(*offset));
            }
            for (at, slot) in (0u64..).zip(&copy) {
                if let Slot::Record(of) = slot {
                    let behind = offsets.iter().find(|offset| **offset >= at);
                    prop_assert_eq!(Some(of), behind, "what stands at {} is not what comes next", at);
                }
            }
            let end = copy.len() as u64;
            prop_assert!((source_end..=source_end + 1).contains(&end), "{end} for {source_end}");
        }
    }
}
