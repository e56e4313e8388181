//! `verify`: are the members equal?

use super::Context;
use crate::failure::Exit;
use crate::group::{block_on, open_to_read, opened};
use crate::output::{self, Format, bad, faint, good};
use clap::Args;
use tributary_group::verify::{Difference, DifferenceKind, Verification, Verified, VerifySettings, verify};

/// What `verify` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only this table.
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
    /// How many differences of a table and member are listed; all are counted.
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    limit: usize,
    /// How often rows that differ are looked at again, while changes are on their way.
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    tries: u32,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let verification = block_on(async {
        let engine = open_to_read(&context.group_file).await?;
        let group = opened(&engine);
        let settings = VerifySettings {
            table: arguments.table.as_deref().map(|name| group.table(name)).transpose()?,
            listed: arguments.limit,
            tries: arguments.tries.max(1),
            ..VerifySettings::default()
        };
        let bar = output::spinner("reading digests".to_owned());
        let verification = verify(&group, &settings, &mut |table, member, reference| {
            bar.set_message(format!("comparing {table} of {member} with {reference}"));
        })
        .await;
        bar.finish_and_clear();
        Ok(verification?)
    })?;
    match context.output {
        Format::Json => output::json(&verification)?,
        Format::Text => told(&verification)?,
    }
    Ok(Exit::found(!verification.is_equal()))
}

fn told(verification: &Verification) -> anyhow::Result<()> {
    let rows = verification.compared.iter().map(|verified| {
        let state = match (verified.differing, verified.settled) {
            (0, _) => output::good_cell("equal"),
            (differing, true) if differing == verified.one_way => {
                output::good_cell("equal but for one-way rows")
            }
            (_, true) => output::bad_cell("differs"),
            (_, false) => output::odd_cell("differs, changes are on their way"),
        };
        let names = [verified.table.as_str(), verified.member.as_str(), verified.compared_with.as_str()];
        let mut row = output::plain(names);
        row.extend(output::plain([verified.rows, verified.equal, verified.differing]));
        row.push(state);
        row
    });
    output::table(&["table", "member", "with", "rows", "equal", "different", "state"], rows.collect())?;
    verification.compared.iter().try_for_each(differences)?;
    for skipped in &verification.not_compared {
        output::line(&bad(&format!(
            "{} of {}: not compared: {}",
            skipped.table, skipped.member, skipped.reason
        )))?;
    }
    for skipped in &verification.unasked {
        output::line(&bad(&format!(
            "{}: not compared: {} ({})",
            skipped.member, skipped.trouble, skipped.code
        )))?;
    }
    let summary = if verification.is_equal() {
        let one_way: u64 = verification.compared.iter().map(|verified| verified.one_way).sum();
        if one_way == 0 {
            good("all members are equal")
        } else {
            good(&format!("all members are equal but for {one_way} rows that their directions let differ"))
        }
    } else {
        bad("not all members are equal")
    };
    output::line(&summary)
}

fn differences(verified: &Verified) -> anyhow::Result<()> {
    if !verified.columns_left_out.is_empty() {
        output::line(&faint(&format!(
            "{} of {}: not compared with {}: {}",
            verified.table,
            verified.member,
            verified.compared_with,
            verified.columns_left_out.join(", ")
        )))?;
    }
    if !verified.columns_rounded.is_empty() {
        output::line(&faint(&format!(
            "{} of {}: compared with {} as the coarser of the two shows them: {}",
            verified.table,
            verified.member,
            verified.compared_with,
            verified.columns_rounded.join(", ")
        )))?;
    }
    for difference in &verified.differences {
        let place = format!("{} [{}] of {}", verified.table, difference.key, verified.member);
        output::line(&format!("{place}: {}", what(difference, verified)))?;
    }
    let more = verified.differing.saturating_sub(verified.differences.len() as u64);
    if more > 0 {
        output::line(&faint(&format!("… and {more} more; --limit lists them")))?;
    }
    Ok(())
}

fn what(difference: &Difference, verified: &Verified) -> String {
    let with = &verified.compared_with;
    let text = match difference.kind {
        DifferenceKind::Missing => format!("missing here, there in {with}"),
        DifferenceKind::Extra => format!("only here, missing in {with}"),
        DifferenceKind::Differs if difference.columns.is_empty() => {
            format!("differs from {with} in a value that is not of its column's type")
        }
        DifferenceKind::Differs => format!("differs from {with} in {}", difference.columns.join(", ")),
    };
    match &difference.explained {
        Some(explained) => format!("{text} ({explained})"),
        None => text,
    }
}
