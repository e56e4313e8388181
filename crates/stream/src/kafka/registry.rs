//! The schema registry: schemas by id, ids by schema, and what its refusals mean.
//!
//! Answers are remembered, since a schema never changes under its id; so a registry that is down is noticed only by
//! who needs something new. A connection is made for each question: questions are rare, and the workers' runtimes,
//! which connections would depend on, come and go.

use super::settings::{KafkaSettings, RegistrySettings, TlsSettings};
use crate::{Error, Result, SchemaId};
use schema_registry_converter::async_impl::schema_registry::{SrSettings, perform_sr_call, post_schema};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{SchemaType, SrCall, SuppliedSchema};
use secrecy::ExposeSecret;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a refusal is asked about again before it is believed.
const CONFLICTS: usize = 3;
const CONFLICT_PAUSE: Duration = Duration::from_millis(100);
const SERVICE: &str = "the schema registry";

/// Speaks to the registry.
pub(super) struct Registry {
    settings: Arc<KafkaSettings>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    ids: HashMap<(String, String), SchemaId>,
    schemas: HashMap<SchemaId, String>,
}

impl Registry {
    pub(super) fn new(settings: &Arc<KafkaSettings>) -> Self {
        Self { settings: Arc::clone(settings), known: Mutex::default() }
    }

    fn of(&self) -> &RegistrySettings {
        &self.settings.registry
    }

    fn address(&self) -> String {
        self.of().addresses()
    }

    fn client(&self) -> Result<SrSettings> {
        let mut urls = self.of().urls.iter().map(|url| url.trim_end_matches('/').to_owned());
        let mut builder = SrSettings::new_builder(urls.next().unwrap_or_default());
        for url in urls {
            builder.add_url(url);
        }
        if let Some((user, password)) = &self.of().basic {
            builder.set_basic_authorization(user, Some(password.expose_secret()));
        }
        builder.set_timeout(PATIENCE.min(self.settings.timeout));
        let http = tls(reqwest::Client::builder().use_native_tls(), &self.of().tls)?;
        builder.build_with(http).map_err(|error| self.failed("set up its client", &error))
    }

    pub(super) async fn register(&self, subject: &str, schema: &str) -> Result<SchemaId> {
        if serde_json::from_str::<serde_json::Value>(schema).is_err() {
            return Err(Error::InvalidSchema { subject: subject.to_owned() });
        }
        let key = (subject.to_owned(), schema.to_owned());
        if let Some(id) = self.known.lock().unwrap_or_else(PoisonError::into_inner).ids.get(&key) {
            return Ok(*id);
        }
        let client = self.client()?;
        let supplied = SuppliedSchema::new(None, SchemaType::Avro, schema.to_owned());
        let mut posted = post_schema(&client, subject.to_owned(), supplied.clone()).await;
        for _ in 0..CONFLICTS {
            // Some registries also answer so when another process registers the same subject at this moment.
            if posted.as_ref().err().and_then(status) != Some(409) {
                break;
            }
            tokio::time::sleep(CONFLICT_PAUSE).await;
            posted = post_schema(&client, subject.to_owned(), supplied.clone()).await;
        }
        let registered = match posted {
            Ok(registered) => registered,
            Err(error) if status(&error) == Some(409) => {
                return Err(self.incompatible(&client, subject, schema, &error).await);
            }
            Err(error) => return Err(self.failed(&format!("register the schema of {subject}"), &error)),
        };
        let id = SchemaId(registered.id);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.ids.insert(key, id);
        known.schemas.insert(id, schema.to_owned());
        Ok(id)
    }

    pub(super) async fn schema(&self, id: SchemaId) -> Result<String> {
        if let Some(schema) = self.known.lock().unwrap_or_else(PoisonError::into_inner).schemas.get(&id) {
            return Ok(schema.clone());
        }
        let answer = perform_sr_call(&self.client()?, SrCall::GetById(id.0)).await;
        match answer {
            Ok(found) => {
                let schema = found.schema.unwrap_or_default();
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                known.schemas.insert(id, schema.clone());
                Ok(schema)
            }
            Err(error) if status(&error) == Some(404) => Err(Error::UnknownSchema { id: id.0 }),
            Err(error) => Err(self.failed(&format!("give schema {}", id.0), &error)),
        }
    }

    /// Says which columns are in the way, which not every registry does.
    async fn incompatible(
        &self,
        client: &SrSettings,
        subject: &str,
        schema: &str,
        refused: &SRCError,
    ) -> Error {
        let latest = perform_sr_call(client, SrCall::GetLatest(subject)).await;
        let difference = match latest.ok().and_then(|latest| latest.schema) {
            Some(latest) => super::difference::describe(&latest, schema),
            None => "the registered schema cannot be read".to_owned(),
        };
        Error::Incompatible { subject: subject.to_owned(), difference, reason: words(refused) }
    }

    fn failed(&self, action: &str, error: &SRCError) -> Error {
        let (address, reason) = (self.address(), words(error));
        match status(error) {
            Some(401) => Error::Credentials { service: SERVICE, address, reason },
            Some(403) => Error::Denied { service: SERVICE, action: action.to_owned(), reason },
            Some(code) => Error::Registry {
                address,
                action: action.to_owned(),
                reason,
                passes: code >= 500 || code == 429,
            },
            None if is_about_trust(&reason) => Error::Tls { service: SERVICE, address, reason },
            None => Error::Unavailable { service: SERVICE, address, reason },
        }
    }
}

/// The library tells the status in its text alone.
fn status(error: &SRCError) -> Option<u16> {
    let (_, after) = error.error.split_once("failed with status ")?;
    after.get(..3)?.parse().ok()
}

fn words(error: &SRCError) -> String {
    match &error.cause {
        Some(cause) => format!("{}: {cause}", error.error),
        None => error.error.clone(),
    }
}

fn is_about_trust(reason: &str) -> bool {
    let reason = reason.to_lowercase();
    ["certificate", "ssl", "tls"].iter().any(|word| reason.contains(word))
}

fn tls(mut client: reqwest::ClientBuilder, settings: &TlsSettings) -> Result<reqwest::ClientBuilder> {
    let refused = |reason: String| Error::ClientSettings { reason };
    let read = |path: &Path| {
        std::fs::read(path).map_err(|source| Error::File { path: path.to_owned(), action: "read", source })
    };
    if let Some(ca) = &settings.ca {
        let trusted = reqwest::Certificate::from_pem_bundle(&read(ca)?);
        let trusted =
            trusted.map_err(|error| refused(format!("{} holds no certificates: {error}", ca.display())))?;
        for certificate in trusted {
            client = client.add_root_certificate(certificate);
        }
    }
    if let Some(identity) = &settings.identity {
        let (certificate, key) = (read(&identity.certificate)?, read(&identity.key)?);
        let identity = reqwest::Identity::from_pkcs8_pem(&certificate, &key);
        client = client.identity(
            identity.map_err(|error| refused(format!("the registry's client certificate: {error}")))?,
        );
    }
    Ok(client)
}
