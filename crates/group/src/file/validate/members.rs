//! Members, and who wins first.

use super::{Checker, LOCKS, NAME_RULE, plain};
use crate::file::problem::{Position, ProblemKind, instead_of};
use crate::file::raw::{At, Entries, RawLog, RawMember, Text};
use crate::file::settings::{ApplySettings, Direction, LogSettings, Member, MemberUrl};
use crate::file::url;
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;
use tributary_model::{MemberId, OPERATOR};

impl Checker<'_> {
    pub(super) fn members(&mut self, members: Option<&At<Entries<RawMember>>>) -> Vec<Member> {
        let Some(members) = self.required("members", members, Position { line: 1, column: 1 }) else {
            return Vec::new();
        };
        if members.value.0.is_empty() {
            let remedy = "add a member, such as `hq: { url: \"sqlite:hq.db\" }`";
            self.problem(ProblemKind::Missing, members.at, "the group has no members", remedy);
        }
        let mut places: HashMap<PathBuf, MemberId> = HashMap::new();
        let mut out = Vec::with_capacity(members.value.0.len());
        for (key, raw) in &members.value.0 {
            let id = self.member_id(key);
            let Some(member) = self.member(id, raw) else { continue };
            let (place, kind) = match &member.url {
                MemberUrl::Sqlite { path } => (plain(path), "file"),
                url => (PathBuf::from(url.to_string()), "database"),
            };
            if let Some(other) = places.get(&place) {
                let what = format!("member `{}` is the same {kind} as member `{other}`", member.id);
                let at = raw.value.url.as_ref().map_or(raw.at, |url| url.at);
                self.problem(ProblemKind::Contradiction, at, what, "give every member a database of its own");
            } else {
                places.insert(place, member.id.clone());
            }
            out.push(member);
        }
        if !out.is_empty() && out.iter().all(|member| member.direction == Direction::Subscribe) {
            let what = "every member only subscribes, so that there is nothing to take";
            let remedy =
                "leave `direction` out, or write `publish`, for the member whose rows the others shall have";
            self.problem(ProblemKind::Contradiction, members.at, what, remedy);
        }
        out
    }

    fn member_id(&mut self, key: &Text) -> Option<MemberId> {
        if key.value == OPERATOR {
            let what = format!("`{OPERATOR}` cannot be a member's id");
            let remedy = "choose another: operators' own decisions bear that name";
            self.problem(ProblemKind::InvalidValue, key.at, what, remedy);
            return None;
        }
        let id = MemberId::new(&key.value).ok();
        if id.is_none() {
            let what = format!("`{}` cannot be a member's id", key.value);
            self.problem(ProblemKind::InvalidValue, key.at, what, NAME_RULE);
        }
        id
    }

    /// Looks at everything even when the id is wrong.
    fn member(&mut self, id: Option<MemberId>, member: &At<RawMember>) -> Option<Member> {
        let raw = &member.value;
        let url = self
            .required("url", raw.url.as_ref(), member.at)
            .and_then(|url| self.text(url).map(|value| At { value, at: url.at }))
            .and_then(|text| url::parse(&text, id.as_ref(), self.base, &mut self.problems));
        let password = raw.password.as_ref().and_then(|password| self.secret(password));
        if let (Some(MemberUrl::Sqlite { .. }), Some(password)) = (&url, &raw.password) {
            let what = "a SQLite file has no password";
            self.problem(ProblemKind::Contradiction, password.at, what, "remove `password:`");
        }
        let direction = self.choice("direction", raw.direction.as_ref()).unwrap_or_default();
        let on_loss = self.choice("on_loss", raw.on_loss.as_ref()).unwrap_or_default();
        let longest_lock = raw.apply.as_ref().and_then(|apply| apply.value.longest_lock.as_ref());
        let apply = ApplySettings {
            longest_lock: self.duration("longest_lock", longest_lock, &LOCKS, Duration::from_millis(50)),
        };
        Some(Member { id: id?, url: url?, password, direction, on_loss, apply })
    }

    /// The log must not lie in a member's database.
    pub(super) fn files_apart(
        &mut self,
        raw: Option<&At<RawLog>>,
        log: Option<&LogSettings>,
        members: &[Member],
    ) {
        let (Some(raw), Some(LogSettings::Embedded { path: log })) = (raw, log) else { return };
        let at = raw.value.embedded.as_ref().map_or(raw.at, |path| path.at);
        for member in members {
            let MemberUrl::Sqlite { path } = &member.url else { continue };
            if plain(path) == plain(log) {
                let what = format!("the embedded log and member `{}` are the same file", member.id);
                let remedy = "give the log a file of its own";
                self.problem(ProblemKind::Contradiction, at, what, remedy);
            }
        }
    }

    pub(super) fn priority(&mut self, list: Option<&At<Vec<Text>>>, ids: &[MemberId]) -> Vec<MemberId> {
        let mut out: Vec<MemberId> = Vec::with_capacity(ids.len());
        for text in list.map(|list| list.value.as_slice()).unwrap_or_default() {
            let Some(id) = self.known_member("priority", text, ids) else { continue };
            if out.contains(&id) {
                let what = format!("`priority` lists `{id}` twice");
                self.problem(ProblemKind::Doubled, text.at, what, "remove one of them");
            } else {
                out.push(id);
            }
        }
        let rest: Vec<MemberId> = ids.iter().filter(|id| !out.contains(id)).cloned().collect();
        out.extend(rest);
        out
    }

    /// The member that `text` names; a problem when there is none.
    pub(super) fn known_member(&mut self, key: &str, text: &Text, ids: &[MemberId]) -> Option<MemberId> {
        let name = self.text(text)?;
        let found = ids.iter().find(|id| id.as_str() == name).cloned();
        // With no member read rightly, what is wrong with the members has been told, and this would only repeat it.
        if found.is_none() && !ids.is_empty() {
            let what = format!("`{key}` names the member `{}`, which the group does not have", text.value);
            let remedy = instead_of(&name, ids.iter().map(MemberId::as_str));
            self.problem(ProblemKind::UnknownReference, text.at, what, remedy);
        }
        found
    }
}
