//! What the services share of a group's log: its topics, created and checked, with codecs and schema ids.
//!
//! The services never depend on each other; topics and schemas are all they have in common, and this is where
//! both come from. A schema id is part of the framed key, and compaction compares framed keys, so a table's key
//! schema is registered once and its id used by everyone.

use crate::schemas::{Part, Schemas};
use crate::topics::{TopicLimits, Topics};
use crate::{ConsumerSettings, Isolation, Log, Outgoing, Result, SchemaId, Start, TopicName, TopicPartition};
use std::sync::Arc;
use std::time::Duration;
use tributary_codec::{ConflictCodec, ExceptionCodec, TableCodec};
use tributary_model::TableSchema;

/// One table's way through the log.
#[derive(Debug)]
pub struct Channel {
    /// The table.
    pub schema: Arc<TableSchema>,
    /// Its codec.
    pub codec: Arc<TableCodec>,
    /// Partitions of both topics.
    pub partitions: u32,
    /// Where captured changes go.
    pub changes: TopicName,
    /// Where settled rows go.
    pub resolved: TopicName,
    /// Id of the key's schema.
    pub key_id: SchemaId,
    /// Id of the change envelope's schema.
    pub change_id: SchemaId,
    /// Id of the resolved envelope's schema.
    pub resolved_id: SchemaId,
}

/// All of a group's topics.
#[derive(Debug)]
pub struct Channels {
    /// The group's name.
    pub group: String,
    /// Their names.
    pub topics: Topics,
    /// Their limits.
    pub limits: TopicLimits,
    /// By table, in the order of the bindings.
    pub tables: Vec<Channel>,
    /// Id of the conflict key's schema.
    pub conflict_key_id: SchemaId,
    /// Id of the conflict record's schema.
    pub conflict_id: SchemaId,
    /// Id of the exception key's schema.
    pub exception_key_id: SchemaId,
    /// Id of the exception record's schema.
    pub exception_id: SchemaId,
}

/// Largest number of partitions of the topics that are not a table's.
const CONFLICT_PARTITIONS: u32 = 1;

impl Channels {
    /// Creates what is missing, checks what exists, registers the schemas.
    ///
    /// # Errors
    /// [`crate::Error::TopicMismatch`] when a topic exists with other essential settings;
    /// [`crate::Error::InvalidSchema`] when no Avro schema can be made of a table.
    pub async fn open(
        log: &dyn Log,
        topics: Topics,
        group: &str,
        limits: TopicLimits,
        tables: &[(Arc<TableSchema>, u32)],
    ) -> Result<Self> {
        let mut wanted = vec![
            limits.compacted(topics.positions(), 1),
            limits.compacted(topics.conflicts(), CONFLICT_PARTITIONS),
            limits.compacted(topics.exceptions(), 1),
            limits.compacted(topics.control(), 1),
        ];
        for (schema, partitions) in tables {
            wanted.push(limits.kept(topics.changes(&schema.name), *partitions));
            wanted.push(limits.compacted(topics.resolved(&schema.name), *partitions));
        }
        log.ensure_topics(&wanted).await?;
        let mut schemas = Schemas::open(log, topics.control(), topics.control_writer()).await?;
        let mut channels = Vec::with_capacity(tables.len());
        for (schema, partitions) in tables {
            channels.push(open_table(&mut schemas, &topics, group, schema, *partitions).await?);
        }
        let conflicts = topics.conflicts();
        let conflict_key_id = schemas.id(&conflicts, Part::Key, ConflictCodec::key_schema()).await?;
        let conflict_id = schemas.id(&conflicts, Part::Value, ConflictCodec::schema()).await?;
        let exceptions = topics.exceptions();
        let exception_key_id = schemas.id(&exceptions, Part::Key, ExceptionCodec::key_schema()).await?;
        let exception_id = schemas.id(&exceptions, Part::Value, ExceptionCodec::schema()).await?;
        schemas.close().await?;
        Ok(Self {
            group: group.to_owned(),
            topics,
            limits,
            tables: channels,
            conflict_key_id,
            conflict_id,
            exception_key_id,
            exception_id,
        })
    }

    /// The same for a reader, who creates and registers nothing: the schema ids are 0, which decoding never needs.
    ///
    /// # Errors
    /// [`crate::Error::NoSchema`] when no Avro schema can be made of a table.
    pub fn for_reading(
        topics: Topics,
        group: &str,
        limits: TopicLimits,
        tables: &[(Arc<TableSchema>, u32)],
    ) -> Result<Self> {
        let none = SchemaId(0);
        let tables = tables
            .iter()
            .map(|(schema, partitions)| {
                Ok(Channel {
                    codec: Arc::new(codec_of(group, schema)?),
                    partitions: *partitions,
                    changes: topics.changes(&schema.name),
                    resolved: topics.resolved(&schema.name),
                    schema: Arc::clone(schema),
                    key_id: none,
                    change_id: none,
                    resolved_id: none,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            group: group.to_owned(),
            topics,
            limits,
            tables,
            conflict_key_id: none,
            conflict_id: none,
            exception_key_id: none,
            exception_id: none,
        })
    }

    /// The position of the table whose changes or resolved topic this is.
    pub fn table_of(&self, topic: &TopicName) -> Option<usize> {
        self.tables.iter().position(|table| table.changes == *topic || table.resolved == *topic)
    }

    /// The consumer group of the resolver.
    pub fn resolver_group(&self) -> String {
        self.topics.resolver_group()
    }
}

fn codec_of(group: &str, schema: &TableSchema) -> Result<TableCodec> {
    TableCodec::new(schema, group).map_err(|source| crate::Error::NoSchema {
        table: schema.name.as_str().to_owned(),
        source: Box::new(source),
    })
}

async fn open_table(
    schemas: &mut Schemas<'_>,
    topics: &Topics,
    group: &str,
    schema: &Arc<TableSchema>,
    partitions: u32,
) -> Result<Channel> {
    let (changes, resolved) = (topics.changes(&schema.name), topics.resolved(&schema.name));
    let codec = codec_of(group, schema)?;
    // Both topics share the key's bytes, so that the resolver can pass a change's key on as it is.
    let key_id = schemas.id(&changes, Part::Key, codec.key_schema()).await?;
    schemas.id(&resolved, Part::Key, codec.key_schema()).await?;
    let change_id = schemas.id(&changes, Part::Value, codec.change_schema()).await?;
    let resolved_id = schemas.id(&resolved, Part::Value, codec.resolved_schema()).await?;
    Ok(Channel {
        schema: Arc::clone(schema),
        codec: Arc::new(codec),
        partitions,
        changes,
        resolved,
        key_id,
        change_id,
        resolved_id,
    })
}

/// The last value of every key of a small compacted topic, in the order in which they were last written.
pub async fn read_latest(log: &dyn Log, topic: &TopicName) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let settings = ConsumerSettings { group: None, isolation: Isolation::Committed, start: Start::Beginning };
    let mut consumer = log.consumer(settings).await?;
    let ranges = log.offsets(topic).await?;
    let partitions: Vec<_> = (0..ranges.len() as u32)
        .map(|partition| (TopicPartition::new(topic.clone(), partition), None))
        .collect();
    consumer.assign(&partitions).await?;
    let mut latest: Vec<(Vec<u8>, Option<Vec<u8>>)> = Vec::new();
    let behind = |positions: Vec<(TopicPartition, u64)>| {
        positions.iter().any(|(at, next)| {
            let range = ranges[at.partition as usize];
            *next < range.end && range.start < range.end
        })
    };
    while behind(consumer.positions()) {
        let polled = consumer.poll(10_000, 16 << 20, Duration::from_millis(100)).await?;
        for record in polled.records {
            latest.push((record.key, record.value));
        }
    }
    // Keep the last of each key: walk backwards, remember what was met.
    let mut met = std::collections::HashSet::new();
    let mut kept: Vec<_> = Vec::new();
    for (key, value) in latest.into_iter().rev() {
        if met.insert(key.clone())
            && let Some(value) = value
        {
            kept.push((key, value));
        }
    }
    kept.reverse();
    Ok(kept)
}

/// A record for partition 0 of a small topic of our own.
pub fn single(topic: TopicName, key: Vec<u8>, value: Option<Vec<u8>>) -> Outgoing {
    Outgoing { topic, partition: 0, key, value, headers: crate::Headers::new() }
}
