//! The connection to SQL Server is lost at every message.

use crate::block_on;
use crate::cuts::{Cut, Message, Protocol, Relay, World, at_every_message, bindings};
use crate::support::{SqlServerFixture, SqlServerUser};
use async_trait::async_trait;
use std::io;
use tokio::io::AsyncReadExt as _;
use tokio::net::tcp::OwnedReadHalf;
use tributary_member::Connector;
use tributary_member::contract::fixture::{GROUP, User, provisioned};
use tributary_member::sqlserver::{Encryption, SqlServerConnector};
use tributary_model::MemberId;

/// The head of a packet: type, status, length, and four bytes more.
const HEAD: usize = 8;

/// SQL Server's messages: packets, of which the last is marked.
#[derive(Default)]
struct Tds;

impl Protocol for Tds {
    const FLUSH: &'static [u8] = &[];

    async fn read(&mut self, from: &mut OwnedReadHalf) -> io::Result<Message> {
        let mut bytes = Vec::new();
        loop {
            let mut head = [0; HEAD];
            from.read_exact(&mut head).await?;
            let [kind, status, high, low, ..] = head;
            let mut body = vec![0; usize::from(u16::from_be_bytes([high, low])) - HEAD];
            from.read_exact(&mut body).await?;
            bytes.extend(head);
            bytes.extend(body);
            if status & 1 == 1 {
                // Batches, calls, bulk loads and transactions are what does something; logins are not.
                return Ok(Message { bytes, counts: matches!(kind, 0x01 | 0x03 | 0x07 | 0x0e) });
            }
        }
    }
}

struct Relayed {
    // Dropped with the database.
    _fixture: SqlServerFixture,
    user: SqlServerUser,
    connector: SqlServerConnector,
    relay: Relay,
}

impl Relayed {
    async fn new() -> Self {
        let fixture = SqlServerFixture::new().await;
        let mut user = fixture.client().await;
        user.run("CREATE TABLE note (id bigint NOT NULL PRIMARY KEY, body nvarchar(100))").await;
        user.run(
            "CREATE TABLE strict (id bigint NOT NULL PRIMARY KEY, body nvarchar(100) CHECK (body <> 'bad'))",
        )
        .await;
        provisioned(&fixture, &bindings()).await;
        let server = &fixture.server;
        let relay = Relay::start::<Tds>(format!("{}:{}", server.host, server.port)).await;
        let mut settings = server.settings(&fixture.database);
        (settings.host, settings.port) = ("127.0.0.1".to_owned(), Some(relay.port));
        // Messages that are encrypted cannot be told apart.
        settings.encryption = Encryption::Off;
        let connector = SqlServerConnector::new(MemberId::new("hq").unwrap(), GROUP, settings);
        Self { _fixture: fixture, user, connector, relay }
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

fn lost(cut: Cut) {
    block_on(async {
        let mut world = Relayed::new().await;
        at_every_message(&mut world, cut, 20).await;
        assert!(world.hears_users().await);
    });
}

pub(crate) fn the_connection_is_lost_before_every_message() {
    lost(Cut::Before);
}

pub(crate) fn the_connection_is_lost_after_every_message() {
    lost(Cut::After);
}
