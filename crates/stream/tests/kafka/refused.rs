//! Who does not get in: told quickly, with the cause, and without a secret.

use crate::secure::{
    BOSS, SECRET, lock, oauth, password_of, plain, scram, secure, settings_at, with_identity,
};
use crate::support::settings_of;
use std::error::Error as _;
use std::net::TcpListener;
use std::time::{Duration, Instant};
use tributary_stream::contract::{run, unique};
use tributary_stream::kafka::{KafkaLog, KafkaSettings, ScramHash, TlsSettings};
use tributary_stream::{Disposition, Error};
use tributary_testkit::services::{Listener, Need, Test};

pub(crate) fn tests() -> Vec<Test> {
    let tests: Vec<Test> = tests!("refused": wrong_passwords, wrong_oauth_secrets, no_endpoint_for_tokens,
        mechanisms_that_the_broker_does_not_have, unknown_authorities, no_certificate_or_a_strangers,
        unreadable_certificates, tls_on_one_side_only);
    let mut tests: Vec<_> = tests.into_iter().map(|test| test.needing(Need::Openssl)).collect();
    let others: Vec<Test> = tests!("refused": nobody_there, somebody_silent, settings_that_do_not_exist);
    tests.extend(others);
    tests
}

/// Longer than a handshake takes on a busy machine, and shorter than the time-out.
const SOON: Duration = Duration::from_secs(8);
/// So that a test sees the difference between what is known and what is waited for.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Connects in vain; gives the error, which knows no secret.
async fn refusal(mut settings: KafkaSettings) -> (Error, Duration) {
    settings.timeout = TIMEOUT;
    let began = Instant::now();
    let error = KafkaLog::connect(settings).await.unwrap_err();
    let took = began.elapsed();
    let mut told = format!("{error:?} {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        told = format!("{told} {cause:?} {cause}");
        source = cause.source();
    }
    assert!(!told.contains(SECRET), "{told}");
    (error, took)
}

async fn assert_credentials(settings: KafkaSettings, said: &str) {
    let at = settings.brokers[0].clone();
    let (error, took) = refusal(settings).await;
    let Error::Credentials { service: "Kafka", address, reason } = &error else { panic!("{error:?}") };
    assert_eq!(*address, at);
    assert!(reason.to_lowercase().contains(said), "{reason}");
    assert_eq!((error.code(), error.disposition()), ("LOG-025", Disposition::Stop));
    assert!(took < SOON, "only after {took:?}");
}

async fn assert_tls(settings: KafkaSettings, said: &[&str]) {
    let at = settings.brokers[0].clone();
    let (error, took) = refusal(settings).await;
    let Error::Tls { service: "Kafka", address, reason } = &error else { panic!("{error:?}") };
    assert_eq!(*address, at);
    assert!(said.iter().any(|said| reason.to_lowercase().contains(said)), "{reason}");
    assert_eq!((error.code(), error.disposition()), ("LOG-026", Disposition::Stop));
    assert!(took < SOON, "only after {took:?}");
}

fn wrong_passwords() {
    run(async {
        let wrong = format!("{SECRET}-wrong");
        let of = |sasl| settings_at(Listener::SaslPlain, sasl);
        assert_credentials(of(plain(BOSS, &wrong)), "invalid username or password").await;
        assert_credentials(of(plain("stranger", &wrong)), "invalid username or password").await;
        assert_credentials(of(scram(ScramHash::Sha256, BOSS, &wrong)), "invalid credentials").await;
        let of = |sasl| settings_at(Listener::SaslTls, sasl);
        assert_credentials(of(scram(ScramHash::Sha512, BOSS, &wrong)), "invalid credentials").await;
        assert_credentials(of(scram(ScramHash::Sha512, "stranger", &wrong)), "invalid credentials").await;
        // Who shows nothing is hung up on without a word.
        assert_unavailable(of(None), "wants TLS, or a user, or neither").await;
    });
}

fn wrong_oauth_secrets() {
    run(async {
        let sasl = oauth(&secure().tokens.url(), &format!("{SECRET}-wrong"));
        assert_credentials(settings_at(Listener::SaslPlain, sasl), "invalid_client").await;
    });
}

fn no_endpoint_for_tokens() {
    run(async {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/token", free.local_addr().unwrap());
        drop(free);
        let settings = settings_at(Listener::SaslPlain, oauth(&url, &password_of("service")));
        let (error, _) = refusal(settings).await;
        let Error::Unavailable { reason, .. } = &error else { panic!("{error:?}") };
        assert!(reason.contains(&url), "{reason}");
    });
}

fn mechanisms_that_the_broker_does_not_have() {
    run(async {
        let sasl = scram(ScramHash::Sha512, BOSS, &password_of(BOSS));
        assert_credentials(settings_at(Listener::SaslPlain, sasl), "mechanism").await;
    });
}

fn unknown_authorities() {
    run(async {
        let mut settings = settings_at(Listener::SaslTls, plain(BOSS, &password_of(BOSS)));
        settings.tls = Some(TlsSettings { ca: Some(secure().certificates.other_ca.clone()), identity: None });
        assert_tls(settings.clone(), &["certificate verify failed"]).await;
        settings.tls = Some(TlsSettings::default());
        assert_tls(settings, &["certificate verify failed"]).await;
    });
}

fn no_certificate_or_a_strangers() {
    run(async {
        let settings = settings_at(Listener::MutualTls, None);
        assert_tls(settings.clone(), &["certificate", "handshake"]).await;
        assert_tls(
            with_identity(settings, &secure().certificates.stranger, None),
            &["certificate", "handshake"],
        )
        .await;
    });
}

/// Files that are not there, or not what they should be, are named.
fn unreadable_certificates() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = folder.path().join("nowhere.pem");
        let client = &secure().certificates.client;
        let locked = folder.path().join("locked.key");
        lock(&client.key, &locked, &password_of("key"));
        let settings = settings_at(Listener::MutualTls, None);
        let mut no_ca = settings.clone();
        no_ca.tls = Some(TlsSettings { ca: Some(nowhere.clone()), identity: None });
        let mut no_key = client.clone();
        no_key.key = nowhere.clone();
        let mut locked_key = client.clone();
        locked_key.key = locked;
        let wrong = format!("{SECRET}-wrong");
        for (settings, said) in [
            (no_ca, "ssl.ca.location"),
            (with_identity(settings.clone(), &no_key, None), "ssl.key.location"),
            (with_identity(settings, &locked_key, Some(&wrong)), "ssl.key.location"),
        ] {
            let (error, took) = refusal(settings).await;
            let Error::ClientSettings { reason } = &error else { panic!("{error:?}") };
            assert!(reason.contains(said), "{reason}");
            assert_eq!((error.code(), error.disposition()), ("LOG-028", Disposition::Stop));
            assert!(took < SOON, "only after {took:?}");
        }
    });
}

fn tls_on_one_side_only() {
    run(async {
        let mut to_plain = settings_at(Listener::Plain, None);
        to_plain.tls = Some(TlsSettings { ca: Some(secure().certificates.ca.clone()), identity: None });
        // As a broker also does when it ends.
        assert_unavailable(to_plain, "wants TLS, or a user, or neither").await;
        let mut to_tls = settings_at(Listener::MutualTls, None);
        to_tls.tls = None;
        assert_unavailable(to_tls, "wants TLS, or a user, or neither").await;
    });
}

async fn assert_unavailable(settings: KafkaSettings, said: &str) {
    let at = settings.brokers.join(", ");
    let (error, took) = refusal(settings).await;
    let Error::Unavailable { service: "Kafka", address, reason } = &error else { panic!("{error:?}") };
    assert_eq!(*address, at);
    assert!(reason.contains(said), "{reason}");
    assert_eq!((error.code(), error.disposition()), ("LOG-024", Disposition::Retry));
    assert!(took < TIMEOUT + SOON, "only after {took:?}");
}

/// A port that nobody listens on, and a name that does not exist.
fn nobody_there() {
    run(async {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        assert_unavailable(settings_of(&address, &unique("control")), "refused").await;
        let both = format!("{address},nowhere.invalid:9092");
        assert_unavailable(settings_of(&both, &unique("control")), "could not reach a broker").await;
        assert_unavailable(settings_of("nowhere.invalid:9092", &unique("control")), "resolve").await;
    });
}

/// Somebody who takes connections and says nothing.
fn somebody_silent() {
    run(async {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap().to_string();
        assert_unavailable(settings_of(&address, &unique("control")), "could not reach a broker").await;
    });
}

/// Properties of the group file's own that the library does not have, or not with this value; the value is not told.
fn settings_that_do_not_exist() {
    run(async {
        for (name, value) in [
            ("no.such.setting", SECRET),
            ("socket.timeout.ms", SECRET),
            ("sasl.mechanism", "GSSAPI"),
            ("security.protocol", "sasl_plaintext"),
        ] {
            let mut settings = settings_of("127.0.0.1:1", &unique("control"));
            settings.properties.insert(name.to_owned(), value.to_owned());
            if name == "sasl.mechanism" {
                settings.properties.insert("security.protocol".to_owned(), "sasl_plaintext".to_owned());
            }
            assert!(!format!("{settings:?}").contains(SECRET));
            let (error, took) = refusal(settings).await;
            let Error::ClientSettings { reason } = &error else { panic!("{error:?}") };
            assert!(!reason.is_empty());
            assert!(took < SOON, "only after {took:?}");
        }
    });
}
