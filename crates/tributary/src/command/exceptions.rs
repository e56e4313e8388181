//! `exceptions`: what members refused, and records that nobody could use.

use super::Context;
use crate::failure::Exit;
use crate::group::{block_on, open_to_read, opened};
use crate::output::{self, Format, bad, faint, good, heading, note};
use clap::{Args, Subcommand};
use serde::Serialize;
use tributary_engine::Engine;
use tributary_group::aside::{AsideFilter, AsideView, discard, find_aside, list_aside};
use tributary_group::exceptions::{
    ExceptionFilter, ExceptionView, Exceptions, Unasked, find_exception, list_exceptions, retry_exceptions,
};

/// What `exceptions` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists what members refused, rows that cannot be published, and records of the topics that could not be used.
    List(List),
    /// Shows one with all that is known of it.
    Show {
        /// Its id, or the beginning of it.
        id: String,
    },
    /// Lets the running workers try again at once.
    Retry(Filter),
    /// Strikes a record that could not be used off the list; it stays where it is in its topic.
    Discard {
        /// Its id, or the beginning of it.
        id: String,
    },
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    filter: Filter,
    /// At most so many, of what members refused.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: usize,
}

#[derive(Debug, Args)]
struct Filter {
    /// Of this table.
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
    /// In this member.
    #[arg(long, value_name = "ID")]
    member: Option<String>,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    block_on(async {
        let engine = open_to_read(&context.group_file).await?;
        match &arguments.action {
            Action::List(wanted) => list(context, &engine, wanted).await,
            Action::Show { id } => {
                let aside = list_aside(&opened(&engine), &AsideFilter::default()).await?;
                if let Ok(found) = find_aside(&aside, id) {
                    show_aside(context, found)?;
                    return Ok(Exit::Well);
                }
                let (found, unasked) = find_exception(&opened(&engine), id).await?;
                warn(&unasked);
                show(context, &found)?;
                Ok(Exit::Well)
            }
            Action::Retry(filter) => retry(context, &engine, filter).await,
            Action::Discard { id } => {
                let aside = list_aside(&opened(&engine), &AsideFilter::default()).await?;
                let found = find_aside(&aside, id)?;
                engine.hand_in(vec![discard(&engine.channels.topics, found)]).await?;
                note(&good(&format!("{} is struck off the list", found.id)));
                Ok(Exit::Well)
            }
        }
    })
}

fn filter(engine: &Engine, filter: &Filter) -> anyhow::Result<ExceptionFilter> {
    let group = opened(engine);
    Ok(ExceptionFilter {
        member: filter.member.as_deref().map(|id| group.connector(id).map(|c| c.id().clone())).transpose()?,
        table: filter.table.as_deref().map(|name| group.table(name)).transpose()?,
        ..ExceptionFilter::default()
    })
}

/// Members that could not be asked, on standard error: the listing is not whole.
fn warn(unasked: &[Unasked]) {
    for unasked in unasked {
        note(&bad(&format!("{} cannot be asked: {} ({})", unasked.member, unasked.trouble, unasked.code)));
    }
}

async fn list(context: &Context, engine: &Engine, wanted: &List) -> anyhow::Result<Exit> {
    let filter = ExceptionFilter { limit: Some(wanted.limit), ..filter(engine, &wanted.filter)? };
    let all = list_exceptions(&opened(engine), &filter).await;
    let of = AsideFilter { member: filter.member, table: filter.table };
    let records = list_aside(&opened(engine), &of).await?;
    warn(&all.unasked);
    match context.output {
        Format::Json => output::json(&Listed { members: &all, records: &records })?,
        Format::Text if all.total == 0 && records.is_empty() => note(&faint("no exceptions")),
        Format::Text => {
            list_aside_records(&records)?;
            if all.total == 0 {
                return Ok(Exit::found(!all.unasked.is_empty()));
            }
            let rows = all.exceptions.iter().map(|found| {
                output::plain([
                    &found.id,
                    found.member.as_str(),
                    found.at,
                    found.table.as_str(),
                    &output::cell(&found.key, 30),
                    found.kind,
                    &found.attempts.to_string(),
                    &output::moment(&found.last_at),
                    &output::cell(&found.message, 60),
                ])
            });
            let header = ["id", "member", "at", "table", "key", "kind", "tries", "last tried", "message"];
            output::table(&header, rows.collect())?;
            let listed = all.exceptions.len() as u64;
            if listed < all.total {
                note(&faint(&format!(
                    "{listed} of {}, the oldest of each member first; --limit, --member and --table list others",
                    all.total
                )));
            }
        }
    }
    Ok(Exit::found(!all.unasked.is_empty()))
}

/// All exceptions, as JSON.
#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    members: &'a Exceptions,
    /// Records of the topics that could not be used.
    records: &'a [AsideView],
}

fn list_aside_records(records: &[AsideView]) -> anyhow::Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    let rows = records.iter().map(|found| {
        output::plain([
            found.id.as_str(),
            found.met_by,
            found.member.as_ref().map_or("", |member| member.as_str()),
            &found.topic,
            &found.partition.to_string(),
            &found.offset.to_string(),
            found.kind,
            &output::moment(&found.met_at),
            &output::cell(&found.message, 60),
        ])
    });
    let header = ["id", "met by", "member", "topic", "partition", "offset", "kind", "when", "message"];
    output::table(&header, rows.collect())
}

fn show_aside(context: &Context, found: &AsideView) -> anyhow::Result<()> {
    if context.output == Format::Json {
        return output::json(found);
    }
    let who = found.member.as_ref().map_or_else(String::new, |member| format!(" of {member}"));
    output::line(&format!(
        "{} {}: a record that {}{who} could not use",
        heading("exception"),
        found.id,
        found.met_by
    ))?;
    let what = match found.kind {
        "foreign" => "another program wrote it",
        _ => "it bears this program's marks: a newer version wrote it, or it is damaged",
    };
    let headers: Vec<_> = found.headers.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    let lines = [
        ("where", Some(format!("{}, partition {}, offset {}", found.topic, found.partition, found.offset))),
        ("what", Some(what.to_owned())),
        ("why", Some(format!("{} ({})", found.message, found.code))),
        ("when", Some(found.met_at.clone())),
        ("size", Some(format!("{} bytes", found.size))),
        ("key", Some(found.key.clone())),
        ("value", Some(found.value.clone().unwrap_or_else(|| "null".to_owned()))),
        ("headers", Some(headers.join(", ")).filter(|text| !text.is_empty())),
    ];
    for (name, text) in lines {
        if let Some(text) = text {
            output::line(&format!("  {name}: {}", output::cell(&text, 2_000)))?;
        }
    }
    Ok(())
}

fn show(context: &Context, found: &ExceptionView) -> anyhow::Result<()> {
    if context.output == Format::Json {
        return output::json(found);
    }
    output::line(&format!("{} {} in {}", heading("exception"), found.id, found.member))?;
    let what = match (found.at, found.deletes) {
        ("capture", _) => "this row cannot be published",
        (_, Some(true)) => "the delete of this row was refused",
        (_, _) => "this row was refused",
    };
    output::line(&format!("{} [{}]: {what}", found.table, found.key))?;
    let source = found.source.as_ref();
    let source = source.map(|s| format!("partition {}, offset {}", s.partition, s.offset));
    let lines = [
        ("why", Some(format!("{} ({}): {}", found.kind, found.code, found.message))),
        ("tried", Some(format!("{} times, {} to {}", found.attempts, found.first_at, found.last_at))),
        ("tried again", found.due_at.clone()),
        ("change of", found.origin.clone()),
        ("takes into account", Some(found.vector.clone()).filter(|text| !text.is_empty())),
        ("in the log", source),
        ("row", found.row.as_ref().map(tributary_group::view::RowView::text)),
    ];
    for (name, text) in lines {
        if let Some(text) = text {
            output::line(&format!("  {name}: {text}"))?;
        }
    }
    Ok(())
}

async fn retry(context: &Context, engine: &Engine, wanted: &Filter) -> anyhow::Result<Exit> {
    let retried = retry_exceptions(&opened(engine), &filter(engine, wanted)?).await;
    match context.output {
        Format::Json => output::json(&retried)?,
        Format::Text => {
            for member in &retried {
                let line = match (&member.due, &member.trouble) {
                    (Some(due), _) => good(&format!("{}: {due} are due now", member.member)),
                    (None, trouble) => bad(&format!(
                        "{}: {}",
                        member.member,
                        trouble.as_deref().unwrap_or("cannot be asked")
                    )),
                };
                output::line(&line)?;
            }
            note(&faint("a running `tributary run`, or the next `tributary sync`, tries them again"));
        }
    }
    Ok(Exit::found(retried.iter().any(|member| member.due.is_none())))
}
