//! Columns that not every member has, or not with the same precision: what the exact ancestry of every single column
//! says about a resolver step.
//!
//! Beside the row goes which edit set each of its columns. A column that the change's user did not set must stay what
//! it is in the group, to the last digit; what he did set must look in the end as he left it. Of rows that were there
//! before, every one that was taken in without a conflict must still be what its member would see of the settled row.

use super::{COLUMNS, Cell, EditId, History, Published, Settlement, Setup};
use std::borrow::Cow;
use tributary_model::{ChangeKind, Projection, Resolved, Row, Settled, Value};

/// Of each column the edit that set it.
pub type Origins = [Option<EditId>; COLUMNS];

/// What a change says of a column, beside the settled row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    /// Nothing, or what is settled, or that as far as its member can show it.
    Nothing,
    /// What nobody has said before.
    More,
    /// The same more precisely, both sides being rows that were there before.
    Finer,
    /// Something else.
    Otherwise,
}

/// What must come of a resolver step.
pub struct Expected {
    pub settled: Settled,
    pub row: Option<Row>,
    /// The settled row is not what either side had.
    pub merged: bool,
}

/// The value that stands for a number in a column: one that can be rounded in all but the first.
pub fn value_of(column: usize, number: i32) -> Value {
    if column == 0 { Value::Int(number) } else { Value::Time(i64::from(number)) }
}

/// What a member shows of a row.
pub fn shown(setup: &Setup, member: usize, row: &Row) -> Row {
    let value = |column: usize| row.get(column).cloned().unwrap_or(Value::Null);
    let shows = |column: usize| setup.projection(member, column).of(&value(column)).map(Cow::into_owned);
    Row((0..COLUMNS).map(shows).collect())
}

/// The origins of a row that an edit has turned from `before` into `after`.
pub fn origins_after(edit: EditId, before: Option<&Row>, after: Option<&Row>, origins: Origins) -> Origins {
    std::array::from_fn(|column| {
        let now = after?.get(column)?;
        let stays = before.and_then(|row| row.get(column)) == Some(now);
        if stays { origins[column] } else { Some(edit) }
    })
}

/// The origins of a settled row.
pub fn settled_origins(held: Option<&Settlement>, published: &Published, record: &Resolved) -> Origins {
    std::array::from_fn(|column| {
        let settled = record.row.as_ref()?.get(column)?;
        let held = held.and_then(|held| Some((held.record.row.as_ref()?.get(column)?, held.origins[column])));
        match held {
            Some((value, origin)) if value == settled => origin,
            // Named by the change, whose value it is, and not by an earlier edit that it may show rounded.
            _ => Some(published.edit),
        }
    })
}

/// Whether a change is a first scan's row once more that is settled already.
pub fn known(cell: &Cell, published: &Published) -> bool {
    let change = &published.change;
    let again = change.kind == ChangeKind::FirstScan && change.dot.version > 1;
    again && cell.knows(published.edit)
}

/// The rows that were there before and live on in a settled row without a conflict.
pub fn settled_firsts(
    cell: &Cell,
    held: Option<&Settlement>,
    published: &Published,
    record: &Resolved,
) -> History {
    let own = match published.change.kind {
        ChangeKind::FirstScan => History::default().with(published.edit),
        _ => History::default(),
    };
    let before = held.map(|held| held.firsts).unwrap_or_default();
    match record.settled {
        Settled::Agreed if known(cell, published) => before,
        Settled::FastForward => own.and(if held.is_none() { own } else { History::default() }),
        Settled::Agreed | Settled::Completed => before.union(own),
        Settled::Conflict if record.winner == published.change.dot => own,
        Settled::Conflict => before,
    }
}

fn says(setup: &Setup, cell: &Cell, held: &Settlement, published: &Published, column: usize) -> Says {
    let value = |row: &Option<Row>| row.as_ref().and_then(|row| row.get(column)).cloned();
    let (ours, theirs) = (value(&published.change.row), value(&held.record.row));
    let shows =
        |member: usize, value: &Value| setup.projection(member, column).of(value).map(Cow::into_owned);
    let (Some(ours), Some(theirs)) = (&ours, &theirs) else {
        return if ours.is_some() { Says::More } else { Says::Nothing };
    };
    if shows(published.edit.origin(), theirs).as_ref() == Some(ours) {
        return Says::Nothing;
    }
    let firsts = [held.record.kind, published.change.kind].map(|kind| kind == ChangeKind::FirstScan);
    let mut taken_in = cell.edits.iter().filter(|(edit, _)| cell.settled.contains(*edit));
    let looks_the_same = |member: usize| shows(member, ours) == shows(member, theirs);
    if firsts == [true, true] && taken_in.all(|(edit, _)| looks_the_same(edit.origin())) {
        Says::Finer
    } else {
        Says::Otherwise
    }
}

/// What must come of a step; `incoming` is whether the policy lets the change win a conflict.
pub fn expected(
    setup: &Setup,
    cell: &Cell,
    held: Option<&Settlement>,
    published: &Published,
    on_top: bool,
    incoming: bool,
) -> Expected {
    let ours = published.change.row.clone();
    let Some(held) = held else {
        return Expected { settled: Settled::FastForward, row: ours, merged: false };
    };
    let theirs = held.record.row.clone();
    if known(cell, published) {
        return Expected { settled: Settled::Agreed, row: theirs, merged: false };
    }
    let (Some(change), Some(state)) = (&ours, &theirs) else {
        let settled = match (on_top, &ours, &theirs) {
            (true, ..) => Settled::FastForward,
            (false, None, None) => Settled::Agreed,
            (false, ..) => Settled::Conflict,
        };
        let row = if on_top || incoming { ours } else { theirs };
        return Expected { settled, row, merged: false };
    };
    let of: [Says; COLUMNS] = std::array::from_fn(|column| says(setup, cell, held, published, column));
    let adds = of.iter().any(|says| matches!(says, Says::More | Says::Finer));
    let settled = match (on_top, of.contains(&Says::Otherwise), adds) {
        (true, ..) => Settled::FastForward,
        (false, true, _) => Settled::Conflict,
        (false, false, true) => Settled::Completed,
        (false, false, false) => Settled::Agreed,
    };
    let changed = settled == Settled::FastForward || incoming;
    let column = |column: usize| match of[column] {
        Says::Nothing => state.get(column).cloned(),
        Says::More | Says::Finer => change.get(column).cloned(),
        Says::Otherwise => if changed { change } else { state }.get(column).cloned(),
    };
    let row = Some(Row((0..COLUMNS).map(column).collect()));
    Expected { settled, row, merged: adds }
}

/// What a settled row must be, by the ancestry of its columns alone; the error says what it is not.
pub fn check_columns(
    setup: &Setup,
    cell: &Cell,
    held: Option<&Settlement>,
    published: &Published,
    record: &Resolved,
) -> Result<(), String> {
    let Some(row) = &record.row else { return Ok(()) };
    let incoming = record.winner == published.change.dot;
    if let Some((held, before)) = held.and_then(|held| Some((held, held.record.row.as_ref()?))) {
        for column in 0..COLUMNS {
            let (ours, theirs) = (published.origins[column], held.origins[column]);
            let untouched =
                !incoming || published.change.row.as_ref().is_none_or(|row| row.get(column).is_none());
            let untouched = untouched || (ours.is_some() && ours == theirs);
            let finer =
                record.kind == ChangeKind::FirstScan && published.change.kind == ChangeKind::FirstScan;
            if untouched && !finer && before.get(column).is_some() && row.get(column) != before.get(column) {
                return Err(format!("column {column} was touched by nobody and is {row:?}"));
            }
        }
    }
    if incoming && let Some(own) = &published.change.row {
        let seen = shown(setup, published.edit.origin(), row);
        let differs =
            (0..COLUMNS).any(|column| own.get(column).is_some() && seen.get(column) != own.get(column));
        if differs {
            return Err(format!("the winner's user sees {seen:?} where he left {own:?}"));
        }
    }
    let firsts = settled_firsts(cell, held, published, record);
    for (edit, first) in cell.firsts.iter().filter(|(edit, _)| firsts.contains(*edit)) {
        let seen = shown(setup, edit.origin(), row);
        let differs = (0..COLUMNS).any(|at| first.get(at).is_some() && seen.get(at) != first.get(at));
        if differs {
            return Err(format!("{first:?} was there before, and is {seen:?} now without a conflict"));
        }
    }
    Ok(())
}

/// What the rules are told of a member's column.
pub fn projection(lacks: bool, step: i64) -> Projection {
    use tributary_model::{Narrowing, Steps};
    match (lacks, step) {
        (true, _) => Projection::Absent,
        (false, 2..) => {
            Projection::Narrowed(Narrowing { steps: Some(Steps::Nearest(step)), ..Narrowing::default() })
        }
        (false, _) => Projection::Exact,
    }
}
