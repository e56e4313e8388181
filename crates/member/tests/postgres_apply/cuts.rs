//! The connection is lost at every message that apply sends, before the server has it or just after: nothing is lost
//! and nothing is done twice, and applying goes on from the stored offsets.
//!
//! Between the member and the server stands a relay that counts the messages and cuts the connection at the chosen one,
//! as `pg_terminate_backend` or a broken network would.

use crate::block_on;
use crate::stage::{NOTE, Stage, bound, row};
use crate::support::texts;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tributary_member::contract::apply::feed::Feed;
use tributary_member::contract::fixture::{GROUP, id};
use tributary_member::postgres::{PostgresConnector, PostgresSettings};
use tributary_member::{ApplyRecord, Connector as _, Disposition, Member, TableBinding};
use tributary_model::MemberId;

/// When a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// Before the server has the message.
    Before,
    /// When it has it, and before anybody has its answer.
    After,
}

/// What a relay does.
struct Plan {
    /// Messages left until the cut; `usize::MAX`: none.
    left: AtomicUsize,
    /// Whether the server still gets the message at which it cuts.
    after: AtomicBool,
}

/// Passes on what clients send to the server at `target`.
async fn relay(listener: TcpListener, target: String, plan: Arc<Plan>) {
    loop {
        let Ok((client, _)) = listener.accept().await else { return };
        let server = TcpStream::connect(&target).await.unwrap();
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        tokio::spawn(pass(client, server, Arc::clone(&plan)));
    }
}

async fn pass(client: TcpStream, server: TcpStream, plan: Arc<Plan>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = tokio::spawn(async move {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
    });
    let mut startup = true;
    loop {
        let mut head = [0; 5];
        // The first messages have no type.
        let first = if startup { 1 } else { 0 };
        if from_client.read_exact(&mut head[first..]).await.is_err() {
            break;
        }
        let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
        let mut body = vec![0; length - 4];
        if from_client.read_exact(&mut body).await.is_err() {
            break;
        }
        let is_ssl = startup && body.starts_with(&80_877_103_u32.to_be_bytes());
        // Simple queries, executions and copied rows are what does something.
        let counts = !startup && matches!(head[0], b'Q' | b'E' | b'd' | b'c');
        if startup && !is_ssl {
            startup = false;
        }
        let cut = counts && {
            plan.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                Some(if left == usize::MAX { left } else { left.saturating_sub(1) })
            }) == Ok(1)
        };
        if cut && !plan.after.load(Ordering::SeqCst) {
            break;
        }
        if to_server.write_all(&head[first..]).await.is_err() || to_server.write_all(&body).await.is_err() {
            break;
        }
        if cut {
            // Executions wait for a Sync; with it the server does its work and finds nobody to tell.
            let _ = to_server.write_all(&[b'S', 0, 0, 0, 4]).await;
            let _ = to_server.flush().await;
            back.abort();
            tokio::time::sleep(Duration::from_millis(10)).await;
            break;
        }
    }
    back.abort();
}

struct World {
    stage: Stage,
    connector: PostgresConnector,
    bindings: Vec<Arc<TableBinding>>,
    plan: Arc<Plan>,
}

async fn world() -> World {
    let bindings = vec![bound("note"), bound("strict")];
    let tables =
        format!("{NOTE} CREATE TABLE strict (id bigint PRIMARY KEY, body text CHECK (body <> 'bad'));");
    let stage = Stage::new(&tables, bindings.clone()).await;
    let address = stage.url.split('@').nth(1).unwrap();
    let (target, database) = address.split_once('/').unwrap();
    let user = stage.url.split("//").nth(1).unwrap().split('@').next().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let plan = Arc::new(Plan { left: AtomicUsize::new(usize::MAX), after: AtomicBool::new(false) });
    tokio::spawn(relay(listener, target.to_owned(), Arc::clone(&plan)));
    let id = MemberId::new("hq").unwrap();
    let url = format!("postgresql://{user}@127.0.0.1:{port}/{database}?sslmode=disable");
    let settings = PostgresSettings::from_url(&id, &url).unwrap();
    let connector = PostgresConnector::new(id, GROUP, settings);
    World { stage, connector, bindings, plan }
}

/// The log, in batches: new rows (many enough to be copied), updates and deletes, refused records.
fn batches(bindings: &[Arc<TableBinding>]) -> (Feed, Vec<Vec<ApplyRecord>>) {
    let mut feed = Feed::new(bindings);
    let first: Vec<ApplyRecord> = (1..=80).map(|id| feed.upsert(0, row(id, "new"))).collect();
    let mut second: Vec<ApplyRecord> = (1..=20).map(|id| feed.upsert(0, row(id, "changed"))).collect();
    second.extend((21..=30).map(|number| feed.delete(0, &id(number))));
    second.extend((81..=90).map(|id| feed.upsert(0, row(id, "late"))));
    let third: Vec<ApplyRecord> =
        (1..=4).map(|id| feed.upsert(1, row(id, if id == 2 { "bad" } else { "good" }))).collect();
    (feed, vec![first, second, third])
}

/// Applies everything from where the member stands, with a new connection after every loss; how often it was lost.
/// The relay cuts at the message `cut` of those that apply sends first.
async fn go_on(
    world: &World,
    member: &mut Option<Box<dyn Member>>,
    feed: &mut Feed,
    batches: &[Vec<ApplyRecord>],
    mut cut: usize,
) -> usize {
    let mut lost = 0;
    loop {
        assert!(lost < 5, "it does not come to an end");
        let mut open = match member.take() {
            Some(open) => open,
            None => world.connector.connect(&world.bindings).await.unwrap(),
        };
        let next = open.offsets().await.unwrap().first().map(|offset| offset.next);
        let records = batches.iter().find(|batch| batch[0].source.offset >= next.unwrap_or(0));
        let Some(records) = records else {
            *member = Some(open);
            return lost;
        };
        feed.applied = next;
        let batch = feed.batch(records.clone());
        world.plan.left.store(cut, Ordering::SeqCst);
        let applied = open.apply(batch, feed.now).await;
        cut = world.plan.left.swap(usize::MAX, Ordering::SeqCst);
        match applied {
            Ok(_) => *member = Some(open),
            Err(error) => {
                assert_eq!(error.disposition(), Disposition::Retry, "{error}");
                (lost, cut) = (lost + 1, usize::MAX);
            }
        }
    }
}

/// What the database holds, apart from numbers that are drawn.
async fn holds(stage: &Stage) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for sql in [
        "SELECT * FROM note ORDER BY id",
        "SELECT * FROM strict ORDER BY id",
        "SELECT id, local_version, seen, is_tombstone FROM \"DataSync\".note_dss_tracking ORDER BY id",
        "SELECT id, local_version, seen, is_tombstone FROM \"DataSync\".strict_dss_tracking ORDER BY id",
        "SELECT topic, next_offset FROM \"DataSync\".dss_offsets",
        "SELECT table_name, key_text, kind, attempts FROM \"DataSync\".dss_exceptions ORDER BY 1, 2",
    ] {
        all.extend(texts(&stage.user, sql).await);
    }
    all
}

/// Empties everything, as before the first batch.
async fn reset(stage: &Stage) {
    stage
        .run(
            "DELETE FROM note; DELETE FROM strict; DELETE FROM \"DataSync\".note_dss_tracking; \
             DELETE FROM \"DataSync\".strict_dss_tracking; DELETE FROM \"DataSync\".dss_offsets; \
             DELETE FROM \"DataSync\".dss_exceptions",
        )
        .await;
}

pub(crate) fn the_connection_is_lost_at_every_message() {
    block_on(async {
        let world = world().await;
        let (mut feed, batches) = batches(&world.bindings);
        let mut member = None;
        // The first time statements are prepared, which needs no counting.
        assert_eq!(go_on(&world, &mut member, &mut feed, &batches, usize::MAX).await, 0);
        let wanted = holds(&world.stage).await;
        for cut in [Cut::Before, Cut::After] {
            world.plan.after.store(cut == Cut::After, Ordering::SeqCst);
            let mut losses = 0;
            for at in 1.. {
                reset(&world.stage).await;
                let lost = go_on(&world, &mut member, &mut feed, &batches, at).await;
                assert_eq!(holds(&world.stage).await, wanted, "{cut:?} message {at}");
                losses += lost;
                if lost == 0 {
                    break;
                }
            }
            assert!(losses > 30, "{losses} losses, {cut:?}");
        }
        // The triggers speak again.
        world.stage.run("UPDATE note SET body = 'mine' WHERE id = 1").await;
        let loud = "SELECT count(*) FROM \"DataSync\".note_dss_tracking WHERE local_version IS NOT NULL";
        assert_eq!(world.stage.query(loud).await, ["1"]);
    });
}
