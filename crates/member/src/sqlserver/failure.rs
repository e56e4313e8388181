//! What an error of the server's, of its client library or of the network means for the worker that met it.
//!
//! By the server's error numbers, never by its words, which come in many languages; only the grant that a missing
//! right asks for is read out of the English text, since connections ask for that language.

use super::quote;
use crate::{Error, Place};
use secrecy::ExposeSecret as _;
use std::error::Error as StdError;
use tiberius::error::Error as Client;
use tributary_model::MemberId;

/// Whose connection it is, for messages.
#[derive(Debug, Clone)]
pub(crate) struct Whose {
    /// The member.
    pub(crate) member: MemberId,
    /// Server and database.
    pub(crate) place: Place,
    /// Who logs in.
    pub(crate) user: String,
}

/// What can be done about an error number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// Others wrote the same rows; the transaction is gone.
    Contention,
    /// A lock was not to be had in time.
    Busy,
    /// The server is away, moves, or takes no more sessions for now.
    Away,
    /// The login was refused.
    Credentials,
    /// There is no such database.
    NoDatabase,
    /// A right is missing.
    Permission,
    /// There is no room left.
    Full,
    /// The database takes no writes.
    ReadOnly,
    /// The database contradicts itself.
    Corrupt,
    /// Anything else.
    Other,
}

fn meaning(number: u32) -> Meaning {
    match number {
        // Deadlock victim; snapshot conflicts; the same of memory-optimized tables.
        1205 | 3960 | 3961 | 41301 | 41302 | 41305 | 41325 => Meaning::Contention,
        // Lock time-out; no memory for locks or for the statement.
        1222 | 1204 | 701 | 802 | 8645 | 8651 => Meaning::Busy,
        // Azure's: database moves, service busy, limits of sessions and workers; a failover or shutdown under way.
        615 | 926 | 976 | 978 | 983 | 3980 | 4221 | 6005 | 10053 | 10054 | 10060 | 10928 | 10929 | 17142
        | 17187 | 17188 | 17197 | 40143 | 40197 | 40501 | 40540 | 40549 | 40550 | 40613 | 40615 | 42108
        | 42109 | 49918 | 49919 | 49920 => Meaning::Away,
        18450 | 18452 | 18456 | 18470 | 18486 | 18487 | 18488 => Meaning::Credentials,
        911 | 4060 | 4063 => Meaning::NoDatabase,
        229 | 230 | 262 | 297 | 300 | 378 | 916 | 1088 | 2760 | 3701 | 3704 | 15151 | 15247 => {
            Meaning::Permission
        }
        1101 | 1105 | 5149 | 9002 | 40544 => Meaning::Full,
        3906 | 3908 => Meaning::ReadOnly,
        605 | 823 | 824 | 5242 | 5243 => Meaning::Corrupt,
        _ => Meaning::Other,
    }
}

/// The severity from which on the server closes the connection.
const FATAL: u8 = 20;

impl Whose {
    /// Sorts an error by what can be done about it.
    pub(crate) fn classify(&self, action: &'static str, source: Client) -> Error {
        let (member, place) = (self.member.clone(), self.place.clone());
        let error = match &source {
            Client::Server(error) => error,
            Client::Tls(_) => {
                let reason =
                    "the server does not prove who it is, or has no TLS; give it a certificate that this \
                              machine trusts, or name the authority's file in the member's settings"
                        .to_owned();
                return Error::Tls { member, place, reason, source: Some(Box::new(source)) };
            }
            Client::Io { .. } | Client::Protocol(_) | Client::Routing { .. } => {
                return Error::Unreachable { member, place, action, source: Box::new(source) };
            }
            _ => return Error::Statement { place, action, source: Box::new(source) },
        };
        match meaning(error.code()) {
            Meaning::Contention => Error::Contention { place, action, source: Box::new(source) },
            Meaning::Busy => Error::Busy { place, action },
            Meaning::Credentials => {
                Error::Credentials { member, place, user: self.user.clone(), source: Box::new(source) }
            }
            Meaning::NoDatabase => Error::NoDatabase { member, place, source: Box::new(source) },
            Meaning::Permission => {
                let grant = self.grant(error.code(), error.message());
                Error::Permission { member, place, action, grant, source: Box::new(source) }
            }
            Meaning::Full => Error::Full { place, action },
            Meaning::ReadOnly => Error::Standby { place, action, source: Box::new(source) },
            Meaning::Corrupt => Error::Corrupt { place, source: Box::new(source) },
            Meaning::Away => Error::Unreachable { member, place, action, source: Box::new(source) },
            Meaning::Other if error.class() >= FATAL => {
                Error::Unreachable { member, place, action, source: Box::new(source) }
            }
            Meaning::Other => Error::Statement { place, action, source: Box::new(source) },
        }
    }

    /// A connection that was closed, or on which a call was cut short.
    pub(crate) fn lost(&self, action: &'static str, why: &'static str) -> Error {
        Error::Unreachable {
            member: self.member.clone(),
            place: self.place.clone(),
            action,
            source: Box::new(std::io::Error::new(std::io::ErrorKind::ConnectionAborted, why)),
        }
    }

    /// What grants a missing right.
    fn grant(&self, number: u32, message: &str) -> String {
        let scripts = "run the script of the role in `deploy/sql/sqlserver` as an administrator";
        let user = quote::identifier(&self.user);
        let quoted: Vec<&str> = message.split('\'').skip(1).step_by(2).collect();
        let right = message.split(" permission").next().unwrap_or_default();
        let right = right.strip_prefix("The ").unwrap_or(right).trim_matches('\'');
        let plain = !right.is_empty() && right.chars().all(|c| c.is_ascii_uppercase() || c == ' ');
        match (number, quoted.as_slice()) {
            (229 | 230, [object, .., schema]) if plain => {
                format!("{scripts}, or: GRANT {right} ON {} TO {user}", quote::qualified(schema, object))
            }
            (262, _) if plain => format!("{scripts}, or: GRANT {right} TO {user}"),
            (916, _) => format!(
                "give it a user in this database: CREATE USER {user} FOR LOGIN {user}, then {scripts}"
            ),
            _ => scripts.to_owned(),
        }
    }
}

/// The server's number of an error, where it came from the server.
pub(crate) fn number(error: &Error) -> Option<u32> {
    let source = StdError::source(error)?;
    source.downcast_ref::<Client>()?.code()
}

/// Whether an error says that something a statement names is not there (any more): a table, column or procedure, or a
/// procedure's parameter.
pub(crate) fn is_missing_object(error: &Error) -> bool {
    matches!(number(error), Some(201 | 207 | 208 | 2812 | 4902 | 8144 | 8145 | 11501 | 11514))
}

/// The user's name as far as it is known before the server is asked.
pub(crate) fn user_of(authentication: &super::Authentication) -> String {
    match authentication {
        super::Authentication::Sql { user, .. } | super::Authentication::Windows { user, .. } => user.clone(),
        super::Authentication::EntraToken(token) => entra_name(token.expose_secret()),
        super::Authentication::EntraTokenFile(_) => "(of the Entra token)".to_owned(),
        super::Authentication::Integrated => "(of this program)".to_owned(),
    }
}

/// Tokens are opaque to their bearers: the server knows whose it is.
fn entra_name(token: &str) -> String {
    if token.trim().is_empty() {
        "(of an empty Entra token)".to_owned()
    } else {
        "(of the Entra token)".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whose() -> Whose {
        Whose {
            member: MemberId::new("hq").unwrap(),
            place: Place::new("db/shop"),
            user: "sync]er".to_owned(),
        }
    }

    #[test]
    fn a_missing_right_is_named_with_its_grant() {
        let whose = whose();
        let message = "The SELECT permission was denied on the object 'Order Details', database 'shop', schema 'sales'.";
        let grant = whose.grant(229, message);
        assert!(grant.ends_with("GRANT SELECT ON [sales].[Order Details] TO [sync]]er]"), "{grant}");
        let grant = whose.grant(262, "CREATE TABLE permission denied in database 'shop'.");
        assert!(grant.ends_with("GRANT CREATE TABLE TO [sync]]er]"), "{grant}");
        assert!(whose.grant(229, "La autorización").contains("deploy/sql/sqlserver"));
    }

    #[test]
    fn lost_connections_are_tried_again() {
        let io = Client::Io { kind: std::io::ErrorKind::ConnectionReset, message: "reset".to_owned() };
        let error = whose().classify("read", io);
        assert_eq!(error.disposition(), crate::Disposition::Retry);
        assert_eq!(error.kind(), crate::ErrorKind::Unreachable);
        let tls = whose().classify("be opened", Client::Tls("self-signed".to_owned()));
        assert_eq!(tls.disposition(), crate::Disposition::Stop);
    }

    #[test]
    fn numbers_mean_what_the_manual_says() {
        for (number, expected) in [
            (1205, Meaning::Contention),
            (3960, Meaning::Contention),
            (1222, Meaning::Busy),
            (40613, Meaning::Away),
            (40197, Meaning::Away),
            (40501, Meaning::Away),
            (10928, Meaning::Away),
            (10929, Meaning::Away),
            (49918, Meaning::Away),
            (49920, Meaning::Away),
            (4060, Meaning::NoDatabase),
            (18456, Meaning::Credentials),
            (229, Meaning::Permission),
            (262, Meaning::Permission),
            (297, Meaning::Permission),
            (9002, Meaning::Full),
            (1105, Meaning::Full),
            (3906, Meaning::ReadOnly),
            (824, Meaning::Corrupt),
            (547, Meaning::Other),
        ] {
            assert_eq!(meaning(number), expected, "{number}");
        }
    }
}
