//! Which log this is: a record on the control topic, made once.
//!
//! Members remember the log that they have applied from. The id is not the cluster's, since topics can be deleted and
//! made anew within a cluster, and since a log that was moved here keeps the id that its members know; the cluster's
//! id stands beside it, since offsets mean nothing in another.

use super::{KafkaLog, Shared};
use crate::{Error, Log, LogId, Result, read_latest, single};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

const KEY: &[u8] = b"log";

/// The record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) id: Uuid,
    cluster: String,
    /// Another log is being copied here, and not all of it has come yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) incomplete: bool,
}

/// Reads the identity, and makes one where there is none and this process may write. Two processes that do so at the
/// same time fence each other, and the later one finds what the earlier one wrote.
pub(super) async fn read_or_make(shared: &Arc<Shared>) -> Result<LogId> {
    let control = &shared.settings.control.name;
    if shared.settings.writes {
        shared.admin.ensure(std::slice::from_ref(&shared.settings.control)).await?;
    }
    let made = if shared.settings.writes { Some(LogId(Uuid::new_v4())) } else { None };
    let identity = match read(shared).await? {
        Some(identity) => identity,
        None => match made {
            Some(id) => write(shared, id, false, |found| found.is_none()).await?,
            None => return Err(Error::UnknownTopic { topic: control.clone() }),
        },
    };
    if identity.incomplete {
        Err(Error::Incomplete { control: control.clone() })
    } else {
        Ok(LogId(identity.id))
    }
}

/// The identity as it stands.
pub(super) async fn read(shared: &Arc<Shared>) -> Result<Option<Identity>> {
    let control = &shared.settings.control.name;
    let log = KafkaLog { shared: Arc::clone(shared) };
    let found = read_latest(&log, control).await?.into_iter().find(|(key, _)| key == KEY);
    let Some((_, value)) = found else { return Ok(None) };
    let identity: Identity = serde_json::from_slice(&value)
        .map_err(|source| Error::Identity { control: control.clone(), source })?;
    if identity.cluster == shared.cluster {
        Ok(Some(identity))
    } else {
        let (stored, found) = (identity.cluster, shared.cluster.clone());
        Err(Error::OtherCluster { control: control.clone(), stored, found })
    }
}

/// Writes the identity if `wanted` of what stands there, now that nobody else can write; gives what stands there then.
pub(super) async fn write(
    shared: &Arc<Shared>,
    id: LogId,
    incomplete: bool,
    wanted: impl Fn(Option<&Identity>) -> bool,
) -> Result<Identity> {
    let control = &shared.settings.control.name;
    let log = KafkaLog { shared: Arc::clone(shared) };
    let mut producer = log.producer(&format!("{control}.identity")).await?;
    let found = read(shared).await?;
    if let Some(found) = found.as_ref().filter(|found| !wanted(Some(*found))) {
        return Ok(found.clone());
    }
    let identity = Identity { id: id.0, cluster: shared.cluster.clone(), incomplete };
    let value = serde_json::to_vec(&identity).expect("an id and a text can be written as JSON");
    producer.begin().await?;
    producer.send(vec![single(control.clone(), KEY.to_vec(), Some(value))]).await?;
    producer.commit().await?;
    Ok(identity)
}
