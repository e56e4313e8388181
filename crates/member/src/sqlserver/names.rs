//! What our objects are called: Data Sync's names, shortened by a hash where they would be too long.

/// The schema of tables for which a binding names none.
pub(crate) const DEFAULT_SCHEMA: &str = "dbo";

/// The schema of our own tables and procedures.
pub(crate) const OUR_SCHEMA: &str = "DataSync";

/// The longest name, in UTF-16 units as the server counts.
const LONGEST: usize = 128;

/// Names of the objects that belong to one table, not yet quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    /// The tracking table, in our schema.
    pub(crate) tracking: String,
    /// Its primary key.
    pub(crate) tracking_key: String,
    /// Its index for polling.
    pub(crate) changes_index: String,
    /// The triggers, in the base table's schema: insert, update, delete.
    pub(crate) triggers: [String; 3],
    /// The procedure that reads changes, in our schema.
    pub(crate) select_changes: String,
    /// The procedure that applies, in our schema.
    pub(crate) apply: String,
}

impl Names {
    /// The names for a table.
    pub(crate) fn of(schema: &str, table: &str) -> Self {
        // In our schema, tables of several schemas meet.
        let label = if schema == DEFAULT_SCHEMA { table.to_owned() } else { format!("{schema}.{table}") };
        let ours = |suffix: &str| shortened(&label, suffix);
        Self {
            tracking: ours("_dss_tracking"),
            tracking_key: ours("_dss_tracking_key"),
            changes_index: ours("_dss_changes"),
            triggers: ["insert", "update", "delete"]
                .map(|event| shortened(table, &format!("_dss_{event}_trigger"))),
            select_changes: ours("_dss_selectchanges"),
            apply: ours("_dss_apply"),
        }
    }
}

/// `label` with `suffix`; its end gives way to a hash of all of it where both together are too long.
pub(super) fn shortened(label: &str, suffix: &str) -> String {
    let whole = format!("{label}{suffix}");
    if units(&whole) <= LONGEST {
        return whole;
    }
    let hash = blake3::hash(label.as_bytes()).to_hex();
    let end = format!("~{}{suffix}", &hash[..16]);
    let mut out = String::new();
    for c in label.chars() {
        if units(&out) + c.len_utf16() + units(&end) > LONGEST {
            break;
        }
        out.push(c);
    }
    out + &end
}

/// The length of a text as the server counts it.
pub(crate) fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_data_syncs() {
        let names = Names::of("dbo", "Order Details");
        assert_eq!(names.tracking, "Order Details_dss_tracking");
        assert_eq!(names.triggers[0], "Order Details_dss_insert_trigger");
        assert_eq!(names.select_changes, "Order Details_dss_selectchanges");
        assert_eq!(names.apply, "Order Details_dss_apply");
        let sales = Names::of("sales", "Order");
        assert_eq!(sales.tracking, "sales.Order_dss_tracking");
        assert_eq!(sales.triggers[2], "Order_dss_delete_trigger", "it lies in its table's own schema");
    }

    #[test]
    fn names_that_are_too_long_stay_unlike() {
        for name in ["n".repeat(128), "😀".repeat(64), format!("{}x", "n".repeat(127))] {
            let names = Names::of("dbo", &name);
            let all = [&names.tracking, &names.changes_index, &names.triggers[1], &names.select_changes];
            for ours in all {
                assert!(units(ours) <= LONGEST, "{ours}");
            }
        }
        let (a, b) = (format!("{}a", "n".repeat(127)), format!("{}b", "n".repeat(127)));
        assert_ne!(Names::of("dbo", &a).tracking, Names::of("dbo", &b).tracking);
        assert!(Names::of("dbo", &a).tracking.ends_with("_dss_tracking"));
    }
}
