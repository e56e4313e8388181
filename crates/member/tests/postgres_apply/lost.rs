//! The connection to PostgreSQL is lost at every message.

use crate::block_on;
use crate::cuts::{Cut, Message, Protocol, Relay, World, at_every_message, bindings};
use crate::stage::{NOTE, Stage};
use crate::support::{PostgresUser, connect};
use async_trait::async_trait;
use std::io;
use tokio::io::AsyncReadExt as _;
use tokio::net::tcp::OwnedReadHalf;
use tributary_member::Connector;
use tributary_member::contract::fixture::{GROUP, User};
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
    // Dropped with the database.
    _stage: Stage,
    user: PostgresUser,
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
        let owner = stage.url.split("//").nth(1).unwrap().split('@').next().unwrap();
        let relay = Relay::start::<Frontend>(target.to_owned()).await;
        let id = MemberId::new("hq").unwrap();
        let url = format!("postgresql://{owner}@127.0.0.1:{}/{database}?sslmode=disable", relay.port);
        let settings = PostgresSettings::from_url(&id, &url).unwrap();
        let user = PostgresUser(connect(&stage.url).await);
        Self { _stage: stage, user, connector: PostgresConnector::new(id, GROUP, settings), relay }
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

    fn user(&mut self) -> &mut dyn User {
        &mut self.user
    }
}

pub(crate) fn the_connection_is_lost_at_every_message() {
    block_on(async {
        let mut world = Relayed::new().await;
        for cut in [Cut::Before, Cut::After] {
            at_every_message(&mut world, cut, 30).await;
        }
        assert!(world.hears_users().await);
    });
}
