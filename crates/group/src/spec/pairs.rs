//! What of one member's values another member cannot hold, told before anything is provisioned.
//!
//! Decides it by what was declared, for every column and pair of members; whether a value is rounded or its row set
//! aside then is the member's `on_loss`. A member that lacks a column is told of by [`bind()`](super::bind()).

use super::types::digits;
use super::{Bound, GroupFinding};
use crate::file::{GroupFile, OnLoss};
use std::collections::BTreeMap;
use tributary_member::{ColumnInspection, Inspection, Limits, Severity, TableInspection};
use tributary_model::{LogicalType, MemberId, time};

/// A member with its tables as found and as bound.
pub struct Seen<'a> {
    /// The member.
    pub member: &'a MemberId,
    /// What was found.
    pub inspection: &'a Inspection,
    /// How the group's tables lie in it.
    pub bound: &'a Bound,
}

impl Seen<'_> {
    fn has_table(&self, table: usize) -> bool {
        self.bound.exists.get(table).copied().unwrap_or_default()
    }

    /// The member's own column for a column of the group's table, where it has both.
    fn column(&self, table: usize, column: usize) -> Option<(&TableInspection, &ColumnInspection)> {
        let binding = self.bound.bindings.get(table).filter(|_| self.bound.exists[table])?;
        let own = binding.local_columns.get(column)?.as_ref()?;
        let found = self.inspection.table(binding.local_schema.as_deref(), &binding.local_table)?;
        let column = found.columns.iter().find(|column| column.name == *own)?;
        Some((found, column))
    }
}

/// What becomes of a value that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// A digit or a fraction is lost, or the row is set aside: `on_loss` says which.
    Rounded,
    /// The row is set aside in any case.
    Refused,
    /// The column takes no NULL, and the giver has no such column, so that its new rows say nothing of it.
    Unset,
}

/// What the members cannot take of each other's values: one finding for each column of a member and kind of loss,
/// with all members from which such values may come.
pub fn differences(file: &GroupFile, members: &[Seen<'_>]) -> Vec<GroupFinding> {
    let mut findings = Vec::new();
    for taker in members {
        for (table, binding) in taker.bound.bindings.iter().enumerate() {
            for at in 0..binding.schema.columns.len() {
                let Some((found, own)) = taker.column(table, at) else { continue };
                let label = found.qualified();
                findings.extend(kept_back(taker.member, &label, own));
                let mut losses: BTreeMap<(Fate, String), Vec<&str>> = BTreeMap::new();
                for giver in members.iter().filter(|giver| giver.member != taker.member) {
                    let Some((_, theirs)) = giver.column(table, at) else {
                        if !own.nullable && giver.has_table(table) {
                            let what = "a row that is first written there".to_owned();
                            losses.entry((Fate::Unset, what)).or_default().push(giver.member.as_str());
                        }
                        continue;
                    };
                    for (fate, what) in lost(theirs, own) {
                        // A key is looked up: it never stands for another.
                        let fate = if binding.schema.key.contains(&at) { Fate::Refused } else { fate };
                        losses.entry((fate, what)).or_default().push(giver.member.as_str());
                    }
                }
                for ((fate, what), givers) in losses {
                    findings.push(finding(file, taker.member, &label, own, fate, &what, &givers));
                }
            }
        }
    }
    findings
}

fn finding(
    file: &GroupFile,
    member: &MemberId,
    table: &str,
    column: &ColumnInspection,
    fate: Fate,
    what: &str,
    givers: &[&str],
) -> GroupFinding {
    let rounds = file.member(member).is_some_and(|member| member.on_loss == OnLoss::Round);
    let becomes = match (fate, rounds) {
        (Fate::Rounded, true) => "is rounded here, and counted, and stays as it is in the others",
        (Fate::Rounded, false) | (Fate::Refused, _) => {
            "is not written here: its row is listed as an exception"
        }
        (Fate::Unset, _) => {
            "has no value for this column, which takes no NULL: it is listed as an exception until a member that has \
             the column gives it one"
        }
    };
    let message =
        format!("of {}, {what} {becomes} (the column is declared {})", givers.join(" and "), column.declared);
    let remedy = match (fate, rounds) {
        (Fate::Rounded, false) => {
            "widen the column, exclude it, or set `on_loss: round` for this member if that may be lost"
        }
        (Fate::Unset, _) => "let the column be NULL, or add it there",
        _ => "widen the column, or exclude it in the group file, if such values occur",
    };
    let mut found = GroupFinding::of(Severity::Warning, Some(member), table, message, remedy);
    found.finding.column = Some(column.name.clone());
    found
}

/// Values that the member's database has and the group's type has not.
fn kept_back(member: &MemberId, table: &str, column: &ColumnInspection) -> Option<GroupFinding> {
    let beyond = column.limits.beyond?;
    let message = format!(
        "a row with {beyond} is not published: no other database is sure to have it, so the row is listed as an \
         exception (the column is declared {})",
        column.declared
    );
    let remedy = "nothing needs to be done unless such values occur; a check constraint can keep them out";
    let mut found = GroupFinding::of(Severity::Note, Some(member), table, message, remedy);
    found.finding.column = Some(column.name.clone());
    Some(found)
}

/// Which values that can stand in `from` cannot stand in `to`.
fn lost(from: &ColumnInspection, to: &ColumnInspection) -> Vec<(Fate, String)> {
    let (Some(giver), Some(taker)) = (from.logical, to.logical) else { return Vec::new() };
    let mut losses = Vec::new();
    if let (Some((low, high)), Some((lowest, highest))) =
        (integers(giver, &from.limits), integers(taker, &to.limits))
        && (low < lowest || high > highest)
    {
        losses.push((Fate::Refused, format!("an integer outside {lowest} to {highest}")));
    } else if let (Some(wide), Some(narrow)) = (digits(giver), digits(taker)) {
        if wide.0 > narrow.0 {
            losses.push((
                Fate::Refused,
                format!("a number with more than {} digits before the point", narrow.0),
            ));
        }
        if wide.1 > narrow.1 {
            // Some databases round to a whole number, others would have it be one.
            let rounds = narrow.1 > 0 || to.limits.narrowing.scale.is_some();
            losses.push((
                if rounds { Fate::Rounded } else { Fate::Refused },
                format!("a number with more than {} digits behind the point", narrow.1),
            ));
        }
    }
    if let Some(kept) = to.limits.digits
        && most_digits(giver, &from.limits).is_none_or(|most| most > kept)
    {
        losses.push((Fate::Rounded, format!("a number with more than {kept} digits")));
    }
    if giver == LogicalType::Double && taker == LogicalType::Float {
        losses.push((Fate::Rounded, "a float with more than 24 binary digits".to_owned()));
    }
    let step = |limits: &Limits| limits.step.unwrap_or(1);
    if step(&to.limits) > step(&from.limits) {
        losses.push((Fate::Rounded, format!("a time finer than {}", seconds(step(&to.limits)))));
    }
    let everything = (i64::MIN, i64::MAX);
    let (first, last) = to.limits.span.unwrap_or(everything);
    let (from_first, from_last) = from.limits.span.unwrap_or(everything);
    if from_first < first || from_last > last {
        let (first, last) = (time::format_timestamp(first), time::format_timestamp(last));
        losses.push((Fate::Refused, format!("a time outside {first} to {last}")));
    }
    if to.limits.drops_offset && !from.limits.drops_offset && taker == LogicalType::TimestampOffset {
        losses.push((Fate::Rounded, "a time with an offset other than UTC's".to_owned()));
    }
    if to.limits.narrowing.trims_blanks && !from.limits.narrowing.trims_blanks && taker == LogicalType::String
    {
        losses.push((Fate::Rounded, "a text that ends in blanks".to_owned()));
    }
    if let Some(length) = to.limits.narrowing.filled_to
        && from.limits.narrowing.filled_to != Some(length)
    {
        losses.push((Fate::Rounded, format!("a value of fewer than {length} bytes")));
    }
    if let Some(length) = longest(to)
        && longest(from).is_none_or(|theirs| theirs > length)
    {
        let unit = if taker == LogicalType::Bytes { "bytes" } else { "characters" };
        losses.push((Fate::Refused, format!("a value of more than {length} {unit}")));
    }
    if let Some(page) = &to.limits.code_page
        && from.limits.code_page.as_ref() != Some(page)
    {
        losses.push((Fate::Refused, format!("a text with characters outside of {page}")));
    }
    losses
}

/// The length that the column's database keeps texts and byte strings to.
fn longest(column: &ColumnInspection) -> Option<u32> {
    column.max_length.filter(|_| !column.limits.any_length)
}

fn integers(logical: LogicalType, limits: &Limits) -> Option<(i64, i64)> {
    match logical {
        LogicalType::Int => Some(limits.integers.unwrap_or((i64::from(i32::MIN), i64::from(i32::MAX)))),
        LogicalType::Long => Some(limits.integers.unwrap_or((i64::MIN, i64::MAX))),
        _ => None,
    }
}

/// The digits that an exact number may have in all; `None` for any number of them.
fn most_digits(logical: LogicalType, limits: &Limits) -> Option<u32> {
    let most = digits(logical).and_then(|(whole, behind)| whole.checked_add(behind));
    most.map_or(limits.digits, |most| Some(limits.digits.map_or(most, |kept| kept.min(most))))
}

/// Ticks as people say them.
fn seconds(ticks: i64) -> String {
    match ticks {
        10 => "a microsecond".to_owned(),
        ticks if ticks % 10_000_000 == 0 => format!("{} s", ticks / 10_000_000),
        ticks if ticks % 10_000 == 0 => format!("{} ms", ticks / 10_000),
        ticks if ticks % 10 == 0 => format!("{} µs", ticks / 10),
        ticks => format!("{} µs", ticks as f64 / 10.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_model::Narrowing;

    fn column(logical: LogicalType) -> ColumnInspection {
        ColumnInspection {
            name: "c".to_owned(),
            declared: logical.to_string(),
            logical: Some(logical),
            nullable: true,
            max_length: None,
            limits: Limits::default(),
            has_default: false,
            generated: false,
            collation: None,
        }
    }

    fn with(logical: LogicalType, limits: Limits) -> ColumnInspection {
        ColumnInspection { limits, ..column(logical) }
    }

    fn told(from: &ColumnInspection, to: &ColumnInspection) -> Vec<String> {
        lost(from, to).into_iter().map(|(fate, what)| format!("{fate:?}: {what}")).collect()
    }

    #[test]
    fn a_length_that_the_database_does_not_keep_to_is_no_limit() {
        let loose = ColumnInspection {
            max_length: Some(40),
            ..with(LogicalType::String, Limits { any_length: true, ..Limits::default() })
        };
        let strict = ColumnInspection { max_length: Some(40), ..column(LogicalType::String) };
        assert_eq!(told(&loose, &strict), ["Refused: a value of more than 40 characters"]);
        assert_eq!(told(&strict, &loose), Vec::<String>::new());
        assert_eq!(told(&column(LogicalType::String), &loose), Vec::<String>::new());
    }

    #[test]
    fn narrower_columns_are_told_and_wider_ones_are_not() {
        use LogicalType as T;
        let decimal = |precision, scale| column(T::Decimal { precision, scale });
        let text = |max_length| ColumnInspection { max_length, ..column(T::String) };
        let tiny = with(T::Int, Limits { integers: Some((0, 255)), ..Limits::default() });
        let micro = with(T::Timestamp, Limits { step: Some(10), ..Limits::default() });
        let kept =
            with(T::Decimal { precision: 38, scale: 4 }, Limits { digits: Some(15), ..Limits::default() });
        let narrowing = |narrowing| Limits { narrowing, ..Limits::default() };
        let padded = with(T::String, narrowing(Narrowing { trims_blanks: true, ..Narrowing::default() }));
        let filled = with(T::Bytes, narrowing(Narrowing { filled_to: Some(4), ..Narrowing::default() }));
        let whole = with(T::Long, narrowing(Narrowing { scale: Some(0), ..Narrowing::default() }));
        let latin = ColumnInspection {
            limits: Limits { code_page: Some("code page 1252".to_owned()), ..Limits::default() },
            ..text(Some(10))
        };
        let zulu = with(T::TimestampOffset, Limits { drops_offset: true, ..Limits::default() });
        for (wide, narrow, expected) in [
            (column(T::Long), column(T::Int), "Refused: an integer outside -2147483648 to 2147483647"),
            (column(T::Int), tiny, "Refused: an integer outside 0 to 255"),
            (decimal(12, 2), decimal(10, 2), "Refused: a number with more than 8 digits before the point"),
            (decimal(10, 4), decimal(8, 2), "Rounded: a number with more than 2 digits behind the point"),
            (
                column(T::Numeric),
                column(T::Long),
                "Refused: a number with more than 19 digits before the point",
            ),
            (decimal(38, 4), kept, "Rounded: a number with more than 15 digits"),
            (column(T::Double), column(T::Float), "Rounded: a float with more than 24 binary digits"),
            (column(T::Timestamp), micro, "Rounded: a time finer than a microsecond"),
            (column(T::String), padded, "Rounded: a text that ends in blanks"),
            (column(T::Bytes), filled, "Rounded: a value of fewer than 4 bytes"),
            (decimal(21, 2), whole, "Rounded: a number with more than 0 digits behind the point"),
            (decimal(21, 2), column(T::Long), "Refused: a number with more than 0 digits behind the point"),
            (text(None), text(Some(40)), "Refused: a value of more than 40 characters"),
            (text(Some(10)), latin, "Refused: a text with characters outside of code page 1252"),
            (column(T::TimestampOffset), zulu, "Rounded: a time with an offset other than UTC's"),
        ] {
            assert_eq!(told(&wide, &narrow)[0], expected);
            assert_eq!(told(&narrow, &wide), Vec::<String>::new(), "the other way round: {expected}");
            assert_eq!(told(&narrow, &narrow), Vec::<String>::new(), "among alike: {expected}");
        }
        let span = (0, 864_000_000_000);
        let old = with(T::Timestamp, Limits { span: Some(span), ..Limits::default() });
        assert_eq!(
            told(&column(T::Timestamp), &old),
            ["Refused: a time outside 1970-01-01 00:00:00 to 1970-01-02 00:00:00"]
        );
        assert_eq!(told(&old, &column(T::Timestamp)), Vec::<String>::new());
    }
}
