//! Backlogs: rows that were written before the workers start, and how long it takes until all members have them.

use super::load::{keys as in_order, shuffled};
use super::measured::{Counts, Run, run};
use super::{DEADLINE, Group, KeyOrder, Options, Workload, system};
use anyhow::{Result, ensure};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use tributary_engine::Roles;
use tributary_group::progress::Progress;

/// What a backlog took.
#[derive(Debug, Serialize)]
pub(super) struct Backlog {
    /// Which.
    pub(super) workload: &'static str,
    /// Rows in the table before.
    pub(super) rows_before: u64,
    /// Changes carried.
    pub(super) changes: u64,
    /// All roles at once.
    pub(super) end_to_end: Run,
    /// Bytes on disk at the end, by file.
    pub(super) file_bytes: BTreeMap<String, u64>,
    /// One role after another, on a second backlog of the same size.
    pub(super) stages: BTreeMap<&'static str, Run>,
}

/// Measures one workload in `folder`.
pub(super) fn measure(
    options: &Options,
    workload: Workload,
    folder: &Path,
    say: &mut dyn FnMut(String) -> Result<()>,
) -> Result<Backlog> {
    let mut source = Source::new(options, workload, folder)?;
    say(format!("writing {} changes", source.changes))?;
    let group = source.next(None)?;
    let changes = source.changes;
    let goal = Counts { captured: changes, resolved: changes, applied: changes * options.members as u64 };
    say("carrying them, all roles at once".to_owned())?;
    let process = group.open()?;
    let end_to_end = run(&process, &Roles::all(), goal, changes, DEADLINE)?;
    process.wait_until("the group to come to rest", DEADLINE, Progress::is_drained)?;
    let exactly = Counts::read(&process.engine.metrics);
    ensure!(exactly == goal, "carried {exactly:?}, and should have carried {goal:?}");
    group.check_equal(&process)?;
    let relative = |path: &Path| path.strip_prefix(&group.folder).unwrap_or(path).display().to_string();
    let files = system::files(&group.folder)?;
    let file_bytes = files.iter().map(|(path, (size, _))| (relative(path), *size)).collect();
    process.stop()?;
    let mut stages = BTreeMap::new();
    if options.stages {
        say(format!("writing {changes} changes, to be carried one role after another"))?;
        let group = source.next(Some(group))?;
        let none = Roles { capture: false, resolver: false, apply: false, ..Roles::all() };
        for (name, roles, goal) in [
            (
                "1 capture",
                Roles { capture: true, ..none.clone() },
                Counts { captured: changes, ..Counts::default() },
            ),
            (
                "2 resolver",
                Roles { resolver: true, ..none.clone() },
                Counts { resolved: changes, ..Counts::default() },
            ),
            ("3 apply", Roles { apply: true, ..none }, Counts { applied: goal.applied, ..Counts::default() }),
        ] {
            let process = group.open()?;
            stages.insert(name, run(&process, &roles, goal, changes, DEADLINE)?);
            if name == "3 apply" {
                process.wait_until("the group to come to rest", DEADLINE, Progress::is_drained)?;
                group.check_equal(&process)?;
            }
            process.stop()?;
        }
    }
    let rows_before = source.rows_before();
    Ok(Backlog { workload: workload.as_str(), rows_before, changes, end_to_end, file_bytes, stages })
}

/// Makes one backlog after another.
struct Source<'a> {
    options: &'a Options,
    workload: Workload,
    folder: &'a Path,
    changes: u64,
    made: u64,
}

impl<'a> Source<'a> {
    fn new(options: &'a Options, workload: Workload, folder: &'a Path) -> Result<Self> {
        let changes = match workload {
            Workload::Update | Workload::Mixed => options.changes(),
            _ => options.rows,
        };
        Ok(Self { options, workload, folder, changes, made: 0 })
    }

    fn rows_before(&self) -> u64 {
        if self.has_base() { self.options.rows } else { 0 }
    }

    /// Whether the changes are made to rows that all members have already.
    fn has_base(&self) -> bool {
        matches!(self.workload, Workload::Update | Workload::Mixed)
    }

    /// A group with a backlog in it: a new one for each, unless it takes long to fill and there is one.
    fn next(&mut self, earlier: Option<Group<'a>>) -> Result<Group<'a>> {
        self.made += 1;
        let members = self.options.members;
        if let Some(group) = earlier.filter(|_| self.has_base()) {
            self.edit(&group)?;
            return Ok(group);
        }
        let group = Group::create(self.options, &self.folder.join(self.made.to_string()), members)?;
        if self.workload != Workload::FirstSync {
            if self.has_base() {
                group.load(0)?.insert(&in_order(1, self.options.rows))?;
            }
            group.drain()?;
        }
        self.edit(&group)?;
        Ok(group)
    }

    /// Writes the changes, each to another row, so that every one of them is published.
    fn edit(&self, group: &Group<'_>) -> Result<()> {
        let rows = self.options.rows;
        let is_insert = self.workload == Workload::Insert;
        let by_default = if is_insert { KeyOrder::Ascending } else { KeyOrder::Random };
        let mut keys = match self.options.key_order.unwrap_or(by_default) {
            // What is there before anything is synchronised lies as the table has it.
            _ if self.workload == Workload::FirstSync => in_order(1, rows),
            KeyOrder::Ascending => in_order(1, rows),
            KeyOrder::Random => shuffled(rows, self.options.seed.wrapping_add(self.made)),
        };
        if !self.has_base() {
            return group.load(0)?.insert(&keys);
        }
        keys.truncate(self.changes as usize);
        if self.workload == Workload::Update {
            return group.load(0)?.update(&keys);
        }
        // Updates, and of the rest half deletes and half inserts of new keys, in all members in turn. The second backlog
        // leaves out what the first one has deleted, wherever it draws it again.
        let new_from = rows + self.made * self.changes;
        let existing = group.load(0)?.existing(&keys)?;
        let others = existing.len() * usize::from(100 - self.options.update_share) / 200;
        let (deletes, rest) = existing.split_at(others);
        let inserts = self.changes - deletes.len() as u64 - (rest.len() - others) as u64;
        let updates = &rest[..rest.len() - others];
        for member in 0..group.members {
            let mut load = group.load(member)?;
            let own = |keys: &[u64]| -> Vec<u64> {
                keys.iter().copied().filter(|key| key % group.members as u64 == member as u64).collect()
            };
            load.delete(&own(deletes))?;
            load.update(&own(updates))?;
            if member == 0 {
                load.insert(&in_order(new_from + 1, new_from + inserts))?;
            }
        }
        Ok(())
    }
}
