//! A SQL Server beside SQLite and PostgreSQL: each has Chinook as its own script makes it, and all become one.

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
struct Server {
    user: String,
    password: String,
    address: String,
    options: String,
}

impl Server {
    fn of_tests() -> Self {
        let url = mssql_url().unwrap();
        let (credentials, place) = url.split_once("://").unwrap().1.rsplit_once('@').unwrap();
        let (user, password) = credentials.split_once(':').unwrap();
        let (address, rest) = place.split_once('/').unwrap();
        let options = rest.split_once('?').map_or("", |(_, options)| options);
        let [user, password, address, options] = [user, password, address, options].map(str::to_owned);
        Self { user, password, address, options }
    }

    /// What the group file says of a member in this database.
    fn member(&self, database: &str) -> String {
        let Self { user, password, address, options } = self;
        format!("{}, password: \"{password}\"", at(&format!("mssql://{user}@{address}/{database}?{options}")))
    }

    async fn connect(&self, database: &str) -> Client<Compat<TcpStream>> {
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
    let answer = async { client.simple_query(sql).await?.into_first_result().await };
    answer.await.unwrap_or_else(|error| panic!("the server refused {sql:.200}: {error}"))
}

fn wait<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

pub(crate) fn chinook_lives_in_three_dialects() {
    let server = Server::of_tests();
    let name = format!("tributary_mixed_{}", std::process::id());
    wait(async {
        let mut admin = server.connect("master").await;
        run(&mut admin, &format!("CREATE DATABASE {name}")).await;
        let mut office = server.connect(&name).await;
        run(&mut office, &format!("ALTER DATABASE {name} SET ALLOW_SNAPSHOT_ISOLATION ON")).await;
        let (_, tables) = SCRIPT.split_once("USE [Chinook];").unwrap();
        for batch in tables.lines().collect::<Vec<_>>().split(|line| line.trim() == "GO") {
            let batch = batch.join("\n");
            if !batch.trim().is_empty() {
                run(&mut office, &batch).await;
            }
        }
    });
    play(&server, &name);
    wait(async {
        let mut admin = server.connect("master").await;
        run(&mut admin, &format!("DROP DATABASE {name}")).await;
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
