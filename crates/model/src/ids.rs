//! Names of members, of their incarnations, and of single changes.
//!
//! An incarnation is the name under which a member gives versions: `hq` at first, `hq~2` after it was recognised
//! as restored. It only changes the name of versions to come.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A number that a member gives each of its own changes; 1 stands for a row that was there before tracking.
pub type Version = u64;

/// The reserved origin of changes that an operator made; it wins against every member.
pub const OPERATOR: &str = "operator";

/// Why a text is no member id or incarnation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {what}: {rule}")]
pub struct InvalidId {
    /// The refused text.
    pub text: String,
    /// "member id" or "incarnation".
    pub what: &'static str,
    /// The rule it breaks.
    pub rule: &'static str,
}

/// The short stable name of one database of a group: `[a-z][a-z0-9-]{0,30}`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MemberId(Arc<str>);

impl MemberId {
    /// Checks and takes a member id. `operator` passes: who may use it is for the group file to say.
    pub fn new(text: &str) -> Result<Self, InvalidId> {
        let mut characters = text.chars();
        let first = characters.next().is_some_and(|c| c.is_ascii_lowercase());
        let rest = characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if first && rest && text.len() <= 31 {
            Ok(Self(text.into()))
        } else {
            let rule = "it must match [a-z][a-z0-9-]{0,30}";
            Err(InvalidId { text: text.to_owned(), what: "member id", rule })
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for MemberId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::new(&text)
    }
}

impl From<MemberId> for String {
    fn from(id: MemberId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name under which a member gives versions: its id, then `~2`, `~3`, … for later lives.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Incarnation(Arc<str>);

impl Incarnation {
    /// The first incarnation of `member`.
    pub fn first(member: &MemberId) -> Self {
        Self(Arc::clone(&member.0))
    }

    /// Incarnation `generation` (1 is the first) of `member`.
    pub fn numbered(member: &MemberId, generation: u32) -> Self {
        if generation <= 1 { Self::first(member) } else { Self(format!("{member}~{generation}").into()) }
    }

    /// Reads `hq` or `hq~2`.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let (member, generation) = text.split_once('~').map_or((text, None), |(m, g)| (m, Some(g)));
        MemberId::new(member)?;
        let numbered = generation.is_none_or(|digits| {
            digits.parse::<u32>().is_ok_and(|number| number >= 2 && number.to_string() == digits)
        });
        if numbered {
            Ok(Self(text.into()))
        } else {
            let rule = "after `~` there must be a number from 2 on";
            Err(InvalidId { text: text.to_owned(), what: "incarnation", rule })
        }
    }

    /// The id of the member it belongs to, as text.
    pub fn member(&self) -> &str {
        self.0.split_once('~').map_or(&self.0, |(member, _)| member)
    }

    /// Its number: 1 for the first.
    pub fn generation(&self) -> u32 {
        self.0.split_once('~').and_then(|(_, digits)| digits.parse().ok()).unwrap_or(1)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One change: who made it, and which of its changes it is.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Dot {
    /// Who made the change.
    pub incarnation: Incarnation,
    /// Which one.
    pub version: Version,
}

impl Dot {
    /// Names change `version` of `incarnation`.
    pub fn new(incarnation: Incarnation, version: Version) -> Self {
        Self { incarnation, version }
    }
}

impl fmt::Display for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.incarnation, self.version)
    }
}

impl fmt::Debug for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn member_ids_follow_the_rule() {
        for good in ["a", "hq", "till-7", &"a".repeat(31)] {
            assert!(MemberId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "7a", "-a", "Hq", "a_b", "a~2", "ä", &"a".repeat(32)] {
            assert!(MemberId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn incarnations_name_their_member() {
        let hq = MemberId::new("hq").unwrap();
        assert_eq!(Incarnation::first(&hq).as_str(), "hq");
        assert_eq!(Incarnation::numbered(&hq, 3).as_str(), "hq~3");
        let third = Incarnation::parse("hq~3").unwrap();
        assert_eq!((third.member(), third.generation()), ("hq", 3));
        for bad in ["hq~1", "hq~", "hq~02", "hq~x", "~2", "hq~2~3"] {
            assert!(Incarnation::parse(bad).is_err(), "{bad}");
        }
    }
}
