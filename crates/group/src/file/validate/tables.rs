//! Tables, and what holds for those that do not say otherwise.

use super::Checker;
use crate::file::problem::{Position, ProblemKind};
use crate::file::raw::{At, Entries, RawColumns, RawDefaults, RawTable, Text};
use crate::file::settings::{BlockedDelete, ColumnChoice, Table};
use std::collections::{BTreeMap, HashMap, HashSet};
use tributary_model::{MemberId, Policy, TableName};
use tributary_settle::DeleteVsUpdate;

const MOST_PARTITIONS: u32 = 1024;

/// What holds for every table that does not say otherwise.
pub(super) struct Defaults {
    conflict: Policy,
    delete_vs_update: DeleteVsUpdate,
    blocked_delete: BlockedDelete,
    partitions: u32,
}

impl Checker<'_> {
    pub(super) fn defaults(&mut self, defaults: Option<&At<RawDefaults>>) -> Defaults {
        let absent = RawDefaults::default();
        let raw = defaults.map_or(&absent, |defaults| &defaults.value);
        Defaults {
            conflict: self.policy(raw.conflict.as_ref()).unwrap_or_default(),
            delete_vs_update: self
                .choice("delete_vs_update", raw.delete_vs_update.as_ref())
                .unwrap_or_default(),
            blocked_delete: self.choice("blocked_delete", raw.blocked_delete.as_ref()).unwrap_or_default(),
            partitions: self.partitions(raw.partitions.as_ref()).unwrap_or(4),
        }
    }

    pub(super) fn tables(
        &mut self,
        tables: Option<&At<Vec<At<RawTable>>>>,
        defaults: &Defaults,
        ids: &[MemberId],
    ) -> Vec<Table> {
        let Some(tables) = self.required("tables", tables, Position { line: 1, column: 1 }) else {
            return Vec::new();
        };
        if tables.value.is_empty() {
            let remedy = "list at least one, such as `- name: Customer`";
            self.problem(ProblemKind::Missing, tables.at, "the group has no tables", remedy);
        }
        let mut out = Vec::with_capacity(tables.value.len());
        let mut seen = Names::default();
        for raw in &tables.value {
            if let Some(table) = self.table(raw, defaults, ids, &mut seen) {
                out.push(table);
            }
        }
        out
    }

    fn table(
        &mut self,
        table: &At<RawTable>,
        defaults: &Defaults,
        ids: &[MemberId],
        seen: &mut Names,
    ) -> Option<Table> {
        let raw = &table.value;
        let name = self
            .required("name", raw.name.as_ref(), table.at)
            .and_then(|text| self.table_name(text).map(|name| (name, text.at)));
        let names = self.names(raw.names.as_ref(), ids);
        let columns = raw.columns.as_ref().map(|columns| self.columns(columns)).unwrap_or_default();
        let conflict = self.policy(raw.conflict.as_ref()).unwrap_or(defaults.conflict);
        let delete_vs_update = self
            .choice("delete_vs_update", raw.delete_vs_update.as_ref())
            .unwrap_or(defaults.delete_vs_update);
        let blocked_delete =
            self.choice("blocked_delete", raw.blocked_delete.as_ref()).unwrap_or(defaults.blocked_delete);
        let partitions = self.partitions(raw.partitions.as_ref()).unwrap_or(defaults.partitions);
        let (name, at) = name?;
        if self.is_new(&name, at, seen) {
            for id in ids {
                let (local, at) = names.get(id).map_or((&name, at), |(local, at)| (local, *at));
                self.is_new_in(id, local, at, seen);
            }
        }
        Some(Table {
            name: TableName::new(name),
            names: names.into_iter().map(|(id, (local, _))| (id, local)).collect(),
            columns,
            conflict,
            delete_vs_update,
            blocked_delete,
            partitions,
        })
    }

    /// Whether the group has no table of this name yet. Case does not tell tables apart: it does not in every member.
    fn is_new(&mut self, name: &str, at: Position, seen: &mut Names) -> bool {
        let Some((other, first)) = seen.in_group.get(&name.to_lowercase()) else {
            seen.in_group.insert(name.to_lowercase(), (name.to_owned(), at));
            return true;
        };
        let line = first.line;
        let what = if other == name {
            format!("the table `{name}` is listed a second time; the first is in line {line}")
        } else {
            format!("the table `{name}` differs only in case from `{other}` in line {line}")
        };
        self.problem(ProblemKind::Doubled, at, what, "remove or rename one of them");
        false
    }

    fn is_new_in(&mut self, member: &MemberId, local: &str, at: Position, seen: &mut Names) {
        let names = seen.in_members.entry(member.clone()).or_default();
        if let Some(first) = names.get(&local.to_lowercase()) {
            let line = first.line;
            let what = format!(
                "the table `{local}` of member `{member}` is used a second time; the first is in line {line}"
            );
            self.problem(ProblemKind::Doubled, at, what, "let every table be one of its own in every member");
        } else {
            names.insert(local.to_lowercase(), at);
        }
    }

    fn table_name(&mut self, text: &Text) -> Option<String> {
        let name = self.text(text)?;
        if name.trim().is_empty() || name.chars().any(char::is_control) {
            let what = "a table's name is empty or has characters that cannot be seen";
            self.problem(ProblemKind::InvalidValue, text.at, what, "write the name as the database shows it");
            return None;
        }
        Some(name)
    }

    fn names(
        &mut self,
        names: Option<&At<Entries<String>>>,
        ids: &[MemberId],
    ) -> BTreeMap<MemberId, (String, Position)> {
        let mut out = BTreeMap::new();
        for (key, text) in names.map(|names| names.value.0.as_slice()).unwrap_or_default() {
            let id = self.known_member("as", key, ids);
            let name = self.table_name(text);
            if let (Some(id), Some(name)) = (id, name) {
                out.insert(id, (name, text.at));
            }
        }
        out
    }

    fn columns(&mut self, columns: &At<RawColumns>) -> ColumnChoice {
        match (&columns.value.include, &columns.value.exclude) {
            (Some(include), None) => ColumnChoice::Include(self.column_names("include", include)),
            (None, Some(exclude)) => ColumnChoice::Exclude(self.column_names("exclude", exclude)),
            (Some(_), Some(_)) => {
                let what = "`columns` has both `include` and `exclude`";
                self.problem(ProblemKind::Contradiction, columns.at, what, "keep one of them");
                ColumnChoice::All
            }
            (None, None) => {
                let what = "`columns` says nothing";
                let remedy = "give `include` or `exclude`, or leave `columns` out for all";
                self.problem(ProblemKind::Missing, columns.at, what, remedy);
                ColumnChoice::All
            }
        }
    }

    fn column_names(&mut self, key: &str, list: &At<Vec<Text>>) -> Vec<String> {
        if list.value.is_empty() {
            let what = format!("`{key}` lists no columns");
            self.problem(
                ProblemKind::Missing,
                list.at,
                what,
                "name at least one, or leave `columns` out for all",
            );
        }
        let mut seen = HashSet::new();
        let mut out = Vec::with_capacity(list.value.len());
        for text in &list.value {
            let Some(name) = self.text(text) else { continue };
            if name.is_empty() {
                let what = format!("`{key}` has an empty name");
                self.problem(ProblemKind::InvalidValue, text.at, what, "name a column");
            } else if seen.insert(name.to_lowercase()) {
                out.push(name);
            } else {
                let what = format!("`{key}` lists the column `{}` twice", text.value);
                self.problem(ProblemKind::Doubled, text.at, what, "remove one of them");
            }
        }
        out
    }

    fn policy(&mut self, text: Option<&Text>) -> Option<Policy> {
        let policy = self.choice("conflict", text)?;
        if let (Policy::MergeColumns, Some(text)) = (policy, text) {
            let what = "`conflict: merge_columns` is not in this build yet";
            let remedy = "use `latest_wins`, `priority` or `manual`, or a later version";
            self.problem(ProblemKind::NotInThisBuild, text.at, what, remedy);
        }
        Some(policy)
    }

    fn partitions(&mut self, text: Option<&Text>) -> Option<u32> {
        let text = text?;
        let number =
            self.text(text)?.trim().parse().ok().filter(|number| (1..=MOST_PARTITIONS).contains(number));
        if number.is_none() {
            let what = format!("`partitions` cannot be `{}`", text.value);
            let remedy = format!("give a whole number from 1 to {MOST_PARTITIONS}");
            self.problem(ProblemKind::InvalidValue, text.at, what, remedy);
        }
        number
    }
}

/// Names that are taken, in small letters.
#[derive(Default)]
struct Names {
    in_group: HashMap<String, (String, Position)>,
    in_members: HashMap<MemberId, HashMap<String, Position>>,
}
