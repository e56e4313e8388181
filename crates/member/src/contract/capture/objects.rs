//! The sync objects: made, looked at, removed; whose member it is; what capture commits.

use crate::contract::fixture::{
    Factory, GROUP, all_told, bind, commit, drain, id, next_commit, provisioned, provisioned_as, table,
};
use crate::{ErrorKind, ScanBound, Severity, TableBinding, TablePosition, TableState, Unpublishable};
use std::sync::Arc;
use tributary_model::time::TICKS_A_SECOND;
use tributary_model::{Column, ForeignKey, LogicalType, OnDelete, TableName, TableSchema};

fn customer() -> TableSchema {
    TableSchema {
        unique: vec![vec![1]],
        ..table(
            "customer",
            &[("id", LogicalType::Long), ("email", LogicalType::String), ("name", LogicalType::String)],
            &["id"],
        )
    }
}

fn order() -> TableSchema {
    TableSchema {
        foreign_keys: vec![ForeignKey {
            columns: vec![1],
            references: TableName::new("customer"),
            referenced_columns: vec!["id".to_owned()],
            on_delete: OnDelete::Refuse,
        }],
        ..table("order", &[("id", LogicalType::Long), ("customer", LogicalType::Long)], &["id"])
    }
}

fn both() -> [Arc<TableBinding>; 2] {
    [bind(order()), bind(customer())]
}

/// A second run finds nothing to do and leaves every definition and every change as it is.
pub async fn provisioning_twice_changes_nothing(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let mut member = provisioned(fixture.as_ref(), &both()).await;
    let mut user = fixture.user().await;
    user.run("INSERT INTO \"customer\" (\"id\", \"name\") VALUES (1, 'a')").await;
    let definitions = fixture.definitions().await;
    assert_eq!(member.plan_provision().await.unwrap(), []);
    assert_eq!(member.provision().await.unwrap(), []);
    assert_eq!(provisioned(fixture.as_ref(), &both()).await.provision().await.unwrap(), []);
    assert_eq!(fixture.definitions().await, definitions);
    assert_eq!(drain(member.as_mut(), 1, &mut TablePosition::default(), 10).await.len(), 1);
    // A table that joins later adds its own objects and touches no others.
    let more = [bind(order()), bind(customer()), bind(table("extra", &[("id", LogicalType::Int)], &["id"]))];
    let statements = provisioned(fixture.as_ref(), &more).await.plan_provision().await.unwrap();
    assert_eq!(statements, []);
    let grown = fixture.definitions().await;
    assert!(definitions.iter().all(|definition| grown.contains(definition)));
    assert_eq!(drain(member.as_mut(), 1, &mut TablePosition::default(), 10).await.len(), 1);
}

/// A dry run lists exactly what a run does, and does nothing itself.
pub async fn a_dry_run_shows_what_runs(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let mut member = fixture.connector("hq").connect(&both()).await.unwrap();
    let before = fixture.definitions().await;
    let plan = member.plan_provision().await.unwrap();
    assert!(!plan.is_empty());
    let mut made = plan.iter().filter(|statement| statement.sql.starts_with("CREATE"));
    assert!(made.all(|statement| !statement.purpose.is_empty() && !statement.sql.contains('{')));
    assert_eq!(fixture.definitions().await, before, "a dry run makes nothing");
    assert_eq!(member.provision().await.unwrap(), plan);
    let made = fixture.definitions().await;
    let removal = member.plan_deprovision().await.unwrap();
    assert_eq!(fixture.definitions().await, made, "a dry run removes nothing");
    assert_eq!(member.deprovision().await.unwrap(), removal);
    // A DBA who runs the printed statements by hand gets the same.
    let by_hand = factory.fresh().await;
    let mut user = by_hand.user().await;
    for statement in &plan {
        user.run(&statement.sql).await;
    }
    assert_eq!(by_hand.definitions().await, made);
    let mut member = by_hand.connector("hq").connect(&both()).await.unwrap();
    assert_eq!(member.plan_provision().await.unwrap(), []);
    for statement in &removal {
        user.run(&statement.sql).await;
    }
    assert_eq!(by_hand.definitions().await, fixture.definitions().await);
}

/// Afterwards everything is as it was before, rows included; a second removal finds nothing.
pub async fn removal_leaves_what_was_there(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let mut member = provisioned(fixture.as_ref(), &both()).await;
    member.deprovision().await.unwrap();
    let users_own = fixture.definitions().await;
    let mut user = fixture.user().await;
    user.run("INSERT INTO \"customer\" (\"id\", \"email\", \"name\") VALUES (1, 'e', 'a')").await;
    let mut member = provisioned(fixture.as_ref(), &both()).await;
    user.run("UPDATE \"customer\" SET \"name\" = 'b'").await;
    let definitions = fixture.definitions().await;
    assert!(definitions.len() > users_own.len());
    // By a connection that is bound to none of the tables.
    let mut other = fixture.connector("hq").connect(&[]).await.unwrap();
    assert!(!other.deprovision().await.unwrap().is_empty());
    assert_eq!(fixture.definitions().await, users_own);
    assert_eq!(other.plan_deprovision().await.unwrap(), []);
    assert_eq!(other.deprovision().await.unwrap(), []);
    assert_eq!(user.query("SELECT * FROM \"customer\"").await, [["1", "e", "b"]]);
    user.run("UPDATE \"customer\" SET \"name\" = 'c'").await;
    // The first connection notices.
    let states = member.table_states().await.unwrap();
    assert!(states.iter().all(|state| matches!(state, TableState::Stopped { .. })), "{states:?}");
    let error = member.poll(1, &TablePosition::default(), 10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotProvisioned);
    assert_eq!(member.token().await.unwrap_err().kind(), ErrorKind::NotProvisioned);
}

/// Tables that the member lacks are made with types, key, NOT NULL, unique constraints and foreign keys.
pub async fn missing_tables_are_created(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let mut order_binding = TableBinding::same_names(Arc::new(TableSchema {
        columns: vec![
            Column { name: "id".into(), logical: LogicalType::Long, nullable: false, max_length: None },
            Column { name: "customer".into(), logical: LogicalType::Long, nullable: false, max_length: None },
            Column {
                name: "place".into(),
                logical: LogicalType::String,
                nullable: true,
                max_length: Some(40),
            },
            Column {
                name: "left out".into(),
                logical: LogicalType::String,
                nullable: false,
                max_length: None,
            },
        ],
        ..order()
    }));
    order_binding.local_columns[3] = None;
    order_binding.local_table = "Orders Of Mine".to_owned();
    order_binding.local_columns[1] = Some("buyer".to_owned());
    let mut member = provisioned(fixture.as_ref(), &[Arc::new(order_binding), bind(customer())]).await;
    let found = member.inspect().await.unwrap();
    let made = found.table(None, "orders of mine").unwrap();
    let columns: Vec<_> = made.columns.iter().map(|c| (c.name.as_str(), c.logical, c.nullable)).collect();
    assert_eq!(
        columns,
        [
            ("id", Some(LogicalType::Long), false),
            ("buyer", Some(LogicalType::Long), false),
            ("place", Some(LogicalType::String), true)
        ]
    );
    assert_eq!(made.columns[2].max_length, Some(40));
    assert_eq!(made.key, ["id"]);
    assert!(made.provisioned);
    let [key] = made.foreign_keys.as_slice() else { panic!("one foreign key: {made:?}") };
    assert_eq!(
        (key.columns.as_slice(), key.references.as_str(), key.referenced_columns.as_slice(), key.on_delete),
        (&["buyer".to_owned()][..], "customer", &["id".to_owned()][..], OnDelete::Refuse)
    );
    assert_eq!(found.table(None, "customer").unwrap().unique, [["email"]]);
}

/// A table that is dropped or altered stops, alone, and goes on when it is mended.
pub async fn states_name_what_is_wrong(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let one = table("one", &[("id", LogicalType::Long), ("note", LogicalType::String)], &["id"]);
    let bindings = [bind(one.clone()), bind(customer())];
    let mut member = fixture.connector("hq").connect(&bindings).await.unwrap();
    let unready = member.table_states().await.unwrap();
    assert!(unready.iter().all(|state| matches!(state, TableState::Stopped { .. })), "{unready:?}");
    member.provision().await.unwrap();
    assert_eq!(member.table_states().await.unwrap(), [TableState::Ready, TableState::Ready]);
    let mut user = fixture.user().await;
    // A column that is not synchronised is nobody's business.
    user.run("ALTER TABLE \"one\" ADD COLUMN \"extra\" INT").await;
    assert_eq!(member.table_states().await.unwrap(), [TableState::Ready, TableState::Ready]);
    user.run("INSERT INTO \"one\" (\"id\", \"note\", \"extra\") VALUES (1, 'a', 5)").await;
    let changes = drain(member.as_mut(), 0, &mut TablePosition::default(), 10).await;
    assert_eq!(all_told(&one, &changes), [("1".to_owned(), "1|a".to_owned())]);
    user.run("DROP TABLE \"one\"").await;
    let states = member.table_states().await.unwrap();
    let TableState::Stopped { reason } = &states[0] else { panic!("{states:?}") };
    assert!(reason.contains("\"one\""), "{reason}");
    assert_eq!(states[1], TableState::Ready, "the other table goes on");
    user.run("INSERT INTO \"customer\" (\"id\", \"name\") VALUES (1, 'a')").await;
    assert_eq!(drain(member.as_mut(), 1, &mut TablePosition::default(), 10).await.len(), 1);
    let error = member.poll(0, &TablePosition::default(), 10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TableMissing);
    // `provision` makes it again.
    member.provision().await.unwrap();
    assert_eq!(member.table_states().await.unwrap(), [TableState::Ready, TableState::Ready]);
    user.run("INSERT INTO \"one\" (\"id\", \"note\") VALUES (2, 'b')").await;
    let changes = drain(member.as_mut(), 0, &mut TablePosition::default(), 10).await;
    // The row that went with the table is a delete by now.
    assert_eq!(
        all_told(&one, &changes),
        [("1".to_owned(), "-".to_owned()), ("2".to_owned(), "2|b".to_owned())]
    );
}

/// A database that carries another member's or group's id is refused, whatever else is in it.
pub async fn another_members_database_is_refused(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    provisioned_as(fixture.as_ref(), "hq", &both()).await;
    let error = fixture.connector("cloud").connect(&both()).await.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ForeignIdentity);
    let text = error.to_string();
    assert!(text.contains("`hq`") && text.contains("`cloud`") && text.contains(GROUP), "{text}");
    assert!(fixture.connector("hq").connect(&both()).await.is_ok());
}

/// A token is stored only on top of the one that it names.
pub async fn the_token_is_compared_and_set(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let mut member = provisioned(fixture.as_ref(), &both()).await;
    let mut user = fixture.user().await;
    assert_eq!(member.token().await.unwrap(), None);
    let mut token = None;
    commit(member.as_mut(), &mut token, Vec::new()).await;
    assert_eq!(member.token().await.unwrap(), token);
    assert_eq!(token.as_ref().unwrap().highest_version, 1, "no version was given yet");
    user.run("INSERT INTO \"customer\" (\"id\") VALUES (1), (2)").await;
    commit(member.as_mut(), &mut token, Vec::new()).await;
    assert!(token.as_ref().unwrap().highest_version >= 3);
    let changes = drain(member.as_mut(), 1, &mut TablePosition::default(), 10).await;
    assert!(changes.iter().all(|c| c.change.dot.version <= token.as_ref().unwrap().highest_version));
    // Another worker, or this one after the database went back: nothing is written.
    let mut other = fixture.connector("hq").connect(&both()).await.unwrap();
    for wrong in [None, Some(uuid::Uuid::new_v4())] {
        let mut stray = next_commit(token.as_ref(), vec![(0, ScanBound::End)]);
        stray.token.previous = wrong;
        let error = other.commit_capture(&stray).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WrongToken);
    }
    assert_eq!(other.token().await.unwrap(), token);
    commit(other.as_mut(), &mut token, Vec::new()).await;
    assert_eq!(member.token().await.unwrap(), token);
}

/// A row that cannot be published is listed until it is published.
pub async fn listings_end_with_publication(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let mut member = provisioned(fixture.as_ref(), &both()).await;
    let mut user = fixture.user().await;
    user.run("INSERT INTO \"customer\" (\"id\") VALUES (1), (2)").await;
    let listing = |reason: &str| Unpublishable {
        key: Some(id(1)),
        key_text: "1".to_owned(),
        reason: reason.to_owned(),
    };
    let mut first = next_commit(None, Vec::new());
    first.unpublishable = vec![(1, listing("too large"))];
    member.commit_capture(&first).await.unwrap();
    let mut second = next_commit(Some(&first.token), Vec::new());
    second.unpublishable = vec![(1, listing("still too large"))];
    second.published = vec![(1, id(2)), (0, id(1))];
    member.commit_capture(&second).await.unwrap();
    let listed = &format!("SELECT 1 FROM {}", fixture.exceptions());
    assert_eq!(user.query(listed).await.len(), 1, "one listing a row, and only its own publication ends it");
    let mut third = next_commit(Some(&second.token), Vec::new());
    third.published = vec![(1, id(1))];
    member.commit_capture(&third).await.unwrap();
    assert_eq!(user.query(listed).await.len(), 0);
}

/// What was made is found again: types, keys, and none of our own objects.
pub async fn inspection_finds_what_was_made(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let mut member = provisioned(fixture.as_ref(), &both()).await;
    let found = member.inspect().await.unwrap();
    assert!(!found.server.is_empty());
    let names: Vec<_> = found.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, ["customer", "order"]);
    assert!(found.tables.iter().all(|table| table.provisioned && table.triggers.is_empty()));
    let grave: Vec<_> = found.findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    assert!(grave.is_empty(), "{grave:?}");
}

/// The clock tells this century's time and does not go backwards.
pub async fn the_clock_runs(factory: &dyn Factory) {
    let fixture = factory.fresh().await;
    let mut member = fixture.connector("hq").connect(&[]).await.unwrap();
    let first = member.clock().await.unwrap();
    let second = member.clock().await.unwrap();
    assert!(first <= second && second - first < 3600 * TICKS_A_SECOND);
    let (y2020, y2100) = (1_577_836_800 * TICKS_A_SECOND, 4_102_444_800 * TICKS_A_SECOND);
    assert!((y2020..y2100).contains(&first));
}
