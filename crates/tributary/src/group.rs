//! Opening the group that a command is about.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use tributary_engine::{Engine, Options, connector};
use tributary_group::Opened;
use tributary_group::file::{GroupFile, LogSettings};
use tributary_group::spec::{GroupSpec, read_spec};
use tributary_member::Connector;
use tributary_stream::Topics;
use tributary_stream::embedded::{Access, EmbeddedLog};

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

/// What opens the members, without creating or changing their files.
pub(crate) fn connectors(file: &GroupFile) -> Vec<Arc<dyn Connector>> {
    file.members.iter().map(|member| connector(file, member, false, false)).collect()
}

/// The tables that the log knows; none when there is no log yet.
pub(crate) async fn known_spec(file: &GroupFile) -> anyhow::Result<Option<GroupSpec>> {
    let LogSettings::Embedded { path } = &file.log;
    let log = match EmbeddedLog::open(path, Access::ReadOnly) {
        Ok(log) => log,
        Err(tributary_stream::Error::Missing { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let topics = Topics::new(tributary_engine::TOPIC_PREFIX, file.group.as_str());
    Ok(read_spec(&log, &topics.control()).await?)
}

/// Runs a command's work to its end.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
