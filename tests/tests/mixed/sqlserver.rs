//! A SQL Server beside SQLite and PostgreSQL: each has Chinook as its own script makes it, and all become one; and a column
//! that its table gains.

use crate::chinook::{SQLITE, postgres_script};
use crate::support::{at, connect, database, texts};
use std::future::Future;
use tiberius::{AuthMethod, Client, Config, EncryptionLevel, Row};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt as _};
use tributary_testkit::services::mssql_url;
use tributary_testkit::{GroupFolder, Program};
use tributary_tests::CHINOOK_TABLES;

const SCRIPT: &str = include_str!("../../data/chinook/Chinook_SqlServer.sql");

/// The server that tests use: `mssql://user:password@host:port/database?encrypt=off&trust=any`.
pub(crate) struct Server {
    user: String,
    password: String,
    address: String,
    options: String,
}

impl Server {
    pub(crate) fn of_tests() -> Self {
        let url = mssql_url().unwrap();
        let (credentials, place) = url.split_once("://").unwrap().1.rsplit_once('@').unwrap();
        let (user, password) = credentials.split_once(':').unwrap();
        let (address, rest) = place.split_once('/').unwrap();
        let options = rest.split_once('?').map_or("", |(_, options)| options);
        let [user, password, address, options] = [user, password, address, options].map(str::to_owned);
        Self { user, password, address, options }
    }

    /// What the group file says of a member in this database.
    pub(crate) fn member(&self, database: &str) -> String {
        let Self { user, password, address, options } = self;
        format!("{}, password: \"{password}\"", at(&format!("mssql://{user}@{address}/{database}?{options}")))
    }

    pub(crate) async fn connect(&self, database: &str) -> Client<Compat<TcpStream>> {
        let (host, port) = self.address.rsplit_once(':').unwrap_or((&self.address, "1433"));
        let mut config = Config::new();
        config.host(host);
        config.port(port.parse().unwrap());
        config.database(database);
        config.authentication(AuthMethod::sql_server(&self.user, &self.password));
        if self.options.contains("encrypt=off") {
            config.encryption(EncryptionLevel::NotSupported);
        }
        if self.options.contains("trust=any") {
            config.trust_cert();
        }
        let tcp = TcpStream::connect(config.get_addr()).await.unwrap();
        Client::connect(config, tcp.compat_write()).await.unwrap()
    }
}

async fn run(client: &mut Client<Compat<TcpStream>>, sql: &str) -> Vec<Row> {
    answer(client, sql).await.unwrap_or_else(|error| panic!("the server refused {sql:.200}: {error}"))
}

/// The rows of the first answer to a batch.
pub(crate) async fn answer(client: &mut Client<Compat<TcpStream>>, sql: &str) -> tiberius::Result<Vec<Row>> {
    client.simple_query(sql).await?.into_first_result().await
}

pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Plays in a database of the server's that these batches have filled, and drops it.
pub(crate) fn in_database(purpose: &str, batches: &[String], play: impl FnOnce(&Server, &str)) {
    let server = Server::of_tests();
    let name = format!("tributary_{purpose}_{}", std::process::id());
    wait(async {
        let mut admin = server.connect("master").await;
        run(&mut admin, &format!("CREATE DATABASE {name}")).await;
        let mut office = server.connect(&name).await;
        run(&mut office, &format!("ALTER DATABASE {name} SET ALLOW_SNAPSHOT_ISOLATION ON")).await;
        for batch in batches.iter().filter(|batch| !batch.trim().is_empty()) {
            run(&mut office, batch).await;
        }
    });
    play(&server, &name);
    wait(async {
        let mut admin = server.connect("master").await;
        run(&mut admin, &format!("DROP DATABASE {name}")).await;
    });
}

pub(crate) fn chinook_lives_in_three_dialects() {
    let (_, tables) = SCRIPT.split_once("USE [Chinook];").unwrap();
    let lines = tables.lines().collect::<Vec<_>>();
    let batches: Vec<String> =
        lines.split(|line| line.trim() == "GO").map(|batch| batch.join("\n")).collect();
    in_database("mixed", &batches, play);
}

/// What a SQL Server's table gains is filled with what the group has, and edits before, meanwhile and afterwards wipe
/// nobody's values.
pub(crate) fn a_gained_column_is_filled() {
    let table = "CREATE TABLE [Customer] ([Id] int NOT NULL PRIMARY KEY, [Name] nvarchar(40) NOT NULL)";
    in_database("refill", &[table.to_owned()], |server, name| {
        let members = [("hq", at("sqlite:hq.db")), ("office", server.member(name))];
        let group = GroupFolder::with_members("grown", "{ embedded: ./log.db }", &members, &["Customer"], "");
        let hq = group.connect("hq");
        hq.execute_batch(
            "CREATE TABLE Customer (Id INTEGER PRIMARY KEY, Name TEXT NOT NULL, City TEXT);
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
             INSERT INTO Customer SELECT i, 'name ' || i, 'city ' || i FROM n",
        )
        .unwrap();
        let edit = |sql: &str| wait(async { run(&mut server.connect(name).await, sql).await });
        Program::ok(&group, &["provision"]);
        Program::ok(&group, &["sync", "--timeout", "180s"]);
        edit("UPDATE [Customer] SET [Name] = N'before' WHERE [Id] % 10 = 1");
        edit("ALTER TABLE [Customer] ADD [City] nvarchar(40) NOT NULL DEFAULT N'unknown'");
        // Given by somebody before the triggers knew of the column.
        edit("UPDATE [Customer] SET [City] = N'given' WHERE [Id] = 5");
        Program::ok(&group, &["provision"]);
        edit("UPDATE [Customer] SET [Name] = N'meanwhile' WHERE [Id] % 10 = 2");
        assert!(Program::ok(&group, &["status"]).contains("refilling"));
        hq.execute_batch("UPDATE Customer SET City = 'moved' WHERE Id % 100 = 7").unwrap();
        Program::ok(&group, &["sync", "--timeout", "180s"]);
        Program::ok(&group, &["verify"]);
        edit("UPDATE [Customer] SET [Name] = N'after' WHERE [Id] % 10 = 3");
        edit("UPDATE [Customer] SET [City] = N'unknown' WHERE [Id] = 8");
        Program::ok(&group, &["sync", "--timeout", "180s"]);
        Program::ok(&group, &["verify"]);
        Program::assert_no_exceptions(&group);
        let count = |condition: &str| -> i64 {
            let sql = format!("SELECT count(*) FROM Customer WHERE {condition}");
            hq.query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        assert_eq!(count("City = 'city ' || Id"), 1200 - 12 - 2);
        assert_eq!((count("City = 'moved'"), count("City = 'given'"), count("City = 'unknown'")), (12, 1, 1));
        let names = ["before", "meanwhile", "after"].map(|name| count(&format!("Name = '{name}'")));
        assert_eq!(names, [120; 3]);
        Program::ok(&group, &["deprovision"]);
    });
}

fn play(server: &Server, name: &str) {
    let cloud = database();
    let members = [("hq", at("sqlite:hq.db")), ("cloud", at(&cloud)), ("office", server.member(name))];
    let group = GroupFolder::with_members("three", "{ embedded: ./log.db }", &members, &CHINOOK_TABLES, "");
    let hq = group.connect("hq");
    hq.execute_batch(SQLITE.trim_start_matches('\u{feff}')).unwrap();
    let mut cloud = connect(&cloud);
    cloud.batch_execute(postgres_script()).unwrap();
    let checked = Program::ok(&group, &["check"]);
    // A compatible server may tell names in small letters.
    let narrower = "office, invoiceline.quantity: of hq, an integer outside";
    assert!(checked.to_lowercase().contains(narrower), "{checked}");
    let planned = Program::ok(&group, &["provision", "--dry-run"]);
    assert!(planned.contains(";\nGO\n"), "a batch each for SQL Server's own tools");
    Program::ok(&group, &["provision"]);
    Program::ok(&group, &["sync", "--timeout", "180s"]);
    Program::ok(&group, &["verify"]);

    hq.execute_batch("UPDATE InvoiceLine SET Quantity = Quantity + 1 WHERE InvoiceLineId <= 50").unwrap();
    cloud.batch_execute("INSERT INTO artist VALUES (9001, 'from the cloud'); DELETE FROM invoice_line WHERE invoice_line_id > 2230").unwrap();
    wait(async {
        let mut office = server.connect(name).await;
        run(&mut office, "UPDATE [Track] SET [Name] = N'from the office \u{c4}\u{d6}', [UnitPrice] = 1.50 WHERE [TrackId] <= 3").await;
        run(&mut office, "INSERT INTO [Artist] VALUES (9002, N'from the office'); DELETE FROM [PlaylistTrack] WHERE [PlaylistId] = 1 AND [TrackId] < 50").await;
    });
    Program::ok(&group, &["sync", "--timeout", "180s"]);
    Program::ok(&group, &["verify"]);
    Program::assert_no_exceptions(&group);
    let names = texts(&mut cloud, "SELECT name AS n FROM track WHERE track_id = 2");
    assert_eq!(names, ["{\"n\":\"from the office \u{c4}\u{d6}\"}"]);
    let artists = wait(async {
        let mut office = server.connect(name).await;
        let rows =
            run(&mut office, "SELECT [Name] FROM [Artist] WHERE [ArtistId] > 9000 ORDER BY [ArtistId]").await;
        rows.iter().map(|row| row.get::<&str, _>(0).unwrap().to_owned()).collect::<Vec<_>>()
    });
    assert_eq!(artists, ["from the cloud", "from the office"]);
    Program::ok(&group, &["deprovision"]);
}
