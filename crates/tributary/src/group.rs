//! Opening the group that a command is about.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use tributary_engine::{Engine, EngineError, OpenLog, Opening, Options, connector};
use tributary_group::file::{GroupFile, Member};
use tributary_group::spec::{GroupSpec, read_spec};
use tributary_group::{ActionError, Opened};
use tributary_member::Connector;
use tributary_runtime::SystemClock;
use tributary_stream::Error as LogError;
use tributary_stream::embedded::Access;

/// Reads the group file.
pub(crate) fn load(path: &Path) -> anyhow::Result<GroupFile> {
    Ok(GroupFile::load(path)?)
}

/// Opens a group beside whoever works with it.
pub(crate) async fn open_to_read(path: &Path) -> anyhow::Result<Engine> {
    let options = Options { access: Access::ReadOnly, ..Options::default() };
    Ok(Engine::open(load(path)?, options).await?)
}

/// An engine's group as the operators' actions want it.
pub(crate) fn opened(engine: &Engine) -> Opened<'_> {
    Opened {
        file: &engine.file,
        spec: &engine.spec,
        channels: &engine.channels,
        log: engine.log.as_ref(),
        connectors: &engine.connectors,
    }
}

/// The members of these ids; all when none is given.
pub(crate) fn members<'a>(file: &'a GroupFile, ids: &[String]) -> Result<Vec<&'a Member>, ActionError> {
    for id in ids {
        if !file.members.iter().any(|member| member.id.as_str() == id) {
            let known: Vec<_> = file.members.iter().map(|member| member.id.as_str()).collect();
            return Err(ActionError::UnknownMember { member: id.clone(), known: known.join(", ") });
        }
    }
    let takes = |member: &&Member| ids.is_empty() || ids.iter().any(|id| id == member.id.as_str());
    Ok(file.members.iter().filter(takes).collect())
}

/// What opens the members, without creating or changing their files.
pub(crate) fn connectors(file: &GroupFile) -> Result<Vec<Arc<dyn Connector>>, EngineError> {
    let connectors = file.members.iter().map(|member| connector(file, member, Opening::default()));
    Ok(connectors.collect::<Result<_, _>>()?)
}

/// The tables that the log knows; none when there is no log yet.
pub(crate) async fn known_spec(file: &GroupFile) -> Result<Option<GroupSpec>, EngineError> {
    let log = match OpenLog::open(file, Access::ReadOnly, &SystemClock::shared()).await {
        Ok(log) => log.shared(),
        Err(LogError::Missing { .. } | LogError::UnknownTopic { .. }) => return Ok(None),
        Err(error) => return Err(EngineError::from(error)),
    };
    Ok(read_spec(log.as_ref(), &file.topics().control()).await?)
}

/// Runs a command's work to its end.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
