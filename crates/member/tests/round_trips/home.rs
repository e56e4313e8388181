//! A member of a pair: its database, the connection that captures and applies, and its user.

use crate::postgres::PostgresFixture;
use crate::sqlite::SqliteFixture;
use crate::sqlserver::SqlServerFixture;
use std::sync::Arc;
use tributary_member::contract::apply::feed::Feed;
use tributary_member::contract::fixture::{Fixture, GROUP, User};
use tributary_member::postgres::PostgresMember;
use tributary_member::sqlite::SqliteMember;
use tributary_member::sqlserver::{SqlServerConnector, SqlServerMember};
use tributary_member::{
    ApplyRecord, Captured, Member, OnLoss, Outcome, TableBinding, TablePosition, Unpublishable,
};
use tributary_model::MemberId;

/// A kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    /// A SQLite file.
    Sqlite,
    /// A PostgreSQL database.
    Postgres,
    /// A SQL Server database.
    SqlServer,
}

/// A member's connection, with what its own type alone tells.
trait Connection {
    fn member(&mut self) -> &mut dyn Member;
    fn rounded_values(&self) -> u64;
}

macro_rules! connections {
    ($($member:ty)*) => {
        $(impl Connection for $member {
            fn member(&mut self) -> &mut dyn Member {
                self
            }

            fn rounded_values(&self) -> u64 {
                <$member>::rounded_values(self)
            }
        })*
    };
}

connections!(SqliteMember PostgresMember SqlServerMember);

/// A member.
pub(crate) struct Home {
    connection: Box<dyn Connection>,
    /// The user.
    pub(crate) user: Box<dyn User>,
    positions: Vec<TablePosition>,
    /// What the member has stored as the next offset.
    applied: Option<u64>,
    /// Last, so that it outlives its connections.
    _fixture: Box<dyn Fixture>,
}

impl Home {
    /// A database with the tables of `definitions`, and those that provisioning adds.
    pub(crate) async fn new(
        database: Database,
        id: &str,
        on_loss: OnLoss,
        definitions: &[String],
        bindings: &[Arc<TableBinding>],
    ) -> Self {
        let (fixture, user, connection): (Box<dyn Fixture>, _, Box<dyn Connection>) = match database {
            Database::Sqlite => {
                let fixture = SqliteFixture::new();
                let user = prepared(&fixture, definitions).await;
                let member = fixture.sqlite(id).on_loss(on_loss).open(bindings).unwrap();
                (Box::new(fixture), user, Box::new(member))
            }
            Database::Postgres => {
                let fixture = PostgresFixture::new().await;
                let user = prepared(&fixture, definitions).await;
                let member = fixture.postgres(id).on_loss(on_loss).open(bindings).await.unwrap();
                (Box::new(fixture), user, Box::new(member))
            }
            Database::SqlServer => {
                let fixture = SqlServerFixture::new().await;
                let user = prepared(&fixture, definitions).await;
                let mut settings = fixture.server.settings(&fixture.database);
                settings.on_loss = on_loss;
                let connector = SqlServerConnector::new(MemberId::new(id).unwrap(), GROUP, settings);
                let member = connector.open(bindings).await.unwrap();
                (Box::new(fixture), user, Box::new(member))
            }
        };
        let positions = vec![TablePosition::default(); bindings.len()];
        let mut home = Self { connection, user, positions, applied: None, _fixture: fixture };
        home.member().provision().await.unwrap();
        home
    }

    /// The connection that captures and applies.
    pub(crate) fn member(&mut self) -> &mut dyn Member {
        self.connection.member()
    }

    /// How many values it has rounded.
    pub(crate) fn rounded_values(&self) -> u64 {
        self.connection.rounded_values()
    }

    /// How many records are parked.
    pub(crate) async fn parked(&mut self) -> usize {
        let counts = self.member().parked_counts().await.unwrap();
        counts.values().sum::<u64>() as usize
    }

    /// What users have changed in a table since the last call, and what of it cannot be published.
    pub(crate) async fn changes(&mut self, table: usize) -> (Vec<Captured>, Vec<Unpublishable>) {
        let page = self.connection.member().poll(table, &self.positions[table], 100_000).await.unwrap();
        assert!(!page.more);
        self.positions[table] = page.next;
        (page.changes, page.unpublishable)
    }

    /// Applies records of the log that this member shares with others.
    pub(crate) async fn apply(&mut self, feed: &mut Feed, records: Vec<ApplyRecord>) -> Vec<Outcome> {
        if records.is_empty() {
            return Vec::new();
        }
        feed.applied = self.applied;
        let applied = feed.apply(self.connection.member(), records).await;
        self.applied = feed.applied;
        applied.outcomes
    }
}

/// A user, who has made these tables.
async fn prepared(fixture: &dyn Fixture, definitions: &[String]) -> Box<dyn User> {
    let mut user = fixture.user().await;
    for definition in definitions {
        user.run(definition).await;
    }
    user
}
