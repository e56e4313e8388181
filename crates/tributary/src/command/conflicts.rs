//! `conflicts`: the ledger.

use super::Context;
use crate::failure::{Exit, Misuse};
use crate::group::{block_on, open_to_read, opened};
use crate::output::{self, Format, faint, heading, note, odd};
use clap::{Args, Subcommand};
use comfy_table::Cell;
use serde::Serialize;
use tributary_group::conflicts::{
    ConflictFilter, ConflictView, Ledger, SideView, put_loser_back, read_ledger,
};
use tributary_group::view::{one_line, read_moment};
use tributary_group::{ActionError, Opened};
use tributary_model::{ConflictKind, ConflictState, Ticks};

/// What `conflicts` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists conflicts, the newest first.
    List(List),
    /// Shows both versions of a conflict side by side, why the one won, and the SQL that puts the other back.
    Show(Show),
}

#[derive(Debug, Args)]
struct List {
    /// Of this table.
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
    /// In this state: open or settled.
    #[arg(long, value_parser = words(&ConflictState::ALL.map(ConflictState::as_str)))]
    state: Option<String>,
    /// Of this kind.
    #[arg(long, value_parser = words(&ConflictKind::ALL.map(ConflictKind::as_str)))]
    kind: Option<String>,
    /// Settled since then: a date, a time (UTC), or how long ago, such as 2h.
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    limit: usize,
}

#[derive(Debug, Args)]
struct Show {
    /// The conflict's id, or its beginning.
    id: String,
    /// The member whose SQL is shown; by default the first that can be reached.
    #[arg(long, value_name = "ID")]
    member: Option<String>,
}

fn words(words: &[&'static str]) -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(words.iter().copied())
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    block_on(async {
        let engine = open_to_read(&context.group_file).await?;
        let group = opened(&engine);
        let ledger = read_ledger(&group).await?;
        if ledger.of_unknown_tables > 0 {
            let count = ledger.of_unknown_tables;
            note(&odd(&format!("{count} conflicts of tables that are no longer in the group are left out")));
        }
        match &arguments.action {
            Action::List(list) => listed(context, &group, &ledger, list, engine.clock.now_ticks())?,
            Action::Show(show) => shown(context, &group, &ledger, show).await?,
        }
        Ok(Exit::Well)
    })
}

fn listed(
    context: &Context,
    group: &Opened<'_>,
    ledger: &Ledger,
    list: &List,
    now: Ticks,
) -> anyhow::Result<()> {
    let since = list.since.as_deref().map(|text| {
        let example = "2026-11-23T08:00 or 2h";
        read_moment(text, now).ok_or_else(|| Misuse::Value {
            value: text.to_owned(),
            what: "moment",
            example,
        })
    });
    let filter = ConflictFilter {
        table: list.table.as_deref().map(|name| group.table(name)).transpose()?,
        state: list.state.as_deref().and_then(ConflictState::parse),
        kind: list.kind.as_deref().and_then(ConflictKind::parse),
        since: since.transpose()?,
        limit: Some(list.limit),
    };
    let taken = ledger.filtered(&filter);
    let views: Vec<_> = taken
        .into_iter()
        .filter_map(|record| Some(ConflictView::of(record, group.schema(&record.table)?)))
        .collect();
    if context.output == Format::Json {
        return output::json(&views);
    }
    if views.is_empty() {
        note(&faint("no conflicts"));
        return Ok(());
    }
    let rows = views.iter().map(|view| {
        output::plain([
            &view.id[..12],
            &output::moment(&view.settled_at),
            &view.table,
            &output::cell(&view.key, 30),
            view.kind,
            view.state,
            &view.winner.member,
            &view.loser.member,
            &output::cell(&view.differing(), 40),
        ])
    });
    output::table(
        &["id", "settled", "table", "key", "kind", "state", "won", "lost", "differs in"],
        rows.collect(),
    )
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    conflict: &'a ConflictView,
    put_loser_back: Option<PutBack>,
}

#[derive(Debug, Serialize)]
struct PutBack {
    member: String,
    sql: String,
}

async fn shown(context: &Context, group: &Opened<'_>, ledger: &Ledger, show: &Show) -> anyhow::Result<()> {
    let record = ledger.find(&show.id)?;
    let Some(schema) = group.schema(&record.table) else {
        let known: Vec<_> = group.spec.tables.iter().map(|table| table.schema.name.as_str()).collect();
        let error = ActionError::UnknownTable { table: record.table.to_string(), known: known.join(", ") };
        return Err(error.into());
    };
    let view = ConflictView::of(record, schema);
    let put_loser_back = match &show.member {
        Some(id) => {
            let connector = group.connector(id)?;
            Some(PutBack {
                member: id.clone(),
                sql: put_loser_back(group, connector.as_ref(), record).await?,
            })
        }
        None => first_that_answers(group, record).await,
    };
    if context.output == Format::Json {
        return output::json(&Shown { conflict: &view, put_loser_back });
    }
    told(&view)?;
    match put_loser_back {
        Some(back) => {
            output::line(&format!(
                "\n{} (SQL for {})",
                heading("to put the losing version back"),
                back.member
            ))?;
            output::line(&back.sql)
        }
        None => {
            note(&odd("no member can be reached to write the SQL that puts the losing version back"));
            Ok(())
        }
    }
}

async fn first_that_answers(group: &Opened<'_>, record: &tributary_model::ConflictRecord) -> Option<PutBack> {
    for connector in group.connectors {
        if let Ok(sql) = put_loser_back(group, connector.as_ref(), record).await {
            return Some(PutBack { member: connector.id().to_string(), sql });
        }
    }
    None
}

fn told(view: &ConflictView) -> anyhow::Result<()> {
    output::line(&format!("{} {}", heading("conflict"), view.id))?;
    output::line(&format!(
        "{} [{}], {}, {}, {}",
        view.table,
        view.key,
        view.kind,
        view.state,
        output::moment(&view.settled_at)
    ))?;
    output::line(&view.why)?;
    let time =
        |side: &SideView| side.changed_at.as_deref().map_or_else(|| "unknown".to_owned(), output::moment);
    let mut rows = vec![
        output::plain(["changed in", &view.winner.member, &view.loser.member, ""]),
        output::plain(["changed at", &time(&view.winner), &time(&view.loser), ""]),
        output::plain(["change", &view.winner.change, &view.loser.change, ""]),
    ];
    let value = |side: &SideView, value: &Option<tributary_model::Value>| match value {
        _ if side.deleted => "(deleted)".to_owned(),
        Some(value) => output::cell(&one_line(value), 60),
        None => "(not there)".to_owned(),
    };
    for column in &view.columns {
        let (winner, loser) = (value(&view.winner, &column.winner), value(&view.loser, &column.loser));
        let mut row = output::plain([&column.name, &winner, &loser]);
        row.push(if column.differs { output::odd_cell("differs") } else { Cell::new("") });
        rows.push(row);
    }
    output::table(&["", "stands", "lost", ""], rows)
}
