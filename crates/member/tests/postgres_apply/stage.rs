//! Databases whose tables are made by hand, with what only PostgreSQL has.

use crate::support::{PostgresFixture, texts};
use std::sync::Arc;
use tokio_postgres::Client;
use tributary_member::TableBinding;
use tributary_member::contract::apply::feed::Scene;
use tributary_member::contract::fixture::{bind, provisioned, table};
use tributary_model::{LogicalType, Row, TableSchema, Value};

/// A member's database with a user's plain connection.
pub(crate) struct Stage {
    /// The member in its group.
    pub(crate) scene: Scene,
    /// The user.
    pub(crate) user: Client,
    /// The url of the database.
    pub(crate) url: String,
}

impl Stage {
    /// A database with these tables and triggers, of which the bound ones are provisioned.
    pub(crate) async fn new(definitions: &str, bindings: Vec<Arc<TableBinding>>) -> Self {
        let fixture = PostgresFixture::new().await;
        let user = fixture.client().await;
        user.batch_execute(definitions).await.unwrap();
        let url = fixture.url();
        let member = provisioned(&fixture, &bindings).await;
        let scene = Scene::of(Box::new(fixture), bindings, member).await;
        Self { scene, user, url }
    }

    /// Runs statements of the user's.
    pub(crate) async fn run(&self, sql: &str) {
        self.user.batch_execute(sql).await.unwrap();
    }

    /// A query's rows, the values of each joined by `|`.
    pub(crate) async fn query(&self, sql: &str) -> Vec<String> {
        texts(&self.user, sql).await.into_iter().map(|row| row.join("|")).collect()
    }
}

/// The definition of a table of [`note`]'s shape.
pub(crate) const NOTE: &str = "CREATE TABLE note (id bigint PRIMARY KEY, body text);";

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
