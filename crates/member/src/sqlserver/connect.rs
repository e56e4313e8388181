//! Opening a connection: address, encryption, login, the session's own settings, and whose database it is.
//!
//! Whether the tables are as provisioned is [`super::states`]'s matter.

use super::failure::{self, Whose};
use super::server::Server;
use super::session::{Session, Wire};
use super::settings::{Authentication, Encryption, SqlServerSettings, Trust};
use super::table::BoundTable;
use super::{SqlServerMember, provisioned, states};
use crate::{Connector, Error, Member, Place, Result, TableBinding};
use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::Arc;
use tiberius::error::Error as ClientError;
use tiberius::{AuthMethod, Client, Config, EncryptionLevel, SqlBrowser as _};
use tokio::net::TcpStream;
use tokio_util::compat::TokioAsyncWriteCompatExt as _;
use tributary_model::MemberId;

/// How often a server may send a connection on to another address.
const ROUTINGS: usize = 4;

/// Opens connections to one database of a SQL Server.
#[derive(Debug, Clone)]
pub struct SqlServerConnector {
    id: MemberId,
    group: String,
    settings: SqlServerSettings,
}

impl SqlServerConnector {
    /// The member `id` of `group`, in the database that `settings` name.
    pub fn new(id: MemberId, group: impl Into<String>, settings: SqlServerSettings) -> Self {
        Self { id, group: group.into(), settings }
    }

    /// As [`Connector::connect`], giving the adapter's own type.
    pub async fn open(&self, bindings: &[Arc<TableBinding>]) -> Result<SqlServerMember> {
        let whose = Whose {
            member: self.id.clone(),
            place: Place::new(self.settings.place()),
            user: failure::user_of(&self.settings.authentication),
        };
        let action = "be opened";
        let login = self.settings.login_timeout;
        let wire = match tokio::time::timeout(login, self.log_in(&whose)).await {
            Ok(wire) => wire?,
            Err(_) => return Err(whose.lost(action, "the server did not let us in in time")),
        };
        let mut session = Session::new(wire, whose, self.settings.reply_timeout);
        session.batch(action, &self.session_settings()).await?;
        let server = Server::look(&mut session).await?;
        let mut member = SqlServerMember {
            session,
            server,
            id: self.id.clone(),
            group: self.group.clone(),
            settings: self.settings.clone(),
            tables: bindings.iter().map(|binding| BoundTable::unread(binding, &self.id)).collect(),
            provisioned: false,
            glance: None,
            glance_taken: None,
            news: None,
            empty_ranges: vec![None; bindings.len()],
            shapes: None,
            rounded: 0,
        };
        provisioned::check_identity(&mut member).await?;
        states::refresh(&mut member).await?;
        Ok(member)
    }

    async fn log_in(&self, whose: &Whose) -> Result<Wire> {
        let action = "be opened";
        let failed = |source| whose.classify(action, source);
        let mut config = self.config(whose)?;
        let mut port = self.settings.port;
        for _ in 0..ROUTINGS {
            let tcp = if self.settings.instance.is_some() && port.is_none() {
                TcpStream::connect_named(&config).await.map_err(failed)?
            } else {
                TcpStream::connect(config.get_addr()).await.map_err(|error| failed(error.into()))?
            };
            tcp.set_nodelay(true).map_err(|error| failed(error.into()))?;
            match Client::connect(config.clone(), tcp.compat_write()).await {
                Ok(wire) => return Ok(wire),
                // Azure's gateways send connections on to where the database is.
                Err(ClientError::Routing { host, port: to }) => {
                    config.host(&host);
                    config.port(to);
                    port = Some(to);
                }
                Err(error) => return Err(failed(error)),
            }
        }
        Err(whose.lost(action, "the server sends connections from one address to the next"))
    }

    fn config(&self, whose: &Whose) -> Result<Config> {
        let settings = &self.settings;
        let mut config = Config::new();
        config.host(&settings.host);
        if let Some(port) = settings.port {
            config.port(port);
        }
        if let Some(instance) = &settings.instance {
            config.instance_name(instance);
        }
        config.database(&settings.database);
        let name = settings.application_name.clone().unwrap_or_else(|| format!("Tributary ({})", self.id));
        config.application_name(name);
        config.encryption(match settings.encryption {
            Encryption::Required => EncryptionLevel::Required,
            Encryption::LoginOnly => EncryptionLevel::Off,
            Encryption::Off => EncryptionLevel::NotSupported,
        });
        match &settings.trust {
            Trust::System => {}
            Trust::Authority(path) => {
                let known = path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| {
                    ["pem", "crt", "der"].iter().any(|known| ending.eq_ignore_ascii_case(known))
                });
                if !known || !path.is_file() {
                    let reason = format!(
                        "the authority's certificate {} has to be a .pem, .crt or .der file that can be read",
                        path.display()
                    );
                    return Err(self.unusable(whose, reason));
                }
                config.trust_cert_ca(path.display());
            }
            Trust::Any => {
                tracing::warn!(
                    member = self.id.as_str(),
                    "the server's certificate is not checked: whoever stands between gets the password"
                );
                config.trust_cert();
            }
        }
        config.authentication(self.authentication(whose)?);
        Ok(config)
    }

    fn authentication(&self, whose: &Whose) -> Result<AuthMethod> {
        let token = |token: &SecretString| AuthMethod::aad_token(token.expose_secret().trim());
        match &self.settings.authentication {
            Authentication::Sql { user, password } => {
                Ok(AuthMethod::sql_server(user, password.expose_secret()))
            }
            Authentication::EntraToken(secret) => Ok(token(secret)),
            Authentication::EntraTokenFile(path) => match std::fs::read_to_string(path) {
                Ok(text) => Ok(token(&SecretString::from(text))),
                Err(error) => {
                    let reason =
                        format!("the file of the Entra token {} cannot be read: {error}", path.display());
                    Err(self.unusable(whose, reason))
                }
            },
            #[cfg(windows)]
            Authentication::Windows { user, password } => {
                Ok(AuthMethod::windows(user, password.expose_secret()))
            }
            #[cfg(windows)]
            Authentication::Integrated => Ok(AuthMethod::Integrated),
            #[cfg(not(windows))]
            Authentication::Windows { .. } | Authentication::Integrated => {
                let reason =
                    "Windows accounts can log in only from a program that was built for Windows; use a SQL \
                              login or an Entra token"
                        .to_owned();
                Err(self.unusable(whose, reason))
            }
        }
    }

    fn unusable(&self, whose: &Whose, reason: String) -> Error {
        Error::Settings { member: whose.member.clone(), reason }
    }

    /// What our sessions ask for, whatever the server's or the login's defaults are. The options of the first lines
    /// are those under which every feature of the server works; we are the one that gives way in a deadlock.
    fn session_settings(&self) -> String {
        let lock_timeout = self.settings.lock_timeout.as_millis();
        let template = include_str!("sql/session_settings.sql");
        crate::template::fill(template, &[("lock_timeout", &lock_timeout.to_string())])
    }
}

#[async_trait(?Send)]
impl Connector for SqlServerConnector {
    fn id(&self) -> &MemberId {
        &self.id
    }

    async fn connect(&self, bindings: &[Arc<TableBinding>]) -> Result<Box<dyn Member>> {
        Ok(Box::new(self.open(bindings).await?))
    }
}
