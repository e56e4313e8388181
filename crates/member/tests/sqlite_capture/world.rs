//! A file with a user and a member, and what the user's statements should come to.

use crate::support::{SqliteFixture, block_on, texts};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::sync::Arc;
use tributary_member::contract::fixture::bind;
use tributary_member::sqlite::SqliteMember;
use tributary_member::{Captured, Member as _, Page, TableBinding, TablePosition};
use tributary_model::{KeyBytes, LogicalType, TableSchema};

/// A file with one provisioned table.
pub(crate) struct World {
    pub(crate) fixture: SqliteFixture,
    pub(crate) user: Connection,
    pub(crate) member: SqliteMember,
    pub(crate) position: TablePosition,
    pub(crate) schema: Arc<TableSchema>,
}

impl World {
    /// A file whose table is made by `definition`, provisioned with the given columns.
    pub(crate) fn new(definition: &str, schema: TableSchema) -> Self {
        Self::with(definition, bind(schema))
    }

    /// The same with a binding that is not the plain one.
    pub(crate) fn with(definition: &str, binding: Arc<TableBinding>) -> Self {
        let fixture = SqliteFixture::new();
        let user = fixture.connection();
        user.execute_batch(definition).unwrap();
        let mut member = fixture.sqlite("hq").open(&[Arc::clone(&binding)]).unwrap();
        block_on(member.provision()).unwrap();
        let schema = Arc::clone(&binding.schema);
        Self { fixture, user, member, position: TablePosition::default(), schema }
    }

    /// Runs a user's statements, which must succeed.
    pub(crate) fn run(&self, sql: &str) {
        if let Err(error) = self.user.execute_batch(sql) {
            panic!("{sql}: {error}");
        }
    }

    /// Everything since the last call.
    pub(crate) fn page(&mut self) -> Page {
        let page = block_on(self.member.poll(0, &self.position, 10_000)).unwrap();
        assert!(!page.more);
        self.position = page.next.clone();
        page
    }

    /// The changes since the last call, in order.
    pub(crate) fn changes(&mut self) -> Vec<Captured> {
        let page = self.page();
        assert_eq!(page.unpublishable, []);
        page.changes
    }

    /// The changes since the last call: key to row, `-` for a delete.
    pub(crate) fn told(&mut self) -> BTreeMap<String, String> {
        let changes = self.changes();
        tributary_member::contract::fixture::all_told(&self.schema, &changes).into_iter().collect()
    }

    /// Asserts what one or more statements come to.
    pub(crate) fn check(&mut self, sql: &str, expected: &[(&str, &str)]) {
        self.run(sql);
        assert_eq!(self.told(), told(expected), "{sql}");
    }

    /// Rows of a query, as the user sees them.
    pub(crate) fn query(&self, sql: &str) -> Vec<Vec<String>> {
        texts(&self.user, sql)
    }

    /// The canonical key bytes of a one-column key.
    pub(crate) fn key(&self, value: tributary_model::Value) -> KeyBytes {
        tributary_member::contract::fixture::key_of(self.schema.key_types()[0], value)
    }
}

/// Changes as [`World::told`] gives them.
pub(crate) fn told(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, row)| ((*key).to_owned(), (*row).to_owned())).collect()
}

/// A table of the group's: names with types, the key's names; all but the key take NULL.
pub(crate) fn schema(name: &str, columns: &[(&str, LogicalType)], key: &[&str]) -> TableSchema {
    tributary_member::contract::fixture::table(name, columns, key)
}
