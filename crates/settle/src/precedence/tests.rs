//! Who wins under each policy, on cases written out and on random ones: the order is total and the same whoever asks. What
//! becomes of the loser is not asked here: that is the settlement's.

use super::*;
use proptest::prelude::*;
use tributary_model::{MemberId, Projections, TableName};

fn rules(policy: Policy, delete_vs_update: DeleteVsUpdate) -> TableRules {
    let member = |name| MemberId::new(name).unwrap();
    TableRules {
        table: TableName::new("Customer"),
        policy,
        delete_vs_update,
        priority: vec![member("b"), member("a")],
        publish_members: [member("p")].into(),
        projections: Projections::default(),
    }
}

/// A version with everything that the order looks at.
#[derive(Debug, Clone)]
struct Side {
    dot: Dot,
    kind: ChangeKind,
    at: Option<Ticks>,
    is_delete: bool,
}

impl Side {
    fn contender(&self) -> Contender<'_> {
        Contender { dot: &self.dot, kind: self.kind, effective_at: self.at, is_delete: self.is_delete }
    }
}

fn side(dot: &str, kind: ChangeKind, at: impl Into<Option<Ticks>>, is_delete: bool) -> Side {
    let (incarnation, version) = dot.split_once(':').unwrap();
    let dot = Dot::new(Incarnation::parse(incarnation).unwrap(), version.parse().unwrap());
    Side { dot, kind, at: at.into(), is_delete }
}

/// Both ways round the same side must win for the same reason.
#[track_caller]
fn beats(rules: &TableRules, better: &Side, worse: &Side, reason: Reason) {
    let decided = winner(rules, better.contender(), worse.contender());
    assert_eq!(decided, (Winner::Held, reason), "{better:?} held against {worse:?}");
    let decided = winner(rules, worse.contender(), better.contender());
    assert_eq!(decided, (Winner::Incoming, reason), "{better:?} incoming on {worse:?}");
}

/// In each pair the named step speaks for the first side, and every later step that can for the second.
#[test]
fn the_first_difference_decides() {
    use ChangeKind::{FirstScan, Live, Operator, Restated};
    let latest = rules(Policy::LatestWins, DeleteVsUpdate::DeleteWins);
    let priority = rules(Policy::Priority, DeleteVsUpdate::ByPolicy);
    let by_policy = rules(Policy::LatestWins, DeleteVsUpdate::ByPolicy);

    beats(&latest, &side("operator:1", Operator, 1, false), &side("p:2", Live, 9, true), Reason::Operator);
    beats(&latest, &side("p:1", FirstScan, None, false), &side("b:2", Live, 9, true), Reason::PublishMember);
    beats(&latest, &side("a:2", Live, 1, false), &side("b:1", FirstScan, 9, true), Reason::Unsure);
    beats(&latest, &side("a:2", Live, 1, false), &side("b~2:9", Restated, 9, true), Reason::Unsure);
    beats(&latest, &side("a:2", Live, 1, true), &side("b:2", Live, 9, false), Reason::DeleteVsUpdate);
    let update_wins = rules(Policy::LatestWins, DeleteVsUpdate::UpdateWins);
    beats(&update_wins, &side("a:2", Live, 1, false), &side("b:2", Live, 9, true), Reason::DeleteVsUpdate);
    beats(&by_policy, &side("a:2", Live, 9, false), &side("b:2", Live, 1, true), Reason::Policy);
    beats(&by_policy, &side("a:2", Live, 1, false), &side("b:2", Live, None, true), Reason::Policy);
    beats(&priority, &side("b:2", Live, 1, false), &side("z:2", Live, 9, false), Reason::Policy);
    beats(&by_policy, &side("b:2", Live, 5, false), &side("z:2", Live, 5, true), Reason::MemberPriority);
    beats(&priority, &side("y:2", Live, 9, false), &side("z:2", Live, 1, true), Reason::Time);
    beats(&priority, &side("b:2", Live, 9, false), &side("b~2:2", Live, 1, true), Reason::Time);
    beats(
        &by_policy,
        &side("z:1", FirstScan, None, false),
        &side("y:1", FirstScan, None, false),
        Reason::Incarnation,
    );
    beats(&by_policy, &side("b~10:2", Live, 5, false), &side("b~9:2", Live, 5, false), Reason::Incarnation);
}

#[test]
fn the_incoming_change_wins_when_nothing_differs() {
    let rules = rules(Policy::LatestWins, DeleteVsUpdate::ByPolicy);
    let (earlier, later) = (side("a:2", ChangeKind::Live, 5, false), side("a:3", ChangeKind::Live, 5, false));
    let decided = winner(&rules, earlier.contender(), later.contender());
    assert_eq!(decided, (Winner::Incoming, Reason::Incoming));
}

#[test]
fn manual_leaves_what_is_there_unless_an_earlier_step_decides() {
    let rules = rules(Policy::Manual, DeleteVsUpdate::DeleteWins);
    let live = |dot, at, is_delete| side(dot, ChangeKind::Live, at, is_delete);
    let (old, new) = (live("z:2", 1, false), live("b:2", 9, false));
    assert_eq!(winner(&rules, old.contender(), new.contender()), (Winner::Held, Reason::Policy));
    assert_eq!(winner(&rules, new.contender(), old.contender()), (Winner::Held, Reason::Policy));
    beats(&rules, &live("z:2", 1, true), &new, Reason::DeleteVsUpdate);
}

#[test]
fn merge_columns_falls_back_to_the_later_time() {
    let rules = rules(Policy::MergeColumns, DeleteVsUpdate::ByPolicy);
    let (older, newer) = (side("b:2", ChangeKind::Live, 1, false), side("a:2", ChangeKind::Live, 2, false));
    beats(&rules, &newer, &older, Reason::Policy);
}

fn sides() -> impl Strategy<Value = Side> {
    let names = ["operator", "p", "a", "a~2", "a~10", "b", "b~2", "y", "z"];
    let kinds = [ChangeKind::Live, ChangeKind::FirstScan, ChangeKind::Restated, ChangeKind::Restored];
    let (name, kind) = (prop::sample::select(names.to_vec()), prop::sample::select(kinds.to_vec()));
    (name, 1..4_u64, kind, prop::option::of(0..3_i64), any::<bool>()).prop_map(
        |(name, version, kind, at, is_delete)| side(&format!("{name}:{version}"), kind, at, is_delete),
    )
}

fn symmetric_rules() -> impl Strategy<Value = TableRules> {
    let policies = [Policy::LatestWins, Policy::Priority, Policy::MergeColumns];
    let deletes = [DeleteVsUpdate::ByPolicy, DeleteVsUpdate::UpdateWins, DeleteVsUpdate::DeleteWins];
    (prop::sample::select(policies.to_vec()), prop::sample::select(deletes.to_vec()))
        .prop_map(|(policy, deletes)| rules(policy, deletes))
}

/// Whether `one` wins when it is held.
fn wins(rules: &TableRules, one: &Side, other: &Side) -> bool {
    winner(rules, one.contender(), other.contender()).0 == Winner::Held
}

proptest! {
    /// Total and antisymmetric: of two versions exactly one wins, whichever came first. (Two versions of one
    /// incarnation come in one order only.)
    #[test]
    fn the_order_of_arrival_does_not_matter(rules in symmetric_rules(), a in sides(), b in sides()) {
        prop_assume!(a.dot.incarnation != b.dot.incarnation);
        prop_assert_ne!(wins(&rules, &a, &b), wins(&rules, &b, &a));
        let (_, one) = winner(&rules, a.contender(), b.contender());
        let (_, other) = winner(&rules, b.contender(), a.contender());
        prop_assert_eq!(one, other);
        prop_assert_ne!(one, Reason::Incoming);
    }

    /// Transitive: no three versions beat each other in a circle, so a winner that stays beats all it ever met.
    #[test]
    fn there_is_no_circle(rules in symmetric_rules(), a in sides(), b in sides(), c in sides()) {
        prop_assume!(a.dot.incarnation != b.dot.incarnation && b.dot.incarnation != c.dot.incarnation);
        prop_assume!(a.dot.incarnation != c.dot.incarnation);
        if wins(&rules, &a, &b) && wins(&rules, &b, &c) {
            prop_assert!(wins(&rules, &a, &c));
        }
    }
}
