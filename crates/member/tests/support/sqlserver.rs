//! SQL Server databases for the checks that every adapter has to pass, on the server that `TRIBUTARY_TEST_MSSQL_URL`
//! names.

#![allow(unreachable_pub, reason = "shared by several test programs")]
#![allow(clippy::unwrap_used, reason = "test support: a check that cannot go on has failed")]
#![allow(dead_code, reason = "each test program uses a part of it")]

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use secrecy::SecretString;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tiberius::{AuthMethod, Client, ColumnData, Config, EncryptionLevel, QueryItem};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt as _};
use tributary_member::contract::fixture::{Factory, Fixture, GROUP, User};
use tributary_member::sqlserver::{Authentication, Encryption, SqlServerConnector, SqlServerSettings, Trust};
use tributary_member::{Connector, Direction};
use tributary_model::{MemberId, Value};
use tributary_testkit::services::mssql_url;

/// The parts of the url: `mssql://user:password@host:port/database?encrypt=off&trust=any`.
#[derive(Debug, Clone)]
pub struct Server {
    pub user: String,
    pub password: String,
    pub host: String,
    pub port: u16,
    pub encrypted: bool,
    /// Whether any certificate will do; test servers sign their own.
    pub trusted: bool,
}

impl Server {
    /// The server that tests use.
    pub fn of_tests() -> Self {
        let url = mssql_url().unwrap();
        let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        let (credentials, rest) = rest.rsplit_once('@').unwrap();
        let (user, password) = credentials.split_once(':').unwrap();
        let (address, options) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = address.rsplit_once(':').unwrap_or((address, "1433"));
        Self {
            user: user.to_owned(),
            password: password.to_owned(),
            host: host.to_owned(),
            port: port.parse().unwrap(),
            encrypted: !options.contains("encrypt=off"),
            trusted: options.contains("trust=any"),
        }
    }

    /// A member's settings for a database of this server.
    pub fn settings(&self, database: &str) -> SqlServerSettings {
        let authentication = Authentication::Sql {
            user: self.user.clone(),
            password: SecretString::from(self.password.clone()),
        };
        let mut settings = SqlServerSettings::new(&self.host, database, authentication);
        settings.port = Some(self.port);
        settings.encryption = if self.encrypted { Encryption::Required } else { Encryption::Off };
        settings.trust = if self.trusted { Trust::Any } else { Trust::System };
        // Checks change a table and go on at once.
        settings.look_age = Duration::ZERO;
        settings
    }

    /// Whether the server is Babelfish.
    pub async fn is_babelfish(&self) -> bool {
        let sql = "SELECT CAST(SERVERPROPERTY('BabelfishVersion') AS nvarchar(128))";
        self.connect("master").await.query(sql).await != [["NULL"]]
    }

    /// A connection as a user's program would make it.
    pub async fn connect(&self, database: &str) -> SqlServerUser {
        let mut config = Config::new();
        config.host(&self.host);
        config.port(self.port);
        config.database(database);
        config.authentication(AuthMethod::sql_server(&self.user, &self.password));
        config.encryption(if self.encrypted {
            EncryptionLevel::Required
        } else {
            EncryptionLevel::NotSupported
        });
        if self.trusted {
            config.trust_cert();
        }
        let tcp = TcpStream::connect(config.get_addr()).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        SqlServerUser(Client::connect(config, tcp.compat_write()).await.unwrap())
    }
}

/// Makes databases on the tests' server.
pub struct SqlServerFactory;

/// One database; dropped with the value.
pub struct SqlServerFixture {
    pub server: Server,
    pub database: String,
    /// Whether the server is Babelfish, which keeps microseconds only, and does not read `]]` in names.
    pub babelfish: bool,
}

/// A user's connection to a database.
pub struct SqlServerUser(pub Client<Compat<TcpStream>>);

impl SqlServerFixture {
    /// A fresh database.
    pub async fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = Server::of_tests();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let database = format!("tributary_check_{}_{number}", std::process::id());
        let mut admin = server.connect("master").await;
        let make = format!("CREATE DATABASE {database}");
        // A compatible server refuses to make two at once.
        for _ in 0..20 {
            if admin.attempt(&make).await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let snapshots =
            format!("SELECT snapshot_isolation_state FROM sys.databases WHERE name = '{database}'");
        if admin.query(&snapshots).await != [["1"]] {
            admin.run(&format!("ALTER DATABASE {database} SET ALLOW_SNAPSHOT_ISOLATION ON")).await;
        }
        let babelfish = server.is_babelfish().await;
        Self { server, database, babelfish }
    }

    /// The connector of the member `id`.
    pub fn sqlserver(&self, id: &str) -> SqlServerConnector {
        let settings = self.server.settings(&self.database);
        SqlServerConnector::new(MemberId::new(id).unwrap(), GROUP, settings)
    }

    /// A user's plain connection.
    pub async fn client(&self) -> SqlServerUser {
        self.server.connect(&self.database).await
    }
}

impl Drop for SqlServerFixture {
    fn drop(&mut self) {
        let (server, database) = (self.server.clone(), std::mem::take(&mut self.database));
        // The test's own runtime is busy with the test. What cannot be dropped stays: the server is one for tests.
        let dropped = std::thread::spawn(move || {
            block_on(async {
                let mut admin = server.connect("master").await;
                for _ in 0..20 {
                    if admin.attempt(&format!("DROP DATABASE {database}")).await.is_ok() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            });
        });
        let _ = dropped.join();
    }
}

#[async_trait(?Send)]
impl Factory for SqlServerFactory {
    async fn fresh(&self) -> Box<dyn Fixture> {
        Box::new(SqlServerFixture::new().await)
    }
}

#[async_trait(?Send)]
impl Fixture for SqlServerFixture {
    fn connector_of(&self, id: &str, direction: Direction) -> Box<dyn Connector> {
        let mut settings = self.server.settings(&self.database);
        settings.direction = direction;
        Box::new(SqlServerConnector::new(MemberId::new(id).unwrap(), GROUP, settings))
    }

    async fn user(&self) -> Box<dyn User> {
        Box::new(self.client().await)
    }

    async fn definitions(&self) -> Vec<String> {
        let sql = "SELECT CONCAT('schema ', name) FROM sys.schemas \
             UNION ALL SELECT CONCAT('object ', SCHEMA_NAME(o.schema_id), '.', o.name, ' ', CAST(o.type AS varchar(2))) FROM sys.objects AS o \
             WHERE o.is_ms_shipped = 0 AND o.type IN ('U', 'V', 'P', 'TR', 'SO', 'PK', 'F', 'UQ', 'C') \
             UNION ALL SELECT CONCAT('module ', m.definition) FROM sys.sql_modules AS m \
             UNION ALL SELECT CONCAT('column ', o.name, '.', c.name, ' ', TYPE_NAME(c.user_type_id), ' ', \
             CAST(c.max_length AS varchar(10)), ' ', CAST(c.scale AS varchar(10)), ' ', c.collation_name) \
             FROM sys.columns AS c JOIN sys.objects AS o ON o.object_id = c.object_id \
             WHERE o.type = 'U' AND o.is_ms_shipped = 0 \
             UNION ALL SELECT CONCAT('index ', o.name, '.', i.name) FROM sys.indexes AS i \
             JOIN sys.objects AS o ON o.object_id = i.object_id WHERE o.type = 'U' AND o.is_ms_shipped = 0 \
             AND i.name IS NOT NULL";
        let mut found: Vec<String> =
            self.client().await.query(sql).await.into_iter().map(|mut row| row.remove(0)).collect();
        found.sort_unstable();
        found
    }

    fn exceptions(&self) -> &'static str {
        "[DataSync].[dss_exceptions]"
    }

    /// Babelfish's catalog tells names of more than 63 bytes otherwise; those of our objects are longer than the table's.
    fn longest_name(&self) -> usize {
        if self.babelfish { 63 - "_dss_insert_trigger".len() } else { 100 }
    }

    fn holds(&self, value: &Value) -> bool {
        let microsecond = |ticks: &i64| !self.babelfish || ticks % 10 == 0;
        match value {
            Value::Time(ticks) | Value::Timestamp(ticks) | Value::TimestampOffset { ticks, .. } => {
                microsecond(ticks)
            }
            // Floats so small that they have lost digits are refused: what the server does to them is not told.
            Value::Float(number) => !number.is_subnormal(),
            Value::Double(number) => !number.is_subnormal(),
            _ => true,
        }
    }

    fn takes_name(&self, name: &str) -> bool {
        !self.babelfish || !name.contains(']')
    }

    /// Babelfish's OPENJSON reads neither escapes nor more than 4,000 characters; such texts are refused there.
    fn applies(&self, value: &Value) -> bool {
        let escaped = |c: char| c < ' ' || matches!(c, '"' | '\\');
        let reads = match value {
            Value::String(text) => !text.contains(escaped) && text.chars().count() <= 2_000,
            Value::Bytes(bytes) => bytes.len() <= 2_000,
            _ => true,
        };
        self.holds(value) && (reads || !self.babelfish)
    }

    /// Blanks at the end of a text do not tell keys apart.
    fn holds_key(&self, value: &Value) -> bool {
        self.holds(value) && !matches!(value, Value::String(text) if text.ends_with(' '))
    }
}

/// The checks' standard SQL as this server spells it.
fn translated(sql: &str) -> String {
    match sql {
        "BEGIN" => "BEGIN TRANSACTION".to_owned(),
        "COMMIT" => "COMMIT TRANSACTION".to_owned(),
        "ROLLBACK" => "ROLLBACK TRANSACTION".to_owned(),
        "SAVEPOINT s" => "SAVE TRANSACTION s".to_owned(),
        "ROLLBACK TO SAVEPOINT s" => "ROLLBACK TRANSACTION s".to_owned(),
        other => other.replace(" ADD COLUMN ", " ADD "),
    }
}

#[async_trait(?Send)]
impl User for SqlServerUser {
    async fn attempt(&mut self, sql: &str) -> Result<(), String> {
        let ran = async { self.0.simple_query(translated(sql)).await?.into_results().await };
        ran.await.map(drop).map_err(|error| error.to_string())
    }

    async fn query(&mut self, sql: &str) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        let mut stream = match self.0.simple_query(sql).await {
            Ok(stream) => stream,
            Err(error) => panic!("the database refused {sql}: {error}"),
        };
        while let Some(item) = stream.try_next().await.unwrap() {
            if let QueryItem::Row(row) = item {
                rows.push(row.into_iter().map(|cell| shown(&cell)).collect());
            }
        }
        rows
    }
}

/// A value as text.
fn shown(cell: &ColumnData<'static>) -> String {
    let text = match cell {
        ColumnData::Bit(value) => value.map(|value| u8::from(value).to_string()),
        ColumnData::U8(value) => value.map(|value| value.to_string()),
        ColumnData::I16(value) => value.map(|value| value.to_string()),
        ColumnData::I32(value) => value.map(|value| value.to_string()),
        ColumnData::I64(value) => value.map(|value| value.to_string()),
        ColumnData::F32(value) => value.map(|value| format!("{value:?}")),
        ColumnData::F64(value) => value.map(|value| format!("{value:?}")),
        ColumnData::String(value) => value.as_ref().map(ToString::to_string),
        ColumnData::Binary(value) => value.as_ref().map(|value| format!("{value:02x?}")),
        other => Some(format!("{other:?}")),
    };
    text.unwrap_or_else(|| "NULL".to_owned())
}

/// Runs a future to its end on this thread; a check that hangs has failed.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(300), future).await.expect("the check came to no end")
    })
}
