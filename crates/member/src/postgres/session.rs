//! One connection to the server: its prepared statements, its transactions, and what it is told between them.
//!
//! The library's connection task runs on the caller's runtime, and ends with the session. A call that is dropped in
//! the middle (a worker that is stopped) leaves a transaction open; the next one takes it back first.

use super::failure::Origin;
use crate::{Error, Result};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Config, Row, Socket, Statement};

/// How a transaction begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// One snapshot for all that is read in it.
    Snapshot,
    /// Every statement sees what was committed before it.
    Write,
}

impl Begin {
    fn sql(self) -> &'static str {
        match self {
            Self::Snapshot => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Self::Write => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
        }
    }
}

/// A connection.
pub(super) struct Session {
    /// For statements that need nothing of ours.
    pub(super) client: Client,
    /// For errors.
    pub(super) origin: Origin,
    statements: RefCell<HashMap<String, Statement>>,
    /// Whether a transaction may be open between calls.
    open: Cell<bool>,
    /// Rings when the server has sent a notification, or the connection has ended.
    pub(super) bell: Arc<Notify>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Session {
    /// Connects.
    pub(super) async fn open<T>(config: &Config, tls: T, origin: Origin) -> Result<Self>
    where
        T: MakeTlsConnect<Socket>,
        T::Stream: Send + 'static,
    {
        let (client, mut connection) =
            config.connect(tls).await.map_err(|error| origin.not_connected(error))?;
        let bell = Arc::new(Notify::new());
        let ring = Arc::clone(&bell);
        // Ends by itself once the client is dropped.
        tokio::spawn(async move {
            loop {
                match poll_fn(|context| connection.poll_message(context)).await {
                    Some(Ok(AsyncMessage::Notification(_))) => ring.notify_one(),
                    Some(Ok(_)) => {}
                    // Whoever waits for an answer is told by the library.
                    Some(Err(_)) | None => break,
                }
            }
            ring.notify_one();
        });
        Ok(Self { client, origin, statements: RefCell::new(HashMap::new()), open: Cell::new(false), bell })
    }

    /// The statement, prepared once.
    pub(super) async fn prepare(&self, sql: &str) -> std::result::Result<Statement, tokio_postgres::Error> {
        self.prepare_typed(sql, &[]).await
    }

    /// The same, with the types of its parameters; those that are not given the server infers.
    pub(super) async fn prepare_typed(
        &self,
        sql: &str,
        types: &[Type],
    ) -> std::result::Result<Statement, tokio_postgres::Error> {
        if let Some(statement) = self.statements.borrow().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare_typed(sql, types).await?;
        self.statements.borrow_mut().insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Forgets all prepared statements: the tables they are about have changed.
    pub(super) fn forget_statements(&self) {
        self.statements.borrow_mut().clear();
        self.client.clear_type_cache();
    }

    /// The rows of a query.
    pub(super) async fn query(
        &self,
        action: &'static str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>> {
        let run = async {
            let statement = self.prepare(sql).await?;
            self.client.query(&statement, parameters).await
        };
        run.await.map_err(self.origin.failed(action))
    }

    /// The first row of a query, if there is one.
    pub(super) async fn query_first(
        &self,
        action: &'static str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>> {
        Ok(self.query(action, sql, parameters).await?.into_iter().next())
    }

    /// Runs a statement; gives the number of rows.
    pub(super) async fn execute(
        &self,
        action: &'static str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64> {
        let run = async {
            let statement = self.prepare(sql).await?;
            self.client.execute(&statement, parameters).await
        };
        run.await.map_err(self.origin.failed(action))
    }

    /// Runs statements without parameters.
    pub(super) async fn batch(&self, action: &'static str, sql: &str) -> Result<()> {
        self.client.batch_execute(sql).await.map_err(self.origin.failed(action))
    }

    /// Runs `work` in a transaction, which is committed if it succeeds and taken back if it fails. `settings` are
    /// statements that follow BEGIN in the same message, such as `SET LOCAL …`.
    pub(super) async fn transaction<T>(
        &self,
        action: &'static str,
        begin: Begin,
        settings: &str,
        work: impl AsyncFnOnce(&Self) -> Result<T>,
    ) -> Result<T> {
        self.begin(action, begin, settings).await?;
        match work(self).await {
            Ok(done) => {
                self.commit(action).await?;
                Ok(done)
            }
            Err(error) => {
                self.rollback().await;
                Err(error)
            }
        }
    }

    /// Begins a transaction, after taking back one that was left open.
    pub(super) async fn begin(&self, action: &'static str, begin: Begin, settings: &str) -> Result<()> {
        let left = if self.open.replace(true) { "ROLLBACK; " } else { "" };
        self.batch(action, &format!("{left}{}; {settings}", begin.sql())).await
    }

    /// Commits the open transaction.
    pub(super) async fn commit(&self, action: &'static str) -> Result<()> {
        // A COMMIT of a transaction that has failed is a ROLLBACK, without an error; our calls end those themselves.
        self.batch(action, "COMMIT").await?;
        self.open.set(false);
        Ok(())
    }

    /// Runs a last statement and commits in one message, with the server's own error; if the statement fails, nothing is
    /// committed.
    pub(super) async fn finish(&self, last: &str) -> std::result::Result<(), tokio_postgres::Error> {
        self.client.batch_execute(&format!("{last}; COMMIT")).await?;
        self.open.set(false);
        Ok(())
    }

    /// Takes the open transaction back; if even that fails, the connection is of no use and the next call says so.
    pub(super) async fn rollback(&self) {
        if self.client.batch_execute("ROLLBACK").await.is_ok() {
            self.open.set(false);
        }
    }

    /// Takes back what a dropped call has left open, before statements outside of a transaction.
    pub(super) async fn settle(&self, action: &'static str) -> Result<()> {
        if self.open.get() {
            self.batch(action, "ROLLBACK").await?;
            self.open.set(false);
        }
        Ok(())
    }

    /// The error for something in a table of ours that we did not write.
    pub(super) fn damaged(&self, object: &str, reason: impl Into<String>) -> Error {
        Error::Damaged { place: self.origin.place.clone(), object: object.to_owned(), reason: reason.into() }
    }
}
