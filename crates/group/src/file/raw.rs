//! The group file as it is written: keys and shapes, nothing checked.
//!
//! The comments of the fields are what editors show, by way of the JSON schema. Every value is kept as text with its
//! place, so that variables may stand anywhere and every check can name the line. Nothing here can be
//! printed, since an address may hold a password.

mod kafka;

pub(super) use kafka::{OneOrMany, RawKafka, RawRegistryAuth, RawSasl, RawTls, TlsChoice};

use super::choice::OneOf;
use super::problem::Position;
use super::secret::Hidden;
use super::settings::{BlockedDelete, Direction, OnLoss};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_saphyr::Spanned;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use tributary_model::Policy;
use tributary_settle::DeleteVsUpdate;

/// Text with its place.
pub(super) type Text = At<String>;

/// A group of databases that are kept the same in both directions.
///
/// Text may hold variables of the environment, written `${NAME}`; `$${` stands for the two characters `${`.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Tributary group file")]
pub(super) struct RawGroupFile {
    /// The group's name: a small letter, then up to 30 small letters, digits or hyphens. Part of the names of topics
    /// and files, so it cannot be changed later.
    #[schemars(required, regex(pattern = r"^[a-z][a-z0-9-]{0,30}$"))]
    pub(super) group: Option<Text>,
    /// The log that carries the group's changes.
    #[schemars(required)]
    pub(super) log: Option<At<RawLog>>,
    /// Folder for the group's own files, such as the resolver's state. Relative to this file.
    /// Default: `<group>.data` beside this file.
    pub(super) data_dir: Option<Text>,
    /// The databases, by id. An id is a small letter, then up to 30 small letters, digits or hyphens; `operator` is
    /// reserved.
    #[schemars(required)]
    pub(super) members: Option<At<Entries<RawMember>>>,
    /// Member ids from the one that wins first: for tables with `conflict: priority`, and where the rest is equal.
    /// Members that are not listed follow in the order of `members`. Default: the order of `members`.
    pub(super) priority: Option<At<Vec<Text>>>,
    /// What holds for every table that does not say otherwise.
    pub(super) defaults: Option<At<RawDefaults>>,
    /// The tables to keep the same.
    #[schemars(required, length(min = 1))]
    pub(super) tables: Option<At<Vec<At<RawTable>>>>,
    /// When changes are carried: `continuous`, `every 5m` (or another interval, from one second up), or `manual`.
    /// Default: `continuous`.
    pub(super) schedule: Option<Text>,
    /// Pause between two looks for changes in a member, from 1ms to 1h. Default: `50ms`.
    pub(super) poll_interval: Option<Text>,
    /// How long a delete is remembered at least, from 1h up; a member that was away for longer has to be initialised
    /// again. Default: `45d`.
    pub(super) tombstone_retention: Option<Text>,
    /// How long settled conflicts are kept, from 1h up, or `never` for conflicts that never expire. Open ones are
    /// kept until they are settled. Default: `45d`.
    pub(super) conflict_retention: Option<Text>,
    /// Where `/metrics`, `/healthz` and `/readyz` are served. Default: nowhere.
    pub(super) metrics: Option<At<RawMetrics>>,
    /// Difference between a member's clock and the group's from which on a warning is shown, from 1ms up.
    /// Default: `2s`.
    pub(super) clock_skew_warning: Option<Text>,
}

/// The log that carries the group's changes. Exactly one of the keys is given.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline, extend("minProperties" = 1, "maxProperties" = 1))]
pub(super) struct RawLog {
    /// The file of the embedded log, for a group whose workers all run on one machine. Relative to this file.
    pub(super) embedded: Option<Text>,
    /// An Apache Kafka cluster with a schema registry, for a group whose workers run on several machines.
    pub(super) kafka: Option<At<RawKafka>>,
}

/// One database.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct RawMember {
    /// Where it is: `sqlite:relative/path.db` (relative to this file) or `sqlite:///absolute/path.db`;
    /// `postgresql://user@host:5432/database`, with `?sslmode=` and other options of PostgreSQL's own clients;
    /// `mssql://user@host:1433/Database`, with `?encrypt=`, `ca=` and others. Never with a password.
    #[schemars(required)]
    pub(super) url: Option<Text>,
    /// The password, best as `${NAME}` for a variable or `file:/path` for a file that holds nothing else; for
    /// `authentication=entra` the access token. Default: none. SQLite files have none.
    #[schemars(with = "Option<String>")]
    pub(super) password: Option<At<Hidden>>,
    /// Which way its changes go: `both`; with `publish` it only gives its own, with `subscribe` it only takes those
    /// of others. A member that is provisioned keeps its direction until `tributary member reinit`. Default: `both`.
    #[schemars(with = "Option<OneOf<Direction>>")]
    pub(super) direction: Option<Text>,
    /// What becomes of a row with a value that this database cannot hold exactly: `exception` sets it aside and lists
    /// it, `round` rounds and counts it. Default: `exception`.
    #[schemars(with = "Option<OneOf<OnLoss>>")]
    pub(super) on_loss: Option<Text>,
    /// How changes are written into it.
    pub(super) apply: Option<At<RawApply>>,
}

/// How changes are written into a member.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct RawApply {
    /// How long one transaction may hold the database's write lock, from 1ms to 1m. Shorter disturbs its users less,
    /// longer carries a backlog faster. Default: `50ms`.
    pub(super) longest_lock: Option<Text>,
}

/// What holds for every table that does not say otherwise.
#[derive(Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct RawDefaults {
    /// Who wins when two members changed the same row independently: see `tables`. Default: `latest_wins`.
    #[schemars(with = "Option<OneOf<Policy>>")]
    pub(super) conflict: Option<Text>,
    /// How a delete fares against an update: see `tables`. Default: `by_policy`.
    #[schemars(with = "Option<OneOf<DeleteVsUpdate>>")]
    pub(super) delete_vs_update: Option<Text>,
    /// What becomes of a delete that rows still refer to: see `tables`. Default: `park`.
    #[schemars(with = "Option<OneOf<BlockedDelete>>")]
    pub(super) blocked_delete: Option<Text>,
    /// How many partitions a table's topics have: see `tables`. Default: 4.
    #[schemars(with = "Option<Partitions>")]
    pub(super) partitions: Option<Text>,
}

/// A table to keep the same.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct RawTable {
    /// The group's name of the table. Members may write it with other case and underscores; for other names see `as`.
    #[schemars(required, length(min = 1))]
    pub(super) name: Option<Text>,
    /// What single members call the table, by member id. Default: the group's name, without regard to case and
    /// underscores.
    #[serde(rename = "as")]
    pub(super) names: Option<At<Entries<String>>>,
    /// Which columns are synced. Default: all whose type can be.
    pub(super) columns: Option<At<RawColumns>>,
    /// Who wins when two members changed the same row independently: `latest_wins` the later change, `priority` the
    /// member listed first in `priority`, `manual` nobody until an operator decides. `merge_columns` is not in this
    /// build yet. Default: what `defaults` says.
    #[schemars(with = "Option<OneOf<Policy>>")]
    pub(super) conflict: Option<Text>,
    /// How a delete fares against an independent update: `by_policy` as `conflict` says, `update_wins` or
    /// `delete_wins` always so. Default: what `defaults` says.
    #[schemars(with = "Option<OneOf<DeleteVsUpdate>>")]
    pub(super) delete_vs_update: Option<Text>,
    /// What becomes of a delete that a member refuses since rows still refer to it: `park` lists it and tries again,
    /// `restore` brings the row back in every member. Default: what `defaults` says.
    #[schemars(with = "Option<OneOf<BlockedDelete>>")]
    pub(super) blocked_delete: Option<Text>,
    /// How many partitions the table's topics have, from 1 to 1024. Cannot be changed in a running group.
    /// Default: what `defaults` says.
    #[schemars(with = "Option<Partitions>")]
    pub(super) partitions: Option<Text>,
}

/// Which columns are synced. Exactly one of the keys is given.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline, extend("minProperties" = 1, "maxProperties" = 1))]
pub(super) struct RawColumns {
    /// Only these, and the primary key.
    pub(super) include: Option<At<Vec<Text>>>,
    /// All but these.
    pub(super) exclude: Option<At<Vec<Text>>>,
}

/// Where `/metrics`, `/healthz` and `/readyz` are served.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct RawMetrics {
    /// Address and port, such as `127.0.0.1:9464`. Whoever can reach it can read it.
    #[schemars(required)]
    pub(super) listen: Option<Text>,
}

/// A value with its place.
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) at: Position,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        // Where it is used: what is wrong with an alias is usually the place that it was put.
        let at = Position { line: spanned.referenced.line(), column: spanned.referenced.column() };
        Ok(Self { value: spanned.value, at })
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A mapping in the order of the file. Keeps keys that come twice, so that both places can be named.
pub(super) struct Entries<T>(pub(super) Vec<(Text, At<T>)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Entries<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Entries".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        json_schema!({
            "type": "object",
            "propertyNames": { "pattern": "^[a-z][a-z0-9-]{0,30}$" },
            "additionalProperties": value,
        })
    }
}

/// Stands in the schema for a number of partitions.
struct Partitions;

impl JsonSchema for Partitions {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Partitions".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": 1024 })
    }
}
