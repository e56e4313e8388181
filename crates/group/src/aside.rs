//! Records of the group's topics that a worker could not use: listed, shown, struck off the list.
//!
//! They stand on the exceptions topic, whichever member's worker or resolver met them. What members themselves refused
//! is in [`crate::exceptions`].

use crate::opened::{ActionError, Opened, by_prefix};
use crate::view::time_text;
use serde::{Serialize, Serializer};
use std::fmt::Write as _;
use tributary_codec::ExceptionCodec;
use tributary_model::{ExceptionRecord, MemberId, TableName};
use tributary_stream::{Outgoing, Topics, read_latest, single};

/// A record that was left aside, for showing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AsideView {
    /// Names it among all exceptions of the group.
    pub id: String,
    /// The worker that met it: `resolver` or `apply`.
    pub met_by: &'static str,
    /// The member whose worker it was.
    pub member: Option<MemberId>,
    /// The table whose topic it stands in.
    #[serde(serialize_with = "as_text")]
    pub table: TableName,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: u64,
    /// `foreign`: another program wrote it. `unreadable`: it bears this program's marks.
    pub kind: &'static str,
    /// The stable code of what is wrong with it.
    pub code: String,
    /// What is wrong with it.
    pub message: String,
    /// When it was met.
    pub met_at: String,
    /// Its key, or the beginning of it: as text where it is text, else as `0x…`.
    pub key: String,
    /// Its value, likewise; `None` for a null record.
    pub value: Option<String>,
    /// How many bytes key and value have together.
    pub size: u64,
    /// Its headers, or the first of them.
    pub headers: Vec<(String, String)>,
    /// Its key on the exceptions topic.
    #[serde(skip)]
    listed_under: Vec<u8>,
}

fn as_text<S: Serializer>(name: &TableName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}

/// Which are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AsideFilter {
    /// Met by a worker of this member.
    pub member: Option<MemberId>,
    /// Of this table's topics.
    pub table: Option<TableName>,
}

impl AsideFilter {
    fn takes(&self, view: &AsideView) -> bool {
        self.member.as_ref().is_none_or(|member| view.member.as_ref() == Some(member))
            && self.table.as_ref().is_none_or(|table| *table == view.table)
    }
}

/// Reads what was left aside, the oldest first. What a newer version has written in another way is listed as far as it
/// can be read, which is not at all: it is left out.
///
/// # Errors
/// When the log cannot be read.
pub async fn list_aside(group: &Opened<'_>, filter: &AsideFilter) -> Result<Vec<AsideView>, ActionError> {
    let latest = read_latest(group.log, &group.channels.topics.exceptions()).await?;
    let read = latest.into_iter().filter_map(|(key, value)| match ExceptionCodec::decode(&value) {
        Ok(exception) => Some(view(exception, key)),
        Err(error) => {
            tracing::warn!(%error, "a record of the exceptions topic cannot be read");
            None
        }
    });
    Ok(read.filter(|view| filter.takes(view)).collect())
}

/// How many were left aside.
///
/// # Errors
/// When the log cannot be read.
pub async fn count_aside(group: &Opened<'_>) -> Result<u64, ActionError> {
    Ok(read_latest(group.log, &group.channels.topics.exceptions()).await?.len() as u64)
}

/// The one whose id begins so.
///
/// # Errors
/// When there is none, or more than one.
pub fn find_aside<'a>(all: &'a [AsideView], id: &str) -> Result<&'a AsideView, ActionError> {
    by_prefix("exception", "tributary exceptions list", id, all, |found| found.id.clone())
}

/// What strikes one off the list. The record itself stays where it is.
pub fn discard(topics: &Topics, aside: &AsideView) -> Outgoing {
    single(topics.exceptions(), aside.listed_under.clone(), None)
}

fn view(exception: ExceptionRecord, listed_under: Vec<u8>) -> AsideView {
    let hash = blake3::hash(exception.id().as_str().as_bytes());
    AsideView {
        id: hash.to_hex()[..12].to_owned(),
        met_by: exception.met_by.as_str(),
        member: exception.met_by.member().cloned(),
        kind: exception.kind.as_str(),
        met_at: time_text(exception.met_at),
        key: shown(&exception.key),
        value: exception.value.as_deref().map(shown),
        size: exception.size,
        headers: exception.headers.into_iter().map(|(name, value)| (name, shown(&value))).collect(),
        table: exception.table,
        topic: exception.topic,
        partition: exception.partition,
        offset: exception.offset,
        code: exception.code,
        message: exception.message,
        listed_under,
    }
}

/// Bytes as text where they are such, else as `0x…`.
fn shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(|c| c.is_control() && !c.is_whitespace()) => text.to_owned(),
        _ => bytes.iter().fold("0x".to_owned(), |mut text, byte| {
            // Writing to a text never fails.
            let _ = write!(text, "{byte:02x}");
            text
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_what_they_are() {
        assert_eq!(shown(b"{\"id\":7}\n"), "{\"id\":7}\n");
        assert_eq!(shown(&[0, 0, 1]), "0x000001");
        assert_eq!(shown(&[0xff]), "0xff");
        assert_eq!(shown(b""), "");
    }
}
