//! `status`: how far members and tables are.

mod process;

use super::Context;
use crate::failure::Exit;
use crate::group::{block_on, open_to_read, opened};
use crate::output::{self, Format, faint, good, heading, odd};
use clap::Args;
use comfy_table::Cell;
use std::io::{self, IsTerminal};
use std::time::Duration;
use tributary_group::live::LiveWorkers;
use tributary_group::progress::TableProgress;
use tributary_group::status::{MemberStatus, Status, read_status};

/// From so many tables of a member on, those that need no attention share a line.
const FOLDED_FROM: usize = 20;

/// What `status` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Shows it again and again, until interrupted.
    #[arg(short, long)]
    watch: bool,
    /// The pause between two looks, with --watch.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    block_on(async {
        let engine = open_to_read(&context.group_file).await?;
        loop {
            let process = engine.file.metrics.and_then(|address| process::ask(address, &engine.file.group));
            let status = read_status(&opened(&engine), engine.clock.now_ticks(), process).await?;
            match (context.output, arguments.watch) {
                (Format::Json, false) => output::json(&status)?,
                (Format::Json, true) => output::json_line(&status)?,
                (Format::Text, _) => {
                    if arguments.watch && io::stdout().is_terminal() {
                        // To the upper left corner, and clear what follows.
                        output::line("\u{1b}[H\u{1b}[2J\u{1b}[3J")?;
                    }
                    told(&status)?;
                }
            }
            if !arguments.watch {
                return Ok(Exit::Well);
            }
            tokio::time::sleep(Duration::from_secs(arguments.every)).await;
        }
    })
}

fn told(status: &Status) -> anyhow::Result<()> {
    let state = if status.in_step { good("in step") } else { odd("not in step") };
    output::line(&format!("group {} at {}: {state}", heading(&status.group), output::moment(&status.at)))?;
    output::line(&faint(&format!("log {} ({})", status.log, status.log_id)))?;
    output::line(&format!(
        "{} changes to settle, {} conflicts ({} open), {} rows out of sync",
        status.unresolved, status.conflicts, status.open_conflicts, status.out_of_sync
    ))?;
    let rows = status.members.iter().flat_map(rows).collect();
    let header = ["member", "table", "state", "to capture", "to apply", "refused", "not publishable"];
    output::table(&header, rows)?;
    if let Some(live) = &status.live {
        let kind = |kind: &LiveWorkers| {
            let of = kind.member.as_ref().map_or_else(String::new, |member| format!(" {member}"));
            format!("{}{of} {}", kind.role, kind.workers)
        };
        let live: Vec<_> = live.iter().map(kind).collect();
        output::line(&format!("workers on all machines: {}", live.join(", ")))?;
    }
    if let Some(process) = &status.process {
        output::line(&format!("workers of process {}:", process.pid))?;
        let rows = process.workers.iter().map(|worker| {
            let what = worker.error.as_ref().unwrap_or(&worker.note);
            output::plain([&worker.name, &worker.state, &worker.restarts.to_string(), what])
        });
        output::table(&["worker", "state", "restarts", "what"], rows.collect())?;
    }
    for text in &status.notes {
        output::line(&format!("{} {text}", odd("!")))?;
    }
    Ok(())
}

fn rows(member: &MemberStatus) -> Vec<Vec<Cell>> {
    if let Some(trouble) = &member.trouble {
        let mut row = output::plain([member.id.as_str(), ""]);
        row.push(output::bad_cell(trouble));
        row.resize(7, Cell::new(""));
        return vec![row];
    }
    if member.tables.is_empty()
        && let Some(why) = &member.rests
    {
        let mut row = output::plain([member.id.as_str(), ""]);
        row.push(output::odd_cell(why));
        row.resize(7, Cell::new(""));
        return vec![row];
    }
    // What needs no attention needs no line of its own where there are many.
    let folds = member.rests.is_none() && member.tables.len() > FOLDED_FROM;
    let (quiet, told): (Vec<_>, Vec<_>) = member.tables.iter().partition(|table| folds && is_quiet(table));
    let rows = told.into_iter().map(|table| {
        let state = match (&table.stopped, &member.rests, table.scan_done) {
            (Some(_), _, _) => output::bad_cell("stopped"),
            (None, Some(_), _) => output::odd_cell("rests"),
            (None, None, _) if member.filling => output::odd_cell("filling anew"),
            (None, None, _) if table.refill.is_some() => output::odd_cell("refilling"),
            (None, None, _) if table.locked => output::odd_cell("locked"),
            (None, None, false) => output::odd_cell("first scan"),
            (None, None, true) => output::good_cell("ready"),
        };
        let mut row = output::plain([member.id.as_str(), table.table.as_str()]);
        row.push(state);
        let counts = [table.unpublished, table.unapplied, table.parked_apply, table.parked_capture];
        row.extend(output::plain(counts));
        row
    });
    let mut rows: Vec<_> = rows.collect();
    if !quiet.is_empty() {
        let others = format!("{} {}tables", quiet.len(), if rows.is_empty() { "" } else { "other " });
        let mut row = output::plain([member.id.as_str(), &others]);
        row.push(output::good_cell("ready"));
        row.extend(output::plain([0; 4]));
        rows.push(row);
    }
    rows
}

/// Whether nothing waits for a table and nothing of it is refused.
fn is_quiet(table: &TableProgress) -> bool {
    let waits = table.unpublished + table.unapplied + table.parked_apply + table.parked_capture;
    table.stopped.is_none() && !table.locked && table.scan_done && waits == 0
}
