//! Whether a copy holds what was copied: record by record, without the schema ids, which differ.
//!
//! A log that compacts may have removed records of the copy meanwhile, each of which another one of the same key
//! supersedes.

use super::CopyError;
use super::reader::Reader;
use super::reframe::payload;
use super::survey::{Source, Way};
use std::cmp::Ordering;
use std::collections::HashMap;
use tributary_stream::{Cleanup, Incoming, Log, TopicPartition};

/// What a partition was found to hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Compared {
    /// Records of the source, all of them accounted for.
    pub(super) records: u64,
    /// Of those, the ones that the copy has compacted away.
    pub(super) superseded: u64,
}

/// Compares one partition; `digest` takes in what both hold.
pub(super) async fn compare(
    from: &dyn Log,
    to: &dyn Log,
    topic: &Source,
    partition: u32,
    digest: &mut blake3::Hasher,
    moved: &mut dyn FnMut(u64),
) -> Result<Compared, CopyError> {
    let range = topic.ranges[partition as usize];
    let source = TopicPartition::new(topic.settings.name.clone(), partition);
    let target = TopicPartition::new(topic.target.clone(), partition);
    let held = to.offsets(&target.topic).await?.get(partition as usize).copied().unwrap_or_default();
    let mut ours = Reader::open(from, &source, range.start, range.end).await?;
    let mut theirs = Reader::open(to, &target, held.start, held.end).await?;
    let mut judge = Judge::new(topic);
    loop {
        let verdict = judge.look(ours.peek().await?, theirs.peek().await?);
        let verdict = verdict.map_err(|(offset, reason)| differs(&source, offset, reason))?;
        match verdict {
            Look::Both => {
                if let Some(record) = ours.next().await? {
                    judge.take_in(&record, digest);
                    moved(1);
                }
                theirs.next().await?;
            }
            Look::Ours => {
                if let Some(record) = ours.next().await? {
                    judge.take_in(&record, digest);
                    judge.miss(&record);
                    moved(1);
                }
            }
            Look::Theirs => {
                theirs.next().await?;
            }
            Look::End => break,
        }
    }
    let lost = judge.end().map_err(|(offset, reason)| differs(&source, offset, reason));
    lost.map(|()| judge.compared)
}

fn differs(at: &TopicPartition, offset: u64, reason: &'static str) -> CopyError {
    CopyError::Differs { topic: at.topic.clone(), partition: at.partition, offset, reason }
}

/// What to go past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    /// The same record in both.
    Both,
    /// A record that the copy has no more.
    Ours,
    /// A record that was repeated to use up an offset.
    Theirs,
    End,
}

/// An offset of the source, and what is wrong with it.
type Difference = (u64, &'static str);

/// Judges two partitions by the next record of each. Pure.
struct Judge {
    exact: bool,
    compacts: bool,
    framed: bool,
    compared: Compared,
    /// Keys whose last record the copy lacks, with its offset: a later one has to be there.
    missing: HashMap<[u8; 32], u64>,
}

impl Judge {
    fn new(topic: &Source) -> Self {
        Self {
            exact: topic.way == Way::Exact,
            compacts: matches!(topic.settings.cleanup, Cleanup::Compact { .. }),
            framed: topic.subjects.is_some(),
            compared: Compared::default(),
            missing: HashMap::new(),
        }
    }

    fn look(&self, ours: Option<&Incoming>, theirs: Option<&Incoming>) -> Result<Look, Difference> {
        let (ours, theirs) = match (ours, theirs) {
            (None, None) => return Ok(Look::End),
            (None, Some(theirs)) => return Err((theirs.offset, "the copy holds a record more")),
            (Some(ours), None) => return self.lacks(ours),
            (Some(ours), Some(theirs)) => (ours, theirs),
        };
        let same = self.same(ours, theirs);
        if !self.exact {
            return if same { Ok(Look::Both) } else { self.lacks(ours) };
        }
        match theirs.offset.cmp(&ours.offset) {
            Ordering::Equal if same => Ok(Look::Both),
            Ordering::Equal => Err((ours.offset, "the copy holds another record at this offset")),
            Ordering::Less if same => Ok(Look::Theirs),
            Ordering::Less => Err((ours.offset, "the copy holds another record before this offset")),
            Ordering::Greater => self.lacks(ours),
        }
    }

    fn lacks(&self, ours: &Incoming) -> Result<Look, Difference> {
        if self.compacts { Ok(Look::Ours) } else { Err((ours.offset, "the copy lacks this record")) }
    }

    fn same(&self, ours: &Incoming, theirs: &Incoming) -> bool {
        let equal = |ours: &[u8], theirs: &[u8]| payload(ours, self.framed) == payload(theirs, self.framed);
        let values = match (&ours.value, &theirs.value) {
            (Some(ours), Some(theirs)) => equal(ours, theirs),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        values && equal(&ours.key, &theirs.key) && ours.headers == theirs.headers
    }

    fn take_in(&mut self, record: &Incoming, digest: &mut blake3::Hasher) {
        self.compared.records += 1;
        if self.exact {
            digest.update(&record.offset.to_be_bytes());
        }
        let value = record.value.as_deref().map(|value| payload(value, self.framed));
        for part in [payload(&record.key, self.framed), value.unwrap_or_default()] {
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        if !self.missing.is_empty() {
            self.missing.remove(&self.key(record));
        }
    }

    fn miss(&mut self, record: &Incoming) {
        self.compared.superseded += 1;
        self.missing.insert(self.key(record), record.offset);
    }

    fn key(&self, record: &Incoming) -> [u8; 32] {
        *blake3::hash(payload(&record.key, self.framed)).as_bytes()
    }

    fn end(&self) -> Result<(), Difference> {
        match self.missing.values().min() {
            Some(offset) => Err((*offset, "the copy lacks this record, and none of its key follows")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::time::Duration;
    use tributary_stream::{Headers, TopicName, TopicSettings};

    fn topic(way: Way, compacts: bool) -> Source {
        let cleanup = if compacts {
            Cleanup::Compact { delete_retention: Duration::from_secs(60) }
        } else {
            Cleanup::Keep
        };
        let name = TopicName::new("t");
        Source {
            settings: TopicSettings { name: name.clone(), partitions: 1, cleanup, max_record_bytes: 1 },
            target: name,
            way,
            subjects: None,
            ranges: Vec::new(),
            records: 0,
            key_ids: BTreeSet::new(),
            value_ids: BTreeSet::new(),
        }
    }

    /// Records as `(offset, key, value)`.
    fn held(records: &[(u64, &str, &str)]) -> Vec<Incoming> {
        let record = |(offset, key, value): &(u64, &str, &str)| Incoming {
            topic: TopicName::new("t"),
            partition: 0,
            offset: *offset,
            timestamp_ms: 0,
            key: key.as_bytes().to_vec(),
            value: Some(value.as_bytes().to_vec()),
            headers: Headers::new(),
        };
        records.iter().map(record).collect()
    }

    fn judged(
        topic: &Source,
        ours: &[(u64, &str, &str)],
        theirs: &[(u64, &str, &str)],
    ) -> Result<Compared, Difference> {
        let (ours, theirs) = (held(ours), held(theirs));
        let (mut ours, mut theirs) = (ours.iter().peekable(), theirs.iter().peekable());
        let (mut judge, mut digest) = (Judge::new(topic), blake3::Hasher::new());
        loop {
            let look = judge.look(ours.peek().copied(), theirs.peek().copied())?;
            if matches!(look, Look::Both | Look::Ours) {
                let record = ours.next().unwrap();
                judge.take_in(record, &mut digest);
                if look == Look::Ours {
                    judge.miss(record);
                }
            }
            if matches!(look, Look::Both | Look::Theirs) {
                theirs.next();
            }
            if look == Look::End {
                return judge.end().map(|()| judge.compared);
            }
        }
    }

    #[test]
    fn equal_offsets_and_repeats_are_fine() {
        let topic = topic(Way::Exact, true);
        let ours = [(1, "a", "1"), (2, "b", "1"), (5, "c", "1")];
        let theirs =
            [(0, "a", "1"), (1, "a", "1"), (2, "b", "1"), (3, "c", "1"), (4, "c", "1"), (5, "c", "1")];
        assert_eq!(judged(&topic, &ours, &theirs), Ok(Compared { records: 3, superseded: 0 }));
        assert_eq!(judged(&topic, &ours, &ours), Ok(Compared { records: 3, superseded: 0 }));
        assert_eq!(judged(&topic, &[], &[]), Ok(Compared::default()));
    }

    #[test]
    fn every_difference_is_found() {
        let topic = topic(Way::Exact, true);
        let ours = [(1, "a", "1"), (2, "b", "1")];
        for (theirs, offset) in [
            (&[(1, "a", "2"), (2, "b", "1")][..], 1),
            (&[(1, "a", "1"), (2, "x", "1")], 2),
            (&[(0, "x", "1"), (1, "a", "1"), (2, "b", "1")], 1),
            (&[(1, "a", "1"), (2, "b", "1"), (3, "c", "1")], 3),
            (&[(1, "a", "1"), (3, "b", "1")], 3),
            (&[(1, "a", "1")], 2),
            (&[(2, "b", "1")], 1),
            (&[], 1),
        ] {
            let found = judged(&topic, &ours, theirs).unwrap_err();
            assert_eq!(found.0, offset, "{theirs:?}: {}", found.1);
        }
    }

    #[test]
    fn what_a_later_record_of_its_key_supersedes_may_be_compacted_away() {
        let topic = topic(Way::Exact, true);
        let ours = [(0, "a", "1"), (1, "b", "1"), (2, "a", "2"), (3, "b", "2"), (4, "a", "3")];
        let theirs = [(3, "b", "2"), (4, "a", "3")];
        assert_eq!(judged(&topic, &ours, &theirs), Ok(Compared { records: 5, superseded: 3 }));
        assert_eq!(judged(&topic, &ours, &theirs[1..]).unwrap_err().0, 3);
    }

    #[test]
    fn topics_in_order_are_compared_without_their_offsets() {
        let kept = topic(Way::InOrder, false);
        let ours = [(7, "a", "1"), (8, "a", "2")];
        assert_eq!(judged(&kept, &ours, &[(0, "a", "1"), (1, "a", "2")]).map(|found| found.records), Ok(2));
        assert_eq!(judged(&kept, &ours, &[(0, "a", "2")]).unwrap_err().0, 7);
        assert_eq!(judged(&kept, &ours, &[(0, "a", "1")]).unwrap_err().0, 8);
        let compacted = topic(Way::InOrder, true);
        assert_eq!(judged(&compacted, &ours, &[(1, "a", "2")]).map(|found| found.superseded), Ok(1));
        assert_eq!(judged(&compacted, &ours, &[(0, "a", "1")]).unwrap_err().0, 8);
    }
}
