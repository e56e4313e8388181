//! `bench`: load on this machine, measured.

use super::Context;
use super::kafka::KafkaArguments;
use crate::failure::Exit;
use crate::output::{self, Format};
use anyhow::Context as _;
use clap::Args;
use clap::builder::PossibleValuesParser;
use std::path::PathBuf;
use std::time::Duration;
use tributary_demo::bench::{KeyOrder, MemberChoice, Options, PostgresServer, Workload, run as measure};

/// What `bench` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// What is measured; by default everything.
    #[arg(value_parser = PossibleValuesParser::new(Workload::ALL.map(Workload::as_str)))]
    workload: Vec<String>,
    /// Rows of the table.
    #[arg(long, value_name = "NUMBER", default_value_t = 200_000)]
    rows: u64,
    /// Changes of `update` and `mixed`; by default as many as rows, at most 200,000.
    #[arg(long, value_name = "NUMBER")]
    changes: Option<u64>,
    /// In which order rows are written: by default `insert` ascending, `update` and `mixed` at random.
    #[arg(long, value_name = "ORDER", value_parser = PossibleValuesParser::new(KeyOrder::ALL.map(KeyOrder::as_str)))]
    key_order: Option<String>,
    /// How many of 100 changes of `mixed` are updates; of the others half are deletes, half inserts.
    #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = clap::value_parser!(u8).range(0..=100))]
    update_share: u8,
    /// Members of the group.
    #[arg(long, value_name = "NUMBER", default_value_t = 2)]
    members: usize,
    /// Changes a second of `delay`.
    #[arg(long, value_name = "NUMBER", default_value_t = 500)]
    rate: u32,
    /// The user of `delay` waits for the disk at every commit.
    #[arg(long)]
    writer_waits_for_disk: bool,
    /// How long `delay` and `idle` are watched.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = humantime::parse_duration)]
    duration: Duration,
    /// Length of the text that makes up most of a row.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    value_bytes: usize,
    /// The same seed gives the same rows in the same order.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Does not measure capture, resolver and apply one by one.
    #[arg(long)]
    no_stages: bool,
    /// Puts the files into this folder, and leaves them there.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Makes the members on this PostgreSQL server, as databases of their own that are dropped in the end:
    /// postgresql://user@host:port/postgres, without encryption.
    #[arg(long, value_name = "URL")]
    postgres: Option<String>,
    /// A file that holds the password for it and nothing else.
    #[arg(long, value_name = "FILE", requires = "postgres")]
    postgres_password: Option<PathBuf>,
    /// Where the log is.
    #[command(flatten)]
    log: KafkaArguments,
}

pub(crate) fn run(context: &Context, arguments: Arguments) -> anyhow::Result<Exit> {
    let named: Vec<_> = arguments.workload.iter().filter_map(|name| Workload::parse(name)).collect();
    let password = arguments.postgres_password.map(std::fs::read_to_string).transpose();
    let password = password.context("the password file cannot be read")?;
    let password = password.map(|text| text.trim_end_matches(['\r', '\n']).to_owned());
    let databases = match &arguments.postgres {
        Some(url) => MemberChoice::Postgres(PostgresServer::new(url, password)?),
        None => MemberChoice::Sqlite,
    };
    let options = Options {
        databases,
        workloads: if named.is_empty() { Workload::ALL.to_vec() } else { named },
        rows: arguments.rows,
        changes: arguments.changes,
        key_order: arguments.key_order.as_deref().and_then(KeyOrder::parse),
        update_share: arguments.update_share,
        members: arguments.members,
        rate: arguments.rate,
        writer_waits_for_disk: arguments.writer_waits_for_disk,
        duration: arguments.duration,
        value_bytes: arguments.value_bytes,
        seed: arguments.seed,
        stages: !arguments.no_stages,
        dir: arguments.dir,
        log: arguments.log.into_choice(),
        ..Options::default()
    };
    let report = measure(&options, &mut anstream::stderr())?;
    output::line(
        match context.output {
            Format::Json => report.to_json(),
            Format::Text => report.to_text(),
        }
        .trim_end(),
    )?;
    Ok(Exit::Well)
}
