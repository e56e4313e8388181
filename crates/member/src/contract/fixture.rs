//! What a check needs of a database: a fresh one, the member's connector, and a user beside the program.
//!
//! Checks create their tables through provisioning, so their users' statements are the same in every dialect:
//! standard SQL with names in double quotes.

use crate::{
    CaptureCommit, Captured, Connector, Direction, Member, Page, ScanBound, TableBinding, TablePosition,
    Token,
};
use async_trait::async_trait;
use std::sync::Arc;
use tributary_model::{Column, KeyBytes, LogicalType, TableName, TableSchema, Value, key};
use uuid::Uuid;

/// The group that every check's members belong to.
pub const GROUP: &str = "contract";

/// Makes databases.
#[async_trait(?Send)]
pub trait Factory {
    /// A fresh, empty database that goes away with the value.
    async fn fresh(&self) -> Box<dyn Fixture>;
}

/// One database.
#[async_trait(?Send)]
pub trait Fixture {
    /// The database as the member `id` of [`GROUP`].
    fn connector(&self, id: &str) -> Box<dyn Connector> {
        self.connector_of(id, Direction::Both)
    }

    /// The same with this direction.
    fn connector_of(&self, id: &str, direction: Direction) -> Box<dyn Connector>;

    /// A connection of a user's: plain, with the dialect's default settings, and none of the program's.
    async fn user(&self) -> Box<dyn User>;

    /// The definitions of all objects in the database, sorted, as text that can be compared.
    async fn definitions(&self) -> Vec<String>;

    /// The table of exceptions, as its SQL spells it.
    fn exceptions(&self) -> &'static str {
        "\"DataSync_dss_exceptions\""
    }

    /// How many bytes a name has at most.
    fn longest_name(&self) -> usize {
        100
    }

    /// Whether a column that was created for the value's type holds the value as it is.
    fn holds(&self, _: &Value) -> bool {
        true
    }

    /// Whether tables and columns can have this name.
    fn takes_name(&self, _: &str) -> bool {
        true
    }

    /// Whether applying writes the value as it is.
    fn applies(&self, value: &Value) -> bool {
        self.holds(value)
    }

    /// Whether such a column can be a key that holds the value beside the others of the checks: a database may take
    /// two texts for the same that differ in blanks at the end.
    fn holds_key(&self, value: &Value) -> bool {
        self.holds(value)
    }
}

/// A user's connection.
#[async_trait(?Send)]
pub trait User {
    /// Runs statements, separated by semicolons; the database's own text if it refuses one.
    async fn attempt(&mut self, sql: &str) -> Result<(), String>;

    /// Runs a query; each value as text, NULL as `NULL`.
    async fn query(&mut self, sql: &str) -> Vec<Vec<String>>;

    /// Runs statements that must succeed.
    async fn run(&mut self, sql: &str) {
        if let Err(error) = self.attempt(sql).await {
            panic!("the database refused {sql}: {error}");
        }
    }
}

/// A table of these columns; those of the key do not take NULL, all others do.
pub fn table(name: &str, columns: &[(&str, LogicalType)], key: &[&str]) -> TableSchema {
    let at = |name: &str| {
        columns.iter().position(|(column, _)| *column == name).expect("a key column is a column")
    };
    TableSchema {
        name: TableName::new(name),
        columns: columns
            .iter()
            .map(|(name, logical)| Column {
                name: (*name).to_owned(),
                logical: *logical,
                nullable: !key.contains(name),
                max_length: None,
            })
            .collect(),
        key: key.iter().map(|name| at(name)).collect(),
        foreign_keys: Vec::new(),
        unique: Vec::new(),
        generation: 1,
    }
}

/// The binding of a member that calls everything as the group does.
pub fn bind(schema: TableSchema) -> Arc<TableBinding> {
    Arc::new(TableBinding::same_names(Arc::new(schema)))
}

/// A connection to the member `hq`, with the tables of `bindings` provisioned.
pub async fn provisioned(fixture: &dyn Fixture, bindings: &[Arc<TableBinding>]) -> Box<dyn Member> {
    provisioned_as(fixture, "hq", bindings).await
}

/// A connection to the member `id`, with the tables of `bindings` provisioned.
pub async fn provisioned_as(
    fixture: &dyn Fixture,
    id: &str,
    bindings: &[Arc<TableBinding>],
) -> Box<dyn Member> {
    let mut member = fixture.connector(id).connect(bindings).await.unwrap();
    member.provision().await.unwrap();
    member
}

/// A connection to the member `hq` of this direction, with the tables of `bindings` provisioned.
pub async fn provisioned_of(
    fixture: &dyn Fixture,
    direction: Direction,
    bindings: &[Arc<TableBinding>],
) -> Box<dyn Member> {
    let mut member = fixture.connector_of("hq", direction).connect(bindings).await.unwrap();
    member.provision().await.unwrap();
    member
}

/// The key of one column.
pub fn key_of(logical: LogicalType, value: Value) -> KeyBytes {
    key::encode([(logical, Some(&value))]).unwrap()
}

/// The key of one `long` column.
pub fn id(number: i64) -> KeyBytes {
    key_of(LogicalType::Long, Value::Long(number))
}

/// Polls a table from `position` on until nothing is left, in pages of `rows`; moves the position.
pub async fn drain(
    member: &mut dyn Member,
    table: usize,
    position: &mut TablePosition,
    rows: usize,
) -> Vec<Captured> {
    let mut changes = Vec::new();
    loop {
        let page = member.poll(table, position, rows).await.unwrap();
        assert!(
            page.changes.len() + page.unpublishable.len() <= rows,
            "a page holds at most what was asked for"
        );
        *position = page.next;
        changes.extend(page.changes);
        if !page.more {
            return changes;
        }
    }
}

/// Claims and reads one chunk of a first scan, as capture does; `token` is the last one, and moves on.
pub async fn scan_chunk(
    member: &mut dyn Member,
    table: usize,
    position: &mut TablePosition,
    token: &mut Option<Token>,
    rows: usize,
) -> Page {
    let bound = member.scan_bound(table, &position.scan, rows).await.unwrap();
    commit(member, token, vec![(table, bound.clone())]).await;
    let page = member.scan(table, position, &bound).await.unwrap();
    *position = page.next.clone();
    page
}

/// Commits the next token with these claims.
pub async fn commit(member: &mut dyn Member, token: &mut Option<Token>, claims: Vec<(usize, ScanBound)>) {
    let commit = next_commit(token.as_ref(), claims);
    let highest = member.commit_capture(&commit).await.unwrap();
    *token = Some(Token { highest_version: highest, ..commit.token });
}

/// What capture would commit after `token`.
pub fn next_commit(token: Option<&Token>, claims: Vec<(usize, ScanBound)>) -> CaptureCommit {
    CaptureCommit {
        token: Token {
            counter: token.map_or(1, |token| token.counter + 1),
            id: Uuid::new_v4(),
            previous: token.map(|token| token.id),
            position: "{}".to_owned(),
            highest_version: 0,
        },
        claims,
        unpublishable: Vec::new(),
        published: Vec::new(),
    }
}

/// What a change says: the key's first value and the row's values as text, `-` where it is a delete.
pub fn told(schema: &TableSchema, change: &Captured) -> (String, String) {
    let key = schema.key_values(&change.key).unwrap();
    let key = key.iter().map(ToString::to_string).collect::<Vec<_>>().join("/");
    let row = change.change.row.as_ref().map_or_else(
        || "-".to_owned(),
        |row| {
            let text =
                |value: &Option<Value>| value.as_ref().map_or("absent".to_owned(), ToString::to_string);
            row.0.iter().map(text).collect::<Vec<_>>().join("|")
        },
    );
    (key, row)
}

/// What several changes say, in order.
pub fn all_told(schema: &TableSchema, changes: &[Captured]) -> Vec<(String, String)> {
    changes.iter().map(|change| told(schema, change)).collect()
}
