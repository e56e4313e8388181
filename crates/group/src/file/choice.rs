//! Settings whose value is one of a few words.

use super::settings::{BlockedDelete, Direction, OnLoss};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;
use std::marker::PhantomData;
use tributary_model::Policy;
use tributary_settle::DeleteVsUpdate;
use tributary_stream::kafka::Compression;

/// How a program proves to Kafka's brokers who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::file) enum Mechanism {
    Plain,
    ScramSha256,
    ScramSha512,
    OAuthBearer,
}

/// A type with a few values that have a word each.
pub trait Choice: Copy + Sized + 'static {
    /// All values and their words. The first is the default.
    const ALL: &'static [(&'static str, Self)];

    /// The value that has this word.
    #[must_use]
    fn named(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == word).map(|(_, value)| *value)
    }

    /// All words.
    fn words() -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().map(|(name, _)| *name)
    }
}

impl Choice for Direction {
    const ALL: &'static [(&'static str, Self)] =
        &[("both", Self::Both), ("publish", Self::Publish), ("subscribe", Self::Subscribe)];
}

impl Choice for OnLoss {
    const ALL: &'static [(&'static str, Self)] = &[("exception", Self::Exception), ("round", Self::Round)];
}

impl Choice for BlockedDelete {
    const ALL: &'static [(&'static str, Self)] = &[("park", Self::Park), ("restore", Self::Restore)];
}

impl Choice for Policy {
    const ALL: &'static [(&'static str, Self)] = &[
        ("latest_wins", Self::LatestWins),
        ("priority", Self::Priority),
        ("manual", Self::Manual),
        ("merge_columns", Self::MergeColumns),
    ];
}

impl Choice for DeleteVsUpdate {
    const ALL: &'static [(&'static str, Self)] = &[
        ("by_policy", Self::ByPolicy),
        ("update_wins", Self::UpdateWins),
        ("delete_wins", Self::DeleteWins),
    ];
}

impl Choice for Compression {
    const ALL: &'static [(&'static str, Self)] =
        &[("lz4", Self::Lz4), ("zstd", Self::Zstd), ("none", Self::None)];
}

impl Choice for Mechanism {
    const ALL: &'static [(&'static str, Self)] = &[
        ("plain", Self::Plain),
        ("scram-sha-256", Self::ScramSha256),
        ("scram-sha-512", Self::ScramSha512),
        ("oauthbearer", Self::OAuthBearer),
    ];
}

/// Stands in the schema for text that is one of the words of `T`.
pub(super) struct OneOf<T>(PhantomData<T>);

impl<T: Choice> JsonSchema for OneOf<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "OneOf".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words: Vec<&str> = T::words().collect();
        json_schema!({ "type": "string", "enum": words })
    }
}
