//! A broker that wants to know who comes: every way of showing it.

use crate::support::{owned, settings_of};
use secrecy::SecretString;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;
use tributary_stream::Log as _;
use tributary_stream::contract::{all, kept, publish, record, run, texts, unique};
use tributary_stream::kafka::{KafkaLog, KafkaSettings, Sasl, ScramHash, TlsIdentity, TlsSettings};
use tributary_testkit::services::{
    Broker, BrokerSettings, Certificates, Identity, Listener, Need, Security, Test, Tokens,
};

pub(crate) fn tests() -> Vec<Test> {
    let tests: Vec<Test> = tests!("secure": sasl_without_tls, sasl_with_tls, a_client_certificate, a_key_with_a_password,
        tokens, tokens_are_renewed);
    tests.into_iter().map(|test| test.needing(Need::Openssl)).collect()
}

/// A secret that must never be told, in every password.
pub(crate) const SECRET: &str = "s3cret";
/// May do everything.
pub(crate) const BOSS: &str = "boss";
/// May do what ACLs allow.
pub(crate) const GUEST: &str = "guest";

/// A broker with certificates and users, of whom some may do everything: [`BOSS`], the client's certificate and the
/// tokens' client.
pub(crate) struct Secure {
    pub(crate) broker: Broker,
    pub(crate) certificates: Certificates,
    pub(crate) tokens: Tokens,
    _folder: tempfile::TempDir,
}

/// The one for all tests of this binary.
pub(crate) fn secure() -> &'static Secure {
    static SHARED: OnceLock<Secure> = OnceLock::new();
    SHARED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let certificates = Certificates::make(folder.path());
        let users = [BOSS, GUEST].map(|user| (user.to_owned(), password_of(user)));
        let super_users = Some(vec![BOSS.to_owned(), "client".to_owned(), "service".to_owned()]);
        let security = Security { certificates: certificates.clone(), users: users.to_vec(), super_users };
        // One mechanism less on one of the listeners.
        let mechanisms = "listener.name.sasl_plaintext.sasl.enabled.mechanisms";
        let properties = owned(&[(mechanisms, "PLAIN,SCRAM-SHA-256,OAUTHBEARER")]);
        let broker = Broker::start(BrokerSettings {
            properties,
            security: Some(security),
            ..BrokerSettings::default()
        });
        let tokens = Tokens::start("service", &password_of("service"), Duration::from_secs(10));
        Secure { broker, certificates, tokens, _folder: folder }
    })
}

pub(crate) fn password_of(user: &str) -> String {
    format!("{SECRET}-{user}")
}

/// Settings for a listener, with TLS where it has it.
pub(crate) fn settings_at(listener: Listener, sasl: Option<Sasl>) -> KafkaSettings {
    let secure = secure();
    let mut settings = settings_of(&secure.broker.address_of(listener), &unique("secure.control"));
    if matches!(listener, Listener::SaslTls | Listener::MutualTls) {
        let ca = Some(secure.certificates.ca.clone());
        settings.tls = Some(TlsSettings { ca, identity: None });
    }
    settings.sasl = sasl;
    settings
}

pub(crate) fn plain(user: &str, password: &str) -> Option<Sasl> {
    Some(Sasl::Plain { user: user.to_owned(), password: SecretString::from(password) })
}

pub(crate) fn scram(hash: ScramHash, user: &str, password: &str) -> Option<Sasl> {
    Some(Sasl::Scram { hash, user: user.to_owned(), password: SecretString::from(password) })
}

pub(crate) fn oauth(url: &str, secret: &str) -> Option<Sasl> {
    Some(Sasl::OAuthBearer {
        token_url: url.to_owned(),
        client_id: "service".to_owned(),
        client_secret: SecretString::from(secret),
        scope: Some("kafka".to_owned()),
        ca: None,
    })
}

pub(crate) fn with_identity(
    mut settings: KafkaSettings,
    identity: &Identity,
    password: Option<&str>,
) -> KafkaSettings {
    let Identity { certificate, key, .. } = identity.clone();
    let identity = TlsIdentity { certificate, key, password: password.map(SecretString::from) };
    settings.tls.get_or_insert_default().identity = Some(identity);
    settings
}

/// Connects, writes in a transaction, and reads.
async fn write_and_read(settings: KafkaSettings) -> KafkaLog {
    let shown = format!("{settings:?}");
    assert!(!shown.contains(SECRET), "{shown}");
    let log = KafkaLog::connect(settings).await.unwrap();
    let topic = kept(&log, 1).await;
    publish(&log, vec![record(&topic, 0, "k", "v")]).await;
    assert_eq!(texts(&all(&log, &topic).await), ["v"]);
    assert!(log.clock_ms().await.unwrap() > 0);
    log
}

fn sasl_without_tls() {
    run(async {
        write_and_read(settings_at(Listener::SaslPlain, plain(BOSS, &password_of(BOSS)))).await;
        let sasl = scram(ScramHash::Sha256, BOSS, &password_of(BOSS));
        write_and_read(settings_at(Listener::SaslPlain, sasl)).await;
    });
}

fn sasl_with_tls() {
    run(async {
        write_and_read(settings_at(Listener::SaslTls, plain(BOSS, &password_of(BOSS)))).await;
        let sasl = scram(ScramHash::Sha512, BOSS, &password_of(BOSS));
        write_and_read(settings_at(Listener::SaslTls, sasl)).await;
    });
}

fn a_client_certificate() {
    run(async {
        let settings = settings_at(Listener::MutualTls, None);
        write_and_read(with_identity(settings, &secure().certificates.client, None)).await;
    });
}

fn a_key_with_a_password() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let mut identity = secure().certificates.client.clone();
        let locked = folder.path().join("locked.key");
        lock(&identity.key, &locked, &password_of("key"));
        identity.key = locked;
        let settings = settings_at(Listener::MutualTls, None);
        write_and_read(with_identity(settings, &identity, Some(&password_of("key")))).await;
    });
}

/// Writes a copy of a key that takes a password.
pub(crate) fn lock(key: &Path, to: &Path, password: &str) {
    let mut command = Command::new("openssl");
    command.args(["pkey", "-aes256", "-passout"]).arg(format!("pass:{password}"));
    let status = command.arg("-in").arg(key).arg("-out").arg(to).status().unwrap();
    assert!(status.success());
}

fn tokens() {
    run(async {
        let sasl = oauth(&secure().tokens.url(), &password_of("service"));
        write_and_read(settings_at(Listener::SaslTls, sasl)).await;
    });
}

/// A log stays open for longer than a token holds.
fn tokens_are_renewed() {
    run(async {
        let sasl = oauth(&secure().tokens.url(), &password_of("service"));
        let log = write_and_read(settings_at(Listener::SaslPlain, sasl)).await;
        let topic = kept(&log, 1).await;
        let mut producer = log.producer(&unique("producer")).await.unwrap();
        let began = std::time::Instant::now();
        let mut written = 0;
        while began.elapsed() < Duration::from_secs(14) {
            producer.begin().await.unwrap();
            producer.send(vec![record(&topic, 0, "k", "v")]).await.unwrap();
            producer.commit().await.unwrap();
            written += 1;
        }
        publish(&log, vec![record(&topic, 0, "k", "by a new client")]).await;
        assert_eq!(all(&log, &topic).await.len(), written + 1);
    });
}
