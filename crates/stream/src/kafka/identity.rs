//! Which log this is: a record on the control topic, made once.
//!
//! Members remember the log that they have applied from. The id is not the cluster's, since topics can be deleted and
//! made anew within a cluster, and since a log that was moved here keeps the id that its members know; the cluster's
//! id stands beside it, since offsets mean nothing in another.

use super::{KafkaLog, Shared};
use crate::{Error, Log, LogId, Outgoing, Result, TopicName, read_latest, single};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

const KEY: &[u8] = b"log";

#[derive(Debug, Serialize, Deserialize)]
struct Identity {
    id: Uuid,
    cluster: String,
}

/// The record that gives a log its identity.
pub(super) fn record(control: &TopicName, id: LogId, cluster: &str) -> Outgoing {
    let identity = Identity { id: id.0, cluster: cluster.to_owned() };
    let value = serde_json::to_vec(&identity).expect("an id and a text can be written as JSON");
    single(control.clone(), KEY.to_vec(), Some(value))
}

/// Reads the identity, and makes one where there is none and this process may write. Two processes that do so at the
/// same time fence each other, and the later one finds what the earlier one wrote.
pub(super) async fn read_or_make(shared: &Arc<Shared>) -> Result<LogId> {
    let control = &shared.settings.control.name;
    let log = KafkaLog { shared: Arc::clone(shared) };
    if shared.settings.writes {
        shared.admin.ensure(std::slice::from_ref(&shared.settings.control)).await?;
    }
    if let Some(id) = read(&log, control, &shared.cluster).await? {
        return Ok(id);
    }
    if !shared.settings.writes {
        return Err(Error::UnknownTopic { topic: control.clone() });
    }
    let mut producer = log.producer(&format!("{control}.identity")).await?;
    if let Some(id) = read(&log, control, &shared.cluster).await? {
        return Ok(id);
    }
    let id = LogId(Uuid::new_v4());
    producer.begin().await?;
    producer.send(vec![record(control, id, &shared.cluster)]).await?;
    producer.commit().await?;
    Ok(id)
}

async fn read(log: &KafkaLog, control: &TopicName, cluster: &str) -> Result<Option<LogId>> {
    let found = read_latest(log, control).await?.into_iter().find(|(key, _)| key == KEY);
    let Some((_, value)) = found else { return Ok(None) };
    let identity: Identity = serde_json::from_slice(&value)
        .map_err(|source| Error::Identity { control: control.clone(), source })?;
    if identity.cluster == cluster {
        Ok(Some(LogId(identity.id)))
    } else {
        let (stored, found) = (identity.cluster, cluster.to_owned());
        Err(Error::OtherCluster { control: control.clone(), stored, found })
    }
}
