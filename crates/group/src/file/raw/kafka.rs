//! `log: kafka` as it is written.

use super::{At, Text};
use crate::file::choice::{Mechanism, OneOf};
use crate::file::secret::Hidden;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use tributary_stream::kafka::Compression;

/// An Apache Kafka cluster with a schema registry, for a group whose workers run on several machines.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(in crate::file) struct RawKafka {
    /// Addresses of some of its brokers, as `host:port`; the others are learned from these.
    #[schemars(required)]
    pub(in crate::file) brokers: Option<At<OneOrMany>>,
    /// Address of the schema registry, as `http://host:port/path`, or a list of addresses of the same registry.
    #[schemars(required)]
    pub(in crate::file) registry: Option<At<OneOrMany>>,
    /// What the names of topics, consumer groups and transactional ids begin with: up to 60 letters, digits, dots,
    /// hyphens or underscores. Cannot be changed later. Default: `tributary`.
    pub(in crate::file) prefix: Option<Text>,
    /// What this program calls itself in the brokers' logs, metrics and quotas. Default: prefix and group, such as
    /// `tributary.retail`.
    pub(in crate::file) client_id: Option<Text>,
    /// Compression of what is written: `lz4` takes the least time, `zstd` the least room. Default: `lz4`.
    #[schemars(with = "Option<OneOf<Compression>>")]
    pub(in crate::file) compression: Option<Text>,
    /// How many brokers hold each topic that is created, from 1 to 99. Default: what the brokers say
    /// (`default.replication.factor`).
    #[schemars(with = "Option<Replicas>")]
    pub(in crate::file) replication: Option<Text>,
    /// TLS to the brokers: `true` (or an empty mapping) with the authorities that the system trusts, or whom to trust
    /// and who to be. Default: `false`.
    pub(in crate::file) tls: Option<At<TlsChoice>>,
    /// How this program proves to the brokers who it is. Default: not at all, or by the certificate in `tls`.
    pub(in crate::file) sasl: Option<At<RawSasl>>,
    /// User and password for the schema registry. Default: none.
    pub(in crate::file) registry_auth: Option<At<RawRegistryAuth>>,
    /// TLS to the schema registry, beyond what the system trusts: whom to trust and who to be. Default: what the
    /// system trusts.
    pub(in crate::file) registry_tls: Option<At<RawTls>>,
    /// Further properties of the client library, librdkafka, such as `socket.keepalive.enable: true`. Those that the
    /// program sets itself are refused. Default: none.
    pub(in crate::file) properties: Option<At<Properties>>,
    /// How long a call waits for the brokers or the registry before it counts as failed, from 1s to 10m.
    /// Default: `15s`.
    pub(in crate::file) timeout: Option<Text>,
}

/// Whom to trust and who to be, as PEM files. Paths are relative to the group file.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(in crate::file) struct RawTls {
    /// File with the certificates of the authorities to trust. Default: those that the system trusts.
    pub(in crate::file) ca: Option<Text>,
    /// File with this program's own certificate, and those between it and its authority. Default: none.
    pub(in crate::file) certificate: Option<Text>,
    /// File with the private key of the certificate. Default: none.
    pub(in crate::file) key: Option<Text>,
    /// Password of the private key, best as `${NAME}` or `file:/path`. Default: none.
    #[schemars(with = "Option<String>")]
    pub(in crate::file) key_password: Option<At<Hidden>>,
}

/// How this program proves to the brokers who it is.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(in crate::file) struct RawSasl {
    /// `plain`, `scram-sha-256` and `scram-sha-512` take `user` and `password`; `oauthbearer` takes `token_url`,
    /// `client_id` and `client_secret`, and `scope` and `ca` where needed.
    #[schemars(required, with = "Option<OneOf<Mechanism>>")]
    pub(in crate::file) mechanism: Option<Text>,
    /// The user. Default: none.
    pub(in crate::file) user: Option<Text>,
    /// The user's password, best as `${NAME}` or `file:/path`. Default: none.
    #[schemars(with = "Option<String>")]
    pub(in crate::file) password: Option<At<Hidden>>,
    /// Where the OAuth 2 server gives tokens, as `https://host/path`. Default: none.
    pub(in crate::file) token_url: Option<Text>,
    /// The client that tokens are asked for. Default: none.
    pub(in crate::file) client_id: Option<Text>,
    /// The client's secret, best as `${NAME}` or `file:/path`. Default: none.
    #[schemars(with = "Option<String>")]
    pub(in crate::file) client_secret: Option<At<Hidden>>,
    /// What tokens are asked for. Default: what the server gives.
    pub(in crate::file) scope: Option<Text>,
    /// File with the certificates of the authorities to trust in the OAuth 2 server. Default: those that the system
    /// trusts.
    pub(in crate::file) ca: Option<Text>,
}

/// User and password for the schema registry.
#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(in crate::file) struct RawRegistryAuth {
    /// The user.
    #[schemars(required)]
    pub(in crate::file) user: Option<Text>,
    /// The password, best as `${NAME}` or `file:/path`.
    #[schemars(required, with = "Option<String>")]
    pub(in crate::file) password: Option<At<Hidden>>,
}

/// One text, or a list of texts. A single one has no place of its own: it is that of the whole.
pub(in crate::file) enum OneOrMany {
    One(String),
    Many(Vec<Text>),
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrList;

        impl<'de> Visitor<'de> for TextOrList {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a list of texts")
            }

            fn visit_str<E>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany::One(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMany, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = seq.next_element()? {
                    texts.push(text);
                }
                Ok(OneOrMany::Many(texts))
            }
        }

        deserializer.deserialize_any(TextOrList)
    }
}

impl JsonSchema for OneOrMany {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "OneOrMany".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "string" },
                { "type": "array", "items": { "type": "string" }, "minItems": 1 },
            ],
        })
    }
}

/// `true`, `false`, or a mapping.
pub(in crate::file) enum TlsChoice {
    Word(String),
    Settings(Box<RawTls>),
}

impl<'de> Deserialize<'de> for TlsChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordOrMapping;

        impl<'de> Visitor<'de> for WordOrMapping {
            type Value = TlsChoice;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false or a mapping")
            }

            fn visit_bool<E>(self, on: bool) -> Result<TlsChoice, E> {
                Ok(TlsChoice::Word(on.to_string()))
            }

            fn visit_str<E>(self, text: &str) -> Result<TlsChoice, E> {
                Ok(TlsChoice::Word(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TlsChoice, A::Error> {
                RawTls::deserialize(MapAccessDeserializer::new(map)).map(Box::new).map(TlsChoice::Settings)
            }
        }

        deserializer.deserialize_any(WordOrMapping)
    }
}

impl JsonSchema for TlsChoice {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "TlsChoice".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let settings = generator.subschema_for::<RawTls>();
        json_schema!({ "anyOf": [{ "type": "boolean" }, settings] })
    }
}

/// Properties of the client library, in the order of the file.
pub(in crate::file) struct Properties(pub(in crate::file) Vec<(Text, Text)>);

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::Entries::deserialize(deserializer).map(|entries| Self(entries.0))
    }
}

impl JsonSchema for Properties {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Properties".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "propertyNames": { "pattern": "^[a-z0-9._]+$" },
            "additionalProperties": { "type": ["string", "number", "boolean"] },
        })
    }
}

/// Stands in the schema for a number of replicas.
struct Replicas;

impl JsonSchema for Replicas {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Replicas".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 1, "maximum": 99 })
    }
}
