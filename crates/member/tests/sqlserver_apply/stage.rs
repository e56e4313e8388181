//! Databases whose tables are made by hand, with what only SQL Server has.

use crate::support::{SqlServerFixture, SqlServerUser};
use std::sync::Arc;
use tributary_member::TableBinding;
use tributary_member::contract::apply::feed::Scene;
use tributary_member::contract::fixture::{User as _, bind, provisioned, table};
use tributary_model::{LogicalType, Row, TableSchema, Value};

/// A member's database with a user's plain connection.
pub(crate) struct Stage {
    /// The member in its group.
    pub(crate) scene: Scene,
    /// The user.
    pub(crate) user: SqlServerUser,
}

impl Stage {
    /// A database with what these batches make, of which the bound tables are provisioned.
    pub(crate) async fn new(batches: &[&str], bindings: Vec<Arc<TableBinding>>) -> Self {
        let fixture = SqlServerFixture::new().await;
        let mut user = fixture.client().await;
        for batch in batches {
            user.run(batch).await;
        }
        let member = provisioned(&fixture, &bindings).await;
        let scene = Scene::of(Box::new(fixture), bindings, member).await;
        Self { scene, user }
    }

    /// Runs a batch of the user's.
    pub(crate) async fn run(&mut self, sql: &str) {
        self.user.run(sql).await;
    }

    /// A query's rows, the values of each joined by `|`.
    pub(crate) async fn query(&mut self, sql: &str) -> Vec<String> {
        self.user.query(sql).await.into_iter().map(|row| row.join("|")).collect()
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
