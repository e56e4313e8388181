//! Which members are compared with which, when they do not all have the same columns, or not with the same precision.
//!
//! The member with the most columns is compared with every other one, by the columns that both have; one that shows a
//! column rounded is compared by what it would show of the other one's value. What that leaves open is then compared
//! among those that have it, in the same way, so that nothing is passed over. Of two that round a column each in its
//! own way nothing can be said: where no member has it exactly, only those are compared that round it alike.

use std::collections::BTreeMap;
use tributary_model::Projection;

/// Two members to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Comparison {
    /// The member that is taken for the reference.
    pub(super) reference: usize,
    /// The other one.
    pub(super) other: usize,
    /// By column: how the reference's values are looked at. Absent: not compared.
    pub(super) of_reference: Vec<Projection>,
    /// The same for the other one's.
    pub(super) of_other: Vec<Projection>,
}

/// Members that can be compared in a column: all that have it where one has it exactly, else those that round it alike.
type Class = (usize, Option<Projection>);

/// The comparisons for members that keep so much of the columns.
pub(super) fn comparisons(members: &BTreeMap<usize, Vec<Projection>>) -> Vec<Comparison> {
    let width = members.values().map(Vec::len).max().unwrap_or(0);
    let keeps =
        |member: usize, column: usize| members[&member].get(column).copied().unwrap_or(Projection::Absent);
    let class_of = |member: usize, column: usize| -> Option<Class> {
        let has_exact = members.keys().any(|member| keeps(*member, column) == Projection::Exact);
        match keeps(member, column) {
            Projection::Absent => None,
            own => Some((column, (!has_exact).then_some(own))),
        }
    };
    let all = |member: usize| (0..width).filter_map(move |column| class_of(member, column));
    // Whoever is taken for the reference has to have the column exactly, or as all others of the class.
    let leads = |member: usize, class: &Class| keeps(member, class.0) == class.1.unwrap_or(Projection::Exact);
    let mut open: Vec<Class> = Vec::new();
    for class in members.keys().flat_map(|member| all(*member)) {
        let having = members.keys().filter(|member| class_of(**member, class.0) == Some(class)).count();
        if having > 1 && !open.contains(&class) {
            open.push(class);
        }
    }
    let mut wanted = Vec::new();
    while !open.is_empty() {
        let count = |member: usize| open.iter().filter(|class| leads(member, class)).count();
        // Of several with as many the first, hence the reversed order: `max_by_key` gives the last.
        let Some(reference) = members.keys().rev().copied().max_by_key(|member| count(*member)) else {
            break;
        };
        for other in members.keys().copied().filter(|other| *other != reference) {
            if !open.iter().any(|class| leads(reference, class) && class_of(other, class.0) == Some(*class)) {
                continue;
            }
            let columns = (0..width).map(|column| looks(keeps(reference, column), keeps(other, column)));
            let (of_reference, of_other) = columns.unzip();
            wanted.push(Comparison { reference, other, of_reference, of_other });
        }
        open.retain(|class| !leads(reference, class));
    }
    wanted
}

/// How the values of two columns are looked at so that they can be compared.
fn looks(reference: Projection, other: Projection) -> (Projection, Projection) {
    match (reference, other) {
        (Projection::Exact, rounded @ Projection::Narrowed(_)) => (rounded, Projection::Exact),
        (rounded @ Projection::Narrowed(_), Projection::Exact) => (Projection::Exact, rounded),
        (one, other) if one == other && one != Projection::Absent => (Projection::Exact, Projection::Exact),
        _ => (Projection::Absent, Projection::Absent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tributary_model::{Narrowing, Projection::*};

    fn scale(scale: u32) -> Projection {
        Narrowed(Narrowing { scale: Some(scale), ..Narrowing::default() })
    }

    #[test]
    fn equal_members_are_compared_with_the_first() {
        let members = (0..3).map(|member| (member, vec![Exact, Exact])).collect();
        let pairs: Vec<_> = comparisons(&members).iter().map(|c| (c.reference, c.other)).collect();
        assert_eq!(pairs, [(0, 1), (0, 2)]);
    }

    #[test]
    fn a_poorer_first_member_does_not_hide_a_column() {
        let members = BTreeMap::from([(0, vec![Exact, Absent]), (1, vec![Exact; 2]), (2, vec![Exact; 2])]);
        let pairs: Vec<_> = comparisons(&members);
        let compared =
            |of: &Comparison| (of.reference, of.other, of.of_reference.clone(), of.of_other.clone());
        assert_eq!(compared(&pairs[0]), (1, 0, vec![Exact, Absent], vec![Exact, Absent]));
        assert_eq!(compared(&pairs[1]), (1, 2, vec![Exact; 2], vec![Exact; 2]));
        assert_eq!(pairs.len(), 2);
        assert!(comparisons(&BTreeMap::from([(0, vec![Exact])])).is_empty());
        assert!(comparisons(&BTreeMap::new()).is_empty());
    }

    #[test]
    fn a_rounded_column_is_compared_as_it_is_shown() {
        let members =
            BTreeMap::from([(0, vec![Exact, scale(2)]), (1, vec![Exact; 2]), (2, vec![Exact, scale(1)])]);
        let pairs = comparisons(&members);
        let looks: Vec<_> =
            pairs.iter().map(|c| (c.reference, c.other, c.of_reference[1], c.of_other[1])).collect();
        assert_eq!(looks, [(1, 0, scale(2), Exact), (1, 2, scale(1), Exact)]);
    }

    #[test]
    fn members_that_round_otherwise_are_not_compared() {
        let members = [scale(2), scale(1), scale(2), scale(1)];
        let members = members.into_iter().enumerate().map(|(at, kept)| (at, vec![Exact, kept])).collect();
        let pairs: Vec<_> =
            comparisons(&members).iter().map(|c| (c.reference, c.other, c.of_other[1])).collect();
        let expected =
            [(0, 1, Absent), (0, 2, Exact), (0, 3, Absent), (1, 0, Absent), (1, 2, Absent), (1, 3, Exact)];
        assert!(pairs.iter().all(|pair| expected.contains(pair)), "{pairs:?}");
        assert!(pairs.contains(&(0, 2, Exact)) && pairs.contains(&(1, 3, Exact)), "{pairs:?}");
    }

    fn kept() -> impl Strategy<Value = Projection> {
        prop_oneof![3 => Just(Exact), 2 => Just(Absent), 1 => Just(scale(1)), 1 => Just(scale(2))]
    }

    proptest! {
        /// For every column, the comparisons join all members that can be compared in it.
        #[test]
        fn every_column_is_compared_among_all_that_have_it(
            sets in prop::collection::vec(prop::collection::vec(kept(), 4), 1..6),
        ) {
            let members: BTreeMap<usize, Vec<Projection>> = sets.iter().cloned().enumerate().collect();
            let wanted = comparisons(&members);
            for column in 0..4 {
                let exact = sets.iter().any(|set| set[column] == Exact);
                for first in 0..sets.len() {
                    let own = sets[first][column];
                    let alike = |other: &usize| {
                        own != Absent && sets[*other][column] != Absent && (exact || sets[*other][column] == own)
                    };
                    let mut joined = vec![first];
                    for _ in 0..sets.len() {
                        for c in wanted.iter().filter(|c| c.of_other[column] != Absent) {
                            for (a, b) in [(c.reference, c.other), (c.other, c.reference)] {
                                if joined.contains(&a) && !joined.contains(&b) {
                                    joined.push(b);
                                }
                            }
                        }
                    }
                    joined.sort_unstable();
                    let having: Vec<usize> = (0..sets.len()).filter(|other| *other == first || alike(other)).collect();
                    prop_assert_eq!(joined, having);
                }
            }
        }
    }
}
