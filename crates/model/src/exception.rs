//! Records that a worker could not use: what they were, where they stand, and why.
//!
//! Its identity is where the record stands and who met it, so that meeting it again gives the same one and not a
//! second.

use crate::{MemberId, TableName, Ticks};
use std::fmt;

/// Which worker met a record that it could not use.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MetBy {
    /// A resolver.
    Resolver,
    /// Apply of a member.
    Apply(MemberId),
}

impl MetBy {
    /// The worker's stable name.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Resolver => "resolver",
            Self::Apply(_) => "apply",
        }
    }

    /// The member whose worker it was.
    pub fn member(&self) -> Option<&MemberId> {
        match self {
            Self::Resolver => None,
            Self::Apply(member) => Some(member),
        }
    }
}

/// What kind of record it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExceptionKind {
    /// Another program wrote it.
    Foreign,
    /// It bears this program's marks and cannot be read: a newer version wrote it, or it is damaged.
    Unreadable,
}

impl ExceptionKind {
    /// Stable name, as stored and listed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::Unreadable => "unreadable",
        }
    }

    /// The kind that has this stable name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Foreign, Self::Unreadable].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A record that was left aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExceptionRecord {
    /// Who met it.
    pub met_by: MetBy,
    /// The table whose topic it stands in.
    pub table: TableName,
    /// The topic's full name.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: u64,
    /// What kind of record it is.
    pub kind: ExceptionKind,
    /// The stable code of what is wrong with it.
    pub code: String,
    /// What is wrong with it, in words.
    pub message: String,
    /// When it was met.
    pub met_at: Ticks,
    /// The record's key, or the beginning of it.
    pub key: Vec<u8>,
    /// The record's value, or the beginning of it.
    pub value: Option<Vec<u8>>,
    /// How many bytes key and value have together.
    pub size: u64,
    /// The record's headers, or the first of them.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// Most bytes of a key, of a value, and of headers that are kept.
const MOST: usize = 64 << 10;

impl ExceptionRecord {
    /// What it is known by.
    pub fn id(&self) -> ExceptionId {
        let Self { met_by, topic, partition, offset, .. } = self;
        let member = met_by.member().map_or("-", MemberId::as_str);
        ExceptionId(format!("{}/{member}/{topic}/{partition}/{offset}", met_by.as_str()))
    }

    /// Takes the record's bytes, as far as they are kept.
    #[must_use]
    pub fn holding<'a>(
        mut self,
        key: &[u8],
        value: Option<&[u8]>,
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Self {
        let kept = |bytes: &[u8]| bytes[..bytes.len().min(MOST)].to_vec();
        self.size = (key.len() + value.map_or(0, <[u8]>::len)) as u64;
        self.key = kept(key);
        self.value = value.map(kept);
        let mut room = MOST;
        let fitting = headers.take_while(|(name, value)| {
            let fits = room.checked_sub(name.len() + value.len());
            room = fits.unwrap_or(0);
            fits.is_some()
        });
        self.headers = fitting.map(|(name, value)| (name.to_owned(), value.to_vec())).collect();
        self
    }

    /// Whether all of the record is kept.
    pub fn is_whole(&self) -> bool {
        (self.key.len() + self.value.as_ref().map_or(0, Vec::len)) as u64 == self.size
    }
}

/// Identity of an exception, and its key on the exceptions topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExceptionId(String);

impl ExceptionId {
    /// Takes any text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ExceptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exception(met_by: MetBy) -> ExceptionRecord {
        ExceptionRecord {
            met_by,
            table: TableName::new("Customer"),
            topic: "t.changes.Customer".to_owned(),
            partition: 3,
            offset: 17,
            kind: ExceptionKind::Foreign,
            code: "COD-001".to_owned(),
            message: "not framed".to_owned(),
            met_at: 0,
            key: Vec::new(),
            value: None,
            size: 0,
            headers: Vec::new(),
        }
    }

    #[test]
    fn it_is_known_by_its_place_and_by_who_met_it() {
        let cloud = MemberId::new("cloud").unwrap();
        assert_eq!(exception(MetBy::Resolver).id().as_str(), "resolver/-/t.changes.Customer/3/17");
        assert_eq!(exception(MetBy::Apply(cloud)).id().as_str(), "apply/cloud/t.changes.Customer/3/17");
    }

    #[test]
    fn what_is_kept_is_bounded_and_says_how_much_there_was() {
        let (small, large) = (vec![1; 100], vec![2; 1 << 20]);
        let headers = || [("first", &small[..]), ("second", &large[..]), ("third", &small[..])].into_iter();
        let whole = exception(MetBy::Resolver).holding(&small, Some(&small), std::iter::empty());
        assert!(whole.is_whole() && whole.size == 200);
        let cut = exception(MetBy::Resolver).holding(&small, Some(&large), headers());
        assert!(!cut.is_whole());
        assert_eq!((cut.size, cut.value.unwrap().len()), ((1 << 20) + 100, MOST));
        assert_eq!(cut.headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["first"]);
        let null = exception(MetBy::Resolver).holding(&[], None, headers());
        assert!(null.is_whole() && null.value.is_none());
    }

    #[test]
    fn kinds_have_stable_names() {
        for kind in [ExceptionKind::Foreign, ExceptionKind::Unreadable] {
            assert_eq!(ExceptionKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(ExceptionKind::parse("other"), None);
    }
}
