//! PostgreSQL databases for the checks that every adapter has to pass.

#![allow(unreachable_pub, reason = "shared by several test programs")]
#![allow(clippy::unwrap_used, reason = "test support: a check that cannot go on has failed")]
#![allow(dead_code, reason = "each test program uses a part of it")]

use async_trait::async_trait;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use tributary_member::contract::fixture::{Factory, Fixture, GROUP, User};
use tributary_member::postgres::{PostgresConnector, PostgresSettings};
use tributary_member::{Connector, Direction};
use tributary_model::time::TICKS_A_DAY;
use tributary_model::{MemberId, Value};
use tributary_testkit::services::{Postgres, shared_postgres};

/// Makes databases on the shared server.
pub struct PostgresFactory;

/// One database.
pub struct PostgresFixture {
    server: &'static Postgres,
    database: String,
}

/// A user's connection to a database.
pub struct PostgresUser(pub Client);

impl PostgresFixture {
    /// A fresh database on the shared server.
    pub async fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = shared_postgres();
        let database = format!("check_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let admin = connect(&server.url("postgres")).await;
        admin.batch_execute(&format!("CREATE DATABASE {database} TEMPLATE template0")).await.unwrap();
        Self { server, database }
    }

    /// Its url, for its owner.
    pub fn url(&self) -> String {
        self.server.url(&self.database)
    }

    /// Its url, for this user.
    pub fn url_of(&self, user: &str) -> String {
        self.server.url_of(user, &self.database)
    }

    /// Its name.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The settings of the member `id`, open to change.
    pub fn settings(&self, id: &str) -> PostgresSettings {
        PostgresSettings::from_url(&MemberId::new(id).unwrap(), &self.url()).unwrap()
    }

    /// The connector of the member `id`.
    pub fn postgres(&self, id: &str) -> PostgresConnector {
        PostgresConnector::new(MemberId::new(id).unwrap(), GROUP, self.settings(id))
    }

    /// A user's plain connection.
    pub async fn client(&self) -> Client {
        connect(&self.url()).await
    }
}

/// A connection as a user's program would make it.
pub async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(async move {
        let _ = connection.await;
    });
    client
}

/// Whether the server has an extension to install.
pub async fn has_extension(name: &str) -> bool {
    let client = connect(&shared_postgres().url("postgres")).await;
    !texts(&client, &format!("SELECT 1 FROM pg_available_extensions WHERE name = '{name}'")).await.is_empty()
}

/// Every row of a query as text.
pub async fn texts(client: &Client, sql: &str) -> Vec<Vec<String>> {
    let messages = match client.simple_query(sql).await {
        Ok(messages) => messages,
        Err(error) => panic!("the database refused {sql}: {}", told(&error)),
    };
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|at| row.get(at).unwrap_or("NULL").to_owned()).collect())
        }
        _ => None,
    });
    rows.collect()
}

/// What the server said.
pub fn told(error: &tokio_postgres::Error) -> String {
    error
        .as_db_error()
        .map_or_else(|| error.to_string(), |said| format!("{}: {}", said.code().code(), said.message()))
}

#[async_trait(?Send)]
impl Factory for PostgresFactory {
    async fn fresh(&self) -> Box<dyn Fixture> {
        Box::new(PostgresFixture::new().await)
    }
}

#[async_trait(?Send)]
impl Fixture for PostgresFixture {
    fn connector_of(&self, id: &str, direction: Direction) -> Box<dyn Connector> {
        Box::new(self.postgres(id).direction(direction))
    }

    async fn user(&self) -> Box<dyn User> {
        Box::new(PostgresUser(self.client().await))
    }

    async fn definitions(&self) -> Vec<String> {
        let sql = "SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname !~ '^pg_' \
             UNION ALL SELECT 'column ' || a.attrelid::regclass || '.' || attname || ' ' || format_type(atttypid, atttypmod) \
             FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid WHERE attnum > 0 AND NOT attisdropped \
             AND relnamespace::regnamespace::text !~ '^(pg_|information_schema)' \
             UNION ALL SELECT 'function ' || oid::regprocedure || \
             md5(regexp_replace(prosrc, 'constraintdef\\(\\d+', '')) FROM pg_proc \
             WHERE pronamespace::regnamespace::text !~ '^(pg_|information_schema)' \
             UNION ALL SELECT 'trigger ' || pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal \
             UNION ALL SELECT 'constraint ' || conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint \
             WHERE connamespace::regnamespace::text !~ '^(pg_|information_schema)' ORDER BY 1";
        texts(&self.client().await, sql).await.into_iter().map(|mut row| row.remove(0)).collect()
    }

    fn exceptions(&self) -> &'static str {
        "\"DataSync\".dss_exceptions"
    }

    fn longest_name(&self) -> usize {
        63
    }

    /// Microseconds, and no offset.
    fn holds(&self, value: &Value) -> bool {
        match value {
            Value::Time(ticks) => ticks % 10 == 0 && *ticks < TICKS_A_DAY,
            Value::Timestamp(ticks) => ticks % 10 == 0,
            Value::TimestampOffset { ticks, offset_minutes } => ticks % 10 == 0 && *offset_minutes == 0,
            _ => true,
        }
    }
}

#[async_trait(?Send)]
impl User for PostgresUser {
    async fn attempt(&mut self, sql: &str) -> Result<(), String> {
        self.0.batch_execute(sql).await.map_err(|error| told(&error))
    }

    async fn query(&mut self, sql: &str) -> Vec<Vec<String>> {
        texts(&self.0, sql).await
    }
}

/// Runs a future to its end on this thread; a check that hangs has failed.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(300), future).await.expect("the check came to no end")
    })
}
