//! An opened group as the operators' actions see it, and what can go wrong with them.
//!
//! Holds references only: who opened the group, and whether to write or to read, is not decided here.

use crate::file::GroupFile;
use crate::spec::{Bound, GroupSpec, bind};
use std::sync::Arc;
use tributary_codec::TableCodec;
use tributary_member::{Connector, Member};
use tributary_model::{MemberId, TableName, TableSchema};
use tributary_stream::{Channel, Channels, Log, TopicName};

/// What every action needs.
#[derive(Clone, Copy)]
pub struct Opened<'a> {
    /// The group file.
    pub file: &'a GroupFile,
    /// The group's tables.
    pub spec: &'a GroupSpec,
    /// Its topics.
    pub channels: &'a Channels,
    /// The log.
    pub log: &'a dyn Log,
    /// The members, in the order of the file.
    pub connectors: &'a [Arc<dyn Connector>],
}

/// A member with a connection on which the tables of the spec have their positions.
pub struct OpenMember {
    /// How the tables lie there.
    pub bound: Bound,
    /// The connection.
    pub member: Box<dyn Member>,
}

/// Why an operator's action failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActionError {
    /// The log failed.
    #[error("the log could not be read")]
    Log(#[from] tributary_stream::Error),
    /// A member failed.
    #[error("member {member} could not be asked")]
    Member {
        /// The member.
        member: MemberId,
        /// Its failure.
        #[source]
        source: Box<tributary_member::Error>,
    },
    /// A record cannot be read.
    #[error("{record} of topic {topic} cannot be read")]
    Record {
        /// The topic.
        topic: TopicName,
        /// Which record.
        record: String,
        /// The codec's reason.
        #[source]
        source: Box<tributary_codec::Error>,
    },
    /// No table of the group has this name.
    #[error("the group has no table {table}; it has {known}")]
    UnknownTable {
        /// The name asked for.
        table: String,
        /// The names that there are.
        known: String,
    },
    /// No member of the group has this id.
    #[error("the group has no member {member}; it has {known}")]
    UnknownMember {
        /// The id asked for.
        member: String,
        /// The ids that there are.
        known: String,
    },
    /// Nothing has this id.
    #[error("there is no {what} whose id begins with {id}; `{list}` shows those that there are")]
    NotFound {
        /// "conflict" or "exception".
        what: &'static str,
        /// The id asked for.
        id: String,
        /// The command that lists them.
        list: &'static str,
    },
    /// Several things have an id that begins so.
    #[error("{count} {what}s have an id that begins with {id}; give more of its digits")]
    Ambiguous {
        /// "conflict" or "exception".
        what: &'static str,
        /// The beginning asked for.
        id: String,
        /// How many.
        count: usize,
    },
}

impl ActionError {
    /// The stable code, listed in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Log(source) => source.code(),
            Self::Member { source, .. } => source.code(),
            Self::Record { source, .. } => source.code(),
            Self::UnknownTable { .. } => "GRP-101",
            Self::UnknownMember { .. } => "GRP-102",
            Self::NotFound { .. } => "GRP-103",
            Self::Ambiguous { .. } => "GRP-104",
        }
    }
}

impl<'a> Opened<'a> {
    /// The group's table of this name, compared without case.
    ///
    /// # Errors
    /// [`ActionError::UnknownTable`], naming those that there are.
    pub fn table(&self, name: &str) -> Result<TableName, ActionError> {
        let mut names = self.spec.tables.iter().map(|table| &table.schema.name);
        names.find(|known| known.as_str().eq_ignore_ascii_case(name)).cloned().ok_or_else(|| {
            let known: Vec<_> = self.spec.tables.iter().map(|table| table.schema.name.as_str()).collect();
            ActionError::UnknownTable { table: name.to_owned(), known: known.join(", ") }
        })
    }

    /// The group's member of this id.
    ///
    /// # Errors
    /// [`ActionError::UnknownMember`], naming those that there are.
    pub fn connector(&self, id: &str) -> Result<&'a Arc<dyn Connector>, ActionError> {
        let found = self.connectors.iter().find(|connector| connector.id().as_str() == id);
        found.ok_or_else(|| {
            let known: Vec<_> = self.connectors.iter().map(|connector| connector.id().as_str()).collect();
            ActionError::UnknownMember { member: id.to_owned(), known: known.join(", ") }
        })
    }

    /// Connects to a member, with its tables as they lie there now.
    ///
    /// # Errors
    /// What the member says.
    pub async fn open(&self, connector: &dyn Connector) -> Result<OpenMember, tributary_member::Error> {
        let inspection = connector.connect(&[]).await?.inspect().await?;
        let bound = bind(self.file, self.spec, connector.id(), &inspection);
        let member = connector.connect(&bound.bindings).await?;
        Ok(OpenMember { bound, member })
    }

    /// The channel of a table.
    pub fn channel(&self, table: &str) -> Option<&'a Channel> {
        self.channels.tables.iter().find(|channel| channel.schema.name.as_str() == table)
    }

    /// The codec of a table.
    pub fn codec(&self, table: &str) -> Option<Arc<TableCodec>> {
        self.channel(table).map(|channel| Arc::clone(&channel.codec))
    }

    /// The shape of a table.
    pub fn schema(&self, table: &TableName) -> Option<&'a TableSchema> {
        self.spec.table(table).map(|table| table.schema.as_ref())
    }
}

/// The one of `ids` that begins with `wanted`.
pub(crate) fn by_prefix<T>(
    what: &'static str,
    list: &'static str,
    wanted: &str,
    all: impl IntoIterator<Item = T>,
    id: impl Fn(&T) -> String,
) -> Result<T, ActionError> {
    let wanted = wanted.to_ascii_lowercase();
    let not_found = || ActionError::NotFound { what, id: wanted.clone(), list };
    if wanted.is_empty() {
        return Err(not_found());
    }
    let mut found: Vec<T> = all.into_iter().filter(|item| id(item).starts_with(&wanted)).collect();
    match (found.pop(), found.len()) {
        (None, _) => Err(not_found()),
        (Some(only), 0) => Ok(only),
        (Some(_), others) => Err(ActionError::Ambiguous { what, id: wanted, count: others + 1 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_must_name_one_thing() {
        let find = |wanted: &str| {
            by_prefix("conflict", "list", wanted, ["ab12", "ab34", "cd"], |id| (*id).to_owned())
        };
        assert_eq!(find("AB1").unwrap(), "ab12");
        assert_eq!(find("c").unwrap(), "cd");
        assert_eq!(find("ab").unwrap_err().code(), "GRP-104");
        assert!(find("ab").unwrap_err().to_string().starts_with("2 conflicts"));
        assert_eq!(find("x").unwrap_err().code(), "GRP-103");
        assert_eq!(find("").unwrap_err().code(), "GRP-103");
    }
}
