//! The roles of `deploy/sql/postgresql/`: what they may, and what is said when a right is missing.

use crate::support::{PostgresFixture, connect, told};
use crate::world::{item, pairs, run};
use std::time::Duration;
use tokio_postgres::Client;
use tributary_member::contract::fixture::{GROUP, all_told, bind, scan_chunk};
use tributary_member::postgres::{PostgresConnector, PostgresMember, PostgresSettings};
use tributary_member::{Disposition, Error, ErrorKind, Member as _, Scan, TablePosition};
use tributary_model::MemberId;

pub(crate) fn tests() -> Vec<(&'static str, fn())> {
    tests!("rights": the_scripts_give_what_is_needed, missing_rights_are_named, policies_are_no_deletes)
}

struct Roles {
    fixture: PostgresFixture,
    owner: Client,
    setup: String,
    run: String,
}

impl Roles {
    /// A database with the table `item`, and three roles that have no rights of their own.
    async fn new() -> Self {
        let fixture = PostgresFixture::new().await;
        let owner = fixture.client().await;
        let name = fixture.database().to_owned();
        let (setup, day, app) = (format!("{name}_setup"), format!("{name}_run"), format!("{name}_app"));
        run(
            &owner,
            &format!(
                "CREATE ROLE {setup} LOGIN; CREATE ROLE {day} LOGIN; CREATE ROLE {app} LOGIN; \
                 CREATE TABLE item (id bigint PRIMARY KEY, name text); INSERT INTO item VALUES (1, 'old'); \
                 GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON item TO {app}"
            ),
        )
        .await;
        Self { fixture, owner, setup, run: day }
    }

    /// Runs a script as psql would.
    async fn script(&self, text: &str) {
        let filled = text
            .replace(":\"DBNAME\"", self.fixture.database())
            .replace(":\"setup_role\"", &self.setup)
            .replace(":\"run_role\"", &self.run)
            .replace(":\"schema\"", "public");
        run(&self.owner, &filled).await;
    }

    async fn open(&self, role: &str) -> Result<PostgresMember, Error> {
        let id = MemberId::new("hq").unwrap();
        let settings = PostgresSettings::from_url(&id, &self.fixture.url_of(role)).unwrap();
        PostgresConnector::new(id, GROUP, settings).open(&[bind(item())]).await
    }
}

const SETUP: &str = include_str!("../../../../deploy/sql/postgresql/setup.sql");
const RUN: &str = include_str!("../../../../deploy/sql/postgresql/run.sql");
const REMOVE: &str = include_str!("../../../../deploy/sql/postgresql/remove.sql");

async fn the_scripts_give_what_is_needed() {
    let roles = Roles::new().await;
    roles.script(SETUP).await;
    roles.open(&roles.setup).await.unwrap().provision().await.unwrap();
    roles.script(RUN).await;
    let mut member = roles.open(&roles.run).await.unwrap();
    // Somebody who knows nothing of the sync objects.
    let app = connect(&roles.fixture.url_of(&format!("{}_app", roles.fixture.database()))).await;
    run(&app, "INSERT INTO item VALUES (2, 'new'), (3, 'x'); UPDATE item SET name = 'y' WHERE id = 3; DELETE FROM item WHERE id = 3").await;
    let mut position = TablePosition::default();
    let page = member.poll(0, &position, 10).await.unwrap();
    let told: std::collections::BTreeMap<_, _> = all_told(&item(), &page.changes).into_iter().collect();
    assert_eq!(told, pairs(&[("2", "2|new"), ("3", "-")]));
    position.live = page.next.live;
    let mut token = None;
    while position.scan != Scan::Done {
        scan_chunk(&mut member, 0, &mut position, &mut token, 10).await;
    }
    member.wait_for_news(Duration::from_millis(50)).await.unwrap();
    member.wait_for_news(Duration::from_millis(50)).await.unwrap();
    member.has_news().await.unwrap();
    member.pending(0, &position).await.unwrap();
    member.digest(0, 2).await.unwrap();
    member.clock().await.unwrap();
    member.inspect().await.unwrap();
    run(&app, "TRUNCATE item").await;
    assert_eq!(member.poll(0, &position, 10).await.unwrap().changes.len(), 2);
    drop(member);
    roles.open(&roles.setup).await.unwrap().deprovision().await.unwrap();
    run(&app, "INSERT INTO item VALUES (9, 'free')").await;
    roles.open(&roles.setup).await.unwrap().provision().await.unwrap();
    roles.script(REMOVE).await;
    run(&app, "INSERT INTO item VALUES (10, 'free')").await;
    let left = "SELECT to_regnamespace('\"DataSync\"'), (SELECT count(*) FROM pg_trigger WHERE tgrelid = 'item'::regclass)";
    assert_eq!(crate::support::texts(&roles.owner, left).await, [["NULL", "0"]]);
    run(&roles.owner, &format!("DROP ROLE {}; DROP ROLE {}", roles.setup, roles.run)).await;
}

fn assert_names(error: &Error, words: &[&str]) {
    assert_eq!((error.kind(), error.disposition()), (ErrorKind::Permission, Disposition::Stop), "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "{word}: {error}");
    }
}

async fn missing_rights_are_named() {
    let roles = Roles::new().await;
    let mut setup = roles.open(&roles.setup).await.unwrap();
    assert_names(&setup.provision().await.unwrap_err(), &["GRANT CREATE, CONNECT ON DATABASE", &roles.setup]);
    roles.script(SETUP).await;
    setup.provision().await.unwrap();
    let error = roles.open(&roles.run).await.map(|_| ()).unwrap_err();
    assert_names(&error, &["GRANT USAGE ON SCHEMA DataSync", &roles.run]);
    roles.script(RUN).await;
    let mut member = roles.open(&roles.run).await.unwrap();
    run(&roles.owner, &format!("REVOKE SELECT ON item FROM {}", roles.run)).await;
    let error = member.poll(0, &TablePosition::default(), 10).await.unwrap_err();
    assert_names(&error, &["ON TABLE item", "GRANT SELECT", &roles.run]);
    run(
        &roles.owner,
        &format!(
            "GRANT SELECT ON item TO {}; REVOKE UPDATE ON SEQUENCE \"DataSync\".dss_sleep FROM {}",
            roles.run, roles.run
        ),
    )
    .await;
    let error = member.wait_for_news(Duration::from_millis(50)).await.unwrap_err();
    assert_names(&error, &["ON SEQUENCE dss_sleep"]);
}

async fn policies_are_no_deletes() {
    let roles = Roles::new().await;
    roles.script(SETUP).await;
    roles.open(&roles.setup).await.unwrap().provision().await.unwrap();
    roles.script(RUN).await;
    let mut member = roles.open(&roles.run).await.unwrap();
    run(&roles.owner, "ALTER TABLE item ENABLE ROW LEVEL SECURITY; CREATE POLICY none ON item USING (false)")
        .await;
    let found = member.inspect().await.unwrap();
    assert!(
        found.findings.iter().any(|finding| finding.message.contains("policies")),
        "{:?}",
        found.findings
    );
    run(&roles.owner, "UPDATE item SET name = 'hidden'").await;
    let error = member.poll(0, &TablePosition::default(), 10).await.unwrap_err();
    assert_names(&error, &["BYPASSRLS", &roles.run]);
    // Nor does TRUNCATE forget rows that the triggers' owner may not see.
    let truncated = roles.owner.batch_execute("TRUNCATE item").await;
    assert!(truncated.is_err_and(|error| told(&error).contains("row-level security")));
    run(&roles.owner, &format!("ALTER ROLE {} BYPASSRLS; ALTER ROLE {} BYPASSRLS", roles.run, roles.setup))
        .await;
    run(&roles.owner, "TRUNCATE item").await;
    let mut member = roles.open(&roles.run).await.unwrap();
    assert_eq!(member.poll(0, &TablePosition::default(), 10).await.unwrap().changes.len(), 1);
}
