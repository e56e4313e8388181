//! Giving records the schema ids of another registry.
//!
//! A record carries the id of its schema in front of its bytes (magic byte, then the id). The bytes themselves stay,
//! and so does what carries no id that the log knows.

use super::survey::{Source, Subjects};
use std::collections::{BTreeMap, BTreeSet};
use tributary_codec::{ConflictCodec, ExceptionCodec, frame, split_frame};
use tributary_stream::{Channels, Incoming, Log, Outgoing, Result, SchemaId};

/// The new ids, by subject and old id.
#[derive(Debug, Default)]
pub(super) struct Reframe {
    ids: BTreeMap<(String, u32), SchemaId>,
}

/// The schemas of a log by the subject of the copy's registry that they belong under, oldest first.
pub(super) struct Schemas(Vec<(String, u32, String)>);

impl Schemas {
    /// Reads the schemas that the records of these topics name.
    pub(super) async fn read(log: &dyn Log, topics: &[Source]) -> Result<Self> {
        let mut wanted = BTreeSet::new();
        for topic in topics {
            let Some(Subjects { key, key_too, value }) = &topic.subjects else { continue };
            for subject in key_too.iter().chain([key]) {
                wanted.extend(topic.key_ids.iter().map(|id| (*id, subject.clone())));
            }
            wanted.extend(topic.value_ids.iter().map(|id| (*id, value.clone())));
        }
        let mut found = Vec::new();
        for (id, subject) in wanted {
            match log.schema(SchemaId(id)).await {
                Ok(schema) => found.push((subject, id, schema)),
                // Of a record that another program wrote.
                Err(tributary_stream::Error::UnknownSchema { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self(found))
    }

    /// Registers them in the order in which they came to be, since a registry may ask of each that it fits the one
    /// before.
    pub(super) async fn register(&self, log: &dyn Log) -> Result<Reframe> {
        let mut ids = BTreeMap::new();
        for (subject, id, schema) in &self.0 {
            ids.insert((subject.clone(), *id), log.register_schema(subject, schema).await?);
        }
        Ok(Reframe { ids })
    }

    /// Where `channels` remember an id for a key's schema, that is the one, whatever a registry has said since.
    pub(super) fn pinned(&self, mut reframe: Reframe, channels: &Channels) -> Reframe {
        let key = |topic| format!("{topic}-key");
        let others = [
            (key(channels.topics.conflicts()), ConflictCodec::key_schema(), channels.conflict_key_id),
            (key(channels.topics.exceptions()), ExceptionCodec::key_schema(), channels.exception_key_id),
        ];
        let keys = channels.tables.iter();
        let keys =
            keys.map(|table| (format!("{}-key", table.changes), table.codec.key_schema(), table.key_id));
        for (subject, schema, pinned) in keys.chain(others) {
            for (of, id, text) in &self.0 {
                if *of == subject && text == schema {
                    reframe.ids.insert((subject.clone(), *id), pinned);
                }
            }
        }
        reframe
    }
}

impl Reframe {
    /// The record as it goes to the copy.
    pub(super) fn record(&self, record: Incoming, topic: &Source) -> Outgoing {
        let Incoming { partition, key, value, headers, .. } = record;
        let (key, value) = match &topic.subjects {
            Some(subjects) => {
                (self.bytes(key, &subjects.key), value.map(|value| self.bytes(value, &subjects.value)))
            }
            None => (key, value),
        };
        Outgoing { topic: topic.target.clone(), partition, key, value, headers }
    }

    fn bytes(&self, bytes: Vec<u8>, subject: &str) -> Vec<u8> {
        let Ok((id, payload)) = split_frame(&bytes) else { return bytes };
        let Some(new) = self.ids.get(&(subject.to_owned(), id)) else { return bytes };
        let mut framed = Vec::with_capacity(bytes.len());
        frame(new.0, &mut framed);
        framed.extend_from_slice(payload);
        framed
    }
}

/// The bytes without their framing.
pub(super) fn payload(bytes: &[u8], framed: bool) -> &[u8] {
    if !framed {
        return bytes;
    }
    split_frame(bytes).map_or(bytes, |(_, payload)| payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::copy::survey::survey;
    use std::time::Duration;
    use tributary_stream::embedded::EmbeddedLog;
    use tributary_stream::{Cleanup, Headers, TopicName, TopicSettings, Topics};

    fn framed(id: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        frame(id, &mut bytes);
        bytes.extend_from_slice(payload);
        bytes
    }

    #[tokio::test]
    async fn records_carry_the_ids_of_the_other_log_and_keep_their_bytes() {
        let (from, to) = (EmbeddedLog::memory(), EmbeddedLog::memory());
        let topics = Topics::new("tributary", "retail");
        let name = TopicName::new("tributary.retail.resolved.Customer");
        let cleanup = Cleanup::Compact { delete_retention: Duration::from_secs(3600) };
        from.ensure_topics(&[TopicSettings {
            name: name.clone(),
            partitions: 1,
            cleanup,
            max_record_bytes: 999,
        }])
        .await
        .unwrap();
        let key = from.register_schema("a", "\"long\"").await.unwrap();
        let old = from.register_schema("b", "\"string\"").await.unwrap();
        let new = from.register_schema("b", "\"bytes\"").await.unwrap();
        to.register_schema("elsewhere", "\"float\"").await.unwrap();
        let record = |key: Vec<u8>, value: Option<Vec<u8>>| Outgoing {
            topic: name.clone(),
            partition: 0,
            key,
            value,
            headers: Headers::new(),
        };
        let records = vec![
            record(framed(key.0, b"1"), Some(framed(new.0, b"x"))),
            record(framed(key.0, b"2"), Some(framed(old.0, b"y"))),
            record(framed(key.0, b"3"), None),
            record(b"not framed".to_vec(), Some(framed(4_000, b"no such schema"))),
        ];
        let mut producer = from.producer("p").await.unwrap();
        producer.begin().await.unwrap();
        producer.send(records).await.unwrap();
        producer.commit().await.unwrap();

        let sources = survey(&from, &topics, &topics, |_, _| {}).await.unwrap();
        let schemas = Schemas::read(&from, &sources).await.unwrap();
        let reframe = schemas.register(&to).await.unwrap();
        let ids = [
            to.register_schema("tributary.retail.changes.Customer-key", "\"long\"").await.unwrap(),
            to.register_schema("tributary.retail.resolved.Customer-value", "\"string\"").await.unwrap(),
            to.register_schema("tributary.retail.resolved.Customer-value", "\"bytes\"").await.unwrap(),
        ];
        assert!(ids[1] < ids[2], "the older one was registered first");
        let copied = |key: Vec<u8>, value: Option<Vec<u8>>| {
            let incoming = Incoming {
                topic: name.clone(),
                partition: 0,
                offset: 0,
                timestamp_ms: 0,
                key,
                value,
                headers: Headers::new(),
            };
            let outgoing = reframe.record(incoming, &sources[0]);
            (outgoing.key, outgoing.value)
        };
        assert_eq!(
            copied(framed(key.0, b"1"), Some(framed(new.0, b"x"))),
            (framed(ids[0].0, b"1"), Some(framed(ids[2].0, b"x")))
        );
        assert_eq!(
            copied(framed(key.0, b"2"), Some(framed(old.0, b"y"))),
            (framed(ids[0].0, b"2"), Some(framed(ids[1].0, b"y")))
        );
        assert_eq!(copied(framed(key.0, b"3"), None), (framed(ids[0].0, b"3"), None));
        let foreign = (b"not framed".to_vec(), Some(framed(4_000, b"no such schema")));
        assert_eq!(copied(foreign.0.clone(), foreign.1.clone()), foreign, "left as it is");
        assert_eq!(payload(&framed(7, b"p"), true), b"p");
        assert_eq!(payload(b"p", true), b"p");
        assert_eq!(payload(&framed(7, b"p"), false), framed(7, b"p"));
    }
}
