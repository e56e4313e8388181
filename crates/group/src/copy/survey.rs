//! What there is to copy: the group's topics, how much they hold, which schemas their records name.

use super::reader::Reader;
use std::collections::BTreeSet;
use tributary_codec::split_frame;
use tributary_stream::{Log, OffsetRange, Result, TopicName, TopicPartition, TopicSettings, Topics};

/// How many records are read between two words about it.
const TOLD_EVERY: u64 = 10_000;

/// How a topic is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Every record to its own offset, which members remember.
    Exact,
    /// One record behind the other, in their order.
    InOrder,
    /// What is last under each key, but for what each log says of itself.
    Control,
}

/// A topic of the log that is copied.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// As it is there.
    pub(super) settings: TopicSettings,
    /// What it is called in the copy.
    pub(super) target: TopicName,
    pub(super) way: Way,
    /// Under which subjects of the copy's registry its schemas are, where its records carry schema ids.
    pub(super) subjects: Option<Subjects>,
    /// By partition.
    pub(super) ranges: Vec<OffsetRange>,
    pub(super) records: u64,
    /// The ids that keys and values carry.
    pub(super) key_ids: BTreeSet<u32>,
    pub(super) value_ids: BTreeSet<u32>,
}

/// Where a topic's schemas are registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subjects {
    /// Where the key's schema is registered under the id that records carry.
    pub(super) key: String,
    /// Where else it is registered.
    pub(super) key_too: Option<String>,
    /// Where the value's schema is registered.
    pub(super) value: String,
}

/// Finds the topics of a group, with their names in the copy; reads all of them once. Topics of tables that have left
/// the group are among them.
pub(super) async fn survey(
    log: &dyn Log,
    from: &Topics,
    to: &Topics,
    mut read: impl FnMut(&TopicName, u64),
) -> Result<Vec<Source>> {
    let mut found = Vec::new();
    for settings in log.topics().await? {
        let Some(mut source) = classified(settings, from, to) else { continue };
        read(&source.settings.name, 0);
        source.ranges = log.offsets(&source.settings.name).await?;
        for (partition, range) in (0..).zip(&source.ranges) {
            let at = TopicPartition::new(source.settings.name.clone(), partition);
            let mut reader = Reader::open(log, &at, range.start, range.end).await?;
            while let Some(record) = reader.next().await? {
                source.records += 1;
                if source.subjects.is_some() {
                    source.key_ids.extend(split_frame(&record.key).ok().map(|(id, _)| id));
                    let value = record.value.as_deref();
                    source.value_ids.extend(value.and_then(|v| split_frame(v).ok()).map(|(id, _)| id));
                }
                if source.records.is_multiple_of(TOLD_EVERY) {
                    read(&source.settings.name, TOLD_EVERY);
                }
            }
        }
        found.push(source);
    }
    Ok(found)
}

/// What a topic is by its name; `None` for one that is not the group's.
fn classified(settings: TopicSettings, from: &Topics, to: &Topics) -> Option<Source> {
    let (control, other) = (from.control(), to.control());
    let base = |control: &TopicName| control.as_str().trim_end_matches("control").to_owned();
    let (base, new_base) = (base(&control), base(&other));
    let rest = settings.name.as_str().strip_prefix(&base)?.to_owned();
    let target = TopicName::new(format!("{new_base}{rest}"));
    let (kind, table) =
        rest.split_once('.').map_or((rest.as_str(), None), |(kind, table)| (kind, Some(table)));
    let subjects = |key: String, key_too: Option<String>| {
        Some(Subjects { key: format!("{key}-key"), key_too, value: format!("{target}-value") })
    };
    let (way, subjects) = match (kind, table) {
        ("control", None) => (Way::Control, None),
        // The resolver passes the keys of changes on as they are.
        ("resolved", Some(table)) => {
            (Way::Exact, subjects(format!("{new_base}changes.{table}"), Some(format!("{target}-key"))))
        }
        ("changes", Some(table)) => (Way::InOrder, subjects(format!("{new_base}changes.{table}"), None)),
        ("conflicts" | "exceptions", None) => (Way::InOrder, subjects(target.to_string(), None)),
        _ => (Way::InOrder, None),
    };
    Some(Source {
        settings,
        target,
        way,
        subjects,
        ranges: Vec::new(),
        records: 0,
        key_ids: BTreeSet::new(),
        value_ids: BTreeSet::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_stream::Cleanup;

    fn of(name: &str) -> Option<Source> {
        let settings = TopicSettings {
            name: TopicName::new(name),
            partitions: 1,
            cleanup: Cleanup::Keep,
            max_record_bytes: 1,
        };
        classified(settings, &Topics::new("tributary", "retail"), &Topics::new("corp.sync", "retail"))
    }

    #[test]
    fn topics_are_told_by_their_names() {
        let resolved = of("tributary.retail.resolved.Order_x0020_Lines").unwrap();
        assert_eq!(resolved.target.as_str(), "corp.sync.retail.resolved.Order_x0020_Lines");
        assert_eq!(resolved.way, Way::Exact);
        let subjects = resolved.subjects.unwrap();
        assert_eq!(subjects.key, "corp.sync.retail.changes.Order_x0020_Lines-key");
        assert_eq!(subjects.key_too.as_deref(), Some("corp.sync.retail.resolved.Order_x0020_Lines-key"));
        assert_eq!(subjects.value, "corp.sync.retail.resolved.Order_x0020_Lines-value");
        let changes = of("tributary.retail.changes.control").unwrap();
        assert_eq!((changes.way, changes.subjects.unwrap().key_too), (Way::InOrder, None));
        let conflicts = of("tributary.retail.conflicts").unwrap();
        assert_eq!(conflicts.subjects.unwrap().key, "corp.sync.retail.conflicts-key");
        let exceptions = of("tributary.retail.exceptions").unwrap();
        assert_eq!(exceptions.subjects.unwrap().key, "corp.sync.retail.exceptions-key");
        for (name, way) in
            [("tributary.retail.control", Way::Control), ("tributary.retail.positions", Way::InOrder)]
        {
            let source = of(name).unwrap();
            assert_eq!((source.way, source.subjects), (way, None), "{name}");
        }
        assert!(of("tributary.other.control").is_none() && of("tributary.retailer.control").is_none());
    }
}
