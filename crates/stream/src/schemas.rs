//! Which id each schema has in this log, remembered on the control topic.
//!
//! The id is part of every framed key, and compaction compares framed keys: so a key's schema keeps the id that it was
//! first given, whatever a registry says later. It is also what lets workers begin while the registry is down, as
//! long as they need no schema that is new. A value's schema may change its id, and does when a registry that was
//! rebuilt does not know it under the old one.

use crate::{Log, Result, SchemaId, TopicName, read_latest, single};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const KEY: &[u8] = b"schemas";

/// Which side of a record a schema is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Key,
    Value,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Pinned {
    /// Of the schema's text.
    hash: String,
    id: u32,
}

/// The ids of a log's schemas.
pub(crate) struct Schemas<'a> {
    log: &'a dyn Log,
    control: TopicName,
    writer: String,
    stored: BTreeMap<String, Pinned>,
    changed: bool,
    /// Whether the registry did not answer: then it is not asked about what is known.
    unreachable: bool,
}

impl<'a> Schemas<'a> {
    /// Reads what is remembered.
    pub(crate) async fn open(log: &'a dyn Log, control: TopicName, writer: String) -> Result<Self> {
        let latest = read_latest(log, &control).await?;
        let found = latest.into_iter().find(|(key, _)| key == KEY);
        // What cannot be read is asked for again: the registry gives the same ids unless it was rebuilt.
        let stored = found.and_then(|(_, value)| serde_json::from_slice(&value).ok()).unwrap_or_default();
        Ok(Self { log, control, writer, stored, changed: false, unreachable: false })
    }

    /// The id of a topic's schema, registered if it is new.
    pub(crate) async fn id(&mut self, topic: &TopicName, part: Part, schema: &str) -> Result<SchemaId> {
        let suffix = match part {
            Part::Key => "key",
            Part::Value => "value",
        };
        let subject = format!("{topic}-{suffix}");
        let hash = blake3::hash(schema.as_bytes()).to_hex()[..32].to_owned();
        let known =
            self.stored.get(&subject).filter(|known| known.hash == hash).map(|known| SchemaId(known.id));
        let id = match known {
            Some(id) if self.is_fine(&subject, part, id, schema).await? => id,
            _ => self.log.register_schema(&subject, schema).await?,
        };
        if known != Some(id) {
            self.stored.insert(subject, Pinned { hash, id: id.0 });
            self.changed = true;
        }
        Ok(id)
    }

    /// Whether a remembered id is to be used. A key's always is; readers that ask the registry are warned for.
    async fn is_fine(&mut self, subject: &str, part: Part, id: SchemaId, schema: &str) -> Result<bool> {
        if self.unreachable {
            return Ok(true);
        }
        let found = match self.log.schema(id).await {
            Ok(found) => same(&found, schema),
            Err(crate::Error::UnknownSchema { .. }) => false,
            Err(error) => {
                tracing::warn!(%error, "the schemas' ids are taken from the control topic");
                self.unreachable = true;
                return Ok(true);
            }
        };
        if !found && part == Part::Key {
            tracing::warn!(
                subject,
                id = id.0,
                "the schema registry does not know the keys' schema by its id; readers that ask it cannot read the \
                 keys: restore the registry, or import the schema under this id"
            );
            return Ok(true);
        }
        Ok(found)
    }

    /// Remembers what is new.
    pub(crate) async fn close(self) -> Result<()> {
        if !self.changed {
            return Ok(());
        }
        let value = serde_json::to_vec(&self.stored).expect("texts and numbers can be written as JSON");
        let mut producer = self.log.producer(&self.writer).await?;
        producer.begin().await?;
        producer.send(vec![single(self.control, KEY.to_vec(), Some(value))]).await?;
        producer.commit().await
    }
}

/// Whether two texts are the same schema; a registry may write it in another way.
fn same(one: &str, other: &str) -> bool {
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    one == other || (parse(one).is_some() && parse(one) == parse(other))
}
