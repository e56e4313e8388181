//! Version vectors: which changes a cell's content takes into account.
//!
//! A missing entry is 0 and entries of 0 are never stored, so equal vectors are equal values. The text form
//! (`cloud:7 hq:12`, sorted by incarnation) is what tracking rows hold, so that a person can read them.

use crate::{Dot, Incarnation, Version};
use smallvec::SmallVec;
use std::fmt;

/// A map from incarnation to version.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct VersionVector(SmallVec<[(Incarnation, Version); 2]>);

/// Why a text is no version vector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a version vector: expected entries such as `hq:12 cloud:7`")]
pub struct InvalidVector {
    /// The refused text.
    pub text: String,
}

impl VersionVector {
    /// The vector that takes nothing into account.
    pub fn new() -> Self {
        Self::default()
    }

    /// The vector with one entry.
    pub fn of(dot: &Dot) -> Self {
        let mut vector = Self::new();
        vector.raise(&dot.incarnation, dot.version);
        vector
    }

    /// The entry of `incarnation`; 0 when there is none.
    pub fn get(&self, incarnation: &Incarnation) -> Version {
        self.0.iter().find(|(name, _)| name == incarnation).map_or(0, |(_, version)| *version)
    }

    /// Sets the entry to the greater of itself and `version`.
    pub fn raise(&mut self, incarnation: &Incarnation, version: Version) {
        if version == 0 {
            return;
        }
        match self.0.binary_search_by(|(name, _)| name.cmp(incarnation)) {
            Ok(at) => self.0[at].1 = self.0[at].1.max(version),
            Err(at) => self.0.insert(at, (incarnation.clone(), version)),
        }
    }

    /// Raises every entry to that of `other`.
    pub fn join(&mut self, other: &Self) {
        for (incarnation, version) in &other.0 {
            self.raise(incarnation, *version);
        }
    }

    /// This vector with `dot` taken into account.
    #[must_use]
    pub fn with(&self, dot: &Dot) -> Self {
        let mut vector = self.clone();
        vector.raise(&dot.incarnation, dot.version);
        vector
    }

    /// `self ⊑ other`: every entry is at most that of `other`.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.iter().all(|(incarnation, version)| *version <= other.get(incarnation))
    }

    /// `self ⊑ other ∪ {dot}`, without building the join.
    pub fn is_within_joined(&self, other: &Self, dot: &Dot) -> bool {
        self.0.iter().all(|(incarnation, version)| {
            *version <= other.get(incarnation) || (*incarnation == dot.incarnation && *version <= dot.version)
        })
    }

    /// Whether it is exactly `{dot}`.
    pub fn is_exactly(&self, dot: &Dot) -> bool {
        matches!(self.0.as_slice(), [(incarnation, version)]
            if *incarnation == dot.incarnation && *version == dot.version)
    }

    /// Whether it takes nothing into account.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its entries, sorted by incarnation.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Incarnation, Version)> {
        self.0.iter().map(|(incarnation, version)| (incarnation, *version))
    }

    /// Reads the text form. An empty text is the empty vector; entries may stand in any order.
    pub fn parse(text: &str) -> Result<Self, InvalidVector> {
        let mut vector = Self::new();
        for entry in text.split_ascii_whitespace() {
            let parsed = entry.rsplit_once(':').and_then(|(name, version)| {
                Some((Incarnation::parse(name).ok()?, version.parse::<Version>().ok()?))
            });
            let Some((incarnation, version)) = parsed else {
                return Err(InvalidVector { text: text.to_owned() });
            };
            vector.raise(&incarnation, version);
        }
        Ok(vector)
    }
}

impl FromIterator<(Incarnation, Version)> for VersionVector {
    fn from_iter<I: IntoIterator<Item = (Incarnation, Version)>>(entries: I) -> Self {
        let mut vector = Self::new();
        for (incarnation, version) in entries {
            vector.raise(&incarnation, version);
        }
        vector
    }
}

impl fmt::Display for VersionVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (incarnation, version)) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            write!(f, "{gap}{incarnation}:{version}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for VersionVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn vectors() -> impl Strategy<Value = VersionVector> {
        let entry = (prop::sample::select(vec!["a", "b", "b~2", "c"]), 0..4u64);
        prop::collection::vec(entry, 0..5).prop_map(|entries| {
            entries.into_iter().map(|(name, v)| (Incarnation::parse(name).unwrap(), v)).collect()
        })
    }

    proptest! {
        #[test]
        fn join_is_the_least_upper_bound(a in vectors(), b in vectors(), c in vectors()) {
            let mut joined = a.clone();
            joined.join(&b);
            prop_assert!(a.is_within(&joined) && b.is_within(&joined));
            if a.is_within(&c) && b.is_within(&c) {
                prop_assert!(joined.is_within(&c));
            }
        }

        #[test]
        fn text_reads_back(a in vectors()) {
            prop_assert_eq!(VersionVector::parse(&a.to_string()).unwrap(), a);
        }

        #[test]
        fn joined_test_agrees_with_the_join(a in vectors(), b in vectors(), version in 1..4u64) {
            let dot = Dot::new(Incarnation::parse("b").unwrap(), version);
            prop_assert_eq!(a.is_within_joined(&b, &dot), a.is_within(&b.with(&dot)));
        }
    }

    #[test]
    fn foreign_text_is_refused() {
        for bad in ["hq", "hq:", "hq:x", ":1", "HQ:1", "hq:-1", "hq:1,cloud:2"] {
            assert!(VersionVector::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(VersionVector::parse(" hq:3  a:1 ").unwrap().to_string(), "a:1 hq:3");
    }
}
