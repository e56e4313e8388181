//! What a table looked like when it was provisioned, and what is another by now.
//!
//! Decides whether a table's columns and key are those that its triggers and tracking were made for, and what a message
//! says of the first difference. It neither reads the database nor stores the description; that, and whether the
//! triggers themselves still stand, is the adapters'. What the description says is stored in databases as JSON.

use serde::{Deserialize, Serialize};
use tributary_model::TableSchema;

/// What a table looked like when it was provisioned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProvisionedColumns {
    /// Name and declared type of every synced column, in the group's order.
    pub(crate) columns: Vec<(String, String)>,
    /// The key's columns, in key order.
    pub(crate) key: Vec<String>,
    /// How often its rows were ordered to be scanned anew, since triggers were gone.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) scans: u32,
    /// The refill of columns that it has gained, while there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refill: Option<RefillState>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// How far the refill of gained columns is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RefillState {
    /// The columns, by their names in the group.
    pub(crate) columns: Vec<String>,
    /// What apply has stored last.
    pub(crate) progress: String,
}

/// In what databases differ here.
#[derive(Debug)]
pub(crate) struct Manner {
    /// Whether two names are one column's.
    pub(crate) same_name: fn(&str, &str) -> bool,
    /// How messages give a declared type.
    pub(crate) spelt: fn(&str) -> String,
    /// Whether triggers pass over changes of a table whose key has another type than theirs.
    pub(crate) misses_other_keys: bool,
}

impl Manner {
    fn find<'a>(&self, columns: &'a [(String, String)], name: &str) -> Option<&'a str> {
        let found = columns.iter().find(|(column, _)| (self.same_name)(column, name));
        found.map(|(_, declared)| declared.as_str())
    }
}

impl ProvisionedColumns {
    /// Columns and key by name, and how the catalog declares each column, if it has it.
    pub(crate) fn of<'a>(
        columns: impl Iterator<Item = &'a String>,
        key: impl Iterator<Item = &'a String>,
        declared: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let columns = columns.map(|name| (name.clone(), declared(name).unwrap_or_default()));
        Self { columns: columns.collect(), key: key.cloned().collect(), scans: 0, refill: None }
    }

    /// Whether the key's columns and their declared types are those of another description, so that tracking rows still
    /// name the same cells.
    pub(crate) fn has_key_of(&self, other: &Self, manner: &Manner) -> bool {
        let declared = |columns, name: &str| manner.find(columns, name);
        self.key == other.key
            && self.key.iter().all(|name| declared(&self.columns, name) == declared(&other.columns, name))
    }

    /// Takes over how often it was scanned; `lost` orders another scan.
    pub(crate) fn scanned(mut self, before: &Self, lost: bool) -> Self {
        self.scans = before.scans + u32::from(lost);
        self
    }

    /// Takes over the refill of an earlier description and adds the columns that it did not have; `synced` are the
    /// columns of this one by the member's and the group's names. A member that takes nothing is not refilled.
    pub(crate) fn refilled<'a>(
        mut self,
        before: &Self,
        manner: &Manner,
        takes: bool,
        synced: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let synced: Vec<_> = synced.collect();
        let mut refill = before.refill.clone().unwrap_or_default();
        let is_here = |group: &String| synced.iter().any(|(_, other)| other == group);
        refill.columns.retain(is_here);
        for (local, group) in &synced {
            let gained = manner.find(&before.columns, local).is_none();
            if gained && !refill.columns.iter().any(|known| known == group) {
                refill.columns.push((*group).to_owned());
                // Rows that were filled already lack this one.
                refill.progress.clear();
            }
        }
        self.refill = Some(refill).filter(|refill| takes && !refill.columns.is_empty());
        self
    }

    /// What is another now than it was; `None` if nothing is.
    pub(crate) fn difference(&self, now: &Self, manner: &Manner) -> Option<String> {
        if self.columns == now.columns && self.key == now.key {
            return None;
        }
        if self.key != now.key {
            return Some(format!(
                "its key was ({}) when it was provisioned and is ({}) now; change it back, or add the table to the \
                 group anew",
                self.key.join(", "),
                now.key.join(", ")
            ));
        }
        for (name, declared) in &now.columns {
            let Some(old) = manner.find(&self.columns, name) else {
                return Some(format!("column {name:?} is not provisioned yet; run `provision`"));
            };
            if old == declared {
                continue;
            }
            let (old, declared) = ((manner.spelt)(old), (manner.spelt)(declared));
            return Some(if manner.misses_other_keys && self.key.contains(name) {
                format!(
                    "key column {name:?} was declared as {old} when it was provisioned and is {declared} now, so \
                     changes were not captured; change it back and run `provision` and `verify`, or add the table to \
                     the group anew"
                )
            } else {
                format!(
                    "column {name:?} was declared as {old} when it was provisioned and is {declared} now; change it \
                     back, or run `provision`"
                )
            });
        }
        let gone = self.columns.iter().find(|(name, _)| manner.find(&now.columns, name).is_none());
        Some(match gone {
            Some((name, _)) => format!(
                "column {name:?} was there when it was provisioned and is not now; add it again, or run `provision` to do \
                 without it"
            ),
            None => {
                "its synchronised columns are others than when it was provisioned; run `provision`".to_owned()
            }
        })
    }

    /// The columns that a refill fills, by position among the bound ones; `bound` finds those by their position in the
    /// group's table.
    pub(crate) fn gained(&self, schema: &TableSchema, bound: impl Fn(usize) -> Option<usize>) -> Vec<usize> {
        let names = self.refill.iter().flat_map(|refill| &refill.columns);
        names.filter_map(|name| bound(schema.position(name)?)).collect()
    }
}

/// Whether a default's text gives every row the same: it calls nothing, outside of its literals, but conversions.
pub(crate) fn is_constant(default: &str) -> bool {
    // A literal is one letter, which is no name's and no number's.
    let outside: String = default
        .split('\'')
        .enumerate()
        .flat_map(|(at, part)| [if at % 2 == 0 { part } else { "" }, "'"])
        .collect::<String>()
        .to_ascii_lowercase();
    // The name before a bracket, if there is one, and whether it is one of a schema.
    let (mut name, mut qualified, mut ended) = (String::new(), false, false);
    for (at, letter) in outside.char_indices() {
        match letter {
            '(' if !name.is_empty() && (qualified || !is_conversion(&name, &outside[at + 1..])) => {
                return false;
            }
            '"' | ']' => {}
            _ if letter.is_whitespace() => ended = true,
            _ if letter.is_alphanumeric() || letter == '_' => {
                if std::mem::take(&mut ended) {
                    (name, qualified) = (String::new(), false);
                }
                name.push(letter);
            }
            _ => {
                name.clear();
                (qualified, ended) = (letter == '.' || (letter == '[' && qualified), false);
            }
        }
    }
    let names = ["current_", "localtime", "session_user", "system_user", "user", "next value for", "@@"];
    !names.iter().any(|name| outside.contains(name))
}

/// Whether a name before a bracket only converts: it says so, or is a type with its length. What has the name of a type and
/// something else in its brackets is a function.
fn is_conversion(name: &str, behind: &str) -> bool {
    let length = |text: &str| {
        text == "max" || text.chars().all(|letter| letter.is_ascii_digit() || matches!(letter, ',' | ' '))
    };
    match name {
        "cast" | "convert" => true,
        _ => TYPES.contains(&name) && behind.split_once(')').is_some_and(|(inside, _)| length(inside)),
    }
}

/// Types that have a length.
const TYPES: [&str; 13] = [
    "char",
    "varchar",
    "nchar",
    "nvarchar",
    "binary",
    "varbinary",
    "decimal",
    "numeric",
    "time",
    "timestamp",
    "datetime2",
    "datetimeoffset",
    "bit",
];

#[cfg(test)]
mod tests {
    use super::*;

    const EXACT: Manner = Manner {
        same_name: |a, b| a == b,
        spelt: |declared| format!("{declared:?}"),
        misses_other_keys: true,
    };
    const LOOSE: Manner = Manner {
        same_name: |a, b| a.eq_ignore_ascii_case(b),
        spelt: |declared| declared.to_owned(),
        misses_other_keys: false,
    };

    fn described(columns: &[(&str, &str)], key: &[&str]) -> ProvisionedColumns {
        ProvisionedColumns {
            columns: columns.iter().map(|(name, declared)| ((*name).into(), (*declared).into())).collect(),
            key: key.iter().map(|name| (*name).to_owned()).collect(),
            scans: 0,
            refill: None,
        }
    }

    #[test]
    fn the_first_difference_is_told() {
        let before = described(&[("id", "int"), ("name", "text")], &["id"]);
        assert_eq!(before.difference(&before.clone(), &EXACT), None);
        for (columns, key, manner, wanted) in [
            (vec![("id", "int"), ("name", "text")], vec!["name"], &EXACT, "its key was (id)"),
            (vec![("id", "int"), ("more", "text")], vec!["id"], &EXACT, "column \"more\" is not provisioned"),
            (vec![("id", "int"), ("name", "char")], vec!["id"], &EXACT, "was declared as \"text\" when"),
            (vec![("id", "int"), ("name", "char")], vec!["id"], &LOOSE, "was declared as text when"),
            (vec![("id", "long"), ("name", "text")], vec!["id"], &EXACT, "key column \"id\" was declared"),
            (vec![("id", "long"), ("name", "text")], vec!["id"], &LOOSE, "column \"id\" was declared"),
            (vec![("id", "int")], vec!["id"], &EXACT, "column \"name\" was there when"),
            (
                vec![("name", "text"), ("id", "int")],
                vec!["id"],
                &EXACT,
                "its synchronised columns are others",
            ),
            (vec![("id", "int"), ("Name", "text")], vec!["id"], &EXACT, "column \"Name\" is not provisioned"),
            (
                vec![("id", "int"), ("Name", "text")],
                vec!["id"],
                &LOOSE,
                "its synchronised columns are others",
            ),
        ] {
            let reason = before.difference(&described(&columns, &key), manner).unwrap();
            assert!(reason.contains(wanted), "{reason}");
        }
    }

    #[test]
    fn cells_are_told_by_the_key_and_its_types() {
        let before = described(&[("id", "int"), ("name", "text")], &["id"]);
        let same =
            |columns: &[(&str, &str)], key: &[&str]| before.has_key_of(&described(columns, key), &EXACT);
        assert!(same(&[("id", "int")], &["id"]));
        assert!(!same(&[("id", "long"), ("name", "text")], &["id"]));
        assert!(!same(&[("id", "int"), ("name", "text")], &["name"]));
        assert!(!same(&[("id", "int"), ("name", "text")], &["id", "name"]));
    }

    #[test]
    fn gained_columns_are_refilled_once() {
        let before = described(&[("id", "int"), ("name", "text")], &["id"]);
        let now = || described(&[("id", "int"), ("name", "text"), ("note", "text")], &["id"]);
        let synced = || [("id", "Id"), ("name", "Name"), ("note", "Note")].into_iter();
        let grown = now().refilled(&before, &EXACT, true, synced());
        let refill = grown.refill.clone().unwrap();
        assert_eq!((refill.columns, refill.progress.as_str()), (vec!["Note".to_owned()], ""));
        assert_eq!(now().refilled(&before, &EXACT, false, synced()).refill, None, "it takes nothing");
        let mut under_way = grown;
        under_way.refill.as_mut().unwrap().progress = "half".to_owned();
        assert_eq!(now().refilled(&under_way, &EXACT, true, synced()), under_way, "it goes on");
        let fewer = described(&[("id", "int"), ("name", "text")], &["id"]);
        assert_eq!(fewer.refilled(&under_way, &EXACT, true, synced().take(2)).refill, None);
        under_way.columns.remove(1);
        let more = now().refilled(&under_way, &EXACT, true, synced()).refill.unwrap();
        assert_eq!((more.columns.len(), more.progress.as_str()), (2, ""), "another column begins anew");
    }

    #[test]
    fn constants_are_told_from_what_changes() {
        for constant in [
            "5",
            "'x (y)'",
            "('now()')",
            "((5))",
            "(-1.5)",
            "'it''s(x)'::text",
            "N'a'",
            "NULL",
            "'{}'::jsonb",
            "CAST('2020-01-01' AS date)",
            "(CONVERT([decimal](10, 2),(1.5)))",
            "'a'::character varying",
            "CAST(('it''s') AS nvarchar (4))",
            "(CONVERT([varbinary](max),'x'))",
        ] {
            assert!(is_constant(constant), "{constant}");
        }
        for other in [
            "now()",
            "(getdate())",
            "CURRENT_TIMESTAMP",
            "nextval('s'::regclass)",
            "current_user",
            "(random () * 2)",
            "(CONVERT([date],getdate()))",
            "(time('now'))",
            "(CAST(time('now') AS text))",
            "([dbo].[cast](5))",
            "(NEXT VALUE FOR [dbo].[numbers])",
            "(@@spid)",
        ] {
            assert!(!is_constant(other), "{other}");
        }
    }

    #[test]
    fn what_is_stored_is_read_again() {
        let json = r#"{"columns":[["id","int"]],"key":["id"]}"#;
        let described = described(&[("id", "int")], &["id"]);
        assert_eq!(serde_json::to_string(&described).unwrap(), json);
        assert_eq!(serde_json::from_str::<ProvisionedColumns>(json).unwrap(), described);
    }
}
