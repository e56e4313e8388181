//! `check`: do members and group file fit together?

use super::Context;
use crate::failure::Exit;
use crate::group::{block_on, connectors, known_spec, load};
use crate::output::{self, Format, bad, faint, good, odd};
use clap::Args;
use tributary_engine::inspect_all;
use tributary_group::check::{CheckReport, FindingView, check};
use tributary_group::file::LogSettings;
use tributary_group::spec::GroupFinding;
use tributary_stream::kafka::KafkaLog;

/// What `check` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(context: &Context, _: &Arguments) -> anyhow::Result<Exit> {
    let file = load(&context.group_file)?;
    let report = block_on(async {
        let (known, mut of_log) = match known_spec(&file).await {
            Ok(known) => (known, Vec::new()),
            Err(error) => (None, vec![GroupFinding::log_unreachable(&error, error.code())]),
        };
        if let (LogSettings::Kafka(kafka), true) = (&file.log, of_log.is_empty()) {
            // The registry is asked for nothing that is known, but will be for what `provision` adds.
            let probed = KafkaLog::probe(kafka.connection(file.control_topic(), false)).await;
            of_log.extend(probed.err().map(|error| GroupFinding::log_unreachable(&error, error.code())));
        }
        let inspected = inspect_all(&connectors(&file)?).await;
        Ok(check(&file, inspected, known.as_ref(), of_log))
    })?;
    match context.output {
        Format::Json => output::json(&report)?,
        Format::Text => told(&report)?,
    }
    Ok(Exit::found(report.errors() > 0))
}

fn told(report: &CheckReport) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for member in &report.members {
        let server = member.server.clone().unwrap_or_else(|| "cannot be looked at".to_owned());
        for table in &member.tables {
            let state = match (table.exists, table.provisioned) {
                (false, _) => "to be created",
                (true, false) => "not provisioned",
                (true, true) => "provisioned",
            };
            let columns = table.columns.to_string();
            rows.push(output::plain([&member.member, &server, &table.table, &table.local, &columns, state]));
        }
        if member.tables.is_empty() {
            rows.push(output::plain([member.member.as_str(), &server, "", "", "", ""]));
        }
    }
    output::table(&["member", "database", "table", "there", "columns", "state"], rows)?;
    for finding in &report.findings {
        finding_line(finding)?;
    }
    let (errors, warnings) = (report.errors(), report.warnings());
    let summary = format!("{errors} errors, {warnings} warnings");
    output::line(&if errors > 0 { bad(&summary) } else { good(&summary) })
}

/// One finding, with its remedy on a second line.
pub(super) fn finding_line(finding: &FindingView) -> anyhow::Result<()> {
    let word = match finding.severity {
        "error" => bad(finding.severity),
        "warning" => odd(finding.severity),
        _ => faint(finding.severity),
    };
    let table = match (&finding.table, &finding.column) {
        (Some(table), Some(column)) => Some(format!("{table}.{column}")),
        (table, _) => table.clone(),
    };
    let place: Vec<String> = finding.member.iter().cloned().chain(table).collect();
    let place = if place.is_empty() { String::new() } else { format!("{}: ", place.join(", ")) };
    output::line(&format!("{word}: {place}{}", finding.message))?;
    output::line(&format!("  {}", faint(&finding.remedy)))
}
