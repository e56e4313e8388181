//! What the control topic says of members: who is paused, removed, out of date, in which incarnation, and how far.
//!
//! | key | value | written by |
//! |---|---|---|
//! | `member/<id>/paused` | since when; null: goes on | operators |
//! | `member/<id>/joined` | since when, for a member that came while the group ran | operators |
//! | `member/<id>/removed` | since when; null: is back | operators |
//! | `member/<id>/incarnation` | the highest number that this member has used | operators (`rejoin`, `add`) |
//! | `member/<id>/reinit` | the order to fill the member anew, with an id | operators |
//! | `member/<id>/reinit-done` | the id of the last order that was carried out | the member's apply worker |
//! | `member/<id>/out-of-date` | since when and what held up; null: waited for again | the resolver; apply, and operators, when it is to be filled anew |
//! | `member/<id>/applied` | how far apply is: the next offset by resolved topic and partition | apply |
//! | `member/<id>/captured` | what apply had reached when capture last looked at everything | capture; apply when it begins to fill the member anew, while capture rests |
//!
//! Each key has one kind of writer, so that nobody writes over what somebody else has just said. Only the form is
//! decided here; who does what about it is the services' matter.

use crate::{Outgoing, TopicName, single};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tributary_model::MemberId;

const PREFIX: &str = "member/";

/// The next offset to be read, by topic and partition.
pub type Reached = BTreeMap<String, BTreeMap<u32, u64>>;

/// That something holds since a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Milliseconds since 1970, by the clock of whoever wrote it.
    pub since_ms: i64,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// An order that is carried out once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Tells it from others of its kind.
    pub id: String,
}

/// The number of a member's incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncarnationNumber {
    /// 1 is the first.
    pub number: u32,
}

/// All that the control topic says of one member.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberControl {
    /// Its workers rest.
    pub paused: Option<Mark>,
    /// It came, or came back, while the group ran.
    pub joined: Option<Mark>,
    /// It has left the group.
    pub removed: Option<Mark>,
    /// The highest incarnation that it has used; `None` is the first.
    pub incarnation: Option<IncarnationNumber>,
    /// The last order to fill it anew.
    pub reinit: Option<Order>,
    /// The last such order that was carried out.
    pub reinit_done: Option<Order>,
    /// It was away for so long that deletes have expired without it.
    pub out_of_date: Option<Mark>,
    /// How far apply is.
    pub applied: Reached,
    /// What apply had reached before capture last saw all that its member had to give.
    pub captured: Reached,
}

impl MemberControl {
    /// The order to fill it anew that waits to be carried out.
    pub fn pending_reinit(&self) -> Option<&Order> {
        self.reinit.as_ref().filter(|order| self.reinit_done.as_ref() != Some(order))
    }

    /// The number of its present incarnation.
    pub fn incarnation_number(&self) -> u32 {
        self.incarnation.map_or(1, |incarnation| incarnation.number)
    }

    /// Why nothing is applied to it now, and what ends that.
    pub fn apply_rests(&self, member: &MemberId) -> Option<String> {
        if self.removed.is_some() {
            return Some("it has left the group".to_owned());
        }
        if self.paused.is_some() {
            return Some(format!("it is paused; `tributary member resume {member}` lets it go on"));
        }
        // Being filled anew is what brings it back.
        (self.out_of_date.is_some() && self.pending_reinit().is_none()).then(|| {
            format!(
                "it is out of date: deletes have expired while it was away; `tributary member reinit {member}` \
                 brings it back"
            )
        })
    }

    /// Why nothing is captured from it now, and what ends that.
    pub fn capture_rests(&self, member: &MemberId) -> Option<String> {
        let filled = || "it is being filled anew".to_owned();
        self.apply_rests(member).or_else(|| self.pending_reinit().map(|_| filled()))
    }
}

/// One thing that is said of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// See [`MemberControl::paused`].
    Paused(Option<Mark>),
    /// See [`MemberControl::joined`].
    Joined(Mark),
    /// See [`MemberControl::removed`].
    Removed(Option<Mark>),
    /// See [`MemberControl::incarnation`].
    Incarnation(IncarnationNumber),
    /// See [`MemberControl::reinit`].
    Reinit(Order),
    /// See [`MemberControl::reinit_done`].
    ReinitDone(Order),
    /// See [`MemberControl::out_of_date`].
    OutOfDate(Option<Mark>),
    /// See [`MemberControl::applied`]. Null when the member has left.
    Applied(Option<Reached>),
    /// See [`MemberControl::captured`]. Null when the member has left.
    Captured(Option<Reached>),
}

impl Said {
    fn name(&self) -> &'static str {
        match self {
            Self::Paused(_) => "paused",
            Self::Joined(_) => "joined",
            Self::Removed(_) => "removed",
            Self::Incarnation(_) => "incarnation",
            Self::Reinit(_) => "reinit",
            Self::ReinitDone(_) => "reinit-done",
            Self::OutOfDate(_) => "out-of-date",
            Self::Applied(_) => "applied",
            Self::Captured(_) => "captured",
        }
    }

    /// The record that says it.
    pub fn record(&self, control: TopicName, member: &MemberId) -> Outgoing {
        let json = match self {
            Self::Paused(mark) | Self::Removed(mark) | Self::OutOfDate(mark) => {
                mark.as_ref().map(serde_json::to_vec)
            }
            Self::Joined(mark) => Some(serde_json::to_vec(mark)),
            Self::Incarnation(number) => Some(serde_json::to_vec(number)),
            Self::Reinit(order) | Self::ReinitDone(order) => Some(serde_json::to_vec(order)),
            Self::Applied(reached) | Self::Captured(reached) => reached.as_ref().map(serde_json::to_vec),
        };
        let value = json.map(|json| json.expect("maps of texts and numbers can always be written as JSON"));
        single(control, format!("{PREFIX}{member}/{}", self.name()).into_bytes(), value)
    }
}

/// What the control topic says of all members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberControls {
    members: BTreeMap<MemberId, MemberControl>,
    /// What is said of all others.
    nothing: MemberControl,
}

impl MemberControls {
    /// Takes a record of the control topic in; whether it was about a member. What a newer program says in another way
    /// is left as it was, with a warning.
    pub fn take(&mut self, key: &[u8], value: Option<&[u8]>) -> bool {
        let Some((member, name)) = parse(key) else { return false };
        let of = self.members.entry(member.clone()).or_default();
        let taken = match name {
            "paused" => read(value).map(|mark| of.paused = mark),
            "joined" => read(value).map(|mark| of.joined = mark),
            "removed" => read(value).map(|mark| of.removed = mark),
            "incarnation" => read(value).map(|number| of.incarnation = number),
            "reinit" => read(value).map(|order| of.reinit = order),
            "reinit-done" => read(value).map(|order| of.reinit_done = order),
            "out-of-date" => read(value).map(|mark| of.out_of_date = mark),
            "applied" => read(value).map(|reached| of.applied = reached.unwrap_or_default()),
            "captured" => read(value).map(|reached| of.captured = reached.unwrap_or_default()),
            _ => return false,
        };
        if let Err(error) = taken {
            tracing::warn!(%error, %member, name, "a record of the control topic cannot be read");
        }
        true
    }

    /// What is said of a member.
    pub fn of(&self, member: &MemberId) -> &MemberControl {
        self.members.get(member).unwrap_or(&self.nothing)
    }

    /// All members of whom anything is said.
    pub fn all(&self) -> impl Iterator<Item = (&MemberId, &MemberControl)> {
        self.members.iter()
    }
}

impl<'a> FromIterator<&'a (Vec<u8>, Vec<u8>)> for MemberControls {
    fn from_iter<I: IntoIterator<Item = &'a (Vec<u8>, Vec<u8>)>>(latest: I) -> Self {
        let mut controls = Self::default();
        for (key, value) in latest {
            controls.take(key, Some(value));
        }
        controls
    }
}

fn parse(key: &[u8]) -> Option<(MemberId, &str)> {
    let (member, name) = std::str::from_utf8(key).ok()?.strip_prefix(PREFIX)?.split_once('/')?;
    Some((MemberId::new(member).ok()?, name))
}

fn read<'de, T: Deserialize<'de>>(value: Option<&'de [u8]>) -> Result<Option<T>, serde_json::Error> {
    value.map(serde_json::from_slice).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(controls: &mut MemberControls, member: &MemberId, said: &Said) {
        let record = said.record(TopicName::new("control"), member);
        assert!(controls.take(&record.key, record.value.as_deref()));
    }

    #[test]
    fn what_is_said_reads_back_and_can_be_taken_back() {
        let hq = MemberId::new("hq").unwrap();
        let mut controls = MemberControls::default();
        let mark = Mark { since_ms: 7, why: "holiday".to_owned() };
        said(&mut controls, &hq, &Said::Paused(Some(mark.clone())));
        said(&mut controls, &hq, &Said::Incarnation(IncarnationNumber { number: 3 }));
        let order = Order { id: "x".to_owned() };
        said(&mut controls, &hq, &Said::Reinit(order.clone()));
        let reached: Reached = [("t".to_owned(), [(0, 7)].into())].into();
        said(&mut controls, &hq, &Said::Applied(Some(reached.clone())));
        let of = controls.of(&hq).clone();
        assert_eq!((of.paused.clone(), of.incarnation_number()), (Some(mark), 3));
        assert_eq!(of.pending_reinit(), Some(&order));
        assert!(of.apply_rests(&hq).unwrap().contains("paused"));
        assert_eq!(of.applied, reached);
        said(&mut controls, &hq, &Said::Paused(None));
        said(&mut controls, &hq, &Said::ReinitDone(order));
        said(&mut controls, &hq, &Said::OutOfDate(Some(Mark { since_ms: 8, why: String::new() })));
        assert!(controls.of(&hq).capture_rests(&hq).unwrap().contains("member reinit hq"));
        let second = Order { id: "y".to_owned() };
        said(&mut controls, &hq, &Said::Reinit(second.clone()));
        assert_eq!(controls.of(&hq).apply_rests(&hq), None, "it is what brings the member back");
        assert!(controls.of(&hq).capture_rests(&hq).is_some());
        said(&mut controls, &hq, &Said::ReinitDone(second));
        said(&mut controls, &hq, &Said::OutOfDate(None));
        assert_eq!((controls.of(&hq).apply_rests(&hq), controls.of(&hq).pending_reinit()), (None, None));
    }

    #[test]
    fn what_is_not_about_members_is_left_alone() {
        let mut controls = MemberControls::default();
        for key in ["spec", "member/hq", "member/HQ/paused", "recapture/member/hq/paused", "member/hq/other"]
        {
            assert!(!controls.take(key.as_bytes(), Some(b"{}")), "{key}");
        }
        assert!(controls.take(b"member/hq/paused", Some(b"by hand")), "unreadable, and changes nothing");
        assert_eq!(controls.of(&MemberId::new("hq").unwrap()).paused, None);
    }
}
