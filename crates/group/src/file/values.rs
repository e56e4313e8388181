//! Single values: variables, durations, intervals, addresses.

use super::Environment;
use super::problem::{Position, Problem, ProblemKind};
use super::settings::Schedule;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The variables of this process. One whose value is no Unicode text counts as not set.
pub(super) fn process_environment(name: &str) -> Option<String> {
    #[allow(
        clippy::disallowed_methods,
        reason = "the group file is where settings come from, and it may name variables"
    )]
    std::env::var(name).ok()
}

/// Replaces `${NAME}` by the variable's value, and `$${` by `${`.
pub(super) fn expand(text: &str, at: Position, environment: &Environment<'_>) -> Result<String, Problem> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(found) = rest.find("${") {
        if rest[..found].ends_with('$') {
            out.push_str(&rest[..found - 1]);
            out.push_str("${");
            rest = &rest[found + 2..];
            continue;
        }
        out.push_str(&rest[..found]);
        let after = &rest[found + 2..];
        let problem = |what: String, remedy: &str| Problem::new(ProblemKind::Variable, at, what, remedy);
        let Some(end) = after.find('}') else {
            let remedy = "close it with `}`, or write `$${` if no variable is meant";
            return Err(problem("a variable begins with `${` and is not closed".to_owned(), remedy));
        };
        let name = &after[..end];
        if !is_variable_name(name) {
            // Not shown: in a password, what stands between braces may be part of it.
            let remedy = "use letters, digits and underscores, or write `$${` if no variable is meant";
            return Err(problem("the text between `${` and `}` is not a variable's name".to_owned(), remedy));
        }
        let Some(value) = environment(name) else {
            return Err(problem(
                format!("the variable `{name}` is not set"),
                "set it in the environment of the process, or write the value itself",
            ));
        };
        out.push_str(&value);
        rest = &after[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn is_variable_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Reads a duration within `range`. The error says what is wrong, and what to write.
pub(super) fn duration(text: &str, range: &RangeInclusive<Duration>) -> Result<Duration, (String, String)> {
    let wrong = || format!("write a number and a unit, such as {}", example(range));
    let Ok(duration) = humantime::parse_duration(text.trim()) else {
        return Err(("is not a duration".to_owned(), wrong()));
    };
    if duration < *range.start() {
        let least = humantime::format_duration(*range.start());
        return Err((format!("is shorter than {least}"), format!("give at least {least}")));
    }
    if duration > *range.end() {
        let most = humantime::format_duration(*range.end());
        return Err((format!("is longer than {most}"), format!("give at most {most}")));
    }
    Ok(duration)
}

fn example(range: &RangeInclusive<Duration>) -> &'static str {
    if *range.start() >= Duration::from_secs(3600) { "`45d`" } else { "`50ms` or `5m`" }
}

/// Reads `continuous`, `manual` or `every` and an interval.
pub(super) fn schedule(text: &str) -> Result<Schedule, (String, String)> {
    const WAYS: &str = "write `continuous`, `every 5m` (or another interval) or `manual`";
    match text.trim() {
        "continuous" => Ok(Schedule::Continuous),
        "manual" => Ok(Schedule::Manual),
        other => {
            let Some(interval) = other.strip_prefix("every ") else {
                return Err(("is not a schedule".to_owned(), WAYS.to_owned()));
            };
            let range = Duration::from_secs(1)..=Duration::from_secs(7 * 24 * 3600);
            duration(interval, &range).map(Schedule::Every)
        }
    }
}
