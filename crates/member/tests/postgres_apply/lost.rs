//! The connection to PostgreSQL is lost at every message.

use crate::block_on;
use crate::cuts::{Cut, Message, Protocol, Relay, World, at_every_message, bindings};
use crate::stage::{NOTE, Stage};
use crate::support::texts;
use async_trait::async_trait;
use std::io;
use tokio::io::AsyncReadExt as _;
use tokio::net::tcp::OwnedReadHalf;
use tributary_member::Connector;
use tributary_member::contract::fixture::GROUP;
use tributary_member::postgres::{PostgresConnector, PostgresSettings};
use tributary_model::MemberId;

/// PostgreSQL's messages: a type, then the length.
#[derive(Default)]
struct Frontend {
    /// Whether the startup message was sent; what comes before it has no type.
    started: bool,
}

impl Protocol for Frontend {
    /// Executions wait for a Sync.
    const FLUSH: &'static [u8] = &[b'S', 0, 0, 0, 4];

    async fn read(&mut self, from: &mut OwnedReadHalf) -> io::Result<Message> {
        let first = if self.started { 0 } else { 1 };
        let mut head = [0; 5];
        from.read_exact(&mut head[first..]).await?;
        let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
        let mut body = vec![0; length - 4];
        from.read_exact(&mut body).await?;
        let is_ssl = !self.started && body.starts_with(&80_877_103_u32.to_be_bytes());
        // Simple queries, executions and copied rows are what does something.
        let counts = self.started && matches!(head[0], b'Q' | b'E' | b'd' | b'c');
        self.started |= !is_ssl;
        Ok(Message { bytes: [&head[first..], &body].concat(), counts })
    }
}

struct Relayed {
    stage: Stage,
    connector: PostgresConnector,
    relay: Relay,
}

impl Relayed {
    async fn new() -> Self {
        let tables =
            format!("{NOTE} CREATE TABLE strict (id bigint PRIMARY KEY, body text CHECK (body <> 'bad'));");
        let stage = Stage::new(&tables, bindings()).await;
        let address = stage.url.split('@').nth(1).unwrap();
        let (target, database) = address.split_once('/').unwrap();
        let user = stage.url.split("//").nth(1).unwrap().split('@').next().unwrap();
        let relay = Relay::start::<Frontend>(target.to_owned()).await;
        let id = MemberId::new("hq").unwrap();
        let url = format!("postgresql://{user}@127.0.0.1:{}/{database}?sslmode=disable", relay.port);
        let settings = PostgresSettings::from_url(&id, &url).unwrap();
        Self { stage, connector: PostgresConnector::new(id, GROUP, settings), relay }
    }
}

#[async_trait(?Send)]
impl World for Relayed {
    fn relay(&self) -> &Relay {
        &self.relay
    }

    fn connector(&self) -> &dyn Connector {
        &self.connector
    }

    async fn holds(&mut self) -> Vec<Vec<String>> {
        let mut all = Vec::new();
        for sql in [
            "SELECT * FROM note ORDER BY id",
            "SELECT * FROM strict ORDER BY id",
            "SELECT id, local_version, seen, is_tombstone FROM \"DataSync\".note_dss_tracking ORDER BY id",
            "SELECT id, local_version, seen, is_tombstone FROM \"DataSync\".strict_dss_tracking ORDER BY id",
            "SELECT topic, next_offset FROM \"DataSync\".dss_offsets",
            "SELECT table_name, key_text, kind, attempts FROM \"DataSync\".dss_exceptions ORDER BY 1, 2",
        ] {
            all.extend(texts(&self.stage.user, sql).await);
        }
        all
    }

    async fn reset(&mut self) {
        self.stage
            .run(
                "DELETE FROM note; DELETE FROM strict; DELETE FROM \"DataSync\".note_dss_tracking; \
                 DELETE FROM \"DataSync\".strict_dss_tracking; DELETE FROM \"DataSync\".dss_offsets; \
                 DELETE FROM \"DataSync\".dss_exceptions",
            )
            .await;
    }
}

pub(crate) fn the_connection_is_lost_at_every_message() {
    block_on(async {
        let mut world = Relayed::new().await;
        for cut in [Cut::Before, Cut::After] {
            at_every_message(&mut world, cut, 30).await;
        }
        // The triggers speak again.
        world.stage.run("UPDATE note SET body = 'mine' WHERE id = 1").await;
        let loud = "SELECT count(*) FROM \"DataSync\".note_dss_tracking WHERE local_version IS NOT NULL";
        assert_eq!(world.stage.query(loud).await, ["1"]);
    });
}
