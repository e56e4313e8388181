//! The position record: how far a member is captured, and the token that proves it has not gone back in time.
//!
//! It is JSON on the `positions` topic under the member's id (plain text), published in the transaction of the page it describes.

use crate::{Scan, TablePosition, Token};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tributary_model::{KeyBytes, TableName};
use uuid::Uuid;

/// A table's position as written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPosition {
    /// The adapter's text for live changes.
    pub live: String,
    /// `pending`, `done`, or the hexadecimal key bytes that the first scan has come to.
    pub scan: String,
}

/// What the positions topic holds for a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionRecord {
    /// Counter of the token.
    pub counter: u64,
    /// Id of the token.
    pub token: Uuid,
    /// Id of the token before.
    pub previous: Option<Uuid>,
    /// The highest version that the member had given.
    pub highest_version: u64,
    /// The number of the incarnation that the positions belong to; 1 is the first. What a later one has is read from
    /// the beginning.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub incarnation: u32,
    /// By table (the group's name).
    pub tables: BTreeMap<String, StoredPosition>,
    /// By table: the id of the last order to capture it again that was carried out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub recaptures: BTreeMap<String, String>,
    /// By table: how often its rows were scanned anew because triggers had been gone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rescans: BTreeMap<String, u32>,
}

fn first() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "that is how serde asks")]
fn is_first(number: &u32) -> bool {
    *number <= 1
}

impl From<&TablePosition> for StoredPosition {
    fn from(position: &TablePosition) -> Self {
        let scan = match &position.scan {
            Scan::Pending => "pending".to_owned(),
            Scan::Done => "done".to_owned(),
            Scan::After(key) => key.as_slice().iter().map(|byte| format!("{byte:02x}")).collect(),
        };
        Self { live: position.live.clone(), scan }
    }
}

impl From<&StoredPosition> for TablePosition {
    fn from(stored: &StoredPosition) -> Self {
        let scan = match stored.scan.as_str() {
            "done" => Scan::Done,
            // What cannot be read as a key begins anew: a scan that is repeated publishes duplicates only.
            text => read_hex(text).map_or(Scan::Pending, |bytes| Scan::After(KeyBytes::new(bytes))),
        };
        Self { live: stored.live.clone(), scan }
    }
}

fn read_hex(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

impl PositionRecord {
    /// Reads what [`PositionRecord::to_json`] wrote.
    ///
    /// # Errors
    /// When it is something else.
    pub fn from_json(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// The record's value on the positions topic.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a record of numbers and texts can always be written as JSON")
    }

    /// A table's position; the beginning when none is stored.
    pub fn table(&self, table: &TableName) -> TablePosition {
        self.tables.get(table.as_str()).map(TablePosition::from).unwrap_or_default()
    }
}

/// Whether a member's token is the one of its last published page, or that one's direct successor.
pub fn token_follows(member: Option<&Token>, log: Option<&PositionRecord>) -> bool {
    match (member, log) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some(token), None) => token.previous.is_none(),
        (Some(token), Some(record)) => token.id == record.token || token.previous == Some(record.token),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(counter: u64, id: u128, previous: Option<u128>) -> Token {
        let previous = previous.map(Uuid::from_u128);
        Token { counter, id: Uuid::from_u128(id), previous, position: String::new(), highest_version: 0 }
    }

    fn record(id: u128) -> PositionRecord {
        let token = Uuid::from_u128(id);
        PositionRecord {
            counter: 1,
            token,
            previous: None,
            highest_version: 0,
            incarnation: 1,
            tables: BTreeMap::new(),
            recaptures: BTreeMap::new(),
            rescans: BTreeMap::new(),
        }
    }

    #[test]
    fn only_the_published_token_and_its_successor_are_accepted() {
        assert!(token_follows(None, None));
        assert!(token_follows(Some(&token(1, 7, None)), None), "crashed before its first publish");
        assert!(!token_follows(Some(&token(5, 7, Some(6))), None), "the log lost its positions");
        assert!(!token_follows(None, Some(&record(7))), "restored to before provisioning");
        assert!(token_follows(Some(&token(2, 7, Some(6))), Some(&record(7))));
        assert!(token_follows(Some(&token(3, 8, Some(7))), Some(&record(7))), "crashed before the publish");
        assert!(!token_follows(Some(&token(1, 6, None)), Some(&record(7))), "restored");
    }

    #[test]
    fn records_of_before_there_were_orders_read_back() {
        let old = format!(
            r#"{{"counter":1,"token":"{}","previous":null,"highest_version":0,"tables":{{}}}}"#,
            Uuid::from_u128(7)
        );
        let read = PositionRecord::from_json(old.as_bytes()).unwrap();
        assert_eq!(read, record(7));
        assert_eq!(read.to_json(), old.as_bytes());
    }

    #[test]
    fn the_number_of_a_later_incarnation_reads_back() {
        let later = PositionRecord { incarnation: 3, ..record(7) };
        assert_eq!(PositionRecord::from_json(&later.to_json()).unwrap(), later);
    }

    #[test]
    fn positions_read_back() {
        for scan in [Scan::Pending, Scan::Done, Scan::After(KeyBytes::new([0, 255, 16]))] {
            let position = TablePosition { live: "12".into(), scan };
            assert_eq!(TablePosition::from(&StoredPosition::from(&position)), position);
        }
        let odd = StoredPosition { live: String::new(), scan: "zz".into() };
        assert_eq!(TablePosition::from(&odd).scan, Scan::Pending);
    }
}
