//! Who works for a group, in all processes on all machines.
//!
//! Told by Kafka's consumer groups: the resolvers share one, and the capture workers of each member have one, in
//! which one publishes and the others stand by. An apply worker joins no group, so nobody can tell whether it is
//! there; what it does shows in how far its member is. A process that was killed is counted until Kafka misses it,
//! some seconds later. With the embedded log there is one process at most, which holds the log's lock file.

use crate::file::{Direction, GroupFile, LogSettings};
use crate::opened::Opened;
use serde::Serialize;
use tributary_stream::Log;

/// The workers of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LiveWorkers {
    /// `resolver` or `capture`.
    pub role: &'static str,
    /// Whose; none for the resolver.
    pub member: Option<String>,
    /// How many there are, in all processes.
    pub workers: usize,
}

/// Who works for the group; `None` when the log cannot tell, since one process has it to itself.
///
/// # Errors
/// When the log cannot be asked.
pub async fn live_workers(group: &Opened<'_>) -> Result<Option<Vec<LiveWorkers>>, tributary_stream::Error> {
    if matches!(group.file.log, LogSettings::Embedded { .. }) {
        return Ok(None);
    }
    let mut live = vec![LiveWorkers {
        role: "resolver",
        member: None,
        workers: resolvers(group.file, group.log).await?,
    }];
    for member in group.file.members.iter().filter(|member| member.direction != Direction::Subscribe) {
        let id = member.id.as_str();
        let workers = group.log.group_size(&group.channels.topics.capture_group(id)).await?;
        live.push(LiveWorkers { role: "capture", member: Some(id.to_owned()), workers });
    }
    Ok(Some(live))
}

/// How many resolvers work for the group.
///
/// # Errors
/// When the log cannot be asked.
pub async fn resolvers(file: &GroupFile, log: &dyn Log) -> Result<usize, tributary_stream::Error> {
    log.group_size(&file.topics().resolver_group()).await
}
