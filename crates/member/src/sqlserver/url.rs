//! What a SQL Server's url in a group file means.
//!
//! Decides it without a connection, and never repeats the url: somebody may have put a password into it.

use super::settings::{Authentication, Encryption, SqlServerSettings, Trust};
use crate::{Error, Result};
use secrecy::SecretString;
use std::path::PathBuf;
use tributary_model::MemberId;
use url::Url;

/// How a url is written.
const WAY: &str = "write the url as mssql://user@host:1433/Database, with special characters as %XX";

impl SqlServerSettings {
    /// What `url` says: `mssql://user@host:1433/Database`, with these options behind a `?`: `encrypt=required`, `login` or
    /// `off`; `ca=/path.pem` for the authority that has signed the server's certificate, or `trust=any`;
    /// `instance=NAME`; `authentication=sql`, `entra`, `windows` or `integrated`; `token_file=/path` for an access token
    /// that is renewed in a file; `application_name=…`. The password (for `entra` the access token) stands elsewhere.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Settings`] for anything that is no such url; the message does not show it.
    pub fn from_url(member: &MemberId, url: &str, password: Option<SecretString>) -> Result<Self> {
        let wrong = |reason: &str| Error::Settings { member: member.clone(), reason: reason.to_owned() };
        let parsed = Url::parse(url).map_err(|_| wrong(WAY))?;
        if !matches!(parsed.scheme(), "mssql" | "sqlserver") {
            return Err(wrong("the url does not begin with mssql://"));
        }
        if parsed.password().is_some() {
            return Err(wrong("the url holds a password; give it apart from the url"));
        }
        let host = parsed.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| wrong("the url names no host"))?;
        let database = decoded(parsed.path().trim_start_matches('/')).ok_or_else(|| wrong(WAY))?;
        if database.is_empty() || database.contains('/') {
            return Err(wrong("the url names no database"));
        }
        let user = decoded(parsed.username()).ok_or_else(|| wrong(WAY))?;
        let options = Options::read(&parsed).map_err(|reason| wrong(&reason))?;
        let mut settings = Self::new(
            host,
            database,
            options.authentication(user, password).map_err(|reason| wrong(&reason))?,
        );
        settings.port = parsed.port();
        settings.instance = options.instance;
        settings.encryption = options.encryption;
        settings.trust = options.trust;
        settings.application_name = options.application_name;
        Ok(settings)
    }
}

fn decoded(text: &str) -> Option<String> {
    percent_encoding::percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned())
}

#[derive(Default)]
struct Options {
    encryption: Encryption,
    trust: Trust,
    instance: Option<String>,
    authentication: Option<String>,
    token_file: Option<PathBuf>,
    application_name: Option<String>,
}

impl Options {
    fn read(url: &Url) -> std::result::Result<Self, String> {
        let mut options = Self::default();
        for (name, value) in url.query_pairs() {
            let value = value.into_owned();
            match name.as_ref() {
                "encrypt" => {
                    options.encryption = match value.as_str() {
                        "required" | "true" | "yes" => Encryption::Required,
                        "login" => Encryption::LoginOnly,
                        "off" | "false" | "no" => Encryption::Off,
                        _ => return Err("encrypt is one of required, login and off".to_owned()),
                    };
                }
                "trust" if value == "any" => options.trust = Trust::Any,
                "trust" => {
                    return Err("trust can only be any; leave it out to have certificates checked".to_owned());
                }
                "ca" => options.trust = Trust::Authority(PathBuf::from(value)),
                "instance" => options.instance = Some(value),
                "authentication" => options.authentication = Some(value),
                "token_file" => options.token_file = Some(PathBuf::from(value)),
                "application_name" => options.application_name = Some(value),
                "password" | "pwd" => {
                    return Err("the url holds a password; give it apart from the url".to_owned());
                }
                _ => {
                    return Err("the options of the url are encrypt, ca, trust, instance, authentication, token_file and \
                                application_name"
                        .to_owned());
                }
            }
        }
        Ok(options)
    }

    /// Who logs in. Whether the password is there is told when it is used: the address may be looked at without it.
    fn authentication(
        &self,
        user: String,
        password: Option<SecretString>,
    ) -> std::result::Result<Authentication, String> {
        let named = self.authentication.as_deref();
        let password = || password.clone().unwrap_or_else(|| SecretString::from(String::new()));
        match (named, &self.token_file) {
            (None | Some("entra"), Some(file)) => Ok(Authentication::EntraTokenFile(file.clone())),
            (Some("entra"), None) => Ok(Authentication::EntraToken(password())),
            (Some("integrated"), None) => Ok(Authentication::Integrated),
            (Some("windows"), None) if !user.is_empty() => {
                Ok(Authentication::Windows { user, password: password() })
            }
            (None | Some("sql"), None) if !user.is_empty() => {
                Ok(Authentication::Sql { user, password: password() })
            }
            (None | Some("sql" | "windows"), None) => Err("the url names no user".to_owned()),
            (Some(_), Some(_)) => Err("token_file belongs to authentication=entra".to_owned()),
            (Some(_), None) => Err("authentication is one of sql, entra, windows and integrated".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<SqlServerSettings> {
        let member = MemberId::new("hq").expect("it follows the rule");
        SqlServerSettings::from_url(&member, url, Some(SecretString::from("geheim")))
    }

    #[test]
    fn urls_say_where_and_who() {
        let plain = read("mssql://app%40corp@sql.example:1444/My%20Shop").expect("it is right");
        assert_eq!(
            (plain.host.as_str(), plain.port, plain.database.as_str()),
            ("sql.example", Some(1444), "My Shop")
        );
        assert!(matches!(&plain.authentication, Authentication::Sql { user, .. } if user == "app@corp"));
        assert_eq!((plain.encryption, plain.trust), (Encryption::Required, Trust::System));
        let named = read("sqlserver://a@h/d?instance=PAYROLL&encrypt=login&ca=/ca.pem").expect("it is right");
        assert_eq!((named.instance.as_deref(), named.encryption), (Some("PAYROLL"), Encryption::LoginOnly));
        assert_eq!(named.trust, Trust::Authority("/ca.pem".into()));
        let token = read("mssql://h/d?authentication=entra&token_file=/run/token").expect("it is right");
        assert!(matches!(token.authentication, Authentication::EntraTokenFile(_)));
        assert!(
            matches!(read("mssql://h/d?authentication=integrated"), Ok(s) if matches!(s.authentication, Authentication::Integrated))
        );
    }

    #[test]
    fn what_is_wrong_is_said_without_the_url() {
        for (url, said) in [
            ("mssql://app:geheim2@h/d", "holds a password"),
            ("mssql://app@h", "names no database"),
            ("mssql://h/d", "names no user"),
            ("mssql://app@h/d?encrypt=maybe", "encrypt is one of"),
            ("mssql://app@h/d?trust=all", "trust can only be any"),
            ("mssql://app@h/d?authentication=kerberos", "authentication is one of"),
            ("mssql://app@h/d?colour=geheim2", "the options of the url are"),
            ("mysql://app@h/d", "does not begin with mssql://"),
            ("geheim2", "write the url as"),
        ] {
            let error = read(url).expect_err(url).to_string();
            assert!(error.contains(said) && !error.contains("geheim2"), "{url}: {error}");
        }
    }
}
