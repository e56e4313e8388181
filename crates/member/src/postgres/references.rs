//! Foreign keys of the whole database as apply needs them: who refers to a bound table, whom it refers to, and by
//! which ways a delete would reach a synchronised table.
//!
//! They are read from the database and not from the group's spec: what the server will do is what is declared there.
//! Tables that are not synchronised count too, since cascades run through them.

use super::PostgresMember;
use super::catalog::{self, CatalogForeignKey, CatalogTable};
use super::quote::{identifier, qualified};
use super::table::{BoundColumn, BoundTable};
use crate::Result;
use crate::template::fill;
use std::collections::{BTreeSet, HashSet};
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
    /// Its name.
    pub(super) constraint: String,
    /// The referring table.
    pub(super) child: Place,
    /// The referring table, as messages name it.
    pub(super) child_name: String,
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
    /// Whether an update of the columns referred to changes the referring ones.
    writes_on_update: bool,
    /// Whether it is checked at the end of the transaction.
    pub(super) deferred: bool,
    /// By referring column: the column referred to, by place in the parent's key; where they are exactly that key.
    pub(super) to_key: Option<Vec<usize>>,
    /// The referring columns, by position in the child's `BoundTable::columns`, where all of them are synchronised.
    pub(super) from: Option<Vec<usize>>,
    /// The columns referred to, by position in the parent's `BoundTable::columns`, where all are synchronised.
    pub(super) to: Option<Vec<usize>>,
    /// Whether deleting the row referred to would change rows of a synchronised table by this way.
    pub(super) reaches_synced: bool,
    /// The rows that refer to the values in the parameters: place, key or identity, the values for the ways on.
    pub(super) rows: String,
    /// How many of the columns of `rows` after the place tell the row.
    pub(super) identity: usize,
    /// The ways on from a referring row that the delete takes along, each with its number of columns.
    pub(super) onward: Vec<(usize, usize)>,
    /// Reads the values referred to of the parent's rows whose keys are in the parameters; bound parents only.
    pub(super) values: String,
    /// Which of the values in the parameters, as the child has them, refer to no row; bound children only.
    pub(super) missing: String,
}

impl Reference {
    /// How many columns it has.
    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }
}

/// All foreign keys from and to the bound tables, and those that lead on from there.
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
    /// Reads the foreign keys of a database whose bound tables have been looked at.
    pub(super) async fn read(member: &PostgresMember, synced: &HashSet<u32>) -> Result<Self> {
        let mut references = Self::default();
        let mut keys: Vec<CatalogForeignKey> = Vec::new();
        let mut known: BTreeSet<u32> = BTreeSet::new();
        let bound = member.tables.iter().filter_map(|table| table.catalog.as_ref());
        let mut open: Vec<u32> = bound.map(|table| table.oid).collect();
        while !open.is_empty() {
            known.extend(&open);
            for key in catalog::foreign_keys(&member.session, &open).await? {
                let same = |other: &CatalogForeignKey| other.table == key.table && other.name == key.name;
                if !keys.iter().any(same) {
                    keys.push(key);
                }
            }
            // What is deleted along may take others along.
            let on = keys.iter().filter(|key| known.contains(&key.references) && !known.contains(&key.table));
            open = on.map(|key| key.table).collect::<BTreeSet<u32>>().into_iter().collect();
        }
        references.others = others(member, &keys, synced).await?;
        for key in &keys {
            references.add(&member.tables, key);
        }
        references.find_ways();
        for at in 0..references.all.len() {
            references.write_statements(&member.tables, at);
        }
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

    /// The numbers of the foreign keys that refer to a bound table.
    pub(super) fn numbers_to(&self, table: usize) -> &[usize] {
        &self.to[table]
    }

    /// The numbers of the foreign keys of a bound table.
    pub(super) fn numbers_from(&self, table: usize) -> &[usize] {
        &self.from[table]
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

    /// Whether a write in a bound table may make the server write rows of other tables.
    pub(super) fn write_along(&self) -> bool {
        self.all.iter().any(|reference| reference.on_delete != OnDelete::Refuse || reference.writes_on_update)
    }

    /// The tables that are not synchronised and that a delete in a bound table changes, by object id.
    pub(super) fn swept_along(&self, table: usize) -> Vec<u32> {
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
        found.into_iter().map(|other| self.others[other].table.oid).collect()
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

    fn place(&self, tables: &[BoundTable], oid: u32) -> Option<Place> {
        let is_it = |table: &CatalogTable| table.oid == oid;
        let bound = tables.iter().position(|table| table.catalog.as_ref().is_some_and(is_it));
        let other = || self.others.iter().position(|other| is_it(&other.table)).map(Place::Other);
        bound.map(Place::Bound).or_else(other)
    }

    fn catalog<'a>(&'a self, tables: &'a [BoundTable], place: Place) -> Option<&'a CatalogTable> {
        match place {
            Place::Bound(bound) => tables[bound].catalog.as_ref(),
            Place::Other(other) => Some(&self.others[other].table),
        }
    }

    fn add(&mut self, tables: &[BoundTable], key: &CatalogForeignKey) {
        let (Some(child), Some(parent)) = (self.place(tables, key.table), self.place(tables, key.references))
        else {
            return;
        };
        let Some(table) = self.catalog(tables, parent) else { return };
        let in_key = key.referenced.iter().map(|name| match parent {
            Place::Bound(bound) => tables[bound].key_columns().position(|column| column.name == *name),
            Place::Other(_) => table.key.iter().position(|at| table.columns[*at].name == *name),
        });
        let in_key: Option<Vec<usize>> = in_key.collect();
        let width = table.key.len();
        let reference = Reference {
            constraint: key.name.clone(),
            child,
            child_name: key.table_name.clone(),
            parent,
            parent_name: key.references_name.clone(),
            from: synced_columns(tables, child, &key.columns),
            to: synced_columns(tables, parent, &key.referenced),
            columns: key.columns.clone(),
            referenced: key.referenced.clone(),
            on_delete: key.on_delete,
            writes_on_update: key.writes_on_update,
            deferred: key.deferred,
            to_key: in_key.filter(|places| places.len() == width),
            reaches_synced: false,
            rows: String::new(),
            identity: 0,
            onward: Vec::new(),
            values: String::new(),
            missing: String::new(),
        };
        self.all.push(reference);
    }

    fn write_statements(&mut self, tables: &[BoundTable], at: usize) {
        let reference = &self.all[at];
        let (Some(child), Some(parent)) =
            (self.catalog(tables, reference.child), self.catalog(tables, reference.parent))
        else {
            return;
        };
        let (child_name, parent_name) = (child.qualified(), parent.qualified());
        let names: Vec<String> = (1..=reference.width()).map(|number| format!("v{number}")).collect();
        // The values referred to, as they are read from the parent and handed to the question after its children.
        let mut types = Vec::new();
        let mut given = Vec::new();
        let mut read = Vec::new();
        for (place, column) in reference.referenced.iter().enumerate() {
            let value = format!("u.v{}", place + 1);
            let base = format!("b.{}", identifier(column));
            match bound_column(tables, reference.parent, column) {
                Some(bound) => {
                    types.push(bound.declared.transport.sql().to_owned());
                    given.push(bound.declared.write(&value));
                    read.push(bound.declared.read(&base));
                }
                None => {
                    let position = parent.position(column).map(|at| &parent.columns[at]);
                    types.push(position.map_or_else(String::new, |column| {
                        qualified(&column.base_schema, &column.base_name)
                    }));
                    given.push(value);
                    read.push(base);
                }
            }
        }
        let arrays = |types: &[String]| -> String {
            let typed = types.iter().enumerate().map(|(at, name)| format!("${}::{name}[]", at + 1));
            typed.collect::<Vec<_>>().join(", ")
        };
        let refers = reference.columns.iter().zip(&given);
        let refers: Vec<String> =
            refers.map(|(column, value)| format!("c.{} = {value}", identifier(column))).collect();
        let identity: Vec<String> = match reference.child {
            Place::Bound(bound) => {
                let read = |column: &BoundColumn| column.declared.read(&format!("c.{}", column.quoted));
                tables[bound].key_columns().map(read).collect()
            }
            Place::Other(_) => vec!["c.tableoid".to_owned(), "c.ctid".to_owned()],
        };
        let mut selected = identity.clone();
        for (next, _) in &reference.onward {
            let columns = self.all[*next].referenced.iter();
            selected.extend(columns.map(|column| format!("c.{}", identifier(column))));
        }
        // Two of them may be called alike.
        let selected: Vec<String> =
            selected.iter().enumerate().map(|(at, c)| format!("{c} AS s{at}")).collect();
        let rows = fill(
            include_str!("sql/reference_rows.sql"),
            &[
                ("arrays", &arrays(&types)),
                ("names", &names.join(", ")),
                ("selected", &selected.join(", ")),
                ("child", &child_name),
                ("same", &refers.join(" AND ")),
                ("most", &format!("${}::int8", reference.width() + 1)),
            ],
        );
        let values = match reference.parent {
            Place::Bound(bound) => fill(
                include_str!("sql/reference_values.sql"),
                &[
                    ("referenced", &read.join(", ")),
                    ("keys", &super::shape::keys(&tables[bound], 1)),
                    ("parent", &parent_name),
                    ("base_match", &super::shape::base_match(&tables[bound])),
                ],
            ),
            Place::Other(_) => String::new(),
        };
        let missing = match (reference.child, &reference.from) {
            (Place::Bound(bound), Some(from)) => {
                let columns = || from.iter().map(|at| &tables[bound].columns[*at]);
                let types: Vec<String> =
                    columns().map(|column| column.declared.transport.sql().to_owned()).collect();
                let same = reference.referenced.iter().zip(columns()).enumerate();
                let same = same.map(|(at, (parent, child))| {
                    format!("p.{} = {}", identifier(parent), child.declared.write(&format!("u.v{}", at + 1)))
                });
                fill(
                    include_str!("sql/reference_missing.sql"),
                    &[
                        ("arrays", &arrays(&types)),
                        ("names", &names.join(", ")),
                        ("parent", &parent_name),
                        ("same", &same.collect::<Vec<_>>().join(" AND ")),
                    ],
                )
            }
            _ => String::new(),
        };
        let reference = &mut self.all[at];
        (reference.rows, reference.identity) = (rows, identity.len());
        (reference.values, reference.missing) = (values, missing);
    }
}

/// The tables at foreign keys' ends that are not bound.
async fn others(
    member: &PostgresMember,
    keys: &[CatalogForeignKey],
    synced: &HashSet<u32>,
) -> Result<Vec<Other>> {
    let bound: BTreeSet<u32> =
        member.tables.iter().filter_map(|table| Some(table.catalog.as_ref()?.oid)).collect();
    let mut names: BTreeSet<(String, String)> = BTreeSet::new();
    for key in keys {
        if !bound.contains(&key.table) {
            names.insert((key.table_schema.clone(), key.table_name.clone()));
        }
        if !bound.contains(&key.references) {
            names.insert((key.references_schema.clone(), key.references_name.clone()));
        }
    }
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<(String, String)> = names.into_iter().collect();
    let tables = catalog::tables(&member.session, Some(&names)).await?;
    Ok(tables.into_iter().map(|table| Other { synced: synced.contains(&table.oid), table }).collect())
}

fn bound_column<'a>(tables: &'a [BoundTable], place: Place, name: &str) -> Option<&'a BoundColumn> {
    match place {
        Place::Bound(bound) => tables[bound].columns.iter().find(|column| column.name == name),
        Place::Other(_) => None,
    }
}

fn synced_columns(tables: &[BoundTable], place: Place, names: &[String]) -> Option<Vec<usize>> {
    let Place::Bound(bound) = place else { return None };
    let columns = &tables[bound].columns;
    names.iter().map(|name| columns.iter().position(|column| column.name == *name)).collect()
}
