//! Addresses of members' databases.
//!
//! An address is never shown in a message: it may hold a password.

use super::problem::{Problem, ProblemKind};
use super::raw::At;
use super::settings::{MemberUrl, ServerUrl};
use std::path::Path;
use tributary_model::MemberId;

const WAYS: &str = "write `sqlite:relative/path.db` (relative to the group file), `postgresql://user@host/database` or \
                    `mssql://user@host/Database`";

/// Reads an address whose variables have been replaced. May find several problems.
pub(super) fn parse(
    url: &At<String>,
    member: Option<&MemberId>,
    base: &Path,
    problems: &mut Vec<Problem>,
) -> Option<MemberUrl> {
    let mut problem =
        |kind, what: &str, remedy: &str| problems.push(Problem::new(kind, url.at, what, remedy));
    let Some((scheme, rest)) = url.value.split_once(':') else {
        problem(ProblemKind::InvalidValue, "the address of the database does not say what kind it is", WAYS);
        return None;
    };
    let server = match scheme {
        "sqlite" => {
            return match sqlite_path(rest) {
                Ok(path) => Some(MemberUrl::Sqlite { path: base.join(path) }),
                Err((what, remedy)) => {
                    problem(ProblemKind::InvalidValue, what, remedy);
                    None
                }
            };
        }
        "postgres" | "postgresql" => MemberUrl::Postgres { url: ServerUrl::new(&url.value) },
        "mssql" | "sqlserver" => MemberUrl::SqlServer { url: ServerUrl::new(&url.value) },
        _ => {
            problem(
                ProblemKind::InvalidValue,
                "the address names a kind of database that is not known",
                WAYS,
            );
            return None;
        }
    };
    if holds_password(rest) {
        problem(
            ProblemKind::Secret,
            "the address of the database holds a password",
            "move it to `password:`, best as `${NAME}` or `file:/path`",
        );
        return None;
    }
    // Without an id there is a problem already.
    match server.check(member?) {
        Ok(()) => Some(server),
        Err(reason) => {
            problem(ProblemKind::InvalidValue, "the address of the database cannot be used", &reason);
            None
        }
    }
}

fn sqlite_path(rest: &str) -> Result<&str, (&'static str, &'static str)> {
    let path = match rest.strip_prefix("//") {
        Some(absolute) if absolute.starts_with('/') => absolute,
        // `sqlite://data/till.db` means data/till.db to some tools, and till.db on the host `data` to others.
        Some(_) => return Err(("a SQLite address with two slashes could mean a host", WAYS)),
        None => rest,
    };
    if path.is_empty() || path.ends_with('/') {
        return Err(("the SQLite address names no file", WAYS));
    }
    if path.starts_with(":memory:") {
        return Err(("a SQLite member has to be a file, since several workers open it", WAYS));
    }
    if path.contains('?') || path.contains('\0') {
        return Err(("a SQLite address takes no options", "leave out what follows the file's name"));
    }
    Ok(path)
}

/// Whether `//user:password@host…` or `…?password=…` is there.
pub(super) fn holds_password(rest: &str) -> bool {
    let authority = rest.trim_start_matches('/');
    // A password may hold slashes and more `@`, so everything before the last `@` counts.
    let in_front = authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
    let options = rest.split_once('?').map_or("", |(_, options)| options).to_ascii_lowercase();
    in_front
        || options.split(['&', ';']).any(|option| {
            let name = option.split('=').next().unwrap_or_default();
            matches!(name, "password" | "pwd")
        })
}
