//! From what is written to what is meant: values, defaults, and what refers to what.
//!
//! Goes on after a problem wherever the rest can still be judged, so that a file's problems are told together.

mod kafka;
mod members;
mod tables;

use super::choice::Choice;
use super::problem::{Position, Problem, ProblemKind, instead_of};
use super::raw::{At, RawGroupFile, RawLog, Text};
use super::secret::Hidden;
use super::settings::{GroupFile, GroupName, LogSettings, Schedule};
use super::{Environment, values};
use secrecy::SecretString;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Far beyond any sense, and far below what overflows when it is counted in ticks.
const LONGEST: Duration = Duration::from_secs(1000 * 365 * 24 * 3600);
const POLL_INTERVALS: RangeInclusive<Duration> = Duration::from_millis(1)..=HOUR;
const RETENTIONS: RangeInclusive<Duration> = HOUR..=LONGEST;
const SKEWS: RangeInclusive<Duration> = Duration::from_millis(1)..=LONGEST;
const TIMEOUTS: RangeInclusive<Duration> = SECOND..=Duration::from_secs(600);
const LOCKS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60);

pub(super) fn validate(
    raw: RawGroupFile,
    path: &Path,
    environment: &Environment<'_>,
) -> Result<GroupFile, Vec<Problem>> {
    let base = path.parent().unwrap_or(Path::new(""));
    let mut check = Checker { base, environment, problems: Vec::new() };
    let group = check.group(raw.group.as_ref());
    let log = check.log(raw.log.as_ref(), group.as_ref());
    let members = check.members(raw.members.as_ref());
    check.files_apart(raw.log.as_ref(), log.as_ref(), &members);
    let ids: Vec<_> = members.iter().map(|member| member.id.clone()).collect();
    let priority = check.priority(raw.priority.as_ref(), &ids);
    let defaults = check.defaults(raw.defaults.as_ref());
    let tables = check.tables(raw.tables.as_ref(), &defaults, &ids);
    let schedule = check.schedule(raw.schedule.as_ref());
    let poll_interval = check.duration(
        "poll_interval",
        raw.poll_interval.as_ref(),
        &POLL_INTERVALS,
        Duration::from_millis(50),
    );
    let tombstone_retention =
        check.duration("tombstone_retention", raw.tombstone_retention.as_ref(), &RETENTIONS, 45 * DAY);
    let conflict_retention = check.conflict_retention(raw.conflict_retention.as_ref());
    let metrics = raw.metrics.as_ref().and_then(|metrics| {
        let listen = check.required("listen", metrics.value.listen.as_ref(), metrics.at)?;
        check.address(listen)
    });
    let clock_skew_warning =
        check.duration("clock_skew_warning", raw.clock_skew_warning.as_ref(), &SKEWS, 2 * SECOND);
    let data_dir = match raw.data_dir.as_ref() {
        Some(text) => check.path("data_dir", text),
        None => group.as_ref().map(|group| base.join(format!("{group}.data"))),
    };
    let mut problems = check.problems;
    problems.sort_by_key(|problem| problem.at);
    match (group, log, data_dir) {
        (Some(group), Some(log), Some(data_dir)) if problems.is_empty() => Ok(GroupFile {
            path: path.to_owned(),
            group,
            log,
            data_dir,
            members,
            priority,
            tables,
            schedule,
            poll_interval,
            tombstone_retention,
            conflict_retention,
            metrics,
            clock_skew_warning,
        }),
        _ => Err(problems),
    }
}

struct Checker<'a> {
    base: &'a Path,
    environment: &'a Environment<'a>,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn problem(
        &mut self,
        kind: ProblemKind,
        at: Position,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.problems.push(Problem::new(kind, at, what, remedy));
    }

    /// `value`, or a problem at the mapping that should have it.
    fn required<'v, T>(&mut self, key: &str, value: Option<&'v T>, mapping: Position) -> Option<&'v T> {
        if value.is_none() {
            let remedy = format!("add `{key}:`");
            self.problem(ProblemKind::Missing, mapping, format!("the key `{key}` is missing"), remedy);
        }
        value
    }

    /// The text with its variables replaced.
    fn text(&mut self, text: &Text) -> Option<String> {
        self.expanded(&text.value, text.at)
    }

    fn expanded(&mut self, text: &str, at: Position) -> Option<String> {
        values::expand(text, at, self.environment).map_err(|problem| self.problems.push(problem)).ok()
    }

    /// A password or the like, read from where it really is.
    fn secret(&mut self, hidden: &At<Hidden>) -> Option<SecretString> {
        let resolved = hidden.value.resolve(hidden.at, self.base, self.environment);
        resolved.map_err(|problem| self.problems.push(problem)).ok()
    }

    /// The text as a path; relative ones begin beside the group file.
    fn path(&mut self, key: &str, text: &Text) -> Option<PathBuf> {
        let path = self.text(text)?;
        if path.is_empty() {
            let what = format!("`{key}` names no path");
            self.problem(ProblemKind::InvalidValue, text.at, what, "write a path, or leave the key out");
            return None;
        }
        Some(self.base.join(path))
    }

    /// The value of a few-worded setting, where it is given and right.
    fn choice<T: Choice>(&mut self, key: &str, text: Option<&Text>) -> Option<T> {
        let text = text?;
        let word = self.text(text)?;
        let value = T::named(&word);
        if value.is_none() {
            let what = format!("`{key}` cannot be `{}`", text.value);
            self.problem(ProblemKind::InvalidValue, text.at, what, instead_of(&word, T::words()));
        }
        value
    }

    /// The duration, or its default.
    fn duration(
        &mut self,
        key: &str,
        text: Option<&Text>,
        range: &RangeInclusive<Duration>,
        default: Duration,
    ) -> Duration {
        let Some(text) = text else { return default };
        let Some(written) = self.text(text) else { return default };
        values::duration(&written, range).unwrap_or_else(|(what, remedy)| {
            let what = format!("`{key}`: `{}` {what}", text.value);
            self.problem(ProblemKind::InvalidValue, text.at, what, remedy);
            default
        })
    }

    fn group(&mut self, text: Option<&Text>) -> Option<GroupName> {
        let text = self.required("group", text, Position { line: 1, column: 1 })?;
        let name = GroupName::new(&self.text(text)?);
        if name.is_none() {
            let what = format!("`{}` cannot be a group's name", text.value);
            self.problem(ProblemKind::InvalidValue, text.at, what, NAME_RULE);
        }
        name
    }

    fn log(&mut self, log: Option<&At<RawLog>>, group: Option<&GroupName>) -> Option<LogSettings> {
        let log = self.required("log", log, Position { line: 1, column: 1 })?;
        match (&log.value.embedded, &log.value.kafka) {
            (Some(path), None) => self.path("embedded", path).map(|path| LogSettings::Embedded { path }),
            (None, Some(kafka)) => self.kafka(kafka, group).map(Box::new).map(LogSettings::Kafka),
            (Some(_), Some(_)) => {
                let what = "`log` names two logs";
                self.problem(ProblemKind::Contradiction, log.at, what, "keep one of `embedded` and `kafka`");
                None
            }
            (None, None) => {
                let remedy = "write `embedded: <file>`, or `kafka:` with its brokers and registry";
                self.problem(ProblemKind::Missing, log.at, "`log` names no log", remedy);
                None
            }
        }
    }

    fn schedule(&mut self, text: Option<&Text>) -> Schedule {
        let Some(text) = text else { return Schedule::default() };
        let Some(written) = self.text(text) else { return Schedule::default() };
        values::schedule(&written).unwrap_or_else(|(what, remedy)| {
            let what = format!("`schedule`: `{}` {what}", text.value);
            self.problem(ProblemKind::InvalidValue, text.at, what, remedy);
            Schedule::default()
        })
    }

    fn conflict_retention(&mut self, text: Option<&Text>) -> Option<Duration> {
        if let Some(text) = text
            && self.text(text)? == "never"
        {
            return None;
        }
        Some(self.duration("conflict_retention", text, &RETENTIONS, 45 * DAY))
    }

    fn address(&mut self, text: &Text) -> Option<SocketAddr> {
        let address = self.text(text)?.parse().ok();
        if address.is_none() {
            let what = format!("`{}` is not an address and a port", text.value);
            let remedy = "write it like `127.0.0.1:9464` or `[::1]:9464`, without a host's name";
            self.problem(ProblemKind::InvalidValue, text.at, what, remedy);
        }
        address
    }
}

const NAME_RULE: &str = "write a small letter, then up to 30 small letters, digits or hyphens";

/// The path without `.` and `..`, so that two ways to write a file are seen to be one. Links are not followed: the
/// file may not be there yet.
fn plain(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut out = PathBuf::new();
    for component in absolute.components() {
        match component {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => out.push(component),
        }
    }
    out
}
