//! `log copy`: moves a group from the embedded log to Kafka.

use super::Context;
use crate::failure::{Exit, Misuse};
use crate::group::{block_on, load};
use crate::output::{self, Format, faint, good, note};
use clap::{Args, Subcommand, ValueEnum};
use indicatif::ProgressBar;
use std::path::PathBuf;
use std::str::FromStr;
use tributary_group::copy::{Copy, CopyProgress, CopyReport, Phase};
use tributary_group::file::{DEFAULT_PREFIX, GroupFile, LogSettings};
use tributary_stream::Topics;
use tributary_stream::embedded::{Access, EmbeddedLog};

/// What `log` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Copies the embedded log of a group into Kafka, which becomes the group's log.
    ///
    /// The group file names the Kafka cluster under `log:`. Nothing may run for the group meanwhile. Members need no
    /// change: the copy has the log's identity, and every resolved record its offset. Interrupted at any point, the same
    /// command goes on where it was. At the end both logs are compared; the old one stays as it is, and is not opened
    /// any more.
    Copy(CopyArguments),
}

#[derive(Debug, Args)]
struct CopyArguments {
    /// The log to copy: `embedded`, or `embedded:FILE`. Without FILE it is `<group>.log.db` beside the group file.
    #[arg(long, value_name = "LOG", default_value = "embedded")]
    from: From,
    /// Where to: the Kafka cluster of the group file.
    #[arg(long, value_enum, value_name = "LOG", default_value_t = To::Kafka)]
    to: To,
    /// Gives up a copy that is not complete: the embedded log can be used again.
    #[arg(long)]
    abandon: bool,
}

/// An embedded log, by its file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct From(Option<PathBuf>);

impl FromStr for From {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "embedded" => Ok(Self(None)),
            Some(("embedded", file)) if !file.is_empty() => Ok(Self(Some(PathBuf::from(file)))),
            _ => Err("write `embedded` or `embedded:FILE`"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum To {
    /// Apache Kafka.
    Kafka,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let Action::Copy(arguments) = &arguments.action;
    let To::Kafka = arguments.to;
    let file = load(&context.group_file)?;
    let LogSettings::Kafka(kafka) = &file.log else { return Err(Misuse::NoKafka.into()) };
    let path = source(&file, &arguments.from);
    if !path.exists() {
        return Err(tributary_stream::Error::Missing { path }.into());
    }
    let source = EmbeddedLog::open(&path, Access::Exclusive)?;
    let copy = Copy {
        file: &file,
        source: &source,
        from: path.display().to_string(),
        source_topics: Topics::new(DEFAULT_PREFIX, file.group.as_str()),
    };
    if arguments.abandon {
        block_on(async { Ok(copy.abandon().await?) })?;
        note(&format!(
            "{} can be used again; before another copy is made, delete the topics that begin with {}.{}.",
            path.display(),
            kafka.prefix,
            file.group
        ));
        return Ok(Exit::Well);
    }
    let bar = output::spinner("opening both logs".to_owned());
    let mut teller = Teller { bar: bar.clone(), phase: None };
    let settings = kafka.connection(file.control_topic(), true);
    let report = block_on(async { Ok(copy.into_kafka(settings, &mut |at| teller.tell(at)).await?) });
    bar.finish_and_clear();
    let report = report?;
    match context.output {
        Format::Json => output::json(&report)?,
        Format::Text => told(&report, &copy)?,
    }
    Ok(Exit::Well)
}

fn source(file: &GroupFile, from: &From) -> PathBuf {
    let beside = || file.path.with_file_name(format!("{}.log.db", file.group));
    from.0.clone().unwrap_or_else(beside)
}

/// Shows how far it is: a line that moves on a terminal, and elsewhere one line for each phase.
struct Teller {
    bar: ProgressBar,
    phase: Option<Phase>,
}

impl Teller {
    fn tell(&mut self, at: CopyProgress<'_>) {
        let what = match at.phase {
            Phase::Reading => "reading",
            Phase::Copying => "copying",
            Phase::Comparing => "comparing",
        };
        if self.phase != Some(at.phase) {
            self.phase = Some(at.phase);
            if self.bar.is_hidden() {
                let count = if at.total > 0 { format!(" {} records", at.total) } else { String::new() };
                note(&faint(&format!("{what}{count}")));
            }
        }
        // Told of every record, and shown far less often.
        if at.done.is_multiple_of(500) || at.done == at.total {
            let of =
                (at.done * 100).checked_div(at.total).map_or_else(String::new, |part| format!(" ({part} %)"));
            self.bar.set_message(format!("{what} {}: {} records{of}", at.topic, at.done));
        }
    }
}

fn told(report: &CopyReport, copy: &Copy<'_>) -> anyhow::Result<()> {
    let (from, to) = (&copy.from, &copy.file.log);
    if report.was_complete {
        output::line(&good(&format!("{from} was copied to {to} before; there is nothing to do")))?;
    } else {
        let rows = report.topics.iter().map(|topic| {
            let offsets = if topic.offsets_kept { "kept" } else { "in order" };
            let counts = [topic.records, topic.repeated, topic.filled].map(|count| count.to_string());
            let mut row = output::plain([topic.topic.as_str(), offsets]);
            row.extend(output::plain(counts));
            row
        });
        output::table(&["topic", "offsets", "records", "repeated", "filled"], rows.collect())?;
        output::line(&good(&format!(
            "all of it was copied and compared: log {}, digest {}",
            report.log_id, report.digest
        )))?;
    }
    output::line("next:")?;
    output::line("  tributary run       with this group file, on every machine that works for the group")?;
    output::line("  tributary verify    once it runs: are the members equal?")?;
    output::line(&format!("  {from} is not opened any more: keep it for as long as you like, then remove it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_is_named_by_kind_and_file() {
        assert_eq!("embedded".parse(), Ok(From(None)));
        assert_eq!("embedded:./a:b.db".parse(), Ok(From(Some(PathBuf::from("./a:b.db")))));
        for wrong in ["", "kafka", "embedded:", "retail.log.db", "embedded retail.log.db"] {
            assert!(wrong.parse::<From>().is_err(), "{wrong}");
        }
    }
}
