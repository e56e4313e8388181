//! Foreign keys of the whole file as apply needs them: who refers to a bound table, whom it refers to, and by which
//! ways a delete would reach a synchronised table.
//!
//! They are read from the file and not from the group's spec: what SQLite will do is what the file declares. Tables
//! that are not synchronised count too, since cascades run through them.

use super::SqliteMember;
use super::catalog::{self, CatalogForeignKey, CatalogTable};
use super::failure::failed;
use super::quote::identifier;
use super::table::BoundTable;
use crate::Result;
use crate::template::fill;
use std::collections::BTreeSet;
use tributary_model::OnDelete;

/// A table at one end of a foreign key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Place {
    /// One of the bindings, by position.
    Bound(usize),
    /// Another table, by position in [`References::others`].
    Other(usize),
}

/// A table that is not bound.
#[derive(Debug)]
struct Other {
    table: CatalogTable,
    /// Whether it is synchronised all the same, by another worker.
    synced: bool,
}

/// A foreign key.
#[derive(Debug)]
pub(super) struct Reference {
    /// The referring table.
    pub(super) child: Place,
    /// The table referred to.
    pub(super) parent: Place,
    /// The table referred to, as messages name it.
    pub(super) parent_name: String,
    /// The referring columns.
    columns: Vec<String>,
    /// The columns referred to, in the same order.
    referenced: Vec<String>,
    /// What a delete of the row referred to does.
    pub(super) on_delete: OnDelete,
    /// Whether it is checked at commit only.
    pub(super) deferred: bool,
    /// By referring column: the column referred to, by place in the parent's key; where they are exactly that key.
    pub(super) to_key: Option<Vec<usize>>,
    /// The referring columns, by position in the child's `BoundTable::columns`, where all of them are synchronised.
    pub(super) from: Option<Vec<usize>>,
    /// The columns referred to, by position in the parent's `BoundTable::columns`, where all are synchronised.
    pub(super) to: Option<Vec<usize>>,
    /// Whether deleting the row referred to would change rows of a synchronised table by this way.
    pub(super) reaches_synced: bool,
    /// The rows that refer to the values in the parameters: key or identity first, then the values for the ways on.
    pub(super) rows: String,
    /// How many of the columns of `rows` tell the row.
    pub(super) identity: usize,
    /// The ways on from a referring row that the delete takes along, each with its number of columns.
    pub(super) onward: Vec<(usize, usize)>,
    /// Reads the values referred to of the parent's row whose key is in the parameters; bound parents only.
    pub(super) values: String,
    /// Whether the child's row whose key is in the parameters refers to none; bound children only.
    pub(super) missing: String,
    /// Whether a row with the values in the parameters is there to be referred to.
    pub(super) exists: String,
}

/// All foreign keys of the file.
#[derive(Debug, Default)]
pub(super) struct References {
    all: Vec<Reference>,
    others: Vec<Other>,
    /// By bound table: the numbers of those that refer to it.
    to: Vec<Vec<usize>>,
    /// By bound table: the numbers of its own.
    from: Vec<Vec<usize>>,
}

impl References {
    /// Reads the foreign keys of a file whose bound tables have been looked at.
    pub(super) fn read(member: &SqliteMember) -> Result<Self> {
        let mut reader = Reader { member, synced: synced_tables(member)?, references: Self::default() };
        for name in referring_tables(member)? {
            let child = reader.place(&name)?;
            let Some(child) = child else { continue };
            let keys = reader.catalog(child).map(|table| table.foreign_keys.clone()).unwrap_or_default();
            for key in &keys {
                reader.add(child, key)?;
            }
        }
        let Reader { mut references, .. } = reader;
        references.find_ways();
        references.write_statements(&member.tables);
        let bound = |place: fn(&Reference) -> Place| {
            let mut numbers = vec![Vec::new(); member.tables.len()];
            for (number, reference) in references.all.iter().enumerate() {
                if let Place::Bound(table) = place(reference) {
                    numbers[table].push(number);
                }
            }
            numbers
        };
        (references.to, references.from) = (bound(|key| key.parent), bound(|key| key.child));
        Ok(references)
    }

    /// The foreign key of this number.
    pub(super) fn get(&self, number: usize) -> &Reference {
        &self.all[number]
    }

    /// The foreign keys that refer to a bound table.
    pub(super) fn to(&self, table: usize) -> impl Iterator<Item = &Reference> {
        self.to[table].iter().map(|number| &self.all[*number])
    }

    /// The foreign keys of a bound table.
    pub(super) fn from(&self, table: usize) -> impl Iterator<Item = &Reference> {
        self.from[table].iter().map(|number| &self.all[*number])
    }

    /// The foreign keys, by number, by which a delete in a bound table would change rows of a synchronised one.
    pub(super) fn hazards(&self, table: usize) -> Vec<usize> {
        self.to[table].iter().copied().filter(|number| self.all[*number].reaches_synced).collect()
    }

    /// The bound tables that a bound table refers to.
    pub(super) fn parents_of(&self, table: usize) -> impl Iterator<Item = usize> {
        self.from(table).filter_map(|reference| match reference.parent {
            Place::Bound(parent) => Some(parent),
            Place::Other(_) => None,
        })
    }

    /// The bound tables that refer to a bound table.
    pub(super) fn children_of(&self, table: usize) -> impl Iterator<Item = usize> {
        self.to(table).filter_map(|reference| match reference.child {
            Place::Bound(child) => Some(child),
            Place::Other(_) => None,
        })
    }

    /// Whether a table at a foreign key's end is synchronised.
    pub(super) fn is_synced(&self, place: Place) -> bool {
        match place {
            Place::Bound(_) => true,
            Place::Other(other) => self.others[other].synced,
        }
    }

    /// `(child, parent)` of every foreign key between bound tables.
    pub(super) fn between_bound_tables(&self) -> impl Iterator<Item = (usize, usize)> {
        self.all.iter().filter_map(|reference| match (reference.child, reference.parent) {
            (Place::Bound(child), Place::Bound(parent)) => Some((child, parent)),
            _ => None,
        })
    }

    /// Names of the tables that are not synchronised and that a delete in a bound table changes.
    pub(super) fn swept_along(&self, table: usize) -> Vec<&str> {
        let mut open = vec![Place::Bound(table)];
        let mut found = BTreeSet::new();
        while let Some(parent) = open.pop() {
            for reference in self.all.iter().filter(|reference| reference.parent == parent) {
                let Place::Other(child) = reference.child else { continue };
                let touched = reference.on_delete != OnDelete::Refuse && !self.others[child].synced;
                if touched && found.insert(child) && reference.on_delete == OnDelete::Cascade {
                    open.push(reference.child);
                }
            }
        }
        found.into_iter().map(|other| self.others[other].table.name.as_str()).collect()
    }

    /// By which foreign keys a delete reaches a synchronised table: where the child is one, or where its row is
    /// deleted too and others reach one from there.
    fn find_ways(&mut self) {
        let direct = |reference: &Reference| {
            reference.on_delete != OnDelete::Refuse && self.is_synced(reference.child)
        };
        let mut open: Vec<usize> = (0..self.all.len()).filter(|at| direct(&self.all[*at])).collect();
        while let Some(at) = open.pop() {
            if std::mem::replace(&mut self.all[at].reaches_synced, true) {
                continue;
            }
            let parent = self.all[at].parent;
            let leads = |reference: &Reference| {
                reference.on_delete == OnDelete::Cascade
                    && reference.child == parent
                    && !reference.reaches_synced
            };
            open.extend((0..self.all.len()).filter(|at| leads(&self.all[*at])));
        }
        for at in 0..self.all.len() {
            let child = self.all[at].child;
            // The look ends at a synchronised row.
            if self.is_synced(child) {
                continue;
            }
            let onward = |(number, next): (usize, &Reference)| {
                (next.parent == child && next.reaches_synced).then_some((number, next.columns.len()))
            };
            self.all[at].onward = self.all.iter().enumerate().filter_map(onward).collect();
        }
    }
}

/// Tables that have tracking, whoever works on them, in small letters.
fn synced_tables(member: &SqliteMember) -> Result<BTreeSet<String>> {
    let read = || {
        let mut statement =
            member.connection.prepare_cached("SELECT local_table FROM \"DataSync_dss_tables\"")?;
        let names = statement.query_map([], |row| row.get::<_, String>(0))?;
        names.map(|name| name.map(|name| name.to_ascii_lowercase())).collect::<rusqlite::Result<_>>()
    };
    if !catalog::exists(&member.connection, &member.path, "DataSync_dss_tables")? {
        return Ok(BTreeSet::new());
    }
    read().map_err(failed(&member.path, "list the synchronised tables"))
}

/// Tables that have foreign keys.
fn referring_tables(member: &SqliteMember) -> Result<Vec<String>> {
    let read = || {
        let mut statement = member.connection.prepare_cached(
            "SELECT DISTINCT s.name FROM sqlite_schema AS s JOIN pragma_foreign_key_list(s.name) AS f \
             WHERE s.type = 'table' ORDER BY s.name",
        )?;
        let names = statement.query_map([], |row| row.get(0))?;
        names.collect::<rusqlite::Result<_>>()
    };
    read().map_err(failed(&member.path, "list its foreign keys"))
}

struct Reader<'a> {
    member: &'a SqliteMember,
    synced: BTreeSet<String>,
    references: References,
}

impl Reader<'_> {
    /// The table of this name; `None` when it is missing or no table.
    fn place(&mut self, name: &str) -> Result<Option<Place>> {
        let same = |table: &CatalogTable| table.name.eq_ignore_ascii_case(name);
        let bound = self.member.tables.iter().position(|table| table.catalog.as_ref().is_some_and(same));
        if let Some(bound) = bound {
            return Ok(Some(Place::Bound(bound)));
        }
        if let Some(other) = self.references.others.iter().position(|other| same(&other.table)) {
            return Ok(Some(Place::Other(other)));
        }
        let found = catalog::table(&self.member.connection, &self.member.path, name)?;
        let Some(table) = found.filter(|table| table.kind == "table") else { return Ok(None) };
        let synced = self.synced.contains(&table.name.to_ascii_lowercase());
        self.references.others.push(Other { table, synced });
        Ok(Some(Place::Other(self.references.others.len() - 1)))
    }

    fn catalog(&self, place: Place) -> Option<&CatalogTable> {
        match place {
            Place::Bound(bound) => self.member.tables[bound].catalog.as_ref(),
            Place::Other(other) => Some(&self.references.others[other].table),
        }
    }

    /// Takes a foreign key. One whose parent is missing refuses every row, which needs no looking for.
    fn add(&mut self, child: Place, key: &CatalogForeignKey) -> Result<()> {
        let Some(parent) = self.place(&key.references)? else { return Ok(()) };
        let Some(table) = self.catalog(parent) else { return Ok(()) };
        let parent_key: Vec<&str> = table.key.iter().map(|at| table.columns[*at].name.as_str()).collect();
        let referenced: Vec<String> = if key.referenced.is_empty() {
            parent_key.iter().map(|name| (*name).to_owned()).collect()
        } else {
            key.referenced.clone()
        };
        if referenced.len() != key.columns.len() {
            return Ok(());
        }
        let in_key: Option<Vec<usize>> = referenced
            .iter()
            .map(|name| parent_key.iter().position(|column| column.eq_ignore_ascii_case(name)))
            .collect();
        let to_key = in_key.filter(|places| places.len() == parent_key.len());
        let reference = Reference {
            child,
            parent,
            from: self.synced_columns(child, &key.columns),
            to: self.synced_columns(parent, &referenced),
            parent_name: table.name.clone(),
            columns: key.columns.clone(),
            referenced,
            on_delete: action(&key.on_delete),
            deferred: key.deferred,
            to_key,
            reaches_synced: false,
            rows: String::new(),
            identity: 0,
            onward: Vec::new(),
            values: String::new(),
            missing: String::new(),
            exists: String::new(),
        };
        self.references.all.push(reference);
        Ok(())
    }

    fn synced_columns(&self, place: Place, names: &[String]) -> Option<Vec<usize>> {
        let Place::Bound(bound) = place else { return None };
        let columns = &self.member.tables[bound].columns;
        let position =
            |name: &String| columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
        names.iter().map(position).collect()
    }
}

fn action(name: &str) -> OnDelete {
    match name.to_ascii_uppercase().as_str() {
        "CASCADE" => OnDelete::Cascade,
        "SET NULL" => OnDelete::SetNull,
        "SET DEFAULT" => OnDelete::SetDefault,
        _ => OnDelete::Refuse,
    }
}

impl References {
    fn catalog<'a>(&'a self, tables: &'a [BoundTable], place: Place) -> Option<&'a CatalogTable> {
        match place {
            Place::Bound(bound) => tables[bound].catalog.as_ref(),
            Place::Other(other) => Some(&self.others[other].table),
        }
    }

    fn write_statements(&mut self, tables: &[BoundTable]) {
        for at in 0..self.all.len() {
            let Some(statements) = self.statements(tables, at) else { continue };
            let reference = &mut self.all[at];
            (reference.rows, reference.identity) = (statements.rows, statements.identity);
            reference.values = statements.values;
            reference.missing = statements.missing;
            reference.exists = statements.exists;
        }
    }

    fn statements(&self, tables: &[BoundTable], at: usize) -> Option<Statements> {
        let reference = &self.all[at];
        let child = self.catalog(tables, reference.child)?;
        let parent = self.catalog(tables, reference.parent)?;
        let (child_name, parent_name) = (identifier(&child.name), identifier(&parent.name));
        let sided = |side: &str, names: &[String]| {
            let parts: Vec<String> =
                names.iter().map(|name| format!("{side}.{}", identifier(name))).collect();
            parts.join(", ")
        };
        let joined = |part: &dyn Fn(usize, &str, &str) -> String| {
            let pairs = reference.columns.iter().zip(&reference.referenced).enumerate();
            let parts: Vec<String> = pairs.map(|(at, (from, to))| part(at + 1, from, to)).collect();
            parts.join(" AND ")
        };
        let identity = match reference.child {
            Place::Bound(bound) => tables[bound].key_columns().map(|column| column.name.clone()).collect(),
            Place::Other(_) => identity(child),
        };
        let mut onward = String::new();
        for (next, _) in &reference.onward {
            onward.push_str(", ");
            onward.push_str(&sided("c", &self.all[*next].referenced));
        }
        // A reference compares with the collation of the column referred to; where that is the child's own, its
        // index can be used.
        let refers = joined(&|number, from, to| {
            let collation = |table: &CatalogTable, name| {
                table.position(name).map(|at| table.columns[at].collation.clone())
            };
            match (collation(child, from), collation(parent, to)) {
                (ours, Some(theirs)) if ours.as_deref() != Some(theirs.as_str()) => {
                    format!("c.{} COLLATE {} = ?{number}", identifier(from), identifier(&theirs))
                }
                _ => format!("c.{} = ?{number}", identifier(from)),
            }
        });
        let rows = fill(
            include_str!("sql/reference_rows.sql"),
            &[
                ("identity", &sided("c", &identity)),
                ("onward", &onward),
                ("child", &child_name),
                ("same", &refers),
            ],
        );
        let values = match reference.parent {
            Place::Bound(bound) => fill(
                include_str!("sql/reference_values.sql"),
                &[
                    ("referenced", &sided("b", &reference.referenced)),
                    ("parent", &parent_name),
                    ("base_match", &tables[bound].base_is_parameters()),
                ],
            ),
            Place::Other(_) => String::new(),
        };
        let missing = match reference.child {
            Place::Bound(bound) => fill(
                include_str!("sql/reference_missing.sql"),
                &[
                    ("base", &child_name),
                    ("base_match", &tables[bound].base_is_parameters()),
                    ("set", &joined(&|_, from, _| format!("b.{} IS NOT NULL", identifier(from)))),
                    ("parent", &parent_name),
                    (
                        "same",
                        &joined(&|_, from, to| format!("p.{} = b.{}", identifier(to), identifier(from))),
                    ),
                ],
            ),
            Place::Other(_) => String::new(),
        };
        let exists = fill(
            include_str!("sql/reference_exists.sql"),
            &[
                ("parent", &parent_name),
                ("same", &joined(&|number, _, to| format!("p.{} = ?{number}", identifier(to)))),
            ],
        );
        Some(Statements { rows, identity: identity.len(), values, missing, exists })
    }
}

struct Statements {
    rows: String,
    identity: usize,
    values: String,
    missing: String,
    exists: String,
}

/// What tells the rows of a table apart: the rowid, the key, or all columns.
fn identity(table: &CatalogTable) -> Vec<String> {
    if let Some(rowid) = table.rowid_name() {
        return vec![rowid.to_owned()];
    }
    let name = |at: &usize| table.columns[*at].name.clone();
    if table.key.is_empty() {
        table.columns.iter().map(|column| column.name.clone()).collect()
    } else {
        table.key.iter().map(name).collect()
    }
}
