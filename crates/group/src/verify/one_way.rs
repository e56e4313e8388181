//! Differences that the members' directions account for: they are told as such, and are no faults.
//!
//! A member that only publishes does not take what others give; where nobody else gives anything, it is what all the
//! others have to be equal to. A subscriber has of its own what its users changed, by its tracking, and rows that
//! nobody else has; a row that it should have and has not, or has otherwise without anybody having changed it there,
//! is as wrong as anywhere.

use super::compare::Sides;
use super::{Asked, Lasting, Side};
use crate::file::{Direction, GroupFile};
use std::collections::HashSet;
use tributary_model::{KeyBytes, MemberId};

/// What the direction of one of the two members accounts for.
pub(super) enum Own {
    /// Nothing.
    Nothing,
    /// Everything: the member takes nothing in.
    All(MemberId),
    /// These rows, and those that the other member does not have.
    Rows(MemberId, HashSet<KeyBytes>),
}

/// What the directions of both account for.
pub(super) struct OneWay {
    pub(super) reference: Own,
    pub(super) other: Own,
}

impl OneWay {
    /// Why a row may differ, in words.
    pub(super) fn explains(&self, key: &KeyBytes, (reference, other): &Sides) -> Option<String> {
        self.other
            .explains(key, reference.is_none())
            .or_else(|| self.reference.explains(key, other.is_none()))
    }
}

impl Own {
    fn explains(&self, key: &KeyBytes, only_here: bool) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::All(member) => Some(format!("{member} only publishes")),
            Self::Rows(member, rows) if only_here || rows.contains(key) => {
                Some(format!("{member} only subscribes, and has this of its own"))
            }
            Self::Rows(..) => None,
        }
    }
}

/// What one member's direction accounts for among the rows that differ.
pub(super) async fn one_way(file: &GroupFile, side: &mut Side<'_>, found: &Lasting) -> Asked<Own> {
    let id = side.reached.id.clone();
    let others_give =
        || file.members.iter().any(|other| other.id != id && other.direction != Direction::Subscribe);
    Ok(match side.reached.direction {
        Direction::Publish if others_give() => Own::All(id),
        Direction::Both | Direction::Publish => Own::Nothing,
        Direction::Subscribe if found.candidates.is_empty() => Own::Nothing,
        Direction::Subscribe => {
            let rows = side.reader.own_changes().await.map_err(side.failed())?;
            Own::Rows(id, rows)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_has_of_its_own_what_was_changed_there_and_what_nobody_else_has() {
        let (changed, not) = (KeyBytes::new([1]), KeyBytes::new([2]));
        let id = MemberId::new("shop").unwrap();
        let one_way =
            OneWay { reference: Own::Nothing, other: Own::Rows(id, HashSet::from([changed.clone()])) };
        let (here, there) = (Some([1; 16]), Some([2; 16]));
        assert!(one_way.explains(&changed, &(there, here)).is_some());
        assert!(one_way.explains(&changed, &(there, None)).is_some(), "deleted there");
        assert!(one_way.explains(&not, &(None, here)).is_some(), "only there");
        assert_eq!(one_way.explains(&not, &(there, here)), None);
        assert_eq!(one_way.explains(&not, &(there, None)), None, "it should have come");
    }
}
