//! How connections to a SQL Server are opened, and what they do with values that it cannot hold.
//!
//! Where secrets come from is the group file's matter; only a token that is renewed in a file is read here, at every
//! connection, since it lives shorter than this program does.

use crate::{Direction, OnLoss};
use secrecy::SecretString;
use std::path::PathBuf;
use std::time::Duration;

/// Who logs in.
#[derive(Debug, Clone)]
pub enum Authentication {
    /// A login or contained user of SQL Server's own.
    Sql {
        /// Its name.
        user: String,
        /// Its password.
        password: SecretString,
    },
    /// An access token of Entra ID for `https://database.windows.net/`, as it is.
    EntraToken(SecretString),
    /// The same, read from this file at every connection; whoever writes the file renews it before it expires.
    EntraTokenFile(PathBuf),
    /// A Windows account, `DOMAIN\user`, by NTLM. Only in programs built for Windows.
    Windows {
        /// Its name, with the domain.
        user: String,
        /// Its password.
        password: SecretString,
    },
    /// The Windows account that this program runs as. Only in programs built for Windows.
    Integrated,
}

/// What of a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encryption {
    /// All of it, always.
    #[default]
    Required,
    /// The login alone.
    LoginOnly,
    /// Nothing, the password included. For servers without TLS on the same machine.
    Off,
}

/// Which certificate the server may show.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Trust {
    /// One that the machine's own authorities vouch for.
    #[default]
    System,
    /// One that this authority vouches for, a `.pem`, `.crt` or `.der` file, or the machine's own.
    Authority(PathBuf),
    /// Any. Whoever can stand between gets the password; every connection warns of it.
    Any,
}

/// Settings of a member's connections.
#[derive(Debug, Clone)]
pub struct SqlServerSettings {
    /// The server's name or address.
    pub host: String,
    /// Its port; 1433 when left out, or what the SQL Server Browser says of `instance`.
    pub port: Option<u16>,
    /// A named instance.
    pub instance: Option<String>,
    /// The database.
    pub database: String,
    /// Who logs in.
    pub authentication: Authentication,
    /// What is encrypted.
    pub encryption: Encryption,
    /// Which certificate the server may show.
    pub trust: Trust,
    /// What the server's lists of sessions call us; `Tributary (<member>)` when left out.
    pub application_name: Option<String>,
    /// How long a connection may take to be ready.
    pub login_timeout: Duration,
    /// How long is waited for another session's lock before a call fails with [`crate::ErrorKind::Busy`].
    pub lock_timeout: Duration,
    /// How long the server may be silent in the middle of a call before the connection counts as lost.
    pub reply_timeout: Duration,
    /// How old what is known of the tables may be at most when a batch is applied. Where looking is quick, it is a
    /// tenth of a second at most; zero looks before every batch.
    pub look_age: Duration,
    /// What becomes of values that would be lost in part.
    pub on_loss: OnLoss,
    /// Whether a database that carries another member's id is opened all the same, in order to deprovision it.
    pub any_identity: bool,
    /// Whether a database that was provisioned with another direction is opened all the same, and provisioned with
    /// this one.
    pub any_direction: bool,
    /// Which way the member's changes go.
    pub direction: Direction,
}

impl SqlServerSettings {
    /// The default settings for a database: encrypted, with a certificate that can be checked.
    pub fn new(host: impl Into<String>, database: impl Into<String>, authentication: Authentication) -> Self {
        Self {
            host: host.into(),
            port: None,
            instance: None,
            database: database.into(),
            authentication,
            encryption: Encryption::Required,
            trust: Trust::System,
            application_name: None,
            login_timeout: Duration::from_secs(15),
            lock_timeout: Duration::from_secs(5),
            reply_timeout: Duration::from_secs(300),
            look_age: Duration::from_secs(5),
            on_loss: OnLoss::Refuse,
            any_identity: false,
            any_direction: false,
            direction: Direction::Both,
        }
    }

    /// The server and database as messages name them; holds no secret.
    pub fn place(&self) -> String {
        let port = match (&self.instance, self.port) {
            (_, Some(port)) => format!(",{port}"),
            (Some(instance), None) => format!("\\{instance}"),
            (None, None) => String::new(),
        };
        format!("{}{port}/{}", self.host, self.database)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let sql = Authentication::Sql { user: "sync".into(), password: SecretString::from("geheim") };
        let settings = SqlServerSettings::new("db.example", "shop", sql);
        assert!(!format!("{settings:?}").contains("geheim"));
        assert_eq!(settings.place(), "db.example/shop");
        let token = Authentication::EntraToken(SecretString::from("geheim"));
        assert!(!format!("{token:?}").contains("geheim"));
    }

    #[test]
    fn encryption_is_on_and_certificates_are_checked_by_default() {
        let settings = SqlServerSettings::new("h", "d", Authentication::Integrated);
        assert_eq!((settings.encryption, settings.trust), (Encryption::Required, Trust::System));
    }
}
