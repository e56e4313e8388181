//! Databases on the shared server, and what they hold.

use postgres::{Client, NoTls};
use std::sync::atomic::{AtomicU32, Ordering};
use tributary_testkit::services::shared_postgres;

/// The address of a fresh database.
pub(crate) fn database() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("mixed_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let server = shared_postgres();
    let mut admin = connect(&server.url("postgres"));
    admin.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0")).unwrap();
    server.url(&name)
}

/// What the group file says of a member at this address.
pub(crate) fn at(url: &str) -> String {
    format!("url: \"{url}\"")
}

/// A user's connection.
pub(crate) fn connect(url: &str) -> Client {
    Client::connect(url, NoTls).unwrap()
}

/// A query's rows, each value as text, sorted.
pub(crate) fn texts(client: &mut Client, sql: &str) -> Vec<String> {
    let mut rows: Vec<String> = client
        .query(&format!("SELECT row_to_json(q)::text FROM ({sql}) AS q"), &[])
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    rows.sort_unstable();
    rows
}
