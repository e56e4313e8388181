//! The connection is lost at every message that apply sends, before the server has it or after it has answered: nothing
//! is lost and nothing is done twice, and applying goes on from the stored offsets.
//!
//! Between the member and the server stands a relay that counts the messages and cuts the connection at the chosen one,
//! as a broken network or an administrator would.

#![allow(unreachable_pub, reason = "shared by several test programs")]

use async_trait::async_trait;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tributary_member::contract::apply::feed::Feed;
use tributary_member::contract::fixture::{User, bind, id, table};
use tributary_member::{ApplyRecord, Connector, Disposition, Member, TableBinding};
use tributary_model::{LogicalType, Row, Value};

/// For how long a server may take to answer the message at which its connection is cut.
const ANSWER: Duration = Duration::from_secs(5);

/// When a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Before the server has the message.
    Before,
    /// When it answers, and before anybody has its answer.
    After,
}

/// What a client sends.
pub struct Message {
    /// The whole of it.
    pub bytes: Vec<u8>,
    /// Whether it makes the server do something.
    pub counts: bool,
}

/// How a client's messages are told apart.
pub trait Protocol: Default + Send + 'static {
    /// What a server that is to answer a message has to be sent behind it.
    const FLUSH: &'static [u8];

    /// Reads the next message.
    fn read(&mut self, from: &mut OwnedReadHalf) -> impl Future<Output = io::Result<Message>> + Send;
}

/// Stands between clients and a server.
pub struct Relay {
    /// Where clients find it, on this machine.
    pub port: u16,
    plan: Arc<Plan>,
}

/// What a relay does.
struct Plan {
    /// Messages left until the cut; `usize::MAX`: none.
    left: AtomicUsize,
    /// Whether the server still gets the message at which it cuts.
    after: AtomicBool,
}

impl Relay {
    /// A relay to the server at `target`.
    pub async fn start<P: Protocol>(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let plan = Arc::new(Plan { left: AtomicUsize::new(usize::MAX), after: AtomicBool::new(false) });
        let of_relay = Arc::clone(&plan);
        tokio::spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else { return };
                let server = TcpStream::connect(&target).await.unwrap();
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                tokio::spawn(pass::<P>(client, server, Arc::clone(&of_relay)));
            }
        });
        Self { port, plan }
    }

    /// Cuts at the message of this number, counted from now on.
    fn cut_at(&self, message: usize) {
        self.plan.left.store(message, Ordering::SeqCst);
    }

    /// Cuts no more; what was left until the cut.
    fn stop(&self) -> usize {
        self.plan.left.swap(usize::MAX, Ordering::SeqCst)
    }
}

async fn pass<P: Protocol>(client: TcpStream, server: TcpStream, plan: Arc<Plan>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let answered = Arc::new(tokio::sync::Notify::new());
    let muted = Arc::new(AtomicBool::new(false));
    let (of_back, is_muted) = (Arc::clone(&answered), Arc::clone(&muted));
    let back = tokio::spawn(async move {
        let mut part = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from_server.read(&mut part).await {
            if is_muted.load(Ordering::SeqCst) {
                of_back.notify_one();
            } else if to_client.write_all(&part[..length]).await.is_err() {
                break;
            }
        }
    });
    let mut protocol = P::default();
    while let Ok(message) = protocol.read(&mut from_client).await {
        let cut = message.counts && {
            plan.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                Some(if left == usize::MAX { left } else { left.saturating_sub(1) })
            }) == Ok(1)
        };
        let after = plan.after.load(Ordering::SeqCst);
        if cut && !after {
            break;
        }
        muted.store(cut, Ordering::SeqCst);
        if to_server.write_all(&message.bytes).await.is_err() {
            break;
        }
        if cut {
            let _ = to_server.write_all(P::FLUSH).await;
            let _ = tokio::time::timeout(ANSWER, answered.notified()).await;
            break;
        }
    }
    back.abort();
}

/// A member behind a relay, with the tables `note` and `strict`, which takes no `bad`.
#[async_trait(?Send)]
pub trait World {
    /// The relay.
    fn relay(&self) -> &Relay;

    /// Opens the member through the relay.
    fn connector(&self) -> &dyn Connector;

    /// A user's own connection.
    fn user(&mut self) -> &mut dyn User;

    /// What the database holds, apart from numbers that are drawn.
    async fn holds(&mut self) -> Vec<Vec<String>> {
        let mut all = Vec::new();
        for sql in [
            "SELECT id, body FROM note ORDER BY id",
            "SELECT id, body FROM strict ORDER BY id",
            "SELECT id, local_version, seen, is_tombstone FROM \"DataSync\".note_dss_tracking ORDER BY id",
            "SELECT id, local_version, seen, is_tombstone FROM \"DataSync\".strict_dss_tracking ORDER BY id",
            "SELECT topic, next_offset FROM \"DataSync\".dss_offsets",
            "SELECT table_name, key_text, kind, attempts FROM \"DataSync\".dss_exceptions ORDER BY table_name, key_text",
        ] {
            all.extend(self.user().query(sql).await);
        }
        all
    }

    /// Empties everything, as before the first batch.
    async fn reset(&mut self) {
        let all = "DELETE FROM note; DELETE FROM strict; DELETE FROM \"DataSync\".note_dss_tracking; \
                   DELETE FROM \"DataSync\".strict_dss_tracking; DELETE FROM \"DataSync\".dss_offsets; \
                   DELETE FROM \"DataSync\".dss_exceptions";
        self.user().run(all).await;
    }

    /// Whether the triggers note what a user writes, as before all batches.
    async fn hears_users(&mut self) -> bool {
        self.user().run("UPDATE note SET body = 'mine' WHERE id = 1").await;
        let noted = "SELECT id FROM \"DataSync\".note_dss_tracking WHERE local_version IS NOT NULL";
        self.user().query(noted).await == [["1"]]
    }
}

/// The bindings of `note` and `strict`.
pub fn bindings() -> Vec<Arc<TableBinding>> {
    let columns = [("id", LogicalType::Long), ("body", LogicalType::String)];
    ["note", "strict"].map(|name| bind(table(name, &columns, &["id"]))).to_vec()
}

fn row(id: i64, body: &str) -> Row {
    Row::of([Value::Long(id), Value::String(body.to_owned())])
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
    world: &dyn World,
    bindings: &[Arc<TableBinding>],
    member: &mut Option<Box<dyn Member>>,
    (feed, batches): (&mut Feed, &[Vec<ApplyRecord>]),
    mut cut: usize,
) -> usize {
    let mut lost = 0;
    loop {
        assert!(lost < 5, "it does not come to an end");
        let mut open = match member.take() {
            Some(open) => open,
            None => world.connector().connect(bindings).await.unwrap(),
        };
        let offsets = match open.offsets().await {
            Ok(offsets) => offsets,
            Err(error) => {
                // The batch before was committed, and what tidies up after it was lost.
                assert_eq!(error.disposition(), Disposition::Retry, "{error}");
                (lost, cut) = (lost + 1, usize::MAX);
                continue;
            }
        };
        let next = offsets.first().map(|offset| offset.next);
        let records = batches.iter().find(|batch| batch[0].source.offset >= next.unwrap_or(0));
        let Some(records) = records else {
            *member = Some(open);
            return lost;
        };
        feed.applied = next;
        let batch = feed.batch(records.clone());
        world.relay().cut_at(cut);
        let applied = open.apply(batch, feed.now).await;
        cut = world.relay().stop();
        match applied {
            Ok(_) => *member = Some(open),
            Err(error) => {
                assert_eq!(error.disposition(), Disposition::Retry, "{error}");
                (lost, cut) = (lost + 1, usize::MAX);
            }
        }
    }
}

/// Loses the connection at every message; `least` times at least.
pub async fn at_every_message(world: &mut dyn World, cut: Cut, least: usize) {
    let bindings = bindings();
    let (mut feed, batches) = batches(&bindings);
    let mut member = None;
    // The first time statements are prepared, which needs no counting.
    let lost = go_on(world, &bindings, &mut member, (&mut feed, &batches), usize::MAX).await;
    assert_eq!(lost, 0);
    let wanted = world.holds().await;
    world.relay().plan.after.store(cut == Cut::After, Ordering::SeqCst);
    let mut losses = 0;
    for at in 1.. {
        world.reset().await;
        let lost = go_on(world, &bindings, &mut member, (&mut feed, &batches), at).await;
        assert_eq!(world.holds().await, wanted, "{cut:?} message {at}");
        losses += lost;
        if lost == 0 {
            break;
        }
    }
    println!("{losses} losses, {cut:?}");
    assert!(losses >= least, "{losses} losses, {cut:?}");
}
