//! Files whose tables are made by hand, with what only SQLite has.

use crate::support::{SqliteFixture, texts};
use rusqlite::Connection;
use std::sync::Arc;
use tributary_member::TableBinding;
use tributary_member::contract::apply::feed::Scene;
use tributary_member::contract::fixture::{bind, provisioned, table};
use tributary_model::{LogicalType, Row, TableSchema, Value};

/// A member's file with a user's plain connection.
pub(crate) struct Stage {
    /// The member in its group.
    pub(crate) scene: Scene,
    /// The user.
    pub(crate) user: Connection,
}

impl Stage {
    /// A file with these tables and triggers, of which the bound ones are provisioned.
    pub(crate) async fn new(definitions: &str, bindings: Vec<Arc<TableBinding>>) -> Self {
        let fixture = SqliteFixture::new();
        let user = fixture.connection();
        user.execute_batch(definitions).unwrap();
        let member = provisioned(&fixture, &bindings).await;
        let scene = Scene::of(Box::new(fixture), bindings, member).await;
        Self { scene, user }
    }

    /// Runs statements of the user's.
    pub(crate) fn run(&self, sql: &str) {
        self.user.execute_batch(sql).unwrap();
    }

    /// A query's rows, the values of each joined by `|`.
    pub(crate) fn query(&self, sql: &str) -> Vec<String> {
        texts(&self.user, sql).into_iter().map(|row| row.join("|")).collect()
    }
}

/// `id` and `body`.
pub(crate) fn note(name: &str) -> TableSchema {
    table(name, &[("id", LogicalType::Long), ("body", LogicalType::String)], &["id"])
}

/// The binding of a table of [`note`]'s shape.
pub(crate) fn bound(name: &str) -> Arc<TableBinding> {
    bind(note(name))
}

/// A row of a table of [`note`]'s shape.
pub(crate) fn row(id: i64, body: &str) -> Row {
    Row::of([Value::Long(id), Value::String(body.to_owned())])
}

/// Rows 1 to `last` of a table of [`note`]'s shape.
pub(crate) fn rows(last: i64, body: &str) -> Vec<Row> {
    (1..=last).map(|id| row(id, body)).collect()
}
