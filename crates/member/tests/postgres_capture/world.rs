//! A database with a user and a member, and what the user's statements should come to.

use crate::support::{PostgresFixture, texts, told};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_postgres::Client;
use tributary_member::contract::fixture::{all_told, bind};
use tributary_member::postgres::PostgresMember;
use tributary_member::{Captured, Member as _, Page, TableBinding, TablePosition, TableState};
use tributary_model::{LogicalType, TableSchema};

/// A database with one provisioned table.
pub(crate) struct World {
    pub(crate) fixture: PostgresFixture,
    pub(crate) user: Client,
    pub(crate) member: PostgresMember,
    pub(crate) position: TablePosition,
    pub(crate) schema: Arc<TableSchema>,
    pub(crate) binding: Arc<TableBinding>,
}

impl World {
    /// A database whose table is made by `definition`, provisioned with the given columns.
    pub(crate) async fn new(definition: &str, schema: TableSchema) -> Self {
        Self::with(definition, bind(schema)).await
    }

    /// The same with a binding that is not the plain one.
    pub(crate) async fn with(definition: &str, binding: Arc<TableBinding>) -> Self {
        let fixture = PostgresFixture::new().await;
        let user = fixture.client().await;
        run(&user, definition).await;
        let mut member = fixture.postgres("hq").open(&[Arc::clone(&binding)]).await.unwrap();
        member.provision().await.unwrap();
        let schema = Arc::clone(&binding.schema);
        Self { fixture, user, member, position: TablePosition::default(), schema, binding }
    }

    /// `item (id, name)`, both synchronised.
    pub(crate) async fn items() -> Self {
        Self::new("CREATE TABLE item (id bigint PRIMARY KEY, name text)", item()).await
    }

    /// Runs a user's statements, which must succeed.
    pub(crate) async fn run(&self, sql: &str) {
        run(&self.user, sql).await;
    }

    /// Everything since the last call.
    pub(crate) async fn page(&mut self) -> Page {
        let page = self.member.poll(0, &self.position, 100_000).await.unwrap();
        assert!(!page.more);
        self.position = page.next.clone();
        page
    }

    /// The changes since the last call, in order.
    pub(crate) async fn changes(&mut self) -> Vec<Captured> {
        let page = self.page().await;
        assert_eq!(page.unpublishable, []);
        page.changes
    }

    /// The changes since the last call: key to row, `-` for a delete.
    pub(crate) async fn told(&mut self) -> BTreeMap<String, String> {
        let changes = self.changes().await;
        all_told(&self.schema, &changes).into_iter().collect()
    }

    /// Asserts what one or more statements come to.
    pub(crate) async fn check(&mut self, sql: &str, expected: &[(&str, &str)]) {
        self.run(sql).await;
        assert_eq!(self.told().await, pairs(expected), "{sql}");
    }

    /// Rows of a query, as the user sees them.
    pub(crate) async fn query(&self, sql: &str) -> Vec<Vec<String>> {
        texts(&self.user, sql).await
    }

    /// Why the table stands still.
    pub(crate) async fn stopped(&mut self) -> String {
        match self.member.table_states().await.unwrap().remove(0) {
            TableState::Stopped { reason } => reason,
            other => panic!("the table is {other:?}"),
        }
    }

    /// Asserts that the table can be worked on.
    pub(crate) async fn ready(&mut self) {
        assert_eq!(self.member.table_states().await.unwrap(), [TableState::Ready]);
    }
}

/// Runs statements that must succeed.
pub(crate) async fn run(client: &Client, sql: &str) {
    if let Err(error) = client.batch_execute(sql).await {
        panic!("{sql}: {}", told(&error));
    }
}

/// What is expected, as [`World::told`] gives it.
pub(crate) fn pairs(expected: &[(&str, &str)]) -> BTreeMap<String, String> {
    expected.iter().map(|(key, row)| ((*key).to_owned(), (*row).to_owned())).collect()
}

/// `item (id, name)`.
pub(crate) fn item() -> TableSchema {
    schema("item", &[("id", LogicalType::Long), ("name", LogicalType::String)], &["id"])
}

/// A table of the group's: names with types, the key's names; all but the key take NULL.
pub(crate) fn schema(name: &str, columns: &[(&str, LogicalType)], key: &[&str]) -> TableSchema {
    tributary_member::contract::fixture::table(name, columns, key)
}
