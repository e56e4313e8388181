//! What SQL Server says about tables: columns, keys, indexes, foreign keys, triggers, read from its catalog.
//!
//! Decides nothing; what a finding means is [`super::inspect`]'s matter. All tables that are asked for come with one
//! batch, however many they are.

use super::cells::{Cell, flag, integer, optional_integer, optional_text, text};
use super::code_page::CodePage;
use super::declared::{BINARY_COLLATION, Declared, created_type};
use super::names::DEFAULT_SCHEMA;
use super::quote;
use super::session::{Cells, Session};
use crate::{Error, Result, TableBinding};
use std::collections::HashMap;
use tributary_model::OnDelete;

/// What Babelfish's catalog names a column that was created with [`BINARY_COLLATION`].
const BABELFISH_BINARY: &str = "bbf_unicode_bin2";

/// A table as the server describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CatalogTable {
    /// The server's number of it; 0 for one that is yet to be made.
    pub(crate) id: i64,
    /// Its schema.
    pub(crate) schema: String,
    /// Its name.
    pub(crate) name: String,
    /// What kind of table it is, where that stands in the way.
    pub(crate) oddity: Option<Oddity>,
    /// Its columns, in order.
    pub(crate) columns: Vec<CatalogColumn>,
    /// Positions of the primary key's columns in `columns`, in key order.
    pub(crate) key: Vec<usize>,
    /// Its unique indexes and constraints besides the primary key.
    pub(crate) uniques: Vec<CatalogUnique>,
    /// Its foreign keys.
    pub(crate) foreign_keys: Vec<CatalogForeignKey>,
    /// All triggers on it, ours too.
    pub(crate) triggers: Vec<CatalogTrigger>,
}

/// What makes a table other than plain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Oddity {
    /// It is a view.
    View,
    /// It lies in memory, where triggers work otherwise.
    InMemory,
    /// It lies elsewhere.
    External,
    /// It is the history of a temporal table.
    History,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CatalogColumn {
    /// Its name.
    pub(crate) name: String,
    /// Its number in the table.
    pub(crate) number: i64,
    /// Its type.
    pub(crate) declared: Declared,
    /// Whether it may be NULL.
    pub(crate) nullable: bool,
    /// Why it is not synchronised, other than for its type.
    pub(crate) left_out: Option<&'static str>,
    /// Whether the server numbers its rows.
    pub(crate) identity: bool,
    /// Whether it has a default.
    pub(crate) has_default: bool,
    /// The text of its default; `None` without one, and where it cannot be told.
    pub(crate) default: Option<String>,
    /// Whether what is read of it depends on the right UNMASK.
    pub(crate) masked: bool,
    /// Its collation, of texts.
    pub(crate) collation: Option<String>,
    /// The code page of its collation.
    pub(crate) code_page: CodePage,
}

/// A unique index or constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CatalogUnique {
    /// Its name.
    pub(crate) name: String,
    /// Its columns, by name.
    pub(crate) columns: Vec<String>,
    /// Whether it covers only some of the rows, other than those that hold no NULL in it.
    pub(crate) filtered: bool,
    /// Whether it swallows duplicates instead of refusing them.
    pub(crate) ignores_duplicates: bool,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CatalogForeignKey {
    /// Its name.
    pub(crate) name: String,
    /// The number of the table referred to.
    pub(crate) references: i64,
    /// Schema and name of the table referred to.
    pub(crate) references_name: (String, String),
    /// The referring columns.
    pub(crate) columns: Vec<String>,
    /// The columns referred to.
    pub(crate) referenced: Vec<String>,
    /// What a delete of the row referred to does.
    pub(crate) on_delete: OnDelete,
    /// Whether it is checked.
    pub(crate) enabled: bool,
}

/// A trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CatalogTrigger {
    /// Its name.
    pub(crate) name: String,
    /// Its definition; `None` for one that is encrypted.
    pub(crate) sql: Option<String>,
    /// Whether it is switched off.
    pub(crate) disabled: bool,
    /// Whether it runs instead of the statement.
    pub(crate) instead_of: bool,
}

impl CatalogColumn {
    /// Whether its values compare byte for byte; true of all that are no texts.
    pub(crate) fn is_binary(&self) -> bool {
        self.collation.as_deref().is_none_or(|name| name.to_ascii_uppercase().contains("_BIN2"))
    }
}

impl CatalogTable {
    /// The position of the column called `name`: that very name, or else the same in another case, since most
    /// databases compare names so.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        let exact = self.columns.iter().position(|column| column.name == name);
        exact.or_else(|| self.columns.iter().position(|column| same_name(&column.name, name)))
    }

    /// The table that provisioning would make for a binding.
    pub(crate) fn planned(binding: &TableBinding, digits: u32) -> Self {
        let schema = &binding.schema;
        let indexed = indexed_columns(binding);
        let mut columns = Vec::new();
        for (position, column) in schema.columns.iter().enumerate() {
            let Some(Some(name)) = binding.local_columns.get(position) else { continue };
            let in_key = schema.key.contains(&position);
            let declared = Declared::parse(&created_type(
                column.logical,
                column.max_length,
                indexed.contains(&position),
                digits,
            ));
            let collation = declared.is_text().then(|| BINARY_COLLATION.to_owned());
            columns.push(CatalogColumn {
                name: name.clone(),
                number: columns.len() as i64 + 1,
                nullable: column.nullable && !in_key,
                left_out: None,
                identity: false,
                has_default: false,
                default: None,
                masked: false,
                // Only indexed columns are created with it; of the others nobody asks.
                collation,
                code_page: CodePage(1252),
                declared,
            });
        }
        let place = |position: &usize| {
            let name = binding.local_columns.get(*position)?.as_ref()?;
            columns.iter().position(|column| column.name == *name)
        };
        let key = schema.key.iter().filter_map(place).collect();
        Self {
            id: 0,
            schema: binding.local_schema.clone().unwrap_or_else(|| DEFAULT_SCHEMA.to_owned()),
            name: binding.local_table.clone(),
            oddity: None,
            columns,
            key,
            uniques: Vec::new(),
            foreign_keys: Vec::new(),
            triggers: Vec::new(),
        }
    }
}

/// The group's columns, by position, that stand in an index of a table that provisioning makes.
pub(crate) fn indexed_columns(binding: &TableBinding) -> Vec<usize> {
    let schema = &binding.schema;
    let uniques = schema.unique.iter().flatten();
    let referring = schema.foreign_keys.iter().flat_map(|key| &key.columns);
    schema.key.iter().chain(uniques).chain(referring).copied().collect()
}

/// Names as most databases compare them.
pub(crate) fn same_name(a: &str, b: &str) -> bool {
    a == b || a.to_lowercase() == b.to_lowercase()
}

/// Which tables to look at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which<'a> {
    /// All tables of users.
    All,
    /// Those of these numbers.
    Only(&'a [i64]),
}

/// The numbers of objects by schema and name; `None` where there is none.
pub(crate) async fn object_ids(
    session: &mut Session,
    names: &[(String, String)],
) -> Result<Vec<Option<i64>>> {
    let action = "look up its tables";
    let mut found = Vec::with_capacity(names.len());
    // Each is two parameters' worth of text in one literal; a statement of some hundred is still short.
    for names in names.chunks(200) {
        let columns: Vec<String> = names
            .iter()
            .map(|(schema, name)| {
                format!("CAST(OBJECT_ID({}) AS bigint)", quote::text(&quote::qualified(schema, name)))
            })
            .collect();
        let row = session.results(action, &format!("SELECT {}", columns.join(", "))).await?;
        let row = row.into_iter().next().and_then(|set| set.into_iter().next()).unwrap_or_default();
        for place in 0..names.len() {
            found.push(optional_integer(&row, place).map_err(|reason| damaged(session, reason))?);
        }
    }
    Ok(found)
}

/// The tables, in the order of schema and name.
pub(crate) async fn tables(session: &mut Session, which: Which<'_>) -> Result<Vec<CatalogTable>> {
    let filter = |column: &str| match which {
        Which::All => String::new(),
        Which::Only(ids) => {
            let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
            format!("AND {column} IN ({})", ids.join(", "))
        }
    };
    if matches!(which, Which::Only([])) {
        return Ok(Vec::new());
    }
    let parts = [
        crate::template::fill(
            include_str!("sql/catalog_tables.sql"),
            &[("filter", &filter("o.[object_id]"))],
        ),
        crate::template::fill(
            include_str!("sql/catalog_columns.sql"),
            &[("filter", &filter("c.[object_id]"))],
        ),
        crate::template::fill(
            include_str!("sql/catalog_indexes.sql"),
            &[("filter", &filter("i.[object_id]"))],
        ),
        crate::template::fill(
            include_str!("sql/catalog_foreign_keys.sql"),
            &[("filter", &filter("f.[parent_object_id]"))],
        ),
        crate::template::fill(
            include_str!("sql/catalog_triggers.sql"),
            &[("filter", &filter("t.[parent_id]"))],
        ),
    ];
    let sets = session.results("describe its tables", &parts.join(";\n")).await?;
    assemble(&sets).map_err(|reason| damaged(session, reason))
}

fn damaged(session: &Session, reason: String) -> Error {
    Error::Damaged { place: session.whose().place.clone(), object: "the catalog (sys.*)".to_owned(), reason }
}

fn assemble(sets: &[Vec<Cells>]) -> Cell<Vec<CatalogTable>> {
    let [tables, columns, indexes, foreign_keys, triggers] = sets else {
        return Err(format!("{} result sets of the catalog, where there should be 5", sets.len()));
    };
    let mut found = Vec::with_capacity(tables.len());
    let mut places = HashMap::with_capacity(tables.len());
    for row in tables {
        let id = integer(row, 0)?;
        places.insert(id, found.len());
        found.push(CatalogTable {
            id,
            schema: text(row, 1)?,
            name: text(row, 2)?,
            oddity: match (text(row, 3)?.trim(), flag(row, 4)?, flag(row, 5)?, integer(row, 6)?) {
                ("V", ..) => Some(Oddity::View),
                (_, true, ..) => Some(Oddity::InMemory),
                (_, _, true, _) => Some(Oddity::External),
                (.., 1) => Some(Oddity::History),
                _ => None,
            },
            columns: Vec::new(),
            key: Vec::new(),
            uniques: Vec::new(),
            foreign_keys: Vec::new(),
            triggers: Vec::new(),
        });
    }
    for row in columns {
        if let Some(place) = places.get(&integer(row, 0)?) {
            found[*place].columns.push(column(row)?);
        }
    }
    for row in indexes {
        if let Some(place) = places.get(&integer(row, 0)?) {
            index_column(&mut found[*place], row)?;
        }
    }
    for row in foreign_keys {
        if let Some(place) = places.get(&integer(row, 0)?) {
            foreign_key_column(&mut found[*place], row)?;
        }
    }
    for row in triggers {
        if let Some(place) = places.get(&integer(row, 0)?) {
            found[*place].triggers.push(CatalogTrigger {
                name: text(row, 1)?,
                sql: optional_text(row, 2)?,
                disabled: flag(row, 3)?,
                instead_of: flag(row, 4)?,
            });
        }
    }
    Ok(found)
}

fn column(row: &Cells) -> Cell<CatalogColumn> {
    let unsigned = |place| Ok::<_, String>(u32::try_from(integer(row, place)?).unwrap_or(0));
    let bytes = i32::try_from(integer(row, 4)?).unwrap_or(-1);
    let (computed, period, encrypted, column_set, stream) =
        (flag(row, 8)?, flag(row, 9)?, flag(row, 10)?, flag(row, 11)?, flag(row, 12)?);
    let left_out = [
        (computed, "computed"),
        (period, "a period of the server's own"),
        (encrypted, "encrypted by clients"),
        (column_set, "a column set"),
        (stream, "a FILESTREAM"),
    ];
    Ok(CatalogColumn {
        number: integer(row, 1)?,
        name: text(row, 2)?,
        declared: Declared::of(&text(row, 3)?, bytes, unsigned(5)?, unsigned(6)?),
        nullable: flag(row, 7)?,
        left_out: left_out.into_iter().find_map(|(is, what)| is.then_some(what)),
        identity: flag(row, 13)?,
        has_default: flag(row, 14)?,
        default: optional_text(row, 18)?,
        masked: flag(row, 15)?,
        collation: optional_text(row, 16)?.map(|name| {
            // So Babelfish calls what it makes of it.
            if name == BABELFISH_BINARY { BINARY_COLLATION.to_owned() } else { name }
        }),
        code_page: CodePage(
            optional_integer(row, 17)?.and_then(|page| u32::try_from(page).ok()).unwrap_or(1252),
        ),
    })
}

fn index_column(table: &mut CatalogTable, row: &Cells) -> Cell<()> {
    let (name, number) = (optional_text(row, 1)?.unwrap_or_default(), integer(row, 3)?);
    let Some(at) = table.columns.iter().position(|column| column.number == number) else { return Ok(()) };
    if flag(row, 2)? {
        table.key.push(at);
        return Ok(());
    }
    if table.uniques.last().is_none_or(|unique| unique.name != name) {
        table.uniques.push(CatalogUnique {
            name,
            columns: Vec::new(),
            filtered: flag(row, 4)?
                && !optional_text(row, 6)?.is_some_and(|filter| leaves_out_nulls(&filter)),
            ignores_duplicates: flag(row, 5)?,
        });
    }
    if let Some(unique) = table.uniques.last_mut() {
        unique.columns.push(table.columns[at].name.clone());
    }
    Ok(())
}

/// Whether a filter only says that columns are not NULL: then the index is what other dialects call unique.
fn leaves_out_nulls(filter: &str) -> bool {
    let mut rest = filter.trim();
    while let Some(inner) = rest.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        rest = inner.trim();
    }
    !rest.is_empty()
        && rest.split(" AND ").all(|part| {
            let name = part.trim().trim_start_matches('(').trim_end_matches(')').strip_suffix(" IS NOT NULL");
            name.is_some_and(|name| {
                name.starts_with('[')
                    && name.ends_with(']')
                    && !name[1..name.len() - 1].contains(['[', ']', ' '])
            })
        })
}

fn foreign_key_column(table: &mut CatalogTable, row: &Cells) -> Cell<()> {
    let name = text(row, 1)?;
    if table.foreign_keys.last().is_none_or(|key| key.name != name) {
        table.foreign_keys.push(CatalogForeignKey {
            name,
            references: integer(row, 2)?,
            references_name: (text(row, 3)?, text(row, 4)?),
            columns: Vec::new(),
            referenced: Vec::new(),
            on_delete: match integer(row, 5)? {
                1 => OnDelete::Cascade,
                2 => OnDelete::SetNull,
                3 => OnDelete::SetDefault,
                _ => OnDelete::Refuse,
            },
            enabled: !flag(row, 6)?,
        });
    }
    if let Some(key) = table.foreign_keys.last_mut() {
        key.columns.push(text(row, 7)?);
        key.referenced.push(text(row, 8)?);
    }
    Ok(())
}
