//! Deletes that the group has forgotten, and members that are filled anew.
//!
//! Decides what a null record does to a member's copy; and while a member is filled anew, which of its changes are saved,
//! what counts once they are, and what a copy reflects then. When a delete may be forgotten is the resolver's to decide.

use crate::{Decision, LocalState, Rules};
use tributary_model::{ChangeKind, Dot, Resolved, Settled, VersionVector};

/// The group's record counts for more than what the member has of the cell: it is being filled anew.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Force {
    /// The local change that was saved. It may be written over; a later one is the user's, as ever.
    pub local: Option<Dot>,
}

/// The apply decision while a member may be filled anew: the protocol's, but for a change that was saved. And where the
/// member's own change is the content, it is written all the same: then every copy reflects exactly what was filled in, by
/// which [`is_saved`] tells what users make of it.
pub fn decide_forced<R: Rules + ?Sized>(
    rules: &R,
    record: &Resolved,
    state: &LocalState,
    force: Option<&Force>,
) -> Decision {
    match rules.decide(record, state) {
        // Also where the change was made on top of this very record, which the copy then reflects.
        Decision::LocalIsNewer | Decision::AlreadyThere if has_saved(force, state) => Decision::Write,
        Decision::SameContent if force.is_some() && state.local.is_some() => Decision::Write,
        decision => decision,
    }
}

/// Whether a null record of these versions lets the cell's tombstone be forgotten.
pub fn forgets(vv: &VersionVector, state: &LocalState, force: Option<&Force>) -> bool {
    match &state.local {
        Some(dot) => dot.version <= vv.get(&dot.incarnation) || has_saved(force, state),
        None => force.is_some() || state.seen.is_within(vv),
    }
}

/// The settled delete that took these versions into account, as a null record speaks of it; whose it was is forgotten.
/// `None` of no versions, which no delete takes into account.
pub fn forgotten_delete(vv: &VersionVector) -> Option<Resolved> {
    let (incarnation, version) = vv.iter().next()?;
    Some(Resolved {
        vv: vv.clone(),
        content: vec![vv.clone()],
        winner: Dot::new(incarnation.clone(), version),
        kind: ChangeKind::Live,
        changed_at: None,
        effective_at: None,
        row: None,
        settled: Settled::FastForward,
        policy: None,
    })
}

/// What a copy reflects when a record has been written into it. Filled anew it gets old records before the last one, and
/// then reflects no more than those: else the last one would be taken for known, or an edit in between for one on top of it.
pub fn seen_after<R: Rules + ?Sized>(
    rules: &R,
    record: &Resolved,
    state: &LocalState,
    force: Option<&Force>,
) -> VersionVector {
    if force.is_some() { record.vv.clone() } else { rules.seen_after_write(record, state) }
}

/// At which look through a member that is filled anew one of its own changes was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look<'a> {
    /// Before anything was written: whatever the group does not know counts.
    First,
    /// Once the group's records had been written.
    Later {
        /// The change that was met last, if at that time the topic had no record of the cell, or a null record.
        orphan: Option<&'a Dot>,
        /// Whether the topic has a record of the cell behind what is filled in: then compaction may have removed the one
        /// that would have been.
        superseded: bool,
    },
}

/// Whether a member's own change, made on top of `seen`, is saved and written over. `last` has the versions of the cell's
/// last record, if the topic has any.
///
/// What users write while a member is filled is on its way like any other change if it is made on top of the cell's last
/// record, or a new row. A row that was there before is none, though the topic may have forgotten it: it would come back.
/// That versions of one member follow each other proves nothing here, since an older row may have been filled in between.
pub fn is_saved(change: &Dot, seen: &VersionVector, last: Option<&VersionVector>, look: Look<'_>) -> bool {
    match (last, look) {
        (Some(vv), _) if change.version <= vv.get(&change.incarnation) => false,
        (Some(vv), Look::Later { .. }) => !vv.is_within(seen),
        (None, Look::Later { orphan: Some(met), .. }) => met != change,
        (None, Look::Later { orphan: None, superseded }) => superseded || !seen.is_empty(),
        (_, Look::First) => true,
    }
}

fn has_saved(force: Option<&Force>, state: &LocalState) -> bool {
    force.is_some_and(|force| force.local.is_some() && force.local == state.local)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Standard;
    use tributary_model::Incarnation;

    fn dot((name, version): (&str, u64)) -> Dot {
        Dot::new(Incarnation::parse(name).unwrap(), version)
    }

    fn local(local: Option<(&str, u64)>, seen: &str) -> LocalState {
        LocalState { local: local.map(dot), seen: VersionVector::parse(seen).unwrap() }
    }

    fn forced(local: Option<(&str, u64)>) -> Force {
        Force { local: local.map(dot) }
    }

    #[test]
    fn the_delete_of_a_null_is_decided_as_the_delete_itself_was() {
        let delete = forgotten_delete(&VersionVector::parse("cloud:4 hq:9").unwrap()).unwrap();
        let decide = |state| Standard.decide(&delete, &state);
        assert_eq!(decide(local(None, "cloud:4 hq:9")), Decision::AlreadyThere);
        assert_eq!(decide(local(None, "hq:3")), Decision::Write, "it missed the delete");
        assert_eq!(
            decide(local(Some(("cloud", 4)), "")),
            Decision::Write,
            "its change was taken into account"
        );
        assert_eq!(decide(local(Some(("cloud", 5)), "")), Decision::LocalIsNewer);
        assert_eq!(forgotten_delete(&VersionVector::new()), None);
    }

    #[test]
    fn only_the_saved_change_is_written_over() {
        let delete = forgotten_delete(&VersionVector::parse("cloud:4 hq:9").unwrap()).unwrap();
        let decide = |state, force: Option<Force>| decide_forced(&Standard, &delete, &state, force.as_ref());
        let newer = local(Some(("cloud", 5)), "");
        assert_eq!(decide(newer.clone(), None), Decision::LocalIsNewer);
        assert_eq!(decide(newer.clone(), Some(forced(None))), Decision::LocalIsNewer, "nothing was saved");
        assert_eq!(decide(newer.clone(), Some(forced(Some(("cloud", 4))))), Decision::LocalIsNewer);
        assert_eq!(decide(newer, Some(forced(Some(("cloud", 5))))), Decision::Write);
        let on_top = local(Some(("cloud", 5)), "cloud:4 hq:9");
        assert_eq!(decide(on_top.clone(), Some(forced(None))), Decision::AlreadyThere);
        assert_eq!(decide(on_top, Some(forced(Some(("cloud", 5))))), Decision::Write, "made on top of it");
    }

    #[test]
    fn what_is_the_members_own_is_filled_in_as_well() {
        let delete = forgotten_delete(&VersionVector::parse("cloud:4").unwrap()).unwrap();
        let own = local(Some(("cloud", 4)), "");
        let decide = |state: &LocalState, force: Option<Force>| {
            decide_forced(&Standard, &delete, state, force.as_ref())
        };
        assert_eq!(decide(&own, None), Decision::SameContent);
        assert_eq!(decide(&own, Some(forced(None))), Decision::Write);
        assert_eq!(decide(&local(None, "cloud:4"), Some(forced(None))), Decision::AlreadyThere);
    }

    #[test]
    fn what_is_filled_in_reflects_no_more_than_its_record() {
        let delete = forgotten_delete(&VersionVector::parse("cloud:4").unwrap()).unwrap();
        let state = local(None, "hq:9");
        let seen = |force: Option<&Force>| seen_after(&Standard, &delete, &state, force).to_string();
        assert_eq!(seen(None), "cloud:4 hq:9");
        assert_eq!(seen(Some(&forced(None))), "cloud:4");
    }

    #[test]
    fn what_the_last_record_does_not_know_is_saved() {
        let vv = |text: &str| VersionVector::parse(text).unwrap();
        let saved = |seen, last: Option<&str>, look| {
            is_saved(&dot(("hq", 7)), &vv(seen), last.map(vv).as_ref(), look)
        };
        let later = Look::Later { orphan: None, superseded: false };
        assert!(!saved("", Some("cloud:1 hq:7"), Look::First));
        assert!(saved("cloud:1", Some("cloud:1"), Look::First), "though it was made on top of it");
        assert!(!saved("cloud:1", Some("cloud:1"), later), "made on top of what was filled in");
        assert!(saved("cloud:1", Some("cloud:2"), later));
        assert!(
            saved("hq:2", Some("hq:3"), later),
            "made on top of an older row that was filled in on the way"
        );
        assert!(saved("", None, Look::First));
        assert!(!saved("", None, later), "a new row");
        assert!(
            saved("", None, Look::Later { orphan: None, superseded: true }),
            "it was there, and its record is gone"
        );
        assert!(saved("cloud:1", None, later), "a row that the group has forgotten");
        let (earlier, same) = (dot(("hq", 6)), dot(("hq", 7)));
        assert!(
            saved("", None, Look::Later { orphan: Some(&earlier), superseded: false }),
            "a row of which an older state was saved"
        );
        assert!(!saved("", None, Look::Later { orphan: Some(&same), superseded: true }), "once");
    }

    #[test]
    fn a_tombstone_is_forgotten_with_what_the_null_knows_and_what_was_saved() {
        let vv = VersionVector::parse("cloud:4 hq:9").unwrap();
        assert!(forgets(&vv, &local(Some(("cloud", 4)), ""), None));
        assert!(!forgets(&vv, &local(Some(("cloud", 5)), ""), None), "a later change is the user's");
        assert!(!forgets(&vv, &local(Some(("cloud", 5)), ""), Some(&forced(None))));
        assert!(forgets(&vv, &local(Some(("cloud", 5)), ""), Some(&forced(Some(("cloud", 5))))));
        assert!(forgets(&vv, &local(None, "hq:9"), None));
        assert!(!forgets(&vv, &local(None, "hq:10"), None), "the copy reflects a later record");
        assert!(forgets(&vv, &local(None, "hq:10"), Some(&forced(None))), "which the group does not have");
    }
}
