//! One connection as the adapter uses it: batches, queries with parameters, transactions, and what is known when a
//! call was cut short.
//!
//! The client library reads answers as they come and is left in the middle of one when a future is dropped. A session
//! notes that a call is under way, and one that finds the note of another counts as lost: what was sent may or may
//! not have been done, and a transaction may stand open.

use super::failure::Whose;
use crate::{Error, Result};
use futures_util::TryStreamExt as _;
use std::borrow::Cow;
use std::future::Future;
use std::time::Duration;
use tiberius::{Client, ColumnData, IntoSql, Query, QueryItem, QueryStream};
use tokio::net::TcpStream;
use tokio_util::compat::Compat;

/// The client library's connection.
pub(crate) type Wire = Client<Compat<TcpStream>>;

/// A row as it came.
pub(crate) type Cells = Vec<ColumnData<'static>>;

/// A parameter.
pub(crate) struct Bound<'a>(pub(crate) ColumnData<'a>);

impl<'a> IntoSql<'a> for Bound<'a> {
    fn into_sql(self) -> ColumnData<'a> {
        self.0
    }
}

/// A text as a parameter.
pub(crate) fn text(text: &str) -> ColumnData<'_> {
    ColumnData::String(Some(Cow::Borrowed(text)))
}

/// A number as a parameter.
pub(crate) fn long(number: i64) -> ColumnData<'static> {
    ColumnData::I64(Some(number))
}

/// Bytes as a parameter.
pub(crate) fn binary(bytes: &[u8]) -> ColumnData<'_> {
    ColumnData::Binary(Some(Cow::Borrowed(bytes)))
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Session {
    wire: Wire,
    whose: Whose,
    /// Whether a call was begun and has not ended.
    under_way: bool,
    /// Whether the connection is known to be of no more use.
    lost: bool,
    reply_timeout: Duration,
}

impl Session {
    pub(crate) fn new(wire: Wire, whose: Whose, reply_timeout: Duration) -> Self {
        Self { wire, whose, under_way: false, lost: false, reply_timeout }
    }

    /// Whose it is.
    pub(crate) fn whose(&self) -> &Whose {
        &self.whose
    }

    /// Runs a batch without parameters; what it selects is passed over.
    pub(crate) async fn batch(&mut self, action: &'static str, sql: &str) -> Result<()> {
        self.results(action, sql).await.map(drop)
    }

    /// Runs a batch without parameters and gives every result set, in order.
    pub(crate) async fn results(&mut self, action: &'static str, sql: &str) -> Result<Vec<Vec<Cells>>> {
        self.begin(action)?;
        let timeout = self.reply_timeout;
        let ran = async {
            let stream = within(timeout, self.wire.simple_query(sql)).await?;
            let mut sets: Vec<Vec<Cells>> = Vec::new();
            each_item(timeout, stream, |item| match item {
                QueryItem::Metadata(_) => sets.push(Vec::new()),
                QueryItem::Row(row) => {
                    if let Some(set) = sets.last_mut() {
                        set.push(row.into_iter().collect());
                    }
                }
            })
            .await?;
            Ok(sets)
        };
        let ran = ran.await;
        self.end(action, ran)
    }

    /// Runs a statement with parameters `@P1`, … and gives its rows.
    pub(crate) async fn query(
        &mut self,
        action: &'static str,
        sql: &str,
        parameters: Vec<ColumnData<'_>>,
    ) -> Result<Vec<Cells>> {
        let mut rows = Vec::new();
        self.each(action, sql, parameters, |row| rows.push(row)).await?;
        Ok(rows)
    }

    /// The first row of a query, if it has one.
    pub(crate) async fn row(
        &mut self,
        action: &'static str,
        sql: &str,
        parameters: Vec<ColumnData<'_>>,
    ) -> Result<Option<Cells>> {
        Ok(self.query(action, sql, parameters).await?.into_iter().next())
    }

    /// Runs a statement with parameters and visits its rows as they come.
    pub(crate) async fn each(
        &mut self,
        action: &'static str,
        sql: &str,
        parameters: Vec<ColumnData<'_>>,
        mut visit: impl FnMut(Cells),
    ) -> Result<()> {
        self.begin(action)?;
        let timeout = self.reply_timeout;
        let ran = async {
            let mut query = Query::new(sql);
            for parameter in parameters {
                query.bind(Bound(parameter));
            }
            let stream = within(timeout, query.query(&mut self.wire)).await?;
            each_item(timeout, stream, |item| {
                if let QueryItem::Row(row) = item {
                    visit(row.into_iter().collect());
                }
            })
            .await
        };
        let ran = ran.await;
        self.end(action, ran)
    }

    /// Runs a statement with parameters and gives the number of rows that it changed.
    pub(crate) async fn execute(
        &mut self,
        action: &'static str,
        sql: &str,
        parameters: Vec<ColumnData<'_>>,
    ) -> Result<u64> {
        self.begin(action)?;
        let timeout = self.reply_timeout;
        let ran = async {
            let mut query = Query::new(sql);
            for parameter in parameters {
                query.bind(Bound(parameter));
            }
            Ok(within(timeout, query.execute(&mut self.wire)).await?.total())
        };
        let ran = ran.await;
        self.end(action, ran)
    }

    /// Notes that a call is under way.
    fn begin(&mut self, action: &'static str) -> Result<()> {
        if self.under_way || self.lost {
            self.lost = true;
            let why = if self.under_way { "an earlier call was cut short" } else { "it was lost before" };
            return Err(self.whose.lost(action, why));
        }
        self.under_way = true;
        Ok(())
    }

    /// Ends what [`Session::begin`] began.
    fn end<T>(
        &mut self,
        action: &'static str,
        ran: std::result::Result<T, tiberius::error::Error>,
    ) -> Result<T> {
        self.under_way = false;
        ran.map_err(|source| {
            let error = self.whose.classify(action, source);
            self.lost |= matches!(error, Error::Unreachable { .. });
            error
        })
    }

    /// Begins a transaction.
    pub(crate) async fn begin_transaction(&mut self, action: &'static str) -> Result<()> {
        self.batch(action, "BEGIN TRANSACTION").await
    }

    /// Commits it.
    pub(crate) async fn commit(&mut self, action: &'static str) -> Result<()> {
        self.batch(action, "COMMIT TRANSACTION").await
    }

    /// Takes back whatever is open; after a failure the server may have done so by itself.
    pub(crate) async fn roll_back(&mut self) -> Result<()> {
        if self.lost || self.under_way {
            // The server takes back what a closed connection left.
            return Ok(());
        }
        self.batch("take a transaction back", "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION").await
    }

    /// Ends a transaction: commits what went well, takes everything else back.
    pub(crate) async fn finish<T>(&mut self, action: &'static str, done: Result<T>) -> Result<T> {
        match done {
            Ok(value) => {
                self.commit(action).await?;
                Ok(value)
            }
            Err(error) => {
                // The first error tells more than that of the taking back.
                if let Err(second) = self.roll_back().await {
                    tracing::debug!(error = %second, "a transaction that failed could not be taken back");
                    self.lost = true;
                }
                Err(error)
            }
        }
    }
}

/// Visits everything that a stream brings, to its end.
async fn each_item(
    timeout: Duration,
    mut stream: QueryStream<'_>,
    mut visit: impl FnMut(QueryItem),
) -> std::result::Result<(), tiberius::error::Error> {
    while let Some(item) = within(timeout, stream.try_next()).await? {
        visit(item);
    }
    Ok(())
}

/// Gives up a server that has fallen silent.
async fn within<T>(
    timeout: Duration,
    call: impl Future<Output = std::result::Result<T, tiberius::error::Error>>,
) -> std::result::Result<T, tiberius::error::Error> {
    match tokio::time::timeout(timeout, call).await {
        Ok(done) => done,
        Err(_) => Err(tiberius::error::Error::Io {
            kind: std::io::ErrorKind::TimedOut,
            message: format!("the server was silent for {} s", timeout.as_secs()),
        }),
    }
}
