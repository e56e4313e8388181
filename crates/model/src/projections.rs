//! What the members of a group keep of a table's columns, by member.
//!
//! The group's spec bears it and the resolver goes by it, so that it needs no connection to any member. What a single
//! column keeps is `projection`'s.

use crate::{Incarnation, MemberId, Projection, Row, Value};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What the members keep of a table's columns. Of a member or column that is not named everything is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Projections(BTreeMap<String, Vec<Projection>>);

impl Projections {
    /// What a member keeps of the columns, by position.
    pub fn of_member(&self, member: &MemberId) -> &[Projection] {
        self.0.get(member.as_str()).map_or(&[], Vec::as_slice)
    }

    /// What the member of an incarnation keeps of a column.
    pub fn of(&self, incarnation: &Incarnation, column: usize) -> Projection {
        let of = self.0.get(incarnation.member());
        of.and_then(|columns| columns.get(column)).copied().unwrap_or_default()
    }

    /// Whether every value of every column is the same in all members.
    pub fn is_exact(&self) -> bool {
        self.0.values().flatten().all(|projection| !matches!(projection, Projection::Narrowed(_)))
    }

    /// Whether the member of an incarnation has some column less precisely than the group.
    pub fn narrows(&self, incarnation: &Incarnation) -> bool {
        let of = self.0.get(incarnation.member());
        of.is_some_and(|columns| columns.iter().any(|column| matches!(column, Projection::Narrowed(_))))
    }

    /// Says what a member keeps.
    pub fn set(&mut self, member: &MemberId, columns: Vec<Projection>) {
        if columns.iter().all(|projection| *projection == Projection::Exact) {
            self.0.remove(member.as_str());
        } else {
            self.0.insert(member.as_str().to_owned(), columns);
        }
    }

    /// Whether nothing is known but that all is kept.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A row as a member with these columns holds it: an absent value of a column that it has is NULL there.
pub fn project_row(row: &Row, columns: &[Projection]) -> Row {
    let value = |(column, value): (usize, &Option<Value>)| {
        let value = value.as_ref().unwrap_or(&Value::Null);
        columns.get(column).copied().unwrap_or_default().of(value).map(Cow::into_owned)
    };
    Row(row.0.iter().enumerate().map(value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_is_kept() {
        let member = |name| MemberId::new(name).unwrap();
        let mut projections = Projections::default();
        projections.set(&member("a"), vec![Projection::Exact, Projection::Absent]);
        projections.set(&member("b"), vec![Projection::Exact]);
        let later = Incarnation::parse("a~2").unwrap();
        assert_eq!(projections.of(&later, 1), Projection::Absent);
        assert_eq!(projections.of(&later, 7), Projection::Exact);
        assert_eq!(projections.of(&Incarnation::parse("b").unwrap(), 0), Projection::Exact);
        let row = Row::of([Value::Int(1), Value::Int(2)]);
        assert_eq!(project_row(&row, projections.of_member(&member("a"))).0, [Some(Value::Int(1)), None]);
    }
}
