//! Apply's statements: prepared once a connection, many under way at once, with the server's own errors, since what
//! they mean for a batch is told from them.

use super::PostgresMember;
use super::refusal::is_consequence;
use bytes::Bytes;
use futures_util::SinkExt as _;
use std::pin::pin;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

/// What a statement comes to, in the client library's words.
pub(super) type Database<T> = Result<T, tokio_postgres::Error>;

/// What statements that were under way at the same time came to, or why the first of them failed.
pub(super) fn all<T>(outcomes: impl IntoIterator<Item = Database<T>>) -> Database<Vec<T>> {
    let mut all = Vec::new();
    let mut failure: Option<tokio_postgres::Error> = None;
    for outcome in outcomes {
        match outcome {
            Ok(value) => all.push(value),
            Err(error) if failure.as_ref().is_none_or(is_consequence) => failure = Some(error),
            Err(_) => {}
        }
    }
    failure.map_or(Ok(all), Err)
}

/// A query's rows.
pub(super) async fn query(
    member: &PostgresMember,
    sql: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Database<Vec<Row>> {
    let statement = member.session.prepare(sql).await?;
    member.session.client.query(&statement, parameters).await
}

/// Runs a statement; tells how many rows it was about.
pub(super) async fn execute(
    member: &PostgresMember,
    sql: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Database<u64> {
    let statement = member.session.prepare(sql).await?;
    member.session.client.execute(&statement, parameters).await
}

/// Runs a COPY with these rows; tells how many were taken.
pub(super) async fn copy(member: &PostgresMember, sql: &str, rows: Bytes) -> Database<u64> {
    let statement = member.session.prepare(sql).await?;
    let mut sink = pin!(member.session.client.copy_in::<_, Bytes>(&statement).await?);
    sink.send(rows).await?;
    sink.finish().await
}
