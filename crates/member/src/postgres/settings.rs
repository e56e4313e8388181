//! How connections to a PostgreSQL member are opened, and what they do with values that it cannot hold.
//!
//! Decides what a url means and which encryption is asked for. Nothing here is ever shown with its password.

use crate::{Direction, Error, Result};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use tokio_postgres::config::{Config, Host, SslMode};
use tributary_model::MemberId;

pub use crate::OnLoss;

/// How a connection is encrypted, and what the server has to prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// Not encrypted.
    Disable,
    /// Encrypted if the server offers it, whoever it is; else not. Asks for nothing, so nothing is checked.
    Prefer,
    /// As [`TlsMode::VerifyFull`]: whoever asks for encryption gets it from a server that proves who it is.
    Require,
    /// Encrypted, by a server whose certificate a trusted authority has signed, whatever name it bears.
    VerifyCa,
    /// Encrypted, by a server whose certificate a trusted authority has signed for the host's name.
    VerifyFull,
}

impl FromStr for TlsMode {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Ok(match text {
            "disable" => Self::Disable,
            "allow" | "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => {
                return Err(
                    "sslmode is one of disable, prefer, require, verify-ca and verify-full".to_owned()
                );
            }
        })
    }
}

/// Settings of a member's connections.
#[derive(Clone)]
pub struct PostgresSettings {
    /// Where and as whom, without encryption.
    pub(super) config: Config,
    /// How it is encrypted; `None`: [`TlsMode::Prefer`] on this machine, [`TlsMode::VerifyFull`] elsewhere.
    pub tls: Option<TlsMode>,
    /// The certificates of the authorities that are trusted, as PEM; without it those of the system are.
    pub root_certificate: Option<PathBuf>,
    /// Our own certificate and its key, as PEM, for servers that ask for one.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// What becomes of values that would be lost in part.
    pub on_loss: OnLoss,
    /// How long is waited for a connection.
    pub connect_timeout: Duration,
    /// How long is waited for another's lock before a call fails with [`crate::ErrorKind::Busy`]. Apply keeps it
    /// below the server's `deadlock_timeout`, so that in a deadlock with a user it is the one that gives way.
    pub lock_timeout: Duration,
    /// How long provisioning lets writers queue behind it at most, each time it tries to take a table's lock.
    pub provision_lock: Duration,
    /// How long provisioning goes on trying.
    pub provision_patience: Duration,
    /// How long one of apply's transactions may hold its locks, roughly.
    pub longest_lock: Duration,
    /// Whether a database that carries another member's id is opened all the same, in order to deprovision it.
    pub any_identity: bool,
    /// Whether a database that was provisioned with another direction is opened all the same, and provisioned with
    /// this one.
    pub any_direction: bool,
    /// Which way the member's changes go.
    pub direction: Direction,
}

impl fmt::Debug for PostgresSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresSettings")
            .field("place", &self.place())
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl PostgresSettings {
    /// What `url` says: `postgresql://user@host:port/database?sslmode=verify-full&sslrootcert=/path/ca.pem`, with
    /// `host=/path` for a Unix socket's folder.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Settings`] for anything that is no such url; the message does not show it.
    pub fn from_url(member: &MemberId, url: &str) -> Result<Self> {
        let wrong = |reason: String| Error::Settings { member: member.clone(), reason };
        let (plain, ours) = take_options(url).map_err(wrong)?;
        let mut config = Config::from_str(&plain).map_err(|_| {
            wrong(
                "write the url as postgresql://user@host:port/database?sslmode=verify-full, with special characters \
                 as %XX"
                    .to_owned(),
            )
        })?;
        if config.get_hosts().is_empty() {
            return Err(wrong("the url names no host".to_owned()));
        }
        if config.get_dbname().is_none_or(str::is_empty) {
            return Err(wrong("the url names no database".to_owned()));
        }
        if config.get_user().is_none_or(str::is_empty) {
            return Err(wrong("the url names no user".to_owned()));
        }
        let connect_timeout = config.get_connect_timeout().copied().unwrap_or(Duration::from_secs(10));
        config.connect_timeout(connect_timeout);
        notice_silence(&mut config, &plain);
        let tls = ours.mode.map(|mode| mode.parse()).transpose().map_err(wrong)?;
        if ours.certificate.is_some() != ours.key.is_some() {
            return Err(wrong("sslcert and sslkey belong together".to_owned()));
        }
        Ok(Self {
            config,
            tls,
            root_certificate: ours.root.map(PathBuf::from),
            client_certificate: ours.certificate.zip(ours.key).map(|(one, two)| (one.into(), two.into())),
            on_loss: OnLoss::Refuse,
            connect_timeout,
            lock_timeout: Duration::from_secs(5),
            provision_lock: Duration::from_millis(500),
            provision_patience: Duration::from_secs(60),
            longest_lock: Duration::from_millis(500),
            any_identity: false,
            any_direction: false,
            direction: Direction::Both,
        })
    }

    /// With this password instead of the url's.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.config.password(password);
        self
    }

    /// Database, host and port, as messages name the place.
    pub(super) fn place(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            #[cfg(unix)]
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "?".to_owned(),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        format!("{} at {host}:{port}", self.config.get_dbname().unwrap_or("?"))
    }

    /// How the connection is encrypted.
    pub(super) fn tls_mode(&self) -> TlsMode {
        if self.config.get_hosts().iter().all(|host| !matches!(host, Host::Tcp(_))) {
            // A Unix socket knows no encryption, and needs none.
            return TlsMode::Disable;
        }
        self.tls.unwrap_or_else(|| {
            let is_here = |host: &Host| match host {
                Host::Tcp(host) => {
                    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
                }
                #[cfg(unix)]
                Host::Unix(_) => true,
            };
            if self.config.get_hosts().iter().all(is_here) { TlsMode::Prefer } else { TlsMode::VerifyFull }
        })
    }

    /// The client library's own setting.
    pub(super) fn ssl_mode(&self) -> SslMode {
        match self.tls_mode() {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
        }
    }
}

/// Has the system notice within about a minute that the server's machine is gone without a word; by default that takes two
/// hours, for which a worker would wait for its answer. A server that works on an answer for long is not concerned.
fn notice_silence(config: &mut Config, url: &str) {
    let (_, options) = url.split_once('?').unwrap_or_default();
    let says = |name: &str| options.contains(&format!("{name}="));
    if !says("keepalives_idle") {
        config.keepalives_idle(Duration::from_secs(30));
    }
    if !says("keepalives_interval") {
        config.keepalives_interval(Duration::from_secs(10));
    }
    if !says("keepalives_retries") {
        config.keepalives_retries(3);
    }
    if !says("tcp_user_timeout") {
        config.tcp_user_timeout(Duration::from_secs(60));
    }
}

/// Options of the url that the client library does not know.
#[derive(Default)]
struct Options {
    mode: Option<String>,
    root: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

fn take_options(url: &str) -> std::result::Result<(String, Options), String> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err("the url does not begin with postgresql://".to_owned());
    }
    let mut ours = Options::default();
    let Some((front, query)) = url.split_once('?') else { return Ok((url.to_owned(), ours)) };
    let mut kept = Vec::new();
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let slot = match name {
            "sslmode" => &mut ours.mode,
            "sslrootcert" => &mut ours.root,
            "sslcert" => &mut ours.certificate,
            "sslkey" => &mut ours.key,
            _ => {
                kept.push(option);
                continue;
            }
        };
        *slot = Some(
            percent_decoded(value).ok_or_else(|| format!("{name} holds a % that no two digits follow"))?,
        );
    }
    let plain = if kept.is_empty() { front.to_owned() } else { format!("{front}?{}", kept.join("&")) };
    Ok((plain, ours))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        if *byte == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*byte);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<PostgresSettings> {
        PostgresSettings::from_url(&MemberId::new("hq").unwrap(), url)
    }

    #[test]
    fn a_url_says_where_and_how() {
        let settings = read(
            "postgresql://sync:geh%65im@db.example.com:5433/shop?sslmode=verify-ca&connect_timeout=3&\
             sslrootcert=/etc/ssl/my%20ca.pem",
        )
        .unwrap();
        assert_eq!(settings.place(), "shop at db.example.com:5433");
        assert_eq!(settings.tls_mode(), TlsMode::VerifyCa);
        assert_eq!(settings.root_certificate, Some(PathBuf::from("/etc/ssl/my ca.pem")));
        assert_eq!(settings.connect_timeout, Duration::from_secs(3));
        assert!(!format!("{settings:?}").contains("geheim"));
    }

    #[test]
    fn encryption_is_asked_for_where_it_is_not_said_otherwise() {
        let mode = |url: &str| read(url).unwrap().tls_mode();
        assert_eq!(mode("postgres://u@db.example.com/d"), TlsMode::VerifyFull);
        assert_eq!(mode("postgres://u@localhost/d"), TlsMode::Prefer);
        assert_eq!(mode("postgres://u@127.0.0.1/d"), TlsMode::Prefer);
        assert_eq!(mode("postgres://u@%2Frun%2Fpostgresql/d"), TlsMode::Disable);
        assert_eq!(mode("postgres://u@localhost,db.example.com/d"), TlsMode::VerifyFull);
    }

    #[test]
    fn a_server_that_is_gone_is_noticed() {
        let seconds = |url: &str| {
            let config = read(url).unwrap().config;
            let of = |time: Option<Duration>| time.map(|time| time.as_secs());
            let keepalive = [Some(config.get_keepalives_idle()), config.get_keepalives_interval()].map(of);
            (keepalive, config.get_keepalives_retries(), of(config.get_tcp_user_timeout().copied()))
        };
        assert_eq!(seconds("postgres://u@h/d"), ([Some(30), Some(10)], Some(3), Some(60)));
        let own = "postgres://u@h/d?keepalives_idle=7&keepalives_interval=8&keepalives_retries=9&tcp_user_timeout=10";
        assert_eq!(seconds(own), ([Some(7), Some(8)], Some(9), Some(10)));
    }

    #[test]
    fn what_is_wrong_is_told_without_the_url() {
        for bad in [
            "mysql://u:geheim@h/d",
            "postgresql://u:geheim@h:port/d",
            "postgresql://u:geheim@h/d?nonsense=geheim",
            "postgresql://u:geheim@h/",
            "postgresql://u:geheim@/d",
            "postgresql://:geheim@h/d",
            "postgresql://u:geheim@h/d?sslmode=geheim",
            "postgresql://u:geheim@h/d?sslcert=geheim",
            "postgresql://u:geheim@h/d?sslcert=%g",
        ] {
            let error = read(bad).unwrap_err();
            assert_eq!(error.code(), "DBS-030", "{bad}");
            assert!(!error.to_string().contains("geheim"), "{error}");
        }
    }
}
