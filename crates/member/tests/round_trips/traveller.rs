//! A value on its way, what is known of it, and what should become of it.

use crate::fate::Fate;
use crate::home::Home;
use crate::pair::Lane;
use std::collections::HashMap;
use tributary_model::{KeyBytes, Row, Value};

/// A value on its way.
pub(crate) struct Traveller {
    /// The table.
    pub(crate) lane: usize,
    /// The value.
    pub(crate) value: Value,
    /// Its row.
    pub(crate) key: KeyBytes,
    /// What the row says besides, as it stands by now.
    pub(crate) touched: Option<i32>,
    /// What the member where it goes to should make of it.
    pub(crate) fate: Fate,
    /// What that member has made of it; `None` where it has no row.
    pub(crate) arrived: Option<Value>,
    /// Whether it set out.
    pub(crate) left: bool,
    /// What is wrong with it.
    pub(crate) wrong: Option<String>,
}

impl Traveller {
    /// Notes what is wrong; only the first thing is told.
    pub(crate) fn fail(&mut self, wrong: impl Into<String>) {
        self.wrong.get_or_insert(wrong.into());
    }

    /// The row with this value.
    pub(crate) fn row(&self, run: i64, number: usize, held: &Value) -> Row {
        let touched = self.touched.map_or(Value::Null, Value::Int);
        Row::of([Value::Long(run), Value::Long(number as i64), touched, held.clone()])
    }
}

/// What a column makes of a value, in a member that rounds or not. Keys are never rounded.
pub(crate) fn fate(lane: &Lane, of_column: fn(&Value) -> Fate, value: &Value, rounds: bool) -> Fate {
    if value.is_null() {
        return Fate::Same;
    }
    match of_column(value) {
        Fate::Rounded(_) if !rounds || lane.keyed => Fate::Refused,
        // What the group has no room for could not be read again.
        Fate::Rounded(rounded) if !rounded.fits(lane.logical) => Fate::Refused,
        other => other,
    }
}

/// Anything for a message.
pub(crate) fn short(text: impl std::fmt::Debug) -> String {
    format!("{text:?}").chars().take(300).collect()
}

/// The rows of all values that set out, as a member has them.
pub(crate) async fn rows(home: &mut Home, all: &[Traveller]) -> Vec<Option<Row>> {
    let mut by_lane: HashMap<usize, Vec<usize>> = HashMap::new();
    for (number, traveller) in all.iter().enumerate().filter(|(_, traveller)| traveller.left) {
        by_lane.entry(traveller.lane).or_default().push(number);
    }
    let mut rows = vec![None; all.len()];
    for (lane, numbers) in by_lane {
        let keys: Vec<KeyBytes> = numbers.iter().map(|number| all[*number].key.clone()).collect();
        let found = home.member().rows(lane, &keys).await.unwrap();
        for (number, row) in numbers.into_iter().zip(found) {
            rows[number] = row;
        }
    }
    rows
}
