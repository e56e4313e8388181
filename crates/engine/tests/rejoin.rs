//! A member that went back behind a delete that the group has forgotten: by itself it would bring the row back.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::fs;
use std::time::Duration;
use support::{Pipe, Running, block_on};
use tributary_engine::{Engine, Options, Roles};
use tributary_group::Opened;
use tributary_group::rejoin::{Ground, RejoinError, UNDER_WAY, begin, claim, examine, is_under_way};
use tributary_group::standing::{mark, read_controls, say};
use tributary_model::MemberId;
use tributary_stream::{Said, read_latest};

const TABLE: &str = "CREATE TABLE Good (Id INTEGER PRIMARY KEY NOT NULL, Name TEXT)";

/// Workers that forget deletes sooner than a group file may ask for. Who lags by twice as much is out of date.
fn forgetful(pipe: &Pipe) -> Running {
    let mut file = pipe.file();
    file.tombstone_retention = Duration::from_secs(5);
    let engine = block_on(Engine::open(file, Options::default())).unwrap();
    engine.start(&Roles::all()).unwrap();
    Running { engine }
}

fn opened(engine: &Engine) -> Opened<'_> {
    Opened {
        file: &engine.file,
        spec: &engine.spec,
        channels: &engine.channels,
        log: engine.log.as_ref(),
        connectors: &engine.connectors,
    }
}

/// What the command does, step by step.
async fn rejoin(engine: &Engine, id: &str, fill_anew: bool) -> Result<u64, RejoinError> {
    let group = opened(engine);
    let connector = group.connector(id)?;
    let control = read_controls(&group).await?.of(connector.id()).clone();
    let ground = examine(&group, connector.as_ref(), &control, fill_anew).await?;
    let Ground::WentBack { number, published } = ground else { panic!("it has not begun yet") };
    let said = claim(&control, mark(&group, UNDER_WAY).await?, number, fill_anew);
    engine.hand_in(say(&group, connector.id(), &said)).await.unwrap();
    assert!(is_under_way(read_controls(&group).await?.of(connector.id())));
    let (_, begun) = begin(&group, connector.as_ref(), number, published.as_ref()).await?;
    engine.hand_in(say(&group, connector.id(), &[Said::Paused(None)])).await.unwrap();
    Ok(begun.restated)
}

#[test]
fn a_forgotten_delete_does_not_come_back() {
    let pipe = Pipe::new(&["hq", "cloud"], &["Good"], "");
    for member in ["hq", "cloud"] {
        pipe.execute(member, TABLE);
    }
    let running = pipe.start();
    pipe.execute("cloud", "INSERT INTO Good VALUES (1, 'a'), (2, 'a')");
    running.drain();
    running.stop();
    pipe.execute("cloud", "PRAGMA wal_checkpoint(TRUNCATE)");
    let backup = fs::read(pipe.member_path("cloud")).unwrap();

    let running = forgetful(&pipe);
    pipe.execute("hq", "DELETE FROM Good WHERE Id = 2");
    running.drain();
    pipe.execute("cloud", "INSERT INTO Good VALUES (3, 'a')");
    running.drain();
    let resolved = running.engine.channels.tables[0].resolved.clone();
    running.wait_for("the delete to be forgotten", |_| {
        block_on(read_latest(running.engine.log.as_ref(), &resolved)).unwrap().len() == 2
    });
    running.stop();
    pipe.execute("cloud", "PRAGMA wal_checkpoint(TRUNCATE)");
    fs::write(pipe.member_path("cloud"), backup).unwrap();
    pipe.execute("cloud", "INSERT INTO Good VALUES (4, 'in doubt')");

    let engine = pipe.open();
    let refused = block_on(rejoin(&engine, "cloud", false)).unwrap_err();
    assert_eq!(refused.code(), "GRP-603");
    assert!(refused.to_string().contains("1 rows of table Good"), "{refused}");
    let cloud = MemberId::new("cloud").unwrap();
    assert_eq!(block_on(read_controls(&opened(&engine))).unwrap().of(&cloud).incarnation_number(), 1);

    assert_eq!(block_on(rejoin(&engine, "cloud", true)).unwrap(), 1);
    engine.start(&Roles::all()).unwrap();
    let running = Running { engine };
    running.wait_for("the member to be filled anew", |_| {
        let controls = block_on(read_controls(&opened(&running.engine))).unwrap();
        controls.of(&cloud).pending_reinit().is_none()
    });
    running.drain();
    for member in ["hq", "cloud"] {
        assert_eq!(pipe.rows(member, "SELECT Id FROM Good ORDER BY 1"), ["1", "3"], "{member}");
    }
    assert_eq!(running.conflicts(), 1, "what was in doubt is in the ledger");
    pipe.execute("cloud", "INSERT INTO Good VALUES (5, 'b')");
    running.drain();
    assert_eq!(pipe.rows("hq", "SELECT Id FROM Good ORDER BY 1"), ["1", "3", "5"]);
    running.stop();
}
