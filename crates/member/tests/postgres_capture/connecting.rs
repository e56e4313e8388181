//! Connections: refused, lost, and made again.

use crate::support::{PostgresFixture, connect};
use crate::world::{World, item, run};
use std::time::Duration;
use tributary_member::contract::fixture::{GROUP, bind};
use tributary_member::postgres::{PostgresConnector, PostgresSettings};
use tributary_member::{Disposition, Error, ErrorKind, Member as _, TablePosition};
use tributary_model::MemberId;
use tributary_testkit::services::{Certificates, Need, Postgres, PostgresSettings as Server};

pub(crate) fn tests() -> Vec<(&'static str, fn())> {
    tests!("connecting":
        what_is_not_there,
        backends_that_are_killed,
        a_server_that_comes_back,
        passwords_that_change,
        encryption_that_is_asked_for,
        certificates_are_checked,
        statements_that_take_too_long,
        a_socket_will_do,
    )
}

async fn refused(url: &str) -> Error {
    let id = MemberId::new("hq").unwrap();
    let settings = PostgresSettings::from_url(&id, url).unwrap();
    PostgresConnector::new(id, GROUP, settings).open(&[]).await.map(|_| ()).unwrap_err()
}

async fn what_is_not_there() {
    let fixture = PostgresFixture::new().await;
    let error = refused(&fixture.url().replace(fixture.database(), "nowhere")).await;
    assert_eq!((error.kind(), error.disposition()), (ErrorKind::NoDatabase, Disposition::Stop));
    let error = refused(&fixture.url_of("nobody_here")).await;
    assert_eq!((error.kind(), error.disposition()), (ErrorKind::Credentials, Disposition::Stop));
    let error = refused("postgresql://u@127.0.0.1:1/d").await;
    assert_eq!((error.kind(), error.disposition()), (ErrorKind::Unreachable, Disposition::Retry));
}

async fn backends_that_are_killed() {
    let mut world = World::items().await;
    world.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'tributary %' AND datname = current_database()").await;
    let error = world.member.poll(0, &world.position, 10).await.unwrap_err();
    assert_eq!((error.kind(), error.disposition()), (ErrorKind::Unreachable, Disposition::Retry), "{error}");
    world.member = world.fixture.postgres("hq").open(std::slice::from_ref(&world.binding)).await.unwrap();
    world.check("INSERT INTO item VALUES (1, 'a')", &[("1", "1|a")]).await;
}

async fn a_server_that_comes_back() {
    let mut server = Postgres::start(Server { durable: true, ..Server::default() });
    let id = MemberId::new("hq").unwrap();
    let connector = PostgresConnector::new(
        id.clone(),
        GROUP,
        PostgresSettings::from_url(&id, &server.url("postgres")).unwrap(),
    );
    let mut member = connector.open(&[bind(item())]).await.unwrap();
    member.provision().await.unwrap();
    let mut position = tributary_member::TablePosition::default();
    let user = connect(&server.url("postgres")).await;
    run(&user, "INSERT INTO item VALUES (1, 'a')").await;
    position = member.poll(0, &position, 10).await.unwrap().next;
    run(&user, "INSERT INTO item VALUES (2, 'b')").await;
    server.kill();
    assert_eq!(member.poll(0, &position, 10).await.unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(connector.open(&[]).await.map(|_| ()).unwrap_err().kind(), ErrorKind::Unreachable);
    server.restart();
    let mut member = connector.open(&[bind(item())]).await.unwrap();
    assert_eq!(member.poll(0, &position, 10).await.unwrap().changes.len(), 1);
    server.stop();
    server.restart();
    let mut member = connector.open(&[bind(item())]).await.unwrap();
    assert_eq!(member.poll(0, &position, 10).await.unwrap().changes.len(), 1);
}

async fn passwords_that_change() {
    let server = Postgres::start(Server::default());
    let user = connect(&server.url("postgres")).await;
    run(
        &user,
        "SET password_encryption = 'scram-sha-256'; CREATE ROLE sync LOGIN SUPERUSER PASSWORD 'old-geheim'",
    )
    .await;
    let file = server.socket().join("data/pg_hba.conf");
    std::fs::write(&file, "host all sync all scram-sha-256\nhost all all all trust\nlocal all all trust\n")
        .unwrap();
    run(&user, "SELECT pg_reload_conf()").await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let id = MemberId::new("hq").unwrap();
    let settings = PostgresSettings::from_url(&id, &server.url_of("sync", "postgres")).unwrap();
    let with =
        |password: &str| PostgresConnector::new(id.clone(), GROUP, settings.clone().password(password));
    with("old-geheim").open(&[]).await.unwrap();
    run(&user, "ALTER ROLE sync PASSWORD 'new-geheim'").await;
    for connector in [with("old-geheim"), PostgresConnector::new(id.clone(), GROUP, settings.clone())] {
        let error = connector.open(&[]).await.map(|_| ()).unwrap_err();
        assert_eq!((error.kind(), error.disposition()), (ErrorKind::Credentials, Disposition::Stop));
        let told = format!("{error} {error:?} {connector:?}");
        assert!(told.contains("sync") && !told.contains("geheim"), "{told}");
    }
    with("new-geheim").open(&[]).await.unwrap();
}

async fn encryption_that_is_asked_for() {
    let fixture = PostgresFixture::new().await;
    for mode in ["require", "verify-ca", "verify-full"] {
        let error = refused(&format!("{}?sslmode={mode}", fixture.url())).await;
        assert_eq!((error.kind(), error.disposition()), (ErrorKind::Tls, Disposition::Stop), "{error}");
        assert!(error.to_string().contains("ssl = on"), "{error}");
    }
    let error = refused(&format!("{}?sslmode=verify-ca&sslrootcert=/nowhere.pem", fixture.url())).await;
    assert!(error.to_string().contains("/nowhere.pem"), "{error}");
}

async fn certificates_are_checked() {
    if Need::Openssl.missing().is_some() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(folder.path());
    let server = Postgres::start(Server { tls: Some(certificates.server.clone()), ..Server::default() });
    let id = MemberId::new("hq").unwrap();
    let url = server.url("postgres").replace("127.0.0.1", "localhost");
    let (ours, other) = (certificates.ca.display(), certificates.other_ca.display());
    for (options, works) in [
        ("sslmode=disable".to_owned(), true),
        ("sslmode=prefer".to_owned(), true),
        ("sslmode=require".to_owned(), false),
        (format!("sslmode=require&sslrootcert={ours}"), true),
        (format!("sslmode=verify-ca&sslrootcert={ours}"), true),
        (format!("sslmode=verify-full&sslrootcert={ours}"), true),
        (format!("sslmode=verify-ca&sslrootcert={other}"), false),
        (format!("sslmode=verify-full&sslrootcert={other}"), false),
    ] {
        let settings = PostgresSettings::from_url(&id, &format!("{url}?{options}")).unwrap();
        let opened = PostgresConnector::new(id.clone(), GROUP, settings).open(&[]).await;
        match opened {
            Ok(_) => assert!(works, "{options}"),
            Err(error) => assert!(!works && error.kind() == ErrorKind::Tls, "{options}: {error:?}"),
        }
    }
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl";
    let user = connect(&server.url("postgres")).await;
    let settings = PostgresSettings::from_url(&id, &format!("{url}?sslmode=prefer")).unwrap();
    let _member = PostgresConnector::new(id, GROUP, settings).open(&[]).await.unwrap();
    assert_eq!(crate::support::texts(&user, encrypted).await, [["1"]]);
}

async fn statements_that_take_too_long() {
    let world = World::items().await;
    let user = world.fixture.client().await;
    run(&user, "BEGIN; LOCK TABLE item IN ACCESS EXCLUSIVE MODE").await;
    let id = MemberId::new("hq").unwrap();
    let mut settings = PostgresSettings::from_url(&id, &world.fixture.url()).unwrap();
    settings.lock_timeout = Duration::from_millis(100);
    let connector = PostgresConnector::new(id, GROUP, settings);
    let mut member = connector.open(std::slice::from_ref(&world.binding)).await.unwrap();
    let begin = TablePosition::default();
    for error in [
        member.poll(0, &world.position, 10).await.unwrap_err(),
        member.pending(0, &begin).await.unwrap_err(),
        member.scan_bound(0, &begin.scan, 10).await.unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.disposition()), (ErrorKind::Busy, Disposition::Retry), "{error}");
    }
    // What the server is told to wait at most counts where it is less.
    world.run(&format!("ALTER DATABASE {} SET lock_timeout = '100ms'", world.fixture.database())).await;
    let mut member = world.fixture.postgres("hq").open(std::slice::from_ref(&world.binding)).await.unwrap();
    let error = member.poll(0, &world.position, 10).await.unwrap_err();
    assert_eq!((error.kind(), error.disposition()), (ErrorKind::Busy, Disposition::Retry), "{error}");
    world.run(&format!("ALTER DATABASE {} RESET lock_timeout", world.fixture.database())).await;
    world.run(&format!("ALTER DATABASE {} SET statement_timeout = '200ms'", world.fixture.database())).await;
    let mut member = world.fixture.postgres("hq").open(std::slice::from_ref(&world.binding)).await.unwrap();
    let error = member.poll(0, &world.position, 10).await.unwrap_err();
    assert_eq!((error.kind(), error.disposition()), (ErrorKind::TimedOut, Disposition::Retry), "{error}");
    run(&user, "ROLLBACK").await;
    member.poll(0, &world.position, 10).await.unwrap();
}

async fn a_socket_will_do() {
    let fixture = PostgresFixture::new().await;
    let server = tributary_testkit::services::shared_postgres();
    let folder = server.socket().display().to_string().replace('/', "%2F");
    let url = format!("postgresql://tributary@{folder}:{}/{}", server.port(), fixture.database());
    let id = MemberId::new("hq").unwrap();
    let settings = PostgresSettings::from_url(&id, &url).unwrap();
    let mut member = PostgresConnector::new(id, GROUP, settings).open(&[bind(item())]).await.unwrap();
    member.provision().await.unwrap();
}
