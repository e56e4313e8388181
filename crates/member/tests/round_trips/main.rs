//! Values of every type on a way that users send them: written in one database, applied in another, sent back by a
//! user of that one, and applied in the first again. Each comes back as it was, or is told to be lost in part.
//!
//! Every pair of databases takes every type through every type of column that may stand for it: the one that
//! provisioning creates, and others that hold less or hold it otherwise. What a column should make of a value stands
//! in [`columns`], in words of the documentation and not of the adapters. `TRIBUTARY_TEST_SEED` repeats a run's random
//! values.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/postgres.rs"]
mod postgres;
#[path = "../support/mod.rs"]
mod sqlite;
#[path = "../support/sqlserver.rs"]
mod sqlserver;

mod columns;
mod fate;
mod home;
mod journey;
mod pair;
mod spellings;
mod traveller;
mod values;

use home::Database::{Postgres, SqlServer, Sqlite};
use std::process::ExitCode;
use tributary_testkit::services::{self, Need, Test};

fn main() -> ExitCode {
    let test = |name, run: fn()| Test::new(name, run).without_services();
    services::main(vec![
        test("sqlite_to_sqlite", || pair::travel(Sqlite, Sqlite)),
        test("sqlite_to_postgres", || pair::travel(Sqlite, Postgres)).needing(Need::Postgres),
        test("postgres_to_sqlite", || pair::travel(Postgres, Sqlite)).needing(Need::Postgres),
        test("postgres_to_postgres", || pair::travel(Postgres, Postgres)).needing(Need::Postgres),
        test("spellings_of_sqlite_users_keep_their_values", spellings::of_sqlite_users_keep_their_values)
            .needing(Need::Postgres),
        test("sqlserver_to_sqlserver", || pair::travel(SqlServer, SqlServer)).needing(Need::Mssql),
        test("sqlserver_to_sqlite", || pair::travel(SqlServer, Sqlite)).needing(Need::Mssql),
        test("sqlite_to_sqlserver", || pair::travel(Sqlite, SqlServer)).needing(Need::Mssql),
        test("sqlserver_to_postgres", || pair::travel(SqlServer, Postgres))
            .needing(Need::Postgres)
            .needing(Need::Mssql),
        test("postgres_to_sqlserver", || pair::travel(Postgres, SqlServer))
            .needing(Need::Postgres)
            .needing(Need::Mssql),
    ])
}
