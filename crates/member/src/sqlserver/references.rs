//! Foreign keys of the whole database as apply needs them: who refers to a bound table, whom it refers to, and by which
//! ways a delete would reach a synchronised table.
//!
//! They are read from the catalog and not from the group's spec: what the server will do is what the database declares.
//! Tables that are not synchronised count too, since cascades run through them. A foreign key that is switched off does
//! nothing and is passed over.

use super::catalog::{self, CatalogTable, Which, same_name};
use super::cells;
use super::json::{Column, Source};
use super::keys;
use super::quote::{identifier, qualified};
use super::session::Session;
use super::table::BoundTable;
use super::values::Codec;
use crate::template::fill;
use crate::{Error, Result};
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
    /// The referring table.
    pub(super) child: Place,
    /// The table referred to.
    pub(super) parent: Place,
    /// The constraint's name.
    pub(super) name: String,
    /// The table referred to, as messages name it.
    pub(super) parent_name: String,
    /// The referring columns.
    columns: Vec<String>,
    /// The columns referred to, in the same order.
    referenced: Vec<String>,
    /// What a delete of the row referred to does.
    pub(super) on_delete: OnDelete,
    /// By referring column: the column referred to, by place in the parent's key; where they are exactly that key.
    pub(super) to_key: Option<Vec<usize>>,
    /// The same by place in a [`keys::Key`].
    pub(super) to_own_key: Option<Vec<usize>>,
    /// The referring columns, by position in the child's `BoundTable::columns`, where all of them are synchronised.
    pub(super) from: Option<Vec<usize>>,
    /// The columns referred to, by position in the parent's `BoundTable::columns`, where all are synchronised.
    pub(super) to: Option<Vec<usize>>,
    /// How the values of the columns referred to are read and sent.
    pub(super) codecs: Vec<Codec>,
    /// The collations of those columns, of texts.
    collations: Vec<Option<String>>,
    /// Whether deleting the row referred to would change rows of a synchronised table by this way.
    pub(super) reaches_synced: bool,
    /// The rows that refer to the values in the parameter: the key of bound ones, of others the values for the ways on.
    pub(super) rows: String,
    /// The ways on from a referring row that the delete takes along, each with its codecs.
    pub(super) onward: Vec<(usize, Vec<Codec>)>,
    /// Reads the values referred to of the parent's rows whose keys are in the parameter; bound parents only.
    pub(super) values: String,
    /// Which of the values in the parameter refer to no row.
    pub(super) missing: String,
    /// Whether all referring columns take NULL.
    pub(super) may_be_null: bool,
}

/// All foreign keys of the database.
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
    /// Reads the foreign keys of a database whose bound tables have been looked at. `synced` are the tables that have
    /// tracking, whoever works on them, by schema and name.
    pub(super) async fn read(
        session: &mut Session,
        tables: &[BoundTable],
        synced: &HashSet<(String, String)>,
    ) -> Result<Self> {
        let action = "list its foreign keys";
        let sql = fill(include_str!("sql/reference_tables.sql"), &[]);
        let ids = session.query(action, &sql, Vec::new()).await?;
        let ids: std::result::Result<Vec<i64>, String> =
            ids.iter().map(|row| cells::integer(row, 0)).collect();
        let ids = ids.map_err(|reason| Error::Damaged {
            place: session.whose().place.clone(),
            object: "the catalog (sys.*)".to_owned(),
            reason,
        })?;
        let found =
            if ids.is_empty() { Vec::new() } else { catalog::tables(session, Which::Only(&ids)).await? };
        Ok(Self::of(tables, &found, synced))
    }

    /// The foreign keys of these tables, which are all that have any or are referred to.
    pub(super) fn of(
        tables: &[BoundTable],
        found: &[CatalogTable],
        synced: &HashSet<(String, String)>,
    ) -> Self {
        let mut references = Self::default();
        let mut places = Vec::with_capacity(found.len());
        for table in found {
            let is_it =
                |bound: &BoundTable| bound.catalog.as_ref().is_some_and(|catalog| catalog.id == table.id);
            places.push(match tables.iter().position(is_it) {
                Some(bound) => Place::Bound(bound),
                None => {
                    let is_synced = synced.iter().any(|(schema, name)| {
                        same_name(schema, &table.schema) && same_name(name, &table.name)
                    });
                    references.others.push(Other { table: table.clone(), synced: is_synced });
                    Place::Other(references.others.len() - 1)
                }
            });
        }
        for (child, table) in places.iter().zip(found) {
            for key in table.foreign_keys.iter().filter(|key| key.enabled) {
                let parent = found.iter().position(|parent| parent.id == key.references);
                if let Some(parent) = parent {
                    references.add(tables, (*child, table), (places[parent], &found[parent]), key);
                }
            }
        }
        references.find_ways();
        references.write_statements(tables);
        let bound = |place: fn(&Reference) -> Place| {
            let mut numbers = vec![Vec::new(); tables.len()];
            for (number, reference) in references.all.iter().enumerate() {
                if let Place::Bound(table) = place(reference) {
                    numbers[table].push(number);
                }
            }
            numbers
        };
        (references.to, references.from) = (bound(|key| key.parent), bound(|key| key.child));
        references
    }

    fn add(
        &mut self,
        tables: &[BoundTable],
        (child, child_table): (Place, &CatalogTable),
        (parent, parent_table): (Place, &CatalogTable),
        key: &catalog::CatalogForeignKey,
    ) {
        let codecs: Option<Vec<Codec>> =
            key.referenced.iter().map(|name| codec(parent_table, name)).collect();
        // Of a type that no value of ours has; a look at it would tell nothing.
        let Some(codecs) = codecs else { return };
        let nullable =
            |name: &String| child_table.position(name).is_some_and(|at| child_table.columns[at].nullable);
        let to = synced_columns(tables, parent, &key.referenced);
        let in_key = |own: bool| {
            let (Place::Bound(bound), Some(to)) = (parent, &to) else { return None };
            let order = if own { &tables[bound].own_key } else { &tables[bound].key };
            let places: Option<Vec<usize>> =
                to.iter().map(|column| order.iter().position(|at| at == column)).collect();
            places.filter(|places| places.len() == order.len())
        };
        self.all.push(Reference {
            child,
            parent,
            name: key.name.clone(),
            parent_name: parent_table.name.clone(),
            from: synced_columns(tables, child, &key.columns),
            to_key: in_key(false),
            to_own_key: in_key(true),
            to,
            codecs,
            collations: key
                .referenced
                .iter()
                .map(|name| parent_table.columns[parent_table.position(name)?].collation.clone())
                .collect(),
            may_be_null: key.columns.iter().all(nullable),
            columns: key.columns.clone(),
            referenced: key.referenced.clone(),
            on_delete: key.on_delete,
            reaches_synced: false,
            rows: String::new(),
            onward: Vec::new(),
            values: String::new(),
            missing: String::new(),
        });
    }

    /// The foreign key of this number.
    pub(super) fn get(&self, number: usize) -> &Reference {
        &self.all[number]
    }

    /// The numbers of the foreign keys that refer to a bound table.
    pub(super) fn numbers_to(&self, table: usize) -> &[usize] {
        &self.to[table]
    }

    /// The numbers of a bound table's own foreign keys.
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

    /// The tables that are not synchronised and that a delete in a bound table changes.
    pub(super) fn swept_along(&self, table: usize) -> Vec<&CatalogTable> {
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
        found.into_iter().map(|other| &self.others[other].table).collect()
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
                (next.parent == child && next.reaches_synced).then(|| (number, next.codecs.clone()))
            };
            self.all[at].onward = self.all.iter().enumerate().filter_map(onward).collect();
        }
    }

    fn name(&self, tables: &[BoundTable], place: Place) -> String {
        match place {
            Place::Bound(bound) => tables[bound].base.clone(),
            Place::Other(other) => {
                let table = &self.others[other].table;
                qualified(&table.schema, &table.name)
            }
        }
    }

    fn write_statements(&mut self, tables: &[BoundTable]) {
        for at in 0..self.all.len() {
            let reference = &self.all[at];
            let source = reference.source();
            let values = source.sql("u", 1);
            let same = |side: &str, names: &[String]| {
                let pairs = names.iter().enumerate();
                let parts = pairs.map(|(at, name)| format!("{side}.{} = u.[r{at}]", identifier(name)));
                parts.collect::<Vec<_>>().join(" AND ")
            };
            let columns = match reference.child {
                Place::Bound(bound) => keys::selected_columns(&tables[bound], "c"),
                Place::Other(_) => {
                    let onward = reference.onward.iter().flat_map(|(next, codecs)| {
                        let names = self.all[*next].referenced.iter();
                        names
                            .zip(codecs)
                            .map(|(name, codec)| codec.select(&format!("c.{}", identifier(name))))
                    });
                    let onward: Vec<String> = onward.collect();
                    if onward.is_empty() { vec!["1".to_owned()] } else { onward }
                }
            };
            // A derived table's columns need names.
            let columns = columns.iter().enumerate().map(|(at, column)| format!("{column} AS [c{at}]"));
            let columns = columns.collect::<Vec<_>>().join(", ");
            let child = self.name(tables, reference.child);
            let rows = fill(
                include_str!("sql/reference_rows.sql"),
                &[
                    ("values", &values),
                    ("columns", &columns),
                    ("child", &child),
                    ("same", &same("c", &reference.columns)),
                ],
            );
            let parent = self.name(tables, reference.parent);
            let missing = fill(
                include_str!("sql/reference_missing.sql"),
                &[("values", &values), ("parent", &parent), ("same", &same("p", &reference.referenced))],
            );
            let read = match reference.parent {
                Place::Bound(bound) => {
                    let (texts, columns) = keys::columns(&tables[bound]);
                    let referenced = reference.referenced.iter().zip(&reference.codecs);
                    let referenced =
                        referenced.map(|(name, codec)| codec.select(&format!("b.{}", identifier(name))));
                    fill(
                        include_str!("sql/reference_values.sql"),
                        &[
                            ("referenced", &referenced.collect::<Vec<_>>().join(", ")),
                            ("keys", &Source { texts, columns }.sql("u", 1)),
                            ("base", &parent),
                            ("base_match", &keys::base_match(&tables[bound])),
                        ],
                    )
                }
                Place::Other(_) => String::new(),
            };
            let reference = &mut self.all[at];
            (reference.rows, reference.missing, reference.values) = (rows, missing, read);
        }
    }
}

impl Reference {
    /// The derived table of values of the columns referred to.
    fn source(&self) -> Source {
        let mut source = Source::default();
        for (at, (codec, collation)) in self.codecs.iter().zip(&self.collations).enumerate() {
            let convert = |text: &str| keys::typed(codec, text, collation.as_deref());
            source.push(Column::new(&format!("r{at}"), convert));
        }
        source
    }
}

fn synced_columns(tables: &[BoundTable], place: Place, names: &[String]) -> Option<Vec<usize>> {
    let Place::Bound(bound) = place else { return None };
    let columns = &tables[bound].columns;
    let position = |name: &String| {
        let exact = columns.iter().position(|column| column.name == *name);
        exact.or_else(|| columns.iter().position(|column| same_name(&column.name, name)))
    };
    names.iter().map(position).collect()
}

/// How values of a column are read and sent, whatever the group calls them.
fn codec(table: &CatalogTable, name: &str) -> Option<Codec> {
    let column = &table.columns[table.position(name)?];
    Codec::new(column.declared.logical()?, &column.declared, column.code_page, false, false)
}
