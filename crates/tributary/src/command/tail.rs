//! `tail`: the records of the group's topics, decoded.

use super::Context;
use crate::failure::Exit;
use crate::group::{block_on, open_to_read, opened};
use crate::output::{self, Format};
use clap::{Args, ValueEnum};
use std::time::Duration;
use tributary_group::tail::{Tail, TailFilter, TopicKind};
use tributary_stream::Start;

/// How long one look waits for records.
const WAIT: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum From {
    /// The first record that is there.
    Beginning,
    /// What comes from now on.
    End,
}

/// What `tail` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only topics of these kinds.
    #[arg(long, value_delimiter = ',', value_name = "KIND",
          value_parser = clap::builder::PossibleValuesParser::new(TopicKind::ALL.map(TopicKind::as_str)))]
    topic: Vec<String>,
    /// Only this table.
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
    /// Only this row: the values of its key, joined by commas.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Only changes of this member, records that it won, and conflicts that it took part in.
    #[arg(long, value_name = "ID")]
    member: Option<String>,
    /// Where to begin; by default at the beginning, with --follow at the end.
    #[arg(long, value_enum)]
    from: Option<From>,
    /// Waits for more, until interrupted.
    #[arg(short, long)]
    follow: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    block_on(async {
        let engine = open_to_read(&context.group_file).await?;
        let group = opened(&engine);
        let wants = |kind: &TopicKind| arguments.topic.iter().any(|word| word == kind.as_str());
        let member = arguments.member.as_deref().map(|id| group.connector(id).map(|c| c.id().clone()));
        let filter = TailFilter {
            kinds: TopicKind::ALL.into_iter().filter(wants).collect(),
            table: arguments.table.as_deref().map(|name| group.table(name)).transpose()?,
            key: arguments.key.clone(),
            member: member.transpose()?,
        };
        let start = match arguments.from.unwrap_or(if arguments.follow { From::End } else { From::Beginning })
        {
            From::Beginning => Start::Beginning,
            From::End => Start::End,
        };
        let mut tail = Tail::open(group, filter, start).await?;
        loop {
            for record in tail.next(if arguments.follow { WAIT } else { Duration::ZERO }).await? {
                match context.output {
                    Format::Json => output::json_line(&record)?,
                    Format::Text => output::line(&record.line())?,
                }
            }
            if !arguments.follow && tail.has_caught_up() {
                return Ok(Exit::Well);
            }
        }
    })
}
