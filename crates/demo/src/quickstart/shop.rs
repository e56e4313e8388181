//! A member's database as its users see it: plain SQL through a connection of their own.

use anyhow::{Context as _, Result};
use rusqlite::Connection;
use std::path::Path;
use std::time::Duration;

/// The tables as the people of the story made them. `GEOGRAPHY` is not a type that can be synchronised.
pub(super) const TABLES: &str = "
    CREATE TABLE Customer (
        CustomerId   INTEGER PRIMARY KEY,
        Name         NVARCHAR(60) NOT NULL,
        City         NVARCHAR(40),
        Since        DATE,
        Location     GEOGRAPHY
    );
    CREATE TABLE OrderLines (
        OrderLineId  INTEGER PRIMARY KEY,
        CustomerId   INTEGER NOT NULL REFERENCES Customer (CustomerId),
        Product      NVARCHAR(60) NOT NULL,
        Quantity     INT NOT NULL,
        Price        DECIMAL(10, 2) NOT NULL
    );
    CREATE TABLE OrderEvents (
        OrderEventId INTEGER PRIMARY KEY,
        OrderLineId  INTEGER NOT NULL REFERENCES OrderLines (OrderLineId),
        Event        NVARCHAR(40) NOT NULL
    );
    INSERT INTO Customer (CustomerId, Name, City, Since, Location) VALUES
        (1, 'Adele''s Books', 'Bristol', '2009-03-14', 'POINT(-2.59 51.45)'),
        (2, 'Brasserie Müller', 'Zürich', '2010-11-02', 'POINT(8.54 47.38)');
    INSERT INTO OrderLines (OrderLineId, CustomerId, Product, Quantity, Price) VALUES
        (1, 1, 'Shelf, oak', 4, 89.5), (2, 1, 'Reading lamp', 12, 24.95), (3, 2, 'Espresso cups', 60, 3.2);
    INSERT INTO OrderEvents (OrderEventId, OrderLineId, Event) VALUES (1, 3, 'picked in the warehouse');
";

/// A user's connection to one member.
pub(super) struct Shop {
    connection: Connection,
}

impl Shop {
    /// Opens the file as programs do that share a database: foreign keys on, patient with other writers.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let connection =
            Connection::open(path).with_context(|| format!("{} cannot be opened", path.display()))?;
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.execute_batch("PRAGMA foreign_keys = ON")?;
        Ok(Self { connection })
    }

    /// Runs statements.
    pub(super) fn run(&self, sql: &str) -> Result<()> {
        self.connection
            .execute_batch(sql)
            .with_context(|| format!("the user's statement failed: {}", sql.trim()))
    }

    /// The users' own tables, by name.
    pub(super) fn tables(&self) -> Result<Vec<String>> {
        let names = self.column(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
        )?;
        Ok(names.into_iter().filter(|name| !name.starts_with("DataSync_")).collect())
    }

    /// A table's columns, in order.
    pub(super) fn columns(&self, table: &str) -> Result<Vec<String>> {
        self.column(&format!("SELECT name FROM pragma_table_info('{table}') ORDER BY cid"))
    }

    /// All customers, one a line.
    pub(super) fn customers(&self) -> Result<Vec<String>> {
        self.column(
            "SELECT CustomerId || ' ' || Name || ', ' || coalesce(City, '?') || ', since ' || coalesce(Since, '?') \
             FROM Customer ORDER BY CustomerId",
        )
    }

    /// One customer as in [`Shop::customers`].
    pub(super) fn customer(&self, id: i64) -> Result<Option<String>> {
        let start = format!("{id} ");
        Ok(self.customers()?.into_iter().find(|line| line.starts_with(&start)))
    }

    /// All order lines, one a line. Prices are compared as numbers, since databases differ in how they keep them.
    pub(super) fn order_lines(&self) -> Result<Vec<String>> {
        self.column(
            "SELECT OrderLineId || ' ' || Quantity || ' x ' || Product || printf(' at %.2f', Price) || \
             ', customer ' || CustomerId FROM OrderLines ORDER BY OrderLineId",
        )
    }

    /// One order line as in [`Shop::order_lines`].
    pub(super) fn order_line(&self, id: i64) -> Result<Option<String>> {
        let start = format!("{id} ");
        Ok(self.order_lines()?.into_iter().find(|line| line.starts_with(&start)))
    }

    /// All order events, one a line.
    pub(super) fn order_events(&self) -> Result<Vec<String>> {
        self.column(
            "SELECT OrderEventId || ' ' || Event || ', line ' || OrderLineId FROM OrderEvents ORDER BY OrderEventId",
        )
    }

    /// Milliseconds since some moment, by the clock that the member's triggers use.
    pub(super) fn clock_ms(&self) -> Result<i64> {
        let sql = "SELECT CAST((julianday('now') - 2451545.0) * 86400000.0 AS INTEGER)";
        Ok(self.connection.query_row(sql, [], |row| row.get(0))?)
    }

    fn column(&self, sql: &str) -> Result<Vec<String>> {
        let mut statement = self.connection.prepare(sql)?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}
