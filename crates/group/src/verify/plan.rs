//! Which members are compared with which, when they do not all have the same columns.
//!
//! The member with the most columns is compared with every other one, by the columns that both have. A column that it
//! lacks is then compared among those that have it, in the same way, so that none is passed over.

use std::collections::BTreeMap;

/// Two members to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Comparison {
    /// The member that is taken for the reference.
    pub(super) reference: usize,
    /// The other one.
    pub(super) other: usize,
    /// By column: whether it is compared.
    pub(super) columns: Vec<bool>,
}

/// The comparisons for members that have these columns.
pub(super) fn comparisons(members: &BTreeMap<usize, Vec<bool>>) -> Vec<Comparison> {
    let mut wanted = Vec::new();
    let width = members.values().map(Vec::len).max().unwrap_or(0);
    let has = |member: usize, column: usize| members[&member].get(column).copied().unwrap_or(false);
    // Columns that have not been compared yet, as far as two members have them.
    let mut open: Vec<bool> =
        (0..width).map(|column| members.keys().filter(|member| has(**member, column)).count() > 1).collect();
    while open.contains(&true) {
        let count = |member: usize| (0..width).filter(|column| open[*column] && has(member, *column)).count();
        // Of several with as many the first, hence the reversed order: `max_by_key` gives the last.
        let Some(reference) = members.keys().rev().copied().max_by_key(|member| count(*member)) else {
            break;
        };
        for other in members.keys().copied().filter(|other| *other != reference) {
            if !(0..width).any(|column| open[column] && has(reference, column) && has(other, column)) {
                continue;
            }
            let columns = (0..width).map(|column| has(reference, column) && has(other, column)).collect();
            wanted.push(Comparison { reference, other, columns });
        }
        for (column, open) in open.iter_mut().enumerate() {
            *open &= !has(reference, column);
        }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equal_members_are_compared_with_the_first() {
        let members = (0..3).map(|member| (member, vec![true, true])).collect();
        let pairs: Vec<_> = comparisons(&members).iter().map(|c| (c.reference, c.other)).collect();
        assert_eq!(pairs, [(0, 1), (0, 2)]);
    }

    #[test]
    fn a_poorer_first_member_does_not_hide_a_column() {
        let members = BTreeMap::from([(0, vec![true, false]), (1, vec![true, true]), (2, vec![true, true])]);
        let pairs: Vec<_> = comparisons(&members);
        assert_eq!(pairs[0], Comparison { reference: 1, other: 0, columns: vec![true, false] });
        assert_eq!(pairs[1], Comparison { reference: 1, other: 2, columns: vec![true, true] });
        assert_eq!(pairs.len(), 2);
        assert!(comparisons(&BTreeMap::from([(0, vec![true])])).is_empty());
        assert!(comparisons(&BTreeMap::new()).is_empty());
    }

    proptest! {
        /// For every column, the comparisons join all members that have it.
        #[test]
        fn every_column_is_compared_among_all_that_have_it(
            sets in prop::collection::vec(prop::collection::vec(any::<bool>(), 4), 1..6),
        ) {
            let members: BTreeMap<usize, Vec<bool>> = sets.iter().cloned().enumerate().collect();
            let wanted = comparisons(&members);
            for column in 0..4 {
                let having: Vec<usize> = (0..sets.len()).filter(|member| sets[*member][column]).collect();
                let Some(first) = having.first() else { continue };
                let mut joined = vec![*first];
                for _ in 0..sets.len() {
                    for c in wanted.iter().filter(|c| c.columns[column]) {
                        for (a, b) in [(c.reference, c.other), (c.other, c.reference)] {
                            if joined.contains(&a) && !joined.contains(&b) {
                                joined.push(b);
                            }
                        }
                    }
                }
                joined.sort_unstable();
                prop_assert_eq!(joined, having);
            }
        }
    }
}
