//! Orders to capture a table again, on the control topic under `recapture/<table>`.
//!
//! The resolver gives one when changes were deleted before it had read them; every capture worker of the group
//! carries it out once. What must be shared is its form, and that it has an id.

use crate::{Outgoing, TopicName, single};
use serde_json::{Value, json};
use tributary_model::TableName;
use uuid::Uuid;

const PREFIX: &str = "recapture/";

/// Offsets `[from, to)` of a partition of a `changes` topic, gone before they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LostRange {
    /// The partition.
    pub partition: u32,
    /// The next offset that would have been read.
    pub from: u64,
    /// The first offset that is still there.
    pub to: u64,
}

/// That every member publishes its changes of a table again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecaptureOrder {
    /// The table.
    pub table: TableName,
    /// Tells this order from others of the same table.
    pub id: String,
}

impl RecaptureOrder {
    /// A new order.
    pub fn new(table: TableName) -> Self {
        Self { table, id: Uuid::new_v4().to_string() }
    }

    /// The record for the control topic; `lost` is for people who want to know why.
    pub fn record(&self, control: TopicName, lost: &[LostRange]) -> Outgoing {
        let lost: Vec<Value> = lost
            .iter()
            .map(|range| json!({ "partition": range.partition, "from": range.from, "to": range.to }))
            .collect();
        let value = json!({ "id": self.id, "lost": lost }).to_string().into_bytes();
        single(control, format!("{PREFIX}{}", self.table).into_bytes(), Some(value))
    }

    /// The order that a record of the control topic is, if it is one. One that a newer program has written in
    /// another way is an order all the same: carrying it out costs duplicates, passing it over would lose changes.
    pub fn read(key: &[u8], value: &[u8]) -> Option<Self> {
        let table = std::str::from_utf8(key.strip_prefix(PREFIX.as_bytes())?).ok()?;
        let read: Option<Value> = serde_json::from_slice(value).ok();
        let id = read.as_ref().and_then(|order| order["id"].as_str()).map(str::to_owned);
        let id = id.unwrap_or_else(|| blake3::hash(value).to_hex()[..32].to_owned());
        Some(Self { table: TableName::new(table), id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_read_back_whatever_the_table_is_called() {
        for name in ["Customer", "a/b", "größe"] {
            let order = RecaptureOrder::new(TableName::new(name));
            let lost = [LostRange { partition: 3, from: 7, to: 19 }];
            let record = order.record(TopicName::new("control"), &lost);
            let value = record.value.unwrap();
            assert_eq!(RecaptureOrder::read(&record.key, &value), Some(order));
            assert!(String::from_utf8(value).unwrap().contains(r#"{"from":7,"partition":3,"to":19}"#));
        }
    }

    #[test]
    fn what_is_no_order_is_none_and_what_is_a_strange_one_has_an_id() {
        assert_eq!(RecaptureOrder::read(b"spec", b"{}"), None);
        let strange = RecaptureOrder::read(b"recapture/t", b"by hand").unwrap();
        assert_eq!(strange.id.len(), 32);
        assert_eq!(RecaptureOrder::read(b"recapture/t", b"by hand"), Some(strange.clone()));
        assert_ne!(RecaptureOrder::read(b"recapture/t", b"once more").unwrap().id, strange.id);
    }
}
