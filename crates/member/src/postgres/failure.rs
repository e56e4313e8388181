//! What an error of PostgreSQL's, or of the connection to it, means for the worker that met it.
//!
//! Sorted by SQLSTATE. Detail and hint of the server's messages are left out, since they quote values of rows.

use crate::{Cause, Error, Place};
use std::error::Error as StdError;
use std::fmt;
use tokio_postgres::error::DbError;
use tributary_model::MemberId;

/// Whose connection an error came from.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// The member.
    pub(super) member: MemberId,
    /// Database and server.
    pub(super) place: Place,
    /// As whom we are connected.
    pub(super) user: String,
}

/// What the server said, without values.
#[derive(Debug)]
pub(super) struct Said {
    code: String,
    message: String,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL: {} (SQLSTATE {})", self.message, self.code)
    }
}

impl StdError for Said {}

/// The error as the cause of one of ours.
fn cause(error: tokio_postgres::Error) -> Cause {
    match error.as_db_error() {
        Some(said) => {
            Box::new(Said { code: said.code().code().to_owned(), message: said.message().to_owned() })
        }
        None => Box::new(error),
    }
}

impl Origin {
    /// Turns an error of a statement's into one of ours: `.map_err(origin.failed("read the token"))`.
    pub(super) fn failed(&self, action: &'static str) -> impl Fn(tokio_postgres::Error) -> Error + '_ {
        move |error| self.classify(action, error)
    }

    /// Sorts an error by what can be done about it.
    pub(super) fn classify(&self, action: &'static str, error: tokio_postgres::Error) -> Error {
        let (member, place) = (self.member.clone(), self.place.clone());
        let Some(said) = error.as_db_error() else {
            return match error.source().map(ToString::to_string) {
                // What we sent or read did not fit; everything else is the connection's.
                Some(_) if is_conversion(&error) => Error::Statement { place, action, source: cause(error) },
                _ => Error::Unreachable { member, place, action, source: cause(error) },
            };
        };
        let code = said.code().clone();
        match code.code() {
            "55P03" => Error::Busy { place, action },
            "53100" => Error::Full { place, action },
            "57014" => Error::TimedOut { place, action, source: cause(error) },
            "25006" => Error::Standby { place, action, source: cause(error) },
            "57P04" | "3D000" => Error::NoDatabase { member, place, source: cause(error) },
            "40001" | "40P01" => Error::Contention { place, action, source: cause(error) },
            // A statement was prepared for a table that was altered meanwhile.
            "0A000" if said.message().contains("cached plan") => {
                Error::Contention { place, action, source: cause(error) }
            }
            "28P01" | "28000" => {
                Error::Credentials { member, place, user: self.user.clone(), source: cause(error) }
            }
            "42501" => {
                let grant = self.grant(said);
                Error::Permission { member, place, action, grant, source: cause(error) }
            }
            "XX001" | "XX002" => Error::Corrupt { place, source: cause(error) },
            "53300" | "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04" => {
                Error::Unreachable { member, place, action, source: cause(error) }
            }
            other if other.starts_with("08") => {
                Error::Unreachable { member, place, action, source: cause(error) }
            }
            // Out of memory, disk or file faults, limits of the server's.
            other if other.starts_with("53") || other.starts_with("58") => {
                Error::Io { place, action, source: cause(error) }
            }
            _ => Error::Statement { place, action, source: cause(error) },
        }
    }

    /// What grants the right that is missing.
    fn grant(&self, said: &DbError) -> String {
        let role = super::quote::identifier(&self.user);
        let message = said.message();
        if message.contains("row-level security") {
            return format!(
                "policies would hide rows from it, and hidden rows look like deletes: run `ALTER ROLE {role} BYPASSRLS`"
            );
        }
        if message.starts_with("must be owner of") {
            return format!("let the owner of the table provision it, or run `GRANT <the owner> TO {role}`");
        }
        let object = message.strip_prefix("permission denied for ").and_then(|rest| rest.split_once(' '));
        match object {
            Some(("table" | "relation" | "view", name)) => {
                format!("run `GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE {name} TO {role}`, as its owner")
            }
            Some(("schema", name)) => format!("run `GRANT USAGE ON SCHEMA {name} TO {role}`, as its owner"),
            Some(("sequence", name)) => {
                format!("run `GRANT USAGE, SELECT, UPDATE ON SEQUENCE {name} TO {role}`, as its owner")
            }
            Some(("database", name)) => {
                format!("run `GRANT CREATE, CONNECT ON DATABASE {name} TO {role}`, as its owner")
            }
            Some(("function", name)) => {
                format!("run `GRANT EXECUTE ON FUNCTION {name} TO {role}`, as its owner")
            }
            _ => format!("run `deploy/sql/postgresql/run.sql` for {role}, or see what the server said"),
        }
    }

    /// The error of a connection that could not be made.
    pub(super) fn not_connected(&self, error: tokio_postgres::Error) -> Error {
        let action = "connect";
        if error.as_db_error().is_some() {
            return self.classify(action, error);
        }
        let text = error.to_string();
        let (member, place) = (self.member.clone(), self.place.clone());
        if text.starts_with("error performing TLS") {
            return Error::Tls { member, place, reason: tls_reason(&error), source: Some(cause(error)) };
        }
        if text.starts_with("authentication error") || text.starts_with("invalid configuration") {
            return Error::Credentials { member, place, user: self.user.clone(), source: cause(error) };
        }
        Error::Unreachable { member, place, action, source: cause(error) }
    }
}

fn tls_reason(error: &tokio_postgres::Error) -> String {
    let said = error.source().map(ToString::to_string).unwrap_or_default();
    if said.contains("does not support TLS") {
        return "the server offers no encryption; switch it on there (`ssl = on`), or set sslmode=disable if the \
                network is trusted"
            .to_owned();
    }
    "the server's certificate is not trusted or not for this host's name; name the authority's certificate with \
     sslrootcert, or correct the host"
        .to_owned()
}

fn is_conversion(error: &tokio_postgres::Error) -> bool {
    let text = error.to_string();
    ["error serializing", "error deserializing", "invalid column", "expected ", "error encoding"]
        .iter()
        .any(|start| text.starts_with(start))
}
